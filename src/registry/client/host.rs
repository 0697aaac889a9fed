//! What is known of one registry host during a pass.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::http::client::PlainHttp;
use crate::http::error::{Advice, HttpError};
use crate::http::target::is_loopback;
use crate::model::image::{DOCKER_HUB, shorten};
use crate::registry::client::challenge::Challenge;
use crate::registry::client::failure::Failure;
use crate::registry::client::tokens::Tokens;
use crate::registry::settings::{HostSettings, Limits};

/// Where Docker Hub's registry listens.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// How many failures in a row count as "down"; each stands for all the tries of one question.
const DOWN_AFTER: u32 = 3;

/// How long a host that is down is left alone.
const DOWN_FOR: Duration = Duration::from_secs(60);

/// How a host wants to be asked, as far as it has said so.
#[derive(Debug, Clone)]
pub(super) enum Scheme {
    /// Nothing was asked yet.
    Unknown,
    /// It has not asked for a login so far.
    Open,
    /// It has.
    Challenged(Arc<Challenge>),
}

/// Failures in a row.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    last: Option<(Instant, String)>,
}

/// One host.
#[derive(Debug)]
pub(super) struct Host {
    /// Its name in image names, `docker.io`.
    pub(super) name: String,
    /// Its root, `https://registry-1.docker.io/`.
    pub(super) origin: Url,
    /// Whether plain HTTP may be spoken.
    pub(super) plain: PlainHttp,
    /// One permit for each image that may be asked about at once.
    pub(super) turns: Semaphore,
    /// How many tags are asked for in one page; 0 leaves it to the registry.
    pub(super) page_size: AtomicU32,
    /// Held while the first question is out, so that fifty others do not all learn the same.
    pub(super) first: tokio::sync::Mutex<()>,
    /// How it wants to be asked.
    scheme: Mutex<Scheme>,
    /// Its tokens.
    pub(super) tokens: Tokens,
    /// Failures in a row, how the last one reads and when it was.
    trouble: Mutex<Trouble>,
}

impl Host {
    pub(super) fn new(name: &str, settings: Option<&HostSettings>, limits: &Limits) -> Result<Self, Failure> {
        let address = if name == DOCKER_HUB { DOCKER_HUB_HOST } else { name };
        let url =
            |scheme| Url::parse(&format!("{scheme}://{address}/")).map_err(|_not_a_url| Failure::Host(shorten(name)));
        let tls = url("https")?;
        let insecure = settings.is_some_and(|settings| settings.insecure);
        let local = is_loopback(&tls);
        let origin = if local || insecure { url("http")? } else { tls };
        let turns = settings.and_then(|settings| settings.concurrency).unwrap_or(if local { 16 } else { 8 });
        Ok(Self {
            name: name.to_owned(),
            origin,
            plain: if insecure { PlainHttp::ThisHost } else { PlainHttp::Loopback },
            turns: Semaphore::new(turns.clamp(1, 256)),
            page_size: AtomicU32::new(limits.page_size),
            first: tokio::sync::Mutex::default(),
            scheme: Mutex::new(Scheme::Unknown),
            tokens: Tokens::default(),
            trouble: Mutex::default(),
        })
    }

    /// Returns the URL of a path below `/v2/` of a repository.
    pub(super) fn url(&self, repository: &str, rest: &str) -> Url {
        let mut url = self.origin.clone();
        // Both parts follow grammars of the specification that hold nothing to be escaped.
        url.set_path(&format!("/v2/{repository}/{rest}"));
        url
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn learn(&self, scheme: Scheme) {
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = scheme;
    }

    /// Refuses to ask a host that has just failed several times: that costs a bounded wait, once.
    pub(super) fn check_up(&self) -> Result<(), Failure> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &trouble.last {
            Some((when, reason)) if trouble.failures >= DOWN_AFTER && when.elapsed() < DOWN_FOR => {
                Err(Failure::Down { host: self.name.clone(), failures: trouble.failures, reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Remembers how a question ended: well with its whole body, or with an error.
    ///
    /// An error that tells of one answer alone, such as one that is too long, says nothing about the host.
    pub(super) fn note(&self, error: Option<&HttpError>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None => *trouble = Trouble::default(),
            Some(error) if error.advice() != Advice::GiveUp || matches!(error, HttpError::Deadline { .. }) => {
                trouble.failures = trouble.failures.saturating_add(1);
                trouble.last = Some((Instant::now(), error.to_string()));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str, insecure: bool) -> String {
        let settings = HostSettings { host: name.to_owned(), credential: None, insecure, concurrency: None };
        let host = Host::new(name, Some(&settings), &Limits::default());
        host.map_or_else(|failure| format!("error: {failure}"), |host| host.url("acme/web", "tags/list").to_string())
    }

    #[test]
    fn speaks_plain_http_to_this_machine_and_to_hosts_that_are_said_to_be_insecure() {
        for (name, insecure, expected) in [
            ("ghcr.io", false, "https://ghcr.io/v2/acme/web/tags/list"),
            ("docker.io", false, "https://registry-1.docker.io/v2/acme/web/tags/list"),
            ("registry.example:5000", false, "https://registry.example:5000/v2/acme/web/tags/list"),
            ("registry.example:5000", true, "http://registry.example:5000/v2/acme/web/tags/list"),
            ("10.0.0.1:5000", false, "https://10.0.0.1:5000/v2/acme/web/tags/list"),
            ("localhost:5000", false, "http://localhost:5000/v2/acme/web/tags/list"),
            ("127.0.0.9", false, "http://127.0.0.9/v2/acme/web/tags/list"),
            ("[::1]:5000", false, "http://[::1]:5000/v2/acme/web/tags/list"),
        ] {
            assert_eq!(origin(name, insecure), expected, "{name}");
        }
    }
}
