//! `service.yaml`: what the operator says, from repositories to limits.
//!
//! Entry point: [`parse`]. Owns plain types without any secret in them: a secret is a file's path
//! or an environment variable's name, and whoever needs it reads it there. Opens no file.

mod convert;
pub mod log;
pub(crate) mod raw;
pub mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::config::fault::{Fault, Faults};
use crate::config::reader::{Read, Reader};
use crate::config::service::log::Log;
use crate::config::service::raw::RawService;
use crate::config::service::words::{CronText, FilePath, ForgeWord, MirrorText, ProxyText, VariableName};
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::template::Template;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In a file.
    File(FilePath),
    /// In an environment variable.
    Variable(VariableName),
}

/// A user's name and where the password is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basic {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: SecretPlace,
}

/// When passes begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// By cron of five fields in a time zone.
    Cron {
        /// The expression, checked.
        cron: CronText,
        /// The time zone.
        zone: TimeZone,
    },
    /// Again after so long.
    Every(SignedDuration),
}

/// A sender of webhooks that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whose webhooks, as in the path `/hooks/<source>`.
    pub source: &'static str,
    /// How it shows that it is the sender.
    pub proof: WebhookProof,
}

/// How a sender of webhooks shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookProof {
    /// By a shared secret.
    Secret(SecretPlace),
    /// By a token that Google signed.
    Google(GoogleToken),
}

/// What a token of Google's must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleToken {
    /// Whom it is meant for.
    pub audience: String,
    /// The service account that it was issued to.
    pub account: String,
    /// Where the keys are by which it is checked, where they are not Google's own.
    pub keys_url: Option<String>,
    /// Certificates of a private authority for that place.
    pub ca_file: Option<FilePath>,
}

/// How a repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositoryAuth {
    /// As a GitHub App.
    GithubApp {
        /// The app's id.
        id: u64,
        /// Its private key.
        private_key_file: FilePath,
        /// Its installation, where it is named.
        installation: Option<u64>,
    },
    /// By a token.
    Token(SecretPlace),
    /// By a private SSH key.
    SshKey(FilePath),
    /// By a name and a password.
    Basic(Basic),
}

/// A manifest repository that is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedRepository {
    /// Its URL, without any credential.
    pub url: String,
    /// Its base branch, where it is named.
    pub branch: Option<BranchName>,
    /// Which forge it is on.
    pub forge: ForgeWord,
    /// The forge's URL, where it is not on the repository's host.
    pub forge_url: Option<String>,
    /// How it is reached, where that is named.
    pub auth: Option<RepositoryAuth>,
    /// The secret of its webhooks.
    pub webhook_secret: Option<FilePath>,
    /// Its own schedule.
    pub schedule: Option<Schedule>,
    /// Certificates of a private authority.
    pub ca_file: Option<FilePath>,
    /// What the forge's API is reached through.
    pub proxy: ProxyText,
}

/// The keys that commits are signed with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signing {
    /// The SSH key.
    pub ssh: Option<SecretPlace>,
    /// The name of the GPG key.
    pub gpg_key: Option<String>,
    /// The folder of GPG's keyring.
    pub gpg_home: Option<FilePath>,
}

/// The credential of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// Docker's `config.json`; `None` for the user's own.
    DockerConfig(Option<FilePath>),
    /// A name and a password from environment variables.
    Variables {
        /// The user's name.
        username: VariableName,
        /// The password.
        password: VariableName,
    },
    /// A name, and a password in a file or a variable.
    Basic(Basic),
    /// A token in a file.
    TokenFile(FilePath),
    /// A docker credential helper, without `docker-credential-`.
    Helper(String),
    /// Amazon ECR, in a region where it is named.
    Aws {
        /// The region.
        region: Option<String>,
    },
    /// Google Artifact Registry.
    Gcp {
        /// The file of an account or of a workload identity.
        credentials_file: Option<FilePath>,
    },
    /// Azure Container Registry.
    Azure {
        /// The tenant.
        tenant: Option<String>,
        /// The client's id.
        client_id: Option<String>,
        /// The client's secret.
        client_secret_file: Option<FilePath>,
    },
}

/// Time limits of requests to a registry; `None` for the client's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For connecting.
    pub connect: Option<SignedDuration>,
    /// For silence in the middle of an answer.
    pub silence: Option<SignedDuration>,
    /// For one image with all its retries and waits.
    pub image: Option<SignedDuration>,
}

/// A client certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate_file: FilePath,
    /// Its key.
    pub key_file: FilePath,
}

/// Another registry that is asked in place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Its host, and what comes before the repository there.
    pub at: MirrorText,
    /// Whether the registry itself is asked where the mirror does not help.
    pub fallback: bool,
}

/// How a registry is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its host as image names have it.
    pub host: String,
    /// The credential, where it is named.
    pub auth: Option<RegistryAuth>,
    /// How many requests a second at most.
    pub requests_per_second: Option<u32>,
    /// How many requests at once at most.
    pub concurrency: Option<u32>,
    /// Whether plain HTTP is spoken to a host that is not on loopback.
    pub insecure: bool,
    /// Certificates of private authorities.
    pub ca_file: Option<FilePath>,
    /// The client certificate that is shown to it.
    pub client_certificate: Option<ClientCertificate>,
    /// What it is reached through.
    pub proxy: ProxyText,
    /// Another registry that is asked in its place.
    pub mirror: Option<Mirror>,
    /// Whose software it is, where that is named.
    pub vendor: Option<&'static str>,
    /// Time limits.
    pub timeouts: Timeouts,
}

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A Prometheus server, by its URL.
    Prometheus(String),
    /// Anything that speaks HTTP, by its URL.
    Http(String),
}

/// The credential of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAuth {
    /// By a token.
    Token(SecretPlace),
    /// By a name and a password.
    Basic(Basic),
}

/// Something that gates may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// The credential.
    pub auth: Option<SourceAuth>,
    /// Certificates of a private authority.
    pub ca_file: Option<FilePath>,
}

/// Where a notification goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// To Slack, by a URL that is a secret.
    Slack(SecretPlace),
    /// To a channel of Slack, by a bot.
    SlackBot {
        /// The bot's token.
        token: SecretPlace,
        /// The channel.
        channel: String,
        /// Where Slack's API is, where it is not Slack's own.
        api: Option<String>,
    },
    /// To Microsoft Teams, by a URL that is a secret.
    Teams(SecretPlace),
    /// To any receiver of JSON.
    Webhook {
        /// The receiver's URL.
        url: String,
        /// The secret by which bodies are signed.
        secret: Option<SecretPlace>,
    },
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// Where it goes.
    pub channel: Channel,
    /// What they are told; empty for everything.
    pub on: Vec<&'static str>,
    /// Of which environments; empty for all.
    pub environments: Vec<EnvironmentName>,
    /// Of which repositories; empty for all.
    pub repositories: Vec<String>,
    /// How long something waits until they are told, where that is named.
    pub waiting_after: Option<SignedDuration>,
    /// What is said.
    pub template: Option<Template>,
    /// Certificates of a private authority.
    pub ca_file: Option<FilePath>,
}

/// How replicas share work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Queue {
    /// Everything is in one process.
    #[default]
    Local,
    /// Over NATS JetStream.
    Nats(Box<NatsQueue>),
}

/// How one logs in at NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsAuth {
    /// By a file with a JWT and the seed of a key.
    Credentials(FilePath),
    /// By a token.
    Token(SecretPlace),
    /// By a name and a password.
    Basic(Basic),
}

/// A queue that replicas share over NATS JetStream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsQueue {
    /// The servers' URLs.
    pub urls: Vec<String>,
    /// What streams, subjects and buckets begin with.
    pub name: String,
    /// How one logs in, where that is named.
    pub auth: Option<NatsAuth>,
    /// Certificates of the servers' authority.
    pub ca_file: Option<FilePath>,
    /// The client certificate that is shown to them.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether a token or password is sent without TLS to a server that is not on loopback.
    pub insecure: bool,
    /// What replicas prove by that what they share is theirs.
    pub secret: Option<SecretPlace>,
    /// How long a replica may be silent before its pass is taken over.
    pub lease: Option<SignedDuration>,
    /// How many servers keep each stream.
    pub stream_replicas: u32,
}

/// Who may act on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Users of a file with password hashes.
    Users {
        /// The file.
        file: FilePath,
        /// The proxies that are believed where a login comes from.
        proxies: Vec<String>,
    },
    /// Whom an authenticating proxy names.
    TrustedHeader {
        /// The header.
        header: String,
        /// The proxies whose header is believed; empty for loopback.
        proxies: Vec<String>,
    },
}

/// Bounds; `None` for the default of whoever keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The largest file that is looked into, in bytes.
    pub max_file_size: Option<u64>,
    /// The largest tag list, in bytes.
    pub max_tag_list_size: Option<u64>,
    /// The most tags of one image.
    pub max_tags: Option<u64>,
    /// The most pages of one tag list.
    pub max_pages: Option<u64>,
    /// The most tags of all images together whose platforms or age one pass asks for.
    pub max_inspections: Option<u64>,
    /// The most tags of all images together of which one pass asks where they point, to compare their images.
    pub max_heads: Option<u64>,
    /// How long one pass may take.
    pub pass_time: Option<SignedDuration>,
    /// How many passes run at once.
    pub concurrent_passes: Option<u32>,
}

/// What the operator's file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The file's name as the caller gave it; paths are relative to its folder.
    pub file: String,
    /// When passes begin.
    pub schedule: Schedule,
    /// Where the board, webhooks and metrics are served.
    pub listen: SocketAddr,
    /// How it logs.
    pub log: Log,
    /// The cache's file, where it is named.
    pub cache: Option<FilePath>,
    /// Who may hasten a pass.
    pub webhooks: Vec<Webhook>,
    /// The repositories that are watched.
    pub repositories: Vec<WatchedRepository>,
    /// How registries are spoken to.
    pub registries: Vec<Registry>,
    /// The trusted root of signatures without keys.
    pub trusted_root: Option<FilePath>,
    /// The keys that commits are signed with.
    pub signing: Signing,
    /// What gates may ask.
    pub sources: Vec<Source>,
    /// Who is told.
    pub notify: Vec<Notify>,
    /// How replicas share work.
    pub queue: Queue,
    /// The names under which the board is reached, in lower case.
    pub hosts: Vec<String>,
    /// Who may act on the board; nobody by default.
    pub access: Option<Access>,
    /// Bounds.
    pub limits: Limits,
}

impl Service {
    /// Returns what holds without a file.
    pub fn without_configuration() -> Self {
        Self {
            file: String::new(),
            schedule: Schedule::Every(SignedDuration::from_mins(5)),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            log: Log::default(),
            cache: None,
            webhooks: Vec::new(),
            repositories: Vec::new(),
            registries: Vec::new(),
            trusted_root: None,
            signing: Signing::default(),
            sources: Vec::new(),
            notify: Vec::new(),
            queue: Queue::default(),
            hosts: Vec::new(),
            access: None,
            limits: Limits::default(),
        }
    }

    /// Returns the folder to which the file's paths are relative.
    pub fn folder(&self) -> &Path {
        Path::new(&self.file).parent().unwrap_or(Path::new(""))
    }

    /// Returns where a path of the file leads.
    pub fn resolve(&self, path: &FilePath) -> PathBuf {
        path.within(self.folder())
    }

    /// Returns the watched repositories.
    ///
    /// # Errors
    ///
    /// [`Faults`] when there are none: `serve` has nothing to do then.
    pub fn require_repositories(&self) -> Result<&[WatchedRepository], Faults> {
        if self.repositories.is_empty() {
            let hint = "name one: `repositories: [{url: …}]`";
            return Err(Fault::of_file(&self.file, "`serve` needs `repositories`", Some(hint)).into());
        }
        Ok(&self.repositories)
    }
}

/// Parses the operator's file; `file` is its name in messages, and its folder the base of its paths.
///
/// # Errors
///
/// [`Faults`] with everything that is wrong, never only the first thing.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Service, Faults> {
    let (mut reader, root) = Reader::open(file, bytes)?;
    let Some(root) = root.filter(|root| !root.is_nothing()) else {
        return Err(Fault::of_file(file, "the file is empty", Some("begin it with `version: 1`")).into());
    };
    let Some(raw) = RawService::read(&root, &mut reader) else { return Err(reader.faults()) };
    let service = convert::service(file, raw, &mut reader);
    if reader.is_clean() { Ok(service) } else { Err(reader.faults()) }
}
