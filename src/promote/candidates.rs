//! What an environment with `after` may take: the value that every environment before it runs in Git.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::checks::{Concern, Inquiry, beyond};
use crate::model::decision::{Decision, Question, Reason, Verdict};
use crate::model::environment::{Environment, EnvironmentName, Environments, Predecessor};
use crate::model::history::{Mover, Ordered, Past, Shift, TakenBack, Timeline};
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::policy::{Group, Groups, Pin, Select, Step};
use crate::model::proposal::Move;
use crate::model::signature::{SignatureVerdict, SignatureWant};
use crate::model::site::Value;
use crate::model::tags::TagIndex;
use crate::model::watch::{Watch, WatchState};
use crate::policy::spelling::Alike;
use crate::promote::matching::Matching;
use crate::promote::running::Running;
use crate::promote::watch::Asked;
use crate::promote::{ForgeWants, introduced, order, watch};

/// What a question comes to.
pub(super) enum Candidate {
    /// It may move.
    Move(Box<Move>),
    /// It stands where it should.
    Keep,
    /// It cannot move, and a person should know why.
    Blocked(String),
    /// It could move, and a person holds it back, or what failed does.
    Held(Box<Move>, Holding),
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

/// Who holds something back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    /// Who and why, in words.
    pub(super) why: String,
    /// When it ends by itself, where nothing else stands against the version then.
    pub(super) until: Option<Timestamp>,
}

impl Holding {
    /// Makes one that time does not end.
    fn standing(why: String) -> Self {
        Self { why, until: None }
    }
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
            Self::Held(step, holding) => step.to.tag.clone().map(|tag| (tag, holding.why.as_str().into())),
            _ => None,
        };
        Settled { verdict, held }
    }
}

/// Turns a decision among all listed tags into one among what the environment before runs.
///
/// `before` is what the environments before it run of the image, and where soak counts from the introduction, what they ran.
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

/// Whether two values are one version: the same tag, and no two digests.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    let digests = (&one.digest, &other.digest);
    one.tag == other.tag && !matches!(digests, (Some(one), Some(other)) if one != other)
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

/// Returns the environments whose past counts for what comes to one: itself and all before it.
fn concerned<'a>(environment: &'a Environment, environments: &'a Environments) -> Vec<&'a EnvironmentName> {
    std::iter::once(&environment.name).chain(before(environment, environments)).collect()
}

/// Why nothing comes where several environments come before.
const APART: &str = "the environments before it do not run the same version";

/// What is known of versions whose time to go back by themselves is over, and that would go on.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// What has to be asked of the forge.
    pub(super) forge: ForgeWants,
    /// Those that failed in their time, or of which that cannot be told.
    pub(super) found: Vec<Watch>,
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
    /// The group of every image.
    pub(super) groups: &'a BTreeMap<ImageName, String>,
    /// The groups that move together.
    pub(super) configured: &'a Groups,
    /// What was asked of versions that are watched no more.
    pub(super) late: &'a RefCell<Late>,
    /// Histories that have to be read before an answer is final.
    pub(super) wants: &'a mut BTreeSet<(EnvironmentName, ImageName)>,
}

impl Search<'_> {
    /// Finds the value that all environments before this one run, and whether it is a step forward.
    pub(super) fn settle(&mut self, decision: &Decision, environment: &Environment) -> Candidate {
        let counts_introduced = introduced::counts(environment);
        // What replaced a version by going up leaves it counting: they may have an older one in common, or one that may
        // come here.
        let (running, otherwise) = match self.running(decision, environment) {
            Running::One(value) => match judge(self.observation, decision, &value) {
                Candidate::Move(step) => (Some(*step), APART.to_owned()),
                Candidate::Blocked(reason) if counts_introduced && self.is_barred(decision, &value) => (None, reason),
                other => return other,
            },
            Running::Apart(who) if counts_introduced => (None, format!("{APART}: {who}")),
            Running::Apart(who) => return Candidate::Blocked(format!("{APART}: {who}")),
            Running::Not(candidate) => return candidate,
        };
        if let Some(reason) = self.untold(environment, &decision.question.image) {
            return Candidate::Undecided(reason);
        }
        let step = if counts_introduced { self.introduced(decision, environment, running) } else { running };
        match step {
            Some(step) => self.admit(environment, step),
            None => Candidate::Blocked(otherwise),
        }
    }

    /// Returns why the past of an image is not known where it counts: here and in all environments before. What nobody has
    /// read yet is asked for.
    pub(super) fn untold(&mut self, environment: &Environment, image: &ImageName) -> Option<String> {
        let mut is_known = true;
        for name in concerned(environment, self.environments) {
            let key = (name.clone(), image.clone());
            match self.observation.pasts.get(&key) {
                Some(Ok(_)) => {}
                Some(Err(reason)) => return Some(reason.clone()),
                None => {
                    self.wants.insert(key);
                    is_known = false;
                }
            }
        }
        (!is_known).then(|| "history is still to be read".to_owned())
    }

    /// Says whether anything stands against a step: a hold, something that failed, what somebody took back.
    pub(super) fn admit(&self, environment: &Environment, step: Move) -> Candidate {
        let Some(hold) = self.hold_on(environment, &step.image, &step.to) else {
            return self.admit_unheld(environment, step);
        };
        let told = step.to.tag.as_ref().map_or_else(|| hold.to_string(), |tag| hold.told_of(tag));
        let (why, until) = (told, self.held_until(environment, &step.image, &step.to));
        let is_free_then = || matches!(self.admit_unheld(environment, step.clone()), Candidate::Move(_));
        let until = until.filter(|_| is_free_then());
        Candidate::Held(Box::new(step), Holding { why, until })
    }

    /// Says whether anything but a hold stands against a step.
    fn admit_unheld(&self, environment: &Environment, step: Move) -> Candidate {
        let image = &step.image;
        let concerned = concerned(environment, self.environments);
        if let Some(reason) = self.goes_back(environment, image, &step) {
            return Candidate::Blocked(reason);
        }
        for name in &concerned {
            if let Some(reason) = self.unwatched(name) {
                return Candidate::Blocked(format!("whether {} failed in {name} is not known: {reason}", step.to));
            }
            if let Some(candidate) = self.watched(name, &step) {
                return candidate;
            }
        }
        let alike = self.alike(environment, image);
        for name in &concerned {
            // Where it stands now it may have gone up; here it would come back to where it was left for something worse.
            let taken = self.past(name, image).and_then(|past| {
                let is_one = |one: &Value, other: &Value| alike.is_one(one, other);
                let exact = if **name == environment.name {
                    past.left_before(|taken| taken.holds(&step.to), || self.observation.spots(&step.sites))
                } else {
                    past.hold_on(&step.to)
                };
                exact.or_else(|| past.hold_on_same(&step.to, &is_one))
            });
            if let Some(taken) = taken {
                let why = format!("in {name}, {}", taken.told_of(&step.to));
                return Candidate::Held(Box::new(step), Holding::standing(why));
            }
        }
        self.unless_late(environment, step, concerned)
    }

    /// Says of a step of an environment that no other one comes before whether what comes stands there already and failed.
    pub(super) fn admit_there(&self, environment: &Environment, step: Move) -> Candidate {
        match self.watched(&environment.name, &step) {
            Some(candidate) => candidate,
            None => self.unless_late(environment, step, vec![&environment.name]),
        }
    }

    /// Says what keeps a step back as long as what comes is watched in an environment: that it failed, or that this could not be asked.
    fn watched(&self, name: &EnvironmentName, step: &Move) -> Option<Candidate> {
        let is_meant =
            |watch: &&Watch| watch.environment == *name && watch.image == step.image && is_same(&watch.value, &step.to);
        if let Some(watch) = self.watches.iter().filter(|watch| watch.has_failed()).find(is_meant) {
            let why = format!("in {name}, it {}", watch.told());
            return Some(Candidate::Held(Box::new(step.clone()), Holding::standing(why)));
        }
        // Whether it failed could not be asked this time; where nobody can ever be asked, nothing waits for it.
        let is_unknown = |watch: &&Watch| matches!(watch.state, WatchState::Unknown(_));
        let unknown = self.watches.iter().filter(is_unknown).find(is_meant).filter(|_| self.observation.has_forge)?;
        Some(Candidate::Undecided(format!("in {name}, {} is {}", step.to, unknown.told())))
    }

    /// Takes a step, unless what comes failed in one of these environments while nobody looked.
    fn unless_late(&self, environment: &Environment, step: Move, concerned: Vec<&EnvironmentName>) -> Candidate {
        let image = &step.image;
        let watch = match concerned.into_iter().find_map(|name| self.late(environment, name, &step)) {
            None => return Candidate::Move(Box::new(step)),
            Some(Asked::Beyond(name)) => {
                let reason = format!("whether {} failed in {name} is not known: {}", step.to, beyond());
                return Candidate::Undecided(reason);
            }
            Some(Asked::Told(watch)) => watch,
        };
        let (name, told) = (&watch.environment, watch.told());
        if !watch.has_failed() {
            return Candidate::Undecided(format!("in {name}, {} is {told}", step.to));
        }
        let tag = step.to.tag.as_ref().map(ToString::to_string).unwrap_or_default();
        let to = &environment.name;
        let group = self.configured.of(image);
        let all = group.map_or_else(|| image.to_string(), |group| group.name.clone());
        // An order names one tag, and so a group where all of it has the same.
        let one = group.filter(|group| self.has_one_tag(group, name));
        let one = one.map_or_else(|| image.to_string(), |group| group.name.clone());
        let why = if watch.stands() {
            format!(
                "in {name}, it {told}: `tagboat rollback {name} {all}` goes back there, \
                 `tagboat promote {one}:{tag} --to {to}` brings it all the same"
            )
        } else {
            format!("in {name}, it {told}: `tagboat promote {one}:{tag} --to {to}` brings it all the same")
        };
        Candidate::Held(Box::new(step), Holding::standing(why))
    }

    /// Whether everything of a group has the same tag in an environment.
    fn has_one_tag(&self, group: &Group, name: &EnvironmentName) -> bool {
        let is_its = |question: &&Question| {
            question.environment == *name
                && self.configured.of(&question.image).is_some_and(|own| own.name == group.name)
        };
        let own = self.decisions.iter().map(|decision| &decision.question).filter(is_its);
        own.map(|question| &question.current.tag).collect::<BTreeSet<_>>().len() == 1
    }

    /// Returns what is known of a version whose time to go back by itself is over where it stands: that it failed in its time, or
    /// that this cannot be told. Asked only of what nothing else keeps; where nobody can ever be asked, nothing waits for it.
    fn late(&self, environment: &Environment, name: &EnvironmentName, step: &Move) -> Option<Asked> {
        let before = self.environments.named(name)?;
        let what = self.groups.get(&step.image).cloned().unwrap_or_default();
        let inquiry = Inquiry { concern: Concern::Late, environment: environment.name.clone(), what };
        let mut late = self.late.borrow_mut();
        let is_it = |value: &Value| is_same(value, &step.to);
        // What counts from its introduction may have given way to something newer.
        let counts_gone = introduced::counts(environment) && predecessors(environment).any(|before| before == name);
        let version = watch::Version { image: &step.image, is_it: &is_it, counts_gone };
        let asked = watch::late(self.observation, self.decisions, before, &version, &inquiry, &mut late.forge)?;
        let Asked::Told(watch) = &asked else { return self.observation.has_forge.then_some(asked) };
        if !watch.has_failed() && !self.observation.has_forge {
            return None;
        }
        if !late.found.contains(watch) {
            late.found.push(Watch::clone(watch));
        }
        Some(asked)
    }

    /// Returns why it cannot be told whether anything failed in an environment: what stands in a file that could not be read is
    /// not watched, whichever way a version comes. Where nobody can ever be asked, nothing waits for it.
    fn unwatched(&self, name: &EnvironmentName) -> Option<&str> {
        let is_watched = self.environments.named(name).is_some_and(|environment| environment.on_failure.is_some());
        let reason = self.observation.half_known.get(name).filter(|_| is_watched && self.observation.has_forge)?;
        Some(reason)
    }

    /// Returns the entry in the file of holds that names a value for an environment or one before it.
    pub(super) fn hold_on(&self, environment: &Environment, image: &ImageName, value: &Value) -> Option<&Hold> {
        self.holds_on(environment, image, value).first().copied()
    }

    /// Returns when the last of the holds on a value ends; `None` where there is none, or one that never does.
    pub(super) fn held_until(&self, environment: &Environment, image: &ImageName, value: &Value) -> Option<Timestamp> {
        let holds = self.holds_on(environment, image, value);
        let ends: Option<Vec<Timestamp>> = holds.into_iter().map(|hold| hold.until).collect();
        ends?.into_iter().max()
    }

    fn holds_on(&self, environment: &Environment, image: &ImageName, value: &Value) -> Vec<&Hold> {
        let concerned = concerned(environment, self.environments);
        let now = self.observation.now;
        let alike = self.alike(environment, image);
        let covers = |hold: &&Hold| alike.is_held(hold, &concerned, (image, value), now);
        self.observation.all_holds().filter(covers).collect()
    }

    /// What is one version here.
    fn alike(&self, environment: &Environment, image: &ImageName) -> Alike<'_> {
        order::alike(
            self.observation,
            self.decisions.iter().map(|decision| &decision.question),
            &environment.name,
            image,
        )
    }

    /// Returns when an environment before last brought anything that went back here: by order or since it failed, and is still held; or
    /// by somebody's own commit, and would come again but for that.
    pub(super) fn went_back(
        &self,
        environment: &Environment,
        decision: &Decision,
        before: &Timeline,
    ) -> Option<Timestamp> {
        let image = &decision.question.image;
        let past = self.past(&environment.name, image)?;
        let is_held = |failed: &&TakenBack| {
            let value = &failed.value;
            self.hold_on(environment, image, value).is_some()
                || (failed.is_of_digest() && past.hold_on(value).is_some())
        };
        let lowered = past.lowered.iter().filter(|left| !self.is_barred(decision, &left.value));
        let came = past.went_back.iter().filter(is_held).chain(lowered).flat_map(|failed| {
            let has_it = |shift: &&Shift| shift.to.difference(&shift.from).any(|came| failed.holds(came));
            before.shifts.iter().find(has_it).map(|shift| shift.landed)
        });
        came.max()
    }

    /// Returns why another digest of the same tag is no step forward: digests have no order, so one that gave way here is
    /// old, unless the moving tag itself went back to it and an environment before followed since. What an environment before went
    /// back to by order, or for a failure, is none that the tag went back to.
    fn goes_back(&self, environment: &Environment, image: &ImageName, step: &Move) -> Option<String> {
        if step.from.tag != step.to.tag || step.from.digest.is_none() {
            return None;
        }
        let timeline_of = |name| self.past(name, image).and_then(|past| past.timeline.as_ref());
        let went = |shift: &&Shift| shift.from.contains(&step.to) && !shift.to.contains(&step.to);
        let left = timeline_of(&environment.name)?.shifts.iter().find(went)?.landed;
        // The newest position is the first.
        let at = |before, value: &Value| {
            let came = |shift: &Shift| shift.to.contains(value) && !shift.from.contains(value);
            timeline_of(before).and_then(|timeline| timeline.shifts.iter().position(came))
        };
        let is_after = |before, one: &Value, other: &Value| {
            at(before, one).zip(at(before, other)).is_some_and(|(one, other)| one < other)
        };
        // Where one environment before is enough, another one may have had the two in the opposite order.
        let mut all = self.environments.named(&environment.name).into_iter().flat_map(predecessors);
        let is_disputed = all.any(|before| is_after(before, &step.from, &step.to));
        let how = predecessors(environment).find_map(|before| {
            match at(before, &step.to).and_then(|at| timeline_of(before)?.shifts.get(at)) {
                Some(Shift { by: Mover::Person(_), .. }) => Some(format!("to which a person moved {before}")),
                Some(shift) if shift.word.order == Some(Ordered::Rollback) => {
                    Some(format!("to which {before} went back"))
                }
                // It came there after it had gone here, or after what runs here.
                Some(shift) if shift.landed > left || (is_after(before, &step.to, &step.from) && !is_disputed) => None,
                _ => Some(format!("which {before} has had for longer")),
            }
        })?;
        Some(format!("it runs {}, which came after {}, {how}", step.from, step.to))
    }

    pub(super) fn past(&self, environment: &EnvironmentName, image: &ImageName) -> Option<&Past> {
        self.observation.pasts.get(&(environment.clone(), image.clone()))?.as_ref().ok()
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
}

/// Judges a candidate by the decision about the same question, which knows every listed tag's reason.
pub(super) fn judge(observation: &Observation, decision: &Decision, candidate: &Value) -> Candidate {
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
