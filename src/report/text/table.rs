//! Tables: columns that are as wide as their contents where that fits, and shortened where not.

use std::io;

use crate::report::text::ink::{Cut, Tone, clean, cut, paint, width};
use crate::report::text::page::Page;

/// The space between columns.
const GAP: usize = 2;

/// The narrowest that a column is made: what is left of a name below that tells nothing.
const LEAST: usize = 5;

/// What a column that yields last keeps as long as others can yield: a version, or most of a long one.
const KEPT: usize = 24;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its title; empty where it needs none.
    title: &'static str,
    /// What goes when a cell is too long.
    cut: Cut,
    /// When it gives room to others.
    yields: Yields,
}

/// When a column gives room to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Yields {
    /// As soon as the table is too wide: names and places, which are told apart by what is left of them.
    First,
    /// When nothing else is left to shorten: versions, whose ends are what matters.
    Last,
}

impl Column {
    /// A column that gives room to others first.
    pub(super) const fn new(title: &'static str, cut: Cut) -> Self {
        Self { title, cut, yields: Yields::First }
    }

    /// A column that gives room to others last.
    pub(super) const fn kept(title: &'static str, cut: Cut) -> Self {
        Self { title, cut, yields: Yields::Last }
    }
}

/// A cell: a cleaned text and its colour.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: &str) -> Self {
        Self::toned(Tone::Plain, text)
    }

    pub(super) fn toned(tone: Tone, text: &str) -> Self {
        Self { text: clean(text).into_owned(), tone }
    }
}

/// Writes a table, indented; nothing where there are no rows. A row has a cell for each column.
pub(super) fn write(page: &mut Page<'_>, indent: usize, columns: &[Column], rows: &[Vec<Cell>]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let widths = widths(page, indent, columns, rows);
    if columns.iter().any(|column| !column.title.is_empty()) {
        let titles = columns.iter().map(|column| Cell::toned(Tone::Quiet, column.title)).collect();
        self::rows(page, indent, columns, &widths, &[titles])?;
    }
    self::rows(page, indent, columns, &widths, rows)
}

/// Returns the width of each column, so that all rows fit the page.
pub(super) fn widths(page: &Page<'_>, indent: usize, columns: &[Column], rows: &[Vec<Cell>]) -> Vec<usize> {
    let gaps = GAP * columns.len().saturating_sub(1);
    fit(columns, rows, page.view.columns().saturating_sub(indent + gaps))
}

/// Writes rows in columns of these widths, indented.
pub(super) fn rows(
    page: &mut Page<'_>,
    indent: usize,
    columns: &[Column],
    widths: &[usize],
    rows: &[Vec<Cell>],
) -> io::Result<()> {
    for row in rows {
        let mut line = " ".repeat(indent);
        let mut owed = 0;
        for ((cell, column), columns) in row.iter().zip(columns).zip(widths) {
            let shown = cut(&cell.text, *columns, column.cut);
            if !shown.is_empty() {
                line.extend(std::iter::repeat_n(' ', owed));
                owed = 0;
                line.push_str(&paint(page.view, cell.tone, &shown));
            }
            owed += columns.saturating_sub(width(&shown)) + GAP;
        }
        page.line(&line)?;
    }
    Ok(())
}

/// Gives each column its width, so that all together fit.
///
/// Where they do not, a few very long cells must not take the room of all others: columns start from what
/// nine of ten cells need (those that yield last, from what all need up to a version's length), the widest give way first, and what
/// is left over goes from left to right.
fn fit(columns: &[Column], rows: &[Vec<Cell>], room: usize) -> Vec<usize> {
    let mut usual = Vec::with_capacity(columns.len());
    let mut natural = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let mut widths: Vec<usize> =
            rows.iter().map(|row| row.get(index).map_or(0, |cell| width(&cell.text))).collect();
        widths.sort_unstable();
        let title = width(column.title);
        let at = |position: usize| widths.get(position).copied().unwrap_or(0).max(title);
        let longest = at(widths.len().saturating_sub(1));
        let most = at((widths.len() * 9 / 10).min(widths.len().saturating_sub(1)));
        natural.push(longest);
        usual.push(if column.yields == Yields::Last { most.max(longest.min(KEPT)) } else { most });
    }
    if natural.iter().sum::<usize>() <= room {
        return natural;
    }
    let mut fitted = usual;
    let mut total: usize = fitted.iter().sum();
    while total > room {
        let yields =
            |index: &usize| fitted[*index] > if columns[*index].yields == Yields::First { LEAST } else { KEPT };
        let widest = (0..fitted.len()).filter(yields).max_by_key(|index| fitted[*index]);
        let at_last = || (0..fitted.len()).filter(|index| fitted[*index] > LEAST).max_by_key(|index| fitted[*index]);
        let Some(widest) = widest.or_else(at_last) else { break };
        fitted[widest] -= 1;
        total -= 1;
    }
    for (column, most) in fitted.iter_mut().zip(natural) {
        let more = most.saturating_sub(*column).min(room.saturating_sub(total));
        *column += more;
        total += more;
    }
    fitted
}
