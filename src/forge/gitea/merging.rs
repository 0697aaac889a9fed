//! Merging on Gitea: at the commit that was judged, in the way that the repository prefers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::gitea::Gitea;
use crate::forge::gitea::raw::{RawPullRequest, RawRepository};
use crate::forge::rest::Reply;
use crate::forge::words::Words;
use crate::model::commit::CommitId;
use crate::model::marker;
use crate::model::pull_request::{Armed, Marker, Merge, PullRequest};

impl Gitea {
    /// Merges a pull request whose head is still `head`.
    pub(super) async fn accept(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Merge, ForgeError> {
        let Some(order) = self.order(pull_request, head, message).await? else { return Ok(archived()) };
        let url = self.of("pulls", pull_request, &["merge"]);
        let reply = match self.rest.write(Method::POST, url, Some(&order)).await {
            Ok(reply) => reply,
            Err(lost @ ForgeError::Later { .. }) => {
                // Whether it was merged is not known: that is looked up, and never ordered twice in one pass.
                let now = self.read_one(pull_request).await.map_err(|_also_lost| lost.clone())?;
                return landed(&now, head).ok_or(lost);
            }
            Err(other) => return Err(other),
        };
        match reply.status {
            // The answer is empty; what was made is told by the pull request alone.
            StatusCode::OK => Ok(landed(&self.read_one(pull_request).await?, head).unwrap_or_else(merging)),
            StatusCode::CREATED => Ok(Merge::Enqueued),
            // So it answers as well once it has merged it, and may not remove the branch.
            StatusCode::FORBIDDEN => match landed(&self.read_one(pull_request).await?, head) {
                Some(merged) => Ok(merged),
                None => self.not_ready(&reply),
            },
            _ => self.not_ready(&reply),
        }
    }

    /// Tells Gitea to merge by itself once the checks that the base requires have passed. No listing tells of that, so the hidden marker
    /// says it before it is so, and until it is taken back: whatever cuts this short, the next pass knows that it may be, and tells it again.
    pub(super) async fn schedule(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Merge, ForgeError> {
        let Some(mut order) = self.order(pull_request, head, message).await? else { return Ok(archived()) };
        order["merge_when_checks_succeed"] = true.into();
        let now = self.read_one(pull_request).await?;
        if let Some(changed) = changed(&now, head) {
            return Ok(changed);
        }
        if !self.mark(pull_request, &now, Armed::Perhaps).await? {
            return Ok(Merge::NotReady(
                "its body has lost the hidden line by which it would be known again".to_owned(),
            ));
        }
        let url = self.of("pulls", pull_request, &["merge"]);
        let reply = self.rest.write(Method::POST, url, Some(&order)).await?;
        let refused = match reply.status {
            // 409: it is told that already, by an order whose answer was lost, or by a person.
            StatusCode::OK | StatusCode::CREATED | StatusCode::CONFLICT => None,
            _ => Some(self.not_ready(&reply)),
        };
        // An order for later is not bound to the commit that it names: what was pushed meanwhile must not be merged by it.
        let now = self.read_one(pull_request).await?;
        match (refused, changed(&now, head)) {
            (None, None) => {
                self.mark(pull_request, &now, Armed::Yes).await?;
                Ok(Merge::Enqueued)
            }
            (_, Some(merged @ Merge::Merged(_))) => Ok(merged),
            // What the marker says stays true: whoever takes it back each time changes the body in every pass.
            (Some(refused), None) => refused,
            (refused, Some(changed)) => {
                self.unschedule(pull_request).await?;
                refused.unwrap_or(Ok(changed))
            }
        }
    }

    /// Takes back that Gitea merges by itself.
    pub(super) async fn unschedule(&self, pull_request: &PullRequest) -> Result<(), ForgeError> {
        let reply = self.rest.write(Method::DELETE, self.of("pulls", pull_request, &["merge"]), None).await?;
        match reply.status {
            // 404: it was never told, or has done it.
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::NOT_FOUND => {}
            StatusCode::FORBIDDEN => {
                let words = reply.words();
                return Err(ForgeError::Skip(format!("somebody else has told Gitea to merge it by itself ({words})")));
            }
            _ => return Err(self.refused(&reply)),
        }
        let now = self.read_one(pull_request).await?;
        self.mark(pull_request, &now, Armed::No).await.map(drop)
    }

    /// Writes into the hidden marker whether Gitea merges by itself; `false` where there is none.
    async fn mark(&self, pull_request: &PullRequest, now: &RawPullRequest, armed: Armed) -> Result<bool, ForgeError> {
        let Some(read) = marker::read(now.body()) else { return Ok(false) };
        let wanted = Marker { armed, ..read.clone() };
        if wanted != read {
            let body = marker::replace(now.body(), &wanted);
            self.change(pull_request, &json!({ "body": body })).await?;
        }
        Ok(true)
    }

    /// Returns what is ordered to merge a head; `None` in an archived repository.
    async fn order(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Option<Value>, ForgeError> {
        let settings = self.read_settings().await?;
        if settings.archived {
            return Ok(None);
        }
        let style = settings.style();
        let mut order = json!({ "Do": style, "head_commit_id": head.as_str(), "delete_branch_after_merge": true });
        match (style, Words::of(message)) {
            ("squash", Some(words)) => {
                order["MergeTitleField"] = format!("{} (#{})", words.subject, pull_request.number.0).into();
                order["MergeMessageField"] = words.rest.into();
            }
            // The title of a merge stays Gitea's own.
            ("merge" | "rebase-merge", Some(words)) => order["MergeMessageField"] = words.whole.into(),
            _ => {}
        }
        Ok(Some(order))
    }

    /// Says what a refusal to merge means.
    fn not_ready(&self, reply: &Reply) -> Result<Merge, ForgeError> {
        let words = reply.words();
        let reason = match reply.status.as_u16() {
            403 => format!("the token may not merge it ({words})"),
            // A draft, a protected branch, a way of merging that is not allowed, or "try again later".
            405 => format!("Gitea does not merge it now ({words})"),
            409 => format!("its head has moved, or it has conflicts with its base ({words})"),
            _ => return Err(self.refused(reply)),
        };
        Ok(Merge::Denied(reason))
    }

    /// Asks for the settings of the repository; once, since they are the same for all of its pull requests.
    pub(super) async fn read_settings(&self) -> Result<RawRepository, ForgeError> {
        let asked = async {
            let reply = self.rest.read(self.url(&[], &[])).await?;
            reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()
        };
        self.settings.of(self.rest.turn(), &(), asked).await
    }
}

fn archived() -> Merge {
    Merge::NotReady("the repository is archived".to_owned())
}

fn merging() -> Merge {
    Merge::NotReady("Gitea is merging it: the next pass looks again".to_owned())
}

/// Returns what it came to, where it is not open any more at this head.
fn changed(now: &RawPullRequest, head: &CommitId) -> Option<Merge> {
    let moved = || {
        (now.head.sha != head.as_str() || now.state != "open")
            .then(|| Merge::NotReady("its head has moved, or it was closed: the next pass looks again".to_owned()))
    };
    landed(now, head).or_else(moved)
}

/// Returns the merge, where it was this head that was merged.
fn landed(now: &RawPullRequest, head: &CommitId) -> Option<Merge> {
    let is_head = now.merged && now.head.sha == head.as_str();
    let commit = now.merge_commit_sha.as_deref().filter(|id| !id.is_empty()).unwrap_or(head.as_str());
    is_head.then(|| Merge::Merged(CommitId(commit.into())))
}
