//! Docker Hub: `GET /v2/namespaces/{namespace}/repositories/{repository}/tags` of hub.docker.com.
//!
//! Asked without credentials: a registry login is no login there, and no secret of one host goes to another.
//! So it tells of public repositories alone.

use serde::Deserialize;
use url::Url;

use crate::model::image::ImageName;
use crate::registry::push_times::{Cursor, PAGE, Page, PushTime, time};

/// Where the API is; nothing that the registry says changes that.
const API: &str = "https://hub.docker.com/";

#[derive(Deserialize)]
struct RawPage {
    next: Option<String>,
    results: Vec<RawTag>,
}

#[derive(Deserialize)]
struct RawTag {
    name: String,
    tag_last_pushed: Option<String>,
    digest: Option<String>,
}

/// Returns the URL of a page, newest tags first.
pub(super) fn url(image: &ImageName, cursor: &Cursor) -> Option<Url> {
    let (namespace, repository) = image.path().split_once('/')?;
    let mut url = Url::parse(API).expect("a constant URL is one");
    url.set_path(&format!("/v2/namespaces/{namespace}/repositories/{repository}/tags"));
    let page = cursor.number().to_string();
    let size = PAGE.to_string();
    url.query_pairs_mut().extend_pairs([("page_size", size.as_str()), ("page", &page), ("ordering", "last_updated")]);
    Some(url)
}

/// Reads a page. That there is a `next` counts, not where it leads.
pub(super) fn read(body: &[u8], asked: &Cursor) -> Result<Page, serde_json::Error> {
    let raw: RawPage = serde_json::from_slice(body)?;
    let next = (raw.next.is_some() && !raw.results.is_empty()).then(|| asked.following());
    let row =
        |tag: RawTag| Some((tag.name, PushTime::of(time(tag.tag_last_pushed.as_deref()), tag.digest.as_deref())?));
    Ok(Page { times: raw.results.into_iter().filter_map(row).collect(), next })
}
