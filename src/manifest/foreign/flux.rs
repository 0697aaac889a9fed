//! Flux's image automation: `ImageRepository`, `ImagePolicy` and `ImageUpdateAutomation`, and the markers that name
//! policies.
//!
//! Reads what the files say; what Flux's controllers would have put into `status` plays no part.

use std::sync::Arc;

use crate::manifest::foreign::Origin;
use crate::manifest::foreign::object::Object;
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Tree};
use crate::model::file::Span;
use crate::model::image::{ImageName, shorten};
use crate::model::policy::{Direction, Pin, Policy, Select, TagPattern};
use crate::model::site::{MarkedPart, Marker, PolicyReference};
use crate::policy::{direction, go, range};

/// The group of the objects' `apiVersion`.
pub(super) const GROUP: &str = "image.toolkit.fluxcd.io";

/// The objects that are read.
pub(super) const KINDS: [&str; 3] = ["ImagePolicy", "ImageRepository", "ImageUpdateAutomation"];

/// The key in a marker's JSON.
pub(crate) const MARKER: &str = "$imagepolicy";

/// The longest marker that is read, in bytes: two names of 253 letters, and what stands around them.
const MAX_MARKER: usize = 1024;

/// An `ImageRepository`: which image is scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluxRepository {
    /// Where it stands.
    pub origin: Origin,
    /// `spec.image`, or why it is none.
    pub image: Result<ImageName, String>,
    /// `spec.exclusionList`.
    pub exclusions: Result<Vec<TagPattern>, String>,
    /// Credentials, certificates and the like, which are the operator's.
    pub operators: Vec<&'static str>,
}

/// An `ImagePolicy`: which of the tags is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FluxPolicy {
    /// Where it stands.
    pub origin: Origin,
    /// `spec.imageRepositoryRef`: namespace, where it is written, and name.
    pub repository: (Option<String>, String),
    /// What it says as a policy, or why it cannot be used.
    pub policy: Result<Arc<Policy>, String>,
    /// `spec.digestReflectionPolicy`, where it is not `Never`.
    pub reflects: Option<String>,
}

/// An `ImageUpdateAutomation`: where Flux writes, and how its commits look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automation {
    /// Where it stands.
    pub origin: Origin,
    /// `spec.update.path` as a folder of the repository, without `./`; empty for all of it.
    pub path: String,
    /// `spec.git.checkout.ref.branch`.
    pub branch: Option<String>,
    /// `spec.git.push.branch`.
    pub push_branch: Option<String>,
    /// `spec.git.commit.author`: name and address.
    pub author: Option<(String, String)>,
    /// `spec.git.commit.messageTemplate`, a Go template.
    pub message: Option<String>,
    /// Further fields that are set and say something.
    pub further: Vec<&'static str>,
}

/// A chart that a `HelmRelease` or a `HelmChart` takes from a `HelmRepository`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedChart {
    /// Where the object stands.
    pub origin: Origin,
    /// The bytes of the map that names chart, version and source.
    pub span: Span,
    /// The chart's name.
    pub chart: String,
    /// `sourceRef`: namespace, where it is written, and name.
    pub source: (Option<String>, String),
}

/// A `HelmRepository`: where charts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRepository {
    /// Where it stands.
    pub origin: Origin,
    /// `spec.url`.
    pub url: String,
    /// Whether it is a registry: `spec.type: oci`.
    pub is_registry: bool,
}

/// The kind that says where charts come from.
pub(super) const REPOSITORY: &str = "HelmRepository";

/// Whether an object of a kind that others have, too, is Flux's.
pub(crate) fn is_of_flux(version: &str) -> bool {
    ["helm.toolkit.fluxcd.io/", "source.toolkit.fluxcd.io/"].iter().any(|group| version.starts_with(group))
}

/// Returns the map of a `HelmRelease` or a `HelmChart` that names chart, version and a `HelmRepository`.
pub(crate) fn chart_of(tree: &Tree<'_>, object: NodeId) -> Option<NodeId> {
    let object = Object { tree, root: object };
    let spec = match object.text(&["kind"])? {
        "HelmRelease" => object.node(&["spec", "chart", "spec"])?,
        _ => object.node(&["spec"])?,
    };
    (object.at(spec).text(&["sourceRef", "kind"]) == Some(REPOSITORY)).then_some(spec)
}

/// Reads the chart of a `HelmRelease` or a `HelmChart`; `None` where it comes from no `HelmRepository`.
pub(super) fn released(object: &Object<'_>, origin: Origin) -> Option<ReleasedChart> {
    let root = chart_of(object.tree, object.root)?;
    let spec = object.at(root);
    Some(ReleasedChart {
        origin,
        span: object.tree.span(root),
        chart: spec.text(&["chart"])?.to_owned(),
        source: (
            spec.text(&["sourceRef", "namespace"]).map(str::to_owned),
            spec.text(&["sourceRef", "name"])?.to_owned(),
        ),
    })
}

pub(super) fn chart_repository(object: &Object<'_>, origin: Origin) -> ChartRepository {
    let is_registry = object.text(&["spec", "type"]) == Some("oci");
    ChartRepository { origin, url: object.text(&["spec", "url"]).unwrap_or_default().to_owned(), is_registry }
}

/// Reads the text of a comment, without its `#`, as a marker.
///
/// `{"$imagepolicy": "ns:name"}`, with `:tag`, `:name` or `:digest` behind. `None` where it is no such marker; a marker
/// that cannot be read is faulty.
pub(crate) fn marker(comment: &str) -> Option<Marker> {
    let text = comment.trim();
    if !text.starts_with('{') || text.len() > MAX_MARKER || !text.contains(MARKER) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let faulty = |reason: &str| Some(Marker::Faulty(format!("{}: {reason}", shorten(text))));
    let Some(Ok(value)) = values.next() else { return faulty("it is no JSON") };
    let setter = value.get(MARKER)?;
    let Some(setter) = setter.as_str() else { return faulty("a name `namespace:name` is expected") };
    let mut words = setter.split(':');
    let (Some(namespace), Some(name), part, None) = (words.next(), words.next(), words.next(), words.next()) else {
        return faulty("a name `namespace:name` is expected");
    };
    let part = match part {
        None => MarkedPart::Whole,
        Some("name") => MarkedPart::Name,
        Some("tag") => MarkedPart::Tag,
        Some("digest") => MarkedPart::Digest,
        Some(_) => return faulty("behind the name stands `tag`, `name`, `digest` or nothing"),
    };
    if namespace.is_empty() || name.is_empty() {
        return faulty("a name `namespace:name` is expected");
    }
    Some(Marker::Named(PolicyReference { namespace: namespace.to_owned(), name: name.to_owned(), part }))
}

pub(super) fn repository(object: &Object<'_>, origin: Origin) -> FluxRepository {
    let image = match object.text(&["spec", "image"]) {
        None => Err("`spec.image` is missing".to_owned()),
        Some(text) => match reference::placeholder(text) {
            Some(reason) => Err(format!("`spec.image` {reason}")),
            None => text.parse().map_err(|error| format!("`spec.image`: {error}")),
        },
    };
    let exclusions = object.texts(&["spec", "exclusionList"]);
    let exclusions = exclusions.iter().map(|text| go::filter(text, None)).collect();
    let operators = ["secretRef", "certSecretRef", "proxySecretRef", "serviceAccountName", "provider", "insecure"];
    let is_there = |key: &&str| object.node(&["spec", key]).is_some();
    FluxRepository { origin, image, exclusions, operators: operators.into_iter().filter(is_there).collect() }
}

pub(super) fn policy(object: &Object<'_>, origin: Origin) -> FluxPolicy {
    let namespace = object.text(&["spec", "imageRepositoryRef", "namespace"]).map(str::to_owned);
    let name = object.text(&["spec", "imageRepositoryRef", "name"]).unwrap_or_default().to_owned();
    let reflects = object.text(&["spec", "digestReflectionPolicy"]).filter(|word| *word != "Never").map(str::to_owned);
    let policy = read_policy(object, reflects.is_some()).map(Arc::new);
    FluxPolicy { origin, repository: (namespace, name), policy, reflects }
}

fn read_policy(object: &Object<'_>, reflects: bool) -> Result<Policy, String> {
    if object.is_set(&["spec", "suspend"]) {
        return Err("it is suspended".to_owned());
    }
    let text = |path: &[&str]| match object.text(path).map(|text| (text, reference::placeholder(text))) {
        Some((_, Some(reason))) if !path.contains(&"extract") && !path.contains(&"pattern") => {
            Err(format!("`{}` {reason}", path.join(".")))
        }
        found => Ok(found.map(|(text, _)| text)),
    };
    let order = |kind: &str| -> Result<Direction, String> {
        text(&["spec", "policy", kind, "order"])?
            .map_or(Ok(Direction::Ascending), |word| direction(word).map_err(|error| error.to_string()))
    };
    let has = |kind: &str| object.node(&["spec", "policy", kind]).is_some();
    let select = if has("semver") {
        let range = text(&["spec", "policy", "semver", "range"])?.ok_or("`spec.policy.semver.range` is missing")?;
        Select::Range(range::parse(range.trim()).map_err(|error| error.to_string())?)
    } else if has("alphabetical") {
        Select::Alphabetical(order("alphabetical")?)
    } else if has("numerical") {
        Select::Numeric(order("numerical")?)
    } else {
        return Err("`spec.policy` names neither semver nor alphabetical nor numerical".to_owned());
    };
    let mut policy = Policy::new(select);
    let extract = text(&["spec", "filterTags", "extract"])?;
    policy.tags = match text(&["spec", "filterTags", "pattern"])? {
        Some(filter) => Some(go::filter(filter, extract)?),
        None if extract.is_some() => return Err("`filterTags.extract` needs a pattern beside it".to_owned()),
        None => None,
    };
    if reflects {
        policy.pin = Pin::Digest;
    }
    Ok(policy)
}

pub(super) fn automation(object: &Object<'_>, origin: Origin) -> Automation {
    let own = |path: &[&str]| object.text(path).map(str::to_owned);
    let path = object.text(&["spec", "update", "path"]).unwrap_or_default();
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let author = &["spec", "git", "commit", "author"];
    let email = object.text(&[author[0], author[1], author[2], author[3], "email"]);
    let name = object.text(&[author[0], author[1], author[2], author[3], "name"]);
    let further = [
        ("`git.push.refspec`", &["spec", "git", "push", "refspec"][..]),
        ("`git.push.options`", &["spec", "git", "push", "options"]),
        ("`git.commit.signingKey`", &["spec", "git", "commit", "signingKey"]),
        ("`policySelector`", &["spec", "policySelector"]),
        ("`suspend`", &["spec", "suspend"]),
    ];
    Automation {
        path: path.join("/"),
        branch: own(&["spec", "git", "checkout", "ref", "branch"]),
        push_branch: own(&["spec", "git", "push", "branch"]),
        author: email.map(|email| (name.unwrap_or("Flux").to_owned(), email.to_owned())),
        message: own(&["spec", "git", "commit", "messageTemplate"]),
        further: further.into_iter().filter(|(_, path)| object.node(path).is_some()).map(|(word, _)| word).collect(),
        origin,
    }
}
