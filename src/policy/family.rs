//! Tag families: what in a tag is its version, and what must stay as it is.
//!
//! The entry point is [`Shape::parse`]. A shape borrows the tag and allocates nothing. The rules, in order:
//!
//! 1. The tag is cut at `-`, `_` and at a `.` between a letter and whatever follows. Its version begins at the
//!    first piece that starts with a digit, or with a marker glued to a digit: `v`, any other single letter,
//!    `release`, `rel`, `version`, `ver`, `build`, `rev`. All before it is the **prefix** (`release-`,
//!    `pg16-`). A word glued to a number (`alpine3.19`, `php8.2`) is a component with a version of its own and
//!    never the tag's.
//! 2. The version is its **numbers** with dots between them. `8u302` is Java's way to write two. A first number of
//!    2000 to 2099 before others makes it a calendar version; eight, twelve or fourteen digits that read as a
//!    date, `2026-01-31`, and `RELEASE.2026-01-31T10-20-30Z` make it a date. These schemes never mix.
//! 3. What follows is cut likewise. The first piece that begins with a **pre-release** word (`rc`, `alpha`, `beta`,
//!    `preview`, `dev`, `M1`, `SNAPSHOT` …, also glued: `3.14.0a2`) is one. Digits alone right after the version
//!    (`1.2.3-45`, `11.0.2_9`), a date, or digits after a revision word (`-r5`, `-ls12`, `-k3s1`) are a **build
//!    number**. Seven to forty hexadecimal digits with letters and digits among them are a **hash** of Git.
//! 4. Everything else is the **variant** (`-alpine3.19`, `-fpm-alpine`), and stays to the letter.
//!
//! Two tags are of one family when prefix, scheme, number of parts, variant and the kinds and places of build
//! number and hash are equal; dates must be spelled alike. Whether a pre-release may be chosen is not decided here.

use std::cmp::Ordering;

use semver::Prerelease;

mod scan;
mod words;

/// Most numbers that a version may have.
pub const MAX_PARTS: usize = 6;

/// The least number of seven digits, which is the shortest hash that Git writes.
const LEAST_OF_HASHES: u64 = 1_000_000;

/// Longest text that is looked at; the longest tag has 128 bytes.
const MAX_LENGTH: usize = 128;

/// How the numbers of a version are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `1.2.3`, `7`, `1.2.3.4`.
    Plain,
    /// `2026.1`, `2026.01.31`: numbers that begin with a year.
    Calendar,
    /// `20260131`, `2026-01-31T10-20-30Z`.
    Date,
    /// `8u302`.
    JavaUpdate,
    /// A hash alone: no order.
    Hash,
    /// Numbers that a calendar format found.
    Format,
}

/// What was cut out of the tag's text: those parts may differ within a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CutKind {
    Numbers,
    PreRelease,
    Build,
    BuildDate,
    Hash,
}

impl CutKind {
    /// Returns the byte, found in no tag, that stands for such a part in a family.
    fn mark(self) -> Option<u8> {
        match self {
            Self::PreRelease => None,
            Self::Numbers => Some(1),
            Self::Build => Some(2),
            Self::BuildDate => Some(3),
            Self::Hash => Some(4),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    start: u8,
    end: u8,
    kind: CutKind,
}

/// Numbers, pre-release, build number and hash: one of each at most.
const MAX_CUTS: usize = 4;

/// What a tag is made of.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    text: &'a str,
    numbers: [u64; MAX_PARTS],
    build: u64,
    cuts: [Cut; MAX_CUTS],
    cut_count: u8,
    count: u8,
    scheme: Scheme,
    family: u32,
}

impl<'a> Shape<'a> {
    /// Parses a tag or the part of it that is compared; `None` where no rule finds a version or a hash.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH || !text.is_ascii() {
            return None;
        }
        scan::tag(text)
    }

    /// Takes numbers that a calendar format found in `text[start..end]`, and reads what follows as a tag's.
    pub(crate) fn formatted(text: &'a str, start: usize, end: usize, numbers: &[u64]) -> Option<Self> {
        if text.len() > MAX_LENGTH || !text.is_ascii() || numbers.len() > MAX_PARTS {
            return None;
        }
        let mut shape = Self::empty(text, Scheme::Format);
        shape.numbers[..numbers.len()].copy_from_slice(numbers);
        shape.count = u8::try_from(numbers.len()).ok()?;
        shape.cut(start, end, CutKind::Numbers);
        scan::rest(&mut shape, end);
        shape.seal();
        Some(shape)
    }

    fn empty(text: &'a str, scheme: Scheme) -> Self {
        let none = Cut { start: 0, end: 0, kind: CutKind::Hash };
        Self {
            text,
            numbers: [0; MAX_PARTS],
            build: 0,
            cuts: [none; MAX_CUTS],
            cut_count: 0,
            count: 0,
            scheme,
            family: 0,
        }
    }

    fn cut(&mut self, start: usize, end: usize, kind: CutKind) {
        let narrow = |offset: usize| u8::try_from(offset).expect("texts have at most 128 bytes");
        let slot = self.cuts.get_mut(usize::from(self.cut_count));
        let slot = slot.expect("the scanner cuts each kind out once");
        *slot = Cut { start: narrow(start), end: narrow(end), kind };
        self.cut_count += 1;
    }

    /// Computes the family's hash, once everything is cut out.
    fn seal(&mut self) {
        self.cuts[..usize::from(self.cut_count)].sort_unstable_by_key(|cut| cut.start);
        // FNV-1a: a quick no. Equal hashes are compared byte by byte.
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let mut hash = (0x811c_9dc5 ^ u32::from(self.count)) ^ ((self.scheme as u32) << 8);
        let mut at = 0;
        for cut in &self.cuts[..usize::from(self.cut_count)] {
            let kept = &self.text.as_bytes()[at..usize::from(cut.start)];
            hash = kept.iter().copied().chain(cut.kind.mark()).fold(hash, mix);
            at = usize::from(cut.end);
        }
        self.family = self.text.as_bytes()[at..].iter().copied().fold(hash, mix);
    }

    /// Yields the text with a mark where something was cut out, and nothing where a pre-release was.
    fn frame(&self) -> impl Iterator<Item = u8> + '_ {
        let cuts = &self.cuts[..usize::from(self.cut_count)];
        let mut at = 0;
        let pieces = cuts.iter().map(move |cut| {
            let kept = at..usize::from(cut.start);
            at = usize::from(cut.end);
            (kept, cut.kind.mark())
        });
        let tail = cuts.last().map_or(0, |cut| usize::from(cut.end));
        pieces
            .chain(std::iter::once((tail..self.text.len(), None)))
            .flat_map(|(kept, mark)| self.text.as_bytes()[kept].iter().copied().chain(mark))
    }

    /// Whether both frames are equal, quickly where both tags are cut alike.
    fn has_frame_of(&self, other: &Shape<'_>) -> bool {
        let (cuts, others) = (&self.cuts[..usize::from(self.cut_count)], &other.cuts[..usize::from(other.cut_count)]);
        // A pre-release leaves no mark, so it may stand at different places of equal frames.
        let same = |(cut, other): (&Cut, &Cut)| cut.kind == other.kind && cut.kind.mark().is_some();
        let alike = cuts.len() == others.len() && cuts.iter().zip(others).all(same);
        if !alike {
            return self.frame().eq(other.frame());
        }
        let (text, other_text) = (self.text.as_bytes(), other.text.as_bytes());
        let (mut at, mut other_at) = (0, 0);
        for (cut, other_cut) in cuts.iter().zip(others) {
            if text[at..usize::from(cut.start)] != other_text[other_at..usize::from(other_cut.start)] {
                return false;
            }
            (at, other_at) = (usize::from(cut.end), usize::from(other_cut.end));
        }
        text[at..] == other_text[other_at..]
    }

    fn find(&self, kind: CutKind) -> Option<&'a str> {
        let cut = self.cuts[..usize::from(self.cut_count)].iter().find(|cut| cut.kind == kind)?;
        Some(&self.text[usize::from(cut.start)..usize::from(cut.end)])
    }

    /// Returns the text that was parsed.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Returns how the numbers are meant.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the numbers in their order.
    pub fn numbers(&self) -> &[u64] {
        &self.numbers[..usize::from(self.count)]
    }

    /// Returns the text of the numbers, as written.
    pub fn numbers_text(&self) -> &'a str {
        self.find(CutKind::Numbers).unwrap_or_default()
    }

    /// Whether one of the numbers has a leading zero, as in `2026.01`.
    pub fn has_padding(&self) -> bool {
        let is_padded = |number: &str| number.len() > 1 && number.starts_with('0');
        self.numbers_text().split(|character: char| !character.is_ascii_digit()).any(is_padded)
    }

    /// Returns the text before the numbers.
    pub fn prefix(&self) -> &'a str {
        let cuts = &self.cuts[..usize::from(self.cut_count)];
        let start = cuts.iter().find(|cut| cut.kind == CutKind::Numbers).map_or(0, |cut| usize::from(cut.start));
        &self.text[..start]
    }

    /// Returns the pre-release without the separator before it, empty where there is none.
    pub fn pre_release(&self) -> &'a str {
        self.find(CutKind::PreRelease).unwrap_or_default().trim_start_matches(['-', '_', '.'])
    }

    /// Whether it is a pre-release.
    pub fn is_pre_release(&self) -> bool {
        self.find(CutKind::PreRelease).is_some()
    }

    /// Returns the hash of Git beside the version, where there is one.
    pub fn hash(&self) -> Option<&'a str> {
        self.find(CutKind::Hash)
    }

    /// Whether two tags are of one family.
    pub fn is_family(&self, other: &Shape<'_>) -> bool {
        self.family == other.family
            && self.scheme == other.scheme
            && self.count == other.count
            && self.has_frame_of(other)
            && (self.scheme != Scheme::Date || self.date_layout().eq(other.date_layout()))
    }

    /// Yields how a date is spelled: `20260131` and `2026-01-31` are two families.
    fn date_layout(&self) -> impl Iterator<Item = u8> + '_ {
        self.numbers_text().bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte })
    }

    /// Whether one of two tags of a family is a number of another kind than the other: a build's or a hash's that
    /// happens to have no letters (`7` and `7654321`), or a year beside a version (`1.9` and `25.04`).
    pub fn is_of_another_kind(&self, other: &Shape<'_>) -> bool {
        let (one, two) = (self.numbers[0], other.numbers[0]);
        match (self.scheme, self.count) {
            (Scheme::Plain, 1) => one.max(two) >= LEAST_OF_HASHES && one.min(two) < LEAST_OF_HASHES / 10,
            (Scheme::Plain, _) => {
                let is_year = |shape: &Shape<'_>| shape.has_padding() && (15..=99).contains(&shape.numbers[0]);
                let is_none = |shape: &Shape<'_>| !shape.has_padding() && shape.numbers[0] < 10;
                (is_year(self) && is_none(other)) || (is_none(self) && is_year(other))
            }
            _ => false,
        }
    }

    /// Whether it is one number that is too large to be a version: a hash without letters, a build, a time.
    pub fn is_serial(&self) -> bool {
        self.scheme == Scheme::Plain && self.count == 1 && self.numbers[0] >= LEAST_OF_HASHES
    }

    /// Whether two tags that a policy's `tags` let through may be compared: as a family, but `v` before the
    /// version and the number of parts make no difference.
    pub fn is_kin(&self, other: &Shape<'_>) -> bool {
        self.scheme == other.scheme && self.frame_without_v().eq(other.frame_without_v())
    }

    fn frame_without_v(&self) -> impl Iterator<Item = u8> + '_ {
        let marked = self.text.len() > 1
            && self.text.starts_with(['v', 'V'])
            && self.cuts.first().is_some_and(|cut| cut.kind == CutKind::Numbers && cut.start == 1);
        self.frame().skip(usize::from(marked))
    }

    /// Whether there is no variant, prefix, build number or hash, `v` aside.
    pub fn is_bare(&self) -> bool {
        self.frame_without_v().eq([1])
    }

    /// Whether the numbers are equal, missing ones counting as 0.
    pub fn same_numbers(&self, other: &Shape<'_>) -> bool {
        self.numbers == other.numbers
    }

    /// Returns the position of the first number that differs.
    pub fn first_difference(&self, other: &Shape<'_>) -> Option<usize> {
        (0..MAX_PARTS).find(|index| self.numbers[*index] != other.numbers[*index])
    }

    /// Orders two versions: numbers, then pre-releases before releases, then build numbers.
    ///
    /// Pre-releases are ordered by what their word means (`alpha` before `beta` before `rc`) and then by their
    /// numbers, so that `rc9` comes before `rc10`.
    pub fn order(&self, other: &Shape<'_>) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| match (self.find(CutKind::PreRelease), other.find(CutKind::PreRelease)) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(_), Some(_)) => words::order(self.pre_release(), other.pre_release()),
            })
            .then_with(|| self.build.cmp(&other.build))
    }

    /// Returns the first three numbers, missing ones as 0: what a range looks at.
    pub fn triple(&self) -> [u64; 3] {
        [self.numbers[0], self.numbers[1], self.numbers[2]]
    }

    /// Returns the pre-release as precedence reads it; `None` where it is none by that grammar.
    pub fn precedence(&self) -> Option<Prerelease> {
        Prerelease::new(self.pre_release()).ok()
    }
}

#[cfg(test)]
mod tests;
