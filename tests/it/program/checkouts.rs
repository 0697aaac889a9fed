//! `run` from a checkout: its remote and branch are meant, and its files are left alone.

use insta::assert_snapshot;

use crate::program::{World, commits, contents};
use crate::support::repository::Repository;

/// Clones the world's repository into a folder; `further` are options of `git clone`.
fn cloned(world: &World, remote: &Repository, name: &str, further: &[&str]) -> Repository {
    let folder = world.scratch.path(name);
    let (from, to) = (format!("file://{}", remote.folder.display()), folder.display().to_string());
    remote.git(&[&["clone", "--quiet"], further, &[&from, &to]].concat());
    Repository { folder }
}

#[test]
fn pushes_to_the_origin_and_leaves_a_dirty_checkout_as_it_is() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let work = cloned(&world, &remote, "my work", &[]);
    std::fs::write(work.folder.join("dev/web.yaml"), "half: [done\n").unwrap();
    std::fs::write(work.folder.join("staged.yaml"), "new: 1\n").unwrap();
    work.git(&["add", "staged.yaml"]);
    std::fs::write(work.folder.join("untracked.yaml"), world.deployment("acme/web:1.4.0")).unwrap();
    let before = contents(&work.folder);
    world.tagboat(&["run", &work.folder.display().to_string()]).ended(0);
    assert_eq!(contents(&work.folder), before, "its files, its index and its objects");
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
    assert_eq!(remote.git(&["diff", "--name-only", "main~1", "main"]), "dev/web.yaml");
}

#[test]
fn a_configuration_that_is_not_on_the_branch_yet_is_asked_for_there() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let remote = world.scratch.bare("manifests.git", &[("dev/web.yaml", &web)]);
    let work = cloned(&world, &remote, "work", &[]);
    let folder = work.folder.display().to_string();
    let missing = world.tagboat(&["run", &folder]).ended(2);
    assert!(missing.err.contains("branch main has no .tagboat.yaml: `tagboat init` writes one"), "{missing:?}");
    std::fs::write(work.folder.join(".tagboat.yaml"), world.config()).unwrap();
    assert_snapshot!(world.tagboat(&["run", &folder]).ended(2).err, @"
    error: branch main has no .tagboat.yaml, and this folder has one
    hint: commit it and push it: what counts is the file on the branch
    ");
}

#[test]
fn works_from_the_folder_it_is_started_in() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let work = cloned(&world, &remote, "work", &[]);
    world.finish(world.command(&["run"]).current_dir(work.folder.join("dev"))).ended(0);
    assert_eq!(commits(&remote), 2);
}

#[test]
fn follows_the_branch_that_is_checked_out_or_named() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["branch", "release"]);
    remote.git(&["branch", "hotfix"]);
    let work = cloned(&world, &remote, "work", &[]);
    work.git(&["checkout", "--quiet", "release"]);
    let folder = work.folder.display().to_string();
    let base = remote.tip("main");
    world.tagboat(&["run", &folder]).ended(0);
    assert_ne!(remote.tip("release"), base);
    world.tagboat(&["run", &folder, "--branch", "hotfix"]).ended(0);
    assert_ne!(remote.tip("hotfix"), base);
    assert_eq!(remote.tip("main"), base);
}

#[test]
fn a_detached_checkout_needs_a_branch() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let work = cloned(&world, &remote, "work", &[]);
    work.git(&["checkout", "--quiet", "--detach"]);
    let folder = work.folder.display().to_string();
    let refused = world.tagboat(&["run", &folder]).ended(2);
    let told = refused.err.replace(&folder, "work");
    assert_snapshot!(told, @"error: work has a commit checked out, no branch: say which one with --branch");
    world.tagboat(&["run", &folder, "--branch", "main"]).ended(0);
    assert_eq!(commits(&remote), 2);
}

#[test]
fn a_shallow_checkout_is_as_good_as_any() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let work = cloned(&world, &remote, "work", &["--depth=1"]);
    world.tagboat(&["run", &work.folder.display().to_string()]).ended(0);
    assert_eq!(commits(&remote), 2);
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
}

#[test]
fn a_shallow_checkout_says_that_it_cannot_plan_and_a_whole_one_can() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.5.0");
    let work = cloned(&world, &remote, "work", &[]);
    work.commit_files(&[("dev/web.yaml", &world.deployment("acme/web:1.4.0"))], "Take it back", 2);
    work.commit_files(&[("notes.txt", "x")], "Note", 3);
    work.git(&["push", "--quiet", "origin", "main"]);
    let shallow = cloned(&world, &remote, "shallow", &["--depth=1"]);
    let folder = shallow.folder.display().to_string();
    for command in ["plan", "update"] {
        let ran = world.tagboat(&[command, &folder]).ended(0);
        assert!(ran.out.contains("git fetch --unshallow"), "{ran:?}");
    }
    assert_eq!(shallow.git(&["status", "--porcelain"]), "");
    shallow.git(&["fetch", "--quiet", "--unshallow"]);
    let planned = world.tagboat(&["plan", &folder]).ended(0);
    assert!(planned.out.contains("1.5.0 is held: A Person took it back"), "{planned:?}");
    // Where nobody configured anything, a clone of any depth may be looked into.
    std::fs::remove_file(shallow.folder.join(".tagboat.yaml")).unwrap();
    let shallow = cloned(&world, &remote, "again", &["--depth=1"]);
    std::fs::remove_file(shallow.folder.join(".tagboat.yaml")).unwrap();
    let planned = world.tagboat(&["plan", &shallow.folder.display().to_string(), "--exit-code"]).ended(10);
    assert!(planned.out.contains("1 update in 1 file"), "{planned:?}");
}

#[test]
fn a_version_that_is_lowered_and_not_committed_yet_is_not_raised_again() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.5.0");
    let work = cloned(&world, &remote, "work", &[]);
    let lowered = world.deployment("acme/web:1.4.0");
    std::fs::write(work.folder.join("dev/web.yaml"), &lowered).unwrap();
    let folder = work.folder.display().to_string();
    let ran = world.tagboat(&["update", &folder]).ended(0);
    assert!(ran.out.contains("1.5.0 is held: an edit that is not committed"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(work.folder.join("dev/web.yaml")).unwrap(), lowered);
    // A file that was moved and lowered says the same; what is newer comes.
    std::fs::rename(work.folder.join("dev/web.yaml"), work.folder.join("dev/app.yaml")).unwrap();
    world.tagboat(&["plan", &folder, "--exit-code"]).ended(0);
    world.push("acme/web", "1.6.0");
    world.tagboat(&["update", &folder]).ended(0);
    let raised = std::fs::read_to_string(work.folder.join("dev/app.yaml")).unwrap();
    assert_eq!(raised, world.deployment("acme/web:1.6.0"));
}

#[test]
fn a_version_that_is_not_committed_yet_has_not_soaked() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let config = format!(
        "{}  - name: prod\n    files: [prod/**]\n    after: dev\n    gates: {{soak: 24h}}\n    publish: commit\n",
        world.config()
    );
    let web = world.deployment("acme/web:1.4.0");
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
    let remote = world.scratch.bare("manifests.git", &files);
    let work = cloned(&world, &remote, "work", &[]);
    let folder = work.folder.display().to_string();
    world.tagboat(&["update", &folder]).ended(0);
    assert_eq!(work.git(&["status", "--porcelain"]), " M dev/web.yaml");
    let planned = world.tagboat(&["plan", &folder, "--exit-code"]).ended(0);
    assert!(planned.out.contains("of 1 d to go in dev"), "{planned:?}");
}

#[test]
fn a_history_is_kept_though_only_its_end_is_fetched() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let work = cloned(&world, &remote, "work", &[]);
    (2..6).for_each(|day| drop(work.commit_files(&[("notes.txt", &day.to_string())], "Note", day)));
    work.git(&["push", "--quiet", "origin", "main"]);
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(commits(&remote), 6);
}

#[test]
fn a_submodule_is_passed_over_and_stays() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let library = world.scratch.bare("library.git", &[("web.yaml", &world.deployment("acme/web:1.4.0"))]);
    let work = cloned(&world, &remote, "work", &[]);
    work.git(&["submodule", "add", "--quiet", &library.folder.display().to_string(), "dev/library"]);
    work.commit_files(&[], "Add the library", 2);
    work.git(&["push", "--quiet", "origin", "main"]);
    let entry = remote.git(&["ls-tree", "main", "dev/library"]);
    let done = world.tagboat(&["run", &work.folder.display().to_string(), "--output", "json"]).ended(0).json();
    assert_eq!(done["changes"].as_array().unwrap().len(), 1);
    assert_eq!(remote.git(&["ls-tree", "main", "dev/library"]), entry);
    let row = done["skipped"].as_array().unwrap().iter().find(|row| row["what"] == "dev/library").unwrap();
    assert_eq!(row["reason"], "a submodule");
}

#[test]
fn odd_paths_links_and_modes_of_a_tree_stay_as_they_are() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let work = cloned(&world, &remote, "work", &[]);
    let old = world.deployment("acme/web:1.4.0");
    work.commit_files(&[("dev/größe und ort/日本.yaml", &old), ("dev/run.yaml", &old)], "Odd names", 2);
    std::fs::set_permissions(work.folder.join("dev/run.yaml"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", work.folder.join("dev/out.yaml")).unwrap();
    symlink("web.yaml", work.folder.join("dev/alias.yaml")).unwrap();
    work.commit_files(&[], "Links", 3);
    work.git(&["push", "--quiet", "origin", "main"]);
    world.run_on(&remote, &[]).ended(0);
    let new = world.deployment("acme/web:1.5.0").into_bytes();
    for file in ["dev/web.yaml", "dev/größe und ort/日本.yaml", "dev/run.yaml"] {
        assert_eq!(remote.show("main", file), new, "{file}");
    }
    let modes = |revision: &str| -> Vec<String> {
        let listed = remote.git(&["ls-tree", "-r", revision]);
        listed.lines().map(|line| format!("{} {}", &line[..6], line.split_once('\t').unwrap().1)).collect()
    };
    assert_eq!(modes("main"), modes("main~1"));
    assert_eq!(remote.show("main", "dev/out.yaml"), b"/etc/passwd");
}

#[test]
fn a_folder_that_is_no_checkout_is_refused() {
    let world = World::new();
    let refused = world.tagboat(&["run"]).ended(2);
    assert_snapshot!(refused.err, @"
    error: . is in no Git repository: name the folder of a checkout, or give a command that has it --repo URL
    ");
    let bare = world.repository("acme/web:1.4.0");
    let folder = bare.folder.display().to_string();
    let refused = world.tagboat(&["run", &folder]).ended(2);
    let told = refused.err.replace(&folder, "manifests.git");
    assert_snapshot!(told, @"error: manifests.git is a bare repository: use --repo with its path");
}
