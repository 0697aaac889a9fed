//! Markers: `# tagboat: semver=1.x` on the line of a reference or alone on the line above.
//!
//! What a marker says is [`crate::policy::inline`]'s business. A marker makes its line a reference in any file:
//! where no format explains the line, it is read by itself.

use crate::manifest::finder::Found;
use crate::manifest::reference::{self, Reading};
use crate::manifest::yaml::tree::Comment;
use crate::model::file::Span;
use crate::model::image::shorten;
use crate::model::site::{Format, Marker, ScalarStyle, SkipReason, Slot, SlotRole, Value};
use crate::policy::inline;

/// The word that a marker begins with.
pub(crate) const WORD: &str = "tagboat:";

/// What may stand before the word in a comment, in any language.
const LEADERS: [&str; 6] = ["#", "//", "/*", "<!--", "--", ";"];

/// What may close such a comment.
const CLOSERS: [&str; 4] = ["*/}}", "*/ -}}", "*/", "-->"];

/// Whether a text may hold a marker.
pub(crate) fn stands_in(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), WORD.as_bytes()).is_some()
}

/// A marker and the line that it speaks about.
struct Marked {
    marker: Marker,
    line: Span,
}

/// Gives finds their markers; a marked line on which nothing was found is read by itself.
pub(crate) fn attach(text: &str, chunk: &Span, comments: &[Comment], finds: &mut Vec<Found>) {
    for marked in give(text, chunk, comments, finds) {
        if marked.marker != Marker::Ignore {
            finds.push(read_line(text, marked));
        }
    }
}

/// Gives finds their markers, and leaves alone what else is marked.
pub(crate) fn note(text: &str, finds: &mut [Found]) {
    give(text, &(0..text.len()), &comments(text), finds);
}

/// Gives finds their markers; returns those that stand beside no find.
fn give(text: &str, chunk: &Span, comments: &[Comment], finds: &mut [Found]) -> Vec<Marked> {
    let mut alone = Vec::new();
    let mut places: Vec<(usize, usize)> = finds
        .iter()
        .enumerate()
        .flat_map(|(index, find)| {
            find.slots.iter().map(|slot| slot.span.start).chain([find.at]).map(move |at| (at, index))
        })
        .collect();
    places.sort_unstable();
    for comment in comments {
        let Some(marked) = read(text, comment.span.clone(), chunk) else { continue };
        let first = places.partition_point(|(at, _)| *at < marked.line.start);
        let here: Vec<usize> =
            places[first..].iter().take_while(|(at, _)| *at < marked.line.end).map(|(_, index)| *index).collect();
        for index in &here {
            let find = &mut finds[*index];
            find.marker = Some(marked.marker.clone());
            if matches!((&marked.marker, &find.skipped), (Marker::Policy(_), Some(SkipReason::Unmarked(_)))) {
                find.skipped = find.value.tag.is_none().then_some(SkipReason::DigestOnly);
            }
        }
        if here.is_empty() {
            alone.push(marked);
        }
    }
    alone
}

/// Reads the marked lines of a text that is not parsed.
pub(crate) fn marked_lines(text: &str) -> Vec<Found> {
    let whole = 0..text.len();
    let marked = comments(text).into_iter().filter_map(|comment| read(text, comment.span, &whole));
    marked.map(|marked| read_line(text, marked)).collect()
}

/// Finds the comments that may be markers in a text that is not parsed: the word, with something before it that
/// opens a comment in some language, up to the end of the line.
pub(crate) fn comments(text: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut read_to = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), WORD.as_bytes()) {
        // One marker a line: the first.
        if at < read_to {
            continue;
        }
        let line = line_around(text, at);
        read_to = line.end;
        let before = text[line.start..at].trim_end_matches([' ', '\t']);
        if let Some(leader) = LEADERS.iter().find(|leader| before.ends_with(**leader)) {
            found.push(Comment { span: line.start + before.len() - leader.len()..line.end });
        }
    }
    found
}

/// Reads one comment; `None` where it is no marker.
fn read(text: &str, comment: Span, chunk: &Span) -> Option<Marked> {
    let raw = text.get(comment.clone())?;
    let body = LEADERS.iter().find_map(|leader| raw.strip_prefix(leader))?.trim();
    let said = body.strip_prefix(WORD)?.trim();
    let said = CLOSERS.iter().find_map(|closer| said.strip_suffix(closer)).unwrap_or(said).trim_end();
    let own = line_around(text, comment.start);
    let opener = text[own.start..comment.start].trim_matches(['{', '-', ' ', '\t', '\u{feff}']);
    let line = if opener.is_empty() {
        let next = next_line(text, own.end)?;
        if next.start >= chunk.end {
            return None;
        }
        next
    } else {
        own.start..comment.start
    };
    Some(Marked { marker: inline::marker(said), line })
}

/// Reads a marked line by itself: exactly one reference must stand on it.
fn read_line(text: &str, marked: Marked) -> Found {
    let line = &text[marked.line.clone()];
    let mut candidates = words(line).filter_map(|word| {
        let reading = reference::read(&line[word.clone()]);
        reading.version.clone().map(|version| (word.start + version.start..word.start + version.end, reading))
    });
    let first = candidates.next();
    let (reading, slot) = match (first, candidates.next()) {
        (Some((version, reading)), None) => {
            let span = marked.line.start + version.start..marked.line.start + version.end;
            let slot = Slot { role: SlotRole::Version, span: span.clone(), token: span, style: ScalarStyle::Raw };
            (reading, Some(slot))
        }
        (Some(_), Some(_)) => {
            (unread(line, SkipReason::Unsupported("several references stand on the marked line".to_owned())), None)
        }
        (None, _) => (unread(line, why_none(line)), None),
    };
    let at = marked.line.start + (line.len() - line.trim_start().len());
    let mut found = Found::from_line(Format::Marked, at, reading, slot);
    found.marker = Some(marked.marker);
    found
}

fn unread(line: &str, skipped: SkipReason) -> Reading {
    let written = shorten(line.trim());
    Reading { image: None, written, value: Value::default(), version: None, skipped: Some(skipped) }
}

fn why_none(line: &str) -> SkipReason {
    reference::placeholder(line)
        .unwrap_or_else(|| SkipReason::NotAReference("no reference with a tag stands on the marked line".to_owned()))
}

/// Cuts a line into words at blanks, quotes and brackets; leaves out those that touch a variable or an expression.
fn words(line: &str) -> impl Iterator<Item = Span> {
    let is_cut = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | '=' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>')
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(|c| !is_cut(c))?;
        let end = line[start..].find(is_cut).map_or(line.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
    .filter(move |word| {
        let (before, after) = (&line[..word.start], &line[word.end..]);
        !before.ends_with(['}', ')', ']', '>'])
            && !before.ends_with("${")
            && !before.ends_with("$(")
            && !after.starts_with(['{', '(', '[', '<'])
    })
}

/// Returns the line around an offset, without its end.
fn line_around(text: &str, at: usize) -> Span {
    let bytes = text.as_bytes();
    let start = memchr::memrchr2(b'\n', b'\r', &bytes[..at]).map_or(0, |end| end + 1);
    let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(text.len(), |length| at + length);
    start..end
}

/// Returns the line after the one that ends at an offset.
fn next_line(text: &str, end: usize) -> Option<Span> {
    let rest = &text.as_bytes()[end..];
    let skip = match rest {
        [b'\r', b'\n', ..] => 2,
        [_, ..] => 1,
        [] => return None,
    };
    Some(line_around(text, end + skip))
}
