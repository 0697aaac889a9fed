//! Image names, tags, digests, and the reference that a manifest writes: `ghcr.io/acme/web:1.4.0@sha256:…`.
//!
//! The grammar is that of the distribution project's `reference` package; names are normalised as
//! Docker does it, so that two spellings of one repository compare equal.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The registry that a name without a host means.
pub const DOCKER_HUB: &str = "docker.io";

/// Longest repository name (host and path), by the distribution specification's reference grammar.
const MAX_NAME_LENGTH: usize = 255;

/// The longest name of an image's own group, in bytes. With the longest name of an environment before it, and a hash behind it where two
/// come to one, the branch stays below the 255 bytes that GitHub takes, `refs/heads/` among them, as long as the prefix is the usual one;
/// and below what a file system takes for the file by which Git locks one.
const LONGEST_GROUP: usize = 120;

/// How no part of a branch's name may end: so Git calls the files by which it locks one (`git check-ref-format`).
const LOCK: &str = ".lock";

/// Longest tag, by the distribution specification.
const MAX_TAG_LENGTH: usize = 128;

/// Which bytes may stand in a tag. Lists hold millions of them: a table is read faster than it is told apart.
const IN_TAGS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let it = byte as u8;
        table[byte] = it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
        byte += 1;
    }
    table
};

/// What is wrong with an image name, a tag, a digest or a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was written.
    #[error("the image name is empty")]
    Empty,
    /// A host or a path part does not follow the grammar.
    #[error("`{0}` is not an image name (lower-case letters, digits, `.` `_` `-` and `/`)")]
    Name(String),
    /// A path has capital letters.
    #[error("`{0}` has capital letters in its path, which the OCI distribution specification allows in no image name")]
    Capitals(String),
    /// The name is longer than registries accept.
    #[error("the image name has {0} characters; at most 255 are allowed")]
    NameTooLong(usize),
    /// The tag does not follow the grammar.
    #[error("`{0}` is not a tag: up to 128 letters, digits, `.`, `_` and `-`, not starting with `.` or `-`")]
    Tag(String),
    /// The digest does not follow the grammar, or has an unknown algorithm.
    #[error("`{0}` is not a digest: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128")]
    Digest(String),
}

/// A repository in a registry, normalised: `nginx` is `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName(Arc<str>);

impl ImageName {
    /// Returns the whole normalised name, `ghcr.io/acme/web`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the registry's host with its port, `ghcr.io` or `localhost:5000`.
    pub fn host(&self) -> &str {
        self.0.split_once('/').map_or("", |(host, _)| host)
    }

    /// Returns the repository's path within the registry, `acme/web`.
    pub fn path(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }

    /// Returns the name of the group that the image forms by itself: the path with `-` for `/`
    /// and `:`, with the host before it unless that is Docker Hub (`nginx`, `ghcr.io-acme-web`).
    ///
    /// It is a part of a branch's name: what Git takes for none is written otherwise, and what is too long is cut, with a hash of all of it
    /// behind. Two images may come to one name.
    pub fn group_name(&self) -> String {
        let long = match self.host() {
            DOCKER_HUB => self.path().strip_prefix("library/").unwrap_or(self.path()),
            _ => self.as_str(),
        };
        // An address of IPv6 as a host stands in brackets.
        let name = long.replace(['/', ':', '[', ']'], "-");
        let name = name.trim_start_matches('-');
        match name.strip_suffix(LOCK) {
            _ if name.len() > LONGEST_GROUP => {
                format!("{}-{:08x}", &name[..LONGEST_GROUP - "-".len() - 8], short_hash(self.as_str()))
            }
            Some(before) => format!("{before}-lock"),
            None => name.to_owned(),
        }
    }
}

/// FNV-1a over the bytes: the same on every machine and in every version, which branch names must be.
pub fn short_hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl FromStr for ImageName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        let (host, path) = split_host(text);
        let host = host.to_ascii_lowercase();
        let host = match host.as_str() {
            "" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB,
            other => other,
        };
        if !is_host(host) || path.is_empty() || !path.split('/').all(is_path_part) {
            let lower = path.to_ascii_lowercase();
            let has_capitals = lower != path && is_host(host) && lower.split('/').all(is_path_part);
            let fault = if has_capitals { ReferenceError::Capitals } else { ReferenceError::Name };
            return Err(fault(shorten(text)));
        }
        let library = if host == DOCKER_HUB && !path.contains('/') { "library/" } else { "" };
        let name = format!("{host}/{library}{path}");
        if name.len() > MAX_NAME_LENGTH {
            return Err(ReferenceError::NameTooLong(name.len()));
        }
        Ok(Self(name.into()))
    }
}

/// An image as a person writes it: its name, or the last parts of it: `web` and `acme/web` for `ghcr.io/acme/web`.
///
/// What it stands for is known where the images are known; [`Written::among`] tells it, everywhere alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    text: String,
    name: ImageName,
}

/// Several images have a name that ends as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` may be {}: write more of the name", candidates.iter().map(ImageName::as_str).collect::<Vec<_>>().join(" or "))]
pub struct Ambiguous {
    /// What was written.
    pub text: String,
    /// What it may stand for, sorted.
    pub candidates: Vec<ImageName>,
}

/// How many images are named where several may be meant.
const MOST_CANDIDATES: usize = 10;

impl Written {
    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the image of exactly that name, which is what is meant where nobody knows any that ends so.
    pub fn exactly(&self) -> &ImageName {
        &self.name
    }

    /// Finds what is meant among the images that there are: the one of that very name, else the only one whose name ends so,
    /// whole parts of it; where there is none, the name as it stands.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] where several end so.
    pub fn among<'a>(&self, known: impl IntoIterator<Item = &'a ImageName>) -> Result<ImageName, Ambiguous> {
        let mut candidates = BTreeSet::new();
        for other in known {
            if *other == self.name {
                return Ok(self.name.clone());
            }
            if other.as_str().strip_suffix(&self.text).is_some_and(|before| before.ends_with('/')) {
                candidates.insert(other);
            }
        }
        let mut found = candidates.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Ok(self.name.clone()),
            (Some(one), None) => Ok(one.clone()),
            (Some(one), Some(other)) => {
                let candidates = [one, other].into_iter().chain(found).take(MOST_CANDIDATES).cloned().collect();
                Err(Ambiguous { text: self.text.clone(), candidates })
            }
        }
    }
}

impl FromStr for Written {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Ok(Self { text: text.to_owned(), name: text.parse()? })
    }
}

impl From<ImageName> for Written {
    fn from(name: ImageName) -> Self {
        Self { text: name.to_string(), name }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Splits a written name into its host (empty where none is written) and its path.
///
/// The first part is a host when it holds a `.` or a `:`, or is `localhost`, as Docker has it.
pub fn split_host(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("", text),
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0));
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return port_fits && address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label_fits = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    port_fits && name.split('.').all(label_fits)
}

/// Whether a path part follows `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_path_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !bytes.first().is_some_and(alphanumeric) || !bytes.last().is_some_and(alphanumeric) {
        return false;
    }
    bytes
        .split(alphanumeric)
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-'))
}

/// A tag as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// Returns the tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text follows the tag grammar of the distribution specification,
    /// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
    pub fn is_valid(text: &str) -> bool {
        let bytes = text.as_bytes();
        bytes.len() <= MAX_TAG_LENGTH
            && bytes.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && bytes.iter().fold(true, |valid, byte| valid & IN_TAGS[usize::from(*byte)])
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if Self::is_valid(text) { Ok(Self(text.into())) } else { Err(ReferenceError::Tag(shorten(text))) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A content digest, `sha256:` and 64 lower-case hexadecimal digits (or `sha512:` and 128).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Arc<str>);

impl Digest {
    /// Returns the digest's text with its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let length = match text.split_once(':') {
            Some(("sha256", hex)) => Some((hex, 64)),
            Some(("sha512", hex)) => Some((hex, 128)),
            _ => None,
        };
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match length {
            Some((hex, length)) if hex.len() == length && hex.bytes().all(is_hex) => Ok(Self(text.into())),
            _ => Err(ReferenceError::Digest(shorten(text))),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A reference as manifests write it: a name, and a tag, a digest, both or neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The repository, normalised.
    pub name: ImageName,
    /// The tag, where one is written.
    pub tag: Option<Tag>,
    /// The digest, where one is written.
    pub digest: Option<Digest>,
    /// How many bytes of the text the name takes, before `:` or `@`.
    pub name_length: usize,
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let last_part = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last_part..].find(':') {
            Some(colon) => (&rest[..last_part + colon], Some(rest[last_part + colon + 1..].parse()?)),
            None => (rest, None),
        };
        Ok(Self { name: name.parse()?, tag, digest, name_length: name.len() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// Cuts a hostile text down to what fits an error message, with control characters escaped.
pub fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
