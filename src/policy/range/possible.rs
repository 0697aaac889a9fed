//! Whether a range holds any version at all.

use semver::{Prerelease, Version};

use crate::model::policy::{Comparator, Range};
use crate::policy::range::matches;

/// Whether some version lies in the range.
///
/// Where there is one, there is one at a bound or right behind it: every comparison begins at a version that is
/// written, at the next patch, minor or major version after it, or at `0.0.0`, and `!=` takes single versions away.
pub fn is_possible(range: &Range) -> bool {
    let bounds = range.groups.iter().flatten().flat_map(near).chain([Version::new(0, 0, 0)]);
    bounds.into_iter().any(|version| matches(range, &version))
}

/// Returns the version that a comparator names, and those around it.
fn near(comparator: &Comparator) -> Vec<Version> {
    let [major, minor, patch] = [comparator.major, comparator.minor, comparator.patch].map(Option::unwrap_or_default);
    let mut found = vec![
        Version { pre: comparator.pre.clone(), ..Version::new(major, minor, patch) },
        Version::new(major, minor, patch),
        Version::new(major, minor, patch.saturating_add(1)),
        Version::new(major, minor.saturating_add(1), 0),
        Version::new(major.saturating_add(1), 0, 0),
    ];
    if let Ok(first) = Prerelease::new("0") {
        // The lowest pre-releases, and the first after the one that is written.
        let next = Prerelease::new(&format!("{}.0", comparator.pre)).unwrap_or_else(|_none| first.clone());
        found.push(Version { pre: first.clone(), ..Version::new(major, minor, patch) });
        found.push(Version { pre: next, ..Version::new(major, minor, patch) });
    }
    // Before a bound that nothing lies behind, `<1.0.0`, there may be only what is just below.
    for (major, minor, patch) in [
        (Some(major), Some(minor), patch.checked_sub(1)),
        (Some(major), minor.checked_sub(1), Some(0)),
        (major.checked_sub(1), Some(0), Some(0)),
    ] {
        if let (Some(major), Some(minor), Some(patch)) = (major, minor, patch) {
            found.push(Version::new(major, minor, patch));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::range::parse;

    #[test]
    fn tells_ranges_that_hold_nothing() {
        for (text, expected) in [
            ("1.x", true),
            ("*", true),
            (">=1.0.0 <2.0.0", true),
            (">1.2.3 <1.2.4", false),
            (">=1.2.3 <=1.2.3", true),
            (">=2 <1", false),
            (">=2 <1 || 3.x", true),
            (">1", true),
            ("^0.0.3 !=0.0.3", false),
            (">=1.0.0 !=1.0.0 !=1.0.1 !=1.0.2", true),
            ("<0.0.0", false),
            (">=1.0.0-0 <1.0.0", true),
            (">1.0.0-rc.1 <1.0.0-rc.2", true),
            ("~1.2 >=1.3", false),
            ("1.2 - 1.1", false),
        ] {
            assert_eq!(is_possible(&parse(text).unwrap()), expected, "{text}");
        }
    }
}
