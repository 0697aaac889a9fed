//! What gates pass on, in words, for whoever asks why a version may come.
//!
//! Entry point: [`of`], for a gate that passes. Decides nothing. The words stay as they are while the facts do: no time that
//! has passed is told, only the moment from which it counts.

use crate::model::checks::{newest, told as report};
use crate::model::gate::{Freeze, GateSpec, Window};
use crate::model::source::Answer;
use crate::promote::gates::checks::Proof;
use crate::promote::gates::{Bench, calendar, soak, source};

/// How many facts of one gate are told.
const TOLD: usize = 3;

/// Says what a gate passes on; `None` where there is no more to say.
pub(super) fn of(spec: &GateSpec, bench: &Bench<'_>) -> Option<String> {
    match spec {
        GateSpec::Soak { time, .. } => soak::facts(bench.soaking, *time),
        GateSpec::Windows(windows) => open(windows, bench),
        GateSpec::Freezes(freezes) => thawed(freezes, bench),
        GateSpec::Checks(names) => {
            let reports = |proof: &Proof<'_>| {
                let commits = proof.commits.as_deref().unwrap_or_default();
                let found = names.iter().filter_map(|name| newest(name, commits, proof.reports).ok()).flatten();
                found
                    .map(|(commit, check)| format!("{} in {}", report(commit, check), proof.before))
                    .collect::<Vec<_>>()
            };
            listed(bench.forge.proofs.iter().flat_map(reports).collect())
        }
        GateSpec::Query { .. } | GateSpec::Http { .. } => {
            let (environment, moves) = bench.asking;
            let questions = source::questions(spec, environment, moves);
            let answers = questions.iter().filter_map(|question| bench.answers.get(question)?.as_ref().ok());
            listed(answers.flat_map(|answer| answered(spec, answer)).collect())
        }
        GateSpec::Approvals(wanted) => {
            let approvals = bench.forge.approvals?.as_ref().ok()?;
            Some(format!("{} of {wanted} approvals of its head commit", approvals.count))
        }
        GateSpec::Manual => None,
    }
}

fn open(windows: &[Window], bench: &Bench<'_>) -> Option<String> {
    calendar::closing(windows, bench.now).map(|closes| format!("the window is open until {closes}"))
}

fn thawed(freezes: &[Freeze], bench: &Bench<'_>) -> Option<String> {
    Some(match calendar::next_freeze(freezes, bench.now) {
        Some(begins) => format!("the next freeze begins {begins}"),
        None => "no freeze is to come".to_owned(),
    })
}

/// Says what a source answered.
fn answered(spec: &GateSpec, answer: &Answer) -> Vec<String> {
    match (spec, answer) {
        (GateSpec::Query { expect, .. }, Answer::Samples(samples)) => {
            samples.iter().map(|sample| format!("{} is {expect}", source::told(sample))).collect()
        }
        (GateSpec::Http { expect: Some((json, expect)), .. }, Answer::Found(found)) => {
            found.iter().map(|one| format!("{} at {json} is {expect}", source::told_found(one))).collect()
        }
        (GateSpec::Http { path, .. }, Answer::Reached) => vec![format!("{path} answered with success")],
        _ => Vec::new(),
    }
}

fn listed(mut facts: Vec<String>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    facts.retain(|fact| seen.insert(fact.clone()));
    let left_out = facts.len().saturating_sub(TOLD);
    facts.truncate(TOLD);
    if left_out > 0 {
        facts.push(format!("and {left_out} more"));
    }
    (!facts.is_empty()).then(|| facts.join("; "))
}
