//! `tagboat init`: a first `.tagboat.yaml` for a repository that has none.

use std::path::Path;

use crate::cli::Outcome;
use crate::cli::arguments::Init;
use crate::cli::output::{note, print, write_new};
use crate::cli::session::Session;
use crate::pass::migrate::{From, draft};
use crate::pass::run::CONFIG_FILE;
use crate::pass::setup;
use crate::report::exit::Exit;

/// Looks at the repository, and writes what it proposes.
pub(super) fn run(session: &Session, arguments: &Init) -> Outcome {
    let service = session.service()?;
    let folder = &arguments.folder.folder;
    let draft = draft(From::Nothing, &setup::checkout(folder), session.cache(&service), &setup::limits(&service))?;
    let text = draft.text();
    if arguments.out.as_deref() == Some(Path::new("-")) {
        print(|out| out.write_all(text.as_bytes()))?;
        return Ok(Exit::Done);
    }
    let beside = if folder == Path::new(".") { CONFIG_FILE.into() } else { folder.join(CONFIG_FILE) };
    let path = arguments.out.clone().unwrap_or(beside);
    write_new(&path, text.as_bytes())?;
    let names: Vec<&str> = draft.environments.iter().map(|environment| environment.name.as_str()).collect();
    note(session, &format!("wrote {}: environments {}", path.display(), names.join(", ")));
    if draft.rules.is_empty() {
        note(session, "no image reference was found: `tagboat scan` says what was passed over, and why");
    } else {
        note(session, "next: `tagboat check`, then `tagboat plan`");
    }
    Ok(Exit::Done)
}
