//! What `check` found, as annotations of GitHub Actions: workflow commands, one line each.

use std::io;

use crate::model::outcome::{Finding, Severity};
use crate::report::Base;

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
        let mut properties = Vec::new();
        if let Some(file) = &finding.file {
            properties.push(format!("file={}", property(&base.path(file))));
            if let Some(at) = finding.position {
                properties.push(format!("line={},col={}", at.line, at.column));
            }
        }
        properties.push(format!("title={}", property(&format!("tagboat {}", finding.rule))));
        let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        writeln!(out, "::{command} {}::{}", properties.join(","), message(&format!("{}{hint}", finding.message)))?;
    }
    let word = if findings.len() == 1 { "finding" } else { "findings" };
    writeln!(out, "tagboat check: {} {word}", findings.len())
}

/// Escapes what would end a command's message.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what would end a property, too.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
