//! Results that are kept: they come back as they were, under a key that changes with whatever they depend on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::{ProptestConfig, prop, proptest};
use sha2::{Digest, Sha256};
use tagboat::config::repository;
use tagboat::manifest::stored::{CHECKSUM, Key, VERSION, decode, encode};
use tagboat::manifest::{FileScan, Limits, Surroundings, scan};
use tagboat::model::site::Marker;

use super::cases::{files_below, root};
use super::path;
use super::properties::{document, layout, named, tree};

/// Objects of other updaters and markers with every key; the fixtures hold few of either.
const FURTHER: [(&str, &str); 3] = [
    (
        "markers.yaml",
        "image: ghcr.io/acme/web:1.4.0 # tagboat: semver=\">=1.4 <2\" tags='^v?(?<version>.+)$' ignore=-rc ignore=-dev prerelease=true minAge=1d2h pin=digest platforms=linux/amd64,linux/arm64\n\
         # tagboat: calver=YYYY.0M.DD\n\
         a: {image: 'ghcr.io/acme/api:2026.01.02', b: {image: 'ghcr.io/acme/jobs:2026.01.02'}}\n\
         c: {image: 'ghcr.io/acme/c:1'} # tagboat: numeric=desc\n\
         d: {image: 'ghcr.io/acme/d:x'} # tagboat: alphabetical=asc\n\
         e: {image: 'ghcr.io/acme/e:x'} # tagboat: newest=true\n\
         f: {image: 'ghcr.io/acme/f:x'} # tagboat: digest=main\n\
         g: {image: 'ghcr.io/acme/g:x'} # tagboat: digest=true\n\
         h: {image: 'ghcr.io/acme/h:1.0.0'} # tagboat: semver=major\n\
         i: {image: 'ghcr.io/acme/i:1.0.0'} # tagboat: calver=true\n\
         j: {image: 'ghcr.io/acme/j:1.0.0'} # tagboat: ignore\n\
         k: {image: 'ghcr.io/acme/k:1.0.0'} # tagboat: semvr=1\n\
         l: {image: 'ghcr.io/acme/l:1.0.0'} # {\"$imagepolicy\": \"flux-system:l\"}\n",
    ),
    (
        "flux.yaml",
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: web, namespace: flux-system}\n\
         spec: {image: ghcr.io/acme/web, exclusionList: ['^.*\\.sig$'], secretRef: {name: x}, provider: generic}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: none}\nspec: {exclusionList: ['(']}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: web}\n\
         spec: {imageRepositoryRef: {name: web}, digestReflectionPolicy: Always, filterTags: {pattern: '^main-(?P<ts>[0-9]+)', extract: $ts}, policy: {numerical: {order: asc}}}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: none}\nspec: {policy: {}}\n---\n\
         apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nmetadata: {name: all}\n\
         spec: {suspend: true, policySelector: {}, update: {path: ./apps}, git: {push: {branch: next, refspec: x, options: {}}, checkout: {ref: {branch: main}}, commit: {messageTemplate: m, signingKey: {}, author: {name: n, email: e}}}}\n",
    ),
    (
        "argocd.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: shop\n  annotations:\n    \
         argocd-image-updater.argoproj.io/image-list: web=ghcr.io/acme/web:1.x, ghcr.io/acme/api, UPPER/x\n    \
         argocd-image-updater.argoproj.io/web.update-strategy: semver\n    \
         argocd-image-updater.argoproj.io/web.allow-tags: regexp:^v\n    \
         argocd-image-updater.argoproj.io/web.ignore-tags: '*-rc*'\n    \
         argocd-image-updater.argoproj.io/web.platforms: linux/amd64\n    \
         argocd-image-updater.argoproj.io/web.helm.image-name: image.name\n    \
         argocd-image-updater.argoproj.io/write-back-target: kustomization\n\
         spec: {source: {path: apps/web}, sources: [{path: b}]}\n---\n\
         apiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\nmetadata: {name: all}\n\
         spec: {writeBackConfig: {method: git, gitConfig: {branch: main, writeBackTarget: x}}, applicationRefs: [{namePattern: 'a*', useAnnotations: true, images: [{alias: web, imageName: 'ghcr.io/acme/web:1', commonUpdateSettings: {pullSecret: s, updateStrategy: digest}, manifestTargets: {helm: {name: n, tag: t, spec: s}, kustomize: {name: k}}}]}]}\n",
    ),
];

/// Every fixture with what surrounds it, by `case/path`.
fn fixtures() -> BTreeMap<String, (String, Vec<u8>, Surroundings)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root()).unwrap() {
        let case = entry.unwrap().path();
        for side in ["input", "after"] {
            let files = files_below(&case.join(side));
            let surroundings = Surroundings::new(files.keys().map(String::as_str));
            for (name, bytes) in files {
                let label = format!("{}/{side}/{name}", case.file_name().unwrap().to_str().unwrap());
                all.insert(label, (name, bytes, surroundings.clone()));
            }
        }
    }
    for (name, text) in FURTHER {
        all.insert(format!("further/{name}"), (name.to_owned(), text.as_bytes().to_vec(), Surroundings::default()));
    }
    assert!(all.len() > 200, "only {} fixtures were found", all.len());
    all
}

/// Writes a result and reads it again; returns what was written.
fn there_and_back(name: &str, bytes: &[u8], surroundings: &Surroundings) -> (FileScan, Vec<u8>) {
    let (file, limits) = (path(name), Limits::default());
    let found = scan(&file, bytes, surroundings, &limits);
    let key = Key::of(&file, "content", surroundings, &limits);
    let row = encode(&key, &file, bytes.len(), &found).unwrap_or_else(|| {
        panic!("{name}: the result cannot be kept: a word of it is missing in `stored::sites::WORDS`: {found:#?}")
    });
    assert_eq!(decode(&key, &file, Some(bytes.len()), &row).as_ref(), Some(&found), "{name}");
    assert_eq!(decode(&key, &file, None, &row).as_ref(), Some(&found), "{name}");
    (found, row)
}

#[test]
fn the_results_of_every_fixture_come_back_as_they_were() {
    let (mut sites, mut passed_over, mut objects) = (0, 0, 0);
    for (name, bytes, surroundings) in fixtures().values() {
        let (found, _) = there_and_back(name, bytes, surroundings);
        sites += found.sites.len();
        passed_over += found.passed_over.len();
        objects += found.foreign.policies.len() + found.foreign.applications.len() + found.foreign.updaters.len();
    }
    assert!(sites > 500 && passed_over > 10 && objects > 3, "{sites} {passed_over} {objects}");
}

#[test]
fn a_policy_that_two_references_share_is_still_one() {
    let (found, row) = there_and_back(FURTHER[0].0, FURTHER[0].1.as_bytes(), &Surroundings::default());
    let file = path(FURTHER[0].0);
    let key = Key::of(&file, "content", &Surroundings::default(), &Limits::default());
    let again = decode(&key, &file, None, &row).unwrap();
    let policies = |found: &FileScan| -> Vec<usize> {
        let policies = found.sites.iter().filter_map(|site| match &site.marker {
            Some(Marker::Policy(policy)) => Some(std::sync::Arc::as_ptr(policy)),
            _ => None,
        });
        let all: Vec<_> = policies.collect();
        all.iter().map(|one| all.iter().position(|other| other == one).unwrap()).collect()
    };
    assert_eq!(policies(&found), policies(&again));
    assert_eq!(policies(&again)[..3], [0, 1, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_results_of_any_file_come_back_as_they_were(
        trees in prop::collection::vec(("[a-z]{1,4}", tree()), 1..5),
        layout in layout(),
    ) {
        let text = document(&named(trees), &layout);
        there_and_back("values.yaml", text.as_bytes(), &Surroundings::default());
    }

    #[test]
    fn the_results_of_any_line_come_back_as_they_were(
        lines in prop::collection::vec("(- |  )?(image|tag|repository|x): ['\"]?[a-z/.:@0-9${}ü-]{0,24}['\"]?( # tagboat: [a-z=0-9.*'\" ]{0,20})?", 0..12),
        name in prop::sample::select(vec!["values.yaml", "compose.yaml", "Dockerfile", "main.tf", "notes.md", "Chart.yaml"]),
    ) {
        there_and_back(name, lines.join("\n").as_bytes(), &Surroundings::default());
    }
}

#[test]
fn damaged_results_are_none() {
    let (name, text) = FURTHER[1];
    let file = path(name);
    let (_, row) = there_and_back(name, text.as_bytes(), &Surroundings::default());
    let key = Key::of(&file, "content", &Surroundings::default(), &Limits::default());
    for at in 0..row.len() {
        let mut flipped = row.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(decode(&key, &file, None, &flipped), None, "byte {at} flipped");
        assert_eq!(decode(&key, &file, None, &row[..at]), None, "cut to {at} bytes");
    }
    let longer = [row.as_slice(), &[0]].concat();
    assert_eq!(decode(&key, &file, None, &longer), None);
}

#[test]
fn a_result_belongs_to_its_key_and_its_length() {
    let (name, text) = FURTHER[0];
    let (file, bytes) = (path(name), text.as_bytes());
    let (_, row) = there_and_back(name, bytes, &Surroundings::default());
    let key = |content| Key::of(&file, content, &Surroundings::default(), &Limits::default());
    assert!(decode(&key("content"), &file, Some(bytes.len()), &row).is_some());
    assert_eq!(decode(&key("other"), &file, Some(bytes.len()), &row), None);
    assert_eq!(decode(&key("content"), &file, Some(bytes.len() + 1), &row), None);
}

#[test]
fn the_key_changes_with_everything_that_the_result_depends_on() {
    let around = |paths: &[&'static str]| Surroundings::new(paths.iter().copied());
    let format = |text: &str| {
        let text = format!("version: 1\nformats:\n  - {text}\n");
        around(&[]).with_formats(&repository::parse(".tagboat.yaml", text.as_bytes()).unwrap().formats)
    };
    let limits = Limits::default();
    let file = "web/Chart.yaml";
    let of = |name: &str, content: &str, surroundings: &Surroundings, limits: &Limits| {
        Key::of(&path(name), content, surroundings, limits)
    };
    let plain = of(file, "a", &around(&[]), &limits);
    let keys = [
        ("another content", of(file, "b", &around(&[]), &limits)),
        ("another folder", of("api/Chart.yaml", "a", &around(&[]), &limits)),
        ("another name", of("web/values.yaml", "a", &around(&[]), &limits)),
        ("a lock file beside it", of(file, "a", &around(&["web/Chart.lock"]), &limits)),
        ("an unpacked chart below it", of(file, "a", &around(&["web/charts/redis/Chart.yaml"]), &limits)),
        ("another such chart", of(file, "a", &around(&["web/charts/nats/Chart.yaml"]), &limits)),
        ("a pipeline at the root", of(file, "a", &around(&[".gitlab-ci.yml"]), &limits)),
        ("a path of `formats`", of(file, "a", &format("{files: 'web/**', path: $.a}"), &limits)),
        ("another path", of(file, "a", &format("{files: 'web/**', path: $.b}"), &limits)),
        ("an expression", of(file, "a", &format("{files: 'web/**', regex: '(?<image>a):(?<tag>b)'}"), &limits)),
        ("another expression", of(file, "a", &format("{files: 'web/**', regex: '(?<image>a):(?<tag>c)'}"), &limits)),
        ("a size", of(file, "a", &around(&[]), &Limits { max_bytes: 1, ..limits.clone() })),
        ("a depth", of(file, "a", &around(&[]), &Limits { max_depth: 1, ..limits.clone() })),
        ("a number of nodes", of(file, "a", &around(&[]), &Limits { max_nodes: 1, ..limits.clone() })),
        ("a number of aliases", of(file, "a", &around(&[]), &Limits { max_aliases: 1, ..limits.clone() })),
    ];
    for (at, (what, key)) in keys.iter().enumerate() {
        assert_ne!(*key, plain, "{what}");
        for (other, same) in &keys[..at] {
            assert_ne!(key, same, "{what} and {other}");
        }
    }
    let template = "web/templates/deploy.yaml";
    let (in_chart, alone) = (around(&["web/Chart.yaml"]), around(&[]));
    assert_ne!(of(template, "a", &in_chart, &limits), of(template, "a", &alone, &limits));
    let elsewhere = around(&["api/Chart.yaml", "api/Chart.lock", "api/charts/redis/Chart.yaml", "notes.md"]);
    assert_eq!(of(file, "a", &elsewhere, &limits), plain, "what is far away does not count");
    assert_eq!(of(file, "a", &format("{files: 'api/**', path: $.a}"), &limits), plain);
}

/// The golden: the number of the results' format, and a hash of every fixture's result.
fn described() -> String {
    let mut text = format!("version {VERSION}\n");
    for (label, (name, bytes, surroundings)) in fixtures() {
        let (_, row) = there_and_back(&name, &bytes, &surroundings);
        let hash = Sha256::digest(&row[CHECKSUM..]);
        let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{short} {label}").unwrap();
    }
    text
}

#[test]
fn results_do_not_change_without_a_new_version() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stored/results.txt");
    let stands = fs::read_to_string(&golden).unwrap_or_default();
    let comes = described();
    if stands == comes {
        return;
    }
    let by_label = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().skip(1).filter_map(|line| line.split_once(' '));
        lines.map(|(hash, label)| (label.to_owned(), hash.to_owned())).collect()
    };
    let (old, new) = (by_label(&stands), by_label(&comes));
    let changed: Vec<&String> = old
        .iter()
        .filter(|(label, hash)| new.get(*label).is_some_and(|fresh| fresh != *hash))
        .map(|(label, _)| label)
        .collect();
    let is_raised = stands.lines().next() != comes.lines().next();
    assert!(
        changed.is_empty() || is_raised,
        "raise `manifest::stored::VERSION`, so that nobody is served what was found before: the results of {changed:?} changed"
    );
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 is how goldens are rewritten")]
    let update = std::env::var_os("UPDATE").is_some();
    assert!(update, "fixtures came or went, or the version was raised: UPDATE=1 rewrites {}", golden.display());
    fs::create_dir_all(golden.parent().unwrap()).unwrap();
    fs::write(&golden, comes).unwrap();
}
