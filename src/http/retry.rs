//! Patience: how often and after which wait another try is made, and what `Retry-After` says.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use crate::http::error::{Advice, HttpError};

/// The longest wait that a server is believed, in seconds: a year. More digits than fit mean "never"; a year is as good.
const LONGEST_NAMED: u64 = 31_536_000;

/// Numbers of seconds above this one are moments since 1970, and others stretches of time.
const FIRST_MOMENT: u64 = 1_000_000_000;

/// Numbers above this one are milliseconds since 1970: as seconds, they would be tens of thousands of years away.
const FIRST_MILLISECOND: u64 = 1_000_000_000_000;

/// How often an exchange is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further tries after no connection, silence, or a connection that broke.
    pub after_silence: u32,
    /// Further tries after a server error, or a 429 that names no time.
    pub after_trouble: u32,
    /// The first wait; each one after it is twice as long, and each is shortened by chance down to half.
    pub first_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { after_silence: 1, after_trouble: 3, first_wait: Duration::from_millis(500) }
    }
}

impl RetryPolicy {
    /// One try and no more, for callers that count tries themselves.
    pub const NONE: Self = Self { after_silence: 0, after_trouble: 0, first_wait: Duration::ZERO };
}

/// The tries that one exchange has used up.
#[derive(Debug, Clone, Default)]
pub struct Tries {
    silence: u32,
    trouble: u32,
}

impl Tries {
    /// Returns how long to wait before the next try, or gives the error back when there is to be none.
    ///
    /// # Errors
    ///
    /// The error itself, when no further try is made.
    pub fn next(&mut self, error: HttpError, policy: &RetryPolicy) -> Result<Duration, HttpError> {
        match error.advice() {
            Advice::OnceMore if self.silence < policy.after_silence => {
                self.silence += 1;
                Ok(jittered(policy.first_wait))
            }
            Advice::Again if self.trouble < policy.after_trouble => {
                self.trouble += 1;
                Ok(jittered(policy.first_wait.saturating_mul(2_u32.saturating_pow(self.trouble - 1))))
            }
            Advice::After(wait) if self.trouble < policy.after_trouble => {
                self.trouble += 1;
                // "Now" and a moment that has passed are no leave to hammer.
                let least = jittered(policy.first_wait.saturating_mul(2_u32.saturating_pow(self.trouble - 1)));
                // Up to a tenth more, so that those who were turned away together do not come back together.
                Ok((wait + wait.mul_f64(fastrand::f64() / 10.0)).max(least))
            }
            _ => Err(error),
        }
    }

    /// Waits before the next try, or gives the error back when there is to be none.
    ///
    /// A wait that would end after `deadline` is not begun: waiting for nothing helps nobody.
    ///
    /// # Errors
    ///
    /// The error itself, when no further try is made.
    pub async fn pause(&mut self, error: HttpError, policy: &RetryPolicy, deadline: Instant) -> Result<(), HttpError> {
        let wait = self.next(error.clone(), policy)?;
        if Instant::now() + wait >= deadline {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Shortens a wait by chance, down to half.
pub fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Returns how long an answer asks to wait: by `Retry-After`, or, of a 429, by when its limit is renewed or lets one
/// more request through.
pub fn wait_named(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(wait) = text(RETRY_AFTER.as_str()).and_then(|value| retry_after(value, now)) {
        return Some(wait);
    }
    if status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let renewal = text("ratelimit-reset").or_else(|| text("x-ratelimit-reset"));
    renewal.and_then(|value| reset(value, now)).or_else(|| share(text("ratelimit-limit")?))
}

/// Returns one request's share of a window: of `100;w=21600`, as Docker Hub tells its limit of pulls, 216 seconds.
fn share(limit: &str) -> Option<Duration> {
    let (number, window) = limit.split_once(";w=")?;
    let (number, window) = (seconds(number)?.max(1), seconds(window)?.min(LONGEST_NAMED));
    Some(Duration::from_secs(window.div_ceil(number)))
}

/// Reads `RateLimit-Reset` and `X-RateLimit-Reset`: seconds from now, or seconds or milliseconds since 1970, by their
/// size.
pub fn reset(value: &str, now: Timestamp) -> Option<Duration> {
    let seconds = seconds(value)?;
    if seconds < FIRST_MOMENT {
        return Some(Duration::from_secs(seconds.min(LONGEST_NAMED)));
    }
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    let moment = if seconds < FIRST_MILLISECOND { seconds } else { seconds.div_ceil(1000) };
    Some(Duration::from_secs(moment.saturating_sub(now).min(LONGEST_NAMED)))
}

fn seconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| value.parse().unwrap_or(u64::MAX))
}

/// Reads `Retry-After`: seconds, or a date in one of the three forms of RFC 9110, section 5.6.7.
///
/// A date in the past means no wait, and more than a year means a year. Returns `None` for anything else.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Some(seconds) = seconds(value) {
        return Some(Duration::from_secs(seconds.min(LONGEST_NAMED)));
    }
    let date = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| strtime::parse(form, value.trim()).ok()?.to_datetime().ok())?;
    let longest = Duration::from_secs(LONGEST_NAMED);
    // The last days of the year 9999 are a date, but no moment that can be held.
    let Ok(until) = date.to_zoned(jiff::tz::TimeZone::UTC) else { return Some(longest) };
    let wait = Duration::try_from(until.timestamp().duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(longest))
}
