//! Tag filters as Go programs write them: a pattern for Go's `regexp`, and a template for its `Expand`.
//!
//! Entry point: [`filter`], which turns both into one pattern with the group `version`. Go's engine and Rust's `regex`
//! are kin (no look-around, linear time, unanchored, leftmost-first); what they spell differently is translated here.
//! A template that puts together what does not stand so in the tag is refused, never approximated.

use crate::model::image::shorten;
use crate::model::policy::TagPattern;
use crate::policy::pattern::{VERSION_GROUP, compile};

/// A group of a pattern: where it stands in the translated text, its brackets included.
#[derive(Debug, Clone, Default)]
struct Group {
    name: Option<String>,
    start: usize,
    end: usize,
}

/// Turns `pattern` and `extract` of Flux's `filterTags` into a pattern whose group `version` is what is compared.
///
/// # Errors
///
/// The reason in words: the pattern cannot be read, or the template gives a text that is no part of the tag.
pub fn filter(pattern: &str, extract: Option<&str>) -> Result<TagPattern, String> {
    let (mut text, groups) = translate(pattern)?;
    if let Some(template) = extract.filter(|template| !template.is_empty()) {
        text = extracting(&text, &groups, template)?;
    }
    compile(&text).map_err(|error| error.to_string())
}

/// Wraps what the template puts together into the group `version`.
fn extracting(text: &str, groups: &[Group], template: &str) -> Result<String, String> {
    let parts = parts(template, groups);
    let refuse = |why: &str| Err(format!("`extract: {}` {why}", shorten(template)));
    let Some(first) = parts.iter().position(|part| matches!(part, Part::Group(_))) else {
        return refuse("gives the same text for every tag, since it names no group of the pattern");
    };
    if let [Part::Group(0)] = parts[..] {
        return Ok(format!("(?<{VERSION_GROUP}>{text})"));
    }
    let Part::Group(index) = parts[first] else { return refuse("names no group") };
    if index == 0 {
        return refuse("repeats the whole tag");
    }
    if parts.len() == 1 {
        let at = groups[index].start + 1;
        return Ok(format!("{}?<{VERSION_GROUP}>{}", &text[..at], &text[at..]));
    }
    let (mut start, mut end) = (groups[index].start, groups[index].end);
    if let [Part::Literal(before)] = &parts[..first] {
        match text[..start].strip_suffix(&regex::escape(before)) {
            Some(rest) if !rest.ends_with('\\') => start = rest.len(),
            _ => return refuse("puts texts together that do not stand so in the tag"),
        }
    }
    for part in &parts[first + 1..] {
        let next = match part {
            Part::Literal(literal) => {
                text[end..].strip_prefix(&regex::escape(literal)).map(|rest| text.len() - rest.len())
            }
            Part::Group(index) if *index > 0 && groups[*index].start == end => Some(groups[*index].end),
            Part::Group(_) => None,
        };
        match next {
            Some(next) => end = next,
            None => return refuse("puts texts together that do not stand so in the tag"),
        }
    }
    if text[end..].starts_with(['?', '*', '+', '{']) {
        return refuse("takes a part that may stand several times or not at all");
    }
    Ok(format!("{}(?<{VERSION_GROUP}>{}){}", &text[..start], &text[start..end], &text[end..]))
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Group(usize),
}

/// Reads a template by the rules of Go's `Expand`: `$name` takes the longest run of letters, digits and `_`, so that
/// `$1x` is the group `1x` and not the group 1; `$$` is a dollar; a group that does not exist gives nothing.
fn parts(template: &str, groups: &[Group]) -> Vec<Part> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut parts: Vec<Part> = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some((name, after)) => (name, after),
                None => ("", rest),
            },
            None => rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
        };
        if name.is_empty() || !name.chars().all(is_word) {
            // Malformed: the dollar stands for itself.
            literal.push('$');
            continue;
        }
        rest = after;
        if let Some(index) = group_of(name, groups) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Group(index));
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

fn group_of(name: &str, groups: &[Group]) -> Option<usize> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let padded = name.len() > 1 && name.starts_with('0');
        return name.parse().ok().filter(|index| !padded && *index < groups.len());
    }
    groups.iter().position(|group| group.name.as_deref() == Some(name))
}

/// Writes a pattern of Go's as Rust's: names of groups are left out, since only their places matter.
///
/// The first group is the whole match.
fn translate(pattern: &str) -> Result<(String, Vec<Group>), String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut groups = vec![Group::default()];
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        match letter {
            '\\' => rest = escape(after, &mut out),
            '[' => rest = class(after, &mut out),
            '(' if after.starts_with('?') && !after.starts_with("?P<") && !after.starts_with("?<") => {
                // Flags alone, `(?i)`, open nothing that is closed later than themselves: it counts out.
                open.push(None);
                out.push('(');
                rest = after;
            }
            '(' => {
                let named = after.strip_prefix("?P<").or_else(|| after.strip_prefix("?<"));
                let (name, after) = match named.map(|named| named.split_once('>')) {
                    Some(Some((name, after))) => (Some(name.to_owned()), after),
                    Some(None) => return Err(format!("`{}`: the name of a group is not closed", shorten(pattern))),
                    None => (None, after),
                };
                open.push(Some(groups.len()));
                groups.push(Group { name, start: out.len(), end: out.len() });
                out.push('(');
                rest = after;
            }
            ')' => {
                out.push(')');
                if let Some(Some(index)) = open.pop() {
                    groups[index].end = out.len();
                }
                rest = after;
            }
            '{' if !is_repetition(after) => {
                out.push_str("\\{");
                rest = after;
            }
            _ => {
                out.push(letter);
                rest = after;
            }
        }
    }
    Ok((out, groups))
}

/// Whether `{` begins a repetition; in Go any other brace stands for itself.
fn is_repetition(after: &str) -> bool {
    let Some((inner, _)) = after.split_once('}') else { return false };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        None => number(inner),
        Some((least, most)) => number(least) && (most.is_empty() || number(most)),
    }
}

/// Translates what follows a backslash outside of a class; returns the rest.
fn escape<'p>(after: &'p str, out: &mut String) -> &'p str {
    if let Some(quoted) = after.strip_prefix('Q') {
        let (literal, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        out.push_str(&regex::escape(literal));
        return rest;
    }
    let octal = after.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    if after.starts_with('0') || octal > 1 {
        let code = u32::from_str_radix(&after[..octal], 8).unwrap_or_default();
        out.push_str(&format!("\\x{{{code:X}}}"));
        return &after[octal..];
    }
    let Some(letter) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = &after[letter.len_utf8()..];
    match letter {
        // In Rust these would be the edges of words.
        '<' | '>' => out.push(letter),
        'p' | 'P' | 'x' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |at| at + 1);
            out.push('\\');
            out.push(letter);
            out.push_str(&rest[..end]);
            return &rest[end..];
        }
        _ => {
            out.push('\\');
            out.push(letter);
        }
    }
    rest
}

/// Translates a class: Rust's know nested classes and set operators, Go's do not. Returns the rest.
fn class<'p>(after: &'p str, out: &mut String) -> &'p str {
    out.push('[');
    let mut rest = after;
    if let Some(inner) = rest.strip_prefix('^') {
        out.push('^');
        rest = inner;
    }
    let mut is_first = true;
    while let Some(letter) = rest.chars().next() {
        let next = &rest[letter.len_utf8()..];
        match letter {
            ']' if !is_first => {
                out.push(']');
                return next;
            }
            '\\' => {
                out.push('\\');
                out.extend(next.chars().next());
                rest = next.chars().next().map_or(next, |letter| &next[letter.len_utf8()..]);
                is_first = false;
                continue;
            }
            '[' if next.starts_with(':') && next.contains(":]") => {
                let end = next.find(":]").map_or(next.len(), |at| at + 2);
                out.push('[');
                out.push_str(&next[..end]);
                rest = &next[end..];
                is_first = false;
                continue;
            }
            '-' if next.starts_with('-') && !is_first => {
                out.push_str("-\\-");
                rest = &next[1..];
                continue;
            }
            '-' if next.starts_with('-') => out.push_str("\\-"),
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(letter);
            }
            _ => out.push(letter),
        }
        is_first = false;
        rest = next;
    }
    rest
}

/// Turns a glob of Go's `path.Match` over a whole tag into a pattern, as `ignore-tags` of Argo CD Image Updater has it.
///
/// # Errors
///
/// The reason in words.
pub fn glob(glob: &str) -> Result<TagPattern, String> {
    let mut text = String::from("^");
    let mut rest = glob;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = after;
        match letter {
            // A tag has no `/`, which is what a star would stop at.
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' => rest = class(after, &mut text),
            '\\' => {
                let escaped = after.chars().next().unwrap_or('\\');
                text.push_str(&regex::escape(&escaped.to_string()));
                rest = after.strip_prefix(escaped).unwrap_or(after);
            }
            _ => text.push_str(&regex::escape(&letter.to_string())),
        }
    }
    text.push('$');
    compile(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
