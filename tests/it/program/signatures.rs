//! Signatures, through the whole program: what is signed moves, and everything else says why it does not.

use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::program::{Ran, World};
use crate::support::signer::{self, IDENTITY, ISSUER, LOGGED, Wish, key, payload, public_pem, statement};

const CREATED: &str = "2026-11-01T08:00:00Z";

/// A folder whose one image must be signed by a key that lies in it.
struct Signed {
    world: World,
    key: KeyPair,
}

impl Signed {
    fn new() -> Self {
        let signed = Self { world: World::with_web(&["1.4.0"]), key: key() };
        signed.world.write(".tagboat.yaml", signed.config("{key: keys/cosign.pub}"));
        signed.world.write("keys/cosign.pub", public_pem(&signed.key));
        signed.world.write("dev/web.yaml", signed.world.deployment("acme/web:1.4.0"));
        signed
    }

    fn config(&self, cosign: &str) -> String {
        let rule = format!("    semver: minor\n    pin: digest\n    verify: {{cosign: {cosign}}}\n");
        self.world.config().replace("    semver: minor\n", &rule)
    }

    fn push(&self, tag: &str) -> String {
        self.world.registry.push("acme/web", tag, CREATED)
    }

    fn payload(&self, digest: &str) -> Vec<u8> {
        payload(self.world.registry.image("acme/web").as_str(), digest)
    }

    fn sign(&self, digest: &str, key: &KeyPair) {
        self.world.registry.sign("acme/web", digest, &[signer::simple(key, self.payload(digest))]);
    }

    fn plan(&self) -> Ran {
        self.world.tagboat(&["plan", "--output", "json"])
    }
}

/// Returns what is to be written, and why each other tag is not, but for those that are not versions.
fn decision(plan: &Value) -> (Vec<String>, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = plan["changes"].as_array().unwrap().iter().map(|row| text(&row["with"])).collect();
    let rejected = plan["decisions"][0]["rejected"].as_array().unwrap();
    let rows = rejected.iter().filter(|row| !text(&row["tag"]).ends_with(".sig"));
    (changes, rows.map(|row| format!("{}: {}", text(&row["tag"]), text(&row["reason"]))).collect())
}

#[test]
fn what_is_not_signed_waits_and_moves_with_its_digest_once_it_is() {
    let signed = Signed::new();
    signed.sign(&signed.world.registry.push("acme/web", "1.4.0", CREATED), &signed.key);
    let digest = signed.push("1.5.0");
    let (changes, rejected) = decision(&signed.plan().ended(0).json());
    assert!(changes[0].starts_with("1.4.0@sha256:"), "{changes:?}");
    assert_eq!(rejected, ["1.5.0: not signed yet"]);

    signed.sign(&digest, &key());
    let reason = "1.5.0: signed by somebody else, or changed since: none of the policy's keys made the signature";
    assert_eq!(decision(&signed.plan().ended(0).json()).1, [reason]);
    let explained = signed.world.tagboat(&["explain", signed.world.registry.image("acme/web").as_str()]).ended(0);
    assert!(explained.out.contains("signed by somebody else"), "{explained:?}");

    signed.sign(&digest, &signed.key);
    let (changes, rejected) = decision(&signed.plan().ended(0).json());
    assert_eq!((changes, rejected), (vec![format!("1.5.0@{digest}")], vec!["1.4.0: in use".to_owned()]));
    assert!(!signed.plan().err.contains("warning"), "`verify` acts");
    signed.world.tagboat(&["update"]).ended(0);
    let expected = signed.world.deployment(&format!("acme/web:1.5.0@{digest}"));
    assert_eq!(signed.world.read("dev/web.yaml"), expected);
}

#[test]
fn the_newest_that_is_signed_wins_over_newer_ones_that_are_not() {
    let signed = Signed::new();
    let digests: Vec<String> = ["1.5.0", "1.6.0", "1.7.0"].map(|tag| signed.push(tag)).to_vec();
    let bundle = signer::bundle(&signed.key, &statement("", &digests[0]));
    signed.world.registry.refer(&digests[0], &bundle, Some("https://sigstore.dev/cosign/sign/v1"));
    signed.sign(&digests[1], &key());
    let (changes, rejected) = decision(&signed.plan().ended(0).json());
    assert_eq!(changes, [format!("1.5.0@{}", digests[0])]);
    assert_eq!(
        rejected[1..],
        [
            "1.6.0: signed by somebody else, or changed since: none of the policy's keys made the signature",
            "1.7.0: not signed yet"
        ]
    );
}

#[test]
fn a_registry_that_fails_leaves_the_image_undecided_and_is_reported() {
    let signed = Signed::new();
    signed.push("1.5.0");
    signed.world.registry.faults(|faults| faults.signature_status = Some(403));
    let plan = signed.plan().ended(3).json();
    assert_eq!(plan["changes"], json!([]));
    let error = &plan["errors"][0];
    assert_eq!(error["what"], "127.0.0.1:50000/acme/web:1.5.0");
    assert!(error["reason"].as_str().unwrap().contains("forbids it"), "{error}");
}

#[test]
fn a_key_that_cannot_be_used_is_an_error_that_names_its_file() {
    let signed = Signed::new();
    signed.sign(&signed.push("1.5.0"), &signed.key);
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (file, words) in [
        ("no key", "the key keys/cosign.pub that `verify` names: it is no PEM file"),
        (private, "the key keys/cosign.pub that `verify` names: it holds a private key"),
        (&"x".repeat(20_000), "the key keys/cosign.pub that `verify` names: "),
    ] {
        signed.world.write("keys/cosign.pub", file);
        let plan = signed.plan().ended(3).json();
        let reason = plan["errors"][0]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(words), "{reason}");
        assert_eq!(plan["changes"], json!([]));
    }
    std::fs::remove_file(signed.world.tree().join("keys/cosign.pub")).unwrap();
    let gone = signed.plan().ended(3).json();
    let reason = "the key keys/cosign.pub that `verify` names is no file of the repository";
    assert_eq!(gone["errors"][0]["reason"], reason);
    // A link out of the folder is no file of the repository either, whatever it leads to.
    let outside = signed.world.beside("outside.pub", &public_pem(&signed.key));
    std::os::unix::fs::symlink(outside, signed.world.tree().join("keys/cosign.pub")).unwrap();
    assert_eq!(signed.plan().ended(3).json()["errors"][0]["reason"], reason);
}

#[test]
fn a_replayed_plan_knows_the_verdicts_and_asks_nobody() {
    let signed = Signed::new();
    // Listed in the order of their names, as registries do, those of the signatures included.
    let other = key();
    let mut signatures = [(signed.push("1.5.0"), &signed.key), (signed.push("1.6.0"), &other)];
    signed.push("1.7.0");
    signatures.sort_by(|one, other| one.0.cmp(&other.0));
    signatures.iter().for_each(|(digest, key)| signed.sign(digest, key));
    let world = &signed.world;
    let snapshot = world.tagboat(&["snapshot"]).ended(0);
    let tags = &snapshot.json()["images"]["127.0.0.1:50000/acme/web"]["tags"];
    let verdict = |tag: &str| {
        let row = &tags[tag]["signatures"][0];
        assert_eq!(row["digest"], tags[tag]["digest"], "{row}");
        assert!(row["by"].as_str().unwrap().starts_with("key "), "{row}");
        (row["verdict"].as_str().unwrap().to_owned(), row["reason"].as_str().map(str::to_owned))
    };
    assert_eq!(verdict("1.5.0"), ("signed".to_owned(), None));
    let reason = "signed by somebody else, or changed since: none of the policy's keys made the signature";
    assert_eq!(verdict("1.6.0"), ("wrong".to_owned(), Some(reason.to_owned())));
    assert_eq!(verdict("1.7.0"), ("missing".to_owned(), None));
    world.tagboat(&["snapshot", "--out", "../tags.json"]).ended(0);
    let recorded = std::fs::read_to_string(world.scratch.path("tags.json")).unwrap();
    assert_eq!(recorded.replace(&world.registry.host(), "127.0.0.1:50000"), snapshot.out, "it says the same each time");
    let live = [signed.plan().ended(0).out, world.tagboat(&["plan"]).ended(0).out];
    let asked = world.registry.requests();
    let replay = |further: &[&str]| world.tagboat(&[&["plan", "--snapshot", "../tags.json"], further].concat());
    assert_eq!([replay(&["--output", "json"]).ended(0).out, replay(&[]).ended(0).out], live);
    let again = world.tagboat(&["snapshot", "--snapshot", "../tags.json"]).ended(0);
    assert_eq!(again.out, snapshot.out, "a record of a record is the same");
    assert_eq!(world.registry.requests(), asked, "a replay asks nobody");
    // Another key is another question, which the record does not answer.
    world.write("keys/cosign.pub", public_pem(&key()));
    let plan = replay(&["--output", "json"]).ended(3).json();
    let reason = plan["errors"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the snapshot does not hold what its signatures say"), "{reason}");
}

#[test]
fn a_replay_wants_nothing_that_the_pass_did_not_ask() {
    let signed = Signed::new();
    let rule = "    platforms: [linux/arm64]\n    verify:";
    signed.world.write(".tagboat.yaml", signed.config("{key: keys/cosign.pub}").replace("    verify:", rule));
    // The newest three are for another platform, the fourth is signed, and nobody asks about those below.
    for number in 5..=16 {
        let architecture = if number == 13 { "arm64" } else { "amd64" };
        let tag = format!("1.{number}.0");
        let digest = signed.world.registry.push_index("acme/web", &tag, CREATED, &[architecture]);
        if number == 13 {
            signed.sign(&digest, &signed.key);
        }
    }
    replays(&signed.world, 0, &[]);
    let asked = signed.world.registry.requests().heads;
    signed.plan().ended(0);
    assert_eq!(signed.world.registry.requests().heads - asked, 4, "while a signature is open, no further one is");
}

#[test]
fn a_replay_knows_which_signatures_could_not_be_seen() {
    let signed = Signed::new();
    signed.push("1.5.0");
    let (faults, key) = (&signed.world.registry, signed.config("{key: keys/cosign.pub}"));
    for (signature, referrers) in [(Some(403), None), (None, Some(401))] {
        faults.faults(|faults| (faults.signature_status, faults.referrers_status) = (signature, referrers));
        replays(&signed.world, 3, &[]);
    }
    signed.world.write(".tagboat.yaml", key.replace("{key: keys/cosign.pub}", "{identity: a@b.example, issuer: c}"));
    replays(&signed.world, 3, &[]);
}

#[test]
fn a_replay_knows_which_facts_could_not_be_had() {
    for (limit, most) in [("maxInspections", 3), ("maxHeads", 3)] {
        let world = World::with_web(&["1.4.0"]);
        (5..=16).for_each(|number| drop(world.registry.push("acme/web", &format!("1.{number}.0"), CREATED)));
        let rule = "    semver: minor\n    platforms: [linux/arm64]\n";
        world.write(".tagboat.yaml", world.config().replace("    semver: minor\n", rule));
        world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
        let service = world.beside("service.yaml", &format!("version: 1\nlimits: {{{limit}: {most}}}\n"));
        replays(&world, 3, &["--service", &service]);
    }
}

/// Records, plans, and plans again by the record: byte for byte the same. Nothing is remembered from one to the other.
#[track_caller]
fn replays(world: &World, exit: i32, further: &[&str]) {
    let run = |arguments: &[&str]| {
        let arguments = [arguments, further].concat();
        world.finish(world.command(&arguments).env("TAGBOAT_CACHE", "off")).ended(exit).out
    };
    run(&["snapshot", "--out", "../tags.json"]);
    for output in ["json", "text"] {
        let live = run(&["plan", "--output", output]);
        assert_eq!(run(&["plan", "--output", output, "--snapshot", "../tags.json"]), live);
    }
    let recorded = run(&["snapshot"]);
    assert_eq!(run(&["snapshot", "--snapshot", "../tags.json"]), recorded, "a record of a record is the same");
}

#[test]
fn a_name_is_checked_against_the_trusted_root_of_the_operator_s_file() {
    let signed = Signed::new();
    let world = &signed.world;
    let pattern = r"{pattern: 'https://ci\.example/acme/.+'}";
    world.write(".tagboat.yaml", signed.config(&format!("{{identity: {pattern}, issuer: {ISSUER}}}")));
    let digest = signed.push("1.5.0");
    let ours = signer::World::new();
    let sign = |wish: &Wish| {
        let one = ours.simple(&ours.signer(wish), signed.payload(&digest), LOGGED);
        world.registry.sign("acme/web", &digest, &[one]);
    };
    sign(&Wish::default());
    let plan = signed.plan().ended(3).json();
    let reason = plan["errors"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("name the trusted root in service.yaml"), "{reason}");

    world.beside("root.json", &ours.trusted_root().to_string());
    let service = world.beside("service.yaml", "version: 1\nsigstore: {trustedRootFile: root.json}\n");
    let plan = || world.tagboat(&["plan", "--output", "json", "--service", &service]);
    assert_eq!(decision(&plan().ended(0).json()).0, [format!("1.5.0@{digest}")]);
    sign(&Wish { identity: "https://ci.example/evil".to_owned(), ..Wish::default() });
    let somebody = format!("1.5.0: signed by somebody else: https://ci.example/evil (issuer {ISSUER})");
    assert_eq!(decision(&plan().ended(0).json()), (vec![], vec!["1.4.0: in use".to_owned(), somebody]));
    world.beside("root.json", "{}");
    let refused = plan().ended(2);
    assert!(refused.err.contains("cannot read the trusted root") && refused.err.contains("root.json"), "{refused:?}");
    assert!(IDENTITY.starts_with("https://ci.example/acme/"));
}

#[test]
fn a_run_reads_the_keys_from_the_branch_and_not_from_the_folder() {
    let signed = Signed::new();
    let world = &signed.world;
    let digest = signed.push("1.5.0");
    signed.sign(&digest, &signed.key);
    let (config, web) = (signed.config("{key: keys/cosign.pub}"), world.deployment("acme/web:1.4.0"));
    let on_branch = public_pem(&signed.key);
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("keys/cosign.pub", &on_branch)];
    let remote = world.scratch.bare("signed.git", &files);
    world.write("keys/cosign.pub", public_pem(&key()));
    world.run_on(&remote, &[]).ended(0);
    let expected = world.deployment(&format!("acme/web:1.5.0@{digest}"));
    assert_eq!(String::from_utf8(remote.show("main", "dev/web.yaml")).unwrap(), expected);
}

#[test]
fn a_version_that_a_person_brought_in_unsigned_is_not_promoted() {
    let signed = Signed::new();
    let world = &signed.world;
    let config = signed.config("{key: keys/cosign.pub}").replace("    pin: digest\n", "")
        + "  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n";
    world.write(".tagboat.yaml", config);
    let unsigned = signed.push("1.5.0");
    signed.sign(&signed.push("1.6.0"), &signed.key);
    world.write("dev/web.yaml", world.deployment("acme/web:1.5.0"));
    world.write("prod/web.yaml", world.deployment("acme/web:1.4.0"));
    let in_prod = || {
        let plan = signed.plan().ended(0).json();
        let changes = plan["changes"].as_array().unwrap().clone();
        let rows = plan["skipped"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap().to_owned());
        let written = changes.iter().filter(|row| row["environment"] == "prod").map(|row| row["with"].clone());
        (written.collect::<Vec<_>>(), rows.collect::<Vec<_>>())
    };
    let (written, reasons) = in_prod();
    assert_eq!(written, Vec::<Value>::new());
    let reason = "in prod: 1.5.0, which the environment before it runs, is not signed yet";
    assert!(reasons.iter().any(|row| row == reason), "{reasons:?}");
    signed.sign(&unsigned, &signed.key);
    assert_eq!(in_prod().0, ["1.5.0"]);
}

#[test]
fn check_warns_of_a_signature_whose_digest_is_not_pinned() {
    let signed = Signed::new();
    let findings = |world: &World| {
        let found = world.tagboat(&["check", "--output", "json"]).ended(0).json();
        let rows = found["findings"].as_array().unwrap().clone();
        rows.into_iter().filter(|row| row["rule"] == "unpinned-signature").collect::<Vec<_>>()
    };
    assert_eq!(findings(&signed.world), Vec::<Value>::new());
    let unpinned = signed.config("{key: keys/cosign.pub}").replace("    pin: digest\n", "");
    signed.world.write(".tagboat.yaml", unpinned);
    let found = findings(&signed.world);
    assert_eq!((found.len(), &found[0]["severity"], &found[0]["line"]), (1, &json!("warning"), &json!(3)), "{found:?}");
    assert!(found[0]["hint"].as_str().unwrap().contains("pin: digest"));
}
