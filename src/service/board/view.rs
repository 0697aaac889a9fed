//! What pages and the JSON API say of repositories, passes, promotions, images and holds.
//!
//! Pure: plain values out of what is remembered, in the words that both print. Escapes nothing and knows no address.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::environment::EnvironmentName;
use crate::model::gate::GateState;
use crate::model::proposal::Proposal;
use crate::model::record::Running;
use crate::model::watch::{Watch, WatchState};
use crate::queue::Cause;
use crate::service::board::log::{Line, words};
use crate::service::board::memory::{PassNote, Remembered, Seen, short};
use crate::service::figures::Figures;
use crate::service::timetable::Outlook;

/// What stands in one environment, of one image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cell {
    pub(super) version: String,
    /// In which files.
    pub(super) files: Vec<String>,
    pub(super) since: Option<Timestamp>,
    pub(super) commit: Option<String>,
    pub(super) next: Option<Next>,
    pub(super) blocked: Option<String>,
    /// A better version, and why it does not come.
    pub(super) kept_back: Option<String>,
    pub(super) drift: Option<String>,
    pub(super) watch: Option<WatchRow>,
}

/// What is looked at after a version came, so that it goes back by itself where that fails.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WatchRow {
    /// `watching`, `failed` or `unknown`.
    pub(super) state: &'static str,
    pub(super) checks: Vec<String>,
    pub(super) until: Timestamp,
    pub(super) reason: Option<String>,
}

/// A version that has arrived and is looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Arrived {
    pub(super) image: String,
    pub(super) version: String,
    pub(super) since: Option<Timestamp>,
    pub(super) watch: WatchRow,
}

/// What comes next there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Next {
    pub(super) version: String,
    pub(super) group: String,
    pub(super) state: &'static str,
    pub(super) action: &'static str,
    pub(super) url: Option<String>,
    /// The gates that it waits for.
    pub(super) waits_for: Vec<&'static str>,
    /// The same in words.
    pub(super) reason: Option<String>,
    pub(super) until: Option<Timestamp>,
}

/// One image of a repository, in all of its environments.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageRow {
    pub(super) image: String,
    pub(super) group: String,
    /// What stands in each environment, in the repository's order; several where files differ.
    pub(super) cells: Vec<Place>,
}

/// An environment of a row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub(super) environment: String,
    pub(super) runs: Vec<Cell>,
}

/// What the environments of a repository run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) at: Option<Timestamp>,
    pub(super) health: &'static str,
    pub(super) environments: Vec<String>,
    pub(super) images: Vec<ImageRow>,
    pub(super) waiting: usize,
    pub(super) left_out: usize,
}

/// What should move together, and what that waits for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Promotion {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) environment: String,
    pub(super) group: String,
    pub(super) publish: &'static str,
    pub(super) action: &'static str,
    pub(super) state: &'static str,
    pub(super) reason: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) url: Option<String>,
    pub(super) earliest: Option<Timestamp>,
    pub(super) moves: Vec<Step>,
    pub(super) gates: Vec<GateRow>,
}

/// One image of a promotion.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) image: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// One gate with what it says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GateRow {
    pub(super) name: &'static str,
    pub(super) state: &'static str,
    pub(super) reason: Option<String>,
    pub(super) until: Option<Timestamp>,
}

/// Every tag of an image with its reason.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) image: String,
    pub(super) environments: Vec<ImagePlace>,
}

/// What was decided in one environment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImagePlace {
    pub(super) environment: String,
    pub(super) current: String,
    pub(super) policy: String,
    pub(super) tags: Vec<TagRow>,
    pub(super) all_tags: usize,
}

/// One tag.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagRow {
    pub(super) tag: String,
    pub(super) state: &'static str,
    pub(super) reason: String,
}

/// One pass.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pass {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) began: Timestamp,
    pub(super) milliseconds: u64,
    pub(super) cause: &'static str,
    pub(super) result: &'static str,
    pub(super) reason: Option<String>,
    pub(super) figures: PassFigures,
    /// Only where one pass is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<Vec<Line>>,
}

/// The figures of a pass.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PassFigures {
    pub(super) decisions: u64,
    pub(super) changes: u64,
    pub(super) commits: u64,
    pub(super) proposals: BTreeMap<&'static str, u64>,
    pub(super) holds: u64,
    pub(super) errors: u64,
    pub(super) skipped: u64,
    pub(super) requests: u64,
}

/// One repository with its health.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Repository {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) health: &'static str,
    pub(super) is_running: bool,
    pub(super) failures: u32,
    pub(super) last_success: Option<Timestamp>,
    pub(super) next_pass: Option<Timestamp>,
    pub(super) next_cause: Option<&'static str>,
    pub(super) last_pass: Option<Pass>,
    pub(super) environments: usize,
    pub(super) images: usize,
    pub(super) errors: Vec<Note>,
    pub(super) skipped: Vec<Note>,
}

/// Something that failed or was passed by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    pub(super) what: String,
    pub(super) reason: String,
}

/// One version that is held.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HoldRow {
    pub(super) repository: String,
    pub(super) name: String,
    pub(super) id: String,
    /// `hold` for an entry of the file, `takenBack` for what somebody went back from.
    pub(super) kind: &'static str,
    pub(super) environment: Option<String>,
    pub(super) image: String,
    pub(super) tag: String,
    pub(super) until: Option<Timestamp>,
    pub(super) by: Option<String>,
    pub(super) reason: Option<String>,
}

/// Tells what the environments of a repository run.
pub(super) fn overview(url: &str, row: &Remembered) -> Overview {
    let empty = Seen::default();
    let seen = row.seen.as_deref().unwrap_or(&empty);
    let names: Vec<String> = seen.status.environments.iter().map(|(name, _)| name.to_string()).collect();
    let mut images: BTreeMap<String, ImageRow> = BTreeMap::new();
    let mut waiting = 0;
    for (index, (_, rows)) in seen.status.environments.iter().enumerate() {
        for running in rows {
            let image = running.image.to_string();
            let found = images.entry(image.clone()).or_insert_with(|| ImageRow {
                image,
                group: running.group.clone(),
                cells: names.iter().map(|name| Place { environment: name.clone(), runs: Vec::new() }).collect(),
            });
            let cell = cell(running);
            waiting += usize::from(cell.next.is_some());
            found.cells[index].runs.push(cell);
        }
    }
    Overview {
        repository: url.to_owned(),
        name: short(url),
        id: row.slug.clone(),
        at: row.seen.as_ref().map(|seen| seen.at),
        health: health(row),
        environments: names,
        images: images.into_values().collect(),
        waiting,
        left_out: seen.left_out,
    }
}

fn cell(running: &Running) -> Cell {
    let next = running.next.as_ref().map(|proposal| Next {
        version: running.to.as_ref().map(ToString::to_string).unwrap_or_default(),
        group: proposal.group.clone(),
        state: state(proposal),
        action: proposal.action.as_str(),
        url: proposal.url.clone(),
        waits_for: waits_for(proposal),
        reason: why(proposal),
        until: proposal.earliest,
    });
    Cell {
        version: running.value.to_string(),
        files: running.files.iter().map(ToString::to_string).collect(),
        since: running.brought.as_ref().map(|(_, time)| *time),
        commit: running.brought.as_ref().map(|(commit, _)| commit.short().to_owned()),
        next,
        blocked: running.blocked.clone(),
        kept_back: running.kept_back.as_ref().map(|kept| format!("{}: {}", kept.tag, kept.reason)),
        drift: running.drift.clone(),
        watch: running.watch.as_ref().map(watch_row),
    }
}

fn watch_row(watch: &Watch) -> WatchRow {
    let (state, reason) = match &watch.state {
        WatchState::Watching => ("watching", None),
        WatchState::Failed(what) => ("failed", Some(what.clone())),
        WatchState::Unknown(reason) => ("unknown", Some(reason.clone())),
    };
    let checks = watch.checks.iter().map(|check| check.as_str().to_owned()).collect();
    WatchRow { state, checks, until: watch.until, reason }
}

/// Tells what of a group has arrived in an environment and is looked at.
pub(super) fn arrived(row: &Remembered, environment: &str, group: &str) -> Vec<Arrived> {
    let all = row.seen.iter().flat_map(|seen| &seen.status.environments);
    let here = all.filter(|(name, _)| name.as_str() == environment).flat_map(|(_, rows)| rows);
    here.filter(|running| running.group == group)
        .filter_map(|running| {
            Some(Arrived {
                image: running.image.to_string(),
                version: running.value.to_string(),
                since: running.brought.as_ref().map(|(_, time)| *time),
                watch: watch_row(running.watch.as_ref()?),
            })
        })
        .collect()
}

/// Returns what became of a proposal, in words.
fn state(proposal: &Proposal) -> &'static str {
    words(proposal.action)
}

fn waits_for(proposal: &Proposal) -> Vec<&'static str> {
    let waits = proposal.gates.iter().filter(|gate| !matches!(gate.state, GateState::Pass));
    waits.map(|gate| gate.name.as_str()).collect()
}

/// Returns why a proposal waits, in words.
fn why(proposal: &Proposal) -> Option<String> {
    let gates = proposal.gates.iter().filter_map(|gate| match &gate.state {
        GateState::Pass => None,
        GateState::Wait { reason, .. } | GateState::Fail { reason } => Some(format!("{}: {reason}", gate.name)),
    });
    let all: Vec<String> = gates.chain(proposal.why().map(str::to_owned)).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Tells every promotion of a repository.
pub(super) fn promotions(url: &str, row: &Remembered) -> Vec<Promotion> {
    let proposals = row.seen.iter().flat_map(|seen| &seen.proposals);
    proposals.map(|proposal| promotion(url, row, proposal)).collect()
}

fn promotion(url: &str, row: &Remembered, proposal: &Proposal) -> Promotion {
    let gates = proposal.gates.iter().map(|gate| {
        let (state, reason, until) = match &gate.state {
            GateState::Pass => ("pass", gate.facts.clone(), None),
            GateState::Wait { until, reason } => ("wait", Some(reason.clone()), *until),
            GateState::Fail { reason } => ("fail", Some(reason.clone()), None),
        };
        GateRow { name: gate.name.as_str(), state, reason, until }
    });
    let step = |step: &crate::model::proposal::Move| Step {
        image: step.image.to_string(),
        from: step.from.to_string(),
        to: step.to.to_string(),
    };
    Promotion {
        repository: url.to_owned(),
        name: short(url),
        id: row.slug.clone(),
        environment: proposal.environment.to_string(),
        group: proposal.group.clone(),
        publish: proposal.publish.as_str(),
        action: proposal.action.as_str(),
        state: state(proposal),
        reason: proposal.why().map(str::to_owned),
        branch: proposal.branch.clone(),
        url: proposal.url.clone(),
        earliest: proposal.earliest,
        moves: proposal.moves.iter().map(step).collect(),
        gates: gates.collect(),
    }
}

/// Tells every tag of an image; `None` where the repository does not follow it.
pub(super) fn image(url: &str, row: &Remembered, image: &str) -> Option<Image> {
    let judged = row.seen.iter().flat_map(|seen| &seen.judged).filter(|judged| judged.image.as_str() == image);
    let mut judged: Vec<_> = judged.collect();
    // As the repository orders its environments.
    let order = |name: &EnvironmentName| {
        let known = row.seen.iter().flat_map(|seen| &seen.status.environments);
        known.take_while(|(own, _)| own != name).count()
    };
    judged.sort_by_key(|judged| order(&judged.environment));
    let environments: Vec<ImagePlace> = judged
        .into_iter()
        .map(|judged| ImagePlace {
            environment: judged.environment.to_string(),
            current: judged.current.clone(),
            policy: judged.policy.clone(),
            all_tags: judged.all,
            tags: judged
                .tags
                .iter()
                .map(|row| TagRow { tag: row.tag.to_string(), state: row.state, reason: row.reason.to_string() })
                .collect(),
        })
        .collect();
    (!environments.is_empty()).then(|| Image {
        repository: url.to_owned(),
        name: short(url),
        id: row.slug.clone(),
        image: image.to_owned(),
        environments,
    })
}

/// Tells the passes of a repository, the newest first.
pub(super) fn passes(url: &str, row: &Remembered) -> Vec<Pass> {
    row.passes.iter().map(|(number, note)| pass(url, row, *number, note, false)).collect()
}

/// Tells one pass with its log.
pub(super) fn one_pass(url: &str, row: &Remembered, number: u64) -> Option<Pass> {
    let (number, note) = row.passes.iter().find(|(own, _)| *own == number)?;
    Some(pass(url, row, *number, note, true))
}

fn pass(url: &str, row: &Remembered, number: u64, note: &PassNote, with_log: bool) -> Pass {
    let figures: &Figures = &note.figures;
    Pass {
        repository: url.to_owned(),
        name: short(url),
        id: row.slug.clone(),
        number,
        began: note.began,
        milliseconds: note.milliseconds,
        cause: note.cause,
        result: note.result,
        reason: note.reason.clone(),
        figures: PassFigures {
            decisions: figures.all_decisions(),
            changes: figures.changes,
            commits: figures.commits,
            proposals: figures.proposals.clone(),
            holds: figures.holds,
            errors: figures.errors,
            skipped: figures.skipped,
            requests: note.requests,
        },
        log: with_log.then(|| note.log.clone()),
    }
}

/// Returns how a repository does, in one word.
fn health(row: &Remembered) -> &'static str {
    match row.passes.front().map(|(_, note)| note.result) {
        None => "pending",
        Some("done") => "ok",
        Some("partial") => "partial",
        Some(_) => "failing",
    }
}

/// Tells how a repository does.
pub(super) fn repository(url: &str, row: &Remembered, outlook: Option<Outlook>) -> Repository {
    let empty = Seen::default();
    let status = &row.seen.as_deref().unwrap_or(&empty).status;
    let images: std::collections::BTreeSet<_> =
        status.environments.iter().flat_map(|(_, rows)| rows).map(|running| &running.image).collect();
    let errors = status.errors.iter().map(|row| Note { what: row.what.clone(), reason: row.reason.clone() });
    let skipped = status.skipped.iter().map(|row| Note { what: row.what.clone(), reason: row.reason.clone() });
    Repository {
        repository: url.to_owned(),
        name: short(url),
        id: row.slug.clone(),
        health: health(row),
        is_running: outlook.is_some_and(|outlook| outlook.is_running),
        failures: row.failures,
        last_success: row.last_success,
        next_pass: outlook.and_then(|outlook| outlook.next),
        next_cause: outlook.and_then(|outlook| outlook.cause).map(Cause::as_str),
        last_pass: row.passes.front().map(|(number, note)| pass(url, row, *number, note, false)),
        environments: status.environments.len(),
        images: images.len(),
        errors: errors.collect(),
        skipped: skipped.collect(),
    }
}

/// Tells what is held in a repository.
pub(super) fn holds(url: &str, row: &Remembered) -> Vec<HoldRow> {
    let Some(seen) = row.seen.as_deref() else { return Vec::new() };
    let by_file = seen.status.holds.len();
    let all = seen.status.all_holds().into_iter().enumerate();
    all.map(|(index, hold)| HoldRow {
        repository: url.to_owned(),
        name: short(url),
        id: row.slug.clone(),
        kind: if index < by_file { "hold" } else { "takenBack" },
        environment: hold.environment.as_ref().map(ToString::to_string),
        image: hold.image.to_string(),
        tag: hold.tag.as_str().to_owned(),
        until: hold.until,
        by: hold.by,
        reason: hold.reason,
    })
    .collect()
}
