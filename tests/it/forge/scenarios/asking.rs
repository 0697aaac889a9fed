//! How often a forge is asked by a pass in which nothing changed.

use std::sync::Arc;

use tagboat::forge::{Forge, ForgeError};
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, WEB};
use crate::support::forge::{Fault, Pull};

impl Stage {
    /// Runs a pass with a client that lives on, and counts its requests.
    async fn counted(&self, forge: &Arc<dyn Forge>, hour: u32) -> (Outcome, usize) {
        self.requests();
        let outcome = self.outcome_with(forge, hour).await;
        (outcome, self.requests().0)
    }
}

/// More pull requests than one page has: what lies below a page that did not change did not change either.
pub(in crate::forge) async fn a_long_list_is_read_whole_again_only_where_its_newest_page_changed(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.bury();
    let forge = (kind.client)(&stage.address);
    stage.counted(&forge, 9).await;
    for _ in 0..2 {
        assert_eq!(stage.counted(&forge, 9).await.1, 1);
    }
    // What a person does far below comes up, and is heeded.
    stage.label(1, "tagboat/hold");
    let (outcome, count) = stage.counted(&forge, 9).await;
    assert!(outcome.proposals[0].reason.as_deref().unwrap().contains("`tagboat/hold`") && count > 1, "{count}");
    assert_eq!(stage.counted(&forge, 9).await.1, 1);
    stage.store.change(1, |pull| pull.labels.clear());
    for number in 2..112 {
        stage.store.change(number, |pull| pull.title = "newer".to_owned());
    }
    stage.counted(&forge, 9).await;
    assert_eq!(stage.counted(&forge, 9).await.1, 1);
    // A forge that does not count a push as a change: Git tells of it.
    let updated = stage.pulls()[0].updated;
    stage.push(HEAD, "notes", "mine");
    stage.store.refresh();
    stage.store.rewind(1, updated);
    stage.counted(&forge, 9).await;
    let (outcome, count) = stage.counted(&forge, 9).await;
    assert!(
        outcome.proposals[0].reason.as_deref().unwrap().contains("somebody else has pushed") && count > 1,
        "{count}"
    );
}

/// A run in CI has a client of its own, which remembers nothing: the first page, and one of those that are open.
pub(in crate::forge) async fn a_run_of_its_own_asks_once_more_where_there_is_more_than_a_page(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.requests();
    for (is_long, most) in [(false, 1), (true, 2)] {
        if is_long {
            stage.bury();
        }
        for _ in 0..2 {
            assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
            let (count, writes) = stage.requests();
            assert_eq!((count, writes), (most, Vec::new()), "{is_long}");
        }
    }
}

/// GitHub's documentation asks for a minute where no other wait is named; the others count by the minute.
pub(in crate::forge) async fn too_many_requests_without_a_wait_are_heeded_at_once(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    let forge = (kind.client)(stage.address());
    let is_a_minute =
        |error: &ForgeError| matches!(error, ForgeError::Later { after: Some(wait), .. } if wait.as_secs() == 60);
    for _ in 0..2 {
        stage.store.trap("GET", kind.opening, Fault::Before(429));
    }
    let told = forge.list().await.unwrap_err();
    assert!(is_a_minute(&told), "{told:?}");
    assert!(matches!(forge.list().await, Err(ForgeError::Later { after: Some(_), .. })));
    assert_eq!(stage.store.requests().len(), 1, "nothing more is asked");
    // The same where something was to change.
    let stage = Stage::new(kind, PLAIN);
    stage.store.trap("POST", kind.opening, Fault::Before(429));
    stage.acts(8).await;
    let posts = |all: &[String]| all.iter().filter(|line| line.starts_with("POST ")).count();
    let asked = stage.store.requests();
    assert!(posts(&asked) == 1 && asked.last().unwrap().starts_with("POST "), "{asked:?}");
}

/// Whether what is proposed to be held still is, the same list tells as everything else.
pub(in crate::forge) async fn a_proposed_hold_costs_no_list_of_its_own(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    stage.acts(8).await;
    let text = format!("version: 1\nholds:\n  - image: {WEB}\n    tag: 1.6.0\n    by: Ada\n    reason: it leaks\n");
    stage.store.repository.git(&["branch", "--quiet", "tagboat/@holds", "main"]);
    stage.push("tagboat/@holds", ".tagboat/holds.yaml", &text);
    let pull = Pull { head: "tagboat/@holds".to_owned(), body: String::new(), ..stage.pulls()[0].clone() };
    stage.store.open(pull).unwrap();
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.pulls()[0].title, "prod: update web to 1.5.0");
    stage.requests();
    stage.outcome("mirror", 9).await;
    let all = stage.store.requests();
    assert_eq!(all.iter().filter(|line| line.contains("state=all")).count(), 1, "{all:?}");
    let checks = if kind.below == "gitlab/" { 2 } else { 1 };
    assert_eq!(all.len(), 1 + checks, "{all:?}");
}
