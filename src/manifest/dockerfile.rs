//! Dockerfiles and Containerfiles: `FROM`, `COPY --from=`, `RUN --mount=…,from=`, `# syntax=`, and the defaults of
//! `ARG` that a `FROM` uses.
//!
//! Stages, numbers of stages and `scratch` are no images. Nothing is built: a name that only a build context
//! explains is read as an image.

use std::collections::HashSet;

use crate::manifest::finder::{Found, unite};
use crate::manifest::variable::{self, Token, Values};
use crate::model::file::Span;
use crate::model::site::{Format, SkipReason, Slot};

/// How many heredocs without an end may be looked for; each costs a walk over the rest of the file.
const MAX_OPEN_HEREDOCS: usize = 16;

/// Finds the references of a Dockerfile.
pub(crate) fn find(text: &str) -> Vec<Found> {
    find_with(text, Arguments::OfTheFile)
}

/// Finds the references of a Dockerfile within another file, whose reader fills in `$NAME` before Docker sees it.
pub(crate) fn find_inline(text: &str) -> Vec<Found> {
    find_with(text, Arguments::OfTheOuterFile)
}

/// Who fills in what stands behind a `$`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arguments {
    OfTheFile,
    OfTheOuterFile,
}

fn find_with(text: &str, arguments: Arguments) -> Vec<Found> {
    let mut file = File {
        text,
        arguments,
        found: Vec::new(),
        values: Values::new(),
        stages: HashSet::new(),
        has_stage: false,
        parts: Vec::new(),
        open_heredocs: 0,
    };
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let (escape, mut at) = file.directives(start);
    while let Some((words, end)) = instruction(text, at, escape) {
        at = file.after_heredocs(&words, end);
        file.read(&words);
    }
    file.refuse_parts();
    unite(file.found)
}

/// Returns the line that begins at an offset, without its end, and where the next one begins.
fn line_at(text: &str, start: usize) -> Option<(Span, usize)> {
    let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
    let length = memchr::memchr(b'\n', rest.as_bytes());
    let next = length.map_or(text.len(), |length| start + length + 1);
    let line = rest[..length.unwrap_or(rest.len())].trim_end_matches('\r');
    Some((start..start + line.len(), next))
}

/// Reads one instruction over all its lines: its words, and where the next one begins.
fn instruction(text: &str, start: usize, escape: char) -> Option<(Vec<Span>, usize)> {
    let mut words = Vec::new();
    let mut at = start;
    while let Some((line, next)) = line_at(text, at) {
        at = next;
        let content = text[line.clone()].trim_end();
        // Comments and empty lines between the lines of an instruction do not end it.
        if content.trim_start().starts_with('#') || content.is_empty() {
            continue;
        }
        let continued = content.strip_suffix(escape);
        words_of(continued.unwrap_or(content), line.start, &mut words);
        if continued.is_none() {
            return Some((words, at));
        }
    }
    (!words.is_empty()).then_some((words, at))
}

fn words_of(line: &str, base: usize, words: &mut Vec<Span>) {
    let mut at = 0;
    while let Some(found) = line[at..].find(|c: char| !c.is_whitespace()) {
        let start = at + found;
        let end = line[start..].find(char::is_whitespace).map_or(line.len(), |length| start + length);
        words.push(base + start..base + end);
        at = end;
    }
}

struct File<'a> {
    text: &'a str,
    arguments: Arguments,
    found: Vec<Found>,
    /// The build arguments that stand before the first stage.
    values: Values,
    /// The names of the stages, in small letters.
    stages: HashSet<String>,
    /// Whether a `FROM` was read: an `ARG` within a stage is not seen by any other.
    has_stage: bool,
    /// The values of arguments that are only a part of some tag.
    parts: Vec<Span>,
    open_heredocs: usize,
}

impl<'a> File<'a> {
    /// Reads the parser directives, which stand before everything else; returns the escape character.
    fn directives(&mut self, start: usize) -> (char, usize) {
        let mut escape = '\\';
        let mut at = start;
        while let Some((line, next)) = line_at(self.text, at) {
            let Some((key, value)) =
                self.text[line.clone()].trim_start().strip_prefix('#').and_then(|body| body.split_once('='))
            else {
                break;
            };
            let key = key.trim();
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                break;
            }
            let value_start = line.end - value.trim_start().len();
            match (key.to_ascii_lowercase().as_str(), value.trim()) {
                ("escape", "`") => escape = '`',
                ("syntax", reference) if !reference.is_empty() => {
                    self.reference(&(value_start..value_start + reference.len()), Expand::No);
                }
                _ => {}
            }
            at = next;
        }
        (escape, at)
    }

    /// Returns where the next instruction begins behind the heredocs that one opens.
    fn after_heredocs(&mut self, words: &[Span], end: usize) -> usize {
        let command = words.first().map_or("", |word| &self.text[word.clone()]);
        let command = match (command.eq_ignore_ascii_case("ONBUILD"), words.get(1)) {
            (true, Some(word)) => &self.text[word.clone()],
            _ => command,
        };
        if !["RUN", "COPY", "ADD"].iter().any(|known| command.eq_ignore_ascii_case(known)) {
            return end;
        }
        let mut at = end;
        for word in words {
            let word = &self.text[word.clone()];
            let Some(name) = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<") else { continue };
            let (has_tabs, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
            let name = unquoted(name);
            if name.is_empty() || name.contains('<') || self.open_heredocs >= MAX_OPEN_HEREDOCS {
                continue;
            }
            let mut line_start = at;
            let close = loop {
                let Some((line, next)) = line_at(self.text, line_start) else { break None };
                let content = &self.text[line];
                if (if has_tabs { content.trim_start_matches('\t') } else { content }) == name {
                    break Some(next);
                }
                line_start = next;
            };
            match close {
                Some(next) => at = next,
                // Text in quotes only looked like a heredoc.
                None => self.open_heredocs += 1,
            }
        }
        at
    }

    fn read(&mut self, words: &[Span]) {
        let Some((command, rest)) = words.split_first() else { return };
        let flags = rest.iter().take_while(|word| self.text[(*word).clone()].starts_with("--")).count();
        let (flags, rest) = rest.split_at(flags);
        match self.text[command.clone()].to_ascii_uppercase().as_str() {
            "FROM" => self.from(rest),
            "ARG" if !self.has_stage && self.arguments == Arguments::OfTheFile => {
                rest.iter().for_each(|word| self.argument(word));
            }
            "COPY" | "ADD" => flags.iter().for_each(|flag| self.flag(flag, "--from=")),
            "RUN" => flags.iter().for_each(|flag| self.mount(flag)),
            "ONBUILD" => self.read(rest),
            _ => {}
        }
    }

    fn from(&mut self, words: &[Span]) {
        if let Some(image) = words.first() {
            self.image(image, Expand::Arguments);
        }
        self.has_stage = true;
        if let [_, keyword, name, ..] = words
            && self.text[keyword.clone()].eq_ignore_ascii_case("AS")
        {
            self.stages.insert(self.text[name.clone()].to_lowercase());
        }
    }

    fn argument(&mut self, word: &Span) {
        let Some((name, value)) = self.text[word.clone()].split_once('=') else {
            self.values.remove(&self.text[word.clone()]);
            return;
        };
        let value = self.inside_quotes(&(word.end - value.len()..word.end));
        match variable::expand(&self.text[value.clone()], value.start, &self.values) {
            Some(expanded) if !expanded.text.is_empty() => self.values.insert(name.to_owned(), expanded),
            _ => self.values.remove(name),
        };
    }

    fn flag(&mut self, flag: &Span, prefix: &str) {
        if self.text[flag.clone()].starts_with(prefix) {
            self.image(&(flag.start + prefix.len()..flag.end), Expand::No);
        }
    }

    /// `--mount=type=bind,from=image:tag,target=/x`
    fn mount(&mut self, flag: &Span) {
        let Some(options) = self.text[flag.clone()].strip_prefix("--mount=") else { return };
        let mut at = flag.end - options.len();
        for option in options.split(',') {
            self.flag(&(at..at + option.len()), "from=");
            at += option.len() + 1;
        }
    }

    /// Takes what may be an image, a stage, the number of a stage, or `scratch`.
    fn image(&mut self, word: &Span, expand: Expand) {
        let inner = self.inside_quotes(word);
        let raw = &self.text[inner.clone()];
        let filled = match expand {
            Expand::Arguments => variable::expand(raw, inner.start, &self.values).map(|expanded| expanded.text),
            Expand::No => None,
        };
        let name = filled.as_deref().unwrap_or(raw);
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        if !(name.is_empty() || name == "scratch" || is_number || self.stages.contains(&name.to_lowercase())) {
            self.reference(&inner, expand);
        }
    }

    fn reference(&mut self, span: &Span, expand: Expand) {
        let raw = &self.text[span.clone()];
        let none = Values::new();
        let values = match expand {
            Expand::Arguments => &self.values,
            Expand::No => &none,
        };
        let found = variable::reference(raw, span.start, values, Token::RAW, Format::Dockerfile);
        if found.slots.is_empty()
            && let Some(expanded) = variable::expand(raw, span.start, values)
        {
            let is_elsewhere = |place: &Span| place.start < span.start || place.start >= span.end;
            self.parts.extend(expanded.places().filter(is_elsewhere));
        }
        self.found.push(found);
    }

    /// Refuses the arguments that another `FROM` makes a part of its tag: what that becomes is not known to exist.
    fn refuse_parts(&mut self) {
        self.parts.sort_unstable_by_key(|part| part.start);
        let parts = &self.parts;
        // Pieces of values never overlap by halves.
        let is_part = |slot: &Slot| {
            let after = parts.partition_point(|part| part.start < slot.span.end);
            after.checked_sub(1).is_some_and(|last| parts[last].end > slot.span.start)
        };
        for found in self.found.iter_mut().filter(|found| found.slots.iter().any(is_part)) {
            let reason = "another `FROM` uses the same argument as a part of its tag".to_owned();
            found.skipped.get_or_insert(SkipReason::Alias(reason));
        }
    }

    fn inside_quotes(&self, span: &Span) -> Span {
        let raw = &self.text[span.clone()];
        if unquoted(raw).len() == raw.len() { span.clone() } else { span.start + 1..span.end - 1 }
    }
}

/// Whether build arguments are filled in; Docker does so in `FROM` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expand {
    Arguments,
    No,
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote).and_then(|rest| rest.strip_suffix(*quote)))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::find;

    fn found(text: &str) -> Vec<String> {
        let shown = |find: &crate::manifest::finder::Found| {
            let slots: Vec<&str> = find.slots.iter().map(|slot| &text[slot.span.clone()]).collect();
            let skipped = find.skipped.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{} {}{skipped}", find.written, slots.join(" "))
        };
        find(text).iter().map(shown).collect()
    }

    #[test]
    fn stages_and_scratch_are_no_images() {
        let text = "FROM --platform=$BUILDPLATFORM web:1.4.0 AS Build\nfrom build as next\nFROM scratch\n\
                    COPY --from=build /a /b\nCOPY --chown=1:1 --from=0 /a /b\nCOPY --from=ghcr.io/acme/tool:2.0 /a /b\n";
        assert_eq!(found(text), ["web 1.4.0", "ghcr.io/acme/tool 2.0"]);
    }

    #[test]
    fn arguments_are_edited_where_their_default_stands() {
        let text = "ARG TAG=1.4.0 BASE=\"web:2.0\"\nFROM app:${TAG}\nARG BASE=other:1\nFROM $BASE\nFROM app:$NONE\n";
        assert_eq!(found(text), ["app 1.4.0", "web 2.0", "app:$NONE  (holds the variable $NONE)"]);
    }

    #[test]
    fn an_argument_that_is_a_part_of_a_tag_elsewhere_is_refused() {
        let text = "ARG TAG=1.4.0 HOST=ghcr.io\nFROM $HOST/app:${TAG}\nFROM app:${TAG}-slim\nFROM $HOST/web:2.0\n";
        assert_eq!(
            found(text),
            [
                "ghcr.io/app 1.4.0 (another `FROM` uses the same argument as a part of its tag)",
                "app  (holds the variable ${TAG})",
                "ghcr.io/web 2.0",
            ]
        );
    }

    #[test]
    fn one_argument_for_two_images_is_refused() {
        let text = "ARG TAG=1.4.0\nFROM one:$TAG\nFROM two:$TAG\n";
        assert!(found(text).iter().all(|line| line.contains("the same text stands for")), "{:?}", found(text));
    }

    #[test]
    fn heredocs_hold_no_instructions() {
        let text = "FROM a:1.0\nRUN <<EOF cat <<-'B'\nFROM b:1.0\nEOF\nFROM c:1.0\n\tB\nRUN echo \"<<X\"\nFROM d:1.0\n";
        assert_eq!(found(text), ["a 1.0", "d 1.0"]);
    }

    #[test]
    fn an_instruction_goes_on_over_comments_and_empty_lines() {
        let text = "# syntax = docker/dockerfile:1.7\n# escape=`\nFROM `\n# FROM x:1.0\n\n  a:1.0 `\r\n  AS b\r\nRUN --mount=type=bind,from=c:1.0,target=/x `\n  --mount=from=b true\n# syntax=no:1.0\n";
        assert_eq!(found(text), ["docker/dockerfile 1.7", "a 1.0", "c 1.0"]);
    }
}
