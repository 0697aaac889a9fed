//! What `check` says of gates that nobody can ever answer, and of what can never happen where the repository is.
//!
//! Entry point: [`unanswered`]. Asks nobody: the configuration and the kind of forge tell it all.

use crate::config::repository::Repository;
use crate::forge::Forge;
use crate::forge::plain::NO_REVIEWS;
use crate::model::checks::CheckName;
use crate::model::commit::Sign;
use crate::model::environment::{Environment, Predecessor};
use crate::model::file::Position;
use crate::model::gate::{GateName, GateSpec};
use crate::model::outcome::{Finding, Severity};
use crate::pass::deployments::ONLY_GITHUB;
use crate::pass::propose::Publishing;

/// Finds gates that wait for ever; `file` is the configuration's name for messages.
pub fn unanswered(config: &Repository, file: &str, publishing: &Publishing) -> Vec<Finding> {
    // Of a forge that nobody knows nothing is said.
    let known = match publishing {
        Publishing::Forge(forge) => Some(&**forge),
        Publishing::Missing(_) => None,
    };
    let is_plain = known.is_some_and(|forge| !forge.has_pull_requests());
    let warning = |rule, message, hint: &str, position| Finding {
        severity: Severity::Warning,
        rule,
        message,
        hint: Some(hint.to_owned()),
        file: Some(file.to_owned()),
        away: None,
        position,
    };
    let mut findings = Vec::new();
    if config.commit.sign == Some(Sign::Forge)
        && let Some(Err(reason)) = known.map(Forge::signs)
    {
        let message = format!("no version is ever pushed: {reason}");
        let hint = "say `ssh` or `gpg`, or keep the repository on a forge";
        findings.push(warning("impossible-here", message, hint, config.sign_at));
    }
    for environment in &config.environments.0 {
        let position = Some(Position { line: environment.line, column: environment.column });
        let mut add = |message, hint: &str| findings.push(warning("unanswerable-gate", message, hint, position));
        let name = &environment.name;
        for gate in &environment.gates {
            let gate_name = gate.name();
            if matches!(gate_name, GateName::Checks | GateName::Soak) && environment.after.is_empty() {
                let message = format!("`{gate_name}` of `{name}` never passes: no environment comes before it");
                add(message, "say with `after` where a version runs first, or remove the gate");
            } else if is_plain && (gate_name == GateName::Approvals || asks_here(gate_name, environment)) {
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
        if environment.deployments && known.is_some_and(|forge| !forge.keeps_deployments()) {
            let message = format!("`deployments` of `{name}` records nothing: {ONLY_GITHUB}");
            findings.push(warning("impossible-here", message, "remove it", position));
        }
    }
    findings
}

/// Whether nothing passes a gate without this repository's forge being asked: each environment before is asked of the forge of its own
/// repository.
fn asks_here(gate: GateName, environment: &Environment) -> bool {
    let mut before = environment.after.iter().map(|before| matches!(before, Predecessor::Here(_)));
    gate == GateName::Checks
        && if environment.after_any { before.all(|is_here| is_here) } else { before.any(|is_here| is_here) }
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
