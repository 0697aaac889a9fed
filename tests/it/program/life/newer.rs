//! Stories of a base that takes no direct push, of names that change together, and of refusals where commits are made.

use crate::program::life::{ALL, Change, Life, PLAIN, Place, Story, WITH_REPORTS, close, newer, nothing};
use crate::support::forge::CheckRow;

const COMMITS: &str = "    publish: commit\n";
const WATCHED: &str = "    publish: commit\n    onFailure: {checks: [argocd/prod], within: 12h}\n";

pub(super) const PROPOSED_TO_BE_HELD: Story = Story {
    environment: PLAIN,
    places: ALL,
    before: &[],
    steps: &[hold_one, hold_another, release_one, release_another],
};
pub(super) const HELD_ANEW_ON_A_BASE_THAT_MOVED: Story =
    Story { environment: PLAIN, places: ALL, before: HELD, steps: &[another_hold_on_the_base] };
pub(super) const HELD_BY_THE_BASE_IN_THE_END: Story =
    Story { environment: PLAIN, places: ALL, before: HELD, steps: &[squashed_hold] };
pub(super) const RETURNED_ONTO_A_PROTECTED_BASE: Story =
    Story { environment: WATCHED, places: WITH_REPORTS, before: &[nothing], steps: &[fail_where_nobody_pushes] };
pub(super) const ROLLED_BACK_ON_A_BRANCH_OF_ITS_OWN: Story =
    Story { environment: PLAIN, places: ALL, before: &[another_line], steps: &[roll_back_there] };
pub(super) const CLOSED_WITH_ITS_ENVIRONMENT: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[rename_all] };
pub(super) const REFUSED_AND_THEN_COMMITTED: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[close_then_commit_newer] };

const HELD: &[Change] = &[hold_one];

/// Lets nobody push to the base; whoever keeps the repository still writes there.
fn protect(life: &Life) {
    let script = "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo protected; exit 1; }\n";
    life.store.repository.hook("update", script);
}

fn hold_one(life: &Life) {
    protect(life);
    life.orders(&["hold", &life.image("acme/web:1.5.0"), "--reason", "loses sessions"]);
}

fn hold_another(life: &Life) {
    newer(life);
    life.orders(&["hold", &life.image("acme/web:1.6.0"), "--reason", "slow"]);
}

fn release_one(life: &Life) {
    life.orders(&["release", &life.image("acme/web:1.5.0"), "--reason", "mended"]);
}

/// Nothing is left then.
fn release_another(life: &Life) {
    life.orders(&["release", &life.image("acme/web:1.6.0"), "--reason", "fast"]);
}

fn another_hold_on_the_base(life: &Life) {
    let image = life.image("acme/web");
    let text = format!("version: 1\nholds:\n  - image: {image}\n    tag: \"1.4.1\"\n    reason: by hand\n");
    life.store.repository.land("main", &[(".tagboat/holds.yaml", &text)], "By hand", 3);
}

fn squashed_hold(life: &Life) {
    let text = String::from_utf8(life.store.repository.show("tagboat/@holds", ".tagboat/holds.yaml")).unwrap();
    life.store.repository.land("main", &[(".tagboat/holds.yaml", &text)], "Squashed", 3);
}

fn fail_where_nobody_pushes(life: &Life) {
    protect(life);
    let at = String::leak(life.store.repository.git(&["log", "-1", "--format=%cI", "main"]));
    let word = if life.place == Place::GitLab { "failed" } else { "failure" };
    let (sha, name) = (life.store.repository.tip("main"), "argocd/prod".to_owned());
    life.kept().checks.push(CheckRow { sha, name, word: word.to_owned(), text: String::new(), at, is_run: true });
}

/// The environment is on a branch of its own, where a person has brought 1.5.0.
fn another_line(life: &Life) {
    life.store.repository.git(&["branch", "live", "main"]);
    let web = crate::program::deployment(&life.image("acme/web:1.5.0"));
    life.store.repository.land("live", &[("prod/web.yaml", &web)], "By hand", 2);
    let config = life.config(&format!("    branch: live\n{PLAIN}"));
    life.store.repository.land("main", &[(".tagboat.yaml", &config)], "By hand", 2);
}

fn roll_back_there(life: &Life) {
    protect(life);
    life.orders(&["rollback", "prod", &life.image("acme/web"), "--reason", "loses sessions"]);
}

fn rename_all(life: &Life) {
    let config = life.config(&format!("{PLAIN}pullRequest: {{branchPrefix: tagboat/bots-, labels: [images]}}\n"));
    life.person_writes(".tagboat.yaml", &config.replace("name: prod", "name: live"));
}

fn close_then_commit_newer(life: &Life) {
    close(life);
    life.person_writes(".tagboat.yaml", &life.config(COMMITS));
    let before = life.store.repository.tip("main");
    life.settle();
    assert_eq!(life.store.repository.tip("main"), before, "what a person closed is not committed either");
    newer(life);
}
