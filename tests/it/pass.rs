//! Whole passes in memory: from what stands in Git and in registries to the commits that come of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tagboat::cache::Cache;
use tagboat::clock::{FixedClock, SystemClock};
use tagboat::git::Remote;
use tagboat::manifest::Limits;
use tagboat::model::environment::{BranchName, EnvironmentName};
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::PassError;
use tagboat::pass::run::{Mode, Run, run};
use tagboat::pass::setup::no_cache;

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, on_plain_git};

const CONFIG: &str = "version: 1
images:
  - match: ghcr.io/acme/*
    semver: '>=1.0.0 <2.0.0'
environments:
  - name: dev
    files: [dev/**]
    publish: commit
  - name: staging
    files: [staging/**]
    after: dev
    publish: commit
  - name: prod
    files: [prod/**]
    after: staging
    publish: commit
";

fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - image: {image}\n"
    )
}

/// Three environments that run web 1.4.0, and a registry that holds up to 1.5.0 and 2.0.0.
fn scene() -> (Arc<MemoryRemote>, MemoryTags) {
    let web = deployment("ghcr.io/acme/web:1.4.0");
    let remote = MemoryRemote::with(&[
        (".tagboat.yaml", CONFIG),
        ("dev/web.yaml", &web),
        ("staging/web.yaml", &web),
        ("prod/web.yaml", &web),
        ("README.md", "image: ghcr.io/acme/web:1.4.0\n"),
    ]);
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.3.0", "1.4.0", "1.5.0", "2.0.0"]);
    (Arc::new(remote), tags)
}

async fn pass(remote: &Arc<MemoryRemote>, tags: &MemoryTags, mode: Mode) -> Result<Outcome, PassError> {
    pass_at("2026-11-20T09:00:00Z", remote, tags, mode).await
}

async fn pass_at(now: &str, remote: &Arc<MemoryRemote>, tags: &MemoryTags, mode: Mode) -> Result<Outcome, PassError> {
    let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(remote);
    run(&Run {
        remote,
        branch: &BranchName::from("main"),
        config: None,
        neighbours: &tagboat::pass::elsewhere::nobody,
        source: tags,
        sources: &crate::support::sources::none(),
        cache: &no_cache(),
        limits: &Limits::default(),
        now: now.parse().unwrap(),
        clock: &FixedClock(now.parse().unwrap()),
        publishing: on_plain_git(),
        detail: tagboat::pass::Detail::EveryTag,
        only: &[],
        mode,
        progress: &|_| {},
        read_config: &|_| {},
        turn: tagboat::pass::Turn::default(),
    })
    .await
}

#[tokio::test]
async fn a_new_tag_travels_through_every_environment_one_commit_each() {
    let (remote, tags) = scene();
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    for environment in ["dev", "staging", "prod"] {
        let file = remote.file(&format!("{environment}/web.yaml"));
        assert_eq!(file, deployment("ghcr.io/acme/web:1.5.0"), "{environment}");
    }
    let subjects: Vec<String> =
        remote.messages()[1..].iter().map(|message| message.lines().next().unwrap().to_owned()).collect();
    assert_eq!(subjects, ["dev: update web to 1.5.0", "staging: update web to 1.5.0", "prod: update web to 1.5.0"]);
    assert_eq!(outcome.commits.len(), 3);
    assert_eq!(outcome.changes.len(), 3);
    assert_eq!(outcome.errors, []);
    assert_eq!(remote.file("README.md"), "image: ghcr.io/acme/web:1.4.0\n");
}

#[tokio::test]
async fn a_second_pass_does_nothing_and_asks_for_no_manifest() {
    let (remote, tags) = scene();
    pass(&remote, &tags, Mode::Act).await.unwrap();
    let before = (remote.messages(), tags.lists_asked.load(Ordering::Relaxed));
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.messages(), before.0);
    assert_eq!((outcome.changes.len(), outcome.commits.len()), (0, 0));
    assert_eq!(tags.lists_asked.load(Ordering::Relaxed), before.1 + 1, "one list for each image and pass");
    assert_eq!(tags.facts_asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_dry_run_tells_the_first_step_and_writes_nothing() {
    let (remote, tags) = scene();
    let outcome = pass(&remote, &tags, Mode::DryRun).await.unwrap();
    assert_eq!(outcome.changes.iter().map(|change| change.environment.as_str()).collect::<Vec<_>>(), ["dev"]);
    assert_eq!(remote.messages(), ["first"]);
    let following: Vec<&str> = outcome.may_follow.iter().map(EnvironmentName::as_str).collect();
    assert_eq!(following, ["staging", "prod"], "{following:?}");
}

#[tokio::test]
async fn a_dry_run_tells_of_no_step_that_has_to_soak_first() {
    let following = async |publish: &str| {
        let (_, tags) = scene();
        let web = deployment("ghcr.io/acme/web:1.4.0");
        let soaks = format!("after: dev\n    publish: {publish}\n    gates: {{soak: 1h}}\n");
        let config = CONFIG.replacen("after: dev\n    publish: commit\n", &soaks, 1);
        assert_ne!(config, CONFIG);
        let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("staging/web.yaml", &web)];
        let remote = Arc::new(MemoryRemote::with(&[&files[..], &[("prod/web.yaml", &web)]].concat()));
        pass(&remote, &tags, Mode::DryRun).await.unwrap().may_follow
    };
    assert_eq!(following("commit").await, [], "nor does what comes after it");
    assert_eq!(following("pullRequest").await, ["staging".into()], "it is opened, and waits there");
}

#[tokio::test]
async fn a_lost_race_is_planned_again_and_loses_nobodys_work() {
    let (remote, tags) = scene();
    remote.let_rival_push("dev/rival.yaml", "theirs\n");
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.file("dev/rival.yaml"), "theirs\n");
    assert_eq!(remote.file("prod/web.yaml"), deployment("ghcr.io/acme/web:1.5.0"));
    assert_eq!(outcome.errors, []);
}

#[tokio::test]
async fn a_rival_who_did_the_same_leaves_nothing_to_do_twice() {
    let (remote, tags) = scene();
    remote.let_rival_push("dev/web.yaml", &deployment("ghcr.io/acme/web:1.5.0"));
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    let environments: Vec<&str> = outcome.commits.iter().map(|landed| landed.environment.as_str()).collect();
    assert_eq!(environments, ["staging", "prod"]);
}

#[tokio::test]
async fn a_branch_that_never_rests_ends_in_an_error_row() {
    let (remote, tags) = scene();
    for count in 0..10 {
        remote.let_rival_push("dev/rival.yaml", &format!("{count}\n"));
    }
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(outcome.commits, []);
    assert!(outcome.errors[0].reason.contains("moved 5 times"), "{:?}", outcome.errors);
}

#[tokio::test]
async fn a_push_that_is_forbidden_fails_with_the_remotes_words() {
    let (remote, tags) = scene();
    remote.forbid("protected branch");
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(outcome.changes, []);
    assert_eq!(outcome.proposals[0].action, Action::Failed);
    assert!(outcome.errors[0].reason.contains("protected branch"), "{:?}", outcome.errors);
}

#[tokio::test]
async fn one_registry_that_is_down_holds_up_only_its_own_images() {
    let config = CONFIG.replace("ghcr.io/acme/*", "'**'");
    let remote = Arc::new(MemoryRemote::with(&[
        (".tagboat.yaml", &config),
        ("dev/web.yaml", &deployment("ghcr.io/acme/web:1.4.0")),
        ("dev/db.yaml", &deployment("quay.io/acme/db:1.0.0")),
    ]));
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0"]);
    tags.break_image("quay.io/acme/db", "quay.io answered 503");
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.file("dev/web.yaml"), deployment("ghcr.io/acme/web:1.5.0"));
    assert_eq!(remote.file("dev/db.yaml"), deployment("quay.io/acme/db:1.0.0"));
    assert_eq!(outcome.errors.len(), 1);
    assert_eq!((&*outcome.errors[0].what, &*outcome.errors[0].reason), ("quay.io/acme/db", "quay.io answered 503"));
}

#[tokio::test]
async fn a_digest_moves_with_its_tag() {
    let old = MemoryTags::digest("ghcr.io/acme/web", "1.4.0");
    let new = MemoryTags::digest("ghcr.io/acme/web", "1.5.0");
    let (_, tags) = scene();
    let remote = Arc::new(MemoryRemote::with(&[
        (".tagboat.yaml", CONFIG),
        ("dev/web.yaml", &deployment(&format!("ghcr.io/acme/web:1.4.0@{old}"))),
    ]));
    pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.file("dev/web.yaml"), deployment(&format!("ghcr.io/acme/web:1.5.0@{new}")));
    let asked = tags.facts_asked.load(Ordering::Relaxed);
    pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(tags.facts_asked.load(Ordering::Relaxed), asked, "what did not move is not asked about");
}

#[tokio::test]
async fn a_moving_tag_is_followed_by_its_digest_from_the_first_pass_on() {
    let config = CONFIG.replace("semver: '>=1.0.0 <2.0.0'", "digest: latest");
    let web = deployment("ghcr.io/acme/web:latest");
    let remote = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]));
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.4.0", "latest"]);
    pass(&remote, &tags, Mode::Act).await.unwrap();
    let digest = MemoryTags::digest("ghcr.io/acme/web", "latest");
    assert_eq!(remote.file("dev/web.yaml"), deployment(&format!("ghcr.io/acme/web:latest@{digest}")));
    let before = remote.messages();
    pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.messages(), before);
}

#[tokio::test]
async fn without_configuration_a_run_refuses() {
    let remote = Arc::new(MemoryRemote::with(&[("web.yaml", &deployment("nginx:1.25"))]));
    let error = pass(&remote, &MemoryTags::default(), Mode::Act).await.unwrap_err();
    assert!(matches!(error, PassError::NotConfigured(_)), "{error}");
}

#[tokio::test]
async fn a_file_of_two_environments_stops_the_pass() {
    let config = CONFIG.replace("staging/**", "dev/w*");
    let remote = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &config), ("dev/web.yaml", "a: 1\n")]));
    let error = pass(&remote, &MemoryTags::default(), Mode::Act).await.unwrap_err();
    let PassError::Configuration(faults) = error else { panic!("{error}") };
    assert_eq!(
        faults.to_string(),
        ".tagboat.yaml:9:5: dev/web.yaml belongs to two environments, `dev` and `staging` (narrow the `files` of one of them)"
    );
    assert!(faults.render(false, 80).contains("9 |   - name: staging"), "{}", faults.render(false, 80));
}

#[tokio::test]
async fn nothing_is_pushed_unsigned_where_signatures_are_asked_for() {
    let config = format!("{CONFIG}commit: {{sign: ssh}}\n");
    let web = deployment("ghcr.io/acme/web:1.4.0");
    let remote = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]));
    let (_, tags) = scene();
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.messages(), ["first"]);
    assert_eq!(outcome.changes, []);
    assert!(outcome.proposals[0].reason.as_deref().unwrap_or_default().contains("unsigned"));
}

#[tokio::test]
async fn an_environment_by_pull_request_gets_its_branch_after_the_commits_of_others() {
    let config = CONFIG.replacen("after: dev\n    publish: commit", "after: dev\n    publish: pullRequest", 1);
    let web = deployment("ghcr.io/acme/web:1.4.0");
    let remote = Arc::new(MemoryRemote::with(&[
        (".tagboat.yaml", &config),
        ("dev/web.yaml", &web),
        ("staging/web.yaml", &web),
        ("prod/web.yaml", &web),
    ]));
    let (_, tags) = scene();
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(remote.file("dev/web.yaml"), deployment("ghcr.io/acme/web:1.5.0"));
    assert_eq!(remote.file("staging/web.yaml"), web);
    let actions: Vec<(&str, Action)> =
        outcome.proposals.iter().map(|proposal| (proposal.environment.as_str(), proposal.action)).collect();
    assert_eq!(actions, [("dev", Action::Committed), ("staging", Action::Opened)]);
    assert_eq!(remote.heads("tagboat/").unwrap().len(), 1);
}

#[tokio::test]
async fn a_place_that_the_configuration_names_is_kept_up_to_date() {
    let formats = "formats:
  - files: dev/versions.env
    regex: '^WEB=(?<image>[^:]+):(?<tag>.+)$'
  - files: ['dev/*.toml']
    path: $.images[*]
";
    let remote = MemoryRemote::with(&[
        (".tagboat.yaml", &format!("{CONFIG}{formats}")),
        ("dev/versions.env", "# about\nWEB=ghcr.io/acme/web:1.4.0\nOTHER=ghcr.io/acme/web:1.4.0\n"),
        ("dev/tool.toml", "images = ['ghcr.io/acme/web:1.4.0', \"x\"]\r\n"),
    ]);
    let tags = MemoryTags::default();
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0"]);
    let remote = Arc::new(remote);
    let outcome = pass(&remote, &tags, Mode::Act).await.unwrap();
    assert_eq!(outcome.errors, []);
    let env = "# about\nWEB=ghcr.io/acme/web:1.5.0\nOTHER=ghcr.io/acme/web:1.4.0\n";
    assert_eq!(remote.file("dev/versions.env"), env);
    assert_eq!(remote.file("dev/tool.toml"), "images = ['ghcr.io/acme/web:1.5.0', \"x\"]\r\n");
}

#[tokio::test]
async fn on_plain_git_nothing_is_merged_that_a_window_has_closed_for_since() {
    let gated = "files: [prod/**]\n    publish: autoMerge\n    gates: {windows: [{hours: \"08:00-10:00\"}]}";
    let config = CONFIG.replacen("files: [prod/**]\n    after: staging\n    publish: commit", gated, 1);
    let web = deployment("ghcr.io/acme/web:1.4.0");
    let remote = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &config), ("prod/web.yaml", &web)]));
    let (_, tags) = scene();
    let at =
        |now| Passing { remote: Arc::<MemoryRemote>::clone(&remote), tags: &tags, now, publishing: on_plain_git() };
    at("2026-11-20T09:00:00Z").pass(Mode::Act).await;
    assert_eq!(remote.heads("tagboat/").unwrap().len(), 1);
    let closed = FixedClock("2026-11-20T10:00:00Z".parse().unwrap());
    let outcome = at("2026-11-20T09:59:00Z").pass_by(&closed).await;
    let words = "the gate `windows` closed at 2026-11-20T10:00:00Z, while the pass ran: the next pass looks again";
    assert_eq!(outcome.proposals[0].reason.as_deref(), Some(words));
    assert_eq!(remote.file("prod/web.yaml"), web);
    at("2026-11-20T09:59:00Z").pass(Mode::Act).await;
    assert_eq!(remote.file("prod/web.yaml"), deployment("ghcr.io/acme/web:1.5.0"));
}

#[tokio::test]
async fn on_plain_git_what_is_merged_is_merged_though_its_branch_may_not_be_removed() {
    let config = CONFIG.replacen(
        "files: [prod/**]\n    after: staging\n    publish: commit",
        "files: [prod/**]\n    publish: autoMerge",
        1,
    );
    let web = deployment("ghcr.io/acme/web:1.4.0");
    let remote = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &config), ("prod/web.yaml", &web)]));
    let (_, tags) = scene();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache.db"), Arc::new(SystemClock));
    let at =
        |now| Passing { remote: Arc::<MemoryRemote>::clone(&remote), tags: &tags, now, publishing: on_plain_git() };
    at("2026-11-20T08:00:00Z").pass_with(&cache, Mode::Act).await;
    let (head, _) = remote.heads("tagboat/").unwrap().remove(0);
    remote.forbid_head(Some(head.as_str()));
    let outcome = at("2026-11-20T09:00:00Z").pass_with(&cache, Mode::Act).await;
    let words = format!("its branch could not be removed: nobody may push to {head}");
    let told = |outcome: &Outcome| -> Vec<_> {
        assert_eq!(outcome.errors, []);
        outcome.proposals.iter().map(|one| (one.action, one.reason.clone().unwrap_or_default())).collect()
    };
    assert_eq!(told(&outcome), [(Action::Merged, words)]);
    assert_eq!(remote.file("prod/web.yaml"), deployment("ghcr.io/acme/web:1.5.0"));
    let outcome = at("2026-11-20T10:00:00Z").pass_with(&cache, Mode::Act).await;
    assert_eq!((told(&outcome), outcome.skipped[0].what.as_str()), (Vec::new(), head.as_str()));
    // Something newer stands on the same branch.
    remote.forbid_head(None);
    tags.set("ghcr.io/acme/web", ["1.4.0", "1.5.0", "1.6.0"]);
    let outcome = at("2026-11-20T11:00:00Z").pass_with(&cache, Mode::Act).await;
    assert_eq!(told(&outcome).iter().map(|one| one.0).collect::<Vec<_>>(), [Action::Updated]);
    at("2026-11-20T12:00:00Z").pass_with(&cache, Mode::Act).await;
    assert_eq!(remote.file("prod/web.yaml"), deployment("ghcr.io/acme/web:1.6.0"));
    assert_eq!(remote.heads("tagboat/").unwrap(), []);
}
