use crate::manifest::Limits;
use crate::manifest::yaml::tree::{Shape, Tree};
use crate::manifest::yaml::{Detail, build, split};

fn tree(text: &str) -> Tree<'_> {
    build::parse(text, &(0..text.len()), &Limits::default(), Detail::Comments).unwrap()
}

#[test]
fn cuts_a_stream_only_at_document_marks() {
    let cut = |text: &'static str| split::chunks(text).into_iter().map(|chunk| &text[chunk]).collect::<Vec<_>>();
    assert_eq!(cut("a: 1\n---\nb: 2\n--- c\n---\td"), ["a: 1\n", "---\nb: 2\n", "--- c\n", "---\td"]);
    assert_eq!(cut("a: 1\r\n---\r\nb: 2\r---"), ["a: 1\r\n", "---\r\nb: 2\r", "---"]);
    assert_eq!(cut("\u{feff}---\na: 1"), ["\u{feff}", "---\na: 1"]);
    for whole in ["a: ---\n", "----\n", "---a: 1\n", " ---\n", "# ---\n", "%TAG ! !\n---\na: 1\n---\n", "a: --- ---"] {
        assert_eq!(cut(whole), [whole], "{whole:?}");
    }
    assert_eq!(cut(""), [""; 0]);
}

#[test]
fn spans_are_exact_for_every_style_and_line_end() {
    let lines = "\u{feff}a: &x plain # c\nb: 'single'\nc: \"dou\\tble\"\n日本: [ü, *x, {k: v}]\nd: |\n  literal\n";
    for text in [lines.to_owned(), lines.replace('\n', "\r\n")] {
        let tree = tree(&text);
        let raw: Vec<&str> = (0..tree.len())
            .map(crate::manifest::yaml::tree::NodeId)
            .filter(|id| !matches!(tree.shape(*id), Shape::Mapping | Shape::Sequence))
            .map(|id| text[tree.span(id)].trim())
            .collect();
        let wanted = ["a", "plain", "b", "'single'", "c", "\"dou\\tble\"", "日本", "ü", "*x", "k", "v", "d"];
        assert_eq!(raw[..12], wanted);
        assert!(raw[12].ends_with("literal"), "{:?}", raw[12]);
        assert_eq!(tree.comments().iter().map(|comment| &text[comment.span.clone()]).collect::<Vec<_>>(), ["# c"]);
    }
}

#[test]
fn a_subtree_is_a_range_and_aliases_point_at_their_anchors() {
    let tree = tree("base: &b {k: v}\nlist: [1, [2, 3], 4]\nuse: {<<: *b, own: *b}\n");
    let root = tree.roots()[0];
    let list = tree.own(root, "list").unwrap();
    assert_eq!(tree.children(list).count(), 3);
    let base = tree.own(root, "base").unwrap();
    assert!(tree.is_anchored(base));
    assert!(tree.aliases().all(|(_, target)| target == base));
    let user = tree.own(root, "use").unwrap();
    assert_eq!(tree.merges(user), [base]);
    assert_eq!(tree.resolve(tree.own(user, "own").unwrap()), base);
    assert_eq!(tree.entries(root).count(), 3);
}

#[test]
fn merges_in_a_circle_or_in_great_numbers_end() {
    let mut text = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..200 {
        let refs = vec![format!("*a{}", level - 1); 16].join(", ");
        text.push_str(&format!("a{level}: &a{level} {{<<: [{refs}]}}\n"));
    }
    let many = tree(&text);
    let last = many.own(many.roots()[0], "a199").unwrap();
    assert!(many.merges(last).len() < 100_000);
    let circle = tree("a: &a\n  b: {<<: *a}\n");
    let b = circle.own(circle.own(circle.roots()[0], "a").unwrap(), "b").unwrap();
    assert_eq!(circle.merges(b), []);
}
