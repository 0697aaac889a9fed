//! Snapshots that come from elsewhere: read or refused, whatever they hold.

use proptest::prelude::{ProptestConfig, any, prop, prop_oneof, proptest};
use serde_json::json;

use crate::bodies;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_as_the_same(
        images in prop::collection::btree_map(
            prop_oneof!["[a-z]{1,3}", "ghcr\\.io/[a-z]{1,3}/[a-z]{1,3}", "\\PC{0,6}"],
            prop::collection::btree_map(prop_oneof!["[0-9]\\.[0-9]\\.[0-9]", "[\\PC&&[^a-z]]{0,6}"], 0..6_u8, 0..6),
            0..4,
        ),
        cut in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let facts = |kind: u8| match kind {
            0 => json!({}),
            1 => json!({"digest": format!("sha256:{}", "cd".repeat(32))}),
            2 => json!({"created": "2026-01-02T03:04:05Z", "platforms": ["linux/amd64", "linux/arm64/v8"]}),
            3 => json!({"created": "yesterday"}),
            4 => json!({"platforms": [], "digest": "sha256:\u{1b}"}),
            _ => json!(null),
        };
        let images = images.into_iter().map(|(image, tags)| {
            let tags = tags.into_iter().map(|(tag, kind)| (tag, facts(kind))).collect::<serde_json::Map<_, _>>();
            (image, json!({"tags": tags}))
        });
        let text = json!({"images": images.collect::<serde_json::Map<_, _>>()}).to_string();
        bodies::readers::snapshot(text.as_bytes());
        let mut damaged = text.into_bytes();
        let at = cut.index(damaged.len());
        bodies::readers::snapshot(&damaged[..at]);
        damaged[at] = byte;
        bodies::readers::snapshot(&damaged);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        bodies::readers::snapshot(&bytes);
        bodies::readers::snapshot(&[b"{\"images\":{\"web\":{\"tags\":".as_slice(), &bytes].concat());
    }
}
