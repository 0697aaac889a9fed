//! The demo: a registry and a bare repository in a temporary folder, and real passes between them.
//!
//! Owns the story that `tagboat demo` tells. Everything in it is done by the same pass that `run` uses; only
//! the registry and the reconciler, which are in this process, the clock and the first commit are the demo's own.

mod reconciler;
mod registry;
mod story;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{Clock, FixedClock};
use crate::config::environment::Environment;
use crate::forge::Forge;
use crate::git::mirror::Mirror;
use crate::git::url::RemoteUrl;
use crate::git::{self, GitError, Remote, access::Access};
use crate::model::commit::Identity;
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::outcome::Outcome;
use crate::model::pull_request::CheckState;
use crate::pass::propose::Publishing;
use crate::pass::run::{Mode, Run, run};
use crate::pass::{Detail, PassError, Turn, elsewhere, setup};
use crate::report::text::{self, Occasion};
use crate::report::{View, trouble};

use self::reconciler::DemoReconciler;
use self::registry::DemoRegistry;

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The temporary folder, the loopback port, or standard output.
    #[error("the demo needs a temporary folder, a loopback port and its standard output")]
    Io(#[from] io::Error),
    /// Git could not do it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A pass could not begin.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// It could not be set up.
    #[error(transparent)]
    Setup(#[from] setup::SetupError),
    /// A pass did not give what the story tells; its own words are above.
    #[error("the demo did not go as it should: {0}")]
    OffScript(String),
}

/// Where the demo plays.
struct Stage<'a> {
    registry: DemoRegistry,
    reconciler: Arc<DemoReconciler>,
    remote: Arc<dyn Remote>,
    branch: BranchName,
    environment: &'a Environment,
    view: View,
}

/// Shows the main job in a folder, which the caller makes before and removes after.
///
/// # Errors
///
/// [`DemoError`]; what was begun in the folder lies there then.
pub async fn show(
    folder: &Path,
    environment: &Environment,
    clock: &dyn Clock,
    view: View,
    out: &mut dyn Write,
) -> Result<(), DemoError> {
    let friday = story::start(clock.now());
    let later = |minutes: i64| friday.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(friday);
    let stage = set_up(folder, environment, friday, view).await?;
    story::opening(&stage.registry.host(), out)?;
    stage.pass(later(0), 0, out).await?;

    story::tags_appear(out)?;
    stage.push(&story::NEW_TAGS);
    stage.pass(later(0), 1, out).await?;
    story::soaked(out)?;
    let outcome = stage.pass(later(30), 1, out).await?;
    stage.report(&outcome, CheckState::Passed, later(32))?;
    story::monday(out)?;
    let monday = story::MONDAY;
    stage.pass(later(monday), 1, out).await?;

    story::another(out)?;
    stage.push(&story::BROKEN);
    stage.pass(later(monday + 60), 1, out).await?;
    story::another_soaked(out)?;
    let outcome = stage.pass(later(monday + 90), 1, out).await?;
    stage.report(&outcome, CheckState::Failed, later(monday + 95))?;
    story::fails(out)?;
    let outcome = stage.pass(later(monday + 96), 1, out).await?;
    story::commits(&outcome, &stage.view, out)?;
    story::held(out)?;
    stage.pass(later(monday + 120), 0, out).await?;

    story::mended(out)?;
    stage.push(&story::MENDED);
    stage.pass(later(monday + 180), 1, out).await?;
    story::mended_soaked(out)?;
    let outcome = stage.pass(later(monday + 210), 1, out).await?;
    stage.report(&outcome, CheckState::Passed, later(monday + 212))?;
    story::mended_arrives(out)?;
    stage.pass(later(monday + 212), 1, out).await?;
    story::ending(out)?;
    Ok(())
}

/// Starts the registry, and makes the repository's first commit.
async fn set_up<'a>(
    folder: &Path,
    environment: &'a Environment,
    now: Timestamp,
    view: View,
) -> Result<Stage<'a>, DemoError> {
    let registry = DemoRegistry::start().await?;
    for (repository, tag) in story::FIRST_TAGS {
        registry.push(repository, tag);
    }
    let branch = BranchName::from("main");
    let bare = folder.join("manifests.git");
    let files: Vec<(RepoPath, Vec<u8>)> = story::files(&registry.host())
        .into_iter()
        .map(|(path, text)| (RepoPath::new(path).expect("the story's paths are plain"), text.into_bytes()))
        .collect();
    let author = Identity { name: "Demo".to_owned(), email: "demo@localhost".to_owned() };
    git::seed::bare_repository(&bare, &branch, &files, &author, now, "Add the manifests\n")?;
    let program = setup::program(environment);
    let remote = Mirror::open(&folder.join("mirror.git"), RemoteUrl::from_path(&bare), Access::None, program)?;
    let reconciler = Arc::default();
    Ok(Stage { registry, reconciler, remote: Arc::new(remote), branch, environment, view })
}

impl Stage<'_> {
    /// Puts tags on the registry's shelf.
    fn push(&self, tags: &[(&str, &str)]) {
        tags.iter().for_each(|(repository, tag)| self.registry.push(repository, tag));
    }

    /// Lets the reconciler report how the commit fared that a pass made for staging.
    fn report(&self, outcome: &Outcome, state: CheckState, time: Timestamp) -> Result<(), DemoError> {
        let brought = outcome.commits.iter().find(|landed| landed.environment.as_str() == "staging");
        let Some(brought) = brought else { return Err(DemoError::OffScript("staging did not move".to_owned())) };
        self.reconciler.report(brought.commit.clone(), story::CHECK, state, time);
        Ok(())
    }

    /// Runs a pass at a moment of the story, prints what it did, and makes sure that it made as many commits as the
    /// story says.
    async fn pass(&self, now: Timestamp, expected: usize, out: &mut dyn Write) -> Result<Outcome, DemoError> {
        let service = crate::config::service::Service::without_configuration();
        let source = setup::registry(&service, self.environment)?;
        let outcome = run(&Run {
            remote: Arc::clone(&self.remote),
            branch: &self.branch,
            config: None,
            neighbours: &elsewhere::nobody,
            source: &*source,
            sources: &setup::sources(&service, self.environment),
            cache: &setup::no_cache(),
            limits: &setup::limits(&service),
            now,
            clock: &FixedClock(now),
            publishing: Publishing::Forge(Arc::clone(&self.reconciler) as Arc<dyn Forge>),
            detail: Detail::EveryTag,
            only: &[],
            mode: Mode::Act,
            progress: &|_| {},
            read_config: &|_| {},
            turn: Turn::default(),
        })
        .await?;
        text::outcome(&outcome, Occasion::Run, &self.view, out)?;
        if let Some(error) = outcome.errors.first() {
            return Err(DemoError::OffScript(trouble(error, &View::default())));
        }
        match outcome.commits.len() {
            commits if commits == expected => Ok(outcome),
            commits => Err(DemoError::OffScript(format!("{commits} commits instead of {expected}"))),
        }
    }
}
