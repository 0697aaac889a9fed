//! What `check` found, as SARIF 2.1.0 (OASIS, section 3): for code scanning.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use crate::model::outcome::{Finding, Severity};
use crate::report::{Base, line};

/// Writes the findings as one run of one log.
///
/// `base` says where the files lie.
///
/// # Errors
///
/// Where the writer fails.
pub fn check(findings: &[Finding], base: &Base<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let mut rules: BTreeMap<&str, usize> = findings.iter().map(|finding| (finding.rule, 0)).collect();
    for (index, number) in rules.values_mut().enumerate() {
        *number = index;
    }
    let descriptors: Vec<Value> =
        rules.keys().map(|rule| json!({"id": rule, "shortDescription": {"text": rule.replace('-', " ")}})).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, base, rules[finding.rule])).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "tagboat", "version": env!("CARGO_PKG_VERSION"), "rules": descriptors}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn result(finding: &Finding, base: &Base<'_>, rule: usize) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    // Code scanning takes none of a log in which one result has no file.
    let own = base.of(finding);
    let at = finding.position.filter(|_| own.is_some());
    let file = own.unwrap_or_else(|| base.path(base.config));
    let mut place = json!({"artifactLocation": {"uri": uri(&file)}});
    if let Some(at) = at {
        place["region"] = json!({"startLine": at.line, "startColumn": at.column});
    }
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": line::told(finding)},
        "locations": [{"physicalLocation": place}],
    })
}

/// Writes a path as a relative reference of RFC 3986: what is no plain letter of a path is escaped.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
