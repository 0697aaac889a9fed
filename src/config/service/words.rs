//! Texts with a grammar that only `service.yaml` uses.
//!
//! Owns the grammars of schedules, addresses, hosts, sizes and of the names of files and variables.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::config::fault::quote;
use crate::config::reader::Scalar;
use crate::config::scalars::{CleanUrl, word};

/// A path as written; relative ones are relative to the file that names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath(pub String);

impl FilePath {
    /// Returns the path, seen from the folder of the file that names it.
    pub fn within(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

impl Scalar for FilePath {
    const WHAT: &'static str = "a path";
    const IS_DELICATE: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        // A pasted secret is recognised by its form, and not repeated in the message.
        if is_secret_like(text) || text.chars().any(char::is_control) {
            return Err("this is no path: name the file that holds the secret".to_owned());
        }
        match text.len() {
            1..=4096 => Ok(Self(text.to_owned())),
            _ => Err("a path has 1 to 4096 bytes".to_owned()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableName(pub String);

impl Scalar for VariableName {
    const WHAT: &'static str = "the name of an environment variable";
    const IS_DELICATE: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = !text.is_empty()
            && text.len() <= 200
            && text.bytes().all(fits)
            && !text.starts_with(|first: char| first.is_ascii_digit());
        if is_name && !is_secret_like(text) {
            return Ok(Self(text.to_owned()));
        }
        Err("this is no name of an environment variable: letters, digits and `_`".to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
    }
}

/// Whether a text has the form of a token, a key or a URL with a credential.
fn is_secret_like(text: &str) -> bool {
    ["ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "-----BEGIN", "https://", "http://"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Cron of five fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronText(pub String);

impl Scalar for CronText {
    const WHAT: &'static str = "cron of five fields";

    fn parse(text: &str) -> Result<Self, String> {
        let fields = text.split_whitespace().count();
        if fields != 5 || text.len() > 500 {
            return Err(format!("{} is not cron of five fields", quote(text)));
        }
        let cron = text
            .parse::<Cron>()
            .map_err(|error| format!("{} is not cron: {}", quote(text), quote(&error.to_string()).trim_matches('`')))?;
        // Whether it ever comes does not hang on when that is asked.
        let begin = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        match cron.find_next_occurrence(&begin, true) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(format!("{} never comes: there is no such day", quote(text))),
        }
    }
}

/// The URL of a repository. A query means nothing to Git, and would show in logs and pages what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitUrl(pub String);

impl Scalar for GitUrl {
    const WHAT: &'static str = CleanUrl::WHAT;
    const IS_DELICATE: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let url = CleanUrl::parse(text)?.0;
        if url::Url::parse(&url).is_ok_and(|url| url.query().is_some() || url.fragment().is_some()) {
            return Err(
                "the URL of a repository has no query; name a credential by `auth`, never within a URL".to_owned()
            );
        }
        Ok(Self(url))
    }

    fn schema() -> Json {
        CleanUrl::schema()
    }
}

/// When passes begin, without a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleText {
    /// By cron.
    Cron(CronText),
    /// Again after so long.
    Every(SignedDuration),
}

impl Scalar for ScheduleText {
    const WHAT: &'static str = "cron of five fields, or `every 5m`";

    fn parse(text: &str) -> Result<Self, String> {
        let Some(time) = text.trim().strip_prefix("every ") else {
            return CronText::parse(text).map(Self::Cron).map_err(|why| format!("{why}; or write `every 5m`"));
        };
        let time = SignedDuration::parse(time.trim())?;
        if time < SignedDuration::from_secs(1) {
            return Err(format!("{} is shorter than a second", quote(text)));
        }
        Ok(Self::Every(time))
    }
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl Scalar for Address {
    const WHAT: &'static str = "an address and a port like `127.0.0.1:8080`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).ok().ok_or_else(|| format!("{} is not {}", quote(text), Self::WHAT))
    }
}

/// A registry's host, with the port if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(pub String);

impl Scalar for HostName {
    const WHAT: &'static str = "a host like `ghcr.io`";

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is no host: write it like `ghcr.io` or `registry.example:5000`", quote(text));
        let is_host = text.contains(['.', ':']) || text == "localhost";
        if !is_host || text.contains('/') {
            return Err(wrong());
        }
        // The grammar and the spelling of hosts are those of image names.
        let name: crate::model::image::ImageName = format!("{text}/a/b").parse().ok().ok_or_else(wrong)?;
        Ok(Self(name.host().to_owned()))
    }
}

/// A registry with a path that comes before the repository: `harbor.example/dockerhub`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorText {
    /// The host.
    pub host: String,
    /// The path, without slashes around it; perhaps empty.
    pub path: String,
}

impl Scalar for MirrorText {
    const WHAT: &'static str = "a mirror like `mirror.example` or `harbor.example/dockerhub`";

    fn parse(text: &str) -> Result<Self, String> {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let path = path.strip_suffix('/').unwrap_or(path);
        let host = HostName::parse(host).map_err(|_is_said_better| {
            format!("{} is no mirror: write it like `harbor.example/dockerhub`", quote(text))
        })?;
        if !path.is_empty() {
            let name: Option<crate::model::image::ImageName> = format!("{}/{path}/a", host.0).parse().ok();
            name.ok_or_else(|| format!("{} is no path of a registry: small letters, digits, `/`", quote(path)))?;
        }
        Ok(Self { host: host.0, path: path.to_owned() })
    }
}

/// What a registry is reached through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProxyText {
    /// What the environment says.
    #[default]
    Environment,
    /// Nothing.
    Never,
    /// A proxy, by its URL without any credential.
    Url(String),
}

impl Scalar for ProxyText {
    const WHAT: &'static str = "`environment`, `none` or a URL like `http://proxy.example:3128`";
    const IS_DELICATE: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "environment" => Ok(Self::Environment),
            "none" => Ok(Self::Never),
            _ => {
                let with_login = "a proxy with a login is named by the variable HTTPS_PROXY, never in this file";
                let url = CleanUrl::parse(text).map_err(|_is_said_better| with_login.to_owned())?.0;
                let is_proxy = url::Url::parse(&url)
                    .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
                if is_proxy { Ok(Self::Url(url)) } else { Err(format!("this is not {}", Self::WHAT)) }
            }
        }
    }
}

/// Vendors of registries whose own API tells when a tag was pushed, and all others.
const VENDORS: [&str; 6] = ["dockerhub", "quay", "harbor", "gitlab-registry", "ecr", "other"];

/// A vendor of registries.
#[derive(Debug, Clone)]
pub(crate) struct VendorWord(pub(crate) &'static str);

impl Scalar for VendorWord {
    const WHAT: &'static str = "a vendor like `harbor`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &VENDORS.map(|vendor| (vendor, vendor))).map(Self)
    }

    fn schema() -> Json {
        json!({"enum": VENDORS})
    }
}

/// Which forge a repository is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForgeWord {
    /// As the host's name tells.
    #[default]
    Auto,
    /// GitHub or Enterprise Server.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea or Forgejo.
    Gitea,
    /// None: Git alone.
    Plain,
}

/// The words for forges.
const FORGES: [(&str, ForgeWord); 6] = [
    ("auto", ForgeWord::Auto),
    ("github", ForgeWord::GitHub),
    ("gitlab", ForgeWord::GitLab),
    ("gitea", ForgeWord::Gitea),
    ("forgejo", ForgeWord::Gitea),
    ("plain", ForgeWord::Plain),
];

impl Scalar for ForgeWord {
    const WHAT: &'static str = "a forge like `gitlab`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &FORGES)
    }

    fn schema() -> Json {
        json!({"enum": FORGES.map(|(name, _)| name)})
    }
}

/// A number of bytes: `16MiB`, `500kB`, `1048576`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl Scalar for ByteSize {
    const WHAT: &'static str = "a size like `16MiB`";
    const TAKES_NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let unit: Option<u64> = match text[end..].trim() {
            "" | "B" => Some(1),
            "kB" => Some(1000),
            "MB" => Some(1_000_000),
            "GB" => Some(1_000_000_000),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let number: Option<u64> = text[..end].parse().ok();
        match number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit)) {
            Some(bytes) if bytes > 0 => Ok(Self(bytes)),
            _ => Err(format!("{} is no size: write it like `16MiB`", quote(text))),
        }
    }
}

/// The word `local`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueWord;

impl Scalar for QueueWord {
    const WHAT: &'static str = "`local` or `{nats: …}`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("local", Self)])
    }

    fn schema() -> Json {
        json!({"enum": ["local"]})
    }
}

/// The URL of a NATS server, without any credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatsUrl(pub(crate) String);

impl Scalar for NatsUrl {
    const WHAT: &'static str = "a URL like `nats://nats:4222`";
    const IS_DELICATE: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let url = CleanUrl::parse(text)?;
        let is_server = url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "nats" | "tls") && url.host_str().is_some() && matches!(url.path(), "" | "/")
        });
        if is_server { Ok(Self(url.0)) } else { Err(format!("this is not {}", Self::WHAT)) }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^(nats|tls)://"})
    }
}

/// The longest name of a queue: names of streams are made of it.
const MAX_QUEUE_NAME: usize = 32;

/// What the names of streams, subjects and buckets begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueName(pub(crate) String);

impl Scalar for QueueName {
    const WHAT: &'static str = "a name of small letters, digits and `-`";

    fn parse(text: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > MAX_QUEUE_NAME || !text.bytes().all(is_plain) {
            return Err(format!("{} is not {}, at most {MAX_QUEUE_NAME} of them", quote(text), Self::WHAT));
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[a-z0-9-]{1,32}$"})
    }
}

/// Senders of webhooks.
const SOURCES: [&str; 15] = [
    "dockerhub",
    "ghcr",
    "quay",
    "harbor",
    "acr",
    "ecr",
    "gar",
    "distribution",
    "gitlab-registry",
    "nexus",
    "jfrog",
    "github",
    "gitlab",
    "gitea",
    "generic",
];

/// A sender of webhooks.
#[derive(Debug, Clone)]
pub(crate) struct SourceWord(pub(crate) &'static str);

impl Scalar for SourceWord {
    const WHAT: &'static str = "a sender like `ghcr`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &SOURCES.map(|source| (source, source))).map(Self)
    }

    fn schema() -> Json {
        json!({"enum": SOURCES})
    }
}

/// What may be told.
const EVENTS: [&str; 7] = ["proposed", "merged", "rolledBack", "held", "failed", "waitingTooLong", "passFailing"];

/// Something that may be told.
#[derive(Debug, Clone)]
pub(crate) struct EventWord(pub(crate) &'static str);

impl Scalar for EventWord {
    const WHAT: &'static str = "an event like `failed`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &EVENTS.map(|event| (event, event))).map(Self)
    }

    fn schema() -> Json {
        json!({"enum": EVENTS})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_never_comes_is_no_schedule() {
        for good in ["*/5 * * * *", "0 0 29 2 *", "30 9 * * 1-5"] {
            assert!(CronText::parse(good).is_ok(), "{good}");
        }
        let refused = CronText::parse("0 0 30 2 *").unwrap_err();
        assert!(refused.contains("never comes"), "{refused}");
    }

    #[test]
    fn a_credential_in_the_query_of_a_repository_is_refused_and_not_repeated() {
        assert!(GitUrl::parse("https://git.example/acme/gitops").is_ok());
        assert!(GitUrl::parse("git@git.example:acme/gitops.git").is_ok());
        for bad in ["https://git.example/acme/gitops?private_token=hush", "https://git.example/a#hush"] {
            let refused = GitUrl::parse(bad).unwrap_err();
            assert!(refused.contains("`auth`") && !refused.contains("hush"), "{refused}");
        }
    }
}
