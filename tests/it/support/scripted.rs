//! A server of plain HTTP whose answers a test writes down, for what is not a registry's protocol.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::oneshot;

use super::tls_front::in_background;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// Returns a header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// An answer: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

type Script = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;
type Log = Arc<Mutex<Vec<Asked>>>;

/// A running server; it ends when it is dropped.
pub(crate) struct Scripted {
    address: SocketAddr,
    log: Log,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

impl Scripted {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (script, log): (Script, Log) = (Arc::new(script), Arc::default());
        let router = axum::Router::new().fallback(serve).with_state((script, Arc::clone(&log)));
        let (stop, thread) =
            in_background(listener, async move |listener| axum::serve(listener, router).await.unwrap());
        Self { address, log, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns its host with the port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns what it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// Returns the targets it was asked for so far.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.target).collect()
    }
}

async fn serve(State((script, log)): State<(Script, Log)>, request: Request) -> Response {
    let asked = Asked {
        method: request.method().to_string(),
        target: request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        headers: request.headers().clone(),
    };
    log.lock().unwrap().push(asked.clone());
    let (status, headers, body) = script(&asked);
    let builder = Response::builder().status(status);
    headers
        .into_iter()
        .fold(builder, |builder, (name, value)| builder.header(name, value))
        .body(Body::from(body))
        .unwrap()
}
