use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use crate::http::error::{Advice, HttpError};
use crate::http::retry::{reset, retry_after, wait_named};
use crate::http::target::{host_of, is_loopback, is_same_place};

fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().unwrap()
}

#[test]
fn reads_retry_after_as_seconds_and_as_each_form_of_date() {
    for (value, seconds) in [
        ("17", Some(17)),
        (" 0 ", Some(0)),
        ("Fri, 20 Nov 2026 08:01:30 GMT", Some(90)),
        ("Friday, 20-Nov-26 08:01:30 GMT", Some(90)),
        ("Fri Nov 20 08:01:30 2026", Some(90)),
        ("Fri, 20 Nov 2026 07:00:00 GMT", Some(0)),
        ("99999999999999999999999", Some(31_536_000)),
        ("Thu, 01 Jan 2099 00:00:00 GMT", Some(31_536_000)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(31_536_000)),
        ("soon", None),
        ("", None),
        ("-5", None),
    ] {
        assert_eq!(retry_after(value, now()), seconds.map(Duration::from_secs), "{value:?}");
    }
}

#[test]
fn reads_the_renewal_of_a_limit_as_a_moment_or_a_stretch_of_time() {
    let epoch = now().as_second();
    for (value, seconds) in [
        ("30", Some(30)),
        ("0", Some(0)),
        (&(epoch + 90).to_string(), Some(90)),
        (&(epoch - 90).to_string(), Some(0)),
        ("99999999999999999999999", Some(31_536_000)),
        ("1.5", None),
        ("-1", None),
    ] {
        assert_eq!(reset(value, now()), seconds.map(Duration::from_secs), "{value:?}");
    }
}

#[test]
fn a_429_is_waited_for_by_its_renewal_where_it_names_no_other_time() {
    let wait = |status: u16, rows: &[(&'static str, &'static str)]| {
        let rows = rows.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let status = reqwest::StatusCode::from_u16(status).unwrap();
        wait_named(status, &rows.collect(), now()).map(|wait| wait.as_secs())
    };
    assert_eq!(wait(429, &[("retry-after", "5"), ("ratelimit-reset", "60")]), Some(5));
    assert_eq!(wait(429, &[("retry-after", "soon"), ("ratelimit-reset", "60")]), Some(60));
    assert_eq!(wait(429, &[("x-ratelimit-reset", "7")]), Some(7));
    assert_eq!(wait(429, &[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")]), Some(216));
    assert_eq!(wait(429, &[("ratelimit-limit", "0;w=99999999999999999999")]), Some(31_536_000));
    assert_eq!(wait(429, &[("ratelimit-limit", "100")]), None);
    assert_eq!(wait(503, &[("ratelimit-reset", "60")]), None);
    assert_eq!(wait(503, &[("retry-after", "5")]), Some(5));
}

#[test]
fn knows_which_hosts_are_this_machine() {
    let loopback = |text: &str| is_loopback(&Url::parse(text).unwrap());
    for text in ["http://127.0.0.1:5000/", "http://127.9.9.9/", "http://[::1]:5000/", "http://localhost/"] {
        assert!(loopback(text), "{text}");
    }
    for text in ["http://10.0.0.1/", "http://localhost.example/", "http://128.0.0.1/", "http://[::2]/"] {
        assert!(!loopback(text), "{text}");
    }
}

#[test]
fn tells_places_apart_by_scheme_host_and_port() {
    let same = |one: &str, other: &str| is_same_place(&Url::parse(one).unwrap(), &Url::parse(other).unwrap());
    assert!(same("https://a.example/x", "https://a.example:443/y"));
    assert!(!same("https://a.example/", "http://a.example/"));
    assert!(!same("https://a.example/", "https://b.example/"));
    assert!(!same("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
    assert_eq!(host_of(&Url::parse("http://[::1]:5000/v2/?secret=1").unwrap()), "[::1]:5000");
}

#[test]
fn gives_advice_by_kind() {
    let host = || "registry.example".to_owned();
    assert_eq!(HttpError::Silent { host: host(), limit: Duration::ZERO }.advice(), Advice::OnceMore);
    let status = reqwest::StatusCode::BAD_GATEWAY;
    assert_eq!(HttpError::Server { host: host(), status }.advice(), Advice::Again);
    assert_eq!(HttpError::TooLarge { host: host(), cap: 1 }.advice(), Advice::GiveUp);
    let wait = Some(Duration::from_secs(3));
    let throttled = HttpError::Throttled { host: host(), status, wait, until: None };
    assert_eq!(throttled.advice(), Advice::After(Duration::from_secs(3)));
}
