//! Whether a head commit may be merged, by what its forge tells of it beside the gates. Pure.
//!
//! Entry point: [`ready`]. What the gates say is not asked here.

use crate::model::pull_request::{Check, CheckState, PullRequestStyle, Readiness, Rebase};

/// Whether everything beside the gates lets a head commit be merged; else why not.
pub fn ready(readiness: &Readiness, style: &PullRequestStyle) -> Result<(), String> {
    done(&readiness.checks)?;
    let missing: Vec<&str> = readiness
        .required
        .iter()
        .filter(|name| !readiness.checks.iter().any(|check| check.name == **name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(format!("required checks have not reported: {}", missing.join(", ")));
    }
    reported(&readiness.checks, style)?;
    if !readiness.changes_requested.is_empty() {
        return Err(format!("changes are requested by {}", readiness.changes_requested.join(", ")));
    }
    match &readiness.blocked {
        Some(reason) => Err(reason.clone()),
        None => Ok(()),
    }
}

/// Whether every check is done and has passed; else which did not.
pub(super) fn done(checks: &[Check]) -> Result<(), String> {
    // What Tagboat says itself is decided before, and one that it may not set any more says what was once.
    let named = |state: CheckState| {
        let found = checks.iter().filter(move |check| check.state == state && is_other(check));
        found.map(|check| format!("{} ({})", check.name, check.word)).collect::<Vec<_>>().join(", ")
    };
    let (failed, pending) = (named(CheckState::Failed), named(CheckState::Pending));
    if !failed.is_empty() {
        return Err(format!("checks failed: {failed}"));
    }
    if !pending.is_empty() {
        return Err(format!("checks are not done: {pending}"));
    }
    Ok(())
}

/// Whether anybody has reported, where somebody must; else that nobody has.
pub(super) fn reported(checks: &[Check], style: &PullRequestStyle) -> Result<(), String> {
    if style.allow_no_checks || checks.iter().any(is_other) {
        return Ok(());
    }
    Err("no check has reported on its head commit (`pullRequest.allowNoChecks` would let it pass)".to_owned())
}

/// Whether a check is somebody else's than Tagboat's.
fn is_other(check: &Check) -> bool {
    check.gate().is_none()
}

/// Whether a head branch has to be brought up to date before it can be merged, and nothing else is known to hold it up.
pub(super) fn is_due_for_rebase(readiness: &Readiness, style: &PullRequestStyle) -> bool {
    let is_failure = |check: &Check| check.state == CheckState::Failed && is_other(check);
    let has_failed = readiness.checks.iter().any(is_failure);
    readiness.is_behind && style.rebase != Rebase::Conflict && !has_failed && readiness.changes_requested.is_empty()
}

/// Whether nothing is left to wait for but checks that the base requires: the one thing that a forge asks when it merges by itself.
pub(super) fn only_required_are_due(readiness: &Readiness) -> bool {
    let is_passed_or_required = |check: &Check| match check.state {
        CheckState::Passed => true,
        CheckState::Pending => readiness.required.contains(&check.name),
        CheckState::Failed => false,
    };
    !readiness.required.is_empty()
        && readiness.checks.iter().all(is_passed_or_required)
        && readiness.changes_requested.is_empty()
        && (readiness.blocked.is_none() || readiness.is_blocked_by_checks)
}
