//! `.tagboat/holds.yaml`: the versions that people hold, read and edited.
//!
//! Entry points: [`parse`], [`add`] and [`release`]. An edit touches the lines of its entries alone: comments, order
//! and quoting of everything else stay, as in any manifest.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::config::fault::{Faults, quote};
use crate::config::object::object;
use crate::config::reader::{Located, Read as _, Reader, Scalar, closest};
use crate::config::scalars::{GrammarVersion, Line};
use crate::config::yaml::{Node, Value};
use crate::model::environment::{EnvironmentName, Environments};
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};

/// Where holds live in a repository.
pub const HOLDS_FILE: &str = ".tagboat/holds.yaml";

/// What the file is called by mistake: nothing of it is read.
pub const MISTAKEN_FILE: &str = ".tagboat/holds.yml";

/// How many entries are read.
const MOST_HOLDS: usize = 10_000;

object! {
    /// The versions that are held: they are proposed nowhere that their entry names, nor in any environment after that.
    RawHolds, "the holds";
    /// The version of this file's grammar: `1`.
    "version" required version: GrammarVersion,
    /// The entries. Default: none.
    "holds" optional holds: Vec<Located<RawHold>>,
}

object! {
    /// A held version.
    RawHold, "an entry of `holds`";
    /// The image. Example: `ghcr.io/acme/web`.
    "image" required image: ImageName,
    /// The tag that is held.
    "tag" required tag: Tag,
    /// The environment; those after it are held, too. Default: every environment.
    "environment" optional environment: EnvironmentName,
    /// When the hold ends by itself. Example: `2026-12-01T00:00:00Z`. Default: when it is released.
    "until" optional until: Timestamp,
    /// Who holds it, for people. Example: `sre`.
    "by" optional by: Line,
    /// Why it is held, for people. Example: `loses sessions`.
    "reason" optional reason: Line,
}

impl Scalar for ImageName {
    const WHAT: &'static str = "an image like `ghcr.io/acme/web`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_error| format!("{} is no image: write one like `ghcr.io/acme/web`", quote(text)))
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

impl Scalar for Timestamp {
    const WHAT: &'static str = "a time like `2026-12-01T18:00:00Z`";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_error| format!("{} is not {}", quote(text), Self::WHAT))
    }

    fn schema() -> Json {
        json!({"type": "string"})
    }
}

/// Parses the file; `file` is its name in messages. An empty one holds nothing.
///
/// # Errors
///
/// [`Faults`] with everything that is wrong.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Hold>, Faults> {
    Ok(read(file, bytes, None)?.into_iter().map(|(hold, _)| hold).collect())
}

/// Parses the file, and refuses entries of environments that there are not: they would hold nothing, without a word.
///
/// # Errors
///
/// [`Faults`] with everything that is wrong.
pub fn parse_for(file: &str, bytes: &[u8], environments: &Environments) -> Result<Vec<Hold>, Faults> {
    Ok(read(file, bytes, Some(environments))?.into_iter().map(|(hold, _)| hold).collect())
}

/// Reads every entry with the byte at which it begins.
fn read(file: &str, bytes: &[u8], environments: Option<&Environments>) -> Result<Vec<(Hold, usize)>, Faults> {
    let (mut reader, root) = Reader::open(file, bytes)?;
    let Some(mut root) = root.filter(|root| !root.is_nothing()) else { return Ok(Vec::new()) };
    if let Value::Map(entries) = &mut root.value {
        // A list of which every entry is commented out holds nothing.
        entries.retain(|(key, value)| key.text != "holds" || !value.is_nothing());
    }
    let Some(raw) = RawHolds::read(&root, &mut reader) else { return Err(reader.faults()) };
    let entries = raw.holds.value().unwrap_or_default();
    if entries.len() > MOST_HOLDS {
        let message = format!("there are more than {MOST_HOLDS} holds");
        reader.fault(entries[MOST_HOLDS].span.clone(), message, Some("release those that are over".to_owned()));
    }
    let hold = |entry: Located<RawHold>| {
        let at = entry.value.at.start;
        let raw = entry.value;
        if let Some(environments) = environments
            && let Some(given) = &raw.environment.given
            && environments.named(&given.value).is_none()
        {
            let name = given.value.as_str();
            let known = || environments.0.iter().map(|environment| environment.name.as_str());
            let hint = match closest(name, known()) {
                Some(close) => format!("did you mean {}?", quote(close)),
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no environment {}, so this holds nothing", quote(name));
            reader.fault(given.span.clone(), message, Some(hint));
        }
        let hold = Hold {
            environment: raw.environment.value(),
            image: raw.image.value()?,
            tag: raw.tag.value()?,
            until: raw.until.value(),
            by: raw.by.value().map(|line| line.0),
            reason: raw.reason.value().map(|line| line.0),
        };
        Some((hold, at))
    };
    let holds: Vec<(Hold, usize)> = entries.into_iter().filter_map(hold).collect();
    if reader.is_clean() { Ok(holds) } else { Err(reader.faults()) }
}

/// Why the file was not edited.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// It has faults.
    #[error("the holds have faults")]
    Faults(#[from] Faults),
    /// The list is written in a way that an entry cannot be added to or taken from.
    #[error("{HOLDS_FILE}: {0}: edit it by hand")]
    Form(&'static str),
}

/// Returns the file with one entry more, at the end of its list. No file is an empty text.
///
/// # Errors
///
/// [`EditError`]; the text is then as it was.
pub fn add(text: &str, hold: &Hold) -> Result<String, EditError> {
    let before = parse(HOLDS_FILE, text.as_bytes())?;
    let root = crate::config::yaml::parse(text).ok().flatten();
    let list = root.as_ref().filter(|root| !root.is_nothing()).map(list_of);
    let ends = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut edited = text.to_owned();
    match list {
        None => {
            end_line(&mut edited, ends);
            edited.push_str(&format!("version: 1{ends}holds:{ends}{}", entry(hold, "  ", ends)));
        }
        Some(None) => {
            end_line(&mut edited, ends);
            edited.push_str(&format!("holds:{ends}{}", entry(hold, "  ", ends)));
        }
        Some(Some(list)) => match &list.value {
            Value::List(items) if !items.is_empty() => {
                let dash = items.iter().map(|item| dash_before(text, item.span.start)).collect::<Option<Vec<_>>>();
                let dash = dash.ok_or(EditError::Form("its list stands in brackets"))?;
                let indent = text[line_start(text, dash[0])..dash[0]].to_owned();
                let at = line_end(text, last_line(text, items));
                let mut addition = entry(hold, &indent, ends);
                if !text[..at].ends_with('\n') {
                    addition.insert_str(0, ends);
                }
                edited.insert_str(at, &addition);
            }
            // `holds: []`
            _ => {
                let (start, end) = (list.span.start, list.span.end);
                let start = text[..start].trim_end_matches([' ', '\t']).len();
                edited.replace_range(start..end, "");
                let at = line_end(&edited, start);
                let mut addition = entry(hold, "  ", ends);
                if !edited[..at].ends_with('\n') {
                    addition.insert_str(0, ends);
                }
                edited.insert_str(at, &addition);
            }
        },
    }
    let mut expected = before;
    expected.push(hold.clone());
    proven(edited, &expected)
}

/// Returns the file without the entries that `is_released` names, and those entries.
///
/// # Errors
///
/// [`EditError`]; the text is then as it was.
pub fn release(text: &str, is_released: impl Fn(&Hold) -> bool) -> Result<(String, Vec<Hold>), EditError> {
    let entries = read(HOLDS_FILE, text.as_bytes(), None)?;
    let root = crate::config::yaml::parse(text).ok().flatten();
    let list = root.as_ref().and_then(list_of);
    let items = match list.map(|list| &list.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let (gone, kept): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(hold, _)| is_released(hold));
    let mut edited = text.to_owned();
    for (_, at) in gone.iter().rev() {
        let position = items.iter().position(|item| item.span.start == *at).ok_or(EditError::Form("it has aliases"))?;
        let dash = dash_before(text, *at).ok_or(EditError::Form("its list stands in brackets"))?;
        let start = line_start(text, dash);
        let end = line_end(text, last_line(text, &items[position..=position]));
        edited.replace_range(start..end, "");
    }
    if kept.is_empty() && !gone.is_empty() {
        // A list without entries is nothing, which the grammar takes for none.
        let list = list.ok_or(EditError::Form("it has no list"))?;
        let colon = text[..list.span.start].rfind(':').ok_or(EditError::Form("its list has no key"))?;
        edited.insert_str(colon + 1, " []");
    }
    let expected: Vec<Hold> = kept.into_iter().map(|(hold, _)| hold).collect();
    Ok((proven(edited, &expected)?, gone.into_iter().map(|(hold, _)| hold).collect()))
}

/// Reads what was edited, which must say what it should.
fn proven(edited: String, expected: &[Hold]) -> Result<String, EditError> {
    match parse(HOLDS_FILE, edited.as_bytes()) {
        Ok(holds) if holds == expected => Ok(edited),
        _ => Err(EditError::Form("it is written in a form that cannot be edited safely")),
    }
}

/// Returns the value of `holds`.
fn list_of(root: &Node) -> Option<&Node> {
    match &root.value {
        Value::Map(entries) => entries.iter().find(|(key, _)| key.text == "holds").map(|(_, value)| value),
        _ => None,
    }
}

/// Returns the byte of the `-` before an item that begins on the dash's own line.
fn dash_before(text: &str, item: usize) -> Option<usize> {
    let before = text[..item].trim_end_matches(' ');
    let dash = before.strip_suffix('-')?.len();
    text[line_start(text, dash)..dash].chars().all(|blank| blank == ' ').then_some(dash)
}

/// Returns a byte of the last line that any of these items has something on.
fn last_line(text: &str, items: &[Node]) -> usize {
    let end = items.last().map_or(0, deepest_end);
    // A block scalar ends behind its line.
    if end > 0 && text[..end].ends_with('\n') { end - 1 } else { end }
}

fn deepest_end(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => node.span.end,
        Value::List(items) => items.iter().map(deepest_end).max().unwrap_or(node.span.end),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| deepest_end(value).max(key.span.end)).max().unwrap_or(node.span.end)
        }
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}

fn end_line(text: &mut String, ends: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(ends);
    }
}

/// Writes an entry whose dash stands behind `indent`.
fn entry(hold: &Hold, indent: &str, ends: &str) -> String {
    let mut lines = vec![format!("image: {}", hold.image), format!("tag: {}", quoted(hold.tag.as_str()))];
    lines.extend(hold.environment.as_ref().map(|name| format!("environment: {}", quoted(name.as_str()))));
    lines.extend(hold.until.map(|until| format!("until: {until}")));
    lines.extend(hold.by.as_ref().map(|by| format!("by: {}", quoted(by))));
    lines.extend(hold.reason.as_ref().map(|reason| format!("reason: {}", quoted(reason))));
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let lead = if index == 0 { "- " } else { "  " };
        text.push_str(&format!("{indent}{lead}{line}{ends}"));
    }
    text
}

/// Writes a text in double quotes; JSON's escapes are YAML's (YAML 1.2, 5.7).
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
