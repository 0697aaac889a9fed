use super::*;
use crate::model::policy::{Direction, Step};

fn parsed(text: &str) -> Policy {
    match read(text).marker {
        Some(Marker::Policy(policy)) => Arc::unwrap_or_clone(policy),
        other => panic!("{text}: {other:?}"),
    }
}

fn fault(text: &str) -> String {
    match read(text).marker {
        Some(Marker::Faulty(reason)) => reason,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn reads_every_key() {
    assert_eq!(read(" ignore "), Said { marker: Some(Marker::Ignore), image: None });
    assert_eq!(parsed("semver=1.x").to_string(), "semver 1.x");
    assert_eq!(parsed("semver=minor").select, Select::Step(Step::Minor));
    assert_eq!(parsed("numeric=desc").select, Select::Numeric(Direction::Descending));
    assert_eq!(parsed("calver=true").select, Select::Calver(None));
    assert_eq!(parsed("calver=YYYY.0M.DD").to_string(), "calver YYYY.0M.DD");
    assert_eq!(parsed("newest=true").select, Select::Newest);
    assert_eq!(parsed("digest=true").select, Select::Digest(None));
    assert_eq!(parsed("digest=stable").to_string(), "digest stable");
    let all = parsed(
        r#"semver=">=1.4 <2" tags='^v(?<version>.+)$' ignore=-debug$ ignore=-test$ prerelease=true minAge=1h30m pin=digest platforms=linux/amd64,linux/arm64"#,
    );
    assert_eq!(all.to_string(), "semver >=1.4 <2");
    assert_eq!(all.tags.as_ref().map(|tags| tags.0.as_str()), Some("^v(?<version>.+)$"));
    assert_eq!(all.ignore.len(), 2);
    assert!(all.prerelease);
    assert_eq!(all.min_age, Some(jiff::SignedDuration::from_mins(90)));
    assert_eq!(all.pin, Pin::Digest);
    assert_eq!(all.platforms.len(), 2);
}

#[test]
fn says_what_is_wrong_with_a_marker() {
    for (text, reason) in [
        ("", "nothing is written; `ignore`, or a policy such as semver=minor"),
        ("semvr=1.x", "unknown key `semvr`: did you mean `semver`?"),
        ("minage=2h", "unknown key `minage`: did you mean `minAge`?"),
        ("semver=mnior", "semver: `mnior` is no step: did you mean `minor`?"),
        ("semver", "`semver` is no `key=value`"),
        ("semver=", "`semver` has no value"),
        ("semver=1.x semver=2.x", "`semver` stands twice"),
        ("semver=1.x newest=true", "`semver` and `newest` exclude each other"),
        ("pin=digest", "one of semver, calver, numeric, alphabetical, newest, digest is missing"),
        ("semver='1.x", "the quote after `semver=` is not closed"),
        ("semver='1.x'pin=digest", "a space is missing after the value of `semver`"),
        ("semver=1.x pin=tag", "pin: `tag` is not `digest`"),
        ("semver=1.x minAge=-2h", "minAge: `-2h` is not a duration: it is negative"),
        ("newest=yes", "newest: `yes` is not `true`"),
        (
            "image=Web semver=1.x",
            "image: `Web` has capital letters in its path, which the OCI distribution specification allows in no image name",
        ),
        (
            "image=web:1.4.0 semver=1.x",
            "image: `web:1.4.0` is not an image name (lower-case letters, digits, `.` `_` `-` and `/`)",
        ),
        ("image=web pin=digest", "one of semver, calver, numeric, alphabetical, newest, digest is missing"),
    ] {
        assert_eq!(fault(text), reason, "{text}");
    }
    assert!(fault("zzz=1").starts_with("unknown key `zzz`; the keys are semver, calver"));
    assert!(!fault("semver=1.x \u{7}=1").contains('\u{7}'));
}

#[test]
fn names_the_image_of_a_tag_that_stands_alone() {
    let said = read("image=ghcr.io/acme/web semver=1.x");
    assert_eq!(said.image.map(|image| image.to_string()).as_deref(), Some("ghcr.io/acme/web"));
    assert!(matches!(said.marker, Some(Marker::Policy(_))));
    // The rules decide where nothing else is said.
    let said = read("image=redis");
    assert_eq!(said.image.map(|image| image.to_string()).as_deref(), Some("docker.io/library/redis"));
    assert_eq!(said.marker, None);
}
