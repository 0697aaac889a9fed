//! Kubernetes objects: any `image:` of an object with `apiVersion` and `kind`, at any depth.
//!
//! The values of a HelmRelease and of an Argo CD source are read as Helm values, and `images` entries with
//! `newTag` and the like as Kustomize's.
//!
//! Leaves alone what only looks like a reference: the data of ConfigMaps and Secrets, annotations and labels
//! (with `last-applied-configuration`), the reported status, the schema of a custom resource.

use std::collections::HashMap;

use crate::manifest::finder::Finder;
use crate::manifest::helm_values;
use crate::manifest::kustomize;
use crate::manifest::yaml::tree::{NodeId, Role, Shape, Tree};
use crate::model::site::Format;

/// Objects that configure something with strings of their own; an `image` key in them is data.
const WITHOUT_REFERENCES: [&str; 4] = ["ConfigMap", "CustomResourceDefinition", "SealedSecret", "Secret"];

/// Whether a document's root is an object: it names `apiVersion` and `kind`.
pub(crate) fn is_object(tree: &Tree<'_>, root: NodeId) -> bool {
    let filled = |key| tree.own(root, key).is_some_and(|node| tree.filled(node).is_some());
    filled("apiVersion") && filled("kind")
}

/// Finds the references of one object.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let end = tree.end(root);
    let values = values_key(tree, root);
    // A mapping is asked once, however often `status` stands in it.
    let mut objects: HashMap<NodeId, bool> = HashMap::new();
    let mut at = root;
    while at < end {
        let next = NodeId(at.0 + 1);
        at = match (tree.role(at), tree.shape(at)) {
            (Role::Key, _) => match tree.text(at) {
                Some("annotations" | "labels" | "managedFields") => tree.end(next),
                Some("status") => {
                    let parent = tree.parent(at).unwrap_or(root);
                    let is_reported = *objects.entry(parent).or_insert_with(|| is_object(tree, parent));
                    if is_reported { tree.end(next) } else { next }
                }
                Some("image") => {
                    image(finder, next);
                    next
                }
                // Kustomize's own list, in Flux's `Kustomization` and in a HelmRelease's post-renderers.
                Some("images") => {
                    kustomize::entries(finder, next);
                    next
                }
                key if key.is_some() && key == values && tree.shape(next) == Shape::Mapping => {
                    helm_values::find(finder, next);
                    tree.end(next)
                }
                _ => next,
            },
            (_, Shape::Mapping) if has_no_references(tree, at) => tree.end(at),
            _ => next,
        };
    }
}

fn image(finder: &mut Finder<'_, '_>, value: NodeId) {
    let tree = finder.tree;
    let target = tree.resolve(value);
    match tree.shape(target) {
        Shape::Scalar(_) => finder.reference(value, Format::Kubernetes),
        Shape::Mapping => match tree.own(target, "reference") {
            // An image volume.
            Some(reference) => finder.reference(reference, Format::Kubernetes),
            None => helm_values::image_map(finder, target, Format::Kubernetes),
        },
        Shape::Sequence | Shape::Alias(_) => {}
    }
}

/// Returns the key below which an object holds Helm values.
fn values_key(tree: &Tree<'_>, root: NodeId) -> Option<&'static str> {
    match tree.own(root, "kind").and_then(|node| tree.text(node))? {
        "HelmRelease" => Some("values"),
        "Application" | "ApplicationSet" => Some("valuesObject"),
        _ => None,
    }
}

fn has_no_references(tree: &Tree<'_>, mapping: NodeId) -> bool {
    let kind = tree.own(mapping, "kind").and_then(|node| tree.text(node));
    kind.is_some_and(|kind| WITHOUT_REFERENCES.contains(&kind)) && is_object(tree, mapping)
}
