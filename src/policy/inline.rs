//! Policies that stand beside a reference, in a comment.

use crate::model::site::Marker;

/// Reads what follows `tagboat:` in a comment.
pub fn marker(text: &str) -> Marker {
    if text == "ignore" { Marker::Ignore } else { Marker::Faulty(format!("`{text}` is not understood")) }
}
