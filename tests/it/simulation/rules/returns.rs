//! Going back by itself: only from what failed in its time, once, together, and to something better; and what failed goes
//! nowhere meanwhile.
//!
//! Judged by the ledger and by the checks that a session was told in its round.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tagboat::model::commit::CommitId;
use tagboat::model::pull_request::CheckState;

use super::gates::ends;
use super::holds::{HOLDS, Held, held, holds};
use super::{Stage, Verdict, counts_introduced, view, violated};
use crate::simulation::ledger::{Landing, Step, is_lower};
use crate::simulation::moving::MOVING;
use crate::simulation::session::Session;
use crate::simulation::setting::{DEPLOYS, IMAGES, Publishes, Value, is_followed};
use crate::simulation::world::git::Tree;
use crate::simulation::world::{By, Way, World, short};

/// A version that is looked at after it came.
struct Watched {
    /// The position at which it came.
    brought: usize,
    /// Until when a failure counts.
    until: Timestamp,
    /// The commits whose reports are laid to it, newest first.
    commits: Vec<CommitId>,
    /// Those of them that had come by then: a failure in time lies on no other.
    in_time: Vec<CommitId>,
    /// The commits on which it stood, whatever else came.
    stood: Vec<CommitId>,
}

/// What the reports say.
#[derive(Debug, PartialEq, Eq)]
enum Says {
    Fine,
    Failed,
    /// Nobody was asked.
    Unknown,
}

/// Finds what is looked at, as the ledger tells, however long ago it came: what came last to any of its places.
fn watched(world: &World, base: usize, key: (usize, usize), value: &Value) -> Option<Watched> {
    // It came last with the commit by which it has stood at one of its places ever since: another place may have lost it meanwhile.
    let places = 0..world.ledger.landings[base].values(key.0, key.1).count();
    let brought = places.filter_map(|place| came_to(world, base, (key, place), value)).max()?;
    watched_since(world, base, key.0, brought)
}

/// Returns the landing by which a place has had a value ever since.
fn came_to(world: &World, base: usize, (key, place): ((usize, usize), usize), value: &Value) -> Option<usize> {
    let has = |at: &usize| world.ledger.landings[*at].values(key.0, key.1).nth(place) == Some(value);
    (0..=base).rev().take_while(has).last().filter(|at| *at > 0)
}

/// Finds what is looked at of what came with a landing.
fn watched_since(world: &World, base: usize, environment: usize, brought: usize) -> Option<Watched> {
    let landings = &world.ledger.landings[..=base];
    let on_failure = world.setting.environments[environment].on_failure?;
    let came = &landings[brought];
    if came.brought.by == By::Person || came.brought.way != Way::Forward {
        return None;
    }
    let within = SignedDuration::from_mins(on_failure.within);
    let until = came.told + within;
    let others: Vec<usize> =
        (0..IMAGES.len()).filter(|other| landings[base].values(environment, *other).next().is_some()).collect();
    // A report is laid to what came last before it, at any place of any image, unless that went back.
    let is_newer = |other: usize, at: usize| {
        let values = |at: usize| landings[at].values(environment, other).collect::<BTreeSet<_>>();
        let last = (1..=at).rev().find(|at| values(*at) != values(at - 1));
        last.is_some_and(|last| last > brought && landings[last].brought.way == Way::Forward)
    };
    let own = (brought..=base).rev().filter(|at| !others.iter().any(|other| is_newer(*other, *at)));
    let own: Vec<usize> = own.collect();
    let commits = |all: &mut dyn Iterator<Item = usize>| -> Vec<CommitId> {
        ends(all).into_iter().map(|at| landings[at].commit.clone()).collect()
    };
    // What lies beneath a commit had come when that was made, whatever its own time says.
    let had_come = |at: &usize| world.git.commit(&landings[*at].commit).time <= until;
    let last = (brought..=base).rev().find(had_come).unwrap_or(brought);
    let in_time = commits(&mut own.iter().copied().filter(|at| *at <= last));
    let stood = commits(&mut (brought..=base).rev());
    Some(Watched { brought, until, commits: commits(&mut own.into_iter()), in_time, stood })
}

impl Watched {
    /// What a session was told about it.
    fn says(&self, world: &World, session: &Session, environment: usize) -> Says {
        let name = format!("{DEPLOYS}{}", world.setting.environments[environment].name);
        for commit in &self.commits {
            let Some(told) = session.round.told.get(commit) else { return Says::Unknown };
            if let Some(check) = told.iter().find(|check| check.name == name) {
                let in_time = check.time.is_none_or(|time| time <= self.until);
                return if check.state == CheckState::Failed && in_time { Says::Failed } else { Says::Fine };
            }
        }
        Says::Fine
    }

    /// What a session was told about it once it goes back by itself no more: a success on any commit on which it stands ends what
    /// failed in time.
    fn says_late(&self, world: &World, session: &Session, environment: usize) -> Says {
        let name = format!("{DEPLOYS}{}", world.setting.environments[environment].name);
        let told = |commit: &CommitId| session.round.told.get(commit);
        let newest = |commits: &[CommitId]| {
            commits.iter().filter_map(told).find_map(|told| told.iter().find(|check| check.name == name)).cloned()
        };
        if self.in_time.iter().any(|commit| told(commit).is_none()) && newest(&self.in_time).is_none() {
            return Says::Unknown;
        }
        let failed = newest(&self.in_time).filter(|check| check.state == CheckState::Failed);
        if failed.is_none_or(|check| check.time.is_some_and(|time| time > self.until)) {
            return Says::Fine;
        }
        match newest(&self.stood).is_some_and(|check| check.state == CheckState::Passed) {
            true => Says::Fine,
            false => Says::Failed,
        }
    }
}

/// What goes on to an environment did not fail in it, nor in one before.
pub(super) fn goes_on(world: &World, session: &Session, (environment, step): (usize, &Step), base: usize) -> Verdict {
    let landings = &world.ledger.landings;
    let own: BTreeSet<&Value> =
        landings[base].values(environment, step.image).filter(|own| is_same(step.image, own, &step.to)).collect();
    for value in own {
        let Some(watched) = watched(world, base, (environment, step.image), value) else { continue };
        let name = world.setting.environments[environment].name;
        let what = format!("{}:{value}", short(step.image));
        let within = watched.until.duration_since(landings[watched.brought].told);
        let is_over = watched.until + within <= session.now;
        let says = if is_over { Watched::says_late } else { Watched::says };
        match says(&watched, world, session, environment) {
            Says::Failed => return violated("what failed goes nowhere", format!("{what} failed in {name}")),
            Says::Unknown => {
                return violated("no half facts", format!("whether {what} failed in {name} was not asked"));
            }
            Says::Fine => {}
        }
    }
    Ok(())
}

/// What failed and is held, or what a person lowered, leaves no place to what is older, unless that is what an environment before runs by
/// now.
pub(super) fn is_no_older_try(world: &World, session: &Session, step: &Step, base: usize) -> Verdict {
    let environment = &world.setting.environments[step.environment];
    let landings = &world.ledger.landings;
    let same = |value: &Value| value.tag == step.to.tag;
    if environment.after.iter().any(|before| landings[base].values(*before, step.image).any(same)) {
        return Ok(());
    }
    if step.environment == 0 && world.upstream.is_some() {
        return Ok(());
    }
    let none = BTreeSet::new();
    let lowered = landings[base].lowered.get(&(step.environment, step.image)).unwrap_or(&none);
    // What that person put there themselves is theirs, also where it comes to another place.
    let is_tried = |(left, instead): &&(String, String)| {
        is_lower(&step.to.tag, left)
            && step.to.tag != *instead
            && is_followed(left)
            && step.image != MOVING
            && !came_since(world, step, left, base)
    };
    if let Some((left, instead)) = lowered.iter().find(is_tried) {
        let (name, image) = (environment.name, short(step.image));
        let text = format!("{name} {image} to {}, although a person took {left} back to {instead}", step.to);
        return violated("nothing older is tried", text);
    }
    let own =
        world.ledger.returned.iter().filter(|(at, environment, image, _)| {
            *at <= base && (*environment, *image) == (step.environment, step.image)
        });
    for (_, _, _, left) in own {
        let hold = held(world, &landings[base].commit, &[step.environment], step.image, &left.tag, session.now);
        if is_lower(&step.to.tag, &left.tag) && is_followed(&left.tag) && hold.is_some() {
            let (name, image) = (environment.name, short(step.image));
            return violated(
                "nothing older is tried",
                format!("{name} {image} to {}, although {left} failed there", step.to),
            );
        }
    }
    Ok(())
}

/// Whether soak counts from the introduction, and what comes came to an environment before later than what a person left: it is no
/// version of before that is tried in its place.
fn came_since(world: &World, step: &Step, left: &str, base: usize) -> bool {
    let landings = &world.ledger.landings[..=base];
    let came = |before: usize, tag: &str| {
        let has = |landing: &Landing| landing.values(before, step.image).any(|value| value.tag == tag);
        let is_new = |at: &usize| has(&landings[*at]) && (*at == 0 || !has(&landings[*at - 1]));
        (0..landings.len()).rev().find(is_new)
    };
    let mut before = world.setting.environments[step.environment].after.iter();
    counts_introduced(&world.setting, step.environment)
        && before.any(|before| match (came(*before, &step.to.tag), came(*before, left)) {
            (Some(to), left) => left.is_none_or(|left| left < to),
            (None, _) => false,
        })
}

/// Judges a change by which Tagboat goes back by itself.
pub(super) fn judge(
    world: &World,
    session: &Session,
    moves: &BTreeSet<Step>,
    (before, after): (&Tree, &Tree),
    stage: Stage,
) -> Verdict {
    let (base, seen) = view(world, session)?;
    let round = &session.round;
    if !round.has_history {
        return violated("no half facts", "the history was not read");
    }
    let environments: BTreeSet<usize> = moves.iter().map(|step| step.environment).collect();
    let &[environment] = Vec::from_iter(environments).as_slice() else {
        return violated("it goes back from what failed", "one commit goes back in several environments");
    };
    let setting = &world.setting;
    let name = setting.environments[environment].name;
    let Some(on_failure) = setting.environments[environment].on_failure else {
        return violated("it goes back from what failed", format!("{name} does not go back by itself"));
    };
    if round.failed_environments.contains(&environment) {
        return violated("no half facts", format!("a file of {name} could not be read"));
    }
    let wanted = match stage {
        Stage::Proposed => on_failure.publishes != Publishes::Commit,
        Stage::ProposedInstead => true,
        Stage::Landed => on_failure.publishes != Publishes::PullRequest,
    };
    if !wanted {
        return violated("published as configured", format!("{name} goes back by itself otherwise"));
    }
    let concerned = setting.with_ancestors(environment);
    for step in moves {
        let what = format!("{name} {}: {} back to {}", short(step.image), step.from, step.to);
        let key = (environment, step.image);
        // At another place a person may have brought it again.
        let came = came_to(world, base, (key, step.place), &step.from);
        let watched = came.and_then(|came| watched_since(world, base, environment, came));
        let is_due = |watched: &Watched| {
            let within = SignedDuration::from_mins(on_failure.within);
            watched.until + within > session.now && watched.says(world, session, environment) == Says::Failed
        };
        let Some(watched) = watched.filter(is_due) else {
            return violated("it goes back from what failed", what);
        };
        if went_back(world, base, key, &step.from) {
            return violated("a version goes back once", what);
        }
        // What came with it in one commit, of the same group, has failed with it.
        for other in setting.together(step.image).into_iter().filter(|other| *other != step.image) {
            let came = |at: usize| {
                let landings = &world.ledger.landings;
                let values = |at: usize| landings[at].values(environment, other).collect::<BTreeSet<_>>();
                values(at) != values(at - 1) && (at + 1..=base).all(|later| values(later) == values(at))
            };
            if came(watched.brought) && !moves.iter().any(|step| step.image == other) {
                return violated("groups go together", format!("{what}, without {}", short(other)));
            }
        }
        if is_same(step.image, &step.to, &step.from) {
            return violated("it goes back to what stood there", what);
        }
        stood_there(world, step, base)?;
        if !came_in_time(world, step, base, session.now) {
            return violated("it goes back from what failed", format!("{what} at place {}", step.place));
        }
        let pins = setting.pins || step.image == MOVING;
        if pins != step.to.digest.is_some() && (pins || step.from.digest.is_none()) {
            return violated("a tag moves with its digest", what);
        }
        if let Some(hold) = held(world, &seen.commit, &concerned, step.image, &step.to.tag, session.now) {
            return violated("holds hold", format!("{what}, which is held: {hold}"));
        }
        if seen.is_taken_back(&[environment], step.image, &step.to) {
            return violated("what was taken back stays", what);
        }
        if went_back(world, base, key, &step.to) {
            return violated("it goes back to what stood there", format!("{what}, which went back itself"));
        }
    }
    held_by(world, (environment, moves), (before, after))
}

/// Whether two values are one version: under a tag that moves, one digest.
fn is_same(image: usize, one: &Value, other: &Value) -> bool {
    one.tag == other.tag && (image != MOVING || one.digest == other.digest)
}

/// Whether a pass brought what goes back to that very place, so late that a failure still counts.
fn came_in_time(world: &World, step: &Step, base: usize, now: Timestamp) -> bool {
    let landings = &world.ledger.landings[..=base];
    let at = |one: &Landing| one.values(step.environment, step.image).nth(step.place).cloned();
    // A file that could not be read for a while says nothing.
    let told = landings.iter().rev().filter_map(|one| Some((one, at(one)?)));
    let came = told.take_while(|(_, value)| *value == step.from).last().map(|(one, _)| one);
    let within = world.setting.environments[step.environment].on_failure.map(|own| own.within).unwrap_or_default();
    came.is_some_and(|came| {
        let is_own = came.brought.by != By::Person && came.brought.way == Way::Forward;
        is_own && came.told + SignedDuration::from_mins(2 * within) > now
    })
}

/// Whether what comes back stood at that very place before.
pub(super) fn stood_there(world: &World, step: &Step, base: usize) -> Verdict {
    let at = |one: &Landing| {
        let own = one.values(step.environment, step.image).nth(step.place);
        own.is_some_and(|own| is_same(step.image, own, &step.to))
    };
    if world.ledger.landings[..=base].iter().any(at) {
        return Ok(());
    }
    let name = world.setting.environments[step.environment].name;
    let what = format!("{name} {}: {} back to {}", short(step.image), step.from, step.to);
    violated("it goes back to what stood there", format!("{what} at place {}", step.place))
}

/// Whether a version has gone back by itself.
fn went_back(world: &World, base: usize, (environment, image): (usize, usize), value: &Value) -> bool {
    let is_same = |other: &Value| {
        other.tag == value.tag && (other.digest.is_none() || value.digest.is_none() || other.digest == value.digest)
    };
    let mut returned = world.ledger.returned.iter();
    returned.any(|(at, own, other, left)| *at <= base && (*own, *other) == (environment, image) && is_same(left))
}

/// What goes back is held in the same commit, and nothing else is.
pub(super) fn held_by(
    world: &World,
    (environment, moves): (usize, &BTreeSet<Step>),
    (before, after): (&Tree, &Tree),
) -> Verdict {
    let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
    let read = |tree: &Tree| tree.get(&path).map(|blob| holds(world.git.text(blob))).unwrap_or_default();
    let (before, after) = (read(before), read(after));
    let name = world.setting.environments[environment].name;
    let is_of = |hold: &Held, image: usize| hold.image == IMAGES[image] && hold.until.is_none();
    // No hold names a digest: that it stays back is told by the history.
    for step in moves.iter().filter(|step| step.image != MOVING) {
        let holds_it = |hold: &&Held| {
            is_of(hold, step.image)
                && hold.tag == step.from.tag
                && hold.environment.as_ref().is_none_or(|own| own == name)
        };
        if !after.iter().any(|hold| holds_it(&hold)) {
            return violated("what goes back is held", format!("{name}: {}:{} is not", short(step.image), step.from));
        }
    }
    // One that was over gives way to the one that lasts.
    let stays = |hold: &Held| {
        let is_same = |other: &Held| {
            (&other.image, &other.tag, &other.environment) == (&hold.image, &hold.tag, &hold.environment)
                && other.until.is_none()
        };
        after.contains(hold) || after.iter().any(is_same)
    };
    if let Some(gone) = before.iter().find(|hold| !stays(hold)) {
        return violated("holds hold", format!("{gone:?} is gone"));
    }
    let is_meant = |hold: &&Held| {
        hold.environment.as_deref() == Some(name)
            && moves.iter().any(|step| is_of(hold, step.image) && hold.tag != step.to.tag)
    };
    match after.iter().find(|hold| !before.contains(hold) && !is_meant(hold)) {
        Some(other) => violated("what goes back is held", format!("{other:?} is held, too")),
        None => Ok(()),
    }
}
