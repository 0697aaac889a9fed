//! The whole program by way of proxies, private authorities, mirrors and vendors' own APIs.

use base64::Engine as _;

use crate::program::{Ran, World, deployment};
use crate::support::authority::Authority;
use crate::support::proxy::FakeProxy;
use crate::support::registry::FakeRegistry;
use crate::support::scripted::Scripted;
use crate::support::tls_front::{Clients, TlsFront};

const PASSWORD: &str = "pr0xy-s3cr3t";

/// A registry that is known as `registry.example` and reached by a proxy alone, over TLS.
struct Scene {
    world: World,
    authority: Authority,
    proxy: FakeProxy,
    _front: TlsFront,
}

impl Scene {
    fn new(login: Option<&str>) -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        world.write("web.yaml", deployment("registry.example/acme/web:1.4.0"));
        let authority = Authority::new("Acme");
        authority.write(&world.scratch.path("ca.pem"));
        let signed = authority.server(&["registry.example"]);
        let front = TlsFront::before(&world.registry.host(), &signed, Clients::Anybody);
        let proxy = FakeProxy::start(&[("registry.example:443", &front.host())], login);
        world.beside("service.yaml", "version: 1\nregistries: [{host: registry.example, caFile: ca.pem}]\n");
        Self { world, authority, proxy, _front: front }
    }

    fn plan(&self, variables: &[(&str, &str)]) -> Ran {
        let service = self.world.scratch.path("service.yaml").display().to_string();
        let arguments = ["plan", "--output", "json", "-vv", "--log-format", "json", "--service", &service];
        self.world.finish(self.world.command(&arguments).envs(variables.iter().copied()))
    }
}

#[track_caller]
fn moves_on(ran: &Ran) {
    assert_eq!(ran.json()["changes"][0]["with"], "1.5.0", "{ran:?}");
}

#[track_caller]
fn reason(ran: &Ran) -> String {
    ran.json()["errors"][0]["reason"].as_str().unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

#[test]
fn a_registry_is_reached_through_the_environment_s_proxy() {
    let scene = Scene::new(None);
    let ran = scene.plan(&[("HTTPS_PROXY", &scene.proxy.host())]).ended(0);
    moves_on(&ran);
    assert_eq!(scene.proxy.asked(), ["CONNECT registry.example:443"]);
    assert!(ran.err.contains("registry.example"), "{ran:?}");
}

#[test]
fn a_proxy_s_login_is_sent_to_it_and_shown_to_nobody() {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("acme:{PASSWORD}"));
    let scene = Scene::new(Some(&format!("Basic {encoded}")));
    let host = scene.proxy.host();
    let right = format!("http://acme:{PASSWORD}@{host}");
    let wrong = format!("http://acme:{PASSWORD}-not@{host}");
    let socks = format!("socks5://acme:{PASSWORD}@{host}");
    let absent = format!("http://acme:{PASSWORD}@127.0.0.1:1");
    for (proxy, code, words) in [
        (&right, 0, ""),
        (&wrong, 3, "(through the proxy "),
        (&socks, 3, "the proxy in the environment variable https_proxy cannot be used"),
        (&absent, 3, "no connection to registry.example (through the proxy 127.0.0.1:1)"),
    ] {
        let ran = scene.plan(&[("https_proxy", proxy), ("HTTPS_PROXY", "http://127.0.0.1:1")]).ended(code);
        assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD), "{ran:?}");
        assert!(!ran.out.contains(&encoded) && !ran.err.contains(&encoded), "{ran:?}");
        if code == 0 {
            moves_on(&ran);
        } else {
            assert!(reason(&ran).contains(words), "{ran:?}");
        }
    }
}

#[test]
fn loopback_goes_through_a_proxy_only_where_its_entry_says_so() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let host = world.registry.host();
    let proxy = FakeProxy::start(&[(&host, &host)], None);
    let plan = |service: &str| {
        let service = world.beside("service.yaml", &format!("version: 1\n{service}"));
        let arguments = ["plan", "--output", "json", "--service", &service];
        moves_on(&world.finish(world.command(&arguments).env("HTTP_PROXY", proxy.host())).ended(0));
        proxy.asked()
    };
    assert!(plan("").is_empty());
    assert!(plan(&format!("registries: [{{host: '{host}', proxy: none}}]\n")).is_empty());
    let asked = plan(&format!("registries: [{{host: '{host}', proxy: 'http://{}'}}]\n", proxy.host()));
    assert_eq!(asked, [format!("GET http://{host}/v2/acme/web/tags/list?n=1000")]);
}

#[test]
fn an_insecure_registry_goes_through_the_proxy_for_plain_http() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", deployment("registry.example:5000/acme/web:1.4.0"));
    let proxy = FakeProxy::start(&[("registry.example:5000", &world.registry.host())], None);
    let service =
        world.beside("service.yaml", "version: 1\nregistries: [{host: 'registry.example:5000', insecure: true}]\n");
    let arguments = ["plan", "--output", "json", "--service", &service];
    let mut command = world.command(&arguments);
    command.env("HTTP_PROXY", proxy.host()).env("HTTPS_PROXY", "http://127.0.0.1:1");
    moves_on(&world.finish(&mut command).ended(0));
    assert_eq!(proxy.asked(), ["GET http://registry.example:5000/v2/acme/web/tags/list?n=1000"]);
}

#[test]
fn a_machine_without_authorities_has_the_built_in_ones() {
    let scene = Scene::new(None);
    let proxy = ("HTTPS_PROXY", scene.proxy.host());
    let plan = |authorities: &str| scene.plan(&[(proxy.0, &proxy.1), ("SSL_CERT_FILE", authorities)]);
    // The private authority counts beside them.
    moves_on(&plan("/nowhere/ca.pem").ended(0));
    // Without it, TLS is set up all the same, and trusts nobody of the kind.
    scene.world.beside("service.yaml", "version: 1\n");
    let ran = plan("/nowhere/ca.pem").ended(3);
    assert!(
        reason(&ran).contains("no connection to registry.example") && reason(&ran).contains("certificate"),
        "{ran:?}"
    );
    // Where the machine has authorities, they are the ones that count.
    moves_on(&plan(&scene.world.scratch.path("ca.pem").display().to_string()).ended(0));
}

#[test]
fn files_of_the_service_file_are_relative_to_it() {
    let scene = Scene::new(None);
    let folder = scene.world.scratch.path("operator");
    std::fs::create_dir(&folder).unwrap();
    scene.authority.write(&folder.join("ca.pem"));
    scene.authority.client("tagboat").write(&folder, "client");
    let signed = scene.authority.server(&["127.0.0.1"]);
    let front = TlsFront::before(&scene.world.registry.host(), &signed, Clients::Of(&scene.authority));
    scene.world.write("web.yaml", deployment(&format!("{}/acme/web:1.4.0", front.host())));
    let entry = format!(
        "{{host: '{}', caFile: ca.pem, clientCertFile: client.pem, clientKeyFile: client-key.pem}}",
        front.host()
    );
    std::fs::write(folder.join("service.yaml"), format!("version: 1\nregistries: [{entry}]\n")).unwrap();
    let service = folder.join("service.yaml").display().to_string();
    moves_on(&scene.world.tagboat(&["plan", "--output", "json", "--service", &service]).ended(0));
    assert_eq!(front.seen().with_certificate, 1);
}

#[test]
fn a_mirrored_image_keeps_its_name_in_the_manifest() {
    let world = World::new();
    world.push("hub/library/nginx", "1.27.0");
    world.push("hub/library/nginx", "1.28.0");
    world.write("web.yaml", deployment("nginx:1.27.0"));
    let (host, dead) = (world.registry.host(), "127.0.0.1:1");
    let run = |mirror: &str, command: &str| {
        let service =
            world.beside("service.yaml", &format!("version: 1\nregistries: [{{host: docker.io, mirror: {mirror}}}]\n"));
        world.tagboat(&[command, "--output", "json", "--service", &service])
    };
    let ran = run(&format!("'{dead}/hub'"), "plan").ended(3);
    assert_eq!(ran.json()["errors"][0]["what"], "docker.io/library/nginx");
    assert!(reason(&ran).contains(&format!("no connection to {dead}")), "{ran:?}");
    run(&format!("'{host}/hub/'"), "update").ended(0);
    assert_eq!(world.read("web.yaml"), deployment("nginx:1.28.0"));
}

#[test]
fn the_upstream_is_asked_where_a_mirror_that_may_fail_does() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let mirror = FakeRegistry::launch();
    let entry =
        format!("{{host: '{}', mirror: {{at: '{}/hub', fallback: true}}}}", world.registry.host(), mirror.host());
    let service = world.beside("service.yaml", &format!("version: 1\nregistries: [{entry}]\n"));
    let ran = world.tagboat(&["plan", "--output", "json", "--service", &service]).ended(0);
    moves_on(&ran);
    assert!(ran.err.contains("the mirror does not help"), "{ran:?}");
    assert_eq!((mirror.requests().tags, world.registry.requests().tags), (1, 1));
}

#[test]
fn docker_hub_s_own_api_tells_ages_and_is_shown_no_login() {
    let world = World::new();
    ["1.27.0", "1.28.0", "1.29.0"].iter().for_each(|tag| world.push("library/nginx", tag));
    world.write("web.yaml", deployment("nginx:1.27.0"));
    world.write(".tagboat.yaml", "version: 1\nimages: [{match: '**', semver: minor, minAge: 24h}]\nenvironments: [{name: dev, files: ['**'], publish: commit}]\n");
    let hub = Scripted::start(|_| {
        let body = r#"{"next": null, "results": [
            {"name": "1.29.0", "tag_last_pushed": "2026-11-20T07:00:00Z"},
            {"name": "1.28.0", "tag_last_pushed": "2026-11-18T07:00:00Z"}]}"#;
        (200, Vec::new(), body.to_owned())
    });
    let authority = Authority::new("Acme");
    authority.write(&world.scratch.path("ca.pem"));
    let front = |behind: &str, name: &str| TlsFront::before(behind, &authority.server(&[name]), Clients::Anybody);
    let registry = front(&world.registry.host(), "registry-1.docker.io");
    let api = front(&hub.host(), "hub.docker.com");
    let places = [("registry-1.docker.io:443", registry.host()), ("hub.docker.com:443", api.host())];
    let places = places.each_ref().map(|(name, address)| (*name, address.as_str()));
    let proxy = FakeProxy::start(&places, None);
    let login = "auth: {usernameEnv: REG_USER, passwordEnv: REG_PASSWORD}";
    let entries =
        format!("[{{host: docker.io, caFile: ca.pem, {login}}}, {{host: hub.docker.com, caFile: ca.pem, {login}}}]");
    let service = world.beside("service.yaml", &format!("version: 1\nregistries: {entries}\n"));
    let arguments = ["plan", "--output", "json", "--at", "2026-11-20T08:00:00Z", "--service", &service];
    let mut command = world.command(&arguments);
    command.env("HTTPS_PROXY", proxy.host()).env("REG_USER", "acme").env("REG_PASSWORD", "secret");
    let ran = world.finish(&mut command).ended(0);
    assert_eq!(ran.json()["changes"][0]["with"], "1.28.0", "{ran:?}");
    let asked = hub.asked();
    assert_eq!(
        hub.targets(),
        ["/v2/namespaces/library/repositories/nginx/tags?page_size=100&page=1&ordering=last_updated"]
    );
    assert_eq!((asked[0].method.as_str(), asked[0].header("authorization")), ("GET", None));
}
