//! Login servers of which a registry has several, or that break off, stall, and answer with pages.

use std::time::Duration;

use futures_util::future::join_all;
use tagboat::registry::settings::Limits;

use super::{anonymous, images, impatient, list, with_limits, with_login};
use crate::support::registry::{Auth, BodyFault, FakeRegistry};

/// Twelve images below four beginnings, each of which has a realm of its own.
fn twelve(registry: &FakeRegistry) -> Vec<tagboat::model::image::ImageName> {
    let repositories: Vec<String> = (0..12).map(|number| format!("repo-{}/web-{number}", number % 4)).collect();
    repositories.iter().for_each(|repository| registry.list_tag(repository, "1.0.0"));
    repositories.iter().map(|repository| registry.image(repository)).collect()
}

#[tokio::test]
async fn what_another_image_s_realm_says_stops_no_image_and_condemns_no_login() {
    for status in [200, 400, 401, 403, 404] {
        for auth in [Auth::Bearer, Auth::BearerForAll] {
            for at_once in [false, true] {
                let case = format!("{status} {auth:?} {at_once}");
                let registry = FakeRegistry::start().await;
                registry.faults(|faults| (faults.auth, faults.realms) = (auth, Some(status)));
                let images = twelve(&registry);
                let client = if auth == Auth::Bearer { with_login(&registry, "secret") } else { anonymous() };
                if at_once {
                    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
                    assert!(lists.iter().all(|list| list == "1.0.0"), "{case}: {lists:?}");
                } else {
                    for image in &images {
                        assert_eq!(list(&client, image).await, "1.0.0", "{case}");
                    }
                    // The first image of each realm is challenged.
                    assert_eq!(registry.requests().tags, 16, "{case}");
                }
                assert_eq!(registry.requests().tokens, 12, "one for each image, and none in vain: {case}");
                let before = registry.requests();
                for image in &images {
                    assert_eq!(list(&client, image).await, "1.0.0", "{case}");
                }
                let after = registry.requests();
                assert_eq!((after.tokens - before.tokens, after.tags - before.tags), (0, 12), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_realm_that_says_itself_what_a_token_is_for_is_that_of_one_image() {
    for auth in [Auth::Bearer, Auth::BearerForAll] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.auth, faults.scoped_realm) = (auth, true));
        let images = twelve(&registry);
        let client = if auth == Auth::Bearer { with_login(&registry, "secret") } else { anonymous() };
        let lists = join_all(images.iter().map(|image| list(&client, image))).await;
        assert!(lists.iter().all(|list| list == "1.0.0"), "{auth:?}: {lists:?}");
        assert_eq!(registry.requests().tokens, 12);
    }
}

#[tokio::test]
async fn an_image_for_which_there_is_no_token_costs_one_request_more_once() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Bearer);
    let images = images(&registry, 10);
    let client = anonymous();
    for (tokens, tags) in [(10, 10), (10, 1), (10, 0)] {
        let before = registry.requests();
        for image in &images {
            let error = list(&client, image).await;
            assert!(error.contains("shows it to nobody without credentials"), "{error}");
        }
        let after = registry.requests();
        assert_eq!((after.tokens - before.tokens, after.tags - before.tags), (tokens, tags));
    }
}

#[tokio::test]
async fn a_login_server_that_stalls_after_its_headers_is_left_alone_soon() {
    for auth in [Auth::Bearer, Auth::BearerForAll] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.auth, faults.token_body) = (auth, BodyFault::Trickles));
        let images = images(&registry, 10);
        let limits = impatient();
        let client = if auth == Auth::Bearer { logged_in(&registry, limits) } else { with_limits(limits) };
        let mut errors = Vec::new();
        for image in &images {
            errors.push(list(&client, image).await);
        }
        assert!(errors[0].contains("said nothing for 0.08 s"), "{errors:?}");
        assert!(
            errors[2..].iter().all(|error| error.contains("was not asked, because it failed 3 times in a row")),
            "{errors:?}"
        );
        assert_eq!(registry.requests().tokens, 3, "{auth:?}");
    }
}

fn logged_in(registry: &FakeRegistry, limits: Limits) -> tagboat::registry::client::RegistryClient {
    use tagboat::registry::settings::{CredentialSetting, HostSettings, Settings};

    let origin = "a test".to_owned();
    let password = CredentialSetting::Password { user: "acme".to_owned(), password: "secret".into(), origin };
    let host = HostSettings { credential: Some(password), ..HostSettings::of(&registry.host()) };
    super::with_settings(Settings { hosts: vec![host], limits, ..Settings::default() })
}

#[tokio::test]
async fn a_token_that_breaks_off_once_is_asked_for_again() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| {
        (faults.auth, faults.token_body, faults.token_times) = (Auth::BearerForAll, BodyFault::BreaksOff, Some(1));
    });
    registry.list_tag("acme/web", "1.0.0");
    assert_eq!(list(&anonymous(), &registry.image("acme/web")).await, "1.0.0");
    assert_eq!(registry.requests().tokens, 2);
    registry.faults(|faults| faults.token_times = None);
    registry.faults(|faults| faults.token_body = BodyFault::BreaksOff);
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("broke off"), "{error}");
    assert_eq!(registry.requests().tokens, 4);
}

#[tokio::test]
async fn a_login_server_that_is_a_web_page_is_asked_once_for_each_scope() {
    for auth in [Auth::Bearer, Auth::BearerForAll] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.auth, faults.token_body) = (auth, BodyFault::Html));
        let images = images(&registry, 24);
        let client = if auth == Auth::Bearer { with_login(&registry, "secret") } else { anonymous() };
        let lists = join_all(images.iter().map(|image| list(&client, image))).await;
        assert!(lists.iter().all(|list| list.contains("it is not a token's JSON")), "{lists:?}");
        assert_eq!(registry.requests().tokens, 24, "{auth:?}");
    }
}

#[tokio::test]
async fn a_registry_whose_refusals_trickle_is_given_up_too() {
    for status in [403, 404, 410] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.list, faults.fails_from_page) = (BodyFault::Trickles, Some((0, status))));
        let images = images(&registry, 6);
        let client = with_limits(Limits { image_time: Duration::from_millis(300), ..super::quick() });
        for image in &images {
            list(&client, image).await;
        }
        assert!(list(&client, &images[0]).await.contains("was not asked"), "{status}");
        assert_eq!(registry.requests().tags, 3, "{status}");
    }
}

#[tokio::test]
async fn a_challenge_may_hold_words_of_any_language() {
    // "Geschützt" in UTF-8 and in Latin-1, in a parameter of a Basic and of a Bearer challenge.
    for words in [&b", title=\"Gesch\xc3\xbctzt\""[..], b", title=\"Gesch\xfctzt\""] {
        for auth in [Auth::Basic, Auth::Bearer] {
            let registry = FakeRegistry::start().await;
            registry.faults(|faults| (faults.auth, faults.challenge_says) = (auth, Some(words)));
            registry.list_tag("acme/web", "1.0.0");
            let client = with_login(&registry, "secret");
            assert_eq!(list(&client, &registry.image("acme/web")).await, "1.0.0", "{auth:?}");
        }
    }
}
