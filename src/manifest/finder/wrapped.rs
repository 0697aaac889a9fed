//! References that something is wrapped around: variables with defaults, a scheme before, a file of another language.

use std::ops::Range;

use crate::manifest::finder::{Finder, Found};
use crate::manifest::marker;
use crate::manifest::reference;
use crate::manifest::variable::{self, Token, Values};
use crate::manifest::yaml::embedded::Embedded;
use crate::manifest::yaml::tree::NodeId;
use crate::model::site::{Format, ScalarStyle, SkipReason, Slot, SlotRole};

impl Finder<'_, '_> {
    /// Takes a scalar whose text is of another language than YAML; `read` finds the references in it.
    pub(crate) fn inner_text(&mut self, node: NodeId, format: Format, read: fn(&str) -> Vec<Found>) {
        let (outer, tree) = (self.text, self.tree);
        let target = tree.resolve(node);
        let (Some(style), Some(value)) = (tree.style(target), tree.filled(target)) else { return };
        if !self.read_before.insert((target, String::new())) {
            return;
        }
        let mut finds = read(value);
        match Embedded::of(outer, &tree.span(target), style, value) {
            Some(places) => {
                marker::attach(value, &(0..value.len()), &marker::comments(value), None, &mut finds);
                self.found.extend(finds.into_iter().map(|find| moved(find, node, &places)));
            }
            None if finds.is_empty() => {}
            None => {
                let reason = "text within quotes and with escapes is not looked into; a block scalar is".to_owned();
                self.unread(target, format, SkipReason::Unsupported(reason));
            }
        }
    }

    /// Takes a scalar that holds a reference in which variables may have defaults.
    pub(crate) fn with_defaults(&mut self, node: NodeId, format: Format) {
        let target = self.tree.resolve(node);
        match (self.tree.filled(node), self.literal_start(target), self.tree.style(target)) {
            (Some(text), Some(start), Some(style)) if text.contains('$') => {
                let token = self.tree.span(target);
                let token = Token { span: Some(&token), style };
                let found = variable::reference(text, start, &Values::new(), token, format);
                self.found.push(Found { nodes: vec![node], ..found });
            }
            _ => self.reference(node, format),
        }
    }

    /// Takes a scalar that holds a reference behind a scheme such as `docker://`; nothing where it has none.
    pub(crate) fn behind(&mut self, node: NodeId, scheme: &str, format: Format) {
        let Some(rest) = self.tree.filled(node).and_then(|text| text.strip_prefix(scheme)) else { return };
        let target = self.tree.resolve(node);
        let mut reading = reference::read(self.trimmed(target, rest));
        let mut slot = None;
        if let Some(version) = reading.version.clone() {
            match self.slot(target, version.start + scheme.len()..version.end + scheme.len(), SlotRole::Version) {
                Ok(found) => slot = Some(found),
                Err(reason) => reading.skipped = Some(reason),
            }
        }
        let at = self.tree.span(target).start;
        self.found.push(Found { nodes: vec![node], ..Found::from_line(format, at, reading, slot) });
    }

    /// Takes a reference that stands within a scalar with other words.
    pub(crate) fn within(&mut self, node: NodeId, part: Range<usize>, format: Format) {
        let target = self.tree.resolve(node);
        let (Some(text), Some(style)) = (self.tree.text(target), self.tree.style(target)) else { return };
        let Some(raw) = text.get(part.clone()) else { return };
        let mut reading = reference::read(raw);
        let mut slot = None;
        if let Some(version) = reading.version.clone() {
            match self.literal_start(target) {
                Some(start) => {
                    let span = start + part.start + version.start..start + part.start + version.end;
                    slot = Some(Slot { role: SlotRole::Version, span, token: self.tree.span(target), style });
                }
                None => {
                    let reason = "text over several lines or with escapes is not looked into here".to_owned();
                    reading.skipped = Some(SkipReason::Unsupported(reason));
                }
            }
        }
        let at = self.tree.span(target).start;
        self.found.push(Found { nodes: vec![node], ..Found::from_line(format, at, reading, slot) });
    }

    /// Returns the offset at which a scalar's value stands in the file as it is.
    fn literal_start(&self, node: NodeId) -> Option<usize> {
        let inner = match self.tree.style(node)? {
            ScalarStyle::Plain => 0,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            _ => return None,
        };
        let start = self.tree.span(node).start + inner;
        let value = self.tree.text(node)?;
        (self.text.get(start..start + value.len()) == Some(value)).then_some(start)
    }
}

/// Moves a find from the value of a scalar to the file; from there on the scalar is its node.
pub(super) fn moved(mut find: Found, scalar: NodeId, places: &Embedded) -> Found {
    find.nodes = vec![scalar];
    find.names.clear();
    find.at = places.outer(find.at).unwrap_or_default();
    find.uses = find.uses.iter().filter_map(|at| places.outer(*at)).collect();
    for slot in &mut find.slots {
        match (places.outer_span(&slot.span), places.outer_span(&slot.token)) {
            (Some(span), Some(token)) => (slot.span, slot.token) = (span, token),
            _ => find.skipped = Some(SkipReason::Unsupported("the place of the value is unclear".to_owned())),
        }
    }
    find
}
