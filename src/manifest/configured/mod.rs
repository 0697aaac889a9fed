//! The places that `formats:` of the configuration names: by a JSONPath, or by a regular expression.
//!
//! Entry points: [`paths`] within a parsed YAML or JSON document, and [`add`] for everything that is read from the
//! text. A place that the file's own format found, too, is found once.

mod select;
mod toml;

#[cfg(test)]
mod tests;

use crate::manifest::finder::{Finder, Found, Parts, unite};
use crate::manifest::reference::{self, Reading};
use crate::manifest::variable::{self, Token, Values};
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::manifest::{Surroundings, helm_values, marker, names};
use crate::model::file::{RepoPath, Span};
use crate::model::format::{ExtraPlace, ReferenceRegex};
use crate::model::image::shorten;
use crate::model::site::{Format, PassedOverReason, ScalarStyle, SkipReason, Slot, SlotRole, Value};

/// How many matches of one expression are taken from one file.
const MAX_MATCHES: usize = 100_000;

/// Finds what the configured paths select in one YAML or JSON document.
pub(crate) fn paths(finder: &mut Finder<'_, '_>, root: NodeId, path: &RepoPath, surroundings: &Surroundings) {
    for format in surroundings.formats_of(path) {
        let ExtraPlace::Path(wanted) = &format.place else { continue };
        for node in select::select(finder.tree, root, wanted) {
            yaml_value(finder, node);
        }
    }
}

/// Takes a selected node: a reference, a tag alone, or a map of the parts.
fn yaml_value(finder: &mut Finder<'_, '_>, node: NodeId) {
    let tree = finder.tree;
    let target = tree.resolve(node);
    match tree.shape(target) {
        Shape::Scalar(_) => match tree.filled(node) {
            Some(text) if is_version(text) => {
                finder.parts(&Parts { tag: Some(node), ..Parts::default() }, node, Format::Configured);
            }
            _ => finder.with_defaults(node, Format::Configured),
        },
        Shape::Mapping => {
            if let Some(target) = finder.enter(node) {
                helm_values::image_map(finder, target, Format::Configured);
            }
        }
        Shape::Sequence | Shape::Alias(_) => {}
    }
}

/// Adds what the configured places name in the text of a file, whatever else was found there.
pub(crate) fn add(
    path: &RepoPath,
    text: &str,
    surroundings: &Surroundings,
    found: &mut Vec<Found>,
) -> Option<PassedOverReason> {
    let mut fresh = Vec::new();
    let mut fault = None;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    for format in surroundings.formats_of(path) {
        match &format.place {
            ExtraPlace::Regex(regex) => matches(text, regex, &mut fresh),
            ExtraPlace::Path(wanted) if is_toml => match toml::find(text, wanted) {
                Ok(mut finds) => fresh.append(&mut finds),
                Err(reason) => fault = Some(reason),
            },
            ExtraPlace::Path(_) if names::is_yaml(path) || names::is_json(path) => {}
            ExtraPlace::Path(_) => {
                let reason = "a path of `formats:` names it, and it is neither YAML, JSON nor TOML".to_owned();
                fault = Some(PassedOverReason::Broken { position: None, reason });
            }
        }
    }
    if !fresh.is_empty() {
        let mut fresh = unite(fresh);
        marker::note(text, &mut fresh);
        merge(found, fresh);
    }
    fault
}

/// Puts finds beside those of the file's own format, which win unless they know no image.
fn merge(found: &mut Vec<Found>, fresh: Vec<Found>) {
    let mut places: Vec<(usize, usize, usize)> = found
        .iter()
        .enumerate()
        .flat_map(|(index, find)| find.slots.iter().map(move |slot| (slot.span.start, slot.span.end, index)))
        .collect();
    places.sort_unstable();
    let mut replaced = Vec::new();
    let mut added = Vec::new();
    for find in fresh {
        let overlapping = |slot: &Slot| {
            let after = places.partition_point(|(start, ..)| *start < slot.span.end);
            let (_, end, index) = places.get(after.checked_sub(1)?)?;
            (*end > slot.span.start).then_some(*index)
        };
        match find.slots.iter().find_map(overlapping) {
            None => added.push(find),
            Some(index)
                if (found[index].image.is_none() && find.image.is_some())
                    || matches!(found[index].skipped, Some(SkipReason::Unmarked(_))) =>
            {
                replaced.push(index);
                added.push(find);
            }
            Some(_) => {}
        }
    }
    replaced.sort_unstable();
    let mut index = 0;
    found.retain(|_| {
        index += 1;
        replaced.binary_search(&(index - 1)).is_err()
    });
    found.append(&mut added);
}

/// Finds every match of an expression.
fn matches(text: &str, regex: &ReferenceRegex, found: &mut Vec<Found>) {
    for captures in regex.0.captures_iter(text).take(MAX_MATCHES) {
        let group = |name| captures.name(name).map(|group| group.range()).filter(|range| !range.is_empty());
        let at = captures.get(0).map_or(0, |whole| whole.start());
        let parts = RawParts {
            name: group("image").map(|range| text[range].to_owned()),
            tag: group("tag"),
            digest: group("digest"),
            at,
        };
        if parts.tag.is_some() || parts.digest.is_some() {
            found.push(parts.find(text));
        }
    }
}

/// A reference whose parts stand in the text as they are.
struct RawParts {
    name: Option<String>,
    tag: Option<Span>,
    digest: Option<Span>,
    /// Where to point when there is neither tag nor digest.
    at: usize,
}

impl RawParts {
    fn find(&self, text: &str) -> Found {
        let mut slots = Vec::new();
        let mut value = Value::default();
        let mut skipped = None;
        let slot = |span: &Span, role| Slot { role, span: span.clone(), token: span.clone(), style: ScalarStyle::Raw };
        if let Some(span) = &self.tag {
            match reference::read_version(&text[span.clone()]) {
                Ok(read) => {
                    let role = if read.digest.is_some() { SlotRole::Version } else { SlotRole::Tag };
                    slots.push(slot(span, role));
                    value = read;
                }
                Err(reason) => skipped = Some(reason),
            }
        }
        if let Some(span) = &self.digest {
            match reference::read_digest(&text[span.clone()]) {
                Ok(digest) if value.digest.is_none() => {
                    slots.push(slot(span, SlotRole::Digest));
                    value.digest = Some(digest);
                }
                Ok(_) => {
                    let reason = "a digest stands beside the tag and in a place of its own".to_owned();
                    skipped = Some(SkipReason::Unsupported(reason));
                }
                Err(reason) => skipped = skipped.or(Some(reason)),
            }
        }
        let read = self.name.as_deref().map(reference::read);
        let (image, written, of_name) = match read {
            None => (None, String::new(), Some(SkipReason::NoName)),
            Some(Reading { image, written, version: None, skipped, .. }) => {
                let reason = if image.is_some() { None } else { skipped };
                (image, written, reason)
            }
            Some(Reading { image, written, .. }) => {
                let reason = "a second tag or digest stands beside the one in the name".to_owned();
                (image, written, Some(SkipReason::Unsupported(reason)))
            }
        };
        let of_value = match (&value.tag, &value.digest) {
            (None, None) => Some(SkipReason::NoTag),
            (None, Some(_)) => Some(SkipReason::DigestOnly),
            (Some(_), _) => None,
        };
        let skipped = skipped.or(of_name).or(of_value);
        let reading = Reading { image, written: shorten(&written), value, version: None, skipped };
        let at = self.tag.as_ref().or(self.digest.as_ref()).map_or(self.at, |span| span.start);
        let mut found = Found::from_line(Format::Configured, at, reading, None);
        found.slots = slots;
        found
    }
}

/// Makes the find of a text that stands in the file as it is: a reference, or a tag alone.
fn raw_value(text: &str, span: &Span) -> Found {
    let raw = &text[span.clone()];
    if is_version(raw) {
        RawParts { name: None, tag: Some(span.clone()), digest: None, at: span.start }.find(text)
    } else {
        variable::reference(raw, span.start, &Values::new(), Token::RAW, Format::Configured)
    }
}

/// Whether a text is a tag alone rather than an image without one: `1.4.0`, `v2`.
fn is_version(text: &str) -> bool {
    let begins = text.strip_prefix(['v', 'V']).unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    begins && !text.contains(['/', ':']) && reference::read_version(text).is_ok()
}

impl select::Document for Tree<'_> {
    type Node = NodeId;

    fn member(&self, node: NodeId, name: &str) -> Option<NodeId> {
        self.own(self.resolve(node), name)
    }

    fn elements(&self, node: NodeId) -> Option<Vec<NodeId>> {
        let target = self.resolve(node);
        (self.shape(target) == Shape::Sequence).then(|| self.children(target).collect())
    }

    fn values(&self, node: NodeId) -> Vec<NodeId> {
        let target = self.resolve(node);
        match self.shape(target) {
            Shape::Sequence => self.children(target).collect(),
            _ => self.entries(target).map(|(_, value)| value).collect(),
        }
    }

    fn target(&self, node: NodeId) -> NodeId {
        self.resolve(node)
    }
}
