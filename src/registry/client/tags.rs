//! Tag lists, page after page to the end. A list that breaks off is an error and never a short list.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use reqwest::Method;
use reqwest::header::LINK;
use url::Url;

use crate::http::error::HttpError;
use crate::http::target::host_of;
use crate::model::image::shorten;
use crate::model::tags::TagList;
use crate::registry::client::failure::Failure;
use crate::registry::client::link;
use crate::registry::client::page::{self, Page, PageError};
use crate::registry::client::transport::{Question, once_more};
use crate::registry::client::{RegistryClient, Visit};

/// The page size that registries take which refuse a larger one.
const SMALL_PAGE: u32 = 100;

/// Where the list goes on.
enum Next {
    End,
    Linked(Url),
    After(Url),
}

impl RegistryClient {
    /// Returns the complete list of an image's tags.
    pub(super) async fn list(&self, visit: &Visit<'_>) -> Result<TagList, Failure> {
        let mut list = TagList::default();
        let mut size = visit.host.page_size.load(Ordering::Relaxed);
        let mut url = first_page(visit, size);
        let mut asked = HashSet::new();
        let mut before: Option<Page> = None;
        let mut linked = false;
        let (mut bytes, mut tags) = (0, 0);
        for _ in 0..self.limits.pages {
            if !asked.insert(url.clone()) {
                return Err(Failure::Circle { host: visit.host.name.clone() });
            }
            let room = Room { bytes: self.limits.list_bytes - bytes, tags: self.limits.tags - tags };
            let step = match self.page(visit, &url, list, room).await? {
                Outcome::Refused if before.is_none() && size > 0 => {
                    size = shrink(visit, size);
                    (list, url) = (TagList::default(), first_page(visit, size));
                    continue;
                }
                Outcome::Refused => return Err(self.refused(visit, &url).await),
                Outcome::Read(step) => step,
            };
            bytes += step.page.bytes;
            tags += step.page.count;
            let repeated = step.page.first.is_some()
                && before.as_ref().is_some_and(|before: &Page| before.first == step.page.first);
            if repeated && !linked {
                return self.unpaged(visit, size).await;
            }
            if repeated {
                return Err(Failure::Circle { host: visit.host.name.clone() });
            }
            url = match next(visit, &url, &step, size, linked)? {
                Next::End => return Ok(step.list),
                Next::Linked(next) => {
                    linked = true;
                    next
                }
                Next::After(next) => next,
            };
            before = Some(step.page);
            list = step.list;
        }
        Err(Failure::Cap { cap: self.limits.pages as u64, what: "pages" })
    }

    /// Takes a list from a registry that answered twice with one page, which had as many tags as were asked for.
    ///
    /// One that sends no less when asked for one less knows no pages at all (distribution 2.x): that is
    /// the whole list. One that does would keep the rest to itself.
    async fn unpaged(&self, visit: &Visit<'_>, size: u32) -> Result<TagList, Failure> {
        let room = Room { bytes: self.limits.list_bytes, tags: self.limits.tags };
        let less = size.saturating_sub(1);
        if less > 0
            && let Outcome::Read(step) = self.page(visit, &first_page(visit, less), TagList::default(), room).await?
            && step.page.count > less as usize
        {
            return Ok(step.list);
        }
        Err(Failure::Circle { host: visit.host.name.clone() })
    }

    /// Puts a 400 into words, with what the registry says.
    async fn refused(&self, visit: &Visit<'_>, url: &Url) -> Failure {
        let question = Question { method: Method::GET, url: url.clone(), accept: "application/json" };
        match self.ask_whole(visit, &question, self.limits.manifest_bytes).await {
            Err(failure) => failure,
            Ok(_) => Failure::Status { host: visit.host.name.clone(), status: 400, said: String::new() },
        }
    }

    async fn page(&self, visit: &Visit<'_>, url: &Url, mut list: TagList, room: Room) -> Result<Outcome, Failure> {
        let question = Question { method: Method::GET, url: url.clone(), accept: "application/json" };
        let host = || visit.host.name.clone();
        let mut broken = None;
        loop {
            let answer = self.ask(visit, &question).await?;
            if answer.status == 400 {
                return Ok(Outcome::Refused);
            }
            let answer = self.successful(visit, answer).await?;
            let links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
            let link = links.filter_map(link::next).next().map(str::to_owned);
            let body = answer.body(room.bytes);
            let (read, outcome) = page::read(body, list, room.tags).await;
            list = read;
            visit.host.note(match &outcome {
                Err(PageError::Http(error) | PageError::HttpMidway(error)) => Some(error),
                _ => None,
            });
            match outcome {
                Ok(page) => return Ok(Outcome::Read(Step { list, page, link })),
                Err(
                    PageError::Http(HttpError::TooLarge { .. }) | PageError::HttpMidway(HttpError::TooLarge { .. }),
                ) => {
                    return Err(self.too_long());
                }
                Err(PageError::Http(error)) => once_more(&mut broken, error)?,
                Err(PageError::HttpMidway(error)) => return Err(error.into()),
                Err(PageError::TooMany) => return Err(Failure::Cap { cap: self.limits.tags as u64, what: "tags" }),
                Err(PageError::Markup) => return Err(Failure::NotJson { host: host(), what: "a web page" }),
                Err(PageError::Malformed(reason)) => {
                    return Err(Failure::Malformed { host: host(), what: "a list of tags", reason });
                }
            }
        }
    }

    fn too_long(&self) -> Failure {
        Failure::Cap { cap: self.limits.list_bytes, what: "bytes" }
    }
}

/// Finds where the list goes on: by its link, or after its last tag when the page was full without one.
fn next(visit: &Visit<'_>, here: &Url, step: &Step, size: u32, linked: bool) -> Result<Next, Failure> {
    if let Some(link) = &step.link {
        let refused = || Failure::Link { host: visit.host.name.clone(), next: shorten(link) };
        let next = here.join(link).map_err(|_not_a_url| refused())?;
        if next.host() != here.host() {
            return Err(refused());
        }
        // Registries behind a proxy name the scheme and port that they know themselves by: those stay ours.
        let mut url = here.clone();
        url.set_path(next.path());
        url.set_query(next.query());
        return Ok(Next::Linked(url));
    }
    match &step.page.last {
        // A page with more than was asked for comes from a registry that ignores `n` and has sent everything.
        Some(last) if !linked && size > 0 && step.page.count == size as usize => {
            let mut url = visit.host.url(visit.image.path(), "tags/list");
            url.query_pairs_mut().append_pair("n", &size.to_string()).append_pair("last", last);
            tracing::debug!(host = host_of(&url), path = url.path(), "a full page without a link");
            Ok(Next::After(url))
        }
        _ => Ok(Next::End),
    }
}

fn first_page(visit: &Visit<'_>, size: u32) -> Url {
    let mut url = visit.host.url(visit.image.path(), "tags/list");
    if size > 0 {
        url.set_query(Some(&format!("n={size}")));
    }
    url
}

/// Returns the next smaller page size, and lets the host's other images begin with it.
fn shrink(visit: &Visit<'_>, size: u32) -> u32 {
    let smaller = if size > SMALL_PAGE { SMALL_PAGE } else { 0 };
    // When another image has changed it meanwhile, that stands.
    let _changed = visit.host.page_size.compare_exchange(size, smaller, Ordering::Relaxed, Ordering::Relaxed);
    smaller
}

/// What may still come.
#[derive(Clone, Copy)]
struct Room {
    bytes: u64,
    tags: usize,
}

enum Outcome {
    /// A page.
    Read(Step),
    /// A 400: perhaps the page size is too large.
    Refused,
}

struct Step {
    list: TagList,
    page: Page,
    link: Option<String>,
}
