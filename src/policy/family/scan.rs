//! The scanner: one walk over a tag's bytes, from the prefix to the last piece.

use super::words::{self, Joint};
use super::{Cut, CutKind, MAX_PARTS, Scheme, Shape};

/// Most digits of one number, so that it fits 64 bits.
const MAX_DIGITS: usize = 18;

/// Reads a whole tag.
pub(super) fn tag(text: &str) -> Option<Shape<'_>> {
    let mut shape = Shape::empty(text, Scheme::Hash);
    let mut at = 0;
    let mut after_announcement = false;
    while at < text.len() {
        let end = prefix_piece_end(text, at);
        let piece = &text[at..end];
        let hash_digits = words::is_digits(piece, 7) && piece.len() <= 40 && after_announcement;
        if words::is_hash(piece) || hash_digits {
            if shape.find(CutKind::Hash).is_none() {
                shape.cut(at, end, CutKind::Hash);
            }
        } else if let Some(start) = version_start(piece) {
            return version(shape, at + start);
        }
        after_announcement = words::announces_hash(piece);
        at = end + 1;
    }
    // Without a version, a hash alone is still good for policies that order by age.
    (shape.cut_count > 0).then(|| {
        shape.seal();
        shape
    })
}

/// Returns where a piece before the version ends: at `-`, `_`, or a `.` after a letter.
fn prefix_piece_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    (start..bytes.len())
        .find(|at| match bytes[*at] {
            b'-' | b'_' => true,
            b'.' => *at > start && bytes[at - 1].is_ascii_alphabetic(),
            _ => false,
        })
        .unwrap_or(bytes.len())
}

/// Returns where in a piece the version begins, where it does.
fn version_start(piece: &str) -> Option<usize> {
    let letters = piece.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digit_follows = piece.as_bytes().get(letters).is_some_and(u8::is_ascii_digit);
    (digit_follows && (letters == 0 || words::is_marker(&piece[..letters]))).then_some(letters)
}

/// Reads the numbers from `start` on, and what follows them.
fn version(mut shape: Shape<'_>, start: usize) -> Option<Shape<'_>> {
    let text = shape.text;
    let mut end = digits_end(text, start);
    let first = &text[start..end];
    shape.push(first)?;
    shape.scheme = Scheme::Plain;
    if let Some(date_end) = date(&mut shape, start, end) {
        shape.scheme = Scheme::Date;
        end = date_end;
    }
    while text.as_bytes().get(end) == Some(&b'.') && digits_end(text, end + 1) > end + 1 {
        let next = digits_end(text, end + 1);
        shape.push(&text[end + 1..next])?;
        end = next;
    }
    if shape.count == 1 && shape.scheme == Scheme::Plain && text.as_bytes().get(end) == Some(&b'u') {
        let next = digits_end(text, end + 1);
        if next > end + 1 {
            shape.push(&text[end + 1..next])?;
            shape.scheme = Scheme::JavaUpdate;
            end = next;
        }
    }
    if shape.scheme == Scheme::Plain && shape.count > 1 && first.len() == 4 && first.starts_with("20") {
        shape.scheme = Scheme::Calendar;
    }
    shape.cut(start, end, CutKind::Numbers);
    rest(&mut shape, end);
    shape.seal();
    Some(shape)
}

impl Shape<'_> {
    fn push(&mut self, digits: &str) -> Option<()> {
        let number = if digits.len() <= MAX_DIGITS { digits.parse().ok()? } else { return None };
        *self.numbers.get_mut(usize::from(self.count)).filter(|_| usize::from(self.count) < MAX_PARTS)? = number;
        self.count += 1;
        Some(())
    }
}

fn digits_end(text: &str, start: usize) -> usize {
    start + text.as_bytes()[start..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether digits begin with a plausible date: years 1970 to 2099.
fn is_date(digits: &str) -> bool {
    let number = |range: std::ops::Range<usize>| digits.get(range).and_then(|part| part.parse::<u16>().ok());
    let within = |value: Option<u16>, least: u16, most: u16| value.is_some_and(|value| (least..=most).contains(&value));
    let day_fits = within(number(0..4), 1970, 2099) && within(number(4..6), 1, 12) && within(number(6..8), 1, 31);
    match digits.len() {
        8 => day_fits,
        12 | 14 => day_fits && within(number(8..10), 0, 23) && within(number(10..12), 0, 59),
        _ => false,
    }
}

/// Reads `-MM-DD` after a year, and a time after any date. Returns where the date ends, where it is one.
fn date(shape: &mut Shape<'_>, start: usize, end: usize) -> Option<usize> {
    let text = shape.text;
    let mut end = end;
    if end - start == 4 {
        let tail = text.get(end..end + 6)?;
        let bytes = tail.as_bytes();
        let separators = bytes[0] == b'-' && bytes[3] == b'-';
        if !separators || text.as_bytes().get(end + 6).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let mut digits = [0; 8];
        digits[..4].copy_from_slice(&text.as_bytes()[start..end]);
        digits[4..6].copy_from_slice(&bytes[1..3]);
        digits[6..].copy_from_slice(&bytes[4..6]);
        let digits = std::str::from_utf8(&digits).ok()?;
        if !is_date(digits) {
            return None;
        }
        shape.numbers[0] = digits.parse().ok()?;
        end += 6;
    } else if !is_date(&text[start..end]) {
        return None;
    }
    if let Some((time, time_end)) = time(text, end) {
        shape.numbers[usize::from(shape.count)] = time;
        shape.count += 1;
        end = time_end;
    }
    Some(end)
}

/// Reads `T10-20-30Z`, `T102030Z`, with or without the `Z`. Returns it as a number, and where it ends.
fn time(text: &str, start: usize) -> Option<(u64, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(start) != Some(&b'T') {
        return None;
    }
    let mut at = start + 1;
    let mut number = 0;
    for part in 0..3 {
        if part > 0 && matches!(bytes.get(at), Some(b'-' | b'.' | b'_')) {
            at += 1;
        }
        number = number * 100 + text.get(at..at + 2).filter(|two| words::is_digits(two, 2))?.parse::<u64>().ok()?;
        at += 2;
    }
    Some((number, at + usize::from(bytes.get(at) == Some(&b'Z'))))
}

/// Reads what follows the numbers, piece by piece, and cuts out what may differ within a family.
pub(super) fn rest(shape: &mut Shape<'_>, start: usize) {
    let text = shape.text;
    let mut at = start;
    // Digits alone count only where no word of a variant stands before them: `-windowsservercore-1809`.
    let mut in_variant = false;
    let mut open_pre_release = false;
    while at < text.len() {
        let separated = matches!(text.as_bytes()[at], b'-' | b'_' | b'.');
        let piece_start = at + usize::from(separated);
        let end = piece_end(text, piece_start);
        let piece = &text[piece_start..end];
        let joint = if separated { Joint::Separated } else { Joint::Glued };
        let extends = open_pre_release && words::is_digits(piece, 1);
        open_pre_release = false;
        if extends {
            shape.extend_pre_release(end);
        } else if words::is_pre_release(piece, joint) && !shape.has(CutKind::PreRelease) {
            shape.cut(at, end, CutKind::PreRelease);
            open_pre_release = !piece.ends_with(|last: char| last.is_ascii_digit());
        } else if joint == Joint::Glued {
            in_variant = true;
        } else if words::is_digits(piece, 1) && piece.len() <= MAX_DIGITS && shape.takes_build() {
            if is_date(piece) {
                shape.take_build(piece_start, end, CutKind::BuildDate);
            } else if !in_variant {
                shape.take_build(piece_start, end, CutKind::Build);
            }
        } else if let Some(digits) = words::revision(piece).filter(|digits| piece.len() - digits <= MAX_DIGITS)
            && shape.takes_build()
        {
            shape.take_build(piece_start + digits, end, CutKind::Build);
        } else if words::is_hash(piece) && !shape.has(CutKind::Hash) {
            shape.cut(piece_start, end, CutKind::Hash);
        } else {
            in_variant = true;
        }
        at = end;
    }
}

/// Returns where a piece after the version ends: at `-`, `_`, or a `.` before a letter.
fn piece_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    (start..bytes.len())
        .find(|at| match bytes[*at] {
            b'-' | b'_' => true,
            b'.' => bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic),
            _ => false,
        })
        .unwrap_or(bytes.len())
}

impl Shape<'_> {
    fn has(&self, kind: CutKind) -> bool {
        self.find(kind).is_some()
    }

    fn takes_build(&self) -> bool {
        !self.has(CutKind::Build) && !self.has(CutKind::BuildDate)
    }

    fn take_build(&mut self, start: usize, end: usize, kind: CutKind) {
        self.build = self.text[start..end].parse().unwrap_or(u64::MAX);
        self.cut(start, end, kind);
    }

    fn extend_pre_release(&mut self, end: usize) {
        let cuts = &mut self.cuts[..usize::from(self.cut_count)];
        if let Some(Cut { end: last, .. }) = cuts.iter_mut().find(|cut| cut.kind == CutKind::PreRelease) {
            *last = u8::try_from(end).expect("texts have at most 128 bytes");
        }
    }
}
