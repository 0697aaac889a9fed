//! What the benches measure: generated input, always the same, and the work on it.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "each bench uses its part; a bench may stop on a surprise"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tagboat::forge::plain::Plain;
use tagboat::git::Remote;
use tagboat::manifest::{self, Limits, Surroundings};
use tagboat::model::decision::{Decided, Origin, Question};
use tagboat::model::environment::BranchName;
use tagboat::model::file::RepoPath;
use tagboat::model::history::Past;
use tagboat::model::observation::Observation;
use tagboat::model::policy::{Policy, Select, Step};
use tagboat::model::site::Value;
use tagboat::model::tags::ImageTags;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};

use self::memory::{MemoryRemote, MemoryTags};

pub(crate) mod github;
#[path = "../../tests/it/support/memory.rs"]
mod memory;

/// A Kubernetes file of many documents, some megabytes long.
pub(crate) fn large_file(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 2048);
    let mut number = 0;
    while text.len() < bytes {
        number += 1;
        text.push_str(&config_map(number));
        text.push_str(&deployment(&format!("ghcr.io/acme/app-{}", number % 50), "1.4.0", number));
    }
    text
}

fn config_map(number: usize) -> String {
    let mut text = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{number}\ndata:\n");
    for key in 0..10 {
        let _infallible = writeln!(text, "  key-{key}: \"value {key} of {number}\" # a comment");
    }
    text
}

fn deployment(image: &str, tag: &str, number: usize) -> String {
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  labels: {{app.kubernetes.io/name: app-{number}, app.kubernetes.io/version: \"{tag}\"}}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: app-{number}
  template:
    metadata:
      labels:
        app: app-{number}
    spec:
      containers:
        - name: app
          image: {image}:{tag}
          ports: [{{containerPort: 8080}}]
          env:
            - name: LOG_LEVEL
              value: info
          resources:
            limits: {{cpu: 500m, memory: 256Mi}}
"
    )
}

/// Scans one file and returns how many references it holds.
pub(crate) fn scan(text: &str) -> usize {
    let path = RepoPath::new("all.yaml").unwrap();
    let surroundings = Surroundings::new(std::iter::once("all.yaml"));
    manifest::scan(&path, text.as_bytes(), &surroundings, &Limits::default()).sites.len()
}

/// A list of so many tags as busy repositories have: releases, candidates, variants, hashes, dates.
pub(crate) fn tag_list(count: usize) -> Vec<String> {
    (0..count)
        .map(|index| {
            let (major, minor, patch) = (index / 5000, index / 50 % 100, index / 5 % 10);
            match index % 5 {
                0 => format!("{major}.{minor}.{patch}"),
                1 => format!("{major}.{minor}.{patch}-alpine"),
                2 => format!("v{major}.{minor}.{patch}-rc.1"),
                3 => format!("sha-{index:07x}"),
                _ => format!("main-202601{:02}-{index:07x}", index % 28 + 1),
            }
        })
        .collect()
}

/// What a decision over one list needs.
pub(crate) fn decision_over(tags: &[String]) -> (Observation, Vec<Question>) {
    let list = tags.iter().map(String::as_str).collect();
    let image: tagboat::model::image::ImageName = "ghcr.io/acme/web".parse().unwrap();
    let images = BTreeMap::from([(image.clone(), Ok(Arc::new(ImageTags { list, ..ImageTags::default() })))]);
    let question = Question {
        image,
        environment: "prod".into(),
        policy: Arc::new(Policy::new(Select::Step(Step::Minor))),
        current: Value { tag: Some("1.2.3".parse().unwrap()), digest: None },
        sites: vec![0],
        origin: Origin::Registry,
    };
    let pasts = BTreeMap::from([(("prod".into(), question.image.clone()), Ok(Past::default()))]);
    (Observation { images, pasts, ..Observation::default() }, vec![question])
}

/// Decides, and returns how many tags were rejected.
pub(crate) fn decide((observation, questions): &(Observation, Vec<Question>)) -> usize {
    let Decided { decisions, .. } = tagboat::decide::decide(observation, questions);
    decisions.iter().map(|decision| decision.rejected.len()).sum()
}

/// A repository of so many manifests in memory, and a registry with a newer tag of every image.
pub(crate) fn repository(manifests: usize) -> (Arc<dyn Remote>, MemoryTags) {
    let images = manifests.div_ceil(4).max(1);
    let config = "version: 1
images: [{match: 'ghcr.io/acme/*', semver: minor}]
environments:
  - {name: dev, files: [dev/**], publish: commit}
  - {name: prod, files: [prod/**], publish: pullRequest}
";
    let mut files = vec![(".tagboat.yaml".to_owned(), config.to_owned())];
    for number in 0..manifests {
        let environment = if number % 2 == 0 { "dev" } else { "prod" };
        let text = deployment(&format!("ghcr.io/acme/app-{}", number % images), "1.4.0", number);
        files.push((format!("{environment}/app-{number}.yaml"), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let tags = MemoryTags::default();
    for image in 0..images {
        let newer: Vec<String> = (0..30).map(|minor| format!("1.{minor}.0")).collect();
        tags.set(&format!("ghcr.io/acme/app-{image}"), newer.iter().map(String::as_str));
    }
    (Arc::new(MemoryRemote::with(&files)), tags)
}

/// Runs a whole pass that stops before it writes, and returns how many changes it found.
pub(crate) fn pass(remote: &Arc<dyn Remote>, tags: &MemoryTags) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(run(&Run {
        publishing: Publishing::Forge(Arc::new(Plain::at(String::new(), "srv/git/gitops".to_owned()))),
        remote: Arc::clone(remote),
        branch: &BranchName::from("main"),
        config: None,
        neighbours: &tagboat::pass::elsewhere::nobody,
        source: tags,
        sources: &tagboat::source::Sources::none("nothing is asked", Arc::new(tagboat::clock::SystemClock)),
        cache: &tagboat::pass::setup::no_cache(),
        limits: &Limits::default(),
        now: "2026-11-20T09:00:00Z".parse().unwrap(),
        clock: &tagboat::clock::FixedClock("2026-11-20T09:00:00Z".parse().unwrap()),
        detail: tagboat::pass::Detail::EveryTag,
        only: &[],
        mode: Mode::DryRun,
        progress: &|_| {},
        read_config: &|_| {},
        turn: tagboat::pass::Turn::default(),
    }));
    outcome.unwrap().changes.len()
}
