use regex::RegexBuilder;

use crate::manifest::{Limits, Surroundings, scan};
use crate::model::file::RepoPath;
use crate::model::format::{ExtraFormat, ExtraPlace, ReferenceRegex};
use crate::model::glob::PathGlobs;

fn format(files: &str, place: ExtraPlace) -> ExtraFormat {
    ExtraFormat { files: PathGlobs::parse(&[files]).unwrap(), place, line: 1, column: 1 }
}

fn regex(text: &str) -> ExtraPlace {
    ExtraPlace::Regex(ReferenceRegex(RegexBuilder::new(text).multi_line(true).build().unwrap()))
}

fn jsonpath(text: &str) -> ExtraPlace {
    ExtraPlace::Path(text.parse().unwrap())
}

/// Each find as its format, its name, the bytes of its slots, and why it is skipped.
fn found(name: &str, text: &str, places: Vec<ExtraPlace>) -> Vec<String> {
    let path = RepoPath::new(name).unwrap();
    let formats: Vec<ExtraFormat> = places.into_iter().map(|place| format("**", place)).collect();
    let surroundings = Surroundings::new(std::iter::once(name)).with_formats(&formats);
    let found = scan(&path, text.as_bytes(), &surroundings, &Limits::default());
    let passed = found.passed_over.iter().map(|passed| passed.reason.to_string());
    let sites = found.sites.iter().map(|site| {
        let slots: Vec<&str> = site.slots.iter().map(|slot| &text[slot.span.clone()]).collect();
        let skipped = site.skipped.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{} {} {}{skipped}", site.format, site.written, slots.join(" "))
    });
    sites.chain(passed).collect()
}

#[test]
fn a_path_selects_in_yaml_beside_the_file_s_own_format() {
    let text = "a: {image: web:1.4.0}\nlist:\n- run: app:2.0.0\n- {run: [x:1, y:2]}\n- run: 1.2.3\nmap: {repository: lib, tag: 3.0.0}\n";
    assert_eq!(
        found(
            "a.yaml",
            text,
            vec![jsonpath("$..run"), jsonpath("$.a.image"), jsonpath("$.map"), jsonpath("$..run[-1]")]
        ),
        [
            "helm-values web 1.4.0",
            "configured app 2.0.0",
            "configured y 2",
            "configured  1.2.3 (the image's name does not stand beside it)",
            "helm-values lib 3.0.0",
        ]
    );
}

#[test]
fn a_path_goes_through_aliases_and_is_not_fooled_by_its_own_circle() {
    let text = "base: &b {run: web:1.4.0}\nuse: *b\nmore: {<<: *b}\n";
    assert_eq!(found("a.yaml", text, vec![jsonpath("$.use.run"), jsonpath("$..run")]), ["configured web 1.4.0"]);
}

#[test]
fn json_with_comments_is_read() {
    let text =
        "// about\n{\n\t\"tool\": {\"from\": \"web:1.4.0\", /* \"x:1\" */},\n\t\"image\": \"a\\u002fb:1.0\",\n}\n";
    for name in ["a.json", "a.jsonc"] {
        assert_eq!(
            found(name, text, vec![jsonpath("$.tool.from"), jsonpath("$.image")]),
            ["configured web 1.4.0", "configured a/b 1.0"],
            "{name}"
        );
    }
}

#[test]
fn a_path_selects_in_toml() {
    let text = "[build]\nimage = \"web:1.4.0\" # about\nrun = 'app:2.0'\nodd = \"a\\u003a1\"\nnumber = 3\n[[list]]\nimage = {repository = \"lib\", tag = \"v3\"}\n[x.y]\nimage=\"\"\"z:1\"\"\"\n";
    assert_eq!(
        found("a.toml", text, vec![jsonpath("$..image"), jsonpath("$.build.*")]),
        [
            "configured web 1.4.0",
            "configured app 2.0",
            "configured \\\"a\\\\u003a1\\\"  (the value does not stand in the file as it is: an escape is in the way)",
            "configured lib v3",
            "configured z 1",
        ]
    );
    assert!(found("a.toml", "a = ", vec![jsonpath("$.a")])[0].starts_with("cannot be parsed at line 1"));
}

#[test]
fn a_path_into_another_language_is_reported() {
    let found = found("a.env", "a=web:1.4.0", vec![jsonpath("$.a")]);
    assert_eq!(found, ["cannot be parsed: a path of `formats:` names it, and it is neither YAML, JSON nor TOML"]);
}

#[test]
fn an_expression_finds_what_its_groups_name() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let text = format!("WEB=web:1.4.0\nAPP=app@2.0@{digest}\nNONE=x:${{TAG}}\nTAG=3.0\n");
    let all = regex("^[A-Z]+=(?<image>[a-z]+)[:@](?<tag>[^@\\n]+)(?:@(?<digest>.*))?$");
    assert_eq!(
        found("versions.env", &text, vec![all, regex("^TAG=(?<tag>.*)$")]),
        [
            "configured web 1.4.0".to_owned(),
            format!("configured app 2.0 {digest}"),
            "configured x  (holds the variable ${TAG})".to_owned(),
            "configured  3.0 (the image's name does not stand beside it)".to_owned(),
        ]
    );
}

#[test]
fn the_same_bytes_are_found_once() {
    let text = "FROM web:1.4.0\n# tagboat: semver=1.x\nARG APP=2.0\n";
    let places = vec![regex("FROM (?<image>[a-z]+):(?<tag>.+)"), regex("(?<image>w..):(?<tag>.+)")];
    assert_eq!(found("Dockerfile", text, places)[0], "dockerfile web 1.4.0");
    assert_eq!(found("Dockerfile", "FROM web:1.4.0\n", vec![regex("(?<tag>1.+)")]), ["dockerfile web 1.4.0"]);
    let twice = vec![regex("(?<image>[a-z]+):(?<tag>.+)"), regex("(?<image>[a-z]+):(?<tag>.+)")];
    assert_eq!(found("a.txt", "web:1.4.0\n", twice), ["configured web 1.4.0"]);
    let text = "image: {tag: 1.4.0} # of web\n";
    let place = regex("tag: (?<tag>[^}]+).*of (?<image>.*)");
    assert_eq!(found("values.yaml", text, vec![place]), ["configured web 1.4.0"]);
}

#[test]
fn a_configured_place_is_in_doubt_no_longer() {
    let text = "images:\n  - what: ghcr.io/acme/web:1.4.0\n";
    assert!(found("a.yaml", text, Vec::new())[0].contains("followed only with a marker"));
    for place in [jsonpath("$.images[*].what"), regex(r"what: (?<image>\S+):(?<tag>\S+)")] {
        let found = found("a.yaml", text, vec![place]);
        assert!(found.len() == 1 && !found[0].contains("marker"), "{found:?}");
    }
}

#[test]
fn a_marker_speaks_about_a_configured_place() {
    let text = "WEB=web:1.4.0 # tagboat: ignore\n# tagboat: semver=2.x\nAPP=app:2.0\n";
    let place = regex("=(?<image>[a-z]+):(?<tag>[^ \n]+)");
    let path = RepoPath::new("versions.env").unwrap();
    let surroundings = Surroundings::default().with_formats(&[format("*.env", place)]);
    let found = scan(&path, text.as_bytes(), &surroundings, &Limits::default());
    let shown: Vec<(String, bool, bool)> =
        found.sites.iter().map(|site| (site.written.clone(), site.skipped.is_some(), site.marker.is_some())).collect();
    assert_eq!(shown, [("web".to_owned(), true, true), ("app".to_owned(), false, true)]);
}
