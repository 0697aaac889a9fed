//! Compose: `services.*.image`, directly or by way of an anchor or a merge key, volumes of `type: image`, and contexts
//! of a build that are images.
//!
//! The default of a variable is edited within it. An image that is built from the `build:` beside it is the name of
//! what comes out, not of what goes in; what goes in stands in `dockerfile_inline`, where it is not in a file.

use crate::manifest::dockerfile;
use crate::manifest::finder::Finder;
use crate::manifest::kubernetes::items;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::RepoPath;
use crate::model::site::{Format, SkipReason};

/// What a context begins with that is an image.
const IMAGE_CONTEXT: &str = "docker-image://";

/// What a Compose file may have at its top, besides `x-…`.
const TOP: [&str; 9] =
    ["version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models"];

/// Whether a document is a Compose file, by its file's name or by its keys.
pub(crate) fn is_compose(tree: &Tree<'_>, root: NodeId, path: &RepoPath) -> bool {
    let Some(services) = tree.own(root, "services").map(|node| tree.resolve(node)) else { return false };
    if tree.shape(services) != Shape::Mapping {
        return false;
    }
    has_name(path) || {
        let known = |key| tree.text(key).is_some_and(|key| TOP.contains(&key) || key.starts_with("x-"));
        let is_service = |node| {
            // What an alias stands for is judged where it is anchored.
            if matches!(tree.shape(node), Shape::Alias(_)) {
                return true;
            }
            let service = node;
            let has = |key| tree.own(service, key).is_some();
            // Maps of a repository and a tag are Helm's.
            let is_helm = has("tag") || tree.own(service, "image").is_some_and(|image| tree.text(image).is_none());
            !is_helm && ["image", "build", "extends", "<<"].into_iter().any(has)
        };
        tree.entries(root).all(|(key, _)| known(key)) && tree.entries(services).all(|(_, value)| is_service(value))
    }
}

/// `compose.yaml`, `docker-compose.prod.yml`, `web.compose.yaml`.
fn has_name(path: &RepoPath) -> bool {
    let name = path.file_name();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let rest = stem.strip_prefix("docker-compose").or_else(|| stem.strip_prefix("compose"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
        || stem.ends_with(".compose")
        || stem.ends_with(".docker-compose")
}

/// Finds the images that a build is given as further contexts: `name: docker-image://…`, or `name=docker-image://…`
/// in a list.
fn contexts(finder: &mut Finder<'_, '_>, build: NodeId) {
    let tree = finder.tree;
    let Some(contexts) = tree.own(build, "additional_contexts").and_then(|node| finder.enter(node)) else { return };
    for (_, context) in tree.entries(contexts) {
        finder.behind(context, IMAGE_CONTEXT, Format::Compose);
    }
    for context in items(tree, Some(contexts)) {
        if let Some((name, _)) = tree.filled(context).and_then(|text| text.split_once('=')) {
            finder.behind(context, &format!("{name}={IMAGE_CONTEXT}"), Format::Compose);
        }
    }
}

/// Finds the references of one Compose file.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let Some(services) = tree.own(root, "services").map(|node| tree.resolve(node)) else { return };
    for (_, service) in tree.entries(services) {
        let Some(service) = finder.enter(service) else { continue };
        let value = |key| {
            tree.own(service, key).or_else(|| tree.merges(service).into_iter().find_map(|from| tree.own(from, key)))
        };
        if let Some(build) = value("build").and_then(|build| finder.enter(build)) {
            if let Some(dockerfile) = tree.own(build, "dockerfile_inline") {
                finder.inner_text(dockerfile, Format::Dockerfile, dockerfile::find_inline);
            }
            contexts(finder, build);
        }
        for volume in items(tree, value("volumes")) {
            let is_image = tree.own(volume, "type").and_then(|kind| tree.text(kind)) == Some("image");
            if let Some(source) = tree.own(volume, "source").filter(|_| is_image) {
                finder.with_defaults(source, Format::Compose);
            }
        }
        let Some(image) = value("image") else { continue };
        let count = finder.count();
        finder.with_defaults(image, Format::Compose);
        if value("build").is_some() {
            let reason = "it is what the `build` beside it makes".to_owned();
            finder.refuse_since(count, &SkipReason::Unsupported(reason));
        }
    }
}
