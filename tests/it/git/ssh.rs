//! The mirror over SSH, with a stand-in for `ssh` that runs the command on this machine.

use std::fs;

use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::{GitError, Pushed, Remote as _};

use crate::git::{land, main_branch};
use crate::support::repository::{Scratch, environment, executable};

#[test]
fn fetches_and_pushes_with_a_key() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let bin = scratch.path("bin");
    fs::create_dir(&bin).unwrap();
    let record = scratch.path("record");
    // The last argument is the command for the other side.
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\nfor command; do :; done\nexec sh -c \"$command\"\n",
        record.display()
    );
    executable(&bin.join("ssh"), &script);
    let key = scratch.path("a key");
    for url in [format!("ssh://git@git.example:2222{}", remote.folder.display()), {
        format!("git@git.example:{}", remote.folder.display())
    }] {
        let access = Access::SshKey { file: key.clone(), known_hosts: None };
        let environment = environment(Some(&bin));
        let mirror = Mirror::open(&scratch.path("mirror"), url.parse().unwrap(), access, environment).unwrap();
        let before = String::from_utf8(remote.show("main", "a.yaml")).unwrap();
        let (commit, pushed) = land(&mirror, "a.yaml", &before, &format!("{before}more\n"));
        assert_eq!((pushed, remote.tip("main").as_str()), (Pushed::Done, commit.as_str()));
        assert_eq!(mirror.fetch(&main_branch()).unwrap(), commit);
    }
    let recorded = fs::read_to_string(&record).unwrap();
    let key = key.display().to_string();
    for argument in ["BatchMode=yes", "IdentitiesOnly=yes", "2222", "git@git.example", &key] {
        assert!(recorded.lines().any(|line| line == argument), "{argument}: {recorded}");
    }
}

#[test]
fn a_host_that_refuses_is_unreachable_with_its_words() {
    let scratch = Scratch::new();
    let bin = scratch.path("bin");
    fs::create_dir(&bin).unwrap();
    executable(&bin.join("ssh"), "#!/bin/sh\necho 'git@git.example: Permission denied (publickey).' >&2\nexit 255\n");
    let url = "git@git.example:acme/gitops".parse().unwrap();
    let mirror = Mirror::open(&scratch.path("mirror"), url, Access::None, environment(Some(&bin))).unwrap();
    let Err(GitError::Unreachable(words)) = mirror.fetch(&main_branch()) else { panic!("it was let in") };
    assert!(words.contains("Permission denied (publickey)"), "{words}");
}
