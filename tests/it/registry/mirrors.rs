//! Mirrors: what is asked of whom, and with which login.

use tagboat::model::image::ImageName;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Mirror, Settings};

use super::{list, quick, with_settings};
use crate::support::registry::{Auth, BodyFault, FakeRegistry};

fn mirrored(upstream: &str, mirror: &str, path: &str, fallback: bool) -> HostSettings {
    let mirror = Some(Mirror { host: mirror.to_owned(), path: path.to_owned(), fallback });
    HostSettings { mirror, ..HostSettings::of(upstream) }
}

fn login(user: &str, password: &str) -> Option<CredentialSetting> {
    let origin = format!("the login of {user}");
    Some(CredentialSetting::Password { user: user.to_owned(), password: password.into(), origin })
}

fn client(hosts: Vec<HostSettings>) -> RegistryClient {
    with_settings(Settings { hosts, limits: quick(), ..Settings::default() })
}

fn image(name: &str) -> ImageName {
    name.parse().unwrap()
}

#[tokio::test]
async fn the_mirror_is_asked_below_its_path_and_with_its_own_login() {
    let mirror = FakeRegistry::start().await;
    mirror.faults(|faults| faults.auth = Auth::Basic);
    let digest = mirror.push("hub/library/nginx", "1.27.0", "2026-11-01T08:00:00Z");
    let upstream =
        HostSettings { credential: login("upstream", "hush"), ..mirrored("docker.io", &mirror.host(), "hub", false) };
    let own = HostSettings { credential: login("acme", "secret"), ..HostSettings::of(&mirror.host()) };
    let asking = client(vec![upstream.clone(), own]);
    assert_eq!(list(&asking, &image("nginx")).await, "1.27.0");
    let tag = "1.27.0".parse().unwrap();
    let facts = asking.facts(&image("nginx"), &tag, FactKind::Digest).await.unwrap();
    assert_eq!(facts.digest.unwrap().as_str(), digest);
    let facts = asking.facts(&image("nginx"), &tag, FactKind::Image).await.unwrap();
    assert_eq!(facts.created.unwrap().to_string(), "2026-11-01T08:00:00Z");
    // The upstream's login is none for the mirror.
    let error = list(&client(vec![upstream]), &image("nginx")).await;
    assert!(error.contains("docker login") && !error.contains("hush"), "{error}");
}

#[tokio::test]
async fn a_mirror_without_a_path_has_the_same_names() {
    let mirror = FakeRegistry::start().await;
    mirror.list_tag("library/nginx", "1.27.0");
    let asking = client(vec![mirrored("docker.io", &mirror.host(), "", false)]);
    assert_eq!(list(&asking, &image("nginx")).await, "1.27.0");
}

#[tokio::test]
async fn the_upstream_is_asked_after_the_mirror_only_where_that_is_said() {
    let (upstream, mirror) = (FakeRegistry::start().await, FakeRegistry::start().await);
    upstream.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
    let name = upstream.image("acme/web");
    let error = list(&client(vec![mirrored(&upstream.host(), &mirror.host(), "", false)]), &name).await;
    assert!(error.starts_with(&format!("error: {name}: {} does not know it", mirror.host())), "{error}");
    assert_eq!(upstream.requests().tags, 0);
    let asking = client(vec![mirrored(&upstream.host(), &mirror.host(), "", true)]);
    assert_eq!(list(&asking, &name).await, "1.0.0");
    assert!(asking.facts(&name, &"1.0.0".parse().unwrap(), FactKind::Digest).await.is_ok());
    assert_eq!((mirror.requests().tags, upstream.requests().tags), (2, 1));
}

#[tokio::test]
async fn a_mirror_that_breaks_off_gives_nothing_to_the_list() {
    let (upstream, mirror) = (FakeRegistry::start().await, FakeRegistry::start().await);
    (0..4).for_each(|number| mirror.list_tag("acme/web", &format!("9.{number}.0")));
    mirror.faults(|faults| {
        faults.page_size = Some(2);
        faults.list = BodyFault::BreaksOff;
        faults.list_from_page = 1;
    });
    upstream.list_tag("acme/web", "1.0.0");
    let asking = client(vec![mirrored(&upstream.host(), &mirror.host(), "", true)]);
    assert_eq!(list(&asking, &upstream.image("acme/web")).await, "1.0.0");
}

#[tokio::test]
async fn a_mirror_that_refuses_its_login_is_told_and_not_gone_around() {
    let (upstream, mirror) = (FakeRegistry::start().await, FakeRegistry::start().await);
    mirror.faults(|faults| faults.auth = Auth::Basic);
    mirror.list_tag("acme/web", "1.0.0");
    upstream.list_tag("acme/web", "1.0.0");
    let own = HostSettings { credential: login("acme", "wrong"), ..HostSettings::of(&mirror.host()) };
    let asking = client(vec![mirrored(&upstream.host(), &mirror.host(), "", true), own]);
    let error = list(&asking, &upstream.image("acme/web")).await;
    assert!(error.contains("refuses the credentials from the login of acme"), "{error}");
    assert_eq!(upstream.requests().tags, 0);
}

#[tokio::test]
async fn nobody_is_asked_when_a_mirrored_tag_was_pushed() {
    let mirror = FakeRegistry::start().await;
    mirror.list_tag("library/nginx", "1.27.0");
    let asking = client(vec![mirrored("docker.io", &mirror.host(), "", true)]);
    let facts = asking.facts(&image("nginx"), &"1.27.0".parse().unwrap(), FactKind::Pushed).await.unwrap();
    assert_eq!(facts.pushed, None);
    assert_eq!(mirror.requests(), Default::default());
}
