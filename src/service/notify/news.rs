//! What a pass is worth telling: events with an identity that Git and the forge give, so that each is told once.
//!
//! Entry point: [`News::of`]. Pure: reads an outcome. Most events are read from how things stand, not from what the pass did, so
//! that the next pass tells what one that was killed could not.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::model::environment::{EnvironmentName, Publish};
use crate::model::gate::GateState;
use crate::model::history::Mover;
use crate::model::image::ImageName;
use crate::model::outcome::{Outcome, Trouble};
use crate::model::proposal::{Action, FOR_SOMEBODY, Proposal};
use crate::model::record::{Entry, Kind, Standing};
use crate::model::site::Value;
use crate::model::watch::WatchState;

/// The most events of one pass.
const MOST_EVENTS: usize = 1_000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::service) enum What {
    /// A pull request stands, or a head branch.
    Proposed,
    /// A version landed on its branch.
    Merged,
    /// A version was taken back.
    RolledBack,
    /// A version is held.
    Held,
    /// Something could not be done, or a version's checks failed.
    Failed,
    /// Something waits, and nobody can tell for how long.
    WaitingTooLong,
    /// Passes of a repository fail as a whole, or do so no more.
    PassFailing,
}

impl What {
    /// Returns the word in the configuration and in JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Merged => "merged",
            Self::RolledBack => "rolledBack",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::WaitingTooLong => "waitingTooLong",
            Self::PassFailing => "passFailing",
        }
    }

    /// Returns the words for people.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Merged => "landed",
            Self::RolledBack => "rolled back",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::WaitingTooLong => "waits for long",
            Self::PassFailing => "passes fail",
        }
    }
}

/// How long an event is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// It happened at this moment, if one is known, and stays so.
    Once(Option<Timestamp>),
    /// As long as it is seen: when it comes again later, it is another one.
    WhileSeen,
}

/// What tells one event from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EventId(pub(super) [u8; 16]);

impl EventId {
    /// Makes one of parts that hold no NUL.
    pub(super) fn of(parts: &[&str]) -> Self {
        let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0])).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }

    /// Reads hexadecimal digits.
    pub(super) fn of_hex(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        let is_whole = text.len() == 32 && text.is_ascii();
        for (index, byte) in id.iter_mut().enumerate().filter(|_| is_whole) {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        is_whole.then_some(Self(id))
    }

    /// Returns its hexadecimal digits.
    pub(super) fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Something that is worth telling. Texts come from Git, forges and registries, and are to be escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: EventId,
    pub(super) what: What,
    pub(super) lasts: Lasts,
    /// The environments; none where it is about the repository as a whole.
    pub(super) environments: BTreeSet<EnvironmentName>,
    pub(super) group: String,
    /// The image, or whatever else failed.
    pub(super) subject: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) commit: String,
    pub(super) url: String,
    pub(super) by: String,
    pub(super) reason: String,
}

/// What one pass is worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) struct News {
    /// The repository's URL.
    pub(super) repository: String,
    /// When the pass ended.
    pub(super) at: Timestamp,
    pub(super) came: Came,
}

/// What came of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// It went through.
    Through {
        events: Vec<Event>,
        /// What waits, and nothing tells until when.
        waits: Vec<Event>,
    },
    /// It failed as a whole.
    Failed {
        /// How many did in a row.
        failures: u32,
        reason: String,
    },
}

impl News {
    /// Reads what the outcome of a pass is worth telling.
    pub(in crate::service) fn of(outcome: &Outcome, repository: &str, at: Timestamp) -> Self {
        let mut events = Vec::new();
        let mut waits = Vec::new();
        for proposal in &outcome.proposals {
            proposed(repository, proposal, &mut events);
            if let Some(reason) = waits_for(proposal, at) {
                let event = |event: Event| Event { reason: reason.clone(), lasts: Lasts::WhileSeen, ..event };
                waits.extend(of_proposal(repository, What::WaitingTooLong, proposal, "").map(event));
            }
        }
        events.extend(outcome.errors.iter().map(|trouble| failed(repository, trouble, outcome)));
        for watch in &outcome.watches {
            if let WatchState::Failed(what) = &watch.state {
                let place = (Some(&watch.environment), watch.image.as_str());
                let mut event = event(repository, What::Failed, place, (None, Some(&watch.value)), &watch.commit.0);
                event.lasts = Lasts::WhileSeen;
                event.group.clone_from(&watch.group);
                event.reason.clone_from(what);
                events.push(event);
            }
        }
        if let Some(standing) = &outcome.standing {
            happened(repository, standing, &mut events);
        }
        events.truncate(MOST_EVENTS);
        waits.truncate(MOST_EVENTS);
        Self { repository: repository.to_owned(), at, came: Came::Through { events, waits } }
    }

    /// Tells of a pass that failed as a whole, so many times in a row.
    pub(in crate::service) fn failed(repository: &str, at: Timestamp, failures: u32, reason: String) -> Self {
        Self { repository: repository.to_owned(), at, came: Came::Failed { failures, reason } }
    }
}

/// Makes an event that only its kind, its place, its values and a commit or an address tell from others.
fn event(
    repository: &str,
    what: What,
    (environment, subject): (Option<&EnvironmentName>, &str),
    (from, to): (Option<&Value>, Option<&Value>),
    mark: &str,
) -> Event {
    let text = |value: Option<&Value>| value.map(ToString::to_string).unwrap_or_default();
    let (old, new) = (text(from), text(to));
    let name = environment.map(ToString::to_string).unwrap_or_default();
    Event {
        id: EventId::of(&[repository, what.as_str(), &name, subject, &new, mark]),
        what,
        lasts: Lasts::Once(None),
        environments: environment.into_iter().cloned().collect(),
        group: String::new(),
        subject: subject.to_owned(),
        old,
        new,
        commit: String::new(),
        url: String::new(),
        by: String::new(),
        reason: String::new(),
    }
}

/// Makes an event for each image that moves.
fn of_proposal<'a>(
    repository: &'a str,
    what: What,
    proposal: &'a Proposal,
    mark: &'a str,
) -> impl Iterator<Item = Event> + 'a {
    proposal.moves.iter().map(move |step| Event {
        group: proposal.group.clone(),
        url: proposal.url.clone().unwrap_or_default(),
        ..event(
            repository,
            what,
            (Some(&proposal.environment), step.image.as_str()),
            (Some(&step.from), Some(&step.to)),
            mark,
        )
    })
}

fn proposed(repository: &str, proposal: &Proposal, events: &mut Vec<Event>) {
    match proposal.action {
        Action::Opened | Action::Updated | Action::Unchanged | Action::Enqueued | Action::Waiting
            if proposal.publish != Publish::Commit && (proposal.url.is_some() || proposal.branch.is_some()) =>
        {
            // Another pull request about the same version is another one.
            let mark = proposal.url.as_deref().or(proposal.branch.as_deref()).unwrap_or_default();
            events.extend(of_proposal(repository, What::Proposed, proposal, mark));
        }
        Action::Failed => {
            let reason = proposal.reason.clone().unwrap_or_default();
            let event = |event: Event| Event { lasts: Lasts::WhileSeen, reason: reason.clone(), ..event };
            events.extend(of_proposal(repository, What::Failed, proposal, "").map(event));
        }
        _ => {}
    }
}

/// Returns why a proposal waits, where nobody knows until when.
fn waits_for(proposal: &Proposal, now: Timestamp) -> Option<String> {
    let may_wait = matches!(
        proposal.action,
        Action::Opened | Action::Updated | Action::Unchanged | Action::Enqueued | Action::Waiting
    );
    if !may_wait || proposal.earliest.is_some_and(|earliest| earliest > now) {
        return None;
    }
    let closed = proposal.gates.iter().find_map(|gate| match &gate.state {
        GateState::Pass => None,
        GateState::Wait { reason, .. } | GateState::Fail { reason } => Some(format!("{}: {reason}", gate.name)),
    });
    Some(closed.or_else(|| proposal.reason.clone()).unwrap_or_else(|| FOR_SOMEBODY.to_owned()))
}

/// Tells a row of `errors`, and of which environments it is, where the row names an image.
fn failed(repository: &str, trouble: &Trouble, outcome: &Outcome) -> Event {
    let named: Option<ImageName> = trouble.what.parse().ok();
    let questions = outcome.decisions.iter().map(|decision| &decision.question);
    let own = questions.filter(|question| named.as_ref() == Some(&question.image));
    let file = trouble.file.as_ref().map(ToString::to_string).unwrap_or_default();
    // Not the reason: it may hold a time that is another one in each pass.
    let mut event = event(repository, What::Failed, (None, &trouble.what), (None, None), &file);
    event.environments = own.map(|question| question.environment.clone()).collect();
    event.lasts = Lasts::WhileSeen;
    event.reason = if file.is_empty() { trouble.reason.clone() } else { format!("{file}: {}", trouble.reason) };
    event
}

/// Tells what history says.
fn happened(repository: &str, standing: &Standing, events: &mut Vec<Event>) {
    for entry in &standing.lately {
        let Entry { environment, image, from, to, commit, .. } = entry;
        let what = match entry.kind {
            Kind::Update | Kind::Promotion | Kind::Hotfix if to.is_some() => What::Merged,
            Kind::Rollback => What::RolledBack,
            Kind::Hold => What::Held,
            _ => continue,
        };
        let place = (environment.as_ref(), image.as_str());
        events.push(Event {
            lasts: Lasts::Once(Some(entry.time)),
            commit: commit.to_string(),
            // Who ordered it is known where somebody did: the commit's author may be Tagboat.
            by: entry.by.clone().unwrap_or_else(|| person(&entry.author)),
            reason: entry.reason.clone().or_else(|| entry.pull_request.clone()).unwrap_or_default(),
            ..event(repository, what, place, (from.as_ref(), to.as_ref()), &commit.0)
        });
    }
    for (environment, image, taken) in &standing.status.taken_back {
        let place = (Some(environment), image.as_str());
        events.push(Event {
            lasts: Lasts::Once(Some(taken.time)),
            commit: taken.commit.to_string(),
            by: person(&taken.by),
            reason: taken.to_string(),
            ..event(repository, What::Held, place, (None, Some(&taken.value)), &taken.commit.0)
        });
    }
}

/// Returns who did something, where it was not Tagboat itself.
fn person(name: &str) -> String {
    if name == Mover::Tagboat.to_string() { String::new() } else { name.to_owned() }
}
