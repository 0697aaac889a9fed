//! Proves an edit: the parser must report the same before and after but for the intended scalars, and the scan
//! must find the same references but for the intended values.

use std::collections::HashMap;

use granit_parser::Event;

use crate::edit::Order;
use crate::edit::splice::Splice;
use crate::manifest::yaml::build::Builder;
use crate::manifest::yaml::{Detail, events, split};
use crate::manifest::{Limits, Surroundings, is_surely_yaml, names, scan, scan_parsed};
use crate::model::file::{RepoPath, Span};
use crate::model::site::{Marker, ScalarStyle, Site, Slot, SlotRole};

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
        if !has_lines && is_surely_yaml(self.path, self.before, self.surroundings) {
            return self.chunks(Rescan::TouchedChunks);
        }
        // A template is no YAML: its marked lines are proved by the scan alone.
        let is_parsed = names::is_yaml(self.path) && !self.surroundings.is_template(self.path);
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
            let here = rest.partition_point(|(splice, _)| splice.span.start < old.end);
            let (touched, later) = rest.split_at(here);
            rest = later;
            if !touched.is_empty() {
                let found = self.same_events(old, new, touched, rescan)?;
                self.intended_sites(&found, touched, moved, rescan)?;
            }
            moved += touched.iter().map(|(splice, _)| growth(splice)).sum::<isize>();
        }
        Ok(())
    }

    /// Walks both parses side by side; returns the references found in the new one.
    fn same_events(
        &self,
        old: &Span,
        new: &Span,
        splices: &[(Splice, usize)],
        rescan: Rescan,
    ) -> Result<Vec<Site>, String> {
        let mut left = events(self.before, old, self.limits, Detail::Everything);
        let mut right = events(self.after, new, self.limits, Detail::Everything);
        let mut builder = Builder::new(new);
        let mut seen = 0;
        loop {
            let (one, other) = match (left.next_event(), right.next_event()) {
                (None, None) => break,
                (Some(Ok(one)), Some(Ok(other))) => (one, other),
                _ => return Err("the file would not parse as it did before".to_owned()),
            };
            let inside = match (&one.0, one.1.byte_range()) {
                (Event::Scalar(..), Some(range)) => {
                    let span = old.start + range.start..old.start + range.end;
                    let first = splices.partition_point(|(splice, _)| splice.span.start < span.start);
                    let length = splices[first..].partition_point(|(splice, _)| splice.span.end <= span.end);
                    &splices[first..first + length]
                }
                _ => &[],
            };
            if inside.is_empty() {
                if one.0 != other.0 {
                    return Err("something else than the intended value would change".to_owned());
                }
            } else {
                seen += inside.len();
                intended(self.before, &one.0, &other.0, inside)?;
            }
            let span = other.1.byte_range().unwrap_or(0..0);
            if rescan == Rescan::TouchedChunks && builder.take(other.0, span, self.limits).is_err() {
                return Err("the file would go beyond the limits".to_owned());
            }
        }
        if seen != splices.len() {
            return Err("the place to change is no value of its own".to_owned());
        }
        Ok(match rescan {
            Rescan::TouchedChunks => scan_parsed(self.path, self.after, new, &builder.finish()),
            Rescan::No => Vec::new(),
        })
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
            let quote = usize::from(splice.written != splice.value);
            let start = splice.span.start.checked_add_signed(moved).map(|start| start + quote);
            let ordered = self.orders[*index].site;
            let is_it = |(site, slot): &(&Site, &Slot)| {
                self.after.get(slot.span.clone()) == Some(splice.value.as_str())
                    && reads_as(site, slot.role, &splice.value)
                    && same_site(ordered, site)
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
            if !same_site(one, other) {
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

/// Whether a fresh scan found the site again.
///
/// What a policy of another file said of it, the scan of this file alone cannot tell: the comments of both parses are
/// compared elsewhere, so that the marker is the same one.
fn same_site(one: &Site, other: &Site) -> bool {
    let named = matches!(other.marker, Some(Marker::Named(_)));
    let policy = other.marker.is_none() && matches!(one.marker, Some(Marker::Policy(_)));
    (one.image == other.image || named)
        && one.format == other.format
        && (one.marker == other.marker || named || policy)
        && (one.skipped == other.skipped || named)
        && one.slots.len() == other.slots.len()
        && one.uses.len() == other.uses.len()
}

/// Whether a scalar holds exactly the new text, in its old style or in the quotes that were added.
fn intended(before: &str, one: &Event<'_>, other: &Event<'_>, splices: &[(Splice, usize)]) -> Result<(), String> {
    let (Event::Scalar(old, old_style, old_anchor, old_tag), Event::Scalar(new, new_style, new_anchor, new_tag)) =
        (one, other)
    else {
        return Err("something else than the intended value would change".to_owned());
    };
    let mut expected = old.to_string();
    let mut end = expected.len();
    for (splice, _) in splices.iter().rev() {
        let replaced = &before[splice.span.clone()];
        let Some(at) = expected[..end].rfind(replaced) else {
            return Err("the text to replace does not stand in the value".to_owned());
        };
        expected.replace_range(at..at + replaced.len(), &splice.value);
        end = at;
    }
    let is_quoted_now = splices.iter().any(|(splice, _)| splice.written != splice.value);
    let style_fits = old_style == new_style || (is_quoted_now && *old_style == granit_parser::ScalarStyle::Plain);
    if expected == **new && style_fits && old_anchor == new_anchor && old_tag == new_tag {
        Ok(())
    } else {
        Err("the value would not read as intended".to_owned())
    }
}

fn reads_as(site: &Site, role: SlotRole, wanted: &str) -> bool {
    let (tag, digest) = (site.value.tag.as_ref(), site.value.digest.as_ref());
    match role {
        SlotRole::Tag => tag.is_some_and(|tag| tag.as_str() == wanted),
        SlotRole::Digest => digest.is_some_and(|digest| digest.as_str().ends_with(wanted)),
        SlotRole::Version => match (tag, digest) {
            (Some(tag), Some(digest)) => wanted == format!("{tag}@{digest}"),
            (Some(tag), None) => wanted == tag.as_str(),
            (None, Some(digest)) => wanted == digest.as_str(),
            (None, None) => false,
        },
    }
}
