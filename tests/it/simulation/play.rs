//! Playing a script: passes of the real program over the world, and the rules after each step.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use tagboat::git::Remote;
use tagboat::manifest::Limits;
use tagboat::model::decision::Verdict;
use tagboat::model::environment::{BranchName, EnvironmentName};
use tagboat::model::gate::GateName;
use tagboat::model::gate::GateState;
use tagboat::model::outcome::{Outcome, Trouble};
use tagboat::model::proposal::Action;
use tagboat::pass::order::{self, Ordering};
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};
use tagboat::pass::{PassError, hold};
use tokio::runtime::Runtime;

use super::acts;
use super::client::{Client, name};
use super::ledger::is_lower;
use super::moving::MOVING;
use super::script::{Event, Order, PassSpec, Script};
use super::session::{Baton, Fault, KINDS, Session, Side};
use super::setting::{IMAGES, Value, is_followed};
use super::upstream;
use super::world::{By, Violation, World, short};
use crate::support::passes::on_plain_git;

/// The world as those share it who act in it.
pub(super) type Shared = Arc<Mutex<World>>;

/// Makes a runtime on which waiting takes no time.
pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Plays a script to its end or to the first violation.
pub(super) fn play(script: &Script, runtime: &Runtime) -> World {
    let world: Shared = Arc::new(Mutex::new(World::new(script.setting.clone())));
    for event in &script.events {
        happen(&world, event, runtime);
        let mut world = world.lock().unwrap();
        world.check_state();
        if world.violation.is_some() {
            break;
        }
    }
    let world = Arc::into_inner(world).expect("nobody else is left").into_inner().unwrap();
    if world.violation.is_some() { world } else { super::settle::settle(world, runtime) }
}

fn happen(world: &Shared, event: &Event, runtime: &Runtime) {
    match event {
        Event::Act(act) => acts::act(&mut world.lock().unwrap(), act),
        Event::Pass(spec) => drop(pass(world, spec, runtime)),
        Event::Twins(one, other, seed) => twins(world, one, other, *seed),
        Event::Order { order, environment, image, nth, spec } => {
            follow(world, *order, (*environment, *image, *nth), spec, runtime);
        }
    }
}

/// Begins a pass or an order.
fn begin(world: &Shared, spec: &PassSpec, by: fn(usize) -> By, what: &str) -> Client {
    let mut locked = world.lock().unwrap();
    let id = locked.sessions.len();
    let now = locked.now + SignedDuration::from_mins(i64::from(spec.skew));
    locked.clocks_are_right &= spec.skew == 0;
    let session = Session::new(by(id), now, spec);
    let clock = if spec.skew == 0 { String::new() } else { format!(", whose clock says {now}") };
    let fault = match spec.fault {
        Fault::Nothing => String::new(),
        Fault::Random(percent) => format!(", {percent} % of its calls fail"),
        Fault::Outage(kind) => format!(", {} fails", KINDS[kind].trim()),
        Fault::Crash { at, .. } => format!(", killed at call {at}"),
    };
    let line = format!("{}{what}{clock}{fault}", name(&session));
    locked.tell(line);
    locked.sessions.push(session);
    Client { world: Arc::clone(world), id, baton: None }
}

/// Runs a pass to its end, whatever comes in its way.
pub(super) fn pass(world: &Shared, spec: &PassSpec, runtime: &Runtime) -> Option<Outcome> {
    let client = begin(world, spec, By::Pass, "");
    let answer = go(&client, runtime);
    finish(world, client.id, answer)
}

fn go(client: &Client, runtime: &Runtime) -> Result<Outcome, PassError> {
    let (now, has_forge) = {
        let world = client.world.lock().unwrap();
        (world.sessions[client.id].now, world.setting.forge.is_some())
    };
    let publishing = if has_forge { Publishing::Forge(Arc::new(client.clone())) } else { on_plain_git() };
    runtime.block_on(run(&Run {
        remote: Arc::new(client.clone()),
        branch: &BranchName::from("main"),
        config: None,
        neighbours: &|_| upstream::open(client),
        source: client,
        cache: &tagboat::pass::setup::no_cache(),
        limits: &Limits::default(),
        now,
        clock: &tagboat::clock::FixedClock(now),
        sources: client,
        detail: tagboat::pass::Detail::EveryTag,
        only: &[],
        publishing,
        mode: Mode::Act,
        progress: &|_| {},
        read_config: &|_| {},
        turn: tagboat::pass::Turn::default(),
    }))
}

/// Looks at what a pass said.
fn finish(world: &Shared, id: usize, answer: Result<Outcome, PassError>) -> Option<Outcome> {
    let mut world = world.lock().unwrap();
    let name = name(&world.sessions[id]);
    let is_disturbed = world.sessions[id].is_disturbed || world.sessions[id].had_company;
    match answer {
        Ok(outcome) => {
            let found = said(&world, id, &outcome, is_disturbed);
            world.judge(found);
            Some(outcome)
        }
        Err(error) if is_disturbed => {
            world.tell(format!("  {name}: {error}"));
            None
        }
        Err(error) => {
            let text = format!("{name}: {error:?}");
            world.judge(Err(Violation { rule: "a clean pass goes through", text }));
            None
        }
    }
}

/// Whether everything that waits has a reason.
fn said(world: &World, id: usize, outcome: &Outcome, is_disturbed: bool) -> Result<(), Violation> {
    let silent = |text: String| Err(Violation { rule: "every wait has a reason", text });
    for proposal in &outcome.proposals {
        let has_reason = proposal.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty())
            || proposal.gates.iter().any(|gate| match &gate.state {
                GateState::Pass => false,
                GateState::Wait { reason, .. } | GateState::Fail { reason } => !reason.trim().is_empty(),
            });
        let waits = matches!(proposal.action, Action::Waiting | Action::Held | Action::LeftAlone | Action::Failed)
            || (proposal.action == Action::Unchanged
                && proposal.publish == tagboat::model::environment::Publish::AutoMerge);
        if waits && !has_reason {
            return silent(format!("{} {} is {:?}", proposal.environment, proposal.group, proposal.action));
        }
    }
    for decision in &outcome.decisions {
        if matches!(&decision.verdict, Verdict::Undecided(reason) if reason.trim().is_empty()) {
            return silent(format!("{} in {}", decision.question.image, decision.question.environment));
        }
    }
    if is_disturbed {
        return Ok(());
    }
    // A version that failed again, or that has nothing to go back to, is a person's business.
    let is_trouble = |trouble: &&Trouble| {
        !world.is_protected && trouble.file.is_none() && !trouble.reason.contains("nothing is taken back")
    };
    if let Some(trouble) = outcome.errors.iter().find(is_trouble) {
        return Err(Violation { rule: "a clean pass goes through", text: trouble.to_string() });
    }
    // What lags behind its predecessor is told of, whatever keeps it.
    let last = world.ledger.last();
    for (index, environment) in world.setting.environments.iter().enumerate() {
        for (image, full_name) in IMAGES.iter().enumerate().take(world.setting.images) {
            // A pass looks again after an environment moved, once for each: what moved twice is followed by the next pass.
            let landed = |before: &&usize| {
                let name = world.setting.environments[**before].name;
                outcome.commits.iter().filter(|landed| landed.environment.as_str() == name).count()
            };
            if environment.after.iter().any(|before| landed(&before) > 1) {
                continue;
            }
            // Where it runs several, each place follows the one that it stands for.
            let is_behind = |before: &usize, place: usize, current: &Value| {
                let there = last.stands_for((index, *before), image, place);
                there.is_some_and(|there| is_lower(&current.tag, &there.tag) && is_followed(&there.tag))
            };
            let mut values = last.values(index, image).enumerate();
            let mut lags = !environment.after.is_empty()
                && values
                    .any(|(place, current)| environment.after.iter().all(|before| is_behind(before, place, current)));
            if index == 0 {
                lags = last
                    .values(index, image)
                    .any(|current| upstream::newer(world, &world.sessions[id], image, &current.tag).is_some());
            }
            let is_here = |name: &EnvironmentName| name.as_str() == environment.name;
            let is_told = outcome.proposals.iter().any(|proposal| is_here(&proposal.environment))
                || outcome.decisions.iter().any(|decision| {
                    let question = &decision.question;
                    question.image.as_str() == *full_name
                        && is_here(&question.environment)
                        && matches!(decision.verdict, Verdict::Undecided(_))
                })
                || outcome.errors.iter().any(|trouble| trouble.file.is_some())
                || outcome.skipped.iter().any(|row| row.what == *full_name && row.reason.contains(environment.name));
            if lags && !is_told {
                return silent(format!("{} lags in {} and nothing is said", short(image), environment.name));
            }
        }
    }
    Ok(())
}

/// Runs two passes at once.
fn twins(world: &Shared, one: &PassSpec, other: &PassSpec, seed: u64) {
    let sides = Baton::sides(seed);
    let mut clients = [begin(world, one, By::Pass, ""), begin(world, other, By::Pass, " at the same time")];
    for client in &clients {
        world.lock().unwrap().sessions[client.id].had_company = true;
    }
    let answers = std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .zip(sides)
            .map(|(client, side): (&mut Client, Side)| {
                scope.spawn(move || {
                    client.baton = Some(side.begin());
                    let answer = go(client, &runtime());
                    client.baton = None;
                    drop(side);
                    answer
                })
            })
            .collect();
        running.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for (client, answer) in clients.iter().zip(answers) {
        match answer {
            Ok(answer) => drop(finish(world, client.id, answer)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Lets a person order something of Tagboat.
fn follow(
    world: &Shared,
    order: Order,
    (environment, image, nth): (usize, usize, usize),
    spec: &PassSpec,
    runtime: &Runtime,
) {
    let (environment, image, tag, image_name) = {
        let world = world.lock().unwrap();
        let is_moving = image == usize::MAX && world.setting.has_moving;
        let image = if is_moving { MOVING } else { image % world.setting.images };
        let is_meant = |tag: &&String| is_moving || is_followed(tag);
        let tags: Vec<String> = world.registry[image].keys().filter(is_meant).cloned().collect();
        let Some(tag) = tags.get(nth % tags.len().max(1)).cloned() else { return };
        let environment = &world.setting.environments[environment % world.setting.environments.len()];
        (environment.name, image, tag, IMAGES[image])
    };
    let what = match order {
        Order::Hold => format!(": hold {}:{tag} in {environment}", short(image)),
        Order::Release => format!(": release {}", short(image)),
        Order::Rollback { .. } => format!(": rollback {environment} {}", short(image)),
        Order::Promote { .. } => format!(": promote {}:{tag} to {environment}", short(image)),
    };
    let client = begin(world, spec, By::Order, &what);
    let (now, has_forge, is_group) = {
        let world = world.lock().unwrap();
        (world.sessions[client.id].now, world.setting.forge.is_some(), world.setting.has_group && image < 2)
    };
    let remote: Arc<dyn Remote> = Arc::new(client.clone());
    let (tag, image) = (tag.parse().unwrap(), image_name.parse().unwrap());
    let environment = EnvironmentName::from(environment);
    let answer: Result<(), String> = match order {
        Order::Hold | Order::Release => {
            let order = if order == Order::Hold {
                let (by, reason) = (Some("sre".to_owned()), Some("worse".to_owned()));
                hold::Order::Hold { environment: Some(environment), image, tag, until: None, by, reason }
            } else {
                hold::Order::Release { image, tag: None, environment: None, by: None, reason: None }
            };
            let branch = BranchName::from("main");
            let publishing = if has_forge { Publishing::Forge(Arc::new(client.clone())) } else { on_plain_git() };
            let given = hold::Holding { remote, branch: &branch, config: None, publishing, now };
            runtime.block_on(hold::follow(&given, &order)).map(drop).map_err(|error| error.to_string())
        }
        Order::Rollback { .. } | Order::Promote { .. } => {
            let order = match order {
                Order::Rollback { is_group: wanted } => {
                    let what = if wanted && is_group { "shop" } else { image_name };
                    order::Order::Rollback { environment, what: what.to_owned(), to: None }
                }
                Order::Promote { at_once, skips } => {
                    let skipped: Vec<GateName> = skipped(skips).collect();
                    client.world.lock().unwrap().sessions[client.id].skips = Some(skipped.clone());
                    let skipped = skipped.into_iter().collect();
                    let what = image_name.to_owned();
                    order::Order::Promote { environment, what, tag, at_once, skipped }
                }
                Order::Hold | Order::Release => unreachable!("they are told apart above"),
            };
            let publishing = if has_forge { Publishing::Forge(Arc::new(client.clone())) } else { on_plain_git() };
            let ordering = Ordering {
                remote,
                branch: &BranchName::from("main"),
                config: None,
                neighbours: &|_| upstream::open(&client),
                source: &client,
                cache: &tagboat::pass::setup::no_cache(),
                limits: &Limits::default(),
                now,
                sources: &client,
                publishing,
                publish: None,
                by: Some("sre".to_owned()),
                reason: Some("because".to_owned()),
                progress: &|_| {},
            };
            runtime.block_on(order::follow(&ordering, &order)).map(drop).map_err(|error| error.to_string())
        }
    };
    if let Err(reason) = answer {
        world.lock().unwrap().tell(format!("  refused: {reason}"));
    }
}

/// The gates that a person skips, by their bits.
fn skipped(bits: u8) -> impl Iterator<Item = GateName> {
    GateName::ALL.into_iter().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1).map(|(_, gate)| gate)
}
