//! From orders to byte ranges and the text that goes there.

use crate::edit::Order;
use crate::model::file::Span;
use crate::model::image::Digest;
use crate::model::policy::Pin;
use crate::model::site::{ScalarStyle, Slot, SlotRole, Value};

/// One replaced range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    /// The bytes that are replaced.
    pub(super) span: Span,
    /// The whole token around them.
    pub(super) token: Span,
    /// How the token is written.
    pub(super) style: ScalarStyle,
    /// The value's new text.
    pub(super) value: String,
    /// What goes into the file: the value, in quotes where it needs them, on a line of its own where one is inserted.
    pub(super) written: String,
    /// Whether a value is replaced or comes anew.
    pub(super) kind: Kind,
}

/// What a splice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value is replaced.
    Replace,
    /// A digest goes where an empty value stands.
    Fill,
    /// A line with a digest is inserted: its key and its value.
    Line,
}

impl Splice {
    /// Returns where in `written` the value begins.
    pub(super) fn lead(&self) -> usize {
        self.written.rfind(&self.value).unwrap_or(0)
    }
}

/// The value that the site will hold: a digest only where one stands or is to be added.
pub(super) fn target(order: &Order<'_>) -> Value {
    let from = &order.site.value;
    let with_digest = from.digest.is_some() || order.pin == Pin::Digest;
    Value {
        tag: if from.tag.is_some() { order.to.tag.clone() } else { None },
        digest: order.to.digest.clone().filter(|_| with_digest),
    }
}

/// Turns one order into splices; none where the value already stands.
pub(super) fn of(text: &str, order: &Order<'_>) -> Result<Vec<Splice>, String> {
    let site = order.site;
    if site.image.is_none() {
        return Err("the image's name is not known".to_owned());
    }
    if let Some(skipped) = &site.skipped {
        let is_digest_alone = matches!(skipped, crate::model::site::SkipReason::DigestOnly);
        if !is_digest_alone {
            return Err(skipped.to_string());
        }
    }
    if site.slots.is_empty() {
        return Err("there is no place to write to".to_owned());
    }
    let from = &site.value;
    let to = target(order);
    if from.tag.is_some() && to.tag.is_none() {
        return Err("a tag stands here, and no tag was chosen".to_owned());
    }
    if (from.digest.is_some() || order.pin == Pin::Digest) && to.digest.is_none() {
        return Err("the digest of the new tag is not known, and the tag does not move without it".to_owned());
    }
    let mut splices = Vec::new();
    for slot in &site.slots {
        let old = text.get(slot.span.clone()).ok_or("the file has changed since it was scanned")?;
        let bare = slot.role == SlotRole::Digest && !old.contains(':');
        let is_whole = slot.token.start <= slot.span.start && slot.span.end <= slot.token.end;
        if old != said(slot, from, bare) || !is_whole || text.get(slot.token.clone()).is_none() {
            return Err("the file has changed since it was scanned".to_owned());
        }
        let value = said(slot, &to, bare);
        if value != old {
            splices.push(Splice {
                span: slot.span.clone(),
                token: slot.token.clone(),
                style: slot.style,
                written: value.clone(),
                value,
                kind: Kind::Replace,
            });
        }
    }
    Ok(splices)
}

/// Whether the order adds a digest that has no place yet.
pub(super) fn lacks_place(order: &Order<'_>) -> bool {
    let has_place = order.site.slots.iter().any(|slot| matches!(slot.role, SlotRole::Version | SlotRole::Digest));
    target(order).digest.is_some() && !has_place
}

/// What a slot says when the reference holds a value.
fn said(slot: &Slot, value: &Value, bare: bool) -> String {
    let digest = |digest: &Digest| match digest.as_str().split_once(':') {
        Some((_, hex)) if bare => hex.to_owned(),
        _ => digest.as_str().to_owned(),
    };
    match slot.role {
        SlotRole::Tag => value.tag.as_ref().map(|tag| tag.as_str().to_owned()).unwrap_or_default(),
        SlotRole::Digest => value.digest.as_ref().map(digest).unwrap_or_default(),
        SlotRole::ChartVersion => value.tag.as_ref().map(|tag| tag.as_str().replace('_', "+")).unwrap_or_default(),
        SlotRole::Version => match (&value.tag, &value.digest) {
            (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
            (Some(tag), None) => tag.as_str().to_owned(),
            (None, Some(digest)) => digest.as_str().to_owned(),
            (None, None) => String::new(),
        },
    }
}

/// Sorts splices, collapses those that say the same, and takes out those that contradict each other.
///
/// Returns the orders that contradict; every splice of theirs is gone.
pub(super) fn settle(splices: &mut Vec<(Splice, usize)>) -> Vec<usize> {
    splices.sort_by_key(|(splice, index)| (splice.span.start, splice.span.end, *index));
    let mut clashing = Vec::new();
    let mut widest: Option<usize> = None;
    for at in 0..splices.len() {
        let (splice, index) = &splices[at];
        if let Some(earlier) = widest {
            let (other, other_index) = &splices[earlier];
            if splice.span.start < other.span.end && splice != other {
                clashing.extend([*index, *other_index]);
            }
            if splice.span.end > other.span.end {
                widest = Some(at);
            }
        } else {
            widest = Some(at);
        }
    }
    // A third order at the place of two that contradict is refused with them.
    let spans: Vec<Span> =
        splices.iter().filter(|(_, index)| clashing.contains(index)).map(|(splice, _)| splice.span.clone()).collect();
    for (splice, index) in splices.iter() {
        if spans.contains(&splice.span) {
            clashing.push(*index);
        }
    }
    clashing.sort_unstable();
    clashing.dedup();
    splices.retain(|(_, index)| clashing.binary_search(index).is_err());
    splices.dedup_by(|(one, _), (other, _)| one == other);
    clashing
}

/// Returns the text with every splice applied.
pub(super) fn apply(text: &str, splices: &[(Splice, usize)]) -> String {
    let mut after = String::with_capacity(text.len() + splices.len() * 16);
    let mut at = 0;
    for (splice, _) in splices {
        after.push_str(&text[at..splice.span.start]);
        after.push_str(&splice.written);
        at = splice.span.end;
    }
    after.push_str(&text[at..]);
    after
}
