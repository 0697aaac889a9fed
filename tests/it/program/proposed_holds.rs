//! Holds where the base takes no direct push: a pull request proposes them, and counts as long as it is open.

use std::sync::Arc;

use crate::git::signing::ssh_key;
use crate::program::{Ran, World};
use crate::support::forge::{Deed, Fault, Stands, Store, gitea, github, gitlab, serve};
use crate::support::git_server::{GitServer, Rules};
use crate::support::repository::Repository;

const PROTECTED: &str =
    "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo 'changes must be made through a pull request'; exit 1; }\n";
const HEAD: &str = "tagboat/@holds";

/// Takes the line ends out of wrapped text.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A program, a repository whose base is protected, and its forge where it has one.
struct Scene {
    world: World,
    remote: Repository,
    forge: Option<(GitServer, Arc<Store>, &'static str, [String; 2])>,
    url: String,
}

impl Scene {
    fn new(forge: Option<&'static str>) -> Self {
        let world = World::with_web(&["1.4.0", "1.4.1", "1.5.0"]);
        let config = world.config().replace("publish: commit", "publish: pullRequest");
        let web = world.deployment("acme/web:1.4.0");
        let path = if forge == Some("gitlab") { "acme/platform/gitops.git" } else { "acme/gitops.git" };
        let remote = world.scratch.bare(path, &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
        remote.git(&["config", "http.receivepack", "true"]);
        remote.hook("update", PROTECTED);
        let Some(name) = forge else {
            let url = remote.folder.display().to_string();
            return Self { world, remote, forge: None, url };
        };
        let server = GitServer::start(&world.scratch.path(""), Rules::default());
        let url = server.url(path);
        let store = Store::over(remote.folder.clone());
        let (router, base, token) = match name {
            "gitlab" => (gitlab::router(Arc::clone(&store)), "gitlab", gitlab::TOKEN),
            "gitea" => (gitea::router(Arc::clone(&store)), "forge", gitea::TOKEN),
            _ => (github::router(Arc::clone(&store)), "api/v3", "tok-en"),
        };
        let address = format!("{}/{base}", serve(router));
        Self { world, remote, forge: Some((server, store, name, [address, token.to_owned()])), url }
    }

    fn call(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.command(&[arguments, &["--repo", &self.url, "--branch", "main"]].concat());
        if let Some((_, _, name, [address, token])) = &self.forge {
            command.args(["--forge", name, "--forge-url", address]).env("TAGBOAT_TOKEN", token);
        }
        self.world.finish(command.env("USER", "ada"))
    }

    fn store(&self) -> &Store {
        &self.forge.as_ref().unwrap().1
    }

    /// Returns what the pull request for `dev` brings.
    fn proposed(&self) -> String {
        let head = self.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/dev/*"]);
        let text = String::from_utf8(self.remote.show(head.trim(), "dev/web.yaml")).unwrap();
        text.split("  #").next().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    fn holds(&self, branch: &str) -> String {
        String::from_utf8(self.remote.show(branch, ".tagboat/holds.yaml")).unwrap()
    }
}

#[test]
fn a_protected_base_gets_a_pull_request_that_holds_as_long_as_it_is_open() {
    for name in ["github", "gitlab", "gitea"] {
        let scene = Scene::new(Some(name));
        let before = scene.remote.tip("main");
        let held = scene.call(&["hold", "web:1.5.0", "-e", "dev", "--reason", "loses @sessions"]).ended(0);
        let pull = scene.store().pull(1);
        assert_eq!((scene.remote.tip("main"), pull.head.as_str()), (before.clone(), HEAD), "{name}: {held:?}");
        let said = words(&held.out);
        assert!(said.contains("The branch takes no direct push: opened the pull request http"), "{said}");
        assert!(said.contains("as long as it stands, what it holds counts as held"), "{said}");
        assert!(pull.body.contains("counts as held") && !pull.body.contains("@sessions"), "{}", pull.body);
        assert!(scene.holds(HEAD).contains("reason: \"loses @sessions\"") && scene.holds(HEAD).contains("by: \"ada\""));
        // What is proposed to be held is moved nowhere, and said why.
        let ran = scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.4.1", "{name}: {ran:?}");
        assert!(words(&ran.out).contains("not merged yet"), "{ran:?}");
        assert_eq!(scene.store().pull(1).state, Stands::Open, "a pass leaves it alone");

        // A second one stands in the same pull request; a release of it takes it out again.
        scene.call(&["hold", "web:1.4.1", "--reason", "slow"]).ended(0);
        assert_eq!(scene.store().kept().pulls.len(), 2, "{name}");
        assert!(scene.holds(HEAD).contains("1.5.0") && scene.holds(HEAD).contains("1.4.1"));
        let again = scene.call(&["hold", "web:1.4.1", "--reason", "slow"]).ended(0);
        assert!(words(&again.out).contains("It stands already"), "{again:?}");
        scene.call(&["release", "web:1.4.1", "--reason", "measured again"]).ended(0);
        assert!(!scene.holds(HEAD).contains("1.4.1"));

        // Closed by a person, it holds nothing, although the branch is left.
        scene.store().change(1, |pull| pull.state = Stands::Closed);
        let ran = scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.5.0", "{name}: {ran:?}");

        // Asked for again it is another one, and once merged it is like any other hold.
        scene.call(&["hold", "web:1.5.0", "-e", "dev", "--reason", "still"]).ended(0);
        let number = scene.store().kept().pulls.len() as u64;
        assert_eq!(scene.store().pull(number).head, HEAD, "{name}");
        scene.store().merge(number).unwrap();
        scene.store().refresh();
        assert!(scene.holds("main").contains("still"), "{name}");
        let ran = scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.4.1", "{name}: {ran:?}");
        assert!(!words(&ran.out).contains("not merged yet"), "{ran:?}");

        // A release is proposed as well, and counts once it is merged; who and why is on record.
        let released = scene.call(&["release", "web:1.5.0", "--reason", "mended"]).ended(0);
        assert!(words(&released.out).contains("opened the pull request"), "{released:?}");
        let message = scene.remote.git(&["log", "-1", "--format=%B", HEAD]);
        assert!(message.contains("Tagboat-By: ada\nTagboat-Reason: mended"), "{message}");
        scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.4.1", "{name}");
        let number = scene.store().kept().pulls.len() as u64;
        scene.store().merge(number).unwrap();
        scene.store().refresh();
        scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.5.0", "{name}");
    }
}

#[test]
fn a_further_hold_is_taken_although_a_person_wants_the_pull_request_left_as_it_is() {
    let scene = Scene::new(Some("github"));
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    scene.store().change(1, |pull| pull.labels.extend(["tagboat/hold".to_owned()]));
    // All holds stand in one pull request: a label on it must not keep a person from holding something else.
    scene.call(&["hold", "web:1.4.1", "--reason", "slow"]).ended(0);
    assert!(scene.holds(HEAD).contains("1.5.0") && scene.holds(HEAD).contains("1.4.1"));
    let tip = scene.remote.tip(HEAD);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.remote.tip(HEAD), tip, "a pass leaves it alone");
}

#[test]
fn a_gate_that_the_base_requires_does_not_keep_a_person_from_merging_what_is_held() {
    // GitLab's branches require no status by its name: one that nobody else sets would only make a pipeline wait.
    for (name, required, gates) in [
        ("github", "tagboat/soak", vec![("tagboat/soak", "success")]),
        ("gitea", "tagboat/soak", vec![("tagboat/soak", "success")]),
        ("gitea", "tagboat/*", vec![("tagboat/soak", "success")]),
        ("gitlab", "tagboat/soak", vec![]),
    ] {
        let scene = Scene::new(Some(name));
        scene.store().kept().protection.required = vec!["build".to_owned(), required.to_owned()];
        for (version, reason) in [("web:1.5.0", "loses sessions"), ("web:1.4.1", "slow"), ("web:1.4.1", "slow")] {
            scene.call(&["hold", version, "--reason", reason]).ended(0);
            let tip = scene.remote.tip(HEAD);
            let kept = scene.store().kept();
            let said: Vec<_> = kept.checks.iter().filter(|row| row.sha == tip).collect();
            let said: Vec<_> = said.iter().map(|row| (row.name.as_str(), row.word.as_str())).collect();
            assert_eq!(said, gates, "{name} {version}");
        }
        // A person merges it then, and it is held.
        scene.store().merge(1).unwrap();
        scene.store().refresh();
        scene.call(&["run"]).ended(0);
        let heads = scene.remote.git(&["for-each-ref", "refs/heads/tagboat/dev/*"]);
        assert!(scene.holds("main").contains("1.4.1") && heads.is_empty(), "{name} {heads}");
    }
}

#[test]
fn on_plain_git_the_head_branch_holds_until_it_is_merged_or_removed() {
    let scene = Scene::new(None);
    let held = scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions", "--output", "json"]).ended(0).json();
    assert_eq!((&held["proposals"][0]["branch"], &held["proposals"][0]["action"]), (&HEAD.into(), &"opened".into()));
    assert_eq!(held["holds"][0]["tag"], "1.5.0", "{held}");
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.proposed(), "1.4.1");
    let status = scene.world.tagboat(&["status", "--repo", &scene.url, "--branch", "main"]).ended(0);
    assert!(words(&status.out).contains("not merged yet"), "{status:?}");
    // An order does not bring it either.
    let refused = scene.call(&["promote", "web:1.5.0", "--to", "dev", "--now", "--reason", "x"]).ended(1);
    assert!(refused.err.contains("is held"), "{refused:?}");
    // Merged as it stands, it is spent: what is released on the base then does not come back by the branch.
    let tip = scene.remote.tip(HEAD);
    scene.remote.git(&["update-ref", "refs/heads/main", &tip]);
    scene.remote.git(&["config", "core.hooksPath", "/nowhere"]);
    scene.call(&["release", "web:1.5.0"]).ended(0);
    assert!(scene.remote.at(HEAD).is_some());
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.proposed(), "1.5.0");
    scene.remote.git(&["config", "--unset", "core.hooksPath"]);
    // Removed, it holds nothing.
    scene.call(&["hold", "web:1.5.0", "--reason", "again"]).ended(0);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.proposed(), "1.4.1");
    scene.remote.git(&["update-ref", "-d", &format!("refs/heads/{HEAD}")]);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.proposed(), "1.5.0");
}

#[test]
fn what_is_released_on_the_base_is_released_on_a_head_that_was_squashed_into_it() {
    for name in [None, Some("github")] {
        let scene = Scene::new(name);
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
        scene.remote.git(&["config", "core.hooksPath", "/nowhere"]);
        let people = Repository { folder: scene.world.scratch.path("people") };
        scene.remote.git(&["clone", "--quiet", ".", &people.folder.display().to_string()]);
        people.commit_files(&[(".tagboat/holds.yaml", &scene.holds(HEAD))], "Squashed", 5);
        people.git(&["push", "--quiet", "origin", "main"]);
        let released = scene.call(&["release", "web:1.5.0"]).ended(0);
        assert!(!scene.holds("main").contains("1.5.0"), "{released:?}");
        assert!(scene.remote.at(HEAD).is_none(), "nothing of it is left: {released:?}");
        scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.5.0", "{name:?}");
    }
}

#[test]
fn what_is_proposed_to_be_held_counts_and_goes_on_under_another_prefix() {
    const FURTHER: &str = "people/@holds";
    for forge in [None, Some("gitea")] {
        let scene = Scene::new(forge);
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
        scene.remote.git(&["config", "core.hooksPath", "/nowhere"]);
        let people = Repository { folder: scene.world.scratch.path("people") };
        let from = scene.remote.folder.display().to_string();
        scene.remote.git(&["clone", "--quiet", &from, &people.folder.display().to_string()]);
        let config = String::from_utf8(scene.remote.show("main", ".tagboat.yaml")).unwrap();
        let config = format!("{config}\npullRequest: {{branchPrefix: bots/}}\n");
        people.commit_files(&[(".tagboat.yaml", &config)], "Configure", 3);
        people.git(&["push", "--quiet", "origin", "main"]);
        if forge.is_some() {
            // What anybody calls so without a pull request holds nothing, and stops nothing.
            people.commit_files(&[(".tagboat/holds.yaml", "junk: [")], "Mine", 4);
            people.git(&["push", "--quiet", "origin", &format!("HEAD:refs/heads/{FURTHER}")]);
        }
        scene.remote.git(&["config", "--unset", "core.hooksPath"]);
        let ran = scene.call(&["run"]).ended(0);
        let head = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/bots/dev/*"]);
        let brought = String::from_utf8(scene.remote.show(head.trim(), "dev/web.yaml")).unwrap();
        assert!(brought.contains("web:1.4.1"), "{forge:?}: {brought} {ran:?}");
        assert!(words(&ran.out).contains("not merged yet"), "{ran:?}");
        scene.call(&["hold", "web:1.4.1", "--reason", "slow"]).ended(0);
        let heads = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/**/@holds"]);
        assert!(heads.lines().all(|head| head == HEAD || head == FURTHER), "{forge:?}: {heads}");
        assert!(scene.holds(HEAD).contains("1.5.0") && scene.holds(HEAD).contains("1.4.1"), "{forge:?}");
    }
}

#[test]
fn what_was_proposed_to_be_held_below_the_prefix_of_now_stays() {
    for forge in [None, Some("gitea")] {
        let scene = Scene::new(forge);
        let text = String::from_utf8(scene.remote.show("main", ".tagboat.yaml")).unwrap();
        let configured =
            scene.world.beside("former.yaml", &format!("{text}\npullRequest: {{branchPrefix: tagboat/two/}}\n"));
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions", "--config", &configured]).ended(0);
        let before = scene.remote.tip("tagboat/two/@holds");
        scene.call(&["run"]).ended(0);
        assert_eq!(
            (scene.remote.tip("tagboat/two/@holds"), scene.proposed()),
            (before, "1.4.1".to_owned()),
            "{forge:?}"
        );
    }
}

#[test]
fn what_somebody_else_pushed_there_is_not_overwritten_and_a_broken_file_stops_what_might_be_held() {
    let scene = Scene::new(None);
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    let people = Repository { folder: scene.world.scratch.path("people") };
    scene.remote.git(&["clone", "--quiet", "--branch", HEAD, &scene.url, &people.folder.display().to_string()]);
    let more = scene.holds(HEAD) + "  # by hand\n  - image: web\n    tags: 1\n";
    people.commit_files(&[(".tagboat/holds.yaml", &more)], "By hand", 3);
    people.git(&["push", "--quiet", "origin", HEAD]);
    let ran = scene.call(&["run"]).ended(2);
    assert!(ran.err.contains(".tagboat/holds.yaml on tagboat/@holds:9:5"), "{ran:?}");
    people.commit_files(&[(".tagboat/holds.yaml", &more.replace("tags: 1", "tag: 1"))], "Mend", 4);
    people.git(&["push", "--quiet", "origin", HEAD]);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.proposed(), "1.4.1", "what a person holds there counts, too");
    let tip = scene.remote.tip(HEAD);
    let refused = scene.call(&["hold", "web:1.4.1", "--reason", "slow"]).ended(1);
    assert!(refused.err.contains("nothing is held by this: somebody else has pushed to tagboat/@holds"), "{refused:?}");
    assert_eq!(refused.err.matches("somebody else").count(), 1, "{refused:?}");
    assert_eq!(scene.remote.tip(HEAD), tip);
}

#[test]
fn what_could_not_be_proposed_says_why_once() {
    let scene = Scene::new(Some("github"));
    scene.store().trap("POST", "/pulls", Fault::Before(403));
    let refused = scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(1);
    let told = "nothing is held by this: tagboat/@holds has it, and its pull request could not be opened, so it does not count yet: ";
    assert!(refused.err.contains(told) && refused.err.trim_end().ends_with(": try again"), "{refused:?}");
    assert_eq!(refused.err.matches("403").count(), 1, "{refused:?}");

    // Held on the base as well by now, it is released there alone.
    let scene = Scene::new(None);
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    scene.remote.hook("update", "#!/bin/sh\n[ \"$1\" = refs/heads/main ] || { echo 'only main moves'; exit 1; }\n");
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    let refused = scene.call(&["release", "web:1.5.0", "--reason", "mended"]).ended(1);
    let told = "it is released on the branch, and tagboat/@holds still proposes to hold it, which counts: the remote refuses the push";
    assert!(refused.err.contains(told), "{refused:?}");
    assert_eq!(refused.err.matches("only main moves").count(), 1, "{refused:?}");
}

#[test]
fn on_plain_git_a_key_of_the_operators_signs_what_is_proposed_where_a_forge_was_to() {
    let scene = Scene::new(None);
    let text = String::from_utf8(scene.remote.show("main", ".tagboat.yaml")).unwrap();
    let config = scene.world.beside("signed.yaml", &format!("{text}\ncommit: {{sign: forge}}\n"));
    let hold = ["hold", "web:1.5.0", "--reason", "loses sessions", "--config", &config];
    let refused = scene.call(&hold).ended(1);
    assert!(refused.err.contains("needs a key in `signing`") && scene.remote.at(HEAD).is_none(), "{refused:?}");
    ssh_key(&scene.world.scratch, "signing-key", &["-t", "ed25519"]);
    let service = scene.world.beside("service.yaml", "version: 1\nsigning: {sshKeyFile: signing-key}\n");
    scene.call(&[&hold[..], &["--service", &service]].concat()).ended(0);
    assert!(scene.remote.git(&["cat-file", "commit", HEAD]).contains("BEGIN SSH SIGNATURE"));
    // Versions still wait for a forge that signs.
    let ran = scene.call(&["run", "--config", &config, "--service", &service]).ended(0);
    assert!(words(&ran.out).contains("nothing is pushed unsigned"), "{ran:?}");
    scene.call(&["release", "web:1.5.0", "--config", &config, "--service", &service]).ended(0);
    assert!(scene.remote.at(HEAD).is_none());
}

#[test]
fn on_plain_git_a_base_that_takes_no_push_is_a_reason_to_wait_for_a_person() {
    let scene = Scene::new(None);
    let text = String::from_utf8(scene.remote.show("main", ".tagboat.yaml")).unwrap();
    let config = scene.world.beside("merging.yaml", &text.replace("pullRequest", "autoMerge"));
    let call = |arguments: &[&str]| scene.call(&[arguments, &["--config", &config]].concat()).ended(0);
    let (before, head) = (scene.remote.tip("main"), "tagboat/dev/");
    let told = "the remote refuses the push to main: ";
    let merges = |ran: &Ran| {
        let said = words(&ran.out);
        assert!(said.contains(told) && said.contains("changes must be made through a pull request"), "{ran:?}");
        assert!(said.contains(&format!("; a person merges {head}")), "{ran:?}");
    };
    call(&["run"]);
    let proposed = scene.proposed();
    for _ in 0..2 {
        merges(&call(&["run"]));
    }
    assert_eq!((scene.proposed(), scene.remote.tip("main")), (proposed, before.clone()));
    // So it is with what a person orders, also at once.
    let ordered = call(&["promote", "web:1.4.1", "--to", "dev", "--reason", "tried"]);
    merges(&ordered);
    assert_eq!((scene.proposed().as_str(), scene.remote.tip("main")), ("1.4.1", before));
    // Whoever merges it ends that.
    scene.remote.git(&["config", "core.hooksPath", "/nowhere"]);
    call(&["run"]);
    assert!(String::from_utf8(scene.remote.show("main", "dev/web.yaml")).unwrap().contains("web:1.4.1"));
}

#[test]
fn what_is_closed_since_nothing_of_it_is_left_says_why_once() {
    for name in ["github", "gitlab", "gitea"] {
        let comment = if name == "gitlab" { "/notes" } else { "/comments" };
        let (method, close) = if name == "gitlab" { ("PUT", "/merge_requests/1") } else { ("PATCH", "/pulls/1") };
        let traps = [
            (method, close, Fault::Before(503)),
            (method, close, Fault::Lost),
            ("POST", comment, Fault::Lost),
            ("POST", comment, Fault::Before(403)),
        ];
        // Released by a person, and merged under another id: each is told.
        let by_release = traps.map(|trap| (trap, true));
        for (trap, is_released) in by_release.into_iter().chain([(traps[0], false)]) {
            let ((method, path, fault), what) = (trap, format!("{name} {trap:?} {is_released}"));
            let scene = Scene::new(Some(name));
            let version = format!("{}/acme/web:1.5.0", scene.world.registry.host());
            scene.call(&["hold", "web:1.5.0", "-e", "dev", "--reason", "loses sessions"]).ended(0);
            if !is_released {
                scene.write(&scene.holds(HEAD), 5);
            }
            let call = || match is_released {
                true => scene.call(&["release", "web:1.5.0", "--reason", "fixes #12, says @ada"]),
                false => scene.call(&["run"]),
            };
            scene.store().trap(method, path, fault);
            let ran = call();
            assert!(scene.store().kept().traps.is_empty(), "{what}: {:?}", scene.store().requests());
            let is_refused = fault == Fault::Before(403);
            if is_refused {
                let said = words(&ran.ended(0).out);
                assert!(said.contains("the comment that says so was refused"), "{what}: {said}");
            } else {
                call();
            }
            let by_person =
                format!("`{version}` in dev is released again, by ada: fixes #\u{2060}12, says @\u{2060}ada.");
            let why = if is_released { &by_person } else { "the base branch has all of it by now, or has had it." };
            let said = format!("Nothing of this is left to do: {why}");
            let pull = scene.store().pull(1);
            let comments = if is_refused { Vec::new() } else { vec![said] };
            assert_eq!((pull.state, pull.comments), (Stands::Closed, comments), "{what}");
            assert!(scene.remote.at(HEAD).is_none(), "{what}");
        }
    }
}

impl Scene {
    /// Returns the only comment on a pull request that was closed, and the command that it names.
    fn closed_with(&self, number: u64) -> (String, Vec<String>) {
        let pull = self.store().pull(number);
        assert_eq!((pull.state, pull.comments.len()), (Stands::Closed, 1), "{:?}", pull.comments);
        let named = pull.comments[0].split('`').find_map(|code| code.strip_prefix("tagboat "));
        let command = named.unwrap_or_default().split(' ').map(str::to_owned).collect();
        (words(&pull.comments[0]), command)
    }

    /// Lets an environment `prod` come, which runs 1.4.0, and after whatever is written here.
    fn with_prod(&self, after: &str) {
        let config = String::from_utf8(self.remote.show("main", ".tagboat.yaml")).unwrap();
        let prod = format!("  - name: prod\n    files: [prod/**]\n    after: {after}\n    publish: pullRequest\n");
        let files = [(".tagboat.yaml", config + &prod), ("prod/web.yaml", self.world.deployment("acme/web:1.4.0"))];
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        self.remote.land("main", &files, "By hand", 3);
    }
}

#[test]
fn what_is_closed_for_a_hold_that_is_only_proposed_says_what_ends_that() {
    for name in ["github", "gitlab", "gitea"] {
        let scene = Scene::new(Some(name));
        scene.call(&["run"]).ended(0);
        for version in ["web:1.4.1", "web:1.5.0"] {
            scene.call(&["hold", version, "-e", "dev", "--reason", "loses sessions"]).ended(0);
        }
        scene.call(&["run"]).ended(0);
        let (said, release) = scene.closed_with(1);
        let ends =
            "The pull request from `tagboat/@holds` holds it, which is not merged yet. To release it: `tagboat release";
        assert!(said.contains(ends) && said.contains(", or close that one. A later pass"), "{name}: {said}");
        let release: Vec<&str> = release.iter().map(String::as_str).collect();
        scene.call(&release).ended(0);
        scene.call(&["run"]).ended(0);
        assert_eq!(scene.proposed(), "1.5.0", "{name}");
    }
}

#[test]
fn what_is_closed_for_what_an_open_rollback_holds_names_that() {
    let scene = Scene::new(Some("github"));
    scene.with_prod("dev");
    scene.remote.land("main", &[("dev/web.yaml", &scene.world.deployment("acme/web:1.5.0"))], "By hand", 4);
    scene.call(&["run"]).ended(0);
    assert!(scene.store().pull(1).head.starts_with("tagboat/prod/"), "{:?}", scene.store().pull(1));
    scene.call(&["rollback", "dev", "web", "--reason", "worse"]).ended(0);
    let back = scene.store().pull(2).head;
    scene.call(&["run"]).ended(0);
    let (said, release) = scene.closed_with(1);
    let ends = format!(
        "What goes back on `{back}` holds it. To release it: close that pull request, or merge it, and then: `"
    );
    assert!(said.contains(&ends), "{said}");
    // Before that it is refused.
    let release: Vec<&str> = release.iter().map(String::as_str).collect();
    scene.call(&release).ended(2);
    scene.store().merge(2).unwrap();
    scene.store().refresh();
    scene.call(&release).ended(0);
}

#[test]
fn what_is_closed_for_a_hold_of_another_repository_sends_nobody_to_this_one() {
    let scene = Scene::new(Some("github"));
    let host = scene.world.registry.host();
    let config = format!(
        "version: 1\nimages:\n  - match: {host}/**\n    semver: 1.x\nenvironments:\n  - name: staging\n    files: ['**']\n"
    );
    let web = scene.world.deployment("acme/web:1.5.0");
    let platform = scene.world.scratch.bare("platform.git", &[(".tagboat.yaml", &config), ("web.yaml", &web)]);
    let url = platform.folder.display().to_string();
    let listed = [&url, &scene.url].map(|url| format!("  - url: \"{url}\"\n    branch: main\n"));
    let service = scene.world.beside("service.yaml", &format!("version: 1\nrepositories:\n{}", listed.concat()));
    scene.with_prod(&format!("{{repository: \"{url}\", environment: staging}}"));
    scene.remote.land("main", &[("dev/web.yaml", &scene.world.deployment("acme/web:1.5.0"))], "By hand", 4);
    scene.call(&["run", "--service", &service]).ended(0);
    assert!(scene.store().pull(1).head.starts_with("tagboat/prod/"), "{:?}", scene.store().pull(1));
    let holds = format!("version: 1\nholds:\n  - {{image: {host}/acme/web, tag: \"1.5.0\", reason: slow}}\n");
    platform.land("main", &[(".tagboat/holds.yaml", &holds)], "By hand", 5);
    scene.call(&["run", "--service", &service]).ended(0);
    let (said, release) = scene.closed_with(1);
    assert!(said.contains("is held: it is held in staging of") && release == [""], "{said}");
    assert!(said.contains("It is held in another repository, and released there."), "{said}");
}

impl Scene {
    /// Lets a person write the file of holds on the base, as those may who need no pull request.
    fn write(&self, text: &str, day: u8) {
        self.remote.land("main", &[(".tagboat/holds.yaml", text)], "By hand", day);
    }
}

const SLOW: &str = "version: 1\nholds:\n  - image: ghcr.io/acme/api\n    tag: \"2.0.0\"\n    reason: slow\n";

#[test]
fn what_conflicts_with_the_holds_of_the_base_is_made_anew_on_them() {
    for name in [None, Some("github"), Some("gitlab"), Some("gitea")] {
        let scene = Scene::new(name);
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
        let before = scene.remote.tip(HEAD);
        scene.call(&["run"]).ended(0);
        assert_eq!(scene.remote.tip(HEAD), before, "{name:?}: nothing is in its way");
        scene.write(SLOW, 5);
        let dry = scene.call(&["run", "--dry-run"]).ended(0);
        assert_eq!(scene.remote.tip(HEAD), before, "{name:?} {dry:?}");
        assert!(words(&dry.out).contains("@holds"), "{name:?} {dry:?}");
        let ran = scene.call(&["run"]).ended(0);
        let head = scene.holds(HEAD);
        assert!(head.contains("loses sessions") && head.contains("slow"), "{name:?} {head} {ran:?}");
        scene.remote.git(&["merge-base", "--is-ancestor", "main", HEAD]);
        assert_eq!(scene.proposed(), "1.4.1", "{name:?}");
        let made = scene.remote.tip(HEAD);
        if name.is_some() {
            assert_eq!(scene.store().kept().pulls.iter().filter(|pull| pull.head == HEAD).count(), 1);
        }
        scene.call(&["run"]).ended(0);
        assert_eq!(scene.remote.tip(HEAD), made, "{name:?}: it is made once");
    }
}

#[test]
fn a_label_that_a_person_sets_while_a_pass_looks_leaves_what_is_proposed_to_be_held_as_it_is() {
    let scene = Scene::new(Some("gitea"));
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    let before = scene.remote.tip(HEAD);
    scene.write(SLOW, 5);
    // The first listing has no label yet; the one right before the push has it.
    for fault in [Fault::Labelled("another"), Fault::Meanwhile(Deed::Holds)] {
        scene.store().trap("GET", "/pulls", fault);
    }
    let ran = scene.call(&["run"]).ended(0);
    assert!(scene.store().kept().traps.is_empty(), "{:?}", scene.store().requests());
    assert_eq!(scene.remote.tip(HEAD), before, "{ran:?}");
    assert_eq!(scene.proposed(), "1.4.1", "it counts as held");
    scene.store().change(1, |pull| pull.labels.clear());
    scene.call(&["run"]).ended(0);
    assert_ne!(scene.remote.tip(HEAD), before, "without the label it is made anew");
}

#[test]
fn what_somebody_pushes_to_while_it_is_released_is_not_closed() {
    for name in ["github", "gitlab", "gitea"] {
        let scene = Scene::new(Some(name));
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
        let before = scene.store().pull(1);
        // By the second list the branch has been read.
        let list = if name == "gitlab" { "/merge_requests" } else { "/pulls" };
        for fault in [Fault::Labelled("another"), Fault::Pushed] {
            scene.store().trap("GET", list, fault);
        }
        let released = scene.call(&["release", "web:1.5.0"]).ended(1);
        assert!(scene.store().kept().traps.is_empty(), "{:?}", scene.store().requests());
        assert!(words(&released.err).contains("somebody else has pushed to"), "{name}: {released:?}");
        let pull = scene.store().pull(1);
        assert_eq!((pull.state, pull.body, pull.comments), (Stands::Open, before.body, Vec::new()), "{name}");
        assert_ne!(scene.remote.tip(HEAD), before.sha, "{name}: what was pushed is there");
    }
}

#[test]
fn the_branch_of_what_was_proposed_goes_once_the_base_has_it() {
    for name in [None, Some("github"), Some("gitlab"), Some("gitea")] {
        let scene = Scene::new(name);
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
        scene.write(&scene.holds(HEAD), 5);
        if name.is_some() {
            scene.store().change(1, |pull| pull.state = Stands::Merged);
        }
        let ran = scene.call(&["run"]).ended(0);
        assert!(scene.remote.at(HEAD).is_none(), "{name:?} {ran:?}");
        assert_eq!(scene.proposed(), "1.4.1", "{name:?}");
    }
}

#[test]
fn what_the_base_held_and_holds_no_more_is_not_held_by_the_branch_that_proposed_it() {
    for name in [None, Some("github")] {
        for is_open in [false, true] {
            let scene = Scene::new(name);
            scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
            scene.write(&scene.holds(HEAD), 5);
            if let (Some(_), false) = (name, is_open) {
                scene.store().change(1, |pull| pull.state = Stands::Merged);
            }
            scene.write("version: 1\nholds: []\n", 6);
            if name.is_none() {
                let status = scene.world.tagboat(&["status", "--repo", &scene.url, "--branch", "main"]).ended(0);
                assert!(!words(&status.out).contains("not merged yet"), "{status:?}");
            }
            let ran = scene.call(&["run"]).ended(0);
            assert_eq!(scene.proposed(), "1.5.0", "{name:?} {is_open} {ran:?}");
            assert!(scene.remote.at(HEAD).is_none(), "{name:?} {is_open} {ran:?}");
        }
    }
    // Ordered again after that, it is held again.
    let scene = Scene::new(None);
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    scene.write(&scene.holds(HEAD), 5);
    scene.write("version: 1\nholds: []\n", 6);
    scene.call(&["hold", "web:1.5.0", "--reason", "again"]).ended(0);
    scene.call(&["run"]).ended(0);
    assert_eq!(scene.proposed(), "1.4.1");
}

#[test]
fn a_listing_that_fails_takes_nothing_of_it_away() {
    let scene = Scene::new(Some("gitea"));
    scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
    scene.write(&scene.holds(HEAD), 5);
    let (tip, before) = (scene.remote.tip(HEAD), scene.store().pull(1));
    for _ in 0..8 {
        scene.store().trap("GET", "/pulls", Fault::Before(503));
    }
    scene.call(&["run"]).ended(3);
    assert_eq!((scene.remote.tip(HEAD), scene.store().pull(1).state), (tip, before.state));
    scene.store().kept().traps.clear();
    scene.call(&["run"]).ended(0);
    assert_eq!((scene.remote.at(HEAD), scene.store().pull(1).state), (None, Stands::Closed), "nothing of it is left");
}

#[test]
fn a_pass_lists_once_however_many_holds_are_proposed() {
    let scene = Scene::new(Some("github"));
    scene.call(&["hold", "web:1.5.0", "--reason", "x"]).ended(0);
    scene.call(&["run"]).ended(0);
    scene.store().requests();
    scene.call(&["run"]).ended(0);
    let asked = scene.store().requests();
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
fn a_pass_in_which_nothing_moves_does_not_ask_for_it() {
    let scene = Scene::new(Some("github"));
    let (server, ..) = scene.forge.as_ref().unwrap();
    scene.call(&["hold", "web:1.5.0", "--reason", "x"]).ended(0);
    scene.call(&["hold", "web:1.4.1", "--reason", "x"]).ended(0);
    scene.call(&["run"]).ended(0);
    let idle = |scene: &Scene| {
        server.requests();
        scene.store().requests();
        scene.call(&["run"]).ended(0);
        (server.requests().len(), scene.store().requests())
    };
    scene.store().merge(1).unwrap();
    scene.store().refresh();
    idle(&scene);
    let (git, forge) = idle(&scene);
    // The base and the listing of head branches, two exchanges each; the listing of pull requests.
    assert_eq!((git, forge.len()), (4, 1), "{forge:?}");
}

#[test]
fn a_rollback_holds_what_it_leaves_although_that_is_proposed_to_be_held() {
    let scene = Scene::new(None);
    scene.remote.git(&["config", "core.hooksPath", "/nowhere"]);
    let people = Repository { folder: scene.world.scratch.path("people") };
    scene.remote.git(&["clone", "--quiet", &scene.url, &people.folder.display().to_string()]);
    people.commit_files(&[("dev/web.yaml", &scene.world.deployment("acme/web:1.5.0"))], "By hand", 3);
    people.git(&["push", "--quiet", "origin", "main"]);
    scene.remote.git(&["config", "--unset", "core.hooksPath"]);
    scene.call(&["hold", "web:1.5.0", "-e", "dev", "--reason", "loses sessions"]).ended(0);
    scene.call(&["rollback", "dev", "web", "--reason", "worse"]).ended(0);
    let head = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/dev/*"]);
    // The other one may be closed.
    assert!(scene.holds(head.trim()).contains("reason: \"worse\""), "{}", scene.holds(head.trim()));
}

#[test]
fn what_a_rollback_holds_stays_held_while_people_push_onto_its_branch() {
    let scene = Scene::new(None);
    scene.remote.git(&["config", "core.hooksPath", "/nowhere"]);
    let people = Repository { folder: scene.world.scratch.path("people") };
    scene.remote.git(&["clone", "--quiet", &scene.url, &people.folder.display().to_string()]);
    people.commit_files(&[("dev/web.yaml", &scene.world.deployment("acme/web:1.5.0"))], "By hand", 3);
    people.git(&["push", "--quiet", "origin", "main"]);
    scene.call(&["rollback", "dev", "web", "--reason", "worse"]).ended(0);
    let held = || {
        let status = scene.world.tagboat(&["status", "--repo", &scene.url, "--branch", "main"]).ended(0);
        words(&status.out).contains("not merged yet")
    };
    assert!(held());
    let refused = scene.call(&["release", "web:1.5.0"]).ended(2);
    assert!(
        words(&refused.err).contains("what goes back holds it") && refused.err.contains("close that"),
        "{refused:?}"
    );
    let head = scene.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/dev/*"]);
    let head = head.trim();
    people.git(&["fetch", "--quiet", "origin"]);
    people.git(&["checkout", "--quiet", "-b", "back", &format!("origin/{head}")]);
    people.commit_files(&[("README.md", "more to read\n")], "Say why", 4);
    people.git(&["push", "--quiet", "origin", &format!("back:{head}")]);
    assert!(held(), "the commit on top changes no holds, the one beneath does");
    // As a forge's "Update branch" does it.
    people.git(&["checkout", "--quiet", "main"]);
    people.commit_files(&[("NEWS.md", "news\n")], "News", 5);
    people.git(&["push", "--quiet", "origin", "main"]);
    people.git(&["checkout", "--quiet", "back"]);
    people.git(&["merge", "--quiet", "--no-edit", "main"]);
    people.git(&["push", "--quiet", "origin", &format!("back:{head}")]);
    assert!(held(), "the merge changes no holds, what it was made on does");
    scene.remote.git(&["update-ref", "-d", &format!("refs/heads/{head}")]);
    assert!(!held(), "what nobody asks for any more holds nothing");
}

#[test]
fn what_was_closed_since_it_was_listed_gets_no_further_hold() {
    for name in ["github", "gitlab", "gitea"] {
        let scene = Scene::new(Some(name));
        scene.call(&["hold", "web:1.5.0", "--reason", "loses sessions"]).ended(0);
        let body = |number| scene.store().pull(number).body;
        let before = body(1);
        scene.store().change(1, |pull| pull.state = Stands::Closed);
        scene.store().kept().late = 1;
        scene.call(&["hold", "web:1.4.1", "--reason", "loses them, too"]).ended(0);
        assert_eq!((body(1), scene.store().kept().late), (before, 0), "{name}");
        let pull = scene.store().pull(2);
        assert!(pull.state == Stands::Open && pull.body.contains("1.4.1"), "{name}: {}", pull.body);
        scene.call(&["run"]).ended(0);
        assert!(scene.remote.git(&["for-each-ref", "refs/heads/tagboat/dev/*"]).is_empty(), "{name}");
    }
}
