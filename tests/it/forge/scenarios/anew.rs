//! Orders that a person merges: made anew where the base moved or a label asks for it, and answered where that cannot be.

use tagboat::model::environment::Publish;
use tagboat::model::gate::GateName;
use tagboat::model::proposal::Action;
use tagboat::pass::order::Order;

use crate::forge::scenarios::ordering::says;
use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, WEB, manifest};
use crate::git::signing::ssh_key;
use crate::support::forge::Stands;
use crate::support::passes::Said;

const HOLDS: &str = ".tagboat/holds.yaml";

fn rollback() -> Order {
    Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to: None }
}

fn promote(skipped: &[GateName]) -> Order {
    let (image, tag) = (WEB.parse().unwrap(), "1.5.0".parse().unwrap());
    Order::Promote {
        environment: "prod".into(),
        what: image,
        tag,
        at_once: true,
        skipped: skipped.iter().copied().collect(),
    }
}

impl Stage {
    fn git(&self, arguments: &[&str]) -> String {
        self.store.repository.git(arguments)
    }

    fn said(&self) -> String {
        self.git(&["log", "-1", "--format=%B", HEAD])
    }

    pub(super) fn at_head(&self, file: &str) -> String {
        String::from_utf8(self.store.repository.show(HEAD, file)).unwrap()
    }

    /// Whether the head branch is one commit on top of the base.
    fn is_on_tip(&self) -> bool {
        self.git(&["rev-parse", &format!("{HEAD}~1")]) == self.git(&["rev-parse", "main"])
    }

    /// Starts with a rollback to 1.4.0 that stands as a pull request.
    async fn rolling_back(kind: Kind, environment: &str) -> Self {
        let stage = Self::new(kind, environment);
        stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
        stage.order(8, rollback()).await;
        stage
    }

    /// Runs a pass, and returns every reason that it tells.
    async fn reasons(&self, hour: u32) -> String {
        let outcome = self.outcome("mirror", hour).await;
        assert_eq!(outcome.errors, []);
        let reasons = outcome.proposals.iter().filter_map(|one| one.reason.clone());
        reasons.collect::<Vec<_>>().join("\n")
    }
}

/// Nobody else would have to order it again: the branch conflicts, and the pass mends that.
pub(in crate::forge) async fn an_order_whose_files_changed_on_the_base_is_made_anew_with_its_hold(kind: Kind) {
    let other = "version: 1\nholds:\n  - image: ghcr.io/acme/api\n    tag: \"2.0.0\"\n    by: \"bob\"\n";
    let both = |web: &str, api: &str| format!("# Ours\n{}  - image: ghcr.io/acme/api:{api}\n", manifest(web));
    for environment in [PLAIN, AUTO, "    publish: commit\n"] {
        for (file, text) in [(HOLDS, other.to_owned()), ("prod/web.yaml", both("1.5.0", "1.1.0"))] {
            let stage = Stage::new(kind, environment);
            stage.tags.set("ghcr.io/acme/api", ["1.0.0", "1.1.0"]);
            stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
            stage.push("main", "prod/web.yaml", &both("1.5.0", if file == HOLDS { "1.1.0" } else { "1.0.0" }));
            let said = Said { publish: Some(Publish::PullRequest), ..Said::default() };
            stage.order_as(8, rollback(), said).await;
            let before = stage.said();
            stage.push("main", file, &text);
            let (action, reason) = stage.of_order(9).await;
            assert!(action == Action::Updated && reason.contains("made anew on main"), "{action:?} {reason}");
            assert!(reason.contains("ada ordered to go back: needed now"), "{reason}");
            assert!(stage.is_on_tip(), "{file}");
            assert_eq!(stage.said(), before, "the same words");
            assert_eq!(stage.at_head("prod/web.yaml"), both("1.4.0", "1.1.0"), "{file}");
            let held = stage.at_head(HOLDS);
            assert!(held.contains("tag: \"1.5.0\"") && held.contains("by: \"ada\""), "{held}");
            assert!(held.contains("reason: \"needed now\"") && (file != HOLDS || held.starts_with(other)), "{held}");
            let after = stage.only();
            stage.requests();
            assert_eq!(stage.of_order(10).await.0, Action::Waiting);
            assert_eq!((stage.requests().1, stage.only().sha), (Vec::new(), after.sha), "once");
            stage.store.merge(1).unwrap();
            let merged = String::from_utf8(stage.store.repository.show("main", "prod/web.yaml")).unwrap();
            assert_eq!(merged, both("1.4.0", "1.1.0"));
        }
    }
}

pub(in crate::forge) async fn an_order_on_the_branch_of_its_environment_is_made_anew_there(kind: Kind) {
    let stage = Stage::new(kind, "    publish: pullRequest\n    branch: live\n");
    stage.git(&["branch", "live", "main"]);
    stage.push("live", "prod/web.yaml", &manifest("1.5.0"));
    stage.order(8, rollback()).await;
    let said = stage.said();
    assert!(said.contains("Tagboat-Hold: ") && stage.only().base == "live", "{said}");
    stage.push("live", "prod/web.yaml", &format!("# Ours\n{}", manifest("1.5.0")));
    let (action, reason) = stage.of_order(9).await;
    assert!(action == Action::Updated && reason.contains("made anew on live"), "{action:?} {reason}");
    assert_eq!(stage.git(&["rev-parse", &format!("{HEAD}~1")]), stage.git(&["rev-parse", "live"]));
    assert_eq!((stage.said(), stage.at_head("prod/web.yaml")), (said, format!("# Ours\n{}", manifest("1.4.0"))));
    let held = String::from_utf8(stage.store.repository.show("main", HOLDS)).unwrap();
    assert_eq!(held.matches("1.5.0").count(), 1, "{held}");
    assert_eq!(stage.of_order(10).await.0, Action::Waiting);
}

pub(in crate::forge) async fn a_label_has_an_order_of_every_kind_made_anew_in_the_same_words(kind: Kind) {
    let for_a_person = || Said { publish: Some(Publish::PullRequest), ..Said::default() };
    let bold = || promote(&[GateName::Soak]);
    for (environment, runs, order, said) in [
        (PLAIN, "1.5.0", rollback(), Said::default()),
        (AUTO, "1.5.0", rollback(), Said::default()),
        (PLAIN, "1.4.0", promote(&[]), Said::default()),
        (AUTO, "1.4.0", promote(&[]), for_a_person()),
        (AUTO, "1.4.0", promote(&[]), Said::default()),
        (AUTO, "1.4.0", bold(), Said::default()),
    ] {
        let stage = Stage::new(kind, environment);
        if runs != "1.4.0" {
            stage.push("main", "prod/web.yaml", &manifest(runs));
        }
        stage.order_as(8, order.clone(), said).await;
        let (said, body, title) = (stage.said(), stage.only().body, stage.only().title);
        let held = order == rollback();
        let mut moved = false;
        for label in ["tagboat/rebase", "tagboat/retry"] {
            stage.push("main", "readme", label);
            assert!(!stage.is_on_tip());
            moved |= stage.of_order(9).await.0 == Action::Updated;
            assert!(!moved, "nobody asked for it: {order:?}");
            stage.label(1, label);
            assert_eq!(stage.of_order(9).await.0, Action::Updated, "{environment} {order:?}");
            assert!(stage.is_on_tip(), "{environment} {order:?}");
            let now = stage.only();
            assert_eq!((stage.said(), now.body, now.title), (said.clone(), body.clone(), title.clone()), "{order:?}");
            assert_eq!((now.labels.contains(label), now.comments.len(), now.state), (false, 0, Stands::Open));
            assert_eq!(stage.at_head(HOLDS).contains("1.5.0"), held);
            let sha = stage.only().sha;
            stage.outcome("mirror", 9).await;
            assert_eq!(stage.only().sha, sha, "once");
        }
    }
    // As everything else does where that is asked for of all.
    let stage = Stage::rolling_back(kind, "    publish: pullRequest\npullRequest: {rebase: always}\n").await;
    stage.push("main", "readme", "moved");
    assert_eq!(stage.of_order(9).await.0, Action::Updated);
    assert!(stage.is_on_tip());
    assert_eq!(stage.of_order(9).await.0, Action::Waiting);
}

pub(in crate::forge) async fn what_is_not_as_it_was_ordered_is_left_and_says_what_changed(kind: Kind) {
    let two = format!("{}  - image: {WEB}:1.5.0\n", manifest("1.5.0"));
    for (file, text, expected) in [
        ("prod/web.yaml", manifest("1.6.0"), "prod/web.yaml has 1.6.0 of ghcr.io/acme/web by now, and not 1.5.0"),
        ("prod/web.yaml", two, "prod/web.yaml has 2 places of ghcr.io/acme/web with 1.5.0 by now, and 1 place was to"),
        ("prod/web.yaml", "a: b\n".to_owned(), "prod/web.yaml has no place of ghcr.io/acme/web any more"),
    ] {
        let stage = Stage::rolling_back(kind, AUTO).await;
        let before = stage.only();
        stage.push("main", file, &text);
        let command = "tagboat rollback prod ghcr.io/acme/web --to 1.4.0 --reason 'needed now'";
        let reasons = stage.reasons(9).await;
        assert!(reasons.contains(expected) && reasons.contains(command), "{reasons}");
        assert_eq!((stage.only().sha, stage.only().comments.len()), (before.sha.clone(), 0));
        // Asked for on the pull request, it is answered there, once.
        stage.label(1, "tagboat/rebase");
        let reasons = stage.reasons(10).await;
        assert!(reasons.contains(expected) && reasons.contains(command), "{reasons}");
        let now = stage.only();
        assert_eq!((&now.sha, now.labels.is_empty(), now.comments.len()), (&before.sha, true, 1), "{now:?}");
        assert!(
            now.comments[0].contains("is not done") && now.comments[0].contains(&format!("`{command}`")),
            "{now:?}"
        );
        assert!(stage.reasons(11).await.contains(expected));
        assert_eq!((stage.only().comments.len(), stage.only().state), (1, Stands::Open));
    }
    // While not everything is known nothing is answered, and the label stays.
    let stage = Stage::rolling_back(kind, AUTO).await;
    stage.push("main", "prod/broken.yaml", "a: [\nimage: ghcr.io/acme/web:1.5.0\n");
    stage.label(1, "tagboat/rebase");
    let outcome = stage.outcome("mirror", 9).await;
    let told = outcome
        .proposals
        .iter()
        .filter_map(|one| one.reason.as_deref())
        .find(|told| told.contains("not made anew now"));
    assert!(told.is_some(), "{outcome:#?}");
    assert_eq!((stage.only().labels.len(), stage.only().comments.len()), (1, 0));
}

/// As many places run what was to leave, and none of them is the one that was to go back.
pub(in crate::forge) async fn an_order_is_made_anew_at_the_places_that_it_names_and_at_no_other(kind: Kind) {
    let both = |rows: [(&str, &str); 2]| {
        let row = |(name, tag)| format!("  - name: {name}\n    image: {WEB}:{tag}\n");
        format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{}", rows.map(row).concat())
    };
    let ordered = async || {
        let stage = Stage::new(kind, PLAIN);
        stage.list(&["1.3.0", "1.4.0", "1.5.0"]);
        stage.push("main", "prod/web.yaml", &both([("web", "1.4.0"), ("worker", "1.3.0")]));
        stage.push("main", "prod/web.yaml", &both([("web", "1.5.0"), ("worker", "1.3.0")]));
        stage.order(8, rollback()).await;
        assert_eq!(stage.at_head("prod/web.yaml"), both([("web", "1.4.0"), ("worker", "1.3.0")]));
        stage
    };
    let stage = ordered().await;
    let before = stage.only();
    stage.push("main", "prod/web.yaml", &both([("web", "1.3.0"), ("worker", "1.5.0")]));
    let reasons = stage.reasons(9).await;
    let expected = "prod/web.yaml has 1.5.0 of ghcr.io/acme/web elsewhere by now, and not where it was to leave";
    assert!(reasons.contains(expected) && reasons.contains("tagboat rollback prod"), "{reasons}");
    assert_eq!(stage.only().sha, before.sha);
    // Where it stands in its file makes no other place of it.
    let stage = ordered().await;
    stage.push("main", "prod/web.yaml", &both([("worker", "1.3.0"), ("web", "1.5.0")]));
    assert_eq!(stage.of_order(9).await.0, Action::Updated);
    assert_eq!(stage.at_head("prod/web.yaml"), both([("worker", "1.3.0"), ("web", "1.4.0")]));
}

pub(in crate::forge) async fn only_what_was_signed_here_is_signed_again(kind: Kind) {
    let mut stage = Stage::new(kind, &format!("{AUTO}commit: {{sign: ssh}}\n"));
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    let keys = ["own", "other"]
        .map(|name| std::fs::read_to_string(ssh_key(&stage.scratch, name, &["-t", "ed25519"])).unwrap());
    stage.ssh = Some(keys[0].clone());
    stage.order(8, rollback()).await;
    stage.push("main", "readme", "moved");
    stage.label(1, "tagboat/rebase");
    assert_eq!(stage.of_order(9).await.0, Action::Updated);
    assert!(stage.is_on_tip() && stage.git(&["cat-file", "commit", HEAD]).contains("BEGIN SSH SIGNATURE"));
    // Somebody's words below the signature of another commit, and another key's: neither is signed.
    says(&stage, "Tagboat-By: ada", "Tagboat-By: eve");
    for asks in [0, 1] {
        if asks == 1 {
            stage.ssh = Some(keys[1].clone());
            stage.order_as(9, rollback(), Said { reason: Some("again"), ..Said::default() }).await;
            stage.ssh = Some(keys[0].clone());
        }
        let sha = stage.only().sha;
        stage.push("main", "readme", &format!("moved {asks}"));
        stage.label(1, "tagboat/rebase");
        let reasons = stage.reasons(10).await;
        assert!(reasons.contains("is not signed with the key that signs here"), "{reasons}");
        assert!(reasons.contains("`tagboat rollback prod ghcr.io/acme/web --to 1.4.0 --reason"), "{reasons}");
        assert_eq!((stage.only().sha, stage.only().comments.len()), (sha, asks + 1));
    }
}

pub(in crate::forge) async fn what_the_forge_signs_is_ordered_again_and_not_made_anew(kind: Kind) {
    let stage = Stage::rolling_back(kind, "    publish: pullRequest\ncommit: {sign: forge}\n").await;
    let sha = stage.only().sha;
    stage.push("main", "readme", "moved");
    stage.label(1, "tagboat/rebase");
    let reasons = stage.reasons(9).await;
    let command = "`tagboat rollback prod ghcr.io/acme/web --to 1.4.0 --reason 'needed now'`";
    assert!(reasons.contains("nobody can tell here whose words") && reasons.contains(command), "{reasons}");
    let now = stage.only();
    assert_eq!((now.sha, now.labels.len(), now.comments.len()), (sha, 0, 1));
    assert!(now.comments[0].contains(command), "{:?}", now.comments);
    stage.order(10, rollback()).await;
    assert!(stage.only().body.contains("A person merges this"));
}

pub(in crate::forge) async fn what_an_order_said_of_its_gates_is_said_of_its_new_head_and_nothing_else(kind: Kind) {
    let said = |stage: &Stage| {
        let sha = stage.only().sha;
        let kept = stage.store.kept();
        let rows = kept.checks.iter().filter(|row| row.sha == sha && row.name.starts_with("tagboat/"));
        let mut rows: Vec<_> = rows.map(|row| (row.name.clone(), row.word.clone(), row.text.clone())).collect();
        rows.sort();
        rows
    };
    let gates = "    publish: pullRequest\n    gates: {manual: true, windows: [{hours: \"08:00-09:00\"}]}\n";
    let stage = Stage::new(kind, gates);
    stage.order(8, promote(&[GateName::Manual])).await;
    let before = said(&stage);
    assert!(before.iter().any(|row| row.2 == "skipped by ada"), "{before:?}");
    stage.push("main", "readme", "moved");
    stage.label(1, "tagboat/rebase");
    assert_eq!(stage.of_order(8).await.0, Action::Updated);
    assert_eq!((said(&stage), stage.is_on_tip()), (before, true));
    // Who pushes can write that one more was skipped, and gets no status for it.
    says(&stage, "Tagboat-Skip: manual", "Tagboat-Skip: manual, windows");
    stage.push("main", "readme", "moved again");
    stage.label(1, "tagboat/rebase");
    stage.outcome("mirror", 8).await;
    assert!(stage.is_on_tip());
    let rows = said(&stage);
    assert!(rows.len() == 2 && rows.iter().all(|row| row.1 == kind.statuses[1]), "{rows:?}");
    assert!(rows.iter().all(|row| row.2 == "only the order itself says so: give it again"), "{rows:?}");
}

pub(in crate::forge) async fn an_order_that_was_closed_answers_who_asks_for_it_again(kind: Kind) {
    for is_removed in [false, true] {
        let stage = Stage::rolling_back(kind, PLAIN).await;
        stage.outcome("mirror", 8).await;
        stage.close(1);
        if is_removed {
            stage.git(&["update-ref", "-d", &format!("refs/heads/{HEAD}")]);
        }
        stage.requests();
        stage.outcome("mirror", 9).await;
        assert_eq!(stage.requests().1, Vec::<String>::new());
        stage.label(1, "tagboat/retry");
        let command = "`tagboat rollback prod ghcr.io/acme/web --to 1.4.0 --reason 'needed now'`";
        let reasons = stage.reasons(10).await;
        assert!(reasons.contains("an order that was closed is given again") && reasons.contains(command), "{reasons}");
        let now = stage.pulls()[0].clone();
        assert_eq!((now.state, now.labels.len(), now.comments.len()), (Stands::Closed, 0, 1), "{now:?}");
        assert!(now.comments[0].contains(command), "{now:?}");
        let reasons = stage.reasons(11).await;
        assert!(!reasons.contains("given again") && stage.pulls()[0].comments.len() == 1, "{reasons}");
        if !is_removed {
            // Opened again, it goes on.
            stage.store.change(1, |pull| pull.state = Stands::Open);
            assert!(stage.of_order(12).await.1.contains("ada ordered to go back"));
        }
        // Its command brings it, whatever was closed.
        stage.order(13, rollback()).await;
        assert_eq!(stage.pulls().last().unwrap().state, Stands::Open);
    }
    // Of a version that was refused the label keeps its meaning.
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(9).await, Some(Action::Opened));
    assert_eq!((stage.pulls()[0].labels.len(), stage.pulls()[0].comments.len()), (1, 0));
}

pub(in crate::forge) async fn the_same_order_for_another_reason_says_which(kind: Kind) {
    let stage = Stage::rolling_back(kind, PLAIN).await;
    let again = |reason: &'static str| stage.order_as(9, rollback(), Said { reason: Some(reason), ..Said::default() });
    let outcome = again("loses sessions").await;
    let told = outcome.proposals[0].reason.clone().unwrap_or_default();
    assert_eq!(outcome.proposals[0].action, Action::Updated);
    assert!(told.contains("reason: `loses sessions`, and not `needed now` as before"), "{told}");
    assert!(stage.said().ends_with("\nTagboat-Reason: loses sessions"), "{}", stage.said());
    assert!(stage.only().body.contains("Reason: loses sessions"), "{}", stage.only().body);
    assert!(stage.at_head(HOLDS).contains("reason: \"loses sessions\""), "{}", stage.at_head(HOLDS));
    let outcome = again("loses sessions").await;
    assert_eq!((outcome.proposals[0].action, &outcome.proposals[0].reason), (Action::Unchanged, &None));
    stage.push("main", "prod/web.yaml", &format!("# Ours\n{}", manifest("1.5.0")));
    let told = again("loses sessions").await.proposals[0].reason.clone().unwrap_or_default();
    assert!(told.contains("made anew on main"), "{told}");
}
