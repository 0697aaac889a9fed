//! Text that is probably a reference where none is declared: arguments such as `--reloader=quay.io/acme/reloader:v1`,
//! the values of environment variables, the data of ConfigMaps, text of Secrets, defaults in the schemas of custom
//! resources, and what stands under keys that no format knows.
//!
//! The program that reads them decides what they mean, so that they are listed, and followed only with a marker.
//! What could as well be a host with a port or a path is not even listed.

use crate::manifest::finder::Finder;
use crate::manifest::kubernetes::{self, items};
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Role, Shape, Tree};
use crate::model::image::split_host;
use crate::model::site::{Format, SkipReason};

/// Keys below which other tools write down what they saw, or what they will be asked.
const OF_OTHERS: [&str; 6] = ["annotations", "labels", "managedFields", "status", "openAPIV3Schema", "params"];

/// How long a text may be that is one reference, with a flag before it.
const MAX_TEXT: usize = 1024;

/// How long a key of such a line may be.
const MAX_KEY: usize = 128;

/// Lists the variables of a container whose value is a whole reference.
pub(crate) fn environment(finder: &mut Finder<'_, '_>, list: NodeId) {
    let tree = finder.tree;
    for entry in items(tree, Some(list)) {
        let Some(value) = tree.own(entry, "value") else { continue };
        let name = tree.own(entry, "name").and_then(|name| tree.text(name)).unwrap_or_default();
        if tree.filled(value).is_some_and(|text| is_probably_one(text, says_image(name))) {
            finder.doubtful(value, 0, Format::Kubernetes, "an environment variable");
        }
    }
}

/// Lists the arguments of a container that are a whole reference, or a flag that is given one.
pub(crate) fn arguments(finder: &mut Finder<'_, '_>, list: NodeId) {
    let tree = finder.tree;
    for argument in items(tree, Some(list)) {
        let Some(text) = tree.filled(argument) else { continue };
        let (flag, from) = match text.find('=') {
            Some(at) if text.starts_with('-') => (&text[..at], at + 1),
            _ => ("", 0),
        };
        if is_probably_one(&text[from..], says_image(flag)) {
            finder.doubtful(argument, from, Format::Kubernetes, "an argument");
        }
    }
}

/// What to call the data of an object, and a text among them.
pub(crate) struct Words {
    data: &'static str,
    text: &'static str,
}

/// The data of a ConfigMap.
pub(crate) const CONFIG_MAP: Words = Words { data: "the data of a ConfigMap", text: "text of a ConfigMap" };

/// What a Secret holds as text.
pub(crate) const SECRET: Words = Words { data: "the data of a Secret", text: "text of a Secret" };

/// Lists the defaults in the schema of a custom resource that are a whole reference.
pub(crate) fn defaults(finder: &mut Finder<'_, '_>, object: NodeId) {
    let tree = finder.tree;
    // A property may itself be called `default`.
    let is_property = |key: NodeId| tree.parent(key).and_then(|map| tree.key(map)) == Some("properties");
    let end = tree.end(object);
    let mut at = object;
    while at < end {
        let value = NodeId(at.0 + 1);
        if tree.role(at) != Role::Key || tree.text(at) != Some("default") || is_property(at) {
            at = value;
            continue;
        }
        // The schema's own key is the property's name.
        let property = tree.parent(at).and_then(|schema| tree.key(schema));
        for node in (value.0..tree.end(value).0).map(NodeId) {
            let is_scalar = matches!(tree.shape(node), Shape::Scalar(_)) && tree.role(node) != Role::Key;
            let Some(text) = tree.filled(node).filter(|text| is_scalar && text.len() < MAX_TEXT) else { continue };
            let key = if node == value { property } else { nearest_key(tree, node) };
            if is_probably_one(text, key.is_some_and(says_image) && text.contains('/')) {
                finder.doubtful(node, 0, Format::Kubernetes, "a default in the schema of a custom resource");
            }
        }
        at = tree.end(value);
    }
}

/// Lists the data of an object that are a whole reference, and texts with lines that look like one.
pub(crate) fn data(finder: &mut Finder<'_, '_>, object: NodeId, key: &str, words: &Words) {
    let tree = finder.tree;
    let Some(data) = tree.own(object, key).map(|node| tree.resolve(node)) else { return };
    if tree.shape(data) != Shape::Mapping {
        return;
    }
    for (key, value) in tree.entries(data) {
        let Some(text) = tree.filled(value).map(str::trim) else { continue };
        if is_probably_one(text, says_image(tree.text(key).unwrap_or_default())) {
            finder.doubtful(value, 0, Format::Kubernetes, words.data);
            continue;
        }
        let lines = if text.contains('\n') { text.lines().filter(|line| names_an_image(line)).count() } else { 0 };
        if lines > 0 {
            let what =
                if lines == 1 { "a line that looks like a reference" } else { "lines that look like references" };
            let count = if lines == 1 { String::new() } else { format!("{lines} ") };
            let reason = format!("{}, with {count}{what}: `formats` can name such places", words.text);
            finder.unread(value, Format::Kubernetes, SkipReason::Unsupported(reason));
        }
    }
}

/// Lists what is left of an object or of values: whole references, and flags that are given one, under unknown keys.
///
/// It comes last, so that what a format found is not listed again.
pub(crate) fn elsewhere(finder: &mut Finder<'_, '_>, root: NodeId, format: Format) {
    let tree = finder.tree;
    let known = finder.known();
    let end = tree.end(root);
    let mut at = root;
    while at < end {
        let next = NodeId(at.0 + 1);
        at = match (tree.role(at), tree.shape(at)) {
            (Role::Key, _) if tree.text(at).is_some_and(|key| OF_OTHERS.contains(&key)) => tree.end(next),
            (Role::Key, _) => next,
            (_, Shape::Sequence) if known.contains(&at) => tree.end(at),
            (_, Shape::Mapping) if kubernetes::is_without_references(tree, at) => tree.end(at),
            (_, Shape::Scalar(_)) if !known.contains(&at) => {
                let text = tree.filled(at).unwrap_or_default();
                let flag = text.find('=').filter(|_| text.starts_with('-'));
                let from = flag.map_or(0, |at| at + 1);
                let key = flag.map(|at| &text[..at]).or_else(|| nearest_key(tree, at)).unwrap_or_default();
                // `imageRegistry: registry.example.com:5000` has a path nowhere.
                let says_image = says_image(key) && text[from..].contains('/');
                if text.len() < MAX_TEXT && is_probably_one(&text[from..], says_image) {
                    finder.doubtful(at, from, format, "a key that no format knows");
                }
                next
            }
            _ => next,
        };
    }
}

/// Returns the key of a value, or of the list that it stands in.
fn nearest_key<'t>(tree: &'t Tree<'_>, node: NodeId) -> Option<&'t str> {
    tree.key(node).or_else(|| tree.parent(node).and_then(|list| tree.key(list)))
}

/// Whether a line is a key that speaks of an image with a whole reference.
fn names_an_image(line: &str) -> bool {
    let Some((key, value)) = line.split_once([':', '=']).filter(|(key, _)| says_image(key)) else { return false };
    let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
    key.len() < MAX_KEY && is_probably_one(value, true)
}

/// Whether a name speaks of an image.
pub(crate) fn says_image(name: &str) -> bool {
    name.to_ascii_lowercase().contains("image")
}

/// Whether a text is a reference with a tag or a digest, and hardly anything else.
pub(crate) fn is_probably_one(text: &str, says_image: bool) -> bool {
    let read = reference::read(text);
    let (Some(_), Some(_)) = (&read.image, &read.version) else { return false };
    if read.value.digest.is_some() || says_image {
        return true;
    }
    // `db.example.com/orders:5432` and the like have numbers where a reference has a tag.
    let is_number = read.value.tag.as_ref().is_some_and(|tag| tag.as_str().bytes().all(|byte| byte.is_ascii_digit()));
    !is_number && split_host(text).0.contains('.')
}

#[cfg(test)]
mod tests {
    use super::is_probably_one;

    #[test]
    fn hosts_with_ports_and_paths_are_no_references() {
        for text in ["db.example.com/orders:5432", "redis:6379", "localhost:8080", "https://a.b/c:1", "a b", "x/y:v1"] {
            assert!(!is_probably_one(text, false), "{text}");
        }
        for text in ["quay.io/acme/web:v0.1", "ghcr.io/acme/web:1.4.0", "registry.example:5000/web:latest"] {
            assert!(is_probably_one(text, false) || text.starts_with("registry"), "{text}");
        }
        assert!(is_probably_one("acme/web:12", true));
        assert!(!is_probably_one("ghcr.io/acme/web", true));
    }
}
