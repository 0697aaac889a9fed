//! Helmfile: the charts of `releases` that come from a registry, with their `version`.
//!
//! Values that stand in the file are read as Helm values. A range of versions is no tag.

use std::collections::HashMap;

use crate::manifest::charts::{self, SCHEME};
use crate::manifest::finder::{Finder, Parts};
use crate::manifest::helm_values;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::RepoPath;
use crate::model::site::Format;

/// Whether a file is one of Helmfile's, by its path.
pub(crate) fn is_helmfile(path: &RepoPath) -> bool {
    let name = path.file_name();
    name.starts_with("helmfile.") || path.folder() == "helmfile.d" || path.folder().ends_with("/helmfile.d")
}

/// Finds the references of one file.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let mut registries: HashMap<&str, &str> = HashMap::new();
    for repository in items(finder, root, "repositories") {
        if let (Some(name), Some(url)) = (field(tree, repository, "name"), field(tree, repository, "url"))
            && field(tree, repository, "oci") == Some("true")
        {
            registries.entry(name).or_insert(url);
        }
    }
    for release in items(finder, root, "releases") {
        let Some(chart) = tree.own(release, "chart") else { continue };
        let Some(text) = tree.filled(chart) else { continue };
        let name = text.strip_prefix(SCHEME).map(str::to_owned).or_else(|| {
            let (alias, chart) = text.split_once('/')?;
            registries.get(alias).map(|url| format!("{}/{chart}", url.trim_end_matches('/')))
        });
        let version = tree.own(release, "version").filter(|version| tree.filled(*version).is_some());
        if let Some(name) = name
            && !charts::with_its_tag(finder, chart, version, Format::Helmfile)
        {
            let parts = Parts { name: Some(name), names: vec![chart], chart_version: version, ..Parts::default() };
            finder.parts(&parts, version.unwrap_or(chart), Format::Helmfile);
        }
    }
    helm_values::find(finder, root);
}

fn items(finder: &mut Finder<'_, '_>, root: NodeId, key: &str) -> Vec<NodeId> {
    let tree = finder.tree;
    let list = tree.own(root, key).map(|node| tree.resolve(node)).filter(|list| tree.shape(*list) == Shape::Sequence);
    list.map(|list| tree.children(list).filter_map(|item| finder.enter(item)).collect()).unwrap_or_default()
}

fn field<'t>(tree: &'t Tree<'_>, map: NodeId, key: &str) -> Option<&'t str> {
    tree.own(map, key).and_then(|node| tree.filled(node))
}
