//! The cache: what it keeps, and that nothing that happens to its file fails a pass.

mod ages;
mod faults;
mod rows;
mod shared;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tagboat::cache::{Cache, Key32, Pointed};
use tagboat::clock::FixedClock;

/// Noon of a day, counted from the first of 2026.
fn noon(day: i64) -> Timestamp {
    "2026-01-01T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * day)
}

/// A cache on such a day.
fn on_day(path: &Path, day: i64) -> Cache {
    Cache::open(path, Arc::new(FixedClock(noon(day))))
}

fn key(number: u8) -> Key32 {
    Key32([number; 32])
}

/// The tag `1.5.0` of an image, found to point to a digest made of one digit.
fn pointed(digit: char) -> Pointed {
    Pointed {
        image: "ghcr.io/acme/web".parse().unwrap(),
        tag: "1.5.0".parse().unwrap(),
        digest: format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap(),
    }
}
