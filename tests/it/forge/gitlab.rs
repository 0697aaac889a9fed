//! GitLab: the scenarios, and what is its own.

use std::sync::Arc;
use std::time::Duration;

use tagboat::clock::{PassEnd, SystemClock};
use tagboat::forge::Forge;
use tagboat::forge::ForgeError;
use tagboat::forge::gitlab::{GitLab, GitLabToken};
use tagboat::model::commit::CommitId;
use tagboat::model::environment::BranchName;
use tagboat::model::proposal::Action;
use tagboat::model::pull_request::{
    Certainty, CheckState, Demands, Merge, NewPullRequest, PullRequest, Readiness, Status,
};
use tagboat::pass::Turn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::forge::beside::beside;
use crate::forge::denied::denied;
use crate::forge::gates::gates;
use crate::forge::moving::moving;
use crate::forge::scenarios::{Kind, Lasting, Stage, scenarios};
use crate::forge::turns::{Stage as Passes, turns};
use crate::support::forge::gitlab::{BASE, PROJECT, TOKEN, router};
use crate::support::forge::{Fault, PipelineRow, Pull, Store, serve};
use crate::support::repository::Scratch;

fn client(address: &str) -> Arc<dyn Forge> {
    Arc::new(gitlab(address))
}

fn lasting(address: &str) -> Lasting {
    let forge = gitlab(address);
    Box::new(move |turn| Arc::new(forge.for_pass(PassEnd::default(), turn)))
}

fn gitlab(address: &str) -> GitLab {
    let base = format!("{address}{BASE}").parse().unwrap();
    GitLab::new(base, PROJECT, Some(&GitLabToken::Access(TOKEN.into())), Arc::new(SystemClock))
}

const GITLAB: Kind = Kind {
    router,
    client,
    lasting,
    words: ["success", "running", "canceled"],
    statuses: ["success", "pending"],
    reviews: ["approved", "requested_changes"],
    opening: "/merge_requests",
    commenting: "/notes",
    merging: ("PUT", "/merge"),
    below: "gitlab/",
    committing: ("POST", "/repository/commits"),
};

/// What the head commit of a bench says.
const WORDS: &str = "prod: update web to 2\n\nTagboat-Environment: prod\n";

scenarios!(GITLAB);
gates!(super::GITLAB);

moving!(super::GITLAB);
beside!(super::GITLAB);
turns!(super::GITLAB);
denied!(super::GITLAB);

/// A forge with one branch beside `main`, spoken to without a pass.
struct Bench {
    scratch: Scratch,
    store: Arc<Store>,
    forge: Arc<dyn Forge>,
}

const HEAD: &str = "tagboat/prod/web";

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
        Self { scratch, store, forge }
    }

    async fn readiness(&self, pull_request: &PullRequest) -> Result<Readiness, ForgeError> {
        let checks = self.forge.checks(&pull_request.commit).await?;
        self.forge.readiness(pull_request, checks).await
    }

    async fn open(&self) -> PullRequest {
        self.forge.open(&new(&[], false)).await.unwrap()
    }

    fn tip(&self) -> CommitId {
        CommitId(self.store.at(HEAD).unwrap().into())
    }

    async fn list(&self) -> Vec<PullRequest> {
        self.forge.list().await.unwrap().pull_requests
    }
}

fn new(reviewers: &[&str], is_draft: bool) -> NewPullRequest {
    NewPullRequest {
        head: HEAD.into(),
        base: "main".into(),
        title: "prod: update web".to_owned(),
        body: "Body".to_owned(),
        labels: vec!["images".to_owned(), "tagboat/retry".to_owned()],
        is_draft,
        reviewers: reviewers.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_draft_keeps_its_mark_when_it_is_rewritten_and_is_not_merged() {
    let bench = Bench::new();
    let opened = bench.forge.open(&new(&["ada", "nobody", "acme/sre"], true)).await.unwrap();
    assert_eq!((opened.is_draft, opened.title.as_str()), (true, "prod: update web"));
    assert_eq!(bench.store.pull(1).reviewers, ["ada"], "who is not there, and groups, are left out");
    bench.forge.rewrite(&opened, "prod: update web to 2", "Other").await.unwrap();
    let listed = bench.list().await;
    assert_eq!((listed[0].is_draft, listed[0].title.as_str()), (true, "prod: update web to 2"));
    assert_eq!(
        bench.readiness(&listed[0]).await.unwrap().blocked.as_deref(),
        Some("it is a draft: nobody merges it until a person has marked it as ready")
    );
    assert!(matches!(bench.forge.merge(&listed[0], &bench.tip(), WORDS).await, Ok(Merge::Denied(_))));
    bench.forge.remove_label(&listed[0], "tagboat/retry").await.unwrap();
    assert_eq!(bench.list().await[0].labels.iter().collect::<Vec<_>>(), ["images"]);
}

#[tokio::test]
async fn a_merge_names_the_commit_that_was_judged() {
    let bench = Bench::new();
    let opened = bench.open().await;
    let other = CommitId(bench.store.at("main").unwrap().into());
    let refused = bench.forge.merge(&opened, &other, WORDS).await.unwrap();
    assert!(matches!(&refused, Merge::NotReady(reason) if reason.contains("409")), "{refused:?}");
    assert!(matches!(bench.forge.merge(&opened, &bench.tip(), WORDS).await, Ok(Merge::Merged(_))));
    assert_eq!(bench.store.at(HEAD), None, "the branch goes with it");
}

#[tokio::test]
async fn what_a_person_or_a_gate_stops_is_taken_off_the_merge_train() {
    Box::pin(crate::forge::scenarios::queueing::what_a_person_or_a_gate_stops_is_taken_out_of_the_queue(GITLAB)).await;
}

#[tokio::test]
async fn what_the_merge_train_has_thrown_out_waits_for_another_head_or_base() {
    use crate::forge::scenarios::queueing::what_a_queue_has_thrown_out_waits_for_another_head_or_base;
    Box::pin(what_a_queue_has_thrown_out_waits_for_another_head_or_base(GITLAB, "GitLab does not list why")).await;
}

#[tokio::test]
async fn a_merge_train_that_does_not_take_it_is_asked_again() {
    let refusal = ("POST", "/merge_trains");
    crate::forge::scenarios::queueing::a_queue_that_does_not_take_it_is_asked_again(GITLAB, refusal).await;
}

#[tokio::test]
async fn what_was_put_on_the_train_unheard_is_taken_off_when_a_person_holds_it() {
    use crate::forge::scenarios::queueing::what_was_put_there_unheard_is_taken_out_when_a_person_holds_it;
    what_was_put_there_unheard_is_taken_out_when_a_person_holds_it(GITLAB, ("POST", "/merge_trains")).await;
}

#[tokio::test]
async fn a_merge_train_takes_it_where_the_project_has_one() {
    let bench = Bench::new();
    let opened = bench.open().await;
    bench.store.kept().protection.queue = true;
    assert!(bench.readiness(&opened).await.unwrap().queue.is_some());
    assert_eq!(bench.forge.merge(&opened, &bench.tip(), WORDS).await, Ok(Merge::Enqueued));
    assert_eq!(bench.store.kept().queued, [1]);
}

#[tokio::test]
async fn each_status_of_a_refused_merge_says_not_ready_and_trouble_says_later() {
    let bench = Bench::new();
    let opened = bench.open().await;
    for status in [401, 403, 405, 406, 409, 422] {
        bench.store.trap("PUT", "/merge", Fault::Before(status));
        let merge = bench.forge.merge(&opened, &bench.tip(), WORDS).await.unwrap();
        let (Merge::Denied(reason) | Merge::NotReady(reason)) = &merge else { panic!("{merge:?}") };
        assert!(reason.contains(&status.to_string()), "{merge:?}");
        // Another head is listed by the next pass.
        assert_eq!(matches!(merge, Merge::NotReady(_)), status == 409, "{merge:?}");
    }
    for status in [500, 502, 503] {
        bench.store.trap("PUT", "/merge", Fault::Before(status));
        assert!(
            matches!(bench.forge.merge(&opened, &bench.tip(), WORDS).await, Err(ForgeError::Later { .. })),
            "{status}"
        );
    }
    bench.store.trap("PUT", "/merge", Fault::After(502));
    let merged = bench.forge.merge(&opened, &bench.tip(), WORDS).await;
    assert!(matches!(merged, Ok(Merge::Merged(_))), "a lost answer is looked up: {merged:?}");
}

/// An answer that tells nothing is none that says that nothing is asked for.
#[tokio::test]
async fn an_answer_of_another_shape_is_no_leave_to_merge() {
    let bench = Bench::new();
    let opened = bench.open().await;
    let checks = bench.forge.checks(&opened.commit).await.unwrap();
    for path in ["/projects/", "/approvals"] {
        bench.store.trap("GET", path, Fault::Odd);
        let told = bench.forge.readiness(&opened, checks.clone()).await;
        assert!(matches!(&told, Err(ForgeError::Skip(why)) if why.contains("another shape")), "{path}: {told:?}");
    }
    assert_eq!(bench.forge.readiness(&opened, checks).await.unwrap().blocked, None);
}

#[tokio::test]
async fn a_limit_tells_when_to_come_back() {
    for (fault, least) in [(Fault::Limited, 60), (Fault::Secondary, 3600)] {
        let bench = Bench::new();
        bench.store.trap("POST", "/merge_requests", fault);
        let answer = bench.forge.open(&new(&[], false)).await;
        let Err(ForgeError::Later { after: Some(after), .. }) = answer else { panic!("{answer:?}") };
        assert!(after.as_secs() >= least, "{after:?}");
        assert_eq!(bench.store.kept().pulls.len(), 0);
    }
}

#[tokio::test]
async fn a_status_is_set_twice_without_the_step_that_gitlab_forbids() {
    let bench = Bench::new();
    let status = |state| Status { context: "tagboat/soak".to_owned(), state, text: "since a day".to_owned() };
    for state in [CheckState::Pending, CheckState::Pending, CheckState::Passed, CheckState::Failed] {
        bench.forge.set_status(&bench.tip(), &status(state)).await.unwrap();
    }
    let words: Vec<String> = bench.store.kept().checks.iter().map(|check| check.word.clone()).collect();
    assert_eq!(words, ["pending", "success", "failed"]);
    let checks = bench.forge.checks(&bench.tip()).await.unwrap();
    assert_eq!((checks.len(), checks[0].state), (1, CheckState::Failed), "every page is read, the newest counts");
}

#[tokio::test]
async fn a_required_pipeline_that_has_not_begun_is_missing() {
    let bench = Bench::new();
    let opened = bench.open().await;
    bench.store.kept().protection.required = vec!["pipeline".to_owned()];
    bench.store.kept().protection.approvals = 2;
    let readiness = bench.readiness(&opened).await.unwrap();
    assert!(readiness.required.contains("pipeline") && readiness.checks.is_empty(), "{readiness:?}");
    assert!(readiness.blocked.is_some());
}

const AUTO: &str = "    publish: autoMerge\n";

/// The refs on which GitLab runs pipelines of a merge request's head, and of its merge with the base.
const REFS: [(&str, bool); 4] = [
    ("tagboat/prod/ghcr.io-acme-web", false),
    ("refs/merge-requests/1/head", false),
    ("refs/merge-requests/1/merge", true),
    ("refs/merge-requests/1/train", true),
];

/// Runs a pipeline with one job for what a merge request is at this moment.
fn runs(store: &Store, (reference, is_of_merge): (&str, bool), pull: &Pull, word: &'static str) {
    let sha = if is_of_merge { store.merge_aside(pull) } else { pull.sha.clone() };
    let row = PipelineRow { sha, reference: reference.to_owned(), word, jobs: vec![("test", word)] };
    store.kept().pipelines.push(row);
}

/// GitLab shows the pipeline of the head before until another one begins, and for good where none does.
#[tokio::test]
async fn what_ran_for_the_head_before_says_nothing_of_a_newer_one() {
    for reference in REFS {
        let stage = Stage::new(GITLAB, AUTO);
        stage.acts(8).await;
        runs(&stage.store, reference, &stage.store.pull(1), "running");
        stage.store.requests();
        assert!(stage.pass(8).await.1.contains("checks are not done"), "{reference:?}");
        // The list and what the head says; the settings and seven more where none of that is about the head.
        assert_eq!(stage.store.requests().len(), if reference.1 { 9 } else { 2 }, "{reference:?}");
        stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
        stage.acts(9).await;
        stage.store.kept().pipelines[0].word = "success";
        for _ in 0..2 {
            let (action, reason) = stage.pass(9).await;
            assert!(reason.contains("no check has reported"), "{reference:?}: {action:?} {reason}");
        }
        stage.store.kept().protection.required = vec!["pipeline".to_owned()];
        stage.store.refresh();
        runs(&stage.store, reference, &stage.store.pull(1), "success");
        assert_eq!(stage.acts(10).await, Some(Action::Merged), "{reference:?}");
        assert_eq!(stage.runs(), "1.6.0");
    }
}

#[tokio::test]
async fn jobs_of_merged_results_decide_as_those_of_the_head() {
    let bench = Bench::new();
    let opened = bench.open().await;
    runs(&bench.store, REFS[2], &bench.store.pull(1), "failed");
    let checks = bench.readiness(&opened).await.unwrap().checks;
    let states: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.state)).collect();
    assert_eq!(states, [("test", CheckState::Failed), ("pipeline", CheckState::Failed)]);
}

/// With commits that are squashed, GitLab makes up one of which the head is no parent.
#[tokio::test]
async fn what_is_on_the_merge_train_stays_there_while_its_pipeline_runs() {
    for squashes in [false, true] {
        let stage = Stage::new(GITLAB, AUTO);
        stage.acts(8).await;
        stage.store.kept().protection.queue = true;
        runs(&stage.store, REFS[2], &stage.store.pull(1), "success");
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        assert_eq!(stage.store.kept().queued, [1]);
        let pull = stage.store.pull(1);
        let sha = if squashes { stage.store.repository.at("main").unwrap() } else { stage.store.merge_aside(&pull) };
        let reference = "refs/merge-requests/1/train".to_owned();
        stage.store.kept().pipelines.push(PipelineRow { sha, reference, word: "running", jobs: Vec::new() });
        for hour in [10, 11] {
            stage.requests();
            assert_eq!(stage.acts(hour).await, Some(Action::Enqueued), "{squashes}");
            assert_eq!((stage.requests().1, stage.store.kept().queued.clone()), (Vec::new(), vec![1]), "{squashes}");
        }
    }
}

#[tokio::test]
async fn a_pipeline_whose_commit_is_gone_is_waited_for_and_said() {
    for setting in ["", "pullRequest: {allowNoChecks: true}\n"] {
        let stage = Stage::new(GITLAB, &format!("{AUTO}{setting}"));
        stage.acts(8).await;
        let (sha, reference) = ("f".repeat(40), REFS[2].0.to_owned());
        stage.store.kept().pipelines.push(PipelineRow { sha, reference, word: "success", jobs: Vec::new() });
        let (_, reason) = stage.pass(9).await;
        let says = "checks are not done: pipeline (the commit that it ran on is gone: run it again)";
        assert!(reason.contains(says), "{setting}: {reason}");
        runs(&stage.store, REFS[2], &stage.store.pull(1), "success");
        assert_eq!(stage.acts(10).await, Some(Action::Merged), "{setting}");
    }
}

#[tokio::test]
async fn what_merged_results_merge_is_asked_for_in_its_turn() {
    let stage = Passes::new(GITLAB, "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n");
    stage.routine("08:00").await;
    let web = stage.of("apps", "web");
    let reference = format!("refs/merge-requests/{}/merge", web.number);
    runs(&stage.store, (&reference, true), &web, "running");
    let merge = stage.store.kept().pipelines[0].sha.clone();
    for _ in 0..20 {
        stage.routine("08:01").await;
    }
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let seen = stage.routine("08:02").await;
        seen.is_quiet();
        asked.extend(seen.requests);
    }
    assert!(asked.iter().any(|line| line.ends_with(&format!("/repository/commits/{merge}"))), "{asked:#?}");
    let passed = |row: &mut PipelineRow| (row.word, row.jobs[0].1) = ("success", "success");
    stage.store.kept().pipelines.iter_mut().for_each(passed);
    for _ in 0..20 {
        stage.routine("08:03").await;
    }
    assert_eq!(stage.of("apps", "web").state, crate::support::forge::Stands::Merged);
}

/// Without rules that say otherwise GitLab runs a pipeline of the branch, and one of its merge request.
#[tokio::test]
async fn what_failed_in_another_pipeline_of_the_head_is_not_hidden() {
    for (of_branch, of_request) in [("failed", "success"), ("success", "failed")] {
        let stage = Stage::new(GITLAB, AUTO);
        stage.acts(8).await;
        let pull = stage.store.pull(1);
        for (reference, word) in [(REFS[0], of_branch), (REFS[1], of_request)] {
            runs(&stage.store, reference, &pull, word);
        }
        let (action, reason) = stage.pass(9).await;
        assert!(reason.contains("checks failed: test (failed)"), "{action:?} {reason}");
        // The one that failed is run again.
        let again = if of_branch == "failed" { REFS[0] } else { REFS[1] };
        runs(&stage.store, again, &pull, "success");
        assert_eq!(stage.acts(9).await, Some(Action::Merged));
    }
}

/// A base that is fast-forwarded has the very commit of the merge request, on which a pipeline was cancelled when it was merged.
#[tokio::test]
async fn what_was_cancelled_on_a_head_fails_nothing_on_the_base() {
    let environments = "  - name: dev\n    files: [dev/**]\n    publish: commit\n    onFailure: {checks: [e2e], within: 20h}\n  - name: \
                        staging\n    files: [staging/**]\n    after: dev\n    publish: commit\n    gates: {checks: [e2e]}\n";
    let stage = Passes::new(GITLAB, environments);
    stage.routine("08:00").await;
    let sha = stage.brought("dev/site.yaml");
    for (reference, word) in [("refs/merge-requests/7/head", "canceled"), ("main", "success")] {
        let row = PipelineRow { sha: sha.clone(), reference: reference.to_owned(), word, jobs: vec![("e2e", word)] };
        stage.store.kept().pipelines.push(row);
    }
    for _ in 0..4 {
        stage.routine("08:01").await;
    }
    assert_eq!((stage.runs("dev/site.yaml").as_str(), stage.runs("staging/site.yaml").as_str()), ("1.5.0", "1.5.0"));
}

#[tokio::test]
async fn an_open_one_below_a_hundred_newer_ones_is_listed_and_forks_are_not() {
    let bench = Bench::new();
    bench.open().await;
    let mut other = bench.store.pull(1);
    other.state = crate::support::forge::Stands::Merged;
    for number in 2..=140 {
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
async fn a_listing_that_has_not_changed_is_not_sent_again() {
    let bench = Bench::new();
    bench.open().await;
    let first = bench.list().await;
    assert_eq!(bench.list().await, first);
    bench.forge.rewrite(&first[0], "prod: other", "Other").await.unwrap();
    assert_eq!(bench.list().await[0].title, "prod: other");
}

#[tokio::test]
async fn a_comment_is_said_once_however_often_closing_is_begun_anew() {
    let bench = Bench::new();
    let opened = bench.open().await;
    bench.forge.comment(&opened, "Why").await.unwrap();
    bench.store.trap("PUT", "/merge_requests/1", Fault::Before(502));
    assert!(bench.forge.close(&opened, "Gone").await.is_err());
    bench.forge.comment(&opened, "Why").await.unwrap();
    bench.forge.close(&opened, "Gone").await.unwrap();
    let pull = bench.store.pull(1);
    assert_eq!((pull.comments, pull.body.as_str()), (vec!["Why".to_owned()], "Gone"));
    drop(bench.scratch);
}

#[tokio::test]
async fn what_the_token_lacks_is_named() {
    let bench = Bench::new();
    let demands = Demands { opens: true, pushed: ["main".into()].into(), ..Demands::default() };
    let lacks = bench.forge.lacks(&demands).await.unwrap();
    let named: Vec<&str> = lacks.iter().map(|lack| lack.permission.as_str()).collect();
    assert_eq!(named, ["the role Developer", "the scope api"]);
    let base = format!("{}{BASE}", serve(router(Arc::clone(&bench.store)))).parse().unwrap();
    let job = GitLab::new(base, PROJECT, Some(&GitLabToken::Job("j0b".into())), Arc::new(SystemClock));
    assert!(job.lacks(&demands).await.unwrap()[0].permission.contains("CI_JOB_TOKEN"));
    let address = serve(router(Arc::clone(&bench.store)));
    let named = async |merged: &[&str]| {
        let merged = merged.iter().map(|name| BranchName::from(*name)).collect();
        let lacks = client(&address).lacks(&Demands { merged, ..demands.clone() }).await.unwrap();
        lacks.into_iter().map(|lack| (lack.permission, lack.certainty)).collect::<Vec<_>>()
    };
    {
        let mut kept = bench.store.kept();
        (kept.role, kept.scopes) = (Some(30), Some("api"));
    }
    assert_eq!(named(&["main"]).await, []);
    bench.store.kept().is_protected = true;
    let lacks = named(&[]).await;
    assert!(lacks.len() == 1 && lacks[0].0.contains("push to the protected branch main"), "{lacks:?}");
    let lacks =
        client(&address).lacks(&Demands { merged: ["main".into()].into(), ..Demands::default() }).await.unwrap();
    assert_eq!((lacks.len(), lacks[0].certainty), (1, Certainty::Untold), "{lacks:?}");
    bench.store.kept().role = Some(40);
    assert_eq!(named(&["main"]).await, []);
}

/// The settings of a project tell of no role by an invited group, and of none of an administrator.
#[tokio::test]
async fn a_role_that_the_project_does_not_tell_is_asked_for() {
    let stage = Stage::new(GITLAB, "");
    let demands = Demands { opens: true, pushed: ["main".into()].into(), ..Demands::default() };
    let lacks = async |is_invited, is_admin, role| {
        {
            let mut kept = stage.store.kept();
            (kept.is_invited, kept.is_admin, kept.role, kept.scopes) = (is_invited, is_admin, role, Some("api"));
        }
        let lacks = client(stage.address()).lacks(&demands).await.unwrap();
        lacks.into_iter().map(|lack| (lack.permission, lack.certainty)).collect::<Vec<_>>()
    };
    let role = "the role Developer".to_owned();
    assert_eq!(lacks(true, false, Some(30)).await, []);
    assert_eq!(lacks(true, false, Some(20)).await, [(role.clone(), Certainty::Missing)]);
    assert_eq!(lacks(true, false, None).await, [(role.clone(), Certainty::Missing)], "nobody has invited them");
    assert_eq!(lacks(false, true, None).await, []);
    for path in ["/api/v4/user", "/members/all/"] {
        stage.store.trap("GET", path, Fault::Before(403));
        assert_eq!(lacks(true, false, Some(30)).await, [(role.clone(), Certainty::Untold)], "{path}");
    }
    stage.store.kept().is_protected = true;
    let found = lacks(true, false, Some(30)).await;
    assert!(found.len() == 1 && found[0].0.contains("push to the protected branch main"), "{found:?}");
}

#[tokio::test]
async fn merges_by_itself_only_what_waits_for_required_checks() {
    crate::forge::scenarios::merging::a_forge_merges_by_itself_only_what_waits_for_required_checks(GITLAB, "pipeline")
        .await;
}

#[tokio::test]
async fn is_stopped_before_anything_changes() {
    Box::pin(crate::forge::scenarios::merging::a_forge_is_stopped_before_anything_changes(GITLAB, "pipeline")).await;
}

#[tokio::test]
async fn a_forge_merges_nothing_that_an_environment_left_which_is_no_more() {
    crate::forge::scenarios::refusing::a_forge_merges_nothing_that_an_environment_left_which_is_no_more(
        GITLAB, "pipeline",
    )
    .await;
}

#[tokio::test]
async fn what_it_merges_by_itself_keeps_its_record() {
    crate::forge::scenarios::merging::what_a_forge_merges_by_itself_keeps_its_record(GITLAB, "pipeline").await;
}

#[tokio::test]
async fn nothing_is_asked_after_the_end_of_a_pass_and_what_trickles_ends_with_it() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}{BASE}", listener.local_addr().unwrap()).parse().unwrap();
    let gitlab = GitLab::new(base, PROJECT, Some(&GitLabToken::Access(TOKEN.into())), Arc::new(SystemClock));
    let trickle = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::spawn(async move {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n[";
                drop(stream.read(&mut [0; 4096]).await);
                let mut sent = stream.write_all(head).await;
                while sent.is_ok() {
                    tokio::task::yield_now().await;
                    sent = stream.write_all(b" ").await;
                }
            });
        }
    };
    let asking = async {
        let passes = gitlab.for_pass(PassEnd::of(Instant::now(), Duration::from_millis(300)), Turn::default());
        for _ in 0..2 {
            let Err(ForgeError::Later { reason, .. }) = passes.list().await else { panic!("it never ends") };
            assert!(reason.starts_with("the time limit of one pass, 0.3 s, has passed"), "{reason}");
        }
    };
    tokio::select! {
        () = trickle => {}
        () = asking => {}
    }
    assert_eq!(asked.into_inner(), 1);
}
