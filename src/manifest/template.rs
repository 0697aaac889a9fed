//! Recognises Go templates, which are never parsed as YAML.

use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::site::ScalarStyle;

/// Whether two braces open anywhere, which alone says little.
pub(crate) fn has_braces(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"{{").is_some()
}

/// Whether a text may be a template: if it is no YAML, it is one rather than broken.
pub(crate) fn looks_like_one(text: &str) -> bool {
    has_braces(text) || memchr::memmem::find(text.as_bytes(), b"{%").is_some()
}

/// Whether `{{` stands outside of quoted and block scalars and of comments.
///
/// `{{ .Values.image }}` parses, as a map whose key is a map. `${{ … }}` belongs to workflows and is a plain value.
pub(crate) fn is_one(text: &str, tree: &Tree<'_>) -> bool {
    (0..tree.len()).map(NodeId).any(|id| match tree.shape(id) {
        Shape::Scalar(ScalarStyle::Plain) => {
            let scalar = tree.text(id).unwrap_or_default();
            scalar.match_indices("{{").any(|(at, _)| !scalar[..at].ends_with('$'))
        }
        Shape::Mapping => text.get(tree.span(id)).is_some_and(|raw| raw.starts_with("{{")),
        _ => false,
    })
}
