//! `.tagboat/holds.yaml`: the versions that people hold, read and edited.
//!
//! Entry points: [`parse`], [`add`] and [`release`]. An edit touches its entries alone: comments, order
//! and quoting of everything else stay, as in any manifest.

mod edit;
mod layout;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use crate::config::fault::{Faults, quote};
use crate::config::object::object;
use crate::config::reader::{Located, Read as _, Reader, Scalar, closest};
use crate::config::scalars::GrammarVersion;
use crate::config::yaml::{Node, Value};
use crate::model::environment::{EnvironmentName, Environments};
use crate::model::file::Position;
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};

pub use crate::config::holds::edit::{EditError, add, release};

/// Where holds live in a repository.
pub const HOLDS_FILE: &str = crate::model::hold::HOLDS_FILE;

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
    "until" optional until: Until,
    /// Who holds it, for people. Example: `sre`.
    "by" optional by: Saying,
    /// Why it is held, for people. Example: `loses sessions`.
    "reason" optional reason: Saying,
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

/// When a hold ends: a moment, or a day, at whose beginning in UTC it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until(Timestamp);

impl Scalar for Until {
    const WHAT: &'static str = "a time like `2026-12-01T18:00:00Z`";

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
        // A day is all of the text, or what stands behind it names no zone.
        let day = || day().filter(|_| text.len() <= "2026-12-01".len());
        let moment = text.parse().ok().or_else(|| Some(day()?.timestamp()));
        moment.map(Self).ok_or_else(|| format!("{} is not {}", quote(text), Self::WHAT))
    }

    fn schema() -> Json {
        json!({"type": ["string", "null"]})
    }
}

/// What people say: any text, on one line when it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Saying(String);

/// The longest that is kept of it, in characters.
const LONGEST_SAYING: usize = 1_000;

impl Scalar for Saying {
    const WHAT: &'static str = "text";
    const TAKES_NUMBERS: bool = true;
    const TAKES_BOOLEANS: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        let text: String = text.chars().map(plain).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self(text.chars().take(LONGEST_SAYING).collect::<String>().trim_end().to_owned()))
    }

    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean", "null"]})
    }
}

/// Takes away what an entry names without saying anything: it is as if the key were not there. An environment must be one, for
/// without it the hold is everywhere.
fn leave_out_nothing(list: &mut Node) {
    let Value::List(items) = &mut list.value else { return };
    for item in items {
        if let Value::Map(entries) = &mut item.value {
            let is_empty = |key: &str, value: &Node| matches!(key, "until" | "by" | "reason") && value.is_nothing();
            entries.retain(|(key, value)| !is_empty(&key.text, value));
        }
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
    Ok(placed(file, bytes, environments)?.into_iter().map(|(hold, _)| hold).collect())
}

/// Parses the file as [`parse_for`] does, and tells where each entry names its image.
///
/// # Errors
///
/// [`Faults`] with everything that is wrong.
pub fn placed(file: &str, bytes: &[u8], environments: &Environments) -> Result<Vec<(Hold, Position)>, Faults> {
    read(file, bytes, Some(environments))
}

/// Reads every entry, in the order of the file.
fn read(file: &str, bytes: &[u8], environments: Option<&Environments>) -> Result<Vec<(Hold, Position)>, Faults> {
    let (mut reader, root) = Reader::open(file, bytes)?;
    let Some(mut root) = root.filter(|root| !root.is_nothing()) else { return Ok(Vec::new()) };
    if let Value::Map(entries) = &mut root.value {
        // A list of which every entry is commented out holds nothing.
        entries.retain(|(key, value)| key.text != "holds" || !value.is_nothing());
        entries.iter_mut().filter(|(key, _)| key.text == "holds").for_each(|(_, list)| leave_out_nothing(list));
    }
    let Some(raw) = RawHolds::read(&root, &mut reader) else { return Err(reader.faults()) };
    let entries = raw.holds.value().unwrap_or_default();
    if entries.len() > MOST_HOLDS {
        let message = format!("there are more than {MOST_HOLDS} holds");
        reader.fault(entries[MOST_HOLDS].span.clone(), message, Some("release those that are over".to_owned()));
    }
    let hold = |entry: Located<RawHold>| {
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
        let image = raw.image.given?;
        let position = reader.position(image.span.start);
        let hold = Hold {
            environment: raw.environment.value(),
            image: image.value,
            tag: raw.tag.value()?,
            digest: None,
            until: raw.until.value().map(|until| until.0),
            by: raw.by.value().map(|said| said.0).filter(|said| !said.is_empty()),
            reason: raw.reason.value().map(|said| said.0).filter(|said| !said.is_empty()),
        };
        Some((hold, position))
    };
    let holds: Vec<(Hold, Position)> = entries.into_iter().filter_map(hold).collect();
    if reader.is_clean() { Ok(holds) } else { Err(reader.faults()) }
}

#[cfg(test)]
mod tests;
