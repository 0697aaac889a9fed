//! Templates of titles, bodies and messages: what they may hold, and how they are filled in. Pure.
//!
//! Entry points: [`Template::parse`] and [`Template::render`]. A template is written by people who may write manifests, so it is
//! held to bounds: of its length, of its work, of what comes out, and to constructs by which text cannot grow by more than it has
//! places. What comes out is not believed either: whoever uses it takes out what would be an order to Tagboat or to a forge.

use std::io;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde_json::{Value as Json, json};

use crate::model::image::shorten;

/// The longest template, in bytes.
const LONGEST_SOURCE: usize = 16 << 10;

/// The instructions that filling in may take: some hundred images with ten words each.
const FUEL: u64 = 50_000;

/// The longest text that may come out, in bytes: more than any forge takes.
const LONGEST_OUTPUT: usize = 1 << 20;

/// How deep expressions may nest.
const DEEPEST: usize = 64;

/// Words that would let a template make values of its own, which can double again and again.
const REFUSED_WORDS: [&str; 7] = ["set", "with", "macro", "call", "recursive", "filter", "do"];

/// Words after which a value begins.
const OPERATORS: [&str; 9] = ["in", "if", "elif", "else", "and", "or", "not", "is", "for"];

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
        refuse_growth(source)?;
        let environment = environment();
        let parsed =
            environment.template_from_named_str("template", source).map_err(|error| of_jinja(&error, wording))?;
        let mut named: Vec<String> = parsed.undeclared_variables(false).into_iter().collect();
        named.sort();
        if let Some(unknown) = named.iter().find(|name| !wording.variables().contains(&name.as_str())) {
            let line = source.lines().position(|line| line.contains(unknown.as_str())).map(|index| index + 1);
            return Err(fault(line, format!("there is no variable `{}`", shorten(unknown)), Some(known(wording))));
        }
        let template = Self { source: source.into(), wording };
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
        let environment = environment();
        let parsed = environment.template_from_named_str("template", &self.source)?;
        let mut output = Bounded(Vec::new());
        parsed.render_captured_to(Value::from(Serde(values)), &mut output)?;
        String::from_utf8(output.0).map_err(|_cut| minijinja::Error::new(ErrorKind::WriteFailure, "it is no text"))
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

fn environment<'a>() -> Environment<'a> {
    // Nothing that is not named here: no functions, no tests, no filters that could make a text longer.
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    environment.add_filter("upper", minijinja::filters::upper);
    environment.add_filter("lower", minijinja::filters::lower);
    environment.add_filter("trim", minijinja::filters::trim);
    environment.add_filter("join", minijinja::filters::join);
    environment.add_filter("length", minijinja::filters::length);
    environment.add_filter("first", minijinja::filters::first);
    environment.add_filter("last", minijinja::filters::last);
    environment
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

/// Refuses what lets a few characters grow into gigabytes: values of a template's own, and repetition.
fn refuse_growth(source: &str) -> Result<(), TemplateFault> {
    let mut rest = source;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let start = source.len() - rest.len() + at;
        let close = if rest[at..].starts_with("{{") { "}}" } else { "%}" };
        let inner = &rest[at + 2..];
        let length = tag_length(inner, close);
        if let Some(what) = growth(&inner[..length]) {
            return Err(TemplateFault {
                line: Some(source[..start].lines().count().max(1)),
                reason: format!("{what} cannot be used in these templates"),
                hint: Some("write what the variables hold; `if`, `for` and filters are there".to_owned()),
            });
        }
        rest = &inner[length..];
    }
    Ok(())
}

/// Returns where a tag ends: at its closing mark outside of quotes.
fn tag_length(inner: &str, close: &str) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, character) in inner.char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(_) if character == '\\' => is_escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if inner[at..].starts_with(close) => return at,
            None => {}
        }
    }
    inner.len()
}

/// Names what of a tag could grow.
fn growth(tag: &str) -> Option<String> {
    let mut bare = String::with_capacity(tag.len());
    let mut rest = tag.chars();
    while let Some(character) = rest.next() {
        if matches!(character, '"' | '\'') {
            while let Some(inside) = rest.next().filter(|inside| *inside != character) {
                if inside == '\\' {
                    rest.next();
                }
            }
            bare.push('"');
        } else {
            bare.push(character);
        }
    }
    let words = bare.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    if let Some(word) = words.into_iter().find(|word| REFUSED_WORDS.contains(word)) {
        return Some(format!("`{word}`"));
    }
    if bare.contains('*') || bare.contains('{') {
        return Some("`*` and `{`".to_owned());
    }
    // What stands before a bracket tells whether it takes something out of a value, or makes one.
    let mut before = String::new();
    let mut is_apart = true;
    let mut groups = Vec::new();
    for character in bare.chars() {
        if character.is_whitespace() {
            is_apart = true;
            continue;
        }
        let ends_value = before.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | ')' | ']' | '"'));
        let is_after_value = ends_value && !OPERATORS.contains(&before.as_str());
        match character {
            '[' if !is_after_value => return Some("a list of its own".to_owned()),
            '(' => groups.push(is_after_value),
            ')' => drop(groups.pop()),
            ',' if groups.last() != Some(&true) => return Some("a list of its own".to_owned()),
            _ => {}
        }
        let goes_on = !is_apart && (character.is_alphanumeric() || character == '_');
        if !goes_on || before.ends_with(|last: char| !(last.is_alphanumeric() || last == '_')) {
            before.clear();
        }
        before.push(character);
        is_apart = false;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Result<Template, TemplateFault> {
        Template::parse(source, Wording::Body)
    }

    #[test]
    fn a_template_is_filled_in_with_what_it_names() {
        let source = "{{ environment|upper }}: {% for image in images %}{{ image.short }} {{ image.old }}→{{ image.new }}\
                      {% if not loop.last %}, {% endif %}{% endfor %} ({{ files|join(\", \") }})";
        let facts = Facts::sample();
        assert_eq!(parse(source).unwrap().render(&facts).unwrap(), "DEV: web 1.4.0→1.5.0 (dev/web.yaml)");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_what_to_do() {
        let fault = |source: &str| parse(source).unwrap_err();
        let unknown = fault("a\n{{ enviroment }}");
        assert_eq!((unknown.line, unknown.reason.as_str()), (Some(2), "there is no variable `enviroment`"));
        assert!(unknown.hint.unwrap().contains("environment"));
        assert_eq!(fault("\n{{ images[0].nam }}").line, Some(2));
        assert!(fault("{{ environment").reason.starts_with("this is no template"));
        assert!(fault("{{ environment|tojson }}").reason.contains("no such filter"));
        assert!(Template::parse("{{ gates }}", Wording::Title).unwrap_err().reason.contains("`gates`"));
        assert!(fault(&"x".repeat(LONGEST_SOURCE + 1)).reason.contains("bytes"));
    }

    #[test]
    fn nothing_lets_a_short_template_grow_into_a_long_text() {
        for source in [
            "{% set a = default ~ default %}{{ a }}",
            "{% with a = default %}{{ a }}{% endwith %}",
            "{{ \"x\" * 1000000 }}",
            "{% for a in [default, default] %}{{ a }}{% endfor %}",
            "{% for a in (default, default) %}{{ a }}{% endfor %}",
            "{{ {\"a\": default} }}",
            "{% for a in images recursive %}{{ loop(images) }}{% endfor %}",
            "{% filter upper %}x{% endfilter %}",
            "{{ '\\'' }}{{ [1] }}",
            "{% for a in [default ~ default] %}{{ a }}{% endfor %}",
            "{% if environment in [default] %}{% endif %}",
            "{{ default if (environment, group) else group }}",
        ] {
            let fault = parse(source).unwrap_err();
            assert!(
                fault.reason.contains("cannot be used") || fault.reason.contains("no template"),
                "{source}: {fault:?}"
            );
        }
        for source in
            ["{{ images[0].name }}", "{{ (environment) }}", "{{ files|join(', ') }}", "a, [b] * {c}", "{{ '[*' }}"]
        {
            assert!(parse(source).is_ok(), "{source}: {:?}", parse(source));
        }
        let many = vec!["f".to_owned(); 400];
        let facts = Facts { files: many, ..Facts::sample() };
        let nested = "{% for a in files %}{% for b in files %}{{ b }}{% endfor %}{% endfor %}";
        assert!(parse(nested).unwrap().render(&facts).unwrap_err().contains("too long"));
        let large = Facts { default: "x".repeat(600_000), ..Facts::sample() };
        assert!(parse("{{ default }}{{ default }}").unwrap().render(&large).unwrap_err().contains("come out"));
    }
}
