//! What stands around the base: the statuses of gates that it requires, what head branches are called, and heads that people squash
//! onto it and leave.
//!
//! Drawn apart from everything else, so that the stories of other worlds stay as they are.

use std::collections::BTreeSet;

use fastrand::Rng;
use tagboat::model::commit::CommitId;
use tagboat::model::marker;
use tagboat::model::pull_request::CheckState;

use super::rules::{Verdict, closed, violated};
use super::world::git::{NewCommit, person};
use super::world::{Brought, By, Way, World};

/// What the names of head branches may begin with.
const PREFIXES: [&str; 3] = ["tagboat/", "bots/", "tagboat/two/"];
/// The gates that a base may require; nobody sets those that people answer.
const GATES: [&str; 4] = ["soak", "windows", "freezes", "query"];

/// What a seed draws of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawn {
    /// The statuses that the base requires.
    pub(super) required: BTreeSet<String>,
}

/// What people do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Somebody changes `branchPrefix`.
    Prefix(usize),
    /// Somebody squashes a head branch onto the base by hand, and leaves it.
    Squash { nth: usize },
}

impl Drawn {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let gates = GATES.iter().filter(|_| rng.u8(..3) == 0).map(|gate| format!("tagboat/{gate}"));
        Self { required: gates.collect() }
    }
}

impl Deed {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..3) {
            0 => Self::Squash { nth: rng.usize(..64) },
            _ => Self::Prefix(rng.usize(..PREFIXES.len())),
        }
    }
}

/// Does it.
pub(super) fn act(world: &mut World, deed: &Deed) {
    match deed {
        Deed::Prefix(nth) => {
            let prefix = PREFIXES[*nth];
            world.tell(format!("a person calls head branches {prefix}…"));
            let config = world.setting.config_with(Some(prefix));
            world.edit("Call them so", &[(".tagboat.yaml", Some(config))]);
        }
        Deed::Squash { nth } => squash(world, *nth),
    }
}

fn squash(world: &mut World, nth: usize) {
    let heads: Vec<_> = world.git.heads.iter().map(|(name, tip)| (name.clone(), tip.clone())).collect();
    let Some((name, tip)) = heads.get(nth % heads.len().max(1)) else { return };
    let Some(tree) = world.git.merged(tip).filter(|tree| *tree != **world.git.tree(&world.git.main)) else { return };
    // Whoever squashes keeps the words of the last commit alone.
    let own = world.git.commit(tip).clone();
    let way = if own.by == By::Person { Way::Forward } else { Way::of(&own.message) };
    let brought = Brought { by: own.by, way };
    world.tell(format!("a person squashes {name} onto the base"));
    let (parents, time, by) = (vec![world.git.main.clone()], world.now, By::Person);
    let new = world.git.add(NewCommit { tree, parents, author: person(), time, message: &own.message, by });
    world.move_main(&new, By::Person, Some(brought));
}

/// Returns a head branch's name without what it begins with.
pub(super) fn plain_name(head: &str) -> String {
    let mut parts = head.rsplit('/');
    let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if last.starts_with('@') { last.to_owned() } else { format!("{before}/{last}") }
}

/// Names the statuses that the base requires and that a commit lacks.
pub(super) fn lacking(world: &World, commit: &CommitId) -> Vec<String> {
    let own = world.checks.get(commit);
    let has_passed =
        |name: &&String| own.and_then(|own| own.get(*name)).is_some_and(|report| report.state == CheckState::Passed);
    world.setting.around.required.iter().filter(|name| !has_passed(name)).cloned().collect()
}

/// Whether every pull request of a pass has a status of each gate that the base requires: else no person can merge it, ever.
pub(super) fn is_judged(world: &World) -> Verdict {
    for (index, pull) in world.pulls.iter().enumerate().filter(|(_, pull)| pull.is_open()) {
        let beyond = world.git.beyond(&pull.commit, &world.git.main);
        let is_own = beyond.iter().all(|commit| commit.by.is_pass());
        let own = world.checks.get(&pull.commit);
        let is_there = |name: &String| own.is_some_and(|own| own.contains_key(name));
        if is_own
            && pull.labels.is_empty()
            && is_known(&pull.body)
            && let Some(missing) = world.setting.around.required.iter().find(|name| !is_there(name))
        {
            return violated("a person can merge", format!("nobody says `{missing}` on #{}", index + 1));
        }
        // Going back waits for no gate.
        let waits =
            is_own && pull.labels.is_empty() && beyond.iter().all(|commit| Way::of(&commit.message) == Way::Forward);
        for environment in world.brings(&pull.commit).iter().map(|step| step.environment).filter(|_| waits) {
            let environment = &world.setting.environments[environment];
            for gate in closed(environment, world.now) {
                let said = own.and_then(|own| own.get(&format!("tagboat/{gate}")));
                if said.is_some_and(|said| said.state == CheckState::Passed) {
                    let what = format!("#{} still says that `{gate}` of {} has passed", index + 1, environment.name);
                    return violated("what gates said is taken back", what);
                }
            }
        }
    }
    Ok(())
}

/// Whether a pass at rest may have said something of the gates of a pull request with such a body. One over whose body a person has written
/// and that nothing wants any more stays for a person to close; of one about which not all is known, what gates have said is taken back,
/// and what none has said is as good as that.
fn is_known(body: &str) -> bool {
    marker::read(body).is_some_and(|marker| marker.said.as_deref() != Some("taken back"))
}
