//! The long story: tags appear while replicas and the server are killed at random.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::commits;
use crate::program::replicas::{Fleet, never_two_at_once, passes, rest};
use crate::program::serve::Service;

/// How many versions of each image appear.
const VERSIONS: usize = 8;

/// How many repositories there are.
const REPOSITORIES: usize = 6;

/// How long a version may take to land everywhere, with a replica killed before and a server restarted.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks any of the replicas that are there to look at an image.
fn hasten(services: &[Service], number: usize, body: &str) {
    let alive = &services[number % services.len()];
    assert_eq!(alive.post("/hooks/generic/hush", body), 202);
}

#[test]
fn every_version_lands_once_and_in_order_whoever_is_killed() {
    let Some(mut fleet) = Fleet::begin(REPOSITORIES) else { return };
    fleet.nats.start();
    let configuration = fleet.configuration("every 20s", "5s");
    let mut services = fleet.replicas(&configuration);
    let names = ["one", "two", "three"];
    let mut random = fastrand::Rng::with_seed(7);
    let mut sure = Vec::new();
    let (mut lines, mut kills, mut restarts): (Vec<Value>, usize, usize) = (Vec::new(), 0, 0);
    let versions: Vec<String> = (0..VERSIONS).map(|version| format!("1.{}.0", version + 5)).collect();
    for (round, tag) in versions.iter().enumerate() {
        for number in 0..REPOSITORIES {
            fleet.push(number, tag);
            hasten(&services, random.usize(..3), &fleet.hook(number));
            // Anywhere between the webhook and the push of the commit.
            if random.usize(..4) == 0 {
                let victim = random.usize(..3);
                lines.extend(services[victim].lines());
                services[victim].kill();
                lines.extend(services[victim].lines());
                services[victim] = fleet.replica(names[victim], &configuration);
                kills += 1;
            }
        }
        if round % 4 == 2 {
            fleet.nats.stop();
            fleet.nats.start();
            restarts += 1;
        }
        if round == VERSIONS - 2 {
            // Killed, it may forget what it gave to whom, and give it twice: nothing may come of that.
            services.iter().for_each(|service| lines.extend(service.lines()));
            sure = passes(&lines);
            fleet.nats.kill();
            fleet.nats.start();
        }
        let ends = Instant::now() + PATIENCE;
        while !(0..REPOSITORIES).all(|number| fleet.runs(number, tag)) {
            services.iter().for_each(|service| lines.extend(service.lines()));
            assert!(Instant::now() < ends, "{tag} has not landed everywhere: {lines:#?}");
            rest();
        }
    }
    assert!(kills > 5 && restarts > 1, "{kills} kills, {restarts} restarts");
    for (number, repository) in fleet.repositories.iter().enumerate() {
        assert_eq!(fleet.landed(number), versions, "{number}");
        assert_eq!(commits(repository), VERSIONS + 1);
    }
    services.iter().for_each(|service| service.signal("-TERM"));
    for service in &services {
        lines.extend(service.until_stopped());
    }
    let told = passes(&lines);
    let mut results: BTreeMap<&str, usize> = BTreeMap::new();
    for pass in &told {
        *results.entry(&pass.result).or_default() += 1;
    }
    assert_eq!(results.keys().copied().collect::<Vec<_>>(), ["done"], "{told:#?}");
    // Nobody was alone: then there is never a second pass of a repository.
    assert!(!lines.iter().any(|line| line["message"].as_str().is_some_and(|text| text.ends_with("goes on alone"))));
    never_two_at_once(&sure);
    println!("{} passes, {kills} kills, {restarts} restarts", told.len());
}
