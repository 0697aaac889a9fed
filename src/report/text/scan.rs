//! What `scan` found: a row for each reference, then what was passed over.

use std::collections::BTreeSet;
use std::io;

use crate::model::outcome::{ScanOutcome, ScannedReference};
use crate::model::site::Value;
use crate::report::View;
use crate::report::text::ink::{Cut, Tone};
use crate::report::text::lists::{count, familiar, lines, named, reasons};
use crate::report::text::page::Page;
use crate::report::text::table::{self, Cell, Column};

/// How far references stand in below their file's name.
const INDENT: usize = 2;

/// Writes what `scan` found.
///
/// # Errors
///
/// Where the writer fails.
pub fn scan(found: &ScanOutcome, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    followed(&mut page, found)?;
    not_followed(&mut page, found)?;
    if !found.passed_over.is_empty() && !view.is_quiet() {
        page.title("Passed over")?;
        let rows = found.passed_over.iter().map(|row| (row.file.as_str(), row.reason.to_string()));
        reasons(&mut page, "file", Tone::Plain, rows)?;
    }
    if !found.errors.is_empty() {
        page.title("Failed")?;
        for error in &found.errors {
            let (name, reason) = super::outcome::split(error);
            named(&mut page, Tone::Bad, &name, reason)?;
        }
    }
    page.gap()?;
    page.prose(0, 0, &[(Tone::Strong, &summary(found))])?;
    page.finish()
}

/// Writes the references that are followed: a file's name whole on a line of its own, its references below.
fn followed(page: &mut Page<'_>, found: &ScanOutcome) -> io::Result<()> {
    let references: Vec<_> = found.references.iter().filter(|reference| reference.skipped.is_none()).collect();
    let policies: BTreeSet<_> = references.iter().map(|reference| &reference.policy).collect();
    let has_policies = policies.len() > 1;
    let mut columns = vec![Column::kept("", Cut::End), Column::new("", Cut::Middle), Column::kept("", Cut::Middle)];
    if has_policies {
        columns.push(Column::new("", Cut::End));
    }
    let in_file = |one: &&ScannedReference, other: &&ScannedReference| one.site.file == other.site.file;
    let rows: Vec<_> = references.iter().map(|reference| row(reference, has_policies)).collect();
    let widths = table::widths(page, INDENT, &columns, &rows);
    let mut rows = rows.as_slice();
    for references in references.chunk_by(in_file) {
        let (here, later) = rows.split_at(references.len());
        page.prose(0, 0, &[(Tone::Place, references[0].site.file.as_str())])?;
        table::rows(page, INDENT, &columns, &widths, here)?;
        shared(page, references)?;
        overruled(page, references)?;
        rows = later;
    }
    Ok(())
}

/// Says of references that an alias uses elsewhere where that is: an edit changes those places along.
fn shared(page: &mut Page<'_>, references: &[&ScannedReference]) -> io::Result<()> {
    for site in references.iter().map(|reference| &reference.site).filter(|site| !site.uses.is_empty()) {
        let lines = lines(&site.uses);
        let text = format!("line {} is used by aliases at line {lines} as well", site.position.line);
        page.prose(4, 6, &[(Tone::Quiet, &text)])?;
    }
    Ok(())
}

/// Says of references in whose place another one decides which that is.
fn overruled(page: &mut Page<'_>, references: &[&ScannedReference]) -> io::Result<()> {
    for (reference, note) in references.iter().filter_map(|one| one.note.as_ref().map(|note| (one, note))) {
        page.prose(4, 6, &[(Tone::Quiet, &format!("line {}: {note}", reference.site.position.line))])?;
    }
    Ok(())
}

fn row(reference: &ScannedReference, has_policies: bool) -> Vec<Cell> {
    let site = &reference.site;
    let image = site.image.as_ref().map_or(site.written.as_str(), |image| familiar(image.as_str()));
    let mut row = vec![
        Cell::toned(Tone::Quiet, &site.position.line.to_string()),
        Cell::toned(Tone::Strong, image),
        Cell::new(&super::outcome::short_value(&site.value)),
    ];
    if has_policies {
        row.push(Cell::new(reference.policy.as_deref().unwrap_or("-")));
    }
    row
}

/// Writes references that are not followed apart from the table: a reason is never cut short.
fn not_followed(page: &mut Page<'_>, found: &ScanOutcome) -> io::Result<()> {
    let mut rows =
        found.references.iter().filter_map(|row| row.skipped.as_ref().map(|reason| (row, reason))).peekable();
    if rows.peek().is_none() || page.view.is_quiet() {
        return Ok(());
    }
    page.title("Not followed")?;
    for (reference, reason) in rows {
        let site = &reference.site;
        let place = format!("{}:{}", site.file, site.position.line);
        let name = match &site.image {
            None => site.written.clone(),
            Some(image) if site.value == Value::default() => familiar(image.as_str()).to_owned(),
            Some(image) => format!("{} {}", familiar(image.as_str()), super::outcome::short_value(&site.value)),
        };
        let name = format!("{name}:");
        let reason = match &reference.note {
            Some(note) => format!("{reason}; {note}"),
            None => reason.to_string(),
        };
        page.prose(2, 4, &[(Tone::Plain, &place), (Tone::Strong, &name), (Tone::Wait, &reason)])?;
    }
    Ok(())
}

fn summary(found: &ScanOutcome) -> String {
    if found.references.is_empty() && found.passed_over.is_empty() && found.errors.is_empty() {
        return "No image reference was found.".to_owned();
    }
    let files: BTreeSet<&str> = found.references.iter().map(|reference| reference.site.file.as_str()).collect();
    let references = match found.references.len() {
        0 => "No image reference".to_owned(),
        number => format!("{} in {}", count(number, "reference"), count(files.len(), "file")),
    };
    let mut parts = vec![references];
    let skipped = found.references.iter().filter(|reference| reference.skipped.is_some()).count();
    if skipped > 0 {
        parts.push(format!("{skipped} not followed"));
    }
    if !found.passed_over.is_empty() {
        parts.push(format!("{} passed over", count(found.passed_over.len(), "file")));
    }
    if !found.errors.is_empty() {
        parts.push(format!("{} failed", found.errors.len()));
    }
    let policies: BTreeSet<_> = found.references.iter().filter_map(|reference| reference.policy.as_deref()).collect();
    if let (1, Some(policy)) = (policies.len(), policies.first()) {
        parts.push(format!("all by the policy `{policy}`"));
    }
    parts.join(", ")
}
