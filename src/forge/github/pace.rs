//! How fast writes may follow each other: under what GitHub calls its limits on creating content. Pure.
//!
//! The entry point is [`Pace::wait`]. It sleeps not, and reads no clock.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// The most writes in a minute. GitHub takes 80 (its documentation, "Rate limits for the REST API", secondary limits), and counts them as
/// they arrive, which is less evenly than they were sent.
const A_MINUTE: usize = 76;

/// The most writes in an hour, of the 500 that the same place names.
const AN_HOUR: usize = 490;

/// The writes of the last hour.
#[derive(Debug, Default)]
pub(in crate::forge) struct Pace {
    made: VecDeque<Timestamp>,
}

impl Pace {
    /// Returns how long the next write has to wait; none where it may be made now.
    pub(in crate::forge) fn wait(&mut self, now: Timestamp) -> Option<Duration> {
        while self.made.front().is_some_and(|first| since(*first, now) >= Duration::from_secs(3600)) {
            self.made.pop_front();
        }
        let windows = [(A_MINUTE, Duration::from_secs(60)), (AN_HOUR, Duration::from_secs(3600))];
        let waits = windows.into_iter().filter_map(|(most, window)| {
            let first = *self.made.get(self.made.len().checked_sub(most)?)?;
            window.checked_sub(since(first, now)).filter(|wait| !wait.is_zero())
        });
        waits.max()
    }

    /// Notes a write.
    pub(in crate::forge) fn note(&mut self, now: Timestamp) {
        self.made.push_back(now);
    }
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn lets_fewer_than_eighty_writes_pass_in_a_minute_and_than_five_hundred_in_an_hour() {
        let mut pace = Pace::default();
        for _ in 0..A_MINUTE {
            assert_eq!(pace.wait(at(0)), None);
            pace.note(at(0));
        }
        assert_eq!(pace.wait(at(20)), Some(Duration::from_secs(40)));
        for minute in 1..=5 {
            for _ in 0..A_MINUTE {
                assert_eq!(pace.wait(at(minute * 60)), None);
                pace.note(at(minute * 60));
            }
        }
        for _ in 6 * A_MINUTE..AN_HOUR {
            pace.note(at(360));
        }
        assert_eq!(pace.wait(at(600)), Some(Duration::from_secs(3000)));
        assert_eq!(pace.wait(at(3600)), None);
        const { assert!(A_MINUTE < 80 && AN_HOUR < 500) };
    }
}
