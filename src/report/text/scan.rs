//! What `scan` found: a row for each reference, then what was passed over.

use std::collections::BTreeSet;
use std::io;

use crate::model::outcome::{ScanOutcome, ScannedReference};
use crate::report::View;
use crate::report::text::ink::{Cut, Tone};
use crate::report::text::lists::{count, familiar, named, reasons};
use crate::report::text::page::Page;
use crate::report::text::table::{self, Cell, Column};

const COLUMNS: [Column; 4] = [
    Column { title: "where", cut: Cut::Middle },
    Column { title: "image", cut: Cut::Middle },
    Column { title: "tag", cut: Cut::Middle },
    Column { title: "policy", cut: Cut::End },
];

/// Writes what `scan` found.
///
/// # Errors
///
/// Where the writer fails.
pub fn scan(found: &ScanOutcome, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    let rows: Vec<_> = found.references.iter().map(row).collect();
    table::write(&mut page, 0, &COLUMNS, &rows)?;
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

fn row(reference: &ScannedReference) -> Vec<Cell> {
    let site = &reference.site;
    let image = site.image.as_ref().map_or(site.written.as_str(), |image| familiar(image.as_str()));
    let (tone, policy) = match (&reference.skipped, &reference.policy) {
        (Some(skipped), _) => (Tone::Wait, format!("- {skipped}")),
        (None, Some(policy)) => (Tone::Plain, policy.clone()),
        (None, None) => (Tone::Quiet, "-".to_owned()),
    };
    let value = super::outcome::short_value(&site.value);
    vec![
        Cell::new(&format!("{}:{}", site.file, site.position.line)),
        Cell::toned(Tone::Strong, image),
        Cell::new(if site.value.tag.is_none() && site.value.digest.is_none() { "-" } else { &value }),
        Cell::toned(tone, &policy),
    ]
}

fn summary(found: &ScanOutcome) -> String {
    if found.references.is_empty() && found.passed_over.is_empty() && found.errors.is_empty() {
        return "No image reference was found.".to_owned();
    }
    let files: BTreeSet<&str> = found.references.iter().map(|reference| reference.site.file.as_str()).collect();
    let mut parts = vec![format!("{} in {}", count(found.references.len(), "reference"), count(files.len(), "file"))];
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
    parts.join(", ")
}
