//! One page of a tag list: JSON that is read straight into the compact list.
//!
//! A page of usual size is parsed from memory. One that keeps coming (a registry that ignores `n`) is parsed
//! while it arrives, on a thread of its own, so that its text is never held whole.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::sync::mpsc;

use crate::cores;
use crate::http::body::Body;
use crate::http::error::HttpError;
use crate::model::tags::TagList;

/// From this many bytes on, a page is parsed on another core: the one that asks has other answers to read.
const WORTH_ANOTHER_CORE: usize = 1 << 10;

/// How much of a page is held before it is parsed while it arrives.
const HELD: usize = 1 << 20;

/// The longest text that a page may hold which is parsed while it arrives; real tags have up to 128 characters. The
/// parser holds each text whole, so that one without an end would be the whole page in memory.
const MAX_TEXT: usize = 64 << 10;

/// The longest text that is kept of a page's first and last tag; real tags have up to 128 characters.
const MAX_KEPT: usize = 512;

/// What a page held, beside the tags themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// How many bytes.
    pub(super) bytes: u64,
    /// How many tags, those that break the grammar included.
    pub(super) count: usize,
    /// The first.
    pub(super) first: Option<String>,
    /// The last.
    pub(super) last: Option<String>,
}

/// Why a page could not be read.
#[derive(Debug)]
pub(super) enum PageError {
    /// The body did not come whole, and nothing of it entered the list.
    Http(HttpError),
    /// The body did not come whole, and part of it is in the list.
    HttpMidway(HttpError),
    /// More tags than allowed.
    TooMany,
    /// Not JSON at all: markup.
    Markup,
    /// JSON of another form, or broken off; the parser's words.
    Malformed(String),
}

/// Reads a page into the list, at most `room` tags of it.
pub(super) async fn read(mut body: Body, list: TagList, room: usize) -> (TagList, Result<Page, PageError>) {
    let mut held = Vec::new();
    loop {
        match body.piece().await {
            Err(error) => return (list, Err(PageError::Http(error))),
            Ok(None) if held.len() < WORTH_ANOTHER_CORE => return parse_whole(&held, list, room),
            Ok(None) => return cores::beside(move || parse_whole(&held, list, room)).await,
            Ok(Some(piece)) => held.extend_from_slice(&piece),
        }
        if held.len() > HELD {
            return if is_markup(&held) {
                (list, Err(PageError::Markup))
            } else {
                read_while_it_arrives(body, held, list, room).await
            };
        }
    }
}

fn parse_whole(held: &[u8], mut list: TagList, room: usize) -> (TagList, Result<Page, PageError>) {
    let page = parse(serde_json::Deserializer::from_slice(held), &mut list, room);
    let page = page.map(|page| Page { bytes: held.len() as u64, ..page });
    (list, page.map_err(|error| if is_markup(held) { PageError::Markup } else { error }))
}

async fn read_while_it_arrives(
    mut body: Body,
    held: Vec<u8>,
    list: TagList,
    room: usize,
) -> (TagList, Result<Page, PageError>) {
    let (pieces, receiver) = mpsc::channel(8);
    let reader = Pieces { current: held.into(), receiver, ended: false, text: Text::default() };
    let parser = tokio::task::spawn_blocking(move || {
        let mut list = list;
        let reader = io::BufReader::with_capacity(64 << 10, reader);
        let page = parse(serde_json::Deserializer::from_reader(reader), &mut list, room);
        (list, page)
    });
    let mut broken = None;
    loop {
        let piece = match body.piece().await {
            Ok(piece) => piece,
            Err(error) => {
                broken = Some(error);
                break;
            }
        };
        let ended = piece.is_none();
        // The parser is gone when it has seen enough: what it says counts.
        if pieces.send(piece).await.is_err() || ended {
            break;
        }
    }
    drop(pieces);
    match (parser.await, broken) {
        (Ok((list, _)), Some(error)) => (list, Err(PageError::HttpMidway(error))),
        (Ok((list, page)), None) => (list, page.map(|page| Page { bytes: body.bytes_read(), ..page })),
        (Err(error), _) => (TagList::default(), Err(PageError::Malformed(error.to_string()))),
    }
}

/// The pieces of a body as a reader. `None` is the proper end; a channel that closes without it is none.
struct Pieces {
    current: Bytes,
    receiver: mpsc::Receiver<Option<Bytes>>,
    ended: bool,
    text: Text,
}

/// How far a text of the JSON has come that is read piece by piece.
#[derive(Default)]
struct Text {
    /// How many bytes it has; `None` outside of texts.
    length: Option<usize>,
    is_escaped: bool,
}

impl Text {
    /// Reads on. Returns whether no text was longer than allowed.
    fn passes(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match (&mut self.length, byte) {
                (None, b'"') => self.length = Some(0),
                (None, _) => {}
                (Some(_), b'"') if !self.is_escaped => self.length = None,
                (Some(length), byte) => {
                    *length += 1;
                    if *length > MAX_TEXT {
                        return false;
                    }
                    self.is_escaped = *byte == b'\\' && !self.is_escaped;
                }
            }
        }
        true
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Some(piece)) => self.current = piece,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let length = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        if !self.text.passes(&buffer[..length]) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(length)
    }
}

fn is_markup(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

fn parse<'de, R: serde_json::de::Read<'de>>(
    mut json: serde_json::Deserializer<R>,
    list: &mut TagList,
    room: usize,
) -> Result<Page, PageError> {
    let mut sink = Sink { list, room, page: Page::default(), over: false };
    let outcome = Object(&mut sink).deserialize(&mut json).and_then(|()| json.end());
    match outcome {
        Ok(()) => Ok(sink.page),
        Err(_stopped) if sink.over => Err(PageError::TooMany),
        Err(error) if error.io_error_kind() == Some(io::ErrorKind::FileTooLarge) => {
            Err(PageError::Malformed("it holds a text that is far too long for a tag".to_owned()))
        }
        // The category says enough, and its words hold no text of the registry.
        Err(error) if error.is_eof() => Err(PageError::Malformed("it ends in the middle".to_owned())),
        Err(error) if error.is_data() => Err(PageError::Malformed("it has no list of `tags`".to_owned())),
        Err(error) => Err(PageError::Malformed(format!("see its line {}, column {}", error.line(), error.column()))),
    }
}

struct Sink<'a> {
    list: &'a mut TagList,
    room: usize,
    page: Page,
    over: bool,
}

impl Sink<'_> {
    fn take(&mut self, tag: &str) -> bool {
        if self.page.count == self.room {
            self.over = true;
            return false;
        }
        if self.page.count == 0 {
            self.page.first = Some(kept(tag));
        }
        match &mut self.page.last {
            Some(last) => {
                last.clear();
                last.push_str(&tag[..tag.floor_char_boundary(MAX_KEPT)]);
            }
            last => *last = Some(kept(tag)),
        }
        self.page.count += 1;
        self.list.push(tag);
        true
    }
}

fn kept(tag: &str) -> String {
    tag[..tag.floor_char_boundary(MAX_KEPT)].to_owned()
}

/// The object around the list; everything but `tags` is passed over.
struct Object<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `tags`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(Key { is_tags }) = map.next_key()? {
            if is_tags {
                if found {
                    return Err(A::Error::duplicate_field("tags"));
                }
                found = true;
                map.next_value_seed(Tags(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::missing_field("tags")) }
    }
}

struct Key {
    is_tags: bool,
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(Key { is_tags: text == "tags" })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The list, or the `null` that some registries send for an empty one.
struct Tags<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for Tags<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tags<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of tags")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(OneTag(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

struct OneTag<'a, 'b>(&'a mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for OneTag<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OneTag<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a tag")
    }

    fn visit_str<E: serde::de::Error>(self, tag: &str) -> Result<(), E> {
        if self.0.take(tag) { Ok(()) } else { Err(E::custom("too many tags")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    /// Parses from memory and piece by piece: the tags and the outcome, which must be the same both ways.
    fn both(bytes: &[u8], room: usize) -> (TagList, Result<Page, String>) {
        let (mut list, mut other) = (TagList::default(), TagList::default());
        let word = |error| match error {
            PageError::TooMany => "too many".to_owned(),
            PageError::Malformed(_) => "malformed".to_owned(),
            error => panic!("the parser does not say {error:?}"),
        };
        let held = parse(serde_json::Deserializer::from_slice(bytes), &mut list, room).map_err(word);
        let read = parse(serde_json::Deserializer::from_reader(bytes), &mut other, room).map_err(word);
        assert_eq!(held, read);
        assert_eq!(list, other);
        (list, held)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_page_holds_what_was_written(
            tags in prop::collection::vec(prop_oneof!["[a-z0-9.]{1,8}", "\\PC{0,6}"], 0..12),
            name in "\\PC{0,8}",
            cut in any::<prop::sample::Index>(),
        ) {
            let json = serde_json::json!({"name": name, "tags": tags, "more": [{"tags": 1}]}).to_string();
            let (list, page) = both(json.as_bytes(), tags.len());
            let page = page.unwrap();
            prop_assert_eq!((page.count, page.first.as_ref(), page.last.as_ref()), (tags.len(), tags.first(), tags.last()));
            let valid = tags.iter().filter(|tag| crate::model::image::Tag::is_valid(tag));
            prop_assert!(list.iter().map(|(_, tag)| tag).eq(valid));
            if let Some(room) = tags.len().checked_sub(1) {
                prop_assert_eq!(both(json.as_bytes(), room).1, Err("too many".to_owned()));
            }
            let cut = &json.as_bytes()[..cut.index(json.len())];
            prop_assert_eq!(both(cut, tags.len()).1, Err("malformed".to_owned()));
        }

        #[test]
        fn odd_pages_are_survived(text in "(\\{|\\}|\\[|\\]|\"tags\"|\"1.4.0\"|null|:|,|\"\\\\ud800\"|-1e9|[ \\n]|\\PC){0,24}", room in 0..4_usize) {
            let (list, page) = both(text.as_bytes(), room);
            prop_assert!(list.len() <= room && page.map_or(0, |page| page.count) <= room);
            both(format!("{{\"tags\":{text}}}").as_bytes(), room).1.ok();
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            both(&bytes, 10).1.ok();
            both(&[b"{\"tags\":[\"".as_slice(), &bytes].concat(), 10).1.ok();
        }
    }
}
