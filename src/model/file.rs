//! Places in files: paths within a repository, lines and columns.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A path relative to the repository's root, with `/` between parts, never leading out of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoPath(Arc<str>);

impl RepoPath {
    /// Takes a path whose parts are plain names.
    ///
    /// Returns `None` for an empty or absolute path, one with a part `.` or `..`, an empty part,
    /// a backslash on its own is a plain character as Git has it.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
        text.split('/').all(plain).then(|| Self(text.into()))
    }

    /// Returns the path's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// Returns the folder's path, empty for a file at the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns what follows the last `.` of the file name, if anything does.
    pub fn extension(&self) -> Option<&str> {
        self.file_name().rsplit_once('.').map(|(_, extension)| extension)
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A line and a column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A half-open range of bytes of a file.
pub type Span = Range<usize>;

/// Finds the positions of ascending offsets in one walk over a text.
///
/// A byte order mark takes no column; `\r\n`, `\n` and a lone `\r` each end a line.
pub struct Positions<'a> {
    text: &'a str,
    offset: usize,
    position: Position,
}

impl<'a> Positions<'a> {
    /// Starts at the beginning of a text.
    pub fn new(text: &'a str) -> Self {
        let offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, offset, position: Position { line: 1, column: 1 } }
    }

    /// Returns the position of an offset, which must be a character boundary.
    ///
    /// An offset before the last one asked for starts the walk again.
    pub fn at(&mut self, offset: usize) -> Position {
        if offset < self.offset {
            *self = Self::new(self.text);
            if offset < self.offset {
                return self.position;
            }
        }
        let bytes = self.text.as_bytes();
        let mut line_start = None;
        let mut search = self.offset;
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[search..offset]) {
            let end = search + found;
            let is_pair = bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n');
            search = end + 1;
            if !is_pair {
                self.position.line += 1;
                line_start = Some(search);
            }
        }
        match line_start {
            Some(start) => self.position.column = 1 + self.text[start..offset].chars().count(),
            None => self.position.column += self.text[self.offset..offset].chars().count(),
        }
        self.offset = offset;
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let text = "\u{feff}a: ü\r\nb: x\rc\n\nd";
        let mut positions = Positions::new(text);
        let mut at = |needle: &str| {
            let position = positions.at(text.find(needle).unwrap());
            (position.line, position.column)
        };
        assert_eq!(at("a"), (1, 1));
        assert_eq!(at("ü"), (1, 4));
        assert_eq!(at("x"), (2, 4));
        assert_eq!(at("c"), (3, 1));
        assert_eq!(at("d"), (5, 1));
        assert_eq!(at("b"), (2, 1));
    }

    #[test]
    fn paths_stay_within_the_repository() {
        for text in ["", "/etc/passwd", "a/../b", "..", "a//b", "./a", "a/", "a\0b"] {
            assert_eq!(RepoPath::new(text), None, "{text:?}");
        }
        let path = RepoPath::new("envs/dev/ü web.yaml").unwrap();
        assert_eq!((path.folder(), path.file_name(), path.extension()), ("envs/dev", "ü web.yaml", Some("yaml")));
    }
}
