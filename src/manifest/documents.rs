//! Which YAML documents belong to a tool other than Kubernetes and Kustomize, told by the file's place or by its keys.
//!
//! Entry points: [`find`], and [`may_hold`] for the byte search before any parse. Each format has a file of its own.

use memchr::memmem;

use crate::manifest::finder::Finder;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::manifest::{
    Surroundings, ansible, charts, compose, crossplane, devcontainer, fleet, foreign, github_actions, gitlab_ci,
    helmfile, kubernetes, kustomize, layers,
};
use crate::model::file::RepoPath;

/// Whether the bytes of a YAML file hold one of the words of its tool's formats, besides those that all formats share.
pub(crate) fn may_hold(path: &RepoPath, bytes: &[u8]) -> bool {
    let holds = |words: &[&str]| words.iter().any(|word| memmem::find(bytes, word.as_bytes()).is_some());
    if github_actions::is_workflow(path) {
        return holds(&["container:", "docker://"]);
    }
    if helmfile::is_helmfile(path) || fleet::is_fleet(path) {
        return holds(&[charts::SCHEME, "oci: true"]);
    }
    // What builds on other files says what decides in them, without naming an image itself.
    if kustomize::FILE_NAMES.contains(&path.file_name()) && holds(&layers::KEYS) {
        return true;
    }
    // What Flux installs from a registry, and what Argo CD deploys, is named in files that hold no image.
    if holds(&foreign::WORDS) {
        return true;
    }
    // A pipeline's services may be all that it runs, and a task's module names the image in a word of its own.
    if gitlab_ci::has_name(path) && holds(&["services:"]) {
        return true;
    }
    holds(&[crossplane::GROUP])
}

/// Lets the tool that a document belongs to find its references; `false` where it belongs to none.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId, path: &RepoPath, surroundings: &Surroundings) -> bool {
    let tree = finder.tree;
    if tree.shape(root) == Shape::Sequence {
        let is_list = ansible::is_list(tree, root);
        if is_list {
            ansible::find(finder, root);
        }
        return is_list;
    }
    if tree.shape(root) != Shape::Mapping {
        return false;
    }
    if kubernetes::is_object(tree, root) {
        let is_package = crossplane::is_package(tree, root);
        if is_package {
            crossplane::find(finder, root);
        }
        return is_package;
    }
    if github_actions::is_workflow(path) && github_actions::is_document(tree, root) {
        github_actions::find(finder, root);
    } else if devcontainer::is_devcontainer(path) {
        devcontainer::find(finder, root);
    } else if helmfile::is_helmfile(path) {
        helmfile::find(finder, root);
    } else if fleet::is_fleet(path) {
        fleet::find(finder, root);
    } else if compose::is_compose(tree, root, path) {
        compose::find(finder, root);
    } else if gitlab_ci::is_pipeline(tree, root, path, surroundings) {
        gitlab_ci::find(finder, root);
    } else {
        return false;
    }
    true
}

/// Whether braces in plain values belong to Ansible, which fills them in after the file is parsed.
pub(crate) fn is_jinja(tree: &Tree<'_>) -> bool {
    tree.roots().iter().all(|root| ansible::is_list(tree, *root))
}
