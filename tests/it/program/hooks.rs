//! Webhooks of every sender at the real `serve`: who shows what it should hastens the passes of who follows its image.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tagboat::clock::{Clock as _, SystemClock};

use crate::program::World;
use crate::program::serve::{Service, row};
use crate::support::receiver::{Answer, Receiver};

const AUDIENCE: &str = "https://tagboat.acme.example/hooks/gar";
const ACCOUNT: &str = "push@acme.iam.gserviceaccount.com";

/// How a request shows what it knows.
enum Shows {
    Signature(&'static str, &'static str, hmac::Algorithm),
    Header(&'static str),
    Path,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The senders with a secret, each with a payload, how it shows the secret, and whether `acme/web` of any host is meant.
fn senders() -> Vec<(&'static str, &'static str, Shows, bool)> {
    let (sha256, sha1) = (hmac::HMAC_SHA256, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
    let hub = || Shows::Signature("X-Hub-Signature-256", "sha256=", sha256);
    vec![
        ("dockerhub", include_str!("../../data/hooks/dockerhub.json"), Shows::Path, false),
        ("ghcr", include_str!("../../data/hooks/ghcr-package.json"), hub(), false),
        ("quay", include_str!("../../data/hooks/quay.json"), Shows::Path, false),
        ("harbor", include_str!("../../data/hooks/harbor.json"), Shows::Header("Authorization"), true),
        ("acr", include_str!("../../data/hooks/acr.json"), Shows::Header("Authorization"), false),
        ("ecr", include_str!("../../data/hooks/ecr.json"), Shows::Header("X-Api-Key"), false),
        ("distribution", include_str!("../../data/hooks/distribution.json"), Shows::Header("Authorization"), true),
        ("gitlab-registry", include_str!("../../data/hooks/gitlab-registry.json"), Shows::Path, false),
        (
            "nexus",
            include_str!("../../data/hooks/nexus-component.json"),
            Shows::Signature("X-Nexus-Webhook-Signature", "", sha1),
            true,
        ),
        (
            "jfrog",
            include_str!("../../data/hooks/jfrog.json"),
            Shows::Signature("X-JFrog-Event-Auth", "", sha256),
            true,
        ),
        ("github", include_str!("../../data/hooks/github-push.json"), hub(), false),
        ("gitlab", include_str!("../../data/hooks/gitlab-push.json"), Shows::Header("X-Gitlab-Token"), false),
        (
            "gitea",
            include_str!("../../data/hooks/gitea-push.json"),
            Shows::Signature("X-Gitea-Signature", "", sha256),
            false,
        ),
        ("generic", r#"{"repositories": []}"#, Shows::Path, true),
    ]
}

/// Sends a payload as its sender would, with this secret.
fn send(service: &Service, (source, body, shows): (&str, &str, &Shows), secret: &str) -> u16 {
    let path = format!("POST /hooks/{source}");
    match shows {
        Shows::Signature(name, prefix, algorithm) => {
            let tag = hmac::sign(&hmac::Key::new(*algorithm, secret.as_bytes()), body.as_bytes());
            service.ask(&path, &[&format!("{name}: {prefix}{}", hex(tag.as_ref()))], body.as_bytes()).0
        }
        Shows::Header(name) => service.ask(&path, &[&format!("{name}: {secret}")], body.as_bytes()).0,
        Shows::Path => service.ask(&format!("{path}/{secret}"), &[], body.as_bytes()).0,
    }
}

#[test]
fn every_sender_is_served_with_its_secret_and_hastens_who_follows_its_image() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let senders = senders();
    let hooks: String = senders
        .iter()
        .map(|(source, ..)| {
            world.beside(&format!("hook-{source}"), &format!("secret of {source}\n").replace(' ', "-"));
            format!("  - {{source: {source}, secretFile: hook-{source}}}\n")
        })
        .collect();
    let configuration = format!("schedule: every 24h\nwebhooks:\n{hooks}repositories:\n{}", row(&remote));
    let service = Service::start(&world, &configuration);
    service.wait("pass");
    for (source, body, shows, follows) in &senders {
        let secret = format!("secret-of-{source}");
        assert_eq!(send(&service, (source, body, shows), "another"), 401, "{source}");
        assert_eq!(service.post(&format!("/hooks/{source}"), body), 401, "{source}");
        assert_eq!(send(&service, (source, body, shows), &secret), 202, "{source}");
        let told = service.wait("a webhook came");
        assert_eq!((&told["source"], &told["repositories"]), (&json!(source), &json!(u8::from(*follows))), "{told}");
    }
    assert_eq!(service.post("/hooks/gar", "{}"), 404, "no account is named for it");
    let log = service.log();
    assert!(!log.contains("secret-of-"), "{log}");
}

/// Returns a key as Google publishes it.
fn key(pair: &KeyPair) -> Value {
    // PKCS #1: a sequence of two numbers, the first with nine bytes before it, the second of three bytes at the end.
    let der = pair.public_key().as_ref();
    assert_eq!(der.len(), 270);
    let coded = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "one", "n": coded(&der[9..265]), "e": coded(&der[267..])})
}

fn token(pair: &KeyPair, audience: &str, seconds: i64) -> String {
    let now = SystemClock.now().as_second();
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": audience, "email": ACCOUNT, "email_verified": true,
        "iat": now - 3600, "exp": now + seconds,
    });
    let coded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", coded(&json!({"alg": "RS256", "kid": "one", "typ": "JWT"})), coded(&claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn artifact_registry_is_let_in_by_a_token_of_google_s_for_this_service_alone() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let (google, other) = (KeyPair::generate(KeySize::Rsa2048).unwrap(), KeyPair::generate(KeySize::Rsa2048).unwrap());
    let keys = Receiver::open();
    keys.answer(Answer(200, json!({"keys": [key(&google)]}).to_string(), ""));
    let hook = format!(
        "webhooks: [{{source: gar, audience: \"{AUDIENCE}\", serviceAccount: {ACCOUNT}, keysUrl: \"{}\"}}]\n",
        keys.url("/certs")
    );
    let service = Service::start(&world, &format!("schedule: every 24h\n{hook}repositories:\n{}", row(&remote)));
    service.wait("pass");
    let data = STANDARD.encode(format!(r#"{{"action": "INSERT", "tag": "{}/acme/web:1.5.0"}}"#, world.registry.host()));
    let body = json!({"message": {"data": data, "messageId": "1"}, "subscription": "projects/acme/subscriptions/t"});
    let body = body.to_string();
    let send =
        |token: &str| service.ask("POST /hooks/gar", &[&format!("Authorization: Bearer {token}")], body.as_bytes()).0;
    assert_eq!(service.post("/hooks/gar", &body), 401);
    assert_eq!(service.post("/hooks/gar/hush", &body), 401);
    assert_eq!(send("nonsense"), 401);
    assert_eq!(send(&token(&google, "https://other.example", 600)), 401);
    assert_eq!(send(&token(&google, AUDIENCE, -600)), 401);
    assert!(keys.sent("/certs").is_empty(), "nobody is asked because of these");
    assert_eq!(send(&token(&other, AUDIENCE, 600)), 401);
    world.push("acme/web", "1.5.0");
    assert_eq!(send(&token(&google, AUDIENCE, 600)), 202);
    let pass = service.wait_for("pass", |line| line["cause"] == "webhook");
    assert_eq!(pass["commits"], 1, "{pass}");
    assert_eq!(keys.sent("/certs").len(), 1, "keys are kept");
    assert!(!service.log().contains("eyJ"), "no token shows");
}
