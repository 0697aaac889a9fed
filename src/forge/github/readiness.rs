//! What decides at a head commit whether it may be merged: checks, statuses, reviews, protection, conflicts.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::github::runs::{Run, Start, Starts, counting, is_settled, worst};
use crate::forge::github::{GitHub, raw};
use crate::model::commit::CommitId;
use crate::model::image::shorten;
use crate::model::pull_request::{Check, CheckState, PullRequest, Readiness, Status};

/// What the rules and the protection of a base branch ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) checks: BTreeSet<String>,
    approvals: u32,
    pub(super) has_queue: bool,
    /// The ways of merging that the rules leave, where they say so.
    pub(super) methods: Option<Vec<String>>,
    pub(super) is_linear: bool,
    /// Why they are not known, where they are not: then nothing is merged.
    pub(super) unread: Option<String>,
}

impl GitHub {
    pub(super) async fn judged(&self, pull_request: &PullRequest, checks: Vec<Check>) -> Result<Readiness, ForgeError> {
        let asked = self.asked_of(pull_request.base.as_str()).await?;
        let (approvals, changes_requested) = self.reviews(pull_request).await?;
        // Last of all: whatever a person does to it meanwhile is heeded.
        let now = self.seen(pull_request).await?;
        let blocked = blocked(&now, pull_request, &asked, approvals);
        let state = now.mergeable_state.as_deref();
        let (is_behind, is_blocked_by_checks) =
            (state == Some("behind"), state == Some("blocked") && blocked.is_some());
        let (required, has_queue) = (asked.checks, asked.has_queue);
        Ok(Readiness {
            checks,
            required,
            approvals,
            changes_requested,
            is_behind: is_behind && blocked.is_some(),
            is_blocked_by_checks: is_blocked_by_checks && approvals >= asked.approvals,
            blocked,
            has_queue,
            labels: now.labels.into_iter().map(|label| label.name).collect(),
        })
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
        let runs: Vec<raw::CheckRun> = self
            .transport
            .pages((&path, &filter), "to list the check runs", |page: raw::CheckRuns| page.check_runs)
            .await?;
        let path = self.path(&["commits", commit.as_str(), "status"]);
        let statuses: Vec<raw::Status> = self
            .transport
            .pages((&path, &[]), "to list the commit statuses", |page: raw::CombinedStatus| page.statuses)
            .await?;
        let runs: Vec<Run> = runs.into_iter().map(Run::of).collect();
        let starts = if is_settled(&runs) { Starts::new() } else { self.starts(commit).await? };
        Ok(worst(counting(&runs, &starts).into_iter().chain(statuses.into_iter().map(of_status))))
    }

    /// Asks what started the runs of workflows at a commit. Whoever may not see that knows of none.
    async fn starts(&self, commit: &CommitId) -> Result<Starts, ForgeError> {
        let (path, query) = (self.path(&["actions", "runs"]), [("head_sha", commit.as_str())]);
        let what = "to list the runs of workflows";
        let runs = self.transport.pages_if_shown((&path, &query), what, |page: raw::WorkflowRuns| page.workflow_runs);
        let runs = runs.await?.unwrap_or_else(|answer| {
            let reason = answer.refusal(what);
            tracing::warn!(%reason, "checks of one name are not told apart, and the worst of them counts");
            Vec::new()
        });
        let start =
            |run: raw::WorkflowRun| Some((run.check_suite_id?, Start { workflow: run.workflow_id, event: run.event }));
        Ok(runs.into_iter().filter_map(start).collect())
    }

    /// Reads what rulesets and branch protection ask for, once for all pull requests; whoever may read the repository may read both, and nobody has to
    /// be its administrator for that.
    pub(super) async fn asked_of(&self, base: &str) -> Result<Asked, ForgeError> {
        self.rules.of(&base.to_owned(), self.read_rules(base)).await
    }

    async fn read_rules(&self, base: &str) -> Result<Asked, ForgeError> {
        let mut asked = Asked::default();
        let path = self.path(&["rules", "branches", base]);
        let what = "to show the rules of the base branch";
        let rules = self.transport.pages_if_shown((&path, &[]), what, |page: Vec<raw::Rule>| page).await?;
        // Enterprise Servers without rulesets know no such page.
        let hidden = rules.as_ref().err().filter(|answer| answer.status != StatusCode::NOT_FOUND).cloned();
        for rule in rules.unwrap_or_default() {
            match rule.kind.as_str() {
                "required_status_checks" => {
                    asked.checks.extend(rule.parameters.required_status_checks.into_iter().map(|check| check.context));
                }
                "pull_request" => {
                    let count = rule.parameters.required_approving_review_count.unwrap_or(0);
                    asked.approvals = asked.approvals.max(count);
                    if let Some(allowed) = rule.parameters.allowed_merge_methods {
                        let both = |one: &String| asked.methods.as_ref().is_none_or(|before| before.contains(one));
                        asked.methods = Some(allowed.iter().filter(|one| both(one)).cloned().collect());
                    }
                }
                "merge_queue" => asked.has_queue = true,
                "required_linear_history" => asked.is_linear = true,
                _ => {}
            }
        }
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
        asked.checks.extend(classic.into_iter().flat_map(|checks| checks.contexts));
        // Private repositories whose plan has no rules are refused the page; nothing protects their branches then.
        if let Some(hidden) = hidden.filter(|_| branch.protected) {
            match hidden.refusal(what) {
                ForgeError::Skip(reason) => asked.unread = Some(unread(&reason)),
                other => return Err(other),
            }
        }
        Ok(asked)
    }

    /// Counts who approves the head commit, and names who asks for changes: the last word of each person.
    pub(super) async fn reviews(&self, pull_request: &PullRequest) -> Result<(u32, Vec<String>), ForgeError> {
        let number = pull_request.number.0.to_string();
        let path = self.path(&["pulls", &number, "reviews"]);
        let reviews: Vec<raw::Review> =
            self.transport.pages((&path, &[]), "to list the reviews", |page: Vec<_>| page).await?;
        let mut last: BTreeMap<String, raw::Review> = BTreeMap::new();
        for review in reviews {
            // A comment takes nothing back that was said before.
            let counts = matches!(review.state.as_str(), "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED");
            if let (true, Some(user)) = (counts, &review.user) {
                last.insert(user.login.clone(), review);
            }
        }
        let at_head = |review: &&raw::Review| review.commit_id.as_deref() == Some(pull_request.commit.as_str());
        // Anybody at all can approve in a public repository; GitHub itself counts those who may write.
        let is_one_of_us =
            |review: &&raw::Review| matches!(review.author_association.as_str(), "OWNER" | "MEMBER" | "COLLABORATOR");
        let approving = last.values().filter(|review| review.state == "APPROVED");
        let approvals = approving.filter(at_head).filter(is_one_of_us).count();
        let asking = last.iter().filter(|(_, review)| review.state == "CHANGES_REQUESTED");
        let asking = asking.map(|(login, _)| shorten(login)).collect();
        Ok((u32::try_from(approvals).unwrap_or(u32::MAX), asking))
    }

    pub(super) async fn status_set(&self, commit: &CommitId, status: &Status) -> Result<(), ForgeError> {
        let state = match status.state {
            CheckState::Passed => "success",
            CheckState::Pending => "pending",
            CheckState::Failed => "failure",
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
    Check { name: status.context, state, word: shorten(&status.state), text, time: status.updated_at }
}

/// Says why GitHub would not merge it now; `None` where nothing speaks against it but what checks and people say.
fn blocked(now: &raw::PullRequest, judged: &PullRequest, asked: &Asked, approvals: u32) -> Option<String> {
    if now.merged_at.is_some() || now.state != "open" {
        return Some("it is no longer open".to_owned());
    }
    if now.head.sha != judged.commit.as_str() {
        return Some("its head has moved since it was looked at".to_owned());
    }
    if now.base.name != judged.base.as_str() {
        return Some("its base branch has been changed: the next pass looks again".to_owned());
    }
    if now.draft {
        return Some("it is a draft".to_owned());
    }
    if let Some(unread) = &asked.unread {
        return Some(unread.clone());
    }
    if approvals < asked.approvals {
        return Some(format!("it has {approvals} of {} approvals that the base branch requires", asked.approvals));
    }
    let state = now.mergeable_state.as_deref().unwrap_or("unknown");
    match (now.mergeable, state) {
        (Some(false), _) | (_, "dirty") => Some("it conflicts with the base branch".to_owned()),
        (None, _) | (_, "unknown") => Some("GitHub is still working out whether it can be merged".to_owned()),
        (_, "draft") => Some("it is a draft".to_owned()),
        // A queue brings it up to date and asks for its checks by itself.
        _ if asked.has_queue => None,
        (_, "behind") => Some("it is behind the base branch, which wants it up to date".to_owned()),
        (_, "blocked") => Some("the protection of the base branch forbids it so far".to_owned()),
        // `clean`, `unstable` (checks that are not required, which are judged beside this) and `has_hooks`.
        _ => None,
    }
}
