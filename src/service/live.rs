//! The configuration in force: read at the start, and again when its files change or somebody asks for it.
//!
//! A new one that cannot be used is refused whole, and the old one stays.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::log::Log;
use crate::config::service::{Access, SecretPlace, Service, WebhookProof};
use crate::model::exchange::Witness;
use crate::pass::setup::{self, SetupError};
use crate::pass::watched::Watcher;
use crate::service::Shared;
use crate::service::board::door::Door;
use crate::service::hooks::Hooks;

/// How wide faults are told in logs, in columns.
const WIDTH: usize = 120;

/// What tells that a file is another one than before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    inode: u64,
    changed: Option<SystemTime>,
    length: u64,
}

/// A configuration with everything that was read for it.
pub(super) struct Live {
    pub(super) watcher: Watcher,
    pub(super) hooks: Hooks,
    /// Who may act on the board.
    pub(super) door: Door,
    /// The files that are read once, as they were just before.
    pub(super) files: Files,
}

/// Files, as they were at a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(Vec<(PathBuf, Option<Print>)>);

impl Files {
    fn add(&mut self, path: &Path) {
        self.0.push((path.to_owned(), print(path)));
    }

    /// Whether one of them is another one by now.
    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, known)| print(path) != *known)
    }

    fn look_again(&mut self) {
        self.0.iter_mut().for_each(|(path, known)| *known = print(path));
    }
}

impl Live {
    /// Reads a configuration, and the secrets of its webhooks. The witness is told of all that its passes ask.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when any of it cannot be used.
    pub(super) fn read(
        file: &Path,
        environment: &Environment,
        clock: &Arc<dyn Clock>,
        witness: Witness,
    ) -> Result<Self, SetupError> {
        let mut files = Files::default();
        files.add(file);
        let service = setup::service(Some(file))?;
        service.require_repositories()?;
        read_once(&service).for_each(|path| files.add(&path));
        let hooks = Hooks::read(&service, environment, clock)?;
        let door = Door::read(&service)?;
        let watcher = Watcher::new(service, environment.clone(), witness)?;
        Ok(Self { watcher, hooks, door, files })
    }
}

/// Returns the files that are read with the configuration: secrets of webhooks, users, and the trusted root.
fn read_once(service: &Service) -> impl Iterator<Item = PathBuf> {
    let of_sources = service.webhooks.iter().filter_map(|webhook| match &webhook.proof {
        WebhookProof::Secret(SecretPlace::File(path)) => Some(path),
        _ => None,
    });
    let users = match &service.access {
        Some(Access::UsersFile(file)) => Some(file),
        _ => None,
    };
    let own = service.repositories.iter().filter_map(|repository| repository.webhook_secret.as_ref());
    of_sources.chain(own).chain(service.trusted_root.as_ref()).chain(users).map(|path| service.resolve(path))
}

fn print(path: &Path) -> Option<Print> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Print { inode: metadata.ino(), changed: metadata.modified().ok(), length: metadata.len() })
}

/// Reads the configuration again and again.
pub(super) struct Reading<'a> {
    pub(super) file: &'a Path,
    pub(super) environment: &'a Environment,
    /// Told how to log.
    pub(super) log: &'a dyn Fn(Log),
    /// Where the server listens since the start.
    pub(super) listen: SocketAddr,
    /// What was read last, whether or not it is in force.
    pub(super) files: Files,
}

impl Reading<'_> {
    /// Reads it again, and puts it in force unless it cannot be used.
    pub(super) fn again(&mut self, shared: &Shared) {
        self.files.look_again();
        match Live::read(self.file, self.environment, &shared.clock, shared.metrics.witness()) {
            Ok(live) => {
                let service = live.watcher.service();
                let repositories = service.repositories.len();
                if service.listen != self.listen {
                    tracing::warn!(address = %service.listen, "`listen` takes effect after a restart");
                }
                if service.queue != shared.live().watcher.service().queue {
                    tracing::warn!("`queue` takes effect after a restart");
                }
                self.files = live.files.clone();
                (self.log)(service.log);
                shared.replace(live);
                tracing::info!(repositories, "the configuration was read again");
            }
            Err(error) => {
                let reason = match &error {
                    SetupError::Configuration(faults) => faults.render(false, WIDTH).trim_end().to_owned(),
                    other => other.to_string(),
                };
                tracing::error!(%reason, "the new configuration was refused; the old one stays in force");
                shared.metrics.reloaded(false, shared.clock.now());
            }
        }
    }
}
