//! The record on real repositories with dated commits: `history`, `status`, `report`, `rollback` and `promote`.

use serde_json::Value;
use tagboat::clock::{Clock, SystemClock};

use crate::program::{Ran, World, has_fields};
use crate::support::repository::Repository;

/// Takes the line ends out of wrapped text.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Two environments, the second behind some gates.
fn config(world: &World, staging: &str) -> String {
    format!(
        "version: 1\nimages:\n  - match: {}/**\n    semver: 1.x\nenvironments:\n  - name: dev\n    files: [dev/**]\n    \
         publish: commit\n  - name: prod\n    files: [prod/**]\n    after: dev\n{staging}",
        world.registry.host()
    )
}

/// A bare repository, and a clone of it for people.
struct Scene {
    world: World,
    remote: Repository,
    people: Repository,
}

impl Scene {
    fn new(prod: &str, tags: &[&str]) -> Self {
        let world = World::with_web(tags);
        let web = world.deployment("acme/web:1.4.0");
        let files = [(".tagboat.yaml", config(&world, prod)), ("dev/web.yaml", web.clone()), ("prod/web.yaml", web)];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let remote = world.scratch.bare("manifests.git", &files);
        let people = Repository { folder: world.scratch.path("people") };
        remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &people.folder.display().to_string()]);
        Self { world, remote, people }
    }

    /// Lets a person write a version and push it, on a day of January 2026.
    fn write(&self, environment: &str, tag: &str, message: &str, day: u8) -> String {
        self.people.git(&["pull", "--quiet", "--ff-only"]);
        let file = format!("{environment}/web.yaml");
        let commit =
            self.people.commit_files(&[(&file, &self.world.deployment(&format!("acme/web:{tag}")))], message, day);
        self.people.git(&["push", "--quiet", "origin", "main"]);
        commit
    }

    fn image(&self) -> String {
        format!("{}/acme/web", self.world.registry.host())
    }

    fn run(&self) {
        self.world.run_on(&self.remote, &[]).ended(0);
    }

    /// Calls the program on the bare repository.
    fn call(&self, arguments: &[&str]) -> Ran {
        let url = self.remote.folder.display().to_string();
        self.world.tagboat(&[arguments, &["--repo", &url, "--branch", "main"]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.call(&[arguments, &["--output", "json"]].concat()).ended(0).json()
    }

    fn runs(&self, environment: &str) -> String {
        let text = String::from_utf8(self.remote.show("main", &format!("{environment}/web.yaml"))).unwrap();
        text.split("  #").next().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    fn message(&self) -> String {
        self.remote.git(&["log", "-1", "--format=%B", "main"])
    }

    /// Tells the record in short: kind, environment, versions.
    fn told(&self, arguments: &[&str]) -> Vec<String> {
        let json = self.json(&[&["history"], arguments].concat());
        let tag = |value: &Value| value["tag"].as_str().unwrap_or("-").to_owned();
        let entries = json["entries"].as_array().unwrap().clone();
        let told = entries.iter().map(|entry| {
            let environment = entry["environment"].as_str().unwrap_or("*");
            format!("{} {environment} {} {}", entry["kind"].as_str().unwrap(), tag(&entry["from"]), tag(&entry["to"]))
        });
        told.collect()
    }
}

#[test]
fn what_a_person_brings_once_the_environment_before_has_it_is_a_promotion_whatever_the_clocks_say() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0", "1.5.0", "1.6.0"]);
    scene.write("dev", "1.5.0", "A clock that is ahead", 9);
    scene.write("prod", "1.5.0", "A clock that is behind", 3);
    scene.write("prod", "1.6.0", "Ahead of dev", 20);
    scene.write("dev", "1.6.0", "Too late, though its clock says otherwise", 4);
    let told = scene.told(&["--environment", "prod"]);
    let mut moved: Vec<&str> = told.iter().filter(|row| row.contains("1.5.0")).map(String::as_str).collect();
    moved.sort_unstable();
    assert_eq!(moved, ["manual prod 1.5.0 1.6.0", "promotion prod 1.4.0 1.5.0"], "{told:?}");
}

#[test]
fn history_tells_updates_promotions_hand_edits_reverts_and_holds() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0", "1.5.0"]);
    scene.run();
    scene.write("prod", "1.4.0", "Back", 3);
    let image = scene.image();
    scene.call(&["hold", &format!("{image}:1.7.0"), "-e", "prod", "--reason", "breaks"]).ended(0);
    scene.call(&["release", &format!("{image}:1.7.0")]).ended(0);
    let mut told = scene.told(&[]);
    told.sort();
    assert_eq!(
        told,
        [
            "hold prod - 1.7.0",
            "manual dev - 1.4.0",
            "manual prod - 1.4.0",
            "promotion prod 1.4.0 1.5.0",
            "release prod - 1.7.0",
            "rollback prod 1.5.0 1.4.0",
            "update dev 1.4.0 1.5.0",
        ]
    );
    let json = scene.json(&["history", "--environment", "prod", "--image", &image]);
    let rows = json["entries"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{json}");
    for row in rows {
        has_fields(row, "time commit environment image from to kind author pullRequest reason by");
    }
    let rollback = rows.iter().find(|row| row["kind"] == "rollback").unwrap();
    assert_eq!(
        (rollback["author"].as_str(), rollback["time"].as_str()),
        (Some("A Person"), Some("2026-01-03T12:00:00Z"))
    );
    let hold = rows.iter().find(|row| row["kind"] == "hold").unwrap();
    assert_eq!(hold["reason"], "breaks");

    let text = scene.call(&["history"]).ended(0);
    assert!(text.out.contains("promotion"), "{text:?}");
    let csv = scene.call(&["history", "--output", "csv"]).ended(0).out;
    assert!(csv.starts_with("time,commit,environment,image,from,to,kind,author,pullRequest,reason,by\r\n"), "{csv}");
    assert_eq!(csv.lines().count(), 8, "{csv}");
    assert_eq!(scene.told(&["--since", "2026-01-02", "--environment", "dev"]), ["update dev 1.4.0 1.5.0"]);
    for (arguments, says) in [
        (vec!["history", "--environment", "prd"], "there are: dev, prod"),
        (vec!["history", "--since", "soon"], "write a day like"),
        (vec!["report", "--since", "2026-02-01", "--until", "2026-01-01"], "--since must be before --until"),
        (vec!["status", "--output", "csv"], "--output csv belongs to `tagboat history`"),
    ] {
        let ran = scene.call(&arguments).ended(2);
        assert!(ran.err.contains(says), "{ran:?}");
    }
}

#[test]
fn history_names_merges_their_authors_and_pull_requests_and_whose_version_it_was() {
    let scene = Scene::new("    publish: pullRequest\n", &["1.4.0", "1.5.0"]);
    scene.run();
    let people = &scene.people;
    people.git(&["pull", "--quiet", "--ff-only"]);
    people.commit_files(&[("readme", "more\n")], "Docs", 4);
    let head = format!("origin/tagboat/prod/{}", group(&scene));
    // The forge's button brings the base into the head branch before it merges it.
    people.git(&["checkout", "--quiet", "-b", "head", &head]);
    people.git(&["merge", "--quiet", "--no-ff", "-m", "Merge branch 'main' into tagboat/prod/web", "main"]);
    people.git(&["checkout", "--quiet", "main"]);
    people.git(&["merge", "--quiet", "--no-ff", "-m", "Merge pull request #12 from acme/tagboat/prod/web", "head"]);
    people.git(&["push", "--quiet", "origin", "main"]);
    let json = scene.json(&["history", "--environment", "prod"]);
    let row = json["entries"].as_array().unwrap().iter().find(|row| row["to"]["tag"] == "1.5.0").unwrap().clone();
    assert_eq!((row["kind"].as_str(), row["author"].as_str()), (Some("promotion"), Some("A Person")), "{row}");
    assert_eq!(row["pullRequest"], "#12");
    assert_eq!(row["commit"], scene.remote.tip("main"));
}

fn group(scene: &Scene) -> String {
    let heads = scene.people.git(&["ls-remote", "--heads", "origin", "tagboat/prod/*"]);
    scene.people.git(&["fetch", "--quiet", "origin"]);
    heads.trim().rsplit("tagboat/prod/").next().unwrap().to_owned()
}

#[test]
fn status_tells_since_when_what_was_moved_with_the_configuration_stands_there() {
    let scene = Scene::new("    publish: commit\n    gates: {soak: 30d}\n", &["1.4.0", "1.5.0"]);
    scene.write("dev", "1.5.0", "Newer", 3);
    let prod = "    publish: commit\n    gates: {soak: 30d}\n";
    let config = config(&scene.world, prod).replace("files: [", "files: [envs/");
    std::fs::create_dir(scene.people.folder.join("envs")).unwrap();
    scene.people.git(&["mv", "dev", "prod", "envs"]);
    let moved = scene.people.commit_files(&[(".tagboat.yaml", &config)], "Move them", 5);
    scene.people.git(&["push", "--quiet", "origin", "main"]);
    let json = scene.json(&["status"]);
    for (environment, tag) in [(0, "1.5.0"), (1, "1.4.0")] {
        let row = &json["environments"][environment]["images"][0];
        assert_eq!((row["tag"].as_str(), row["since"].as_str()), (Some(tag), Some("2026-01-05T12:00:00Z")), "{row}");
        assert_eq!(row["commit"].as_str(), Some(moved.as_str()), "{row}");
        assert!(row["drift"].is_null(), "dev ran it before it was moved: {row}");
    }
}

#[test]
fn status_shows_what_runs_where_what_comes_next_and_what_is_adrift() {
    let scene = Scene::new("    publish: commit\n    gates: {soak: 30d}\n", &["1.4.0", "1.5.0"]);
    scene.run();
    let json = scene.json(&["status"]);
    has_fields(&json, "environments holds errors");
    let (dev, prod) = (&json["environments"][0]["images"][0], &json["environments"][1]["images"][0]);
    for row in [dev, prod] {
        has_fields(row, "image group tag digest files since commit next keptBack drift watch");
    }
    assert_eq!((dev["tag"].as_str(), dev["next"].is_null()), (Some("1.5.0"), true), "{dev}");
    assert_eq!(dev["commit"], scene.remote.tip("main"));
    assert_eq!((prod["tag"].as_str(), prod["since"].as_str()), (Some("1.4.0"), Some("2026-01-01T12:00:00Z")));
    assert_eq!(prod["next"]["tag"], "1.5.0");
    assert_eq!(prod["next"]["gates"][0]["gate"], "soak");
    let earliest = prod["next"]["earliest"].as_str().unwrap().to_owned();
    let later = scene.json(&["status", "--at", &earliest]);
    assert_eq!(later["environments"][1]["images"][0]["next"]["gates"][0]["state"], "pass");
    let text = scene.call(&["status"]).ended(0).out;
    assert!(text.contains("Waiting") && text.contains("30 d"), "{text}");

    scene.write("prod", "1.6.0", "Ahead", 5);
    let json = scene.json(&["status"]);
    let drift = json["environments"][1]["images"][0]["drift"].as_str().unwrap().to_owned();
    assert!(drift.starts_with("1.6.0 (by A Person, commit "), "{drift}");
    assert!(drift.ends_with(") is ahead of dev, which runs 1.5.0"), "{drift}");
    let folder = scene.people.folder.display().to_string();
    let checked = scene.world.tagboat(&["check", &folder]).ended(0);
    assert!(checked.out.contains("warning[drift]"), "{checked:?}");
    assert!(words(&checked.out).contains("in prod: 1.6.0 (by A Person, commit "), "{checked:?}");

    scene.write("prod", "1.4.0", "Back", 6);
    let json = scene.json(&["status"]);
    let held = json["holds"].as_array().unwrap().clone();
    assert!(held.iter().any(|hold| hold["tag"] == "1.6.0" && hold["by"] == "A Person"), "{json}");
}

#[test]
fn report_counts_deployments_lead_time_failures_and_restoring() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0"]);
    for (environment, tag, day) in [
        ("dev", "1.5.0", 2),
        ("prod", "1.5.0", 4),
        ("dev", "1.6.0", 5),
        ("prod", "1.6.0", 9),
        ("prod", "1.5.0", 10),
        ("prod", "1.6.1", 11),
    ] {
        scene.write(environment, tag, "By hand", day);
    }
    let json = scene.json(&["report", "--since", "2026-01-02", "--until", "2026-01-12"]);
    has_fields(&json, "from to environments");
    let (dev, prod) = (&json["environments"][0], &json["environments"][1]);
    has_fields(prod, "name deployments perDay leadTime leadTimeFromImage dated changeFailureRate timeToRestore");
    let day = 86_400;
    assert_eq!((dev["deployments"].as_u64(), dev["leadTime"]["median"].as_u64()), (Some(2), None), "{json}");
    assert_eq!((prod["deployments"].as_u64(), prod["perDay"].as_f64()), (Some(3), Some(0.3)), "{json}");
    // 1.5.0 took two days from dev, 1.6.0 four; 1.6.1 was never there.
    assert_eq!((prod["leadTime"]["median"].as_u64(), prod["leadTime"]["p90"].as_u64()), (Some(2 * day), Some(4 * day)));
    assert_eq!(prod["changeFailureRate"].as_f64(), Some(0.3333));
    assert_eq!(prod["timeToRestore"]["median"].as_u64(), Some(day));
    let empty = scene.json(&["report", "--since", "2025-01-01", "--until", "2025-02-01"]);
    assert_eq!(empty["environments"][1]["deployments"], 0);
    assert!(empty["environments"][1]["changeFailureRate"].is_null());
    let text = scene.call(&["report", "--since", "2026-01-02", "--until", "2026-01-12"]).ended(0).out;
    assert!(text.contains("2 d 0 h / 4 d 0 h") && text.contains("33 %"), "{text}");
}

#[test]
fn report_counts_lead_time_from_the_image_where_a_commit_tells_when_it_was_published() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0"]);
    // Platforms are read from the image itself, which tells when it was made; nothing is asked for the trailer's sake.
    let looking = config(&scene.world, "    publish: commit\n")
        .replace("semver: 1.x\n", "semver: 1.x\n    platforms: [linux/amd64]\n");
    scene.people.commit_files(&[(".tagboat.yaml", &looking)], "Platforms", 2);
    scene.people.git(&["push", "--quiet", "origin", "main"]);
    let made = SystemClock.now() - jiff::SignedDuration::from_hours(2);
    scene.world.registry.push("acme/web", "1.5.0", &made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    scene.run();
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.5.0".to_owned(), "1.5.0".to_owned()));
    let told = format!("Tagboat-Dated: {} {} 1.5.0", scene.image(), made.strftime("%Y-%m-%dT%H:%M:%SZ"));
    assert!(scene.message().contains(&told), "{}", scene.message());

    let json = scene.json(&["report"]);
    for environment in json["environments"].as_array().unwrap() {
        has_fields(&environment["dated"], "known of");
        assert_eq!((&environment["dated"]["known"], &environment["dated"]["of"]), (&1.into(), &1.into()), "{json}");
        let median = environment["leadTimeFromImage"]["median"].as_i64().unwrap();
        assert!((7_200..10_800).contains(&median), "{json}");
    }
    // What is built to be the same every time bears no date that says anything, and nor does a version by hand.
    scene.world.registry.push("acme/web", "1.6.0", "1970-01-01T00:00:00Z");
    scene.run();
    assert_eq!(scene.runs("prod"), "1.6.0");
    assert!(!scene.message().contains("Tagboat-Dated"), "{}", scene.message());
    let json = scene.json(&["report"]);
    let prod = &json["environments"][1];
    assert_eq!((&prod["dated"]["known"], &prod["dated"]["of"]), (&1.into(), &2.into()), "{json}");
    let text = scene.call(&["report"]).ended(0).out;
    assert!(words(&text).contains("environment from the image dated from the first environment"), "{text}");
    assert!(text.contains("1 of 2") && text.contains("2 h 0 min / 2 h 0 min"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn a_rollback_goes_back_holds_what_it_leaves_and_is_not_undone() {
    let scene = Scene::new("    publish: commit\n", &["1.3.0", "1.4.0", "1.5.0"]);
    scene.run();
    let image = scene.image();
    let rolled = scene.call(&["rollback", "prod", &image, "--reason", "loses sessions"]).ended(0);
    assert!(rolled.out.contains("loses sessions"), "{rolled:?}");
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.5.0".to_owned(), "1.4.0".to_owned()));
    let message = scene.message();
    assert!(message.starts_with("prod: roll web back to 1.4.0\n"), "{message}");
    for line in [
        "Tagboat-Environment: prod".to_owned(),
        format!("Tagboat-Image: {image} 1.5.0 -> 1.4.0"),
        format!("Tagboat-Hold: {image}:1.5.0 in prod"),
        "Tagboat-Order: rollback".to_owned(),
        "Tagboat-Reason: loses sessions".to_owned(),
    ] {
        assert!(message.lines().any(|found| found == line), "{line}: {message}");
    }
    let before = scene.remote.tip("main");
    scene.run();
    assert_eq!(scene.remote.tip("main"), before, "the next pass does not undo it");
    let again = scene.call(&["rollback", "prod", &image, "--output", "json"]).ended(0);
    assert_eq!(scene.remote.tip("main"), before, "{again:?}");
    assert!(again.json()["skipped"][0]["reason"].as_str().unwrap().contains("already"), "{again:?}");
    assert_eq!(scene.told(&["--environment", "prod"])[0], "rollback prod 1.5.0 1.4.0");
    let named = scene.call(&["rollback", "prod", &image, "--to", "1.4.0"]).ended(0);
    assert_eq!(scene.remote.tip("main"), before, "{named:?}");
    scene.call(&["rollback", "prod", &image, "--to", "1.3.0"]).ended(0);
    assert_eq!(scene.runs("prod"), "1.3.0");

    scene.world.push("acme/web", "1.5.1");
    scene.run();
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.5.1".to_owned(), "1.5.1".to_owned()));
}

#[test]
fn a_rollback_goes_to_no_version_that_is_none_that_is_newer_or_that_is_held() {
    let scene = Scene::new("    publish: commit\n", &["1.3.0", "1.4.0", "1.5.0", "1.6.0", "2.0.0"]);
    let image = scene.image();
    scene.run();
    scene.call(&["rollback", "prod", &image, "--to", "1.5.0"]).ended(0);
    let hold = format!("{image}:1.3.0");
    scene.call(&["hold", &hold, "-e", "prod", "--reason", "sessions"]).ended(0);
    let before = scene.remote.tip("main");
    for (tag, said) in [
        ("1.4.O", "the registry does not list it"),
        ("0.9.9", "the registry does not list it"),
        ("2.0.0", "is newer than 1.5.0"),
        ("1.3.0", "is held in prod"),
    ] {
        let ran = scene.call(&["rollback", "prod", &image, "--to", tag]).ended(1);
        assert!(ran.err.contains(said) && ran.err.contains(tag), "{ran:?}");
    }
    assert_eq!((scene.remote.tip("main"), scene.runs("prod")), (before, "1.5.0".to_owned()));
}

#[test]
fn a_rollback_in_the_first_environment_past_a_version_by_hand_stays_back() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0", "1.4.5", "1.5.0"]);
    scene.write("dev", "1.4.5", "By hand", 2);
    scene.run();
    assert_eq!(scene.runs("dev"), "1.5.0");
    scene.call(&["rollback", "dev", &scene.image()]).ended(0);
    assert_eq!(scene.runs("dev"), "1.4.5", "the version before was set by a person");
    scene.call(&["rollback", "dev", &scene.image(), "--to", "1.4.0"]).ended(0);
    scene.run();
    assert_eq!(scene.runs("dev"), "1.4.0", "neither of the versions that were left comes again");
    let bad = scene.call(&["rollback", "dev", "nothing"]).ended(2);
    assert!(bad.err.contains("neither an image nor a group of dev"), "{bad:?}");
    assert!(bad.err.contains("followed in dev: 127.0.0.1:50000/acme/web"), "{bad:?}");
    let bad = scene.call(&["rollback", "qa", &scene.image()]).ended(2);
    assert!(bad.err.contains("there are: dev, prod"), "{bad:?}");
}

#[test]
fn a_rollback_as_a_pull_request_stands_until_it_is_merged() {
    let scene = Scene::new("    publish: pullRequest\n", &["1.4.0", "1.5.0"]);
    scene.write("prod", "1.5.0", "By hand", 2);
    let rolled = scene.call(&["rollback", "prod", &scene.image(), "--output", "json"]).ended(0).json();
    assert_eq!(rolled["proposals"][0]["action"], "opened", "{rolled}");
    assert_eq!(scene.runs("prod"), "1.5.0");
    let head = format!("tagboat/prod/{}", group(&scene));
    let tip = scene.remote.tip(&head);
    scene.run();
    assert_eq!(scene.remote.tip(&head), tip, "a pass leaves what a person ordered");
    let again = scene.call(&["rollback", "prod", &scene.image(), "--output", "json"]).ended(0).json();
    assert_eq!((again["proposals"][0]["action"].as_str(), scene.remote.tip(&head)), (Some("unchanged"), tip.clone()));

    scene.people.git(&["pull", "--quiet", "--ff-only"]);
    scene.people.git(&["merge", "--quiet", "--no-ff", "-m", "Merge it", &format!("origin/{head}")]);
    scene.people.git(&["push", "--quiet", "origin", "main"]);
    assert_eq!(scene.runs("prod"), "1.4.0");
    scene.run();
    assert_eq!(scene.runs("prod"), "1.4.0");
    assert_eq!(scene.remote.git(&["for-each-ref", "refs/heads/tagboat"]), "", "what was merged is removed");
    assert_eq!(scene.told(&["--environment", "prod"])[0].split(' ').next(), Some("rollback"));
    let held = String::from_utf8(scene.remote.show("main", ".tagboat/holds.yaml")).unwrap();
    assert!(held.contains("1.5.0"), "{held}");
}

#[test]
fn a_rollback_where_plain_git_merges_by_itself_is_on_the_base_at_once() {
    let scene = Scene::new("    publish: autoMerge\n", &["1.4.0", "1.5.0"]);
    scene.write("prod", "1.5.0", "By hand", 2);
    let rolled = scene.call(&["rollback", "prod", &scene.image(), "--output", "json"]).ended(0).json();
    assert_eq!(rolled["proposals"][0]["action"], "merged", "{rolled}");
    assert_eq!(scene.runs("prod"), "1.4.0");
    assert_eq!(scene.remote.git(&["for-each-ref", "refs/heads/tagboat"]), "");
}

#[test]
fn a_hotfix_skips_what_is_named_and_passes_environments_over() {
    let prod =
        "    publish: commit\n    gates: {soak: 30d, windows: [{days: mon, hours: \"00:00-00:01\", zone: UTC}]}\n";
    let scene = Scene::new(prod, &["1.4.0", "1.5.0"]);
    scene.run();
    scene.world.push("acme/web", "1.5.1");
    let version = format!("{}:1.5.1", scene.image());
    let before = scene.remote.tip("main");
    for (further, code, says) in [
        (vec![], 1, "bring it there first, or order a hotfix with `--now`"),
        (vec!["--now", "--reason", "x"], 1, "--skip soak"),
        (vec!["--now", "--skip", "sleep", "--reason", "x"], 2, "`sleep` is no gate"),
    ] {
        let ran = scene.call(&[&["promote", &version, "--to", "prod"], further.as_slice()].concat()).ended(code);
        assert!(ran.err.contains(says), "{ran:?}");
    }
    assert_eq!(scene.remote.tip("main"), before);
    let hot = ["promote", &version, "--to", "prod", "--now", "--skip", "soak,windows", "--reason", "outage"];
    let done = scene.call(&hot).ended(0);
    assert!(words(&done.out).contains("dev runs 1.5.0 and is passed over"), "{done:?}");
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.5.0".to_owned(), "1.5.1".to_owned()));
    let message = scene.message();
    assert!(message.contains("Tagboat-Skip: soak, windows\nTagboat-Reason: outage"), "{message}");
    let json = scene.json(&["history", "--environment", "prod"]);
    assert_eq!(json["entries"][0]["kind"], "hotfix");
    assert_eq!(json["entries"][0]["reason"], "outage (without soak, windows)");
    let tip = scene.remote.tip("main");
    scene.call(&hot).ended(0);
    assert_eq!(scene.remote.tip("main"), tip, "once is enough");
    scene.run();
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.5.1".to_owned(), "1.5.1".to_owned()), "never downgraded");
}

#[test]
fn a_version_that_is_not_there_or_does_not_fit_is_not_promoted() {
    let scene = Scene::new("    publish: commit\n", &["1.3.0", "1.4.0", "1.5.0-alpine", "2.0.0"]);
    let image = scene.image();
    for (tag, says) in [
        ("9.9.9", "the registry has no tag 9.9.9"),
        ("1.5.0-alpine", "not in family"),
        ("2.0.0", "out of range"),
        ("1.3.0", "`tagboat rollback prod"),
    ] {
        let ran =
            scene.call(&["promote", &format!("{image}:{tag}"), "--to", "prod", "--now", "--reason", "x"]).ended(1);
        assert!(ran.err.contains(says), "{tag}: {ran:?}");
        assert!(ran.err.contains("hint: "), "{ran:?}");
    }
    scene.world.push("acme/web", "1.5.0");
    scene.call(&["hold", &format!("{image}:1.5.0"), "-e", "dev", "--reason", "bad"]).ended(0);
    let ran = scene.call(&["promote", &format!("{image}:1.5.0"), "--to", "prod", "--now", "--reason", "x"]).ended(1);
    assert!(ran.err.contains("is held") && ran.err.contains("tagboat release"), "{ran:?}");
}

#[test]
fn an_order_that_was_squashed_is_done_with_though_its_file_changed_since() {
    let scene = Scene::new("    publish: pullRequest\n", &["1.4.0", "1.5.0"]);
    scene.write("prod", "1.5.0", "By hand", 2);
    scene.call(&["rollback", "prod", &scene.image()]).ended(0);
    let head = format!("origin/tagboat/prod/{}", group(&scene));
    let people = &scene.people;
    people.git(&["pull", "--quiet", "--ff-only"]);
    people.git(&["merge", "--quiet", "--squash", &head]);
    let message = people.git(&["log", "-1", "--format=%B", &head]);
    people.git(&["commit", "--quiet", "-m", &message.replacen('\n', " (#3)\n", 1)]);
    people.git(&["push", "--quiet", "origin", "main"]);
    scene.write("prod", "1.4.2", "Onwards", 5);
    scene.run();
    assert_eq!(scene.remote.git(&["for-each-ref", "refs/heads/tagboat"]), "");
    let told = scene.told(&["--environment", "prod"]);
    assert_eq!(told[..3], ["manual prod 1.4.0 1.4.2", "rollback prod 1.5.0 1.4.0", "hold prod - 1.5.0"]);
    let all = scene.json(&["history", "--environment", "prod"]);
    assert_eq!(all["entries"][1]["pullRequest"], "#3", "{all}");
}

#[test]
fn a_base_that_was_rewritten_is_read_as_it_is_now() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0", "1.5.0"]);
    scene.run();
    assert_eq!(scene.told(&["--environment", "dev"])[0], "update dev 1.4.0 1.5.0");
    // The updates never were; another commit stands in their place.
    scene.people.commit_files(&[("readme", "rewritten\n")], "Rewritten", 6);
    scene.people.git(&["push", "--quiet", "--force", "origin", "main"]);
    assert_eq!(scene.told(&["--environment", "dev"]), ["manual dev - 1.4.0"]);
    let json = scene.json(&["status"]);
    assert_eq!(json["environments"][0]["images"][0]["since"], "2026-01-01T12:00:00Z");
    // What a forced push took out is not brought again unasked; what is newer is.
    scene.run();
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.4.0".to_owned(), "1.4.0".to_owned()));
    scene.world.push("acme/web", "1.6.0");
    scene.run();
    assert_eq!((scene.runs("dev"), scene.runs("prod")), ("1.6.0".to_owned(), "1.6.0".to_owned()));
}

#[test]
fn a_rollback_of_two_places_takes_each_to_what_stood_there_and_refuses_where_nobody_can_tell() {
    let scene = Scene::new("    publish: pullRequest\n", &["1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.8.0"]);
    let write = |shop: &str, blog: &str, day: u8| {
        scene.people.git(&["pull", "--quiet", "--ff-only"]);
        let texts = [shop, blog].map(|tag| scene.world.deployment(&format!("acme/web:{tag}")));
        let files = [("prod/web.yaml", texts[0].as_str()), ("prod/blog.yaml", texts[1].as_str())];
        scene.people.commit_files(&files, "By hand", day);
        scene.people.git(&["push", "--quiet", "origin", "main"]);
    };
    let runs = |file: &str| {
        let text = String::from_utf8(scene.remote.show("main", file)).unwrap();
        text.split("  #").next().unwrap().trim_end().rsplit(':').next().unwrap().to_owned()
    };
    let back = |further: &[&str]| scene.call(&[&["rollback", "prod", "web", "--publish", "commit"], further].concat());
    write("1.3.0", "1.3.0", 3);
    write("1.4.0", "1.8.0", 4);
    back(&["--reason", "both fail"]).ended(0);
    assert_eq!((runs("prod/web.yaml"), runs("prod/blog.yaml")), ("1.3.0".to_owned(), "1.3.0".to_owned()));

    scene.call(&["release", "web:1.4.0", "-e", "prod", "--reason", "mended"]).ended(0);
    write("1.3.0", "1.4.0", 5);
    write("1.6.0", "1.6.0", 6);
    back(&[]).ended(0);
    assert_eq!((runs("prod/web.yaml"), runs("prod/blog.yaml")), ("1.3.0".to_owned(), "1.4.0".to_owned()));

    // Moved to other folders, each is the place that it was.
    scene.people.git(&["pull", "--quiet", "--ff-only"]);
    scene.people.git(&["mv", "prod/blog.yaml", "prod/diary.yaml"]);
    scene.people.git(&["commit", "--quiet", "-m", "Call it a diary"]);
    let texts = ["1.8.0", "1.8.0"].map(|tag| scene.world.deployment(&format!("acme/web:{tag}")));
    scene.people.commit_files(&[("prod/web.yaml", &texts[0]), ("prod/diary.yaml", &texts[1])], "By hand", 7);
    scene.people.git(&["push", "--quiet", "origin", "main"]);
    back(&[]).ended(0);
    assert_eq!((runs("prod/web.yaml"), runs("prod/diary.yaml")), ("1.3.0".to_owned(), "1.4.0".to_owned()));

    // One place of a file that had two others may have been either.
    let two = format!("{}---\n{}", scene.world.deployment("acme/web:1.3.0"), scene.world.deployment("acme/web:1.4.0"));
    scene.people.git(&["pull", "--quiet", "--ff-only"]);
    scene.people.commit_files(&[("prod/web.yaml", &two)], "Two of them", 8);
    scene.people.commit_files(&[("prod/web.yaml", &texts[0])], "One of them", 9);
    scene.people.git(&["push", "--quiet", "origin", "main"]);
    scene.call(&["release", "web:1.8.0", "-e", "prod", "--reason", "mended"]).ended(0);
    let tip = scene.remote.tip("main");
    let refused = back(&[]);
    assert_eq!((refused.code, scene.remote.tip("main")), (1, tip), "{refused:?}");
    let told = "it stands where different versions may have stood before 1.8.0: 1.3.0, 1.4.0 (in prod/web.yaml)";
    assert!(words(&refused.err).contains(told) && refused.err.contains("--to TAG"), "{refused:?}");
    back(&["--to", "1.3.0"]).ended(0);
    assert_eq!((runs("prod/web.yaml"), runs("prod/diary.yaml")), ("1.3.0".to_owned(), "1.3.0".to_owned()));
}

#[test]
fn check_and_status_tell_with_the_figures_of_a_soak_that_builds_starve() {
    let starving = |soak: &str| {
        let scene = Scene::new(&format!("    publish: commit\n    gates: {{soak: {soak}}}\n"), &["1.4.0", "1.5.0"]);
        for (tag, day) in [("1.4.1", 5), ("1.4.2", 6), ("1.4.3", 7), ("1.5.0", 8)] {
            scene.write("dev", tag, "build", day);
        }
        words(&scene.world.tagboat(&["check", &scene.people.folder.display().to_string()]).ended(0).out)
    };
    let told = starving("2d");
    assert!(told.contains("warning[starved-soak]"), "{told}");
    assert!(
        told.contains("from dev: the last 3 versions there stayed too short, at most 1 d: a shorter `soak`"),
        "{told}"
    );
    for soak in ["1d", "{for: 2d, count: introduced}"] {
        let told = starving(soak);
        assert!(!told.contains("starved-soak"), "{told}");
    }
}

#[test]
fn report_reads_on_for_the_commit_that_tells_when_a_version_was_published() {
    let scene = Scene::new("    publish: commit\n", &["1.4.0"]);
    let image = scene.image();
    let message = format!(
        "dev: update web\n\nTagboat-Environment: dev\nTagboat-Image: {image} 1.4.0 -> 1.5.0\nTagboat-Dated: {image} \
         2026-01-01T12:00:00Z 1.5.0\n"
    );
    scene.write("dev", "1.5.0", &message, 2);
    scene.write("dev", "1.4.0", "Back", 3);
    for number in 0..60 {
        scene.people.commit_files(&[("readme", &format!("{number}\n"))], "Docs", 4);
    }
    scene.write("dev", "1.5.0", "Again", 20);
    for since in ["2026-01-19", "2026-01-01"] {
        let json = scene.json(&["report", "--since", since, "--until", "2026-01-21"]);
        let dated = &json["environments"][0]["dated"];
        assert_eq!(dated["known"], dated["of"], "{since}: {json}");
    }
}

#[test]
fn a_step_from_the_environment_before_tells_its_size_whatever_else_the_registry_has() {
    let scene = Scene::new("", &["1.4.0", "1.5.0", "1.6.0"]);
    // The order of letters is another one than that of promotion.
    let called = config(&scene.world, "    publish: commit\n").replace("name: dev", "name: test");
    let called = called.replace("after: dev", "after: test").replace("name: prod", "name: live");
    scene.people.commit_files(&[(".tagboat.yaml", &called)], "Names", 1);
    scene.write("dev", "1.5.0", "By hand", 2);
    let json = scene.json(&["run", "--dry-run"]);
    let changes = json["changes"].as_array().unwrap();
    let live = changes.iter().find(|change| change["environment"] == "live").unwrap();
    assert_eq!((live["to"]["tag"].as_str(), &live["step"]), (Some("1.5.0"), &"minor".into()), "{json}");
    let folder = scene.people.folder.display().to_string();
    let told = words(&scene.world.tagboat(&["explain", &scene.image(), "-C", &folder]).ended(0).out);
    assert!(told.contains("chosen: 1.5.0 (minor step)"), "{told}");
    assert!(told.contains("1.5.0: chosen, the environment before has it"), "{told}");
    assert!(told.contains("1.6.0: chosen, best that semver 1.x allows"), "{told}");
    assert!(told.find("in test") < told.find("in live"), "{told}");
}
