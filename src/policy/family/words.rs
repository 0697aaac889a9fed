//! The words that make a piece of a tag a pre-release or a revision, and how pre-releases are ordered.

use std::cmp::Ordering;

/// Words of pre-releases in lower case, with their rank. Equal ranks are ordered by their text.
const PRE_RELEASES: [(&str, u8); 25] = [
    ("dev", 0),
    ("devel", 0),
    ("develop", 0),
    ("nightly", 0),
    ("snapshot", 0),
    ("canary", 0),
    ("edge", 0),
    ("unstable", 0),
    ("experimental", 0),
    ("a", 1),
    ("alpha", 1),
    ("b", 2),
    ("beta", 2),
    ("m", 3),
    ("milestone", 3),
    ("ea", 3),
    ("tp", 3),
    ("pre", 4),
    ("preview", 4),
    ("prerelease", 4),
    ("next", 4),
    ("rc", 5),
    ("cr", 5),
    ("c", 5),
    ("candidate", 5),
];

/// Words whose number says how often the same version was built again.
const REVISIONS: [&str; 15] =
    ["r", "rev", "revision", "b", "build", "bld", "ls", "v", "p", "post", "k3s", "rke2r", "eksbuild", "gke", "rancher"];

/// Words before the version that may be glued to it. Any single letter may, too.
const MARKERS: [&str; 6] = ["release", "rel", "version", "ver", "build", "rev"];

/// Whether a piece joins its number to the word before as a part of the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// `3.14.0a2`: right after the number.
    Glued,
    /// `3.14.0-a2`: after a separator.
    Separated,
}

/// Splits a piece into its leading letters and the rest.
fn split(piece: &str) -> (&str, &str) {
    let letters = piece.bytes().take_while(u8::is_ascii_alphabetic).count();
    piece.split_at(letters)
}

fn rank(word: &str) -> Option<u8> {
    PRE_RELEASES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, rank)| *rank)
}

/// Whether a piece is a pre-release. A single letter is one only with a number, and `b` only when it is glued:
/// `-b12` is a build.
pub(super) fn is_pre_release(piece: &str, joint: Joint) -> bool {
    let (word, rest) = split(piece);
    let numbered = rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match word.len() {
        0 => false,
        1 => {
            let separated = joint == Joint::Separated;
            let letter = word.as_bytes()[0].to_ascii_lowercase();
            rank(word).is_some() && !rest.is_empty() && numbered && !(separated && matches!(letter, b'b' | b'c'))
        }
        _ => rank(word).is_some() && numbered,
    }
}

/// Returns where the digits of a revision begin in a piece like `r5`, `eksbuild.3`, `k3s1`.
pub(super) fn revision(piece: &str) -> Option<usize> {
    let digits = piece.bytes().rev().take_while(u8::is_ascii_digit).count();
    let start = piece.len() - digits;
    let word = piece[..start].strip_suffix('.').unwrap_or(&piece[..start]);
    (digits > 0 && REVISIONS.contains(&word)).then_some(start)
}

/// Whether a word may be glued to the version that follows it.
pub(super) fn is_marker(word: &str) -> bool {
    word.len() == 1 || MARKERS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether a piece after this word is a hash even if it holds digits alone.
pub(super) fn announces_hash(word: &str) -> bool {
    matches!(word, "sha" | "git" | "commit")
}

/// Whether a piece reads as a hash of Git: 7 to 40 lower-case hexadecimal digits, letters and digits among them,
/// perhaps after the `g` of `git describe`.
pub(super) fn is_hash(piece: &str) -> bool {
    let is_hex = |text: &str| {
        (7..=40).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    is_hex(piece) || piece.strip_prefix('g').is_some_and(|rest| is_hex(rest) || is_digits(rest, 7))
}

/// Whether a text is digits alone, at least so many.
pub(super) fn is_digits(text: &str, least: usize) -> bool {
    text.len() >= least && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Orders two pre-releases by their word's rank, then piece by piece, digits as numbers.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let (word_a, rest_a) = split(a);
    let (word_b, rest_b) = split(b);
    let words = match (rank(word_a), rank(word_b)) {
        (Some(rank_a), Some(rank_b)) => rank_a.cmp(&rank_b),
        _ => Ordering::Equal,
    };
    let lower = |text: &str| text.bytes().map(|byte| byte.to_ascii_lowercase()).collect::<Vec<u8>>();
    let named_alike = rank(word_a).is_some_and(|rank| rank != 0) || word_a.eq_ignore_ascii_case(word_b);
    words
        .then_with(|| if named_alike { Ordering::Equal } else { lower(word_a).cmp(&lower(word_b)) })
        .then_with(|| order_numbers(rest_a, rest_b))
}

fn order_numbers(a: &str, b: &str) -> Ordering {
    let mut rest_a = a.split(['.', '-', '_']).filter(|piece| !piece.is_empty());
    let mut rest_b = b.split(['.', '-', '_']).filter(|piece| !piece.is_empty());
    loop {
        match (rest_a.next(), rest_b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => {
                let order = order_digits(a, b);
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// Orders numbers of any length; what is no number is ordered as text.
pub(super) fn order_digits(a: &str, b: &str) -> Ordering {
    if is_digits(a, 1) && is_digits(b, 1) {
        let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        return a.len().cmp(&b.len()).then_with(|| a.cmp(b));
    }
    a.cmp(b)
}
