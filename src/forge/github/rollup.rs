//! The checks of a commit as GraphQL tells them.
//!
//! Entry points: [`TOLD`] and [`checks`]. Asks nobody.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::forge::github::raw;
use crate::forge::github::readiness::of_status;
use crate::forge::github::runs::{Run, Start, Starts, counting, worst};
use crate::forge::github::suites::{Suite, Workflows, silent};
use crate::model::pull_request::Check;

/// What is asked of a commit; one with more checks is not told whole. What GitHub counts by are lists alone, and there is but one.
pub(super) const TOLD: &str = "... on Commit { statusCheckRollup { contexts(first: 100) { pageInfo { hasNextPage } nodes { __typename \
                    ... on CheckRun { databaseId name status conclusion completedAt \
                    checkSuite { databaseId app { slug } workflowRun { event workflow { databaseId } } } } \
                    ... on StatusContext { context state description createdAt } } } } \
                    checkSuites(first: 100) { pageInfo { hasNextPage } nodes { databaseId status conclusion app { slug } \
                    workflowRun { event workflow { databaseId name } } } } }";

#[derive(Debug, Deserialize)]
struct Rollup {
    contexts: Contexts,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contexts {
    page_info: PageInfo,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suites {
    page_info: PageInfo,
    nodes: Vec<WholeSuite>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WholeSuite {
    #[serde(flatten)]
    suite: CheckSuite,
    status: String,
    conclusion: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "__typename")]
enum Node {
    CheckRun(CheckRun),
    StatusContext(StatusContext),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckRun {
    database_id: Option<u64>,
    name: String,
    status: String,
    conclusion: Option<String>,
    completed_at: Option<Timestamp>,
    check_suite: CheckSuite,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckSuite {
    database_id: Option<u64>,
    app: Option<raw::App>,
    workflow_run: Option<WorkflowRun>,
}

#[derive(Debug, Deserialize)]
struct WorkflowRun {
    event: String,
    workflow: Workflow,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workflow {
    database_id: Option<u64>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusContext {
    context: String,
    state: String,
    description: Option<String>,
    created_at: Option<Timestamp>,
}

impl CheckSuite {
    /// Returns what started it, with its number; `None` for what is no run of a workflow, or not shown as one.
    fn start(&self) -> Option<(u64, Start)> {
        let run = self.workflow_run.as_ref()?;
        Some((self.database_id?, Start { workflow: run.workflow.database_id?, event: run.event.clone() }))
    }
}

// Both are read as REST tells them: GraphQL has the same words in capitals.

impl CheckRun {
    fn into_run(self) -> Run {
        Run::of(raw::CheckRun {
            id: self.database_id,
            name: self.name,
            status: self.status.to_ascii_lowercase(),
            conclusion: self.conclusion.map(|word| word.to_ascii_lowercase()),
            completed_at: self.completed_at,
            check_suite: Some(raw::CheckSuite { id: self.check_suite.database_id }),
            app: self.check_suite.app,
        })
    }
}

impl StatusContext {
    fn into_check(self) -> Check {
        let Self { context, state, description, created_at } = self;
        // REST does not list what was not set at all.
        let state = if state == "EXPECTED" { "pending".to_owned() } else { state.to_ascii_lowercase() };
        of_status(raw::Status { context, state, description, updated_at: created_at })
    }
}

/// Reads the checks of a commit, and the suites that have no check run; `None` where they are not all there, or have another shape than
/// documented. `hides_starts` says that what started a suite may be withheld.
pub(super) fn checks(commit: &Value, hides_starts: bool) -> Option<Vec<Check>> {
    let (mut checks, speaking) = reported(commit)?;
    let suites =
        Suites::deserialize(commit.get("checkSuites")?).ok().filter(|suites| !suites.page_info.has_next_page)?;
    let mut workflows = Workflows::default();
    let mut all = Vec::new();
    for node in suites.nodes {
        let id = node.suite.database_id?;
        workflows.starts.extend(node.suite.start());
        let run = node.suite.workflow_run;
        workflows.names.extend(run.and_then(|run| run.workflow.name).map(|name| (id, name)));
        let conclusion = node.conclusion.map(|word| word.to_ascii_lowercase());
        let (status, app) = (node.status.to_ascii_lowercase(), node.suite.app.and_then(|app| app.slug));
        all.push(Suite { id, status, conclusion, app, has_runs: speaking.contains(&id) });
    }
    checks.extend(silent(&all, (!hides_starts).then_some(&workflows)));
    Some(checks)
}

/// Reads the check runs and statuses of a commit, and the numbers of the suites that have check runs: to ask each suite for its own would
/// cost as much as fifty such questions.
fn reported(commit: &Value) -> Option<(Vec<Check>, BTreeSet<u64>)> {
    // Without any check there is no rollup.
    let rollup: Option<Rollup> = Deserialize::deserialize(commit.get("statusCheckRollup")?).ok()?;
    let Some(rollup) = rollup else { return Some((Vec::new(), BTreeSet::new())) };
    if rollup.contexts.page_info.has_next_page {
        return None;
    }
    let (mut runs, mut starts, mut statuses) = (Vec::new(), Starts::new(), Vec::new());
    let mut speaking = BTreeSet::new();
    for node in rollup.contexts.nodes {
        match node {
            Node::CheckRun(run) => {
                starts.extend(run.check_suite.start());
                speaking.extend(run.check_suite.database_id);
                runs.push(run.into_run());
            }
            Node::StatusContext(status) => statuses.push(status.into_check()),
        }
    }
    // REST numbers every one.
    let checks = || worst(counting(&runs, &starts).into_iter().chain(statuses));
    runs.iter().all(Run::is_numbered).then(|| (checks(), speaking))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::pull_request::CheckState;

    fn rollup(more: bool, nodes: &Value) -> Value {
        let suites = json!({"pageInfo": {"hasNextPage": false}, "nodes": []});
        let contexts = json!({"pageInfo": {"hasNextPage": more}, "nodes": nodes});
        json!({"statusCheckRollup": {"contexts": contexts}, "checkSuites": suites})
    }

    #[test]
    fn words_are_those_of_rest_and_the_worst_of_a_name_counts() {
        let run = |name: &str, status: &str, conclusion: Option<&str>| json!({"__typename": "CheckRun", "name": name, "status": status, "conclusion": conclusion, "completedAt": null, "databaseId": 1, "checkSuite": {"databaseId": 1, "app": null, "workflowRun": null}});
        let status = |name: &str, state: &str| json!({"__typename": "StatusContext", "context": name, "state": state, "description": null, "createdAt": "2026-11-20T08:00:00Z"});
        let nodes = json!([
            run("build", "COMPLETED", Some("SUCCESS")),
            run("build", "COMPLETED", Some("TIMED_OUT")),
            run("lint", "IN_PROGRESS", None),
            status("e2e", "EXPECTED"),
            status("scan", "ERROR"),
        ]);
        let told = checks(&rollup(false, &nodes), false).unwrap();
        let told: Vec<_> = told.iter().map(|check| (check.name.as_str(), check.state, check.word.as_str())).collect();
        let expected = [
            ("build", CheckState::Failed, "timed_out"),
            ("e2e", CheckState::Pending, "pending"),
            ("lint", CheckState::Pending, "in_progress"),
            ("scan", CheckState::Failed, "error"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_not_told_whole_is_not_known() {
        assert_eq!(checks(&rollup(true, &json!([])), false), None);
        let mut silent = rollup(false, &json!([]));
        silent["statusCheckRollup"] = Value::Null;
        assert_eq!(checks(&silent, false), Some(Vec::new()));
        let mut more = silent.clone();
        more["checkSuites"]["pageInfo"]["hasNextPage"] = true.into();
        let mut hidden = silent.clone();
        hidden["checkSuites"] = Value::Null;
        let new = rollup(false, &json!([{"__typename": "New"}]));
        for other in [json!(null), json!({}), json!({"statusCheckRollup": 1}), new, more, hidden] {
            assert_eq!(checks(&other, false), None, "{other}");
        }
    }
}
