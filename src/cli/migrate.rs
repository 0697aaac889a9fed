//! `tagboat migrate`: what another updater left in the repository, as a `.tagboat.yaml`.

use std::path::Path;

use crate::cli::Outcome;
use crate::cli::arguments::{Migrate, MigrateFrom};
use crate::cli::output::{Failure, note, print, write_new};
use crate::cli::session::Session;
use crate::pass::migrate::{From, draft};
use crate::pass::setup;
use crate::report::exit::Exit;

/// Reads what is there, writes what it becomes, and tells what it does not become.
pub(super) fn run(session: &Session, arguments: &Migrate) -> Outcome {
    let service = session.service()?;
    let (from, expected) = match arguments.from {
        MigrateFrom::Flux => (From::Flux, "no ImagePolicy of Flux stands in this folder, and no marker that names one"),
        MigrateFrom::Argocd => {
            (From::ArgoCd, "no annotation of Argo CD Image Updater stands in this folder, and no ImageUpdater")
        }
        MigrateFrom::Renovate => (From::Renovate, "no renovate.json stands in this folder"),
    };
    let draft =
        draft(from, &setup::checkout(&arguments.folder.folder), session.cache(&service), &setup::limits(&service))?;
    if draft.is_empty() {
        return Err(Failure::usage(expected, "`tagboat init` proposes a configuration without it".to_owned()));
    }
    let text = draft.text();
    match arguments.out.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => write_new(path, text.as_bytes())?,
        None => print(|out| out.write_all(text.as_bytes()))?,
    }
    for one in &draft.notes {
        note(session, &format!("not carried over: {one}"));
    }
    Ok(Exit::Done)
}
