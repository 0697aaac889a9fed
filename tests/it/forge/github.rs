//! GitHub: the scenarios of every forge, and what is GitHub's alone.

use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::forge::Forge;
use tagboat::forge::github::GitHub;
use tagboat::forge::github::identity::Identity;
use tagboat::model::proposal::Action;

use crate::forge::gates::gates;
use crate::forge::scenarios::{Kind, scenarios};
use crate::support::forge::github::router;
use crate::support::forge::{Protection, Stands};

const GITHUB: Kind = Kind {
    router,
    client,
    words: ["success", "in_progress", "cancelled"],
    statuses: ["success", "pending"],
    reviews: ["APPROVED", "CHANGES_REQUESTED"],
    opening: "/pulls",
    merging: ("PUT", "/merge"),
};

fn client(address: &str) -> Arc<dyn Forge> {
    Arc::new(github(address))
}

fn github(address: &str) -> GitHub {
    let base = format!("{address}/api/v3").parse().unwrap();
    GitHub::new(base, "acme", "gitops", Identity::Token("token".into()), Arc::new(SystemClock))
}

scenarios!(GITHUB);
gates!(super::GITHUB);

#[tokio::test]
async fn a_merge_queue_is_used_where_there_is_one_and_only_once() {
    let stage = crate::forge::scenarios::Stage::merging(GITHUB).await;
    stage.store.kept().protection.queue = true;
    for _ in 0..2 {
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        assert_eq!(stage.store.kept().queued, [1]);
    }
    assert_eq!(stage.store.pull(1).state, Stands::Open, "GitHub merges it when its turn comes");
}

#[tokio::test]
async fn required_checks_and_approvals_of_the_base_are_waited_for() {
    let stage = crate::forge::scenarios::Stage::merging(GITHUB).await;
    stage.store.kept().protection.required = vec!["e2e".to_owned()];
    let reason = stage.pass(9).await.1;
    assert!(reason.contains("required checks have not reported: e2e"), "{reason}");
    stage.store.kept().protection = Protection { approvals: 1, ..Protection::default() };
    assert!(stage.pass(9).await.1.contains("0 of 1 approvals"));
    let old = ("ada".to_owned(), "APPROVED".to_owned(), "0123".to_owned());
    stage.store.change(1, |pull| pull.reviews.push(old));
    assert!(stage.pass(9).await.1.contains("0 of 1 approvals"), "an approval of another commit is none");
    let sha = stage.store.pull(1).sha;
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), "APPROVED".to_owned(), sha)));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

#[tokio::test]
async fn nobody_approves_who_has_no_part_in_the_repository() {
    let stage = crate::forge::scenarios::Stage::merging(GITHUB).await;
    let sha = stage.store.pull(1).sha;
    stage.store.kept().protection = Protection { approvals: 1, ..Protection::default() };
    stage.store.change(1, |pull| pull.reviews.push(("stranger".to_owned(), "APPROVED".to_owned(), sha.clone())));
    assert!(stage.pass(9).await.1.contains("0 of 1 approvals"));
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), "APPROVED".to_owned(), sha)));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

#[tokio::test]
async fn a_failure_on_a_further_page_of_checks_is_seen() {
    let stage = crate::forge::scenarios::Stage::merging(GITHUB).await;
    for (name, word) in [("a", "success"), ("c", "skipped"), ("z", "timed_out")] {
        stage.check(name, word);
    }
    let reason = stage.pass(9).await.1;
    assert!(reason.contains("checks failed: z (timed_out)"), "{reason}");
}
