//! Credentials of registry hosts: from docker's `config.json`, its helpers, files, or the operator.
//!
//! The entry point is [`Credentials::find`]. Nothing here reads the environment: paths come as settings.

mod docker_config;
mod helper;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::model::image::DOCKER_HUB;
use crate::registry::settings::{CredentialSetting, HelperSettings, Settings};

/// How long a credential file may be; a real one has some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// What is shown to a registry.
#[derive(Debug, Clone)]
pub(crate) enum Secret {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A refresh token, to be exchanged for an access token.
    Identity(SecretString),
    /// A token that is sent as it is.
    Bearer(SecretString),
}

/// A secret, and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The secret.
    pub(crate) secret: Secret,
    /// Where it comes from, in words that finish "the credentials from …".
    pub(crate) origin: String,
}

/// A credential that was named and could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialError {
    /// The file cannot be read.
    #[error("the credentials file {} cannot be read: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: String },
    /// What the operator names is not there.
    #[error("{0}")]
    Missing(String),
    /// The file says something else.
    #[error("the credentials file {} is not as docker writes it: {reason}", file.display())]
    Malformed { file: PathBuf, reason: String },
    /// A helper did not do its work.
    #[error("the credential helper {program} {reason}")]
    Helper { program: String, reason: String },
}

type Found = Result<Option<Arc<Credential>>, CredentialError>;

/// The credentials of all hosts, each looked for once.
#[derive(Debug)]
pub(crate) struct Credentials {
    settings: HashMap<String, CredentialSetting>,
    docker_config: Option<PathBuf>,
    helpers: HelperSettings,
    found: Mutex<HashMap<String, Arc<OnceCell<Found>>>>,
}

impl Credentials {
    pub(crate) fn new(settings: &Settings) -> Self {
        let own = settings.hosts.iter().filter_map(|host| Some((host.host.clone(), host.credential.clone()?)));
        Self {
            settings: own.collect(),
            docker_config: settings.docker_config.clone(),
            helpers: settings.helpers.clone(),
            found: Mutex::default(),
        }
    }

    /// Returns the credential of a host, `None` where there is none.
    pub(crate) async fn find(&self, host: &str) -> Found {
        let cell = {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(found.entry(host.to_owned()).or_default())
        };
        cell.get_or_init(|| self.look_for(host)).await.clone()
    }

    async fn look_for(&self, host: &str) -> Found {
        let credential = match (self.settings.get(host), &self.docker_config) {
            (Some(CredentialSetting::Anonymous), _) | (None, None) => None,
            (Some(CredentialSetting::Missing(reason)), _) => return Err(CredentialError::Missing(reason.clone())),
            (Some(CredentialSetting::Password { user, password, origin }), _) => Some(Credential {
                secret: Secret::Password { user: user.clone(), password: password.clone() },
                origin: origin.clone(),
            }),
            (Some(CredentialSetting::TokenFile(file)), _) => Some(token_file(file)?),
            (Some(CredentialSetting::Helper(name)), _) => helper::ask(name, host, &self.helpers).await?,
            (Some(CredentialSetting::DockerConfig(file)), _) => {
                docker_config::find(file, docker_config::Missing::Fails, host, &self.helpers).await?
            }
            (None, Some(file)) => {
                docker_config::find(file, docker_config::Missing::HoldsNothing, host, &self.helpers).await?
            }
        };
        Ok(credential.map(Arc::new))
    }
}

fn token_file(file: &Path) -> Result<Credential, CredentialError> {
    let bytes = read(file).map_err(|error| unreadable(file, &error))?;
    let token = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    match token {
        Some(token) if !token.is_empty() && !token.chars().any(char::is_control) => Ok(Credential {
            secret: Secret::Password { user: "oauth2accesstoken".to_owned(), password: token.into() },
            origin: file.display().to_string(),
        }),
        _ => Err(CredentialError::Malformed {
            file: file.to_owned(),
            reason: "it has to hold one token on one line".to_owned(),
        }),
    }
}

/// Returns a host as normalised image names have it: in small letters, Docker Hub under one name.
pub(crate) fn normal_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
        _ => host,
    }
}

/// Reads a small file; a long one is an error.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    Ok(bytes)
}

fn unreadable(file: &Path, error: &std::io::Error) -> CredentialError {
    CredentialError::Unreadable { file: file.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
