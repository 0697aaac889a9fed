//! The gate before a host: nobody passes more often than the operator allows, the registry announced, or it asked for.
//!
//! Each kind of request has a limit of its own, since registries count them apart. What is held back waits if its time
//! allows it, and is an error otherwise; nothing is sent in the hope that the limit was not meant.

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
use crate::model::usage::ToldLimit;
use crate::registry::client::announced::Announced;
use crate::registry::client::meter::Kind;

/// The longest that a kind of request is held back at one word of the registry's; then one is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

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
        self.lanes[kind as usize].state().throttled = 0;
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
            let pause = wait.map_or(guess.min(LONGEST_GUESS), |wait| wait.min(LONGEST_PAUSE));
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
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::SkippingClock;
    use reqwest::header::{HeaderName, HeaderValue};

    struct World {
        clock: Arc<SkippingClock>,
        gate: Gate,
    }

    impl World {
        fn new(rate: Option<u32>) -> Self {
            let clock = Arc::new(SkippingClock::at("2026-11-20T08:00:00Z".parse().unwrap()));
            let gate = Gate::new(rate.and_then(NonZeroU32::new), Arc::clone(&clock) as Arc<dyn Clock>);
            Self { clock, gate }
        }

        /// Asks for leave within a number of seconds.
        async fn admit(&self, kind: Kind, seconds: u64) -> Result<Ticket<'_>, Held> {
            self.gate.admit(kind, self.clock.instant() + Duration::from_secs(seconds), None).await
        }

        fn answered(&self, kind: Kind, rows: &[(&'static str, &str)]) {
            let header = |(name, value): &(&'static str, &str)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            };
            self.gate.hear(kind, u64::MAX, &rows.iter().map(header).collect());
        }

        fn throttled(&self, kind: Kind, wait: Option<u64>) -> Duration {
            let wait = wait.map(Duration::from_secs);
            self.gate.throttled(Some(kind), wait, Duration::from_secs(4)) - self.clock.instant()
        }
    }

    #[tokio::test]
    async fn requests_are_spaced_by_the_operator_s_rate() {
        let world = World::new(Some(10));
        let mut paced = Duration::ZERO;
        for _ in 0..31 {
            paced += world.admit(Kind::List, 60).await.unwrap().paced;
        }
        assert_eq!((world.clock.skipped().as_secs(), paced.as_secs()), (3, 3));
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_are_left() {
        let world = World::new(None);
        world.answered(Kind::Manifest, &[("ratelimit-remaining", "2"), ("ratelimit-reset", "30")]);
        let first = world.admit(Kind::Manifest, 60).await.unwrap();
        let _second = world.admit(Kind::Manifest, 60).await.unwrap();
        let mut third = Box::pin(world.admit(Kind::Manifest, 60));
        assert!((&mut third).now_or_never().is_none());
        // Other kinds have limits of their own.
        assert!(world.admit(Kind::List, 60).await.is_ok());
        world.answered(Kind::Manifest, &[("ratelimit-remaining", "4"), ("ratelimit-reset", "30")]);
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn answers_that_come_out_of_order_bring_nothing_back() {
        let world = World::new(None);
        let header = |left: &str| {
            let header = |name, value: &str| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
            [header("ratelimit-remaining", left), header("ratelimit-reset", "30")].into_iter().collect()
        };
        let first = world.admit(Kind::List, 60).await.unwrap();
        let second = world.admit(Kind::List, 60).await.unwrap();
        world.gate.answered(&second, &header("0"));
        world.gate.answered(&first, &header("1"));
        drop((first, second));
        assert!(world.admit(Kind::List, 20).await.is_err());
        let third = world.admit(Kind::List, 60).await.unwrap();
        world.gate.answered(&third, &header("99"));
        drop(third);
        assert!(world.admit(Kind::List, 1).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_after_the_end_of_the_pass_is_not_waited_for() {
        let world = World::new(Some(1));
        let ends = Some(world.clock.instant() + Duration::from_millis(500));
        let far = world.clock.instant() + Duration::from_secs(60);
        assert!(world.gate.admit(Kind::List, far, ends).await.is_ok());
        assert_eq!(world.gate.admit(Kind::List, far, ends).await.unwrap_err().cause, Cause::Pace);
        assert_eq!(world.clock.skipped(), Duration::ZERO);
    }

    #[tokio::test]
    async fn nothing_left_waits_for_the_renewal_or_is_an_error() {
        let world = World::new(None);
        world.answered(Kind::List, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")]);
        let held = world.admit(Kind::List, 20).await.unwrap_err();
        assert_eq!((held.until - world.clock.instant()).as_secs(), 30);
        assert!(matches!(held.cause, Cause::Spent(_)));
        assert_eq!(world.clock.skipped(), Duration::ZERO);
        let ticket = world.admit(Kind::List, 60).await.unwrap();
        assert!((30..=33).contains(&ticket.waited.as_secs()), "{ticket:?}");
        assert_eq!(ticket.waited, world.clock.skipped());
    }

    #[tokio::test]
    async fn pulls_that_are_spent_come_back_one_by_one_and_heads_go_on() {
        let world = World::new(None);
        let spent = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")];
        world.answered(Kind::Head, &spent);
        assert!(world.admit(Kind::Head, 5).await.is_ok());
        assert!(world.admit(Kind::Manifest, 60).await.is_err());
        world.clock.skip(Duration::from_secs(216));
        let one = world.admit(Kind::Manifest, 60).await.unwrap();
        let mut next = Box::pin(world.admit(Kind::Manifest, 60));
        assert!((&mut next).now_or_never().is_none());
        world.answered(Kind::Manifest, &spent);
        drop(one);
        assert!(matches!(next.await, Err(Held { cause: Cause::Spent(_), .. })));
    }

    #[tokio::test]
    async fn absurd_pauses_are_capped_and_guesses_grow() {
        let world = World::new(None);
        assert_eq!(world.throttled(Kind::Blob, Some(31_536_000)), LONGEST_PAUSE);
        let guesses: Vec<u64> = (0..6).map(|_| world.throttled(Kind::List, None).as_secs()).collect();
        assert_eq!(guesses, [4, 8, 16, 32, 60, 60]);
        assert_eq!(world.throttled(Kind::Head, None).as_secs(), 4);
        world.answered(Kind::Head, &[]);
        assert_eq!(world.throttled(Kind::Head, None).as_secs(), 4);
    }

    #[tokio::test]
    async fn a_question_that_is_given_up_leaves_its_place() {
        let world = World::new(None);
        world.answered(Kind::Manifest, &[("ratelimit-remaining", "1"), ("ratelimit-reset", "900")]);
        for _ in 0..3 {
            drop(world.admit(Kind::Manifest, 60).await.unwrap());
        }
    }

    #[tokio::test]
    async fn limits_without_a_renewal_are_shown_and_stop_nobody() {
        let world = World::new(None);
        world.answered(Kind::List, &[("x-ratelimit-remaining", "0")]);
        assert_eq!(world.gate.told().unwrap().remaining, 0);
        assert!(world.admit(Kind::List, 5).await.is_ok());
    }
}
