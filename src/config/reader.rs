//! Reads typed values out of a located tree, and collects every fault on the way.
//!
//! Owns [`Read`] (a type that is both read and described), [`Scalar`] (a text with a grammar) and
//! [`Field`] (what one key of a mapping gave). Never stops at a fault: what could be read is handed
//! on, so that cross-checks find the other faults, too.

use serde_json::{Value as Json, json};

use crate::config::fault::{Fault, Faults, SourceLine, escape, quote, source_line};
use crate::config::schema::Schemas;
use crate::config::yaml::{self, Key, MAX_BYTES, Node, Value};
use crate::model::file::{Position, Positions, Span};

/// How many faults are told at once; beyond that nobody reads on, and looking for more costs time.
const MAX_FAULTS: usize = 200;

/// A type that is read from a node and describes itself as JSON schema.
pub(crate) trait Read: Sized {
    /// Reads a node; `None` when it is at fault, which the reader then knows.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
    /// Describes what [`Read::read`] accepts.
    fn schema(schemas: &mut Schemas) -> Json;
}

/// A text with a grammar.
pub(crate) trait Scalar: Sized {
    /// What it is, with an article: "a duration like `30m`".
    const WHAT: &'static str;
    /// Whether a number without quotes is taken as its text.
    const TAKES_NUMBERS: bool = false;
    /// Whether `true` and `false` without quotes are taken as their text.
    const TAKES_BOOLEANS: bool = false;
    /// Whether a value at fault may be a secret by mistake, and is not shown.
    const IS_DELICATE: bool = false;
    /// Parses the text; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String>;
    /// Describes the text.
    fn schema() -> Json {
        json!({"type": if Self::TAKES_NUMBERS { json!(["string", "number"]) } else { json!("string") }})
    }
}

/// A value with its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) span: Span,
    pub(crate) value: T,
}

/// What one key of a mapping gave.
#[derive(Debug, Clone)]
pub(crate) struct Field<T> {
    /// The key's bytes, where the key is there.
    pub(crate) key: Option<Span>,
    /// The value, where it is there and without fault.
    pub(crate) given: Option<Located<T>>,
}

impl<T> Field<T> {
    /// Takes the value.
    pub(crate) fn value(self) -> Option<T> {
        self.given.map(|given| given.value)
    }

    /// Borrows the value.
    pub(crate) fn as_ref(&self) -> Option<&T> {
        self.given.as_ref().map(|given| &given.value)
    }

    /// Whether the key is there, at fault or not.
    pub(crate) fn is_present(&self) -> bool {
        self.key.is_some()
    }
}

/// Which of some keys a mapping must have.
#[derive(Clone, Copy)]
pub(crate) enum Choice {
    /// Any.
    Free,
    /// One of these, and only one.
    ExactlyOne(&'static [&'static str]),
}

/// Whether a key must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// It need not.
    Optional,
}

/// A mapping whose keys have been checked.
pub(crate) struct Entries<'n> {
    span: Span,
    entries: Vec<(&'n Key, &'n Node)>,
}

struct Found {
    span: Span,
    message: String,
    hint: Option<String>,
}

/// The text of a file, and what was found wrong in it so far.
pub(crate) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    found: Vec<Found>,
    hidden: Vec<Span>,
    positions: Positions<'t>,
}

impl<'t> Reader<'t> {
    /// Decodes bytes, parses them and reads the root.
    ///
    /// The second part of the answer is the tree, `None` where there is nothing to read.
    pub(crate) fn open(file: &'t str, bytes: &'t [u8]) -> Result<(Self, Option<Node>), Faults> {
        if bytes.len() > MAX_BYTES {
            let message = format!("the file has {} bytes, and {MAX_BYTES} are the most that are read", bytes.len());
            return Err(Fault::of_file(file, message, None).into());
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            let message = format!("line {line} is not UTF-8");
            Faults::from(Fault::of_file(file, message, Some("save the file as UTF-8")))
        })?;
        let mut reader = Self { file, text, found: Vec::new(), hidden: Vec::new(), positions: Positions::new(text) };
        match yaml::parse(text) {
            Ok(root) => Ok((reader, root)),
            Err(broken) => {
                reader.hide_secrets_of_line(broken.span.start);
                reader.fault(broken.span, broken.message, broken.hint.map(str::to_owned));
                Err(reader.faults())
            }
        }
    }

    /// Whether so many faults are known that nothing more is looked at.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() > MAX_FAULTS
    }

    /// Notes a fault.
    pub(crate) fn fault(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        if self.is_full() {
            return;
        }
        // What the parsers below say may repeat a piece of the file.
        let message = escape(&message.into());
        self.found.push(Found { span, message, hint });
    }

    /// Leaves some bytes out of every source line that is shown.
    pub(crate) fn hide(&mut self, span: Span) {
        // A block scalar's bytes reach into the indentation of what follows it.
        let length = self.text[span.clone()].trim_end().len();
        self.hidden.push(span.start..span.start + length);
    }

    /// Where YAML itself is broken nobody knows what is a secret: values of keys that sound so are left out.
    fn hide_secrets_of_line(&mut self, at: usize) {
        let start = self.text[..at].rfind(['\n', '\r']).map_or(0, |line| line + 1);
        let end = self.text[at..].find(['\n', '\r']).map_or(self.text.len(), |line| at + line);
        let lower = self.text[start..end].to_ascii_lowercase();
        let first =
            ["token", "password", "secret", "key", "auth", "basic"].iter().filter_map(|word| lower.find(word)).min();
        if let Some(first) = first {
            let value = lower[first..].find([':', ' ']).map_or(start + first, |colon| start + first + colon + 1);
            self.hide(value..end);
        }
    }

    /// Returns the place of an offset.
    pub(crate) fn position(&mut self, offset: usize) -> Position {
        self.positions.at(offset)
    }

    /// Returns the line on which bytes begin, made fit to be shown.
    pub(crate) fn source_line(&self, span: &Span) -> SourceLine {
        source_line(self.text, span, &self.hidden)
    }

    /// Returns what was found, in the order of the file.
    pub(crate) fn faults(mut self) -> Faults {
        self.found.sort_by_key(|found| found.span.start);
        let is_cut = self.is_full();
        self.found.truncate(MAX_FAULTS);
        let mut positions = Positions::new(self.text);
        let faults = self.found.into_iter().map(|found| Fault {
            file: self.file.to_owned(),
            position: Some(positions.at(found.span.start)),
            message: found.message,
            hint: found.hint,
            source: Some(source_line(self.text, &found.span, &self.hidden)),
        });
        let mut faults = Faults::new(faults.collect());
        if is_cut {
            let message = format!("there are more than these {MAX_FAULTS} faults");
            faults.0.push(Fault::of_file(self.file, message, None));
        }
        faults
    }

    /// Whether nothing was found wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// Notes that something else was expected.
    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let hint = match &node.value {
            Value::Scalar { text, plain: true } if is_old_boolean(text) && expected.contains("`true`") => {
                Some("only `true` and `false` are booleans; `yes`, `no`, `on` and `off` are text".to_owned())
            }
            _ => None,
        };
        let message = format!("expected {expected}, found {}", describe(node));
        self.fault(first_line(node), message, hint);
    }

    /// Checks the keys of a mapping: unknown ones, repeated ones, and the choice between them.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        keys: &[&str],
        choice: Choice,
    ) -> Option<Entries<'n>> {
        if self.is_full() {
            return None;
        }
        let Value::Map(all) = &node.value else {
            self.wrong_type(node, &format!("a mapping ({})", keys_shown(keys)));
            return None;
        };
        let mut entries: Vec<(&Key, &Node)> = Vec::new();
        for (key, value) in all {
            if self.is_full() {
                return None;
            }
            if !keys.contains(&key.text.as_str()) {
                self.unknown_key(key, value, what, keys);
            } else if let Some((first, _)) = entries.iter().find(|(other, _)| other.text == key.text) {
                let offset = first.span.start;
                let line = self.position(offset).line;
                self.fault(key.span.clone(), format!("the key {} is already on line {line}", quote(&key.text)), None);
                // The first of them is read; this one is read for its own faults by nobody.
            } else {
                entries.push((key, value));
            }
        }
        let (chosen_of, least) = match choice {
            Choice::Free => (&[][..], 0),
            Choice::ExactlyOne(keys) => (keys, 1),
        };
        let mut chosen = entries.iter().filter(|(key, _)| chosen_of.contains(&key.text.as_str()));
        match (chosen.next(), chosen.next()) {
            (Some((first, _)), Some((second, _))) => {
                let message = format!("`{}` and `{}` exclude each other", first.text, second.text);
                self.fault(second.span.clone(), message, Some(format!("keep one of {}", keys_shown(chosen_of))));
            }
            (None, _) if least == 1 => {
                self.fault(first_line(node), format!("{what} needs one of {}", keys_shown(chosen_of)), None);
            }
            _ => {}
        }
        Some(Entries { span: first_line(node), entries })
    }

    fn unknown_key(&mut self, key: &Key, value: &Node, what: &str, keys: &[&str]) {
        let named: Vec<&str> = keys.iter().copied().filter(|known| is_key_for_secret(&key.text, known)).collect();
        let hint = if !named.is_empty() {
            Some(format!("a secret never stands in this file: use {}", keys_shown(&named)))
        } else if key.text == "<<" {
            Some("merge keys are not understood; an alias as a whole value is".to_owned())
        } else {
            Some(match closest(&key.text, keys.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", keys_shown(keys)),
            })
        };
        let lower = key.text.to_ascii_lowercase();
        if !named.is_empty() || ["token", "password", "secret", "key", "basic"].iter().any(|word| lower.contains(word))
        {
            self.hide(value.span.clone());
        }
        self.fault(key.span.clone(), format!("unknown key {} in {what}", quote(&key.text)), hint);
    }

    /// Takes one key's value out of a mapping and reads it.
    pub(crate) fn field<T: Read>(&mut self, entries: &Entries<'_>, what: &str, name: &str, need: Need) -> Field<T> {
        let Some((key, node)) = entries.entries.iter().find(|(key, _)| key.text == name) else {
            if need == Need::Required {
                self.fault(entries.span.clone(), format!("{what} needs `{name}`"), None);
            }
            return Field { key: None, given: None };
        };
        if node.is_nothing() {
            let message = format!("`{name}` has no value");
            self.fault(key.span.clone(), message, Some("give it one, or remove the key".to_owned()));
            return Field { key: Some(key.span.clone()), given: None };
        }
        let given = T::read(node, self).map(|value| Located { span: first_line(node), value });
        Field { key: Some(key.span.clone()), given }
    }
}

impl<T: Scalar> Read for T {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if reader.is_full() {
            return None;
        }
        let read = match &node.value {
            Value::Scalar { text, plain } => {
                let is_other = (is_boolean(text) && !T::TAKES_BOOLEANS)
                    || node.is_nothing()
                    || (is_number(text) && !T::TAKES_NUMBERS);
                if *plain && is_other {
                    let found = if T::IS_DELICATE { "something else".to_owned() } else { describe(node) };
                    let would_fit = !T::IS_DELICATE && !node.is_nothing() && T::parse(text).is_ok();
                    let hint = would_fit.then(|| format!("put it in quotes: \"{text}\""));
                    reader.fault(node.span.clone(), format!("expected {}, found {found}", T::WHAT), hint);
                    None
                } else {
                    T::parse(text).map_err(|message| reader.fault(first_line(node), message, None)).ok()
                }
            }
            Value::List(_) | Value::Map(_) => {
                reader.wrong_type(node, T::WHAT);
                None
            }
        };
        // What is no path, no variable and no clean URL may be the secret itself.
        if T::IS_DELICATE && read.is_none() {
            reader.hide(node.span.clone());
        }
        read
    }

    fn schema(_: &mut Schemas) -> Json {
        T::schema()
    }
}

/// Returns the known word closest to a misspelt one, if one is close.
pub(crate) fn closest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let written: String = written.chars().take(64).collect::<String>().to_lowercase().replace(['_', '-'], "");
    words
        .map(|word| (strsim::damerau_levenshtein(&written, &word.to_lowercase().replace(['_', '-'], "")), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Whether `known` is the key that names where the secret `written` is kept: `tokenFile` for `token`.
fn is_key_for_secret(written: &str, known: &str) -> bool {
    known
        .strip_suffix("File")
        .or_else(|| known.strip_suffix("Env"))
        .is_some_and(|secret| secret.eq_ignore_ascii_case(&written.replace(['_', '-'], "")))
}

/// Joins keys for a message.
fn keys_shown(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// Returns a node's bytes, of a list or mapping only where it begins.
pub(crate) fn first_line(node: &Node) -> Span {
    match &node.value {
        Value::Scalar { .. } => node.span.clone(),
        Value::List(_) => node.span.start..(node.span.start + 1).min(node.span.end.max(node.span.start)),
        Value::Map(entries) => match entries.first() {
            Some((key, _)) if key.span.start == node.span.start => key.span.clone(),
            _ => node.span.start..(node.span.start + 1).min(node.span.end.max(node.span.start)),
        },
    }
}

fn describe(node: &Node) -> String {
    match &node.value {
        _ if node.is_nothing() => "nothing".to_owned(),
        Value::Scalar { text, plain: true } if is_boolean(text) => format!("the boolean `{text}`"),
        Value::Scalar { text, plain: true } if is_number(text) => format!("the number {}", quote(text)),
        Value::Scalar { text, .. } => format!("the text {}", quote(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

pub(crate) fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE")
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
}

/// Whether a plain scalar is a number of YAML's core schema.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    }
    matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
        || (digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && digits.bytes().any(|byte| byte.is_ascii_digit())
            && digits.parse::<f64>().is_ok())
}
