//! Why a credential could not be had, in words that name its source and what to do now.

use std::path::PathBuf;

use crate::http::error::HttpError;

/// A credential that was named and could not be had. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// The file cannot be read.
    #[error("the credentials file {} cannot be read: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: String },
    /// What the operator names is not there.
    #[error("{0}")]
    Missing(String),
    /// The file says something else.
    #[error("the credentials file {} is not {form}: {reason}", file.display())]
    Malformed { file: PathBuf, form: &'static str, reason: String },
    /// A helper did not do its work.
    #[error("the credential helper {program} {reason}")]
    Helper { program: String, reason: String },
    /// Nothing on this machine says who it is.
    #[error("there is no login to {cloud} for {host}: {reason}")]
    NoIdentity { cloud: &'static str, host: String, reason: String },
    /// A service of a cloud, or the machine's metadata, could not be asked.
    #[error("no login from {service} by {origin}: {source}")]
    Unreachable { service: &'static str, origin: String, source: Box<HttpError> },
    /// It refuses who the machine says it is.
    #[error("{service} refuses {origin} ({code}); {advice}")]
    Refused { service: &'static str, origin: String, code: String, advice: &'static str },
    /// It wants fewer questions, and said so again and again.
    #[error(
        "no login from {service} by {origin}: it wants fewer questions ({code}) and was asked again in vain; a later pass asks again"
    )]
    Throttled { service: &'static str, origin: String, code: &'static str },
    /// It answered something that is not understood.
    #[error("{service} gave no usable login to {origin}: {reason}")]
    Odd { service: &'static str, origin: String, reason: String },
}
