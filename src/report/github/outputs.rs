//! Outputs of a step: names with values, as later steps of a job read them.
//!
//! Names are kebab-case, lists are JSON, numbers and booleans are text, as everywhere in GitHub Actions.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::model::change::Change;
use crate::model::gate::GateState;
use crate::model::outcome::Outcome;
use crate::model::proposal::{Action, Proposal};
use crate::report::text::Occasion;

/// Names with values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs(pub Vec<(&'static str, String)>);

impl Outputs {
    /// Writes them in the format of the file that `GITHUB_OUTPUT` names; `nonce` begins the lines that end a value, and
    /// nobody who writes into a value may know it.
    pub fn to_file(&self, nonce: &str) -> String {
        let mut text = String::new();
        for (index, (name, value)) in self.0.iter().enumerate() {
            let end = format!("tagboat-{nonce}-{index}");
            let _infallible = writeln!(text, "{name}<<{end}\n{value}\n{end}");
        }
        text
    }
}

/// Returns what later steps may want to know of a pass; one that writes nothing has no pull requests.
pub fn outputs(outcome: &Outcome, occasion: Occasion) -> Outputs {
    let files: BTreeSet<&str> = outcome.changes.iter().map(|change| change.file.as_str()).collect();
    let proposals = || outcome.proposals.iter();
    let pull_requests: Vec<&Proposal> =
        proposals().filter(|one| !occasion.is_preview() && operation(one.action).is_some()).collect();
    // The one that a workflow with a single pull request means: what was done something about, else what stands.
    let first = pull_requests.iter().find(|one| one.action != Action::Unchanged).or(pull_requests.first()).copied();
    let of_first = |value: fn(&Proposal) -> Option<String>| first.and_then(value).unwrap_or_default();
    let rows = |is_meant: fn(&Proposal) -> bool| Json::from_iter(proposals().filter(|one| is_meant(one)).map(waiting));
    Outputs(vec![
        ("changed", (!outcome.changes.is_empty()).to_string()),
        ("changed-files", files.into_iter().collect::<Vec<_>>().join("\n")),
        ("updates", Json::from_iter(outcome.changes.iter().map(update)).to_string()),
        ("pull-request-number", of_first(number)),
        ("pull-request-url", of_first(|one| one.url.clone())),
        ("pull-request-operation", first.and_then(|one| operation(one.action)).unwrap_or("none").to_owned()),
        ("pull-requests", Json::from_iter(pull_requests.into_iter().map(pull_request)).to_string()),
        ("held", rows(|one| one.action == Action::Held).to_string()),
        ("waiting", rows(Proposal::is_waiting).to_string()),
    ])
}

fn update(change: &Change) -> Json {
    json!({
        "file": change.file.as_str(),
        "line": change.position.line,
        "environment": change.environment.as_str(),
        "group": change.group,
        "image": change.image.as_str(),
        "from": change.from.tag.as_ref().map(crate::model::image::Tag::as_str),
        "to": change.to.tag.as_ref().map(crate::model::image::Tag::as_str),
        "fromDigest": change.from.digest.as_ref().map(crate::model::image::Digest::as_str),
        "toDigest": change.to.digest.as_ref().map(crate::model::image::Digest::as_str),
        "step": change.step.map(crate::model::policy::Step::as_str),
    })
}

/// Returns what was done with a pull request, in the words that users of other actions know; nothing where there is none.
fn operation(action: Action) -> Option<&'static str> {
    match action {
        Action::Opened => Some("created"),
        Action::Updated => Some("updated"),
        Action::Merged => Some("merged"),
        Action::Enqueued => Some("enqueued"),
        Action::Closed => Some("closed"),
        Action::Unchanged => Some("none"),
        Action::Committed | Action::Waiting | Action::Held | Action::LeftAlone | Action::Failed => None,
    }
}

/// Returns the number at the end of a pull request's address.
fn number(proposal: &Proposal) -> Option<String> {
    let last = proposal.url.as_deref()?.rsplit('/').next()?;
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())).then(|| last.to_owned())
}

fn pull_request(proposal: &Proposal) -> Json {
    json!({
        "environment": proposal.environment.as_str(),
        "group": proposal.group,
        "branch": proposal.branch,
        "number": number(proposal).and_then(|number| number.parse::<u64>().ok()),
        "url": proposal.url,
        "operation": operation(proposal.action),
        "reason": proposal.why(),
        "waiting": gates(proposal),
    })
}

fn waiting(proposal: &Proposal) -> Json {
    json!({
        "environment": proposal.environment.as_str(),
        "group": proposal.group,
        "url": proposal.url,
        "reason": proposal.why(),
        "until": proposal.earliest.map(|until| until.to_string()),
        "gates": gates(proposal),
    })
}

/// Returns the gates that do not pass.
fn gates(proposal: &Proposal) -> Json {
    let rows = proposal.gates.iter().filter_map(|gate| {
        let (state, until, reason) = match &gate.state {
            GateState::Pass => return None,
            GateState::Wait { until, reason } => ("wait", until.map(|until| until.to_string()), reason),
            GateState::Fail { reason } => ("fail", None, reason),
        };
        Some(json!({"gate": gate.name.as_str(), "state": state, "until": until, "reason": reason}))
    });
    Json::from_iter(rows)
}
