//! Nothing comes that nobody asked for, whatever shape history takes: real repositories, dated commits.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::git::mirror::Mirror;
use tagboat::model::environment::BranchName;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::order::{Order, OrderError};
use tagboat::pass::run::Mode;

use crate::git::mirror_of;
use crate::support::memory::MemoryTags;
use crate::support::passes::{Passing, Said, on_plain_git};
use crate::support::repository::{Repository, Scratch};

const WEB: &str = "ghcr.io/acme/web";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";
pub(crate) const PROD: &str = "  - {name: prod, files: [prod/**], publish: commit}\n";
pub(crate) const DEV_AND_PROD: &str = "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: prod, files: [prod/**], after: dev, publish: commit}\n";

pub(crate) fn manifest(value: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}{value}\n")
}

pub(crate) fn config(policy: &str, environments: &str) -> String {
    format!("version: 1\nimages:\n  - match: ghcr.io/acme/*\n    {policy}\nenvironments:\n{environments}")
}

/// A bare repository, its mirror, a person's clone and a registry.
pub(crate) struct Scene {
    pub(crate) remote: Repository,
    mirror: Arc<Mirror>,
    pub(crate) person: Repository,
    tags: MemoryTags,
    scratch: Scratch,
}

impl Scene {
    pub(crate) fn new(config: &str, files: &[&str], value: &str, tags: &[&str]) -> Self {
        let scratch = Scratch::new();
        let manifest = manifest(value);
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, manifest.as_str())).collect();
        let remote = scratch.bare("remote", &[&[(".tagboat.yaml", config)], files.as_slice()].concat());
        let mirror = Arc::new(mirror_of(&scratch, "mirror", &remote));
        let person = Repository { folder: scratch.path("person") };
        remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &person.folder.display().to_string()]);
        let scene = Self { remote, mirror, person, tags: MemoryTags::default(), scratch };
        scene.list(tags);
        scene
    }

    /// `prod` alone, committed to, at 1.4.0, with 1.5.0 in the registry.
    pub(crate) fn prod() -> Self {
        Self::new(&config("semver: 1.x", PROD), &["prod/web.yaml"], ":1.4.0", &["1.4.0", "1.5.0"])
    }

    pub(crate) fn list(&self, tags: &[&str]) {
        self.tags.set(WEB, tags.iter().copied());
    }

    /// Runs a pass on a day of January 2026.
    pub(crate) async fn pass(&self, day: u8) -> Outcome {
        let now = format!("2026-01-{day:02}T12:00:00Z");
        let remote = Arc::<Mirror>::clone(&self.mirror);
        Passing { remote, tags: &self.tags, now: &now, publishing: on_plain_git() }.pass(Mode::Act).await
    }

    /// Lets a person order the way back from what an environment runs, on a day of January 2026.
    pub(crate) async fn rollback(&self, environment: &str, day: u8) -> Result<Outcome, OrderError> {
        let now = format!("2026-01-{day:02}T12:00:00Z");
        let order = Order::Rollback { environment: environment.into(), what: WEB.to_owned(), to: None };
        let remote = Arc::<Mirror>::clone(&self.mirror);
        let said = Said { reason: Some("loses sessions"), ..Said::default() };
        Passing { remote, tags: &self.tags, now: &now, publishing: on_plain_git() }.order(&order, said).await
    }

    /// Lets the person write a value upon what the branch holds, and push it.
    pub(crate) fn write(&self, file: &str, value: &str, day: u8) {
        self.person.git(&["pull", "--quiet", "--ff-only"]);
        self.person.commit_files(&[(file, &manifest(value))], "By hand", day);
        self.person.git(&["push", "--quiet", "origin", "HEAD:main"]);
    }

    pub(crate) fn runs(&self, file: &str) -> String {
        let text = String::from_utf8(self.remote.show("main", file)).unwrap();
        text.rsplit_once(WEB).unwrap().1.trim_end().to_owned()
    }

    /// The day after a take-back and a day later nothing has come; a newer version does.
    pub(crate) async fn keeps(&self, file: &str, value: &str, day: u8) {
        for day in [day, day + 1] {
            let outcome = self.pass(day).await;
            assert_eq!(self.runs(file), value, "{:?} {:?}", outcome.skipped, outcome.proposals);
        }
        self.list(&["1.4.0", "1.5.0", "1.5.1", "1.6.0"]);
        self.pass(day + 2).await;
        assert_eq!(self.runs(file), ":1.6.0", "what never stood there is as good as ever");
    }
}

/// Somebody whose clone is old commits, pulls with a merge and pushes: the first-parent line is theirs from then on.
pub(crate) fn pull_the_wrong_way_round(scene: &Scene, old: &str, day: u8) {
    let (person, late) = (&scene.person, "late");
    person.git(&["checkout", "--quiet", "-B", late, old]);
    person.commit_files(&[("readme", "late\n")], "Readme", day);
    person.git(&["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main"]);
    person.git(&["push", "--quiet", "origin", "late:main"]);
    person.git(&["checkout", "--quiet", "-B", "main", "late"]);
    person.git(&["branch", "--quiet", "--set-upstream-to", "origin/main"]);
}

#[tokio::test]
async fn a_take_back_is_seen_behind_a_merge_that_was_pushed_the_wrong_way_round() {
    let scene = Scene::prod();
    let old = scene.remote.tip("main");
    scene.pass(2).await;
    scene.write("prod/web.yaml", ":1.4.0", 3);
    pull_the_wrong_way_round(&scene, &old, 4);
    assert!(!scene.remote.git(&["log", "--first-parent", "--format=%s", "main"]).contains("By hand"));
    scene.keeps("prod/web.yaml", ":1.4.0", 5).await;
}

#[tokio::test]
async fn what_was_brought_again_before_a_merge_is_not_held_by_the_merged_branch() {
    let scene =
        Scene::new(&config("semver: 1.x", DEV_AND_PROD), &["dev/web.yaml", "prod/web.yaml"], ":1.4.0", &["1.4.0"]);
    scene.write("dev/web.yaml", ":1.5.0", 2);
    let person = &scene.person;
    person.git(&["checkout", "--quiet", "-b", "feature"]);
    person.commit_files(&[("readme", "feature\n")], "Feature", 3);
    person.git(&["checkout", "--quiet", "main"]);
    scene.write("dev/web.yaml", ":1.4.0", 4);
    // The branch takes the take-back over; on the base the version comes again, and then the branch is merged.
    person.git(&["checkout", "--quiet", "feature"]);
    person.git(&["merge", "--quiet", "--no-edit", "main"]);
    person.git(&["checkout", "--quiet", "main"]);
    scene.write("dev/web.yaml", ":1.5.0", 5);
    person.git(&["merge", "--quiet", "--no-ff", "--no-edit", "feature"]);
    person.git(&["push", "--quiet", "origin", "main"]);
    scene.list(&["1.4.0", "1.5.0"]);
    let outcome = scene.pass(6).await;
    assert_eq!(
        (scene.runs("dev/web.yaml"), scene.runs("prod/web.yaml")),
        (":1.5.0".into(), ":1.5.0".into()),
        "{:?}",
        outcome.skipped
    );
}

#[tokio::test]
async fn a_soak_counts_from_the_merge_by_which_a_version_came() {
    let environments = DEV_AND_PROD.replace("after: dev,", "after: dev, gates: {soak: 24h},");
    let files = ["dev/web.yaml", "prod/web.yaml"];
    let scene = Scene::new(&config("semver: 1.x", &environments), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    let person = &scene.person;
    person.git(&["checkout", "--quiet", "-b", "feature"]);
    person.commit_files(&[("dev/web.yaml", &manifest(":1.5.0"))], "Try it", 2);
    person.git(&["checkout", "--quiet", "main"]);
    person.commit_files(&[("readme", "x\n")], "Readme", 9);
    person.git(&["merge", "--quiet", "--no-ff", "--no-edit", "feature"]);
    person.git(&["push", "--quiet", "origin", "main"]);
    scene.pass(9).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.4.0");
    scene.pass(10).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
}

#[tokio::test]
async fn a_take_back_goes_along_with_a_folder_that_is_moved() {
    let scene = Scene::prod();
    scene.pass(2).await;
    scene.write("prod/web.yaml", ":1.4.0", 3);
    let person = &scene.person;
    std::fs::create_dir(person.folder.join("live")).unwrap();
    person.git(&["mv", "prod/web.yaml", "live/web.yaml"]);
    let renamed = config("semver: 1.x", &PROD.replace("prod", "live"));
    person.commit_files(&[(".tagboat.yaml", &renamed)], "Call it live", 4);
    // And once more, into a folder below.
    std::fs::create_dir(person.folder.join("live/eu")).unwrap();
    person.git(&["mv", "live/web.yaml", "live/eu/shop.yaml"]);
    person.commit_files(&[("readme", "moved\n")], "Move it", 5);
    person.git(&["push", "--quiet", "origin", "main"]);
    scene.keeps("live/eu/shop.yaml", ":1.4.0", 6).await;
}

#[tokio::test]
async fn a_file_that_is_moved_to_another_environment_does_not_soak_from_its_former_days() {
    let environments = DEV_AND_PROD.replace("after: dev,", "after: dev, gates: {soak: 24h},");
    let files = ["draft/web.yaml", "prod/web.yaml"];
    let scene = Scene::new(&config("semver: 1.x", &environments), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.write("draft/web.yaml", ":1.5.0", 2);
    let person = &scene.person;
    std::fs::create_dir(person.folder.join("dev")).unwrap();
    person.git(&["mv", "draft/web.yaml", "dev/web.yaml"]);
    person.commit_files(&[("readme", "moved\n")], "Begin with dev", 8);
    person.git(&["push", "--quiet", "origin", "main"]);
    scene.pass(8).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.4.0");
    scene.pass(9).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
}

#[tokio::test]
async fn what_a_forced_push_took_out_is_not_brought_again_unasked() {
    let scene = Scene::prod();
    scene.pass(2).await;
    scene.list(&["1.4.0", "1.5.0", "1.5.1"]);
    scene.pass(3).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.1");
    let first = scene.remote.git(&["rev-list", "--max-parents=0", "main"]);
    scene.person.git(&["push", "--quiet", "--force", "origin", &format!("{first}:main")]);
    // Neither the version that stood there last, nor the one before it.
    let outcome = scene.pass(4).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.4.0", "{:?}", outcome.skipped);
    let told = outcome.skipped.iter().any(|row| row.reason.contains("a forced push took it back to 1.4.0"));
    assert!(told, "{:?}", outcome.skipped);
    // Nor when the file is called otherwise since.
    scene.person.git(&["fetch", "--quiet"]);
    scene.person.git(&["reset", "--quiet", "--hard", "origin/main"]);
    scene.person.git(&["mv", "prod/web.yaml", "prod/shop.yaml"]);
    scene.person.commit_files(&[("readme", "moved\n")], "Call it shop", 5);
    scene.person.git(&["push", "--quiet", "origin", "main"]);
    scene.keeps("prod/shop.yaml", ":1.4.0", 6).await;
}

#[tokio::test]
async fn a_forced_push_that_changes_no_version_holds_nothing_and_what_is_brought_by_hand_counts() {
    let scene =
        Scene::new(&config("semver: 1.x", DEV_AND_PROD), &["dev/web.yaml", "prod/web.yaml"], ":1.4.0", &["1.4.0"]);
    scene.write("dev/web.yaml", ":1.5.0", 2);
    scene.mirror.fetch(&BranchName::from("main")).unwrap();
    // The same content under another message.
    scene.person.git(&["commit", "--quiet", "--amend", "--message", "Said better"]);
    scene.person.git(&["push", "--quiet", "--force", "origin", "main"]);
    scene.list(&["1.4.0", "1.5.0"]);
    scene.pass(3).await;
    assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
    // Both are taken out, and a person brings it to the first one again.
    let first = scene.remote.git(&["rev-list", "--max-parents=0", "main"]);
    scene.person.git(&["push", "--quiet", "--force", "origin", &format!("{first}:main")]);
    scene.person.git(&["fetch", "--quiet"]);
    scene.person.git(&["reset", "--quiet", "--hard", &first]);
    scene.pass(4).await;
    assert_eq!((scene.runs("dev/web.yaml"), scene.runs("prod/web.yaml")), (":1.4.0".into(), ":1.4.0".into()));
    scene.write("dev/web.yaml", ":1.5.0", 5);
    scene.write("prod/web.yaml", ":1.5.0", 5);
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass(6).await;
    assert_eq!((scene.runs("dev/web.yaml"), scene.runs("prod/web.yaml")), (":1.6.0".into(), ":1.6.0".into()));
}

#[tokio::test]
async fn a_head_branch_on_a_base_that_is_no_more_is_tagboats_own_and_made_anew() {
    for foxtrot in [false, true] {
        let environments = "  - {name: prod, files: [prod/**], publish: autoMerge, gates: {soak: 1h}}\n";
        let scene = Scene::new(&config("semver: 1.x", environments), &["prod/web.yaml"], ":1.4.0", &["1.4.0", "1.5.0"]);
        let old = scene.remote.tip("main");
        scene.person.commit_files(&[("notes", "1\n")], "Notes", 2);
        scene.person.git(&["push", "--quiet", "origin", "main"]);
        scene.pass(2).await;
        let before = scene.remote.tip(HEAD);
        if foxtrot {
            pull_the_wrong_way_round(&scene, &old, 3);
        } else {
            scene.person.git(&["commit", "--quiet", "--amend", "--message", "Said better"]);
            scene.person.git(&["push", "--quiet", "--force", "origin", "main"]);
        }
        let outcome = scene.pass(3).await;
        let told: Vec<_> =
            outcome.proposals.iter().map(|proposal| (proposal.action, proposal.reason.clone())).collect();
        assert_eq!(told, [(Action::Updated, None)], "foxtrot: {foxtrot}");
        assert_ne!(scene.remote.tip(HEAD), before);
        assert_eq!(scene.remote.git(&["rev-parse", &format!("{HEAD}~1")]), scene.remote.tip("main"));
        let outcome = scene.pass(4).await;
        assert_eq!(outcome.proposals[0].action, Action::Unchanged);
    }
}

#[tokio::test]
async fn a_digest_that_a_person_took_back_before_is_no_step_forward_behind_it() {
    let digest = |tag: &str| format!(":latest@{}", MemoryTags::digest(WEB, tag));
    let files = ["dev/web.yaml", "prod/web.yaml"];
    let scene = Scene::new(&config("digest: latest", DEV_AND_PROD), &files, &digest("old"), &["latest"]);
    scene.pass(2).await;
    let now = digest("latest");
    assert_eq!((scene.runs(files[0]), scene.runs(files[1])), (now.clone(), now.clone()));
    scene.write(files[0], &digest("old"), 3);
    let outcome = scene.pass(4).await;
    assert_eq!((scene.runs(files[0]), scene.runs(files[1])), (digest("old"), now.clone()), "{:?}", outcome.skipped);
    assert!(
        outcome.skipped.iter().any(|row| row.reason.contains("to which a person moved dev")),
        "{:?}",
        outcome.skipped
    );
}

#[tokio::test]
async fn an_order_that_falls_is_taken_back_by_rising_and_introduces_nothing_behind_it() {
    let environments = DEV_AND_PROD.replace("after: dev,", "after: dev, gates: {soak: {for: 24h, count: introduced}},");
    let files = ["dev/web.yaml", "prod/web.yaml"];
    let scene = Scene::new(&config("numeric: desc", &environments), &files, ":30", &["30", "20"]);
    scene.pass(2).await;
    assert_eq!((scene.runs(files[0]), scene.runs(files[1])), (":20".to_owned(), ":30".to_owned()));
    scene.write(files[0], ":30", 3);
    scene.pass(4).await;
    assert_eq!((scene.runs(files[0]), scene.runs(files[1])), (":30".to_owned(), ":30".to_owned()));
}

#[tokio::test]
async fn what_was_introduced_with_an_old_clock_soaks_from_when_it_came() {
    let environments = DEV_AND_PROD.replace("after: dev,", "after: dev, gates: {soak: {for: 24h, count: introduced}},");
    let files = ["dev/web.yaml", "prod/web.yaml"];
    let scene = Scene::new(&config("semver: 1.x", &environments), &files, ":1.4.0", &["1.4.0", "1.5.0", "1.6.0"]);
    scene.person.commit_files(&[("readme", "x\n")], "Readme", 8);
    scene.write(files[0], ":1.5.0", 2);
    scene.write(files[0], ":1.6.0", 8);
    scene.pass(8).await;
    assert_eq!(scene.runs(files[1]), ":1.4.0", "1.5.0 came on the eighth, whatever its commit says");
    scene.pass(9).await;
    assert_eq!(scene.runs(files[1]), ":1.6.0");
}

#[tokio::test]
async fn a_base_that_refuses_commits_holds_up_no_pull_request() {
    let environments =
        "  - {name: dev, files: [dev/**], publish: commit}\n  - {name: prod, files: [prod/**], publish: pullRequest}\n";
    let files = ["dev/web.yaml", "prod/web.yaml"];
    let scene = Scene::new(&config("semver: 1.x", environments), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.remote.hook(
        "pre-receive",
        "#!/bin/sh\nwhile read old new name; do [ \"$name\" = refs/heads/main ] && exit 1; done; exit 0\n",
    );
    let outcome = scene.pass(2).await;
    let told: Vec<_> =
        outcome.proposals.iter().map(|proposal| (proposal.environment.as_str(), proposal.action)).collect();
    assert_eq!(told, [("dev", Action::Failed), ("prod", Action::Opened)]);
    assert_eq!(outcome.changes.len(), 1, "what failed is no change");
    assert_eq!(outcome.errors.iter().filter(|row| row.what == "branch main").count(), 1, "{:?}", outcome.errors);
    assert_eq!(scene.remote.show(HEAD, "prod/web.yaml"), manifest(":1.5.0").into_bytes());
    drop(scene.scratch);
}

#[tokio::test]
async fn one_of_two_files_that_went_and_came_back_lower_is_not_raised_again() {
    let scene =
        Scene::new(&config("semver: 1.x", PROD), &["prod/web.yaml", "prod/worker.yaml"], ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.pass(2).await;
    for (day, between) in [(3, "a: [\n"), (6, "kind: Other\n")] {
        scene.person.git(&["pull", "--quiet", "--ff-only"]);
        scene.person.commit_files(&[("prod/web.yaml", between)], "Something else", day);
        scene.write("prod/web.yaml", ":1.4.0", day + 1);
        scene.pass(day + 2).await;
        assert_eq!((scene.runs("prod/web.yaml"), scene.runs("prod/worker.yaml")), (":1.4.0".into(), ":1.5.0".into()));
    }
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass(9).await;
    assert_eq!((scene.runs("prod/web.yaml"), scene.runs("prod/worker.yaml")), (":1.6.0".into(), ":1.6.0".into()));
}

#[tokio::test]
async fn a_file_that_is_lowered_past_what_another_one_runs_is_not_raised_to_that() {
    let files = ["prod/web.yaml", "prod/worker.yaml"];
    let scene = Scene::new(&config("semver: 1.x", PROD), &files, ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.pass(2).await;
    scene.write("prod/web.yaml", ":1.6.0", 3);
    assert_eq!(files.map(|file| scene.runs(file)), [":1.6.0", ":1.5.0"]);
    scene.write("prod/web.yaml", ":1.4.0", 4);
    for (day, tags) in [(5, &["1.4.0", "1.5.0"][..]), (6, &["1.4.0", "1.5.0", "1.6.0"])] {
        scene.list(tags);
        let outcome = scene.pass(day).await;
        assert_eq!(files.map(|file| scene.runs(file)), [":1.4.0", ":1.5.0"], "{:?}", outcome.skipped);
    }
    scene.list(&["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    scene.pass(7).await;
    assert_eq!(files.map(|file| scene.runs(file)), [":1.7.0", ":1.7.0"]);
}

#[tokio::test]
async fn a_forced_push_that_undoes_a_rename_as_well_brings_nothing_again() {
    for to in ["prod/shop.yaml", "live/web.yaml"] {
        let scene = Scene::prod();
        let first = scene.remote.tip("main");
        let person = &scene.person;
        std::fs::create_dir_all(person.folder.join(to).parent().unwrap()).unwrap();
        person.git(&["mv", "prod/web.yaml", to]);
        let renamed = config("semver: 1.x", &PROD.replace("prod", to.split('/').next().unwrap()));
        person.commit_files(&[(".tagboat.yaml", &renamed), ("readme", "moved\n")], "Move it", 2);
        person.git(&["push", "--quiet", "origin", "main"]);
        scene.pass(3).await;
        assert_eq!(scene.runs(to), ":1.5.0");
        scene.pass(4).await;
        person.git(&["push", "--quiet", "--force", "origin", &format!("{first}:main")]);
        person.git(&["fetch", "--quiet"]);
        person.git(&["reset", "--quiet", "--hard", "origin/main"]);
        let outcome = scene.pass(5).await;
        assert_eq!(scene.runs("prod/web.yaml"), ":1.4.0", "{to}: {:?}", outcome.skipped);
        scene.keeps("prod/web.yaml", ":1.4.0", 6).await;
    }
}

#[tokio::test]
async fn places_of_one_image_are_matched_by_the_shape_of_their_paths() {
    let files = ["dev/shop/web.yaml", "dev/docs/web.yaml", "prod/shop/web.yaml", "prod/docs/web.yaml"];
    let scene = Scene::new(&config("semver: 1.x", DEV_AND_PROD), &files, ":1.4.0", &["1.4.0", "1.4.1", "1.5.0"]);
    let marked: Vec<(&str, String)> = ["dev/docs/web.yaml", "prod/docs/web.yaml"]
        .map(|file| (file, manifest(":1.4.0").replace(":1.4.0", ":1.4.0 # tagboat: semver=1.4.x")))
        .into();
    let marked: Vec<(&str, &str)> = marked.iter().map(|(file, text)| (*file, text.as_str())).collect();
    scene.person.commit_files(&marked, "The docs stay at 1.4", 2);
    scene.person.git(&["push", "--quiet", "origin", "main"]);
    let outcome = scene.pass(3).await;
    let docs = ":1.4.1 # tagboat: semver=1.4.x";
    assert_eq!(files.map(|file| scene.runs(file)), [":1.5.0", docs, ":1.5.0", docs], "{:?}", outcome.skipped);
    let tip = scene.remote.tip("main");
    scene.pass(4).await;
    assert_eq!(scene.remote.tip("main"), tip, "a further pass does nothing");
    // What stands for nothing there waits, and says why.
    let other = manifest(":1.4.0");
    scene.person.git(&["pull", "--quiet", "--ff-only"]);
    scene.person.commit_files(&[("prod/other/web.yaml", &other)], "Another one", 5);
    scene.person.git(&["push", "--quiet", "origin", "main"]);
    let outcome = scene.pass(6).await;
    assert_eq!(scene.runs("prod/other/web.yaml"), ":1.4.0");
    let told = outcome.skipped.iter().any(|row| row.reason.contains("dev runs several versions of it: 1.4.1, 1.5.0"));
    assert!(told, "{:?}", outcome.skipped);
}

/// What a person does with a commit that is older than what Tagboat wrote.
type Deed = fn(&Scene, &str);

/// How a person's older line is merged with what Tagboat wrote, and pushed as the branch.
const MERGED: [(&str, Deed); 6] = [
    ("a conflict that is settled with the own side", |scene, old| {
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "late", old]);
        let own = format!("{}# 1.5 leaks\n", manifest(":1.4.0"));
        person.commit_files(&[("prod/web.yaml", &own)], "Keep it", 3);
        person.git(&["merge", "--quiet", "-X", "ours", "-m", "Merge main", "origin/main"]);
        person.git(&["checkout", "--quiet", "late~1", "--", "prod/web.yaml"]);
        person.git(&["commit", "--quiet", "--amend", "--no-edit"]);
        person.git(&["push", "--quiet", "origin", "late:main"]);
    }),
    ("a pull in an old clone, written over by hand", |scene, old| {
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "late", old]);
        person.commit_files(&[("readme", "late\n")], "Readme", 3);
        person.git(&["merge", "--quiet", "--no-commit", "--no-ff", "origin/main"]);
        person.commit_files(&[("prod/web.yaml", &manifest(":1.4.0"))], "Merge main", 4);
        person.git(&["push", "--quiet", "origin", "late:main"]);
    }),
    ("a merge that takes nothing of the other side", |scene, old| {
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "late", old]);
        person.commit_files(&[("readme", "late\n")], "Readme", 3);
        person.git(&["merge", "--quiet", "-s", "ours", "-m", "Merge main", "origin/main"]);
        person.git(&["push", "--quiet", "origin", "late:main"]);
    }),
    ("a merge of two others that takes nothing of them", |scene, old| {
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "other", old]);
        person.commit_files(&[("readme", "other\n")], "Other", 3);
        person.git(&["checkout", "--quiet", "-B", "late", old]);
        person.commit_files(&[("notes", "late\n")], "Notes", 3);
        person.git(&["merge", "--quiet", "-s", "ours", "-m", "Merge both", "other", "origin/main"]);
        person.git(&["push", "--quiet", "origin", "late:main"]);
    }),
    ("a merge that was merged the wrong way round", |scene, old| {
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "old", old]);
        person.commit_files(&[("readme", "old\n")], "Readme", 3);
        person.git(&["checkout", "--quiet", "-B", "between", "origin/main"]);
        person.git(&["merge", "--quiet", "--no-commit", "--no-ff", "old"]);
        person.commit_files(&[("prod/web.yaml", &manifest(":1.4.0"))], "Merge old", 4);
        person.git(&["checkout", "--quiet", "-B", "late", old]);
        person.commit_files(&[("notes", "late\n")], "Notes", 3);
        person.git(&["merge", "--quiet", "--no-edit", "between"]);
        person.git(&["push", "--quiet", "origin", "late:main"]);
    }),
    ("a file that the merge took out, and somebody put back", |scene, old| {
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "late", old]);
        person.git(&["rm", "--quiet", "prod/web.yaml"]);
        person.commit_files(&[("readme", "late\n")], "Take it out", 3);
        person.git(&["merge", "--quiet", "-s", "ours", "-m", "Merge main", "origin/main"]);
        person.commit_files(&[("prod/web.yaml", &manifest(":1.4.0"))], "Put it back", 4);
        person.git(&["push", "--quiet", "origin", "late:main"]);
    }),
];

#[tokio::test]
async fn what_a_merge_drops_of_tagboat_s_line_was_taken_back_by_whoever_merged() {
    for (name, merge) in MERGED {
        let scene = Scene::prod();
        let old = scene.remote.tip("main");
        scene.pass(2).await;
        assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0");
        scene.person.git(&["fetch", "--quiet", "origin"]);
        merge(&scene, &old);
        assert!(!scene.remote.git(&["log", "--first-parent", "--format=%B", "main"]).contains("Tagboat"), "{name}");
        assert_eq!(scene.runs("prod/web.yaml").split('#').next().unwrap().trim(), ":1.4.0", "{name}");
        let outcome = scene.pass(5).await;
        let text = String::from_utf8(scene.remote.show("main", "prod/web.yaml")).unwrap();
        assert!(text.contains(&format!("{WEB}:1.4.0")), "{name}: {:?} {:?}", outcome.skipped, outcome.proposals);
        assert!(
            outcome.skipped.iter().any(|row| row.reason.contains("1.5.0 is held: ")),
            "{name}: {:?}",
            outcome.skipped
        );
        scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
        scene.pass(6).await;
        let text = String::from_utf8(scene.remote.show("main", "prod/web.yaml")).unwrap();
        assert!(text.contains(&format!("{WEB}:1.6.0")), "{name}: something newer comes as ever");
    }
}

#[tokio::test]
async fn who_merely_merged_the_base_took_nothing_back() {
    let environments = DEV_AND_PROD.replace("after: dev,", "after: dev, gates: {soak: 24h},");
    let two =
        |web: &str, api: &str| format!("{}  - image: ghcr.io/acme/api:{api}\n  # none\n", manifest(&format!(":{web}")));
    for touches in ["readme", "dev/web.yaml"] {
        let scene = Scene::new(&config("semver: 1.x", &environments), &["prod/web.yaml"], ":1.4.0", &["1.4.0"]);
        scene.tags.set("ghcr.io/acme/api", ["1.4.0", "1.5.0"]);
        scene.person.commit_files(&[("dev/web.yaml", &two("1.4.0", "1.5.0"))], "Begin", 1);
        scene.person.git(&["push", "--quiet", "origin", "HEAD:main"]);
        let old = scene.remote.tip("main");
        scene.list(&["1.4.0", "1.5.0"]);
        scene.pass(2).await;
        assert_eq!((scene.runs("prod/web.yaml").as_str()), ":1.4.0", "it soaks");
        let person = &scene.person;
        person.git(&["checkout", "--quiet", "-B", "late", &old]);
        // What it does to the same file lies apart from what Tagboat wrote.
        let text = if touches == "readme" { "late\n".to_owned() } else { format!("{}# late\n", two("1.4.0", "1.5.0")) };
        person.commit_files(&[(touches, &text)], "Late", 3);
        person.git(&["fetch", "--quiet", "origin"]);
        person.git(&["merge", "--quiet", "--no-edit", "origin/main"]);
        person.git(&["push", "--quiet", "origin", "late:main"]);
        let outcome = scene.pass(5).await;
        assert_eq!(scene.runs("prod/web.yaml"), ":1.5.0", "{touches}: {:?} {:?}", outcome.skipped, outcome.proposals);
    }
}

#[tokio::test]
async fn what_tagboat_took_back_on_the_base_is_not_held_by_a_branch_that_kept_the_file() {
    let environments = "  - {name: dev, files: [dev/**], publish: commit}\n";
    let scene = Scene::new(&config("semver: 1.x", environments), &["dev/web.yaml"], ":1.4.0", &["1.4.0", "1.5.0"]);
    scene.pass(2).await;
    let person = &scene.person;
    person.git(&["pull", "--quiet", "--ff-only"]);
    person.git(&["checkout", "--quiet", "-b", "feature"]);
    person.commit_files(
        &[("dev/web.yaml", &format!("{}  # a comment\n  # of several\n  # lines\n", manifest(":1.5.0")))],
        "Feature",
        3,
    );
    person.git(&["checkout", "--quiet", "main"]);
    let order = Order::Rollback { environment: "dev".into(), what: WEB.to_owned(), to: None };
    let (remote, now) = (Arc::<Mirror>::clone(&scene.mirror), "2026-01-04T12:00:00Z");
    let passing = Passing { remote, tags: &scene.tags, now, publishing: on_plain_git() };
    passing.order(&order, Said::default()).await.unwrap();
    person.git(&["pull", "--quiet", "--ff-only"]);
    // The branch still has what went back, and the base's side of it is taken.
    person.git(&["merge", "--quiet", "--no-ff", "--no-commit", "-X", "ours", "feature"]);
    person.commit_files(
        &[("dev/web.yaml", &manifest(":1.4.0")), (".tagboat/holds.yaml", "version: 1\n")],
        "Merge, and release",
        5,
    );
    person.git(&["push", "--quiet", "origin", "main"]);
    let outcome = scene.pass(6).await;
    assert_eq!(scene.runs("dev/web.yaml"), ":1.5.0", "what was released comes again: {:?}", outcome.skipped);
}
