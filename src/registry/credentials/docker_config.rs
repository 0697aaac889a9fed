//! Docker's `config.json`: `credHelpers` before `credsStore` before `auths`, as docker itself looks.

use std::cmp::Reverse;
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
    auths: Option<HashMap<String, Option<RawAuth>>>,
    cred_helpers: Option<HashMap<String, Option<String>>>,
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

/// Looks for the entry of a host, or of a part of it that holds a repository.
pub(super) fn find(
    file: &Path,
    missing: Missing,
    host: &str,
    repository: &str,
) -> Result<Option<Entry>, CredentialError> {
    let bytes = match file::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && missing == Missing::HoldsNothing => {
            return Ok(None);
        }
        Err(error) => return Err(file::unreadable(file, &error)),
        Ok(bytes) => bytes,
    };
    // What is empty or null holds nothing, as docker reads it.
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let form = "as docker writes it";
    let malformed = |reason: String| CredentialError::Malformed { file: file.to_owned(), form, reason };
    // The parser's own words may quote a value of the file, which may be a secret: its place is enough.
    let config: RawConfig = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("see line {}, column {}", error.line(), error.column())))?;
    let held = match lookup(config.auths.as_ref(), host, repository) {
        Some(auth) => secret(auth).map_err(|reason| malformed(format!("the entry of {host} {reason}"))),
        None => Ok(None),
    };
    let helper = lookup(config.cred_helpers.as_ref(), host, repository).or(config.creds_store.as_ref());
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

/// Finds the row of a repository: by the longest path that holds it, as podman and Kubernetes read keys, then by the host's
/// own name and its old spellings. A URL with the path of something else counts last: docker knows it by its host alone.
fn lookup<'a, V>(rows: Option<&'a HashMap<String, Option<V>>>, host: &str, repository: &str) -> Option<&'a V> {
    let holds = |path: &str| {
        let rest = repository.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let fitting = rows?.iter().filter_map(|(key, row)| {
        let (of, path) = parts_of_key(key);
        let fit = match path {
            _ if of != host => return None,
            "" | "v1" | "v2" => 1,
            path if holds(path) => 1 + path.len(),
            _ if key.contains("://") => 0,
            _ => return None,
        };
        let is_own = if host == DOCKER_HUB { key == HUB_KEY } else { key == host };
        // Of several that fit alike the one as docker spells it, then the smallest: the map's order decides nothing.
        Some(((Reverse(fit), !is_own, key), row.as_ref()?))
    });
    fitting.min_by(|one, other| one.0.cmp(&other.0)).map(|(_, row)| row)
}

/// Returns the host and the path of a key: docker writes URLs, plain hosts, and both with `/v1/` or `/v2/`.
fn parts_of_key(key: &str) -> (String, &str) {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    (normal_host(host), path.trim_end_matches('/'))
}
