//! What a person orders into a pull request that Tagboat merges: by a later pass, under the rules of its own.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::model::environment::Publish;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::order::Order;
use tagboat::pass::propose::Publishing;

use crate::forge::scenarios::{AUTO, GATED, HEAD, Kind, PLAIN, Stage, WEB, manifest};
use crate::support::forge::Stands;
use crate::support::passes::{Passing, Said};
use crate::support::repository::environment;

impl Stage {
    pub(super) async fn order(&self, hour: u32, order: Order) -> Outcome {
        self.order_as(hour, order, Said::default()).await
    }

    pub(super) async fn order_as(&self, hour: u32, order: Order, said: Said<'_>) -> Outcome {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = Mirror::open(&self.scratch.path("orders"), url, Access::None, environment(None)).unwrap();
        let remote: Arc<dyn Remote> = Arc::new(mirror.with_keys(self.keys()));
        Passing {
            remote,
            tags: &self.tags,
            now: &format!("2026-11-20T{hour:02}:00:00Z"),
            publishing: Publishing::Forge((self.kind.client)(&self.address)),
        }
        .order(&order, Said { by: Some("ada"), reason: said.reason.or(Some("needed now")), ..said })
        .await
        .unwrap()
    }

    async fn promote(&self, hour: u32, tag: &str) -> Outcome {
        let (image, tag) = (WEB.parse().unwrap(), tag.parse().unwrap());
        let environment = "prod".into();
        self.order(hour, Order::Promote { environment, what: image, tag, at_once: true, skipped: [].into() }).await
    }

    /// Orders a version as a pull request that a person merges, whatever the environment says.
    pub(super) async fn promote_for_a_person(&self, hour: u32, tag: &str) {
        let (image, tag) = (WEB.parse().unwrap(), tag.parse().unwrap());
        let order = Order::Promote { environment: "prod".into(), what: image, tag, at_once: false, skipped: [].into() };
        self.order_as(hour, order, Said { publish: Some(Publish::PullRequest), ..Said::default() }).await;
    }

    /// Runs a pass; what it says of the order.
    pub(super) async fn of_order(&self, hour: u32) -> (Action, String) {
        let outcome = self.outcome("mirror", hour).await;
        let order = outcome.proposals.iter().rfind(|proposal| proposal.action != Action::LeftAlone);
        let order = order.unwrap_or_else(|| panic!("{:#?}", outcome.proposals));
        (order.action, order.reason.clone().unwrap_or_default())
    }
}

/// Where two images' own names come to one, each has a branch of its own, whoever wants it moved.
pub(in crate::forge) async fn what_was_ordered_stands_on_the_branch_of_its_own_image(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.list(&["1.4.0"]);
    let images = ["ghcr.io/acme/job.lock", "ghcr.io/acme/job-lock"];
    for (at, image) in images.into_iter().enumerate() {
        stage.tags.set(image, ["1.4.0", "1.4.1", "1.5.0"]);
        stage.push("main", &format!("prod/{at}.yaml"), &manifest("1.4.0").replace(WEB, image));
    }
    stage.outcome("mirror", 8).await;
    let before = stage.pulls();
    assert_eq!(before.len(), 2);
    for (at, image) in images.into_iter().enumerate() {
        let what = image.parse().unwrap();
        let tag = "1.4.1".parse().unwrap();
        let order = Order::Promote { environment: "prod".into(), what, tag, at_once: false, skipped: [].into() };
        stage.order_as(9, order, Said { publish: Some(Publish::PullRequest), ..Said::default() }).await;
        let pulls = stage.pulls();
        assert_eq!(pulls.len(), 2, "{pulls:?}");
        let own = before.iter().position(|pull| pull.body.contains(&format!("`{image}`"))).unwrap();
        assert!(pulls[own].title.contains("1.4.1"), "{at}: {pulls:?}");
    }
    stage.outcome("mirror", 10).await;
    assert_eq!(stage.states(), [Stands::Open; 2]);
}

pub(in crate::forge) async fn what_was_ordered_is_merged_by_a_later_pass_once_its_checks_pass(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    // It takes the place of what stands.
    stage.acts(7).await;
    stage.promote(8, "1.5.0").await;
    assert!(stage.only().body.contains("Tagboat merges this once every gate"), "{}", stage.only().body);
    let (action, reason) = stage.of_order(9).await;
    assert!(action == Action::Unchanged && reason.contains("no check has reported"), "{action:?} {reason}");
    stage.label(1, "tagboat/hold");
    stage.check("build", kind.words[0]);
    assert_eq!((stage.acts(10).await, stage.runs()), (Some(Action::LeftAlone), "1.4.0".to_owned()));
    stage.store.change(1, |pull| pull.labels.clear());
    let outcome = stage.outcome("mirror", 11).await;
    assert!(outcome.proposals.iter().any(|proposal| proposal.action == Action::Merged), "{:#?}", outcome.proposals);
    assert_eq!((stage.runs(), stage.states()), ("1.5.0".to_owned(), vec![Stands::Merged, Stands::Open]));
    assert_eq!(stage.pulls()[1].title, "prod: update web to 1.6.0");
}

/// The commit of the head branch says something else from now on.
pub(super) fn says(stage: &Stage, what: &str, instead: &str) {
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let told = git(&["cat-file", "commit", HEAD]);
    assert!(told.contains(what), "{told}");
    let file = stage.scratch.path("forged");
    std::fs::write(&file, format!("{}\n", told.replace(what, instead))).unwrap();
    let forged = git(&["hash-object", "-t", "commit", "-w", &file.display().to_string()]);
    git(&["update-ref", &format!("refs/heads/{HEAD}"), &forged]);
    stage.check("build", "success");
}

/// Several passes leave what was ordered to a person, and say why.
async fn is_left_to_a_person(stage: &Stage, runs: &str, why: &str) {
    for hour in [9, 10] {
        let (action, reason) = stage.of_order(hour).await;
        assert!(action == Action::Waiting && reason.contains(why), "{action:?} {reason}");
        assert_eq!((stage.runs(), stage.states()), (runs.to_owned(), vec![Stands::Open]));
        let told = stage.outcome("mirror", hour).await.proposals;
        assert_eq!(told.iter().filter(|one| one.branch.as_deref() == Some(HEAD)).count(), 1, "{told:#?}");
    }
}

const UNKNOWN: &str = "it is not known who pushed this branch";

pub(in crate::forge) async fn a_rollback_that_was_ordered_is_a_persons_to_merge(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    let what = WEB.to_owned();
    let ordered = stage.order(8, Order::Rollback { environment: "prod".into(), what, to: None }).await;
    let told = "a person merges it, since nobody can tell who pushes a branch; `--publish commit` brings it at once";
    assert_eq!(ordered.proposals[0].reason.as_deref(), Some(told), "who orders it is told at once");
    assert!(!stage.only().body.contains("Tagboat merges this once every gate"), "{}", stage.only().body);
    stage.check("build", kind.words[0]);
    is_left_to_a_person(&stage, "1.5.0", UNKNOWN).await;
    // Whoever can push the branch can write the trailer.
    says(&stage, "Tagboat-Order: rollback", "Tagboat-Order: rollback\nTagboat-Publish: autoMerge");
    is_left_to_a_person(&stage, "1.5.0", UNKNOWN).await;
}

pub(in crate::forge) async fn what_was_ordered_keeps_everything_else_away_when_its_image_joins_a_group(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    let what = WEB.to_owned();
    stage.order(8, Order::Rollback { environment: "prod".into(), what, to: None }).await;
    stage.check("build", kind.words[0]);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    stage.reword(|config| format!("{config}groups: [{{name: shop, images: [ghcr.io/acme/web]}}]\n"));
    for hour in [9, 10] {
        let outcome = stage.outcome("mirror", hour).await;
        let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
        let expected =
            format!("a person ordered what stands in {HEAD}: it stays until it is merged, or the branch removed");
        assert!(said.contains(&expected.as_str()), "{said:?}");
        assert_eq!((stage.states(), stage.runs().as_str()), (vec![Stands::Open], "1.5.0"));
    }
    stage.store.change(1, |pull| pull.state = Stands::Closed);
    let outcome = stage.outcome("mirror", 11).await;
    let said: Vec<&str> = outcome.proposals.iter().filter_map(|one| one.reason.as_deref()).collect();
    let closed = format!(
        "a person ordered what stands in {HEAD}, and no pull request is open for it: order it again, or remove the branch"
    );
    assert!(said.contains(&closed.as_str()), "{said:?}");
}

pub(in crate::forge) async fn a_downgrade_that_says_it_was_ordered_forward_is_a_persons_to_merge(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    let what = WEB.to_owned();
    stage.order(8, Order::Rollback { environment: "prod".into(), what, to: None }).await;
    says(&stage, "Tagboat-Order: rollback", "Tagboat-Order: promote\nTagboat-Publish: autoMerge");
    says(&stage, "Tagboat-Hold: ", "Held: ");
    is_left_to_a_person(&stage, "1.5.0", "1.4.0 is lower than 1.5.0").await;
}

pub(in crate::forge) async fn what_was_ordered_past_a_gate_is_a_persons_to_merge(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    let skipped = [tagboat::model::gate::GateName::Soak].into();
    let (image, tag) = (WEB.parse().unwrap(), "1.5.0".parse().unwrap());
    let environment = "prod".into();
    stage.order(8, Order::Promote { environment, what: image, tag, at_once: true, skipped }).await;
    stage.check("build", kind.words[0]);
    is_left_to_a_person(&stage, "1.4.0", UNKNOWN).await;
    says(&stage, "Tagboat-Order: promote", "Tagboat-Order: promote\nTagboat-Publish: autoMerge");
    is_left_to_a_person(&stage, "1.4.0", UNKNOWN).await;
}

/// A base branch may require every status of a gate, whether or not anybody waits for that gate.
pub(in crate::forge) async fn gates_that_hold_no_order_up_say_so_on_its_head(kind: Kind) {
    let said = |stage: &Stage| {
        let sha = stage.only().sha;
        let kept = stage.store.kept();
        let rows = kept.checks.iter().filter(|row| row.sha == sha && row.name.starts_with("tagboat/"));
        rows.map(|row| (row.name.clone(), row.word.clone(), row.text.clone())).collect::<Vec<_>>()
    };
    let row = |name: &str, text: &str| (name.to_owned(), kind.statuses[0].to_owned(), text.to_owned());
    for publish in ["autoMerge", "pullRequest"] {
        let gates =
            format!("    publish: {publish}\n    gates: {{manual: true, windows: [{{hours: \"08:00-09:00\"}}]}}\n");
        let stage = Stage::new(kind, &gates);
        stage.acts(7).await;
        let skipped = [tagboat::model::gate::GateName::Manual].into();
        let (image, tag) = (WEB.parse().unwrap(), "1.5.0".parse().unwrap());
        let environment = "prod".into();
        stage.order(8, Order::Promote { environment, what: image, tag, at_once: true, skipped }).await;
        let all = [row("tagboat/windows", "passed"), row("tagboat/manual", "skipped by ada")];
        assert_eq!(said(&stage), all, "{publish}");
        stage.outcome("mirror", 8).await;
        assert_eq!(said(&stage), all, "{publish}: a pass adds nothing");
        // The window closes; that a gate was skipped is the order's word, and whoever pushes can write another one.
        stage.outcome("mirror", 9).await;
        assert_eq!(said(&stage).len(), 3, "{publish}: {:?}", said(&stage));
        assert_eq!((said(&stage)[2].0.as_str(), said(&stage)[2].1.as_str()), ("tagboat/windows", kind.statuses[1]));
        says(&stage, "Tagboat-Skip: manual", "Tagboat-Skip: manual, windows");
        stage.outcome("mirror", 9).await;
        stage.outcome("mirror", 8).await;
        assert_eq!(said(&stage), [], "{publish}: nothing is said of what somebody forged");

        let stage = Stage::new(kind, &gates);
        stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
        stage.order(8, Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to: None }).await;
        let words = "does not hold a rollback up";
        assert_eq!(said(&stage), [row("tagboat/windows", words), row("tagboat/manual", words)], "{publish}");
    }
}

pub(in crate::forge) async fn what_was_ordered_and_is_too_young_is_a_persons_to_merge(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    let config = String::from_utf8(stage.store.repository.show("main", ".tagboat.yaml")).unwrap();
    stage.push("main", ".tagboat.yaml", &config.replace("semver: 1.x\n", "semver: 1.x\n    minAge: 7d\n"));
    stage.promote(8, "1.5.0").await;
    stage.check("build", kind.words[0]);
    is_left_to_a_person(&stage, "1.4.0", "its policy asks for more than a name").await;
}

pub(in crate::forge) async fn what_was_ordered_waits_for_a_window_that_has_closed(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    stage.promote(9, "1.5.0").await;
    stage.check("build", kind.words[0]);
    stage.of_order(11).await;
    assert_eq!(stage.runs(), "1.4.0");
    stage.check("build", kind.words[0]);
    stage.of_order(9).await;
    assert_eq!(stage.runs(), "1.5.0");
}

pub(in crate::forge) async fn what_only_says_that_it_was_ordered_is_made_anew_from_its_words(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.promote(8, "1.5.0").await;
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    // The same words over another content.
    let told = git(&["cat-file", "commit", HEAD]);
    let other = git(&["rev-parse", "main^{tree}"]);
    let (tree, rest) = told.split_once('\n').unwrap();
    assert!(tree.starts_with("tree "));
    let file = stage.scratch.path("spoofed");
    std::fs::write(&file, format!("tree {other}\n{rest}\n")).unwrap();
    let spoofed = git(&["hash-object", "-t", "commit", "-w", &file.display().to_string()]);
    git(&["update-ref", &format!("refs/heads/{HEAD}"), &spoofed]);
    stage.check("build", kind.words[0]);
    stage.outcome("mirror", 9).await;
    assert_eq!(stage.runs(), "1.4.0");
    let web = String::from_utf8(stage.store.repository.show(HEAD, "prod/web.yaml")).unwrap();
    assert_eq!(web, manifest("1.5.0"));
}

pub(in crate::forge) async fn what_was_ordered_where_a_person_merges_stays_theirs(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.promote(8, "1.5.0").await;
    stage.check("build", kind.words[0]);
    for hour in [9, 10] {
        stage.outcome("mirror", hour).await;
        assert_eq!((stage.runs(), stage.states()), ("1.4.0".to_owned(), vec![Stands::Open]));
    }
}

pub(in crate::forge) async fn what_was_ordered_and_squashed_under_its_title_alone_keeps_nothing_away(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    stage.promote(8, "1.5.0").await;
    stage.store.kept().squashes = true;
    stage.store.merge(1).unwrap();
    assert!(stage.store.at(HEAD).is_some(), "its branch stays");
    stage.push("main", "prod/web.yaml", &(manifest("1.5.0") + "# here\n"));
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!(stage.states(), [Stands::Merged, Stands::Open], "{:#?}", outcome.proposals);
    assert_eq!(stage.pulls()[1].title, "prod: update web to 1.6.0");
    // What goes back, too; and its branch goes where nothing is left to propose.
    let stage = Stage::new(kind, PLAIN);
    stage.push("main", "prod/web.yaml", &manifest("1.5.0"));
    stage.order(8, Order::Rollback { environment: "prod".into(), what: WEB.to_owned(), to: None }).await;
    stage.store.kept().squashes = true;
    stage.store.merge(1).unwrap();
    stage.push("main", "prod/web.yaml", &(manifest("1.4.0") + "# here\n"));
    stage.outcome("mirror", 9).await;
    assert_eq!((stage.states(), stage.store.at(HEAD)), (vec![Stands::Merged], None));
}

pub(in crate::forge) async fn an_order_that_was_overtaken_says_what_to_do_where_it_keeps_commits_away(kind: Kind) {
    let stage = Stage::new(kind, "    publish: commit\n");
    stage.promote_for_a_person(8, "1.5.0").await;
    stage.push("main", "prod/web.yaml", &manifest("1.6.0"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    let outcome = stage.outcome("mirror", 9).await;
    assert_eq!((stage.runs(), stage.states()), ("1.6.0".to_owned(), vec![Stands::Open]));
    let left = outcome.proposals.iter().find(|one| one.action == Action::LeftAlone).unwrap();
    let told = format!(
        "a person ordered what stands in {HEAD} (#1): nothing else comes there before that is merged, or closed where nobody \
         wants it any more; the label `tagboat/retry` has it made anew, or says on it why that cannot be"
    );
    assert_eq!(left.reason, Some(told));
    let says = |one: &&tagboat::model::proposal::Proposal| {
        one.reason
            .as_ref()
            .is_some_and(|reason| reason.contains("prod/web.yaml has 1.6.0 of ghcr.io/acme/web by now, and not 1.4.0"))
    };
    assert!(outcome.proposals.iter().find(says).is_some_and(|one| one.url == left.url), "{:#?}", outcome.proposals);
    stage.label(1, "tagboat/retry");
    stage.outcome("mirror", 10).await;
    let comment = stage.store.pull(1).comments.concat();
    assert!(comment.contains("has 1.6.0 of ghcr.io/acme/web by now"), "{comment}");
    stage.store.change(1, |pull| pull.state = Stands::Closed);
    stage.outcome("mirror", 11).await;
    assert_eq!(stage.runs(), "1.7.0");
}

/// Nobody can approve what is not there: it stands, and is merged by the pass that finds it approved.
pub(in crate::forge) async fn what_was_ordered_stands_until_it_is_approved(kind: Kind) {
    let stage = Stage::new(kind, &format!("{AUTO}    gates: {{approvals: 1}}\n"));
    let outcome = stage.promote(7, "1.5.0").await;
    assert_eq!(outcome.proposals[0].action, Action::Opened);
    let told: Vec<&str> = outcome.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!(told, ["it stands until then: approvals: 0 of 1 approvals of its head commit"]);
    stage.check("build", kind.words[0]);
    stage.outcome("mirror", 9).await;
    assert_eq!((stage.runs().as_str(), stage.states()), ("1.4.0", vec![Stands::Open]));
    let head = stage.only().sha;
    let review = ("grace".to_owned(), kind.reviews[0].to_owned(), head);
    stage.store.change(1, |pull| pull.reviews.push(review));
    let outcome = stage.outcome("mirror", 10).await;
    assert!(outcome.proposals.iter().any(|proposal| proposal.action == Action::Merged), "{:#?}", outcome.proposals);
    assert_eq!(stage.runs(), "1.5.0");
}
