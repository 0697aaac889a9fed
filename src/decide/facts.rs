//! Facts beyond a tag's name: digest, age, platforms, signatures. What is missing is asked for, never guessed.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::decide::judge::Bench;
use crate::decide::past;
use crate::decide::reading::{in_use, read};
use crate::model::decision::{Origin, Question, Reason, Want};
use crate::model::environment::EnvironmentName;
use crate::model::history::{Means, Past, TakenBack};
use crate::model::hold::Hold;
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::policy::{Policy, Select};
use crate::model::signature::{SignatureVerdict, SignatureWant, Verify};
use crate::model::site::Value;
use crate::model::tags::{FactKind, ImageTags, Platform, TagFacts};
use crate::policy::platform;
use crate::policy::spelling::{self, Alike, BuildOrder};

/// Why a fact is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// It has been asked for now.
    Asked,
    /// It was asked for and could not be had, in words.
    Failed(String),
}

impl Missing {
    /// Says what of a tag it is that is not known, where it is another build of what was `told` of.
    fn of_build(self, tag: &Tag, told: &str) -> Finding {
        Finding::Missing(match self {
            Self::Asked => Self::Asked,
            Self::Failed(reason) => Self::Failed(format!("whether {tag} is newer than {told}, is not known: {reason}")),
        })
    }
}

/// What the facts say of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    Fits,
    Unfit(Reason),
    Missing(Missing),
}

/// The facts about one question's image, and what is asked for.
pub(super) struct Facts<'a> {
    pub(super) question: &'a Question,
    pub(super) tags: &'a ImageTags,
    pub(super) observation: &'a Observation,
    pub(super) wants: &'a mut BTreeSet<Want>,
    pub(super) signatures: &'a mut BTreeSet<SignatureWant>,
    pub(super) pasts: &'a mut BTreeSet<(EnvironmentName, ImageName)>,
}

impl Facts<'_> {
    fn of(&self, tag: &Tag) -> Option<&TagFacts> {
        self.tags.facts.get(tag)
    }

    fn ask(&mut self, tag: &Tag, kind: FactKind) -> Missing {
        let want = Want { image: self.question.image.clone(), tag: tag.clone(), kind };
        if let Some(reason) = self.observation.failed.get(&want) {
            return Missing::Failed(reason.clone());
        }
        self.wants.insert(want);
        Missing::Asked
    }

    /// Returns the digest that a tag points to.
    pub(super) fn digest(&mut self, tag: &Tag) -> Result<Digest, Missing> {
        match self.of(tag).and_then(|facts| facts.digest.clone()) {
            Some(digest) => Ok(digest),
            None => Err(self.ask(tag, FactKind::Digest)),
        }
    }

    /// Returns an image's creation time; `None` where the image names none.
    pub(super) fn created(&mut self, tag: &Tag) -> Result<Option<Timestamp>, Missing> {
        match self.of(tag) {
            // Creation time and platforms come together, so platforms tell that both were asked for.
            Some(facts) if facts.created.is_some() || facts.platforms.is_some() => Ok(facts.created),
            _ => Err(self.ask(tag, FactKind::Image)),
        }
    }

    /// Finds out whether a tag still points to what an earlier pass saw, where its facts are of that one.
    pub(super) fn confirmed(&mut self, tag: &Tag) -> Result<(), Missing> {
        if self.of(tag).is_some_and(|facts| facts.recalled.is_some()) {
            Err(self.ask(tag, FactKind::Digest))
        } else {
            Ok(())
        }
    }

    /// Returns the objection to a candidate's age. The creation time does not count: the image's author writes it.
    fn judge_age(&mut self, tag: &Tag, least: SignedDuration) -> Option<Finding> {
        let too_young = |since: Timestamp, untold: Option<&String>| {
            let until = since.checked_add(least).unwrap_or(Timestamp::MAX);
            let untold = untold.map(|reason| reason.as_str().into());
            (until > self.observation.now).then_some(Finding::Unfit(Reason::TooYoung { until, untold }))
        };
        let facts = self.of(tag);
        if let Some(pushed) = facts.and_then(|facts| facts.pushed) {
            return too_young(pushed, None);
        }
        let failed =
            |kind| self.observation.failed.get(&Want { image: self.question.image.clone(), tag: tag.clone(), kind });
        if let Some(seen) = facts.and_then(|facts| facts.first_seen) {
            return too_young(seen, failed(FactKind::Pushed));
        }
        if let Some(reason) = failed(FactKind::Digest) {
            return Some(Finding::Missing(Missing::Failed(reason.clone())));
        }
        if failed(FactKind::Pushed).is_some() {
            return Some(Finding::Unfit(Reason::AgeUnknown));
        }
        // A tag that moved since is younger still, so this is not asked about again before it is old enough.
        let known = facts.and_then(|facts| facts.not_before).and_then(|since| {
            let untold = facts.and_then(|facts| facts.failed.get(&FactKind::Pushed));
            too_young(since, untold)
        });
        Some(known.unwrap_or_else(|| Finding::Missing(self.ask(tag, FactKind::Pushed))))
    }

    /// Whether this pass asked for what it knows of a tag.
    pub(super) fn was_asked(&self, tag: &Tag) -> bool {
        self.of(tag)
            .is_some_and(|facts| facts.platforms.is_some() || facts.pushed.is_some() || facts.first_seen.is_some())
            || [FactKind::Pushed, FactKind::Digest].into_iter().any(|kind| {
                let want = Want { image: self.question.image.clone(), tag: tag.clone(), kind };
                self.observation.failed.contains_key(&want)
            })
    }

    /// Judges a candidate by whether somebody took it back in this environment.
    ///
    /// What an environment before holds back is asked where versions come from there.
    pub(super) fn past(&mut self, tag: &Tag) -> Finding {
        if self.question.origin == Origin::Before {
            return Finding::Fits;
        }
        let Question { environment, image, .. } = self.question;
        let Observation { holds, now, .. } = self.observation;
        let alike = self.alike();
        let is_one = |one: &Value, other: &Value| alike.is_one(one, other);
        let value = Value { tag: Some(tag.clone()), digest: None };
        let covers = |hold: &&Hold| alike.is_held(hold, &[environment], (image, &value), *now);
        if let Some(hold) = holds.iter().find(covers) {
            return Finding::Unfit(Reason::Held(hold.told_of(tag).into()));
        }
        let key = (environment.clone(), image.clone());
        match self.observation.pasts.get(&key) {
            None => {
                self.pasts.insert(key);
                Finding::Missing(Missing::Asked)
            }
            Some(Err(reason)) => Finding::Missing(Missing::Failed(reason.clone())),
            Some(Ok(past)) => {
                let places = || self.observation.spots(&self.question.sites);
                let taken = past.left_before(|taken| taken.holds_tag(tag), places);
                if let Some(taken) = taken.or_else(|| past.hold_on_same(&value, &is_one)) {
                    return Finding::Unfit(Reason::Held(taken.told_of(&value).into()));
                }
                let left = past.went_back.iter().filter(|left| self.is_still_held(left));
                let mut left = left.chain(&past.lowered).filter(|left| self.would_come(&left.value));
                match left.find(|left| self.is_older(tag, left)) {
                    Some(left) => Finding::Unfit(Reason::Behind(behind(left).into())),
                    None => self.past_of_builds(tag, past),
                }
            }
        }
    }

    /// Judges a candidate by what became of other builds of its version: one that is older than a build which is held, or was taken
    /// back, comes no more than anything older does; and of those without an order one alone that is known to be newer.
    fn past_of_builds(&mut self, tag: &Tag, past: &Past) -> Finding {
        let Question { environment, image, policy, .. } = self.question;
        let Observation { holds, now, .. } = self.observation;
        let value = Value { tag: Some(tag.clone()), digest: None };
        let order = |other: &Tag| spelling::other_build(policy, tag, other);
        let went_back = past.went_back.iter().filter(|left| self.is_still_held(left));
        let taken = past.taken_back.iter().filter(|taken| !taken.is_of_digest()).chain(went_back);
        let taken: Vec<(&Tag, &TakenBack)> =
            taken.filter_map(|taken| Some((taken.value.tag.as_ref()?, taken))).collect();
        let is_held = |hold: &&Hold| {
            hold.reaches(&[environment], image, *now)
                && !taken.iter().any(|(left, _)| hold.is_of(left))
                && self.would_come(&Value { tag: Some(hold.tag.clone()), digest: None })
        };
        let held: Vec<(&Hold, BuildOrder)> =
            holds.iter().filter(is_held).filter_map(|hold| Some((hold, order(&hold.tag)?))).collect();
        let is_open = |taken: &TakenBack| self.would_come(&taken.value) && !past.is_again(taken, &value);
        let taken: Vec<(&TakenBack, BuildOrder)> = taken
            .into_iter()
            .filter_map(|(left, taken)| Some((taken, order(left)?)))
            .filter(|(taken, _)| is_open(taken))
            .collect();
        if let Some((left, _)) = taken.iter().find(|(_, order)| *order == BuildOrder::Older) {
            return Finding::Unfit(Reason::Behind(behind(left).into()));
        }
        if let Some((hold, _)) = held.iter().find(|(_, order)| *order == BuildOrder::Older) {
            return Finding::Unfit(Reason::Behind(format!("{} ({hold})", hold.tag).into()));
        }
        let is_unknown = |order: &BuildOrder| *order == BuildOrder::Unknown;
        let latest = taken.iter().filter(|(_, order)| is_unknown(order)).max_by_key(|(left, _)| left.time);
        if let Some((left, _)) = latest {
            match self.is_after(tag, left.time) {
                Ok(true) => {}
                Ok(false) => return Finding::Unfit(Reason::OtherBuild(told(left).into())),
                Err(missing) => return missing.of_build(tag, &told(left)),
            }
        }
        for (hold, _) in held.iter().filter(|(_, order)| is_unknown(order)) {
            let told = format!("{} ({hold})", hold.tag);
            match self.is_newer_build(tag, &hold.tag) {
                Ok(true) => {}
                Ok(false) => return Finding::Unfit(Reason::OtherBuild(told.into())),
                Err(missing) => return missing.of_build(tag, &told),
            }
        }
        Finding::Fits
    }

    /// Returns when a tag was pushed, where the registry's own API tells; `None` where it does not. Since when a cache has known it says
    /// nothing of what was there before: it is asked about for the first time as soon as something else was taken back.
    fn pushed(&mut self, tag: &Tag) -> Result<Option<Timestamp>, Missing> {
        let facts = self.of(tag);
        if let Some(pushed) = facts.and_then(|facts| facts.pushed) {
            return Ok(Some(pushed));
        }
        if facts.is_some_and(|facts| facts.first_seen.is_some()) {
            return Ok(None);
        }
        let digest = Want { image: self.question.image.clone(), tag: tag.clone(), kind: FactKind::Digest };
        if let Some(reason) = self.observation.failed.get(&digest) {
            return Err(Missing::Failed(reason.clone()));
        }
        match self.ask(tag, FactKind::Pushed) {
            Missing::Failed(_) => Ok(None),
            asked => Err(asked),
        }
    }

    /// Returns when a tag was pushed, and when its image says that it was made, where that is needed. Both are asked for at once: many
    /// builds may lie there.
    fn came(&mut self, tag: &Tag) -> Result<(Option<Timestamp>, Option<Timestamp>), Missing> {
        let pushed = self.pushed(tag);
        if let Ok(Some(pushed)) = pushed {
            return Ok((Some(pushed), None));
        }
        let created = self.created(tag);
        pushed?;
        let created = created?;
        self.confirmed(tag)?;
        Ok((None, created))
    }

    /// Whether a tag is known to be newer than what was done at a moment: pushed after it, or made, where nobody tells when it was
    /// pushed.
    fn is_after(&mut self, tag: &Tag, moment: Timestamp) -> Result<bool, Missing> {
        let (pushed, created) = self.came(tag)?;
        Ok(pushed.or(created).is_some_and(|came| came > moment))
    }

    /// Whether one tag is known to be newer than another one: by when both were pushed, or else by when both were made.
    fn is_newer_build(&mut self, tag: &Tag, other: &Tag) -> Result<bool, Missing> {
        if self.tags.list.find(other.as_str()).is_none() {
            return Ok(false);
        }
        let (one, other) = (self.came(tag), self.came(other));
        let ((pushed, created), (pushed_then, created_then)) = (one?, other?);
        let is_later =
            |one: Option<Timestamp>, other: Option<Timestamp>| one.zip(other).map(|(one, other)| one > other);
        Ok(is_later(pushed, pushed_then).or_else(|| is_later(created, created_then)).unwrap_or_default())
    }

    /// What is one version here.
    fn alike(&self) -> Alike<'_> {
        Alike { policies: vec![&self.question.policy], tags: Some(self.tags) }
    }

    /// Whether what Tagboat went back from is still held: what comes after it may mend it, and what came before it had its turn, or
    /// was passed over.
    fn is_still_held(&self, left: &TakenBack) -> bool {
        let Question { environment, image, .. } = self.question;
        let Observation { holds, now, .. } = self.observation;
        let alike = self.alike();
        holds.iter().any(|hold| alike.is_held(hold, &[environment], (image, &left.value), *now))
    }

    /// Whether the policy would bring a version, had it not gone back: who chose another line of versions, and left what does not belong to it,
    /// waits for nothing newer.
    fn would_come(&self, value: &Value) -> bool {
        let Question { policy, current, .. } = self.question;
        let Some((tag, current)) = value.tag.as_ref().zip(current.tag.as_ref()) else { return false };
        let bench = Bench { policy, current: in_use(current.as_str(), policy) };
        bench.objection(&read(tag.as_str(), policy)).is_none()
    }

    /// Whether a tag is older than what somebody, or something, went back from.
    fn is_older(&self, tag: &Tag, left: &TakenBack) -> bool {
        let policy = &self.question.policy;
        let Some(other) = &left.value.tag else { return false };
        let value = Value { tag: Some(tag.clone()), digest: None };
        let order = match &policy.select {
            Select::Newest => created(self.of(tag)).zip(created(self.of(other))).map(|(one, other)| one.cmp(&other)),
            _ => past::order_by(policy, &value, &left.value),
        };
        order == Some(Ordering::Less)
    }

    /// Judges a digest that would take another's place under the same tag.
    pub(super) fn past_of_digest(&mut self, value: &Value) -> Finding {
        match value.tag.as_ref().map(|tag| self.past(tag)) {
            Some(Finding::Fits) | None => {}
            Some(other) => return other,
        }
        let key = (self.question.environment.clone(), self.question.image.clone());
        let past = self.observation.pasts.get(&key).and_then(|past| past.as_ref().ok());
        let places = || self.observation.spots(&self.question.sites);
        let taken = past.and_then(|past| past.left_before(|taken| taken.holds(value), places));
        taken.map_or(Finding::Fits, |taken| Finding::Unfit(Reason::Held(taken.to_string().into())))
    }

    /// Judges a candidate by everything that its name does not tell. Cheap objections come first.
    pub(super) fn examine(&mut self, tag: &Tag, policy: &Policy) -> Finding {
        match self.past(tag) {
            Finding::Fits => {}
            other => return other,
        }
        if let Some(finding) = policy.min_age.and_then(|least| self.judge_age(tag, least)) {
            return finding;
        }
        match self.lacks_platform(tag, policy) {
            Ok(None) => {}
            Ok(Some(platform)) => return Finding::Unfit(Reason::PlatformMissing(platform)),
            Err(missing) => return Finding::Missing(missing),
        }
        if let Err(missing) = self.confirmed(tag) {
            return Finding::Missing(missing);
        }
        match &policy.verify {
            None => Finding::Fits,
            Some(verify) => match self.digest(tag) {
                Ok(digest) => self.signature(tag, digest, verify),
                Err(missing) => Finding::Missing(missing),
            },
        }
    }

    /// Whether everything is known of a candidate that does not fit yet but what its signatures say.
    pub(super) fn lacks_signature_alone(&self, tag: &Tag, policy: &Policy) -> bool {
        let Some(verify) = &policy.verify else { return false };
        let digest = self.of(tag).and_then(|facts| facts.digest.clone());
        digest.is_some_and(|digest| {
            let (image, tag) = (self.question.image.clone(), tag.clone());
            self.signatures.contains(&SignatureWant { image, tag, digest, verify: Arc::clone(verify) })
        })
    }

    /// Judges the signatures of some content that is or was a tag's.
    pub(super) fn signature(&mut self, tag: &Tag, digest: Digest, verify: &Arc<Verify>) -> Finding {
        let want =
            SignatureWant { image: self.question.image.clone(), tag: tag.clone(), digest, verify: Arc::clone(verify) };
        match self.observation.signatures.get(&want) {
            Some(Ok(SignatureVerdict::Signed)) => Finding::Fits,
            Some(Ok(SignatureVerdict::Missing)) => Finding::Unfit(Reason::SignatureMissing),
            Some(Ok(SignatureVerdict::Wrong(why))) => Finding::Unfit(Reason::SignatureWrong(Arc::clone(why))),
            Some(Err(reason)) => Finding::Missing(Missing::Failed(reason.clone())),
            None => {
                self.signatures.insert(want);
                Finding::Missing(Missing::Asked)
            }
        }
    }

    /// Returns a platform that the policy asks for and the image has not.
    fn lacks_platform(&mut self, tag: &Tag, policy: &Policy) -> Result<Option<Platform>, Missing> {
        if policy.platforms.is_empty() {
            return Ok(None);
        }
        let Some(available) = self.of(tag).and_then(|facts| facts.platforms.as_ref()) else {
            return Err(self.ask(tag, FactKind::Image));
        };
        let lacks = |wanted: &&_| !available.iter().any(|one| platform::satisfies(one, wanted));
        Ok(policy.platforms.iter().find(lacks).cloned())
    }
}

fn created(facts: Option<&TagFacts>) -> Option<Timestamp> {
    facts.and_then(|facts| facts.created)
}

/// Whether a policy judges by more than names.
pub(super) fn needs_facts(policy: &Policy) -> bool {
    policy.verify.is_some() || policy.min_age.is_some() || !policy.platforms.is_empty()
}

/// Says what went back, and how long nothing older comes.
fn behind(left: &TakenBack) -> String {
    let told = told(left);
    match left.means {
        Means::Order | Means::Failure(_) => told,
        Means::Commit => format!("{told}: something newer comes, or what a person brings"),
    }
}

/// Says what went back, when and how.
fn told(left: &TakenBack) -> String {
    let (day, commit, version) = (left.time.strftime("%Y-%m-%d"), left.commit.short(), &left.value);
    let (by, instead) = (&left.by, &left.instead);
    match left.means {
        Means::Order => format!("{version}, which was rolled back on {day} (commit {commit}), and is held"),
        Means::Failure(_) => {
            format!("{version}, which failed and went back on {day} (commit {commit}), and is held")
        }
        Means::Commit if left.commit.is_none() => format!("{version}, which {by} took back to {instead}"),
        Means::Commit => format!("{version}, which {by} took back to {instead} on {day} (commit {commit})"),
    }
}
