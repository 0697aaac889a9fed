//! What `check` finds of the gates that ask sources: names that the operator's file does not have, and wrong kinds.

use crate::config::repository::Repository;
use crate::config::service::{Service, SourceKind};
use crate::model::file::Position;
use crate::model::gate::GateSpec;
use crate::model::outcome::{Finding, Severity};

/// Looks for gates that would wait for ever, because the source that they name cannot be asked.
pub fn check(config: &Repository, service: &Service) -> Vec<Finding> {
    let mut findings = Vec::new();
    for environment in &config.environments.0 {
        for gate in &environment.gates {
            let (name, wants_prometheus) = match gate {
                GateSpec::Query { source, .. } => (source, true),
                GateSpec::Http { source, .. } => (source, false),
                _ => continue,
            };
            let source = service.sources.iter().find(|source| source.name == *name);
            let (message, hint) = match source.map(|source| &source.kind) {
                None => {
                    let there: Vec<&str> = service.sources.iter().map(|source| source.name.as_str()).collect();
                    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                    let message = format!("the operator's file names no source `{name}`, for which the gate waits");
                    (message, format!("{} has {there}", service.file))
                }
                Some(SourceKind::Http(_)) if wants_prometheus => {
                    let message = format!("`query` asks a Prometheus, and the source `{name}` is plain HTTP");
                    (message, "its entry needs `prometheus`, or the gate is `http`".to_owned())
                }
                Some(SourceKind::Prometheus(_)) if !wants_prometheus => {
                    let message = format!("`http` asks plain HTTP, and the source `{name}` is a Prometheus");
                    (message, "its entry needs `http`, or the gate is `query`".to_owned())
                }
                Some(_) => continue,
            };
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "unknown-source",
                message: format!("{}: {message}", environment.name),
                hint: Some(hint),
                file: Some(config.file.clone()),
                away: None,
                position: Some(Position { line: environment.line, column: environment.column }),
            });
        }
    }
    findings
}
