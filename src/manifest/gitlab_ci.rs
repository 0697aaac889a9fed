//! Pipelines of GitLab: `image` and `services`, at the top, in `default` and in every job.
//!
//! Of the files that a pipeline includes, those are read that lie in the same repository and hold jobs.

use crate::manifest::Surroundings;
use crate::manifest::finder::Finder;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::RepoPath;
use crate::model::site::Format;

/// Keys at the top that are no jobs.
const NO_JOBS: [&str; 7] = ["cache", "include", "spec", "stages", "variables", "workflow", "services"];

/// Whether a file is a pipeline, by its name.
pub(crate) fn has_name(path: &RepoPath) -> bool {
    let name = path.file_name();
    [".gitlab-ci.yml", ".gitlab-ci.yaml"].iter().any(|end| name.ends_with(end))
        || matches!(name, "gitlab-ci.yml" | "gitlab-ci.yaml")
}

/// Whether a document is a pipeline: by its file's name, or, where the repository has one, by its jobs.
pub(crate) fn is_pipeline(tree: &Tree<'_>, root: NodeId, path: &RepoPath, surroundings: &Surroundings) -> bool {
    has_name(path)
        || surroundings.has_pipeline()
            && tree.own(root, "apiVersion").is_none()
            && tree.own(root, "jobs").is_none()
            && tree.entries(root).any(|(key, value)| {
                let is_job = tree.text(key).is_some_and(|key| !NO_JOBS.contains(&key));
                is_job && ["script", "extends", "trigger"].iter().any(|key| tree.own(value, key).is_some())
            })
}

/// Finds the references of one pipeline.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    job(finder, root);
    for (key, value) in tree.entries(root) {
        let target = tree.resolve(value);
        let is_job = tree.text(key).is_some_and(|key| key != "image" && !NO_JOBS.contains(&key));
        if is_job
            && tree.shape(target) == Shape::Mapping
            && let Some(target) = finder.enter(value)
        {
            job(finder, target);
        }
    }
}

fn job(finder: &mut Finder<'_, '_>, owner: NodeId) {
    let tree = finder.tree;
    if let Some(node) = tree.own(owner, "image") {
        image(finder, node);
    }
    let Some(services) = tree.own(owner, "services").and_then(|node| finder.enter(node)) else { return };
    if tree.shape(services) == Shape::Sequence {
        for service in tree.children(services) {
            image(finder, service);
        }
    }
}

/// A string, or a map with `name`.
fn image(finder: &mut Finder<'_, '_>, node: NodeId) {
    let tree = finder.tree;
    let target = tree.resolve(node);
    match tree.shape(target) {
        Shape::Scalar(_) => finder.reference(node, Format::GitlabCi),
        Shape::Mapping => {
            if let Some(name) = finder.enter(node).and_then(|target| tree.own(target, "name")) {
                finder.reference(name, Format::GitlabCi);
            }
        }
        Shape::Sequence | Shape::Alias(_) => {}
    }
}
