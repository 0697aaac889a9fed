//! A pull request that is opened, renewed, and closed again.

use std::collections::BTreeSet;

use tagboat::model::proposal::Action;
use tagboat::pass::run::Mode;

use crate::forge::scenarios::{GATED, HEAD, Kind, PLAIN, Stage, WEB, manifest};
use crate::support::forge::{Fault, Stands};

pub(in crate::forge) async fn opens_one_and_then_leaves_it(kind: Kind) {
    let stage = Stage::new(kind, "    reviewers: [ada, acme/sre]\n");
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!(
        (pull.state, pull.head.as_str(), pull.title.as_str()),
        (Stands::Open, HEAD, "prod: update web to 1.5.0")
    );
    assert!(pull.body.contains("`1.4.0`") && pull.body.contains("<!-- tagboat: "), "{}", pull.body);
    assert!(pull.reviewers.iter().any(|name| name.contains("ada")), "{pull:?}");
    stage.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    assert_eq!(stage.only().updated, pull.updated);
}

/// For forges that take labels or reviewers after the opening alone.
pub(in crate::forge) async fn what_was_done_is_looked_for_before_it_is_done_again(kind: Kind, paths: &[&'static str]) {
    for path in paths {
        // The answer is lost; it is lost, and so is what is asked about it, until the next pass.
        for is_looked_for_later in [false, true] {
            let config = "    reviewers: [ada, acme/sre]\npullRequest: {labels: [images]}\n";
            let stage = Stage::new(kind, config);
            stage.store.trap("POST", path, Fault::Lost);
            if is_looked_for_later {
                for _ in 0..3 {
                    stage.store.trap("GET", "/pulls/1", Fault::Before(502));
                }
            }
            stage.acts(8).await;
            stage.acts(9).await;
            let is_it = |line: &&String| line.starts_with("POST ") && line.ends_with(path);
            let sent = stage.store.requests().iter().filter(is_it).count();
            assert_eq!(sent, 1, "{path}, later: {is_looked_for_later}");
            let pull = stage.only();
            assert_eq!((pull.reviewers.len(), pull.labels.len()), (2, 1), "{pull:?}");
            assert!(!pull.body.contains("unfinished"), "{}", pull.body);
        }
    }
}

/// For forges that are asked for reviews once a pull request stands.
pub(in crate::forge) async fn who_cannot_be_asked_to_review_keeps_nobody_else_from_it(kind: Kind, status: &str) {
    for (reviewers, asked) in [("ada, left, acme/sre, gone", 2), ("left", 0), ("gone, left", 0)] {
        let stage = Stage::new(kind, &format!("    reviewers: [{reviewers}]\n"));
        stage.store.kept().outsiders = vec!["left", "gone"];
        let (action, reason) = stage.pass(8).await;
        assert_eq!(action, Some(Action::Opened), "{reason}");
        for name in ["left", "gone"] {
            let is_told = reason.contains(&format!("not asked to review: {name} (")) && reason.contains(status);
            assert_eq!(is_told, reviewers.contains(name), "{reason}");
        }
        assert!(!reason.contains("ada") && !reason.contains("acme/sre"), "{reason}");
        let pull = stage.only();
        assert_eq!(pull.reviewers.len(), asked, "{pull:?}");
        assert!(!pull.body.contains("unfinished"), "{}", pull.body);
        stage.requests();
        assert_eq!(stage.acts(9).await, Some(Action::Unchanged));
        assert_eq!(stage.requests().1, Vec::<String>::new());
    }
}

pub(in crate::forge) async fn takes_something_newer_into_the_same_one(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let first = stage.only();
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let second = stage.only();
    assert_ne!(second.sha, first.sha);
    assert_eq!((second.title.as_str(), second.state), ("prod: update web to 1.6.0", Stands::Open));
    let place = |version: &str| format!("This takes the place of `web at {version}`, which was proposed here before.");
    assert!(!first.body.contains("takes the place") && second.body.contains(&place("1.5.0")), "{}", second.body);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    stage.list(&["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    assert_eq!(stage.acts(11).await, Some(Action::Updated));
    let third = stage.only().body;
    assert!(third.contains(&place("1.6.0")) && third.matches("takes the place").count() == 1, "{third}");
    assert_eq!(stage.acts(12).await, Some(Action::Unchanged));
}

pub(in crate::forge) async fn what_joins_a_group_is_closed_and_names_what_replaces_it(kind: Kind) {
    let stage = Stage::new(kind, PLAIN).with_two();
    stage.outcome("mirror", 8).await;
    assert_eq!(stage.states(), [Stands::Open, Stands::Open]);
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let grouped = format!("{config}groups:\n  - name: shop\n    images: [ghcr.io/acme/*]\n");
    stage.push("main", ".tagboat.yaml", &grouped);
    stage.outcome("mirror", 9).await;
    let pulls = stage.pulls();
    assert_eq!(stage.states(), [Stands::Closed, Stands::Closed, Stands::Open]);
    assert_eq!(pulls[2].head, "tagboat/prod/shop");
    for closed in &pulls[..2] {
        assert_eq!(
            closed.comments,
            ["Another pull request takes the place of this one: `prod: update shop (2 images)`, from the branch \
                 `tagboat/prod/shop`."]
        );
    }
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    assert_eq!(stage.states().len(), 3);
}

pub(in crate::forge) async fn what_leaves_a_group_is_closed_and_names_all_that_replaces_it(kind: Kind) {
    let stage = Stage::new(kind, PLAIN).with_two();
    let alone = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    let grouped = format!("{alone}groups:\n  - name: shop\n    images: [ghcr.io/acme/*]\n");
    stage.push("main", ".tagboat.yaml", &grouped);
    stage.outcome("mirror", 8).await;
    assert_eq!(stage.states(), [Stands::Open]);
    stage.push("main", ".tagboat.yaml", &alone);
    // One of the two cannot be opened: until both stand, what brings both stays.
    stage.store.trap("POST", kind.opening, Fault::Before(422));
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Open, Stands::Open]);
    let outcome = stage.outcome("mirror", 10).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open, Stands::Open], "{:#?}", outcome.proposals);
    let comments = stage.pulls()[0].comments.clone();
    let named =
        |name: &str| format!("- `prod: update {name} to 1.5.0`, from the branch `tagboat/prod/ghcr.io-acme-{name}`");
    let all = format!("Other pull requests take the place of this one:\n\n{}\n{}", named("web"), named("worker"));
    assert_eq!(comments, [all]);
    assert!(outcome.proposals.iter().any(|one| one.reason.as_deref().unwrap_or_default().ends_with("take its place")));
}

/// Git keeps files of such names for itself, and takes no branch that ends so.
pub(in crate::forge) async fn an_image_that_is_called_as_a_lock_of_git_s_is_proposed(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.list(&["1.4.0"]);
    // As long as a name may be, which no file's name is with `.lock` behind.
    let long = "a".repeat(255 - "ghcr.io/acme/".len());
    for (at, name) in ["api.lock", "api-lock", "job.lock", &long].into_iter().enumerate() {
        let image = format!("ghcr.io/acme/{name}");
        stage.tags.set(&image, ["1.4.0", "1.5.0"]);
        stage.push("main", &format!("prod/{at}.yaml"), &manifest("1.4.0").replace(WEB, &image));
    }
    let outcome = stage.outcome("mirror", 8).await;
    assert_eq!(stage.states(), [Stands::Open; 4], "{:#?}", outcome.proposals);
    let heads: BTreeSet<String> = stage.pulls().into_iter().map(|pull| pull.head).collect();
    assert!(heads.len() == 4 && heads.contains("tagboat/prod/ghcr.io-acme-job-lock"), "{heads:?}");
    stage.requests();
    stage.outcome("mirror", 9).await;
    assert!(stage.requests().1.is_empty() && stage.states() == [Stands::Open; 4]);
}

/// What brings an image about which nothing is known now stays, whatever its group, its environment or their branch is called by now.
pub(in crate::forge) async fn what_cannot_be_asked_about_stays_under_its_former_name(kind: Kind) {
    const GROUP: &str = "groups: [{name: shop, images: [ghcr.io/acme/*]}]\n";
    let changes: [(&str, &str, &str); 5] = [
        ("joins a group", "", GROUP),
        ("leaves a group", GROUP, ""),
        ("renamed group", GROUP, "groups: [{name: store, images: [ghcr.io/acme/*]}]\n"),
        ("renamed environment", "", "live"),
        ("another branch", "", "    branch: live\n"),
    ];
    for (what, first, then) in changes {
        let stage = Stage::new(kind, PLAIN);
        stage.store.repository.git(&["branch", "live", "main"]);
        let plain = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
        if !first.is_empty() {
            stage.reword(|_| format!("{plain}{first}"));
        }
        stage.acts(8).await;
        let before = stage.only();
        stage.reword(|_| match then {
            "live" => plain.replace("name: prod", "name: live"),
            _ => format!("{plain}{then}"),
        });
        stage.tags.break_image(WEB, "the registry is down");
        let outcome = stage.outcome("mirror", 9).await;
        let only = stage.only();
        assert_eq!((only.state, only.comments.len()), (Stands::Open, 0), "{what}: {:#?}", outcome.proposals);
        assert_eq!(stage.store.at(&before.head), Some(before.sha), "{what}");
        stage.tags.mend_image(WEB);
        stage.outcome("mirror", 10).await;
        assert_eq!(stage.states(), [Stands::Closed, Stands::Open], "{what}");
    }
}

/// What takes the place of one that has to be closed first cannot be opened: that it was closed is said.
pub(in crate::forge) async fn what_was_closed_first_is_said_where_the_opening_fails(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.store.repository.git(&["branch", "live", "main"]);
    stage.acts(8).await;
    stage.reword(|config| format!("{config}    branch: live\n"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    stage.store.repository.hook("update", "#!/bin/sh\necho 'quota exceeded' >&2; exit 1\n");
    let (action, reason) = stage.pass(9).await;
    assert_eq!((action, stage.states()), (Some(Action::Failed), vec![Stands::Closed]), "{reason}");
    assert!(reason.ends_with("; #1 into main was closed before that"), "{reason}");
    stage.store.repository.hook("update", "#!/bin/sh\n");
    stage.acts(10).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
}

/// A list that has lost what it had is told to be doubtful; what runs by now is known without any list, and so is that a tag was removed
/// where nothing else is missing.
pub(in crate::forge) async fn a_list_that_has_lost_what_ran_keeps_nothing_that_runs_by_now(kind: Kind) {
    for is_lost in [true, false] {
        let mut stage = Stage::new(kind, PLAIN);
        stage.cache = Some(stage.scratch.path("cache.db"));
        stage.acts(8).await;
        if is_lost {
            stage.list(&[]);
            stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
        } else {
            stage.list(&["1.4.0"]);
        }
        let outcome = stage.outcome("mirror", 9).await;
        let is_told =
            outcome.skipped.iter().any(|row| row.reason.contains("the registry's list went from 2 tags to 0"));
        assert_eq!((is_told, stage.states()), (is_lost, vec![Stands::Closed]), "{:#?}", outcome.skipped);
    }
}

/// Its group is no more: what comes alone takes the place of it, though another one of its images cannot be asked about.
pub(in crate::forge) async fn what_comes_alone_stands_in_no_group_that_is_no_more(kind: Kind) {
    let stage = Stage::new(kind, PLAIN).with_two();
    let group = "groups: [{name: shop, images: [ghcr.io/acme/*]}]\n";
    stage.reword(|config| format!("{config}{group}"));
    stage.acts(8).await;
    assert_eq!(stage.only().head, "tagboat/prod/shop");
    stage.reword(|config| config.replace(group, ""));
    stage.tags.break_image("ghcr.io/acme/worker", "the registry is down");
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
    assert_eq!(stage.pulls()[1].head, HEAD);
}

pub(in crate::forge) async fn rewrites_the_body_when_a_gate_opens(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    stage.acts(8).await;
    let closed = stage.only();
    assert!(closed.body.contains("- [ ] `windows`"), "{}", closed.body);
    let statuses = || -> Vec<(String, String)> {
        let kept = stage.store.kept();
        kept.checks.iter().map(|row| (row.name.clone(), row.word.clone())).collect()
    };
    let waiting = ("tagboat/windows".to_owned(), kind.statuses[1].to_owned());
    assert_eq!(statuses(), std::slice::from_ref(&waiting));
    stage.acts(8).await;
    assert_eq!(statuses(), std::slice::from_ref(&waiting), "said once");
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    assert_eq!(statuses(), [waiting, ("tagboat/windows".to_owned(), kind.statuses[0].to_owned())]);
    let open = stage.only();
    assert!(open.body.contains("- [x] `windows`"), "{}", open.body);
    assert_eq!((open.sha, open.state), (closed.sha, Stands::Open));
}

pub(in crate::forge) async fn closes_what_became_unnecessary_and_says_why(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    assert_eq!(stage.acts(9).await, Some(Action::Closed));
    let pull = stage.only();
    assert_eq!((pull.state, pull.comments.len()), (Stands::Closed, 1));
    assert_eq!(stage.store.at(HEAD), None, "its branch is gone");
    assert_eq!(stage.acts(10).await, None);
    stage.push("main", "prod/web.yaml", &manifest("1.4.0 # back"));
    stage.push("main", "prod/web.yaml", &manifest("1.4.0"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(11).await, Some(Action::Opened), "what Tagboat closed by itself nobody has refused");
}

pub(in crate::forge) async fn what_is_to_be_replaced_stays_until_the_other_one_stands(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let before = stage.only();
    stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0"]);
    stage.push("main", "prod/api.yaml", &manifest("1.0.0").replace("acme/web", "acme/api"));
    stage.reword(|config| format!("{config}groups: [{{name: shop, images: [ghcr.io/acme/web, ghcr.io/acme/api]}}]\n"));
    stage.store.trap("POST", kind.opening, Fault::Before(503));
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
    let pull = stage.only();
    assert_eq!((pull.state, pull.comments.len(), &pull.body), (Stands::Open, 0, &before.body));
    assert_eq!(stage.store.at(HEAD), Some(before.sha), "nothing of it is gone");
    let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
    assert!(said.contains(&"tagboat/prod/shop is to take its place, and does not stand yet"), "{said:?}");
    stage.outcome("mirror", 10).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
}

pub(in crate::forge) async fn what_is_not_known_stays_open_under_a_group_of_another_name(kind: Kind) {
    for broken in ["ghcr.io/acme/web", "ghcr.io/acme/api"] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        let before = stage.only();
        stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0"]);
        stage.push("main", "prod/api.yaml", &manifest("1.0.0").replace("acme/web", "acme/api"));
        stage.reword(|config| {
            format!("{config}groups: [{{name: shop, images: [ghcr.io/acme/web, ghcr.io/acme/api]}}]\n")
        });
        stage.tags.break_image(broken, "answered 500");
        stage.outcome("mirror", 9).await;
        let pull = stage.only();
        assert_eq!((pull.state, pull.comments.len()), (Stands::Open, 0), "{broken}");
        assert_eq!(stage.store.at(HEAD), Some(before.sha), "{broken}");
        stage.tags.mend_image(broken);
        stage.outcome("mirror", 10).await;
        assert_eq!(stage.states(), [Stands::Closed, Stands::Open], "{broken}");
    }
}

pub(in crate::forge) async fn a_list_that_has_lost_what_runs_closes_nothing(kind: Kind) {
    let mut stage = Stage::new(kind, PLAIN);
    stage.cache = Some(stage.scratch.path("cache.db"));
    stage.acts(8).await;
    stage.list(&[]);
    let outcome = stage.outcome("mirror", 9).await;
    assert!(outcome.skipped.iter().any(|row| row.reason.contains("went from 2 tags to 0")), "{:?}", outcome.skipped);
    assert_eq!((stage.only().state, stage.store.at(HEAD).is_some()), (Stands::Open, true));
    stage.list(&["1.4.0", "1.5.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
}

pub(in crate::forge) async fn closes_what_is_held_and_says_by_whom_why_and_how_that_ends(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let long = format!("it leaks, see @ada and fixes #12; {}", "and so on, ".repeat(100));
    let hold = |rest: &str| {
        let text =
            format!("version: 1\nholds:\n  - image: {WEB}\n    tag: 1.5.0\n    by: Ada <ada@acme.example>\n{rest}");
        stage.push("main", ".tagboat/holds.yaml", &text);
    };
    hold(&format!("    environment: prod\n    reason: {long:?}\n"));
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::Closed));
    assert!(reason.starts_with("ghcr.io/acme/web:1.5.0 is held: Ada "), "{reason}");
    let pull = stage.only();
    assert_eq!((pull.state, pull.comments.len()), (Stands::Closed, 1));
    let comment = &pull.comments[0];
    let begin = "This is not wanted while `ghcr.io/acme/web:1.5.0` is held: Ada";
    assert!(comment.starts_with(begin) && comment.contains("it leaks, see"), "{comment}");
    assert!(!comment.contains("@ada ") && !comment.contains("fixes #12"), "nothing of it is an order: {comment}");
    assert!(comment.len() < 1_000 && comment.contains('…'), "{comment}");
    let release = "To release it: `tagboat release ghcr.io/acme/web:1.5.0 --environment prod`, or take its entry out of \
                   `.tagboat/holds.yaml` of the base branch.";
    assert!(comment.contains(release), "{comment}");
    assert_eq!(stage.acts(10).await, None);
    stage.push("main", ".tagboat/holds.yaml", "version: 1\nholds: []\n");
    assert_eq!(stage.acts(11).await, Some(Action::Opened), "once it is released it comes again");
}

pub(in crate::forge) async fn a_look_writes_nothing_into_the_mirror(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.acts(9).await;
    let objects = || crate::support::repository::contents(&stage.scratch.path("mirror/objects"));
    let before = objects();
    assert!(!before.is_empty());
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    stage.outcome_of(Mode::DryRun, "mirror", 11).await;
    assert!(objects() == before, "a head is judged in memory");
}

pub(in crate::forge) async fn a_base_that_moved_elsewhere_burns_no_checks_unless_asked_for(kind: Kind) {
    for (config, action) in [(PLAIN, Action::Unchanged), ("pullRequest: {rebase: always}\n", Action::Updated)] {
        let stage = Stage::new(kind, config);
        stage.acts(8).await;
        let before = stage.only();
        stage.push("main", "readme", "moved");
        assert_eq!(stage.acts(9).await, Some(action), "{config}");
        let after = stage.only();
        assert_eq!((before.sha == after.sha, after.number), (action == Action::Unchanged, 1));
        assert_eq!(stage.acts(10).await, Some(Action::Unchanged), "{config}");
    }
}

/// The place of one that is closed is that of what takes its place, and not of what came first.
pub(in crate::forge) async fn what_is_to_be_replaced_leaves_its_turn_to_what_takes_its_place(kind: Kind) {
    let stage = Stage::new(kind, "    maxOpen: 1\n").with_two();
    stage.acts(8).await;
    assert_eq!(stage.only().head, HEAD);
    let image = "ghcr.io/acme/db";
    stage.tags.set(image, ["1.4.0", "1.5.0"]);
    stage.push("main", "prod/db.yaml", &manifest("1.4.0").replace(WEB, image));
    stage.reword(|config| {
        format!("{config}groups: [{{name: shop, images: [ghcr.io/acme/web, ghcr.io/acme/worker]}}]\n")
    });
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open], "{:#?}", outcome.proposals);
    assert_eq!(stage.pulls()[1].head, "tagboat/prod/shop");
    // Where there is no place for it, what it is to replace stays.
    let stage = Stage::new(kind, "    maxOpen: 2\n").with_two();
    stage.outcome("mirror", 8).await;
    assert_eq!(stage.states(), [Stands::Open; 2]);
    stage.tags.set(image, ["1.4.0", "1.5.0"]);
    stage.push("main", "prod/db.yaml", &manifest("1.4.0").replace(WEB, image));
    stage.reword(|config| {
        let config = config.replace("maxOpen: 2", "maxOpen: 1");
        format!("{config}groups: [{{name: shop, images: [ghcr.io/acme/web, ghcr.io/acme/db]}}]\n")
    });
    for hour in [9, 10] {
        let outcome = stage.outcome("mirror", hour).await;
        let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
        assert_eq!(stage.states(), [Stands::Open; 2], "{said:?}");
        assert!(said.contains(&"tagboat/prod/shop is to take its place, and does not stand yet"), "{said:?}");
    }
    stage.store.merge(2).unwrap();
    stage.outcome("mirror", 11).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Merged, Stands::Open]);
}

pub(in crate::forge) async fn counts_what_is_open_whoever_has_it_in_hand(kind: Kind) {
    const WORKER: &str = "ghcr.io/acme/worker";
    for what in ["held", "pushed to", "not known", "unnecessary"] {
        let stage = Stage::new(kind, "    maxOpen: 1\n").with_two();
        stage.tags.set(WORKER, ["1.4.0"]);
        assert_eq!(stage.acts(8).await, Some(Action::Opened));
        match what {
            "held" => stage.label(1, "tagboat/hold"),
            "pushed to" => stage.push(HEAD, "notes", "mine"),
            "not known" => stage.tags.break_image(WEB, "the registry is down"),
            _ => {}
        }
        if what != "not known" {
            stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
        }
        stage.tags.set(WORKER, ["1.4.0", "1.5.0"]);
        let outcome = stage.outcome("mirror", 9).await;
        let worker = outcome.proposals.iter().find(|one| one.group == "ghcr.io-acme-worker").unwrap();
        if what == "unnecessary" {
            assert_eq!((worker.action, stage.states()), (Action::Opened, vec![Stands::Closed, Stands::Open]));
            continue;
        }
        assert_eq!((worker.action, stage.states()), (Action::Waiting, vec![Stands::Open]), "{what}");
        assert_eq!(worker.reason.as_deref(), Some("1 pull request of prod is open, and `maxOpen` is 1"), "{what}");
        stage.store.change(1, |pull| pull.state = Stands::Closed);
        let outcome = stage.outcome("mirror", 10).await;
        assert!(outcome.proposals.iter().any(|one| one.action == Action::Opened), "{what} {:#?}", outcome.proposals);
    }
}
