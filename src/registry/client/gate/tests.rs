use futures_util::FutureExt;

use super::*;
use crate::clock::SkippingClock;
use crate::registry::grapevine::{LaneWord, ToldWord};
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

/// Returns what one gate tells another.
fn tell(from: &World, to: &World) {
    to.gate.hear_others(&from.gate.words());
}

#[tokio::test]
async fn what_a_registry_asked_of_one_process_holds_for_the_others() {
    let (one, other) = (World::new(None), World::new(None));
    one.throttled(Kind::List, Some(30));
    tell(&one, &other);
    assert!(matches!(other.admit(Kind::List, 20).await, Err(Held { cause: Cause::Asked, .. })));
    assert!(other.admit(Kind::Head, 1).await.is_ok(), "other kinds go on");
    assert!(other.admit(Kind::List, 60).await.is_ok());
}

#[tokio::test]
async fn what_is_left_counts_for_all_and_only_ever_becomes_less_by_hearsay() {
    let (one, other) = (World::new(None), World::new(None));
    let told =
        |left: &'static str| [("ratelimit-limit", "100"), ("ratelimit-remaining", left), ("ratelimit-reset", "30")];
    other.answered(Kind::List, &told("40"));
    one.answered(Kind::List, &told("0"));
    tell(&one, &other);
    assert!(matches!(other.admit(Kind::List, 20).await, Err(Held { cause: Cause::Spent(_), .. })));
    one.answered(Kind::List, &told("45"));
    tell(&one, &other);
    assert!(other.admit(Kind::List, 20).await.is_err(), "more is for the registry to say");
    assert!(one.gate.words().iter().all(|word| word.told.is_some()));
    one.answered(Kind::List, &told("90"));
    assert!(one.gate.words().is_empty(), "as long as there is enough, there is nothing to tell");
    // What was renewed meanwhile is no news.
    one.answered(Kind::List, &told("0"));
    let words = one.gate.words();
    let late = World::new(None);
    late.clock.skip(Duration::from_secs(31));
    late.gate.hear_others(&words);
    assert!(late.admit(Kind::List, 1).await.is_ok());
}

#[tokio::test]
async fn false_words_cost_an_hour_at_most_and_odd_ones_nothing() {
    let world = World::new(None);
    let (far, long_ago) = ("9999-01-01T00:00:00Z".parse().unwrap(), "0001-01-01T00:00:00Z".parse().unwrap());
    let told = |at, reset| ToldWord { remaining: 0, limit: Some(0), window: None, at, reset };
    let day = Some(Duration::from_secs(86_400));
    for (kind, pause, told) in [
        ("list", Some(far), Some(told(far, day))),
        ("list", Some(long_ago), Some(told(long_ago, Some(Duration::MAX)))),
        ("nonsense", Some(far), None),
        ("head", None, Some(told(far, None))),
    ] {
        world.gate.hear_others(&[LaneWord { kind: kind.to_owned(), pause, told }]);
    }
    assert!(world.admit(Kind::Head, 1).await.is_ok());
    assert!(world.admit(Kind::List, 3_000).await.is_err());
    assert!(world.admit(Kind::List, 2 * 3_600).await.is_ok());
    assert!(world.clock.skipped() <= LONGEST_PAUSE.mul_f64(1.1));
}
