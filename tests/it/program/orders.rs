//! How people name what they order, who they are on record as, and what stands until somebody merges it.

use serde_json::Value;

use crate::git::signing::ssh_key;
use crate::program::{Ran, World};
use crate::support::repository::Repository;

/// Takes the line ends out of wrapped text.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Two environments with images, and a bare repository.
struct Scene {
    world: World,
    remote: Repository,
}

impl Scene {
    fn new(further: &str, prod: &str, images: &[&str]) -> Self {
        let world = World::new();
        let host = world.registry.host();
        let config = format!(
            "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\n{}environments:\n  - name: dev\n    files: \
             [dev/**]\n    publish: commit\n    gates: {{manual: true}}\n  - name: prod\n    files: [prod/**]\n    after: \
             dev\n    publish: {prod}\n",
            further.replace("HOST", &host)
        );
        let mut files = vec![(".tagboat.yaml".to_owned(), config)];
        for image in images {
            ["1.4.0", "1.5.0"].iter().for_each(|tag| world.push(image, tag));
            for environment in ["dev", "prod"] {
                let path = format!("{environment}/{}.yaml", image.replace('/', "-"));
                files.push((path, world.deployment(&format!("{image}:1.4.0"))));
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let remote = world.scratch.bare("manifests.git", &files);
        Self { world, remote }
    }

    /// Lets a person write a version of images into both environments.
    fn write(&self, images: &[&str], tag: &str, day: u8) {
        self.write_to(&["dev", "prod"], images, tag, day);
    }

    fn write_to(&self, environments: &[&str], images: &[&str], tag: &str, day: u8) {
        let people = Repository { folder: self.world.scratch.path(&format!("people-{tag}-{day}")) };
        let url = self.remote.folder.display().to_string();
        self.remote.git(&["clone", "--quiet", &url, &people.folder.display().to_string()]);
        let mut files = Vec::new();
        for image in images {
            for environment in environments {
                let path = format!("{environment}/{}.yaml", image.replace('/', "-"));
                files.push((path, self.world.deployment(&format!("{image}:{tag}"))));
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        people.commit_files(&files, "By hand", day);
        people.git(&["push", "--quiet", "origin", "main"]);
    }

    fn call(&self, arguments: &[&str]) -> Ran {
        self.call_as(&[("USER", "ada")], arguments)
    }

    fn call_as(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let url = self.remote.folder.display().to_string();
        let mut command = self.world.command(&[arguments, &["--repo", &url, "--branch", "main"]].concat());
        for name in ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"] {
            command.env_remove(name);
        }
        self.world.finish(command.envs(variables.iter().copied()))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.call(&[arguments, &["--output", "json"]].concat()).ended(0).json()
    }

    fn runs(&self, path: &str) -> String {
        let text = String::from_utf8(self.remote.show("main", path)).unwrap();
        text.split("  #").next().unwrap().rsplit(':').next().unwrap().to_owned()
    }
}

#[test]
fn every_order_takes_the_last_parts_of_an_images_name() {
    let scene = Scene::new("", "commit", &["acme/web", "acme/api", "other/api"]);
    scene.write(&["acme/web", "acme/api", "other/api"], "1.5.0", 3);
    scene.call(&["rollback", "prod", "web", "--reason", "loses sessions"]).ended(0);
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.4.0");
    let before = scene.remote.tip("main");
    let host = scene.world.registry.host();
    let candidates = "`api` may be 127.0.0.1:50000/acme/api or 127.0.0.1:50000/other/api: write more of the name";
    let folder = scene.world.tree().display().to_string();
    scene.remote.git(&["clone", "--quiet", &scene.remote.folder.display().to_string(), &folder]);
    for arguments in [
        vec!["rollback", "prod", "api"],
        vec!["promote", "api:1.5.0", "--to", "prod", "--now", "--reason", "x"],
        vec!["hold", "api:1.5.0", "--reason", "x"],
        vec!["history", "--image", "api"],
        vec!["run", "--image", "api"],
    ] {
        let refused = scene.call(&arguments).ended(2);
        assert!(refused.err.contains(candidates), "{refused:?}");
    }
    let refused = scene.world.tagboat(&["explain", "api", "-C", &folder]).ended(2);
    assert!(refused.err.contains(candidates), "{refused:?}");
    assert_eq!(scene.remote.tip("main"), before);

    scene.call(&["release", "web:1.5.0", "-e", "prod", "--reason", "mended"]).ended(0);
    scene.call(&["promote", "web:1.5.0", "--to", "prod", "--now", "--reason", "again"]).ended(0);
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.5.0");
    scene.call(&["hold", "other/api:1.5.0", "-e", "prod", "--reason", "slow"]).ended(0);
    let holds = String::from_utf8(scene.remote.show("main", ".tagboat/holds.yaml")).unwrap();
    assert!(holds.contains(&format!("image: {host}/other/api\n")), "{holds}");
    let told = scene.json(&["history", "--image", "web", "--environment", "prod"]);
    let kinds: Vec<&str> = told["entries"].as_array().unwrap().iter().filter_map(|row| row["kind"].as_str()).collect();
    assert_eq!(kinds, ["hotfix", "release", "rollback", "hold", "promotion", "manual"], "{told}");
    let ran = scene.call(&["run", "--image", "web", "--dry-run"]).ended(0);
    assert!(!ran.out.contains("looks nowhere"), "{ran:?}");
    let explained = scene.world.tagboat(&["explain", "acme/web", "-C", &folder]).ended(0);
    assert!(explained.err.contains("note: acme/web is"), "{explained:?}");
}

#[test]
fn a_group_goes_before_an_image_of_its_name_and_one_image_that_leaves_it_is_told_of() {
    let groups = "groups:\n  - name: web\n    images: [HOST/acme/web, HOST/acme/api]\n";
    let scene = Scene::new(groups, "commit", &["acme/web", "acme/api"]);
    scene.write(&["acme/web", "acme/api"], "1.5.0", 3);
    let alone = scene.call(&["rollback", "prod", "acme/web"]).ended(0);
    assert_eq!((scene.runs("prod/acme-web.yaml"), scene.runs("prod/acme-api.yaml")), ("1.4.0".into(), "1.5.0".into()));
    let told = "it goes back without the others of the group `web`, which `tagboat rollback prod web` takes along";
    assert!(words(&alone.out).contains(told), "{alone:?}");
    scene.write(&["acme/web", "acme/api"], "1.5.1", 5);
    let both = scene.call(&["rollback", "prod", "web"]).ended(0);
    assert_eq!((scene.runs("prod/acme-web.yaml"), scene.runs("prod/acme-api.yaml")), ("1.4.0".into(), "1.5.0".into()));
    assert!(!words(&both.out).contains("without the others"), "{both:?}");
}

#[test]
fn a_group_is_promoted_by_its_name_together_or_not_at_all() {
    let groups = "groups: [{name: shop, images: [HOST/acme/web, HOST/acme/worker]}]\n";
    let scene = Scene::new(groups, "commit\n    gates: {soak: 1h}", &["acme/web", "acme/worker", "acme/api"]);
    let runs = || ["web", "worker", "api"].map(|name| scene.runs(&format!("prod/acme-{name}.yaml")));
    let promote = ["promote", "shop:1.5.0", "--to", "prod"];
    let refused = |arguments: &[&str], says: &str| {
        let before = scene.remote.tip("main");
        let refused = scene.call(&[&promote[..], arguments].concat()).ended(1);
        let whole = "the group `shop` moves together or not at all: 127.0.0.1:50000/acme/worker";
        let told = words(&refused.err);
        assert!(told.contains(whole) && told.contains(says), "{refused:?}");
        assert_eq!(scene.remote.tip("main"), before);
    };
    scene.write_to(&["dev"], &["acme/web"], "1.5.0", 3);
    refused(&[], "dev, which comes before prod, runs 1.4.0 and not 1.5.0");
    let bold = ["--now", "--skip", "soak", "--reason", "outage"];
    scene.call(&["hold", "worker:1.5.0", "-e", "prod", "--reason", "slow"]).ended(0);
    refused(&bold, "1.5.0 is held");
    scene.call(&["release", "worker:1.5.0", "-e", "prod"]).ended(0);
    // What dev has not is told; both come at once.
    let done = scene.call(&[&promote[..], &bold].concat()).ended(0);
    assert_eq!(runs(), ["1.5.0", "1.5.0", "1.4.0"]);
    assert!(words(&done.out).contains("dev runs 1.4.0 and is passed over"), "{done:?}");
    let told = scene.json(&["history", "--environment", "prod"]);
    let rows = told["entries"].as_array().unwrap();
    let of = |row: &Value| (row["kind"].clone(), row["reason"].clone(), row["commit"].clone());
    assert_eq!((&rows[0]["kind"], &rows[0]["reason"]), (&"hotfix".into(), &"outage (without soak)".into()), "{told}");
    assert_eq!(of(&rows[0]), of(&rows[1]), "{told}");
    assert_ne!(rows[0]["image"], rows[1]["image"], "{told}");
    let again = scene.call(&promote).ended(0);
    assert!(words(&again.out).contains("Nothing to do: it is so already"), "{again:?}");

    // A part of it is ahead, is not in the registry, or stands nowhere.
    scene.world.push("acme/web", "1.6.0");
    let promote = ["promote", "shop:1.6.0", "--to", "prod", "--now", "--skip", "soak", "--reason", "outage"];
    let refused = scene.call(&promote).ended(1);
    let told = "not at all: the registry has no tag 1.6.0 of 127.0.0.1:50000/acme/worker";
    assert!(words(&refused.err).contains(told), "{refused:?}");
    scene.world.push("acme/worker", "1.6.0");
    scene.world.push("acme/worker", "1.7.0");
    scene.write_to(&["prod"], &["acme/worker"], "1.7.0", 5);
    let refused = scene.call(&promote).ended(1);
    assert!(words(&refused.err).contains("acme/worker: 1.6.0 is lower than 1.7.0, which prod runs"), "{refused:?}");
    assert_eq!(runs(), ["1.5.0", "1.7.0", "1.4.0"]);
    // One of two alone goes, and says how both would.
    let alone = scene.call(&["promote", "web:1.6.0", "--to", "prod", "--now", "--skip", "soak", "--reason", "x"]);
    let told = "which `tagboat promote shop:1.6.0 --to prod` takes along";
    assert!(words(&alone.ended(0).out).contains(told));
    assert_eq!(runs(), ["1.6.0", "1.7.0", "1.4.0"]);
}

#[test]
fn a_group_of_which_an_image_is_not_followed_is_promoted_by_a_hotfix_alone() {
    let groups = "groups: [{name: shop, images: [HOST/acme/web, HOST/acme/worker]}]\n";
    let scene = Scene::new(groups, "commit", &["acme/web", "acme/worker"]);
    scene.write_to(&["dev"], &["acme/web", "acme/worker"], "1.5.0", 3);
    let people = Repository { folder: scene.world.scratch.path("people-out") };
    let url = scene.remote.folder.display().to_string();
    scene.remote.git(&["clone", "--quiet", &url, &people.folder.display().to_string()]);
    people.git(&["rm", "--quiet", "prod/acme-worker.yaml"]);
    people.commit_files(&[("readme", "one is not here")], "By hand", 4);
    people.git(&["push", "--quiet", "origin", "main"]);
    let refused = scene.call(&["promote", "shop:1.5.0", "--to", "prod"]).ended(1);
    let told = "acme/worker: dev runs it, and nothing follows it in prod";
    assert!(words(&refused.err).contains(told), "{refused:?}");
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.4.0");
    let done = scene.call(&["promote", "shop:1.5.0", "--to", "prod", "--now", "--reason", "outage"]).ended(0);
    assert!(words(&done.out).contains(told), "{done:?}");
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.5.0");
}

#[test]
fn a_group_is_promoted_where_an_image_has_its_name_and_says_how_the_image_is() {
    let groups = "groups:\n  - name: web\n    images: [HOST/acme/web, HOST/acme/api]\n";
    let scene = Scene::new(groups, "commit", &["acme/web", "acme/api"]);
    scene.write_to(&["dev"], &["acme/web"], "1.5.0", 3);
    let alone = "`tagboat promote 127.0.0.1:50000/acme/web:1.5.0 --to prod` means the image alone";
    let refused = scene.call(&["promote", "web:1.5.0", "--to", "prod"]).ended(1);
    assert!(words(&refused.err).contains(alone), "{refused:?}");
    let done = scene.call(&["promote", "web:1.5.0", "--to", "prod", "--now", "--reason", "outage"]).ended(0);
    assert!(words(&done.out).contains(alone), "{done:?}");
    assert_eq!((scene.runs("prod/acme-web.yaml"), scene.runs("prod/acme-api.yaml")), ("1.5.0".into(), "1.5.0".into()));
}

#[test]
fn a_group_that_was_ordered_as_a_pull_request_stands_and_is_told_as_one() {
    let groups = "groups: [{name: shop, images: [HOST/acme/web, HOST/acme/worker]}]\n";
    let scene = Scene::new(groups, "pullRequest", &["acme/web", "acme/worker"]);
    scene.write_to(&["dev"], &["acme/web", "acme/worker"], "1.5.0", 3);
    scene.call(&["promote", "web:1.5.0", "--to", "prod", "--reason", "outage"]).ended(0);
    scene.call(&["promote", "shop:1.5.0", "--to", "prod", "--reason", "outage"]).ended(0);
    let refused = scene.call(&["promote", "worker:1.5.0", "--to", "prod", "--reason", "outage"]).ended(1);
    assert!(words(&refused.err).contains("or order the whole group"), "{refused:?}");
    let head = "tagboat/prod/shop";
    let message = scene.remote.git(&["log", "-1", "--format=%B", head]);
    assert_eq!(message.matches("\nTagboat-Image: ").count(), 2, "{message}");
    let (tip, ran) = (scene.remote.tip(head), scene.call(&["run"]).ended(0));
    assert!(words(&ran.out).contains("ada ordered it: outage"), "{ran:?}");
    assert_eq!(scene.remote.tip(head), tip);
    scene.write_to(&["prod"], &["acme/web"], "1.4.5", 5);
    let ran = scene.call(&["run"]).ended(0);
    let command = "to order it again: `tagboat promote shop:1.5.0 --to prod --reason outage`";
    assert!(words(&ran.out).contains(command), "{ran:?}");
}

#[test]
fn who_ordered_it_is_read_back_and_is_gits_own_user_where_nobody_else_is_named() {
    let scene = Scene::new("", "commit", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    scene.call(&["rollback", "prod", "web", "--reason", "loses sessions"]).ended(0);
    let config = scene.world.beside("gitconfig", "[user]\n\tname = Ada Lovelace\n\temail = ada@acme.example\n");
    let named = [("GIT_CONFIG_GLOBAL", config.as_str())];
    scene.call_as(&named, &["release", "web", "--reason", "mended"]).ended(0);
    scene.call_as(&named, &["promote", "web:1.5.0", "--to", "prod", "--now", "--reason", "again"]).ended(0);
    let told = scene.json(&["history", "--environment", "prod"]);
    let rows: Vec<(&str, &str, &str)> = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["kind"].as_str().unwrap(), row["by"].as_str().unwrap_or("-"), row["reason"].as_str().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("hotfix", "Ada Lovelace", "again"),
            ("release", "Ada Lovelace", "mended"),
            ("rollback", "ada", "loses sessions"),
            ("hold", "ada", "loses sessions"),
            ("promotion", "-", "-"),
            ("manual", "-", "-"),
        ]
    );
    let csv = scene.call(&["history", "--environment", "prod", "--output", "csv"]).ended(0).out;
    assert!(csv.lines().nth(1).unwrap().ends_with(",hotfix,Tagboat,,again,Ada Lovelace"), "{csv}");
    let text = scene.call(&["history", "--environment", "prod"]).ended(0).out;
    assert!(text.lines().nth(1).unwrap().contains("Ada Lovel"), "{text}");
    assert!(words(&text).contains("mended"), "{text}");
    let done = scene.call(&["promote", "web:1.5.0", "--to", "prod", "--now", "--reason", "again"]).ended(0);
    assert!(words(&done.out).contains("Nothing to do: it is so already"), "{done:?}");
}

#[test]
fn an_order_that_may_not_be_followed_now_ends_with_1_and_one_that_names_nothing_with_2() {
    let scene = Scene::new("", "commit", &["acme/web"]);
    let before = scene.remote.tip("main");
    for (arguments, code, says) in [
        (vec!["rollback", "prod", "web"], 1, "error: "),
        (vec!["rollback", "prod", "web", "--to", "1.5.0"], 1, "is newer than 1.4.0"),
        (vec!["promote", "web:1.5.0", "--to", "prod"], 1, "bring it there first"),
        (vec!["rollback", "prd", "web"], 2, "there is no environment `prd`"),
        (vec!["rollback", "prod", "wbe"], 2, "neither an image nor a group"),
        (vec!["promote", "wbe:1.5.0", "--to", "prod"], 2, "neither an image nor a group"),
        (vec!["promote", "Shop:1.5.0", "--to", "prod"], 2, "neither an image nor a group"),
        (vec!["promote", "web", "--to", "prod"], 2, "write it as web:TAG"),
        // A time of the day without its zone is no day.
        (vec!["hold", "web:1.5.0", "--until", "2026-12-01T09:00:00", "--reason", "x"], 2, "write a day like"),
        (vec!["report", "--since", "2026-12-01T09:00"], 2, "write a day like"),
    ] {
        let refused = scene.call(&arguments).ended(code);
        assert!(refused.err.contains(says), "{refused:?}");
    }
    assert_eq!(scene.remote.tip("main"), before);
}

#[test]
fn status_and_run_tell_of_an_order_that_waits_to_be_merged() {
    let scene = Scene::new("", "pullRequest", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    scene.call(&["rollback", "prod", "web", "--reason", r#"loses "all" \ sessions"#]).ended(0);
    let status = scene.json(&["status"]);
    let prod = &status["environments"][1]["images"][0];
    assert_eq!((&prod["tag"], &prod["next"]["tag"]), (&"1.5.0".into(), &"1.4.0".into()), "{status}");
    let told = r#"a person merges it: ada ordered to go back: loses "all" \ sessions"#;
    let text = scene.call(&["status"]).ended(0);
    assert!(words(&text.out).contains(told), "{text:?}");
    let ran = scene.call(&["run"]).ended(0);
    assert!(words(&ran.out).contains(told), "{ran:?}");
    // Merged, there is nothing to tell of any more.
    let head = scene.remote.git(&["for-each-ref", "--format=%(objectname)", "refs/heads/tagboat/prod/*"]);
    scene.remote.git(&["update-ref", "refs/heads/main", head.trim()]);
    let after = scene.call(&["status"]).ended(0);
    assert!(!words(&after.out).contains("ada ordered"), "{after:?}");
}

#[test]
fn an_order_on_plain_git_is_made_anew_or_says_what_changed() {
    let scene = Scene::new("", "pullRequest", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    scene.call(&["rollback", "prod", "web", "--reason", "loses sessions"]).ended(0);
    let head = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/prod/*"]);
    let before = scene.remote.tip(&head);
    let held = "version: 1\nholds:\n  - image: ghcr.io/acme/api\n    tag: \"2.0.0\"\n";
    scene.remote.land("main", &[(".tagboat/holds.yaml", held)], "Hold by hand", 4);
    let ran = scene.call(&["run"]).ended(0);
    assert!(words(&ran.out).contains("ada ordered to go back: loses sessions; made anew on main"), "{ran:?}");
    assert_ne!(scene.remote.tip(&head), before);
    assert_eq!(scene.remote.git(&["rev-parse", &format!("{head}~1")]), scene.remote.tip("main"));
    let held = String::from_utf8(scene.remote.show(&head, ".tagboat/holds.yaml")).unwrap();
    assert!(held.contains("2.0.0") && held.contains("1.5.0"), "{held}");
    // Somebody brings what it never knew.
    let before = scene.remote.tip(&head);
    scene.write(&["acme/web"], "1.5.1", 5);
    let ran = scene.call(&["run"]).ended(0);
    let told = words(&ran.out);
    let command = "`tagboat rollback prod 127.0.0.1:50000/acme/web --to 1.4.0 --reason 'loses sessions'`";
    assert!(told.contains("1.5.1 of") && told.contains("and not 1.5.0") && told.contains(command), "{ran:?}");
    assert_eq!(scene.remote.tip(&head), before);
}

#[test]
fn nothing_is_committed_over_an_order_that_a_person_is_to_merge() {
    let scene = Scene::new("", "commit", &["acme/web", "acme/api"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    scene.call(&["rollback", "prod", "web", "--reason", "broken", "--publish", "pullRequest"]).ended(0);
    let head = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/prod/*"]);
    scene.world.push("acme/web", "1.6.0");
    scene.write_to(&["dev"], &["acme/web"], "1.6.0", 4);
    scene.write_to(&["dev"], &["acme/api"], "1.5.0", 5);
    let told = scene.json(&["run"]);
    let web = told["proposals"].as_array().unwrap().iter().find(|one| one["action"] == "leftAlone");
    let why = web.unwrap_or_else(|| panic!("{told:#}"))["reason"].as_str().unwrap();
    assert_eq!(
        why,
        format!("a person ordered what stands in {head}: it stays until it is merged, or the branch removed")
    );
    assert_eq!(
        (scene.runs("prod/acme-web.yaml").as_str(), scene.runs("prod/acme-api.yaml").as_str()),
        ("1.5.0", "1.5.0")
    );
    // Somebody adds to it: what it brings is no less ordered.
    let commit = scene.remote.git(&["commit-tree", &format!("{head}^{{tree}}"), "-p", &head, "-m", "By hand"]);
    scene.remote.git(&["update-ref", &format!("refs/heads/{head}"), commit.trim()]);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.5.0");
    scene.remote.git(&["branch", "--quiet", "-D", &head]);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.6.0");
}

#[test]
fn what_would_be_merged_on_plain_git_is_told_and_left() {
    let scene = Scene::new("", "autoMerge", &["acme/web"]);
    scene.write_to(&["dev"], &["acme/web"], "1.5.0", 3);
    scene.call(&["run"]).ended(0);
    let before = scene.remote.git(&["for-each-ref"]);
    let told = scene.json(&["run", "--dry-run"]);
    let merged = told["proposals"].as_array().unwrap().iter().filter(|one| one["action"] == "merged").count();
    assert_eq!((merged, told["changes"].as_array().unwrap().len()), (1, 1), "{told:#}");
    let told = words(&scene.call(&["run", "--dry-run"]).ended(0).out);
    assert!(told.contains("merge: prod, ") && told.contains("1 update in 1 file."), "{told}");
    assert_eq!(scene.remote.git(&["for-each-ref"]), before);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.5.0");
}

#[test]
fn what_was_ordered_for_a_group_is_not_dropped_by_an_order_for_one_image_of_it() {
    let groups = "groups: [{name: shop, images: [HOST/acme/web, HOST/acme/worker]}]\n";
    let scene = Scene::new(groups, "pullRequest", &["acme/web", "acme/worker"]);
    scene.write(&["acme/web", "acme/worker"], "1.5.0", 3);
    scene.call(&["rollback", "prod", "shop", "--reason", "slow"]).ended(0);
    let head = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/prod/*"]);
    let tip = scene.remote.tip(&head);
    let refused = scene.call(&["rollback", "prod", "web", "--to", "1.4.0", "--reason", "leaks"]).ended(1);
    let told = words(&refused.err);
    assert!(told.contains("stands for what was ordered before (prod: rollback 2 images)"), "{told}");
    assert!(told.contains("acme/worker") && told.contains("close it and remove its branch"), "{told}");
    assert_eq!(scene.remote.tip(&head), tip);
    // Closed, which on plain Git is a branch that is removed, it keeps nobody from another one.
    scene.remote.git(&["update-ref", "-d", &format!("refs/heads/{head}")]);
    scene.call(&["rollback", "prod", "web", "--to", "1.4.0", "--reason", "leaks"]).ended(0);
    assert_ne!(scene.remote.tip(&head), tip);
    // The whole group goes beyond that, and says what it takes the place of.
    let again = scene.call(&["rollback", "prod", "shop", "--reason", "slow"]).ended(0);
    let told = words(&again.out);
    assert!(told.contains("it takes the place of what was ordered before: prod: roll web back"), "{told}");
}

#[test]
fn an_order_is_signed_where_commits_are() {
    let scene = Scene::new("commit: {sign: ssh}\n", "commit", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    let refused = scene.call(&["rollback", "prod", "web"]).ended(1);
    assert!(refused.err.contains("nothing is pushed unsigned"), "{refused:?}");
    let key = ssh_key(&scene.world.scratch, "signing-key", &["-t", "ed25519"]);
    let secret = std::fs::read_to_string(key).unwrap();
    scene.call_as(&[("TAGBOAT_SSH_SIGNING_KEY", &secret)], &["rollback", "prod", "web"]).ended(0);
    assert!(scene.remote.git(&["cat-file", "commit", "main"]).contains("BEGIN SSH SIGNATURE"));
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.4.0");
}

#[test]
fn a_shallow_clone_says_what_cuts_the_record_off() {
    let scene = Scene::new("", "commit", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    let folder = scene.world.scratch.path("shallow").display().to_string();
    let url = format!("file://{}", scene.remote.folder.display());
    scene.remote.git(&["clone", "--quiet", "--depth", "1", &url, &folder]);
    for command in [vec!["history"], vec!["report", "--since", "2025-12-01"]] {
        let ran = scene.world.tagboat(&[&command[..], &["-C", &folder]].concat()).ended(0);
        assert!(ran.err.contains("`git fetch --unshallow` brings the rest"), "{ran:?}");
        assert!(!ran.err.contains("commits are read"), "{ran:?}");
    }
}

#[test]
fn a_version_that_one_of_two_places_before_runs_is_told_as_such() {
    let scene = Scene::new("", "commit\n    gates: {soak: 1h}", &["acme/web"]);
    let people = Repository { folder: scene.world.scratch.path("people-two") };
    scene.remote.git(&[
        "clone",
        "--quiet",
        &scene.remote.folder.display().to_string(),
        &people.folder.display().to_string(),
    ]);
    people.commit_files(&[("dev/blog.yaml", &scene.world.deployment("acme/web:1.5.0"))], "A second place", 3);
    people.git(&["push", "--quiet", "origin", "main"]);
    let refused = scene.call(&["promote", "web:1.5.0", "--to", "prod"]).ended(1);
    let told = "dev, which comes before prod, runs 1.4.0, 1.5.0: 1.5.0 is not at every place";
    assert!(words(&refused.err).contains(told), "{refused:?}");
    let refused = scene.call(&["promote", "web:1.5.0", "--to", "prod", "--now", "--reason", "x"]).ended(1);
    assert!(words(&refused.err).contains("soak: it is not everywhere in dev"), "{refused:?}");
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.4.0");
}

#[test]
fn nothing_goes_back_to_a_version_that_the_registry_has_no_more() {
    let scene = Scene::new("", "commit", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    scene.world.registry.delete("acme/web", "1.4.0");
    for to in [&[][..], &["--to", "1.4.0"]] {
        let arguments = [&["rollback", "prod", "acme/web", "--reason", "slow"], to].concat();
        let refused = scene.call(&arguments).ended(1);
        let told = "prod would go back to 1.4.0, which the registry does not list any more: nothing could start it";
        assert!(words(&refused.err).contains(told), "{refused:?}");
        assert!(words(&refused.err).contains("push it again; or name one that is there"), "{refused:?}");
        assert_eq!(scene.runs("prod/acme-web.yaml"), "1.5.0");
    }
    // A registry that says nothing keeps nobody from going back.
    scene.world.registry.faults(|faults| faults.fails_from_page = Some((0, 403)));
    let ran = scene.call(&["rollback", "prod", "acme/web", "--reason", "slow"]).ended(0);
    assert!(words(&ran.out).contains("whether the registry still has 1.4.0 could not be asked: "), "{ran:?}");
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.4.0");
}

#[test]
fn a_registry_that_lists_a_version_no_more_and_cannot_say_whether_it_is_there_keeps_nobody_from_going_back() {
    let scene = Scene::new("", "commit", &["acme/web"]);
    scene.write(&["acme/web"], "1.5.0", 3);
    scene.world.registry.delete("acme/web", "1.4.0");
    scene.world.registry.faults(|faults| faults.head_status = Some(403));
    let ran = scene.call(&["rollback", "prod", "acme/web", "--reason", "slow"]).ended(0);
    assert!(words(&ran.out).contains("whether the registry still has 1.4.0 could not be asked: "), "{ran:?}");
    assert_eq!(scene.runs("prod/acme-web.yaml"), "1.4.0");
}
