//! As whom GitHub is asked: a token, or a GitHub App that fetches tokens of its installation and renews them.
//!
//! Entry points: [`Identity`] and [`App`]. A private key never reaches a message or a file, nor do the tokens it fetches but as bytes that this key
//! alone opens ([`Vault`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::forge::github::vault::{Seal, Vault};

/// How long the App's own token is good; GitHub takes ten minutes at most.
const JWT_LIFE: SignedDuration = SignedDuration::from_mins(9);

/// How far back it is dated, for clocks that are not alike (GitHub's documentation asks for that).
const JWT_DRIFT: SignedDuration = SignedDuration::from_mins(1);

/// How long before its end a token of the installation is renewed.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_mins(5);

/// How long a token that an earlier process has left must be good at least, of the hour that GitHub gives it.
const TAKEN_BEFORE: SignedDuration = SignedDuration::from_mins(30);

/// As whom GitHub is asked.
pub enum Identity {
    /// A personal token, one of Actions, or one that somebody else fetched for an installation.
    Token(SecretString),
    /// A GitHub App.
    App(Box<App>),
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
    seal: Option<Seal>,
    vault: Option<Arc<dyn Vault>>,
    pub(super) installation: Option<u64>,
    pub(super) held: tokio::sync::Mutex<Option<Held>>,
}

/// A token of the installation.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: SecretString,
    pub(super) expires: Timestamp,
    pub(super) permissions: Vec<(String, String)>,
    /// The number of the installation.
    pub(super) installation: u64,
}

impl Held {
    /// Whether it is good for the next requests.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        self.expires.duration_since(now) > RENEWED_BEFORE
    }

    /// Whether one that an earlier process has fetched is good for as long as a pass may take: Git is shown one token alone in it.
    pub(super) fn outlasts(&self, pass: Duration, now: Timestamp) -> bool {
        let pass = SignedDuration::try_from(pass).unwrap_or(SignedDuration::MAX);
        self.expires.duration_since(now) > pass.max(TAKEN_BEFORE)
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
        let (key, seal) = read_key(key.expose_secret())?;
        Ok(Self { id, key, seal, vault: None, installation, held: tokio::sync::Mutex::new(None) })
    }

    /// Keeps its tokens for the next process, too.
    #[must_use]
    pub fn kept_in(self, vault: Option<Arc<dyn Vault>>) -> Self {
        Self { vault, ..self }
    }

    /// Returns the token for a repository below a base that an earlier process has left; it may be over.
    pub(super) fn left(&self, place: (&Url, &str)) -> Option<Held> {
        let (vault, seal, name) = (self.vault.as_ref()?, self.seal.as_ref()?, self.name(place));
        seal.open(&name, &vault.find(&name)?)
    }

    /// Leaves a token for the next process.
    pub(super) fn leave(&self, place: (&Url, &str), held: &Held) {
        let name = self.name(place);
        if let (Some(vault), Some(seal)) = (&self.vault, &self.seal)
            && let Some(bytes) = seal.close(&name, held)
        {
            vault.keep(&name, bytes);
        }
    }

    /// Forgets what was left for a repository below a base.
    pub(super) fn forget(&self, place: (&Url, &str)) {
        if let Some(vault) = &self.vault {
            vault.forget(&self.name(place));
        }
    }

    /// Returns the name under which a repository's token is left; no secret is told by it.
    fn name(&self, (base, repository): (&Url, &str)) -> [u8; 32] {
        let installation = self.installation.map(|number| number.to_string()).unwrap_or_default();
        let mut hash = Sha256::new().chain_update("installation");
        for part in [base.as_str(), repository, &self.id.to_string(), &installation] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
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
fn read_key(pem: &str) -> Result<(KeyPair, Option<Seal>), KeyError> {
    for (label, is_pkcs8) in [("RSA PRIVATE KEY", false), ("PRIVATE KEY", true)] {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let inner = pem.split_once(begin.as_str()).and_then(|(_, rest)| rest.split_once(end.as_str()));
        let Some((inner, _)) = inner else { continue };
        let text: String = inner.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(text).map_err(|_not_base64| KeyError::Form)?;
        let read = if is_pkcs8 { KeyPair::from_pkcs8(&bytes) } else { KeyPair::from_der(&bytes) };
        return read.map(|key| (key, Seal::of(&bytes))).map_err(|_rejected| KeyError::Rejected);
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
