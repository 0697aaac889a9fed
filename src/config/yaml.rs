//! YAML as a tree in which every node knows its bytes.
//!
//! Entry point: [`parse`]. Every budget is checked while events arrive, before anything is built:
//! size, depth, number of nodes (aliases count as what they stand for). Tags, several documents and
//! keys that are no plain text are faults. Resolves no types: a scalar keeps the text as written.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle};

use crate::model::file::Span;

/// How large a configuration file may be, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// What the core schema's tags begin with (YAML 1.2.2, 10.1).
const CORE: &str = "tag:yaml.org,2002:";
/// How deep lists and mappings may nest.
const MAX_DEPTH: usize = 64;
/// How many nodes a file may have, with aliases written out.
const MAX_NODES: usize = 100_000;

/// What is wrong, and the bytes it is about.
pub(crate) struct Broken {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// A value with its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Text; `plain` when it stands there without quotes and is no block.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file, repeated keys included.
    Map(Vec<(Key, Node)>),
}

/// A key with its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Node {
    /// Whether nothing stands there: an empty value, `~` or `null`.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| 1 + node.count()).sum(),
        }
    }
}

enum Frame {
    List { start: usize, anchor: usize, items: Vec<Node> },
    Map { start: usize, anchor: usize, entries: Vec<(Key, Node)>, key: Option<Key> },
}

struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// Parses a text into its one document; `None` when it holds none.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, Broken> {
    let mut builder = Builder { stack: Vec::new(), anchors: HashMap::new(), root: None, documents: 0, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = boundary(text, error.marker().byte_offset().unwrap_or(text.len()));
            let message = match error.kind() {
                ErrorKind::RecursionLimitExceeded => too_deep(),
                _ => format!("this is not YAML: {}", error.info()),
            };
            Broken { span: at..at, message, hint: syntax_hint(text, at) }
        })?;
        let span = span.byte_range().unwrap_or(0..0);
        let span = boundary(text, span.start)..boundary(text, span.end);
        builder.take(event, span)?;
    }
    Ok(builder.root)
}

fn boundary(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset.min(text.len()))
}

fn syntax_hint(text: &str, at: usize) -> Option<&'static str> {
    let start = text[..at].rfind('\n').map_or(0, |line| line + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    indent.contains('\t').then_some("YAML is indented by spaces, never by tabs")
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(broken(span, "a second document begins here", Some("keep one document in this file")));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                // `!!str` says of a text that it is one, as quotes do.
                let is_text = tag.as_ref().is_some_and(|tag| tag.handle() == CORE && tag.suffix() == "str");
                refuse_tag(tag.is_some() && !is_text, &span)?;
                let plain = style == ScalarStyle::Plain && !is_text;
                let node = Node { span, value: Value::Scalar { text: Cow::into_owned(text), plain } };
                self.add(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_tag(tag.is_some(), &span)?;
                self.open(Frame::List { start: span.start, anchor, items: Vec::new() }, span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_tag(tag.is_some(), &span)?;
                self.open(Frame::Map { start: span.start, anchor, entries: Vec::new(), key: None }, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(broken(span, "this alias stands within what it names", None));
                };
                self.nodes += node.count();
                let node = node.clone();
                self.budget(&span)?;
                self.add(node, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn budget(&self, span: &Span) -> Result<(), Broken> {
        if self.nodes > MAX_NODES {
            let message = format!("the file has more than {MAX_NODES} values, with aliases written out");
            return Err(broken(span.clone(), message, None));
        }
        Ok(())
    }

    fn open(&mut self, frame: Frame, span: Span) -> Result<(), Broken> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(broken(span, too_deep(), None));
        }
        if let Some(Frame::Map { key: None, .. }) = self.stack.last() {
            return Err(broken(span, "a key must be text, not a list or a mapping", None));
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Broken> {
        let (node, anchor) = match self.stack.pop() {
            Some(Frame::List { start, anchor, items }) => {
                (Node { span: start..span.end.max(start), value: Value::List(items) }, anchor)
            }
            Some(Frame::Map { start, anchor, entries, .. }) => {
                (Node { span: start..span.end.max(start), value: Value::Map(entries) }, anchor)
            }
            None => return Ok(()),
        };
        self.add(node, anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Broken> {
        self.nodes += 1;
        self.budget(&node.span)?;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += node.count();
            self.budget(&node.span)?;
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => match node.value {
                    Value::Scalar { text, .. } => *key = Some(Key { text, span: node.span }),
                    _ => return Err(broken(node.span, "a key must be text, not a list or a mapping", None)),
                },
            },
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("lists and mappings nest deeper than {MAX_DEPTH} levels")
}

fn refuse_tag(is_tagged: bool, span: &Span) -> Result<(), Broken> {
    if is_tagged {
        return Err(broken(
            span.clone(),
            "YAML tags are not understood here",
            Some("remove the `!…` before the value"),
        ));
    }
    Ok(())
}

fn broken(span: Span, message: impl Into<String>, hint: Option<&'static str>) -> Broken {
    Broken { span, message: message.into(), hint }
}
