//! What goes wrong between two machines, sorted by what the caller can do about it.

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;

use crate::model::exchange::Ending;

/// What to do after an error. Decided by its kind, never by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// One more try: the connection failed, broke, or nothing came.
    OnceMore,
    /// A few more tries with growing waits: the server is in trouble, or asks for patience without saying how much.
    Again,
    /// Another try after the time that the server names.
    After(Duration),
    /// No further try: it would end the same way.
    GiveUp,
}

/// A file that the connection to a host needs, and why it is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {} for {host} cannot be used: {reason}", .file.display())]
pub struct UnusableFile {
    /// The host.
    pub host: String,
    /// What the file is for.
    pub what: &'static str,
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

/// An exchange that did not come to a usable answer. Holds no URL query, no header and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No client could be built.
    #[error("TLS cannot be set up on this machine: {0}")]
    Setup(String),
    /// A file that the connection needs is of no use.
    #[error(transparent)]
    File(Box<UnusableFile>),
    /// The proxy that the environment names is none.
    #[error("{host} is not asked: the proxy in the environment variable {variable} cannot be used: {reason}")]
    Proxy {
        /// The host.
        host: String,
        /// The variable.
        variable: String,
        /// Why.
        reason: &'static str,
    },
    /// Plain HTTP would leave this machine.
    #[error(
        "{host} would be spoken to in plain HTTP, which only loopback hosts are, and hosts whose entry says `insecure: true`"
    )]
    Plain {
        /// The host.
        host: String,
    },
    /// A connection, and no TLS session on it: a certificate that is not trusted, or no TLS at all.
    #[error(
        "no connection to {host}: {reason}; where a private authority signs its certificate, name that by `caFile` of its \
         entry in service.yaml"
    )]
    Tls {
        /// The host.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// No connection.
    #[error(
        "no connection to {host}: {reason}; check the name, and what lies between: DNS, firewalls, HTTPS_PROXY, NO_PROXY"
    )]
    Connect {
        /// The host.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// Nothing came for the whole time limit.
    #[error("{host} said nothing for {} s", .limit.as_secs_f64())]
    Silent {
        /// The host.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The connection ended in the middle.
    #[error("the connection to {host} broke off: {reason}")]
    Broken {
        /// The host.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The time for everything together is over.
    #[error("{host} took too long: the time limit for one image, with all tries and waits, has passed")]
    Deadline {
        /// The host.
        host: String,
    },
    /// The body is longer than the cap.
    #[error("{host} answered with more than {cap} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The cap in bytes.
        cap: u64,
    },
    /// A server error, after all tries.
    #[error("{host} answered {status}; the fault is on its side, try again later")]
    Server {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
    },
    /// Too many requests, or the server asks to come back later.
    #[error("{host} answered {status}{}", until_words(*.until))]
    Throttled {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
        /// How long the server asks to wait, where it says so.
        wait: Option<Duration>,
        /// When that is over.
        until: Option<Timestamp>,
    },
    /// What went wrong at another host, where a redirect led: it says nothing about the host that was asked. That the
    /// time was over is never one of these.
    #[error("{error}; {by} redirects there")]
    Elsewhere {
        /// The host that was asked.
        by: String,
        /// What went wrong.
        error: Box<HttpError>,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects {reason}")]
    Redirect {
        /// The host.
        host: String,
        /// Why it is not followed.
        reason: &'static str,
    },
}

fn until_words(until: Option<Timestamp>) -> String {
    match until {
        Some(until) => {
            format!(": it wants none before {}", until.round(jiff::Unit::Second).unwrap_or(until))
        }
        None => "; ask less often, or with credentials that have a higher limit".to_owned(),
    }
}

impl HttpError {
    /// Returns what to do after this error.
    pub fn advice(&self) -> Advice {
        match self {
            Self::Connect { .. } | Self::Tls { .. } | Self::Silent { .. } | Self::Broken { .. } => Advice::OnceMore,
            // What is not implemented now is not in a second either.
            Self::Server { status, .. } if *status == StatusCode::NOT_IMPLEMENTED => Advice::GiveUp,
            Self::Server { .. } | Self::Throttled { wait: None, .. } => Advice::Again,
            Self::Throttled { wait: Some(wait), .. } => Advice::After(*wait),
            Self::Elsewhere { error, .. } => error.advice(),
            Self::Setup(_)
            | Self::File(_)
            | Self::Proxy { .. }
            | Self::Plain { .. }
            | Self::Deadline { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. } => Advice::GiveUp,
        }
    }

    /// Returns how the exchange ended, for whoever counts.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Throttled { .. } => Ending::Throttled,
            Self::Elsewhere { error, .. } => error.ending(),
            Self::Server { .. } => Ending::Failed,
            Self::Silent { .. } | Self::Deadline { .. } => Ending::TimedOut,
            Self::Broken { .. } | Self::TooLarge { .. } | Self::Redirect { .. } => Ending::Broken,
            Self::Setup(_)
            | Self::File(_)
            | Self::Proxy { .. }
            | Self::Plain { .. }
            | Self::Tls { .. }
            | Self::Connect { .. } => Ending::Unreachable,
        }
    }

    /// Sorts an error of the client underneath.
    pub(crate) fn of(error: &reqwest::Error, host: &str, silence: Duration) -> Self {
        let host = host.to_owned();
        if error.is_connect() {
            if error.is_timeout() {
                Self::Connect { host, reason: "it does not answer".to_owned() }
            } else if is_of_tls(error) {
                Self::Tls { host, reason: innermost(error) }
            } else {
                Self::Connect { host, reason: innermost(error) }
            }
        } else if error.is_timeout() {
            Self::Silent { host, limit: silence }
        } else {
            Self::Broken { host, reason: innermost(error) }
        }
    }
}

/// Whether a connection failed over what came on it: the TLS library says so by this kind of input error, and the kernel
/// has no such error for connections.
fn is_of_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        // One error of input may hold another, which it does not name as its source.
        let mut held = inner.downcast_ref::<std::io::Error>();
        while let Some(error) = held {
            if error.kind() == ErrorKind::InvalidData {
                return true;
            }
            held = error.get_ref().and_then(|inner| inner.downcast_ref());
        }
        cause = inner.source();
    }
    false
}

/// Returns the words of the innermost cause, which name the fault and no URL, free of control characters.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(200).flat_map(char::escape_debug).collect()
}
