//! Several runs over one repository: on several bases, and with configurations of their own.

use std::sync::Arc;

use tagboat::config::repository::parse;
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

impl Stage {
    fn passing<'a>(&'a self, mirror: &str, now: &'a str) -> Passing<'a> {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let remote = Arc::new(Mirror::open(&self.scratch.path(mirror), url, Access::None, environment(None)).unwrap());
        let publishing = Publishing::Forge((self.kind.client)(&self.address));
        Passing { remote, tags: &self.tags, now, publishing }
    }

    /// Runs a pass on a base, or with a configuration of its own.
    async fn run_on(&self, branch: &str, config: Option<&str>) -> Outcome {
        let config = config.map(|text| parse("other.yaml", text.as_bytes()).unwrap());
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
    let ordered = stage.passing("orders", "2026-11-20T09:00:00Z").order_on("feature", &order, said).await;
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
