//! From configuration files to what a pass works with: sources of tags, limits, remotes.
//!
//! The one place that knows both the configuration's types and those of registries and Git.

mod kept;
mod repositories;
mod sources;
mod tokens;

use std::fs::{self, File};
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cache::Cache;
use crate::clock::{Clock as _, PassEnd, SystemClock};
use crate::config::environment::{CachePlace, Environment, VariableError};
use crate::config::fault::Fault;
use crate::config::repository::{self, Repository};
use crate::config::service::{self, Basic, RegistryAuth, SecretPlace, Service};
use crate::git::local::LocalHistory;
use crate::git::url::UrlError;
use crate::git::{GitError, checkout::CheckoutError};
use crate::manifest;
use crate::model::observation::Observation;
use crate::observe::checkout::Checkout;
use crate::observe::history::Past;
use crate::pass::run::CONFIG_FILE;
use crate::pass::transport;
use crate::registry::TagSource;
use crate::registry::client::RegistryClient;
use crate::registry::settings::{
    CloudSetting, CloudVariables, CredentialSetting, HelperSettings, HostSettings, Limits, Settings,
};
use crate::registry::snapshot::{Recorder, Snapshot, SnapshotError};
use crate::signature::trust::{MAX_TRUSTED_ROOT, TrustedRoot};

pub use crate::pass::setup::kept::{Kept, remote_kept};
pub use crate::pass::setup::repositories::{
    ForgeChoice, Opened, Target, asked, neighbours, own, person, program, publishing, remote, secret,
};
pub(super) use crate::pass::setup::repositories::{Regard, watched};
pub(super) use crate::pass::setup::repositories::{
    let_go, named_token, neighbours_by, publishing_by, remote_by, settled,
};
pub use crate::pass::setup::sources::sources;
pub(super) use crate::pass::setup::sources::sources_until;
pub use crate::pass::transport::outgoing;

/// How long one pass may take, unless the operator says otherwise: the largest repositories take minutes.
const PASS_TIME: Duration = Duration::from_secs(1800);

/// The part of it in which registries may be asked. What they have answered by then is pushed and proposed in the rest, so that
/// a registry that takes for ever does not keep every pass from doing what is known.
const OF_REGISTRIES: f64 = 0.8;

/// The longest configuration file that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The longest snapshot that is read, in bytes: two million tags with their facts.
const MAX_SNAPSHOT: u64 = 512 << 20;

/// The longest file with a secret that is read, in bytes: keys of 16 kbit fit many times.
const MAX_SECRET: u64 = 64 << 10;

/// Why a pass could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A configuration file has faults.
    #[error("the configuration has faults")]
    Configuration(#[from] crate::config::fault::Faults),
    /// A file that was named cannot be read.
    #[error("cannot read {what} {}: {reason}", .path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An environment variable that was named is of no use.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The snapshot is none.
    #[error("the snapshot {}: {source}", .path.display())]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SnapshotError,
    },
    /// The folder is no checkout to work on.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    /// The repository's URL is unusable.
    #[error("the repository: {0}")]
    Url(#[from] UrlError),
    /// No branch is named, and the remote names none either.
    #[error("no branch is named, and the remote has no default branch: say which one with --branch")]
    NoBranch,
    /// The branch has a name that Git does not allow.
    #[error("{0}")]
    Branch(GitError),
    /// There is nowhere to keep the mirror.
    #[error("there is no folder for the mirror: set HOME, XDG_CACHE_HOME or TAGBOAT_CACHE")]
    NoCacheFolder,
    /// What the configuration asks for is not built yet.
    #[error("{0}")]
    Unsupported(String),
    /// The forge's URL is unusable; the text is left out, for it may hold a secret.
    #[error("the forge's URL: {0}")]
    ForgeUrl(&'static str),
    /// The GitHub App that the operator names lets nobody in.
    #[error("the GitHub App: {0}")]
    App(String),
    /// A variable holds a token, and nothing tells for which of several servers.
    #[error(
        "{variable} is not shown to the servers of several repositories without `auth`, of which {other} is one: give each entry one of \
         its own, as `auth: {{tokenEnv: {variable}}}` where that token is for it"
    )]
    SeveralServers {
        /// The variable.
        variable: &'static str,
        /// A repository on another server.
        other: String,
    },
    /// The mirror could not be opened.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Reads a whole file of at most `limit` bytes.
fn read(what: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, SetupError> {
    let unreadable = |reason: String| SetupError::Unreadable { what, path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(unreadable(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads the operator's configuration, or takes the defaults where none is named.
///
/// # Errors
///
/// [`SetupError`] when the file cannot be read or has faults.
pub fn service(path: Option<&Path>) -> Result<Service, SetupError> {
    let Some(path) = path else { return Ok(Service::without_configuration()) };
    let bytes = read("the service configuration", path, MAX_CONFIG)?;
    Ok(service::parse(&path.to_string_lossy(), &bytes)?)
}

/// Reads the repository's configuration from a named file, else from a folder, else takes the defaults.
///
/// # Errors
///
/// [`SetupError`] when the file cannot be read or has faults.
pub fn repository(folder: &Path, named: Option<&Path>) -> Result<Repository, SetupError> {
    if let Some(path) = named {
        return repository_file(path);
    }
    match file_of_folder(folder, CONFIG_FILE)? {
        Some(path) => Ok(repository::parse(CONFIG_FILE, &read("the configuration", &path, MAX_CONFIG)?)?),
        None => Ok(Repository::without_configuration()),
    }
}

/// Returns the path of a folder's file, or `None` where there is none.
///
/// Whoever may write manifests may also put a link in its place: one that leads out of the folder would have
/// a stranger's file shown in messages, and a pipe would be read for ever. A link is refused wherever it leads,
/// since a commit's file is read without following any.
fn file_of_folder(folder: &Path, name: &str) -> Result<Option<PathBuf>, SetupError> {
    let path = folder.join(name);
    let unreadable = |reason: String| SetupError::Unreadable { what: "the configuration", path: path.clone(), reason };
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
        Ok(metadata) if metadata.is_symlink() => Err(SetupError::Configuration(linked_config(name).into())),
        Ok(metadata) if metadata.is_file() => Ok(Some(path)),
        Ok(_) => Err(unreadable("it is no regular file".to_owned())),
    }
}

/// Says of a configuration that is a symbolic link that none is followed.
pub(super) fn linked_config(name: &str) -> Fault {
    let hint = "put the file itself in its place; `--config FILE` follows links";
    Fault::of_file(name, "it is a symbolic link, and no link is followed to a configuration", Some(hint))
}

/// Returns the folder above this one that has a configuration, as far as the checkout's root.
pub fn configured_above(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let mut above = folder.as_path();
    while !above.join(".git").exists() {
        above = above.parent()?;
        if above.join(CONFIG_FILE).is_file() {
            return Some(above.to_owned());
        }
    }
    None
}

/// Reads the repository's configuration from a file.
///
/// # Errors
///
/// [`SetupError`] when the file cannot be read or has faults.
pub fn repository_file(path: &Path) -> Result<Repository, SetupError> {
    let bytes = read("the configuration", path, MAX_CONFIG)?;
    Ok(repository::parse(&path.to_string_lossy(), &bytes)?)
}

/// Returns the one warning about parts of the configuration that do not act in this version.
pub fn inactive(config: &Repository) -> Option<String> {
    if config.inactive.is_empty() {
        return None;
    }
    let mut keys: Vec<String> = Vec::new();
    for part in &config.inactive {
        let instead = match part.key.as_str() {
            "formats" => "",
            _ => ": what depends on it waits",
        };
        let named = format!("{} (line {}{instead})", part.key, part.position.line);
        if !keys.contains(&named) {
            keys.push(named);
        }
    }
    Some(format!("warning: understood, but not acted on in this version: {}", keys.join(", ")))
}

/// Returns the files of a folder.
pub fn checkout(folder: &Path) -> Checkout {
    Checkout::new(folder)
}

/// Returns the history that led to a folder's files; `None` where it is in no repository, or has no commit yet.
pub fn past(folder: &Path) -> Option<Box<dyn Past>> {
    match LocalHistory::open(folder) {
        Ok(history) => Some(Box::new(history)),
        Err(reason) => {
            tracing::debug!(%reason, "there is no history to look into");
            None
        }
    }
}

/// Returns the limits of what is read from manifests.
pub fn limits(service: &Service) -> manifest::Limits {
    let mut limits = manifest::Limits::default();
    if let Some(bytes) = service.limits.max_file_size {
        limits.max_bytes = bytes;
    }
    limits
}

/// Opens the cache: the operator's file, else what the environment names. Never fails; see [`Cache::warning`].
pub fn cache(service: &Service, environment: &Environment) -> Cache {
    let place = match &service.cache {
        Some(path) => CachePlace::File(service.resolve(path)),
        None => environment.cache_place(),
    };
    let clock = Arc::new(SystemClock);
    match place {
        CachePlace::File(path) => Cache::open(&path, clock),
        CachePlace::Off => no_cache(),
        CachePlace::Nowhere => {
            let warning = "there is no folder for the cache: set HOME, XDG_CACHE_HOME or TAGBOAT_CACHE";
            Cache::off(Some(warning.to_owned()), clock)
        }
    }
}

/// Returns a cache that keeps nothing.
pub fn no_cache() -> Cache {
    Cache::off(None, Arc::new(SystemClock))
}

/// Returns where tags come from: a snapshot where one is named, else the registries.
///
/// # Errors
///
/// [`SetupError`] when the snapshot or a credential cannot be read.
pub fn source(
    service: &Service,
    snapshot: Option<&Path>,
    environment: &Environment,
) -> Result<Box<dyn TagSource>, SetupError> {
    match snapshot {
        Some(path) => {
            let bytes = read("the snapshot", path, MAX_SNAPSHOT)?;
            let snapshot =
                Snapshot::parse(&bytes).map_err(|source| SetupError::Snapshot { path: path.to_owned(), source })?;
            Ok(Box::new(snapshot))
        }
        None => registry(service, environment),
    }
}

/// Returns the registries' client as a source of tags.
///
/// # Errors
///
/// As for [`registry_client`].
pub fn registry(service: &Service, environment: &Environment) -> Result<Box<dyn TagSource>, SetupError> {
    Ok(Box::new(registry_client(service, environment)?))
}

/// Returns the registries' client. What is named for a host and cannot be had fails when that host is asked.
///
/// # Errors
///
/// [`SetupError`] when the trusted root that is named cannot be read.
pub fn registry_client(service: &Service, environment: &Environment) -> Result<RegistryClient, SetupError> {
    let hosts = service.registries.iter().map(|registry| host(service, registry, environment)).collect();
    let home = environment.home().map(|home| ("HOME".into(), home.into_os_string()));
    let settings = Settings {
        hosts,
        docker_config: environment.docker_config_folder().map(|folder| folder.join("config.json")),
        helpers: HelperSettings {
            path: environment.path().map(ToOwned::to_owned),
            environment: home.into_iter().collect(),
            ..HelperSettings::default()
        },
        proxies: transport::proxies(environment),
        cloud: CloudVariables::of(|name| environment.secret(name).ok()),
        limits: registry_limits(service),
        trusted_root: trusted_root(service)?,
    };
    Ok(RegistryClient::new(settings, Arc::new(SystemClock)))
}

/// Reads the trusted root that the operator names.
fn trusted_root(service: &Service) -> Result<Option<Arc<TrustedRoot>>, SetupError> {
    let Some(path) = service.trusted_root.as_ref().map(|path| service.resolve(path)) else { return Ok(None) };
    let what = "the trusted root";
    let bytes = read(what, &path, MAX_TRUSTED_ROOT)?;
    let root = TrustedRoot::parse(&bytes);
    root.map(|root| Some(Arc::new(root))).map_err(|error| SetupError::Unreadable {
        what,
        path,
        reason: error.to_string(),
    })
}

fn registry_limits(service: &Service) -> Limits {
    let mut limits = Limits::default();
    if let Some(bytes) = service.limits.max_tag_list_size {
        limits.list_bytes = bytes;
    }
    if let Some(tags) = service.limits.max_tags {
        limits.tags = usize::try_from(tags).unwrap_or(usize::MAX);
    }
    if let Some(pages) = service.limits.max_pages {
        limits.pages = usize::try_from(pages).unwrap_or(usize::MAX);
    }
    if let Some(count) = service.limits.max_inspections {
        limits.inspections = usize::try_from(count).unwrap_or(usize::MAX);
    }
    if let Some(count) = service.limits.max_heads {
        limits.heads = usize::try_from(count).unwrap_or(usize::MAX);
    }
    limits.pass_time = Some(pass_time(service).mul_f64(OF_REGISTRIES));
    limits
}

/// Returns how long one pass may take.
fn pass_time(service: &Service) -> Duration {
    service.limits.pass_time.and_then(|time| Duration::try_from(time).ok()).unwrap_or(PASS_TIME)
}

/// Returns when a pass is over that begins now.
pub(super) fn pass_end(service: &Service) -> PassEnd {
    PassEnd::of(SystemClock.instant(), pass_time(service))
}

fn host(service: &Service, registry: &service::Registry, environment: &Environment) -> HostSettings {
    let credential = match &registry.auth {
        None => None,
        Some(RegistryAuth::DockerConfig(None)) => Some(CredentialSetting::OwnDockerConfig),
        Some(RegistryAuth::DockerConfig(Some(path))) => Some(CredentialSetting::DockerConfig(service.resolve(path))),
        Some(RegistryAuth::TokenFile(path)) => Some(CredentialSetting::TokenFile(service.resolve(path))),
        Some(RegistryAuth::Helper(name)) => Some(CredentialSetting::Helper(name.clone())),
        Some(RegistryAuth::Variables { username, password }) => {
            let origin = format!("the environment variables {} and {}", username.0, password.0);
            Some(match environment.credential(&username.0, &password.0) {
                Ok((user, password)) => {
                    let user = secrecy::ExposeSecret::expose_secret(&user).to_owned();
                    CredentialSetting::Password { user, password, origin }
                }
                Err(error) => CredentialSetting::Missing(format!("{error}, and {} names it", service.file)),
            })
        }
        Some(RegistryAuth::Basic(Basic { username, password })) => Some(match password {
            SecretPlace::File(path) => {
                CredentialSetting::PasswordFile { user: username.clone(), file: service.resolve(path) }
            }
            SecretPlace::Variable(name) => match environment.secret(&name.0) {
                Ok(password) => {
                    let origin = format!("the environment variable {}", name.0);
                    CredentialSetting::Password { user: username.clone(), password, origin }
                }
                Err(error) => CredentialSetting::Missing(format!("{error}, and {} names it", service.file)),
            },
        }),
        Some(RegistryAuth::Aws { region }) => {
            Some(CredentialSetting::Cloud(CloudSetting::Aws { region: region.clone() }))
        }
        Some(RegistryAuth::Gcp { credentials_file }) => {
            let file = credentials_file.as_ref().map(|path| service.resolve(path));
            Some(CredentialSetting::Cloud(CloudSetting::Google { file }))
        }
        Some(RegistryAuth::Azure { tenant, client_id, client_secret_file }) => {
            Some(CredentialSetting::Cloud(CloudSetting::Azure {
                tenant: tenant.clone(),
                client_id: client_id.clone(),
                client_secret_file: client_secret_file.as_ref().map(|path| service.resolve(path)),
            }))
        }
    };
    HostSettings {
        credential,
        insecure: registry.insecure,
        concurrency: registry.concurrency.and_then(|count| usize::try_from(count).ok()),
        requests_per_second: registry.requests_per_second.and_then(NonZeroU32::new),
        connection: Some(transport::connection(service, registry)),
        image_time: registry.timeouts.image.and_then(|time| Duration::try_from(time).ok()),
        mirror: transport::mirror(registry),
        vendor: registry.vendor.map(transport::vendor),
        ..HostSettings::of(&registry.host)
    }
}

/// A source that records, and can tell what it recorded.
pub struct Recording(Recorder<Box<dyn TagSource>>);

impl Recording {
    /// Records what a source answers.
    pub fn of(source: Box<dyn TagSource>) -> Self {
        Self(Recorder::new(source))
    }

    /// Returns the source to ask.
    pub fn source(&self) -> &dyn TagSource {
        &self.0
    }

    /// Returns the snapshot as JSON: what the source said, and what the pass knew without asking it.
    pub fn to_json(&self, observation: &Observation) -> String {
        let mut snapshot = self.0.snapshot();
        for (image, tags) in &observation.images {
            match tags {
                Ok(tags) => snapshot.add(image, tags),
                Err(reason) if !observation.unknown.contains(image) => snapshot.fail(image.clone(), reason.clone()),
                Err(_) => {}
            }
        }
        observation.losses.iter().for_each(|(image, loss)| snapshot.lose(image, loss));
        for (want, reason) in &observation.failed {
            snapshot.fail_fact(&want.image, &want.tag, want.kind, reason);
        }
        snapshot.to_json()
    }
}
