//! One exchange with an outside system, as those see it who count them: whom, what for, how it ended, how long it took.
//!
//! Entry point: [`Witness`], which is handed to whoever asks. Counts nothing itself, and holds no URL and no secret.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What kind of system was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum System {
    /// A registry, its login server included.
    Registry,
    /// A forge's API.
    Forge,
    /// A Git remote.
    Git,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// It was answered: a status below 400, or what was asked for.
    Ok,
    /// It was refused: a status of 400 and above, a login that is not accepted, a push that was not taken.
    Refused,
    /// 429, or a server that asks to come back later.
    Throttled,
    /// A status of 500 and above.
    Failed,
    /// There was no connection, or none that could be trusted.
    Unreachable,
    /// The time for it was over.
    TimedOut,
    /// The connection broke off, or what came could not be used.
    Broken,
}

impl Ending {
    /// Returns what a status means.
    pub fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            ..400 => Self::Ok,
            400..500 => Self::Refused,
            500.. => Self::Failed,
        }
    }

    /// Returns the word in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
        }
    }
}

/// One try, from when it was sent to when its answer began or failed to come; with Git, one operation to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// What kind of system was asked.
    pub system: System,
    /// Its host; of a Git repository on this machine, `local`.
    pub host: &'a str,
    /// What for, in one of few words.
    pub kind: &'static str,
    /// How it ended.
    pub ending: Ending,
    /// How long it took.
    pub took: Duration,
    /// How many requests the system said to be left, where it did.
    pub remaining: Option<u64>,
}

/// Who is told of exchanges; the default one is nobody. It is told from any thread, and must not block.
#[derive(Clone, Default)]
pub struct Witness(Option<Arc<Tell>>);

type Tell = dyn Fn(&Exchange<'_>) + Send + Sync;

impl Witness {
    /// Makes one that calls this.
    pub fn new(tell: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Tells of an exchange.
    pub fn tell(&self, exchange: &Exchange<'_>) {
        if let Some(tell) = &self.0 {
            tell(exchange);
        }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Witness").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_word() {
        let words = |statuses: &[u16]| -> Vec<&str> {
            statuses.iter().map(|status| Ending::of_status(*status).as_str()).collect()
        };
        assert_eq!(words(&[200, 304, 399]), ["ok"; 3]);
        assert_eq!(words(&[400, 401, 404, 428, 430, 499]), ["refused"; 6]);
        assert_eq!(words(&[429, 500, 503, 999]), ["throttled", "failed", "failed", "failed"]);
    }
}
