//! What `explain` tells of environments with `after`: what comes next, on what gates pass, who holds what, which image of a
//! group is missing; and which place takes what where one image stands in several.

use crate::program::World;
use crate::support::repository::Repository;

/// A world with `web` and `api` in a group, and the checkout that it works on, committed on 5 January.
fn shop(world: &World, gates: &str, further: &str) -> Repository {
    for image in ["acme/web", "acme/api"] {
        ["1.4.0", "1.5.0"].iter().for_each(|tag| world.push(image, tag));
    }
    let host = world.registry.host();
    let config = format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\n{further}environments:\n  - name: dev\n    files: [dev/**]\n    \
         publish: commit\n  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n{gates}"
    );
    let (web, api) = (world.deployment("acme/web:1.4.0"), world.deployment("acme/api:1.4.0"));
    let files = [
        (".tagboat.yaml", config.as_str()),
        ("dev/web.yaml", &web),
        ("dev/api.yaml", &api),
        ("prod/web.yaml", &web),
        ("prod/api.yaml", &api),
    ];
    let work = world.scratch.work("work", &[]);
    work.commit_files(&files, "first", 5);
    work
}

fn group(world: &World) -> String {
    format!("groups: [{{name: shop, images: [{0}/acme/web, {0}/acme/api]}}]\n", world.registry.host())
}

fn explained(world: &World, work: &Repository, image: &str, further: &[&str]) -> String {
    let folder = work.folder.display().to_string();
    world.tagboat(&[&["explain", image, "-C", &folder, "-e", "prod"], further].concat()).ended(0).out
}

fn json(world: &World, work: &Repository, image: &str) -> serde_json::Value {
    let text = explained(world, work, image, &["--at", "2026-01-08T12:00:00Z", "--output", "json"]);
    let mut all: serde_json::Value = serde_json::from_str(&text).unwrap();
    all["explanations"][0].take()
}

/// Commits both images at 1.5.0 in `dev`, on 6 January.
fn newer(world: &World, work: &Repository) {
    let (web, api) = (world.deployment("acme/web:1.5.0"), world.deployment("acme/api:1.5.0"));
    work.commit_files(&[("dev/web.yaml", &web), ("dev/api.yaml", &api)], "newer", 6);
}

#[test]
fn a_branch_on_a_remote_is_explained_as_its_checkout_is_and_by_what_is_proposed_to_be_held_there() {
    let world = World::new();
    let work = shop(&world, "    gates: {soak: 24h}\n", "");
    newer(&world, &work);
    let bare = world.scratch.path("gitops.git").display().to_string();
    work.git(&["clone", "--quiet", "--bare", &work.folder.display().to_string(), &bare]);
    let at = ["--at", "2026-01-06T18:00:00Z"];
    let on_remote = || {
        let named = ["explain", "web", "-e", "prod", "--repo", &bare, "--branch", "main"];
        let told = world.tagboat(&[&named[..], &at].concat()).ended(0).out;
        told.split("\nAsked").next().unwrap().to_owned()
    };
    let told = on_remote();
    assert!(told.contains("soak"), "{told}");
    assert_eq!(told, explained(&world, &work, "web", &at).split("\nAsked").next().unwrap());
    let hold = format!(
        "version: 1\nholds:\n  - {{image: {}/acme/web, tag: 1.5.0, environment: prod, by: sre, reason: leaks}}\n",
        world.registry.host()
    );
    work.git(&["checkout", "--quiet", "-b", "tagboat/@holds"]);
    work.commit_files(&[(".tagboat/holds.yaml", &hold)], "hold", 6);
    work.git(&["push", "--quiet", &bare, "tagboat/@holds"]);
    let told = on_remote();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("sre holds it in prod: not merged yet: leaks (proposed in tagboat/@holds)"), "{told}");
    world.tagboat(&["explain", "web", "-C", ".", "--repo", &bare]).ended(2);
    world.tagboat(&["explain", "web", "--branch", "main"]).ended(2);
}

#[test]
fn a_held_version_is_named_with_who_holds_it_until_when_and_why() {
    let world = World::new();
    let work = shop(&world, "", "");
    newer(&world, &work);
    let hold = format!(
        "version: 1\nholds:\n  - {{image: {}/acme/web, tag: 1.5.0, environment: prod, by: sre, until: \
         2026-02-01T00:00:00Z, reason: loses sessions}}\n",
        world.registry.host()
    );
    work.commit_files(&[(".tagboat/holds.yaml", &hold)], "hold", 7);
    let told = explained(&world, &work, "web", &["--at", "2026-01-08T12:00:00Z"]);
    insta::assert_snapshot!(told.split("\nAsked").next().unwrap(), @"
    127.0.0.1:50000/acme/web in prod
      policy: semver 1.x
      current: 1.4.0
      chosen: none (1.5.0 is kept back: held: sre holds it in prod until
                2026-02-01T00:00:00Z: loses sessions)
      earliest: 2026-02-01T00:00:00Z

      1.4.0: in use
      1.5.0: held: sre holds it in prod until 2026-02-01T00:00:00Z: loses sessions
    ");
    let row = json(&world, &work, "web");
    assert_eq!((row["next"].as_str(), row["action"].as_str()), (Some("1.5.0"), Some("held")), "{row}");
    assert!(row["reason"].as_str().unwrap().ends_with("prod until 2026-02-01T00:00:00Z: loses sessions"), "{row}");
    assert_eq!(row["candidates"][1]["reason"], "held: sre holds it in prod until 2026-02-01T00:00:00Z: loses sessions");
}

#[test]
fn a_gate_that_passes_tells_on_what_and_one_that_waits_until_when() {
    let world = World::new();
    let gates = "    gates:\n      soak: 1d\n      windows: [{days: mon-thu, hours: \"09:00-16:00\", zone: Europe/Berlin}]\n      \
                 freezes: [{from: 2026-01-08, to: 2026-01-08, zone: Europe/Berlin}]\n";
    let work = shop(&world, gates, &group(&world));
    newer(&world, &work);
    let told = explained(&world, &work, "web", &["--at", "2026-01-08T12:00:00Z"]);
    insta::assert_snapshot!(told.split("\nAsked").next().unwrap(), @"
    127.0.0.1:50000/acme/web in prod
      policy: semver 1.x
      current: 1.4.0
      chosen: 1.5.0 (minor step)
        soak passes: in dev since 2026-01-06T12:00:00Z, for 1 d or more,
          127.0.0.1:50000/acme/web as the last
        windows passes: the window is open until Thu 2026-01-08 16:00 CET
        freezes waits until 2026-01-08T23:00:00Z: frozen until Fri 2026-01-09 00:00
          CET
      earliest: 2026-01-12T08:00:00Z

      1.5.0: chosen, the environment before has it
      1.4.0: in use
    ");
    let row = json(&world, &work, "web");
    assert_eq!(row["gates"][0]["state"], "pass");
    assert!(row["gates"][0]["facts"].as_str().unwrap().starts_with("in dev since 2026-01-06T"), "{row}");
    assert_eq!(row["gates"][2]["facts"], serde_json::Value::Null, "it waits");
    // Before it came there at all, no more than the whole soak is left.
    let early = explained(&world, &work, "web", &["--at", "2026-01-01T12:00:00Z"]);
    let early = early.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(early.contains("1 d of 1 d to go in dev, where it came only at 2026-01-06T"), "{early}");
}

#[test]
fn a_group_that_waits_tells_which_image_is_missing_or_held() {
    let world = World::new();
    let work = shop(&world, "", &group(&world));
    newer(&world, &work);
    let host = "127.0.0.1:50000";
    let reason = |image: &str| json(&world, &work, image)["reason"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reason("web"), "");

    let ignored = world.deployment("acme/api:1.4.0").replace("# ours", "# tagboat: ignore");
    work.commit_files(&[("prod/api.yaml", &ignored)], "leave api alone", 7);
    let missing = format!("the group moves together: {host}/acme/api: dev runs it, and nothing follows it in prod");
    assert_eq!(reason("web"), missing);
    work.git(&["rm", "--quiet", "prod/api.yaml"]);
    work.commit_files(&[("readme", "no api here")], "take api out", 7);
    assert_eq!(reason("web"), missing);
    let told = explained(&world, &work, "web", &[]);
    assert!(told.contains("waits: the group moves together"), "{told}");
    let planned = world.tagboat(&["plan", &work.folder.display().to_string(), "--output", "json"]).ended(0).json();
    assert_eq!(planned["changes"], serde_json::json!([]), "nothing of the group moves alone");

    let hold = format!("version: 1\nholds: [{{image: {}/acme/api, tag: 1.5.0, by: sre}}]\n", world.registry.host());
    let api = world.deployment("acme/api:1.4.0");
    work.commit_files(&[("prod/api.yaml", &api), (".tagboat/holds.yaml", &hold)], "hold", 8);
    assert_eq!(reason("web"), format!("the group moves together: {host}/acme/api: 1.5.0 is held: sre holds it"));
}

#[test]
fn what_the_environment_before_ran_earlier_is_told_as_such_where_soak_counts_from_the_introduction() {
    let world = World::new();
    for tag in ["1.6.0", "1.7.0"] {
        world.push("acme/web", tag);
    }
    let apart = "in an environment before, now or earlier, and not what comes next:\n    1.7.0, 1.6.0";
    let gates = "    gates: {soak: {for: 1d, count: introduced}}\n";
    for (gates, told) in [(gates, apart), ("", "not in the environment before: 1.6.0, 1.5.0")] {
        let work = shop(&world, gates, "");
        newer(&world, &work);
        work.commit_files(&[("dev/web.yaml", &world.deployment("acme/web:1.6.0"))], "newer still", 7);
        work.commit_files(&[("dev/web.yaml", &world.deployment("acme/web:1.7.0"))], "newest", 8);
        // 1.5.0 was introduced a day and a half before, 1.6.0 half a day.
        let all = explained(&world, &work, "web", &["--at", "2026-01-08T00:00:00Z"]);
        assert!(all.contains(told), "{all}");
        std::fs::remove_dir_all(&work.folder).unwrap();
    }
}

#[test]
fn each_of_several_places_goes_where_its_own_counterpart_stands() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let after =
        "    gates: {manual: true}\n  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n";
    let (old, new) = (world.deployment("acme/web:1.4.0"), world.deployment("acme/web:1.5.0"));
    let config = world.config() + after;
    let mut files = vec![(".tagboat.yaml", config.as_str()), ("dev/eu/web.yaml", &new), ("dev/us/web.yaml", &old)];
    files.extend(["prod/eu/web.yaml", "prod/us/web.yaml", "prod/asia/web.yaml"].map(|file| (file, old.as_str())));
    let remote = world.scratch.bare("manifests.git", &files);
    let ran = world.run_on(&remote, &["--output", "json"]).ended(0).json();
    assert_eq!(remote.git(&["diff", "--name-only", "main~1", "main"]), "prod/eu/web.yaml", "{ran}");
    assert_eq!(remote.show("main", "prod/eu/web.yaml"), new.clone().into_bytes());
    let says = "in prod: dev runs several versions of it: 1.4.0, 1.5.0; no place there stands for prod/asia/web.yaml";
    assert_eq!(ran["skipped"][0]["reason"], says, "{ran}");
    assert_eq!(ran["skipped"].as_array().unwrap().len(), 1, "{ran}");
    let again = world.run_on(&remote, &["--output", "json"]).ended(0).json();
    assert_eq!(again["changes"], serde_json::json!([]), "{again}");

    let folder = world.scratch.path("clone");
    remote.git(&["clone", "--quiet", ".", &folder.display().to_string()]);
    let told = explained(&world, &Repository { folder }, "web", &[]);
    let heads: Vec<&str> = told.lines().filter(|line| line.contains("where:") || line.contains("chosen:")).collect();
    assert_eq!(heads.len(), 6, "one for each place: {told}");
    let apart = "1.5.0: in an environment before, now or earlier, and not what comes next";
    assert!(told.contains(apart) && !told.contains("not in the environment before"), "{told}");
    assert!(heads[0].ends_with("where: prod/asia/web.yaml:9:43") && heads[1].contains("undecided"), "{told}");

    // `check` names the places that only one of the two has.
    world.write(".tagboat.yaml", &config);
    files.push(("dev/alone/web.yaml", &old));
    files.iter().for_each(|(file, text)| world.write(file, text));
    let found = world.tagboat(&["check", "--output", "json"]).ended(0).json();
    let rows = found["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == "only-in-one");
    let told: Vec<String> = rows.map(|row| format!("{}: {}", row["file"], row["message"])).collect();
    let stands = |has: &str, lacks: &str| {
        format!("127.0.0.1:50000/acme/web stands here in {has} and at no such place in {lacks}\"")
    };
    assert_eq!(
        told,
        [
            format!(r#""dev/alone/web.yaml": "{}"#, stands("dev", "prod")),
            format!(r#""prod/asia/web.yaml": "{}"#, stands("prod", "dev")),
        ]
    );
}

#[test]
fn each_of_several_places_drifts_by_its_own_counterpart_and_status_says_where_it_stands() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let after =
        "    gates: {manual: true}\n  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n";
    let (old, new) = (world.deployment("acme/web:1.4.0"), world.deployment("acme/web:1.5.0"));
    let config = world.config() + after;
    let files = [
        (".tagboat.yaml", config.as_str()),
        ("dev/eu/web.yaml", &new),
        ("dev/us/web.yaml", &old),
        ("prod/eu/web.yaml", &new),
        ("prod/us/web.yaml", &new),
    ];
    let work = world.scratch.work("work", &files);
    let folder = work.folder.display().to_string();
    let status = world.tagboat(&["status", "-C", &folder, "--output", "json"]).ended(0).json();
    let rows = status["environments"][1]["images"].as_array().unwrap();
    let told: Vec<(String, bool)> =
        rows.iter().map(|row| (row["files"].to_string(), row["drift"].is_string())).collect();
    let row = |file: &str, drifts: bool| (format!("[\"{file}\"]"), drifts);
    assert_eq!(told, [row("prod/eu/web.yaml", false), row("prod/us/web.yaml", true)], "{status}");
    let reason = rows[1]["drift"].as_str().unwrap();
    let says = ") is ahead of dev, which runs 1.4.0 at the place that stands for this one";
    assert!(reason.starts_with("1.5.0 (by ") && reason.ends_with(says), "{reason}");
    let text = world.tagboat(&["status", "-C", &folder]).ended(0).out;
    assert!(text.contains("where") && text.contains("prod/us/web.yaml"), "{text}");
    let found = world.tagboat(&["check", &folder, "--output", "json"]).json();
    let drifts = found["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == "drift");
    let files: Vec<&str> = drifts.map(|row| row["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["prod/us/web.yaml"], "where it drifts, and not where it only stands: {found}");

    // Each came by its own commit.
    work.commit_files(&[("dev/us/web.yaml", &new)], "us", 9);
    let status = world.tagboat(&["status", "-C", &folder, "--output", "json"]).ended(0).json();
    let rows = status["environments"][0]["images"].as_array().unwrap();
    assert_eq!((rows.len(), rows[0]["files"].as_array().unwrap().len()), (1, 2), "{status}");
    assert!(rows[0]["since"].as_str().unwrap().starts_with("2026-01-09"), "at the last of its places: {status}");
}

#[test]
fn what_a_pass_says_of_an_environment_is_what_holds_when_it_ends() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let later = |name: &str, after: &str| {
        format!("  - name: {name}\n    files: [{name}/**]\n    after: {after}\n    publish: commit\n")
    };
    let config = world.config() + &later("staging", "dev") + &later("prod", "staging");
    let (old, new) = (world.deployment("acme/web:1.4.0"), world.deployment("acme/web:1.5.0"));
    let files = [
        (".tagboat.yaml", config.as_str()),
        ("dev/web.yaml", &old),
        ("staging/web.yaml", &old),
        ("prod/web.yaml", &new),
    ];
    let remote = world.scratch.bare("manifests.git", &files);
    let ran = world.run_on(&remote, &[]).ended(0);
    assert!(!ran.out.contains("ahead"), "the others have caught up: {ran:?}");
}

#[test]
fn places_in_one_file_stand_for_each_other_by_their_names() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let after =
        "    gates: {manual: true}\n  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n";
    let config = world.config() + after;
    let pod = |containers: [(&str, &str); 3]| {
        let host = world.registry.host();
        let own =
            containers.map(|(name, tag)| format!("  - {{name: {name}, image: '{host}/acme/web:{tag}'}}\n")).concat();
        format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{own}")
    };
    let files = [
        (".tagboat.yaml", config.as_str()),
        ("dev/web.yaml", &pod([("a", "1.4.0"), ("b", "1.5.0"), ("c", "1.4.0")])),
        ("prod/web.yaml", &pod(["c", "b", "a"].map(|name| (name, "1.4.0")))),
    ];
    let remote = world.scratch.bare("manifests.git", &files);
    world.run_on(&remote, &[]).ended(0);
    let now = String::from_utf8(remote.show("main", "prod/web.yaml")).unwrap();
    assert_eq!(now, pod([("c", "1.4.0"), ("b", "1.5.0"), ("a", "1.4.0")]));
}
