//! One pass of a repository that the operator's file watches, with everything it needs made for it.
//!
//! Entry point: [`Watcher::pass`]. What registries allow and their logins are shared by passes that run at once; the
//! cache, the mirror and the time are each pass's own. Knows no schedule.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::cache::{Cache, Elsewhere, Tally};
use crate::clock::ClockFrom;
use crate::config::environment::Environment;
use crate::config::service::Service;
pub use crate::forge::turns::Impulse;
use crate::git::url::RemoteUrl;
use crate::manifest;
use crate::model::exchange::Witness;
use crate::model::outcome::Outcome;
use crate::model::usage::Usage;
use crate::pass::clients::Clients;
use crate::pass::hold::{self, HoldError};
use crate::pass::order::{self, Order, OrderError, Ordering};
use crate::pass::propose::Publishing;
use crate::pass::run::{self, Mode, Run};
use crate::pass::setup::{self, ForgeChoice, Opened, Regard, SetupError, Target};
use crate::pass::status::Memory;
use crate::pass::{Detail, PassError, Progress};
use crate::registry::TagSource;
use crate::registry::client::RegistryClient;
use crate::registry::grapevine::Grapevine;

/// What the passes of one configuration share.
pub struct Watcher {
    service: Service,
    environment: Environment,
    registries: RegistryClient,
    limits: manifest::Limits,
    /// Where other processes leave what they learnt.
    elsewhere: Option<Arc<dyn Elsewhere>>,
    /// The forge clients, which live as long as this does.
    clients: Clients,
    /// What history told of each repository.
    memories: Mutex<HashMap<String, Arc<Memory>>>,
}

/// Why a pass failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum WatchedError {
    /// It could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// It could not begin.
    #[error(transparent)]
    Pass(#[from] PassError),
}

impl WatchedError {
    /// Returns the faults of a configuration, where those are why; they have places that a single line has not.
    pub fn faults(&self) -> Option<&crate::config::fault::Faults> {
        match self {
            Self::Setup(SetupError::Configuration(faults)) | Self::Pass(PassError::Configuration(faults)) => {
                Some(faults)
            }
            _ => None,
        }
    }
}

impl WatchedError {
    /// Whether the Git remote let nobody in.
    fn is_denied(&self) -> bool {
        match self {
            Self::Setup(error) => error.is_denied(),
            Self::Pass(error) => error.is_denied(),
        }
    }
}

/// Who orders something, and why.
#[derive(Debug, Clone)]
pub struct Word {
    /// Who.
    pub by: String,
    /// Why, on one line.
    pub reason: Option<String>,
}

/// Why an order could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum OrderedError {
    /// It could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A version could not be held or released.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// A version could not be brought or taken back.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl OrderedError {
    /// Returns what to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Order(OrderError::Refused { hint, .. } | OrderError::Usage { hint, .. }) => hint.as_deref(),
            _ => None,
        }
    }

    /// Whether the Git remote let nobody in before anything was done.
    fn is_denied(&self) -> bool {
        match self {
            Self::Setup(error) => error.is_denied(),
            Self::Hold(HoldError::Pass(error)) | Self::Order(OrderError::Pass(error)) => error.is_denied(),
            Self::Hold(_) | Self::Order(_) => false,
        }
    }

    /// Whether it makes no sense as it was given.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Order(error) => {
                matches!(error, OrderError::Refused { .. } | OrderError::Usage { .. } | OrderError::Ambiguous(_))
            }
            Self::Hold(error) => error.is_usage(),
            Self::Setup(_) => false,
        }
    }
}

/// What a pass came to.
#[derive(Debug)]
pub struct Passed {
    /// What it did, or why it could not.
    pub result: Result<Outcome, WatchedError>,
    /// What registries were asked for it.
    pub usage: Usage,
    /// How often the cache was asked, and could answer.
    pub cache: Tally,
    /// What kept the cache from serving.
    pub cache_warning: Option<String>,
    /// The parts of the repository's configuration that do not act.
    pub inactive: Option<String>,
    /// The other repositories whose environments come before one of its own, as the operator's file writes them.
    pub follows: BTreeSet<String>,
}

impl Watcher {
    /// Makes what the passes of a configuration share; asks nobody yet. The witness is told of all that they will ask
    /// registries, forges and Git remotes.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when the trusted root that is named cannot be read.
    pub fn new(service: Service, environment: Environment, witness: Witness) -> Result<Self, SetupError> {
        let registries = setup::registry_client(&service, &environment)?.told_to(witness.clone());
        let limits = setup::limits(&service);
        let clients = Clients::told_to(witness);
        Ok(Self { service, environment, registries, limits, elsewhere: None, clients, memories: Mutex::default() })
    }

    /// Shares what registries allow and what they answer with other processes that watch the same.
    #[must_use]
    pub fn together(self, grapevine: Arc<dyn Grapevine>, elsewhere: Arc<dyn Elsewhere>) -> Self {
        let registries = self.registries.with_grapevine(grapevine);
        Self { registries, elsewhere: Some(elsewhere), ..self }
    }

    fn cache(&self) -> Cache {
        let cache = setup::cache(&self.service, &self.environment);
        match &self.elsewhere {
            Some(elsewhere) => cache.with(Arc::clone(elsewhere)),
            None => cache,
        }
    }

    /// Returns the operator's configuration.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Returns the environment that secrets and proxies are named by.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Runs a whole pass of one repository; `answered` is told when its Git remote has answered. It blocks in between: run it on a
    /// thread that may.
    pub async fn pass(&self, url: &str, impulse: Impulse, now: Timestamp, answered: &(dyn Fn() + Sync)) -> Passed {
        // What opening it takes has passed as well, and a first attempt by a token that is refused.
        let clock = ClockFrom::at(now);
        let clients = self.for_pass().in_turns(url, impulse, now);
        let source = self.registries.for_pass();
        let cache = self.cache();
        let inactive = Mutex::new(None);
        let read_config = |config: &_| {
            answered();
            let warning = setup::inactive(config);
            *inactive.lock().unwrap_or_else(PoisonError::into_inner) = warning;
        };
        let nobody = |_: Progress| {};
        let memory = {
            let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(memories.entry(url.to_owned()).or_default())
        };
        let pass = async || {
            let Opened { remote, branch, url, .. } = self.open(&clients, url)?;
            let (service, environment) = (&self.service, &self.environment);
            let publishing = self.publishing(&clients, &url)?;
            let run = Run {
                remote,
                branch: &branch,
                config: None,
                neighbours: &setup::neighbours_by(&clients, service, environment),
                source: &source,
                sources: &setup::sources_until(clients.ends(), service, environment),
                cache: &cache,
                limits: &self.limits,
                now,
                clock: &clock,
                publishing,
                detail: Detail::EveryTag,
                only: &[],
                mode: Mode::Act,
                progress: &nobody,
                read_config: &read_config,
                turn: clients.turn().clone(),
            };
            Ok::<_, WatchedError>(Box::pin(run::run_and_tell(&run, &memory)).await?)
        };
        let result = self.let_in(&clients, url, pass, WatchedError::is_denied).await;
        let follows = result.as_ref().map(|outcome: &Outcome| self.listed(outcome)).unwrap_or_default();
        Passed {
            result,
            follows,
            usage: source.usage(),
            cache: cache.tally(),
            cache_warning: cache.warning(),
            inactive: inactive.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Takes note that another process has seen something happen to a repository: its next pass here asks for everything.
    pub fn doubt(&self, url: &str) {
        self.clients.doubt(url);
    }

    /// Holds or releases a version, as `hold` and `release` do. It blocks in between: run it on a thread that may.
    ///
    /// # Errors
    ///
    /// [`OrderedError`]; nothing is held or released then.
    pub async fn hold(&self, url: &str, order: &hold::Order, now: Timestamp) -> Result<Outcome, OrderedError> {
        let clients = self.for_pass();
        let follow = async || {
            let Opened { remote, branch, url, .. } = self.open(&clients, url)?;
            let publishing = self.publishing(&clients, &url)?;
            let given = hold::Holding { remote, branch: &branch, config: None, publishing, now };
            Ok::<_, OrderedError>(Box::pin(hold::follow(&given, order)).await?)
        };
        self.let_in(&clients, url, follow, OrderedError::is_denied).await
    }

    /// Follows an order, as `promote` and `rollback` do. It blocks in between: run it on a thread that may.
    ///
    /// # Errors
    ///
    /// [`OrderedError`]; nothing of it is on the branch then.
    pub async fn order(&self, url: &str, order: &Order, word: Word, now: Timestamp) -> Result<Outcome, OrderedError> {
        let clients = self.for_pass();
        let follow = async || {
            let Opened { remote, branch, url, .. } = self.open(&clients, url)?;
            let (service, environment) = (&self.service, &self.environment);
            let given = Ordering {
                remote,
                branch: &branch,
                config: None,
                neighbours: &setup::neighbours_by(&clients, service, environment),
                source: &self.registries.for_pass(),
                sources: &setup::sources_until(clients.ends(), service, environment),
                cache: &self.cache(),
                limits: &self.limits,
                now,
                publishing: self.publishing(&clients, &url)?,
                publish: None,
                by: Some(word.by.clone()),
                reason: word.reason.clone(),
                progress: &|_| {},
            };
            Ok::<_, OrderedError>(Box::pin(order::follow(&given, order)).await?)
        };
        self.let_in(&clients, url, follow, OrderedError::is_denied).await
    }

    /// Does something about a repository; once more with another token where Git was refused with the one that is held of an App.
    async fn let_in<T, E>(
        &self,
        clients: &Clients,
        url: &str,
        work: impl AsyncFn() -> Result<T, E>,
        is_denied: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let result = work().await;
        match &result {
            Err(error) if is_denied(error) && self.let_go(clients, url).await => work().await,
            _ => result,
        }
    }

    async fn let_go(&self, clients: &Clients, url: &str) -> bool {
        let Ok(url) = url.parse::<RemoteUrl>() else { return false };
        // What is wrong with the App is told by what comes next.
        setup::let_go(clients, &url, &self.service, &self.environment).await.unwrap_or(false)
    }

    /// Returns the repositories of the operator's file that an outcome's configuration names.
    fn listed(&self, outcome: &Outcome) -> BTreeSet<String> {
        let listed = |url: &Arc<str>| Some(setup::watched(&self.service, &url.parse().ok()?)?.url.clone());
        outcome.follows.iter().filter_map(listed).collect()
    }

    /// Returns the clients for a pass, or an order, that begins now.
    fn for_pass(&self) -> Clients {
        self.clients.until(setup::pass_end(&self.service))
    }

    fn open(&self, clients: &Clients, url: &str) -> Result<Opened, SetupError> {
        let target = Target::Url { url, branch: None };
        setup::remote_by(clients, Regard::Listed, &target, (ForgeChoice::Auto, None), &self.service, &self.environment)
    }

    fn publishing(&self, clients: &Clients, url: &RemoteUrl) -> Result<Publishing, SetupError> {
        setup::publishing_by(clients, Regard::Listed, (ForgeChoice::Auto, None), url, &self.service, &self.environment)
    }
}
