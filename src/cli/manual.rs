//! `tagboat manual`: a man page for the program and for each of its commands.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory;

use crate::cli::Outcome;
use crate::cli::arguments::Arguments;
use crate::cli::output::Failure;
use crate::report::exit::Exit;

/// Writes the pages into a folder, which is made where it is not there.
pub(super) fn run(folder: &Path) -> Outcome {
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    written.with_context(|| format!("cannot write man pages into {}", folder.display())).map_err(Failure::Failed)?;
    Ok(Exit::Done)
}
