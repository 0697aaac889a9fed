//! Single lines for standard error: a failure or a finding, whole and in one line.

use crate::model::outcome::{Finding, Severity, Trouble};
use crate::report::View;
use crate::report::text::{Tone, clean, paint};

/// Renders a failed target as one line without its end: `error: file:line:column: what: reason`.
pub fn trouble(trouble: &Trouble, view: &View) -> String {
    format!("{} {}", paint(view, Tone::Bad, "error:"), clean(&trouble.to_string()))
}

/// Renders a finding as one line without its end: `warning: file:line:column: message (hint)`.
pub fn warning(finding: &Finding, view: &View) -> String {
    let (word, tone) = match finding.severity {
        Severity::Error => ("error:", Tone::Bad),
        Severity::Warning => ("warning:", Tone::Wait),
        Severity::Note => ("note:", Tone::Quiet),
    };
    let mut line = paint(view, tone, word);
    if let Some(file) = finding.place() {
        line.push(' ');
        line.push_str(&clean(&file));
        if let Some(position) = finding.position {
            line.push_str(&format!(":{}:{}", position.line, position.column));
        }
        line.push(':');
    }
    line.push(' ');
    line.push_str(&clean(&finding.message));
    if let Some(hint) = &finding.hint {
        line.push_str(&format!(" ({})", clean(hint)));
    }
    line
}

/// Where the files of findings lie, seen from where the program was called.
#[derive(Debug, Clone)]
pub struct Base<'a> {
    /// The folder that was checked, as it was named.
    pub folder: &'a str,
    /// The files that options named, whose paths are from where the program was called already.
    pub named: Vec<String>,
    /// What the configuration is called, or would be: what a finding is laid to that is about no file of the folder.
    pub config: &'a str,
}

impl Base<'_> {
    /// Returns a file's path from where the program was called.
    pub(super) fn path(&self, file: &str) -> String {
        let plain = self.folder.trim_start_matches("./").trim_end_matches('/');
        let is_here = plain.is_empty() || plain == "." || self.folder.starts_with('/');
        if is_here || file.starts_with('/') || self.named.iter().any(|named| named == file) {
            return file.to_owned();
        }
        format!("{plain}/{file}")
    }

    /// Returns the path of a finding's file; nothing where it is about none that is here.
    pub(super) fn of(&self, finding: &Finding) -> Option<String> {
        let file = finding.file.as_ref().filter(|_| finding.away.is_none())?;
        Some(self.path(file))
    }
}

/// Returns what a finding says where its file cannot be named beside it: with the place of one that is not here, and what
/// to do on a line of its own.
pub(super) fn told(finding: &Finding) -> String {
    let away = finding.place().filter(|_| finding.away.is_some());
    let at = finding.position.map(|at| format!(":{}", at.line)).unwrap_or_default();
    let place = away.map(|place| format!("{place}{at}: ")).unwrap_or_default();
    let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{place}{}{hint}", finding.message)
}
