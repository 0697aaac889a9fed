//! The end of a simulation: faults stop, people rest, and it must converge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp, ToSpan};
use tagboat::model::commit::CommitId;
use tagboat::model::decision::{Decision, Verdict};
use tagboat::model::environment::BranchName;
use tagboat::model::marker;
use tagboat::model::pull_request::{CheckState, LABEL_HOLD, Marker, State};
use tokio::runtime::Runtime;

use super::acts;
use super::around;
use super::ledger::{Place, Step};
use super::moving::{self, MOVING};
use super::play::{Shared, pass};
use super::rules::{HOLDS, Held, holds, is_no_news};
use super::script::PassSpec;
use super::setting::{Env, Publishes, Value, is_followed, version};
use super::upstream;
use super::world::forge::Pull;
use super::world::{By, Measure, Violation, Way, World, short};

/// How many passes may still find something to do at one moment, where nothing goes back by itself.
const MOST_PASSES: usize = 12;
/// How many more each version takes that goes back by itself: it is proposed, merged, taken back and merged again.
const MOST_OF_A_RETURN: usize = 4;
/// The moment of the end at which somebody may release what went back.
const FORGIVING: usize = 2;
/// How many moments the end has.
const MOMENTS: usize = 10;

/// Plays the end, and looks whether it converged.
pub(super) fn settle(mut world: World, runtime: &Runtime) -> World {
    world.tell("-- the faults stop, and people rest");
    world.is_protected = false;
    world.measures.fill(Measure::Good);
    world.pages.fill(Measure::Good);
    acts::mend(&mut world);
    upstream::act(&mut world, &upstream::Deed::Reach(true));
    // A digest that is too young to be written leaves standing what was proposed for the one before it.
    world.now += SignedDuration::from_mins(world.setting.least_age.unwrap_or_default() + 1);
    let clean: Shared = Arc::new(Mutex::new(cleaned(&world)));
    let world: Shared = Arc::new(Mutex::new(world));
    let (rest, clean_rest) = (calm(&world, runtime), calm(&clean, runtime));
    let differs = rest.as_ref().is_some_and(|rest| compare(&world, rest, &clean).is_err());
    let rest = go_on(&world, rest, runtime);
    // Which version an environment passed through may hang on the order of passes; where it comes to in the end does not.
    if let Some(rest) = rest.filter(|_| differs) {
        go_on(&clean, clean_rest, runtime);
        let found = compare(&world, &rest, &clean);
        world.lock().unwrap().judge(found);
    }
    let mut world = Arc::into_inner(world).expect("nobody else is left").into_inner().unwrap();
    if world.violation.is_none() {
        let found = progress(&world);
        world.judge(found);
    }
    world
}

/// Lets days go by until every window was open and every soak is over.
fn go_on(world: &Shared, mut rest: Option<Rest>, runtime: &Runtime) -> Option<Rest> {
    for moment in 1..MOMENTS {
        if world.lock().unwrap().violation.is_some() {
            return None;
        }
        {
            let mut world = world.lock().unwrap();
            merge_what_people_merge(&mut world);
            if moment == FORGIVING && world.setting.forgives {
                acts::forgive(&mut world);
            }
            let later = world.now + SignedDuration::from_hours(25);
            world.now = match rest.as_ref().and_then(|rest| rest.earliest) {
                Some(earliest) if moment < MOMENTS - 3 => earliest.min(later),
                _ => noon_of_a_workday(later),
            };
        }
        rest = calm(world, runtime);
    }
    rest
}

/// The next noon at which every window is open.
fn noon_of_a_workday(after: Timestamp) -> Timestamp {
    let mut zoned = after.to_zoned(jiff::tz::TimeZone::UTC);
    if zoned.hour() >= 11 {
        zoned = zoned.checked_add(1.day()).unwrap();
    }
    while zoned.weekday().to_monday_zero_offset() > 3 {
        zoned = zoned.checked_add(1.day()).unwrap();
    }
    zoned.with().hour(11).build().unwrap().timestamp()
}

/// What the last pass said, which did nothing.
struct Rest {
    /// The earliest moment that it named.
    earliest: Option<Timestamp>,
    /// Environments and images about which it could not decide: what stands for them stays.
    undecided: BTreeSet<(String, String)>,
}

/// Runs clean passes until one does nothing.
fn calm(world: &Shared, runtime: &Runtime) -> Option<Rest> {
    let most = most_passes(&world.lock().unwrap());
    for _ in 0..most {
        let before = {
            let mut world = world.lock().unwrap();
            let tips: Vec<_> = world.git.heads.values().cloned().collect();
            for tip in tips {
                world.report(&tip, "ci", CheckState::Passed);
            }
            for pull in world.pulls.iter_mut().filter(|pull| pull.is_open()) {
                pull.approvals.extend([0, 1].map(|who| (who, pull.commit.clone())));
            }
            world.deploy();
            world.effects
        };
        let outcome = pass(world, &PassSpec::clean(), runtime);
        let mut locked = world.lock().unwrap();
        locked.check_state();
        if locked.violation.is_some() {
            return None;
        }
        if locked.effects == before {
            let found = around::is_judged(&locked);
            locked.judge(found);
            let now = locked.now;
            let outcome = outcome.unwrap_or_default();
            let earliest = outcome.proposals.iter().filter_map(|proposal| proposal.earliest);
            let undecided = outcome.decisions.iter().filter(|one| matches!(one.verdict, Verdict::Undecided(_)));
            let name = |one: &Decision| (one.question.environment.to_string(), one.question.image.to_string());
            return Some(Rest {
                earliest: earliest.filter(|earliest| *earliest > now).min(),
                undecided: undecided.map(name).collect(),
            });
        }
    }
    let text = format!("after {most} passes at one moment there is still something to do");
    world.lock().unwrap().judge(Err(Violation { rule: "it converges", text }));
    None
}

/// How many passes may find something to do at one moment: each version goes back once.
fn most_passes(world: &World) -> usize {
    let goes_back = |environment: &Env| environment.on_failure.is_some();
    let count = world.setting.environments.iter().filter(|environment| goes_back(environment)).count();
    let versions: usize = world.registry.iter().map(BTreeMap::len).sum();
    let returns = if world.setting.sick.is_some() { count * versions } else { 0 };
    MOST_PASSES + MOST_OF_A_RETURN * returns
}

/// Whether a pull request is as Tagboat left it.
fn is_untouched(world: &World, index: usize) -> bool {
    let pull = &world.pulls[index];
    pull.labels.is_empty()
        && !pull.changes_requested
        && !pull.is_rewritten
        && !pull.is_reopened
        && world.git.beyond(&pull.commit, &world.git.main).iter().all(|commit| commit.by.is_pass())
}

/// The same world without anything that passes had under way.
fn cleaned(world: &World) -> World {
    let mut clean = world.clone();
    let own: Vec<_> = world
        .git
        .heads
        .iter()
        .filter(|(name, tip)| {
            let beyond = world.git.beyond(tip, &world.git.main);
            // What goes back stays, when the time to find out that it must is long over.
            let is_own = !beyond.is_empty()
                && beyond.iter().all(|commit| commit.by.is_pass() && Way::of(&commit.message) != Way::Return);
            // A person who closed it has refused what stands there, which may be newer than what its words say.
            // The same goes for what a person asked for again, and does not ask for any more.
            let brings = world.brings(tip);
            let is_refused = world.pulls.iter().any(|pull| {
                let is_same = pull.commit == **tip || (pull.head == **name && is_no_news(&brings, &pull.brought));
                pull.closed_by == Some(By::Person) && is_same
            });
            // What is proposed to be held a person has ordered, whoever made it anew.
            let is_ordered = name.as_str().ends_with("@holds");
            // Under another `branchPrefix` it came past a branch of the same name that a person has pushed to, or on which an order stands,
            // or something newer came while what a person holds there was closed. Whoever begins anew stops before that branch.
            let is_taken_over = |(other, tip): (&BranchName, &CommitId)| {
                let is_same = other != *name && around::plain_name(other.as_str()) == around::plain_name(name.as_str());
                let is_theirs = |by: By| matches!(by, By::Person | By::Order(_));
                let is_newer = |pull: &Pull| !is_no_news(&brings, &pull.brought);
                let is_held = |pull: &Pull| pull.is_reopened && pull.labels.contains(LABEL_HOLD) && is_newer(pull);
                is_same
                    && (world.open_of(other).is_some_and(|index| is_held(&world.pulls[index]))
                        || world.git.beyond(tip, &world.git.main).iter().any(|commit| is_theirs(commit.by)))
            };
            let is_beside = world.git.heads.iter().any(is_taken_over);
            is_own
                && !is_ordered
                && !is_refused
                && !is_beside
                && world.open_of(name).is_none_or(|index| is_untouched(world, index))
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in own {
        if let Some(index) = clean.open_of(&name) {
            let brought = world.brings(&world.pulls[index].commit);
            let pull = &mut clean.pulls[index];
            pull.brought = brought;
            (pull.state, pull.closed_by) = (State::Closed, Some(By::Pass(0)));
            pull.body = marker::read(&pull.body)
                .map_or_else(String::new, |marker| marker::write(&Marker { withdrawn: true, ..marker }));
        }
        clean.git.heads.remove(&name);
    }
    clean
}

/// What stands where, and what heads would change.
type Plan = (Vec<Place>, BTreeSet<(String, BTreeSet<Step>)>);

/// What stands: the base, and what every open pull request would change.
fn plan(world: &World) -> Plan {
    let heads = world.git.heads.iter();
    let open = heads.filter(|(name, _)| world.setting.forge.is_none() || world.open_of(name).is_some());
    // What was to go back may stand there for a person long after the time in which a failure counts.
    let open = open.filter(|(_, tip)| Way::of(&world.git.commit(tip).message) != Way::Return);
    (world.runs(), open.map(|(name, tip)| (around::plain_name(name.as_str()), world.brings(tip))).collect())
}

/// Compares what came of the faults with what a clean run makes.
fn compare(world: &Shared, rest: &Rest, clean: &Shared) -> Result<(), Violation> {
    let (world, clean) = (world.lock().unwrap(), clean.lock().unwrap());
    if let Some(violation) = &clean.violation {
        let text = format!("in a clean run: {}", violation.text);
        return Err(Violation { rule: violation.rule, text });
    }
    let (mut stands, mut wanted) = (plan(&world), plan(&clean));
    // While an image of a group cannot be decided, what stands for the others stays, too.
    let is_known = |(_, steps): &(String, BTreeSet<Step>)| {
        let name = |step: &Step, image: usize| {
            let environment = world.setting.environments[step.environment].name.to_owned();
            (environment, super::setting::IMAGES[image].to_owned())
        };
        let is_undecided = |step: &Step| {
            world.setting.together(step.image).into_iter().any(|image| rest.undecided.contains(&name(step, image)))
        };
        !steps.iter().any(is_undecided)
    };
    // What goes back hangs on what came together, and so does whatever comes after it.
    let has_gone_back = |environment: usize| {
        let concerned = world.setting.with_ancestors(environment);
        let asks = |own: &usize| world.setting.environments[*own].asks.checks;
        (world.setting.sick.is_some() && concerned.iter().any(asks))
            || last_returned(&world, &concerned)
            || last_returned(&clean, &concerned)
    };
    let is_told = |(_, steps): &(String, BTreeSet<Step>)| !steps.iter().any(|step| has_gone_back(step.environment));
    // Where a person took something back, whether the digest of what stays was written meanwhile hangs on what came when.
    let was_touched_before = |place: &Place| {
        let concerned = world.setting.with_ancestors(place.environment);
        concerned.into_iter().any(|own| was_touched(&world, own, place.image))
    };
    for place in stands.0.iter_mut().chain(&mut wanted.0).filter(|place| was_touched_before(place)) {
        place.value.digest = None;
    }
    for plan in [&mut stands, &mut wanted] {
        plan.0.retain(|place| !has_gone_back(place.environment));
        plan.1.retain(|head| is_known(head) && is_told(head));
    }
    if stands == wanted {
        return Ok(());
    }
    let text = format!("to something else than a clean run:\n{}", differing(&world, &stands, &wanted));
    Err(Violation { rule: "it converges", text })
}

/// Names what one plan has and the other has not.
fn differing(world: &World, stands: &Plan, wanted: &Plan) -> String {
    let mut text = String::new();
    for (label, one, other) in [("here", stands, wanted), ("clean", wanted, stands)] {
        for place in one.0.iter().filter(|place| !other.0.contains(place)) {
            let name = world.setting.environments[place.environment].name;
            text.push_str(&format!("    {label}: {name} runs {}:{}\n", short(place.image), place.value));
        }
        for (head, steps) in one.1.difference(&other.1) {
            let told = steps.iter().map(|step| format!("{} {} to {}", short(step.image), step.from, step.to));
            text.push_str(&format!("    {label}: {head}: {}\n", told.collect::<Vec<_>>().join(", ")));
        }
    }
    text
}

/// People merge what is theirs to merge.
fn merge_what_people_merge(world: &mut World) {
    if world.setting.forge.is_none() {
        let heads: Vec<_> = world.git.heads.iter().map(|(name, tip)| (name.clone(), tip.clone())).collect();
        for (position, (_, tip)) in heads.iter().enumerate() {
            if is_for_people(world, tip) {
                acts::merge(world, position);
            }
        }
        return;
    }
    let open: Vec<usize> = (0..world.pulls.len()).filter(|index| world.pulls[*index].is_open()).collect();
    for index in open {
        let commit = world.pulls[index].commit.clone();
        if is_untouched(world, index)
            && is_for_people(world, &commit)
            && world.git.merged(&commit).is_some()
            && around::lacking(world, &commit).is_empty()
        {
            world.tell(format!("a person merges #{}: {}", index + 1, world.pulls[index].title));
            world.merge(index, By::Person);
        }
    }
}

fn is_for_people(world: &World, tip: &CommitId) -> bool {
    let brings = world.brings(tip);
    let way = Way::of(&world.git.commit(tip).message);
    let is_theirs = |environment: usize| {
        let environment = &world.setting.environments[environment];
        match (way, environment.on_failure) {
            (Way::Return, Some(on_failure)) => on_failure.publishes == Publishes::PullRequest,
            _ => environment.asks.manual || environment.publishes == Publishes::PullRequest,
        }
    };
    !brings.is_empty()
        && world.git.beyond(tip, &world.git.main).iter().all(|commit| commit.by.is_pass())
        && brings.iter().all(|step| is_theirs(step.environment))
}

/// Whether everything arrived that nobody and nothing keeps back.
fn progress(world: &World) -> Result<(), Violation> {
    let setting = &world.setting;
    moving::progress(world, &|environment| {
        was_touched(world, environment, MOVING) || last_returned(world, &[environment])
    })?;
    let last = world.ledger.last();
    let mut held = world.file(HOLDS).map(holds).unwrap_or_default();
    held.extend(proposed(world));
    for (index, environment) in setting.environments.iter().enumerate() {
        for image in 0..setting.images {
            let members = setting.together(image);
            let concerned = setting.with_ancestors(index);
            // What is sick may go back, hold its neighbours up and keep what comes after it waiting.
            let looks = |own: &usize| {
                let environment = &setting.environments[*own];
                environment.on_failure.is_some() || environment.asks.checks
            };
            let may_fail = setting.sick.is_some() && concerned.iter().any(looks);
            let has_gone_back = last_returned(world, &concerned);
            let is_calm = !may_fail
                && !has_gone_back
                && members.iter().all(|own| {
                    // What was taken back there goes no further here.
                    world.upstream.as_ref().is_none_or(|upstream| upstream.only_rose(*own))
                        && !concerned.iter().any(|environment| was_touched(world, *environment, *own))
                        && !held.iter().any(|hold| hold.image == super::setting::IMAGES[*own])
                });
            if !is_calm {
                continue;
            }
            let lowest = last.values(index, image).min_by_key(|value| version(&value.tag)).cloned();
            let Some(lowest) = lowest else { continue };
            let upstream = world.upstream.as_ref().filter(|_| index == 0);
            let expected: Option<Value> = if let Some(upstream) = upstream {
                let may_come = |own: &usize| {
                    let there = upstream.runs(*own);
                    let is_there =
                        |value: Value| is_followed(&value.tag) && world.registry[*own].contains_key(&value.tag);
                    upstream.only_rose(*own) && there.is_some_and(is_there)
                };
                upstream.runs(image).filter(|_| members.iter().all(may_come))
            } else if environment.after.is_empty() {
                let tags = world.registry[image].keys().filter(|tag| is_followed(tag));
                let newest = tags.max_by_key(|tag| version(tag)).cloned();
                newest.map(|tag| Value { tag, digest: None })
            } else {
                let mut before = environment.after.iter().flat_map(|before| last.values(*before, image));
                let first = before.next().cloned();
                first.filter(|first| is_followed(&first.tag) && before.all(|other| other == first))
            };
            let Some(expected) = expected else { continue };
            // A digest can be had only of what is listed, also of what an image of the group runs and keeps.
            let has_digest = |own: &usize| {
                !setting.pins || last.values(index, *own).all(|value| world.registry[*own].contains_key(&value.tag))
            };
            // Nor does a group go on without an image whose next version was removed.
            let is_there = |own: &usize| {
                let mut ahead = environment.after.iter().flat_map(|before| last.values(*before, *own));
                ahead.all(|value| world.registry[*own].contains_key(&value.tag))
            };
            // Where digests are written, one comes from the first environment, which has none for what it cannot follow.
            let has_none = |own: &usize| upstream_is_foreign(world, *own);
            if setting.pins && expected.digest.is_none() && index > 0 && members.iter().any(has_none) {
                continue;
            }
            let is_listed = world.registry[image].contains_key(&expected.tag)
                && members.iter().all(|own| has_digest(own) && is_there(own));
            if is_listed && version(&lowest.tag) < version(&expected.tag) {
                let name = environment.name;
                let text = format!("{name} runs {}:{lowest}, and {expected} is free to go", short(image));
                return Err(Violation { rule: "it makes progress", text });
            }
        }
    }
    Ok(())
}

/// Returns what is proposed to be held, of which each counts: with a forge what is open, on plain Git every branch.
fn proposed(world: &World) -> Vec<Held> {
    let path = tagboat::model::file::RepoPath::new(HOLDS).unwrap();
    let counts = |name: &BranchName| {
        name.as_str().ends_with("@holds") && (world.setting.forge.is_none() || world.open_of(name).is_some())
    };
    let tips = world.git.heads.iter().filter(|(name, _)| counts(name)).map(|(_, tip)| tip);
    tips.filter_map(|tip| world.git.tree(tip).get(&path)).flat_map(|blob| holds(world.git.text(blob))).collect()
}

/// Whether the environment of the other repository runs what the policy here does not admit, or the registry does not list.
fn upstream_is_foreign(world: &World, image: usize) -> bool {
    let there = world.upstream.as_ref().and_then(|upstream| upstream.runs(image));
    there.is_some_and(|value| !is_followed(&value.tag) || !world.registry[image].contains_key(&value.tag))
}

/// Whether anything went back by itself in one of these environments.
fn last_returned(world: &World, environments: &[usize]) -> bool {
    world.ledger.returned.iter().any(|(_, environment, ..)| environments.contains(environment))
}

/// Whether anybody but a pass had a hand in it.
fn was_touched(world: &World, environment: usize, image: usize) -> bool {
    let is_here = |steps: &BTreeSet<Step>| {
        steps.is_empty() || steps.iter().any(|step| step.environment == environment && step.image == image)
    };
    let by_pull = (0..world.pulls.len()).any(|index| {
        let pull = &world.pulls[index];
        match pull.state {
            State::Open => !is_untouched(world, index) && is_here(&world.brings(&pull.commit)),
            State::Closed => pull.closed_by != Some(By::Pass(0)) && is_here(&pull.brought),
            State::Merged => false,
        }
    });
    let by_head = world.git.heads.values().any(|tip| {
        let beyond = world.git.beyond(tip, &world.git.main);
        beyond.iter().any(|commit| !commit.by.is_pass())
    });
    by_pull || by_head || world.ledger.last().touched.contains(&(environment, image))
}
