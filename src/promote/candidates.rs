//! What an environment with `after` may take: the value that every environment before it runs in Git.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::decision::{Decision, Question, Reason, Verdict};
use crate::model::environment::{Environment, EnvironmentName, Environments, Predecessor};
use crate::model::gate::{GateSpec, SoakCount};
use crate::model::history::{Mover, Past, Shift, Timeline};
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::policy::{Pin, Select, Step};
use crate::model::proposal::Move;
use crate::model::signature::{SignatureVerdict, SignatureWant};
use crate::model::site::Value;
use crate::model::tags::TagIndex;
use crate::model::watch::{Watch, WatchState};
use crate::promote::gates;
use crate::promote::matching::{Counterpart, Matching};

/// What a question comes to.
pub(super) enum Candidate {
    /// It may move.
    Move(Box<Move>),
    /// It stands where it should.
    Keep,
    /// It cannot move, and a person should know why.
    Blocked(String),
    /// It could move, and a person holds it back, or what failed does; who and why, in words.
    Held(Box<Move>, String),
    /// Facts are missing; reported elsewhere.
    Undecided(String),
}

/// What a decision comes to, seen from an environment with `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) verdict: Verdict,
    /// The tag that would come, and who holds it and why.
    pub(super) held: Option<(Tag, Arc<str>)>,
}

impl Candidate {
    /// Returns what the decision comes to, seen from the environment itself.
    pub(super) fn settled(&self) -> Settled {
        let verdict = match self {
            Self::Move(step) => Verdict::Move { to: step.to.clone(), step: step.step },
            Self::Keep | Self::Held(..) => Verdict::Keep,
            Self::Blocked(reason) | Self::Undecided(reason) => Verdict::Undecided(reason.clone()),
        };
        let held = match self {
            Self::Held(step, why) => step.to.tag.clone().map(|tag| (tag, why.as_str().into())),
            _ => None,
        };
        Settled { verdict, held }
    }
}

/// Turns a decision among all listed tags into one among what the environment before runs.
///
/// `before` is what the environments before it run of the image.
pub(super) fn settle_decision(
    decision: &mut Decision,
    settled: Settled,
    observation: &Observation,
    before: &BTreeSet<Value>,
) {
    let Settled { verdict, held } = settled;
    let listed = observation.images.get(&decision.question.image).and_then(|tags| tags.as_ref().ok());
    let chosen_before = decision.chosen().cloned();
    decision.verdict = verdict;
    let Some(tags) = listed else { return };
    let chosen = decision.chosen().cloned();
    let is =
        |tag: TagIndex, other: &Option<Tag>| other.as_ref().is_some_and(|other| tags.list.at(tag) == other.as_str());
    decision.rejected.retain(|rejected| !is(rejected, &chosen));
    decision.rejected.replace(&Reason::Outranked, &Reason::NotBefore);
    // What the registry's newest would have been has no reason yet.
    if let Some(before) = chosen_before.filter(|before| Some(before) != chosen.as_ref())
        && let Some(tag) = tags.list.find(before.as_str())
    {
        decision.rejected.insert(tag, Reason::NotBefore);
    }
    let there: Vec<_> = before.iter().filter_map(|value| tags.list.find(value.tag.as_ref()?.as_str())).collect();
    let is_there = |(tag, reason): &(TagIndex, &Reason)| **reason == Reason::NotBefore && there.contains(tag);
    let own: Vec<TagIndex> = decision.rejected.iter().filter(is_there).map(|(tag, _)| tag).collect();
    for tag in own {
        decision.rejected.set(tag.0 as usize, Reason::NotNext);
    }
    if let Some((tag, why)) = held
        && let Some(tag) = tags.list.find(tag.as_str())
    {
        decision.rejected.set(tag.0 as usize, Reason::Held(why));
    }
}

/// Returns the names of the environments right before one; those of other repositories by their names here.
pub(super) fn predecessors(environment: &Environment) -> impl Iterator<Item = &EnvironmentName> {
    environment.after.iter().map(Predecessor::name)
}

/// Returns what an environment before another one runs of an image.
pub(super) fn runs<'a>(
    observation: &'a Observation,
    decisions: &'a [Decision],
    before: &EnvironmentName,
    image: &ImageName,
) -> BTreeSet<&'a Value> {
    if let Some(elsewhere) = observation.elsewhere.get(before) {
        return elsewhere.runs.get(image).into_iter().flatten().collect();
    }
    let own = decisions.iter().map(|decision| &decision.question);
    own.filter(|question| question.environment == *before && question.image == *image)
        .map(|question| &question.current)
        .collect()
}

/// Returns all environments before one, near and far, each once; the graph has no cycle, and a mistaken one ends.
pub(super) fn ancestors<'a>(environment: &'a Environment, environments: &'a Environments) -> Vec<&'a EnvironmentName> {
    let mut found: Vec<&EnvironmentName> = Vec::new();
    let mut waiting: Vec<&EnvironmentName> = predecessors(environment).collect();
    while let Some(name) = waiting.pop() {
        if !found.contains(&name) {
            found.push(name);
            waiting.extend(environments.named(name).into_iter().flat_map(predecessors));
        }
    }
    found
}

/// Returns all environments before one, also those by other ways than the one that is tried: what is held or was taken back
/// in any of them stays.
fn before<'a>(environment: &'a Environment, environments: &'a Environments) -> Vec<&'a EnvironmentName> {
    ancestors(environments.named(&environment.name).unwrap_or(environment), environments)
}

/// Why nothing comes where several environments come before.
const APART: &str = "the environments before it do not run the same version";

/// What the environments before one run together.
enum Running {
    /// All of them this.
    One(Value),
    /// Each one version, and not the same.
    Apart,
    /// Nothing that could come, and why.
    Not(Candidate),
}

/// What candidates are found by.
pub(super) struct Search<'a> {
    /// What was seen.
    pub(super) observation: &'a Observation,
    /// All environments.
    pub(super) environments: &'a Environments,
    /// Every decision of the pass.
    pub(super) decisions: &'a [Decision],
    /// Which places stand for which.
    pub(super) matching: &'a Matching<'a>,
    /// What is watched.
    pub(super) watches: &'a [Watch],
    /// Histories that have to be read before an answer is final.
    pub(super) wants: &'a mut BTreeSet<(EnvironmentName, ImageName)>,
}

impl Search<'_> {
    /// Finds the value that all environments before this one run, and whether it is a step forward.
    pub(super) fn settle(&mut self, decision: &Decision, environment: &Environment) -> Candidate {
        let counts_introduced =
            environment.gates.iter().any(|gate| matches!(gate, GateSpec::Soak { count: SoakCount::Introduced, .. }));
        // What replaced a version by going up leaves it counting: they may have an older one in common, or one that may
        // come here.
        let (running, otherwise) = match self.running(decision, environment) {
            Running::One(value) => match judge(self.observation, decision, &value) {
                Candidate::Move(step) => (Some(*step), APART.to_owned()),
                Candidate::Blocked(reason) if counts_introduced && self.is_barred(decision, &value) => (None, reason),
                other => return other,
            },
            Running::Apart if counts_introduced => (None, APART.to_owned()),
            Running::Apart => return Candidate::Blocked(APART.to_owned()),
            Running::Not(candidate) => return candidate,
        };
        let image = &decision.question.image;
        let concerned: Vec<&EnvironmentName> =
            std::iter::once(&environment.name).chain(before(environment, self.environments)).collect();
        let mut is_known = true;
        for name in &concerned {
            let key = ((*name).clone(), image.clone());
            match self.observation.pasts.get(&key) {
                Some(Ok(_)) => {}
                Some(Err(reason)) => return Candidate::Undecided(reason.clone()),
                None => {
                    self.wants.insert(key);
                    is_known = false;
                }
            }
        }
        if !is_known {
            return Candidate::Undecided("history is still to be read".to_owned());
        }
        let step = if counts_introduced { self.introduced(decision, environment, running) } else { running };
        let Some(step) = step else { return Candidate::Blocked(otherwise) };
        if let Some(hold) = self.hold_on(environment, image, &step.to) {
            let reason = hold.to_string();
            return Candidate::Held(Box::new(step), reason);
        }
        if let Some(reason) = self.goes_back(environment, image, &step) {
            return Candidate::Blocked(reason);
        }
        for name in &concerned {
            if let Some(reason) = self.unwatched(name) {
                return Candidate::Blocked(format!("whether {} failed in {name} is not known: {reason}", step.to));
            }
            let is_meant =
                |watch: &&Watch| watch.environment == **name && watch.image == *image && watch.value.tag == step.to.tag;
            if let Some(watch) = self.watches.iter().filter(|watch| watch.has_failed()).find(is_meant) {
                let reason = format!("in {name}, it {}", watch.told());
                return Candidate::Held(Box::new(step), reason);
            }
            // Whether it failed could not be asked this time; where nobody can ever be asked, nothing waits for it.
            let is_unknown = |watch: &&Watch| matches!(watch.state, WatchState::Unknown(_));
            if let Some(watch) =
                self.watches.iter().filter(is_unknown).find(is_meant).filter(|_| self.observation.has_forge)
            {
                return Candidate::Undecided(format!("in {name}, {} is {}", step.to, watch.told()));
            }
        }
        for name in concerned {
            // Where it stands now it may have gone up; here it would come back to where it was left for something worse.
            let taken = self.past(name, image).and_then(|past| {
                if *name != environment.name {
                    return past.hold_on(&step.to);
                }
                past.left_before(|taken| taken.holds(&step.to), || self.observation.spots(&step.sites))
            });
            if let Some(taken) = taken {
                let reason = format!("in {name}, {taken}");
                return Candidate::Held(Box::new(step), reason);
            }
        }
        Candidate::Move(Box::new(step))
    }

    /// Returns why it cannot be told whether anything failed in an environment: what stands in a file that could not be read is
    /// not watched, whichever way a version comes. Where nobody can ever be asked, nothing waits for it.
    fn unwatched(&self, name: &EnvironmentName) -> Option<&str> {
        let is_watched = self.environments.named(name).is_some_and(|environment| environment.on_failure.is_some());
        let reason = self.observation.half_known.get(name).filter(|_| is_watched && self.observation.has_forge)?;
        Some(reason)
    }

    /// Returns the entry in the file of holds that names a value for an environment or one before it.
    fn hold_on(&self, environment: &Environment, image: &ImageName, value: &Value) -> Option<&Hold> {
        let mut concerned = before(environment, self.environments);
        concerned.push(&environment.name);
        let tag = value.tag.as_ref()?;
        self.observation.all_holds().find(|hold| hold.covers(&concerned, image, tag, self.observation.now))
    }

    /// Returns when an environment before last brought anything that failed here, went back by itself and is still held.
    fn failed(&self, environment: &Environment, image: &ImageName, before: &Timeline) -> Option<Timestamp> {
        let failed = self.past(&environment.name, image)?.failed.iter().map(|failed| &failed.value);
        let held = failed.filter(|value| self.hold_on(environment, image, value).is_some());
        let came = held.flat_map(|value| {
            let has_it = |shift: &&Shift| shift.to.difference(&shift.from).any(|came| came.tag == value.tag);
            before.shifts.iter().find(has_it).map(|shift| shift.landed)
        });
        came.max()
    }

    /// Returns why another digest of the same tag is no step forward: digests have no order, so one that gave way here is
    /// old, unless the moving tag itself went back to it and an environment before followed.
    fn goes_back(&self, environment: &Environment, image: &ImageName, step: &Move) -> Option<String> {
        if step.from.tag != step.to.tag || step.from.digest.is_none() {
            return None;
        }
        let timeline = self.past(&environment.name, image)?.timeline.as_ref()?;
        if !timeline.shifts.iter().any(|shift| shift.from.contains(&step.to) && !shift.to.contains(&step.to)) {
            return None;
        }
        let by_person = |before: &&EnvironmentName| {
            let brought = self.past(before, image).and_then(|past| past.timeline.as_ref()?.brought(&step.to));
            brought.is_none_or(|shift| shift.by != Mover::Tagboat)
        };
        let before = predecessors(environment).find(by_person)?;
        Some(format!("it runs {}, which came after {}, to which a person moved {before}", step.from, step.to))
    }

    fn past(&self, environment: &EnvironmentName, image: &ImageName) -> Option<&Past> {
        self.observation.pasts.get(&(environment.clone(), image.clone()))?.as_ref().ok()
    }

    /// Finds the one value that every environment before runs.
    fn running(&self, decision: &Decision, environment: &Environment) -> Running {
        let image = &decision.question.image;
        let mut values = BTreeSet::new();
        for before in predecessors(environment) {
            if let Some(reason) = self.observation.half_known.get(before) {
                return Running::Not(Candidate::Blocked(format!("what {before} runs is not fully known: {reason}")));
            }
            let runs = runs(self.observation, self.decisions, before, image);
            match runs.len() {
                0 => {
                    let reason = format!("{before}, which comes before it, does not run this image");
                    return Running::Not(Candidate::Blocked(reason));
                }
                1 => values.extend(runs),
                _ => {
                    let here = (image, decision.question.sites.as_slice());
                    let file = |site: usize| self.observation.sites.get(site).map(|site| &site.file);
                    let why = match self.matching.counterpart(environment, before, here) {
                        Counterpart::One(value) => {
                            values.insert(value);
                            continue;
                        }
                        Counterpart::Missing(site) => {
                            file(site).map(|file| format!("; no place there stands for {file}"))
                        }
                        Counterpart::Ambiguous(site) => file(site)
                            .map(|file| format!("; the globs do not tell which of its places stands for {file}")),
                        Counterpart::Several => None,
                    };
                    let mut reason = format!("{before} runs several versions of it: {}", list(&runs));
                    reason.push_str(&why.unwrap_or_default());
                    return Running::Not(Candidate::Blocked(reason));
                }
            }
        }
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Running::One(value.clone()),
            (None, _) => Running::Not(Candidate::Keep),
            (Some(_), Some(_)) => Running::Apart,
        }
    }

    /// Whether the policy here refuses a version for what it is by itself, not for what runs here: what the environment before
    /// had earlier may come all the same.
    fn is_barred(&self, decision: &Decision, value: &Value) -> bool {
        let Some(Ok(tags)) = self.observation.images.get(&decision.question.image) else { return false };
        let Some(tag) = value.tag.as_ref().and_then(|tag| tags.list.find(tag.as_str())) else { return false };
        let is_it = |(other, _): &(TagIndex, &Reason)| *other == tag;
        matches!(
            decision.rejected.iter().find(is_it),
            Some((
                _,
                Reason::OutOfRange
                    | Reason::PreRelease
                    | Reason::NotInFamily
                    | Reason::NotMatched
                    | Reason::Ignored
                    | Reason::PlatformMissing(_)
                    | Reason::SignatureMissing
                    | Reason::SignatureWrong(_)
            ))
        )
    }

    /// Returns, where soak counts from the introduction, the newest version that every environment before has had for
    /// long enough, else the oldest that is on its way; never one that was taken back there. `running` is what all of them
    /// run, where that is one version.
    fn introduced(&self, decision: &Decision, environment: &Environment, running: Option<Move>) -> Option<Move> {
        let time = environment.gates.iter().find_map(|gate| match gate {
            GateSpec::Soak { time, .. } => Some(*time),
            _ => None,
        });
        let image = &decision.question.image;
        let mut common: Option<Vec<(Value, Timestamp)>> = None;
        for before in predecessors(environment) {
            let Some(past) = self.past(before, image) else { return running };
            let Some(timeline) = &past.timeline else { return running };
            let is_held =
                |value: &Value| past.hold_on(value).is_some() || self.hold_on(environment, image, value).is_some();
            // Where it runs different versions, what was introduced at other places than the counterparts is none of theirs.
            let is_several = runs(self.observation, self.decisions, before, image).len() > 1;
            let own = (image, decision.question.sites.as_slice());
            let pasts = if is_several {
                self.matching.pasts(environment, before, own, timeline).unwrap_or_default()
            } else {
                Vec::new()
            };
            let mut heres: Vec<Vec<(Value, Timestamp)>> = Vec::new();
            for (standing, timeline) in &pasts {
                let mut here = gates::introduced(timeline, is_held);
                if !is_held(standing) && !here.iter().any(|(value, _)| value == standing) {
                    here.push((standing.clone(), timeline.since(standing)));
                }
                heres.push(here);
            }
            if !is_several {
                heres.push(gates::introduced(timeline, is_held));
            }
            for mut here in heres {
                // What came there before something that failed here had its turn.
                if let Some(failed) = self.failed(environment, image, timeline) {
                    here.retain(|(_, since)| *since > failed);
                }
                if let Some(running) = &running
                    && !here.iter().any(|(value, _)| *value == running.to)
                {
                    here.insert(0, (running.to.clone(), timeline.since(&timeline.known_as(&running.to))));
                }
                common = Some(match common {
                    None => here,
                    Some(others) => {
                        let both = |(value, time): (Value, Timestamp)| {
                            let (_, other) = here.iter().find(|(known, _)| *known == value)?;
                            Some((value, time.max(*other)))
                        };
                        others.into_iter().filter_map(both).collect()
                    }
                });
            }
        }
        let mut candidates: Vec<(Move, Timestamp)> = common
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(value, since)| match judge(self.observation, decision, &value) {
                Candidate::Move(step) => Some((*step, since)),
                _ => None,
            })
            .collect();
        // The newest last, also where two came at the same moment.
        candidates.reverse();
        candidates.sort_by_key(|(_, since)| *since);
        let now = self.observation.now;
        let is_over =
            |since: &Timestamp| time.and_then(|time| since.checked_add(time).ok()).is_some_and(|over| over <= now);
        let over = candidates.iter().rposition(|(_, since)| is_over(since));
        let chosen = over.unwrap_or(0);
        if chosen < candidates.len() { Some(candidates.swap_remove(chosen).0) } else { running }
    }
}

/// Judges a candidate by the decision about the same question, which knows every listed tag's reason.
fn judge(observation: &Observation, decision: &Decision, candidate: &Value) -> Candidate {
    let question = &decision.question;
    if let Verdict::Undecided(reason) = &decision.verdict {
        return Candidate::Undecided(reason.clone());
    }
    let wants_digest = question.current.digest.is_some() || question.policy.pins() == Pin::Digest;
    let same_tag = candidate.tag == question.current.tag;
    let same_digest = !wants_digest || candidate.digest == question.current.digest;
    if same_tag && same_digest {
        return Candidate::Keep;
    }
    let step = match (&candidate.tag, same_tag) {
        (Some(tag), false) => match forward(observation, decision, tag) {
            Ok(step) => step,
            Err(reason) => return reason,
        },
        // The tag stays and its digest moves: only a policy that follows a moving tag asks for that,
        // or a pin that is not written yet.
        _ if matches!(question.policy.select, Select::Digest(_)) || question.current.digest.is_none() => None,
        _ => return Candidate::Blocked("the environment before it runs another digest of the same tag".into()),
    };
    if wants_digest && candidate.digest.is_none() {
        // Which bytes run there is not known before its own pin is written.
        let reason = match question.policy.pins() {
            Pin::Digest => "the environment before it runs no digest yet, which `pin: digest` writes there first",
            Pin::AsWritten => {
                "a digest stands here and none in the environment before it: set `pin: digest` for the image"
            }
        };
        return Candidate::Blocked(reason.into());
    }
    if let Some(reason) = unsigned(observation, question, candidate) {
        return reason;
    }
    let digest = candidate.digest.clone().filter(|_| wants_digest);
    let to = Value { tag: candidate.tag.clone(), digest };
    Candidate::Move(Box::new(Move {
        image: question.image.clone(),
        from: question.current.clone(),
        published: super::published(observation, &question.image, &to),
        to,
        step,
        pin: question.policy.pins(),
        sites: question.sites.clone(),
    }))
}

/// Returns why a candidate may not move for want of a signature: a person may have brought it to the environment before.
fn unsigned(observation: &Observation, question: &Question, candidate: &Value) -> Option<Candidate> {
    let verify = question.policy.verify.as_ref()?;
    let tag = candidate.tag.as_ref()?;
    let unknown = || Some(Candidate::Undecided(format!("the digest and signature of {tag} are not known")));
    let listed = observation.images.get(&question.image).and_then(|tags| tags.as_ref().ok());
    let known = listed.and_then(|tags| tags.facts.get(tag)).and_then(|facts| facts.digest.clone());
    let Some(digest) = candidate.digest.clone().or(known) else { return unknown() };
    let want = SignatureWant { image: question.image.clone(), tag: tag.clone(), digest, verify: Arc::clone(verify) };
    let blocked =
        |why: &str| Some(Candidate::Blocked(format!("{tag}, which the environment before it runs, is {why}")));
    match observation.signatures.get(&want) {
        Some(Ok(SignatureVerdict::Signed)) => None,
        Some(Ok(SignatureVerdict::Missing)) => blocked("not signed yet"),
        Some(Ok(SignatureVerdict::Wrong(why))) => blocked(&format!("not signed as `verify` asks: {why}")),
        Some(Err(reason)) => Some(Candidate::Undecided(reason.clone())),
        None => unknown(),
    }
}

/// Whether a tag is a step forward that the policy of this environment allows.
fn forward(observation: &Observation, decision: &Decision, tag: &Tag) -> Result<Option<Step>, Candidate> {
    if let Verdict::Move { to, step } = &decision.verdict
        && to.tag.as_ref() == Some(tag)
    {
        return Ok(*step);
    }
    let question = &decision.question;
    let listed = observation.images.get(&question.image).and_then(|tags| tags.as_ref().ok());
    let reason = listed.and_then(|tags| {
        decision.rejected.iter().find(|(rejected, _)| tags.list.at(*rejected) == tag.as_str()).map(|(_, reason)| reason)
    });
    match reason {
        Some(Reason::Outranked) => Ok(None),
        Some(Reason::SameVersion) => Err(Candidate::Keep),
        Some(Reason::Lower) => Err(Candidate::Blocked(format!(
            "it runs {}, which is ahead of {tag} in the environment before it",
            question.current
        ))),
        Some(other) => Err(Candidate::Blocked(format!("{tag}, which the environment before it runs, is {other} here"))),
        None => Err(Candidate::Blocked(format!(
            "{tag}, which the environment before it runs, is not in the registry's list any more"
        ))),
    }
}

fn list(values: &BTreeSet<&Value>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
