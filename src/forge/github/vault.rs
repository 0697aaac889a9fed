//! Tokens of an App's installation, kept from one process to the next as bytes that nobody reads without the App's private key.
//!
//! Entry point: [`Vault`]. Whoever has that key may fetch a token at any time; to anybody else the bytes say nothing, and
//! none that somebody else made are taken: they are encrypted and authenticated by AES-256-GCM (NIST SP 800-38D), under a key of their own
//! that is derived from the private one (HKDF, RFC 5869), for one App, API and repository.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::forge::github::identity::Held;

/// What tells these bytes from others that may be derived from the same key, and from those of another form.
const PURPOSE: &[u8] = b"tagboat: token of an installation, form 1";

/// The longest bytes that are looked into.
const LONGEST: usize = 64 << 10;

/// A place for a few bytes that outlive the process, each under a name. What is lost there, or cannot be kept, is fetched again.
pub trait Vault: Send + Sync {
    /// Returns what was kept under a name.
    fn find(&self, name: &[u8; 32]) -> Option<Vec<u8>>;

    /// Keeps something, in place of what was kept under that name before.
    fn keep(&self, name: &[u8; 32], bytes: Vec<u8>);

    /// Forgets what was kept.
    fn forget(&self, name: &[u8; 32]);
}

/// What closes and opens the tokens of one App.
pub(super) struct Seal(RandomizedNonceKey);

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seal").finish_non_exhaustive()
    }
}

/// A token as it is written down before it is closed.
#[derive(Serialize, Deserialize)]
struct Written {
    token: String,
    expires: Timestamp,
    permissions: Vec<(String, String)>,
    installation: u64,
}

impl Seal {
    /// Derives one from a private key in DER form; `None` where the library cannot.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let mut derived = [0; 32];
        let secret = Salt::new(HKDF_SHA256, PURPOSE).extract(key);
        secret.expand(&[b"AES-256-GCM"], HKDF_SHA256).ok()?.fill(&mut derived).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, &derived).ok().map(Self)
    }

    /// Closes a token, to be kept under a name.
    pub(super) fn close(&self, name: &[u8; 32], held: &Held) -> Option<Vec<u8>> {
        let (token, permissions) = (held.token.expose_secret().to_owned(), held.permissions.clone());
        let written = Written { token, expires: held.expires, permissions, installation: held.installation };
        let mut text = serde_json::to_vec(&written).ok()?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(name), &mut text).ok()?;
        Some([&nonce.as_ref()[..], &text].concat())
    }

    /// Opens what was kept under a name; `None` where it was not closed by the same key for that very name.
    pub(super) fn open(&self, name: &[u8; 32], bytes: &[u8]) -> Option<Held> {
        let (nonce, closed) = bytes.split_at_checked(NONCE_LEN).filter(|_| bytes.len() <= LONGEST)?;
        let mut text = closed.to_vec();
        let text =
            self.0.open_in_place(Nonce::try_assume_unique_for_key(nonce).ok()?, Aad::from(name), &mut text).ok()?;
        let Written { token, expires, permissions, installation } = serde_json::from_slice(text).ok()?;
        Some(Held { token: SecretString::from(token), expires, permissions, installation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Held {
        Held {
            token: "ghs_hush".into(),
            expires: "2026-11-20T09:00:00Z".parse().unwrap(),
            permissions: vec![("contents".to_owned(), "write".to_owned())],
            installation: 7,
        }
    }

    #[test]
    fn what_is_kept_is_read_by_the_same_key_under_the_same_name_alone() {
        let (mine, other) = (Seal::of(b"one").unwrap(), Seal::of(b"two").unwrap());
        let bytes = mine.close(&[1; 32], &held()).unwrap();
        let read = Seal::of(b"one").unwrap().open(&[1; 32], &bytes).unwrap();
        assert_eq!(
            (read.token.expose_secret(), read.expires, &read.permissions, read.installation),
            ("ghs_hush", held().expires, &held().permissions, 7)
        );
        assert!(other.open(&[1; 32], &bytes).is_none() && mine.open(&[2; 32], &bytes).is_none());
        assert!(!bytes.windows(4).any(|part| part == b"hush" || part == b"ghs_"));
        assert_ne!(bytes, mine.close(&[1; 32], &held()).unwrap(), "no two alike");
    }

    #[test]
    fn what_was_changed_or_cut_off_is_as_nothing() {
        let seal = Seal::of(b"one").unwrap();
        let bytes = seal.close(&[1; 32], &held()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(seal.open(&[1; 32], &changed).is_none() && seal.open(&[1; 32], &bytes[..at]).is_none(), "{at}");
        }
    }
}
