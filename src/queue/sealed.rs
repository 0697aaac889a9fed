//! The envelope of everything that processes leave for each other: a version, whose value it is, and a proof.
//!
//! With a key the proof is an HMAC, and nobody without the key can make a value that counts. Without one it is a
//! checksum, which finds damage and no intent: what must not be forged is then not shared at all.

use aws_lc_rs::{digest, hmac};

/// The first bytes of a value of this version.
const FORM: &[u8] = b"tagboat 1\n";

/// How long a proof is, in bytes.
const PROOF: usize = 32;

/// What values are sealed with.
pub(super) struct Seal(Option<hmac::Key>);

impl Seal {
    /// Makes one of a secret, where there is one.
    pub(super) fn new(secret: Option<&[u8]>) -> Self {
        Self(secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Whether nobody without the secret can make a value that counts.
    pub(super) fn proves_origin(&self) -> bool {
        self.0.is_some()
    }

    /// Seals a value that is left under a name.
    pub(super) fn seal(&self, name: &str, value: &[u8]) -> Vec<u8> {
        let signed = signed(name, value);
        let proof = match &self.0 {
            Some(key) => hmac::sign(key, &signed).as_ref().to_vec(),
            None => digest::digest(&digest::SHA256, &signed).as_ref().to_vec(),
        };
        [FORM, &proof, value].concat()
    }

    /// Returns a value that was left under a name; `None` where the proof does not hold.
    pub(super) fn open<'a>(&self, name: &str, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (proof, value) = sealed.strip_prefix(FORM)?.split_at_checked(PROOF)?;
        let signed = signed(name, value);
        let holds = match &self.0 {
            Some(key) => hmac::verify(key, &signed, proof).is_ok(),
            None => digest::digest(&digest::SHA256, &signed).as_ref() == proof,
        };
        holds.then_some(value)
    }
}

/// Returns what a proof is over: no value counts under another name.
fn signed(name: &str, value: &[u8]) -> Vec<u8> {
    [FORM, &(name.len() as u64).to_be_bytes(), name.as_bytes(), value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_under_that_name_alone() {
        for seal in [Seal::new(None), Seal::new(Some(b"secret"))] {
            let sealed = seal.seal("rows/a", b"value");
            assert_eq!(seal.open("rows/a", &sealed), Some(b"value".as_slice()));
            assert_eq!(seal.open("rows/b", &sealed), None);
            for place in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[place] ^= 1;
                assert_eq!(seal.open("rows/a", &changed), None, "byte {place}");
                assert_eq!(seal.open("rows/a", &sealed[..place]), None, "cut at {place}");
            }
        }
    }

    #[test]
    fn whoever_lacks_the_secret_seals_nothing_that_counts() {
        let (plain, one, other) = (Seal::new(None), Seal::new(Some(b"one")), Seal::new(Some(b"other")));
        assert!(!plain.proves_origin() && one.proves_origin());
        for stranger in [&plain, &other] {
            assert_eq!(one.open("rows/a", &stranger.seal("rows/a", b"value")), None);
        }
    }
}
