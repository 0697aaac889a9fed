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

/// A suite without any check run, as of a workflow that could not start.
#[derive(Debug, Clone)]
pub(crate) struct SilentRow {
    pub(crate) sha: String,
    pub(crate) suite: u64,
    /// The short name of its app.
    pub(crate) app: &'static str,
    /// The workflow and the event that started it.
    pub(crate) start: Option<(u64, &'static str)>,
    pub(crate) word: &'static str,
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

/// Every suite of a commit: with how many check runs it has, and the word of one.
fn suites(store: &Store, sha: &str, runs: &[(usize, SuiteRow)]) -> Vec<(SilentRow, usize)> {
    let mut suites: Vec<(SilentRow, usize)> = Vec::new();
    for (_, run) in runs {
        match suites.iter_mut().find(|(suite, _)| suite.suite == run.suite) {
            Some((_, count)) => *count += 1,
            None => {
                let word = if is_open(&run.row.word) { "in_progress" } else { "success" };
                let (sha, suite, app, start) = (sha.to_owned(), run.suite, run.app(), run.start);
                suites.push((SilentRow { sha, suite, app, start, word }, 1));
            }
        }
    }
    let silent = store.kept().silent.clone().into_iter().filter(|suite| suite.sha == sha);
    suites.extend(silent.map(|suite| (suite, 0)));
    suites
}

fn is_open(word: &str) -> bool {
    matches!(word, "queued" | "in_progress" | "waiting" | "requested" | "pending")
}

/// What a workflow is called.
fn name(workflow: u64) -> String {
    format!("CI {workflow}")
}

/// Returns what REST tells of the check suites at a commit; `app` is a whole one.
pub(super) fn check_suites(store: &Store, sha: &str, runs: &[(usize, SuiteRow)], app: &Value) -> Vec<Value> {
    let row = |(suite, count): (SilentRow, usize)| {
        let mut app = app.clone();
        app["slug"] = suite.app.into();
        let (status, conclusion) =
            if is_open(suite.word) { (suite.word, None) } else { ("completed", Some(suite.word)) };
        json!({
            "id": suite.suite, "status": status, "conclusion": conclusion, "app": app, "head_sha": sha,
            "latest_check_runs_count": count,
        })
    };
    suites(store, sha, runs).into_iter().map(row).collect()
}

/// Returns what GraphQL tells of the check suites at a commit.
pub(super) fn suite_nodes(store: &Store, sha: &str, runs: &[(usize, SuiteRow)], is_withheld: bool) -> Vec<Value> {
    let node = |(suite, _): (SilentRow, usize)| {
        let word = suite.word.to_uppercase();
        let ended = !is_open(suite.word);
        let start = suite.start.filter(|_| !is_withheld).map(
            |(workflow, event)| json!({"event": event, "workflow": {"databaseId": workflow, "name": name(workflow)}}),
        );
        json!({
            "databaseId": suite.suite, "status": if ended { "COMPLETED" } else { &word },
            "conclusion": ended.then_some(&word), "app": {"slug": suite.app}, "workflowRun": start,
        })
    };
    suites(store, sha, runs).into_iter().map(node).collect()
}

/// Returns what REST tells of the runs of workflows at a commit.
pub(super) fn workflow_runs(store: &Store, sha: &str, runs: &[(usize, SuiteRow)]) -> Vec<Value> {
    let started = suites(store, sha, runs).into_iter().filter_map(|(suite, _)| Some((suite.suite, suite.start?)));
    let row = |(suite, (workflow, event))| json!({"id": suite, "check_suite_id": suite, "workflow_id": workflow, "event": event, "name": name(workflow)});
    started.map(row).collect()
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
