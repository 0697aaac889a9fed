//! Logins, authorities and permissions of a real server.

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
