use super::*;

#[test]
fn reads_durations_from_the_largest_unit_down() {
    for (text, seconds) in [
        ("30m", 1800),
        ("2h", 7200),
        ("24h", 86_400),
        ("7d", 604_800),
        ("1h30m", 5400),
        ("1w2d3h4m5s", 788_645),
        ("0s", 0),
    ] {
        assert_eq!(duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
    }
    for (text, reason) in [
        ("", "it is empty"),
        ("-1h", "it is negative"),
        ("5", "the unit is missing: s, m, h, d or w"),
        ("h", "write a number and a unit, as in 1h30m"),
        ("1h ", "write a number and a unit, as in 1h30m"),
        ("30m1h", "units go from the largest to the smallest, each once"),
        ("1h1h", "units go from the largest to the smallest, each once"),
        ("1y", "the units are s, m, h, d and w"),
        ("999999999999999w", "it is longer than a thousand years"),
    ] {
        let error = PolicyError::Duration { text: text.to_owned(), reason };
        assert_eq!(duration(text), Err(error), "{text}");
    }
}

#[test]
fn tells_a_misspelt_step_from_a_range() {
    assert_eq!(step_or_range("major"), Ok(Select::Step(Step::Major)));
    assert!(matches!(step_or_range("1.x"), Ok(Select::Range(_))));
    assert_eq!(step_or_range("mayor").unwrap_err().to_string(), "`mayor` is no step: did you mean `major`?");
    assert_eq!(
        step_or_range("newest").unwrap_err().to_string(),
        "`newest` is not a version range: expected a version at character 1, found `newest`; or one of patch, minor, major"
    );
    assert!(direction("up").unwrap_err().to_string().contains("asc (the greatest wins)"));
}
