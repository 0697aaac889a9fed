//! Text within a scalar: which byte of the file each byte of the value comes from.
//!
//! Works for literal and folded scalars, whose lines stand in the file as they are, and for a quoted one on a single
//! line without escapes. Plain scalars hold no YAML of their own.

use crate::model::file::Span;
use crate::model::site::ScalarStyle;

/// One line of the file that is part of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    /// Where it begins in the value.
    inner: usize,
    /// Where it begins in the file, behind the indentation.
    outer: usize,
    /// How long it is.
    length: usize,
}

/// The lines of a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded {
    lines: Vec<Line>,
}

impl Embedded {
    /// Aligns a scalar's value with its bytes; `None` where they do not fit.
    pub(crate) fn of(text: &str, token: &Span, style: ScalarStyle, value: &str) -> Option<Self> {
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {}
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let inner = text.get(token.start + 1..token.end.checked_sub(1)?)?;
                let line = Line { inner: 0, outer: token.start + 1, length: inner.len() };
                return (inner == value).then(|| Self { lines: vec![line] });
            }
            ScalarStyle::Plain | ScalarStyle::Raw => return None,
        }
        let first = value.lines().find(|line| !line.trim_matches(' ').is_empty())?;
        let own_indent = first.len() - first.trim_start_matches(' ').len();
        let mut indent = None;
        let mut lines = Vec::new();
        let mut inner = 0;
        let mut outer = content_start(text, token)?;
        while outer < text.len() {
            let rest = &text[outer..];
            let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
            let raw = &rest[..end];
            let blanks = raw.len() - raw.trim_start_matches(' ').len();
            if blanks < raw.len() || indent.is_some_and(|indent| blanks > indent) {
                let indent = *indent.get_or_insert(blanks.checked_sub(own_indent)?);
                let line = raw.get(indent..).filter(|_| blanks >= indent);
                inner += value[inner..].len() - value[inner..].trim_start_matches('\n').len();
                let fits = |at: usize| line.filter(|line| value.get(at..).is_some_and(|rest| rest.starts_with(line)));
                let is_folded = value[inner..].starts_with(' ') && fits(inner).is_none();
                let at = inner + usize::from(is_folded);
                let Some(line) = fits(at) else {
                    // What follows the value is no part of it.
                    return value[inner..].trim().is_empty().then_some(Self { lines });
                };
                lines.push(Line { inner: at, outer: outer + indent, length: line.len() });
                inner = at + line.len();
                if inner == value.len() {
                    break;
                }
            }
            let line_end = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
            outer += end + line_end;
        }
        value[inner..].trim().is_empty().then_some(Self { lines })
    }

    /// Returns the offset in the file of an offset in the value.
    pub(crate) fn outer(&self, inner: usize) -> Option<usize> {
        let after = self.lines.partition_point(|line| line.inner <= inner);
        let line = self.lines.get(after.checked_sub(1)?)?;
        // The end of the value may lie behind line ends that no line holds.
        Some(line.outer + (inner - line.inner).min(line.length))
    }

    /// Returns the offset in the value of an offset in the file.
    pub(crate) fn inner(&self, outer: usize) -> Option<usize> {
        let after = self.lines.partition_point(|line| line.outer <= outer);
        let line = self.lines.get(after.checked_sub(1)?)?;
        (outer - line.outer <= line.length).then(|| line.inner + outer - line.outer)
    }

    /// Returns the bytes of the file of a range of the value.
    pub(crate) fn outer_span(&self, inner: &Span) -> Option<Span> {
        Some(self.outer(inner.start)?..self.outer(inner.end)?)
    }

    /// Returns the range of the value of bytes of the file.
    pub(crate) fn inner_span(&self, outer: &Span) -> Option<Span> {
        Some(self.inner(outer.start)?..self.inner(outer.end)?)
    }
}

/// Returns where the first line of a block scalar's content begins; the parser's token begins behind its indentation.
fn content_start(text: &str, token: &Span) -> Option<usize> {
    let before = text.get(..token.start)?;
    Some(before.rfind(['\n', '\r']).map_or(0, |end| end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Limits;
    use crate::manifest::yaml::{Detail, build};

    /// Aligns the value of the key `a` and returns, for each line, its text in the value and in the file.
    fn lines(text: &str) -> Option<Vec<(String, String)>> {
        let tree = build::parse(text, &(0..text.len()), &Limits::default(), Detail::Nodes).unwrap();
        let node = tree.own(tree.roots()[0], "a").unwrap();
        let value = tree.text(node).unwrap();
        let embedded = Embedded::of(text, &tree.span(node), tree.style(node).unwrap(), value)?;
        let both = |line: &Line| {
            let inner = value[line.inner..line.inner + line.length].to_owned();
            (inner, text[line.outer..line.outer + line.length].to_owned())
        };
        Some(embedded.lines.iter().map(both).collect())
    }

    #[test]
    fn every_line_of_a_block_scalar_is_found_in_the_file() {
        let cases = [
            "a: |\n  x: 1\n  y:\n    z: 2\nb: 1\n",
            "a: |-\n\n  x: 1\n\n\n  y:\n    z: 2\nb: 1\n",
            "a: |+ # why\n  x: 1\n  y:\n    z: 2\n\n\nb: 1\n",
            "a: |2\n    x: 1\n  y:\n    z: 2\n",
            "a: >\n  x: 1\n\n  y:\n    z: 2\nb: 1\n",
            "a: >-\n  x: 1\n  y:\n    z: 2\n",
            "a: &b !!str |\n x: 1\n y:\n   z: 2",
            "a: |\n  x: 1 \n   \n  y:\n    z: ü\n...\n",
            "a: |\n  # x\n  y:\n    z: 2\n# end\nb: 1\n",
        ];
        for text in cases.iter().flat_map(|text| [(*text).to_owned(), text.replace('\n', "\r\n")]) {
            let lines = lines(&text).unwrap_or_else(|| panic!("{text:?}"));
            assert!(lines.len() >= 3, "{text:?}: {lines:?}");
            for (inner, outer) in lines {
                assert_eq!(inner, outer, "{text:?}");
            }
        }
    }

    #[test]
    fn quoted_text_is_aligned_where_it_stands_as_it_is() {
        for text in ["a: '[{\"x\": 1}]'", "a: \"[{x: ü}]\" # c", "a: ''"] {
            let lines = lines(text).unwrap();
            assert!(lines.len() == 1 && lines[0].0 == lines[0].1, "{text:?}: {lines:?}");
        }
        for text in ["a: x", "a: \"x: 1\\ny: 2\"", "a: 'it''s'", "a: 'x\n  y'", "a: |\n\n\nb: 1\n"] {
            assert_eq!(lines(text), None, "{text:?}");
        }
    }
}
