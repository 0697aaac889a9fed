//! Configuration: what is read, what is refused and how that looks, and that schemas agree.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tagboat::config::environment::Environment;
use tagboat::config::fault::Faults;
use tagboat::config::schema::{Which, schema};
use tagboat::config::{holds, repository, service};

mod accepted;
mod document;
mod hostile;
mod keys;
mod reference;
mod registries;
pub(crate) mod validator;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn is_update() -> bool {
    Environment::capture().secret("UPDATE").is_ok()
}

/// Compares a text with a kept file, or rewrites the file under `UPDATE=1`.
pub(crate) fn assert_kept(path: &Path, text: &str) {
    if is_update() {
        fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(kept, text, "{} is stale: UPDATE=1 rewrites it", path.display());
}

fn faults_of(which: Which, file: &str, bytes: &[u8]) -> Result<(), Faults> {
    match which {
        Which::Repository => repository::parse(file, bytes).map(|_| ()),
        Which::Service => service::parse(file, bytes).map(|_| ()),
        Which::Holds => holds::parse(file, bytes).map(|_| ()),
    }
}

#[test]
fn renders_every_fault_of_every_kept_file() {
    for (folder, which) in [("repository", Which::Repository), ("service", Which::Service), ("holds", Which::Holds)] {
        let folder = Path::new(ROOT).join("tests/data/config").join(folder);
        let mut cases = BTreeSet::new();
        let mut kept = BTreeSet::new();
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            match path.extension().unwrap().to_str().unwrap() {
                "yaml" => assert!(cases.insert(stem)),
                "txt" => assert!(kept.insert(stem)),
                other => panic!("{other} is no case"),
            }
        }
        assert!(cases.len() > 2, "no cases in {}", folder.display());
        for case in &cases {
            let bytes = fs::read(folder.join(format!("{case}.yaml"))).unwrap();
            let faults = faults_of(which, &format!("{case}.yaml"), &bytes).expect_err(case);
            let text = format!("{}\n\n{faults}\n", faults.render(false, 100));
            assert!(!text.contains("hunter2"), "{case} shows a secret:\n{text}");
            let is_unsafe = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
            assert!(!text.contains(is_unsafe), "{case} shows control characters");
            assert!(text.lines().all(|line| line.chars().count() < 400), "{case} shows a very long line");
            assert_kept(&folder.join(format!("{case}.txt")), &text);
        }
        let orphans: Vec<&String> = if is_update() { Vec::new() } else { kept.difference(&cases).collect() };
        assert!(orphans.is_empty(), "expected faults without a case: {orphans:?}");
    }
}

#[test]
fn kept_schemas_are_those_of_the_types() {
    for (which, file) in [(Which::Repository, "tagboat"), (Which::Service, "service"), (Which::Holds, "holds")] {
        let path = Path::new(ROOT).join(format!("config/{file}.schema.json"));
        assert_kept(&path, &schema(which));
    }
}

#[test]
fn examples_parse_and_fit_their_schemas() {
    for (which, file) in [
        (Which::Repository, "tagboat.example.yaml"),
        (Which::Repository, "tagboat.minimal.yaml"),
        (Which::Service, "service.example.yaml"),
        (Which::Holds, "holds.example.yaml"),
    ] {
        let bytes = fs::read(Path::new(ROOT).join("config").join(file)).unwrap();
        if let Err(faults) = faults_of(which, file, &bytes) {
            panic!("{}", faults.render(false, 100));
        }
        let document: Json = serde_saphyr::from_slice(&bytes).unwrap();
        let root: Json = serde_json::from_str(&schema(which)).unwrap();
        assert_eq!(validator::first_fault(&root, &root, &document, file), None);
    }
}

/// Every mapping of a schema, by its name.
fn definitions(which: Which) -> Vec<(String, Json)> {
    let whole: Json = serde_json::from_str(&schema(which)).unwrap();
    let mut definitions: Vec<(String, Json)> =
        whole["$defs"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    definitions.push(("root".to_owned(), whole));
    definitions
}

#[test]
fn every_key_is_described_and_no_mapping_takes_unknown_ones() {
    for which in [Which::Repository, Which::Service, Which::Holds] {
        for (name, definition) in definitions(which) {
            assert_eq!(definition["additionalProperties"], Json::Bool(false), "{name}");
            assert!(definition["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
            for (key, property) in definition["properties"].as_object().unwrap() {
                let description = property["description"].as_str().unwrap_or_default();
                assert!(description.len() > 7 && !description.contains("\n\n"), "{name}.{key}: {description:?}");
            }
        }
    }
}
