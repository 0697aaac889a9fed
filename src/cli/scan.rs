//! `tagboat scan`: every reference found, and everything passed over.

use crate::cli::Outcome;
use crate::cli::arguments::Folder;
use crate::cli::output::print;
use crate::cli::session::Session;
use crate::pass;
use crate::report::{exit, json, text};

/// Scans a folder and prints what is there.
pub(super) fn run(session: &Session, folder: &Folder) -> Outcome {
    let service = session.service()?;
    let mut config = session.repository(&folder.folder)?;
    pass::view::settle_on_checkout(&folder.folder, &mut config);
    session.warn_of_inactive(&config);
    let files = pass::setup::checkout(&folder.folder);
    let found = pass::scan(&config, &files, session.cache(&service), &pass::setup::limits(&service))?;
    print(|out| if session.wants_json() { json::scan(&found, out) } else { text::scan(&found, &session.view(), out) })?;
    Ok(exit::of_scan(&found))
}
