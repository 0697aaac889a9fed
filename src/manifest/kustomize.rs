//! Kustomize: the entries of `images` in a `Kustomization` or a `Component`, charts that come from a registry, and
//! patches that stand in the file as block scalars.
//!
//! Where base and overlay both name an image the overlay decides; this module reads one file, `layers` tells.

use crate::manifest::charts;
use crate::manifest::finder::{Finder, Parts};
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::manifest::{helm_values, kubernetes};
use crate::model::file::RepoPath;
use crate::model::site::Format;

/// The names that Kustomize reads a folder by.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The keys that hold patches.
pub(crate) const PATCHES: [&str; 3] = ["patches", "patchesJson6902", "patchesStrategicMerge"];

/// Whether a document is a `Kustomization` or a `Component`; both may leave out `apiVersion` and `kind` in a file
/// with one of Kustomize's names. Flux has a kind of the same name.
pub(crate) fn is_kustomization(tree: &Tree<'_>, root: NodeId, path: &RepoPath) -> bool {
    let field = |key| tree.own(root, key).and_then(|node| tree.text(node));
    match (field("apiVersion"), field("kind")) {
        (Some(version), _) => version.starts_with("kustomize.config.k8s.io/"),
        (None, None | Some("Kustomization" | "Component")) => FILE_NAMES.contains(&path.file_name()),
        (None, Some(_)) => false,
    }
}

/// Finds the references of one `Kustomization`.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    for entry in mappings(tree, tree.own(root, "images")) {
        image(finder, entry);
    }
    for entry in mappings(tree, tree.own(root, "helmCharts")) {
        charts::kustomize_chart(finder, entry);
        if let Some(values) = tree.own(entry, "valuesInline") {
            helm_values::find(finder, tree.resolve(values));
        }
    }
    patches(finder, root);
}

/// Finds the references in the patches that a mapping holds as text; a patch that names a file has none.
pub(crate) fn patches(finder: &mut Finder<'_, '_>, holder: NodeId) {
    for key in PATCHES {
        if let Some(list) = finder.tree.own(holder, key) {
            patch_list(finder, list);
        }
    }
}

/// Finds the references in one list of patches.
pub(crate) fn patch_list(finder: &mut Finder<'_, '_>, list: NodeId) {
    let tree = finder.tree;
    for entry in kubernetes::items(tree, Some(list)) {
        // An entry of `patchesStrategicMerge` is the patch itself.
        let patch_node = tree.own(entry, "patch").unwrap_or(entry);
        finder.embedded(patch_node, Format::Kubernetes, patch);
        operations(finder, patch_node);
    }
}

/// Reads a patch: an object of which parts are missing, or a list of operations.
pub(crate) fn patch(finder: &mut Finder<'_, '_>, root: NodeId) {
    kubernetes::find(finder, root);
    operations(finder, root);
}

/// Whether a list holds the operations of a patch, each with `op` and `path`.
pub(crate) fn is_patch(tree: &Tree<'_>, list: NodeId) -> bool {
    let operations = kubernetes::items(tree, Some(list));
    let is_one = |entry: &NodeId| {
        let path = tree.own(*entry, "path").and_then(|path| tree.filled(path));
        path.is_some_and(|path| path.starts_with('/')) && tree.own(*entry, "op").is_some()
    };
    !operations.is_empty() && operations.iter().all(is_one)
}

/// Finds the values that operations put in the place of an image.
fn operations(finder: &mut Finder<'_, '_>, list: NodeId) {
    let tree = finder.tree;
    for operation in mappings(tree, Some(list)) {
        let path = tree.own(operation, "path").and_then(|node| tree.text(node)).unwrap_or_default();
        let is_removal = tree.own(operation, "op").and_then(|node| tree.text(node)) == Some("remove");
        if let Some(value) = tree.own(operation, "value").filter(|_| path.ends_with("/image") && !is_removal) {
            finder.reference(value, Format::Kubernetes);
        }
    }
}

/// Finds the entries of an `images` list in another object; only those that speak Kustomize's words.
pub(crate) fn entries(finder: &mut Finder<'_, '_>, images: NodeId) {
    let tree = finder.tree;
    for entry in mappings(tree, Some(images)) {
        let has = |key| tree.own(entry, key).is_some();
        if has("name") && (has("newTag") || has("newName") || has("digest")) {
            image(finder, entry);
        }
    }
}

pub(crate) fn mappings(tree: &Tree<'_>, list: Option<NodeId>) -> Vec<NodeId> {
    kubernetes::items(tree, list).into_iter().filter(|entry| tree.shape(*entry) == Shape::Mapping).collect()
}

fn image(finder: &mut Finder<'_, '_>, entry: NodeId) {
    let tree = finder.tree;
    let filled = |key| tree.own(entry, key).filter(|node| tree.filled(*node).is_some());
    let (name, new_name) = (filled("name"), filled("newName"));
    let (tag, digest) = (filled("newTag"), filled("digest"));
    let Some(named) = new_name.or(name) else {
        if tag.is_some() || digest.is_some() {
            finder.parts(&Parts { tag, digest, ..Parts::default() }, entry, Format::Kustomize);
        }
        return;
    };
    // `newName: ghcr.io/acme/web:1.4.0` carries the tag itself; `name` only says what is replaced.
    if tag.is_none() && digest.is_none() && new_name.is_some() {
        return finder.reference(named, Format::Kustomize);
    }
    let text = tree.text(named).map(|text| if new_name.is_some() { text } else { without_version(text) });
    let parts = Parts { name: text.map(str::to_owned), names: vec![named], tag, digest, ..Parts::default() };
    finder.parts(&parts, named, Format::Kustomize);
}

/// Cuts a tag or a digest off a name that is only matched against.
pub(crate) fn without_version(text: &str) -> &str {
    text.parse::<crate::model::image::Reference>().map_or(text, |reference| &text[..reference.name_length])
}
