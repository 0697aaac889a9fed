//! The file of holds, read by a few lines of the simulation's own.

use jiff::Timestamp;
use tagboat::model::commit::CommitId;
use tagboat::model::environment::BranchName;

use super::{Verdict, violated};
use crate::simulation::session::Session;
use crate::simulation::setting::IMAGES;
use crate::simulation::world::World;
use crate::simulation::world::git::differences;

/// The file in which people hold versions.
pub(in crate::simulation) const HOLDS: &str = ".tagboat/holds.yaml";

/// Finds the entry of the holds at a base that holds a version.
pub(super) fn held(
    world: &World,
    commit: &CommitId,
    environments: &[usize],
    image: usize,
    tag: &str,
    now: Timestamp,
) -> Option<String> {
    let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
    let text = world.git.tree(commit).get(&path).map(|blob| world.git.text(blob))?;
    held_among(world, holds(text), environments, image, tag, now)
}

fn held_among(
    world: &World,
    holds: Vec<Held>,
    environments: &[usize],
    image: usize,
    tag: &str,
    now: Timestamp,
) -> Option<String> {
    let names: Vec<&str> = environments.iter().map(|own| world.setting.environments[*own].name).collect();
    let found = holds.into_iter().find(|hold| {
        hold.image == IMAGES[image]
            && hold.tag == tag
            && hold.environment.as_ref().is_none_or(|own| names.contains(&own.as_str()))
            && hold.until.as_ref().is_none_or(|until| until.parse::<Timestamp>().is_ok_and(|until| now < until))
    });
    found.map(|hold| format!("{hold:?}"))
}

/// Finds what is proposed to be held, has not been on the base, and holds a version: where a pull request stands for it, or on
/// plain Git the branch alone.
pub(super) fn proposed(
    world: &World,
    session: &Session,
    environments: &[usize],
    image: usize,
    tag: &str,
) -> Option<String> {
    let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
    let base = &world.ledger.landings[session.round.base?].commit;
    let listed = session.round.listed.as_ref();
    let counts = |name: &BranchName| match (world.setting.forge, listed) {
        (None, _) => true,
        (Some(_), Some(listed)) => listed.iter().any(|pull| pull.is_open() && pull.head == *name),
        (Some(_), None) => false,
    };
    let found = session.round.proposed.iter().flatten().filter(|(name, _)| counts(name)).find_map(|(_, tip)| {
        let fork = world.git.fork(tip, base);
        let is_it = |hold: &Held, other: &Held| {
            (&hold.image, &hold.tag, &hold.environment) == (&other.image, &other.tag, &other.environment)
        };
        let text = world.git.tree(tip).get(&path).map(|blob| world.git.text(blob))?;
        let at = |commit: &CommitId| world.git.tree(commit).get(&path).map(|blob| holds(world.git.text(blob)));
        let mut there = world.git.line(base).map(|(id, _)| id).scan(false, |is_over, id| {
            let was_over = std::mem::replace(is_over, *id == fork);
            (!was_over).then_some(id)
        });
        let had: Vec<Held> = there.by_ref().filter_map(at).flatten().collect();
        let new: Vec<Held> =
            holds(text).into_iter().filter(|hold| !had.iter().any(|other| is_it(hold, other))).collect();
        held_among(world, new, environments, image, tag, session.now)
    });
    found.map(|found| format!("{found}, as is proposed"))
}

/// Whether a pass that moves or removes the branch of proposed holds keeps what it proposes, unless the base has had it since.
pub(super) fn moved(world: &World, name: &BranchName, new: Option<&CommitId>) -> Verdict {
    let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
    let at = |commit: &CommitId| -> Vec<(String, String, Option<String>)> {
        let text = world.git.tree(commit).get(&path).map(|blob| world.git.text(blob)).unwrap_or_default();
        holds(text).into_iter().map(|hold| (hold.image, hold.tag, hold.environment)).collect()
    };
    let Some(old) = world.git.heads.get(name) else {
        return violated("what was ordered stays", format!("{name} is made by a pass"));
    };
    let fork = world.git.fork(old, &world.git.main);
    let (before, there) = (at(&fork), at(old));
    let mut since: Vec<_> = Vec::new();
    for (id, _) in world.git.line(&world.git.main).take_while(|(id, _)| **id != fork) {
        since.extend(at(id));
    }
    let mut proposed = there.iter().filter(|hold| !before.contains(hold));
    let after = match new {
        Some(new) => {
            let made = world.git.commit(new);
            let base = world.git.tree(&made.parents[0]);
            if differences(base, &made.tree).any(|(changed, ..)| *changed != path) {
                return violated("only references change", format!("{name} changes more than {HOLDS}"));
            }
            let (after, base) = (at(new), at(&made.parents[0]));
            if let Some(hold) = after.iter().find(|hold| !there.contains(hold) && !base.contains(hold)) {
                return violated("what was ordered stays", format!("{name} holds {hold:?}, which nobody ordered"));
            }
            after
        }
        None => Vec::new(),
    };
    match proposed.find(|hold| !after.contains(hold) && !since.contains(hold)) {
        Some(hold) => violated("what was ordered stays", format!("{name} loses {hold:?}")),
        None => Ok(()),
    }
}

/// An entry of the file of holds, read line by line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::simulation) struct Held {
    pub(in crate::simulation) image: String,
    pub(in crate::simulation) tag: String,
    pub(in crate::simulation) environment: Option<String>,
    pub(in crate::simulation) until: Option<String>,
}

/// Reads the entries of the file of holds.
pub(in crate::simulation) fn holds(text: &str) -> Vec<Held> {
    let mut found: Vec<Held> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        let line = match line.strip_prefix("- ") {
            Some(rest) => {
                found.push(Held::default());
                rest
            }
            None => line,
        };
        let (Some(last), Some((key, value))) = (found.last_mut(), line.split_once(": ")) else { continue };
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        match key {
            "image" => last.image = value,
            "tag" => last.tag = value,
            "environment" => last.environment = Some(value),
            "until" => last.until = Some(value),
            _ => {}
        }
    }
    found
}
