//! Asking a registry once, to learn whether its credentials work and which limit it tells of.

use reqwest::Method;

use crate::http::error::HttpError;
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::usage::ToldLimit;
use crate::registry::client::RegistryClient;
use crate::registry::client::failure::Failure;
use crate::registry::client::host::Scheme;
use crate::registry::client::manifest::{DIGEST_HEADER, manifest_question};

/// What one question told of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The host that was asked: the mirror's where there is one.
    pub host: String,
    /// What it made of the login.
    pub welcome: Welcome,
    /// Whether it knows the image.
    pub is_known: bool,
    /// The limit that it told of; of several the one with the least left.
    pub limit: Option<ToldLimit>,
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
    /// It has asked for patience, or nothing is left of its limit.
    #[error("{0}")]
    Limited(String),
    /// Its certificate is not trusted, or it speaks no TLS.
    #[error("{0}")]
    Untrusted(String),
    /// Nobody answers, or with an error of its own.
    #[error("{0}")]
    Unreachable(String),
    /// It may not be asked, or answers as no registry does.
    #[error("{0}")]
    Registry(String),
}

impl RegistryClient {
    /// Asks a registry for one tag's manifest by HEAD, which is not counted as a pull: one request, and a token's.
    ///
    /// # Errors
    ///
    /// [`ProbeError`], sorted by what is to be looked at.
    pub async fn greet(&self, image: &ImageName, tag: &Tag) -> Result<Probe, ProbeError> {
        self.greeted(image, tag).await.map_err(|failure| match &failure {
            Failure::Credential(_)
            | Failure::NoCredentials { .. }
            | Failure::Refused { .. }
            | Failure::RefusedHere { .. }
            | Failure::WantsPassword { .. }
            | Failure::NotForIt { .. }
            | Failure::Futile { .. }
            | Failure::Forbidden { .. }
            | Failure::Challenge { .. }
            | Failure::LoginElsewhere { .. }
            | Failure::Realm { .. }
            | Failure::Token { .. } => ProbeError::Credentials(failure.to_string()),
            Failure::Paused { .. } | Failure::Spent { .. } | Failure::Http(HttpError::Throttled { .. }) => {
                ProbeError::Limited(failure.to_string())
            }
            Failure::Http(HttpError::Tls { .. }) => ProbeError::Untrusted(failure.to_string()),
            Failure::Down { .. }
            | Failure::Http(
                HttpError::Connect { .. }
                | HttpError::Silent { .. }
                | HttpError::Broken { .. }
                | HttpError::Deadline { .. }
                | HttpError::Server { .. },
            ) => ProbeError::Unreachable(failure.to_string()),
            _ => ProbeError::Registry(failure.to_string()),
        })
    }

    async fn greeted(&self, image: &ImageName, tag: &Tag) -> Result<Probe, Failure> {
        let names = self.asked_as(image)?;
        let image = names.first().unwrap_or(image);
        let host = self.host(image.host())?;
        let visit = self.visit(image, &host).await?;
        let answer = self.ask(&visit, &manifest_question(&visit, Method::HEAD, tag.as_str())).await?;
        let status = answer.status.as_u16();
        // A HEAD has no body to read: a registry that knows no HEAD has still taken the login.
        if !matches!(status, 404 | 405) {
            let answer = self.successful(&visit, answer).await?;
            // Whatever stands before a registry may answer everything with a page of its own.
            let is_manifest = answer.header(DIGEST_HEADER).is_some_and(|text| text.parse::<Digest>().is_ok())
                || answer.header("content-type").is_some_and(|kind| kind.contains("json"));
            drop(answer);
            if !is_manifest {
                self.expect_manifest(&visit, tag.as_str()).await?;
            }
        }
        let origin = self.credentials.find(&host.name, image.path()).await?.map(|found| found.origin.clone());
        let welcome = match (host.scheme(), origin) {
            (Scheme::Challenged(_), Some(origin)) => Welcome::Accepted(origin),
            (Scheme::Challenged(_), None) => Welcome::Anonymous,
            (Scheme::Open | Scheme::Unknown, origin) => Welcome::NotAsked(origin),
        };
        Ok(Probe { host: host.name.clone(), welcome, is_known: status != 404, limit: host.gate.told() })
    }
}
