//! Credentials of registry hosts: from docker's `config.json`, its helpers, files, clouds, or the operator.
//!
//! The entry point is [`Credentials::find`]. Files are read anew each time, logins that cost a request or a program
//! are kept until they are to be renewed. Nothing here reads the environment: paths and variables come as settings.

mod cloud;
mod docker_config;
mod error;
mod file;
mod helper;
mod login;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::Clock;
use crate::http::client::HttpClient;
use crate::model::image::{DOCKER_HUB, Tag};
use crate::registry::credentials::cloud::Clouds;
pub(crate) use crate::registry::credentials::cloud::advice_without_login;
use crate::registry::credentials::docker_config::{Entry, Missing};
pub(crate) use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::login::Logins;
use crate::registry::settings::{CloudSetting, CredentialSetting, HelperSettings, Settings};

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
    /// What to do when a registry refuses it.
    pub(crate) advice: &'static str,
}

impl Credential {
    /// Whether another one would show the same to a registry.
    pub(crate) fn is_same_secret(&self, other: &Self) -> bool {
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        match (&self.secret, &other.secret) {
            (Secret::Password { user: one, password }, Secret::Password { user: other, password: theirs }) => {
                one == other && same(password, theirs)
            }
            (Secret::Identity(one), Secret::Identity(other)) | (Secret::Bearer(one), Secret::Bearer(other)) => {
                same(one, other)
            }
            _ => false,
        }
    }

    /// Returns the texts by which it is shown to a registry.
    pub(crate) fn shown(&self) -> Vec<String> {
        match &self.secret {
            Secret::Password { user, password } => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                vec![pair, password.expose_secret().to_owned()]
            }
            Secret::Identity(token) | Secret::Bearer(token) => vec![token.expose_secret().to_owned()],
        }
    }
}

type Found = Result<Option<Arc<Credential>>, CredentialError>;

/// The credentials of all hosts.
#[derive(Debug)]
pub(crate) struct Credentials {
    settings: HashMap<String, CredentialSetting>,
    docker_config: Option<PathBuf>,
    helpers: HelperSettings,
    /// What helpers said, by their name and the host.
    helped: Logins<(String, String)>,
    clouds: Clouds,
}

impl Credentials {
    pub(crate) fn new(settings: &Settings, http: Arc<HttpClient>, clock: Arc<dyn Clock>) -> Self {
        let own = settings.hosts.iter().filter_map(|host| Some((host.host.clone(), host.credential.clone()?)));
        Self {
            settings: own.collect(),
            docker_config: settings.docker_config.clone(),
            helpers: settings.helpers.clone(),
            helped: Logins::default(),
            clouds: Clouds::new(settings, http, clock),
        }
    }

    /// Returns the credential of a host for one of its repositories, `None` where there is none.
    pub(crate) async fn find(&self, host: &str, repository: &str) -> Found {
        match (self.settings.get(host), &self.docker_config) {
            (Some(CredentialSetting::Anonymous), _) | (Some(CredentialSetting::OwnDockerConfig), None) => Ok(None),
            (Some(CredentialSetting::Missing(reason)), _) => Err(CredentialError::Missing(reason.clone())),
            (Some(CredentialSetting::Password { user, password, origin }), _) => {
                let secret = Secret::Password { user: user.clone(), password: password.clone() };
                Ok(Some(Arc::new(Credential { secret, origin: origin.clone(), advice: "set them anew" })))
            }
            (Some(CredentialSetting::PasswordFile { user, file }), _) => password_file(user, file).map(Some),
            (Some(CredentialSetting::TokenFile(file)), _) => token_file(file).map(Some),
            (Some(CredentialSetting::Helper(name)), _) => self.ask_helper(name, host).await,
            (Some(CredentialSetting::OwnDockerConfig), Some(file)) => {
                self.configured(file, Missing::HoldsNothing, host, repository).await
            }
            (Some(CredentialSetting::DockerConfig(file)), _) => {
                self.configured(file, Missing::Fails, host, repository).await
            }
            (Some(CredentialSetting::Cloud(setting)), _) => self.clouds.login(setting, host).await.map(Some),
            (None, file) => {
                let found = match file {
                    Some(file) => self.configured(file, Missing::HoldsNothing, host, repository).await?,
                    None => None,
                };
                match (found, self.clouds.ambient(host)) {
                    (None, Some(setting)) => self.clouds.login(&setting, host).await.map(Some),
                    (found, _) => Ok(found),
                }
            }
        }
    }

    /// Asks Amazon's own API what it knows of one image of a host; `None` where the host logs in otherwise, or where the
    /// identity may not ask or the image is not there.
    pub(crate) async fn ecr_image(
        &self,
        host: &str,
        repository: &str,
        tag: &Tag,
    ) -> Result<Option<Bytes>, CredentialError> {
        let setting = match self.settings.get(host) {
            Some(CredentialSetting::Cloud(setting)) => Some(setting.clone()),
            None => self.clouds.ambient(host),
            Some(_) => None,
        };
        match setting {
            Some(CloudSetting::Aws { region }) => self.clouds.ecr_image(region.as_deref(), host, repository, tag).await,
            _ => Ok(None),
        }
    }

    /// Returns the credential of a host after it was refused: the same one, unless a newer one can be had.
    pub(crate) async fn renew(&self, host: &str, repository: &str, refused: &Credential) -> Found {
        self.helped.forget(refused);
        self.clouds.forget(refused);
        self.find(host, repository).await
    }

    async fn configured(&self, file: &Path, missing: Missing, host: &str, repository: &str) -> Found {
        let Some(entry) = docker_config::find(file, missing, host, repository)? else { return Ok(None) };
        let (helper, secret) = match entry {
            Entry::Helper { name, otherwise } => (Some(name), otherwise),
            Entry::Secret(secret) => (None, Some(secret)),
        };
        if let Some(name) = helper
            && let Some(found) = self.ask_helper(&name, host).await?
        {
            return Ok(Some(found));
        }
        let advice = cloud::advice_after_docker_login(host);
        Ok(secret.map(|secret| Arc::new(Credential { secret, origin: file.display().to_string(), advice })))
    }

    async fn ask_helper(&self, name: &str, host: &str) -> Found {
        let key = (name.to_owned(), host.to_owned());
        self.helped.get(key, 0, async || helper::ask(name, host, &self.helpers).await).await
    }
}

fn token_file(file: &Path) -> Result<Arc<Credential>, CredentialError> {
    let password = file::one_line(file, "a token's")?;
    let secret = Secret::Password { user: "oauth2accesstoken".to_owned(), password };
    Ok(Arc::new(Credential { secret, origin: file.display().to_string(), advice: "put a new token into the file" }))
}

fn password_file(user: &str, file: &Path) -> Result<Arc<Credential>, CredentialError> {
    let password = file::one_line(file, "a password's")?;
    let secret = Secret::Password { user: user.to_owned(), password };
    Ok(Arc::new(Credential {
        secret,
        origin: file.display().to_string(),
        advice: "put the right password into the file",
    }))
}

/// Returns a host as normalised image names have it: in small letters, Docker Hub under one name.
pub(crate) fn normal_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
        _ => host,
    }
}

#[cfg(test)]
mod tests;
