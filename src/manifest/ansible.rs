//! Ansible: the images of container modules in lists of tasks and in plays, and the objects that `k8s` is given.
//!
//! A list is looked into only where its items are tasks; other lists, and variables of roles, are not.

use std::ops::Range;

use crate::manifest::finder::{Finder, Parts};
use crate::manifest::kubernetes;
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

/// The module that is given objects of Kubernetes.
const OBJECTS: &str = "k8s";

/// The keys under which it is given them.
const DEFINITIONS: [&str; 3] = ["definition", "resource_definition", "inline"];

/// Keys that hold tasks: of plays, and of blocks.
const LISTS: [&str; 7] = ["tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"];

/// Whether a document is a list of tasks or plays.
pub(crate) fn is_list(tree: &Tree<'_>, root: NodeId) -> bool {
    tree.shape(root) == Shape::Sequence
        && tree.children(root).any(|item| {
            let keys: Vec<&str> = tree.entries(item).filter_map(|(key, _)| tree.text(key)).collect();
            let is_module = |name: &str| CONTAINERS.contains(&name) || IMAGES.contains(&name) || name == OBJECTS;
            keys.iter().any(|key| LISTS.contains(key) || is_module(module(key)))
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
                    match tree.filled(value).map(|text| argument(text, "image")) {
                        Some(Some(place)) => finder.within(value, place, Format::Ansible),
                        Some(None) => {}
                        None => {
                            if let Some(image) = finder.enter(value).and_then(|task| tree.own(task, "image")) {
                                finder.reference(image, Format::Ansible);
                            }
                        }
                    }
                } else if module(key) == OBJECTS {
                    if let Some(task) = finder.enter(value) {
                        objects(finder, task);
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

/// Finds the references of the objects that a task holds, as YAML or as text.
fn objects(finder: &mut Finder<'_, '_>, task: NodeId) {
    let tree = finder.tree;
    for definition in DEFINITIONS.into_iter().filter_map(|key| tree.own(task, key)) {
        if tree.text(definition).is_some() {
            finder.embedded(definition, Format::Kubernetes, kubernetes::find);
        } else if let Some(definition) = finder.enter(definition) {
            kubernetes::find(finder, definition);
        }
    }
}

/// Returns where the value of a key stands in arguments on one line: `name=web image=ghcr.io/acme/web:1.4.0`.
fn argument(text: &str, key: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| !c.is_whitespace()).map(|skip| at + skip) {
        let mut quote = None;
        let length = text[start..].find(|c: char| {
            match quote {
                Some(open) if c == open => quote = None,
                None if matches!(c, '"' | '\'') => quote = Some(c),
                _ => {}
            }
            quote.is_none() && c.is_whitespace()
        });
        let end = length.map_or(text.len(), |length| start + length);
        if let Some(value) = text[start..end].strip_prefix(key).and_then(|rest| rest.strip_prefix('=')) {
            let bare = value.trim_matches(['"', '\'']);
            let from = end - value.len() + (value.len() - value.trim_start_matches(['"', '\'']).len());
            return Some(from..from + bare.len());
        }
        at = end;
    }
    None
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
