//! Texts with a grammar that both files use, and the model's own.
//!
//! Owns no grammar of policies: those are `crate::policy`'s, met in `repository::policy`.

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use crate::config::fault::quote;
use crate::config::reader::{Scalar, closest};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::glob::{ImageGlob, PathGlobs};

/// How long a single text may be, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// Any text that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Line {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Scalar for Text {
    const WHAT: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        match text.len() {
            0 => Err("the text is empty".to_owned()),
            1..=MAX_TEXT => Ok(Self(text.to_owned())),
            length => Err(format!("the text has {length} bytes, and {MAX_TEXT} are the most")),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// One line of text without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) String);

impl Scalar for Line {
    const WHAT: &'static str = "a line of text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err(format!("{} holds a line break or a control character", quote(text)));
        }
        match text.trim() {
            "" => Err("the text is empty".to_owned()),
            line if line.len() > MAX_TEXT => Err(format!("the text is longer than {MAX_TEXT} bytes")),
            line => Ok(Self(line.to_owned())),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

/// The version of the file's grammar: 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrammarVersion;

impl Scalar for GrammarVersion {
    const WHAT: &'static str = "the version `1`";
    const TAKES_NUMBERS: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Self),
            _ => Err(format!("version {} is not known here: this Tagboat reads version `1`", quote(text))),
        }
    }

    fn schema() -> Json {
        json!({"enum": [1, "1"]})
    }
}

impl Scalar for TimeZone {
    const WHAT: &'static str = "a time zone like `Europe/Berlin`";

    fn parse(text: &str) -> Result<Self, String> {
        match Self::get(text) {
            Ok(zone) => Ok(zone),
            Err(_) => {
                let database = jiff::tz::db();
                let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
                let close = closest(text, names.iter().map(String::as_str));
                let close = close.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                Err(format!("{} is no time zone of the IANA database{close}", quote(text)))
            }
        }
    }
}

/// Whether a text can be a part of a branch's name and of a commit status.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(fits)
        && !text.starts_with(['.', '-'])
        && !text.ends_with(['.'])
        && !text.ends_with(".lock")
        && !text.contains("..")
}

const NAME_RULE: &str = "names have at most 100 letters, digits, `-`, `_` and `.`, begin with a letter, a digit or `_`, and are a part of a \
                         branch's name: no `..`, and no `.` or `.lock` at the end";

/// The name of a group or of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String);

impl Scalar for Name {
    const WHAT: &'static str = "a name";

    fn parse(text: &str) -> Result<Self, String> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(format!("{} is no name: {NAME_RULE}", quote(text))) }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "maxLength": 100})
    }
}

impl Scalar for EnvironmentName {
    const WHAT: &'static str = "an environment's name";

    fn parse(text: &str) -> Result<Self, String> {
        Name::parse(text).map(|name| Self(name.0.into()))
    }

    fn schema() -> Json {
        Name::schema()
    }
}

impl Scalar for BranchName {
    const WHAT: &'static str = "a branch's name";

    fn parse(text: &str) -> Result<Self, String> {
        let refused =
            |character: char| character.is_control() || character.is_whitespace() || "~^:?*[\\".contains(character);
        let part_fits = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let fits = text.len() <= 200
            && !text.starts_with('-')
            && !text.ends_with('.')
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && !text.contains(refused)
            && text.split('/').all(part_fits);
        if fits { Ok(Self(text.into())) } else { Err(format!("{} can be no branch of Git", quote(text))) }
    }
}

/// A prefix of head branches: `tagboat/`.
#[derive(Debug, Clone)]
pub(crate) struct BranchPrefix(pub(crate) String);

impl Scalar for BranchPrefix {
    const WHAT: &'static str = "a prefix of branches like `tagboat/`";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("without a prefix every branch would be taken for one of Tagboat's".to_owned());
        }
        BranchName::parse(&format!("{text}dev/web"))
            .map(|_| Self(text.to_owned()))
            .ok()
            .ok_or_else(|| format!("{} can begin no branch of Git", quote(text)))
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

impl Scalar for Publish {
    const WHAT: &'static str = "`commit`, `pullRequest` or `autoMerge`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("commit", Self::Commit), ("pullRequest", Self::PullRequest), ("autoMerge", Self::AutoMerge)])
    }

    fn schema() -> Json {
        json!({"enum": ["commit", "pullRequest", "autoMerge"]})
    }
}

/// Finds one of some words.
pub(crate) fn word<T: Clone>(text: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(value.clone());
    }
    if let [(only, _)] = words {
        return Err(format!("{} is not `{only}`", quote(text)));
    }
    let known = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let close = closest(text, words.iter().map(|(word, _)| *word));
    let close = close.map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
    Err(format!("{} is none of {known}{close}", quote(text)))
}

impl Scalar for ImageGlob {
    const WHAT: &'static str = "a glob over image names";

    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| match text {
            "" => "a glob over image names is empty".to_owned(),
            _ => format!("{} is no glob: {}", quote(text), error.reason),
        })
    }
}

/// A glob over paths, checked.
#[derive(Debug, Clone)]
pub(crate) struct PathGlob(pub(crate) String);

impl Scalar for PathGlob {
    const WHAT: &'static str = "a glob over paths";

    fn parse(text: &str) -> Result<Self, String> {
        if text.split('/').any(|part| part == "..") {
            return Err(format!("{} leads out of the repository", quote(text)));
        }
        PathGlobs::parse(&[text]).map(|_| Self(text.to_owned())).map_err(|error| match text {
            "" => "a glob over paths is empty".to_owned(),
            _ => format!("{} is no glob: {}", quote(text), error.reason),
        })
    }
}

/// A URL that holds no credential, for `https`, `http`, `ssh` or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CleanUrl(pub(crate) String);

impl Scalar for CleanUrl {
    const WHAT: &'static str = "a URL";
    const IS_DELICATE: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err("this is no URL".to_owned());
        }
        if let Ok(url) = url::Url::parse(text) {
            let is_user_named = url.scheme() != "ssh" && !url.username().is_empty();
            if url.password().is_some() || is_user_named {
                return Err("this URL holds a credential; name it by `auth`, never within a URL".to_owned());
            }
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}
