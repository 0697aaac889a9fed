//! Ansible: the images of container modules in lists of tasks and in plays.
//!
//! A list is looked into only where its items are tasks; other lists, and variables of roles, are not.

use crate::manifest::finder::{Finder, Parts};
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::site::Format;

/// How deep blocks of tasks are followed.
const MAX_DEPTH: usize = 32;

/// Modules whose `image` is a reference, without their collection.
const CONTAINERS: [&str; 6] = [
    "docker_container",
    "docker_container_exec",
    "docker_swarm_service",
    "nomad_job",
    "podman_container",
    "podman_pod",
];

/// Modules whose `name` is a reference, with the tag in it or beside it.
const IMAGES: [&str; 4] = ["docker_image", "docker_image_pull", "podman_image", "docker_image_info"];

/// Keys that hold tasks: of plays, and of blocks.
const LISTS: [&str; 7] = ["tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"];

/// Whether a document is a list of tasks or plays.
pub(crate) fn is_list(tree: &Tree<'_>, root: NodeId) -> bool {
    tree.shape(root) == Shape::Sequence
        && tree.children(root).any(|item| {
            let keys: Vec<&str> = tree.entries(item).filter_map(|(key, _)| tree.text(key)).collect();
            keys.iter()
                .any(|key| LISTS.contains(key) || CONTAINERS.contains(&module(key)) || IMAGES.contains(&module(key)))
        })
}

/// Finds the references of one list.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    let tree = finder.tree;
    let mut open = vec![(root, 0)];
    while let Some((list, depth)) = open.pop() {
        for item in tree.children(list) {
            for (key, value) in tree.entries(item) {
                let Some(key) = tree.text(key) else { continue };
                if LISTS.contains(&key) && tree.shape(value) == Shape::Sequence && depth < MAX_DEPTH {
                    open.push((value, depth + 1));
                } else if CONTAINERS.contains(&module(key)) {
                    if let Some(image) = finder.enter(value).and_then(|task| tree.own(task, "image")) {
                        finder.reference(image, Format::Ansible);
                    }
                } else if IMAGES.contains(&module(key))
                    && let Some(task) = finder.enter(value)
                {
                    image(finder, task);
                }
            }
        }
    }
}

/// `name: web` with `tag: "1.4.0"`, or `name: web:1.4.0`.
fn image(finder: &mut Finder<'_, '_>, task: NodeId) {
    let tree = finder.tree;
    let Some(name) = tree.own(task, "name") else { return };
    match tree.own(task, "tag").filter(|tag| tree.filled(*tag).is_some()) {
        Some(tag) => {
            let text = tree.filled(name).map(str::to_owned);
            let parts = Parts { name: text, names: vec![name], tag: Some(tag), ..Parts::default() };
            finder.parts(&parts, tag, Format::Ansible);
        }
        None => finder.reference(name, Format::Ansible),
    }
}

/// Returns a module's name without its collection: `docker_container` of `community.docker.docker_container`.
fn module(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, name)| name)
}
