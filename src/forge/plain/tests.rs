use std::fmt::Debug;

use futures_util::future::FutureExt as _;

use super::*;
use crate::model::commit::Identity;
use crate::model::deployment::{Deployment, DeploymentState};
use crate::model::pull_request::{CheckState, Demands, Number, State};

fn plain() -> Plain {
    Plain::at("git.acme.example".to_owned(), "acme/gitops".to_owned())
}

/// Answers at once: nobody is asked.
fn told<T>(asked: Asked<'_, T>) -> Result<T, ForgeError> {
    asked.now_or_never().expect("nobody is waited for")
}

fn refusal<T: Debug>(asked: Asked<'_, T>) -> String {
    match told(asked) {
        Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn commit() -> CommitId {
    CommitId("tip".into())
}

fn pull_request() -> PullRequest {
    PullRequest {
        number: Number(1),
        url: "https://git.acme.example/1".to_owned(),
        state: State::Open,
        head: "tagboat/prod/web".into(),
        commit: commit(),
        base: "main".into(),
        title: "title".to_owned(),
        body: "body".to_owned(),
        marker: None,
        labels: BTreeSet::new(),
        is_draft: false,
        is_armed: true,
        told: None,
    }
}

fn new() -> NewPullRequest {
    let (title, body) = ("title".to_owned(), "body".to_owned());
    let (labels, reviewers) = (vec!["label".to_owned()], vec!["ada".to_owned()]);
    NewPullRequest {
        head: "tagboat/prod/web".into(),
        base: "main".into(),
        title,
        body,
        labels,
        is_draft: false,
        reviewers,
    }
}

#[test]
fn every_verb_about_a_pull_request_says_that_there_is_none() {
    let (plain, one, new) = (plain(), pull_request(), new());
    assert!(!plain.has_pull_requests());
    assert_eq!(told(plain.list()), Err(ForgeError::Stop(NO_PULL_REQUESTS.to_owned())));
    let heads = [one.head.clone()];
    for reason in [
        refusal(plain.of_heads(&heads)),
        refusal(plain.open(&new)),
        refusal(plain.finish(&one, &new, Finishing::Again)),
        refusal(plain.rewrite(&one, "title", "body")),
        refusal(plain.look(&one)),
        refusal(plain.close(&one, "body")),
        refusal(plain.comment(&one, "text")),
        refusal(plain.remove_label(&one, "tagboat/hold")),
        refusal(plain.merge(&one, &one.commit, "message")),
        refusal(plain.arm(&one, &one.commit, "message")),
        refusal(plain.disarm(&one)),
    ] {
        assert_eq!(reason, "plain Git has no pull requests: a head branch stands for each");
    }
    assert!(!plain.opens_in_steps(&new), "it opens none");
}

#[test]
fn every_verb_about_a_check_or_a_review_says_that_there_is_none() {
    let (plain, one, commit) = (plain(), pull_request(), commit());
    let status = Status { context: "tagboat/soak".to_owned(), state: CheckState::Passed, text: "passed".to_owned() };
    for reason in [
        refusal(plain.readiness(&one, Vec::new())),
        refusal(plain.approvals(&one)),
        refusal(plain.checks(&commit)),
        refusal(plain.is_unreported(&one)),
        refusal(plain.set_status(&commit, &status)),
    ] {
        assert_eq!(reason, "plain Git has neither checks nor reviews");
    }
}

#[test]
fn it_signs_nothing_and_says_who_does() {
    let new = NewCommit {
        branch: "tagboat/prod/web".into(),
        base: "main".into(),
        parent: commit(),
        message: "message".to_owned(),
        author: Identity::default(),
        committer: Identity::default(),
        files: Vec::new(),
    };
    let reason = plain().signs().unwrap_err();
    assert_eq!(refusal(plain().make(&new)), reason);
    assert!(reason.contains("`ssh` and `gpg` sign with a key"), "{reason}");
}

#[test]
fn it_keeps_no_deployments() {
    let deployment = Deployment {
        environment: "prod".into(),
        commit: commit(),
        state: DeploymentState::Success,
        description: "runs".to_owned(),
        failed: BTreeSet::new(),
    };
    assert!(!plain().keeps_deployments());
    assert_eq!(refusal(plain().deploy(&deployment)), "this forge keeps no deployments");
}

#[test]
fn what_is_truly_nothing_is_told_as_nothing() {
    let (plain, one) = (plain(), pull_request());
    let source = Source { host: "github.com".to_owned(), path: "acme/web".to_owned() };
    assert_eq!(told(plain.required(&"main".into())), Ok(BTreeSet::new()));
    assert!(told(plain.glance(&[one])).unwrap().is_empty());
    assert_eq!(told(plain.lacks(&Demands::default())), Ok(Vec::new()));
    assert_eq!(told(plain.asks_as()), Ok(None));
    assert_eq!(told(plain.releases(&source)), Ok(None));
    plain.doubt();
}

#[test]
fn it_knows_its_place_and_has_no_pages() {
    let place = Source { host: "git.acme.example".to_owned(), path: "acme/gitops".to_owned() };
    assert_eq!((plain().home(), plain().body_limit()), ((ForgeKind::Plain, place), 60_000));
}
