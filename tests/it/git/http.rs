//! The mirror over HTTP, with `git http-backend` behind a required header.

use std::fs;

use base64::Engine as _;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::{GitError, Pushed, Remote as _};

use crate::git::{any_file_holds, edit, land, main_branch, now, plan};
use crate::support::git_server::{GitServer, Rules};
use crate::support::repository::{Scratch, environment, executable, search_path};

const TOKEN: &str = "s3cret-t0ken";

fn encoded() -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"))
}

fn guarded() -> Rules {
    Rules { authorization: Some(format!("Basic {}", encoded())), ..Rules::default() }
}

fn open(scratch: &Scratch, url: &str, access: Access) -> Mirror {
    Mirror::open(&scratch.path("mirror"), url.parse().unwrap(), access, environment(None)).unwrap()
}

#[test]
fn fetches_and_pushes_with_a_token_that_stands_nowhere() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n"), ("d/b.yaml", "1\n")]);
    remote.git(&["config", "http.receivepack", "true"]);
    let server = GitServer::start(scratch.path("").as_path(), guarded());
    // A `git` found first that writes down what it was started with, and then is the real one.
    let bin = scratch.path("bin");
    fs::create_dir(&bin).unwrap();
    let record = scratch.path("record");
    let real = std::env::split_paths(&search_path()).map(|folder| folder.join("git")).find(|git| git.is_file());
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{record}'\nenv | sed 's/=.*//' >> '{record}'\nexec '{real}' \"$@\"\n",
        record = record.display(),
        real = real.unwrap().display()
    );
    executable(&bin.join("git"), &script);
    let url = server.url("acme.git").parse().unwrap();
    let mirror =
        Mirror::open(&scratch.path("mirror"), url, Access::Token(TOKEN.into()), environment(Some(&bin))).unwrap();
    let (commit, pushed) = land(&mirror, "d/b.yaml", "1\n", "2\n");
    assert_eq!(pushed, Pushed::Done);
    assert_eq!(remote.tip("main"), commit.as_str());
    assert_eq!(remote.show("main", "d/b.yaml"), b"2\n");
    assert_eq!(remote.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");

    let recorded = fs::read_to_string(&record).unwrap();
    assert!(recorded.contains("--force-with-lease=refs/heads/main:"), "{recorded}");
    assert!(recorded.contains("GIT_CONFIG_VALUE_0"), "{recorded}");
    assert!(!recorded.lines().any(|line| line.starts_with("CARGO")), "the environment was not handed on: {recorded}");
    for secret in [TOKEN, &encoded()] {
        assert!(!any_file_holds(&scratch.path("mirror"), secret));
        assert!(!recorded.contains(secret));
        assert!(!server.requests().iter().any(|request| request.contains(secret)));
    }
}

#[test]
fn fetching_nothing_new_costs_one_listing() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    remote.git(&["config", "http.receivepack", "true"]);
    let server = GitServer::start(scratch.path("").as_path(), guarded());
    let mirror = open(&scratch, &server.url("acme.git"), Access::Token(TOKEN.into()));
    let first = mirror.fetch(&main_branch()).unwrap();
    server.requests();
    let listing = ["GET /acme.git/info/refs?service=git-upload-pack", "POST /acme.git/git-upload-pack"];
    assert_eq!(mirror.fetch(&main_branch()).unwrap(), first);
    assert_eq!(server.requests(), listing);

    remote.git(&["branch", "second", "main"]);
    assert_eq!(mirror.fetch(&"second".into()).unwrap(), first, "the same commit by another name");
    let (pushed, _) = land(&mirror, "a.yaml", "1\n", "2\n");
    server.requests();
    assert_eq!(mirror.fetch(&main_branch()).unwrap(), pushed);
    assert_eq!(server.requests(), listing, "what was pushed from here is here");
    let reopened = open(&scratch, &server.url("acme.git"), Access::Token(TOKEN.into()));
    server.requests();
    assert_eq!(reopened.fetch(&main_branch()).unwrap(), pushed);
    assert_eq!(server.requests(), listing, "another process finds it, too");
}

#[test]
fn several_branches_come_by_one_listing_and_one_request() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    let work = scratch.work("other", &[("a.yaml", "2\n")]);
    work.git(&["push", "--quiet", &remote.folder.display().to_string(), "main:env/staging"]);
    let server = GitServer::start(scratch.path("").as_path(), guarded());
    let mirror = open(&scratch, &server.url("acme.git"), Access::Token(TOKEN.into()));
    let names = [main_branch(), "env/staging".into()];
    let tips = || mirror.fetch_all(&names).into_iter().map(|tip| tip.unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(tips(), [remote.tip("main"), remote.tip("env/staging")]);
    let (listing, posted) = ("GET /acme.git/info/refs?service=git-upload-pack", "POST /acme.git/git-upload-pack");
    assert_eq!(server.requests(), [listing, posted, posted]);
    assert_eq!(tips(), [remote.tip("main"), remote.tip("env/staging")]);
    assert_eq!(server.requests(), [listing, posted], "nothing is new");
    assert_eq!(mirror.entries(&mirror.fetch(&"env/staging".into()).unwrap()).unwrap().len(), 1);
}

#[test]
fn a_wrong_or_missing_token_is_denied_without_being_shown() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    remote.git(&["config", "http.receivepack", "true"]);
    let server = GitServer::start(scratch.path("").as_path(), guarded());
    for access in [Access::None, Access::Token("wr0ng".into()), Access::Bearer(TOKEN.into())] {
        let denied = open(&scratch, &server.url("acme.git"), access).fetch(&main_branch()).unwrap_err();
        assert!(matches!(denied, GitError::Denied(_)), "{denied:?}");
        assert!(!format!("{denied:?}").contains("wr0ng") && !format!("{denied:?}").contains(TOKEN));
    }

    let mirror = open(&scratch, &server.url("acme.git"), Access::Token(TOKEN.into()));
    let base = mirror.fetch(&main_branch()).unwrap();
    let commit = mirror.commit(&base, &[edit("a.yaml", "1\n", "2\n")], &plan(), now()).unwrap();
    for rules in [
        Rules { read_only: true, ..guarded() },
        Rules { authorization: Some("Basic bmV3Om9uZQ==".to_owned()), ..Rules::default() },
    ] {
        server.set(rules);
        let denied = mirror.push(&main_branch(), &base, &commit).unwrap_err();
        assert!(matches!(denied, GitError::Denied(_)), "{denied:?}");
        assert!(!format!("{denied:?}").contains(TOKEN) && !format!("{denied:?}").contains(&encoded()));
    }
    assert_eq!(remote.tip("main"), base.as_str());
}

#[test]
fn faults_of_the_server_are_told_apart_by_status() {
    let scratch = Scratch::new();
    scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    scratch.empty("empty.git");
    let server = GitServer::start(scratch.path("").as_path(), Rules::default());
    let fetch = |name: &str| open(&scratch, &server.url(name), Access::None).fetch(&main_branch());
    assert_eq!(fetch("empty.git"), Err(GitError::EmptyRepository));
    assert!(matches!(fetch("missing.git"), Err(GitError::Denied(_))), "{:?}", fetch("missing.git"));
    let mirror = open(&scratch, &server.url("acme.git"), Access::None);
    assert_eq!(
        mirror.fetch(&"master".into()),
        Err(GitError::NoBranch { branch: "master".into(), there: vec![main_branch()] })
    );
    for (status, is_denied) in [(403, true), (404, true), (429, false), (500, false), (502, false), (503, false)] {
        server.set(Rules { fault: Some(status), ..Rules::default() });
        let failed = mirror.fetch(&main_branch()).unwrap_err();
        assert_eq!(matches!(failed, GitError::Denied(_)), is_denied, "{status}: {failed:?}");
        assert_eq!(matches!(failed, GitError::Unreachable(_)), !is_denied, "{status}: {failed:?}");
        assert!(failed.to_string().contains(&status.to_string()), "{failed}");
    }
    server.set(Rules { fault: Some(200), ..Rules::default() });
    let page = mirror.fetch(&main_branch()).unwrap_err();
    assert!(matches!(page, GitError::Denied(_)), "a page for people: {page:?}");
    server.set(Rules::default());
    assert!(mirror.fetch(&main_branch()).is_ok(), "the mirror stays usable");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = open(&scratch, &format!("http://{closed}/acme.git"), Access::None).fetch(&main_branch());
    let Err(GitError::Unreachable(said)) = unreachable else { panic!("{unreachable:?}") };
    assert!(said.starts_with("no connection to 127.0.0.1: ") && said.contains("HTTPS_PROXY"), "{said}");
}

#[test]
fn a_redirect_to_the_name_with_suffix_works_with_a_token() {
    let scratch = Scratch::new();
    let remote = scratch.bare("acme.git", &[("a.yaml", "1\n")]);
    remote.git(&["config", "http.receivepack", "true"]);
    let server = GitServer::start(scratch.path("").as_path(), Rules { suffix: true, ..guarded() });
    let mirror = open(&scratch, &server.url("acme"), Access::Token(TOKEN.into()));
    let (commit, pushed) = land(&mirror, "a.yaml", "1\n", "2\n");
    assert_eq!((pushed, remote.tip("main").as_str()), (Pushed::Done, commit.as_str()));
}
