//! What must never happen, looked at before each effect of a pass, by what the world itself knows.
//!
//! A pass is judged by what it could know: the base that it fetched, the lists that it was given, its own clock.
//! Entry points are named after the effects. Uses nothing that decides or promotes.

mod gates;
mod holds;
mod pulls;
mod returns;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use tagboat::model::commit::CommitId;

use super::ledger::{self, Landing, Step, is_lower, steps};
use super::moving::{self, MOVING};
use super::session::Session;
use super::setting::{Publishes, Setting, Value, is_followed};
use super::upstream;
use super::world::git::Tree;
use super::world::{Violation, Way, World, short};

pub(super) use self::gates::closed;
pub(super) use self::holds::{HOLDS, Held, holds};
pub(super) use self::pulls::{close, is_no_news, merge, open, push_head, touch};

pub(super) type Verdict = Result<(), Violation>;

pub(super) fn violated<T>(rule: &'static str, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { rule, text: text.into() })
}

/// Whether something stands in a pull request or is on the base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Proposed,
    /// In a pull request, since the base takes no push.
    ProposedInstead,
    Landed,
}

/// A push to the base.
pub(super) fn push(world: &World, id: usize, new: &CommitId) -> Verdict {
    let session = &world.sessions[id];
    let old = &world.git.main;
    let line: Vec<&CommitId> = world.git.line(new).map(|(commit, _)| commit).take_while(|id| *id != old).collect();
    if !world.git.line(new).any(|(commit, _)| commit == old) {
        return violated("nobody's commits are lost", "the base is moved to something that does not hold it");
    }
    for commit in line.into_iter().rev() {
        let made = world.git.commit(commit);
        let before = world.git.tree(&made.parents[0]);
        landed(world, session, (before, &made.tree), Way::of(&made.message))?;
    }
    Ok(())
}

/// A change of the base, from one tree to the next.
fn landed(world: &World, session: &Session, (before, after): (&Tree, &Tree), way: Way) -> Verdict {
    let moves = changed(world, session, (before, after), way)?;
    match way {
        _ if !session.by.is_pass() => ordered(world, session, &moves, (before, after), way),
        Way::Return => returns::judge(world, session, &moves, (before, after), Stage::Landed),
        Way::Forward | Way::Rollback => judge(world, session, &moves, Stage::Landed),
    }
}

/// Whether every gate that a person did not skip was passed where one orders a version; and what goes back as ordered goes to
/// what stood at that very place, and is held.
fn ordered(
    world: &World,
    session: &Session,
    moves: &BTreeSet<Step>,
    (before, after): (&Tree, &Tree),
    way: Way,
) -> Verdict {
    let (base, _) = view(world, session)?;
    if way == Way::Rollback {
        for step in moves {
            returns::stood_there(world, step, base)?;
        }
        // No hold can name a digest.
        let left: BTreeSet<Step> = moves.iter().filter(|step| step.from.tag != step.to.tag).cloned().collect();
        if let Some(environment) = left.first().map(|step| step.environment) {
            returns::held_by(world, (environment, &left), (before, after))?;
        }
    }
    match &session.skips {
        Some(skips) if way == Way::Forward => moves
            .iter()
            .try_for_each(|step| by_a_way(world, step, |way| gates::judge(world, session, base, step, (way, skips)))),
        _ => Ok(()),
    }
}

/// Returns what moves, where that is all that changes.
fn changed(
    world: &World,
    session: &Session,
    (before, after): (&Tree, &Tree),
    way: Way,
) -> Result<BTreeSet<Step>, Violation> {
    let mut after = after.clone();
    if !session.by.is_pass() || way == Way::Return {
        // What a person orders may be held in the same commit, and so is what goes back.
        let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
        match before.get(&path) {
            Some(blob) => drop(after.insert(path, blob.clone())),
            None => drop(after.remove(&path)),
        }
    }
    match steps(&world.git, &world.setting, before, &after) {
        Err(text) => violated("only references change", text),
        // Another one may have brought the same since it fetched.
        Ok(moves) if moves.is_empty() && session.by.is_pass() && is_on_tip(world, session) => {
            violated("nothing is empty", "a commit changes nothing")
        }
        Ok(moves) => Ok(moves),
    }
}

/// Whether nothing has landed since a session fetched.
fn is_on_tip(world: &World, session: &Session) -> bool {
    session.round.base.is_none_or(|base| base + 1 == world.ledger.landings.len())
}

/// The state of the base that a session stands on.
fn view<'w>(world: &'w World, session: &Session) -> Result<(usize, &'w Landing), Violation> {
    match session.round.base {
        Some(base) => Ok((base, &world.ledger.landings[base])),
        None => violated("no half facts", "something is done before the base was fetched"),
    }
}

/// Judges what a pass moves.
fn judge(world: &World, session: &Session, moves: &BTreeSet<Step>, stage: Stage) -> Verdict {
    for step in moves {
        judge_step(world, session, step, stage)?;
    }
    together(world, session, moves)
}

fn judge_step(world: &World, session: &Session, step: &Step, stage: Stage) -> Verdict {
    let setting = &world.setting;
    let environment = &setting.environments[step.environment];
    let round = &session.round;
    let (base, _) = view(world, session)?;
    let what = format!("{} {}: {} to {}", environment.name, short(step.image), step.from, step.to);

    if step.image == MOVING {
        moving::judge(world, session, step, base)?;
        return may_come(world, session, step, (stage, &what));
    }
    let is_pinned = step.from.tag == step.to.tag && step.from.digest.is_none() && setting.pins;
    if !is_lower(&step.from.tag, &step.to.tag) && !is_pinned {
        return violated("never backwards", what);
    }
    if !is_pinned && !is_followed(&step.to.tag) {
        return violated("only what the policy admits", what);
    }
    if setting.pins != step.to.digest.is_some() && (setting.pins || step.from.digest.is_none()) {
        return violated("a tag moves with its digest", what);
    }
    if let Some(digest) = &step.to.digest
        && !world.digests.contains(&(step.image, step.to.tag.clone(), digest.clone()))
    {
        return violated("a tag moves with its digest", format!("{what}: the tag never had that digest"));
    }
    if round.failed_lists.contains(&step.image) || !round.lists.contains_key(&step.image) {
        return violated("no half facts", format!("{what}: its tags were not listed whole"));
    }
    let is_repinned = is_pinned && !setting.is_first(step.environment);
    if !is_repinned && !round.lists[&step.image].contains(&step.to.tag) {
        return violated("only what exists", what);
    }
    if !round.has_history {
        return violated("no half facts", format!("{what}: the history was not read"));
    }
    let is_unsure = |tag: &String| round.failed_facts.contains(&(step.image, tag.clone()));
    if setting.is_first(step.environment) && is_unsure(&step.to.tag) {
        return violated("no half facts", format!("{what}: a fact about it could not be had"));
    }
    // What a person wrote in an environment before is asked for no age again.
    if let Some(minutes) = setting.least_age.filter(|_| setting.is_first(step.environment))
        && let Some(tagged) = world.registry[step.image].get(&step.to.tag)
        // It may have been pushed again since it was asked about.
        && let told = round.pushed.get(&(step.image, step.to.tag.clone())).copied().unwrap_or(tagged.pushed)
        && session.now.duration_since(told) < SignedDuration::from_mins(minutes)
    {
        return violated("nothing too young", what);
    }
    may_come(world, session, step, (stage, &what))
}

/// Whether a step came by a way, through its gates, and nobody and nothing keeps it back.
fn may_come(world: &World, session: &Session, step: &Step, (stage, what): (Stage, &str)) -> Verdict {
    let setting = &world.setting;
    let environment = &setting.environments[step.environment];
    let (base, seen) = view(world, session)?;
    let gates = |way: &[usize]| match stage {
        Stage::Landed => gates::judge(world, session, base, step, (way, &[])),
        Stage::Proposed | Stage::ProposedInstead => Ok(()),
    };
    by_a_way(world, step, |way| came_by(world, session, step, way).and_then(|()| gates(way)))?;
    upstream::judge(world, session, step, stage == Stage::Landed)?;
    let concerned = setting.with_ancestors(step.environment);
    if seen.is_taken_back(&concerned, step.image, &step.to) {
        return violated("what was taken back stays", what.to_owned());
    }
    if let Some(hold) = holds::held(world, &seen.commit, &concerned, step.image, &step.to.tag, session.now) {
        return violated("holds hold", format!("{what}, which is held: {hold}"));
    }
    if let Some(hold) = holds::proposed(world, session, &concerned, step.image, &step.to.tag) {
        return violated("holds hold", format!("{what}, which is held: {hold}"));
    }
    for environment in concerned {
        returns::goes_on(world, session, (environment, step), base)?;
    }
    returns::is_no_older_try(world, session, step, base)?;
    match (stage, environment.publishes) {
        (Stage::Landed, Publishes::PullRequest) => violated("a person merges", what.to_owned()),
        (Stage::Proposed, Publishes::Commit) => {
            violated("published as configured", format!("{what}: a pull request where commits are made"))
        }
        _ => Ok(()),
    }
}

/// Whether something holds of one of the ways to a step's environment; else what is wrong with the first of them.
fn by_a_way(world: &World, step: &Step, judge: impl Fn(&[usize]) -> Verdict) -> Verdict {
    let mut wrong = Ok(());
    for way in world.setting.ways(step.environment) {
        match judge(&way) {
            Ok(()) => return Ok(()),
            Err(violation) => wrong = wrong.and(Err(violation)),
        }
    }
    wrong
}

/// Whether a step brings what the environments before it run, on one of the ways to it.
fn came_by(world: &World, session: &Session, step: &Step, way: &[usize]) -> Verdict {
    let setting = &world.setting;
    let environment = &setting.environments[step.environment];
    let (base, seen) = view(world, session)?;
    let what = format!("{} {}: {} to {}", environment.name, short(step.image), step.from, step.to);
    if let Some(before) = way.iter().find(|before| session.round.failed_environments.contains(before)) {
        let before = setting.environments[*before].name;
        return violated("no half facts", format!("{what}: a file of {before} could not be read"));
    }
    for before in way {
        let counts_introduced = environment.soak.is_some_and(|(_, introduced)| introduced);
        let same =
            |value: &Value| value.tag == step.to.tag && (step.to.digest.is_none() || value.digest == step.to.digest);
        let mut values = seen.values(*before, step.image).peekable();
        let runs_there = values.peek().is_some() && values.all(same);
        // What ran at another place than the one that it stands for is none of its own.
        let is_several = seen.values(*before, step.image).collect::<BTreeSet<_>>().len() > 1;
        let between = (step.environment, *before);
        let place = seen.counterpart(between, step.image, step.place);
        let ran_there = |same: &dyn Fn(&Value) -> bool| {
            world.ledger.landings[..=base].iter().any(|one| {
                let mut values = one.values(*before, step.image);
                match place {
                    Some(place) if is_several => values.nth(place).is_some_and(same),
                    None if is_several => false,
                    _ => values.any(same),
                }
            })
        };
        // Where it runs several, each place follows the one that it stands for.
        let is_matched = || seen.stands_for(between, step.image, step.place).is_some_and(same);
        let was_there = runs_there || is_matched() || (counts_introduced && ran_there(&same));
        if !was_there {
            let before = setting.environments[*before].name;
            return violated("never past an environment", format!("{what}, which {before} does not run"));
        }
    }
    Ok(())
}

/// Images of a group go together: what moves leaves none behind that could go, too.
fn together(world: &World, session: &Session, moves: &BTreeSet<Step>) -> Verdict {
    let setting = &world.setting;
    let (_, seen) = view(world, session)?;
    let moved: BTreeSet<(usize, usize)> = moves.iter().map(|step| (step.environment, step.image)).collect();
    for (environment, image) in &moved {
        let others = setting.together(*image).into_iter().filter(|other| !moved.contains(&(*environment, *other)));
        for other in others {
            // A person may have moved the other one since.
            let lowest = |landing: &Landing| {
                let own = landing.values(*environment, other).cloned();
                own.min_by_key(|value| super::setting::version(&value.tag))
            };
            let lowest = [seen, world.ledger.last()].map(lowest).into_iter().flatten();
            let Some(lowest) = lowest.max_by_key(|value| super::setting::version(&value.tag)) else { continue };
            let name = setting.environments[*environment].name;
            let (left, gone) = (short(other), short(*image));
            let torn =
                |why: String| violated("groups go together", format!("{name}: {gone} goes without {left}: {why}"));
            if session.round.failed_lists.contains(&other) || !session.round.lists.contains_key(&other) {
                return torn("whose tags were not listed".to_owned());
            }
            if counts_introduced(setting, *environment) {
                // What is left behind is told by what ran together.
            } else if *environment == 0 && setting.upstream.is_some() {
                if let Some(ahead) = upstream::newer(world, session, other, &lowest.tag) {
                    return torn(format!("upstream runs {ahead}"));
                }
            } else if setting.is_first(*environment) {
                let old_enough = |tag: &str| {
                    let pushed = world.registry[other].get(tag).map(|tagged| tagged.pushed);
                    let age = pushed.map(|pushed| session.now.duration_since(pushed));
                    setting.least_age.is_none_or(|least| age.is_some_and(|age| age >= SignedDuration::from_mins(least)))
                        && !session.round.failed_facts.contains(&(other, tag.to_owned()))
                };
                let mut tags = session.round.lists[&other].iter();
                let newer = tags.find(|tag| is_followed(tag) && is_lower(&lowest.tag, tag) && old_enough(tag));
                if let Some(newer) = newer {
                    return torn(format!("{newer} is there"));
                }
            } else {
                // Where one before is enough, the group may have come by another way, on which nothing is left behind.
                let mut behind = Vec::new();
                for before in &setting.environments[*environment].after {
                    let ahead = seen.values(*environment, other).enumerate().find_map(|(place, current)| {
                        let is_ahead =
                            |value: &&Value| is_lower(&lowest.tag, &value.tag) && is_lower(&current.tag, &value.tag);
                        match seen.stands_for((*environment, *before), other, place) {
                            Some(value) => Some(value).filter(is_ahead),
                            None => seen.values(*before, other).find(is_ahead),
                        }
                    });
                    behind.extend(ahead.map(|ahead| format!("{} runs {ahead}", setting.environments[*before].name)));
                }
                let (own, count) = (&setting.environments[*environment], behind.len());
                if count > 0 && (!own.after_any || count == own.after.len()) {
                    return torn(behind.remove(0));
                }
            }
        }
        if counts_introduced(setting, *environment) && !ran_together(world, session, (*environment, *image), moves)? {
            let name = setting.environments[*environment].name;
            let text = format!("{name}: with {}, the group becomes what no environment before has run", short(*image));
            return violated("groups go together", text);
        }
    }
    Ok(())
}

/// Whether soak counts from the introduction in an environment.
fn counts_introduced(setting: &Setting, environment: usize) -> bool {
    let upstream = setting.upstream.filter(|_| environment == 0).and_then(|drawn| drawn.soak);
    setting.environments[environment].soak.or(upstream).is_some_and(|(_, introduced)| introduced)
}

/// Whether what a group runs after some moves has stood together in the environments before, on one of the ways to it.
fn ran_together(
    world: &World,
    session: &Session,
    (environment, image): (usize, usize),
    moves: &BTreeSet<Step>,
) -> Result<bool, Violation> {
    let setting = &world.setting;
    let (base, seen) = view(world, session)?;
    let group = setting.together(image);
    if group.len() < 2 {
        return Ok(true);
    }
    let mut after = Vec::new();
    for own in group {
        for (place, current) in seen.values(environment, own).enumerate() {
            let step =
                moves.iter().find(|step| (step.environment, step.image, step.place) == (environment, own, place));
            after.push((own, place, step.map_or(current, |step| &step.to)));
        }
    }
    // A digest that is written on one side alone makes no difference.
    let is_same = |one: &Value, other: &Value| {
        one.tag == other.tag && (one.digest == other.digest || one.digest.is_none() || other.digest.is_none())
    };
    if environment == 0 && setting.upstream.is_some() {
        let all = |runs: &dyn Fn(usize) -> Option<Value>| {
            after.iter().all(|(own, _, value)| runs(*own).is_some_and(|stood| is_same(&stood, value)))
        };
        return Ok(upstream::ever(world, session, &all));
    }
    let stood = |landing: &Landing, before: usize| {
        let is_it = |(own, place, value): &(usize, usize, &Value)| {
            let there = seen.counterpart((environment, before), *own, *place);
            landing.runs_at(before, *own, there).is_some_and(|stood| is_same(stood, value))
        };
        after.iter().all(is_it)
    };
    let ever = |before: &usize| world.ledger.landings[..=base].iter().any(|landing| stood(landing, *before));
    Ok(setting.ways(environment).iter().any(|way| way.iter().all(ever)))
}

/// What holds whenever nobody is in the middle of something.
pub(super) fn state(world: &World) -> Verdict {
    let mut seen: Vec<((usize, usize), usize)> = Vec::new();
    for (index, pull) in world.pulls.iter().enumerate().filter(|(_, pull)| pull.is_open()) {
        if !world.git.commit(&pull.commit).by.is_pass() {
            continue;
        }
        let places: BTreeSet<(usize, usize)> =
            world.brings(&pull.commit).iter().map(|step| (step.environment, step.image)).collect();
        for place in places {
            // Beside one under another `branchPrefix` a person may open an old one again.
            let is_theirs = |other: &usize| {
                pull.reopened_beside.contains(other) || world.pulls[*other].reopened_beside.contains(&index)
            };
            if let Some((_, other)) = seen.iter().find(|(known, other)| *known == place && !is_theirs(other)) {
                let text = format!("#{} and #{} are for the same image and environment", other + 1, index + 1);
                return violated("one pull request at most", text);
            }
            seen.push((place, index));
        }
    }
    let places = ledger::places(&world.git, &world.setting, world.git.tree(&world.git.main));
    if places != world.ledger.last().places {
        return violated("nobody's commits are lost", "the base is not what the ledger says");
    }
    Ok(())
}
