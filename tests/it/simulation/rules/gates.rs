//! The gates of an environment, judged by the ledger, the clock and what a session was told.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tagboat::model::commit::CommitId;
use tagboat::model::gate::GateName;
use tagboat::model::pull_request::CheckState;

use super::{Verdict, violated};
use crate::simulation::ledger::Step;
use crate::simulation::session::Session;
use crate::simulation::setting::{Env, Value, Window, ZONE};
use crate::simulation::world::{Measure, World, short};

/// Whether every gate of a step's environment was passed at the session's moment, by a way of coming there.
pub(super) fn judge(
    world: &World,
    session: &Session,
    base: usize,
    step: &Step,
    (way, skips): (&[usize], &[GateName]),
) -> Verdict {
    let environment = &world.setting.environments[step.environment];
    let what = format!("{} {} to {}", environment.name, short(step.image), step.to);
    let counts = |gate: GateName| !skips.contains(&gate);
    if let Some((minutes, introduced)) = environment.soak.filter(|_| counts(GateName::Soak)) {
        let soak = SignedDuration::from_mins(minutes);
        for before in way {
            let ledger = &world.ledger;
            // A digest that stands before and not here, or here alone, makes no difference.
            let mut values = ledger.landings[base].values(*before, step.image);
            let is_it = |own: &&Value| {
                **own == step.to || (own.tag == step.to.tag && (own.digest.is_none() || step.to.digest.is_none()))
            };
            let value = values.find(is_it).unwrap_or(&step.to).clone();
            let since = if introduced {
                ledger.introduced(base, *before, step.image, &value)
            } else {
                let key = (*before, step.image);
                let whole = ledger.since(base, *before, step.image, &value);
                let place = ledger.landings[base].counterpart((step.environment, *before), step.image, step.place);
                whole.or_else(|| ledger.since_at(base, key, &value, place?))
            };
            let before = world.setting.environments[*before].name;
            let Some(since) = since else { return violated("soak", format!("{what}: {before} does not run it")) };
            let (told, truly) = (session.now.duration_since(since.told), world.now.duration_since(since.at));
            if told < soak || (world.clocks_are_right && truly < soak) {
                return violated("soak", format!("{what} after {truly:#} of {soak:#} in {before}"));
            }
        }
    }
    if let Some(gate) = closed(environment, session.now).into_iter().find(|gate| counts(*gate)) {
        return violated(gate.as_str(), format!("{what} at {}", session.now));
    }
    asked(world, session, base, step, (way, &counts))
}

/// Returns the gates that let nothing into an environment at a moment, whatever it is.
pub(in crate::simulation) fn closed(environment: &Env, now: Timestamp) -> Vec<GateName> {
    let local = now.to_zoned(TimeZone::get(ZONE).expect("the zone is known"));
    let is_outside = |window: Window| {
        let is_day = local.weekday().to_monday_zero_offset() <= Weekday::to_monday_zero_offset(window.last_day);
        !is_day || local.hour() < window.from || local.hour() >= window.to
    };
    let is_frozen = |(from, to): (Date, Date)| local.date() >= from && local.date() <= to;
    let windows = environment.window.is_some_and(is_outside).then_some(GateName::Windows);
    let freezes = environment.freeze.is_some_and(is_frozen).then_some(GateName::Freezes);
    windows.into_iter().chain(freezes).collect()
}

/// Whether what is asked elsewhere was asked in this round, and said yes.
fn asked(
    world: &World,
    session: &Session,
    base: usize,
    step: &Step,
    (way, counts): (&[usize], &dyn Fn(GateName) -> bool),
) -> Verdict {
    let environment = &world.setting.environments[step.environment];
    let what = format!("{} {} to {}", environment.name, short(step.image), step.to);
    let (asks, round) = (environment.asks, &session.round);
    if asks.manual && counts(GateName::Manual) {
        return violated("a person lets it pass", what);
    }
    if asks.query && counts(GateName::Query) {
        let key = (step.environment, step.image, step.to.tag.clone());
        if round.measured.get(&key) != Some(&Measure::Good) {
            return violated("what was asked said yes", format!("{what}: measured {:?}", round.measured.get(&key)));
        }
    }
    if asks.http && counts(GateName::Http) && round.pages.get(&step.environment) != Some(&Measure::Good) {
        let page = round.pages.get(&step.environment);
        return violated("what was asked said yes", format!("{what}: the page says {page:?}"));
    }
    if asks.checks && counts(GateName::Checks) {
        for before in way {
            reported(world, session, base, *before, step, &what)?;
        }
    }
    Ok(())
}

/// Whether the newest report of each check says yes, on the commits that had the version in an environment before.
fn reported(world: &World, session: &Session, base: usize, before: usize, step: &Step, what: &str) -> Verdict {
    let rule = "the checks before have passed";
    let name = world.setting.named_checks(&world.setting.environments[step.environment]);
    let commits = stood(world, base, before, step);
    let mut newest: BTreeMap<&str, CheckState> = BTreeMap::new();
    for commit in &commits {
        let Some(told) = session.round.told.get(*commit) else {
            return violated(rule, format!("{what}: nobody was asked about commit {}", commit.short()));
        };
        for check in told.iter().filter(|check| is_named(&name, &check.name)) {
            newest.entry(&check.name).or_insert(check.state);
        }
        if !newest.is_empty() && !name.ends_with('*') {
            break;
        }
    }
    match newest.iter().find(|(_, state)| **state != CheckState::Passed) {
        Some((name, state)) => violated(rule, format!("{what}: {name} is {state:?}")),
        None if newest.is_empty() => violated(rule, format!("{what}: {name} has not reported")),
        None => Ok(()),
    }
}

/// Returns the commits on which an environment before had the version last, newest first: the first ten and the last ten.
fn stood<'w>(world: &'w World, base: usize, before: usize, step: &Step) -> Vec<&'w CommitId> {
    let landings = &world.ledger.landings;
    let is_own = |own: &&Value| own.tag == step.to.tag && (step.to.digest.is_none() || own.digest == step.to.digest);
    let has = |at: &usize| landings[*at].values(before, step.image).any(|own| is_own(&own));
    let all: Vec<usize> = (0..=base).rev().skip_while(|at| !has(at)).take_while(|at| has(at)).collect();
    // Where another place came to it later, it is that commit from which on it stands.
    let count = |at: usize| landings[at].values(before, step.image).filter(is_own).count();
    let begun = all.iter().position(|at| *at == 0 || count(*at) > count(at - 1)).unwrap_or(all.len());
    ends(all.into_iter().take(begun + 1)).into_iter().map(|at| &landings[at].commit).collect()
}

/// Returns the first ten and the last ten.
pub(super) fn ends(all: impl Iterator<Item = usize>) -> Vec<usize> {
    let all: Vec<usize> = all.collect();
    let count = all.len();
    let is_end = |(index, _): &(usize, usize)| *index < 10 || index + 10 >= count;
    all.into_iter().enumerate().filter(is_end).map(|(_, at)| at).collect()
}

fn is_named(name: &str, own: &str) -> bool {
    name.strip_suffix('*').map_or(name == own, |begin| own.starts_with(begin))
}
