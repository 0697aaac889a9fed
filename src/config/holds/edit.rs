//! Editing the file of holds: an entry comes or goes, and every other byte stays.
//!
//! Entry points: [`add`] and [`release`]. What was edited is read again, and must say what it should.

use crate::config::fault::Faults;
use crate::config::holds::layout::{Entries, Holds, Layout, Style, layout};
use crate::config::holds::{HOLDS_FILE, parse};
use crate::model::file::Span;
use crate::model::hold::Hold;

/// Why the file was not edited.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// It has faults.
    #[error("the holds have faults")]
    Faults(#[from] Faults),
    /// The list is written in a way that an entry cannot be added to or taken from.
    #[error("{HOLDS_FILE}: {0}: edit it by hand")]
    Form(&'static str),
}

/// Returns the file with one entry more, at the end of its list. No file is an empty text.
///
/// # Errors
///
/// [`EditError`]; the text is then as it was.
pub fn add(text: &str, hold: &Hold) -> Result<String, EditError> {
    let mut expected = parse(HOLDS_FILE, text.as_bytes())?;
    expected.push(hold.clone());
    let ends = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut edited = text.to_owned();
    match layout(text) {
        None => {
            end_line(&mut edited, ends);
            edited.push_str(&format!("version: 1{ends}holds:{ends}{}", entry(hold, "  ", ends)));
        }
        Some(Layout { style, end, holds: None }) => match style {
            Style::Flow => edited.insert_str(end, &format!(", holds: [{}]", in_brackets(hold))),
            Style::Block => insert_line(&mut edited, end, &format!("holds:{ends}{}", entry(hold, "  ", ends)), ends),
        },
        Some(Layout { style, holds: Some(holds), .. }) => add_to(&mut edited, text, (style, &holds), hold, ends)?,
    }
    proven(edited, &expected)
}

/// Adds an entry to what the key has.
fn add_to(
    edited: &mut String,
    text: &str,
    (root, holds): (Style, &Holds),
    hold: &Hold,
    ends: &str,
) -> Result<(), EditError> {
    match &holds.value {
        Entries::Alias => return Err(EditError::Form("its list stands for another one")),
        Entries::List(Style::Block, span, entries) if !entries.is_empty() => {
            let dash = dash(text, list_start(text, holds)?, &entries[0])?;
            let indent = &text[line_start(text, dash)..dash];
            let last = entries.last().map_or(span.end, |last| last.end);
            insert_line(edited, last, &entry(hold, indent, ends), ends);
        }
        Entries::List(Style::Flow, span, entries) if !entries.is_empty() => {
            add_in_brackets(edited, text, (span, entries), hold, ends);
        }
        // `[]`, or nothing: the list is begun anew, as far as that can be.
        Entries::List(_, span, _) if root == Style::Flow || text[span.clone()].contains('\n') => {
            edited.insert_str(span.start + 1, &in_brackets(hold));
        }
        Entries::Nothing(span) if root == Style::Flow => {
            edited.replace_range(span.clone(), "");
            edited.insert_str(colon(text, holds)? + 1, &format!(" [{}]", in_brackets(hold)));
        }
        Entries::List(_, span, _) | Entries::Nothing(span) => {
            let colon = colon(text, holds)?;
            let start =
                if span.start < span.end { text[..span.start].trim_end_matches([' ', '\t']).len() } else { colon };
            if span.start < span.end {
                edited.replace_range(start..span.end, "");
            }
            insert_line(edited, start, &entry(hold, "  ", ends), ends);
        }
    }
    Ok(())
}

/// Adds an entry behind the last one of a list in brackets: on a line of its own where that one has one.
fn add_in_brackets(edited: &mut String, text: &str, (span, entries): (&Span, &[Span]), hold: &Hold, ends: &str) {
    let Some(last) = entries.last() else { return };
    let comma = comma_behind(text, last.end, span.end);
    let written = in_brackets(hold);
    let behind = comma.map_or(last.end, |comma| comma + 1);
    let line = line_end(text, behind);
    let indent = &text[line_start(text, last.start)..last.start];
    if !indent.trim().is_empty() || line >= span.end {
        edited.insert_str(behind, &if comma.is_some() { format!(" {written}") } else { format!(", {written}") });
        return;
    }
    let own_comma = if comma.is_some() { "," } else { "" };
    edited.insert_str(line, &format!("{indent}{written}{own_comma}{ends}"));
    if comma.is_none() {
        edited.insert(last.end, ',');
    }
}

/// Returns the file without the entries that `is_released` names, and those entries.
///
/// # Errors
///
/// [`EditError`]; the text is then as it was.
pub fn release(text: &str, is_released: impl Fn(&Hold) -> bool) -> Result<(String, Vec<Hold>), EditError> {
    let all = parse(HOLDS_FILE, text.as_bytes())?;
    let gone: Vec<bool> = all.iter().map(&is_released).collect();
    if !gone.contains(&true) {
        return Ok((text.to_owned(), Vec::new()));
    }
    let Some(Layout { holds: Some(holds), .. }) = layout(text) else { return Err(EditError::Form("it has no list")) };
    let Entries::List(style, span, entries) = &holds.value else {
        return Err(EditError::Form("its list stands for another one"));
    };
    if entries.len() != all.len() {
        return Err(EditError::Form("its entries cannot be told apart"));
    }
    let mut edited = text.to_owned();
    match style {
        Style::Block => {
            for position in (0..entries.len()).rev().filter(|position| gone[*position]) {
                let before = match position {
                    0 => list_start(text, &holds)?,
                    _ => entries[position - 1].end,
                };
                let dash = dash(text, before, &entries[position])?;
                let start = line_start(text, dash);
                let end = own_end(text, &entries[position], dash - start);
                edited.replace_range(start..end, "");
            }
            if !gone.contains(&false) {
                // A list without entries is nothing, which the grammar takes for none.
                edited.insert_str(list_start(text, &holds)?, " []");
            }
        }
        Style::Flow => {
            for range in out_of_brackets(text, span, entries, &gone).into_iter().rev() {
                edited.replace_range(range, "");
            }
        }
    }
    let (gone, kept): (Vec<_>, Vec<_>) = all.into_iter().zip(gone).partition(|(_, gone)| *gone);
    let expected: Vec<Hold> = kept.into_iter().map(|(hold, _)| hold).collect();
    Ok((proven(edited, &expected)?, gone.into_iter().map(|(hold, _)| hold).collect()))
}

/// Returns what goes with entries of a list in brackets: their lines where they have lines of their own, else their commas.
fn out_of_brackets(text: &str, span: &Span, entries: &[Span], gone: &[bool]) -> Vec<Span> {
    let line_of = |position: usize| {
        let entry = &entries[position];
        let start = line_start(text, entry.start);
        let behind = comma_behind(text, entry.end, span.end).map_or(entry.end, |comma| comma + 1);
        let end = line_end(text, behind);
        let rest = text[behind..end].trim();
        let is_own = text[start..entry.start].trim().is_empty() && (rest.is_empty() || rest.starts_with('#'));
        (is_own && start > span.start && end <= span.end).then_some(start..end)
    };
    let all = || (0..entries.len()).filter(|position| gone[*position]);
    let lines: Option<Vec<Span>> = all().map(line_of).collect();
    if let Some(lines) = lines {
        return lines;
    }
    let is_kept = |position: &usize| !gone[*position];
    let last_kept = (0..entries.len()).rev().find(is_kept);
    let of = |position: usize| match last_kept {
        // Up to the one that follows, whatever becomes of that.
        Some(last) if position < last => entries[position].start..entries[position + 1].start,
        Some(_) => entries[position - 1].end..entries[position].end,
        None => {
            let end = entries[position].end;
            entries[position].start..comma_behind(text, end, span.end).map_or(end, |comma| comma + 1)
        }
    };
    all().map(of).collect()
}

/// Reads what was edited, which must say what it should.
fn proven(edited: String, expected: &[Hold]) -> Result<String, EditError> {
    match parse(HOLDS_FILE, edited.as_bytes()) {
        Ok(holds) if holds == expected => Ok(edited),
        _ => Err(EditError::Form("it is written in a form that cannot be edited safely")),
    }
}

/// Finds the dash of an entry behind `from`: the first that stands in no comment. Nothing but blanks may stand before it.
fn dash(text: &str, from: usize, entry: &Span) -> Result<usize, EditError> {
    let odd = EditError::Form("an entry of its list does not begin on a line of its own");
    let found = outside_comments(text, from, entry.start, '-').ok_or_else(|| odd.clone())?;
    let before = &text[line_start(text, found)..found];
    if before.chars().all(|blank| blank == ' ') { Ok(found) } else { Err(odd) }
}

/// Returns where the last line of an entry itself ends. To the parser a text of several lines (`|`, `>`) reaches up to what comes next: comments that
/// stand no further in than the entry's dash are not its own.
fn own_end(text: &str, entry: &Span, dash: usize) -> usize {
    let mut end = line_end(text, last_byte(text, entry.end));
    let mut own = end;
    while end > entry.start {
        let start = line_start(text, last_byte(text, end));
        let line = &text[start..end];
        let words = line.trim_start_matches(' ');
        let is_comment = words.starts_with('#') && line.len() - words.len() <= dash;
        if start <= entry.start || !(is_comment || words.trim().is_empty()) {
            break;
        }
        end = start;
        if is_comment {
            own = end;
        }
    }
    own
}

/// Finds the comma behind an entry in brackets.
fn comma_behind(text: &str, from: usize, to: usize) -> Option<usize> {
    let found = outside_comments(text, from, to, ',')?;
    // Behind the next entry it is another one's.
    let between = text[from..found].lines().map(|line| line.split('#').next().unwrap_or_default());
    between.into_iter().all(|line| line.trim().is_empty()).then_some(found)
}

/// Finds the colon of the key.
fn colon(text: &str, holds: &Holds) -> Result<usize, EditError> {
    outside_comments(text, holds.key_end, text.len(), ':').ok_or(EditError::Form("its list has no key"))
}

/// Finds where the list may begin: behind the key, and behind an anchor that names the list.
fn list_start(text: &str, holds: &Holds) -> Result<usize, EditError> {
    let behind = colon(text, holds)? + 1;
    let rest = &text[behind..];
    let anchor = rest.trim_start_matches([' ', '\t']);
    let blanks = rest.len() - anchor.len();
    let length = anchor.find(char::is_whitespace).filter(|_| anchor.starts_with('&'));
    Ok(behind + length.map_or(0, |length| blanks + length))
}

/// Finds a character between two places that stands in no comment.
fn outside_comments(text: &str, from: usize, to: usize, wanted: char) -> Option<usize> {
    let mut is_comment = false;
    let mut before = '\n';
    for (at, letter) in text[from..to.max(from)].char_indices() {
        match letter {
            '\n' => is_comment = false,
            '#' if before.is_whitespace() => is_comment = true,
            _ if letter == wanted && !is_comment => return Some(from + at),
            _ => {}
        }
        before = letter;
    }
    None
}

/// Returns a byte of the line on which something ends: a block scalar ends behind its line.
fn last_byte(text: &str, end: usize) -> usize {
    if end > 0 && text[..end].ends_with('\n') { end - 1 } else { end }
}

/// Inserts lines behind the line on which something ends.
fn insert_line(edited: &mut String, end: usize, lines: &str, ends: &str) {
    let at = line_end(edited, last_byte(edited, end));
    let is_open = !edited[..at].ends_with('\n');
    edited.insert_str(at, &if is_open { format!("{ends}{lines}") } else { lines.to_owned() });
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

fn end_line(text: &mut String, ends: &str) {
    if !text.is_empty() && text != "\u{feff}" && !text.ends_with('\n') {
        text.push_str(ends);
    }
}

/// Names the parts of an entry; in brackets everything stands in quotes.
fn parts(hold: &Hold, plain: impl Fn(&str) -> String) -> Vec<String> {
    let mut parts =
        vec![format!("image: {}", plain(hold.image.as_str())), format!("tag: {}", quoted(hold.tag.as_str()))];
    parts.extend(hold.environment.as_ref().map(|name| format!("environment: {}", quoted(name.as_str()))));
    parts.extend(hold.until.map(|until| format!("until: {}", plain(&until.to_string()))));
    parts.extend(hold.by.as_ref().map(|by| format!("by: {}", quoted(by))));
    parts.extend(hold.reason.as_ref().map(|reason| format!("reason: {}", quoted(reason))));
    parts
}

/// Writes an entry whose dash stands behind `indent`.
fn entry(hold: &Hold, indent: &str, ends: &str) -> String {
    let mut text = String::new();
    for (index, line) in parts(hold, str::to_owned).iter().enumerate() {
        let lead = if index == 0 { "- " } else { "  " };
        text.push_str(&format!("{indent}{lead}{line}{ends}"));
    }
    text
}

/// Writes an entry as it stands in brackets.
fn in_brackets(hold: &Hold) -> String {
    format!("{{{}}}", parts(hold, quoted).join(", "))
}

/// Writes a text in double quotes; JSON's escapes are YAML's (YAML 1.2, 5.7).
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
