//! The board: what passes found, as pages for people and as JSON for programs, and buttons for who may act.
//!
//! Entry points: [`routes`], and [`Board`], which the engine tells what passes came to. Asks neither Git nor registries:
//! it shows what the last pass saw. Without `access` in the configuration nothing here changes anything.

mod api;
pub(super) mod caught;
pub(super) mod door;
mod events;
pub(super) mod log;
pub(super) mod memory;
mod orders;
mod pages;
mod places;
mod sections;
mod sessions;
mod view;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::queue::row::Row;
use crate::service::Shared;
use crate::service::board::caught::{Catching, Caught};
use crate::service::board::events::Events;
use crate::service::board::log::{Level, Line};
use crate::service::board::memory::{Memory, PassNote, Seen};
use crate::service::board::pages::Pages;
use crate::service::board::places::Places;
use crate::service::board::sessions::{COOKIE, Sessions, Visitor};
use crate::service::figures::Figures;

/// What browsers may do with pages: load our own style and script, and send forms to us. Nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// How many pages are made at once: each takes one core for a while.
const PAGES_AT_ONCE: usize = 4;

/// How many passwords are looked at at once: each takes one core for a while.
const LOGINS_AT_ONCE: usize = 2;

/// The address of the other side of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// What the board needs between requests.
pub(super) struct Board {
    memory: Memory,
    /// What passes logged.
    caught: Caught,
    events: Events,
    sessions: Sessions,
    pages: Pages,
    making: Semaphore,
    logins: Semaphore,
    /// The orders that are followed.
    pub(super) orders: Arc<Places>,
}

impl Board {
    /// Makes one that knows nothing yet.
    pub(super) fn new() -> Self {
        Self {
            memory: Memory::default(),
            caught: Caught::default(),
            events: Events::new(),
            sessions: Sessions::new(),
            pages: Pages::new(),
            making: Semaphore::new(PAGES_AT_ONCE),
            logins: Semaphore::new(LOGINS_AT_ONCE),
            orders: Arc::default(),
        }
    }

    /// Shows these repositories, and no others.
    pub(super) fn watch<'a>(&self, urls: impl Iterator<Item = &'a str>) {
        self.memory.watch(urls);
        self.events.tell("configured", &serde_json::json!({}));
    }

    /// Catches what this thread logs for a pass, until the result is dropped.
    pub(super) fn catch<'a>(&'a self, url: &'a str) -> Catching<'a> {
        self.caught.catch(url)
    }

    /// Returns what was caught of a pass that has ended.
    pub(super) fn caught(&self, url: &str) -> Vec<Line> {
        self.caught.take(url)
    }

    /// Ends what listens.
    pub(super) fn close(&self) {
        self.events.close();
    }

    /// Notes that a pass began.
    pub(super) fn began(&self, url: &str) {
        self.events.tell("began", &serde_json::json!({ "name": memory::short(url) }));
    }

    /// Notes what a pass came to.
    pub(super) fn ended(&self, url: &str, note: PassNote, seen: Option<Seen>, failures: u32) {
        let (result, commits) = (note.result, note.figures.commits);
        self.memory.note(url, note, seen, failures);
        let data = serde_json::json!({ "name": memory::short(url), "result": result, "commits": commits });
        self.events.tell("pass", &data);
    }

    /// Notes a pass that another replica ran; that one has its log and figures.
    pub(super) fn heard(&self, url: &str, row: &Row) {
        let among = |words: &[&'static str], given: &str| words.iter().find(|word| **word == given).copied();
        let took = row.ended.duration_since(row.began);
        let note = PassNote {
            began: row.began,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or_default(),
            cause: among(&["start", "schedule", "gate", "webhook", "before", "order"], &row.cause).unwrap_or("unknown"),
            result: among(&["done", "partial", "failed", "panicked"], &row.result).unwrap_or("unknown"),
            requests: 0,
            figures: Figures::default(),
            log: vec![Line::new(Level::Info, &format!("ran in {}, which has its log and figures", row.by))],
            reason: None,
        };
        self.ended(url, note, None, row.failures);
    }
}

/// Returns what is served of the board.
pub(super) fn routes(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(pages::overview))
        .route("/promotions", get(pages::promotions))
        .route("/promotion", get(pages::promotion))
        .route("/image", get(pages::image))
        .route("/passes", get(pages::passes))
        .route("/pass", get(pages::pass))
        .route("/repositories", get(pages::repositories))
        .route("/repository", get(pages::repository))
        .route("/holds", get(pages::holds))
        .route("/login", get(pages::login).post(orders::log_in))
        .route("/logout", post(orders::log_out))
        .route("/orders/{what}", post(orders::by_form))
        .route("/events", get(events))
        .route("/assets/board.css", get(|| async { asset("text/css; charset=utf-8", include_str!("board.css")) }))
        .route("/assets/board.js", get(|| async { asset("text/javascript; charset=utf-8", include_str!("board.js")) }))
        .route("/assets/icon.svg", get(|| async { asset("image/svg+xml", include_str!("icon.svg")) }))
        .nest("/api/v1", api::routes())
        .fallback(pages::nothing)
        .layer(middleware::from_fn_with_state(Arc::clone(shared), guard))
}

async fn events(State(shared): State<Arc<Shared>>) -> Response {
    shared.board.events.listen()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// What names end with that only a cluster's or a machine's own resolver knows.
const OWN_NAMES: [&str; 4] = [".svc", ".cluster.local", ".internal", ".local"];

/// Refuses requests that are meant for another host, and tells browsers what pages may do.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let hosts = shared.live().watcher.service().hosts.clone();
    let mut answer = if is_ours(request.headers(), &hosts) {
        next.run(request).await
    } else {
        let words = "this name is not served: `hosts` in service.yaml lists the names of the board\n";
        (StatusCode::MISDIRECTED_REQUEST, words).into_response()
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whether a request is meant for the board. A name of somebody else's that leads here is how a page of theirs would read
/// what is ours; an address cannot be borrowed like that.
fn is_ours(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut given = headers.get_all(header::HOST).iter();
    let (Some(Ok(host)), None) = (given.next().map(HeaderValue::to_str), given.next()) else { return false };
    let host = host.to_ascii_lowercase();
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(bare, _)| bare),
        None => host.split(':').next().unwrap_or_default(),
    };
    bare == "localhost" || bare.parse::<IpAddr>().is_ok() || hosts.iter().any(|known| *known == bare || *known == host)
}

/// Whether a request is meant for this service, by a name that no stranger can lead here: those of the board, and names that are no
/// domain's or a cluster's own, by which scrapers reach it. Who names no host is no browser.
pub(super) fn is_within_reach(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut given = headers.get_all(header::HOST).iter();
    let host = match (given.next().map(HeaderValue::to_str), given.next()) {
        (None, None) => return true,
        (Some(Ok(host)), None) => host.to_ascii_lowercase(),
        _ => return false,
    };
    let bare = host.split(':').next().unwrap_or_default().trim_end_matches('.');
    let is_label = !bare.is_empty() && !bare.contains('.');
    is_ours(headers, hosts) || is_label || OWN_NAMES.iter().any(|end| bare.ends_with(end))
}

/// Returns who sends a request, as far as that can be told.
fn visitor(shared: &Shared, headers: &HeaderMap, peer: Peer) -> Option<Visitor> {
    let live = shared.live();
    if let Some(user) = live.door.named(headers, peer.0) {
        return Some(shared.board.sessions.named(user));
    }
    let token = session_token(headers)?;
    shared.board.sessions.visitor(&live.door, token, shared.clock.now())
}

/// Returns the token of the session's cookie.
fn session_token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Whether a request that would change something comes from a page of ours: browsers tell, and others need not lie.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or_default();
    let origin = text("origin").and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        && text("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

type Sender = Extension<Peer>;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &str)]) -> HeaderMap {
        rows.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_addresses_and_names_of_its_own_are_served() {
        let hosts = ["tagboat.acme.example".to_owned()];
        let ours = |host: &str| is_ours(&headers(&[("host", host)]), &hosts);
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost", "LOCALHOST:1", "Tagboat.acme.example:443", "10.0.0.7"]
        {
            assert!(ours(host), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "tagboat.acme.example.evil"]
        {
            assert!(!ours(host), "{host}");
        }
        assert!(!is_ours(&HeaderMap::new(), &hosts));
    }

    #[test]
    fn metrics_are_read_by_names_that_no_stranger_can_lead_here() {
        let hosts = ["tagboat.acme.example".to_owned()];
        let reaches = |host: &str| is_within_reach(&headers(&[("host", host)]), &hosts);
        for host in [
            "10.0.0.7:8080",
            "[fd00::7]:8080",
            "tagboat:8080",
            "tagboat.gitops.svc:8080",
            "TAGBOAT.gitops.svc.cluster.local.",
            "host.docker.internal:1",
            "tagboat.acme.example",
        ] {
            assert!(reaches(host), "{host}");
        }
        for host in ["evil.example", "svc.evil.example:8080", "evilsvc.example", "", "."] {
            assert!(!reaches(host), "{host}");
        }
        assert!(is_within_reach(&HeaderMap::new(), &hosts));
    }

    #[test]
    fn what_another_site_sends_is_told_by_its_origin() {
        let host = ("host", "board.example:8080");
        assert!(is_from_here(&headers(&[host, ("origin", "http://board.example:8080")])));
        assert!(is_from_here(&headers(&[
            host,
            ("origin", "https://board.example:8080"),
            ("sec-fetch-site", "same-origin")
        ])));
        for rows in [
            vec![host],
            vec![host, ("origin", "null")],
            vec![host, ("origin", "http://evil.example")],
            vec![host, ("origin", "http://board.example")],
            vec![host, ("origin", "http://board.example:8080"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_from_here(&headers(&rows)), "{rows:?}");
        }
    }
}
