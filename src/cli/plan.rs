//! `tagboat plan`: what would change and why.

use crate::cli::Outcome;
use crate::cli::arguments::{Plan, Source};
use crate::cli::session::Session;
use crate::pass::report;
use crate::report::exit::{self, OnChanges};
use crate::report::text::Occasion;

/// Plans and prints; changes nothing.
pub(super) fn run(session: &Session, arguments: &Plan) -> Outcome {
    let (planned, config) = session.plan(
        &Source::of(&arguments.folder.folder),
        arguments.at.at,
        session.detail(),
        &[],
        arguments.forged.named(),
    )?;
    let outcome = report::outcome(planned, &config);
    session.print_outcome(&outcome, Occasion::Plan, &arguments.folder.folder)?;
    let on_changes = if arguments.exit_code { OnChanges::Report } else { OnChanges::Ignore };
    let code = exit::of_outcome(&outcome, on_changes);
    // The process ends here, which gives memory back at once and not row by row.
    std::mem::forget(outcome);
    Ok(code)
}
