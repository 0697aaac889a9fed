//! The trusted root: which authorities and logs are believed, as Sigstore's `trusted_root.json` says it.
//!
//! The file is the operator's. It comes from Sigstore's own distribution or from an instance of one's own;
//! nothing here fetches or renews it.

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::image::shorten;
use crate::signature::certificate;
use crate::signature::key::{KeyError, PublicKey};
use crate::signature::text::Bytes;

/// The longest file that is read, in bytes; Sigstore's own has some 7 kB.
pub const MAX_TRUSTED_ROOT: u64 = 1 << 20;

/// How many authorities, and how many logs of a kind, a file may name.
const MAX_ENTRIES: usize = 100;

/// How many certificates an authority's chain may have.
const MAX_CHAIN: usize = 10;

/// Why a file is no trusted root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not its JSON.
    #[error("it is no trusted root: line {line}, column {column}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in bytes.
        column: usize,
    },
    /// Another format, or another version of it.
    #[error(
        "it is of the kind `{0}`, and `application/vnd.dev.sigstore.trustedroot` (+json, or .v0.x+json) is understood"
    )]
    Kind(String),
    /// More than real ones have.
    #[error("it names more than {MAX_ENTRIES} {0}")]
    TooMany(&'static str),
    /// A chain without end or beginning.
    #[error("the chain of the certificate authority {0} has no or more than {MAX_CHAIN} certificates")]
    Chain(usize),
    /// A certificate that cannot be read.
    #[error("the certificate {certificate} of the certificate authority {authority} cannot be read")]
    Certificate {
        /// Which authority, from 1.
        authority: usize,
        /// Which of its certificates, from 1.
        certificate: usize,
    },
    /// A key that cannot be read.
    #[error("the key of the log {log} of `{list}`: {source}")]
    Key {
        /// In which list.
        list: &'static str,
        /// Which, from 1.
        log: usize,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Logs of certificates whose keys are all of unknown kinds: to pass over them all would ask less than the file does.
    #[error("none of its logs of certificates (`ctlogs`) has a kind of key that is understood")]
    CertificateLogs,
    /// Nothing that could vouch for anything.
    #[error("it names no certificate authority or no log (`tlogs`)")]
    Empty,
}

/// What is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRoot {
    pub(super) authorities: Vec<Authority>,
    pub(super) logs: Vec<Log>,
    pub(super) certificate_logs: Vec<Log>,
}

/// A certificate authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// Those between the root and the leaf, in no order that is relied on.
    pub(super) between: Vec<Vec<u8>>,
    /// The root.
    pub(super) root: Vec<u8>,
    pub(super) window: Window,
}

impl Authority {
    /// Returns all its certificates.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.between.iter().chain([&self.root]).map(Vec::as_slice)
    }
}

/// A log, of signatures or of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    /// The name that entries give it: mostly the SHA-256 of its key.
    pub(super) id: Vec<u8>,
    pub(super) key: PublicKey,
    pub(super) window: Window,
}

/// From when to when something is believed, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Window {
    pub(super) fn holds(self, moment: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= moment) && self.end.is_none_or(|end| moment <= end)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRoot {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<RawLog>,
    #[serde(default)]
    certificate_authorities: Vec<RawAuthority>,
    #[serde(default)]
    ctlogs: Vec<RawLog>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLog {
    public_key: RawKey,
    log_id: Option<RawLogId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKey {
    raw_bytes: Bytes,
    valid_for: Option<RawWindow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLogId {
    key_id: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAuthority {
    cert_chain: RawChain,
    valid_for: Option<RawWindow>,
}

#[derive(Deserialize)]
struct RawChain {
    certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: Bytes,
}

#[derive(Deserialize)]
struct RawWindow {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl TrustedRoot {
    /// Reads a trusted root.
    ///
    /// A log with a kind of key that is not understood is left out: what it logged is then believed by nobody. Where
    /// that leaves no log of certificates, although some are named, the file is refused.
    ///
    /// # Errors
    ///
    /// [`TrustError`], each naming what it is about.
    pub fn parse(json: &[u8]) -> Result<Self, TrustError> {
        let raw: RawRoot = serde_json::from_slice(json)
            .map_err(|error| TrustError::Malformed { line: error.line(), column: error.column() })?;
        if !raw.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(TrustError::Kind(shorten(&raw.media_type)));
        }
        if raw.certificate_authorities.len() > MAX_ENTRIES {
            return Err(TrustError::TooMany("certificate authorities"));
        }
        let authorities = raw.certificate_authorities.into_iter().zip(1..);
        let authorities =
            authorities.map(|(raw, number)| authority(raw, number)).collect::<Result<Vec<_>, TrustError>>()?;
        let logs = logs(raw.tlogs, "tlogs")?;
        if authorities.is_empty() || logs.is_empty() {
            return Err(TrustError::Empty);
        }
        let names_certificate_logs = !raw.ctlogs.is_empty();
        let certificate_logs = self::logs(raw.ctlogs, "ctlogs")?;
        if names_certificate_logs && certificate_logs.is_empty() {
            return Err(TrustError::CertificateLogs);
        }
        Ok(Self { authorities, logs, certificate_logs })
    }
}

fn window(raw: Option<RawWindow>) -> Window {
    raw.map_or(Window { start: None, end: None }, |raw| Window { start: raw.start, end: raw.end })
}

fn authority(raw: RawAuthority, number: usize) -> Result<Authority, TrustError> {
    let mut between: Vec<Vec<u8>> = raw.cert_chain.certificates.into_iter().map(|raw| raw.raw_bytes.0).collect();
    if between.len() > MAX_CHAIN {
        return Err(TrustError::Chain(number));
    }
    if let Some(at) = between.iter().position(|der| !certificate::can_be_read(der)) {
        return Err(TrustError::Certificate { authority: number, certificate: at + 1 });
    }
    // The format puts the leaf's own issuer first and the root last.
    let root = between.pop().ok_or(TrustError::Chain(number))?;
    Ok(Authority { between, root, window: window(raw.valid_for) })
}

fn logs(raw: Vec<RawLog>, list: &'static str) -> Result<Vec<Log>, TrustError> {
    if raw.len() > MAX_ENTRIES {
        return Err(TrustError::TooMany(list));
    }
    let mut logs = Vec::new();
    for (raw, number) in raw.into_iter().zip(1..) {
        let key = match PublicKey::from_der(&raw.public_key.raw_bytes.0) {
            Ok(key) => key,
            Err(KeyError::Kind | KeyError::Size(_)) => continue,
            Err(source) => return Err(TrustError::Key { list, log: number, source }),
        };
        let id = raw.log_id.map_or_else(|| key.id().to_vec(), |id| id.key_id.0);
        logs.push(Log { id, key, window: window(raw.public_key.valid_for) });
    }
    Ok(logs)
}
