//! An order that stands in a head branch, judged by a later pass: merged under the rules of everything that Tagboat merges.
//!
//! Entry point: [`again`]. Trailers are words that anybody can write. So only what they say is believed, never what the branch
//! holds: the commit is made anew from them on the base of now, and must be the very one that stands there.

use std::collections::BTreeSet;

use crate::edit;
use crate::model::brought::Told;
use crate::model::change::ChangeSet;
use crate::model::commit::{
    TRAILER_BY, TRAILER_HOLD, TRAILER_IMAGE, TRAILER_ORDER, TRAILER_PUBLISH, TRAILER_REASON, TRAILER_SKIP,
};
use crate::model::environment::{EnvironmentName, Publish};
use crate::model::gate::{Gate, GateName};
use crate::model::history::Ordered;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::site::Value;
use crate::pass::grounds;
use crate::pass::order::{Ground, add_holds, promote, read_holds};
use crate::pass::{Inputs, Planned};
use crate::promote as promotes;
use crate::publish::plan::{OrderNote, PlannedCommit, ordered_commit};

/// An order as it would be given now.
pub(in crate::pass) struct Again {
    /// What it proposes.
    pub(in crate::pass) proposal: Proposal,
    /// What it changes.
    pub(in crate::pass) changes: ChangeSet,
    /// Its commit.
    pub(in crate::pass) commit: PlannedCommit,
    /// The gates that it does not wait for.
    pub(in crate::pass) skipped: BTreeSet<GateName>,
}

/// What the trailers of an order say.
struct Words<'a> {
    environment: EnvironmentName,
    order: Ordered,
    steps: Vec<(ImageName, String, Value)>,
    holds: Vec<&'a str>,
    skipped: BTreeSet<GateName>,
    by: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> Words<'a> {
    /// Reads a message; `None` where it is no order that Tagboat merges by itself.
    fn read(message: &'a str) -> Option<Self> {
        let of =
            |name: &'static str| message.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "));
        if of(TRAILER_PUBLISH).next() != Some(Publish::AutoMerge.as_str()) {
            return None;
        }
        let step = |line: &str| {
            let (image, (moved, to)) = (line.split(' ').next()?, line.rsplit_once(" -> ")?);
            let from = moved.strip_prefix(image)?.trim().trim_matches('"');
            Some((image.parse().ok()?, from.to_owned(), value(to)?))
        };
        let named = |name: &str| GateName::ALL.into_iter().find(|gate| gate.as_str() == name);
        let skipped = of(TRAILER_SKIP).flat_map(|names| names.split(", ")).map(named).collect::<Option<_>>()?;
        Some(Self {
            environment: Told::by(message).environment?,
            order: [Ordered::Rollback, Ordered::Promote]
                .into_iter()
                .find(|order| of(TRAILER_ORDER).next() == Some(order.as_str()))?,
            steps: of(TRAILER_IMAGE).map(step).collect::<Option<_>>()?,
            holds: of(TRAILER_HOLD).collect(),
            skipped,
            by: of(TRAILER_BY).next(),
            reason: of(TRAILER_REASON).next(),
        })
    }

    fn holds(&self) -> Option<Vec<Hold>> {
        let place = format!(" in {}", self.environment);
        let hold = |line: &&str| {
            let (image, tag) = line.strip_suffix(place.as_str())?.rsplit_once(':')?;
            Some(Hold {
                environment: Some(self.environment.clone()),
                image: image.parse().ok()?,
                tag: tag.parse().ok()?,
                until: None,
                by: self.by.map(str::to_owned),
                reason: Some(self.reason.unwrap_or("rolled back").to_owned()),
            })
        };
        self.holds.iter().map(hold).collect()
    }
}

/// Reads a version as trailers write it.
fn value(text: &str) -> Option<Value> {
    match text.trim().split_once('@') {
        Some((tag, digest)) => Some(Value { tag: Some(tag.parse().ok()?), digest: Some(digest.parse().ok()?) }),
        None => Some(Value { tag: Some(text.trim().parse().ok()?), digest: None }),
    }
}

/// Gives an order again that the message of a head commit tells; `None` where it does not fit any more, or a person merges it.
pub(in crate::pass) async fn again(
    inputs: &Inputs<'_>,
    planned: &mut Planned,
    group: &str,
    message: &str,
) -> Option<Again> {
    let words = Words::read(message)?;
    let config = inputs.config;
    let environment = config.environments.named(&words.environment)?;
    if environment.publish != Publish::AutoMerge || planned.observation.half_known.contains_key(&environment.name) {
        return None;
    }
    let (_, seen) = crate::pass::look(inputs).ok()?;
    let mut moves = Vec::new();
    for (image, from, to) in &words.steps {
        let questions = planned.promoted.decisions.iter().map(|decision| &decision.question);
        let is_meant = |question: &&crate::model::decision::Question| {
            question.environment == environment.name
                && question.image == *image
                && question.current.to_string() == *from
        };
        let question = questions.into_iter().find(is_meant)?;
        moves.push(Move {
            image: image.clone(),
            from: question.current.clone(),
            published: promotes::published(&planned.observation, image, to),
            to: to.clone(),
            step: None,
            pin: question.policy.pins(),
            sites: question.sites.clone(),
        });
    }
    let gates = match words.order {
        Ordered::Rollback => Vec::new(),
        Ordered::Promote => {
            let observation = std::mem::take(&mut planned.observation);
            let mut ground = Ground { inputs, observation, seen, environment };
            let gates = gates(&mut ground, planned, &moves, &words.skipped).await;
            planned.observation = ground.observation;
            gates
        }
    };
    let (_, seen) = crate::pass::look(inputs).ok()?;
    let ground = grounds::of(&seen, config, &environment.name)?;
    let proposal = Proposal {
        environment: environment.name.clone(),
        group: group.to_owned(),
        publish: Publish::AutoMerge,
        branch: None,
        url: None,
        moves,
        gates,
        action: Action::Opened,
        reason: None,
        earliest: None,
    };
    let read = |file: &_| ground.files.read(file, inputs.limits.max_bytes).map_err(|reason| reason.to_string());
    let mut changes = edit::edit(&planned.observation.sites, &[&proposal], &ground.surroundings, inputs.limits, &read);
    let holds = words.holds()?;
    if !changes.refused.is_empty() {
        return None;
    }
    if environment.branch.is_none() {
        changes.files.extend(add_holds(read_holds(inputs.files).ok()?, &holds).ok()?.1);
    }
    let note = OrderNote {
        order: words.order,
        holds,
        skipped: words.skipped.clone(),
        publish: Publish::AutoMerge,
        by: words.by.map(str::to_owned),
        reason: words.reason.map(str::to_owned),
        failed: None,
    };
    let commit = ordered_commit(&environment.name, &changes.changes, changes.files.clone(), &config.commit, &note);
    Some(Again { proposal, changes, commit, skipped: words.skipped })
}

/// Judges what the order does not skip, as it was judged when it was given.
async fn gates(ground: &mut Ground<'_>, planned: &Planned, moves: &[Move], skipped: &BTreeSet<GateName>) -> Vec<Gate> {
    let Some(first) = moves.first() else { return Vec::new() };
    let Some(tag) = first.to.tag.clone() else { return Vec::new() };
    promote::judge(ground, &planned.promoted.decisions, (&first.image, &tag), moves, skipped).await
}
