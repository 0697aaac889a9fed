//! The queue that replicas share over NATS JetStream.
//!
//! Entry point: [`Nats::start`]. A pass is a message in a work-queue stream whose subject takes one message at a time: while
//! it is asked for or runs there is no second one, and what a webhook asks for meanwhile waits beside it. A message that
//! nobody acknowledges or renews within its lease goes to another replica. While no server can be reached, nothing begins
//! for the time of a lease, since others may be at work; then this process goes on alone.

pub mod connection;
mod places;
mod session;
pub mod sharing;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::Message;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::model::image::shorten;
use crate::queue::events::Events;
use crate::queue::local::Local;
use crate::queue::nats::connection::Servers;
use crate::queue::nats::places::{Asked, Places, key};
use crate::queue::nats::sharing::Sharing;
use crate::queue::row::Row;
use crate::queue::sealed::Seal;
use crate::queue::{Ask, Cause, Event, Health, Lease, Queue};

/// The shortest pause before another connection is tried; up to as much again is added, so that replicas differ.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest that the end of a pass is told again and again; after that its message goes to another replica.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// After which time a pass is offered again that no place here is free for.
const NO_ROOM: Duration = Duration::from_secs(5);

/// How long passes that ended may take to be told when the process stops.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// How a queue is shared.
pub struct Settings {
    /// Where.
    pub servers: Servers,
    /// What streams, subjects and buckets begin with.
    pub name: String,
    /// The name of this process among the others; no two have the same.
    pub replica: String,
    /// What replicas prove by that what they share is theirs. Without it, what must not be forged is not shared.
    pub secret: Option<SecretString>,
    /// How long a replica may be silent before its passes are taken over.
    pub lease: Duration,
    /// How many servers of a cluster keep each stream.
    pub stream_replicas: usize,
}

/// A queue that is shared.
pub struct Nats {
    inner: Arc<Inner>,
    session: AbortHandle,
    runtime: Handle,
}

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    seal: Arc<Seal>,
    sharing: Arc<Sharing>,
    /// What this process does while it is alone.
    local: Local,
    state: Mutex<State>,
    changed: Notify,
    /// Told when more may be pulled.
    roomier: Notify,
}

struct State {
    /// The repositories that are watched, by their keys.
    repositories: HashMap<String, String>,
    reach: Reach,
    room: usize,
    events: Events,
    /// What is begun or about to begin here, by ticket.
    held: BTreeMap<u64, Held>,
    tickets: u64,
    /// When the last pass of each repository began of which others told.
    heard: HashMap<String, Timestamp>,
}

/// Whether others can be reached.
enum Reach {
    Joined(Arc<Places>),
    Lost { since: Instant, reason: String },
}

/// A message that is held.
struct Held {
    repository: String,
    /// Where it is acknowledged.
    reply: Subject,
    /// Which one it is: its number in the stream, and when it came there, since numbers begin anew with a new store.
    identity: (u64, i128),
    /// Whether its pass is over, and only that is still to be told.
    is_over: bool,
}

/// What becomes of a message for a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// It is held here.
    Held,
    /// A pass of its repository runs here already.
    Busy,
    /// Its repository is not watched here.
    Unknown,
}

/// Returns what an error says, with what is behind it.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        let deeper_text = deeper.to_string();
        if !text.contains(&deeper_text) {
            text = format!("{text}: {deeper_text}");
        }
        source = deeper.source();
    }
    text.split(": ").map(shorten).collect::<Vec<_>>().join(": ")
}

impl Nats {
    /// Begins to look for the servers; must be called within a runtime, whose threads do all of it.
    pub fn start(settings: Settings, repositories: &[String], clock: Arc<dyn Clock>) -> Self {
        let seal = Arc::new(Seal::new(settings.secret.as_ref().map(|secret| secret.expose_secret().as_bytes())));
        let runtime = Handle::current();
        let inner = Arc::new(Inner {
            sharing: Arc::new(Sharing::new(Arc::clone(&seal), Arc::clone(&clock), runtime.clone())),
            seal,
            local: Local::default(),
            state: Mutex::new(State {
                repositories: by_key(repositories),
                reach: Reach::Lost { since: clock.instant(), reason: "no server has answered yet".to_owned() },
                room: 0,
                events: Events::default(),
                held: BTreeMap::new(),
                tickets: 0,
                heard: HashMap::new(),
            }),
            settings,
            clock,
            changed: Notify::new(),
            roomier: Notify::new(),
        });
        let session = runtime.spawn(supervise(Arc::clone(&inner))).abort_handle();
        Self { inner, session, runtime }
    }

    /// Gives a message back, to be offered again after a time.
    fn return_job(&self, lease: &Lease, after: Duration) {
        let held = lease.ticket.and_then(|ticket| self.inner.state().held.remove(&ticket));
        if let (Some(held), Some(places)) = (held, self.inner.places()) {
            let nak = Bytes::from(format!("-NAK {{\"delay\":{}}}", after.as_nanos()));
            let lease = lease.repository.clone();
            self.runtime.spawn(async move {
                drop(places.client.publish(held.reply, nak).await);
                places.note_return(&key(&lease), held.identity).await;
            });
        }
    }

    /// Returns what replicas tell each other beside their passes.
    pub fn sharing(&self) -> Arc<Sharing> {
        Arc::clone(&self.inner.sharing)
    }
}

/// Connects again and again.
async fn supervise(inner: Arc<Inner>) {
    inner.goes_alone_in_time();
    loop {
        let Err(reason) = session::live(&inner).await;
        inner.lost(reason);
        tokio::time::sleep(PAUSE + PAUSE.mul_f64(fastrand::f64())).await;
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> Option<Arc<Places>> {
        match &self.state().reach {
            Reach::Joined(places) => Some(Arc::clone(places)),
            Reach::Lost { .. } => None,
        }
    }

    fn health(&self) -> Health {
        match &self.state().reach {
            Reach::Joined(_) => Health::Working,
            Reach::Lost { since, reason } if self.clock.instant() < *since + self.settings.lease => {
                Health::Waiting(reason.clone())
            }
            Reach::Lost { reason, .. } => Health::Alone(reason.clone()),
        }
    }

    /// Notes that others can be reached.
    fn joined(&self, places: &Arc<Places>, is_first: bool) {
        let mut state = self.state();
        state.reach = Reach::Joined(Arc::clone(places));
        state.events.forgotten();
        state.events.joined(is_first);
        drop(state);
        // What waits for room here can be had from all.
        self.local.clear();
        self.sharing.joined(places);
        tracing::info!(name = self.settings.name, "passes are shared with the other replicas");
        self.changed.notify_one();
    }

    /// Notes that others cannot be reached any more, or still not.
    fn lost(self: &Arc<Self>, reason: String) {
        let mut state = self.state();
        match &mut state.reach {
            Reach::Lost { reason: known, .. } => {
                if *known != reason {
                    tracing::warn!(%reason, "the other replicas cannot be reached");
                    *known = reason;
                }
            }
            reach @ Reach::Joined(_) => {
                tracing::warn!(%reason, "the other replicas cannot be reached");
                *reach = Reach::Lost { since: self.clock.instant(), reason };
                drop(state);
                self.sharing.lost();
                self.goes_alone_in_time();
            }
        }
    }

    /// Lets everything begin here that is due, unless others are reached within a lease.
    fn goes_alone_in_time(self: &Arc<Self>) {
        let inner = Arc::clone(self);
        let moment = self.clock.instant() + self.settings.lease;
        tokio::spawn(async move {
            inner.clock.wait_until(moment).await;
            if let Health::Alone(reason) = inner.health() {
                tracing::error!(%reason, "the other replicas cannot be reached: this one goes on alone");
                inner.state().events.forgotten();
                inner.changed.notify_one();
            }
        });
    }

    /// Waits until more passes may be begun here than are waiting to be.
    async fn has_room(&self) {
        loop {
            let roomier = self.roomier.notified();
            let has_room = {
                let state = self.state();
                state.room > state.events.jobs()
            };
            if has_room {
                return;
            }
            roomier.await;
        }
    }

    /// Takes a message for a pass.
    fn job(&self, message: &Message, identity: (u64, i128), is_taken_over: bool) -> Job {
        let Some(reply) = message.reply.clone() else { return Job::Held };
        let mut state = self.state();
        let key = message.subject.rsplit('.').next().unwrap_or_default();
        let Some(repository) = state.repositories.get(key).cloned() else { return Job::Unknown };
        let known = state.held.iter_mut().find(|(_, held)| held.repository == repository);
        if let Some((ticket, held)) = known {
            if held.identity == identity {
                // It was thought to be lost, and is not.
                held.reply = reply;
                return Job::Held;
            }
            if !held.is_over {
                return Job::Busy;
            }
            // A new one means that the server knows of the old one's end, or knows nothing of it any more.
            let ticket = *ticket;
            state.held.remove(&ticket);
        }
        let word = std::str::from_utf8(&message.payload).ok();
        let cause = word.and_then(Cause::of).unwrap_or(Cause::Webhook);
        state.tickets += 1;
        let ticket = state.tickets;
        state.held.insert(ticket, Held { repository: repository.clone(), reply, identity, is_over: false });
        state.events.job(Lease { repository, cause, is_taken_over, ticket: Some(ticket) });
        drop(state);
        self.changed.notify_one();
        Job::Held
    }

    /// Takes a row that somebody put into the bucket.
    fn row(&self, key: &str, sealed: &[u8]) {
        let mut state = self.state();
        let Some(repository) = state.repositories.get(key).cloned() else { return };
        let row = self.seal.open(&row_name(key), sealed);
        let Some(row) = row.and_then(|bytes| Row::read(&repository, bytes, self.clock.now())) else {
            tracing::warn!(repository, "what another replica tells of it cannot be believed");
            return;
        };
        let is_news = state.heard.get(&repository).is_none_or(|known| *known < row.began);
        if is_news && row.by != self.settings.replica {
            state.heard.insert(repository.clone(), row.began);
            state.events.heard(repository, row);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Returns where every message that is held is renewed.
    fn held(&self) -> Vec<Subject> {
        self.state().held.values().map(|held| held.reply.clone()).collect()
    }

    /// Tells the end of a pass until it is heard, or for as long as makes sense.
    async fn tell_end(&self, ticket: u64, repository: String, row: Option<Row>) {
        let until = self.clock.instant() + TOLD_FOR;
        let key = key(&repository);
        let sealed = row.map(|row| Bytes::from(self.seal.seal(&row_name(&key), &row.write(&repository))));
        while self.clock.instant() < until {
            let reply = self.state().held.get(&ticket).map(|held| held.reply.clone());
            let Some(reply) = reply else { return };
            let told = match self.places() {
                Some(places) => told(&places, &key, sealed.clone(), reply).await,
                None => Err("nobody can be reached".to_owned()),
            };
            match told {
                Ok(()) => break,
                Err(reason) => tracing::debug!(repository, %reason, "the end of a pass could not be told"),
            }
            self.clock.wait_until(self.clock.instant() + PAUSE).await;
        }
        self.state().held.remove(&ticket);
        self.changed.notify_one();
    }
}

fn by_key(repositories: &[String]) -> HashMap<String, String> {
    repositories.iter().map(|url| (key(url), url.clone())).collect()
}

/// Puts the row, and then takes the message out of the queue: in between, another pass would only be too many.
async fn told(places: &Places, key: &str, row: Option<Bytes>, reply: Subject) -> Result<(), String> {
    if let Some(row) = row {
        places.rows.put(key, row).await.map_err(|error| words(&error))?;
    }
    places.client.request(reply, Bytes::from_static(b"+ACK")).await.map_err(|error| words(&error))?;
    Ok(())
}

/// Returns the name under which the row of a repository is sealed.
fn row_name(key: &str) -> String {
    format!("rows/{key}")
}

impl Queue for Nats {
    fn watch(&self, repositories: &[String]) {
        self.inner.local.watch(repositories);
        self.inner.state().repositories = by_key(repositories);
    }

    fn is_open(&self) -> bool {
        !matches!(self.inner.health(), Health::Waiting(_))
    }

    fn ask(&self, ask: Ask) {
        let Some(places) = self.inner.places() else {
            if self.is_open() {
                self.inner.local.ask(ask);
            }
            return;
        };
        let inner = Arc::clone(&self.inner);
        self.runtime.spawn(async move {
            match places.ask(&ask).await {
                Ok(Asked::Kept | Asked::Before) if ask.cause.is_news() => {
                    inner.state().events.kept(ask.repository, ask.wish);
                    inner.changed.notify_one();
                }
                Ok(Asked::Kept | Asked::Refused | Asked::Before) => {}
                Err(reason) => {
                    tracing::debug!(repository = ask.repository, %reason, "a pass could not be asked for");
                    inner.clock.wait_until(inner.clock.instant() + PAUSE).await;
                    inner.state().events.forgotten();
                    inner.changed.notify_one();
                }
            }
        });
    }

    fn room(&self, passes: usize) {
        self.inner.state().room = passes;
        self.inner.local.room(passes);
        self.inner.roomier.notify_one();
    }

    fn take(&self, may_begin: &dyn Fn(&str) -> bool) -> Option<Event> {
        loop {
            let event = self.inner.state().events.take();
            match event {
                Some(Event::Job(lease)) if !may_begin(&lease.repository) => self.return_job(&lease, NO_ROOM),
                None => return self.inner.local.take(may_begin),
                Some(event) => {
                    if matches!(event, Event::Job(_)) {
                        let mut state = self.inner.state();
                        state.room = state.room.saturating_sub(1);
                    }
                    return Some(event);
                }
            }
        }
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        async {
            tokio::select! {
                () = self.inner.changed.notified() => {}
                () = self.inner.local.changed() => {}
            }
        }
        .boxed()
    }

    fn end(&self, lease: Lease, row: Option<Row>) {
        let inner = Arc::clone(&self.inner);
        match (lease.ticket, row) {
            (Some(ticket), row) => {
                if let Some(held) = inner.state().held.get_mut(&ticket) {
                    held.is_over = true;
                }
                self.runtime.spawn(async move { inner.tell_end(ticket, lease.repository, row).await });
            }
            // It ran alone; whoever is there by now may know.
            (None, Some(row)) => {
                if let Some(places) = inner.places() {
                    let key = key(&lease.repository);
                    let sealed = inner.seal.seal(&row_name(&key), &row.write(&lease.repository));
                    self.runtime.spawn(async move { drop(places.rows.put(&key, sealed.into()).await) });
                }
            }
            (None, None) => {}
        }
    }

    fn give_back(&self, lease: Lease) {
        self.return_job(&lease, PAUSE);
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {
            self.room(0);
            let jobs = self.inner.state().events.drain_jobs();
            jobs.into_iter().for_each(|lease| self.give_back(lease));
            let ends = self.inner.clock.instant() + CLOSING_TIME;
            let all_told = async {
                while self.inner.places().is_some() && !self.inner.state().held.is_empty() {
                    self.inner.changed.notified().await;
                }
            };
            // What cannot be told in time is run once more by somebody else.
            drop(tokio::time::timeout_at(ends, all_told).await);
            if let Some(places) = self.inner.places() {
                drop(tokio::time::timeout_at(ends, places.client.flush()).await);
            }
            self.session.abort();
        }
        .boxed()
    }
}
