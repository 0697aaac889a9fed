//! What the cache saves a pass from asking, and what it must not.
//!
//! A digest names content that never changes: what its image holds is asked for once. Where a *tag* points is asked
//! in every pass that needs it, by HEAD: no list and no time proves that it has not moved. Where a pass may not ask
//! about as many, what an earlier one found puts the others in order, and says that it does. Two things are learnt
//! without asking: that a list is the same (the registry says so), and that a tag is still too young (one that has
//! moved since is younger still), unless that is of what was seen alone and somebody may know of an earlier push. A record of earlier answers teaches the cache nothing, and gets nothing from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::cache::{Age, Cache, ListSummary, Pointed};
use crate::model::decision::{Question, Want};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::tags::{FactKind, ImageTags, TagFacts, TagList};
use crate::observe::inspections::Turn;
use crate::registry::{Heads, Inspections, Pages, SourceError, TagSource, enough_inspected};

/// How long a list that lost its tags is compared with what it was before, in seconds: a day.
const COMPARED_FOR: i64 = 86_400;

/// How many tags in use are remembered of one list, those of other repositories included.
const MOST_IN_USE: usize = 256;

/// How many lists' looks are written together.
const TOGETHER: usize = 256;

/// What is said of an age where the registry's own API was asked and knew nothing, or is asked again in a while.
const UNTOLD: &str = "the registry's own API did not tell when it was pushed; it is asked again";

/// A source with the cache before it.
pub(super) struct Remembered<'a> {
    source: &'a dyn TagSource,
    /// `None` where the source is a record.
    cache: Option<&'a Cache>,
}

/// How it is had to what digest a tag points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// The registry is asked.
    Ask,
    /// This pass has asked already.
    Known(Digest),
    /// An earlier pass has asked, and this one may not ask about so many.
    Recall(Digest),
    /// It is left for a later pass.
    Left {
        /// How many this pass may ask about.
        cap: usize,
        /// Whether the next pass knows what this one learns.
        goes_on: bool,
    },
}

fn left(want: &Want, cap: usize, goes_on: bool) -> SourceError {
    let then =
        if goes_on { "the next pass goes on" } else { "no pass goes on without a cache: raise that, or narrow `tags`" };
    let Want { image, tag, .. } = want;
    SourceError::Failed(format!(
        "{image}:{tag}: not asked in this pass, which has asked {cap} tags already where they point (`limits.maxHeads`); {then}"
    ))
}

fn not_inspected(want: &Want, cap: usize) -> SourceError {
    SourceError::Failed(format!("{}:{}: {}", want.image, want.tag, enough_inspected(cap)))
}

/// Takes from an error's words what they begin with where that is said anyway: of which tag they are.
fn without_name(error: &str, want: &Want) -> String {
    let name = format!("{}:{}: ", want.image, want.tag);
    error.strip_prefix(&name).unwrap_or(error).to_owned()
}

/// What became of a wish for a fact.
pub(super) enum Learnt {
    /// It is known.
    Facts(TagFacts),
    /// Since when the tag has pointed to its digest is to be looked up, with what else is known of it; and why nobody
    /// told when it was pushed, where that is no matter of course.
    Seen(TagFacts, Option<String>),
    /// Nothing tells; no fault of anybody's.
    Untold,
    /// The source failed at another kind of fact that this one needs.
    Failed(FactKind, SourceError),
}

impl<'a> Remembered<'a> {
    pub(super) fn new(source: &'a dyn TagSource, cache: &'a Cache) -> Self {
        Self { source, cache: (!source.is_record()).then_some(cache) }
    }

    /// Whether the source is a record of earlier answers.
    pub(super) fn is_record(&self) -> bool {
        self.source.is_record()
    }

    /// Returns the images of whose lists something was left behind.
    pub(super) fn paged<'b>(&self, images: &'b BTreeSet<ImageName>) -> BTreeSet<&'b ImageName> {
        self.cache.map_or_else(BTreeSet::new, |cache| cache.paged(images))
    }

    /// Asks for a list, and only whether it has changed where the registry can tell and something was left behind.
    pub(super) async fn list(&self, image: &ImageName, is_paged: bool) -> Result<Arc<ImageTags>, SourceError> {
        let Some(cache) = self.cache else { return self.source.tags(image).await };
        let pages = if is_paged { cache.pages(image) } else { None };
        let listed = self.source.tags_again(image, pages).await?;
        if let Pages::New(pages) = listed.pages {
            cache.keep_pages(image, pages);
        }
        Ok(listed.tags)
    }

    /// Says of each wish how its digest is had. A pass may only ask for so many: tags of which nothing is remembered
    /// come first, in the order of the wishes, then as many of the others, from anywhere on, so that each has its turn.
    pub(super) fn ways(&self, wants: &[Want], known: impl Fn(&Want) -> Option<Digest>) -> Vec<Way> {
        let mut ways: Vec<Way> = wants.iter().map(|want| known(want).map_or(Way::Ask, Way::Known)).collect();
        let Some(cache) = self.cache else { return ways };
        let mut heads: Vec<usize> = (0..wants.len())
            .filter(|place| wants[*place].kind == FactKind::Image && ways[*place] == Way::Ask)
            .collect();
        let Heads { granted, cap } = self.source.take_heads(heads.len());
        if granted >= heads.len() {
            return ways;
        }
        for place in &heads {
            let Want { image, tag, .. } = &wants[*place];
            let digest = cache.pointed(image, tag).filter(|digest| cache.image(digest).is_some());
            ways[*place] = digest.map_or(Way::Left { cap, goes_on: cache.is_there() }, Way::Recall);
        }
        let is_recalled = |place: &usize| matches!(ways[*place], Way::Recall(_));
        heads.sort_by_key(is_recalled);
        let new = heads.iter().filter(|place| !is_recalled(place)).count();
        let remembered = &mut heads[new..];
        if !remembered.is_empty() {
            remembered.rotate_left(fastrand::usize(..remembered.len()));
        }
        for place in &heads[..granted] {
            ways[*place] = Way::Ask;
        }
        let left = heads.len() - granted;
        tracing::info!(asked = granted, left, cap, "this pass asks no more tags where they point (`limits.maxHeads`)");
        ways
    }

    /// Returns how many images a pass may still look into.
    pub(super) fn inspections(&self) -> Inspections {
        self.source.inspections()
    }

    /// Asks for a fact about a tag, in the way that was found for its digest, and in its turn where an image is looked into.
    pub(super) async fn fact(&self, want: &Want, way: &Way, turn: Turn<'_>) -> Learnt {
        let (image, tag) = (&want.image, &want.tag);
        let answer = match (want.kind, self.cache) {
            (FactKind::Digest, _) | (FactKind::Image, None) => {
                drop(turn);
                self.source.facts(image, tag, want.kind).await
            }
            (FactKind::Image, Some(cache)) => self.image(want, way, cache, turn).await,
            (FactKind::Pushed, _) => {
                drop(turn);
                return self.age(want).await;
            }
        };
        match answer {
            Ok(facts) if holds(&facts, want.kind) => Learnt::Facts(facts),
            Ok(_) => Learnt::Failed(want.kind, SourceError::Failed("the registry does not tell it".to_owned())),
            Err(error) => Learnt::Failed(want.kind, error),
        }
    }

    /// Returns what an image holds, by its digest: content that any tag was found to point to is not fetched again.
    ///
    /// A HEAD tells the digest where this pass has not learnt it. It is no pull, and saves up to three requests.
    async fn image(&self, want: &Want, way: &Way, cache: &Cache, turn: Turn<'_>) -> Result<TagFacts, SourceError> {
        let asked = match way {
            Way::Left { cap, goes_on } => return Err(left(want, *cap, *goes_on)),
            Way::Known(_) | Way::Recall(_) => None,
            // A HEAD that fails ends it: a registry that throttles is not asked for more.
            Way::Ask => self.source.facts(&want.image, &want.tag, FactKind::Digest).await?.digest,
        };
        let digest = match way {
            Way::Known(digest) | Way::Recall(digest) => Some(digest),
            Way::Ask | Way::Left { .. } => asked.as_ref(),
        };
        if let Some(digest) = digest
            && let Some(facts) = cache.image(digest)
        {
            self.source.count_cached(&want.image);
            return Ok(match way {
                Way::Recall(digest) => TagFacts { digest: None, recalled: Some(digest.clone()), ..facts },
                Way::Ask | Way::Known(_) | Way::Left { .. } => facts,
            });
        }
        if !turn.take(digest).await {
            return Err(not_inspected(want, self.inspections().cap));
        }
        match digest {
            Some(digest) => self.source.image_of(&want.image, &want.tag, digest).await,
            None => self.source.facts(&want.image, &want.tag, FactKind::Image).await,
        }
    }

    /// Returns when a tag was pushed, else to what it points, by which it is looked up when that was first seen.
    async fn age(&self, want: &Want) -> Learnt {
        let untold = match self.source.facts(&want.image, &want.tag, FactKind::Pushed).await {
            Ok(facts) if facts.pushed.is_some() || facts.first_seen.is_some() => return Learnt::Facts(facts),
            Ok(_) => self.source.has_push_times(&want.image).then(|| UNTOLD.to_owned()),
            // Whether it cannot tell or could not this time: what was seen counts, and is later than the push.
            Err(error) => Some(without_name(&error.to_string(), want)),
        };
        if self.cache.is_none_or(|cache| !cache.is_there()) {
            return Learnt::Untold;
        }
        match self.source.facts(&want.image, &want.tag, FactKind::Digest).await {
            Ok(facts) if facts.digest.is_some() => Learnt::Seen(facts, untold),
            Ok(_) => Learnt::Untold,
            Err(error) => Learnt::Failed(FactKind::Digest, error),
        }
    }

    /// Notes what was learnt, and returns for each row since when its tag has been known to point where it points.
    pub(super) fn note(&self, learnt: &[(Want, TagFacts)]) -> Vec<Option<Timestamp>> {
        let Some(cache) = self.cache else { return vec![None; learnt.len()] };
        cache.keep_images(learnt.iter().filter(|(want, _)| want.kind == FactKind::Image).map(|(_, facts)| facts));
        let pushed = |(want, facts): &(Want, TagFacts)| Some((want.image.clone(), want.tag.clone(), facts.pushed?));
        cache.keep_pushed(&learnt.iter().filter_map(pushed).collect::<Vec<_>>());
        let pointed: Vec<Option<Pointed>> = learnt
            .iter()
            .map(|(want, facts)| {
                let digest = facts.digest.clone()?;
                Some(Pointed { image: want.image.clone(), tag: want.tag.clone(), digest })
            })
            .collect();
        let known: Vec<Pointed> = pointed.iter().flatten().cloned().collect();
        let mut seen = cache.saw(&known).into_iter();
        pointed.iter().map(|pointed| pointed.as_ref().and_then(|_| seen.next()).flatten()).collect()
    }

    /// Notes to what tags point, and returns for each since when it has been known.
    pub(super) fn since(&self, pointed: &[Pointed]) -> Vec<Option<Timestamp>> {
        match self.cache {
            Some(cache) if !pointed.is_empty() => cache.saw(pointed),
            _ => vec![None; pointed.len()],
        }
    }

    /// Notes the images of whose tags nobody told when they were pushed, where somebody may.
    pub(super) fn note_untold(&self, images: &BTreeSet<ImageName>) {
        if let Some(cache) = self.cache {
            cache.keep_untold(images.iter().filter(|image| self.source.has_push_times(image)));
        }
    }

    /// Adds the ages that earlier passes learnt to a list's facts: of what was seen alone only as long as nobody is to
    /// be asked who may know better.
    pub(super) fn add_ages(&self, image: &ImageName, tags: &mut Arc<ImageTags>) {
        let Some(cache) = self.cache else { return };
        let ages = cache.ages(image);
        if ages.is_empty() {
            return;
        }
        let asks = ages.values().any(|age| matches!(age, Age::FirstSeen(..)))
            && self.source.has_push_times(image)
            && cache.is_asked_again(image);
        let rests = !asks && self.source.has_push_times(image);
        let ages: BTreeMap<Tag, Age> =
            ages.into_iter().filter(|(_, age)| !asks || matches!(age, Age::Pushed(_))).collect();
        let by_text: BTreeMap<&str, &Tag> = ages.keys().map(|tag| (tag.as_str(), tag)).collect();
        let listed: BTreeSet<&Tag> = tags.list.iter().filter_map(|(_, tag)| by_text.get(tag).copied()).collect();
        let own = Arc::make_mut(tags);
        for tag in listed {
            let facts = own.facts.entry(tag.clone()).or_default();
            facts.not_before = Some(ages[tag].since());
            if let Age::FirstSeen(_, digest) = &ages[tag] {
                facts.seen_digest = Some(digest.clone());
                if rests {
                    facts.failed.insert(FactKind::Pushed, UNTOLD.to_owned());
                }
            }
        }
    }
}

/// Whether an answer holds what was asked.
fn holds(facts: &TagFacts, kind: FactKind) -> bool {
    match kind {
        FactKind::Digest => facts.digest.is_some(),
        FactKind::Image => facts.platforms.is_some(),
        FactKind::Pushed => facts.pushed.is_some() || facts.first_seen.is_some(),
    }
}

/// The looks of all lists of a pass, compared with those of the pass before.
pub(super) struct Looks<'a> {
    remembered: &'a Remembered<'a>,
    in_use: BTreeMap<&'a ImageName, BTreeSet<&'a Tag>>,
    before: BTreeMap<&'a ImageName, ListSummary>,
    pending: Vec<(ImageName, ListSummary)>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(remembered: &'a Remembered<'a>, questions: &'a [Question]) -> Self {
        let mut in_use: BTreeMap<&ImageName, BTreeSet<&Tag>> = BTreeMap::new();
        for question in questions {
            in_use.entry(&question.image).or_default().extend(&question.current.tag);
        }
        let before = remembered.cache.map_or_else(BTreeMap::new, |cache| cache.summaries(in_use.keys().copied()));
        Self { remembered, in_use, before, pending: Vec::new() }
    }

    /// Compares a list with how it looked before; returns what is missing, in words.
    pub(super) fn compare(&mut self, image: &ImageName, list: &TagList) -> Option<String> {
        let cache = self.remembered.cache?;
        let none = BTreeSet::new();
        let in_use = self.in_use.get(image).unwrap_or(&none);
        // Few are in use, and a look at the length tells nearly all others apart.
        let mut gone: Vec<&str> = in_use.iter().map(|tag| tag.as_str()).collect();
        for (_, tag) in list.iter() {
            if gone.is_empty() {
                break;
            }
            gone.retain(|used| *used != tag);
        }
        let before = self.before.remove(image);
        let now = cache.now().as_second();
        let mut present = ListSummary {
            second: now,
            count: list.len(),
            in_use: in_use.iter().filter(|tag| !gone.contains(&tag.as_str())).map(|tag| (*tag).clone()).collect(),
        };
        let mut words = None;
        if let Some(before) = &before {
            // A tag in use that was listed once is remembered for as long as it is in use.
            let lost: Vec<Tag> = before.in_use.iter().filter(|tag| gone.contains(&tag.as_str())).cloned().collect();
            let shrunk = list.len().saturating_mul(2) < before.count;
            if shrunk && now - before.second < COMPARED_FOR {
                (present.count, present.second) = (before.count, before.second);
            }
            words = tell(&lost, shrunk.then_some((before.count, list.len())));
            // Other repositories may follow the same image: what they use stays.
            let others = before.in_use.iter().filter(|tag| !in_use.contains(tag)).cloned();
            let room = MOST_IN_USE.saturating_sub(present.in_use.len() + lost.len());
            let others: Vec<Tag> = others.take(room).collect();
            present.in_use.extend(lost.into_iter().chain(others));
            present.in_use.sort_unstable();
        }
        let same = |before: &ListSummary| before.count == present.count && before.in_use == present.in_use;
        if !before.as_ref().is_some_and(same) {
            self.pending.push((image.clone(), present));
            if self.pending.len() >= TOGETHER {
                self.write();
            }
        }
        words
    }

    /// Writes what is still to be written.
    pub(super) fn write(&mut self) {
        if let Some(cache) = self.remembered.cache {
            cache.keep_summaries(&std::mem::take(&mut self.pending));
        }
    }
}

fn tell(lost: &[Tag], shrunk: Option<(usize, usize)>) -> Option<String> {
    let names = lost.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(", ");
    let shrunk = shrunk.map(|(before, now)| format!("the registry's list went from {before} tags to {now}"));
    match (lost.len(), shrunk) {
        (0, None) => None,
        (0, Some(shrunk)) => Some(format!(
            "{shrunk} since an earlier pass; nothing moves back because of that: see whether they were deleted"
        )),
        (count, shrunk) => {
            let shrunk = shrunk.map_or_else(String::new, |shrunk| format!(", and {shrunk}"));
            let (are, have) = if count == 1 { ("is", "has") } else { ("are", "have") };
            Some(format!(
                "{names}, which {are} in use, {have} gone from the registry's list{shrunk}; nothing moves back because \
                 of that: push it again, or move on by hand"
            ))
        }
    }
}
