//! Asking a registry once, to learn whether its credentials work and which limits it tells of.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;

use crate::model::image::{ImageName, Tag, shorten};
use crate::registry::client::RegistryClient;
use crate::registry::client::failure::Failure;
use crate::registry::client::host::Scheme;
use crate::registry::client::manifest::manifest_question;

/// What one question told of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The host that was asked: the mirror's where there is one.
    pub host: String,
    /// What it made of the login.
    pub welcome: Welcome,
    /// Whether it knows the image.
    pub is_known: bool,
    /// The limits that it told of, in words: `100 in 6h, 76 left`.
    pub limits: Vec<String>,
}

/// What a registry made of the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Welcome {
    /// It asked for one, and took the credentials from this place.
    Accepted(String),
    /// It asked for one, and gave it to somebody without credentials.
    Anonymous,
    /// It asked for none; the credentials from this place, if any, were not needed.
    NotAsked(Option<String>),
}

/// Why a registry told nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Credentials are missing, refused, or do not suffice.
    #[error("{0}")]
    Credentials(String),
    /// It cannot be asked, or answers as no registry does.
    #[error("{0}")]
    Registry(String),
}

impl RegistryClient {
    /// Asks a registry for one tag's manifest by HEAD, which is not counted as a pull: one request, and a token's.
    ///
    /// # Errors
    ///
    /// [`ProbeError`], sorted by whether credentials are the matter.
    pub async fn greet(&self, image: &ImageName, tag: &Tag) -> Result<Probe, ProbeError> {
        self.greeted(image, tag).await.map_err(|failure| match &failure {
            Failure::Credential(_)
            | Failure::NoCredentials { .. }
            | Failure::Refused { .. }
            | Failure::Forbidden { .. }
            | Failure::Challenge { .. }
            | Failure::Realm { .. }
            | Failure::Token { .. } => ProbeError::Credentials(failure.to_string()),
            _ => ProbeError::Registry(failure.to_string()),
        })
    }

    async fn greeted(&self, image: &ImageName, tag: &Tag) -> Result<Probe, Failure> {
        let names = self.asked_as(image)?;
        let image = names.first().unwrap_or(image);
        let host = self.host(image.host())?;
        let visit = self.visit(image, &host).await?;
        let answer = self.ask(&visit, &manifest_question(&visit, Method::HEAD, tag.as_str())).await?;
        let limits = limits(&answer.headers);
        let status = answer.status.as_u16();
        // A HEAD has no body to read: a registry that knows no HEAD has still taken the login.
        if !matches!(status, 404 | 405) {
            drop(self.successful(&visit, answer).await?);
        }
        let origin = self.credentials.find(&host.name).await?.map(|found| found.origin.clone());
        let welcome = match (host.scheme(), origin) {
            (Scheme::Challenged(_), Some(origin)) => Welcome::Accepted(origin),
            (Scheme::Challenged(_), None) => Welcome::Anonymous,
            (Scheme::Open | Scheme::Unknown, origin) => Welcome::NotAsked(origin),
        };
        Ok(Probe { host: host.name.clone(), welcome, is_known: status != 404, limits })
    }
}

/// Reads `RateLimit-Limit` with `-Remaining`, and the same with `X-` before it.
fn limits(headers: &HeaderMap) -> Vec<String> {
    let spelt = |prefix: &str| {
        let named = |name: &str| headers.get(format!("{prefix}ratelimit-{name}"))?.to_str().ok();
        let limit = named("limit").map(in_window);
        let left = named("remaining").map(|text| shorten(text.split(';').next().unwrap_or_default().trim()));
        match (limit, left) {
            (Some(limit), Some(left)) => Some(format!("{limit}, {left} left")),
            (Some(limit), None) => Some(limit),
            (None, Some(left)) => Some(format!("{left} left")),
            (None, None) => None,
        }
    };
    ["", "x-"].into_iter().filter_map(spelt).collect()
}

/// Puts `100;w=21600` into words.
fn in_window(text: &str) -> String {
    let mut parts = text.split([';', ',']).map(str::trim);
    let count = shorten(parts.next().unwrap_or_default());
    let window = parts.find_map(|part| part.strip_prefix("w=")).and_then(|seconds| seconds.parse().ok());
    match window.map(Duration::from_secs).and_then(|window| jiff::SignedDuration::try_from(window).ok()) {
        Some(window) => format!("{count} in {window:#}"),
        None => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_registries_spell_them() {
        for (rows, expected) in [
            (vec![("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")], "100 in 6h, 76 left"),
            (vec![("x-ratelimit-limit", "180"), ("x-ratelimit-remaining", "179")], "180, 179 left"),
            (vec![("ratelimit-remaining", "0")], "0 left"),
            (vec![("ratelimit-limit", "5;w=never")], "5"),
            (vec![("ratelimit-limit", "5;w=99999999999999999999")], "5"),
            (vec![], ""),
        ] {
            let headers = rows.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(limits(&headers).join("; "), expected);
        }
    }
}
