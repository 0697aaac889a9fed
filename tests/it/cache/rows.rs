//! What is kept and found again, and for how long.

use std::os::unix::fs::PermissionsExt;

use tagboat::cache::ListSummary;
use tagboat::model::image::{Digest, ImageName};
use tagboat::model::tags::{Platform, TagFacts};

use super::{key, on_day};

#[test]
fn scan_results_are_found_again_by_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below").join("cache.db");
    on_day(&path, 0).keep_scans(&[(key(1), b"one".to_vec()), (key(2), Vec::new())]);
    let cache = on_day(&path, 0);
    let found = cache.scans(&[key(1), key(2), key(3)]);
    assert_eq!(found.len(), 2);
    assert_eq!((&*found[&key(1)], &*found[&key(2)]), (&b"one"[..], &b""[..]));
    assert_eq!(cache.warning(), None);
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let cache = on_day(&path, 0);
    cache.keep_scans(&[(key(1), b"one".to_vec())]);
    for suffix in ["", "-wal", "-shm"] {
        let file = folder.path().join(format!("cache.db{suffix}"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
}

#[test]
fn what_is_used_stays_and_what_is_not_goes_after_ninety_days() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    on_day(&path, 0).keep_scans(&[(key(1), b"used".to_vec()), (key(2), b"not used".to_vec())]);
    assert_eq!(on_day(&path, 60).scans(&[key(1)]).len(), 1);
    assert_eq!(on_day(&path, 90).scans(&[key(1), key(2)]).len(), 2, "a row of ninety days is kept");
    on_day(&path, 100).keep_scans(&[(key(2), b"not used".to_vec())]);
    assert_eq!(on_day(&path, 185).scans(&[key(1)]).len(), 0);
    assert_eq!(on_day(&path, 185).scans(&[key(2)]).len(), 1);
}

#[test]
fn what_is_wanted_every_day_stays_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
    let summary = ListSummary { second: 7, count: 3, in_use: vec!["1.0.0".parse().unwrap()] };
    on_day(&path, 0).keep_summaries(&[(image.clone(), summary.clone())]);
    on_day(&path, 0).keep_pages(&image, b"pages".to_vec());
    for day in [80, 160, 240] {
        let cache = on_day(&path, day);
        assert_eq!(cache.summaries([&image]).remove(&image), Some(summary.clone()), "{day}");
        assert_eq!(cache.pages(&image), Some(b"pages".to_vec()), "{day}");
    }
    assert_eq!(on_day(&path, 331).pages(&image), None);
}

#[test]
fn what_an_image_holds_is_known_by_its_digest_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = on_day(&folder.path().join("cache.db"), 0);
    let digest = |digit: &str| -> Digest { format!("sha256:{}", digit.repeat(64)).parse().unwrap() };
    let facts = |digit: &str| TagFacts { digest: Some(digest(digit)), ..TagFacts::default() };
    let platforms = ["linux/amd64", "linux/arm64/v8"].map(|name| Platform(name.to_owned())).to_vec();
    let created = Some("2026-11-01T08:00:00.123456789Z".parse().unwrap());
    let whole = TagFacts { created, platforms: Some(platforms), ..facts("a") };
    let bare = TagFacts { platforms: Some(Vec::new()), ..facts("b") };
    cache.keep_images(&[whole.clone(), bare.clone(), facts("c"), TagFacts { digest: None, ..whole.clone() }]);
    assert_eq!(cache.image(&digest("a")), Some(whole));
    assert_eq!(cache.image(&digest("b")), Some(bare));
    assert_eq!(cache.image(&digest("c")), None, "half of the facts are none");
}

#[test]
fn counts_what_it_could_answer() {
    let folder = tempfile::tempdir().unwrap();
    let cache = on_day(&folder.path().join("cache.db"), 0);
    cache.keep_scans(&[(key(1), Vec::new())]);
    cache.scans(&[key(1), key(2), key(3)]);
    assert_eq!((cache.tally().asked, cache.tally().answered), (3, 1));
}
