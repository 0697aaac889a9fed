//! Public keys: read from PEM or DER, and asked whether they made a signature.

use aws_lc_rs::digest::{Digest as Prehashed, SHA256, SHA256_OUTPUT_LEN};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{self, Decode, Encode, Reader, SliceReader, pem};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::signature::hex;

/// The longest key that is read, in bytes: RSA keys of 8192 bits have about 1,100.
pub const MAX_KEY: u64 = 16 << 10;

/// How many bits the modulus of an RSA key has at least; shorter ones can be broken.
const LEAST_RSA: usize = 2048;

/// And at most.
const MOST_RSA: usize = 8192;

const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Why bytes are no public key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Longer than any key.
    #[error("it has more than {MAX_KEY} bytes, which no key has")]
    TooLong,
    /// Not PEM.
    #[error("it is no PEM file: a public key begins with `-----BEGIN PUBLIC KEY-----`")]
    NotPem,
    /// PEM of something else; the words are of the file, and only those that are known are shown.
    #[error("it holds {0}: a public key is needed")]
    Other(&'static str),
    /// Broken DER.
    #[error("the key in it is broken")]
    Broken,
    /// An RSA key that is too short to be believed, or too long.
    #[error("its RSA key has {0} bits: {LEAST_RSA} to {MOST_RSA} are taken")]
    Size(usize),
    /// A kind that is not understood.
    #[error("its kind of key is not understood: ECDSA on P-256 or P-384, Ed25519 and RSA are")]
    Kind,
}

/// The kinds of keys that cosign makes and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

impl Kind {
    /// Returns the ways in which such a key signs.
    ///
    /// Releases of cosign before 2.5 hash with SHA-256 whatever the curve; later ones take the curve's own.
    fn algorithms(self) -> &'static [&'static dyn VerificationAlgorithm] {
        match self {
            Self::P256 => &[&ECDSA_P256_SHA256_ASN1],
            Self::P384 => &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA256_ASN1],
            Self::Ed25519 => &[&ED25519],
            Self::Rsa => &[&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256],
        }
    }

    /// Returns those that sign a SHA-256 digest instead of the whole content.
    fn prehashed(self) -> &'static [&'static dyn VerificationAlgorithm] {
        match self {
            Self::P256 => &[&ECDSA_P256_SHA256_ASN1],
            Self::P384 => &[&ECDSA_P384_SHA256_ASN1],
            Self::Ed25519 => &[],
            Self::Rsa => &[&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256],
        }
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// The key itself, without what says its kind.
    bytes: Vec<u8>,
    /// The SHA-256 of the whole key in DER, by which logs name theirs.
    id: [u8; 32],
}

impl PublicKey {
    /// Reads a file that cosign's `generate-key-pair`, `openssl` or a key service wrote: `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    ///
    /// [`KeyError`], which says what the file is instead, as far as that is known.
    pub fn from_pem(file: &[u8]) -> Result<Self, KeyError> {
        if file.len() as u64 > MAX_KEY {
            return Err(KeyError::TooLong);
        }
        let (label, der) = pem::decode_vec(file.trim_ascii()).map_err(|_not_pem| KeyError::NotPem)?;
        match label {
            "PUBLIC KEY" => Self::from_der(&der),
            "CERTIFICATE" => Err(KeyError::Other("a certificate")),
            label if label.ends_with("PRIVATE KEY") => Err(KeyError::Other("a private key")),
            _ => Err(KeyError::Other("something else")),
        }
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is broken or of a kind that is not understood.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() as u64 > MAX_KEY {
            return Err(KeyError::TooLong);
        }
        let info = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_broken| KeyError::Broken)?;
        let algorithm = &info.algorithm;
        let curve = || algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        let kind = match algorithm.oid {
            ID_EC_PUBLIC_KEY => match curve() {
                Some(SECP256R1) => Kind::P256,
                Some(SECP384R1) => Kind::P384,
                _ => return Err(KeyError::Kind),
            },
            ID_ED25519 => Kind::Ed25519,
            RSA_ENCRYPTION => Kind::Rsa,
            _ => return Err(KeyError::Kind),
        };
        let bytes = info.subject_public_key.as_bytes().ok_or(KeyError::Broken)?.to_vec();
        if kind == Kind::Rsa {
            let bits = modulus_bits(&bytes).map_err(|_broken| KeyError::Broken)?;
            if !(LEAST_RSA..=MOST_RSA).contains(&bits) {
                return Err(KeyError::Size(bits));
            }
        }
        // Encoded anew, so that the name of a key does not depend on who wrote it.
        let der = info.to_der().map_err(|_broken| KeyError::Broken)?;
        // What is no point of its curve, or no modulus, says so now and not as a signature that does not hold.
        let key = UnparsedPublicKey::new(kind.algorithms()[0], &bytes);
        key.parse().map_err(|_rejected| KeyError::Broken)?;
        Ok(Self { kind, bytes, id: Sha256::digest(&der).into() })
    }

    /// Returns the SHA-256 of the key in DER.
    pub fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Returns that as 64 hexadecimal digits.
    pub fn name(&self) -> String {
        hex(&self.id)
    }

    /// Whether this key made a signature of a message.
    pub fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        let by = |algorithm: &&'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(*algorithm, &self.bytes).verify(message, signature).is_ok()
        };
        self.kind.algorithms().iter().any(by)
    }

    /// Whether this key made a signature of content of which only the SHA-256 is known.
    pub fn made_of_sha256(&self, signature: &[u8], digest: &[u8; SHA256_OUTPUT_LEN]) -> bool {
        let Ok(digest) = Prehashed::import_less_safe(digest, &SHA256) else { return false };
        let by = |algorithm: &&'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(*algorithm, &self.bytes).verify_digest(&digest, signature).is_ok()
        };
        self.kind.prehashed().iter().any(by)
    }
}

/// Returns how many bits the modulus of an RSA key has (RFC 8017, appendix A.1.1).
fn modulus_bits(key: &[u8]) -> der::Result<usize> {
    SliceReader::new(key)?.sequence(|reader| {
        let modulus: UintRef<'_> = reader.decode()?;
        let _exponent: UintRef<'_> = reader.decode()?;
        let bytes = modulus.as_bytes();
        Ok(bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize))
    })
}
