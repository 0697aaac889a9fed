//! What a payload names: images of registries, repositories of Git.
//!
//! Entry point: [`concerns`]. Reads only those fields, by the senders' own documentation. What cannot be read names nothing.

mod clouds;
mod registries;

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::model::image::ImageName;
use crate::service::hooks::named::clouds::{Acr, Ecr, PubSub};
use crate::service::hooks::named::registries::{Distribution, DockerHub, Harbor, JFrog, Nexus, PackageEvent, Quay};

/// How many images or repositories of one payload count; a burst in one body is merged by its sender already.
const MOST_NAMED: usize = 1_000;

/// Something that a payload names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Concern {
    /// Whatever there is.
    Everything,
    /// An image.
    Image(ImageName),
    /// An image by its path; the registry may call itself by another name than manifests do.
    ImagePath(String),
    /// A repository of Git.
    Repository(Place),
}

impl Concern {
    /// Whether this is about a repository of Git, or about an image that it follows. What follows nobody knows yet may
    /// follow anything.
    pub(super) fn is_about(&self, place: &Place, images: Option<&BTreeSet<ImageName>>) -> bool {
        match self {
            Self::Everything => true,
            Self::Image(image) => images.is_none_or(|images| images.contains(image)),
            Self::ImagePath(path) => images.is_none_or(|images| images.iter().any(|image| image.path() == path)),
            Self::Repository(named) => named == place,
        }
    }
}

/// Where a repository of Git is, however its URL is spelt: host and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    path: String,
}

impl Place {
    /// Reads a URL, the short form `git@host:path`, or a path of this machine.
    pub(super) fn of(url: &str) -> Self {
        let (authority, path) = if let Some((_, rest)) = url.split_once("://") {
            rest.split_once('/').unwrap_or((rest, ""))
        } else {
            match url.split_once(':') {
                Some((authority, path)) if !authority.contains('/') => (authority, path),
                _ => ("", url),
            }
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
        let host = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host);
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        Self { host: host.to_lowercase(), path: path.to_lowercase() }
    }
}

/// Returns what the body of a sender names; nothing for one that cannot be read.
pub(super) fn concerns(sender: &str, body: &[u8]) -> Vec<Concern> {
    let concerns = match sender {
        "github" | "gitlab" | "gitea" => read::<ForgeEvent>(body).map(ForgeEvent::concerns),
        "ghcr" => read::<PackageEvent>(body).map(PackageEvent::concerns),
        "dockerhub" => read::<DockerHub>(body).map(DockerHub::concerns),
        "quay" => read::<Quay>(body).map(Quay::concerns),
        "harbor" => read::<Harbor>(body).map(Harbor::concerns),
        // GitLab's registry is the distribution registry, and tells as that does.
        "distribution" | "gitlab-registry" => read::<Distribution>(body).map(Distribution::concerns),
        "nexus" => read::<Nexus>(body).map(Nexus::concerns),
        "jfrog" => read::<JFrog>(body).map(JFrog::concerns),
        "acr" => read::<Acr>(body).map(Acr::concerns),
        "ecr" => read::<Ecr>(body).map(Ecr::concerns),
        "gar" => read::<PubSub>(body).map(PubSub::concerns),
        "generic" if body.trim_ascii().is_empty() => Some(vec![Concern::Everything]),
        "generic" => read::<Generic>(body).map(Generic::concerns),
        _ => None,
    };
    let mut concerns = concerns.unwrap_or_default();
    concerns.truncate(MOST_NAMED);
    concerns
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// Reads an image from text that may also have a tag or a digest.
fn image(text: &str) -> Option<Concern> {
    let text = text.split_once('@').map_or(text, |(name, _)| name);
    let name = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => text,
    };
    name.parse().ok().map(Concern::Image)
}

/// GitHub, Gitea and Forgejo name a `repository`, GitLab a `project`, in whatever kind of event.
#[derive(Deserialize)]
struct ForgeEvent {
    repository: Option<ForgeRepository>,
    project: Option<ForgeRepository>,
}

/// A repository's addresses; each forge has some of them.
#[derive(Deserialize)]
struct ForgeRepository {
    clone_url: Option<String>,
    ssh_url: Option<String>,
    html_url: Option<String>,
    git_http_url: Option<String>,
    git_ssh_url: Option<String>,
    web_url: Option<String>,
}

impl ForgeEvent {
    fn concerns(self) -> Vec<Concern> {
        let repositories = [self.repository, self.project].into_iter().flatten();
        let urls = repositories.flat_map(|named| {
            [named.clone_url, named.ssh_url, named.html_url, named.git_http_url, named.git_ssh_url, named.web_url]
        });
        urls.flatten().map(|url| Concern::Repository(Place::of(&url))).collect()
    }
}

/// Whatever somebody wrote for us: `{"image": …}`, `{"repositories": […]}`; nothing of it is everything.
#[derive(Deserialize)]
struct Generic {
    image: Option<String>,
    #[serde(default)]
    images: Vec<String>,
    repository: Option<String>,
    #[serde(default)]
    repositories: Vec<String>,
}

impl Generic {
    fn concerns(self) -> Vec<Concern> {
        let images: Vec<String> = self.image.into_iter().chain(self.images).collect();
        let repositories: Vec<String> = self.repository.into_iter().chain(self.repositories).collect();
        if images.is_empty() && repositories.is_empty() {
            return vec![Concern::Everything];
        }
        let repositories = repositories.iter().map(|url| Concern::Repository(Place::of(url)));
        images.iter().filter_map(|text| image(text)).chain(repositories).collect()
    }
}
