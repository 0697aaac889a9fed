//! The ways in which registries ask for a login, each as its vendor writes it.

use futures_util::future::join_all;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::Settings;

use super::{anonymous, list, quick, with_login, with_settings};
use crate::support::registry::{Auth, FakeRegistry, Vendor};

/// Starts a registry of a vendor's with ten repositories of one tag.
async fn vendor(vendor: Vendor, auth: Auth) -> FakeRegistry {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.vendor, faults.auth) = (vendor, auth));
    (0..10).for_each(|number| drop(registry.push(&format!("acme/web-{number}"), "1.0.0", "2026-11-01T00:00:00Z")));
    registry
}

/// Lists all ten, one after the other.
async fn list_all(registry: &FakeRegistry, client: &RegistryClient) {
    for number in 0..10 {
        let found = list(client, &registry.image(&format!("acme/web-{number}"))).await;
        assert_eq!(found, "1.0.0", "{:?}", registry.token_queries());
    }
}

#[tokio::test]
async fn every_vendor_s_challenge_is_answered_with_few_tokens_and_right_or_wrong_words() {
    for (kind, auth, tokens) in [
        (Vendor::Distribution, Auth::Bearer, 10),
        (Vendor::DockerHub, Auth::Bearer, 10),
        (Vendor::Ghcr, Auth::Bearer, 10),
        (Vendor::Quay, Auth::Bearer, 10),
        (Vendor::EcrPrivate, Auth::Basic, 0),
        (Vendor::EcrPublic, Auth::Bearer, 1),
        (Vendor::Gar, Auth::Bearer, 10),
        (Vendor::Harbor, Auth::Bearer, 10),
        (Vendor::GitLab, Auth::Bearer, 10),
        (Vendor::Nexus, Auth::Basic, 0),
        (Vendor::NexusBearer, Auth::Bearer, 2),
        (Vendor::Jfrog, Auth::Bearer, 2),
        (Vendor::RelativeRealm, Auth::Bearer, 10),
    ] {
        let registry = vendor(kind, auth).await;
        list_all(&registry, &with_login(&registry, "secret")).await;
        let counts = registry.requests();
        assert_eq!((counts.tags, counts.tokens), (11, tokens), "{kind:?}: one challenge, then it is known");
        let refused = list(&with_login(&registry, "wrong"), &registry.image("acme/web-0")).await;
        let words = "refuses the credentials from the variables USER and PASSWORD";
        assert!(refused.contains(words), "{kind:?}: {refused}");
        let may_be_forbidden = kind == Vendor::Ghcr;
        assert_eq!(refused.contains("may not pull this repository"), may_be_forbidden, "{kind:?}: {refused}");
        let nobody = list(&anonymous(), &registry.image("acme/web-0")).await;
        assert!(nobody.contains("docker login"), "{kind:?}: {nobody}");
    }
}

#[tokio::test]
async fn tokens_for_anybody_are_had_from_those_who_give_them() {
    for kind in [Vendor::DockerHub, Vendor::Ghcr, Vendor::Quay, Vendor::EcrPublic, Vendor::Gar, Vendor::Acr] {
        let registry = vendor(kind, Auth::BearerForAll).await;
        list_all(&registry, &anonymous()).await;
    }
}

#[tokio::test]
async fn azure_s_two_scopes_of_reading_are_one_token_an_image() {
    let registry = vendor(Vendor::Acr, Auth::BearerForAll).await;
    let client = anonymous();
    for number in 0..3 {
        let image = registry.image(&format!("acme/web-{number}"));
        assert_eq!(list(&client, &image).await, "1.0.0");
        client.facts(&image, &"1.0.0".parse().unwrap(), FactKind::Digest).await.unwrap();
    }
    let counts = registry.requests();
    assert_eq!((counts.tags, counts.heads, counts.tokens), (4, 3, 3), "{:?}", registry.token_queries());
}

#[tokio::test]
async fn all_scopes_of_a_challenge_are_asked_for_each_on_its_own() {
    let registry = vendor(Vendor::TwoScopes, Auth::Bearer).await;
    assert_eq!(list(&with_login(&registry, "secret"), &registry.image("acme/web-0")).await, "1.0.0");
    let query = "service=fake&scope=repository%3Aacme%2Fweb-0%3Apull&scope=repository%3Aacme%2Fbase%3Apull";
    assert_eq!(registry.token_queries(), [query]);
}

#[tokio::test]
async fn what_a_realm_s_own_query_says_is_not_said_twice() {
    let registry = vendor(Vendor::Jfrog, Auth::Bearer).await;
    assert_eq!(list(&with_login(&registry, "secret"), &registry.image("acme/web-0")).await, "1.0.0");
    let query = "service=acme.jfrog.example&account=ci&scope=repository%3Aacme%2Fweb-0%3Apull";
    assert_eq!(registry.token_queries(), [query]);
}

#[tokio::test]
async fn a_token_s_life_may_be_text_and_counts_from_when_it_was_issued() {
    for kind in [Vendor::Harbor, Vendor::DockerHub] {
        let registry = vendor(kind, Auth::Bearer).await;
        registry.faults(|faults| faults.token_life = Some(300));
        let (client, image) = (with_login(&registry, "secret"), registry.image("acme/web-0"));
        for _ in 0..3 {
            assert_eq!(list(&client, &image).await, "1.0.0");
        }
        assert_eq!(registry.requests().tokens, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn fifty_images_show_a_wrong_password_to_the_realm_once() {
    let registry = vendor(Vendor::Distribution, Auth::Bearer).await;
    let client = with_login(&registry, "wrong");
    let images: Vec<_> = (0..50).map(|number| registry.image(&format!("acme/web-{}", number % 10))).collect();
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    let words = "refuses the credentials from the variables USER and PASSWORD";
    assert!(lists.iter().all(|list| list.contains(words)), "{lists:?}");
    let counts = registry.requests();
    assert_eq!((counts.tokens, counts.logins), (1, 1));
}

#[tokio::test]
async fn fifty_images_show_a_wrong_password_to_a_registry_once_and_once_more_to_be_sure() {
    let registry = vendor(Vendor::Nexus, Auth::Basic).await;
    let client = with_login(&registry, "wrong");
    let images: Vec<_> = (0..50).map(|number| registry.image(&format!("acme/web-{}", number % 10))).collect();
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    let words = "refuses the credentials from the variables USER and PASSWORD";
    assert!(lists.iter().all(|list| list.contains(words)), "{lists:?}");
    assert_eq!(registry.requests().logins, 2);
}

#[tokio::test]
async fn one_repository_that_a_right_login_may_not_read_is_no_wrong_login() {
    let registry = vendor(Vendor::Nexus, Auth::Basic).await;
    registry.faults(|faults| faults.forbidden = Some("acme/secret".to_owned()));
    let client = with_login(&registry, "secret");
    for _ in 0..2 {
        let refused = list(&client, &registry.image("acme/secret")).await;
        assert!(refused.contains("takes the login from the variables USER and PASSWORD, and refuses"), "{refused}");
    }
    list_all(&registry, &client).await;
    assert_eq!(registry.requests().logins, 2 + 1 + 10, "the login itself was looked at once");
}

#[tokio::test]
async fn a_password_that_was_changed_in_its_file_is_used_at_once() {
    let registry = vendor(Vendor::Distribution, Auth::Bearer).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let write = |password: &str| {
        let row = format!(r#""{}": {{"username": "acme", "password": "{password}"}}"#, registry.host());
        std::fs::write(&file, format!(r#"{{"auths": {{{row}}}}}"#)).unwrap();
    };
    write("wrong");
    let settings = Settings { docker_config: Some(file.clone()), limits: quick(), ..Settings::default() };
    let client = with_settings(settings);
    let refused = list(&client, &registry.image("acme/web-0")).await;
    assert!(refused.contains("config.json; they are wrong or have expired: log in again"), "{refused}");
    write("secret");
    list_all(&registry, &client).await;
}

#[tokio::test]
async fn a_new_password_gets_a_new_token() {
    let registry = vendor(Vendor::Distribution, Auth::Bearer).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let write = |password: &str| {
        let row = format!(r#""{}": {{"username": "acme", "password": "{password}"}}"#, registry.host());
        std::fs::write(&file, format!(r#"{{"auths": {{{row}}}}}"#)).unwrap();
    };
    write("secret");
    let settings = Settings { docker_config: Some(file.clone()), limits: quick(), ..Settings::default() };
    let (client, image) = (with_settings(settings), registry.image("acme/web-0"));
    assert_eq!(list(&client, &image).await, "1.0.0");
    registry.faults(|faults| faults.login = Some(("acme", "newer")));
    write("newer");
    assert_eq!(list(&client, &image).await, "1.0.0");
    // It goes where the old one went, without a question before it.
    assert_eq!((registry.requests().tokens, registry.requests().tags), (2, 3));
}
