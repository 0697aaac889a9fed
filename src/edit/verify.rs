//! Proves an edit: the parser must report the same before and after but for the intended scalars, and the scan
//! must find the same references but for the intended values.
//!
//! YAML within a block scalar is proved twice: as the value of the scalar, and event by event as YAML.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::Event;

use crate::edit::Order;
use crate::edit::splice::{Kind, Splice};
use crate::manifest::yaml::build::Builder;
use crate::manifest::yaml::embedded::Embedded;
use crate::manifest::yaml::{Detail, events, split};
use crate::manifest::{Limits, Surroundings, is_surely_yaml, names, scan, scan_parsed};
use crate::model::file::{RepoPath, Span};
use crate::model::site::{Format, Marker, ScalarStyle, Site, SkipReason, Slot, SlotRole};

/// An edit that is to be proved.
pub(super) struct Proof<'a> {
    pub(super) path: &'a RepoPath,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) surroundings: &'a Surroundings,
    pub(super) limits: &'a Limits,
    /// Each splice with the number of its order, by offset.
    pub(super) splices: &'a [(Splice, usize)],
    pub(super) orders: &'a [Order<'a>],
}

impl Proof<'_> {
    /// Compares before and after; the error is the reason for a refusal.
    pub(super) fn verify(&self) -> Result<(), String> {
        let has_lines = self.splices.iter().any(|(splice, _)| splice.style == ScalarStyle::Raw);
        if !has_lines && is_surely_yaml(self.path, self.before, self.surroundings, self.limits) {
            return self.chunks(Rescan::TouchedChunks);
        }
        // A template is no YAML: its marked lines are proved by the scan alone.
        let is_parsed = names::is_yaml(self.path) && !self.surroundings.is_template(self.path);
        if self.splices.iter().any(|(splice, _)| splice.kind != Kind::Replace) {
            return Err("a digest can be added only in a file that is surely no template".to_owned());
        }
        if is_parsed && (!has_lines || self.parses()) {
            self.chunks(Rescan::No)?;
        }
        self.whole_scan()
    }

    fn parses(&self) -> bool {
        let parses = |chunk| events(self.before, chunk, self.limits, Detail::Nodes).all(|event| event.is_ok());
        split::chunks(self.before).iter().all(parses)
    }

    /// Compares the events of every touched chunk.
    ///
    /// The others are the same bytes, so that neither their parse nor their references can have changed.
    fn chunks(&self, rescan: Rescan) -> Result<(), String> {
        let (old, new) = (split::chunks(self.before), split::chunks(self.after));
        if old.len() != new.len() {
            return Err("the edit would change where documents begin".to_owned());
        }
        let mut rest = self.splices;
        let mut moved = 0_isize;
        for (old, new) in old.iter().zip(&new) {
            if old.start.checked_add_signed(moved) != Some(new.start) {
                return Err("the edit would change where documents begin".to_owned());
            }
            // A line that is inserted at the end of a document belongs to it and not to the next one.
            let belongs = |splice: &Splice| {
                splice.span.start < old.end || (splice.kind == Kind::Line && splice.span.start == old.end)
            };
            let here = rest.partition_point(|(splice, _)| belongs(splice));
            let (touched, later) = rest.split_at(here);
            rest = later;
            if !touched.is_empty() {
                let here: Vec<Splice> = touched.iter().map(|(splice, _)| splice.clone()).collect();
                let sides = Sides { before: self.before, after: self.after, old, new, limits: self.limits };
                let mut builder = (rescan == Rescan::TouchedChunks).then(|| Builder::new(new));
                same_events(&sides, &here, builder.as_mut())?;
                let found = builder.map_or_else(Vec::new, |builder| {
                    scan_parsed(self.path, self.after, self.surroundings, new, &builder.finish())
                });
                self.intended_sites(&found, touched, moved, rescan)?;
            }
            moved += touched.iter().map(|(splice, _)| growth(splice)).sum::<isize>();
        }
        Ok(())
    }

    /// Finds every splice again as a slot of the reference that was ordered.
    fn intended_sites(
        &self,
        found: &[Site],
        splices: &[(Splice, usize)],
        mut moved: isize,
        rescan: Rescan,
    ) -> Result<(), String> {
        if rescan == Rescan::No {
            return Ok(());
        }
        let mut by_start: HashMap<usize, Vec<(&Site, &Slot)>> = HashMap::new();
        for site in found {
            for slot in &site.slots {
                by_start.entry(slot.span.start).or_default().push((site, slot));
            }
        }
        for (splice, index) in splices {
            let start = splice.span.start.checked_add_signed(moved).map(|start| start + splice.lead());
            let ordered = self.orders[*index].site;
            let is_added = |(other, at): &&(Splice, usize)| *at == *index && other.kind != Kind::Replace;
            let added = splices.iter().filter(is_added).count();
            let is_it = |(site, slot): &(&Site, &Slot)| {
                self.after.get(slot.span.clone()) == Some(splice.value.as_str())
                    && reads_as(site, slot.role, &splice.value)
                    && same_site(ordered, site, added)
            };
            if !start.and_then(|start| by_start.get(&start)).into_iter().flatten().any(is_it) {
                return Err("a reference would not hold what was intended".to_owned());
            }
            moved += growth(splice);
        }
        Ok(())
    }

    /// Scans before and after: the same sites, with the intended text in their slots.
    fn whole_scan(&self) -> Result<(), String> {
        let old = scan(self.path, self.before.as_bytes(), self.surroundings, self.limits);
        let new = scan(self.path, self.after.as_bytes(), self.surroundings, self.limits);
        if old.sites.len() != new.sites.len() || old.passed_over.len() != new.passed_over.len() {
            return Err("other references would be found after the edit".to_owned());
        }
        let mut proved = 0;
        for (one, other) in old.sites.iter().zip(&new.sites) {
            if !same_site(one, other, 0) {
                return Err("another reference would change".to_owned());
            }
            for (slot, fresh) in one.slots.iter().zip(&other.slots) {
                let at = self.splices.binary_search_by_key(&slot.span.start, |(splice, _)| splice.span.start).ok();
                let splice = at.map(|at| &self.splices[at].0).filter(|splice| splice.span == slot.span);
                let wanted = splice.map_or(&self.before[slot.span.clone()], |splice| splice.value.as_str());
                if self.after.get(fresh.span.clone()) != Some(wanted) || !reads_as(other, fresh.role, wanted) {
                    return Err("a reference would not hold what was intended".to_owned());
                }
                proved += usize::from(splice.is_some());
            }
        }
        // One span may serve several sites, never none.
        if proved >= self.splices.len() { Ok(()) } else { Err("a changed place would not be found again".to_owned()) }
    }
}

/// Whether the references of a touched chunk are looked for in the parse that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rescan {
    TouchedChunks,
    No,
}

fn growth(splice: &Splice) -> isize {
    splice.written.len() as isize - splice.span.len() as isize
}

/// Whether a reference is still the same one, with so many places more.
///
/// What a policy of another file said of it, the scan of this file alone cannot tell: the comments of both parses are
/// compared elsewhere, so that the marker is the same one.
fn same_site(one: &Site, other: &Site, added: usize) -> bool {
    let named = matches!(other.marker, Some(Marker::Named(_)));
    let policy = other.marker.is_none() && matches!(one.marker, Some(Marker::Policy(_)));
    // The registry of a release's chart stands in another file, too.
    let of_release =
        other.format == Format::Chart && other.image.is_none() && other.skipped == Some(SkipReason::NoName);
    let named = named || of_release;
    (one.image == other.image || named)
        && one.format == other.format
        && (one.marker == other.marker || named || policy)
        && (one.skipped == other.skipped || named)
        && one.slots.len() + added == other.slots.len()
        && one.uses.len() == other.uses.len()
}

/// Two texts and the chunks of them that are compared.
struct Sides<'a> {
    before: &'a str,
    after: &'a str,
    old: &'a Span,
    new: &'a Span,
    limits: &'a Limits,
}

/// Walks both parses side by side: they differ in the scalars of the splices, and in the lines that were inserted.
fn same_events<'a>(sides: &Sides<'a>, splices: &[Splice], mut builder: Option<&mut Builder<'a>>) -> Result<(), String> {
    let mut left = events(sides.before, sides.old, sides.limits, Detail::Everything);
    let mut right = events(sides.after, sides.new, sides.limits, Detail::Everything);
    let lines = inserted(splices, sides);
    let mut seen = 0;
    let mut fresh: Vec<(usize, String)> = Vec::new();
    let other_parse = || "the file would not parse as it did before".to_owned();
    let mut take = |event: Event<'a>, range: Range<usize>| match &mut builder {
        Some(builder) => {
            builder.take(event, range, sides.limits).map_err(|_fault| "the file would go beyond the limits".to_owned())
        }
        None => Ok(()),
    };
    loop {
        let other = loop {
            let Some(next) = right.next_event() else { break None };
            let (event, span) = next.map_err(|_error| other_parse())?;
            let range = span.byte_range().unwrap_or(0..0);
            let start = sides.new.start + range.start;
            let line = lines.iter().position(|line| line.contains(&start));
            match (&event, line) {
                (Event::Scalar(text, granit_parser::ScalarStyle::Plain, 0, None), Some(line)) => {
                    fresh.push((line, text.to_string()));
                    take(event, range)?;
                }
                _ => break Some((event, range)),
            }
        };
        let (one, other, range) = match (left.next_event(), other) {
            (None, None) => break,
            (Some(Ok(one)), Some((other, range))) => (one, other, range),
            _ => return Err(other_parse()),
        };
        let inside = match (&one.0, one.1.byte_range()) {
            (Event::Scalar(..), Some(range)) => {
                let span = sides.old.start + range.start..sides.old.start + range.end;
                let first = splices.partition_point(|splice| splice.span.start < span.start);
                let length = splices[first..].partition_point(|splice| splice.span.end <= span.end);
                Some((span, &splices[first..first + length]))
            }
            _ => None,
        };
        match inside.map(|(span, inside)| (span, replacing(inside))) {
            Some((span, inside)) if !inside.is_empty() => {
                seen += inside.len();
                intended(sides, &span, &one.0, &other, &inside)?;
            }
            _ if one.0 != other => return Err("something else than the intended value would change".to_owned()),
            _ => {}
        }
        take(other, range)?;
    }
    let added: Vec<&Splice> = splices.iter().filter(|splice| splice.kind == Kind::Line).collect();
    let wanted = added.iter().enumerate().flat_map(|(line, splice)| {
        let key = splice.written.trim_start().split(':').next().unwrap_or_default();
        [(line, key.to_owned()), (line, splice.value.clone())]
    });
    if seen + added.len() != splices.len() || !wanted.eq(fresh) {
        return Err("the place to change is no value of its own".to_owned());
    }
    Ok(())
}

/// Leaves out the lines, which lie in no scalar that stands already.
fn replacing(splices: &[Splice]) -> Vec<Splice> {
    splices.iter().filter(|splice| splice.kind != Kind::Line).cloned().collect()
}

/// Returns where the inserted lines stand in the new text.
fn inserted(splices: &[Splice], sides: &Sides<'_>) -> Vec<Span> {
    let mut moved = sides.new.start as isize - sides.old.start as isize;
    let mut lines = Vec::new();
    for splice in splices {
        if let Some(start) = splice.span.start.checked_add_signed(moved).filter(|_| splice.kind == Kind::Line) {
            lines.push(start..start + splice.written.len());
        }
        moved += growth(splice);
    }
    lines
}

/// Whether a scalar holds exactly the new text, in its old style or in the quotes that were added.
fn intended(
    sides: &Sides<'_>,
    span: &Span,
    one: &Event<'_>,
    other: &Event<'_>,
    splices: &[Splice],
) -> Result<(), String> {
    let (Event::Scalar(old, old_style, old_anchor, old_tag), Event::Scalar(new, new_style, new_anchor, new_tag)) =
        (one, other)
    else {
        return Err("something else than the intended value would change".to_owned());
    };
    let places = Embedded::of(sides.before, span, style_of(*old_style), old);
    let mut expected = old.to_string();
    let mut end = expected.len();
    let mut inner = Vec::new();
    for splice in splices.iter().rev() {
        let replaced = &sides.before[splice.span.clone()];
        let at = match &places {
            Some(places) => places.inner_span(&splice.span).filter(|at| expected.get(at.clone()) == Some(replaced)),
            None => expected[..end].rfind(replaced).map(|at| at..at + replaced.len()),
        };
        let Some(at) = at else {
            return Err("the text to replace does not stand in the value".to_owned());
        };
        end = at.start;
        let written = if places.is_some() { &splice.written } else { &splice.value };
        expected.replace_range(at.clone(), written);
        inner.push(Splice { span: at.clone(), token: at, ..splice.clone() });
    }
    inner.reverse();
    let is_quoted_now = splices.iter().any(|splice| splice.written != splice.value);
    let style_fits = old_style == new_style || (is_quoted_now && *old_style == granit_parser::ScalarStyle::Plain);
    if expected != **new || !style_fits || old_anchor != new_anchor || old_tag != new_tag {
        return Err("the value would not read as intended".to_owned());
    }
    // A token that is smaller than the scalar belongs to YAML within it.
    let is_yaml = splices.iter().any(|splice| splice.style != ScalarStyle::Raw && splice.token != *span);
    if places.is_some() && is_yaml {
        let (whole_old, whole_new) = (0..old.len(), 0..new.len());
        let within = Sides { before: old, after: new, old: &whole_old, new: &whole_new, limits: sides.limits };
        return same_events(&within, &inner, None);
    }
    Ok(())
}

fn style_of(style: granit_parser::ScalarStyle) -> ScalarStyle {
    match style {
        granit_parser::ScalarStyle::Plain => ScalarStyle::Plain,
        granit_parser::ScalarStyle::SingleQuoted => ScalarStyle::SingleQuoted,
        granit_parser::ScalarStyle::DoubleQuoted => ScalarStyle::DoubleQuoted,
        granit_parser::ScalarStyle::Literal => ScalarStyle::Literal,
        granit_parser::ScalarStyle::Folded => ScalarStyle::Folded,
    }
}

fn reads_as(site: &Site, role: SlotRole, wanted: &str) -> bool {
    let (tag, digest) = (site.value.tag.as_ref(), site.value.digest.as_ref());
    match role {
        SlotRole::Tag => tag.is_some_and(|tag| tag.as_str() == wanted),
        SlotRole::Digest => digest.is_some_and(|digest| digest.as_str().ends_with(wanted)),
        SlotRole::ChartVersion => tag.is_some_and(|tag| *tag.as_str() == wanted.replace('+', "_")),
        SlotRole::Version => match (tag, digest) {
            (Some(tag), Some(digest)) => wanted == format!("{tag}@{digest}"),
            (Some(tag), None) => wanted == tag.as_str(),
            (None, Some(digest)) => wanted == digest.as_str(),
            (None, None) => false,
        },
    }
}
