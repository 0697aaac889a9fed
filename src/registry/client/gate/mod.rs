//! The gate before a host: nobody passes more often than the operator allows, the registry announced, or it asked for.
//!
//! Each kind of request has a limit of its own, since registries count them apart. What is held back waits if its time
//! allows it, and is an error otherwise; nothing is sent in the hope that the limit was not meant.

mod others;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::http::retry::jittered;
use crate::model::usage::ToldLimit;
use crate::registry::client::announced::Announced;
use crate::registry::client::meter::Kind;

/// The longest that a kind of request is held back at one word of the registry's; then one is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// After how many pauses in a row, with no answer between them, nobody waits for the end of the next one any more.
const PATIENCE: u32 = 6;

/// The longest pause after a 429 that names no time.
const LONGEST_GUESS: Duration = Duration::from_secs(60);

/// The clock that the operator's rate is kept by: the time since the gate was built.
#[derive(Clone)]
struct SinceStart {
    clock: Arc<dyn Clock>,
    start: Instant,
}

impl governor::clock::Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.clock.instant().saturating_duration_since(self.start)
    }
}

type Pace = RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>;

/// Why a request is held back beyond its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The registry answered 429 or 503 before.
    Asked,
    /// The registry announced that nothing is left.
    Spent(ToldLimit),
    /// Everything that is left was under way until its time was over.
    Late,
    /// At the operator's rate, its turn comes after the end of the pass.
    Pace,
}

/// A request that would have to wait beyond its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) until: Instant,
    pub(super) cause: Cause,
}

/// The gate of one host.
pub(super) struct Gate {
    clock: Arc<dyn Clock>,
    start: Instant,
    pace: Option<Pace>,
    lanes: [Lane; Kind::COUNT],
    /// How many announcements were heard: answers to requests that were out together come in any order.
    heard: AtomicU64,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gate").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

/// What is known of one kind of request.
#[derive(Debug, Default)]
struct Lane {
    state: Mutex<LaneState>,
    /// Told when a request is over, or a limit changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct LaneState {
    paused_until: Option<Instant>,
    /// 429s in a row.
    throttled: u32,
    /// Pauses in a row: what is turned away together is turned away once.
    pauses: u32,
    told: Option<Told>,
    in_flight: u64,
}

/// What was announced last.
#[derive(Debug, Clone, Copy)]
struct Told {
    limit: Announced,
    since: Instant,
    /// How many announcements were heard before.
    heard: u64,
}

/// What a lane says to the next request.
enum Word {
    Go,
    /// All that is left is under way.
    AfterAnother,
    Wait(Held),
}

impl LaneState {
    fn next(&mut self, now: Instant) -> Word {
        if let Some(until) = self.paused_until.filter(|until| now < *until) {
            return Word::Wait(Held { until, cause: Cause::Asked });
        }
        let Some(Told { limit, since, .. }) = self.told else { return Word::Go };
        if let Some(reset) = limit.reset
            && now >= since + reset
        {
            self.told = None;
            return Word::Go;
        }
        if limit.told.remaining > self.in_flight {
            return Word::Go;
        }
        if self.in_flight > 0 {
            return Word::AfterAnother;
        }
        // Nothing tells when something is left again: whether that is so is for the registry to say.
        let Some(regain) = limit.regain() else { return Word::Go };
        let until = since + regain;
        if now >= until {
            // One has come back by now; what the answer to it announces counts from then on.
            return Word::Go;
        }
        Word::Wait(Held { until, cause: Cause::Spent(limit.told) })
    }
}

/// Leave to send one request; dropped when it is over.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    lane: &'a Lane,
    kind: Kind,
    /// How many announcements had been heard when it was sent.
    heard: u64,
    /// How long the operator's rate held it back: that is not the registry's fault, nor the image's.
    pub(super) paced: Duration,
    /// How long the registry's limits held it back.
    pub(super) waited: Duration,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.lane.state().in_flight -= 1;
        self.lane.changed.notify_waiters();
    }
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    pub(super) fn new(requests_per_second: Option<NonZeroU32>, clock: Arc<dyn Clock>) -> Self {
        let start = clock.instant();
        // Requests are spaced evenly: a burst at the beginning of each second is what servers dislike most.
        let quota = |rate| Quota::per_second(rate).allow_burst(NonZeroU32::MIN);
        let since = SinceStart { clock: Arc::clone(&clock), start };
        let pace = requests_per_second.map(|rate| RateLimiter::direct_with_clock(quota(rate), since));
        Self { clock, start, pace, lanes: Default::default(), heard: AtomicU64::new(0) }
    }

    /// Waits until a request of a kind may be sent, or says at once that this is beyond its time.
    ///
    /// What the operator's rate takes is not counted against that time, but ends with the pass.
    pub(super) async fn admit(
        &self,
        kind: Kind,
        ends: Instant,
        pass_ends: Option<Instant>,
    ) -> Result<Ticket<'_>, Held> {
        let lane = &self.lanes[kind as usize];
        let mut begun = None;
        loop {
            // Listening begins before looking, so that no change is missed in between.
            let changed = lane.changed.notified();
            let now = self.clock.instant();
            let word = {
                let mut state = lane.state();
                let word = state.next(now);
                if matches!(word, Word::Go) {
                    state.in_flight += 1;
                }
                word
            };
            if !matches!(word, Word::Go) {
                begun.get_or_insert(now);
            }
            match word {
                Word::Go => break,
                Word::Wait(held) if held.until >= ends => return Err(held),
                Word::Wait(held) => {
                    // Up to a tenth more, so that those who waited together do not come back together.
                    let more = (held.until - now).mul_f64(fastrand::f64() / 10.0);
                    self.clock.wait_until((held.until + more).min(ends)).await;
                }
                // Those under way have their own time limits; after its own, this one goes on to find that out.
                Word::AfterAnother => {
                    if timeout_at(ends, changed).await.is_err() {
                        return Err(Held { until: ends, cause: Cause::Late });
                    }
                }
            }
        }
        let waited = begun.map_or(Duration::ZERO, |begun| self.clock.instant() - begun);
        let mut ticket = Ticket { lane, kind, heard: 0, paced: Duration::ZERO, waited };
        ticket.paced = self.keep_pace(pass_ends).await?;
        ticket.heard = self.heard.load(Ordering::Relaxed);
        Ok(ticket)
    }

    /// Returns until when a kind of request is held back that was held back again and again: waiting is no use.
    pub(super) fn given_up(&self, kind: Kind) -> Option<Instant> {
        let state = self.lanes[kind as usize].state();
        let until = state.paused_until.filter(|until| self.clock.instant() < *until);
        until.filter(|_| state.pauses >= PATIENCE)
    }

    async fn keep_pace(&self, pass_ends: Option<Instant>) -> Result<Duration, Held> {
        let Some(pace) = &self.pace else { return Ok(Duration::ZERO) };
        let mut begun = None;
        while let Err(early) = pace.check() {
            begun.get_or_insert_with(|| self.clock.instant());
            let until = self.start + early.earliest_possible();
            if pass_ends.is_some_and(|ends| until >= ends) {
                return Err(Held { until, cause: Cause::Pace });
            }
            self.clock.wait_until(until).await;
        }
        Ok(begun.map_or(Duration::ZERO, |begun| self.clock.instant() - begun))
    }

    /// Takes from an answer what it announces.
    pub(super) fn answered(&self, ticket: &Ticket<'_>, headers: &HeaderMap) {
        self.hear(ticket.kind, ticket.heard, headers);
    }

    fn hear(&self, kind: Kind, heard: u64, headers: &HeaderMap) {
        let announced = Announced::read(headers, self.clock.now());
        let now = self.clock.instant();
        {
            let mut state = self.lanes[kind as usize].state();
            (state.throttled, state.pauses) = (0, 0);
        }
        // A limit over hours counts pulls: other answers tell of it, too, and are free of it.
        let of = match &announced {
            Some(limit) if limit.counts_pulls() => Kind::Manifest,
            _ => kind,
        };
        let lane = &self.lanes[of as usize];
        {
            let mut state = lane.state();
            match (announced, &mut state.told) {
                // It was sent before the last announcement came: what that one said to be gone is not back.
                (Some(limit), Some(told))
                    if told.heard >= heard && told.limit.told.remaining < limit.told.remaining => {}
                (Some(limit), told) => {
                    let heard = self.heard.fetch_add(1, Ordering::Relaxed);
                    *told = Some(Told { limit, since: now, heard });
                }
                (None, Some(told)) => told.limit.told.remaining = told.limit.told.remaining.saturating_sub(1),
                (None, None) => {}
            }
        }
        lane.changed.notify_waiters();
    }

    /// Holds back what a registry wants no more of: one kind, or all of them. Returns until when.
    pub(super) fn throttled(&self, kind: Option<Kind>, wait: Option<Duration>, first_guess: Duration) -> Instant {
        let now = self.clock.instant();
        let mut latest = now;
        for (index, lane) in self.lanes.iter().enumerate() {
            if kind.is_some_and(|kind| kind as usize != index) || (kind.is_none() && index == Kind::Token as usize) {
                continue;
            }
            let mut state = lane.state();
            let guess = first_guess.saturating_mul(2_u32.saturating_pow(state.throttled.min(16)));
            if state.paused_until.is_none_or(|until| now >= until) {
                state.pauses = state.pauses.saturating_add(1);
            }
            // "At once" and a moment that has passed are no leave to hammer.
            let least = first_guess.saturating_mul(2_u32.saturating_pow(state.pauses.saturating_sub(1).min(16)));
            let least = jittered(least.min(LONGEST_GUESS));
            let pause = wait.map_or(guess.min(LONGEST_GUESS), |wait| wait.min(LONGEST_PAUSE).max(least));
            state.throttled = state.throttled.saturating_add(1);
            let until = now + pause;
            // Others may have been told a later moment.
            state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until)));
            latest = latest.max(until);
        }
        latest
    }

    /// Returns the limit with the least left of those that were announced.
    pub(super) fn told(&self) -> Option<ToldLimit> {
        let lanes = self.lanes.iter().filter_map(|lane| Some(lane.state().told?.limit.told));
        lanes.min_by_key(|told| told.remaining)
    }
}

#[cfg(test)]
mod tests;
