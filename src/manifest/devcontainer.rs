//! Development containers: the `image` of a `devcontainer.json`, which may hold comments.
//!
//! Features are keys, not values, and are not followed.

use crate::manifest::finder::Finder;
use crate::manifest::yaml::tree::NodeId;
use crate::model::file::RepoPath;
use crate::model::site::Format;

/// Whether a file has one of the names that tools look for.
pub(crate) fn is_devcontainer(path: &RepoPath) -> bool {
    matches!(path.file_name(), "devcontainer.json" | ".devcontainer.json")
}

/// Finds the reference of one file.
pub(crate) fn find(finder: &mut Finder<'_, '_>, root: NodeId) {
    if let Some(image) = finder.tree.own(root, "image") {
        finder.reference(image, Format::Devcontainer);
    }
}
