//! Judging one tag against the one in use, by its name alone: better, or the reason why not.

use std::cmp::Ordering;

use semver::Prerelease;

use crate::decide::reading::{Entry, State};
use crate::model::decision::Reason;
use crate::model::policy::{Direction, Policy, Range, Select, Step};
use crate::policy::family::{Scheme, Shape};
use crate::policy::range::{Point, admits};

/// What all candidates of a question are judged by.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    /// The policy.
    pub(super) policy: &'a Policy,
    /// The tag in use.
    pub(super) current: Entry<'a>,
}

impl<'a> Bench<'a> {
    /// Returns why a tag is not better than the one in use; `None` where it is.
    pub(super) fn objection(&self, entry: &Entry<'a>) -> Option<Reason> {
        if entry.text == self.current.text {
            return Some(Reason::InUse);
        }
        match entry.state {
            State::NotMatched => return Some(Reason::NotMatched),
            State::Ignored => return Some(Reason::Ignored),
            State::Competes => {}
        }
        self.compare(entry).err()
    }

    fn compare(&self, entry: &Entry<'a>) -> Result<(), Reason> {
        match &self.policy.select {
            Select::Range(range) => {
                let (shape, current) = self.comparable(entry, is_version)?;
                self.rises_with_its_variant(entry, shape, current)?;
                self.in_range(range, shape, current)
            }
            Select::Step(step) => {
                let (shape, current) = self.comparable(entry, is_version)?;
                self.rises_with_its_variant(entry, shape, current)?;
                if step_between(current, shape) > *step {
                    return Err(Reason::OutOfRange);
                }
                self.pre_release_is_asked_for(shape, current)
            }
            Select::Calver(format) => {
                let fits = if format.is_some() { |_: &Shape<'_>| true } else { is_calendar };
                let (shape, current) = self.comparable(entry, fits)?;
                self.rises_with_its_variant(entry, shape, current)?;
                self.pre_release_is_asked_for(shape, current)
            }
            Select::Numeric(direction) => {
                let decimals = self.policy.tags.is_some();
                let (shape, current) = self.comparable(entry, |shape| is_number(shape, decimals))?;
                rises(directed(*direction, order_numbers(shape, current)))?;
                self.unfiltered_pre_release_is_asked_for(shape, current)
            }
            Select::Alphabetical(direction) => {
                self.compare_without_version(entry)?;
                let is_hash = |shape: &Shape<'_>| shape.scheme() == Scheme::Hash;
                // Letters say nothing of the order of hashes; a pattern is somebody's word that they do.
                if self.policy.tags.is_none() && self.current.shape.as_ref().is_some_and(is_hash) {
                    return Err(Reason::NothingToCompare);
                }
                rises(directed(*direction, entry.compared.cmp(self.current.compared)))
            }
            Select::Newest => self.compare_without_version(entry),
            // A moving tag is followed by its digest; no other tag competes.
            Select::Digest(_) => Err(Reason::NotFollowed),
        }
    }

    /// Returns both shapes where the policy can order them and they belong together.
    ///
    /// Without `tags` only the family of the tag in use competes. With it, the pattern has chosen who competes:
    /// then `v` and the number of parts make no difference, but a variant still does, unless the tag in use is
    /// not matched itself and so names no variant to keep.
    fn comparable<'b>(
        &'b self,
        entry: &'b Entry<'a>,
        fits: impl Fn(&Shape<'_>) -> bool,
    ) -> Result<(&'b Shape<'a>, &'b Shape<'a>), Reason> {
        let shape = entry.shape.as_ref().filter(|shape| fits(shape)).ok_or(Reason::NotAVersion)?;
        let current = self.current.shape.as_ref().filter(|shape| fits(shape)).ok_or(Reason::NothingToCompare)?;
        let belongs = match (&self.policy.tags, self.current.state) {
            (None, _) => shape.is_family(current) && !shape.is_of_another_kind(current),
            (Some(_), State::NotMatched) => shape.is_bare() && shape.scheme() == current.scheme(),
            (Some(_), _) => shape.is_kin(current),
        };
        if belongs { Ok((shape, current)) } else { Err(Reason::NotInFamily) }
    }

    /// For orderings that need no version: `tags` alone says who competes, else the family does.
    fn compare_without_version(&self, entry: &Entry<'a>) -> Result<(), Reason> {
        if self.policy.tags.is_none() {
            let (shape, current) = self.comparable(entry, |_| true)?;
            return self.pre_release_is_asked_for(shape, current);
        }
        if self.current.state == State::NotMatched { Err(Reason::NothingToCompare) } else { Ok(()) }
    }

    /// Where the pattern names the variant's own version, that one counts after the tag's, and never goes back.
    fn rises_with_its_variant(&self, entry: &Entry<'a>, shape: &Shape<'a>, current: &Shape<'a>) -> Result<(), Reason> {
        let by_variant = order_variants(entry, &self.current);
        rises(shape.order(current).then(by_variant))?;
        if by_variant == Ordering::Less { Err(Reason::Lower) } else { Ok(()) }
    }

    fn in_range(&self, range: &Range, shape: &Shape<'a>, current: &Shape<'a>) -> Result<(), Reason> {
        let admitted = |pre: &Prerelease| admits(range, &Point { numbers: shape.triple(), pre });
        if shape.is_pre_release() && shape.precedence().is_some_and(|pre| admitted(&pre)) {
            return Ok(());
        }
        // A pre-release that the range does not name is judged by the release to which it leads.
        if !admitted(&Prerelease::EMPTY) {
            return Err(Reason::OutOfRange);
        }
        self.pre_release_is_asked_for(shape, current)
    }

    fn pre_release_is_asked_for(&self, shape: &Shape<'a>, current: &Shape<'a>) -> Result<(), Reason> {
        let by_tag = current.is_pre_release() && shape.same_numbers(current);
        if !shape.is_pre_release() || self.policy.prerelease || by_tag { Ok(()) } else { Err(Reason::PreRelease) }
    }

    fn unfiltered_pre_release_is_asked_for(&self, shape: &Shape<'a>, current: &Shape<'a>) -> Result<(), Reason> {
        if self.policy.tags.is_some() { Ok(()) } else { self.pre_release_is_asked_for(shape, current) }
    }

    /// Orders two tags that are both better than the one in use; the greater is to be chosen.
    ///
    /// Equal versions: the family in use first, then its prefix, then numbers padded with zeros or bare as in use,
    /// then the shorter text, then the smaller by letters, so that the order of the list never matters.
    pub(super) fn rank(&self, a: &Entry<'a>, b: &Entry<'a>) -> Ordering {
        let by_policy = match (&self.policy.select, &a.shape, &b.shape) {
            (Select::Alphabetical(direction), _, _) => directed(*direction, a.compared.cmp(b.compared)),
            (Select::Numeric(direction), Some(a), Some(b)) => directed(*direction, order_numbers(a, b)),
            (_, Some(shape), Some(other)) => shape.order(other).then_with(|| order_variants(a, b)),
            _ => Ordering::Equal,
        };
        by_policy.then_with(|| self.rank_spelling(a, b))
    }

    /// Orders two tags that stand for the same.
    pub(super) fn rank_spelling(&self, a: &Entry<'a>, b: &Entry<'a>) -> Ordering {
        let current = Shape::parse(self.current.text);
        let likeness = |entry: &Entry<'_>| {
            let shapes = current.zip(Shape::parse(entry.text));
            shapes.map(|(current, shape)| {
                let alike = shape.has_padding() == current.has_padding();
                (shape.is_family(&current), shape.prefix() == current.prefix(), alike)
            })
        };
        likeness(a).cmp(&likeness(b)).then_with(|| b.text.len().cmp(&a.text.len())).then_with(|| b.text.cmp(a.text))
    }

    /// Returns the largest part that changes, where both are versions.
    pub(super) fn step(&self, entry: &Entry<'a>) -> Option<Step> {
        let shape = entry.shape.as_ref().filter(|shape| is_version(shape))?;
        let current = self.current.shape.as_ref().filter(|shape| is_version(shape))?;
        Some(step_between(current, shape))
    }
}

fn order_variants(one: &Entry<'_>, other: &Entry<'_>) -> Ordering {
    one.variant.zip(other.variant).map_or(Ordering::Equal, |(one, other)| one.order(&other))
}

fn rises(order: Ordering) -> Result<(), Reason> {
    match order {
        Ordering::Less => Err(Reason::Lower),
        Ordering::Equal => Err(Reason::SameVersion),
        Ordering::Greater => Ok(()),
    }
}

pub(super) fn directed(direction: Direction, order: Ordering) -> Ordering {
    match direction {
        Direction::Ascending => order,
        Direction::Descending => order.reverse(),
    }
}

fn step_between(current: &Shape<'_>, shape: &Shape<'_>) -> Step {
    match current.first_difference(shape) {
        Some(0) => Step::Major,
        Some(1) => Step::Minor,
        Some(_) | None => Step::Patch,
    }
}

/// Whether a range or a step can judge it: dates, hashes and the numbers of builds have no major part.
fn is_version(shape: &Shape<'_>) -> bool {
    !shape.is_serial() && matches!(shape.scheme(), Scheme::Plain | Scheme::Calendar | Scheme::JavaUpdate)
}

/// Whether it reads as a calendar version without a format: a date, a year with further parts, or two digits of a
/// year with further parts.
fn is_calendar(shape: &Shape<'_>) -> bool {
    match shape.scheme() {
        Scheme::Date | Scheme::Calendar | Scheme::Format => true,
        Scheme::Plain => shape.numbers().len() > 1 && (10..=99).contains(&shape.numbers()[0]),
        Scheme::JavaUpdate | Scheme::Hash => false,
    }
}

/// Whether it reads as one number: whole, a date, or with decimals where `tags` picked them out. Without, `1.9` would
/// be more than `1.19`, which nobody means by a tag.
fn is_number(shape: &Shape<'_>, decimals: bool) -> bool {
    match shape.scheme() {
        Scheme::Date => true,
        Scheme::Plain | Scheme::Calendar => shape.numbers().len() == 1 || (decimals && shape.numbers().len() == 2),
        Scheme::JavaUpdate | Scheme::Hash | Scheme::Format => false,
    }
}

/// Orders numbers; `1.5` is more than `1.10`, as decimals go.
pub(super) fn order_numbers(a: &Shape<'_>, b: &Shape<'_>) -> Ordering {
    if a.scheme() == Scheme::Date || b.scheme() == Scheme::Date {
        return a.order(b);
    }
    let fraction = |shape: &Shape<'_>| {
        let text: &str = shape.numbers_text().split_once('.').map_or("", |(_, fraction)| fraction);
        text.trim_end_matches('0').to_owned()
    };
    a.numbers()[0]
        .cmp(&b.numbers()[0])
        .then_with(|| fraction(a).cmp(&fraction(b)))
        .then_with(|| if a.same_numbers(b) { a.order(b) } else { Ordering::Equal })
}
