//! When tags were pushed, asked of the vendor's own API: page by page, each once, as far as a tag is looked for.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use url::Url;

use crate::http::client::{Answer, Call};
use crate::http::target::host_of;
use crate::model::image::{ImageName, Tag};
use crate::registry::client::challenge::Challenge;
use crate::registry::client::failure::Failure;
use crate::registry::client::host::{Host, Scheme};
use crate::registry::client::link;
use crate::registry::client::meter::Kind;
use crate::registry::client::transport::Question;
use crate::registry::client::{RegistryClient, Visit};
use crate::registry::credentials::Secret;
use crate::registry::push_times::{Ask, Cursor, Login, Page, PushTime, Realm, Vendor, ecr};

/// How many pages of one image are asked for: a thousand tags, the newest first. Older ones are old enough to wait
/// for nothing, or their first-seen time tells.
const MAX_PAGES: usize = 10;

/// How long a page may be; a hundred tags of Docker Hub with twenty platforms each have about 1 MB.
const MAX_PAGE: u64 = 8 << 20;

/// The push times of one image, as far as they were asked for.
#[derive(Debug)]
pub(super) struct Known {
    times: HashMap<String, PushTime>,
    next: Option<Cursor>,
    pages: usize,
    failed: Option<Arc<str>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { times: HashMap::new(), next: Some(Cursor::Page(1)), pages: 0, failed: None }
    }
}

/// All images' push times; each is locked while it is being asked for, so that everybody waits for one request.
pub(super) type PushTimes = std::sync::Mutex<HashMap<ImageName, Arc<tokio::sync::Mutex<Known>>>>;

impl RegistryClient {
    /// Returns when a tag was pushed, and to what; `None` where no API tells.
    pub(super) async fn pushed(&self, visit: &Visit<'_>, tag: &Tag) -> Result<Option<PushTime>, Failure> {
        let vendor = self.vendor(visit.host);
        let known = {
            let mut all = self.push_times.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(all.entry(visit.image.clone()).or_default())
        };
        let mut known = known.lock().await;
        loop {
            if let Some(time) = known.times.get(tag.as_str()) {
                return Ok(Some(time.clone()));
            }
            if let Some(reason) = &known.failed {
                return Err(Failure::PushTimes(Arc::clone(reason)));
            }
            if vendor == Vendor::Ecr {
                match self.pushed_to_ecr(visit, tag).await {
                    Ok(Some(time)) => {
                        known.times.insert(tag.to_string(), time);
                        continue;
                    }
                    Ok(None) => return Ok(None),
                    Err(failure) => {
                        known.failed = Some(untold(visit, &failure));
                        continue;
                    }
                }
            }
            let Some(cursor) = known.next.clone().filter(|_| known.pages < MAX_PAGES) else { return Ok(None) };
            let Some(ask) = vendor.page(&visit.host.origin, visit.image, &cursor) else { return Ok(None) };
            known.next = None;
            known.pages += 1;
            match self.push_times_page(visit, vendor, &ask, &cursor).await {
                Ok(page) => {
                    // A tag that moved while the pages were read stands twice: the newest counts.
                    for (tag, time) in page.times {
                        known.times.entry(tag).or_insert(time);
                    }
                    known.next = page.next;
                }
                Err(failure) => known.failed = Some(untold(visit, &failure)),
            }
        }
    }

    /// Whether a vendor's API is asked when an image's tags were pushed, as far as that is known by now.
    pub(super) fn has_push_times(&self, image: &ImageName) -> bool {
        let asked_here = self.asked_as(image).is_ok_and(|names| names.first() == Some(image));
        asked_here && self.host(image.host()).is_ok_and(|host| self.vendor(&host) != Vendor::Other)
    }

    /// Asks Amazon's API about one tag; `None` where it does not tell this identity, or none is configured.
    async fn pushed_to_ecr(&self, visit: &Visit<'_>, tag: &Tag) -> Result<Option<PushTime>, Failure> {
        let breaker = visit.host.breaker(Kind::Api);
        let _leave = breaker.enter(&visit.host.name, &*self.clock).await?;
        let body = match self.credentials.ecr_image(&visit.host.name, visit.image.path(), tag).await {
            Ok(body) => body,
            Err(error) => {
                breaker.fail(error.to_string(), self.clock.instant());
                return Err(error.into());
            }
        };
        breaker.note(None, self.clock.instant());
        let Some(body) = body else { return Ok(None) };
        ecr::read(&body).map_err(|error| Failure::Malformed {
            host: visit.host.name.clone(),
            what: "an image's description",
            reason: format!("see its line {}, column {}", error.line(), error.column()),
        })
    }

    fn vendor(&self, host: &Host) -> Vendor {
        if let Some(vendor) = self.host_settings.get(&host.name).and_then(|settings| settings.vendor) {
            return vendor;
        }
        let scheme = host.scheme();
        let seen = match &scheme {
            Scheme::Challenged(challenge) => match &**challenge {
                Challenge::Bearer { realm, service, .. } => {
                    Some(Realm { realm, service: service.as_deref().unwrap_or_default() })
                }
                Challenge::Basic => None,
            },
            Scheme::Unknown | Scheme::Open => None,
        };
        Vendor::of(&host.name, seen)
    }

    async fn push_times_page(
        &self,
        visit: &Visit<'_>,
        vendor: Vendor,
        ask: &Ask,
        cursor: &Cursor,
    ) -> Result<Page, Failure> {
        let answer = match ask.login {
            Login::Registry => {
                let question = Question { method: Method::GET, url: ask.url.clone(), accept: "application/json" };
                self.ask(visit, &question).await?
            }
            Login::Password => {
                let credential = self.credentials.find(&visit.host.name, visit.image.path()).await?;
                let header = match credential.as_deref().map(|credential| &credential.secret) {
                    Some(Secret::Password { user, password }) => Some(super::auth::basic(user, password)),
                    _ => None,
                };
                self.ask_api(visit, &ask.url, header).await?
            }
            Login::Nobody => self.ask_api(visit, &ask.url, None).await?,
        };
        let host = host_of(&ask.url);
        match answer.status.as_u16() {
            200 => {}
            // Unknown, or no such API: nobody tells.
            404 => return Ok(Page::default()),
            status => return Err(Failure::Status { host, status, said: String::new() }),
        }
        // The newest come first: where it cannot be read how it goes on, older tags are without a time.
        let link = link::next_of(&answer.headers).unwrap_or_default();
        let body = answer.body(MAX_PAGE).whole().await;
        let breaker = self.host(if is_own(visit, &ask.url) { &visit.host.name } else { &host })?;
        breaker.breaker(Kind::Api).note(body.as_ref().err(), self.clock.instant());
        let body = body?;
        vendor.read(&body, cursor, link.as_deref()).map_err(|at| Failure::Malformed {
            host,
            what: "a list of push times",
            reason: format!("see its line {}, column {}", at.line, at.column),
        })
    }

    /// Asks an API with a login of its own kind. One at another host has that host's limits and breaker, and no login.
    async fn ask_api(&self, visit: &Visit<'_>, url: &Url, login: Option<HeaderValue>) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let call = |headers, visit: &Visit<'_>| Call {
            method: Method::GET,
            url: url.clone(),
            headers,
            body: None,
            deadline: visit.deadline,
            retry: self.limits.retry,
            plain: visit.host.plain,
        };
        if is_own(visit, url) {
            headers.extend(login.map(|login| (AUTHORIZATION, login)));
            return self.exchange(visit, Kind::Api, &call(headers, visit)).await;
        }
        let host = self.host(&host_of(url))?;
        let visit = self.visit(visit.image, &host).await?;
        self.exchange(&visit, Kind::Api, &call(headers, &visit)).await
    }
}

/// Whether an API is at the registry's own host.
fn is_own(visit: &Visit<'_>, url: &Url) -> bool {
    url.host() == visit.host.origin.host()
}

/// Puts into words why an API did not tell, and says so once in a pass: what waits for an age may wait longer now.
fn untold(visit: &Visit<'_>, failure: &Failure) -> Arc<str> {
    let is_refused = matches!(failure, Failure::Status { status: 401 | 403, .. });
    if !is_refused && visit.host.is_first_to_tell() {
        tracing::warn!(
            host = visit.host.name,
            image = %visit.image,
            %failure,
            "the registry's own API does not tell when tags were pushed; since when the cache has known each counts \
             instead, and a later pass asks again"
        );
    }
    failure.to_string().into()
}
