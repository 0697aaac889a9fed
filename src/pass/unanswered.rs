//! What `check` says of gates that nobody can ever answer, and of returns that can never happen.
//!
//! Entry point: [`unanswered`]. Asks nobody: the configuration and the kind of forge tell it all.

use crate::config::repository::Repository;
use crate::forge::plain::NO_REVIEWS;
use crate::model::checks::CheckName;
use crate::model::environment::Environment;
use crate::model::file::Position;
use crate::model::gate::{GateName, GateSpec};
use crate::model::outcome::{Finding, Severity};
use crate::pass::propose::Publishing;

/// Finds gates that wait for ever; `file` is the configuration's name for messages.
pub fn unanswered(config: &Repository, file: &str, publishing: &Publishing) -> Vec<Finding> {
    let is_plain = matches!(publishing, Publishing::Forge(forge) if !forge.has_pull_requests());
    let mut findings = Vec::new();
    for environment in &config.environments.0 {
        let mut add = |message: String, hint: &str| {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "unanswerable-gate",
                message,
                hint: Some(hint.to_owned()),
                file: Some(file.to_owned()),
                away: None,
                position: Some(Position { line: environment.line, column: environment.column }),
            });
        };
        let name = &environment.name;
        for gate in &environment.gates {
            let gate_name = gate.name();
            if matches!(gate_name, GateName::Checks | GateName::Soak) && environment.after.is_empty() {
                let message = format!("`{gate_name}` of `{name}` never passes: no environment comes before it");
                add(message, "say with `after` where a version runs first, or remove the gate");
            } else if matches!(gate_name, GateName::Checks | GateName::Approvals) && is_plain {
                let message = format!("`{gate_name}` of `{name}` never passes: {NO_REVIEWS}");
                add(message, "remove the gate, or keep the repository on a forge");
            }
        }
        if environment.on_failure.is_some() && is_plain {
            let message = format!("`onFailure` of `{name}` never acts: plain Git has no checks");
            add(message, "remove it, or keep the repository on a forge");
        }
        for check in own(environment) {
            let message =
                format!("`{check}` of `{name}` is a status of Tagboat's own, which says nothing of what runs");
            add(message, "name what the reconciler or the tests report");
        }
    }
    findings
}

/// Returns the checks that only Tagboat itself reports.
fn own(environment: &Environment) -> impl Iterator<Item = &CheckName> {
    let gates = environment.gates.iter().filter_map(|gate| match gate {
        GateSpec::Checks(names) => Some(names),
        _ => None,
    });
    let watched = environment.on_failure.as_ref().map(|on_failure| &on_failure.checks);
    gates.chain(watched).flatten().filter(|name| name.as_str().starts_with("tagboat/"))
}
