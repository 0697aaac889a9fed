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
            slice(elements.len(), *start, *end, *step).into_iter().map(|at| elements[at]).collect()
        }
    }
}

fn from_end(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { index.checked_add(length)? } else { index }).ok()
}

/// Returns the indexes of a slice (section 2.3.4.2.2).
fn slice(length: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let normal = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let (first, last) = match step {
        0 => return Vec::new(),
        1.. => (normal(start.unwrap_or(0)).clamp(0, length), normal(end.unwrap_or(length)).clamp(0, length)),
        _ => (normal(start.unwrap_or(length - 1)).clamp(-1, length - 1), end.map_or(-1, normal).clamp(-1, length - 1)),
    };
    let goes_on = |at: &i64| if step > 0 { *at < last } else { *at > last };
    std::iter::successors(Some(first), |at| at.checked_add(step))
        .take_while(goes_on)
        .filter_map(|at| usize::try_from(at).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn slices_follow_the_standard() {
        // The examples of section 2.3.4.3, over a list of seven.
        assert_eq!(slice(7, Some(1), Some(3), 1), [1, 2]);
        assert_eq!(slice(7, Some(5), None, 1), [5, 6]);
        assert_eq!(slice(7, Some(1), Some(5), 2), [1, 3]);
        assert_eq!(slice(7, Some(5), Some(1), -2), [5, 3]);
        assert_eq!(slice(7, None, None, -1), [6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(slice(7, None, None, 0), [0; 0]);
        assert_eq!(slice(0, Some(i64::MIN), Some(i64::MAX), i64::MAX), [0; 0]);
        assert_eq!(slice(3, Some(i64::MAX), Some(i64::MIN), i64::MIN), [2]);
    }
}
