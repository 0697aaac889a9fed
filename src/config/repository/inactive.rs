//! Parts of the configuration that are understood but do not act in this version.
//!
//! Owns the one table of them, `TABLE`: what begins to act is removed there, and nowhere else.

use crate::config::reader::Reader;
use crate::config::yaml::{Node, Value};
use crate::model::file::Position;

/// A part that is understood but does not act yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inactive {
    /// The key with those above it: `environments.gates`.
    pub key: String,
    /// Its place.
    pub position: Position,
}

/// When a key counts.
enum When {
    /// Whatever it says.
    Always,
    /// Unless it says this; a mapping in which it is absent counts, too.
    Unless(&'static str),
}

/// Keys by their path; a list is gone into.
const TABLE: &[(&str, When)] = &[
    ("images.minAge", When::Always),
    ("images.verify", When::Always),
    ("environments.branch", When::Always),
    ("environments.gates.checks", When::Always),
    ("environments.gates.query", When::Always),
    ("environments.gates.http", When::Always),
    ("environments.gates.approvals", When::Always),
    ("environments.gates.manual", When::Always),
    ("environments.publish", When::Unless("commit")),
    ("environments.onFailure", When::Always),
    ("commit.message", When::Always),
    ("commit.sign", When::Always),
    ("pullRequest.title", When::Always),
    ("pullRequest.body", When::Always),
];

/// Finds the parts of the table in a file, in its order.
pub(crate) fn find(root: &Node, reader: &mut Reader<'_>) -> Vec<Inactive> {
    let mut found = Vec::new();
    for (path, when) in TABLE {
        let parts: Vec<&str> = path.split('.').collect();
        visit(root, &parts, when, &mut |offset| {
            found.push(Inactive { key: (*path).to_owned(), position: reader.position(offset) });
        });
    }
    found.sort_by(|one, other| (one.position, &one.key).cmp(&(other.position, &other.key)));
    found.dedup();
    found
}

fn visit(node: &Node, parts: &[&str], when: &When, found: &mut impl FnMut(usize)) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| visit(item, parts, when, found)),
        Value::Scalar { .. } => {}
        Value::Map(entries) => {
            let Some((first, rest)) = parts.split_first() else { return };
            let entry = entries.iter().find(|(key, _)| key.text == *first);
            match (entry, rest, when) {
                (Some((_, value)), [_, ..], _) => visit(value, rest, when, found),
                (Some((_, value)), [], When::Always) if is_empty(value) => {}
                (Some((key, _)), [], When::Always) => found(key.span.start),
                (Some((key, value)), [], When::Unless(word)) => {
                    if !matches!(&value.value, Value::Scalar { text, .. } if text == word) {
                        found(key.span.start);
                    }
                }
                (None, [], When::Unless(_)) => found(node.span.start),
                (None, ..) => {}
            }
        }
    }
}

/// Whether a list or mapping holds nothing, and so asks for nothing.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Scalar { .. } => false,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}
