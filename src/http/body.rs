//! Bodies with a cap: a body that is longer, or that trickles past the deadline, is an error and never a short body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::http::error::HttpError;

/// The rest of an answer, read piece by piece.
#[derive(Debug)]
pub struct Body {
    response: reqwest::Response,
    host: String,
    silence: Duration,
    deadline: Instant,
    cap: u64,
    read: u64,
    counter: Option<Arc<AtomicU64>>,
}

impl Body {
    pub(crate) fn new(
        response: reqwest::Response,
        host: String,
        silence: Duration,
        deadline: Instant,
        cap: u64,
        counter: Option<Arc<AtomicU64>>,
    ) -> Self {
        Self { response, host, silence, deadline, cap, read: 0, counter }
    }

    /// Returns the next piece, `None` at the proper end.
    ///
    /// # Errors
    ///
    /// [`HttpError`] when the cap or the deadline is passed, nothing comes, or the connection breaks.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        if self.read == 0 && self.response.content_length().is_some_and(|length| length > self.cap) {
            return Err(self.too_large());
        }
        let piece = match timeout_at(self.deadline, self.response.chunk()).await {
            Err(_elapsed) => return Err(HttpError::Deadline { host: self.host.clone() }),
            Ok(Err(error)) => return Err(HttpError::of(&error, &self.host, self.silence)),
            Ok(Ok(piece)) => piece,
        };
        let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        self.read += length;
        if let Some(counter) = &self.counter {
            counter.fetch_add(length, Ordering::Relaxed);
        }
        if self.read > self.cap { Err(self.too_large()) } else { Ok(piece) }
    }

    /// Returns the whole rest.
    ///
    /// # Errors
    ///
    /// As for [`Body::piece`].
    pub async fn whole(mut self) -> Result<Bytes, HttpError> {
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.piece().await? else { return Ok(first) };
        let mut all = Vec::with_capacity((first.len() + second.len()) * 2);
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while let Some(piece) = self.piece().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.into())
    }

    /// Returns how many bytes were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    fn too_large(&self) -> HttpError {
        HttpError::TooLarge { host: self.host.clone(), cap: self.cap }
    }
}
