//! Environments that live on branches of their own, on real repositories with dated commits.

use serde_json::Value;

use crate::program::{Ran, World};
use crate::support::repository::Repository;

/// `dev` on `main`, `staging` and `prod` on branches, all of which have the same path.
struct Scene {
    world: World,
    remote: Repository,
    people: Repository,
}

fn config(host: &str, staging: &str, prod: &str) -> String {
    format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: dev\n    files: [apps/**]\n    \
         publish: commit\n    branch: main\n  - name: staging\n    branch: env/staging\n    files: [apps/**]\n    after: dev\n{staging}  - name: prod\n    \
         branch: prod\n    files: [apps/**]\n    after: staging\n{prod}"
    )
}

const COMMIT: &str = "    publish: commit\n";

impl Scene {
    fn new(staging: &str, prod: &str, tags: &[&str]) -> Self {
        let world = World::with_web(tags);
        let (config, web) = (config(&world.registry.host(), staging, prod), world.deployment("acme/web:1.4.0"));
        let remote = world.scratch.bare("manifests.git", &[(".tagboat.yaml", &config), ("apps/web.yaml", &web)]);
        let people = Repository { folder: world.scratch.path("people") };
        let (from, to) = (remote.folder.display().to_string(), people.folder.display().to_string());
        remote.git(&["clone", "--quiet", &from, &to]);
        for branch in ["env/staging", "prod"] {
            // A branch of an environment needs no configuration, and holds what is nobody's business.
            people.git(&["checkout", "--quiet", "-b", branch, "main"]);
            people.git(&["rm", "--quiet", ".tagboat.yaml"]);
            people.commit_files(&[("other/web.yaml", &world.deployment("acme/other:1.0.0"))], "Begin", 2);
            people.git(&["push", "--quiet", "origin", branch]);
        }
        people.git(&["checkout", "--quiet", "main"]);
        Self { world, remote, people }
    }

    fn run(&self, code: i32) -> Ran {
        self.world.run_on(&self.remote, &[]).ended(code)
    }

    fn call(&self, arguments: &[&str]) -> Ran {
        let url = self.remote.folder.display().to_string();
        self.world.tagboat(&[arguments, &["--repo", &url, "--branch", "main"]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.call(&[arguments, &["--output", "json"]].concat()).ended(0).json()
    }

    /// Returns the tag that a branch runs.
    fn runs(&self, branch: &str) -> String {
        let text = String::from_utf8(self.remote.show(branch, "apps/web.yaml")).unwrap();
        text.split("  #").next().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    fn all(&self) -> [String; 3] {
        ["main", "env/staging", "prod"].map(|branch| self.runs(branch))
    }

    /// Lets a person write a version on a branch and push it.
    fn write(&self, branch: &str, text: &str, day: u8) {
        self.people.git(&["fetch", "--quiet", "origin"]);
        self.people.git(&["checkout", "--quiet", "-B", branch, &format!("origin/{branch}")]);
        self.people.commit_files(&[("apps/web.yaml", text)], "By hand", day);
        self.people.git(&["push", "--quiet", "origin", branch]);
    }

    fn web(&self, tag: &str) -> String {
        self.world.deployment(&format!("acme/web:{tag}"))
    }

    fn image(&self) -> String {
        format!("{}/acme/web", self.world.registry.host())
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_version_goes_from_branch_to_branch_each_with_its_own_commit() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    let ran = scene.run(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.5.0"], "{ran:?}");
    for (branch, environment) in [("main", "dev"), ("env/staging", "staging"), ("prod", "prod")] {
        let message = scene.remote.git(&["log", "-1", "--format=%B", branch]);
        assert!(message.contains(&format!("Tagboat-Environment: {environment}\n")), "{branch}: {message}");
        let changed = scene.remote.git(&["show", "--format=", "--name-only", branch]);
        assert_eq!(changed, "apps/web.yaml", "{branch}");
    }
    let tips = || scene.remote.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let before = tips();
    let again = scene.run(0);
    assert_eq!(tips(), before, "{again:?}");
    let other = String::from_utf8(scene.remote.show("prod", "other/web.yaml")).unwrap();
    assert!(other.contains("acme/other:1.0.0"), "{other}");
    assert!(!words(&ran.out).contains("other"), "{ran:?}");
}

#[test]
fn what_is_held_on_the_base_while_a_pass_pushes_to_one_branch_does_not_come_to_another() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    // All of them take their versions from the registry, and the first one to land lets somebody hold it for the others.
    let config = config(&scene.world.registry.host(), COMMIT, COMMIT)
        .replace("    after: dev\n", "")
        .replace("    after: staging\n", "");
    let hold = format!("version: 1\nholds:\n  - image: {}\n    tag: 1.5.0\n    environment: prod\n", scene.image());
    scene.people.commit_files(&[(".tagboat.yaml", &config)], "All at once", 2);
    scene.people.commit_files(&[("apps/web.yaml", &scene.web("1.5.0"))], "By hand", 2);
    scene.people.git(&["push", "--quiet", "origin", "main"]);
    scene.people.commit_files(&[(".tagboat/holds.yaml", &hold)], "Hold it", 3);
    scene.people.git(&["push", "--quiet", "origin", "HEAD:refs/ready/hold"]);
    scene.remote.hook(
        "post-receive",
        "#!/bin/sh\nwhile read -r old new name; do\n  [ \"$name\" != refs/heads/env/staging ] || git update-ref refs/heads/main \
         refs/ready/hold\ndone\n",
    );
    let ran = scene.run(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.4.0"], "{ran:?}");
}

#[test]
fn what_is_taken_back_on_one_branch_while_a_pass_pushes_to_another_goes_on_to_none() {
    // All of them run it but prod; staging, on a branch of its own, comes first, and prod comes after one of them.
    for (before, taken_back) in [("env/canary", "env/canary"), ("main", "main"), ("env/canary", "main")] {
        let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
        let canary =
            "  - name: canary\n    branch: env/canary\n    files: [apps/**]\n    after: dev\n    publish: commit\n";
        let prod = format!("    after: {}\n", if before == "main" { "dev" } else { "canary" });
        let config = config(&scene.world.registry.host(), COMMIT, COMMIT).replace("    after: staging\n", &prod);
        let config = config.replace("  - name: prod\n", &format!("{canary}  - name: prod\n"));
        scene.people.git(&["checkout", "--quiet", "-b", "env/canary", "env/staging"]);
        scene.people.commit_files(&[("apps/web.yaml", &scene.web("1.5.0"))], "By hand", 2);
        scene.people.git(&["push", "--quiet", "origin", "env/canary"]);
        scene.people.git(&["checkout", "--quiet", "main"]);
        let files = [(".tagboat.yaml", config.as_str()), ("apps/web.yaml", &scene.web("1.5.0"))];
        scene.people.commit_files(&files, "By hand", 2);
        scene.people.git(&["push", "--quiet", "origin", "main"]);
        scene.people.git(&["checkout", "--quiet", taken_back]);
        scene.people.commit_files(&[("apps/web.yaml", &scene.web("1.4.0"))], "Take it back", 3);
        scene.people.git(&["push", "--quiet", "origin", "HEAD:refs/ready/back"]);
        scene.remote.hook(
            "post-receive",
            &format!(
                "#!/bin/sh\nwhile read -r old new name; do\n  [ \"$name\" != refs/heads/env/staging ] || git update-ref \
                 refs/heads/{taken_back} refs/ready/back\ndone\n"
            ),
        );
        let ran = scene.run(0);
        assert_eq!((scene.runs("env/staging"), scene.runs("prod")), ("1.5.0".into(), "1.4.0".into()), "{ran:?}");
        assert_eq!(scene.runs(taken_back), "1.4.0", "{ran:?}");
    }
}

#[test]
fn pull_requests_stand_on_the_branch_of_their_environment_and_merge_into_it() {
    let scene = Scene::new("    publish: autoMerge\n", "    publish: pullRequest\n", &["1.4.0", "1.5.0"]);
    let ran = scene.run(0);
    let heads = || scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat"]);
    assert!(heads().contains("tagboat/staging/"), "{ran:?}");
    // The second pass merges what stands, and proposes it to the next.
    scene.run(0);
    scene.run(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.4.0"]);
    let left = heads();
    assert!(left.starts_with("tagboat/prod/") && left.lines().count() == 1, "{left}");
    let base = scene.remote.git(&["merge-base", &left, "prod"]);
    assert_eq!(base, scene.remote.tip("prod"));
    let before = scene.remote.tip(&left);
    scene.run(0);
    assert_eq!(scene.remote.tip(&left), before, "nothing is made anew");
    // A person merges; nothing of it is left.
    scene.remote.git(&["update-ref", "refs/heads/prod", &before]);
    scene.run(0);
    assert_eq!((heads(), scene.all()), (String::new(), ["1.5.0", "1.5.0", "1.5.0"].map(str::to_owned)));
}

#[test]
fn soak_and_take_backs_are_read_from_each_branch_s_own_line() {
    let scene =
        Scene::new("    publish: commit\n", "    publish: commit\n    gates: {soak: 1h}\n", &["1.4.0", "1.5.0"]);
    let ran = scene.run(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.4.0"]);
    assert!(words(&ran.out).contains("to go in staging"), "{ran:?}");
    // What was brought to staging long ago has soaked.
    scene.world.push("acme/web", "1.6.0");
    scene.write("main", &scene.web("1.6.0"), 5);
    scene.write("env/staging", &scene.web("1.6.0"), 6);
    scene.run(0);
    assert_eq!(scene.all(), ["1.6.0", "1.6.0", "1.4.0"], "a commit's old date shortens nothing");

    scene.write("env/staging", &scene.web("1.5.0"), 7);
    let ran = scene.run(0);
    assert_eq!(scene.all(), ["1.6.0", "1.5.0", "1.4.0"], "{ran:?}");
    assert!(words(&ran.out).contains("1.6.0 is held: in staging, A Person took it back to 1.5.0"), "{ran:?}");
}

#[test]
fn status_history_and_checks_see_every_branch() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    scene.run(0);
    let status = scene.json(&["status"]);
    for (row, branch) in status["environments"].as_array().unwrap().iter().zip(["main", "env/staging", "prod"]) {
        let image = &row["images"][0];
        assert_eq!(image["tag"], "1.5.0");
        assert_eq!(image["commit"].as_str(), Some(scene.remote.tip(branch).as_str()), "{row}");
    }
    let history = scene.json(&["history"]);
    let told: Vec<String> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                entry["kind"].as_str().unwrap(),
                entry["environment"].as_str().unwrap(),
                entry["to"]["tag"].as_str().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        told.iter().filter(|row| row.ends_with("1.5.0")).collect::<Vec<_>>(),
        ["promotion prod 1.5.0", "promotion staging 1.5.0", "update dev 1.5.0"],
        "{told:?}"
    );

    scene.write("prod", &scene.web("1.4.9"), 8);
    let status = scene.call(&["status"]).ended(0);
    assert!(words(&status.out).contains("1.4.9"), "{status:?}");
    let report = scene.json(&["report"]);
    let deployments = |at: usize| report["environments"][at]["deployments"].as_u64().unwrap();
    assert_eq!([0, 1, 2].map(deployments), [1, 1, 1], "{report}");
}

#[test]
fn a_checkout_is_planned_on_what_it_has_and_says_what_it_has_not() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    scene.write("main", &scene.web("1.5.0"), 3);
    scene.people.git(&["fetch", "--quiet", "origin"]);
    let folder = scene.people.folder.display().to_string();
    let plan = scene.world.tagboat(&["plan", &folder, "--output", "json"]).ended(0).json();
    let changes: Vec<&str> =
        plan["changes"].as_array().unwrap().iter().map(|row| row["environment"].as_str().unwrap()).collect();
    assert_eq!(changes, ["staging"], "{plan}");
    let explain = scene.world.tagboat(&["explain", &scene.image(), "-C", &folder, "-e", "staging", "--output", "json"]);
    assert_eq!(explain.ended(0).json()["explanations"][0]["chosen"], "1.5.0");

    // `update` writes the working tree, which those files are not in.
    let before = std::fs::read_to_string(scene.people.folder.join("apps/web.yaml")).unwrap();
    let updated = scene.world.tagboat(&["update", &folder]).ended(0);
    assert_eq!(std::fs::read_to_string(scene.people.folder.join("apps/web.yaml")).unwrap(), before);
    assert!(
        words(&updated.out).contains("its files are on the branch env/staging: `run` brings it there"),
        "{updated:?}"
    );

    let alone = scene.world.scratch.path("alone").display().to_string();
    scene.remote.git(&["clone", "--quiet", "--single-branch", &scene.remote.folder.display().to_string(), &alone]);
    let plan = scene.world.tagboat(&["plan", &alone]).ended(0);
    let told = words(&plan.out);
    assert!(told.contains("branch env/staging: this checkout does not have it: `git fetch origin"), "{plan:?}");
    let history = scene.world.tagboat(&["history", "-C", &alone]).ended(1);
    assert!(words(&history.err).contains("branch env/staging: this checkout does not have it"), "{history:?}");
    let explain = scene.world.tagboat(&["explain", &scene.image(), "-C", &alone, "-e", "prod"]).ended(2);
    assert!(words(&explain.err).contains("where this checkout does not reach: branch env/staging"), "{explain:?}");
    let found = scene.world.tagboat(&["check", &alone, "--output", "json"]).ended(0).json();
    let notes: Vec<&Value> =
        found["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == "unseen-branch").collect();
    assert_eq!(notes.len(), 2, "{found}");
    let whole = scene.world.tagboat(&["check", &folder, "--output", "json"]).ended(0).json();
    let rules: Vec<&str> =
        whole["findings"].as_array().unwrap().iter().map(|row| row["rule"].as_str().unwrap()).collect();
    assert!(!rules.contains(&"empty-environment") && !rules.contains(&"overlapping-environments"), "{whole}");
    assert!(!rules.contains(&"inactive") && !rules.contains(&"unseen-branch"), "{whole}");
}

#[test]
fn what_is_told_of_a_branch_is_laid_to_no_file_of_the_checkout() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    let api = scene.world.deployment("acme/api:1.4.0");
    scene.people.git(&["checkout", "--quiet", "env/staging"]);
    scene.people.commit_files(&[("apps/api.yaml", &api), ("apps/broken.yaml", &format!("a: [\n{api}"))], "By hand", 3);
    scene.people.git(&["push", "--quiet", "origin", "env/staging"]);
    scene.people.git(&["checkout", "--quiet", "main"]);
    let folder = scene.people.folder.display().to_string();
    let shown = |command: &str, output: &str, code| {
        scene.world.tagboat(&[command, &folder, "--output", output]).ended(code).out
    };
    let told = shown("check", "text", 0);
    assert!(words(&told).contains("env/staging:apps/api.yaml:"), "{told}");
    let annotated = shown("check", "github", 0);
    let alone = "::notice title=tagboat only-in-one::env/staging:apps/api.yaml:";
    assert!(annotated.lines().any(|line| line.starts_with(alone)), "{annotated}");
    let planned = shown("plan", "github", 3);
    let broken = "::error title=tagboat::env/staging:apps/broken.yaml:";
    assert!(planned.lines().any(|line| line.starts_with(broken)), "{planned}");
}

#[test]
fn a_rollback_is_on_the_branch_and_its_hold_on_the_base() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    scene.run(0);
    let ran = scene.call(&["rollback", "prod", &scene.image(), "--reason", "loses sessions"]).ended(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.4.0"], "{ran:?}");
    let holds = String::from_utf8(scene.remote.show("main", ".tagboat/holds.yaml")).unwrap();
    assert!(holds.contains("environment: \"prod\"") && holds.contains("loses sessions"), "{holds}");
    assert!(scene.remote.show("prod", ".tagboat/holds.yaml").is_empty(), "holds live on the base");
    let message = scene.remote.git(&["log", "-1", "--format=%B", "prod"]);
    assert!(message.contains("Tagboat-Order: rollback"), "{message}");
    scene.run(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.4.0"]);
    scene.call(&["release", &scene.image()]).ended(0);
    let order = format!("{}:1.5.0", scene.image());
    scene.call(&["promote", &order, "--to", "prod", "--now", "--reason", "mended"]).ended(0);
    assert_eq!(scene.all(), ["1.5.0", "1.5.0", "1.5.0"]);
}

#[test]
fn a_branch_that_cannot_be_read_takes_its_own_environment_out_and_nobody_else_s() {
    let scene = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    scene.remote.git(&["branch", "--quiet", "-D", "env/staging"]);
    let ran = scene.run(3);
    assert_eq!(scene.runs("main"), "1.5.0");
    assert_eq!(scene.runs("prod"), "1.4.0");
    assert!(words(&format!("{} {}", ran.out, ran.err)).contains("branch env/staging"), "{ran:?}");

    // Half of an environment is none: nothing goes on from it.
    let broken = Scene::new(COMMIT, COMMIT, &["1.4.0", "1.5.0"]);
    broken.people.git(&["checkout", "--quiet", "env/staging"]);
    let (web, half) = (broken.web("1.5.0"), "image: [");
    broken.people.commit_files(&[("apps/web.yaml", &web), ("apps/half.yaml", half)], "Half", 4);
    broken.people.git(&["push", "--quiet", "origin", "env/staging"]);
    let ran = broken.run(3);
    assert_eq!(broken.all(), ["1.5.0", "1.5.0", "1.4.0"], "{ran:?}");
    assert!(words(&ran.out).contains("env/staging:apps/half.yaml"), "{ran:?}");
}

#[test]
fn a_branch_that_looks_like_a_head_branch_is_refused() {
    let world = World::new();
    let file =
        world.beside("config.yaml", "version: 1\nenvironments:\n- {name: a, branch: tagboat/live, files: apps/**}\n");
    let ran = world.tagboat(&["check", "--config", &file]).ended(2);
    assert!(ran.out.contains("its branch begins with `tagboat/`, as head branches do"), "{ran:?}");
    assert!(ran.out.contains(":3:3"), "{ran:?}");
}

#[test]
fn two_environments_of_one_branch_may_not_claim_one_file() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let host = world.registry.host();
    let config = format!(
        "version: 1\nimages: [{{match: \"{host}/**\", semver: 1.x}}]\nenvironments:\n- {{name: a, branch: live, files: apps/**, publish: commit}}\n\
         - {{name: b, branch: live, files: apps/web.yaml, publish: commit}}\n"
    );
    let web = world.deployment("acme/web:1.4.0");
    let remote = world.scratch.bare("manifests.git", &[(".tagboat.yaml", &config), ("apps/web.yaml", &web)]);
    remote.git(&["branch", "live", "main"]);
    let ran = world.run_on(&remote, &[]).ended(2);
    assert!(ran.err.contains("apps/web.yaml belongs to two environments, `a` and `b`"), "{ran:?}");
}
