//! Reading a snapshot: straight from the JSON text into the compact lists.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::model::image::{ImageName, Tag, shorten};
use crate::model::tags::{ImageTags, Platform, TagFacts};
use crate::registry::snapshot::Snapshot;

/// The longest snapshot; 5,000 images with two million tags take about 60 MB.
const MAX_BYTES: usize = 512 << 20;

/// The most tags of all images together.
const MAX_TAGS: usize = 10_000_000;

/// The most platforms of one tag.
const MAX_PLATFORMS: usize = 500;

/// The longest text of a platform: what a hostile one is shortened to, with every character escaped.
const MAX_PLATFORM_BYTES: usize = 1024;

/// Why a text is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Longer than any real one.
    #[error("the snapshot has {size} bytes; at most {MAX_BYTES} are read")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not the format; the words name the image and tag of a bad row.
    #[error("line {line}, column {column} of the snapshot: {reason}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in bytes.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
}

pub(super) fn parse(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
    if bytes.len() > MAX_BYTES {
        return Err(SnapshotError::TooLarge { size: bytes.len() });
    }
    let raw: RawSnapshot = serde_json::from_slice(bytes).map_err(|error| {
        let words = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = words.strip_suffix(&place).unwrap_or(&words);
        // The parser quotes keys and values of the file as they are.
        let reason = reason.chars().take(400).flat_map(escape).collect();
        SnapshotError::Malformed { line: error.line(), column: error.column(), reason }
    })?;
    Ok(Snapshot { images: raw.images.0 })
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSnapshot {
    images: RawImages,
}

struct RawImages(BTreeMap<ImageName, Arc<ImageTags>>);

impl<'de> Deserialize<'de> for RawImages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Images)
    }
}

struct Images;

impl<'de> Visitor<'de> for Images {
    type Value = RawImages;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with image names as keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawImages, A::Error> {
        let mut images = BTreeMap::new();
        let mut room = MAX_TAGS;
        let mut platforms = PlatformPool::default();
        while let Some(name) = map.next_key::<String>()? {
            let image: ImageName = name.parse().map_err(A::Error::custom)?;
            if images.contains_key(&image) {
                return Err(A::Error::custom(format_args!("the image {image} stands twice")));
            }
            let tags = map.next_value_seed(Image { image: &image, room: &mut room, platforms: &mut platforms })?;
            images.insert(image, Arc::new(tags));
        }
        Ok(RawImages(images))
    }
}

/// Platform lists by their texts: most tags of a snapshot have one and the same.
type PlatformPool = HashMap<Vec<String>, Vec<Platform>>;

/// Keeps what [`shorten`] wrote into an earlier snapshot as it is, so that it reads as the same, and shortens all else.
fn platform(text: &str) -> Platform {
    let is_shown = |char: char| matches!(char, '\\' | '\'' | '"') || char.escape_debug().count() == 1;
    let is_short = text.len() <= MAX_PLATFORM_BYTES;
    Platform(if is_short && text.chars().all(is_shown) { text.to_owned() } else { shorten(text) })
}

struct Image<'a> {
    image: &'a ImageName,
    room: &'a mut usize,
    platforms: &'a mut PlatformPool,
}

impl<'de> DeserializeSeed<'de> for Image<'_> {
    type Value = ImageTags;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ImageTags, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Image<'_> {
    type Value = ImageTags;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with `tags` for {}", self.image)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<ImageTags, A::Error> {
        let mut tags = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "tags" || tags.is_some() {
                let (image, key) = (self.image, shorten(&key));
                return Err(A::Error::custom(format_args!(
                    "{image}: the key `{key}` has no place here, only one `tags` has"
                )));
            }
            tags = Some(map.next_value_seed(Rows(&mut self))?);
        }
        tags.ok_or_else(|| A::Error::custom(format_args!("{}: `tags` is missing", self.image)))
    }
}

struct Rows<'a, 'b>(&'a mut Image<'b>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ImageTags;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ImageTags, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ImageTags;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with tags as keys for {}", self.0.image)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ImageTags, A::Error> {
        let mut list = ImageTags::default().list;
        let mut facts = Vec::new();
        while let Some(tag) = map.next_key_seed(Text)? {
            if *self.0.room == 0 {
                return Err(A::Error::custom(format_args!("more than {MAX_TAGS} tags")));
            }
            *self.0.room -= 1;
            list.push(&tag);
            let row: RawFacts<'_> = map.next_value().map_err(|error| bad_row(self.0.image, &tag, &error))?;
            let own = row.plain(self.0.platforms).map_err(|reason| bad_row(self.0.image, &tag, &reason))?;
            if own != TagFacts::default()
                && let Ok(tag) = tag.parse::<Tag>()
            {
                facts.push((tag, own));
            }
        }
        Ok(ImageTags { list, facts: facts.into_iter().collect() })
    }
}

fn bad_row<E: serde::de::Error>(image: &ImageName, tag: &str, reason: &dyn fmt::Display) -> E {
    let reason = reason.to_string();
    // An error within the row brings its place along; the outer one adds the same.
    let reason = reason.rfind(" at line ").map_or(reason.as_str(), |at| &reason[..at]);
    E::custom(format_args!("{image}:{}: {reason}", shorten(tag)))
}

/// A text that is borrowed where it holds no escapes.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = std::borrow::Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFacts<'a> {
    #[serde(borrow)]
    digest: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    created: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    pushed: Option<std::borrow::Cow<'a, str>>,
    platforms: Option<Vec<String>>,
}

impl RawFacts<'_> {
    fn plain(self, pool: &mut PlatformPool) -> Result<TagFacts, String> {
        let time = |text: Option<std::borrow::Cow<'_, str>>| -> Result<Option<Timestamp>, String> {
            let parse = |text: std::borrow::Cow<'_, str>| {
                text.parse().map_err(|_not_a_time| format!("`{}` is no time as RFC 3339 writes it", shorten(&text)))
            };
            text.map(parse).transpose()
        };
        let digest = self.digest.map(|text| text.parse().map_err(|error| format!("{error}"))).transpose()?;
        let platforms = match self.platforms {
            Some(rows) if rows.len() > MAX_PLATFORMS => return Err(format!("more than {MAX_PLATFORMS} platforms")),
            Some(rows) => {
                let known = pool.get(&rows).cloned();
                Some(known.unwrap_or_else(|| {
                    let platforms: Vec<Platform> = rows.iter().map(|row| platform(row)).collect();
                    pool.insert(rows, platforms.clone());
                    platforms
                }))
            }
            None => None,
        };
        Ok(TagFacts { digest, created: time(self.created)?, pushed: time(self.pushed)?, platforms })
    }
}
