//! What lies beside an image and may be its signature: found by cosign's tags and by referrers, and fetched.
//!
//! A tag `sha256-<hex>.sig` holds cosign's own form. Referrers (OCI distribution specification 1.1, "Listing
//! Referrers") hold it, too, or bundles; registries without that API list them under a tag `sha256-<hex>`.

use std::collections::{BTreeMap, HashMap};

use reqwest::Method;
use serde::Deserialize;
use url::Url;

use crate::http::client::Answer;
use crate::http::error::HttpError;
use crate::model::image::{Digest, Tag};
use crate::registry::client::failure::{Failure, address};
use crate::registry::client::link;
use crate::registry::client::manifest::{malformed, verify};
use crate::registry::client::transport::{Question, once_more};
use crate::registry::client::{RegistryClient, Visit};
use crate::signature::{MAX_BUNDLE, MAX_PAYLOAD, Material, SIGN_PREDICATE, Simple};

/// How many signatures of one place are looked at, the latest first: whoever signs in each build adds one each time.
const MAX_SIGNATURES: usize = 50;

/// How many pages of referrers are read: each names a hundred or more.
const MAX_PAGES: usize = 20;

/// The media type of layers with cosign's payloads.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// What referrers in cosign's own form call themselves.
const COSIGN_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// How media types of bundles begin, whatever their version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// The annotation by which a referrer tells what its bundle states.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

#[derive(Deserialize)]
struct RawIndex {
    manifests: Option<Vec<RawReferrer>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReferrer {
    digest: String,
    #[serde(default)]
    artifact_type: String,
    annotations: Option<BTreeMap<String, String>>,
}

impl RawReferrer {
    /// Whether it may be a signature, as far as its row tells.
    fn may_be_signature(&self) -> bool {
        let states = self.annotations.as_ref().and_then(|annotations| annotations.get(PREDICATE));
        match self.artifact_type.as_str() {
            COSIGN_ARTIFACT | SIMPLE_SIGNING => true,
            kind => kind.starts_with(BUNDLE) && states.is_none_or(|predicate| predicate == SIGN_PREDICATE),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    layers: Option<Vec<RawLayer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLayer {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
}

impl RawLayer {
    fn annotation(&self, key: &str) -> Option<String> {
        self.annotations.as_ref()?.get(key).cloned()
    }
}

/// Where signatures are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Under cosign's tag.
    Tag,
    /// Among the referrers.
    Referrers,
}

impl RegistryClient {
    /// Fetches what may be signatures of some content; each is handed over, until `take` wants no more.
    ///
    /// Nothing there is no failure; anything else that goes wrong is one, since what was not seen may be a signature.
    pub(super) async fn signatures(
        &self,
        visit: &Visit<'_>,
        digest: &Digest,
        place: Place,
        take: &mut (dyn FnMut(&Material) -> Wanted + Send),
    ) -> Result<(), Failure> {
        match place {
            Place::Tag => {
                let tag = format!("{}.sig", digest.as_str().replace(':', "-"));
                // A tag has at most 128 characters, which that of a SHA-512 would pass: nobody can have pushed it.
                if !Tag::is_valid(&tag) {
                    return Ok(());
                }
                match self.there(visit, &self.manifest_url(visit, &tag), MANIFEST, Absent::NotFound).await? {
                    Some(page) => self.layers(visit, &page.body, take).await.map(|_wanted| ()),
                    None => Ok(()),
                }
            }
            Place::Referrers => {
                let (referrers, mut failed) = self.referrers(visit, digest).await?;
                for referrer in referrers {
                    match self.referrer(visit, &referrer, take).await {
                        Ok(Wanted::Enough) => return Ok(()),
                        Ok(Wanted::More) => {}
                        Err(failure) => go_on(&mut failed, failure)?,
                    }
                }
                failed.map_or(Ok(()), Err)
            }
        }
    }

    /// Fetches the signatures of one referrer.
    async fn referrer(
        &self,
        visit: &Visit<'_>,
        referrer: &RawReferrer,
        take: &mut (dyn FnMut(&Material) -> Wanted + Send),
    ) -> Result<Wanted, Failure> {
        let digest = self.parse_digest(visit, &referrer.digest)?;
        let question = question(self.manifest_url(visit, digest.as_str()), MANIFEST);
        let (_, body) = self.ask_whole(visit, &question, self.limits.manifest_bytes).await?;
        verify(visit, &digest, &body)?;
        self.layers(visit, &body, take).await
    }

    /// Lists what refers to some content and may be a signature, the latest first; and a failure where more may be listed.
    async fn referrers(
        &self,
        visit: &Visit<'_>,
        digest: &Digest,
    ) -> Result<(Vec<RawReferrer>, Option<Failure>), Failure> {
        let mut failed = None;
        let api = visit.host.url(visit.image.path(), &format!("referrers/{digest}"));
        match self.listed(visit, &api, Absent::NotSupported).await {
            Ok(Some(found)) => return Ok((found, None)),
            Ok(None) => {}
            Err(failure) => go_on(&mut failed, failure)?,
        }
        // Without the API, whoever pushes a referrer writes the list under this tag: so, too, where something else answers
        // in the API's place. An answer of the registry's own that says neither keeps its failure for where nothing holds.
        match self.listed(visit, &self.manifest_url(visit, &tag_of(digest)), Absent::NotFound).await {
            Ok(found) => Ok((found.unwrap_or_default(), failed)),
            Err(failure) => Err(failed.unwrap_or(failure)),
        }
    }

    /// Reads a list of referrers, page after page; `None` where there is none.
    async fn listed(&self, visit: &Visit<'_>, url: &Url, absent: Absent) -> Result<Option<Vec<RawReferrer>>, Failure> {
        let Some(mut page) = self.there(visit, url, INDEX, absent).await? else { return Ok(None) };
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let index: RawIndex = match serde_json::from_slice(&page.body) {
                Ok(index) => index,
                Err(_web_page) if page.is_elsewhere && absent == Absent::NotSupported && found.is_empty() => {
                    return Ok(None);
                }
                Err(error) => return Err(malformed(visit, "a list of referrers", &error)),
            };
            found.extend(index.manifests.unwrap_or_default().into_iter().filter(RawReferrer::may_be_signature));
            let Some(next) = page.next else {
                found.reverse();
                found.truncate(MAX_SIGNATURES);
                return Ok(Some(found));
            };
            page = self.read_page(visit, self.ask(visit, &question(next.clone(), INDEX)).await?, &next).await?;
        }
        Err(Failure::Pages { host: visit.host.name.clone(), pages: MAX_PAGES })
    }

    /// Fetches the layers of a manifest that are signatures.
    async fn layers(
        &self,
        visit: &Visit<'_>,
        manifest: &[u8],
        take: &mut (dyn FnMut(&Material) -> Wanted + Send),
    ) -> Result<Wanted, Failure> {
        let raw: RawManifest =
            serde_json::from_slice(manifest).map_err(|error| malformed(visit, "a signature's manifest", &error))?;
        // Signatures of one image mostly have one payload between them.
        let mut known: HashMap<&str, Option<Vec<u8>>> = HashMap::new();
        let mut failed = None;
        let layers = raw.layers.unwrap_or_default();
        for layer in layers.iter().rev().filter(|layer| is_signature(layer)).take(MAX_SIGNATURES) {
            let is_bundle = layer.media_type.starts_with(BUNDLE);
            let most = if is_bundle { MAX_BUNDLE } else { MAX_PAYLOAD };
            let material = if layer.size > most {
                Material::Unfit(format!("it has {} bytes, and {most} are read at most", layer.size))
            } else {
                let bytes = match known.get(layer.digest.as_str()) {
                    Some(bytes) => bytes.clone(),
                    None => {
                        let bytes = match self.blob(visit, &layer.digest, most).await {
                            Ok(bytes) => Some(bytes),
                            Err(failure) => {
                                go_on(&mut failed, failure)?;
                                None
                            }
                        };
                        known.insert(&layer.digest, bytes.clone());
                        bytes
                    }
                };
                let Some(bytes) = bytes else { continue };
                if is_bundle { Material::Bundle(bytes) } else { Material::Simple(simple(layer, bytes)) }
            };
            if take(&material) == Wanted::Enough {
                return Ok(Wanted::Enough);
            }
        }
        failed.map_or(Ok(Wanted::More), Err)
    }

    async fn blob(&self, visit: &Visit<'_>, digest: &str, most: u64) -> Result<Vec<u8>, Failure> {
        let digest = self.parse_digest(visit, digest)?;
        let url = visit.host.url(visit.image.path(), &format!("blobs/{digest}"));
        let (_, body) = self.ask_whole(visit, &question(url, "*/*"), most).await?;
        verify(visit, &digest, &body)?;
        Ok(body.to_vec())
    }

    /// Asks for something that need not be there; a body that breaks off is asked for once more.
    async fn there(
        &self,
        visit: &Visit<'_>,
        url: &Url,
        accept: &'static str,
        absent: Absent,
    ) -> Result<Option<Page>, Failure> {
        let mut broken = None;
        loop {
            let answer = match self.ask(visit, &question(url.clone(), accept)).await {
                // "Not implemented" is an answer of whoever is there.
                Err(Failure::Http(HttpError::Server { status, .. }))
                    if absent == Absent::NotSupported && status.as_u16() == 501 =>
                {
                    return Ok(None);
                }
                // A registry that sends its clients to a web site for what it does not know has no API of its own: GHCR does, and
                // GitHub answers as it likes.
                Err(Failure::Http(HttpError::Elsewhere { .. }) | Failure::LoginElsewhere { .. })
                    if absent == Absent::NotSupported =>
                {
                    return Ok(None);
                }
                other => other?,
            };
            let is_web_site = answer.is_elsewhere && answer.status != 200 && absent == Absent::NotSupported;
            if absent.says(answer.status.as_u16()) || is_web_site {
                self.note(visit, None);
                return Ok(None);
            }
            match self.read_page(visit, answer, url).await {
                Ok(page) => return Ok(Some(page)),
                Err(Failure::Http(error)) => once_more(&mut broken, error)?,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Reads an answer that must be a success, and where its list goes on.
    async fn read_page(&self, visit: &Visit<'_>, answer: Answer, url: &Url) -> Result<Page, Failure> {
        let answer = self.successful(visit, answer).await?;
        let next = link::next_of(&answer.headers)
            .map_err(|link::Unreadable| Failure::UnreadableLink { host: visit.host.name.clone(), what: "referrers" })?;
        let next = next.map(|next| self.following(visit, url, &next)).transpose()?;
        let is_elsewhere = answer.is_elsewhere;
        let body = answer.body(self.limits.manifest_bytes).whole().await;
        self.note(visit, body.as_ref().err().filter(|_| !is_elsewhere));
        Ok(Page { body: body?.to_vec(), next, is_elsewhere })
    }

    /// Follows a link within the host it came from; scheme and port stay ours, as for lists of tags.
    fn following(&self, visit: &Visit<'_>, here: &Url, link: &str) -> Result<Url, Failure> {
        let refused = || Failure::ReferrersLink {
            host: visit.host.name.clone(),
            next: address(link, &visit.host.tokens.shown()),
        };
        let next = here.join(link).map_err(|_not_a_url| refused())?;
        if next.host() != here.host() || next == *here {
            return Err(refused());
        }
        let mut url = here.clone();
        url.set_path(next.path());
        url.set_query(next.query());
        Ok(url)
    }

    fn manifest_url(&self, visit: &Visit<'_>, reference: &str) -> Url {
        visit.host.url(visit.image.path(), &format!("manifests/{reference}"))
    }
}

/// An answer, and where its list goes on.
struct Page {
    body: Vec<u8>,
    next: Option<Url>,
    is_elsewhere: bool,
}

/// Whether further signatures are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// They are.
    More,
    /// One that holds was found.
    Enough,
}

/// Which statuses mean that something is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Absent {
    /// It does not exist.
    NotFound,
    /// It does not exist, or the registry does not know how to list it.
    NotSupported,
}

impl Absent {
    fn says(self, status: u16) -> bool {
        match self {
            Self::NotFound => status == 404,
            // 404 is what the specification asks of registries without the API; the others are seen in use.
            Self::NotSupported => matches!(status, 400 | 404 | 405 | 406),
        }
    }
}

/// Returns the tag under which referrers are listed (specification, "Referrers Tag Schema"): at most 64 digits.
fn tag_of(digest: &Digest) -> String {
    let (algorithm, digits) = digest.as_str().split_once(':').unwrap_or_default();
    format!("{algorithm}-{digits:.64}")
}

/// Keeps the first failure of one piece, so that others are looked at beside it: any of them may hold. One that all
/// others would meet is given back.
fn go_on(failed: &mut Option<Failure>, failure: Failure) -> Result<(), Failure> {
    let is_of_all = matches!(
        failure,
        Failure::Down { .. }
            | Failure::Paused { .. }
            | Failure::Spent { .. }
            | Failure::NotInTime { .. }
            | Failure::Http(HttpError::Deadline { .. })
    );
    if is_of_all {
        return Err(failed.take().unwrap_or(failure));
    }
    failed.get_or_insert(failure);
    Ok(())
}

fn question(url: Url, accept: &'static str) -> Question {
    Question { method: Method::GET, url, accept }
}

fn is_signature(layer: &RawLayer) -> bool {
    layer.media_type == SIMPLE_SIGNING || layer.media_type.starts_with(BUNDLE)
}

fn simple(layer: &RawLayer, payload: Vec<u8>) -> Simple {
    Simple {
        payload,
        signature: layer.annotation("dev.cosignproject.cosign/signature").unwrap_or_default(),
        certificate: layer.annotation("dev.sigstore.cosign/certificate").filter(|text| !text.trim().is_empty()),
        log: layer.annotation("dev.sigstore.cosign/bundle").filter(|text| !text.trim().is_empty()),
    }
}
