//! Logins: what is sent where, and how often.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use futures_util::future::join_all;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Settings};

use super::{anonymous, fill, list, quick, with_login, with_settings};
use crate::support::registry::{Auth, FakeRegistry, Vendor};
use crate::support::scripted::Scripted;

#[tokio::test]
async fn shows_user_and_password_once_the_registry_has_asked() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Basic);
    let tags = fill(&registry, "acme/web", 3);
    let client = with_login(&registry, "secret");
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 3);
}

#[tokio::test]
async fn one_image_s_odd_challenge_is_no_other_s() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.odd_challenge = Some("acme/odd".to_owned()));
    ["acme/odd", "acme/web"].iter().for_each(|repository| registry.list_tag(repository, "1.0.0"));
    let client = anonymous();
    let refused = client.tags(&registry.image("acme/odd")).await.unwrap_err().to_string();
    assert!(refused.contains("http://elsewhere.example/token, where a secret would travel unprotected"), "{refused}");
    assert_eq!(list(&client, &registry.image("acme/web")).await, "1.0.0");
}

#[tokio::test]
async fn fifty_images_at_once_learn_the_login_from_one_answer() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Bearer);
    let images: Vec<_> = (0..50).map(|number| registry.image(&format!("acme/web-{number}"))).collect();
    (0..50).for_each(|number| registry.list_tag(&format!("acme/web-{number}"), "1.0.0"));
    let client = with_login(&registry, "secret");
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
    let counts = registry.requests();
    assert_eq!((counts.tags, counts.tokens), (51, 50));
}

#[tokio::test]
async fn questions_about_one_image_share_one_token() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::BearerForAll);
    registry.list_tag("acme/web", "1.0.0");
    let (client, image) = (anonymous(), registry.image("acme/web"));
    let lists = join_all((0..20).map(|_| list(&client, &image))).await;
    assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
    let counts = registry.requests();
    assert_eq!((counts.tags, counts.tokens), (2, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Bearer);
    registry.list_tag("acme/web", "1.0.0");
    let client = with_login(&registry, "secret");
    let image = registry.image("acme/web");
    assert_eq!(list(&client, &image).await, "1.0.0");
    registry.faults(|faults| faults.tokens_refused_below = 2);
    assert_eq!(list(&client, &image).await, "1.0.0");
    let counts = registry.requests();
    assert_eq!((counts.tags, counts.tokens), (4, 2));
    registry.faults(|faults| faults.tokens_refused_below = 100);
    let error = list(&client, &image).await;
    assert!(error.contains("takes the login from the variables USER and PASSWORD, and refuses it"), "{error}");
    let counts = registry.requests();
    assert_eq!((counts.tags, counts.tokens), (6, 3));
}

#[tokio::test]
async fn a_token_that_is_refused_without_a_challenge_is_renewed_once() {
    let (right, given) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(0)));
    let (now, counted) = (Arc::clone(&right), Arc::clone(&given));
    let server = Scripted::start(move |asked| {
        if asked.target.starts_with("/token") {
            counted.fetch_add(1, Ordering::Relaxed);
            // Whoever may not come in again gets the same token all the time.
            let token = now.load(Ordering::Relaxed).min(2);
            return (200, Vec::new(), format!(r#"{{"token": "t{token}", "expires_in": 86400}}"#));
        }
        let shown = asked.header("authorization");
        if shown == Some(format!("Bearer t{}", now.load(Ordering::Relaxed)).as_str()) {
            return (200, Vec::new(), r#"{"name": "acme/web", "tags": ["1.0.0"]}"#.to_owned());
        }
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", asked.header("host").unwrap());
        let headers = if shown.is_some() { Vec::new() } else { vec![("WWW-Authenticate", realm)] };
        (401, headers, String::new())
    });
    let client = with_settings(Settings { limits: quick(), ..Settings::default() });
    let image = format!("{}/acme/web", server.host()).parse().unwrap();
    let given = || given.load(Ordering::Relaxed);
    assert_eq!((list(&client, &image).await.as_str(), given()), ("1.0.0", 1));
    // The registry has another key now, and takes no older token.
    right.store(2, Ordering::Relaxed);
    assert_eq!((list(&client, &image).await.as_str(), given()), ("1.0.0", 2));
    right.store(3, Ordering::Relaxed);
    let error = list(&client, &image).await;
    assert!(error.contains("shows it to nobody without credentials"), "{error}");
    assert_eq!(given(), 3, "once, and no more");
}

#[tokio::test]
async fn a_token_is_used_until_it_expires() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| {
        (faults.auth, faults.token_life) = (Auth::Bearer, Some(300));
        // A microsecond before a tenth of its life is left.
        faults.token_issued = Some("2026-11-20T07:55:30.000001Z");
    });
    registry.list_tag("acme/web", "1.0.0");
    let client = with_login(&registry, "secret");
    let image = registry.image("acme/web");
    assert_eq!(list(&client, &image).await, "1.0.0");
    registry.faults(|faults| faults.token_issued = None);
    assert_eq!(list(&client, &image).await, "1.0.0");
    assert_eq!(registry.requests().tokens, 2);
    assert_eq!(list(&client, &image).await, "1.0.0");
    assert_eq!(registry.requests().tokens, 2);
}

#[tokio::test]
async fn a_wrong_password_is_one_message_that_names_where_it_came_from() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| faults.auth = auth);
        registry.list_tag("acme/web", "1.0.0");
        let error = list(&with_login(&registry, "hunter2"), &registry.image("acme/web")).await;
        let words = format!("{} refuses the credentials from the variables USER and PASSWORD", registry.host());
        assert!(error.contains(&words), "{auth:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn without_credentials_the_message_says_what_to_do() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| faults.auth = auth);
        let error = list(&anonymous(), &registry.image("acme/web")).await;
        assert!(error.contains(&format!("docker login {}", registry.host())), "{auth:?}: {error}");
    }
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Bearer);
    registry.list_tag("acme/web", "1.0.0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let json = format!(r#"{{"auths": {{"{}": {{"identitytoken": "refresh"}}}}}}"#, registry.host());
    std::fs::write(&file, json).unwrap();
    let client = with_settings(Settings { docker_config: Some(file), limits: quick(), ..Settings::default() });
    assert_eq!(list(&client, &registry.image("acme/web")).await, "1.0.0");
    assert_eq!(registry.requests().tokens, 1);
}

#[tokio::test]
async fn credentials_of_one_host_are_never_shown_to_another() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::Basic);
    registry.list_tag("acme/web", "1.0.0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.json");
    let auth = base64::engine::general_purpose::STANDARD.encode("acme:secret");
    std::fs::write(&file, format!(r#"{{"auths": {{"127.0.0.1:1": {{"auth": "{auth}"}}}}}}"#)).unwrap();
    let client = with_settings(Settings { docker_config: Some(file), limits: quick(), ..Settings::default() });
    assert!(list(&client, &registry.image("acme/web")).await.contains("without credentials"));
}

#[tokio::test]
async fn a_blob_that_is_redirected_elsewhere_is_asked_for_without_the_login() {
    let registry = FakeRegistry::start().await;
    let storage = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", "2026-11-01T00:00:00Z");
    storage.push("acme/web", "1.0.0", "2026-11-01T00:00:00Z");
    registry.faults(|faults| {
        (faults.auth, faults.blobs_at) = (Auth::Basic, Some(format!("http://{}", storage.host())));
    });
    let client = with_login(&registry, "secret");
    let image = registry.image("acme/web");
    client.facts(&image, &"1.0.0".parse().unwrap(), FactKind::Image).await.unwrap();
    assert!(registry.saw_login_for_blob());
    assert_eq!(storage.requests().blobs, 1);
    assert!(!storage.saw_login_for_blob());
}

#[tokio::test]
async fn a_credential_set_to_anonymous_is_not_sent() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.auth = Auth::BearerForAll);
    registry.list_tag("acme/web", "1.0.0");
    let host = HostSettings { credential: Some(CredentialSetting::Anonymous), ..HostSettings::of(&registry.host()) };
    let client = with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() });
    assert_eq!(list(&client, &registry.image("acme/web")).await, "1.0.0");
}

/// A log that is kept in memory.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_reaches_the_log_at_its_most_talkative() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber in the process, whichever thread meets an event first decides for all threads whether
    // it is wanted, and other tests want none. With two, all subscribers are asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _logging = tracing::subscriber::set_default(subscriber);
    for auth in [Auth::Basic, Auth::Bearer] {
        for password in ["secret", "hunter2"] {
            let registry = FakeRegistry::start().await;
            registry.faults(|faults| faults.auth = auth);
            registry.list_tag("acme/web", "1.0.0");
            let client = with_login(&registry, password);
            list(&client, &registry.image("acme/web")).await;
            write!(log.clone(), "{client:?}").unwrap();
        }
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("path=\"/v2/acme/web/tags/list\" status=401"), "{text}");
    for password in ["secret", "hunter2"] {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("acme:{password}"));
        assert!(!text.contains(password) && !text.contains(&pair), "{text}");
    }
    assert!(!text.contains("token 1 repository"), "{text}");
}

#[tokio::test]
async fn a_login_that_is_only_ever_forbidden_is_not_shown_for_each_image() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.auth, faults.vendor) = (Auth::Bearer, Vendor::Ghcr));
    let images: Vec<_> = (0..20).map(|number| registry.image(&format!("acme/web-{number}"))).collect();
    let client = with_login(&registry, "hunter2");
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list.contains("refuses the credentials from the variables")), "{lists:?}");
    assert_eq!(registry.requests().logins, 3);
}

#[tokio::test]
async fn an_answer_that_repeats_what_it_was_shown_is_told_without_it() {
    for status in [403, 404, 418] {
        let server = Scripted::start(move |asked| {
            let Some(login) = asked.header("authorization") else {
                return (401, vec![("WWW-Authenticate", "Basic realm=x".to_owned())], String::new());
            };
            let body = serde_json::json!({"errors": [{"code": "ODD", "message": format!("no s3cr3t by {login}")}]});
            (status, Vec::new(), body.to_string())
        });
        let origin = "a test".to_owned();
        let password = CredentialSetting::Password { user: "acme".to_owned(), password: "s3cr3t".into(), origin };
        let host = HostSettings { credential: Some(password), ..HostSettings::of(&server.host()) };
        let client = with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() });
        let error = list(&client, &format!("{}/acme/web", server.host()).parse().unwrap()).await;
        assert!(error.contains("(ODD: no … by Basic …)"), "{error}");
    }
}

#[tokio::test]
async fn places_that_are_refused_are_told_without_what_may_be_secret_in_them() {
    let links = "/elsewhere/tags?s=s3cr3t";
    let server = Scripted::start(move |asked| match &*asked.target {
        target if target.contains("/acme/realm/") => {
            let realm = r#"Bearer realm="http://user:s3cr3t@elsewhere.example/token?s=s3cr3t""#;
            (401, vec![("WWW-Authenticate", realm.to_owned())], String::new())
        }
        _ => (200, vec![("Link", format!("<{links}>; rel=next"))], r#"{"tags": ["1.0.0"]}"#.to_owned()),
    });
    for (path, place) in
        [("acme/web", "goes on at /elsewhere/tags,"), ("acme/realm", "http://elsewhere.example/token,")]
    {
        let error = list(&anonymous(), &format!("{}/{path}", server.host()).parse().unwrap()).await;
        assert!(error.contains(place) && !error.contains("s3cr3t"), "{error}");
    }
}
