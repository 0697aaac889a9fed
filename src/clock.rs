//! The clock: the one place that reads the time.
//!
//! Pure code takes `now` as a parameter; whoever calls it asks this module. Whoever waits for a time that a
//! server names waits here, too, so that a test may let an hour pass without one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

/// Tells the time, and lets it pass.
pub trait Clock: Send + Sync {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;

    /// Returns the present moment for measuring and waiting: it never goes back, whoever sets the machine's time.
    fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Waits until a moment of [`Clock::instant`].
    fn wait_until(&self, moment: Instant) -> BoxFuture<'_, ()> {
        tokio::time::sleep_until(moment).boxed()
    }
}

/// When a pass is over: nobody is asked any longer, whoever it is. By default there is no end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassEnd(Option<(Instant, Duration)>);

impl PassEnd {
    /// Returns the end of a pass that begins at a moment of [`Clock::instant`].
    pub fn of(begun: Instant, limit: Duration) -> Self {
        Self(begun.checked_add(limit).map(|end| (end, limit)))
    }

    /// Whether it has come.
    pub fn is_over(&self) -> bool {
        self.0.is_some_and(|(end, _)| Instant::now() >= end)
    }

    /// Returns a deadline, or the end where that comes before.
    pub fn before(&self, deadline: Instant) -> Instant {
        self.0.map_or(deadline, |(end, _)| end.min(deadline))
    }

    /// Returns how long something may take from now on that may take so long by itself.
    pub fn within(&self, longest: Duration) -> Duration {
        self.0.map_or(longest, |(end, _)| end.saturating_duration_since(Instant::now()).min(longest))
    }

    /// Returns how long it is until then; nothing where no end is set.
    pub fn left(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |(end, _)| end.saturating_duration_since(Instant::now()))
    }

    /// Says that it has come.
    pub fn reason(&self) -> String {
        let limit = self.0.map_or(0.0, |(_, limit)| limit.as_secs_f64());
        format!("the time limit of one pass, {limit} s, has passed (`limits.passTime`); the next pass goes on")
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock's one door")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still, for `--at` and for tests.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A clock that showed a given moment when it was made, and goes on from there, whoever sets the machine's time: what has really passed
/// since a pass began.
#[derive(Debug, Clone, Copy)]
pub struct ClockFrom {
    moment: Timestamp,
    start: Instant,
}

impl ClockFrom {
    /// Makes a clock that shows a moment now.
    pub fn at(moment: Timestamp) -> Self {
        Self { moment, start: Instant::now() }
    }
}

impl Clock for ClockFrom {
    fn now(&self) -> Timestamp {
        self.moment.checked_add(self.start.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// A clock on which nothing passes but what somebody waits for, and that at once: hours of patience take a test no time.
#[derive(Debug)]
pub struct SkippingClock {
    now: Timestamp,
    start: Instant,
    skipped: Mutex<Duration>,
}

impl SkippingClock {
    /// Makes a clock that shows a moment, until somebody waits.
    pub fn at(now: Timestamp) -> Self {
        Self { now, start: Instant::now(), skipped: Mutex::default() }
    }

    /// Returns how much time has passed.
    pub fn skipped(&self) -> Duration {
        *self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass.
    pub fn skip(&self, time: Duration) {
        *self.skipped.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        self.now.checked_add(self.skipped()).unwrap_or(Timestamp::MAX)
    }

    fn instant(&self) -> Instant {
        self.start + self.skipped()
    }

    fn wait_until(&self, moment: Instant) -> BoxFuture<'_, ()> {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        *skipped = (*skipped).max(moment.saturating_duration_since(self.start));
        tokio::task::yield_now().boxed()
    }
}
