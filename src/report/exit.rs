//! Exit codes: what each outcome means to the shell that asked.

use std::process::ExitCode;

use crate::model::outcome::{Finding, Outcome, ScanOutcome, Severity, Trouble};
use crate::model::proposal::Action;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed before anything could be done.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// The pass went through, but some targets failed.
    Partial = 3,
    /// There are changes, and `plan --exit-code` asked.
    Changes = 10,
}

impl Exit {
    /// Returns the number for the shell.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Whether changes are worth an exit code of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChanges {
    /// They are not.
    #[default]
    Ignore,
    /// `--exit-code`: they end in [`Exit::Changes`].
    Report,
}

/// Returns how `plan`, `update` and `run` end.
///
/// A failed target outweighs changes: what a pass says of half of the targets is no clean answer.
pub fn of_outcome(outcome: &Outcome, on_changes: OnChanges) -> Exit {
    let failed = |action: Action| action == Action::Failed;
    if !outcome.errors.is_empty() || outcome.proposals.iter().any(|proposal| failed(proposal.action)) {
        Exit::Partial
    } else if on_changes == OnChanges::Report && changes_anything(outcome) {
        Exit::Changes
    } else {
        Exit::Done
    }
}

/// Returns how `scan` ends. Files passed over with a reason are no failure.
pub fn of_scan(outcome: &ScanOutcome) -> Exit {
    of_errors(&outcome.errors)
}

/// Returns how a command ends whose only failures are those rows, `explain` for one.
pub fn of_errors(errors: &[Trouble]) -> Exit {
    if errors.is_empty() { Exit::Done } else { Exit::Partial }
}

/// Returns how `check` ends.
pub fn of_findings(findings: &[Finding]) -> Exit {
    if findings.iter().any(|finding| finding.severity == Severity::Error) { Exit::Usage } else { Exit::Done }
}

/// Whether Git or the forge would be another after it.
fn changes_anything(outcome: &Outcome) -> bool {
    !outcome.changes.is_empty() || outcome.proposals.iter().any(|proposal| proposal.action.acts())
}
