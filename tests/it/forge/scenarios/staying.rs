//! Head branches that the remote refuses to remove.

use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, manifest};
use crate::support::forge::Stands;

/// Counts the deletions that are asked for; whether they are done is not decided here.
const COUNTS: &str =
    "#!/bin/sh\nwhile read -r old new ref; do case $new in *[!0]*) ;; *) echo \"$ref\" >> deletions ;; esac; done\n";

fn deletions(stage: &Stage) -> usize {
    let file = stage.store.repository.folder.join("deletions");
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

fn restricted(stage: &mut Stage) {
    stage.cache = Some(stage.scratch.path("cache.db"));
    stage.store.repository.hook("pre-receive", COUNTS);
    stage.store.repository.keep_branches();
}

/// What a pass came to, none of which is a failure.
fn told(outcome: &Outcome) -> Vec<(Action, String)> {
    assert_eq!(outcome.errors, []);
    outcome.proposals.iter().map(|one| (one.action, one.reason.clone().unwrap_or_default())).collect()
}

fn noted(outcome: &Outcome) -> Option<String> {
    outcome.skipped.iter().find(|row| row.what == HEAD).map(|row| row.reason.clone())
}

fn words(before: &str) -> String {
    format!("{before} could not be removed: deletion prohibited; error: denying ref deletion for refs/heads/{HEAD}")
}

fn stays() -> String {
    words("its branch")
}

fn note() -> Option<String> {
    Some(words("nothing needs this branch any more, and it"))
}

pub(in crate::forge) async fn what_is_merged_is_merged_though_its_branch_may_not_be_removed(kind: Kind) {
    let mut stage = Stage::merging(kind).await;
    restricted(&mut stage);
    assert_eq!(told(&stage.outcome("mirror", 9).await), [(Action::Merged, stays())]);
    assert_eq!((stage.runs().as_str(), stage.states(), deletions(&stage)), ("1.5.0", vec![Stands::Merged], 1));
    stage.requests();
    for hour in [10, 11] {
        let outcome = stage.outcome("mirror", hour).await;
        assert_eq!((told(&outcome), noted(&outcome)), (Vec::new(), note()));
        let (all, writes) = stage.requests();
        assert!(all <= 2 && writes.is_empty(), "{all}: {writes:?}");
    }
    assert_eq!(deletions(&stage), 1, "it is not tried in each pass");
    // The next one stands on the same branch.
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let outcome = stage.outcome("mirror", 12).await;
    assert_eq!((told(&outcome), noted(&outcome)), (vec![(Action::Opened, String::new())], None));
    stage.check("build", kind.words[0]);
    assert_eq!(told(&stage.outcome("mirror", 13).await), [(Action::Merged, stays())]);
    assert_eq!((stage.runs().as_str(), deletions(&stage)), ("1.6.0", 2));
}

pub(in crate::forge) async fn what_is_closed_is_closed_though_its_branch_may_not_be_removed(kind: Kind) {
    let mut stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    restricted(&mut stage);
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    let closed = (Action::Closed, format!("nothing of it is left to do; {}", stays()));
    assert_eq!(told(&stage.outcome("mirror", 9).await), [closed]);
    assert_eq!(stage.states(), [Stands::Closed]);
    let outcome = stage.outcome("mirror", 10).await;
    assert_eq!((told(&outcome), noted(&outcome)), (Vec::new(), note()));
    assert_eq!(deletions(&stage), 1);
}

pub(in crate::forge) async fn without_a_cache_a_branch_that_may_not_be_removed_is_no_failure_either(kind: Kind) {
    let mut stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    restricted(&mut stage);
    stage.cache = None;
    stage.acts(9).await;
    assert_eq!(stage.runs(), "1.5.0");
    let outcome = stage.outcome("mirror", 10).await;
    assert_eq!((told(&outcome), noted(&outcome)), (Vec::new(), note()));
}
