//! `tagboat update`: the changes, written into the working tree.

use crate::cli::Outcome;
use crate::cli::arguments::{Source, Update};
use crate::cli::session::Session;
use crate::pass;
use crate::report::exit::{self, OnChanges};
use crate::report::text::Occasion;

/// Plans, writes file by file, and prints what was written.
pub(super) fn run(session: &Session, arguments: &Update) -> Outcome {
    let folder = &arguments.folder;
    let (planned, config) =
        session.plan(&Source::of(&folder.folder), None, session.detail(), &[], arguments.forged.named())?;
    let outcome = pass::update(&folder.folder, planned, &config);
    session.print_outcome(&outcome, Occasion::Update, &folder.folder)?;
    Ok(exit::of_outcome(&outcome, OnChanges::Ignore))
}
