//! A gate counts from when something came to where it stands, however its file came there: real repositories, dated commits.

use crate::carried::{FILE, Step, steps};
use crate::unasked::{DEV_AND_PROD, PROD, Scene, config, manifest};

/// What follows a line of its own, so that an environment runs two versions.
const OLD_LINE: &str = ":1.3.0 # tagboat: semver=~1.3";

/// `dev` and `prod` in their folders; what comes to `prod` soaks for a day.
fn soaking(dev: &str, prod: &str) -> String {
    let environments = DEV_AND_PROD
        .replace("dev/**", &format!("{dev}/**"))
        .replace("prod/**", &format!("{prod}/**"))
        .replace("after: dev,", "after: dev, gates: {soak: 24h},");
    config("semver: 1.x", &environments)
}

/// A shop and a blog that run one image at two versions, in every environment.
fn two_places() -> Scene {
    let files = ["k8s/dev/shop/web.yaml", "k8s/prod/shop/web.yaml"];
    let scene = Scene::new(&soaking("k8s/dev", "k8s/prod"), &files, ":1.4.0", &["1.3.0", "1.4.0", "1.5.0"]);
    let old = || Some(manifest(OLD_LINE));
    steps(&scene, &[&[("k8s/dev/blog/web.yaml", old()), ("k8s/prod/blog/web.yaml", old())]], 2);
    scene
}

fn web(value: &str) -> Option<String> {
    Some(manifest(value))
}

/// On the last day of what a person commits, the tenth of the month, nothing comes to `prod`, and the day after it does.
async fn soaks(scene: &Scene, way: &[(u8, Step<'_>)], prod: &str) {
    for (day, step) in way {
        steps(scene, &[*step], *day);
    }
    let outcome = scene.pass(10).await;
    assert_eq!(scene.runs(prod), ":1.4.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
    let outcome = scene.pass(11).await;
    assert_eq!(scene.runs(prod), ":1.5.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
}

type Files = Vec<(&'static str, Option<String>)>;

/// Moves every file from one folder to another one, where `dev` has this in its shop from then on.
fn moved(folders: [&str; 2], dev: &str) -> Files {
    let mut files = Files::new();
    for (place, value) in [("dev/shop", dev), ("dev/blog", OLD_LINE), ("prod/shop", ":1.4.0"), ("prod/blog", OLD_LINE)]
    {
        let [old, new] = folders.map(|folder| &*format!("{folder}/{place}/web.yaml").leak());
        files.extend([(old, None), (new, web(value))]);
    }
    files
}

fn anew(folder: &str) -> (&'static str, Option<String>) {
    (FILE, Some(soaking(&format!("{folder}/dev"), &format!("{folder}/prod"))))
}

const RAISED: &str = "k8s/dev/shop/web.yaml";

#[tokio::test]
async fn what_is_moved_with_the_configuration_soaks_from_the_move_on_at_each_of_several_places() {
    let files = |dev| moved(["k8s", "envs"], dev);
    let with = |mut files: Files, folder| {
        files.push(anew(folder));
        files
    };
    let raised = || vec![(RAISED, web(":1.5.0"))];
    // It is raised before the move, or by it; the configuration says so before, with it, and after.
    let ways: [Vec<(u8, Files)>; 5] = [
        vec![(9, raised()), (10, with(files(":1.5.0"), "envs"))],
        vec![(10, with(files(":1.5.0"), "envs"))],
        vec![(9, raised()), (10, vec![anew("envs")]), (10, files(":1.5.0"))],
        vec![(9, raised()), (10, files(":1.5.0")), (10, vec![anew("envs")])],
        vec![(9, vec![anew("envs")]), (10, files(":1.5.0"))],
    ];
    for way in &ways {
        let way: Vec<(u8, Step<'_>)> = way.iter().map(|(day, step)| (*day, step.as_slice())).collect();
        soaks(&two_places(), &way, "envs/prod/shop/web.yaml").await;
    }
    // Of what is moved twice, the last move counts.
    let (first, last) = (with(files(":1.5.0"), "envs"), with(moved(["envs", "clusters"], ":1.5.0"), "clusters"));
    soaks(&two_places(), &[(8, &raised()), (9, &first), (10, &last)], "clusters/prod/shop/web.yaml").await;
    // What comes to another place does not concern it.
    let scene = two_places();
    steps(&scene, &[&raised(), &first, &[("envs/dev/docs/web.yaml", web(":1.5.0"))]], 8);
    let outcome = scene.pass(10).await;
    assert_eq!(scene.runs("envs/prod/shop/web.yaml"), ":1.5.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
}

#[tokio::test]
async fn what_is_copied_with_a_new_version_soaks_from_then_on_when_the_old_file_goes_later() {
    let new = ["k8s/dev/new/web.yaml", "k8s/prod/new/web.yaml"];
    let copied: Step<'_> = &[(new[0], web(":1.5.0")), (new[1], web(":1.4.0"))];
    let gone: Step<'_> = &[(RAISED, None), ("k8s/prod/shop/web.yaml", None), ("readme", Some("gone\n".to_owned()))];
    soaks(&two_places(), &[(10, copied), (10, gone)], new[1]).await;
    // What is moved within the environment as it is stands there for as long as before.
    let scene = two_places();
    scene.write(RAISED, ":1.5.0", 8);
    let within: Step<'_> = &[
        (RAISED, None),
        ("k8s/dev/apps/shop/web.yaml", web(":1.5.0")),
        ("k8s/prod/shop/web.yaml", None),
        ("k8s/prod/apps/shop/web.yaml", web(":1.4.0")),
    ];
    steps(&scene, &[within], 9);
    let outcome = scene.pass(9).await;
    assert_eq!(scene.runs("k8s/prod/apps/shop/web.yaml"), ":1.5.0", "{:?} {:?}", outcome.skipped, outcome.proposals);
}

#[tokio::test]
async fn folders_that_change_places_and_a_file_that_is_split_let_nothing_through_early() {
    // Another environment has run it for long, and gives its folder to `dev`.
    let three = |dev: &str, test: &str| {
        let test = format!("  - {{name: test, files: [{test}/**], publish: commit}}\n");
        format!("{}{test}", soaking(dev, "k8s/prod"))
    };
    let files = ["k8s/dev/web.yaml", "k8s/prod/web.yaml"];
    let scene = Scene::new(&three("k8s/dev", "k8s/test"), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    steps(&scene, &[&[("k8s/test/web.yaml", web(":1.5.0"))]], 2);
    let swapped: Step<'_> = &[("k8s/dev/web.yaml", web(":1.5.0")), ("k8s/test/web.yaml", web(":1.4.0"))];
    soaks(&scene, &[(10, swapped)], "k8s/prod/web.yaml").await;
    // A file with two places becomes two files, and one of them holds what came just before.
    let both = |first: &str| {
        let (first, second) = (manifest(first), manifest(OLD_LINE));
        format!("{first}---\n{second}")
    };
    let files = ["k8s/dev/all.yaml", "k8s/prod/all.yaml"];
    for [first, second] in [["shop.yaml", "blog.yaml"], ["all.yaml", "blog.yaml"], ["shop.yaml", "all.yaml"]] {
        let scene = Scene::new(&soaking("k8s/dev", "k8s/prod"), &files, ":1.4.0", &["1.3.0", "1.4.0", "1.5.0"]);
        let text = both(":1.4.0");
        steps(&scene, &[&[(files[0], Some(text.clone())), (files[1], Some(text))]], 2);
        let mut split = Files::new();
        for (folder, value) in [("dev", ":1.5.0"), ("prod", ":1.4.0")] {
            let [old, first, second] = ["all.yaml", first, second].map(|file| &*format!("k8s/{folder}/{file}").leak());
            split.extend([(first, web(value)), (second, web(OLD_LINE))]);
            if ![first, second].contains(&old) {
                split.push((old, None));
            }
        }
        let prod = split[2 + usize::from(split.len() > 4)].0;
        soaks(&scene, &[(10, &[(files[0], Some(both(":1.5.0")))]), (10, &split)], prod).await;
    }
}

#[tokio::test]
async fn what_is_raised_by_a_move_soaks_from_then_on_where_another_place_has_had_it_for_long() {
    let shop = "k8s/prod/shop/web.yaml";
    let begun = || {
        let files = ["k8s/dev/shop/web.yaml", "k8s/dev/blog/web.yaml", shop, "k8s/prod/blog/web.yaml"];
        let scene = Scene::new(&soaking("k8s/dev", "k8s/prod"), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
        steps(&scene, &[&[("k8s/dev/blog/web.yaml", web(":1.5.0"))]], 2);
        scene
    };
    let within: Step<'_> = &[(RAISED, None), ("k8s/dev/apps/shop/web.yaml", web(":1.5.0"))];
    let wider = soaking("k8s/dev", "k8s/prod").replace("[k8s/dev/**]", "[k8s/dev/blog/**, envs/dev/**]");
    let out: Step<'_> = &[(RAISED, None), ("envs/dev/shop/web.yaml", web(":1.5.0")), (FILE, Some(wider))];
    for way in [&[(10, [(RAISED, web(":1.5.0"))].as_slice())], &[(10, within)], &[(10, out)]] {
        soaks(&begun(), way, shop).await;
    }
}

#[tokio::test]
async fn a_rollback_goes_back_to_what_stood_there_before_a_folder_was_moved_with_the_configuration() {
    let web_of = |folder: &str| format!("{folder}/prod/shop/web.yaml");
    let raised = || vec![("k8s/prod/shop/web.yaml", web(":1.5.0"))];
    let files = |dev, prod: &str| {
        let mut files = moved(["k8s", "envs"], dev);
        files.retain(|(path, _)| *path != "envs/prod/shop/web.yaml");
        files.push(("envs/prod/shop/web.yaml", web(prod)));
        files
    };
    let with = |mut files: Files| {
        files.push(anew("envs"));
        files
    };
    // It is raised before the move, by it, and both before it and by it.
    let ways: [(Vec<Files>, &str); 5] = [
        (vec![raised(), with(files(":1.4.0", ":1.5.0"))], ":1.4.0"),
        (vec![with(files(":1.4.0", ":1.5.0"))], ":1.4.0"),
        (vec![raised(), with(files(":1.4.0", ":1.6.0"))], ":1.5.0"),
        (vec![raised(), vec![anew("envs")], files(":1.4.0", ":1.5.0")], ":1.4.0"),
        (vec![raised(), files(":1.4.0", ":1.5.0"), vec![anew("envs")]], ":1.4.0"),
    ];
    for (way, before) in &ways {
        let scene = two_places();
        scene.list(&["1.3.0", "1.4.0", "1.5.0", "1.6.0"]);
        let way: Vec<Step<'_>> = way.iter().map(Vec::as_slice).collect();
        steps(&scene, &way, 4);
        let outcome = scene.rollback("prod", 9).await;
        assert_eq!(scene.runs(&web_of("envs")), *before, "{outcome:?}");
        assert_eq!(scene.runs("envs/prod/blog/web.yaml"), OLD_LINE, "{outcome:?}");
    }
    // Where copies took the place of the files, what was raised last goes back alone.
    let scene = two_places();
    scene.list(&["1.3.0", "1.3.1", "1.4.0", "1.5.0"]);
    let newer = OLD_LINE.replace("1.3.0", "1.3.1");
    let copied = vec![("envs/prod/shop/web.yaml", web(":1.5.0")), ("envs/prod/blog/web.yaml", web(&newer))];
    let gone = ["k8s/prod/shop/web.yaml", "k8s/prod/blog/web.yaml"].map(|path| (path, None));
    steps(&scene, &[&raised(), &[("k8s/prod/blog/web.yaml", web(&newer))], &copied, &[anew("envs")], &gone], 4);
    let outcome = scene.rollback("prod", 9).await;
    let runs = [scene.runs(&web_of("envs")), scene.runs("envs/prod/blog/web.yaml")];
    assert_eq!(runs, [":1.5.0", OLD_LINE], "{outcome:?}");
    // What it went back to before the move is not gone back from once more.
    let scene = two_places();
    steps(&scene, &[&raised()], 4);
    scene.rollback("prod", 5).await.unwrap();
    steps(&scene, &[&with(files(":1.4.0", ":1.4.0"))], 6);
    let outcome = scene.rollback("prod", 9).await.unwrap();
    assert!(outcome.skipped.iter().any(|row| row.reason.contains("rolled back to 1.4.0 already")), "{outcome:?}");
    assert_eq!(scene.runs(&web_of("envs")), ":1.4.0");
}

#[tokio::test]
async fn a_rollback_finds_the_version_before_when_the_environment_got_another_name_and_its_folder_moved_twice() {
    let scene = Scene::prod();
    scene.pass(2).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
    let live = |folder: &str| config("semver: 1.x", &PROD.replace("name: prod", "name: live").replace("prod/", folder));
    let ways: [Step<'_>; 2] = [
        &[("prod/web.yaml", None), ("live/web.yaml", web(":1.5.0")), (FILE, Some(live("live/")))],
        &[("live/web.yaml", None), ("live/eu/web.yaml", web(":1.5.0")), (FILE, Some(live("live/eu/")))],
    ];
    steps(&scene, &ways, 3);
    let outcome = scene.rollback("live", 6).await;
    assert_eq!(scene.runs("live/eu/web.yaml"), ":1.4.0", "{outcome:?}");
    scene.keeps("live/eu/web.yaml", ":1.4.0", 7).await;
}
