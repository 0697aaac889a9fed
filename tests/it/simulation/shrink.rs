//! Making a failing script small: events, faults and company are left out for as long as the same rule is broken.

use tokio::runtime::Runtime;

use super::judge;
use super::script::{Event, PassSpec, Script};
use super::session::Fault;

/// What is wrong, and how it came to that.
pub(super) struct Failure {
    pub(super) rule: &'static str,
    pub(super) story: Vec<String>,
}

/// How many times a script is played again to make it smaller.
const TRIES: usize = 600;

/// Returns the story of the smallest script that breaks the same rule.
pub(super) fn shrink(script: Script, failure: Failure, runtime: &Runtime) -> String {
    let (seed, events) = (script.seed, script.events.len());
    let mut search = Search { script, failure, tries: 0, runtime };
    let mut size = search.script.events.len().div_ceil(2).max(1);
    loop {
        let before = search.script.events.len();
        let mut at = 0;
        while at < search.script.events.len() {
            let mut smaller = search.script.clone();
            let end = (at + size).min(smaller.events.len());
            smaller.events.drain(at..end);
            if !search.try_out(smaller) {
                at += size;
            }
        }
        if size == 1 && search.script.events.len() == before {
            break;
        }
        size = (size / 2).max(1);
    }
    search.simplify();
    let Search { script, failure, .. } = search;
    format!(
        "seed {seed} breaks the rule \"{}\" (TAGBOAT_SEED={seed} TAGBOAT_SEEDS=1; {} of its {events} events are left)\n\n{}\n{:#?}\n\n{}\n",
        failure.rule,
        script.events.len(),
        script.setting.config(),
        script.setting.forge,
        failure.story.join("\n")
    )
}

struct Search<'a> {
    script: Script,
    failure: Failure,
    tries: usize,
    runtime: &'a Runtime,
}

impl Search<'_> {
    /// Takes a script where it breaks the same rule.
    fn try_out(&mut self, script: Script) -> bool {
        if self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        match judge(&script, self.runtime) {
            Some(failure) if failure.rule == self.failure.rule => {
                (self.script, self.failure) = (script, failure);
                true
            }
            _ => false,
        }
    }

    /// Takes faults, company and wrong clocks out of what is left.
    fn simplify(&mut self) {
        for index in 0..self.script.events.len() {
            for simpler in simpler(&self.script.events[index]) {
                let mut script = self.script.clone();
                script.events[index] = simpler;
                self.try_out(script);
            }
        }
    }
}

fn simpler(event: &Event) -> Vec<Event> {
    match event {
        Event::Act(_) => Vec::new(),
        Event::Pass(spec) => simpler_specs(spec).into_iter().map(Event::Pass).collect(),
        Event::Twins(one, other, seed) => {
            let mut all = vec![Event::Pass(one.clone()), Event::Pass(other.clone())];
            all.extend(simpler_specs(one).into_iter().map(|one| Event::Twins(one, other.clone(), *seed)));
            all.extend(simpler_specs(other).into_iter().map(|other| Event::Twins(one.clone(), other, *seed)));
            all
        }
        Event::Order { order, environment, image, nth, spec } => simpler_specs(spec)
            .into_iter()
            .map(|spec| Event::Order { order: *order, environment: *environment, image: *image, nth: *nth, spec })
            .collect(),
    }
}

fn simpler_specs(spec: &PassSpec) -> Vec<PassSpec> {
    let mut all = vec![PassSpec::clean()];
    all.push(PassSpec { fault: Fault::Nothing, ..spec.clone() });
    all.push(PassSpec { skew: 0, ..spec.clone() });
    all.push(PassSpec { meanwhile: Vec::new(), ..spec.clone() });
    all.push(PassSpec { ambush: None, ..spec.clone() });
    all.extend((0..spec.meanwhile.len()).map(|index| {
        let mut fewer = spec.clone();
        fewer.meanwhile.remove(index);
        fewer
    }));
    all
}
