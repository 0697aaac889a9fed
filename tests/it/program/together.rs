//! Several runs at one time, and a person who pushes in between: nothing is doubled, nothing is lost.

use std::path::PathBuf;

use crate::program::{World, commits};
use crate::support::repository::{executable, search_path};

#[test]
fn runs_at_the_same_time_all_end_well_and_nothing_is_doubled() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let config =
        format!("{}  - name: prod\n    files: [prod/**]\n    after: dev\n    publish: commit\n", world.config());
    let files = [(".tagboat.yaml", config.as_str()), ("dev/web.yaml", &web), ("prod/web.yaml", &web)];
    let remote = world.scratch.bare("manifests.git", &files);
    // Two share a mirror, the third has one of its own.
    let caches = ["cache", "cache", "another"];
    std::thread::scope(|scope| {
        for cache in caches {
            let (world, remote) = (&world, &remote);
            scope.spawn(move || {
                let folder = remote.folder.display().to_string();
                let mut command = world.command(&["run", "--repo", &folder, "--branch", "main"]);
                world.finish(command.env("XDG_CACHE_HOME", world.scratch.path(cache))).ended(0);
            });
        }
    });
    let log = remote.git(&["log", "--reverse", "--format=%s", "main"]);
    assert_eq!(log, "Begin\ndev: update web to 1.5.0\nprod: update web to 1.5.0");
    for environment in ["dev", "prod"] {
        let file = remote.show("main", &format!("{environment}/web.yaml"));
        assert_eq!(file, world.deployment("acme/web:1.5.0").into_bytes());
    }
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
}

/// Runs on a bare repository with a `git` whose first push is this script; returns how it ended, and whether it came so far.
fn run_with_first_push(world: &World, bare: &str, script: &str) -> (Option<i32>, PathBuf) {
    let (bin, mark) = (world.scratch.path("bin"), world.scratch.path("pushed"));
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\ncase \" $* \" in *' push '*) if mkdir '{}' 2>/dev/null; then {script}; fi;; esac\nexec git \"$@\"\n",
        mark.display()
    );
    executable(&bin.join("git"), &script);
    let mut folders = vec![bin];
    folders.extend(std::env::split_paths(&search_path()));
    let mut command = world.command(&["run", "--repo", bare, "--branch", "main"]);
    let output = command.env("PATH", std::env::join_paths(folders).unwrap()).output().unwrap();
    (output.status.code(), mark)
}

#[test]
fn a_run_that_was_killed_is_simply_run_again() {
    for push in ["kill -9 $PPID; exit 1", "git \"$@\"; kill -9 $PPID; exit 1"] {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let remote = world.repository("acme/web:1.4.0");
        let (code, mark) = run_with_first_push(&world, &remote.folder.display().to_string(), push);
        assert!(code.is_none() && mark.exists(), "it was killed while it pushed");
        world.run_on(&remote, &[]).ended(0);
        assert_eq!(commits(&remote), 2);
        assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
        assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
    }
}

#[test]
fn a_person_who_pushes_first_keeps_their_commit() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let rival = world.scratch.path("rival");
    remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &rival.display().to_string()]);
    let rival = crate::support::repository::Repository { folder: rival };
    rival.commit_files(&[("dev/rival.yaml", "theirs: 1\n")], "Theirs", 2);
    rival.git(&["push", "--quiet", "origin", "main:refs/heads/waiting"]);
    // The first push of the run finds that the branch has just moved.
    let bare = remote.folder.display().to_string();
    let script = format!("git -C '{bare}' update-ref refs/heads/main waiting; exec git \"$@\"");
    let mark = run_with_first_push(&world, &bare, &script).1;
    assert!(mark.exists(), "the race was lost once");
    assert_eq!(commits(&remote), 3);
    assert_eq!(remote.show("main", "dev/rival.yaml"), b"theirs: 1\n");
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
}

#[test]
fn a_mirror_that_was_damaged_or_deleted_is_made_again() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    world.run_on(&remote, &["--dry-run"]).ended(0);
    std::fs::remove_dir_all(world.scratch.path("cache")).unwrap();
    world.run_on(&remote, &["--dry-run"]).ended(0);
    let mirrors: Vec<_> = std::fs::read_dir(world.scratch.path("cache/tagboat/mirrors")).unwrap().collect();
    for mirror in mirrors {
        let head = mirror.unwrap().path().join("HEAD");
        if head.is_file() {
            std::fs::write(head, "").unwrap();
        }
    }
    world.run_on(&remote, &[]).ended(0);
    assert_eq!(commits(&remote), 2);
}
