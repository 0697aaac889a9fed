//! Head branches and pull requests: what a pass may do to them.

use std::collections::BTreeSet;

use tagboat::model::commit::CommitId;
use tagboat::model::environment::BranchName;
use tagboat::model::pull_request::{CheckState, LABEL_HOLD, LABEL_RETRY, State};

use super::{HOLDS, Stage, Verdict, changed, holds, judge, landed, ordered, returns, violated};
use crate::simulation::around::plain_name;
use crate::simulation::ledger::{Step, steps};
use crate::simulation::session::Session;
use crate::simulation::world::forge::Pull;
use crate::simulation::world::git::{Commit, differences, words};
use crate::simulation::world::{By, Way, World};

/// A head branch that is made, moved or removed.
pub(in crate::simulation) fn push_head(world: &World, id: usize, name: &BranchName, new: Option<&CommitId>) -> Verdict {
    let session = &world.sessions[id];
    let round = &session.round;
    // What the branch of proposed holds brings is read from the branch; who pushed to it is judged below.
    let is_of_holds = name.as_str().ends_with("@holds");
    // Who cannot read what is proposed to be held, when it is to be made anew, knows of all others.
    let mut unread = round.failed_heads.iter().filter(|other| *other == name || !other.as_str().ends_with("@holds"));
    let has_heads = round.has_heads && unread.next().is_none();
    if !has_heads || (world.setting.forge.is_some() && round.listed.is_none() && !is_of_holds) {
        return violated("no half facts", format!("{name} is moved although not everything was listed"));
    }
    if let Some(old) = world.git.heads.get(name) {
        let beyond = world.git.beyond(old, &world.git.main);
        // Squashed onto the base, they are there under another id.
        let is_merged = world.pulls.iter().any(|pull| pull.state == State::Merged && pull.commit == *old);
        if !is_merged && beyond.iter().any(|commit| commit.by == By::Person) {
            return violated("nobody's commits are lost", format!("{name} holds a person's commit"));
        }
        let order = beyond.iter().find(|commit| matches!(commit.by, By::Order(_)));
        let said = |commit: &Commit| matches!(commit.by, By::Order(_)).then(|| commit.message.clone());
        let is_same = |order: &Commit| {
            let new = new.and_then(|new| said(world.git.commit(new)));
            new.is_some_and(|new| words(&new) == words(&order.message))
        };
        if session.by.is_pass()
            && let Some(order) = order.filter(|_| !is_on_base(world, old))
            && !is_same(order)
        {
            return violated("what was ordered stays", format!("{name} holds what a person ordered"));
        }
    }
    // Whoever orders a further hold means it.
    let is_further_hold = is_of_holds && !session.by.is_pass();
    if is_labelled(session, name) && !is_further_hold {
        return violated("a person's hold is heeded", format!("{name} is moved although its pull request is held"));
    }
    if is_of_holds && session.by.is_pass() {
        return holds::moved(world, name, new);
    }
    let Some(new) = new else { return Ok(()) };
    let made = world.git.commit(new);
    let on_base = made.parents.len() == 1 && world.ledger.position(&made.parents[0]).is_some();
    if !on_base {
        return violated("nobody's commits are lost", format!("{name} does not stand on the base"));
    }
    let (trees, way) = ((&**world.git.tree(&made.parents[0]), &*made.tree), Way::of(&made.message));
    if session.by.is_pass() && matches!(made.by, By::Order(_)) {
        return made_anew(world, name, new);
    }
    let moves = changed(world, session, trees, way)?;
    if !session.by.is_pass() {
        return if way == Way::Rollback { ordered(world, session, &moves, trees, way) } else { Ok(()) };
    }
    // A head branch under an open pull request is what the pull request proposes.
    let open = round.listed.as_ref().and_then(|listed| Some((listed, open_in(listed, name)?)));
    if let Some((listed, open)) = open
        && !is_the_same(&world.brings(new), &world.brings(&open.commit))
    {
        not_refused(world, listed, name, new)?;
    }
    match way {
        Way::Return => {
            // A later pass goes on with what one has proposed that could not push it.
            let before = world.git.heads.get(name).map(|old| &world.git.commit(old).message);
            let is_proposed = before.is_some_and(|before| Way::of(before) == way);
            // What stays for a person is made anew in its own words, which were judged when it first came.
            if before.is_some_and(|before| words(before) == words(&world.git.commit(new).message)) {
                return Ok(());
            }
            let is_instead = session.was_forbidden || is_proposed;
            let stage = if is_instead { Stage::ProposedInstead } else { Stage::Proposed };
            returns::judge(world, session, &moves, trees, stage)
        }
        Way::Forward | Way::Rollback => judge(world, session, &moves, Stage::Proposed),
    }
}

/// Whether what a pass makes anew of an order moves and holds what that does, and nothing else.
fn made_anew(world: &World, name: &BranchName, new: &CommitId) -> Verdict {
    let Some(old) = world.git.heads.get(name) else {
        return violated("what was ordered stays", format!("{name} is made by a pass"));
    };
    let path = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
    let held = |commit: &CommitId| -> Vec<(String, String, Option<String>)> {
        let text = world.git.tree(commit).get(&path).map(|blob| world.git.text(blob)).unwrap_or_default();
        holds(text).into_iter().map(|hold| (hold.image, hold.tag, hold.environment)).collect()
    };
    let moved = |commit: &CommitId| {
        let without = |id: &CommitId| {
            let mut tree = world.git.tree(id).as_ref().clone();
            tree.remove(&path);
            tree
        };
        let before = without(&world.git.commit(commit).parents[0]);
        steps(&world.git, &world.setting, &before, &without(commit))
    };
    match (moved(old), moved(new)) {
        (Ok(before), Ok(after)) if before == after => {}
        (_, Err(text)) => return violated("only references change", text),
        (before, after) => {
            return violated("what was ordered stays", format!("{name} moves {after:?} in the place of {before:?}"));
        }
    }
    let (fork, base) = (held(&world.git.commit(old).parents[0]), held(&world.git.commit(new).parents[0]));
    let (before, after) = (held(old), held(new));
    let ordered: Vec<_> = before.iter().filter(|hold| !fork.contains(hold)).collect();
    let is_kept = |hold: &&&_| !after.contains(hold);
    let is_new = |hold: &&(String, String, Option<String>)| !base.contains(hold) && !ordered.contains(hold);
    match ordered.iter().find(is_kept).map(|hold| (*hold).clone()).or(after.iter().find(is_new).cloned()) {
        Some(hold) => {
            violated("what was ordered stays", format!("{name} holds another thing than was ordered: {hold:?}"))
        }
        None => Ok(()),
    }
}

fn open_in<'p>(pulls: &'p [Pull], head: &BranchName) -> Option<&'p Pull> {
    pulls.iter().find(|pull| pull.is_open() && pull.head == *head)
}

/// Whether the base has what a head brings, or has had it since that was made: the same files, or a merged pull request.
fn is_on_base(world: &World, head: &CommitId) -> bool {
    let made = world.git.commit(head);
    let before = world.git.tree(&made.parents[0]);
    let is_merged = world.pulls.iter().any(|pull| pull.state == State::Merged && pull.commit == *head);
    // Squashed onto the base and taken back there, it is done as well.
    let since = world.ledger.position(&made.parents[0]).map_or(world.ledger.landings.len() - 1, |at| at + 1);
    is_merged
        || world.ledger.landings[since..].iter().any(|landing| {
            let tree = world.git.tree(&landing.commit);
            // Another commit may have held the same in words of its own.
            let mut changed = differences(before, &made.tree).filter(|(path, ..)| path.as_str() != HOLDS);
            changed.all(|(path, _, after)| tree.get(path) == after)
        })
}

fn is_labelled(session: &Session, head: &BranchName) -> bool {
    let mut listed = session.round.listed.iter().flatten();
    listed.any(|pull| pull.is_open() && pull.head == *head && pull.labels.contains(LABEL_HOLD))
}

/// A pull request that is opened.
pub(in crate::simulation) fn open(world: &World, id: usize, head: &BranchName, commit: &CommitId) -> Verdict {
    let session = &world.sessions[id];
    let fork = world.git.fork(commit, &world.git.main);
    if world.git.tree(&fork) == world.git.tree(commit) {
        return violated("nothing is empty", format!("the pull request of {head} changes nothing"));
    }
    if session.by.is_pass() { not_refused(world, &world.pulls, head, commit) } else { Ok(()) }
}

/// Whether nothing newer came for what both bring: of every image that they have in common, the same version.
pub(in crate::simulation) fn is_no_news(brings: &BTreeSet<Step>, refused: &BTreeSet<Step>) -> bool {
    let of = |step: &Step| (step.environment, step.image);
    let mut common = brings.iter().filter(|step| refused.iter().any(|other| of(other) == of(step))).peekable();
    let is_known = |step: &Step| refused.iter().any(|other| of(other) == of(step) && other.to == step.to);
    common.peek().is_some() && common.all(is_known)
}

/// Whether two bring the same of what both bring.
fn is_the_same(one: &BTreeSet<Step>, other: &BTreeSet<Step>) -> bool {
    is_no_news(one, other) && is_no_news(other, one)
}

/// Whether what a head brings was refused: the newest pull request that brought it was closed by a person, who has not asked for it
/// again.
fn not_refused(world: &World, pulls: &[Pull], head: &BranchName, commit: &CommitId) -> Verdict {
    let brings = world.brings(commit);
    let stood = |pull: &Pull| match pull.state {
        State::Closed => is_no_news(&brings, &pull.brought),
        State::Open | State::Merged => is_no_news(&brings, &pull.told),
    };
    // What came with something newer and was not merged takes no refusal back.
    let is_meant = |pull: &Pull| match pull.state {
        State::Merged => true,
        State::Closed => pull.closed_by == Some(By::Person) || is_the_same(&brings, &pull.brought),
        State::Open => is_the_same(&brings, &pull.told),
    };
    // What the words do not tell, the head tells as long as it stands there, or its commit where a person wrote other words.
    let is_told = |pull: &Pull| match pull.is_rewritten {
        true => world.git.commit(&pull.commit).by.is_pass(),
        false => {
            let stands = !pull.has_lost_head && world.git.heads.get(head) == Some(&pull.commit);
            is_no_news(&brings, &pull.told) || stands
        }
    };
    // Who refuses a version has not refused to go back to it from something worse, and the other way round.
    let way = |commit: &CommitId| Way::of(&world.git.commit(commit).message);
    let goes_back = way(commit) == Way::Return;
    let from = |of: &Step| brings.iter().find(|step| (step.environment, step.image) == (of.environment, of.image));
    let is_same_way = |pull: &Pull| {
        let mut brought = pull.brought.iter();
        (way(&pull.commit) == Way::Return) == goes_back
            && (!goes_back || brought.all(|step| from(step).is_none_or(|own| own.from == step.from)))
    };
    // Whatever `branchPrefix` was then.
    let is_named = |pull: &Pull| plain_name(pull.head.as_str()) == plain_name(head.as_str());
    let newest = pulls.iter().rposition(|pull| is_named(pull) && is_same_way(pull) && stood(pull) && is_meant(pull));
    let refused = newest.filter(|index| {
        let pull = &pulls[*index];
        pull.state == State::Closed
            && pull.closed_by == Some(By::Person)
            && is_told(pull)
            && !pull.is_withdrawn
            && !pull.was_ordered
            && !pull.labels.contains(LABEL_RETRY)
    });
    match refused {
        Some(refused) => violated("what was refused stays", format!("{head}: the same as #{}", refused + 1)),
        None => Ok(()),
    }
}

/// A pull request that is changed.
pub(in crate::simulation) fn touch(world: &World, id: usize, index: usize, verb: &str) -> Verdict {
    let session = &world.sessions[id];
    let head = &world.pulls[index].head;
    let is_further_hold = head.as_str().ends_with("@holds") && !session.by.is_pass();
    if is_labelled(session, head) && !is_further_hold {
        return violated("a person's hold is heeded", format!("{verb} #{} although it is held", index + 1));
    }
    Ok(())
}

/// A pull request that is closed.
pub(in crate::simulation) fn close(world: &World, id: usize, index: usize) -> Verdict {
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

/// Whether what was ordered goes forward, and skips no gate.
fn is_order_by_evidence(message: &str) -> bool {
    let has = |trailer: &str| message.lines().any(|line| line.starts_with(trailer));
    has("Tagboat-Order: promote") && !has("Tagboat-Skip: ")
}

/// A pull request that is merged.
pub(in crate::simulation) fn merge(world: &World, id: usize, index: usize) -> Verdict {
    touch(world, id, index, "merges")?;
    let session = &world.sessions[id];
    let pull = &world.pulls[index];
    let what = format!("#{}", index + 1);
    let beyond = world.git.beyond(&pull.commit, &world.git.main);
    let may_merge = |commit: &Commit| match commit.by {
        By::Pass(_) => true,
        // What evidence alone would let through, whoever asked for it; the rest a person merges, or who gave the order.
        By::Order(_) => !session.by.is_pass() || is_order_by_evidence(&commit.message),
        By::Person => false,
    };
    if let Some(other) = beyond.iter().find(|commit| !may_merge(commit)) {
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
    let way = Way::of(&world.git.commit(&pull.commit).message);
    if way == Way::Forward && session.by.is_pass() {
        // Who takes an approval back later than this is not seen by anybody.
        let approving = usize::try_from(readiness.approvals).expect("they are few");
        let brings = world.brings(&pull.commit);
        let wanted = brings.iter().map(|step| world.setting.environments[step.environment].asks.approvals).max();
        if wanted.is_some_and(|wanted| approving < wanted) {
            return violated("approved at the head that was judged", format!("{what}: {approving} approve it"));
        }
    }
    match world.git.merged(&pull.commit) {
        Some(tree) => landed(world, session, (world.git.tree(&world.git.main), &tree), way),
        None => Ok(()),
    }
}
