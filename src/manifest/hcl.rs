//! HCL: `image = "…"` of Terraform, OpenTofu, Nomad and others, the `name` of a `docker_image` resource, and the
//! default of a variable whose name ends in `image`.
//!
//! A lexer that knows strings, heredocs, comments and blocks; expressions are not evaluated.

use crate::manifest::finder::{Found, unite};
use crate::manifest::floor_boundary;
use crate::manifest::reference;
use crate::manifest::variable::{self, Token, Values};
use crate::model::file::Span;
use crate::model::image::shorten;
use crate::model::site::{Format, Named, PassedOverReason, SkipReason};

/// How deep blocks, objects and interpolations may nest before the rest of a file is left alone.
const MAX_DEPTH: usize = 200;

/// How much of an expression is looked at, in bytes; messages show less.
const MAX_SHOWN: usize = 256;

/// Machines and system containers, whose images are no container images.
const OTHER_IMAGES: [&str; 2] = ["incus_", "lxd_"];

/// Blocks and objects that only describe.
const WITHOUT_IMAGES: [&str; 4] = ["annotations", "labels", "tags", "triggers"];

/// Finds the references of an HCL file.
///
/// With them comes the reason why the rest was not looked into, where there is one.
pub(crate) fn find(text: &str) -> (Vec<Found>, Option<PassedOverReason>) {
    let mut file = File { text, at: 0, found: Vec::new(), blocks: Vec::new(), header: Vec::new() };
    let fault = file.read();
    (unite(file.found), fault)
}

struct File<'a> {
    text: &'a str,
    at: usize,
    found: Vec<Found>,
    /// The open braces; for those of blocks, their words: `resource`, `docker_image`, `web`.
    blocks: Vec<Vec<&'a str>>,
    /// The words since the last thing that is no word.
    header: Vec<&'a str>,
}

impl<'a> File<'a> {
    fn read(&mut self) -> Option<PassedOverReason> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'#' => self.skip_line(),
                b'/' if bytes.get(self.at + 1) == Some(&b'/') => self.skip_line(),
                b'/' if bytes.get(self.at + 1) == Some(&b'*') => {
                    let rest = &bytes[self.at + 2..];
                    self.at = memchr::memmem::find(rest, b"*/").map_or(bytes.len(), |end| self.at + 2 + end + 2);
                }
                b'"' => match string(self.text, self.at) {
                    Some(inner) => {
                        self.at = inner.end + 1;
                        self.header.push(&self.text[inner]);
                    }
                    None => self.skip_line(),
                },
                b'<' if bytes[self.at..].starts_with(b"<<") => self.heredoc(),
                b'{' => {
                    if self.blocks.len() >= MAX_DEPTH {
                        return Some(PassedOverReason::TooComplex(format!("nested more than {MAX_DEPTH} deep")));
                    }
                    self.blocks.push(std::mem::take(&mut self.header));
                    self.at += 1;
                }
                b'}' => {
                    self.blocks.pop();
                    self.header.clear();
                    self.at += 1;
                }
                b'=' | b':' => self.assignment(byte),
                b' ' | b'\t' => self.at += 1,
                _ if is_word(byte) => {
                    let length = bytes[self.at..].iter().take_while(|byte| is_word(**byte)).count();
                    self.header.push(&self.text[self.at..self.at + length]);
                    self.at += length;
                }
                _ => {
                    self.header.clear();
                    self.at += 1;
                }
            }
        }
        None
    }

    /// Takes what follows `key =` or, in an object, `key:`.
    fn assignment(&mut self, sign: u8) {
        let bytes = self.text.as_bytes();
        let header = std::mem::take(&mut self.header);
        self.at += 1;
        // `==`, `=>` and `::` assign nothing; `a ? b : c` has two words and more before its colon.
        let next = bytes.get(self.at).copied();
        if matches!(next, Some(b'=' | b'>')) || (sign == b':' && next == Some(b':')) {
            self.at += 1;
            return;
        }
        let &[key] = header.as_slice() else { return };
        self.at += bytes[self.at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if bytes.get(self.at) == Some(&b'{') {
            // The object that opens bears the name of its key.
            self.header.push(key);
            return;
        }
        let Some(wanted) = self.wanted(key) else { return };
        let value = match bytes.get(self.at) {
            // A string that does not close is no value.
            Some(b'"') => match string(self.text, self.at) {
                Some(inner) => Some(inner),
                None => return,
            },
            Some(b'{' | b'[' | b'<' | b'\n' | b'\r') | None => return,
            Some(_) => None,
        };
        let whole = value.filter(|inner| ends_value(&bytes[inner.end + 1..]));
        match (whole, wanted) {
            (Some(inner), _) => {
                self.at = inner.end + 1;
                self.take(&inner, wanted);
            }
            // A variable or an expression says nothing about whether it is an image.
            (None, Wanted::WhereTagged) => {}
            (None, Wanted::Always) => {
                let rest = &self.text[self.at..floor_boundary(self.text, self.at + MAX_SHOWN)];
                let end = rest.find(['\n', '\r', '#']).unwrap_or(rest.len());
                let written = rest[..end].trim_end_matches(['}', ',', ' ', '\t']);
                let mut reading = reference::read("");
                reading.written = shorten(written);
                reading.skipped = Some(SkipReason::Variable(shorten(written)));
                self.found.push(Found::from_line(Format::Hcl, self.at, reading, None));
            }
        }
    }

    /// Whether a key of the innermost block holds an image.
    fn wanted(&self, key: &str) -> Option<Wanted> {
        let of_block = |index: usize| self.blocks.last().and_then(|words| words.get(index).copied()).unwrap_or("");
        let is_other = |words: &Vec<&str>| {
            words.first().is_some_and(|word| WITHOUT_IMAGES.contains(word))
                || words.get(1).is_some_and(|word| OTHER_IMAGES.iter().any(|other| word.starts_with(other)))
        };
        if self.blocks.iter().any(is_other) {
            return None;
        }
        match (key, of_block(0), of_block(1)) {
            ("image", ..) | ("name", "resource", "docker_image") | ("name", "data", "docker_registry_image") => {
                Some(Wanted::Always)
            }
            ("default", "variable", name) if name.ends_with("image") => Some(Wanted::WhereTagged),
            (key, ..) if key.ends_with("_image") => Some(Wanted::WhereTagged),
            _ => None,
        }
    }

    fn take(&mut self, inner: &Span, wanted: Wanted) {
        let raw = &self.text[inner.clone()];
        let scheme = if raw.starts_with("docker://") { "docker://".len() } else { 0 };
        let raw = &raw[scheme..];
        if raw.trim().is_empty() || reference::is_address(raw) {
            return;
        }
        // HCL has no defaults within strings, so that no variable is filled in.
        let start = inner.start + scheme;
        let mut found = match raw.contains('$') {
            true => Found::from_line(Format::Hcl, start, reference::read(raw), None),
            false => variable::reference(raw, start, &Values::new(), Token::RAW, Format::Hcl),
        };
        found.named = self.named();
        if wanted == Wanted::Always || !found.slots.is_empty() {
            self.found.push(found);
        }
    }

    /// Returns what names the innermost block: the first word of each around it is its kind, the others are names.
    fn named(&self) -> Named {
        let words = self.blocks.iter().filter_map(|words| words.split_first());
        words.fold(Named::default(), |named, (kind, names)| {
            names.iter().fold(named.then(kind), |named, name| named.in_resource(Some(name), None))
        })
    }

    /// Skips `<<EOF` and `<<-EOF` with all lines up to the end mark.
    fn heredoc(&mut self) {
        self.header.clear();
        let rest = &self.text[self.at + 2..];
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let name = &rest[..rest.bytes().take_while(|byte| is_word(*byte)).count()];
        if name.is_empty() {
            self.at += 2;
            return;
        }
        self.skip_line();
        while self.at < self.text.len() {
            let start = self.at;
            self.skip_line();
            let line_end = self.at;
            self.at += usize::from(self.at < self.text.len());
            if self.text[start..line_end].trim() == name {
                return;
            }
        }
    }

    /// Goes to the end of the line, or one further where it stands there already.
    fn skip_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += length;
        self.header.clear();
    }
}

/// How sure a key is to hold an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// It holds one, whatever it says.
    Always,
    /// Only where the text has a tag or a digest.
    WhereTagged,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether a value ends here rather than going on as an expression.
fn ends_value(after: &[u8]) -> bool {
    let next = after.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    matches!(next, None | Some(b'\n' | b'}' | b',' | b')' | b']' | b'#' | b'/'))
}

/// Returns what stands in the quotes that open at an offset; `None` where they do not close.
fn string(text: &str, open: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let mut modes = vec![b'"'];
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        let in_text = modes.last() == Some(&b'"');
        match byte {
            b'\\' if in_text => at += 1,
            b'\n' if in_text => return None,
            b'$' | b'%'
                if in_text && bytes.get(at + 1) == Some(&b'{')
                // `$${` is a plain `${`.
                && bytes[at - 1] != byte =>
            {
                modes.push(b'{');
                at += 1;
            }
            b'{' if !in_text => modes.push(b'{'),
            b'}' if !in_text => drop(modes.pop()),
            b'"' if in_text => {
                modes.pop();
                if modes.is_empty() {
                    return Some(open + 1..at);
                }
            }
            b'"' => modes.push(b'"'),
            _ => {}
        }
        if modes.len() > MAX_DEPTH {
            return None;
        }
        at += 1;
    }
    None
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
        find(text).0.iter().map(shown).collect()
    }

    #[test]
    fn only_what_holds_an_image_is_found() {
        let text = "# image = \"a:1.0\"\n// image = \"a:1.0\"\n/* image = \"a:1.0\" */\nx = <<EOF\nimage = \"a:1.0\"\nEOF\n\
                    y = \"image = b:1.0\"\nimage = \"c:1.0\" # d\nmy_image = \"e\"\nweb_image = \"f:1.0\"\nz = { image: \"g:1.0\", \"image\" = \"h:1.0\" }\n";
        assert_eq!(found(text), ["c 1.0", "f 1.0", "g 1.0", "h 1.0"]);
    }

    #[test]
    fn expressions_and_interpolations_are_reported() {
        let text = "image = var.image\nimage = \"a:${var.x[\"k\"]}\"\nimage = cond ? \"a:1.0\" : \"b:1.0\"\nimage = {\n}\nimage = \"a:1.0\" == x\nimage == \"x:1.0\"\n";
        assert_eq!(
            found(text),
            [
                "var.image  (holds the variable var.image)",
                "a:${var.x[\\\"k\\\"]}  (holds the variable ${var.x[\\\"k\\\"]})",
                "cond ? \\\"a:1.0\\\" : \\\"b:1.0\\\"  (holds the variable cond ? \\\"a:1.0\\\" : \\\"b:1.0\\\")",
                "\\\"a:1.0\\\" == x  (holds the variable \\\"a:1.0\\\" == x)",
            ]
        );
    }

    #[test]
    fn the_block_says_what_a_key_means() {
        let text = "resource \"docker_image\" \"a\" {\n  name = \"a:1.0\"\n}\nresource \"lxd_instance\" \"b\" {\n  image = \"ubuntu:22.04\"\n}\n\
                    variable \"web_image\" {\n  default = \"c:1.0\"\n}\nvariable \"x\" {\n  default = \"d:1.0\"\n}\n\
                    config { image = \"docker://e:1.0\" }\nname = \"f:1.0\"\n";
        assert_eq!(found(text), ["a 1.0", "c 1.0", "e 1.0"]);
    }

    #[test]
    fn strings_that_do_not_close_end_with_their_line() {
        assert_eq!(found("x = \"image = \nimage = \"a:1.0\"\nimage = \"b:1.0\n"), ["a 1.0"]);
    }
}
