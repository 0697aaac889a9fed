//! Rejections: why each listed tag was not chosen, in one byte a tag.
//!
//! A pass over a large repository keeps millions of them until it reports, and nearly all share one of a dozen reasons: each
//! tag of the list has the number of its reason in a table. Lists with hundreds of reasons take four bytes a tag.

use std::fmt;

use crate::model::decision::Reason;
use crate::model::tags::TagIndex;

/// How many of the latest reasons a new one is compared with. Beyond that the table may hold one twice, which
/// costs a little memory; a search through all would cost the square of a list where each tag has a reason of its own.
const LOOK_BACK: usize = 32;

/// Tags that were not chosen with their reasons, in the order of the image's list.
#[derive(Clone, Default)]
pub struct Rejections {
    numbers: Numbers,
    count: usize,
    reasons: Vec<Reason>,
}

/// For each tag of the list its reason's position in the table; the greatest value where it is not rejected.
#[derive(Clone)]
enum Numbers {
    Narrow(Vec<u8>),
    Wide(Vec<u32>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Self::Narrow(numbers) => numbers.len(),
            Self::Wide(numbers) => numbers.len(),
        }
    }

    fn at(&self, position: usize) -> Option<usize> {
        match self {
            Self::Narrow(numbers) => numbers.get(position).filter(|number| **number != u8::MAX).map(|at| *at as usize),
            Self::Wide(numbers) => numbers.get(position).filter(|number| **number != u32::MAX).map(|at| *at as usize),
        }
    }

    /// Sets a tag's number, and makes room for it where it is too large or the tag beyond the last.
    fn put(&mut self, position: usize, number: u32) {
        if let (Self::Narrow(numbers), true) = (&*self, number >= u32::from(u8::MAX)) {
            let wider = |number: &u8| if *number == u8::MAX { u32::MAX } else { u32::from(*number) };
            *self = Self::Wide(numbers.iter().map(wider).collect());
        }
        match self {
            Self::Narrow(numbers) => {
                numbers.resize(numbers.len().max(position + 1), u8::MAX);
                numbers[position] = u8::try_from(number).expect("larger numbers have made it wide");
            }
            Self::Wide(numbers) => {
                numbers.resize(numbers.len().max(position + 1), u32::MAX);
                numbers[position] = number;
            }
        }
    }

    fn clear(&mut self, position: usize) {
        match self {
            Self::Narrow(numbers) => numbers[position] = u8::MAX,
            Self::Wide(numbers) => numbers[position] = u32::MAX,
        }
    }
}

impl Rejections {
    /// Rejects the first `count` tags of a list, all for one reason.
    pub fn all(count: usize, reason: Reason) -> Self {
        Self { numbers: Numbers::Narrow(vec![0; count]), count, reasons: vec![reason] }
    }

    /// Returns how many tags were rejected.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no tag was rejected.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the tags with their reasons, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = (TagIndex, &Reason)> {
        (0..self.numbers.len()).filter_map(|position| {
            let tag = u32::try_from(position).expect("a tag list holds fewer than 2³² tags");
            Some((TagIndex(tag), &self.reasons[self.numbers.at(position)?]))
        })
    }

    /// Gives the tag at a position of the list another reason.
    pub fn set(&mut self, position: usize, reason: Reason) {
        self.count += usize::from(self.numbers.at(position).is_none());
        let number = self.number(reason);
        self.numbers.put(position, number);
    }

    /// Gives every tag that has one reason another.
    pub fn replace(&mut self, reason: &Reason, by: &Reason) {
        self.reasons.iter_mut().filter(|known| *known == reason).for_each(|known| *known = by.clone());
    }

    /// Rejects one tag more; one that is rejected already stays as it is.
    pub fn insert(&mut self, tag: TagIndex, reason: Reason) {
        if self.numbers.at(tag.0 as usize).is_none() {
            self.set(tag.0 as usize, reason);
        }
    }

    /// Keeps the tags for which `is_kept` holds.
    pub fn retain(&mut self, is_kept: impl Fn(TagIndex) -> bool) {
        for position in 0..self.numbers.len() {
            let tag = TagIndex(u32::try_from(position).expect("a tag list holds fewer than 2³² tags"));
            if self.numbers.at(position).is_some() && !is_kept(tag) {
                self.numbers.clear(position);
                self.count -= 1;
            }
        }
    }

    /// Returns the rejections of a list that holds those tags alone for which `is_kept` holds, out of a list with `count`.
    #[must_use]
    pub fn of_these(&self, count: usize, is_kept: impl Fn(TagIndex) -> bool) -> Self {
        let mut all = Self::default();
        let kept = (0..count).filter(|tag| is_kept(TagIndex(u32::try_from(*tag).unwrap_or(u32::MAX))));
        for (position, tag) in kept.enumerate() {
            if let Some(number) = self.numbers.at(tag) {
                all.set(position, self.reasons[number].clone());
            }
        }
        all
    }

    /// Returns the number of a reason in the table, where it is put if it is new.
    fn number(&mut self, reason: Reason) -> u32 {
        let skipped = self.reasons.len().saturating_sub(LOOK_BACK);
        let known = self.reasons[skipped..].iter().rposition(|known| *known == reason).map(|at| skipped + at);
        let number = known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        u32::try_from(number).expect("there are no more reasons than tags were given one")
    }
}

impl FromIterator<(TagIndex, Reason)> for Rejections {
    fn from_iter<I: IntoIterator<Item = (TagIndex, Reason)>>(rejected: I) -> Self {
        let mut all = Self::default();
        rejected.into_iter().for_each(|(tag, reason)| all.set(tag.0 as usize, reason));
        all
    }
}

/// Two are equal when they say the same of the same tags, however their tables came to be.
impl PartialEq for Rejections {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Rejections {}

impl fmt::Debug for Rejections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter().map(|(tag, reason)| (tag.0, reason))).finish()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn too_young(second: i64) -> Reason {
        Reason::TooYoung { until: Timestamp::from_second(second).unwrap(), untold: None }
    }

    fn rows(rejections: &Rejections) -> Vec<(u32, Reason)> {
        rejections.iter().map(|(tag, reason)| (tag.0, reason.clone())).collect()
    }

    #[test]
    fn every_tag_keeps_its_own_reason_however_many_there_are() {
        // More reasons than a byte can number, and gaps between the tags.
        let given: Vec<(TagIndex, Reason)> =
            (0..1000).map(|tag| (TagIndex(tag * 2), too_young(i64::from(tag % 400)))).collect();
        let rejections: Rejections = given.iter().cloned().collect();
        assert!(rejections.iter().eq(given.iter().map(|(tag, reason)| (*tag, reason))));
    }

    #[test]
    fn reasons_change_row_by_row_and_all_at_once() {
        let mut rejections = Rejections::all(4, Reason::Outranked);
        rejections.set(1, Reason::Lower);
        rejections.set(3, Reason::Lower);
        rejections.retain(|tag| tag.0 != 2);
        rejections.replace(&Reason::Outranked, &Reason::Lower);
        assert_eq!(rows(&rejections), [(0, Reason::Lower), (1, Reason::Lower), (3, Reason::Lower)]);
        rejections.insert(TagIndex(2), Reason::NotBefore);
        rejections.insert(TagIndex(3), Reason::NotBefore);
        let expected = [(0, Reason::Lower), (1, Reason::Lower), (2, Reason::NotBefore), (3, Reason::Lower)];
        assert_eq!(rows(&rejections), expected);
        assert_eq!(rejections, expected.into_iter().map(|(tag, reason)| (TagIndex(tag), reason)).collect());
    }

    #[test]
    fn a_part_of_a_list_keeps_the_reasons_of_its_tags() {
        let mut rejections = Rejections::all(5, Reason::Outranked);
        rejections.set(2, Reason::Lower);
        rejections.retain(|tag| tag.0 != 3);
        let part = rejections.of_these(5, |tag| tag.0 != 0 && tag.0 != 1);
        assert_eq!(rows(&part), [(0, Reason::Lower), (2, Reason::Outranked)]);
    }

    #[test]
    fn others_reasons_or_tags_make_them_unequal() {
        let one = Rejections::all(2, Reason::Lower);
        assert_ne!(one, Rejections::all(3, Reason::Lower));
        assert_ne!(one, Rejections::all(2, Reason::NotBefore));
    }
}
