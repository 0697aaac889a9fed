//! Docker's `config.json`: `credHelpers` before `credsStore` before `auths`, as docker itself looks.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;

use crate::model::image::DOCKER_HUB;
use crate::registry::credentials::{Credential, CredentialError, Secret, helper, normal_host, read, unreadable};
use crate::registry::settings::HelperSettings;

/// The key under which docker keeps Docker Hub's credential.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a file that does not exist means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Somebody named it: an error.
    Fails,
    /// It is the place where docker would look: no credential.
    HoldsNothing,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawConfig {
    auths: HashMap<String, RawAuth>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawAuth {
    auth: Option<SecretString>,
    username: Option<String>,
    password: Option<SecretString>,
    identitytoken: Option<SecretString>,
    registrytoken: Option<SecretString>,
}

/// Looks for a host's credential.
pub(super) async fn find(
    file: &Path,
    missing: Missing,
    host: &str,
    helpers: &HelperSettings,
) -> Result<Option<Credential>, CredentialError> {
    let bytes = match read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && missing == Missing::HoldsNothing => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(file, &error)),
        Ok(bytes) => bytes,
    };
    let malformed = |reason: String| CredentialError::Malformed { file: file.to_owned(), reason };
    // The parser's own words may quote a value of the file, which may be a secret: its place is enough.
    let config: RawConfig = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("see line {}, column {}", error.line(), error.column())))?;
    let helper = lookup(&config.cred_helpers, host).or(config.creds_store.as_ref());
    if let Some(name) = helper.filter(|name| !name.is_empty())
        && let Some(found) = helper::ask(name, host, helpers).await?
    {
        return Ok(Some(found));
    }
    let Some(auth) = lookup(&config.auths, host) else { return Ok(None) };
    let secret = secret(auth).map_err(|reason| malformed(format!("the entry of {host} {reason}")))?;
    Ok(secret.map(|secret| Credential { secret, origin: file.display().to_string() }))
}

fn secret(raw: &RawAuth) -> Result<Option<Secret>, &'static str> {
    use secrecy::ExposeSecret as _;
    let filled = |token: &Option<SecretString>| token.clone().filter(|token| !token.expose_secret().is_empty());
    if let Some(token) = filled(&raw.identitytoken) {
        return Ok(Some(Secret::Identity(token)));
    }
    if let Some(token) = filled(&raw.registrytoken) {
        return Ok(Some(Secret::Bearer(token)));
    }
    if let Some(auth) = filled(&raw.auth) {
        let bytes =
            STANDARD.decode(auth.expose_secret().trim()).map_err(|_not_base64| "has an `auth` that is not Base64")?;
        let text = String::from_utf8(bytes).map_err(|_not_text| "has an `auth` that is not text")?;
        // Docker itself ends the password at the first NUL that padded it.
        let text = text.trim_end_matches('\0');
        let (user, password) = text.split_once(':').ok_or("has an `auth` without a colon")?;
        return Ok(Some(Secret::Password { user: user.to_owned(), password: password.into() }));
    }
    Ok(match (&raw.username, filled(&raw.password)) {
        (Some(user), Some(password)) => Some(Secret::Password { user: user.clone(), password }),
        _ => None,
    })
}

/// Finds a host's row: by its own name first, then by keys that name it as a URL or in an old spelling.
fn lookup<'a, V>(rows: &'a HashMap<String, V>, host: &str) -> Option<&'a V> {
    if host == DOCKER_HUB && rows.contains_key(HUB_KEY) {
        return rows.get(HUB_KEY);
    }
    // The smallest of several keys for one host, so that the choice does not depend on the map's order.
    rows.get(host).or_else(|| {
        let same = rows.iter().filter(|(key, _)| host_of_key(key) == host);
        same.min_by(|one, other| one.0.cmp(other.0)).map(|(_, row)| row)
    })
}

fn host_of_key(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    normal_host(key.split('/').next().unwrap_or(key))
}
