//! Merge queues and merge trains: put in once, taken out when somebody says no, and not put back for what has failed there.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, Kind, Stage};
use crate::support::forge::Stands;

const FROZEN: &str = "    gates: {freezes: [{from: 2020-01-01, to: 2200-01-01}]}\n";

impl Stage {
    /// Starts with a pull request that stands in the queue.
    pub(in crate::forge) async fn queued(kind: Kind) -> Self {
        let stage = Self::merging(kind).await;
        stage.store.kept().protection.queue = true;
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        assert_eq!(stage.store.kept().queued, [1]);
        stage
    }

    fn is_queued(&self) -> bool {
        self.store.refresh();
        self.store.kept().queued.contains(&1)
    }

    /// Writes the environment's configuration anew.
    fn set_environment(&self, environment: &str) {
        let config = String::from_utf8(self.store.repository.show("main", ".tagboat.yaml")).unwrap();
        let (before, _) = config.split_once("    publish:").unwrap();
        self.push("main", ".tagboat.yaml", &format!("{before}{environment}"));
    }
}

pub(in crate::forge) async fn what_a_person_or_a_gate_stops_is_taken_out_of_the_queue(kind: Kind) {
    for stop in ["hold", "freeze", "changes"] {
        let stage = Stage::queued(kind).await;
        match stop {
            "hold" => stage.label(1, "tagboat/hold"),
            "freeze" => stage.set_environment(&format!("{AUTO}{FROZEN}")),
            _ => {
                let review = ("ada".to_owned(), kind.reviews[1].to_owned(), stage.store.pull(1).sha);
                stage.store.change(1, |pull| pull.reviews.push(review));
            }
        }
        let (action, reason) = stage.pass(9).await;
        assert!(!stage.is_queued(), "{stop}: {action:?} {reason}");
        assert_ne!(action, Some(Action::Enqueued), "{stop}");
        assert!(reason.contains("it waits in no merge queue any more"), "{stop}: {reason}");
        stage.pass(9).await;
        stage.requests();
        stage.pass(9).await;
        assert_eq!(stage.requests().1, Vec::<String>::new(), "{stop}: it is taken out once");
        match stop {
            "hold" => stage.store.change(1, |pull| pull.labels.clear()),
            "freeze" => stage.set_environment(AUTO),
            _ => stage.store.change(1, |pull| pull.reviews.clear()),
        }
        let mut acts = Vec::new();
        for _ in 0..2 {
            acts.push(stage.acts(9).await);
        }
        assert_eq!(acts.last(), Some(&Some(Action::Enqueued)), "{stop}: what was taken out comes back, {acts:?}");
        assert!(stage.is_queued(), "{stop}");
    }
}

pub(in crate::forge) async fn what_a_queue_has_thrown_out_waits_for_another_head_or_base(kind: Kind, why: &str) {
    let stage = Stage::queued(kind).await;
    let waits = async |what: &str, most: usize| {
        stage.store.throw_out(1, "failed_checks");
        for _ in 0..3 {
            stage.requests();
            let (action, reason) = stage.pass(9).await;
            assert_eq!((action, stage.is_queued()), (Some(Action::Unchanged), false), "{what}");
            assert!(reason.contains(&format!("it has left the merge queue ({why})")), "{what}: {reason}");
            assert!(reason.contains("`tagboat/retry`"), "{reason}");
            let (count, writes) = stage.requests();
            assert!(count <= most && writes.is_empty(), "{what}: {count} {writes:?}");
        }
    };
    let most = if kind.below.is_empty() { 2 } else { 9 };
    waits("at once", most).await;
    stage.push("main", "notes", "something else");
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert!(stage.is_queued(), "the base has changed");
    waits("again", most).await;
    let before = stage.store.pull(1).sha;
    stage.label(1, "tagboat/retry");
    stage.acts(10).await;
    assert_ne!(stage.only().sha, before);
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(10).await, Some(Action::Enqueued));
    assert!(stage.is_queued(), "a person has asked for it");
    assert_eq!(stage.states(), [Stands::Open]);
}

pub(in crate::forge) async fn a_queue_that_does_not_take_it_is_asked_again(
    kind: Kind,
    refusal: (&'static str, &'static str),
) {
    let stage = Stage::merging(kind).await;
    stage.store.kept().protection.queue = true;
    stage.store.trap(refusal.0, refusal.1, crate::support::forge::Fault::Before(405));
    assert_ne!(stage.acts(9).await, Some(Action::Enqueued));
    assert!(!stage.is_queued());
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert!(stage.is_queued());
}

/// Whatever became of the answer, the next pass knows that it may be there.
pub(in crate::forge) async fn what_was_put_there_unheard_is_taken_out_when_a_person_holds_it(
    kind: Kind,
    order: (&'static str, &'static str),
) {
    let stage = Stage::merging(kind).await;
    stage.store.kept().protection.queue = true;
    stage.store.trap(order.0, order.1, crate::support::forge::Fault::Lost);
    stage.pass(9).await;
    assert!(stage.is_queued(), "the order was heard");
    stage.label(1, "tagboat/hold");
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    assert!(!stage.is_queued());
}
