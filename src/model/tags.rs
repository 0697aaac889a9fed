//! What a registry says of an image: its tags, held compactly, and the facts about single tags.
//!
//! A list of 20,000 tags is one text, a byte for the length of each, and some offsets. Tags that break the grammar never
//! enter the list; they are kept apart, escaped, so that they can be reported.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::model::image::{Digest, Tag, shorten};
use crate::model::signature::SignatureFact;

/// How many tags that break the grammar a list keeps as examples; the others are counted.
const INVALID_EXAMPLES: usize = 20;

/// Of so many tags one has its offset kept, from which the others are found by their lengths.
const STRIDE: usize = 32;

/// The position of a tag in its [`TagList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagIndex(pub u32);

/// All tags of one image, in the registry's order, without duplicates being removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagList {
    text: String,
    lengths: Vec<u8>,
    /// Where each [`STRIDE`]th tag begins.
    starts: Vec<u32>,
    invalid: Vec<String>,
    invalid_count: usize,
}

impl TagList {
    /// Adds a tag; one that breaks the grammar is counted apart.
    ///
    /// The list's text must stay below 4 GiB; the registry client's byte cap sees to that.
    pub fn push(&mut self, tag: &str) {
        if Tag::is_valid(tag) {
            if self.lengths.len().is_multiple_of(STRIDE) {
                self.starts.push(u32::try_from(self.text.len()).expect("a tag list is capped far below 4 GiB"));
            }
            self.text.push_str(tag);
            self.lengths.push(u8::try_from(tag.len()).expect("a tag has at most 128 characters"));
        } else {
            self.invalid_count += 1;
            if self.invalid.len() < INVALID_EXAMPLES {
                self.invalid.push(shorten(tag));
            }
        }
    }

    /// Ends a list: sorts it, leaves out what stands twice, and gives back the room that was kept for further tags.
    ///
    /// Registries sort or do not, and some change their mind: what is decided and shown must not depend on it.
    pub fn finish(&mut self) {
        if !self.iter().is_sorted_by(|(_, one), (_, other)| one < other) {
            let mut tags: Vec<&str> = self.iter().map(|(_, tag)| tag).collect();
            tags.sort_unstable();
            tags.dedup();
            let mut sorted = Self { text: String::with_capacity(self.text.len()), ..Self::default() };
            sorted.lengths.reserve_exact(tags.len());
            sorted.starts.reserve_exact(tags.len().div_ceil(STRIDE));
            tags.into_iter().for_each(|tag| sorted.push(tag));
            (self.text, self.lengths, self.starts) = (sorted.text, sorted.lengths, sorted.starts);
        }
        self.give_back_room();
    }

    fn give_back_room(&mut self) {
        self.text.shrink_to_fit();
        self.lengths.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    /// Returns a list of those tags alone for which `is_kept` holds; what it says of texts that are no tags stays.
    #[must_use]
    pub fn of_these(&self, is_kept: impl Fn(TagIndex) -> bool) -> Self {
        let mut kept = Self::default();
        self.iter().filter(|(index, _)| is_kept(*index)).for_each(|(_, tag)| kept.push(tag));
        kept.give_back_room();
        (kept.invalid, kept.invalid_count) = (self.invalid.clone(), self.invalid_count);
        kept
    }

    /// Takes over how many listed texts are no tags, with examples, as another list tells it.
    pub fn set_invalid(&mut self, examples: Vec<String>, count: usize) {
        self.invalid = examples;
        self.invalid.truncate(INVALID_EXAMPLES);
        self.invalid_count = count.max(self.invalid.len());
    }

    /// Returns how many valid tags there are.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no valid tag.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Returns the text of one tag. The index must come from this list.
    pub fn at(&self, index: TagIndex) -> &str {
        let index = index.0 as usize;
        let known = index / STRIDE;
        let before = self.lengths[known * STRIDE..index].iter().map(|length| usize::from(*length)).sum::<usize>();
        let start = self.starts[known] as usize + before;
        &self.text[start..start + usize::from(self.lengths[index])]
    }

    /// Returns all tags with their positions.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TagIndex, &str)> {
        let mut start = 0;
        self.lengths.iter().enumerate().map(move |(index, length)| {
            let end = start + usize::from(*length);
            let tag = &self.text[start..end];
            start = end;
            (TagIndex(u32::try_from(index).expect("offsets are 32 bits wide, so is their number")), tag)
        })
    }

    /// Returns the first position of a tag.
    pub fn find(&self, tag: &str) -> Option<TagIndex> {
        self.iter().find(|(_, other)| *other == tag).map(|(index, _)| index)
    }

    /// Returns examples of listed texts that are no tags (escaped and shortened), and how many there were.
    pub fn invalid(&self) -> (&[String], usize) {
        (&self.invalid, self.invalid_count)
    }
}

impl<'a> FromIterator<&'a str> for TagList {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tags: I) -> Self {
        let mut list = Self::default();
        tags.into_iter().for_each(|tag| list.push(tag));
        list
    }
}

/// Orders tags as people read versions: stretches of digits by their number, the greater first.
pub fn newest_first(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (other.as_bytes(), one.as_bytes());
    loop {
        let (Some(first), Some(second)) = (left.first(), right.first()) else {
            return left.len().cmp(&right.len()).then_with(|| other.cmp(one));
        };
        if first.is_ascii_digit() && second.is_ascii_digit() {
            let (number, after) = split_number(left);
            let (counterpart, rest) = split_number(right);
            let order = number.len().cmp(&counterpart.len()).then_with(|| number.cmp(counterpart));
            if order.is_ne() {
                return order;
            }
            (left, right) = (after, rest);
        } else if first != second {
            return first.cmp(second);
        } else {
            (left, right) = (&left[1..], &right[1..]);
        }
    }
}

/// Splits leading digits off, without the zeros before them.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zeros = text[..end].iter().take_while(|byte| **byte == b'0').count();
    (&text[zeros..end], &text[end..])
}

/// An operating system, an architecture and perhaps a variant: `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform(pub String);

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// Labels of an image that say where it comes from (annotations of the OCI image specification, `org.opencontainers.image.*`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// `source`: where the source code is.
    pub source: Option<String>,
    /// `revision`: the commit there.
    pub revision: Option<String>,
    /// `version`: what its author calls it.
    pub version: Option<String>,
}

/// What is known of one tag beyond its name; every field is `None` until it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagFacts {
    /// The digest that the tag points to: the index's for images of several platforms.
    pub digest: Option<Digest>,
    /// The creation time that the image's own configuration names. Its author wrote it.
    pub created: Option<Timestamp>,
    /// When the tag was pushed, where the registry's own API tells.
    pub pushed: Option<Timestamp>,
    /// The digest that the tag had when that API told it, where it tells: of another digest the time says nothing.
    pub pushed_digest: Option<Digest>,
    /// Since when the cache has known the tag to point to this digest.
    pub first_seen: Option<Timestamp>,
    /// The age counts from no earlier than this: what an earlier pass learnt, which this one did not ask about again.
    pub not_before: Option<Timestamp>,
    /// The digest of which that was learnt, where it was seen. The tag may point elsewhere by now.
    pub seen_digest: Option<Digest>,
    /// Kinds of facts that could not be had when it was recorded, or are not asked for again yet, each with the reason
    /// in words.
    pub failed: BTreeMap<FactKind, String>,
    /// Where the image comes from, as its own configuration says. Its author wrote it.
    pub labels: Labels,
    /// The platforms for which the image is there.
    pub platforms: Option<Vec<Platform>>,
    /// The digest of which creation time, labels and platforms are told, where this pass did not ask whether the tag
    /// still points to it: an earlier one has. Enough to put others before it, and not to move to it.
    pub recalled: Option<Digest>,
    /// What its signatures say: only in what a snapshot holds.
    pub signatures: Vec<SignatureFact>,
}

impl TagFacts {
    /// Forgets what the image holds to which the tag points.
    pub fn forget_image(&mut self) {
        (self.created, self.platforms, self.recalled, self.labels) = (None, None, None, Labels::default());
    }
}

/// One image as observed: its tags and what was asked about some of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageTags {
    /// The complete list.
    pub list: TagList,
    /// What it lacks of an earlier list, in words; only of a recorded list, for others the cache tells.
    pub lost: Option<String>,
    /// Facts by tag; only of tags that something asked about, or that a snapshot holds.
    pub facts: BTreeMap<Tag, TagFacts>,
}

/// A kind of fact that a decision can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactKind {
    /// [`TagFacts::digest`]: one HEAD request.
    Digest,
    /// [`TagFacts::created`] and [`TagFacts::platforms`]: the manifest and a configuration blob.
    Image,
    /// [`TagFacts::pushed`]: the registry's own API; where that does not tell, [`TagFacts::first_seen`].
    Pushed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_found_at_its_position_however_long_the_list_and_the_tag() {
        let mut tags: Vec<String> = (0..STRIDE * 3 + 5).map(|number| "x".repeat(number % 128 + 1)).collect();
        tags.push("y".repeat(128));
        let list: TagList = tags.iter().map(String::as_str).collect();
        assert!(list.iter().map(|(_, tag)| tag).eq(tags.iter().map(String::as_str)));
        assert!(list.iter().all(|(index, tag)| list.at(index) == tag && tag == tags[index.0 as usize]));
        assert_eq!(list.find(&tags[100]), Some(TagIndex(100)));
    }

    #[test]
    fn a_part_of_a_list_keeps_its_order_and_what_is_no_tag() {
        let list: TagList = ["1.0.0", "no tag", "1.1.0", "1.2.0"].into_iter().collect();
        let part = list.of_these(|tag| tag.0 != 1);
        assert!(part.iter().map(|(_, tag)| tag).eq(["1.0.0", "1.2.0"]));
        assert_eq!(part.invalid(), (["no tag".to_owned()].as_slice(), 1));
    }

    #[test]
    fn a_list_that_is_ended_is_sorted_and_holds_each_tag_once() {
        let mut list: TagList = ["2.0.0", "1.0.0", "2.0.0", "1.10.0"].into_iter().collect();
        list.finish();
        assert_eq!(list, ["1.0.0", "1.10.0", "2.0.0"].into_iter().collect());
        assert_eq!(list.at(TagIndex(2)), "2.0.0");
    }
}
