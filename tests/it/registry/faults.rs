//! Registries in trouble: silence, trickling, server errors, throttling; each costs a bounded wait.

use std::time::Duration;

use tagboat::http::retry::RetryPolicy;
use tagboat::registry::settings::Limits;

use super::{anonymous, fill, impatient, list, quick, with_limits};
use crate::support::registry::{BodyFault, FakeRegistry};

#[tokio::test]
async fn silence_is_tried_once_more_and_then_an_error() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.list = BodyFault::NeverAnswers);
    registry.list_tag("acme/web", "1.0.0");
    let client = with_limits(impatient());
    let image = registry.image("acme/web");
    let error = list(&client, &image).await;
    assert!(error.contains(&format!("{image}: {} said nothing for 0.08 s", registry.host())), "{error}");
    assert_eq!(registry.requests().tags, 2);
}

#[tokio::test]
async fn a_trickling_answer_ends_with_the_time_of_the_image() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.list = BodyFault::Trickles);
    registry.list_tag("acme/web", "1.0.0");
    // Patient with silence, so that only the time of the whole image can end it.
    let limits = Limits { image_time: Duration::from_millis(100), ..quick() };
    let error = list(&with_limits(limits), &registry.image("acme/web")).await;
    assert!(error.contains("took too long"), "{error}");
    assert_eq!(registry.requests().tags, 1);
}

#[tokio::test]
async fn server_errors_are_tried_three_times_more() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/web", 3);
    registry.faults(|faults| faults.statuses = vec![(502, None), (500, None), (503, None)]);
    assert_eq!(list(&anonymous(), &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 4);
    registry.faults(|faults| faults.statuses = vec![(502, None); 4]);
    let error = list(&anonymous(), &registry.image("acme/web")).await;
    assert!(error.contains("answered 502 Bad Gateway; the fault is on its side"), "{error}");
    assert_eq!(registry.requests().tags, 8);
}

#[tokio::test]
async fn retry_after_is_waited_for_in_seconds_and_as_a_date() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/web", 3);
    // The client's clock stands at 08:00:00, so that the date is in the past.
    let date = "Fri, 20 Nov 2026 07:59:59 GMT".to_owned();
    registry.faults(|faults| {
        faults.statuses = vec![(429, Some("0".to_owned())), (503, Some(date)), (429, None)];
    });
    assert_eq!(list(&anonymous(), &registry.image("acme/web")).await, tags);
    assert_eq!(registry.requests().tags, 4);
}

#[tokio::test]
async fn a_retry_after_beyond_the_image_s_time_is_an_error_at_once_with_its_time() {
    for wait in ["3600", "Fri, 20 Nov 2026 09:00:00 GMT"] {
        let registry = FakeRegistry::start().await;
        registry.list_tag("acme/web", "1.0.0");
        registry.faults(|faults| faults.statuses = vec![(429, Some(wait.to_owned()))]);
        let error = list(&anonymous(), &registry.image("acme/web")).await;
        assert!(error.contains("it wants none before 2026-11-20T09:00:00Z"), "{error}");
        assert_eq!(registry.requests().tags, 1);
    }
}

#[tokio::test]
async fn waits_between_tries_end_with_the_image_s_time() {
    let registry = FakeRegistry::start().await;
    registry.list_tag("acme/web", "1.0.0");
    registry.faults(|faults| faults.statuses = vec![(502, None); 9]);
    let retry = RetryPolicy { first_wait: Duration::from_secs(3600), ..RetryPolicy::default() };
    let error = list(&with_limits(Limits { retry, ..quick() }), &registry.image("acme/web")).await;
    assert!(error.contains("502"), "{error}");
    assert_eq!(registry.requests().tags, 1);
}

#[tokio::test]
async fn a_registry_that_is_down_costs_its_waits_once_and_not_for_each_image() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.list = BodyFault::NeverAnswers);
    let client = with_limits(impatient());
    let mut errors = Vec::new();
    for number in 0..10 {
        registry.list_tag(&format!("acme/web-{number}"), "1.0.0");
        errors.push(list(&client, &registry.image(&format!("acme/web-{number}"))).await);
    }
    assert!(errors[2].contains("said nothing"), "{errors:?}");
    assert!(
        errors[3..].iter().all(|error| error.contains("was not asked: it did not answer the last 3 times")),
        "{errors:?}"
    );
    assert_eq!(registry.requests().tags, 6);
}

#[tokio::test]
async fn a_host_where_nothing_listens_is_named() {
    let host = {
        let registry = FakeRegistry::start().await;
        registry.image("acme/web")
    };
    // The listener is gone, its port is closed.
    tokio::task::yield_now().await;
    let error = list(&anonymous(), &host).await;
    assert!(error.contains("no connection to 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn plain_http_never_leaves_the_machine_by_itself() {
    use tagboat::http::client::{Call, HttpClient, PlainHttp, Timeouts};
    let http = HttpClient::new(Timeouts::default(), std::sync::Arc::new(|| jiff::Timestamp::UNIX_EPOCH));
    let call = Call {
        method: reqwest::Method::GET,
        url: "http://registry.invalid/v2/".parse().unwrap(),
        headers: reqwest::header::HeaderMap::new(),
        body: None,
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        retry: RetryPolicy::default(),
        plain: PlainHttp::Loopback,
    };
    let error = http.send(&call).await.unwrap_err().to_string();
    assert!(error.starts_with("registry.invalid would be spoken to in plain HTTP"), "{error}");
}
