//! `check --registries`: each registry in use is asked once, and what it says is a finding.

use insta::assert_snapshot;

use crate::program::{World, config, deployment};
use crate::support::authority::Authority;
use crate::support::registry::{Auth, FakeRegistry};
use crate::support::scripted::Scripted;
use crate::support::tls_front::{Clients, TlsFront};

/// A world with a `.tagboat.yaml` that follows everything, and two references to the registry.
fn world() -> World {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.push("acme/api", "1.0.0");
    world.write(".tagboat.yaml", config("**").replace("**/**", "'**'"));
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    world.write("dev/api.yaml", world.deployment("acme/api:1.0.0"));
    world
}

fn service(world: &World, host: &str) -> String {
    let entry = format!("{{host: '{host}', auth: {{usernameEnv: REG_USER, passwordEnv: REG_PASSWORD}}}}");
    world.beside("service.yaml", &format!("version: 1\nregistries: [{entry}]\n"))
}

#[test]
fn a_registry_without_a_login_is_asked_once_however_many_images_it_has() {
    let world = world();
    let ran = world.tagboat(&["check", "--registries"]).ended(0);
    assert_snapshot!(ran.out, @"
    dev/api.yaml:9:43: note[registry]: 127.0.0.1:50000 asks for no credentials; it
      tells of no limit

    1 note
    ");
    let counts = world.registry.requests();
    assert_eq!((counts.heads, counts.tags, counts.manifests, counts.tokens), (1, 0, 0, 0));
    world.tagboat(&["check"]).ended(0);
    assert_eq!(world.registry.requests(), counts, "only with the option");
}

#[test]
fn credentials_that_work_are_told_with_where_they_come_from() {
    for auth in [Auth::Basic, Auth::Bearer] {
        let world = world();
        world.registry.faults(|faults| faults.auth = auth);
        let service = service(&world, &world.registry.host());
        let arguments = ["check", "--registries", "--output", "json", "--service", &service];
        let mut command = world.command(&arguments);
        let ran = world.finish(command.env("REG_USER", "acme").env("REG_PASSWORD", "secret")).ended(0);
        let found = ran.json();
        let note = &found["findings"][0];
        assert_eq!((&note["severity"], &note["rule"]), (&"note".into(), &"registry".into()));
        let message = note["message"].as_str().unwrap();
        let expected =
            "127.0.0.1:50000 accepts the credentials from the environment variables REG_USER and REG_PASSWORD";
        assert!(message.starts_with(expected), "{message}");
        assert!(!ran.out.contains("secret"), "{ran:?}");
        let counts = world.registry.requests();
        assert_eq!(
            (counts.heads, counts.tokens),
            (2, usize::from(auth == Auth::Bearer)),
            "asked, and asked with a login"
        );
    }
}

#[test]
fn credentials_that_are_refused_or_missing_are_errors_in_every_format() {
    let world = world();
    world.registry.faults(|faults| faults.auth = Auth::Bearer);
    let service = service(&world, &world.registry.host());
    let check = |output: &str, further: &[&str]| {
        let arguments = [&["check", "--registries", "--output", output], further].concat();
        let mut command = world.command(&arguments);
        world.finish(command.env("REG_USER", "acme").env("REG_PASSWORD", "hunter-two")).ended(2)
    };
    let ran = check("text", &["--service", &service]);
    assert_snapshot!(ran.out, @"
    dev/api.yaml:9:43: error[registry-credentials]: 127.0.0.1:50000 refuses the
      credentials from the environment variables REG_USER and REG_PASSWORD; they are
      wrong or have expired: set them anew
      hint: the first place that has a login for the host counts: its entry in
        service.yaml, docker's config.json, the variables of its cloud

    1 error
    ");
    let ran = check("github", &["--service", &service]);
    assert!(ran.out.starts_with("::error ") && ran.out.contains("file=dev/api.yaml,line=9"), "{ran:?}");
    let sarif = check("sarif", &["--service", &service]).json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "registry-credentials");
    let ran = check("json", &[]);
    let message = ran.json()["findings"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("shows it to nobody without credentials"), "{message}");
    for output in ["text", "json", "github", "sarif"] {
        let ran = check(output, &["--service", &service]);
        assert!(!ran.out.contains("hunter-two") && !ran.err.contains("hunter-two"), "{ran:?}");
    }
}

#[test]
fn a_registry_that_cannot_be_asked_is_an_error_and_the_others_go_on() {
    let world = world();
    world.write("dev/dead.yaml", deployment("127.0.0.1:1/acme/web:1.0.0"));
    let found = world.tagboat(&["check", "--registries", "--output", "json"]).ended(2).json();
    let rules: Vec<_> = found["findings"].as_array().unwrap().iter().map(|row| (&row["rule"], &row["file"])).collect();
    assert_eq!(
        rules,
        [(&"registry-unusable".into(), &"dev/dead.yaml".into()), (&"registry".into(), &"dev/api.yaml".into()),]
    );
    assert!(hint(&found).contains("check the name and the port"), "{found}");
}

/// The hint of the first finding.
fn hint(found: &serde_json::Value) -> &str {
    found["findings"][0]["hint"].as_str().unwrap_or_default()
}

#[test]
fn each_kind_of_trouble_has_its_own_advice() {
    let world = world();
    let (ours, theirs) = (Authority::new("Acme"), Authority::new("Other"));
    theirs.write(&world.scratch.path("ca.pem"));
    let front = TlsFront::before(&world.registry.host(), &ours.server(&["127.0.0.1"]), Clients::Anybody);
    let busy = Scripted::start(|_| (429, vec![("Retry-After", "3600".to_owned())], String::new()));
    let page = Scripted::start(|_| (302, vec![("Location", "ftp://127.0.0.1/".to_owned())], String::new()));
    let broken = Scripted::start(|_| (500, Vec::new(), String::new()));
    let forbidden = Scripted::start(|_| (403, Vec::new(), String::new()));
    for (host, rule, advice) in [
        (front.host(), "registry-unusable", "`caFile` of its entry in service.yaml"),
        (busy.host(), "registry-limit", "`requestsPerSecond` of its entry in service.yaml"),
        (page.host(), "registry-unusable", "until it answers as a registry"),
        (broken.host(), "registry-unusable", "check the name and the port"),
        (forbidden.host(), "registry-credentials", "the first place that has a login for the host counts"),
    ] {
        let certified = if host == front.host() { "caFile: ca.pem" } else { "concurrency: 8" };
        let entry = format!("version: 1\nregistries: [{{host: '{host}', {certified}}}]\n");
        let service = world.beside("service.yaml", &entry);
        world.write("dev/api.yaml", deployment(&format!("{host}/acme/api:1.0.0")));
        world.write("dev/web.yaml", deployment(&format!("{host}/acme/web:1.4.0")));
        let ran = world.tagboat(&["check", "--registries", "--output", "json", "--service", &service]).ended(2);
        let found = ran.json();
        assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
        assert_eq!(
            (found["findings"][0]["rule"].as_str(), hint(&found).contains(advice)),
            (Some(rule), true),
            "{found}"
        );
        assert!(found["findings"][0]["message"].as_str().unwrap().contains(&host), "{found}");
    }
    assert_eq!((busy.asked().len(), page.asked().len(), forbidden.asked().len()), (1, 1, 1), "asked once");
}

#[test]
fn limits_are_told_as_the_registry_reports_them() {
    let world = world();
    let hub = Scripted::start(|asked| {
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("HEAD", "/v2/acme/web/manifests/1.0.0"));
        let limit = ("RateLimit-Limit", "100;w=21600".to_owned());
        let kind = ("Content-Type", "application/vnd.oci.image.manifest.v1+json".to_owned());
        (200, vec![limit, kind, ("RateLimit-Remaining", "76;w=21600".to_owned())], String::new())
    });
    world.write("dev/api.yaml", deployment(&format!("{}/acme/web:1.0.0", hub.host())));
    let found = world.tagboat(&["check", "--registries", "--output", "json"]).ended(0).json();
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("asks for no credentials; its limit: 100 in 6h, 76 left"), "{message}");
    assert_eq!(hub.asked().len(), 1);
}

#[test]
fn an_image_that_is_unknown_and_a_mirror_are_told() {
    let world = world();
    let mirror = FakeRegistry::launch();
    let entry = format!("{{host: '{}', mirror: '{}/hub'}}", world.registry.host(), mirror.host());
    let service = world.beside("service.yaml", &format!("version: 1\nregistries: [{entry}]\n"));
    let found = world.tagboat(&["check", "--registries", "--output", "json", "--service", &service]).ended(0).json();
    let message = found["findings"][0]["message"].as_str().unwrap();
    let expected = format!(
        "{} (the mirror of 127.0.0.1:50000) asks for no credentials; it does not know acme/api:1.0.0; it tells of no limit",
        mirror.host()
    );
    assert_eq!(message, expected);
    assert!(hint(&found).contains("check the name"), "{found}");
    assert_eq!(world.registry.requests().heads, 0);
}

#[test]
fn recorded_answers_and_questions_to_registries_exclude_each_other() {
    let world = world();
    let ran = world.tagboat(&["check", "--registries", "--snapshot", "tags.json"]).ended(2);
    assert!(ran.err.contains("--snapshot"), "{ran:?}");
}
