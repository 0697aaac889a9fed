//! GitLab: `GET /gitlab/v1/repositories/{path}/tags/list/` of the registry itself.
//!
//! GitLab's main API would need a project and a token of its own, at another host. The registry's needs neither; it
//! is there where the registry has a metadata database, as on gitlab.com.

use serde::Deserialize;
use url::{Url, form_urlencoded};

use crate::model::image::ImageName;
use crate::registry::push_times::{Cursor, PAGE, Page, PushTime, time};

#[derive(Deserialize)]
struct RawTag {
    name: String,
    published_at: Option<String>,
    updated_at: Option<String>,
    created_at: Option<String>,
    digest: Option<String>,
}

/// Returns the URL of a page, newest tags first.
pub(super) fn url(origin: &Url, image: &ImageName, cursor: &Cursor) -> Url {
    let mut url = origin.clone();
    url.set_path(&format!("/gitlab/v1/repositories/{}/tags/list/", image.path()));
    let size = PAGE.to_string();
    url.query_pairs_mut().extend_pairs([("n", size.as_str()), ("sort", "-published_at")]);
    if let Cursor::After(mark) = cursor {
        url.query_pairs_mut().append_pair("last", mark);
    }
    url
}

/// Reads a page; of the link only the mark is taken.
pub(super) fn read(body: &[u8], link: Option<&str>) -> Result<Page, serde_json::Error> {
    let raw: Vec<RawTag> = serde_json::from_slice(body)?;
    let query = link.and_then(|link| link.split_once('?')).map_or("", |(_, query)| query);
    let last = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "last");
    let next = last.map(|(_, mark)| Cursor::After(mark.into_owned())).filter(|_| !raw.is_empty());
    // Registries before version 4.9 have no `published_at`, which is the later one of the other two.
    let row = |tag: RawTag| {
        let known = tag.published_at.or(tag.updated_at).or(tag.created_at);
        Some((tag.name, PushTime::of(time(known.as_deref()), tag.digest.as_deref())?))
    };
    Ok(Page { times: raw.into_iter().filter_map(row).collect(), next })
}
