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

    /// Adds those that are not among them, as they are now.
    fn join(&mut self, others: &Self) {
        for (path, _) in &others.0 {
            if !self.0.iter().any(|(known, _)| known == path) {
                self.add(path);
            }
        }
    }
}

impl Live {
    /// Reads a configuration, and the secrets of its webhooks. The witness is told of all that its passes ask. Returns the files as
    /// they were just before, too, as far as it is known which: one that is missing may come.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when any of it cannot be used.
    pub(super) fn read(
        file: &Path,
        environment: &Environment,
        clock: &Arc<dyn Clock>,
        witness: Witness,
    ) -> (Files, Result<Self, SetupError>) {
        let mut files = Files::default();
        files.add(file);
        let read = Self::read_with(file, environment, clock, witness, &mut files);
        (files, read)
    }

    fn read_with(
        file: &Path,
        environment: &Environment,
        clock: &Arc<dyn Clock>,
        witness: Witness,
        files: &mut Files,
    ) -> Result<Self, SetupError> {
        let service = setup::service(Some(file))?;
        service.require_repositories()?;
        read_once(&service).for_each(|path| files.add(&path));
        let hooks = Hooks::read(&service, environment, clock)?;
        let door = Door::read(&service)?;
        let watcher = Watcher::new(service, environment.clone(), witness)?;
        Ok(Self { watcher, hooks, door, files: files.clone() })
    }
}

/// Returns the files that are read with the configuration: secrets of webhooks, users, and the trusted root.
fn read_once(service: &Service) -> impl Iterator<Item = PathBuf> {
    let of_sources = service.webhooks.iter().filter_map(|webhook| match &webhook.proof {
        WebhookProof::Secret(SecretPlace::File(path)) => Some(path),
        _ => None,
    });
    let users = match &service.access {
        Some(Access::Users { file, .. }) => Some(file),
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
        let (mut files, read) = Live::read(self.file, self.environment, &shared.clock, shared.metrics.witness());
        if read.is_err() {
            // Those of the one that stays in force are still read.
            files.join(&shared.live().files);
        }
        self.files = files;
        match read {
            Ok(live) => {
                let service = live.watcher.service();
                let repositories = service.repositories.len();
                if service.listen != self.listen {
                    tracing::warn!(address = %service.listen, "`listen` takes effect after a restart");
                }
                if service.queue != shared.live().watcher.service().queue {
                    tracing::warn!("`queue` takes effect after a restart");
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::service::metrics::Metrics;

    #[test]
    fn what_a_refused_configuration_lacks_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (file, secret) = (folder.path().join("service.yaml"), folder.path().join("hook"));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let text = "version: 1\nrepositories:\n  - url: https://git.example/a\n    webhookSecretFile: hook\n";
        std::fs::write(&file, text).unwrap();
        let read = || Live::read(&file, &Environment::default(), &clock, Metrics::new().witness());
        let (files, refused) = read();
        assert!(refused.is_err() && !files.have_changed());
        std::fs::write(&secret, "hush").unwrap();
        assert!(files.have_changed(), "it came later");
        let (files, read) = read();
        assert!(read.is_ok() && !files.have_changed());
    }
}
