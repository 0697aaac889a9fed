//! Limits that registries announce in the headers of their answers, before anybody runs into them.
//!
//! There are four spellings: `RateLimit-Limit: 100;w=21600` with `-Remaining` and perhaps `-Reset` (Docker Hub's
//! pulls; GitLab without the window), the same with `X-` before it (Docker Hub's other limit, JFrog), and
//! `RateLimit: "name";r=50;t=30` of the newer drafts, and Azure's calls that are left in this second. Pure: what follows from a limit is the gate's business.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::http::retry::reset;
use crate::model::usage::ToldLimit;

/// The longest window that is believed, in seconds: a day. It tells what is counted, and how fast that comes back.
const LONGEST: u64 = 86_400;

/// The longest time until something comes back that is believed: then one request finds out.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How many limits of one answer are read.
const MOST_ITEMS: usize = 16;

/// A limit that came with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    /// What people are shown.
    pub(super) told: ToldLimit,
    /// When it is renewed, where the registry says so.
    pub(super) reset: Option<Duration>,
}

impl Announced {
    /// Reads the headers of an answer; `None` when they speak of no limit.
    ///
    /// Where several limits are named, the one with least left counts; of those, the one that is renewed last.
    pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let plain = Self::spelt(headers, "", now);
        let extended = Self::spelt(headers, "x-", now);
        let others = [plain, extended, Self::of_this_second(headers)].into_iter().flatten();
        others.chain(Self::structured(headers)).min_by_key(|limit| (limit.told.remaining, Reverse(limit.regain())))
    }

    /// Whether it counts pulls over hours, as Docker Hub does, so that HEADs are free of it.
    pub(super) fn counts_pulls(&self) -> bool {
        self.told.window.is_some_and(|window| window >= Duration::from_secs(3600))
    }

    /// Returns after which time one more request is let through, once nothing is left; `None` when nothing tells.
    pub(super) fn regain(&self) -> Option<Duration> {
        let spread = |window: Duration| {
            let limit = u32::try_from(self.told.limit.unwrap_or(1).max(1)).unwrap_or(u32::MAX);
            (window / limit).max(Duration::from_secs(1))
        };
        self.reset.or_else(|| self.told.window.map(spread)).map(|regain| regain.min(LONGEST_WAIT))
    }

    fn spelt(headers: &HeaderMap, prefix: &str, now: Timestamp) -> Option<Self> {
        let named = |name: &str| headers.get(format!("{prefix}ratelimit-{name}"))?.to_str().ok();
        let all = named("remaining")?.split(',').take(MOST_ITEMS).map(numbered).collect::<Option<Vec<_>>>()?;
        let (remaining, remaining_window) = all.into_iter().min_by_key(|(left, _)| *left)?;
        let (limit, limit_window) = named("limit").and_then(numbered).map_or((None, None), |(n, w)| (Some(n), w));
        let reset = named("reset").and_then(|value| reset(value, now)).map(|reset| reset.min(LONGEST_WAIT));
        let window = remaining_window.or(limit_window);
        Some(Self { told: ToldLimit { limit, remaining, window }, reset })
    }

    /// Reads `X-Ms-RateLimit-Remaining-Calls-Per-Second: 166.65`.
    fn of_this_second(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get("x-ms-ratelimit-remaining-calls-per-second")?.to_str().ok()?;
        let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
        let second = Some(Duration::from_secs(1));
        let told = ToldLimit { limit: None, remaining: whole.trim().parse().ok()?, window: second };
        Some(Self { told, reset: second })
    }

    /// Reads `RateLimit: "burst";r=50;t=60, "daily";r=0;t=3000`, each with the policy of its name.
    fn structured(headers: &HeaderMap) -> Vec<Self> {
        let items = |name: &str| {
            let rows = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            rows.flat_map(|row| row.split(',')).map(str::trim).take(MOST_ITEMS).collect::<Vec<_>>()
        };
        let parameter = |item: &str, name: &str| {
            item.split(';').skip(1).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let seconds = |item: &str, name: &str| parameter(item, name).map(Duration::from_secs).map(capped);
        let name = |item: &str| item.split(';').next().unwrap_or_default().trim().to_owned();
        let policies = items("ratelimit-policy");
        let read = |item: &str| {
            let policy = policies.iter().find(|policy| name(policy) == name(item)).copied().unwrap_or_default();
            let (limit, window) = (parameter(policy, "q"), seconds(policy, "w"));
            let told = ToldLimit { limit, remaining: parameter(item, "r")?, window };
            Some(Self { told, reset: seconds(item, "t").map(|reset| reset.min(LONGEST_WAIT)) })
        };
        items("ratelimit").into_iter().filter_map(read).collect()
    }
}

fn capped(time: Duration) -> Duration {
    time.min(Duration::from_secs(LONGEST))
}

/// Reads `100;w=21600`, or the first of a list of such.
fn numbered(value: &str) -> Option<(u64, Option<Duration>)> {
    let first = value.split(',').next().unwrap_or(value);
    let mut parts = first.split(';').map(str::trim);
    let number = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok());
    Some((number, window.map(|seconds| capped(Duration::from_secs(seconds)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    /// The limit, what is left, and the seconds of the window and until the renewal.
    type Read = (Option<u64>, u64, Option<u64>, Option<u64>);

    fn read(headers: &[(&str, &str)]) -> Option<Read> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()));
        let limit = Announced::read(&pairs.collect(), "2026-11-20T08:00:00Z".parse().unwrap())?;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        Some((limit.told.limit, limit.told.remaining, seconds(limit.told.window), seconds(limit.reset)))
    }

    #[test]
    fn reads_every_spelling_of_a_limit() {
        for (headers, expected) in [
            (
                vec![("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")],
                Some((Some(100), 76, Some(21_600), None)),
            ),
            (
                vec![("X-RateLimit-Limit", "180"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1795161630")],
                Some((Some(180), 0, None, Some(30))),
            ),
            (
                vec![
                    ("RateLimit-Limit", "10, 10;w=1, 50;w=60"),
                    ("RateLimit-Remaining", "9"),
                    ("RateLimit-Reset", "1"),
                ],
                Some((Some(10), 9, None, Some(1))),
            ),
            (
                vec![("RateLimit", r#""default";r=50;t=30"#), ("RateLimit-Policy", r#""default";q=100;w=60"#)],
                Some((Some(100), 50, Some(60), Some(30))),
            ),
            (
                vec![
                    ("RateLimit", r#""burst";r=50;t=60, "daily";r=0;t=3000"#),
                    ("RateLimit-Policy", r#""burst";q=100;w=60, "daily";q=1000;w=86400"#),
                ],
                Some((Some(1000), 0, Some(86_400), Some(3000))),
            ),
            (vec![("RateLimit", r#""a";r=0;t=60, "b";r=0;t=3000"#)], Some((None, 0, None, Some(3000)))),
            (
                vec![("RateLimit", r#""daily";r=7"#), ("RateLimit-Policy", r#""burst";q=9;w=1"#)],
                Some((None, 7, None, None)),
            ),
            (vec![("RateLimit-Remaining", "9;w=1, 0;w=60")], Some((None, 0, Some(60), None))),
            (vec![("RateLimit-Remaining", "5"), ("X-RateLimit-Remaining", "2")], Some((None, 2, None, None))),
            (
                vec![("RateLimit-Remaining", "0"), ("RateLimit-Reset", "99999999999999")],
                Some((None, 0, None, Some(3600))),
            ),
            (
                vec![("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1795161630000")],
                Some((None, 0, None, Some(30))),
            ),
            (vec![("X-Ms-RateLimit-Remaining-Calls-Per-Second", "166.650000")], Some((None, 166, Some(1), Some(1)))),
            (vec![("X-Ms-RateLimit-Remaining-Calls-Per-Second", "none")], None),
            (vec![("RateLimit-Limit", "100")], None),
            (vec![("RateLimit-Remaining", "-1")], None),
            (vec![("RateLimit-Remaining", "many;w=x")], None),
            (vec![("RateLimit", "r=x;;=,")], None),
            (vec![], None),
        ] {
            assert_eq!(read(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_window_tells_how_fast_what_is_spent_comes_back() {
        let window = |seconds| Some(Duration::from_secs(seconds));
        let limit = |limit, window| Announced { told: ToldLimit { limit, remaining: 0, window }, reset: None };
        assert_eq!(limit(Some(100), window(21_600)).regain(), window(216));
        assert_eq!(limit(Some(0), window(60)).regain(), window(60));
        assert_eq!(limit(Some(1), window(86_400)).regain(), window(3600));
        assert_eq!(limit(Some(100), window(1)).regain(), window(1));
        assert_eq!(limit(Some(100), None).regain(), None);
        assert!(limit(None, window(21_600)).counts_pulls() && !limit(None, window(60)).counts_pulls());
    }
}
