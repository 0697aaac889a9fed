//! Webhooks: who may hasten a pass, and which repositories' passes a payload is about.
//!
//! Entry point: [`Hooks`]. A payload is never believed: all that comes of it is that a pass looks sooner at what it
//! names. Answers nobody and begins nothing itself.

mod google;
mod named;
mod proof;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::HeaderMap;
use secrecy::SecretString;
use url::Url;

use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::{GoogleToken, SecretPlace, Service, WebhookProof};
use crate::model::image::ImageName;
use crate::pass::setup::{self, SetupError};
use crate::service::hooks::google::{Google, KEYS_URL};
use crate::service::hooks::named::{Concern, Place};
use crate::service::hooks::proof::{Claim, Proof};

/// The longest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;

/// A sender that this version understands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    /// Its name in paths and in the configuration.
    pub(super) name: &'static str,
    /// How it shows that it knows the secret.
    proofs: &'static [Proof],
    /// Whether it speaks of repositories of Git.
    is_forge: bool,
}

/// The senders. Those that can sign must: a secret in a path ends in the logs of whatever lies between.
const SENDERS: [Sender; 15] = [
    Sender { name: "github", proofs: &[Proof::HUB], is_forge: true },
    Sender { name: "gitlab", proofs: &[Proof::Standard, Proof::Token("x-gitlab-token")], is_forge: true },
    Sender { name: "gitea", proofs: &[Proof::GITEA, Proof::FORGEJO, Proof::HUB], is_forge: true },
    Sender { name: "ghcr", proofs: &[Proof::HUB], is_forge: false },
    Sender { name: "dockerhub", proofs: &[Proof::Path], is_forge: false },
    Sender { name: "quay", proofs: &[Proof::Path], is_forge: false },
    Sender { name: "harbor", proofs: &[Proof::Authorization, Proof::Path], is_forge: false },
    Sender { name: "distribution", proofs: &[Proof::Authorization, Proof::Path], is_forge: false },
    Sender { name: "gitlab-registry", proofs: &[Proof::Authorization, Proof::Path], is_forge: false },
    Sender { name: "nexus", proofs: &[Proof::Sha1("x-nexus-webhook-signature")], is_forge: false },
    Sender { name: "jfrog", proofs: &JFROG, is_forge: false },
    Sender { name: "acr", proofs: &[Proof::Authorization, Proof::Path], is_forge: false },
    Sender { name: "ecr", proofs: &[Proof::Authorization, Proof::Token("x-api-key"), Proof::Path], is_forge: false },
    Sender { name: "gar", proofs: &[Proof::Google], is_forge: false },
    Sender { name: "generic", proofs: &[Proof::HUB, Proof::Authorization, Proof::Path], is_forge: false },
];

/// Artifactory signs with its secret, or sends it, as its administrator chose; the header does not tell which.
const JFROG: [Proof; 3] = [
    Proof::Signature("x-jfrog-event-auth", "sha256="),
    Proof::Signature("x-jfrog-event-auth", ""),
    Proof::Token("x-jfrog-event-auth"),
];

/// What a request shows, in every way that its sender has.
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    fn hold(&self, secret: &SecretString, body: &[u8]) -> bool {
        // Each is looked at, so that the time does not tell which.
        self.0.iter().fold(false, |holds, claim| claim.holds(secret, body) | holds)
    }
}

/// Whose passes a webhook hastens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hastened {
    concerns: Vec<Concern>,
    /// The only repositories that this sender may hasten; all, where it showed the source's own secret.
    only: Option<BTreeSet<String>>,
}

impl Hastened {
    /// Whether the pass of a repository is concerned; `images` is what it follows, where that is known.
    pub(super) fn concerns(&self, url: &str, images: Option<&BTreeSet<ImageName>>) -> bool {
        let place = Place::of(url);
        self.only.as_ref().is_none_or(|only| only.contains(url))
            && self.concerns.iter().any(|concern| concern.is_about(&place, images))
    }

    /// Whether it names nothing that anybody could look at.
    pub(super) fn is_empty(&self) -> bool {
        self.concerns.is_empty()
    }
}

/// The secrets of one configuration.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    sources: BTreeMap<&'static str, SecretString>,
    /// Secrets of single repositories' own webhooks, by URL.
    repositories: BTreeMap<String, SecretString>,
    /// Whose tokens of Google's are admitted.
    google: Option<Google>,
}

impl Hooks {
    /// Reads the secrets that a configuration names.
    ///
    /// # Errors
    ///
    /// [`SetupError`] when one cannot be read: a webhook that is refused for that would go unnoticed.
    pub(super) fn read(
        service: &Service,
        environment: &Environment,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let mut hooks = Self::default();
        for webhook in &service.webhooks {
            match &webhook.proof {
                WebhookProof::Secret(place) => {
                    hooks.sources.insert(webhook.source, setup::secret(place, service, environment)?);
                }
                WebhookProof::Google(GoogleToken { audience, account, keys_url, ca_file }) => {
                    let url = keys_url.as_deref().unwrap_or(KEYS_URL);
                    let url = Url::parse(url).map_err(|_no_url| {
                        SetupError::Unsupported("`keysUrl` of the webhook `gar` is no URL".to_owned())
                    })?;
                    let ca_file = ca_file.as_ref().map(|file| service.resolve(file));
                    let http = setup::outgoing(ca_file, environment, Arc::clone(clock));
                    let (audience, account) = (audience.clone(), account.clone());
                    hooks.google = Some(Google::new(audience, account, url, http, Arc::clone(clock)));
                }
            }
        }
        for repository in &service.repositories {
            if let Some(file) = &repository.webhook_secret {
                let place = SecretPlace::File(file.clone());
                hooks.repositories.insert(repository.url.clone(), setup::secret(&place, service, environment)?);
            }
        }
        Ok(hooks)
    }

    /// Returns the sender of a path, where its webhooks are served: without a secret nobody's are.
    pub(super) fn sender(&self, source: &str) -> Option<&'static Sender> {
        let sender = SENDERS.iter().find(|sender| sender.name == source)?;
        let is_open = self.sources.contains_key(source)
            || (sender.is_forge && !self.repositories.is_empty())
            || (source == "gar" && self.google.is_some());
        is_open.then_some(sender)
    }

    /// Returns what a request shows of the secret, if what it shows may hold. Signatures need the body to tell.
    pub(super) async fn claims(&self, sender: &Sender, headers: &HeaderMap, path: Option<&str>) -> Option<Claims> {
        let mut claims: Vec<Claim> = sender.proofs.iter().filter_map(|proof| proof.claim(headers, path)).collect();
        for claim in &mut claims {
            if let (Claim::Token(token), Some(google)) = (&*claim, &self.google) {
                match google.admits(token).await {
                    Ok(()) => *claim = Claim::Proven,
                    Err(fault) => tracing::info!(source = sender.name, %fault, "a token is not believed"),
                }
            }
        }
        let may_hold = |claim: &Claim| {
            let holds = || self.secrets(sender).any(|secret| claim.holds(secret, b""));
            claim.is_signature() || matches!(claim, Claim::Proven) || holds()
        };
        claims.retain(may_hold);
        (!claims.is_empty()).then_some(Claims(claims))
    }

    /// Returns whose passes a body hastens; `None` where no claim holds for it.
    pub(super) fn hastened(&self, sender: &Sender, claims: &Claims, body: &[u8]) -> Option<Hastened> {
        let is_proven = claims.0.iter().any(|claim| matches!(claim, Claim::Proven));
        if is_proven || self.sources.get(sender.name).is_some_and(|secret| claims.hold(secret, body)) {
            return Some(Hastened { concerns: named::concerns(sender.name, body), only: None });
        }
        if !sender.is_forge || self.repositories.is_empty() {
            return None;
        }
        let concerns = named::concerns(sender.name, body);
        let is_named = |url: &str| concerns.iter().any(|concern| concern.is_about(&Place::of(url), None));
        let holds =
            |(url, secret): (&String, &SecretString)| (is_named(url) && claims.hold(secret, body)).then(|| url.clone());
        let only: BTreeSet<String> = self.repositories.iter().filter_map(holds).collect();
        (!only.is_empty()).then_some(Hastened { concerns, only: Some(only) })
    }

    fn secrets(&self, sender: &Sender) -> impl Iterator<Item = &SecretString> {
        let own = self.repositories.values().filter(|_| sender.is_forge);
        self.sources.get(sender.name).into_iter().chain(own)
    }
}

#[cfg(test)]
mod tests;
