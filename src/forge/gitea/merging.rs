//! Merging on Gitea: at the commit that was judged, in the way that the repository prefers.

use std::sync::PoisonError;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::gitea::Gitea;
use crate::forge::gitea::raw::{RawPullRequest, RawRepository};
use crate::model::commit::CommitId;
use crate::model::pull_request::{Merge, PullRequest};

impl Gitea {
    /// Merges a pull request whose head is still `head`.
    pub(super) async fn accept(&self, pull_request: &PullRequest, head: &CommitId) -> Result<Merge, ForgeError> {
        let settings = self.read_settings().await?;
        if settings.archived {
            return Ok(Merge::NotReady("the repository is archived".to_owned()));
        }
        let order = json!({
            "Do": settings.style(),
            "head_commit_id": head.as_str(),
            "delete_branch_after_merge": true,
        });
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
        let words = reply.words();
        let reason = match reply.status.as_u16() {
            200 => {
                // The answer is empty; what was made is told by the pull request alone.
                let now = self.read_one(pull_request).await?;
                return Ok(landed(&now, head)
                    .unwrap_or_else(|| Merge::NotReady("Gitea is merging it: the next pass looks again".to_owned())));
            }
            201 => return Ok(Merge::Enqueued),
            403 => format!("the token may not merge it ({words})"),
            // A draft, a protected branch, a way of merging that is not allowed, or "try again later".
            405 => format!("Gitea does not merge it now ({words}): the next pass asks again"),
            409 => format!("its head has moved, or it has conflicts with its base ({words})"),
            _ => return Err(self.refused(&reply)),
        };
        Ok(Merge::NotReady(reason))
    }

    /// Asks for the settings of the repository; once, since they are the same for all of its pull requests.
    pub(super) async fn read_settings(&self) -> Result<RawRepository, ForgeError> {
        if let Some(known) = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(known);
        }
        let reply = self.rest.read(self.url(&[], &[])).await?;
        if reply.status != StatusCode::OK {
            return Err(self.refused(&reply));
        }
        let settings: RawRepository = reply.json()?;
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings.clone());
        Ok(settings)
    }
}

/// Returns the merge, where it was this head that was merged.
fn landed(now: &RawPullRequest, head: &CommitId) -> Option<Merge> {
    let is_head = now.merged && now.head.sha == head.as_str();
    let commit = now.merge_commit_sha.as_deref().filter(|id| !id.is_empty()).unwrap_or(head.as_str());
    is_head.then(|| Merge::Merged(CommitId(commit.into())))
}
