//! Runs of workflows on a fake GitHub: check runs in suites of their own, as REST and as GraphQL tell them.

use serde_json::{Value, json};

use crate::support::forge::{CheckRow, Store};

/// The app whose suites are runs of workflows.
pub(crate) const ACTIONS: &str = "github-actions";

/// A check run in a suite of its own.
#[derive(Debug, Clone)]
pub(crate) struct SuiteRow {
    pub(crate) row: CheckRow,
    /// The number of its suite; its own number is greater the later it was added.
    pub(crate) suite: u64,
    /// The workflow and the event that started it; `None` for one of another app.
    pub(crate) start: Option<(u64, &'static str)>,
}

impl SuiteRow {
    fn app(&self) -> &'static str {
        if self.start.is_some() { ACTIONS } else { "another-app" }
    }
}

/// The number of the suite of every check run that is in none of its own.
const SUITE: u64 = 1;

/// Returns the check runs of a commit with their numbers: those that are told by name alone, the newest of each, and those in suites.
pub(super) fn of(store: &Store, sha: &str, newest: Vec<CheckRow>) -> Vec<(usize, SuiteRow)> {
    let plain = newest.into_iter().map(|row| SuiteRow { row, suite: SUITE, start: Some((1, "pull_request")) });
    let suites = store.kept().suites.clone().into_iter().filter(|one| one.row.sha == sha);
    plain.chain(suites).enumerate().map(|(at, row)| (at + 1, row)).collect()
}

/// Returns what REST tells of a check run beside its name and what it came to; `app` is a whole one.
pub(super) fn belongs((number, run): &(usize, SuiteRow), mut app: Value) -> Value {
    app["slug"] = run.app().into();
    json!({"id": number, "check_suite": {"id": run.suite}, "app": app})
}

/// Returns what REST tells of the runs of workflows at a commit.
pub(super) fn workflow_runs(runs: &[(usize, SuiteRow)]) -> Vec<Value> {
    let mut suites: Vec<(u64, u64, &str)> =
        runs.iter().filter_map(|(_, run)| run.start.map(|(workflow, event)| (run.suite, workflow, event))).collect();
    suites.sort_unstable();
    suites.dedup();
    let row = |(suite, workflow, event)| json!({"id": suite, "check_suite_id": suite, "workflow_id": workflow, "event": event});
    suites.into_iter().map(row).collect()
}

/// Returns what GraphQL tells of a check run, and whether it withholds something.
pub(super) fn node((number, run): &(usize, SuiteRow), is_withheld: bool) -> Value {
    let ended = !matches!(run.row.word.as_str(), "queued" | "in_progress");
    let word = run.row.word.to_uppercase();
    let start = run.start.filter(|_| !is_withheld);
    let start = start.map(|(workflow, event)| json!({"event": event, "workflow": {"databaseId": workflow}}));
    json!({
        "__typename": "CheckRun", "databaseId": number, "name": run.row.name,
        "status": if ended { "COMPLETED" } else { &word }, "conclusion": ended.then_some(&word),
        "completedAt": ended.then_some(run.row.at),
        "checkSuite": {"databaseId": run.suite, "app": {"slug": run.app()}, "workflowRun": start},
    })
}

/// Returns the error by which GraphQL withholds what started the runs.
pub(super) fn withheld() -> Value {
    let path = json!(["repository", "c0", "statusCheckRollup", "contexts", "nodes", 0, "checkSuite", "workflowRun"]);
    json!({"type": "FORBIDDEN", "message": "Resource not accessible by integration", "path": path})
}
