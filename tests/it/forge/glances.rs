//! What GitHub's GraphQL tells of many pull requests at once: as much as REST tells of each, and no pass that only waits asks more.

use tagboat::model::proposal::{Action, Proposal};

use crate::forge::github::GITHUB;
use crate::forge::scenarios::Stage;
use crate::support::forge::{Deed, Fault, Protection};

const AUTO: &str = "    publish: autoMerge\n";

/// What one pull request waits for.
struct Wait {
    environment: &'static str,
    brings_about: fn(&Stage),
    says: &'static str,
}

fn reviews(stage: &Stage, all: &[(&str, &str)]) {
    let sha = stage.store.pull(1).sha;
    let rows = all.iter().map(|(who, word)| ((*who).to_owned(), (*word).to_owned(), sha.clone())).collect();
    stage.store.change(1, |pull| pull.reviews = rows);
}

fn protects(stage: &Stage, protection: Protection) {
    stage.store.kept().protection = protection;
}

fn wants_approvals(stage: &Stage, approvals: u32) {
    protects(stage, Protection { approvals, ..Protection::default() });
}

const WAITS: [Wait; 16] = [
    Wait {
        environment: AUTO,
        brings_about: |stage| reviews(stage, &[("ada", "APPROVED"), ("ada", "CHANGES_REQUESTED")]),
        says: "changes are requested by ada",
    },
    Wait {
        environment: AUTO,
        brings_about: |stage| {
            reviews(stage, &[("ada", "CHANGES_REQUESTED"), ("ada", "COMMENTED"), ("helper[bot]", "CHANGES_REQUESTED")]);
        },
        says: "changes are requested by ada, helper[bot]",
    },
    Wait { environment: AUTO, brings_about: |stage| wants_approvals(stage, 1), says: "0 of 1 approvals that the base" },
    Wait {
        environment: AUTO,
        brings_about: |stage| {
            wants_approvals(stage, 2);
            reviews(
                stage,
                &[
                    ("ada", "APPROVED"),
                    ("stranger", "APPROVED"),
                    ("grace", "CHANGES_REQUESTED"),
                    ("grace", "DISMISSED"),
                ],
            );
        },
        says: "1 of 2 approvals that the base",
    },
    Wait {
        environment: AUTO,
        brings_about: |stage| {
            wants_approvals(stage, 1);
            let old = ("ada".to_owned(), "APPROVED".to_owned(), "0".repeat(40));
            stage.store.change(1, |pull| pull.reviews.push(old));
        },
        says: "0 of 1 approvals that the base",
    },
    Wait {
        environment: AUTO,
        brings_about: |stage| protects(stage, Protection { required: vec!["e2e".to_owned()], ..Protection::default() }),
        says: "required checks have not reported: e2e",
    },
    Wait {
        environment: AUTO,
        brings_about: |stage| protects(stage, Protection { ruled: vec!["e2e".to_owned()], ..Protection::default() }),
        says: "required checks have not reported: e2e",
    },
    Wait {
        environment: AUTO,
        brings_about: |stage| {
            let both = (vec!["e2e".to_owned()], vec!["scan".to_owned()]);
            protects(stage, Protection { required: both.0, ruled: both.1, approvals: 1, ..Protection::default() });
            reviews(stage, &[("ada", "CHANGES_REQUESTED")]);
        },
        says: "required checks have not reported: e2e, scan",
    },
    Wait {
        environment: AUTO,
        brings_about: |stage| stage.store.kept().unknown = 9,
        says: "still working out whether it can be merged",
    },
    Wait {
        environment: "    publish: autoMerge\npullRequest: {rebase: conflict}\n",
        brings_about: |stage| {
            protects(stage, Protection { strict: true, ..Protection::default() });
            stage.store.repository.land("main", &[("readme", "moved")], "By hand", 2);
        },
        says: "it is behind the base branch, which wants it up to date",
    },
    Wait {
        environment: "    publish: autoMerge\n    gates: {approvals: 1}\n",
        brings_about: |_| {},
        says: "0 of 1 approvals of its head commit",
    },
    Wait {
        environment: "    publish: autoMerge\n    gates: {approvals: 1}\n",
        brings_about: |stage| reviews(stage, &[("ada", "APPROVED"), ("grace", "CHANGES_REQUESTED")]),
        says: "changes are requested by grace",
    },
    Wait {
        environment: "    publish: autoMerge\n    gates: {approvals: 1}\n",
        brings_about: |stage| {
            reviews(stage, &[("ada", "APPROVED")]);
            stage.check("slow", "in_progress");
        },
        says: "checks are not done: slow",
    },
    Wait {
        environment: "    publish: autoMerge\npullRequest: {allowNoChecks: true}\n",
        brings_about: |stage| {
            stage.store.kept().checks.clear();
            wants_approvals(stage, 1);
        },
        says: "0 of 1 approvals that the base",
    },
    Wait {
        environment: "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n",
        brings_about: |stage| wants_approvals(stage, 1),
        says: "0 of 1 approvals that the base",
    },
    Wait {
        environment: "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n",
        brings_about: |stage| reviews(stage, &[("ada", "CHANGES_REQUESTED")]),
        says: "changes are requested by ada",
    },
];

impl Wait {
    async fn stage(&self) -> Stage {
        let stage = Stage::new(GITHUB, self.environment);
        stage.acts(8).await;
        stage.check("build", "success");
        (self.brings_about)(&stage);
        // What is said of gates is said.
        stage.pass(9).await;
        stage.store.requests();
        stage
    }

    fn is_of_native(&self) -> bool {
        self.environment.contains("nativeAutoMerge")
    }
}

/// Why the one pull request waits: the reason of its proposal, or what its gates say.
async fn why(stage: &Stage) -> String {
    let outcome = stage.outcome("mirror", 9).await;
    let waits = |proposal: &Proposal| {
        assert_ne!(proposal.action, Action::Merged, "{:?}", proposal.reason);
        format!("{:?} {:?}", proposal.gates, proposal.reason)
    };
    outcome.proposals.iter().map(waits).collect()
}

#[tokio::test]
async fn a_pass_that_waits_for_whatever_it_is_asks_twice() {
    for wait in &WAITS {
        let stage = wait.stage().await;
        why(&stage).await;
        let asked = stage.store.requests();
        assert!(asked.len() == 2 && asked[1].starts_with("QUERY "), "{}: {asked:?}", wait.says);
    }
}

#[tokio::test]
async fn rest_and_graphql_say_the_same() {
    for wait in &WAITS {
        let stage = wait.stage().await;
        let at_once = why(&stage).await;
        assert!(at_once.contains(wait.says), "{}: {at_once}", wait.says);
        let is_at_once = |line: &String| line.starts_with("QUERY ");
        assert!(stage.store.requests().iter().any(is_at_once));
        (0..2).for_each(|_| stage.store.trap("QUERY", "/graphql", Fault::Before(404)));
        assert_eq!(why(&stage).await, at_once, "{}", wait.says);
        let asked = stage.store.requests();
        assert!(
            asked.len() > 2 && asked.iter().any(|line| line.ends_with("/reviews?per_page=100&page=1")),
            "{asked:?}"
        );
        assert!(wait.is_of_native() || !asked.iter().any(|line| line.starts_with("POST ")), "{asked:?}");
    }
}

#[tokio::test]
async fn rules_that_graphql_does_not_show_are_asked_for_by_rest() {
    for (wait, field) in [(&WAITS[2], "rules"), (&WAITS[2], "refUpdateRule"), (&WAITS[5], "refUpdateRule")] {
        let stage = wait.stage().await;
        stage.store.kept().withholds_of_base = Some(field);
        assert!(why(&stage).await.contains(wait.says));
        let asked = stage.store.requests();
        assert!(asked.iter().any(|line| line.contains("/rules/branches/main")), "{asked:?}");
        // What is known without them is not asked for again.
        stage.check("slow", "in_progress");
        assert!(why(&stage).await.contains("checks are not done: slow"));
        assert_eq!(stage.store.requests().len(), 2);
    }
}

/// What was told of all at once says who waits; what is merged was asked about by itself, and at that very commit.
#[tokio::test]
async fn what_is_merged_is_asked_about_anew() {
    let stage = Stage::merging(GITHUB).await;
    stage.store.trap("GET", "/reviews", Fault::Meanwhile(Deed::Drafts));
    let (action, reason) = stage.pass(9).await;
    assert!(action != Some(Action::Merged) && reason.contains("draft"), "{action:?} {reason}");
    stage.store.change(1, |pull| pull.draft = false);
    stage.store.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let asked = stage.store.requests();
    for part in ["QUERY ", "/check-runs", "/status?", "/rules/branches/", "/reviews", "/pulls/1 ", "PUT "] {
        let is_it = |line: &String| format!("{line} ").contains(part);
        assert!(asked.iter().any(is_it), "{part}: {asked:?}");
    }
}

/// One that GitHub merges by itself, once its checks have passed, waits for nothing else.
#[tokio::test]
async fn one_that_github_merges_by_itself_costs_no_more() {
    let stage = Stage::armed(GITHUB, "build").await;
    stage.store.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert_eq!(stage.store.requests().len(), 2);
}

/// The deployment of an environment, its status, and the earlier ones, each with its status; the cache knows all of that.
#[tokio::test]
async fn deployments_that_were_told_are_asked_about_only_without_a_cache() {
    let mut stage = Stage::new(GITHUB, "    publish: commit\n    deployments: true\n");
    for (hour, tags) in [(8, &["1.4.0", "1.5.0"] as &[&str]), (9, &["1.4.0", "1.5.0", "1.6.0"])] {
        stage.list(tags);
        stage.pass(hour).await;
    }
    assert_eq!(stage.store.kept().deployments.len(), 2);
    let asked = async |stage: &Stage| {
        stage.store.requests();
        stage.pass(10).await;
        let all = stage.store.requests();
        assert!(all.iter().all(|line| line.starts_with("GET ")), "{all:?}");
        all.iter().filter(|line| line.contains("/deployments")).count()
    };
    assert_eq!(asked(&stage).await, 3 + 1);
    stage.cache = Some(stage.scratch.path("cache.db"));
    assert_eq!(asked(&stage).await, 3 + 1);
    assert_eq!(asked(&stage).await, 0);
}
