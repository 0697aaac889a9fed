//! Counting what a host is asked, by kind of request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use url::Url;

use crate::model::usage::{RegistryUsage, ToldLimit};

/// What a request is for. Registries limit the kinds apart: pulls are counted, tag lists and HEADs mostly are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A page of a tag list.
    List,
    /// HEAD of a manifest.
    Head,
    /// GET of a manifest.
    Manifest,
    /// A blob.
    Blob,
    /// A token of the login server.
    Token,
    /// Everything else below `/v2/`.
    Other,
    /// The vendor's own API, which may fail while the registry itself is well.
    Api,
}

impl Kind {
    /// How many kinds there are.
    pub(super) const COUNT: usize = 7;

    /// Tells the kind of a request to a registry.
    pub(super) fn of(method: &Method, url: &Url) -> Self {
        if !url.path().starts_with("/v2/") {
            return Self::Api;
        }
        // A repository may be called like any of the words: only where they stand tells.
        let mut parts = url.path().rsplit('/');
        match (parts.next(), parts.next()) {
            (Some("list"), Some("tags")) => Self::List,
            (_, Some("manifests")) if *method == Method::HEAD => Self::Head,
            (_, Some("manifests")) => Self::Manifest,
            (_, Some("blobs")) => Self::Blob,
            _ => Self::Other,
        }
    }

    /// Returns the word in labels.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Head => "head",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::Token => "token",
            Self::Other | Self::Api => "other",
        }
    }

    /// Returns what a person calls such requests.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::List => "tag lists",
            Self::Head | Self::Manifest => "manifests",
            Self::Blob => "blobs",
            Self::Token => "tokens",
            Self::Other => "requests",
            Self::Api => "push times",
        }
    }
}

/// The counters of one host.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: [AtomicU64; Kind::COUNT],
    throttled: AtomicU64,
    retries: AtomicU64,
    waited_ns: AtomicU64,
    bytes: Arc<AtomicU64>,
    cached: AtomicU64,
}

impl Meter {
    pub(super) fn request(&self, kind: Kind) {
        self.requests[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer that needed no request: known already, or of somebody else's question.
    pub(super) fn cached(&self) {
        self.cached.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn waited(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waited_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns the counter that bodies add their bytes to.
    pub(super) fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    pub(super) fn usage(&self, limit: Option<ToldLimit>) -> RegistryUsage {
        let of = |kind: Kind| self.requests[kind as usize].load(Ordering::Relaxed);
        RegistryUsage {
            lists: of(Kind::List),
            heads: of(Kind::Head),
            manifests: of(Kind::Manifest),
            blobs: of(Kind::Blob),
            tokens: of(Kind::Token),
            others: of(Kind::Other) + of(Kind::Api),
            cached: self.cached.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            waited: Duration::from_nanos(self.waited_ns.load(Ordering::Relaxed)),
            bytes: self.bytes.load(Ordering::Relaxed),
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_requests_apart_by_what_they_are_for() {
        let kind = |method: Method, path: &str| {
            Kind::of(&method, &Url::parse(&format!("https://ghcr.io/v2/acme/web/{path}")).unwrap())
        };
        assert_eq!(kind(Method::GET, "tags/list?n=1000"), Kind::List);
        assert_eq!(kind(Method::HEAD, "manifests/1.0.0"), Kind::Head);
        assert_eq!(kind(Method::GET, "manifests/1.0.0"), Kind::Manifest);
        assert_eq!(kind(Method::GET, "blobs/sha256:12"), Kind::Blob);
        assert_eq!(kind(Method::GET, "referrers/sha256:12"), Kind::Other);
        assert_eq!(kind(Method::GET, "manifests/blobs/tags/list"), Kind::List);
        assert_eq!(kind(Method::GET, "manifests/api/blobs/sha256:12"), Kind::Blob);
        let api = Url::parse("https://registry.example/gitlab/v1/repositories/acme/web/tags/list/").unwrap();
        assert_eq!(Kind::of(&Method::GET, &api), Kind::Api);
    }
}
