//! The words of the commit by which a forge merges: those of the commit that it merges, whose trailers are the record of what was done.
//!
//! Entry point: [`Words::of`]. A repository may have told its forge to write a title alone into what it squashes.

/// The longest message that a forge is given, in bytes; one that is longer is left to the forge.
const LONGEST: usize = 60_000;

/// A message in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words<'a> {
    /// The first line.
    pub(super) subject: &'a str,
    /// What stands below it, with the trailers.
    pub(super) rest: &'a str,
    /// All of it.
    pub(super) whole: &'a str,
}

impl<'a> Words<'a> {
    /// Takes a message apart; `None` of one that is longer than forges are known to take.
    pub(super) fn of(message: &'a str) -> Option<Self> {
        let whole = message.trim();
        let (subject, rest) = whole.split_once('\n').unwrap_or((whole, ""));
        (whole.len() <= LONGEST).then_some(Self { subject: subject.trim_end(), rest: rest.trim(), whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_its_subject_and_the_rest_unless_it_is_too_long() {
        let words = Words::of("one\n\n- two\n\nTagboat-Key: 1\n").unwrap();
        assert_eq!((words.subject, words.rest), ("one", "- two\n\nTagboat-Key: 1"));
        assert_eq!(words.whole, "one\n\n- two\n\nTagboat-Key: 1");
        assert_eq!(Words::of("alone").unwrap(), Words { subject: "alone", rest: "", whole: "alone" });
        assert_eq!(Words::of(&"x".repeat(LONGEST + 1)), None);
    }
}
