//! A pass, or an order, with all that tests seldom say otherwise: the branch `main`, no cache, no neighbours, no sources of the operator's.
//!
//! Entry points: [`Passing::pass`] and [`Passing::order`]. On no forge they are [`on_plain_git`].

use std::sync::Arc;

use tagboat::cache::Cache;
use tagboat::clock::{Clock, FixedClock};
use tagboat::config::repository::Repository;
use tagboat::forge::plain::Plain;
use tagboat::git::Remote;
use tagboat::manifest::Limits;
use tagboat::model::environment::{BranchName, Publish};
use tagboat::model::image::Written;
use tagboat::model::outcome::Outcome;
use tagboat::pass::Turn;
use tagboat::pass::order::{Order, OrderError, Ordering, follow};
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};
use tagboat::registry::TagSource;
use tagboat::source::Sources;

/// Where pull requests are made of a repository on no forge.
pub(crate) fn on_plain_git() -> Publishing {
    Publishing::Forge(Arc::new(Plain::at(String::new(), "srv/git/gitops".to_owned())))
}

/// Where and when something happens.
pub(crate) struct Passing<'a> {
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) tags: &'a dyn TagSource,
    /// The moment, `2026-11-20T08:00:00Z`.
    pub(crate) now: &'a str,
    pub(crate) publishing: Publishing,
}

/// What a person says with an order.
#[derive(Default)]
pub(crate) struct Said<'a> {
    pub(crate) by: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) publish: Option<Publish>,
}

impl Passing<'_> {
    /// Runs a pass.
    pub(crate) async fn pass(self, mode: Mode) -> Outcome {
        self.pass_with(&tagboat::pass::setup::no_cache(), mode).await
    }

    /// Runs a pass that remembers.
    pub(crate) async fn pass_with(self, cache: &Cache, mode: Mode) -> Outcome {
        self.pass_in(Turn::default(), cache, mode).await
    }

    /// Runs one of several passes, which remember what the forge told.
    pub(crate) async fn pass_in(self, turn: Turn, cache: &Cache, mode: Mode) -> Outcome {
        self.whole(&crate::support::sources::none(), &[], turn, cache, mode).await
    }

    /// Runs a pass that looks at some images alone.
    pub(crate) async fn pass_of(self, only: &[Written], mode: Mode) -> Outcome {
        let (none, cache) = (crate::support::sources::none(), tagboat::pass::setup::no_cache());
        self.whole(&none, only, Turn::default(), &cache, mode).await
    }

    /// Runs a pass whose gates ask sources of the operator's.
    pub(crate) async fn pass_asking(self, sources: &Sources, mode: Mode) -> Outcome {
        self.whole(sources, &[], Turn::default(), &tagboat::pass::setup::no_cache(), mode).await
    }

    /// Runs a pass while the time goes on.
    pub(crate) async fn pass_by(self, clock: &dyn Clock) -> Outcome {
        let (none, cache) = (crate::support::sources::none(), tagboat::pass::setup::no_cache());
        self.by(clock, (&none, &[]), Turn::default(), &cache, Mode::Act).await
    }

    /// Runs a pass on another base, or with a configuration of its own.
    pub(crate) async fn pass_on(self, branch: &str, config: Option<Repository>) -> Outcome {
        let clock = FixedClock(self.now.parse().unwrap());
        let at = (&BranchName::from(branch), config);
        let (none, cache) = (crate::support::sources::none(), tagboat::pass::setup::no_cache());
        self.at(&clock, at, (&none, &[]), Turn::default(), &cache, Mode::Act).await
    }

    async fn whole(self, sources: &Sources, only: &[Written], turn: Turn, cache: &Cache, mode: Mode) -> Outcome {
        let clock = FixedClock(self.now.parse().unwrap());
        self.by(&clock, (sources, only), turn, cache, mode).await
    }

    async fn by(
        self,
        clock: &dyn Clock,
        (sources, only): (&Sources, &[Written]),
        turn: Turn,
        cache: &Cache,
        mode: Mode,
    ) -> Outcome {
        self.at(clock, (&BranchName::from("main"), None), (sources, only), turn, cache, mode).await
    }

    async fn at(
        self,
        clock: &dyn Clock,
        (branch, config): (&BranchName, Option<Repository>),
        (sources, only): (&Sources, &[Written]),
        turn: Turn,
        cache: &Cache,
        mode: Mode,
    ) -> Outcome {
        run(&Run {
            remote: self.remote,
            branch,
            config,
            neighbours: &tagboat::pass::elsewhere::nobody,
            source: self.tags,
            sources,
            cache,
            limits: &Limits::default(),
            now: self.now.parse().unwrap(),
            clock,
            publishing: self.publishing,
            detail: tagboat::pass::Detail::EveryTag,
            only,
            mode,
            progress: &|_| {},
            read_config: &|_| {},
            turn,
        })
        .await
        .unwrap()
    }

    /// Follows an order.
    pub(crate) async fn order(self, order: &Order, said: Said<'_>) -> Result<Outcome, OrderError> {
        self.order_on(("main", None), order, said).await
    }

    /// Follows an order on another base, or with a configuration of its own.
    pub(crate) async fn order_on(
        self,
        (branch, config): (&str, Option<Repository>),
        order: &Order,
        said: Said<'_>,
    ) -> Result<Outcome, OrderError> {
        let given = Ordering {
            remote: self.remote,
            branch: &BranchName::from(branch),
            config,
            neighbours: &tagboat::pass::elsewhere::nobody,
            source: self.tags,
            sources: &crate::support::sources::none(),
            cache: &tagboat::pass::setup::no_cache(),
            limits: &Limits::default(),
            now: self.now.parse().unwrap(),
            publishing: self.publishing,
            publish: said.publish,
            by: said.by.map(str::to_owned),
            reason: said.reason.map(str::to_owned),
            progress: &|_| {},
        };
        follow(&given, order).await
    }
}
