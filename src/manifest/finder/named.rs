//! What names a find in its document, so that it is told from others of its file whatever their order.
//!
//! Entry point: [`give`]. Reads kinds and names of resources, keys, and the names of items; never positions.

use std::collections::HashMap;

use crate::manifest::finder::Found;
use crate::manifest::yaml::tree::{NodeId, Role, Shape, Tree};
use crate::model::site::Named;

/// The keys by which items of lists are told apart, the first that there is.
const NAMES: [&str; 3] = ["name", "id", "alias"];

/// Says of finds of one chunk what names them.
pub(crate) fn give(tree: &Tree<'_>, finds: &mut [Found]) {
    let mut names = Names { tree, known: HashMap::new() };
    for find in finds {
        // What was found by its line alone has no node yet.
        let node = find.nodes.first().copied().or_else(|| tree.scalar_at(find.offset()));
        if let Some(node) = node {
            find.named = names.of(node).into_text(find.named);
        }
    }
}

/// What names the nodes of a chunk; each is looked at once, however many finds it holds.
struct Names<'t, 'a> {
    tree: &'t Tree<'a>,
    known: HashMap<NodeId, Named>,
}

impl Names<'_, '_> {
    fn of(&mut self, node: NodeId) -> Named {
        let known = |node: &NodeId| !self.known.contains_key(node);
        let way: Vec<NodeId> =
            std::iter::successors(Some(node), |at| self.tree.parent(*at)).take_while(known).collect();
        let above = way.last().and_then(|last| self.tree.parent(*last));
        let mut named = above.or((way.is_empty()).then_some(node)).and_then(|at| self.known.get(&at)).copied();
        for at in way.into_iter().rev() {
            let own = self.step(named.unwrap_or_default(), at);
            self.known.insert(at, own);
            named = Some(own);
        }
        named.unwrap_or_default()
    }

    /// Goes on from a collection to one of its nodes.
    fn step(&self, above: Named, node: NodeId) -> Named {
        let tree = self.tree;
        let is_item = matches!(tree.role(node), Role::Item);
        let named = match tree.role(node) {
            Role::Root => above,
            Role::Item => above.then("[]"),
            Role::Key => above.then("?"),
            Role::Value(key) => above.then(tree.text(key).unwrap_or_default()),
        };
        if tree.shape(node) != Shape::Mapping {
            return named;
        }
        let filled = |mapping: NodeId, key: &str| tree.own(mapping, key).and_then(|value| tree.filled(value));
        let metadata = tree.own(node, "metadata").map(|value| tree.resolve(value));
        if let Some((kind, metadata)) = filled(node, "kind").zip(metadata) {
            return named.then(kind).in_resource(filled(metadata, "name"), filled(metadata, "namespace"));
        }
        // What has a version in it is the reference itself, as the services of a pipeline are written.
        let own = |key: &&str| filled(node, key).filter(|name| !name.contains([':', '@']));
        match NAMES.iter().find_map(own).filter(|_| is_item) {
            Some(name) => named.then(name),
            None => named,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::manifest::{Limits, Surroundings, scan};
    use crate::model::file::RepoPath;
    use crate::model::site::Named;

    fn named(path: &str, text: &str) -> Vec<Named> {
        let found = scan(&RepoPath::new(path).unwrap(), text.as_bytes(), &Surroundings::default(), &Limits::default());
        found.sites.iter().map(|site| site.named).collect()
    }

    fn deployment(name: &str, namespace: &str, containers: &[&str]) -> String {
        let all: String =
            containers.iter().map(|name| format!("      - {{image: 'acme/web:1', name: {name}}}\n")).collect();
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             template:\n    spec:\n      containers:\n{all}"
        )
    }

    #[test]
    fn the_order_of_documents_and_of_containers_makes_no_difference() {
        let one =
            deployment("web", "eu", &["a", "b"]) + &deployment("web", "us", &["a"]) + &deployment("job", "eu", &["a"]);
        let other =
            deployment("job", "eu", &["a"]) + &deployment("web", "us", &["a"]) + &deployment("web", "eu", &["b", "a"]);
        let (one, other) = (named("a.yaml", &one), named("a.yaml", &other));
        assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(one.iter().collect::<BTreeSet<_>>(), other.iter().collect::<BTreeSet<_>>());
        // The namespace alone, and the resource alone, are told apart from the rest.
        assert_eq!((one[0].within, one[0].resource), (one[2].within, one[2].resource));
        assert_eq!((one[0].within, one[0].namespace), (one[3].within, one[3].namespace));
    }

    #[test]
    fn keys_and_names_of_items_tell_and_what_bears_the_version_does_not() {
        let values = named("values.yaml", "a: {image: {repository: acme/web, tag: '1'}}\nb: {image: 'acme/web:1'}\n");
        assert_eq!((values.len(), values[0] != values[1]), (2, true));
        let services = |tag: &str| format!("test:\n  image: acme/web:1\n  services:\n    - name: acme/web:{tag}\n");
        assert_eq!(named(".gitlab-ci.yml", &services("1")), named(".gitlab-ci.yml", &services("2")));
        let unnamed =
            named("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{image: 'a/b:1'}, {image: 'a/b:2'}]\n");
        assert_eq!((unnamed.len(), unnamed[0]), (2, unnamed[1]));
    }

    #[test]
    fn text_within_a_text_is_named_by_both() {
        let inner = "        a: {image: 'acme/web:1'}\n        b: {image: 'acme/web:1'}\n";
        let text = |name: &str| {
            format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  source:\n    \
                 repoURL: https://git.acme.example/shop.git\n    helm:\n      values: |\n{inner}"
            )
        };
        let (one, other) = (named("a.yaml", &text("one")), named("a.yaml", &text("other")));
        assert_eq!((one.len(), one[0] != one[1], one[0].within == other[0].within), (2, true, true));
        assert_ne!(one[0].resource, other[0].resource);
    }

    #[test]
    fn ten_thousand_finds_below_one_large_mapping_are_named_by_looking_at_it_once() {
        let keys: String = (0..10_000).map(|at| format!("k{at}: {{image: 'acme/web:1'}}\n")).collect();
        let all = named("values.yaml", &keys);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 10_000);
    }
}
