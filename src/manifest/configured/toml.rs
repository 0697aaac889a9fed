//! What a configured path selects in a TOML file.
//!
//! `toml_edit` parses and says where each value stands; nothing of it is ever written.

use toml_edit::{Document as Parsed, Item, Value};

use crate::manifest::configured::{RawParts, raw_value, select};
use crate::manifest::finder::Found;
use crate::manifest::reference::Reading;
use crate::model::file::{Positions, Span};
use crate::model::image::shorten;
use crate::model::json_path::JsonPath;
use crate::model::site::{Format, PassedOverReason, SkipReason};

/// Finds what a path selects.
///
/// # Errors
///
/// The file is no TOML.
pub(super) fn find(text: &str, path: &JsonPath) -> Result<Vec<Found>, PassedOverReason> {
    let parsed = Parsed::parse(text).map_err(|error| {
        let offset = error.span().map(|span| crate::manifest::floor_boundary(text, span.start));
        let position = offset.map(|offset| Positions::new(text).at(offset));
        PassedOverReason::Broken { position, reason: shorten(error.message()) }
    })?;
    let mut tree = Tree::default();
    let root = tree.item(text, parsed.as_item());
    let selected = select::select(&tree, root, path);
    Ok(selected.into_iter().filter_map(|node| tree.found(text, node)).collect())
}

/// A node of the tree; its members by their places in it.
enum Node {
    Map(Vec<(String, usize)>),
    List(Vec<usize>),
    /// The token of a string, and its value's place in it where it stands there as it is.
    Text {
        token: Span,
        inner: Option<Span>,
    },
    Other,
}

#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Adds an item with everything below; the parser bounds how deep that goes.
    fn item(&mut self, text: &str, item: &Item) -> usize {
        let node = match item {
            Item::None => Node::Other,
            Item::Value(value) => return self.value(text, value),
            Item::Table(table) => {
                Node::Map(table.iter().map(|(key, item)| (key.to_owned(), self.item(text, item))).collect())
            }
            Item::ArrayOfTables(tables) => {
                let table = |table: &toml_edit::Table| {
                    let members = table.iter().map(|(key, item)| (key.to_owned(), self.item(text, item))).collect();
                    self.push(Node::Map(members))
                };
                Node::List(tables.iter().map(table).collect())
            }
        };
        self.push(node)
    }

    fn value(&mut self, text: &str, value: &Value) -> usize {
        let node = match value {
            Value::String(string) => {
                let token = string.span().unwrap_or_default();
                Node::Text { inner: literal(text, &token, string.value()), token }
            }
            Value::Array(array) => Node::List(array.iter().map(|value| self.value(text, value)).collect()),
            Value::InlineTable(table) => {
                Node::Map(table.iter().map(|(key, value)| (key.to_owned(), self.value(text, value))).collect())
            }
            _ => Node::Other,
        };
        self.push(node)
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn found(&self, text: &str, node: usize) -> Option<Found> {
        match &self.nodes[node] {
            Node::Text { token, inner: None } => {
                let reason = "the value does not stand in the file as it is: an escape is in the way".to_owned();
                let written = shorten(text.get(token.clone()).unwrap_or_default());
                let skipped = Some(SkipReason::Unsupported(reason));
                let reading = Reading { image: None, written, value: Default::default(), version: None, skipped };
                Some(Found::from_line(Format::Configured, token.start, reading, None))
            }
            Node::Text { inner: Some(span), .. } if span.is_empty() => None,
            Node::Text { inner: Some(span), .. } => Some(raw_value(text, span)),
            Node::Map(members) => {
                let field = |keys: &[&str]| {
                    keys.iter().find_map(|key| members.iter().find(|(name, _)| name == key)).and_then(|(_, node)| {
                        match &self.nodes[*node] {
                            Node::Text { inner, .. } => inner.clone().filter(|span| !span.is_empty()),
                            _ => None,
                        }
                    })
                };
                let name = field(&["repository", "image", "name"]);
                let (tag, digest) = (field(&["tag", "version"]), field(&["digest"]));
                match (name, tag.is_some() || digest.is_some()) {
                    (Some(name), false) => Some(raw_value(text, &name)),
                    (None, false) => None,
                    (name, true) => {
                        let at = name.as_ref().map_or(0, |span| span.start);
                        Some(RawParts { name: name.map(|span| text[span].to_owned()), tag, digest, at }.find(text))
                    }
                }
            }
            Node::List(_) | Node::Other => None,
        }
    }
}

/// Returns where a string's value stands in its token, if it stands there as it is.
fn literal(text: &str, token: &Span, value: &str) -> Option<Span> {
    let raw = text.get(token.clone())?;
    let quote = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
    let start = token.start + quote;
    (text.get(start..start + value.len()) == Some(value)).then(|| start..start + value.len())
}

impl select::Document for Tree {
    type Node = usize;

    fn member(&self, node: usize, name: &str) -> Option<usize> {
        match &self.nodes[node] {
            Node::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| *node),
            _ => None,
        }
    }

    fn elements(&self, node: usize) -> Option<Vec<usize>> {
        match &self.nodes[node] {
            Node::List(elements) => Some(elements.clone()),
            _ => None,
        }
    }

    fn values(&self, node: usize) -> Vec<usize> {
        match &self.nodes[node] {
            Node::Map(members) => members.iter().map(|(_, node)| *node).collect(),
            Node::List(elements) => elements.clone(),
            Node::Text { .. } | Node::Other => Vec::new(),
        }
    }

    fn target(&self, node: usize) -> usize {
        node
    }
}
