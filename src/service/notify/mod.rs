//! Notifications: whoever the operator names is told what passes came to, once, and never in a pass's way.
//!
//! Entry point: [`Notifier`]. Each receiver has a task and a bounded inbox of its own, so that one that is down holds up nobody. `news`
//! says what is worth telling, `ledger` what was told already and who is about to, `outbox` what waits, `message` how it is put, `receiver` how it is sent. Decides about no pass.

mod ledger;
mod message;
pub(super) mod news;
mod outbox;
mod receiver;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::{Notify, Service};
use crate::queue::nats::sharing::Sharing;
use crate::service::metrics::Notices;
use crate::service::notify::ledger::{CacheLedger, Claim, Ledger, SharedLedger, change};
use crate::service::notify::news::{Event, EventId, News};
use crate::service::notify::outbox::{Outbox, Parcel};
use crate::service::notify::receiver::{Receiver, Sent};

/// How many passes' news wait for one receiver. What finds no room is read again from what the next pass sees.
const INBOX: usize = 256;

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
        (sharing, name): (Option<&Arc<Sharing>>, &str),
    ) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *all);
        let shared = Arc::new(service.clone());
        let own = CacheLedger::new(service.clone(), environment.clone());
        let ledger: Arc<dyn Ledger> = match sharing {
            Some(sharing) => Arc::new(SharedLedger::new(Arc::clone(sharing), name, own)),
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
            let worker = Worker { receiver: Arc::new(receiver), ledger, clock, notices, outbox: Outbox::default() };
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
    outbox: Outbox,
}

impl Worker {
    async fn work(mut self, mut inbox: mpsc::Receiver<Arc<News>>) {
        loop {
            let clock = Arc::clone(&self.clock);
            let now = clock.instant();
            let next = self.outbox.when(now);
            tokio::select! {
                biased;
                news = inbox.recv() => match news {
                    Some(news) => self.take(&news).await,
                    None => break,
                },
                () = clock.wait_until(next.unwrap_or(now)), if next.is_some() => self.deliver().await,
            }
        }
        while self.outbox.has_new() {
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
            change(&*ledger, &key, |known| known.sift(&news, receiver.waiting_after(), &|event| receiver.wants(event)))
        });
        if let Ok(Some(found)) = sifted.await {
            self.outbox.add(&repository, found);
        }
    }

    /// Sends what waits, as one message.
    async fn deliver(&mut self) {
        let Some(parcel) = self.outbox.next(self.clock.instant()) else { return };
        let (ledger, key, now) = (Arc::clone(&self.ledger), self.receiver.key(&parcel.repository), self.clock.now());
        let of_claim = parcel.clone();
        let claimed = tokio::task::spawn_blocking(move || {
            change(&*ledger, &key, |known| known.claim(&of_claim.events, of_claim.id, ledger.holder(), now))
        });
        let Ok(Some(claim)) = claimed.await else {
            // Others change what is known of it all the time.
            self.outbox.failed(parcel, None, self.clock.instant());
            return;
        };
        let Some(parcel) = self.parted(parcel, claim) else { return };
        let events: Vec<&Event> = parcel.events.iter().collect();
        let repository = parcel.repository.clone();
        let message = self.receiver.message(&repository, parcel.id.unwrap_or(EventId::of(&[])), &events);
        let channel = self.receiver.channel();
        match self.receiver.send(&message).await {
            Sent::Taken => {
                let failures = self.outbox.taken();
                if failures > 0 {
                    tracing::info!(channel, failures, "notifications arrive again");
                }
                self.told(parcel).await;
                self.notices.count(channel, "sent");
            }
            Sent::Refused(reason) => {
                self.notices.count(channel, "refused");
                tracing::warn!(channel, repository, events = events.len(), %reason, "a notification was refused, and is given up");
                self.outbox.taken();
                self.told(parcel).await;
            }
            Sent::Later(reason, after) => {
                self.notices.count(channel, "failed");
                let failures = self.outbox.failed(parcel, after, self.clock.instant());
                if failures == 1 {
                    tracing::warn!(channel, repository, %reason, "a notification did not arrive; it is tried again");
                } else {
                    tracing::debug!(channel, repository, failures, %reason, "a notification did not arrive");
                }
            }
        }
    }

    /// Returns the message that is to be sent of a parcel, and keeps what is told by others, or by another one.
    fn parted(&mut self, mut parcel: Parcel, claim: Claim) -> Option<Parcel> {
        let Claim { own: (id, own), others, taken } = claim;
        let some = |ids: &[EventId]| parcel.events.iter().filter(|event| ids.contains(&event.id)).cloned().collect();
        self.outbox.put_off(&parcel.repository, some(&others), None);
        if let Some((until, ids)) = taken {
            let wait = Duration::try_from(until.duration_since(self.clock.now())).unwrap_or_default();
            self.outbox.put_off(&parcel.repository, some(&ids), Some(self.clock.instant() + wait));
        }
        parcel.events = some(&own);
        parcel.id = Some(id);
        (!parcel.events.is_empty()).then_some(parcel)
    }

    /// Notes that events were told.
    async fn told(&mut self, parcel: Parcel) {
        let (ledger, key, now) = (Arc::clone(&self.ledger), self.receiver.key(&parcel.repository), self.clock.now());
        let keep = move || {
            change(&*ledger, &key, |known| parcel.events.iter().for_each(|event| known.note(event, now)));
        };
        drop(tokio::task::spawn_blocking(keep).await);
    }
}

#[cfg(test)]
mod tests;
