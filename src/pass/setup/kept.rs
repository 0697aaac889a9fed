//! What Apps were given goes from one command to the next, through the cache.
//!
//! Entry points: [`Kept`] and [`remote_kept`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::{Cache, Key32};
use crate::config::environment::Environment;
use crate::config::service::{RepositoryAuth, Service, WatchedRepository};
use crate::forge::github::vault::Vault;
use crate::git::GitError;
use crate::pass::PassError;
use crate::pass::elsewhere::Neighbour;
use crate::pass::setup::repositories::{Regard, neighbour, of_command, remote_by};
use crate::pass::setup::{ForgeChoice, Opened, SetupError, Target};
use crate::pass::view::Unseen;

/// What Apps were given in commands before, and are given in this one. It goes on to the next command where this one had no error, and is
/// forgotten otherwise: what a token may not do, as things stand, is asked for by another one then.
pub struct Kept {
    cache: Arc<Cache>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was taken out for this command.
    given: BTreeSet<[u8; 32]>,
    /// What is to be left to the next one.
    fresh: BTreeMap<[u8; 32], Vec<u8>>,
    /// What is of no use any more, whether the cache can forget it or not.
    gone: BTreeSet<[u8; 32]>,
}

impl Kept {
    /// Looks for it in a cache, and leaves it there.
    pub fn over(cache: &Arc<Cache>) -> Arc<Self> {
        Arc::new(Self { cache: Arc::clone(cache), state: Mutex::default() })
    }

    /// Forgets what was given in commands before, and gives it to nobody in this one any more; tells whether there was anything.
    pub fn let_go(&self) -> bool {
        let mut state = self.state();
        let given = std::mem::take(&mut state.given);
        given.iter().for_each(|name| self.cache.forget_sealed(&Key32(*name)));
        let had_any = !given.is_empty();
        state.gone.extend(given);
        had_any
    }

    /// Ends the command: leaves what was fetched in it to the next one, or lets go of everything.
    pub fn end(&self, is_without_errors: bool) {
        if !is_without_errors {
            self.let_go();
            return;
        }
        for (name, bytes) in std::mem::take(&mut self.state().fresh) {
            self.cache.keep_sealed(&Key32(name), bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Kept {
    fn find(&self, name: &[u8; 32]) -> Option<Vec<u8>> {
        let mut state = self.state();
        let found = self.cache.sealed(&Key32(*name)).filter(|_| !state.gone.contains(name))?;
        state.given.insert(*name);
        Some(found)
    }

    fn keep(&self, name: &[u8; 32], bytes: Vec<u8>) {
        self.state().fresh.insert(*name, bytes);
    }

    fn forget(&self, name: &[u8; 32]) {
        let mut state = self.state();
        state.fresh.remove(name);
        state.gone.insert(*name);
        self.cache.forget_sealed(&Key32(*name));
    }
}

/// As [`super::remote`], with what Apps were given in commands before this one; `kept` is asked for where there are any.
///
/// # Errors
///
/// [`SetupError`], each with what to do.
pub fn remote_kept<'a>(
    kept: impl FnOnce() -> &'a Arc<Kept>,
    target: &Target<'_>,
    forged: (ForgeChoice, Option<&str>),
    service: &Service,
    environment: &Environment,
) -> Result<Opened, SetupError> {
    let is_app = |entry: &WatchedRepository| matches!(entry.auth, Some(RepositoryAuth::GithubApp { .. }));
    let clients = match service.repositories.iter().any(is_app) {
        true => of_command(service).kept_in(Arc::<Kept>::clone(kept())),
        false => of_command(service),
    };
    remote_by(&clients, Regard::Own, target, forged, service, environment)
}

impl Opened {
    /// As [`super::neighbours`], by what this one was opened by.
    pub fn neighbours<'a>(
        &'a self,
        service: &'a Service,
        environment: &'a Environment,
    ) -> impl Fn(&str) -> Result<Neighbour, Unseen> + Sync + 'a {
        let clients = self.clients.clone();
        move |text| neighbour(text, Regard::Beside(Some(&self.url)), service, environment, &clients)
    }
}

impl SetupError {
    /// Whether the Git remote let nobody in.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Git(GitError::Denied(_)))
    }
}

impl PassError {
    /// Whether the Git remote let nobody in, before anything was done.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Git(GitError::Denied(_)))
    }
}
