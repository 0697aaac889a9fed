//! What policies choose from real tag lists, reviewed: a choice that a person would call wrong is a fault here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use tagboat::decide::decide;
use tagboat::model::observation::Observation;

use super::world::{list, question, verdict};

/// The policies that every list is asked with.
const STEPS: [&str; 3] = ["semver=patch", "semver=minor", "semver=major"];

/// Lists, starting tags, and the policies beyond `patch`, `minor` and `major` that make sense for them.
const CASES: [(&str, &[&str], &[&str]); 10] = [
    (
        "eclipse-temurin",
        &[
            "11.0.12_7-jdk",
            "17.0.9_9-jre-alpine",
            "11.0.25_9-jdk-alpine-3.20",
            "8u302-b08-jdk",
            "17-jre",
            "17_35-jdk",
            "11.0.12_7-jdk-windowsservercore-1809",
            "17-jdk-alpine-3.20",
        ],
        &["semver='^17'", "semver=17.x tags='^(?<version>[0-9.]+)_[0-9]+-jre-alpine-[0-9.]+$'"],
    ),
    (
        "golang",
        &[
            "1.19",
            "1.20.5",
            "1.9.2-alpine3.6",
            "1.17.0-windowsservercore-1809",
            "1.27rc1",
            "1.26rc1-alpine3.23",
            "1.21-rc-alpine",
            "tip-20250209-bookworm",
            "alpine3.19",
            "1",
            "1.9beta1",
        ],
        &["semver='>=1.20 <1.25'", "calver=true", "numeric=asc", "alphabetical=asc"],
    ),
    (
        "nginx",
        &[
            "1.25.1-bookworm",
            "1.23.4-alpine3.17-slim",
            "1.24.0",
            "1.25",
            "1.27-alpine",
            "1",
            "stable-alpine3.17",
            "mainline",
        ],
        &["semver=~1.27", "semver=minor tags='^(?<version>[0-9.]+)-alpine[0-9.]+-slim$'"],
    ),
    (
        "node",
        &["0.10.28", "18.12.0-alpine3.16", "20.3.0-bookworm-slim", "20", "20-alpine", "lts-alpine", "20.3", "6.9.1"],
        &["semver='18.x || 20.x'", "semver='>=20.0.0-0'"],
    ),
    (
        "postgres",
        &[
            "9.6.1",
            "13.2-alpine",
            "16.1-bookworm",
            "17beta1",
            "17rc1-alpine",
            "16",
            "9.6-beta1",
            "15-alpine3.18",
            "10.3",
        ],
        &["semver=^16"],
    ),
    (
        "python",
        &["3.14.0a2", "3.15.0b1-slim", "3.11.4-slim-bookworm", "3.12", "2.7.8-onbuild", "3.13-rc-alpine", "3.6.0rc1"],
        &["semver=3.12.x", "semver=minor prerelease=true"],
    ),
    (
        "rabbitmq",
        &["3.8.9-management-alpine", "3.12.0-rc.1", "4.0.0-beta.1-management", "3.13", "4", "3.9-rc", "4.3.0-rc.0"],
        &["semver=^3", "semver='^4.0.0-0'"],
    ),
    ("rm-istio_pilot", &["1.7.0", "1.14.1-distroless", "1.9.8"], &["semver='<1.20'"]),
    (
        "traefik",
        &[
            "v2.10.7",
            "2.10.7",
            "v2.0.0-rc1",
            "v2.0.0-alpha1-nanoserver",
            "v1.7.16-alpine",
            "v2.11",
            "v2",
            "v3.7.0-ea.1",
            "v1.0.0-beta.392",
            "v2.10.7-windowsservercore-ltsc2022",
            "maroilles",
        ],
        &["semver=^2", "semver=^2 tags='^v?(?<version>[0-9.]+)$'"],
    ),
    (
        "wordpress",
        &[
            "6.4.1-php8.2-fpm-alpine",
            "5.9",
            "cli-2.5.0-php8.0",
            "beta-6.1-RC1-php8.1-apache",
            "beta-6.0.1-RC1",
            "php8.2-apache",
            "6.4-php8.1",
            "6-apache",
        ],
        &["semver=^6"],
    ),
];

fn read(name: &str) -> Observation {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/policy/tags/{name}.txt"));
    list(fs::read_to_string(path).expect("the fixture is there").lines())
}

#[test]
fn choices_from_real_lists_are_those_that_were_reviewed() {
    let mut shown = BTreeMap::new();
    for (name, starts, policies) in CASES {
        let policies: Vec<&str> = STEPS.iter().chain(policies).copied().collect();
        let asked = policies.iter().flat_map(|policy| starts.iter().map(|start| question(policy, start)));
        let decided = decide(&read(name), &asked.collect::<Vec<_>>());
        assert!(decided.wants.is_empty());
        let mut decisions = decided.decisions.iter();
        let mut table = String::new();
        for policy in policies {
            writeln!(table, "{policy}").expect("the fixture is there");
            for (start, decision) in starts.iter().zip(&mut decisions) {
                writeln!(table, "  {start:40} {}", verdict(decision)).expect("the fixture is there");
            }
        }
        shown.insert(name, table);
    }
    for (name, table) in shown {
        insta::assert_snapshot!(name, table);
    }
}

#[test]
fn every_list_has_its_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policy/tags");
    let mut files: Vec<String> = fs::read_dir(folder)
        .expect("the fixture is there")
        .map(|entry| {
            entry
                .expect("the fixture is there")
                .path()
                .file_stem()
                .expect("the fixture is there")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    files.sort();
    assert_eq!(files, CASES.map(|(name, _, _)| name));
}
