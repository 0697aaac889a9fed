//! `tagboat completions`: a completion script for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Outcome;
use crate::cli::arguments::Arguments;
use crate::report::exit::Exit;

/// Prints the script.
pub(super) fn run(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tagboat", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
