//! How a sender shows that it knows the secret: a signature of the body, a header, or a part of the path.
//!
//! Everything is compared in constant time. Never sees what a body means.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};

/// A way to show it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proof {
    /// HMAC-SHA256 of the body in hexadecimal digits, in this header after this prefix.
    Signature(&'static str, &'static str),
    /// The secret itself in this header.
    Token(&'static str),
    /// The secret itself as `Authorization`, with or without `Bearer`.
    Authorization,
    /// The secret itself at the end of the path.
    Path,
}

impl Proof {
    /// GitHub's, which others send, too.
    pub(super) const HUB: Self = Self::Signature("x-hub-signature-256", "sha256=");
    /// Gitea's.
    pub(super) const GITEA: Self = Self::Signature("x-gitea-signature", "");
    /// Forgejo's.
    pub(super) const FORGEJO: Self = Self::Signature("x-forgejo-signature", "");

    /// Returns what a request shows in this way, if it does.
    pub(super) fn claim(self, headers: &HeaderMap, path: Option<&str>) -> Option<Claim> {
        match self {
            Self::Signature(name, prefix) => {
                let value = headers.get(name)?.to_str().ok()?;
                digest(value.strip_prefix(prefix)?).map(Claim::Signature)
            }
            Self::Token(name) => Some(Claim::Secret(headers.get(name)?.as_bytes().to_vec())),
            Self::Authorization => {
                let value = headers.get(header::AUTHORIZATION)?.as_bytes();
                Some(Claim::Secret(value.strip_prefix(b"Bearer ").unwrap_or(value).to_vec()))
            }
            Self::Path => path.map(|secret| Claim::Secret(secret.as_bytes().to_vec())),
        }
    }
}

/// What a request shows of the secret.
pub(in crate::service) enum Claim {
    /// A signature of its body.
    Signature([u8; 32]),
    /// The secret itself.
    Secret(Vec<u8>),
}

impl Claim {
    /// Whether the body is needed to tell if it holds.
    pub(super) fn is_signature(&self) -> bool {
        matches!(self, Self::Signature(_))
    }

    /// Whether it holds for a body.
    pub(super) fn holds(&self, secret: &SecretString, body: &[u8]) -> bool {
        let secret = secret.expose_secret().as_bytes();
        match self {
            Self::Signature(signature) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::verify(&key, body, signature).is_ok()
            }
            Self::Secret(shown) => verify_slices_are_equal(secret, shown).is_ok(),
        }
    }
}

/// Reads 32 bytes from their hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}
