//! The record as comma-separated values (RFC 4180), for spreadsheets.

use std::io;

use crate::model::environment::EnvironmentName;
use crate::model::record::History;

/// Writes what happened: a line of names, then a line for each entry.
///
/// # Errors
///
/// Where the writer fails.
pub fn history(history: &History, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "time,commit,environment,image,from,to,kind,author,pullRequest,reason,by\r\n")?;
    for entry in &history.entries {
        let value = |value: &Option<crate::model::site::Value>| value.as_ref().map(ToString::to_string);
        let cells = [
            entry.time.to_string(),
            entry.commit.to_string(),
            entry.environment.as_ref().map(EnvironmentName::as_str).unwrap_or_default().to_owned(),
            entry.image.to_string(),
            value(&entry.from).unwrap_or_default(),
            value(&entry.to).unwrap_or_default(),
            entry.kind.as_str().to_owned(),
            entry.author.clone(),
            entry.pull_request.clone().unwrap_or_default(),
            entry.reason.clone().unwrap_or_default(),
            entry.by.clone().unwrap_or_default(),
        ];
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

/// Writes a cell: quoted where it must be, and never one that a spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        for (text, expected) in [
            ("1.5.0", "1.5.0"),
            ("a, b", "\"a, b\""),
            ("\"x\"", "\"\"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
