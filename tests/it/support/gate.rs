//! A gate before a server: it counts what is written there, and holds one write until the test lets go of it.
//!
//! Reads pass. What counts as a write is told by its method, for Git by the service that takes pushes, and for GraphQL by its first word.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::{body::Body, body::to_bytes, response::IntoResponse as _};
use tokio::sync::oneshot;

/// Whether a write is held before it is done, or after, before its answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// What becomes of a write that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Break,
}

/// A write that waits at the gate.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Method and path.
    pub(crate) what: String,
    then: oneshot::Sender<Then>,
}

impl Waiting {
    /// Lets it go on as if nothing had happened.
    pub(crate) fn let_go(self) {
        // Whoever asked may be gone.
        let _gone = self.then.send(Then::GoOn);
    }

    /// Breaks the connection.
    pub(crate) fn break_off(self) {
        let _gone = self.then.send(Then::Break);
    }
}

struct Armed {
    nth: usize,
    when: When,
    told: Sender<Waiting>,
}

#[derive(Default)]
struct Inner {
    armed: Option<Armed>,
    writes: Vec<String>,
}

/// The gate; clones are one.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<Inner>>);

impl Gate {
    /// Puts the gate before a router.
    pub(crate) fn guard(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), pass))
    }

    /// Holds the `nth` write from now on, counted from 1, and tells of it.
    pub(crate) fn arm(&self, nth: usize, when: When) -> Receiver<Waiting> {
        let (told, telling) = channel();
        *self.0.lock().unwrap() = Inner { armed: Some(Armed { nth, when, told }), writes: Vec::new() };
        telling
    }

    /// Holds nothing any more, and returns the writes since the last call.
    pub(crate) fn disarm(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).writes
    }

    /// Counts a write, and takes the order to hold it.
    fn met(&self, what: &str) -> Option<Armed> {
        let mut inner = self.0.lock().unwrap();
        inner.writes.push(what.to_owned());
        let count = inner.writes.len();
        inner.armed.take_if(|armed| armed.nth == count)
    }
}

/// Tells whether a request writes, and gives it back whole.
async fn judged(request: Request) -> (bool, Request) {
    let path = request.uri().path();
    if *request.method() == Method::GET || path.ends_with("/git-upload-pack") {
        return (false, request);
    }
    if !path.ends_with("/graphql") {
        return (true, request);
    }
    let (head, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let asked: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let is_write = asked["query"].as_str().unwrap().trim_start().starts_with("mutation");
    (is_write, Request::from_parts(head, Body::from(bytes)))
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response<Body> {
    let (is_write, request) = judged(request).await;
    let what = format!("{} {}", request.method(), request.uri().path());
    let armed = if is_write { gate.met(&what) } else { None };
    let Some(armed) = armed else { return next.run(request).await };
    let hold = |armed: &Armed| {
        let (then, told) = oneshot::channel();
        armed.told.send(Waiting { what, then }).unwrap();
        // A test that has ended lets everything break.
        async { told.await.unwrap_or(Then::Break) }
    };
    let broken = || StatusCode::BAD_GATEWAY.into_response();
    if armed.when == When::Before {
        return if hold(&armed).await == Then::GoOn { next.run(request).await } else { broken() };
    }
    let done = next.run(request).await;
    if hold(&armed).await == Then::GoOn { done } else { broken() }
}
