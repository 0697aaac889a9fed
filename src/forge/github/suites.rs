//! Check suites without any check run: all that GitHub tells of a workflow that could not start, or that waits to be let run.
//!
//! Entry points: [`silent`] and [`is_due`]. Asks nobody.
//!
//! GitHub makes a suite for every app that may write checks, and those of an app which never reports stay `queued` for ever. So a suite
//! that is not done counts only where it is a run of a workflow.

use std::collections::BTreeMap;

use crate::forge::github::runs::{ACTIONS, Starts, state_of, worst};
use crate::model::image::shorten;
use crate::model::pull_request::{Check, CheckState};

/// A check suite of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suite {
    /// Its number, by which later ones are greater.
    pub(super) id: u64,
    pub(super) status: String,
    pub(super) conclusion: Option<String>,
    /// The short name of the app that it is of.
    pub(super) app: Option<String>,
    /// Whether it has check runs, which then speak for it.
    pub(super) has_runs: bool,
}

/// The runs of workflows at a commit, by the numbers of their check suites.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Workflows {
    /// What started each.
    pub(super) starts: Starts,
    /// What each workflow is called.
    pub(super) names: BTreeMap<u64, String>,
}

impl Suite {
    fn word(&self) -> &str {
        self.conclusion.as_deref().filter(|_| self.status == "completed").unwrap_or(&self.status)
    }

    fn is_silent(&self) -> bool {
        !self.has_runs && state_of(self.word()) != CheckState::Passed
    }

    fn is_workflow(&self) -> bool {
        self.app.as_deref() == Some(ACTIONS)
    }

    /// Whether a suite that has no check run holds a merge up.
    fn counts(&self, all: &[Self], workflows: Option<&Workflows>) -> bool {
        let has_failed = state_of(self.word()) == CheckState::Failed;
        if !self.is_workflow() {
            // What is stale was queued for two weeks: its app never had anything to say.
            return has_failed && self.word() != "stale";
        }
        let Some(workflows) = workflows else { return true };
        let Some(start) = workflows.starts.get(&self.id) else { return has_failed };
        // What the same workflow did later takes the place of it.
        !all.iter().any(|other| other.id > self.id && workflows.starts.get(&other.id) == Some(start))
    }
}

/// Whether it makes a difference which suites are runs of workflows.
pub(super) fn is_due(suites: &[Suite]) -> bool {
    suites.iter().any(|suite| suite.is_silent() && suite.is_workflow())
}

/// Returns what suites say that have no check run, one check for each name; `workflows` is `None` where they are not shown.
pub(super) fn silent(suites: &[Suite], workflows: Option<&Workflows>) -> Vec<Check> {
    let counting = suites.iter().filter(|suite| suite.is_silent() && suite.counts(suites, workflows));
    let check = |suite: &Suite| {
        let called = workflows.and_then(|workflows| workflows.names.get(&suite.id));
        let name = match (called, suite.app.as_deref()) {
            (Some(called), _) => format!("workflow {}", shorten(called)),
            (None, Some(ACTIONS)) => "a workflow".to_owned(),
            (None, app) => format!("check suite of {}", shorten(app.unwrap_or("an app"))),
        };
        let (state, word) = (state_of(suite.word()), shorten(suite.word()));
        Check { name, state, word, text: String::new(), is_run: true, time: None }
    };
    worst(counting.map(check))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::github::runs::Start;

    fn suite(id: u64, app: &str, word: &str, runs: u64) -> Suite {
        let has_runs = runs > 0;
        let is_open = matches!(word, "queued" | "in_progress" | "waiting" | "requested" | "pending");
        let (status, conclusion) = if is_open { (word, None) } else { ("completed", Some(word.to_owned())) };
        Suite { id, status: status.to_owned(), conclusion, app: Some(app.to_owned()), has_runs }
    }

    fn workflows(of: &[(u64, u64, &str)]) -> Workflows {
        let start = |(suite, workflow, event): &(u64, u64, &str)| {
            (*suite, Start { workflow: *workflow, event: (*event).to_owned() })
        };
        let names = of.iter().map(|(suite, workflow, _)| (*suite, format!("CI {workflow}")));
        Workflows { starts: of.iter().map(start).collect(), names: names.collect() }
    }

    fn said(suites: &[Suite], workflows: Option<&Workflows>) -> Vec<String> {
        silent(suites, workflows)
            .into_iter()
            .map(|check| format!("{} {:?} {}", check.name, check.state, check.word))
            .collect()
    }

    #[test]
    fn a_workflow_that_could_not_start_or_has_not_started_is_named() {
        let known = workflows(&[(1, 7, "push")]);
        for (word, state) in [
            ("startup_failure", "Failed"),
            ("action_required", "Failed"),
            ("stale", "Failed"),
            ("cancelled", "Failed"),
            ("queued", "Pending"),
            ("waiting", "Pending"),
        ] {
            let one = [suite(1, ACTIONS, word, 0)];
            assert_eq!(said(&one, Some(&known)), [format!("workflow CI 7 {state} {word}")]);
            assert_eq!(said(&one, None), [format!("a workflow {state} {word}")], "its run is not shown");
            assert_eq!(said(&[suite(1, ACTIONS, word, 2)], Some(&known)), [""; 0], "its check runs speak for it");
        }
        for word in ["success", "neutral", "skipped"] {
            assert_eq!(said(&[suite(1, ACTIONS, word, 0)], Some(&known)), [""; 0]);
        }
    }

    #[test]
    fn an_app_that_never_reports_holds_nothing_up() {
        for word in ["queued", "stale", "pending"] {
            assert_eq!(said(&[suite(1, "scanner", word, 0)], Some(&Workflows::default())), [""; 0], "{word}");
            assert_eq!(said(&[suite(1, "scanner", word, 0)], None), [""; 0], "{word}");
        }
        let none = Workflows::default();
        assert_eq!(said(&[suite(1, ACTIONS, "queued", 0)], Some(&none)), [""; 0], "it is no run of a workflow");
        let failed = said(&[suite(1, "scanner", "timed_out", 0)], Some(&none));
        assert_eq!(failed, ["check suite of scanner Failed timed_out"]);
    }

    #[test]
    fn what_the_same_workflow_did_later_takes_the_place_of_what_it_could_not() {
        let two = [suite(1, ACTIONS, "startup_failure", 0), suite(2, ACTIONS, "success", 3)];
        assert_eq!(said(&two, Some(&workflows(&[(1, 7, "push"), (2, 7, "push")]))), [""; 0]);
        for other in [(2, 8, "push"), (2, 7, "pull_request")] {
            let known = workflows(&[(1, 7, "push"), other]);
            assert_eq!(said(&two, Some(&known)), ["workflow CI 7 Failed startup_failure"], "{other:?}");
        }
        assert!(is_due(&two) && !is_due(&two[1..]));
    }
}
