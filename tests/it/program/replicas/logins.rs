//! Logins, authorities and permissions of a real server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::program::replicas::Fleet;
use crate::support::authority::Authority;

/// What docs/service.md says an account needs, for a user `robin`.
const PERMISSIONS: &str = "authorization { users: [{ user: robin, password: \"s3cret-word\", permissions: {
    publish: [\"tagboat.>\", \"$JS.API.>\", \"$JS.ACK.>\", \"$KV.tagboat-rows.>\", \"$KV.tagboat-limits.>\", \"$KV.tagboat-answers.>\",
              \"$KV.tagboat-told.>\"],
    subscribe: [\"_INBOX.>\"] } }] }";

#[test]
fn a_user_with_no_more_than_is_needed_over_tls_of_a_private_authority() {
    let authority = Authority::new("Acme");
    let begun = Fleet::begin_with(1, |world| {
        let folder = world.scratch.path("");
        let (certificate, key) = authority.server(&["127.0.0.1"]).write(&folder, "nats");
        authority.write(&world.scratch.path("ca.pem"));
        format!("{PERMISSIONS}\ntls {{ cert_file: {certificate:?}, key_file: {key:?} }}")
    });
    let Some(mut fleet) = begun else { return };
    fleet.nats.start();
    fleet.push(0, "1.5.0");
    let nats = format!(
        "url: \"tls://{}\", caFile: ca.pem, secretFile: shared, basic: {{username: robin, passwordFile: password}}",
        fleet.nats.address()
    );
    fleet.world.beside("password", "another\n");
    let service = fleet.replica("one", &fleet.configuration_with("every 24h", &nats));
    let refused = service.wait("the other replicas cannot be reached");
    assert!(refused["reason"].as_str().unwrap().contains("authorization"), "{refused}");
    // What is rotated counts from the next connection, without a word to anybody.
    fleet.world.beside("password", "s3cret-word\n");
    service.wait("passes are shared with the other replicas");
    let services = [service];
    fleet.wait_for(0, "1.5.0", &services);
    let (ready, metrics) = (services[0].get("/readyz").1, services[0].get("/metrics").1);
    assert!(!ready.contains("s3cret-word") && !metrics.contains("s3cret-word"));
    assert!(services[0].lines().iter().all(|line| !line.to_string().contains("s3cret-word")));
}

#[test]
fn a_server_of_another_authority_gets_no_password() {
    let (authority, other) = (Authority::new("Acme"), Authority::new("Other"));
    let begun = Fleet::begin_with(1, |world| {
        let folder = world.scratch.path("");
        let (certificate, key) = other.server(&["127.0.0.1"]).write(&folder, "nats");
        authority.write(&world.scratch.path("ca.pem"));
        world.beside("token", "s3cret-word\n");
        format!("authorization {{ token: \"s3cret-word\" }}\ntls {{ cert_file: {certificate:?}, key_file: {key:?} }}")
    });
    let Some(mut fleet) = begun else { return };
    fleet.nats.start();
    let nats = format!("url: \"tls://{}\", caFile: ca.pem, lease: 1s, tokenFile: token", fleet.nats.address());
    let service = fleet.replica("one", &fleet.configuration_with("every 24h", &nats));
    let refused = service.wait("the other replicas cannot be reached");
    assert!(refused["reason"].as_str().unwrap().to_lowercase().contains("certificate"), "{refused}");
    // Its authority is renewed on disk; the next connection believes it.
    other.write(&fleet.world.scratch.path("ca.pem"));
    service.wait("passes are shared with the other replicas");
}

/// Writes a claim about a key in NATS' form of a JSON Web Token, signed by another.
fn token(signer: &KeyPair, subject: &KeyPair, nats: &Value) -> String {
    let claims = json!({
        "jti": "none", "iat": 1_700_000_000, "iss": signer.public_key(), "sub": subject.public_key(), "name": "acme", "nats": nats,
    });
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = signer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Returns a credentials file of a user of an account, as `nsc` writes it.
fn credentials(account: &KeyPair) -> String {
    let user = KeyPair::new_user();
    let nats = json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2});
    let (token, seed) = (token(account, &user, &nats), user.seed().unwrap());
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[test]
fn a_user_by_a_credentials_file_and_none_of_another_account() {
    let (operator, account, system, other) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account(), KeyPair::new_account());
    let of_account = |account: &KeyPair, store: i64| {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
            "mem_storage": store, "disk_storage": store, "streams": store, "consumer": store,
        });
        token(&operator, account, &json!({"limits": limits, "type": "account", "version": 2}))
    };
    let begun = Fleet::begin_with(1, |_| {
        format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{ {}: {}, {}: {} }}",
            token(&operator, &operator, &json!({"type": "operator", "version": 2})),
            system.public_key(),
            account.public_key(),
            of_account(&account, -1),
            system.public_key(),
            of_account(&system, 0),
        )
    });
    let Some(mut fleet) = begun else { return };
    fleet.nats.start();
    fleet.push(0, "1.5.0");
    fleet.world.beside("nats.creds", &credentials(&other));
    let nats = format!("url: \"nats://{}\", credentialsFile: nats.creds, secretFile: shared", fleet.nats.address());
    let service = fleet.replica("one", &fleet.configuration_with("every 24h", &nats));
    let refused = service.wait("the other replicas cannot be reached");
    assert!(refused["reason"].as_str().unwrap().to_lowercase().contains("authorization"), "{refused}");
    let own = credentials(&account);
    fleet.world.beside("nats.creds", &own);
    service.wait("passes are shared with the other replicas");
    let services = [service];
    fleet.wait_for(0, "1.5.0", &services);
    let log = services[0].log();
    assert!(own.lines().filter(|line| line.len() > 40).all(|secret| !log.contains(secret)), "{log}");
}
