//! Registries that hide what they have, redirect to others that are down, repeat what they were shown, or are none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use tagboat::http::proxy::{NamedProxy, Proxies};
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::client::probe::Welcome;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Settings};

use super::{anonymous, images, list, quick, skipping, with_login, with_settings};
use crate::support::registry::{Auth, FakeRegistry};
use crate::support::scripted::{Asked, Scripted};

fn login_for(host: &str, password: &str) -> HostSettings {
    let origin = "a test".to_owned();
    let credential = CredentialSetting::Password { user: "bob".to_owned(), password: password.into(), origin };
    HostSettings { credential: Some(credential), ..HostSettings::of(host) }
}

fn logged_in(server: &Scripted, password: &str) -> RegistryClient {
    let hosts = vec![login_for(&server.host(), password)];
    with_settings(Settings { hosts, limits: quick(), ..Settings::default() })
}

async fn list_of(client: &RegistryClient, server: &Scripted) -> String {
    list(client, &format!("{}/acme/web", server.host()).parse().unwrap()).await
}

fn tags() -> (u16, Vec<(&'static str, String)>, String) {
    (200, Vec::new(), r#"{"tags": ["1.0.0"]}"#.to_owned())
}

#[tokio::test]
async fn a_registry_that_hides_what_is_not_for_everybody_is_asked_at_its_root_once() {
    for (auth, status) in [(Auth::Basic, 403), (Auth::Basic, 404), (Auth::Bearer, 403), (Auth::Bearer, 404)] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| (faults.auth, faults.hides) = (auth, Some(status)));
        let images = images(&registry, 10);
        let client = with_login(&registry, "secret");
        let lists = join_all(images.iter().map(|image| list(&client, image))).await;
        assert!(lists.iter().all(|list| list == "1.0.0"), "{auth:?} {status}: {lists:?}");
        // Of a user and a password, the root also says whether they are right.
        assert_eq!(registry.roots(), if auth == Auth::Basic { 2 } else { 1 });
        let probe = client.greet(&images[0], &"9.9.9".parse().unwrap()).await.unwrap();
        assert!(matches!(probe.welcome, Welcome::Accepted(_)), "{probe:?}");
    }
}

#[tokio::test]
async fn a_wrong_login_for_what_is_hidden_is_told_and_shown_once() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.auth, faults.hides) = (Auth::Basic, Some(404)));
    let images = images(&registry, 10);
    let client = with_login(&registry, "hunter2");
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list.contains("refuses the credentials from the variables")), "{lists:?}");
    assert_eq!(registry.requests().logins, 1);
    let refused = with_login(&registry, "hunter2").greet(&images[0], &"1.0.0".parse().unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("refuses the credentials"), "{refused}");
}

#[tokio::test]
async fn without_credentials_nothing_is_asked_at_the_root() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.auth, faults.hides) = (Auth::Basic, Some(404)));
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("does not know it"), "{error}");
    assert_eq!(registry.roots(), 0);
}

#[tokio::test]
async fn a_login_that_was_not_asked_for_is_not_said_to_be_forbidden() {
    let server = Scripted::start(|asked| match &*asked.target {
        "/v2/" => (200, Vec::new(), "{}".to_owned()),
        _ => (403, Vec::new(), String::new()),
    });
    let client = logged_in(&server, "s3cr3t");
    for _ in 0..2 {
        let error = list_of(&client, &server).await;
        assert!(
            error.contains("forbids it (no login: it asks for none, so that the one from a test was not"),
            "{error}"
        );
    }
    assert_eq!(server.targets().iter().filter(|target| *target == "/v2/").count(), 1);
    assert!(server.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn a_wait_of_nothing_or_until_a_moment_that_has_passed_is_no_leave_to_hammer() {
    for wait in ["0", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        for status in [429, 503] {
            let registry = FakeRegistry::start().await;
            registry.faults(|faults| faults.statuses = vec![(status, Some(wait.to_owned())); 3]);
            let image = images(&registry, 1).remove(0);
            let (client, clock) = skipping(Settings::default());
            assert_eq!(list(&client, &image).await, "1.0.0");
            assert!(clock.skipped() >= Duration::from_millis(250 + 500 + 1000), "{:?}", clock.skipped());
            registry.faults(|faults| faults.statuses = vec![(status, Some(wait.to_owned())); 100]);
            let error = list(&client, &image).await;
            assert!(error.contains(&format!("answered {status}")) && !error.contains("before"), "{error}");
        }
    }
}

#[tokio::test]
async fn many_that_are_turned_away_without_a_wait_do_not_come_back_at_once() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.statuses = vec![(429, Some("0".to_owned())); 10_000]);
    let images = images(&registry, 60);
    let (client, clock) = skipping(Settings::default());
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list.starts_with("error: ")), "{lists:?}");
    assert!(lists.iter().all(|list| !list.contains("left alone")), "who asks for patience is not down: {lists:?}");
    let (asked, waited) = (registry.requests().tags, clock.skipped());
    assert!(asked <= 120 && waited >= Duration::from_secs(1), "{asked} requests in {waited:?}");
    assert!(waited < Duration::from_secs(180), "the wait is bounded, however many images there are: {waited:?}");
}

#[tokio::test]
async fn another_host_to_which_a_registry_redirects_may_be_down_and_the_registry_is_asked_on() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.blobs_at = Some("http://127.0.0.1:1".to_owned()));
    let client = anonymous();
    for number in 0..6 {
        let repository = format!("acme/web-{number}");
        registry.push(&repository, "1.0.0", "2026-11-01T00:00:00Z");
        let image = registry.image(&repository);
        let error = client.facts(&image, &"1.0.0".parse().unwrap(), FactKind::Image).await.unwrap_err().to_string();
        let words = format!("{} redirects there", registry.host());
        assert!(error.contains("no connection to 127.0.0.1:1") && error.contains(&words), "{error}");
        assert_eq!(list(&client, &image).await, "1.0.0");
    }
}

/// A client through a proxy, so that hosts of any name are this test's own.
fn through(proxy: &Scripted, insecure: &[&str]) -> RegistryClient {
    let named = NamedProxy { variable: "HTTP_PROXY".to_owned(), value: format!("http://{}", proxy.host()).into() };
    let hosts = insecure.iter().map(|host| HostSettings { insecure: true, ..HostSettings::of(host) }).collect();
    let proxies = Proxies::of(Some(named), None, None);
    with_settings(Settings { hosts, proxies, limits: quick(), ..Settings::default() })
}

fn host_of(asked: &Asked) -> String {
    asked.header("host").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_redirect_to_a_host_that_is_insecure_by_its_own_entry_is_followed() {
    let proxy = Scripted::start(|asked| match &*host_of(asked) {
        "registry.lan" => (307, vec![("Location", format!("http://cdn.lan:8080{}", asked.target))], String::new()),
        "cdn.lan:8080" => tags(),
        other => panic!("{other} was asked"),
    });
    let image = "registry.lan/acme/web".parse().unwrap();
    assert_eq!(list(&through(&proxy, &["registry.lan", "cdn.lan:8080"]), &image).await, "1.0.0");
    let error = list(&through(&proxy, &["registry.lan", "cdn.lan"]), &image).await;
    assert!(error.contains("cdn.lan:8080 would be spoken to in plain HTTP"), "{error}");
}

#[tokio::test]
async fn a_login_server_that_is_insecure_by_its_own_entry_is_asked() {
    let proxy = Scripted::start(|asked| match (&*host_of(asked), asked.header("authorization")) {
        ("registry.lan", None) => {
            let realm = r#"Bearer realm="http://login.lan:5001/token",service="x""#;
            (401, vec![("WWW-Authenticate", realm.to_owned())], String::new())
        }
        ("registry.lan", Some("Bearer abc")) => tags(),
        ("login.lan:5001", _) => (200, Vec::new(), r#"{"token": "abc", "expires_in": 0}"#.to_owned()),
        (other, _) => panic!("{other} was asked"),
    });
    let image = "registry.lan/acme/web".parse().unwrap();
    let client = through(&proxy, &["registry.lan", "login.lan:5001"]);
    assert_eq!(list(&client, &image).await, "1.0.0");
    // A life of nothing counts as the minute that is meant when nothing is said.
    assert_eq!(list(&client, &image).await, "1.0.0");
    assert_eq!(proxy.targets().iter().filter(|target| target.contains("/token")).count(), 1);
    let error = list(&through(&proxy, &["registry.lan"]), &image).await;
    assert!(error.contains("where a secret would travel unprotected"), "{error}");
}

#[tokio::test]
async fn a_login_in_the_address_of_a_redirect_is_shown_to_nobody() {
    let target = Scripted::start(|_| tags());
    let host = target.host();
    let server = Scripted::start(move |asked| {
        (302, vec![("Location", format!("http://user:pw@{host}{}", asked.target))], String::new())
    });
    assert_eq!(list_of(&anonymous(), &server).await, "1.0.0");
    assert!(target.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

const PASSWORD: &str = "p@ss w0rd/\"é+x";

/// What a registry makes of a login that it was shown, and where it puts that.
fn repeating(place: &'static str, form: impl Fn(&str) -> String + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |asked| {
        let Some(login) = asked.header("authorization") else {
            return (401, vec![("WWW-Authenticate", "Basic realm=x".to_owned())], String::new());
        };
        let shown = form(login.trim_start_matches("Basic "));
        match place {
            "link" => (200, vec![("Link", format!("<http://evil.example/{shown}/tags/list>; rel=next"))], tags().2),
            "digest" => (200, vec![("Docker-Content-Digest", shown)], String::new()),
            "entry" => (200, Vec::new(), serde_json::json!({"tags": ["1.0.0", format!("{shown} ")]}).to_string()),
            _ => {
                let body = serde_json::json!({"errors": [{"code": "NO", "message": format!("no to {shown}.")}]});
                (403, Vec::new(), body.to_string())
            }
        }
    })
}

#[tokio::test]
async fn what_a_registry_repeats_of_a_login_is_told_in_no_form_and_no_place() {
    let pair = STANDARD.encode(format!("bob:{PASSWORD}"));
    let forms: [fn(&str) -> String; 4] = [
        |_| "p%40ss%20w0rd%2F%22%C3%A9%2Bx".to_owned(),
        |_| "p%40ss+w0rd%2f%22%c3%a9%2bx".to_owned(),
        |pair| pair.trim_end_matches('=').to_owned(),
        str::to_owned,
    ];
    for form in forms {
        let secret = form(&pair);
        for place in ["message", "link", "digest", "entry"] {
            let server = repeating(place, form);
            let client = logged_in(&server, PASSWORD);
            let image = format!("{}/acme/web", server.host()).parse().unwrap();
            let told = match place {
                "digest" => {
                    let facts = client.facts(&image, &"1.0.0".parse().unwrap(), FactKind::Digest).await;
                    facts.unwrap_err().to_string()
                }
                "entry" => client.tags(&image).await.unwrap().list.invalid().0.join(" "),
                _ => list_of(&client, &server).await,
            };
            assert!(told.contains('…') && !told.contains(&secret), "{place}: {told}");
        }
    }
}

#[tokio::test]
async fn a_web_page_is_no_registry_whose_credentials_work() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.is_web_page = true);
    let error = anonymous().greet(&registry.image("acme/web"), &"1.0.0".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("answered with a web page instead of a registry's JSON"), "{error}");
}

#[tokio::test]
async fn a_registry_that_takes_none_of_its_login_server_s_tokens_is_left_alone_for_a_while() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.auth, faults.tokens_refused_below) = (Auth::Bearer, usize::MAX));
    let images = images(&registry, 100);
    let client = with_login(&registry, "secret");
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    let counts = registry.requests();
    assert!(counts.tokens <= 60 && counts.tags <= 60, "{counts:?}");
    let unasked = lists.iter().filter(|list| list.contains("was not asked: it has refused 10 images in a row")).count();
    assert!(unasked >= 70, "{lists:?}");
    assert!(lists.iter().all(|list| !list.contains("docker login") && !list.contains("log in")), "{lists:?}");
    assert!(lists[0].contains("takes the login from the variables USER and PASSWORD, and refuses it"), "{}", lists[0]);
}

#[tokio::test]
async fn one_image_that_is_not_for_a_login_stops_none_of_the_others() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Bearer);
    let images = images(&registry, 30);
    let client = with_login(&registry, "secret");
    assert_eq!(list(&client, &images[0]).await, "1.0.0");
    registry.faults(|faults| faults.tokens_refused_below = usize::MAX);
    for image in &images[1..20] {
        assert!(list(&client, image).await.contains("takes the login"));
    }
    registry.faults(|faults| faults.tokens_refused_below = 0);
    assert_eq!(list(&client, &images[20]).await, "1.0.0");
}

#[tokio::test]
async fn a_realm_of_no_use_is_passed_over_for_the_other_way_in() {
    let server = Scripted::start(|asked| match asked.header("authorization") {
        Some(_) => tags(),
        None => {
            let bad = r#"Bearer realm="ftp://bad.example/token""#.to_owned();
            (401, vec![("WWW-Authenticate", bad), ("WWW-Authenticate", "Basic realm=x".to_owned())], String::new())
        }
    });
    assert_eq!(list_of(&logged_in(&server, "s3cr3t"), &server).await, "1.0.0");
}

#[tokio::test]
async fn logins_of_single_paths_go_to_those_alone() {
    let server = Scripted::start(|asked| {
        let login = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:pw")));
        let of = asked.target.split('/').nth(2).unwrap_or_default();
        match asked.header("authorization") {
            Some(shown) if shown == login(of) => tags(),
            Some(_) if of.is_empty() => (200, Vec::new(), "{}".to_owned()),
            _ => (401, vec![("WWW-Authenticate", "Basic realm=x".to_owned())], String::new()),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let entry =
        |user: &str| format!(r#""{}/{user}": {{"auth": "{}"}}"#, server.host(), STANDARD.encode(format!("{user}:pw")));
    std::fs::write(&file, format!(r#"{{"auths": {{{}, {}}}}}"#, entry("one"), entry("two"))).unwrap();
    let client = with_settings(Settings { docker_config: Some(file), limits: quick(), ..Settings::default() });
    for user in ["one", "two", "one"] {
        let image = format!("{}/{user}/web", server.host()).parse().unwrap();
        assert_eq!(list(&client, &image).await, "1.0.0", "{user}");
    }
}
