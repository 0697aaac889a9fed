//! Merging: pinned to the commit that was judged, by a way that the repository allows, or through its merge queue.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::github::{GitHub, raw};
use crate::forge::words::Words;
use crate::model::commit::CommitId;
use crate::model::pull_request::{Merge, PullRequest};

/// Asks for what a queue wants to know of a pull request.
const QUEUED: &str = "query($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) \
                      { pullRequest(number: $number) { id isInMergeQueue } } }";

/// Puts a pull request into the queue, if its head is still this commit.
const ENQUEUE: &str = "mutation($id: ID!, $head: GitObjectID!) { enqueuePullRequest(input: {pullRequestId: $id, \
                       expectedHeadOid: $head}) { mergeQueueEntry { id } } }";

/// Tells GitHub to merge by itself, if the head is still this commit.
const ARM: &str = "mutation($id: ID!, $method: PullRequestMergeMethod!, $head: GitObjectID!, $title: String, $text: String) \
                   { enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method, expectedHeadOid: $head, \
                   commitHeadline: $title, commitBody: $text}) { clientMutationId } }";

/// Takes that back.
const DISARM: &str =
    "mutation($id: ID!) { disablePullRequestAutoMerge(input: {pullRequestId: $id}) { clientMutationId } }";

impl GitHub {
    pub(super) async fn armed(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Merge, ForgeError> {
        let asked = self.asked_of(pull_request.base.as_str()).await?;
        if let Some(unread) = asked.unread {
            return Ok(Merge::NotReady(unread));
        }
        let Some(method) = self.method(asked.methods.as_deref(), asked.is_linear).await? else {
            return Ok(Merge::NotReady(
                "the repository and the rules of its base branch allow no way to merge".to_owned(),
            ));
        };
        let (id, _) = self.queued(pull_request).await?;
        let (title, text) = said(method, pull_request, message);
        let method = method.to_ascii_uppercase();
        let order = json!({"id": id, "method": method, "head": head.as_str(), "title": title, "text": text});
        match self.transport.graphql(ARM, order).await? {
            Ok(_) => Ok(Merge::Enqueued),
            Err(words) => Ok(Merge::NotReady(format!("GitHub does not merge it by itself: {}", words.join("; ")))),
        }
    }

    pub(super) async fn disarmed(&self, pull_request: &PullRequest) -> Result<(), ForgeError> {
        let (id, _) = self.queued(pull_request).await?;
        match self.transport.graphql(DISARM, json!({"id": id})).await? {
            Ok(_) => Ok(()),
            Err(words) => Err(ForgeError::Skip(format!(
                "GitHub does not take back that it merges by itself: {}",
                words.join("; ")
            ))),
        }
    }

    pub(super) async fn merged(
        &self,
        pull_request: &PullRequest,
        head: &CommitId,
        message: &str,
    ) -> Result<Merge, ForgeError> {
        let asked = self.asked_of(pull_request.base.as_str()).await?;
        if let Some(unread) = asked.unread {
            return Ok(Merge::NotReady(unread));
        }
        if asked.has_queue {
            return self.enqueued(pull_request, head).await;
        }
        let Some(method) = self.method(asked.methods.as_deref(), asked.is_linear).await? else {
            return Ok(Merge::NotReady(
                "the repository and the rules of its base branch allow no way to merge".to_owned(),
            ));
        };
        let url = self.url(&["pulls", &pull_request.number.0.to_string(), "merge"], &[]);
        let mut body = json!({"sha": head.as_str(), "merge_method": method});
        let (title, text) = said(method, pull_request, message);
        title.into_iter().for_each(|title| body["commit_title"] = title.into());
        text.into_iter().for_each(|text| body["commit_message"] = text.into());
        let answer = match self.transport.write(Method::PUT, &url, Some(&body)).await {
            Ok(answer) => answer,
            // The answer was lost; it may have been merged.
            Err(later @ ForgeError::Later { after: None, .. }) => {
                return self.landed(pull_request, head).await?.ok_or(later);
            }
            Err(other) => return Err(other),
        };
        match answer.status {
            StatusCode::OK => Ok(Merge::Merged(CommitId(answer.json::<raw::Merged>()?.sha.into()))),
            // The documented answers for "cannot be merged" and "the head is another one": the next pass looks again.
            StatusCode::METHOD_NOT_ALLOWED => {
                Ok(Merge::NotReady(format!("GitHub does not merge it so far: {}", answer.words())))
            }
            StatusCode::CONFLICT => {
                Ok(Merge::NotReady(format!("its head or its base has moved since it was judged ({})", answer.words())))
            }
            StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY if answer.is_by_rule() => {
                Ok(Merge::NotReady(format!("the rules of the base branch forbid it: {}", answer.words())))
            }
            _ => Err(answer.refusal("to merge a pull request")),
        }
    }

    /// Returns the commit by which a head was merged after all.
    async fn landed(&self, pull_request: &PullRequest, head: &CommitId) -> Result<Option<Merge>, ForgeError> {
        let now = self.seen(pull_request).await?;
        let is_it = now.merged_at.is_some() && now.head.sha == head.as_str();
        Ok(now.merge_commit_sha.filter(|_| is_it).map(|sha| Merge::Merged(CommitId(sha.into()))))
    }

    /// Returns a way to merge that the repository and its rules allow. A squash comes first: the one commit keeps its
    /// message with the trailers, and the base branch its straight line.
    async fn method(&self, rules: Option<&[String]>, is_linear: bool) -> Result<Option<&'static str>, ForgeError> {
        let repository = self.repository().await?;
        let ways = [
            ("squash", repository.allow_squash_merge),
            ("merge", repository.allow_merge_commit),
            ("rebase", repository.allow_rebase_merge),
        ];
        // Who may not push is not told what is allowed; then a plain merge is tried.
        if ways.iter().all(|(_, allowed)| allowed.is_none()) {
            return Ok(Some("merge"));
        }
        let fits = |way: &str| rules.is_none_or(|rules| rules.iter().any(|rule| rule == way));
        let mut allowed = ways.into_iter().filter(|(_, allowed)| *allowed == Some(true)).map(|(way, _)| way);
        Ok(allowed.find(|way| fits(way) && !(is_linear && *way == "merge")))
    }

    /// Asks what the repository allows; once, since it is the same for all of its pull requests.
    async fn repository(&self) -> Result<raw::Repository, ForgeError> {
        let asked = async {
            let answer = self.transport.get(&self.url(&[], &[])).await?;
            if answer.status == StatusCode::OK { answer.json() } else { Err(answer.refusal("to show the repository")) }
        };
        self.settings.of(&(), asked).await
    }

    /// Returns what GraphQL calls a pull request, and whether it is in the queue.
    async fn queued(&self, pull_request: &PullRequest) -> Result<(String, bool), ForgeError> {
        let asked = json!({"owner": self.owner, "name": self.name, "number": pull_request.number.0});
        let said = match self.transport.ask_graphql(QUEUED, asked, &[]).await? {
            Ok(said) => said.data,
            Err(words) => {
                return Err(ForgeError::Skip(format!("GitHub does not tell of its queue: {}", words.join("; "))));
            }
        };
        let pull = &said["repository"]["pullRequest"];
        match pull["id"].as_str() {
            Some(id) => Ok((id.to_owned(), pull["isInMergeQueue"] == true)),
            None => Err(ForgeError::Skip("GitHub does not know the pull request any more".to_owned())),
        }
    }

    async fn enqueued(&self, pull_request: &PullRequest, head: &CommitId) -> Result<Merge, ForgeError> {
        let (id, is_queued) = self.queued(pull_request).await?;
        if is_queued {
            return Ok(Merge::Enqueued);
        }
        match self.transport.graphql(ENQUEUE, json!({"id": id, "head": head.as_str()})).await? {
            Ok(_) => Ok(Merge::Enqueued),
            Err(words) => Ok(Merge::NotReady(format!("the merge queue does not take it: {}", words.join("; ")))),
        }
    }
}

/// Returns the title and the text of the commit by which it is merged, where GitHub makes one: the title of a merge stays its own.
fn said<'a>(method: &str, pull_request: &PullRequest, message: &'a str) -> (Option<String>, Option<&'a str>) {
    match (method, Words::of(message)) {
        ("squash", Some(words)) => (Some(format!("{} (#{})", words.subject, pull_request.number.0)), Some(words.rest)),
        ("merge", Some(words)) => (None, Some(words.whole)),
        _ => (None, None),
    }
}
