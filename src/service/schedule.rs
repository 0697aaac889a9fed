//! When the next pass of a repository begins: cron in a time zone, or again after so long; spread by jitter.
//!
//! Pure: [`next`] takes the present moment as a parameter.

use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::config::service::Schedule;

/// The longest that jitter delays a pass.
const LONGEST_JITTER: Duration = Duration::from_secs(60);

/// How much further each repository widens the time over which passes are spread: few repositories need not wait.
const JITTER_FOR_EACH: Duration = Duration::from_millis(100);

/// Where a repository stands among those that would begin together: from 0 to 1, the same at every start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share(f64);

impl Share {
    /// Returns the share of a repository, told by its URL.
    pub(super) fn of(url: &str) -> Self {
        let hash = Sha256::digest(url);
        let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        Self(f64::from(number) / (f64::from(u32::MAX) + 1.0))
    }

    /// Returns its part of a time over which `count` repositories are spread.
    fn of_time(self, time: SignedDuration, count: usize) -> SignedDuration {
        let wide = JITTER_FOR_EACH.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)).min(LONGEST_JITTER);
        let time = Duration::try_from(time).unwrap_or_default().min(wide);
        SignedDuration::try_from(time.mul_f64(self.0)).unwrap_or_default()
    }
}

/// Returns when the first pass after a start begins: at once, spread over all repositories.
pub(super) fn first(schedule: &Schedule, now: Timestamp, share: Share, count: usize) -> Timestamp {
    let time = match schedule {
        Schedule::Every(time) => *time,
        Schedule::Cron { .. } => SignedDuration::MAX,
    };
    later(now, share.of_time(time, count))
}

/// Returns when the next pass begins after one that began at `begun`; `None` for a cron that never comes again.
pub(super) fn next(
    schedule: &Schedule,
    begun: Timestamp,
    now: Timestamp,
    share: Share,
    count: usize,
) -> Option<Timestamp> {
    match schedule {
        Schedule::Every(time) => Some(later(begun, *time).max(now)),
        Schedule::Cron { cron, zone } => {
            let cron: Cron = cron.0.parse().ok()?;
            let coming = occurrence(&cron, zone, now)?;
            let gap = occurrence(&cron, zone, coming).map_or(SignedDuration::MAX, |after| after.duration_since(coming));
            let jitter = share.of_time(gap / 10, count);
            // The one before may not have begun yet: its jitter is not over.
            let since = now.checked_sub(jitter).unwrap_or(now);
            Some(later(occurrence(&cron, zone, since)?, jitter))
        }
    }
}

fn occurrence(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let coming = cron.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok()?;
    Some(coming.timestamp())
}

/// Adds a time to a moment; what lies beyond the calendar is its end.
pub(super) fn later(moment: Timestamp, time: SignedDuration) -> Timestamp {
    moment.checked_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::service::words::CronText;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(text: &str, zone: &str) -> Schedule {
        Schedule::Cron { cron: CronText(text.to_owned()), zone: TimeZone::get(zone).unwrap() }
    }

    #[test]
    fn cron_keeps_to_the_clock_on_the_wall_when_it_changes() {
        let daily = cron("30 9 * * *", "Europe/Berlin");
        let next = |now: &str| next(&daily, at(now), at(now), Share(0.0), 1).unwrap().to_string();
        assert_eq!(next("2026-03-27T12:00:00Z"), "2026-03-28T08:30:00Z");
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T07:30:00Z");
        assert_eq!(next("2026-10-24T12:00:00Z"), "2026-10-25T08:30:00Z");
    }

    #[test]
    fn an_hour_that_is_left_out_or_comes_twice_costs_no_pass_and_gives_no_second_one() {
        let follow = |text: &str, from: &str, count: usize| {
            let (schedule, mut moments, mut now) = (cron(text, "Europe/Berlin"), Vec::new(), at(from));
            for _ in 0..count {
                now = next(&schedule, now, now, Share(0.0), 1).unwrap();
                moments.push(now.to_string());
            }
            moments
        };
        // 2:30 is not on the clock on 29 March, and there twice on 25 October.
        let nightly = "30 2 * * *";
        assert_eq!(
            follow(nightly, "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
            "at the end of the gap"
        );
        assert_eq!(follow(nightly, "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let often = "*/30 * * * *";
        assert_eq!(
            follow(often, "2026-03-29T00:15:00Z", 3),
            ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
        );
        assert_eq!(
            follow(often, "2026-10-25T00:15:00Z", 4),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]
        );
    }

    #[test]
    fn every_counts_from_when_the_last_one_began_and_never_piles_up() {
        let every = Schedule::Every(SignedDuration::from_mins(5));
        let next = |begun: &str, now: &str| next(&every, at(begun), at(now), Share(0.9), 500).unwrap().to_string();
        assert_eq!(next("2026-11-20T08:00:00Z", "2026-11-20T08:01:00Z"), "2026-11-20T08:05:00Z");
        assert_eq!(next("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z"), "2026-11-20T09:00:00Z");
    }

    #[test]
    fn jitter_spreads_many_and_hardly_delays_one() {
        let schedule = cron("*/5 * * * *", "UTC");
        let now = at("2026-11-20T08:01:00Z");
        let begin = |share, count| next(&schedule, now, now, Share(share), count).unwrap().to_string();
        assert_eq!(begin(0.5, 500), "2026-11-20T08:05:15Z");
        assert_eq!(begin(0.5, 1), "2026-11-20T08:05:00.05Z");
        assert_eq!(first(&schedule, now, Share(0.5), 500).to_string(), "2026-11-20T08:01:25Z");
    }

    #[test]
    fn an_occurrence_whose_jitter_is_not_over_still_comes() {
        let schedule = cron("*/5 * * * *", "UTC");
        let now = at("2026-11-20T08:05:10Z");
        let next = next(&schedule, now, now, Share(0.5), 500).unwrap();
        assert_eq!(next.to_string(), "2026-11-20T08:05:15Z");
    }

    #[test]
    fn a_day_that_never_comes_has_no_next_pass() {
        let now = at("2026-11-20T08:00:00Z");
        assert_eq!(next(&cron("0 0 30 2 *", "UTC"), now, now, Share(0.0), 1), None);
    }

    #[test]
    fn shares_differ_and_stay() {
        let shares: Vec<f64> = (0..200).map(|number| Share::of(&format!("https://git.example/{number}")).0).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        for tenth in 0..10 {
            let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
            assert!(shares.iter().any(|share| (from..to).contains(share)), "none in {from}..{to}");
        }
        assert_eq!(Share::of("https://git.example/1"), Share::of("https://git.example/1"));
    }

    #[test]
    fn a_start_with_many_repositories_is_no_storm() {
        let now = at("2026-11-20T08:00:00Z");
        for schedule in [Schedule::Every(SignedDuration::from_mins(5)), cron("*/5 * * * *", "UTC")] {
            let mut of_each_second = [0; 60];
            for number in 0..500 {
                let share = Share::of(&format!("https://git.example/acme/{number}"));
                let after = first(&schedule, now, share, 500).duration_since(now);
                of_each_second[usize::try_from(after.as_secs()).unwrap()] += 1;
            }
            // Ten a second, give or take.
            assert_eq!(of_each_second[50..], [0; 10]);
            assert!(of_each_second[..50].iter().all(|count| (1..=25).contains(count)), "{of_each_second:?}");
        }
    }

    #[test]
    fn a_clock_that_jumps_ahead_makes_up_for_one_pass_and_no_more() {
        let (begun, ahead) = (at("2026-11-20T08:00:00Z"), at("2031-01-01T00:00:00Z"));
        let every = Schedule::Every(SignedDuration::from_mins(5));
        assert_eq!(next(&every, begun, ahead, Share(0.5), 1), Some(ahead));
        assert_eq!(next(&every, ahead, ahead, Share(0.5), 1), Some(at("2031-01-01T00:05:00Z")));
        let next = next(&cron("*/5 * * * *", "UTC"), begun, ahead, Share(0.0), 1).unwrap();
        assert_eq!(next, at("2031-01-01T00:05:00Z"));
    }
}
