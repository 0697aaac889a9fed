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

/// Keys by their path, such as `environments.gates`; a list is gone into. All of today's keys act.
const TABLE: &[&str] = &[];

/// Finds the parts of the table in a file, in its order.
pub(crate) fn find(root: &Node, reader: &mut Reader<'_>) -> Vec<Inactive> {
    find_of(TABLE, root, reader)
}

fn find_of(table: &[&str], root: &Node, reader: &mut Reader<'_>) -> Vec<Inactive> {
    let mut found = Vec::new();
    for path in table {
        let parts: Vec<&str> = path.split('.').collect();
        visit(root, &parts, &mut |offset| {
            found.push(Inactive { key: (*path).to_owned(), position: reader.position(offset) });
        });
    }
    found.sort_by(|one, other| (one.position, &one.key).cmp(&(other.position, &other.key)));
    found.dedup();
    found
}

fn visit(node: &Node, parts: &[&str], found: &mut impl FnMut(usize)) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| visit(item, parts, found)),
        Value::Scalar { .. } => {}
        Value::Map(entries) => {
            let Some((first, rest)) = parts.split_first() else { return };
            let entry = entries.iter().find(|(key, _)| key.text == *first);
            match (entry, rest) {
                (Some((_, value)), [_, ..]) => visit(value, rest, found),
                (Some((_, value)), []) if is_empty(value) => {}
                (Some((key, _)), []) => found(key.span.start),
                (None, _) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_asks_for_something_is_named_with_its_place() {
        let text = "environments:\n- {name: dev, gates: {}}\n- {name: prod, gates: {soak: 1h}}\n";
        let (mut reader, root) = Reader::open("f.yaml", text.as_bytes()).unwrap();
        let found = find_of(&["environments.gates", "formats"], &root.unwrap(), &mut reader);
        let told: Vec<String> = found.iter().map(|part| format!("{} {}", part.position.line, part.key)).collect();
        assert_eq!(told, ["3 environments.gates"]);
    }
}
