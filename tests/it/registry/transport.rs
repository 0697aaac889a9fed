//! How hosts are connected to: certificates of both sides, redirects, time limits of each host, literals.

use std::path::Path;
use std::time::Duration;

use tagboat::http::client::Timeouts;
use tagboat::http::connection::{ClientCertificate, Connection};
use tagboat::http::proxy::{NamedProxy, Proxies};
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Settings};
use tempfile::TempDir;

use super::{list, quick, with_settings};
use crate::support::authority::Authority;
use crate::support::registry::{Auth, BodyFault, FakeRegistry};
use crate::support::scripted::Scripted;
use crate::support::tls_front::{Clients, Seen, TlsFront};

/// A registry, an authority, and a folder with the authority's certificate.
struct Scene {
    registry: FakeRegistry,
    authority: Authority,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            registry: FakeRegistry::launch(),
            authority: Authority::new("Acme"),
            folder: tempfile::tempdir().unwrap(),
        };
        scene.registry.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
        scene.authority.write(&scene.folder.path().join("ca.pem"));
        scene
    }

    fn front(&self, clients: Clients<'_>) -> TlsFront {
        TlsFront::before(&self.registry.host(), &self.authority.server(&["127.0.0.1"]), clients)
    }

    fn trusting(&self, host: &str) -> HostSettings {
        with_files(host, Some(&self.folder.path().join("ca.pem")), None)
    }

    fn showing(&self, host: &str, issuer: &Authority) -> HostSettings {
        let files = issuer.client("tagboat").write(self.folder.path(), "client");
        with_files(host, Some(&self.folder.path().join("ca.pem")), Some(files))
    }
}

fn with_files(host: &str, ca: Option<&Path>, client: Option<(std::path::PathBuf, std::path::PathBuf)>) -> HostSettings {
    let connection = Connection {
        ca_file: ca.map(Path::to_owned),
        client_certificate: client.map(|(certificate_file, key_file)| ClientCertificate { certificate_file, key_file }),
        ..Connection::default()
    };
    HostSettings { connection: Some(connection), ..HostSettings::of(host) }
}

fn client(hosts: Vec<HostSettings>) -> RegistryClient {
    with_settings(Settings { hosts, limits: quick(), ..Settings::default() })
}

async fn listed(hosts: Vec<HostSettings>, host: &str) -> String {
    list(&client(hosts), &format!("{host}/acme/web").parse().unwrap()).await
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_nowhere_else() {
    let scene = Scene::new();
    let front = scene.front(Clients::Anybody);
    let host = front.host();
    assert_eq!(listed(vec![scene.trusting(&host)], &host).await, "1.0.0");
    let stranger = scene.folder.path().join("stranger.pem");
    Authority::new("Somebody").write(&stranger);
    let error = listed(vec![with_files(&host, Some(&stranger), None)], &host).await;
    assert!(error.contains(&format!("no connection to {host}")) && error.contains("certificate"), "{error}");
    // Several authorities in one file, and one for another host alone.
    let both = scene.folder.path().join("both.pem");
    let bundle = std::fs::read_to_string(&stranger).unwrap() + scene.authority.pem();
    std::fs::write(&both, bundle).unwrap();
    assert_eq!(listed(vec![with_files(&host, Some(&both), None)], &host).await, "1.0.0");
    let other = scene.front(Clients::Anybody);
    let error =
        listed(vec![scene.trusting(&host), with_files(&other.host(), Some(&stranger), None)], &other.host()).await;
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let scene = Scene::new();
    let signed = scene.authority.server(&["registry.example"]);
    let front = TlsFront::before(&scene.registry.host(), &signed, Clients::Anybody);
    let error = listed(vec![scene.trusting(&front.host())], &front.host()).await;
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(scene.registry.requests().tags, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_its_host() {
    let scene = Scene::new();
    let front = scene.front(Clients::Of(&scene.authority));
    let (host, folder) = (front.host(), scene.folder.path());
    std::fs::write(folder.join("text"), "no certificate").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.join("broken.pem"), broken).unwrap();
    for name in ["absent", "text", "broken.pem"] {
        let error = listed(vec![with_files(&host, Some(&folder.join(name)), None)], &host).await;
        assert!(error.contains(&format!("{name} for {host} cannot be used")), "{name}: {error}");
    }
    let signed = scene.authority.client("tagboat");
    let (certificate, key) = signed.write(folder, "client");
    let (_, other_key) = scene.authority.client("tagboat").write(folder, "other");
    let ca = folder.join("ca.pem");
    for pair in [
        (folder.join("absent"), key.clone()),
        (certificate.clone(), folder.join("absent")),
        (certificate.clone(), folder.join("text")),
        (certificate.clone(), other_key),
    ] {
        let error = listed(vec![with_files(&host, Some(&ca), Some(pair))], &host).await;
        assert!(error.contains("the client certificate ") && error.contains("cannot be used"), "{error}");
        let secret = signed.key_pem.lines().nth(1).unwrap();
        assert!(!error.contains(secret), "{error}");
    }
    assert_eq!(listed(vec![with_files(&host, Some(&ca), Some((certificate, key)))], &host).await, "1.0.0");
}

#[tokio::test]
async fn a_client_certificate_opens_what_asks_for_one() {
    let scene = Scene::new();
    let front = scene.front(Clients::Of(&scene.authority));
    let host = front.host();
    assert_eq!(listed(vec![scene.showing(&host, &scene.authority)], &host).await, "1.0.0");
    assert_eq!(front.seen(), Seen { sessions: 1, with_certificate: 1 });
    let stranger = Authority::new("Somebody");
    for hosts in [vec![scene.trusting(&host)], vec![scene.showing(&host, &stranger)]] {
        let error = listed(hosts, &host).await;
        assert!(error.starts_with("error: "), "{error}");
    }
    assert_eq!(front.seen().sessions, 1);
}

#[tokio::test]
async fn no_redirect_shows_another_host_a_login_or_a_client_certificate() {
    let scene = Scene::new();
    let front = scene.front(Clients::Of(&scene.authority));
    scene.registry.faults(|faults| faults.auth = Auth::Basic);
    let credential =
        CredentialSetting::Password { user: "acme".to_owned(), password: "secret".into(), origin: "a test".to_owned() };
    let own = HostSettings { credential: Some(credential), ..scene.showing(&front.host(), &scene.authority) };
    let image = format!("{}/acme/web", front.host()).parse().unwrap();
    let tag = "1.0.0".parse().unwrap();
    client(vec![own.clone()]).facts(&image, &tag, FactKind::Image).await.unwrap();
    assert!(scene.registry.saw_login_for_blob(), "the registry's own blobs want one");
    let other = FakeRegistry::launch();
    other.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
    let signed = scene.authority.server(&["127.0.0.1"]);
    let storage = TlsFront::before(&other.host(), &signed, Clients::PerhapsOf(&scene.authority));
    scene.registry.faults(|faults| faults.blobs_at = Some(format!("https://{}", storage.host())));
    let client = client(vec![own, scene.trusting(&storage.host())]);
    let facts = client.facts(&image, &tag, FactKind::Image).await.unwrap();
    assert_eq!(facts.created.unwrap().to_string(), "2026-11-01T08:00:00Z");
    assert_eq!((other.requests().blobs, other.saw_login_for_blob()), (1, false));
    assert_eq!(storage.seen(), Seen { sessions: 1, with_certificate: 0 });
}

#[tokio::test]
async fn a_redirect_from_tls_to_plain_http_is_refused() {
    let scene = Scene::new();
    let front = scene.front(Clients::Anybody);
    let other = FakeRegistry::launch();
    scene.registry.faults(|faults| faults.blobs_at = Some(format!("http://{}", other.host())));
    let image = format!("{}/acme/web", front.host()).parse().unwrap();
    let asked =
        client(vec![scene.trusting(&front.host())]).facts(&image, &"1.0.0".parse().unwrap(), FactKind::Image).await;
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("redirects from HTTPS to something else"), "{error}");
    assert_eq!(other.requests().blobs, 0);
}

#[tokio::test]
async fn no_form_of_this_machine_s_address_is_followed_from_elsewhere() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for form in ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost."] {
        // A proxy stands for a registry elsewhere; this machine itself is reached without it.
        let location = format!("http://{form}:{port}/x");
        let proxy = Scripted::start(move |_| (307, vec![("Location", location.clone())], String::new()));
        let named = NamedProxy { variable: "HTTP_PROXY".to_owned(), value: format!("http://{}", proxy.host()).into() };
        let hosts = vec![
            HostSettings { insecure: true, ..HostSettings::of("registry.lan") },
            HostSettings { insecure: true, ..HostSettings::of(&format!("{form}:{port}")) },
        ];
        let proxies = Proxies::of(Some(named), None, None);
        let client = with_settings(Settings { hosts, proxies, limits: quick(), ..Settings::default() });
        let error = list(&client, &"registry.lan/acme/web".parse().unwrap()).await;
        assert!(error.contains("redirects to this very machine, which is not followed"), "{form}: {error}");
    }
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn redirects_in_a_circle_without_an_end_or_to_something_else_are_given_up() {
    let circle = Scripted::start(|asked| (302, vec![("Location", asked.target.clone())], String::new()));
    let endless = Scripted::start(|asked| (302, vec![("Location", format!("{}x", asked.target))], String::new()));
    let file = Scripted::start(|_| (302, vec![("Location", "file:///etc/passwd".to_owned())], String::new()));
    for (server, words, requests) in [
        (&circle, "redirects in a circle", 1),
        (&endless, "redirects without an end", 6),
        (&file, "redirects to something that is not HTTP", 1),
    ] {
        let error = listed(Vec::new(), &server.host()).await;
        assert!(error.contains(words), "{error}");
        assert_eq!(server.asked().len(), requests);
    }
}

#[tokio::test]
async fn files_are_read_again_when_they_have_changed() {
    let scene = Scene::new();
    let front = scene.front(Clients::Of(&scene.authority));
    let (host, folder) = (front.host(), scene.folder.path());
    let stranger = Authority::new("Somebody");
    stranger.write(&folder.join("ca.pem"));
    let client = client(vec![scene.showing(&host, &stranger)]);
    let image = format!("{host}/acme/web").parse().unwrap();
    let error = list(&client, &image).await;
    assert!(error.contains("certificate"), "{error}");
    scene.authority.write(&folder.join("ca.pem"));
    scene.authority.client("tagboat").write(folder, "client");
    assert_eq!(list(&client, &image).await, "1.0.0");
    std::fs::remove_file(folder.join("ca.pem")).unwrap();
    let error = list(&client, &image).await;
    assert!(error.contains("ca.pem"), "{error}");
    scene.authority.write(&folder.join("ca.pem"));
    assert_eq!(list(&client, &image).await, "1.0.0");
}

#[tokio::test]
async fn each_host_has_its_own_time_limits() {
    let (slow, other) = (FakeRegistry::launch(), FakeRegistry::launch());
    slow.list_tag("acme/web", "1.0.0");
    slow.faults(|faults| faults.list = BodyFault::NeverAnswers);
    let limits = |host: &str, silence: Duration| {
        let timeouts = Timeouts { silence, ..Timeouts::default() };
        let connection = Some(Connection { timeouts, ..Connection::default() });
        HostSettings { connection, image_time: Some(Duration::from_secs(3600)), ..HostSettings::of(host) }
    };
    let patient = limits(&other.host(), Duration::from_secs(3600));
    let hosts = vec![limits(&slow.host(), Duration::from_millis(50)), patient];
    let error = listed(hosts, &slow.host()).await;
    assert!(error.contains("said nothing for 0.05 s"), "{error}");
    let impatient =
        HostSettings { image_time: Some(Duration::from_millis(50)), ..limits(&slow.host(), Duration::from_secs(3600)) };
    let error = listed(vec![impatient], &slow.host()).await;
    assert!(error.contains("took too long"), "{error}");
}

#[tokio::test]
async fn literals_of_ip_version_6_are_hosts_like_others() {
    let scene = Scene::new();
    let signed = scene.authority.server(&["::1"]);
    let front = TlsFront::at("[::1]:0", &scene.registry.host(), &signed, Clients::Anybody);
    let host = front.host();
    assert!(host.starts_with("[::1]:"), "{host}");
    assert_eq!(listed(vec![scene.trusting(&host)], &host).await, "1.0.0");
}

/// Returns the versions that a ClientHello offers, from the extension `supported_versions` (RFC 8446, section 4.2.1).
fn offered(hello: &[u8]) -> Vec<u16> {
    let number = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
    // Record header, handshake header, version and random; then the session, the ciphers, and the compressions.
    let session = 5 + 4 + 2 + 32;
    let ciphers = session + 1 + usize::from(hello[session]);
    let compressions = ciphers + 2 + number(ciphers);
    let mut at = compressions + 1 + usize::from(hello[compressions]) + 2;
    while number(at) != 43 {
        at += 4 + number(at + 2);
    }
    let listed = &hello[at + 5..at + 4 + number(at + 2)];
    listed.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

#[tokio::test]
async fn no_version_of_tls_below_1_2_is_offered() {
    use tokio::io::AsyncReadExt as _;

    let scene = Scene::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let hello = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut header = [0; 5];
        client.read_exact(&mut header).await.unwrap();
        let mut rest = vec![0; usize::from(header[3]) << 8 | usize::from(header[4])];
        client.read_exact(&mut rest).await.unwrap();
        [header.to_vec(), rest].concat()
    });
    let error = listed(vec![scene.trusting(&host)], &host).await;
    assert!(error.starts_with("error: "), "{error}");
    let mut versions = offered(&hello.await.unwrap());
    versions.sort_unstable();
    assert_eq!(versions, [0x0303, 0x0304]);
}
