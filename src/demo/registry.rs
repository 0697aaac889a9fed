//! The demo's registry: the part of the OCI distribution protocol that reading tags needs, in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

/// The media type of the manifests that it serves.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Tags by repository, each with its manifest.
type Shelf = Arc<Mutex<BTreeMap<String, BTreeMap<String, String>>>>;

/// A registry on a loopback address, until it is dropped.
pub(super) struct DemoRegistry {
    address: SocketAddr,
    shelf: Shelf,
    server: tokio::task::JoinHandle<()>,
}

impl DemoRegistry {
    /// Starts it on a free port.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shelf = Shelf::default();
        let routes = Router::new().route("/v2/{*path}", axum::routing::get(answer)).with_state(Arc::clone(&shelf));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the demo's registry stopped");
            }
        });
        Ok(Self { address, shelf, server })
    }

    /// Returns its host as image names write it.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Puts a tag on the shelf.
    pub(super) fn push(&self, repository: &str, tag: &str) {
        let layer = format!("{:x}", Sha256::digest(format!("{repository}:{tag}")));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:{layer}","size":2}},"layers":[]}}"#
        );
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.entry(repository.to_owned()).or_default().insert(tag.to_owned(), manifest);
    }
}

impl Drop for DemoRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Answers `<name>/tags/list` and `<name>/manifests/<tag>`.
async fn answer(State(shelf): State<Shelf>, Path(path): Path<String>) -> Response {
    let shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(name) = path.strip_suffix("/tags/list") {
        let Some(tags) = shelf.get(name) else { return StatusCode::NOT_FOUND.into_response() };
        let tags: Vec<&String> = tags.keys().collect();
        return axum::Json(serde_json::json!({"name": name, "tags": tags})).into_response();
    }
    let manifest = path.split_once("/manifests/").and_then(|(name, tag)| shelf.get(name)?.get(tag));
    let Some(manifest) = manifest else { return StatusCode::NOT_FOUND.into_response() };
    let digest = format!("sha256:{:x}", Sha256::digest(manifest));
    let headers = [(header::CONTENT_TYPE.as_str(), MANIFEST.to_owned()), ("docker-content-digest", digest)];
    (headers, manifest.clone()).into_response()
}
