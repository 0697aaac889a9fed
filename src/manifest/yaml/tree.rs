//! The node tree of one chunk: a vector in document order, each node with its byte range in the file.
//!
//! A subtree is a contiguous range of the vector, so that walks are loops and deep nesting costs no stack.
//! Aliases point at their anchors and are never expanded.

use std::borrow::Cow;
use std::cell::Cell;

use crate::model::file::Span;
use crate::model::site::ScalarStyle;

/// How many keys merge lookups may look at in one chunk before they find nothing more.
const MERGE_BUDGET: usize = 1_000_000;

/// How many `<<` may be followed one after the other.
const MERGE_DEPTH: usize = 4;

/// A node's place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

impl NodeId {
    pub(super) const NONE: Self = Self(u32::MAX);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Text.
    Scalar(ScalarStyle),
    /// A list.
    Sequence,
    /// A map; its children are key, value, key, value.
    Mapping,
    /// `*name`, with the node it stands for.
    Alias(NodeId),
}

/// Where a node stands in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A document's root.
    Root,
    /// An element of a sequence.
    Item,
    /// A key of a mapping.
    Key,
    /// The value of a key.
    Value(NodeId),
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(super) shape: Shape,
    pub(super) role: Role,
    pub(super) parent: NodeId,
    pub(super) end: u32,
    pub(super) start: u32,
    pub(super) stop: u32,
    pub(super) anchored: bool,
    pub(super) text: Cow<'a, str>,
}

/// A comment with its `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Its bytes in the file.
    pub(crate) span: Span,
}

/// The nodes of one chunk, which may hold several documents.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) roots: Vec<NodeId>,
    pub(super) comments: Vec<Comment>,
    pub(super) aliases: Vec<NodeId>,
    pub(super) merged: Cell<usize>,
}

impl<'a> Tree<'a> {
    /// Returns the roots of the documents.
    pub(crate) fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// Returns how many nodes there are; every number below is a node's id.
    pub(crate) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Returns the comments in document order; empty where they were not asked for.
    pub(crate) fn comments(&self) -> &[Comment] {
        &self.comments
    }

    /// Returns every alias with the node it stands for.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = (NodeId, NodeId)> {
        self.aliases.iter().map(|id| (*id, self.resolve(*id)))
    }

    /// Returns a node's shape.
    pub(crate) fn shape(&self, id: NodeId) -> Shape {
        self.nodes[id.index()].shape
    }

    /// Returns a node's place in its parent.
    pub(crate) fn role(&self, id: NodeId) -> Role {
        self.nodes[id.index()].role
    }

    /// Returns a node's parent, `None` for a root.
    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        let parent = self.nodes[id.index()].parent;
        (parent != NodeId::NONE).then_some(parent)
    }

    /// Whether a node has an anchor.
    pub(crate) fn is_anchored(&self, id: NodeId) -> bool {
        self.nodes[id.index()].anchored
    }

    /// Returns the bytes of the node in the file: of a scalar its whole token, without anchor and tag.
    pub(crate) fn span(&self, id: NodeId) -> Span {
        let node = &self.nodes[id.index()];
        node.start as usize..node.stop as usize
    }

    /// Returns the node after a whole subtree.
    pub(crate) fn end(&self, id: NodeId) -> NodeId {
        NodeId(self.nodes[id.index()].end)
    }

    /// Returns the node that an alias stands for, or the node itself.
    pub(crate) fn resolve(&self, id: NodeId) -> NodeId {
        match self.shape(id) {
            Shape::Alias(target) => target,
            _ => id,
        }
    }

    /// Returns the text of a scalar, or of the scalar that an alias stands for.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        let node = &self.nodes[self.resolve(id).index()];
        matches!(node.shape, Shape::Scalar(_)).then_some(&*node.text)
    }

    /// Returns a scalar's style.
    pub(crate) fn style(&self, id: NodeId) -> Option<ScalarStyle> {
        match self.shape(id) {
            Shape::Scalar(style) => Some(style),
            _ => None,
        }
    }

    /// Returns a scalar's text, and `None` where it is empty or null.
    pub(crate) fn filled(&self, id: NodeId) -> Option<&str> {
        let text = self.text(id)?;
        let plain = self.style(self.resolve(id)) == Some(ScalarStyle::Plain);
        let is_null = plain && matches!(text, "~" | "null" | "Null" | "NULL");
        (!is_null && !text.trim().is_empty()).then_some(text)
    }

    /// Returns the children: items, or keys and values in turn.
    pub(crate) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let end = self.end(id);
        let first = match self.shape(id) {
            Shape::Sequence | Shape::Mapping => NodeId(id.0 + 1),
            Shape::Scalar(_) | Shape::Alias(_) => end,
        };
        let within = move |child: NodeId| (child < end).then_some(child);
        std::iter::successors(within(first), move |child| within(self.end(*child)))
    }

    /// Returns the keys and values of a mapping, nothing for any other node.
    pub(crate) fn entries(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> {
        let mut children = (self.shape(id) == Shape::Mapping).then(|| self.children(id)).into_iter().flatten();
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Returns the value of a key that the mapping itself holds; the first where it stands twice.
    pub(crate) fn own(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        self.entries(mapping).find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| value)
    }

    /// Returns the mappings that `<<` brings into a mapping.
    pub(crate) fn merges(&self, mapping: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut open = vec![(mapping, 0)];
        while let Some((at, depth)) = open.pop() {
            if depth > 0 {
                let spent = self.merged.get() + (self.end(at).0 - at.0) as usize;
                if spent > MERGE_BUDGET {
                    break;
                }
                self.merged.set(spent);
                found.push(at);
            }
            if depth == MERGE_DEPTH {
                continue;
            }
            let values = self.entries(at).filter(|(name, _)| self.text(*name) == Some("<<")).map(|(_, value)| value);
            for value in values {
                let value = self.resolve(value);
                match self.shape(value) {
                    Shape::Mapping => open.push((value, depth + 1)),
                    Shape::Sequence => {
                        let parts = self.children(value).map(|child| self.resolve(child)).take(16);
                        open.extend(parts.filter(|part| self.shape(*part) == Shape::Mapping).map(|p| (p, depth + 1)));
                    }
                    Shape::Scalar(_) | Shape::Alias(_) => {}
                }
            }
        }
        found
    }

    /// Returns the key of a value, as text.
    pub(crate) fn key(&self, id: NodeId) -> Option<&str> {
        match self.role(id) {
            Role::Value(key) => self.text(key),
            _ => None,
        }
    }

    /// Returns the node whose token begins at or before an offset and holds it, scalars only.
    pub(crate) fn scalar_at(&self, offset: usize) -> Option<NodeId> {
        let after = self.nodes.partition_point(|node| node.start as usize <= offset);
        (after.saturating_sub(8)..after).rev().map(|index| NodeId(index as u32)).find(|id| {
            self.style(*id).is_some() && {
                let span = self.span(*id);
                span.start <= offset && offset <= span.end
            }
        })
    }
}
