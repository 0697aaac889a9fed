//! Variables with a known value: `${TAG:-1.4.0}` and build arguments, filled in for reading while every part keeps
//! its place in the file.
//!
//! What has no value is left to [`reference::read`], which says so. Knows no format.

use std::collections::HashMap;
use std::ops::Range;

use crate::manifest::finder::Found;
use crate::manifest::reference;
use crate::model::file::Span;
use crate::model::site::{Format, ScalarStyle, SkipReason, Slot, SlotRole};

/// How long a reference may become; the grammar allows less than half of it.
const MAX_LENGTH: usize = 1024;

/// A text with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Expanded {
    /// What is read.
    pub(crate) text: String,
    /// Where each piece of the text stands in the file, without gaps.
    pieces: Vec<(Range<usize>, usize)>,
}

impl Expanded {
    fn push(&mut self, text: &str, at: usize) {
        if !text.is_empty() {
            let start = self.text.len();
            self.text.push_str(text);
            self.pieces.push((start..self.text.len(), at));
        }
    }

    fn append(&mut self, other: &Self) {
        for (range, at) in &other.pieces {
            self.push(&other.text[range.clone()], *at);
        }
    }

    /// Returns where every piece of the text stands.
    pub(crate) fn places(&self) -> impl Iterator<Item = Span> {
        self.pieces.iter().map(|(range, at)| *at..at + range.len())
    }

    /// Returns where a part of the text stands, if it stands in one place.
    fn place(&self, part: &Range<usize>) -> Option<Span> {
        let (range, at) = self.pieces.iter().find(|(range, _)| range.contains(&part.start))?;
        let start = at + (part.start - range.start);
        (part.end <= range.end).then(|| start..start + part.len())
    }
}

/// The variables of a file that have a value.
pub(crate) type Values = HashMap<String, Expanded>;

/// Fills in the variables of a text that begins at an offset of the file.
///
/// `None` where one has no value, or is written in a way that is not understood.
pub(crate) fn expand(raw: &str, start: usize, values: &Values) -> Option<Expanded> {
    let mut expanded = Expanded::default();
    let mut at = 0;
    while let Some(found) = raw[at..].find('$') {
        let dollar = at + found;
        expanded.push(&raw[at..dollar], start + at);
        let rest = &raw[dollar + 1..];
        let braced = rest.strip_prefix('{');
        let from = dollar + 1 + usize::from(braced.is_some());
        let body = braced.unwrap_or(rest);
        let length = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let (name, after) = body.split_at(length);
        if name.is_empty() {
            return None;
        }
        let value = values.get(name);
        if braced.is_none() {
            expanded.append(value?);
            at = from + length;
        } else if after.starts_with('}') {
            expanded.append(value?);
            at = from + length + 1;
        } else {
            let default = after.strip_prefix(":-").or_else(|| after.strip_prefix('-'))?;
            let close = default.find('}')?;
            let text = &default[..close];
            if text.contains(['$', '{']) {
                return None;
            }
            let default_at = from + length + (after.len() - default.len());
            match value {
                Some(value) => expanded.append(value),
                None => expanded.push(text, start + default_at),
            }
            at = default_at + close + 1;
        }
        if expanded.text.len() > MAX_LENGTH {
            return None;
        }
    }
    expanded.push(&raw[at..], start + at);
    (expanded.text.len() <= MAX_LENGTH).then_some(expanded)
}

/// The scalar around a reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    /// The whole token; where absent each slot is its own.
    pub(crate) span: Option<&'a Span>,
    /// How it is written.
    pub(crate) style: ScalarStyle,
}

impl Token<'_> {
    /// The bytes are the value.
    pub(crate) const RAW: Self = Self { span: None, style: ScalarStyle::Raw };
}

/// Makes the find of a reference that begins at an offset of the file, its variables filled in.
pub(crate) fn reference(raw: &str, start: usize, values: &Values, token: Token<'_>, format: Format) -> Found {
    let Some(expanded) = expand(raw, start, values) else {
        return Found::from_line(format, start, reference::read(raw), None);
    };
    let mut reading = reference::read(&expanded.text);
    let slot = |part: &Range<usize>, role| {
        let span = expanded.place(part)?;
        Some(Slot { role, token: token.span.cloned().unwrap_or_else(|| span.clone()), span, style: token.style })
    };
    let mut slots = Vec::new();
    if let Some(version) = &reading.version {
        let tag = reading.value.tag.as_ref().map_or(0, |tag| tag.as_str().len());
        let digest = reading.value.digest.as_ref().map_or(0, |digest| digest.as_str().len());
        let apart = || {
            let one = slot(&(version.start..version.start + tag), SlotRole::Tag)?;
            let other = slot(&(version.end - digest..version.end), SlotRole::Digest)?;
            Some(vec![one, other])
        };
        let whole = slot(version, SlotRole::Version).map(|slot| vec![slot]);
        match whole.or_else(|| if tag > 0 && digest > 0 { apart() } else { None }) {
            Some(found) => slots = found,
            None => {
                let reason = reference::placeholder(raw);
                let joined = || SkipReason::Unsupported("the tag is put together from several places".to_owned());
                reading.skipped = Some(reason.unwrap_or_else(joined));
            }
        }
    }
    let mut found = Found::from_line(format, start, reading, None);
    let is_elsewhere = |slot: &Slot| slot.span.start < start || slot.span.start >= start + raw.len();
    if slots.iter().any(is_elsewhere) {
        found.uses.push(start);
    }
    found.slots = slots;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str, values: &[(&str, &str, usize)]) -> (String, Vec<String>, Option<String>) {
        let mut map = Values::new();
        for (name, value, at) in values {
            map.insert((*name).to_owned(), expand(value, *at, &map).unwrap());
        }
        let found = reference(raw, 100, &map, Token::RAW, Format::Compose);
        let slots = found.slots.iter().map(|slot| format!("{}..{}", slot.span.start, slot.span.end)).collect();
        let image = found.image.map(|image| image.to_string()).unwrap_or_default();
        (image, slots, found.skipped.map(|skipped| skipped.to_string()))
    }

    #[test]
    fn a_default_is_read_and_keeps_its_place() {
        let web = "ghcr.io/acme/web".to_owned();
        assert_eq!(read("ghcr.io/acme/web:1.4.0", &[]), (web.clone(), vec!["117..122".to_owned()], None));
        assert_eq!(read("ghcr.io/acme/web:${TAG:-1.4.0}", &[]), (web.clone(), vec!["124..129".to_owned()], None));
        assert_eq!(read("ghcr.io/acme/web:${TAG-1.4.0}", &[]), (web.clone(), vec!["123..128".to_owned()], None));
        assert_eq!(read("${IMAGE:-ghcr.io/acme/web:1.4.0}", &[]), (web.clone(), vec!["126..131".to_owned()], None));
        assert_eq!(read("${HOST:-ghcr.io}/acme/web:1.4.0", &[]), (web, vec!["126..131".to_owned()], None));
    }

    #[test]
    fn a_value_from_elsewhere_is_edited_there() {
        let web = "ghcr.io/acme/web".to_owned();
        assert_eq!(
            read("ghcr.io/acme/web:$TAG", &[("TAG", "1.4.0", 7)]),
            (web.clone(), vec!["7..12".to_owned()], None)
        );
        let values = [("TAG", "1.4.0", 7), ("BASE", "ghcr.io/acme/web:${TAG}", 20)];
        assert_eq!(read("${BASE}", &values), (web, vec!["7..12".to_owned()], None));
    }

    #[test]
    fn what_is_no_whole_tag_is_only_reported() {
        for raw in ["a:${TAG:-1.4.0}-alpine", "a:${TAG}", "a:${TAG:+x}", "a:${TAG:-${B}}", "a:$", "a:${TAG:-1", "a:$$T"]
        {
            let (_, slots, skipped) = read(raw, &[]);
            assert!(slots.is_empty() && skipped.unwrap().contains("variable"), "{raw}");
        }
    }
}
