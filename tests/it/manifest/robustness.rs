//! Hostile and damaged input: no panic, bounded work, and never an edit that cannot be proved.

use std::fmt::Write as _;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use tagboat::edit::edit_file;
use tagboat::manifest::{Limits, Surroundings, scan};
use tagboat::model::policy::Pin;
use tagboat::model::site::SkipReason;

use super::{carry_out, path, scan_alone, wish};
use crate::bodies;

const SEEDS: [&str; 11] = [
    "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - image: \"ghcr.io/acme/web:1.4.0\" # tagboat: semver=1.x\n",
    "a: &a\n  image: {repository: ghcr.io/acme/web, tag: 1.4.0, digest: x}\nb: {<<: *a, c: *a}\n---\nimage: >-\n  ghcr.io/acme/web:1.4.0\n",
    "images:\n- name: ghcr.io/acme/web\n  newTag: '1.4.0'\n--- |\n text\n...\n%YAML 1.2\n---\n? image\n: ghcr.io/acme/web:1.4.0\n",
    "\u{feff}webImage: ghcr.io/acme/web\r\nwebTag: 1.4.0\r\n\tx: y\rimage: ü\n",
    "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"image\":\"ghcr.io\\/acme\\/web:1.4.0\"}]}",
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    repoURL: oci://ghcr.io/acme/web\n    targetRevision: 1.4.0\n    helm:\n      parameters: [{name: image.repository, value: ghcr.io/acme/web}, {name: image.tag, value: 1.4.0}]\n      values: |\n        # tagboat: semver=1.x\n        image: ghcr.io/acme/web:1.4.0\n\n        ü: 1\n    kustomize:\n      images: [web=ghcr.io/acme/web:1.4.0]\n",
    "apiVersion: argoproj.io/v1alpha1\r\nkind: Application\r\nx:\r\n  repoURL: x\r\n  helm:\r\n    values: >-\r\n      image:\r\n        tag: 1.4.0\r\n\r\n        repository: ghcr.io/acme/web\r\n",
    "apiVersion: kustomize.config.k8s.io/v1beta1\nhelmCharts: [{name: web, repo: 'oci://ghcr.io/acme', version: 1.4.0}]\npatches:\n- patch: |2-\n     - op: add\n       path: /image\n       value: ghcr.io/acme/web:1.4.0\n     ---\n     image: ghcr.io/acme/web:1.4.0\nimages:\n- newTag: 1.4.0\n  name: ghcr.io/acme/web",
    "apiVersion: tekton.dev/v1\nkind: Task\nparams:\n- name: web-image\n  default: ghcr.io/acme/web:1.4.0\nsteps:\n- image: $(params.web-image)\n  args: ['--image=ghcr.io/acme/web:1.4.0'] # tagboat: semver=1.x\n  env: [{name: X, value: ghcr.io/acme/web:1.4.0}]\n",
    "dependencies:\n- name: web\n  repository: oci://ghcr.io/acme\n  version: 1.4.0\nannotations:\n  images: |\n    - image: ghcr.io/acme/web:1.4.0\n---\nhub: ghcr.io/acme\ntag: 1.4.0\nimage: {tag: 1.4.0, repository: ghcr.io/acme/web, digest: ''}\n",
    "{{ if x }}\nimage: ghcr.io/acme/web:1.4.0 # tagboat: ignore\n{{ end }}\n# tagboat:\n",
];
const NAMES: [&str; 16] = [
    "web.yaml",
    "kustomization.yaml",
    "web.json",
    "notes.txt",
    "Chart.yaml",
    ".argocd-source-web.yaml",
    "compose.yaml",
    "Dockerfile",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    "main.tf",
    "tasks/main.yml",
    "web.container",
    ".devcontainer/devcontainer.json",
    "helmfile.yaml",
    "fleet.yaml",
];

/// Scans and edits; what comes of it must hold together.
fn exercise(name: &str, bytes: &[u8]) {
    bodies::manifest::edit(&path(name), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), name in 0..NAMES.len()) {
        exercise(NAMES[name], &bytes);
        let mut with_word = b"image: ".to_vec();
        with_word.extend_from_slice(&bytes);
        exercise(NAMES[name], &with_word);
    }

    #[test]
    fn odd_yaml_is_survived(text in "(image|tag|repository|<<|[-:?|>&*!%@`{}\\[\\],#'\" \t\r\n]|ghcr.io/acme/web:1.4.0|a){0,60}", name in 0..NAMES.len()) {
        exercise(NAMES[name], text.as_bytes());
    }

    #[test]
    fn damaged_files_are_survived(
        seed in 0..SEEDS.len(),
        name in 0..NAMES.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, other, byte, how) in cuts {
            if bytes.is_empty() {
                break;
            }
            let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"\n\t #:-\"'&*"[usize::from(byte) % 10]),
                2 => drop(bytes.drain(at.min(other)..at.max(other))),
                _ => {
                    let part = bytes[at.min(other)..at.max(other)].to_vec();
                    bytes.extend(part);
                }
            }
        }
        exercise(NAMES[name], &bytes);
    }

    #[test]
    fn a_file_that_changed_since_the_scan_is_left_alone(at in any::<prop::sample::Index>(), insert in "[a-z \n]{1,3}") {
        let before = SEEDS[0];
        let found = scan_alone("web.yaml", before.as_bytes());
        let mut now = before.to_owned();
        now.insert_str(at.index(found.sites[0].bytes().end), &insert);
        let to = wish("ghcr.io/acme/web", "1.5.0", None, Pin::AsWritten).to;
        let environment = "test".into();
        let mut site = found.sites[0].clone();
        site.skipped = None;
        let order = tagboat::edit::Order { site: &site, to: &to, pin: Pin::AsWritten, environment: &environment, group: "g", step: None };
        let edited = edit_file(&path("web.yaml"), now.as_bytes(), &Surroundings::default(), &Limits::default(), &[order]);
        prop_assert_eq!(edited.file, None);
        prop_assert_eq!(edited.refused.len(), 1);
    }
}

#[test]
fn nesting_of_ten_thousand_levels_ends_with_a_reason() {
    for text in [
        format!("image: {}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("image: {}", "{a: ".repeat(10_000)),
        format!("image:\n{}x", "- ".repeat(10_000)),
        (0..2_000).fold("image:\n".to_owned(), |mut text, level| {
            writeln!(text, "{}a:", " ".repeat(level + 1)).unwrap();
            text
        }),
    ] {
        let found = scan_alone("deep.yaml", text.as_bytes());
        assert_eq!((found.sites.len(), found.passed_over.len()), (0, 1));
    }
}

#[test]
fn an_alias_bomb_costs_what_its_bytes_cost() {
    let mut text = "a0: &a0 {image: \"ghcr.io/acme/web:1.4.0\"}\n".to_owned();
    for level in 1..40 {
        let refs = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{refs}]").unwrap();
    }
    let found = scan_alone("bomb.yaml", text.as_bytes());
    assert_eq!(found.sites.len(), 1);
    assert_eq!(found.sites[0].uses.len(), 9);
}

#[test]
fn a_value_used_in_hundreds_of_places_is_not_followed() {
    let uses = vec!["*v"; 1_000].join(", ");
    let text = format!("image: {{repository: ghcr.io/acme/web, tag: &v 1.4.0}}\nuses: [{uses}]\n");
    let found = scan_alone("uses.yaml", text.as_bytes());
    assert!(matches!(found.sites[0].skipped, Some(SkipReason::Alias(_))));
    assert!(found.sites[0].uses.len() <= 256);
}

#[test]
fn forty_thousand_lines_in_one_document_are_read() {
    let mut text = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
    for number in 0..10_000 {
        write!(text, "- apiVersion: v1\n  kind: Pod\n  spec:\n    image: ghcr.io/acme/web:1.4.{number}\n").unwrap();
    }
    let found = scan_alone("list.yaml", text.as_bytes());
    assert_eq!(found.sites.len(), 10_000);
    assert_eq!(found.sites[9_999].position.line, 3 + 40_000);
    let wishes = [wish("ghcr.io/acme/web", "1.5.0", None, Pin::AsWritten)];
    let edited = carry_out(&path("list.yaml"), text.as_bytes(), &Surroundings::default(), &wishes);
    assert_eq!((edited.changes.len(), edited.refused.len()), (10_000, 0));
}

#[test]
fn ten_thousand_equal_keys_are_judged_once() {
    let text = format!("a: {{{}}}\n", "image: ghcr.io/acme/web:1.4.0, ".repeat(10_000));
    let found = scan_alone("twice.yaml", text.as_bytes());
    assert!(found.sites.iter().all(|site| matches!(site.skipped, Some(SkipReason::DuplicateKey(_)))));
}

#[test]
fn two_orders_for_one_place_collapse_or_are_refused() {
    let text = b"image: ghcr.io/acme/web:1.4.0\nother: {image: ghcr.io/acme/web:1.4.0}\n";
    let file = path("web.yaml");
    let one = wish("ghcr.io/acme/web", "1.5.0", None, Pin::AsWritten);
    let other = wish("ghcr.io/acme/web", "1.6.0", None, Pin::AsWritten);
    let same = carry_out(&file, text, &Surroundings::default(), &[one.clone(), one.clone()]);
    assert_eq!((same.changes.len(), same.refused.len()), (2, 0));
    let clash = carry_out(&file, text, &Surroundings::default(), &[one.clone(), other, one]);
    assert_eq!((clash.changes.len(), clash.refused.len(), clash.file), (0, 6, None));
}

#[test]
fn limits_hold_for_an_edit_as_for_a_scan() {
    let text = b"image: ghcr.io/acme/web:1.4.0\n";
    let file = path("web.yaml");
    let found = scan(&file, text, &Surroundings::default(), &Limits::default());
    let to = wish("ghcr.io/acme/web", "1.20", None, Pin::AsWritten).to;
    let environment = "test".into();
    let order = tagboat::edit::Order {
        site: &found.sites[0],
        to: &to,
        pin: Pin::AsWritten,
        environment: &environment,
        group: "g",
        step: None,
    };
    let limits = Limits { max_bytes: 4, ..Limits::default() };
    let edited = edit_file(&file, text, &Surroundings::default(), &limits, &[order]);
    assert_eq!((edited.file, edited.refused.len()), (None, 1));
}

#[test]
fn text_that_is_read_as_yaml_costs_what_its_bytes_cost() {
    let uses = vec!["{patch: *p}"; 5_000].join(", ");
    let values = "    image: ghcr.io/acme/web:1.4.0\n".repeat(2_000).replace("image", "- image");
    let text = format!("kind: Kustomization\nx: &p |\n{values}patches: [{uses}]\n");
    let found = scan_alone("kustomization.yaml", text.as_bytes());
    assert_eq!(found.sites.len(), 2_000);
    assert!(found.sites.iter().all(|site| matches!(site.skipped, Some(SkipReason::Alias(_)))));

    let source = "{repoURL: x, helm: *h}, ".repeat(5_000);
    let keys: String = (0..5_000).map(|number| format!("k{number}: {{image: ghcr.io/acme/web}}, ")).collect();
    let head = "apiVersion: argoproj.io/v1alpha1\nkind: Application\n";
    let text = format!("{head}x: &h {{valuesObject: {{{keys}}}}}\nsources: [{source}]\n");
    assert!(scan_alone("app.yaml", text.as_bytes()).sites.len() <= 10_000);
}

#[test]
fn repeated_keys_words_and_faults_cost_no_more_than_their_bytes() {
    let many = 60_000;
    let status = format!("{{apiVersion: v1, image: x, {}}}", "status: 1, values: {}, ".repeat(many));
    assert_eq!(scan_alone("status.yaml", status.as_bytes()).sites.len(), 1);
    let object = format!("{{image: x, {} apiVersion: v1, kind: Pod}}", "status: 1, values: {}, ".repeat(many));
    assert_eq!(scan_alone("object.yaml", object.as_bytes()).passed_over, []);
    let parts = "image: x, repository: y, hub: z, params: [], ".repeat(many / 2);
    let parts = format!("{{apiVersion: tekton.dev/v1, kind: Task, {parts}}}");
    assert_eq!(scan_alone("parts.yaml", parts.as_bytes()).passed_over, []);
    let words = format!("image: x {}", "# tagboat: sops ".repeat(many));
    assert!(scan_alone("words.yaml", words.as_bytes()).sites.len() <= 1);
    assert!(scan_alone("words.txt", words.as_bytes()).sites.len() <= 1);
    let broken = "---\nimage: [\n".repeat(1_000);
    assert_eq!(scan_alone("broken.yaml", broken.as_bytes()).passed_over.len(), 21);
    let merged = format!("a: &a {{{}}}\nb: [{}]\n", "k: v, ".repeat(20_000), "{<<: *a, image: x}, ".repeat(5_000));
    assert_eq!(scan_alone("merged.yaml", merged.as_bytes()).sites.len(), 5_000);
}
