//! `run`: commits and pushes to a bare repository.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::program::{World, commits, contents, has_fields};
use crate::support::git_server::{GitServer, Rules};
use crate::support::repository::executable;

/// Returns text with commit ids replaced by `#`.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() >= 10 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split_inclusive([' ', '\n'])
        .map(|word| {
            if is_id(word.trim()) { word.replace(word.trim(), &"#".repeat(word.trim().len())) } else { word.to_owned() }
        })
        .collect()
}

#[test]
fn commits_the_new_tag_and_tells_so() {
    let world = World::with_web(&["1.4.0", "1.5.0", "2.0.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let ran = world.run_on(&remote, &[]).ended(0);
    assert_snapshot!(without_ids(&ran.out), @"
    image                     from   to     step   where
    127.0.0.1:50000/acme/web  1.4.0  1.5.0  minor  dev/web.yaml:9

    Commits
      ##########  dev  dev: update web to 1.5.0

    Pushed 1 commit: 1 update in 1 file.
    ");
    assert_eq!(ran.err, "");
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
    assert_eq!(remote.git(&["diff", "--name-only", "main~1", "main"]), "dev/web.yaml");
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
}

#[test]
fn keeps_a_record_in_the_trailers_of_its_commit() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    world.run_on(&remote, &[]).ended(0);
    let message = remote.git(&["log", "-1", "--format=%B", "main"]).replace(&world.registry.host(), "127.0.0.1:50000");
    let (head, key) = message.split_once("Tagboat-Key: ").unwrap();
    assert_snapshot!(head, @"
    dev: update web to 1.5.0

    - 127.0.0.1:50000/acme/web from 1.4.0 to 1.5.0

    Tagboat-Environment: dev
    Tagboat-Image: 127.0.0.1:50000/acme/web 1.4.0 -> 1.5.0
    ");
    assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
}

#[test]
fn a_second_run_makes_no_commit_and_asks_one_list() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    world.run_on(&remote, &[]).ended(0);
    let (tip, before) = (remote.tip("main"), world.registry.requests());
    let ran = world.run_on(&remote, &[]).ended(0);
    assert_eq!(remote.tip("main"), tip);
    let after = world.registry.requests();
    assert_eq!((after.tags - before.tags, after.heads, after.manifests), (1, 0, 0));
    assert_snapshot!(ran.out, @"Nothing to do: 1 reference is at the newest version its policy allows.");
}

#[test]
fn json_has_the_fields_of_a_plan() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let done = world.run_on(&remote, &["--output", "json"]).ended(0).json();
    has_fields(&done, "changes decisions proposals skipped errors");
    has_fields(&done["proposals"][0], "environment group publish branch url action reason gates");
    assert_eq!(done["proposals"][0]["action"], "committed");
    assert_eq!(done["changes"][0]["with"], "1.5.0");
}

#[test]
fn a_dry_run_writes_nothing_to_the_remote() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let before = contents(&remote.folder);
    let ran = world.run_on(&remote, &["--dry-run", "--at", "2026-11-20T10:00:00Z"]).ended(0);
    assert_snapshot!(ran.out, @"
    image                     from   to     step   where
    127.0.0.1:50000/acme/web  1.4.0  1.5.0  minor  dev/web.yaml:9

    --- a/dev/web.yaml
    +++ b/dev/web.yaml
    @@ -6,4 +6,4 @@
         spec:
           containers:
             - name: web
    -          image: 127.0.0.1:50000/acme/web:1.4.0  # ours
    +          image: 127.0.0.1:50000/acme/web:1.5.0  # ours

    1 update in 1 file.
    Run it without `--dry-run` to publish them.
    ");
    assert_eq!(contents(&remote.folder), before);
}

#[test]
fn reaches_a_repository_by_path_and_by_url() {
    for scheme in ["", "file://"] {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let remote = world.repository("acme/web:1.4.0");
        let url = format!("{scheme}{}", remote.folder.display());
        world.tagboat(&["run", "--repo", &url, "--branch", "main"]).ended(0);
        assert_eq!(commits(&remote), 2, "{url}");
    }
}

#[test]
fn reaches_a_repository_over_http_with_a_token() {
    use base64::Engine as _;
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["config", "http.receivepack", "true"]);
    let login = base64::engine::general_purpose::STANDARD.encode("x-access-token:tok-en");
    let rules = Rules { authorization: Some(format!("Basic {login}")), ..Rules::default() };
    let server = GitServer::start(&world.scratch.path(""), rules);
    let url = server.url("manifests.git");
    let arguments = ["run", "--repo", &url, "--branch", "main"];
    let refused = world.finish(world.command(&arguments).env("TAGBOAT_TOKEN", "wrong")).ended(1);
    assert!(refused.err.contains("does not accept this one") && refused.err.contains("TAGBOAT_TOKEN"), "{refused:?}");
    assert_eq!(commits(&remote), 1);
    world.finish(world.command(&arguments).env("TAGBOAT_TOKEN", "tok-en")).ended(0);
    assert_eq!(commits(&remote), 2);
}

#[test]
fn a_branch_that_does_not_exist_is_named() {
    let world = World::new();
    let remote = world.repository("acme/web:1.4.0");
    let folder = remote.folder.display().to_string();
    let ran = world.tagboat(&["run", "--repo", &folder, "--branch", "release/1"]).ended(1);
    assert_snapshot!(ran.err, @"error: the remote has no branch `release/1`: it has `main`");
    assert_eq!(ran.out, "");
    let ran = world.tagboat(&["run", "--repo", &folder, "--branch", "Main"]).ended(1);
    assert_snapshot!(ran.err, @"error: the remote has no branch `Main`: did you mean `main`?");
    for branch in ["a1", "b1", "c1", "d1", "release/11"] {
        remote.git(&["branch", branch, "main"]);
    }
    let ran = world.tagboat(&["run", "--repo", &folder, "--branch", "release/1"]).ended(1);
    assert_snapshot!(ran.err, @"error: the remote has no branch `release/1`: did you mean `release/11`?");
    let ran = world.tagboat(&["run", "--repo", &folder, "--branch", "something/else"]).ended(1);
    assert_snapshot!(ran.err, @"error: the remote has no branch `something/else`");
}

#[test]
fn a_configuration_behind_a_link_is_refused_by_every_command() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let (config, web) = (world.config(), world.deployment("acme/web:1.4.0"));
    let remote = world.scratch.bare("linked.git", &[("config/tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    let work = world.scratch.path("work");
    remote.git(&["clone", "--quiet", &remote.folder.display().to_string(), &work.display().to_string()]);
    let work = crate::support::repository::Repository { folder: work };
    std::os::unix::fs::symlink("config/tagboat.yaml", work.folder.join(".tagboat.yaml")).unwrap();
    work.commit_files(&[], "Link", 3);
    work.git(&["push", "--quiet", "origin", "main"]);
    let run = world.run_on(&remote, &[]).ended(2);
    let plan = world.tagboat(&["plan", &work.folder.display().to_string()]).ended(2);
    assert_snapshot!(run.err, @"
    error: it is a symbolic link, and no link is followed to a configuration
     |
     = note: in .tagboat.yaml
     = help: put the file itself in its place; `--config FILE` follows links
    ");
    assert_eq!(plan.err, run.err);
    let file = work.folder.join(".tagboat.yaml").display().to_string();
    world.tagboat(&["plan", &work.folder.display().to_string(), "--config", &file]).ended(0);
}

#[test]
fn a_branch_name_that_is_none_never_becomes_an_option_or_a_refspec() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let folder = remote.folder.display().to_string();
    for name in ["", "-x", "--upload-pack=false", "main:refs/heads/other", "+main", "a..b", "a\u{1b}[2J"] {
        let ran = world.tagboat(&["run", "--repo", &folder, &format!("--branch={name}")]);
        if name == "+main" {
            assert!(ran.ended(1).err.contains("no branch `+main`"));
        } else {
            let ran = ran.ended(2);
            assert!(ran.err.contains("is no branch name") && !ran.err.contains('\u{1b}'), "{ran:?}");
        }
    }
    assert_eq!(remote.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    assert_eq!(commits(&remote), 1);
}

#[test]
fn a_url_that_would_start_a_program_is_refused() {
    let world = World::new();
    let mark = world.scratch.path("mark").display().to_string();
    for url in
        [&format!("ext::touch {mark}"), &format!("ssh://-oProxyCommand=touch {mark}/x"), "", "ftp://git.invalid/x"]
    {
        let ran = world.tagboat(&["run", "--repo", url, "--branch", "main"]).ended(2);
        assert!(ran.err.starts_with("error: the repository: "), "{ran:?}");
    }
    assert!(!world.scratch.path("mark").exists());
}

#[test]
fn an_empty_repository_says_what_it_needs() {
    let world = World::new();
    let remote = world.scratch.empty("empty.git");
    let ran = world.run_on(&remote, &[]).ended(1);
    assert_snapshot!(ran.err, @"error: the repository is empty: push a first commit");
}

#[test]
fn a_repository_without_a_configuration_is_refused() {
    let world = World::new();
    let remote = world.scratch.bare("plain.git", &[("web.yaml", &world.deployment("acme/web:1.4.0"))]);
    let ran = world.run_on(&remote, &[]).ended(2);
    assert_snapshot!(ran.err, @"
    error: branch main has no .tagboat.yaml: `tagboat init` writes one
    hint: `tagboat plan` and `tagboat update` work without one
    ");
    assert_eq!(world.registry.requests(), crate::support::registry::Counts::default());
}

#[test]
fn without_a_branch_the_remote_s_own_is_taken() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let ran = world.tagboat(&["run", "--repo", &remote.folder.display().to_string()]).ended(0);
    assert!(ran.out.contains("Pushed 1 commit"), "{ran:?}");
}

#[test]
fn without_a_branch_anywhere_the_user_is_asked_for_one() {
    let world = World::new();
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["update-ref", "--no-deref", "HEAD", "refs/heads/main"]);
    let ran = world.tagboat(&["run", "--repo", &remote.folder.display().to_string()]).ended(2);
    assert_snapshot!(ran.err, @"error: no branch is named, and the remote has no default branch: say which one with --branch");
}

#[test]
fn a_configuration_file_can_stand_in_for_the_branch_s() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let remote = world.scratch.bare("plain.git", &[("dev/web.yaml", &web)]);
    let config = world.beside("other.yaml", &world.config());
    world.run_on(&remote, &["--config", &config]).ended(0);
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
}

#[test]
fn a_hook_that_refuses_the_push_is_an_error_with_its_words() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.hook("pre-receive", "#!/bin/sh\necho 'changes need a review' >&2\nexit 1\n");
    let tip = remote.tip("main");
    let ran = world.run_on(&remote, &["--output", "json"]).ended(3);
    assert_eq!(remote.tip("main"), tip);
    let done = ran.json();
    assert_eq!(done["changes"], serde_json::json!([]));
    assert_eq!(done["proposals"][0]["action"], "failed");
    has_fields(&done["errors"][0], "what reason");
    assert_eq!(done["errors"][0]["what"], "branch main");
    assert!(done["errors"][0]["reason"].as_str().unwrap().contains("refuses the push"), "{done}");
    let text = world.run_on(&remote, &[]).ended(3);
    assert_snapshot!(text.out, @"
    Failed
      dev: 127.0.0.1:50000/acme/web 1.4.0 → 1.5.0: not published
      branch main: the remote refuses the push: pre-receive hook declined; changes
        need a review

    Nothing was published (1 failed).
    ");
}

#[test]
fn nothing_of_the_user_s_git_changes_a_run() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let (home, hooks) = (world.scratch.path("home"), world.scratch.path("hooks"));
    [&home, &hooks].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    executable(&hooks.join("pre-push"), "#!/bin/sh\nexit 1\n");
    let settings = format!(
        "[core]\nhooksPath = {}\n[commit]\ngpgSign = true\n[push]\nfollowTags = true\ngpgSign = true\n[url \"/nowhere/\"]\ninsteadOf = /\n",
        hooks.display()
    );
    std::fs::write(home.join(".gitconfig"), settings).unwrap();
    let folder = remote.folder.display().to_string();
    let mut command = world.command(&["run", "--repo", &folder, "--branch", "main"]);
    for (name, value) in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_WORK_TREE", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_CONFIG_PARAMETERS", "'core.bare=false'"),
        ("GIT_TRACE", "1"),
        ("LANG", "de_DE.UTF-8"),
    ] {
        command.env(name, value);
    }
    let ran = world.finish(&mut command).ended(0);
    assert_eq!(ran.err, "");
    assert_eq!(commits(&remote), 2);
}

#[test]
fn without_the_git_program_it_says_what_to_install() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    let folder = remote.folder.display().to_string();
    let mut command = world.command(&["run", "--repo", &folder, "--branch", "main"]);
    let ran = world.finish(command.env("PATH", world.tree())).ended(1);
    assert_snapshot!(ran.err, @"error: the `git` program is not on the PATH: install git");
    let mut command = world.command(&["run", "--repo", &folder, "--branch", "main"]);
    let ran = world.finish(command.env_remove("HOME").env_remove("XDG_CACHE_HOME")).ended(1);
    assert_snapshot!(ran.err, @"error: there is no folder for the mirror: set HOME, XDG_CACHE_HOME or TAGBOAT_CACHE");
}

/// Returns the locks of a fetch that lie in the one mirror of the cache.
fn locks(world: &World) -> Vec<std::path::PathBuf> {
    let cache = world.scratch.path("cache");
    let found = if cache.exists() { contents(&cache) } else { Vec::new() };
    let paths = found.into_iter().map(|(path, _)| path);
    paths.filter(|path| path.ends_with("shallow.lock") || path.ends_with("tagboat/main.lock")).collect()
}

#[test]
fn whoever_is_killed_while_it_fetches_holds_up_nobody_after_it() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let remote = world.repository("acme/web:1.4.0");
    remote.git(&["config", "http.receivepack", "true"]);
    let server = GitServer::start(&world.scratch.path(""), Rules { stalls: true, ..Rules::default() });
    let url = server.url("manifests.git");
    let arguments = ["run", "--repo", &url, "--branch", "main", "--forge", "plain"];
    #[expect(clippy::disallowed_methods, reason = "it is killed while it runs")]
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tagboat"));
    command.args(arguments).env_clear().envs(world.variables());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while locks(&world).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = locks(&world);
    assert_eq!(left.len(), 1, "it leaves nothing behind");
    server.set(Rules::default());
    world.tagboat(&arguments).ended(0);
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
    assert!(locks(&world).is_empty());

    // As when it is killed while it notes where the branch stands.
    world.push("acme/web", "1.6.0");
    remote.land("main", &[("README", "by hand\n")], "by hand", 2);
    std::fs::write(left[0].with_file_name("refs/tagboat/main.lock"), "").unwrap();
    world.tagboat(&arguments).ended(0);
    assert_eq!(remote.show("main", "dev/web.yaml"), world.deployment("acme/web:1.6.0").into_bytes());
    assert!(locks(&world).is_empty());
}
