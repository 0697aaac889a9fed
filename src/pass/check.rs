//! What `check` finds: configuration that matches nothing, references that nothing matches, faulty markers.

use crate::config::repository::Repository;
use crate::decide::questions::{Followed, follow};
use crate::manifest;
use crate::model::file::Position;
use crate::model::outcome::{Finding, Severity};
use crate::model::site::{PassedOverReason, Site, SkipReason};
use crate::observe::files::Files;
use crate::observe::scan::{Scanned, scan};
use crate::pass::PassError;

/// Looks for mistakes in a configuration and the files that it is for.
///
/// `config_file` is the configuration's name for messages; `None` where there is none.
///
/// # Errors
///
/// [`PassError::Files`] when the files could not be listed.
pub fn check(
    config: &Repository,
    config_file: Option<&str>,
    files: &dyn Files,
    limits: &manifest::Limits,
) -> Result<Vec<Finding>, PassError> {
    let scanned = scan(files, limits).map_err(PassError::Files)?;
    let mut findings = Vec::new();
    if let Some(file) = config_file {
        rules(config, file, &scanned, &mut findings);
        environments(config, file, &scanned, &mut findings);
    }
    references(config, &scanned, &mut findings);
    broken_files(config, &scanned, &mut findings);
    findings.sort_by(|one, other| {
        (one.severity, &one.file, one.position).cmp(&(other.severity, &other.file, other.position))
    });
    Ok(findings)
}

/// Rules that no reference meets, because there is none or an earlier rule takes them all.
fn rules(config: &Repository, file: &str, scanned: &Scanned, findings: &mut Vec<Finding>) {
    let images: std::collections::BTreeSet<_> = scanned.sites.iter().filter_map(|site| site.image.as_ref()).collect();
    for rule in &config.rules.0 {
        let matched = images.iter().filter(|image| rule.images.matches(image.as_str())).count();
        let taken = images.iter().filter(|image| config.rules.of(image) == Some(rule)).count();
        let (message, hint) = match (matched, taken) {
            (0, _) => (
                format!("the rule for `{}` matches no image of this repository", rule.images.as_str()),
                "`tagboat scan` lists the images; names are matched in full, such as docker.io/library/nginx",
            ),
            (_, 0) => (
                format!("every image of the rule for `{}` is taken by a rule before it", rule.images.as_str()),
                "the first rule that matches wins: put the narrower one first",
            ),
            _ => continue,
        };
        let position = Some(Position { line: rule.line, column: rule.column });
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unmatched-rule",
            message,
            hint: Some(hint.to_owned()),
            file: Some(file.to_owned()),
            position,
        });
    }
}

/// Environments that hold no file, and files that two of them hold.
fn environments(config: &Repository, file: &str, scanned: &Scanned, findings: &mut Vec<Finding>) {
    for environment in &config.environments.0 {
        let position = Some(Position { line: environment.line, column: environment.column });
        if !scanned.files.iter().any(|path| environment.files.matches(path.as_str())) {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "empty-environment",
                message: format!("no file belongs to the environment `{}`", environment.name),
                hint: Some(format!("`files` is {}", environment.files.patterns().join(", "))),
                file: Some(file.to_owned()),
                position,
            });
        }
        let shared = scanned.files.iter().find_map(|path| {
            let other = config.environments.claiming(path.as_str()).find(|other| other.name != environment.name)?;
            let later = (other.line, other.column) < (environment.line, environment.column);
            (later && environment.files.matches(path.as_str())).then_some((path, &other.name))
        });
        if let Some((path, other)) = shared {
            findings.push(Finding {
                severity: Severity::Error,
                rule: "overlapping-environments",
                message: format!("{path} belongs to `{other}` and to `{}`", environment.name),
                hint: Some("narrow the `files` of one of them".to_owned()),
                file: Some(file.to_owned()),
                position,
            });
        }
    }
}

/// References that look followed and are not.
fn references(config: &Repository, scanned: &Scanned, findings: &mut Vec<Finding>) {
    for site in &scanned.sites {
        let Followed::No(reason) = follow(site, &config.rules, &config.environments) else { continue };
        let (severity, rule, hint) = match reason {
            SkipReason::FaultyMarker(_) => (Severity::Error, "faulty-marker", None),
            SkipReason::NamedPolicy(_) => (
                Severity::Warning,
                "unknown-policy",
                Some("add the ImagePolicy and its ImageRepository to this repository, or write a `# tagboat:` marker"),
            ),
            SkipReason::NoRule => (Severity::Note, "no-rule", Some("add a rule to `images:` to follow it")),
            SkipReason::NoEnvironment => {
                (Severity::Note, "no-environment", Some("add the file to an environment's `files` to follow it"))
            }
            SkipReason::DuplicateKey(_) | SkipReason::Alias(_) => (Severity::Warning, "not-editable", None),
            _ => continue,
        };
        findings.push(finding(site, severity, rule, &reason, hint));
    }
}

fn finding(site: &Site, severity: Severity, rule: &'static str, reason: &SkipReason, hint: Option<&str>) -> Finding {
    Finding {
        severity,
        rule,
        message: format!("{}: {reason}", site.written),
        hint: hint.map(str::to_owned),
        file: Some(site.file.to_string()),
        position: Some(site.position),
    }
}

/// Files of an environment that could not be looked into.
fn broken_files(config: &Repository, scanned: &Scanned, findings: &mut Vec<Finding>) {
    for passed in &scanned.passed_over {
        let (position, message) = match &passed.reason {
            PassedOverReason::Broken { position, reason } => (*position, format!("cannot be parsed: {reason}")),
            reason @ (PassedOverReason::TooComplex(_) | PassedOverReason::Unreadable(_)) => (None, reason.to_string()),
            _ => continue,
        };
        if config.environments.of(&passed.file).is_none() {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unreadable-file",
            message,
            hint: Some("nothing in it is followed until it can be read".to_owned()),
            file: Some(passed.file.clone()),
            position,
        });
    }
}
