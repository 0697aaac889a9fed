//! Answers that are lost, late or wrong, and two passes at once.

use std::time::Duration;

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, manifest};
use crate::support::forge::{Deed, Fault, Pull, Stands};

/// Longer than anybody waits in silence for a forge's answer, and shorter than the time for one question.
const SILENCE: Duration = Duration::from_secs(16);

impl Stage {
    /// Runs a pass that meets a fault. As soon as what is answered too slowly was done, the time goes by that anybody waits for it.
    async fn disturbed(&self, fault: Fault, hour: u32) -> Option<Action> {
        let pass = self.acts(hour);
        if fault != Fault::Slow {
            return pass.await;
        }
        let wait = async {
            self.store.is_slow().await;
            tokio::time::pause();
            tokio::time::advance(SILENCE).await;
            tokio::time::resume();
        };
        tokio::join!(pass, wait).0
    }
}

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
    for fault in [Fault::After(502), Fault::Lost, Fault::Slow] {
        let stage = Stage::new(kind, PLAIN);
        stage.store.trap("POST", kind.opening, fault);
        stage.disturbed(fault, 8).await;
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
    for fault in [Fault::After(502), Fault::Lost, Fault::Slow] {
        let stage = Stage::new(kind, AUTO);
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        stage.store.trap(kind.merging.0, kind.merging.1, fault);
        stage.disturbed(fault, 9).await;
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

/// The list lags behind the pass's own merge, which looks again on the base as that left it.
pub(in crate::forge) async fn a_listing_that_is_behind_a_merge_closes_nothing(kind: Kind) {
    let stage = Stage::merging(kind).await;
    let before = stage.only();
    stage.store.kept().late = 1;
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(stage.store.kept().late, 0, "the list was asked once more");
    assert_eq!((stage.runs().as_str(), outcome.errors.as_slice()), ("1.5.0", [].as_slice()));
    let pull = stage.only();
    assert_eq!((pull.state, pull.body, pull.comments), (Stands::Merged, before.body, Vec::new()));
    let actions: Vec<Action> = outcome.proposals.iter().map(|proposal| proposal.action).collect();
    assert!(actions.contains(&Action::Merged) && !actions.contains(&Action::Closed), "{actions:?}");
    assert!(!actions.contains(&Action::LeftAlone), "nobody has it in hand: {actions:?}");
    assert_eq!(stage.acts(10).await, None);
}

/// A person has closed or merged it, the list does not tell yet, and something newer has come.
pub(in crate::forge) async fn what_was_closed_or_merged_is_not_turned_into_something_newer(kind: Kind) {
    for is_merged in [false, true] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        let before = stage.only();
        match is_merged {
            true => drop(stage.store.merge(1).unwrap()),
            false => stage.close(1),
        }
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        stage.store.kept().late = 1;
        let (action, reason) = stage.pass(9).await;
        assert_eq!((action, stage.store.kept().late), (Some(Action::Waiting), 0), "{reason}");
        let pull = stage.only();
        assert_eq!((pull.title, pull.body), (before.title, before.body), "what stood there says so for good");
        assert_eq!(stage.store.at(HEAD), Some(before.sha), "nothing is pushed there");
        assert_eq!(stage.acts(10).await, Some(Action::Opened), "nobody has refused what is newer");
        let pulls = stage.pulls();
        assert_eq!((pulls.len(), pulls[1].state), (2, Stands::Open));
        assert!(pulls[1].title.ends_with("1.6.0"), "{}", pulls[1].title);
    }
}

/// A person does it right after the list was told: something newer has come, the words are others, or nothing of it is left to do.
pub(in crate::forge) async fn a_label_or_a_push_that_the_list_did_not_tell_of_is_heeded(kind: Kind) {
    let begun = async |change: &dyn Fn(&Stage), fault: Fault| {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        change(&stage);
        let before = stage.only();
        for fault in [Fault::Labelled("another"), fault] {
            stage.store.trap("GET", kind.opening, fault);
        }
        let outcome = stage.outcome("mirror", 9).await;
        assert!(stage.store.kept().traps.is_empty(), "{:?}", stage.store.requests());
        let proposal = outcome.proposals.first().unwrap();
        let (action, reason) = (proposal.action, proposal.reason.clone().unwrap_or_default());
        let expected = if fault == Fault::Pushed { Action::Waiting } else { Action::LeftAlone };
        assert_eq!(action, expected, "{fault:?}: {reason}");
        let after = stage.only();
        let text = |pull: &Pull| (pull.state, pull.title.clone(), pull.body.clone(), pull.comments.clone());
        assert_eq!(text(&before), text(&after), "{fault:?}");
        (stage, before.sha, reason)
    };
    let newer = |stage: &Stage| stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let reworded = |stage: &Stage| stage.store.change(1, |pull| pull.title = "My words".to_owned());
    let done = |stage: &Stage| stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    for change in [&newer as &dyn Fn(&Stage), &reworded, &done] {
        let (stage, sha, reason) = begun(change, Fault::Meanwhile(Deed::Holds)).await;
        assert!(reason.contains("`tagboat/hold`"), "{reason}");
        assert_eq!(stage.store.at(HEAD), Some(sha));
    }
    let (stage, sha, reason) = begun(&done, Fault::Pushed).await;
    assert!(reason.contains("has moved to"), "{reason}");
    assert_ne!(stage.store.at(HEAD), Some(sha), "what a person pushed is there");
}

/// The list tells that a person has closed or merged it, and what is asked about its branch alone does not yet.
pub(in crate::forge) async fn what_was_closed_or_merged_is_not_opened_in_other_words(kind: Kind) {
    for is_merged in [false, true] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        let before = stage.only();
        match is_merged {
            true => drop(stage.store.merge(1).unwrap()),
            false => stage.close(1),
        }
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        stage.store.kept().late_of_heads = 1;
        let (action, reason) = stage.pass(9).await;
        assert_eq!((action, stage.store.kept().late_of_heads), (Some(Action::Waiting), 0), "{reason}");
        let pull = stage.only();
        assert_eq!((pull.title, pull.body), (before.title, before.body), "what stood there says so for good");
        assert_eq!(stage.acts(10).await, Some(Action::Opened), "nobody has refused what is newer");
        let pulls = stage.pulls();
        assert_eq!((pulls.len(), pulls[1].state), (2, Stands::Open));
        assert!(pulls[1].title.ends_with("1.6.0"), "{}", pulls[1].title);
    }
}

pub(in crate::forge) async fn two_passes_at_once_open_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let (one, other) = tokio::join!(stage.outcome("one", 8), stage.outcome("other", 8));
    assert_eq!(one.proposals.len() + other.proposals.len(), 2);
    assert_eq!(stage.states(), [Stands::Open]);
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    assert_eq!(stage.states(), [Stands::Open]);
}
