//! Redirects to another host that asks for a login itself: it gets none, and says nothing of where one goes.

use std::sync::{Arc, Mutex};

use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Settings};
use tagboat::signature::Requirement;
use tagboat::signature::key::PublicKey;

use super::{anonymous, list, quick, with_login, with_settings};
use crate::support::registry::{Auth, FakeRegistry};
use crate::support::scripted::Scripted;
use crate::support::signer::{key, public_pem};

const CREATED: &str = "2026-11-01T08:00:00Z";

/// A host that asks whoever comes for a login, which it wants to be sent to itself, and takes any token.
fn greedy() -> Scripted {
    let own: Arc<Mutex<String>> = Arc::default();
    let name = Arc::clone(&own);
    let server = Scripted::start(move |asked| {
        if asked.target.starts_with("/token") {
            return (200, Vec::new(), r#"{"token": "of somebody else"}"#.to_owned());
        }
        let realm = format!(r#"Bearer realm="http://{}/token",service="x""#, name.lock().unwrap());
        (401, vec![("WWW-Authenticate", realm)], String::new())
    });
    *own.lock().unwrap() = server.host();
    server
}

/// What logs in, and how the registry asks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Basic,
    Bearer,
    Identity,
}

fn client(registry: &FakeRegistry, way: Way, folder: &std::path::Path) -> RegistryClient {
    registry.faults(|faults| faults.auth = if way == Way::Basic { Auth::Basic } else { Auth::Bearer });
    if way != Way::Identity {
        return with_login(registry, "secret");
    }
    let file = folder.join("config.json");
    let json = format!(r#"{{"auths": {{"{}": {{"identitytoken": "refresh"}}}}}}"#, registry.host());
    std::fs::write(&file, json).unwrap();
    with_settings(Settings { docker_config: Some(file), limits: quick(), ..Settings::default() })
}

/// Asks one kind of question; returns the error.
async fn asked(client: &RegistryClient, registry: &FakeRegistry, text: &str, digest: &str) -> String {
    let (image, tag) = (registry.image("acme/moved"), "1.0.0".parse().unwrap());
    let facts = async |kind| client.facts(&image, &tag, kind).await.map(drop);
    let outcome = match text {
        "/acme/moved/tags/" => client.tags(&image).await.map(drop),
        "/acme/moved/manifests/" => facts(FactKind::Digest).await,
        "/acme/moved/blobs/" => facts(FactKind::Image).await,
        _ => {
            let by = Requirement::keys(vec![PublicKey::from_pem(public_pem(&key()).as_bytes()).unwrap()]);
            client.signed(&image, &tag, &digest.parse().unwrap(), &by).await.map(drop)
        }
    };
    outcome.map_or_else(|error| error.to_string(), |()| "no error".to_owned())
}

#[tokio::test]
async fn a_login_that_another_host_asks_for_after_a_redirect_goes_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    for way in [Way::Basic, Way::Bearer, Way::Identity] {
        for is_known in [false, true] {
            for text in ["/acme/moved/tags/", "/acme/moved/manifests/", "/acme/moved/blobs/", "/acme/moved/referrers/"]
            {
                let (registry, other) = (FakeRegistry::launch(), greedy());
                let client = client(&registry, way, folder.path());
                let digest = registry.push("acme/moved", "1.0.0", CREATED);
                registry.list_tag("acme/web", "1.0.0");
                if is_known {
                    assert_eq!(list(&client, &registry.image("acme/web")).await, "1.0.0");
                }
                registry.faults(|faults| faults.leads = Some((text, format!("http://{}", other.host()))));
                let error = asked(&client, &registry, text, &digest).await;
                let case = format!("{way:?} {is_known} {text}");
                // In place of the API of referrers it is a web site, and no reason to find no signature.
                let words = match text {
                    "/acme/moved/referrers/" => "no error".to_owned(),
                    _ => format!("redirects to {}, which asks for a login", other.host()),
                };
                assert!(error.contains(&words), "{case}: {error}");
                assert!(other.targets().iter().all(|target| !target.starts_with("/token")), "{case}");
                assert!(other.asked().iter().all(|asked| asked.header("authorization").is_none()), "{case}");
                // Nor has the registry been shown that host's token, or another image come to believe it.
                let (tokens, image) = (registry.requests().tokens, registry.image("acme/api"));
                registry.list_tag("acme/api", "1.0.0");
                assert_eq!(list(&client, &image).await, "1.0.0", "{case}");
                let own = usize::from(way != Way::Basic);
                assert_eq!(registry.requests().tokens - tokens, own, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_root_that_leads_elsewhere_asks_for_no_login_and_judges_none() {
    let folder = tempfile::tempdir().unwrap();
    for way in [Way::Basic, Way::Bearer, Way::Identity] {
        let (registry, other) = (FakeRegistry::launch(), greedy());
        let client = client(&registry, way, folder.path());
        registry.list_tag("acme/web", "1.0.0");
        registry.faults(|faults| {
            (faults.hides, faults.leads) = (Some(404), Some(("/v2/", format!("http://{}", other.host()))));
        });
        for _ in 0..2 {
            let error = list(&client, &registry.image("acme/web")).await;
            assert!(error.contains("does not know it"), "{way:?}: {error}");
        }
        assert_eq!(other.targets(), ["/v2/"], "{way:?}");
    }
    // A password that the registry itself refuses is not made right or wrong by what stands at the redirect's end.
    for status in [200, 401] {
        let registry = FakeRegistry::launch();
        let other =
            Scripted::start(move |_| (status, vec![("WWW-Authenticate", "Basic realm=x".to_owned())], "{}".to_owned()));
        registry.faults(|faults| {
            (faults.auth, faults.leads) = (Auth::Basic, Some(("/v2/", format!("http://{}", other.host()))));
        });
        registry.list_tag("acme/web", "1.0.0");
        let error = list(&with_login(&registry, "hunter2"), &registry.image("acme/web")).await;
        assert!(error.contains("refuses the credentials from the variables USER and PASSWORD"), "{status}: {error}");
        assert!(other.asked().iter().all(|asked| asked.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_login_server_that_redirects_away_condemns_no_login() {
    let other = Scripted::start(|_| (401, Vec::new(), String::new()));
    let place = other.host();
    let registry = Scripted::start(move |asked| match &*asked.target {
        target if target.starts_with("/token") => {
            (307, vec![("Location", format!("http://{place}{target}"))], String::new())
        }
        _ => {
            let host = asked.header("host").unwrap();
            (401, vec![("WWW-Authenticate", format!(r#"Bearer realm="http://{host}/token""#))], String::new())
        }
    });
    let origin = "a test".to_owned();
    let credential = CredentialSetting::Password { user: "bob".to_owned(), password: "s3cr3t".into(), origin };
    let host = HostSettings { credential: Some(credential), ..HostSettings::of(&registry.host()) };
    let logged_in = with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() });
    for client in [logged_in, anonymous()] {
        let error = list(&client, &format!("{}/acme/web", registry.host()).parse().unwrap()).await;
        assert!(error.contains(&format!("it redirects to {}, which answered 401", other.host())), "{error}");
    }
    assert!(other.asked().iter().all(|asked| asked.header("authorization").is_none()));
}
