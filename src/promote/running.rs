//! What the environments before one run of an image, place by place: one version, or none that could come.
//!
//! Entry point: [`Search::running`]. Whether that may come is judged by `candidates`.

use std::collections::BTreeSet;

use crate::model::decision::Decision;
use crate::model::environment::Environment;
use crate::model::site::Value;
use crate::promote::candidates::{Candidate, Search, predecessors, runs};
use crate::promote::matching::Counterpart;

/// What the environments before one run together.
pub(super) enum Running {
    /// All of them this.
    One(Value),
    /// Each one version, and not the same; which, in words.
    Apart(String),
    /// Nothing that could come, and why.
    Not(Candidate),
}

impl Search<'_> {
    /// Finds the one value that every environment before runs.
    pub(super) fn running(&self, decision: &Decision, environment: &Environment) -> Running {
        let image = &decision.question.image;
        let mut values = BTreeSet::new();
        let mut who = Vec::new();
        for before in predecessors(environment) {
            if let Some(reason) = self.observation.half_known.get(before) {
                return Running::Not(Candidate::Blocked(format!("what {before} runs is not fully known: {reason}")));
            }
            let runs = runs(self.observation, self.decisions, before, image);
            match runs.len() {
                0 => {
                    let reason = format!("{before}, which comes before it, does not run this image");
                    return Running::Not(Candidate::Blocked(reason));
                }
                1 => {
                    who.push(format!("{before} runs {}", list(&runs)));
                    values.extend(runs);
                }
                _ => {
                    let here = (image, decision.question.sites.as_slice());
                    let file = |site: usize| self.observation.sites.get(site).map(|site| &site.file);
                    let why = match self.matching.counterpart(environment, before, here) {
                        Counterpart::One(value) => {
                            who.push(format!("{before} runs {value}"));
                            values.insert(value);
                            continue;
                        }
                        Counterpart::Missing(site) => {
                            file(site).map(|file| format!("; no place there stands for {file}"))
                        }
                        Counterpart::Ambiguous(site) => file(site).map(|file| {
                            format!("; neither globs nor names tell which of its places stands for {file}")
                        }),
                        Counterpart::Several => None,
                    };
                    let mut reason = format!("{before} runs several versions of it: {}", list(&runs));
                    reason.push_str(&why.unwrap_or_default());
                    return Running::Not(Candidate::Blocked(reason));
                }
            }
        }
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Running::One(value.clone()),
            (None, _) => Running::Not(Candidate::Keep),
            (Some(_), Some(_)) => Running::Apart(who.join(", ")),
        }
    }
}

fn list(values: &BTreeSet<&Value>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
