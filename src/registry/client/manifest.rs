//! Single tags: the digest that one points to, and what its manifest and configuration blob say.

use std::collections::HashMap;

use jiff::Timestamp;
use reqwest::Method;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256, Sha512};

use crate::model::image::{Digest, Tag, shorten};
use crate::model::tags::{Labels, Platform, TagFacts};
use crate::registry::client::failure::Failure;
use crate::registry::client::transport::Question;
use crate::registry::client::{RegistryClient, Visit};

/// What a tag may point to. Indexes come first: a registry that has both then answers with the index.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// The header that names a manifest's digest, by the distribution specification.
pub(super) const DIGEST_HEADER: &str = "docker-content-digest";

/// How many platforms of one index are listed; real ones have up to about thirty.
const MAX_PLATFORMS: usize = 500;

/// How many rows of an index are asked for until one is there.
const MOST_ROWS: usize = 8;

/// How many indexes may stand within each other, below the first.
const MAX_NESTED: usize = 2;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    #[serde(default, deserialize_with = "or_nothing")]
    media_type: String,
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<IgnoredAny>,
    /// The layers of schema 1.
    fs_layers: Option<IgnoredAny>,
    /// Those of the artifacts that came before the specification's 1.1.
    blobs: Option<IgnoredAny>,
}

impl RawManifest {
    /// Whether it has what makes a manifest. Errors and words about maintenance are JSON, too.
    fn is_one(&self) -> bool {
        let parts = [&self.layers, &self.fs_layers, &self.blobs];
        self.manifests.is_some() || self.config.is_some() || parts.iter().any(|part| part.is_some())
    }
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: String,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize, Default)]
struct RawPlatform {
    #[serde(default, deserialize_with = "or_nothing")]
    os: String,
    #[serde(default, deserialize_with = "or_nothing")]
    architecture: String,
    #[serde(default, deserialize_with = "or_nothing")]
    variant: String,
}

/// Reads a text, for which `null` may stand where there is none.
fn or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// How long a label may be, in bytes: a URL or a commit; longer ones say nothing that is shown.
const MAX_LABEL: usize = 2048;

#[derive(Deserialize)]
struct RawConfig {
    created: Option<String>,
    /// The container's own configuration, in which labels stand.
    #[serde(default)]
    config: Option<RawContainer>,
    #[serde(flatten)]
    platform: RawPlatform,
}

#[derive(Deserialize, Default)]
struct RawContainer {
    #[serde(rename = "Labels", default)]
    labels: Option<HashMap<String, serde_json::Value>>,
}

impl RawConfig {
    /// Returns the labels that say where the image comes from; one that is no plain short text is left out.
    fn labels(&self) -> Labels {
        let all = self.config.as_ref().and_then(|config| config.labels.as_ref());
        let label = |name: &str| {
            let text = all?.get(&format!("org.opencontainers.image.{name}"))?.as_str()?.trim();
            let is_plain = !text.is_empty() && text.len() <= MAX_LABEL && !text.contains(char::is_control);
            is_plain.then(|| text.to_owned())
        };
        Labels { source: label("source"), revision: label("revision"), version: label("version") }
    }
}

impl RawPlatform {
    /// Returns the platform's words; `None` for the attestations that stand in indexes as `unknown/unknown`.
    fn plain(&self) -> Option<Platform> {
        if self.os.is_empty() || self.os == "unknown" || self.architecture.is_empty() {
            return None;
        }
        let variant = if self.variant.is_empty() { String::new() } else { format!("/{}", self.variant) };
        Some(Platform(shorten(&format!("{}/{}{variant}", self.os, self.architecture))))
    }
}

impl RegistryClient {
    /// Returns the digest that a tag points to, by HEAD, which registries do not count as a pull.
    pub(super) async fn digest(&self, visit: &Visit<'_>, tag: &Tag) -> Result<Digest, Failure> {
        let question = manifest_question(visit, Method::HEAD, tag.as_str());
        let answer = self.ask(visit, &question).await?;
        self.note(visit, None);
        match (answer.status.as_u16(), answer.header(DIGEST_HEADER)) {
            (200, Some(digest)) => digest.parse().map_err(|_not_a_digest| Failure::Malformed {
                host: visit.host.name.clone(),
                what: "a manifest's headers",
                reason: format!("`{}` is no digest", visit.hushed(digest)),
            }),
            // Some registries know no HEAD, or leave the header out. A 404 may mean either.
            (404 | 405, _) | (200, None) => Ok(self.manifest(visit, tag.as_str(), None).await?.0),
            _ => match self.successful(visit, answer).await {
                Err(failure) => Err(failure),
                Ok(_) => Ok(self.manifest(visit, tag.as_str(), None).await?.0),
            },
        }
    }

    /// Returns digest, platforms and creation time of a tag, or of the digest that it was found to point to.
    pub(super) async fn inspect(
        &self,
        visit: &Visit<'_>,
        tag: &Tag,
        digest: Option<&Digest>,
    ) -> Result<TagFacts, Failure> {
        let reference = digest.map_or(tag.as_str(), Digest::as_str);
        let (digest, top) = self.manifest(visit, reference, digest).await?;
        let (manifest, platforms) = match top.manifests {
            Some(rows) => {
                let (manifest, platforms) = self.telling_image(visit, rows).await?;
                let Some(manifest) = manifest else {
                    return Ok(TagFacts { digest: Some(digest), platforms: Some(platforms), ..TagFacts::default() });
                };
                (manifest, Some(platforms))
            }
            None => (top, None),
        };
        let Some(config) = manifest.config else { return Err(Failure::Kind(visit.hushed(&manifest.media_type))) };
        let config = self.config(visit, &config).await?;
        Ok(TagFacts {
            digest: Some(digest),
            created: config.created.as_deref().and_then(|time| time.parse::<Timestamp>().ok()),
            labels: config.labels(),
            platforms: Some(platforms.unwrap_or_else(|| config.platform.plain().into_iter().collect())),
            ..TagFacts::default()
        })
    }

    /// Fetches the image of an index that tells for all of them, `None` where it lists none; and the platforms that the
    /// index lists, or the one within it.
    ///
    /// Copies may leave some platforms out, whose rows stay: the next one is asked for then.
    async fn telling_image(
        &self,
        visit: &Visit<'_>,
        mut rows: Vec<RawDescriptor>,
    ) -> Result<(Option<RawManifest>, Vec<Platform>), Failure> {
        let mut platforms = Vec::new();
        for _ in 0..=MAX_NESTED {
            let listed = rows.iter().take(MAX_PLATFORMS);
            platforms.extend(listed.filter_map(|row| row.platform.as_ref().and_then(RawPlatform::plain)));
            platforms.truncate(MAX_PLATFORMS);
            let mut absent = None;
            let mut found = None;
            for row in telling(&rows).into_iter().take(MOST_ROWS) {
                let child = self.parse_digest(visit, &row.digest)?;
                match self.manifest(visit, child.as_str(), Some(&child)).await {
                    Ok((_, manifest)) => {
                        found = Some(manifest);
                        break;
                    }
                    Err(failure @ Failure::NotFound { .. }) => absent = absent.or(Some(failure)),
                    Err(failure) => return Err(failure),
                }
            }
            match (found, absent) {
                (Some(RawManifest { manifests: Some(nested), .. }), _) => rows = nested,
                (Some(manifest), _) => return Ok((Some(manifest), platforms)),
                (None, Some(failure)) => return Err(failure),
                (None, None) => return Ok((None, platforms)),
            }
        }
        Err(Failure::Kind("an index within indexes".to_owned()))
    }

    pub(super) async fn expect_manifest(&self, visit: &Visit<'_>, reference: &str) -> Result<(), Failure> {
        self.manifest(visit, reference, None).await.map(|_known| ())
    }

    async fn manifest(
        &self,
        visit: &Visit<'_>,
        reference: &str,
        expected: Option<&Digest>,
    ) -> Result<(Digest, RawManifest), Failure> {
        let question = manifest_question(visit, Method::GET, reference);
        let (headers, body) = self.ask_whole(visit, &question, self.limits.manifest_bytes).await?;
        let named = headers.get(DIGEST_HEADER).and_then(|value| value.to_str().ok());
        let named = named.map(|digest| self.parse_digest(visit, digest)).transpose()?;
        for digest in [expected, named.as_ref()].into_iter().flatten() {
            verify(visit, digest, &body)?;
        }
        if body.trim_ascii_start().starts_with(b"<") {
            return Err(Failure::NotJson { host: visit.host.name.clone(), what: "a web page" });
        }
        let manifest: RawManifest =
            serde_json::from_slice(&body).map_err(|error| malformed(visit, "a manifest", &error))?;
        if !manifest.is_one() {
            let reason = "it has neither `config`, `layers` nor `manifests`".to_owned();
            return Err(Failure::Malformed { host: visit.host.name.clone(), what: "a manifest", reason });
        }
        Ok((expected.cloned().or(named).unwrap_or_else(|| sha256(&body)), manifest))
    }

    async fn config(&self, visit: &Visit<'_>, descriptor: &RawDescriptor) -> Result<RawConfig, Failure> {
        let digest = self.parse_digest(visit, &descriptor.digest)?;
        let url = visit.host.url(visit.image.path(), &format!("blobs/{digest}"));
        let question = Question { method: Method::GET, url, accept: "*/*" };
        let (_, body) = self.ask_whole(visit, &question, self.limits.manifest_bytes).await?;
        verify(visit, &digest, &body)?;
        serde_json::from_slice(&body).map_err(|error| malformed(visit, "an image's configuration", &error))
    }

    pub(super) fn parse_digest(&self, visit: &Visit<'_>, text: &str) -> Result<Digest, Failure> {
        text.parse().map_err(|_not_a_digest| Failure::Malformed {
            host: visit.host.name.clone(),
            what: "a manifest",
            reason: format!("`{}` is no digest", visit.hushed(text)),
        })
    }
}

pub(super) fn manifest_question(visit: &Visit<'_>, method: Method, reference: &str) -> Question {
    Question { method, url: visit.host.url(visit.image.path(), &format!("manifests/{reference}")), accept: ACCEPT }
}

/// Sorts the rows of an index by how well their creation time stands for all: linux/amd64, then the other real platforms.
fn telling(rows: &[RawDescriptor]) -> Vec<&RawDescriptor> {
    let is_common = |row: &RawDescriptor| {
        row.platform.as_ref().is_some_and(|platform| platform.os == "linux" && platform.architecture == "amd64")
    };
    let is_real = |row: &&RawDescriptor| row.platform.as_ref().is_none_or(|platform| platform.plain().is_some());
    let mut real: Vec<_> = rows.iter().filter(is_real).collect();
    real.sort_by_key(|row| !is_common(row));
    real
}

pub(super) fn verify(visit: &Visit<'_>, digest: &Digest, body: &[u8]) -> Result<(), Failure> {
    let actual = match digest.as_str().split_once(':') {
        Some(("sha512", _)) => format!("sha512:{}", hex(&Sha512::digest(body))),
        _ => sha256(body).to_string(),
    };
    if actual == digest.as_str() {
        return Ok(());
    }
    Err(Failure::Digest { host: visit.host.name.clone(), digest: digest.to_string() })
}

fn sha256(body: &[u8]) -> Digest {
    let text = format!("sha256:{}", hex(&Sha256::digest(body)));
    text.parse().expect("a computed digest follows the grammar")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

pub(super) fn malformed(visit: &Visit<'_>, what: &'static str, error: &serde_json::Error) -> Failure {
    // The parser's words may quote the registry's text: its place says enough.
    let reason = format!("see its line {}, column {}", error.line(), error.column());
    Failure::Malformed { host: visit.host.name.clone(), what, reason }
}
