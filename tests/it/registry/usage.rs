//! What asking costs: the client's own numbers are those of the registry, and nothing is asked in vain.

use futures_util::future::join_all;
use tagboat::http::retry::RetryPolicy;
use tagboat::model::tags::FactKind;
use tagboat::model::usage::{RegistryUsage, Usage};
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{Limits, Settings};

use super::{anonymous, fill, images, list, quick, skipping, with_limits};
use crate::support::registry::{Auth, Counts, FakeRegistry};

fn usage(client: &RegistryClient, registry: &FakeRegistry) -> RegistryUsage {
    client.usage().0.remove(&registry.host()).unwrap_or_default()
}

#[tokio::test]
async fn a_pass_in_which_nothing_changed_costs_a_request_for_each_page_and_no_other() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.auth, faults.page_size) = (Auth::BearerForAll, Some(10)));
    let repositories: Vec<String> = (0..10).map(|number| format!("acme/web-{number}")).collect();
    repositories.iter().for_each(|repository| drop(fill(&registry, repository, 20)));
    let images: Vec<_> = repositories.iter().map(|repository| registry.image(repository)).collect();
    let client = anonymous();
    let pass = async || {
        client.begin_pass();
        let (before, counted) = (client.usage(), registry.requests());
        let lists = join_all(images.iter().map(|image| list(&client, image))).await;
        assert!(lists.iter().all(|list| list.split(' ').count() == 20), "{lists:?}");
        let asked = client.usage().since(&before).0.remove(&registry.host()).unwrap();
        let now = registry.requests();
        assert_eq!(
            (asked.lists as usize, asked.tokens as usize),
            (now.tags - counted.tags, now.tokens - counted.tokens)
        );
        (asked.lists, asked.tokens, asked.requests())
    };
    // Two pages for each image, and the one request that was answered with a challenge; a token for each scope.
    assert_eq!(pass().await, (21, 10, 31));
    assert_eq!(pass().await, (20, 0, 20));
    assert_eq!(registry.requests(), Counts { tags: 41, tokens: 10, ..Counts::default() });
}

#[tokio::test]
async fn what_is_asked_twice_at_once_is_sent_once() {
    let registry = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
    let (client, image, tag) = (anonymous(), registry.image("acme/web"), "1.0.0".parse().unwrap());
    let lists = join_all((0..8).map(|_| client.tags(&image))).await;
    assert!(lists.iter().all(Result::is_ok));
    for kind in [FactKind::Digest, FactKind::Image] {
        let facts = join_all((0..8).map(|_| client.facts(&image, &tag, kind))).await;
        assert!(facts.iter().all(|answer| answer == &facts[0] && answer.is_ok()), "{facts:?}");
    }
    assert_eq!(registry.requests(), Counts { tags: 1, heads: 1, manifests: 1, blobs: 1, ..Counts::default() });
    assert_eq!(usage(&client, &registry).cached, 21);
}

#[tokio::test]
async fn counts_every_try_wait_and_byte() {
    let registry = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
    registry.faults(|faults| {
        faults.auth = Auth::BearerForAll;
        faults.statuses = vec![(502, None), (429, Some("7".to_owned()))];
    });
    let (client, clock) = skipping(Settings { limits: Limits::default(), ..Settings::default() });
    let image = registry.image("acme/web");
    assert_eq!(list(&client, &image).await, "1.0.0");
    let listed = usage(&client, &registry);
    let counts = registry.requests();
    assert_eq!((listed.lists as usize, listed.tokens as usize), (counts.tags, counts.tokens));
    assert_eq!((listed.retries, listed.throttled), (2, 1));
    assert_eq!(listed.waited.as_millis(), clock.skipped().as_millis());
    assert!((7..9).contains(&listed.waited.as_secs()), "{listed:?}");
    let token = format!(r#"{{"token": "token 1 repository:{}:pull"}}"#, image.path());
    assert_eq!(listed.bytes as usize, registry.list_bytes() + token.len());

    let tag = "1.0.0".parse().unwrap();
    client.facts(&image, &tag, FactKind::Digest).await.unwrap();
    client.facts(&image, &tag, FactKind::Image).await.unwrap();
    let all = usage(&client, &registry);
    let counts = registry.requests();
    let own = [all.lists, all.heads, all.manifests, all.blobs, all.tokens].map(|number| number as usize);
    assert_eq!(own, [counts.tags, counts.heads, counts.manifests, counts.blobs, counts.tokens]);
}

#[tokio::test]
async fn a_host_that_was_not_asked_is_not_in_the_numbers() {
    let registry = FakeRegistry::start().await;
    let client = with_limits(Limits { pass_time: Some(std::time::Duration::ZERO), ..quick() });
    let image = images(&registry, 1).remove(0);
    assert!(list(&client, &image).await.contains("was not asked in time"));
    assert_eq!(client.usage().since(&Usage::default()), Usage::default());
}

#[tokio::test]
async fn what_two_passes_ask_at_the_same_time_is_sent_once() {
    let registry = FakeRegistry::start().await;
    let digest = registry.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z").parse().unwrap();
    let (client, image, tag) = (anonymous(), registry.image("acme/web"), "1.0.0".parse().unwrap());
    let (one, other) = (client.for_pass(), client.for_pass());
    let (first, second) = tokio::join!(one.tags(&image), other.tags(&image));
    assert_eq!(first.unwrap().list, second.unwrap().list);
    let kind = FactKind::Digest;
    let (first, second) = tokio::join!(one.facts(&image, &tag, kind), other.facts(&image, &tag, kind));
    assert_eq!(first, second);
    let (first, second) = tokio::join!(one.image_of(&image, &tag, &digest), other.image_of(&image, &tag, &digest));
    assert_eq!(first, second);
    assert_eq!(registry.requests(), Counts { tags: 1, heads: 1, manifests: 1, blobs: 1, ..Counts::default() });
    assert_eq!((usage(&one, &registry).cached, usage(&other, &registry).cached), (0, 3));
    // What is asked later is asked anew.
    assert!(other.tags(&image).await.is_ok());
    assert_eq!(registry.requests().tags, 2);
}

#[tokio::test]
async fn an_error_is_that_of_the_pass_alone_that_ran_into_it() {
    let registry = FakeRegistry::start().await;
    registry.list_tag("acme/web", "1.0.0");
    registry.faults(|faults| faults.statuses = vec![(500, None)]);
    let client = with_limits(Limits { retry: RetryPolicy::NONE, ..Limits::default() });
    let (one, other, image) = (client.for_pass(), client.for_pass(), registry.image("acme/web"));
    let (first, second) = tokio::join!(one.tags(&image), other.tags(&image));
    assert!(first.is_err() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(registry.requests().tags, 2);
}

#[tokio::test]
async fn passes_at_the_same_time_share_logins_and_limits_but_no_numbers_and_no_time() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::BearerForAll);
    registry.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
    let (client, image) = (anonymous(), registry.image("acme/web"));
    let (one, other) = (client.for_pass(), client.for_pass());
    one.begin_pass();
    assert!(one.tags(&image).await.is_ok());
    other.begin_pass();
    assert!(other.tags(&image).await.is_ok());
    let of_one = usage(&one, &registry);
    let of_other = usage(&other, &registry);
    // The first learns of the challenge and takes the token that serves the second, too.
    assert_eq!((of_one.lists, of_one.tokens, of_other.lists, of_other.tokens), (2, 1, 1, 0));
    assert_eq!(usage(&client, &registry), RegistryUsage::default());
    assert_eq!(registry.requests(), Counts { tags: 3, tokens: 1, ..Counts::default() });
}
