//! `query` and `http`: what a source of the operator's must answer.
//!
//! What could not be asked, what is no number and what matches nothing is waited for: none of it is evidence. An answer
//! that is not as expected is a failure, until a later pass is answered otherwise.

use std::collections::BTreeSet;

use crate::model::environment::EnvironmentName;
use crate::model::gate::{GateSpec, GateState};
use crate::model::image::Tag;
use crate::model::proposal::Move;
use crate::model::query::{QueryText, Variable};
use crate::model::source::{Answer, Ask, Expectation, Found, Sample, SourceQuestion};
use crate::promote::gates::Bench;

/// Returns what a gate asks of sources before these images may come to an environment.
pub(in crate::promote) fn questions(
    spec: &GateSpec,
    environment: &EnvironmentName,
    moves: &[Move],
) -> BTreeSet<SourceQuestion> {
    match spec {
        GateSpec::Query { source, expr, over, .. } => {
            let ask = |expr: String| SourceQuestion {
                source: source.clone(),
                ask: match over {
                    Some((range, step)) => Ask::Range { expr, range: *range, step: *step },
                    None => Ask::Instant { expr },
                },
            };
            let moves = if expr.has_variables() { moves } else { &moves[..moves.len().min(1)] };
            moves.iter().map(|step| ask(rendered(expr, environment, step))).collect()
        }
        GateSpec::Http { source, path, expect } => {
            let json = expect.as_ref().map(|(json, _)| json.clone());
            BTreeSet::from([SourceQuestion { source: source.clone(), ask: Ask::Get { path: path.clone(), json } }])
        }
        _ => BTreeSet::new(),
    }
}

fn rendered(expr: &QueryText, environment: &EnvironmentName, step: &Move) -> String {
    expr.with(&|variable| match variable {
        Variable::Tag => step.to.tag.as_ref().map_or_else(String::new, |tag: &Tag| tag.to_string()),
        Variable::Image => step.image.to_string(),
        Variable::Environment => environment.to_string(),
    })
}

/// Judges what was answered; every question must be answered as expected.
pub(super) fn state(spec: &GateSpec, bench: &Bench<'_>) -> GateState {
    let (environment, moves) = bench.asking;
    let wait = |reason: String| GateState::Wait { until: None, reason };
    let mut failed = None;
    for question in questions(spec, environment, moves) {
        let judged = match (bench.answers.get(&question), spec) {
            (None, _) => wait(format!("the source `{}` is still to be asked", question.source)),
            (Some(Err(reason)), _) => wait(reason.clone()),
            (Some(Ok(answer)), GateSpec::Query { expect, .. }) => measured(answer, expect),
            (Some(Ok(Answer::Reached)), GateSpec::Http { expect: None, .. }) => GateState::Pass,
            (Some(Ok(Answer::Found(found))), GateSpec::Http { expect: Some((json, expect)), .. }) => {
                stands(found, &json.to_string(), expect)
            }
            (Some(Ok(_)), _) => wait("it answered something else than was asked".to_owned()),
        };
        match judged {
            GateState::Pass => {}
            GateState::Wait { .. } => return judged,
            GateState::Fail { .. } => {
                failed.get_or_insert(judged);
            }
        }
    }
    failed.unwrap_or(GateState::Pass)
}

/// Compares every sample.
fn measured(answer: &Answer, expect: &Expectation) -> GateState {
    let wait = |reason: String| GateState::Wait { until: None, reason };
    let Answer::Samples(samples) = answer else { return wait("it answered with no numbers".to_owned()) };
    if samples.is_empty() {
        return wait("the query matches nothing, which proves nothing".to_owned());
    }
    let mut wrong: Vec<&Sample> = Vec::new();
    for sample in samples {
        match expect.of_number(sample.value) {
            Some(true) => {}
            Some(false) => wrong.push(sample),
            None => return wait(format!("{} cannot be compared with {expect}", told(sample))),
        }
    }
    let Some(first) = wrong.first() else { return GateState::Pass };
    let mut reason = format!("{} is not {expect}", told(first));
    if samples.len() > 1 {
        reason.push_str(&format!(" ({} of {} samples)", wrong.len(), samples.len()));
    }
    GateState::Fail { reason }
}

/// Writes a sample.
pub(super) fn told(sample: &Sample) -> String {
    let series = if sample.series.is_empty() { String::new() } else { format!(" of {}", sample.series) };
    let at = sample.at.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{}{series}{at}", sample.value)
}

/// Writes what stands at a place; texts are somebody else's.
pub(super) fn told_found(found: &Found) -> String {
    match found {
        Found::Number(number) => number.to_string(),
        Found::Text(text) => format!("`{}`", crate::model::image::shorten(text)),
        Found::Other(what) => (*what).to_owned(),
    }
}

/// Compares everything that stands at a place.
fn stands(found: &[Found], place: &str, expect: &Expectation) -> GateState {
    if found.is_empty() {
        return GateState::Wait { until: None, reason: format!("nothing stands at {place} of the answer") };
    }
    let mut failed = None;
    for one in found {
        let told = told_found(one);
        let is_so = match one {
            Found::Number(number) => expect.of_number(*number),
            Found::Text(text) => expect.of_text(text),
            Found::Other(_) => None,
        };
        match is_so {
            Some(true) => {}
            Some(false) => {
                failed.get_or_insert_with(|| GateState::Fail { reason: format!("{told} at {place} is not {expect}") });
            }
            None => {
                let reason = format!("{told} at {place} cannot be compared with {expect}");
                return GateState::Wait { until: None, reason };
            }
        }
    }
    failed.unwrap_or(GateState::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: &GateState) -> String {
        match state {
            GateState::Pass => "pass".to_owned(),
            GateState::Wait { until: None, reason } => format!("wait: {reason}"),
            GateState::Wait { until: Some(until), reason } => format!("wait until {until}: {reason}"),
            GateState::Fail { reason } => format!("fail: {reason}"),
        }
    }

    fn samples(values: &[(&str, f64)]) -> Answer {
        let sample = |(series, value): &(&str, f64)| Sample { series: (*series).to_owned(), at: None, value: *value };
        Answer::Samples(values.iter().map(sample).collect())
    }

    #[test]
    fn every_sample_must_be_as_expected_and_none_is_no_proof() {
        let expect: Expectation = "< 0.01".parse().unwrap();
        for (answer, expected) in [
            (samples(&[("", 0.001)]), "pass"),
            (samples(&[("a", 0.0), ("b", -1.0)]), "pass"),
            (samples(&[]), "wait: the query matches nothing, which proves nothing"),
            (samples(&[("", 0.01)]), "fail: 0.01 is not < 0.01"),
            (samples(&[("a", 0.0), ("b", 0.5), ("c", 1.0)]), "fail: 0.5 of b is not < 0.01 (2 of 3 samples)"),
            (samples(&[("a", 0.5), ("b", f64::NAN)]), "wait: NaN of b cannot be compared with < 0.01"),
            (samples(&[("", f64::INFINITY)]), "fail: inf is not < 0.01"),
            (samples(&[("", f64::NEG_INFINITY)]), "pass"),
            (Answer::Reached, "wait: it answered with no numbers"),
        ] {
            assert_eq!(told(&measured(&answer, &expect)), expected);
        }
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        let one = Answer::Samples(vec![Sample { series: "up".to_owned(), at: Some(at), value: 2.0 }]);
        assert_eq!(told(&measured(&one, &expect)), "fail: 2 of up at 2026-11-20T09:00:00Z is not < 0.01");
    }

    #[test]
    fn whatever_stands_at_the_place_must_be_as_expected() {
        let text = |text: &str| Found::Text(text.to_owned());
        for (found, expect, expected) in [
            (vec![text("none")], "== none", "pass"),
            (vec![text("none"), text("none")], "== none", "pass"),
            (vec![text("none"), text("minor")], "== none", "fail: `minor` at $.x is not == none"),
            (vec![Found::Number(3.0)], "<= 3", "pass"),
            (vec![Found::Number(4.0)], "<= 3", "fail: 4 at $.x is not <= 3"),
            (vec![text("3")], "<= 3", "wait: `3` at $.x cannot be compared with <= 3"),
            (vec![Found::Number(1.0)], "== ok", "wait: 1 at $.x cannot be compared with == ok"),
            (vec![Found::Other("null")], "!= down", "wait: null at $.x cannot be compared with != down"),
            (vec![], "!= down", "wait: nothing stands at $.x of the answer"),
        ] {
            assert_eq!(told(&stands(&found, "$.x", &expect.parse().unwrap())), expected);
        }
    }
}
