//! What every command shares: the options, the environment, the configuration files, and how results look.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::cache::Cache;
use crate::cli::arguments::{Common, OutputFormat, Source};
use crate::cli::output::{Failure, Stream, note, print, wants_color};
use crate::cli::progress::Bar;
use crate::cli::{actions, source};
use crate::clock::{Clock, SystemClock};
use crate::config::environment::Environment;
use crate::config::repository::Repository;
use crate::config::service::Service;
use crate::model::environment::BranchName;
use crate::model::image::ImageName;
use crate::model::observation::Heard;
use crate::model::outcome::Outcome;
use crate::pass::hold::Awaited;
use crate::pass::propose::{Asked, Publishing};
use crate::pass::run::CONFIG_FILE;
use crate::pass::setup::ForgeChoice;
use crate::pass::{Detail, Editing, Inputs, Planned, Turn, elsewhere, setup};
use crate::report::text::{self, Occasion};
use crate::report::{Verbosity, View, json};

/// The widest that tables are laid out, however wide the terminal.
const WIDEST: usize = 140;

/// One call of the program.
pub(super) struct Session {
    pub(super) common: Common,
    pub(super) environment: Environment,
    cache: OnceLock<Arc<Cache>>,
}

impl Session {
    /// Takes what the command line and the environment say.
    pub(super) fn new(common: Common, environment: Environment) -> Self {
        Self { common, environment, cache: OnceLock::new() }
    }

    /// Whether a stream gets colour.
    pub(super) fn wants_color(&self, stream: Stream) -> bool {
        wants_color(self.common.color, stream, self.environment.refuses_color())
    }

    /// Whether results are for programs.
    pub(super) fn wants_json(&self) -> bool {
        self.common.output == Some(OutputFormat::Json)
    }

    /// Returns how many columns there are: the terminal's, or 80.
    pub(super) fn width(&self) -> usize {
        let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        terminal.unwrap_or(View::default().width).min(WIDEST)
    }

    /// Returns how results look.
    pub(super) fn view(&self) -> View {
        let verbosity = match (self.common.quiet, self.common.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        View { width: self.width(), color: self.wants_color(Stream::Output), verbosity }
    }

    /// Starts the machinery for asynchronous work; one thread drives it all, since it waits more than it works.
    pub(super) fn runtime(&self) -> Result<tokio::runtime::Runtime, Failure> {
        let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
        built.map_err(|error| Failure::Failed(anyhow::Error::new(error).context("cannot start")))
    }

    /// Reads the operator's configuration, or takes the defaults.
    pub(super) fn service(&self) -> Result<Service, Failure> {
        Ok(setup::service(self.common.service.as_deref())?)
    }

    /// Opens the cache, once in a call of the program.
    pub(super) fn cache(&self, service: &Service) -> &Arc<Cache> {
        self.cache.get_or_init(|| Arc::new(setup::cache(service, &self.environment)))
    }

    /// Says what the cache was good for: a warning where it could not serve, with `-v` how often it did.
    pub(super) fn tell_of_cache(&self) {
        let Some(cache) = self.cache.get() else { return };
        if let Some(warning) = cache.warning() {
            note(self, &format!("warning: {warning}"));
        }
        let tally = cache.tally();
        tracing::info!(asked = tally.asked, answered = tally.answered, "cache");
    }

    /// Reads the repository's configuration in a folder, or takes the defaults where there is none.
    pub(super) fn repository(&self, folder: &Path) -> Result<Repository, Failure> {
        let config = setup::repository(folder, self.common.config.as_deref())?;
        if !config.configured
            && let Some(above) = setup::configured_above(folder)
        {
            note(self, &format!("warning: {} is not used: it is for its own folder, {}", CONFIG_FILE, above.display()));
        }
        Ok(config)
    }

    /// Returns the name of the repository's configuration for messages.
    pub(super) fn config_name(&self) -> String {
        self.common.config.as_ref().map_or_else(|| CONFIG_FILE.to_owned(), |path| path.display().to_string())
    }

    /// Says in one warning which parts of the configuration do not act in this version.
    pub(super) fn warn_of_inactive(&self, config: &Repository) {
        if let Some(warning) = setup::inactive(config) {
            note(self, &warning);
        }
    }

    /// Returns how much has to be kept of a pass until it is printed: only JSON names every tag.
    pub(super) fn detail(&self) -> Detail {
        if self.wants_json() { Detail::EveryTag } else { Detail::Outcome }
    }

    /// Plans on what is read.
    pub(super) fn plan(
        &self,
        read: &Source,
        at: Option<Timestamp>,
        detail: Detail,
        only: &[ImageName],
        forge: (ForgeChoice, Option<&str>),
    ) -> Result<(Planned, Repository), Failure> {
        let service = self.service()?;
        let (viewed, mut config) = source::open(self, read, forge, &service)?;
        let branches = viewed.branches(&mut config);
        let tags = setup::source(&service, self.common.snapshot.as_deref(), &self.environment)?;
        let bar = Bar::new(self.common.quiet);
        let target = source::target(read, &viewed);
        let (publishing, branch) = setup::asked(&target, forge, &service, &self.environment);
        let runtime = self.runtime()?;
        let own = setup::own(&target);
        let open = setup::neighbours(own.as_ref(), &service, &self.environment);
        let others = runtime.block_on(elsewhere::view(&config, &open));
        let awaited = match source::may_look(self, &publishing) {
            false => Awaited::default(),
            true => runtime.block_on(source::awaited((&viewed, &others), &config, &publishing))?,
        };
        let inputs = Inputs {
            config: &config,
            files: &*viewed.files,
            base: viewed.base.clone(),
            past: viewed.past.as_deref(),
            branches: &branches,
            others: &others,
            editing: Editing::Together,
            source: &*tags,
            sources: &setup::sources(&service, &self.environment),
            cache: self.cache(&service),
            limits: &setup::limits(&service),
            now: at.unwrap_or_else(|| SystemClock.now()),
            forge: self.asked(&publishing, &branch),
            detail,
            only,
            awaited,
            heard: Heard::default(),
            progress: &|progress| bar.tell(progress),
            turn: &Turn::default(),
        };
        let planned = runtime.block_on(crate::pass::plan(&inputs))?;
        Ok((planned, config))
    }

    /// Returns whom gates ask: nobody where recorded answers stand in for all that is outside.
    pub(super) fn asked<'a>(&self, publishing: &'a Publishing, branch: &'a BranchName) -> Result<Asked<'a>, String> {
        match &self.common.snapshot {
            Some(_) => Err("a snapshot holds what registries say, and nobody else is asked beside it".to_owned()),
            None => publishing.asked(branch),
        }
    }

    /// Prints what a pass over a folder did or would do.
    pub(super) fn print_outcome(&self, outcome: &Outcome, occasion: Occasion, folder: &Path) -> Result<(), Failure> {
        if self.common.output == Some(OutputFormat::Github) {
            return actions::outcome(self, outcome, occasion, folder);
        }
        print(|out| {
            if self.wants_json() {
                json::outcome(outcome, out)
            } else {
                text::outcome(outcome, occasion, &self.view(), out)
            }
        })
    }
}
