//! What the fakes of GitLab and Gitea share: a request taken apart, its fault, pages, and answers as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};
use serde_json::Value;

use super::description::{Description, Exchange};
use super::{Fault, Store};

/// Largest request body that is taken.
const BODY_LIMIT: usize = 4 << 20;

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// The parts of the path, each decoded by itself.
    pub(crate) parts: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn query(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> Option<String> {
        self.body[field].as_str().map(str::to_owned)
    }
}

impl Asked {
    /// Ends the tests where a description does not allow this or its answer.
    pub(crate) fn hold(&self, description: Option<&Description>, answer: &Answer) {
        let Some(description) = description else { return };
        let path = self.parts.iter().map(|part| part.replace('/', "%2F")).collect::<Vec<_>>().join("/");
        let query: Vec<(String, String)> = self.query.clone().into_iter().collect();
        let (method, sent) = (self.method.as_str(), &self.body);
        let (status, answered) = (answer.status, &answer.body);
        description.hold(&Exchange { method, path: &path, query: &query, sent, status, answered });
    }
}

/// An answer: a status, headers, and a body where it has one.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn of(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// Gives one page of a list, with links to the next as the forges write them.
    pub(crate) fn page(asked: &Asked, all: Vec<Value>, size: usize) -> Self {
        let page: usize = asked.query("page").parse().unwrap_or(1);
        let total = all.len();
        let items: Vec<Value> = all.into_iter().skip((page - 1) * size).take(size).collect();
        let mut answer = Self::of(200, Value::Array(items));
        if page * size < total {
            let link = format!("<http://127.0.0.1/?page={}>; rel=\"next\"", page + 1);
            answer.headers.push(("link", link));
        }
        answer
    }

    fn into_response(self) -> Response<Body> {
        let body = if self.body.is_null() { Body::empty() } else { Body::from(self.body.to_string()) };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// How a forge tells that there were too many requests.
pub(crate) type Limits = fn(Fault) -> Answer;

/// Answers a request, or lets it meet its fault. Only what lies below `base` is the API.
pub(crate) async fn answer(
    store: Arc<Store>,
    base: &'static str,
    request: Request,
    limits: Limits,
    work: fn(&Store, &Asked) -> Answer,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_LIMIT).await.unwrap();
    let whole = head.uri.path_and_query().unwrap().to_string();
    let fault = store.met(head.method.as_str(), &whole);
    if let Some(fault @ (Fault::Limited | Fault::Secondary | Fault::Busy(_))) = fault {
        return limits(fault).into_response();
    }
    if fault == Some(Fault::Odd) {
        return Answer::of(200, serde_json::json!({})).into_response();
    }
    if let Some(Fault::Before(status)) = fault {
        // Gateways may repeat what they were shown.
        let shown =
            ["authorization", "private-token"].into_iter().find_map(|name| head.headers.get(name)?.to_str().ok());
        let message = format!("a fault of {}", shown.unwrap_or("nobody"));
        return Answer::of(status, serde_json::json!({ "message": message })).into_response();
    }
    let Some(path) = head.uri.path().strip_prefix(base) else {
        return Answer::of(404, serde_json::json!({ "message": "not below the API" })).into_response();
    };
    let decode = |part: &str| {
        let whole = format!("x={}", part.replace('+', "%2B"));
        url::form_urlencoded::parse(whole.as_bytes()).next().unwrap().1.into_owned()
    };
    let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let asked = Asked {
        method: head.method.clone(),
        parts: path.trim_matches('/').split('/').map(decode).collect(),
        query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        headers: head.headers,
        body: if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() },
    };
    // Git is run, and locks are held, away from the server's one worker.
    let there = Arc::clone(&store);
    let done = tokio::task::spawn_blocking(move || {
        there.happen(fault);
        there.refresh();
        work(&there, &asked)
    });
    let done = done.await.unwrap();
    match fault {
        Some(Fault::Slow) => store.answer_slowly().await,
        Some(Fault::After(status)) => Answer::of(status, Value::Null).into_response(),
        Some(Fault::Lost) => {
            let broken = futures_util::stream::iter([Err::<axum::body::Bytes, _>(std::io::Error::other("cut off"))]);
            Response::new(Body::from_stream(broken))
        }
        _ => done.into_response(),
    }
}
