//! Sigstore's bundle, version 0.3: a signature with everything that is needed to check it, in one JSON.
//!
//! cosign since version 3 signs images this way: an envelope (DSSE) around a statement (in-toto) of its own
//! predicate. Bundles around other predicates are attestations, and no signatures.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::model::image::shorten;
use crate::signature::certificate::Leaf;
use crate::signature::log::{Entry, Logged, RawEntry};
use crate::signature::text::{Bytes, unhex};
use crate::signature::trust::TrustedRoot;
use crate::signature::{Flaw, Requirement, Subject, Who, check_digest, check_reference, named};

/// The longest bundle, in bytes: real ones of signatures have some 8,000.
pub const MAX_BUNDLE: u64 = 1 << 20;

/// How bundles of the version that is understood call themselves.
const KINDS: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3"];

/// The type of an envelope's payload that is a statement.
const STATEMENT: &str = "application/vnd.in-toto+json";

/// What a statement states that is an image's signature.
pub const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// How many things one statement, and how many entries of logs one bundle, may name.
const MAX_ROWS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawBundle {
    media_type: String,
    verification_material: RawMaterial,
    dsse_envelope: Option<RawEnvelope>,
    message_signature: Option<RawMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMaterial {
    certificate: Option<RawCertificate>,
    #[serde(default)]
    tlog_entries: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEnvelope {
    payload: Bytes,
    payload_type: String,
    signatures: Vec<RawSignature>,
}

#[derive(Deserialize)]
struct RawSignature {
    sig: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMessage {
    message_digest: RawDigest,
    signature: Bytes,
}

#[derive(Deserialize)]
struct RawDigest {
    algorithm: String,
    digest: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(default)]
    subject: Vec<RawSubject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct RawSubject {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// What a bundle signs, and how.
enum Signed {
    /// An envelope's payload, wrapped as its signature is made.
    Envelope { payload: [u8; 32], wrapped: Vec<u8>, signature: Vec<u8> },
    /// Content by its SHA-256.
    Digest { digest: [u8; 32], signature: Vec<u8> },
}

impl Signed {
    fn is_by(&self, key: &crate::signature::key::PublicKey) -> bool {
        match self {
            Self::Envelope { wrapped, signature, .. } => key.made(signature, wrapped),
            Self::Digest { digest, signature } => key.made_of_sha256(signature, digest),
        }
    }

    fn logged<'a>(&'a self, certificate: &'a [u8]) -> Logged<'a> {
        match self {
            Self::Envelope { payload, signature, .. } => {
                Logged { content: *payload, enveloped: true, signature, certificate }
            }
            Self::Digest { digest, signature } => Logged { content: *digest, enveloped: false, signature, certificate },
        }
    }
}

pub(super) fn check(
    bytes: &[u8],
    subject: &Subject<'_>,
    requirement: &Requirement,
    trust: Option<&TrustedRoot>,
) -> Result<(), Flaw> {
    if bytes.len() as u64 > MAX_BUNDLE {
        return Err(Flaw::broken(format!("its bundle has more than {MAX_BUNDLE} bytes")));
    }
    let raw: RawBundle =
        serde_json::from_slice(bytes).map_err(|_malformed| Flaw::broken("its bundle cannot be read"))?;
    if !KINDS.contains(&raw.media_type.as_str()) {
        let kind = shorten(&raw.media_type);
        return Err(Flaw::broken(format!("its bundle is of the kind `{kind}`, and version 0.3 is understood")));
    }
    let signed = signed(raw.dsse_envelope, raw.message_signature, subject)?;
    match &requirement.who {
        Who::Keys(keys) if keys.iter().any(|key| signed.is_by(key)) => Ok(()),
        Who::Keys(_) => Err(Flaw::NoKey),
        Who::Name { identity, issuer } => {
            let trust = trust.ok_or_else(Flaw::no_trust)?;
            let material = raw.verification_material;
            let certificate = material.certificate.ok_or_else(|| Flaw::broken("it comes without a certificate"))?;
            let leaf = Leaf::read(certificate.raw_bytes.0)?;
            if material.tlog_entries.len() > MAX_ROWS {
                return Err(Flaw::broken(format!("its bundle names more than {MAX_ROWS} entries of logs")));
            }
            let logged = signed.logged(leaf.der());
            let mut reason = Flaw::broken("no log has it: its bundle names no entry");
            for entry in material.tlog_entries {
                let held = Entry::of_bundle(entry)
                    .and_then(|entry| entry.vouches(&logged, trust))
                    .and_then(|moment| leaf.is_trusted(trust, moment));
                match held {
                    Ok(()) if !signed.is_by(leaf.key()) => {
                        return Err(Flaw::broken("it is not by the key of its certificate"));
                    }
                    Ok(()) => return named(&leaf, identity, issuer),
                    Err(flaw) => reason = flaw,
                }
            }
            Err(reason)
        }
    }
}

/// Takes what is signed out of a bundle, and checks that it is about the subject.
fn signed(envelope: Option<RawEnvelope>, message: Option<RawMessage>, subject: &Subject<'_>) -> Result<Signed, Flaw> {
    match (envelope, message) {
        (Some(envelope), None) => in_envelope(envelope, subject),
        (None, Some(message)) => {
            if message.message_digest.algorithm != "SHA2_256" {
                let algorithm = shorten(&message.message_digest.algorithm);
                return Err(Flaw::broken(format!("it signs a digest by `{algorithm}`, and SHA2_256 is understood")));
            }
            let digest = message.message_digest.digest.0;
            check_digest(&format!("sha256:{}", crate::signature::hex(&digest)), subject)?;
            let digest = digest.try_into().map_err(|_length| Flaw::broken("it signs a digest that is none"))?;
            Ok(Signed::Digest { digest, signature: message.signature.0 })
        }
        _ => Err(Flaw::broken("its bundle holds no or two signatures")),
    }
}

fn in_envelope(envelope: RawEnvelope, subject: &Subject<'_>) -> Result<Signed, Flaw> {
    let payload = envelope.payload.0;
    if envelope.payload_type != STATEMENT {
        return Err(Flaw::NoSignature);
    }
    let statement: RawStatement =
        serde_json::from_slice(&payload).map_err(|_malformed| Flaw::broken("its statement cannot be read"))?;
    if statement.predicate_type != SIGN_PREDICATE {
        return Err(Flaw::NoSignature);
    }
    if !statement.kind.starts_with("https://in-toto.io/Statement/v") {
        return Err(Flaw::broken("its statement is of a kind that is not understood"));
    }
    check_subjects(&statement.subject, subject)?;
    let mut signatures = envelope.signatures;
    let (Some(signature), true) = (signatures.pop(), signatures.is_empty()) else {
        return Err(Flaw::broken("its envelope does not hold one signature"));
    };
    Ok(Signed::Envelope {
        payload: Sha256::digest(&payload).into(),
        wrapped: wrapped(&envelope.payload_type, &payload),
        signature: signature.sig.0,
    })
}

/// Checks that a statement is about the subject: by its digest, and by its name where one is given.
fn check_subjects(rows: &[RawSubject], subject: &Subject<'_>) -> Result<(), Flaw> {
    if rows.len() > MAX_ROWS {
        return Err(Flaw::broken(format!("its statement names more than {MAX_ROWS} subjects")));
    }
    let (algorithm, own) = subject.digest.as_str().split_once(':').unwrap_or_default();
    let is_own = |row: &&RawSubject| row.digest.get(algorithm).is_some_and(|digest| digest == own);
    let mut fitting = rows.iter().filter(is_own).peekable();
    if fitting.peek().is_none() {
        let other = rows.first().and_then(|row| row.digest.get(algorithm)).filter(|digest| unhex(digest).is_some());
        let other = other.map_or_else(|| "nothing".to_owned(), |digest| format!("{algorithm}:{digest}"));
        return check_digest(&other, subject);
    }
    let mut reason = None;
    for row in fitting {
        // cosign gives no name; one that is given counts.
        match row.name.as_str() {
            "" => return Ok(()),
            name => match check_reference(name, subject) {
                Ok(()) => return Ok(()),
                Err(flaw) => reason = Some(flaw),
            },
        }
    }
    reason.map_or(Ok(()), Err)
}

/// Wraps a payload as its signature is made (DSSE's pre-authentication encoding).
fn wrapped(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut wrapped = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    wrapped.extend(payload);
    wrapped
}
