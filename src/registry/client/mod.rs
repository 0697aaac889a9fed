//! The client for real registries: the OCI distribution protocol, read only.
//!
//! The entry point is [`RegistryClient`]. It is split by verb: `transport` asks, `auth` answers challenges,
//! `tags` lists, `manifest` looks at single tags. It remembers tokens and challenges, never tags or manifests.

mod auth;
mod challenge;
mod failure;
mod host;
mod link;
mod manifest;
mod page;
mod tags;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::http::client::HttpClient;
use crate::model::image::{ImageName, Tag};
use crate::model::tags::{FactKind, ImageTags, TagFacts};
use crate::registry::client::failure::Failure;
use crate::registry::client::host::Host;
use crate::registry::credentials::{Credentials, normal_host};
use crate::registry::settings::{HostSettings, Limits, Settings};
use crate::registry::{SourceError, TagSource};

/// Asks registries over HTTP. One for a whole pass: hosts, challenges and tokens are shared by all images.
pub struct RegistryClient {
    http: HttpClient,
    credentials: Credentials,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    host_settings: HashMap<String, HostSettings>,
    limits: Limits,
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RegistryClient").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// An image that is being asked about: its host, its turn there, and when its time is over.
struct Visit<'a> {
    image: &'a ImageName,
    host: &'a Host,
    deadline: Instant,
    /// Held until the image is done, so that a host sees no more than its number of images at once.
    _turn: SemaphorePermit<'a>,
}

impl RegistryClient {
    /// Makes a client; nothing is asked and nothing is read yet. The clock serves dates in `Retry-After`.
    pub fn new(mut settings: Settings, clock: Arc<dyn Clock>) -> Self {
        settings.hosts.iter_mut().for_each(|host| host.host = normal_host(&host.host));
        let credentials = Credentials::new(&settings);
        Self {
            http: HttpClient::new(settings.limits.timeouts, Arc::new(move || clock.now())),
            credentials,
            hosts: Mutex::default(),
            host_settings: settings.hosts.into_iter().map(|host| (host.host.clone(), host)).collect(),
            limits: settings.limits,
        }
    }

    fn host(&self, name: &str) -> Result<Arc<Host>, Failure> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::new(name, self.host_settings.get(name), &self.limits)?);
        hosts.insert(name.to_owned(), Arc::clone(&host));
        Ok(host)
    }

    /// Waits for the image's turn at its host. The image's own time begins with it.
    async fn visit<'a>(&self, image: &'a ImageName, host: &'a Host) -> Visit<'a> {
        let turn = host.turns.acquire().await.expect("the semaphore is never closed");
        Visit { image, host, deadline: Instant::now() + self.limits.image_time, _turn: turn }
    }

    async fn tags_of(&self, image: &ImageName) -> Result<ImageTags, Failure> {
        let host = self.host(image.host())?;
        let visit = self.visit(image, &host).await;
        let mut list = self.list(&visit).await?;
        list.shrink();
        Ok(ImageTags { list, ..ImageTags::default() })
    }

    async fn facts_of(&self, image: &ImageName, tag: &Tag, kind: FactKind) -> Result<TagFacts, Failure> {
        if kind == FactKind::Pushed {
            return Err(Failure::PushTime);
        }
        let host = self.host(image.host())?;
        let visit = self.visit(image, &host).await;
        match kind {
            FactKind::Digest => {
                let digest = self.digest(&visit, tag).await?;
                Ok(TagFacts { digest: Some(digest), ..TagFacts::default() })
            }
            FactKind::Image | FactKind::Pushed => self.inspect(&visit, tag).await,
        }
    }
}

impl TagSource for RegistryClient {
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        async move {
            let tags = self.tags_of(image).await;
            tags.map(Arc::new).map_err(|failure| SourceError::Failed(format!("{image}: {failure}")))
        }
        .boxed()
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        async move {
            let facts = self.facts_of(image, tag, kind).await;
            facts.map_err(|failure| SourceError::Failed(format!("{image}:{tag}: {failure}")))
        }
        .boxed()
    }
}
