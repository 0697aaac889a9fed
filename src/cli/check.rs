//! `tagboat check`: mistakes in configuration, markers and policies.

use crate::cli::Outcome;
use crate::cli::arguments::{Folder, OutputFormat};
use crate::cli::output::{Failure, Stream, print};
use crate::cli::session::Session;
use crate::model::outcome::{Finding, Severity};
use crate::pass;
use crate::report::exit::Exit;
use crate::report::{exit, json, text};

/// Checks a folder; faults of the configuration are findings like all others.
pub(super) fn run(session: &Session, folder: &Folder) -> Outcome {
    let service = session.service()?;
    let findings = match session.repository(&folder.folder) {
        Ok(config) => {
            let name = config.configured.then(|| session.config_name());
            let files = pass::setup::checkout(&folder.folder);
            let limits = pass::setup::limits(&service);
            pass::check::check(&config, name.as_deref(), &files, &limits)?
        }
        // For people, the source line stands under each fault.
        Err(Failure::Faults(faults)) if session.common.output == OutputFormat::Text => {
            let rendered = faults.render(session.wants_color(Stream::Output), session.width());
            print(|out| writeln!(out, "{}", rendered.trim_end()))?;
            return Ok(Exit::Usage);
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
    print(|out| match session.common.output {
        OutputFormat::Json => json::check(&findings, out),
        OutputFormat::Text => text::check(&findings, &session.view(), out),
    })?;
    Ok(exit::of_findings(&findings))
}
