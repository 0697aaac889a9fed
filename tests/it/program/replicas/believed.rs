//! What replicas believe of each other: what they learnt of registries, and nothing that somebody else puts there.

use std::time::Instant;

use async_nats::jetstream;
use futures_util::StreamExt;

use crate::program::replicas::Fleet;
use crate::program::serve::PATIENCE;
use crate::support::receiver::Receiver;

/// Runs something as another client of the server.
fn as_client<T>(fleet: &Fleet, talk: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(fleet.nats.address().to_string()).await.unwrap();
        talk(jetstream::new(client)).await
    })
}

/// Waits until the lists of so many images are left for others: that is a moment after their passes.
fn lists_are_left(fleet: &Fleet, count: usize) {
    let ends = Instant::now() + PATIENCE;
    as_client(fleet, async |context| {
        let bucket = context.get_key_value("tagboat-answers").await.unwrap();
        loop {
            let keys: Vec<String> = bucket.keys().await.unwrap().map(Result::unwrap).collect().await;
            if keys.iter().filter(|key| key.starts_with("pages/")).count() == count {
                return;
            }
            assert!(Instant::now() < ends, "nothing is left for others: {keys:?}");
        }
    });
}

#[test]
fn a_replica_with_an_empty_cache_starts_with_what_others_know() {
    let Some(mut fleet) = Fleet::begin(1) else { return };
    fleet.nats.start();
    fleet.world.registry.faults(|faults| faults.etags = true);
    let configuration = fleet.configuration("every 24h", "30s");
    let one = fleet.replica("one", &configuration);
    one.wait("pass");
    lists_are_left(&fleet, 1);
    one.signal("-TERM");
    assert_eq!(one.end(), Some(0));
    let before = fleet.world.registry.requests();
    let two = fleet.replica("two", &configuration);
    let pass = two.wait("pass");
    assert_eq!(pass["cause"], "start", "nobody else is there: {pass}");
    let after = fleet.world.registry.requests();
    assert_eq!((after.unchanged - before.unchanged, after.tags - before.tags), (1, 1), "the list is known to hold");
    two.signal("-TERM");
    assert_eq!(two.end(), Some(0));
    // Without the secret nothing of it counts, and nothing is left. It knows of no pass, and begins at once all the same.
    let plain = fleet.configuration("every 24h", "30s").replace(", secretFile: shared", "");
    let three = fleet.replica("three", &plain);
    three.wait("pass");
    let last = fleet.world.registry.requests();
    assert_eq!((last.unchanged - after.unchanged, last.tags - after.tags), (0, 1));
}

#[test]
fn what_anybody_else_puts_there_changes_nothing_that_is_decided() {
    let Some(mut fleet) = Fleet::begin(2) else { return };
    fleet.nats.start();
    fleet.world.registry.faults(|faults| faults.etags = true);
    let service = fleet.replica("one", &fleet.configuration("every 24h", "30s"));
    (0..2).for_each(|_| drop(service.wait("pass")));
    lists_are_left(&fleet, 2);
    let spoil = || {
        as_client(&fleet, async |context| {
            for what in ["rows", "limits", "answers"] {
                let bucket = context.get_key_value(format!("tagboat-{what}")).await.unwrap();
                let mut keys: Vec<String> = vec!["none".to_owned(), "a/b/c".to_owned()];
                let mut known = bucket.keys().await.unwrap();
                while let Some(key) = known.next().await {
                    keys.push(key.unwrap());
                }
                assert!(keys.len() > 2 || what == "limits", "{what} is empty");
                for key in keys {
                    // A value of another key, a form of the future, noise, and much of it.
                    for value in [b"tagboat 1\n".to_vec(), b"tagboat 9\n{}".to_vec(), vec![0; 100], vec![b'['; 500_000]]
                    {
                        bucket.put(&key, value.into()).await.unwrap();
                    }
                }
            }
            // Passes of nobody's repository, and one of a known one with words that are none.
            for subject in ["tagboat.pass.00", "tagboat.again.zz"] {
                let sent = context.publish(subject, "\u{1b}[31m".into()).await.unwrap();
                // The second time there is one already.
                drop(sent.await);
            }
        });
    };
    spoil();
    for number in 0..2 {
        fleet.push(number, "1.5.0");
        assert_eq!(service.post("/hooks/generic/hush", &fleet.hook(number)), 202);
    }
    let services = [service];
    (0..2).for_each(|number| fleet.wait_for(number, "1.5.0", &services));
    spoil();
    // A replica that comes now, and knows nothing of its own, believes the registries alone.
    let two = fleet.replica("two", &fleet.configuration("every 24h", "30s"));
    two.wait("what another replica tells of it cannot be believed");
    two.wait("passes are shared with the other replicas");
    fleet.push(0, "1.6.0");
    assert_eq!(two.post("/hooks/generic/hush", &fleet.hook(0)), 202);
    fleet.wait_for(0, "1.6.0", &services);
    assert_eq!(
        (fleet.landed(0), fleet.landed(1)),
        (vec!["1.5.0".to_owned(), "1.6.0".to_owned()], vec!["1.5.0".to_owned()])
    );
}

#[test]
fn what_one_replica_has_told_no_other_tells_again() {
    let Some(mut fleet) = Fleet::begin(1) else { return };
    fleet.nats.start();
    let receiver = Receiver::open();
    fleet.world.beside("key", "whsec_a2V5IG9mIHRoZSBob29r");
    let notify = format!("notify:\n  - webhook: {{url: \"{}\", secretFile: key}}\n", receiver.url("/hook"));
    let configuration = fleet.configuration("every 24h", "30s") + &notify;
    fleet.push(0, "1.5.0");
    let one = fleet.replica("one", &configuration);
    receiver.wait_for("the first version", |sent| sent.body.contains("1.5.0"));
    one.signal("-TERM");
    assert_eq!(one.end(), Some(0));
    // Another one, whose cache is empty, sees the same in Git.
    let services = [fleet.replica("two", &configuration), fleet.replica("three", &configuration)];
    services.iter().for_each(|service| drop(service.wait("passes are shared with the other replicas")));
    for (service, tag) in services.iter().zip(["1.6.0", "1.7.0"]) {
        fleet.push(0, tag);
        assert_eq!(service.post("/hooks/generic/hush", &fleet.hook(0)), 202);
        receiver.wait_for("the next version", |sent| sent.body.contains(&format!("\"{tag}\"")));
    }
    let events = receiver.sent("/hook").into_iter().flat_map(|sent| sent.json()["events"].as_array().unwrap().clone());
    let told: Vec<String> = events.map(|event| event["to"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(told, ["1.5.0", "1.6.0", "1.7.0"]);
}

#[test]
fn what_a_registry_asked_one_replica_to_wait_no_other_asks() {
    let Some(mut fleet) = Fleet::begin(1) else { return };
    fleet.nats.start();
    // Longer than a pass may take, and once: whoever asked again would be answered.
    fleet.world.registry.faults(|faults| faults.statuses = vec![(429, Some("3000".to_owned()))]);
    let configuration = fleet.configuration("every 24h", "30s");
    let one = fleet.replica("one", &configuration);
    let pass = one.wait("pass");
    assert_eq!(pass["result"], "partial", "{pass}");
    let ends = Instant::now() + PATIENCE;
    as_client(&fleet, async |context| {
        let bucket = context.get_key_value("tagboat-limits").await.unwrap();
        while bucket.keys().await.unwrap().next().await.is_none() {
            assert!(Instant::now() < ends, "the others are told nothing");
        }
    });
    let before = fleet.world.registry.requests();
    let two = fleet.replica("two", &configuration);
    two.wait("passes are shared with the other replicas");
    one.signal("-TERM");
    assert_eq!(one.end(), Some(0));
    assert_eq!(two.post("/hooks/generic/hush", &fleet.hook(0)), 202);
    let told = two.wait_for_line("patience", |line| {
        line["reason"].as_str().is_some_and(|text| text.contains("asked for patience"))
    });
    assert_eq!(told["level"], "WARN", "{told}");
    let after = fleet.world.registry.requests();
    assert_eq!((after.tags, after.heads), (before.tags, before.heads), "it is not asked by anybody");
}
