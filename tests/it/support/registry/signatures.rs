//! What lies beside images in the fake registry: signatures under cosign's tags, and referrers.

use axum::response::Response;
use serde_json::{Value, json};
use tagboat::signature::Simple;

use super::answers::{error, plain};
use super::{FakeRegistry, Inner, LinkStyle, Referrers};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl FakeRegistry {
    /// Puts signatures under cosign's tag, in place of those that were there; returns the manifest's digest.
    pub(crate) fn sign(&self, repository: &str, digest: &str, signatures: &[Simple]) -> String {
        let mut inner = self.inner();
        let layers: Vec<Value> = signatures.iter().map(|one| inner.layer(one)).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers});
        let manifest = inner.store(MANIFEST, serde_json::to_vec(&manifest).unwrap());
        inner.tag(repository, &format!("{}.sig", digest.replace(':', "-")), &manifest);
        manifest
    }

    /// Says of the layers under cosign's tag that each has so many bytes.
    pub(crate) fn sign_with_size(&self, repository: &str, digest: &str, signature: &Simple, size: u64) {
        let mut inner = self.inner();
        let mut layer = inner.layer(signature);
        layer["size"] = size.into();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer]});
        let manifest = inner.store(MANIFEST, serde_json::to_vec(&manifest).unwrap());
        inner.tag(repository, &format!("{}.sig", digest.replace(':', "-")), &manifest);
    }

    /// Adds a referrer with a bundle, which says of itself what it states where that is given.
    pub(crate) fn refer(&self, digest: &str, bundle: &Value, states: Option<&str>) -> String {
        let mut inner = self.inner();
        let bytes = serde_json::to_vec(bundle).unwrap();
        let size = bytes.len();
        let blob = inner.store(BUNDLE, bytes);
        let layer = json!({"mediaType": BUNDLE, "digest": blob, "size": size});
        inner.referrer(digest, BUNDLE, &layer, states)
    }

    /// Returns the digest of a manifest's first layer.
    pub(crate) fn layer_of(&self, manifest: &str) -> String {
        let manifest: Value = serde_json::from_slice(&self.inner().content[manifest].1).unwrap();
        manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// Adds a referrer with a signature in cosign's own form.
    pub(crate) fn refer_simple(&self, digest: &str, signature: &Simple) -> String {
        let mut inner = self.inner();
        let layer = inner.layer(signature);
        inner.referrer(digest, "application/vnd.dev.cosign.artifact.sig.v1+json", &layer, None)
    }
}

impl Inner {
    fn layer(&mut self, signature: &Simple) -> Value {
        let digest = self.store(SIMPLE_SIGNING, signature.payload.clone());
        let mut annotations = json!({"dev.cosignproject.cosign/signature": signature.signature});
        if let Some(certificate) = &signature.certificate {
            annotations["dev.sigstore.cosign/certificate"] = certificate.as_str().into();
        }
        if let Some(log) = &signature.log {
            annotations["dev.sigstore.cosign/bundle"] = log.as_str().into();
        }
        let size = signature.payload.len();
        json!({"mediaType": SIMPLE_SIGNING, "digest": digest, "size": size, "annotations": annotations})
    }

    fn referrer(&mut self, subject: &str, kind: &str, layer: &Value, states: Option<&str>) -> String {
        let of = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "layers": [layer], "subject": of});
        let digest = self.store(MANIFEST, serde_json::to_vec(&manifest).unwrap());
        let mut row = json!({"mediaType": MANIFEST, "digest": digest, "size": 1, "artifactType": kind});
        if let Some(predicate) = states {
            row["annotations"] = json!({"dev.sigstore.bundle.predicateType": predicate});
        }
        self.referrers.entry(subject.to_owned()).or_default().push(row);
        digest
    }

    /// Answers the API.
    pub(super) fn referrers(&self, path: &str, subject: &str, query: &[(String, String)]) -> Response {
        if let Some(status) = self.faults.referrers_status {
            return plain(status, "");
        }
        if let Referrers::Tagged(status) = self.faults.referrers {
            return error(status, "UNSUPPORTED");
        }
        let all = self.referrers.get(subject).map(Vec::as_slice).unwrap_or_default();
        let start = query.iter().find(|(key, _)| key == "from").map_or(0, |(_, from)| from.parse().unwrap());
        if start > 0 && self.faults.referrers_break_off {
            return error(404, "NOT_FOUND");
        }
        let size = self.faults.referrers_page.unwrap_or(usize::MAX);
        let page: Vec<&Value> = all.iter().skip(start).take(size).collect();
        let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": page});
        let next = start.saturating_add(size);
        let mut builder = Response::builder().header("Content-Type", INDEX);
        let link = match self.faults.referrers_link {
            LinkStyle::Circle => Some(path.to_owned()),
            LinkStyle::Foreign => Some(format!("http://192.0.2.1{path}?from={next}")),
            _ => Some(format!("{path}?from={next}")),
        };
        if let Some(link) = link.filter(|_| next < all.len()) {
            builder = builder.header("Link", format!("<{link}>; rel=\"next\""));
        }
        builder.body(body.to_string().into()).unwrap()
    }

    /// Answers for the tag that lists referrers, where the registry has no API for them.
    pub(super) fn tagged_referrers(&self, tag: &str) -> Option<Response> {
        let hex = tag.strip_prefix("sha256-").filter(|hex| hex.len() == 64)?;
        let rows = self.referrers.get(&format!("sha256:{hex}"))?;
        if self.faults.referrers == Referrers::Api {
            return None;
        }
        let body = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows});
        Some(Response::builder().header("Content-Type", INDEX).body(body.to_string().into()).unwrap())
    }
}
