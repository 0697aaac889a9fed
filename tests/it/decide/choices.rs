//! What policies choose from real tag lists, reviewed: a choice that a person would call wrong is a fault here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tagboat::decide::decide;
use tagboat::model::observation::Observation;
use tagboat::model::tags::{ImageTags, TagFacts};

use super::world::{observe, question, verdict};

/// The policies that every list is asked with.
const EVERYWHERE: [&str; 14] = [
    "semver=patch",
    "semver=minor",
    "semver=major",
    "semver=major prerelease=true",
    "semver='>=0.0.0'",
    "semver='>=0.0.0-0'",
    "calver=true",
    "numeric=asc",
    "numeric=desc",
    "alphabetical=asc",
    "alphabetical=desc",
    "newest=true",
    "digest=true",
    "digest=latest",
];

/// Lists, starting tags, and the policies that only they are asked with.
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

/// A list with made facts: each tag was created a minute after the one above it, and its digest is its line's number.
fn read(name: &str) -> Observation {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/policy/tags/{name}.txt"));
    let text = fs::read_to_string(path).expect("the fixture is there");
    with_facts(&text.lines().collect::<Vec<_>>())
}

fn with_facts(tags: &[&str]) -> Observation {
    let first: Timestamp = "2020-01-01T00:00:00Z".parse().expect("the fixture follows the grammar");
    let facts = tags.iter().zip(1i64..).map(|(tag, line)| {
        let facts = TagFacts {
            digest: Some(format!("sha256:{line:064}").parse().expect("the fixture follows the grammar")),
            created: Some(first + SignedDuration::from_mins(line)),
            ..TagFacts::default()
        };
        (tag.parse().expect("the fixture follows the grammar"), facts)
    });
    observe(ImageTags { list: tags.iter().copied().collect(), facts: facts.collect(), ..ImageTags::default() })
}

/// What each policy does with each tag in use: a line for every one that does not stay.
fn table(observation: &Observation, starts: &[&str], policies: &[&str]) -> String {
    let asked = policies.iter().flat_map(|policy| starts.iter().map(|start| question(policy, start)));
    let decided = decide(observation, &asked.collect::<Vec<_>>());
    assert_eq!(decided.wants, []);
    let mut decisions = decided.decisions.iter();
    let mut table = String::new();
    for policy in policies {
        writeln!(table, "{policy}").expect("writing to a text cannot fail");
        for (start, decision) in starts.iter().zip(&mut decisions) {
            match verdict(decision) {
                kept if kept == "keep" => {}
                moved => {
                    let moved = moved.replace(&"0".repeat(59), "…");
                    writeln!(table, "  {start:40} {moved}").expect("writing to a text cannot fail");
                }
            }
        }
    }
    table
}

#[test]
fn choices_from_real_lists_are_those_that_were_reviewed() {
    let mut shown = BTreeMap::new();
    for (name, starts, policies) in CASES {
        let policies: Vec<&str> = EVERYWHERE.iter().chain(policies).copied().collect();
        shown.insert(name, table(&read(name), starts, &policies));
    }
    for (name, table) in shown {
        insta::assert_snapshot!(name, table);
    }
}

/// Tags of every kind that repositories hold, each kind with a greater one of its own and with what must not tempt it.
const KINDS: &[&str] = &[
    "1",
    "7",
    "8",
    "v1",
    "v2",
    "1.9",
    "1.10",
    "1.20",
    "7.2",
    "7.4",
    "1.2.3",
    "1.2.4",
    "1.10.0",
    "2.0.0",
    "v1.2.3",
    "v1.3.0",
    "2.1.0-rc.1",
    "2.1.0-rc.2",
    "2.1.0-rc.10",
    "1.2.3.4",
    "1.2.3.5",
    "1.2.3-45",
    "1.2.3-46",
    "1.2.4-3",
    "1.2.3_v4",
    "1.2.3_v5",
    "1.2.3-alpine",
    "1.2.4-alpine",
    "1.2.3-alpine3.19",
    "1.2.4-alpine3.19",
    "1.2.4-alpine3.20",
    "1.2.3-bookworm",
    "1.2.4-trixie",
    "1.2.3-debian-12-r5",
    "1.2.3-debian-12-r6",
    "1.2.4-debian-13-r0",
    "pg16-1.2.3",
    "pg16-1.2.4",
    "pg17-1.3.0",
    "0.45.0-kafka-3.9.0",
    "0.46.0-kafka-3.9.0",
    "0.47.0-kafka-4.0.0",
    "v8-linux-arm64",
    "v9-linux-arm64",
    "v10-linux-amd64",
    "20240101",
    "20250101",
    "20250101.1",
    "2024.01",
    "2024.10",
    "2025.1",
    "2024.1.15",
    "2025.02.01",
    "24.04",
    "24.10",
    "25.04",
    "2024-01-31",
    "2025-01-31",
    "RELEASE.2024-01-31T20-20-33Z",
    "RELEASE.2025-02-28T09-55-16Z",
    "RELEASE.2025-02-28T09-55-16Z-cpuv1",
    "main-20260101-abc1234",
    "main-20260201-def5678",
    "main-0a1b2c3",
    "main-4d5e6f7",
    "0a1b2c3d",
    "1234567",
    "7654321",
    "build-41",
    "build-42",
    "release-1.2",
    "release-1.3",
    "8u302-b08-jdk",
    "8u312-b07-jdk",
    "latest",
    "stable",
    "bookworm",
    "1e3",
    "0x10",
    "TAG_PLACEHOLDER",
];

#[test]
fn no_policy_jumps_from_one_kind_of_tag_to_another() {
    let further = [
        "semver=1.x",
        "semver='>=1.2.3 <3'",
        "calver=YYYY.0M",
        "calver=YY.0M",
        "calver=YYYY0M0D",
        "calver=YYYY.MM.DD",
        "calver=YYYY-0M-0D",
        "numeric=asc tags='^build-(?<version>[0-9]+)$'",
        "alphabetical=asc tags='^RELEASE\\.'",
        "alphabetical=asc tags='^main-[0-9]{8}-[0-9a-f]+$'",
        "semver=minor tags='^(?<version>[0-9.]+)-alpine[0-9.]+$'",
        "semver=minor tags='^(?<version>[0-9.]+)-debian-[0-9]+-r[0-9]+$'",
        "semver=minor tags='^pg[0-9]+-(?<version>[0-9.]+)$'",
    ];
    // Whoever follows a moving tag leaves every other behind.
    let everywhere = EVERYWHERE.iter().filter(|policy| !policy.starts_with("digest"));
    let policies: Vec<&str> = everywhere.chain(&further).copied().collect();
    insta::assert_snapshot!("kinds", table(&with_facts(KINDS), KINDS, &policies));
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

#[test]
fn the_page_about_policies_says_what_they_choose() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md")).expect("it is there");
    let mut lists = BTreeMap::new();
    let mut rows = 0;
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let ["", name, tag, policy, told, ""] = cells.as_slice() else { continue };
        if !CASES.iter().any(|(case, ..)| case == name) {
            continue;
        }
        rows += 1;
        let observation = lists.entry(name.to_string()).or_insert_with(|| read(name));
        let decided = decide(observation, &[question(policy, tag)]);
        let is = match verdict(&decided.decisions[0]) {
            kept if kept == "keep" => "stays".to_owned(),
            moved => moved,
        };
        assert_eq!(is, *told, "{name} {tag} {policy}");
    }
    assert!(rows > 15, "{rows} rows");
}
