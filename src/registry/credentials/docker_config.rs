//! Docker's `config.json`: `credHelpers` before `credsStore` before `auths`, as docker itself looks.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;

use crate::model::image::DOCKER_HUB;
use crate::registry::credentials::{CredentialError, Secret, file, normal_host};

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

/// What the file says of a host.
#[derive(Debug)]
pub(super) enum Entry {
    /// Ask this helper; where it holds nothing, what the file itself holds counts.
    Helper {
        /// Its name, without `docker-credential-`.
        name: String,
        /// What the file itself holds.
        otherwise: Option<Secret>,
    },
    /// A secret in the file.
    Secret(Secret),
}

/// Looks for a host's entry.
pub(super) fn find(file: &Path, missing: Missing, host: &str) -> Result<Option<Entry>, CredentialError> {
    let bytes = match file::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && missing == Missing::HoldsNothing => {
            return Ok(None);
        }
        Err(error) => return Err(file::unreadable(file, &error)),
        Ok(bytes) => bytes,
    };
    let form = "as docker writes it";
    let malformed = |reason: String| CredentialError::Malformed { file: file.to_owned(), form, reason };
    // The parser's own words may quote a value of the file, which may be a secret: its place is enough.
    let config: RawConfig = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("see line {}, column {}", error.line(), error.column())))?;
    let held = match lookup(&config.auths, host) {
        Some(auth) => secret(auth).map_err(|reason| malformed(format!("the entry of {host} {reason}"))),
        None => Ok(None),
    };
    let helper = lookup(&config.cred_helpers, host).or(config.creds_store.as_ref());
    Ok(match helper.filter(|name| !name.is_empty()) {
        // With a helper, docker leaves empty or half an entry behind: what is wrong with it matters to nobody.
        Some(name) => Some(Entry::Helper { name: name.clone(), otherwise: held.unwrap_or_default() }),
        None => held?.map(Entry::Secret),
    })
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
    // Of several keys for one host the one without a path, then the smallest: the map's order decides nothing.
    rows.get(host).or_else(|| {
        let same = rows.iter().filter_map(|(key, row)| {
            let (of, path) = parts_of_key(key);
            (of == host).then_some((!matches!(path, "" | "v1" | "v2"), key, row))
        });
        same.min_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1))).map(|(_, _, row)| row)
    })
}

/// Returns the host and the path of a key: docker writes URLs, plain hosts, and both with `/v1/` or `/v2/`.
fn parts_of_key(key: &str) -> (String, &str) {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    (normal_host(host), path.trim_end_matches('/'))
}
