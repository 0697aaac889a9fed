//! Asking REST for what decides at a head commit whether it may be merged: checks, statuses, reviews, protection, conflicts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use octocrab::models::StatusState;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::github::judging::{Asked, Pushers, Told, UNTOLD, approvers, reviewed};
use crate::forge::github::permissions::NO_CHECKS;
use crate::forge::github::runs::{Run, Start, counting, is_settled, worst};
use crate::forge::github::suites::{Suite, Workflows, is_due, silent};
use crate::forge::github::{GitHub, raw};
use crate::model::commit::CommitId;
use crate::model::image::shorten;
use crate::model::pull_request::{Check, CheckState, PullRequest, Readiness, Status};

/// Of how many who approve a pull request REST is asked, one by one: nobody waits for more.
const MOST_APPROVERS: usize = 20;

impl GitHub {
    pub(super) async fn judged(&self, pull_request: &PullRequest, checks: Vec<Check>) -> Result<Readiness, ForgeError> {
        let mut asked = self.asked_of(pull_request.base.as_str()).await?;
        let reviews = self.reviews(pull_request).await?;
        let checks = checks.into_iter().chain(self.silent(&pull_request.commit).await?).collect();
        let (queue, pushers) = match self.beside(pull_request).await? {
            Some(beside) => {
                asked.has_queue |= beside.has_queue;
                (Some(beside.queue), beside.pushers)
            }
            None if asked.has_queue => (Some(self.queued(pull_request).await?.queue), BTreeMap::new()),
            None => (None, BTreeMap::new()),
        };
        if asked.has_queue {
            self.queues.lock().unwrap_or_else(PoisonError::into_inner).insert(pull_request.number);
        }
        let pushers = self.pushers(approvers(&reviews, pull_request), pushers).await?;
        // Last of all: whatever a person does to it meanwhile is heeded.
        let now = self.seen(pull_request).await?.into_now();
        Ok(Told { asked, reviews, pushers, now, queue }.judge(pull_request, checks))
    }

    /// Counts who approves the head commit and may push.
    pub(super) async fn approved(&self, pull_request: &PullRequest) -> Result<u32, ForgeError> {
        let reviews = self.reviews(pull_request).await?;
        let approvers = approvers(&reviews, pull_request);
        if approvers.is_empty() {
            return Ok(0);
        }
        let told = self.beside(pull_request).await?.map(|beside| beside.pushers).unwrap_or_default();
        Ok(reviewed(reviews, &self.pushers(approvers, told).await?, pull_request).0)
    }

    /// Asks of whom it is not told yet whether they may push, each once in a pass. Apps, which are no collaborators, GraphQL alone tells of.
    async fn pushers(&self, approvers: BTreeSet<String>, told: BTreeMap<String, bool>) -> Result<Pushers, ForgeError> {
        let mut pushers = Pushers { told, refusal: None };
        let untold: Vec<String> =
            approvers.into_iter().filter(|login| !pushers.told.contains_key(login)).take(MOST_APPROVERS).collect();
        for login in untold {
            match self.permissions.of(self.transport.turn(), &login, self.may_push(&login)).await? {
                Ok(may_push) => drop(pushers.told.insert(login, may_push)),
                Err(reason) => {
                    tracing::warn!(login = shorten(&login), reason, "{UNTOLD}");
                    pushers.refusal = Some(reason);
                }
            }
        }
        Ok(pushers)
    }

    /// Asks whether somebody may push; `Err` says why that is not told.
    async fn may_push(&self, login: &str) -> Result<Result<bool, String>, ForgeError> {
        let answer =
            self.transport.get_as::<raw::Permission>(&self.url(&["collaborators", login, "permission"], &[])).await?;
        if answer.status == StatusCode::OK {
            // What is called maintaining counts as writing here, and what has a name of its own as what it stands on.
            let told: raw::Permission = answer.json()?;
            return Ok(Ok(matches!(told.permission.as_str(), "admin" | "write")));
        }
        match answer.refusal("to tell what somebody may do in the repository") {
            ForgeError::Skip(reason) => Ok(Err(reason)),
            other => Err(other),
        }
    }

    /// Looks at one pull request.
    pub(super) async fn seen(&self, pull_request: &PullRequest) -> Result<raw::PullRequest, ForgeError> {
        let url = self.url(&["pulls", &pull_request.number.0.to_string()], &[]);
        let answer = self.transport.get(&url).await?;
        if answer.status == StatusCode::OK { answer.json() } else { Err(answer.refusal("to show a pull request")) }
    }

    /// Both kinds of checks, every page. Of several that count and share a name, as jobs of two workflows may, the worst counts.
    pub(super) async fn checked(&self, commit: &CommitId) -> Result<Vec<Check>, ForgeError> {
        let path = self.path(&["commits", commit.as_str(), "check-runs"]);
        let filter = [("filter", "latest")];
        let what = "to list the check runs";
        let runs =
            self.transport.pages_if_shown((&path, &filter), what, |page: raw::CheckRuns| page.check_runs).await?;
        let runs: Vec<raw::CheckRun> = runs.map_err(|answer| match self.is_fine_grained() {
            true if answer.status == StatusCode::FORBIDDEN => {
                ForgeError::Skip(format!("{}: {NO_CHECKS}", answer.refusal(what)))
            }
            _ => answer.refusal(what),
        })?;
        let statuses = self.statuses_of(commit).await?;
        let runs: Vec<Run> = runs.into_iter().map(Run::of).collect();
        let workflows = if is_settled(&runs) { None } else { self.workflows(commit).await? };
        let starts = workflows.unwrap_or_default().starts;
        Ok(worst(counting(&runs, &starts).into_iter().chain(statuses.into_iter().map(of_status))))
    }

    /// Asks for the commit statuses, every page.
    pub(super) async fn statuses_of(&self, commit: &CommitId) -> Result<Vec<raw::Status>, ForgeError> {
        let path = self.path(&["commits", commit.as_str(), "status"]);
        let what = "to list the commit statuses";
        self.transport.pages((&path, &[]), what, |page: raw::CombinedStatus| page.statuses).await
    }

    /// Asks for the suites that have no check run: what a workflow that could not start, or that waits to be let run, says alone.
    async fn silent(&self, commit: &CommitId) -> Result<Vec<Check>, ForgeError> {
        let path = self.path(&["commits", commit.as_str(), "check-suites"]);
        let what = "to list the check suites";
        let suites = self.transport.pages((&path, &[]), what, |page: raw::CheckSuites| page.check_suites).await?;
        let suite = |suite: raw::WholeSuite| Suite {
            id: suite.id,
            status: suite.status.unwrap_or_default(),
            conclusion: suite.conclusion,
            app: suite.app.and_then(|app| app.slug),
            has_runs: suite.latest_check_runs_count > 0,
        };
        let suites: Vec<Suite> = suites.into_iter().map(suite).collect();
        let workflows = if is_due(&suites) { self.workflows(commit).await? } else { None };
        Ok(silent(&suites, workflows.as_ref()))
    }

    /// Asks for the runs of workflows at a commit; `None` where they are not shown.
    async fn workflows(&self, commit: &CommitId) -> Result<Option<Workflows>, ForgeError> {
        let (path, query) = (self.path(&["actions", "runs"]), [("head_sha", commit.as_str())]);
        let what = "to list the runs of workflows";
        let runs = self.transport.pages_if_shown((&path, &query), what, |page: raw::WorkflowRuns| page.workflow_runs);
        let runs = match runs.await? {
            Ok(runs) => runs,
            Err(answer) => {
                let reason = answer.refusal(what);
                tracing::warn!(%reason, "checks of one name are not told apart, and the worst of them counts");
                return Ok(None);
            }
        };
        let mut workflows = Workflows::default();
        for run in runs {
            let Some(suite) = run.check_suite_id else { continue };
            workflows.starts.insert(suite, Start { workflow: run.workflow_id, event: run.event });
            workflows.names.extend(run.name.map(|name| (suite, name)));
        }
        Ok(Some(workflows))
    }

    /// Reads what rulesets and branch protection ask for, once for all pull requests; whoever may read the repository may read both, and nobody has to
    /// be its administrator for that.
    pub(super) async fn asked_of(&self, base: &str) -> Result<Asked, ForgeError> {
        self.rules.of(self.transport.turn(), &base.to_owned(), self.read_rules(base)).await
    }

    async fn read_rules(&self, base: &str) -> Result<Asked, ForgeError> {
        let path = self.path(&["rules", "branches", base]);
        let what = "to show the rules of the base branch";
        let rules = self.transport.pages_if_shown((&path, &[]), what, |page: Vec<raw::Rule>| page).await?;
        // Enterprise Servers without rulesets know no such page.
        let hidden = rules.as_ref().err().filter(|answer| answer.status != StatusCode::NOT_FOUND).cloned();
        let mut asked = Asked::of(rules.unwrap_or_default());
        let answer = self.transport.get(&self.url(&["branches", base], &[])).await?;
        if answer.status != StatusCode::OK {
            match answer.refusal("to show the base branch") {
                ForgeError::Skip(reason) => asked.unread = Some(unread(&reason)),
                other => return Err(other),
            }
            return Ok(asked);
        }
        let branch: raw::ProtectedBranch = answer.json()?;
        let classic = branch.protection.and_then(|protection| protection.required_status_checks);
        asked.add_classic(classic.into_iter().flat_map(|checks| checks.contexts));
        // Private repositories whose plan has no rules are refused the page; nothing protects their branches then.
        if let Some(hidden) = hidden.filter(|_| branch.protected) {
            match hidden.refusal(what) {
                ForgeError::Skip(reason) => asked.unread = Some(unread(&reason)),
                other => return Err(other),
            }
        }
        Ok(asked)
    }

    /// Lists the reviews, oldest first.
    pub(super) async fn reviews(&self, pull_request: &PullRequest) -> Result<Vec<raw::Review>, ForgeError> {
        let number = pull_request.number.0.to_string();
        let path = self.path(&["pulls", &number, "reviews"]);
        self.transport.pages((&path, &[]), "to list the reviews", |page: Vec<_>| page).await
    }

    pub(super) async fn status_set(&self, commit: &CommitId, status: &Status) -> Result<(), ForgeError> {
        let state = match status.state {
            CheckState::Passed => StatusState::Success,
            CheckState::Pending => StatusState::Pending,
            CheckState::Failed => StatusState::Failure,
        };
        let body = json!({"state": state, "context": status.context, "description": status.text});
        let url = self.url(&["statuses", commit.as_str()], &[]);
        let answer = self.transport.write(Method::POST, &url, Some(&body)).await?;
        if answer.status == StatusCode::CREATED { Ok(()) } else { Err(answer.refusal("to set a commit status")) }
    }
}

/// Says that nothing is merged while it is not known what the base branch asks for.
fn unread(reason: &str) -> String {
    format!(
        "what the base branch asks for cannot be read ({reason}): the token needs `contents: read` and `metadata: read`"
    )
}

pub(super) fn of_status(status: raw::Status) -> Check {
    let state = match status.state.as_str() {
        "success" => CheckState::Passed,
        "pending" => CheckState::Pending,
        _ => CheckState::Failed,
    };
    let text = status.description.unwrap_or_default();
    Check { name: status.context, state, word: shorten(&status.state), text, is_run: false, time: status.updated_at }
}
