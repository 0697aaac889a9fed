//! Forges whose hosts do not tell which they are, named by the operator's file or on the command line; and tokens of CI jobs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::program::forges::Scene;
use crate::program::serve::Service;
use crate::program::{Ran, World};
use crate::support::forge::{Stands, gitea, gitlab};
use crate::support::git_server::{GitServer, Rules};

const PROJECT: &str = "acme/platform/gitops.git";

/// Runs one pass of a service of which the entry of the one repository says this; returns what it logs.
fn served(scene: &Scene, entry: &str) -> Value {
    scene.world.beside("token", gitlab::TOKEN);
    let rows = format!("  - {{url: \"{}\", branch: main, auth: {{tokenFile: token}}{entry}}}\n", scene.url);
    let service = Service::start(&scene.world, &format!("schedule: every 24h\nrepositories:\n{rows}"));
    service.wait("pass")
}

/// Makes a checkout of what is followed whose `origin` is the repository; returns its folder.
fn checkout(scene: &Scene, config: &str) -> String {
    let web = scene.world.deployment("acme/web:1.4.0");
    let work = scene.world.scratch.work("work", &[(".tagboat.yaml", config), ("dev/web.yaml", &web)]);
    work.git(&["remote", "add", "origin", &scene.url]);
    work.folder.display().to_string()
}

#[test]
fn a_service_asks_the_forge_that_the_entry_names_below_a_path_too() {
    let scene = Scene::new("gitlab", PROJECT);
    let line = served(&scene, &format!(", forge: gitlab, forgeUrl: \"{}\"", scene.forge));
    assert_eq!(line["result"], "done", "{line}");
    let kept = scene.store.kept().pulls.clone();
    assert_eq!((kept.len(), kept[0].state), (1, Stands::Open));
}

#[test]
fn a_service_leaves_head_branches_where_the_entry_names_plain_git() {
    let scene = Scene::new("gitlab", PROJECT);
    let line = served(&scene, ", forge: plain");
    assert_eq!(line["result"], "done", "{line}");
    let heads = scene.store.repository.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/"]);
    assert!(heads.starts_with("tagboat/dev/") && scene.store.requests().is_empty(), "{heads}");
}

#[test]
fn a_pass_says_that_no_pull_request_can_be_made_where_the_forge_is_not_known() {
    let scene = Scene::new("gitlab", PROJECT);
    let line = served(&scene, "");
    assert_eq!((&line["result"], &line["errors"]), (&"partial".into(), &1.into()), "{line}");
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.contains("which forge 127.0.0.1") && reason.contains("`forge` of its entry"), "{reason}");
    let run = scene.world.finish(&mut scene.world.command(&["run", "--repo", &scene.url, "--branch", "main"])).ended(3);
    assert!(format!("{}{}", run.out, run.err).contains("cannot be told"), "{run:?}");
}

#[test]
fn a_dry_run_tells_what_it_can_without_a_forge_or_a_token() {
    let scene = Scene::new("gitlab", PROJECT);
    let usual = ["run", "--repo", &scene.url, "--branch", "main"];
    for (further, reason) in [
        (&[][..], "is cannot be told: `forge` of its entry"),
        (&["--forge", "github"][..], "GitHub opens pull requests for nobody without a token"),
    ] {
        let run = |last: &[&str]| scene.world.finish(&mut scene.world.command(&[&usual, further, last].concat()));
        let told = run(&["--dry-run"]).ended(0);
        let text = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("Pull requests open: dev,")
                && text.contains("could not be looked at: ")
                && text.contains(reason),
            "{text}"
        );
        run(&[]).ended(3);
    }
    assert_eq!(scene.store.requests(), [""; 0]);
}

#[test]
fn every_command_that_asks_a_forge_can_be_told_which_it_is() {
    let scene = Scene::new("gitlab", PROJECT);
    let gated =
        "    after: stage\n    gates: {checks: [e2e]}\n  - name: stage\n    files: [stage/**]\n    publish: commit\n";
    let config = scene.world.config().replace("publish: commit", "publish: pullRequest") + gated;
    let web = |tag: &str| scene.world.deployment(&format!("acme/web:{tag}"));
    let (old, new) = (web("1.4.0"), web("1.5.0"));
    let work = scene
        .world
        .scratch
        .work("work", &[(".tagboat.yaml", &config), ("dev/web.yaml", &old), ("stage/web.yaml", &new)]);
    work.git(&["remote", "add", "origin", &scene.url]);
    let folder = work.folder.display().to_string();
    let tagboat = |arguments: &[&str], further: &[&str]| -> Ran {
        let mut command = scene.world.command(arguments);
        scene.world.finish(command.args(further).env("GITLAB_TOKEN", gitlab::TOKEN))
    };
    let named = ["--forge", "gitlab", "--forge-url", &scene.forge];
    // The operator's file does as well.
    let entry = format!("{{url: \"{}\", forge: gitlab, forgeUrl: \"{}\"}}", scene.url, scene.forge);
    let service = scene.world.beside("named.yaml", &format!("version: 1\nrepositories: [{entry}]\n"));
    tagboat(&["plan", &folder], &["--service", &service]);
    assert!(scene.store.requests().iter().any(|line| line.contains("/statuses")));
    let commands: [&[&str]; 4] =
        [&["plan", &folder], &["explain", "web", "-C", &folder], &["status", "-C", &folder], &["update", &folder]];
    for arguments in commands {
        scene.store.requests();
        tagboat(arguments, &named);
        let asked = scene.store.requests();
        assert!(asked.iter().any(|line| line.contains("/statuses")), "{arguments:?}: {asked:?}");
    }
}

#[test]
fn check_asks_the_forge_that_is_named_for_permissions() {
    let scene = Scene::new("gitlab", PROJECT);
    let folder = checkout(&scene, &(scene.world.config().trim_end().to_owned() + "\n    deployments: true\n"));
    let check = |further: &[&str]| {
        let mut command = scene.world.command(&["check", "--forge"]);
        scene.world.finish(command.args(further).env("GITLAB_TOKEN", gitlab::TOKEN))
    };
    let ran = check(&["gitlab", "--forge-url", &scene.forge, &folder]).ended(2);
    assert!(ran.out.contains("lacks `the role Developer`") && ran.out.contains("lacks `the scope api`"), "{ran:?}");
    assert!(ran.out.contains("only GitHub keeps them"), "{ran:?}");
    // As ever, a folder may stand there.
    let ran = check(&[&folder]);
    assert!(ran.out.contains("which forge 127.0.0.1") && !ran.out.contains("only GitHub"), "{ran:?}");
    let entry = format!("{{url: \"{}\", forge: gitlab, forgeUrl: \"{}\"}}", scene.url, scene.forge);
    let service = scene.world.beside("named.yaml", &format!("version: 1\nrepositories: [{entry}]\n"));
    assert!(check(&[&folder, "--service", &service]).ended(2).out.contains("lacks `the scope api`"));
    assert!(check(&["gitlob"]).ended(2).err.contains("neither a forge"));
}

#[test]
fn check_tells_a_gitea_token_that_may_only_read() {
    let scene = Scene::new("gitea", "acme/gitops.git");
    let folder = checkout(&scene, &scene.world.config().replace("publish: commit", "publish: pullRequest"));
    let check = || {
        let mut command = scene.world.command(&["check", &folder, "--forge=forgejo", "--forge-url", &scene.forge]);
        scene.world.finish(command.env("GITEA_TOKEN", gitea::TOKEN))
    };
    scene.store.kept().pushes = true;
    let ran = check().ended(0);
    assert!(!ran.out.contains("lacks"), "{ran:?}");
    assert!(scene.store.kept().pulls.is_empty() && scene.store.kept().labels.is_empty(), "nothing is made for that");
    scene.store.kept().reads_only = true;
    let ran = check().ended(2);
    assert!(ran.out.contains("lacks `write:repository`") && ran.out.contains("lacks `write:issue`"), "{ran:?}");
}

#[test]
fn the_token_of_a_gitlab_job_is_shown_to_git_as_its_own_user() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let web = world.deployment("acme/web:1.4.0");
    let config = world.config();
    let bare = world.scratch.bare("acme/gitops.git", &[(".tagboat.yaml", &config), ("dev/web.yaml", &web)]);
    bare.git(&["config", "http.receivepack", "true"]);
    let login = format!("Basic {}", STANDARD.encode("gitlab-ci-token:j0b"));
    let server = GitServer::start(&world.scratch.path(""), Rules { authorization: Some(login), ..Rules::default() });
    let url = server.url("acme/gitops.git");
    let run = |variables: &[(&str, &str)]| {
        let arguments = ["run", "--repo", &url, "--branch", "main", "--forge", "plain"];
        world.finish(world.command(&arguments).envs(variables.iter().copied()))
    };
    let elsewhere = [("CI_JOB_TOKEN", "j0b"), ("CI_API_V4_URL", "https://gitlab.example/api/v4")];
    run(&elsewhere).ended(1);
    let api = url.replace("acme/gitops.git", "api/v4");
    run(&[("CI_JOB_TOKEN", "j0b"), ("CI_API_V4_URL", &api)]).ended(0);
    assert_eq!(bare.show("main", "dev/web.yaml"), world.deployment("acme/web:1.5.0").into_bytes());
    world.push("acme/web", "1.6.0");
    run(&[("CI_JOB_TOKEN", "j0b"), ("TAGBOAT_TOKEN", "j0b")]).ended(0);
    assert_eq!(bare.show("main", "dev/web.yaml"), world.deployment("acme/web:1.6.0").into_bytes());
}
