//! Fetching, committing and pushing with a repository on this machine.

use std::fs;

use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::{EntryKind, GitError, Pushed, Remote as _};
use tagboat::model::commit::CommitId;
use tagboat::model::file::RepoPath;

use crate::git::{MESSAGE, edit, land, main_branch, mirror_of, now, plan};
use crate::support::repository::{Scratch, environment, executable};

#[test]
fn a_commit_changes_exactly_its_files_and_keeps_their_modes() {
    let scratch = Scratch::new();
    let remote = scratch.empty("acme ü.git");
    let work = scratch.work("work", &[("envs/dev/web.yaml", "tag: 1.4.0\r\n# end"), ("other", "x\n")]);
    executable(&work.folder.join("run me.sh"), "#!/bin/sh\ntag=1.4.0\n");
    work.commit_files(&[], "Add a script", 2);
    work.git(&["push", "--quiet", &remote.folder.display().to_string(), "main"]);
    let before = work.git(&["rev-parse", "HEAD"]);

    let mirror = mirror_of(&scratch, "mirror ü", &remote);
    let base = mirror.fetch(&main_branch()).unwrap();
    assert_eq!(base.as_str(), before);
    let edits = [
        edit("envs/dev/web.yaml", "tag: 1.4.0\r\n# end", "tag: 1.5.0\r\n# end"),
        edit("run me.sh", "#!/bin/sh\ntag=1.4.0\n", "#!/bin/sh\ntag=1.5.0\n"),
    ];
    let commit = mirror.commit(&base, &edits, &plan(), now()).unwrap();
    assert_eq!(mirror.commit(&base, &edits, &plan(), now()).unwrap(), commit, "the same plan is the same commit");
    assert_eq!(mirror.push(&main_branch(), &base, &commit).unwrap(), Pushed::Done);
    assert_eq!(mirror.push(&main_branch(), &base, &commit).unwrap(), Pushed::Done, "a lost answer does no harm");

    assert_eq!(remote.tip("main"), commit.as_str());
    assert_eq!(remote.git(&["rev-parse", "main^"]), before);
    assert_eq!(remote.show("main", "envs/dev/web.yaml"), b"tag: 1.5.0\r\n# end");
    assert_eq!(remote.git(&["diff", "--name-only", "main^", "main"]), "envs/dev/web.yaml\nrun me.sh");
    assert!(remote.git(&["ls-tree", "main", "run me.sh"]).starts_with("100755 blob"));
    assert!(remote.git(&["ls-tree", "main", "other"]).starts_with("100644 blob"));
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
    assert_eq!(
        remote.git(&["log", "-1", "--format=%an <%ae> %at %cn <%ce> %ct", "main"]),
        "Tagböat <bot@acme.example> 1795168800 Tagböat <bot@acme.example> 1795168800"
    );
    assert_eq!(remote.git(&["log", "-1", "--format=%B", "main"]), MESSAGE.trim_end());
    assert_eq!(
        remote.git(&["log", "-1", "--format=%(trailers:only,unfold)", "main"]).trim_end(),
        "Tagboat-Environment: dev\nTagboat-Image: ghcr.io/acme/web 1.4.0 -> 1.5.0\nTagboat-Key: 0123abcd"
    );
    fs::write(remote.folder.join("message"), MESSAGE).unwrap();
    assert_eq!(remote.git(&["interpret-trailers", "--parse", "message"]).lines().count(), 3);
}

#[test]
fn a_mirror_of_many_fetches_is_put_in_order_and_loses_nothing() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("web.yaml", "tag: 1.4.0\n")]);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    let base = mirror.fetch(&main_branch()).unwrap();
    let pending = mirror.commit(&base, &[edit("web.yaml", "tag: 1.4.0\n", "tag: 1.5.0\n")], &plan(), now()).unwrap();
    let folder = mirror.folder().join("objects/pack");
    let packs = || {
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "pack")).collect::<Vec<_>>()
    };
    let first = packs().remove(0);
    for number in 0..60 {
        for end in ["pack", "idx"] {
            fs::copy(first.with_extension(end), folder.join(format!("pack-{number:040x}.{end}"))).unwrap();
        }
    }

    let later = mirror_of(&scratch, "mirror", &remote);
    // One of what a branch holds, and one of what nothing leads to yet.
    assert!(packs().len() <= 2, "{:?}", packs());
    // What somebody is about to push is there, for whoever opened the mirror before and for whoever did after.
    assert_eq!(mirror.entries(&pending).map(|entries| entries.len()), Ok(1));
    assert_eq!(later.entries(&pending).map(|entries| entries.len()), Ok(1));
    assert_eq!(mirror.push(&main_branch(), &base, &pending).unwrap(), Pushed::Done);
    assert_eq!(later.fetch(&main_branch()).unwrap(), pending);
    assert_eq!(remote.show("main", "web.yaml"), b"tag: 1.5.0\n");
}

#[test]
fn a_commit_of_hundreds_of_files_is_whole() {
    let scratch = Scratch::new();
    let names: Vec<String> = (0..300).map(|index| format!("envs/{}/app{index}.yaml", index % 7)).collect();
    let long = "x: y\n".repeat(2000);
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let remote = scratch.bare("acme.git", &files);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    let base = mirror.fetch(&main_branch()).unwrap();
    let edits: Vec<_> = names.iter().map(|name| edit(name, &long, &format!("{long}# {name}\n"))).collect();
    let commit = mirror.commit(&base, &edits, &plan(), now()).unwrap();
    assert_eq!(mirror.commit(&base, &edits, &plan(), now()).unwrap(), commit, "once more changes nothing");
    assert_eq!(mirror.entries(&commit).map(|entries| entries.len()), Ok(300));
    assert_eq!(mirror.push(&main_branch(), &base, &commit).unwrap(), Pushed::Done);
    assert_eq!(remote.git(&["diff", "--shortstat", "main^", "main"]).trim(), "300 files changed, 300 insertions(+)");
    assert_eq!(remote.show("main", &names[299]), format!("{long}# {}\n", names[299]).into_bytes());
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
    let left: Vec<_> = fs::read_dir(mirror.folder().join("objects/pack")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(
        left.iter().all(|path| path.extension().is_some_and(|end| end == "pack" || end == "idx" || end == "rev")),
        "{left:?}"
    );
}

#[test]
fn a_stale_push_is_moved_and_loses_nothing() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n"), ("b.yaml", "1\n")]);
    let (one, two) = (mirror_of(&scratch, "one", &remote), mirror_of(&scratch, "two", &remote));
    let base = one.fetch(&main_branch()).unwrap();
    let first = one.commit(&base, &[edit("a.yaml", "1\n", "2\n")], &plan(), now()).unwrap();
    assert_eq!(two.fetch(&main_branch()).unwrap(), base);
    let second = two.commit(&base, &[edit("b.yaml", "1\n", "2\n")], &plan(), now()).unwrap();

    assert_eq!(one.push(&main_branch(), &base, &first).unwrap(), Pushed::Done);
    assert_eq!(two.push(&main_branch(), &base, &second).unwrap(), Pushed::Moved);
    assert_eq!(remote.tip("main"), first.as_str());

    let (landed, pushed) = land(&two, "b.yaml", "1\n", "3\n");
    assert_eq!(pushed, Pushed::Done);
    assert_eq!(remote.git(&["rev-parse", "main", "main^"]), format!("{landed}\n{first}"));
    assert_eq!((remote.show("main", "a.yaml"), remote.show("main", "b.yaml")), (b"2\n".to_vec(), b"3\n".to_vec()));
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
}

#[test]
fn racing_pushers_all_land_after_fetching_again() {
    const PUSHERS: usize = 4;
    let scratch = Scratch::new();
    let names: Vec<String> = (0..PUSHERS).map(|index| format!("{index}.yaml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "old\n")).collect();
    let remote = scratch.bare("acme.git", &files);
    // Two share a folder: their locks must hold between threads as between processes.
    let mirrors: Vec<_> = (0..PUSHERS).map(|index| mirror_of(&scratch, &format!("m{}", index / 2), &remote)).collect();
    std::thread::scope(|scope| {
        for (mirror, name) in mirrors.iter().zip(&names) {
            scope.spawn(move || {
                let landed = (0..PUSHERS * 2).any(|_| land(mirror, name, "old\n", "new\n").1 == Pushed::Done);
                assert!(landed, "each refusal means that another one landed");
            });
        }
    });
    assert_eq!(remote.git(&["rev-list", "--count", "--first-parent", "main"]), (PUSHERS + 1).to_string());
    for name in &names {
        assert_eq!(remote.show("main", name), b"new\n");
    }
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
}

#[test]
fn a_hook_that_refuses_is_forbidden_with_its_printable_words() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    remote.hook("pre-receive", "#!/bin/sh\nprintf 'only \\033[31mreviewed\\033[0m changes\\007\\n' >&2\nexit 1\n");
    let before = remote.tip("main");
    let (_, pushed) = land(&mirror_of(&scratch, "mirror", &remote), "a.yaml", "1\n", "2\n");
    let Pushed::Forbidden(words) = pushed else { panic!("{pushed:?}") };
    assert!(words.contains("reviewed") && words.contains("hook declined"), "{words}");
    assert!(!words.chars().any(char::is_control), "{words:?}");
    assert_eq!(remote.tip("main"), before);
}

#[test]
fn a_refusal_after_a_lost_race_is_moved() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let other = scratch.work("other", &[("a.yaml", "9\n")]);
    let moved = other.tip("main");
    other.git(&["push", "--quiet", &remote.folder.display().to_string(), "main:elsewhere"]);
    // While this push is under way, somebody else moves the branch; then the hook refuses.
    let script = "#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main refs/heads/elsewhere\nexit 1\n";
    remote.hook("pre-receive", script);
    let (_, pushed) = land(&mirror_of(&scratch, "mirror", &remote), "a.yaml", "1\n", "2\n");
    assert_eq!(pushed, Pushed::Moved);
    assert_eq!(remote.tip("main"), moved);
}

#[test]
fn a_missing_branch_and_an_empty_repository_are_told_apart() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    assert_eq!(
        mirror.fetch(&"master".into()),
        Err(GitError::NoBranch { branch: "master".into(), there: vec![main_branch()] })
    );
    assert!(mirror.fetch(&main_branch()).is_ok(), "the mirror stays usable");
    assert!(matches!(mirror.fetch(&"--upload-pack=id".into()), Err(GitError::Broken(_))));
    assert!(matches!(mirror.fetch(&"a:b".into()), Err(GitError::Broken(_))));

    let empty = scratch.empty("empty.git");
    assert_eq!(mirror_of(&scratch, "mirror2", &empty).fetch(&main_branch()), Err(GitError::EmptyRepository));

    let gone = scratch.empty("gone.git");
    let mirror = mirror_of(&scratch, "mirror3", &gone);
    fs::remove_dir_all(&gone.folder).unwrap();
    assert!(matches!(mirror.fetch(&main_branch()), Err(GitError::Unreachable(_))));
}

#[test]
fn a_broken_or_deleted_mirror_is_made_anew() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let folder = scratch.path("mirror");
    let tip = remote.tip("main");
    let whole = |mirror: &Mirror| {
        let fetched = mirror.fetch(&main_branch()).unwrap();
        assert_eq!(fetched.as_str(), tip);
        mirror.entries(&fetched).map(|entries| entries.len())
    };

    let mirror = mirror_of(&scratch, "mirror", &remote);
    assert_eq!(whole(&mirror), Ok(1));
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(whole(&mirror), Ok(1), "deleted while it was open");

    drop(mirror);
    fs::write(folder.join("HEAD"), "nonsense").unwrap();
    assert_eq!(whole(&mirror_of(&scratch, "mirror", &remote)), Ok(1), "a broken head");

    fs::write(folder.join("HEAD"), "").unwrap();
    drop(mirror_of(&scratch, "mirror", &remote));
    assert_ne!(fs::read_to_string(folder.join("HEAD")).unwrap(), "", "an empty head, which stops the git program");

    fs::write(folder.join("config"), "[core\n").unwrap();
    assert_eq!(whole(&mirror_of(&scratch, "mirror", &remote)), Ok(1), "a broken configuration");

    fs::remove_dir_all(folder.join("objects/pack")).unwrap();
    fs::create_dir(folder.join("objects/pack")).unwrap();
    assert_eq!(whole(&mirror_of(&scratch, "mirror", &remote)), Ok(1), "lost objects");
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let open = |name: &str| {
        let url = tagboat::git::url::RemoteUrl::from_path(&remote.folder);
        Mirror::open(&scratch.path(name), url, Access::None, environment(None)).map(drop)
    };
    fs::create_dir(scratch.path("home")).unwrap();
    fs::write(scratch.path("home/thesis.txt"), "years of work").unwrap();
    let Err(GitError::Broken(words)) = open("home") else { panic!("it was taken") };
    assert!(words.contains("thesis.txt"), "{words}");
    assert!(matches!(open("home/thesis.txt"), Err(GitError::Broken(_))));
    assert_eq!(fs::read_to_string(scratch.path("home/thesis.txt")).unwrap(), "years of work");
}

#[test]
fn a_mirror_that_turns_out_incomplete_heals_with_the_next_fetch() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n"), ("d/b.yaml", "1\n")]);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    let tip = mirror.fetch(&main_branch()).unwrap();
    // The commit stays, its trees and blobs go.
    let packs = scratch.path("mirror").join("objects/pack");
    fs::remove_dir_all(&packs).unwrap();
    fs::create_dir(&packs).unwrap();
    let loose = scratch.path("mirror").join("objects").join(&tip.as_str()[..2]);
    fs::create_dir_all(&loose).unwrap();
    fs::copy(
        scratch.path("acme.git").join("objects").join(&tip.as_str()[..2]).join(&tip.as_str()[2..]),
        loose.join(&tip.as_str()[2..]),
    )
    .unwrap();
    let mirror = mirror_of(&scratch, "mirror", &remote);
    assert_eq!(mirror.fetch(&main_branch()).unwrap(), tip);
    assert!(matches!(mirror.entries(&tip), Err(GitError::Broken(_))));
    assert_eq!(mirror.fetch(&main_branch()).unwrap(), tip);
    assert_eq!(mirror.entries(&tip).map(|entries| entries.len()), Ok(2));
}

#[test]
fn entries_are_sorted_and_name_links_submodules_and_odd_paths() {
    let scratch = Scratch::new();
    let remote = scratch.empty("acme.git");
    let inner = scratch.work("inner", &[("x", "x\n")]);
    let work = scratch.work("work", &[("b/ü web.yaml", "1\n"), ("b.yaml", "1\n"), ("a", "1\n")]);
    std::os::unix::fs::symlink("../a", work.folder.join("b/link")).unwrap();
    work.git(&["submodule", "--quiet", "add", &inner.folder.display().to_string(), "sub"]);
    fs::write(work.folder.join("new\nline"), "x").unwrap();
    fs::write(work.folder.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"latin-\xfc")), "x")
        .unwrap();
    work.commit_files(&[], "Add the odd ones", 2);
    work.git(&["push", "--quiet", &remote.folder.display().to_string(), "main"]);

    let mirror = mirror_of(&scratch, "mirror", &remote);
    let tip = mirror.fetch(&main_branch()).unwrap();
    let entries = mirror.entries(&tip).unwrap();
    let rows: Vec<(Result<&str, &str>, EntryKind)> = entries
        .iter()
        .map(|entry| (entry.path.as_ref().map(RepoPath::as_str).map_err(String::as_str), entry.kind))
        .collect();
    assert_eq!(
        rows,
        [
            (Ok(".gitmodules"), EntryKind::File),
            (Ok("a"), EntryKind::File),
            (Ok("b.yaml"), EntryKind::File),
            (Ok("b/link"), EntryKind::Link),
            (Ok("b/ü web.yaml"), EntryKind::File),
            (Err("latin-\\\\xfc"), EntryKind::File),
            (Err("new\\nline"), EntryKind::File),
            (Ok("sub"), EntryKind::Submodule),
        ]
    );
    assert_eq!(entries[1].blob, entries[2].blob, "equal contents have equal ids");
    assert_eq!(mirror.read(&entries[1].blob, 2).unwrap(), b"1\n");
    assert!(matches!(mirror.read(&entries[1].blob, 1), Err(GitError::TooLarge { size: 2, limit: 1, .. })));
    assert_eq!(mirror.read(&entries[3].blob, 100).unwrap(), b"../a");

    for (file, before) in
        [("b/link", "../a"), ("sub", ""), ("b", ""), ("missing", "gone"), ("a/x", ""), ("a", "stale\n")]
    {
        let refused = mirror.commit(&tip, &[edit(file, before, "new")], &plan(), now());
        assert!(matches!(refused, Err(GitError::Broken(_))), "{file}: {refused:?}");
    }
}

#[test]
fn fetching_takes_one_commit_and_follows_rewritten_branches() {
    let scratch = Scratch::new();
    let remote = scratch.empty("acme.git");
    let target = remote.folder.display().to_string();
    let work = scratch.work("work", &[("a.yaml", "1\n")]);
    for day in 2..6 {
        work.commit_files(&[("a.yaml", &format!("{day}\n"))], "Change", day);
    }
    work.git(&["push", "--quiet", &target, "main", "main:a"]);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    assert_eq!(mirror.fetch(&main_branch()).unwrap().as_str(), work.tip("main"));
    assert_eq!(mirror.fetch(&"a".into()).unwrap().as_str(), work.tip("main"));
    assert_eq!(fs::read_to_string(mirror.folder().join("shallow")).unwrap().lines().count(), 1);

    work.git(&["reset", "--quiet", "--hard", "HEAD~2"]);
    let rewritten = work.commit_files(&[("a.yaml", "other\n")], "Rewrite", 9);
    work.git(&["push", "--quiet", "--force", &target, "main", ":a"]);
    work.git(&["push", "--quiet", &target, "main:a/b"]);
    assert_eq!(mirror.fetch(&main_branch()).unwrap().as_str(), rewritten);
    assert_eq!(mirror.fetch(&"a/b".into()).unwrap().as_str(), rewritten, "a branch where a folder of branches was");
    assert_eq!(
        mirror.fetch(&"a".into()),
        Err(GitError::NoBranch { branch: "a".into(), there: vec!["a/b".into(), main_branch()] })
    );
}

#[test]
fn of_several_branches_each_tells_its_own_fault_and_keeps_its_own_depth() {
    let scratch = Scratch::new();
    let remote = scratch.empty("acme.git");
    let target = remote.folder.display().to_string();
    let work = scratch.work("work", &[("a.yaml", "1\n")]);
    for day in 2..6 {
        work.commit_files(&[("a.yaml", &format!("{day}\n"))], "Change", day);
    }
    work.git(&["push", "--quiet", &target, "main", "main~1:refs/heads/env/staging"]);
    let mirror = mirror_of(&scratch, "mirror", &remote);
    let tip = mirror.fetch(&main_branch()).unwrap();
    assert_eq!(mirror.history(&main_branch(), &tip, 3, &|_| true).unwrap().steps.len(), 3);
    let fetched = mirror.fetch_all(&[main_branch(), "env/staging".into(), "absent".into()]);
    assert_eq!(fetched[0].as_ref().unwrap().as_str(), remote.tip("main"));
    assert_eq!(fetched[1].as_ref().unwrap().as_str(), remote.tip("env/staging"));
    assert!(
        matches!(&fetched[2], Err(GitError::NoBranch { branch, .. }) if branch.as_str() == "absent"),
        "{fetched:?}"
    );
    let fetched = mirror.fetch_all(&[main_branch(), "env/staging".into()]);
    assert!(fetched.iter().all(Result::is_ok), "{fetched:?}");
    assert_eq!(mirror.history(&main_branch(), &tip, 3, &|_| true).unwrap().steps.len(), 3, "no line was cut");
}

#[test]
fn reads_from_many_threads_and_from_a_shallow_remote() {
    let scratch = Scratch::new();
    let work = scratch.work("work", &[("a.yaml", "1\n"), ("b.yaml", "2\n")]);
    work.commit_files(&[("c.yaml", "3\n")], "Add", 2);
    let shallow = scratch.path("shallow");
    let source = format!("file://{}", work.folder.display());
    work.git(&["clone", "--quiet", "--bare", "--depth=1", &source, &shallow.display().to_string()]);
    let url = format!("file://{}", shallow.display()).parse().unwrap();
    let mirror = Mirror::open(&scratch.path("mirror"), url, Access::None, environment(None)).unwrap();
    let tip = mirror.fetch(&main_branch()).unwrap();
    let entries = mirror.entries(&tip).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for entry in &entries {
                    assert_eq!(mirror.read(&entry.blob, 10).unwrap().len(), 2);
                }
            });
        }
    });
}

#[test]
fn an_old_or_missing_program_is_named() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let folder = scratch.path("bin");
    fs::create_dir(&folder).unwrap();
    let fetch = |path: std::ffi::OsString| {
        let mut environment = environment(None);
        environment.path = path;
        let url = remote.folder.display().to_string().parse().unwrap();
        Mirror::open(&scratch.path("mirror"), url, Access::None, environment).unwrap().fetch(&main_branch())
    };
    let Err(GitError::Broken(missing)) = fetch(folder.clone().into()) else { panic!("it was found") };
    assert!(missing.contains("install git"), "{missing}");
    executable(&folder.join("git"), "#!/bin/sh\necho git version 2.17.1\n");
    let Err(GitError::Broken(old)) = fetch(folder.into()) else { panic!("it was accepted") };
    assert!(old.contains("2.17.1") && old.contains("2.32"), "{old}");
}

#[test]
fn a_head_that_was_merged_and_reverted_brings_nothing_any_more() {
    let scratch = Scratch::new();
    let remote = scratch.empty("acme.git");
    let work = scratch.work("work", &[("web.yaml", "tag: 1.4.0\n")]);
    let push = |branch: &str| work.git(&["push", "--quiet", &remote.folder.display().to_string(), branch]);
    push("main");
    work.git(&["switch", "--quiet", "-c", "tagboat/dev/web"]);
    let tip = CommitId(work.commit_files(&[("web.yaml", "tag: 1.5.0\n")], "dev: update web to 1.5.0", 2).into());
    push("tagboat/dev/web");
    let mirror = mirror_of(&scratch, "mirror", &remote);
    let head = || {
        let base = mirror.fetch(&main_branch()).unwrap();
        let head = mirror.head(&"tagboat/dev/web".into(), &tip, (&main_branch(), &base)).unwrap();
        (head.on_base, head.is_empty)
    };
    assert_eq!(head(), (true, false));
    work.git(&["switch", "--quiet", "main"]);
    work.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", "tagboat/dev/web"]);
    work.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
    push("main");
    // A forge opens no pull request for it, so it must be made anew.
    assert_eq!(head(), (false, true));
}
