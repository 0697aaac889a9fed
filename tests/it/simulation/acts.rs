//! What people, their CI, their builds and the registry do.
//!
//! Every act names what it is about by a number that is taken modulo what there is; where there is nothing, it does nothing.

use fastrand::Rng;
use jiff::SignedDuration;
use tagboat::model::environment::BranchName;
use tagboat::model::pull_request::{CheckState, LABEL_HOLD, LABEL_REBASE, LABEL_RETRY, State};

use super::around;
use super::moving;
use super::rules::{HOLDS, Held, holds};
use super::setting::{BROKEN, DEPLOYS, IMAGES, Value, references, version, with_value};
use super::upstream;
use super::world::git::{NewCommit, Tree, differences, person};
use super::world::{By, Measure, World, short};

/// A thing that somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Minutes go by.
    Wait(u32),
    /// A build is pushed: a patch, a minor, a major or a pre-release; of the whole group, or of the image alone.
    Build {
        image: usize,
        kind: u8,
        together: bool,
    },
    /// A tag is pushed again with other content.
    Repush {
        image: usize,
        nth: usize,
    },
    /// A tag is removed.
    Untag {
        image: usize,
        nth: usize,
    },
    /// A person writes another version at one place.
    Write {
        environment: usize,
        image: usize,
        place: usize,
        nth: usize,
    },
    /// A person reverts one of the last commits.
    Revert {
        nth: usize,
    },
    /// A person reverts one of the last commits, and some minutes later reverts that.
    Reconsider {
        nth: usize,
        minutes: u32,
    },
    /// A person takes out every hold on what went back by itself last.
    Forgive,
    /// A person commits something else.
    Docs(u32),
    /// A person adds a comment to a manifest.
    Comment {
        nth: usize,
        number: u32,
    },
    /// A person breaks a manifest, or mends those that are broken.
    Break {
        nth: usize,
    },
    Mend,
    /// A person writes an entry into the file of holds, or takes one out.
    Hold {
        environment: Option<usize>,
        image: usize,
        nth: usize,
        hours: Option<u8>,
    },
    Release {
        nth: usize,
    },
    /// A person closes, reopens or merges a pull request, or the head branch that stands for one.
    Close {
        nth: usize,
    },
    Reopen {
        nth: usize,
    },
    Merge {
        nth: usize,
    },
    /// A person sets or removes a label.
    Label {
        nth: usize,
        label: u8,
    },
    /// A person pushes to a head branch, removes one, or writes over a body.
    PushHead {
        nth: usize,
    },
    RemoveHead {
        nth: usize,
    },
    Rewrite {
        nth: usize,
    },
    /// A reviewer asks for changes, or is content again.
    RequestChanges {
        nth: usize,
    },
    /// CI reports on a head.
    Report {
        nth: usize,
        state: u8,
    },
    /// The base is protected, or not any more.
    Protect(bool),
    /// What deploys an environment, or all of them, reports on one of the last commits of the base.
    Deploy {
        environment: Option<usize>,
        nth: usize,
        state: u8,
    },
    /// What is measured of an environment changes, or what its page says.
    Measure {
        environment: usize,
        what: u8,
        is_page: bool,
    },
    /// One of two people approves a head commit, or takes that back.
    Approve {
        nth: usize,
        who: usize,
    },
    Disapprove {
        nth: usize,
        who: usize,
    },
    /// Something happens in the other repository.
    Upstream(upstream::Deed),
    /// Something happens around the base.
    Around(around::Deed),
    /// Something happens to the image that follows a moving tag.
    Moving(moving::Deed),
}

/// What somebody does to a head branch or its pull request right before Tagboat does something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ambush {
    Push,
    Close,
    Hold,
    Fail,
    Object,
    Disapprove,
    Merge,
}

impl Ambush {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let all =
            [Self::Push, Self::Push, Self::Close, Self::Hold, Self::Fail, Self::Object, Self::Disapprove, Self::Merge];
        rng.choice(all).expect("there are some")
    }
}

impl Act {
    /// Draws what somebody does.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let (environment, image, nth) = (rng.usize(..8), rng.usize(..8), rng.usize(..64));
        match rng.u8(..130) {
            0..=15 => Self::Wait(rng.choice([1, 5, 20, 45, 130, 600, 1500]).expect("there are some")),
            16..=35 => Self::Build { image, kind: rng.u8(..16), together: rng.u8(..4) > 0 },
            36 => Self::Repush { image, nth },
            37 => Self::Untag { image, nth },
            38..=45 => Self::Write { environment, image, place: rng.usize(..4), nth },
            46..=50 => Self::Revert { nth: rng.usize(..3) },
            51..=53 => Self::Docs(rng.u32(..)),
            54..=55 => Self::Comment { nth, number: rng.u32(..) },
            56 => Self::Break { nth },
            57 => Self::Mend,
            58..=60 => Self::Hold {
                environment: rng.bool().then_some(environment),
                image,
                nth,
                hours: rng.bool().then(|| rng.u8(1..60)),
            },
            61..=62 => Self::Release { nth },
            63..=67 => Self::Close { nth },
            68 => Self::Reopen { nth },
            69..=74 => Self::Merge { nth },
            75..=78 => Self::Label { nth, label: rng.u8(..3) },
            79..=81 => Self::PushHead { nth },
            82 => Self::RemoveHead { nth },
            83 => Self::Rewrite { nth },
            84..=85 => Self::RequestChanges { nth },
            86..=98 => Self::Report { nth, state: rng.u8(..6) },
            99 => Self::Protect(rng.bool()),
            100..=111 => Self::Deploy {
                environment: rng.bool().then_some(environment),
                nth: rng.usize(..4).saturating_sub(1),
                state: rng.u8(..10),
            },
            112..=115 => Self::Measure { environment, what: rng.u8(..8), is_page: rng.bool() },
            116..=121 => Self::Approve { nth, who: rng.usize(..2) },
            122 => Self::Disapprove { nth, who: rng.usize(..2) },
            123..=125 => Self::Reconsider {
                nth: rng.usize(..3),
                minutes: rng.choice([1, 20, 130, 600]).expect("there are some"),
            },
            _ => Self::Forgive,
        }
    }

    /// Draws what somebody does at the worst moment: while a pass runs.
    pub(super) fn draw_for_a_race(rng: &mut Rng) -> Self {
        let (environment, image, nth) = (rng.usize(..8), rng.usize(..8), rng.usize(..64));
        match rng.u8(..12) {
            0..=1 => Self::PushHead { nth },
            2 if rng.bool() => Self::Disapprove { nth, who: rng.usize(..2) },
            2 => Self::Approve { nth, who: rng.usize(..2) },
            3 => Self::Close { nth },
            4 => Self::Merge { nth },
            5 => Self::Label { nth, label: 0 },
            6 => Self::Report { nth, state: rng.u8(..3) },
            7 => Self::Write { environment, image, place: rng.usize(..4), nth },
            8 => Self::Revert { nth: rng.usize(..3) },
            9 => Self::Deploy { environment: None, nth: 0, state: rng.u8(..10) },
            10 => Self::Measure { environment, what: rng.u8(..8), is_page: rng.bool() },
            _ => Self::draw(rng),
        }
    }
}

/// Does it.
pub(super) fn act(world: &mut World, act: &Act) {
    match act {
        Act::Wait(minutes) => world.now += SignedDuration::from_mins(i64::from(*minutes)),
        Act::Build { .. } | Act::Repush { .. } | Act::Untag { .. } => registry(world, act),
        Act::Write { .. }
        | Act::Revert { .. }
        | Act::Reconsider { .. }
        | Act::Forgive
        | Act::Docs(_)
        | Act::Comment { .. }
        | Act::Break { .. }
        | Act::Mend
        | Act::Hold { .. }
        | Act::Release { .. } => files(world, act),
        Act::Protect(is_protected) => protect(world, *is_protected),
        Act::Deploy { .. } | Act::Measure { .. } => machines(world, act),
        Act::Upstream(deed) => upstream::act(world, deed),
        Act::Around(deed) => around::act(world, deed),
        Act::Moving(deed) => moving::act(world, deed),
        _ => pulls(world, act),
    }
}

fn protect(world: &mut World, is_protected: bool) {
    if world.is_protected != is_protected {
        world.tell(if is_protected { "the base takes no push any more" } else { "the base takes pushes again" });
    }
    world.is_protected = is_protected;
}

fn registry(world: &mut World, act: &Act) {
    let images = world.setting.images;
    match act {
        Act::Build { image, kind, together } => {
            let image = image % images;
            let all = world.setting.together(image);
            let newest = all.iter().flat_map(|own| world.registry[*own].keys()).filter_map(|tag| version(tag)).max();
            let [major, minor, patch] = newest.unwrap_or([1, 4, 0]);
            let tag = match kind {
                0..=8 => format!("{major}.{}.0", minor + 1),
                9..=12 => format!("{major}.{minor}.{}", patch + 1),
                13 => format!("{}.0.0", major + 1),
                14 => format!("{major}.{}.0-rc.1", minor + 1),
                _ => format!("{major}.{minor}.{}-debug", patch + 1),
            };
            for own in all.into_iter().filter(|own| *together || *own == image) {
                world.push_image(own, &tag);
            }
        }
        Act::Repush { image, nth } | Act::Untag { image, nth } => {
            let image = image % images;
            let tags: Vec<String> = world.registry[image].keys().cloned().collect();
            let Some(tag) = tags.get(nth % tags.len().max(1)) else { return };
            if matches!(act, Act::Untag { .. }) {
                world.registry[image].remove(tag);
                world.tell(format!("registry: {}:{tag} is removed", short(image)));
            } else {
                world.push_image(image, tag);
            }
        }
        _ => {}
    }
}

/// The manifests of the base.
fn manifests(world: &World) -> Vec<(String, String)> {
    let tree = world.git.tree(&world.git.main);
    let own = tree.iter().filter(|(path, _)| world.setting.environment_of(path.as_str()).is_some());
    own.map(|(path, blob)| (path.as_str().to_owned(), world.git.text(blob).to_owned())).collect()
}

fn files(world: &mut World, act: &Act) {
    match act {
        Act::Write { environment, image, place, nth } => write(world, *environment, *image, *place, *nth),
        Act::Revert { nth } => revert(world, *nth),
        Act::Reconsider { nth, minutes } => {
            let before = world.git.main.clone();
            revert(world, *nth);
            world.now += SignedDuration::from_mins(i64::from(*minutes));
            if world.git.main != before {
                revert(world, 0);
            }
        }
        Act::Forgive => forgive(world),
        Act::Docs(number) => {
            world.tell("a person changes the readme");
            world.edit("Docs", &[("readme", Some(format!("{number}\n")))]);
        }
        Act::Comment { nth, number } => {
            let all = manifests(world);
            let Some((path, text)) = all.get(nth % all.len().max(1)) else { return };
            world.tell(format!("a person writes a comment into {path}"));
            world.edit("A comment", &[(path, Some(format!("{text}# {number}\n")))]);
        }
        Act::Break { nth } => {
            let all = manifests(world);
            let Some((path, text)) = all.get(nth % all.len().max(1)) else { return };
            if !text.starts_with(BROKEN) {
                world.tell(format!("a person breaks {path}"));
                world.edit("Oops", &[(path, Some(format!("{BROKEN}{text}")))]);
            }
        }
        Act::Mend => mend(world),
        Act::Hold { environment, image, nth, hours } => {
            let image = image % world.setting.images;
            let environment =
                environment.map(|own| world.setting.environments[own % world.setting.environments.len()].name);
            let tags: Vec<&String> = world.registry[image].keys().collect();
            let Some(tag) = tags.get(nth % tags.len().max(1)).copied().cloned() else { return };
            let mut text = world.file(HOLDS).unwrap_or("version: 1\nholds:\n").to_owned();
            if !text.contains("holds:") || text.contains("holds: []") {
                text = "version: 1\nholds:\n".to_owned();
            }
            text.push_str(&format!("  - image: {}\n    tag: {tag}\n", IMAGES[image]));
            if let Some(name) = environment {
                text.push_str(&format!("    environment: {name}\n"));
            }
            if let Some(hours) = hours {
                let until = world.now + SignedDuration::from_hours(i64::from(*hours));
                text.push_str(&format!("    until: {until}\n"));
            }
            let place = environment.map_or("everywhere".to_owned(), |name| format!("in {name}"));
            world.tell(format!("a person holds {}:{tag} {place}", short(image)));
            world.edit("Hold", &[(HOLDS, Some(text))]);
        }
        Act::Release { nth } => {
            let Some(text) = world.file(HOLDS) else { return };
            let mut all = holds(text);
            if all.is_empty() {
                return;
            }
            let gone = all.remove(nth % all.len());
            world.tell(format!("a person takes the hold on {}:{} out", gone.image, gone.tag));
            release(world, &all);
        }
        _ => {}
    }
}

/// Leaves only these entries in the file of holds.
fn release(world: &mut World, left: &[Held]) {
    let mut text = "version: 1\nholds:\n".to_owned();
    for hold in left {
        text.push_str(&format!("  - image: {}\n    tag: {}\n", hold.image, hold.tag));
        if let Some(environment) = &hold.environment {
            text.push_str(&format!("    environment: {environment}\n"));
        }
    }
    let text = (!left.is_empty()).then_some(text);
    world.edit("Release", &[(HOLDS, text)]);
}

/// Releases what went back by itself last.
pub(super) fn forgive(world: &mut World) {
    let Some((_, _, image, value)) = world.ledger.returned.last().cloned() else { return };
    let Some(text) = world.file(HOLDS) else { return };
    let all = holds(text);
    let is_left = |hold: &&Held| hold.image != IMAGES[image] || hold.tag != value.tag;
    let left: Vec<Held> = all.iter().filter(is_left).cloned().collect();
    if left.len() < all.len() {
        world.tell(format!("a person releases {}:{value}, which went back by itself", short(image)));
        release(world, &left);
    }
}

/// Mends every manifest that is broken.
pub(super) fn mend(world: &mut World) {
    for (path, text) in manifests(world) {
        if let Some(text) = text.strip_prefix(BROKEN) {
            world.tell(format!("a person mends {path}"));
            world.edit("Mended", &[(&path, Some(text.to_owned()))]);
        }
    }
}

fn write(world: &mut World, environment: usize, image: usize, place: usize, nth: usize) {
    let environment = environment % world.setting.environments.len();
    let image = image % world.setting.images;
    let mut places = Vec::new();
    for (path, text) in manifests(world) {
        if world.setting.environment_of(&path) == Some(environment) {
            for (index, (own, value)) in references(&text).into_iter().enumerate() {
                if own == image {
                    places.push((path.clone(), text.clone(), index, value));
                }
            }
        }
    }
    let known = world.digests.iter().filter(|(own, tag, _)| *own == image && version(tag).is_some());
    let known: Vec<(String, String)> = known.map(|(_, tag, digest)| (tag.clone(), digest.clone())).collect();
    let Some((path, text, index, before)) = places.get(place % places.len().max(1)) else { return };
    let (tag, digest) = known[nth % known.len()].clone();
    let value = Value { tag, digest: before.digest.as_ref().map(|_| digest) };
    if value != *before {
        let name = world.setting.environments[environment].name;
        world.tell(format!("a person writes {} {value} over {before} in {name}", short(image)));
        world.edit("By hand", &[(path, Some(with_value(text, *index, &value)))]);
    }
}

/// A person writes a digest under the tag that moves.
pub(super) fn write_moving(world: &mut World, environment: usize, value: &Value) {
    let name = world.setting.environments[environment].name;
    let (path, _) = moving::file(name);
    let Some(text) = world.file(&path).map(str::to_owned) else { return };
    let before = references(&text).first().map(|(_, before)| before.clone());
    if let Some(before) = before.filter(|before| before != value) {
        world.tell(format!("a person writes {} {value} over {before} in {name}", short(moving::MOVING)));
        world.edit("By hand", &[(&path, Some(with_value(&text, 0, value)))]);
    }
}

fn revert(world: &mut World, nth: usize) {
    let main = world.git.main.clone();
    let Some((id, commit)) = world.git.line(&main).nth(nth) else { return };
    let Some(parent) = commit.parents.first() else { return };
    let mut tree = Tree::clone(world.git.tree(&main));
    for (path, before, after) in differences(world.git.tree(parent), &commit.tree) {
        if tree.get(path) != after {
            return;
        }
        match before {
            Some(blob) => tree.insert(path.clone(), blob.clone()),
            None => tree.remove(path),
        };
    }
    let subject = commit.message.lines().next().unwrap_or_default().to_owned();
    let message = format!("Revert \"{subject}\"\n\nThis reverts commit {id}.\n");
    world.tell(format!("a person reverts \"{subject}\""));
    world.commit_tree(&message, tree);
}

/// Picks one of several.
fn pick<T: Copy>(all: &[T], nth: usize) -> Option<T> {
    all.get(nth % all.len().max(1)).copied()
}

fn pulls(world: &mut World, act: &Act) {
    let of = |world: &World, state: State| -> Vec<usize> {
        (0..world.pulls.len()).filter(|index| world.pulls[*index].state == state).collect()
    };
    let open = of(world, State::Open);
    let heads: Vec<_> = world.git.heads.keys().cloned().collect();
    match act {
        Act::Close { nth } => {
            if let Some(index) = pick(&open, *nth) {
                world.tell(format!("a person closes #{}: {}", index + 1, world.pulls[index].title));
                world.close(index, By::Person);
            }
        }
        Act::Reopen { nth } => {
            let closed = of(world, State::Closed);
            let Some(index) = pick(&closed, *nth) else { return };
            let head = world.pulls[index].head.clone();
            let Some(tip) = world.git.heads.get(&head).cloned() else { return };
            if world.open_of(&head).is_none() {
                world.tell(format!("a person reopens #{}", index + 1));
                let beside = of(world, State::Open).into_iter().collect();
                let pull = &mut world.pulls[index];
                pull.reopened_beside = beside;
                (pull.state, pull.commit, pull.closed_by) = (State::Open, tip, None);
                pull.is_reopened = true;
                world.touch(index);
            }
        }
        Act::Merge { nth } => merge(world, *nth),
        Act::Label { nth, label } => {
            let (label, all) = match label {
                0 => (LABEL_HOLD, open),
                1 => (LABEL_REBASE, open),
                _ => (LABEL_RETRY, of(world, State::Closed)),
            };
            let Some(index) = pick(&all, *nth) else { return };
            let labels = &mut world.pulls[index].labels;
            let is_new = labels.insert(label.to_owned());
            if !is_new {
                labels.remove(label);
            }
            world.touch(index);
            let verb = if is_new { "sets" } else { "removes" };
            world.tell(format!("a person {verb} {label} on #{}", index + 1));
        }
        Act::PushHead { nth } => {
            if let Some(name) = heads.get(nth % heads.len().max(1)) {
                push_to(world, name, *nth);
            }
        }
        Act::RemoveHead { nth } => {
            let Some(name) = heads.get(nth % heads.len().max(1)) else { return };
            world.tell(format!("a person removes {name}"));
            world.move_head(name, None, By::Person);
        }
        Act::Rewrite { nth } => {
            if let Some(index) = pick(&open, *nth) {
                world.tell(format!("a person writes over the body of #{}", index + 1));
                world.pulls[index].body = "nothing".to_owned();
                world.pulls[index].is_rewritten = true;
                world.touch(index);
            }
        }
        Act::RequestChanges { nth } => {
            if let Some(index) = pick(&open, *nth) {
                let asks = !world.pulls[index].changes_requested;
                world.pulls[index].changes_requested = asks;
                let words = if asks { "asks for changes of" } else { "is content with" };
                world.tell(format!("a person {words} #{}", index + 1));
            }
        }
        Act::Report { nth, state } => {
            let Some(name) = heads.get(nth % heads.len().max(1)) else { return };
            let tip = world.git.heads[name].clone();
            let state = match state {
                0 => CheckState::Failed,
                1 => CheckState::Pending,
                _ => CheckState::Passed,
            };
            world.tell(format!("CI reports on {name}: {state:?}"));
            world.report(&tip, "ci", state);
        }
        Act::Approve { nth, who } => {
            if let Some(index) = pick(&open, *nth) {
                world.tell(format!("person {who} approves #{}", index + 1));
                let commit = world.pulls[index].commit.clone();
                world.pulls[index].approvals.insert((*who, commit));
            }
        }
        Act::Disapprove { nth, who } => {
            let approves = |index: &usize| world.pulls[*index].approvals.iter().any(|(other, _)| other == who);
            if let Some(index) = pick(&open, *nth).filter(approves) {
                world.tell(format!("person {who} approves #{} no more", index + 1));
                world.pulls[index].approvals.retain(|(other, _)| other != who);
            }
        }
        _ => {}
    }
}

/// A person pushes to a head branch.
fn push_to(world: &mut World, name: &BranchName, number: usize) {
    let tip = world.git.heads[name].clone();
    let mut tree = Tree::clone(world.git.tree(&tip));
    let blob = world.git.add_blob(format!("theirs {number}\n").as_bytes());
    // No new file: with sixteen of them, a pass would read on all cores at once, and no seed would tell its story twice.
    tree.insert(tagboat::model::file::RepoPath::new("readme").unwrap(), blob);
    let (author, time, by) = (person(), world.now, By::Person);
    let new = world.git.add(NewCommit { tree, parents: vec![tip], author, time, message: "Theirs", by });
    world.tell(format!("a person pushes to {name}"));
    world.move_head(name, Some(&new), By::Person);
}

/// Does something to a head branch, or to its pull request.
pub(super) fn ambush(world: &mut World, head: &BranchName, ambush: Ambush) {
    let open: Vec<usize> = (0..world.pulls.len()).filter(|index| world.pulls[*index].is_open()).collect();
    let heads: Vec<&BranchName> = world.git.heads.keys().collect();
    let pull = open.iter().position(|index| world.pulls[*index].head == *head);
    let branch = heads.iter().position(|name| *name == head);
    match (ambush, pull, branch) {
        (Ambush::Push, _, Some(_)) => push_to(world, head, 0),
        (Ambush::Fail, _, Some(nth)) => pulls(world, &Act::Report { nth, state: 0 }),
        (Ambush::Close, Some(nth), _) => pulls(world, &Act::Close { nth }),
        (Ambush::Hold, Some(nth), _) => pulls(world, &Act::Label { nth, label: 0 }),
        (Ambush::Object, Some(nth), _) => pulls(world, &Act::RequestChanges { nth }),
        (Ambush::Disapprove, Some(nth), _) => {
            [0, 1].into_iter().for_each(|who| pulls(world, &Act::Disapprove { nth, who }));
        }
        (Ambush::Merge, Some(nth), _) => merge(world, nth),
        _ => {}
    }
}

/// What deploys, and what measures.
fn machines(world: &mut World, act: &Act) {
    let count = world.setting.environments.len();
    match act {
        Act::Deploy { environment, nth, state } if world.setting.forge.is_some() => {
            let main = world.git.main.clone();
            let Some(commit) = world.git.line(&main).nth(*nth).map(|(id, _)| id.clone()) else { return };
            for index in 0..count {
                if environment.is_some_and(|only| only % count != index) {
                    continue;
                }
                let state = match state {
                    0..=4 if world.is_sick(index) => CheckState::Failed,
                    5 => CheckState::Failed,
                    6 => CheckState::Pending,
                    _ => CheckState::Passed,
                };
                let name = format!("{DEPLOYS}{}", world.setting.environments[index].name);
                let subject = world.git.commit(&commit).message.lines().next().unwrap_or_default().to_owned();
                world.tell(format!("{name} reports on \"{subject}\": {state:?}"));
                world.report(&commit, &name, state);
            }
        }
        Act::Measure { environment, what, is_page } => {
            let index = environment % count;
            let measure = match what {
                0 | 1 => Measure::Bad,
                2 => Measure::Nothing,
                3 => Measure::Senseless,
                4 => Measure::Down,
                _ => Measure::Good,
            };
            let all = if *is_page { &mut world.pages } else { &mut world.measures };
            all[index] = measure;
            let (what, name) =
                (if *is_page { "the page" } else { "the measuring" }, world.setting.environments[index].name);
            world.tell(format!("{what} of {name} is {measure:?}"));
        }
        _ => {}
    }
}

/// A person merges a pull request; on plain Git, the head branch itself.
pub(super) fn merge(world: &mut World, nth: usize) {
    if world.setting.forge.is_some() {
        let open: Vec<usize> = (0..world.pulls.len()).filter(|index| world.pulls[*index].is_open()).collect();
        if let Some(index) = pick(&open, nth)
            && world.git.merged(&world.pulls[index].commit).is_some()
            && around::lacking(world, &world.pulls[index].commit).is_empty()
        {
            world.tell(format!("a person merges #{}: {}", index + 1, world.pulls[index].title));
            world.merge(index, By::Person);
        }
        return;
    }
    let heads: Vec<_> = world.git.heads.keys().cloned().collect();
    let Some(name) = heads.get(nth % heads.len().max(1)) else { return };
    let tip = world.git.heads[name].clone();
    let Some(tree) = world.git.merged(&tip) else { return };
    let brought = world.brought_by(&tip);
    let parents = vec![world.git.main.clone(), tip];
    let message = format!("Merge branch '{name}'\n");
    world.tell(format!("a person merges {name}"));
    let (author, time) = (person(), world.now);
    let new = world.git.add(NewCommit { tree, parents, author, time, message: &message, by: By::Person });
    world.move_main(&new, By::Person, Some(brought));
}
