//! Templates of titles, bodies and messages: what they may hold, and how they are filled in. Pure.
//!
//! Entry points: [`Template::parse`] and [`Template::render`]. A template is written by people who may write manifests, so it is
//! held to bounds: of its length, of its work, of what comes out, and to constructs by which text cannot grow by more than it has
//! places. What comes out is not believed either: whoever uses it takes out what would be an order to Tagboat or to a forge.

mod growth;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::{Value as Json, json};

use crate::model::image::shorten;
use crate::model::template::growth::refuse_growth;

/// The longest template, in bytes.
const LONGEST_SOURCE: usize = 16 << 10;

/// The instructions that filling in may take: some hundred images with ten words each.
const FUEL: u64 = 50_000;

/// The bytes that instructions may touch where a single one of them may go over everything that is known.
const TOUCHED: usize = 1 << 30;

/// The bytes that filters may go over.
const FILTERED: usize = 32 << 20;

/// What an element of a list weighs beside its text.
const ELEMENT: usize = 16;

/// The longest text that may come out, in bytes: more than any forge takes.
const LONGEST_OUTPUT: usize = 1 << 20;

/// How deep expressions may nest.
const DEEPEST: usize = 64;

/// What a template is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// The message of a commit.
    Message,
    /// The title of a pull request.
    Title,
    /// The body of a pull request.
    Body,
    /// A notification.
    Notice,
}

impl Wording {
    /// Returns the variables that it may name.
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Message => &["default", "environment", "files", "images", "summary"],
            Self::Title => &["default", "environment", "files", "group", "images", "publish", "summary"],
            Self::Body => {
                &["default", "environment", "files", "gates", "group", "images", "notes", "publish", "summary"]
            }
            Self::Notice => &["default", "events", "repository"],
        }
    }
}

/// What is wrong with a template: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// The line within the template, from 1.
    pub line: Option<usize>,
    /// What is wrong, in words.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

/// One image of a change, as templates see it. What is not there is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its whole name.
    pub name: String,
    /// The last part of its name.
    pub short: String,
    /// The tag that stood there.
    pub old: String,
    /// The new tag.
    pub new: String,
    /// The digest that stood there.
    pub old_digest: String,
    /// The new digest.
    pub new_digest: String,
    /// The largest part that changes.
    pub step: String,
}

/// One gate, as templates see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateFacts {
    /// Its name.
    pub name: String,
    /// `pass`, `wait` or `fail`.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// What templates are filled in with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The environment.
    pub environment: String,
    /// The group.
    pub group: String,
    /// `commit`, `pullRequest` or `autoMerge`.
    pub publish: String,
    /// What happens, in a few words.
    pub summary: String,
    /// The text that would stand without a template.
    pub default: String,
    /// Compare links and release notes, in Markdown.
    pub notes: String,
    /// The files that change.
    pub files: Vec<String>,
    /// The images that move.
    pub images: Vec<ImageFacts>,
    /// The gates.
    pub gates: Vec<GateFacts>,
}

impl Facts {
    /// Facts that every template must be able to be filled in with.
    fn sample() -> Self {
        let image = ImageFacts {
            name: "ghcr.io/acme/web".to_owned(),
            short: "web".to_owned(),
            old: "1.4.0".to_owned(),
            new: "1.5.0".to_owned(),
            step: "minor".to_owned(),
            ..ImageFacts::default()
        };
        let gate = GateFacts { name: "soak".to_owned(), state: "pass".to_owned(), reason: String::new() };
        Self {
            environment: "dev".to_owned(),
            group: "web".to_owned(),
            publish: "pullRequest".to_owned(),
            summary: "update web to 1.5.0".to_owned(),
            default: "update".to_owned(),
            notes: String::new(),
            files: vec!["dev/web.yaml".to_owned()],
            images: vec![image],
            gates: vec![gate],
        }
    }

    fn values(&self, wording: Wording) -> Json {
        let image = |image: &ImageFacts| {
            json!({
                "name": image.name, "short": image.short, "old": image.old, "new": image.new,
                "old_digest": image.old_digest, "new_digest": image.new_digest, "step": image.step,
            })
        };
        let gate = |gate: &GateFacts| json!({"name": gate.name, "state": gate.state, "reason": gate.reason});
        let mut all = json!({
            "environment": self.environment, "group": self.group, "publish": self.publish, "summary": self.summary,
            "default": self.default, "notes": self.notes, "files": self.files,
            "images": self.images.iter().map(image).collect::<Vec<_>>(),
            "gates": self.gates.iter().map(gate).collect::<Vec<_>>(),
        });
        if let Some(all) = all.as_object_mut() {
            all.retain(|name, _| wording.variables().contains(&name.as_str()));
        }
        all
    }
}

/// A template that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: Arc<str>,
    wording: Wording,
    /// Whether single instructions of it may go over everything that is known.
    is_costly: bool,
}

impl Template {
    /// Checks a template: its form, its variables, and that it can be filled in.
    ///
    /// # Errors
    ///
    /// [`TemplateFault`], which says where, what and what to do.
    pub fn parse(source: &str, wording: Wording) -> Result<Self, TemplateFault> {
        let fault = |line, reason: String, hint: Option<String>| TemplateFault { line, reason, hint };
        if source.len() > LONGEST_SOURCE {
            return Err(fault(None, format!("the template has more than {LONGEST_SOURCE} bytes"), None));
        }
        let is_costly = refuse_growth(source)?;
        let environment = environment(FUEL);
        let parsed =
            environment.template_from_named_str("template", source).map_err(|error| of_jinja(&error, wording))?;
        let mut named: Vec<String> = parsed.undeclared_variables(false).into_iter().collect();
        named.sort();
        if let Some(unknown) = named.iter().find(|name| !wording.variables().contains(&name.as_str())) {
            let line = source.lines().position(|line| line.contains(unknown.as_str())).map(|index| index + 1);
            return Err(fault(line, format!("there is no variable `{}`", shorten(unknown)), Some(known(wording))));
        }
        let template = Self { source: source.into(), wording, is_costly };
        match template.filled(&sample(wording)) {
            Ok(_) => Ok(template),
            Err(error) => Err(of_jinja(&error, wording)),
        }
    }

    /// Fills it in.
    ///
    /// # Errors
    ///
    /// Why that cannot be done, in words: it takes too long, or too much comes out.
    pub fn render(&self, facts: &Facts) -> Result<String, String> {
        self.fill(&facts.values(self.wording))
    }

    /// Fills it in with values by the names of its variables.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn fill(&self, values: &Json) -> Result<String, String> {
        self.filled(values).map_err(|error| {
            let fault = of_jinja(&error, self.wording);
            match fault.line {
                Some(line) => format!("line {line} of the template: {}", fault.reason),
                None => fault.reason,
            }
        })
    }

    fn filled(&self, values: &Json) -> Result<String, minijinja::Error> {
        let environment = environment(self.fuel(values));
        let parsed = environment.template_from_named_str("template", &self.source)?;
        let mut output = Bounded(Vec::new());
        parsed.render_captured_to(Value::from(Serde(values)), &mut output)?;
        output.into_text()
    }

    /// Returns how many instructions it may take: the fewer, the more a single one may touch.
    fn fuel(&self, values: &Json) -> u64 {
        if !self.is_costly {
            return FUEL;
        }
        let most = TOUCHED / (weight(values) + self.source.len()).max(1);
        FUEL.min(u64::try_from(most).unwrap_or(FUEL))
    }
}

/// Returns what values weigh: the bytes of their texts, and their elements.
fn weight(values: &Json) -> usize {
    ELEMENT
        + match values {
            Json::String(text) => text.len(),
            Json::Array(all) => all.iter().map(weight).sum(),
            Json::Object(all) => all.values().map(weight).sum(),
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        }
}

/// The words by which templates call what is known of an event.
pub const EVENT_WORDS: [&str; 12] =
    ["event", "text", "environment", "group", "image", "short", "old", "new", "commit", "url", "by", "reason"];

/// Values that every template must be able to be filled in with.
fn sample(wording: Wording) -> Json {
    if wording != Wording::Notice {
        return Facts::sample().values(wording);
    }
    let event: serde_json::Map<String, Json> =
        EVENT_WORDS.iter().map(|word| ((*word).to_owned(), Json::from(*word))).collect();
    json!({"default": "dev: web 1.5.0", "repository": "https://git.example/acme/gitops", "events": [event]})
}

/// Output that ends in a fault where it grows beyond the bound.
struct Bounded(Vec<u8>);

impl Bounded {
    fn into_text(self) -> Result<String, minijinja::Error> {
        String::from_utf8(self.0).map_err(|_cut| minijinja::Error::new(ErrorKind::WriteFailure, "it is no text"))
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_OUTPUT {
            return Err(io::Error::other("too much comes out"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment<'a>(fuel: u64) -> Environment<'a> {
    // Nothing that is not named here: no functions, no tests, no filters that could make a text longer.
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(fuel));
    environment.set_recursion_limit(DEEPEST);
    // Fuel counts filters, and not what they go over.
    let budget = Budget(Arc::new(AtomicUsize::new(FILTERED)));
    let [upper, lower, trim, join, length, first, last] = std::array::from_fn(|_| budget.clone());
    environment.add_filter("upper", move |value: &Value| Ok(upper.text(value, 1)?.to_uppercase()));
    environment.add_filter("lower", move |value: &Value| Ok(lower.text(value, 1)?.to_lowercase()));
    environment.add_filter("trim", move |value: &Value, signs: Option<&str>| match signs {
        None => Ok(trim.text(value, 1)?.trim().to_owned()),
        Some(signs) => {
            trim.spend(signs.len())?;
            let signs: Vec<char> = signs.chars().collect();
            Ok(trim.text(value, signs.len().max(1))?.trim_matches(&signs[..]).to_owned())
        }
    });
    environment.add_filter("join", move |value: &Value, between: Option<&Value>, named: Kwargs| {
        joined(&join, value, between, &named)
    });
    environment.add_filter("length", move |value: &Value| {
        length.take(value)?;
        minijinja::filters::length(value)
    });
    environment.add_filter("first", move |value: &Value| {
        first.take(value)?;
        minijinja::filters::first(value)
    });
    environment.add_filter("last", move |value: Value| {
        last.take(&value)?;
        minijinja::filters::last(value)
    });
    environment
}

/// The bytes that the filters of a template may still go over, all together.
#[derive(Debug, Clone)]
struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn spend(&self, bytes: usize) -> Result<(), minijinja::Error> {
        let spent = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        spent.map(drop).map_err(|_left| ErrorKind::OutOfFuel.into())
    }

    /// Spends what it takes to go over a value once.
    fn take(&self, value: &Value) -> Result<(), minijinja::Error> {
        let elements = || value.len().unwrap_or(1).saturating_mul(ELEMENT);
        self.spend(value.as_str().map_or_else(elements, str::len))
    }

    /// Returns a value as text, and spends what it takes to go over that so many times.
    fn text<'a>(&self, value: &'a Value, times: usize) -> Result<Cow<'a, str>, minijinja::Error> {
        if value.is_undefined() {
            return Err(ErrorKind::UndefinedError.into());
        }
        let text = if let Some(text) = value.as_str() {
            Cow::Borrowed(text)
        } else {
            let mut shown = Bounded(Vec::new());
            write!(shown, "{value}").map_err(|_long| minijinja::Error::from(ErrorKind::WriteFailure))?;
            Cow::Owned(shown.into_text()?)
        };
        self.spend(text.len().saturating_mul(times).saturating_add(ELEMENT))?;
        Ok(text)
    }
}

/// Joins the elements of a list. A text is none: between its characters it would be doubled again and again.
fn joined(budget: &Budget, list: &Value, between: Option<&Value>, named: &Kwargs) -> Result<String, minijinja::Error> {
    let attribute: Option<&str> = named.get("attribute")?;
    let separator = match between {
        Some(between) => Some(between.clone()),
        None => named.get("d")?,
    };
    named.assert_all_used()?;
    if list.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    if !matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable) {
        let reason = format!("`join` takes a list, and this is a {}", list.kind());
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, reason));
    }
    let separator = separator.as_ref().map(|separator| budget.text(separator, 1)).transpose()?.unwrap_or_default();
    let mut output = Bounded(Vec::new());
    let mut add =
        |text: &str| output.write_all(text.as_bytes()).map_err(|_long| minijinja::Error::from(ErrorKind::WriteFailure));
    for (index, element) in list.try_iter()?.enumerate() {
        if index > 0 {
            budget.spend(separator.len())?;
            add(&separator)?;
        }
        let parts = attribute.iter().flat_map(|attribute| attribute.split('.'));
        let element = parts.into_iter().try_fold(element, |value, part| {
            budget.spend(part.len())?;
            value.get_attr(part)
        })?;
        add(&budget.text(&element, 1)?)?;
    }
    output.into_text()
}

fn known(wording: Wording) -> String {
    if wording == Wording::Notice {
        let words = EVENT_WORDS.map(|word| format!("`{word}`")).join(", ");
        return format!("there are {}; each of `events` has {words}", wording.variables().join(", "));
    }
    format!("there are {}; each of `images` has `name`, `short`, `old`, `new`, `step`", wording.variables().join(", "))
}

fn of_jinja(error: &minijinja::Error, wording: Wording) -> TemplateFault {
    let detail = error.detail().map(shorten).unwrap_or_default();
    let (reason, hint) = match error.kind() {
        ErrorKind::UndefinedError => ("a value that it names is not there".to_owned(), Some(known(wording))),
        ErrorKind::OutOfFuel => ("it takes too long".to_owned(), Some("repeat less".to_owned())),
        ErrorKind::WriteFailure => (format!("more than {LONGEST_OUTPUT} bytes come out"), None),
        ErrorKind::UnknownFilter => {
            let hint = "there are upper, lower, trim, join, length, first and last".to_owned();
            (format!("there is no such filter ({detail})"), Some(hint))
        }
        ErrorKind::SyntaxError => (format!("this is no template: {detail}"), None),
        other if detail.is_empty() => (other.to_string(), None),
        other => (format!("{other}: {detail}"), None),
    };
    TemplateFault { line: error.line(), reason, hint }
}
