//! The client against Debian's `docker-registry`, filled over HTTP.

use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::model::image::ImageName;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Limits, Settings};

use crate::support::{DockerRegistry, Login, PASSWORD, USER};

const CREATED: &str = "2026-11-01T08:00:00Z";

fn client(settings: Settings) -> RegistryClient {
    RegistryClient::new(settings, Arc::new(SystemClock))
}

fn with_password(registry: &DockerRegistry, password: &str) -> RegistryClient {
    let credential =
        CredentialSetting::Password { user: USER.to_owned(), password: password.into(), origin: "the test".to_owned() };
    let host = HostSettings { credential: Some(credential), ..HostSettings::of(registry.host()) };
    client(Settings { hosts: vec![host], ..Settings::default() })
}

async fn tags(client: &RegistryClient, image: &ImageName) -> Result<Vec<String>, String> {
    let found = client.tags(image).await.map_err(|error| error.to_string())?;
    let mut tags: Vec<String> = found.list.iter().map(|(_, tag)| tag.to_owned()).collect();
    tags.sort();
    Ok(tags)
}

#[tokio::test]
async fn lists_all_tags_whatever_the_page_size() {
    let registry = DockerRegistry::start(Login::Open);
    let mut pushed = Vec::new();
    for number in 0..12 {
        let tag = format!("1.{number}.0");
        registry.push("acme/web", &tag, CREATED).await;
        pushed.push(tag);
    }
    pushed.sort();
    // Less than there are, exactly as many (a full page, whether or not the registry pages), and more.
    for page_size in [5, 6, 11, 12, 13, 1000] {
        let limits = Limits { page_size, ..Limits::default() };
        let client = client(Settings { limits, ..Settings::default() });
        assert_eq!(tags(&client, &registry.image("acme/web")).await.unwrap(), pushed, "{page_size}");
    }
    let error = tags(&client(Settings::default()), &registry.image("acme/absent")).await.unwrap_err();
    assert!(error.contains("does not know it (NAME_UNKNOWN"), "{error}");
}

#[tokio::test]
async fn knows_digests_platforms_and_creation_times() {
    let registry = DockerRegistry::start(Login::Open);
    let digest = registry.push("acme/web", "1.0.0", CREATED).await;
    let (client, image, tag) = (client(Settings::default()), registry.image("acme/web"), "1.0.0".parse().unwrap());
    let facts = client.facts(&image, &tag, FactKind::Digest).await.unwrap();
    assert_eq!(facts.digest.unwrap().as_str(), digest);
    let facts = client.facts(&image, &tag, FactKind::Image).await.unwrap();
    assert_eq!(facts.digest.unwrap().as_str(), digest);
    assert_eq!(facts.created.unwrap().to_string(), CREATED);
    assert_eq!(facts.platforms.unwrap()[0].to_string(), "linux/amd64");
    let moved = registry.push("acme/web", "1.0.0", "2026-11-02T08:00:00Z").await;
    assert_ne!(moved, digest);
    let facts = client.facts(&image, &tag, FactKind::Digest).await.unwrap();
    assert_eq!(facts.digest.unwrap().as_str(), moved);
}

#[tokio::test]
async fn logs_in_where_the_registry_asks_for_it() {
    let registry = DockerRegistry::start(Login::Htpasswd);
    registry.push("acme/web", "1.0.0", CREATED).await;
    let image = registry.image("acme/web");
    assert_eq!(tags(&with_password(&registry, PASSWORD), &image).await.unwrap(), ["1.0.0"]);
    let error = tags(&with_password(&registry, "wrong"), &image).await.unwrap_err();
    assert!(error.contains("refuses the credentials from the test"), "{error}");
    let error = tags(&client(Settings::default()), &image).await.unwrap_err();
    assert!(error.contains("docker login"), "{error}");
}
