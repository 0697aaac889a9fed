use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};

use super::{CHECKSUM, Key, checksum, decode, encode};
use crate::manifest::{Limits, Surroundings, scan};
use crate::model::file::RepoPath;

/// Puts the right checksum before bytes, as whoever may write to the cache can.
fn sealed(key: &Key, bytes: &[u8]) -> Vec<u8> {
    [checksum(key, bytes).as_slice(), bytes].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forged_results_name_no_place_outside_of_the_file(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let text = "image: ghcr.io/acme/web:1.4.0 # tagboat: semver=1.x tags=^v\nb: &a {image: 'x/y:1'}\nc: *a\n";
        let (path, limits) = (RepoPath::new("values.yaml").unwrap(), Limits::default());
        let found = scan(&path, text.as_bytes(), &Surroundings::default(), &limits);
        let key = Key::of(&path, "content", &Surroundings::default(), &limits);
        let mut bytes = encode(&key, &path, text.len(), &found).unwrap().split_off(CHECKSUM);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !tail.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
            bytes.extend(tail);
        }
        let Some(read) = decode(&key, &path, Some(text.len()), &sealed(&key, &bytes)) else { return Ok(()) };
        for site in &read.sites {
            prop_assert!(site.offset <= text.len());
            prop_assert!(site.slots.iter().all(|slot| slot.span.end <= text.len() && slot.token.end <= text.len()));
        }
    }

    #[test]
    fn noise_is_no_result(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let path = RepoPath::new("values.yaml").unwrap();
        let key = Key([7; 32]);
        // The shortest result has a length, no reference, nothing passed over, no object of another updater
        // and no layer.
        let read = decode(&key, &path, None, &sealed(&key, &noise));
        prop_assert!(read.is_none() || noise.len() > 4);
        prop_assert!(decode(&key, &path, None, &noise).is_none());
    }
}
