//! Who runs which pass: the passes that are asked for and not begun, in this process or shared by several.
//!
//! Entry point: [`Queue`], of which `local` keeps everything in memory, and `nats` shares it over NATS JetStream. Whose
//! pass is due is for the caller to know, and running it as well: nothing here knows what a pass does.

mod events;
pub mod local;
pub mod nats;
pub mod row;
mod sealed;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::queue::row::Row;

/// Why a pass begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service started, or the repository is new.
    Start,
    /// The schedule says so.
    Schedule,
    /// Something that waited may move now.
    Gate,
    /// A webhook came.
    Webhook,
    /// A repository whose environments come before its own has moved.
    Before,
    /// Somebody ordered it, or something that it is to follow.
    Order,
}

impl Cause {
    /// Every one.
    const ALL: [Self; 6] = [Self::Start, Self::Schedule, Self::Gate, Self::Webhook, Self::Before, Self::Order];

    /// Returns the word in logs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Schedule => "schedule",
            Self::Gate => "gate",
            Self::Webhook => "webhook",
            Self::Before => "before",
            Self::Order => "order",
        }
    }

    /// Whether something has happened that a pass that runs may have missed, and nobody else knows of.
    fn is_news(self) -> bool {
        matches!(self, Self::Webhook | Self::Before | Self::Order)
    }

    /// Returns the cause of a word.
    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

/// A wish for a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The repository's URL.
    pub repository: String,
    /// Why.
    pub cause: Cause,
    /// The moment at which it is due. All processes that ask for the same moment mean one pass.
    pub moment: Timestamp,
    /// Whether it was asked for before and nothing has come of it.
    pub is_repeated: bool,
    /// When the last pass began that is known of.
    pub after: Option<Timestamp>,
    /// The number of the webhook that is the last one it stands for.
    pub wish: u64,
}

/// Leave to run one pass; it is given back by [`Queue::end`] or [`Queue::give_back`].
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The repository's URL.
    pub repository: String,
    /// Why.
    pub cause: Cause,
    /// Whether somebody else began it and fell silent.
    pub is_taken_over: bool,
    /// What the queue knows it by; nothing for one of this process alone.
    ticket: Option<u64>,
}

/// What a queue has to tell.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A pass is to be run here.
    Job(Lease),
    /// What webhooks asked for is in the queue, up to the one with this number: whatever becomes of this process, it is
    /// not lost.
    Kept(String, u64),
    /// Another process ran a pass of this repository.
    Heard(String, Box<Row>),
    /// Others can be reached from now on, and everything they told has been heard.
    Joined {
        /// Whether nobody else is at work.
        is_first: bool,
    },
    /// What was asked for and has not begun is to be asked for again.
    Forgotten,
}

/// How a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works as configured.
    Working,
    /// Others cannot be reached, for this reason; nothing begins until they can, or for a short time.
    Waiting(String),
    /// Others cannot be reached, for this reason; this process goes on alone.
    Alone(String),
}

/// Passes that are asked for: at most one of each repository, and at most one running.
///
/// Nothing here waits but [`Queue::changed`] and [`Queue::close`].
pub trait Queue: Send + Sync {
    /// Takes the repositories that are watched.
    fn watch(&self, repositories: &[String]);

    /// Whether wishes are taken at present; they are kept by the caller until then.
    fn is_open(&self) -> bool;

    /// Asks for a pass. While one is asked for already, it is the same one; one that runs is followed by another where
    /// a webhook asks for it, since it may have looked already.
    fn ask(&self, ask: Ask);

    /// Says how many more passes may begin here.
    fn room(&self, passes: usize);

    /// Returns what there is to tell, if anything. A pass that may not begin is left to others, or for later.
    fn take(&self, may_begin: &dyn Fn(&str) -> bool) -> Option<Event>;

    /// Waits until there may be something to tell. It may be dropped at any moment.
    fn changed(&self) -> BoxFuture<'_, ()>;

    /// Tells how a repository stands after its pass, and ends the lease.
    fn end(&self, lease: Lease, row: Option<Row>);

    /// Ends a lease without a pass: somebody else may run it.
    fn give_back(&self, lease: Lease);

    /// Returns how it is.
    fn health(&self) -> Health;

    /// Lets go of everything that has not begun.
    fn close(&self) -> BoxFuture<'_, ()>;
}
