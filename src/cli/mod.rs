//! The command line: one file for each command. Reads arguments, calls a pass, prints what it gives; never decides.
//!
//! Entry point: [`main`]. Results go to standard output, everything else to standard error.

mod actions;
mod arenas;
mod arguments;
mod check;
mod completions;
mod demo;
mod explain;
mod history;
mod hold;
mod init;
mod logging;
mod manual;
mod migrate;
mod order;
mod output;
mod plan;
mod progress;
mod run;
mod scan;
mod schema;
mod serve;
mod session;
mod signals;
mod snapshot;
mod source;
mod status;
mod update;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::config::environment::Environment;
use crate::report::exit::Exit;
use crate::report::github;

use self::arguments::{Arguments, Command, OutputFormat};
use self::output::Failure;
use self::session::Session;
use self::signals::Kept;

/// Runs the program and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before all else: a service that is told to end while it begins ends as one that runs.
    let kept = Kept::new();
    let given: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error, &given),
    };
    let environment = Environment::capture();
    let session = Session::new(arguments.common, environment);
    let is_service = matches!(arguments.command, Command::Serve);
    if !is_service {
        kept.release();
    }
    let color = session.wants_color(output::Stream::Error);
    let logging = logging::begin(&session.common, is_service, color);
    if let Some(refused) = wrong_format(session.common.output, &arguments.command) {
        return output::fail(&session, &refused).into();
    }
    let result = match arguments.command {
        Command::Scan(folder) => scan::run(&session, &folder),
        Command::Check(folder) => check::run(&session, &folder),
        Command::Plan(plan) => plan::run(&session, &plan),
        Command::Update(folder) => update::run(&session, &folder),
        Command::Run(run) => run::run(&session, &run),
        Command::Explain(explain) => explain::run(&session, &explain),
        Command::Hold(hold) => hold::hold(&session, &hold),
        Command::Release(release) => hold::release(&session, &release),
        Command::Rollback(rollback) => order::rollback(&session, &rollback),
        Command::Promote(promote) => order::promote(&session, &promote),
        Command::Status(status) => status::run(&session, &status),
        Command::History(history) => history::run(&session, &history),
        Command::Report(report) => history::report(&session, &report),
        Command::Snapshot(snapshot) => snapshot::run(&session, &snapshot),
        Command::Init(init) => init::run(&session, &init),
        Command::Migrate(migrate) => migrate::run(&session, &migrate),
        Command::Schema { which } => schema::run(which),
        Command::Completions { shell } => completions::run(shell),
        Command::Manual { folder } => manual::run(&folder),
        Command::Serve => serve::run(&session, &logging, &kept),
        Command::Demo => demo::run(&session),
    };
    session.tell_of_cache();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => output::fail(&session, &error).into(),
    }
}

/// Tells what is wrong with the arguments, or the help that they ask for.
fn refused(error: &clap::Error, given: &[OsString]) -> ExitCode {
    let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    let is_for_actions = given.iter().any(|one| one == "--output=github")
        || given.windows(2).any(|two| two[0] == "--output" && two[1] == "github");
    let told = if is_for_actions && error.use_stderr() {
        // As it is, a line of it could be a command of the log.
        let text = error.render().to_string();
        github::failure(text.trim_start_matches("error: "), &mut io::stdout().lock())
    } else {
        error.print()
    };
    match told {
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Exit::Failed.into(),
        // A reader who closed the pipe has seen enough.
        _ => code.into(),
    }
}

/// Refuses a format that a command does not have.
fn wrong_format(format: Option<OutputFormat>, command: &Command) -> Option<Failure> {
    let is_pass = matches!(
        command,
        Command::Plan(_) | Command::Update(_) | Command::Run(_) | Command::Rollback(_) | Command::Promote(_)
    );
    let owners = match (format?, command) {
        (OutputFormat::Text | OutputFormat::Json, _)
        | (OutputFormat::Github | OutputFormat::Sarif, Command::Check(_))
        | (OutputFormat::Csv, Command::History(_)) => return None,
        (OutputFormat::Github, _) if is_pass => return None,
        (OutputFormat::Github, _) => "--output github belongs to check, plan, update, run, promote and rollback",
        (OutputFormat::Sarif, _) => "--output sarif belongs to `tagboat check`",
        (OutputFormat::Csv, _) => "--output csv belongs to `tagboat history`",
    };
    Some(Failure::usage(owners, "every command has text and json".to_owned()))
}

/// What a command gives: its exit code, or why it could not begin.
type Outcome = Result<Exit, Failure>;
