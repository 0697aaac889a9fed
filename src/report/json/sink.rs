//! The buffer that rows are written into: strings, numbers, commas and line ends of JSON.

use std::fmt::{self, Write as _};
use std::io;

/// How much is gathered before it is handed on: large enough that a write costs little, small enough
/// to stay in the processor's cache.
const BUFFERED: usize = 64 << 10;

/// A buffer in front of a writer.
pub(super) struct Sink<'a> {
    buffer: Vec<u8>,
    scratch: String,
    out: &'a mut dyn io::Write,
}

impl<'a> Sink<'a> {
    pub(super) fn new(out: &'a mut dyn io::Write) -> Self {
        Self { buffer: Vec::with_capacity(BUFFERED + BUFFERED / 8), scratch: String::new(), out }
    }

    /// Appends JSON text as it is.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.buffer.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends bytes of JSON as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.buffer.extend_from_slice(bytes);
        self
    }

    /// Appends a string with its quotes.
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        escape_into(&mut self.buffer, text);
        self
    }

    /// Appends what a value prints as, as a string.
    pub(super) fn display(&mut self, value: &dyn fmt::Display) -> &mut Self {
        self.scratch.clear();
        write!(self.scratch, "{value}").expect("a String takes all that is written, and our Display never fails");
        escape_into(&mut self.buffer, &self.scratch);
        self
    }

    /// Appends a number.
    pub(super) fn number(&mut self, number: usize) -> &mut Self {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = number;
        loop {
            start -= 1;
            digits[start] = b"0123456789"[rest % 10];
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes(&digits[start..])
    }

    /// Appends a string, or `null`.
    pub(super) fn optional(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    /// Appends a number, or `null`.
    pub(super) fn optional_number(&mut self, number: Option<usize>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.raw("null"),
        }
    }

    /// Appends what a value prints as, as a string, or `null`.
    pub(super) fn optional_display<T: fmt::Display>(&mut self, value: Option<T>) -> &mut Self {
        match value {
            Some(value) => self.display(&value),
            None => self.raw("null"),
        }
    }

    /// Writes rows, a line each, with commas between them.
    pub(super) fn rows<T>(&mut self, rows: &[T], mut row: impl FnMut(&mut Self, &T)) -> io::Result<()> {
        self.fallible_rows(rows, |sink, item| {
            row(sink, item);
            Ok(())
        })
    }

    /// Writes rows that may hand on the buffer themselves.
    pub(super) fn fallible_rows<T>(
        &mut self,
        rows: &[T],
        mut row: impl FnMut(&mut Self, &T) -> io::Result<()>,
    ) -> io::Result<()> {
        for (index, item) in rows.iter().enumerate() {
            self.raw(if index == 0 { "\n" } else { ",\n" });
            row(self, item)?;
            self.drain()?;
        }
        if !rows.is_empty() {
            self.raw("\n");
        }
        Ok(())
    }

    /// Hands the buffer on once it is full.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFERED {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Hands on what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&std::mem::take(&mut self.buffer))?;
        self.out.flush()
    }
}

/// Appends a string with its quotes to a buffer.
pub(super) fn escape_into(buffer: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(buffer, text).expect("a string has a JSON form, and a Vec takes all bytes");
}
