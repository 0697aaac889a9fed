//! From the parser's events to a tree, within limits.

use std::borrow::Cow;

use granit_parser::Event;

use crate::manifest::Limits;
use crate::manifest::yaml::tree::{Comment, Node, NodeId, Role, Shape, Tree};
use crate::manifest::yaml::{Detail, Fault, events, fault};
use crate::model::file::Span;
use crate::model::site::ScalarStyle;

/// Parses one chunk of a text.
///
/// # Errors
///
/// The chunk is no YAML, or goes beyond a limit.
pub(crate) fn parse<'a>(text: &'a str, chunk: &Span, limits: &Limits, detail: Detail) -> Result<Tree<'a>, Fault> {
    let mut builder = Builder::new(chunk);
    let mut parser = events(text, chunk, limits, detail);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| fault(chunk, &error))?;
        builder.take(event, span.byte_range().unwrap_or(0..0), limits)?;
    }
    Ok(builder.finish())
}

/// Where in an open collection the next node goes.
#[derive(Clone, Copy)]
enum Next {
    Item,
    Key,
    Value(NodeId),
}

/// Builds a tree event by event.
pub(crate) struct Builder<'a> {
    tree: Tree<'a>,
    open: Vec<(NodeId, Next)>,
    anchors: Vec<(usize, NodeId)>,
    base: usize,
}

impl<'a> Builder<'a> {
    /// Starts the tree of one chunk.
    pub(crate) fn new(chunk: &Span) -> Self {
        Self { tree: Tree::default(), open: Vec::new(), anchors: Vec::new(), base: chunk.start }
    }

    /// Returns the tree.
    pub(crate) fn finish(self) -> Tree<'a> {
        self.tree
    }

    /// Takes the next event with its bytes, counted from the chunk's start.
    ///
    /// # Errors
    ///
    /// The chunk goes beyond a limit.
    pub(crate) fn take(&mut self, event: Event<'a>, span: Span, limits: &Limits) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                self.push(Shape::Scalar(style_of(style)), span, anchor, text, limits)?;
            }
            Event::MappingStart(_, anchor, _) => self.enter(Shape::Mapping, Next::Key, span, anchor, limits)?,
            Event::SequenceStart(_, anchor, _) => self.enter(Shape::Sequence, Next::Item, span, anchor, limits)?,
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some((id, _)) = self.open.pop() {
                    let end = self.tree.nodes.len() as u32;
                    let node = &mut self.tree.nodes[id.0 as usize];
                    node.end = end;
                    node.stop = (self.base + span.end) as u32;
                }
            }
            Event::Alias(anchor) => {
                let known = self.anchors.binary_search_by_key(&anchor, |(id, _)| *id);
                let target = known.ok().map(|at| self.anchors[at].1);
                let id = self.push(Shape::Sequence, span, 0, Cow::Borrowed(""), limits)?;
                // The parser knows no alias without an anchor; a collection that holds itself is cut here.
                let target = target.filter(|target| self.open.iter().all(|(open, _)| open != target)).unwrap_or(id);
                if target != id {
                    self.tree.nodes[id.0 as usize].shape = Shape::Alias(target);
                    self.tree.aliases.push(id);
                    if self.tree.aliases.len() > limits.max_aliases {
                        return Err(Fault::TooComplex(format!("more than {} aliases", limits.max_aliases)));
                    }
                }
            }
            Event::Comment(..) => {
                self.tree.comments.push(Comment { span: self.base + span.start..self.base + span.end });
            }
            Event::DocumentStart(..) => self.anchors.clear(),
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, shape: Shape, next: Next, span: Span, anchor: usize, limits: &Limits) -> Result<(), Fault> {
        let id = self.push(shape, span, anchor, Cow::Borrowed(""), limits)?;
        self.open.push((id, next));
        if self.open.len() > limits.max_depth {
            return Err(Fault::TooComplex(format!("nested more than {} deep", limits.max_depth)));
        }
        Ok(())
    }

    fn push(
        &mut self,
        shape: Shape,
        span: Span,
        anchor: usize,
        text: Cow<'a, str>,
        limits: &Limits,
    ) -> Result<NodeId, Fault> {
        if self.tree.nodes.len() >= limits.max_nodes {
            return Err(Fault::TooComplex(format!("more than {} nodes in one document", limits.max_nodes)));
        }
        let id = NodeId(self.tree.nodes.len() as u32);
        let (parent, role) = match self.open.last_mut() {
            None => {
                self.tree.roots.push(id);
                (NodeId::NONE, Role::Root)
            }
            Some((parent, Next::Item)) => (*parent, Role::Item),
            Some((parent, next)) => {
                let role = match *next {
                    Next::Value(key) => {
                        *next = Next::Key;
                        Role::Value(key)
                    }
                    _ => {
                        *next = Next::Value(id);
                        Role::Key
                    }
                };
                (*parent, role)
            }
        };
        if anchor != 0 {
            self.anchors.push((anchor, id));
        }
        let (start, stop) = ((self.base + span.start) as u32, (self.base + span.end) as u32);
        self.tree.nodes.push(Node { shape, role, parent, end: id.0 + 1, start, stop, anchored: anchor != 0, text });
        Ok(id)
    }
}

fn style_of(style: granit_parser::ScalarStyle) -> ScalarStyle {
    match style {
        granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
        granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
        granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
        granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
        granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
    }
}
