//! What must never happen, looked at before each effect of a pass, by what the world itself knows.
//!
//! A pass is judged by what it could know: the base that it fetched, the lists that it was given, its own clock.
//! Entry points are named after the effects. Uses nothing that decides or promotes.

use std::collections::BTreeSet;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tagboat::model::commit::CommitId;
use tagboat::model::environment::BranchName;
use tagboat::model::pull_request::{CheckState, LABEL_HOLD, LABEL_RETRY, State};

use super::ledger::{self, Landing, Step, is_lower, steps};
use super::session::Session;
use super::setting::{Publishes, ZONE, is_followed};
use super::world::forge::Pull;
use super::world::git::Tree;
use super::world::{By, Violation, World, short};

/// The file in which people hold versions.
pub(super) const HOLDS: &str = ".tagboat/holds.yaml";

type Verdict = Result<(), Violation>;

fn violated<T>(rule: &'static str, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { rule, text: text.into() })
}

/// Whether something stands in a pull request or is on the base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Proposed,
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
        landed(world, session, before, &made.tree)?;
    }
    Ok(())
}

/// A change of the base, from one tree to the next.
fn landed(world: &World, session: &Session, before: &Tree, after: &Tree) -> Verdict {
    let moves = changed(world, session, before, after)?;
    if session.by.is_pass() { judge(world, session, &moves, Stage::Landed) } else { Ok(()) }
}

/// Returns what moves, where that is all that changes.
fn changed(world: &World, session: &Session, before: &Tree, after: &Tree) -> Result<BTreeSet<Step>, Violation> {
    let mut after = after.clone();
    if !session.by.is_pass() {
        // What a person orders may be held in the same commit.
        let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
        match before.get(&path) {
            Some(blob) => drop(after.insert(path, blob.clone())),
            None => drop(after.remove(&path)),
        }
    }
    match steps(&world.git, &world.setting, before, &after) {
        Err(text) => violated("only references change", text),
        Ok(moves) if moves.is_empty() && session.by.is_pass() => {
            violated("nothing is empty", "a commit changes nothing")
        }
        Ok(moves) => Ok(moves),
    }
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
    let (base, seen) = view(world, session)?;
    let what = format!("{} {}: {} to {}", environment.name, short(step.image), step.from, step.to);

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
    let is_repinned = is_pinned && !environment.after.is_empty();
    if !is_repinned && !round.lists[&step.image].contains(&step.to.tag) {
        return violated("only what exists", what);
    }
    if !round.has_history {
        return violated("no half facts", format!("{what}: the history was not read"));
    }
    let is_unsure = |tag: &String| round.failed_facts.contains(&(step.image, tag.clone()));
    if environment.after.is_empty() && is_unsure(&step.to.tag) {
        return violated("no half facts", format!("{what}: a fact about it could not be had"));
    }
    let unread = environment.after.iter().find(|before| round.failed_environments.contains(before));
    if let Some(before) = unread {
        let before = setting.environments[*before].name;
        return violated("no half facts", format!("{what}: a file of {before} could not be read"));
    }
    if let Some(minutes) = setting.least_age
        && let Some(tagged) = world.registry[step.image].get(&step.to.tag)
        && session.now.duration_since(tagged.pushed) < SignedDuration::from_mins(minutes)
    {
        return violated("nothing too young", what);
    }
    for before in &environment.after {
        let counts_introduced = environment.soak.is_some_and(|(_, introduced)| introduced);
        let same = |value: &super::setting::Value| {
            value.tag == step.to.tag && (step.to.digest.is_none() || value.digest == step.to.digest)
        };
        let mut values = seen.values(*before, step.image).peekable();
        let runs_there = values.peek().is_some() && values.all(same);
        let ran_there = || world.ledger.landings[..=base].iter().any(|one| one.values(*before, step.image).any(same));
        let was_there = runs_there || (counts_introduced && ran_there());
        if !was_there {
            let before = setting.environments[*before].name;
            return violated("never past an environment", format!("{what}, which {before} does not run"));
        }
    }
    let concerned = setting.with_ancestors(step.environment);
    if seen.is_taken_back(&concerned, step.image, &step.to.tag) {
        return violated("what was taken back stays", what);
    }
    if let Some(hold) = held(world, seen, &concerned, step.image, &step.to.tag, session.now) {
        return violated("holds hold", format!("{what}, which is held: {hold}"));
    }
    if stage == Stage::Landed {
        if environment.publishes == Publishes::PullRequest {
            return violated("a person merges", what);
        }
        gates(world, session, base, step)?;
    } else if environment.publishes == Publishes::Commit {
        return violated("published as configured", format!("{what}: a pull request where commits are made"));
    }
    Ok(())
}

/// Whether every gate of a step's environment was passed at the session's moment.
fn gates(world: &World, session: &Session, base: usize, step: &Step) -> Verdict {
    let environment = &world.setting.environments[step.environment];
    let what = format!("{} {} to {}", environment.name, short(step.image), step.to);
    if let Some((minutes, introduced)) = environment.soak {
        let soak = SignedDuration::from_mins(minutes);
        for before in &environment.after {
            let ledger = &world.ledger;
            let mut value = step.to.clone();
            if value.digest.is_none() {
                // A digest that stands before and not here makes no difference.
                let mut values = ledger.landings[base].values(*before, step.image);
                value = values.find(|own| own.tag == value.tag).cloned().unwrap_or(value);
            }
            let since = if introduced {
                ledger.introduced(base, *before, step.image, &value)
            } else {
                ledger.since(base, *before, step.image, &value)
            };
            let before = world.setting.environments[*before].name;
            let Some(since) = since else { return violated("soak", format!("{what}: {before} does not run it")) };
            let (told, truly) = (session.now.duration_since(since.told), world.now.duration_since(since.at));
            if told < soak || (world.clocks_are_right && truly < soak) {
                return violated("soak", format!("{what} after {truly:#} of {soak:#} in {before}"));
            }
        }
    }
    let zone = TimeZone::get(ZONE).expect("the zone is known");
    let local = session.now.to_zoned(zone);
    if let Some(window) = environment.window {
        let is_day = local.weekday().to_monday_zero_offset() <= Weekday::to_monday_zero_offset(window.last_day);
        if !is_day || local.hour() < window.from || local.hour() >= window.to {
            return violated("windows", format!("{what} at {local}"));
        }
    }
    if let Some((from, to)) = environment.freeze
        && local.date() >= from
        && local.date() <= to
    {
        return violated("freezes", format!("{what} at {local}"));
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
            let own: Vec<&super::setting::Value> = seen.values(*environment, other).collect();
            let Some(lowest) = own.iter().min_by_key(|value| super::setting::version(&value.tag)) else { continue };
            let name = setting.environments[*environment].name;
            let (left, gone) = (short(other), short(*image));
            let torn =
                |why: String| violated("groups go together", format!("{name}: {gone} goes without {left}: {why}"));
            if session.round.failed_lists.contains(&other) || !session.round.lists.contains_key(&other) {
                return torn("whose tags were not listed".to_owned());
            }
            if setting.environments[*environment].after.is_empty() {
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
            } else if setting.environments[*environment].soak.is_none_or(|(_, introduced)| !introduced) {
                for before in &setting.environments[*environment].after {
                    let ahead = seen.values(*before, other).find(|value| is_lower(&lowest.tag, &value.tag));
                    if let Some(ahead) = ahead {
                        return torn(format!("{} runs {ahead}", setting.environments[*before].name));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Finds the entry of the holds at a base that holds a version.
fn held(
    world: &World,
    seen: &Landing,
    environments: &[usize],
    image: usize,
    tag: &str,
    now: Timestamp,
) -> Option<String> {
    let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
    let text = world.git.tree(&seen.commit).get(&path).map(|blob| world.git.text(blob))?;
    let holds = holds(text);
    let names: Vec<&str> = environments.iter().map(|own| world.setting.environments[*own].name).collect();
    let found = holds.into_iter().find(|hold| {
        hold.image == super::setting::IMAGES[image]
            && hold.tag == tag
            && hold.environment.as_ref().is_none_or(|own| names.contains(&own.as_str()))
            && hold.until.as_ref().is_none_or(|until| until.parse::<Timestamp>().is_ok_and(|until| now < until))
    });
    found.map(|hold| format!("{hold:?}"))
}

/// An entry of the file of holds, read line by line.
#[derive(Debug, Default, Clone)]
pub(super) struct Held {
    pub(super) image: String,
    pub(super) tag: String,
    pub(super) environment: Option<String>,
    until: Option<String>,
}

/// Reads the entries of the file of holds.
pub(super) fn holds(text: &str) -> Vec<Held> {
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

/// A head branch that is made, moved or removed.
pub(super) fn push_head(world: &World, id: usize, name: &BranchName, new: Option<&CommitId>) -> Verdict {
    let session = &world.sessions[id];
    let round = &session.round;
    if !round.has_heads || (world.setting.forge.is_some() && round.listed.is_none()) {
        return violated("no half facts", format!("{name} is moved although not everything was listed"));
    }
    if let Some(old) = world.git.heads.get(name) {
        let beyond = world.git.beyond(old, &world.git.main);
        if beyond.iter().any(|commit| commit.by == By::Person) {
            return violated("nobody's commits are lost", format!("{name} holds a person's commit"));
        }
        let holds_order = beyond.iter().any(|commit| matches!(commit.by, By::Order(_)));
        if session.by.is_pass() && holds_order && !is_on_base(world, old) {
            return violated("what was ordered stays", format!("{name} holds what a person ordered"));
        }
    }
    if is_labelled(session, name) {
        return violated("a person's hold is heeded", format!("{name} is moved although its pull request is held"));
    }
    let Some(new) = new else { return Ok(()) };
    let made = world.git.commit(new);
    let on_base = made.parents.len() == 1 && world.ledger.position(&made.parents[0]).is_some();
    if !on_base {
        return violated("nobody's commits are lost", format!("{name} does not stand on the base"));
    }
    let moves = changed(world, session, world.git.tree(&made.parents[0]), &made.tree)?;
    if !session.by.is_pass() {
        return Ok(());
    }
    // A head branch under an open pull request is what the pull request proposes.
    let open = round.listed.as_ref().and_then(|listed| Some((listed, open_in(listed, name)?)));
    if let Some((listed, open)) = open
        && world.brings(&open.commit) != world.brings(new)
    {
        not_refused(world, listed, name, new)?;
    }
    judge(world, session, &moves, Stage::Proposed)
}

fn open_in<'p>(pulls: &'p [Pull], head: &BranchName) -> Option<&'p Pull> {
    pulls.iter().find(|pull| pull.is_open() && pull.head == *head)
}

/// Whether the base has what a head brings: the same files, or a merged pull request.
fn is_on_base(world: &World, head: &CommitId) -> bool {
    let made = world.git.commit(head);
    let (before, main) = (world.git.tree(&made.parents[0]), world.git.tree(&world.git.main));
    let mut changed = super::world::git::differences(before, &made.tree);
    let is_merged = world.pulls.iter().any(|pull| pull.state == State::Merged && pull.commit == *head);
    is_merged || changed.all(|(path, _, after)| main.get(path) == after)
}

fn is_labelled(session: &Session, head: &BranchName) -> bool {
    let mut listed = session.round.listed.iter().flatten();
    listed.any(|pull| pull.is_open() && pull.head == *head && pull.labels.contains(LABEL_HOLD))
}

/// A pull request that is opened.
pub(super) fn open(world: &World, id: usize, head: &BranchName, commit: &CommitId) -> Verdict {
    let session = &world.sessions[id];
    let fork = world.git.fork(commit, &world.git.main);
    if world.git.tree(&fork) == world.git.tree(commit) {
        return violated("nothing is empty", format!("the pull request of {head} changes nothing"));
    }
    if session.by.is_pass() { not_refused(world, &world.pulls, head, commit) } else { Ok(()) }
}

/// Whether what a head brings was refused: closed by a person, who has not asked for it again.
fn not_refused(world: &World, pulls: &[Pull], head: &BranchName, commit: &CommitId) -> Verdict {
    let brings = world.brings(commit);
    let refused = pulls.iter().position(|pull| {
        pull.state == State::Closed
            && pull.closed_by == Some(By::Person)
            && pull.head == *head
            && pull.brought == brings
            && !pull.is_rewritten
            && !pull.is_withdrawn
            && !pull.labels.contains(LABEL_RETRY)
    });
    match refused {
        Some(refused) => violated("what was refused stays", format!("{head}: the same as #{}", refused + 1)),
        None => Ok(()),
    }
}

/// A pull request that is changed.
pub(super) fn touch(world: &World, id: usize, index: usize, verb: &str) -> Verdict {
    let session = &world.sessions[id];
    if is_labelled(session, &world.pulls[index].head) {
        return violated("a person's hold is heeded", format!("{verb} #{} although it is held", index + 1));
    }
    Ok(())
}

/// A pull request that is closed.
pub(super) fn close(world: &World, id: usize, index: usize) -> Verdict {
    touch(world, id, index, "closes")?;
    let session = &world.sessions[id];
    let pull = &world.pulls[index];
    let listed = session.round.listed.as_ref().and_then(|listed| listed.get(index));
    let beyond = world.git.beyond(&pull.commit, &world.git.main);
    if listed.is_some_and(|seen| seen.commit == pull.commit) && beyond.iter().any(|commit| commit.by == By::Person) {
        return violated("what a person took over is theirs", format!("#{} is closed", index + 1));
    }
    Ok(())
}

/// A pull request that is merged.
pub(super) fn merge(world: &World, id: usize, index: usize) -> Verdict {
    touch(world, id, index, "merges")?;
    let session = &world.sessions[id];
    let pull = &world.pulls[index];
    let what = format!("#{}", index + 1);
    let beyond = world.git.beyond(&pull.commit, &world.git.main);
    let may_merge = |by: By| by.is_pass() || (!session.by.is_pass() && by != By::Person);
    if let Some(other) = beyond.iter().find(|commit| !may_merge(commit.by)) {
        return violated("merged at the head that was judged", format!("{what} holds \"{}\"", other.message.trim()));
    }
    let Some((_, readiness)) = session.round.ready.get(&index).filter(|(commit, _)| *commit == pull.commit) else {
        return violated("merged at the head that was judged", format!("{what}: nobody asked about its checks"));
    };
    if let Some(check) = readiness.checks.iter().find(|check| check.state != CheckState::Passed)
        && !check.name.starts_with("tagboat/")
    {
        return violated("every check has passed", format!("{what}: {} is {}", check.name, check.word));
    }
    let has_check = readiness.checks.iter().any(|check| !check.name.starts_with("tagboat/"));
    if world.setting.forge.is_some_and(|forge| forge.wants_checks) && !has_check {
        return violated("every check has passed", format!("{what}: there is none"));
    }
    if !readiness.changes_requested.is_empty() {
        return violated("every check has passed", format!("{what}: changes are requested"));
    }
    match world.git.merged(&pull.commit) {
        Some(tree) => landed(world, session, world.git.tree(&world.git.main), &tree),
        None => Ok(()),
    }
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
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == place) {
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
