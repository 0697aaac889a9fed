//! Where an image stands in several places: what each may take of the environment before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tagboat::git::Remote;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::outcome::{Finding, Outcome};
use tagboat::pass::elsewhere::Neighbour;
use tagboat::pass::run::Mode;
use tagboat::pass::{check, elsewhere, setup, view};

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, on_plain_git};

const WEB: &str = "ghcr.io/acme/web";

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{tag}\n")
}

/// A remote whose `dev` moves by hand alone, and `prod` after it.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new((dev, prod): (&str, &str), gates: &str, files: &[(&str, &str)]) -> Self {
        let config = format!(
            "version: 1\nimages: [{{match: ghcr.io/acme/*, semver: 1.x}}]\nenvironments:\n  - {{name: dev, files: [{dev}], \
             gates: {{manual: true}}}}\n  - {{name: prod, files: [{prod}], after: dev, publish: commit, gates: {{{gates}}}}}\n"
        );
        let texts: Vec<(&str, String)> = files.iter().map(|(file, tag)| (*file, manifest(tag))).collect();
        let mut all = vec![(".tagboat.yaml", config.as_str())];
        all.extend(texts.iter().map(|(file, text)| (*file, text.as_str())));
        let tags = MemoryTags::default();
        tags.set(WEB, ["1.3.0", "1.4.0", "1.5.0", "1.6.0", "2.0.0"]);
        Self { remote: Arc::new(MemoryRemote::with(&all)), tags }
    }

    async fn pass(&self, now: &str) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let outcome = Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }.pass(Mode::Act).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    fn runs(&self, file: &str) -> String {
        self.remote.file(file).trim_end().rsplit(':').next().unwrap().to_owned()
    }

    fn write(&self, time: &str, file: &str, tag: &str) {
        self.remote.edit(time, "By hand", &[(file, Some(&manifest(tag)))]);
    }
}

#[tokio::test]
async fn places_are_told_by_what_wildcards_stand_for_within_a_name() {
    let files = [
        ("apps/shop-dev.yaml", "1.5.0"),
        ("apps/blog-dev.yaml", "1.6.0"),
        ("apps/shop-prod.yaml", "1.4.0"),
        ("apps/blog-prod.yaml", "1.4.0"),
    ];
    let scene = Scene::new(("apps/*-dev.yaml", "apps/*-prod.yaml"), "", &files);
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(["apps/shop-prod.yaml", "apps/blog-prod.yaml"].map(|file| scene.runs(file)), ["1.5.0", "1.6.0"]);
}

#[tokio::test]
async fn each_place_soaks_by_its_own_counterpart_also_where_a_digest_stands_there_alone() {
    let files = [
        ("dev/shop/web.yaml", "1.4.0"),
        ("dev/blog/web.yaml", "1.5.0"),
        ("prod/shop/web.yaml", "1.3.0"),
        ("prod/blog/web.yaml", "1.6.0"),
    ];
    let scene = Scene::new(BY_FOLDER, "soak: 1h", &files);
    scene.write("2026-11-20T08:00:00Z", "dev/shop/web.yaml", "1.5.0");
    scene.write("2026-11-20T08:00:30Z", "dev/blog/web.yaml", "1.6.0");
    scene.write("2026-11-20T08:20:00Z", "dev/blog/web.yaml", "1.5.0");
    scene.write("2026-11-20T08:30:00Z", "dev/blog/web.yaml", "1.6.0");
    scene.pass("2026-11-20T09:10:00Z").await;
    assert_eq!(["shop", "blog"].map(|place| scene.runs(&format!("prod/{place}/web.yaml"))), ["1.5.0", "1.6.0"]);

    let pinned = |tag: &str| format!("{tag}@sha256:{}", "a".repeat(64));
    let files = [("dev/web.yaml", "1.4.0"), ("prod/web.yaml", "1.4.0")];
    let scene = Scene::new(BY_FOLDER, "soak: 1h", &files);
    scene.write("2026-11-20T08:00:00Z", "dev/web.yaml", &pinned("1.5.0"));
    scene.pass("2026-11-20T08:59:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.4.0", "it soaks yet");
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.5.0");
}

const LITERAL: (&str, &str) = ("dev/shop/*.yaml, dev/blog/*.yaml", "prod/shop/*.yaml, prod/blog/*.yaml");

const BY_FOLDER: (&str, &str) = ("dev/**", "prod/**");

#[tokio::test]
async fn a_place_that_the_globs_do_not_tell_from_another_one_waits() {
    for (there, here) in [
        // Two places there and two here are called alike.
        (["dev/shop/web.yaml", "dev/blog/web.yaml"], ["prod/shop/web.yaml", "prod/blog/web.yaml"]),
        (["dev/blog/web.yaml", "dev/shop/web.yaml"], ["prod/shop/web.yaml", "prod/blog/web.yaml"]),
        // One there, and two here.
        (["dev/shop/web.yaml", "dev/shop/x.yaml"], ["prod/shop/web.yaml", "prod/blog/web.yaml"]),
        // Two there, and one here.
        (["dev/shop/web.yaml", "dev/blog/web.yaml"], ["prod/shop/web.yaml", "prod/blog/y.yaml"]),
    ] {
        let files = [(there[0], "1.5.0"), (there[1], "1.6.0"), (here[0], "1.4.0"), (here[1], "1.4.0")];
        let scene = Scene::new(LITERAL, "", &files);
        let outcome = scene.pass("2026-11-20T09:00:00Z").await;
        assert_eq!(here.map(|file| scene.runs(file)), ["1.4.0"; 2], "{there:?} {here:?}");
        let says = "stands for prod/";
        assert!(outcome.skipped.iter().any(|row| row.reason.contains(says)), "{:?}", outcome.skipped);
    }
    // Where the environment before runs one version, places make no difference.
    let files = [("dev/shop/web.yaml", "1.5.0"), ("dev/blog/web.yaml", "1.5.0"), ("prod/shop/web.yaml", "1.4.0")];
    let scene = Scene::new(LITERAL, "", &files);
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.runs("prod/shop/web.yaml"), "1.5.0");
}

#[tokio::test]
async fn what_was_introduced_at_another_place_does_not_come() {
    let files = [
        ("dev/shop/web.yaml", "1.5.0"),
        ("dev/blog/web.yaml", "1.4.0"),
        ("prod/shop/web.yaml", "1.3.0"),
        ("prod/blog/web.yaml", "1.3.0"),
    ];
    let scene = Scene::new(BY_FOLDER, "soak: {for: 1h, count: introduced}", &files);
    scene.write("2026-11-20T08:00:00Z", "dev/blog/web.yaml", "1.6.0");
    scene.pass("2026-11-20T08:30:00Z").await;
    assert_eq!(scene.runs("prod/blog/web.yaml"), "1.4.0", "what stood at its own counterpart before counts on");
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.runs("prod/shop/web.yaml"), "1.5.0");
    assert_eq!(scene.runs("prod/blog/web.yaml"), "1.6.0");
}

#[tokio::test]
async fn what_may_not_come_here_lets_an_earlier_one_through_where_the_introduction_counts() {
    let files = [("dev/web.yaml", "1.4.0"), ("prod/web.yaml", "1.4.0")];
    let scene = Scene::new(BY_FOLDER, "soak: {for: 1h, count: introduced}", &files);
    scene.write("2026-11-20T08:00:00Z", "dev/web.yaml", "1.5.0");
    scene.write("2026-11-20T08:30:00Z", "dev/web.yaml", "2.0.0");
    scene.pass("2026-11-20T08:59:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.4.0", "it soaks yet");
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.5.0");
    let outcome = scene.pass("2026-11-20T10:00:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.5.0");
    assert!(outcome.skipped.iter().any(|row| row.reason.contains("2.0.0, which the environment before it runs")));

    // Where only what runs counts, nothing comes.
    let scene = Scene::new(BY_FOLDER, "soak: 1h", &files);
    scene.write("2026-11-20T07:00:00Z", "dev/web.yaml", "1.5.0");
    scene.write("2026-11-20T08:30:00Z", "dev/web.yaml", "2.0.0");
    scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.4.0");
    // What was taken back does not come either.
    let scene = Scene::new(BY_FOLDER, "soak: {for: 1h, count: introduced}", &files);
    scene.write("2026-11-20T07:00:00Z", "dev/web.yaml", "1.5.0");
    scene.write("2026-11-20T07:30:00Z", "dev/web.yaml", "1.4.0");
    scene.write("2026-11-20T08:30:00Z", "dev/web.yaml", "2.0.0");
    scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!(scene.runs("prod/web.yaml"), "1.4.0");
}

/// Writes a pod whose containers have names, in this order.
fn containers(containers: &[(&str, &str)]) -> String {
    let container = |(name, tag): &(&str, &str)| format!("  - name: {name}\n    image: {WEB}:{tag}\n");
    let all: String = containers.iter().map(container).collect();
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n{all}")
}

/// Writes values of a chart, in this order.
fn values(keys: &[(&str, &str)]) -> String {
    let key = |(key, tag): &(&str, &str)| format!("{key}:\n  image: {{repository: {WEB}, tag: \"{tag}\"}}\n");
    keys.iter().map(key).collect()
}

/// Writes deployments, in this order: each of a namespace.
fn deployments(all: &[(&str, &str, &str)]) -> String {
    let one = |(name, namespace, tag): &(&str, &str, &str)| {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             template:\n    spec:\n      containers:\n      - name: app\n        image: {WEB}:{tag}\n"
        )
    };
    all.iter().map(one).collect()
}

/// Writes files as they are, over those of a scene.
fn rewrite(scene: &Scene, time: &str, files: &[(&str, &str)]) {
    let files: Vec<_> = files.iter().map(|(file, text)| (*file, Some(*text))).collect();
    scene.remote.edit(time, "By hand", &files);
}

fn one_file() -> Scene {
    Scene::new(BY_FOLDER, "", &[("dev/p.yaml", "1.4.0"), ("prod/p.yaml", "1.4.0")])
}

#[tokio::test]
async fn places_in_one_file_are_told_by_what_names_them_and_not_by_their_order() {
    type Written = fn(&[(&str, &str)]) -> String;
    for written in [containers as Written, values] {
        let scene = one_file();
        let dev = written(&[("stable", "1.5.0"), ("canary", "1.6.0")]);
        let prod = written(&[("canary", "1.4.0"), ("stable", "1.4.0")]);
        rewrite(&scene, "2026-11-20T08:00:00Z", &[("dev/p.yaml", &dev), ("prod/p.yaml", &prod)]);
        scene.pass("2026-11-20T09:00:00Z").await;
        assert_eq!(scene.remote.file("prod/p.yaml"), written(&[("canary", "1.6.0"), ("stable", "1.5.0")]));

        // One more in front shifts nothing, and waits itself.
        let scene = one_file();
        let prod = written(&[("extra", "1.4.0"), ("stable", "1.4.0"), ("canary", "1.4.0")]);
        rewrite(&scene, "2026-11-20T08:00:00Z", &[("dev/p.yaml", &dev), ("prod/p.yaml", &prod)]);
        let outcome = scene.pass("2026-11-20T09:00:00Z").await;
        let after = written(&[("extra", "1.4.0"), ("stable", "1.5.0"), ("canary", "1.6.0")]);
        assert_eq!(scene.remote.file("prod/p.yaml"), after);
        let says = "no place there stands for prod/p.yaml";
        assert!(outcome.skipped.iter().any(|row| row.reason.contains(says)), "{:?}", outcome.skipped);
    }
}

#[tokio::test]
async fn resources_in_one_file_are_told_by_name_and_by_namespace_where_names_are_alike() {
    for (dev, prod, after) in [
        // Namespaces are an environment's own.
        (
            [("web", "dev", "1.5.0"), ("canary", "dev", "1.6.0")],
            [("canary", "prod", "1.4.0"), ("web", "prod", "1.4.0")],
            [("canary", "prod", "1.6.0"), ("web", "prod", "1.5.0")],
        ),
        (
            [("web", "eu", "1.5.0"), ("web", "us", "1.6.0")],
            [("web", "us", "1.4.0"), ("web", "eu", "1.4.0")],
            [("web", "us", "1.6.0"), ("web", "eu", "1.5.0")],
        ),
        // Nobody can tell these apart.
        (
            [("web", "dev-eu", "1.5.0"), ("web", "dev-us", "1.6.0")],
            [("web", "prod-eu", "1.4.0"), ("web", "prod-us", "1.4.0")],
            [("web", "prod-eu", "1.4.0"), ("web", "prod-us", "1.4.0")],
        ),
    ] {
        let scene = one_file();
        let files = [("dev/p.yaml", &*deployments(&dev)), ("prod/p.yaml", &*deployments(&prod))];
        rewrite(&scene, "2026-11-20T08:00:00Z", &files);
        let outcome = scene.pass("2026-11-20T09:00:00Z").await;
        assert_eq!(scene.remote.file("prod/p.yaml"), deployments(&after), "{dev:?}");
        let is_told =
            outcome.skipped.iter().any(|row| row.reason.contains("which of its places stands for prod/p.yaml"));
        assert_eq!(is_told, prod == after, "{:?}", outcome.skipped);
    }
}

#[tokio::test]
async fn places_in_one_file_that_nothing_names_wait_where_they_differ_and_move_where_they_do_not() {
    let unnamed = |tags: &[&str]| {
        let container = |tag: &&str| format!("  - image: {WEB}:{tag}\n");
        format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{}", tags.iter().map(container).collect::<String>())
    };
    // Elsewhere it runs another version, so that places count.
    let files = [("dev/p.yaml", "1.4.0"), ("prod/p.yaml", "1.4.0"), ("dev/q.yaml", "1.3.0"), ("prod/q.yaml", "1.3.0")];
    for (dev, prod, after) in [
        (&["1.5.0", "1.6.0"][..], &["1.4.0", "1.4.0"][..], &["1.4.0", "1.4.0"][..]),
        (&["1.5.0", "1.6.0"], &["1.4.0", "1.4.0", "1.4.0"], &["1.4.0", "1.4.0", "1.4.0"]),
        (&["1.5.0", "1.5.0"], &["1.4.0", "1.4.0"], &["1.5.0", "1.5.0"]),
    ] {
        let scene = Scene::new(BY_FOLDER, "", &files);
        rewrite(&scene, "2026-11-20T08:00:00Z", &[("dev/p.yaml", &unnamed(dev)), ("prod/p.yaml", &unnamed(prod))]);
        let outcome = scene.pass("2026-11-20T09:00:00Z").await;
        assert_eq!(scene.remote.file("prod/p.yaml"), unnamed(after));
        let is_told =
            outcome.skipped.iter().any(|row| row.reason.contains("which of its places stands for prod/p.yaml"));
        assert_eq!(is_told, prod == after, "{:?}", outcome.skipped);
    }
}

#[tokio::test]
async fn a_container_keeps_its_history_when_it_is_moved_within_its_file() {
    let scene = Scene::new(BY_FOLDER, "soak: 1h", &[("dev/p.yaml", "1.4.0"), ("prod/p.yaml", "1.3.0")]);
    let prod = containers(&[("stable", "1.3.0"), ("canary", "1.6.0")]);
    let write = |time: &str, all: &[(&str, &str)]| rewrite(&scene, time, &[("dev/p.yaml", &containers(all))]);
    rewrite(&scene, "2026-11-20T05:00:00Z", &[("prod/p.yaml", &prod)]);
    write("2026-11-20T05:00:00Z", &[("stable", "1.4.0"), ("canary", "1.4.0")]);
    write("2026-11-20T06:00:00Z", &[("stable", "1.5.0"), ("canary", "1.4.0")]);
    write("2026-11-20T07:50:00Z", &[("stable", "1.5.0"), ("canary", "1.5.0")]);
    write("2026-11-20T08:00:00Z", &[("canary", "1.6.0"), ("stable", "1.5.0")]);
    scene.pass("2026-11-20T08:30:00Z").await;
    let after = containers(&[("stable", "1.5.0"), ("canary", "1.6.0")]);
    assert_eq!(scene.remote.file("prod/p.yaml"), after, "it has been there since six, and the other only since eight");
}

#[tokio::test]
async fn what_is_taken_back_in_a_container_that_is_moved_is_its_own_version() {
    let scene = Scene::new(BY_FOLDER, "", &[("dev/p.yaml", "1.3.0"), ("prod/p.yaml", "1.3.0")]);
    let prod = containers(&[("stable", "1.3.0"), ("canary", "1.3.0")]);
    let write = |time: &str, all: &[(&str, &str)]| rewrite(&scene, time, &[("dev/p.yaml", &containers(all))]);
    rewrite(&scene, "2026-11-20T05:00:00Z", &[("prod/p.yaml", &prod)]);
    write("2026-11-20T06:00:00Z", &[("stable", "1.5.0"), ("canary", "1.6.0")]);
    write("2026-11-20T08:00:00Z", &[("canary", "1.6.0"), ("stable", "1.4.0")]);
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.remote.file("prod/p.yaml"), containers(&[("stable", "1.4.0"), ("canary", "1.6.0")]));
}

#[tokio::test]
async fn a_version_that_is_held_for_one_place_stops_no_other_one() {
    let files = [
        ("dev/shop/web.yaml", "1.5.0"),
        ("dev/blog/web.yaml", "1.6.0"),
        ("prod/shop/web.yaml", "1.4.0"),
        ("prod/blog/web.yaml", "1.4.0"),
    ];
    let scene = Scene::new(BY_FOLDER, "", &files);
    let holds = format!("version: 1\nholds: [{{image: {WEB}, tag: 1.6.0}}]\n");
    rewrite(&scene, "2026-11-20T08:00:00Z", &[(".tagboat/holds.yaml", &holds)]);
    let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&scene.remote);
    let (now, publishing) = ("2026-11-20T09:00:00Z", on_plain_git());
    let dry = Passing { remote, tags: &scene.tags, now, publishing }.pass(Mode::DryRun).await;
    let is_told = |row: &tagboat::model::outcome::Skipped| row.reason.starts_with("in prod: 1.6.0 is held");
    assert!(dry.skipped.iter().any(is_told), "{:?}", dry.skipped);
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(["shop", "blog"].map(|place| scene.runs(&format!("prod/{place}/web.yaml"))), ["1.5.0", "1.4.0"]);
    let outcome = scene.pass("2026-11-20T10:00:00Z").await;
    let own = outcome.proposals.iter().find(|proposal| proposal.environment.as_str() == "prod").unwrap();
    assert_eq!(own.action, tagboat::model::proposal::Action::Held);
}

#[tokio::test]
async fn a_check_reads_each_file_of_another_repository_once() {
    let head = "version: 1\nimages: [{match: ghcr.io/acme/*, semver: 1.x}]\nenvironments:\n";
    let there = format!("{head}  - {{name: staging, files: [staging/**]}}\n");
    let web = manifest("1.4.0");
    let other = Arc::new(MemoryRemote::with(&[
        (".tagboat.yaml", &there),
        ("staging/a/web.yaml", &web),
        ("staging/b/web.yaml", &manifest("1.5.0")),
    ]));
    let url = "https://git.acme.example/acme/platform.git";
    let here =
        format!("{head}  - {{name: prod, files: [prod/**], after: {{repository: {url}, environment: staging}}}}\n");
    let shop = Arc::new(MemoryRemote::with(&[(".tagboat.yaml", &here), ("prod/a/web.yaml", &web)]));

    let main = || BranchName::from("main");
    let viewed = view::branch(shop, main()).unwrap();
    let mut config = viewed.config().unwrap();
    let branches = viewed.branches(&mut config);
    let open = |_: &str| {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&other);
        Ok(Neighbour { remote, branch: main(), publishing: on_plain_git() })
    };
    let others = elsewhere::view(&config, &open).await;
    let before = other.reads.load(Ordering::Relaxed);
    let (cache, limits) = (setup::no_cache(), Limits::default());
    let past = viewed.past.as_deref();
    let beside = (&branches, &others, None);
    let findings = check::check(&config, Some(".tagboat.yaml"), &*viewed.files, &cache, &limits, past, beside).unwrap();
    assert_eq!(other.reads.load(Ordering::Relaxed) - before, 3, "its configuration and two manifests");
    let told: Vec<_> = findings.iter().filter(|one| one.rule == "only-in-one").map(Finding::place).collect();
    assert_eq!(told, [Some(format!("{url}:staging/b/web.yaml"))], "{findings:?}");
}
