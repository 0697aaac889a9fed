//! Signatures in a registry: where they are found, what they cost, and what is not taken for "none".

use std::sync::Arc;

use rcgen::KeyPair;
use serde_json::{Value, json};
use tagboat::model::signature::{SignatureVerdict, SignerName};
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{HostSettings, Mirror, Settings};
use tagboat::signature::key::PublicKey;
use tagboat::signature::trust::TrustedRoot;
use tagboat::signature::{Requirement, Simple};

use super::{anonymous, quick, with_settings};
use crate::support::registry::{Counts, FakeRegistry, LinkStyle, Referrers};
use crate::support::scripted::Scripted;
use crate::support::signer::{self, IDENTITY, ISSUER, LOGGED, Wish, key, payload, public_pem, statement};

const CREATED: &str = "2026-11-01T08:00:00Z";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A registry with one image, and a key.
struct Place {
    registry: FakeRegistry,
    digest: String,
    key: KeyPair,
}

impl Place {
    async fn new() -> Self {
        let registry = FakeRegistry::start().await;
        let digest = registry.push("acme/web", "1.0.0", CREATED);
        Self { registry, digest, key: key() }
    }

    fn reference(&self) -> String {
        self.registry.image("acme/web").to_string()
    }

    /// Returns a signature by the key, or by another.
    fn signature(&self, key: &KeyPair) -> Simple {
        signer::simple(key, payload(&self.reference(), &self.digest))
    }

    fn sign(&self, signatures: &[Simple]) -> String {
        self.registry.sign("acme/web", &self.digest, signatures)
    }

    fn bundle(&self) -> Value {
        signer::bundle(&self.key, &statement("", &self.digest))
    }

    async fn says(&self) -> String {
        self.asked_by(&anonymous(), &Requirement::keys(vec![public(&self.key)])).await
    }

    async fn asked_by(&self, client: &RegistryClient, by: &Requirement) -> String {
        let (tag, digest) = ("1.0.0".parse().unwrap(), self.digest.parse().unwrap());
        let verdict = client.signed(&self.registry.image("acme/web"), &tag, &digest, by).await;
        match verdict {
            Ok(SignatureVerdict::Signed) => "signed".to_owned(),
            Ok(SignatureVerdict::Missing) => "missing".to_owned(),
            Ok(SignatureVerdict::Wrong(reason)) => reason.to_string(),
            Err(error) => format!("error: {}", error.to_string().replace(&self.registry.host(), "HOST")),
        }
    }
}

fn public(key: &KeyPair) -> PublicKey {
    PublicKey::from_pem(public_pem(key).as_bytes()).unwrap()
}

#[tokio::test]
async fn a_signature_under_cosign_s_tag_costs_a_manifest_and_a_blob() {
    let place = Place::new().await;
    place.sign(&[place.signature(&place.key)]);
    assert_eq!(place.says().await, "signed");
    assert_eq!(place.registry.requests(), Counts { manifests: 1, blobs: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_bundle_among_the_referrers_is_found_and_other_referrers_are_not_fetched() {
    let place = Place::new().await;
    place.registry.refer(&place.digest, &json!({}), Some("https://slsa.dev/provenance/v1"));
    place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
    place.registry.refer(&place.digest, &json!({}), Some("https://spdx.dev/Document"));
    assert_eq!(place.says().await, "signed");
    // A manifest that is not there, the list, and one referrer.
    assert_eq!(place.registry.requests(), Counts { manifests: 2, referrers: 1, blobs: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_referrer_may_hold_cosign_s_own_form_and_a_bundle_need_not_say_what_it_states() {
    let place = Place::new().await;
    place.registry.refer_simple(&place.digest, &place.signature(&place.key));
    assert_eq!(place.says().await, "signed");
    let place = Place::new().await;
    place.registry.refer(&place.digest, &place.bundle(), None);
    assert_eq!(place.says().await, "signed");
}

#[tokio::test]
async fn registries_without_the_api_list_referrers_under_a_tag() {
    for status in [404, 400, 405, 406] {
        let place = Place::new().await;
        place.registry.faults(|faults| faults.referrers = Referrers::Tagged(status));
        assert_eq!(place.says().await, "missing", "{status}");
        place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
        assert_eq!(place.says().await, "signed", "{status}");
    }
}

#[tokio::test]
async fn no_signature_at_all_is_missing_and_costs_two_requests() {
    let place = Place::new().await;
    assert_eq!(place.says().await, "missing");
    assert_eq!(place.registry.requests(), Counts { manifests: 1, referrers: 1, ..Counts::default() });
}

#[tokio::test]
async fn one_good_signature_among_others_is_enough_wherever_it_is() {
    let place = Place::new().await;
    let (good, bad) = (place.signature(&place.key), place.signature(&key()));
    for signatures in [vec![good.clone(), bad.clone()], vec![bad.clone(), good.clone()], vec![bad.clone(); 49]] {
        place.sign(&signatures);
        let expected =
            if signatures.contains(&good) { "signed" } else { "signed by somebody else, or changed since: " };
        assert!(place.says().await.starts_with(expected));
    }
    place.sign(std::slice::from_ref(&bad));
    place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
    assert_eq!(place.says().await, "signed");
}

#[tokio::test]
async fn the_latest_fifty_of_many_are_looked_at_and_their_one_payload_is_fetched_once() {
    let place = Place::new().await;
    let (good, bad) = (place.signature(&place.key), place.signature(&key()));
    let mut many = vec![bad; 120];
    many.insert(0, good.clone());
    place.sign(&many);
    let none = "signed by somebody else, or changed since: none of the policy's keys made the signature (nor does any other of its 50 signatures count)";
    assert_eq!(place.says().await, none);
    assert_eq!(place.registry.requests().blobs, 1);
    many.push(good);
    place.sign(&many);
    assert_eq!(place.says().await, "signed");
}

#[tokio::test]
async fn what_could_not_be_seen_is_a_failure_and_never_unsigned() {
    for status in [500, 403, 429] {
        let place = Place::new().await;
        place.registry.faults(|faults| faults.signature_status = Some(status));
        let says = place.says().await;
        assert!(says.starts_with("error: HOST/acme/web:1.0.0: HOST "), "{says}");
        // A good one in the other place is enough all the same.
        place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
        assert_eq!(place.says().await, "signed", "{status}");

        let place = Place::new().await;
        place.registry.faults(|faults| faults.referrers_status = Some(status));
        let says = place.says().await;
        assert!(says.starts_with("error: HOST/acme/web:1.0.0: "), "{says}");
        place.sign(&[place.signature(&key())]);
        assert!(place.says().await.starts_with("error: "), "a wrong one tells nothing of those that were not seen");
        place.sign(&[place.signature(&place.key)]);
        assert_eq!(place.says().await, "signed", "{status}");
    }
}

#[tokio::test]
async fn content_that_was_changed_in_the_registry_is_a_failure() {
    let place = Place::new().await;
    let referrer = place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
    place.registry.corrupt(&referrer);
    let says = place.says().await;
    assert!(says.contains("sent content that does not match its digest"), "{says}");

    let place = Place::new().await;
    let manifest = place.sign(&[place.signature(&place.key)]);
    place.registry.replace(&manifest, b"<!DOCTYPE html>");
    let says = place.says().await;
    assert!(says.contains("answered with JSON that is not a signature's manifest"), "{says}");
}

#[tokio::test]
async fn a_signature_that_is_too_large_is_not_fetched() {
    let place = Place::new().await;
    place.registry.sign_with_size("acme/web", &place.digest, &place.signature(&place.key), 1 << 30);
    let reason = "its signature does not hold: it has 1073741824 bytes, and 65536 are read at most";
    assert_eq!(place.says().await, reason);
    assert_eq!(place.registry.requests().blobs, 0);
}

#[tokio::test]
async fn pages_of_referrers_are_followed_to_the_end_but_not_elsewhere_and_not_for_ever() {
    let place = Place::new().await;
    for _ in 0..5 {
        place.registry.refer(&place.digest, &json!({}), Some("https://spdx.dev/Document"));
    }
    place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
    place.registry.faults(|faults| faults.referrers_page = Some(2));
    assert_eq!(place.says().await, "signed");
    assert_eq!(place.registry.requests().referrers, 3);
    place.registry.faults(|faults| faults.referrers_break_off = true);
    let says = place.says().await;
    assert!(says.starts_with("error: ") && says.contains("does not know it"), "a list that breaks off is none: {says}");
    place.registry.faults(|faults| faults.referrers_break_off = false);
    for link in [LinkStyle::Foreign, LinkStyle::Circle] {
        place.registry.faults(|faults| faults.referrers_link = link);
        let says = place.says().await;
        assert!(says.contains("says that the list of referrers goes on at "), "{says}");
    }
    let place = Place::new().await;
    for _ in 0..30 {
        place.registry.refer(&place.digest, &json!({}), Some("https://spdx.dev/Document"));
    }
    place.registry.faults(|faults| faults.referrers_page = Some(1));
    let says = place.says().await;
    assert!(says.contains("lists referrers on more than 20 pages"), "{says}");
}

#[tokio::test]
async fn a_name_is_checked_against_the_operator_s_trusted_root_and_not_without_it() {
    let place = Place::new().await;
    let world = signer::World::new();
    let signed = world.simple(&world.signer(&Wish::default()), payload(&place.reference(), &place.digest), LOGGED);
    place.sign(&[signed]);
    let exact = |name: &str| SignerName::Exact(name.to_owned());
    let by = Requirement::name(exact(IDENTITY), exact(ISSUER));
    let says = place.asked_by(&anonymous(), &by).await;
    assert!(says.contains("name the trusted root in service.yaml"), "{says}");
    assert_eq!(place.registry.requests(), Counts::default(), "nothing is asked that could not be judged");
    let root = TrustedRoot::parse(&serde_json::to_vec(&world.trusted_root()).unwrap()).unwrap();
    let settings = Settings { limits: quick(), trusted_root: Some(Arc::new(root)), ..Settings::default() };
    let client = with_settings(settings);
    assert_eq!(place.asked_by(&client, &by).await, "signed");
    let other = Requirement::name(exact("https://ci.example/other"), exact(ISSUER));
    let somebody = format!("signed by somebody else: {IDENTITY} (issuer {ISSUER})");
    assert_eq!(place.asked_by(&client, &other).await, somebody);
}

#[tokio::test]
async fn the_signatures_of_a_mirrored_image_are_asked_of_the_mirror() {
    for fallback in [false, true] {
        let mirror = Place::new().await;
        let upstream = FakeRegistry::start().await;
        let of = Mirror { host: mirror.registry.host(), path: String::new(), fallback };
        let host = HostSettings { mirror: Some(of), ..HostSettings::of(&upstream.host()) };
        let client = with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() });
        let name = upstream.image("acme/web");
        let (tag, digest) = ("1.0.0".parse().unwrap(), mirror.digest.parse().unwrap());
        let by = Requirement::keys(vec![public(&mirror.key)]);
        // What is signed is the upstream's name.
        let simple = signer::simple(&mirror.key, payload(name.as_str(), &mirror.digest));
        if !fallback {
            assert_eq!(client.signed(&name, &tag, &digest, &by).await.unwrap(), SignatureVerdict::Missing);
        }
        mirror.sign(&[simple]);
        assert_eq!(client.signed(&name, &tag, &digest, &by).await.unwrap(), SignatureVerdict::Signed);
        assert_eq!(upstream.requests(), Counts::default());
    }
}

#[tokio::test]
async fn signatures_that_a_mirror_lacks_are_asked_of_the_registry_only_where_that_is_said() {
    let mirror = Place::new().await;
    let upstream = Place::new().await;
    upstream.sign(&[upstream.signature(&upstream.key)]);
    let of = Mirror { host: mirror.registry.host(), path: String::new(), fallback: true };
    let host = HostSettings { mirror: Some(of), ..HostSettings::of(&upstream.registry.host()) };
    let client = with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() });
    assert_eq!(upstream.asked_by(&client, &Requirement::keys(vec![public(&upstream.key)])).await, "signed");
    assert!(mirror.registry.requests().manifests > 0);
}

#[tokio::test]
async fn a_referrer_or_a_layer_that_is_gone_stops_no_signature_beside_it() {
    let place = Place::new().await;
    let gone = place.registry.refer(&place.digest, &json!({"gone": true}), Some(SIGN));
    place.registry.lose(&gone);
    assert!(place.says().await.contains("does not know it"), "{}", place.says().await);
    place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
    let gone = place.registry.refer(&place.digest, &json!({"gone": "too"}), Some(SIGN));
    place.registry.lose(&gone);
    assert_eq!(place.says().await, "signed");

    let place = Place::new().await;
    let other = signer::simple(&place.key, b"{\"lost\": true}".to_vec());
    let lost = place.registry.refer_simple(&place.digest, &other);
    place.sign(&[place.signature(&place.key), other]);
    place.registry.lose(&place.registry.layer_of(&lost));
    place.registry.lose(&lost);
    assert_eq!(place.says().await, "signed");
}

#[tokio::test]
async fn a_signature_that_is_listed_under_a_tag_is_found_whatever_answers_in_the_api_s_place() {
    for status in [200, 401, 404, 406, 422, 429, 502] {
        let place = Place::new().await;
        let page = "<!DOCTYPE html><html>Sign in</html>".to_owned();
        let site = Scripted::start(move |_| (status, Vec::new(), page.clone()));
        place.registry.faults(|faults| {
            faults.leads = Some(("/referrers/", format!("http://{}", site.host())));
            // Whoever pushes to such a registry lists referrers under a tag.
            faults.referrers = Referrers::Tagged(404);
        });
        // A web site is no API: the registry has none, whatever that site answers.
        assert_eq!(place.says().await, "missing", "{status}");
        place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
        assert_eq!(place.says().await, "signed", "{status}");
    }
    for status in [401, 403, 422, 429, 500, 501, 502] {
        let place = Place::new().await;
        place.registry.faults(|faults| faults.referrers = Referrers::Tagged(status));
        if status != 501 {
            let says = place.says().await;
            assert!(
                says.starts_with("error: "),
                "what the registry itself did not show is not missing: {status}: {says}"
            );
        }
        place.registry.refer(&place.digest, &place.bundle(), Some(SIGN));
        assert_eq!(place.says().await, "signed", "{status}");
    }
    let place = Place::new().await;
    place.registry.faults(|faults| faults.referrers = Referrers::Tagged(501));
    assert_eq!(place.says().await, "missing");
    assert_eq!(place.registry.requests().referrers, 1, "what is not implemented is not asked for again");
}
