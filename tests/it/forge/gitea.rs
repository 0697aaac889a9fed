//! Gitea and Forgejo: the scenarios, and what is their own.

use std::sync::Arc;

use tagboat::clock::{PassEnd, SystemClock};
use tagboat::forge::gitea::Gitea;
use tagboat::forge::{Finishing, Forge, ForgeError};
use tagboat::model::commit::CommitId;
use tagboat::model::marker;
use tagboat::model::proposal::Action;
use tagboat::model::pull_request::{
    Armed, CheckState, Demands, Marker, Merge, NewPullRequest, PullRequest, Readiness, Status,
};

use crate::forge::beside::beside;
use crate::forge::denied::denied;
use crate::forge::gates::gates;
use crate::forge::moving::moving;
use crate::forge::scenarios::{Kind, Lasting, Stage, scenarios};
use crate::forge::turns::turns;
use crate::support::forge::gitea::{BASE, TOKEN, router};
use crate::support::forge::{Fault, Stands, Store, serve};
use crate::support::repository::Scratch;

fn client(address: &str) -> Arc<dyn Forge> {
    Arc::new(gitea(address))
}

fn lasting(address: &str) -> Lasting {
    let forge = gitea(address);
    Box::new(move |turn| Arc::new(forge.for_pass(PassEnd::default(), turn)))
}

fn gitea(address: &str) -> Gitea {
    let base = format!("{address}{BASE}").parse().unwrap();
    Gitea::new(base, "acme", "gitops", Some(&TOKEN.into()), Arc::new(SystemClock))
}

const GITEA: Kind = Kind {
    router,
    client,
    lasting,
    words: ["success", "pending", "failure"],
    statuses: ["success", "pending"],
    reviews: ["APPROVED", "REQUEST_CHANGES"],
    opening: "/pulls",
    commenting: "/comments",
    merging: ("POST", "/merge"),
    below: "forge/",
    committing: ("POST", "/contents"),
};

/// What the head commit of a bench says.
const WORDS: &str = "prod: update web to 2\n\nTagboat-Environment: prod\n";

scenarios!(GITEA);
gates!(super::GITEA);

moving!(super::GITEA);
beside!(super::GITEA);
turns!(super::GITEA);
denied!(super::GITEA);

const HEAD: &str = "tagboat/prod/web";

/// A forge with one branch beside `main`, spoken to without a pass.
struct Bench {
    _scratch: Scratch,
    store: Arc<Store>,
    forge: Arc<dyn Forge>,
}

impl Bench {
    fn new() -> Self {
        let scratch = Scratch::new();
        let bare = scratch.bare("gitops.git", &[("a", "1")]);
        let work = scratch.work("work", &[]);
        work.git(&["pull", "--quiet", &bare.folder.display().to_string(), "main"]);
        work.commit_files(&[("a", "2")], "Next", 2);
        work.git(&["push", "--quiet", &bare.folder.display().to_string(), &format!("HEAD:{HEAD}")]);
        let store = Store::over(bare.folder);
        let forge = client(&serve(router(Arc::clone(&store))));
        Self { _scratch: scratch, store, forge }
    }

    async fn readiness(&self, pull_request: &PullRequest) -> Result<Readiness, ForgeError> {
        let checks = self.forge.checks(&pull_request.commit).await?;
        self.forge.readiness(pull_request, checks).await
    }

    async fn open(&self, is_draft: bool) -> PullRequest {
        let new = NewPullRequest {
            head: HEAD.into(),
            base: "main".into(),
            title: "prod: update web".to_owned(),
            body: "Body".to_owned(),
            labels: vec!["images".to_owned(), "tagboat/retry".to_owned()],
            is_draft,
            reviewers: vec!["ada".to_owned(), "acme/sre".to_owned()],
        };
        let opened = self.forge.open(&new).await.unwrap();
        assert!(self.forge.opens_in_steps(&new));
        self.forge.finish(&opened, &new, Finishing::AtOnce).await.unwrap();
        opened
    }

    /// Opens one whose body has a marker.
    async fn open_marked(&self) -> PullRequest {
        let opened = self.open(false).await;
        let marker = Marker {
            key: "key".to_owned(),
            environment: "prod".into(),
            group: "web".to_owned(),
            withdrawn: false,
            unfinished: false,
            left: false,
            base: None,
            home: None,
            said: None,
            armed: Armed::No,
            queued: None,
            what: None,
            instead: None,
            brought: tagboat::model::brought::Brought::default(),
            was: None,
        };
        self.forge.rewrite(&opened, &opened.title, &format!("Body\n\n{}\n", marker::write(&marker))).await.unwrap();
        self.list().await.remove(0)
    }

    fn tip(&self) -> CommitId {
        CommitId(self.store.at(HEAD).unwrap().into())
    }

    async fn list(&self) -> Vec<PullRequest> {
        self.forge.list().await.unwrap().pull_requests
    }
}

#[tokio::test]
async fn labels_are_made_where_they_are_missing_and_taken_off_by_number() {
    let bench = Bench::new();
    let opened = bench.open(false).await;
    assert_eq!(opened.labels.iter().collect::<Vec<_>>(), ["images", "tagboat/retry"]);
    assert_eq!(bench.store.pull(1).reviewers, ["ada", "sre"], "a team is told by its name alone");
    bench.forge.remove_label(&opened, "tagboat/retry").await.unwrap();
    bench.forge.remove_label(&opened, "tagboat/retry").await.unwrap();
    assert_eq!(bench.list().await[0].labels.iter().collect::<Vec<_>>(), ["images"]);
}

#[tokio::test]
async fn a_label_that_two_make_at_once_stays_once() {
    let bench = Bench::new();
    bench.store.trap("POST", "/labels", Fault::Labelled("images"));
    let opened = bench.open(false).await;
    let labels: Vec<String> = bench.store.kept().labels.iter().flatten().cloned().collect();
    assert_eq!(labels, ["images"]);
    assert!(opened.labels.contains("images"), "{opened:?}");
}

#[tokio::test]
async fn who_cannot_be_asked_to_review_keeps_nobody_else_from_it() {
    use crate::forge::scenarios::opening::who_cannot_be_asked_to_review_keeps_nobody_else_from_it;
    who_cannot_be_asked_to_review_keeps_nobody_else_from_it(GITEA, "404: User").await;
}

#[tokio::test]
async fn reviews_that_were_asked_for_are_not_asked_for_again() {
    crate::forge::scenarios::opening::what_was_done_is_looked_for_before_it_is_done_again(
        GITEA,
        &["/requested_reviewers"],
    )
    .await;
}

#[tokio::test]
async fn a_draft_keeps_its_mark_when_it_is_rewritten_and_is_not_merged() {
    let bench = Bench::new();
    let opened = bench.open(true).await;
    bench.forge.rewrite(&opened, "prod: update web to 2", "Other").await.unwrap();
    let listed = bench.list().await;
    assert_eq!((listed[0].is_draft, listed[0].title.as_str()), (true, "prod: update web to 2"));
    assert_eq!(
        bench.readiness(&listed[0]).await.unwrap().blocked.as_deref(),
        Some("it is a draft: nobody merges it until a person has marked it as ready")
    );
    assert!(matches!(bench.forge.merge(&listed[0], &bench.tip(), WORDS).await, Ok(Merge::Denied(_))));
}

#[tokio::test]
async fn protection_of_the_base_is_a_reason_to_wait() {
    let bench = Bench::new();
    let opened = bench.open(false).await;
    bench.store.kept().protection.required = vec!["ci/*".to_owned()];
    bench.store.kept().protection.approvals = 2;
    let judge = |who: &str, word: &str, commit: &str| {
        let review = (who.to_owned(), word.to_owned(), commit.to_owned());
        bench.store.change(1, |pull| pull.reviews.push(review));
    };
    judge("ada", "APPROVED", bench.tip().as_str());
    judge("grace", "APPROVED", "0000000000000000000000000000000000000000");
    let readiness = bench.readiness(&opened).await.unwrap();
    assert!(readiness.required.contains("ci/*"), "{readiness:?}");
    assert_eq!((readiness.approvals, readiness.blocked.as_deref()), (1, Some("1 more must approve its head commit")));
    judge("grace", "APPROVED", bench.tip().as_str());
    assert_eq!(bench.readiness(&opened).await.unwrap().blocked, None);
}

/// An answer that tells nothing is none that says that nothing is asked for.
#[tokio::test]
async fn an_answer_of_another_shape_is_no_leave_to_merge() {
    let bench = Bench::new();
    let opened = bench.open(false).await;
    bench.store.kept().protection.strict = true;
    for path in ["/gitops/branches/", "/branch_protections/"] {
        bench.store.trap("GET", path, Fault::Odd);
        let told = bench.readiness(&opened).await;
        assert!(matches!(&told, Err(ForgeError::Skip(why)) if why.contains("another shape")), "{path}: {told:?}");
    }
    assert_eq!(bench.readiness(&opened).await.unwrap().blocked, None);
}

/// No server can be asked about one branch alone.
#[tokio::test]
async fn what_changed_last_is_gone_through_once_for_all_that_is_opened() {
    let stage = Stage::new(GITEA, "").with_two();
    stage.outcome("mirror", 8).await;
    assert_eq!(stage.states(), [Stands::Open, Stands::Open]);
    let lists =
        |all: Vec<String>| all.iter().filter(|line| line.starts_with("GET ") && line.contains("/pulls?")).count();
    assert_eq!(lists(stage.store.requests()), 2, "that of the pass, and one for both");
    // Once an answer was lost, it is looked at again.
    let stage = Stage::new(GITEA, "").with_two();
    stage.store.trap("POST", "/pulls", Fault::Lost);
    stage.outcome("mirror", 8).await;
    assert_eq!(stage.states(), [Stands::Open, Stands::Open]);
    assert_eq!(lists(stage.store.requests()), 3);
}

#[tokio::test]
async fn each_status_of_a_refused_merge_says_not_ready_and_trouble_says_later() {
    let bench = Bench::new();
    let opened = bench.open(false).await;
    let other = CommitId(bench.store.at("main").unwrap().into());
    assert!(matches!(bench.forge.merge(&opened, &other, WORDS).await, Ok(Merge::Denied(_))), "another head");
    for status in [403, 405, 409] {
        bench.store.trap("POST", "/merge", Fault::Before(status));
        let merge = bench.forge.merge(&opened, &bench.tip(), WORDS).await.unwrap();
        assert!(matches!(&merge, Merge::Denied(reason) if reason.contains(&status.to_string())), "{merge:?}");
    }
    bench.store.trap("POST", "/merge", Fault::Before(423));
    assert!(matches!(bench.forge.merge(&opened, &bench.tip(), WORDS).await, Err(ForgeError::Stop(_))));
    bench.store.trap("POST", "/merge", Fault::Before(502));
    assert!(matches!(bench.forge.merge(&opened, &bench.tip(), WORDS).await, Err(ForgeError::Later { .. })));
    bench.store.trap("POST", "/merge", Fault::Lost);
    let merged = bench.forge.merge(&opened, &bench.tip(), WORDS).await;
    assert!(matches!(merged, Ok(Merge::Merged(_))), "a lost answer is looked up: {merged:?}");
    assert_eq!(bench.list().await[0].head, HEAD.into(), "its branch is gone, and its name is not");
}

#[tokio::test]
async fn statuses_are_read_to_the_last_page_and_the_newest_counts() {
    let bench = Bench::new();
    for state in [CheckState::Pending, CheckState::Pending, CheckState::Failed, CheckState::Passed] {
        let status = Status { context: "tagboat/soak".to_owned(), state, text: "since a day".to_owned() };
        bench.forge.set_status(&bench.tip(), &status).await.unwrap();
    }
    let checks = bench.forge.checks(&bench.tip()).await.unwrap();
    assert_eq!((checks.len(), checks[0].state, checks[0].text.as_str()), (1, CheckState::Passed, "since a day"));
}

#[tokio::test]
async fn an_open_one_below_many_newer_ones_is_listed_and_forks_are_not() {
    let bench = Bench::new();
    bench.open(false).await;
    let mut other = bench.store.pull(1);
    other.state = Stands::Merged;
    for number in 2..=120 {
        other.number = number;
        other.updated = 100 + number;
        bench.store.kept().pulls.push(other.clone());
    }
    bench.store.requests();
    let listed = bench.list().await;
    assert!(listed.iter().any(|one| one.number.0 == 1), "{}", listed.len());
    assert!(listed.iter().all(|one| one.number.0 != 9000), "a fork's is nobody's of ours");
    assert_eq!(bench.store.requests().len(), 2);
}

#[tokio::test]
async fn what_the_token_lacks_is_named() {
    let bench = Bench::new();
    assert!(bench.forge.lacks(&Demands::default()).await.unwrap()[0].permission.starts_with("write access"));
}

#[tokio::test]
async fn merges_by_itself_only_what_waits_for_required_checks() {
    crate::forge::scenarios::merging::a_forge_merges_by_itself_only_what_waits_for_required_checks(GITEA, "build")
        .await;
}

#[tokio::test]
async fn is_stopped_before_anything_changes() {
    Box::pin(crate::forge::scenarios::merging::a_forge_is_stopped_before_anything_changes(GITEA, "build")).await;
}

#[tokio::test]
async fn a_forge_merges_nothing_that_an_environment_left_which_is_no_more() {
    crate::forge::scenarios::refusing::a_forge_merges_nothing_that_an_environment_left_which_is_no_more(GITEA, "build")
        .await;
}

/// Who may merge everybody is told who may ask.
#[tokio::test]
async fn who_may_not_merge_into_the_base_orders_nothing_there() {
    for (style, word, goes) in
        [("", "success", Action::Merged), ("pullRequest: {nativeAutoMerge: true}\n", "pending", Action::Enqueued)]
    {
        let stage = Stage::new(GITEA, &format!("    publish: autoMerge\n{style}"));
        stage.acts(8).await;
        stage.check("build", word);
        stage.store.kept().protection.required = vec!["build".to_owned()];
        stage.store.kept().may_not_merge = true;
        stage.requests();
        let (action, reason) = stage.pass(9).await;
        let is_said = reason.contains("is not among those who may merge into its base");
        assert_eq!((action, is_said), (Some(Action::Unchanged), word == "success"), "{reason}");
        assert_eq!(stage.requests().1, Vec::<String>::new(), "{reason}");
        stage.store.kept().may_not_merge = false;
        assert_eq!(stage.acts(9).await, Some(goes));
    }
}

/// Gitea takes an order for later whatever head it names.
#[tokio::test]
async fn what_is_pushed_while_gitea_is_told_is_not_merged_by_it() {
    let bench = Bench::new();
    let opened = bench.open_marked().await;
    bench.store.trap("POST", "/merge", Fault::Pushed);
    let told = bench.forge.arm(&opened, &bench.tip(), WORDS).await.unwrap();
    assert!(matches!(&told, Merge::NotReady(reason) if reason.contains("its head has moved")), "{told:?}");
    assert!(bench.store.kept().armed.is_empty());
    assert!(!bench.list().await[0].is_armed);
}

#[tokio::test]
async fn whatever_becomes_of_the_order_its_mark_is_there_as_long_as_gitea_may_merge() {
    let bench = Bench::new();
    let opened = bench.open_marked().await;
    for fault in [Fault::Before(405), Fault::Before(403), Fault::Before(502)] {
        bench.store.trap("POST", "/merge", fault);
        let told = bench.forge.arm(&opened, &bench.tip(), WORDS).await;
        assert_eq!(matches!(told, Ok(Merge::Denied(_))), fault != Fault::Before(502), "{fault:?} {told:?}");
        let listed = &bench.list().await[0];
        // Where it was denied, too: else each such order would change the body twice.
        assert_eq!((listed.is_armed, listed.is_surely_armed()), (true, false), "{fault:?}");
        assert!(bench.store.kept().armed.is_empty(), "{fault:?}");
    }
    for fault in [Fault::After(502), Fault::Lost] {
        bench.store.trap("POST", "/merge", fault);
        assert!(bench.forge.arm(&opened, &bench.tip(), WORDS).await.is_err());
        assert_eq!((bench.list().await[0].is_armed, bench.store.kept().armed.len()), (true, 1), "{fault:?}");
        // Told again, it is told once.
        assert_eq!(bench.forge.arm(&opened, &bench.tip(), WORDS).await, Ok(Merge::Enqueued));
        bench.store.trap("DELETE", "/merge", fault);
        assert!(bench.forge.disarm(&opened).await.is_err());
        assert!(bench.list().await[0].is_armed, "the next pass takes it back again");
        bench.forge.disarm(&opened).await.unwrap();
        assert_eq!((bench.list().await[0].is_armed, bench.store.kept().armed.len()), (false, 0), "{fault:?}");
    }
    bench.store.trap("DELETE", "/merge", Fault::Before(403));
    let refused = bench.forge.disarm(&opened).await.unwrap_err().to_string();
    assert!(refused.contains("somebody else has told Gitea"), "{refused}");
    let plain = bench.store.pull(1).body.replace("<!-- tagboat", "<!-- other");
    bench.store.change(1, |pull| pull.body = plain);
    bench.store.requests();
    let told = bench.forge.arm(&opened, &bench.tip(), WORDS).await.unwrap();
    assert!(matches!(&told, Merge::NotReady(reason) if reason.contains("hidden line")), "{told:?}");
    assert!(bench.store.requests().iter().all(|line| line.starts_with("GET")));
}

#[tokio::test]
async fn an_order_that_comes_too_fast_keeps_its_mark_and_nothing_more_is_asked_until_it_may_be() {
    let bench = Bench::new();
    let opened = bench.open_marked().await;
    bench.store.trap("POST", "/merge", Fault::Limited);
    assert!(matches!(
        bench.forge.arm(&opened, &bench.tip(), WORDS).await,
        Err(ForgeError::Later { after: Some(_), .. })
    ));
    bench.store.requests();
    let listed = bench.forge.list().await;
    assert!(matches!(listed, Err(ForgeError::Later { after: Some(_), .. })), "{listed:?}");
    assert_eq!(bench.store.requests(), [""; 0]);
    // Another one, which was told nothing yet.
    let other = client(&serve(router(Arc::clone(&bench.store))));
    let listed = other.list().await.unwrap().pull_requests;
    assert_eq!((listed[0].is_armed, bench.store.kept().armed.len()), (true, 0));
}

#[tokio::test]
async fn an_order_that_gitea_never_heard_is_given_by_the_next_pass() {
    let stage = Stage::new(GITEA, "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n");
    stage.acts(8).await;
    stage.store.kept().protection.required = vec!["build".to_owned()];
    stage.check("build", "pending");
    stage.store.trap("POST", "/merge", Fault::Before(502));
    assert_eq!(stage.acts(9).await, Some(Action::Failed));
    assert!(stage.store.kept().armed.is_empty());
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert_eq!(stage.store.kept().armed, [1]);
    stage.check("build", "success");
    stage.acts(9).await;
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Merged], "1.5.0".to_owned()));
    assert_eq!(stage.acts(10).await, Some(Action::Closed), "its branch is removed");
    assert_eq!(stage.acts(10).await, None);
}

#[tokio::test]
async fn a_pull_request_stands_without_a_label_that_may_not_be_made() {
    let bench = Bench::new();
    bench.store.trap("POST", "/labels", Fault::Before(403));
    let opened = bench.open(false).await;
    assert_eq!(opened.labels.iter().collect::<Vec<_>>(), ["tagboat/retry"]);
}

#[tokio::test]
async fn a_gate_that_the_base_requires_holds_nobody_up_where_it_is_not_asked() {
    use crate::forge::scenarios::merging::a_gate_that_the_base_requires_and_nobody_asks_is_said_to_pass;
    a_gate_that_the_base_requires_and_nobody_asks_is_said_to_pass(GITEA, "tagboat/manual").await;
    a_gate_that_the_base_requires_and_nobody_asks_is_said_to_pass(GITEA, "tagboat/*").await;
}

#[tokio::test]
async fn what_it_merges_by_itself_keeps_its_record() {
    crate::forge::scenarios::merging::what_a_forge_merges_by_itself_keeps_its_record(GITEA, "build").await;
}

#[tokio::test]
async fn nothing_is_merged_on_rules_that_were_told_before() {
    super::turns::nothing_is_merged_on_rules_that_were_told_before(GITEA).await;
}

#[tokio::test]
async fn a_head_that_is_behind_is_made_anew_where_the_base_is_only_moved_forward() {
    for strict in [false, true] {
        let stage = Stage::merging(GITEA).await;
        stage.store.kept().forwards = true;
        stage.store.kept().protection.strict = strict;
        let before = stage.store.pull(1).sha;
        stage.store.repository.land("main", &[("readme", "moved")], "By hand", 2);
        let (action, reason) = stage.pass(9).await;
        assert!(action == Some(Action::Updated) && reason.contains("up to date"), "{action:?} {reason}");
        let head = stage.store.at(&stage.store.pull(1).head).unwrap();
        assert_ne!(head, before);
        stage.check("build", "success");
        let (action, reason) = stage.pass(10).await;
        assert_eq!(action, Some(Action::Merged), "{reason}");
        assert_eq!((stage.store.at("main"), stage.runs()), (Some(head), "1.5.0".to_owned()));
    }
}
