//! Where one environment before is enough: which of the ways to an environment counts, and what is told of the others.
//!
//! Entry point: [`best`]. Each way was tried by itself; what none of them may bring is no business of this one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::decision::{Decision, Verdict};
use crate::model::environment::EnvironmentName;
use crate::model::gate::GateState;
use crate::model::image::ImageName;
use crate::model::outcome::Skipped;
use crate::model::proposal::{Action, Proposal, Way};
use crate::model::site::Value;
use crate::model::tags::newest_first;
use crate::promote::candidates::Settled;
use crate::promote::stage::Stage;

/// What an environment comes to by one of the environments before it.
pub(super) struct Alone {
    pub(super) before: EnvironmentName,
    pub(super) stage: Stage,
}

/// Takes for each group the way on which it may move now, else soonest; what another way could not do is no news then, and
/// stands in what is told of the ways.
pub(super) fn best(all: Vec<Alone>, decisions: &[Decision], names: &BTreeMap<ImageName, String>) -> Stage {
    let chosen = chosen(&all);
    let mut best = Stage { ways: told(&all, &chosen, decisions, names), ..Stage::default() };
    let mut proposals: BTreeMap<String, Proposal> = BTreeMap::new();
    let mut settled: BTreeMap<usize, Vec<Settled>> = BTreeMap::new();
    let mut skipped = BTreeSet::new();
    for (at, way) in all.into_iter().map(|alone| alone.stage).enumerate() {
        best.questions.extend(way.questions);
        best.forge.checks.extend(way.forge.checks);
        best.forge.approvals.extend(way.forge.approvals);
        skipped.extend(way.skipped);
        way.settled.into_iter().for_each(|(index, one)| settled.entry(index).or_default().push(one));
        let own = way.proposals.into_iter().filter(|proposal| chosen.get(&proposal.group) == Some(&at));
        proposals.extend(own.map(|proposal| (proposal.group.clone(), proposal)));
    }
    let mut quiet: BTreeSet<&str> = BTreeSet::new();
    for (index, ways) in settled {
        let image = &decisions[index].question.image;
        let proposal = names.get(image).and_then(|group| proposals.get(group));
        let moves = proposal.into_iter().flat_map(|proposal| &proposal.moves);
        let mut own = moves.filter(|step| step.answers(&decisions[index].question));
        let held = proposal.is_some_and(|proposal| proposal.action == Action::Held);
        let keeps = ways.iter().any(|way| way.verdict == Verdict::Keep);
        let by_whom = ways.iter().find_map(|way| way.held.clone());
        let (verdict, held) = match own.next() {
            Some(step) if !held => (Verdict::Move { to: step.to.clone(), step: step.step }, None),
            None if !keeps => (ways.into_iter().next().map_or(Verdict::Keep, |way| way.verdict), None),
            Some(_) => (Verdict::Keep, by_whom),
            None => (Verdict::Keep, None),
        };
        if !matches!(verdict, Verdict::Undecided(_)) {
            quiet.insert(image.as_str());
        }
        best.settled.insert(index, Settled { verdict, held });
    }
    best.skipped = skipped.into_iter().filter(|row: &Skipped| !quiet.contains(row.what.as_str())).collect();
    best.proposals = proposals.into_values().collect();
    best
}

/// Returns for each group the position of the way that counts.
fn chosen(all: &[Alone]) -> BTreeMap<String, usize> {
    let mut chosen: BTreeMap<String, (usize, (&Alone, &Proposal))> = BTreeMap::new();
    for (at, alone) in all.iter().enumerate() {
        for proposal in &alone.stage.proposals {
            let one = (alone, proposal);
            if chosen.get(&proposal.group).is_none_or(|(_, known)| is_better(one, *known)) {
                chosen.insert(proposal.group.clone(), (at, one));
            }
        }
    }
    chosen.into_iter().map(|(group, (at, _))| (group, at)).collect()
}

/// How soon a group may move: what is held comes last, what may move now first. Approvals do not count: they are of a head commit that
/// one of the ways has brought, and would turn it into what another one brings as soon as it has them, which takes them away.
fn rank((alone, proposal): (&Alone, &Proposal)) -> (bool, Timestamp) {
    let moment = alone.stage.opens.get(&proposal.group).copied().unwrap_or(Timestamp::MAX);
    (proposal.action == Action::Held, moment)
}

fn is_open(proposal: &Proposal) -> bool {
    proposal.gates.iter().all(|gate| gate.state == GateState::Pass)
        && matches!(proposal.action, Action::Committed | Action::Opened)
}

/// Whether a group had better move as one proposal says than as another one.
fn is_better(one: (&Alone, &Proposal), other: (&Alone, &Proposal)) -> bool {
    let tag = |(_, proposal): (&Alone, &Proposal)| proposal.moves.first().and_then(|step| step.to.tag.clone());
    let is_newer = || match (tag(one), tag(other)) {
        (Some(one), Some(other)) => newest_first(one.as_str(), other.as_str()).is_lt(),
        _ => false,
    };
    rank(one) < rank(other) || (rank(one) == rank(other) && is_newer())
}

/// Tells of every way of each decision whether it counts, and why.
fn told(
    all: &[Alone],
    chosen: &BTreeMap<String, usize>,
    decisions: &[Decision],
    names: &BTreeMap<ImageName, String>,
) -> BTreeMap<usize, Vec<Way>> {
    let indices: BTreeSet<usize> = all.iter().flat_map(|alone| alone.stage.settled.keys().copied()).collect();
    let of = |index: usize| {
        let question = &decisions[index].question;
        let group = names.get(&question.image);
        let proposal = |at: usize| {
            let proposals = all.get(at)?.stage.proposals.iter();
            proposals.into_iter().find(|proposal| Some(&proposal.group) == group)
        };
        let winner = group.and_then(|group| chosen.get(group).copied());
        let way = |(at, alone): (usize, &Alone)| {
            let before = alone.before.clone();
            let own = proposal(at).and_then(|own| Some((own, own.moves.iter().find(|step| step.answers(question))?)));
            let Some((own, step)) = own else {
                let reason = match alone.stage.settled.get(&index).map(|settled| &settled.verdict) {
                    Some(Verdict::Undecided(reason)) => reason.clone(),
                    _ => "nothing newer runs there".to_owned(),
                };
                return Way { before, next: None, gates: Vec::new(), earliest: None, counts: false, reason };
            };
            let counts = winner == Some(at);
            let reason = match winner.filter(|_| !counts).and_then(|winner| Some((winner, proposal(winner)?))) {
                None => why(own, (0..all.len()).filter(|other| *other != at).filter_map(proposal)),
                Some((winner, best)) => why_not((alone, own, &step.to), (&all[winner], best)),
            };
            Way {
                before,
                next: Some(step.to.clone()),
                gates: own.gates.clone(),
                earliest: own.earliest,
                counts,
                reason,
            }
        };
        all.iter().enumerate().map(way).collect()
    };
    indices.into_iter().map(|index| (index, of(index))).collect()
}

/// Says why a way counts.
fn why<'p>(own: &Proposal, mut others: impl Iterator<Item = &'p Proposal>) -> String {
    if own.action == Action::Held {
        return own.reason.clone().unwrap_or_else(|| "it is held".to_owned());
    }
    let text = match (is_open(own), others.any(is_open)) {
        (true, true) => "it is open, and of the open ways no other one brings anything newer",
        (true, false) => "it is open",
        (false, _) if own.earliest.is_some() => "none is open, and it opens first",
        (false, _) => "none is open, and no other one is known to open sooner",
    };
    text.to_owned()
}

/// Says why another way counts.
fn why_not((alone, own, to): (&Alone, &Proposal, &Value), (winner, best): (&Alone, &Proposal)) -> String {
    if own.action == Action::Held {
        return own.reason.clone().unwrap_or_else(|| "it is held".to_owned());
    }
    let is_sooner = rank((winner, best)) < rank((alone, own));
    let winner = &winner.before;
    if is_sooner {
        let sooner = if is_open(best) { "is open" } else { "opens sooner" };
        let held_up = own.reason.as_ref().map(|reason| format!("; {reason}")).unwrap_or_default();
        return format!("the way by {winner} {sooner}{held_up}");
    }
    let is_same = best.moves.iter().any(|step| step.to == *to);
    let brings = if is_same { "brings the same" } else { "brings something newer" };
    format!("the way by {winner} {brings}, no later")
}
