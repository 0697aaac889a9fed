//! Limits of either side: the operator's rate, what registries announce and ask for, the time of a pass. No test waits:
//! the clock skips, and tells how long it would have been.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
use tagboat::registry::settings::{HostSettings, Limits, RetryBudget, Settings};

use super::{fill, images, list, quick, skipping};
use crate::support::registry::{Auth, FakeRegistry, LinkStyle, Quota};

fn settings(limits: Limits) -> Settings {
    Settings { limits, ..Settings::default() }
}

fn quota(counts: &'static str, remaining: u64, prefix: &'static str) -> Quota {
    Quota { counts, remaining, renewed: 0, prefix, suffix: "", reset: None }
}

#[tokio::test]
async fn one_throttled_request_holds_all_of_its_kind_back() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.statuses = vec![(429, Some("30".to_owned()))]);
    let images = images(&registry, 20);
    let (client, clock) = skipping(settings(Limits::default()));
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
    assert_eq!(registry.requests().tags, 21);
    assert!((30..34).contains(&clock.skipped().as_secs()), "{:?}", clock.skipped());
}

#[tokio::test]
async fn a_pause_beyond_the_time_of_images_is_asked_for_once_and_not_for_each() {
    for wait in ["3600", "Fri, 20 Nov 2026 09:00:00 GMT"] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| faults.statuses = vec![(429, Some(wait.to_owned()))]);
        let images = images(&registry, 3);
        let (client, clock) = skipping(settings(Limits::default()));
        assert!(list(&client, &images[0]).await.contains("it wants none before 2026-11-20T09:00:00Z"));
        for image in &images[1..] {
            let error = list(&client, image).await;
            assert!(
                error.contains("was not asked") && error.contains("tag lists before 2026-11-20T09:00:00Z"),
                "{error}"
            );
        }
        assert_eq!(registry.requests().tags, 1);
        clock.skip(Duration::from_secs(3600));
        client.begin_pass();
        assert_eq!(list(&client, &images[1]).await, "1.0.0");
    }
}

#[tokio::test]
async fn an_absurd_pause_is_believed_for_an_hour() {
    for wait in ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| faults.statuses = vec![(503, Some(wait.to_owned()))]);
        let image = images(&registry, 1).remove(0);
        let (client, clock) = skipping(settings(Limits { pass_time: None, ..Limits::default() }));
        assert!(list(&client, &image).await.starts_with("error: "));
        clock.skip(Duration::from_secs(3500));
        let error = list(&client, &image).await;
        assert!(error.contains("tag lists before 2026-11-20T09:00:00Z"), "{error}");
        clock.skip(Duration::from_secs(100));
        assert_eq!(list(&client, &image).await, "1.0.0");
    }
}

#[tokio::test]
async fn a_limit_that_is_announced_is_never_run_into() {
    // The client's clock stands at 08:00:00; a moment is told as such, and a stretch of time as such.
    for (prefix, reset) in [("x-ratelimit-", "1795161630"), ("ratelimit-", "30")] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| {
            let announced = quota("tags", 5, prefix);
            faults.quota = Some(Quota { renewed: 100, reset: Some(reset.to_owned()), ..announced });
        });
        let images = images(&registry, 12);
        let (client, clock) = skipping(settings(Limits::default()));
        let lists = join_all(images.iter().map(|image| list(&client, image))).await;
        assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
        assert_eq!(registry.requests().tags, 12);
        assert!((30..34).contains(&clock.skipped().as_secs()), "{prefix}: {:?}", clock.skipped());
        assert_eq!(client.usage().0[&registry.host()].throttled, 0);
    }
}

#[tokio::test]
async fn pulls_that_are_used_up_are_reported_while_heads_and_lists_go_on() {
    let registry = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", "2026-11-01T08:00:00Z");
    registry.faults(|faults| {
        faults.quota = Some(Quota { suffix: ";w=21600", ..quota("manifests", 0, "ratelimit-") });
    });
    let (client, clock) = skipping(settings(Limits::default()));
    let (image, tag) = (registry.image("acme/web"), "1.0.0".parse().unwrap());
    for _ in 0..3 {
        client.facts(&image, &tag, FactKind::Digest).await.unwrap();
        assert_eq!(list(&client, &image).await, "1.0.0");
        let error = client.facts(&image, &tag, FactKind::Image).await.unwrap_err().to_string();
        assert!(error.contains("its limit for manifests is used up (0 of 100 left in 6 h)"), "{error}");
        assert!(error.contains("lets the next through at 2026-11-20T08:03:36Z"), "{error}");
    }
    let counts = registry.requests();
    assert_eq!((counts.heads, counts.tags, counts.manifests), (3, 3, 0));
    assert_eq!(clock.skipped(), Duration::ZERO);
}

#[tokio::test]
async fn the_operator_s_rate_acts_and_takes_nothing_of_an_image_s_time() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.page_size = Some(10));
    let tags = fill(&registry, "acme/web", 300);
    let rate = HostSettings { requests_per_second: NonZeroU32::new(2), ..HostSettings::of(&registry.host()) };
    let limits = Limits { image_time: Duration::from_secs(5), ..quick() };
    let (client, clock) = skipping(Settings { hosts: vec![rate], limits, ..Settings::default() });
    assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 30);
    assert_eq!(clock.skipped().as_millis(), 14_500);
}

#[tokio::test]
async fn further_tries_have_a_budget_in_each_pass() {
    for budget in [
        RetryBudget { tries: 2, ..RetryBudget::default() },
        RetryBudget { time: Duration::from_millis(1500), ..RetryBudget::default() },
    ] {
        let registry = FakeRegistry::start().await;
        registry.faults(|faults| faults.statuses = vec![(502, None); 100]);
        let images = images(&registry, 3);
        let (client, _clock) = skipping(settings(Limits { retry_budget: budget, ..Limits::default() }));
        assert!(list(&client, &images[0]).await.contains("502"));
        assert_eq!(registry.requests().tags, 3);
        // The first wait is half a second at most, the second one second: of the time, less than half a second is left.
        if budget.time > Duration::from_secs(60) {
            assert!(list(&client, &images[1]).await.contains("502"));
            assert_eq!(registry.requests().tags, 4);
        }
        client.begin_pass();
        assert!(list(&client, &images[2]).await.contains("502"));
        assert!(registry.requests().tags >= 6);
    }
}

#[tokio::test]
async fn a_host_that_came_back_serves_all_after_one_probe() {
    let registry = FakeRegistry::start().await;
    // An error in place of silence: no answer has to come within a time of the real clock.
    registry.faults(|faults| faults.statuses = vec![(500, None); 100]);
    let images = images(&registry, 20);
    let (client, clock) = skipping(settings(Limits::default()));
    for image in &images[..3] {
        assert!(list(&client, image).await.contains("answered 500"));
    }
    assert_eq!(registry.requests().tags, 12);
    // Still down: one question finds that out for all.
    clock.skip(Duration::from_secs(60));
    let errors = join_all(images.iter().map(|image| list(&client, image))).await;
    assert_eq!(errors.iter().filter(|error| error.contains("answered 500")).count(), 20, "{errors:?}");
    assert_eq!(errors.iter().filter(|error| error.contains("was not asked")).count(), 19, "{errors:?}");
    assert_eq!(registry.requests().tags, 13);
    clock.skip(Duration::from_secs(60));
    registry.faults(|faults| faults.statuses.clear());
    let lists = join_all(images.iter().map(|image| list(&client, image))).await;
    assert!(lists.iter().all(|list| list == "1.0.0"), "{lists:?}");
    assert_eq!(registry.requests().tags, 33);
}

#[tokio::test]
async fn a_login_server_that_is_down_costs_its_waits_once_and_not_for_each_image() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.auth, faults.token_status) = (Auth::BearerForAll, Some(500)));
    let (client, _clock) = skipping(settings(Limits::default()));
    for image in images(&registry, 10) {
        assert!(list(&client, &image).await.starts_with("error: "));
    }
    assert_eq!(registry.requests().tokens, 12);
}

#[tokio::test]
async fn what_is_left_at_the_end_of_a_pass_is_not_asked() {
    let registry = FakeRegistry::start().await;
    let images = images(&registry, 3);
    let (client, clock) = skipping(settings(Limits { pass_time: Some(Duration::from_secs(90)), ..Limits::default() }));
    assert_eq!(list(&client, &images[0]).await, "1.0.0");
    clock.skip(Duration::from_secs(90));
    let error = list(&client, &images[1]).await;
    assert!(error.contains("was not asked in time: the 90 s of `limits.passTime` in which"), "{error}");
    let tag = "1.0.0".parse().unwrap();
    let error = client.facts(&images[0], &tag, FactKind::Digest).await.unwrap_err().to_string();
    assert!(error.contains("was not asked in time"), "{error}");
    assert_eq!((registry.requests().tags, registry.requests().heads), (1, 0));
    client.begin_pass();
    assert_eq!(list(&client, &images[1]).await, "1.0.0");
}

#[tokio::test]
async fn a_pass_that_ends_within_a_list_gives_no_part_of_it() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| (faults.page_size, faults.link) = (Some(10), LinkStyle::Absolute));
    fill(&registry, "acme/web", 100);
    let rate = HostSettings { requests_per_second: NonZeroU32::new(1), ..HostSettings::of(&registry.host()) };
    let limits = Limits { pass_time: Some(Duration::from_millis(4500)), ..quick() };
    let (client, _clock) = skipping(Settings { hosts: vec![rate], limits, ..Settings::default() });
    for _ in 0..4 {
        let error = list(&client, &registry.image("acme/web")).await;
        assert!(error.contains("was not asked in time"), "{error}");
    }
    assert_eq!(registry.requests().tags, 5);
    // That the time was over is not the host's fault: it is asked again in the next pass.
    client.begin_pass();
    assert!(list(&client, &registry.image("acme/web")).await.contains("was not asked in time"));
    assert_eq!(registry.requests().tags, 9);
}

#[tokio::test]
async fn a_pass_looks_into_no_more_tags_than_it_may() {
    let registry = FakeRegistry::start().await;
    let tags: Vec<_> = (0..5).map(|number| format!("1.{number}.0")).collect();
    tags.iter().for_each(|tag| drop(registry.push("acme/web", tag, "2026-11-01T08:00:00Z")));
    let (client, _clock) = skipping(settings(Limits { inspections: 3, ..quick() }));
    let image = registry.image("acme/web");
    let inspect = async |tag: &String| client.facts(&image, &tag.parse().unwrap(), FactKind::Image).await;
    let mut answers = Vec::new();
    for tag in &tags {
        answers.push(inspect(tag).await);
    }
    assert!(answers[..3].iter().all(Result::is_ok), "{answers:?}");
    for answer in &answers[3..] {
        let error = answer.as_ref().unwrap_err().to_string();
        assert!(error.contains("which has looked into 3 images already (`limits.maxInspections`)"), "{error}");
    }
    assert_eq!(registry.requests().manifests, 3);
    client.begin_pass();
    assert!(inspect(&tags[3]).await.is_ok());
}

#[tokio::test]
async fn what_another_host_tells_of_its_limits_after_a_redirect_holds_nothing_back() {
    let (registry, storage) = (FakeRegistry::start().await, FakeRegistry::start().await);
    registry.faults(|faults| faults.blobs_at = Some(format!("http://{}", storage.host())));
    let reset = Some("53".to_owned());
    storage.faults(|faults| faults.quota = Some(Quota { renewed: 9, reset, ..quota("blobs", 1, "ratelimit-") }));
    let (client, clock) = skipping(settings(Limits::default()));
    for number in 0..3 {
        let repository = format!("acme/web-{number}");
        let labels = format!(r#"{{"number": "{number}"}}"#);
        registry.push_labelled(&repository, "1.0.0", "2026-11-01T08:00:00Z", &labels);
        storage.push_labelled(&repository, "1.0.0", "2026-11-01T08:00:00Z", &labels);
        let (image, tag) = (registry.image(&repository), "1.0.0".parse().unwrap());
        client.facts(&image, &tag, FactKind::Image).await.unwrap();
    }
    assert_eq!(clock.skipped(), Duration::ZERO);
}
