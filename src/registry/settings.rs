//! What the operator says of registries: hosts, credentials, limits. Plain input; nothing is read here.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::http::client::Timeouts;
use crate::http::connection::Connection;
use crate::http::proxy::Proxies;
use crate::http::retry::RetryPolicy;
use crate::registry::push_times::Vendor;

/// Everything a [`crate::registry::client::RegistryClient`] is told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is said of single hosts; all others follow the defaults.
    pub hosts: Vec<HostSettings>,
    /// Docker's `config.json` for hosts without a credential of their own. A file that does not exist holds nothing.
    pub docker_config: Option<PathBuf>,
    /// How credential helpers are run.
    pub helpers: HelperSettings,
    /// The environment's proxies.
    pub proxies: Proxies,
    /// Caps and time limits.
    pub limits: Limits,
}

/// What is said of one host.
#[derive(Debug, Clone, Default)]
pub struct HostSettings {
    /// The host with its port, as in normalised image names: `ghcr.io`, `docker.io`, `localhost:5000`.
    pub host: String,
    /// The credential; `None` asks docker's `config.json`.
    pub credential: Option<CredentialSetting>,
    /// Whether the host is spoken to in plain HTTP although it is not this machine.
    pub insecure: bool,
    /// How many images are asked at once; `None` for 8, or 16 on this machine.
    pub concurrency: Option<usize>,
    /// How many requests a second at most, evenly spaced; `None` for no limit of our own.
    pub requests_per_second: Option<NonZeroU32>,
    /// How it is connected to; `None` as all others are. On a loopback host, authorities and client certificates
    /// mean TLS.
    pub connection: Option<Connection>,
    /// One image with all its tries and waits; `None` for [`Limits::image_time`].
    pub image_time: Option<Duration>,
    /// Another registry that is asked in its place.
    pub mirror: Option<Mirror>,
    /// Whose software it is; `None` to go by the host's name and by how it asks for a login.
    pub vendor: Option<Vendor>,
}

impl HostSettings {
    /// Returns the defaults for a host.
    pub fn of(host: &str) -> Self {
        Self { host: host.to_owned(), ..Self::default() }
    }
}

/// A registry that is asked in place of another. The images keep their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Its host with its port.
    pub host: String,
    /// What comes before the repository there, without slashes around it; empty for nothing.
    pub path: String,
    /// Whether the registry itself is asked where the mirror cannot be reached or does not know the image.
    pub fallback: bool,
}

/// Where the credential of a host comes from.
#[derive(Debug, Clone)]
pub enum CredentialSetting {
    /// None is sent, whatever `config.json` holds.
    Anonymous,
    /// What is named for the host cannot be had: its images fail with this reason, and other hosts go on.
    Missing(String),
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
        /// Where they come from, for messages: `the environment variables A and B`.
        origin: String,
    },
    /// A file that holds an access token alone; it is sent as the password of the user `oauth2accesstoken`,
    /// which Google asks for and others pass over.
    TokenFile(PathBuf),
    /// The program `docker-credential-NAME`, by its name alone.
    Helper(String),
    /// A `config.json` of docker's form; here a missing file is an error.
    DockerConfig(PathBuf),
}

/// How credential helpers are run: they see this environment and no other.
#[derive(Debug, Clone)]
pub struct HelperSettings {
    /// Where the programs are looked for, as in the variable `PATH`.
    pub path: Option<OsString>,
    /// Further variables that helpers may see, `HOME` for one.
    pub environment: Vec<(OsString, OsString)>,
    /// How long one may take. Default: 20 s.
    pub time: Duration,
}

impl Default for HelperSettings {
    fn default() -> Self {
        Self { path: None, environment: Vec::new(), time: Duration::from_secs(20) }
    }
}

/// What all further tries of one pass together may use up for one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// How many. Default: 100.
    pub tries: u32,
    /// How long their waits may take, added up. Default: 5 min.
    pub time: Duration,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tries: 100, time: Duration::from_secs(300) }
    }
}

/// Caps and time limits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connecting and silence.
    pub timeouts: Timeouts,
    /// Further tries.
    pub retry: RetryPolicy,
    /// What they may use up for one host in a pass.
    pub retry_budget: RetryBudget,
    /// One pass: what is not asked by then is asked in the next one. Default: 30 min.
    pub pass_time: Option<Duration>,
    /// Tags whose platforms or age are asked for in one pass: each costs a manifest and a blob. Default: 2000.
    pub inspections: usize,
    /// One image with all its tries and waits. Default: 60 s.
    pub image_time: Duration,
    /// Tags asked for in one page. Default: 1000.
    pub page_size: u32,
    /// Pages of one list. Default: 10,000, which is a million tags at a hundred a page.
    pub pages: usize,
    /// Bytes of one list, all pages together. Default: 64 MiB.
    pub list_bytes: u64,
    /// Tags in one list. Default: 1,000,000.
    pub tags: usize,
    /// Bytes of a manifest or a configuration blob. Default: 4 MiB, which registries accept at most.
    pub manifest_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            retry_budget: RetryBudget::default(),
            pass_time: Some(Duration::from_secs(1800)),
            inspections: 2000,
            image_time: Duration::from_secs(60),
            page_size: 1000,
            pages: 10_000,
            list_bytes: 64 << 20,
            tags: 1_000_000,
            manifest_bytes: 4 << 20,
        }
    }
}
