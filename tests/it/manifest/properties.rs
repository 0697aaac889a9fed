//! Properties over generated YAML: only the intended spans differ, an edit is idempotent, and the parser reports
//! the same before and after but for the intended scalars.

use std::fmt::Write as _;

use granit_parser::{Event, Parser};
use proptest::prelude::{
    BoxedStrategy, Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use tagboat::manifest::Surroundings;
use tagboat::model::policy::Pin;

use super::{carry_out, is_listed_only, path, scan_alone, wish};
use crate::bodies::manifest::rebuilt;

const OLD_DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";
const NEW_DIGEST: &str = "sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

/// A value of the generated tree.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    /// Text as it stands in the file, on one line.
    Scalar(String),
    /// `image:` with a reference, its quote and digest.
    Image(&'static str, bool),
    /// A map of repository, tag and perhaps digest.
    Parts(&'static str, bool),
    /// A block scalar.
    Block(&'static str, Vec<String>),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
    /// A flow collection with one image in it.
    Flow(&'static str),
}

impl Tree {
    /// How many references of the watched image the tree holds, one for each place.
    fn references(&self) -> usize {
        match self {
            Self::Scalar(_) | Self::Block(..) => 0,
            Self::Image(..) | Self::Parts(..) | Self::Flow(_) => 1,
            Self::List(items) => items.iter().map(Self::references).sum(),
            Self::Map(entries) => entries.iter().map(|(_, value)| value.references()).sum(),
        }
    }
}

fn scalar() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}",
        "'[a-zü #:{}-]{0,8}'",
        "\"[a-z日 #:{}\\[-]{0,8}\"",
        Just("\"\\u00e9\\t\"".to_owned()),
        Just("1.4.0".to_owned()),
        Just("on".to_owned()),
        Just("0o17".to_owned()),
        Just("~".to_owned()),
        Just("!!str yes".to_owned()),
        Just("😀 text".to_owned()),
        Just("ghcr.io/acme/web:1.4.0".to_owned()),
    ]
    .boxed()
}

fn quote() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just("'"), Just("\"")]
}

pub(super) fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        scalar().prop_map(Tree::Scalar),
        (quote(), any::<bool>()).prop_map(|(quote, digest)| Tree::Image(quote, digest)),
        (quote(), any::<bool>()).prop_map(|(quote, digest)| Tree::Parts(quote, digest)),
        (
            prop_oneof![Just("|"), Just(">-"), Just("|+"), Just(">")],
            prop::collection::vec("[a-z:#-][a-z #:-]{0,12}", 1..3)
        )
            .prop_map(|(header, lines)| Tree::Block(header, lines)),
        quote().prop_map(Tree::Flow),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::List),
            prop::collection::vec(("[a-z]{1,5}", inner), 1..4).prop_map(|entries| {
                // Every key once: duplicates have tests of their own.
                let keyed = entries.into_iter().enumerate();
                Tree::Map(keyed.map(|(index, (key, value))| (format!("k{key}{index}"), value)).collect())
            }),
        ]
    })
}

/// How a document is laid out.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    indent: usize,
    blank_lines: bool,
    comments: bool,
    trailing: &'static str,
    line_end: &'static str,
    mark: &'static str,
    bom: bool,
    ended: bool,
}

pub(super) fn layout() -> impl Strategy<Value = Layout> {
    let trailing = prop_oneof![Just(""), Just("  "), Just(" # c: 1"), Just("\t# tab"), Just("   #  ü")];
    let line_end = prop_oneof![Just("\n"), Just("\r\n"), Just("mixed")];
    let mark =
        prop_oneof![Just(""), Just("---\n"), Just("--- # first\n"), Just("# head\n---\n"), Just("%YAML 1.2\n---\n")];
    (1..5_usize, any::<bool>(), any::<bool>(), trailing, line_end, mark, any::<bool>(), any::<bool>()).prop_map(
        |(indent, blank_lines, comments, trailing, line_end, mark, bom, ended)| Layout {
            indent,
            blank_lines,
            comments,
            trailing,
            line_end,
            mark,
            bom,
            ended,
        },
    )
}

fn write_entries(entries: &[(String, Tree)], depth: usize, layout: &Layout, out: &mut String) {
    for (key, value) in entries {
        let pad = " ".repeat(depth * layout.indent);
        if layout.blank_lines {
            out.push('\n');
        }
        if layout.comments {
            writeln!(out, "{pad}# about {key}").unwrap();
        }
        write!(out, "{pad}{key}:").unwrap();
        write_value(value, depth, layout, out);
    }
}

/// Writes what follows `key:` or `-`.
fn write_value(value: &Tree, depth: usize, layout: &Layout, out: &mut String) {
    let pad = " ".repeat((depth + 1) * layout.indent);
    let end = layout.trailing;
    match value {
        Tree::Scalar(text) => writeln!(out, "  {text}{end}").unwrap(),
        Tree::Image(quote, digest) => {
            let digest = if *digest { format!("@{OLD_DIGEST}") } else { String::new() };
            writeln!(out, "{end}\n{pad}image:   {quote}ghcr.io/acme/web:1.4.0{digest}{quote}{end}").unwrap();
        }
        Tree::Parts(quote, digest) => {
            writeln!(out, "{end}\n{pad}tag: {quote}1.4.0{quote}{end}\n{pad}repository: ghcr.io/acme/web{end}").unwrap();
            if *digest {
                writeln!(out, "{pad}digest: {OLD_DIGEST}{end}").unwrap();
            }
        }
        Tree::Flow(quote) => {
            writeln!(out, " {{ a: [1,2] , image: {quote}ghcr.io/acme/web:1.4.0{quote}, b: {{}} }}{end}").unwrap();
        }
        Tree::Block(header, lines) => {
            writeln!(out, " {header}").unwrap();
            for line in lines {
                writeln!(out, "{pad}{line}").unwrap();
            }
        }
        Tree::List(items) => {
            writeln!(out, "{end}").unwrap();
            for item in items {
                write!(out, "{pad}-").unwrap();
                write_value(item, depth + 1, layout, out);
            }
        }
        Tree::Map(entries) => {
            writeln!(out, "{end}").unwrap();
            write_entries(entries, depth + 1, layout, out);
        }
    }
}

pub(super) fn document(entries: &[(String, Tree)], layout: &Layout) -> String {
    let mut text = layout.mark.to_owned();
    write_entries(entries, 0, layout, &mut text);
    if !layout.ended {
        text.truncate(text.trim_end().len());
    }
    let text = match layout.line_end {
        "mixed" => text.split('\n').enumerate().fold(String::new(), |mut mixed, (number, line)| {
            if number > 0 {
                mixed.push_str(if number % 2 == 0 { "\r\n" } else { "\n" });
            }
            mixed.push_str(line);
            mixed
        }),
        end => text.replace('\n', end),
    };
    if layout.bom { format!("\u{feff}{text}") } else { text }
}

/// Everything that the parser reports, with the watched texts made equal.
fn events(text: &str, replace: &[(&str, &str)]) -> Vec<String> {
    let options = granit_parser::options! { emit_anchor_events: true };
    Parser::new_from_str_with_options(text, options)
        .map(|event| match event.expect("both sides parse").0 {
            Event::Scalar(value, style, anchor, tag) => {
                let value = replace.iter().find(|(old, _)| *old == value).map_or(&*value, |(_, new)| new);
                let is_new = replace.iter().any(|(_, new)| *new == value);
                // Only a value that was changed may have got quotes.
                format!("{value:?} {} {anchor} {tag:?}", if is_new { String::new() } else { format!("{style:?}") })
            }
            other => format!("{other:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_its_spans_and_nothing_else(
        trees in prop::collection::vec(("[a-z]{1,4}", tree()), 1..5),
        layout in layout(),
        tag in prop_oneof![Just("1.5.0"), Just("1.20"), Just("1e3"), Just("2026-11-20"), Just("v2"), Just("0x1f")],
    ) {
        let entries: Vec<(String, Tree)> =
            trees.into_iter().enumerate().map(|(index, (key, tree))| (format!("r{key}{index}"), tree)).collect();
        let before = document(&entries, &layout);
        let expected: usize = entries.iter().map(|(_, tree)| tree.references()).sum();
        let found = scan_alone("values.yaml", before.as_bytes());
        prop_assert_eq!(&found.passed_over, &[], "{}", before);
        let followed: Vec<_> = found.sites.iter().filter(|site| !is_listed_only(site)).collect();
        prop_assert_eq!(followed.len(), expected, "{}", before);

        let wishes = [wish("ghcr.io/acme/web", tag, Some(NEW_DIGEST), Pin::AsWritten)];
        let file = path("values.yaml");
        let edited = carry_out(&file, before.as_bytes(), &Surroundings::default(), &wishes);
        prop_assert_eq!(&edited.refused, &[], "{}", before);
        let Some(edit) = edited.file else {
            prop_assert_eq!(expected, 0);
            return Ok(());
        };
        prop_assert_eq!(rebuilt(before.as_bytes(), &edited.changes), edit.after.clone());
        let slots: usize = followed.iter().map(|site| site.slots.len()).sum();
        prop_assert_eq!(edited.changes.len(), slots);
        for change in &edited.changes {
            prop_assert!(change.replaces.starts_with("1.4.0") || change.replaces == OLD_DIGEST, "{:?}", change);
        }
        let after = String::from_utf8(edit.after).unwrap();
        prop_assert_eq!(after.matches("\r\n").count(), before.matches("\r\n").count());
        prop_assert_eq!(after.lines().count(), before.lines().count());

        let image = format!("ghcr.io/acme/web:{tag}");
        let pinned = format!("{image}@{NEW_DIGEST}");
        let old_pinned = format!("ghcr.io/acme/web:1.4.0@{OLD_DIGEST}");
        let replace = [
            ("ghcr.io/acme/web:1.4.0", image.as_str()),
            (old_pinned.as_str(), pinned.as_str()),
            ("1.4.0", tag),
            (OLD_DIGEST, NEW_DIGEST),
        ];
        prop_assert_eq!(events(&before, &replace), events(&after, &replace));

        let again = carry_out(&file, after.as_bytes(), &Surroundings::default(), &wishes);
        prop_assert_eq!((again.file, again.refused.len()), (None, 0));
        let fresh = scan_alone("values.yaml", after.as_bytes());
        let followed: Vec<_> = fresh.sites.iter().filter(|site| !is_listed_only(site)).collect();
        prop_assert!(followed.iter().all(|site| site.value.tag.as_ref().is_some_and(|now| now.as_str() == tag)));
        prop_assert_eq!(followed.len(), expected);
    }
}

/// Puts a values file into an Argo CD application, as a block scalar.
fn embedded(values: &str, header: &str, indent: usize) -> String {
    let mut text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    repoURL: https://acme.example\n    chart: web\n    helm:\n".to_owned();
    writeln!(text, "      values: {header}").unwrap();
    for line in values.lines() {
        let pad = if line.is_empty() { 0 } else { 6 + indent };
        writeln!(text, "{}{line}", " ".repeat(pad)).unwrap();
    }
    text.push_str("    # 1.4.0\n    targetRevision: 1.4.0\n");
    text
}

pub(super) fn named(trees: Vec<(String, Tree)>) -> Vec<(String, Tree)> {
    trees.into_iter().enumerate().map(|(index, (key, tree))| (format!("r{key}{index}"), tree)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_within_a_block_scalar_change_as_those_in_a_file_do(
        trees in prop::collection::vec(("[a-z]{1,4}", tree()), 1..4),
        layout in layout(),
        header in prop_oneof![Just("|"), Just("|-"), Just("|+"), Just("| # why")],
        indent in 1..5_usize,
        tag in prop_oneof![Just("1.5.0"), Just("1.20"), Just("v2")],
    ) {
        let plain = Layout { line_end: "\n", mark: "", bom: false, ended: true, ..layout.clone() };
        let values = document(&named(trees), &plain);
        let wishes = [wish("ghcr.io/acme/web", tag, Some(NEW_DIGEST), Pin::AsWritten)];
        let edit = |name: &str, text: &str| {
            let edited = carry_out(&path(name), text.as_bytes(), &Surroundings::default(), &wishes);
            (edited.file.map(|edit| String::from_utf8(edit.after).unwrap()), edited.refused)
        };
        let (alone, refused) = edit("values.yaml", &values);
        prop_assert_eq!(refused, []);
        let line_end = if layout.line_end == "\r\n" { "\r\n" } else { "\n" };
        let whole = |values: &str| embedded(values, header, indent).replace('\n', line_end);
        let before = whole(&values);
        let (within, refused) = edit("app.yaml", &before);
        prop_assert_eq!(refused, [], "{}", before);
        prop_assert_eq!(within, alone.map(|alone| whole(&alone)), "{}", before);
    }

    #[test]
    fn a_digest_that_is_pinned_is_one_line_more(
        trees in prop::collection::vec(("[a-z]{1,4}", tree()), 1..4),
        layout in layout(),
        tag in prop_oneof![Just("1.4.0"), Just("1.20"), Just("v2")],
    ) {
        let before = document(&named(trees), &layout);
        let wishes = [wish("ghcr.io/acme/web", tag, Some(NEW_DIGEST), Pin::Digest)];
        let file = path("values.yaml");
        let edited = carry_out(&file, before.as_bytes(), &Surroundings::default(), &wishes);
        prop_assert_eq!(&edited.refused, &[], "{}", before);
        let Some(edit) = edited.file else { return Ok(()) };
        prop_assert_eq!(rebuilt(before.as_bytes(), &edited.changes), edit.after.clone());
        let after = String::from_utf8(edit.after).unwrap();
        let added = edited.changes.iter().filter(|change| change.replaces.is_empty()).count();
        prop_assert_eq!(after.lines().count(), before.lines().count() + added, "{}", before);
        let fresh = scan_alone("values.yaml", after.as_bytes());
        let is_pinned = |site: &tagboat::model::site::Site| {
            site.value.digest.as_ref().is_some_and(|digest| digest.as_str() == NEW_DIGEST)
        };
        prop_assert!(fresh.sites.iter().filter(|site| !is_listed_only(site)).all(is_pinned), "{}", after);
        let again = carry_out(&file, after.as_bytes(), &Surroundings::default(), &wishes);
        prop_assert_eq!((again.file, again.refused.len()), (None, 0));
    }
}
