//! What gates say on a head commit, as commit statuses `tagboat/<gate>`: a base branch may require any of them.
//!
//! Entry points: [`of_gates`], `of_order`, [`show`], and for what is left as it is `of_order_now` and `not_asked_now`. Judges no gate. What is left
//! as it is has no body that says what the gates do: a hidden note in it tells what was said last, so that nobody is asked for that.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::forge::turns::denied::Denial;
use crate::forge::{Forge, ForgeError};
use crate::model::commit::{CommitId, TRAILER_BY, TRAILER_SKIP};
use crate::model::environment::{BranchName, Environment};
use crate::model::gate::{Gate, GateName, GateSpec, GateState};
use crate::model::marker;
use crate::model::pull_request::{Check, CheckState, Marker, PullRequest, Status};
use crate::publish::pull_requests::Step;

/// The most characters of a status that are kept before the sign that some were cut; forges take 140 and fewer bytes.
const LONGEST_STATUS: usize = 120;

/// What stands in place of a character beyond the basic plane, as in the names of checks that begin with an emoji: GitHub refuses the
/// whole status for one ("description doesn't accept 4-byte Unicode"), and what a gate said before would stand.
const NOT_SHOWN: char = '□';

/// What is said of a gate that has passed.
const PASSED: &str = "passed";

/// What is said of a gate that was skipped, before who did so.
const SKIPPED_BY: &str = "skipped by ";

/// What is said of a gate that no rollback waits for.
const NOT_FOR_ROLLBACKS: &str = "does not hold a rollback up";

/// What is noted where it was taken back what gates have said.
const TAKEN_BACK: &str = "taken back";

/// What is noted while it is being said what gates say: whatever cuts a pass short, the next one sees by it that this is left.
const UNSAID: &str = "nothing yet";

/// How many digits of the hash of statuses tell them from others.
const HASH_DIGITS: usize = 12;

/// Says what gates say.
pub fn of_gates(gates: &[Gate]) -> Vec<Status> {
    let status = |gate: &Gate| match &gate.state {
        GateState::Pass => of_gate(gate.name, CheckState::Passed, PASSED),
        GateState::Wait { .. } => of_gate(gate.name, CheckState::Pending, gate.written()),
        GateState::Fail { .. } => of_gate(gate.name, CheckState::Failed, gate.written()),
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
        false => of_gate(name, CheckState::Passed, NOT_FOR_ROLLBACKS),
    };
    let mut statuses = of_gates(gates);
    statuses.extend(others.into_iter().map(passed));
    statuses
}

/// Says what gates say on the head of an order that is made anew: those that are judged what they say, each other one what the order
/// itself has said on the head before. Who may push a branch can write that a gate was skipped, and not that it was said of that commit.
pub fn carried(gates: &[Gate], environment: &Environment, before: &[Check]) -> Vec<Status> {
    let all: BTreeSet<GateName> = environment.gates.iter().map(GateSpec::name).collect();
    let others = all.into_iter().filter(|name| !gates.iter().any(|gate| gate.name == *name));
    let is_ordered = |check: &&Check| check.text == NOT_FOR_ROLLBACKS || check.text.starts_with(SKIPPED_BY);
    let mut statuses = of_gates(gates);
    statuses.extend(others.map(|name| {
        let said = before.iter().find(|check| check.name == name.context() && check.state == CheckState::Passed);
        match said.filter(is_ordered) {
            Some(said) => Status { context: name.context(), state: CheckState::Passed, text: said.text.clone() },
            None => of_gate(name, CheckState::Pending, "only the order itself says so: give it again"),
        }
    }));
    statuses
}

fn of_gate(name: GateName, state: CheckState, text: &str) -> Status {
    let shown = |character: char| if character.len_utf8() == 4 { NOT_SHOWN } else { character };
    let text: String = text.chars().filter(|character| !character.is_control()).map(shown).collect();
    let text = match text.char_indices().nth(LONGEST_STATUS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Status { context: name.context(), state, text }
}

/// Brings what gates say on the head of an order that a person merges to what they say now; nothing where that was done. What was
/// said when it was ordered only the order itself says: whoever may push a branch can write that gates were skipped.
pub(super) fn of_order_now(open: &PullRequest, statuses: Option<&[Status]>) -> Vec<Step> {
    let Some(statuses) = statuses else {
        return not_asked_now(open, "not asked: the branch is not, or no more, what was ordered");
    };
    let is_usual = statuses.iter().all(|status| status.state == CheckState::Passed);
    let said = (!is_usual).then(|| hash(statuses));
    let step = |open: &PullRequest| Step::Say { commit: open.commit.clone(), statuses: statuses.to_vec() };
    noted(open, said.as_deref(), step)
}

/// Whether one of the gates that say something may turn after it has passed.
pub(super) fn may_turn(statuses: &[Status]) -> bool {
    let stays = GateName::ALL.iter().filter(|name| name.stays_passed()).map(|name| name.context());
    let stays: BTreeSet<String> = stays.collect();
    statuses.iter().any(|status| !stays.contains(&status.context))
}

/// Takes back on a pull request that is not judged now what its gates have said that may have turned since; nothing where that was done.
/// Without a marker that can be noted nowhere: each pass looks at the statuses themselves.
pub(super) fn not_asked_now(open: &PullRequest, why: &'static str) -> Vec<Step> {
    let step = |open: &PullRequest| Step::TakeBack { commit: open.commit.clone(), why };
    if open.marker.is_none() { vec![step(open)] } else { noted(open, Some(TAKEN_BACK), step) }
}

/// Does something about statuses, and notes before and behind it how far that came. Without a marker it could not be known again that it
/// was done.
fn noted(open: &PullRequest, said: Option<&str>, step: impl Fn(&PullRequest) -> Step) -> Vec<Step> {
    let open = open.disarmed();
    let Some(marker) = open.marker.as_ref().filter(|marker| marker.said.as_deref() != said) else { return Vec::new() };
    let note = |noted: PullRequest| {
        let (title, body) = (noted.title, noted.body);
        Step::Rewrite { pull_request: Box::new(open.clone()), title, body }
    };
    let first = (!is_unsaid(marker)).then(|| note(noted_unsaid(&open, marker)));
    let last = note(with_note(&open, marker, said));
    first.into_iter().chain([step(&open), last]).collect()
}

/// Whether a pass was cut short while it said what gates say.
pub(super) fn is_unsaid(marker: &Marker) -> bool {
    marker.said.as_deref() == Some(UNSAID)
}

/// Returns a pull request with a note that nothing is said of the gates on its head.
pub(super) fn noted_unsaid(open: &PullRequest, marker: &Marker) -> PullRequest {
    with_note(open, marker, Some(UNSAID))
}

fn with_note(open: &PullRequest, marker: &Marker, said: Option<&str>) -> PullRequest {
    let noted = Marker { said: said.map(str::to_owned), ..marker.clone() };
    PullRequest { body: marker::replace(&open.body, &noted), marker: Some(noted), ..open.clone() }
}

fn hash(statuses: &[Status]) -> String {
    let mut hash = Sha256::new();
    for status in statuses {
        hash.update(format!("{}\n{:?}\n{}\n", status.context, status.state, status.text));
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits.chars().take(HASH_DIGITS).collect()
}

/// Takes back on a head commit what gates have said to have passed and may have turned since. What was never judged, as a gate that
/// was skipped, stays as it is.
pub(super) async fn take_back(forge: &dyn Forge, commit: &CommitId, why: &str) -> Result<(), ForgeError> {
    let mut now = forge.statuses(commit).await?;
    let may_turn = |check: &Check| check.gate().is_some_and(|gate| !gate.stays_passed());
    let is_due = |check: &&Check| may_turn(check) && check.state == CheckState::Passed && check.text == PASSED;
    let due: Vec<Status> = now
        .iter()
        .filter(is_due)
        .map(|check| Status { context: check.name.clone(), state: CheckState::Pending, text: why.to_owned() })
        .collect();
    set(forge, commit, &due, &mut now).await
}

/// Sets the statuses of some gates that say something else by now, and leaves the others as they are.
pub(super) async fn say(forge: &dyn Forge, commit: &CommitId, statuses: &[Status]) -> Result<(), ForgeError> {
    let mut now = forge.statuses(commit).await?;
    set(forge, commit, statuses, &mut now).await
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
    let is_any_missing = !missing(statuses, &required, &[]).is_empty();
    if is_new && statuses.is_empty() && !is_any_missing {
        return Ok(());
    }
    // Only of what nobody here says anything may somebody else's check run speak, which not every credential may see.
    let mut now = match is_any_missing {
        true => match forge.checks(commit).await {
            Err(ForgeError::Skip(_) | ForgeError::Stop(_)) => forge.statuses(commit).await?,
            told => told?,
        },
        false => forge.statuses(commit).await?,
    };
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
    set(forge, commit, &[wanted, &gone].concat(), now).await
}

/// Notes as set what [`set_changed`] would set.
pub(super) fn note_changed(wanted: &[Status], now: &mut Vec<Check>) {
    let gone: Vec<Status> = left(wanted, now).collect();
    for status in [wanted, &gone].concat() {
        if !now.iter().any(|check| is_said(&status, check)) {
            note(&status, now);
        }
    }
}

/// Whether [`set_changed`] would set any.
pub(super) fn is_changed(wanted: &[Status], now: &[Check]) -> bool {
    let says = |status: &Status| now.iter().any(|check| is_said(status, check));
    left(wanted, now).next().is_some() || !wanted.iter().all(says)
}

/// Whether a check is a status, and says what that is to say.
fn is_said(status: &Status, check: &Check) -> bool {
    is_of(status, check) && check.state == status.state && check.text == status.text
}

/// Whether a check is what a status said before; a check run of the same name is not.
fn is_of(status: &Status, check: &Check) -> bool {
    check.name == status.context && !check.is_run
}

async fn set(forge: &dyn Forge, commit: &CommitId, wanted: &[Status], now: &mut Vec<Check>) -> Result<(), ForgeError> {
    for status in wanted {
        let known = now.iter().find(|check| is_of(status, check));
        if known.is_some_and(|known| is_said(status, known)) {
            continue;
        }
        // What it was denied once it would be denied again, pass after pass.
        let Status { context, state, text } = status;
        let order = forge.order(&["status", commit.as_str(), context, &format!("{state:?}"), text]);
        let set = match order.denied() {
            Some((denial, _)) => denial.told().map(drop),
            None => {
                let set = forge.set_status(commit, status).await;
                set.as_ref().err().and_then(Denial::of_error).map(|denial| order.deny(denial));
                set
            }
        };
        match set {
            Ok(()) => note(status, now),
            // What is refused of one may be taken of another.
            Err(ForgeError::Skip(reason)) => {
                tracing::warn!(status = status.context, reason, "a gate cannot be shown as a commit status");
            }
            Err(ForgeError::Stop(reason)) => {
                tracing::warn!(reason, "the gates cannot be shown as commit statuses");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Notes that a status is set.
fn note(status: &Status, now: &mut Vec<Check>) {
    let (name, state, text) = (status.context.clone(), status.state, status.text.clone());
    let set = Check { name, state, word: "set".to_owned(), text, is_run: false, time: None };
    match now.iter_mut().find(|check| is_of(status, check)) {
        Some(known) => *known = set,
        None => now.push(set),
    }
}

/// Returns what is to be said of the gates that are gone, where what they said last would hold something up. Whoever else has set the
/// status of a gate has written under Tagboat's name; every other name is theirs, also one that begins alike.
fn left<'a>(wanted: &'a [Status], now: &'a [Check]) -> impl Iterator<Item = Status> + 'a {
    let is_wanted = |name: &str| wanted.iter().any(|status| status.context == name);
    let is_left =
        move |check: &&Check| check.gate().is_some() && check.state != CheckState::Passed && !is_wanted(&check.name);
    now.iter().filter(is_left).map(|check| not_asked(&check.name))
}

/// Returns what is to be said of gates that the base branch requires to have said something, and that are not asked here.
pub(super) fn missing(wanted: &[Status], required: &BTreeSet<String>, now: &[Check]) -> Vec<Status> {
    let is_known =
        |name: &str| wanted.iter().any(|status| status.context == name) || now.iter().any(|check| check.name == name);
    let gates = GateName::ALL.into_iter().map(GateName::context);
    gates.filter(|name| required.contains(name) && !is_known(name)).map(|name| not_asked(&name)).collect()
}

fn not_asked(context: &str) -> Status {
    let text = "this gate is not asked here".to_owned();
    Status { context: context.to_owned(), state: CheckState::Passed, text }
}
