//! `tagboat check`: mistakes in configuration, markers and policies.

use crate::cli::arguments::{Check, OutputFormat};
use crate::cli::output::{Failure, Stream, print};
use crate::cli::session::Session;
use crate::cli::{Outcome, actions};
use crate::config::fault::{Fault, Faults};
use crate::config::service::Service;
use crate::model::file::Position;
use crate::model::outcome::{Finding, Severity};
use crate::pass::elsewhere::Others;
use crate::pass::setup::Target;
use crate::pass::{self, permissions};
use crate::report::exit::Exit;
use crate::report::{Base, exit, github, json, sarif, text};

/// Checks a folder and the operator's file; faults of both are findings like all others.
pub(super) fn run(session: &Session, arguments: &Check) -> Outcome {
    let folder = arguments.folder();
    let (service, mut faults) = faults_of(session.service())?;
    let (config, more) = faults_of(session.repository(folder))?;
    faults.extend(more);
    let by_itself = if session.environment.is_github_actions() { OutputFormat::Github } else { OutputFormat::Text };
    let output = session.common.output.unwrap_or(by_itself);
    if output == OutputFormat::Text && !faults.is_empty() {
        // For people, the source line stands under each fault.
        let rendered = Faults::new(faults).render(session.wants_color(Stream::Output), session.width());
        print(|out| writeln!(out, "{}", rendered.trim_end()))?;
        return Ok(Exit::Usage);
    }
    let mut findings: Vec<Finding> = faults.into_iter().map(finding).collect();
    let is_sound = service.is_some();
    let service = service.unwrap_or_else(Service::without_configuration);
    let limits = pass::setup::limits(&service);
    if arguments.asked().is_some() {
        let (files, cache) = (pass::setup::checkout(folder), session.cache(&service));
        // What is wrong with the configuration is a finding of its own.
        let demands = config.as_ref().map(|config| permissions::demands(folder, config, &files, cache, &limits));
        let demands = demands.transpose()?.unwrap_or_default();
        let asked = permissions::lacking(folder, arguments.named(), &demands, &service, &session.environment);
        findings.extend(session.runtime()?.block_on(asked)?);
    }
    if let Some(mut config) = config {
        let name = config.configured.then(|| session.config_name());
        if let Some(name) = &name {
            let target = Target::Checkout { folder, branch: None };
            let (publishing, _) = pass::setup::asked(&target, arguments.named(), &service, &session.environment);
            findings.extend(pass::unanswered::unanswered(&config, name, &publishing));
        }
        let files = pass::setup::checkout(folder);
        let viewed = pass::view::folder(folder);
        let branches = viewed.branches(&mut config);
        let (cache, past) = (session.cache(&service), viewed.past.as_deref());
        let named = session.common.service.as_ref().map(|_| &service);
        let unlisted = if is_sound { pass::elsewhere::check(&config, named) } else { Vec::new() };
        let has_others = unlisted.is_empty() && !config.environments.repositories().is_empty();
        // Other repositories are looked at where the operator's file lists them all.
        let own = has_others.then(|| pass::setup::own(&Target::Checkout { folder, branch: None })).flatten();
        let others = match named.filter(|_| is_sound && has_others) {
            Some(service) => {
                let open = pass::setup::neighbours(own.as_ref(), service, &session.environment);
                session.runtime()?.block_on(pass::elsewhere::view(&config, &open))
            }
            None => Others::new(),
        };
        let beside = (&branches, &others, own.as_ref());
        findings.extend(pass::check::check(&config, name.as_deref(), &files, cache, &limits, past, beside)?);
        findings.extend(unlisted);
        if is_sound && session.common.service.is_some() {
            findings.extend(pass::asked::check(&config, &service));
        }
        // With a faulty file of the operator's, registries would be asked in a way that nobody means.
        if arguments.registries && is_sound {
            let client = pass::setup::registry_client(&service, &session.environment)?;
            let asked = pass::registries::registries(&config, &files, cache, &limits, &client);
            findings.extend(session.runtime()?.block_on(asked)?);
        }
    }
    // Annotations want paths from where the program was called; what an option names is such a path already.
    let named = [&session.common.config, &session.common.service];
    let named = named.into_iter().flatten().map(|path| path.display().to_string()).collect();
    let base = Base { folder: &folder.to_string_lossy(), named, config: &session.config_name() };
    if output == OutputFormat::Github {
        actions::findings(session, &findings, &base)?;
    }
    print(|out| match output {
        OutputFormat::Json => json::check(&findings, out),
        OutputFormat::Text | OutputFormat::Csv => text::check(&findings, &session.view(), out),
        OutputFormat::Github => github::check(&findings, &base, out),
        OutputFormat::Sarif => sarif::check(&findings, &base, out),
    })?;
    Ok(exit::of_findings(&findings))
}

/// Keeps what was read, or the faults of the file; every other failure ends the command.
fn faults_of<T>(read: Result<T, Failure>) -> Result<(Option<T>, Vec<Fault>), Failure> {
    match read {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(Failure::Faults(faults)) => Ok((None, faults.0)),
        Err(other) => Err(other),
    }
}

fn finding(fault: Fault) -> Finding {
    Finding {
        severity: Severity::Error,
        rule: "configuration",
        message: fault.message,
        hint: fault.hint,
        file: Some(fault.file),
        // What is wrong with a file as a whole is shown at its begin.
        away: None,
        position: fault.position.or(Some(Position { line: 1, column: 1 })),
    }
}
