//! The text for people, as it looks.

use insta::assert_snapshot;
use tagboat::model::change::FileEdit;
use tagboat::model::decision::{Reason, Verdict};
use tagboat::model::outcome::{Outcome, ScanOutcome};
use tagboat::model::proposal::{Action, Proposal};
use tagboat::model::site::PassedOverReason;
use tagboat::report::text::{self, Occasion};
use tagboat::report::{Verbosity, View, trouble, warning};

use super::made;

const VERBOSE: View = View { width: 80, color: false, verbosity: Verbosity::Verbose };
const QUIET: View = View { width: 80, color: false, verbosity: Verbosity::Quiet };
const COLOR: View = View { width: 80, color: true, verbosity: Verbosity::Normal };

fn outcome(outcome: &Outcome, occasion: Occasion, view: &View) -> String {
    made::text(|out| text::outcome(outcome, occasion, view, out))
}

fn scan(found: &ScanOutcome, view: &View) -> String {
    made::text(|out| text::scan(found, view, out))
}

#[test]
fn scan_lists_references_and_groups_what_it_passed_over() {
    assert_snapshot!(scan(&made::scan(), &View::default()), @"
    envs/dev/web.yaml
      12  ghcr.io/acme/web  1.4.0
      20  nginx             1.27.0-alpine

    Not followed
      envs/dev/job.yaml:9 ghcr.io/acme/job:${TAG}: holds the variable ${TAG}

    Passed over
      3 files (chart/templates/a.yaml, chart/templates/b.yaml, …): a template
        without marked lines
      secrets.enc.yaml: encrypted with SOPS

    3 references in 2 files, 1 not followed, 4 files passed over, all by the policy
    `semver >=1.4.0 <2.0.0`
    ");
}

#[test]
fn scan_names_every_file_when_verbose() {
    assert_snapshot!(scan(&ScanOutcome { references: Vec::new(), ..made::scan() }, &VERBOSE), @r"
    Passed over
      3 files: a template without marked lines
        chart/templates/a.yaml
        chart/templates/b.yaml
        chart/templates/c.yaml
      secrets.enc.yaml: encrypted with SOPS

    No image reference, 4 files passed over
    ");
}

#[test]
fn scan_of_nothing_says_so() {
    assert_snapshot!(scan(&ScanOutcome::default(), &View::default()), @r"
    No image reference was found.
    ");
}

#[test]
fn long_and_wide_names_are_shortened_in_the_middle() {
    let mut found = ScanOutcome::default();
    let long = format!("clusters/{}/apps/shop/overlays/production/deployment.yaml", "europe-west1".repeat(4));
    let image = format!("registry.acme.example:5000/{}/web", "platform-team".repeat(6));
    found.references.push(made::reference(&long, 1234, &image, "2026.11.20-build-0123456789abcdef-linux-amd64-alpine"));
    found.references.push(made::reference("環境/開発環境/ウェブサーバー.yaml", 7, "nginx", "1.27.0"));
    found.passed_over.push(made::passed_over("a\u{1b}[2Jb\n.yaml", PassedOverReason::NotUtf8));
    assert_snapshot!(scan(&found, &View::default()), @r"
    clusters/europe-west1europe-west1europe-west1europe-west1/apps/shop/overlays/pro
    duction/deployment.yaml
      1234  registry.acme.…eamplatform-team/web  2026.11.20-bui…f-linux-amd64-alpine
    環境/開発環境/ウェブサーバー.yaml
      7     nginx                                1.27.0

    Passed over
      a\u{1b}[2Jb\n.yaml: not UTF-8

    2 references in 2 files, 1 file passed over, all by the policy `semver >=1.4.0
    <2.0.0`
    ");
}

#[test]
fn plan_shows_changes_diff_waits_and_the_next_step() {
    assert_snapshot!(outcome(&made::outcome(), Occasion::Plan, &View::default()), @r"
    environment  image             from    to      step   where
    dev          ghcr.io/acme/web  1.4.0   1.5.0   minor  3 files
    staging      nginx             1.27.0  1.29.1  minor  envs/staging/nginx.yaml:7

    --- a/envs/dev/a/web.yaml
    +++ b/envs/dev/a/web.yaml
    @@ -2,5 +2,5 @@
       containers:
         - name: web
           # the shop
    -      image: ghcr.io/acme/web:1.4.0
    +      image: ghcr.io/acme/web:1.5.0
           ports: []

    Waiting
      prod: ghcr.io/acme/web 1.4.0 → 1.5.0 waits
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01

    Skipped
      docker.io/library/redis: not in the snapshot

    Failed
      ghcr.io/acme/api: the registry answered 503; try again later
      envs/dev/x.yaml:3:4: the tag stands in an alias

    2 updates in 4 files, 1 waiting, 1 skipped, 2 failed.
    Run `tagboat update` to write them.
    ");
}

#[test]
fn quiet_plan_leaves_out_the_diff_and_what_was_skipped() {
    assert_snapshot!(outcome(&made::outcome(), Occasion::Plan, &QUIET), @r"
    environment  image             from    to      step   where
    dev          ghcr.io/acme/web  1.4.0   1.5.0   minor  3 files
    staging      nginx             1.27.0  1.29.1  minor  envs/staging/nginx.yaml:7

    Waiting
      prod: ghcr.io/acme/web 1.4.0 → 1.5.0 waits
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01

    Failed
      ghcr.io/acme/api: the registry answered 503; try again later
      envs/dev/x.yaml:3:4: the tag stands in an alias

    2 updates in 4 files, 1 waiting, 1 skipped, 2 failed.
    Run `tagboat update` to write them.
    ");
}

#[test]
fn update_says_what_was_written() {
    let mut done = made::outcome();
    (done.proposals, done.skipped, done.errors) = Default::default();
    done.decisions.truncate(1);
    done.changes.truncate(3);
    assert_snapshot!(outcome(&done, Occasion::Update, &View::default()), @r"
    image             from   to     step   where
    ghcr.io/acme/web  1.4.0  1.5.0  minor  3 files

    Wrote 1 update to 3 files.
    Look at them with `git diff`, then commit.
    ");
}

#[test]
fn run_names_its_commits_and_pull_requests() {
    let mut done = made::pushed();
    done.changes.truncate(1);
    done.proposals[0].action = Action::Opened;
    done.proposals[0].url = Some("https://git.acme.example/acme/gitops/pulls/7".to_owned());
    assert_snapshot!(outcome(&done, Occasion::Run, &View::default()), @r"
    environment  image             from   to     step   where
    dev          ghcr.io/acme/web  1.4.0  1.5.0  minor  envs/dev/a/web.yaml:12

    Commits
      0123456789  dev  dev: move ghcr.io/acme/web to 1.5.0

    Pull requests
      opened: dev, ghcr.io-acme-web https://git.acme.example/acme/gitops/pulls/7

    Waiting
      prod: ghcr.io/acme/web 1.4.0 → 1.5.0 waits
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01

    Skipped
      docker.io/library/redis: not in the snapshot

    Pushed 1 commit: 1 update in 1 file, 1 waiting, 1 skipped.
    ");
}

#[test]
fn nothing_to_do_says_why() {
    let keep = made::decision("ghcr.io/acme/web", "dev", "1.4.0", Verdict::Keep, &[]);
    let kept = Outcome { decisions: vec![keep], ..Outcome::default() };
    assert_snapshot!(outcome(&kept, Occasion::Plan, &View::default()), @r"
    Nothing to do: 1 reference is at the newest version its policy allows.
    ");
    assert_snapshot!(outcome(&Outcome::default(), Occasion::Plan, &View::default()), @r"
    Nothing to do: no reference is followed.
    `tagboat scan` lists every reference, and why it is not followed.
    ");
    let waiting = Outcome { proposals: vec![made::proposal("prod", "nginx", Action::Held)], ..Outcome::default() };
    assert_snapshot!(outcome(&waiting, Occasion::Plan, &View::default()), @r"
    Waiting
      prod: nginx 1.4.0 → 1.5.0 held

    Nothing to do now (1 waiting).
    `tagboat explain IMAGE` tells what an image waits for.
    ");
    let reason = Some("the remote refuses the push".to_owned());
    let unpublished = Proposal { reason, ..made::proposal("dev", "nginx", Action::Failed) };
    let unpublished = Outcome { proposals: vec![unpublished], ..Outcome::default() };
    assert_snapshot!(outcome(&unpublished, Occasion::Run, &View::default()), @r"
    Failed
      dev: nginx 1.4.0 → 1.5.0: the remote refuses the push

    Nothing was published (1 failed).
    ");
    let mut closed = made::proposal("dev", "nginx", Action::Closed);
    (closed.url, closed.moves) = (Some("https://git.acme.example/pulls/2".to_owned()), Vec::new());
    closed.reason = Some("closed by a person in #1".to_owned());
    let moves = made::moves("1.5.0");
    let decision = made::decision("nginx", "dev", "1.4.0", moves, &[]);
    let closed = Outcome { proposals: vec![closed], decisions: vec![decision], ..Outcome::default() };
    assert_snapshot!(outcome(&closed, Occasion::Run, &View::default()), @r"
    Pull requests
      closed: dev, nginx https://git.acme.example/pulls/2 (closed by a person in #1)

    Closed 1 pull request.
    ");
    assert_snapshot!(outcome(&closed, Occasion::DryRun, &View::default()), @r"
    Pull requests
      close: dev, nginx https://git.acme.example/pulls/2 (closed by a person in #1)

    1 pull request to close.
    ");
    let failed = Outcome { errors: made::outcome().errors, ..Outcome::default() };
    assert_snapshot!(outcome(&failed, Occasion::Plan, &View::default()), @r"
    Failed
      ghcr.io/acme/api: the registry answered 503; try again later
      envs/dev/x.yaml:3:4: the tag stands in an alias

    Nothing could be decided (2 failed).
    ");
}

#[test]
fn equal_reasons_are_one_row() {
    let mut failed = Outcome::default();
    for number in 0..500 {
        let verdict = Verdict::Undecided("ghcr.io cannot be reached".to_owned());
        failed.decisions.push(made::decision(&format!("ghcr.io/acme/web-{number}"), "dev", "1.4.0", verdict, &[]));
    }
    assert_snapshot!(outcome(&failed, Occasion::Plan, &View::default()), @"
    Skipped
      500 targets (ghcr.io/acme/web-0, ghcr.io/acme/web-1, …): undecided: ghcr.io
        cannot be reached

    Nothing could be decided.
    ");
}

#[test]
fn diff_shows_insertions_missing_line_ends_and_hostile_bytes() {
    let edit = |file: &str, before: &str, after: &str| FileEdit {
        file: made::path(file),
        before: before.as_bytes().to_vec(),
        after: after.as_bytes().to_vec(),
    };
    let files = vec![
        edit("a.yaml", "newTag: 1.4.0", "newTag: 1.5.0"),
        edit("b.yaml", "a: 1\r\n\r\nb: 2\tx\x1b\r\n", "a: 2\r\n\r\nb: 2\tx\x1b\r\n"),
        edit("c.yaml", "one\ntwo\nthree\nfour\nfive\n", "one\ntwo\nthree\nfour\ndigest\nfive\n"),
        edit("same.yaml", "one\n", "one\n"),
    ];
    let planned = Outcome { files, ..Outcome::default() };
    assert_snapshot!(outcome(&planned, Occasion::Plan, &View::default()), @r"
    --- a/a.yaml
    +++ b/a.yaml
    @@ -1 +1 @@
    -newTag: 1.4.0
    \ No newline at end of file
    +newTag: 1.5.0
    \ No newline at end of file
    --- a/b.yaml
    +++ b/b.yaml
    @@ -1,3 +1,3 @@
    -a: 1
    +a: 2
     
     b: 2    x\u{1b}
    --- a/c.yaml
    +++ b/c.yaml
    @@ -2,4 +2,5 @@
     two
     three
     four
    +digest
     five

    Nothing to do: no reference is followed.
    `tagboat scan` lists every reference, and why it is not followed.
    ");
}

#[test]
fn diff_cuts_endless_lines_to_what_changed() {
    let line = |tag: &str| format!("{}{tag}{}", "x".repeat(9000), "y".repeat(9000)).into_bytes();
    let edit = FileEdit { file: made::path("long.json"), before: line("1.4.0"), after: line("1.5.0") };
    let written = outcome(&Outcome { files: vec![edit], ..Outcome::default() }, Occasion::Plan, &View::default());
    let changed: Vec<&str> =
        written.lines().filter(|line| line.starts_with("-…x") || line.starts_with("+…x")).collect();
    assert_eq!(changed.len(), 2);
    assert!(changed[0].contains("x1.4.0y") && changed[1].contains("x1.5.0y"), "{changed:?}");
    assert!(changed.iter().all(|line| line.len() < 500), "{changed:?}");
}

#[test]
fn verbose_plan_names_every_place_and_passed_gate() {
    let mut planned = made::outcome();
    planned.files.clear();
    assert_snapshot!(outcome(&planned, Occasion::Plan, &VERBOSE), @r"
    environment  image             from    to      step   where
    dev          ghcr.io/acme/web  1.4.0   1.5.0   minor  envs/dev/a/web.yaml:12
    dev          ghcr.io/acme/web  1.4.0   1.5.0   minor  envs/dev/b/web.yaml:12
    dev          ghcr.io/acme/web  1.4.0   1.5.0   minor  envs/dev/c/web.yaml:12
    staging      nginx             1.27.0  1.29.1  minor  envs/staging/nginx.yaml:7

    Waiting
      prod: ghcr.io/acme/web 1.4.0 → 1.5.0 waits
        checks passes: argocd/staging: success on commit 0a1b2c3d4e in staging
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01

    Skipped
      docker.io/library/redis: not in the snapshot

    Failed
      ghcr.io/acme/api: the registry answered 503; try again later
      envs/dev/x.yaml:3:4: the tag stands in an alias

    2 updates in 4 files, 1 waiting, 1 skipped, 2 failed.
    Run `tagboat update` to write them.
    ");
}

#[test]
fn standing_pull_requests_are_nothing_to_do() {
    let proposals = vec![made::proposal("prod", "nginx", Action::Unchanged)];
    let standing = Outcome { proposals, ..Outcome::default() };
    assert_snapshot!(outcome(&standing, Occasion::Plan, &View::default()), @r"
    Nothing to do: 1 pull request up to date.
    ");
}

#[test]
fn a_pass_that_only_hands_pull_requests_to_the_forge_says_so() {
    let decided = made::outcome().decisions.into_iter().take(1).collect();
    let proposals = vec![made::proposal("prod", "nginx", Action::Enqueued)];
    let handed = Outcome { proposals, decisions: decided, ..Outcome::default() };
    let told = outcome(&handed, Occasion::Run, &View::default());
    assert!(told.contains("handed to the forge to merge: prod, nginx"), "{told}");
    assert!(told.ends_with("Nothing else to do: the forge merges 1 pull request.\n"), "{told}");
}

#[test]
fn what_failed_for_a_whole_branch_is_one_failure() {
    let error = made::outcome().errors.remove(0);
    let failed =
        |reason: &str| Proposal { reason: Some(reason.to_owned()), ..made::proposal("prod", "nginx", Action::Failed) };
    let proposals = vec![failed(&error.reason), failed(&error.reason)];
    let told = outcome(
        &Outcome { proposals, errors: vec![error.clone()], ..Outcome::default() },
        Occasion::Run,
        &View::default(),
    );
    assert!(told.ends_with("Nothing was published (1 failed).\n"), "{told}");
    let proposals = vec![failed(&error.reason), failed("of its own")];
    let told =
        outcome(&Outcome { proposals, errors: vec![error], ..Outcome::default() }, Occasion::Run, &View::default());
    assert!(told.ends_with("Nothing was published (2 failed).\n"), "{told}");
}

#[test]
fn every_pull_request_that_waits_says_for_what() {
    let waiting = made::waiting();
    assert_snapshot!(outcome(&waiting, Occasion::Run, &View::default()), @r"
    Pull requests
      handed to the forge to merge: prod, ghcr.io-acme-cart
        https://git.acme.example/acme/gitops/pulls/7

    Waiting
      prod: ghcr.io/acme/api 1.4.0 → 1.5.0 waits (checks failed: build (cancelled))
        https://git.acme.example/acme/gitops/pulls/1
      prod: ghcr.io/acme/web 1.4.0 → 1.5.0 waits (required checks have not reported:
        e2e) https://git.acme.example/acme/gitops/pulls/2
      prod: ghcr.io/acme/job 1.4.0 → 1.5.0 waits (required checks have not reported:
        e2e) https://git.acme.example/acme/gitops/pulls/3
      prod: ghcr.io/acme/cron 1.4.0 → 1.5.0 waits
        https://git.acme.example/acme/gitops/pulls/4
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01
      prod: ghcr.io/acme/mail 1.4.0 → 1.5.0 waits (somebody has to merge it)
        https://git.acme.example/acme/gitops/pulls/5
      prod: ghcr.io/acme/shop 1.4.0 → 1.5.0 left alone (it has the label
        `tagboat/hold`) https://git.acme.example/acme/gitops/pulls/6

    Nothing to do now (6 waiting).
    `tagboat run --dry-run` tells what pull requests and head branches say; `tagboat
    explain IMAGE` tells what else an image waits for.
    ");
}

/// Images that stay at 1.4.0: the one at a number has a 1.5.0 that is kept back for the reason at that place.
fn kept_back(reasons: &[Reason]) -> Outcome {
    let mut kept = Outcome::default();
    for (number, reason) in reasons.iter().enumerate() {
        let image = format!("ghcr.io/acme/app-{number}");
        let reasons = [Reason::InUse, reason.clone()];
        kept.decisions.push(made::decision(&image, "dev", "1.4.0", Verdict::Keep, &reasons));
        kept.images.insert(made::name(&image), made::tags(&["1.4.0", "1.5.0"]));
    }
    kept
}

fn too_young(second: i64) -> Reason {
    Reason::TooYoung { until: jiff::Timestamp::from_second(1_800_000_000 + second).unwrap(), untold: None }
}

#[test]
fn what_is_kept_back_is_told_with_its_reason_and_nothing_is_called_the_newest_then() {
    let kept = kept_back(&[too_young(0), Reason::SignatureMissing, Reason::OutOfRange]);
    assert_snapshot!(outcome(&kept, Occasion::Plan, &View::default()), @r"
    Kept back
      1.5.0 of ghcr.io/acme/app-0: too young until 2027-01-15T08:00:00Z
      1.5.0 of ghcr.io/acme/app-1: not signed yet

    Nothing to do now: 1 reference is at the newest version its policy allows (2
    kept back).
    `tagboat explain IMAGE` tells what an image waits for.
    ");
    let only = kept_back(&[too_young(0)]);
    let told = outcome(&only, Occasion::Run, &QUIET);
    assert!(told.contains("Nothing to do now (1 kept back).") && !told.contains("newest"), "{told}");
    let summary = tagboat::report::github::summary(&only, Occasion::Plan);
    let row = "#### Kept back\n\n| environment | image | version | why |\n| --- | --- | --- | --- |\n\
               | `dev` | `ghcr.io/acme/app-0` | `1.5.0` | too young until 2027-01-15T08:00:00Z |";
    assert!(summary.contains(row), "{summary}");
    // What a person holds has its row among what was passed by.
    let held = outcome(&kept_back(&[Reason::Held("by ada".into())]), Occasion::Plan, &View::default());
    assert!(held.starts_with("Nothing to do now.") && !held.contains("newest"), "{held}");
}

#[test]
fn much_that_is_kept_back_is_folded_and_all_of_it_shown_when_asked_for() {
    let mut reasons: Vec<Reason> = (0..9).map(too_young).collect();
    reasons.extend(std::iter::repeat_n(Reason::SignatureMissing, 20));
    reasons.rotate_right(20);
    let kept = kept_back(&reasons);
    assert_snapshot!(outcome(&kept, Occasion::Plan, &View::default()), @r"
    Kept back
      20 versions (1.5.0 of ghcr.io/acme/app-0, 1.5.0 of ghcr.io/acme/app-1, …): not
        signed yet
      1.5.0 of ghcr.io/acme/app-20: too young until 2027-01-15T08:00:00Z
      1.5.0 of ghcr.io/acme/app-21: too young until 2027-01-15T08:00:01Z
      1.5.0 of ghcr.io/acme/app-22: too young until 2027-01-15T08:00:02Z
      1.5.0 of ghcr.io/acme/app-23: too young until 2027-01-15T08:00:03Z
      1.5.0 of ghcr.io/acme/app-24: too young until 2027-01-15T08:00:04Z
      4 more versions for reasons like these; `-v` shows all

    Nothing to do now (29 kept back).
    `tagboat explain IMAGE` tells what an image waits for.
    ");
    let all = outcome(&kept, Occasion::Plan, &VERBOSE);
    for number in 0..29 {
        assert!(all.contains(&format!("1.5.0 of ghcr.io/acme/app-{number}")), "{number}: {all}");
    }
}

#[test]
fn explain_condenses_and_lists_all_when_verbose() {
    let images = made::outcome().images;
    let explain = |view: View| made::text(|out| text::explain(&[made::explanation()], &images, &[], &view, out));
    assert_snapshot!(explain(View::default()), @r"
    ghcr.io/acme/web in dev
      policy: semver minor
      current: 1.4.0
      chosen: 1.5.0 (minor step)
        checks passes: argocd/staging: success on commit 0a1b2c3d4e in staging
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01
      earliest: 2026-11-21T09:00:00Z

      1.5.0: chosen, best that semver minor allows
      1.4.0: in use
      2.0.0: out of range
      latest: not a version
    ");
    assert_snapshot!(explain(VERBOSE), @"
    ghcr.io/acme/web in dev
      where: envs/dev/web.yaml:12:34
      policy: semver minor
      current: 1.4.0
      chosen: 1.5.0 (minor step)
        checks passes: argocd/staging: success on commit 0a1b2c3d4e in staging
        soak waits until 2026-11-21T09:00:00Z: in staging for 3 h of 24 h
        approvals waits: 0 of 1
        query fails: 0.2 is not < 0.01
      earliest: 2026-11-21T09:00:00Z

      2.0.0   out of range
      1.5.0   chosen: best that semver minor allows
      1.4.0   in use
      latest  not a version
    ");
}

#[test]
fn explain_condenses_long_lists_newest_first() {
    let names: Vec<String> = (0..40).map(|number| format!("2.{number}.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let image = made::name("ghcr.io/acme/web");
    let images = [(image, made::tags(&names))].into();
    let young = |number: i64| Reason::TooYoung {
        until: jiff::Timestamp::from_second(1_800_000_000 + number).unwrap(),
        untold: None,
    };
    let reasons: Vec<Reason> =
        (0..40).map(|number| if number < 30 { Reason::OutOfRange } else { young(number) }).collect();
    let mut explanation = made::explanation();
    explanation.gates.clear();
    explanation.earliest = None;
    explanation.decision = made::decision("ghcr.io/acme/web", "dev", "1.4.0", Verdict::Keep, &reasons);
    let written = made::text(|out| text::explain(&[explanation], &images, &[], &View::default(), out));
    assert_snapshot!(written, @r"
    ghcr.io/acme/web in dev
      policy: semver minor
      current: 1.4.0
      chosen: none (2.39.0 is kept back: too young until 2027-01-15T08:00:39Z)

      2.39.0: too young until 2027-01-15T08:00:39Z
      2.38.0: too young until 2027-01-15T08:00:38Z
      2.37.0: too young until 2027-01-15T08:00:37Z
      2.36.0: too young until 2027-01-15T08:00:36Z
      2.35.0: too young until 2027-01-15T08:00:35Z
      2.34.0: too young until 2027-01-15T08:00:34Z
      30 tags: out of range: 2.29.0, 2.28.0, 2.27.0, 2.26.0, 2.25.0, 2.24.0, 2.23.0,
        2.22.0, 2.21.0, 2.20.0, 2.19.0, 2.18.0, …
      4 more for reasons like these
      `-v` shows every tag.
    ");
}

#[test]
fn check_reads_like_a_compiler() {
    let check = |findings: &[_]| made::text(|out| text::check(findings, &View::default(), out));
    assert_snapshot!(check(&made::findings()), @r"
    envs/dev/web.yaml:12:34: error[unknown-policy]: the marker names the policy
      `semverr`, which does not exist
      hint: did you mean `semver`?
    warning[unmatched-rule]: the rule matches no image

    1 error, 1 warning
    ");
    assert_snapshot!(check(&[]), @r"
    Nothing to find fault with.
    ");
}

#[test]
fn colour_stands_around_words_only_when_asked_for() {
    let mut planned = made::outcome();
    planned.changes.truncate(1);
    planned.decisions.truncate(1);
    (planned.proposals, planned.skipped, planned.errors) = Default::default();
    let colored = outcome(&planned, Occasion::Plan, &COLOR);
    assert_snapshot!(colored.replace('\u{1b}', "␛"), @r"
    ␛[2mimage␛[0m             ␛[2mfrom␛[0m   ␛[2mto␛[0m     ␛[2mstep␛[0m   ␛[2mwhere␛[0m
    ␛[1mghcr.io/acme/web␛[0m  1.4.0  ␛[32m1.5.0␛[0m  minor  ␛[2menvs/dev/a/web.yaml:12␛[0m

    ␛[1m--- a/envs/dev/a/web.yaml␛[0m
    ␛[1m+++ b/envs/dev/a/web.yaml␛[0m
    ␛[36m@@ -2,5 +2,5 @@␛[0m
       containers:
         - name: web
           # the shop
    ␛[31m-      image: ghcr.io/acme/web:1.4.0␛[0m
    ␛[32m+      image: ghcr.io/acme/web:1.5.0␛[0m
           ports: []

    ␛[1m1 update in 1 file.␛[0m
    Run `tagboat update` to write them.
    ");
    let plain = outcome(&planned, Occasion::Plan, &View::default());
    assert_eq!(strip(&colored), plain);
}

/// Takes the colours away as a terminal would.
fn strip(colored: &str) -> String {
    let mut parts = colored.split('\u{1b}');
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn single_lines_name_place_and_hint() {
    let view = View::default();
    let error = made::trouble("the tag", Some(("envs/dev/x.yaml", 3, 4)), "stands in an alias\nof two");
    assert_eq!(trouble(&error, &view), "error: envs/dev/x.yaml:3:4: the tag: stands in an alias\\nof two");
    let findings = made::findings();
    assert_eq!(
        warning(&findings[0], &view),
        "error: envs/dev/web.yaml:12:34: the marker names the policy `semverr`, which does not exist \
         (did you mean `semver`?)"
    );
    assert_eq!(warning(&findings[1], &view), "warning: the rule matches no image");
}
