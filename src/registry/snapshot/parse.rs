//! Reading a snapshot: straight from the JSON text into the compact lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::model::image::{ImageName, Tag, shorten};
use crate::model::signature::{SignatureFact, SignatureVerdict};
use crate::model::tags::{FactKind, ImageTags, Labels, Platform, TagFacts};
use crate::registry::snapshot::Snapshot;

/// The longest snapshot; 5,000 images with two million tags take about 60 MB.
const MAX_BYTES: usize = 512 << 20;

/// The most tags of all images together.
const MAX_TAGS: usize = 10_000_000;

/// The most platforms of one tag.
const MAX_PLATFORMS: usize = 500;

/// The most verdicts on signatures of one tag: one for each digest it had and each policy.
const MAX_SIGNATURES: usize = 100;

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
    let RawImages(images, failed) = raw.images;
    Ok(Snapshot { images, failed })
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

/// The images with their lists, and those whose list could not be had.
struct RawImages(BTreeMap<ImageName, Arc<ImageTags>>, BTreeMap<ImageName, String>);

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
        let (mut images, mut failed) = (BTreeMap::new(), BTreeMap::new());
        let mut room = MAX_TAGS;
        let mut platforms = PlatformPool::default();
        while let Some(name) = map.next_key::<String>()? {
            let image: ImageName = name.parse().map_err(A::Error::custom)?;
            if images.contains_key(&image) || failed.contains_key(&image) {
                return Err(A::Error::custom(format_args!("the image {image} stands twice")));
            }
            match map.next_value_seed(Image { image: &image, room: &mut room, platforms: &mut platforms })? {
                Recorded::Tags(tags) => drop(images.insert(image, Arc::new(tags))),
                Recorded::Failed(reason) => drop(failed.insert(image, reason)),
            }
        }
        Ok(RawImages(images, failed))
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

/// What is recorded of an image.
enum Recorded {
    /// Its list.
    Tags(ImageTags),
    /// Why its list could not be had, in words.
    Failed(String),
}

/// Listed texts that are no tags.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInvalid {
    count: usize,
    examples: Vec<String>,
}

/// Returns words of a file as they may be shown.
fn visible(text: &str) -> String {
    text.chars().take(1000).flat_map(escape).collect()
}

impl<'de> DeserializeSeed<'de> for Image<'_> {
    type Value = Recorded;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Recorded, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Image<'_> {
    type Value = Recorded;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object with `tags` for {}", self.image)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Recorded, A::Error> {
        let (mut tags, mut invalid, mut lost, mut error) = (None::<ImageTags>, None::<RawInvalid>, None, None);
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let is_new = seen.insert(key.clone());
            match key.as_str() {
                "tags" if is_new => tags = Some(map.next_value_seed(Rows(&mut self))?),
                "invalid" if is_new => invalid = Some(map.next_value()?),
                "lost" if is_new => lost = Some(visible(&map.next_value::<String>()?)),
                "error" if is_new => error = Some(visible(&map.next_value::<String>()?)),
                _ => {
                    let (image, key) = (self.image, shorten(&key));
                    return Err(A::Error::custom(format_args!(
                        "{image}: the key `{key}` has no place here, only `tags`, `invalid`, `lost` and `error` have, each once"
                    )));
                }
            }
        }
        match (tags, error) {
            (Some(mut tags), None) => {
                if let Some(invalid) = invalid {
                    let examples = invalid.examples.iter().map(|text| visible(text)).collect();
                    tags.list.set_invalid(examples, invalid.count);
                }
                tags.lost = lost;
                Ok(Recorded::Tags(tags))
            }
            (None, Some(reason)) => Ok(Recorded::Failed(reason)),
            (Some(_), Some(_)) => {
                Err(A::Error::custom(format_args!("{}: `error` has no place beside `tags`", self.image)))
            }
            (None, None) => Err(A::Error::custom(format_args!("{}: `tags` is missing", self.image))),
        }
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
        list.finish();
        Ok(ImageTags { list, facts: facts.into_iter().collect(), ..ImageTags::default() })
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
    #[serde(borrow, rename = "firstSeen")]
    first_seen: Option<std::borrow::Cow<'a, str>>,
    platforms: Option<Vec<String>>,
    #[serde(default)]
    labels: RawLabels,
    #[serde(default)]
    failed: RawFailed,
    #[serde(default)]
    signatures: Vec<RawSignature>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLabels {
    source: Option<String>,
    revision: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawFailed {
    digest: Option<String>,
    image: Option<String>,
    pushed: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    digest: String,
    by: String,
    verdict: RawVerdict,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawVerdict {
    Signed,
    Missing,
    Wrong,
    Failed,
}

impl RawSignature {
    fn plain(self) -> Result<SignatureFact, String> {
        let verdict = match (self.verdict, self.reason) {
            (RawVerdict::Signed, None) => Ok(SignatureVerdict::Signed),
            (RawVerdict::Missing, None) => Ok(SignatureVerdict::Missing),
            (RawVerdict::Wrong, Some(reason)) => {
                Ok(SignatureVerdict::Wrong(reason.chars().flat_map(escape).collect::<String>().into()))
            }
            (RawVerdict::Failed, Some(reason)) => Err(visible(&reason)),
            (RawVerdict::Wrong, None) => return Err("a signature that is `wrong` needs its `reason`".to_owned()),
            (RawVerdict::Failed, None) => return Err("a signature that `failed` needs its `reason`".to_owned()),
            (_, Some(_)) => return Err("only a signature that is `wrong` or `failed` has a `reason`".to_owned()),
        };
        let digest = self.digest.parse().map_err(|error| format!("{error}"))?;
        Ok(SignatureFact { digest, by: self.by, verdict })
    }
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
        let (created, pushed) = (time(self.created)?, time(self.pushed)?);
        let first_seen = time(self.first_seen)?;
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(format!("more than {MAX_SIGNATURES} verdicts on signatures"));
        }
        let signatures = self.signatures.into_iter().map(RawSignature::plain).collect::<Result<_, _>>()?;
        let plain = |text: Option<String>| text.map(|text| visible(&text));
        let RawLabels { source, revision, version } = self.labels;
        let labels = Labels { source: plain(source), revision: plain(revision), version: plain(version) };
        let RawFailed { digest: no_digest, image, pushed: no_time } = self.failed;
        let failed = [(FactKind::Digest, no_digest), (FactKind::Image, image), (FactKind::Pushed, no_time)];
        let failed = failed.into_iter().filter_map(|(kind, reason)| Some((kind, visible(&reason?)))).collect();
        Ok(TagFacts {
            digest,
            created,
            pushed,
            first_seen,
            failed,
            labels,
            platforms,
            signatures,
            ..TagFacts::default()
        })
    }
}
