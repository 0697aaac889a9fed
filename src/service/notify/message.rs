//! What is said: events as lines of text, in the markup of whoever is told. Pure.
//!
//! Entry point: [`Message::of`]. Texts from Git, forges and registries come in a form in which they mean nothing there: no
//! mention, no link, no formatting. Templates are the operator's, and may use markup.

use serde_json::{Map, Value as Json, json};
use url::Url;

use crate::model::environment::EnvironmentName;
use crate::model::template::Template;
use crate::service::notify::news::{Event, EventId};

/// How many events are told by lines of their own; of the others the number is told.
const MOST_LINES: usize = 20;

/// The longest text from outside that is shown whole, in characters.
const LONGEST_TEXT: usize = 300;

/// The longest message, in bytes: Slack cuts at 40,000, and Teams refuses more than 28 KiB with everything around.
const LONGEST: usize = 12_000;

/// The markup of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// Slack's `mrkdwn`.
    Slack,
    /// The Markdown of Adaptive Cards.
    Teams,
    /// None at all.
    Plain,
}

impl Markup {
    /// Writes a text from outside so that it means nothing.
    pub(super) fn text(self, text: &str) -> String {
        let mut shown = String::new();
        let mut before = '\0';
        let cut = text.chars().count() > LONGEST_TEXT;
        for character in text.trim().chars().take(LONGEST_TEXT) {
            let character = match character {
                '\n' | '\r' | '\t' => ' ',
                other if other.is_control() || is_invisible(other) => '\u{fffd}',
                other => other,
            };
            match (self, character) {
                (Self::Plain, _) => shown.push(character),
                (_, '&') => shown.push_str("&amp;"),
                (_, '<') => shown.push_str("&lt;"),
                (_, '>') => shown.push_str("&gt;"),
                // A word joiner keeps what follows from being a mention or an address.
                (_, '@') => shown.push_str("@\u{2060}"),
                (_, '/') if before == ':' => shown.push_str("\u{2060}/"),
                (Self::Slack, '*' | '_' | '~' | '`') => {
                    shown.push('\u{2060}');
                    shown.push(character);
                    shown.push('\u{2060}');
                }
                (Self::Teams, '*' | '_' | '~' | '`' | '[' | ']' | '(' | ')' | '\\' | '#' | '!' | '|') => {
                    shown.push('\\');
                    shown.push(character);
                }
                _ => shown.push(character),
            }
            before = character;
        }
        if cut {
            shown.push('…');
        }
        shown
    }

    fn strong(self, text: &str) -> String {
        match self {
            Self::Slack => format!("*{}*", self.text(text)),
            Self::Teams => format!("**{}**", self.text(text)),
            Self::Plain => self.text(text),
        }
    }

    /// Writes a link, where the address is one of the web; else the text alone.
    fn link(self, url: &str, text: &str) -> String {
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
        let Some(url) = Url::parse(url).ok().filter(is_web) else { return self.text(text) };
        // What a URL is made of is escaped in it but for these, which would end the link.
        let url = url.as_str().replace('|', "%7C").replace('(', "%28").replace(')', "%29").replace('>', "%3E");
        match self {
            Self::Slack => format!("<{}|{}>", url.replace('&', "&amp;"), self.text(text).replace('|', "¦")),
            Self::Teams => format!("[{}]({url})", self.text(text)),
            Self::Plain => format!("{} ({url})", self.text(text)),
        }
    }
}

/// Whether a character changes the direction of others, or is not seen.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A message about what came of passes of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The repository's URL.
    pub(super) repository: String,
    /// What tells it from any other, the same however often it is sent.
    pub(super) id: EventId,
    /// What is said, in the receiver's markup.
    pub(super) text: String,
    /// The events, for those who read JSON.
    pub(super) events: Json,
}

impl Message {
    /// Makes the message about some events.
    pub(super) fn of(
        repository: &str,
        id: EventId,
        events: &[&Event],
        markup: Markup,
        template: Option<&Template>,
    ) -> Self {
        let default = lines(repository, events, markup);
        let filled = template.map(|template| {
            let shown: Vec<Json> = events.iter().take(MOST_LINES).map(|event| words(event, markup)).collect();
            template.fill(&json!({"default": default, "repository": markup.text(repository), "events": shown}))
        });
        let text = match filled {
            None => default,
            Some(Ok(text)) => text,
            Some(Err(reason)) => {
                tracing::warn!(
                    reason,
                    "the template of a notification cannot be filled in: it says what it says without"
                );
                default
            }
        };
        let told: Vec<Json> = events.iter().map(|event| in_full(event)).collect();
        let text = if text.trim().is_empty() { "…".to_owned() } else { cut(text) };
        Self { repository: repository.to_owned(), id, text, events: told.into() }
    }
}

/// Cuts a text at the end of a line, so that no markup is cut in the middle.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let room = text.floor_char_boundary(LONGEST);
        text.truncate(text[..room].rfind('\n').unwrap_or(room));
        text.push_str("\n…");
    }
    text
}

/// Returns a repository's name for people: the last two parts of its URL.
fn short(repository: &str) -> String {
    let path = repository.strip_suffix(".git").unwrap_or(repository).trim_end_matches('/');
    let mut parts: Vec<&str> = path.rsplit(['/', ':']).take(2).collect();
    parts.reverse();
    parts.join("/")
}

fn lines(repository: &str, events: &[&Event], markup: Markup) -> String {
    let count = if events.len() == 1 { String::new() } else { format!(" ({} events)", events.len()) };
    let mut text = format!("{}{count}", markup.link(repository, &short(repository)));
    let bullet = if markup == Markup::Teams { "\n\n- " } else { "\n• " };
    for event in events.iter().take(MOST_LINES) {
        text.push_str(if events.len() == 1 { ": " } else { bullet });
        text.push_str(&line(event, markup));
    }
    if events.len() > MOST_LINES {
        text.push_str(&format!("{bullet}and {} more", events.len() - MOST_LINES));
    }
    text
}

fn line(event: &Event, markup: Markup) -> String {
    let mut text = markup.strong(event.what.in_words());
    let environments: Vec<&str> = event.environments.iter().map(EnvironmentName::as_str).collect();
    if !environments.is_empty() {
        text.push_str(&format!(" in {}", markup.text(&environments.join(", "))));
    }
    if !event.subject.is_empty() {
        text.push_str(&format!(": {}", markup.text(&event.subject)));
    }
    match (event.old.as_str(), event.new.as_str()) {
        ("", "") => {}
        ("", new) => text.push_str(&format!(" {}", markup.text(new))),
        (old, "") => text.push_str(&format!(" {} taken out", markup.text(old))),
        (old, new) => text.push_str(&format!(" {} → {}", markup.text(old), markup.text(new))),
    }
    if !event.url.is_empty() {
        text.push_str(&format!(", {}", markup.link(&event.url, "pull request")));
    }
    if !event.commit.is_empty() {
        let short: String = event.commit.chars().take(10).collect();
        text.push_str(&format!(", commit {}", markup.text(&short)));
    }
    if !event.by.is_empty() {
        text.push_str(&format!(", by {}", markup.text(&event.by)));
    }
    if !event.reason.is_empty() {
        text.push_str(&format!(": {}", markup.text(&event.reason)));
    }
    text
}

/// Tells an event to templates, by the words of `crate::model::template::EVENT_WORDS`.
fn words(event: &Event, markup: Markup) -> Json {
    let environments: Vec<&str> = event.environments.iter().map(EnvironmentName::as_str).collect();
    let short = event.subject.rsplit('/').next().unwrap_or_default();
    let words = [
        ("environment", environments.join(", ")),
        ("group", event.group.clone()),
        ("image", event.subject.clone()),
        ("short", short.to_owned()),
        ("old", event.old.clone()),
        ("new", event.new.clone()),
        ("commit", event.commit.clone()),
        ("by", event.by.clone()),
        ("reason", event.reason.clone()),
    ];
    let mut all: Map<String, Json> =
        words.into_iter().map(|(name, text)| (name.to_owned(), markup.text(&text).into())).collect();
    all.insert("event".to_owned(), event.what.as_str().into());
    all.insert("text".to_owned(), line(event, markup).into());
    let link = if event.url.is_empty() { String::new() } else { markup.link(&event.url, "pull request") };
    all.insert("url".to_owned(), link.into());
    all.into()
}

/// Tells an event whole, as it is: JSON has its own ways to say what is text.
fn in_full(event: &Event) -> Json {
    let text = |text: &str| if text.is_empty() { Json::Null } else { text.into() };
    let environments: Vec<&str> = event.environments.iter().map(EnvironmentName::as_str).collect();
    json!({
        "id": event.id.hex(), "event": event.what.as_str(), "environments": environments, "group": text(&event.group),
        "subject": text(&event.subject), "from": text(&event.old), "to": text(&event.new), "commit": text(&event.commit),
        "url": text(&event.url), "by": text(&event.by), "reason": text(&event.reason),
        "text": line(event, Markup::Plain),
    })
}
