//! The way to GitHub through octocrab: it makes up requests and hands them on, and below it our own client carries them, with its one
//! TLS stack, its proxies, private authorities and redirects, and bounds on time and size.
//!
//! The entry point is [`Line`], good for one question and its tries. Tries and waits are up to whoever asks: octocrab is built without its
//! own. Nothing here says what an answer means.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;
use tower_service::Service;
use url::Url;

use crate::http::client::{Call, HttpClient, PlainHttp};
use crate::http::echo::without_echo;
use crate::http::error::HttpError;
use crate::http::retry::RetryPolicy;
use crate::http::target::host_of;

/// The longest answer: a page of a hundred pull requests, each with the longest body, escaped.
const LONGEST: u64 = 48 << 20;

/// The header by which a request says for which version of the API it was written.
const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");

/// What GitHub answers, whatever its status.
pub(super) type Said = Response<Bytes>;

/// A line to GitHub for one question, with all its tries.
///
/// octocrab has a task take its requests; it ends with the line, so that no pass and no runtime leaves one behind, and none is waited for that
/// is gone.
pub(super) struct Line {
    octocrab: Octocrab,
}

impl Line {
    /// Opens one, within a runtime; nothing is asked yet.
    pub(super) fn open(http: Arc<HttpClient>, deadline: Instant) -> Self {
        let builder = OctocrabBuilder::new_empty().with_service(Wire { http, deadline }).with_auth(AuthState::None);
        let octocrab = builder.build().unwrap_or_else(|never: Infallible| match never {});
        Self { octocrab }
    }

    /// Asks once. The answer repeats no secret that the headers hold.
    pub(super) async fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Value>,
    ) -> Result<Said, HttpError> {
        let broken = |error| of_octocrab(error, url);
        let builder = Request::builder().method(method).uri(url.as_str());
        let mut request = self.octocrab.build_request(builder, body).map_err(broken)?;
        // The whole length is told by whoever sends it, and the version is the one that this code was written for, not the library's.
        request.headers_mut().remove(CONTENT_LENGTH);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        request.headers_mut().insert(VERSION, HeaderValue::from_static("2022-11-28"));
        request.headers_mut().extend(headers.clone());
        let (parts, body) = self.octocrab.execute(request).await.map_err(broken)?.into_parts();
        let body = body.collect().await.map_err(broken)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

/// What carries octocrab's requests.
struct Wire {
    http: Arc<HttpClient>,
    deadline: Instant,
}

impl Service<Request<OctoBody>> for Wire {
    type Response = Response<Full<Bytes>>;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HttpError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let (http, deadline) = (Arc::clone(&self.http), self.deadline);
        // Whoever asked goes on with this, and ends it by letting go: octocrab's task only begins it.
        Box::pin(async move {
            let call = call(request, deadline).await?;
            let answer = http.send(&call).await?;
            let (status, headers) = (answer.status, answer.headers.clone());
            let body = without_echo(&call.headers, answer.body(LONGEST).whole().await?);
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}

/// Turns a request into a call that is made once.
async fn call(request: Request<OctoBody>, deadline: Instant) -> Result<Call, HttpError> {
    let (parts, body) = request.into_parts();
    let host = parts.uri.host().unwrap_or_default().to_owned();
    let url = Url::parse(&parts.uri.to_string()).map_err(|_not_a_url| unsent(host.clone()))?;
    let body = body.collect().await.map_err(|_not_read| unsent(host.clone()))?.to_bytes();
    let body = String::from_utf8(body.into()).map_err(|_not_text| unsent(host))?;
    Ok(Call {
        method: parts.method,
        url,
        headers: parts.headers,
        body: (!body.is_empty()).then(|| body.into()),
        deadline,
        retry: RetryPolicy::NONE,
        plain: PlainHttp::Loopback,
    })
}

/// Gives back the error of our own client, which says what to do about it. octocrab's own texts, which may hold what was sent, are not shown.
fn of_octocrab(error: octocrab::Error, url: &Url) -> HttpError {
    let octocrab::Error::Service { source, .. } = error else { return unsent(host_of(url)) };
    // What is not of the client below is of octocrab's task, which has ended before it took the request.
    source.downcast::<HttpError>().map_or_else(|_of_the_task| unsent(host_of(url)), |error| *error)
}

fn unsent(host: String) -> HttpError {
    HttpError::Broken { host, reason: "no request could be sent on it".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{AUTHORIZATION, IF_NONE_MATCH};
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::http::client::Timeouts;

    fn line(time: Duration) -> Line {
        let http = HttpClient::new(Timeouts::default(), Arc::new(|| "2026-11-20T08:00:00Z".parse().unwrap()));
        Line::open(Arc::new(http), Instant::now() + time)
    }

    fn secret() -> HeaderMap {
        let mut shown = HeaderValue::from_static("Bearer hush-hush");
        shown.set_sensitive(true);
        [(AUTHORIZATION, shown), (IF_NONE_MATCH, HeaderValue::from_static("\"7\""))].into_iter().collect()
    }

    async fn listening() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v3/repos/acme/a%2Fb?head=acme:x&page=2", listener.local_addr().unwrap());
        (listener, url.parse().unwrap())
    }

    /// Reads a request to the end of what it says, its headers in order.
    async fn heard(stream: &mut TcpStream, end: &str) -> Vec<String> {
        let mut text = String::new();
        while !text.ends_with(end) {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "it broke off: {text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[1..].sort();
        lines
    }

    /// Asks with these words, and answers with those.
    async fn asked(method: Method, body: Option<Value>, answer: &str) -> (Vec<String>, Result<Said, HttpError>) {
        let (listener, url) = listening().await;
        let (line, headers) = (line(Duration::from_secs(20)), secret());
        let end = if body.is_some() { "}" } else { "\r\n\r\n" };
        let heard = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let heard = heard(&mut stream, end).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            heard
        };
        let (heard, said) = tokio::join!(heard, line.ask(&method, &url, &headers, body.as_ref()));
        let host = format!("host: {}", host_of(&url));
        assert!(heard.contains(&host), "{heard:?}");
        (heard.into_iter().filter(|line| *line != host).collect(), said)
    }

    const TOLD: &str = "HTTP/1.1 403 Forbidden\r\nretry-after: 9\r\nx-ratelimit-remaining: 0\r\ncontent-length: 15\r\n\r\nno to hush-hush";

    #[tokio::test]
    async fn no_header_leaves_that_the_library_adds_and_the_whole_answer_comes_back() {
        let common = [
            "accept: application/vnd.github+json",
            "authorization: Bearer hush-hush",
            "if-none-match: \"7\"",
            concat!("user-agent: tagboat/", env!("CARGO_PKG_VERSION")),
            "x-github-api-version: 2022-11-28",
        ];
        let (heard, said) = asked(Method::GET, None, TOLD).await;
        let expected = [&["GET /api/v3/repos/acme/a%2Fb?head=acme:x&page=2 HTTP/1.1", ""], &common[..]].concat();
        assert_eq!(heard, expected);
        let said = said.unwrap();
        assert_eq!(said.status(), 403);
        let of = |name: &str| said.headers()[name].to_str().unwrap();
        assert_eq!((of("retry-after"), of("x-ratelimit-remaining")), ("9", "0"));
        assert_eq!(said.body(), "no to …");

        let (heard, _) = asked(Method::PATCH, Some(json!({"title": "é"})), TOLD).await;
        let mut expected = [&["PATCH /api/v3/repos/acme/a%2Fb?head=acme:x&page=2 HTTP/1.1", ""], &common[..]].concat();
        expected.extend(["content-length: 14", "content-type: application/json", "{\"title\":\"é\"}"]);
        expected[1..].sort_unstable();
        assert_eq!(heard, expected);

        let (heard, _) = asked(Method::DELETE, None, TOLD).await;
        assert_eq!(heard[1..], [&[""], &common[..]].concat());
    }

    #[tokio::test]
    async fn what_goes_wrong_below_is_told_as_it_was_and_once() {
        let later = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 9\r\ncontent-length: 0\r\n\r\n";
        let error = asked(Method::GET, None, later).await.1.unwrap_err();
        assert!(matches!(&error, HttpError::Throttled { wait: Some(wait), .. } if wait.as_secs() == 9), "{error:?}");
        let error = asked(Method::POST, Some(json!({})), "").await.1.unwrap_err();
        assert!(matches!(&error, HttpError::Broken { .. }), "{error:?}");
        let elsewhere = "http://github.example/api/v3".parse().unwrap();
        let error = line(Duration::from_secs(20)).ask(&Method::GET, &elsewhere, &secret(), None).await.unwrap_err();
        assert_eq!(error, HttpError::Plain { host: "github.example".to_owned() });
        let (_listener, url) = listening().await;
        let error = line(Duration::from_millis(50)).ask(&Method::GET, &url, &secret(), None).await.unwrap_err();
        assert_eq!(error, HttpError::Deadline { host: host_of(&url) });
    }

    #[tokio::test]
    async fn who_lets_go_of_a_question_hangs_up() {
        let (listener, url) = listening().await;
        let headers = secret();
        let line = line(Duration::from_secs(60));
        let mut question = Box::pin(line.ask(&Method::GET, &url, &headers, None));
        let mut stream = tokio::select! {
            said = &mut question => panic!("nobody has answered: {said:?}"),
            stream = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                heard(&mut stream, "\r\n\r\n").await;
                stream
            } => stream,
        };
        drop(question);
        // Sooner than the client gives up on a silent server.
        let soon = Timeouts::default().silence / 2;
        let read = tokio::time::timeout(soon, stream.read(&mut [0; 1])).await;
        assert!(!matches!(read.expect("it hangs up at once"), Ok(1..)), "nothing more is said");
    }
}
