//! Holding and releasing versions, and what somebody took back, on a real repository.

use crate::program::World;
use crate::support::repository::Repository;

fn runs(repository: &Repository) -> String {
    let text = String::from_utf8(repository.show("main", "dev/web.yaml")).unwrap();
    text.split("  #").next().unwrap().rsplit(':').next().unwrap().to_owned()
}

fn version(world: &World, tag: &str) -> String {
    format!("{}/acme/web:{tag}", world.registry.host())
}

#[test]
fn a_held_version_is_passed_over_until_it_is_released() {
    let world = World::with_web(&["1.4.0", "1.4.1", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let url = remote.folder.display().to_string();
    let web = version(&world, "1.5.0");
    let held = world.tagboat(&["hold", &web, "--reason", "loses sessions", "--repo", &url]).ended(0);
    assert!(held.out.contains("loses sessions"), "{held:?}");
    assert!(held.out.ends_with("Pushed 1 commit: one version is held.\n"), "{held:?}");
    let file = String::from_utf8(remote.show("main", ".tagboat/holds.yaml")).unwrap();
    assert!(file.starts_with("version: 1\nholds:\n  - image: "), "{file}");
    let message = remote.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.starts_with("hold web:1.5.0\n"), "{message}");
    assert!(message.contains(&format!("Tagboat-Hold: {web}")), "{message}");

    let ran = world.run_on(&remote, &[]).ended(0);
    assert_eq!(runs(&remote), "1.4.1", "{ran:?}");
    assert!(ran.out.contains("1.5.0 is held"), "{ran:?}");
    assert!(ran.out.contains("loses sessions"), "{ran:?}");

    // The same version held again is one entry, with the newer reason.
    let again = world.tagboat(&["hold", &web, "-e", "dev", "--reason", "more", "--repo", &url]).ended(0);
    assert!(again.out.contains("2 versions are held"), "{again:?}");
    let again =
        world.tagboat(&["hold", &web, "-e", "dev", "--reason", "why", "--repo", &url, "--output", "json"]).ended(0);
    let holds = again.json()["holds"].clone();
    assert_eq!(holds.as_array().unwrap().len(), 2, "{holds}");
    assert_eq!((holds[1]["environment"].as_str(), holds[1]["reason"].as_str()), (Some("dev"), Some("why")));

    world.tagboat(&["release", &web, "--repo", &url]).ended(0);
    let message = remote.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains(&format!("Tagboat-Release: {web} in dev")), "{message}");
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(runs(&remote), "1.5.0");
}

#[test]
fn what_is_held_with_a_v_is_released_without_and_what_another_entry_holds_names_that() {
    let world = World::with_web(&["1.4.0"]);
    let image = format!("{}/acme/web", world.registry.host());
    let entry = |tag: &str, more: &str| format!("- image: {image}\n  tag: {tag}\n{more}");
    let held = [entry("v1.5.0", ""), entry("1.6.0", "  environment: dev\n"), entry("1.7.0", "")].concat();
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let holds = format!("version: 1\nholds:\n{held}");
    let remote = world
        .scratch
        .bare("manifests.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &holds)]);
    let url = remote.folder.display().to_string();
    let release =
        |arguments: &[&str], code| world.tagboat(&[&["release", "--repo", &url], arguments].concat()).ended(code);
    release(&[&format!("{image}:1.5.0")], 0);
    let every = release(&[&format!("{image}:1.7.0"), "-e", "dev"], 2).err;
    assert!(every.contains("nothing holds") && every.contains("in every environment: release it without"), "{every}");
    let other = release(&[&format!("{image}:1.6.0"), "-e", "dev"], 0).out;
    assert!(other.contains("1.6.0"), "{other}");
    let file = remote.git(&["show", "main:.tagboat/holds.yaml"]);
    assert_eq!(file.matches("tag:").count(), 1, "{file}");
}

#[test]
fn a_version_is_released_under_every_spelling_that_its_policy_takes_for_it() {
    let world = World::with_web(&["v1.4.0"]);
    let image = format!("{}/acme/web", world.registry.host());
    let (config, web) = (world.config(), world.deployment("acme/web:v1.4.0"));
    let config = config.replace("semver: minor", "semver: minor\n    tags: '^v(?<version>[0-9.]+)$'");
    let entry = |tag: &str| format!("- {{image: {image}, tag: {tag}}}\n");
    let holds = format!("version: 1\nholds:\n{}{}", entry("v1.5.0"), entry("v1.5.1"));
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &holds)];
    let remote = world.scratch.bare("manifests.git", &files);
    let url = remote.folder.display().to_string();
    world.tagboat(&["release", &format!("{image}:v1.5"), "--repo", &url]).ended(0);
    let file = remote.git(&["show", "main:.tagboat/holds.yaml"]);
    assert_eq!(file.matches("tag:").count(), 1, "{file}");
    assert!(file.contains("v1.5.1"), "{file}");
}

#[test]
fn orders_that_cannot_be_followed_say_why_and_change_nothing() {
    let world = World::with_web(&["1.4.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let url = remote.folder.display().to_string();
    let before = remote.tip("main");
    let web = version(&world, "1.5.0");
    for (arguments, code, says) in [
        (vec!["release", &web], 2, "nothing holds"),
        (vec!["hold", &web, "--reason", "x", "-e", "prd"], 2, "there is no environment `prd`: there are dev"),
        (vec!["hold", "nginx", "--reason", "x"], 2, "names no tag"),
        (vec!["hold", "nginx:a b", "--reason", "x"], 2, "is no version of an image"),
        (vec!["hold", "UPPER:1", "--reason", "x"], 2, "is no image"),
        (vec!["hold", &web, "--reason", "x", "--until", "2020-01-01T00:00:00Z"], 2, "which is over"),
        (vec!["hold", &web, "--reason", "x\ny"], 2, "a reason is one line"),
    ] {
        let arguments: Vec<&str> = arguments.into_iter().chain(["--repo", &url]).collect();
        let ran = world.tagboat(&arguments).ended(code);
        assert!(ran.err.contains(says), "{ran:?}");
    }
    assert_eq!(remote.tip("main"), before);
}

#[test]
fn holds_that_cannot_be_read_end_the_pass_with_their_place() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let holds = "version: 1\nholds:\n- image: nginx\n  tags: 1\n";
    let remote = world
        .scratch
        .bare("manifests.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web), (".tagboat/holds.yaml", holds)]);
    let ran = world.run_on(&remote, &[]).ended(2);
    assert!(ran.err.contains(".tagboat/holds.yaml:4:3"), "{ran:?}");
    assert_eq!(runs(&remote), "1.4.0");
}

#[test]
fn a_real_revert_is_respected_by_run_and_by_plan_in_a_checkout() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(runs(&remote), "1.5.0");
    let work = Repository { folder: world.scratch.path("clone") };
    remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &work.folder.display().to_string()]);
    work.git(&["revert", "--no-edit", "HEAD"]);
    work.git(&["push", "--quiet", "origin", "main"]);
    assert_eq!(runs(&remote), "1.4.0");
    let before = remote.tip("main");
    let ran = world.run_on(&remote, &[]).ended(0);
    assert_eq!(remote.tip("main"), before, "{ran:?}");
    assert!(ran.out.split_whitespace().collect::<Vec<_>>().join(" ").contains("took it back to 1.4.0"), "{ran:?}");
    let folder = work.folder.display().to_string();
    let planned = world.tagboat(&["plan", &folder, "--exit-code"]).ended(0);
    assert!(
        planned.out.split_whitespace().collect::<Vec<_>>().join(" ").contains("took it back to 1.4.0"),
        "{planned:?}"
    );
    let image = format!("{}/acme/web", world.registry.host());
    let explained = world.tagboat(&["explain", &image, "-C", &folder]).ended(0);
    assert!(
        explained.out.split_whitespace().collect::<Vec<_>>().join(" ").contains("took it back to 1.4.0"),
        "{explained:?}"
    );

    world.push("acme/web", "1.5.1");
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(runs(&remote), "1.5.1");
}

#[test]
fn holds_that_would_hold_nothing_are_told_of_by_run_and_check() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let entry = format!("  - image: {}/acme/web\n    tag: 1.5.0\n", world.registry.host());
    let typed = format!("version: 1\nholds:\n{entry}    environment: dve\n");
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &typed)];
    let remote = world.scratch.bare("manifests.git", &files);
    let ran = world.run_on(&remote, &[]).ended(2);
    assert!(ran.err.contains("there is no environment `dve`") && ran.err.contains("did you mean `dev`?"), "{ran:?}");
    assert!(ran.err.contains(".tagboat/holds.yaml:5:18"), "{ran:?}");
    assert_eq!(runs(&remote), "1.4.0");
    for (name, text) in [(".tagboat.yaml", &config), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &typed)] {
        world.write(name, text);
    }
    let checked = world.tagboat(&["check", "--output", "json"]).ended(2).json();
    assert_eq!((&checked["findings"][0]["rule"], &checked["findings"][0]["line"]), (&"holds".into(), &5.into()));
    // What is in the file can be released, whatever it names.
    let url = remote.folder.display().to_string();
    let web = format!("{}/acme/web", world.registry.host());
    world.tagboat(&["release", &web, "-e", "dve", "--repo", &url]).ended(0);
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(runs(&remote), "1.5.0");
}

#[test]
fn a_hold_by_hand_takes_short_names_and_is_told_of_where_it_holds_nothing() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let holds = |image: &str| {
        let tag = if image.contains("tag: ") { "" } else { "\n    tag: 1.5.0" };
        format!("version: 1\nholds:\n  - image: {image}{tag}\n")
    };
    let host = world.registry.host();
    let check = |extra: &[(&str, &str)], image: &str| {
        let holds = holds(image);
        for (name, text) in
            [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &holds)]
        {
            world.write(name, text);
        }
        extra.iter().for_each(|(name, text)| world.write(name, text));
        let found = world.tagboat(&["check", "--output", "json"]).ended(0).json();
        let rows = found["findings"].as_array().unwrap().iter().filter(|row| row["rule"] == "holds");
        rows.map(|row| format!("{}:{} {} {}", row["line"], row["column"], row["severity"], row["message"]))
            .collect::<Vec<_>>()
    };
    let with_v = format!("{host}/acme/web\n    tag: v1.5.0");
    let with_v = with_v.as_str();
    for (number, written) in ["web", "acme/web", &format!("{host}/acme/web"), with_v].into_iter().enumerate() {
        let holds = holds(written);
        let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), (".tagboat/holds.yaml", &holds)];
        let remote = world.scratch.bare(&format!("manifests{number}.git"), &files);
        let ran = world.run_on(&remote, &[]).ended(0);
        assert_eq!(runs(&remote), "1.4.0", "{written}: {ran:?}");
        assert_eq!(check(&[], written), [""; 0], "{written}");
        // By the name that a pass tells, too.
        let (web, url) = (version(&world, "1.5.0"), remote.folder.display().to_string());
        world.tagboat(&["release", &web, "--repo", &url]).ended(0);
        world.run_on(&remote, &[]).ended(0);
        assert_eq!(runs(&remote), "1.5.0", "{written}");
    }
    assert_eq!(
        check(&[], "ghcr.io/acme/wbe"),
        [r#"3:12 "warning" "no manifest has ghcr.io/acme/wbe, so this holds nothing""#]
    );
    let other = world.deployment("other/web:1.4.0");
    let several = r#"3:12 "warning" "docker.io/library/web may be short for several images, and holds each of them""#;
    assert_eq!(check(&[("dev/other.yaml", &other)], "web"), [several]);
}

#[test]
fn an_image_that_stands_nowhere_is_not_held() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let remote = world.scratch.bare("manifests.git", &[(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web)]);
    let url = remote.folder.display().to_string();
    let before = remote.tip("main");
    for (written, said) in
        [("ghcr.io/other/web:1.5.0", "/acme/web"), ("ghcr.io/acme/wbe:1.5.0", "`tagboat scan` lists every image")]
    {
        let ran = world.tagboat(&["hold", written, "-e", "dev", "--reason", "sessions", "--repo", &url]).ended(2);
        assert!(ran.err.contains("would hold nothing") && ran.err.contains(said), "{ran:?}");
    }
    assert_eq!(remote.tip("main"), before);
}

#[test]
fn a_file_of_holds_by_another_name_is_warned_of() {
    let world = World::with_web(&["1.4.0"]);
    world.write(".tagboat.yaml", world.config());
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    world.write(".tagboat/holds.yml", "version: 1\nholds: []\n");
    let planned = world.tagboat(&["plan"]).ended(0);
    assert!(planned.err.contains(".tagboat/holds.yml is not read"), "{planned:?}");
    let checked = world.tagboat(&["check", "--output", "json"]).ended(0).json();
    assert_eq!(checked["findings"][0]["file"], ".tagboat/holds.yml");
}
