//! The unified diff of the files that a pass changes.

use std::io;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use crate::model::change::FileEdit;
use crate::report::View;
use crate::report::text::ink::{Tone, clean, paint};
use crate::report::text::page::Page;

/// How many lines are shown around a change.
const CONTEXT: usize = 3;

/// After so many lines of diffs the rest is left to whoever asks for it: the table above names every change.
const SHOWN: usize = 100;

/// So few files more are shown all the same.
const LEFT: usize = 3;

/// Longest line that is shown whole, in bytes; of a longer one (JSON without line ends), a stretch is shown.
const LONGEST_LINE: usize = 400;

/// How much is shown before the first difference of a line that is cut.
const BEFORE_DIFFERENCE: usize = 60;

/// Writes the unified diff of changed files.
///
/// # Errors
///
/// Where the writer fails.
pub fn diff(files: &[FileEdit], view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    for edit in files {
        write(&mut page, edit)?;
    }
    page.finish()
}

/// Writes the diffs of the first files, up to so many lines, and says how to see the others; all where everything is asked for.
pub(super) fn first(page: &mut Page<'_>, files: &[FileEdit]) -> io::Result<()> {
    let mut shown = 0;
    for (index, edit) in files.iter().enumerate() {
        shown += write(page, edit)?;
        let left = files.len() - index - 1;
        if shown >= SHOWN && left > LEFT && !page.view.is_verbose() {
            let text = format!("… and {left} more files: `-v` shows them all.");
            return page.prose(0, 0, &[(Tone::Quiet, &text)]);
        }
    }
    Ok(())
}

/// Writes the diff of one file, and returns its number of lines.
fn write(page: &mut Page<'_>, edit: &FileEdit) -> io::Result<usize> {
    let before = String::from_utf8_lossy(&edit.before);
    let after = String::from_utf8_lossy(&edit.after);
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let hunks = group_diff_ops(operations(&old, &new), CONTEXT);
    if hunks.is_empty() {
        return Ok(0);
    }
    let lines = hunks.iter().flatten().map(|operation| operation.old_range().len().max(operation.new_range().len()));
    let lines = lines.sum();
    let file = clean(edit.file.as_str());
    paragraph(page, Tone::Strong, &format!("--- a/{file}"))?;
    paragraph(page, Tone::Strong, &format!("+++ b/{file}"))?;
    for hunk in hunks {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let old_range = header(first.old_range().start, last.old_range().end);
        let new_range = header(first.new_range().start, last.new_range().end);
        paragraph(page, Tone::Place, &format!("@@ -{old_range} +{new_range} @@"))?;
        for operation in hunk {
            let (tag, old_range, new_range) = operation.as_tag_tuple();
            let (removed, added) = (&old[old_range], &new[new_range]);
            if tag == DiffTag::Equal {
                for line in removed {
                    source(page, ' ', line, 0)?;
                }
                continue;
            }
            for (index, line) in removed.iter().enumerate() {
                source(page, '-', line, difference(line, added.get(index)))?;
            }
            for (index, line) in added.iter().enumerate() {
                source(page, '+', line, difference(line, removed.get(index)))?;
            }
        }
    }
    Ok(lines)
}

/// Finds which lines differ.
///
/// An edit within lines keeps their number, and comparing them pair by pair takes one walk. Where a line was
/// inserted, the search is the general one: Myers', which the crate bounds by heuristics; its histogram and
/// patience searches take minutes on a file of many thousand changes.
fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    if old.len() != new.len() {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    let mut operations = Vec::new();
    let mut start = 0;
    while start < old.len() {
        let is_equal = old[start] == new[start];
        let run = (start..old.len()).take_while(|line| (old[*line] == new[*line]) == is_equal).count();
        operations.push(if is_equal {
            DiffOp::Equal { old_index: start, new_index: start, len: run }
        } else {
            DiffOp::Replace { old_index: start, old_len: run, new_index: start, new_len: run }
        });
        start += run;
    }
    operations
}

/// Returns a range as a hunk's header names it, lines from 1.
fn header(start: usize, end: usize) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        length => format!("{},{length}", start + 1),
    }
}

/// Returns the byte at which a line begins to differ from its counterpart.
fn difference(line: &str, other: Option<&&str>) -> usize {
    other.map_or(0, |other| line.bytes().zip(other.bytes()).take_while(|(one, two)| one == two).count())
}

fn source(page: &mut Page<'_>, sign: char, line: &str, difference: usize) -> io::Result<()> {
    let text = line.strip_suffix('\n').unwrap_or(line);
    let has_end = text.len() < line.len();
    let text = text.strip_suffix('\r').filter(|_| has_end).unwrap_or(text);
    let tone = match sign {
        '-' => Tone::Bad,
        '+' => Tone::Good,
        _ => Tone::Plain,
    };
    let shown = stretch(text, difference);
    paragraph(page, tone, &format!("{sign}{}", clean(&shown.replace('\t', "    "))))?;
    if has_end { Ok(()) } else { paragraph(page, Tone::Quiet, "\\ No newline at end of file") }
}

/// Cuts a very long line to what stands around its first difference.
fn stretch(text: &str, difference: usize) -> String {
    if text.len() <= LONGEST_LINE {
        return text.to_owned();
    }
    let start = text.floor_char_boundary(difference.saturating_sub(BEFORE_DIFFERENCE).min(text.len()));
    let end = text.floor_char_boundary((start + LONGEST_LINE).min(text.len()));
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" });
    format!("{before}{}{after}", &text[start..end])
}

fn paragraph(page: &mut Page<'_>, tone: Tone, text: &str) -> io::Result<()> {
    let line = paint(page.view, tone, text);
    page.line(&line)
}
