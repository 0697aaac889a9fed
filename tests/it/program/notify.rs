//! Notifications: what real passes of `serve` come to arrives at receivers, once, whoever is down and whatever is restarted.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::program::World;
use crate::program::serve::{Service, row};
use crate::support::receiver::{Answer, Receiver, Sent};
use crate::support::repository::Repository;

/// A repository with `dev`, to which versions are committed, and `prod`, to which they are proposed.
fn promoting(world: &World) -> Repository {
    let web = world.deployment("acme/web:1.4.0");
    let prod = "  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: pullRequest\n";
    let config = world.config() + prod;
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
    world.scratch.bare("manifests.git", &files)
}

/// Returns a configuration with a generic webhook, whose secret is `hush`, and these receivers.
fn configuration(world: &World, repository: &Repository, notify: &str) -> String {
    world.beside("hook", "hush\n");
    format!(
        "schedule: every 24h\nwebhooks: [{{source: generic, secretFile: hook}}]\nrepositories:\n{}notify:\n{notify}",
        row(repository)
    )
}

/// Begins a pass, and waits for its end.
fn pass(service: &Service) -> Value {
    assert_eq!(service.post("/hooks/generic/hush", ""), 202);
    service.wait("pass")
}

/// Returns the events of one message, as kind, environment and version.
fn events(sent: &Sent) -> BTreeSet<String> {
    let told = sent.json()["events"].as_array().unwrap().clone();
    let word = |event: &Value, key: &str| event[key].as_str().unwrap_or("-").to_owned();
    told.iter().map(|one| format!("{} {} {}", word(one, "event"), one["environments"], word(one, "to"))).collect()
}

/// Returns the identities of every event that came to a path, in order.
fn ids(receiver: &Receiver, path: &str) -> Vec<String> {
    let all = receiver.sent(path).into_iter().flat_map(|sent| sent.json()["events"].as_array().unwrap().clone());
    all.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn tells(word: &'static str) -> impl Fn(&Sent) -> bool {
    move |sent| sent.body.contains(word)
}

fn is_once(ids: &[String]) -> bool {
    ids.iter().collect::<BTreeSet<_>>().len() == ids.len()
}

#[test]
fn each_event_of_a_version_s_way_arrives_once_at_whoever_wants_it() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = promoting(&world);
    let receiver = Receiver::open();
    world.beside("slack", &receiver.url("/slack/T0/B0/s3cr3t"));
    world.beside("teams", &receiver.url("/teams?sig=s3cr3t"));
    world.beside("key", "whsec_a2V5IG9mIHRoZSBob29r");
    let notify = format!(
        "  - webhook: {{url: \"{}\", secretFile: key}}\n  - slack: {{urlFile: slack}}\n    on: [proposed, merged]\n    \
         environments: [prod]\n  - teams: {{urlFile: teams}}\n    on: held\n    \
         template: 'held: {{% for one in events %}}{{{{ one.short }}}} {{{{ one.new }}}} {{% endfor %}}'\n",
        receiver.url("/hook")
    );
    let service = Service::start(&world, &configuration(&world, &remote, &notify));
    let first = receiver.wait_for("the first pass", |sent| sent.path == "/hook");
    assert_eq!(
        events(&first),
        ["merged [\"dev\"] 1.5.0".to_owned(), "proposed [\"prod\"] 1.5.0".to_owned()].into(),
        "one message for a pass: {first:?}"
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key of the hook");
    let signed = format!("{}.{}.{}", first.header("webhook-id"), first.header("webhook-timestamp"), first.body);
    let tag = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    assert_eq!(first.header("webhook-signature"), format!("v1,{tag}"));
    assert_eq!(first.json()["repository"], remote.folder.display().to_string());
    let slack = receiver.wait_for("for Slack", |sent| sent.path.starts_with("/slack")).json();
    let text = slack["text"].as_str().unwrap();
    assert!(text.contains("*proposed* in prod") && text.contains("1.4.0 → 1.5.0"), "{slack}");
    assert!(!text.contains("dev"), "only of prod: {slack}");

    // A person merges: what stood on the head branch is on the base.
    let head = remote.git(&["for-each-ref", "--format=%(refname)", "refs/heads/tagboat/prod"]);
    remote.git(&["update-ref", "refs/heads/main", &head]);
    pass(&service);
    let merged =
        receiver.wait_for("the merge", |sent| sent.path == "/hook" && events(sent).contains("merged [\"prod\"] 1.5.0"));
    assert_eq!(events(&merged).len(), 1, "{merged:?}");
    receiver.wait_for("for Slack", |sent| sent.path.starts_with("/slack") && sent.body.contains("*landed* in prod"));

    // What people do by commands is in Git, too.
    let url = remote.folder.display().to_string();
    let version = |tag: &str| format!("{}/acme/web:{tag}", world.registry.host());
    world
        .tagboat(&["hold", &version("1.6.0"), "--reason", "<!channel> [x](https://a.example)", "--repo", &url])
        .ended(0);
    world
        .tagboat(&["rollback", "dev", &version("1.5.0").replace(":1.5.0", ""), "--to", "1.4.0", "--repo", &url])
        .ended(0);
    pass(&service);
    let back = receiver.wait_for("the rollback", tells("rolledBack"));
    assert!(events(&back).contains("rolledBack [\"dev\"] 1.4.0"), "{back:?}");
    assert!(events(&back).contains("held [\"dev\"] 1.5.0"), "{back:?}");
    assert!(events(&back).contains("held [] 1.6.0"), "{back:?}");
    let teams = receiver.wait_for("for Teams", |sent| sent.path.starts_with("/teams")).json();
    let card = &teams["attachments"][0]["content"];
    assert_eq!((card["type"].as_str(), card["version"].as_str()), (Some("AdaptiveCard"), Some("1.4")), "{teams}");
    assert_eq!(card["body"][0]["text"].as_str().map(str::trim), Some("held: web 1.6.0 web 1.5.0"), "{teams}");

    // What fails is told once while it fails.
    world.registry.faults(|faults| faults.fails_from_page = Some((0, 404)));
    for _ in 0..3 {
        pass(&service);
    }
    let failed = receiver.wait_for("the failure", tells("\"failed\""));
    assert!(failed.json()["events"][0]["subject"].as_str().unwrap().ends_with("/acme/web"), "{failed:?}");
    assert_eq!(failed.json()["events"][0]["environments"], serde_json::json!(["dev", "prod"]), "{failed:?}");
    // Whatever comes now came after everything before it.
    world.tagboat(&["hold", &version("1.7.0"), "--repo", &url, "--reason", "x"]).ended(0);
    pass(&service);
    receiver.wait_for("the last hold", |sent| sent.path == "/hook" && sent.body.contains("1.7.0"));
    let ids = ids(&receiver, "/hook");
    assert!(is_once(&ids), "{ids:#?}");
    let sent = receiver.sent("/hook").len() as f64;
    let metrics = service.metrics();
    // The last one is counted once it is noted, which may still be under way.
    assert!(metrics["tagboat_notifications_total{channel=\"webhook\",result=\"sent\"}"] >= sent - 1.0, "{metrics:#?}");
}

#[test]
fn what_did_not_arrive_does_later_and_after_a_restart_and_nothing_comes_twice() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = promoting(&world);
    let receiver = Receiver::open();
    let configuration =
        configuration(&world, &remote, &format!("  - webhook: {{url: \"{}\"}}\n", receiver.url("/hook")));
    receiver.answer(Answer(503, String::new(), ""));
    let service = Service::start(&world, &configuration);
    let told = service.wait("a notification did not arrive; it is tried again");
    assert!(told["reason"].as_str().unwrap().contains("503"), "{told}");
    // Up again while it runs.
    receiver.answer(Answer(200, String::new(), ""));
    service.wait("notifications arrive again");
    let first = receiver.sent("/hook");
    assert!(first.len() >= 2 && first.iter().all(|sent| events(sent) == events(&first[0])), "{first:#?}");
    let id = |sent: &Sent| sent.header("webhook-id").to_owned();
    assert!(first.iter().all(|sent| id(sent) == id(&first[0])), "a message keeps its id: {first:#?}");

    // Down when something happens, and the service is killed before it is up again.
    receiver.answer(Answer(500, String::new(), ""));
    world.push("acme/web", "1.6.0");
    pass(&service);
    receiver.wait_for("the next version", tells("1.6.0"));
    drop(service);
    receiver.answer(Answer(204, String::new(), ""));
    let before = receiver.sent("/hook").len();
    let service = Service::start(&world, &configuration);
    service.wait("pass");
    receiver.wait_after(before, "told at last", tells("1.6.0"));
    // What was told is noted before the end.
    service.signal("-TERM");
    assert_eq!(service.end(), Some(0));

    // A restart with everything told says nothing again; what comes then is the proof.
    let service = Service::start(&world, &configuration);
    service.wait("pass");
    world.push("acme/web", "1.7.0");
    pass(&service);
    receiver.wait_for("the last version", tells("1.7.0"));
    let taken: Vec<Sent> = receiver.sent("/hook").split_off(before);
    let all: Vec<String> = taken.iter().flat_map(ids_of).collect();
    assert!(is_once(&all), "{taken:#?}");
    assert_eq!(all.len(), 4, "two versions land in dev and are proposed for prod: {taken:#?}");
}

fn ids_of(sent: &Sent) -> Vec<String> {
    let told = sent.json()["events"].as_array().unwrap().clone();
    told.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_waits_for_a_person_is_told_when_it_has_waited_for_long_and_a_repository_that_fails_when_it_goes_on_failing() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let prod = "  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n    gates: {manual: true}\n";
    let config = world.config() + prod;
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
    let remote = world.scratch.bare("manifests.git", &files);
    let receiver = Receiver::open();
    world.beside("key", "whsec_a2V5IG9mIHRoZSBob29r");
    let notify = format!(
        "  - webhook: {{url: \"{}\", secretFile: key}}\n    on: [waitingTooLong, passFailing]\n    waitingAfter: 1s\n",
        receiver.url("/hook")
    );
    let service = Service::start(&world, &configuration(&world, &remote, &notify));
    service.wait("pass");
    // It waits from the first pass that saw it; whichever pass comes after that second tells.
    while receiver.sent("/hook").is_empty() {
        pass(&service);
    }
    let told = receiver.sent("/hook");
    assert_eq!(events(&told[0]), ["waitingTooLong [\"prod\"] 1.5.0".to_owned()].into(), "{told:?}");
    pass(&service);
    assert_eq!(receiver.sent("/hook").len(), 1, "once as long as it waits");
    // The first two failures may be a moment's trouble; webhooks hasten the next ones, no sooner than ten seconds after each.
    let away = remote.folder.with_extension("away");
    std::fs::rename(&remote.folder, &away).unwrap();
    let failures: Vec<u64> = (0..3).map(|_| pass(&service)["failures"].as_u64().unwrap()).collect();
    assert_eq!(failures, [1, 2, 3]);
    let failing = receiver.wait_for("the failure", tells("passFailing"));
    assert!(failing.body.contains("3 in a row"), "{failing:?}");
    let ids = ids(&receiver, "/hook");
    assert!(ids.len() == 2 && is_once(&ids), "{ids:?}");
}
