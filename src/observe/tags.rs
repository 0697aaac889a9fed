//! Asking a tag source: one list for each image, and single facts where a decision lacks them.
//!
//! Lists are asked for once in a pass and facts once each, many at a time; the source itself keeps to
//! the limits of each registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};

use crate::cache::{Cache, Pointed};
use crate::cores;
use crate::model::decision::{Question, Want};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::tags::{FactKind, ImageTags, Labels, TagFacts, newest_first};
use crate::observe::inspections::Line;
use crate::observe::remembered::{Learnt, Looks, Remembered};
use crate::registry::{SourceError, TagSource};

/// How many questions are under way at once, over all registries.
const CONCURRENT: usize = 128;

/// From this many tags on, what is done with a list is done on another core.
const MANY: usize = 128;

/// Looks into a list as soon as it is there, whole, and returns what is kept of it.
pub type Look = dyn Fn(&ImageName, Arc<ImageTags>) -> Arc<ImageTags> + Send + Sync;

/// What came of asking for lists.
#[derive(Default)]
pub struct Lists {
    images: BTreeMap<ImageName, Result<Arc<ImageTags>, String>>,
    losses: BTreeMap<ImageName, String>,
    unknown: BTreeSet<ImageName>,
    failed: BTreeMap<Want, String>,
}

impl Lists {
    /// Adds them to what was observed before.
    pub fn add_to(self, observation: &mut Observation) {
        observation.images.extend(self.images);
        observation.losses.extend(self.losses);
        observation.unknown.extend(self.unknown);
        observation.failed.extend(self.failed);
    }
}

impl fmt::Debug for Lists {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lists").field("images", &self.images.len()).finish_non_exhaustive()
    }
}

/// Asks for the tag lists of every image that a question is about, but those that were observed already.
///
/// `look` sees each list once it is there and was compared with the one before. `answered` is told the number of answers
/// so far and of all, for a progress bar.
pub async fn ask(
    observation: &Observation,
    questions: &[Question],
    (source, cache): (&dyn TagSource, &Cache),
    look: Option<&Arc<Look>>,
    answered: &(dyn Fn(usize, usize) + Sync),
) -> Lists {
    let source = Remembered::new(source, cache);
    let looks = Mutex::new(Looks::new(&source, questions));
    let aged: BTreeSet<&ImageName> =
        questions.iter().filter(|question| question.policy.min_age.is_some()).map(|question| &question.image).collect();
    let images: BTreeSet<ImageName> = questions
        .iter()
        .map(|question| question.image.clone())
        .filter(|image| !observation.images.contains_key(image))
        .collect();
    let total = images.len();
    let paged = source.paged(&images);
    let (source, looks, aged, paged) = (&source, &looks, &aged, &paged);
    let mut answers = stream::iter(&images)
        .map(|image| async move {
            let mut tags = match source.list(image, paged.contains(image)).await {
                Ok(tags) => tags,
                Err(error) => return (image.clone(), Err(error), None),
            };
            let compare = || looks.lock().unwrap_or_else(PoisonError::into_inner).compare(image, &tags.list);
            let loss = tags.lost.clone().or_else(compare);
            if aged.contains(image) {
                source.add_ages(image, &mut tags);
            }
            match look {
                Some(look) if tags.list.len() < MANY => tags = look(image, tags),
                Some(look) => {
                    let (look, image) = (Arc::clone(look), image.clone());
                    tags = cores::beside(move || look(&image, tags)).await;
                }
                None => {}
            }
            (image.clone(), Ok(tags), loss)
        })
        .buffer_unordered(CONCURRENT);
    let mut lists = Lists::default();
    let mut done = 0;
    while let Some((image, answer, loss)) = answers.next().await {
        done += 1;
        answered(done, total);
        if let Err(SourceError::Unknown(_)) = answer {
            lists.unknown.insert(image.clone());
        }
        if source.is_record()
            && let Ok(tags) = &answer
        {
            lists.failed.extend(recorded_failures(&image, tags));
        }
        lists.losses.extend(loss.map(|loss| (image.clone(), loss)));
        lists.images.insert(image, answer.map_err(|error| error.to_string()));
    }
    drop(answers);
    looks.lock().unwrap_or_else(PoisonError::into_inner).write();
    lists
}

/// Returns what a record says could not be had: the pass that was recorded knew it when it decided.
fn recorded_failures(image: &ImageName, tags: &ImageTags) -> Vec<(Want, String)> {
    let of_tag = |(tag, facts): (&Tag, &TagFacts)| {
        let want = |kind| Want { image: image.clone(), tag: tag.clone(), kind };
        facts.failed.iter().map(|(kind, reason)| (want(*kind), reason.clone())).collect::<Vec<_>>()
    };
    tags.facts.iter().flat_map(of_tag).collect()
}

/// Asks for facts that decisions want, and keeps them in the observation.
///
/// A source may answer only so many in a pass: the newest tags of all images come first, however fast each registry is.
pub async fn facts(observation: &mut Observation, wants: Vec<Want>, source: &dyn TagSource, cache: &Cache) {
    let source = &Remembered::new(source, cache);
    let known = |want: &Want| {
        let tags = observation.images.get(&want.image)?.as_ref().ok()?;
        tags.facts.get(&want.tag)?.digest.clone()
    };
    let wants = newest_of_each_first(wants);
    let ways = source.ways(&wants, known);
    let line = &Line::new(wants.len(), source.inspections().left);
    let mut answers = stream::iter(wants.into_iter().zip(ways).enumerate())
        .map(|(place, (want, way))| async move {
            let answer = source.fact(&want, &way, line.turn(place)).await;
            (want, answer)
        })
        .buffer_unordered(CONCURRENT);
    let (mut known, mut ageless, mut untold_of) = (Vec::new(), Vec::new(), BTreeSet::new());
    while let Some((want, answer)) = answers.next().await {
        match answer {
            Learnt::Facts(facts) => known.push((want, facts)),
            Learnt::Seen(facts, untold) => {
                untold_of.insert(want.image.clone());
                if let Some(reason) = untold {
                    observation.failed.insert(want.clone(), reason);
                }
                known.push((want, facts));
            }
            Learnt::Untold => {
                ageless.push(want.clone());
                observation.failed.insert(want, "nothing tells how old it is".to_owned());
            }
            Learnt::Failed(kind, error) => {
                ageless.extend((want.kind == FactKind::Pushed).then(|| want.clone()));
                if kind == FactKind::Digest && forget_recalled(observation, &want) {
                    let image = Want { kind: FactKind::Image, ..want.clone() };
                    observation.failed.insert(image, error.to_string());
                }
                observation.failed.insert(Want { kind, ..want }, error.to_string());
            }
        }
    }
    source.note_untold(&untold_of);
    let seen = source.note(&known);
    let mut learnt: BTreeMap<ImageName, Vec<(Want, TagFacts)>> = BTreeMap::new();
    for ((want, mut facts), seen) in known.into_iter().zip(seen) {
        if want.kind == FactKind::Pushed && facts.pushed.is_none() {
            facts.first_seen = facts.first_seen.or(seen);
            if facts.first_seen.is_none() {
                ageless.push(want.clone());
                observation.failed.insert(want.clone(), "the cache cannot keep since when it is known".to_owned());
            }
        }
        learnt.entry(want.image.clone()).or_default().push((want, facts));
    }
    let mut moved = Vec::new();
    for (image, facts) in learnt {
        if let Some(Ok(tags)) = observation.images.get_mut(&image) {
            let digests = keep(tags, facts).into_iter();
            moved.extend(digests.map(|(tag, digest)| Pointed { image: image.clone(), tag, digest }));
        }
    }
    for (pointed, seen) in moved.iter().zip(source.since(&moved)) {
        let Some(Ok(tags)) = observation.images.get_mut(&pointed.image) else { continue };
        Arc::make_mut(tags).facts.entry(pointed.tag.clone()).or_default().first_seen = seen;
        if seen.is_none() {
            let want = Want { image: pointed.image.clone(), tag: pointed.tag.clone(), kind: FactKind::Pushed };
            observation.failed.insert(want, "the tag moved while it was asked about".to_owned());
        }
    }
    for want in ageless {
        if let Some(Ok(tags)) = observation.images.get_mut(&want.image)
            && let Some(facts) = Arc::make_mut(tags).facts.get_mut(&want.tag)
        {
            // What could not be confirmed is not known, for a snapshot of this pass either.
            facts.not_before = None;
        }
    }
}

/// Forgets what was recalled of a tag of which it could not be found out where it points. Returns whether there was any.
fn forget_recalled(observation: &mut Observation, want: &Want) -> bool {
    let Some(Ok(tags)) = observation.images.get_mut(&want.image) else { return false };
    if tags.facts.get(&want.tag).is_none_or(|facts| facts.recalled.is_none()) {
        return false;
    }
    let facts = Arc::make_mut(tags).facts.entry(want.tag.clone()).or_default();
    facts.forget_image();
    true
}

/// Puts the newest tag of every image before the second newest of any, so that no image waits for all of another.
fn newest_of_each_first(mut wants: Vec<Want>) -> Vec<Want> {
    wants.sort_by(|one, other| {
        one.image.cmp(&other.image).then_with(|| newest_first(one.tag.as_str(), other.tag.as_str()))
    });
    let mut ranked: Vec<(usize, Want)> = Vec::with_capacity(wants.len());
    for want in wants {
        let rank = ranked.last().map_or(0, |(rank, last)| if last.image == want.image { rank + 1 } else { 0 });
        ranked.push((rank, want));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, want)| want).collect()
}

/// Adds facts to an image's; the list is shared with nobody at this moment, or copied once.
///
/// Facts are about a digest. What was known of another one is forgotten: a tag that moves while it is asked about must
/// not have the age of what it pointed to before. Returns the tags whose age was forgotten, with their digests.
fn keep(tags: &mut Arc<ImageTags>, learnt: Vec<(Want, TagFacts)>) -> BTreeMap<Tag, Digest> {
    let tags = Arc::make_mut(tags);
    let mut moved = BTreeMap::new();
    for (want, facts) in learnt {
        let tag = want.tag;
        let known = tags.facts.entry(tag.clone()).or_default();
        let had_age = known.pushed.is_some() || known.first_seen.is_some() || moved.contains_key(&tag);
        if facts.digest.as_ref().is_some_and(|new| known.digest.as_ref().is_some_and(|old| old != new)) {
            // A push time is looked at below: the registry's API may have known of the move before.
            let (pushed, pushed_digest) = match known.pushed_digest.take() {
                Some(digest) if facts.digest.as_ref() == Some(&digest) => (known.pushed, Some(digest)),
                _ => (None, None),
            };
            let (not_before, failed) = (known.not_before, std::mem::take(&mut known.failed));
            let seen_digest = known.seen_digest.take();
            *known = TagFacts { pushed, pushed_digest, not_before, seen_digest, failed, ..TagFacts::default() };
        }
        known.digest = facts.digest.or_else(|| known.digest.take());
        known.created = facts.created.or(known.created);
        if facts.pushed.is_some() {
            (known.pushed, known.pushed_digest) = (facts.pushed, facts.pushed_digest);
            known.failed.remove(&FactKind::Pushed);
        }
        known.first_seen = facts.first_seen.or(known.first_seen);
        known.platforms = facts.platforms.or_else(|| known.platforms.take());
        if facts.labels != Labels::default() {
            known.labels = facts.labels;
        }
        known.recalled = facts.recalled.or_else(|| known.recalled.take());
        if known.digest.is_some() && known.recalled.is_some() {
            // What was recalled holds, or the tag has moved since and is looked into anew.
            if known.digest == known.recalled { known.recalled = None } else { known.forget_image() }
        }
        let is_of_another = |of: &Digest| known.digest.as_ref().is_some_and(|digest| digest != of);
        let had_age = had_age || known.pushed.is_some();
        if known.pushed_digest.as_ref().is_some_and(is_of_another) {
            (known.pushed, known.pushed_digest) = (None, None);
        }
        let has_age = known.pushed.is_some() || known.first_seen.is_some();
        match &known.digest {
            Some(digest) if had_age && !has_age => drop(moved.insert(tag, digest.clone())),
            _ => drop(moved.remove(&tag)),
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::clock::SystemClock;
    use crate::model::signature::SignatureVerdict;
    use crate::registry::Inspections;
    use crate::signature::Requirement;

    #[test]
    fn the_newest_tag_of_each_image_is_asked_for_first() {
        let want = |image: &str, tag: &str| {
            let (image, tag) = (image.parse().unwrap(), tag.parse().unwrap());
            Want { image, tag, kind: FactKind::Image }
        };
        let wants = ["1.9.0", "1.10.0", "1.2.0"].map(|tag| want("ghcr.io/acme/api", tag)).to_vec();
        let wants = [wants, ["3.0.0", "20.0.0"].map(|tag| want("ghcr.io/acme/web", tag)).to_vec()].concat();
        let ordered = newest_of_each_first(wants);
        let tags: Vec<&str> = ordered.iter().map(|want| want.tag.as_str()).collect();
        assert_eq!(tags, ["1.10.0", "20.0.0", "1.9.0", "3.0.0", "1.2.0"]);
    }

    /// A registry that tells the later where a tag points the newer that is, and may be asked about two images.
    struct Backwards;

    impl TagSource for Backwards {
        fn tags<'a>(&'a self, _: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
            Box::pin(std::future::ready(Ok(Arc::default())))
        }

        fn facts<'a>(
            &'a self,
            _: &'a ImageName,
            tag: &'a Tag,
            _: FactKind,
        ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
            Box::pin(async move {
                let number = tag.as_str().parse().unwrap();
                for _ in 0..number {
                    tokio::task::yield_now().await;
                }
                Ok(seen(char::from_digit(number, 16).unwrap(), None))
            })
        }

        fn image_of<'a>(
            &'a self,
            _: &'a ImageName,
            _: &'a Tag,
            digest: &'a Digest,
        ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
            let (digest, platforms) = (Some(digest.clone()), Some(Vec::new()));
            Box::pin(std::future::ready(Ok(TagFacts { digest, platforms, ..TagFacts::default() })))
        }

        fn inspections(&self) -> Inspections {
            Inspections { left: 2, cap: 2 }
        }

        fn signed<'a>(
            &'a self,
            _: &'a ImageName,
            _: &'a Tag,
            _: &'a Digest,
            _: &'a Requirement,
        ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
            Box::pin(std::future::ready(Ok(SignatureVerdict::Missing)))
        }
    }

    #[tokio::test]
    async fn the_newest_are_looked_into_whichever_is_told_of_first() {
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        let want =
            |tag: u32| Want { image: image.clone(), tag: tag.to_string().parse().unwrap(), kind: FactKind::Image };
        let mut observation = Observation::default();
        observation.images.insert(image.clone(), Ok(Arc::default()));
        let cache = Cache::off(None, Arc::new(SystemClock));
        facts(&mut observation, (1..=9).map(want).collect(), &Backwards, &cache).await;
        let tags = observation.images[&image].as_ref().unwrap();
        let known: Vec<&str> = tags.facts.keys().map(Tag::as_str).collect();
        assert_eq!((known, observation.failed.len()), (vec!["8", "9"], 7));
        let left = &observation.failed[&want(7)];
        assert!(left.contains("which has looked into 2 images already (`limits.maxInspections`)"), "{left}");
    }

    const OLD: Option<&str> = Some("2026-11-01T08:00:00Z");

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    fn seen(digit: char, since: Option<&str>) -> TagFacts {
        let first_seen = since.map(|since| since.parse().unwrap());
        TagFacts { digest: Some(digest(digit)), first_seen, ..TagFacts::default() }
    }

    fn told(digit: Option<char>) -> TagFacts {
        let pushed = OLD.map(|time| time.parse().unwrap());
        TagFacts { pushed, pushed_digest: digit.map(digest), ..TagFacts::default() }
    }

    fn image(digit: char) -> TagFacts {
        TagFacts { platforms: Some(Vec::new()), ..seen(digit, None) }
    }

    /// Returns the digit of the digest that is kept, whether an age is, whether platforms are, and whether one was
    /// forgotten.
    fn kept(learnt: &[TagFacts]) -> (Option<char>, bool, bool, bool) {
        let mut tags = Arc::new(ImageTags::default());
        let (name, tag): (ImageName, Tag) = ("ghcr.io/acme/web".parse().unwrap(), "1.0.0".parse().unwrap());
        let want = Want { image: name, tag: tag.clone(), kind: FactKind::Image };
        let moved = keep(&mut tags, learnt.iter().map(|facts| (want.clone(), facts.clone())).collect());
        let facts = &tags.facts[&tag];
        let digit = facts.digest.as_ref().and_then(|digest| digest.as_str().chars().last());
        let has_age = facts.pushed.is_some() || facts.first_seen.is_some();
        (digit, has_age, facts.platforms.is_some(), moved.contains_key(&tag))
    }

    #[test]
    fn facts_of_one_digest_are_kept_together() {
        assert_eq!(kept(&[seen('1', OLD), image('1')]), (Some('1'), true, true, false));
        assert_eq!(kept(&[told(Some('1')), image('1')]), (Some('1'), true, true, false));
        assert_eq!(kept(&[image('1'), told(Some('1'))]), (Some('1'), true, true, false));
        assert_eq!(kept(&[told(None), image('1')]), (Some('1'), true, true, false));
    }

    #[test]
    fn a_tag_that_moves_while_it_is_asked_about_has_not_the_age_of_what_it_was() {
        assert_eq!(kept(&[seen('1', OLD), image('2')]), (Some('2'), false, true, true));
        assert_eq!(kept(&[seen('1', OLD), image('2'), seen('2', OLD)]), (Some('2'), true, true, false));
        assert_eq!(kept(&[image('2'), seen('1', OLD)]), (Some('1'), true, false, false));
    }

    #[test]
    fn a_push_time_of_another_digest_is_no_age() {
        assert_eq!(kept(&[told(Some('1')), image('2')]), (Some('2'), false, true, true));
        assert_eq!(kept(&[image('2'), told(Some('1'))]), (Some('2'), false, true, true));
        assert_eq!(kept(&[image('1'), told(Some('2')), image('2')]), (Some('2'), false, true, true));
    }
}
