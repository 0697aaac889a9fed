//! The page that reports are written on: lines, prose that wraps, and a buffer in front of the writer.

use std::io;

use crate::report::View;
use crate::report::text::ink::{Tone, clean, fitting, paint, width};

/// How much is gathered before it is handed on; a terminal's stream would else be flushed each line.
const BUFFERED: usize = 64 << 10;

/// A page of a width, with a writer behind it.
pub(super) struct Page<'a> {
    pub(super) view: &'a View,
    buffer: String,
    out: &'a mut dyn io::Write,
    is_first: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(view: &'a View, out: &'a mut dyn io::Write) -> Self {
        Self { view, buffer: String::new(), out, is_first: true }
    }

    /// Writes a line that is laid out, cleaned and coloured already.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.is_first = false;
        self.buffer.push_str(line);
        self.buffer.push('\n');
        if self.buffer.len() >= BUFFERED {
            self.out.write_all(self.buffer.as_bytes())?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes an empty line, unless nothing was written before.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        if self.is_first { Ok(()) } else { self.line("") }
    }

    /// Writes a title after a gap.
    pub(super) fn title(&mut self, title: &str) -> io::Result<()> {
        self.gap()?;
        let painted = paint(self.view, Tone::Strong, title);
        self.line(&painted)
    }

    /// Writes text from outside as a paragraph: cleaned, wrapped between words, its first line indented by
    /// `indent` and the others by `hanging`. A word that is longer than a line is broken.
    pub(super) fn prose(&mut self, indent: usize, hanging: usize, spans: &[(Tone, &str)]) -> io::Result<()> {
        let columns = self.view.columns();
        let mut line = Line::new(indent);
        for (tone, text) in spans {
            let text = clean(text);
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                let mut rest = word;
                if !line.is_empty() && line.taken + 1 + width(rest) > columns {
                    self.flush(&mut line, hanging)?;
                }
                while line.taken + usize::from(!line.is_empty()) + width(rest) > columns {
                    let fits = fitting(rest.chars(), columns - line.taken);
                    // A first character that is wider than the line, or a sequence that measures more than its
                    // parts: at least one character goes, so that the loop ends.
                    let fits = if fits == 0 { rest.chars().next().map_or(rest.len(), char::len_utf8) } else { fits };
                    line.word(*tone, &rest[..fits]);
                    self.flush(&mut line, hanging)?;
                    rest = &rest[fits..];
                }
                if !rest.is_empty() {
                    line.word(*tone, rest);
                }
            }
        }
        if line.is_empty() { Ok(()) } else { self.flush(&mut line, hanging) }
    }

    fn flush(&mut self, line: &mut Line, hanging: usize) -> io::Result<()> {
        let done = std::mem::replace(line, Line::new(hanging));
        let mut painted = " ".repeat(done.indent);
        for (index, (tone, words)) in done.runs.iter().enumerate() {
            if index > 0 {
                painted.push(' ');
            }
            painted.push_str(&paint(self.view, *tone, words));
        }
        self.line(&painted)
    }

    /// Hands on what is left.
    pub(super) fn finish(self) -> io::Result<()> {
        self.out.write_all(self.buffer.as_bytes())?;
        self.out.flush()
    }
}

/// A line of prose that is being filled: words of one colour after another are one run.
struct Line {
    indent: usize,
    runs: Vec<(Tone, String)>,
    taken: usize,
}

impl Line {
    fn new(indent: usize) -> Self {
        Self { indent, runs: Vec::new(), taken: indent }
    }

    fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    fn word(&mut self, tone: Tone, word: &str) {
        self.taken += usize::from(!self.is_empty()) + width(word);
        match self.runs.last_mut() {
            Some((last, words)) if *last == tone => {
                words.push(' ');
                words.push_str(word);
            }
            _ => self.runs.push((tone, word.to_owned())),
        }
    }
}
