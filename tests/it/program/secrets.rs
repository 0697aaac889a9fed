//! Secrets: wherever it fails and however much it says, none of them shows.

use base64::Engine as _;

use crate::program::{Ran, World, commits, contents};
use crate::support::cloud::{
    AWS_KEY, AWS_SECRET, CLIENT_SECRET, CONTAINER_TOKEN, CloudFault, ECR_PASSWORD, FEDERATED, FakeCloud, GOOGLE_TOKEN,
    IDENTITY_HEADER, SECRETS, SUBJECT, WEB_IDENTITY, private_key,
};
use crate::support::git_server::{GitServer, Rules};
use crate::support::registry::{ACR_REFRESH, Auth, ENTRA_TOKEN, Vendor};
use crate::support::repository::{executable, search_path};

const TOKEN: &str = "ghp-s3cr3t-t0ken";
const PASSWORD: &str = "r3gistry-passw0rd";

fn encoded(user: &str, secret: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}"))
}

#[track_caller]
fn hides(ran: &Ran, secrets: &[&str]) {
    for secret in secrets {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{secret}: {ran:?}");
    }
}

#[test]
fn a_token_for_git_shows_nowhere_however_the_run_ends() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["config", "http.receivepack", "true"]);
    let login = encoded("x-access-token", TOKEN);
    let guarded = Rules { authorization: Some(format!("Basic {login}")), ..Rules::default() };
    let server = GitServer::start(&world.scratch.path(""), guarded.clone());
    let url = server.url("manifests.git");
    let run = |token: &str, further: &[&str]| {
        let arguments = [&["run", "--repo", &url, "--branch", "main", "-vv"], further].concat();
        let ran = world.finish(world.command(&arguments).env("TAGBOAT_TOKEN", token));
        hides(&ran, &[token, &encoded("x-access-token", token)]);
        ran
    };
    let json = ["--log-format", "json"];
    run("wr0ng-t0ken", &json).ended(1);
    run("wr0ng-t0ken", &[]).ended(1);
    server.set(Rules { fault: Some(500), ..guarded.clone() });
    run(TOKEN, &json).ended(1);
    server.set(Rules { read_only: true, ..guarded.clone() });
    run(TOKEN, &json).ended(3);
    assert_eq!(commits(&remote), 1);
    server.set(guarded);
    let done = run(TOKEN, &json).ended(0);
    assert_eq!(commits(&remote), 2);
    assert!(!done.err.is_empty(), "-vv logs something");
    for line in done.err.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let needles = [TOKEN.to_owned(), login];
    for (path, bytes) in contents(&world.scratch.path("cache")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!needles.iter().any(|needle| text.contains(needle)), "{}", path.display());
    }
}

#[test]
fn a_registry_s_password_shows_nowhere_whether_it_is_right_or_wrong() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let host = world.registry.host();
    let service = format!(
        "version: 1\nregistries: [{{host: '{host}', auth: {{usernameEnv: REG_USER, passwordEnv: REG_PASSWORD}}}}]\n"
    );
    let service = world.beside("service.yaml", &service);
    for (auth, password, code) in [
        (Auth::Basic, "secret", 0),
        (Auth::Bearer, "secret", 0),
        (Auth::Basic, "hunter-two", 3),
        (Auth::Bearer, "hunter-two", 3),
    ] {
        world.registry.faults(|faults| faults.auth = auth);
        let arguments = ["plan", "--service", &service, "-vv", "--log-format", "json"];
        let ran = world.finish(world.command(&arguments).env("REG_USER", "acme").env("REG_PASSWORD", password));
        hides(&ran, &[&encoded("acme", password), "hunter-two"]);
        assert!(!ran.err.contains("\"secret\""), "{ran:?}");
        ran.ended(code);
    }
    let ran = world.tagboat(&["plan", "--service", &service]).ended(3);
    assert!(ran.out.contains("REG_USER is not set"), "{ran:?}");
    let kept = contents(&world.scratch.path("cache"));
    assert!(kept.iter().any(|(path, _)| path.ends_with("cache.db")), "{kept:?}");
    for (path, bytes) in kept {
        let text = String::from_utf8_lossy(&bytes);
        let secrets = [&encoded("acme", "secret"), "hunter-two", "token "];
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{}", path.display());
    }
}

#[test]
fn a_password_in_a_url_is_refused_without_being_repeated() {
    let world = World::new();
    let url = "https://ci:hunter2@git.invalid/acme/gitops.git";
    let ran = world.tagboat(&["run", "--repo", url, "--branch", "main", "-vv"]).ended(2);
    hides(&ran, &["hunter2"]);
    assert!(ran.err.contains("TAGBOAT_TOKEN"), "{ran:?}");
}

#[test]
fn a_password_in_the_url_of_a_checkout_is_neither_sent_nor_shown() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.repository("acme/web:1.4.0").git(&["config", "http.receivepack", "true"]);
    let rules = Rules { authorization: Some(format!("Basic {}", encoded("ci", "hunter2"))), ..Rules::default() };
    let server = GitServer::start(&world.scratch.path(""), rules);
    let work = world.scratch.work("work", &[("a.yaml", "a: 1\n")]);
    work.git(&["remote", "add", "origin", &server.url("manifests.git").replace("http://", "http://ci:hunter2@")]);
    let ran = world.tagboat(&["run", &work.folder.display().to_string(), "-vv"]).ended(1);
    assert!(ran.err.contains("refused access"), "{ran:?}");
    hides(&ran, &["hunter2", &encoded("ci", "hunter2")]);
    assert!(server.requests().iter().all(|line| !line.contains("hunter2")));
}

#[test]
fn a_token_may_come_from_a_file_beside_the_operator_s_configuration() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["config", "http.receivepack", "true"]);
    let rules =
        Rules { authorization: Some(format!("Basic {}", encoded("x-access-token", TOKEN))), ..Rules::default() };
    let server = GitServer::start(&world.scratch.path(""), rules);
    let url = server.url("manifests.git");
    let service = format!("version: 1\nrepositories: [{{url: '{url}', branch: main, auth: {{tokenFile: token}}}}]\n");
    let service = world.beside("service.yaml", &service);
    let run = || {
        let mut command = world.command(&["run", "--repo", &url, "--service", &service, "-vv"]);
        let ran = world.finish(command.env("TAGBOAT_TOKEN", "of-another-server"));
        hides(&ran, &[TOKEN, "of-another-server"]);
        ran
    };
    let missing = run().ended(2);
    assert!(missing.err.contains("cannot read the secret"), "{missing:?}");
    world.beside("token", &format!("{TOKEN}\n"));
    run().ended(0);
    assert_eq!(commits(&remote), 2, "its branch is the one in the file");
}

#[test]
fn a_credential_helper_is_asked_and_its_secret_shows_nowhere() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    world.registry.faults(|faults| faults.auth = Auth::Bearer);
    world.write("web.yaml", world.deployment("acme/web:1.4.0"));
    let (bin, docker) = (world.scratch.path("bin"), world.scratch.path("docker"));
    [&bin, &docker].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let config = format!(r#"{{"credHelpers": {{"{}": "acme"}}}}"#, world.registry.host());
    std::fs::write(docker.join("config.json"), config).unwrap();
    let mut folders = vec![bin.clone()];
    folders.extend(std::env::split_paths(&search_path()));
    let plan = |script: &str| {
        executable(&bin.join("docker-credential-acme"), script);
        let mut command = world.command(&["plan", "--output", "json", "-vv"]);
        let ran = world.finish(command.env("PATH", std::env::join_paths(&folders).unwrap()));
        hides(&ran, &["s3cret", &encoded("acme", "secret")]);
        ran
    };
    let good = plan(
        r#"#!/bin/sh
echo '{"Username": "acme", "Secret": "secret"}'
"#,
    );
    assert_eq!(good.ended(0).json()["changes"].as_array().unwrap().len(), 1);
    for bad in [
        r#"#!/bin/sh
echo '{"Username": "acme", "Secret": "s3cret"}'
"#,
        "#!/bin/sh\necho s3cret\n",
        "#!/bin/sh\necho s3cret >&2; exit 1\n",
    ] {
        let failed = plan(bad).ended(3).json();
        assert_eq!(failed["errors"].as_array().unwrap().len(), 1, "{failed}");
    }
}

/// A way to log in to the registry: what `service.yaml` says, the files beside it, and the variables.
struct Way {
    name: &'static str,
    auth: String,
    vendor: Vendor,
    mode: Auth,
    login: Option<(&'static str, &'static str)>,
    variables: Vec<(&'static str, String)>,
}

/// Writes the files of every way to log in, and returns the ways.
fn ways(world: &World, cloud: &FakeCloud) -> Vec<Way> {
    let host = world.registry.host();
    let config = |name: &str, entry: &str| world.beside(name, &format!(r#"{{"auths": {{"{host}": {entry}}}}}"#));
    let password = config("password.json", &format!(r#"{{"auth": "{}"}}"#, encoded("acme", PASSWORD)));
    let identity = config("identity.json", r#"{"identitytoken": "refresh"}"#);
    let bearer = config("bearer.json", &format!(r#"{{"registrytoken": "{TOKEN}"}}"#));
    world.beside("password", PASSWORD);
    world.beside("token", GOOGLE_TOKEN);
    world.beside("subject", SUBJECT);
    world.beside("client-secret", CLIENT_SECRET);
    let federated = world.beside("federated", FEDERATED);
    let web_identity = world.beside("web-identity", WEB_IDENTITY);
    let account = serde_json::json!({
        "type": "service_account", "client_email": "tagboat@acme.iam.gserviceaccount.com",
        "private_key": private_key(), "private_key_id": "key-1", "token_uri": cloud.url("/google/token"),
    });
    world.beside("account.json", &account.to_string());
    let workload = serde_json::json!({
        "type": "external_account", "audience": "//iam.example/providers/acme",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": cloud.url("/google/sts"),
        "service_account_impersonation_url": cloud.url("/google/impersonate:generateAccessToken"),
        "credential_source": {"file": "subject"},
    });
    world.beside("workload.json", &workload.to_string());
    let way = |name, auth: &str, vendor, login, further: &[(&'static str, &str)]| {
        let mode = if matches!(vendor, Vendor::EcrPrivate | Vendor::Nexus) { Auth::Basic } else { Auth::Bearer };
        Way { name, auth: auth.to_owned(), vendor, mode, login, variables: cloud.variables(further) }
    };
    let (ours, aws, google) =
        (Some(("acme", PASSWORD)), Some(("AWS", ECR_PASSWORD)), Some(("oauth2accesstoken", GOOGLE_TOKEN)));
    let keys = [("AWS_ACCESS_KEY_ID", AWS_KEY), ("AWS_SECRET_ACCESS_KEY", AWS_SECRET)];
    let role = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", web_identity.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/acme"),
    ];
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*cloud.url("/container/role")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN),
    ];
    let app = [("IDENTITY_ENDPOINT", &*cloud.url("/msi/token")), ("IDENTITY_HEADER", IDENTITY_HEADER)];
    let named = "azure: {tenant: acme-tenant, clientId: acme-client}";
    let region = "aws: {region: eu-central-1}";
    let (plain, basic, ecr) = (Vendor::Distribution, Vendor::Nexus, Vendor::EcrPrivate);
    let pair = [("REG_USER", "acme"), ("REG_PASSWORD", PASSWORD)];
    let file_of = |path: &str| format!("dockerConfig: '{path}'");
    vec![
        way("variables", "usernameEnv: REG_USER, passwordEnv: REG_PASSWORD", plain, ours, &pair),
        way("variables, basic", "usernameEnv: REG_USER, passwordEnv: REG_PASSWORD", basic, ours, &pair),
        way("password file", "basic: {username: acme, passwordFile: password}", basic, ours, &[]),
        way("password variable", "basic: {username: acme, passwordEnv: REG_PASSWORD}", plain, ours, &pair),
        way("token file", "tokenFile: token", plain, google, &[]),
        way("config.json", &file_of(&password), plain, ours, &[]),
        way("identity token", &file_of(&identity), plain, None, &[]),
        way("registry token", &file_of(&bearer), plain, None, &[]),
        way("aws keys", region, ecr, aws, &keys),
        way("aws web identity", region, ecr, aws, &role),
        way("aws container", region, ecr, aws, &container),
        way("aws instance", region, ecr, aws, &[]),
        way("google account", "gcp: {credentialsFile: account.json}", plain, google, &[]),
        way("google workload", "gcp: {credentialsFile: workload.json}", plain, google, &[]),
        way("google metadata", "gcp: {}", plain, google, &[]),
        way("azure secret", &named.replace('}', ", clientSecretFile: client-secret}"), Vendor::Acr, None, &[]),
        way("azure workload", named, Vendor::Acr, None, &[("AZURE_FEDERATED_TOKEN_FILE", &federated)]),
        way("azure metadata", named, Vendor::Acr, None, &[]),
        way("azure app", named, Vendor::Acr, None, &app),
    ]
}

/// How many ways there are; each runs in a world of its own, since what fails waits before it is tried again.
const WAYS: usize = 19;

#[test]
fn no_login_of_any_kind_shows_wherever_it_fails() {
    std::thread::scope(|scope| {
        for index in 0..WAYS {
            scope.spawn(move || {
                let world = World::with_web(&["1.4.0", "1.5.0"]);
                let cloud = FakeCloud::launch();
                world.write("web.yaml", world.deployment("acme/web:1.4.0"));
                let mut ways = ways(&world, &cloud);
                assert_eq!(ways.len(), WAYS);
                shows_nowhere(&world, &cloud, &ways.swap_remove(index));
            });
        }
    });
}

fn shows_nowhere(world: &World, cloud: &FakeCloud, way: &Way) {
    let key = private_key();
    let key = key.lines().nth(1).unwrap();
    let mut secrets: Vec<String> =
        SECRETS.iter().chain(&[PASSWORD, TOKEN, ENTRA_TOKEN, ACR_REFRESH, key]).map(ToString::to_string).collect();
    secrets.extend([
        encoded("acme", PASSWORD),
        encoded("AWS", ECR_PASSWORD),
        encoded("oauth2accesstoken", GOOGLE_TOKEN),
    ]);
    secrets.push("Signature=".to_owned());
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let host = world.registry.host();
    let service = format!("version: 1\nregistries: [{{host: '{host}', auth: {{{}}}}}]\n", way.auth);
    let service = world.beside("service.yaml", &service);
    let plan = |what: &str| {
        let arguments = ["plan", "--output", "json", "--service", &service, "-vv", "--log-format", "json"];
        let ran = world.finish(world.command(&arguments).envs(way.variables.iter().map(|(name, value)| (name, value))));
        hides(&ran, &secrets);
        for line in ran.err.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        assert!(ran.err.contains("\"path\":\"/v2/acme/web/tags/list\""), "{} {what}: -vv logs requests", way.name);
        ran
    };
    let set = |login, statuses: Vec<(u16, Option<String>)>| {
        world.registry.faults(|faults| {
            (faults.vendor, faults.auth, faults.login) = (way.vendor, way.mode, login);
            faults.statuses = statuses;
        });
    };
    set(way.login, Vec::new());
    let good = plan("works");
    if way.name == "registry token" {
        good.ended(3);
    } else {
        assert_eq!(good.ended(0).json()["changes"].as_array().unwrap().len(), 1, "{}", way.name);
    }
    let out = world.scratch.path("snapshot.json").display().to_string();
    let recorded = || {
        let mut snapshot = world.command(&["snapshot", "--out", &out, "--service", &service, "-vv"]);
        hides(&world.finish(snapshot.envs(way.variables.iter().map(|(name, value)| (name, value)))), &secrets);
        let text = std::fs::read_to_string(&out).unwrap();
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{}: {text}", way.name);
        text
    };
    assert!(way.name == "registry token" || recorded().contains("1.5.0"), "{}", way.name);
    let reason = |ran: Ran| ran.ended(3).json()["errors"][0]["reason"].as_str().unwrap().to_owned();
    if way.login.is_some() {
        set(Some(("acme", "rotated")), Vec::new());
        let reason = reason(plan("refused"));
        assert!(reason.contains("refuses the credentials from"), "{}: {reason}", way.name);
        assert!(recorded().contains("refuses the credentials from"), "a failure is recorded, too");
        let image = format!("{host}/acme/web");
        for arguments in [&["check", "--registries"][..], &["explain", &image][..]] {
            let further = ["--service", &service, "-vv", "--log-format", "json"];
            let variables = way.variables.iter().map(|(name, value)| (name, value));
            let ran = world.finish(world.command(&[arguments, &further].concat()).envs(variables));
            assert!(ran.out.contains("refuses"), "{}: {ran:?}", way.name);
            hides(&ran, &secrets);
        }
    }
    set(way.login, vec![(500, Some("0".to_owned())); 9]);
    reason(plan("broken"));
    set(way.login, Vec::new());
    if ["aws", "google", "azure"].iter().any(|name| way.name.starts_with(name)) {
        for fault in [CloudFault::Expired, CloudFault::Broken, CloudFault::Html] {
            cloud.fault(fault);
            let ran = plan("cloud");
            // Google's metadata server has nothing that could expire.
            if (fault, way.name) != (CloudFault::Expired, "google metadata") {
                reason(ran);
            }
        }
        cloud.fault(CloudFault::None);
    }
    for folder in ["cache", "home", "tree"] {
        let folder = world.scratch.path(folder);
        for (path, bytes) in if folder.exists() { contents(&folder) } else { Vec::new() } {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{}", path.display());
        }
    }
}
