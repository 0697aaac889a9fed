//! What is told shortly, so that a first look at a large repository fits a terminal: equal failures, long diffs, versions in tables.

use tagboat::model::change::FileEdit;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::model::record::{Running, Status};
use tagboat::report::text::{self, Occasion};
use tagboat::report::{Verbosity, View};

use super::made;

const UNREACHABLE: &str = "no connection to registry.acme.example: it is down";

fn blocked(image: &str, reason: &str) -> Running {
    Running {
        image: made::name(image),
        group: image.replace('/', "-"),
        value: made::value("1.5.0"),
        files: Vec::new(),
        brought: None,
        next: None,
        to: None,
        blocked: Some(reason.to_owned()),
        kept_back: None,
        drift: None,
        watch: None,
    }
}

#[test]
fn status_tells_equal_failures_once_and_none_of_them_twice() {
    let images: Vec<String> = (0..40).map(|index| format!("registry.acme.example/app-{index:02}")).collect();
    let mut rows: Vec<Running> =
        images.iter().map(|image| blocked(image, &format!("{image}: {UNREACHABLE}"))).collect();
    rows.push(blocked("ghcr.io/acme/web", "two tags are the same version"));
    let errors = images.iter().map(|image| made::trouble(image, None, UNREACHABLE)).collect();
    let status = Status { environments: vec![("prod".into(), rows)], errors, ..Status::default() };
    let told = made::text(|out| text::status(&status, &View::default(), out));
    let after = told.split_once("\nNot to be moved\n").unwrap().1;
    insta::assert_snapshot!(after, @"
      prod ghcr.io/acme/web: two tags are the same version

    Failed
      40 targets (registry.acme.example/app-00, registry.acme.example/app-01, …): no
        connection to registry.acme.example: it is down

    41 image references, environment prod: 0 to move.
    ");
}

/// A pass that changes so many files by a line each.
fn wide(files: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for index in 0..files {
        let name = format!("apps/app-{index:02}/deployment.yaml");
        outcome.changes.push(made::change(&name, 3, "prod", "ghcr.io/acme/web", "1.4.0", "1.5.0"));
        let text = |tag: &str| format!("one\ntwo\nimage: ghcr.io/acme/web:{tag}\nfour\nfive\nsix\n").into_bytes();
        let (before, after) = (text("1.4.0"), text("1.5.0"));
        outcome.files.push(FileEdit { file: made::path(&name), before, after });
    }
    outcome
}

#[test]
fn a_long_diff_is_cut_after_some_files_and_says_how_to_see_all() {
    let told = |files: usize, verbosity: Verbosity| {
        let view = View { verbosity, ..View::default() };
        made::text(|out| text::outcome(&wide(files), Occasion::Plan, &view, out))
    };
    let shown = |text: &str| text.lines().filter(|line| line.starts_with("+++ ")).count();
    let long = told(50, Verbosity::Normal);
    assert!(shown(&long) >= 10 && long.lines().count() < 200, "{long}");
    assert!(long.contains(&format!("… and {} more files: `-v` shows them all.", 50 - shown(&long))), "{long}");
    assert!(long.trim_end().ends_with("Run `tagboat update` to write them."), "what to do next comes last: {long}");
    assert_eq!(shown(&told(50, Verbosity::Verbose)), 50);
    let short = told(12, Verbosity::Normal);
    assert!(shown(&short) == 12 && !short.contains("more files"), "{short}");
}

#[test]
fn one_version_that_is_longer_than_others_is_shown_whole_while_places_have_room_to_give() {
    let mut outcome = Outcome::default();
    for index in 0..12 {
        let (from, to) = if index == 7 { ("v1.10.13-rc.2", "v1.11.13-rc.2") } else { ("1.4.0", "1.5.0") };
        let image = format!("ghcr.io/acme/platform/controller-{index:02}");
        let file = format!("clusters/production/apps/controller-{index:02}/helm-release.yaml");
        outcome.changes.push(made::change(&file, 30, "default", &image, from, to));
    }
    let told = made::text(|out| text::outcome(&outcome, Occasion::Plan, &View::default(), out));
    assert!(told.contains("v1.10.13-rc.2  v1.11.13-rc.2"), "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}

#[test]
fn what_has_no_address_is_a_head_branch_and_no_pull_request() {
    let mut done = made::pushed();
    done.proposals[0].action = Action::Opened;
    done.proposals[0].branch = Some("tagboat/dev/web".to_owned());
    done.proposals[0].url = None;
    let told = made::text(|out| text::outcome(&done, Occasion::Run, &View::default(), out));
    assert!(told.contains("Head branches\n  pushed: dev, ghcr.io-acme-web tagboat/dev/web\n"), "{told}");
    let would = made::text(|out| text::outcome(&done, Occasion::DryRun, &View::default(), out));
    assert!(would.contains("Pull requests\n  open: dev, ghcr.io-acme-web"), "{would}");
}
