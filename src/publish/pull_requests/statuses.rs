//! What gates say on a head commit, as commit statuses `tagboat/<gate>`: a base branch may require any of them.
//!
//! Entry points: `of_gates`, `of_order` and [`show`]. Judges no gate.

use std::collections::BTreeSet;

use crate::forge::{Forge, ForgeError};
use crate::model::commit::{CommitId, TRAILER_BY, TRAILER_SKIP};
use crate::model::environment::{BranchName, Environment};
use crate::model::gate::{Gate, GateName, GateSpec, GateState};
use crate::model::pull_request::{Check, CheckState, STATUS_PREFIX, Status};

/// The most characters of a status that are kept before the sign that some were cut; forges take 140 and fewer bytes.
const LONGEST_STATUS: usize = 120;

/// Says what gates say.
pub(super) fn of_gates(gates: &[Gate]) -> Vec<Status> {
    let status = |gate: &Gate| match &gate.state {
        GateState::Pass => of_gate(gate.name, CheckState::Passed, "passed"),
        GateState::Wait { reason, .. } => of_gate(gate.name, CheckState::Pending, reason),
        GateState::Fail { reason } => of_gate(gate.name, CheckState::Failed, reason),
    };
    gates.iter().map(status).collect()
}

/// Says what the gates of an environment say of what a person ordered, or what goes back by itself: those that were judged what they
/// say, each other one why nobody waits for it. `message` is that of its commit.
pub(super) fn of_order(gates: &[Gate], environment: Option<&Environment>, message: &str) -> Vec<Status> {
    let trailer =
        |name: &'static str| message.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let skipped: BTreeSet<&str> = trailer(TRAILER_SKIP).into_iter().flat_map(|names| names.split(", ")).collect();
    let by = trailer(TRAILER_BY).unwrap_or("an order");
    let all = environment.into_iter().flat_map(|environment| &environment.gates).map(GateSpec::name);
    let others: BTreeSet<GateName> = all.filter(|name| !gates.iter().any(|gate| gate.name == *name)).collect();
    let passed = |name: GateName| match skipped.contains(name.as_str()) {
        true => of_gate(name, CheckState::Passed, &format!("skipped by {by}")),
        false => of_gate(name, CheckState::Passed, "does not hold a rollback up"),
    };
    let mut statuses = of_gates(gates);
    statuses.extend(others.into_iter().map(passed));
    statuses
}

fn of_gate(name: GateName, state: CheckState, text: &str) -> Status {
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    let text = match text.char_indices().nth(LONGEST_STATUS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Status { context: context(name), state, text }
}

fn context(name: GateName) -> String {
    format!("{STATUS_PREFIX}{name}")
}

/// Sets on a head commit what the gates say, and what the base branch requires of gates that are not asked: else nobody could ever
/// merge it. `is_new` is that of a commit which was pushed a moment ago.
///
/// # Errors
///
/// [`ForgeError`] when the forge could not be asked, or not be told; one that takes no statuses is no error.
pub async fn show(
    (forge, base): (&dyn Forge, &BranchName),
    (commit, is_new): (&CommitId, bool),
    statuses: &[Status],
) -> Result<(), ForgeError> {
    let required = match forge.required(base).await {
        Ok(required) => required,
        Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
            tracing::warn!(reason, "what the base branch requires cannot be read");
            BTreeSet::new()
        }
        Err(later @ ForgeError::Later { .. }) => return Err(later),
    };
    if is_new && statuses.is_empty() && missing(statuses, &required, &[]).is_empty() {
        return Ok(());
    }
    let mut now = forge.checks(commit).await?;
    let asked = [statuses, &missing(statuses, &required, &now)].concat();
    set_changed(forge, commit, &asked, &mut now).await
}

/// Sets the statuses that say something else by now, and notes them as set: those of the gates, and those that gates have left
/// which are gone, since a base branch may require them. One that may not be set holds nothing up.
pub(super) async fn set_changed(
    forge: &dyn Forge,
    commit: &CommitId,
    wanted: &[Status],
    now: &mut Vec<Check>,
) -> Result<(), ForgeError> {
    let gone: Vec<Status> = left(wanted, now).collect();
    for status in wanted.iter().chain(&gone) {
        let known = now.iter_mut().find(|check| check.name == status.context);
        if known.as_ref().is_some_and(|known| known.state == status.state && known.text == status.text) {
            continue;
        }
        match forge.set_status(commit, status).await {
            Ok(()) => {}
            Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
                tracing::warn!(reason, "the gates cannot be shown as commit statuses");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let (name, state, text) = (status.context.clone(), status.state, status.text.clone());
        let set = Check { name, state, word: "set".to_owned(), text, time: None };
        match known {
            Some(known) => *known = set,
            None => now.push(set),
        }
    }
    Ok(())
}

/// Returns what is to be said of the gates that are gone, where what they said last would hold something up.
fn left<'a>(wanted: &'a [Status], now: &'a [Check]) -> impl Iterator<Item = Status> + 'a {
    let is_wanted = |name: &str| wanted.iter().any(|status| status.context == name);
    let is_left = move |check: &&Check| {
        check.name.starts_with(STATUS_PREFIX) && check.state != CheckState::Passed && !is_wanted(&check.name)
    };
    now.iter().filter(is_left).map(|check| not_asked(&check.name))
}

/// Returns what is to be said of gates that the base branch requires to have said something, and that are not asked here.
pub(super) fn missing(wanted: &[Status], required: &BTreeSet<String>, now: &[Check]) -> Vec<Status> {
    let is_known =
        |name: &str| wanted.iter().any(|status| status.context == name) || now.iter().any(|check| check.name == name);
    let gates = GateName::ALL.iter().map(|gate| context(*gate));
    gates.filter(|name| required.contains(name) && !is_known(name)).map(|name| not_asked(&name)).collect()
}

fn not_asked(context: &str) -> Status {
    let text = "this gate is not asked here".to_owned();
    Status { context: context.to_owned(), state: CheckState::Passed, text }
}
