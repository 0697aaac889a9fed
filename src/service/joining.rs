//! The way to other replicas: the queue that `service.yaml` names, and what is shared beside it.
//!
//! Entry point: [`join`]. Secrets and certificates are read by whoever connects, each time; here they are only named.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::{NatsAuth, NatsQueue, Queue as Configured, SecretPlace, Service};
use crate::pass::setup::{self, SetupError};
use crate::queue::Queue;
use crate::queue::local::Local;
use crate::queue::nats::connection::{Login, Servers};
use crate::queue::nats::sharing::Sharing;
use crate::queue::nats::{Nats, Settings};
use crate::service::live::Live;

/// How long a replica may be silent before its passes are taken over, unless the configuration says otherwise.
const LEASE: Duration = Duration::from_secs(30);

/// The other replicas, or the lack of any.
pub(super) struct Joined {
    pub(super) queue: Arc<dyn Queue>,
    /// The name of this replica among them.
    pub(super) name: String,
    /// What is shared beside passes.
    pub(super) sharing: Option<Arc<Sharing>>,
}

impl Joined {
    /// Works without others.
    pub(super) fn alone() -> Self {
        Self { queue: Arc::new(Local::default()), name: "alone".to_owned(), sharing: None }
    }

    /// Lets the passes of a configuration share what they learn of registries.
    pub(super) fn share(&self, live: Live) -> Live {
        match &self.sharing {
            Some(sharing) => {
                let watcher = live.watcher.together(Arc::clone(sharing) as _, Arc::clone(sharing) as _);
                Live { watcher, ..live }
            }
            None => live,
        }
    }
}

/// Joins the others as a configuration says; must be called within a runtime. Nobody is waited for.
///
/// # Errors
///
/// [`SetupError`] when the secret that they share cannot be read.
pub(super) fn join(live: &Live, environment: &Environment, clock: Arc<dyn Clock>) -> Result<Joined, SetupError> {
    let service = live.watcher.service();
    let Configured::Nats(nats) = &service.queue else { return Ok(Joined::alone()) };
    let secret = match &nats.secret {
        Some(place) => Some(setup::secret(place, service, environment)?),
        None => None,
    };
    let host = environment.variable("HOSTNAME").and_then(|name| name.to_str()).unwrap_or("tagboat");
    // Two on one machine, or one that comes again, are not the same.
    let name = format!("{host}-{:04x}", fastrand::u16(..));
    let lease = nats.lease.and_then(|lease| Duration::try_from(lease).ok()).unwrap_or(LEASE);
    let settings = Settings {
        servers: servers(nats, service, environment),
        name: nats.name.clone(),
        replica: name.clone(),
        secret,
        lease,
        stream_replicas: usize::try_from(nats.stream_replicas).unwrap_or(1),
    };
    let repositories: Vec<String> = service.repositories.iter().map(|repository| repository.url.clone()).collect();
    let queue = Nats::start(settings, &repositories, clock);
    let sharing = Some(queue.sharing());
    Ok(Joined { queue: Arc::new(queue), name, sharing })
}

fn servers(nats: &NatsQueue, service: &Service, environment: &Environment) -> Servers {
    let (auth, of_login, environment) = (nats.auth.clone(), service.clone(), environment.clone());
    let login = move || {
        let secret =
            |place: &SecretPlace| setup::secret(place, &of_login, &environment).map_err(|error| error.to_string());
        Ok(match &auth {
            None => Login::Nobody,
            Some(NatsAuth::Credentials(file)) => Login::Credentials(secret(&SecretPlace::File(file.clone()))?),
            Some(NatsAuth::Token(place)) => Login::Token(secret(place)?),
            Some(NatsAuth::Basic(basic)) => {
                Login::Basic { username: basic.username.clone(), password: secret(&basic.password)? }
            }
        })
    };
    let client = nats.client_certificate.as_ref();
    Servers {
        urls: nats.urls.clone(),
        login: Box::new(login),
        ca_file: nats.ca_file.as_ref().map(|file| service.resolve(file)),
        client_certificate: client
            .map(|client| (service.resolve(&client.certificate_file), service.resolve(&client.key_file))),
        insecure: nats.insecure,
    }
}
