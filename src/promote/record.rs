//! The record: what each commit of the past was, told from the values that it moved.
//!
//! The entry point is [`entries`]. Pure over timelines. Whether one version is lower than another is the caller's to
//! say, who knows how versions are ordered.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::model::environment::{BranchName, Environment, EnvironmentName, Environments};
use crate::model::history::{Mover, Ordered, Shift, Timeline};
use crate::model::image::ImageName;
use crate::model::record::{Entry, Kind};
use crate::model::site::Value;
use crate::promote::candidates::predecessors;

/// What is known of the past.
pub struct Known<'a> {
    /// The environments.
    pub environments: &'a Environments,
    /// What every image has been in every environment.
    pub timelines: &'a BTreeMap<(EnvironmentName, ImageName), Timeline>,
    /// Whether a step at a position of a timeline goes down.
    pub is_lowered: &'a dyn Fn(&Timeline, usize, &Value, &Value) -> bool,
}

/// Tells what happened to the values of environments, newest first.
pub fn entries(known: &Known<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for ((name, image), timeline) in known.timelines {
        let Some(environment) = known.environments.named(name) else { continue };
        for (index, shift) in timeline.shifts.iter().enumerate() {
            for (from, to) in steps(shift) {
                let kind = kind(known, environment, image, (timeline, index), from, to);
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

fn kind(
    known: &Known<'_>,
    environment: &Environment,
    image: &ImageName,
    (timeline, index): (&Timeline, usize),
    from: Option<&Value>,
    to: Option<&Value>,
) -> Kind {
    let shift = &timeline.shifts[index];
    let is_later = !environment.after.is_empty();
    match (&shift.by, shift.word.order) {
        (Mover::Tagboat, Some(Ordered::Rollback)) => return Kind::Rollback,
        (Mover::Tagboat, Some(Ordered::Promote)) => return Kind::Hotfix,
        (Mover::Tagboat, None) if is_later => return Kind::Promotion,
        (Mover::Tagboat, None) => return Kind::Update,
        (Mover::Person(_), _) => {}
    }
    let (Some(from), Some(to)) = (from, to) else { return Kind::Manual };
    if (known.is_lowered)(timeline, index, from, to) {
        return Kind::Rollback;
    }
    let mut before = predecessors(environment).peekable();
    let ran = |name: &EnvironmentName| {
        let timeline = known.timelines.get(&(name.clone(), image.clone()));
        timeline.is_some_and(|timeline| had_run(timeline, to, shift.time))
    };
    if before.peek().is_some() && before.all(ran) { Kind::Promotion } else { Kind::Manual }
}

/// Whether a value had stood somewhere by a moment, as far as history tells.
pub(super) fn had_run(timeline: &Timeline, value: &Value, by: Timestamp) -> bool {
    let came = timeline.shifts.iter().any(|shift| shift.time <= by && shift.to.contains(value));
    came || timeline.shifts.iter().any(|shift| shift.from.contains(value) && brought_before(timeline, value, by))
}

/// Whether what left at some time had come by a moment: unseen, it had come before all that was read.
fn brought_before(timeline: &Timeline, value: &Value, by: Timestamp) -> bool {
    let first = timeline.shifts.iter().rev().find(|shift| shift.to.contains(value) || shift.from.contains(value));
    first.is_some_and(|first| first.from.contains(value) || first.time <= by)
}
