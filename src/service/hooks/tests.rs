use aws_lc_rs::hmac;
use axum::http::{HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;

use super::*;
use crate::service::hooks::proof::Claim;

const GITOPS: &str = "https://github.com/acme/gitops";

fn hooks(sources: &[&'static str], repositories: &[(&str, &str)]) -> Hooks {
    Hooks {
        sources: sources.iter().map(|source| (*source, SecretString::from("hush"))).collect(),
        repositories: repositories
            .iter()
            .map(|(url, secret)| ((*url).to_owned(), SecretString::from(*secret)))
            .collect(),
        google: None,
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
    let claims = hooks.claims(sender, &headers(rows), path).now_or_never().expect("nobody is asked")?;
    hooks.hastened(sender, &claims, body.as_bytes())
}

/// What a request shows that holds for every body.
fn secret() -> Claims {
    Claims(vec![Claim::Secret(b"hush".to_vec())])
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

/// Those that can sign, or send a header of their own.
const SIGNING: [&str; 6] = ["github", "gitlab", "gitea", "ghcr", "nexus", "jfrog"];

/// Those for which the secret may stand in the path.
const BY_PATH: [&str; 8] = ["dockerhub", "quay", "harbor", "distribution", "gitlab-registry", "acr", "ecr", "generic"];

#[test]
fn who_can_sign_is_not_let_in_by_a_path() {
    let hooks = hooks(&[&SIGNING[..], &BY_PATH[..]].concat(), &[]);
    for source in SIGNING {
        assert_eq!(send(&hooks, source, &[], Some("hush"), "{}"), None, "{source}");
    }
    for source in BY_PATH {
        assert!(send(&hooks, source, &[], Some("hush"), "{}").is_some(), "{source}");
        for wrong in [None, Some(""), Some("hus"), Some("hush "), Some("HUSH")] {
            assert_eq!(send(&hooks, source, &[], wrong, "{}"), None, "{source}: {wrong:?}");
        }
    }
    assert_eq!(SIGNING.len() + BY_PATH.len() + 1, SENDERS.len(), "and `gar`, which has no secret at all");
}

#[test]
fn headers_with_the_secret_itself_are_taken_where_senders_have_them() {
    let by_header = ["harbor", "distribution", "gitlab-registry", "acr", "ecr", "generic"];
    let hooks = hooks(&[&by_header[..], &["gitlab", "jfrog"]].concat(), &[]);
    assert!(send(&hooks, "gitlab", &[("x-gitlab-token", "hush")], None, "{}").is_some());
    assert!(send(&hooks, "ecr", &[("x-api-key", "hush")], None, "{}").is_some());
    assert!(send(&hooks, "jfrog", &[("x-jfrog-event-auth", "hush")], None, "{}").is_some());
    assert_eq!(send(&hooks, "jfrog", &[("x-jfrog-event-auth", "guess")], None, "{}"), None);
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for source in by_header {
        for value in ["hush", "Bearer hush", &basic("tagboat:hush"), &basic(":hush")] {
            assert!(send(&hooks, source, &[("authorization", value)], None, "{}").is_some(), "{source}");
        }
        for value in ["Bearer guess", "Bearer ", "", "Basic", "Basic hush", &basic("hush"), &basic("hush:guess")] {
            assert_eq!(send(&hooks, source, &[("authorization", value)], None, "{}"), None, "{source}: {value}");
        }
    }
}

#[test]
fn gitlab_s_own_signature_covers_its_id_and_its_time() {
    let body = include_str!("../../../tests/data/hooks/gitlab-push.json");
    let sign = |key: &[u8], id: &str, time: &str, body: &str| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{id}.{time}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    };
    let (id, time) = ("7e0a", "1795000000");
    let rows = |signature: &str| {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let rows =
            [("webhook-id", value(id)), ("webhook-timestamp", value(time)), ("webhook-signature", value(signature))];
        rows.into_iter().map(|(name, value)| (HeaderName::from_static(name), value)).collect::<HeaderMap>()
    };
    let coded = format!("whsec_{}", STANDARD.encode(b"a key of some bytes"));
    for (secret, key) in [("hush", &b"hush"[..]), (&coded, b"a key of some bytes")] {
        let mut hooks = hooks(&[], &[]);
        hooks.sources.insert("gitlab", secret.into());
        let sender = hooks.sender("gitlab").unwrap();
        let is_taken = |signature: &str| {
            let claims = hooks.claims(sender, &rows(signature), None).now_or_never().unwrap();
            claims.is_some_and(|claims| hooks.hastened(sender, &claims, body.as_bytes()).is_some())
        };
        let right = sign(key, id, time, body);
        assert!(is_taken(&right) && is_taken(&format!("v1,AAAA {right}")));
        let wrong = [sign(b"guess", id, time, body), sign(key, "7e0b", time, body), sign(key, id, "1795000001", body)];
        for wrong in wrong.iter().chain([&sign(key, id, time, "{}"), &String::new(), &"v1,".to_owned()]) {
            assert!(!is_taken(wrong), "{wrong}");
        }
    }
}

#[test]
fn nexus_signs_what_it_sends_or_the_same_without_space() {
    let hooks = hooks(&["nexus"], &[]);
    let sha1 = |secret: &str, body: &str| -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        hmac::sign(&key, body.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let (spaced, dense) = (r#"{ "a b" : "c \" d", "e": [ 1 ] }"#, r#"{"a b":"c \" d","e":[1]}"#);
    let name = "x-nexus-webhook-signature";
    for signed in [spaced, dense] {
        assert!(send(&hooks, "nexus", &[(name, &sha1("hush", signed))], None, spaced).is_some(), "{signed}");
    }
    for wrong in
        [sha1("guess", spaced), sha1("hush", r#"{"ab":"c\"d","e":[1]}"#), signature("hush", spaced), String::new()]
    {
        assert_eq!(send(&hooks, "nexus", &[(name, &wrong)], None, spaced), None, "{wrong}");
    }
}

#[test]
fn artifactory_signs_with_its_secret_where_it_was_told_to() {
    let hooks = hooks(&["jfrog"], &[]);
    let body = include_str!("../../../tests/data/hooks/jfrog.json");
    let name = "x-jfrog-event-auth";
    for right in [signature("hush", body), format!("sha256={}", signature("hush", body))] {
        assert!(send(&hooks, "jfrog", &[(name, &right)], None, body).is_some(), "{right}");
        assert_eq!(send(&hooks, "jfrog", &[(name, &right)], None, "{}"), None);
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

/// Payloads as their senders document them, with what they name.
const OF_REGISTRIES: [(&str, &str, &str); 16] = [
    ("dockerhub", include_str!("../../../tests/data/hooks/dockerhub.json"), "docker.io/acme/web"),
    ("ghcr", include_str!("../../../tests/data/hooks/ghcr-package.json"), "ghcr.io/acme/web"),
    ("ghcr", include_str!("../../../tests/data/hooks/ghcr-registry-package.json"), "ghcr.io/acme/web"),
    ("quay", include_str!("../../../tests/data/hooks/quay.json"), "quay.io/acme/web"),
    ("harbor", include_str!("../../../tests/data/hooks/harbor.json"), "harbor.example/acme/web"),
    ("harbor", include_str!("../../../tests/data/hooks/harbor-cloudevents.json"), "harbor.example/acme/web"),
    ("distribution", include_str!("../../../tests/data/hooks/distribution.json"), "registry.example:5000/acme/web"),
    (
        "gitlab-registry",
        include_str!("../../../tests/data/hooks/gitlab-registry.json"),
        "registry.git.example/acme/shop/web",
    ),
    ("nexus", include_str!("../../../tests/data/hooks/nexus-component.json"), "nexus.example:8082/acme/web"),
    ("nexus", include_str!("../../../tests/data/hooks/nexus-asset.json"), "nexus.example:8082/acme/web"),
    ("jfrog", include_str!("../../../tests/data/hooks/jfrog.json"), "acme.jfrog.example/docker-local/acme/web"),
    ("jfrog", include_str!("../../../tests/data/hooks/jfrog.json"), "docker-local.jfrog.example/acme/web"),
    ("acr", include_str!("../../../tests/data/hooks/acr.json"), "acme.azurecr.io/web"),
    (
        "ecr",
        include_str!("../../../tests/data/hooks/ecr.json"),
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/acme/web",
    ),
    ("gar", include_str!("../../../tests/data/hooks/gar.json"), "europe-docker.pkg.dev/acme/shop/web"),
    ("generic", include_str!("../../../tests/data/hooks/generic-image.json"), "registry.example:5000/acme/web"),
];

#[test]
fn payloads_of_registries_name_their_image() {
    let digest = ("generic", r#"{"images": ["ghcr.io/acme/web@sha256:12"]}"#, "ghcr.io/acme/web");
    for (source, body, image) in OF_REGISTRIES.into_iter().chain([digest]) {
        let hastened = Hastened { concerns: named::concerns(source, body.as_bytes()), only: None };
        assert!(hastened.concerns(GITOPS, Some(&images(&["ghcr.io/acme/api", image]))), "{source}");
        assert!(!hastened.concerns(GITOPS, Some(&images(&["ghcr.io/acme/api"]))), "{source}");
        assert!(hastened.concerns(GITOPS, None), "{source}: what it follows is not known yet");
    }
    let known: BTreeSet<&str> = OF_REGISTRIES.iter().map(|(source, ..)| *source).collect();
    assert!(SENDERS.iter().all(|sender| sender.is_forge || known.contains(sender.name)));
}

#[test]
fn what_was_deleted_or_is_no_image_hastens_nobody() {
    let bodies = [
        ("harbor", r#"{"type": "PULL_ARTIFACT", "event_data": {"repository": {"repo_full_name": "acme/web"}}}"#),
        ("harbor", r#"{"type": "DELETE_ARTIFACT", "event_data": {"repository": {"repo_full_name": "acme/web"}}}"#),
        ("harbor", r#"{"type": "SCANNING_COMPLETED", "event_data": {"repository": {"repo_full_name": "acme/web"}}}"#),
        ("harbor", r#"{"type": "QUOTA_EXCEED", "event_data": {"repository": {"repo_full_name": "acme/web"}}}"#),
        ("harbor", r#"{"type": "harbor.artifact.pulled", "data": {"repository": {"repo_full_name": "acme/web"}}}"#),
        ("nexus", r#"{"action": "DELETED", "component": {"format": "docker", "name": "acme/web"}}"#),
        ("nexus", r#"{"action": "CREATED", "component": {"format": "npm", "name": "web"}}"#),
        ("nexus", r#"{"action": "CREATED", "asset": {"format": "docker", "name": "v2/-/blobs/sha256:12"}}"#),
        ("jfrog", r#"{"domain": "docker", "event_type": "deleted", "data": {"repo_key": "a", "image_name": "b"}}"#),
        ("jfrog", r#"{"domain": "artifact", "event_type": "deployed", "data": {"repo_key": "a", "image_name": "b"}}"#),
        ("acr", r#"{"action": "delete", "target": {"repository": "web"}, "request": {"host": "acme.azurecr.io"}}"#),
        ("acr", r#"{"id": "1", "timestamp": "2026-11-20T08:00:00Z", "action": "ping"}"#),
        (
            "ecr",
            r#"{"account": "1", "region": "eu-central-1", "detail": {"action-type": "DELETE", "repository-name": "web"}}"#,
        ),
        ("gar", r#"{"message": {"data": "eyJhY3Rpb24iOiAiREVMRVRFIiwgInRhZyI6ICJhLmV4YW1wbGUvYi9jOjEifQ=="}}"#),
        ("gar", r#"{"message": {"data": "!"}}"#),
    ];
    for (source, body) in bodies {
        assert_eq!(named::concerns(source, body.as_bytes()), [], "{source}: {body}");
    }
}

#[test]
fn payloads_of_forges_name_their_repository_however_it_is_spelt() {
    for (source, body, host) in [
        ("github", include_str!("../../../tests/data/hooks/github-push.json"), "github.com"),
        ("github", include_str!("../../../tests/data/hooks/github-pull-request.json"), "github.com"),
        ("github", include_str!("../../../tests/data/hooks/github-check-run.json"), "github.com"),
        ("github", include_str!("../../../tests/data/hooks/github-status.json"), "github.com"),
        ("gitlab", include_str!("../../../tests/data/hooks/gitlab-push.json"), "git.example"),
        ("gitlab", include_str!("../../../tests/data/hooks/gitlab-merge-request.json"), "git.example"),
        ("gitlab", include_str!("../../../tests/data/hooks/gitlab-pipeline.json"), "git.example"),
        ("gitea", include_str!("../../../tests/data/hooks/gitea-push.json"), "git.example"),
        ("gitea", include_str!("../../../tests/data/hooks/gitea-pull-request.json"), "git.example"),
        ("gitea", include_str!("../../../tests/data/hooks/gitea-status.json"), "git.example"),
        ("generic", include_str!("../../../tests/data/hooks/generic-repository.json"), "git.example"),
    ] {
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
        let hastened = hooks.hastened(hooks.sender(source).unwrap(), &secret(), body.as_bytes()).unwrap();
        assert!(hastened.is_empty() && !hastened.concerns(GITOPS, None), "{source}");
    }
    for body in ["", " \n", "{}"] {
        assert_eq!(named::concerns("generic", body.as_bytes()), [Concern::Everything]);
    }
}
