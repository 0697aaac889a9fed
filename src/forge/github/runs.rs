//! Check runs that share a name: which of them count.
//!
//! Entry points: [`counting`] and [`is_settled`]. Asks nobody.
//!
//! A workflow that starts again at the same commit, as by a label or a new title, leaves what it cancelled beside what it did then, each in
//! a check suite of its own, and GitHub takes the newest of a name for the one that counts. Jobs of two workflows may share a name as well,
//! and then neither stands for the other. So the newest counts of what one workflow does upon one event, or what one other app says, and
//! whatever cannot be told from others counts by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::forge::github::raw;
use crate::model::gate::GateName;
use crate::model::image::shorten;
use crate::model::pull_request::{Check, CheckState};

/// The app whose check suites are runs of workflows, each with one of its own; every other app has one for all.
pub(super) const ACTIONS: &str = "github-actions";

/// A check run, and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) check: Check,
    /// Its number, by which later ones are greater, and that of its check suite.
    numbers: Option<(u64, u64)>,
    /// The short name of the app that made it.
    app: Option<String>,
}

/// What started a run of a workflow: the workflow's number, and the event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Start {
    pub(super) workflow: u64,
    pub(super) event: String,
}

/// What started the runs of workflows, by their check suites.
pub(super) type Starts = BTreeMap<u64, Start>;

/// Whose later word takes the place of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Voice {
    App(String),
    Workflow(Start),
    /// It cannot be told whose it is: only what is said in the same suite.
    Suite(u64),
    /// Nor even that.
    Run(usize),
}

impl Run {
    pub(super) fn of(raw: raw::CheckRun) -> Self {
        let word = raw.conclusion.filter(|_| raw.status == "completed").unwrap_or(raw.status);
        let state = state_of(&word);
        let (text, time) = (String::new(), raw.completed_at);
        let check = Check { name: raw.name, state, word: shorten(&word), text, is_run: true, time };
        let suite = raw.check_suite.and_then(|suite| suite.id);
        Self { check, numbers: raw.id.zip(suite), app: raw.app.and_then(|app| app.slug) }
    }

    /// Whether it is told which is later.
    pub(super) fn is_numbered(&self) -> bool {
        self.numbers.is_some()
    }

    fn voice(&self, at: usize, starts: &Starts) -> Voice {
        let Some((_, suite)) = self.numbers else { return Voice::Run(at) };
        match self.app.as_deref() {
            Some(ACTIONS) => starts.get(&suite).cloned().map_or(Voice::Suite(suite), Voice::Workflow),
            Some(app) => Voice::App(app.to_owned()),
            None => Voice::Suite(suite),
        }
    }
}

/// Returns what a check run or a check suite comes to.
pub(super) fn state_of(word: &str) -> CheckState {
    match word {
        "success" | "neutral" | "skipped" => CheckState::Passed,
        "queued" | "in_progress" | "waiting" | "requested" | "pending" => CheckState::Pending,
        // Every word that is not known is no success: failure, cancelled, timed_out, stale, action_required, startup_failure.
        _ => CheckState::Failed,
    }
}

/// Returns the checks that count: of each name, the newest suite of each voice, and in it all that have the name, as jobs of a matrix may.
pub(super) fn counting(runs: &[Run], starts: &Starts) -> Vec<Check> {
    let voices: Vec<(&str, Voice)> =
        runs.iter().enumerate().map(|(at, run)| (run.check.name.as_str(), run.voice(at, starts))).collect();
    let mut newest: BTreeMap<&(&str, Voice), Option<(u64, u64)>> = BTreeMap::new();
    for (voice, run) in voices.iter().zip(runs) {
        let known = newest.entry(voice).or_default();
        *known = (*known).max(run.numbers);
    }
    let suite = |numbers: Option<(u64, u64)>| numbers.map(|(_, suite)| suite);
    let counts =
        |(voice, run): &(&(&str, Voice), &Run)| newest.get(voice).is_some_and(|one| suite(*one) == suite(run.numbers));
    voices.iter().zip(runs).filter(counts).map(|(_, run)| run.check.clone()).collect()
}

/// Whether it makes no difference what started the runs of workflows: then nobody need be asked.
pub(super) fn is_settled(runs: &[Run]) -> bool {
    let suites: BTreeSet<u64> = runs.iter().filter_map(|run| run.numbers).map(|(_, suite)| suite).collect();
    let one = Start { workflow: 0, event: String::new() };
    let as_one: Starts = suites.into_iter().map(|suite| (suite, one.clone())).collect();
    let unpassed = |starts: &Starts| {
        let all = worst(counting(runs, starts).into_iter());
        all.into_iter().filter(|check| check.state != CheckState::Passed).collect::<Vec<_>>()
    };
    unpassed(&as_one) == unpassed(&Starts::new())
}

/// Keeps the worst of each name; what a gate says is no one else's word.
pub(super) fn worst(all: impl Iterator<Item = Check>) -> Vec<Check> {
    let mut worst: BTreeMap<(String, Option<GateName>), Check> = BTreeMap::new();
    for check in all {
        let voice = (check.name.clone(), check.gate());
        match worst.get(&voice) {
            Some(known) if known.state >= check.state => {}
            _ => {
                worst.insert(voice, check);
            }
        }
    }
    worst.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(name: &str, status: &str, conclusion: Option<&str>) -> raw::CheckRun {
        raw::CheckRun {
            id: None,
            name: name.to_owned(),
            status: status.to_owned(),
            conclusion: conclusion.map(str::to_owned),
            completed_at: None,
            check_suite: None,
            app: None,
        }
    }

    #[test]
    fn every_word_that_is_no_success_is_a_failure_and_kept() {
        let judge = |status: &str, conclusion: Option<&str>| Run::of(raw("build", status, conclusion)).check;
        for word in ["success", "neutral", "skipped"] {
            assert_eq!(judge("completed", Some(word)).state, CheckState::Passed, "{word}");
        }
        for word in ["queued", "in_progress", "waiting", "requested", "pending"] {
            assert_eq!(judge(word, None).state, CheckState::Pending, "{word}");
        }
        for word in
            ["failure", "cancelled", "timed_out", "stale", "action_required", "startup_failure", "something_new"]
        {
            let check = judge("completed", Some(word));
            assert_eq!((check.state, check.word.as_str()), (CheckState::Failed, word));
        }
        assert_eq!(judge("completed", None).state, CheckState::Failed);
    }

    /// A run of `build`: its number, its suite, its app, and what it came to.
    fn run(id: u64, suite: u64, app: Option<&str>, word: &str) -> Run {
        let mut raw = raw("build", "completed", Some(word));
        raw.id = Some(id);
        raw.check_suite = Some(raw::CheckSuite { id: Some(suite) });
        raw.app = Some(raw::App { slug: app.map(str::to_owned) });
        Run::of(raw)
    }

    fn starts(all: &[(u64, u64, &str)]) -> Starts {
        let start = |(suite, workflow, event): &(u64, u64, &str)| {
            (*suite, Start { workflow: *workflow, event: (*event).to_owned() })
        };
        all.iter().map(start).collect()
    }

    fn words(runs: &[Run], starts: &Starts) -> Vec<String> {
        worst(counting(runs, starts).into_iter()).into_iter().map(|check| check.word).collect()
    }

    const IN_ACTIONS: Option<&str> = Some(ACTIONS);

    #[test]
    fn the_newest_of_one_workflow_upon_one_event_counts_in_whichever_order_they_are_listed() {
        let same = starts(&[(1, 7, "pull_request"), (2, 7, "pull_request")]);
        let (old, new) = (run(10, 1, IN_ACTIONS, "cancelled"), run(11, 2, IN_ACTIONS, "success"));
        for runs in [[old.clone(), new.clone()], [new, old]] {
            assert_eq!(words(&runs, &same), ["success"]);
            assert!(!is_settled(&runs));
        }
        let (old, new) = (run(10, 1, IN_ACTIONS, "success"), run(11, 2, IN_ACTIONS, "cancelled"));
        assert_eq!(words(&[old, new], &same), ["cancelled"]);
        // What was run again in the older suite is the newest.
        let (again, other) = (run(12, 1, IN_ACTIONS, "failure"), run(11, 2, IN_ACTIONS, "success"));
        assert_eq!(words(&[again, other], &same), ["failure"]);
    }

    #[test]
    fn of_two_workflows_events_or_apps_neither_stands_for_the_other() {
        let runs = [run(10, 1, IN_ACTIONS, "failure"), run(11, 2, IN_ACTIONS, "success")];
        for other in [
            starts(&[(1, 7, "pull_request"), (2, 8, "pull_request")]),
            starts(&[(1, 7, "push"), (2, 7, "pull_request")]),
            // What is not told does not stand for anything.
            starts(&[(1, 7, "pull_request")]),
            starts(&[(2, 7, "pull_request")]),
            Starts::new(),
        ] {
            assert_eq!(words(&runs, &other), ["failure"], "{other:?}");
        }
        for (one, other) in [(Some("ci"), Some("lint")), (None, None), (Some("ci"), None), (None, IN_ACTIONS)] {
            let runs = [run(10, 1, one, "failure"), run(11, 2, other, "success")];
            assert_eq!(words(&runs, &starts(&[(1, 7, "push"), (2, 7, "push")])), ["failure"], "{one:?} {other:?}");
        }
        let app = [run(10, 1, Some("ci"), "cancelled"), run(11, 2, Some("ci"), "success")];
        assert_eq!(words(&app, &Starts::new()), ["success"], "an app has no workflows");
        assert!(is_settled(&app));
    }

    #[test]
    fn jobs_of_one_run_that_share_a_name_all_count() {
        let runs = [run(10, 1, IN_ACTIONS, "failure"), run(11, 1, IN_ACTIONS, "success")];
        assert_eq!(words(&runs, &starts(&[(1, 7, "push")])), ["failure"]);
        assert_eq!(words(&runs, &Starts::new()), ["failure"]);
        assert!(is_settled(&runs));
        let mut bare = runs.to_vec();
        bare.iter_mut().for_each(|run| run.numbers = None);
        assert_eq!(words(&bare, &Starts::new()), ["failure"]);
    }

    #[test]
    fn nobody_is_asked_where_it_makes_no_difference() {
        for (old, new, is_same) in [
            ("success", "success", true),
            ("skipped", "neutral", true),
            ("success", "failure", true),
            ("failure", "success", false),
            ("cancelled", "failure", false),
        ] {
            let runs = [run(10, 1, IN_ACTIONS, old), run(11, 2, IN_ACTIONS, new)];
            assert_eq!(is_settled(&runs), is_same, "{old} {new}");
        }
    }
}
