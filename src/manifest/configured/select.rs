//! Which nodes of a document a JSONPath selects (RFC 9535, section 2).
//!
//! Each node is selected once, so that a path costs at most one walk over the document a segment.

use std::collections::HashSet;
use std::hash::Hash;

use crate::model::json_path::{JsonPath, Segment, Selector};

/// A tree of maps and lists.
pub(super) trait Document {
    /// A node's name.
    type Node: Copy + Eq + Hash;

    /// Returns the member of a map; `None` for any other node.
    fn member(&self, node: Self::Node, name: &str) -> Option<Self::Node>;

    /// Returns the elements of a list; `None` for any other node.
    fn elements(&self, node: Self::Node) -> Option<Vec<Self::Node>>;

    /// Returns the elements of a list or the values of a map.
    fn values(&self, node: Self::Node) -> Vec<Self::Node>;

    /// Returns the node that a node only repeats, or the node itself.
    fn target(&self, node: Self::Node) -> Self::Node;
}

/// Returns the selected nodes, each once, in the order of the path.
pub(super) fn select<D: Document>(document: &D, root: D::Node, path: &JsonPath) -> Vec<D::Node> {
    let mut nodes = vec![root];
    for segment in path.segments() {
        nodes = step(document, &nodes, segment);
    }
    nodes
}

fn step<D: Document>(document: &D, from: &[D::Node], segment: &Segment) -> Vec<D::Node> {
    let all;
    let from = if segment.descends {
        all = everything(document, from);
        &all
    } else {
        from
    };
    let (mut entered, mut seen) = (HashSet::new(), HashSet::new());
    let mut picked = Vec::new();
    for node in from.iter().filter(|node| entered.insert(document.target(**node))) {
        for selector in &segment.selectors {
            picked.extend(pick(document, *node, selector).into_iter().filter(|node| seen.insert(*node)));
        }
    }
    picked
}

/// Returns nodes with everything below them.
fn everything<D: Document>(document: &D, from: &[D::Node]) -> Vec<D::Node> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    let mut open: Vec<D::Node> = from.iter().rev().copied().collect();
    while let Some(node) = open.pop() {
        if seen.insert(node) {
            all.push(node);
            open.extend(document.values(node).into_iter().rev().filter(|child| document.target(*child) == *child));
        }
    }
    all
}

fn pick<D: Document>(document: &D, node: D::Node, selector: &Selector) -> Vec<D::Node> {
    match selector {
        Selector::Name(name) => document.member(node, name).into_iter().collect(),
        Selector::All => document.values(node),
        Selector::Index(index) => {
            let elements = document.elements(node).unwrap_or_default();
            from_end(*index, elements.len()).and_then(|at| elements.get(at).copied()).into_iter().collect()
        }
        Selector::Slice { start, end, step } => {
            let elements = document.elements(node).unwrap_or_default();
            Selector::slice(elements.len(), *start, *end, *step).into_iter().map(|at| elements[at]).collect()
        }
    }
}

fn from_end(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { index.checked_add(length)? } else { index }).ok()
}
