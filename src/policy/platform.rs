//! Platforms: how they are written, and which image satisfies which.
//!
//! The entry points are [`parse`] and [`satisfies`]. Names are those of Go, as in OCI image indexes.

use crate::model::image::shorten;
use crate::model::tags::Platform;
use crate::policy::{PolicyError, nearest};

/// The operating systems that images are built for.
const SYSTEMS: [&str; 10] =
    ["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasip1", "android", "aix"];

/// The architectures that images are built for.
const ARCHITECTURES: [&str; 13] = [
    "amd64", "arm64", "arm", "386", "ppc64le", "ppc64", "s390x", "riscv64", "mips64le", "mips64", "mipsle", "loong64",
    "wasm",
];

/// What other tools call architectures.
const OTHER_NAMES: [(&str, &str); 7] = [
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("x64", "amd64"),
    ("aarch64", "arm64"),
    ("i386", "386"),
    ("armhf", "arm/v7"),
    ("armv7", "arm/v7"),
];

/// Parses `os/arch` or `os/arch/variant`.
///
/// # Errors
///
/// [`PolicyError::Platform`] with what was probably meant.
pub fn parse(text: &str) -> Result<Platform, PolicyError> {
    let fault = |reason: String| PolicyError::Platform { platform: shorten(text), reason };
    let mut parts = text.split('/');
    let (Some(system), Some(architecture), variant, None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(fault("write os/arch or os/arch/variant, as in linux/arm64".to_owned()));
    };
    if !SYSTEMS.contains(&system) {
        let meant = nearest(system, SYSTEMS.into_iter());
        return Err(fault(meant.map_or_else(
            || format!("the operating systems are {}", SYSTEMS.join(", ")),
            |meant| format!("did you mean {meant}/{}?", shorten(architecture)),
        )));
    }
    if !ARCHITECTURES.contains(&architecture) {
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == architecture).map(|(_, meant)| *meant);
        let meant = other.or_else(|| nearest(architecture, ARCHITECTURES.into_iter()));
        return Err(fault(meant.map_or_else(
            || format!("the architectures are {}", ARCHITECTURES.join(", ")),
            |meant| format!("did you mean {system}/{meant}?"),
        )));
    }
    let variant_fits = |variant: &str| {
        (1..=16).contains(&variant.len())
            && variant.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if variant.is_some_and(|variant| !variant_fits(variant)) {
        return Err(fault("a variant is a short word, as in linux/arm/v7".to_owned()));
    }
    Ok(Platform(text.to_owned()))
}

/// Whether an image for `available` runs where `wanted` is asked for: the same, any variant where none is asked
/// for, and the variant that an architecture means by itself (`arm64/v8`, `arm/v7`, `amd64/v1`).
pub fn satisfies(available: &Platform, wanted: &Platform) -> bool {
    let (system, architecture, variant) = split(available);
    let (wanted_system, wanted_architecture, wanted_variant) = split(wanted);
    system == wanted_system
        && architecture == wanted_architecture
        && wanted_variant.is_none_or(|wanted| variant.or_else(|| default_variant(architecture)) == Some(wanted))
}

fn split(platform: &Platform) -> (&str, &str, Option<&str>) {
    let mut parts = platform.0.splitn(3, '/');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next())
}

fn default_variant(architecture: &str) -> Option<&'static str> {
    match architecture {
        "arm64" => Some("v8"),
        "arm" => Some("v7"),
        "amd64" => Some("v1"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_at_the_platform_that_was_meant() {
        let reason = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(reason("linux/x86_64"), "`linux/x86_64` is not a platform: did you mean linux/amd64?");
        assert_eq!(reason("linux/amd46"), "`linux/amd46` is not a platform: did you mean linux/amd64?");
        assert_eq!(reason("linus/amd64"), "`linus/amd64` is not a platform: did you mean linux/amd64?");
        assert!(reason("linux").contains("write os/arch"));
        assert!(reason("linux/arm/v7/x").contains("write os/arch"));
        assert!(reason("linux/arm/").contains("a short word"));
        assert!(parse("linux/arm/v7").is_ok());
    }

    #[test]
    fn a_variant_counts_only_where_it_is_asked_for() {
        let satisfies =
            |available: &str, wanted: &str| satisfies(&Platform(available.to_owned()), &Platform(wanted.to_owned()));
        assert!(satisfies("linux/arm64/v8", "linux/arm64"));
        assert!(satisfies("linux/arm64", "linux/arm64/v8"));
        assert!(satisfies("linux/arm/v6", "linux/arm"));
        assert!(!satisfies("linux/arm/v6", "linux/arm/v7"));
        assert!(!satisfies("linux/amd64", "linux/arm64"));
        assert!(!satisfies("windows/amd64", "linux/amd64"));
    }
}
