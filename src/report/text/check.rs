//! What `check` found, as compilers say it.

use std::io;

use crate::model::outcome::{Finding, Severity};
use crate::report::View;
use crate::report::text::ink::Tone;
use crate::report::text::lists::count;
use crate::report::text::page::Page;

/// Writes what `check` found: `file:line:column: error[rule]: message`, and what to do now.
///
/// # Errors
///
/// Where the writer fails.
pub fn check(findings: &[Finding], view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    for finding in findings {
        let (word, tone) = match finding.severity {
            Severity::Error => ("error", Tone::Bad),
            Severity::Warning => ("warning", Tone::Wait),
            Severity::Note => ("note", Tone::Place),
        };
        let place = match (finding.place(), finding.position) {
            (Some(file), Some(at)) => format!("{file}:{}:{}:", at.line, at.column),
            (Some(file), None) => format!("{file}:"),
            (None, _) => String::new(),
        };
        let label = format!("{word}[{}]:", finding.rule);
        page.prose(0, 2, &[(Tone::Strong, &place), (tone, &label), (Tone::Plain, &finding.message)])?;
        if let Some(hint) = &finding.hint {
            page.prose(2, 4, &[(Tone::Quiet, "hint:"), (Tone::Plain, hint)])?;
        }
    }
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning"), (of(Severity::Note), "note")];
    let counts: Vec<_> =
        counts.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(*number, noun)).collect();
    let summary = if counts.is_empty() { "Nothing to find fault with.".to_owned() } else { counts.join(", ") };
    page.gap()?;
    page.prose(0, 0, &[(Tone::Strong, &summary)])?;
    page.finish()
}
