//! What gates ask, as a pass finds it: one measuring and one page for each environment.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use tagboat::model::source::{Answer, Ask, Found, Sample, SourceQuestion};
use tagboat::source::{Answers, Asked};

use super::{Client, nothing};
use crate::simulation::setting::IMAGES;
use crate::simulation::world::{Measure, World};

impl Answers for Client {
    fn ask_all(&self, questions: BTreeSet<SourceQuestion>) -> Asked<'_> {
        let mut answers = BTreeMap::new();
        for question in questions {
            let answer =
                self.call(&format!("asking {}", question.source), false, nothing, |world, id| match &question.ask {
                    Ask::Instant { expr } => measured(world, id, expr),
                    Ask::Get { path, .. } => page(world, id, path),
                    Ask::Range { .. } => Err("nobody asks for that".to_owned()),
                });
            let answer = answer.unwrap_or_else(|_| Err("the source answered 502".to_owned()));
            answers.insert(question, answer);
        }
        Box::pin(ready(answers))
    }
}

fn environment(world: &World, name: &str) -> usize {
    world.setting.environments.iter().position(|own| own.name == name).expect("it is one of them")
}

/// Answers `errors{tag="…",image="…",environment="…"}`.
fn measured(world: &mut World, id: usize, expr: &str) -> Result<Answer, String> {
    let value = |key: &str| {
        let rest = expr.split_once(&format!("{key}=\"")).expect("it is asked for").1;
        rest.split_once('"').expect("it ends").0
    };
    let environment = environment(world, value("environment"));
    let image = IMAGES.iter().position(|name| *name == value("image")).expect("nothing else is followed");
    let measure = world.measures[environment];
    world.sessions[id].round.measured.insert((environment, image, value("tag").to_owned()), measure);
    let sample = |value: f64| Answer::Samples(vec![Sample { series: String::new(), at: None, value }]);
    match measure {
        Measure::Good => Ok(sample(0.0)),
        Measure::Bad => Ok(sample(7.0)),
        Measure::Nothing => Ok(Answer::Samples(Vec::new())),
        Measure::Senseless => Ok(sample(f64::NAN)),
        Measure::Down => Err("the source took longer than 30 s".to_owned()),
    }
}

fn page(world: &mut World, id: usize, path: &str) -> Result<Answer, String> {
    let environment = environment(world, path.trim_start_matches('/'));
    let measure = world.pages[environment];
    world.sessions[id].round.pages.insert(environment, measure);
    match measure {
        Measure::Good => Ok(Answer::Found(vec![Found::Text("fine".to_owned())])),
        Measure::Bad => Ok(Answer::Found(vec![Found::Text("down".to_owned())])),
        Measure::Nothing => Ok(Answer::Found(Vec::new())),
        Measure::Senseless => Ok(Answer::Found(vec![Found::Number(3.0)])),
        Measure::Down => Err("the source answered 503".to_owned()),
    }
}
