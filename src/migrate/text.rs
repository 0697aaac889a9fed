//! A draft as the text of a `.tagboat.yaml`, and a policy as the text of a marker.

use std::fmt::Write as _;

use crate::migrate::Draft;
use crate::model::environment::Publish;
use crate::model::policy::{Direction, Pin, Policy, Select};

impl Draft {
    /// Returns the configuration, with what could not be carried over as comments at its end.
    pub fn text(&self) -> String {
        let mut out = String::new();
        comments(&mut out, "", &self.heading);
        out.push_str("version: 1\n");
        out.push_str("\n# Which images are followed. The first rule that matches holds; no match, not followed.\n");
        out.push_str(if self.rules.is_empty() { "images: []\n" } else { "images:\n" });
        for rule in &self.rules {
            comments(&mut out, "  ", &rule.comments);
            line(&mut out, "  - match: ", &scalar(&rule.images));
            for (key, value) in policy_keys(&rule.policy) {
                line(&mut out, &format!("    {key}: "), &value);
            }
        }
        if !self.environments.is_empty() {
            out.push_str("\n# Where versions run. A file in no environment is never changed.\nenvironments:\n");
        }
        for environment in &self.environments {
            comments(&mut out, "  ", &environment.comments);
            line(&mut out, "  - name: ", &scalar(&environment.name));
            line(&mut out, "    files: ", &list(&environment.files));
            match &environment.after[..] {
                [] => {}
                [one] => line(&mut out, "    after: ", &scalar(one)),
                several => line(&mut out, "    after: ", &list(several)),
            }
            let publish = match environment.publish {
                Publish::Commit => "commit",
                Publish::PullRequest => "pullRequest",
                Publish::AutoMerge => "autoMerge",
            };
            line(&mut out, "    publish: ", publish);
        }
        if !self.formats.is_empty() {
            out.push_str("\n# References in files of other kinds.\nformats:\n");
        }
        for format in &self.formats {
            line(&mut out, "  - files: ", &list(&format.files));
            line(&mut out, "    regex: ", &scalar(&format.regex));
        }
        if self.author.is_some() || self.message.is_some() {
            out.push_str("\ncommit:\n");
        }
        if let Some((name, email)) = &self.author {
            line(&mut out, "  author: ", &scalar(&format!("{name} <{email}>")));
        }
        if let Some(message) = &self.message {
            line(&mut out, "  message: ", &scalar(message));
        }
        if !self.notes.is_empty() {
            out.push_str("\n# Not carried over, or to be looked at by a person:\n");
            let notes: Vec<String> = self.notes.iter().map(|note| format!("- {note}")).collect();
            comments(&mut out, "", &notes);
        }
        out
    }
}

fn line(out: &mut String, before: &str, value: &str) {
    out.push_str(before);
    out.push_str(value);
    out.push('\n');
}

/// Writes comments; whatever would end a line becomes a blank.
fn comments(out: &mut String, indent: &str, lines: &[String]) {
    for text in lines {
        let text: String = text.chars().map(|c| if c.is_control() || is_break(c) { ' ' } else { c }).collect();
        let _infallible = writeln!(out, "{indent}# {}", text.trim_end());
    }
}

/// Line ends that YAML 1.1 knows beyond the control characters.
fn is_break(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
    format!("[{}]", items.join(", "))
}

/// Writes a text as a YAML scalar: plain where nothing could misread it, else in quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./*@-".contains(&byte))
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_plain {
        return text.to_owned();
    }
    if text.chars().any(|c| c.is_control() || is_break(c) || c == '\u{feff}') {
        // JSON's escapes are a part of YAML's; what JSON leaves as it is and YAML would break at is escaped here.
        let mut quoted = serde_json::Value::from(text).to_string();
        for c in ['\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'] {
            quoted = quoted.replace(c, &format!("\\u{:04x}", c as u32));
        }
        return quoted;
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the keys of a policy with their values as YAML.
fn policy_keys(policy: &Policy) -> Vec<(&'static str, String)> {
    let select = select(policy);
    let mut keys = vec![(select.0, scalar(&select.1))];
    if matches!(select.1.as_str(), "true") {
        keys[0].1 = "true".to_owned();
    }
    if let Some(tags) = &policy.tags {
        keys.push(("tags", scalar(tags.0.as_str())));
    }
    if !policy.ignore.is_empty() {
        let ignore: Vec<String> = policy.ignore.iter().map(|pattern| pattern.0.as_str().to_owned()).collect();
        keys.push(("ignore", list(&ignore)));
    }
    if policy.prerelease {
        keys.push(("prerelease", "true".to_owned()));
    }
    if let Some(age) = policy.min_age {
        keys.push(("minAge", duration(age.as_secs())));
    }
    if policy.pin == Pin::Digest {
        keys.push(("pin", "digest".to_owned()));
    }
    if !policy.platforms.is_empty() {
        let platforms: Vec<String> = policy.platforms.iter().map(|platform| platform.0.clone()).collect();
        keys.push(("platforms", list(&platforms)));
    }
    keys
}

fn select(policy: &Policy) -> (&'static str, String) {
    let direction = |direction: &Direction| match direction {
        Direction::Ascending => "asc".to_owned(),
        Direction::Descending => "desc".to_owned(),
    };
    match &policy.select {
        Select::Range(range) => ("semver", range.text.clone()),
        Select::Step(step) => ("semver", step.as_str().to_owned()),
        Select::Calver(None) => ("calver", "true".to_owned()),
        Select::Calver(Some(format)) => ("calver", format.text.clone()),
        Select::Numeric(order) => ("numeric", direction(order)),
        Select::Alphabetical(order) => ("alphabetical", direction(order)),
        Select::Newest => ("newest", "true".to_owned()),
        Select::Digest(None) => ("digest", "true".to_owned()),
        Select::Digest(Some(tag)) => ("digest", tag.to_string()),
    }
}

fn duration(mut seconds: i64) -> String {
    let mut out = String::new();
    for (unit, length) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if seconds >= length {
            let _infallible = write!(out, "{}{unit}", seconds / length);
            seconds %= length;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Returns a policy as the marker that stands beside a reference.
///
/// `None` where a value holds both kinds of quotes, which no marker can.
pub(super) fn marker(policy: &Policy) -> Option<String> {
    let value = |text: &str| match text {
        _ if !text.is_empty() && !text.contains([' ', '\t', '"', '\'']) => Some(text.to_owned()),
        _ if !text.contains('"') => Some(format!("\"{text}\"")),
        _ if !text.contains('\'') => Some(format!("'{text}'")),
        _ => None,
    };
    let (key, select) = select(policy);
    let mut words = vec![format!("{key}={}", value(&select)?)];
    if let Some(tags) = &policy.tags {
        words.push(format!("tags={}", value(tags.0.as_str())?));
    }
    for pattern in &policy.ignore {
        words.push(format!("ignore={}", value(pattern.0.as_str())?));
    }
    if policy.prerelease {
        words.push("prerelease=true".to_owned());
    }
    if let Some(age) = policy.min_age {
        words.push(format!("minAge={}", duration(age.as_secs())));
    }
    if policy.pin == Pin::Digest {
        words.push("pin=digest".to_owned());
    }
    if !policy.platforms.is_empty() {
        let platforms: Vec<&str> = policy.platforms.iter().map(|platform| platform.0.as_str()).collect();
        words.push(format!("platforms={}", platforms.join(",")));
    }
    Some(format!("# tagboat: {}", words.join(" ")))
}
