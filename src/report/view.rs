//! How a report for people should look: width, colour, and how much of it.

/// How much a report for people tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// `-q`: without the diff and the lists of what was passed by.
    Quiet,
    /// Long lists are condensed.
    #[default]
    Normal,
    /// `-v`: everything, a line each.
    Verbose,
}

/// The width that is assumed where nobody names one.
const DEFAULT_WIDTH: usize = 80;

/// The narrowest that tables can be laid out in.
const NARROWEST: usize = 40;

/// How a report for people should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The columns there are; less than 40 is taken as 40.
    pub width: usize,
    /// Whether to colour.
    pub color: bool,
    /// How much to tell.
    pub verbosity: Verbosity,
}

impl Default for View {
    fn default() -> Self {
        Self { width: DEFAULT_WIDTH, color: false, verbosity: Verbosity::Normal }
    }
}

impl View {
    /// Returns the width that layouts use.
    pub(super) fn columns(&self) -> usize {
        self.width.max(NARROWEST)
    }

    /// Whether every row is wanted.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbosity >= Verbosity::Verbose
    }

    /// Whether only the results are wanted.
    pub(super) fn is_quiet(&self) -> bool {
        self.verbosity <= Verbosity::Quiet
    }
}
