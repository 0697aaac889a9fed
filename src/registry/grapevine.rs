//! What processes that ask the same registries tell each other about limits.
//!
//! Entry point: [`Grapevine`]. Words are in real time, since nobody knows another process's clock. No credential, no
//! answer and no token ever goes this way.

use std::time::Duration;

use jiff::Timestamp;

/// What was announced of one kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldWord {
    /// How many are left.
    pub remaining: u64,
    /// Of how many.
    pub limit: Option<u64>,
    /// In which time.
    pub window: Option<Duration>,
    /// When it was announced.
    pub at: Timestamp,
    /// After which time from then on it is renewed.
    pub reset: Option<Duration>,
}

/// What is known of one kind of request to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneWord {
    /// The kind: `list`, `head`, `manifest`, `blob`, `token` or `other`.
    pub kind: String,
    /// Until when the registry wants none of it.
    pub pause: Option<Timestamp>,
    /// What it announced to be left.
    pub told: Option<ToldWord>,
}

/// A way to other processes. Nothing here waits.
pub trait Grapevine: Send + Sync {
    /// Tells them what is known of a host.
    fn tell(&self, host: &str, words: Vec<LaneWord>);

    /// Returns what they told last of a host, with its number, unless that is `known` already.
    fn news(&self, host: &str, known: u64) -> Option<(u64, Vec<LaneWord>)>;
}
