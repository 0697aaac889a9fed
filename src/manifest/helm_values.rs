//! Helm values: image strings, maps of registry, repository and tag, and pairs such as `fooImage` and `fooTag`.
//!
//! Values have no schema, so what is followed must name an image beyond doubt: an address of a chart repository
//! or of Git, and a `version` that belongs to something else, are left alone.

use std::collections::HashMap;

use crate::manifest::finder::{Finder, Parts};
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::image::split_host;
use crate::model::site::{Format, SkipReason};

/// The keys that hold the digest of the reference beside them.
const DIGEST_KEYS: [&str; 4] = ["digest", "sha", "sha256", "imageDigest"];

/// Finds the references in a tree of values.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let global = global_registry(tree, root);
    let end = tree.end(root);
    let mut at = root;
    while at < end {
        if tree.shape(at) == Shape::Mapping {
            mapping(finder, at, global, Format::HelmValues);
        }
        at = NodeId(at.0 + 1);
    }
}

/// Finds the reference of a map that stands below an `image` key of another format.
pub(crate) fn image_map(finder: &mut Finder<'_, '_>, map: NodeId, format: Format) {
    mapping(finder, map, None, format);
}

fn global_registry<'t>(tree: &'t Tree<'_>, root: NodeId) -> Option<&'t str> {
    let global = tree.resolve(tree.own(root, "global")?);
    tree.filled(tree.own(global, "imageRegistry")?)
}

/// The keys of one mapping that can be part of a reference; merged ones where the mapping has no own.
#[derive(Default)]
struct Keys {
    registry: Option<NodeId>,
    hub: Option<NodeId>,
    repository: Option<NodeId>,
    repo: Option<NodeId>,
    image: Option<NodeId>,
    name: Option<NodeId>,
    tag: Option<NodeId>,
    version: Option<NodeId>,
    digest: Option<NodeId>,
    pull_policy: bool,
    /// `fooImage`, `fooTag` and their like.
    pairs: bool,
}

impl Keys {
    fn of(tree: &Tree<'_>, map: NodeId) -> Self {
        let mut keys = Self::default();
        let has_merge = keys.take(tree, map);
        if has_merge {
            for merged in tree.merges(map) {
                keys.take(tree, merged);
            }
        }
        keys
    }

    fn take(&mut self, tree: &Tree<'_>, map: NodeId) -> bool {
        let mut has_merge = false;
        for (key, value) in tree.entries(map) {
            let place = match tree.text(key) {
                Some("registry") => &mut self.registry,
                Some("hub") => &mut self.hub,
                Some("repository") => &mut self.repository,
                Some("repo") => &mut self.repo,
                Some("image") => &mut self.image,
                Some("name") => &mut self.name,
                Some("tag") => &mut self.tag,
                Some("version") => &mut self.version,
                Some(key) if DIGEST_KEYS.contains(&key) => &mut self.digest,
                Some("imagePullPolicy" | "pullPolicy") => {
                    self.pull_policy = true;
                    continue;
                }
                Some("<<") => {
                    has_merge = true;
                    continue;
                }
                Some(other) => {
                    self.pairs |= stem_of_name(other).is_some() || stem_of_tag(other).is_some();
                    continue;
                }
                None => continue,
            };
            if place.is_none() && tree.text(value).is_some() {
                *place = Some(value);
            }
        }
        has_merge
    }
}

fn mapping(finder: &mut Finder<'_, '_>, map: NodeId, global: Option<&str>, format: Format) {
    let tree = finder.tree;
    let keys = Keys::of(tree, map);
    if keys.pairs {
        pairs(finder, map, format);
    }
    let filled = |node: Option<NodeId>| node.and_then(|node| tree.filled(node).map(|text| (node, text)));
    let below_image = tree.key(map).is_some_and(is_image_key);
    let prefix = filled(keys.registry).or(filled(keys.hub));
    let registry = global.or(prefix.map(|(_, text)| text));
    // `repo` is short for many things; below an `image` key it is the image's.
    let repository = filled(keys.repository).or(filled(keys.repo).filter(|_| below_image));
    let Some((named, text)) = repository else {
        match filled(keys.image) {
            Some((node, text)) => image_string(finder, map, &keys, node, text, registry, format),
            None if below_image => match filled(keys.name) {
                Some((node, text)) if keys.tag.is_some() || keys.digest.is_some() => {
                    let (tag, digest) = (keys.tag, keys.digest);
                    finder.parts(
                        &Parts { name: Some(join(registry, text)), names: vec![node], tag, digest, ..Parts::default() },
                        node,
                        format,
                    );
                }
                _ => {
                    if let Some((node, _)) = filled(keys.tag).or(filled(keys.digest)) {
                        finder.parts(&Parts { tag: keys.tag, digest: keys.digest, ..Parts::default() }, node, format);
                    }
                }
            },
            // Istio: one hub and one tag for images that the chart itself names.
            None => {
                let Some((tag, _)) = filled(keys.tag) else { return };
                if filled(keys.hub).is_some() {
                    finder.parts(&Parts { tag: Some(tag), ..Parts::default() }, tag, format);
                } else if let (Some((_, host)), Some((named, name))) = (filled(keys.registry), filled(keys.name)) {
                    in_doubt(finder, &join(Some(host), name), named, tag, keys.digest, format);
                }
            }
        }
        return;
    };
    if reference::is_address(text) {
        if let Some((tag, _)) = filled(keys.tag).filter(|_| is_rooted(text)) {
            no_name(finder, text, named, tag, format);
        }
        return;
    }
    let read = reference::read(text);
    if read.version.is_some() && filled(keys.tag).is_none() {
        finder.with_digest(named, "", digest_beside(tree, map), format);
        return;
    }
    let image = filled(keys.image);
    if let Some((node, text)) = image
        && reference::read(text).version.is_some()
    {
        finder.with_digest(node, "", digest_beside(tree, map), format);
        return;
    }
    let name = match image.or(filled(keys.name).filter(|_| split_host(text).0.is_empty() && is_host_alone(text))) {
        Some((_, image)) => format!("{}/{image}", text.trim_end_matches('/')),
        None => text.to_owned(),
    };
    let looks_like_image = below_image || keys.pull_policy || image.is_some() || prefix.is_some();
    let version = filled(keys.version).map(|(node, _)| node).filter(|_| looks_like_image);
    let tag = keys.tag.or(version);
    if tag.is_none() && keys.digest.is_none() && !looks_like_image {
        return;
    }
    let mut names = vec![named];
    names.extend(image.map(|(node, _)| node));
    let has_digest = filled(keys.digest).is_some();
    let is_empty = tag.is_some_and(|node| tree.filled(node).is_none()) && !has_digest;
    let app_version = "the tag is left empty, so that the chart's `appVersion` decides".to_owned();
    let skipped = is_empty.then_some(SkipReason::Unsupported(app_version));
    let name = Some(join(registry, &name));
    let parts = Parts { name, names, tag, digest: keys.digest, skipped, ..Parts::default() };
    finder.parts(&parts, tag.unwrap_or(named), format);
}

/// Whether a name begins with `/`, as what is put behind a host does, and is no folder of a file system with a `.git`.
pub(crate) fn is_rooted(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && !text.ends_with(".git")
}

/// Lists a tag whose name begins with `/`: what is put before it stands elsewhere.
pub(crate) fn no_name(finder: &mut Finder<'_, '_>, text: &str, named: NodeId, tag: NodeId, format: Format) {
    let reason = "the name begins with `/`: the registry before it stands elsewhere".to_owned();
    let skipped = Some(SkipReason::NotAReference(reason));
    let label = Some(text.to_owned());
    finder.parts(&Parts { label, names: vec![named], tag: Some(tag), skipped, ..Parts::default() }, tag, format);
}

/// Lists a registry, a name and a tag that no `image` key surrounds: they may as well speak of something else.
pub(crate) fn in_doubt(
    finder: &mut Finder<'_, '_>,
    name: &str,
    named: NodeId,
    tag: NodeId,
    digest: Option<NodeId>,
    format: Format,
) {
    let skipped = Some(SkipReason::Unmarked("a registry, a name and a tag under a key that names no image"));
    let (name, names) = (Some(name.to_owned()), vec![named]);
    finder.parts(&Parts { name, names, tag: Some(tag), digest, skipped, ..Parts::default() }, tag, format);
}

/// `image: "name:tag"`, or a name whose tag and registry stand beside it.
fn image_string(
    finder: &mut Finder<'_, '_>,
    map: NodeId,
    keys: &Keys,
    node: NodeId,
    text: &str,
    registry: Option<&str>,
    format: Format,
) {
    let tree = finder.tree;
    let read = reference::read(text);
    let own_tag = || tree.own(map, "imageTag").filter(|node| tree.filled(*node).is_some());
    let tag = keys.tag.or_else(own_tag);
    let apart = tag.or(keys.digest).filter(|node| tree.filled(*node).is_some());
    let prefixed = registry.filter(|_| keys.registry.is_some() || keys.hub.is_some());
    if read.version.is_some() || apart.is_none() {
        let registry = prefixed.filter(|_| read.version.is_some() && split_host(text).0.is_empty());
        return finder.with_digest(node, registry.unwrap_or_default(), digest_beside(tree, map), format);
    }
    let name = Some(join(prefixed, text));
    let parts = Parts { name, names: vec![node], tag, digest: keys.digest, ..Parts::default() };
    finder.parts(&parts, node, format);
}

/// Returns the digest that a mapping holds beside a reference with a tag of its own.
///
/// A `sha` that is no digest is a commit's.
pub(crate) fn digest_beside(tree: &Tree<'_>, map: NodeId) -> Option<NodeId> {
    DIGEST_KEYS.into_iter().find_map(|key| {
        let node = tree.own(map, key)?;
        let text = tree.filled(node)?.trim();
        (!key.starts_with("sha") || reference::read_digest(text).is_ok()).then_some(node)
    })
}

/// Returns the digest that belongs to a key such as `fooImage`: that of `fooDigest` or `fooImageDigest`.
pub(crate) fn digest_of(finder: &mut Finder<'_, '_>, map: NodeId, key: &str) -> Option<NodeId> {
    let value = finder.of_stem(map, stem_of_name(key)?, stem_of_digest)?;
    finder.tree.filled(value).is_some().then_some(value)
}

/// `fooImage: name:tag`, and `fooImage: name` with `fooTag: tag`; a `fooDigest` belongs to either.
fn pairs(finder: &mut Finder<'_, '_>, map: NodeId, format: Format) {
    let tree = finder.tree;
    let entries: Vec<(&str, NodeId)> = tree
        .entries(map)
        .filter_map(|(key, value)| Some((tree.text(key)?, value)))
        .filter(|(_, value)| tree.filled(*value).is_some())
        .collect();
    let mut tags: HashMap<&str, NodeId> = HashMap::new();
    let mut digests: HashMap<&str, NodeId> = HashMap::new();
    for (key, value) in &entries {
        if let Some(stem) = stem_of_tag(key) {
            // `fooImageTag` says more than `fooTag`.
            let says_image = key.to_ascii_lowercase().contains("image");
            let place = tags.entry(stem).or_insert(*value);
            *place = if says_image { *value } else { *place };
        }
        if let Some(stem) = stem_of_digest(key) {
            digests.insert(stem, *value);
        }
    }
    for (key, value) in entries {
        let (Some(stem), Some(text)) = (stem_of_name(key), tree.text(value)) else { continue };
        let read = reference::read(text);
        let (tag, digest) = (tags.get(stem).copied(), digests.get(stem).copied());
        match (read.version, tag) {
            (None, Some(tag)) if read.image.is_some() => {
                let name = Some(text.to_owned());
                let parts = Parts { name, names: vec![value], tag: Some(tag), digest, ..Parts::default() };
                finder.parts(&parts, tag, format);
            }
            (Some(_), _) => finder.with_digest(value, "", digest, format),
            // A key such as `showImage: true` is no reference.
            _ => {}
        }
    }
}

/// Returns `foo` of `fooImage`, `fooImageName`, `fooImageRepository`; empty for the bare words.
fn stem_of_name(key: &str) -> Option<&str> {
    if matches!(key, "imageName" | "imageRepository") {
        return Some("");
    }
    stem(key, ["ImageRepository", "ImageName", "Image", "_image"])
}

/// Returns `foo` of `fooTag`, `fooImageTag`; empty for `imageTag`.
fn stem_of_tag(key: &str) -> Option<&str> {
    if key == "imageTag" {
        return Some("");
    }
    stem(key, ["ImageTag", "Tag", "_image_tag", "_tag"])
}

/// Returns `foo` of `fooDigest`, `fooImageDigest`; empty for `imageDigest`.
fn stem_of_digest(key: &str) -> Option<&str> {
    if key == "imageDigest" {
        return Some("");
    }
    stem(key, ["ImageDigest", "Digest", "_image_digest", "_digest"])
}

fn stem<'k>(key: &'k str, ends: [&str; 4]) -> Option<&'k str> {
    ends.iter().find_map(|end| key.strip_suffix(end)).filter(|stem| !stem.is_empty())
}

/// Whether a key names an image, so that a map below it holds the parts of one.
pub(crate) fn is_image_key(key: &str) -> bool {
    key == "image" || key.ends_with("Image") || key.ends_with("_image")
}

/// Whether a name is a registry's host without a path, as in `repository: quay.io`.
fn is_host_alone(text: &str) -> bool {
    !text.contains('/') && text.contains(['.', ':'])
}

/// Puts a registry in front of a name that does not begin with it.
pub(crate) fn join(registry: Option<&str>, name: &str) -> String {
    match registry.map(|registry| registry.trim_end_matches('/')) {
        Some(registry) if !name.starts_with(&format!("{registry}/")) && split_host(name).0.is_empty() => {
            format!("{registry}/{name}")
        }
        _ => name.to_owned(),
    }
}
