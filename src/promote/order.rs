//! What a person orders: which version is the one before, and which gates stand in the way of one at once.
//!
//! Entry points: [`ways_back`] and [`gates`]. Pure over what was observed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::checks::ChecksWant;
use crate::model::decision::{Decision, Question};
use crate::model::environment::{Environment, EnvironmentName, Environments};
use crate::model::gate::{Gate, GateName, GateState};
use crate::model::history::{Descent, Mover, Ordered, Past, Shift, Timeline};
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::policy::Groups;
use crate::model::proposal::Move;
use crate::model::site::{Place, Value};
use crate::model::source::SourceQuestion;
use crate::policy::spelling::Alike;
use crate::promote::candidates;
use crate::promote::gates::{self as judged, Bench};
use crate::promote::matching::Matching;
use crate::promote::stage;

/// How many files are told at most.
const MOST_FILES: usize = 5;

/// How many versions that stood before are told at most where none of them may come again.
const MOST_KEPT: usize = 5;

/// Where a rollback goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The value that comes.
    pub to: Value,
    /// The values that are held from then on: the one that is left, and those that had come after a `to` that was named.
    pub left: BTreeSet<Value>,
    /// The values that had come after `to` and are nothing to go back to, each with the reason.
    pub passed: BTreeMap<Value, String>,
    /// Whether history tells that `to` stood there.
    pub stood: bool,
}

/// Why there is no way back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// Tagboat has gone back already, and nothing has come since.
    #[error("it was rolled back to {0} already, and nothing has come since: `--to TAG` goes back further")]
    Already(String),
    /// It stands there.
    #[error("it runs {0} already")]
    Same(String),
    /// Different versions may have stood there before: the file was rewritten so that nobody can tell which.
    #[error("it stands where different versions may have stood before {current}: {before}")]
    Apart {
        /// What stands there.
        current: String,
        /// What stood there, as far as history tells.
        before: String,
    },
    /// Nothing that stood there before may come again.
    #[error("everything that stood before {current} is kept back: {before}")]
    Kept {
        /// What stands there.
        current: String,
        /// What stood there, each with the reason.
        before: String,
    },
    /// History does not reach a version before.
    #[error("history tells of no version before {0}: name one with `--to TAG`")]
    Unknown(String),
}

/// Where some places go back.
pub type Way = (Vec<usize>, Result<Back, NoWayBack>);

/// Finds for each place of a question the version that ran there before; or the one that is named. Places that go back to
/// the same come together, as sites. `kept` says why a version is passed over, beside those that somebody took back.
pub fn ways_back(
    observation: &Observation,
    question: &Question,
    past: &Past,
    named: Option<&Tag>,
    kept: &dyn Fn(&Value) -> Option<String>,
) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    for (sites, timeline) in parts(observation, question, past) {
        let way = version_before(past, timeline.as_ref(), &question.current, named, kept);
        let is_same = |(_, known): &&mut Way| match (known, &way) {
            (Ok(known), Ok(back)) => known.to == back.to,
            (Err(known), Err(error)) => known == error,
            _ => false,
        };
        match ways.iter_mut().find(is_same) {
            Some((known, found)) => {
                known.extend(sites);
                if let (Ok(found), Ok(back)) = (found, way) {
                    found.left.extend(back.left);
                    found.passed.extend(back.passed);
                }
            }
            None => ways.push((sites, way)),
        }
    }
    ways
}

/// What the versions of an image are compared by in an environment: its policies there, and what was asked about its tags.
pub fn alike<'a>(
    observation: &'a Observation,
    questions: impl Iterator<Item = &'a Question>,
    environment: &EnvironmentName,
    image: &ImageName,
) -> Alike<'a> {
    let own = questions.filter(|question| question.environment == *environment && question.image == *image);
    let tags = observation.images.get(image).and_then(|tags| tags.as_ref().ok());
    Alike { policies: own.map(|question| &*question.policy).collect(), tags: tags.map(|tags| &**tags) }
}

/// Returns an entry in the file of holds that means a version, under any of its spellings, in an environment or one before it:
/// `concerned` are all of these.
pub fn hold_on<'a>(
    observation: &'a Observation,
    alike: &Alike<'_>,
    concerned: &[&EnvironmentName],
    (image, value): (&ImageName, &Value),
) -> Option<&'a Hold> {
    observation.all_holds().find(|hold| alike.is_held(hold, concerned, (image, value), observation.now))
}

/// Says who took a version back in an environment before, where somebody did, under any of its spellings.
pub fn taken_back(before: &[(&EnvironmentName, &Past)], value: &Value, alike: &Alike<'_>) -> Option<String> {
    let is_one = |one: &Value, other: &Value| alike.is_one(one, other);
    let mut taken = before.iter().filter_map(|(name, past)| {
        let taken = past.hold_on(value).or_else(|| past.hold_on_same(value, &is_one))?;
        Some(format!("in {name}, {}", taken.told_of(value)))
    });
    taken.next()
}

/// Takes the past of a question's places apart: those with the same past come together, as sites.
pub fn parts(observation: &Observation, question: &Question, past: &Past) -> Vec<(Vec<usize>, Option<Timeline>)> {
    let Some(timeline) = &past.timeline else { return vec![(question.sites.clone(), None)] };
    super::parts(observation, &question.sites, timeline, &question.current)
        .into_iter()
        .map(|(sites, part)| (sites, Some(part)))
        .collect()
}

/// Finds the version that ran before where a version stands, whoever had brought it; or the one that is named. `timeline` is
/// of the place alone: what other places of the environment ran is none of its own.
///
/// Versions that are held, or that somebody took back, are passed over.
///
/// # Errors
///
/// [`NoWayBack`], with what to do.
fn version_before(
    past: &Past,
    timeline: Option<&Timeline>,
    current: &Value,
    named: Option<&Tag>,
    kept: &dyn Fn(&Value) -> Option<String>,
) -> Result<Back, NoWayBack> {
    if let Some(tag) = named
        && current.tag.as_ref() == Some(tag)
    {
        return Err(NoWayBack::Same(current.to_string()));
    }
    let oldest = jiff::Timestamp::UNIX_EPOCH;
    let nothing = Timeline {
        shifts: Vec::new(),
        asides: Vec::new(),
        spread: Vec::new(),
        stood: BTreeMap::new(),
        oldest,
        whole: true,
    };
    let timeline = timeline.unwrap_or(&nothing);
    let line = timeline.with_moved();
    let latest = line.iter().find(|shift| shift.from != shift.to || !shift.steps.is_empty());
    if named.is_none()
        && let Some(latest) = latest
        && latest.by == Mover::Tagboat
        && latest.word.order == Some(Ordered::Rollback)
        && latest.to.contains(current)
    {
        return Err(NoWayBack::Already(current.to_string()));
    }
    let Some(tag) = named else { return standing_before(past, &line, current, kept) };
    let stood: Vec<&Value> = line.iter().flat_map(|shift| shift.to.iter().chain(&shift.from)).collect();
    let position = stood.iter().position(|value| value.tag.as_ref() == Some(tag));
    let to = match position {
        Some(position) => stood[position].clone(),
        None => Value { tag: Some(tag.clone()), digest: None },
    };
    let mut left: BTreeSet<Value> = stood[..position.unwrap_or(0)].iter().map(|value| (*value).clone()).collect();
    left.insert(current.clone());
    left.retain(|value| value.tag.is_some() && value.tag != to.tag);
    Ok(Back { to, left, passed: BTreeMap::new(), stood: position.is_some() })
}

/// Finds the one version that a place had before.
fn standing_before(
    past: &Past,
    line: &[&Shift],
    current: &Value,
    kept: &dyn Fn(&Value) -> Option<String>,
) -> Result<Back, NoWayBack> {
    // The same tag without its digest is the same version: a digest was only written beside it.
    let is_other = |one: &Value, two: &Value| {
        one.tag != two.tag || matches!((&one.digest, &two.digest), (Some(one), Some(other)) if one != other)
    };
    let kept = |value: &Value| kept(value).or_else(|| past.hold_on(value).map(ToString::to_string));
    let is_version = |value: &Value| is_other(value, current) && value.tag.is_some();
    let is_before = |value: &Value| is_version(value) && kept(value).is_none();
    let Descent { wanted, passed: mut left, is_open, .. } = Descent::along(line.iter().copied(), current, &is_before);
    let Some(to) = wanted.iter().max_by_key(|value| value.digest.is_some()).cloned() else {
        let why = |value: &Value| Some(format!("{value} ({})", kept(value)?));
        let mut before: Vec<String> = left.iter().filter(|value| is_version(value)).filter_map(why).collect();
        let (current, more) = (current.to_string(), before.len().saturating_sub(MOST_KEPT));
        if before.is_empty() {
            return Err(NoWayBack::Unknown(current));
        }
        before.truncate(MOST_KEPT);
        before.extend((more > 0).then(|| format!("{more} more")));
        return Err(NoWayBack::Kept { current, before: before.join(", ") });
    };
    if is_open || wanted.iter().any(|value| is_other(value, &to)) {
        let nothing = is_open.then(|| "none that history tells of".to_owned());
        let before = wanted.iter().map(ToString::to_string).chain(nothing).collect::<Vec<_>>().join(", ");
        return Err(NoWayBack::Apart { current: current.to_string(), before });
    }
    left.retain(|value| value.tag.is_some() && value.tag != to.tag);
    // What is no way back for a reason of its own is not held for what failed now.
    let is_passed = |value: &&Value| value.tag != current.tag;
    let passed: BTreeMap<Value, String> =
        left.iter().filter(is_passed).filter_map(|value| Some((value.clone(), kept(value)?))).collect();
    left.retain(|value| !passed.contains_key(value));
    Ok(Back { to, left, passed, stood: true })
}

/// Says what was passed over on the way back, and why.
pub fn passed_over(passed: &BTreeMap<Value, String>) -> Vec<String> {
    let more = passed.len().saturating_sub(MOST_KEPT);
    let told = passed.iter().take(MOST_KEPT).map(|(value, why)| format!("{value} is passed over ({why})"));
    told.chain((more > 0).then(|| format!("{more} more versions are passed over"))).collect()
}

/// Finds each place that a fault in its file keeps at a version that others of its image leave, and says so.
pub fn stays_behind(
    observation: &Observation,
    environments: &Environments,
    environment: &Environment,
    moves: &[Move],
) -> Vec<(ImageName, String)> {
    let mut found = Vec::new();
    for site in &observation.sites {
        let (Some(image), Some(fault), Some(tag)) = (&site.image, site.fault(), &site.value.tag) else { continue };
        let is_left =
            |step: &Move| step.image == *image && step.from.tag.as_ref() == Some(tag) && step.to.tag != step.from.tag;
        let owner = environments.of(site.branch.as_ref(), site.file.as_str());
        if moves.iter().any(is_left) && owner.is_some_and(|owner| owner.name == environment.name) {
            let place = Place(&site.file, site.position);
            found.push((image.clone(), format!("{tag} stays at {place}, which cannot be changed: {fault}")));
        }
    }
    found
}

/// Returns the files in which the sites of a question stand, for people.
pub fn files(observation: &Observation, question: &Question) -> String {
    let files = question.sites.iter().filter_map(|site| observation.sites.get(*site)).map(|site| site.file.as_str());
    let files: Vec<&str> = files.collect::<BTreeSet<_>>().into_iter().collect();
    let more = files.len().saturating_sub(MOST_FILES);
    let told = files.into_iter().take(MOST_FILES).collect::<Vec<_>>().join(", ");
    if more == 0 { told } else { format!("{told} and {more} more") }
}

/// What is known where a person orders something.
pub struct Seen<'a> {
    /// What was observed.
    pub observation: &'a Observation,
    /// All environments.
    pub environments: &'a Environments,
    /// What was decided about the image.
    pub decisions: &'a [Decision],
}

/// Judges the gates of an environment for moves that a person orders; those that are skipped are left out.
pub fn gates(seen: &Seen<'_>, environment: &Environment, moves: &[Move], skipped: &BTreeSet<GateName>) -> Vec<Gate> {
    let observation = seen.observation;
    let matching = Matching::of(observation, seen.environments, seen.decisions);
    let soaking = super::soaking(observation, &matching, environment, moves);
    let proofs = judged::proofs(observation, &matching, environment, moves);
    // No pull request stands for it yet.
    let forge = judged::Forge { proofs: &proofs, approvals: None, publish: environment.publish };
    let asking = (&environment.name, moves);
    let bench = Bench { now: observation.now, soaking: &soaking, asking, answers: &observation.answers, forge };
    let specs: Vec<_> = environment.gates.iter().filter(|spec| !skipped.contains(&spec.name())).cloned().collect();
    judged::judge(&specs, &bench).gates
}

/// Returns what the gates that are not skipped ask of sources.
pub fn questions(
    observation: &Observation,
    environment: &Environment,
    moves: &[Move],
    skipped: &BTreeSet<GateName>,
) -> BTreeSet<SourceQuestion> {
    let specs = environment.gates.iter().filter(|spec| !skipped.contains(&spec.name()));
    let asked = specs.flat_map(|spec| judged::questions(spec, &environment.name, moves));
    asked.filter(|question| !observation.answers.contains_key(question)).collect()
}

/// Returns the commits whose checks have to be asked for before [`gates`] says anything final.
pub fn wants(seen: &Seen<'_>, environment: &Environment, moves: &[Move]) -> BTreeSet<ChecksWant> {
    let matching = Matching::of(seen.observation, seen.environments, seen.decisions);
    let proofs = judged::proofs(seen.observation, &matching, environment, moves);
    judged::wants(environment, &proofs)
}

/// Returns what keeps gates from passing; `None` where all pass.
pub fn objection(gates: &[Gate]) -> Option<String> {
    let told = gates.iter().filter_map(|gate| match &gate.state {
        GateState::Pass => None,
        GateState::Wait { reason, .. } | GateState::Fail { reason } => Some(format!("{}: {reason}", gate.name)),
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Returns the environments before one, near and far.
pub fn before<'a>(environment: &'a Environment, environments: &'a Environments) -> Vec<&'a EnvironmentName> {
    candidates::ancestors(environment, environments)
}

/// Returns what an environment before another one runs of an image, in this repository or another.
pub fn runs<'a>(
    observation: &'a Observation,
    decisions: &'a [Decision],
    before: &EnvironmentName,
    image: &ImageName,
) -> BTreeSet<&'a Value> {
    candidates::runs(observation, decisions, before, image)
}

/// Tells of an image of a group that an environment right before runs, and that nothing follows here, or of a place of it that a
/// fault in its file would leave behind.
pub fn half_present(
    seen: &Seen<'_>,
    environment: &Environment,
    (groups, group): (&Groups, &str),
    moves: &[Move],
) -> Option<String> {
    let missing = stage::missing(seen.observation, seen.decisions, environment, groups).remove(group);
    missing.or_else(|| {
        let moving = BTreeMap::from([(group, moves.to_vec())]);
        let known = (seen.environments, seen.decisions);
        stage::left_behind(seen.observation, known, environment, groups, &moving).remove(group)
    })
}

/// Returns an environment as it follows those before it that have a version, where one of several is enough.
pub fn narrowed(environment: &Environment, has: &dyn Fn(&EnvironmentName) -> bool) -> Option<Environment> {
    let mut narrowed = environment.clone();
    narrowed.after.retain(|before| has(before.name()));
    (environment.after_any && !narrowed.after.is_empty()).then_some(narrowed)
}

/// Returns the environments right before one.
pub fn right_before(environment: &Environment) -> impl Iterator<Item = &EnvironmentName> {
    candidates::predecessors(environment)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::commit::CommitId;
    use crate::model::history::{Shift, Word};

    fn value(tag: &str) -> Value {
        Value { tag: Some(tag.parse().unwrap()), digest: None }
    }

    fn values(tags: &str) -> BTreeSet<Value> {
        tags.split_whitespace().map(value).collect()
    }

    /// A past of shifts, the newest first: what stood before, what stood after, and `from>to` for each step.
    fn past(shifts: &[(&str, &str, &str)]) -> Past {
        let step = |step: &str| step.split_once('>').map(|(left, came)| (value(left), value(came))).unwrap();
        let shift = |(depth, (from, to, steps)): (usize, &(&str, &str, &str))| Shift {
            commit: CommitId(format!("c{depth}").into()),
            time: Timestamp::UNIX_EPOCH,
            landed: Timestamp::UNIX_EPOCH,
            by: Mover::Tagboat,
            word: Word { depth, ..Word::default() },
            from: values(from),
            to: values(to),
            steps: steps.split_whitespace().map(step).collect(),
            changes: Vec::new(),
        };
        let shifts = shifts.iter().enumerate().map(shift).collect();
        let timeline = Timeline {
            shifts,
            asides: Vec::new(),
            spread: Vec::new(),
            stood: BTreeMap::new(),
            oldest: Timestamp::UNIX_EPOCH,
            whole: true,
        };
        Past { timeline: Some(timeline), ..Past::default() }
    }

    /// Says where a rollback of a version goes, and what it holds.
    fn back(shifts: &[(&str, &str, &str)], current: &str, held: &str) -> String {
        let past = past(shifts);
        let kept = |value: &Value| values(held).contains(value).then(|| "held".to_owned());
        let found = version_before(&past, past.timeline.as_ref(), &value(current), None, &kept);
        match found {
            Ok(Back { to, left, .. }) => {
                format!("{to}, leaves {}", left.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_place_goes_back_to_what_stood_there_and_never_to_what_stood_at_another() {
        let parted = [("1.3.0", "1.4.0 1.8.0", "1.3.0>1.4.0 1.3.0>1.8.0")];
        assert_eq!(back(&parted, "1.4.0", ""), "1.3.0, leaves 1.4.0");
        assert_eq!(back(&parted, "1.8.0", ""), "1.3.0, leaves 1.8.0");
        let one_alone = [("1.4.0 1.6.0", "1.4.0 1.7.0", "1.6.0>1.7.0")];
        assert_eq!(back(&one_alone, "1.7.0", ""), "1.6.0, leaves 1.7.0");
        assert!(back(&one_alone, "1.4.0", "").contains("no version before 1.4.0"));
        // What is held is passed over at the same place.
        let further =
            [("1.3.0 1.6.0", "1.3.0 1.7.0", "1.6.0>1.7.0"), ("1.2.0 1.5.0", "1.3.0 1.6.0", "1.2.0>1.3.0 1.5.0>1.6.0")];
        assert_eq!(back(&further, "1.7.0", "1.6.0"), "1.5.0, leaves 1.7.0");
        assert_eq!(
            back(&further, "1.7.0", "1.5.0 1.6.0"),
            "everything that stood before 1.7.0 is kept back: 1.5.0 (held), 1.6.0 (held)"
        );
    }

    #[test]
    fn where_places_had_different_versions_before_there_is_no_one_way_back() {
        let joined = [("1.3.0 1.4.0", "1.5.0", "1.3.0>1.5.0 1.4.0>1.5.0")];
        assert_eq!(
            back(&joined, "1.5.0", ""),
            "it stands where different versions may have stood before 1.5.0: 1.3.0, 1.4.0"
        );
        // One place came to what the other one has had for ever.
        let followed = [("1.4.0 1.5.0", "1.5.0", "1.4.0>1.5.0")];
        assert_eq!(
            back(&followed, "1.5.0", ""),
            "it stands where different versions may have stood before 1.5.0: 1.4.0, none that history tells of"
        );
        // One after the other, and from the same.
        let after = [("1.4.0 1.5.0", "1.5.0", "1.4.0>1.5.0"), ("1.4.0", "1.4.0 1.5.0", "1.4.0>1.5.0")];
        assert_eq!(back(&after, "1.5.0", ""), "1.4.0, leaves 1.5.0");
    }

    #[test]
    fn a_time_without_the_image_is_looked_through_as_long_as_it_stood_at_one_place() {
        let gone = [("", "1.5.0", ""), ("1.4.0", "", "")];
        assert_eq!(back(&gone, "1.5.0", ""), "1.4.0, leaves 1.5.0");
        let two = [("", "1.5.0", ""), ("1.3.0 1.4.0", "", "")];
        assert!(back(&two, "1.5.0", "").ends_with("before 1.5.0: 1.3.0, 1.4.0"));
        let beside = [("1.4.0", "1.4.0 1.5.0", "")];
        assert!(back(&beside, "1.5.0", "").contains("no version before 1.5.0"));
    }
}
