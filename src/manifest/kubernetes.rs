//! Kubernetes objects: any `image:` of an object with `apiVersion` and `kind`, at any depth, and what particular
//! kinds call their images.
//!
//! The values of a HelmRelease are read as Helm values, `images` entries with `newTag` and the like as Kustomize's,
//! the sources of Argo CD and charts in registries by their own modules.
//!
//! Leaves alone what only looks like a reference: Secrets, annotations and labels (with
//! `last-applied-configuration`), the reported status, the schema of a custom resource. Arguments, environment
//! variables, data of ConfigMaps, text of Secrets and defaults of a schema that hold a reference are listed, and
//! followed only with a marker.

use std::collections::HashSet;

use crate::manifest::finder::{Finder, Parts};
use crate::manifest::foreign::flux;
use crate::manifest::yaml::tree::{NodeId, Role, Shape, Tree};
use crate::manifest::{argocd, charts, doubtful, helm_values, kustomize, reference, tekton};
use crate::model::site::{Format, SkipReason};

/// Objects that configure something with strings of their own; an `image` key in them is data.
///
/// An `ImageUpdater` says how images are followed: what stands behind a name is a constraint.
const WITHOUT_REFERENCES: [&str; 5] =
    ["ConfigMap", "CustomResourceDefinition", "ImageUpdater", "SealedSecret", "Secret"];

/// Whether a document's root is an object: it names `apiVersion` and `kind`.
pub(crate) fn is_object(tree: &Tree<'_>, root: NodeId) -> bool {
    Object::of(tree, root).is_some()
}

/// Whether a node is an object of a kind that holds no references, or means something else by them.
pub(crate) fn is_without_references(tree: &Tree<'_>, node: NodeId) -> bool {
    Object::of(tree, node).is_some_and(|object| WITHOUT_REFERENCES.contains(&object.kind))
}

/// Returns the items of a list, with aliases resolved and each item once; nothing for any other node.
pub(crate) fn items(tree: &Tree<'_>, list: Option<NodeId>) -> Vec<NodeId> {
    let list = list.map(|node| tree.resolve(node)).filter(|node| tree.shape(*node) == Shape::Sequence);
    let mut aliased = HashSet::new();
    let items = list.into_iter().flat_map(|list| tree.children(list)).filter_map(|entry| match tree.shape(entry) {
        Shape::Alias(target) => aliased.insert(target).then_some(target),
        _ => Some(entry),
    });
    items.collect()
}

/// A mapping that names `apiVersion` and `kind`.
struct Object<'t> {
    node: NodeId,
    version: &'t str,
    kind: &'t str,
    /// The parameters of a Tekton task that it uses as images; empty for any other object.
    image_parameters: Vec<&'t str>,
}

impl<'t> Object<'t> {
    fn of(tree: &'t Tree<'_>, node: NodeId) -> Option<Self> {
        let (mut version, mut kind) = (None, None);
        for (key, value) in tree.entries(node) {
            match tree.text(key) {
                Some("apiVersion") if version.is_none() => version = Some(tree.filled(value)?),
                Some("kind") if kind.is_none() => kind = Some(tree.filled(value)?),
                _ => {}
            }
        }
        Some(Self { node, version: version?, kind: kind?, image_parameters: Vec::new() })
    }

    fn is_tekton(&self) -> bool {
        self.version.starts_with("tekton.dev/")
    }

    fn is_argo_application(&self) -> bool {
        self.version.starts_with("argoproj.io/") && matches!(self.kind, "Application" | "ApplicationSet")
    }
}

/// Finds the references of one object, or of a part of one.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let end = tree.end(root);
    let mut objects: Vec<Object<'_>> = Vec::new();
    let mut at = root;
    while at < end {
        while objects.last().is_some_and(|object| at >= tree.end(object.node)) {
            objects.pop();
        }
        at = match (tree.role(at), tree.shape(at)) {
            (Role::Key, _) => match objects.last() {
                Some(object) => key(finder, object, at),
                None => part_key(finder, at),
            },
            (_, Shape::Mapping) => mapping(finder, &mut objects, at),
            _ => NodeId(at.0 + 1),
        };
    }
}

/// Enters a mapping; returns where to go on.
fn mapping<'t>(finder: &mut Finder<'t, '_>, objects: &mut Vec<Object<'t>>, at: NodeId) -> NodeId {
    let tree = finder.tree;
    if let Some(mut object) = Object::of(tree, at) {
        if WITHOUT_REFERENCES.contains(&object.kind) {
            match object.kind {
                "ConfigMap" => doubtful::data(finder, at, "data", &doubtful::CONFIG_MAP),
                "Secret" => doubtful::data(finder, at, "stringData", &doubtful::SECRET),
                "CustomResourceDefinition" => doubtful::defaults(finder, at),
                _ => {}
            }
            return tree.end(at);
        }
        match object.kind {
            "OCIRepository" => charts::oci_repository(finder, at),
            "HelmRelease" | "HelmChart" if flux::is_of_flux(object.version) => {
                charts::flux_release(finder, at);
            }
            "HelmChart" if object.version.starts_with("helm.cattle.io/") => charts::k3s_chart(finder, at),
            _ if object.is_tekton() => object.image_parameters = tekton::image_parameters(tree, at),
            _ => {}
        }
        objects.push(object);
    } else if objects.last().is_some_and(Object::is_argo_application) && tree.own(at, "repoURL").is_some() {
        argocd::source(finder, at);
        return tree.end(at);
    }
    NodeId(at.0 + 1)
}

/// Reads what stands below a key of an object; returns where to go on.
fn key(finder: &mut Finder<'_, '_>, object: &Object<'_>, key: NodeId) -> NodeId {
    let tree = finder.tree;
    let value = NodeId(key.0 + 1);
    let Some(name) = tree.text(key) else { return value };
    if !finder.is_new(value, name) {
        return value;
    }
    let is_map = tree.shape(value) == Shape::Mapping;
    match (name, object.kind) {
        ("status", _) if tree.parent(key) == Some(object.node) => return tree.end(value),
        ("values", "HelmRelease") if is_map => {
            helm_values::find(finder, value);
            return tree.end(value);
        }
        ("valuesObject", "Application" | "ApplicationSet") if is_map => {
            helm_values::find(finder, value);
            return tree.end(value);
        }
        ("elements", "ApplicationSet") => {
            argocd::elements(finder, value);
            return tree.end(value);
        }
        ("valuesContent", "HelmChart" | "HelmChartConfig") => {
            finder.embedded(value, Format::HelmValues, helm_values::find);
        }
        ("bundle", _) if object.is_tekton() => tekton::bundle(finder, value),
        ("params", _) if object.is_tekton() => tekton::parameters(finder, value, &object.image_parameters),
        // Flux's `Kustomization` and the post-renderers of a HelmRelease patch as Kustomize does.
        (name, _) if kustomize::PATCHES.contains(&name) => kustomize::patch_list(finder, value),
        _ => return part_key(finder, key),
    }
    value
}

/// Reads what stands below a key that means the same in every object.
fn part_key(finder: &mut Finder<'_, '_>, key: NodeId) -> NodeId {
    let tree = finder.tree;
    let value = NodeId(key.0 + 1);
    match tree.text(key) {
        Some("annotations" | "labels" | "managedFields") => return tree.end(value),
        Some("image") => image(finder, tree.parent(key), value),
        // Kustomize's own list, in Flux's `Kustomization` and in a HelmRelease's post-renderers.
        Some("images") => kustomize::entries(finder, value),
        Some("repository") => parts_of_a_map(finder, tree.parent(key)),
        Some("registry") => name_in_a_map(finder, tree.parent(key)),
        // One hub and one tag for images that an operator itself names.
        Some("hub") => {
            let map = tree.parent(key).filter(|map| finder.is_first(*map, "hub"));
            let beside = |name| map.and_then(|map| tree.own(map, name));
            let tag = beside("tag").filter(|tag| tree.filled(*tag).is_some() && tree.filled(value).is_some());
            if let Some(tag) = tag.filter(|_| beside("image").is_none()) {
                finder.parts(&Parts { tag: Some(tag), ..Parts::default() }, tag, Format::Kubernetes);
            }
        }
        Some("env") => doubtful::environment(finder, value),
        Some("args" | "command") => doubtful::arguments(finder, value),
        Some(name) if name == "imageName" || name.ends_with("Image") => {
            let text = tree.filled(value).filter(|text| text.contains('/'));
            if text.is_some_and(|text| reference::read(text).version.is_some()) {
                let map = tree.parent(key).filter(|map| finder.is_first(*map, name));
                let digest = map.and_then(|map| helm_values::digest_of(finder, map, name));
                finder.with_digest(value, "", digest, Format::Kubernetes);
            }
        }
        _ => {}
    }
    value
}

/// Lists a map of `repository` and `tag` that no `image` key surrounds: it may as well speak of Git.
fn parts_of_a_map(finder: &mut Finder<'_, '_>, map: Option<NodeId>) {
    let tree = finder.tree;
    let is_open = |map: &NodeId| !tree.key(*map).is_some_and(helm_values::is_image_key);
    let Some(map) = map.filter(is_open).filter(|map| finder.is_first(*map, "repository")) else { return };
    let filled = |key| tree.own(map, key).filter(|node| tree.filled(*node).is_some());
    let (Some(repository), Some(tag), None) = (filled("repository"), filled("tag"), filled("image")) else { return };
    let name = tree.text(repository).unwrap_or_default();
    if helm_values::is_rooted(name) {
        return helm_values::no_name(finder, name, repository, tag, Format::Kubernetes);
    }
    if reference::is_address(name) || !name.contains('/') {
        return;
    }
    let skipped = Some(SkipReason::Unmarked("a repository and a tag in a resource of another tool"));
    let name = Some(helm_values::join(filled("registry").and_then(|node| tree.text(node)), name));
    let parts =
        Parts { name, names: vec![repository], tag: Some(tag), digest: filled("digest"), skipped, ..Parts::default() };
    finder.parts(&parts, tag, Format::Kubernetes);
}

/// Lists a map of `registry`, `name` and `tag` that no `image` key surrounds.
fn name_in_a_map(finder: &mut Finder<'_, '_>, map: Option<NodeId>) {
    let tree = finder.tree;
    let is_open = |map: &NodeId| !tree.key(*map).is_some_and(helm_values::is_image_key);
    let Some(map) = map.filter(is_open).filter(|map| finder.is_first(*map, "registry")) else { return };
    let filled = |key| tree.own(map, key).filter(|node| tree.filled(*node).is_some());
    let is_named = ["repository", "image"].into_iter().any(|key| filled(key).is_some());
    if let (Some(registry), Some(name), Some(tag), false) =
        (filled("registry"), filled("name"), filled("tag"), is_named)
    {
        let whole = helm_values::join(tree.text(registry), tree.text(name).unwrap_or_default());
        helm_values::in_doubt(finder, &whole, name, tag, filled("digest"), Format::Kubernetes);
    }
}

fn image(finder: &mut Finder<'_, '_>, holder: Option<NodeId>, value: NodeId) {
    let tree = finder.tree;
    let target = tree.resolve(value);
    match tree.shape(target) {
        Shape::Scalar(_) => {
            let is_whole = tree.text(target).is_some_and(|text| reference::read(text).version.is_some());
            let holder = holder.filter(|holder| finder.is_first(*holder, "image"));
            let digest = holder.filter(|_| is_whole).and_then(|holder| helm_values::digest_beside(tree, holder));
            // Operators put the parts of a reference side by side: `repository`, `image`, `version`.
            let in_parts = holder.filter(|_| !is_whole).filter(|holder| {
                let filled = |key| tree.own(*holder, key).is_some_and(|node| tree.filled(node).is_some());
                ["repository", "hub", "registry", "tag"].into_iter().any(filled) && !is_object(tree, *holder)
            });
            match in_parts {
                Some(holder) => helm_values::image_map(finder, holder, Format::Kubernetes),
                None if tree.filled(target).is_none() => nothing(finder, value, "it is empty"),
                None => finder.with_digest(value, "", digest, Format::Kubernetes),
            }
        }
        Shape::Mapping => match tree.own(target, "reference") {
            // An image volume.
            Some(reference) => finder.reference(reference, Format::Kubernetes),
            None => helm_values::image_map(finder, target, Format::Kubernetes),
        },
        Shape::Sequence => nothing(finder, value, "it is a list"),
        Shape::Alias(_) => {}
    }
}

/// Lists what stands where a reference is expected and is none.
fn nothing(finder: &mut Finder<'_, '_>, value: NodeId, reason: &str) {
    finder.unread(value, Format::Kubernetes, SkipReason::NotAReference(reason.to_owned()));
}
