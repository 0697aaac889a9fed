//! Push times: what the vendors' own APIs tell of when tags were pushed, newest tags first, page by page.
//!
//! Entry point: [`Vendor`], by which `client::pushed` knows what to ask and how to read it; `client::pushed` does the asking. Owns the wire formats. URLs
//! are built here from the host and the image alone: no answer names the next one.

mod docker_hub;
pub(crate) mod ecr;
mod gitlab;
mod harbor;
mod quay;

use jiff::Timestamp;
use url::Url;

use crate::model::image::{DOCKER_HUB, Digest, ImageName};

/// How many tags are asked for in one page; all vendors take as many.
const PAGE: usize = 100;

/// Whose software a registry is, as far as that matters for push times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Docker Hub, whose API is at another host and is asked without credentials.
    DockerHub,
    /// Quay. Its API knows no robot accounts, so it is asked without credentials.
    Quay,
    /// Harbor, which takes the registry's user and password.
    Harbor,
    /// GitLab's registry, from which the registry's own token suffices.
    GitLab,
    /// Amazon ECR, whose API takes requests signed by the identity that logs in to the registry.
    Ecr,
    /// Any other: nobody tells.
    Other,
}

/// What has been seen of how a registry asks for a login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Realm<'a> {
    /// Where tokens are given out.
    pub(crate) realm: &'a str,
    /// What the registry is called there.
    pub(crate) service: &'a str,
}

/// Which login a vendor's API takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// None.
    Nobody,
    /// The registry's user and password, in the clear of TLS.
    Password,
    /// The one that the registry itself asks for.
    Registry,
}

/// A page to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) url: Url,
    pub(crate) login: Login,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// With the page of this number; the first is 1.
    Page(usize),
    /// After this mark of the registry's own.
    After(String),
}

/// When a tag was pushed, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushTime {
    pub(crate) at: Timestamp,
    /// The digest that it has had since, where the API tells.
    pub(crate) digest: Option<Digest>,
}

impl PushTime {
    /// Takes a row; `None` without a time. A digest that is none is not told.
    fn of(at: Option<Timestamp>, digest: Option<&str>) -> Option<Self> {
        Some(Self { at: at?, digest: digest.and_then(|digest| digest.parse().ok()) })
    }
}

/// What one page says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Tags with their push times. Rows without a time that can be read are left out.
    pub(crate) times: Vec<(String, PushTime)>,
    /// Where the list goes on.
    pub(crate) next: Option<Cursor>,
}

impl Vendor {
    /// Recognises a vendor by the host's name, else by how the registry asks for a login.
    pub(crate) fn of(host: &str, seen: Option<Realm<'_>>) -> Self {
        match host {
            DOCKER_HUB => return Self::DockerHub,
            "quay.io" => return Self::Quay,
            "registry.gitlab.com" => return Self::GitLab,
            _ if host.contains(".dkr.ecr.") || host == "public.ecr.aws" => return Self::Ecr,
            _ => {}
        }
        match seen {
            Some(Realm { service: "harbor-registry", .. }) => Self::Harbor,
            Some(Realm { realm, service: "container_registry" }) if realm.ends_with("/jwt/auth") => Self::GitLab,
            _ => Self::Other,
        }
    }

    /// Returns the question for a page of an image's tags; `None` where there is no API to ask.
    ///
    /// `origin` is the registry's own root.
    pub(crate) fn page(self, origin: &Url, image: &ImageName, cursor: &Cursor) -> Option<Ask> {
        let (url, login) = match self {
            Self::DockerHub => (docker_hub::url(image, cursor)?, Login::Nobody),
            Self::Quay => (quay::url(origin, image, cursor)?, Login::Nobody),
            Self::Harbor => (harbor::url(origin, image, cursor)?, Login::Password),
            Self::GitLab => (gitlab::url(origin, image, cursor), Login::Registry),
            // ECR is asked for single tags, by requests that are signed: no page of a list.
            Self::Ecr | Self::Other => return None,
        };
        Some(Ask { url, login })
    }

    /// Reads an answer; `link` is the target of its `Link` header to the next page, if any.
    ///
    /// # Errors
    ///
    /// That it is not what the vendor documents; the text of the answer is not repeated.
    pub(crate) fn read(self, body: &[u8], asked: &Cursor, link: Option<&str>) -> Result<Page, Unreadable> {
        let read = match self {
            Self::DockerHub => docker_hub::read(body, asked),
            Self::Quay => quay::read(body, asked),
            Self::Harbor => harbor::read(body, asked),
            Self::GitLab => gitlab::read(body, link),
            Self::Ecr | Self::Other => return Err(Unreadable { line: 0, column: 0 }),
        };
        read.map_err(|error| Unreadable { line: error.line(), column: error.column() })
    }
}

/// An answer that is not what the vendor documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Cursor {
    /// Returns the page number; 1 for a mark, which vendors with numbers never get.
    fn number(&self) -> usize {
        match self {
            Self::Page(number) => *number,
            Self::After(_) => 1,
        }
    }

    fn following(&self) -> Self {
        Self::Page(self.number().saturating_add(1))
    }
}

/// Reads a time; one that is none says nothing. Nor does one before 1970: programs in Go write year 1 for "not known".
fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok()).filter(|time| *time > Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
