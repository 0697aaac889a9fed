//! cosign's own form: a "simple signing" payload in a layer, with its signature and certificate in annotations.

use serde::Deserialize;

use crate::model::image::shorten;
use crate::signature::certificate::Leaf;
use crate::signature::log::{Entry, Logged};
use crate::signature::text::decode;
use crate::signature::trust::TrustedRoot;
use crate::signature::{Flaw, Requirement, Simple, Subject, Who, check_digest, check_reference, named};

/// The longest payload, in bytes: real ones have some 250, and annotations make them longer.
pub const MAX_PAYLOAD: u64 = 64 << 10;

/// What payloads of signatures call themselves.
const KINDS: [&str; 2] = ["cosign container image signature", "atomic container signature"];

#[derive(Deserialize)]
struct RawPayload {
    critical: RawCritical,
}

#[derive(Deserialize)]
struct RawCritical {
    identity: RawIdentity,
    image: RawImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct RawIdentity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
struct RawImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

pub(super) fn check(
    simple: &Simple,
    subject: &Subject<'_>,
    requirement: &Requirement,
    trust: Option<&TrustedRoot>,
) -> Result<(), Flaw> {
    if simple.payload.len() as u64 > MAX_PAYLOAD {
        return Err(Flaw::broken(format!("its payload has more than {MAX_PAYLOAD} bytes")));
    }
    let signature = decode(&simple.signature).ok_or_else(|| Flaw::broken("it is not Base64"))?;
    match &requirement.who {
        Who::Keys(keys) => {
            if !keys.iter().any(|key| key.made(&signature, &simple.payload)) {
                return Err(Flaw::NoKey);
            }
            check_payload(&simple.payload, subject)
        }
        Who::Name { identity, issuer } => {
            let trust = trust.ok_or_else(Flaw::no_trust)?;
            let pem = simple.certificate.as_ref().ok_or_else(|| Flaw::broken("it comes without a certificate"))?;
            let log = simple.log.as_ref().ok_or_else(|| Flaw::broken("it comes without a log's promise"))?;
            let leaf = Leaf::of_pem(pem)?;
            let logged = Logged::plain(&simple.payload, &signature, leaf.der());
            let moment = Entry::of_annotation(log)?.vouches(&logged, trust)?;
            leaf.is_trusted(trust, moment)?;
            if !leaf.key().made(&signature, &simple.payload) {
                return Err(Flaw::broken("it is not by the key of its certificate"));
            }
            check_payload(&simple.payload, subject)?;
            named(&leaf, identity, issuer)
        }
    }
}

/// Checks that a payload is about the subject.
fn check_payload(payload: &[u8], subject: &Subject<'_>) -> Result<(), Flaw> {
    let raw: RawPayload =
        serde_json::from_slice(payload).map_err(|_malformed| Flaw::broken("its payload cannot be read"))?;
    let RawCritical { identity, image, kind } = raw.critical;
    if !KINDS.contains(&kind.as_str()) {
        return Err(Flaw::broken(format!("its payload is of the kind `{}`, not an image's signature", shorten(&kind))));
    }
    check_digest(&image.digest, subject)?;
    check_reference(&identity.reference, subject)
}
