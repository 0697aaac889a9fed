use aws_lc_rs::hmac;
use axum::http::{HeaderName, HeaderValue};

use super::*;

const GITOPS: &str = "https://github.com/acme/gitops";

fn hooks(sources: &[&'static str], repositories: &[(&str, &str)]) -> Hooks {
    Hooks {
        sources: sources.iter().map(|source| (*source, SecretString::from("hush"))).collect(),
        repositories: repositories
            .iter()
            .map(|(url, secret)| ((*url).to_owned(), SecretString::from(*secret)))
            .collect(),
    }
}

fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
    let row =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    rows.iter().map(row).collect()
}

fn signature(secret: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a webhook; returns what it hastens unless it is refused.
fn send(
    hooks: &Hooks,
    source: &str,
    rows: &[(&'static str, &str)],
    path: Option<&str>,
    body: &str,
) -> Option<Hastened> {
    let sender = hooks.sender(source).expect("it is served");
    let claim = hooks.claim(sender, &headers(rows), path)?;
    hooks.hastened(sender, &claim, body.as_bytes())
}

fn images(names: &[&str]) -> BTreeSet<ImageName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn without_a_secret_nobody_is_served() {
    let none = hooks(&[], &[]);
    assert!(SENDERS.iter().all(|sender| none.sender(sender.name).is_none()));
    assert!(hooks(&["ghcr"], &[]).sender("github").is_none());
    assert!(hooks(&["ghcr"], &[]).sender("nobody").is_none());
    let own = hooks(&[], &[(GITOPS, "own")]);
    assert!(own.sender("gitea").is_some() && own.sender("dockerhub").is_none());
}

#[test]
fn a_signature_holds_for_its_body_and_its_secret_alone() {
    let hooks = hooks(&["github", "gitea", "ghcr", "generic"], &[]);
    let body = r#"{"repository": {"clone_url": "https://github.com/acme/gitops.git"}}"#;
    let hub = |secret: &str, body: &str| format!("sha256={}", signature(secret, body));
    for source in ["github", "gitea", "ghcr", "generic"] {
        let name = "x-hub-signature-256";
        assert!(send(&hooks, source, &[(name, &hub("hush", body))], None, body).is_some(), "{source}");
        for wrong in
            [hub("guess", body), hub("hush", "{}"), signature("hush", body), "sha256=".to_owned(), String::new()]
        {
            assert_eq!(send(&hooks, source, &[(name, &wrong)], None, body), None, "{source}: {wrong}");
        }
    }
    for name in ["x-gitea-signature", "x-forgejo-signature"] {
        assert!(send(&hooks, "gitea", &[(name, &signature("hush", body))], None, body).is_some(), "{name}");
    }
    assert_eq!(send(&hooks, "github", &[("x-gitea-signature", &signature("hush", body))], None, body), None);
}

#[test]
fn who_can_sign_is_not_let_in_by_a_path() {
    let hooks =
        hooks(&["github", "gitlab", "gitea", "ghcr", "dockerhub", "quay", "harbor", "distribution", "generic"], &[]);
    for source in ["github", "gitlab", "gitea", "ghcr"] {
        assert_eq!(send(&hooks, source, &[], Some("hush"), "{}"), None, "{source}");
    }
    for source in ["dockerhub", "quay", "harbor", "distribution", "generic"] {
        assert!(send(&hooks, source, &[], Some("hush"), "{}").is_some(), "{source}");
        for wrong in [None, Some(""), Some("hus"), Some("hush "), Some("HUSH")] {
            assert_eq!(send(&hooks, source, &[], wrong, "{}"), None, "{source}: {wrong:?}");
        }
    }
}

#[test]
fn headers_with_the_secret_itself_are_taken_where_senders_have_them() {
    let hooks = hooks(&["gitlab", "harbor", "distribution"], &[]);
    assert!(send(&hooks, "gitlab", &[("x-gitlab-token", "hush")], None, "{}").is_some());
    for source in ["harbor", "distribution"] {
        for value in ["hush", "Bearer hush"] {
            assert!(send(&hooks, source, &[("authorization", value)], None, "{}").is_some(), "{source}");
        }
        assert_eq!(send(&hooks, source, &[("authorization", "Bearer guess")], None, "{}"), None);
    }
}

#[test]
fn a_repository_s_own_secret_hastens_that_repository_alone() {
    let other = "https://github.com/acme/other";
    let hooks = hooks(&[], &[(GITOPS, "own"), (other, "theirs")]);
    let body = r#"{"repository": {"clone_url": "https://github.com/acme/gitops.git"},
        "project": {"web_url": "https://github.com/acme/other"}}"#;
    let signed = |secret: &str| format!("sha256={}", signature(secret, body));
    let hastened = send(&hooks, "github", &[("x-hub-signature-256", &signed("own"))], None, body).unwrap();
    assert!(hastened.concerns(GITOPS, None) && !hastened.concerns(other, None));
    let foreign = r#"{"repository": {"clone_url": "https://github.com/acme/third"}}"#;
    let signed = format!("sha256={}", signature("own", foreign));
    assert_eq!(send(&hooks, "github", &[("x-hub-signature-256", &signed)], None, foreign), None);
}

#[test]
fn payloads_of_registries_name_their_image() {
    let cases = [
        (
            "ghcr",
            r#"{"action": "published", "registry_package": {"name": "web", "namespace": "Acme", "package_type": "CONTAINER"}}"#,
            "ghcr.io/acme/web",
        ),
        (
            "dockerhub",
            r#"{"push_data": {"tag": "1.5.0"}, "repository": {"repo_name": "acme/web", "status": "Active"}}"#,
            "docker.io/acme/web",
        ),
        ("quay", r#"{"docker_url": "quay.io/acme/web", "updated_tags": ["1.5.0"]}"#, "quay.io/acme/web"),
        (
            "harbor",
            r#"{"type": "PUSH_ARTIFACT", "event_data": {"resources": [{"tag": "1.5.0"}], "repository": {"name": "web", "repo_full_name": "acme/web"}}}"#,
            "harbor.example/acme/web",
        ),
        (
            "distribution",
            r#"{"events": [{"action": "push", "target": {"repository": "acme/web", "tag": "1.5.0"}, "request": {"host": "10.0.0.1:5000"}}]}"#,
            "registry.example:5000/acme/web",
        ),
        ("generic", r#"{"image": "registry.example:5000/acme/web:1.5.0"}"#, "registry.example:5000/acme/web"),
        ("generic", r#"{"images": ["ghcr.io/acme/web@sha256:12"]}"#, "ghcr.io/acme/web"),
    ];
    let hooks = hooks(&["ghcr", "dockerhub", "quay", "harbor", "distribution", "generic"], &[]);
    for (source, body, image) in cases {
        let sender = hooks.sender(source).unwrap();
        let claim = Claim::Secret(b"hush".to_vec());
        let hastened = hooks.hastened(sender, &claim, body.as_bytes()).unwrap();
        assert!(hastened.concerns(GITOPS, Some(&images(&["ghcr.io/acme/api", image]))), "{source}");
        assert!(!hastened.concerns(GITOPS, Some(&images(&["ghcr.io/acme/api"]))), "{source}");
        assert!(hastened.concerns(GITOPS, None), "{source}: what it follows is not known yet");
    }
}

#[test]
fn payloads_of_forges_name_their_repository_however_it_is_spelt() {
    let github = r#"{"ref": "refs/heads/main", "repository": {"full_name": "acme/gitops",
        "clone_url": "https://github.com/Acme/gitops.git", "ssh_url": "git@github.com:acme/gitops.git"}}"#;
    let gitlab = r#"{"object_kind": "push", "project": {"git_http_url": "https://git.example:8443/acme/gitops.git",
        "git_ssh_url": "ssh://git@git.example:2222/acme/gitops.git"}}"#;
    for (source, body, host) in [("github", github, "github.com"), ("gitlab", gitlab, "git.example")] {
        let concerns = named::concerns(source, body.as_bytes());
        let is_about = |url: &str| concerns.iter().any(|concern| concern.is_about(&Place::of(url), None));
        for url in [
            format!("https://{host}/acme/gitops"),
            format!("https://{host}/acme/gitops.git/"),
            format!("ssh://git@{host}:22/acme/gitops.git"),
            format!("git@{host}:acme/gitops.git"),
        ] {
            assert!(is_about(&url), "{source} {url}");
        }
        for url in [format!("https://{host}/acme/gitops2"), "https://other.example/acme/gitops".to_owned()] {
            assert!(!is_about(&url), "{source} {url}");
        }
    }
}

#[test]
fn what_names_nothing_hastens_nobody() {
    let pull = r#"{"events": [{"action": "pull", "target": {"repository": "acme/web"}}]}"#;
    let hooks = hooks(&["distribution", "github", "generic", "dockerhub"], &[]);
    let deep = "[".repeat(100_000);
    for (source, body) in [
        ("distribution", pull),
        ("distribution", deep.as_str()),
        ("github", "{}"),
        ("github", "\u{0}"),
        ("dockerhub", r#"{"repository": {"repo_name": "../../etc"}}"#),
        ("generic", r#"{"image": "no image at all"}"#),
        ("generic", "nonsense"),
    ] {
        let claim = Claim::Secret(b"hush".to_vec());
        let hastened = hooks.hastened(hooks.sender(source).unwrap(), &claim, body.as_bytes()).unwrap();
        assert!(hastened.is_empty() && !hastened.concerns(GITOPS, None), "{source}");
    }
    for body in ["", " \n", "{}"] {
        assert_eq!(named::concerns("generic", body.as_bytes()), [Concern::Everything]);
    }
}
