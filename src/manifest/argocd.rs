//! Argo CD: what the sources of an `Application` or `ApplicationSet` say about images, and the elements of list
//! generators.
//!
//! Charts that a source names are the business of [`crate::manifest::charts`], values that of
//! [`crate::manifest::helm_values`]. Files in Git that a source points at are not followed.

use std::collections::BTreeMap;

use crate::manifest::charts;
use crate::manifest::finder::{Finder, Parts};
use crate::manifest::helm_values;
use crate::manifest::kubernetes::items;
use crate::manifest::kustomize;
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Shape};
use crate::model::file::RepoPath;
use crate::model::image::shorten;
use crate::model::site::{Format, SkipReason};

/// Whether a file overrides parts of a source: `.argocd-source.yaml`, `.argocd-source-shop.yaml`.
pub(crate) fn is_override(path: &RepoPath) -> bool {
    path.file_name().starts_with(".argocd-source")
}

/// Finds the references of one source.
pub(crate) fn source(finder: &mut Finder<'_, '_>, source: NodeId) {
    let tree = finder.tree;
    charts::argo_source(finder, source);
    let part = |finder: &mut Finder<'_, '_>, key| {
        tree.own(source, key).filter(|node| finder.is_new(*node, key)).map(|node| tree.resolve(node))
    };
    if let Some(helm) = part(finder, "helm") {
        if let Some(values) = tree.own(helm, "valuesObject").filter(|node| finder.is_new(*node, "valuesObject")) {
            helm_values::find(finder, tree.resolve(values));
        }
        if let Some(values) = tree.own(helm, "values") {
            finder.embedded(values, Format::HelmValues, helm_values::find);
        }
        let list = tree.own(helm, "parameters").filter(|node| finder.is_new(*node, "parameters"));
        parameters(finder, list);
    }
    if let Some(kustomize) = part(finder, "kustomize") {
        for entry in items(tree, tree.own(kustomize, "images")) {
            if let Some(text) = tree.filled(entry) {
                // `name=new:tag`: what stands before the `=` is only matched against.
                let from = text.find('=').map_or(0, |at| at + 1);
                finder.tail(entry, from, Format::ArgoCd);
            }
        }
        kustomize::patches(finder, kustomize);
    }
}

/// Finds the tags among the elements of a list generator; the image must stand beside them.
pub(crate) fn elements(finder: &mut Finder<'_, '_>, list: NodeId) {
    let tree = finder.tree;
    let list = tree.resolve(list);
    let end = tree.end(list);
    let mut at = list;
    while at < end {
        if tree.shape(at) == Shape::Mapping {
            helm_values::image_map(finder, at, Format::ArgoCd);
            let has_name = ["image", "repository", "imageName", "imageRepository"]
                .iter()
                .any(|key| tree.own(at, key).is_some_and(|node| tree.filled(node).is_some()));
            let tag = ["tag", "imageTag", "image_tag"].iter().find_map(|key| tree.own(at, key));
            if let Some(tag) = tag.filter(|node| !has_name && tree.filled(*node).is_some()) {
                finder.parts(&Parts { tag: Some(tag), ..Parts::default() }, tag, Format::ArgoCd);
            }
        }
        at = NodeId(at.0 + 1);
    }
}

/// The parameters that speak of one image.
#[derive(Default)]
struct Image {
    registry: Option<NodeId>,
    repository: Option<NodeId>,
    tag: Option<NodeId>,
    digest: Option<NodeId>,
    /// A parameter that is given twice.
    twice: Option<String>,
}

/// Finds the references in `helm.parameters`, whose names are paths such as `web.image.tag`.
fn parameters(finder: &mut Finder<'_, '_>, list: Option<NodeId>) {
    let tree = finder.tree;
    let mut images: BTreeMap<String, Image> = BTreeMap::new();
    for entry in items(tree, list) {
        let filled = |key| tree.own(entry, key).filter(|node| tree.filled(*node).is_some());
        let (Some(name), Some(value)) = (filled("name"), filled("value")) else { continue };
        let name = tree.text(name).unwrap_or_default();
        let (path, last) = name.rsplit_once('.').unwrap_or(("", name));
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let (path, key) = match last {
            "registry" | "repository" | "tag" | "digest" => (path.to_owned(), last),
            "imageRepository" | "imageName" => (below("image"), "repository"),
            "imageTag" => (below("image"), "tag"),
            _ => {
                let names_image = last == "image" || last.ends_with("Image");
                let read = tree.text(value).map(reference::read);
                if names_image && read.is_some_and(|read| read.version.is_some()) {
                    finder.reference(value, Format::ArgoCd);
                }
                continue;
            }
        };
        let image = images.entry(path).or_default();
        let place = match key {
            "registry" => &mut image.registry,
            "repository" => &mut image.repository,
            "tag" => &mut image.tag,
            _ => &mut image.digest,
        };
        if place.replace(value).is_some() {
            image.twice = Some(shorten(name));
        }
    }
    for (path, image) in images {
        let last = path.rsplit('.').next().unwrap_or_default();
        let names_image = last == "image" || last.ends_with("Image");
        let Some(at) = image.tag.or(image.digest) else { continue };
        if image.repository.is_none() && !names_image {
            continue;
        }
        let text = |node: Option<NodeId>| node.and_then(|node| tree.text(node));
        let name = text(image.repository).map(|name| helm_values::join(text(image.registry), name));
        let names = image.repository.into_iter().chain(image.registry).collect();
        let skipped = image.twice.map(SkipReason::DuplicateKey);
        let parts = Parts { name, names, tag: image.tag, digest: image.digest, skipped, ..Parts::default() };
        finder.parts(&parts, at, Format::ArgoCd);
    }
}
