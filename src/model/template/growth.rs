//! What templates may not hold: that by which text grows, work runs on, or expressions nest.
//!
//! Entry point: [`refuse_growth`].

use crate::model::template::TemplateFault;

/// The longest tag, in bytes outside of quotes: each sign of it may nest what the others make.
pub(super) const LONGEST_TAG: usize = 1000;

/// Words that would let a template make values of its own, which can double again and again.
const REFUSED_WORDS: [&str; 8] = ["set", "with", "macro", "call", "recursive", "filter", "do", "raw"];

/// The variables that may hold much.
const LONG: [&str; 7] = ["default", "notes", "summary", "files", "images", "gates", "events"];

/// What to write instead of values of a template's own.
const PLAIN: &str = "write what the variables hold; `if`, `for` and filters are there";

/// What to write instead of putting texts together.
const BESIDE: &str = "write the values one behind the other: `{{ environment }}: {{ summary }}`";

/// Words after which a value begins.
const OPERATORS: [&str; 9] = ["in", "if", "elif", "else", "and", "or", "not", "is", "for"];

/// Refuses what lets a few characters grow into gigabytes, run for minutes, or nest beyond any stack. Returns whether what is left
/// has instructions that may go over everything that is known.
pub(super) fn refuse_growth(source: &str) -> Result<bool, TemplateFault> {
    let mut rest = source;
    let mut is_costly = false;
    while let Some(at) = ["{{", "{%", "{#"].into_iter().filter_map(|open| rest.find(open)).min() {
        let start = source.len() - rest.len() + at;
        let inner = &rest[at + 2..];
        let close = match &rest[at..at + 2] {
            "{{" => "}}",
            "{%" => "%}",
            // What stands in a comment, quotes among it, means nothing.
            _ => {
                rest = inner.find("#}").map_or("", |end| &inner[end + 2..]);
                continue;
            }
        };
        let length = tag_length(inner, close);
        match growth(&inner[..length]) {
            Ok(costs) => is_costly |= costs,
            Err((what, hint)) => {
                return Err(TemplateFault {
                    line: Some(source[..start].matches('\n').count() + 1),
                    reason: format!("{what} cannot be used in these templates"),
                    hint: Some(hint.to_owned()),
                });
            }
        }
        rest = &inner[length..];
    }
    Ok(is_costly)
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

/// Names what of a tag could grow, and says what to do instead; else tells whether its instructions may go over everything that is
/// known.
fn growth(tag: &str) -> Result<bool, (String, &'static str)> {
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
    // At the ends they say what becomes of the white space outside.
    let bare = bare.strip_prefix(['-', '+']).unwrap_or(&bare);
    let bare = bare.strip_suffix(['-', '+']).unwrap_or(bare);
    let mut words = bare.split(|character: char| !is_of_word(character));
    if let Some(word) = words.find(|word| REFUSED_WORDS.contains(word)) {
        return Err((format!("`{word}`"), PLAIN));
    }
    if bare.len() > LONGEST_TAG {
        return Err((format!("a tag of more than {LONGEST_TAG} bytes"), "split it"));
    }
    if bare.contains('*') || bare.contains('{') {
        return Err(("`*` and `{`".to_owned(), PLAIN));
    }
    if bare.contains('~') {
        return Err(("`~`".to_owned(), BESIDE));
    }
    let tokens = tokens(bare);
    let is_beside = |at: usize| !is_sum(&tokens[..at], &tokens[at + 1..]);
    if tokens.iter().enumerate().any(|(at, token)| *token == "+" && is_beside(at)) {
        return Err(("`+` without a number beside it".to_owned(), BESIDE));
    }
    if tokens.windows(3).any(|three| three == ["cycle", "(", ")"]) {
        return Err(("`cycle` of nothing".to_owned(), "name what it goes through"));
    }
    // What stands before a bracket tells whether it takes something out of a value, or makes one.
    let mut before = String::new();
    let mut is_apart = true;
    let mut groups = Vec::new();
    let mut colons = Vec::new();
    for character in bare.chars() {
        if character.is_whitespace() {
            is_apart = true;
            continue;
        }
        let ends_value = before.ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | ')' | ']' | '"'));
        let is_after_value = ends_value && !OPERATORS.contains(&before.as_str());
        match character {
            '[' if !is_after_value => return Err(("a list of its own".to_owned(), PLAIN)),
            '[' => colons.push(0),
            ']' => drop(colons.pop()),
            ':' => match colons.last_mut() {
                Some(count) if *count > 0 => return Err(("a slice with steps".to_owned(), PLAIN)),
                Some(count) => *count += 1,
                None => {}
            },
            '(' => groups.push(is_after_value),
            ')' => drop(groups.pop()),
            ',' if groups.last() != Some(&true) => return Err(("a list of its own".to_owned(), PLAIN)),
            _ => {}
        }
        let goes_on = !is_apart && is_of_word(character);
        if !goes_on || before.ends_with(|last: char| !is_of_word(last)) {
            before.clear();
        }
        before.push(character);
        is_apart = false;
    }
    Ok(is_costly(&tokens))
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Cuts a tag into words and signs; each text in quotes is one.
fn tokens(bare: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = bare.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_sign = |character: char| matches!(character, '=' | '!' | '<' | '>');
        let goes_on = |character: char| {
            if is_of_word(first) { is_of_word(character) } else { is_sign(first) && is_sign(character) }
        };
        let after = rest[first.len_utf8()..].trim_start_matches(goes_on);
        tokens.push(&rest[..rest.len() - after.len()]);
        rest = after.trim_start();
    }
    tokens
}

fn is_number(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether one side of a `+` is a whole number, of which nothing else is made: then no texts are put together.
fn is_sum(before: &[&str], after: &[&str]) -> bool {
    let ends_it = match before {
        [.., ".", _] => false,
        [.., last] => is_number(last),
        [] => false,
    };
    let makes_more = |next: &&str| matches!(*next, "." | "|" | "[" | "(");
    ends_it || after.first().is_some_and(|first| is_number(first)) && !after.get(1).is_some_and(makes_more)
}

/// Whether an instruction of a tag may go over everything that is known: a search, a comparison, or what takes something out.
fn is_costly(tokens: &[&str]) -> bool {
    tokens.iter().enumerate().any(|(at, token)| {
        let (before, after) = (&tokens[..at], &tokens[at + 1..]);
        match *token {
            "changed" => true,
            "in" => !(tokens[0] == "for" && !before.contains(&"in") || ends_short(before) && begins_short(after)),
            "==" | "!=" | "<" | ">" | "<=" | ">=" => !(ends_short(before) || begins_short(after)),
            "[" => {
                let is_near = |place: &str| place == "\"" || place.len() < 4 && is_number(place);
                !(ends_short(before) || matches!(after, [place, "]", ..] if is_near(place)))
            }
            // A number behind a dot is a place, too.
            "." => after.first().is_some_and(|place| place.len() > 3 && is_number(place)),
            _ => false,
        }
    })
}

/// Whether the value that ends there is short.
fn ends_short(before: &[&str]) -> bool {
    match before {
        [.., "|", filter] => *filter == "length",
        [.., ".", _] => true,
        [.., last] => *last == "\"" || last.starts_with(is_of_word) && !LONG.contains(last),
        [] => false,
    }
}

/// Whether the value that begins there is short.
fn begins_short(after: &[&str]) -> bool {
    match after {
        [_, "|", "length", ..] => true,
        [_, ".", _, "(", ..] | [_, "(", ..] => false,
        [first, ..] => *first == "\"" || first.starts_with(is_of_word) && !LONG.contains(first),
        [] => false,
    }
}
