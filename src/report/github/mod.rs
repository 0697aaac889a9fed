//! What GitHub Actions shows and takes: annotations, a job summary, and outputs for later steps.
//!
//! Entry points: [`check`], [`outcome`] and [`failure`] write workflow commands; [`summary`] is the job's Markdown, and
//! [`outputs`] what later steps read. Everything from outside is escaped: no text starts a command of its own.

use std::io;

use crate::model::outcome::{Finding, Outcome, Severity, Trouble};
use crate::report::text::{self, Occasion};
use crate::report::{Base, View, line};

mod outputs;
mod summary;

pub use outputs::{Outputs, outputs};
pub use summary::{findings, summary};

/// Writes one workflow command for each finding, and the count as a plain line.
///
/// `base` says where the files lie: annotations want paths from the workspace.
///
/// # Errors
///
/// Where the writer fails.
pub fn check(findings: &[Finding], base: &Base<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    for finding in findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let at = finding.position.map(|at| (at.line, at.column));
        let file = base.of(finding).map(|file| (file, at));
        annotate(command, file, &format!("tagboat {}", finding.rule), &line::told(finding), out)?;
    }
    let word = if findings.len() == 1 { "finding" } else { "findings" };
    writeln!(out, "tagboat check: {} {word}", findings.len())
}

/// Writes what a pass did or would do as a folded group of the log, and an annotation for every target that failed.
///
/// Between two lines with the nonce, which nobody may know who writes a manifest, the log is no command, whatever it says.
///
/// # Errors
///
/// Where the writer fails.
pub fn outcome(
    outcome: &Outcome,
    occasion: Occasion,
    base: &Base<'_>,
    view: &View,
    nonce: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    writeln!(out, "::group::tagboat\n::stop-commands::{nonce}")?;
    text::outcome(outcome, occasion, view, out)?;
    writeln!(out, "::{nonce}::\n::endgroup::")?;
    for Trouble { what, file, position, reason } in &outcome.errors {
        let at = position.map(|at| (at.line, at.column));
        let is_told = file.as_ref().is_some_and(|file| file.as_str() == what);
        let text = if is_told { reason.clone() } else { format!("{what}: {reason}") };
        annotate("error", file.as_ref().map(|file| (base.path(file.as_str()), at)), "tagboat", &text, out)?;
    }
    Ok(())
}

/// Writes an annotation that says why a command ended before it gave a result.
///
/// # Errors
///
/// Where the writer fails.
pub fn failure(text: &str, out: &mut dyn io::Write) -> io::Result<()> {
    annotate("error", None, "tagboat", text.trim_end(), out)
}

/// Writes one workflow command.
fn annotate(
    command: &str,
    file: Option<(String, Option<(usize, usize)>)>,
    title: &str,
    text: &str,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut properties = Vec::new();
    if let Some((file, at)) = file {
        properties.push(format!("file={}", property(&file)));
        if let Some((line, column)) = at {
            properties.push(format!("line={line},col={column}"));
        }
    }
    properties.push(format!("title={}", property(title)));
    writeln!(out, "::{command} {}::{}", properties.join(","), message(text))
}

/// Escapes what would end a command's message.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what would end a property, too.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
