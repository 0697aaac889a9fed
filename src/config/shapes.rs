//! The shapes that values take beside plain text: lists, short forms, booleans, numbers, free mappings.
//!
//! Owns how each is read and described; what the texts within mean is their own [`Scalar`]'s.

use std::collections::HashSet;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use crate::config::fault::quote;
use crate::config::reader::{Located, Read, Reader, Scalar, first_line, is_boolean};
use crate::config::schema::Schemas;
use crate::config::yaml::{Key, Node, Value};

impl<T: Read> Read for Vec<Located<T>> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            reader.wrong_type(node, "a list");
            return None;
        };
        Some(items.iter().filter_map(|item| read_item(item, reader)).collect())
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"type": "array", "items": T::schema(schemas)})
    }
}

fn read_item<T: Read>(item: &Node, reader: &mut Reader<'_>) -> Option<Located<T>> {
    let value = T::read(item, reader)?;
    Some(Located { span: first_line(item), value })
}

/// One value, or a list of such.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<Located<T>>);

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::List(_) => Vec::read(node, reader).map(Self),
            _ => read_item(node, reader).map(|item| Self(vec![item])),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let one = T::schema(schemas);
        json!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A short form that is a scalar, or the long form that is a mapping.
#[derive(Debug, Clone)]
pub(crate) enum ShortOrLong<S, L> {
    /// The scalar.
    Short(S),
    /// The mapping.
    Long(L),
}

impl<S: Scalar, L: Read> Read for ShortOrLong<S, L> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Map(_) => L::read(node, reader).map(Self::Long),
            _ => S::read(node, reader).map(Self::Short),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [S::schema(), L::schema(schemas)]})
    }
}

/// `true`, or a text with a grammar.
#[derive(Debug, Clone)]
pub(crate) enum TrueOr<T> {
    /// The word `true`.
    True,
    /// The text.
    Text(T),
}

impl<T: Scalar> Read for TrueOr<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(Self::True),
            Value::Scalar { text, plain: true } if is_boolean(text) => {
                reader.wrong_type(node, &format!("`true` or {}", T::WHAT));
                None
            }
            _ => T::read(node, reader).map(Self::Text),
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({"anyOf": [{"const": true}, T::schema()]})
    }
}

/// The word `true` and nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct True;

impl Read for True {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(Self),
            _ => {
                reader.wrong_type(node, "`true`");
                None
            }
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({"const": true})
    }
}

impl Read for bool {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(true),
            Value::Scalar { text, plain: true } if text == "false" => Some(false),
            _ => {
                reader.wrong_type(node, "`true` or `false`");
                None
            }
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "boolean"})
    }
}

/// A whole number within bounds, both included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<const LEAST: u64, const MOST: u64>(pub(crate) u64);

impl<const LEAST: u64, const MOST: u64> Read for Whole<LEAST, MOST> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let number = match &node.value {
            Value::Scalar { text, plain: true } => u64::from_str(text).ok(),
            _ => None,
        };
        match number {
            Some(number) if (LEAST..=MOST).contains(&number) => Some(Self(number)),
            _ => {
                reader.wrong_type(node, &format!("a whole number from {LEAST} to {MOST}"));
                None
            }
        }
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({"type": "integer", "minimum": LEAST, "maximum": MOST})
    }
}

/// A mapping from free names to texts.
#[derive(Debug, Clone)]
pub(crate) struct FreeMap<T>(pub(crate) Vec<(Key, Located<T>)>);

impl<T: Read> Read for FreeMap<T> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Map(all) = &node.value else {
            reader.wrong_type(node, "a mapping from names to texts");
            return None;
        };
        let mut read: Vec<(Key, Located<T>)> = Vec::new();
        let mut known = HashSet::new();
        for (key, value) in all {
            if !known.insert(key.text.as_str()) {
                reader.fault(key.span.clone(), format!("the key {} is already there", quote(&key.text)), None);
            } else if let Some(value) = read_item(value, reader) {
                read.push((key.clone(), value));
            }
        }
        Some(Self(read))
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"type": "object", "additionalProperties": T::schema(schemas)})
    }
}
