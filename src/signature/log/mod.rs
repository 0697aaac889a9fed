//! A transparency log's word: that it holds a signature, and since when. Checked without asking the log.

mod claim;
mod proof;

use jiff::Timestamp;
use serde::Deserialize;

use crate::signature::Flaw;
use crate::signature::log::claim::Claim;
use crate::signature::log::proof::{Proof, RawProof};
use crate::signature::text::{Bytes, Number, encode, unhex};
use crate::signature::trust::{Log, TrustedRoot};

pub(super) use crate::signature::log::claim::Logged;

/// An entry of a log, with what the log gave as proof.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    log: Vec<u8>,
    index: u64,
    /// Seconds since 1970; nothing vouches for it but a promise.
    integrated: i64,
    body: Vec<u8>,
    promise: Option<Vec<u8>>,
    proof: Option<Proof>,
}

/// The annotation `dev.sigstore.cosign/bundle`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPromise {
    signed_entry_timestamp: Bytes,
    payload: RawPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPayload {
    body: Bytes,
    integrated_time: i64,
    log_index: Number,
    #[serde(rename = "logID")]
    log_id: String,
}

/// An entry of a bundle's `tlogEntries`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawEntry {
    log_index: Option<Number>,
    log_id: RawLogId,
    integrated_time: Option<Number>,
    inclusion_promise: Option<RawSet>,
    inclusion_proof: Option<RawProof>,
    canonicalized_body: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLogId {
    key_id: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSet {
    signed_entry_timestamp: Bytes,
}

impl Entry {
    /// Reads what cosign puts beside a signature of its own form.
    pub(super) fn of_annotation(json: &str) -> Result<Self, Flaw> {
        let malformed = || Flaw::broken("the log's promise beside it cannot be read");
        let raw: RawPromise = serde_json::from_str(json).map_err(|_malformed| malformed())?;
        Ok(Self {
            log: unhex(&raw.payload.log_id).ok_or_else(malformed)?,
            index: raw.payload.log_index.0,
            integrated: raw.payload.integrated_time,
            body: raw.payload.body.0,
            promise: Some(raw.signed_entry_timestamp.0),
            proof: None,
        })
    }

    /// Reads an entry of a bundle.
    pub(super) fn of_bundle(raw: RawEntry) -> Result<Self, Flaw> {
        let time = raw.integrated_time.map_or(Ok(0), |time| i64::try_from(time.0));
        Ok(Self {
            log: raw.log_id.key_id.0,
            // Zero is left out where protocol buffers are written as JSON.
            index: raw.log_index.map_or(0, |index| index.0),
            integrated: time.map_err(|_too_large| Flaw::broken("the log names a moment that is none"))?,
            body: raw.canonicalized_body.0,
            promise: raw.inclusion_promise.map(|set| set.signed_entry_timestamp.0),
            proof: raw.inclusion_proof.map(Proof::read).transpose()?,
        })
    }

    /// Checks that a trusted log holds this signature; returns since when.
    ///
    /// The moment is the log's own word and believed only where the log signed it, which is what a promise is.
    pub(super) fn vouches(&self, logged: &Logged<'_>, trust: &TrustedRoot) -> Result<Timestamp, Flaw> {
        let log = trust.logs.iter().find(|log| log.id == self.log);
        let log = log.ok_or_else(|| Flaw::broken("the log that it names is not in the trusted root"))?;
        Claim::read(&self.body)?.is_of(logged)?;
        if let Some(proof) = &self.proof {
            proof.check(&self.body, &log.key)?;
        }
        let Some(promise) = &self.promise else {
            return Err(Flaw::broken(match self.proof {
                Some(_) => {
                    "no moment of signing is proven: the log promised none, and RFC 3161 timestamps are not read"
                }
                None => "it comes without a log's promise and without a proof",
            }));
        };
        self.check_promise(promise, log)
    }

    /// Checks the signed entry timestamp: a signature over the entry as canonical JSON (RFC 8785).
    fn check_promise(&self, promise: &[u8], log: &Log) -> Result<Timestamp, Flaw> {
        let (body, id) = (encode(&self.body), crate::signature::hex(&self.log));
        let signed = format!(
            r#"{{"body":"{body}","integratedTime":{},"logID":"{id}","logIndex":{}}}"#,
            self.integrated, self.index
        );
        if !log.key.made(promise, signed.as_bytes()) {
            return Err(Flaw::broken("the log's promise is not by the log that it names"));
        }
        let moment = Timestamp::from_second(self.integrated);
        let moment = moment.map_err(|_out_of_range| Flaw::broken("the log names a moment that is none"))?;
        if !log.window.holds(moment) {
            return Err(Flaw::broken(format!("it was logged at {moment}, when the log was not trusted")));
        }
        Ok(moment)
    }
}
