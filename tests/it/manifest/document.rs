//! What `docs/formats.md` says: each example is scanned, and each fixture that it names must be there.

use std::fs;
use std::path::Path;

use super::scan_alone;

/// Says what a scan finds, as the document does below its example.
fn findings(name: &str, example: &str) -> String {
    let found = scan_alone(name, example.as_bytes());
    assert_eq!(found.passed_over, [], "{name}");
    let sites = found.sites.iter().map(|site| {
        let image = site.image.as_ref().map_or("-", |image| image.as_str());
        let skipped = site.skipped.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("`{image}` `{}` on line {}{skipped}", site.value, site.position.line)
    });
    format!("Found: {}.", sites.collect::<Vec<_>>().join("; "))
}

#[test]
fn each_example_of_the_document_holds_what_is_said_below_it() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let document = fs::read_to_string(&at).unwrap();
    let (mut told, mut example, mut findings_below) = (String::new(), None::<(String, String)>, None::<String>);
    let mut examples = 0;
    for line in document.lines() {
        if let Some((name, text)) = &mut example {
            if line == "```" {
                findings_below = Some(findings(name, text));
                examples += 1;
                example = None;
            } else {
                text.push_str(line);
                text.push('\n');
            }
        } else if let Some(fence) = line.strip_prefix("```") {
            assert_eq!(findings_below, None, "nothing is said below the example before `{fence}`");
            let (_, name) = fence.split_once(' ').unwrap_or_else(|| panic!("an example without a file: {fence}"));
            example = Some((name.to_owned(), String::new()));
        } else if line.starts_with("Found: ") {
            told.push_str(&findings_below.take().expect("an example stands above"));
            told.push('\n');
            continue;
        }
        told.push_str(line);
        told.push('\n');
    }
    assert_eq!((example, findings_below), (None, None));
    assert!(examples > 15, "only {examples} examples");
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 is how goldens are rewritten")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&at, &told).unwrap();
    } else {
        assert_eq!(document, told, "UPDATE=1 rewrites what is said below the examples, to be reviewed");
    }
}

#[test]
fn each_fixture_that_the_document_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/formats.md")).unwrap();
    let (_, table) = document.split_once("| shown by |").unwrap();
    let mut named = 0;
    for row in table.lines().skip(2).filter(|row| row.starts_with('|')) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(root.join("tests/data/manifest").join(name).join("orders.txt").is_file(), "{name}");
        }
    }
    assert!(named > 10, "only {named} fixtures are named");
}
