//! Files that are made to hurt: each is refused with a reason, in bounded time and memory.

use std::fmt::Write as _;

use proptest::prelude::*;

use tagboat::config::schema::Which;

use super::faults_of;
use crate::bodies;

fn refusal(text: &str) -> String {
    let faults = faults_of(Which::Repository, "f.yaml", text.as_bytes()).expect_err("it is hostile");
    faults.render(false, 80) + &faults.to_string()
}

#[test]
fn refuses_deep_nesting() {
    for text in [
        format!("version: 1\nimages: {}", "[".repeat(10_000)),
        format!("version: 1\nimages: {}", "{a: ".repeat(10_000)),
        format!("version: 1\nimages:\n  {}x", "- ".repeat(10_000)),
    ] {
        let refusal = refusal(&text);
        assert!(refusal.contains("nest deeper than 64 levels"), "{refusal}");
    }
}

#[test]
fn refuses_a_bomb_of_aliases() {
    let mut text = "version: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let refusal = refusal(&text);
    assert!(refusal.contains("more than 100000 values, with aliases written out"), "{refusal}");
}

#[test]
fn refuses_an_alias_within_its_own_anchor() {
    let refusal = refusal("version: 1\nimages: &a [*a]\n");
    assert!(refusal.contains("f.yaml:2:"), "{refusal}");
}

#[test]
fn refuses_a_large_file_without_reading_it() {
    let text = "a: b\n".repeat(1024 * 1024);
    let refusal = refusal(&text);
    assert!(refusal.contains("the file has 5242880 bytes"), "{refusal}");
}

#[test]
fn refuses_more_values_than_anybody_writes() {
    let text = format!("version: 1\nimages: [{}]", "a,".repeat(200_000));
    let refusal = refusal(&text);
    assert!(refusal.contains("more than 100000 values"), "{refusal}");
}

#[test]
fn refuses_expressions_that_grow_huge() {
    let text = "version: 1\nformats: [{files: x, regex: '(?<tag>(a{1000}){1000})'}]\n";
    let refusal = refusal(text);
    assert!(refusal.contains("is no regular expression"), "{refusal}");
}

#[test]
fn tells_the_first_faults_of_very_many() {
    let text = format!("version: 1\nimages: [{}]\n", "{match: '[', semver: x, zone: y},".repeat(10_000));
    let faults = faults_of(Which::Repository, "f.yaml", text.as_bytes()).unwrap_err();
    assert_eq!(faults.0.len(), 201);
    assert_eq!(faults.0[200].message, "there are more than these 200 faults");
}

#[test]
fn a_long_chain_of_environments_is_no_circle() {
    let mut text =
        "version: 1\nenvironments:\n- {name: e0, files: e0}\n- {name: e1, files: e1, after: e0}\n".to_owned();
    for number in 2..1000 {
        let before = number - 1;
        writeln!(text, "- {{name: e{number}, files: e{number}, after: [e{before}, e{}]}}", before / 2).unwrap();
    }
    assert_eq!(faults_of(Which::Repository, "f.yaml", text.as_bytes()), Ok(()));
}

#[test]
fn colours_come_only_when_asked_for() {
    let faults = faults_of(Which::Repository, "f.yaml", b"version: 1\nimage: []\n").unwrap_err();
    assert!(faults.render(true, 80).contains('\u{1b}'));
    assert!(!faults.render(false, 80).contains('\u{1b}'));
}

#[test]
fn escapes_what_the_parser_itself_repeats() {
    let refusal = refusal("version: 1\nimages: @\u{9b}2J\u{1b}\n\u{1b}[31m: %\u{7}\n");
    assert!(!refusal.contains(|character: char| character != '\n' && character.is_control()), "{refusal:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Examples with random damage: read or refused, and shown without a control character.
    #[test]
    fn damaged_files_are_read_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[\\PC\\t\\r\n\"'{}\\[\\]:,&*!|>#-]{0,4}"), 1..6),
        is_service in any::<bool>(),
    ) {
        let file = if is_service { "service" } else { "tagboat" };
        let path = format!("{}/config/{file}.example.yaml", super::ROOT);
        let mut text: Vec<char> = std::fs::read_to_string(path).expect("the example is there").chars().collect();
        for (at, length, with) in cuts {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, with.chars());
        }
        let text: String = text.into_iter().collect();
        bodies::readers::configuration(text.as_bytes());
    }

    #[test]
    fn odd_yaml_is_read_or_refused(
        text in "(version: 1|images|environments|formats|policies|registries|match|name|files|after|semver|<<|[-:?|>&*!%@`{}\\[\\],#'\" \t\r\n]|web|1\\.x|a){0,60}",
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        bodies::readers::configuration(text.as_bytes());
        bodies::readers::configuration(&bytes);
        bodies::readers::configuration(&[b"version: 1\nimages:\n- ".as_slice(), &bytes].concat());
    }
}
