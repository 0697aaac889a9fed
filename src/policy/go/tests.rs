use super::*;
use crate::policy::pattern::{Extracted, Extractor};

fn compared(pattern: &str, extract: &str, tag: &str) -> Option<String> {
    let extract = (!extract.is_empty()).then_some(extract);
    let pattern = filter(pattern, extract).unwrap_or_else(|reason| panic!("{pattern}: {reason}"));
    match Extractor::new(&pattern).extract(tag) {
        Extracted::Compared(text) => Some(text.to_owned()),
        Extracted::NotMatched => None,
    }
}

#[track_caller]
fn gives(pattern: &str, extract: &str, tag: &str, expected: &str) {
    assert_eq!(compared(pattern, extract, tag).as_deref(), Some(expected), "{pattern} {extract} {tag}");
}

#[test]
fn takes_the_group_that_the_template_names() {
    gives("^main-[a-f0-9]+-(?P<ts>[0-9]+)$", "$ts", "main-abc-1700000000", "1700000000");
    gives("^main-[a-f0-9]+-(?<ts>[0-9]+)$", "${ts}", "main-abc-17", "17");
    gives("^v([0-9]+)-(.*)$", "$2", "v1-rc", "rc");
    gives("(?i)^(RC)-(?:x)(?P<1st>[0-9]+)", "$1st", "rc-x12", "12");
    gives("[0-9.]+", "$0", "v1.2.3-rc", "1.2.3");
    gives("[0-9.]+", "", "v1.2.3-rc", "v1.2.3-rc");
    assert_eq!(compared("^v", "", "1.0.0"), None);
}

#[test]
fn joins_groups_that_stand_together_in_the_tag() {
    gives(r"^r(\d+)\.(\d+)-x$", "$1.$2", "r7.9-x", "7.9");
    gives(r"^(?P<a>\d+)(?P<b>[a-z]+)-", "${a}${b}", "12ab-", "12ab");
    gives(r"^app-v(\d+)", "v$1", "app-v12", "v12");
}

#[test]
fn refuses_what_does_not_stand_so_in_the_tag() {
    for (pattern, extract, reason) in [
        (r"^(\d+)-(\d+)$", "$2.$1", "do not stand so"),
        (r"^(\d+)-(\d+)$", "$1.$2", "do not stand so"),
        (r"^(\d+)$", "$1x", "same text for every tag"),
        (r"^(\d+)$", "$2", "same text for every tag"),
        (r"^(\d+)$", "$$1", "same text for every tag"),
        (r"^(\d+)$", "$01", "same text for every tag"),
        (r"^(\d+)\.(\d+)?$", "$1.$2", "several times or not at all"),
        (r"^a$", "x$0", "whole tag"),
        (r"(?P<a", "", "not closed"),
        (r"(?!a)", "", "look-around"),
    ] {
        let error = filter(pattern, Some(extract)).unwrap_err();
        assert!(error.contains(reason), "{pattern} {extract}: {error}");
    }
}

#[test]
fn reads_what_go_spells_differently() {
    gives(r"^\Qa.b\E-(\d)$", "$1", "a.b-1", "1");
    assert_eq!(compared(r"^\Qa.b\E$", "", "axb"), None);
    gives(r"^[]a[]+$", "", "a", "a");
    gives(r"^[a-z&&b]+$", "", "ab", "ab");
    gives(r"^[[:alpha:]]+$", "", "ab", "ab");
    gives(r"^[+--]+$", "", "-", "-");
    gives(r"^\x61\141$", "", "aa", "aa");
    gives(r"^\p{Greek}?a{1,2}$", "", "aa", "aa");
    assert!(filter("^a{,2}$", None).is_ok());
}

#[test]
fn reads_globs_over_whole_tags() {
    for (pattern, tag, expected) in [
        ("*-debug", "1.0-debug", true),
        ("*-debug", "1.0-debug-2", false),
        ("v?.[0-9]", "v1.2", true),
        ("latest", "latest", true),
        ("1.2", "1x2", false),
        (r"a\*", "a*", true),
    ] {
        assert_eq!(glob(pattern).unwrap().0.is_match(tag), expected, "{pattern} {tag}");
    }
    assert!(glob("[a").is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(pattern in ".{0,40}", template in ".{0,20}", text in r"[-\[\](){}\\^$a-c0-9&~?P<>:|*+.,QE]{0,40}") {
        let _ = filter(&pattern, Some(&template));
        let _ = filter(&text, Some("$1.$2"));
        let _ = glob(&text);
    }
}
