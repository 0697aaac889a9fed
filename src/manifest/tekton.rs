//! Tekton: bundles, and parameters whose default is an image.
//!
//! The images of steps and sidecars are those of any other object. A parameter may as well name an image that is
//! to be built; its default is followed only where a step of the same object runs it.

use crate::manifest::doubtful::{is_probably_one, says_image};
use crate::manifest::finder::Finder;
use crate::manifest::kubernetes::items;
use crate::manifest::yaml::tree::{NodeId, Role, Tree};
use crate::model::site::Format;

/// The most parameters that are looked for in one object.
const MAX_PARAMETERS: usize = 64;

/// Returns the parameters that an object uses as images: `name` of `image: $(params.name)`.
pub(crate) fn image_parameters<'t>(tree: &'t Tree<'_>, object: NodeId) -> Vec<&'t str> {
    let mut names: Vec<&str> = Vec::new();
    let end = tree.end(object);
    let mut at = object;
    while at < end && names.len() < MAX_PARAMETERS {
        if tree.role(at) == Role::Key && tree.text(at) == Some("image") {
            let name = tree.text(NodeId(at.0 + 1)).and_then(parameter).filter(|name| !names.contains(name));
            names.extend(name);
        }
        at = NodeId(at.0 + 1);
    }
    names
}

/// Returns `name` of `$(params.name)`, `$(inputs.params.name)` and `$(params["name"])`.
fn parameter(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("$(")?.strip_suffix(')')?;
    let inner = inner.strip_prefix("inputs.").unwrap_or(inner).strip_prefix("params")?;
    let quoted = |quote: &str| inner.strip_prefix('[')?.strip_prefix(quote)?.strip_suffix(']')?.strip_suffix(quote);
    inner.strip_prefix('.').or(quoted("\"")).or(quoted("'"))
}

/// Finds the references in a list of parameters, declared or given.
pub(crate) fn parameters(finder: &mut Finder<'_, '_>, list: NodeId, used_as_images: &[&str]) {
    let tree = finder.tree;
    // `resolver: bundles` beside the list makes its `bundle` a reference.
    let holder = tree.parent(list).filter(|map| finder.is_first(*map, "params"));
    let has_bundles =
        holder.and_then(|map| tree.own(map, "resolver")).and_then(|node| tree.text(node)) == Some("bundles");
    for entry in items(tree, Some(list)) {
        let Some(name) = tree.own(entry, "name").and_then(|name| tree.text(name)) else { continue };
        let (default, value) = (tree.own(entry, "default"), tree.own(entry, "value"));
        if let Some(value) = value.filter(|_| has_bundles && name == "bundle") {
            finder.reference(value, Format::Kubernetes);
            continue;
        }
        let is_one = |node: &NodeId| tree.filled(*node).is_some_and(|text| is_probably_one(text, true));
        if let Some(default) = default.filter(is_one) {
            if used_as_images.contains(&name) {
                finder.reference(default, Format::Kubernetes);
            } else if says_image(name) {
                finder.doubtful(default, 0, Format::Kubernetes, "a parameter that no step runs as its image");
            }
        } else if let Some(value) = value.filter(is_one).filter(|_| says_image(name)) {
            finder.doubtful(value, 0, Format::Kubernetes, "a parameter that may name an image to be built");
        }
    }
}

/// Finds the reference of a `bundle` key: of `taskRef` and `pipelineRef`, not of a parameter's own making.
pub(crate) fn bundle(finder: &mut Finder<'_, '_>, value: NodeId) {
    let tree = finder.tree;
    let holder = tree.parent(value).and_then(|map| tree.key(map));
    if matches!(holder, Some("taskRef" | "pipelineRef")) {
        finder.reference(value, Format::Kubernetes);
    }
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn knows_every_way_to_name_a_parameter() {
        for text in
            ["$(params.web-image)", "$(inputs.params.web-image)", "$(params[\"web-image\"])", "$(params['web-image'])"]
        {
            assert_eq!(parameter(text), Some("web-image"), "{text}");
        }
        for text in ["params.x", "$(params.x):1", "$(tasks.x.results.y)", "$(params[x])"] {
            assert_eq!(parameter(text), None, "{text}");
        }
    }
}
