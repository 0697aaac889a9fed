//! A Prometheus server with fault switches, which also answers plain GETs; and sources that are none.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tagboat::clock::{Clock as _, SystemClock};
use tagboat::http::proxy::Proxies;
use tagboat::source::{Credential, Kind, SourceSettings, Sources};

/// What the server puts the moment at which it answers for, in a result.
pub(crate) const NOW: &str = "$now";

/// Returns sources of which there is none.
pub(crate) fn none() -> Sources {
    Sources::none("this test has none", Arc::new(SystemClock))
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Mood {
    /// Answers `result` with this result type and result.
    Result(&'static str, String),
    /// Answers this status and body, whatever is asked.
    Body(u16, String),
    /// Sends on to another address.
    Redirect(String),
    /// Answers with more bytes than anybody reads.
    Huge,
}

impl Mood {
    /// One sample without labels.
    pub(crate) fn number(value: &str) -> Self {
        Self::vector(&[("", value)])
    }

    /// A vector of samples, each with its label `pod`.
    pub(crate) fn vector(samples: &[(&str, &str)]) -> Self {
        let one = |(pod, value): &(&str, &str)| {
            let labels = if pod.is_empty() { String::new() } else { format!("\"pod\":\"{pod}\"") };
            format!("{{\"metric\":{{{labels}}},\"value\":[{NOW},\"{value}\"]}}")
        };
        Self::Result("vector", format!("[{}]", samples.iter().map(one).collect::<Vec<_>>().join(",")))
    }
}

/// What the server was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The path.
    pub(crate) path: String,
    /// The parameters.
    pub(crate) query: BTreeMap<String, String>,
    /// The login that came with it.
    pub(crate) login: Option<String>,
}

struct Shared {
    mood: Mutex<Mood>,
    asked: Mutex<Vec<Asked>>,
}

/// A server on this machine, gone when it is dropped.
pub(crate) struct Prometheus {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Prometheus {
    /// Starts it.
    pub(crate) async fn start(mood: Mood) -> Self {
        let shared = Arc::new(Shared { mood: Mutex::new(mood), asked: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, shared, task }
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it does.
    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Returns what it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns it as a source of the operator's, with a token.
    pub(crate) fn source(&self, name: &str, kind: Kind) -> Sources {
        let credential = Ok(Some(Credential::Token("s3cr3t".into())));
        let settings = SourceSettings { name: name.to_owned(), kind, url: self.url(), credential, ca_file: None };
        Sources::new(vec![settings], Proxies::default(), Arc::new(SystemClock))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let login = headers.get(header::AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let asked = Asked { path: uri.path().to_owned(), query, login };
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let mood = shared.mood.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match mood {
        Mood::Result(kind, result) => {
            let result = result.replace(NOW, &SystemClock.now().as_second().to_string());
            let body = format!(
                "{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":{result}}},\"infos\":[\"the metric may be no counter\"]}}"
            );
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Mood::Body(status, body) => (StatusCode::from_u16(status).expect("a status"), body).into_response(),
        Mood::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Mood::Huge => vec![b' '; 9 << 20].into_response(),
    }
}
