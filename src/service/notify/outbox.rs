//! What waits to be told to one receiver: events that are in no message yet, and messages that were not taken.
//!
//! Pure: told the moment, [`Outbox::next`] says what to send. A message that fails waits by itself; only where several
//! fail in a row, or the receiver asks for it, do all.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::service::notify::news::{Event, EventId};

/// How many events of a repository wait for one receiver.
const MOST_WAITING: usize = 1_000;

/// How many messages about a repository wait; what comes then is gathered until one of them was taken.
const MOST_PARCELS: usize = 8;

/// The pause after the first failure; it doubles with each further one in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause of our own.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The longest pause that a receiver is believed.
const LONGEST_NAMED: Duration = Duration::from_secs(3_600);

/// How many messages fail in a row until it is the receiver that is down, and not they.
const FEW: u32 = 4;

/// Events of a repository that are told together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) repository: String,
    pub(super) events: Vec<Event>,
    /// What the message is known by, once there is one.
    pub(super) id: Option<EventId>,
    /// How often sending it failed.
    failures: u32,
    /// When it is tried again.
    next: Option<Instant>,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    fresh: BTreeMap<String, BTreeMap<EventId, Event>>,
    parcels: Vec<Parcel>,
    /// How many messages failed since one was taken.
    failures: u32,
    /// When the receiver may be asked again.
    pause: Option<Instant>,
}

impl Outbox {
    /// Takes what is to be told of a repository.
    pub(super) fn add(&mut self, repository: &str, events: Vec<Event>) {
        let of_parcels = self.parcels.iter().filter(|parcel| parcel.repository == repository);
        let known: Vec<EventId> = of_parcels.flat_map(|parcel| &parcel.events).map(|event| event.id).collect();
        let fresh = self.fresh.entry(repository.to_owned()).or_default();
        for event in events {
            let has_room = known.len() + fresh.len() < MOST_WAITING;
            if !known.contains(&event.id) && (has_room || fresh.contains_key(&event.id)) {
                fresh.insert(event.id, event);
            }
        }
        self.fresh.retain(|_, events| !events.is_empty());
    }

    /// Returns when something is to be sent, if anything is.
    pub(super) fn when(&self, now: Instant) -> Option<Instant> {
        let of_parcels = self.parcels.iter().map(|parcel| parcel.next.unwrap_or(now)).min();
        let of_fresh = self.ready().next().map(|_| now);
        let when = of_parcels.into_iter().chain(of_fresh).min()?;
        Some(self.pause.map_or(when, |pause| pause.max(when)))
    }

    /// Whether something waits that has never failed.
    pub(super) fn has_new(&self) -> bool {
        self.failures == 0 && (self.ready().next().is_some() || self.parcels.iter().any(|parcel| parcel.next.is_none()))
    }

    /// Returns the repositories of whose fresh events a message may be made.
    fn ready(&self) -> impl Iterator<Item = &String> {
        let parcels =
            |repository: &String| self.parcels.iter().filter(|parcel| parcel.repository == *repository).count();
        self.fresh.keys().filter(move |repository| parcels(repository) < MOST_PARCELS)
    }

    /// Takes out what is to be sent now: first what never failed.
    pub(super) fn next(&mut self, now: Instant) -> Option<Parcel> {
        if self.pause.is_some_and(|pause| now < pause) {
            return None;
        }
        let due = |parcel: &Parcel| parcel.next.is_none_or(|next| next <= now);
        let waiting = self.parcels.iter().enumerate().filter(|(_, parcel)| due(parcel));
        let least = waiting
            .min_by_key(|(_, parcel)| (parcel.failures, parcel.next))
            .map(|(index, parcel)| (index, parcel.failures));
        if let Some((index, _)) = least.filter(|(_, failures)| *failures == 0) {
            return Some(self.parcels.remove(index));
        }
        let ready = self.ready().next().cloned();
        if let Some(repository) = ready {
            let mut events: Vec<Event> = self.fresh.remove(&repository)?.into_values().collect();
            events.sort_by(|one, other| {
                (one.what, &one.environments, &one.subject).cmp(&(other.what, &other.environments, &other.subject))
            });
            return Some(Parcel { repository, events, id: None, failures: 0, next: None });
        }
        least.map(|(index, _)| self.parcels.remove(index))
    }

    /// Keeps what is to be told by another message, or by nobody before a moment.
    pub(super) fn put_off(&mut self, repository: &str, events: Vec<Event>, until: Option<Instant>) {
        if !events.is_empty() {
            let repository = repository.to_owned();
            self.parcels.push(Parcel { repository, events, id: None, failures: 0, next: until });
        }
    }

    /// Notes that a message was taken, or will never be. Returns how many had failed since one was.
    pub(super) fn taken(&mut self) -> u32 {
        self.pause = None;
        std::mem::take(&mut self.failures)
    }

    /// Keeps a message that was not taken. `named` is when the receiver itself wants to be asked again. Returns how many have failed since
    /// one was taken.
    pub(super) fn failed(&mut self, mut parcel: Parcel, named: Option<Duration>, now: Instant) -> u32 {
        let pause = doubled(parcel.failures);
        parcel.failures = parcel.failures.saturating_add(1);
        parcel.next = Some(now + pause);
        self.parcels.push(parcel);
        self.failures = self.failures.saturating_add(1);
        self.pause = match named {
            Some(named) => Some(now + named.clamp(pause, LONGEST_NAMED)),
            None => self.failures.checked_sub(FEW + 1).map(|further| now + doubled(further)),
        };
        self.failures
    }
}

fn doubled(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.min(20))).min(LONGEST_PAUSE)
}
