//! From the operator's words on transport to the registries' settings: certificates, proxies, mirrors, vendors.
//!
//! Opens no file: certificates and keys are read when a host is connected to. Credentials are `setup`'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::words::ProxyText;
use crate::config::service::{self, Service};
use crate::http::client::{HttpClient, Redirects, Timeouts};
use crate::http::connection::{ClientCertificate, Connection, Connections};
use crate::http::proxy::{NamedProxy, Proxies, ProxyChoice, ProxyUrl};
use crate::registry::push_times::Vendor;
use crate::registry::settings::Mirror;

/// Returns the environment's proxies.
pub(super) fn proxies(environment: &Environment) -> Proxies {
    let said = environment.proxies();
    let named = |(variable, value): (&str, SecretString)| NamedProxy { variable: variable.to_owned(), value };
    Proxies::of(said.http.map(named), said.https.map(named), said.exempt.as_deref())
}

/// Returns how a registry is connected to. Its files are read when it is, and again when they have changed.
pub(super) fn connection(service: &Service, registry: &service::Registry) -> Connection {
    let default = Timeouts::default();
    let time = |time: Option<SignedDuration>| time.and_then(|time| Duration::try_from(time).ok());
    Connection {
        timeouts: Timeouts {
            connect: time(registry.timeouts.connect).unwrap_or(default.connect),
            silence: time(registry.timeouts.silence).unwrap_or(default.silence),
        },
        ca_file: registry.ca_file.as_ref().map(|file| service.resolve(file)),
        client_certificate: registry.client_certificate.as_ref().map(|own| ClientCertificate {
            certificate_file: service.resolve(&own.certificate_file),
            key_file: service.resolve(&own.key_file),
        }),
        proxy: proxy(&registry.proxy),
    }
}

/// Returns how the forge of a repository is connected to.
pub(super) fn forge(service: &Service, watched: Option<&service::WatchedRepository>) -> Connection {
    Connection {
        ca_file: watched.and_then(|watched| watched.ca_file.as_ref()).map(|file| service.resolve(file)),
        proxy: watched.map(|watched| proxy(&watched.proxy)).unwrap_or_default(),
        ..Connection::default()
    }
}

/// Returns a client for what the service asks and tells by itself: through the environment's proxies, trusting a private
/// authority where one is named. It says no path in logs, for that may be a secret, and follows nobody elsewhere.
pub fn outgoing(ca_file: Option<PathBuf>, environment: &Environment, clock: Arc<dyn Clock>) -> HttpClient {
    let connections = Connections::new(Connection { ca_file, ..Connection::default() }, proxies(environment));
    HttpClient::over(connections, Arc::new(move || clock.now())).following(Redirects::WithinHost).hushed()
}

fn proxy(said: &ProxyText) -> ProxyChoice {
    match said {
        ProxyText::Environment => ProxyChoice::Environment,
        ProxyText::Never => ProxyChoice::Never,
        // The configuration has checked that it is a proxy's URL.
        ProxyText::Url(url) => ProxyUrl::parse(url).map_or(ProxyChoice::Environment, ProxyChoice::Through),
    }
}

/// Returns the vendor of a word that the configuration has checked.
pub(super) fn vendor(word: &'static str) -> Vendor {
    match word {
        "dockerhub" => Vendor::DockerHub,
        "quay" => Vendor::Quay,
        "harbor" => Vendor::Harbor,
        "gitlab-registry" => Vendor::GitLab,
        "ecr" => Vendor::Ecr,
        _ => Vendor::Other,
    }
}

/// Returns the registry that is asked in place of another.
pub(super) fn mirror(registry: &service::Registry) -> Option<Mirror> {
    registry.mirror.as_ref().map(|mirror| Mirror {
        host: mirror.at.host.clone(),
        path: mirror.at.path.clone(),
        fallback: mirror.fallback,
    })
}
