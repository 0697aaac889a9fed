//! GitHub: the scenarios of every forge, and what is GitHub's alone.

use std::sync::Arc;

use tagboat::clock::{PassEnd, SystemClock};
use tagboat::forge::Forge;
use tagboat::forge::github::GitHub;
use tagboat::forge::github::identity::Identity;
use tagboat::forge::turns::Impulse;
use tagboat::model::proposal::Action;

use crate::forge::beside::beside;
use crate::forge::denied::denied;
use crate::forge::gates::gates;
use crate::forge::moving::moving;
use crate::forge::scenarios::{Kind, Lasting, Stage, scenarios};
use crate::forge::turns::{Stage as Lasts, turns};
use crate::git::signing::ssh_key;
use crate::support::forge::github::router;
use crate::support::forge::runs::{ACTIONS, SilentRow, SuiteRow};
use crate::support::forge::{CheckRow, Fault, NOW, Protection, Stands};
use crate::support::scripted::Scripted;

pub(super) const GITHUB: Kind = Kind {
    router,
    client,
    lasting,
    words: ["success", "in_progress", "cancelled"],
    statuses: ["success", "pending"],
    reviews: ["APPROVED", "CHANGES_REQUESTED"],
    opening: "/pulls",
    commenting: "/comments",
    merging: ("PUT", "/merge"),
    below: "",
    committing: ("POST", "/graphql"),
};

fn client(address: &str) -> Arc<dyn Forge> {
    Arc::new(github(address))
}

fn lasting(address: &str) -> Lasting {
    let forge = github(address);
    Box::new(move |turn| Arc::new(forge.for_pass(PassEnd::default(), turn)))
}

fn github(address: &str) -> GitHub {
    let base = format!("{address}/api/v3").parse().unwrap();
    GitHub::new(base, "acme", "gitops", Identity::Token("token".into()), Arc::new(SystemClock))
}

scenarios!(GITHUB);
gates!(super::GITHUB);

moving!(super::GITHUB);
beside!(super::GITHUB);
turns!(super::GITHUB);
denied!(super::GITHUB);

/// What takes octocrab's requests is a task, and a task ends with its runtime.
#[test]
fn one_client_asks_in_one_runtime_after_another() {
    let server = Scripted::start(|_| (200, Vec::new(), "[]".to_owned()));
    let forge = github(&format!("http://{}", server.host()));
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(forge.list()).unwrap().pull_requests, []);
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn labels_and_reviews_that_were_asked_for_are_not_asked_for_again() {
    let paths = ["/labels", "/requested_reviewers"];
    crate::forge::scenarios::opening::what_was_done_is_looked_for_before_it_is_done_again(GITHUB, &paths).await;
}

#[tokio::test]
async fn who_cannot_be_asked_to_review_keeps_nobody_else_from_it() {
    use crate::forge::scenarios::opening::who_cannot_be_asked_to_review_keeps_nobody_else_from_it;
    who_cannot_be_asked_to_review_keeps_nobody_else_from_it(GITHUB, "422: Reviews may only").await;
    // With a person's own token that person has opened it.
    let stage = Stage::new(GITHUB, "    reviewers: [ada, grace]\n");
    stage.store.kept().login = Some("ada");
    let (action, reason) = stage.pass(8).await;
    assert_eq!(action, Some(Action::Opened));
    assert!(reason.contains("not asked to review: ada (") && reason.contains("author"), "{reason}");
    assert_eq!(stage.store.pull(1).reviewers, ["grace"]);
}

#[tokio::test]
async fn a_merge_queue_is_used_where_there_is_one_and_only_once() {
    let stage = Stage::merging(GITHUB).await;
    stage.store.kept().protection.queue = true;
    for _ in 0..2 {
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        assert_eq!(stage.store.kept().queued, [1]);
    }
    assert_eq!(stage.store.pull(1).state, Stands::Open, "GitHub merges it when its turn comes");
}

#[tokio::test]
async fn what_stands_in_the_merge_queue_costs_no_more_than_what_waits() {
    let stage = Stage::queued(GITHUB).await;
    for _ in 0..2 {
        stage.store.requests();
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        let asked = stage.store.requests();
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
}

#[tokio::test]
async fn what_a_person_or_a_gate_stops_is_taken_out_of_the_merge_queue() {
    Box::pin(crate::forge::scenarios::queueing::what_a_person_or_a_gate_stops_is_taken_out_of_the_queue(GITHUB)).await;
}

#[tokio::test]
async fn what_the_merge_queue_has_thrown_out_waits_for_another_head_or_base() {
    use crate::forge::scenarios::queueing::what_a_queue_has_thrown_out_waits_for_another_head_or_base;
    Box::pin(what_a_queue_has_thrown_out_waits_for_another_head_or_base(GITHUB, "failed_checks")).await;
}

#[tokio::test]
async fn a_merge_queue_that_does_not_take_it_is_asked_again() {
    let refusal = ("POST", "/graphql");
    crate::forge::scenarios::queueing::a_queue_that_does_not_take_it_is_asked_again(GITHUB, refusal).await;
}

#[tokio::test]
async fn what_was_put_into_the_queue_unheard_is_taken_out_when_a_person_holds_it() {
    use crate::forge::scenarios::queueing::what_was_put_there_unheard_is_taken_out_when_a_person_holds_it;
    what_was_put_there_unheard_is_taken_out_when_a_person_holds_it(GITHUB, ("POST", "/graphql")).await;
}

#[tokio::test]
async fn a_deployment_that_is_denied_is_not_made_again_while_nothing_changes() {
    let dev = "  - name: dev\n    files: [dev/**]\n    publish: commit\n    deployments: true\n";
    let stage = Lasts::new(GITHUB, dev);
    (0..30).for_each(|_| stage.store.trap("POST", "/deployments", Fault::Before(403)));
    let mut made = Vec::new();
    for minute in 0..25 {
        let seen = stage.try_pass(Impulse::Routine, &format!("08:{minute:02}")).await;
        assert!(seen.outcome.errors[0].reason.contains("403"), "{:?}", seen.outcome.errors);
        let is_write = |line: &&String| line.starts_with("POST") && line.contains("/deployments");
        if seen.requests.iter().any(|line| is_write(&line)) {
            made.push(minute);
        } else if !made.contains(&(minute - 1)) {
            seen.is_quiet();
        }
    }
    assert_eq!(made, [0, 10]);
}

/// GitHub forgets that it was to merge by itself once the queue has taken it.
#[tokio::test]
async fn what_github_itself_put_into_its_queue_is_taken_out_of_it() {
    let stage = Stage::new(GITHUB, "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n");
    stage.acts(8).await;
    stage.check("build", "in_progress");
    stage.store.kept().protection =
        Protection { ruled: vec!["build".to_owned()], queue: true, ..Protection::default() };
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert_eq!(stage.store.kept().armed, [1]);
    {
        let mut kept = stage.store.kept();
        kept.armed.clear();
        kept.queued.push(1);
    }
    stage.store.change(1, |pull| {
        pull.labels.insert("tagboat/hold".to_owned());
    });
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    assert!(stage.store.kept().queued.is_empty());
}

#[tokio::test]
async fn what_somebody_asked_for_whose_account_is_no_more_is_waited_for() {
    let stage = Stage::merging(GITHUB).await;
    let sha = stage.store.pull(1).sha;
    for word in GITHUB.reviews.into_iter().rev() {
        stage.store.change(1, |pull| pull.reviews.push(("ghost".to_owned(), word.to_owned(), sha.clone())));
        let (action, reason) = stage.pass(9).await;
        assert!(reason.contains("changes are requested by ghost"), "{action:?} {reason}");
        assert_eq!(stage.states(), [Stands::Open]);
    }
    stage.store.change(1, |pull| pull.reviews[0].1 = "DISMISSED".to_owned());
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

#[tokio::test]
async fn a_straight_line_that_the_branch_itself_wants_is_kept() {
    let stage = Stage::merging(GITHUB).await;
    stage.store.kept().protection.linear = true;
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::Merged), "{reason}");
}

#[tokio::test]
async fn a_check_run_of_a_gate_s_very_name_is_another_s() {
    let stage = Stage::merging(GITHUB).await;
    stage.check("tagboat/soak", "cancelled");
    for _ in 0..2 {
        let (action, reason) = stage.pass(9).await;
        assert_ne!(action, Some(Action::Merged));
        assert!(reason.contains("checks failed: tagboat/soak (cancelled)"), "{reason}");
    }
    assert!(stage.store.kept().checks.iter().all(|row| row.is_run), "nothing is said over it");
}

#[tokio::test]
async fn what_waits_in_a_merge_queue_is_asked_about_in_turns() {
    let live = "  - name: live\n    files: [live/**]\n    publish: autoMerge\n";
    let stage = Lasts::new(GITHUB, live);
    stage.routine("08:00").await;
    stage.store.kept().protection.queue = true;
    stage.report(&stage.of("live", "site").sha, "build", "success");
    for _ in 0..3 {
        stage.routine("08:01").await;
    }
    for _ in 0..8 {
        let seen = stage.routine("08:02").await;
        seen.is_quiet();
        assert_eq!(seen.outcome.proposals[0].action, Action::Enqueued);
    }
    assert_eq!(stage.store.kept().queued, [1], "it is put there once");
}

#[tokio::test]
async fn where_graphql_does_not_tell_rest_is_asked_in_turns() {
    for fault in [Fault::Before(404), Fault::Before(403), Fault::Odd] {
        let apps = "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n";
        let stage = Lasts::new(GITHUB, apps);
        stage.routine("08:00").await;
        for app in ["web", "api", "worker"] {
            stage.report(&stage.of("apps", app).sha, "build", "in_progress");
        }
        (0..100).for_each(|_| stage.store.trap("QUERY", "/graphql", fault));
        for _ in 0..3 {
            stage.routine("08:01").await;
        }
        for _ in 0..12 {
            stage.routine("08:02").await.is_quiet();
        }
    }
}

#[tokio::test]
async fn required_checks_and_approvals_of_the_base_are_waited_for() {
    let stage = Stage::merging(GITHUB).await;
    stage.store.kept().protection.required = vec!["e2e".to_owned()];
    let reason = stage.pass(9).await.1;
    assert!(reason.contains("required checks have not reported: e2e"), "{reason}");
    stage.store.kept().protection = Protection { approvals: 1, ..Protection::default() };
    assert!(stage.pass(9).await.1.contains("0 of 1 approvals"));
    let old = ("ada".to_owned(), "APPROVED".to_owned(), "0123".to_owned());
    stage.store.change(1, |pull| pull.reviews.push(old));
    assert!(stage.pass(9).await.1.contains("0 of 1 approvals"), "an approval of another commit is none");
    let sha = stage.store.pull(1).sha;
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), "APPROVED".to_owned(), sha)));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

/// Unknown rules are no rules only where nothing protects the branch, as with plans that have none.
#[tokio::test]
async fn nothing_is_merged_into_a_protected_branch_whose_rules_cannot_be_read() {
    for (protected, fault, is_merged) in [
        (true, Some(Fault::Before(403)), false),
        (false, Some(Fault::Before(403)), true),
        (true, Some(Fault::Before(404)), true),
        (true, None, true),
    ] {
        let stage = Stage::merging(GITHUB).await;
        let required = if protected { vec!["build".to_owned()] } else { Vec::new() };
        stage.store.kept().protection = Protection { required, ..Protection::default() };
        for _ in 0..2 {
            fault.into_iter().for_each(|fault| stage.store.trap("GET", "/rules/branches/", fault));
        }
        let (action, reason) = stage.pass(9).await;
        assert_eq!(action == Some(Action::Merged), is_merged, "{protected} {fault:?}: {reason}");
        if !is_merged {
            assert!(reason.contains("cannot be read") && reason.contains("metadata: read"), "{reason}");
            stage.store.kept().traps.clear();
            assert_eq!(stage.acts(10).await, Some(Action::Merged));
        }
    }
    // Nothing that is called another than a branch tells of one.
    let stage = Stage::merging(GITHUB).await;
    stage.store.trap("GET", "/gitops/branches/", Fault::Odd);
    let (action, reason) = stage.pass(9).await;
    assert!(action == Some(Action::Failed) && reason.contains("another shape than documented"), "{reason}");
    assert_eq!(stage.store.pull(1).state, Stands::Open);
    assert_eq!(stage.acts(10).await, Some(Action::Merged));
    // Without a look at the branch nobody knows of its classic protection.
    let stage = Stage::merging(GITHUB).await;
    stage.store.trap("GET", "/gitops/branches/", Fault::Before(403));
    assert!(stage.pass(9).await.1.contains("cannot be read"));
    assert_eq!(stage.store.pull(1).state, Stands::Open);
}

#[tokio::test]
async fn a_refusal_by_rules_is_a_reason_and_a_wrong_request_an_error() {
    let page = "https://docs.github.com/repositories/configuring-branches-and-merges/about-protected-branches";
    let other = "https://docs.github.com/rest/pulls/pulls#merge-a-pull-request";
    for (status, code, page, is_reason) in [
        (405, None, other, true),
        (409, None, other, true),
        (422, None, other, true),
        (422, Some("custom"), other, true),
        (422, Some("unprocessable"), other, true),
        (422, Some("invalid"), other, false),
        (422, Some("missing_field"), other, false),
        (403, None, page, true),
        (403, None, other, false),
        (404, None, other, false),
    ] {
        let stage = Stage::merging(GITHUB).await;
        stage.store.trap("PUT", "/merge", Fault::Refused { status, code, page });
        let (action, reason) = stage.pass(9).await;
        let expected = if is_reason { Action::Unchanged } else { Action::Failed };
        assert_eq!(action, Some(expected), "{status} {code:?}: {reason}");
        assert!(reason.contains("what GitHub says"), "{reason}");
        assert_eq!(stage.acts(10).await, Some(Action::Merged));
    }
}

#[tokio::test]
async fn a_gate_that_the_base_requires_and_that_is_not_asked_here_holds_nothing_up() {
    let stage = Stage::merging(GITHUB).await;
    stage.store.kept().protection.required = vec!["build".to_owned(), "tagboat/soak".to_owned()];
    // GitHub works out anew what a pull request may, once all has reported.
    stage.pass(9).await;
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let kept = stage.store.kept();
    let said = kept.checks.iter().filter(|row| row.name == "tagboat/soak");
    assert_eq!(said.map(|row| row.word.as_str()).collect::<Vec<_>>(), ["success"]);
}

#[tokio::test]
async fn nobody_approves_who_has_no_part_in_the_repository() {
    let stage = Stage::merging(GITHUB).await;
    let sha = stage.store.pull(1).sha;
    stage.store.kept().protection = Protection { approvals: 1, ..Protection::default() };
    stage.store.change(1, |pull| pull.reviews.push(("stranger".to_owned(), "APPROVED".to_owned(), sha.clone())));
    assert!(stage.pass(9).await.1.contains("0 of 1 approvals"));
    stage.store.change(1, |pull| pull.reviews.push(("ada".to_owned(), "APPROVED".to_owned(), sha)));
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

/// The box "Require merge queue" of the branch's protection is no rule, and administrators may pass by it.
#[tokio::test]
async fn a_merge_queue_of_classic_protection_is_used_also_by_who_may_pass_by_it() {
    for passes in [false, true] {
        for is_rest in [false, true] {
            let stage = Stage::merging(GITHUB).await;
            {
                let mut kept = stage.store.kept();
                kept.passes = passes;
                kept.protection =
                    Protection { classic_queue: true, required: vec!["build".to_owned()], ..Protection::default() };
            }
            if is_rest {
                stage.store.trap("QUERY", "/graphql", Fault::Before(404));
            }
            let (action, reason) = stage.pass(9).await;
            assert_eq!(action, Some(Action::Enqueued), "{passes} {is_rest}: {reason}");
            assert_eq!((stage.states(), stage.store.kept().queued.clone()), (vec![Stands::Open], vec![1]));
            stage.store.requests();
            assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
            let asked = stage.store.requests();
            assert!(asked.len() == 2 && asked[1].starts_with("QUERY "), "{asked:?}");
            stage.store.change(1, |pull| pull.labels.extend(["tagboat/hold".to_owned()]));
            assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
            assert!(stage.store.kept().queued.is_empty(), "its body says that it is there");
        }
    }
}

/// As where somebody has ticked the box between two looks: what goes into a queue says so in its body first.
#[tokio::test]
async fn a_queue_that_is_told_only_when_it_comes_to_the_merge_is_used_by_the_next_pass() {
    // The question about many at once, the one about this one, and the one before the merge.
    for untold in [2, 3] {
        let stage = Stage::merging(GITHUB).await;
        stage.store.kept().protection.classic_queue = true;
        (0..untold).for_each(|_| stage.store.trap("QUERY", "/graphql", Fault::Before(404)));
        let (action, reason) = stage.pass(9).await;
        assert_eq!(action, Some(Action::Unchanged));
        assert!(reason.contains("its base has a merge queue") && reason.contains("the next pass"), "{reason}");
        assert_eq!(reason.contains("405: Changes must be made"), untold == 3, "{reason}");
        assert!(stage.store.kept().queued.is_empty());
        assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
        assert_eq!(stage.store.kept().queued, [1]);
        assert!(stage.store.pull(1).body.contains("\"queued\""), "{}", stage.store.pull(1).body);
    }
}

#[tokio::test]
async fn a_server_whose_graphql_knows_no_merge_queues_is_merged_on_as_ever() {
    let stage = Stage::merging(GITHUB).await;
    stage.store.kept().is_old = true;
    stage.store.kept().protection = Protection { approvals: 1, ..Protection::default() };
    approve(&stage, &["reader"]);
    let reason = stage.pass(9).await.1;
    assert!(reason.ends_with("it has 0 of 1 approvals that the base branch requires"), "{reason}");
    approve(&stage, &["reader", "private"]);
    stage.store.requests();
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
    let asked = stage.store.requests();
    let of = |login: &str| asked.iter().filter(|line| line.contains(&format!("/{login}/permission"))).count();
    assert_eq!((of("reader"), of("private")), (1, 1), "{asked:?}");
}

fn approve(stage: &Stage, who: &[&str]) {
    let sha = stage.store.pull(1).sha;
    let review = |who: &&str| ((*who).to_owned(), "APPROVED".to_owned(), sha.clone());
    stage.store.change(1, |pull| pull.reviews = who.iter().map(review).collect());
}

/// GitHub counts those who may push: also members who hide that, and apps, and no member who may only read.
#[tokio::test]
async fn those_approve_who_may_push_whatever_github_calls_them_to_us() {
    for environment in ["    publish: autoMerge\n", "    publish: autoMerge\n    gates: {approvals: 1}\n"] {
        for (who, approves) in [("private", true), ("helper[bot]", true), ("reader", false), ("stranger", false)] {
            // By one question to GraphQL, by REST with another one, and by REST alone, which knows of no app.
            for way in ["all at once", "one by one", "REST"] {
                let stage = Stage::new(GITHUB, environment);
                stage.acts(8).await;
                stage.check("build", "success");
                let approvals = u32::from(!environment.contains("gates"));
                stage.store.kept().protection = Protection { approvals, ..Protection::default() };
                approve(&stage, &[who]);
                stage.store.kept().is_old = way == "REST";
                let mut acts = Vec::new();
                for _ in 0..3 {
                    if way == "one by one" {
                        stage.store.kept().traps.clear();
                        stage.store.trap("QUERY", "/graphql", Fault::Before(404));
                    }
                    acts.push(stage.pass(9).await);
                }
                let approves = approves && !(way == "REST" && who.ends_with("[bot]"));
                assert_eq!(stage.states() == [Stands::Merged], approves, "{environment} {who} {way}: {acts:?}");
            }
        }
    }
}

#[tokio::test]
async fn where_nobody_tells_who_may_push_what_they_are_called_counts_and_the_reason_says_so() {
    for (status, words) in [(403, "403"), (404, "404")] {
        let stage = Stage::merging(GITHUB).await;
        stage.store.kept().is_old = true;
        stage.store.kept().protection = Protection { approvals: 2, ..Protection::default() };
        approve(&stage, &["ada", "private"]);
        (0..2).for_each(|_| stage.store.trap("GET", "/permission", Fault::Before(status)));
        let reason = stage.pass(9).await.1;
        assert!(reason.contains("1 of 2 approvals that the base branch requires; who of those"), "{reason}");
        assert!(reason.contains("owners, members and collaborators count") && reason.contains(words), "{reason}");
        stage.store.kept().traps.clear();
        assert_eq!(stage.acts(9).await, Some(Action::Merged));
    }
}

#[tokio::test]
async fn a_failure_on_a_further_page_of_checks_is_seen() {
    let stage = Stage::merging(GITHUB).await;
    for (name, word) in [("a", "success"), ("c", "skipped"), ("z", "timed_out")] {
        stage.check(name, word);
    }
    let reason = stage.pass(9).await.1;
    assert!(reason.contains("checks failed: z (timed_out)"), "{reason}");
}

#[tokio::test]
async fn an_executable_file_is_signed_with_the_operators_key_and_nothing_goes_unsigned_without_one() {
    let mut stage = Stage::new(GITHUB, "commit: {sign: forge}\n");
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let blob = git(&["rev-parse", "main:prod/web.yaml"]);
    git(&["read-tree", "main"]);
    git(&["update-index", "--cacheinfo", &format!("100755,{blob},prod/web.yaml")]);
    let tree = git(&["write-tree"]);
    let made = git(&["commit-tree", &tree, "-p", "main", "-m", "It runs"]);
    git(&["update-ref", "refs/heads/main", &made]);
    let (action, reason) = stage.pass(8).await;
    assert_eq!(action, Some(Action::Failed));
    assert!(reason.contains("prod/web.yaml is executable") && reason.contains("`signing`"), "{reason}");
    assert!(stage.store.kept().pulls.is_empty());

    let key = ssh_key(&stage.scratch, "key", &["-t", "ed25519"]);
    stage.ssh = Some(std::fs::read_to_string(key).unwrap());
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::Opened));
    assert!(reason.contains("operator's ssh key: prod/web.yaml is executable"), "{reason}");
    let head = stage.store.pull(1).sha;
    assert!(stage.store.repository.git(&["cat-file", "commit", &head]).contains("BEGIN SSH SIGNATURE"));
    let listed = stage.store.repository.git(&["ls-tree", &head, "prod/web.yaml"]);
    assert!(listed.starts_with("100755"), "{listed}");
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
}

#[tokio::test]
async fn merges_by_itself_only_what_waits_for_required_checks() {
    crate::forge::scenarios::merging::a_forge_merges_by_itself_only_what_waits_for_required_checks(GITHUB, "build")
        .await;
}

#[tokio::test]
async fn is_stopped_before_anything_changes() {
    Box::pin(crate::forge::scenarios::merging::a_forge_is_stopped_before_anything_changes(GITHUB, "build")).await;
}

#[tokio::test]
async fn a_forge_merges_nothing_that_an_environment_left_which_is_no_more() {
    crate::forge::scenarios::refusing::a_forge_merges_nothing_that_an_environment_left_which_is_no_more(
        GITHUB, "build",
    )
    .await;
}

#[tokio::test]
async fn what_a_ruleset_requires_is_waited_for_as_what_the_branch_protection_requires() {
    for is_ruled in [true, false] {
        let stage = Stage::merging(GITHUB).await;
        {
            let mut kept = stage.store.kept();
            let required = vec!["build".to_owned(), "integration".to_owned()];
            *(if is_ruled { &mut kept.protection.ruled } else { &mut kept.protection.required }) = required;
        }
        let (action, reason) = stage.pass(9).await;
        assert_ne!(action, Some(Action::Merged));
        assert!(reason.contains("required checks have not reported: integration"), "{reason}");
        stage.check("integration", "cancelled");
        assert!(stage.pass(9).await.1.contains("checks failed: integration (cancelled)"));
        stage.check("integration", "success");
        assert_eq!(stage.acts(9).await, Some(Action::Merged));
    }
}

#[tokio::test]
async fn a_ruleset_alone_lets_github_merge_by_itself() {
    let stage = Stage::new(GITHUB, "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n");
    stage.acts(8).await;
    stage.check("build", "in_progress");
    stage.store.kept().protection.ruled = vec!["build".to_owned()];
    assert_eq!(stage.acts(9).await, Some(Action::Enqueued));
    assert_eq!(stage.store.kept().armed, [1]);
}

#[tokio::test]
async fn a_gate_that_the_base_requires_holds_nobody_up_where_it_is_not_asked() {
    use crate::forge::scenarios::merging::a_gate_that_the_base_requires_and_nobody_asks_is_said_to_pass;
    a_gate_that_the_base_requires_and_nobody_asks_is_said_to_pass(GITHUB, "tagboat/manual").await;
}

#[tokio::test]
async fn what_it_merges_by_itself_keeps_its_record() {
    crate::forge::scenarios::merging::what_a_forge_merges_by_itself_keeps_its_record(GITHUB, "build").await;
}

/// A check run `ci` on the head of the one pull request, in a suite of its own.
fn suite(stage: &Stage, suite: u64, start: Option<(u64, &'static str)>, word: &str) {
    let sha = stage.store.pull(1).sha;
    let (name, word, text) = ("ci".to_owned(), word.to_owned(), String::new());
    let row = CheckRow { sha, name, word, text, at: NOW, is_run: true };
    stage.store.kept().suites.push(SuiteRow { row, suite, start });
}

const OF_PULLS: Option<(u64, &str)> = Some((7, "pull_request"));

#[tokio::test]
async fn a_run_that_a_later_one_of_its_workflow_took_the_place_of_holds_nothing_up() {
    let stage = Stage::merging(GITHUB).await;
    suite(&stage, 20, OF_PULLS, "cancelled");
    assert!(stage.pass(9).await.1.contains("checks failed: ci (cancelled)"));
    suite(&stage, 21, OF_PULLS, "in_progress");
    assert!(stage.pass(9).await.1.contains("checks are not done: ci (in_progress)"));
    stage.store.kept().suites.pop();
    suite(&stage, 21, OF_PULLS, "success");
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}

#[tokio::test]
async fn a_pass_that_waits_beside_a_superseded_run_asks_no_more_than_any_other() {
    let stage = Stage::merging(GITHUB).await;
    suite(&stage, 20, OF_PULLS, "cancelled");
    suite(&stage, 21, OF_PULLS, "success");
    stage.check("slow", "in_progress");
    stage.acts(9).await;
    stage.store.requests();
    assert!(stage.pass(9).await.1.contains("checks are not done: slow (in_progress)"));
    let asked = stage.store.requests();
    assert_eq!(asked.len(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_run_of_another_workflow_event_or_app_takes_no_ones_place() {
    for (first, second) in
        [(OF_PULLS, Some((8, "pull_request"))), (OF_PULLS, Some((7, "push"))), (OF_PULLS, None), (None, OF_PULLS)]
    {
        let stage = Stage::merging(GITHUB).await;
        suite(&stage, 20, first, "failure");
        suite(&stage, 21, second, "success");
        let (action, reason) = stage.pass(9).await;
        assert_ne!(action, Some(Action::Merged), "{first:?} {second:?}");
        assert!(reason.contains("checks failed: ci (failure)"), "{first:?} {second:?}: {reason}");
    }
}

/// By one question to GraphQL, and by REST alone.
#[tokio::test]
async fn what_cannot_be_told_apart_holds_it_up_and_every_way_of_asking_says_the_same() {
    for (is_withheld, second, is_merged) in [
        (false, OF_PULLS, true),
        (true, OF_PULLS, false),
        (false, Some((8, "pull_request")), false),
        (true, None, false),
    ] {
        for is_rest in [false, true] {
            let stage = Stage::merging(GITHUB).await;
            suite(&stage, 20, OF_PULLS, "cancelled");
            suite(&stage, 21, second, "success");
            stage.store.kept().withholds_starts = is_withheld;
            if is_withheld {
                stage.store.trap("GET", "/actions/runs", Fault::Before(403));
            }
            let failing: u32 = if is_rest { 3 } else { 0 };
            (0..failing).for_each(|_| stage.store.trap("QUERY", "/graphql", Fault::Before(502)));
            let (action, reason) = stage.pass(9).await;
            assert_eq!(action == Some(Action::Merged), is_merged, "{is_withheld} {second:?} {is_rest}: {reason}");
            assert!(is_merged || reason.contains("checks failed: ci (cancelled)"), "{reason}");
        }
    }
}

/// A suite without any check run on the head of the one pull request.
fn silent(stage: &Stage, suite: u64, app: &'static str, start: Option<(u64, &'static str)>, word: &'static str) {
    let sha = stage.store.pull(1).sha;
    stage.store.kept().silent.push(SilentRow { sha, suite, app, start, word });
}

/// By one question to GraphQL, and by REST alone.
#[tokio::test]
async fn a_workflow_that_could_not_start_or_waits_to_be_let_run_holds_it_up_and_is_named() {
    for (word, words) in [
        ("startup_failure", "checks failed: workflow CI 7 (startup_failure)"),
        ("action_required", "checks failed: workflow CI 7 (action_required)"),
        ("stale", "checks failed: workflow CI 7 (stale)"),
        ("queued", "checks are not done: workflow CI 7 (queued)"),
        ("pending", "checks are not done: workflow CI 7 (pending)"),
    ] {
        for is_rest in [false, true] {
            let stage = Stage::merging(GITHUB).await;
            silent(&stage, 20, "another-app", None, "queued");
            silent(&stage, 21, ACTIONS, OF_PULLS, word);
            let failing: u32 = if is_rest { 3 } else { 0 };
            (0..failing).for_each(|_| stage.store.trap("QUERY", "/graphql", Fault::Before(502)));
            stage.store.requests();
            let (action, reason) = stage.pass(9).await;
            let asked = stage.store.requests();
            assert!(action != Some(Action::Merged) && reason.contains(words), "{word} {is_rest}: {reason}");
            assert!(is_rest || asked.len() == 2, "{asked:?}");
            stage.store.kept().traps.clear();
            suite(&stage, 22, OF_PULLS, "success");
            assert_eq!(stage.acts(9).await, Some(Action::Merged), "{word}: it was started again");
        }
    }
}

#[tokio::test]
async fn an_app_that_never_reports_holds_nothing_up() {
    let stage = Stage::merging(GITHUB).await;
    silent(&stage, 20, "another-app", None, "queued");
    silent(&stage, 21, ACTIONS, None, "queued");
    silent(&stage, 22, "third-app", None, "queued");
    assert_eq!(stage.acts(9).await, Some(Action::Merged));
}
