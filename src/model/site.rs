//! Sites: where in which file an image reference stands, in a form that an edit can work on.
//!
//! Owns what the manifest layer finds and the edit layer changes; knows no file format's grammar.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::environment::BranchName;
use crate::model::file::{Position, RepoPath, Span};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::policy::Policy;

/// The format that explains a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// An object with `apiVersion` and `kind`.
    Kubernetes,
    /// A `Kustomization` or `Component`.
    Kustomize,
    /// Helm values, in a file or inside another object.
    HelmValues,
    /// A Helm chart or another artifact in a registry, named by its version.
    Chart,
    /// An Argo CD `Application` or `ApplicationSet`.
    ArgoCd,
    /// No format explains the line, but a marker stands beside it.
    Marked,
    /// A Compose file.
    Compose,
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// A workflow or an action of GitHub, Gitea or Forgejo.
    GithubActions,
    /// A pipeline of GitLab.
    GitlabCi,
    /// Terraform, OpenTofu, Nomad and whatever else is written in HCL.
    Hcl,
    /// A list of Ansible tasks.
    Ansible,
    /// A package of Crossplane.
    Crossplane,
    /// A unit of Podman's for systemd.
    Quadlet,
    /// A development container.
    Devcontainer,
    /// A chart that Helmfile installs from a registry.
    Helmfile,
    /// A chart that Fleet installs from a registry.
    Fleet,
    /// A place that `formats:` of the configuration names.
    Configured,
}

impl Format {
    /// Returns the format's word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Kustomize => "kustomize",
            Self::HelmValues => "helm-values",
            Self::Chart => "chart",
            Self::ArgoCd => "argocd",
            Self::Marked => "marked",
            Self::Compose => "compose",
            Self::Dockerfile => "dockerfile",
            Self::GithubActions => "github-actions",
            Self::GitlabCi => "gitlab-ci",
            Self::Hcl => "hcl",
            Self::Ansible => "ansible",
            Self::Crossplane => "crossplane",
            Self::Quadlet => "quadlet",
            Self::Devcontainer => "devcontainer",
            Self::Helmfile => "helmfile",
            Self::Fleet => "fleet",
            Self::Configured => "configured",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// How the scalar that holds a slot is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// In `'…'`.
    SingleQuoted,
    /// In `"…"`.
    DoubleQuoted,
    /// A block scalar after `|`.
    Literal,
    /// A block scalar after `>`.
    Folded,
    /// Not a YAML scalar: the bytes are the value.
    Raw,
}

/// What the text of a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotRole {
    /// A tag, a tag and `@` with a digest, or a digest alone after `@`, as in `image: name:tag@sha256:…`.
    Version,
    /// A tag that stands alone, its digest (if any) elsewhere.
    Tag,
    /// A digest that stands alone.
    Digest,
    /// A chart's version: the tag, with `+` where the tag has `_`.
    ChartVersion,
}

/// A stretch of text that an edit replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// What it says.
    pub role: SlotRole,
    /// The bytes to replace: the tag and digest text alone. Empty where nothing stands yet.
    pub span: Span,
    /// The bytes of the whole scalar token around it, quotes included.
    pub token: Span,
    /// How the token is written.
    pub style: ScalarStyle,
}

/// What the reference holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Value {
    /// The tag, where there is one.
    pub tag: Option<Tag>,
    /// The digest, where there is one.
    pub digest: Option<Digest>,
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.tag, &self.digest) {
            (Some(tag), Some(digest)) => write!(formatter, "{tag}@{digest}"),
            (Some(tag), None) => write!(formatter, "{tag}"),
            (None, Some(digest)) => write!(formatter, "{digest}"),
            (None, None) => write!(formatter, "no tag"),
        }
    }
}

/// Which part of a reference a marker that names a policy stands beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkedPart {
    /// The whole reference.
    Whole,
    /// The name alone.
    Name,
    /// The tag alone.
    Tag,
    /// The digest alone.
    Digest,
}

/// The name of a policy that another file holds, as Flux writes it: `namespace:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReference {
    /// The namespace of the policy.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the marker stands beside.
    pub part: MarkedPart,
}

impl fmt::Display for PolicyReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.namespace, self.name)
    }
}

/// A policy that stands beside the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// `# tagboat: ignore`.
    Ignore,
    /// `# tagboat: semver=1.x`.
    Policy(Arc<Policy>),
    /// `{"$imagepolicy": "ns:name"}`: a policy in another file, which one file alone cannot tell.
    Named(PolicyReference),
    /// A comment that begins as a marker and is none; the reason in words.
    Faulty(String),
}

/// Why a reference that was found is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// The reference holds a variable such as `${TAG}` or `$(params.image)`.
    Variable(String),
    /// A template expression stands in it.
    Template,
    /// Neither tag nor digest is written.
    NoTag,
    /// Only a digest is written, so there is no version to move from.
    DigestOnly,
    /// The text is no image reference; the reason in words.
    NotAReference(String),
    /// The name of the image is elsewhere or missing.
    NoName,
    /// A key stands twice on the way to it.
    DuplicateKey(String),
    /// It is reached by an alias whose uses disagree; the reason in words.
    Alias(String),
    /// It looks like a reference where none is declared: only a marker makes it followed. Where it stands, in words.
    Unmarked(&'static str),
    /// A marker says so.
    Ignored,
    /// The marker beside it cannot be read; the reason in words.
    FaultyMarker(String),
    /// The policy that the marker beside it names is missing or cannot be used; the reason in words.
    NamedPolicy(String),
    /// No rule of `images:` matches.
    NoRule,
    /// No environment holds the file.
    NoEnvironment,
    /// It is understood, but this version does not edit it; the reason in words.
    Unsupported(String),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(text) => write!(formatter, "holds the variable {text}"),
            Self::Template => write!(formatter, "holds a template expression"),
            Self::NoTag => write!(formatter, "no tag is written"),
            Self::DigestOnly => write!(formatter, "only a digest is written"),
            Self::NotAReference(reason) => write!(formatter, "not an image reference: {reason}"),
            Self::NoName => write!(formatter, "the image's name does not stand beside it"),
            Self::DuplicateKey(key) => write!(formatter, "the key `{key}` stands twice"),
            Self::Alias(reason) | Self::Unsupported(reason) | Self::NamedPolicy(reason) => {
                write!(formatter, "{reason}")
            }
            Self::Unmarked(place) => write!(formatter, "{place}: followed only with a marker"),
            Self::Ignored => write!(formatter, "ignored by the marker beside it"),
            Self::FaultyMarker(reason) => write!(formatter, "the marker beside it is faulty: {reason}"),
            Self::NoRule => write!(formatter, "no rule matches"),
            Self::NoEnvironment => write!(formatter, "the file is in no environment"),
        }
    }
}

/// What names a reference within its file, whatever stands before it there: numbers that are the same where the names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Named {
    /// The kinds of the resources, the keys and the names of containers and other items on the way to it; `0` where
    /// nothing tells.
    pub within: u64,
    /// The names of the resources that it is in; `0` where none has one.
    pub resource: u64,
    /// Their namespaces; `0` where none has one.
    pub namespace: u64,
}

impl Named {
    /// Goes on to what a key, a kind or an item's name leads to.
    #[must_use]
    pub fn then(self, name: &str) -> Self {
        Self { within: mixed(self.within, name), ..self }
    }

    /// Goes on into a resource of a name and a namespace.
    #[must_use]
    pub fn in_resource(self, name: Option<&str>, namespace: Option<&str>) -> Self {
        Self {
            resource: name.map_or(self.resource, |name| mixed(self.resource, name)),
            namespace: namespace.map_or(self.namespace, |namespace| mixed(self.namespace, namespace)),
            ..self
        }
    }

    /// Goes on to what is named within a text that stands here.
    #[must_use]
    pub fn into_text(self, inner: Self) -> Self {
        let joined = |outer: u64, inner: u64| if inner == 0 { outer } else { mixed(outer, &format!("{inner:x}")) };
        Self {
            within: joined(self.within, inner.within),
            resource: joined(self.resource, inner.resource),
            namespace: joined(self.namespace, inner.namespace),
        }
    }
}

/// FNV-1a over a name and what came before it: the same on every machine, and never `0`.
fn mixed(before: u64, name: &str) -> u64 {
    let start = before ^ 0xcbf2_9ce4_8422_2325;
    let end =
        name.bytes().chain([0xff]).fold(start, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    end.max(1)
}

/// One image reference in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The branch that the file is on, where that is not the base's; an environment's own.
    pub branch: Option<BranchName>,
    /// The file.
    pub file: RepoPath,
    /// The format that explains it.
    pub format: Format,
    /// The image, where it could be read.
    pub image: Option<ImageName>,
    /// The name as the file writes it, for messages; shortened and escaped where it is no image name.
    pub written: String,
    /// What stands there now.
    pub value: Value,
    /// What an edit replaces: the tag's slot first, then the digest's where it stands apart.
    /// Empty only where `skipped` says why.
    pub slots: Vec<Slot>,
    /// Where the first slot begins, or what was found where there is none.
    pub position: Position,
    /// The byte at `position`.
    pub offset: usize,
    /// What names it in the file.
    pub named: Named,
    /// Where else the same text is used through an alias.
    pub uses: Vec<Position>,
    /// The policy beside it.
    pub marker: Option<Marker>,
    /// Why it is not followed, as far as the file alone tells.
    pub skipped: Option<SkipReason>,
}

impl Site {
    /// Why the version that is written here cannot be changed, where a mistake in the file is the reason, and not somebody's wish or
    /// that the version stands elsewhere.
    pub fn fault(&self) -> Option<String> {
        match (&self.skipped, &self.marker) {
            (
                Some(
                    reason @ (SkipReason::DuplicateKey(_)
                    | SkipReason::Alias(_)
                    | SkipReason::FaultyMarker(_)
                    | SkipReason::NamedPolicy(_)
                    | SkipReason::Unsupported(_)),
                ),
                _,
            ) => Some(reason.to_string()),
            (None, Some(Marker::Faulty(reason))) => Some(SkipReason::FaultyMarker(reason.clone()).to_string()),
            (None, Some(Marker::Named(name))) => Some(format!("the policy {name} was not looked up")),
            _ => None,
        }
    }

    /// Returns the bytes of the first slot; an empty range at the site's place where there is none.
    pub fn bytes(&self) -> Span {
        self.slots.first().map_or(self.offset..self.offset, |slot| slot.span.clone())
    }
}

/// Where a reference stands, as far as history can tell one from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The file.
    pub file: RepoPath,
    /// The how manieth of its image it is there, from zero.
    pub ordinal: usize,
}

/// Returns the spots of some sites, by their positions; none of such as say nothing of what runs.
///
/// Sites are in the order of files and of what stands in them, as scans have them.
pub fn spots(sites: &[Site], wanted: &[usize]) -> BTreeMap<usize, Spot> {
    let spot = |index: usize| {
        let site = sites.get(index).filter(|site| site.skipped.is_none() && site.image.is_some())?;
        let before = sites[..index].iter().rev();
        let before = before.take_while(|other| other.file == site.file && other.branch == site.branch);
        let ordinal = before.filter(|other| other.skipped.is_none() && other.image == site.image).count();
        Some((index, Spot { file: site.file.clone(), ordinal }))
    };
    wanted.iter().filter_map(|index| spot(*index)).collect()
}

/// Why a file, or a part of it, was not looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassedOverReason {
    /// SOPS, Sealed Secrets or git-crypt; the name of the tool.
    Encrypted(&'static str),
    /// A NUL byte among the first.
    Binary,
    /// Not UTF-8.
    NotUtf8,
    /// Longer than the limit, in bytes.
    TooLarge {
        /// The file's size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A template without marked lines.
    Template,
    /// The file could not be parsed; position and reason.
    Broken {
        /// Where.
        position: Option<Position>,
        /// What the parser says.
        reason: String,
    },
    /// More nesting, nodes or documents than the limits allow; the reason in words.
    TooComplex(String),
    /// A symbolic link out of the repository, or one that leads nowhere.
    Link(String),
    /// A symbolic link to something in the repository, which is looked at in its own place.
    LinkWithin,
    /// A pipe, a socket, a device.
    NotAFile,
    /// A submodule: its files belong to another repository.
    Submodule,
    /// The file or folder could not be read; the reason in words.
    Unreadable(String),
}

impl fmt::Display for PassedOverReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted(tool) => write!(formatter, "encrypted with {tool}"),
            Self::Binary => write!(formatter, "a binary file"),
            Self::NotUtf8 => write!(formatter, "not UTF-8"),
            Self::TooLarge { size, limit } => write!(formatter, "{size} bytes, more than the limit of {limit}"),
            Self::Template => write!(formatter, "a template without marked lines"),
            Self::Broken { position: Some(at), reason } => {
                write!(formatter, "cannot be parsed at line {}, column {}: {reason}", at.line, at.column)
            }
            Self::Broken { position: None, reason } => write!(formatter, "cannot be parsed: {reason}"),
            Self::TooComplex(reason) | Self::Link(reason) => write!(formatter, "{reason}"),
            Self::LinkWithin => {
                write!(formatter, "a symbolic link within the repository: what it leads to counts in its own place")
            }
            Self::NotAFile => write!(formatter, "neither a file nor a folder"),
            Self::Submodule => write!(formatter, "a submodule"),
            Self::Unreadable(reason) => write!(formatter, "cannot be read: {reason}"),
        }
    }
}

/// A file that was not looked into, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The file or folder, as a path relative to the root; escaped where it is not UTF-8.
    pub file: String,
    /// Why.
    pub reason: PassedOverReason,
}

/// The most that a site was found by, for messages: `file:line:column`.
pub struct Place<'a>(pub &'a RepoPath, pub Position);

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.0, self.1.line, self.1.column)
    }
}
