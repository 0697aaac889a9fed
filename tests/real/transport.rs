//! `docker-registry` over TLS by a test's authority, with and without deletion, and as a pull-through cache.

use std::path::Path;
use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::http::connection::Connection;
use tagboat::model::image::ImageName;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::client::probe::Welcome;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Mirror, Settings};

use crate::authority::Authority;
use crate::support::{DockerRegistry, Kind, Login, PASSWORD, USER};

const CREATED: &str = "2026-11-01T08:00:00Z";

fn client(hosts: Vec<HostSettings>) -> RegistryClient {
    RegistryClient::new(Settings { hosts, ..Settings::default() }, Arc::new(SystemClock))
}

fn over_tls(host: &str, ca: &Path, password: &str) -> HostSettings {
    let connection = Connection { ca_file: Some(ca.to_owned()), ..Connection::default() };
    HostSettings { connection: Some(connection), credential: login(password), ..HostSettings::of(host) }
}

fn login(password: &str) -> Option<CredentialSetting> {
    let origin = "the test".to_owned();
    Some(CredentialSetting::Password { user: USER.to_owned(), password: password.into(), origin })
}

async fn tags(client: &RegistryClient, image: &ImageName) -> Result<Vec<String>, String> {
    let found = client.tags(image).await.map_err(|error| error.to_string())?;
    let mut tags: Vec<String> = found.list.iter().map(|(_, tag)| tag.to_owned()).collect();
    tags.sort();
    Ok(tags)
}

#[tokio::test]
async fn a_private_authority_and_a_password_open_a_registry() {
    let (authority, folder) = (Authority::new("Acme"), tempfile::tempdir().unwrap());
    let (ca, stranger) = (folder.path().join("ca.pem"), folder.path().join("stranger.pem"));
    authority.write(&ca);
    Authority::new("Somebody").write(&stranger);
    let signed = authority.server(&["127.0.0.1"]);
    let kind = Kind { login: Login::Htpasswd, tls: Some((&signed, &authority)), ..Kind::default() };
    let registry = DockerRegistry::of(kind);
    let digest = registry.push("acme/web", "1.0.0", CREATED).await;
    let (image, tag, host) = (registry.image("acme/web"), "1.0.0".parse().unwrap(), registry.host());
    let asking = client(vec![over_tls(host, &ca, PASSWORD)]);
    assert_eq!(tags(&asking, &image).await.unwrap(), ["1.0.0"]);
    let facts = asking.facts(&image, &tag, FactKind::Image).await.unwrap();
    assert_eq!(facts.digest.unwrap().as_str(), digest);
    let probe = asking.greet(&image, &tag).await.unwrap();
    assert_eq!((probe.welcome, probe.is_known), (Welcome::Accepted("the test".to_owned()), true));
    let error = tags(&client(vec![over_tls(host, &ca, "wrong")]), &image).await.unwrap_err();
    assert!(error.contains("refuses the credentials from the test"), "{error}");
    let error = tags(&client(vec![over_tls(host, &stranger, PASSWORD)]), &image).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn what_was_deleted_is_gone_and_what_may_not_be_stays() {
    for delete in [true, false] {
        let registry = DockerRegistry::of(Kind { delete, ..Kind::default() });
        let old = registry.push("acme/web", "1.0.0", CREATED).await;
        let new = registry.push("acme/web", "1.1.0", "2026-11-02T08:00:00Z").await;
        let (image, asking) = (registry.image("acme/web"), client(Vec::new()));
        let status = registry.delete("acme/web", &new).await;
        let digest = asking.facts(&image, &"1.1.0".parse().unwrap(), FactKind::Digest).await;
        if delete {
            assert_eq!((status, tags(&asking, &image).await.unwrap()), (202, vec!["1.0.0".to_owned()]));
            assert!(digest.unwrap_err().to_string().contains("does not know it"));
            // The last tag leaves a repository whose list is no list.
            assert_eq!(registry.delete("acme/web", &old).await, 202);
            assert!(tags(&asking, &image).await.unwrap().is_empty());
        } else {
            assert_eq!((status, tags(&asking, &image).await.unwrap().len()), (405, 2));
            assert_eq!(digest.unwrap().digest.unwrap().as_str(), new);
        }
    }
}

#[tokio::test]
async fn a_pull_through_cache_answers_in_the_upstream_s_place() {
    let upstream = DockerRegistry::start(Login::Open);
    let digest = upstream.push("acme/web", "1.0.0", CREATED).await;
    upstream.push("acme/web", "1.1.0", CREATED).await;
    let kind = Kind { login: Login::Htpasswd, upstream: Some(&upstream), ..Kind::default() };
    let cache = DockerRegistry::of(kind);
    let mirror = Mirror { host: cache.host().to_owned(), path: String::new(), fallback: false };
    // The name in manifests leads nowhere: only the cache can have answered.
    let named = HostSettings { mirror: Some(mirror), ..HostSettings::of("registry.example") };
    let (image, tag) = ("registry.example/acme/web".parse().unwrap(), "1.0.0".parse().unwrap());
    let error = tags(&client(vec![named.clone()]), &image).await.unwrap_err();
    assert!(error.contains(&format!("docker login {}", cache.host())), "{error}");
    let asking = client(vec![named, HostSettings { credential: login(PASSWORD), ..HostSettings::of(cache.host()) }]);
    assert_eq!(tags(&asking, &image).await.unwrap(), ["1.0.0", "1.1.0"]);
    let facts = asking.facts(&image, &tag, FactKind::Image).await.unwrap();
    assert_eq!((facts.digest.unwrap().as_str(), facts.created.unwrap().to_string().as_str()), (&*digest, CREATED));
    upstream.push("acme/web", "1.2.0", CREATED).await;
    assert_eq!(tags(&asking, &image).await.unwrap(), ["1.0.0", "1.1.0", "1.2.0"], "its lists are the upstream's");
    let pushed = asking.facts(&image, &tag, FactKind::Pushed).await.unwrap().pushed;
    assert_eq!(pushed, None, "a cache does not know");
}
