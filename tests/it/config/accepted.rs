//! What well-formed files mean.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::civil::Weekday;
use tagboat::config::environment::Environment;
use tagboat::config::repository::{self, Repository};
use tagboat::config::service::words::ProxyText;
use tagboat::config::service::{self, RegistryAuth, RepositoryAuth, Schedule, SecretPlace};
use tagboat::model::environment::{Environments, Predecessor, Publish};
use tagboat::model::gate::{FreezeEdge, GateName, GateSpec, SoakCount};
use tagboat::model::image::ImageName;
use tagboat::model::policy::Pin;

use super::ROOT;

fn example(file: &str) -> Vec<u8> {
    fs::read(Path::new(ROOT).join("config").join(file)).unwrap()
}

fn parse(text: &str) -> Repository {
    repository::parse("f.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn reads_every_part_of_the_example() {
    let read = repository::parse("f.yaml", &example("tagboat.example.yaml")).unwrap();
    let web: ImageName = "ghcr.io/acme/web".parse().unwrap();
    let rule = read.rules.of(&web).unwrap();
    assert_eq!((rule.line, rule.column), (8, 5));
    assert_eq!(rule.policy.to_string(), "semver >=1.4.0 <2.0.0");
    assert_eq!(rule.policy.pin, Pin::Digest);
    assert_eq!(rule.policy.min_age, Some(SignedDuration::from_hours(2)));
    assert_eq!(rule.policy.platforms.len(), 2);
    assert_eq!(rule.policy.ignore.len(), 1);
    assert!(rule.policy.tags.is_some() && rule.policy.verify.is_some());
    assert_eq!(read.groups.of(&web).unwrap().name, "shop");
    let names: Vec<&str> = read.environments.0.iter().map(|environment| environment.name.as_str()).collect();
    assert_eq!(names, ["dev", "staging", "canary", "prod"]);
    let [dev, staging, canary, prod] = &read.environments.0[..] else { panic!("four environments") };
    assert_eq!((dev.publish, dev.after.len()), (Publish::Commit, 0));
    assert!(dev.files.matches("envs/dev/a/b.yaml") && !dev.files.matches("envs/prod/a.yaml"));
    assert_eq!(staging.after, [Predecessor::Here("dev".into())]);
    assert_eq!(staging.on_failure.as_ref().unwrap().within, SignedDuration::from_mins(30));
    assert!(matches!(&canary.after[..], [Predecessor::Elsewhere { .. }]));
    let gates: Vec<GateName> = prod.gates.iter().map(GateSpec::name).collect();
    let all = [GateName::Soak, GateName::Windows, GateName::Freezes, GateName::Query, GateName::Http];
    assert_eq!(gates[..5], all);
    assert_eq!(prod.gates[0], GateSpec::Soak { time: SignedDuration::from_hours(24), count: SoakCount::Introduced });
    let GateSpec::Windows(windows) = &prod.gates[1] else { panic!("windows") };
    assert_eq!(windows[0].days, [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday]);
    assert_eq!(windows[0].start.hour(), 9);
    let GateSpec::Freezes(freezes) = &prod.gates[2] else { panic!("freezes") };
    assert!(matches!(freezes[0].from, FreezeEdge::Day(day) if day.day() == 20));
    assert_eq!(read.formats.len(), 2);
    assert_eq!(read.commit.author.email, "ship@acme.example");
    assert_eq!(read.commit.trailers[0].0, "Ticket");
    assert_eq!(read.pull_request.labels, ["dependencies"]);
}

#[test]
fn without_environments_one_holds_all_files() {
    let read = parse("version: 1\n");
    assert_eq!(read.environments, Environments::single(Publish::PullRequest), "nothing is committed unasked");
    assert!(read.rules.0.is_empty() && read.inactive.is_empty());
    assert_eq!(read.environments.of(None, "any/file.yaml").unwrap().name.as_str(), "default");
}

#[test]
fn every_part_of_the_example_acts() {
    assert_eq!(repository::parse("f.yaml", &example("tagboat.example.yaml")).unwrap().inactive, []);
}

#[test]
fn windows_cross_midnight_and_the_weekend() {
    let read = parse(
        "version: 1\nenvironments: [{name: a, files: a, gates: {windows: [{days: [fri-sun, \"mon, fri\"], \
         hours: \"22:00-24:00\"}, {hours: \"23:00-01:00\"}]}}]\n",
    );
    let GateSpec::Windows(windows) = &read.environments.0[0].gates[0] else { panic!("windows") };
    assert_eq!(windows[0].days, [Weekday::Monday, Weekday::Friday, Weekday::Saturday, Weekday::Sunday]);
    assert_eq!((windows[0].start.hour(), windows[0].end), (22, None));
    assert_eq!((windows[1].days.len(), windows[1].end.unwrap().hour()), (7, 1));
}

#[test]
fn an_alias_stands_for_a_whole_value() {
    let read = parse(
        "version: 1\nenvironments:\n- {name: a, files: a, gates: &g {soak: 1h}}\n- {name: b, files: b, after: a, gates: *g}\n",
    );
    assert_eq!(read.environments.0[0].gates, read.environments.0[1].gates);
}

#[test]
fn versions_keep_their_text_without_quotes() {
    let read = parse("version: 1\nimages: [{match: nginx, semver: 1.20}]\n");
    assert_eq!(read.rules.0[0].policy.to_string(), "semver 1.20");
}

#[test]
fn reads_the_service_and_resolves_its_paths() {
    let read = service::parse("/etc/tagboat/service.yaml", &example("service.example.yaml")).unwrap();
    assert!(matches!(&read.schedule, Schedule::Cron { cron, .. } if cron.0 == "*/5 * * * *"));
    assert_eq!(read.resolve(read.cache.as_ref().unwrap()), PathBuf::from("/etc/tagboat/tagboat.db"));
    let repositories = read.require_repositories().unwrap();
    assert_eq!(repositories.len(), 5);
    assert!(matches!(repositories[0].auth, Some(RepositoryAuth::GithubApp { id: 1, installation: Some(2), .. })));
    assert!(
        matches!(&repositories[1].auth, Some(RepositoryAuth::Token(SecretPlace::Variable(name))) if name.0 == "ACME_GITLAB_TOKEN")
    );
    assert_eq!(read.registries[0].auth, Some(RegistryAuth::DockerConfig(None)));
    assert_eq!(read.registries[0].timeouts.connect, Some(SignedDuration::from_secs(5)));
    assert!(read.registries.last().unwrap().insecure);
    assert_eq!(read.limits.max_file_size, Some(16 * 1024 * 1024));
    assert_eq!((read.sources.len(), read.notify.len(), read.webhooks.len()), (2, 3, 2));
}

#[test]
fn a_service_needs_repositories_only_to_serve() {
    let read = service::parse("s.yaml", b"version: 1\nschedule: every 90s\n").unwrap();
    assert_eq!(read.schedule, Schedule::Every(SignedDuration::from_secs(90)));
    assert_eq!(
        read.require_repositories().unwrap_err().to_string(),
        "s.yaml: `serve` needs `repositories` (name one: `repositories: [{url: …}]`)"
    );
}

#[test]
fn the_process_environment_can_be_captured() {
    assert!(Environment::capture().path().is_some());
}

#[test]
fn reads_every_way_to_reach_a_registry() {
    let text = "version: 1
registries:
  - {host: docker.io, mirror: Harbor.example/hub/}
  - {host: quay.io, mirror: {at: 'mirror.example:5000', fallback: true}, proxy: none, vendor: quay}
  - {host: ghcr.io, proxy: 'http://proxy.example:3128', clientCertFile: a.pem, clientKeyFile: b.pem}
  - {host: registry.example, proxy: environment}
";
    let service = service::parse("folder/service.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let mirrors: Vec<String> = service
        .registries
        .iter()
        .filter_map(|registry| registry.mirror.as_ref())
        .map(|mirror| format!("{} {:?} {}", mirror.at.host, mirror.at.path, mirror.fallback))
        .collect();
    assert_eq!(mirrors, ["harbor.example \"hub\" false", "mirror.example:5000 \"\" true"]);
    let proxies: Vec<&ProxyText> = service.registries.iter().map(|registry| &registry.proxy).collect();
    let url = ProxyText::Url("http://proxy.example:3128".to_owned());
    assert_eq!(proxies, [&ProxyText::Environment, &ProxyText::Never, &url, &ProxyText::Environment]);
    assert_eq!(service.registries[1].vendor, Some("quay"));
    let own = service.registries[2].client_certificate.as_ref().unwrap();
    assert_eq!(service.resolve(&own.key_file), PathBuf::from("folder/b.pem"));
}

#[test]
fn no_head_branch_may_be_called_longer_than_a_forge_takes() {
    let text = |prefix: usize, environment: usize| {
        let (prefix, environment) = ("p".repeat(prefix - 1), "e".repeat(environment));
        format!(
            "version: 1\nenvironments:\n- {{name: a, files: \"a/**\"}}\n- {{name: {environment}, files: \"b/**\"}}\npullRequest: \
             {{branchPrefix: {prefix}/}}\n"
        )
    };
    // With `refs/heads/` before it, a group of one letter and the `+` of a branch aside, 255 bytes.
    for (prefix, environment) in [(8, 100), (141, 100), (190, 51)] {
        parse(&text(prefix, environment));
    }
    for (prefix, environment) in [(142, 100), (190, 52)] {
        let faults = repository::parse("f.yaml", text(prefix, environment).as_bytes()).unwrap_err();
        let [fault] = faults.0.as_slice() else { panic!("{faults:?}") };
        assert!(fault.message.contains("longer than the 243 bytes"), "{fault:?}");
        assert!(fault.position.is_some_and(|at| at.line == 4), "{fault:?}");
    }
    let grouped =
        |group: usize| format!("{}groups:\n- {{name: {}, images: [\"**\"]}}\n", text(100, 100), "g".repeat(group));
    parse(&grouped(42));
    let faults = repository::parse("f.yaml", grouped(43).as_bytes()).unwrap_err();
    let [fault] = faults.0.as_slice() else { panic!("{faults:?}") };
    assert!(fault.message.contains("of the group ggg") && fault.position.is_some_and(|at| at.line == 4), "{fault:?}");
}

#[test]
fn one_environment_before_is_enough_where_any_is_written() {
    let text = |after: &str| {
        format!(
            "version: 1\nenvironments:\n- {{name: eu, files: eu/**}}\n- {{name: us, files: us/**}}\n\
             - {{name: prod, files: prod/**, after: {after}}}\n"
        )
    };
    let read = parse(&text("{any: [eu, us, {repository: https://git.example/a/b, environment: c}]}"));
    let prod = &read.environments.0[2];
    let names: Vec<&str> = prod.after.iter().map(|before| before.name().as_str()).collect();
    assert_eq!((prod.after_any, names), (true, vec!["eu", "us", "c of https://git.example/a/b"]));
    assert!(!parse(&text("[eu, us]")).environments.0[2].after_any);
    for (after, message) in [
        ("[]", "`after` names no environment"),
        ("{any: []}", "`any` names no environment"),
        ("[eu, {any: [us]}]", "`any` stands beside other environments"),
        ("{any: [asia]}", "no environment is named `asia`"),
        ("[eu, eu]", "`after` names `eu` twice"),
        ("{any: [eu, us, eu]}", "`after` names `eu` twice"),
        ("{any: [prod]}", "environments wait for each other: prod after prod"),
        ("{any: [eu], environment: us}", "`environment` goes with `repository`, which is not there"),
        ("{repository: https://git.example/a/b}", "which environment of that repository is not said"),
        ("{environment: eu}", "`after`"),
    ] {
        let faults = repository::parse("f.yaml", text(after).as_bytes()).unwrap_err();
        assert!(faults.0.iter().any(|fault| fault.message.contains(message)), "{after}: {faults:?}");
        assert!(faults.0.iter().all(|fault| fault.position.is_some_and(|at| at.line == 5)), "{after}: {faults:?}");
    }
}
