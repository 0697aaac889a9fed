//! Whether a merge request may be merged: its pipeline, statuses, approvals, and what GitLab itself says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use reqwest::StatusCode;

use crate::forge::gitlab::GitLab;
use crate::forge::gitlab::raw::{
    RawApprovals, RawCommit, RawMergeRequest, RawNote, RawPipeline, RawProject, RawReviewer, RawStatus, RawVersion,
    state_of,
};
use crate::forge::{DRAFT, ForgeError};
use crate::model::pull_request::{Check, CheckState, Left, PullRequest, Queue, Readiness, as_called};

/// The name under which the head pipeline as a whole stands among the checks.
const PIPELINE: &str = "pipeline";

/// What is said of a head pipeline of which nobody knows any more whether it ran for the head.
const GONE: &str = "the commit that it ran on is gone: run it again";

/// What GitLab notes when somebody approves.
const APPROVED: &str = "approved this merge request";

impl GitLab {
    /// Asks for everything that decides whether a merge request may be merged.
    pub(super) async fn read_readiness(
        &self,
        pull_request: &PullRequest,
        checks: Vec<Check>,
    ) -> Result<Readiness, ForgeError> {
        let head = pull_request.commit.as_str();
        let settings = self.read_settings().await?;
        let mut readiness = Readiness { checks, ..Readiness::default() };
        let missing = self.add_reviews(pull_request, &mut readiness).await?;
        // Last of all: whatever a person does to it meanwhile is heeded.
        let mut request = self.read_one(pull_request).await?;
        match &request.head_pipeline {
            // It was judged before it went there, and GitLab throws out what fails: its train is left to go on.
            Some(pipeline) if request.merge_when_pipeline_succeeds && pipeline.is_of_train() => {
                readiness.checks.push(of_pipeline(CheckState::Passed, &pipeline.status));
            }
            Some(pipeline) => {
                let ran = self.ran(pipeline, head).await?;
                self.add_pipeline(pipeline, ran, &mut readiness.checks).await?;
            }
            None => {}
        }
        readiness.labels = std::mem::take(&mut request.labels).into_iter().map(|label| as_called(&label)).collect();
        readiness.blocked = blocked(&request, pull_request).or(missing);
        if settings.only_allow_merge_if_pipeline_succeeds {
            readiness.required.insert(PIPELINE.to_owned());
            // Every job of it is required with it.
            readiness.required.extend(readiness.checks.iter().map(|check| check.name.clone()));
        }
        let status = request.detailed_merge_status.as_deref();
        readiness.word = status.map(str::to_owned);
        readiness.is_behind = status == Some("need_rebase");
        readiness.wants_tip = settings.merge_method.as_deref().map(|method| method != "merge");
        readiness.is_blocked_by_checks = matches!(status, Some("ci_still_running" | "ci_must_pass"));
        readiness.queue = (settings.merge_trains_enabled == Some(true)).then(|| queue(&request));
        if settings.archived {
            readiness.blocked = Some("the project is archived".to_owned());
        }
        Ok(readiness)
    }

    /// Whether no pipeline runs for the head beside the one that is made up of what the head's statuses say.
    pub(super) async fn has_no_pipeline(&self, pull_request: &PullRequest) -> Result<bool, ForgeError> {
        let request = self.read_one(pull_request).await?;
        let Some(pipeline) = request.head_pipeline else { return Ok(true) };
        if request.merge_when_pipeline_succeeds && pipeline.is_of_train() {
            return Ok(false);
        }
        Ok(match self.ran(&pipeline, pull_request.commit.as_str()).await? {
            Ran::OnHead | Ran::OnMerge => pipeline.is_external(),
            Ran::OnGone => false,
            Ran::Elsewhere => true,
        })
    }

    /// Tells what a merge request's pipeline ran on: after a push that of the head before stays there until another one begins, or for good.
    async fn ran(&self, pipeline: &RawPipeline, head: &str) -> Result<Ran, ForgeError> {
        if pipeline.sha == head {
            return Ok(Ran::OnHead);
        }
        if !pipeline.is_of_merge() {
            return Ok(Ran::Elsewhere);
        }
        let asked = async {
            let url = self.url(&["repository", "commits", &pipeline.sha], &[]);
            let reply = self.rest.read_as::<RawCommit>(url).await?;
            if reply.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json().map(Some)
        };
        let commit = self.merges.of(self.rest.turn(), &pipeline.sha, asked).await?;
        Ok(match commit {
            None => Ran::OnGone,
            Some(commit) if commit.parent_ids.iter().any(|parent| parent == head) => Ran::OnMerge,
            Some(_) => Ran::Elsewhere,
        })
    }

    /// Asks for one merge request with everything that lists leave out.
    pub(super) async fn read_one(&self, pull_request: &PullRequest) -> Result<RawMergeRequest, ForgeError> {
        let reply = self.rest.read(self.of(pull_request, &[])).await?;
        reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()
    }

    /// Asks for the settings of the project; once, since they are the same for all of its merge requests.
    pub(super) async fn read_settings(&self) -> Result<RawProject, ForgeError> {
        let asked = async {
            let reply = self.rest.read_as::<RawProject>(self.url(&[], &[])).await?;
            reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()
        };
        self.settings.of(self.rest.turn(), &(), asked).await
    }

    /// Adds the head pipeline; where it ran on the merge with the base, its jobs are not among those of the head.
    async fn add_pipeline(&self, pipeline: &RawPipeline, ran: Ran, checks: &mut Vec<Check>) -> Result<(), ForgeError> {
        let (state, word) = match ran {
            Ran::Elsewhere => return Ok(()),
            Ran::OnGone => (CheckState::Pending, GONE.to_owned()),
            Ran::OnHead | Ran::OnMerge => (state_of(&pipeline.status), pipeline.status.clone()),
        };
        if ran == Ran::OnMerge {
            let url = self.url(&["pipelines", &pipeline.id.to_string(), "jobs"], &[("per_page", "100")]);
            let jobs: Vec<RawStatus> = self.rest.pages(&url, &|reply| self.refused(reply)).await?;
            checks.extend(of_head(jobs));
        }
        // Of what came from outside Tagboat's own statuses alone are no check of the change.
        let is_ours = pipeline.is_external() && checks.iter().all(|check| check.gate().is_some());
        if !is_ours {
            checks.push(of_pipeline(state, &word));
        }
        Ok(())
    }

    /// Adds approvals and wishes for changes, as far as the version and tier have them; returns what is missing of them.
    async fn add_reviews(
        &self,
        pull_request: &PullRequest,
        readiness: &mut Readiness,
    ) -> Result<Option<String>, ForgeError> {
        let mut missing = None;
        let reply = self.rest.read(self.of(pull_request, &["approvals"])).await?;
        match reply.status {
            StatusCode::OK => {
                let approvals: RawApprovals = reply.json()?;
                readiness.approvals = self.count_of_head(pull_request, &approvals).await?;
                let left = approvals.approvals_left.filter(|left| *left > 0);
                missing = left.map(|left| format!("{left} more must approve it"));
            }
            // Not in this tier or version: then GitLab asks for none.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {}
            _ => return Err(self.refused(&reply)),
        }
        let reply = self.rest.read(self.of(pull_request, &["reviewers"])).await?;
        match reply.status {
            StatusCode::OK => {
                let reviewers: Vec<RawReviewer> = reply.json()?;
                let asking = reviewers.into_iter().filter(|reviewer| reviewer.state == "requested_changes");
                readiness.changes_requested = asking.map(|reviewer| reviewer.user.username).collect();
            }
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {}
            _ => return Err(self.refused(&reply)),
        }
        Ok(missing)
    }
}

impl GitLab {
    /// Counts who approves the head commit.
    pub(super) async fn read_approvals(&self, pull_request: &PullRequest) -> Result<u32, ForgeError> {
        let reply = self.rest.read(self.of(pull_request, &["approvals"])).await?;
        match reply.status {
            StatusCode::OK => self.count_of_head(pull_request, &reply.json()?).await,
            _ => Err(self.refused(&reply)),
        }
    }

    /// Counts the approvals that were given after the head commit came: a project may keep them when something is pushed,
    /// and GitLab does not tell which commit somebody saw.
    async fn count_of_head(&self, pull_request: &PullRequest, approvals: &RawApprovals) -> Result<u32, ForgeError> {
        if approvals.approved_by.is_empty() {
            return Ok(0);
        }
        let reply = self.rest.read(self.of(pull_request, &["versions"])).await?;
        let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?;
        let versions: Vec<RawVersion> = reply.json()?;
        let newest = versions.into_iter().max_by_key(|version| version.created_at);
        let Some(version) = newest.filter(|version| version.head_commit_sha == pull_request.commit.as_str()) else {
            return Ok(0);
        };
        let mut times: BTreeMap<&str, Option<Timestamp>> =
            approvals.approved_by.iter().map(|by| (by.user.username.as_str(), by.approved_at)).collect();
        if times.values().any(Option::is_none) {
            // Before 18.5 only the lines about what people did tell when.
            for note in self.read_deeds(pull_request).await? {
                let (Some(author), true) = (note.author, note.system && note.body == APPROVED) else { continue };
                if let Some(time) = times.get_mut(author.username.as_str()) {
                    *time = (*time).max(note.created_at);
                }
            }
        }
        let counted = times.values().filter(|time| time.is_some_and(|time| time >= version.created_at)).count();
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    }

    async fn read_deeds(&self, pull_request: &PullRequest) -> Result<Vec<RawNote>, ForgeError> {
        let mut url = self.of(pull_request, &["notes"]);
        url.query_pairs_mut().append_pair("activity_filter", "only_activity").append_pair("per_page", "100");
        self.rest.pages(&url, &|reply| self.refused(reply)).await
    }
}

/// Returns a pipeline as one check.
fn of_pipeline(state: CheckState, word: &str) -> Check {
    let (name, word) = (PIPELINE.to_owned(), word.to_owned());
    Check { name, state, word, text: String::new(), is_run: false, time: None }
}

/// What a merge request's pipeline ran on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// The head.
    OnHead,
    /// The merge of the head and its base.
    OnMerge,
    /// A merge with the base of which GitLab does not know any more whether it was that of the head.
    OnGone,
    /// Another head, or its merge.
    Elsewhere,
}

/// Keeps the newest status of each name of a commit on the base: what a pipeline said of it there comes after what one said of it as a head.
pub(super) fn of_base(statuses: Vec<RawStatus>) -> Vec<Check> {
    let newest = newest(statuses, |one| one.name.clone(), |one| one.id);
    newest.into_iter().map(RawStatus::into_plain).collect()
}

/// Keeps one status of each name of a head. Its branch has a pipeline, and its merge request has another with jobs of the same names: the worst
/// counts. On the same ref a pipeline takes the place of an earlier one.
pub(super) fn of_head(statuses: Vec<RawStatus>) -> Vec<Check> {
    // Who reports from outside does not always say so.
    let outside = statuses.iter().filter(|one| one.is_from_outside()).map(|one| one.name.clone());
    let outside: BTreeSet<String> = outside.collect();
    let of_ref = newest(statuses, |one| (one.name.clone(), one.reference.clone()), |one| (one.pipeline_id, one.id));
    let by_whom = |one: &RawStatus| (one.name.clone(), one.reference.clone().filter(|_| !outside.contains(&one.name)));
    let mut worst: BTreeMap<String, Check> = BTreeMap::new();
    for check in newest(of_ref, by_whom, |one| one.id).into_iter().map(RawStatus::into_plain) {
        match worst.get(&check.name) {
            Some(known) if known.state > check.state => {}
            _ => {
                worst.insert(check.name.clone(), check);
            }
        }
    }
    worst.into_values().collect()
}

/// Keeps of each the one of the highest age.
fn newest<K: Ord, A: Ord>(
    statuses: Vec<RawStatus>,
    of: impl Fn(&RawStatus) -> K,
    age: impl Fn(&RawStatus) -> A,
) -> Vec<RawStatus> {
    let mut newest: BTreeMap<K, RawStatus> = BTreeMap::new();
    for status in statuses {
        match newest.get(&of(&status)) {
            Some(known) if age(known) > age(&status) => {}
            _ => {
                newest.insert(of(&status), status);
            }
        }
    }
    newest.into_values().collect()
}

/// Tells where a merge request stands with the merge train: on it, or waiting to be put there, is one that GitLab merges by itself.
fn queue(request: &RawMergeRequest) -> Queue {
    let why = "GitLab does not list why".to_owned();
    let is_in = request.merge_when_pipeline_succeeds;
    Queue { is_in, left: (!is_in).then(|| Left { at: String::new(), why }), is_mute: true }
}

/// Says why GitLab would not merge it now.
fn blocked(request: &RawMergeRequest, judged: &PullRequest) -> Option<String> {
    if !matches!(request.state.as_str(), "opened" | "locked") {
        return Some("it is not open".to_owned());
    }
    if request.target_branch != judged.base.as_str() {
        return Some("its base branch has been changed: the next pass looks again".to_owned());
    }
    if request.sha.as_deref() != Some(judged.commit.as_str()) {
        return Some("its head branch has moved: the next pass looks again".to_owned());
    }
    if request.draft {
        return Some(DRAFT.to_owned());
    }
    if request.has_conflicts {
        return Some("it has conflicts with its base".to_owned());
    }
    if request.user.as_ref().is_some_and(|user| !user.can_merge) {
        return Some("the token may not merge into this branch".to_owned());
    }
    // https://docs.gitlab.com/api/merge_requests/#merge-status; before 15.6 there was but `merge_status`.
    let Some(status) = request.detailed_merge_status.as_deref() else {
        return match request.merge_status.as_deref() {
            Some("can_be_merged") if request.blocking_discussions_resolved != Some(false) => None,
            Some("can_be_merged") => Some("discussions are not resolved".to_owned()),
            Some("cannot_be_merged") => Some("it has conflicts with its base".to_owned()),
            _ => Some("GitLab is still working out whether it can be merged".to_owned()),
        };
    };
    let reason = match status {
        "mergeable" | "can_be_merged" => return None,
        "unchecked" | "checking" | "preparing" | "approvals_syncing" | "cannot_be_merged_recheck" => {
            "GitLab is still working out whether it can be merged"
        }
        "ci_still_running" => "its pipeline is still running",
        "ci_must_pass" => "its pipeline must succeed first",
        "status_checks_must_pass" => "external status checks must pass first",
        "conflict" | "broken_status" | "cannot_be_merged" => "it has conflicts with its base",
        "need_rebase" => "it is behind its base, which must be up to date here",
        "draft_status" => DRAFT,
        "discussions_not_resolved" => "discussions are not resolved",
        "not_approved" => "approvals are missing",
        "requested_changes" => "changes are requested",
        "merge_request_blocked" | "blocked_status" => "another merge request must be merged first",
        "merge_time" => "it may not be merged before a time that was set",
        "not_open" => "it is not open",
        "commits_status" => "its head branch is gone or has no commit",
        "jira_association_missing" => "it must name a Jira issue",
        "security_policy_violations" | "policies_denied" | "security_policy_pipeline_check" => {
            "a security policy forbids it"
        }
        "locked_paths" | "locked_lfs_files" => "somebody has locked a file of it",
        other => return Some(format!("GitLab says `{}`", crate::model::image::shorten(other))),
    };
    Some(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pull_request::CheckState;

    #[test]
    fn the_newest_of_a_name_counts_and_what_may_fail_passes() {
        let statuses = r#"[{"id":2,"name":"test","status":"success"},{"id":1,"name":"test","status":"failed"},
                {"id":3,"name":"lint","status":"failed","allow_failure":true},
                {"id":4,"name":"deploy","status":"manual"},{"id":5,"name":"e2e","status":"canceled"},
                {"id":6,"name":"new","status":"invented"}]"#;
        let expected = [
            ("deploy", CheckState::Failed),
            ("e2e", CheckState::Failed),
            ("lint", CheckState::Passed),
            ("new", CheckState::Pending),
            ("test", CheckState::Passed),
        ];
        for reading in [of_head, of_base] {
            let read = reading(serde_json::from_str(statuses).unwrap());
            let states: Vec<_> = read.iter().map(|check| (check.name.as_str(), check.state)).collect();
            assert_eq!(states, expected);
        }
    }

    /// Each row is a pipeline, the letter of its ref, a state, and a text; the place is the age.
    #[test]
    fn what_failed_in_any_pipeline_of_a_head_has_failed_and_on_the_base_the_newest_counts() {
        use CheckState::{Failed, Passed, Pending};
        type Row<'a> = (u64, &'a str, &'a str, Option<&'a str>);
        let of = |name: &str, rows: &[Row<'_>]| {
            let statuses = || {
                let row = |(id, (pipeline, reference, status, text)): (usize, &Row<'_>)| {
                    let row = serde_json::json!({
                        "id": id, "name": name, "status": status, "ref": reference, "pipeline_id": pipeline, "description": text,
                    });
                    serde_json::from_value(row).unwrap()
                };
                rows.iter().enumerate().map(row).collect::<Vec<RawStatus>>()
            };
            let state = |checks: Vec<Check>| checks.iter().map(|check| check.state).collect::<Vec<_>>();
            (state(of_head(statuses())), state(of_base(statuses())))
        };
        let job = |rows: &[(u64, &str, &str)]| {
            let rows: Vec<Row<'_>> = rows.iter().map(|(at, of, status)| (*at, *of, *status, None)).collect();
            of("test", &rows)
        };
        assert_eq!(job(&[(6, "a", "failed"), (7, "b", "success")]), (vec![Failed], vec![Passed]));
        assert_eq!(job(&[(6, "a", "success"), (7, "b", "failed")]), (vec![Failed], vec![Failed]));
        assert_eq!(job(&[(6, "a", "running"), (7, "b", "success")]), (vec![Pending], vec![Passed]));
        assert_eq!(job(&[(6, "a", "failed"), (7, "b", "running")]), (vec![Failed], vec![Pending]));
        // A job is begun again, and a whole pipeline is.
        assert_eq!(job(&[(6, "a", "failed"), (7, "b", "success"), (6, "a", "success")]).0, [Passed]);
        assert_eq!(job(&[(6, "a", "failed"), (8, "a", "success")]).0, [Passed]);
        assert_eq!(job(&[(6, "a", "failed"), (8, "a", "failed"), (6, "a", "success")]).0, [Failed]);
        // What comes from outside is filed under another pipeline when there is one.
        for (name, text) in [("jenkins", Some("done")), ("tagboat/soak", None), ("tagboat/soak", Some("passed"))] {
            let rows = [(6, "a", "failed", text), (7, "b", "success", text)];
            assert_eq!(of(name, &rows), (vec![Passed], vec![Passed]), "{name}");
        }
        let mixed = [(6, "a", "failed", Some("at first")), (8, "a", "success", None), (7, "b", "success", None)];
        assert_eq!(of("jenkins", &mixed).0, [Passed]);
        let once = [(6, "a", "running", Some("begun")), (7, "b", "success", None)];
        assert_eq!(of("jenkins", &once).0, [Passed], "it says so once");
        let at = |urls: [&str; 2]| {
            let row = |id: usize, status: &str| serde_json::json!({"id": id, "name": "ci", "status": status, "ref": status, "target_url": urls[id - 1]});
            let rows = serde_json::json!([row(1, "running"), row(2, "success")]);
            of_head(serde_json::from_value(rows).unwrap())[0].state
        };
        assert_eq!(at(["https://ci.acme.example/7", ""]), Passed);
        assert_eq!(at(["https://git.acme.example/-/jobs/1", "https://git.acme.example/-/jobs/2"]), Pending);
    }

    #[test]
    fn only_mergeable_is_mergeable() {
        let request = |status: &str| -> RawMergeRequest {
            let json = serde_json::json!({
                "iid": 1, "state": "opened", "target_branch": "main", "source_branch": "x", "sha": "abc",
                "detailed_merge_status": status,
            });
            serde_json::from_value(json).unwrap()
        };
        let mut judged = request("mergeable").into_plain();
        assert_eq!(blocked(&request("mergeable"), &judged), None);
        for status in ["checking", "conflict", "not_approved", "need_rebase", "draft_status", "something_new"] {
            assert!(blocked(&request(status), &judged).is_some(), "{status}");
        }
        judged.commit = crate::model::commit::CommitId("def".into());
        assert!(blocked(&request("mergeable"), &judged).unwrap().contains("moved"));
        judged.base = "live".into();
        assert!(blocked(&request("mergeable"), &judged).unwrap().contains("base branch has been changed"));
        let mut closed = request("mergeable");
        closed.state = "closed".to_owned();
        assert!(blocked(&closed, &judged).unwrap().contains("not open"));
    }
}
