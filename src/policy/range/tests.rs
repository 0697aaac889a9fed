use super::*;

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn tells_where_a_range_stops_making_sense() {
    assert_eq!(error(">= bar"), "`>= bar` is not a version range: expected a version at character 4, found `bar`");
    assert_eq!(error(""), "`` is not a version range: expected a version at character 1");
    assert_eq!(
        error("1.2.3.4"),
        "`1.2.3.4` is not a version range: expected a version of at most three parts at character 6, found `.4`"
    );
    assert_eq!(
        error("12.3.34~ 1.2.3"),
        "`12.3.34~ 1.2.3` is not a version range: expected a space, a comma or `||` at character 8, found `~`"
    );
    assert_eq!(error("1 ||"), "`1 ||` is not a version range: expected a version at character 5");
    assert_eq!(error("1,"), "`1,` is not a version range: expected a version at character 3");
    assert!(error("1.2.3-01").contains("no leading zero at character 7"));
    assert!(error("99999999999999999999").contains("below 2^64 at character 1"));
    assert!(error("V1.2").contains("character 1"));
    assert!(!error("1 \u{1b}[31m").contains('\u{1b}'));
    assert!(error(&"1 ".repeat(600)).contains("at most 1024 bytes"));
}

#[test]
fn keeps_the_special_cases_of_wildcards() {
    let holds = |range: &str, version: &str| {
        matches(&parse(range).expect("the range parses"), &version.parse().expect("the version parses"))
    };
    for (range, version, expected) in [
        ("*", "0.0.0", true),
        ("*", "7.1.2", true),
        ("~0.0.0", "9.0.0", true),
        ("~0.0", "0.1.0", false),
        ("*.1.2", "3.0.0", true),
        ("1.*.5", "1.7.0", true),
        ("1.*.5", "2.0.0", false),
        (">=1.0.0-0 <2.0.0", "2.0.0-rc.1", true),
        (">=1.0.0-0 <2.0.0-0", "2.0.0-rc.1", false),
        ("1.x-0", "1.2.0-rc.1", true),
        ("1.2 - 1.4, !=1.3", "1.3.7", false),
        ("1.2 - 1.4, !=1.3", "1.4.9", true),
    ] {
        assert_eq!(holds(range, version), expected, "{version} in {range}");
    }
}
