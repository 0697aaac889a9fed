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

/// What is said of an answer.
enum Judged {
    /// It is as expected.
    Passes,
    /// It proves nothing, or is not as expected.
    Not {
        state: GateState,
        /// Why, without what was answered at this moment; `None` where the reason says nothing of the kind.
        lasting: Option<String>,
    },
}

impl Judged {
    fn waits(reason: String, lasting: Option<String>) -> Self {
        Self::Not { state: GateState::Wait { until: None, reason }, lasting }
    }

    fn fails(reason: String, lasting: String) -> Self {
        Self::Not { state: GateState::Fail { reason }, lasting: Some(lasting) }
    }
}

/// Judges what was answered; every question must be answered as expected.
pub(super) fn state(spec: &GateSpec, bench: &Bench<'_>) -> GateState {
    match judged(spec, bench) {
        Judged::Passes => GateState::Pass,
        Judged::Not { state, .. } => state,
    }
}

/// Says why it does not pass, without what was answered at this moment; `None` where the reason says nothing of the kind.
pub(super) fn lasting(spec: &GateSpec, bench: &Bench<'_>) -> Option<String> {
    match judged(spec, bench) {
        Judged::Not { lasting, .. } => lasting,
        Judged::Passes => None,
    }
}

fn judged(spec: &GateSpec, bench: &Bench<'_>) -> Judged {
    let (environment, moves) = bench.asking;
    let mut failed = None;
    for question in questions(spec, environment, moves) {
        let source = &question.source;
        let one = match (bench.answers.get(&question), spec) {
            (None, _) => Judged::waits(format!("the source `{source}` is still to be asked"), None),
            // What a server says of its trouble is another text in each pass, and not for everybody who reads pull requests.
            (Some(Err(reason)), _) => {
                Judged::waits(reason.clone(), Some(format!("the source `{source}` cannot be asked")))
            }
            (Some(Ok(answer)), GateSpec::Query { expect, .. }) => measured(source, answer, expect),
            (Some(Ok(Answer::Reached)), GateSpec::Http { expect: None, .. }) => Judged::Passes,
            (Some(Ok(Answer::Found(found))), GateSpec::Http { expect: Some((json, expect)), .. }) => {
                stands(source, found, (&json.to_string(), expect))
            }
            (Some(Ok(_)), _) => Judged::waits("it answered something else than was asked".to_owned(), None),
        };
        match &one {
            Judged::Passes => {}
            Judged::Not { state: GateState::Fail { .. }, .. } => {
                failed.get_or_insert(one);
            }
            Judged::Not { .. } => return one,
        }
    }
    failed.unwrap_or(Judged::Passes)
}

/// Compares every sample.
fn measured(source: &str, answer: &Answer, expect: &Expectation) -> Judged {
    let Answer::Samples(samples) = answer else {
        return Judged::waits("it answered with no numbers".to_owned(), None);
    };
    if samples.is_empty() {
        return Judged::waits("the query matches nothing, which proves nothing".to_owned(), None);
    }
    let mut wrong: Vec<&Sample> = Vec::new();
    for sample in samples {
        match expect.of_number(sample.value) {
            Some(true) => {}
            Some(false) => wrong.push(sample),
            None => {
                let lasting = format!("what `{source}` answers cannot be compared with {expect}");
                return Judged::waits(format!("{} cannot be compared with {expect}", told(sample)), Some(lasting));
            }
        }
    }
    let Some(first) = wrong.first() else { return Judged::Passes };
    let mut reason = format!("{} is not {expect}", told(first));
    if samples.len() > 1 {
        reason.push_str(&format!(" ({} of {} samples)", wrong.len(), samples.len()));
    }
    Judged::fails(reason, format!("what `{source}` answers is not {expect}"))
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
fn stands(source: &str, found: &[Found], (place, expect): (&str, &Expectation)) -> Judged {
    if found.is_empty() {
        return Judged::waits(format!("nothing stands at {place} of the answer"), None);
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
                let lasting = format!("what `{source}` answers at {place} is not {expect}");
                failed.get_or_insert_with(|| Judged::fails(format!("{told} at {place} is not {expect}"), lasting));
            }
            None => {
                let lasting = format!("what `{source}` answers at {place} cannot be compared with {expect}");
                let reason = format!("{told} at {place} cannot be compared with {expect}");
                return Judged::waits(reason, Some(lasting));
            }
        }
    }
    failed.unwrap_or(Judged::Passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(judged: &Judged) -> String {
        match judged {
            Judged::Passes => "pass".to_owned(),
            Judged::Not { state: GateState::Wait { until: None, reason }, .. } => format!("wait: {reason}"),
            Judged::Not { state: GateState::Fail { reason }, .. } => format!("fail: {reason}"),
            Judged::Not { state, .. } => format!("{state:?}"),
        }
    }

    fn lasting(judged: &Judged) -> Option<&str> {
        match judged {
            Judged::Passes => None,
            Judged::Not { lasting, .. } => lasting.as_deref(),
        }
    }

    #[test]
    fn what_is_written_down_stays_while_samples_change() {
        let expect: Expectation = "< 0.01".parse().unwrap();
        for (one, other, written) in [
            (samples(&[("", 0.2)]), samples(&[("a", 0.3), ("b", 0.0)]), "what `prom` answers is not < 0.01"),
            (
                samples(&[("", f64::NAN)]),
                samples(&[("a", f64::NAN)]),
                "what `prom` answers cannot be compared with < 0.01",
            ),
        ] {
            let [one, other] = [one, other].map(|answer| measured("prom", &answer, &expect));
            assert_ne!(told(&one), told(&other));
            assert_eq!((lasting(&one), lasting(&other)), (Some(written), Some(written)));
        }
        let [one, other] = [3.0, 4.0].map(|number| stands("api", &[Found::Number(number)], ("$.x", &expect)));
        assert_ne!(told(&one), told(&other));
        let written = Some("what `api` answers at $.x is not < 0.01");
        assert_eq!((lasting(&one), lasting(&other)), (written, written));
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
            assert_eq!(told(&measured("prom", &answer, &expect)), expected);
        }
        let at = "2026-11-20T09:00:00Z".parse().unwrap();
        let one = Answer::Samples(vec![Sample { series: "up".to_owned(), at: Some(at), value: 2.0 }]);
        assert_eq!(told(&measured("prom", &one, &expect)), "fail: 2 of up at 2026-11-20T09:00:00Z is not < 0.01");
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
            assert_eq!(told(&stands("prom", &found, ("$.x", &expect.parse().unwrap()))), expected);
        }
    }
}
