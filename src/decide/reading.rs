//! Readings: an image's tag list as a policy's filters see it, parsed once and shared between questions.

use std::rc::Rc;

use crate::model::policy::{CalverFormat, Policy, Select, TagPattern};
use crate::model::tags::TagList;
use crate::policy::calver;
use crate::policy::family::Shape;
use crate::policy::pattern::{Extracted, Extractor};

/// What a policy's `tags` and `ignore` say of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Competes,
    NotMatched,
    Ignored,
}

/// A listed tag, read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The tag.
    pub(super) text: &'a str,
    /// The part of it that is compared.
    pub(super) compared: &'a str,
    /// What that part is made of.
    pub(super) shape: Option<Shape<'a>>,
    /// The version of its variant, where the pattern names one.
    pub(super) variant: Option<Shape<'a>>,
    /// Whether it competes.
    pub(super) state: State,
}

/// The filters that a reading depends on.
#[derive(Clone, Copy, PartialEq)]
struct Filters<'a> {
    tags: Option<&'a TagPattern>,
    ignore: &'a [TagPattern],
    format: Option<&'a CalverFormat>,
}

impl<'a> Filters<'a> {
    fn of(policy: &'a Policy) -> Self {
        let format = match &policy.select {
            Select::Calver(format) => format.as_ref(),
            _ => None,
        };
        Self { tags: policy.tags.as_ref(), ignore: &policy.ignore, format }
    }

    fn shape<'t>(&self, text: &'t str) -> Option<Shape<'t>> {
        self.format.map_or_else(|| Shape::parse(text), |format| calver::read(text, format))
    }
}

/// All readings of one image's list so far; most repositories have one or two policies for an image.
pub(super) struct Readings<'a> {
    list: &'a TagList,
    known: Vec<(Filters<'a>, Rc<Vec<Entry<'a>>>)>,
}

impl<'a> Readings<'a> {
    pub(super) fn new(list: &'a TagList) -> Self {
        Self { list, known: Vec::new() }
    }

    /// Returns the list as the policy sees it, in the order of the list.
    pub(super) fn by(&mut self, policy: &'a Policy) -> Rc<Vec<Entry<'a>>> {
        let filters = Filters::of(policy);
        if let Some((_, entries)) = self.known.iter().find(|(known, _)| *known == filters) {
            return Rc::clone(entries);
        }
        let mut extractor = filters.tags.map(Extractor::new);
        let read = |(_, text)| entry(text, &filters, &mut extractor);
        let entries = Rc::new(self.list.iter().map(read).collect::<Vec<_>>());
        self.known.push((filters, Rc::clone(&entries)));
        entries
    }
}

fn entry<'a>(text: &'a str, filters: &Filters<'_>, extractor: &mut Option<Extractor<'_>>) -> Entry<'a> {
    let compared = match extractor.as_mut().map(|extractor| extractor.extract(text)) {
        None => text,
        Some(Extracted::Compared(compared)) => compared,
        Some(Extracted::NotMatched) => {
            return Entry { text, compared: text, shape: None, variant: None, state: State::NotMatched };
        }
    };
    if filters.ignore.iter().any(|pattern| pattern.0.is_match(text)) {
        return Entry { text, compared, shape: None, variant: None, state: State::Ignored };
    }
    let variant = extractor.as_ref().and_then(|extractor| extractor.variant(text)).and_then(Shape::parse);
    Entry { text, compared, shape: filters.shape(compared), variant, state: State::Competes }
}

/// A tag as a policy's filters see it, listed or not.
pub(super) fn read<'a>(text: &'a str, policy: &Policy) -> Entry<'a> {
    let filters = Filters::of(policy);
    entry(text, &filters, &mut filters.tags.map(Extractor::new))
}

/// The tag in use, read by the same filters. One that `tags` does not match is read as a whole, and `ignore` does
/// not take its version away.
pub(super) fn in_use<'a>(text: &'a str, policy: &Policy) -> Entry<'a> {
    let filters = Filters { ignore: &[], ..Filters::of(policy) };
    let read = entry(text, &filters, &mut filters.tags.map(Extractor::new));
    match read.state {
        State::NotMatched => Entry { shape: filters.shape(text), ..read },
        State::Competes | State::Ignored => read,
    }
}
