//! `tagboat init`: a first `.tagboat.yaml` for a repository that has none.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Outcome;
use crate::cli::arguments::Init;
use crate::cli::output::{Failure, note, print, write_new, write_over};
use crate::cli::session::Session;
use crate::config::schema::{Which, schema};
use crate::pass::migrate::{From, draft};
use crate::pass::run::CONFIG_FILE;
use crate::pass::setup;
use crate::report::exit::Exit;

/// Where the schema lies that editors complete and check the configuration by, beside it: the one of this version, and at hand
/// without any network.
const SCHEMA: &str = ".tagboat/schema.json";

/// Looks at the repository, and writes what it proposes.
pub(super) fn run(session: &Session, arguments: &Init) -> Outcome {
    let service = session.service()?;
    let folder = &arguments.folder.folder;
    let draft = draft(From::Nothing, &setup::checkout(folder), session.cache(&service), &setup::limits(&service))?;
    if draft.environments.is_empty() {
        let message = format!("there is no file in {}, and nothing to propose for it", folder.display());
        return Err(Failure::usage(message, "call it in a clone of your manifests".to_owned()));
    }
    let text = format!("# yaml-language-server: $schema={SCHEMA}\n{}", draft.text());
    if arguments.out.as_deref() == Some(Path::new("-")) {
        print(|out| out.write_all(text.as_bytes()))?;
        return Ok(Exit::Done);
    }
    let beside = if folder == Path::new(".") { CONFIG_FILE.into() } else { folder.join(CONFIG_FILE) };
    let path = arguments.out.clone().unwrap_or(beside);
    write_new(&path, text.as_bytes())?;
    let names: Vec<&str> = draft.environments.iter().map(|environment| environment.name.as_str()).collect();
    note(session, &format!("wrote {}: environments {}", path.display(), names.join(", ")));
    match write_schema(&path) {
        Ok(()) => note(session, &format!("wrote {SCHEMA}, by which editors complete and check it; commit both")),
        Err(error) => note(session, &format!("{SCHEMA}, by which editors complete it, could not be written: {error}")),
    }
    if let Some(first) = draft.outside.first() {
        let others = draft.outside.len() - 1;
        let more = if others > 0 { format!(" and {others} more folders") } else { String::new() };
        let what = "references there are followed once an environment's `files` hold them";
        note(session, &format!("in no environment: {first}{more}; {what}"));
    }
    if draft.rules.is_empty() {
        note(session, "no image reference was found: `tagboat scan` says what was passed over, and why");
    } else {
        note(session, "next: `tagboat check`, then `tagboat plan`");
    }
    Ok(Exit::Done)
}

/// Writes the schema beside a configuration. An older one is replaced; where the folder is a link, nothing is written.
fn write_schema(beside: &Path) -> io::Result<()> {
    let path: PathBuf = beside.with_file_name(SCHEMA);
    let folder = path.parent().expect("it has a folder in its name");
    match folder.symlink_metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is in the way")),
        Err(_) => std::fs::create_dir(folder)?,
    }
    write_over(&path, schema(Which::Repository).as_bytes())
}
