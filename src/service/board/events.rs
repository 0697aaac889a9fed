//! Live updates: server-sent events that say which repository's pass began or ended.
//!
//! Bounded: so many listeners, so many events for each. Whoever reads too slowly is dropped, and connects again.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// The most listeners at once: a quarter of all connections.
const MOST_LISTENERS: usize = 64;

/// How many events wait for a listener before it is dropped.
const MOST_WAITING: usize = 64;

/// How often something is sent where nothing happens, so that proxies keep the connection.
const BEAT: Duration = Duration::from_secs(15);

/// How long a listener is served before it must connect again: a little less than a connection lasts.
const LIFE: Duration = Duration::from_secs(110);

/// Tells listeners what happens.
pub(super) struct Events {
    sender: Sender<Arc<str>>,
    room: Arc<Semaphore>,
    count: AtomicU64,
    closed: watch::Sender<bool>,
}

impl Events {
    /// Makes one without listeners.
    pub(super) fn new() -> Self {
        let (sender, _) = broadcast::channel(MOST_WAITING);
        Self {
            sender,
            room: Arc::new(Semaphore::new(MOST_LISTENERS)),
            // From elsewhere each time, so that a page of a service that has begun anew is no page of this one.
            count: AtomicU64::new(u64::from(fastrand::u32(..)) + 1),
            closed: watch::Sender::new(false),
        }
    }

    /// Returns the number of what happened last.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Ends every answer.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Tells everybody.
    pub(super) fn tell(&self, kind: &str, data: &serde_json::Value) {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        // Nobody may listen.
        drop(self.sender.send(Arc::from(format!("id: {number}\nevent: {kind}\ndata: {data}\n\n"))));
    }

    /// Answers a listener.
    pub(super) fn listen(&self) -> Response {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")], "too many listeners\n")
                .into_response();
        };
        let (receiver, closed) = (self.sender.subscribe(), self.closed.subscribe());
        // What happened between the page and this is told by the number.
        let hello: Arc<str> = Arc::from(format!("retry: 3000\nid: {0}\nevent: hello\ndata: {0}\n\n", self.count()));
        let listener =
            Listener { receiver, closed, first: Some(hello), beat: BEAT, ends: Instant::now() + LIFE, _place: place };
        let body = Body::from_stream(stream::unfold(listener, |mut listener| async move {
            let text = listener.next().await?;
            Some((Ok::<_, Infallible>(Bytes::copy_from_slice(text.as_bytes())), listener))
        }));
        ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
    }
}

struct Listener {
    receiver: Receiver<Arc<str>>,
    closed: watch::Receiver<bool>,
    first: Option<Arc<str>>,
    beat: Duration,
    ends: Instant,
    /// Given back when the connection ends.
    _place: OwnedSemaphorePermit,
}

impl Listener {
    /// Waits for what is sent next; `None` ends the connection.
    async fn next(&mut self) -> Option<Arc<str>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let beat = (Instant::now() + self.beat).min(self.ends);
        tokio::select! {
            _ = self.closed.wait_for(|is_closed| *is_closed) => None,
            event = self.receiver.recv() => event.ok(),
            () = tokio::time::sleep_until(beat) => (beat < self.ends).then(|| Arc::from(": beat\n\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(events: &Events) -> Listener {
        let place = Arc::clone(&events.room).try_acquire_owned().unwrap();
        Listener {
            receiver: events.sender.subscribe(),
            closed: events.closed.subscribe(),
            first: None,
            beat: BEAT,
            ends: Instant::now() + LIFE,
            _place: place,
        }
    }

    #[tokio::test]
    async fn whoever_reads_too_slowly_is_dropped_and_nobody_else() {
        let events = Events::new();
        let (mut slow, mut quick) = (listener(&events), listener(&events));
        for number in 0..=MOST_WAITING {
            events.tell("pass", &serde_json::json!({ "number": number }));
            assert!(quick.next().await.is_some());
        }
        assert_eq!(slow.next().await, None);
    }

    #[tokio::test]
    async fn silence_has_a_heartbeat_and_an_end() {
        let events = Events::new();
        let mut listener = listener(&events);
        listener.beat = Duration::ZERO;
        assert_eq!(listener.next().await.as_deref(), Some(": beat\n\n"));
        listener.ends = Instant::now();
        assert_eq!(listener.next().await, None);
        (listener.beat, listener.ends) = (BEAT, Instant::now() + LIFE);
        events.close();
        assert_eq!(listener.next().await, None);
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_listeners_and_room_again_when_one_goes() {
        let events = Events::new();
        let mut answers: Vec<Response> = (0..MOST_LISTENERS).map(|_| events.listen()).collect();
        assert_eq!(events.listen().status(), StatusCode::SERVICE_UNAVAILABLE);
        answers.pop();
        assert_eq!(events.listen().status(), StatusCode::OK);
    }
}
