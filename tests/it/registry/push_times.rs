//! When tags were pushed, from servers that speak as each vendor documents it.

use base64::Engine as _;
use futures_util::future::join_all;
use tagboat::model::image::ImageName;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::push_times::Vendor;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Settings};

use super::{list, quick, with_settings};
use crate::support::scripted::{Answer, Asked, Scripted};

const WHEN: &str = "2026-11-01T08:00:00Z";

fn json(body: impl Into<String>) -> Answer {
    (200, vec![("Content-Type", "application/json".to_owned())], body.into())
}

fn client(server: &Scripted, vendor: Option<Vendor>, login: bool) -> RegistryClient {
    let credential = login.then(|| CredentialSetting::Password {
        user: "robot$acme".to_owned(),
        password: "secret".into(),
        origin: "a test".to_owned(),
    });
    let host = HostSettings { vendor, credential, ..HostSettings::of(&server.host()) };
    with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() })
}

async fn pushed(client: &RegistryClient, image: &ImageName, tag: &str) -> Result<String, String> {
    match client.facts(image, &tag.parse().unwrap(), FactKind::Pushed).await {
        Ok(facts) => Ok(facts.pushed.map_or_else(|| "nobody tells".to_owned(), |time| time.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

fn image(server: &Scripted, path: &str) -> ImageName {
    format!("{}/{path}", server.host()).parse().unwrap()
}

fn said(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn basic() -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("robot$acme:secret"))
}

/// Answers as Harbor with pages of a hundred artifacts, each with a tag by its number, to those who log in.
fn harbor(asked: &Asked) -> Answer {
    if asked.header("authorization") != Some(&basic()) {
        return (401, Vec::new(), String::new());
    }
    let page: usize =
        asked.target.split(['?', '&']).find_map(|pair| pair.strip_prefix("page=")).unwrap().parse().unwrap();
    let rows = (0..100).map(|number| {
        format!(r#"{{"tags": [{{"name": "1.{}.0", "push_time": "{WHEN}"}}]}}"#, (page - 1) * 100 + number)
    });
    json(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}

#[tokio::test]
async fn pages_are_asked_for_once_and_only_as_far_as_a_tag_is_looked_for() {
    let server = Scripted::start(harbor);
    let client = client(&server, Some(Vendor::Harbor), true);
    let image = image(&server, "acme/team/web");
    let tags: Vec<String> = (0..50).map(|number| format!("1.{number}.0")).collect();
    let answers = join_all(tags.iter().map(|tag| pushed(&client, &image, tag))).await;
    assert!(answers.iter().all(|answer| *answer == said(WHEN)), "{answers:?}");
    let first = "/api/v2.0/projects/acme/repositories/team%252Fweb/artifacts?page=1&page_size=100&with_tag=true&sort=-push_time";
    assert_eq!(server.targets(), [first]);
    assert_eq!(pushed(&client, &image, "1.250.0").await, said(WHEN));
    assert_eq!(pushed(&client, &image, "1.199.0").await, said(WHEN));
    assert_eq!(server.asked().len(), 3);
    // Not among the newest thousand: nobody tells, and the pages end.
    assert_eq!(pushed(&client, &image, "0.1.0").await, said("nobody tells"));
    assert_eq!(pushed(&client, &image, "0.2.0").await, said("nobody tells"));
    assert_eq!(server.asked().len(), 10);
}

#[tokio::test]
async fn harbor_is_known_by_how_it_asks_for_a_login() {
    let server = Scripted::start(|asked| match asked.target.as_str() {
        target if target.starts_with("/api/") => harbor(asked),
        target if target.starts_with("/service/token") => json(r#"{"token": "t"}"#),
        _ if asked.header("authorization") == Some("Bearer t") => json(r#"{"name": "acme/web", "tags": ["1.0.0"]}"#),
        _ => {
            let realm = format!("http://{}/service/token", asked.header("host").unwrap());
            let challenge =
                format!(r#"Bearer realm="{realm}",service="harbor-registry",scope="repository:acme/web:pull""#);
            (401, vec![("WWW-Authenticate", challenge)], String::new())
        }
    });
    let client = client(&server, None, true);
    let image = image(&server, "acme/web");
    assert_eq!(pushed(&client, &image, "1.0.0").await, said("nobody tells"), "nothing has been seen of it yet");
    assert_eq!(list(&client, &image).await, "1.0.0");
    assert_eq!(pushed(&client, &image, "1.1.0").await, said(WHEN));
}

#[tokio::test]
async fn quay_is_asked_without_a_login() {
    let server = Scripted::start(|asked| {
        assert_eq!(asked.header("authorization"), None);
        json(r#"{"tags": [{"name": "1.0.0", "start_ts": 1793520000}], "page": 1, "has_additional": false}"#)
    });
    let client = client(&server, Some(Vendor::Quay), true);
    let image = image(&server, "acme/web");
    assert_eq!(pushed(&client, &image, "1.0.0").await, said(WHEN));
    assert_eq!(pushed(&client, &image, "1.1.0").await, said("nobody tells"));
    assert_eq!(server.targets(), ["/api/v1/repository/acme/web/tag/?limit=100&page=1&onlyActiveTags=true"]);
}

#[tokio::test]
async fn gitlab_s_registry_takes_the_registry_s_own_token() {
    let server = Scripted::start(|asked| match asked.target.as_str() {
        target if target.starts_with("/jwt/auth") => json(r#"{"token": "t"}"#),
        _ if asked.header("authorization") != Some("Bearer t") => {
            let realm = format!("http://{}/jwt/auth", asked.header("host").unwrap());
            let challenge = format!(r#"Bearer realm="{realm}",service="container_registry""#);
            (401, vec![("WWW-Authenticate", challenge)], String::new())
        }
        target if target.contains("last=") => json(format!(r#"[{{"name": "1.0.0", "published_at": "{WHEN}"}}]"#)),
        // The link leads elsewhere; only its mark counts.
        _ => {
            let link = r#"<https://elsewhere.example/x?last=mark>; rel="next""#.to_owned();
            (200, vec![("Link", link)], format!(r#"[{{"name": "1.1.0", "published_at": "{WHEN}"}}]"#))
        }
    });
    let client = client(&server, Some(Vendor::GitLab), true);
    assert_eq!(pushed(&client, &image(&server, "acme/web"), "1.0.0").await, said(WHEN));
    let asked: Vec<String> = server.targets().into_iter().filter(|target| target.starts_with("/gitlab/")).collect();
    assert_eq!(asked.last().unwrap(), "/gitlab/v1/repositories/acme/web/tags/list/?n=100&sort=-published_at&last=mark");
}

#[tokio::test]
async fn where_no_api_tells_the_answer_is_that_nobody_does() {
    let server = Scripted::start(|_| (404, Vec::new(), String::new()));
    let unknown = client(&server, Some(Vendor::Harbor), false);
    assert_eq!(pushed(&unknown, &image(&server, "acme/web"), "1.0.0").await, said("nobody tells"));
    assert_eq!(pushed(&unknown, &image(&server, "acme/web"), "1.1.0").await, said("nobody tells"));
    assert_eq!(server.asked().len(), 1);
    for vendor in [None, Some(Vendor::Other), Some(Vendor::Ecr)] {
        let server = Scripted::start(|_| json("[]"));
        let client = client(&server, vendor, true);
        assert_eq!(pushed(&client, &image(&server, "acme/web"), "1.0.0").await, said("nobody tells"), "{vendor:?}");
        assert!(server.asked().is_empty());
    }
}

#[tokio::test]
async fn an_api_that_fails_is_told_and_asked_once() {
    for (answer, words) in [
        (json("<html>"), "JSON that is not a list of push times"),
        (json("[".repeat(1000)), "JSON that is not a list of push times"),
        ((500, Vec::new(), String::new()), "answered 500"),
        ((418, Vec::new(), String::new()), "answered 418"),
        ((401, Vec::new(), String::new()), "answered 401"),
        ((403, Vec::new(), String::new()), "answered 403"),
    ] {
        let server = Scripted::start(move |_| answer.clone());
        let client = client(&server, Some(Vendor::Harbor), true);
        let error = pushed(&client, &image(&server, "acme/web"), "1.0.0").await.unwrap_err();
        assert!(error.contains("did not tell when it was pushed") && error.contains(words), "{error}");
        let asked = server.asked().len();
        assert_eq!(pushed(&client, &image(&server, "acme/web"), "1.0.0").await.unwrap_err(), error);
        assert_eq!(server.asked().len(), asked);
    }
}

#[tokio::test]
async fn an_api_that_fails_is_given_up_and_says_nothing_about_the_registry() {
    let named = |seconds: &str| vec![("Retry-After", seconds.to_owned())];
    for (vendor, status, headers) in [
        (Vendor::Harbor, 500, Vec::new()),
        (Vendor::GitLab, 500, Vec::new()),
        (Vendor::Quay, 503, named("300")),
        (Vendor::Quay, 429, named("300")),
    ] {
        let server = Scripted::start(move |asked| match asked.target.starts_with("/v2/") {
            true => (200, vec![("Docker-Content-Digest", format!("sha256:{}", "a".repeat(64)))], String::new()),
            false => (status, headers.clone(), String::new()),
        });
        let client = client(&server, Some(vendor), false);
        let images: Vec<ImageName> = (0..30).map(|number| image(&server, &format!("acme/web{number}"))).collect();
        for image in &images {
            pushed(&client, image, "1.0.0").await.unwrap_err();
            let digest = client.facts(image, &"1.0.0".parse().unwrap(), FactKind::Digest).await;
            assert!(digest.is_ok(), "{vendor:?} {status}: {digest:?}");
        }
        let asked = server.targets().iter().filter(|target| !target.starts_with("/v2/")).count();
        assert!(asked <= 12, "{vendor:?} {status}: asked {asked} times");
    }
}

#[tokio::test]
async fn a_page_without_an_end_is_cut_off() {
    let server = Scripted::start(|_| json(format!("[{}", "{},".repeat(4 << 20))));
    let client = client(&server, Some(Vendor::Harbor), true);
    let error = pushed(&client, &image(&server, "acme/web"), "1.0.0").await.unwrap_err();
    assert!(error.contains("more than 8388608 bytes"), "{error}");
}

#[tokio::test]
async fn an_api_that_redirects_elsewhere_gets_no_login_there() {
    let elsewhere = Scripted::start(|_| json("[]"));
    let target = format!("http://{}/stolen", elsewhere.host());
    let server = Scripted::start(move |_| (302, vec![("Location", target.clone())], String::new()));
    let client = client(&server, Some(Vendor::Harbor), true);
    assert_eq!(pushed(&client, &image(&server, "acme/web"), "1.0.0").await, said("nobody tells"));
    assert_eq!(server.asked()[0].header("authorization"), Some(basic().as_str()));
    assert_eq!(elsewhere.asked()[0].header("authorization"), None);
}
