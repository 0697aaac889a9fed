//! Fleet: `helm.chart` or `helm.repo` of a `fleet.yaml` that names a chart in a registry, with its `version`.
//!
//! The values beside it, and those of each target, are read as Helm values.

use crate::manifest::charts::{self, SCHEME};
use crate::manifest::finder::{Finder, Parts};
use crate::manifest::helm_values;
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Shape};
use crate::model::file::RepoPath;
use crate::model::site::Format;

/// Whether a file is Fleet's, by its name.
pub(crate) fn is_fleet(path: &RepoPath) -> bool {
    matches!(path.file_name(), "fleet.yaml" | "fleet.yml")
}

/// Finds the references of one file.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let base = chart(finder, root, None);
    if let Some(targets) = tree.own(root, "targetCustomizations").map(|node| tree.resolve(node))
        && tree.shape(targets) == Shape::Sequence
    {
        for target in tree.children(targets) {
            if let Some(target) = finder.enter(target) {
                chart(finder, target, base.as_deref());
            }
        }
    }
    helm_values::find(finder, root);
}

/// Takes the chart of one `helm`; a target may leave the name to the file's.
fn chart(finder: &mut Finder<'_, '_>, owner: NodeId, base: Option<&str>) -> Option<String> {
    let tree = finder.tree;
    let helm = tree.own(owner, "helm").and_then(|node| finder.enter(node))?;
    let filled = |key| tree.own(helm, key).and_then(|node| Some((node, tree.filled(node)?)));
    let own = ["chart", "repo"].iter().find_map(|key| filled(key).filter(|(_, text)| text.starts_with(SCHEME)));
    let version = filled("version").map(|(node, _)| node);
    let name = own.map_or(base, |(_, text)| text.strip_prefix(SCHEME)).map(str::to_owned)?;
    if let Some((node, _)) = own
        && charts::with_its_tag(finder, node, version, Format::Fleet)
    {
        return Some(reference::read(&name).written);
    }
    let at = version.or(own.map(|(node, _)| node))?;
    let names = own.into_iter().map(|(node, _)| node).collect();
    let parts = Parts { name: Some(name.clone()), names, chart_version: version, ..Parts::default() };
    finder.parts(&parts, at, Format::Fleet);
    Some(name)
}
