//! What is merged, when, and by whom.

use tagboat::model::proposal::Action;
use tagboat::pass::run::Mode;

use crate::forge::scenarios::{AUTO, GATED, HEAD, Kind, PLAIN, Stage, WEB, manifest};
use crate::support::forge::{CheckRow, Deed, Fault, NOW, Protection, Stands};

pub(in crate::forge) async fn proposes_and_merges_on_the_branch_of_the_environment(kind: Kind) {
    let stage = Stage::new(kind, "    branch: live\n    publish: autoMerge\n");
    let repository = &stage.store.repository;
    repository.git(&["branch", "--quiet", "live", "main"]);
    let main = repository.tip("main");
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let pull = stage.only();
    assert_eq!((pull.base.as_str(), pull.head.as_str()), ("live", HEAD));
    assert_eq!(stage.acts(8).await, Some(Action::Unchanged));
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let live = String::from_utf8(repository.show("live", "prod/web.yaml")).unwrap();
    assert!(live.contains("1.5.0"), "{live}");
    assert_eq!(repository.tip("main"), main);
    assert_eq!(stage.acts(10).await, None, "nothing is left");
}

pub(in crate::forge) async fn waits_for_gates_and_checks_and_merges_the_head_that_was_judged(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    assert_eq!(stage.acts(8).await, Some(Action::Opened));
    let head = stage.only().sha;
    assert!(stage.pass(9).await.1.contains("no check has reported"));
    stage.check("build", kind.words[1]);
    assert!(stage.pass(9).await.1.contains("checks are not done: build"));
    assert_eq!(stage.runs(), "1.4.0");
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let pull = stage.only();
    assert_eq!((pull.state, pull.sha.as_str(), stage.runs()), (Stands::Merged, head.as_str(), "1.5.0".to_owned()));
    assert_eq!(stage.acts(9).await, None);
    assert_eq!(stage.states(), [Stands::Merged]);
}

pub(in crate::forge) async fn a_push_between_judging_and_merging_merges_nothing(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.trap(kind.merging.0, kind.merging.1, Fault::Before(409));
    assert_ne!(stage.acts(9).await, Some(Action::Merged));
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Open], "1.4.0".to_owned()));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(in crate::forge) async fn names_a_check_that_was_cancelled_and_merges_nothing(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("lint", kind.words[0]);
    stage.check("build", kind.words[2]);
    let reason = stage.pass(9).await.1;
    assert!(reason.contains(&format!("checks failed: build ({})", kind.words[2])), "{reason}");
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Open], "1.4.0".to_owned()));
}

pub(in crate::forge) async fn waits_while_somebody_asks_for_changes(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    let sha = stage.only().sha;
    let judge = |word: &str| {
        let review = ("ada".to_owned(), word.to_owned(), sha.clone());
        stage.store.change(1, |pull| pull.reviews.push(review));
    };
    judge(kind.reviews[1]);
    assert!(stage.pass(9).await.1.contains("ada"));
    assert_eq!(stage.states(), [Stands::Open]);
    judge(kind.reviews[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(in crate::forge) async fn waits_while_the_forge_does_not_know_whether_it_can_be_merged(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.kept().unknown = 1;
    assert_ne!(stage.acts(9).await, Some(Action::Merged));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(in crate::forge) async fn a_head_that_is_behind_is_made_anew_where_the_base_wants_it(kind: Kind) {
    for (config, is_anew) in [("", true), ("pullRequest: {rebase: conflict}\n", false)] {
        let stage = Stage::new(kind, &format!("{AUTO}{config}"));
        stage.store.kept().protection.strict = true;
        stage.acts(8).await;
        let before = stage.only();
        stage.check("build", kind.words[0]);
        stage.push("main", "readme", "moved");
        let (action, reason) = stage.pass(9).await;
        assert_eq!(stage.runs(), "1.4.0");
        if is_anew {
            assert_eq!(action, Some(Action::Updated));
            assert!(reason.contains("up to date") && stage.only().sha != before.sha, "{reason}");
            stage.check("build", kind.words[0]);
            assert_eq!(stage.acts(10).await, Some(Action::Merged));
        } else {
            assert!(reason.contains("behind") && stage.only().sha == before.sha, "{reason}");
        }
    }
}

/// Where only what stands on the tip is merged, the first leaves the second behind.
pub(in crate::forge) async fn what_a_merge_leaves_behind_is_made_anew_once_and_on_top_of_it(kind: Kind) {
    let stage = Stage::new(kind, AUTO).with_two();
    stage.store.kept().protection.strict = true;
    stage.outcome("mirror", 8).await;
    let passes = |number: usize| {
        let (sha, name, word) = (stage.pulls()[number].sha.clone(), "build".to_owned(), kind.words[0].to_owned());
        stage.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: true });
    };
    (0..2).for_each(passes);
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Merged, Stands::Open]);
    stage.outcome("mirror", 10).await;
    let second = stage.pulls().remove(1);
    let parent = stage.store.repository.git(&["rev-parse", &format!("{}^", second.sha)]);
    assert_eq!(Some(parent), stage.store.repository.at("main"));
    passes(1);
    stage.outcome("mirror", 11).await;
    assert_eq!((stage.states(), stage.pulls()[1].sha.clone()), (vec![Stands::Merged; 2], second.sha));
}

const TWO: &str = "ghcr.io/acme/worker";

impl Stage {
    /// Runs a pass, or looks what it would do; what it says of each proposal.
    async fn rows(&self, mode: Mode, hour: u32) -> Vec<(Action, String)> {
        let outcome = self.outcome_of(mode, "mirror", hour).await;
        outcome.proposals.into_iter().map(|one| (one.action, one.reason.unwrap_or_default())).collect()
    }

    /// Adds a second image to the environment.
    pub(in crate::forge) fn with_two(self) -> Self {
        let text = format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {TWO}:1.4.0\n");
        self.push("main", "prod/worker.yaml", &text);
        self.tags.set(TWO, ["1.4.0", "1.5.0"]);
        self
    }
}

pub(in crate::forge) async fn pull_requests_beyond_the_limit_wait_for_their_turn(kind: Kind) {
    let stage = Stage::new(kind, "    maxOpen: 1\n").with_two();
    let outcome = stage.outcome("mirror", 8).await;
    let actions: Vec<Action> = outcome.proposals.iter().map(|proposal| proposal.action).collect();
    assert_eq!(actions, [Action::Opened, Action::Waiting]);
    let reason = outcome.proposals[1].reason.clone().unwrap();
    assert_eq!(reason, "1 pull request of prod is open, and `maxOpen` is 1");
    assert_eq!(stage.states(), [Stands::Open]);
    assert_eq!(stage.outcome("mirror", 9).await.proposals[1].action, Action::Waiting);
    stage.close(1);
    assert_eq!(stage.outcome("mirror", 10).await.proposals[1].action, Action::Opened);
}

pub(in crate::forge) async fn several_that_touch_different_files_merge_in_one_pass(kind: Kind) {
    let stage = Stage::new(kind, AUTO).with_two();
    stage.outcome("mirror", 8).await;
    for pull in stage.pulls() {
        stage.check_at(pull.sha, "build", kind.words[0]);
    }
    assert_eq!(stage.rows(Mode::DryRun, 9).await, [(Action::Merged, String::new()), (Action::Merged, String::new())]);
    let outcome = stage.outcome("mirror", 9).await;
    let merged = outcome.proposals.iter().filter(|proposal| proposal.action == Action::Merged).count();
    assert_eq!((merged, stage.states()), (2, vec![Stands::Merged, Stands::Merged]));
}

/// Whatever is merged first leaves the others behind.
pub(in crate::forge) async fn a_look_says_what_is_merged_where_the_base_must_be_up_to_date(kind: Kind) {
    const DB: &str = "ghcr.io/acme/db";
    for (config, is_told) in [("", true), ("pullRequest: {rebase: conflict}\n", true), ("", false)] {
        let stage = Stage::new(kind, &format!("{AUTO}{config}")).with_two();
        stage.push("main", "prod/db.yaml", &manifest("1.4.0").replace(WEB, DB));
        stage.tags.set(DB, ["1.4.0", "1.5.0"]);
        // Administrators alone are told of the classic protection of GitHub.
        if !is_told && !kind.below.is_empty() {
            continue;
        }
        let build = vec!["build".to_owned()];
        let (required, ruled) = if is_told { (Vec::new(), build) } else { (build, Vec::new()) };
        stage.store.kept().protection = Protection { strict: true, required, ruled, ..Protection::default() };
        stage.outcome("mirror", 8).await;
        for pull in stage.pulls() {
            stage.check_at(pull.sha, "build", kind.words[0]);
        }
        let before = stage.pulls();
        let looked = stage.rows(Mode::DryRun, 9).await;
        let done = stage.rows(Mode::Act, 9).await;
        let after = stage.pulls();
        let foreseen = if !is_told {
            assert!(looked[0].1.is_empty(), "{looked:?}");
            let may_be = |row: &(Action, String)| row.1.contains("should the base have to be up to date");
            assert!(looked[1..].iter().all(may_be), "{looked:?}");
            [Action::Merged; 3]
        } else if config.is_empty() {
            assert_eq!(looked[2], done[2], "{looked:?} {done:?}");
            [Action::Merged, Action::Updated, Action::Unchanged]
        } else {
            let is_behind = |row: &(Action, String)| row.1.contains("behind");
            assert!(looked[1..].iter().chain(&done[1..]).all(is_behind), "{looked:?} {done:?}");
            [Action::Merged, Action::Unchanged, Action::Unchanged]
        };
        assert_eq!(looked.iter().map(|row| row.0).collect::<Vec<_>>(), foreseen, "{looked:?}");
        // The rounds of one pass make one of them anew.
        let states: Vec<Stands> = after.iter().map(|pull| pull.state).collect();
        assert_eq!(states, [Stands::Merged, Stands::Open, Stands::Open], "{done:?}");
        let is_anew: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before.sha != after.sha).collect();
        assert_eq!(is_anew, [false, config.is_empty(), false], "{done:?}");
    }
}

/// Else the later one would be made anew each time that the earlier one is merged first, and never come.
pub(in crate::forge) async fn an_environment_and_the_one_after_it_are_merged_in_one_pass(kind: Kind) {
    let dev = "  - {name: dev, files: [dev/**], publish: autoMerge}\n";
    for (branch, own) in [("main", ""), ("live", "    branch: live\n")] {
        let stage = Stage::new(kind, &format!("{AUTO}    after: dev\n{own}{dev}"));
        stage.store.repository.git(&["branch", "--quiet", "live", "main"]);
        stage.push("main", "dev/web.yaml", &manifest("1.5.0"));
        stage.tags.set(WEB, ["1.4.0", "1.5.0", "1.6.0"]);
        stage.outcome("mirror", 8).await;
        assert_eq!(stage.states(), [Stands::Open; 2], "{branch}");
        for pull in stage.pulls() {
            stage.check_at(pull.sha, "build", kind.words[0]);
        }
        stage.outcome("mirror", 9).await;
        // The same pass proposes what came before with it.
        assert_eq!(stage.states(), [Stands::Merged, Stands::Merged, Stands::Open], "{branch}");
        assert_eq!(stage.store.repository.show(branch, "prod/web.yaml"), manifest("1.5.0").into_bytes());
        assert_eq!(stage.store.repository.show("main", "dev/web.yaml"), manifest("1.6.0").into_bytes());
    }
}

/// Two groups whose images stand in one file, on lines side by side or far apart, and a third one elsewhere.
pub(in crate::forge) async fn groups_that_share_a_file_are_merged_one_after_the_other(kind: Kind) {
    const API: &str = "ghcr.io/acme/api";
    for between in ["", &"  # far apart\n".repeat(12)] {
        let stage = Stage::new(kind, AUTO).with_two();
        let both = |web: &str, api: &str| format!("{}{between}  - image: {API}:{api}\n", manifest(web));
        stage.push("main", "prod/web.yaml", &both("1.4.0", "1.4.0"));
        stage.tags.set(API, ["1.4.0", "1.5.0"]);
        stage.outcome("mirror", 8).await;
        let opened = stage.pulls();
        assert_eq!(stage.states(), [Stands::Open; 3]);
        let passes = |number: usize| {
            let (sha, name, word) = (stage.pulls()[number].sha.clone(), "build".to_owned(), kind.words[0].to_owned());
            stage.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: true });
        };
        let at = |image: &str| opened.iter().position(|pull| pull.head.ends_with(image)).unwrap();
        let (web, api, worker) = (at("acme-web"), at("acme-api"), at("acme-worker"));
        passes(web);
        stage.outcome("mirror", 9).await;
        let pulls = stage.pulls();
        assert_eq!(pulls[web].state, Stands::Merged);
        let outcome = stage.outcome("mirror", 10).await;
        let pulls_after = stage.pulls();
        assert_ne!(pulls_after[api].sha, opened[api].sha, "its file changed: it is made anew, {:?}", outcome.proposals);
        assert_eq!(pulls_after[worker].sha, opened[worker].sha, "another file: its checks are kept");
        let file = || String::from_utf8(stage.store.repository.show("main", "prod/web.yaml")).unwrap();
        assert_eq!(file(), both("1.5.0", "1.4.0"));
        passes(api);
        passes(worker);
        stage.outcome("mirror", 11).await;
        assert_eq!((stage.states(), file()), (vec![Stands::Merged; 3], both("1.5.0", "1.5.0")));
        assert_eq!(stage.acts(12).await, None, "nothing is left");
    }
}

/// Both could be merged at once, and only the first one was judged on what the base becomes by that.
pub(in crate::forge) async fn groups_that_share_a_file_lose_nothing_when_all_could_be_merged(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    let both = |tag: &str| format!("{}  - image: {TWO}:{tag}\n", manifest(tag));
    stage.push("main", "prod/web.yaml", &both("1.4.0"));
    stage.tags.set(TWO, ["1.4.0", "1.5.0"]);
    for hour in 8..14 {
        stage.outcome("mirror", hour).await;
        for pull in stage.pulls() {
            let (name, word) = ("build".to_owned(), kind.words[0].to_owned());
            stage.store.kept().checks.push(CheckRow {
                sha: pull.sha,
                name,
                word,
                text: String::new(),
                at: NOW,
                is_run: true,
            });
        }
    }
    let file = String::from_utf8(stage.store.repository.show("main", "prod/web.yaml")).unwrap();
    assert_eq!((stage.states(), file), (vec![Stands::Merged; 2], both("1.5.0")));
}

pub(in crate::forge) async fn a_push_right_before_it_is_merged_merges_nothing(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.store.trap(kind.merging.0, kind.merging.1, Fault::Pushed);
    assert_ne!(stage.acts(9).await, Some(Action::Merged));
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Open], "1.4.0".to_owned()));
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
}

pub(in crate::forge) async fn what_is_merged_while_a_pass_looks_is_not_opened_again(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.store.trap("GET", kind.opening, Fault::Merged);
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::Unchanged), "{reason}");
    assert!(reason.contains("the base has moved"), "{reason}");
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Merged], "1.5.0".to_owned()));
    stage.acts(10).await;
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Merged], None));
}

/// The last thing that is asked before the pull request itself is a head's statuses, reviews, or the base's rules: whatever is done
/// to it meanwhile counts.
pub(in crate::forge) async fn what_a_person_does_while_a_pass_looks_stops_the_merge(kind: Kind) {
    for (deed, action, words) in [
        (Deed::Holds, Action::LeftAlone, "`tagboat/hold`"),
        (Deed::Drafts, Action::Unchanged, "draft"),
        (Deed::Closes, Action::Unchanged, "open"),
        (Deed::Retargets, Action::Unchanged, "its base branch has been changed"),
        (Deed::HoldsVersion, Action::Unchanged, "the base has moved"),
        (Deed::ProposesHold, Action::Unchanged, "what is proposed to be held has changed meanwhile"),
        (Deed::ProposesRollback, Action::Unchanged, "what is proposed to be held has changed meanwhile"),
    ] {
        let stage = Stage::merging(kind).await;
        stage.store.repository.git(&["branch", "--quiet", "live", "main"]);
        stage.store.trap("GET", "/status", Fault::Meanwhile(deed));
        let (did, reason) = stage.pass(9).await;
        assert!(did == Some(action) && reason.contains(words), "{deed:?}: {did:?} {reason}");
        assert_eq!(stage.runs(), "1.4.0", "{deed:?}");
        assert_ne!(stage.states(), [Stands::Merged], "{deed:?}");
        assert!(stage.store.kept().traps.is_empty(), "{deed:?}");
    }
    // The next pass sees what is held, and takes it back.
    let stage = Stage::merging(kind).await;
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::HoldsVersion));
    stage.pass(9).await;
    stage.pass(10).await;
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Closed], "1.4.0".to_owned()));
    // What moves on the base elsewhere holds nothing up.
    let stage = Stage::merging(kind).await;
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::Notes));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

pub(in crate::forge) async fn what_goes_back_before_while_a_pass_looks_stops_the_merge(kind: Kind) {
    let stage =
        Stage::new(kind, &format!("{AUTO}    after: dev\n  - {{name: dev, files: [dev/**], publish: commit}}\n"));
    stage.push("main", "dev/web.yaml", &manifest("1.5.0"));
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::GoesBackBefore));
    let outcome = stage.outcome("mirror", 9).await;
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    assert!(prod.reason.as_ref().is_some_and(|why| why.contains("the base has moved")), "{outcome:#?}");
    assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.4.0"));
    assert!(stage.store.kept().traps.is_empty());
}

pub(in crate::forge) async fn what_is_held_on_the_base_while_a_pass_looks_stops_a_merge_into_another_branch(
    kind: Kind,
) {
    let stage = Stage::new(kind, &format!("{AUTO}    branch: live\n"));
    stage.store.repository.git(&["branch", "--quiet", "live", "main"]);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::HoldsOnMain));
    let (did, reason) = stage.pass(9).await;
    assert!(did == Some(Action::Unchanged) && reason.contains("the base has moved"), "{did:?} {reason}");
    assert_eq!(stage.states(), [Stands::Open]);
}

pub(in crate::forge) async fn what_goes_back_on_another_branch_while_a_pass_looks_stops_the_merge(kind: Kind) {
    let line = "    branch: live\n    after: dev\n  - {name: dev, files: [dev/**], publish: commit}\n";
    let stage = Stage::new(kind, &format!("{AUTO}{line}"));
    stage.store.repository.git(&["branch", "--quiet", "live", "main"]);
    stage.push("main", "dev/web.yaml", &manifest("1.5.0"));
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::GoesBackOnMain));
    let outcome = stage.outcome("mirror", 9).await;
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    assert!(prod.reason.as_ref().is_some_and(|why| why.contains("the base has moved")), "{outcome:#?}");
    assert_eq!(stage.states(), [Stands::Open]);
    assert!(stage.store.kept().traps.is_empty());
}

pub(in crate::forge) async fn what_goes_back_far_before_while_a_pass_looks_stops_the_merge(kind: Kind) {
    let line = "    after: staging\n  - {name: staging, files: [staging/**], after: dev, publish: commit}\n  \
                - {name: dev, files: [dev/**], publish: commit}\n";
    let stage = Stage::new(kind, &format!("{AUTO}{line}"));
    stage.push("main", "dev/web.yaml", &manifest("1.5.0"));
    stage.push("main", "staging/web.yaml", &manifest("1.5.0"));
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.store.trap("GET", "/status", Fault::Meanwhile(Deed::GoesBackBefore));
    let outcome = stage.outcome("mirror", 9).await;
    let prod = outcome.proposals.iter().find(|one| one.environment.as_str() == "prod").unwrap();
    assert!(prod.reason.as_ref().is_some_and(|why| why.contains("the base has moved")), "{outcome:#?}");
    assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.4.0"));
}

pub(in crate::forge) async fn a_look_says_what_would_be_merged_and_what_that_waits_for(kind: Kind) {
    is_told_by_a_look(kind, AUTO).await;
    // GitLab counts what a gate said last as a pipeline that waits, until a pass says something else.
    if kind.below != "gitlab/" {
        is_told_by_a_look(kind, GATED).await;
    }
}

async fn is_told_by_a_look(kind: Kind, environment: &str) {
    let stage = Stage::new(kind, environment);
    stage.acts(8).await;
    let looks = async || {
        stage.requests();
        let outcome = stage.outcome_of(Mode::DryRun, "mirror", 9).await;
        assert_eq!(stage.requests().1, [""; 0], "a look writes nothing");
        (outcome.proposals[0].action, outcome.proposals[0].reason.clone().unwrap_or_default(), outcome.changes.len())
    };
    let (action, reason, changes) = looks().await;
    assert!(reason.contains("no check has reported"), "{reason}");
    assert_ne!((action, changes), (Action::Merged, 1));
    stage.check("build", kind.words[1]);
    let (action, reason, _) = looks().await;
    assert!(action != Action::Merged && reason.contains("checks are not done: build"), "{action:?} {reason}");
    stage.check("build", kind.words[0]);
    assert_eq!(looks().await, (Action::Merged, String::new(), 1));
    assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.4.0"));
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!((outcome.proposals[0].action, outcome.changes.len()), (Action::Merged, 1));
}

/// Both kinds of checks are asked for where a forge has two.
pub(in crate::forge) async fn a_pass_that_waits_for_checks_asks_for_nothing_else(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    for word in [kind.words[1], kind.words[2]] {
        stage.check("build", word);
        stage.requests();
        assert!(stage.pass(9).await.1.contains(&format!("build ({word})")));
        let (count, writes) = stage.requests();
        assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    }
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

/// What docs/pull-requests.md says that such a pass costs: the listing, and what this forge needs to tell that two heads wait.
pub(in crate::forge) async fn a_pass_that_only_waits_asks_as_little_as_the_forge_allows(kind: Kind) {
    let stage = Stage::new(kind, AUTO).with_two();
    stage.outcome("mirror", 8).await;
    let heads: Vec<String> = stage.pulls().into_iter().map(|pull| pull.sha).collect();
    assert_eq!(heads.len(), 2);
    let (silent, waiting, blocked) = match kind.below {
        // GraphQL tells at once of all of it.
        "" => (2, 2, 2),
        // A pipeline that runs on the merge with the base is told by the merge request alone.
        "gitlab/" => (1 + 2 * 2, 1 + 2, 2 + 2 * 4),
        _ => (1 + 2, 1 + 2, 3 + 2 * 3),
    };
    let costs = async |what: &str, most: usize| {
        stage.requests();
        let outcome = stage.outcome("mirror", 9).await;
        assert!(outcome.proposals.iter().all(|proposal| proposal.action == Action::Unchanged), "{what}");
        let (count, writes) = stage.requests();
        assert_eq!((count, writes), (most, Vec::new()), "{what}");
    };
    costs("nothing has reported", silent).await;
    for word in [kind.words[1], kind.words[2], kind.words[0]] {
        // Reports of before would fill a page of their own.
        stage.store.kept().checks.clear();
        for sha in &heads {
            let (sha, name, word) = (sha.clone(), "build".to_owned(), word.to_owned());
            stage.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: true });
        }
        if word == kind.words[0] {
            for number in [1, 2] {
                let review = ("ada".to_owned(), kind.reviews[1].to_owned(), heads[number - 1].clone());
                stage.store.change(number as u64, |pull| pull.reviews.push(review));
            }
            costs("changes are requested", blocked).await;
        } else {
            costs(word, waiting).await;
        }
    }
}

/// Statuses that waited stay on the head when nobody asks that gate any more.
pub(in crate::forge) async fn what_a_gate_said_that_is_gone_holds_nothing_up(kind: Kind) {
    let ungated = |stage: &Stage, publish: &str| {
        let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
        let (before, _) = config.split_once("    publish:").unwrap();
        stage.push("main", ".tagboat.yaml", &format!("{before}    publish: {publish}\n"));
    };
    let said = |stage: &Stage| {
        let kept = stage.store.kept();
        let rows = kept.checks.iter().filter(|row| row.name == "tagboat/windows");
        rows.map(|row| row.word.clone()).collect::<Vec<_>>()
    };
    for publish in ["autoMerge", "pullRequest"] {
        let stage = Stage::new(kind, &GATED.replace("autoMerge", publish));
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        assert_eq!(said(&stage), [kind.statuses[1]]);
        ungated(&stage, publish);
        for _ in 0..3 {
            stage.acts(8).await;
        }
        assert_eq!(said(&stage), [kind.statuses[1], kind.statuses[0]], "{publish}: said once");
        let merges = publish == "autoMerge";
        assert_eq!(stage.states(), [if merges { Stands::Merged } else { Stands::Open }], "{publish}");
    }
    // One that may not be set any more does not count either.
    let stage = Stage::new(kind, GATED);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    ungated(&stage, "autoMerge");
    for _ in 0..4 {
        stage.store.trap("POST", "/statuses", Fault::Before(403));
    }
    let (_, reason) = stage.pass(8).await;
    assert!(!reason.contains("tagboat/windows"), "{reason}");
}

/// A person could never merge what a gate that nobody asks has not let pass; `required` are the words of the base branch.
pub(in crate::forge) async fn a_gate_that_the_base_requires_and_nobody_asks_is_said_to_pass(
    kind: Kind,
    required: &str,
) {
    for (environment, publish) in [(PLAIN, "pullRequest"), (AUTO, "autoMerge")] {
        let stage = Stage::new(kind, environment);
        stage.store.kept().protection.required = vec![required.to_owned()];
        stage.acts(8).await;
        let sha = stage.only().sha;
        let said = || {
            let kept = stage.store.kept();
            let rows = kept.checks.iter().filter(|row| row.sha == sha && row.name.starts_with("tagboat/"));
            rows.map(|row| (row.word.clone(), row.text.clone())).collect::<Vec<_>>()
        };
        let once = [(kind.statuses[0].to_owned(), "this gate is not asked here".to_owned())];
        assert_eq!(said(), once, "{publish}");
        stage.requests();
        stage.acts(9).await;
        let (count, writes) = stage.requests();
        assert!(publish == "autoMerge" || count == 1, "{publish}: {count}");
        assert_eq!((said().len(), writes), (1, Vec::new()), "{publish}: it is said once");
    }
}

const NATIVE: &str = "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n";

impl Stage {
    /// Starts with a pull request that the forge was told to merge by itself.
    pub(in crate::forge) async fn armed(kind: Kind, required: &str) -> Self {
        let stage = Self::new(kind, NATIVE);
        stage.acts(8).await;
        stage.store.kept().protection.required = vec![required.to_owned()];
        stage.check("build", kind.words[1]);
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        assert_eq!(stage.store.kept().armed, [1]);
        stage
    }
}

pub(in crate::forge) async fn a_forge_merges_by_itself_only_what_waits_for_required_checks(kind: Kind, required: &str) {
    let stage = Stage::new(kind, NATIVE);
    stage.acts(8).await;
    stage.check("build", kind.words[1]);
    assert!(stage.pass(8).await.1.contains("checks are not done"), "nothing is required");
    assert!(stage.store.kept().armed.is_empty());
    stage.store.kept().protection.required = vec![required.to_owned()];
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert_eq!(stage.store.kept().armed, [1]);
    stage.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    let writes = stage.requests().1;
    assert!(writes.iter().all(|line| line.contains("graphql")), "it is told once: {writes:?}");
    // A check that is not required fails: the forge would merge all the same.
    stage.check("lint", kind.words[2]);
    let (action, reason) = stage.pass(9).await;
    assert!(reason.contains("lint") && action != Some(Action::Enqueued), "{action:?} {reason}");
    assert!(stage.store.kept().armed.is_empty());
}

/// Repositories may say that what is squashed has the title of its pull request, and nothing else.
pub(in crate::forge) async fn what_is_merged_keeps_the_trailers_that_are_its_record(kind: Kind) {
    for squashes in [true, false] {
        let stage = Stage::merging(kind).await;
        stage.store.kept().squashes = squashes;
        assert_eq!(stage.acts(9).await, Some(Action::Merged));
        has_its_record(&stage, squashes);
    }
}

pub(in crate::forge) async fn what_a_forge_merges_by_itself_keeps_its_record(kind: Kind, required: &str) {
    for squashes in [true, false] {
        let stage = Stage::new(kind, NATIVE);
        stage.acts(8).await;
        {
            let mut kept = stage.store.kept();
            (kept.squashes, kept.protection.required) = (squashes, vec![required.to_owned()]);
        }
        stage.check("build", kind.words[1]);
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        stage.store.merge_by_itself(1);
        has_its_record(&stage, squashes);
    }
}

fn has_its_record(stage: &Stage, squashes: bool) {
    let git = |format: &str| stage.store.repository.git(&["log", "-1", &format!("--format={format}"), "main"]);
    assert_eq!(git("%P").split(' ').count(), if squashes { 1 } else { 2 });
    let (said, tip) = (git("%B"), stage.store.pull(1).sha);
    let merged = stage.store.repository.git(&["log", "-1", "--format=%B", &tip]);
    let trailers = merged.lines().filter(|line| line.starts_with("Tagboat-"));
    assert!(trailers.clone().count() > 2, "{merged}");
    trailers.for_each(|line| assert!(said.lines().any(|other| other == line), "{line}: {said}"));
    assert!(said.starts_with("prod: update web to 1.5.0") == squashes, "{said}");
    let number = ["#1)", "#1", "!1"];
    assert!(
        said.lines().any(|line| number.iter().any(|number| line.ends_with(number) || line.contains("#1 from"))),
        "{said}"
    );
}

pub(in crate::forge) async fn a_forge_is_stopped_before_anything_changes(kind: Kind, required: &str) {
    for (change, becomes) in [
        ("newer", Action::Updated),
        ("hold", Action::LeftAlone),
        ("person", Action::LeftAlone),
        // Nothing is wanted of it any more, or nobody knows whether it is.
        ("nothing", Action::Closed),
        ("hold, nothing", Action::LeftAlone),
        ("person, nothing", Action::LeftAlone),
        ("unknown", Action::LeftAlone),
    ] {
        let stage = Stage::armed(kind, required).await;
        for change in change.split(", ") {
            match change {
                "newer" => stage.list(&["1.4.0", "1.5.0", "1.6.0"]),
                "hold" => stage.label(1, "tagboat/hold"),
                "nothing" => stage.push("main", "prod/web.yaml", &manifest("1.5.0")),
                "unknown" => stage.tags.break_image(WEB, "the registry is down"),
                _ => stage.push(HEAD, "notes", "mine"),
            }
        }
        assert_eq!(stage.acts(10).await, Some(becomes), "{change}");
        assert!(stage.store.kept().armed.is_empty(), "{change}");
        let pull = stage.only();
        assert!(!pull.body.contains("\"armed\""), "{change}: {}", pull.body);
        stage.requests();
        stage.acts(10).await;
        if becomes != Action::Updated {
            assert_eq!(stage.requests().1, Vec::<String>::new(), "{change}: it is taken back once");
        }
    }
    let stage = Stage::armed(kind, required).await;
    // GitHub is asked about it and all others first.
    let first = if kind.below.is_empty() { ("QUERY", "/graphql") } else { ("GET", "/status") };
    stage.store.trap(first.0, first.1, Fault::Meanwhile(Deed::Holds));
    assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
    assert!(stage.store.kept().armed.is_empty(), "a hold that is set while a pass looks");
    let windows = format!("{GATED}pullRequest: {{nativeAutoMerge: true}}\n");
    let stage = Stage::new(kind, &windows);
    stage.acts(8).await;
    stage.store.kept().protection.required = vec![required.to_owned()];
    stage.check("build", kind.words[1]);
    stage.acts(9).await;
    stage.acts(9).await;
    assert!(stage.store.kept().armed.is_empty(), "a window would close while the forge waits");
}
