//! The demo: a registry and a bare repository in a temporary folder, and real passes between them.
//!
//! Owns the story that `tagboat demo` tells. Everything in it is done by the same pass that `run` uses; only
//! the registry, which is in this process, and the repository's first commit are the demo's own.

mod registry;
mod story;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::git::mirror::Mirror;
use crate::git::url::RemoteUrl;
use crate::git::{self, GitError, Remote, access::Access};
use crate::model::commit::Identity;
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::outcome::Outcome;
use crate::pass::propose::Publishing;
use crate::pass::run::{Mode, Run, run};
use crate::pass::{PassError, setup};
use crate::report::text::{self, Occasion};
use crate::report::{View, trouble};

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
    remote: Arc<dyn Remote>,
    branch: BranchName,
    environment: &'a Environment,
    clock: &'a dyn Clock,
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
    let stage = set_up(folder, environment, clock, view).await?;
    story::opening(&stage.registry.host(), out)?;
    stage.pass(0, out).await?;
    story::a_tag_appears(out)?;
    for (repository, tag) in story::NEW_TAGS {
        stage.registry.push(repository, tag);
    }
    let outcome = stage.pass(story::EXPECTED_COMMITS, out).await?;
    story::commits(&outcome, &stage.view, out)?;
    story::again(out)?;
    stage.pass(0, out).await?;
    story::ending(out)?;
    Ok(())
}

/// Starts the registry, and makes the repository's first commit.
async fn set_up<'a>(
    folder: &Path,
    environment: &'a Environment,
    clock: &'a dyn Clock,
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
    git::seed::bare_repository(&bare, &branch, &files, &author, clock.now(), "Add the manifests\n")?;
    let program = setup::program(environment);
    let remote = Mirror::open(&folder.join("mirror.git"), RemoteUrl::from_path(&bare), Access::None, program)?;
    Ok(Stage { registry, remote: Arc::new(remote), branch, environment, clock, view })
}

impl Stage<'_> {
    /// Runs a pass, prints what it did, and makes sure that it made as many commits as the story says.
    async fn pass(&self, expected: usize, out: &mut dyn Write) -> Result<Outcome, DemoError> {
        let service = crate::config::service::Service::without_configuration();
        let source = setup::registry(&service, self.environment)?;
        let outcome = run(&Run {
            remote: Arc::clone(&self.remote),
            branch: &self.branch,
            config: None,
            source: &*source,
            cache: &setup::no_cache(),
            limits: &setup::limits(&service),
            now: self.clock.now(),
            publishing: Publishing::Plain,
            mode: Mode::Act,
            progress: &|_| {},
            read_config: &|_| {},
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
