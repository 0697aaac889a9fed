//! What registries said: how a list looked, its pages where they can be asked for again, and what images hold.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, Key32, rows};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::tags::{Labels, Platform, TagFacts};

const LISTS: &str = "lists";
const PAGES: &str = "pages";
const IMAGES: &str = "images";

/// The longest answer that is kept of one list, in bytes. A longer one is asked for whole in every pass.
const MAX_PAGES_BYTES: usize = 32 << 20;

/// The first line of rows that this version reads; a row of another form counts as not there.
const FORM: &str = "1";

/// The form of what is kept of images, which has labels since.
const IMAGE_FORM: &str = "2";

/// How a list of tags looked when it last came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSummary {
    /// When, in seconds since 1970.
    pub second: i64,
    /// How many tags it had.
    pub count: usize,
    /// Those of its tags that were in use.
    pub in_use: Vec<Tag>,
}

impl Cache {
    /// Returns what a source left behind to ask for a list again; its form is the source's own business.
    pub fn pages(&self, image: &ImageName) -> Option<Vec<u8>> {
        self.find_anywhere(PAGES, key(&["pages", image.as_str()]))
    }

    /// Keeps what a source left behind.
    pub fn keep_pages(&self, image: &ImageName, pages: Vec<u8>) {
        if pages.len() <= MAX_PAGES_BYTES {
            self.keep_for_all(PAGES, &[(key(&["pages", image.as_str()]), pages)]);
        }
    }

    /// Returns of which images a source left something behind: one look for all, since nearly every registry has nothing
    /// that a list could be asked for again by. Where other processes may have left something, that is any of them.
    pub fn paged<'a>(&self, images: impl IntoIterator<Item = &'a ImageName>) -> BTreeSet<&'a ImageName> {
        if self.elsewhere.is_some() {
            return images.into_iter().collect();
        }
        let found = self.read(|connection| {
            let mut found = BTreeSet::new();
            for image in images {
                if rows::is_there(connection, PAGES, &key(&["pages", image.as_str()]))? {
                    found.insert(image);
                }
            }
            Ok(found)
        });
        found.unwrap_or_default()
    }

    /// Returns how the lists of images looked before; those that are not known are missing.
    pub fn summaries<'a>(
        &self,
        images: impl IntoIterator<Item = &'a ImageName>,
    ) -> BTreeMap<&'a ImageName, ListSummary> {
        let by_key: Vec<(Key32, &ImageName)> =
            images.into_iter().map(|image| (key(&["list", image.as_str()]), image)).collect();
        let found = self.find(LISTS, &by_key.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        by_key.into_iter().filter_map(|(key, image)| Some((image, read_summary(found.get(&key)?)?))).collect()
    }

    /// Keeps how lists look.
    pub fn keep_summaries(&self, summaries: &[(ImageName, ListSummary)]) {
        let row = |(image, summary): &(ImageName, ListSummary)| {
            let tags = summary.in_use.iter().map(|tag| format!("\n{tag}")).collect::<String>();
            let text = format!("{FORM}\n{}\n{}{tags}", summary.second, summary.count);
            (key(&["list", image.as_str()]), text.into_bytes())
        };
        self.keep(LISTS, &summaries.iter().map(row).collect::<Vec<_>>());
    }

    /// Returns what the image of a digest holds: its platforms and creation time. A digest names content that
    /// never changes, so this holds for ever and for every repository.
    pub fn image(&self, digest: &Digest) -> Option<TagFacts> {
        let facts = read_image(&self.find_anywhere(IMAGES, key(&["image", digest.as_str()]))?)?;
        Some(TagFacts { digest: Some(digest.clone()), ..facts })
    }

    /// Keeps what images hold; facts without digest or platforms are not whole, and are left out.
    pub fn keep_images<'a>(&self, facts: impl IntoIterator<Item = &'a TagFacts>) {
        let row = |facts: &TagFacts| {
            let (digest, platforms) = (facts.digest.as_ref()?, facts.platforms.as_ref()?);
            let created = facts.created.map_or_else(String::new, |created| created.to_string());
            // None of them holds a line end: the registry's client takes plain texts alone.
            let Labels { source, revision, version } = &facts.labels;
            let labels = [source, revision, version].map(|label| label.as_deref().unwrap_or_default()).join("\n");
            let platforms = platforms.iter().map(|platform| format!("\n{platform}")).collect::<String>();
            let text = format!("{IMAGE_FORM}\n{created}\n{labels}{platforms}");
            Some((key(&["image", digest.as_str()]), text.into_bytes()))
        };
        self.keep_for_all(IMAGES, &facts.into_iter().filter_map(row).collect::<Vec<_>>());
    }
}

fn read_summary(bytes: &[u8]) -> Option<ListSummary> {
    let mut lines = std::str::from_utf8(bytes).ok()?.split('\n');
    (lines.next()? == FORM).then_some(())?;
    let (second, count) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
    Some(ListSummary { second, count, in_use: lines.map(str::parse).collect::<Result<_, _>>().ok()? })
}

fn read_image(bytes: &[u8]) -> Option<TagFacts> {
    let mut lines = std::str::from_utf8(bytes).ok()?.split('\n');
    (lines.next()? == IMAGE_FORM).then_some(())?;
    let created = match lines.next()? {
        "" => None,
        time => Some(time.parse().ok()?),
    };
    let mut label = || Some(Some(lines.next()?).filter(|text| !text.is_empty()).map(str::to_owned));
    let labels = Labels { source: label()?, revision: label()?, version: label()? };
    let platforms = lines.map(|platform| Platform(platform.to_owned())).collect();
    Some(TagFacts { created, labels, platforms: Some(platforms), ..TagFacts::default() })
}

/// Makes a key of texts that hold no NUL.
fn key(parts: &[&str]) -> Key32 {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0]));
    Key32(hash.finalize().into())
}
