//! What the operator says of registries: hosts, credentials, limits. Plain input; nothing is read here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::http::client::Timeouts;
use crate::http::connection::Connection;
use crate::http::proxy::Proxies;
use crate::http::retry::RetryPolicy;
use crate::registry::push_times::Vendor;
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
    /// The environment's proxies.
    pub proxies: Proxies,
    /// What the environment says of clouds.
    pub cloud: CloudVariables,
    /// Caps and time limits.
    pub limits: Limits,
    /// Whom signatures without keys are checked against.
    pub trusted_root: Option<Arc<TrustedRoot>>,
}

/// What is said of one host.
#[derive(Debug, Clone, Default)]
pub struct HostSettings {
    /// The host with its port, as in normalised image names: `ghcr.io`, `docker.io`, `localhost:5000`.
    pub host: String,
    /// The credential; `None` asks docker's `config.json`, and where that has none and the host is a cloud's, the
    /// variables in [`Settings::cloud`].
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
    /// The user's own `config.json`, and no variables of clouds. A file that does not exist holds nothing.
    OwnDockerConfig,
    /// A `config.json` of docker's form; here a missing file is an error.
    DockerConfig(PathBuf),
    /// A user, and a file that holds the password alone.
    PasswordFile {
        /// The user.
        user: String,
        /// The file.
        file: PathBuf,
    },
    /// A login that a cloud gives to whom this machine is there.
    Cloud(CloudSetting),
}

/// A cloud that gives logins to its registries, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudSetting {
    /// Amazon ECR.
    Aws {
        /// The region; `None` for the one in the host's name.
        region: Option<String>,
    },
    /// Google Artifact Registry.
    Google {
        /// The file of an account or a workload identity; `None` for `GOOGLE_APPLICATION_CREDENTIALS`, else the
        /// metadata server.
        file: Option<PathBuf>,
    },
    /// Azure Container Registry.
    Azure {
        /// The tenant; `None` for `AZURE_TENANT_ID`.
        tenant: Option<String>,
        /// The client's id; `None` for `AZURE_CLIENT_ID`.
        client_id: Option<String>,
        /// The file that holds the client's secret.
        client_secret_file: Option<PathBuf>,
    },
}

/// The variables by which clouds tell a program who it is. They count only where a cloud is asked for a login.
#[derive(Debug, Clone, Default)]
pub struct CloudVariables(BTreeMap<&'static str, SecretString>);

impl CloudVariables {
    /// The variables that are looked at, as the clouds' own kits name them.
    pub const NAMES: [&str; 30] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_ECR",
        "AWS_ENDPOINT_URL_ECR_PUBLIC",
        "AWS_ENDPOINT_URL_STS",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GCE_METADATA_HOST",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
    ];

    /// Takes the variables from wherever they are kept; empty ones count as unset.
    pub fn of(look: impl Fn(&str) -> Option<SecretString>) -> Self {
        let filled = |value: &SecretString| !value.expose_secret().is_empty();
        Self(Self::NAMES.into_iter().filter_map(|name| Some((name, look(name).filter(filled)?))).collect())
    }

    /// Returns what a variable holds.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }

    /// Returns a variable that is a secret.
    pub(crate) fn secret(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }
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
    /// HEADs by which one pass sees where tags point whose platforms or age are compared. Default: 5000.
    pub heads: usize,
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
            heads: 5000,
            image_time: Duration::from_secs(60),
            page_size: 1000,
            pages: 10_000,
            list_bytes: 64 << 20,
            tags: 1_000_000,
            manifest_bytes: 4 << 20,
        }
    }
}
