//! How the fake registry answers, well or badly.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use futures_util::stream;

use super::{Auth, BodyFault, Inner, LinkStyle};

/// Answers a request, after the switches.
pub(super) async fn answer(address: SocketAddr, inner: &Arc<Mutex<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes()).into_owned().collect();
    if path == "/token" {
        return token(inner, request, &query).await;
    }
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let Some((repository, kind, reference)) = split(&path) else { return plain(404, "") };
    {
        let mut inner = inner.lock().unwrap();
        match (kind, &method) {
            ("tags", _) => inner.counts.tags += 1,
            ("referrers", _) => inner.counts.referrers += 1,
            ("manifests", &Method::HEAD) => inner.counts.heads += 1,
            ("manifests", _) => inner.counts.manifests += 1,
            _ => {
                inner.counts.blobs += 1;
                inner.blob_with_login |= headers.contains_key("authorization");
            }
        }
        if !inner.faults.statuses.is_empty() {
            let (status, wait) = inner.faults.statuses.remove(0);
            let builder = Response::builder().status(status);
            let builder = wait.into_iter().fold(builder, |builder, wait| builder.header("Retry-After", wait));
            return builder.body(Body::empty()).unwrap();
        }
        if inner.faults.odd_challenge.as_deref() == Some(repository) {
            let challenge = r#"Bearer realm="http://elsewhere.example/token""#;
            return Response::builder().status(401).header("WWW-Authenticate", challenge).body(Body::empty()).unwrap();
        }
        if let Some(challenge) = inner.challenge(address, repository, &headers) {
            let builder = Response::builder().status(401).header("WWW-Authenticate", "Negotiate");
            return builder.header("WWW-Authenticate", challenge).body(Body::empty()).unwrap();
        }
    }
    match kind {
        "tags" => list(address, inner, repository, &query).await,
        "referrers" => inner.lock().unwrap().referrers(&path, reference, &query),
        "manifests" => inner.lock().unwrap().manifest(repository, reference, &method),
        _ => inner.lock().unwrap().blob(&path, reference),
    }
}

fn split(path: &str) -> Option<(&str, &str, &str)> {
    let rest = path.strip_prefix("/v2/")?;
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Some((repository, "tags", ""));
    }
    ["manifests", "blobs", "referrers"].into_iter().find_map(|kind| {
        let (repository, reference) = rest.split_once(&format!("/{kind}/"))?;
        Some((repository, kind, reference))
    })
}

pub(super) fn plain(status: u16, body: &'static str) -> Response {
    Response::builder().status(status).header("Content-Type", "application/json").body(Body::from(body)).unwrap()
}

pub(super) fn error(status: u16, code: &str) -> Response {
    let body = format!(r#"{{"errors": [{{"code": "{code}", "message": "said by\u001b[31m the registry"}}]}}"#);
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

fn is_login(headers: &HeaderMap) -> bool {
    let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("acme:secret"));
    headers.get("authorization").is_some_and(|value| value == expected.as_str())
}

async fn token(inner: &Arc<Mutex<Inner>>, request: Request, query: &[(String, String)]) -> Response {
    let headers = request.headers().clone();
    let is_post = request.method() == Method::POST;
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let value = |rows: &[(String, String)], name: &str| {
        rows.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut inner = inner.lock().unwrap();
    inner.counts.tokens += 1;
    let welcome = match (inner.faults.auth, is_post) {
        (Auth::BearerForAll, _) => true,
        (_, true) => value(&form, "refresh_token") == "refresh" && value(&form, "grant_type") == "refresh_token",
        (_, false) => is_login(&headers),
    };
    if !welcome {
        return error(401, "UNAUTHORIZED");
    }
    let scope = value(if is_post { &form } else { query }, "scope");
    let life = inner.faults.token_life.map_or_else(String::new, |life| format!(r#", "expires_in": {life}"#));
    let name = if is_post { "access_token" } else { "token" };
    let body = format!(r#"{{"{name}": "token {} {scope}"{life}}}"#, inner.counts.tokens);
    Response::builder().body(Body::from(body)).unwrap()
}

impl Inner {
    /// Returns the challenge, where the request does not bring what is asked for.
    fn challenge(&self, address: SocketAddr, repository: &str, headers: &HeaderMap) -> Option<String> {
        let scope = format!("repository:{repository}:pull");
        match self.faults.auth {
            Auth::Open => None,
            Auth::Basic if is_login(headers) => None,
            Auth::Basic => Some("Basic realm=\"fake\"".to_owned()),
            Auth::Bearer | Auth::BearerForAll => {
                let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("");
                let (number, of) =
                    shown.strip_prefix("Bearer token ").and_then(|rest| rest.split_once(' ')).unwrap_or_default();
                let number: usize = number.parse().unwrap_or(0);
                let welcome = number > 0 && number >= self.faults.tokens_refused_below && of == scope;
                (!welcome).then(|| format!(r#"Bearer realm="http://{address}/token",service="fake",scope="{scope}""#))
            }
        }
    }

    fn manifest(&self, repository: &str, reference: &str, method: &Method) -> Response {
        let head = method == Method::HEAD;
        if let Some(status) = self.faults.head_status.filter(|_| head) {
            return plain(status, "");
        }
        if let Some(index) = self.tagged_referrers(reference) {
            return index;
        }
        if let Some(status) = self.faults.signature_status.filter(|_| reference.ends_with(".sig")) {
            return plain(status, "");
        }
        let tagged = self.tags.get(repository).and_then(|tags| tags.iter().find(|(tag, _)| tag == reference));
        let digest = tagged.map_or(reference, |(_, digest)| digest);
        let Some((kind, bytes)) = self.content.get(digest) else { return error(404, "MANIFEST_UNKNOWN") };
        let mut builder = Response::builder().header("Content-Type", kind);
        if !self.faults.no_digest_header {
            builder = builder.header("Docker-Content-Digest", self.faults.digest_header.as_deref().unwrap_or(digest));
        }
        builder.body(if head { Body::empty() } else { bytes.clone().into() }).unwrap()
    }

    fn blob(&self, path: &str, digest: &str) -> Response {
        if let Some(origin) = &self.faults.blobs_at {
            let builder = Response::builder().status(307).header("Location", format!("{origin}{path}"));
            return builder.body(Body::empty()).unwrap();
        }
        match self.content.get(digest) {
            Some((_, bytes)) => Response::new(bytes.clone().into()),
            None => error(404, "BLOB_UNKNOWN"),
        }
    }
}

/// Counts a list request as being answered for as long as it lives.
struct Busy<'a>(&'a Mutex<Inner>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().busy.0 -= 1;
    }
}

async fn list(
    address: SocketAddr,
    inner: &Arc<Mutex<Inner>>,
    repository: &str,
    query: &[(String, String)],
) -> Response {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let (faults, all) = {
        let mut inner = inner.lock().unwrap();
        inner.busy.0 += 1;
        inner.busy.1 = inner.busy.1.max(inner.busy.0);
        (inner.faults.clone(), inner.tags.get(repository).cloned())
    };
    let _busy = Busy(inner);
    // Gives others the chance to be there at the same time.
    tokio::task::yield_now().await;
    if let Some(count) = faults.generated {
        return generated(count);
    }
    let Some(all) = all else { return error(404, "NAME_UNKNOWN") };
    let asked = value("n").and_then(|n| n.parse::<usize>().ok());
    if faults.refuses_n_above.is_some_and(|most| asked.is_some_and(|n| n > most)) {
        return error(400, "PAGINATION_NUMBER_INVALID");
    }
    let largest = faults.page_size.unwrap_or(1000);
    let size = if faults.ignores_n { usize::MAX } else { asked.unwrap_or(largest).min(largest) };
    let last = value("last").filter(|_| !faults.ignores_last);
    let start = last.and_then(|last| all.iter().position(|(tag, _)| *tag == last)).map_or(0, |at| at + 1);
    let page: Vec<&str> = all[start..].iter().take(size).map(|(tag, _)| tag.as_str()).collect();
    let more = start + page.len() < all.len();
    let tags =
        if page.is_empty() && faults.null_tags { "null".to_owned() } else { serde_json::to_string(&page).unwrap() };
    let body = format!(r#"{{"name": "{repository}", "tags": {tags}, "more": {{"deep": [1, {{}}]}}}}"#);
    let mut builder = Response::builder().header("Content-Type", "application/json");
    let next = format!("/v2/{repository}/tags/list?last={}&n={size}", page.last().unwrap_or(&""));
    let link = match faults.link {
        LinkStyle::Relative => Some(next),
        LinkStyle::Absolute => Some(format!("http://{address}{next}")),
        LinkStyle::Foreign => Some(format!("http://192.0.2.1{next}")),
        LinkStyle::Circle => Some(format!("/v2/{repository}/tags/list?n={}", asked.unwrap_or(1000))),
        LinkStyle::Absent => None,
    };
    if let Some(link) = link.filter(|_| more) {
        builder = builder.header("Link", format!("<{link}>; rel=\"next\""));
    }
    if start / size.min(all.len().max(1)) < faults.list_from_page || faults.list_times == Some(0) {
        return builder.body(body.into()).unwrap();
    }
    inner.lock().unwrap().faults.list_times = faults.list_times.map(|times| times - 1);
    spoil(builder, body, faults.list).await
}

async fn spoil(builder: axum::http::response::Builder, body: String, fault: BodyFault) -> Response {
    let half = body[..body.len() / 2].to_owned();
    let body = match fault {
        BodyFault::None => body.into(),
        BodyFault::Truncated => half.into(),
        BodyFault::Html => "<!DOCTYPE html><title>Sign in</title>".into(),
        BodyFault::NeverAnswers => std::future::pending().await,
        BodyFault::BreaksOff => {
            Body::from_stream(stream::iter([Ok(half), Err(std::io::Error::other("the registry went away"))]))
        }
        BodyFault::Trickles => Body::from_stream(stream::unfold(body.into_bytes().into_iter(), |mut bytes| async {
            // The wait is the fault itself: nothing waits for it to end.
            tokio::time::sleep(Duration::from_secs(1)).await;
            bytes.next().map(|byte| (Ok::<_, Infallible>(vec![byte]), bytes))
        })),
    };
    builder.status(StatusCode::OK).body(body).unwrap()
}

/// Makes a list up while it is sent, in pieces of 1,000 tags.
fn generated(count: usize) -> Response {
    let pieces = (0..count).step_by(1000).map(move |start| {
        let mut piece = if start == 0 { r#"{"name": "generated", "tags": ["#.to_owned() } else { ",".to_owned() };
        let tags: Vec<String> = (start..count.min(start + 1000)).map(|number| format!("\"1.{number}.0\"")).collect();
        piece.push_str(&tags.join(","));
        if start + 1000 >= count {
            piece.push_str("]}");
        }
        Ok::<_, Infallible>(piece)
    });
    Response::new(Body::from_stream(stream::iter(pieces)))
}
