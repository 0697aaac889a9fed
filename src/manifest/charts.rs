//! Charts and other artifacts in registries, which a version names as a tag names an image: Flux's `OCIRepository`,
//! Argo CD's chart sources, dependencies of a chart, and the images that a chart's metadata list.
//!
//! A repository behind `https://` is no registry, and a `GitRepository` no image: both are left alone.

use crate::manifest::Surroundings;
use crate::manifest::finder::{Finder, Parts};
use crate::manifest::foreign::flux;
use crate::manifest::kubernetes;
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::RepoPath;
use crate::model::image::shorten;
use crate::model::site::{Format, SkipReason};

/// What a chart in a registry begins with.
pub(crate) const SCHEME: &str = "oci://";

/// The annotations that list a chart's images, as a block scalar.
const IMAGE_LISTS: [&str; 2] = ["images", "artifacthub.io/images"];

/// Whether a file describes a chart.
pub(crate) fn is_metadata(path: &RepoPath) -> bool {
    matches!(path.file_name(), "Chart.yaml" | "requirements.yaml")
}

/// Finds a chart's dependencies in registries and the images that its annotations list.
pub(crate) fn metadata(finder: &mut Finder<'_, '_>, root: NodeId, path: &RepoPath, surroundings: &Surroundings) {
    let tree = finder.tree;
    let has_lock = surroundings.has_lock(path);
    for dependency in mappings(tree, tree.own(root, "dependencies")) {
        let filled = |key| tree.own(dependency, key).filter(|node| tree.filled(*node).is_some());
        let (Some(repository), Some(name), version) = (filled("repository"), filled("name"), filled("version")) else {
            continue;
        };
        let lock = "the lock file beside it holds the same version and would be outdated";
        let copy = "a copy of this version lies below `charts/` and would be outdated";
        let has_copy = tree.text(name).is_some_and(|name| surroundings.has_copy(path, name));
        let reason = if has_lock { Some(lock) } else { has_copy.then_some(copy) };
        let skipped = reason.map(|reason| SkipReason::Unsupported(reason.to_owned()));
        if let Some(path) = tree.text(repository).and_then(registry_path) {
            chart(finder, path, repository, Some(name), version, skipped);
        }
    }
    let annotations = tree.own(root, "annotations").map(|node| tree.resolve(node));
    let lists =
        annotations.into_iter().flat_map(|map| IMAGE_LISTS.into_iter().filter_map(move |key| tree.own(map, key)));
    for list in lists {
        finder.embedded(list, Format::Chart, listed_images);
    }
}

fn listed_images(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    for entry in mappings(tree, Some(root)) {
        if let Some(image) = tree.own(entry, "image") {
            finder.reference(image, Format::Chart);
        }
    }
}

/// Finds the artifact of a Flux `OCIRepository`.
pub(crate) fn oci_repository(finder: &mut Finder<'_, '_>, object: NodeId) {
    let tree = finder.tree;
    let Some(spec) = tree.own(object, "spec").map(|node| tree.resolve(node)) else { return };
    let Some((url, name)) = tree.own(spec, "url").and_then(|url| Some((url, registry_path(tree.filled(url)?)?))) else {
        return;
    };
    let reference = tree.own(spec, "ref").map(|node| tree.resolve(node));
    let filled = |key| reference.and_then(|map| tree.own(map, key)).filter(|node| tree.filled(*node).is_some());
    let semver = filled("semver").and_then(|node| tree.filled(node));
    let range = |range: &str| SkipReason::Unsupported(format!("the range `{}` decides", shorten(range)));
    let parts = Parts {
        name: Some(name.to_owned()),
        names: vec![url],
        tag: filled("tag"),
        digest: filled("digest"),
        skipped: semver.map(range),
        ..Parts::default()
    };
    finder.parts(&parts, filled("tag").or(filled("semver")).unwrap_or(url), Format::Chart);
}

/// Finds the artifact that a source of Argo CD names, where it comes from a registry.
pub(crate) fn argo_source(finder: &mut Finder<'_, '_>, source: NodeId) {
    let tree = finder.tree;
    let filled = |key| tree.own(source, key).filter(|node| tree.filled(*node).is_some());
    let Some(repository) = filled("repoURL") else { return };
    let text = tree.text(repository).unwrap_or_default();
    let (chart_name, revision) = (filled("chart"), filled("targetRevision"));
    if chart_name.is_some() {
        // Argo CD writes a registry of charts without a scheme; what has another one is no registry.
        let bare = (!reference::is_address(text) && is_host(text)).then_some(text);
        if let Some(path) = registry_path(text).or(bare) {
            chart(finder, path, repository, chart_name, revision, None);
        }
        return;
    }
    let Some(name) = registry_path(text) else { return };
    let says = |what: fn(&str) -> bool| revision.and_then(|node| tree.text(node)).is_some_and(what);
    if says(|text| text.contains('+') && !reference::is_range(text)) {
        return chart(finder, name, repository, None, revision, None);
    }
    let is_range = says(reference::is_range);
    let range = "a range of versions, which is resolved elsewhere".to_owned();
    let parts = Parts {
        name: Some(name.to_owned()),
        names: vec![repository],
        tag: revision.filter(|_| !is_range),
        skipped: is_range.then_some(SkipReason::Unsupported(range)),
        ..Parts::default()
    };
    finder.parts(&parts, revision.unwrap_or(repository), Format::Chart);
}

/// Finds the chart of Flux's `HelmRelease` or `HelmChart` that comes from a `HelmRepository`; whether that is a registry
/// stands in an object of its own, so that [`crate::manifest::foreign`] gives the chart its name.
pub(crate) fn flux_release(finder: &mut Finder<'_, '_>, object: NodeId) {
    let tree = finder.tree;
    let Some(chart) = flux::chart_of(tree, object) else { return };
    let version = tree.own(chart, "version").filter(|node| tree.filled(*node).is_some());
    let name = tree.own(chart, "chart").filter(|node| tree.filled(*node).is_some());
    let Some(name) = name else { return };
    let label = tree.text(name).map(str::to_owned);
    let skipped = version.is_none().then_some(SkipReason::NoTag);
    let parts = Parts { label, names: vec![name], chart_version: version, skipped, ..Parts::default() };
    finder.parts(&parts, version.unwrap_or(name), Format::Chart);
}

/// Finds a chart whose name may hold its tag, as in `oci://ghcr.io/acme/charts/web:1.4.0`; `false` where a version
/// stands apart, or none does.
pub(crate) fn with_its_tag(
    finder: &mut Finder<'_, '_>,
    chart: NodeId,
    version: Option<NodeId>,
    format: Format,
) -> bool {
    let path = finder.tree.text(chart).and_then(registry_path);
    let has_tag = version.is_none() && path.is_some_and(|path| reference::read(path).version.is_some());
    if has_tag {
        finder.behind(chart, SCHEME, format);
    }
    has_tag
}

/// Finds the chart of k3s's `HelmChart`, where it comes from a registry.
pub(crate) fn k3s_chart(finder: &mut Finder<'_, '_>, object: NodeId) {
    let tree = finder.tree;
    let Some(spec) = tree.own(object, "spec").map(|node| tree.resolve(node)) else { return };
    let filled = |key| tree.own(spec, key).filter(|node| tree.filled(*node).is_some());
    let name = filled("chart");
    let version = filled("version");
    if let Some((name, path)) = name.and_then(|name| Some((name, registry_path(tree.text(name)?)?)))
        && !with_its_tag(finder, name, version, Format::Chart)
    {
        chart(finder, path, name, None, version, None);
    }
}

/// Finds the entries of Kustomize's `helmCharts` that come from a registry.
pub(crate) fn kustomize_chart(finder: &mut Finder<'_, '_>, entry: NodeId) {
    let tree = finder.tree;
    let filled = |key| tree.own(entry, key).filter(|node| tree.filled(*node).is_some());
    let (Some(repository), Some(name)) = (filled("repo"), filled("name")) else { return };
    if let Some(path) = tree.text(repository).and_then(registry_path) {
        chart(finder, path, repository, Some(name), filled("version"), None);
    }
}

/// Takes a chart by its registry's path, its name there and its version.
fn chart(
    finder: &mut Finder<'_, '_>,
    path: &str,
    repository: NodeId,
    name: Option<NodeId>,
    version: Option<NodeId>,
    skipped: Option<SkipReason>,
) {
    let whole = match name.and_then(|node| finder.tree.text(node)) {
        Some(name) => format!("{}/{name}", path.trim_end_matches('/')),
        None => path.to_owned(),
    };
    let mut names = vec![repository];
    names.extend(name);
    let parts = Parts { name: Some(whole), names, chart_version: version, skipped, ..Parts::default() };
    finder.parts(&parts, version.unwrap_or(repository), Format::Chart);
}

/// Returns what follows `oci://`.
pub(crate) fn registry_path(url: &str) -> Option<&str> {
    url.strip_prefix(SCHEME).map(|rest| rest.trim_end_matches('/')).filter(|rest| !rest.is_empty())
}

/// Whether a text begins with a host, which has a point or a port.
fn is_host(text: &str) -> bool {
    text.split('/').next().is_some_and(|host| host.contains(['.', ':']))
}

fn mappings(tree: &Tree<'_>, list: Option<NodeId>) -> Vec<NodeId> {
    kubernetes::items(tree, list).into_iter().filter(|entry| tree.shape(*entry) == Shape::Mapping).collect()
}
