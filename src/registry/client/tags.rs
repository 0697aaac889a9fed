//! Tag lists, page after page to the end. A list that breaks off is an error and never a short list.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use reqwest::Method;
use url::Url;

use crate::http::client::Answer;
use crate::http::error::HttpError;
use crate::http::target::host_of;
use crate::model::tags::TagList;
use crate::registry::Pages;
use crate::registry::client::earlier::{Earlier, EarlierPage, Marks, Validator};
use crate::registry::client::failure::{Failure, address};
use crate::registry::client::link;
use crate::registry::client::page::{self, Page, PageError};
use crate::registry::client::transport::{Question, once_more};
use crate::registry::client::{RegistryClient, Visit};

/// The page size that registries take which refuse a larger one.
const SMALL_PAGE: u32 = 100;

/// Statuses by which registries refuse a page size: 400 (distribution, Harbor, GitLab, Quay), 405 (ECR), 422.
const REFUSALS: [u16; 3] = [400, 405, 422];

/// Where the list goes on.
enum Next {
    End,
    Linked(Url),
    After(Url),
}

/// A list as far as it was read.
struct Reading {
    list: TagList,
    read: usize,
    bytes: u64,
    tags: usize,
    /// How many tags the longest page had.
    longest: usize,
    /// The first and the last tag of every page: pages differ, so one that comes again shows a circle.
    pages: HashSet<(Option<String>, Option<String>)>,
    /// What is left behind of each page.
    marks: Marks,
}

impl Reading {
    fn new() -> Self {
        let (list, marks) = (TagList::default(), Marks::default());
        Self { list, read: 0, bytes: 0, tags: 0, longest: 0, pages: HashSet::new(), marks }
    }

    /// Whether no page was read yet.
    fn is_empty(&self) -> bool {
        self.read == 0
    }

    /// Adds what a page held. Returns whether it had come before.
    fn add(&mut self, url: &Url, begin: usize, step: Step) -> Added {
        self.marks.add(url, step.validator, step.link.as_deref(), begin..step.list.len(), step.is_earlier);
        self.read += 1;
        self.bytes += step.page.bytes;
        self.tags += step.page.count;
        self.longest = self.longest.max(step.page.count);
        self.list = step.list;
        let is_new = step.page.count == 0 || self.pages.insert((step.page.first, step.page.last.clone()));
        Added { is_new, count: step.page.count, last: step.page.last, link: step.link }
    }
}

impl Reading {
    /// Returns the list that came whole, and what is left behind of it.
    fn finish(self, earlier: &Earlier<'_>) -> (TagList, Pages) {
        let pages = self.marks.finish(&self.list, earlier);
        (self.list, pages)
    }
}

struct Added {
    is_new: bool,
    count: usize,
    last: Option<String>,
    link: Option<String>,
}

impl RegistryClient {
    /// Returns the complete list of an image's tags; `earlier` are its pages as an earlier pass left them.
    pub(super) async fn list(&self, visit: &Visit<'_>, earlier: Option<&[u8]>) -> Result<(TagList, Pages), Failure> {
        let earlier = &Earlier::read(earlier);
        let known_size = visit.host.page_size.load(Ordering::Relaxed);
        let mut size = known_size;
        let mut url = first_page(visit, size);
        let mut asked = HashSet::new();
        let mut reading = Reading::new();
        let mut linked = false;
        let mut alone = None;
        for _ in 0..self.limits.pages {
            if !asked.insert(url.clone()) {
                return Err(Failure::Circle { host: visit.host.name.clone() });
            }
            let (begin, room) = (reading.list.len(), self.room(&reading));
            let known = earlier.page(&url).filter(|page| !hides_more(visit, page, &reading, size, linked));
            let step = match self.page(visit, &url, std::mem::take(&mut reading.list), room, known).await? {
                // The size is to blame as long as none was taken; what is left without one is the registry's own.
                Outcome::Refused(_) if reading.is_empty() && size > 0 => {
                    size = if size > SMALL_PAGE { SMALL_PAGE } else { 0 };
                    url = first_page(visit, size);
                    continue;
                }
                Outcome::Refused(failure) => return Err(failure),
                Outcome::Read(step) => step,
            };
            if size != known_size {
                // The host's other images begin with it. When another one has changed it meanwhile, that stands.
                let slot = &visit.host.page_size;
                let _changed = slot.compare_exchange(known_size, size, Ordering::Relaxed, Ordering::Relaxed);
            }
            let is_first = reading.is_empty();
            let added = reading.add(&url, begin, step);
            visit.host.paging.saw(added.count, added.link.is_some());
            if !added.is_new {
                return if linked {
                    Err(Failure::Circle { host: visit.host.name.clone() })
                } else {
                    self.unpaged(visit, size).await.map(|list| (list, Pages::Forgotten))
                };
            }
            if is_first && may_be_cut(visit, added.count, added.link.is_some(), size) {
                match self.probe(visit, &mut reading, &added).await? {
                    Some(cut) => size = cut,
                    None => return Ok(reading.finish(earlier)),
                }
                let last = added.last.as_deref().unwrap_or_default();
                url = page_after(visit, size, last);
                continue;
            }
            if !is_first && !linked {
                visit.host.paging.learn(true);
                drop(alone.take());
            }
            url = match next(visit, &url, &added, size, linked)? {
                Next::End => return Ok(reading.finish(earlier)),
                Next::Linked(next) => {
                    linked = true;
                    next
                }
                Next::After(next) if is_first && visit.host.paging.heeds_last() != Some(true) => {
                    alone = Some(visit.host.paging.alone.lock().await);
                    let known = visit.host.page_size.load(Ordering::Relaxed);
                    if known > 0 && known < size {
                        // Another image has shown meanwhile that it sends everything, or less: what is asked for changes.
                        drop(alone.take());
                        (size, reading) = (known, Reading::new());
                        asked.clear();
                        first_page(visit, size)
                    } else {
                        next
                    }
                }
                Next::After(next) => next,
            };
        }
        Err(Failure::Cap { cap: self.limits.pages as u64, what: "pages", key: "maxPages" })
    }

    fn room(&self, reading: &Reading) -> Room {
        Room { bytes: self.limits.list_bytes - reading.bytes, tags: self.limits.tags - reading.tags }
    }

    /// Asks for what comes after a page that may be cut. Returns the size that pages are cut to, `None` when the page was
    /// everything.
    ///
    /// By the specification it was; so only a registry that has more is believed, and an answer that means nothing is
    /// none. Trouble is an error, since the list may be short: the next pass asks again.
    async fn probe(&self, visit: &Visit<'_>, reading: &mut Reading, first: &Added) -> Result<Option<u32>, Failure> {
        let paging = &visit.host.paging;
        // Whether it knows `last` is found out once. After that, images need not wait for each other.
        let _alone = if paging.heeds_last().is_none() { Some(paging.alone.lock().await) } else { None };
        if !paging.may_be_cut(first.count) {
            return Ok(None);
        }
        let cut = u32::try_from(first.count).unwrap_or(u32::MAX);
        let url = page_after(visit, cut, first.last.as_deref().unwrap_or_default());
        let more = match self.page(visit, &url, TagList::default(), self.room(reading), None).await {
            Ok(Outcome::Read(step)) => step,
            Ok(Outcome::Refused(_)) => {
                // It knows no `last`: asking for what comes after helps with none of its images.
                paging.learn(false);
                return Ok(None);
            }
            Err(failure) if is_no_answer(&failure) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let repeats = reading.pages.contains(&(more.page.first, more.page.last));
        paging.learn(!repeats);
        if more.page.count == 0 {
            return Ok(None);
        }
        tracing::debug!(host = visit.host.name, repeats, tags = cut, "a page that may be cut short");
        Ok((!repeats).then_some(cut))
    }

    /// Takes a list from a registry that answered twice with one page, which had as many tags as were asked for.
    ///
    /// One that sends no less when asked for one less knows no pages at all (distribution 2.x): that is
    /// the whole list. One that does would keep the rest to itself.
    async fn unpaged(&self, visit: &Visit<'_>, size: u32) -> Result<TagList, Failure> {
        let room = Room { bytes: self.limits.list_bytes, tags: self.limits.tags };
        let less = size.saturating_sub(1);
        if less > 0
            && let Outcome::Read(step) =
                self.page(visit, &first_page(visit, less), TagList::default(), room, None).await?
            && step.page.count > less as usize
        {
            // It sends everything, whatever is asked for. Asked for one less, none of its other lists looks full any more
            // that is as long as this one, while one that is really cut still does.
            let slot = &visit.host.page_size;
            let _changed = slot.compare_exchange(size, less, Ordering::Relaxed, Ordering::Relaxed);
            return Ok(step.list);
        }
        Err(Failure::Circle { host: visit.host.name.clone() })
    }

    async fn page(
        &self,
        visit: &Visit<'_>,
        url: &Url,
        mut list: TagList,
        room: Room,
        earlier: Option<&EarlierPage<'_>>,
    ) -> Result<Outcome, Failure> {
        let question = Question { method: Method::GET, url: url.clone(), accept: "application/json" };
        let host = || visit.host.name.clone();
        let mut broken = None;
        loop {
            let answer = self.ask_unless(visit, &question, earlier.map(|page| &page.validator)).await?;
            if answer.status == 304
                && let Some(page) = earlier
            {
                self.note(visit, None);
                visit.host.meter.cached();
                return self.again(list, page, self.link_of(visit, &answer)?, room).map(Outcome::Read);
            }
            let is_refusal = REFUSALS.contains(&answer.status.as_u16());
            let answer = match self.successful(visit, answer).await {
                Err(failure) if is_refusal || is_of_page_size(&failure) => return Ok(Outcome::Refused(failure)),
                other => other?,
            };
            let link = self.link_of(visit, &answer)?;
            let validator = Validator::of(&answer.headers);
            let is_elsewhere = answer.is_elsewhere;
            let body = answer.body(room.bytes);
            let (read, outcome) = page::read(body, list, room.tags).await;
            list = read;
            let broken_off = match &outcome {
                Err(PageError::Http(error) | PageError::HttpMidway(error)) => Some(error),
                _ => None,
            };
            self.note(visit, broken_off.filter(|_| !is_elsewhere));
            match outcome {
                Ok(page) => return Ok(Outcome::Read(Step { list, page, link, validator, is_earlier: false })),
                Err(
                    PageError::Http(HttpError::TooLarge { .. }) | PageError::HttpMidway(HttpError::TooLarge { .. }),
                ) => {
                    return Err(self.too_long());
                }
                Err(PageError::Http(error)) => once_more(&mut broken, error)?,
                Err(PageError::HttpMidway(error)) => return Err(error.into()),
                Err(PageError::TooMany) => {
                    return Err(Failure::Cap { cap: self.limits.tags as u64, what: "tags", key: "maxTags" });
                }
                Err(PageError::Markup) => return Err(Failure::NotJson { host: host(), what: "a web page" }),
                Err(PageError::Malformed(reason)) => {
                    return Err(Failure::Malformed { host: host(), what: "a list of tags", reason });
                }
            }
        }
    }

    fn link_of(&self, visit: &Visit<'_>, answer: &Answer) -> Result<Option<String>, Failure> {
        link::next_of(&answer.headers)
            .map_err(|link::Unreadable| Failure::UnreadableLink { host: visit.host.name.clone(), what: "tags" })
    }

    /// Takes a page as it was. A link that comes with the 304 is newer than the page's own.
    fn again(
        &self,
        mut list: TagList,
        earlier: &EarlierPage<'_>,
        link: Option<String>,
        room: Room,
    ) -> Result<Step, Failure> {
        if earlier.tags.len() > room.tags {
            return Err(Failure::Cap { cap: self.limits.tags as u64, what: "tags", key: "maxTags" });
        }
        // What it took to send it, about: it counts as a page that was read, an empty one included.
        let bytes = earlier.tags.iter().map(|(_, tag)| tag.len() as u64 + 3).sum::<u64>().max(1);
        if bytes > room.bytes {
            return Err(self.too_long());
        }
        earlier.tags.iter().for_each(|(_, tag)| list.push(tag));
        let text = |tag: Option<(_, &str)>| tag.map(|(_, tag)| tag.to_owned());
        let (first, last) = (text(earlier.tags.iter().next()), text(earlier.tags.iter().last()));
        let page = Page { bytes, count: earlier.tags.len(), first, last };
        let is_earlier = link.is_none() || link.as_deref() == earlier.link;
        let link = link.or_else(|| earlier.link.map(str::to_owned));
        Ok(Step { list, page, link, validator: Some(earlier.validator.clone()), is_earlier })
    }

    fn too_long(&self) -> Failure {
        Failure::Cap { cap: self.limits.list_bytes, what: "bytes", key: "maxTagListSize" }
    }
}

/// Whether a first page that is shorter than asked for, and names no next one, may all the same not be everything.
fn may_be_cut(visit: &Visit<'_>, count: usize, has_link: bool, size: u32) -> bool {
    size > 0 && count < size as usize && !has_link && visit.host.paging.may_be_cut(count)
}

/// Whether a list may have grown beyond a page that is known to be its last, although that is as it was.
///
/// Where a validator is made of the page's text, what was added after a full page changes nothing about it, and a 304
/// need not repeat its `Link`. Such a page is asked for whole, unless what comes after it is asked for anyway.
fn hides_more(visit: &Visit<'_>, page: &EarlierPage<'_>, reading: &Reading, size: u32, linked: bool) -> bool {
    let (count, is_first, has_link) = (page.tags.len(), reading.is_empty(), page.link.is_some());
    let is_as_asked = size > 0 && count == size as usize;
    let is_asked_on = !linked && (is_as_asked || (is_first && may_be_cut(visit, count, has_link, size)));
    let is_full = is_as_asked || (!is_first && count >= reading.longest) || visit.host.paging.may_be_full(count);
    !has_link && !is_asked_on && is_full
}

/// Whether a registry says in words that it is the page size which it refuses, whatever the status.
fn is_of_page_size(failure: &Failure) -> bool {
    match failure {
        Failure::NotFound { said, .. } | Failure::Status { said, .. } => said.contains("PAGINATION_NUMBER_INVALID"),
        _ => false,
    }
}

/// Whether the answer to what comes after a page is none that means anything: neither more tags, nor trouble, nor a login
/// that is refused.
fn is_no_answer(failure: &Failure) -> bool {
    match failure {
        Failure::NotFound { .. } | Failure::Forbidden { .. } => true,
        Failure::Status { status, .. } => (400..500).contains(status) && !matches!(status, 408 | 425),
        _ => false,
    }
}

/// Finds where the list goes on: by its link, or after its last tag when the page was full without one.
fn next(visit: &Visit<'_>, here: &Url, page: &Added, size: u32, linked: bool) -> Result<Next, Failure> {
    if let Some(link) = &page.link {
        let refused =
            || Failure::Link { host: visit.host.name.clone(), next: address(link, &visit.host.tokens.shown()) };
        let next = here.join(link).map_err(|_not_a_url| refused())?;
        if next.host() != here.host() || !next.path().ends_with("tags/list") {
            return Err(refused());
        }
        // Only where to go on is taken from it. Registries behind a proxy name the scheme and port that they know
        // themselves by; JFrog leaves its repository out of the path, and Nexus puts its own before it.
        let mut url = here.clone();
        url.set_query(next.query());
        return Ok(Next::Linked(url));
    }
    match &page.last {
        // A page with more than was asked for comes from a registry that ignores `n` and has sent everything.
        Some(last) if !linked && size > 0 && page.count == size as usize => {
            tracing::debug!(host = host_of(here), path = here.path(), "a full page without a link");
            Ok(Next::After(page_after(visit, size, last)))
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

fn page_after(visit: &Visit<'_>, size: u32, last: &str) -> Url {
    let mut url = visit.host.url(visit.image.path(), "tags/list");
    url.query_pairs_mut().append_pair("n", &size.to_string()).append_pair("last", last);
    url
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
    /// A status that may mean that the page size is too large; and what it means if it does not.
    Refused(Failure),
}

struct Step {
    list: TagList,
    page: Page,
    link: Option<String>,
    validator: Option<Validator>,
    /// Whether the registry said that it is as it was.
    is_earlier: bool,
}
