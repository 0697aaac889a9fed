//! Since when a tag is known to point where it points.

use jiff::SignedDuration;
use tagboat::cache::Age;
use tagboat::clock::FixedClock;

use super::{Cache, noon, on_day, pointed};

fn age(cache: &Cache) -> Option<Age> {
    let one = pointed('a');
    cache.ages(&one.image).remove(&one.tag)
}

#[test]
fn the_first_time_counts_and_another_digest_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    assert_eq!(age(&on_day(&path, 0)), None);
    assert_eq!(on_day(&path, 0).saw(&[pointed('a')]), [Some(noon(0))]);
    assert_eq!(on_day(&path, 3).saw(&[pointed('a')]), [Some(noon(0))]);
    assert_eq!(age(&on_day(&path, 3)), Some(Age::FirstSeen(noon(0), pointed('a').digest)));
    assert_eq!(on_day(&path, 4).saw(&[pointed('b')]), [Some(noon(4))]);
    assert_eq!(age(&on_day(&path, 4)), Some(Age::FirstSeen(noon(4), pointed('b').digest)));
    // Back at the first digest, which was first seen when it was first seen.
    assert_eq!(on_day(&path, 5).saw(&[pointed('a')]), [Some(noon(0))]);
    assert_eq!(age(&on_day(&path, 5)), Some(Age::FirstSeen(noon(0), pointed('a').digest)));
}

#[test]
fn a_part_of_a_second_counts_as_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let now = noon(0) + SignedDuration::from_millis(1);
    let cache = Cache::open(&folder.path().join("cache.db"), std::sync::Arc::new(FixedClock(now)));
    assert_eq!(cache.saw(&[pointed('a')]), [Some(noon(0) + SignedDuration::from_secs(1))]);
}

#[test]
fn a_push_time_outweighs_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let cache = on_day(&folder.path().join("cache.db"), 9);
    let one = pointed('a');
    cache.keep_pushed(&[(one.image.clone(), one.tag.clone(), noon(2))]);
    cache.saw(std::slice::from_ref(&one));
    assert_eq!(age(&cache), Some(Age::Pushed(noon(2))));
}

#[test]
fn a_tag_that_waits_is_remembered_for_as_long_as_it_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    on_day(&path, 0).saw(&[pointed('a')]);
    assert!(age(&on_day(&path, 80)).is_some());
    assert!(age(&on_day(&path, 160)).is_some());
    assert_eq!(age(&on_day(&path, 260)), None);
}

#[test]
fn who_did_not_tell_is_asked_again_at_once_and_then_ever_less_often() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let image = pointed('a').image;
    let at =
        |second: i64| Cache::open(&path, std::sync::Arc::new(FixedClock(noon(0) + SignedDuration::from_secs(second))));
    assert!(at(0).is_asked_again(&image), "nobody was asked yet");
    let mut now = 0;
    for rest in [0, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600] {
        at(now).keep_untold([&image]);
        assert!(rest == 0 || !at(now + rest - 1).is_asked_again(&image), "after {now} s");
        assert!(at(now + rest).is_asked_again(&image), "after {now} s");
        now += rest;
    }
    assert!(at(now).ages(&image).is_empty(), "that is no tag's age");
    assert!(at(now).is_asked_again(&"ghcr.io/acme/other".parse().unwrap()));
}
