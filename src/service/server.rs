//! What is served over HTTP: health, metrics, webhooks; and how slow, many and large clients may be.
//!
//! Entry point: [`serve`]. Decides nothing about passes; a webhook only marks them as wanted.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::service::Shared;
use crate::service::board::{self, Peer};
use crate::service::exposition::plain;
use crate::service::guests::{Entered, Guest, Guests};
use crate::service::hooks::MAX_BODY;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How long a connection is kept; clients open another one without noticing.
const CONNECTION_TIME: Duration = Duration::from_secs(120);

/// How long the last answer of a connection may take to be read.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// How long answers that are ready may take to be read when the process ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// The pause after a connection could not be accepted: the cause, too many open files, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The media type of the metrics for whoever asks for OpenMetrics, as Prometheus does.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The media type of the metrics for everybody else.
const PLAIN_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until it is told to end, and then lets answers that are under way arrive.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, end: oneshot::Receiver<()>) {
    let router = routes(shared);
    let guests = Arc::new(Guests::default());
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    'serving: loop {
        let accepted = tokio::select! {
            _ = &mut end => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let guest = loop {
                    match guests.enter(peer.ip()) {
                        Entered::Guest(guest) => break guest,
                        Entered::TooMany => continue 'serving,
                        // Everybody is being answered.
                        Entered::Full => tokio::select! {
                            () = guests.gone() => {}
                            _ = &mut end => break 'serving,
                        },
                    }
                };
                let router = router.clone().layer(Extension(Peer(peer.ip())));
                connections.spawn(talk(stream, router, guest, closed.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    closing.send_replace(true);
    // Who reads too slowly has had their time.
    drop(timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await);
}

/// Answers the requests of one connection.
async fn talk(stream: TcpStream, router: Router, guest: Guest, mut closed: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MAX_HEAD);
    let guest = Arc::new(guest);
    let of_requests = Arc::clone(&guest);
    let answered = middleware::from_fn(move |request: Request, next: Next| {
        let busy = of_requests.asks();
        async move { busy.until_answered(next.run(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.layer(answered)));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = guest.leaves() => return,
        _ = async { closed.wait_for(|is_closed| *is_closed).await.map(|_| ()) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = tokio::time::sleep(CONNECTION_TIME) => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER_TIME, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection broke off");
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/hooks/{source}", post(hook))
        .route("/hooks/{source}/{secret}", post(hook_with_secret))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(board::routes(&shared))
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match (shared.unready().await, shared.trouble()) {
        (None, None) => "ready\n".into_response(),
        // It does its work: who sent requests elsewhere would find the others in the same state.
        (None, Some(trouble)) => format!("ready, but {trouble}\n").into_response(),
        (Some(reason), Some(trouble)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}; {trouble}\n")).into_response()
        }
        (Some(reason), None) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !board::is_within_reach(&headers, &shared.live().watcher.service().hosts) {
        // They name repositories: a page of somebody else's shall not read them by a name of its own that leads here.
        let words = "metrics are not served by this name: `hosts` in service.yaml lists further names\n";
        return (StatusCode::MISDIRECTED_REQUEST, words).into_response();
    }
    shared.metrics.queue(shared.trouble().is_none());
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let vary = (header::VARY, "Accept");
    if accepted.any(|types| types.contains("application/openmetrics-text")) {
        ([(header::CONTENT_TYPE, OPEN_METRICS), vary], shared.metrics.text()).into_response()
    } else {
        ([(header::CONTENT_TYPE, PLAIN_METRICS), vary], plain(&shared.metrics.text())).into_response()
    }
}

async fn hook(State(shared): State<Arc<Shared>>, Path(source): Path<String>, request: Request) -> StatusCode {
    take(&shared, &source, None, request).await
}

async fn hook_with_secret(
    State(shared): State<Arc<Shared>>,
    Path((source, secret)): Path<(String, String)>,
    request: Request,
) -> StatusCode {
    take(&shared, &source, Some(&secret), request).await
}

/// Takes a webhook: who sent it is told before its body is read, wherever that can be told.
async fn take(shared: &Shared, source: &str, secret: Option<&str>, request: Request) -> StatusCode {
    if shared.is_stopping() {
        // No pass begins here any more: who asks again finds another one, or the next.
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let live = shared.live();
    let Some(sender) = live.hooks.sender(source) else {
        shared.metrics.hook("other", "unknown");
        return StatusCode::NOT_FOUND;
    };
    let refused = || {
        shared.metrics.hook(sender.name, "refused");
        tracing::info!(source = sender.name, "a webhook was refused: its secret or signature is wrong");
        StatusCode::UNAUTHORIZED
    };
    let Some(claims) = live.hooks.claims(sender, request.headers(), secret).await else { return refused() };
    let body = match timeout(BODY_TIME, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejected)) => {
            let status = rejected.into_response().status();
            let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE;
            shared.metrics.hook(sender.name, if is_too_large { "too_large" } else { "broken" });
            return status;
        }
        Err(_elapsed) => {
            shared.metrics.hook(sender.name, "broken");
            return StatusCode::REQUEST_TIMEOUT;
        }
    };
    let Some(hastened) = live.hooks.hastened(sender, &claims, &body) else { return refused() };
    let count = shared.hasten(&hastened);
    shared.metrics.hook(sender.name, "taken");
    if hastened.is_empty() {
        tracing::info!(source = sender.name, "a webhook names nothing to look at");
    } else {
        tracing::info!(source = sender.name, repositories = count, "a webhook came");
    }
    StatusCode::ACCEPTED
}
