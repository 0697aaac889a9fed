//! What a log's entry says: of which content, which signature, by which certificate.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::model::image::shorten;
use crate::signature::certificate::der_of_pem;
use crate::signature::text::Bytes;
use crate::signature::{Flaw, hex};

/// How many signatures an entry may name; real ones name one.
const MAX_SIGNATURES: usize = 10;

/// What an entry must be about.
#[derive(Debug, Clone, Copy)]
pub(in crate::signature) struct Logged<'a> {
    /// The SHA-256 of what is signed; for an envelope, of its payload.
    pub(in crate::signature) content: [u8; 32],
    /// Whether that is an envelope's payload.
    pub(in crate::signature) enveloped: bool,
    /// The signature.
    pub(in crate::signature) signature: &'a [u8],
    /// The certificate in DER.
    pub(in crate::signature) certificate: &'a [u8],
}

impl<'a> Logged<'a> {
    /// Describes a plain signature of some bytes.
    pub(in crate::signature) fn plain(content: &[u8], signature: &'a [u8], certificate: &'a [u8]) -> Self {
        Self { content: Sha256::digest(content).into(), enveloped: false, signature, certificate }
    }
}

/// What an entry says.
pub(super) struct Claim {
    enveloped: bool,
    content: String,
    /// Signatures with what is to verify them, in PEM.
    signatures: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBody {
    kind: String,
    api_version: String,
    spec: serde_json::Value,
}

#[derive(Deserialize)]
struct RawHashedRekord {
    data: RawData,
    signature: RawSignature,
}

#[derive(Deserialize)]
struct RawData {
    hash: RawHash,
}

#[derive(Deserialize)]
struct RawHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSignature {
    content: Bytes,
    public_key: RawContent,
}

#[derive(Deserialize)]
struct RawContent {
    content: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDsse {
    payload_hash: RawHash,
    signatures: Vec<RawDsseSignature>,
}

#[derive(Deserialize)]
struct RawDsseSignature {
    signature: Bytes,
    verifier: Bytes,
}

impl Claim {
    /// Reads an entry's body (Rekor's kinds `hashedrekord` and `dsse`, both 0.0.1).
    pub(super) fn read(body: &[u8]) -> Result<Self, Flaw> {
        let malformed = |_| Flaw::broken("the log's entry cannot be read");
        let raw: RawBody = serde_json::from_slice(body).map_err(malformed)?;
        let (enveloped, hash, signatures) = match (raw.kind.as_str(), raw.api_version.as_str()) {
            ("hashedrekord", "0.0.1") => {
                let spec: RawHashedRekord = serde_json::from_value(raw.spec).map_err(malformed)?;
                let signature = (spec.signature.content.0, spec.signature.public_key.content.0);
                (false, spec.data.hash, vec![signature])
            }
            ("dsse", "0.0.1") => {
                let spec: RawDsse = serde_json::from_value(raw.spec).map_err(malformed)?;
                if spec.signatures.len() > MAX_SIGNATURES {
                    return Err(Flaw::broken(format!("the log's entry names more than {MAX_SIGNATURES} signatures")));
                }
                let rows = spec.signatures.into_iter().map(|row| (row.signature.0, row.verifier.0));
                (true, spec.payload_hash, rows.collect())
            }
            (kind, version) => {
                let kind = shorten(&format!("{kind} {version}"));
                return Err(Flaw::broken(format!("log entries of the kind `{kind}` are not understood")));
            }
        };
        if hash.algorithm != "sha256" {
            let algorithm = shorten(&hash.algorithm);
            return Err(Flaw::broken(format!("the log's entry hashes by `{algorithm}`, which is not understood")));
        }
        Ok(Self { enveloped, content: hash.value, signatures })
    }

    /// Checks that the entry is about this signature and no other.
    pub(super) fn is_of(&self, logged: &Logged<'_>) -> Result<(), Flaw> {
        let same_content = self.content.eq_ignore_ascii_case(&hex(&logged.content));
        if self.enveloped != logged.enveloped || !same_content {
            return Err(Flaw::broken("the log's entry is about other content"));
        }
        let is_this = |(signature, pem): &(Vec<u8>, Vec<u8>)| {
            signature == logged.signature && der_of_pem(pem).is_some_and(|der| der == logged.certificate)
        };
        if self.signatures.iter().any(is_this) {
            return Ok(());
        }
        Err(Flaw::broken("the log's entry is about another signature or certificate"))
    }
}
