//! The record: what each commit of the past was, told from the values that it moved.
//!
//! Entry points: [`entries`], and [`is_settled`], which says whether older commits may tell it otherwise. Pure over timelines.
//! Whether one version is lower than another is the caller's to say, who knows how versions are ordered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::environment::{BranchName, Environment, EnvironmentName, Environments};
use crate::model::history::{Mover, Ordered, Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::record::{Entry, Kind};
use crate::model::site::Value;
use crate::promote::candidates::predecessors;
use crate::promote::drift::{Runs, is_same};

/// What is known of the past.
pub struct Known<'a> {
    /// The environments.
    pub environments: &'a Environments,
    /// What every image has been in every environment.
    pub timelines: &'a BTreeMap<(EnvironmentName, ImageName), Timeline>,
    /// What stands in every environment now: a value that was not moved since stood there all the time.
    pub runs: &'a Runs,
    /// Whether all of history was read.
    pub whole: bool,
    /// Whether a step at a position of a timeline goes down; `None` where something older may tell.
    pub is_lowered: &'a dyn Fn(&Timeline, usize, &Value, &Value) -> Option<bool>,
}

/// Tells what happened to the values of environments, newest first.
pub fn entries(known: &Known<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for ((name, image), timeline) in known.timelines {
        let Some(environment) = known.environments.named(name) else { continue };
        for (index, shift) in timeline.shifts.iter().enumerate() {
            for (from, to) in steps(shift) {
                let (kind, _) = kind(known, environment, image, (timeline, index), from, to);
                entries.push(Entry {
                    time: shift.time,
                    commit: shift.commit.clone(),
                    depth: shift.word.depth,
                    environment: Some(name.clone()),
                    image: image.clone(),
                    from: from.cloned(),
                    to: to.cloned(),
                    kind,
                    author: shift.word.author.clone(),
                    by: shift.word.by.clone(),
                    pull_request: shift.word.pull_request.clone(),
                    reason: reason(shift),
                    is_return: shift.word.failed.is_some(),
                });
            }
        }
    }
    sort(&mut entries, known.environments);
    entries
}

/// Whether it is told for good what the shifts that are meant were: nothing older would tell it otherwise.
pub fn is_settled(known: &Known<'_>, is_meant: &dyn Fn(&EnvironmentName, &ImageName, &Shift) -> bool) -> bool {
    known.timelines.iter().all(|((name, image), timeline)| {
        let Some(environment) = known.environments.named(name) else { return true };
        let mut meant = timeline.shifts.iter().enumerate().filter(|(_, shift)| is_meant(name, image, shift));
        meant.all(|(index, shift)| {
            let is_sure = |(from, to)| kind(known, environment, image, (timeline, index), from, to).1;
            steps(shift).into_iter().all(is_sure)
        })
    })
}

/// Puts entries in order: the newest commit first, whatever the clocks said, and those of one by environment and image.
///
/// The lines of several branches have no order among each other but time: each keeps its own, and what came to a later
/// environment in the same second came later.
pub fn sort(entries: &mut Vec<Entry>, environments: &Environments) {
    sort_line(entries);
    if environments.0.iter().all(|environment| environment.branch.is_none()) {
        return;
    }
    let environment = |entry: &Entry| {
        let is_of_base = matches!(entry.kind, Kind::Hold | Kind::Release);
        let name = entry.environment.as_ref().filter(|_| !is_of_base)?;
        environments.0.iter().position(|environment| environment.name == *name)
    };
    let branch = |entry: &Entry| environment(entry).and_then(|position| environments.0[position].branch.as_ref());
    let mut lines: BTreeMap<Option<&BranchName>, VecDeque<Entry>> = BTreeMap::new();
    for entry in std::mem::take(entries) {
        lines.entry(branch(&entry)).or_default().push_back(entry);
    }
    let newest = |line: &VecDeque<Entry>| line.front().map(|entry| (entry.time, environment(entry)));
    while let Some(line) = lines.values_mut().max_by_key(|line| newest(line))
        && let Some(entry) = line.pop_front()
    {
        entries.push(entry);
    }
}

fn sort_line(entries: &mut [Entry]) {
    let key = |entry: &Entry| {
        (entry.depth, entry.environment.clone(), entry.image.clone(), entry.kind, entry.from.clone(), entry.to.clone())
    };
    entries.sort_by_cached_key(key);
}

/// Returns what gave way to what; `None` where the image was new there, or went.
fn steps(shift: &Shift) -> Vec<(Option<&Value>, Option<&Value>)> {
    let mut found: Vec<_> = shift.steps.iter().map(|(from, to)| (Some(from), Some(to))).collect();
    if found.is_empty() {
        found.extend(shift.to.difference(&shift.from).map(|came| (None, Some(came))));
        found.extend(shift.from.difference(&shift.to).map(|left| (Some(left), None)));
    }
    found
}

fn reason(shift: &Shift) -> Option<String> {
    let skipped = (!shift.word.skipped.is_empty()).then(|| format!("without {}", shift.word.skipped.join(", ")));
    match (&shift.word.reason, skipped) {
        (Some(reason), Some(skipped)) => Some(format!("{reason} ({skipped})")),
        (Some(reason), None) => Some(reason.clone()),
        (None, skipped) => skipped,
    }
}

/// Tells what a step was, and whether nothing older would tell it otherwise.
fn kind(
    known: &Known<'_>,
    environment: &Environment,
    image: &ImageName,
    (timeline, index): (&Timeline, usize),
    from: Option<&Value>,
    to: Option<&Value>,
) -> (Kind, bool) {
    let shift = &timeline.shifts[index];
    let is_later = !environment.after.is_empty();
    match (&shift.by, shift.word.order) {
        (Mover::Tagboat, Some(Ordered::Rollback)) => return (Kind::Rollback, true),
        (Mover::Tagboat, Some(Ordered::Promote)) => return (Kind::Hotfix, true),
        (Mover::Tagboat, None) if is_later => return (Kind::Promotion, true),
        (Mover::Tagboat, None) => return (Kind::Update, true),
        (Mover::Person(_), _) => {}
    }
    let (Some(from), Some(to)) = (from, to) else { return (Kind::Manual, true) };
    let lowered = (known.is_lowered)(timeline, index, from, to);
    if lowered == Some(true) {
        return (Kind::Rollback, true);
    }
    let ran: Vec<Option<bool>> =
        predecessors(environment).map(|name| had_run(known, (name, image), to, (environment, shift))).collect();
    let is_promotion = !ran.is_empty() && ran.iter().all(|ran| *ran == Some(true));
    let is_open = lowered.is_none() || (ran.contains(&None) && !ran.contains(&Some(false)));
    (if is_promotion { Kind::Promotion } else { Kind::Manual }, !is_open)
}

/// Whether a version had stood in an environment when it came to another one; `None` where something older than what was read may
/// tell. On one line the order of commits tells, whatever their clocks say.
fn had_run(
    known: &Known<'_>,
    (name, image): (&EnvironmentName, &ImageName),
    value: &Value,
    (environment, came): (&Environment, &Shift),
) -> Option<bool> {
    let is_one_line = known.environments.named(name).is_some_and(|before| before.branch == environment.branch);
    let is_before = |shift: &Shift| {
        if is_one_line { shift.word.depth >= came.word.depth } else { shift.time <= came.time }
    };
    let key = (name.clone(), image.clone());
    let has = |values: &BTreeSet<Value>| values.iter().any(|other| is_same(other, value));
    let shifts = known.timelines.get(&key).map_or(&[][..], |timeline| timeline.shifts.as_slice());
    let is_there = shifts.iter().any(|shift| is_before(shift) && has(&shift.to));
    // What left, or stands, and was not seen to come, had come before all that was read.
    let unseen = match shifts.iter().rev().find(|shift| has(&shift.to) || has(&shift.from)) {
        Some(first) => has(&first.from),
        None => known.runs.get(&key).is_some_and(has),
    };
    if is_there || unseen {
        return Some(true);
    }
    (known.whole || known.environments.named(name).is_none()).then_some(false)
}
