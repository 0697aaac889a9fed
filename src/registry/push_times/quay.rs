//! Quay: `GET /api/v1/repository/{namespace}/{repository}/tag/`.

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::model::image::ImageName;
use crate::registry::push_times::{Cursor, PAGE, Page, PushTime};

#[derive(Deserialize)]
struct RawPage {
    #[serde(default)]
    has_additional: bool,
    tags: Vec<RawTag>,
}

#[derive(Deserialize)]
struct RawTag {
    name: String,
    /// When the tag began to point where it points, in seconds.
    start_ts: Option<i64>,
    /// When it stopped to; tags with it are history.
    end_ts: Option<i64>,
    manifest_digest: Option<String>,
}

/// Returns the URL of a page; the newest tags come first.
pub(super) fn url(origin: &Url, image: &ImageName, cursor: &Cursor) -> Option<Url> {
    // Anonymous questions about a path that is no namespace and repository would only be refused.
    image.path().contains('/').then(|| {
        let mut url = origin.clone();
        url.set_path(&format!("/api/v1/repository/{}/tag/", image.path()));
        let (page, size) = (cursor.number().to_string(), PAGE.to_string());
        url.query_pairs_mut().extend_pairs([("limit", size.as_str()), ("page", &page), ("onlyActiveTags", "true")]);
        url
    })
}

/// Reads a page.
pub(super) fn read(body: &[u8], asked: &Cursor) -> Result<Page, serde_json::Error> {
    let raw: RawPage = serde_json::from_slice(body)?;
    let next = (raw.has_additional && !raw.tags.is_empty()).then(|| asked.following());
    let rows = raw.tags.into_iter().filter(|tag| tag.end_ts.is_none());
    let row = |tag: RawTag| {
        let since = Timestamp::from_second(tag.start_ts?).ok();
        Some((tag.name, PushTime::of(since, tag.manifest_digest.as_deref())?))
    };
    Ok(Page { times: rows.filter_map(row).collect(), next })
}
