//! What a person has refused stays refused: whatever the base holds by now, whatever its branch is called, however it is published.

use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, manifest};
use crate::support::forge::{Fault, Pull, Stands};

impl Stage {
    /// Lets a person write another configuration: what is said of the environment, and what stands below.
    fn configure(&self, environment: &str, below: &str) {
        let text = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    files: \
             [prod/**]\n{environment}{below}"
        );
        if self.store.repository.show("main", ".tagboat.yaml") != text.as_bytes() {
            self.push("main", ".tagboat.yaml", &text);
        }
    }

    /// Starts with a pull request that a person has closed.
    async fn refused(kind: Kind, environment: &str) -> Self {
        let stage = Self::new(kind, environment);
        stage.acts(8).await;
        stage.close(1);
        stage
    }

    /// Runs a pass, which must find that its one proposal was refused, and leave nothing open.
    async fn is_refused(&self, hour: u32) {
        let outcome = self.outcome("mirror", hour).await;
        let left = outcome.proposals.iter().find(|proposal| proposal.action == Action::LeftAlone);
        let reason = left.and_then(|left| left.reason.clone()).unwrap_or_default();
        assert!(reason.contains("closed by a person in #"), "{reason} {:#?}", outcome.proposals);
        assert!(self.states().iter().all(|state| *state == Stands::Closed), "{:?}", self.states());
        assert_eq!(outcome.commits, [], "{:#?}", outcome.proposals);
    }
}

impl Stage {
    async fn is_refused_by_the_first(&self, what: &str) {
        let outcome = self.outcome("mirror", 9).await;
        let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
        assert!(said.iter().any(|said| said.contains("closed by a person in #1:")), "{what}: {:#?}", outcome.proposals);
        assert_eq!((self.runs(), outcome.commits.len()), ("1.4.0".to_owned(), 0), "{what}");
    }
}

pub(in crate::forge) async fn stays_refused_when_the_base_is_edited_by_hand(kind: Kind) {
    let stage = Stage::refused(kind, AUTO).await;
    stage.list(&["1.4.0", "1.4.1", "1.5.0"]);
    stage.push("main", "prod/web.yaml", &manifest("1.4.1"));
    for hour in [9, 10] {
        stage.is_refused(hour).await;
    }
    assert_eq!(stage.runs(), "1.4.1");
    stage.list(&["1.4.0", "1.4.1", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(11).await, Some(Action::Opened));
}

pub(in crate::forge) async fn stays_refused_when_its_image_joins_a_group_or_leaves_one(kind: Kind) {
    let api = |tag: &str| manifest(tag).replace("acme/web", "acme/api");
    let groups = "groups: [{name: shop, images: [ghcr.io/acme/web, ghcr.io/acme/api]}]\n";
    let stage = Stage::refused(kind, AUTO).await;
    stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0"]);
    stage.push("main", "prod/api.yaml", &api("1.0.0"));
    stage.configure(AUTO, groups);
    stage.is_refused(9).await;
    // Half of a group is no group: what is new for the other one does not bring the first.
    stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0", "1.2.0"]);
    stage.is_refused(10).await;
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(11).await, Some(Action::Opened));
    stage.close(2);
    // Refused together they are refused alone, each of them; and something newer for one of them is new for both.
    stage.configure(AUTO, "");
    stage.is_refused(12).await;
    stage.configure(AUTO, groups);
    stage.is_refused(13).await;
    stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    assert_eq!(stage.acts(14).await, Some(Action::Opened));
}

pub(in crate::forge) async fn what_a_person_holds_or_has_pushed_to_comes_in_no_other_form(kind: Kind) {
    let group = "groups: [{name: shop, images: [ghcr.io/acme/web, ghcr.io/acme/api]}]\n";
    let api = |tag: &str| manifest(tag).replace("acme/web", "acme/api");
    for is_held in [true, false] {
        let stage = Stage::new(kind, AUTO);
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        match is_held {
            true => stage.label(1, "tagboat/hold"),
            false => stage.push(HEAD, "notes", "mine\n"),
        }
        stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0"]);
        stage.push("main", "prod/api.yaml", &api("1.0.0"));
        stage.configure(AUTO, group);
        for hour in [9, 10] {
            let outcome = stage.outcome("mirror", hour).await;
            let said = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect::<Vec<_>>();
            assert!(said.iter().any(|reason| reason.starts_with("#1 brings it, and ")), "{said:?}");
            let waits = "and tagboat/prod/shop waits for it";
            assert!(said.iter().any(|reason| reason.ends_with(waits)), "{said:?}");
            assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.4.0"), "{is_held}");
        }
        // What is newer is another thing.
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        stage.outcome("mirror", 11).await;
        assert_eq!(stage.states(), [Stands::Open, Stands::Open], "{is_held}");
    }
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.label(1, "tagboat/hold");
    stage.configure("    publish: commit\n", "");
    for hour in [9, 10] {
        let outcome = stage.outcome("mirror", hour).await;
        let said = Stage::stands(&outcome, HEAD);
        assert_eq!(said, Some((Action::LeftAlone, "it has the label `tagboat/hold`".to_owned())));
        assert_eq!((stage.runs().as_str(), outcome.commits.len()), ("1.4.0", 0));
    }
    stage.store.change(1, |pull| pull.labels.clear());
    stage.outcome("mirror", 11).await;
    assert_eq!(stage.runs(), "1.5.0");
}

pub(in crate::forge) async fn what_a_person_holds_stays_away_when_its_environment_is_renamed(kind: Kind) {
    for what in ["held", "pushed to", "ordered"] {
        let stage = Stage::new(kind, AUTO);
        match what {
            "ordered" => stage.promote_for_a_person(8, "1.5.0").await,
            _ => drop(stage.acts(8).await),
        }
        stage.check("build", kind.words[0]);
        match what {
            "held" => stage.label(1, "tagboat/hold"),
            "pushed to" => stage.push(HEAD, "notes", "mine\n"),
            _ => {}
        }
        stage.reword(|config| config.replace("name: prod", "name: live"));
        for hour in [9, 10] {
            let outcome = stage.outcome("mirror", hour).await;
            let at = (stage.states(), stage.runs());
            assert_eq!(at, (vec![Stands::Open], "1.4.0".to_owned()), "{what}: {:#?}", outcome.proposals);
        }
        // An environment that has other files is another one.
        stage.push("main", "dev/web.yaml", &manifest("1.4.0"));
        stage.reword(|config| format!("{config}  - name: dev\n    files: [dev/**]\n"));
        stage.outcome("mirror", 11).await;
        let heads: Vec<String> = stage.pulls().into_iter().map(|pull| pull.head).collect();
        assert_eq!(heads, [HEAD, "tagboat/dev/ghcr.io-acme-web"], "{what}");
    }
}

/// It is committed from then on, under another name, on another branch, or both.
pub(in crate::forge) async fn what_a_person_has_in_hand_stays_away_when_its_environment_is_committed_elsewhere(
    kind: Kind,
) {
    for (name, branch) in [("live", ""), ("prod", "    branch: env/live\n"), ("live", "    branch: env/live\n")] {
        for what in ["held", "pushed to", "ordered", "nothing"] {
            let at = format!("{what} {name} {branch}");
            let stage = Stage::new(kind, PLAIN);
            match what {
                "ordered" => stage.promote_for_a_person(8, "1.5.0").await,
                _ => drop(stage.acts(8).await),
            }
            match what {
                "held" => stage.label(1, "tagboat/hold"),
                "pushed to" => stage.push(HEAD, "notes", "mine\n"),
                _ => {}
            }
            stage.store.repository.git(&["branch", "env/live", "main"]);
            // An environment that has other files is another one.
            stage.push("main", "dev/web.yaml", &manifest("1.4.0"));
            let dev = "  - name: dev\n    files: [dev/**]\n    publish: commit\n";
            stage.reword(|config| {
                format!("{}    publish: commit\n{branch}{dev}", config.replace("name: prod", &format!("name: {name}")))
            });
            let runs = || {
                let ground = if branch.is_empty() { "main" } else { "env/live" };
                let text = String::from_utf8(stage.store.repository.show(ground, "prod/web.yaml")).unwrap();
                text.trim_end().rsplit(':').next().unwrap().to_owned()
            };
            for hour in [9, 10] {
                let outcome = stage.outcome("mirror", hour).await;
                assert_eq!(stage.store.repository.show("main", "dev/web.yaml"), manifest("1.5.0").into_bytes(), "{at}");
                // What nobody has in hand is closed by the pass after the commit.
                if what != "nothing" || hour == 10 {
                    let is_free = what == "nothing";
                    let expected = if is_free { (Stands::Closed, "1.5.0") } else { (Stands::Open, "1.4.0") };
                    assert_eq!((stage.only().state, runs().as_str()), expected, "{at}: {:#?}", outcome.proposals);
                }
            }
            match what {
                "held" => stage.store.change(1, |pull| pull.labels.clear()),
                "ordered" => stage.close(1),
                "pushed to" => stage.list(&["1.4.0", "1.5.0", "1.6.0"]),
                _ => continue,
            }
            for hour in [11, 12] {
                stage.outcome("mirror", hour).await;
            }
            let expected = if what == "pushed to" { (Stands::Open, "1.6.0") } else { (Stands::Closed, "1.5.0") };
            assert_eq!((stage.only().state, runs().as_str()), expected, "{at}");
        }
    }
}

pub(in crate::forge) async fn what_a_person_has_pushed_to_is_not_committed(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.push(HEAD, "notes", "mine\n");
    stage.configure("    publish: commit\n", "");
    for hour in [9, 10] {
        let outcome = stage.outcome("mirror", hour).await;
        let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
        let theirs = format!("somebody else has pushed to {HEAD}: it is theirs now");
        let expected = format!("#1 brings it, and {theirs}");
        assert!(said.contains(&expected.as_str()) && said.contains(&theirs.as_str()), "{said:?}");
        assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.4.0"));
    }
    // What is newer is another thing.
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    stage.outcome("mirror", 11).await;
    assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.6.0"));
    // And Tagboat's own keeps nothing away.
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.configure("    publish: commit\n", "");
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.runs(), "1.5.0");
}

/// Who takes a pull request over writes its text anew: what it brings its commits tell all the same.
pub(in crate::forge) async fn what_a_person_has_in_hand_comes_in_no_other_form_whatever_its_body_says(kind: Kind) {
    const COMMIT: &str = "    publish: commit\n";
    const GROUP: &str = "groups: [{name: shop, images: [\"ghcr.io/acme/*\"]}]\n";
    const PREFIX: &str = "pullRequest: {branchPrefix: bots/}\n";
    const ON_LIVE: &str = "    branch: env/live\n";
    const COMMITTED_ON_LIVE: &str = "    branch: env/live\n    publish: commit\n";
    for is_held in [true, false] {
        for (name, environment, below) in [
            ("prod", COMMIT, ""),
            ("prod", PLAIN, GROUP),
            ("prod", COMMIT, GROUP),
            ("prod", PLAIN, PREFIX),
            ("prod", COMMIT, PREFIX),
            ("live", PLAIN, ""),
            ("live", COMMIT, ""),
            ("prod", ON_LIVE, ""),
            ("prod", ON_LIVE, GROUP),
            ("prod", COMMITTED_ON_LIVE, ""),
        ] {
            let at = format!("{name} {environment:?} {below:?} {is_held}");
            let stage = Stage::new(kind, PLAIN);
            stage.acts(8).await;
            match is_held {
                true => stage.label(1, "tagboat/hold"),
                false => stage.push(HEAD, "notes", "mine\n"),
            }
            stage.store.change(1, |pull| pull.body = "I take care of this one.".to_owned());
            stage.store.repository.git(&["branch", "env/live", "main"]);
            stage.configure(environment, below);
            stage.reword(|config| config.replace("name: prod", &format!("name: {name}")));
            let runs = |branch: &str| {
                let text = String::from_utf8(stage.store.repository.show(branch, "prod/web.yaml")).unwrap();
                text.trim_end().rsplit(':').next().unwrap().to_owned()
            };
            for (mirror, hour) in [("mirror", 9), ("other", 10)] {
                stage.requests();
                let outcome = stage.outcome(mirror, hour).await;
                let (count, writes) = stage.requests();
                let stands = (stage.states(), runs("main"), runs("env/live"));
                let expected = (vec![Stands::Open], "1.4.0".to_owned(), "1.4.0".to_owned());
                assert_eq!(stands, expected, "{at}: {:#?}", outcome.proposals);
                assert!(outcome.proposals.iter().any(|one| one.action == Action::LeftAlone), "{at}");
                assert!(count <= 2 && writes.is_empty(), "{at}: {count} {writes:?}");
            }
            // What is newer is another thing.
            if environment.contains("commit") {
                stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
                stage.outcome("mirror", 11).await;
                let ground = if environment == COMMITTED_ON_LIVE { "env/live" } else { "main" };
                assert_eq!((stage.states(), runs(ground).as_str()), (vec![Stands::Open], "1.6.0"), "{at}");
            }
        }
    }
}

/// A prefix that no branch begins with as a matter of course.
pub(in crate::forge) async fn what_somebody_has_pushed_to_goes_on_under_its_prefix_whatever_its_body_says(kind: Kind) {
    const FIRST: &str = "first/prod/ghcr.io-acme-web";
    let prefix = |name: &str| format!("pullRequest: {{branchPrefix: {name}/}}\n");
    let stage = Stage::new(kind, PLAIN);
    stage.configure(PLAIN, &prefix("first"));
    stage.acts(8).await;
    stage.push(FIRST, "notes", "mine\n");
    stage.store.change(1, |pull| pull.body = "I take care of this one.".to_owned());
    stage.configure(PLAIN, &prefix("second"));
    for hour in [9, 10] {
        let (action, reason) = stage.pass(hour).await;
        assert_eq!((action, stage.states()), (Some(Action::LeftAlone), vec![Stands::Open]), "{reason}");
        assert!(reason.contains(&format!("somebody else has pushed to {FIRST}")), "{reason}");
    }
    // What a person builds on top of a commit of Tagboat's is a branch of their own where that commit's own pull request stands.
    let stage = Stage::merging(kind).await;
    stage.store.repository.git(&["branch", FIRST, HEAD]);
    stage.push(FIRST, "notes", "mine\n");
    let sha = stage.store.at(FIRST).unwrap();
    let theirs = Pull { head: FIRST.to_owned(), body: "Mine.".to_owned(), sha, ..stage.only() };
    stage.store.open(theirs).unwrap();
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    assert_eq!(stage.states(), [Stands::Merged, Stands::Open]);
}

/// Where Tagboat's own stands, or stood, in its place, no branch that somebody began on that one is Tagboat's.
pub(in crate::forge) async fn a_branch_that_somebody_began_on_a_head_of_tagboat_s_stops_nothing(kind: Kind) {
    let begins = |stage: &Stage, name: &str, base: &str| {
        stage.store.repository.git(&["branch", name, HEAD]);
        stage.push(name, "notes", "mine\n");
        let sha = stage.store.at(name).unwrap();
        let (head, base) = (name.to_owned(), base.to_owned());
        stage.store.open(Pull { head, base, body: "Mine.".to_owned(), sha, ..stage.only() }).unwrap();
    };
    let stage = Stage::merging(kind).await;
    begins(&stage, "tagboat/prod/ghcr.io-acme-web-try", "main");
    let (_, reason) = stage.pass(9).await;
    assert_eq!(stage.states(), [Stands::Merged, Stands::Open], "{reason}");
    // Called as under another prefix, where the configuration has never had that one.
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    begins(&stage, "people/prod/ghcr.io-acme-web", "main");
    stage.close(1);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let (action, reason) = stage.pass(9).await;
    assert_eq!((action, stage.states().len()), (Some(Action::Opened), 3), "{reason}");
    // From the same head into another branch, held there.
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.store.repository.git(&["branch", "release", "main"]);
    begins(&stage, "people/try", "release");
    stage.store.change(2, |pull| pull.head = HEAD.to_owned());
    stage.store.change(2, |pull| pull.sha = stage.store.at(HEAD).unwrap());
    stage.label(2, "tagboat/hold");
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let (action, reason) = stage.pass(9).await;
    assert_eq!((action, stage.at_head("prod/web.yaml")), (Some(Action::Updated), manifest("1.6.0")), "{reason}");
}

pub(in crate::forge) async fn what_is_wanted_stays_while_what_is_to_replace_it_waits_for_a_person(kind: Kind) {
    let stage = Stage::new(kind, PLAIN).with_two();
    stage.outcome("mirror", 8).await;
    let before = stage.pulls();
    assert_eq!(before[1].head, "tagboat/prod/ghcr.io-acme-worker");
    stage.label(2, "tagboat/hold");
    stage.configure(PLAIN, "groups: [{name: shop, images: [ghcr.io/acme/*]}]\n");
    for hour in [9, 10] {
        let outcome = stage.outcome("mirror", hour).await;
        assert_eq!(stage.states(), [Stands::Open; 2], "{:#?}", outcome.proposals);
        assert_eq!((stage.pulls()[0].comments.len(), stage.store.at(HEAD).as_ref()), (0, Some(&before[0].sha)));
        let first = Stage::stands(&outcome, HEAD);
        let waits = "tagboat/prod/shop is to take its place, and does not stand yet".to_owned();
        assert_eq!(first, Some((Action::Waiting, waits)));
        let held = Stage::stands(&outcome, &before[1].head).map(|one| one.1);
        assert_eq!(held.as_deref(), Some("it has the label `tagboat/hold`, and tagboat/prod/shop waits for it"));
    }
    stage.store.change(2, |pull| pull.labels.clear());
    stage.outcome("mirror", 11).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Closed, Stands::Open]);
    // What nobody wants any more goes, whatever waits.
    let stage = Stage::new(kind, PLAIN).with_two();
    stage.outcome("mirror", 8).await;
    stage.label(2, "tagboat/hold");
    stage.configure(PLAIN, "groups: [{name: shop, images: [ghcr.io/acme/*]}]\n");
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
}

pub(in crate::forge) async fn stays_refused_under_another_prefix_and_as_a_commit(kind: Kind) {
    let stage = Stage::refused(kind, AUTO).await;
    stage.configure(AUTO, "pullRequest: {branchPrefix: bots/tagboat-}\n");
    stage.is_refused(9).await;
    stage.configure("    publish: commit\n", "");
    for hour in [10, 11] {
        stage.is_refused(hour).await;
        assert_eq!(stage.runs(), "1.4.0");
    }
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(12).await, Some(Action::Committed));
    assert_eq!(stage.runs(), "1.5.0");
}

pub(in crate::forge) async fn stays_refused_when_a_person_has_written_another_body(kind: Kind) {
    for is_removed in [false, true] {
        let stage = Stage::refused(kind, AUTO).await;
        stage.store.change(1, |pull| pull.body = "We do not want this.".to_owned());
        if is_removed {
            stage.store.repository.git(&["update-ref", "-d", &format!("refs/heads/{HEAD}")]);
        }
        stage.is_refused(9).await;
        stage.configure(AUTO, "pullRequest: {branchPrefix: bots/}\n");
        stage.is_refused(10).await;
        stage.configure("    publish: commit\n", "");
        stage.is_refused(11).await;
        stage.configure(AUTO, "");
        stage.label(1, "tagboat/retry");
        assert_eq!(stage.acts(12).await, Some(Action::Opened));
    }
}

pub(in crate::forge) async fn the_newest_pull_request_decides_whether_a_version_is_refused(kind: Kind) {
    let stage = Stage::refused(kind, PLAIN).await;
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(9).await, Some(Action::Opened));
    // What stands was opened by somebody's word, who needs not say it again and again.
    stage.store.change(1, |pull| pull.labels.clear());
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    stage.label(1, "tagboat/retry");
    stage.close(2);
    // The label on the first one was heeded when the second was opened.
    stage.store.change(1, |pull| pull.updated += 1_000);
    stage.is_refused(11).await;
    stage.label(2, "tagboat/retry");
    stage.store.change(1, |pull| pull.labels.clear());
    stage.store.change(1, |pull| pull.updated += 1_000);
    assert_eq!(stage.acts(12).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Closed, Stands::Open]);
    assert_eq!(stage.acts(13).await, Some(Action::Unchanged));
}

pub(in crate::forge) async fn what_is_open_into_the_former_branch_of_its_environment_is_closed(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.store.repository.git(&["branch", "live", "main"]);
    // The two have gone their own ways.
    stage.push("main", "readme", "of main");
    stage.push("live", "notes", "of live");
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.configure(&format!("    branch: live\n{AUTO}"), "");
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open], "{:#?}", outcome.proposals);
    let pulls = stage.pulls();
    assert_eq!((pulls[1].base.as_str(), pulls[1].head.as_str()), ("live", HEAD));
    let said = &pulls[0].comments[0];
    assert!(said.contains("`prod` is on the branch `live` now") && said.contains("update web to 1.6.0"), "{said}");
    assert_eq!(stage.runs(), "1.4.0");
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    // Back again, and with nothing left to propose: the branch goes, too.
    stage.configure(AUTO, "");
    stage.push("main", "prod/web.yaml", &manifest("1.6.0"));
    stage.outcome("mirror", 11).await;
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Closed; 2], None));
    let said = stage.pulls()[1].comments.join("\n");
    assert!(said.contains("`prod` is on the branch `main` now"), "{said}");
}

pub(in crate::forge) async fn what_a_person_holds_into_the_former_branch_stays_and_nothing_doubles_it(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.store.repository.git(&["branch", "live", "main"]);
    stage.configure(&format!("    branch: live\n{AUTO}"), "");
    stage.label(1, "tagboat/hold");
    let (action, reason) = stage.pass(9).await;
    assert_eq!((action, stage.states()), (Some(Action::LeftAlone), vec![Stands::Open]), "{reason}");
    assert!(reason.contains("its pull request into `main` has the label `tagboat/hold`"), "{reason}");
    // Its branch, too, where nothing is left to propose.
    stage.list(&["1.4.0"]);
    stage.outcome("mirror", 10).await;
    assert_eq!((stage.states(), stage.store.at(HEAD).is_some()), (vec![Stands::Open], true));
    stage.list(&["1.4.0", "1.5.0"]);
    stage.store.change(1, |pull| pull.labels.clear());
    stage.push(HEAD, "notes", "mine");
    let (action, reason) = stage.pass(10).await;
    assert_eq!((action, stage.states()), (Some(Action::LeftAlone), vec![Stands::Open]), "{reason}");
    assert!(reason.contains("somebody else has pushed"), "{reason}");
}

pub(in crate::forge) async fn what_a_person_points_at_another_base_is_theirs_and_comes_in_no_other_form(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.store.repository.git(&["branch", "live", "main"]);
    stage.store.change(1, |pull| pull.base = "live".to_owned());
    let is_left = async |hour| {
        let outcome = stage.outcome("mirror", hour).await;
        assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.4.0"), "{:#?}", outcome.proposals);
        assert!(stage.store.at(HEAD).is_some());
        let left = outcome.proposals.iter().filter(|one| one.action == Action::LeftAlone);
        left.filter_map(|one| one.reason.clone()).collect::<Vec<_>>().join("\n")
    };
    for hour in [9, 10] {
        let reason = is_left(hour).await;
        assert!(
            reason.contains("somebody has pointed its pull request at `live`, and it was opened into `main`"),
            "{reason}"
        );
    }
    assert_eq!(stage.only().comments.len(), 1);
    assert!(stage.only().comments[0].contains("so it is theirs"), "{:?}", stage.only().comments);
    stage.requests();
    is_left(10).await;
    assert!(stage.requests().1.is_empty());
    stage.label(1, "tagboat/rebase");
    for hour in [11, 12] {
        is_left(hour).await;
    }
    let only = stage.only();
    assert_eq!((only.comments.len(), only.labels.len()), (2, 0), "{only:?}");
    assert!(only.comments[1].contains("somebody has pointed this at"), "{only:?}");
    // Neither under another name, nor as a commit; and its branch stays where nothing is left to propose.
    stage.configure(AUTO, "groups: [{name: shop, images: [ghcr.io/acme/web]}]\n");
    let reason = is_left(13).await;
    assert!(reason.contains("#1 brings it, and somebody has pointed that at `live` instead of `main`"), "{reason}");
    stage.configure("    publish: commit\n", "");
    let reason = is_left(14).await;
    assert!(reason.contains("#1 brings it, and somebody has pointed that at"), "{reason}");
    stage.configure(AUTO, "");
    stage.list(&["1.4.0"]);
    is_left(15).await;
    // Pointed back it goes on.
    stage.list(&["1.4.0", "1.5.0"]);
    stage.store.change(1, |pull| pull.base = "main".to_owned());
    for hour in [16, 17] {
        stage.acts(hour).await;
    }
    assert_eq!(stage.states(), [Stands::Merged]);
    // Its environment lives there by now: so it does where that is.
    let stage = Stage::merging(kind).await;
    stage.store.repository.git(&["branch", "live", "main"]);
    stage.store.change(1, |pull| pull.base = "live".to_owned());
    stage.configure(&format!("    branch: live\n{AUTO}"), "");
    for hour in [9, 10] {
        let (action, reason) = stage.pass(hour).await;
        assert_ne!(action, Some(Action::LeftAlone), "{reason}");
        assert_ne!(stage.only().state, Stands::Closed, "{reason}");
    }
}

pub(in crate::forge) async fn what_stands_under_an_earlier_prefix_goes_on_there(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.configure(AUTO, "pullRequest: {branchPrefix: bots/tagboat-}\n");
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let only = stage.only();
    assert_eq!((only.head.as_str(), only.title.as_str()), (HEAD, "prod: update web to 1.6.0"));
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    // What its file holds by now is under it, too.
    stage.push("main", "prod/web.yaml", &(manifest("1.4.0") + "# here\n"));
    assert_eq!(stage.acts(10).await, Some(Action::Updated));
    stage.store.repository.git(&["merge-base", "--is-ancestor", "main", HEAD]);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    stage.label(1, "tagboat/hold");
    assert_eq!(stage.acts(11).await, Some(Action::LeftAlone));
    stage.store.change(1, |pull| pull.labels.clear());
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(12).await, Some(Action::Merged));
    assert!(stage.runs().starts_with("1.6.0\n") && stage.store.at(HEAD).is_none());
    stage.list(&["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    assert_eq!(stage.acts(13).await, Some(Action::Opened));
    assert_eq!(stage.pulls()[1].head, "bots/tagboat-prod/ghcr.io-acme-web");
}

pub(in crate::forge) async fn what_became_unnecessary_under_an_earlier_prefix_is_closed(kind: Kind) {
    let stage = Stage::merging(kind).await;
    // A pull request of a person's own is nobody else's business, whatever its branch is called.
    stage.store.repository.git(&["branch", "people/prod/web", "main"]);
    stage.push("people/prod/web", "notes", "mine");
    stage.configure(AUTO, "pullRequest: {branchPrefix: bots/}\n");
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    assert_eq!(stage.acts(9).await, Some(Action::Closed));
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Closed], None));
    assert!(stage.store.at("people/prod/web").is_some());
}

pub(in crate::forge) async fn what_nobody_follows_any_more_under_an_earlier_prefix_is_closed(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.configure(AUTO, "pullRequest: {branchPrefix: bots/}\n");
    stage.push("main", "prod/web.yaml", &manifest("1.4.0").replace("acme/web", "acme/api"));
    stage.tags.set("ghcr.io/acme/api", ["1.4.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Closed));
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Closed], None));
}

impl Stage {
    /// Lets a person rename the environment and change the prefix in one commit.
    fn rename_all(&self) {
        let text = String::from_utf8(self.store.repository.show("main", ".tagboat.yaml")).unwrap();
        let text = text.replace("name: prod", "name: live").replace("pullRequest: {nativeAutoMerge: true}\n", "");
        self.push("main", ".tagboat.yaml", &format!("{text}pullRequest: {{branchPrefix: bots/}}\n"));
    }

    fn stands(outcome: &Outcome, head: &str) -> Option<(Action, String)> {
        let own = outcome.proposals.iter().find(|proposal| proposal.branch.as_deref() == Some(head));
        own.map(|own| (own.action, own.reason.clone().unwrap_or_default()))
    }
}

pub(in crate::forge) async fn what_an_environment_left_that_is_no_more_is_closed_under_an_earlier_prefix(kind: Kind) {
    const THEIRS: &str = "other/prod/ghcr.io-acme-web";
    let stage = Stage::merging(kind).await;
    // Somebody else's Tagboat works here, too, by a configuration of its own.
    stage.store.repository.git(&["branch", THEIRS, HEAD]);
    stage.store.open(Pull { head: THEIRS.to_owned(), ..stage.only() }).unwrap();
    stage.rename_all();
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(Stage::stands(&outcome, HEAD).map(|one| one.0), Some(Action::Closed), "{:#?}", outcome.proposals);
    assert_eq!((stage.store.pull(1).state, stage.store.at(HEAD)), (Stands::Closed, None));
    assert_eq!(Stage::stands(&outcome, "bots/live/ghcr.io-acme-web").map(|one| one.0), Some(Action::Opened));
    assert!(stage.store.at(THEIRS).is_some());
    assert_eq!(stage.store.pull(2).state, Stands::Open);

    // What a person has pushed to is theirs, and is told of.
    let stage = Stage::merging(kind).await;
    stage.push(HEAD, "notes", "mine");
    stage.rename_all();
    let (action, reason) = Stage::stands(&stage.outcome("mirror", 9).await, HEAD).unwrap();
    assert_eq!((action, stage.store.pull(1).state), (Action::LeftAlone, Stands::Open));
    assert!(reason.contains("somebody else has pushed"), "{reason}");
}

pub(in crate::forge) async fn a_forge_merges_nothing_that_an_environment_left_which_is_no_more(
    kind: Kind,
    required: &str,
) {
    for is_theirs in [false, true] {
        let stage = Stage::armed(kind, required).await;
        if is_theirs {
            stage.push(HEAD, "notes", "mine");
        }
        stage.rename_all();
        stage.acts(10).await;
        assert!(stage.store.kept().armed.is_empty());
        let stands = if is_theirs { Stands::Open } else { Stands::Closed };
        assert_eq!(stage.store.pull(1).state, stands);
    }
}

pub(in crate::forge) async fn nothing_is_committed_while_pull_requests_may_not_be_read(kind: Kind) {
    let stage = Stage::refused(kind, "    publish: pullRequest\n").await;
    stage.configure("    publish: commit\n", "");
    for _ in 0..4 {
        stage.store.trap("GET", "", Fault::Before(403));
    }
    let (action, reason) = stage.pass(9).await;
    assert_eq!((action, stage.runs()), (Some(Action::Waiting), "1.4.0".to_owned()), "{reason}");
    assert!(reason.contains("let the credential read pull requests, or say with `--forge plain`"), "{reason}");
    stage.store.kept().traps.clear();
    stage.is_refused(10).await;
}

/// Squashes what stands on the head branch into the base, as the forge does.
fn squash(stage: &Stage) {
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let tree = git(&["rev-parse", &format!("{HEAD}^{{tree}}")]);
    let made = git(&["commit-tree", &tree, "-p", "main", "-m", "prod: update web (#1)"]);
    git(&["update-ref", "refs/heads/main", &made]);
}

pub(in crate::forge) async fn goes_on_once_a_person_s_fix_was_squashed_onto_the_base(kind: Kind) {
    for is_told in [true, false] {
        let stage = Stage::new(kind, PLAIN);
        stage.acts(8).await;
        stage.push(HEAD, "notes", "mine");
        stage.acts(9).await;
        squash(&stage);
        if is_told {
            let sha = stage.store.at("main");
            stage.store.change(1, |pull| (pull.state, pull.merged) = (Stands::Merged, sha.clone()));
            // What was merged may have been changed since.
            stage.push("main", "notes", "other");
        }
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        let (action, reason) = stage.pass(10).await;
        let expected = if is_told { (Action::Opened, 2) } else { (Action::Updated, 1) };
        assert_eq!((action, stage.pulls().len()), (Some(expected.0), expected.1), "{reason}");
        let git = |arguments: &[&str]| stage.store.repository.git(arguments);
        assert_eq!(git(&["rev-list", "--count", &format!("main..{HEAD}")]), "1");
        assert_eq!(stage.acts(11).await, Some(Action::Unchanged));
    }
}

pub(in crate::forge) async fn what_was_taken_back_on_its_branch_is_a_person_s_until_that_is_closed(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.push(HEAD, "prod/web.yaml", &manifest("1.4.0"));
    let (action, reason) = stage.pass(9).await;
    assert!(action == Some(Action::LeftAlone) && reason.contains("somebody else has pushed"), "{reason}");
    stage.close(1);
    stage.is_refused(10).await;
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(11).await, Some(Action::Opened));
}

impl Stage {
    /// Lets so many others come and go that no listing tells of what was closed before.
    pub(super) fn bury(&self) {
        let sha = self.store.at("main").unwrap();
        for number in self.pulls().len() as u64 + 1..=120 {
            let mut other = self.store.pull(1);
            (other.number, other.state, other.head) = (number, Stands::Closed, format!("people/{number}"));
            (other.sha, other.title, other.body) = (sha.clone(), "Other".to_owned(), String::new());
            self.store.kept().pulls.push(other);
            self.store.change(number, |_| {});
        }
    }
}

pub(in crate::forge) async fn stays_refused_when_no_listing_tells_of_it_any_more(kind: Kind) {
    let group = "groups: [{name: shop, images: [\"ghcr.io/acme/*\"]}]\n";
    let commit = "    publish: commit\n";
    let on_live = format!("    branch: live\n{AUTO}");
    let cases = [
        (AUTO, ""),
        (AUTO, "pullRequest: {branchPrefix: bots/}\n"),
        (AUTO, group),
        (&on_live, ""),
        (commit, ""),
        (commit, group),
    ];
    for (environment, below) in cases {
        let stage = Stage::refused(kind, AUTO).await;
        stage.store.repository.git(&["branch", "live", "main"]);
        stage.bury();
        stage.configure(environment, below);
        for (mirror, hour) in [("mirror", 9), ("other", 10)] {
            let outcome = stage.outcome(mirror, hour).await;
            let left = outcome.proposals.iter().find(|proposal| proposal.action == Action::LeftAlone);
            let reason = left.and_then(|left| left.reason.clone()).unwrap_or_default();
            assert!(reason.contains("closed by a person in #1"), "{environment}{below}: {:#?}", outcome.proposals);
            assert_eq!(left.and_then(|left| left.url.clone()).map(|url| url.ends_with("/1")), Some(true));
            assert_eq!((stage.runs().as_str(), stage.pulls().len(), outcome.commits.len()), ("1.4.0", 120, 0));
        }
        stage.label(1, "tagboat/retry");
        let expected = if environment == commit { Action::Committed } else { Action::Opened };
        assert_eq!(stage.acts(11).await, Some(expected), "{environment}{below}");
    }
}

pub(in crate::forge) async fn remembers_on_which_branch_it_was_refused_and_asks_seldom(kind: Kind) {
    let prefix = |name: &str| format!("pullRequest: {{branchPrefix: {name}/}}\n");
    let mut stage = Stage::new(kind, AUTO);
    stage.cache = Some(stage.scratch.path("cache.db"));
    stage.configure(AUTO, &prefix("first"));
    stage.acts(8).await;
    stage.close(1);
    stage.bury();
    stage.configure(AUTO, &prefix("second"));
    let is_refused = async |environment: &str, hour: u32| {
        stage.configure(environment, &prefix("third"));
        stage.requests();
        let (action, reason) = stage.pass(hour).await;
        assert!(action == Some(Action::LeftAlone) && reason.contains("closed by a person in #1"), "{reason}");
        assert_eq!(stage.runs(), "1.4.0");
        stage.requests()
    };
    is_refused(AUTO, 9).await;
    for (environment, hour) in [(AUTO, 10), ("    publish: commit\n", 11)] {
        let (count, writes) = is_refused(environment, hour).await;
        // The newest ones, and the pages of what is open.
        assert!(count <= 2 && writes.is_empty(), "{environment}: {count} {writes:?}");
    }
    // Who takes it back sets the label, by which it is listed again.
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(12).await, Some(Action::Committed));
}

/// What became of the first proposal of a group, and why.
fn said(outcome: &Outcome, group: &str) -> (Action, String) {
    let own = outcome.proposals.iter().find(|one| one.group == group).unwrap();
    (own.action, own.reason.clone().unwrap_or_default())
}

pub(in crate::forge) async fn keeps_the_branch_that_alone_tells_of_a_refusal(kind: Kind) {
    let mut stage = Stage::refused(kind, PLAIN).await;
    stage.store.change(1, |pull| pull.body = "We do not want this.".to_owned());
    stage.configure(PLAIN, "groups: [{name: shop, images: [\"ghcr.io/acme/*\"]}]\n");
    for (mirror, hour) in [("mirror", 9), ("second", 10), ("third", 11)] {
        let outcome = stage.outcome(mirror, hour).await;
        let said = |group: &str| said(&outcome, group);
        let (action, reason) = said("shop");
        assert!(action == Action::LeftAlone && reason.contains("closed by a person in #1"), "{reason}");
        let (action, reason) = said("ghcr.io-acme-web");
        assert!(action == Action::LeftAlone && reason.contains("only its commit tells"), "{reason}");
        assert!(stage.store.at(HEAD).is_some() && stage.states() == [Stands::Closed]);
    }
    // Nor does it go once no listing tells of it, and no pass asks about it again and again.
    stage.bury();
    stage.cache = Some(stage.scratch.path("cache.db"));
    for first in [true, false] {
        stage.requests();
        let outcome = stage.outcome("third", 11).await;
        let (count, writes) = stage.requests();
        assert!(stage.store.at(HEAD).is_some() && writes.is_empty(), "{:#?}", outcome.proposals);
        assert!(first || count <= 2, "{count}");
    }
    stage.cache = None;
    stage.configure("    publish: commit\n", "");
    let (action, reason) = said(&stage.outcome("fifth", 12).await, "ghcr.io-acme-web");
    assert!(action == Action::LeftAlone && reason.contains("closed by a person in #1"), "{reason}");
    assert_eq!(stage.runs(), "1.4.0");
    stage.configure(PLAIN, "groups: [{name: shop, images: [\"ghcr.io/acme/*\"]}]\n");
    // Taken back, it tells of nothing any more.
    stage.label(1, "tagboat/retry");
    stage.outcome("fourth", 13).await;
    let newest = stage.pulls().pop().unwrap();
    assert_eq!((stage.store.at(HEAD), newest.state, newest.number), (None, Stands::Open, 121));
}

/// A person copies the body of what was refused into a pull request of their own, from a branch that is called as Tagboat would call it
/// under another prefix, or otherwise.
pub(in crate::forge) async fn a_copied_body_is_no_pull_request_of_tagboat_s(kind: Kind) {
    for head in ["evil", "x/prod/ghcr.io-acme-web"] {
        let git = |stage: &Stage| {
            stage.store.repository.git(&["branch", head, "main"]);
            stage.push(head, "notes", "mine");
        };
        let copy = |stage: &Stage| {
            let (title, body) = (stage.pulls()[0].title.clone(), stage.pulls()[0].body.clone());
            let pull = Pull {
                title,
                body,
                head: head.to_owned(),
                state: Stands::Open,
                merged: None,
                ..stage.pulls()[0].clone()
            };
            stage.store.open(pull).unwrap();
        };
        // It takes no refusal back, open, merged, or closed as if Tagboat had done so.
        let stage = Stage::refused(kind, AUTO).await;
        git(&stage);
        copy(&stage);
        stage.is_refused_by_the_first(head).await;
        stage.store.change(2, |pull| {
            (pull.state, pull.merged) = (Stands::Merged, Some(pull.sha.clone()));
        });
        stage.is_refused_by_the_first(head).await;
        stage.store.change(2, |pull| {
            (pull.state, pull.merged) = (Stands::Closed, None);
            pull.body = pull.body.replace("\"withdrawn\":false", "\"withdrawn\":true");
        });
        stage.is_refused_by_the_first(head).await;
        assert_eq!(stage.pulls().len(), 2, "{head}");

        // Nor is it the pull request that stands, or in the way of it.
        let stage = Stage::new(kind, AUTO);
        stage.acts(8).await;
        git(&stage);
        copy(&stage);
        stage.store.repository.git(&["update-ref", "-d", &format!("refs/heads/{HEAD}")]);
        stage.store.refresh();
        stage.label(1, "tagboat/retry");
        let theirs = stage.store.at(head);
        assert_eq!(stage.acts(9).await, Some(Action::Opened), "{head}");
        assert_eq!(stage.acts(10).await, Some(Action::Unchanged), "{head}");
        assert_eq!(stage.states(), [Stands::Closed, Stands::Open, Stands::Open]);
        assert_eq!((stage.pulls()[2].head.as_str(), stage.store.at(head)), (HEAD, theirs));
    }
}

/// What a person has closed on a branch of their own refuses nothing.
pub(in crate::forge) async fn a_copied_body_on_another_branch_refuses_nothing(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.store.repository.git(&["branch", "evil", "main"]);
    stage.push("evil", "notes", "mine");
    let pull = Pull { head: "evil".to_owned(), state: Stands::Open, ..stage.pulls()[0].clone() };
    stage.store.open(pull).unwrap();
    stage.close(2);
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

/// Called as Tagboat calls its own, but for a prefix that nobody configured: who copies a body there refuses nothing by closing it.
pub(in crate::forge) async fn a_copied_body_on_a_branch_of_somebody_s_own_refuses_nothing(kind: Kind) {
    const THEIRS: &str = "x/prod/ghcr.io-acme-web";
    for (environment, expected) in [(AUTO, Action::Merged), ("    publish: commit\n", Action::Committed)] {
        let stage = Stage::merging(kind).await;
        stage.store.repository.git(&["branch", THEIRS, "main"]);
        stage.push(THEIRS, "notes", "mine");
        let pull = Pull { head: THEIRS.to_owned(), state: Stands::Open, ..stage.pulls()[0].clone() };
        stage.store.open(pull).unwrap();
        stage.close(2);
        stage.configure(environment, "");
        let outcome = stage.outcome("mirror", 9).await;
        assert!(outcome.proposals.iter().any(|one| one.action == expected), "{:#?}", outcome.proposals);
        assert_eq!(stage.runs(), "1.5.0");
    }
    // What Tagboat itself made under a prefix of its own still refuses.
    let stage = Stage::new(kind, AUTO);
    stage.configure(AUTO, "pullRequest: {branchPrefix: bots/}\n");
    stage.acts(8).await;
    stage.close(1);
    stage.configure(AUTO, "pullRequest: {branchPrefix: x/}\n");
    stage.is_refused(9).await;
}
