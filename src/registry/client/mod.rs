//! The client for real registries: the OCI distribution protocol, read only.
//!
//! The entry point is [`RegistryClient`]. It is split by verb: `transport` asks, `auth` answers challenges,
//! `realm` asks token servers, `tokens` keeps what came of it, `tags` lists, `manifest` looks at single tags, `signatures` fetches what lies beside an image, `pushed` asks vendors' own APIs, and
//! `mirror` says where an image is really asked for. Below them, `exchange` makes each request with its tries: behind
//! a `breaker` for hosts that are down, and through a `gate` that keeps to everybody's limits. It remembers tokens,
//! challenges and limits, never tags or manifests; but what is asked twice at the same time is sent once.

mod announced;
mod auth;
mod breaker;
mod challenge;
mod earlier;
mod exchange;
mod failure;
mod gate;
mod host;
mod link;
mod manifest;
mod meter;
mod mirror;
mod page;
mod paging;
pub mod probe;
mod pushed;
mod realm;
mod shared;
mod signatures;
mod tags;
mod tokens;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{OnceCell, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::cores;
use crate::http::client::HttpClient;
use crate::http::connection::{Connection, Connections};
use crate::http::echo::without_secrets;
use crate::http::error::HttpError;
use crate::model::exchange::Witness;
use crate::model::image::{Digest, ImageName, Tag, shorten};
use crate::model::signature::SignatureVerdict;
use crate::model::tags::{FactKind, ImageTags, TagFacts};
use crate::model::usage::Usage;
use crate::registry::client::failure::Failure;
use crate::registry::client::host::{Host, Known};
use crate::registry::client::shared::{Answered, Shared};
use crate::registry::client::signatures::{Place, Wanted};
use crate::registry::credentials::{Credentials, normal_host};
use crate::registry::grapevine::Grapevine;
use crate::registry::settings::{HostSettings, Limits, Settings};
use crate::registry::{Heads, Inspections, Listed, SourceError, TagSource};
use crate::signature::trust::TrustedRoot;
use crate::signature::{self, Material, Requirement, Subject, Tally};

/// How many hosts are remembered for later passes; past it, those that no pass asks are forgotten.
const MOST_HOSTS: usize = 1_000;

/// The longest tag list that any setting allows, in bytes: far below what positions in a [`TagList`] can tell.
///
/// [`TagList`]: crate::model::tags::TagList
const MAX_LIST_BYTES: u64 = 1 << 30;

/// From this many tags on, a list is sorted on another core.
const MANY: usize = 128;

/// What is known of hosts, for all clients of one family.
type KnownHosts = Arc<Mutex<HashMap<String, Arc<Known>>>>;

/// The questions that are under way, of all passes at once: what two of them ask at the same time is sent once.
#[derive(Debug, Default)]
struct Asking {
    lists: Shared<ImageName, Result<Listed, SourceError>>,
    facts: Shared<(ImageName, Tag, FactKind), Result<TagFacts, SourceError>>,
    images: Shared<(ImageName, Digest), Result<TagFacts, SourceError>>,
    signatures: Shared<(ImageName, Tag, Digest, String), Result<SignatureVerdict, SourceError>>,
}

/// Asks registries over HTTP. One for a whole pass, or for many after each other: hosts, challenges and tokens are
/// shared by all images. Passes at the same time take one each, by [`RegistryClient::for_pass`].
pub struct RegistryClient {
    http: Arc<HttpClient>,
    clock: Arc<dyn Clock>,
    credentials: Arc<Credentials>,
    known: KnownHosts,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    host_settings: Arc<HashMap<String, HostSettings>>,
    limits: Limits,
    push_times: pushed::PushTimes,
    asking: Arc<Asking>,
    /// What images hold, by their digest: asked for once in a pass, whatever tags point to it.
    images: Mutex<HashMap<Digest, Arc<OnceCell<TagFacts>>>>,
    /// When the pass began.
    begun: Mutex<Instant>,
    /// How many tags this pass has looked into.
    inspections: AtomicUsize,
    /// How many HEADs this pass has taken to see where tags point that are compared.
    heads: AtomicUsize,
    trusted_root: Option<Arc<TrustedRoot>>,
    /// What other processes know of the same hosts.
    grapevine: Option<Arc<dyn Grapevine>>,
    witness: Witness,
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RegistryClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An image that is being asked about: its host, its turn there, and when its time is over.
struct Visit<'a> {
    image: &'a ImageName,
    host: &'a Host,
    deadline: Instant,
    /// How long the operator's own rate has held its requests back: the image is not to blame for that.
    paced: Mutex<Duration>,
    /// Whether the last request brought a login, or a token for one.
    with_login: AtomicBool,
    /// Held until the image is done, so that a host sees no more than its number of images at once.
    _turn: SemaphorePermit<'a>,
}

impl Visit<'_> {
    fn paced(&self) -> Duration {
        *self.paced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a text of the registry's for a message: short, and without what it was shown.
    fn hushed(&self, text: &str) -> String {
        shorten(&without_secrets(text, &self.host.tokens.shown()))
    }

    fn add_paced(&self, time: Duration) {
        *self.paced.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

impl RegistryClient {
    /// Makes a client; nothing is asked and nothing is read yet. The clock tells dates, and all waits are its own.
    pub fn new(mut settings: Settings, clock: Arc<dyn Clock>) -> Self {
        settings.limits.list_bytes = settings.limits.list_bytes.min(MAX_LIST_BYTES);
        settings.hosts.iter_mut().for_each(|host| host.host = normal_host(&host.host));
        let (now, begun) = (Arc::clone(&clock), clock.instant());
        let plain: Vec<_> = settings.hosts.iter().filter(|host| host.insecure).collect();
        let plain: Vec<_> = plain.iter().filter_map(|of| host::origin(&of.host, Some(of)).ok()).collect();
        let http = HttpClient::over(connections(&settings), Arc::new(move || now.now()));
        let http = Arc::new(http.speaking_plainly_to(plain.iter()));
        Self {
            credentials: Arc::new(Credentials::new(&settings, Arc::clone(&http), Arc::clone(&clock))),
            http,
            clock,
            known: KnownHosts::default(),
            hosts: Mutex::default(),
            host_settings: Arc::new(settings.hosts.into_iter().map(|host| (host.host.clone(), host)).collect()),
            limits: settings.limits,
            push_times: pushed::PushTimes::default(),
            asking: Arc::default(),
            images: Mutex::default(),
            begun: Mutex::new(begun),
            inspections: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
            trusted_root: settings.trusted_root,
            grapevine: None,
            witness: Witness::default(),
        }
    }

    /// Tells somebody of each request.
    #[must_use]
    pub fn told_to(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    /// Tells other processes what is learnt of hosts' limits, and takes what they know.
    #[must_use]
    pub fn with_grapevine(self, grapevine: Arc<dyn Grapevine>) -> Self {
        Self { grapevine: Some(grapevine), ..self }
    }

    /// Returns a client for a pass of its own, at the same time as others: its time, budgets and numbers are its own, and
    /// what hosts allow, their logins, whether they are down, and answers to what is asked at the same time are shared.
    #[must_use]
    pub fn for_pass(&self) -> Self {
        Self {
            http: Arc::clone(&self.http),
            clock: Arc::clone(&self.clock),
            credentials: Arc::clone(&self.credentials),
            known: Arc::clone(&self.known),
            hosts: Mutex::default(),
            host_settings: Arc::clone(&self.host_settings),
            limits: self.limits.clone(),
            push_times: pushed::PushTimes::default(),
            asking: Arc::clone(&self.asking),
            images: Mutex::default(),
            begun: Mutex::new(self.clock.instant()),
            inspections: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
            trusted_root: self.trusted_root.clone(),
            grapevine: self.grapevine.clone(),
            witness: self.witness.clone(),
        }
    }

    fn host(&self, name: &str) -> Result<Arc<Host>, Failure> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(self.known_host(name)?);
        hosts.insert(name.to_owned(), Arc::clone(&host));
        Ok(host)
    }

    /// Makes a host of what other passes know of it.
    fn known_host(&self, name: &str) -> Result<Host, Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = known.get(name) {
            return Ok(Host::of(Arc::clone(host)));
        }
        let host = Host::new(name, self.host_settings.get(name), &self.limits, Arc::clone(&self.clock))?;
        if known.len() >= MOST_HOSTS {
            known.retain(|_, host| Arc::strong_count(host) > 1);
        }
        known.insert(name.to_owned(), host.known());
        Ok(host)
    }

    /// Returns when this pass is over.
    fn pass_ends(&self) -> Option<Instant> {
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.checked_add(self.limits.pass_time?)
    }

    /// Whether it is.
    fn is_over(&self) -> bool {
        self.pass_ends().is_some_and(|ends| self.clock.instant() >= ends)
    }

    fn not_in_time(&self, host: &Host) -> Failure {
        Failure::NotInTime { host: host.name.clone(), limit: self.limits.pass_time.unwrap_or_default() }
    }

    /// Waits for the image's turn at its host. The image's own time begins with it.
    async fn visit<'a>(&self, image: &'a ImageName, host: &'a Host) -> Result<Visit<'a>, Failure> {
        let turn = host.turns.acquire();
        let turn = match self.pass_ends() {
            Some(ends) => timeout_at(ends, turn).await.map_err(|_elapsed| self.not_in_time(host))?,
            None => turn.await,
        };
        if self.is_over() {
            return Err(self.not_in_time(host));
        }
        let turn = turn.expect("the semaphore is never closed");
        let own = self.host_settings.get(&host.name).and_then(|settings| settings.image_time);
        let deadline = self.clock.instant() + own.unwrap_or(self.limits.image_time);
        Ok(Visit { image, host, deadline, paced: Mutex::default(), with_login: AtomicBool::new(false), _turn: turn })
    }

    /// Turns the end of an image's time into the end of the pass, where that is what it was.
    fn in_words(&self, host: &Host, failure: Failure) -> Failure {
        match failure {
            Failure::Http(HttpError::Deadline { .. }) if self.is_over() => self.not_in_time(host),
            other => other,
        }
    }

    async fn tags_of(&self, image: &ImageName, earlier: Option<&[u8]>) -> Result<Listed, Failure> {
        let host = self.host(image.host())?;
        let visit = self.visit(image, &host).await?;
        let (mut list, pages) = self.list(&visit, earlier).await.map_err(|failure| self.in_words(&host, failure))?;
        if let (examples @ [_, ..], count) = list.invalid() {
            let secrets = host.tokens.shown();
            let examples = examples.iter().map(|example| without_secrets(example, &secrets)).collect();
            list.set_invalid(examples, count);
        }
        // Most come sorted. Others wait for a second core, since this one has answers of other registries to read.
        let list = if list.len() < MANY {
            list.finish();
            list
        } else {
            cores::beside(move || {
                list.finish();
                list
            })
            .await
        };
        Ok(Listed { tags: Arc::new(ImageTags { list, ..ImageTags::default() }), pages })
    }

    /// Counts one image that is looked into, once wherever it is asked for.
    fn count_inspection(&self, kind: FactKind) -> Result<(), Failure> {
        let cap = self.limits.inspections;
        if kind == FactKind::Image && self.inspections.fetch_add(1, Ordering::Relaxed) >= cap {
            return Err(Failure::Inspections { cap });
        }
        Ok(())
    }

    async fn facts_of(
        &self,
        image: &ImageName,
        tag: &Tag,
        kind: FactKind,
        digest: Option<&Digest>,
    ) -> Result<TagFacts, Failure> {
        let host = self.host(image.host())?;
        let visit = self.visit(image, &host).await?;
        let facts = match kind {
            FactKind::Digest => {
                let digest = self.digest(&visit, tag).await;
                digest.map(|digest| TagFacts { digest: Some(digest), ..TagFacts::default() })
            }
            FactKind::Image => self.inspect(&visit, tag, digest).await,
            FactKind::Pushed => {
                let pushed = self.pushed(&visit, tag).await;
                pushed.map(|pushed| {
                    let (at, digest) = pushed.map(|pushed| (pushed.at, pushed.digest)).unzip();
                    TagFacts { pushed: at, pushed_digest: digest.flatten(), ..TagFacts::default() }
                })
            }
        };
        facts.map_err(|failure| self.in_words(&host, failure))
    }

    /// Asks, unless somebody does already: then that answer counts, too. An error is only whose question it came of:
    /// another pass may have run out of its time, or of its further tries.
    async fn together<'q, K: Eq + Hash + Clone, V: Clone>(
        &self,
        asking: &Shared<K, Result<V, SourceError>>,
        key: &K,
        question: impl Fn() -> BoxFuture<'q, Result<V, SourceError>>,
    ) -> (Result<V, SourceError>, Whose) {
        match asking.ask(key, question()).await {
            Answered::Own(answer) => (answer, Whose::Own),
            Answered::Shared(Err(_)) => (question().await, Whose::Own),
            Answered::Shared(answer) => (answer, Whose::Others),
        }
    }

    /// Passes an answer on, and counts one that came of somebody else's question.
    fn count<V>(&self, image: &ImageName, (answer, whose): (V, Whose)) -> V {
        if whose == Whose::Others {
            self.count_cached(image);
        }
        answer
    }
}

/// Of whose question an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Others,
}

/// Puts together how each host is connected to.
fn connections(settings: &Settings) -> Connections {
    let default = Connection { timeouts: settings.limits.timeouts, ..Connection::default() };
    let mut connections = Connections::new(default, settings.proxies.clone());
    for host in &settings.hosts {
        // A host that is none is told of when it is asked.
        if let (Some(connection), Ok(origin)) = (&host.connection, host::origin(&host.host, Some(host))) {
            connections.set(&origin, connection.clone());
        }
    }
    connections
}

impl RegistryClient {
    /// Checks the signatures of some content, cosign's own before referrers, until one holds.
    ///
    /// They are asked for under `name`; what they are about is the subject, whatever a mirror calls it.
    async fn verdict_at(
        &self,
        name: &ImageName,
        subject: &Subject<'_>,
        by: &Requirement,
    ) -> Result<SignatureVerdict, Failure> {
        if by.needs_trust() && self.trusted_root.is_none() {
            return Err(Failure::NoTrust);
        }
        let host = self.host(name.host())?;
        let visit = self.visit(name, &host).await?;
        let mut tally = Tally::default();
        let mut failed = None;
        for place in [Place::Tag, Place::Referrers] {
            let mut take = |material: &Material| {
                tally.add(signature::check(material, subject, by, self.trusted_root.as_deref()));
                if tally.is_signed() { Wanted::Enough } else { Wanted::More }
            };
            let fetched = self.signatures(&visit, subject.digest, place, &mut take).await;
            if tally.is_signed() {
                return Ok(SignatureVerdict::Signed);
            }
            failed = failed.or(fetched.err());
        }
        // What could not be seen may be the signature that is missed.
        failed.map_or_else(|| Ok(tally.verdict()), Err)
    }
}

impl TagSource for RegistryClient {
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        async move { self.tags_again(image, None).await.map(|listed| listed.tags) }.boxed()
    }

    fn tags_again<'a>(
        &'a self,
        image: &'a ImageName,
        pages: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Listed, SourceError>> {
        async move {
            let question = || {
                async {
                    let listed = self.tags_wherever(image, pages.as_deref()).await;
                    listed.map_err(|failure| failure.of(image))
                }
                .boxed()
            };
            self.count(image, self.together(&self.asking.lists, image, question).await)
        }
        .boxed()
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        async move {
            let question = || {
                async {
                    let facts = self.facts_wherever(image, tag, kind, None).await;
                    facts.map_err(|failure| failure.of(&format_args!("{image}:{tag}")))
                }
                .boxed()
            };
            let key = (image.clone(), tag.clone(), kind);
            self.count(image, self.together(&self.asking.facts, &key, question).await)
        }
        .boxed()
    }

    fn image_of<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        async move {
            let cell = {
                let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(images.entry(digest.clone()).or_default())
            };
            let question = || {
                async {
                    let facts = self.facts_wherever(image, tag, FactKind::Image, Some(digest)).await;
                    facts.map_err(|failure| failure.of(&format_args!("{image}:{tag}")))
                }
                .boxed()
            };
            let mut whose = Whose::Others;
            // A failure is not kept: it may be that of one repository.
            let ask = async || {
                let key = (image.clone(), digest.clone());
                let (facts, by) = self.together(&self.asking.images, &key, question).await;
                whose = by;
                facts
            };
            let facts = cell.get_or_try_init(ask).await.cloned();
            self.count(image, (facts, whose))
        }
        .boxed()
    }

    fn begin_pass(&self) {
        self.images.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.instant();
        self.inspections.store(0, Ordering::Relaxed);
        self.heads.store(0, Ordering::Relaxed);
        self.push_times.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.values().for_each(|host| host.renew());
    }

    fn take_heads(&self, wanted: usize) -> Heads {
        let cap = self.limits.heads;
        let granted = |taken: usize| wanted.min(cap.saturating_sub(taken));
        let taken = self.heads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| Some(taken + granted(taken)));
        Heads { granted: granted(taken.unwrap_or_default()), cap }
    }

    fn inspections(&self) -> Inspections {
        let (cap, taken) = (self.limits.inspections, self.inspections.load(Ordering::Relaxed));
        Inspections { left: cap.saturating_sub(taken), cap }
    }

    fn has_push_times(&self, image: &ImageName) -> bool {
        Self::has_push_times(self, image)
    }

    fn count_cached(&self, image: &ImageName) {
        if let Ok(host) = self.host(image.host()) {
            host.meter.cached();
        }
    }

    fn usage(&self) -> Usage {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Usage(hosts.values().map(|host| (host.name.clone(), host.meter.usage(host.gate.told()))).collect())
    }

    fn signed<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
        by: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        async move {
            let question = || {
                async {
                    let verdict = self.verdict_wherever(&Subject { image, tag, digest }, by).await;
                    verdict.map_err(|failure| failure.of(&format_args!("{image}:{tag}")))
                }
                .boxed()
            };
            let key = (image.clone(), tag.clone(), digest.clone(), by.by().to_owned());
            self.count(image, self.together(&self.asking.signatures, &key, question).await)
        }
        .boxed()
    }
}
