//! The end of a pass, as Git sees it: transfers that trickle, programs that hang, and folders that others use.

use std::fs::File;
use std::time::Duration;

use tagboat::clock::PassEnd;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::{GitError, Remote as _};
use tokio::time::Instant;

use crate::git::{edit, main_branch, now, plan};
use crate::support::git_server::trickling;
use crate::support::repository::{Scratch, environment, executable};

fn ends_after(milliseconds: u64) -> PassEnd {
    PassEnd::of(Instant::now(), Duration::from_millis(milliseconds))
}

#[track_caller]
fn assert_over(error: &GitError) {
    let GitError::Unreachable(reason) = error else { panic!("{error:?}") };
    assert!(reason.starts_with("the time limit of one pass, "), "{reason}");
}

#[test]
fn a_server_that_trickles_is_read_until_the_pass_is_over() {
    let scratch = Scratch::new();
    let folder = scratch.path("mirror");
    let url = trickling().parse().unwrap();
    let mirror = Mirror::open_until(ends_after(300), &folder, url, Access::None, environment(None)).unwrap();
    assert_over(&mirror.fetch(&main_branch()).unwrap_err());
    assert_over(&mirror.heads("tagboat/").unwrap_err());
}

#[test]
fn git_is_ended_with_the_pass_together_with_what_it_has_started() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("web.yaml", "tag: 1.4.0\n")]);
    let bin = scratch.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let pids = scratch.path("pids");
    let real = "PATH=\"${PATH#*:}\" exec git \"$@\"";
    let script =
        format!("#!/bin/sh\ncase \"$*\" in *push*) sleep 600 & echo $! >> '{}'; wait;; esac\n{real}\n", pids.display());
    executable(&bin.join("git"), &script);
    let (folder, url) = (scratch.path("mirror"), remote.folder.display().to_string().parse().unwrap());
    let mirror = Mirror::open_until(ends_after(3000), &folder, url, Access::None, environment(Some(&bin))).unwrap();
    let base = mirror.fetch(&main_branch()).unwrap();
    let commit = mirror.commit(&base, &[edit("web.yaml", "tag: 1.4.0\n", "tag: 1.5.0\n")], &plan(), now()).unwrap();
    assert_over(&mirror.push(&main_branch(), &base, &commit).unwrap_err());
    let pid = std::fs::read_to_string(&pids).unwrap();
    // Whoever is gone, or is only waited for, has no memory.
    let is_there =
        || std::fs::read(format!("/proc/{}/statm", pid.trim())).is_ok_and(|memory| !memory.starts_with(b"0 "));
    while is_there() {
        std::thread::yield_now();
    }
    assert_over(&mirror.fetch(&main_branch()).unwrap_err());
    assert_eq!(remote.tip("main"), base.as_str());
}

#[test]
fn a_pass_waits_for_others_who_use_the_mirror_and_no_longer_than_it_lasts() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("web.yaml", "tag: 1.4.0\n")]);
    let folder = scratch.path("mirror");
    let open = |ends| {
        let url = remote.folder.display().to_string().parse().unwrap();
        Mirror::open_until(ends, &folder, url, Access::None, environment(None))
    };
    drop(open(PassEnd::default()).unwrap());
    let other = File::create(scratch.path("mirror.lock")).unwrap();
    other.lock().unwrap();
    assert_over(&open(ends_after(100)).map(|_| ()).unwrap_err());
    let opened = std::thread::scope(|scope| {
        let opened = scope.spawn(|| open(ends_after(60_000)));
        drop(other);
        opened.join().unwrap()
    });
    assert!(opened.unwrap().fetch(&main_branch()).is_ok());
}
