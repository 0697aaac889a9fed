//! Where the entries of the file stand, byte for byte, however they are written.
//!
//! Entry point: [`layout`]. Says nothing of what they mean: that is read elsewhere, and proves every edit.

use granit_parser::{Event, Parser, StructureStyle};

use crate::model::file::Span;

/// How lists and mappings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// By dashes and indentation.
    Block,
    /// In brackets.
    Flow,
}

/// The file's one mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// How it is written.
    pub(super) style: Style,
    /// Behind the last thing that stands in it, brackets left out.
    pub(super) end: usize,
    /// The key `holds` and its value.
    pub(super) holds: Option<Holds>,
}

/// The list of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holds {
    /// Behind its key.
    pub(super) key_end: usize,
    /// What stands there: a list, or the bytes of something that holds nothing.
    pub(super) value: Entries,
}

/// What the key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entries {
    /// A list: how it is written, all of it, and its entries, from their anchors on to the last thing that they hold.
    List(Style, Span, Vec<Span>),
    /// Nothing, or `null`; its bytes.
    Nothing(Span),
    /// Something by another name.
    Alias,
}

/// Where a node begins that is open, and of which kind it is.
struct Open {
    start: usize,
    style: Style,
}

/// Walks over a text that has been parsed before; `None` where its root is no mapping.
pub(super) fn layout(text: &str) -> Option<Layout> {
    let options = granit_parser::options! { emit_anchor_events: true };
    let mut walk = Walk::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.ok()?;
        let span = span.byte_range().unwrap_or(0..0);
        let within = |at: usize| text.floor_char_boundary(at.min(text.len()));
        walk.take(&event, within(span.start)..within(span.end));
    }
    let style = walk.root?;
    Some(Layout { style, end: walk.root_end, holds: walk.holds })
}

#[derive(Default)]
struct Walk {
    stack: Vec<Open>,
    root: Option<Style>,
    root_end: usize,
    /// Behind the last thing that was seen.
    end: usize,
    /// Behind the key of the root whose value comes next.
    key: Option<(bool, usize)>,
    holds: Option<Holds>,
    /// The entry that is open or was just closed.
    entry: Option<usize>,
}

impl Walk {
    fn take(&mut self, event: &Event<'_>, span: Span) {
        match event {
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                let style = if *style == StructureStyle::Flow { Style::Flow } else { Style::Block };
                let is_list = matches!(event, Event::SequenceStart(..));
                if self.stack.is_empty() && !is_list {
                    self.root = Some(style);
                }
                if style == Style::Flow {
                    self.end = self.end.max(span.end);
                }
                self.begin(span.start, if is_list { Some(style) } else { None });
                self.stack.push(Open { start: span.start, style });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.stack.pop() else { return };
                if self.stack.is_empty() {
                    self.root_end = self.end;
                }
                if open.style == Style::Flow {
                    self.end = self.end.max(span.end);
                }
                self.close(open.start);
            }
            Event::Scalar(text, ..) => {
                if self.stack.len() == 1 && self.key.is_none() {
                    self.key = Some((text == "holds", span.end));
                    self.end = self.end.max(span.end);
                    return;
                }
                if span.start < span.end {
                    self.end = self.end.max(span.end);
                }
                self.begin(span.start, None);
                if self.stack.len() == 1
                    && let Some((true, key_end)) = self.key
                {
                    self.holds = Some(Holds { key_end, value: Entries::Nothing(span.clone()) });
                }
                self.close(span.start);
            }
            Event::Alias(_) => {
                self.end = self.end.max(span.end);
                self.begin(span.start, None);
                if self.stack.len() == 1
                    && let Some((true, key_end)) = self.key
                {
                    self.holds = Some(Holds { key_end, value: Entries::Alias });
                }
                self.close(span.start);
            }
            // It stands before the node that it is told behind.
            Event::Anchor(..) => {
                if let (Some(position), Some(Entries::List(_, _, entries))) = (self.entry, self.holds_value()) {
                    let entry = &mut entries[position];
                    entry.start = entry.start.min(span.start);
                }
            }
            _ => {}
        }
    }

    fn holds_value(&mut self) -> Option<&mut Entries> {
        self.holds.as_mut().map(|holds| &mut holds.value)
    }

    /// Takes up a node that begins.
    fn begin(&mut self, start: usize, list: Option<Style>) {
        match (self.stack.len(), self.key, list) {
            (1, Some((true, key_end)), Some(style)) => {
                self.holds = Some(Holds { key_end, value: Entries::List(style, start..start, Vec::new()) });
            }
            (2, Some((true, _)), _) => {
                if let Some(Entries::List(_, _, entries)) = self.holds_value() {
                    entries.push(start..start);
                    self.entry = Some(entries.len() - 1);
                }
            }
            // An anchor that comes now is of something within.
            _ => self.entry = None,
        }
    }

    /// Ends a node that began at `start`.
    fn close(&mut self, start: usize) {
        let end = self.end;
        match (self.stack.len(), self.key) {
            (1, Some((is_holds, _))) => {
                if is_holds && let Some(Entries::List(_, span, _)) = self.holds_value() {
                    *span = start..end;
                }
                self.key = None;
            }
            (2, Some((true, _))) => {
                if let Some(Entries::List(_, _, entries)) = self.holds_value()
                    && let Some(entry) = entries.last_mut()
                {
                    entry.end = end.max(entry.start);
                }
            }
            _ => {}
        }
    }
}
