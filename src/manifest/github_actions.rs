//! Workflows and actions of GitHub, Gitea and Forgejo: `container`, `services`, `uses: docker://…`.
//!
//! Actions themselves are Git references, no images.

use crate::manifest::finder::Finder;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::RepoPath;
use crate::model::site::Format;

const SCHEME: &str = "docker://";

/// Whether a file is a workflow or the description of an action, by its path.
pub(crate) fn is_workflow(path: &RepoPath) -> bool {
    let is_yaml = matches!(path.extension(), Some("yaml" | "yml"));
    let in_workflows = [".github/workflows", ".gitea/workflows", ".forgejo/workflows"]
        .iter()
        .any(|folder| path.folder() == *folder || path.folder().ends_with(&format!("/{folder}")));
    is_yaml && (in_workflows || is_action(path))
}

fn is_action(path: &RepoPath) -> bool {
    matches!(path.file_name(), "action.yml" | "action.yaml")
}

/// Whether a document has the keys of a workflow or an action.
pub(crate) fn is_document(tree: &Tree<'_>, root: NodeId) -> bool {
    tree.own(root, "jobs").is_some() || tree.own(root, "runs").is_some()
}

/// Finds the references of one workflow or action.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    if let Some(runs) = tree.own(root, "runs").map(|node| tree.resolve(node)) {
        if let Some(image) = tree.own(runs, "image") {
            finder.behind(image, SCHEME, Format::GithubActions);
        }
        steps(finder, runs);
    }
    let Some(jobs) = tree.own(root, "jobs").map(|node| tree.resolve(node)) else { return };
    for (_, job) in tree.entries(jobs) {
        let Some(job) = finder.enter(job) else { continue };
        if let Some(container) = tree.own(job, "container") {
            image(finder, container);
        }
        if let Some(services) = tree.own(job, "services").and_then(|node| finder.enter(node)) {
            for (_, service) in tree.entries(services) {
                image(finder, service);
            }
        }
        steps(finder, job);
    }
}

fn steps(finder: &mut Finder<'_, '_>, owner: NodeId) {
    let tree = finder.tree;
    let Some(steps) = tree.own(owner, "steps").and_then(|node| finder.enter(node)) else { return };
    if tree.shape(steps) == Shape::Sequence {
        for step in tree.children(steps) {
            if let Some(uses) = finder.enter(step).and_then(|step| tree.own(step, "uses")) {
                finder.behind(uses, SCHEME, Format::GithubActions);
            }
        }
    }
}

/// A string, or a map with `image`.
fn image(finder: &mut Finder<'_, '_>, node: NodeId) {
    let tree = finder.tree;
    let image = if tree.shape(tree.resolve(node)) == Shape::Mapping {
        finder.enter(node).and_then(|target| tree.own(target, "image"))
    } else {
        Some(node)
    };
    let Some(image) = image else { return };
    if tree.text(image).is_some_and(|text| text.starts_with(SCHEME)) {
        finder.behind(image, SCHEME, Format::GithubActions);
    } else {
        finder.reference(image, Format::GithubActions);
    }
}
