//! What people do with a pull request: close it, label it, push to it, reopen it.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, GATED, HEAD, Kind, PLAIN, Stage, manifest};
use crate::support::forge::{Fault, Stands};

pub(in crate::forge) async fn heeds_a_person_who_closed_it_until_something_newer_comes(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("closed by a person"), "{reason}");
    assert_eq!(stage.states(), [Stands::Closed]);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
}

pub(in crate::forge) async fn opens_again_what_a_person_labels_for_a_retry(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(9).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    assert_eq!(stage.states().len(), 2);
}

pub(in crate::forge) async fn takes_up_again_what_a_person_reopened(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.acts(9).await;
    stage.store.change(1, |pull| pull.state = Stands::Open);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Updated));
    assert_eq!(stage.only().title, "prod: update web to 1.6.0");
}

pub(in crate::forge) async fn merges_what_a_person_closed_and_opened_again(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.close(1);
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    assert_eq!(stage.runs(), "1.4.0");
    stage.store.change(1, |pull| pull.state = Stands::Open);
    assert_eq!(stage.acts(10).await, Some(Action::Merged));
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Merged], "1.5.0".to_owned()));
}

pub(in crate::forge) async fn leaves_alone_what_a_person_pushed_to(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.push(HEAD, "prod/web.yaml", &manifest("1.5.0-ours"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let before = stage.only();
    // What it says is said once, by two at once, and after an answer that was lost.
    stage.store.trap("POST", kind.commenting, Fault::Lost);
    tokio::join!(stage.outcome("mirror", 9), stage.outcome("other", 9));
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("somebody else has pushed"), "{reason}");
    let after = stage.only();
    assert_eq!((&after.sha, stage.runs()), (&before.sha, "1.4.0".to_owned()));
    assert_eq!(after.comments.len(), 1, "{after:?}");
    assert!(after.comments[0].contains("Somebody else has pushed to this branch"), "{after:?}");
    stage.requests();
    assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    // Its branch holds Tagboat's commit alone again.
    stage.store.repository.git(&["update-ref", &format!("refs/heads/{HEAD}"), &format!("{HEAD}~1")]);
    assert_eq!(stage.acts(11).await, Some(Action::Updated));
    stage.push(HEAD, "prod/web.yaml", &manifest("1.6.0-ours"));
    assert_eq!(stage.acts(12).await, Some(Action::LeftAlone));
    assert_eq!(stage.only().comments.len(), 1, "the same is not said again");
}

pub(in crate::forge) async fn answers_who_asks_by_a_label_for_what_somebody_has_pushed_to(kind: Kind) {
    for label in ["Tagboat/Rebase", "tagboat/retry"] {
        for is_wanted in [true, false] {
            let stage = Stage::new(kind, AUTO);
            stage.acts(8).await;
            let made = stage.only().sha;
            stage.push(HEAD, "notes", "mine");
            if !is_wanted {
                stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
            }
            // Asked before anything was said: the one answer says all of it.
            stage.label(1, label);
            for hour in [9, 10] {
                assert_eq!(stage.acts(hour).await, Some(Action::LeftAlone));
                let only = stage.only();
                assert_eq!((only.comments.len(), only.labels.len()), (1, 0), "{only:?}");
                assert!(only.comments[0].contains("it is theirs"), "{only:?}");
            }
            // Asked again, also where the answer is lost.
            stage.label(1, label);
            stage.store.trap("POST", kind.commenting, Fault::Lost);
            for hour in [11, 12, 13] {
                stage.acts(hour).await;
            }
            let only = stage.only();
            assert_eq!((only.comments.len(), only.labels.len()), (2, 0), "{only:?}");
            let said = &only.comments[1];
            assert!(said.starts_with("What the label asks for is not done: somebody else has pushed"), "{said}");
            stage.requests();
            assert_eq!(stage.acts(14).await, Some(Action::LeftAlone));
            assert!(stage.requests().1.is_empty());
            assert_ne!(stage.store.at(HEAD).as_deref(), Some(made.as_str()), "what they did stands");
            if !is_wanted {
                continue;
            }
            // What the answer says helps.
            stage.close(1);
            stage.store.repository.git(&["update-ref", "-d", &format!("refs/heads/{HEAD}")]);
            stage.label(1, "tagboat/retry");
            assert_eq!(stage.acts(15).await, Some(Action::Opened));
        }
    }
}

/// Tagboat's own commit on top of somebody's: by that alone the branch is not its own.
pub(in crate::forge) async fn leaves_alone_what_lies_beneath_its_own_commit(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let made = git(&["cat-file", "commit", HEAD]);
    let person = git(&["commit-tree", "main^{tree}", "-p", "main", "-m", "Precious"]);
    for several in [1, 40] {
        let mut below = person.clone();
        for number in 1..several {
            below = git(&["commit-tree", "main^{tree}", "-p", &below, "-m", &format!("Precious {number}")]);
        }
        let parent = git(&["rev-parse", "main"]);
        let text = made.replacen(&format!("parent {parent}"), &format!("parent {below}"), 1);
        let file = stage.scratch.path("commit");
        std::fs::write(&file, format!("{text}\n")).unwrap();
        let on_top = git(&["hash-object", "-t", "commit", "-w", &file.display().to_string()]);
        git(&["update-ref", &format!("refs/heads/{HEAD}"), &on_top]);
        stage.check("build", kind.words[0]);
        // Both what stands and what is newer: nothing of somebody's is merged, and nothing overwritten.
        for tags in [["1.4.0", "1.5.0"], ["1.4.0", "1.6.0"]] {
            stage.list(&tags);
            let (action, reason) = stage.pass(9).await;
            assert!(action == Some(Action::LeftAlone) && reason.contains("somebody else has pushed"), "{reason}");
            assert_eq!((stage.only().sha, stage.runs()), (on_top.clone(), "1.4.0".to_owned()));
        }
    }
}

/// Where the base itself was moved by force, what a head stood on is nobody's work on that branch.
pub(in crate::forge) async fn makes_anew_a_head_whose_base_was_moved_by_force(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.push("main", "readme", "one");
    stage.acts(8).await;
    let before = stage.only().sha;
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let other = git(&["commit-tree", "main~1^{tree}", "-p", "main~1", "-m", "Another line"]);
    git(&["update-ref", "refs/heads/main", &other]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let after = stage.only().sha;
    assert_ne!(after, before);
    assert_eq!(git(&["rev-parse", &format!("{after}~1")]), other);
}

pub(in crate::forge) async fn says_that_it_leaves_alone_what_nobody_wants_any_more(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.push(HEAD, "notes", "mine");
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    for hour in [9, 10] {
        stage.requests();
        let (action, reason) = stage.pass(hour).await;
        assert_eq!(action, Some(Action::LeftAlone));
        assert!(
            reason.contains("somebody else has pushed") && reason.contains("nothing is left to propose"),
            "{reason}"
        );
        let pull = stage.only();
        assert_eq!((pull.state, pull.comments.len()), (Stands::Open, 1), "{pull:?}");
        assert!(pull.comments[0].contains("it is theirs"), "{pull:?}");
    }
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "said once: {count} {writes:?}");
    // Held, it is the label that says why; without the hidden line, its absence.
    stage.label(1, "tagboat/hold");
    assert!(stage.pass(11).await.1.contains("`tagboat/hold`"));
    stage.store.change(1, |pull| pull.labels.clear());
    stage.store.repository.git(&["update-ref", &format!("refs/heads/{HEAD}"), &format!("{HEAD}~1")]);
    stage.store.change(1, |pull| pull.body = "mine".to_owned());
    let (action, reason) = stage.pass(12).await;
    assert!(action == Some(Action::LeftAlone) && reason.contains("hidden line"), "{reason}");
    // A branch that nobody asks to merge is a person's own.
    stage.push(HEAD, "notes", "mine");
    stage.close(1);
    assert_eq!(stage.acts(13).await, None);
}

pub(in crate::forge) async fn a_comment_that_is_refused_holds_nothing_up(kind: Kind) {
    let becomes_unnecessary = |stage: &Stage| stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    let is_pushed_to = |stage: &Stage| stage.push(HEAD, "notes", "mine");
    for status in [403, 422] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        becomes_unnecessary(&stage);
        stage.store.trap("POST", kind.commenting, Fault::Before(status));
        let (action, reason) = stage.pass(9).await;
        assert_eq!(action, Some(Action::Closed));
        assert!(reason.contains("the comment that says so was refused"), "{reason}");
        assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Closed], None));

        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        is_pushed_to(&stage);
        stage.store.trap("POST", kind.commenting, Fault::Before(status));
        let (action, reason) = stage.pass(9).await;
        assert_eq!(action, Some(Action::LeftAlone));
        assert!(reason.contains("somebody else has pushed") && reason.contains("was refused"), "{reason}");
        stage.requests();
        assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
        assert_eq!((stage.requests().1, stage.only().comments.len()), (Vec::new(), 0));
    }
}

pub(in crate::forge) async fn a_comment_whose_answer_is_lost_is_said_by_the_next_pass(kind: Kind) {
    for fault in [Fault::Before(502), Fault::Limited, Fault::After(502), Fault::Lost] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
        stage.store.trap("POST", kind.commenting, fault);
        assert_eq!(stage.acts(9).await, Some(Action::Failed));
        assert_eq!(stage.states(), [Stands::Open], "nothing is closed without a word");
        assert_eq!(stage.acts(10).await, Some(Action::Closed));
        assert_eq!(stage.only().comments.len(), 1, "{fault:?}");

        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        stage.push(HEAD, "notes", "mine");
        stage.store.trap("POST", kind.commenting, fault);
        let (action, reason) = stage.pass(9).await;
        assert!(action == Some(Action::LeftAlone) && reason.contains("could not be said on it so far"), "{reason}");
        assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
        assert_eq!(stage.only().comments.len(), 1, "{fault:?}");
    }
}

pub(in crate::forge) async fn a_status_that_is_refused_holds_nothing_up(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    stage.store.trap("POST", "/statuses/", Fault::Before(403));
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Open]);
}

pub(in crate::forge) async fn leaves_alone_what_a_person_holds(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    for label in ["tagboat/hold", "Tagboat/Hold"] {
        stage.store.change(1, |pull| pull.labels = [label.to_owned()].into());
        let before = stage.only();
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        assert_eq!(stage.acts(9).await, Some(Action::LeftAlone), "{label}");
        assert_eq!(stage.only().updated, before.updated);
    }
}

pub(in crate::forge) async fn makes_anew_a_head_whose_message_somebody_changed(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    let made = stage.only().sha;
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let told = git(&["cat-file", "commit", &made]);
    assert!(told.contains("update web"), "{told}");
    let other = stage.scratch.path("other-words");
    std::fs::write(&other, told.replacen("update web", "ship web", 1) + "\n").unwrap();
    let spoofed = git(&["hash-object", "-t", "commit", "-w", &other.display().to_string()]);
    git(&["update-ref", &format!("refs/heads/{HEAD}"), &spoofed]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let told = git(&["cat-file", "commit", &stage.only().sha]);
    assert!(told.contains("update web") && stage.runs() == "1.4.0", "{told}");
}

/// The very commit under another name, as a forge makes it that brings a branch up to date by rebase.
pub(in crate::forge) async fn goes_on_with_its_own_commit_that_somebody_made_anew(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    let made = stage.commit(HEAD);
    stage.amend(|line| match line.strip_prefix("committer ") {
        Some(_) => "committer The Forge <noreply@forge.example> 1763625600 +0000".to_owned(),
        None => line.to_owned(),
    });
    assert_ne!(stage.commit(HEAD), made);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    assert!(stage.commit(HEAD).contains("committer Tagboat"), "{}", stage.commit(HEAD));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Updated));
    assert_eq!((stage.only().title.as_str(), stage.only().comments.len()), ("prod: update web to 1.6.0", 0));
}

/// Whoever gives the commits another author has pushed to none of them.
pub(in crate::forge) async fn goes_on_under_another_author(kind: Kind) {
    for style in ["{author: Ship Bot <ship@acme.example>}", "{committer: Ship Bot <ship@acme.example>}"] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        let first = stage.only();
        stage.reword(|config| format!("{config}commit: {style}\n"));
        assert_eq!(stage.acts(9).await, Some(Action::Unchanged), "what stands is right, and no check is burnt");
        assert_eq!(stage.only().sha, first.sha);
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        assert_eq!(stage.acts(10).await, Some(Action::Updated));
        assert!(stage.commit(HEAD).contains("committer Ship Bot <ship@acme.example>"));
        // Once more, and nothing of it is left to do.
        stage.reword(|config| config.replace("ship@", "boat@"));
        stage.push("main", "prod/web.yaml", &manifest("1.6.0"));
        stage.acts(11).await;
        assert_eq!(stage.states(), [Stands::Closed]);
        assert!(stage.only().comments[0].contains("is there already"), "{:?}", stage.only().comments);
    }
}

/// The same, where the environment takes commits from the same push on.
pub(in crate::forge) async fn commits_under_another_author_what_was_proposed_by_the_former_one(kind: Kind) {
    const OTHER: &str = "commit: {author: Ship Bot <ship@acme.example>}\n";
    for branch in ["", "    branch: env/live\n"] {
        for is_theirs in [false, true] {
            let stage = Stage::new(kind, branch);
            stage.store.repository.git(&["branch", "env/live", "main"]);
            stage.acts(8).await;
            if is_theirs {
                stage.push(HEAD, "notes", "mine\n");
            }
            stage.reword(|config| format!("{config}    publish: commit\n{OTHER}"));
            let runs = || {
                let ground = if branch.is_empty() { "main" } else { "env/live" };
                let text = String::from_utf8(stage.store.repository.show(ground, "prod/web.yaml")).unwrap();
                text.trim_end().rsplit(':').next().unwrap().to_owned()
            };
            let outcome = stage.outcome("mirror", 9).await;
            let expected = if is_theirs { "1.4.0" } else { "1.5.0" };
            assert_eq!((stage.states(), runs().as_str()), (vec![Stands::Open], expected), "{:#?}", outcome.proposals);
            stage.outcome("mirror", 10).await;
            let state = if is_theirs { Stands::Open } else { Stands::Closed };
            assert_eq!((stage.only().state, runs().as_str()), (state, expected), "{branch}");
            let comments = stage.only().comments;
            let said = if is_theirs { "it is theirs" } else { "is there already" };
            assert!(comments.len() == 1 && comments[0].contains(said), "{comments:?}");
        }
    }
}

/// The environment has another name now: what stood under the former one is closed, and names what takes its place.
pub(in crate::forge) async fn what_an_environment_left_that_was_renamed_names_what_takes_its_place(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.reword(|config| config.replace("name: prod", "name: live"));
    stage.acts(9).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
    let comment = stage.pulls()[0].comments[0].clone();
    assert!(comment.contains("takes the place of this one") && comment.contains("tagboat/live/"), "{comment}");
}
