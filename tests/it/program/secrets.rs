//! Secrets: wherever it fails and however much it says, none of them shows.

use base64::Engine as _;

use crate::program::{Ran, World, commits, contents};
use crate::support::git_server::{GitServer, Rules};
use crate::support::registry::Auth;
use crate::support::repository::{executable, search_path};

const TOKEN: &str = "ghp-s3cr3t-t0ken";

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
        let ran = world.finish(world.command(&arguments).env("GITHUB_TOKEN", token));
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
