use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::*;
use crate::clock::FixedClock;
use crate::registry::settings::{CloudVariables, HostSettings, Settings};

/// Held by tests that run programs: one that is being written while another test forks cannot be run.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

fn helper_program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(format!("docker-credential-{name}"));
    // Written and closed by another name first: a file that is open for writing cannot be run.
    let draft = folder.join("draft");
    let mut open = std::fs::File::create(&draft).unwrap();
    write!(open, "#!/bin/sh\n{script}\n").unwrap();
    open.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(open);
    std::fs::rename(draft, file).unwrap();
}

fn credentials(settings: &Settings) -> Credentials {
    let clock = FixedClock("2026-11-20T08:00:00Z".parse().unwrap());
    let http = HttpClient::new(settings.limits.timeouts, Arc::new(move || clock.0));
    Credentials::new(settings, Arc::new(http), Arc::new(clock))
}

fn from_config(folder: &Path, json: &str) -> Credentials {
    let path = std::env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    credentials(&Settings {
        docker_config: Some(write(folder, "config.json", json)),
        helpers: HelperSettings { path: Some(path), environment: Vec::new(), time: Duration::from_secs(10) },
        ..Settings::default()
    })
}

fn shown(found: &Found) -> String {
    match found {
        Ok(None) => "none".to_owned(),
        Ok(Some(credential)) => match &credential.secret {
            Secret::Password { user, password } => format!("{user}:{}", password.expose_secret()),
            Secret::Identity(token) => format!("identity {}", token.expose_secret()),
            Secret::Bearer(token) => format!("bearer {}", token.expose_secret()),
        },
        Err(error) => format!("error: {error}"),
    }
}

#[tokio::test]
async fn reads_every_form_of_auths() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = from_config(
        folder.path(),
        r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOnNlYTpj"},
            "ghcr.io": {"auth": "YWNtZTpzZWNyZXQ="},
            "https://registry.example/v2/": {"username": "u", "password": "p"},
            "azure.example": {"auth": "MDA6", "identitytoken": "refresh"},
            "bearer.example": {"registrytoken": "ready"},
            "empty.example": {},
            "broken.example": {"auth": "%%%"},
            "http://plain.example:5000/": {"auth": "cGxhaW46cGxhaW4="},
            "https://old.example/v1/": {"auth": "b2xkOm9sZA=="},
            "quay.io/acme": {"auth": "cGF0aDpwYXRo"},
            "https://quay.io/v2/": {"auth": "cm9vdDpyb290"},
            "UPPER.example": {"auth": "dXA6dXA="}},
          "HttpHeaders": {"X": "y"}}"#,
    );
    for (host, expected) in [
        ("docker.io", "hub:sea:c"),
        ("ghcr.io", "acme:secret"),
        ("registry.example", "u:p"),
        ("azure.example", "identity refresh"),
        ("bearer.example", "bearer ready"),
        ("empty.example", "none"),
        ("plain.example:5000", "plain:plain"),
        ("old.example", "old:old"),
        ("quay.io", "root:root"),
        ("upper.example", "up:up"),
        ("other.example", "none"),
    ] {
        assert_eq!(shown(&credentials.find(host, "base/web").await), expected, "{host}");
    }
    let error = shown(&credentials.find("broken.example", "base/web").await);
    assert!(error.contains("the entry of broken.example has an `auth` that is not Base64"), "{error}");
}

#[tokio::test]
async fn what_is_null_or_empty_holds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (json, expected) in [
        ("", "none"),
        (" \n", "none"),
        ("{\"auths\": null}", "none"),
        ("{\"auths\": {\"ghcr.io\": null}}", "none"),
        (r#"{"credHelpers": null, "auths": {"ghcr.io": {"auth": "YWNtZTpzZWNyZXQ="}}}"#, "acme:secret"),
        (r#"{"credHelpers": {"ghcr.io": null}, "auths": {"ghcr.io": {"auth": "YWNtZTpzZWNyZXQ="}}}"#, "acme:secret"),
        (r#"{"credsStore": null, "auths": {"a.example": null}}"#, "none"),
    ] {
        assert_eq!(shown(&from_config(folder.path(), json).find("ghcr.io", "acme/web").await), expected, "{json}");
    }
}

#[tokio::test]
async fn the_longest_path_that_holds_a_repository_wins() {
    let folder = tempfile::tempdir().unwrap();
    let login = |user: &str| STANDARD.encode(format!("{user}:pw"));
    let (a, b, deep, host, hub, url) =
        (login("a"), login("b"), login("deep"), login("host"), login("hub"), login("url"));
    let json = format!(
        r#"{{"auths": {{"h.example/a": {{"auth": "{a}"}}, "h.example/b": {{"auth": "{b}"}},
            "h.example/a/deep": {{"auth": "{deep}"}}, "g.example/a": {{"auth": "{a}"}}, "g.example": {{"auth": "{host}"}},
            "docker.io/acme": {{"auth": "{a}"}}, "https://index.docker.io/v1/": {{"auth": "{hub}"}},
            "https://old.example/some/path": {{"auth": "{url}"}}}}}}"#
    );
    let credentials = from_config(folder.path(), &json);
    for (host, repository, expected) in [
        ("h.example", "a/web", "a:pw"),
        ("h.example", "b/web", "b:pw"),
        ("h.example", "a/deep/web", "deep:pw"),
        ("h.example", "a/deeper", "a:pw"),
        ("h.example", "ab/web", "none"),
        ("g.example", "a/web", "a:pw"),
        ("g.example", "ab/web", "host:pw"),
        ("docker.io", "acme/web", "a:pw"),
        ("docker.io", "library/redis", "hub:pw"),
        ("old.example", "acme/web", "url:pw"),
    ] {
        assert_eq!(shown(&credentials.find(host, repository).await), expected, "{host}/{repository}");
    }
}

#[tokio::test]
async fn a_missing_file_holds_nothing_unless_somebody_named_it() {
    let absent = PathBuf::from("/nowhere/config.json");
    let quiet = credentials(&Settings { docker_config: Some(absent.clone()), ..Settings::default() });
    assert_eq!(shown(&quiet.find("ghcr.io", "base/web").await), "none");
    let named = credentials(&Settings {
        hosts: vec![HostSettings {
            credential: Some(CredentialSetting::DockerConfig(absent)),
            ..HostSettings::of("ghcr.io")
        }],
        ..Settings::default()
    });
    assert!(shown(&named.find("ghcr.io", "base/web").await).contains("/nowhere/config.json cannot be read"));
}

#[tokio::test]
async fn a_faulty_file_is_named_with_the_place_and_without_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = from_config(folder.path(), "{\"auths\": {\"ghcr.io\": {\"auth\": [\"hunter2\"]}}}");
    let error = shown(&credentials.find("ghcr.io", "base/web").await);
    assert!(error.contains("config.json is not as docker writes it: see line 1"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn asks_a_helper_once_for_each_host_with_a_bare_environment() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    helper_program(
        folder.path(),
        "acme",
        &format!(
            "read host; echo \"$1 $host $(env | grep -c CARGO)\" >> {}\nprintf '{{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"s\"}}'",
            log.display()
        ),
    );
    let credentials = from_config(folder.path(), r#"{"credHelpers": {"ghcr.io": "acme"}, "credsStore": "acme"}"#);
    let (one, other) = tokio::join!(credentials.find("ghcr.io", "base/web"), credentials.find("ghcr.io", "base/web"));
    assert_eq!((shown(&one).as_str(), shown(&other).as_str()), ("u:s", "u:s"));
    assert_eq!(one.unwrap().unwrap().origin, "docker-credential-acme");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "get ghcr.io 0\n");
    assert_eq!(shown(&credentials.find("docker.io", "base/web").await), "u:s");
    assert!(std::fs::read_to_string(&log).unwrap().ends_with("get https://index.docker.io/v1/ 0\n"));
}

#[tokio::test]
async fn a_helper_that_holds_nothing_leaves_the_word_to_auths() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let json = r#"{"credsStore": "empty", "auths": {"ghcr.io": {"auth": "YWNtZTpzZWNyZXQ="}}}"#;
    for script in [
        "echo 'credentials not found in native keychain'; exit 1",
        r#"echo '{"ServerURL": "", "Username": "", "Secret": ""}'"#,
    ] {
        helper_program(folder.path(), "empty", script);
        assert_eq!(shown(&from_config(folder.path(), json).find("ghcr.io", "base/web").await), "acme:secret");
    }
}

#[tokio::test]
async fn a_helper_that_fails_is_named_without_what_it_printed() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    helper_program(folder.path(), "bad", "echo hunter2; exit 3");
    helper_program(folder.path(), "odd", "echo hunter2");
    helper_program(folder.path(), "long", "yes hunter2");
    for (name, words) in [
        ("bad", "docker-credential-bad failed for ghcr.io"),
        ("odd", "docker-credential-odd did not answer with the JSON of a credential"),
        ("long", "docker-credential-long printed more than"),
        ("absent", "docker-credential-absent is not on the PATH"),
        ("../bad", "is not on the PATH"),
    ] {
        let credentials = from_config(folder.path(), &format!("{{\"credsStore\": \"{name}\"}}"));
        let error = shown(&credentials.find("ghcr.io", "base/web").await);
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_helper_that_hangs_is_stopped() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    helper_program(folder.path(), "slow", "exec sleep 600");
    let mut credentials = from_config(folder.path(), r#"{"credsStore": "slow"}"#);
    credentials.helpers.time = Duration::from_millis(50);
    let error = shown(&credentials.find("ghcr.io", "base/web").await);
    assert!(error.contains("docker-credential-slow gave no answer for ghcr.io within 0.05 s"), "{error}");
}

#[tokio::test]
async fn a_token_file_holds_one_token_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let found = token_file(&write(folder.path(), "token", "abc\n"));
    assert_eq!(shown(&found.map(Some)), "oauth2accesstoken:abc");
    assert!(token_file(&write(folder.path(), "two", "a\nb\n")).is_err());
    assert!(token_file(&write(folder.path(), "none", "\n")).is_err());
}

#[tokio::test]
async fn every_key_that_docker_ever_wrote_for_its_hub_counts() {
    let folder = tempfile::tempdir().unwrap();
    for key in [
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1",
        "index.docker.io",
        "docker.io",
        "registry-1.docker.io",
        "https://registry-1.docker.io/v2/",
        "https://registry.hub.docker.com",
    ] {
        let json = format!(r#"{{"auths": {{"{key}": {{"auth": "aHViOnNlYQ=="}}}}}}"#);
        assert_eq!(shown(&from_config(folder.path(), &json).find("docker.io", "base/web").await), "hub:sea", "{key}");
    }
}

#[tokio::test]
async fn a_file_that_changes_counts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let host = |name: &str, credential| HostSettings { credential: Some(credential), ..HostSettings::of(name) };
    let file = |name: &str| folder.path().join(name);
    let credentials = credentials(&Settings {
        hosts: vec![
            host("a.example", CredentialSetting::TokenFile(file("token"))),
            host("b.example", CredentialSetting::PasswordFile { user: "u".to_owned(), file: file("password") }),
            host("c.example", CredentialSetting::DockerConfig(file("config.json"))),
        ],
        ..Settings::default()
    });
    for secret in ["one", "two"] {
        write(folder.path(), "token", secret);
        write(folder.path(), "password", &format!("{secret}\n"));
        let json = format!(r#"{{"auths": {{"c.example": {{"username": "u", "password": "{secret}"}}}}}}"#);
        write(folder.path(), "config.json", &json);
        assert_eq!(shown(&credentials.find("a.example", "base/web").await), format!("oauth2accesstoken:{secret}"));
        assert_eq!(shown(&credentials.find("b.example", "base/web").await), format!("u:{secret}"));
        assert_eq!(shown(&credentials.find("c.example", "base/web").await), format!("u:{secret}"));
    }
    std::fs::remove_file(file("token")).unwrap();
    assert!(shown(&credentials.find("a.example", "base/web").await).contains("token cannot be read"));
}

#[tokio::test]
async fn a_host_that_keeps_to_docker_s_file_is_no_matter_of_clouds() {
    let named = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    // Were the cloud asked, the keys would be refused an address in plain HTTP.
    let cloud = CloudVariables::of(|name| match name {
        "AWS_ENDPOINT_URL" => Some("http://192.0.2.1/".into()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".into()),
        _ => None,
    });
    let host = |credential| HostSettings { credential, ..HostSettings::of(named) };
    let with = |credential| Settings { hosts: vec![host(credential)], cloud: cloud.clone(), ..Settings::default() };
    let keeps = credentials(&with(Some(CredentialSetting::OwnDockerConfig)));
    assert_eq!(shown(&keeps.find(named, "base/web").await), "none");
    let unbidden = shown(&credentials(&with(None)).find(named, "base/web").await);
    assert!(unbidden.contains("192.0.2.1 would be spoken to in plain HTTP"), "{unbidden}");
}

#[tokio::test]
async fn clouds_are_asked_unbidden_only_where_variables_say_who_this_is() {
    let names = |set: &'static [&'static str]| CloudVariables::of(|name| set.contains(&name).then(|| "x".into()));
    for (set, host, expected) in [
        (&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"][..], "123456789012.dkr.ecr.eu-west-1.amazonaws.com", true),
        (&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "ghcr.io", false),
        (&["AWS_ACCESS_KEY_ID"], "123456789012.dkr.ecr.eu-west-1.amazonaws.com", false),
        (&["AWS_CONTAINER_CREDENTIALS_FULL_URI"], "123456789012.dkr.ecr.eu-west-1.amazonaws.com", true),
        (&["AWS_CONTAINER_CREDENTIALS_FULL_URI"], "public.ecr.aws", false),
        (&[], "123456789012.dkr.ecr.eu-west-1.amazonaws.com", false),
        (&["GOOGLE_APPLICATION_CREDENTIALS"], "europe-docker.pkg.dev", true),
        (&["GOOGLE_APPLICATION_CREDENTIALS"], "acme.azurecr.io", false),
        (&["GCE_METADATA_HOST"], "europe-docker.pkg.dev", false),
        (&["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"], "acme.azurecr.io", true),
        (&["IDENTITY_ENDPOINT", "IDENTITY_HEADER"], "acme.azurecr.io", true),
        (&["AZURE_CLIENT_ID"], "acme.azurecr.io", false),
    ] {
        let credentials = credentials(&Settings { cloud: names(set), ..Settings::default() });
        assert_eq!(credentials.clouds.ambient(host).is_some(), expected, "{set:?} {host}");
    }
}
