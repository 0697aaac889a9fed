//! What stands at a place of a JSON answer.
//!
//! Knows JSONPath's segments as `crate::model::json_path` reads them (RFC 9535 without filters).

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::model::image::shorten;
use crate::model::json_path::{JsonPath, Selector};
use crate::model::source::{Answer, Found};

/// The most places that are looked at on the way.
const MOST_PLACES: usize = 100_000;

/// A value as it was written: maps keep names that stand there twice (RFC 8259 leaves it open which one counts).
#[derive(Debug, Clone)]
enum Node {
    Map(Vec<(String, Self)>),
    List(Vec<Self>),
    Leaf(Found),
}

/// Why nothing can be said of what a path selects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unclear {
    /// It leads past too much.
    #[error("its answer has too many places for {0}")]
    TooMany(JsonPath),
    /// Nobody can tell which of two was meant.
    #[error("its answer has {0} twice in one map, where {1} leads through: which of them counts is not told")]
    Twice(String, JsonPath),
}

/// Reads an answer, and returns what stands at the places that a path selects.
pub(super) fn found(body: &[u8], path: &JsonPath) -> Result<Answer, String> {
    let document: Node = serde_json::from_slice(body)
        .map_err(|error| format!("it answered with something else than JSON: {}", shorten(&error.to_string())))?;
    let found = select(&document, path).map_err(|unclear| unclear.to_string())?;
    let value = |node: &Node| match node {
        Node::Map(_) => Found::Other("a map"),
        Node::List(_) => Found::Other("a list"),
        Node::Leaf(found) => found.clone(),
    };
    Ok(Answer::Found(found.into_iter().map(value).collect()))
}

/// Returns the selected values in the order of the path.
fn select<'a>(document: &'a Node, path: &JsonPath) -> Result<Vec<&'a Node>, Unclear> {
    let mut nodes = vec![document];
    let twice = |name: &str| Unclear::Twice(format!("`{}`", shorten(name)), path.clone());
    for segment in path.segments() {
        if segment.descends {
            nodes = everything(nodes, path)?;
        }
        let mut picked = Vec::new();
        for node in nodes {
            for selector in &segment.selectors {
                pick(node, selector, &mut picked).map_err(twice)?;
                if picked.len() > MOST_PLACES {
                    return Err(Unclear::TooMany(path.clone()));
                }
            }
        }
        nodes = picked;
    }
    Ok(nodes)
}

/// Returns values with everything below them; the parser bounds how deep that is.
fn everything<'a>(nodes: Vec<&'a Node>, path: &JsonPath) -> Result<Vec<&'a Node>, Unclear> {
    let mut all = Vec::new();
    let mut open: Vec<&Node> = nodes.into_iter().rev().collect();
    while let Some(node) = open.pop() {
        all.push(node);
        if all.len() > MOST_PLACES {
            return Err(Unclear::TooMany(path.clone()));
        }
        match node {
            Node::List(items) => open.extend(items.iter().rev()),
            Node::Map(members) => {
                let clear = members_of(members);
                let clear = clear.map_err(|name| Unclear::Twice(format!("`{}`", shorten(name)), path.clone()))?;
                open.extend(clear.rev());
            }
            Node::Leaf(_) => {}
        }
    }
    Ok(all)
}

/// Returns all members of a map, or a name that stands there twice.
fn members_of(members: &[(String, Node)]) -> Result<impl DoubleEndedIterator<Item = &Node>, &str> {
    let mut names = BTreeSet::new();
    match members.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => Err(name),
        None => Ok(members.iter().map(|(_, node)| node)),
    }
}

/// Picks what a selector means; fails with a name that stands there twice.
fn pick<'a>(node: &'a Node, selector: &Selector, picked: &mut Vec<&'a Node>) -> Result<(), &'a str> {
    match (selector, node) {
        (Selector::Name(name), Node::Map(members)) => {
            let mut own = members.iter().filter(|(other, _)| other == name);
            picked.extend(own.next().map(|(_, node)| node));
            if let Some((name, _)) = own.next() {
                return Err(name);
            }
        }
        (Selector::All, Node::Map(members)) => picked.extend(members_of(members)?),
        (Selector::All, Node::List(items)) => picked.extend(items),
        (Selector::Index(index), Node::List(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let at = if *index < 0 { index.saturating_add(length) } else { *index };
            picked.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
        }
        (Selector::Slice { start, end, step }, Node::List(items)) => {
            picked.extend(Selector::slice(items.len(), *start, *end, *step).into_iter().filter_map(|at| items.get(at)));
        }
        _ => {}
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Reads any value of JSON.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of JSON")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Node, E> {
        Ok(Node::Leaf(Found::Text(truth.to_string())))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are compared as Prometheus has them")]
    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Leaf(Found::Number(number as f64)))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are compared as Prometheus has them")]
    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Leaf(Found::Number(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Leaf(Found::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Leaf(Found::Text(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(Found::Other("null")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_picked_by_path() {
        let body = br#"{"status":{"indicator":"none","level":0,"up":true},"parts":[{"s":"ok"},{"s":"down","n":[1,2]}],"x":null}"#;
        let of = |path: &str| match found(body, &path.parse().unwrap()).unwrap() {
            Answer::Found(found) => found,
            other => panic!("{other:?}"),
        };
        let text = |text: &str| Found::Text(text.to_owned());
        assert_eq!(of("$.status.indicator"), [text("none")]);
        assert_eq!(of("$.status['level','up']"), [Found::Number(0.0), text("true")]);
        assert_eq!(of("$.parts[*].s"), [text("ok"), text("down")]);
        assert_eq!(of("$..s"), [text("ok"), text("down")]);
        assert_eq!(of("$.parts[-1].n[::-1]"), [Found::Number(2.0), Found::Number(1.0)]);
        assert_eq!(of("$.parts[0:1].s"), [text("ok")]);
        assert_eq!(
            of("$['x','parts','status']"),
            [Found::Other("null"), Found::Other("a list"), Found::Other("a map")]
        );
        for nothing in ["$.absent", "$.parts[2]", "$.parts[-3]", "$.x.y", "$[0]", "$.status[*].z"] {
            assert_eq!(of(nothing), [], "{nothing}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_on_the_way_proves_nothing() {
        let body = br#"{"ok":true,"ok":false,"parts":[{"s":"up","s":"up"}],"fine":{"s":"up"}}"#;
        let of = |path: &str| found(body, &path.parse().unwrap());
        for (path, name) in
            [("$.ok", "ok"), ("$['fine','ok']", "ok"), ("$.parts[0].s", "s"), ("$[*]", "ok"), ("$..s", "ok")]
        {
            let reason = of(path).unwrap_err();
            let told = format!("its answer has `{name}` twice in one map, where {path} leads through: ");
            assert!(reason.starts_with(&told), "{path}: {reason}");
        }
        assert_eq!(
            of("$.fine.s"),
            Ok(Answer::Found(vec![Found::Text("up".to_owned())])),
            "elsewhere it is nobody's business"
        );
    }

    #[test]
    fn what_is_no_json_or_too_much_of_it_is_an_error() {
        let of = |body: &[u8], path: &str| found(body, &path.parse().unwrap()).unwrap_err();
        assert!(of(b"<html>", "$").contains("something else than JSON"));
        assert!(of("[".repeat(10_000).as_bytes(), "$").contains("something else than JSON"));
        let wide = format!("[{}]", vec!["1"; MOST_PLACES + 1].join(","));
        assert!(of(wide.as_bytes(), "$[*]").contains("too many"));
        assert!(of(wide.as_bytes(), "$..*").contains("too many"));
    }
}
