//! Proves an edit: the parser must report the same before and after but for the intended scalars, and a scan the
//! same sites but for the intended values.

use granit_parser::Event;

use crate::edit::splice::Splice;
use crate::manifest::yaml::{Detail, events, split};
use crate::manifest::{FileScan, Limits, Surroundings, names, scan};
use crate::model::file::{RepoPath, Span};
use crate::model::site::{ScalarStyle, Site, SlotRole};

/// Compares the events of every touched chunk.
pub(super) fn structure(
    path: &RepoPath,
    before: &str,
    after: &str,
    surroundings: &Surroundings,
    limits: &Limits,
    splices: &[(Splice, usize)],
) -> Result<(), String> {
    // Templates are no YAML; their marked lines are proved by the scan alone.
    let is_parsed = names::is_yaml(path) && !surroundings.is_template(path);
    if !is_parsed || splices.iter().all(|(splice, _)| splice.style == ScalarStyle::Raw) && !parses(before, limits) {
        return Ok(());
    }
    let (old, new) = (split::chunks(before), split::chunks(after));
    if old.len() != new.len() {
        return Err("the edit would change where documents begin".to_owned());
    }
    let mut rest = splices;
    let mut moved = 0_isize;
    for (old, new) in old.iter().zip(&new) {
        let here = rest.partition_point(|(splice, _)| splice.span.start < old.end);
        let (touched, later) = rest.split_at(here);
        rest = later;
        if old.start.checked_add_signed(moved) != Some(new.start) {
            return Err("the edit would change where documents begin".to_owned());
        }
        if touched.is_empty() {
            continue;
        }
        for (splice, _) in touched {
            moved += splice.written.len() as isize - splice.span.len() as isize;
        }
        same_events(before, old, after, new, limits, touched)?;
    }
    Ok(())
}

fn parses(text: &str, limits: &Limits) -> bool {
    split::chunks(text).iter().all(|chunk| events(text, chunk, limits, Detail::Nodes).all(|event| event.is_ok()))
}

fn same_events(
    before: &str,
    old: &Span,
    after: &str,
    new: &Span,
    limits: &Limits,
    splices: &[(Splice, usize)],
) -> Result<(), String> {
    let mut left = events(before, old, limits, Detail::Everything);
    let mut right = events(after, new, limits, Detail::Everything);
    let mut seen = 0;
    loop {
        let (one, other) = match (left.next_event(), right.next_event()) {
            (None, None) => break,
            (Some(Ok(one)), Some(Ok(other))) => (one, other),
            _ => return Err("the file would not parse as it did before".to_owned()),
        };
        let span = one.1.byte_range().map(|range| old.start + range.start..old.start + range.end).unwrap_or(0..0);
        let inside: Vec<&Splice> = match &one.0 {
            Event::Scalar(..) => {
                let first = splices.partition_point(|(splice, _)| splice.span.start < span.start);
                splices[first..]
                    .iter()
                    .map(|(splice, _)| splice)
                    .take_while(|splice| splice.span.end <= span.end)
                    .collect()
            }
            _ => Vec::new(),
        };
        if inside.is_empty() {
            if one.0 != other.0 {
                return Err("something else than the intended value would change".to_owned());
            }
            continue;
        }
        seen += inside.len();
        intended(before, &one.0, &other.0, &inside)?;
    }
    if seen == splices.len() { Ok(()) } else { Err("the place to change is no value of its own".to_owned()) }
}

/// Whether a scalar holds exactly the new text, in its old style or in the quotes that were added.
fn intended(before: &str, one: &Event<'_>, other: &Event<'_>, splices: &[&Splice]) -> Result<(), String> {
    let (Event::Scalar(old, old_style, old_anchor, old_tag), Event::Scalar(new, new_style, new_anchor, new_tag)) =
        (one, other)
    else {
        return Err("something else than the intended value would change".to_owned());
    };
    let mut expected = old.to_string();
    let mut end = expected.len();
    for splice in splices.iter().rev() {
        let replaced = &before[splice.span.clone()];
        let Some(at) = expected[..end].rfind(replaced) else {
            return Err("the text to replace does not stand in the value".to_owned());
        };
        expected.replace_range(at..at + replaced.len(), &splice.value);
        end = at;
    }
    let is_quoted_now = splices.iter().any(|splice| splice.written != splice.value);
    let style_fits = old_style == new_style || (is_quoted_now && *old_style == granit_parser::ScalarStyle::Plain);
    if expected == **new && style_fits && old_anchor == new_anchor && old_tag == new_tag {
        Ok(())
    } else {
        Err("the value would not read as intended".to_owned())
    }
}

/// Compares the sites before and after: the same ones, with the intended text in their slots.
pub(super) fn sites(
    path: &RepoPath,
    before: &str,
    after: &str,
    surroundings: &Surroundings,
    limits: &Limits,
    splices: &[(Splice, usize)],
) -> Result<(), String> {
    let old = scan(path, before.as_bytes(), surroundings, limits);
    let new = scan(path, after.as_bytes(), surroundings, limits);
    if old.sites.len() != new.sites.len() || old.passed_over.len() != new.passed_over.len() {
        return Err("other references would be found after the edit".to_owned());
    }
    let FileScan { sites: old, .. } = old;
    let mut proved = 0;
    for (one, other) in old.iter().zip(&new.sites) {
        let same = one.image == other.image
            && one.format == other.format
            && one.marker == other.marker
            && one.skipped == other.skipped
            && one.slots.len() == other.slots.len();
        if !same {
            return Err("another reference would change".to_owned());
        }
        for (slot, fresh) in one.slots.iter().zip(&other.slots) {
            let at = splices.binary_search_by_key(&slot.span.start, |(splice, _)| splice.span.start).ok();
            let splice = at.map(|at| &splices[at].0).filter(|splice| splice.span == slot.span);
            let wanted = splice.map_or(&before[slot.span.clone()], |splice| splice.value.as_str());
            if after.get(fresh.span.clone()) != Some(wanted) || !reads_as(other, fresh.role, wanted) {
                return Err("a reference would not hold what was intended".to_owned());
            }
            proved += usize::from(splice.is_some());
        }
    }
    // One span may serve several sites, never none.
    if proved >= splices.len() { Ok(()) } else { Err("a changed place would not be found again".to_owned()) }
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
