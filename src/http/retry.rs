//! Patience: how often and after which wait another try is made, and what `Retry-After` says.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;
use tokio::time::Instant;

use crate::http::error::{Advice, HttpError};

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

/// The tries that one exchange has used up.
#[derive(Debug, Clone, Default)]
pub struct Tries {
    silence: u32,
    trouble: u32,
}

impl Tries {
    /// Waits before the next try, or gives the error back when there is to be none.
    ///
    /// A wait that would end after `deadline` is not begun: waiting for nothing helps nobody.
    ///
    /// # Errors
    ///
    /// The error itself, when no further try is made.
    pub async fn pause(&mut self, error: HttpError, policy: &RetryPolicy, deadline: Instant) -> Result<(), HttpError> {
        let wait = match error.advice() {
            Advice::OnceMore if self.silence < policy.after_silence => {
                self.silence += 1;
                jittered(policy.first_wait)
            }
            Advice::Again if self.trouble < policy.after_trouble => {
                self.trouble += 1;
                jittered(policy.first_wait * 2_u32.saturating_pow(self.trouble - 1))
            }
            Advice::After(wait) if self.trouble < policy.after_trouble => {
                self.trouble += 1;
                // Up to a tenth more, so that those who were turned away together do not come back together.
                wait + wait.mul_f64(fastrand::f64() / 10.0)
            }
            _ => return Err(error),
        };
        if Instant::now() + wait >= deadline {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Reads `Retry-After`: seconds, or a date in one of the three forms of RFC 9110, section 5.6.7.
///
/// A date in the past means no wait. Returns `None` for anything else.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean "never"; a year is as good.
        return Some(Duration::from_secs(value.parse().unwrap_or(31_536_000).min(31_536_000)));
    }
    let date = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| strtime::parse(form, value).ok()?.to_datetime().ok())?;
    let until = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}
