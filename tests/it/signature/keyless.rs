//! Signatures without keys of the signers' own: certificates, logs, and the trusted root.

use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use tagboat::signature::trust::TrustedRoot;

use super::{DIGEST, IMAGE, OTHER, bundle, by_name, by_pattern, by_us, says, simple};
use crate::support::signer::{IDENTITY, ISSUER, LOGGED, Signer, Wish, World, encode, payload, pem, statement};

const DAY: i64 = 86_400;

pub(super) fn trust(root: &Value) -> TrustedRoot {
    TrustedRoot::parse(&serde_json::to_vec(root).unwrap()).unwrap()
}

/// Signs in both forms, and says what comes of it, which is the same.
fn both(world: &World, signer: &Signer, root: &Value, moment: i64) -> String {
    let trust = trust(root);
    let own = world.simple(signer, payload(IMAGE, DIGEST), moment);
    let own = says(&simple(own), &by_us(), Some(&trust));
    let bundled = world.bundle(signer, &statement("", DIGEST), moment);
    assert_eq!(own, says(&bundle(&bundled), &by_us(), Some(&trust)));
    own
}

#[test]
fn a_certificate_of_a_trusted_authority_that_was_valid_when_it_was_logged_holds() {
    let world = World::new();
    let root = world.trusted_root();
    assert_eq!(both(&world, &world.signer(&Wish::default()), &root, LOGGED), "holds");
    let old = Wish { old_form: true, ..Wish::default() };
    assert_eq!(both(&world, &world.signer(&old), &root, LOGGED), "holds");
}

#[test]
fn moments_outside_of_a_certificate_s_or_an_authority_s_time_do_not_hold() {
    let world = World::new();
    let signer = world.signer(&Wish::default());
    let root = world.trusted_root();
    assert_eq!(
        both(&world, &signer, &root, LOGGED + 10 * DAY),
        "its certificate had expired when it was logged, 2026-11-20T08:00:00Z"
    );
    assert_eq!(
        both(&world, &signer, &root, LOGGED - 6 * DAY),
        "its certificate was not valid yet when it was logged, 2026-11-04T08:00:00Z"
    );
    let closed = |list: &str, key: &str| {
        let mut root = root.clone();
        let place = if key.is_empty() { &mut root[list][0] } else { &mut root[list][0][key] };
        place["validFor"] = json!({"start": "2026-01-01T00:00:00Z", "end": "2026-10-31T23:59:59Z"});
        both(&world, &signer, &root, LOGGED)
    };
    assert_eq!(
        closed("certificateAuthorities", ""),
        "no certificate authority of the trusted root stands for 2026-11-10T08:00:00Z"
    );
    assert_eq!(closed("tlogs", "publicKey"), "it was logged at 2026-11-10T08:00:00Z, when the log was not trusted");
    assert_eq!(
        closed("ctlogs", "publicKey"),
        "no log of certificates that the trusted root names has seen its certificate"
    );
}

#[test]
fn names_are_compared_whole_and_patterns_match_whole_names() {
    let world = World::new();
    let trust = trust(&world.trusted_root());
    let signer = world.signer(&Wish::default());
    let own = simple(world.simple(&signer, payload(IMAGE, DIGEST), LOGGED));
    let bundled = bundle(&world.bundle(&signer, &statement("", DIGEST), LOGGED));
    let somebody = format!("somebody else: {IDENTITY} (issuer {ISSUER})");
    for (by, expected) in [
        (by_us(), "holds"),
        (by_pattern("https://ci\\.example/acme/.+@refs/tags/v.+", "https://.+\\.example"), "holds"),
        (by_name(IDENTITY, "https://other.example"), &somebody),
        (by_name("https://ci.example/acme/web/release.yml@refs/tags/v1.5", ISSUER), &somebody),
        (by_name("https://ci.example/evil/web/release.yml@refs/tags/v1.5.0", ISSUER), &somebody),
        (by_pattern("https://ci\\.example/acme", ".*"), &somebody),
        (by_pattern("acme/.+", ".*"), &somebody),
        (by_pattern(".*", "https://token"), &somebody),
    ] {
        assert_eq!(says(&own, &by, Some(&trust)), expected, "{}", by.by());
        assert_eq!(says(&bundled, &by, Some(&trust)), expected, "{}", by.by());
    }
    let person = Wish { identity: "dev@acme.example".to_owned(), ..Wish::default() };
    let own = simple(world.simple(&world.signer(&person), payload(IMAGE, DIGEST), LOGGED));
    assert_eq!(says(&own, &by_name("dev@acme.example", ISSUER), Some(&trust)), "holds");
    assert_eq!(
        says(&own, &by_name("dev@acme.example", ISSUER), None),
        "there is no trusted root to check its certificate against"
    );
}

#[test]
fn a_certificate_must_be_for_signing_code_and_of_an_authority_and_seen_by_a_log() {
    let world = World::new();
    let root = world.trusted_root();
    for usage in [Some(ExtendedKeyUsagePurpose::ServerAuth), None] {
        let other = world.signer(&Wish { usage, ..Wish::default() });
        assert_eq!(both(&world, &other, &root, LOGGED), "its certificate is not for signing code");
    }
    let unseen = world.signer(&Wish { seen: false, ..Wish::default() });
    assert_eq!(both(&world, &unseen, &root, LOGGED), "no log of certificates has seen its certificate");
    let mut without = root.clone();
    without["ctlogs"] = json!([]);
    assert_eq!(both(&world, &unseen, &without, LOGGED), "holds");
    // Somebody else's authority, whose signatures the same logs have.
    let other = World::new().trusted_root();
    let mut mixed = root.clone();
    mixed["certificateAuthorities"] = other["certificateAuthorities"].clone();
    let reason = both(&world, &world.signer(&Wish::default()), &mixed, LOGGED);
    assert!(reason.starts_with("its certificate "), "{reason}");
    let mut mixed = root.clone();
    mixed["ctlogs"] = other["ctlogs"].clone();
    let unknown = "no log of certificates that the trusted root names has seen its certificate";
    assert_eq!(both(&world, &world.signer(&Wish::default()), &mixed, LOGGED), unknown);
    // The chain without what stands between root and leaf.
    let mut short = root;
    short["certificateAuthorities"][0]["certChain"]["certificates"].as_array_mut().unwrap().remove(0);
    let reason = "its certificate is of no authority of the trusted root";
    assert_eq!(both(&world, &world.signer(&Wish::default()), &short, LOGGED), reason);
}

#[test]
fn what_a_log_promises_must_be_its_own_and_about_this_signature() {
    let world = World::new();
    let root = world.trusted_root();
    let signer = world.signer(&Wish::default());
    let mut other_log = root.clone();
    other_log["tlogs"] = World::new().trusted_root()["tlogs"].clone();
    let unknown = "the log that it names is not in the trusted root";
    assert_eq!(both(&world, &signer, &other_log, LOGGED), unknown);
    // Another log that calls itself by the trusted one's name.
    other_log["tlogs"][0]["logId"] = root["tlogs"][0]["logId"].clone();
    let trusted = trust(&other_log);
    let own = simple(world.simple(&signer, payload(IMAGE, DIGEST), LOGGED));
    let not_by = "the log's promise is not by the log that it names";
    assert_eq!(says(&own, &by_us(), Some(&trusted)), not_by);

    let trust = trust(&root);
    let good = world.simple(&signer, payload(IMAGE, DIGEST), LOGGED);
    let changed = |from: &str, to: &str| {
        let mut bad = good.clone();
        let log = bad.log.as_ref().unwrap();
        assert!(log.contains(from), "{log}");
        bad.log = Some(log.replace(from, to));
        says(&simple(bad), &by_us(), Some(&trust))
    };
    assert_eq!(changed("\"logIndex\":42", "\"logIndex\":43"), not_by);
    assert_eq!(changed(&LOGGED.to_string(), &(LOGGED + 1).to_string()), not_by);
    assert_eq!(changed("{", "["), "the log's promise beside it cannot be read");
    assert_eq!(
        changed("\"logIndex\":42", "\"logIndex\":42,\"logIndex\":42"),
        "the log's promise beside it cannot be read"
    );
    // The promise of another signature of the same signer's: of other content, and by a second certificate.
    let elsewhere = world.simple(&signer, payload(IMAGE, OTHER), LOGGED);
    let mut moved = good.clone();
    moved.log = elsewhere.log;
    assert_eq!(says(&simple(moved), &by_us(), Some(&trust)), "the log's entry is about other content");
    let again = world.simple(&world.signer(&Wish::default()), payload(IMAGE, DIGEST), LOGGED);
    let mut moved = good.clone();
    moved.log.clone_from(&again.log);
    let another = "the log's entry is about another signature or certificate";
    assert_eq!(says(&simple(moved), &by_us(), Some(&trust)), another);
    let mut moved = good.clone();
    moved.certificate.clone_from(&again.certificate);
    assert_eq!(says(&simple(moved), &by_us(), Some(&trust)), another);
    let mut without = good.clone();
    without.log = None;
    assert_eq!(says(&simple(without), &by_us(), Some(&trust)), "it comes without a log's promise");
    let mut flipped = good;
    flipped.signature = encode([0; 70]);
    assert_eq!(says(&simple(flipped), &by_us(), Some(&trust)), another);
}

#[test]
fn a_certificate_s_key_must_have_made_the_signature_even_where_a_log_has_it() {
    let world = World::new();
    let trust = trust(&world.trusted_root());
    let thief = Signer { key: crate::support::signer::key(), certificate: world.signer(&Wish::default()).certificate };
    let own = simple(world.simple(&thief, payload(IMAGE, DIGEST), LOGGED));
    assert_eq!(says(&own, &by_us(), Some(&trust)), "it is not by the key of its certificate");
    let bundled = bundle(&world.bundle(&thief, &statement("", DIGEST), LOGGED));
    assert_eq!(says(&bundled, &by_us(), Some(&trust)), "it is not by the key of its certificate");
}

#[test]
fn a_certificate_that_is_none_is_refused_with_the_reason() {
    let world = World::new();
    let trust = trust(&world.trusted_root());
    let good = world.simple(&world.signer(&Wish::default()), payload(IMAGE, DIGEST), LOGGED);
    let der = world.signer(&Wish::default()).certificate;
    for (certificate, expected) in [
        (pem("CERTIFICATE", &der[..der.len() / 2]), "its certificate cannot be read"),
        (pem("CERTIFICATE", b""), "its certificate is no PEM"),
        (pem("PUBLIC KEY", &der), "its certificate is no PEM"),
        ("x".repeat(200_000), "its certificate is no PEM"),
        (pem("CERTIFICATE", &vec![0x30; 70_000]), "its certificate has more than 65536 bytes"),
    ] {
        let mut bad = good.clone();
        bad.certificate = Some(certificate);
        assert_eq!(says(&simple(bad), &by_us(), Some(&trust)), expected);
    }
    // Every byte of the certificate counts, and none makes the reader panic.
    for at in (0..der.len()).step_by(7) {
        let mut flipped = der.clone();
        flipped[at] ^= 0x21;
        let signer = Signer { key: crate::support::signer::key(), certificate: flipped };
        let own = simple(world.simple(&signer, payload(IMAGE, DIGEST), LOGGED));
        assert_ne!(says(&own, &by_us(), Some(&trust)), "holds", "{at}");
    }
}

#[test]
fn a_proof_that_comes_along_must_hold() {
    let world = World::new();
    let trust = trust(&world.trusted_root());
    let good = world.bundle(&world.signer(&Wish::default()), &statement("", DIGEST), LOGGED);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad["verificationMaterial"]["tlogEntries"][0]);
        says(&bundle(&bad), &by_us(), Some(&trust))
    };
    let zero = || Value::from(encode([0; 32]));
    let proof = "inclusionProof";
    assert_eq!(changed(&|_| {}), "holds");
    assert_eq!(changed(&|entry| entry[proof]["rootHash"] = zero()), "the log's proof leads to another tree");
    assert_eq!(changed(&|entry| entry[proof]["hashes"][1] = zero()), "the log's proof leads to another tree");
    assert_eq!(changed(&|entry| entry[proof]["logIndex"] = "1".into()), "the log's proof leads to another tree");
    let unfit = "the log's proof does not fit its tree";
    assert_eq!(changed(&|entry| entry[proof]["logIndex"] = "5".into()), unfit);
    assert_eq!(changed(&|entry| entry[proof]["treeSize"] = "0".into()), unfit);
    assert_eq!(changed(&|entry| entry[proof]["hashes"] = json!([])), unfit);
    let many = |count| Value::from(vec![zero(); count]);
    assert_eq!(changed(&|entry| entry[proof]["hashes"] = many(60)), unfit);
    assert_eq!(changed(&|entry| entry[proof]["hashes"] = many(65)), "the log's proof has more than 64 hashes");
    assert_eq!(changed(&|entry| entry[proof]["rootHash"] = encode([0; 31]).into()), "the log's proof is malformed");
    let envelope = good["verificationMaterial"]["tlogEntries"][0][proof]["checkpoint"]["envelope"].as_str().unwrap();
    let note = |text: String| changed(&|entry| entry[proof]["checkpoint"]["envelope"] = text.clone().into());
    let unsigned = "the log's checkpoint is not signed by the log";
    assert_eq!(note(envelope.replacen("\n5\n", "\n6\n", 1)), unsigned);
    assert_eq!(note(envelope.replace("\u{2014} log", "- log")), unsigned);
    assert_eq!(note(envelope.replace("\n\n", "\n")), "the log's checkpoint is malformed");
    assert_eq!(note("x".repeat(20_000)), "the log's checkpoint has more than 16384 bytes");
    let without = "the log's proof comes without a checkpoint";
    assert_eq!(changed(&|entry| entry[proof]["checkpoint"] = Value::Null), without);
    // Another entry's head of the same log, which it has signed.
    let other = world.bundle(&world.signer(&Wish::default()), &statement("", DIGEST), LOGGED);
    let head = &other["verificationMaterial"]["tlogEntries"][0][proof]["checkpoint"];
    assert_eq!(
        changed(&|entry| entry[proof]["checkpoint"] = head.clone()),
        "the log's proof and the head that the log signed differ"
    );
}

#[test]
fn the_moment_of_signing_must_be_proven() {
    let world = World::new();
    let trust = trust(&world.trusted_root());
    let good = world.bundle(&world.signer(&Wish::default()), &statement("", DIGEST), LOGGED);
    let changed = |keys: &[&str]| {
        let mut bad = good.clone();
        let entry = bad["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
        keys.iter().for_each(|key| drop(entry.remove(*key)));
        says(&bundle(&bad), &by_us(), Some(&trust))
    };
    assert_eq!(changed(&["inclusionProof"]), "holds");
    assert_eq!(
        changed(&["inclusionPromise"]),
        "no moment of signing is proven: the log promised none, and RFC 3161 timestamps are not read"
    );
    let neither = "it comes without a log's promise and without a proof";
    assert_eq!(changed(&["inclusionPromise", "inclusionProof"]), neither);
    let mut none = good.clone();
    none["verificationMaterial"]["tlogEntries"] = json!([]);
    assert_eq!(says(&bundle(&none), &by_us(), Some(&trust)), "no log has it: its bundle names no entry");
    let entry = good["verificationMaterial"]["tlogEntries"][0].clone();
    none["verificationMaterial"]["tlogEntries"] = vec![entry; 101].into();
    assert_eq!(says(&bundle(&none), &by_us(), Some(&trust)), "its bundle names more than 100 entries of logs");
    let mut rekor2 = good;
    let body = json!({"kind": "hashedrekord", "apiVersion": "0.0.2", "spec": {}}).to_string();
    rekor2["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"] = encode(body).into();
    let kind = "log entries of the kind `hashedrekord 0.0.2` are not understood";
    assert_eq!(says(&bundle(&rekor2), &by_us(), Some(&trust)), kind);
}

#[test]
fn what_is_signed_counts_as_it_does_for_keys() {
    let world = World::new();
    let trust = trust(&world.trusted_root());
    let signer = world.signer(&Wish::default());
    let own = |payload| says(&simple(world.simple(&signer, payload, LOGGED)), &by_us(), Some(&trust));
    assert_eq!(own(payload(IMAGE, OTHER)), format!("it is of other content, {OTHER}"));
    assert_eq!(own(payload("ghcr.io/acme/other", DIGEST)), "it is for ghcr.io/acme/other");
    let bundled = |statement: &[u8]| says(&bundle(&world.bundle(&signer, statement, LOGGED)), &by_us(), Some(&trust));
    assert_eq!(bundled(&statement("", OTHER)), format!("it is of other content, {OTHER}"));
}

#[test]
fn says_what_is_wrong_with_a_trusted_root() {
    let good = World::new().trusted_root();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        let read = TrustedRoot::parse(&serde_json::to_vec(&bad).unwrap());
        read.map_or_else(|error| error.to_string(), |_| "ok".to_owned())
    };
    assert_eq!(changed(&|_| {}), "ok");
    assert!(changed(&|root| root["mediaType"] = "text/plain".into()).contains("of the kind `text/plain`"));
    let empty = "it names no certificate authority or no log (`tlogs`)";
    assert_eq!(changed(&|root| root["tlogs"] = json!([])), empty);
    assert_eq!(changed(&|root| root["certificateAuthorities"] = json!([])), empty);
    // An X25519 key, which signs nothing.
    let odd = |root: &mut Value| {
        root["ctlogs"][0]["publicKey"]["rawBytes"] = format!("MCowBQYDK2VuAyEA{}=", "A".repeat(43)).into();
    };
    let none = "none of its logs of certificates (`ctlogs`) has a kind of key that is understood";
    assert_eq!(changed(&odd), none);
    let with_another = |root: &mut Value| {
        let known = root["ctlogs"][0].clone();
        odd(root);
        root["ctlogs"].as_array_mut().unwrap().push(known);
    };
    assert_eq!(changed(&with_another), "ok");
    let many = |root: &mut Value, list: &str| root[list] = vec![root[list][0].clone(); 101].into();
    assert_eq!(changed(&|root| many(root, "tlogs")), "it names more than 100 tlogs");
    assert_eq!(changed(&|root| many(root, "certificateAuthorities")), "it names more than 100 certificate authorities");
    let chain = |root: &mut Value, chain: Value| root["certificateAuthorities"][0]["certChain"]["certificates"] = chain;
    let length = "the chain of the certificate authority 1 has no or more than 10 certificates";
    assert_eq!(changed(&|root| chain(root, json!([]))), length);
    assert_eq!(changed(&|root| chain(root, vec![json!({"rawBytes": "AAAA"}); 11].into())), length);
    let unreadable = "the certificate 1 of the certificate authority 1 cannot be read";
    assert_eq!(changed(&|root| chain(root, json!([{"rawBytes": "AAAA"}]))), unreadable);
    assert_eq!(
        changed(&|root| root["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into()),
        "the key of the log 1 of `tlogs`: the key in it is broken"
    );
    for text in ["", "[]", "{\"mediaType\": 1}", &"[".repeat(100_000)] {
        let error = TrustedRoot::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("it is no trusted root: line "), "{error}");
    }
}
