//! Merging: pinned to the commit that was judged, by a way that the repository allows, or through its merge queue.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use reqwest::{Method, StatusCode};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::github::glance::Author;
use crate::forge::github::judging::Asked;
use crate::forge::github::{GitHub, raw};
use crate::forge::words::Words;
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::image::shorten;
use crate::model::pull_request::{Left, Merge, PullRequest, Queue};

/// Asks for what a queue wants to know of a pull request, and how it stands with it.
const QUEUED: &str = "query($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) \
                      { pullRequest(number: $number) { id isInMergeQueue autoMergeRequest { enabledAt } \
                      timelineItems(last: 1, itemTypes: REMOVED_FROM_MERGE_QUEUE_EVENT) \
                      { nodes { __typename ... on RemovedFromMergeQueueEvent { createdAt reason } } } } } }";

/// Asks for what REST does not tell of a pull request at all: whether its base has a merge queue also where classic protection wants that,
/// and who of those who approve may push. Enterprise Servers know all of it from 3.12 on, and none before has merge queues.
const BESIDE: &str = "query($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) \
                      { pullRequest(number: $number) { id isInMergeQueue isMergeQueueEnabled \
                      timelineItems(last: 1, itemTypes: REMOVED_FROM_MERGE_QUEUE_EVENT) \
                      { nodes { __typename ... on RemovedFromMergeQueueEvent { createdAt reason } } } \
                      reviews(last: 100, states: APPROVED) \
                      { nodes { authorCanPushToRepository author { __typename login } } } } } }";

/// What GitHub calls the only way that a base with a merge queue leaves. It has no code for that.
const QUEUE: &str = "merge queue";

/// Why one waits that was not judged as one that goes into a queue: its body would not say that it is there.
const NEWS_OF_QUEUE: &str = "its base has a merge queue, of which nothing was told before: the next pass puts it there";

/// Asks whether the classic protection of a branch wants a straight line, which REST tells administrators alone.
const LINEAR: &str = "query($owner: String!, $name: String!, $base: String!) { repository(owner: $owner, name: $name) \
                      { ref(qualifiedName: $base) { refUpdateRule { requiresLinearHistory } } } }";

/// Puts a pull request into the queue, if its head is still this commit.
const ENQUEUE: &str = "mutation($id: ID!, $head: GitObjectID!) { enqueuePullRequest(input: {pullRequestId: $id, \
                       expectedHeadOid: $head}) { mergeQueueEntry { id } } }";

/// Takes a pull request out of the queue.
const DEQUEUE: &str = "mutation($id: ID!) { dequeuePullRequest(input: {id: $id}) { clientMutationId } }";

/// Tells GitHub to merge by itself, if the head is still this commit.
const ARM: &str = "mutation($id: ID!, $method: PullRequestMergeMethod!, $head: GitObjectID!, $title: String, $text: String) \
                   { enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method, expectedHeadOid: $head, \
                   commitHeadline: $title, commitBody: $text}) { clientMutationId } }";

/// Takes that back.
const DISARM: &str =
    "mutation($id: ID!) { disablePullRequestAutoMerge(input: {pullRequestId: $id}) { clientMutationId } }";

/// How a pull request stands with the merge queue, and with merging by itself.
pub(super) struct Standing {
    /// What GraphQL calls it.
    id: String,
    /// Whether GitHub is to merge it by itself, or to put it into the queue.
    is_armed: bool,
    pub(super) queue: Queue,
}

/// What GraphQL tells of a pull request and REST does not.
pub(super) struct Beside {
    /// What GraphQL calls it.
    id: String,
    /// Whether its base has a merge queue.
    pub(super) has_queue: bool,
    pub(super) queue: Queue,
    /// Who of those who approve it may push.
    pub(super) pushers: BTreeMap<String, bool>,
}

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
        let Some(method) = self.method(&asked, &pull_request.base).await? else {
            return Ok(Merge::NotReady(
                "the repository and the rules of its base branch allow no way to merge".to_owned(),
            ));
        };
        let id = self.queued(pull_request).await?.id;
        let (title, text) = said(method, pull_request, message);
        let method = method.to_ascii_uppercase();
        let order = json!({"id": id, "method": method, "head": head.as_str(), "title": title, "text": text});
        match self.transport.graphql(ARM, order).await? {
            Ok(_) => Ok(Merge::Enqueued),
            Err(words) => Ok(Merge::Denied(format!("GitHub does not merge it by itself: {}", words.join("; ")))),
        }
    }

    pub(super) async fn disarmed(&self, pull_request: &PullRequest) -> Result<(), ForgeError> {
        let Standing { id, is_armed, queue } = self.queued(pull_request).await?;
        let orders = [
            (queue.is_in, DEQUEUE, "GitHub does not take it out of the merge queue"),
            (is_armed, DISARM, "GitHub does not take back that it merges by itself"),
        ];
        for (_, order, refusal) in orders.into_iter().filter(|(is_due, ..)| *is_due) {
            if let Err(words) = self.transport.graphql(order, json!({"id": id})).await? {
                return Err(ForgeError::Skip(format!("{refusal}: {}", words.join("; "))));
            }
        }
        // That it was put there at this head counts no more.
        let now = pull_request.disarmed();
        if now.body == pull_request.body {
            return Ok(());
        }
        self.rewritten(pull_request, &now.title, &now.body).await
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
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_judged_so = queues.contains(&pull_request.number);
        // Whoever may pass by the rules, as administrators may by default, would be let past a queue.
        match self.beside(pull_request).await? {
            Some(Beside { id, queue, .. }) if is_judged_so => return self.put((id, queue), head).await,
            Some(Beside { has_queue: true, .. }) => return Ok(Merge::NotReady(NEWS_OF_QUEUE.to_owned())),
            None if is_judged_so => return self.enqueued(pull_request, head).await,
            _ => {}
        }
        let Some(method) = self.method(&asked, &pull_request.base).await? else {
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
            StatusCode::METHOD_NOT_ALLOWED if answer.words().to_ascii_lowercase().contains(QUEUE) => {
                Ok(Merge::Denied(format!("{NEWS_OF_QUEUE} ({})", answer.words())))
            }
            // The documented answers for "cannot be merged" and "the head is another one": the next pass looks again.
            StatusCode::METHOD_NOT_ALLOWED => {
                Ok(Merge::Denied(format!("GitHub does not merge it so far: {}", answer.words())))
            }
            StatusCode::CONFLICT => {
                Ok(Merge::NotReady(format!("its head or its base has moved since it was judged ({})", answer.words())))
            }
            StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY if answer.is_by_rule() => {
                Ok(Merge::Denied(format!("the rules of the base branch forbid it: {}", answer.words())))
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
    async fn method(&self, asked: &Asked, base: &BranchName) -> Result<Option<&'static str>, ForgeError> {
        let rules = asked.methods.as_deref();
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
        let allowed = ways.into_iter().filter(|(_, allowed)| *allowed == Some(true)).map(|(way, _)| way);
        let mut allowed = allowed.filter(|way| fits(way));
        match (allowed.next(), allowed.next()) {
            (Some("merge"), other) if asked.is_linear => Ok(other),
            // Without another way GitHub's own answer says why not.
            (Some("merge"), Some(other)) if self.is_linear(base).await? => Ok(Some(other)),
            (way, _) => Ok(way),
        }
    }

    /// Whether the classic protection of a base branch wants a straight line. Where GraphQL does not tell, GitHub's answer to the merge does.
    async fn is_linear(&self, base: &BranchName) -> Result<bool, ForgeError> {
        let asked = json!({"owner": self.owner, "name": self.name, "base": format!("refs/heads/{base}")});
        match self.transport.ask_graphql(LINEAR, asked, &["refUpdateRule"]).await? {
            Ok(said) => Ok(said.data["repository"]["ref"]["refUpdateRule"]["requiresLinearHistory"] == true),
            Err(words) => {
                tracing::debug!(
                    words = words.join("; "),
                    "GraphQL does not tell whether the base wants a straight line"
                );
                Ok(false)
            }
        }
    }

    /// Asks what the repository allows; once, since it is the same for all of its pull requests.
    async fn repository(&self) -> Result<raw::Repository, ForgeError> {
        let asked = async {
            let answer = self.transport.get_as::<raw::Repository>(&self.url(&[], &[])).await?;
            if answer.status == StatusCode::OK { answer.json() } else { Err(answer.refusal("to show the repository")) }
        };
        self.settings.of(self.transport.turn(), &(), asked).await
    }

    /// Asks what GraphQL calls a pull request, and how it stands with the queue.
    pub(super) async fn queued(&self, pull_request: &PullRequest) -> Result<Standing, ForgeError> {
        let asked = json!({"owner": self.owner, "name": self.name, "number": pull_request.number.0});
        let said = match self.transport.ask_graphql(QUEUED, asked, &[]).await? {
            Ok(said) => said.data,
            Err(words) => {
                return Err(ForgeError::Skip(format!("GitHub does not tell of its queue: {}", words.join("; "))));
            }
        };
        let pull = &said["repository"]["pullRequest"];
        match pull["id"].as_str().zip(queue(pull)) {
            Some((id, queue)) => {
                Ok(Standing { id: id.to_owned(), is_armed: !pull["autoMergeRequest"].is_null(), queue })
            }
            None => Err(ForgeError::Skip("GitHub does not know the pull request any more".to_owned())),
        }
    }

    /// Asks for what GraphQL alone tells; `None` where it does not tell.
    pub(super) async fn beside(&self, pull_request: &PullRequest) -> Result<Option<Beside>, ForgeError> {
        let asked = json!({"owner": self.owner, "name": self.name, "number": pull_request.number.0});
        let words = match self.transport.ask_graphql(BESIDE, asked, &["reviews"]).await {
            Ok(Ok(said)) => return Ok(read_beside(&said.data["repository"]["pullRequest"])),
            Ok(Err(words)) => words.join("; "),
            Err(ForgeError::Skip(reason)) => reason,
            Err(other) => return Err(other),
        };
        tracing::debug!(words, "GraphQL does not tell of merge queues and of who may push");
        Ok(None)
    }

    async fn enqueued(&self, pull_request: &PullRequest, head: &CommitId) -> Result<Merge, ForgeError> {
        let Standing { id, queue, .. } = self.queued(pull_request).await?;
        self.put((id, queue), head).await
    }

    async fn put(&self, (id, queue): (String, Queue), head: &CommitId) -> Result<Merge, ForgeError> {
        if queue.is_in {
            return Ok(Merge::Enqueued);
        }
        match self.transport.graphql(ENQUEUE, json!({"id": id, "head": head.as_str()})).await? {
            Ok(_) => Ok(Merge::Enqueued),
            Err(words) => Ok(Merge::Denied(format!("the merge queue does not take it: {}", words.join("; ")))),
        }
    }
}

/// Reads how a pull request stands with the merge queue; `None` where it is not told as documented. Why it left is no enumeration.
pub(super) fn queue(pull: &Value) -> Option<Queue> {
    let last = &pull["timelineItems"]["nodes"].as_array()?.first().unwrap_or(&Value::Null);
    let at = last["createdAt"].as_str().map(str::to_owned);
    let why = shorten(last["reason"].as_str().unwrap_or("GitHub does not say why"));
    Some(Queue { is_in: pull["isInMergeQueue"].as_bool()?, left: at.map(|at| Left { at, why }), is_mute: false })
}

/// Reads what GraphQL alone tells; `None` where it is not told as documented.
fn read_beside(pull: &Value) -> Option<Beside> {
    let id = pull["id"].as_str()?.to_owned();
    let has_queue = pull["isMergeQueueEnabled"].as_bool()?;
    let pusher = |review: &Value| {
        let author = Author::deserialize(&review["author"]).ok()?;
        Some((author.login(), review["authorCanPushToRepository"].as_bool()?))
    };
    let pushers = pull["reviews"]["nodes"].as_array().into_iter().flatten().filter_map(pusher).collect();
    Some(Beside { id, has_queue, queue: queue(pull)?, pushers })
}

/// Returns the title and the text of the commit by which it is merged, where GitHub makes one: the title of a merge stays its own.
fn said<'a>(method: &str, pull_request: &PullRequest, message: &'a str) -> (Option<String>, Option<&'a str>) {
    match (method, Words::of(message)) {
        ("squash", Some(words)) => (Some(format!("{} (#{})", words.subject, pull_request.number.0)), Some(words.rest)),
        ("merge", Some(words)) => (None, Some(words.whole)),
        _ => (None, None),
    }
}
