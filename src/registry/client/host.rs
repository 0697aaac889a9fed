//! What is known of one registry host, and what a pass has asked of it.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use crate::clock::Clock;
use crate::http::client::PlainHttp;
use crate::http::connection::Connection;
use crate::http::target::is_loopback;
use crate::model::image::{DOCKER_HUB, shorten};
use crate::registry::client::breaker::Breaker;
use crate::registry::client::challenge::Challenge;
use crate::registry::client::exchange::Budget;
use crate::registry::client::failure::Failure;
use crate::registry::client::gate::Gate;
use crate::registry::client::meter::{Kind, Meter};
use crate::registry::client::paging::Paging;
use crate::registry::client::tokens::Tokens;
use crate::registry::settings::{HostSettings, Limits};

/// Where Docker Hub's registry listens.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// The page size that Quay sends at most; a larger one is refused, or quietly made smaller.
const QUAY_PAGE: u32 = 100;

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

/// For how many images, and for how many groups of them, a challenge of their own is remembered.
const MOST_CHALLENGES: usize = 10_000;

/// Whose challenge is known for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Its own.
    Own,
    /// Another image's: this one's may name another place.
    Others,
}

/// What single images were challenged with. JFrog and others have a realm for each of their repositories, which is how a
/// path begins; elsewhere one realm serves all.
#[derive(Debug, Default)]
struct Challenges {
    /// Whether images were sent to different places.
    differ: bool,
    /// By the path of an image.
    own: HashMap<String, Arc<Challenge>>,
    /// By how the path begins: the last one that was seen there.
    near: HashMap<String, Arc<Challenge>>,
}

/// One host, as one pass sees it: the numbers and the budget are the pass's own.
#[derive(Debug)]
pub(super) struct Host {
    known: Arc<Known>,
    /// What it was asked.
    pub(super) meter: Meter,
    /// What is left for further tries in this pass.
    budget: Budget,
    /// And of its vendor's own API.
    api_budget: Budget,
    /// Whether this pass has told that the vendor's API fails.
    api_told: AtomicBool,
    /// The challenge at the root of the protocol, once that was asked; `None` where it asks for no login.
    pub(super) root: OnceCell<Option<Arc<Challenge>>>,
}

impl Deref for Host {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.known
    }
}

impl Host {
    /// Makes a host of which nothing is known yet.
    pub(super) fn new(
        name: &str,
        settings: Option<&HostSettings>,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        Known::new(name, settings, limits, clock).map(|known| Self::of(Arc::new(known)))
    }

    /// Makes a host for a pass from what is known of it.
    pub(super) fn of(known: Arc<Known>) -> Self {
        Self {
            known,
            meter: Meter::default(),
            budget: Budget::default(),
            api_budget: Budget::default(),
            api_told: AtomicBool::new(false),
            root: OnceCell::new(),
        }
    }

    /// Begins a pass: everything is available again.
    pub(super) fn renew(&self) {
        self.budget.renew();
        self.api_budget.renew();
        self.api_told.store(false, Ordering::Relaxed);
    }

    /// Returns what is left for further tries of a kind of request. The vendor's API takes nothing from the registry.
    pub(super) fn budget(&self, kind: Kind) -> &Budget {
        if kind == Kind::Api { &self.api_budget } else { &self.budget }
    }

    /// Whether nobody has told in this pass that the vendor's API fails; from now on somebody has.
    pub(super) fn is_first_to_tell(&self) -> bool {
        !self.api_told.swap(true, Ordering::Relaxed)
    }

    /// Returns what is known of it, for other passes.
    pub(super) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }
}

/// What is known of a host: its limits, logins and health hold for all passes that ask it at once.
#[derive(Debug)]
pub(super) struct Known {
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
    challenges: Mutex<Challenges>,
    /// Its tokens.
    pub(super) tokens: Tokens,
    /// Holds requests back where a limit asks for it.
    pub(super) gate: Gate,
    /// How it pages its lists.
    pub(super) paging: Paging,
    /// The number of the last word of other processes that was taken.
    pub(super) heard: AtomicU64,
    /// Whether it is down.
    breaker: Breaker,
    /// Whether its login server is.
    login_breaker: Breaker,
    /// Whether its vendor's own API is: what the API does says nothing about the registry.
    api_breaker: Breaker,
}

impl Known {
    fn new(
        name: &str,
        settings: Option<&HostSettings>,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let origin = origin(name, settings)?;
        let insecure = settings.is_some_and(|settings| settings.insecure);
        let local = is_loopback(&origin);
        let turns = settings.and_then(|settings| settings.concurrency).unwrap_or(if local { 16 } else { 8 });
        let is_quay = name == "quay.io";
        let rate = settings.and_then(|settings| settings.requests_per_second);
        Ok(Self {
            name: name.to_owned(),
            origin,
            plain: if insecure { PlainHttp::ThisHost } else { PlainHttp::Loopback },
            turns: Semaphore::new(turns.clamp(1, 256)),
            page_size: AtomicU32::new(if is_quay { limits.page_size.min(QUAY_PAGE) } else { limits.page_size }),
            first: tokio::sync::Mutex::default(),
            scheme: Mutex::new(Scheme::Unknown),
            challenges: Mutex::default(),
            tokens: Tokens::default(),
            gate: Gate::new(rate, clock),
            paging: Paging::default(),
            heard: AtomicU64::new(0),
            breaker: Breaker::default(),
            login_breaker: Breaker::default(),
            api_breaker: Breaker::default(),
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

    /// Remembers what an image was challenged with.
    pub(super) fn challenged(&self, repository: &str, challenge: &Arc<Challenge>) {
        let before = std::mem::replace(
            &mut *self.scheme.lock().unwrap_or_else(PoisonError::into_inner),
            Scheme::Challenged(Arc::clone(challenge)),
        );
        let mut known = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = matches!(&before, Scheme::Challenged(before) if !before.is_same_place(challenge));
        // A realm that names what the image's name begins with is no other part's: nobody needs to try it in vain.
        known.differ |= differs || challenge.is_for_one_image() || challenge.names(beginning(repository));
        insert(&mut known.near, beginning(repository), challenge);
        if known.differ {
            insert(&mut known.own, repository, challenge);
        }
    }

    /// Remembers a challenge as an image's own, where others' led nowhere: so that it is not asked for its own each time.
    pub(super) fn keeps_own(&self, repository: &str, challenge: &Arc<Challenge>) {
        insert(&mut self.challenges.lock().unwrap_or_else(PoisonError::into_inner).own, repository, challenge);
    }

    /// Returns the challenge to answer for an image before it is asked; `None` where none is known that may be its own.
    pub(super) fn challenge_for(&self, repository: &str) -> Option<(Arc<Challenge>, Whose)> {
        let Scheme::Challenged(last) = self.scheme() else { return None };
        let known = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = known.own.get(repository) {
            return Some((Arc::clone(own), Whose::Own));
        }
        let others = if known.differ { known.near.get(beginning(repository)).cloned() } else { Some(last) };
        others.filter(|challenge| !challenge.is_for_one_image()).map(|challenge| (challenge, Whose::Others))
    }

    /// Returns the breaker that a kind of request is behind.
    pub(super) fn breaker(&self, kind: Kind) -> &Breaker {
        match kind {
            Kind::Token => &self.login_breaker,
            Kind::Api => &self.api_breaker,
            _ => &self.breaker,
        }
    }
}

fn beginning(repository: &str) -> &str {
    repository.split('/').next().unwrap_or_default()
}

fn insert(challenges: &mut HashMap<String, Arc<Challenge>>, key: &str, challenge: &Arc<Challenge>) {
    if challenges.len() >= MOST_CHALLENGES && !challenges.contains_key(key) {
        challenges.clear();
    }
    challenges.insert(key.to_owned(), Arc::clone(challenge));
}

/// Returns the root of a registry. Plain HTTP is for loopback hosts, unless something about TLS is said of them, and
/// for those that are said to be insecure.
pub(super) fn origin(name: &str, settings: Option<&HostSettings>) -> Result<Url, Failure> {
    let address = if name == DOCKER_HUB { DOCKER_HUB_HOST } else { name };
    let url = |scheme| Url::parse(&format!("{scheme}://{address}/")).map_err(|_not_a_url| Failure::Host(shorten(name)));
    let tls = url("https")?;
    let insecure = settings.is_some_and(|settings| settings.insecure);
    let connection = settings.and_then(|settings| settings.connection.as_ref());
    let wants_tls = connection.is_some_and(Connection::is_about_tls);
    if insecure || (is_loopback(&tls) && !wants_tls) { url("http") } else { Ok(tls) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn asks_quay_for_no_more_than_it_sends() {
        let size = |name: &str| {
            let host = Host::new(name, None, &Limits::default(), Arc::new(SystemClock)).unwrap();
            host.page_size.load(Ordering::Relaxed)
        };
        assert_eq!((size("quay.io"), size("ghcr.io")), (100, 1000));
    }

    fn origin(name: &str, insecure: bool) -> String {
        let settings = HostSettings { insecure, ..HostSettings::of(name) };
        let host = Host::new(name, Some(&settings), &Limits::default(), Arc::new(SystemClock));
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
