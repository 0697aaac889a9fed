//! Crossplane: `spec.package` of a `Provider`, a `Configuration` or a `Function`.
//!
//! A package without a registry is completed by Crossplane's own settings, which are not known here.

use crate::manifest::finder::Finder;
use crate::manifest::yaml::tree::{NodeId, Tree};
use crate::model::image::split_host;
use crate::model::site::{Format, SkipReason};

/// What stands in the bytes of every package.
pub(crate) const GROUP: &str = "pkg.crossplane.io";

/// Whether a document is a package.
pub(crate) fn is_package(tree: &Tree<'_>, root: NodeId) -> bool {
    let field = |key| tree.own(root, key).and_then(|node| tree.text(node));
    field("apiVersion").is_some_and(|version| version.split('/').next() == Some(GROUP))
        && matches!(field("kind"), Some("Provider" | "Configuration" | "Function"))
}

/// Finds the reference of one package.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let package = tree.own(root, "spec").and_then(|spec| tree.own(tree.resolve(spec), "package"));
    let Some(package) = package else { return };
    let count = finder.count();
    finder.reference(package, Format::Crossplane);
    if tree.text(package).is_some_and(|text| split_host(text).0.is_empty()) {
        let reason = "no registry is written, so that the one that Crossplane is set up with counts".to_owned();
        finder.refuse_since(count, &SkipReason::Unsupported(reason));
    }
}
