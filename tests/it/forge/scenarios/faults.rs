//! Answers that are lost, late or wrong, and two passes at once.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, manifest};
use crate::support::forge::{Fault, Stands};

pub(in crate::forge) async fn a_listing_that_fails_changes_nothing(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let before = stage.only();
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    stage.requests();
    for _ in 0..4 {
        stage.store.trap("GET", "", Fault::Before(503));
    }
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
    assert_eq!(stage.requests().1, [""; 0]);
    assert_eq!((stage.only().updated, stage.store.at(HEAD)), (before.updated, Some(before.sha)));
    stage.store.kept().traps.clear();
    assert_eq!(stage.acts(10).await, Some(Action::Closed));
}

pub(in crate::forge) async fn an_opening_whose_answer_was_lost_is_not_repeated(kind: Kind) {
    for fault in [Fault::After(502), Fault::Lost] {
        let stage = Stage::new(kind, PLAIN);
        stage.store.trap("POST", kind.opening, fault);
        stage.acts(8).await;
        assert_eq!(stage.states(), [Stands::Open]);
        stage.acts(9).await;
        assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
        assert_eq!(stage.states(), [Stands::Open], "{fault:?}");
        let posts = stage.requests().1;
        let posts = posts.iter().filter(|line| line.starts_with("POST") && line.ends_with(kind.opening));
        assert_eq!(posts.count(), 1, "{fault:?}");
    }
}

pub(in crate::forge) async fn an_opening_that_failed_is_made_by_the_next_pass(kind: Kind) {
    for fault in [Fault::Before(500), Fault::Limited, Fault::Secondary] {
        let stage = Stage::new(kind, PLAIN);
        stage.store.trap("POST", kind.opening, fault);
        assert_eq!(stage.acts(8).await, Some(Action::Failed), "{fault:?}");
        assert_eq!(stage.states(), []);
        assert_eq!(stage.acts(9).await, Some(Action::Opened), "{fault:?}");
        assert_eq!(stage.states(), [Stands::Open]);
    }
}

pub(in crate::forge) async fn a_merge_whose_answer_was_lost_is_seen_by_the_next_pass(kind: Kind) {
    for fault in [Fault::After(502), Fault::Lost] {
        let stage = Stage::new(kind, AUTO);
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        stage.store.trap(kind.merging.0, kind.merging.1, fault);
        stage.acts(9).await;
        assert_eq!(stage.runs(), "1.5.0");
        stage.acts(10).await;
        assert_eq!(stage.states(), [Stands::Merged], "{fault:?}");
        assert_eq!(stage.acts(11).await, None);
    }
}

pub(in crate::forge) async fn a_listing_that_is_behind_opens_no_second_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.store.kept().stale = 1;
    stage.acts(9).await;
    assert_eq!(stage.states(), [Stands::Open]);
}

pub(in crate::forge) async fn two_passes_at_once_open_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let (one, other) = tokio::join!(stage.outcome("one", 8), stage.outcome("other", 8));
    assert_eq!(one.proposals.len() + other.proposals.len(), 2);
    assert_eq!(stage.states(), [Stands::Open]);
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    assert_eq!(stage.states(), [Stands::Open]);
}
