//! Where a stream's documents begin, found without parsing.
//!
//! A `---` in the first column ends any scalar that is open (YAML 1.2, section 9.1.2, `c-forbidden`), so
//! the stream can be cut there and each chunk parsed by itself: memory follows the largest document.

use crate::model::file::Span;

/// Cuts a text at each line that begins with `---`.
///
/// A stream with directives is not cut: `%TAG` belongs to the document after it.
pub(crate) fn chunks(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    if has_directive(bytes) {
        return std::iter::once(0..bytes.len()).collect();
    }
    let mut chunks = Vec::new();
    let mut start = 0;
    for mark in marks(bytes) {
        if mark > start {
            chunks.push(start..mark);
        }
        start = mark;
    }
    if start < bytes.len() {
        chunks.push(start..bytes.len());
    }
    chunks
}

/// Whether a line begins with `%`, which is a directive or too odd to be cut.
fn has_directive(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'%', bytes).any(|at| is_line_start(bytes, at))
}

/// Returns the offsets of the lines that begin with `---` and go on with a blank or end.
fn marks(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut search = 0;
    std::iter::from_fn(move || {
        while let Some(found) = memchr::memmem::find(&bytes[search..], b"---") {
            let at = search + found;
            let run = bytes[at..].iter().take_while(|byte| **byte == b'-').count();
            search = at + run;
            let ends = matches!(bytes.get(search), None | Some(b' ' | b'\t' | b'\n' | b'\r'));
            if run == 3 && ends && is_line_start(bytes, at) {
                return Some(at);
            }
        }
        None
    })
}

fn is_line_start(bytes: &[u8], at: usize) -> bool {
    match at {
        0 => true,
        3 if bytes.starts_with(b"\xef\xbb\xbf") => true,
        _ => matches!(bytes[at - 1], b'\n' | b'\r'),
    }
}
