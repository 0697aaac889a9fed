//! The formats beyond Kubernetes and the configured places, on odd, damaged and hostile input.

use std::fmt::Write as _;

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use regex::RegexBuilder;
use tagboat::manifest::{Limits, Surroundings, scan};
use tagboat::model::format::{ExtraFormat, ExtraPlace, ReferenceRegex};
use tagboat::model::glob::PathGlobs;
use tagboat::model::policy::Pin;

use super::{carry_out, path, wish};
use crate::bodies::manifest::rebuilt;

const OLD_DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";
const NEW_DIGEST: &str = "sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

/// Each format's file name with a sound file.
const SEEDS: [(&str, &str); 14] = [
    (
        "Dockerfile",
        "# syntax=docker/dockerfile:1.7\nARG TAG=1.4.0\nFROM ghcr.io/acme/web:${TAG} AS a\nRUN <<EOF\nFROM x\nEOF\n\
         COPY --from=ghcr.io/acme/web:1.4.0 /a /b\nRUN --mount=from=ghcr.io/acme/web:1.4.0 \\\n # c\n x\nFROM a\n",
    ),
    (
        "main.tf",
        "/* c */ resource \"docker_image\" \"a\" {\n  name = \"ghcr.io/acme/web:1.4.0\" # tagboat: semver=1.x\n}\n\
         x = <<-EOF\n image = \"y\"\n EOF\nimage = \"a${b[\"c\"]}\"\ny = { \"image\" : \"ghcr.io/acme/web:1.4.0\", }\n",
    ),
    ("web.container", "[Container]\nImage=ghcr.io/acme/web:1.4.0\n# c\nImage=docker://ghcr.io/acme/web:1.4.0\n"),
    (
        "compose.yaml",
        "x-a: &a {image: \"ghcr.io/acme/web:${TAG:-1.4.0}\"}\nservices:\n  web: {<<: *a}\n  b: {build: ., image: c:1}\n  d: *a\n",
    ),
    (
        ".github/workflows/a.yml",
        "jobs:\n  a:\n    container: {image: ghcr.io/acme/web:1.4.0}\n    services: {b: {image: \"${{ x }}\"}}\n    steps:\n    - uses: docker://ghcr.io/acme/web:1.4.0\n",
    ),
    (
        ".gitlab-ci.yml",
        "image: ghcr.io/acme/web:1.4.0\na:\n  services: [\"ghcr.io/acme/web:1.4.0\", {name: b}]\n  image: {name: $X}\n",
    ),
    (
        "devcontainer.json",
        "// c\n{\n\t\"image\": \"ghcr.io/acme/web:1.4.0\", /* \"d\" */ // tagboat: semver=1.x\n\t\"a\": \"b\\\"c\",\n}\n",
    ),
    (
        "tasks.yml",
        "- name: a {{ b }}\n  docker_container: {image: ghcr.io/acme/web:1.4.0}\n- block:\n  - docker_image: {name: ghcr.io/acme/web, tag: '1.4.0'}\n",
    ),
    (
        "helmfile.yaml",
        "repositories: [{name: a, url: ghcr.io/acme, oci: true}]\nreleases:\n- {chart: a/web, version: 1.4.0}\n- {chart: oci://ghcr.io/acme/web, version: '1.4.0'}\n",
    ),
    (
        "fleet.yaml",
        "helm: {chart: oci://ghcr.io/acme/web, version: 1.4.0}\ntargetCustomizations: [{helm: {version: 1.4.0}}]\n",
    ),
    ("package.yaml", "apiVersion: pkg.crossplane.io/v1\nkind: Provider\nspec: {package: ghcr.io/acme/web:1.4.0}\n"),
    (
        "named.toml",
        "[a]\nrun = \"ghcr.io/acme/web:1.4.0\"\nb = [{run = 'x'}, {repository = \"ghcr.io/acme/web\", tag = \"1.4.0\"}]\n[[c]]\nrun = 1\n",
    ),
    (
        "named.json",
        "{\"run\": \"ghcr.io/acme/web:1.4.0\", // c\n \"a\": {\"b\": [{\"run\": \"1.4.0\"}, {\"image\": \"ghcr.io/acme/web:1.4.0\"}]}}\n",
    ),
    (
        "named.txt",
        "WEB=ghcr.io/acme/web:1.4.0\nAPP=ghcr.io/acme/web:1.4.0@sha256:abababababababababababababababababababababababababababababababab # tagboat: semver=1.x\n",
    ),
];

/// Names files `named.*` by a path and by an expression.
fn surroundings() -> Surroundings {
    let format = |place| ExtraFormat { files: PathGlobs::parse(&["named.*"]).unwrap(), place, line: 1, column: 1 };
    let text = "=(?<image>[a-z./]+):(?<tag>[^@\\s]+)(?:@(?<digest>\\S+))?";
    let regex = RegexBuilder::new(text).multi_line(true).build().unwrap();
    Surroundings::new(std::iter::once(".gitlab-ci.yml")).with_formats(&[
        format(ExtraPlace::Path("$..run".parse().unwrap())),
        format(ExtraPlace::Path("$.a.b[1:]".parse().unwrap())),
        format(ExtraPlace::Regex(ReferenceRegex(regex))),
    ])
}

/// Scans and edits; what comes of it must hold together. Returns how many places changed.
fn exercise(name: &str, bytes: &[u8]) -> usize {
    let (file, surroundings) = (path(name), surroundings());
    let found = scan(&file, bytes, &surroundings, &Limits::default());
    for site in &found.sites {
        for slot in &site.slots {
            assert!(slot.token.start <= slot.span.start && slot.span.end <= slot.token.end, "{slot:?}");
            assert!(!slot.span.is_empty() && std::str::from_utf8(&bytes[slot.span.clone()]).is_ok());
        }
        assert!(!site.slots.is_empty() || site.skipped.is_some(), "{site:?}");
    }
    // Two numbers name no version of a chart.
    let tag = if name.starts_with("helmfile") || name.starts_with("fleet") { "1.20.0" } else { "1.20" };
    let wishes = [wish("ghcr.io/acme/web", tag, Some(NEW_DIGEST), Pin::AsWritten)];
    let edited = carry_out(&file, bytes, &surroundings, &wishes);
    if let Some(edit) = edited.file {
        assert_eq!(rebuilt(bytes, &edited.changes), edit.after);
        for change in &edited.changes {
            assert!(!change.replaces.contains(char::is_whitespace), "{change:?}");
        }
        let again = scan(&file, &edit.after, &surroundings, &Limits::default());
        assert_eq!(again.sites.len(), found.sites.len());
        assert!(carry_out(&file, &edit.after, &surroundings, &wishes).file.is_none());
    }
    edited.changes.len()
}

#[test]
fn every_sound_file_is_edited_whatever_its_line_ends() {
    let expected = [3, 2, 2, 1, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2];
    for ((name, text), expected) in SEEDS.iter().zip(expected) {
        for text in
            [(*text).to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}"), text.trim_end().to_owned()]
        {
            assert_eq!(exercise(name, text.as_bytes()), expected, "{name}: {text:?}");
        }
        assert!(text.matches(OLD_DIGEST).count() <= 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), seed in 0..SEEDS.len()) {
        let (name, text) = SEEDS[seed];
        exercise(name, &bytes);
        exercise(name, &[text.as_bytes(), &bytes].concat());
        exercise(name, &[&bytes, text.as_bytes()].concat());
    }

    #[test]
    fn words_in_any_order_are_survived(
        text in "(FROM |ARG |COPY --from=|RUN --mount=|<<EOF|EOF|\\\\|image|name|resource|services|jobs|releases|run|[$]\\{|:-|[$]|\\[Container\\]|Image|ghcr.io/acme/web|:1.4.0|\"\"\"|docker://|oci://|/\\*|\\*/|//|[-={}\\[\\](),:#'\"&*@ \t\r\n]|\n  |a){0,60}",
        seed in 0..SEEDS.len(),
    ) {
        exercise(SEEDS[seed].0, text.as_bytes());
    }

    #[test]
    fn damaged_files_are_survived(
        seed in 0..SEEDS.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let (name, text) = SEEDS[seed];
        let mut bytes = text.as_bytes().to_vec();
        for (at, other, byte, how) in cuts {
            if bytes.is_empty() {
                break;
            }
            let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"\n\t #:-\"'&*{}$=\\/"[usize::from(byte) % 16]),
                2 => drop(bytes.drain(at.min(other)..at.max(other))),
                _ => {
                    let part = bytes[at.min(other)..at.max(other)].to_vec();
                    bytes.extend(part);
                }
            }
        }
        exercise(name, &bytes);
    }
}

#[test]
fn what_never_ends_costs_what_its_bytes_cost() {
    let mut heredocs = "FROM a:1.0\n".to_owned();
    let mut arguments = String::new();
    for number in 0..20_000 {
        writeln!(heredocs, "RUN cat <<E{number}").unwrap();
        let before = usize::saturating_sub(number, 1);
        writeln!(arguments, "ARG A{number}=x${{A{before}}}${{A{before}}}").unwrap();
    }
    let deep = "{ image = \"".repeat(20_000);
    let interpolated = format!("image = \"{}", "${\"".repeat(20_000));
    let comments = "/*".repeat(100_000);
    let toml = format!("run = {}", "[".repeat(20_000));
    let dotted = format!("{}run = \"a:1\"", "a.".repeat(20_000));
    let json = format!("{{\"run\": {}", "[".repeat(20_000));
    for (name, text, found, passed) in [
        ("Dockerfile", &heredocs, 1, 0),
        ("Dockerfile", &arguments, 0, 0),
        ("main.tf", &deep, 200, 1),
        ("main.tf", &interpolated, 0, 0),
        ("main.tf", &comments, 0, 0),
        ("named.toml", &toml, 0, 1),
        ("named.toml", &dotted, 0, 1),
        ("named.json", &json, 0, 1),
    ] {
        let scanned = scan(&path(name), text.as_bytes(), &surroundings(), &Limits::default());
        assert_eq!((scanned.sites.len(), scanned.passed_over.len()), (found, passed), "{name}");
    }
}

#[test]
fn thousands_of_aliases_of_a_large_map_are_one_walk() {
    let keys: String = (0..20_000).map(|number| format!("k{number}: , ")).collect();
    let uses: String = (0..9_000).map(|number| format!("u{number}: *m, ")).collect();
    let list = "*m, ".repeat(9_000);
    for (name, text) in [
        ("compose.yaml", format!("x-m: &m {{{keys}image: ghcr.io/acme/web:1.4.0}}\nservices: {{{uses}}}\n")),
        (".gitlab-ci.yml", format!(".m: &m {{{keys}image: ghcr.io/acme/web:1.4.0}}\n{}", uses.replace(", ", "\n"))),
        (".github/workflows/a.yml", format!("x: &m {{{keys}container: ghcr.io/acme/web:1.4.0}}\njobs: {{{uses}}}\n")),
        (
            "helmfile.yaml",
            format!("x: &m {{{keys}chart: oci://ghcr.io/acme/web, version: 1.4.0}}\nreleases: [{list}]\n"),
        ),
        ("named.yaml", format!("x: &m {{{keys}k: , run: ghcr.io/acme/web:1.4.0}}\ny: {{{uses}}}\n")),
        ("named.yaml", format!("x: &m {{{keys}image: ghcr.io/acme/web:1.4.0}}\na: {{b: [{list}]}}\n")),
    ] {
        let scanned = scan(&path(name), text.as_bytes(), &surroundings(), &Limits::default());
        assert_eq!((scanned.sites.len(), scanned.passed_over.len()), (1, 0), "{name}");
    }
}
