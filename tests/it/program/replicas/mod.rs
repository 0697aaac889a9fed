//! Several replicas of the real program over a real `nats-server`: work is shared, taken over, and never lost.

mod believed;
mod logins;
mod returned;
mod storm;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::program::serve::{PATIENCE, Service, row};
use crate::program::{World, commits, config, deployment};
use crate::support::nats_server::NatsServer;
use crate::support::repository::Repository;

/// Repositories that follow an image each, and the server that replicas share.
struct Fleet {
    world: World,
    nats: NatsServer,
    repositories: Vec<Repository>,
}

impl Fleet {
    /// Begins with images at `1.4.0`; `None` where there is no server to be had.
    fn begin(repositories: usize) -> Option<Self> {
        Self::begin_with(repositories, |_| String::new())
    }

    /// The same with further lines of the server's configuration, made with a folder at hand.
    fn begin_with(repositories: usize, further: impl FnOnce(&World) -> String) -> Option<Self> {
        let world = World::new();
        let nats = NatsServer::prepare(&world.scratch.path(""), &further(&world))?;
        world.beside("hook", "hush\n");
        world.beside("shared", "what the replicas know\n");
        let host = world.registry.host();
        let repository = |number: usize| {
            world.push(&image(number), "1.4.0");
            let web = deployment(&format!("{host}/{}:1.4.0", image(number)));
            let files = [(".tagboat.yaml", config(&host)), ("dev/web.yaml", web)];
            let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
            world.scratch.bare(&format!("manifests-{number}.git"), &files)
        };
        let repositories = (0..repositories).map(repository).collect();
        Some(Self { world, nats, repositories })
    }

    /// Returns a configuration for all of them.
    fn configuration(&self, schedule: &str, lease: &str) -> String {
        let nats = format!("url: \"nats://{}\", lease: {lease}, secretFile: shared", self.nats.address());
        self.configuration_with(schedule, &nats)
    }

    /// Returns one that says this of the server.
    fn configuration_with(&self, schedule: &str, nats: &str) -> String {
        let rows: String = self.repositories.iter().map(row).collect();
        format!(
            "schedule: {schedule}\nwebhooks: [{{source: generic, secretFile: hook}}]\n\
             queue: {{nats: {{{nats}}}}}\nrepositories:\n{rows}"
        )
    }

    /// Starts a replica with a cache and mirrors of its own.
    fn replica(&self, name: &str, configuration: &str) -> Service {
        let cache = self.world.scratch.path(&format!("cache-{name}")).display().to_string();
        let variables = [("XDG_CACHE_HOME", cache.as_str()), ("HOSTNAME", name)];
        Service::start_as(&self.world, name, configuration, &variables, &["--log-format", "json"])
    }

    /// Starts three.
    fn replicas(&self, configuration: &str) -> Vec<Service> {
        ["one", "two", "three"].iter().map(|name| self.replica(name, configuration)).collect()
    }

    fn push(&self, number: usize, tag: &str) {
        self.world.push(&image(number), tag);
    }

    /// Returns the body of a webhook about an image.
    fn hook(&self, number: usize) -> String {
        format!("{{\"image\": \"{}/{}\"}}", self.world.registry.host(), image(number))
    }

    /// Whether a repository runs a version.
    fn runs(&self, number: usize, tag: &str) -> bool {
        let text = self.repositories[number].show("main", "dev/web.yaml");
        String::from_utf8(text).unwrap().contains(&format!("{}:{tag} ", image(number)))
    }

    /// Waits until a repository runs a version.
    #[track_caller]
    fn wait_for(&self, number: usize, tag: &str, services: &[Service]) {
        let ends = Instant::now() + PATIENCE;
        while !self.runs(number, tag) {
            if Instant::now() > ends {
                let lines: Vec<Vec<Value>> = services.iter().map(Service::lines).collect();
                panic!("{tag} does not land in {number}: {lines:#?}");
            }
            rest();
        }
    }

    /// Gathers what the logs tell of passes, until so many have ended.
    #[track_caller]
    fn gather(count: usize, told: &mut Vec<Told>, services: &[Service]) {
        let ends = Instant::now() + PATIENCE;
        while told.len() < count {
            assert!(Instant::now() < ends, "{count} passes do not come: {told:#?}");
            services.iter().for_each(|service| told.extend(passes(&service.lines())));
            rest();
        }
    }

    /// Returns the versions that landed in a repository, in order.
    fn landed(&self, number: usize) -> Vec<String> {
        let log = self.repositories[number].git(&["log", "--reverse", "--format=%s", "main"]);
        log.lines().filter_map(|subject| Some(subject.rsplit_once(" to ")?.1.to_owned())).collect()
    }
}

/// Leaves the processor to others before a condition is looked at again.
fn rest() {
    std::thread::park_timeout(Duration::from_millis(20));
}

fn image(number: usize) -> String {
    format!("acme/web{number}")
}

/// A pass as a log tells of it.
#[derive(Debug, Clone)]
struct Told {
    repository: String,
    cause: String,
    result: String,
    began: Timestamp,
    ended: Timestamp,
}

/// Returns the passes among lines.
fn passes(lines: &[Value]) -> Vec<Told> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let told = |line: &Value| {
        let began: Timestamp = line["began"].as_str()?.parse().ok()?;
        let took = SignedDuration::from_millis(line["milliseconds"].as_i64()?);
        let (repository, cause, result) = (text(line, "repository"), text(line, "cause"), text(line, "result"));
        Some(Told { repository, cause, result, began, ended: began.checked_add(took).ok()? })
    };
    lines.iter().filter(|line| line["message"] == "pass").filter_map(told).collect()
}

/// Fails the test if two passes of a repository ran at the same time.
#[track_caller]
fn never_two_at_once(passes: &[Told]) {
    let mut by_repository: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for pass in passes {
        by_repository.entry(&pass.repository).or_default().push(pass);
    }
    for rows in by_repository.values_mut() {
        rows.sort_by_key(|pass| pass.began);
        for pair in rows.windows(2) {
            assert!(pair[0].ended <= pair[1].began, "two passes at once: {pair:#?}");
        }
    }
}

#[test]
fn a_pass_runs_once_whoever_asks_for_it() {
    let Some(mut fleet) = Fleet::begin(5) else { return };
    fleet.nats.start();
    (0..5).for_each(|number| fleet.push(number, "1.5.0"));
    let services = fleet.replicas(&fleet.configuration("every 24h", "30s"));
    services.iter().for_each(|service| drop(service.wait("passes are shared with the other replicas")));
    // A pass that moved its branch looks once more: what comes now comes after all that.
    let mut told = Vec::new();
    Fleet::gather(5, &mut told, &services);
    (0..5).for_each(|number| fleet.wait_for(number, "1.5.0", &services));
    // Each of them takes webhooks about all.
    for (number, service) in services.iter().enumerate() {
        fleet.push(number, "1.6.0");
        assert_eq!(service.post("/hooks/generic/hush", &fleet.hook(number)), 202);
    }
    (0..3).for_each(|number| fleet.wait_for(number, "1.6.0", &services));
    Fleet::gather(8, &mut told, &services);
    let ready = |service: &Service| service.get("/readyz");
    services.iter().for_each(|service| assert_eq!(ready(service), (200, "ready\n".to_owned())));
    for service in &services {
        let metrics = service.metrics();
        assert_eq!(metrics["tagboat_queue_available"], 1.0);
        assert_eq!(metrics["tagboat_passes_taken_over_total"], 0.0);
        // Whoever ran it: each knows that it went well.
        for repository in &fleet.repositories {
            let url = repository.folder.display();
            let series = format!("tagboat_last_success_timestamp_seconds{{repository=\"{url}\"}}");
            assert!(metrics.contains_key(&series), "{series}: {metrics:#?}");
        }
        assert!(service.get("/passes").1.contains("manifests-4"), "the board lists what others ran");
    }
    services.iter().for_each(|service| service.signal("-TERM"));
    for service in services {
        told.extend(passes(&service.until_stopped()));
        assert_eq!(service.code(), Some(0));
    }
    never_two_at_once(&told);
    let count = |cause: &str| told.iter().filter(|pass| pass.cause == cause).count();
    assert_eq!((count("start"), count("webhook"), count("schedule")), (5, 3, 0), "{told:#?}");
    for number in 0..5 {
        let expected: &[&str] = if number < 3 { &["1.5.0", "1.6.0"] } else { &["1.5.0"] };
        assert_eq!(fleet.landed(number), expected);
    }
}

#[test]
fn the_schedule_is_kept_by_all_together_and_not_by_each() {
    let Some(mut fleet) = Fleet::begin(2) else { return };
    fleet.nats.start();
    let began = Instant::now();
    let services = fleet.replicas(&fleet.configuration("every 1s", "30s"));
    let mut told: Vec<Told> = Vec::new();
    let scheduled = |told: &[Told]| told.iter().filter(|pass| pass.cause == "schedule").count();
    while scheduled(&told) < 6 {
        assert!(began.elapsed() < PATIENCE, "{told:#?}");
        services.iter().for_each(|service| told.extend(passes(&service.lines())));
        rest();
    }
    never_two_at_once(&told);
    // The next moment counts from when a pass began, wherever that was.
    for repository in &fleet.repositories {
        let url = repository.folder.display().to_string();
        let mut rows: Vec<&Told> = told.iter().filter(|pass| pass.repository == url).collect();
        rows.sort_by_key(|pass| pass.began);
        for pair in rows.windows(2).filter(|pair| pair[1].cause == "schedule") {
            let between = pair[1].began.duration_since(pair[0].began);
            assert!(between >= SignedDuration::from_secs(1), "{pair:#?}");
        }
    }
}

#[test]
fn a_webhook_that_comes_while_the_pass_runs_is_followed_by_another_whoever_took_it() {
    let Some(mut fleet) = Fleet::begin(1) else { return };
    fleet.nats.start();
    let (began, go) = (fleet.world.pipe("began"), fleet.world.pipe("go"));
    let script = format!("#!/bin/sh\necho > '{}'\nread line < '{}'\n", began.display(), go.display());
    fleet.repositories[0].hook("pre-receive", &script);
    fleet.push(0, "1.5.0");
    let services = fleet.replicas(&fleet.configuration("every 24h", "30s"));
    services.iter().for_each(|service| drop(service.wait("passes are shared with the other replicas")));
    drop(std::fs::read(&began).unwrap());
    // It has seen the tags by now, and is about to push.
    fleet.push(0, "1.6.0");
    for service in &services {
        (0..5).for_each(|_| assert_eq!(service.post("/hooks/generic/hush", &fleet.hook(0)), 202));
    }
    std::fs::write(&go, "on\n").unwrap();
    drop(std::fs::read(&began).unwrap());
    std::fs::write(&go, "on\n").unwrap();
    fleet.wait_for(0, "1.6.0", &services);
    assert_eq!(fleet.landed(0), ["1.5.0", "1.6.0"]);
}

#[test]
fn a_pass_whose_replica_was_killed_is_taken_over() {
    let Some(mut fleet) = Fleet::begin(1) else { return };
    fleet.nats.start();
    let (began, go) = (fleet.world.pipe("began"), fleet.world.pipe("go"));
    let script = format!("#!/bin/sh\necho > '{}'\nread line < '{}'\n", began.display(), go.display());
    fleet.repositories[0].hook("pre-receive", &script);
    fleet.push(0, "1.5.0");
    let configuration = fleet.configuration("every 24h", "2s");
    let mut first = fleet.replica("one", &configuration);
    drop(std::fs::read(&began).unwrap());
    let second = fleet.replica("two", &configuration);
    second.wait("passes are shared with the other replicas");
    first.kill();
    // What its push was at ends with it, and changes nothing.
    fleet.repositories[0].hook("pre-receive", "#!/bin/sh\n");
    second.wait("a pass is taken over: whoever began it fell silent");
    std::fs::write(&go, "on\n").unwrap();
    let pass = second.wait("pass");
    assert_eq!(pass["result"], "done", "{pass}");
    assert_eq!(fleet.landed(0), ["1.5.0"]);
    assert_eq!(second.metrics()["tagboat_passes_taken_over_total"], 1.0);
}

#[test]
fn without_the_server_each_goes_on_alone_and_says_so_until_it_is_back() {
    let Some(mut fleet) = Fleet::begin(2) else { return };
    (0..2).for_each(|number| fleet.push(number, "1.5.0"));
    let services: Vec<Service> = fleet.replicas(&fleet.configuration("every 1s", "1s"));
    for service in &services {
        let alone = service.wait("the other replicas cannot be reached: this one goes on alone");
        assert_eq!(alone["level"], "ERROR", "{alone}");
        service.wait("pass");
        let (status, text) = service.get("/readyz");
        assert!(status == 200 && text.contains("goes on alone"), "{status} {text}");
        assert_eq!(service.metrics()["tagboat_queue_available"], 0.0);
    }
    // Double work is harmless: whoever comes second finds it done, or that the branch has moved.
    for tag in ["1.6.0", "1.7.0", "1.8.0"] {
        (0..2).for_each(|number| fleet.push(number, tag));
        (0..2).for_each(|number| fleet.wait_for(number, tag, &services));
    }
    fleet.nats.start();
    for service in &services {
        service.wait("passes are shared with the other replicas");
        assert_eq!(service.get("/readyz"), (200, "ready\n".to_owned()));
        assert_eq!(service.metrics()["tagboat_queue_available"], 1.0);
    }
    (0..2).for_each(|number| fleet.push(number, "1.9.0"));
    (0..2).for_each(|number| fleet.wait_for(number, "1.9.0", &services));
    fleet.nats.kill();
    for service in &services {
        service.wait("the other replicas cannot be reached");
        service.wait("the other replicas cannot be reached: this one goes on alone");
    }
    (0..2).for_each(|number| fleet.push(number, "1.10.0"));
    (0..2).for_each(|number| fleet.wait_for(number, "1.10.0", &services));
    for (number, repository) in fleet.repositories.iter().enumerate() {
        assert_eq!(fleet.landed(number), ["1.5.0", "1.6.0", "1.7.0", "1.8.0", "1.9.0", "1.10.0"]);
        assert_eq!(commits(repository), 7);
    }
}

#[test]
fn a_server_that_lost_its_store_is_filled_again() {
    let Some(mut fleet) = Fleet::begin(1) else { return };
    fleet.nats.start();
    let services = [fleet.replica("one", &fleet.configuration("every 24h", "30s"))];
    services[0].wait("pass");
    fleet.nats.kill();
    services[0].wait("the other replicas cannot be reached");
    std::fs::remove_dir_all(fleet.world.scratch.path("nats-store")).unwrap();
    fleet.push(0, "1.5.0");
    assert_eq!(services[0].post("/hooks/generic/hush", &fleet.hook(0)), 202, "it is taken, and kept for later");
    fleet.nats.start();
    services[0].wait("passes are shared with the other replicas");
    fleet.wait_for(0, "1.5.0", &services);
}
