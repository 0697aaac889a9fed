//! The phrases of the sources: every text of three words or more that a person could get to read.

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Rooms whose texts are no reasons: help and pages, wire formats, queries to the cache, what a migration notes in its own file.
const ROOMS_WITHOUT: [&str; 12] = [
    "src/cli/",
    "src/main.rs",
    "src/demo/",
    "src/report/",
    "src/migrate/",
    "src/service/board/",
    "src/service/metrics.rs",
    "src/service/exchanges.rs",
    "src/publish/body.rs",
    "src/model/usage.rs",
    "src/config/repository/raw.rs",
    "src/config/service/raw.rs",
];

/// Macros whose texts go to the log, or say why something cannot happen.
const SILENT_MACROS: [&str; 8] = ["trace", "debug", "info", "warn", "error", "unreachable", "debug_assert", "assert"];

/// A phrase: its text with `…` for what is filled in, and the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Phrase {
    pub(super) text: String,
    pub(super) file: PathBuf,
}

/// Every phrase below `src`.
pub(super) fn phrases() -> Vec<Phrase> {
    texts().into_iter().filter(|phrase| is_phrase(&phrase.text)).collect()
}

/// Every text in the rooms that give reasons, once, however short.
pub(super) fn texts() -> Vec<Phrase> {
    let mut found = Vec::new();
    for file in files(Path::new("src")) {
        let name = file.to_str().unwrap();
        let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
        if is_test || ROOMS_WITHOUT.iter().any(|room| name.starts_with(room)) {
            continue;
        }
        found.extend(literals(name).into_iter().map(|text| Phrase { text, file: file.clone() }));
    }
    found.sort();
    found.dedup_by(|left, right| left.text == right.text);
    found
}

/// Every text of a source, less those of its tests.
pub(super) fn literals(file: &str) -> Vec<String> {
    let mut texts = Vec::new();
    walk(std::fs::read_to_string(file).unwrap().parse().unwrap(), &mut texts);
    texts
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Collects the texts of a stream, less those of tests, of logs and of `expect`.
fn walk(stream: TokenStream, found: &mut Vec<String>) {
    let mut is_of_tests = false;
    // The two tokens before, as text, where they are a name or a sign.
    let mut before = [String::new(), String::new()];
    for token in stream {
        let mut now = String::new();
        match token {
            TokenTree::Ident(name) => now = name.to_string(),
            TokenTree::Punct(sign) => {
                now = sign.to_string();
                if now == ";" {
                    is_of_tests = false;
                }
            }
            TokenTree::Literal(literal) => found.extend(text_of(&literal.to_string())),
            TokenTree::Group(group) if is_attribute(&before, &group) => {
                let attribute = group.stream().to_string();
                is_of_tests |= attribute.replace(' ', "") == "cfg(test)";
                if attribute.starts_with("error") {
                    walk(group.stream(), found);
                }
                // An attribute stands before an item, whatever stood before it.
                continue;
            }
            TokenTree::Group(group) => {
                if is_of_tests && group.delimiter() == Delimiter::Brace {
                    is_of_tests = false;
                } else if !is_of_tests && !is_silent(&before, &group) {
                    walk(group.stream(), found);
                }
            }
        }
        before = [std::mem::take(&mut before[1]), now];
    }
}

fn is_attribute(before: &[String; 2], group: &Group) -> bool {
    let is_inner = before[0] == "#" && before[1] == "!";
    group.delimiter() == Delimiter::Bracket && (before[1] == "#" || is_inner)
}

fn is_silent(before: &[String; 2], group: &Group) -> bool {
    let is_call = group.delimiter() == Delimiter::Parenthesis;
    is_call && (before[1] == "expect" || before[1] == "!" && SILENT_MACROS.contains(&before[0].as_str()))
}

/// The text of a string literal, with `…` for what is filled in and single blanks.
fn text_of(literal: &str) -> Option<String> {
    let raw = literal.strip_prefix('r').map(|rest| rest.trim_matches('#'));
    let body = raw.unwrap_or(literal).strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    let mut letters = body.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if raw.is_none() => match letters.next() {
                Some('n' | 't' | 'r' | '\n') => text.push(' '),
                Some(other) => text.push(other),
                None => {}
            },
            '{' if letters.peek() == Some(&'{') => text.extend(letters.next()),
            '}' if letters.peek() == Some(&'}') => text.extend(letters.next()),
            '{' => {
                letters.by_ref().find(|letter| *letter == '}');
                text.push('…');
            }
            other => text.push(other),
        }
    }
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether somebody would read it as a phrase, and no machine as its own.
fn is_phrase(text: &str) -> bool {
    let starts = [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE ",
        "CREATE ",
        "query(",
        "mutation(",
        "ssh -o",
        "application/",
        "text/plain",
    ];
    let words = text.split(' ').filter(|word| word.chars().any(|letter| letter.is_ascii_lowercase())).count();
    words >= 3 && !starts.iter().any(|start| text.starts_with(start))
}

#[test]
fn texts_are_found_where_a_person_could_read_them() {
    let source = r##"
        #![doc = "no words to be read"]
        #[doc = "nor these words here"]
        #[error("the host {host} is not there")]
        struct A;
        fn f() {
            held.expect("that is not to be read");
            warn!(a, "this goes to the log");
            let text = format!("{name} is \"not\" \
                there {{at all}}");
        }
        #[cfg(test)]
        mod tests { const A: &str = "texts of a test alone"; }
        const B: &str = r#"raw words of it"#;
    "##;
    let mut found = Vec::new();
    walk(source.parse().unwrap(), &mut found);
    assert_eq!(found, ["the host … is not there", "… is \"not\" there {at all}", "raw words of it"]);
}
