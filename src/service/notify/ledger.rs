//! What a receiver was told of a repository, remembered across restarts and replicas.
//!
//! Entry points: [`Ledger`], the seam to wherever it is kept, and [`Known`], what is kept. Where it is lost, what stands is told
//! once more, and what happened in the last day; nothing is lost by that, and nothing older comes again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cache::Key32;
use crate::config::environment::Environment;
use crate::config::service::Service;
use crate::pass::setup;
use crate::queue::nats::sharing::{Kept, Sharing, Told};
use crate::service::notify::news::{Came, Event, EventId, Lasts, News, What};
use crate::service::schedule::later;

/// How long ago something may have happened that is told although nothing is remembered.
const NEW: SignedDuration = SignedDuration::from_hours(24);

/// How long ago it may have happened at all: history may be read further down than before.
const OLDEST: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long something is not seen until it may be told again.
const GONE: SignedDuration = SignedDuration::from_hours(1);

/// How old what is remembered of something that is seen may be: rows need not be written in each pass.
const RENEWED: SignedDuration = SignedDuration::from_mins(20);

/// How much is remembered of one repository.
const MOST: usize = 5_000;

/// How many passes fail in a row until somebody is told: the first ones may be a moment's trouble.
const FAILURES: u32 = 3;

/// How long whoever is about to tell something has it for themselves: longer than sending may take, however clocks differ.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);

/// How often a row that others change meanwhile is changed anew.
const MOST_TRIES: usize = 10;

/// A row, as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::service) struct Read {
    /// What it holds, if it is there.
    pub(super) row: Option<Vec<u8>>,
    /// The number of its version, where it is shared with others.
    pub(super) version: Option<u64>,
}

/// Keeps what receivers were told. Several replicas may share one.
pub(in crate::service) trait Ledger: Send + Sync {
    /// Returns what was kept under a key. It may block.
    fn load(&self, key: &Key32) -> Read;

    /// Keeps a row in place of the one that was read; returns false where somebody else kept another one meanwhile. It may block.
    fn swap(&self, key: &Key32, before: &Read, row: Vec<u8>) -> bool;

    /// Returns the name of who is at work here, among those who share it.
    fn holder(&self) -> &str;
}

/// Changes what is known under a key, on whatever it has become. It may block.
pub(super) fn change<T>(ledger: &dyn Ledger, key: &Key32, mut with: impl FnMut(&mut Known) -> T) -> Option<T> {
    for _ in 0..MOST_TRIES {
        let before = ledger.load(key);
        let known = Known::read(before.row.as_deref());
        let mut changed = known.clone();
        let came = with(&mut changed);
        if changed == known || ledger.swap(key, &before, changed.row()) {
            return Some(came);
        }
    }
    None
}

/// Keeps rows in the cache, and in memory for as long as the cache does not serve.
pub(super) struct CacheLedger {
    service: Service,
    environment: Environment,
    rows: Mutex<HashMap<Key32, Vec<u8>>>,
}

impl CacheLedger {
    /// Makes one over the cache of a configuration.
    pub(super) fn new(service: Service, environment: Environment) -> Self {
        Self { service, environment, rows: Mutex::default() }
    }
}

impl Ledger for CacheLedger {
    fn load(&self, key: &Key32) -> Read {
        let kept = setup::cache(&self.service, &self.environment).told(key);
        let row = kept.or_else(|| self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned());
        Read { row, version: None }
    }

    /// Only the task of its receiver changes a row.
    fn swap(&self, key: &Key32, _before: &Read, row: Vec<u8>) -> bool {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, row.clone());
        setup::cache(&self.service, &self.environment).keep_told(key, row);
        true
    }

    /// What the process before this one had for itself is this one's.
    fn holder(&self) -> &'static str {
        ""
    }
}

/// Keeps rows where all replicas find them, and in the cache of each for as long as they cannot be reached.
pub(in crate::service) struct SharedLedger {
    sharing: Arc<Sharing>,
    holder: String,
    own: CacheLedger,
}

impl SharedLedger {
    /// Makes one over what replicas share, and what this one has beside.
    pub(super) fn new(sharing: Arc<Sharing>, holder: &str, own: CacheLedger) -> Self {
        Self { sharing, holder: holder.to_owned(), own }
    }
}

impl Ledger for SharedLedger {
    fn load(&self, key: &Key32) -> Read {
        match self.sharing.told(&name(key)) {
            Told::Row(row, version) => Read { row: Some(row), version: Some(version) },
            // A server that lost its store knows less than this replica.
            Told::Nothing(version) => Read { version: Some(version), ..self.own.load(key) },
            Told::Unreachable => self.own.load(key),
        }
    }

    fn swap(&self, key: &Key32, before: &Read, row: Vec<u8>) -> bool {
        // Without the server each goes by its own cache, and at most something is told twice.
        let kept = before.version.map(|version| self.sharing.keep_told(&name(key), &row, version));
        kept != Some(Kept::Overtaken) && self.own.swap(key, before, row)
    }

    fn holder(&self) -> &str {
        &self.holder
    }
}

fn name(key: &Key32) -> String {
    key.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What one receiver was told of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// The form of the row.
    form: u32,
    /// What happened once, with the second at which it was last seen.
    once: BTreeMap<String, i64>,
    /// What is one as long as it is seen.
    lasting: BTreeMap<String, i64>,
    /// Since when something waits, and when it was last seen.
    waits: BTreeMap<String, (i64, i64)>,
    /// What somebody is about to tell.
    #[serde(default)]
    claims: BTreeMap<String, RawClaim>,
}

/// That somebody is about to tell an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RawClaim {
    /// Who.
    by: String,
    /// By which message.
    message: String,
    /// The second at which somebody else may, since nothing was heard of them.
    until: i64,
}

/// Which events of some may be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// These, by the message that is known by this.
    pub(super) own: (EventId, Vec<EventId>),
    /// These by another message.
    pub(super) others: Vec<EventId>,
    /// Somebody else is about to tell these, and has them for themselves until then.
    pub(super) taken: Option<(Timestamp, Vec<EventId>)>,
}

/// The form of rows that this version reads.
const FORM: u32 = 1;

impl Known {
    /// Reads a row; one of another form counts as none.
    pub(super) fn read(row: Option<&[u8]>) -> Self {
        let known = row.and_then(|row| serde_json::from_slice::<Self>(row).ok());
        known.filter(|known| known.form == FORM).unwrap_or_default()
    }

    /// Writes the row.
    pub(super) fn row(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers can be written")
    }

    /// Whether an event was told.
    pub(super) fn has(&self, event: &Event) -> bool {
        let id = event.id.hex();
        match event.lasts {
            Lasts::Once(_) => self.once.contains_key(&id),
            Lasts::WhileSeen => self.lasting.contains_key(&id),
        }
    }

    /// Claims events for a holder, by the message that was made of them or that whoever fell silent had made of some. What was told
    /// already is in no part of the answer.
    pub(super) fn claim(&mut self, events: &[Event], id: Option<EventId>, holder: &str, now: Timestamp) -> Claim {
        let second = now.as_second();
        let mut taken: Option<(Timestamp, Vec<EventId>)> = None;
        let mut free: Vec<(EventId, Option<EventId>)> = Vec::new();
        for event in events.iter().filter(|event| !self.has(event)) {
            match self.claims.get(&event.id.hex()) {
                Some(claim) if claim.by != holder && second < claim.until => {
                    let until = Timestamp::from_second(claim.until).unwrap_or(now);
                    let (first, ids) = taken.get_or_insert((until, Vec::new()));
                    *first = until.min(*first);
                    ids.push(event.id);
                }
                Some(claim) => free.push((event.id, EventId::of_hex(&claim.message))),
                None => free.push((event.id, None)),
            }
        }
        let made = free.iter().find_map(|(_, message)| *message);
        let all: Vec<String> = free.iter().map(|(event, _)| event.hex()).collect();
        let message = id.or(made).unwrap_or_else(|| EventId::of(&all.iter().map(String::as_str).collect::<Vec<_>>()));
        let is_own = |of: &Option<EventId>| match made {
            Some(_) => *of == Some(message) || (of.is_none() && id.is_some()),
            None => true,
        };
        let (own, others): (Vec<_>, Vec<_>) = free.into_iter().partition(|(_, of)| is_own(of));
        let ids = |rows: Vec<(EventId, Option<EventId>)>| rows.into_iter().map(|(event, _)| event).collect::<Vec<_>>();
        let own = ids(own);
        let until = later(now, CLAIM).as_second();
        for event in &own {
            let claim = RawClaim { by: holder.to_owned(), message: message.hex(), until };
            self.claims.insert(event.hex(), claim);
        }
        Claim { own: (message, own), others: ids(others), taken }
    }

    /// Notes that an event was told, or need not be.
    pub(super) fn note(&mut self, event: &Event, now: Timestamp) {
        self.claims.remove(&event.id.hex());
        let rows = match event.lasts {
            Lasts::Once(_) => &mut self.once,
            Lasts::WhileSeen => &mut self.lasting,
        };
        rows.insert(event.id.hex(), now.as_second());
        while rows.len() > MOST {
            let oldest = rows.iter().min_by_key(|(_, seen)| **seen).map(|(id, _)| id.clone());
            oldest.and_then(|id| rows.remove(&id));
        }
    }

    /// Takes what is to be told out of the news; what nobody wants is noted as told, so that wanting it later brings no old news.
    pub(super) fn sift(
        &mut self,
        news: &News,
        waiting_after: SignedDuration,
        is_wanted: &dyn Fn(&Event) -> bool,
    ) -> Vec<Event> {
        let (now, is_first) = (news.at, self.form != FORM);
        self.form = FORM;
        let failing = failing(&news.repository);
        let (events, waits) = match &news.came {
            Came::Failed { failures, .. } if *failures < FAILURES => return Vec::new(),
            Came::Failed { failures, reason } => {
                let reason = format!("{failures} in a row: {reason}");
                let event = Event { reason, ..failing };
                return self.untold(vec![event], now, is_wanted);
            }
            Came::Through { events, waits } => (events, waits),
        };
        let mut found = events.clone();
        found.extend(self.waiting(waits, waiting_after, now));
        if is_first {
            for event in found.extract_if(.., |event| is_older(event, now, NEW)) {
                self.note(&event, now);
            }
        }
        found.retain(|event| !is_older(event, now, OLDEST));
        let mut told = self.untold(found, now, is_wanted);
        if self.lasting.remove(&failing.id.hex()).is_some() {
            // Its identity is the moment: the next time is another one.
            let id = EventId::of(&[&news.repository, "again", &now.to_string()]);
            let reason = "passes go through again".to_owned();
            let recovered = Event { id, reason, lasts: Lasts::Once(Some(now)), ..failing };
            told.extend(Some(recovered).filter(|event| is_wanted(event)));
        }
        self.forget(now);
        told
    }

    /// Returns what was not told yet, and renews what was.
    fn untold(&mut self, events: Vec<Event>, now: Timestamp, is_wanted: &dyn Fn(&Event) -> bool) -> Vec<Event> {
        let mut found: Vec<Event> = Vec::new();
        for event in events {
            if self.has(&event) {
                let rows = if event.lasts == Lasts::WhileSeen { &mut self.lasting } else { &mut self.once };
                if let Some(seen) = rows.get_mut(&event.id.hex()).filter(|seen| is_past(**seen, now, RENEWED)) {
                    *seen = now.as_second();
                }
            } else if !is_wanted(&event) {
                self.note(&event, now);
            } else if !found.iter().any(|other| other.id == event.id) {
                found.push(event);
            }
        }
        found
    }

    /// Returns what has waited for too long by now.
    fn waiting(&mut self, waits: &[Event], waiting_after: SignedDuration, now: Timestamp) -> Vec<Event> {
        let mut long = Vec::new();
        for event in waits {
            let (since, seen) = self.waits.entry(event.id.hex()).or_insert((now.as_second(), now.as_second()));
            if is_past(*seen, now, RENEWED) {
                *seen = now.as_second();
            }
            if is_past(*since, now, waiting_after) {
                let since = Timestamp::from_second(*since).unwrap_or(now);
                long.push(Event { reason: format!("since {since} at least: {}", event.reason), ..event.clone() });
            }
        }
        let ids: Vec<String> = waits.iter().map(|event| event.id.hex()).collect();
        self.waits.retain(|id, (_, seen)| ids.contains(id) || !is_past(*seen, now, GONE));
        long
    }

    /// Forgets what was not seen for long.
    fn forget(&mut self, now: Timestamp) {
        self.lasting.retain(|_, seen| !is_past(*seen, now, GONE));
        self.once.retain(|_, seen| !is_past(*seen, now, OLDEST.saturating_mul(2)));
        self.claims.retain(|_, claim| !is_past(claim.until, now, NEW));
    }
}

/// Makes the event of a repository whose passes fail.
fn failing(repository: &str) -> Event {
    Event {
        id: EventId::of(&[repository, What::PassFailing.as_str()]),
        what: What::PassFailing,
        lasts: Lasts::WhileSeen,
        environments: std::collections::BTreeSet::new(),
        group: String::new(),
        subject: String::new(),
        old: String::new(),
        new: String::new(),
        commit: String::new(),
        url: String::new(),
        by: String::new(),
        reason: String::new(),
    }
}

fn is_past(second: i64, now: Timestamp, time: SignedDuration) -> bool {
    now.as_second().saturating_sub(second) >= time.as_secs()
}

/// Whether an event happened longer ago than so.
fn is_older(event: &Event, now: Timestamp, time: SignedDuration) -> bool {
    matches!(event.lasts, Lasts::Once(Some(at)) if now.duration_since(at) > time)
}
