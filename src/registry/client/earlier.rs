//! Pages of a tag list as they came before: what asks whether they still hold, and what they held.
//!
//! Only a list that came whole leaves its pages behind, and only those that the registry gave a validator
//! (RFC 9110, section 8.8). Each is asked for under the very URL it came from. A page that still holds is taken as
//! it was, its link included, so that the list goes on as it did. Of each tag only that is kept by which it differs from
//! the one before: registries sort their lists, and most of a tag is then the same.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use jiff::Timestamp;
use reqwest::header::{
    DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use url::Url;

use crate::model::tags::TagList;
use crate::registry::Pages;

/// The first line of what this version writes and reads.
const FORM: &str = "pages 2";

/// Stands before a tag that begins otherwise than the one before; the characters after it say how much is the same.
const NOTHING_SHARED: u8 = b'!';

/// How much of a tag at most is told by reference to the one before: as far as plain characters go.
const MOST_SHARED: u8 = b'~' - NOTHING_SHARED;

/// The longest validator and the longest link that are kept, in bytes.
const MAX_TEXT: usize = 2048;

/// A time of change proves something only when it lies this far behind the answer's own, in seconds: it may change
/// twice within a second, and clocks differ (RFC 9110, section 8.8.2.2).
const SETTLED_AFTER: i64 = 60;

/// What a registry gives a page to be asked for again by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Validator {
    /// `ETag`.
    Tag(String),
    /// `Last-Modified`.
    Time(String),
}

impl Validator {
    /// Takes the validator of an answer, where it has one that can be relied on.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().filter(|text| text.len() <= MAX_TEXT);
        if let Some(tag) = text(ETAG) {
            let opaque = tag.strip_prefix("W/").unwrap_or(tag);
            let quoted = opaque.len() > 2 && opaque.starts_with('"') && opaque.ends_with('"');
            return quoted.then(|| Self::Tag(tag.to_owned()));
        }
        let time = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
        let (modified, sent): (&str, Timestamp) = (text(LAST_MODIFIED)?, time(text(DATE)?)?);
        let settled = sent.as_second() - time(modified)?.as_second() >= SETTLED_AFTER;
        settled.then(|| Self::Time(modified.to_owned()))
    }

    /// Returns the header that asks by it.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, text) = match self {
            Self::Tag(text) => (IF_NONE_MATCH, text),
            Self::Time(text) => (IF_MODIFIED_SINCE, text),
        };
        Some((name, HeaderValue::from_str(text).ok()?))
    }
}

/// A page as it was.
#[derive(Debug)]
pub(super) struct EarlierPage<'a> {
    pub(super) validator: Validator,
    pub(super) link: Option<&'a str>,
    pub(super) tags: TagList,
}

/// Writes a tag as it differs from the one before.
fn write_tag(text: &mut String, before: &str, tag: &str) {
    let shared = before.bytes().zip(tag.bytes()).take_while(|(one, other)| one == other).count();
    let shared = u8::try_from(shared).map_or(MOST_SHARED, |shared| shared.min(MOST_SHARED));
    text.push(char::from(NOTHING_SHARED + shared));
    text.push_str(&tag[usize::from(shared)..]);
}

/// The pages of a list as they were, by their URLs.
#[derive(Debug, Default)]
pub(super) struct Earlier<'a>(HashMap<&'a str, EarlierPage<'a>>);

impl<'a> Earlier<'a> {
    /// Reads what was left behind; what cannot be read is nothing.
    pub(super) fn read(bytes: Option<&'a [u8]>) -> Self {
        Self(bytes.and_then(read).unwrap_or_default())
    }

    pub(super) fn page(&self, url: &Url) -> Option<&EarlierPage<'a>> {
        self.0.get(place(url))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

fn read(bytes: &[u8]) -> Option<HashMap<&str, EarlierPage<'_>>> {
    let mut lines = std::str::from_utf8(bytes).ok()?.split('\n');
    (lines.next()? == FORM).then_some(())?;
    let mut pages = HashMap::new();
    while let Some(place) = lines.next() {
        let (kind, text) = lines.next()?.split_once(' ')?;
        let validator = match kind {
            "tag" => Validator::Tag(text.to_owned()),
            "time" => Validator::Time(text.to_owned()),
            _ => return None,
        };
        let link = Some(lines.next()?).filter(|link| !link.is_empty());
        let count: usize = lines.next()?.parse().ok()?;
        let tags = read_tags(lines.by_ref().take(count))?;
        (tags.len() == count).then_some(())?;
        pages.insert(place, EarlierPage { validator, link, tags });
    }
    Some(pages)
}

/// Reads tags that are told as they differ; `None` where one could not be a tag.
fn read_tags<'a>(rows: impl Iterator<Item = &'a str>) -> Option<TagList> {
    let (mut tag, mut list) = (String::new(), TagList::default());
    for row in rows {
        let shared = row.bytes().next()?.checked_sub(NOTHING_SHARED)?;
        let kept = tag.get(..usize::from(shared))?.len();
        tag.truncate(kept);
        tag.push_str(row.get(1..)?);
        list.push(&tag);
    }
    (list.invalid().1 == 0).then_some(list)
}

/// Where a page was asked for, within its host.
fn place(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

/// The pages of a list that is being read.
#[derive(Debug, Default)]
pub(super) struct Marks {
    rows: Vec<Mark>,
    unchanged: usize,
}

#[derive(Debug)]
struct Mark {
    place: String,
    validator: Validator,
    link: Option<String>,
    /// The page's tags, as positions in the list.
    tags: Range<usize>,
}

impl Marks {
    /// Remembers a page; `unchanged` says that it is as it was.
    pub(super) fn add(
        &mut self,
        url: &Url,
        validator: Option<Validator>,
        link: Option<&str>,
        tags: Range<usize>,
        unchanged: bool,
    ) {
        let fits = link.is_none_or(|link| link.len() <= MAX_TEXT && !link.contains('\n'));
        if let Some(validator) = validator.filter(|_| fits) {
            self.unchanged += usize::from(unchanged);
            self.rows.push(Mark { place: place(url).to_owned(), validator, link: link.map(str::to_owned), tags });
        }
    }

    /// Writes the pages of a list that came whole. Texts that are no tags are not in it, so that a list with some
    /// could not be made again from its pages.
    pub(super) fn finish(self, list: &TagList, earlier: &Earlier<'_>) -> Pages {
        if self.rows.is_empty() || list.invalid().1 > 0 {
            return Pages::Forgotten;
        }
        if self.unchanged == self.rows.len() && self.rows.len() == earlier.len() {
            return Pages::Same;
        }
        let tags: Vec<&str> = list.iter().map(|(_, tag)| tag).collect();
        let mut text = FORM.to_owned();
        for row in &self.rows {
            let (kind, validator) = match &row.validator {
                Validator::Tag(text) => ("tag", text),
                Validator::Time(text) => ("time", text),
            };
            let link = row.link.as_deref().unwrap_or_default();
            write!(text, "\n{}\n{kind} {validator}\n{link}\n{}", row.place, row.tags.len())
                .expect("writing to a text cannot fail");
            let mut before = "";
            for tag in &tags[row.tags.clone()] {
                text.push('\n');
                write_tag(&mut text, before, tag);
                before = tag;
            }
        }
        Pages::New(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(query: &str) -> Url {
        format!("https://registry.example/v2/acme/web/tags/list?{query}").parse().unwrap()
    }

    fn headers(rows: &[(&str, &str)]) -> HeaderMap {
        rows.iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn pages_read_back_as_they_were_written() {
        let list: TagList = ["1.0", "1.1", "2.0"].into_iter().collect();
        let mut marks = Marks::default();
        let tag = Validator::Tag("W/\"a b\"".to_owned());
        marks.add(&url("n=2"), Some(tag.clone()), Some("/v2/next?last=1.1"), 0..2, false);
        marks.add(&url("last=1.1"), None, None, 2..3, false);
        let Pages::New(bytes) = marks.finish(&list, &Earlier::default()) else { panic!("there is a page to keep") };
        let earlier = Earlier::read(Some(&bytes));
        let page = earlier.page(&url("n=2")).unwrap();
        assert_eq!((&page.validator, page.link), (&tag, Some("/v2/next?last=1.1")));
        assert_eq!(page.tags, ["1.0", "1.1"].into_iter().collect());
        assert!(earlier.page(&url("last=1.1")).is_none() && earlier.page(&url("n=3")).is_none());
    }

    #[test]
    fn bytes_of_another_form_are_nothing() {
        for text in [
            "",
            "pages 1\n/p\ntag \"a\"\n\n1\n!1.0",
            "pages 2\na",
            "pages 2\n/p\ntag \"a\"\n\n3\n!1.0",
            "pages 2\n/p\nword \"a\"\n\n0",
            "pages 2\n/p",
            // More is shared than was there, a row without its first character, and what is no tag.
            "pages 2\n/p\ntag \"a\"\n\n2\n!1.0\n&1",
            "pages 2\n/p\ntag \"a\"\n\n2\n!1.0\n",
            "pages 2\n/p\ntag \"a\"\n\n1\n!a b",
        ] {
            assert_eq!(Earlier::read(Some(text.as_bytes())).len(), 0, "{text}");
        }
        assert_eq!(Earlier::read(Some(&[0xff, 0xfe])).len(), 0);
    }

    #[test]
    fn a_sorted_list_takes_little_room_and_any_list_reads_back() {
        let kept = |tags: &[String]| {
            let list: TagList = tags.iter().map(String::as_str).collect();
            let mut marks = Marks::default();
            marks.add(&url("n=9"), Some(Validator::Tag("\"a\"".to_owned())), None, 0..list.len(), false);
            let Pages::New(bytes) = marks.finish(&list, &Earlier::default()) else { panic!("there is a page to keep") };
            assert_eq!(Earlier::read(Some(&bytes)).page(&url("n=9")).unwrap().tags, list);
            bytes.len()
        };
        let mut tags: Vec<String> =
            (0..1000).map(|build| format!("main-20261121-build-{build:05}-linux-amd64")).collect();
        let plain: usize = tags.iter().map(|tag| tag.len() + 1).sum();
        assert!(kept(&tags) * 2 < plain, "{} of {plain}", kept(&tags));
        tags.reverse();
        tags.extend(["x".repeat(128), "x".repeat(128), "x".repeat(127), "x".to_owned(), "y".to_owned()]);
        kept(&tags);
    }

    #[test]
    fn a_list_with_texts_that_are_no_tags_leaves_nothing_behind() {
        let list: TagList = ["1.0", "no tag"].into_iter().collect();
        let mut marks = Marks::default();
        marks.add(&url("n=2"), Some(Validator::Tag("\"a\"".to_owned())), None, 0..1, false);
        assert_eq!(marks.finish(&list, &Earlier::default()), Pages::Forgotten);
    }

    #[test]
    fn takes_a_time_of_change_only_when_it_lies_well_behind_the_answer() {
        let at = |time: &str| {
            let rows = [("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT"), ("date", time)];
            Validator::of(&headers(&rows)).is_some()
        };
        assert!(at("Sat, 21 Nov 2026 10:01:00 GMT"));
        assert!(!at("Sat, 21 Nov 2026 10:00:59 GMT") && !at("soon"));
        assert_eq!(Validator::of(&headers(&[("etag", "\"1\"")])), Some(Validator::Tag("\"1\"".to_owned())));
        for odd in ["", "1", "\"", "\"\"", "W/"] {
            assert_eq!(Validator::of(&headers(&[("etag", odd)])), None, "{odd}");
        }
    }
}
