//! The range grammar against the recorded answers of the library that Flux and Argo CD users know.

use serde_json::Value;
use tagboat::policy::{range, version};

const CASES: &str = include_str!("../../data/policy/semver-cases.json");
const PARSE_CASES: &str = include_str!("../../data/policy/semver-parse-cases.json");

fn rows<'a>(all: &'a Value, group: &str) -> &'a [Value] {
    let rows = all[group].as_array().expect("the group is a list");
    assert!(!rows.is_empty(), "{group}");
    rows
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().expect("the field is a text")
}

#[test]
fn every_recorded_match_holds() {
    let all: Value = serde_json::from_str(CASES).unwrap();
    let rows = all.as_array().unwrap();
    assert_eq!(rows.len(), 237);
    let mut wrong = Vec::new();
    for row in rows {
        let (constraint, written) = (text(row, "constraint"), text(row, "version"));
        let expected = row["matches"].as_bool().unwrap();
        let range = range::parse(constraint).unwrap_or_else(|error| panic!("{error}"));
        let version = version::parse(written).unwrap_or_else(|| panic!("{written} is no version"));
        if range::matches(&range, &version) != expected {
            wrong.push(format!("{written} in {constraint} should be {expected}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn loose_versions_parse_as_recorded() {
    let all: Value = serde_json::from_str(PARSE_CASES).unwrap();
    for row in rows(&all, "loose_NewVersion") {
        let written = text(row, "version");
        assert_eq!(version::parse(written).is_some(), row["parses"].as_bool().unwrap(), "{written:?}");
    }
}

#[test]
fn strict_versions_parse_as_recorded_and_loosely_to_the_same() {
    let all: Value = serde_json::from_str(PARSE_CASES).unwrap();
    for row in rows(&all, "strict") {
        let written = text(row, "version");
        let strict = semver::Version::parse(written).ok();
        assert_eq!(strict.is_some(), row["parses"].as_bool().unwrap(), "{written:?}");
        if strict.is_some() {
            assert_eq!(version::parse(written), strict, "{written:?}");
        }
    }
}

#[test]
fn versions_compare_as_recorded() {
    let all: Value = serde_json::from_str(PARSE_CASES).unwrap();
    for row in rows(&all, "compare") {
        let (a, b) = (text(row, "a"), text(row, "b"));
        let order = version::parse(a).unwrap().cmp_precedence(&version::parse(b).unwrap());
        let expected = row["cmp"].as_i64().unwrap().cmp(&0);
        assert_eq!(order, expected, "{a} and {b}");
    }
}

#[test]
fn ranges_parse_into_as_many_groups_and_comparators_as_recorded() {
    let all: Value = serde_json::from_str(PARSE_CASES).unwrap();
    for row in rows(&all, "constraint_parse") {
        let constraint = text(row, "constraint");
        let parsed = range::parse(constraint);
        assert_eq!(parsed.is_err(), row["error"].as_bool().unwrap(), "{constraint}");
        if let Ok(range) = parsed {
            assert_eq!(range.groups.len() as u64, row["ors"].as_u64().unwrap(), "{constraint}");
            assert_eq!(range.groups[0].len() as u64, row["first_and_count"].as_u64().unwrap(), "{constraint}");
        }
    }
}
