//! A command that others follow in processes of their own: what an App was given is left to them in the cache, and let go where it is of
//! no use any more.
//!
//! Entry points: [`remote_kept`] and [`let_go_of_kept`].

use std::sync::Arc;

use crate::cache::Cache;
use crate::config::environment::Environment;
use crate::config::service::{RepositoryAuth, Service, WatchedRepository};
use crate::git::GitError;
use crate::pass::PassError;
use crate::pass::elsewhere::Neighbour;
use crate::pass::forges::{self, Address};
use crate::pass::setup::repositories::{Regard, app, app_address, neighbour, of_command, remote_by, spot};
use crate::pass::setup::{ForgeChoice, Opened, SetupError, Target, own};
use crate::pass::view::Unseen;

/// As [`super::remote`], with what Apps were given in commands before this one; the cache is opened where there are any.
///
/// # Errors
///
/// [`SetupError`], each with what to do.
pub fn remote_kept<'a>(
    cache: impl FnOnce() -> &'a Arc<Cache>,
    target: &Target<'_>,
    forged: (ForgeChoice, Option<&str>),
    service: &Service,
    environment: &Environment,
) -> Result<Opened, SetupError> {
    let is_app = |entry: &WatchedRepository| matches!(entry.auth, Some(RepositoryAuth::GithubApp { .. }));
    let clients = match service.repositories.iter().any(is_app) {
        true => of_command(service).kept_in(cache()),
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
        let clients = self.clients.until(self.clients.ends());
        move |text| neighbour(text, Regard::Beside(Some(&self.url)), service, environment, &clients)
    }
}

/// Forgets what the App of a repository was given in commands before; tells whether there is one, which can be given something else.
pub async fn let_go_of_kept(
    cache: &Arc<Cache>,
    target: &Target<'_>,
    forged: (ForgeChoice, Option<&str>),
    service: &Service,
    environment: &Environment,
) -> bool {
    let clients = of_command(service).kept_in(cache);
    let Some(url) = own(target) else { return false };
    let Ok(Some(app)) = app(&url, service) else { return false };
    let named = spot(forged, &url, service, environment).named;
    let address = Address { named, ..app_address(&url, service, environment, &clients) };
    // What is wrong with the App is told by what comes next.
    forges::let_go(&address, &app).await.unwrap_or(false)
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
