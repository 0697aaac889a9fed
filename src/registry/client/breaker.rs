//! Leaving a host alone that is down, so that it costs a bounded wait once, and not for each image.
//!
//! After a few questions in a row that failed with all their tries, nothing is asked for a minute. Then one question
//! probes; the others wait for how it ends, so that a host that came back serves all of them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::http::error::{Advice, HttpError};
use crate::registry::client::failure::Failure;

/// How many failures in a row count as "down"; each stands for all the tries of one question.
const DOWN_AFTER: u32 = 3;

/// How long a host that is down is left alone.
const DOWN_FOR: Duration = Duration::from_secs(60);

/// Failures in a row, and until when nothing is asked because of them.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    reason: String,
    down_until: Option<Instant>,
}

/// The breaker of one host, or of its login server.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    trouble: Mutex<Trouble>,
    probe: tokio::sync::Mutex<()>,
}

/// Leave to ask.
#[derive(Debug)]
pub(super) enum Leave<'a> {
    /// All is well.
    Free,
    /// The host was down; this one question finds out whether it still is. Dropped when that is known.
    Probe(#[expect(dead_code, reason = "held, never looked into")] tokio::sync::MutexGuard<'a, ()>),
}

enum State {
    Well,
    Down(Failure),
    Due,
}

impl Breaker {
    /// Gives leave to ask, or refuses for a host that is down. While another question probes, it waits for that.
    pub(super) async fn enter(&self, host: &str, clock: &dyn Clock) -> Result<Leave<'_>, Failure> {
        match self.state(host, clock.instant()) {
            State::Well => return Ok(Leave::Free),
            State::Down(failure) => return Err(failure),
            State::Due => {}
        }
        let probe = self.probe.lock().await;
        match self.state(host, clock.instant()) {
            State::Well => Ok(Leave::Free),
            State::Down(failure) => Err(failure),
            State::Due => Ok(Leave::Probe(probe)),
        }
    }

    /// Whether the host counts as down at a moment: then further tries of a question that is under way help nobody.
    pub(super) fn is_down(&self, now: Instant) -> bool {
        self.trouble().down_until.is_some_and(|until| now < until)
    }

    /// Remembers how a question ended: well, or with an error after all its tries.
    ///
    /// An error that tells of one answer alone, such as one that is too long, says nothing about the host; and one
    /// that asks for patience comes from a host that is there.
    pub(super) fn note(&self, error: Option<&HttpError>, now: Instant) {
        match error {
            None | Some(HttpError::Throttled { .. }) => *self.trouble() = Trouble::default(),
            Some(error) if error.advice() != Advice::GiveUp || matches!(error, HttpError::Deadline { .. }) => {
                self.fail(error.to_string(), now);
            }
            Some(_) => {}
        }
    }

    /// Remembers a failure that is told in words alone.
    pub(super) fn fail(&self, reason: String, now: Instant) {
        let mut trouble = self.trouble();
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.reason = reason;
        if trouble.failures >= DOWN_AFTER {
            trouble.down_until = Some(now + DOWN_FOR);
        }
    }

    fn state(&self, host: &str, now: Instant) -> State {
        let trouble = self.trouble();
        match trouble.down_until {
            None => State::Well,
            Some(until) if now >= until => State::Due,
            Some(_) => State::Down(Failure::Down {
                host: host.to_owned(),
                failures: trouble.failures,
                reason: trouble.reason.clone(),
            }),
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::SkippingClock;

    const HOST: &str = "registry.example";

    fn clock() -> SkippingClock {
        SkippingClock::at("2026-11-20T08:00:00Z".parse().unwrap())
    }

    fn silence() -> HttpError {
        HttpError::Silent { host: HOST.to_owned(), limit: Duration::from_secs(15) }
    }

    async fn down(clock: &SkippingClock) -> Breaker {
        let breaker = Breaker::default();
        (0..DOWN_AFTER).for_each(|_| breaker.note(Some(&silence()), clock.instant()));
        assert!(breaker.enter(HOST, clock).await.is_err());
        breaker
    }

    #[tokio::test]
    async fn one_question_probes_and_the_others_wait_for_how_it_ends() {
        for (ending, welcome) in [(None, true), (Some(silence()), false)] {
            let clock = clock();
            let breaker = down(&clock).await;
            clock.skip(DOWN_FOR);
            let probe = breaker.enter(HOST, &clock).await.unwrap();
            assert!(matches!(probe, Leave::Probe(_)));
            let mut other = Box::pin(breaker.enter(HOST, &clock));
            assert!((&mut other).now_or_never().is_none());
            breaker.note(ending.as_ref(), clock.instant());
            drop(probe);
            assert_eq!(other.await.is_ok(), welcome);
        }
    }

    #[tokio::test]
    async fn a_probe_that_is_given_up_leaves_the_place_to_the_next() {
        let clock = clock();
        let breaker = down(&clock).await;
        clock.skip(DOWN_FOR);
        drop(breaker.enter(HOST, &clock).await.unwrap());
        assert!(matches!(breaker.enter(HOST, &clock).await, Ok(Leave::Probe(_))));
    }

    #[tokio::test]
    async fn a_host_that_asks_for_patience_is_not_down() {
        let breaker = Breaker::default();
        let status = reqwest::StatusCode::TOO_MANY_REQUESTS;
        let throttled = HttpError::Throttled { host: HOST.to_owned(), status, wait: None, until: None };
        for _ in 0..10 {
            (1..DOWN_AFTER).for_each(|_| breaker.note(Some(&silence()), Instant::now()));
            breaker.note(Some(&throttled), Instant::now());
        }
        assert!(!breaker.is_down(Instant::now()));
    }
}
