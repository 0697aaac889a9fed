//! Several runs over one repository: on several bases, and with configurations of their own.

use std::sync::Arc;

use tagboat::config::repository::{Repository, parse};
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::order::{Order, OrderError};
use tagboat::pass::propose::Publishing;

use crate::forge::scenarios::{HEAD, Kind, PLAIN, Stage, WEB};
use crate::support::forge::Stands;
use crate::support::passes::{Passing, Said};
use crate::support::repository::environment;

fn read(text: &str) -> Repository {
    parse("other.yaml", text.as_bytes()).unwrap()
}

/// One of several configurations: its environment and that one's folder, what the names of its head branches begin with, and its images.
type Config<'a> = (&'a str, &'a str, &'a str, &'a str);

fn config((environment, folder, prefix, images): Config<'_>) -> String {
    format!(
        "version: 1\nimages:\n  - match: ghcr.io/acme/{images}\n    semver: 1.x\nenvironments:\n  - name: {environment}\n    \
         files: [{folder}/**]\npullRequest: {{branchPrefix: {prefix}}}\n"
    )
}

impl Stage {
    fn passing<'a>(&'a self, mirror: &str, now: &'a str) -> Passing<'a> {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let remote = Arc::new(Mirror::open(&self.scratch.path(mirror), url, Access::None, environment(None)).unwrap());
        let publishing = Publishing::Forge((self.kind.client)(&self.address));
        Passing { remote, tags: &self.tags, now, publishing }
    }

    /// Runs a pass on a base, or with a configuration of its own.
    async fn run_on(&self, branch: &str, config: Option<&str>) -> Outcome {
        let config = config.map(read);
        Box::pin(self.passing(branch, "2026-11-20T09:00:00Z").pass_on(branch, config)).await
    }

    /// What became of a group in an environment, and why.
    fn told(outcome: &Outcome, environment: &str) -> (Action, String) {
        let own = outcome.proposals.iter().find(|one| one.environment.as_str() == environment).unwrap();
        (own.action, own.reason.clone().unwrap_or_default())
    }
}

pub(in crate::forge) async fn a_run_on_another_base_leaves_what_the_first_one_has_opened(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let first = stage.store.at(HEAD);
    stage.store.repository.git(&["branch", "feature", "main"]);
    stage.push("feature", "readme", "of feature");
    let is_left = async || {
        let outcome = stage.run_on("feature", None).await;
        let (action, reason) = Stage::told(&outcome, "prod");
        let why = format!(
            "#1 into `main` has the branch {HEAD}: close that one, or give one of the two bases a `branchPrefix` of its own"
        );
        assert_eq!((action, reason), (Action::LeftAlone, why));
        assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Open], first.clone()));
        assert!(stage.only().comments.is_empty());
    };
    is_left().await;
    stage.requests();
    is_left().await;
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    // Nor does an order on that base take it.
    let (environment, what, tag) = ("prod".into(), WEB.parse().unwrap(), "1.5.0".parse().unwrap());
    let order = Order::Promote { environment, what, tag, at_once: true, skipped: [].into() };
    let said = Said { by: Some("ada"), reason: Some("needed now"), publish: None };
    let ordered = stage.passing("orders", "2026-11-20T09:00:00Z").order_on(("feature", None), &order, said).await;
    let Err(OrderError::Refused { message, .. }) = ordered else { panic!("{ordered:?}") };
    assert!(message.contains("#1 into `main` has the branch"), "{message}");
    is_left().await;
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    // What nobody wants there stays as well.
    stage.list(&["1.4.0"]);
    stage.run_on("feature", None).await;
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Open], first.clone()));
    stage.list(&["1.4.0", "1.5.0"]);
    // With a prefix of its own each base has its own.
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    stage.push("feature", ".tagboat.yaml", &format!("{config}pullRequest: {{branchPrefix: other/}}\n"));
    for _ in 0..2 {
        stage.run_on("feature", None).await;
        assert_eq!(stage.acts(11).await, Some(Action::Unchanged));
        let pulls = stage.pulls();
        assert_eq!(stage.states(), [Stands::Open; 2]);
        assert_eq!((pulls[1].base.as_str(), pulls[1].head.as_str()), ("feature", "other/prod/ghcr.io-acme-web"));
    }
    assert_eq!(stage.store.at(HEAD), first);
}

pub(in crate::forge) async fn what_another_base_has_given_up_is_closed(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.store.repository.git(&["branch", "feature", "main"]);
    stage.reword(|config| config.replace("name: prod", "name: live"));
    let outcome = stage.run_on("feature", None).await;
    assert_eq!(Stage::told(&outcome, "prod").0, Action::Opened, "{:#?}", outcome.proposals);
    let pulls = stage.pulls();
    assert_eq!((stage.states(), pulls[1].base.as_str()), (vec![Stands::Closed, Stands::Open], "feature"));
    assert!(pulls[0].comments[0].contains("`prod` is on the branch `feature` now"), "{:?}", pulls[0].comments);
}

pub(in crate::forge) async fn two_configurations_of_one_repository_leave_each_other_s(kind: Kind) {
    // Whether the first one is the base's own; then both.
    let cases: [(bool, Config<'_>, Config<'_>); 6] = [
        (false, ("prod", "a", "ta/", "*"), ("prod", "b", "tb/", "*")),
        (false, ("prod", "a", "ta/", "web"), ("prod", "b", "tb/", "api")),
        (false, ("live", "a", "tagboat/", "*"), ("test", "b", "tagboat/", "*")),
        (true, ("prod", "a", "tagboat/", "web"), ("prod", "b", "tb/", "api")),
        (true, ("live", "a", "ta/", "web"), ("test", "b", "tb/", "web")),
        (true, ("live", "a", "tagboat/", "*"), ("test", "b", "tagboat/", "*")),
    ];
    for (is_own, first, second) in cases {
        let at = format!("{is_own} {first:?} {second:?}");
        let stage = Stage::new(kind, PLAIN);
        stage.tags.set("ghcr.io/acme/api", ["1.4.0", "1.5.0"]);
        let of = |images: &str| super::manifest("1.4.0").replace("web", if images == "api" { "api" } else { "web" });
        stage.push("main", "a/app.yaml", &of(first.3));
        stage.push("main", "b/app.yaml", &of(second.3));
        let (first, second) = (config(first), config(second));
        if is_own {
            stage.push("main", ".tagboat.yaml", &first);
        }
        let mut heads = Vec::new();
        for round in 0..3 {
            let outcomes = [
                stage.run_on("main", Some(first.as_str()).filter(|_| !is_own)).await,
                stage.run_on("main", Some(&second)).await,
            ];
            let now: Vec<_> = stage.pulls().into_iter().map(|pull| (pull.head, pull.sha)).collect();
            assert_eq!(stage.states(), [Stands::Open; 2], "{at} {round}: {outcomes:#?}");
            assert!(round == 0 || now == heads, "{at} {round}: {outcomes:#?}");
            assert!(stage.pulls().iter().all(|pull| pull.comments.is_empty()), "{at} {round}");
            heads = now;
            let skipped: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.skipped).collect();
            let is_said = skipped.iter().any(|one| one.reason.contains("give each a `branchPrefix` of its own"));
            // Only under one prefix is there anything to be said.
            assert_eq!(
                is_said,
                first.contains("branchPrefix: tagboat/") && second.contains("tagboat/"),
                "{at}: {skipped:?}"
            );
        }
    }
}

pub(in crate::forge) async fn a_trial_with_a_configuration_of_its_own_closes_nothing_of_the_base_s(kind: Kind) {
    for prefix in ["trial/", "tagboat/"] {
        let stage = Stage::new(kind, PLAIN).with_two();
        stage.reword(|text| text.replace("name: prod", "name: live"));
        stage.outcome("mirror", 8).await;
        assert_eq!(stage.states(), [Stands::Open; 2]);
        let (environment, images) = if prefix == "trial/" { ("live", "web") } else { ("dev", "*") };
        stage.run_on("main", Some(&config((environment, "prod", prefix, images)))).await;
        assert_eq!(stage.states()[..2], [Stands::Open; 2], "{prefix}");
        assert!(stage.pulls().iter().all(|pull| pull.comments.is_empty()), "{prefix}");
    }
}

pub(in crate::forge) async fn an_order_takes_nothing_that_another_configuration_has_opened(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let first = stage.store.at(HEAD);
    stage.push("main", "b/app.yaml", &super::manifest("1.4.0"));
    let (environment, what, tag) = ("prod".into(), WEB.parse().unwrap(), "1.5.0".parse().unwrap());
    let order = Order::Promote { environment, what, tag, at_once: true, skipped: [].into() };
    let said = Said { by: Some("ada"), reason: Some("needed now"), publish: None };
    let other = read(&config(("prod", "b", "tb/", "*")));
    stage.passing("orders", "2026-11-20T09:00:00Z").order_on(("main", Some(other)), &order, said).await.unwrap();
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Open; 2], first));
    assert_eq!(stage.pulls()[1].head, "tb/prod/ghcr.io-acme-web");
}

pub(in crate::forge) async fn what_an_environment_left_is_known_where_somebody_has_merged_the_base_into_it(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.reword(|text| text.replace("name: prod", "name: live"));
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let tree = git(&["merge-tree", "--write-tree", HEAD, "main"]);
    let merged = git(&["commit-tree", &tree, "-p", HEAD, "-p", "main", "-m", "Merge branch 'main'"]);
    git(&["update-ref", &format!("refs/heads/{HEAD}"), &merged]);
    for _ in 0..2 {
        let (action, reason) = Stage::told(&stage.run_on("main", None).await, "prod");
        assert!(action == Action::LeftAlone && reason.contains("somebody else has pushed"), "{reason}");
        assert_eq!((stage.states(), stage.only().comments.len()), (vec![Stands::Open], 1));
    }
}
