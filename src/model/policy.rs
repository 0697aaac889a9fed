//! What may be chosen for an image: a policy, the ranges it may use, and the rules that give images policies.
//!
//! Owns the data only. The grammar of ranges and the meaning of every policy live in `crate::policy`.

use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use regex::Regex;

use crate::model::glob::ImageGlob;
use crate::model::image::{ImageName, Tag};
use crate::model::signature::Verify;
use crate::model::tags::Platform;

/// A comparison operator of the range grammar (Masterminds/semver v3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=` or nothing: exactly this version, or `~` where parts are missing.
    Equal,
    /// `!=`.
    NotEqual,
    /// `>`.
    Greater,
    /// `>=` or `=>`.
    GreaterOrEqual,
    /// `<`.
    Less,
    /// `<=` or `=<`.
    LessOrEqual,
    /// `~` or `~>`.
    Tilde,
    /// `^`.
    Caret,
}

/// One comparison, `>=1.4.0`. Parts that are missing or a wildcard are `None`, and so is all after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparator {
    /// How to compare.
    pub operator: Operator,
    /// The major part, `None` for `*`.
    pub major: Option<u64>,
    /// The minor part.
    pub minor: Option<u64>,
    /// The patch part.
    pub patch: Option<u64>,
    /// The pre-release, empty where there is none.
    pub pre: semver::Prerelease,
}

/// A version range: groups joined by `||`, each of comparators that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The range as it was written.
    pub text: String,
    /// The alternatives; never empty, and no group is empty.
    pub groups: Vec<Vec<Comparator>>,
}

/// The largest part of a version that may change, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The third part and those after it.
    Patch,
    /// The second part and those after it.
    Minor,
    /// Any part.
    Major,
}

impl Step {
    /// Returns the step's word in configuration and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// Which end of an ordering wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The greatest wins.
    Ascending,
    /// The smallest wins.
    Descending,
}

/// A part of a calendar-version format, after calver.org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalverPart {
    /// `YYYY`: the full year.
    FullYear,
    /// `YY` and `0Y`: the year less 2000; padded when true.
    ShortYear(Padding),
    /// `MM` and `0M`.
    Month(Padding),
    /// `WW` and `0W`: the week of the year.
    Week(Padding),
    /// `DD` and `0D`.
    Day(Padding),
    /// `MICRO` or any other counter.
    Counter,
    /// Text that must stand there: `.`, `-`, `v`.
    Literal(String),
}

/// Whether a number has a leading zero below ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// `4`.
    Bare,
    /// `04`.
    Zero,
}

/// A calendar-version format as written, with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalverFormat {
    /// The format as it was written, `YYYY.0M.DD`.
    pub text: String,
    /// Its parts in order.
    pub parts: Vec<CalverPart>,
}

/// How the tags that compete are ordered, and which of them are in range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// `semver: ">=1.4.0 <2.0.0"`.
    Range(Range),
    /// `semver: patch|minor|major`, relative to the version in use.
    Step(Step),
    /// `calver: true`, or with a format.
    Calver(Option<CalverFormat>),
    /// `numeric: asc|desc`.
    Numeric(Direction),
    /// `alphabetical: asc|desc`.
    Alphabetical(Direction),
    /// `newest: true`: by the image's own creation time.
    Newest,
    /// `digest: true|TAG`: follow what a moving tag points to; `None` means the tag in use.
    Digest(Option<Tag>),
}

/// A regular expression over tags, compiled, that compares by its text.
#[derive(Clone)]
pub struct TagPattern(pub Regex);

impl fmt::Debug for TagPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TagPattern({:?})", self.0.as_str())
    }
}

impl PartialEq for TagPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for TagPattern {}

/// Whether a digest is written beside the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pin {
    /// A digest is renewed where one stands and never added.
    #[default]
    AsWritten,
    /// `pin: digest`: every reference gets a digest.
    Digest,
}

/// Everything that decides which tag of an image may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The ordering and range.
    pub select: Select,
    /// `tags`: only tags that match compete; the group `version` is what is compared.
    pub tags: Option<TagPattern>,
    /// `ignore`: tags that match one of these never compete.
    pub ignore: Vec<TagPattern>,
    /// `prerelease: true`: pre-releases compete although neither range nor the tag in use asks for them.
    pub prerelease: bool,
    /// `minAge`: how long a tag with its digest must have been known.
    pub min_age: Option<SignedDuration>,
    /// `pin`.
    pub pin: Pin,
    /// `platforms`: those that a candidate must have.
    pub platforms: Vec<Platform>,
    /// `verify`: the signature that a candidate must have.
    pub verify: Option<Arc<Verify>>,
}

impl Policy {
    /// Returns a policy that selects, and asks for nothing else.
    pub fn new(select: Select) -> Self {
        Self {
            select,
            tags: None,
            ignore: Vec::new(),
            prerelease: false,
            min_age: None,
            pin: Pin::AsWritten,
            platforms: Vec::new(),
            verify: None,
        }
    }
}

impl Policy {
    /// Returns whether a digest is written where none stands: asked for by `pin`, or because the policy follows one.
    pub fn pins(&self) -> Pin {
        match self.select {
            Select::Digest(_) => Pin::Digest,
            _ => self.pin,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = |direction: &Direction| match direction {
            Direction::Ascending => "asc",
            Direction::Descending => "desc",
        };
        match &self.select {
            Select::Range(range) => write!(formatter, "semver {}", range.text),
            Select::Step(step) => write!(formatter, "semver {}", step.as_str()),
            Select::Calver(None) => write!(formatter, "calver"),
            Select::Calver(Some(format)) => write!(formatter, "calver {}", format.text),
            Select::Numeric(order) => write!(formatter, "numeric {}", direction(order)),
            Select::Alphabetical(order) => write!(formatter, "alphabetical {}", direction(order)),
            Select::Newest => write!(formatter, "newest"),
            Select::Digest(None) => write!(formatter, "digest"),
            Select::Digest(Some(tag)) => write!(formatter, "digest {tag}"),
        }
    }
}

/// A rule of `images:`, first match wins.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The images it is for.
    pub images: ImageGlob,
    /// What holds for them.
    pub policy: Arc<Policy>,
    /// The line of the configuration file on which the rule begins, from 1.
    pub line: usize,
    /// The column there, from 1, in characters.
    pub column: usize,
}

/// The rules in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// Returns the first rule for an image.
    pub fn of(&self, image: &ImageName) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.images.matches(image.as_str()))
    }

    /// Returns the single rule that holds without a configuration file: every image, `semver: minor`.
    pub fn without_configuration() -> Self {
        let images = ImageGlob::parse("**").expect("`**` is a glob");
        let policy = Arc::new(Policy::new(Select::Step(Step::Minor)));
        Self(vec![Rule { images, policy, line: 0, column: 0 }])
    }
}

/// Images that move together, in one pull request.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The group's name, a part of its head branch.
    pub name: String,
    /// Its images.
    pub images: Vec<ImageGlob>,
}

/// The groups in their order; first match wins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups(pub Vec<Group>);

impl Groups {
    /// Returns the group of an image, where it has one of its own.
    pub fn of(&self, image: &ImageName) -> Option<&Group> {
        self.0.iter().find(|group| group.images.iter().any(|glob| glob.matches(image.as_str())))
    }
}
