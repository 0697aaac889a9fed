//! Each rule of choosing on a list of its own.

use super::world::{ask, choose, list, observe, question, reasons, verdict};
use tagboat::model::decision::Verdict;
use tagboat::model::policy::Step;
use tagboat::model::tags::ImageTags;

#[test]
fn gives_a_reason_for_every_tag() {
    let tags = [
        "1.4.0",
        "1.5.0",
        "v1.5.0",
        "2.0.0",
        "1.5.1-rc.1",
        "1.3.9",
        "1.4.9",
        "1.5.0-alpine",
        "latest",
        "1.4",
        "1.04.0",
        "1.5.0",
        "1.4.0",
    ];
    let observation = list(tags);
    let decided = ask(&observation, question("semver='>=1.4 <2' ignore=^v", "1.4.0"));
    let decision = &decided.decisions[0];
    assert_eq!(verdict(decision), "1.5.0");
    insta::assert_snapshot!(reasons(&observation, decision), @r"
    1.4.0: in use
    v1.5.0: ignored
    2.0.0: out of range
    1.5.1-rc.1: pre-release
    1.3.9: lower than in use
    1.4.9: lower than chosen
    1.5.0-alpine: not in family
    latest: not a version
    1.4: not in family
    1.04.0: same version as in use
    1.4.0: in use
    ");
}

#[test]
fn a_tag_in_use_without_version_stays_and_every_tag_says_why() {
    let observation = list(["latest", "main", "1.5.0"]);
    let unfit = "latest: in use\nmain: not a version\n1.5.0: not a version\n";
    let alone = "latest: in use\nmain: not a version\n1.5.0: tag in use is no such version\n";
    for (policy, expected) in [
        ("semver=1.x", alone),
        ("semver=major", alone),
        ("newest=true", alone),
        ("alphabetical=asc", alone),
        ("calver=true", unfit),
        ("numeric=asc", unfit),
    ] {
        let decided = ask(&observation, question(policy, "latest"));
        assert_eq!(decided.decisions[0].verdict, Verdict::Keep, "{policy}");
        assert_eq!(reasons(&observation, &decided.decisions[0]), expected, "{policy}");
    }
}

#[test]
fn never_makes_a_wrong_jump() {
    for (current, others) in [
        ("1.9", vec!["20240101", "2024.01", "1.9.1", "v2.0"]),
        ("7", vec!["7.2", "7.2.1", "20240101", "v8", "8-alpine"]),
        ("v1", vec!["1", "2", "v1.2"]),
        ("1.2.3", vec!["1.2.3-1", "1.2.4-r0", "1.3.0-alpine", "1.2.3.4", "2026.1.1"]),
        ("1.2.3-alpine3.19", vec!["1.2.4-alpine3.20", "1.2.4-alpine", "1.2.4"]),
        ("1.17.0-windowsservercore-1709", vec!["1.17.0-windowsservercore-1809"]),
        ("main-abc1234", vec!["main-def5678", "main-20260101"]),
    ] {
        for policy in ["semver=major", "semver=>=0", "calver=true", "numeric=asc"] {
            assert_eq!(choose(&others, policy, current), "keep", "{current} under {policy}");
        }
    }
}

#[test]
fn never_goes_back() {
    // The tag in use is gone from the list: that is no reason to take a lower one.
    assert_eq!(choose(&["1.2.0", "1.3.0"], "semver=1.x", "1.4.0"), "keep");
    assert_eq!(choose(&["1.2.0", "1.5.0"], "semver=1.x", "1.4.0"), "1.5.0");
    // The range ends below the version in use.
    assert_eq!(choose(&["1.2.0", "2.5.0", "2.6.0"], "semver=<2", "2.5.0"), "keep");
    assert_eq!(choose(&["5", "3", "4"], "numeric=desc", "4"), "3");
    assert_eq!(choose(&["build-5", "build-12"], "numeric=asc", "build-9"), "build-12");
}

#[test]
fn steps_bound_the_largest_part_that_changes() {
    let tags = ["0.1.5", "0.2.0", "0.2.1", "1.0.0", "1.1.0"];
    assert_eq!(choose(&tags, "semver=patch", "0.1.0"), "0.1.5");
    assert_eq!(choose(&tags, "semver=minor", "0.1.0"), "0.2.1");
    assert_eq!(choose(&tags, "semver=major", "0.1.0"), "1.1.0");
    let step = |current: &str| match &ask(&list(tags), question("semver=major", current)).decisions[0].verdict {
        Verdict::Move { step, .. } => *step,
        other => panic!("{other:?}"),
    };
    assert_eq!(step("0.1.0"), Some(Step::Major));
    assert_eq!(step("1.0.0"), Some(Step::Minor));
    assert_eq!(step("1.1.0-rc1"), Some(Step::Patch));
}

#[test]
fn pre_releases_are_chosen_only_when_asked_for() {
    let tags = ["1.9.0", "2.0.0-rc.1", "2.0.0-rc.2", "2.1.0-rc.1"];
    assert_eq!(choose(&tags, "semver=major", "1.9.0"), "keep");
    assert_eq!(choose(&tags, "semver=>=1", "1.9.0"), "keep");
    assert_eq!(choose(&tags, "semver=>=1.0.0-0", "1.9.0"), "2.1.0-rc.1");
    assert_eq!(choose(&tags, "semver=major prerelease=true", "1.9.0"), "2.1.0-rc.1");
    assert_eq!(choose(&tags, "semver='<2' prerelease=true", "1.9.0"), "keep");
    assert_eq!(choose(&tags, "semver=2.x", "2.0.0-rc.1"), "2.0.0-rc.2");
    assert_eq!(choose(&tags, "semver=patch", "2.0.0-rc.1"), "2.0.0-rc.2");
    assert_eq!(choose(&["2.0.0-rc.2", "2.0.0"], "semver=2.x", "2.0.0-rc.1"), "2.0.0");
    assert_eq!(choose(&["2.0.0-rc9", "2.0.0-rc10"], "semver=2.x", "2.0.0-rc1"), "2.0.0-rc10");
}

#[test]
fn tags_chooses_who_competes_and_what_is_compared() {
    let tags = ["v1.2.0", "1.3.0", "v1.4", "debug-1.9.0", "1.9.0-alpine"];
    let policy = "semver=1.x tags='^v?(?<version>[0-9.]+)$'";
    assert_eq!(choose(&tags, policy, "1.0.0"), "v1.4");
    assert_eq!(choose(&tags, policy, "latest"), "keep");
    // A variant stays although the pattern lets others through.
    assert_eq!(choose(&["1.1.0", "1.3.0-alpine"], "semver=1.x tags=^1", "1.0.0"), "1.1.0");
    // The way to ask for a variant's own next version.
    let variant = "semver=1.x tags='^(?<version>[0-9.]+)-alpine[0-9.]+$'";
    assert_eq!(choose(&["1.2.0-alpine3.20", "1.9.0"], variant, "1.0.0-alpine3.19"), "1.2.0-alpine3.20");
    // Decimals are numbers only where the pattern picks them out.
    assert_eq!(choose(&["n1.10", "n1.9"], "numeric=asc tags='^n(?<version>.+)$'", "n1.2"), "n1.9");
    assert_eq!(choose(&["1.10", "1.9"], "numeric=asc", "1.2"), "keep");
}

#[test]
fn equal_versions_prefer_the_family_in_use_whatever_the_order() {
    let policy = "semver=1.x tags='^v?(?<version>[0-9.]+)$'";
    for tags in [["v1.2.3", "1.2.3"], ["1.2.3", "v1.2.3"]] {
        assert_eq!(choose(&tags, policy, "1.0.0"), "1.2.3");
        assert_eq!(choose(&tags, policy, "v1.0.0"), "v1.2.3");
        assert_eq!(choose(&tags, policy, "v1.0"), "v1.2.3");
        assert_eq!(choose(&tags, policy, "release-1.0.0"), "1.2.3");
        assert_eq!(choose(&tags, policy, "v1.2.3"), "keep");
    }
}

#[test]
fn builds_dates_and_hashes_order_within_their_family() {
    assert_eq!(choose(&["1.2.3-9", "1.2.3-45", "1.2.4-1-rc1"], "semver=patch", "1.2.3-8"), "1.2.3-45");
    assert_eq!(
        choose(&["1.2.3-debian-11-r10", "1.2.3-debian-12-r0"], "semver=patch", "1.2.3-debian-11-r9"),
        "1.2.3-debian-11-r10"
    );
    assert_eq!(choose(&["1.2.3.10", "1.2.3.9"], "semver=1.x", "1.2.3.4"), "1.2.3.10");
    let main = ["main-20260102-abc1234", "main-20260201-0def567", "dev-20260301-abc1234"];
    for policy in ["calver=true", "numeric=asc", "alphabetical=asc", "calver=YYYY0M0D"] {
        assert_eq!(choose(&main, policy, "main-20260101-fff0000"), "main-20260201-0def567", "{policy}");
    }
    assert_eq!(choose(&main, "semver=major", "main-20260101-fff0000"), "keep");
    let releases =
        ["RELEASE.2026-01-02T03-04-05Z", "RELEASE.2026-01-02T03-04-06Z", "RELEASE.2026-05-01T00-00-00Z-cpuv1"];
    assert_eq!(choose(&releases, "calver=true", "RELEASE.2025-12-31T00-00-00Z"), "RELEASE.2026-01-02T03-04-06Z");
    assert_eq!(choose(&["2026.1.1", "2025.12.9", "3.0.0"], "calver=true", "2025.12.1"), "2026.1.1");
    assert_eq!(choose(&["31.1.2026", "1.2.2026", "30.12.2025"], "calver=DD.MM.YYYY", "29.12.2025"), "1.2.2026");
    assert_eq!(choose(&["24.04", "23.10"], "calver=true", "22.04"), "24.04");
    assert_eq!(choose(&["2.3.4"], "calver=true", "1.2.3"), "keep");
}

#[test]
fn an_image_without_a_whole_list_is_undecided() {
    let mut failed = observe(ImageTags::default());
    failed.images.insert(super::world::image(), Err("the list broke off".to_owned()));
    assert_eq!(verdict(&ask(&failed, question("semver=1.x", "1.0.0")).decisions[0]), "undecided: the list broke off");
    failed.images.clear();
    let shown = verdict(&ask(&failed, question("semver=1.x", "1.0.0")).decisions[0]);
    assert_eq!(shown, "undecided: its tags were not observed");
    failed.unknown.insert(super::world::image());
    let shown = verdict(&ask(&failed, question("semver=1.x", "1.0.0")).decisions[0]);
    assert_eq!(shown, "undecided: the source does not know it");
}

#[test]
fn a_variant_moves_to_its_own_next_version_where_the_pattern_names_it() {
    let tags = [
        "1.2.3-alpine3.19",
        "1.2.3-alpine3.20",
        "1.2.4-alpine3.19",
        "1.2.4-alpine3.20",
        "1.2.4-alpine3.9",
        "1.3.0-alpine3.18",
        "1.2.5-bookworm",
        "2.0.0-alpine3.21",
    ];
    let free = "semver=minor tags='^(?<version>[0-9.]+)-alpine(?<variant>[0-9.]+)$'";
    for (policy, current, chosen) in [
        // Unasked, the variant stays to the letter.
        ("semver=minor", "1.2.3-alpine3.19", "1.2.4-alpine3.19"),
        (free, "1.2.3-alpine3.19", "1.2.4-alpine3.20"),
        // The same version on a newer base is an update, too, and an older base is none.
        (free, "1.2.4-alpine3.19", "1.2.4-alpine3.20"),
        (free, "1.2.4-alpine3.20", "keep"),
        // A pattern whose variant is free without a name lets it move only together with the version.
        ("semver=minor tags='^(?<version>[0-9.]+)-alpine[0-9.]+$'", "1.2.4-alpine3.19", "1.3.0-alpine3.18"),
        ("semver=patch tags='^(?<version>[0-9.]+)-alpine[0-9.]+$'", "1.2.4-alpine3.19", "keep"),
    ] {
        assert_eq!(choose(&tags, policy, current), chosen, "{policy}: {current}");
    }
    let debian = "semver=minor tags='^(?<version>[0-9.]+)-debian-(?<variant>[0-9]+-r[0-9]+)$'";
    let tags = ["1.2.3-debian-12-r9", "1.2.3-debian-12-r10", "1.2.4-debian-12-r1", "1.2.4-debian-13-r0"];
    assert_eq!(choose(&tags, debian, "1.2.3-debian-12-r9"), "1.2.4-debian-13-r0");
}

#[test]
fn the_patterns_of_the_document_free_the_variants_that_it_names() {
    let document = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md"))
        .expect("the document is there");
    let (_, table) = document.split_once("| from, to | `tags` |").expect("the table is there");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|row| row.starts_with('|')).collect();
    assert!(rows.len() > 4, "{rows:?}");
    for row in rows {
        let words: Vec<&str> = row.split('`').collect();
        let (from, to, pattern) = (words[1], words[3], words[5].replace("\\|", "|"));
        assert_eq!(choose(&[from, to], &format!("semver=minor tags={pattern}"), from), to, "{row}");
        assert_eq!(choose(&[from, to], "semver=minor", from), "keep", "{row}");
    }
}
