//! Faults: what is wrong in a configuration file, where, and how to mend it.
//!
//! Owns how faults are ordered and shown. Nothing of the file reaches a terminal unescaped.

use std::fmt::{self, Write as _};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::model::file::{Position, Span};

/// How many characters of a source line are shown around a fault.
const SHOWN_BEFORE: usize = 60;
/// How many characters of a source line are shown from a fault on.
const SHOWN_AFTER: usize = 100;
/// How many characters of a text from the file a message quotes.
const QUOTED: usize = 80;

/// The line of the file that a fault is on, made fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The text: cut around the fault, with control characters escaped and secrets left out.
    pub text: String,
    /// The bytes of `text` that are at fault.
    pub span: Span,
}

/// One thing that is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as the caller named it.
    pub file: String,
    /// The place in it; `None` for a fault of the whole file.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What to do now.
    pub hint: Option<String>,
    /// The line that is at fault.
    pub source: Option<SourceLine>,
}

impl Fault {
    /// Makes a fault of a whole file.
    pub fn of_file(file: &str, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            file: file.to_owned(),
            position: None,
            message: message.into(),
            hint: hint.map(str::to_owned),
            source: None,
        }
    }

    fn render(&self, renderer: &Renderer) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str());
        let file = escape(&self.file);
        let mut group = match (&self.source, self.position) {
            (Some(source), Some(position)) => title.element(
                Snippet::source(source.text.as_str())
                    .line_start(position.line)
                    .annotation(AnnotationKind::Primary.span(source.span.clone())),
            ),
            _ => title.element(Level::NOTE.message(format!("in {file}"))),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let shown = renderer.render(&[group]);
        let Some(position) = self.position.filter(|_| self.source.is_some()) else { return shown };
        // The snippet knows only the cut and escaped line; the true column is told by ourselves.
        match shown.split_once('\n') {
            Some((title, rest)) => {
                format!("{title}\n   --> {file}:{}:{}\n{rest}", position.line, position.column)
            }
            None => shown,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", escape(&self.file))?;
        if let Some(position) = self.position {
            write!(formatter, ":{}:{}", position.line, position.column)?;
        }
        write!(formatter, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, " ({hint})")?;
        }
        Ok(())
    }
}

/// Everything that is wrong in a file, by place; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Orders faults by place and drops repeated ones.
    pub fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|one, other| {
            (&one.file, one.position, &one.message).cmp(&(&other.file, other.position, &other.message))
        });
        faults.dedup();
        Self(faults)
    }

    /// Returns each fault with its source line underneath, for people.
    pub fn render(&self, color: bool, width: usize) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(width.max(40));
        let shown: Vec<String> = self.0.iter().map(|fault| fault.render(&renderer)).collect();
        shown.join("\n\n")
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Whether a character must not reach a terminal: control characters and those that turn the
/// direction of writing or have no width.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn push_escaped(shown: &mut String, character: char) {
    if is_unsafe(character) {
        let _ = write!(shown, "{}", character.escape_unicode());
    } else {
        shown.push(character);
    }
}

/// Escapes what must not reach a terminal.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push_escaped(&mut shown, character));
    shown
}

/// Quotes a text of the file in a message: escaped, cut, in backticks.
pub(crate) fn quote(text: &str) -> String {
    let mut shown = String::from("`");
    text.chars().take(QUOTED).for_each(|character| push_escaped(&mut shown, character));
    if text.chars().nth(QUOTED).is_some() {
        shown.push('…');
    }
    shown.push('`');
    shown
}

/// Cuts the line around a span out of a text and makes it fit to be shown.
///
/// `hidden` are spans that hold, or may hold, a secret: they show as `…`.
pub(crate) fn source_line(text: &str, span: &Span, hidden: &[Span]) -> SourceLine {
    let bytes = text.as_bytes();
    let start = memchr::memrchr2(b'\n', b'\r', &bytes[..span.start]).map_or(0, |at| at + 1);
    let end = memchr::memchr2(b'\n', b'\r', &bytes[span.start..]).map_or(text.len(), |at| span.start + at);
    let span = span.start..span.end.clamp(span.start, end);
    let first = back(text, start, span.start, SHOWN_BEFORE);
    let mut shown = String::new();
    if first > start {
        shown.push('…');
    }
    let hidden: Vec<&Span> = hidden.iter().filter(|hidden| hidden.start < end && hidden.end > first).collect();
    let (mut span_start, mut span_end) = (None, None);
    let mut was_hidden = false;
    for (count, (offset, character)) in text[first..end].char_indices().enumerate() {
        let offset = first + offset;
        if offset >= span.start && span_start.is_none() {
            span_start = Some(shown.len());
        }
        if offset >= span.end && span_end.is_none() {
            span_end = Some(shown.len());
        }
        if count > SHOWN_BEFORE + SHOWN_AFTER {
            shown.push('…');
            break;
        }
        let is_hidden = hidden.iter().any(|hidden| hidden.contains(&offset));
        match (is_hidden, was_hidden, character) {
            (true, true, _) | (false, _, '\u{feff}') => {}
            (true, false, _) => shown.push('…'),
            (false, _, '\t') => shown.push_str("    "),
            (false, _, _) => push_escaped(&mut shown, character),
        }
        was_hidden = is_hidden;
    }
    let span_start = span_start.unwrap_or(shown.len());
    let span_end = span_end.unwrap_or(shown.len()).max(span_start);
    SourceLine { text: shown, span: span_start..span_end }
}

/// Returns the offset so many characters before `from`, not before `start`.
fn back(text: &str, start: usize, from: usize, characters: usize) -> usize {
    text[start..from].char_indices().rev().take(characters).last().map_or(from, |(offset, _)| start + offset)
}
