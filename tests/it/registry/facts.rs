//! Facts about single tags: digests by HEAD, and what manifests and configuration blobs say.

use tagboat::model::tags::{FactKind, Labels, TagFacts};
use tagboat::registry::client::RegistryClient;
use tagboat::registry::{SourceError, TagSource};

use super::anonymous;
use crate::support::registry::{Counts, FakeRegistry};

const CREATED: &str = "2026-11-01T08:00:00Z";

async fn facts(client: &RegistryClient, registry: &FakeRegistry, kind: FactKind) -> Result<TagFacts, String> {
    let tag = "1.0.0".parse().unwrap();
    client.facts(&registry.image("acme/web"), &tag, kind).await.map_err(|error| error.to_string())
}

fn digest_of(facts: Result<TagFacts, String>) -> String {
    facts.map_or_else(|error| format!("error: {error}"), |facts| facts.digest.unwrap().to_string())
}

#[tokio::test]
async fn a_digest_costs_one_head_request() {
    let registry = FakeRegistry::start().await;
    let digest = registry.push("acme/web", "1.0.0", CREATED);
    let client = anonymous();
    assert_eq!(digest_of(facts(&client, &registry, FactKind::Digest).await), digest);
    assert_eq!(registry.requests(), Counts { heads: 1, ..Counts::default() });
    let moved = registry.push_index("acme/web", "1.0.0", CREATED, &["amd64", "arm64"]);
    assert_eq!(digest_of(facts(&client, &registry, FactKind::Digest).await), moved);
}

#[tokio::test]
async fn a_refused_head_falls_back_to_get() {
    for (status, names_digest) in [(405, false), (404, false), (405, true), (404, true)] {
        let registry = FakeRegistry::start().await;
        let digest = registry.push("acme/web", "1.0.0", CREATED);
        registry.faults(|faults| (faults.head_status, faults.head_names_digest) = (Some(status), names_digest));
        assert_eq!(digest_of(facts(&anonymous(), &registry, FactKind::Digest).await), digest);
        assert_eq!(registry.requests(), Counts { heads: 1, manifests: 1, ..Counts::default() });
    }
}

#[tokio::test]
async fn a_fallback_asks_for_the_same_as_the_refused_head() {
    let registry = FakeRegistry::start().await;
    registry.push_index("acme/web", "1.0.0", CREATED, &["amd64", "arm64"]);
    registry.faults(|faults| faults.head_status = Some(405));
    facts(&anonymous(), &registry, FactKind::Digest).await.unwrap();
    let accepts = registry.accepts();
    let methods: Vec<&str> = accepts.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(methods, ["HEAD", "GET"]);
    assert_eq!(accepts[0].1, accepts[1].1);
    assert!(accepts[0].1.starts_with("application/vnd.oci.image.index.v1+json"), "{accepts:?}");
}

#[tokio::test]
async fn without_a_digest_header_the_content_is_hashed() {
    let registry = FakeRegistry::start().await;
    let digest = registry.push("acme/web", "1.0.0", CREATED);
    registry.faults(|faults| faults.no_digest_header = true);
    assert_eq!(digest_of(facts(&anonymous(), &registry, FactKind::Digest).await), digest);
}

#[tokio::test]
async fn what_is_json_and_no_manifest_has_no_digest() {
    for text in [r#"{"errors": [{"code": "DENIED"}]}"#, r#"{"message": "maintenance"}"#, "{}", r#"{"config": null}"#] {
        for head_status in [None, Some(404), Some(405)] {
            let registry = FakeRegistry::start().await;
            registry.push("acme/web", "1.0.0", CREATED);
            registry.faults(|faults| (faults.manifest_says, faults.head_status) = (Some(text), head_status));
            for kind in [FactKind::Digest, FactKind::Image] {
                let error = facts(&anonymous(), &registry, kind).await.unwrap_err();
                assert!(error.contains("JSON that is not a manifest: it has neither"), "{text}: {error}");
            }
        }
    }
    for text in [r#"{"manifests": []}"#, r#"{"schemaVersion": 1, "fsLayers": []}"#, r#"{"layers": []}"#] {
        let registry = FakeRegistry::start().await;
        registry.push("acme/web", "1.0.0", CREATED);
        registry.faults(|faults| faults.manifest_says = Some(text));
        assert!(facts(&anonymous(), &registry, FactKind::Digest).await.is_ok(), "{text}");
    }
}

#[tokio::test]
async fn a_head_that_is_throttled_or_fails_never_becomes_a_counted_get() {
    let registry = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", CREATED);
    for (status, words) in [(429, "429 Too Many Requests"), (500, "500 Internal"), (503, "503 Service Unavailable")] {
        let before = registry.requests().heads;
        registry.faults(|faults| faults.head_status = Some(status));
        let error = facts(&anonymous(), &registry, FactKind::Digest).await.unwrap_err();
        assert!(error.contains(words), "{error}");
        assert_eq!(registry.requests(), Counts { heads: before + 4, ..Counts::default() });
    }
}

#[tokio::test]
async fn a_digest_header_that_is_none_or_is_wrong_is_an_error() {
    let registry = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", CREATED);
    registry.faults(|faults| faults.digest_header = Some("sha256:12".to_owned()));
    let error = facts(&anonymous(), &registry, FactKind::Digest).await.unwrap_err();
    assert!(error.contains("`sha256:12` is no digest"), "{error}");
    let wrong = format!("sha256:{}", "0".repeat(64));
    registry.faults(|faults| faults.digest_header = Some(wrong.clone()));
    let error = facts(&anonymous(), &registry, FactKind::Image).await.unwrap_err();
    assert!(error.contains(&format!("does not match its digest {wrong}")), "{error}");
}

#[tokio::test]
async fn an_image_tells_its_platform_and_creation_time() {
    let registry = FakeRegistry::start().await;
    let digest = registry.push("acme/web", "1.0.0", CREATED);
    let known = facts(&anonymous(), &registry, FactKind::Image).await.unwrap();
    assert_eq!(known.digest.unwrap().as_str(), digest);
    assert_eq!(known.created.unwrap().to_string(), CREATED);
    let platforms: Vec<_> = known.platforms.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64"]);
    assert_eq!(registry.requests(), Counts { manifests: 1, blobs: 1, ..Counts::default() });
}

#[tokio::test]
async fn an_image_tells_where_it_comes_from_in_plain_short_words_or_not() {
    let registry = FakeRegistry::start().await;
    let long = "x".repeat(3000);
    let labels = r#"{"org.opencontainers.image.source": "https://git.acme.example/web",
        "org.opencontainers.image.revision": 7, "org.opencontainers.image.version": " 1.0.0 "}"#;
    registry.push_labelled("acme/web", "1.0.0", CREATED, labels);
    let known = facts(&anonymous(), &registry, FactKind::Image).await.unwrap().labels;
    let (source, version) = (Some("https://git.acme.example/web".to_owned()), Some("1.0.0".to_owned()));
    assert_eq!((known.source, known.revision, known.version), (source, None, version));
    let labels = format!(
        r#"{{"org.opencontainers.image.source": "{long}", "org.opencontainers.image.version": "1\u001b[31m"}}"#
    );
    registry.push_labelled("acme/web", "1.0.0", CREATED, &labels);
    assert_eq!(facts(&anonymous(), &registry, FactKind::Image).await.unwrap().labels, Labels::default());
}

#[tokio::test]
async fn an_index_tells_all_platforms_without_its_attestations() {
    let registry = FakeRegistry::start().await;
    let digest = registry.push_index("acme/web", "1.0.0", CREATED, &["arm64", "amd64"]);
    let known = facts(&anonymous(), &registry, FactKind::Image).await.unwrap();
    assert_eq!(known.digest.unwrap().as_str(), digest);
    assert_eq!(known.created.unwrap().to_string(), CREATED);
    let platforms: Vec<_> = known.platforms.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
    assert_eq!(registry.requests(), Counts { manifests: 2, blobs: 1, ..Counts::default() });
}

#[tokio::test]
async fn content_that_was_changed_is_refused() {
    let registry = FakeRegistry::start().await;
    let digest = registry.push("acme/web", "1.0.0", CREATED);
    registry.corrupt(&digest);
    let error = facts(&anonymous(), &registry, FactKind::Image).await.unwrap_err();
    assert!(error.contains(&format!("does not match its digest {digest}")), "{error}");
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_an_error_in_words() {
    let registry = FakeRegistry::start().await;
    let image = registry.image("acme/web");
    let error = facts(&anonymous(), &registry, FactKind::Digest).await.unwrap_err();
    assert!(error.starts_with(&format!("{image}:1.0.0: {} does not know it", registry.host())), "{error}");
    let tag = "1.0.0".parse().unwrap();
    for kind in [FactKind::Digest, FactKind::Image] {
        let error = anonymous().facts(&image, &tag, kind).await.unwrap_err();
        assert!(matches!(error, SourceError::Absent(_)), "{error:?}");
    }
    registry.faults(|faults| faults.head_status = Some(403));
    let error = anonymous().facts(&image, &tag, FactKind::Digest).await.unwrap_err();
    assert!(matches!(error, SourceError::Failed(_)), "{error:?}");
}

/// Returns the digest of an image that is listed in the index of `acme/web:1.0.0`.
fn listed(registry: &FakeRegistry) -> String {
    registry.push_labelled("acme/other", "1.0.0", CREATED, r#"{"of": "acme/web:1.0.0"}"#)
}

fn platforms_of(facts: Result<TagFacts, String>) -> String {
    match facts {
        Ok(facts) => facts.platforms.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_copy_without_some_platforms_tells_by_those_that_it_has() {
    let registry = FakeRegistry::start().await;
    registry.push_index("acme/web", "1.0.0", CREATED, &["arm64", "amd64"]);
    registry.lose(&listed(&registry));
    let known = facts(&anonymous(), &registry, FactKind::Image).await;
    assert_eq!(known.as_ref().unwrap().created.unwrap().to_string(), CREATED);
    assert_eq!(platforms_of(known), "linux/arm64 linux/amd64");
    assert_eq!(registry.requests(), Counts { manifests: 3, blobs: 1, ..Counts::default() });
    // One that has none of them is no image.
    let registry = FakeRegistry::start().await;
    registry.push_index("acme/web", "1.0.0", CREATED, &["amd64"]);
    registry.lose(&listed(&registry));
    assert!(facts(&anonymous(), &registry, FactKind::Image).await.unwrap_err().contains("does not know it"));
}

#[tokio::test]
async fn an_index_within_an_index_is_read_and_one_without_an_end_is_not() {
    let kind = "application/vnd.oci.image.index.v1+json";
    let registry = FakeRegistry::start().await;
    let mut digest = registry.push_index("acme/web", "1.0.0", CREATED, &["arm64", "amd64"]);
    for depth in 1..=3 {
        let text = format!(r#"{{"mediaType": "{kind}", "manifests": [{{"digest": "{digest}", "platform": null}}]}}"#);
        digest = registry.push_manifest("acme/web", "1.0.0", kind, &text);
        let found = platforms_of(facts(&anonymous(), &registry, FactKind::Image).await);
        if depth < 3 {
            assert_eq!(found, "linux/arm64 linux/amd64", "{depth}");
        } else {
            assert!(found.contains("a manifest of the kind `an index within indexes`"), "{found}");
        }
    }
}

#[tokio::test]
async fn what_is_null_in_a_platform_is_nothing() {
    let registry = FakeRegistry::start().await;
    let config = format!(r#"{{"os": "linux", "architecture": "arm64", "variant": null, "created": "{CREATED}"}}"#);
    let config = registry.push_manifest("acme/web", "config", "application/json", &config);
    let text = format!(r#"{{"mediaType": null, "config": {{"digest": "{config}"}}, "layers": []}}"#);
    registry.push_manifest("acme/web", "1.0.0", "application/vnd.oci.image.manifest.v1+json", &text);
    assert_eq!(platforms_of(facts(&anonymous(), &registry, FactKind::Image).await), "linux/arm64");
}
