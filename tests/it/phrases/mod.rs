//! Troubleshooting: every reason that the product can give is explained there, and nothing that it cannot say.
//!
//! Reasons that have a type are made from it, so that a new one does not compile before it has a sample here. Those that are free
//! text are read from the sources.

use std::collections::BTreeSet;

use source::{Phrase, phrases, texts};

mod source;
mod typed;

/// Where what is never said by itself is listed: words for a gap of another phrase, and hints, which are the advice.
const PARTS: &str = "tests/data/phrases/parts.txt";

/// What the page says that the product says: words with `…` for what may stand there.
struct Pattern {
    text: String,
    line: usize,
}

impl Pattern {
    fn matches(&self, phrase: &str) -> bool {
        let mut parts = self.text.split('…');
        let Some(mut rest) = parts.next().and_then(|begin| phrase.strip_prefix(begin)) else { return false };
        let Some(end) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(end)
    }
}

/// The patterns of the page, in the first cell of a row, or behind a rule's name in the second: in quotes, several by ` · `.
fn patterns() -> Vec<Pattern> {
    let page = std::fs::read_to_string("docs/troubleshooting.md").unwrap();
    let cells = page.lines().enumerate().filter_map(|(number, row)| {
        let second = row.strip_prefix("| `").and_then(|row| row.split(" | ").nth(1));
        let first = row.starts_with("| \"").then(|| row.split(" | ").next().unwrap());
        Some((number + 1, first.or(second)?))
    });
    let quoted = cells.flat_map(|(line, cell)| {
        cell.split('"').skip(1).step_by(2).map(move |text| Pattern { text: text.replace("\\|", "|"), line })
    });
    quoted.collect()
}

fn parts() -> BTreeSet<String> {
    std::fs::read_to_string(PARTS).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_reason_that_has_a_type_is_explained() {
    let patterns = patterns();
    for said in typed::said() {
        let is_told = patterns.iter().any(|pattern| pattern.matches(&said));
        assert!(is_told, "docs/troubleshooting.md does not explain: {said}");
    }
}

#[test]
fn every_reason_in_words_is_explained() {
    let (patterns, parts) = (patterns(), parts());
    let is_told =
        |phrase: &&Phrase| parts.contains(&phrase.text) || patterns.iter().any(|pattern| pattern.matches(&phrase.text));
    let missing: Vec<Phrase> = phrases().into_iter().filter(|phrase| !is_told(&phrase)).collect();
    let rows: Vec<String> =
        missing.iter().map(|phrase| format!("{}: {}", phrase.file.display(), phrase.text)).collect();
    assert!(
        rows.is_empty(),
        "{} reasons are not explained in docs/troubleshooting.md (what is said within another one, or as a hint, belongs in {PARTS}):\n{}",
        rows.len(),
        rows.join("\n")
    );
}

#[test]
fn nothing_is_explained_that_is_never_said() {
    let (texts, typed) = (texts(), typed::said());
    for pattern in patterns() {
        let is_said =
            texts.iter().any(|phrase| pattern.matches(&phrase.text)) || typed.iter().any(|said| pattern.matches(said));
        assert!(is_said, "docs/troubleshooting.md:{}: nothing says: {}", pattern.line, pattern.text);
        let letters = pattern.text.chars().filter(|letter| letter.is_alphanumeric()).count();
        assert!(letters >= 4, "docs/troubleshooting.md:{}: that would match anything: {}", pattern.line, pattern.text);
    }
    let said: BTreeSet<String> = texts.into_iter().map(|phrase| phrase.text).collect();
    let gone: Vec<String> = parts().difference(&said).cloned().collect();
    assert!(gone.is_empty(), "{PARTS} lists what stands in no source:\n{}", gone.join("\n"));
}

#[test]
fn every_exit_code_and_every_rule_of_check_is_explained() {
    let page = std::fs::read_to_string("docs/troubleshooting.md").unwrap();
    for (code, name) in typed::exits() {
        assert!(page.contains(&format!("\n| {code} | {name} |")), "the exit code {code}");
    }
    let files = ["check", "permissions", "registries", "unanswered", "asked", "elsewhere/mod", "elsewhere/circles"]
        .map(|name| format!("src/pass/{name}.rs"));
    let texts = files.iter().map(String::as_str).chain(["src/cli/check.rs"]).map(source::literals);
    let mut literals: BTreeSet<String> = texts.flatten().collect();
    // Wherever else a finding is made.
    for entry in std::fs::read_dir("src/pass").unwrap() {
        let path = entry.unwrap().path();
        let text = if path.is_file() { std::fs::read_to_string(&path).unwrap() } else { String::new() };
        literals.extend(text.split("rule: \"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    let cells = page.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").next().unwrap());
    let told: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let is_rule =
        |text: &str| text.contains('-') && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    for rule in literals.iter().filter(|text| is_rule(text) && !text.starts_with('-')) {
        assert!(told.contains(rule.as_str()), "the rule {rule} of check");
    }
    for rule in told {
        assert!(literals.contains(rule), "no rule of check is called {rule}");
    }
}

#[test]
fn patterns_match_in_order_and_as_a_whole() {
    let matches = |pattern: &str, phrase: &str| Pattern { text: pattern.to_owned(), line: 1 }.matches(phrase);
    assert!(matches("out of range", "out of range"));
    assert!(!matches("out of range", "out of ranges"));
    assert!(matches("… is no …", "`x` is no glob: …"));
    assert!(!matches("… is no …", "what is it"));
    assert!(matches("held: …", "held: … by …") && !matches("held: …", "it is held: …"));
    assert!(!matches("a … a", "a"));
}
