//! What is asked of versions whose time to go back by themselves is over.

use super::*;
use crate::model::checks::{Concern, MOST_ASKED};
use crate::model::commit::CommitId;
use crate::model::environment::OnFailure;
use crate::model::pull_request::{Check, CheckState};

/// `web` came to `dev` at one o'clock, and thirty commits after it; `prod` takes it from there. What is seen an hour before noon,
/// with a time of half an hour for failures, and each commit made a minute behind the one before it.
fn scene() -> (Observation, Vec<Decision>, Environments) {
    let mut dev = environment("dev", &[], Publish::Commit);
    let (checks, within) = (vec!["deploy/dev".into()], jiff::SignedDuration::from_mins(30));
    dev.on_failure = Some(OnFailure { checks, within, publish: Publish::Commit });
    let environments = Environments(vec![dev, environment("prod", &["dev"], Publish::Commit)]);
    let decisions = vec![decision(WEB, "dev", "1.3.0"), decision(WEB, "prod", "1.0.0")];
    let mut timeline = timeline(&[("1.0.0", 0), ("1.3.0", 1)]);
    let came = timeline.shifts[0].landed;
    timeline.shifts[0].word.depth = 60;
    let mut observation = observation(&[WEB]);
    (observation.now, observation.has_forge) = (came + jiff::SignedDuration::from_hours(10), true);
    let line: Vec<CommitId> = (0..=60).map(|depth| CommitId(format!("d{depth}").into())).collect();
    let made = |depth: i64| came + jiff::SignedDuration::from_mins(60 - depth);
    observation.lines.insert("dev".into(), line.into());
    observation.made.insert("dev".into(), (0..=60).map(made).collect());
    let past = Past { timeline: Some(timeline), ..Past::default() };
    observation.pasts.insert(("dev".into(), WEB.parse().unwrap()), Ok(past));
    (observation, decisions, environments)
}

fn report(state: CheckState, minute: i64) -> Result<Vec<Check>, String> {
    let came = timeline(&[]).oldest + jiff::SignedDuration::from_hours(1);
    let time = Some(came + jiff::SignedDuration::from_mins(minute));
    let (name, word, text) = ("deploy/dev".to_owned(), "word".to_owned(), String::new());
    Ok(vec![Check { name, state, word, text, is_run: false, time }])
}

fn run((observation, decisions, environments): &(Observation, Vec<Decision>, Environments)) -> Promoted {
    promote(observation, decisions.clone(), environments, &Groups::default())
}

/// The commits that are asked about, oldest last.
fn asked(promoted: &Promoted) -> Vec<String> {
    let wants = promoted.forge.inquiries.values().flatten();
    wants.flat_map(|want| want.commits.iter().map(|commit| commit.as_str().to_owned())).collect()
}

#[test]
fn only_commits_that_were_made_in_its_time_are_asked_whether_it_failed() {
    let mut scene = scene();
    let own = |depths: std::ops::RangeInclusive<usize>| depths.map(|depth| format!("d{depth}")).collect::<Vec<_>>();
    let ends = [own(30..=39), own(51..=60)].concat();
    assert_eq!(asked(&run(&scene)), ends, "half an hour of commits, from both ends");
    // Clocks that are behind leave none out that may have been there in time.
    scene.0.made.clear();
    assert_eq!(asked(&run(&scene)), [own(0..=9), own(51..=60)].concat());
}

#[test]
fn what_failed_late_is_held_until_the_check_reports_success_on_any_commit_on_which_it_stands() {
    let mut scene = scene();
    let commits: Vec<CommitId> = scene.0.line_of(&"dev".into()).to_vec();
    // Another image came behind it: what is said of those commits is laid to that one.
    let api = "ghcr.io/acme/api";
    scene.1.push(decision(api, "dev", "1.3.0"));
    scene.0.pasts.extend(observation(&[api]).pasts);
    let mut other = timeline(&[("1.0.0", 0), ("1.3.0", 1)]);
    other.shifts[0].word.depth = 50;
    scene.0.pasts.insert(("dev".into(), api.parse().unwrap()), Ok(Past { timeline: Some(other), ..Past::default() }));
    let prod = |scene: &(Observation, Vec<Decision>, Environments)| told(&run(scene)).pop().unwrap();
    for commit in &commits {
        scene.0.reports.insert(commit.clone(), Ok(Vec::new()));
    }
    assert!(prod(&scene).ends_with("1.0.0 -> 1.3.0 committed"), "nobody reported anything: {}", prod(&scene));
    scene.0.reports.insert(commits[60].clone(), report(CheckState::Failed, 10));
    assert!(prod(&scene).ends_with("1.0.0 -> 1.3.0 held"), "{}", prod(&scene));
    scene.0.reports.insert(commits[3].clone(), report(CheckState::Pending, 90));
    assert!(prod(&scene).ends_with("1.0.0 -> 1.3.0 held"), "{}", prod(&scene));
    scene.0.reports.insert(commits[3].clone(), report(CheckState::Passed, 90));
    assert!(prod(&scene).ends_with("1.0.0 -> 1.3.0 committed"), "{}", prod(&scene));
    scene.0.reports.insert(commits[3].clone(), report(CheckState::Failed, 90));
    assert!(prod(&scene).ends_with("1.0.0 -> 1.3.0 held"), "{}", prod(&scene));
    // What cannot be told is no success.
    scene.0.reports.insert(commits[0].clone(), Err("it is down".to_owned()));
    let unknown = |promoted: Promoted| promoted.watches.iter().any(|watch| watch.told().contains("it is down"));
    assert!(unknown(run(&scene)));
}

#[test]
fn what_failed_late_of_a_group_names_the_commands_of_the_group() {
    let api = "ghcr.io/acme/api";
    for (other, promoted) in [("1.3.0", "shop"), ("1.2.0", WEB)] {
        let mut scene = scene();
        let image = |name: &str| ImageGlob::parse(name).unwrap();
        let groups = Groups(vec![Group { name: "shop".into(), images: vec![image(WEB), image(api)] }]);
        scene.1.extend([decision(api, "dev", other), decision(api, "prod", "1.0.0")]);
        scene.0.pasts.extend(observation(&[api]).pasts);
        let commits: Vec<CommitId> = scene.0.line_of(&"dev".into()).to_vec();
        scene.0.reports.extend(commits.iter().map(|commit| (commit.clone(), Ok(Vec::new()))));
        scene.0.reports.insert(commits[60].clone(), report(CheckState::Failed, 10));
        let proposals = promote(&scene.0, scene.1, &scene.2, &groups).proposals;
        let prod = proposals.into_iter().find(|proposal| proposal.environment == "prod".into()).unwrap();
        let expected = format!(
            "`tagboat rollback dev shop` goes back there, `tagboat promote {promoted}:1.3.0 --to prod` brings it all the same"
        );
        assert!(prod.reason.as_ref().is_some_and(|reason| reason.ends_with(&expected)), "{:?}", prod.reason);
    }
}

#[test]
fn a_bound_that_is_reached_is_no_failure_and_holds_back_what_was_not_begun() {
    let mut scene = scene();
    let inquiry = run(&scene).forge.inquiries.into_keys().next().unwrap();
    assert_eq!((inquiry.concern, inquiry.environment.as_str()), (Concern::Late, "prod"));
    (0..MOST_ASKED).for_each(|_| scene.0.inquiries.count(Concern::Gate));
    assert_eq!(asked(&run(&scene)).len(), 20, "gates take no room of it");
    let begun = scene.clone();
    (0..MOST_ASKED).for_each(|_| scene.0.inquiries.count(Concern::Late));
    let promoted = run(&scene);
    assert!(promoted.forge.is_empty() && promoted.watches.is_empty() && promoted.proposals.is_empty());
    let Verdict::Undecided(reason) = &promoted.decisions[1].verdict else { panic!("{:?}", promoted.decisions) };
    assert!(reason.contains("more than 60 commits would have to be asked about: the next pass goes on"), "{reason}");
    let mut scene = begun;
    assert!(scene.0.inquiries.begin(&inquiry));
    (0..MOST_ASKED).for_each(|_| scene.0.inquiries.count(Concern::Late));
    assert_eq!(asked(&run(&scene)).len(), 20, "what was begun is asked to its end");
}

/// The rows of `dev` alone, where one place has what came at one o'clock and another one is to have it.
fn beside(running: &str, came: &str, to: &str) -> (Vec<String>, Option<String>, Option<String>) {
    let (mut observation, _, mut environments) = scene();
    environments.0.truncate(1);
    let mut timeline = timeline(&[("1.0.0", 0), (came, 1)]);
    timeline.shifts[0].word.depth = 60;
    let past = Past { timeline: Some(timeline), ..Past::default() };
    observation.pasts.insert(("dev".into(), WEB.parse().unwrap()), Ok(past));
    let mut other = decision(WEB, "dev", running);
    other.verdict = Verdict::Move { to: value(to), step: None };
    let mut scene = (observation, vec![other, decision(WEB, "dev", came)], environments);
    let asked = asked(&run(&scene));
    let commits: Vec<CommitId> = scene.0.line_of(&"dev".into()).to_vec();
    for commit in &commits {
        scene.0.reports.insert(commit.clone(), Ok(Vec::new()));
    }
    let quiet = told(&run(&scene)).pop();
    scene.0.reports.insert(commits[60].clone(), report(CheckState::Failed, 10));
    (asked, quiet, told(&run(&scene)).pop())
}

#[test]
fn what_failed_at_one_place_goes_to_no_other_place_of_its_environment_either() {
    for (running, came) in [("1.0.0", "1.3.0"), ("1.3.0", "1.3.0@a"), ("1.0.0", "1.3.0@a")] {
        let (asked, quiet, failed) = beside(running, came, came);
        assert!(asked.contains(&"d60".to_owned()), "{running} to {came}: {asked:?}");
        assert!(quiet.as_ref().is_some_and(|row| row.ends_with("committed")), "{running} to {came}: {quiet:?}");
        assert!(failed.as_ref().is_some_and(|row| row.ends_with("held")), "{running} to {came}: {failed:?}");
    }
    // Another build of it is another thing.
    let (asked, _, failed) = beside("1.0.0", "1.3.0@a", "1.3.0@b");
    assert!(asked.is_empty() && failed.is_some_and(|row| row.ends_with("committed")));
}
