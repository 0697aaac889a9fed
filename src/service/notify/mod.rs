//! Notifications: whoever the operator names is told what passes came to, once, and never in a pass's way.
//!
//! Entry point: [`Notifier`]. Each receiver has a task and a bounded inbox of its own, so that one that is down holds up nobody. `news`
//! says what is worth telling, `ledger` what was told already, `message` how it is put, `receiver` how it is sent. Decides about no pass.

mod ledger;
mod message;
pub(super) mod news;
mod receiver;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::{Notify, Service};
use crate::queue::nats::sharing::Sharing;
use crate::service::metrics::Notices;
use crate::service::notify::ledger::{CacheLedger, Known, Ledger, SharedLedger};
use crate::service::notify::news::{Event, EventId, News};
use crate::service::notify::receiver::{Receiver, Sent};

/// How many passes' news wait for one receiver. What finds no room is read again from what the next pass sees.
const INBOX: usize = 256;

/// How many events of a repository wait for one receiver.
const MOST_WAITING: usize = 1_000;

/// The pause after the first failure; it doubles with each further one in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause of our own.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The longest pause that a receiver is believed.
const LONGEST_NAMED: Duration = Duration::from_secs(3_600);

/// How long an end waits for what is under way.
const REST: Duration = Duration::from_secs(3);

/// Tells everybody.
#[derive(Default)]
pub(super) struct Notifier(Mutex<Vec<Told>>);

/// Somebody who is told, as the configuration in force has them.
struct Told {
    notify: Notify,
    number: usize,
    /// What their receiver was made from beside their own entry.
    service: Arc<Service>,
    inbox: mpsc::Sender<Arc<News>>,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Brings the receivers to a configuration. One whose entry stays as it was goes on with what it has.
    pub(super) fn configure(
        &self,
        service: &Service,
        environment: &Environment,
        clock: &Arc<dyn Clock>,
        notices: &Notices,
        sharing: Option<&Arc<Sharing>>,
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *all);
        let shared = Arc::new(service.clone());
        let own = CacheLedger::new(service.clone(), environment.clone());
        let ledger: Arc<dyn Ledger> = match sharing {
            Some(sharing) => Arc::new(SharedLedger::new(Arc::clone(sharing), own)),
            None => Arc::new(own),
        };
        for (index, notify) in service.notify.iter().enumerate() {
            let is_alike = |other: &&Notify| other.channel == notify.channel;
            let number = service.notify[..index].iter().filter(is_alike).count();
            let is_same = |told: &Told| {
                told.notify == *notify
                    && told.number == number
                    && (&told.service.file, &told.service.cache) == (&service.file, &service.cache)
            };
            if let Some(known) = before.iter().position(is_same) {
                all.push(before.swap_remove(known));
                continue;
            }
            let receiver = Receiver::new(notify, number, service, environment, Arc::clone(clock));
            let (inbox, news) = mpsc::channel(INBOX);
            let (ledger, clock, notices) = (Arc::clone(&ledger), Arc::clone(clock), notices.clone());
            let worker = Worker {
                receiver: Arc::new(receiver),
                ledger,
                clock,
                notices,
                outbox: BTreeMap::new(),
                failures: 0,
                next: None,
            };
            let task = tokio::spawn(worker.work(news));
            all.push(Told { notify: notify.clone(), number, service: Arc::clone(&shared), inbox, task });
        }
    }

    /// Lets what is under way arrive, for a short time; nobody is told anything from then on.
    pub(super) async fn rest(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        // Without its inbox, a task sends what it has and ends.
        let tasks: Vec<JoinHandle<()>> = all.into_iter().map(|told| told.task).collect();
        let all = async {
            for task in tasks {
                drop(task.await);
            }
        };
        if tokio::time::timeout(REST, all).await.is_err() {
            tracing::warn!("some notifications did not arrive before the end; the next start tells what still holds");
        }
    }

    /// Whether anybody is told anything.
    pub(super) fn is_wanted(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Hands the news of a pass to everybody, and waits for nobody.
    pub(super) fn tell(&self, news: News) {
        let news = Arc::new(news);
        for told in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if told.inbox.try_send(Arc::clone(&news)).is_err() {
                tracing::debug!(
                    repository = news.repository,
                    "a receiver of notifications has no room: the next pass tells"
                );
            }
        }
    }
}

/// The task of one receiver.
struct Worker {
    receiver: Arc<Receiver>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    notices: Notices,
    /// What is to be told, by repository.
    outbox: BTreeMap<String, BTreeMap<EventId, Event>>,
    /// How often sending failed in a row.
    failures: u32,
    /// When it is tried again.
    next: Option<Instant>,
}

impl Worker {
    async fn work(mut self, mut inbox: mpsc::Receiver<Arc<News>>) {
        loop {
            let next = self.next.unwrap_or_else(|| self.clock.instant());
            let clock = Arc::clone(&self.clock);
            tokio::select! {
                biased;
                news = inbox.recv() => match news {
                    Some(news) => self.take(&news).await,
                    None => break,
                },
                () = clock.wait_until(next), if !self.outbox.is_empty() => self.deliver().await,
            }
        }
        while self.failures == 0 && !self.outbox.is_empty() {
            self.deliver().await;
        }
    }

    /// Puts what is new into the outbox.
    async fn take(&mut self, news: &Arc<News>) {
        if !self.receiver.follows(&news.repository) {
            return;
        }
        let (ledger, receiver, news) = (Arc::clone(&self.ledger), Arc::clone(&self.receiver), Arc::clone(news));
        let repository = news.repository.clone();
        let sifted = tokio::task::spawn_blocking(move || {
            let key = receiver.key(&news.repository);
            let before = Known::read(ledger.load(&key).as_deref());
            let mut known = before.clone();
            let found = known.sift(&news, receiver.waiting_after(), &|event| receiver.wants(event));
            if known != before {
                ledger.save(&key, known.row());
            }
            found
        });
        let Ok(found) = sifted.await else { return };
        if found.is_empty() {
            return;
        }
        let waiting = self.outbox.entry(repository).or_default();
        for event in found {
            if waiting.len() < MOST_WAITING || waiting.contains_key(&event.id) {
                waiting.insert(event.id, event);
            }
        }
    }

    /// Sends what waits of one repository, as one message.
    async fn deliver(&mut self) {
        let Some(repository) = self.outbox.keys().next().cloned() else { return };
        let waiting: Vec<Event> =
            self.outbox.get(&repository).into_iter().flat_map(BTreeMap::values).cloned().collect();
        // Another replica may have told it meanwhile.
        let (ledger, key) = (Arc::clone(&self.ledger), self.receiver.key(&repository));
        let read = move || Known::read(ledger.load(&key).as_deref());
        let known = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        let mut events: Vec<&Event> = waiting.iter().filter(|event| !known.has(event)).collect();
        if events.is_empty() {
            self.outbox.remove(&repository);
            return;
        }
        events.sort_by_key(|event| (event.what, &event.environments, &event.subject));
        let message = self.receiver.message(&repository, &events);
        let channel = self.receiver.channel();
        match self.receiver.send(&message).await {
            Sent::Taken => {
                if self.failures > 0 {
                    tracing::info!(channel, failures = self.failures, "notifications arrive again");
                }
                self.told(&repository, &events).await;
                self.notices.count(channel, "sent");
            }
            Sent::Refused(reason) => {
                self.notices.count(channel, "refused");
                tracing::warn!(channel, repository, events = events.len(), %reason, "a notification was refused, and is given up");
                self.told(&repository, &events).await;
            }
            Sent::Later(reason, after) => {
                self.notices.count(channel, "failed");
                let doubled =
                    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(20))).min(LONGEST_PAUSE);
                let pause = after.map_or(doubled, |after| after.clamp(doubled, LONGEST_NAMED));
                self.failures = self.failures.saturating_add(1);
                if self.failures == 1 {
                    tracing::warn!(channel, repository, %reason, "a notification did not arrive; it is tried again");
                } else {
                    tracing::debug!(channel, repository, failures = self.failures, %reason, "a notification did not arrive");
                }
                self.next = Some(self.clock.instant() + pause);
            }
        }
    }

    /// Notes that events were told, and takes them out.
    async fn told(&mut self, repository: &str, events: &[&Event]) {
        (self.failures, self.next) = (0, None);
        if let Some(waiting) = self.outbox.get_mut(repository) {
            events.iter().for_each(|event| drop(waiting.remove(&event.id)));
            if waiting.is_empty() {
                self.outbox.remove(repository);
            }
        }
        let (ledger, key, now) = (Arc::clone(&self.ledger), self.receiver.key(repository), self.clock.now());
        let told: Vec<Event> = events.iter().map(|event| (*event).clone()).collect();
        let keep = move || {
            let mut known = Known::read(ledger.load(&key).as_deref());
            told.iter().for_each(|event| known.note(event, now));
            ledger.save(&key, known.row());
        };
        drop(tokio::task::spawn_blocking(keep).await);
    }
}

#[cfg(test)]
mod tests;
