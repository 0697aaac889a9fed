//! JSON with comments and trailing commas, made readable for the YAML parser without moving a byte.
//!
//! Comments, and tabs between values, become blanks; strings stay as they are. Nothing of it is ever written.

use std::borrow::Cow;

/// Replaces comments and tabs outside of strings by as many blanks.
pub(crate) fn without_comments(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut blank: Vec<std::ops::Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |length| at + length);
                blank.push(at..end);
                at = end;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let close = memchr::memmem::find(&bytes[at + 2..], b"*/");
                let end = close.map_or(bytes.len(), |length| at + 2 + length + 2);
                blank.push(at..end);
                at = end;
            }
            b'\t' => {
                blank.push(at..at + 1);
                at += 1;
            }
            _ => at += 1,
        }
    }
    if blank.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in blank {
        masked.push_str(&text[done..range.start]);
        // Line ends within a comment stay, so that a column is still a column.
        masked.extend(
            text[range.clone()].bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }),
        );
        done = range.end;
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// Returns the offset behind the string that opens at an offset.
fn end_of_string(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at.min(bytes.len())..]) {
        at += found;
        match bytes[at] {
            b'\\' => at += 2,
            _ => return at + 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::without_comments;

    #[test]
    fn comments_become_blanks_of_the_same_length() {
        let text = "{ // ü \"x\"\r\n\t\"a\": \"// no /* no\", /* \"y\"\n */ \"b\\\"\": 1, }";
        let masked = without_comments(text);
        assert_eq!(masked.len(), text.len());
        assert_eq!(masked, "{          \r\n \"a\": \"// no /* no\",       \n    \"b\\\"\": 1, }");
        for text in ["{}", "\"", "\"\\", "/*", "//", "\"\\\"", "/"] {
            assert_eq!(without_comments(text).len(), text.len());
        }
    }
}
