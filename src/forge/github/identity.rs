//! As whom GitHub is asked: a token, or a GitHub App that fetches tokens of its installation and renews them.
//!
//! Entry points: [`Identity`] and [`App`]. A private key and the tokens it fetches never reach a message or a file.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

/// How long the App's own token is good; GitHub takes ten minutes at most.
const JWT_LIFE: SignedDuration = SignedDuration::from_mins(9);

/// How far back it is dated, for clocks that are not alike (GitHub's documentation asks for that).
const JWT_DRIFT: SignedDuration = SignedDuration::from_mins(1);

/// How long before its end a token of the installation is renewed.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_mins(5);

/// As whom GitHub is asked.
pub enum Identity {
    /// A personal token, one of Actions, or one that somebody else fetched for an installation.
    Token(SecretString),
    /// A GitHub App.
    App(App),
}

/// Why a private key is of no use. Never repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no PEM file with an RSA key.
    #[error("it is no RSA private key in PEM form, which is what GitHub gives for an App")]
    Form,
    /// It is one that is not taken.
    #[error("its RSA key is broken, or of a size that is not taken")]
    Rejected,
}

/// A GitHub App with its key.
pub struct App {
    id: u64,
    key: KeyPair,
    pub(super) installation: Option<u64>,
    pub(super) held: tokio::sync::Mutex<Option<Held>>,
}

/// A token of the installation.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: SecretString,
    pub(super) expires: Timestamp,
    pub(super) permissions: Vec<(String, String)>,
}

impl Held {
    /// Whether it is good for the next requests.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        self.expires.duration_since(now) > RENEWED_BEFORE
    }
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").field("id", &self.id).finish_non_exhaustive()
    }
}

impl App {
    /// Takes an App's id and its private key, and its installation where that is named.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when the key is of no use.
    pub fn new(id: u64, key: &SecretString, installation: Option<u64>) -> Result<Self, KeyError> {
        let key = read_key(key.expose_secret())?;
        Ok(Self { id, key, installation, held: tokio::sync::Mutex::new(None) })
    }

    /// Returns the App's own token: a signed JSON Web Token (RFC 7519) by RS256.
    pub(super) fn web_token(&self, now: Timestamp) -> Option<SecretString> {
        let claims = json!({
            "iat": (now - JWT_DRIFT).as_second(),
            "exp": (now + JWT_LIFE).as_second(),
            "iss": self.id.to_string(),
        });
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

/// Reads a key as GitHub gives it (PKCS#1) or as tools convert it (PKCS#8).
fn read_key(pem: &str) -> Result<KeyPair, KeyError> {
    for (label, is_pkcs8) in [("RSA PRIVATE KEY", false), ("PRIVATE KEY", true)] {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let inner = pem.split_once(begin.as_str()).and_then(|(_, rest)| rest.split_once(end.as_str()));
        let Some((inner, _)) = inner else { continue };
        let text: String = inner.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(text).map_err(|_not_base64| KeyError::Form)?;
        let read = if is_pkcs8 { KeyPair::from_pkcs8(&bytes) } else { KeyPair::from_der(&bytes) };
        return read.map_err(|_rejected| KeyError::Rejected);
    }
    Err(KeyError::Form)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    #[test]
    fn signs_what_the_public_key_verifies_for_ten_minutes_at_most() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = pair.as_der().unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        let app = App::new(7, &pem.into(), None).unwrap();
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let token = app.web_token(now).unwrap();
        let (signed, signature) = token.expose_secret().rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!(iat < now.as_second() && exp - iat <= 600 && claims["iss"] == "7", "{claims}");
        assert!(!format!("{app:?}").contains("key"));
    }

    #[test]
    fn refuses_what_is_no_key_without_repeating_it() {
        for text in ["", "hush", "-----BEGIN PRIVATE KEY-----\nhush!\n-----END PRIVATE KEY-----"] {
            let error = App::new(7, &text.into(), None).unwrap_err();
            assert_eq!(error, KeyError::Form);
            assert!(!error.to_string().contains("hush"));
        }
        let broken = "-----BEGIN RSA PRIVATE KEY-----\naHVzaA==\n-----END RSA PRIVATE KEY-----";
        assert_eq!(App::new(7, &broken.into(), None).unwrap_err(), KeyError::Rejected);
    }
}
