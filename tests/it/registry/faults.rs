//! Registries in trouble: silence, trickling, server errors, throttling; each costs a bounded wait.

use std::sync::Arc;
use std::time::Duration;

use tagboat::http::client::{Call, HttpClient, PlainHttp, Timeouts};
use tagboat::http::retry::RetryPolicy;
use tagboat::model::tags::FactKind;
use tagboat::registry::TagSource;
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
    let limits = Limits { image_time: Duration::from_millis(300), ..quick() };
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
        errors[3..].iter().all(|error| error.contains("was not asked, because it failed 3 times in a row")),
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
    let error = list(&anonymous(), &host).await;
    assert!(error.contains("no connection to 127.0.0.1:"), "{error}");
}

/// Makes a call to a URL, without a registry around it.
async fn error_of(url: &str) -> String {
    let http = HttpClient::new(Timeouts::default(), Arc::new(|| jiff::Timestamp::UNIX_EPOCH));
    let call = Call {
        method: reqwest::Method::GET,
        url: url.parse().unwrap(),
        headers: reqwest::header::HeaderMap::new(),
        body: None,
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
        retry: quick().retry,
        plain: PlainHttp::Loopback,
    };
    http.send(&call).await.unwrap_err().to_string()
}

#[tokio::test]
async fn plain_http_never_leaves_the_machine_by_itself() {
    let error = error_of("http://registry.invalid/v2/").await;
    assert!(error.starts_with("registry.invalid would be spoken to in plain HTTP"), "{error}");
}

#[tokio::test]
async fn tls_is_spoken_to_a_server_that_does_not_know_it_in_vain() {
    let registry = FakeRegistry::start().await;
    let error = error_of(&format!("https://{}/v2/", registry.host())).await;
    assert!(error.starts_with(&format!("no connection to {}: ", registry.host())), "{error}");
}

#[tokio::test]
async fn redirects_end() {
    let registry = FakeRegistry::start().await;
    registry.push("acme/web", "1.0.0", "2026-11-01T00:00:00Z");
    registry.faults(|faults| faults.blobs_at = Some(format!("http://{}", registry.host())));
    let tag = "1.0.0".parse().unwrap();
    let error = anonymous().facts(&registry.image("acme/web"), &tag, FactKind::Image).await.unwrap_err().to_string();
    assert!(error.contains("redirects in a circle"), "{error}");
    assert_eq!(registry.requests().blobs, 1);
    registry.faults(|faults| faults.blobs_at = Some("http://registry.invalid".to_owned()));
    let error = anonymous().facts(&registry.image("acme/web"), &tag, FactKind::Image).await.unwrap_err().to_string();
    assert!(error.contains("registry.invalid would be spoken to in plain HTTP"), "{error}");
}

#[tokio::test]
async fn a_registry_whose_every_list_trickles_is_given_up_too() {
    let registry = FakeRegistry::start().await;
    registry.faults(|faults| faults.list = BodyFault::Trickles);
    let client = with_limits(Limits { image_time: Duration::from_millis(300), ..quick() });
    registry.list_tag("acme/web", "1.0.0");
    let image = registry.image("acme/web");
    for _ in 0..3 {
        assert!(list(&client, &image).await.contains("took too long"));
    }
    assert!(list(&client, &image).await.contains("was not asked"));
    assert_eq!(registry.requests().tags, 3);
}

#[tokio::test]
async fn one_image_in_trouble_does_not_speak_for_its_host() {
    let registry = FakeRegistry::start().await;
    let tags = fill(&registry, "acme/web", 3);
    let client = with_limits(quick());
    for _ in 0..5 {
        registry.faults(|faults| faults.statuses = vec![(500, None); 4]);
        assert!(list(&client, &registry.image("acme/broken")).await.contains("answered 500"));
        assert_eq!(list(&client, &registry.image("acme/web")).await, tags);
    }
}
