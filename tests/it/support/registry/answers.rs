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
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{ACR_REFRESH, Auth, BodyFault, ENTRA_TOKEN, Faults, Inner, LinkStyle, Vendor};

/// Answers a request, after the switches.
pub(super) async fn answer(address: SocketAddr, inner: &Arc<Mutex<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes()).into_owned().collect();
    if ["/token", "/v2/auth", "/jwt/auth", "/oauth2/token"].contains(&path.as_str()) {
        return token(inner, request, &query).await;
    }
    if path.starts_with("/art/") {
        return token(inner, request, &query).await;
    }
    if path == "/oauth2/exchange" {
        return exchange(inner, request).await;
    }
    let (method, headers) = (request.method().clone(), request.headers().clone());
    if inner.lock().unwrap().faults.is_web_page {
        return Response::builder().header("Content-Type", "text/html").body("<html>Welcome</html>".into()).unwrap();
    }
    let leads = inner.lock().unwrap().faults.leads.clone();
    if let Some((_, origin)) =
        leads.filter(|(text, _)| if *text == "/v2/" { path == *text } else { path.contains(text) })
    {
        let builder = Response::builder().status(307).header("Location", format!("{origin}{path}"));
        return builder.body(Body::empty()).unwrap();
    }
    if path == "/v2/" {
        let mut inner = inner.lock().unwrap();
        inner.roots += 1;
        inner.counts.logins += usize::from(brings_login(&headers));
        if inner.faults.auth == Auth::Open || is_login(&headers, &inner.faults) {
            return plain(200, "{}");
        }
        let challenges = inner.challenges(address, "", "root", &headers);
        let builder = Response::builder().status(401);
        let with = |builder: axum::http::response::Builder, challenge| builder.header("WWW-Authenticate", challenge);
        return challenges.into_iter().fold(builder, with).body(Body::empty()).unwrap();
    }
    let Some((repository, kind, reference)) = split(&path) else { return plain(404, "") };
    {
        let mut inner = inner.lock().unwrap();
        inner.counts.logins += usize::from(brings_login(&headers));
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
        match kind {
            "tags" => inner.queries.push(request.uri().query().unwrap_or("").to_owned()),
            "manifests" => {
                let accept = headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or("");
                inner.accepts.push((method.to_string(), accept.to_owned()));
            }
            _ => {}
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
        let challenges = inner.challenges(address, repository, kind, &headers);
        if let Some(status) =
            inner.faults.hides.filter(|_| !challenges.is_empty() && !headers.contains_key("authorization"))
        {
            return error(status, "HIDDEN");
        }
        if !challenges.is_empty() {
            let builder = Response::builder().status(401).header("WWW-Authenticate", "Negotiate");
            let with =
                |builder: axum::http::response::Builder, challenge| builder.header("WWW-Authenticate", challenge);
            if let Some(words) = inner.faults.challenge_says {
                let challenges: Vec<u8> = [challenges[0].as_bytes(), words].concat();
                return with_bytes(401, &challenges);
            }
            return challenges.into_iter().fold(builder, with).body(Body::empty()).unwrap();
        }
    }
    let counted = if method == Method::HEAD { "heads" } else { kind };
    let told = inner.lock().unwrap().spend(counted);
    let Some(told) = told else { return plain(429, "") };
    let mut response = match kind {
        "tags" => list(address, inner, repository, &query, &headers).await,
        "referrers" => inner.lock().unwrap().referrers(&path, reference, &query),
        "manifests" => inner.lock().unwrap().manifest(repository, reference, &method),
        _ => inner.lock().unwrap().blob(&path, reference),
    };
    response.headers_mut().extend(told);
    response
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

/// Answers with a challenge in whatever encoding.
fn with_bytes(status: u16, challenge: &[u8]) -> Response {
    let challenge = axum::http::HeaderValue::from_bytes(challenge).unwrap();
    Response::builder().status(status).header("WWW-Authenticate", challenge).body(Body::empty()).unwrap()
}

pub(super) fn error(status: u16, code: &str) -> Response {
    let body = format!(r#"{{"errors": [{{"code": "{code}", "message": "said by\u001b[31m the registry"}}]}}"#);
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

fn brings_login(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value.to_str().unwrap().starts_with("Basic "))
}

fn is_login(headers: &HeaderMap, faults: &Faults) -> bool {
    let (user, password) = faults.login.unwrap_or(("acme", "secret"));
    let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")));
    headers.get("authorization").is_some_and(|value| value == expected.as_str())
}

fn value(rows: &[(String, String)], name: &str) -> String {
    rows.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn form(request: Request) -> Vec<(String, String)> {
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    url::form_urlencoded::parse(&body).into_owned().collect()
}

async fn token(inner: &Arc<Mutex<Inner>>, request: Request, query: &[(String, String)]) -> Response {
    let headers = request.headers().clone();
    let is_post = request.method() == Method::POST;
    let asked = request.uri().query().unwrap_or("").to_owned();
    let place = request.uri().path().to_owned();
    let form = form(request).await;
    let faults = {
        let mut inner = inner.lock().unwrap();
        inner.counts.tokens += 1;
        inner.counts.logins += usize::from(brings_login(&headers));
        inner.token_queries.push(asked);
        if inner.faults.token_times == Some(0) {
            inner.faults.token_body = BodyFault::None;
        }
        inner.faults.token_times = inner.faults.token_times.map(|times| times.saturating_sub(1));
        inner.faults.clone()
    };
    if faults.token_body != BodyFault::None {
        return spoil(Response::builder(), r#"{"token": "of nobody"}"#.to_owned(), faults.token_body).await;
    }
    let inner = inner.lock().unwrap();
    let welcome = match (faults.auth, is_post) {
        (Auth::BearerForAll, _) => true,
        (_, true) => {
            let shown = value(&form, "refresh_token");
            let known = if faults.vendor == Vendor::Acr { shown.ends_with(ACR_REFRESH) } else { shown == "refresh" };
            known && value(&form, "grant_type") == "refresh_token"
        }
        (_, false) => is_login(&headers, &faults),
    };
    if let Some(status) = inner.faults.token_status {
        return plain(status, "");
    }
    if !welcome {
        return match faults.vendor {
            Vendor::Ghcr => error(403, "DENIED"),
            _ => error(401, "UNAUTHORIZED"),
        };
    }
    let rows = if is_post { &form } else { query };
    let scopes: Vec<&str> = rows.iter().filter(|(name, _)| name == "scope").map(|(_, scope)| scope.as_str()).collect();
    let other = place.strip_prefix("/art/").and_then(|rest| rest.strip_suffix("/token"));
    let other = other.map(|beginning| format!("repository:{beginning}/"));
    if other.is_some_and(|own| scopes.iter().any(|scope| !scope.starts_with(&own))) {
        return match faults.realms {
            Some(200) => Response::new(r#"{"token": "0 nothing"}"#.into()),
            status => error(status.unwrap_or(401), "DENIED"),
        };
    }
    if faults.scoped_realm && scopes.len() != 1 {
        return error(401, "TWO_SCOPES");
    }
    let life = faults.token_life.map_or_else(String::new, |life| match faults.vendor {
        Vendor::Harbor => format!(r#", "expires_in": "{life}""#),
        Vendor::DockerHub => format!(r#", "expires_in": {life}, "issued_at": "2026-11-20T07:59:59.5Z""#),
        _ => format!(r#", "expires_in": {life}"#),
    });
    let issued = faults.token_issued.map(|at| format!(r#", "issued_at": "{at}""#)).unwrap_or_default();
    let life = format!("{life}{issued}");
    let text = match faults.vendor {
        Vendor::NexusBearer | Vendor::Jfrog => "token of the user".to_owned(),
        _ => format!("token {} {}", inner.counts.tokens, scopes.join(" ")),
    };
    let body = match faults.vendor {
        Vendor::DockerHub => format!(r#"{{"token": "{text}", "access_token": "{text}"{life}}}"#),
        _ if is_post => format!(r#"{{"access_token": "{text}"{life}}}"#),
        _ => format!(r#"{{"token": "{text}"{life}}}"#),
    };
    Response::builder().body(Body::from(body)).unwrap()
}

/// Exchanges a token of Entra for a refresh token, as registries of Azure do.
async fn exchange(inner: &Arc<Mutex<Inner>>, request: Request) -> Response {
    let host = request.headers()["host"].to_str().unwrap().to_owned();
    let form = form(request).await;
    inner.lock().unwrap().counts.exchanges += 1;
    let welcome = value(&form, "access_token") == ENTRA_TOKEN
        && value(&form, "grant_type") == "access_token"
        && value(&form, "service") == host;
    if !welcome {
        return error(401, "UNAUTHORIZED");
    }
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"exp": 4102444800}"#);
    let body = format!(r#"{{"refresh_token": "header.{claims}{ACR_REFRESH}"}}"#);
    Response::builder().body(Body::from(body)).unwrap()
}

impl Inner {
    /// Returns the challenges; none where the request brings what is asked for.
    fn challenges(&self, address: SocketAddr, repository: &str, kind: &str, headers: &HeaderMap) -> Vec<String> {
        let faults = &self.faults;
        let at = |path: &str| format!("http://{address}{path}");
        match faults.auth {
            Auth::Open => Vec::new(),
            Auth::Basic if is_login(headers, faults) && faults.forbidden.as_deref() != Some(repository) => Vec::new(),
            Auth::Basic => vec![match faults.vendor {
                Vendor::EcrPrivate => format!(r#"Basic realm="{}",service="ecr.amazonaws.com""#, at("/")),
                Vendor::Nexus => r#"BASIC realm="Sonatype Nexus Repository Manager""#.to_owned(),
                _ => "Basic realm=\"fake\"".to_owned(),
            }],
            Auth::Bearer | Auth::BearerForAll => {
                let action = if faults.vendor == Vendor::Acr && kind == "tags" { "metadata_read" } else { "pull" };
                let scope = match faults.vendor {
                    Vendor::EcrPublic => "aws".to_owned(),
                    Vendor::TwoScopes => format!("repository:{repository}:{action} repository:acme/base:pull"),
                    _ => format!("repository:{repository}:{action}"),
                };
                if self.is_token(headers, repository, action, &scope) {
                    return Vec::new();
                }
                let usual = |path: &str, service: &str| {
                    vec![format!(r#"Bearer realm="{}",service="{service}",scope="{scope}""#, at(path))]
                };
                if faults.realms.is_some() {
                    let beginning = repository.split('/').next().unwrap_or_default();
                    return usual(&format!("/art/{beginning}/token"), "art");
                }
                if faults.scoped_realm {
                    return vec![format!(r#"Bearer realm="{}?scope={scope}""#, at("/token"))];
                }
                match faults.vendor {
                    Vendor::DockerHub => usual("/token", "registry.docker.io"),
                    Vendor::Ghcr => usual("/token", "ghcr.io"),
                    Vendor::Quay => usual("/v2/auth", "quay.io"),
                    Vendor::EcrPublic => usual("/token", "public.ecr.aws"),
                    Vendor::Acr => usual("/oauth2/token", "acme.azurecr.io"),
                    Vendor::GitLab => usual("/jwt/auth", "container_registry"),
                    Vendor::Gar => vec![format!(r#"Bearer realm="{}""#, at("/token"))],
                    Vendor::NexusBearer => vec![format!(r#"Bearer realm="{0}",service="{0}""#, at("/token"))],
                    Vendor::Jfrog => {
                        let realm = at("/token?service=acme.jfrog.example&account=ci");
                        let bearer = format!(r#"Bearer realm="{realm}",service="acme.jfrog.example""#);
                        vec![format!(r#"Basic realm="Artifactory, Bearer", {bearer}"#)]
                    }
                    Vendor::Harbor => {
                        let mut all = vec![r#"Basic realm="harbor""#.to_owned()];
                        all.extend(usual("/token", "harbor-registry"));
                        all
                    }
                    Vendor::RelativeRealm => {
                        vec![format!(r#"Bearer realm="/token",service="fake",scope="{scope}""#)]
                    }
                    _ => usual("/token", "fake"),
                }
            }
        }
    }

    /// Takes a request from the limit. Returns the headers that tell of it; `None` where nothing is left.
    fn spend(&mut self, kind: &str) -> Option<HeaderMap> {
        let Some(quota) = &mut self.faults.quota else { return Some(HeaderMap::new()) };
        // HEADs tell of the limit for pulls.
        if quota.counts != kind && !(quota.counts == "manifests" && kind == "heads") {
            return Some(HeaderMap::new());
        }
        if quota.counts == kind {
            if quota.remaining == 0 && quota.renewed == 0 {
                return None;
            }
            if quota.remaining == 0 {
                std::mem::swap(&mut quota.remaining, &mut quota.renewed);
            }
            quota.remaining -= 1;
        }
        let mut headers = HeaderMap::new();
        let mut tell = |name: &str, value: String| {
            let name: axum::http::HeaderName = format!("{}{name}", quota.prefix).parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        };
        tell("limit", format!("100{}", quota.suffix));
        tell("remaining", format!("{}{}", quota.remaining, quota.suffix));
        quota.reset.iter().for_each(|reset| tell("reset", reset.clone()));
        Some(headers)
    }

    /// Whether a request brings a token for what it asks.
    fn is_token(&self, headers: &HeaderMap, repository: &str, action: &str, scope: &str) -> bool {
        let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("");
        let Some(shown) = shown.strip_prefix("Bearer token ") else { return false };
        if matches!(self.faults.vendor, Vendor::NexusBearer | Vendor::Jfrog) {
            return shown == "of the user";
        }
        let (number, of) = shown.split_once(' ').unwrap_or_default();
        let number: usize = number.parse().unwrap_or(0);
        let actions = of.strip_prefix(&format!("repository:{repository}:"));
        let fits = of == scope || actions.is_some_and(|actions| actions.split(',').any(|one| one == action));
        number > 0 && number >= self.faults.tokens_refused_below && fits
    }

    fn manifest(&self, repository: &str, reference: &str, method: &Method) -> Response {
        let head = method == Method::HEAD;
        if let Some(status) = self.faults.head_status.filter(|_| head) {
            let mut refused = plain(status, "");
            if self.faults.head_names_digest {
                let digest = format!("sha256:{}", "e".repeat(64)).parse().unwrap();
                refused.headers_mut().insert("docker-content-digest", digest);
            }
            return refused;
        }
        if let Some(index) = self.tagged_referrers(reference) {
            return index;
        }
        if let Some(status) = self.faults.signature_status.filter(|_| reference.ends_with(".sig")) {
            return plain(status, "");
        }
        if let Some(text) = self.faults.manifest_says {
            return plain(200, if head { "" } else { text });
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
    headers: &HeaderMap,
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
    if faults.refused_name.as_deref() == Some(repository) {
        return error(400, "NAME_INVALID");
    }
    let Some(all) = all else { return error(404, "NAME_UNKNOWN") };
    let asked = value("n").and_then(|n| n.parse::<usize>().ok());
    if faults.refuses_n_above.is_some_and(|most| asked.is_some_and(|n| n > most)) {
        let (status, code) = faults.refusal.unwrap_or((400, "PAGINATION_NUMBER_INVALID"));
        return error(status, code);
    }
    if let Some(status) = faults.refuses_last.filter(|_| value("last").is_some()) {
        return error(status, "UNSUPPORTED");
    }
    let largest = faults.page_size.unwrap_or(1000);
    let size = if faults.ignores_n { usize::MAX } else { asked.unwrap_or(largest).min(largest) };
    let last = value("last").or_else(|| Some(value("next_page")?.strip_prefix("after ")?.to_owned()));
    let last = last.filter(|_| !faults.ignores_last);
    let start = last.and_then(|last| all.iter().position(|(tag, _)| *tag == last)).map_or(0, |at| at + 1);
    let page: Vec<&str> = all[start..].iter().take(size).map(|(tag, _)| tag.as_str()).collect();
    let more = start + page.len() < all.len();
    let number = start / size.min(all.len().max(1));
    if let Some((_, status)) = faults.fails_from_page.filter(|(from, _)| number >= *from) {
        let trickles = faults.list == BodyFault::Trickles;
        let body = || spoil(Response::builder(), r#"{"errors": []}"#.to_owned(), faults.list);
        let answered = if trickles { body().await } else { error(status, "UNSUPPORTED") };
        let (mut parts, body) = answered.into_parts();
        parts.status = StatusCode::from_u16(status).unwrap();
        return Response::from_parts(parts, body);
    }
    let tags =
        if page.is_empty() && faults.null_tags { "null".to_owned() } else { serde_json::to_string(&page).unwrap() };
    let body = format!(r#"{{"name": "{repository}", "tags": {tags}, "more": {{"deep": [1, {{}}]}}}}"#);
    let mut builder = Response::builder().header("Content-Type", "application/json");
    let next = format!("/v2/{repository}/tags/list?last={}&n={size}", page.last().unwrap_or(&""));
    let last = *page.last().unwrap_or(&"");
    let link = match faults.link {
        LinkStyle::Bare => Some(next),
        LinkStyle::Query => Some(format!("?last={last}&n={size}")),
        LinkStyle::WrongPath => Some(format!("http://{address}/repository/proxy{next}")),
        LinkStyle::Cursor => Some(format!("/v2/{repository}/tags/list?next_page=after%20{last}&n={size}")),
        LinkStyle::Wandering => {
            Some(format!("/v2/{repository}/tags/list?next_page={}", inner.lock().unwrap().counts.tags))
        }
        LinkStyle::Elsewhere => Some(format!("/v2/_catalog?last={last}")),
        LinkStyle::Relative | LinkStyle::HalfOpen | LinkStyle::Titled | LinkStyle::Unrelated => Some(next),
        LinkStyle::Absolute => Some(format!("http://{address}{next}")),
        LinkStyle::Foreign => Some(format!("http://192.0.2.1{next}")),
        LinkStyle::Circle => Some(format!("/v2/{repository}/tags/list?n={}", asked.unwrap_or(1000))),
        LinkStyle::Absent => None,
    };
    let mut with_link = Response::builder();
    if let Some(link) = link.filter(|_| more) {
        let header = match faults.link {
            LinkStyle::Bare => format!("{link}; rel=\"next\""),
            LinkStyle::HalfOpen => format!("<{link}; rel=\"next\""),
            LinkStyle::Titled => format!("<{link}>; title=\"one, two; \\\"three\\\"\"; rel=\"next\""),
            LinkStyle::Unrelated => format!("<{link}>"),
            _ => format!("<{link}>; rel=\"next\""),
        };
        with_link = with_link.header("Link", &header);
        builder = builder.header("Link", header);
    }
    let asked_for = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut unchanged = false;
    if faults.etags {
        let tag = format!("W/\"{:x}\"", Sha256::digest(&body));
        unchanged = asked_for("if-none-match") == tag;
        builder = builder.header("ETag", tag);
    }
    if let Some((modified, date)) = &faults.last_modified {
        unchanged |= asked_for("if-modified-since") == modified;
        builder = builder.header("Last-Modified", modified).header("Date", date);
    }
    if unchanged {
        inner.lock().unwrap().counts.unchanged += 1;
        let builder = if faults.links_unchanged { with_link } else { Response::builder() };
        return builder.status(304).body(Body::empty()).unwrap();
    }
    inner.lock().unwrap().list_bytes += body.len();
    if number < faults.list_from_page || faults.list_times == Some(0) {
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
            let end = stream::once(async {
                // What came before has left by then, so that it is the body that breaks off and not the answer.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("the registry went away"))
            });
            Body::from_stream(stream::iter([Ok(half)]).chain(end))
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
