//! An image that follows a moving tag: its digest is pushed anew, goes back in the registry, and is taken back by people, by order
//! and by itself.
//!
//! Drawn apart from everything else, so that the stories of other worlds stay as they are. Digests have no order: what is newer, and
//! what went back, is told by what stood where.

use fastrand::Rng;

use super::acts;
use super::ledger::{Landing, Step};
use super::rules::{Verdict, violated};
use super::script::{Event, Order, PassSpec};
use super::session::Session;
use super::setting::{IMAGES, Setting, Value, manifest};
use super::world::{Brought, By, Way, World, short};

/// The position of the image that follows it, behind those that follow versions.
pub(super) const MOVING: usize = 3;
/// The tag.
pub(super) const TAG: &str = "stable";
/// The digest that every environment begins with, which is never sick.
const FIRST: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
/// How many files a world may have: from one more on a pass reads on all cores at once.
const MOST_FILES: usize = 14;

/// What happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is pushed anew.
    Push,
    /// It stands for content again that it had before.
    Return { nth: usize },
    /// A person writes a digest that an environment had before.
    Write { environment: usize, nth: usize },
}

/// Returns its place in the rules of the configuration.
pub(super) fn rule() -> String {
    format!("  - match: {}\n    digest: {TAG}\n", IMAGES[MOVING])
}

/// Returns the file that an environment begins with.
pub(super) fn file(environment: &str) -> (String, String) {
    let reference = format!("{}:{TAG}@{FIRST}", IMAGES[MOVING]);
    (format!("envs/{environment}/moving.yaml"), manifest(environment, "moving", &[reference]))
}

/// Whether a world has room for it.
pub(super) fn fits(setting: &Setting) -> bool {
    setting.upstream.is_none() && setting.files().len() + setting.environments.len() <= MOST_FILES
}

/// Draws what happens, and what people order, into the events of a world.
pub(super) fn draw(rng: &mut Rng, events: &mut Vec<Event>) {
    for _ in 0..rng.usize(6..20) {
        let at = rng.usize(..=events.len());
        let (environment, nth) = (rng.usize(..8), rng.usize(..64));
        events.insert(
            at,
            match rng.u8(..10) {
                0..=3 => Event::Act(acts::Act::Moving(Deed::Push)),
                4 => Event::Act(acts::Act::Moving(Deed::Return { nth })),
                5 | 6 => Event::Act(acts::Act::Moving(Deed::Write { environment, nth })),
                way => {
                    let order = match way {
                        7 | 8 => Order::Rollback { is_group: false },
                        _ => Order::Promote { at_once: rng.u8(..4) > 0, skips: u8::MAX },
                    };
                    Event::Order { order, environment, image: usize::MAX, nth, spec: PassSpec::clean() }
                }
            },
        );
    }
}

/// Pushes the first content.
pub(super) fn begin(world: &mut World) {
    let pushed = world.now;
    world.digests.insert((MOVING, TAG.to_owned(), FIRST.to_owned()));
    world.registry[MOVING].insert(TAG.to_owned(), super::world::Tagged { digest: FIRST.to_owned(), pushed });
}

/// Does it.
pub(super) fn act(world: &mut World, deed: &Deed) {
    if !world.setting.has_moving {
        return;
    }
    let known: Vec<String> =
        world.digests.iter().filter(|(image, ..)| *image == MOVING).map(|(_, _, digest)| digest.clone()).collect();
    match deed {
        Deed::Push => world.push_image(MOVING, TAG),
        Deed::Return { nth } => {
            let (digest, pushed) = (known[nth % known.len()].clone(), world.now);
            world.tell(format!("registry: {}:{TAG} is {} again", short(MOVING), &digest[7..13]));
            world.registry[MOVING].insert(TAG.to_owned(), super::world::Tagged { digest, pushed });
        }
        Deed::Write { environment, nth } => {
            let environment = environment % world.setting.environments.len();
            let landings = &world.ledger.landings;
            let mut stood: Vec<&Value> = landings.iter().flat_map(|one| one.values(environment, MOVING)).collect();
            stood.dedup();
            let Some(value) = stood.get(nth % stood.len().max(1)).map(|value| (*value).clone()) else { return };
            acts::write_moving(world, environment, &value);
        }
    }
}

/// Whether a digest fails wherever it runs.
pub(super) fn is_sick(setting: &Setting, value: &Value) -> bool {
    let digest = value.digest.as_deref().unwrap_or_default();
    setting.sick.is_some() && digest.as_bytes().get(7).is_some_and(|letter| *letter < b'6')
}

/// How a value is known where it was taken back: a digest under a tag that stays, or the tag.
pub(super) fn key(image: usize, value: &Value) -> String {
    if image == MOVING { value.digest.clone().unwrap_or_default() } else { value.tag.clone() }
}

/// Whether a change of digests takes the one back that is left: whoever orders it, and whoever writes what had stood there
/// before.
pub(super) fn takes_back(way: Way, by: By, older: &[Landing], environment: usize, to: &Value) -> bool {
    match way {
        Way::Rollback | Way::Return => true,
        Way::Forward => {
            by == By::Person && older.iter().any(|one| one.values(environment, MOVING).any(|own| own == to))
        }
    }
}

/// Whether a step of a pass goes where nobody asked for: to what had stood there, unless the tag itself went back to it.
pub(super) fn judge(world: &World, session: &Session, step: &Step, base: usize) -> Verdict {
    let environment = &world.setting.environments[step.environment];
    let what = format!("{} {}: {} to {}", environment.name, short(MOVING), step.from, step.to);
    let Some(digest) = &step.to.digest else { return violated("a tag moves with its digest", what) };
    let key = (MOVING, step.to.tag.clone(), digest.clone());
    if step.from.tag != step.to.tag || !world.digests.contains(&key) {
        return violated("a tag moves with its digest", what);
    }
    if !session.round.lists.contains_key(&MOVING) || session.round.failed_lists.contains(&MOVING) {
        return violated("no half facts", format!("{what}: its tags were not listed whole"));
    }
    if !session.round.has_history {
        return violated("no half facts", format!("{what}: the history was not read"));
    }
    if world.setting.is_first(step.environment) {
        if !session.round.digests.contains(&key) {
            return violated("only what exists", format!("{what}: the registry did not say so"));
        }
        return Ok(());
    }
    let landings = &world.ledger.landings[..=base];
    let stood = landings.iter().any(|one| one.values(step.environment, MOVING).any(|own| *own == step.to));
    let has = |at: usize, own: usize, value: &Value| landings[at].values(own, MOVING).any(|other| other == value);
    let last = |own: usize, value: &Value| {
        (1..landings.len()).rev().find(|at| has(*at, own, value) && !has(*at - 1, own, value))
    };
    // What every environment began with came first.
    let since = |own: usize, value: &Value| last(own, value).or_else(|| has(0, own, value).then_some(0));
    let is_after = |own: usize, one: &Value, other: &Value| {
        since(own, one).zip(since(own, other)).is_some_and(|(one, other)| one > other)
    };
    // Where one before is enough, another one tells of the opposite order.
    let is_disputed = environment.after.iter().any(|own| is_after(*own, &step.from, &step.to));
    let left = (1..landings.len())
        .rev()
        .find(|at| has(*at - 1, step.environment, &step.to) && !has(*at, step.environment, &step.to));
    // It went back there after it had gone here, or after what runs here.
    let followed = |before: &usize| {
        last(*before, &step.to).is_some_and(|at| {
            let Brought { by, way } = landings[at].brought;
            let is_newer = Some(at) > left || (is_after(*before, &step.to, &step.from) && !is_disputed);
            by != By::Person && way == Way::Forward && is_newer
        })
    };
    let ways = world.setting.ways(step.environment);
    if stood && !ways.iter().any(|way| way.iter().all(followed)) {
        return violated("never backwards", format!("{what}, which it had left"));
    }
    Ok(())
}

/// Whether what the registry has arrived where nobody and nothing kept it back.
pub(super) fn progress(world: &World, was_touched: &dyn Fn(usize) -> bool) -> Verdict {
    let setting = &world.setting;
    for (index, environment) in setting.environments.iter().enumerate().filter(|_| setting.has_moving) {
        let is_free = environment.after.is_empty() && environment.on_failure.is_none() && !was_touched(index);
        let newest = world.registry[MOVING].get(TAG).map(|tagged| tagged.digest.clone());
        let mut values = world.ledger.last().values(index, MOVING);
        if is_free && let Some(value) = values.find(|value| value.digest != newest) {
            let text =
                format!("{} runs {}:{value}, and the tag stands for something else", environment.name, short(MOVING));
            return violated("it makes progress", text);
        }
    }
    Ok(())
}
