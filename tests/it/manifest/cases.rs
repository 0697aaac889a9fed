//! Fixture folders below `tests/data/manifest`: `input/` is scanned and edited as `orders.txt` says; `scan.txt`,
//! `edit.txt` and `after/` hold what must come of it. `UPDATE=1` rewrites those three.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tagboat::manifest::{FileScan, Limits, Surroundings, scan};
use tagboat::model::policy::Pin;

use super::{Wish, carry_out, path, wish};
use crate::bodies::manifest::rebuilt;

const NEW_DIGEST: &str = "sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manifest")
}

pub(super) fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                open.push(entry);
            } else {
                let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    files
}

/// Lines such as `ghcr.io/acme/web 1.5.0`, `… 1.5.0@new` (with a digest) and `… 1.5.0@new pin`.
fn wishes(text: &str) -> Vec<Wish> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (tag, digest) = words[1].split_once('@').map_or((words[1], None), |(tag, _)| (tag, Some(NEW_DIGEST)));
            wish(words[0], tag, digest, if words.get(2) == Some(&"pin") { Pin::Digest } else { Pin::AsWritten })
        })
        .collect()
}

fn describe(name: &str, bytes: &[u8], found: &FileScan, out: &mut String) {
    let text = String::from_utf8_lossy(bytes);
    writeln!(out, "== {name}").unwrap();
    for site in &found.sites {
        let slots: Vec<String> =
            site.slots.iter().map(|slot| format!("{:?} `{}`", slot.role, &text[slot.span.clone()])).collect();
        write!(out, "{}:{} {}", site.position.line, site.position.column, site.format).unwrap();
        let image = site.image.as_ref().map_or("-", |image| image.as_str());
        write!(out, " {image} [{}] = {}: {}", site.written, site.value, slots.join(", ")).unwrap();
        for used in &site.uses {
            write!(out, " used {}:{}", used.line, used.column).unwrap();
        }
        if let Some(skipped) = &site.skipped {
            write!(out, " skipped: {skipped}").unwrap();
        }
        writeln!(out).unwrap();
    }
    for passed in &found.passed_over {
        writeln!(out, "passed over: {}", passed.reason).unwrap();
    }
}

/// Runs one case; returns the goldens by their path in the case's folder.
fn run(inputs: &BTreeMap<String, Vec<u8>>, wishes: &[Wish]) -> BTreeMap<String, Vec<u8>> {
    let surroundings = Surroundings::new(inputs.keys().map(String::as_str));
    let (mut scanned, mut edits) = (String::new(), String::new());
    let mut goldens = BTreeMap::new();
    for (name, bytes) in inputs {
        let file = path(name);
        let found = scan(&file, bytes, &surroundings, &Limits::default());
        describe(name, bytes, &found, &mut scanned);
        let edited = carry_out(&file, bytes, &surroundings, wishes);
        writeln!(edits, "== {name}").unwrap();
        for change in &edited.changes {
            let (at, from, to) = (change.position, &change.from, &change.to);
            writeln!(edits, "{}:{} `{}` -> `{}` ({from} -> {to})", at.line, at.column, change.replaces, change.with)
                .unwrap();
        }
        for refusal in &edited.refused {
            let at = refusal.position.unwrap();
            writeln!(edits, "{}:{} refused: {}", at.line, at.column, refusal.reason).unwrap();
        }
        assert_eq!(edited.file.is_some(), !edited.changes.is_empty(), "{name}");
        if let Some(edit) = edited.file {
            assert_eq!(edit.before, *bytes, "{name}");
            assert_eq!(rebuilt(bytes, &edited.changes), edit.after, "{name}: the changes do not give the new file");
            let again = carry_out(&file, &edit.after, &surroundings, wishes);
            assert!(again.file.is_none(), "{name}: a second edit changes {:?}", again.changes);
            goldens.insert(format!("after/{name}"), edit.after);
        }
    }
    goldens.insert("scan.txt".to_owned(), scanned.into_bytes());
    goldens.insert("edit.txt".to_owned(), edits.into_bytes());
    goldens
}

#[test]
fn every_fixture_gives_its_goldens() {
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 is how goldens are rewritten")]
    let update = std::env::var_os("UPDATE").is_some();
    let mut cases = 0;
    let mut faults = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let folder = entry.unwrap().path();
        if folder.file_name().unwrap() == ".gitattributes" {
            continue;
        }
        cases += 1;
        let case = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let inputs = files_below(&folder.join("input"));
        assert!(!inputs.is_empty(), "{case} has no input");
        let orders = fs::read_to_string(folder.join("orders.txt")).unwrap_or_else(|_| panic!("{case} has no orders"));
        let goldens = run(&inputs, &wishes(&orders));
        let stands: BTreeMap<String, Vec<u8>> = files_below(&folder)
            .into_iter()
            .filter(|(name, _)| !name.starts_with("input/") && name != "orders.txt")
            .collect();
        let names: BTreeSet<&String> = stands.keys().chain(goldens.keys()).collect();
        for name in names {
            if stands.get(name) == goldens.get(name) {
                continue;
            }
            let at = folder.join(name);
            match (update, goldens.get(name)) {
                (true, Some(golden)) => {
                    fs::create_dir_all(at.parent().unwrap()).unwrap();
                    fs::write(&at, golden).unwrap();
                }
                (true, None) => fs::remove_file(&at).unwrap(),
                (false, golden) => {
                    let shown =
                        |bytes: Option<&Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                    faults.push(format!(
                        "{case}/{name}:\n--- stands\n{}\n--- comes\n{}",
                        shown(stands.get(name)).unwrap_or("(nothing)".to_owned()),
                        shown(golden).unwrap_or("(nothing)".to_owned())
                    ));
                }
            }
        }
    }
    assert!(cases > 15, "only {cases} cases were found");
    assert!(faults.is_empty(), "UPDATE=1 rewrites these, to be reviewed:\n{}", faults.join("\n"));
}
