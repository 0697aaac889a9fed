//! Rejections: why each listed tag was not chosen, in eight bytes a tag.
//!
//! A pass over a large repository keeps half a million of them until it reports, and nearly all share one of a
//! dozen reasons: a row holds the tag's position and the position of its reason in a table.

use std::fmt;

use crate::model::decision::Reason;
use crate::model::tags::TagIndex;

/// How many of the latest reasons a new one is compared with. Beyond that the table may hold one twice, which
/// costs a little memory; a search through all would cost the square of a list where each tag has a reason of its own.
const LOOK_BACK: usize = 32;

/// Tags that were not chosen with their reasons, in the order of the image's list.
#[derive(Clone, Default)]
pub struct Rejections {
    rows: Vec<Row>,
    reasons: Vec<Reason>,
}

#[derive(Clone, Copy)]
struct Row {
    tag: TagIndex,
    /// A position in `reasons`.
    reason: u32,
}

impl Rejections {
    /// Rejects the first `count` tags of a list, all for one reason.
    pub fn all(count: usize, reason: Reason) -> Self {
        let count = u32::try_from(count).expect("a tag list holds fewer than 2³² tags");
        Self { rows: (0..count).map(|tag| Row { tag: TagIndex(tag), reason: 0 }).collect(), reasons: vec![reason] }
    }

    /// Returns how many tags were rejected.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no tag was rejected.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the tags with their reasons, in the order of the list.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TagIndex, &Reason)> {
        self.rows.iter().map(|row| (row.tag, &self.reasons[row.reason as usize]))
    }

    /// Gives the row at a position another reason.
    pub fn set(&mut self, position: usize, reason: Reason) {
        self.rows[position].reason = self.number(reason);
    }

    /// Gives every tag that has one reason another.
    pub fn replace(&mut self, reason: &Reason, by: &Reason) {
        self.reasons.iter_mut().filter(|known| *known == reason).for_each(|known| *known = by.clone());
    }

    /// Rejects one tag more; one that is rejected already stays as it is.
    pub fn insert(&mut self, tag: TagIndex, reason: Reason) {
        if let Err(position) = self.rows.binary_search_by_key(&tag, |row| row.tag) {
            let reason = self.number(reason);
            self.rows.insert(position, Row { tag, reason });
        }
    }

    /// Keeps the tags for which `is_kept` holds.
    pub fn retain(&mut self, is_kept: impl Fn(TagIndex) -> bool) {
        self.rows.retain(|row| is_kept(row.tag));
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

/// The tags must ascend.
impl FromIterator<(TagIndex, Reason)> for Rejections {
    fn from_iter<I: IntoIterator<Item = (TagIndex, Reason)>>(rejected: I) -> Self {
        let mut all = Self::default();
        for (tag, reason) in rejected {
            let reason = all.number(reason);
            all.rows.push(Row { tag, reason });
        }
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
        Reason::TooYoung { until: Timestamp::from_second(second).unwrap() }
    }

    fn rows(rejections: &Rejections) -> Vec<(u32, Reason)> {
        rejections.iter().map(|(tag, reason)| (tag.0, reason.clone())).collect()
    }

    #[test]
    fn every_tag_keeps_its_own_reason_however_many_there_are() {
        let given: Vec<(TagIndex, Reason)> =
            (0..1000).map(|tag| (TagIndex(tag), too_young(i64::from(tag % 100)))).collect();
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
    fn others_reasons_or_tags_make_them_unequal() {
        let one = Rejections::all(2, Reason::Lower);
        assert_ne!(one, Rejections::all(3, Reason::Lower));
        assert_ne!(one, Rejections::all(2, Reason::NotBefore));
    }
}
