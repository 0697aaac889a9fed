//! Merging on GitLab: at the commit that was judged, through the merge train where the project has one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::gitlab::GitLab;
use crate::forge::gitlab::raw::RawMergeRequest;
use crate::forge::rest::Reply;
use crate::forge::words::Words;
use crate::model::commit::CommitId;
use crate::model::pull_request::{Merge, PullRequest};

impl GitLab {
    /// Accepts a merge request whose head is still `head`.
    pub(super) async fn accept(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Merge, ForgeError> {
        let settings = self.read_settings().await?;
        if settings.merge_trains_enabled == Some(true) {
            // What GitLab is to merge by itself is on the train already, or will be put there.
            return if pull_request.is_armed { Ok(Merge::Enqueued) } else { self.board(pull_request, head).await };
        }
        let mut order = json!({ "sha": head.as_str(), "should_remove_source_branch": true });
        if settings.squash_option.as_deref() == Some("always") {
            order["squash"] = true.into();
        }
        self.word(&mut order, pull_request, message);
        let answer = self.rest.write(Method::PUT, self.of(pull_request, &["merge"]), Some(&order)).await;
        let reply = match answer {
            Ok(reply) => reply,
            Err(lost @ ForgeError::Later { .. }) => return self.look(pull_request, head, lost).await,
            Err(other) => return Err(other),
        };
        if reply.status == StatusCode::OK {
            return Ok(told(&reply.json()?));
        }
        self.not_ready(&reply)
    }

    /// Tells GitLab to merge by itself once the pipeline has succeeded.
    pub(super) async fn arm_pipeline(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Merge, ForgeError> {
        let settings = self.read_settings().await?;
        // The first word is of 17.11 and later, the second of all before, and still taken.
        let mut order = json!({
            "sha": head.as_str(), "should_remove_source_branch": true, "auto_merge": true, "merge_when_pipeline_succeeds": true,
        });
        if settings.squash_option.as_deref() == Some("always") {
            order["squash"] = true.into();
        }
        self.word(&mut order, pull_request, message);
        match self.rest.write(Method::PUT, self.of(pull_request, &["merge"]), Some(&order)).await {
            Ok(reply) if reply.status == StatusCode::OK => Ok(told(&reply.json()?)),
            Ok(reply) => self.not_ready(&reply),
            Err(lost @ ForgeError::Later { .. }) => self.look(pull_request, head, lost).await,
            Err(other) => Err(other),
        }
    }

    /// Adds what the commits say that GitLab makes of it: whether it squashes is the merge request's own, and a project's way of merging
    /// may make both, one or none of them.
    fn word(&self, order: &mut Value, pull_request: &PullRequest, message: &str) {
        let Some(words) = Words::of(message) else { return };
        let see = format!("See merge request {}!{}", self.project, pull_request.number.0);
        let (from, into) = (&pull_request.head, &pull_request.base);
        order["squash_commit_message"] = format!("{}\n\n{see}\n\n{}", words.subject, words.rest).into();
        order["merge_commit_message"] =
            format!("Merge branch '{from}' into '{into}'\n\n{see}\n\n{}", words.whole).into();
    }

    /// Takes back that GitLab merges by itself.
    pub(super) async fn disarm_pipeline(&self, pull_request: &PullRequest) -> Result<(), ForgeError> {
        let url = self.of(pull_request, &["cancel_merge_when_pipeline_succeeds"]);
        let reply = self.rest.write(Method::POST, url, None).await?;
        match reply.status.as_u16() {
            200 | 201 if is_cancelled(&reply.json::<Value>().unwrap_or_default()) => {}
            200 | 201 => {
                return Err(ForgeError::Skip("GitLab did not take back that it merges it by itself".to_owned()));
            }
            // Documented for one that is not waiting any more.
            406 => {}
            _ => return Err(self.refused(&reply)),
        }
        // A merge train is left by the same order; that it was put there at this head counts no more.
        let now = pull_request.disarmed();
        if now.body == pull_request.body {
            return Ok(());
        }
        self.change(pull_request, &json!({ "description": now.body })).await
    }

    /// Puts it on the merge train.
    async fn board(&self, pull_request: &PullRequest, head: &CommitId) -> Result<Merge, ForgeError> {
        let number = pull_request.number.0.to_string();
        let url = self.url(&["merge_trains", "merge_requests", &number], &[]);
        // Without `auto_merge` it is put there at once: nothing is left to wait for, and later the head may be another.
        let order = json!({ "sha": head.as_str() });
        match self.rest.write(Method::POST, url, Some(&order)).await {
            Ok(reply) if matches!(reply.status, StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::OK) => {
                Ok(Merge::Enqueued)
            }
            Ok(reply) => self.not_ready(&reply),
            // Whether it is on the train now it tells itself.
            Err(lost @ ForgeError::Later { .. }) => match self.read_one(pull_request).await {
                Ok(now) if now.state == "opened" && !now.merge_when_pipeline_succeeds => {
                    Ok(Merge::NotReady(lost.to_string()))
                }
                Ok(now) if now.sha.as_deref() == Some(head.as_str()) => Ok(told(&now)),
                _ => Err(lost),
            },
            Err(other) => Err(other),
        }
    }

    /// Looks whether an order whose answer was lost was carried out.
    async fn look(&self, pull_request: &PullRequest, head: &CommitId, lost: ForgeError) -> Result<Merge, ForgeError> {
        let now = self.read_one(pull_request).await.map_err(|_also_lost| lost.clone())?;
        if now.state == "merged" && now.sha.as_deref() == Some(head.as_str()) { Ok(told(&now)) } else { Err(lost) }
    }

    /// Says what a refusal to merge means, by its status: https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request.
    fn not_ready(&self, reply: &Reply) -> Result<Merge, ForgeError> {
        let words = reply.words();
        let reason = match reply.status.as_u16() {
            // Documented for a user who may not accept it; the token itself was good for everything before.
            401 | 403 => format!("the token may not merge it ({words})"),
            405 => format!("GitLab does not merge it now ({words})"),
            406 | 422 => format!("GitLab could not merge it ({words})"),
            400 => format!("its head has moved, or the train does not take it ({words})"),
            409 => return Ok(Merge::NotReady(format!("its head has moved, or the train does not take it ({words})"))),
            _ => return Err(self.refused(reply)),
        };
        Ok(Merge::Denied(reason))
    }
}

/// Whether an answer says that nothing is waited for any more. Documented is the merge request; what GitLab sends is the result of its
/// own service, which tells of a failure by a field alone.
fn is_cancelled(answer: &Value) -> bool {
    answer["status"] != "error" || answer["http_status"] == 406
}

/// Says what became of it, as GitLab tells it after an order.
fn told(request: &RawMergeRequest) -> Merge {
    match (request.state.as_str(), request.landed()) {
        ("merged", Some(commit)) => Merge::Merged(commit),
        _ if request.merge_when_pipeline_succeeds => Merge::Enqueued,
        _ => Merge::NotReady("GitLab is merging it: the next pass looks again".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_to_cancel_is_told_by_a_field_alone() {
        for (answer, cancelled) in [
            (json!({ "status": "success" }), true),
            (json!({ "iid": 1, "state": "opened" }), true),
            (Value::Null, true),
            (json!({ "status": "error", "message": "Can't cancel the automatic merge", "http_status": 406 }), true),
            (json!({ "status": "error", "message": "Failed", "http_status": 500 }), false),
            (json!({ "status": "error" }), false),
        ] {
            assert_eq!(is_cancelled(&answer), cancelled, "{answer}");
        }
    }
}
