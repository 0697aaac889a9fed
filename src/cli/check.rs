//! `tagboat check`: mistakes in configuration, markers and policies.

use crate::cli::Outcome;
use crate::cli::arguments::{Folder, OutputFormat};
use crate::cli::output::{Failure, print};
use crate::cli::session::Session;
use crate::model::outcome::{Finding, Severity};
use crate::pass;
use crate::report::{Base, exit, github, json, sarif, text};

/// Checks a folder; faults of the configuration are findings like all others.
pub(super) fn run(session: &Session, folder: &Folder) -> Outcome {
    let service = session.service()?;
    let findings = match session.repository(&folder.folder) {
        Ok(config) => {
            let name = config.configured.then(|| session.config_name());
            let files = pass::setup::checkout(&folder.folder);
            pass::check::check(&config, name.as_deref(), &files, &pass::setup::limits(&service))?
        }
        Err(Failure::Faults(faults)) => faults
            .0
            .into_iter()
            .map(|fault| Finding {
                severity: Severity::Error,
                rule: "configuration",
                message: fault.message,
                hint: fault.hint,
                file: Some(fault.file),
                position: fault.position,
            })
            .collect(),
        Err(other) => return Err(other),
    };
    let by_itself = if session.environment.is_github_actions() { OutputFormat::Github } else { OutputFormat::Text };
    // Annotations want paths from where the program was called; what --config names is such a path already.
    let base = folder.folder.to_string_lossy();
    let base = Base { folder: &base, config: session.common.config.as_ref().map(|_| session.config_name()) };
    print(|out| match session.common.output.unwrap_or(by_itself) {
        OutputFormat::Json => json::check(&findings, out),
        OutputFormat::Text => text::check(&findings, &session.view(), out),
        OutputFormat::Github => github::check(&findings, &base, out),
        OutputFormat::Sarif => sarif::check(&findings, &base, out),
    })?;
    Ok(exit::of_findings(&findings))
}
