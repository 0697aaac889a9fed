//! What a person took back stays back in a file that is moved, copied, or taken out and put back: real repositories,
//! dated commits.

use crate::unasked::{DEV_AND_PROD, PROD, Scene, config, manifest, pull_the_wrong_way_round};

/// A manifest that says more than the one before it: no two files are alike.
fn changed(value: &str) -> String {
    manifest(value).replace("kind: Pod\n", "kind: Pod\nmetadata:\n  name: web\n  labels: {moved: \"yes\"}\n")
}

/// Where the environment `prod` has its files.
fn at(folder: &str) -> String {
    config("semver: 1.x", &PROD.replace("[prod/**]", &format!("[{folder}/**]")))
}

/// What one commit of a person does: files with what they hold then, or without.
pub(crate) type Step<'a> = &'a [(&'a str, Option<String>)];

/// Commits what a person does, upon what the branch holds, and pushes it.
pub(crate) fn steps(scene: &Scene, steps: &[Step<'_>], first: u8) {
    let person = &scene.person;
    person.git(&["pull", "--quiet", "--ff-only"]);
    for (day, step) in (first..).zip(steps) {
        for (path, _) in step.iter().filter(|(_, text)| text.is_none()) {
            std::fs::remove_file(person.folder.join(path)).unwrap();
        }
        let files: Vec<(&str, &str)> = step.iter().filter_map(|(path, text)| Some((*path, text.as_deref()?))).collect();
        person.commit_files(&files, "By hand", day);
    }
    person.git(&["push", "--quiet", "origin", "main"]);
}

/// 1.5.0 came to `prod/web.yaml`, and a person took it back.
async fn taken_back() -> Scene {
    let scene = Scene::prod();
    scene.pass(2).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
    scene.write("prod/web.yaml", ":1.4.0", 3);
    scene
}

const OLD: &str = "prod/web.yaml";
const NEW: &str = "clusters/prod/web.yaml";
pub(crate) const FILE: &str = ".tagboat.yaml";

fn anew() -> (&'static str, Option<String>) {
    (FILE, Some(at("clusters/prod")))
}

#[tokio::test]
async fn a_take_back_goes_along_with_a_file_that_is_moved_and_changed_within_its_environment() {
    let lower = || Some(changed(":1.4.0"));
    let ways: [&[Step<'_>]; 3] = [
        &[&[(OLD, None), ("prod/shop.yaml", lower())]],
        &[&[("prod/shop.yaml", lower())], &[(OLD, None)]],
        &[&[(OLD, None)], &[("prod/shop.yaml", lower())]],
    ];
    for way in ways {
        let scene = taken_back().await;
        steps(&scene, way, 4);
        scene.keeps("prod/shop.yaml", ":1.4.0", 6).await;
    }
}

#[tokio::test]
async fn a_take_back_goes_along_with_a_folder_that_is_moved_and_changed() {
    let lower = || Some(changed(":1.4.0"));
    let ways: [&[Step<'_>]; 6] = [
        &[&[(OLD, None), (NEW, lower()), anew()]],
        // The configuration says so before, and after.
        &[&[anew()], &[(OLD, None), (NEW, lower())]],
        &[&[(OLD, None), (NEW, lower())], &[anew()]],
        // It is copied, as it is or changed, and the old one goes later, or has not gone yet.
        &[&[(NEW, lower()), anew()], &[(OLD, None)]],
        &[&[(NEW, Some(manifest(":1.4.0"))), anew()], &[(OLD, None)]],
        &[&[(NEW, lower())], &[anew()]],
    ];
    for way in ways {
        let scene = taken_back().await;
        steps(&scene, way, 4);
        scene.keeps(NEW, ":1.4.0", 6).await;
    }
    // The environment is called otherwise from then on.
    let scene = taken_back().await;
    let live = config("semver: 1.x", &PROD.replace("prod", "live"));
    steps(&scene, &[&[(OLD, None), ("live/web.yaml", lower()), (FILE, Some(live))]], 4);
    scene.keeps("live/web.yaml", ":1.4.0", 6).await;
    // The take-back came with a line that was pushed the wrong way round.
    let scene = Scene::prod();
    let old = scene.remote.tip("main");
    scene.pass(2).await;
    scene.write(OLD, ":1.4.0", 3);
    pull_the_wrong_way_round(&scene, &old, 4);
    steps(&scene, &[&[(OLD, None), (NEW, lower()), anew()]], 5);
    scene.keeps(NEW, ":1.4.0", 6).await;
}

#[tokio::test]
async fn what_was_taken_back_on_a_branch_that_was_made_anew_stays_back_as_long_as_a_mirror_knows() {
    let environments = PROD.replace("files:", "branch: live, files:");
    let scene = Scene::new(&config("semver: 1.x", &environments), &[OLD], ":1.4.0", &["1.4.0", "1.5.0"]);
    let person = &scene.person;
    let runs = || String::from_utf8(scene.remote.show("live", OLD)).unwrap();
    person.git(&["push", "--quiet", "origin", "main:live"]);
    scene.pass(2).await;
    assert_eq!(runs(), manifest(":1.5.0"));
    person.git(&["fetch", "--quiet"]);
    person.git(&["checkout", "--quiet", "-B", "live", "origin/live"]);
    person.commit_files(&[(OLD, &manifest(":1.4.0"))], "By hand", 3);
    person.git(&["push", "--quiet", "origin", "live"]);
    scene.pass(4).await;
    person.git(&["push", "--quiet", "origin", "--delete", "live"]);
    scene.pass(5).await;
    person.git(&["checkout", "--quiet", "--orphan", "anew"]);
    person.commit_files(&[(OLD, &changed(":1.4.0"))], "Begin anew", 6);
    person.git(&["push", "--quiet", "origin", "anew:live"]);
    for day in [7, 8] {
        let outcome = scene.pass(day).await;
        assert_eq!(runs(), changed(":1.4.0"), "{:?} {:?}", outcome.skipped, outcome.proposals);
    }
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass(9).await;
    assert_eq!(runs(), changed(":1.6.0"));
}

#[tokio::test]
async fn what_a_person_lowers_while_a_file_moves_was_taken_back() {
    let lower = || Some(changed(":1.4.0"));
    let ways: [(&str, &[Step<'_>]); 6] = [
        ("prod/shop.yaml", &[&[(OLD, None), ("prod/shop.yaml", lower())]]),
        ("prod/shop.yaml", &[&[("prod/shop.yaml", lower())], &[(OLD, None)]]),
        (NEW, &[&[(OLD, None), (NEW, lower()), anew()]]),
        (NEW, &[&[(NEW, lower()), anew()], &[(OLD, None)]]),
        (NEW, &[&[(OLD, None), (NEW, lower())], &[anew()]]),
        (NEW, &[&[anew()], &[(OLD, None), (NEW, lower())]]),
    ];
    for (file, way) in ways {
        let scene = Scene::prod();
        scene.pass(2).await;
        steps(&scene, way, 3);
        scene.keeps(file, ":1.4.0", 6).await;
    }
}

#[tokio::test]
async fn what_was_taken_back_before_a_folder_moved_stays_out_of_the_environments_after_it() {
    let files = ["dev/web.yaml", "prod/web.yaml"];
    let moved = |dev: &str, prod: &str| {
        let environments =
            DEV_AND_PROD.replace("dev/**", &format!("{dev}/**")).replace("prod/**", &format!("{prod}/**"));
        (FILE, Some(config("semver: 1.x", &environments)))
    };
    let lower = || Some(changed(":1.4.0"));
    // It was taken back in production alone, and goes on in dev.
    let scene = Scene::new(&config("semver: 1.x", DEV_AND_PROD), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.pass(2).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
    scene.write("prod/web.yaml", ":1.4.0", 3);
    steps(&scene, &[&[("prod/web.yaml", None), (NEW, lower()), moved("dev", "clusters/prod")]], 4);
    for day in [5, 6] {
        let outcome = scene.pass(day).await;
        assert_eq!(scene.runs(NEW), ":1.4.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
    }
    // It was taken back in dev, and somebody else's copy of it goes nowhere.
    let scene = Scene::new(&config("semver: 1.x", DEV_AND_PROD), &files, ":1.4.0", &["1.4.0"]);
    scene.write("dev/web.yaml", ":1.5.0", 2);
    scene.write("dev/web.yaml", ":1.4.0", 3);
    steps(&scene, &[&[("dev/web.yaml", None), ("clusters/dev/web.yaml", lower()), moved("clusters/dev", "prod")]], 4);
    scene.list(&["1.4.0", "1.5.0"]);
    let outcome = scene.pass(5).await;
    assert_eq!(scene.runs("clusters/dev/web.yaml"), ":1.4.0", "{:?}", outcome.skipped);
    assert_eq!(scene.runs("prod/web.yaml"), ":1.4.0");
    // What dev took back is none of production's when both move at once: it never went there.
    let scene = Scene::new(&config("semver: 1.x", DEV_AND_PROD), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.pass(2).await;
    scene.write("prod/web.yaml", ":1.4.0", 3);
    let both: Step<'_> = &[
        ("dev/web.yaml", None),
        ("prod/web.yaml", None),
        ("clusters/dev/web.yaml", lower()),
        (NEW, lower()),
        moved("clusters/dev", "clusters/prod"),
    ];
    steps(&scene, &[both], 4);
    let outcome = scene.pass(5).await;
    assert_eq!(scene.runs(NEW), ":1.4.0");
    assert_eq!(scene.runs("clusters/dev/web.yaml"), ":1.4.0", "it was lowered by hand: {:?}", outcome.skipped);
}

#[tokio::test]
async fn what_nobody_took_back_comes_to_a_file_that_moved() {
    // Nothing was taken back.
    let scene = Scene::prod();
    let lower = || Some(changed(":1.4.0"));
    steps(&scene, &[&[(OLD, None), (NEW, lower()), anew()]], 2);
    scene.pass(3).await;
    assert_eq!(scene.runs(NEW), ":1.5.0");
    // What was brought again before the move is as good as ever, also where it moves with the files.
    for again in [true, false] {
        let scene = taken_back().await;
        if again {
            scene.write(OLD, ":1.5.0", 4);
        }
        let value = if again { ":1.5.0" } else { ":1.4.0" };
        steps(&scene, &[&[(OLD, None), (NEW, Some(changed(value))), anew()]], 5);
        scene.write(NEW, ":1.5.0", 6);
        steps(&scene, &[&[("clusters/prod/canary.yaml", Some(changed(":1.4.0")))]], 7);
        let outcome = scene.pass(8).await;
        assert_eq!(scene.runs("clusters/prod/canary.yaml"), ":1.5.0", "{:?}", outcome.skipped);
    }
    // A file that stood beside another one and goes takes nothing back from that.
    let scene = Scene::new(&at("prod"), &[OLD], ":1.4.0", &["1.4.0"]);
    steps(&scene, &[&[("prod/canary.yaml", Some(changed(":1.5.0")))], &[("prod/canary.yaml", None)]], 2);
    scene.list(&["1.4.0", "1.5.0"]);
    scene.pass(5).await;
    assert_eq!(scene.runs(OLD), ":1.5.0");
    // Nor does what happens in a folder that is the environment's no more.
    let scene = Scene::prod();
    let both = at("prod").replace("[prod/**]", "[prod/**, try/**]");
    steps(&scene, &[&[(FILE, Some(both)), ("try/web.yaml", lower())], &[(FILE, Some(at("prod")))]], 2);
    scene.write("try/web.yaml", ":1.5.0", 4);
    scene.write("try/web.yaml", ":1.4.0", 5);
    scene.pass(6).await;
    assert_eq!(scene.runs(OLD), ":1.5.0");
}

#[tokio::test]
async fn what_was_taken_back_stays_back_in_a_file_that_was_deleted_and_added_again() {
    for path in [OLD, "prod/shop.yaml"] {
        let scene = taken_back().await;
        steps(&scene, &[&[(OLD, None)], &[("readme", Some("gone\n".into()))], &[(path, Some(changed(":1.4.0")))]], 4);
        scene.keeps(path, ":1.4.0", 7).await;
    }
    // It ran nowhere else, went with the file, and came back with what had run before.
    let scene = Scene::prod();
    scene.pass(2).await;
    steps(&scene, &[&[(OLD, None)], &[("prod/shop.yaml", Some(changed(":1.4.0")))]], 3);
    scene.keeps("prod/shop.yaml", ":1.4.0", 7).await;
}

/// Three environments, the second of which is called this.
fn three(between: &str) -> String {
    let environments = format!(
        "  - {{name: dev, files: [dev/**], publish: commit}}\n  - {{name: {between}, files: [{between}/**], after: dev, \
         publish: commit}}\n  - {{name: prod, files: [prod/**], after: {between}, publish: commit}}\n"
    );
    config("semver: 1.x", &environments)
}

#[tokio::test]
async fn an_environment_that_replaces_another_one_begins_without_its_past() {
    let files = ["dev/web.yaml", "qa/web.yaml", "prod/web.yaml"];
    let begun = || {
        let scene = Scene::new(&three("qa"), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
        steps(&scene, &[&[("dev/web.yaml", Some(manifest(":1.5.0"))), ("qa/web.yaml", Some(manifest(":1.5.0")))]], 2);
        scene
    };
    let canary = || [("canary/web.yaml", Some(manifest(":1.4.0"))), (FILE, Some(three("canary")))];
    let [file, named] = canary();
    // It begins with what production runs, where the other one goes with the same commit, and with the next one.
    let at_once: &[Step<'_>] = &[&[("qa/web.yaml", None), file, named]];
    let later: &[Step<'_>] = &[&canary(), &[("qa/web.yaml", None)]];
    for way in [at_once, later] {
        let scene = begun();
        steps(&scene, way, 3);
        let outcome = scene.pass(5).await;
        assert_eq!(scene.runs("canary/web.yaml"), ":1.5.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
    }
    // Where any of its files is one of the other's as it was, it is that under another name.
    let scene = begun();
    let [file, named] = canary();
    steps(&scene, &[&[("qa/api.yaml", Some(changed(":1.5.0")))]], 3);
    let moved = ("canary/api.yaml", Some(changed(":1.5.0")));
    steps(&scene, &[&[("qa/api.yaml", None), moved, ("qa/web.yaml", None), file, named]], 4);
    let outcome = scene.pass(5).await;
    assert_eq!(scene.runs("canary/web.yaml"), ":1.4.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
    // And so is what was taken back there.
    let scene = begun();
    scene.write("qa/web.yaml", ":1.4.0", 3);
    let [_, named] = canary();
    steps(&scene, &[&[("qa/web.yaml", None), ("canary/web.yaml", Some(changed(":1.4.0"))), named]], 4);
    let outcome = scene.pass(5).await;
    assert_eq!(scene.runs("canary/web.yaml"), ":1.4.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
}

#[tokio::test]
async fn what_is_only_moved_was_not_taken_back_where_several_places_run_several_versions() {
    let of = |file: &'static str, value: Option<&str>| (file, value.map(changed));
    let (shop, blog) = ("prod/shop/web.yaml", "prod/blog/web.yaml");
    let (new_shop, new_blog) = ("clusters/prod/shop/web.yaml", "clusters/prod/blog/web.yaml");
    let (one, other) = ("clusters/prod/one.yaml", "clusters/prod/other.yaml");
    // Folders tell which became which, or nothing does.
    for (first, second) in [(new_shop, new_blog), (one, other)] {
        let scene = Scene::new(&at("prod"), &[shop, blog], ":1.4.0", &["1.4.0", "1.5.0"]);
        steps(&scene, &[&[of(shop, Some(":1.5.0"))]], 2);
        let moved: Step<'_> =
            &[of(shop, None), of(blog, None), of(first, Some(":1.5.0")), of(second, Some(":1.4.0")), anew()];
        steps(&scene, &[moved], 3);
        let outcome = scene.pass(4).await;
        assert_eq!(scene.runs(second), ":1.5.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
        // What is lowered by the move was taken back.
        let scene = Scene::new(&at("prod"), &[shop, blog], ":1.4.0", &["1.4.0", "1.5.0"]);
        steps(&scene, &[&[of(shop, Some(":1.5.0"))]], 2);
        let moved: Step<'_> =
            &[of(shop, None), of(blog, None), of(first, Some(":1.4.0")), of(second, Some(":1.4.0")), anew()];
        steps(&scene, &[moved], 3);
        let outcome = scene.pass(4).await;
        assert_eq!(scene.runs(first), ":1.4.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
        // So is what was before.
        let scene = Scene::new(&at("prod"), &[shop, blog], ":1.4.0", &["1.4.0", "1.5.0"]);
        steps(&scene, &[&[of(shop, Some(":1.5.0"))], &[of(shop, Some(":1.4.0"))]], 2);
        steps(&scene, &[moved], 4);
        let outcome = scene.pass(5).await;
        assert_eq!(scene.runs(first), ":1.4.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
    }
}
