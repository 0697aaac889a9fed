//! Logins that clouds give to their registries: who this machine is there, exchanged for a password or a token.
//!
//! The entry point is [`Clouds::login`]. One file each for what a cloud asks; `names` knows their hosts. A secret goes
//! to the cloud's own services over TLS, or to addresses that never leave the machine. Starts no program.

mod ask;
mod aws;
mod azure;
mod google;
mod names;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Clock;
use crate::http::client::HttpClient;
use crate::http::retry::RetryPolicy;
use crate::model::image::Tag;
use crate::registry::credentials::Credential;
use crate::registry::credentials::cloud::ask::Asker;
use crate::registry::credentials::cloud::names::Cloud;
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::file;
use crate::registry::credentials::login::Logins;
use crate::registry::settings::{CloudSetting, CloudVariables, Settings};

/// What a login is for. Hosts that share one have the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    /// All accounts of a region.
    Aws(aws::Place),
    /// All hosts, by the file.
    Google(Option<PathBuf>),
    /// One registry.
    Azure(String),
}

/// The logins to clouds.
pub(super) struct Clouds {
    http: Arc<HttpClient>,
    clock: Arc<dyn Clock>,
    variables: CloudVariables,
    retry: RetryPolicy,
    logins: Logins<Key>,
}

impl fmt::Debug for Clouds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Clouds").field("variables", &self.variables).finish_non_exhaustive()
    }
}

impl Clouds {
    pub(super) fn new(settings: &Settings, http: Arc<HttpClient>, clock: Arc<dyn Clock>) -> Self {
        let (variables, retry) = (settings.cloud.clone(), settings.limits.retry);
        Self { http, clock, variables, retry, logins: Logins::default() }
    }

    /// Returns how a host that nobody said anything of logs in: as the variables say, where the host is a cloud's and
    /// they say who this machine is there. Metadata servers are asked only where the operator names the cloud.
    pub(super) fn ambient(&self, host: &str) -> Option<CloudSetting> {
        let variables = &self.variables;
        match names::of(host)? {
            // The public gallery needs no login, and few roles may ask for one.
            Cloud::Aws(aws::Place::Private { .. }) if aws::identity::is_in_variables(variables) => {
                Some(CloudSetting::Aws { region: None })
            }
            Cloud::Google if google::is_in_variables(variables) => Some(CloudSetting::Google { file: None }),
            Cloud::Azure if azure::identity::is_in_variables(variables) => {
                Some(CloudSetting::Azure { tenant: None, client_id: None, client_secret_file: None })
            }
            _ => None,
        }
    }

    /// Returns a login: the one that is held, or a new one.
    pub(super) async fn login(&self, setting: &CloudSetting, host: &str) -> Result<Arc<Credential>, CredentialError> {
        let asker = Asker::new(&self.http, self.clock.as_ref(), &self.variables, self.retry, host);
        let found = match setting {
            CloudSetting::Aws { region } => {
                let place = aws::Place::of(host, region.as_deref())?;
                let fetch = async || aws::login(&asker, &place).await.map(Some);
                // A token of the cluster's is renewed all the time, which ends no login that was had with the one before.
                self.logins.get(Key::Aws(place.clone()), 0, fetch).await
            }
            CloudSetting::Google { file } => {
                let named =
                    file.as_deref().or_else(|| self.variables.get("GOOGLE_APPLICATION_CREDENTIALS").map(Path::new));
                let inputs = fingerprint(named);
                let fetch = async || google::login(&asker, file.as_deref()).await.map(Some);
                self.logins.get(Key::Google(file.clone()), inputs, fetch).await
            }
            CloudSetting::Azure { tenant, client_id, client_secret_file } => {
                let inputs = fingerprint(client_secret_file.as_deref());
                let who = azure::identity::Named {
                    tenant: tenant.as_deref(),
                    client_id: client_id.as_deref(),
                    client_secret_file: client_secret_file.as_deref(),
                };
                let fetch = async || azure::login(&asker, &who).await.map(Some);
                self.logins.get(Key::Azure(host.to_owned()), inputs, fetch).await
            }
        };
        found.map(|found| found.expect("a cloud's login is there or an error"))
    }

    /// Asks ECR what it knows of one image; `None` where this identity is not told.
    pub(super) async fn ecr_image(
        &self,
        region: Option<&str>,
        host: &str,
        repository: &str,
        tag: &Tag,
    ) -> Result<Option<Bytes>, CredentialError> {
        let asker = Asker::new(&self.http, self.clock.as_ref(), &self.variables, self.retry, host);
        aws::image(&asker, &aws::Place::of(host, region)?, repository, tag).await
    }

    /// Forgets a login that a registry refused.
    pub(super) fn forget(&self, refused: &Credential) {
        self.logins.forget(refused);
    }
}

/// Returns a number that changes when the file does that a login is made of.
fn fingerprint(file: Option<&Path>) -> u64 {
    let mut hasher = DefaultHasher::new();
    // One that cannot be read is told by whoever needs it.
    file.map(|path| file::read(path).unwrap_or_default()).hash(&mut hasher);
    hasher.finish()
}

/// Returns what to do when a registry refuses what `docker login` left in `config.json`.
pub(super) fn advice_after_docker_login(host: &str) -> &'static str {
    match names::of(host) {
        Some(Cloud::Aws(_)) => {
            "a `docker login` to ECR holds for 12 hours; `auth: {aws: {}}` for the host renews by itself"
        }
        Some(Cloud::Google) => {
            "a `docker login` with an access token holds for an hour; `auth: {gcp: {}}` for the host renews by itself"
        }
        Some(Cloud::Azure) => "an `az acr login` holds for 3 hours; `auth: {azure: {}}` for the host renews by itself",
        None => "log in again with `docker login`",
    }
}

/// Returns what to do where a host wants a login and there is none.
pub(crate) fn advice_without_login(host: &str) -> &'static str {
    match names::of(host) {
        Some(Cloud::Aws(_)) => "say `auth: {aws: {}}` for the host",
        Some(Cloud::Google) => "say `auth: {gcp: {}}` for the host",
        Some(Cloud::Azure) => "say `auth: {azure: {}}` for the host",
        None => "name credentials for the host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_login_to_a_cloud_ends_soon_and_says_how_it_need_not() {
        for (host, words) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "12 hours; `auth: {aws: {}}`"),
            ("europe-docker.pkg.dev", "`auth: {gcp: {}}`"),
            ("acme.azurecr.io", "`auth: {azure: {}}`"),
            ("ghcr.io", "log in again with `docker login`"),
        ] {
            assert!(advice_after_docker_login(host).contains(words), "{host}");
        }
    }
}
