//! An object's fields by their path.

use crate::manifest::yaml::tree::{NodeId, Shape, Tree};

/// A mapping, and everything below it.
#[derive(Clone, Copy)]
pub(super) struct Object<'t> {
    pub(super) tree: &'t Tree<'t>,
    pub(super) root: NodeId,
}

impl<'t> Object<'t> {
    /// Returns the node at a path of keys, an alias as what it stands for.
    pub(super) fn node(&self, path: &[&str]) -> Option<NodeId> {
        path.iter().try_fold(self.root, |at, key| Some(self.tree.resolve(self.tree.own(at, key)?)))
    }

    /// Returns the text of a scalar; `None` where it is empty, null or no scalar.
    pub(super) fn text(&self, path: &[&str]) -> Option<&'t str> {
        let tree: &'t Tree<'t> = self.tree;
        tree.filled(self.node(path)?)
    }

    /// Returns the items of a list.
    pub(super) fn items(&self, path: &[&str]) -> Vec<NodeId> {
        let list = self.node(path).filter(|node| self.tree.shape(*node) == Shape::Sequence);
        list.into_iter().flat_map(|list| self.tree.children(list)).map(|item| self.tree.resolve(item)).collect()
    }

    /// Returns the texts of a list's scalars.
    pub(super) fn texts(&self, path: &[&str]) -> Vec<String> {
        self.items(path).into_iter().filter_map(|item| self.tree.filled(item)).map(str::to_owned).collect()
    }

    /// Whether a flag is set.
    pub(super) fn is_set(&self, path: &[&str]) -> bool {
        self.text(path) == Some("true")
    }

    /// Returns the object below a node.
    pub(super) fn at(&self, root: NodeId) -> Self {
        Self { tree: self.tree, root }
    }
}
