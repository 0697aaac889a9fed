//! What the operator says of registries: hosts, credentials, limits. Plain input; nothing is read here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::http::client::Timeouts;
use crate::http::retry::RetryPolicy;
use crate::signature::trust::TrustedRoot;

/// Everything a [`crate::registry::client::RegistryClient`] is told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is said of single hosts; all others follow the defaults.
    pub hosts: Vec<HostSettings>,
    /// Docker's `config.json` for hosts without a credential of their own. A file that does not exist holds nothing.
    pub docker_config: Option<PathBuf>,
    /// How credential helpers are run.
    pub helpers: HelperSettings,
    /// Caps and time limits.
    pub limits: Limits,
    /// Whom signatures without keys are checked against.
    pub trusted_root: Option<Arc<TrustedRoot>>,
}

/// What is said of one host.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// The host with its port, as in normalised image names: `ghcr.io`, `docker.io`, `localhost:5000`.
    pub host: String,
    /// The credential; `None` asks docker's `config.json`.
    pub credential: Option<CredentialSetting>,
    /// Whether the host is spoken to in plain HTTP although it is not this machine.
    pub insecure: bool,
    /// How many images are asked at once; `None` for 8, or 16 on this machine.
    pub concurrency: Option<usize>,
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

/// Caps and time limits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connecting and silence.
    pub timeouts: Timeouts,
    /// Further tries.
    pub retry: RetryPolicy,
    /// One image with all its tries and waits. Default: 60 s.
    pub image_time: Duration,
    /// Tags asked for in one page. Default: 1000.
    pub page_size: u32,
    /// Pages of one list. Default: 2000.
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
            image_time: Duration::from_secs(60),
            page_size: 1000,
            pages: 2000,
            list_bytes: 64 << 20,
            tags: 1_000_000,
            manifest_bytes: 4 << 20,
        }
    }
}
