//! Environments of another repository before one of this one, on real repositories with dated commits.

use serde_json::Value;

use crate::program::serve::Service;
use crate::program::{Ran, World};
use crate::support::repository::Repository;

/// `platform` with `dev` and `staging`; `shop` with `prod`, which comes after the platform's `staging`.
struct Scene {
    world: World,
    platform: Repository,
    shop: Repository,
    service: String,
}

fn platform(host: &str) -> String {
    format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: dev\n    files: [dev/**]\n    \
         publish: commit\n  - name: staging\n    files: [staging/**]\n    after: dev\n    publish: commit\n    gates: {{manual: true}}\n"
    )
}

impl Scene {
    /// `prod` has further lines, and follows the environment of this name.
    fn following(environment: &str, prod: &str, tags: &[&str]) -> Self {
        let world = World::with_web(tags);
        let host = world.registry.host();
        let web = world.deployment("acme/web:1.4.0");
        let files =
            [(".tagboat.yaml", platform(&host)), ("dev/web.yaml", web.clone()), ("staging/web.yaml", web.clone())];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let platform = world.scratch.bare("platform.git", &files);
        let url = platform.folder.display().to_string();
        let config = format!(
            "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: prod\n    files: [apps/**]\n    \
             after: {{repository: \"{url}\", environment: {environment}}}\n    publish: commit\n{prod}"
        );
        let shop = world.scratch.bare("shop.git", &[(".tagboat.yaml", &config), ("apps/web.yaml", &web)]);
        let service = world.beside("service.yaml", &listing(&[&platform, &shop]));
        Self { world, platform, shop, service }
    }

    fn new(prod: &str) -> Self {
        Self::following("staging", prod, &["1.4.0", "1.5.0", "1.6.0"])
    }

    fn run(&self, code: i32) -> Ran {
        self.world.run_on(&self.shop, &["--service", &self.service]).ended(code)
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let url = self.shop.folder.display().to_string();
        let further = ["--service", &self.service, "--output", "json", "--repo", &url, "--branch", "main"];
        self.world.tagboat(&[arguments, &further].concat()).ended(code).json()
    }

    fn prod(&self) -> String {
        let text = String::from_utf8(self.shop.show("main", "apps/web.yaml")).unwrap();
        text.split("  #").next().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    /// Lets a person write files of the platform's repository and push them.
    fn write(&self, files: &[(&str, &str)], day: u8) {
        let people = Repository { folder: self.world.scratch.path("people") };
        if !people.folder.exists() {
            let (from, to) = (self.platform.folder.display().to_string(), people.folder.display().to_string());
            self.platform.git(&["clone", "--quiet", &from, &to]);
        }
        people.git(&["pull", "--quiet", "--ff-only", "origin", "main"]);
        people.commit_files(files, "By hand", day);
        people.git(&["push", "--quiet", "origin", "main"]);
    }

    fn bring(&self, tag: &str, day: u8) {
        self.write(&[("staging/web.yaml", &self.world.deployment(&format!("acme/web:{tag}")))], day);
    }
}

fn listing(repositories: &[&Repository]) -> String {
    let rows = repositories.iter().map(|one| format!("  - url: \"{}\"\n    branch: main\n", one.folder.display()));
    format!("version: 1\nrepositories:\n{}", rows.collect::<String>())
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_another_repository_runs_comes_and_nothing_newer() {
    let scene = Scene::new("");
    scene.run(0);
    assert_eq!(scene.prod(), "1.4.0");
    scene.bring("1.5.0", 3);
    let before = scene.platform.tip("main");
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.5.0", "{ran:?}");
    assert_eq!(scene.platform.tip("main"), before, "it is only looked at");
    let tip = scene.shop.tip("main");
    scene.run(0);
    assert_eq!(scene.shop.tip("main"), tip, "a second pass does nothing");
    let message = scene.shop.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("Tagboat-Environment: prod\n") && message.contains("1.4.0 -> 1.5.0"), "{message}");
}

#[test]
fn soak_counts_in_the_other_repository_s_own_history() {
    let scene = Scene::new("    gates: {soak: 5d}\n");
    scene.bring("1.5.0", 3);
    let at = |time: &str| scene.json(&["run", "--dry-run", "--at", time], 0)["proposals"][0].clone();
    let waits = at("2026-01-05T12:00:00Z");
    assert_eq!((&waits["action"], &waits["gates"][0]["until"]), (&"waiting".into(), &"2026-01-08T12:00:00Z".into()));
    let reason = waits["gates"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("3 d of 5 d to go in staging of ") && reason.ends_with("platform.git"), "{reason}");
    assert_eq!(at("2026-01-08T12:00:00Z")["action"], "committed");
    let status = scene.json(&["status", "--at", "2026-01-05T12:00:00Z"], 0);
    assert_eq!(status["environments"].as_array().unwrap().len(), 1, "its environments are not ours: {status}");
    assert_eq!(status["environments"][0]["images"][0]["next"]["earliest"], "2026-01-08T12:00:00Z");
}

#[test]
fn holds_and_take_backs_there_count_here() {
    let scene = Scene::new("");
    scene.bring("1.5.0", 3);
    let image = format!("{}/acme/web", scene.world.registry.host());
    // Held in an environment before the one that is followed.
    let holds = format!("version: 1\nholds:\n  - {{image: {image}, tag: \"1.5.0\", environment: dev, by: platform}}\n");
    scene.write(&[(".tagboat/holds.yaml", &holds)], 4);
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.4.0");
    assert!(words(&ran.out).contains("1.5.0 is held: platform holds it in staging of"), "{ran:?}");
    let holds = format!("version: 1\nholds:\n  - {{image: {image}, tag: \"1.5.0\", environment: other}}\n");
    scene.write(&[(".tagboat/holds.yaml", &holds)], 5);
    let ran = scene.run(3);
    assert_eq!(scene.prod(), "1.4.0", "half of the holds are none: {ran:?}");
    assert!(words(&ran.out).contains("holds.yaml:3: there is no environment `other`"), "{ran:?}");
    scene.write(&[(".tagboat/holds.yaml", "version: 1\nholds: []\n")], 6);

    scene.bring("1.6.0", 7);
    scene.bring("1.5.0", 8);
    scene.run(0);
    assert_eq!(scene.prod(), "1.5.0");
    scene.write(&[("staging/api.yaml", &scene.world.deployment("acme/web:1.6.0"))], 9);
    scene.write(&[("staging/web.yaml", &scene.world.deployment("acme/web:1.6.0"))], 10);
    scene.write(&[("staging/api.yaml", &scene.world.deployment("acme/web:1.5.0"))], 11);
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.5.0", "it runs two versions, and one was taken back: {ran:?}");
    assert!(words(&ran.out).contains("A Person took it back to 1.5.0"), "{ran:?}");
}

#[test]
fn each_place_follows_its_own_counterpart_there() {
    let scene = Scene::new("");
    let places = [("staging/api.yaml", "1.5.0"), ("staging/web.yaml", "1.6.0")];
    for (day, (file, tag)) in (3..).zip(places) {
        scene.write(&[(file, &scene.world.deployment(&format!("acme/web:{tag}")))], day);
    }
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.6.0", "`web.yaml` there stands for `web.yaml` here: {ran:?}");
    // A third place has none.
    scene.write(&[("staging/web.yaml", ""), ("staging/x.yaml", &scene.world.deployment("acme/web:1.7.0"))], 6);
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.6.0", "{ran:?}");
    assert!(words(&ran.out).contains("no place there stands for apps/web.yaml"), "{ran:?}");
}

#[test]
fn what_is_proposed_to_be_held_there_counts_here() {
    let scene = Scene::new("");
    scene.bring("1.5.0", 3);
    scene.platform.hook("update", "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || exit 1\n");
    let url = scene.platform.folder.display().to_string();
    let hold = ["hold", "web:1.5.0", "-e", "staging", "--reason", "slow", "--repo", &url, "--branch", "main"];
    scene.world.tagboat(&hold).ended(0);
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.4.0", "{ran:?}");
    assert!(words(&ran.out).contains("not merged yet: slow (proposed in tagboat/@holds)"), "{ran:?}");
    let status = scene.json(&["status"], 0);
    assert!(status.to_string().contains("not merged yet: slow"), "{status}");
    let shop = scene.shop.folder.display().to_string();
    let order = ["promote", "web:1.5.0", "--to", "prod", "--reason", "x", "--service", &scene.service, "--repo", &shop];
    let refused = scene.world.tagboat(&[&order[..], &["--branch", "main"]].concat()).ended(1);
    assert!(refused.err.contains("is held"), "{refused:?}");
    scene.platform.git(&["update-ref", "-d", "refs/heads/tagboat/@holds"]);
    scene.run(0);
    assert_eq!(scene.prod(), "1.5.0");
}

#[test]
fn what_is_proposed_there_and_cannot_be_read_lets_only_those_wait_that_come_after_it() {
    let scene = Scene::new("  - name: lab\n    files: [lab/**]\n    publish: commit\n");
    scene.bring("1.5.0", 3);
    let people = Repository { folder: scene.world.scratch.path("shop") };
    let shop = scene.shop.folder.display().to_string();
    scene.shop.git(&["clone", "--quiet", &shop, &people.folder.display().to_string()]);
    people.commit_files(&[("lab/web.yaml", &scene.world.deployment("acme/web:1.4.0"))], "A lab", 4);
    people.git(&["push", "--quiet", "origin", "main"]);
    scene.platform.git(&["branch", "tagboat/@holds", "main"]);
    scene.platform.land("tagboat/@holds", &[(".tagboat/holds.yaml", "junk: [")], "Mine", 5);
    let ran = scene.run(3);
    let lab = String::from_utf8(scene.shop.show("main", "lab/web.yaml")).unwrap();
    assert!(lab.contains("1.6.0"), "nothing comes before it: {ran:?}");
    assert_eq!(scene.prod(), "1.4.0", "{ran:?}");
    let told = words(&ran.out);
    assert!(
        told.contains("what is proposed to be held in") && told.contains(".tagboat/holds.yaml on tagboat/@holds"),
        "{ran:?}"
    );
    let status = scene.json(&["status"], 3);
    assert!(status.to_string().contains("what is proposed to be held in"), "{status}");
    scene.platform.git(&["update-ref", "-d", "refs/heads/tagboat/@holds"]);
    scene.run(0);
    assert_eq!(scene.prod(), "1.5.0");
}

#[test]
fn drift_against_another_repository_is_told_by_status_and_check() {
    let scene = Scene::new("");
    scene.bring("1.5.0", 3);
    scene.run(0);
    let people = Repository { folder: scene.world.scratch.path("shop") };
    scene.shop.git(&[
        "clone",
        "--quiet",
        &scene.shop.folder.display().to_string(),
        &people.folder.display().to_string(),
    ]);
    let write = |tag: &str, day: u8| {
        let web = scene.world.deployment(&format!("acme/web:{tag}"));
        people.commit_files(&[("apps/web.yaml", &web)], "By hand", day);
        people.git(&["push", "--quiet", "origin", "main"]);
    };
    let drift = || scene.json(&["status"], 0)["environments"][0]["images"][0]["drift"].clone();
    let folder = people.folder.display().to_string();
    let check = || words(&scene.world.tagboat(&["check", &folder, "--service", &scene.service]).ended(0).out);
    assert!(drift().is_null() && !check().contains("warning[drift]"));

    write("1.6.0", 5);
    let told = ") is ahead of staging of ";
    let is_told = |drift: &str| drift.starts_with("1.6.0 (by A Person") && drift.contains(told);
    assert!(drift().as_str().is_some_and(is_told), "{}", drift());
    let found = check();
    assert!(found.contains("warning[drift]") && found.contains(told), "{found}");
    assert!(found.contains("1.6.0 (by A Person") && found.contains("which runs 1.5.0"), "{found}");
    // What never ran there is told of as well, though it is lower than what runs there.
    write("1.4.9", 6);
    let told = ") never was in staging of ";
    let is_told = |drift: &str| drift.starts_with("1.4.9 (by A Person") && drift.contains(told);
    assert!(drift().as_str().is_some_and(is_told), "{}", drift());
    assert!(check().contains(told), "{}", check());
    // It catches up: what came is what stood there before.
    write("1.4.0", 7);
    assert!(drift().is_null() && !check().contains("warning[drift]"), "{}", check());
    // Without the operator's word nobody looks there, and with it a repository that is away is told of.
    assert!(!scene.world.tagboat(&["check", &folder]).ended(0).out.contains("have drifted"));
    std::fs::rename(&scene.platform.folder, scene.world.scratch.path("away.git")).unwrap();
    assert!(check().contains("whether environments have drifted from staging of "), "{}", check());
}

#[test]
fn what_only_one_of_two_environments_has_is_told_with_its_place_in_either_repository() {
    let scene = Scene::new("");
    let people = scene.world.scratch.path("shop");
    scene.shop.git(&["clone", "--quiet", &scene.shop.folder.display().to_string(), &people.display().to_string()]);
    let folder = people.display().to_string();
    let notes = |further: &[&str]| {
        let ran = scene.world.tagboat(&[&["check", &folder, "--output", "json"], further].concat()).ended(0);
        let rows = ran.json()["findings"].as_array().unwrap().clone();
        let notes = rows.into_iter().filter(|row| row["rule"] == "only-in-one");
        let told = |row: Value| {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let message = text("message").split_once('/').unwrap().1.to_owned();
            (message, text("file"), row["line"].as_u64().is_some())
        };
        notes.map(told).collect::<Vec<_>>()
    };
    let listed = ["--service", scene.service.as_str()];
    assert_eq!(notes(&listed), []);

    let url = scene.platform.folder.display().to_string();
    scene.write(&[("staging/api.yaml", &scene.world.deployment("acme/api:1.4.0"))], 3);
    let own = scene.world.deployment("acme/tool:1.4.0");
    std::fs::write(people.join("apps/tool.yaml"), own).unwrap();
    let told = notes(&listed);
    let expected = [
        (
            format!("acme/tool is in prod and not in staging of {url}, so it is not promoted"),
            "apps/tool.yaml".to_owned(),
            true,
        ),
        (
            format!("acme/api is in staging of {url} and not in prod, so it is not promoted"),
            format!("{url}:staging/api.yaml"),
            true,
        ),
    ];
    assert!(told.len() == 2 && expected.iter().all(|row| told.contains(row)), "{told:?}");
    // Where one image stands at several places, those that have no counterpart, on either side.
    scene.write(&[("staging/other/web.yaml", &scene.world.deployment("acme/web:1.5.0"))], 4);
    let alone = (
        format!("acme/web stands here in staging of {url} and at no such place in prod"),
        format!("{url}:staging/other/web.yaml"),
        true,
    );
    assert!(notes(&listed).contains(&alone), "{:?}", notes(&listed));
    // Whoever annotates files of this checkout is told of no other as if it were here.
    let shown =
        |output: &str| scene.world.tagboat(&["check", &folder, "--output", output, listed[0], listed[1]]).ended(0);
    let annotated = shown("github").out;
    let notices: Vec<&str> = annotated.lines().filter(|line| line.contains("only-in-one")).collect();
    let at_no_file = format!("::notice title=tagboat only-in-one::{url}:staging/other/web.yaml:");
    assert!(notices.len() == 3 && notices.iter().any(|line| line.starts_with(&at_no_file)), "{annotated}");
    assert!(notices.iter().any(|line| line.starts_with("::notice file=apps/tool.yaml,line=")), "{annotated}");
    let log = shown("sarif").json();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let file = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(people.join(file).is_file(), "{result}");
    }
    let of_other = format!("{url}:staging/other/web.yaml:");
    assert!(log.to_string().contains(&of_other), "{log}");
    // Without the operator's word nobody looks there.
    assert_eq!(notes(&[]), []);
}

#[test]
fn one_environment_of_several_before_is_enough_where_that_is_asked_for() {
    let world = World::with_web(&["1.4.0", "1.5.0", "1.6.0"]);
    let host = world.registry.host();
    let web = |tag: &str| world.deployment(&format!("acme/web:{tag}"));
    let other = format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: asia\n    files: [asia/**]\n"
    );
    let asia = world.scratch.bare("asia.git", &[(".tagboat.yaml", &other), ("asia/web.yaml", &web("1.4.0"))]);
    let url = asia.folder.display().to_string();
    let config = format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: eu\n    files: [eu/**]\n    \
         gates: {{manual: true}}\n  - name: us\n    files: [us/**]\n    gates: {{manual: true}}\n  - name: prod\n    \
         files: [prod/**]\n    after: {{any: [eu, us, {{repository: \"{url}\", environment: asia}}]}}\n    publish: commit\n    \
         gates: {{soak: 2d}}\n"
    );
    let first = web("1.4.0");
    let files =
        [(".tagboat.yaml", &config), ("eu/web.yaml", &first), ("us/web.yaml", &first), ("prod/web.yaml", &first)];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let shop = world.scratch.bare("shop.git", &files);
    let service = world.beside("service.yaml", &listing(&[&asia, &shop]));
    let people = |bare: &Repository, name: &str| {
        let clone = Repository { folder: world.scratch.path(name) };
        bare.git(&["clone", "--quiet", &bare.folder.display().to_string(), &clone.folder.display().to_string()]);
        clone
    };
    let (here, there) = (people(&shop, "here"), people(&asia, "there"));
    let write = |clone: &Repository, file: &str, tag: &str, day: u8| {
        clone.git(&["pull", "--quiet", "--ff-only", "origin", "main"]);
        clone.commit_files(&[(file, &web(tag))], "By hand", day);
        clone.git(&["push", "--quiet", "origin", "main"]);
    };
    let plan = |at: &str| {
        let url = shop.folder.display().to_string();
        let further = ["--service", &service, "--output", "json", "--repo", &url, "--branch", "main"];
        world.tagboat(&[&["run", "--dry-run", "--at", at], &further[..]].concat()).ended(0).json()
    };
    let of = |plan: &Value, list: &str| {
        let rows = plan[list].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["environment"] == "prod").unwrap_or_default()
    };
    let to = |at: &str| of(&plan(at), "changes")["to"]["tag"].clone();
    // Nobody has it yet; then one has, and its own soak counts.
    write(&here, "us/web.yaml", "1.5.0", 3);
    let waits = of(&plan("2026-01-04T12:00:00Z"), "proposals");
    assert_eq!(
        (&waits["action"], &waits["gates"][0]["until"]),
        (&"waiting".into(), &"2026-01-05T12:00:00Z".into()),
        "{waits}"
    );
    assert_eq!(to("2026-01-05T12:00:00Z"), "1.5.0");
    // The newest of the ways that are open counts, also by another repository.
    write(&there, "asia/web.yaml", "1.6.0", 4);
    assert_eq!(to("2026-01-05T12:00:00Z"), "1.5.0");
    assert_eq!(to("2026-01-06T12:00:00Z"), "1.6.0");
    // Every way is told, with its gates, and why it counts or does not.
    let explain = |at: &str, output: &str| {
        here.git(&["pull", "--quiet", "--ff-only", "origin", "main"]);
        let folder = here.folder.display().to_string();
        let further = ["-C", &folder, "--service", &service, "--output", output, "--at", at];
        world.tagboat(&[&["explain", "web"], &further[..]].concat()).ended(0)
    };
    let ways = |at: &str| {
        let told = explain(at, "json").json();
        let rows = told["explanations"].as_array().unwrap().clone();
        let prod = rows.into_iter().find(|row| row["environment"] == "prod").unwrap();
        let told = |way: &Value| {
            let states = way["gates"].as_array().unwrap().iter().map(|gate| gate["state"].as_str().unwrap());
            let gates = states.collect::<Vec<_>>().join(" ");
            let next = way["next"].as_str().unwrap_or("nothing");
            let (counts, reason) = (&way["counts"], way["reason"].as_str().unwrap());
            format!("{next} {gates} {counts} {}", reason.replace(&url, "URL"))
        };
        prod["ways"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(
        ways("2026-01-05T12:00:00Z"),
        [
            "nothing  false nothing newer runs there",
            "1.5.0 pass true it is open",
            "1.6.0 wait false the way by us is open",
        ]
    );
    assert_eq!(
        ways("2026-01-06T12:00:00Z")[1..],
        [
            "1.5.0 pass false the way by asia of URL brings something newer, no later",
            "1.6.0 pass true it is open, and of the open ways no other one brings anything newer",
        ]
    );
    let text = words(&explain("2026-01-05T12:00:00Z", "text").out);
    assert!(text.contains("way: by us, 1.5.0 counts: it is open way: by asia of "), "{text}");
    assert!(text.contains("does not count: the way by us is open soak waits until 2026-01-06T12:00:00Z"), "{text}");
    assert!(text.contains("way: by eu, nothing does not count: nothing newer runs there"), "{text}");
    // What was taken back in any of them stays, whichever way it would come.
    write(&here, "eu/web.yaml", "1.6.0", 7);
    write(&here, "eu/web.yaml", "1.4.0", 8);
    assert_ne!(to("2026-01-12T12:00:00Z"), "1.6.0");
    world.run_on(&shop, &["--service", &service]).ended(0);
    let text = String::from_utf8(shop.show("main", "prod/web.yaml")).unwrap();
    assert!(text.contains(":1.5.0"), "{text}");
}

#[test]
fn nothing_is_proposed_on_half_of_what_another_repository_says() {
    let scene = Scene::new("");
    scene.bring("1.5.0", 3);
    scene.write(&[("staging/broken.yaml", "image: [\n")], 4);
    let ran = scene.run(3);
    assert!(words(&ran.out).contains("is not fully known: staging/broken.yaml: cannot be parsed"), "{ran:?}");
    scene.write(&[("staging/broken.yaml", "image: []\n"), (".tagboat.yaml", "version: 1\nimagse: []\n")], 5);
    let ran = scene.run(3);
    assert!(words(&ran.out).contains("its configuration has faults: .tagboat.yaml:2: unknown key `imagse`"), "{ran:?}");
    std::fs::rename(&scene.platform.folder, scene.world.scratch.path("away.git")).unwrap();
    let ran = scene.run(3);
    assert!(ran.out.contains(".tagboat.yaml:8:"), "the place of `after`: {ran:?}");
    assert_eq!(scene.prod(), "1.4.0");
}

#[test]
fn only_repositories_of_the_operator_s_file_are_looked_at() {
    let scene = Scene::new("");
    scene.bring("1.5.0", 3);
    // Nobody said which: what to do is told, and nothing fails.
    let ran = scene.world.run_on(&scene.shop, &[]).ended(0);
    assert!(words(&ran.out).contains("name it by `--service FILE`"), "{ran:?}");
    let only_shop = scene.world.beside("other.yaml", &listing(&[&scene.shop]));
    let ran = scene.world.run_on(&scene.shop, &["--service", &only_shop]).ended(3);
    let said = words(&ran.out);
    assert!(said.contains("other.yaml does not list this repository under `repositories`"), "{ran:?}");
    assert!(ran.out.contains(".tagboat.yaml:8:"), "{ran:?}");
    assert_eq!(scene.prod(), "1.4.0");
    let mirrors = scene.world.scratch.path("cache").join("tagboat/mirrors");
    let names = std::fs::read_dir(mirrors).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.ends_with(".git")).count(), 1, "only the repository itself was fetched");

    let folder = scene.world.scratch.path("checkout").display().to_string();
    scene.shop.git(&["clone", "--quiet", &scene.shop.folder.display().to_string(), &folder]);
    let check = |service: &[&str], code| {
        scene.world.tagboat(&[&["check", &folder, "--output", "json"], service].concat()).ended(code).json()
    };
    let rules = |found: Value| -> Vec<String> {
        let rows = found["findings"].as_array().unwrap().iter();
        rows.map(|row| format!("{} {} {}", row["severity"], row["rule"], row["line"])).collect()
    };
    assert_eq!(rules(check(&["--service", &only_shop], 2)), [r#""error" "unknown-repository" 8"#]);
    assert_eq!(rules(check(&["--service", &scene.service], 0)), [""; 0]);
    assert_eq!(rules(check(&[], 0)), [r#""note" "unknown-repository" 8"#]);
    // A checkout is planned on what the other repository is now.
    let plan = scene.world.tagboat(&["plan", &folder, "--service", &scene.service, "--output", "json"]).ended(0).json();
    assert_eq!(plan["changes"][0]["to"]["tag"], "1.5.0", "{plan}");
}

#[test]
fn an_environment_that_is_not_there_is_told_with_those_that_are() {
    let scene = Scene::following("stagin", "", &["1.4.0", "1.5.0"]);
    let ran = scene.run(3);
    assert!(words(&ran.out).contains("it has no environment `stagin`; there are: dev, staging"), "{ran:?}");
    assert!(ran.out.contains(".tagboat.yaml:8:"), "{ran:?}");
    assert_eq!(scene.prod(), "1.4.0");
}

#[test]
fn what_waits_for_an_environment_that_is_not_there_says_so_further_on_too() {
    let late = "  - name: late\n    files: [late/**]\n    after: prod\n    publish: commit\n";
    let scene = Scene::following("stagin", late, &["1.3.0", "1.4.0"]);
    let people = Repository { folder: scene.world.scratch.path("shop-people") };
    scene.shop.git(&[
        "clone",
        "--quiet",
        &scene.shop.folder.display().to_string(),
        &people.folder.display().to_string(),
    ]);
    people.commit_files(&[("late/web.yaml", &scene.world.deployment("acme/web:1.3.0"))], "By hand", 3);
    people.git(&["push", "--quiet", "origin", "main"]);
    let done = scene.world.run_on(&scene.shop, &["--service", &scene.service, "--output", "json"]).ended(3).json();
    let told = done.to_string();
    assert!(!told.contains("its branch could not be read"), "{done}");
    assert!(told.matches("it has no environment `stagin`; there are: dev, staging").count() > 1, "{done}");
}

#[test]
fn an_environment_on_a_branch_of_its_own_is_followed_there() {
    let scene = Scene::new("");
    let host = scene.world.registry.host();
    let config = platform(&host).replace("    files: [staging/**]\n", "    branch: env/staging\n    files: [dev/**]\n");
    scene.write(&[(".tagboat.yaml", &config)], 3);
    scene.platform.git(&["branch", "env/staging", "main"]);
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.4.0", "{ran:?}");
    // `dev` is at the same path on the base, and is another environment.
    scene.write(&[("dev/web.yaml", &scene.world.deployment("acme/web:1.6.0"))], 4);
    scene.run(0);
    assert_eq!(scene.prod(), "1.4.0");
    let people = Repository { folder: scene.world.scratch.path("people") };
    people.git(&["fetch", "--quiet", "origin"]);
    people.git(&["checkout", "--quiet", "-b", "env/staging", "origin/env/staging"]);
    people.commit_files(&[("dev/web.yaml", &scene.world.deployment("acme/web:1.5.0"))], "By hand", 5);
    people.git(&["push", "--quiet", "origin", "env/staging"]);
    scene.run(0);
    assert_eq!(scene.prod(), "1.5.0");
    scene.platform.git(&["branch", "-D", "env/staging"]);
    let ran = scene.run(3);
    assert!(words(&ran.out).contains("its branch env/staging:"), "{ran:?}");
}

#[test]
fn a_version_is_ordered_against_what_the_other_repository_runs() {
    let scene = Scene::new("    gates: {soak: 100d}\n");
    scene.bring("1.5.0", 3);
    let image = format!("{}/acme/web", scene.world.registry.host());
    let url = scene.shop.folder.display().to_string();
    let promote = |tag: &str, further: &[&str], code| {
        let version = format!("{image}:{tag}");
        let base =
            ["promote", &version, "--to", "prod", "--repo", &url, "--branch", "main", "--service", &scene.service];
        scene.world.tagboat(&[&base, further].concat()).ended(code)
    };
    let ran = promote("1.6.0", &["--reason", "too soon"], 1);
    assert!(words(&ran.err).contains("platform.git, which comes before prod, runs 1.5.0 and not 1.6.0"), "{ran:?}");
    promote("1.5.0", &["--skip", "soak", "--reason", "long enough"], 0);
    assert_eq!(scene.prod(), "1.5.0");
    promote("1.6.0", &["--now", "--skip", "soak", "--reason", "an outage"], 0);
    assert_eq!(scene.prod(), "1.6.0");
    // It is ahead of what it follows, which is told and left alone.
    let status = scene.json(&["status"], 0);
    let drift = status["environments"][0]["images"][0]["drift"].as_str().unwrap();
    assert!(drift.starts_with("1.6.0 (a hotfix, commit ") && drift.contains(") is ahead of staging of "), "{drift}");
    scene.run(0);
    assert_eq!(scene.prod(), "1.6.0");
}

#[test]
fn a_service_looks_again_when_the_repository_before_has_moved() {
    let scene = Scene::following("dev", "", &["1.4.0"]);
    let rows = [(&scene.platform, "every 2s"), (&scene.shop, "every 24h")].map(|(one, schedule)| {
        format!("  - url: \"{}\"\n    branch: main\n    schedule: {schedule}\n", one.folder.display())
    });
    let service = Service::start(&scene.world, &format!("repositories:\n{}", rows.concat()));
    let is_shop = |line: &Value| line["repository"].as_str().is_some_and(|url| url.ends_with("shop.git"));
    service.wait_for("pass", is_shop);
    scene.world.push("acme/web", "1.5.0");
    let line = service.wait_for("pass", |line| is_shop(line) && line["commits"] == 1);
    assert_eq!(line["cause"], "before", "{line}");
    assert_eq!(scene.prod(), "1.5.0");
}

#[test]
fn a_repository_that_moves_in_its_first_pass_is_followed_at_once() {
    let scene = Scene::following("dev", "", &["1.4.0", "1.5.0"]);
    let rows = [&scene.platform, &scene.shop]
        .map(|one| format!("  - url: \"{}\"\n    branch: main\n    schedule: every 24h\n", one.folder.display()));
    // Whichever of the two is looked at first.
    let service = Service::start(&scene.world, &format!("repositories:\n{}", rows.concat()));
    let is_shop = |line: &Value| line["repository"].as_str().is_some_and(|url| url.ends_with("shop.git"));
    service.wait_for("pass", |line| is_shop(line) && line["commits"] == 1);
    assert_eq!(scene.prod(), "1.5.0");
}

#[test]
fn an_environment_that_follows_itself_through_the_url_of_its_own_repository_is_an_error_with_its_place() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let url = world.scratch.path("shop.git").display().to_string();
    let config = format!(
        "version: 1\nimages:\n  - match: {}/**\n    semver: 1.x\nenvironments:\n  - name: dev\n    files: [apps/**]\n    \
         after: {{repository: \"{url}\", environment: prod}}\n  - name: prod\n    files: [prod/**]\n    after: dev\n",
        world.registry.host()
    );
    let web = world.deployment("acme/web:1.4.0");
    let shop =
        world.scratch.bare("shop.git", &[(".tagboat.yaml", &config), ("apps/web.yaml", &web), ("prod/web.yaml", &web)]);
    let service = world.beside("service.yaml", &listing(&[&shop]));
    let done = world.run_on(&shop, &["--service", &service, "--output", "json"]).ended(3).json();
    let reason = done["errors"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("it comes after itself: "), "{done}");
    let people = world.scratch.path("people").display().to_string();
    shop.git(&["clone", "--quiet", &url, &people]);
    let ran = world.tagboat(&["check", &people, "--service", &service, "--output", "json"]);
    let found = ran.json();
    let rows = found["findings"].as_array().unwrap().iter();
    let row = rows.clone().find(|row| row["rule"] == "circle").unwrap_or_else(|| panic!("{found}"));
    assert_eq!((row["severity"].as_str(), row["line"].as_u64()), (Some("error"), Some(8)), "{row}");
}

#[test]
fn a_circle_through_another_repository_is_told_with_both_places() {
    let scene = Scene::new("");
    let (host, shop) = (scene.world.registry.host(), scene.shop.folder.display().to_string());
    // The platform's `dev` comes after the shop's `prod`, which comes after its `staging`.
    let after = format!("    files: [dev/**]\n    after: {{repository: \"{shop}\", environment: prod}}\n");
    scene.write(&[(".tagboat.yaml", &platform(&host).replace("    files: [dev/**]\n", &after))], 3);
    let places = [
        (&scene.shop, "shop-people", "dev comes after prod of this repository (.tagboat.yaml:8:12 there)"),
        (&scene.platform, "platform-people", "prod comes after staging of this repository (.tagboat.yaml:8:12 there)"),
    ];
    for (repository, file, other) in places {
        let people = scene.world.scratch.path(file).display().to_string();
        repository.git(&["clone", "--quiet", &repository.folder.display().to_string(), &people]);
        let found =
            scene.world.tagboat(&["check", &people, "--service", &scene.service, "--output", "json"]).ended(2).json();
        let rows = found["findings"].as_array().unwrap().iter();
        let row = rows.clone().find(|row| row["rule"] == "circle").unwrap_or_else(|| panic!("{found}"));
        assert_eq!((row["severity"].as_str(), row["line"].as_u64()), (Some("error"), Some(8)), "{row}");
        let message = row["message"].as_str().unwrap();
        assert!(message.contains("comes after itself, so that nothing ever comes first: "), "{message}");
        assert!(message.contains(other), "{message}");
    }
    let ran = scene.run(0);
    assert_eq!(scene.prod(), "1.4.0", "{ran:?}");
}
