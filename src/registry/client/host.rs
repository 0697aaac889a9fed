//! What is known of one registry host during a pass.

use std::collections::HashMap;
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
use crate::registry::client::auth::TokenSlot;
use crate::registry::client::challenge::Challenge;
use crate::registry::client::failure::Failure;
use crate::registry::settings::{HostSettings, Limits};

/// Where Docker Hub's registry listens.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// How many exchanges in a row without an answer count as "down".
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
    /// Tokens by scope; a host has one credential, so that need not be in the key.
    tokens: Mutex<HashMap<String, Arc<TokenSlot>>>,
    /// Exchanges in a row without an answer, and when the last one ended.
    silence: Mutex<(u32, Option<Instant>)>,
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
            tokens: Mutex::default(),
            silence: Mutex::default(),
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

    pub(super) fn token_slot(&self, scope: &str) -> Arc<TokenSlot> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tokens.entry(scope.to_owned()).or_default())
    }

    /// Refuses to ask a host that has just been silent several times: that costs a bounded wait, once.
    pub(super) fn check_up(&self) -> Result<(), Failure> {
        let (failures, last) = *self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        match last {
            Some(last) if failures >= DOWN_AFTER && last.elapsed() < DOWN_FOR => {
                Err(Failure::Down { host: self.name.clone(), failures })
            }
            _ => Ok(()),
        }
    }

    /// Remembers whether the host answered at all.
    pub(super) fn note<T>(&self, outcome: &Result<T, HttpError>) {
        let silent = matches!(outcome, Err(error) if error.advice() == Advice::OnceMore);
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        *silence = if silent { (silence.0.saturating_add(1), Some(Instant::now())) } else { (0, None) };
    }
}
