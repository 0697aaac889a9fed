//! Ink: cleaning, measuring, shortening and colouring of single pieces of text.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::report::View;

/// What a piece of text means, and so how it is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::report) enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// A title or a name.
    Strong,
    /// Of less importance.
    Quiet,
    /// New, chosen, added.
    Good,
    /// Waits, or is doubtful.
    Wait,
    /// Failed, or removed.
    Bad,
    /// A place within a diff.
    Place,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Wait => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Place => AnsiColor::Cyan.on_default(),
        }
    }
}

/// Colours a text where the view wants colour.
pub(in crate::report) fn paint(view: &View, tone: Tone, text: &str) -> String {
    if view.color && tone != Tone::Plain && !text.is_empty() {
        let style = tone.style();
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Escapes what would act on a terminal or show another text than is there: control characters, line
/// ends, characters without width, and those that turn the direction of writing.
pub(in crate::report) fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !text.contains(is_deceiving) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_deceiving(character) {
            cleaned.extend(character.escape_default());
        } else {
            cleaned.push(character);
        }
    }
    Cow::Owned(cleaned)
}

fn is_deceiving(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e01ef}'
        )
}

/// Returns how many columns a cleaned text takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Which part of a text goes when it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The middle: of paths and names, whose ends tell most.
    Middle,
    /// The start: of places, where file and line tell most.
    Start,
    /// The end: of sentences.
    End,
}

/// Shortens a cleaned text to so many columns, with `…` for what is left out.
pub(super) fn cut(text: &str, columns: usize, how: Cut) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    // The ends are measured character by character; a sequence that is wider as a whole than in its
    // parts is why the result is measured again.
    let mut room = columns - 1;
    loop {
        let tail_room = match how {
            Cut::Middle => room * 3 / 5,
            Cut::Start => room,
            Cut::End => 0,
        };
        let head = fitting(text.chars(), room - tail_room);
        let tail = fitting(text.chars().rev(), tail_room);
        let shortened = format!("{}…{}", &text[..head], &text[text.len() - tail..]);
        if width(&shortened) <= columns || room == 0 {
            return Cow::Owned(shortened);
        }
        room -= 1;
    }
}

/// Returns how many bytes of these characters fit into so many columns.
pub(super) fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> usize {
    let mut taken = 0;
    let mut bytes = 0;
    for character in characters {
        taken += character.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        bytes += character.len_utf8();
    }
    if columns == 0 { 0 } else { bytes }
}
