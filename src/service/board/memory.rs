//! What the service remembers of each repository, for the board: how things stood at the end of the last pass that
//! went through, and what the last passes came to.
//!
//! Bounded in every direction and gone with the process: a restart looks at everything anew. Asks nobody anything.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::model::decision::Decision;
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::outcome::Outcome;
use crate::model::proposal::Proposal;
use crate::model::record::{Standing, Status};
use crate::model::tags::TagList;
use crate::report::candidates::{self, State};
use crate::service::board::log::{Level, Line};
use crate::service::figures::Figures;

/// How many passes of a repository are remembered.
const MOST_PASSES: usize = 20;

/// How many lines of logs are remembered of a repository's passes together; the oldest go first.
const MOST_LINES: usize = 200;

/// How many rows of environments × images are remembered of a repository.
const MOST_ROWS: usize = 5_000;

/// How many rows of each list beside them are.
const MOST_OTHERS: usize = 500;

/// How many tags with their reasons are remembered of all images, environments and repositories together, roughly.
const MOST_TAGS: usize = 400_000;

/// The fewest and the most tags that are remembered of one image in one environment.
const TAGS_OF_ONE: std::ops::RangeInclusive<usize> = 10..=200;

/// A tag with what became of it.
#[derive(Debug, Clone)]
pub(super) struct JudgedTag {
    pub(super) tag: Arc<str>,
    pub(super) state: &'static str,
    pub(super) reason: Arc<str>,
}

/// What was decided about one image in one environment.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) environment: EnvironmentName,
    pub(super) image: ImageName,
    pub(super) current: String,
    pub(super) policy: String,
    /// The tag in use and the chosen one first, then from the highest down.
    pub(super) tags: Vec<JudgedTag>,
    /// How many there are in all.
    pub(super) all: usize,
}

/// How things stood when a pass ended.
#[derive(Debug, Default)]
pub(in crate::service) struct Seen {
    pub(super) at: Timestamp,
    pub(super) status: Status,
    pub(super) proposals: Vec<Arc<Proposal>>,
    pub(super) judged: Vec<Judged>,
    /// How many rows were left out because there are too many.
    pub(super) left_out: usize,
}

impl Seen {
    /// Takes what a pass found out of its outcome; `repositories` share the room for tags.
    pub(in crate::service) fn of(outcome: &mut Outcome, repositories: usize, at: Timestamp) -> Option<Self> {
        let Standing { mut status, mut proposals, decisions, .. } = *outcome.standing.take()?;
        let decisions = decisions.as_ref().unwrap_or(&outcome.decisions);
        status.skipped.extend(outcome.skipped.iter().take(MOST_OTHERS).cloned());
        status.errors.extend(outcome.errors.iter().take(MOST_OTHERS).cloned());
        let mut room = MOST_ROWS;
        let mut left_out = 0;
        for (_, rows) in &mut status.environments {
            left_out += rows.len().saturating_sub(room);
            rows.truncate(room);
            room -= rows.len();
        }
        status.holds.truncate(MOST_OTHERS);
        status.taken_back.truncate(MOST_OTHERS);
        proposals.truncate(MOST_ROWS);
        let each = MOST_TAGS / repositories.max(1) / decisions.len().max(1);
        let each = each.clamp(*TAGS_OF_ONE.start(), *TAGS_OF_ONE.end());
        let mut heads: HashMap<&ImageName, Vec<Arc<str>>> = HashMap::new();
        let judged = decisions.iter().take(MOST_ROWS).map(|decision| {
            let image = &decision.question.image;
            let list = outcome.images.get(image).map(|tags| &tags.list);
            let highest = heads.entry(image).or_insert_with(|| highest(list, each));
            judged(decision, list, highest)
        });
        Some(Self { at, judged: judged.collect(), status, proposals, left_out })
    }
}

/// Returns the highest tags of a list, from the top down, by their numbers where they have some.
fn highest(list: Option<&TagList>, count: usize) -> Vec<Arc<str>> {
    let mut best: Vec<&str> = Vec::with_capacity(count * 2);
    for (_, tag) in list.into_iter().flat_map(TagList::iter) {
        best.push(tag);
        if best.len() == count * 2 {
            best.sort_unstable_by(|one, other| natural(other, one));
            best.truncate(count);
        }
    }
    best.sort_unstable_by(|one, other| natural(other, one));
    best.truncate(count);
    best.into_iter().map(Arc::from).collect()
}

/// Compares as people do: runs of digits as numbers, whatever lies between as text.
fn natural(one: &str, other: &str) -> std::cmp::Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let (Some(left), Some(right)) = (one.first(), other.first()) else { return one.len().cmp(&other.len()) };
        let order = if left.is_ascii_digit() && right.is_ascii_digit() {
            let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (left, rest) = one.split_at(digits(one));
            let (right, others) = other.split_at(digits(other));
            (one, other) = (rest, others);
            let plain = |text: &'_ [u8]| text.iter().position(|byte| *byte != b'0').unwrap_or(text.len());
            let (left, right) = (&left[plain(left)..], &right[plain(right)..]);
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        } else {
            (one, other) = (&one[1..], &other[1..]);
            left.cmp(right)
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn judged(decision: &Decision, list: Option<&TagList>, highest: &[Arc<str>]) -> Judged {
    let all = candidates::of(decision, list);
    let count = all.len();
    let position: HashMap<&str, usize> = highest.iter().enumerate().map(|(at, tag)| (&**tag, at)).collect();
    // Nearly all tags share one of a dozen reasons.
    let mut words: HashMap<String, Arc<str>> = HashMap::new();
    let mut rows: Vec<(usize, JudgedTag)> = Vec::new();
    for candidate in all {
        let rank = match candidate.state {
            State::Chosen => 0,
            State::Current => 1,
            State::Rejected => match position.get(candidate.tag) {
                Some(at) => at + 2,
                None => continue,
            },
        };
        let reason = candidate.why.to_string();
        let reason = Arc::clone(words.entry(reason).or_insert_with_key(|reason| Arc::from(reason.as_str())));
        let known = position.get(candidate.tag).map(|at| Arc::clone(&highest[*at]));
        let tag = known.unwrap_or_else(|| Arc::from(candidate.tag));
        rows.push((rank, JudgedTag { tag, state: candidate.state.as_str(), reason }));
    }
    rows.sort_by_key(|(rank, _)| *rank);
    let question = &decision.question;
    Judged {
        environment: question.environment.clone(),
        image: question.image.clone(),
        current: question.current.to_string(),
        policy: question.policy.to_string(),
        tags: rows.into_iter().map(|(_, row)| row).collect(),
        all: count,
    }
}

/// What one pass came to.
#[derive(Debug, Clone)]
pub(in crate::service) struct PassNote {
    pub(in crate::service) began: Timestamp,
    pub(in crate::service) milliseconds: u64,
    pub(in crate::service) cause: &'static str,
    pub(in crate::service) result: &'static str,
    pub(in crate::service) requests: u64,
    pub(in crate::service) figures: Figures,
    pub(in crate::service) log: Vec<Line>,
    /// Why it failed as a whole.
    pub(in crate::service) reason: Option<String>,
}

/// One repository.
#[derive(Debug, Default, Clone)]
pub(super) struct Remembered {
    pub(super) slug: String,
    /// The last pass that went through.
    pub(super) seen: Option<Arc<Seen>>,
    /// The last passes with their numbers, the newest first.
    pub(super) passes: VecDeque<(u64, Arc<PassNote>)>,
    pub(super) failures: u32,
    pub(super) last_success: Option<Timestamp>,
    count: u64,
}

impl Remembered {
    /// Returns the number of its newest pass.
    pub(super) fn newest(&self) -> u64 {
        self.count
    }
}

/// All of them, by URL.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<String, Remembered>>);

impl Memory {
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to remember these, and forgets all others.
    pub(super) fn watch<'a>(&self, urls: impl Iterator<Item = &'a str>) {
        let mut rows = self.rows();
        let mut before = std::mem::take(&mut *rows);
        for url in urls {
            let known = before.remove(url);
            let fresh = || Remembered { slug: slug(url), ..Remembered::default() };
            rows.insert(url.to_owned(), known.unwrap_or_else(fresh));
        }
    }

    /// Notes a pass of a repository that is still watched.
    pub(super) fn note(&self, url: &str, note: PassNote, seen: Option<Seen>, failures: u32) {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(url) else { return };
        row.failures = failures;
        row.count += 1;
        if failures == 0 {
            row.last_success = Some(note.began);
        }
        if let Some(seen) = seen {
            row.seen = Some(Arc::new(seen));
        }
        row.passes.push_front((row.count, Arc::new(note)));
        row.passes.truncate(MOST_PASSES);
        let mut room = MOST_LINES;
        for (_, pass) in &mut row.passes {
            if pass.log.len() > room {
                let pass = Arc::make_mut(pass);
                pass.log.truncate(room);
                pass.log.push(Line::new(Level::Info, "the rest of this log is not kept any more"));
            }
            room = room.saturating_sub(pass.log.len());
        }
    }

    /// Returns everything as it is now; what is large is shared.
    pub(super) fn all(&self) -> Vec<(String, Remembered)> {
        self.rows().iter().map(|(url, row)| (url.clone(), row.clone())).collect()
    }

    /// Returns one repository by the short name in addresses.
    pub(super) fn named(&self, slug: &str) -> Option<(String, Remembered)> {
        let rows = self.rows();
        rows.iter().find(|(_, row)| row.slug == slug).map(|(url, row)| (url.clone(), row.clone()))
    }
}

/// Makes a short name of a URL for addresses: its end, and a few digits by which no two are the same.
fn slug(url: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    let short: String = short(url).chars().map(plain).collect();
    let digest = Sha256::digest(url.as_bytes());
    let digits: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digits}", short.trim_matches('-'))
}

/// Returns the last two parts of a URL: what people call the repository.
pub(super) fn short(url: &str) -> String {
    let path = url.trim_end_matches('/').trim_end_matches(".git");
    let mut parts: Vec<&str> = path.rsplit(['/', ':']).filter(|part| !part.is_empty()).take(2).collect();
    parts.reverse();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_tags_come_first_whatever_the_list_is_like() {
        let mut list = TagList::default();
        for number in 0..1_000 {
            list.push(&format!("1.{number}.0"));
        }
        list.push("latest");
        list.finish();
        let best = highest(Some(&list), 3);
        assert_eq!(best.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["latest", "1.999.0", "1.998.0"]);
        assert!(natural("1.010", "1.9").is_gt());
        assert!(natural("v1", "v1-rc").is_lt());
        assert!(natural("00000000000000000000000000000000001", "2").is_lt());
    }

    #[test]
    fn names_in_addresses_are_short_and_never_the_same() {
        let (one, other) = ("https://git.example/acme/gitops.git", "ssh://git@git.example/acme/gitops");
        assert_eq!(short(one), "acme/gitops");
        assert!(slug(one).starts_with("acme-gitops-"));
        assert_ne!(slug(one), slug(other));
    }

    #[test]
    fn only_the_last_passes_of_what_is_watched_are_kept() {
        let memory = Memory::default();
        let note = |milliseconds| PassNote {
            began: Timestamp::UNIX_EPOCH,
            milliseconds,
            cause: "schedule",
            result: "done",
            requests: 0,
            figures: Figures::default(),
            log: Vec::new(),
            reason: None,
        };
        memory.watch(["a", "b"].into_iter());
        for number in 0..50 {
            memory.note("a", note(number), None, 0);
            memory.note("gone", note(number), None, 0);
        }
        memory.watch(["a"].into_iter());
        let all = memory.all();
        assert_eq!(all.len(), 1);
        let numbers: Vec<u64> = all[0].1.passes.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (31..=50).rev().collect::<Vec<u64>>());
    }
}
