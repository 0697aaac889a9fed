//! Harbor: `GET /api/v2.0/projects/{project}/repositories/{repository}/artifacts`.

use serde::Deserialize;
use url::Url;

use crate::model::image::ImageName;
use crate::registry::push_times::{Cursor, PAGE, Page, PushTime, time};

#[derive(Deserialize)]
struct RawArtifact {
    digest: Option<String>,
    tags: Option<Vec<RawTag>>,
}

#[derive(Deserialize)]
struct RawTag {
    name: String,
    /// When the tag was put on this artifact.
    push_time: Option<String>,
}

/// Returns the URL of a page, newest artifacts first.
pub(super) fn url(origin: &Url, image: &ImageName, cursor: &Cursor) -> Option<Url> {
    let (project, repository) = image.path().split_once('/')?;
    let mut url = origin.clone();
    // A slash within the repository is escaped twice, as the API's description asks for.
    let repository = repository.replace('/', "%252F");
    url.set_path(&format!("/api/v2.0/projects/{project}/repositories/{repository}/artifacts"));
    let (page, size) = (cursor.number().to_string(), PAGE.to_string());
    let pairs = [("page", page.as_str()), ("page_size", &size), ("with_tag", "true"), ("sort", "-push_time")];
    url.query_pairs_mut().extend_pairs(pairs);
    Some(url)
}

/// Reads a page. It is a plain list: a full one is followed by another.
pub(super) fn read(body: &[u8], asked: &Cursor) -> Result<Page, serde_json::Error> {
    let raw: Vec<RawArtifact> = serde_json::from_slice(body)?;
    let next = (raw.len() >= PAGE).then(|| asked.following());
    let rows = raw.into_iter().flat_map(|artifact| {
        let digest = artifact.digest;
        let row = move |tag: RawTag| Some((tag.name, PushTime::of(time(tag.push_time.as_deref()), digest.as_deref())?));
        artifact.tags.unwrap_or_default().into_iter().filter_map(row)
    });
    Ok(Page { times: rows.collect(), next })
}
