//! Prometheus' HTTP API, version 1: instant and range queries (`/api/v1/query`, `/api/v1/query_range`).
//!
//! Thanos, Mimir, Cortex and VictoriaMetrics answer alike. Native histograms are not numbers and are refused.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::model::image::shorten;
use crate::model::source::{Answer, Ask, Sample};

/// How far the time of a sample may lie from what was asked about, besides a step: the clocks of two machines differ, and
/// what looks for the newest samples goes back for as long (`--query.lookback-delta` of Prometheus).
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The most samples that are looked at.
const MOST_SAMPLES: usize = 200_000;

/// Returns the URL that asks a query, at `now` or over the time until then.
pub(super) fn url(base: &Url, ask: &Ask, now: Timestamp, limit: Duration) -> Url {
    let (verb, expr) = match ask {
        Ask::Instant { expr } => ("query", expr.as_str()),
        Ask::Range { expr, .. } => ("query_range", expr.as_str()),
        Ask::Get { .. } => ("query", ""),
    };
    let mut url = base.clone();
    url.set_path(&format!("{}/api/v1/{verb}", base.path().trim_end_matches('/')));
    url.set_fragment(None);
    let mut query = url.query_pairs_mut();
    query.append_pair("query", expr);
    if let Ask::Range { range, step, .. } = ask {
        let start = now.checked_sub(*range).unwrap_or(Timestamp::UNIX_EPOCH);
        query
            .append_pair("start", &seconds(start))
            .append_pair("end", &seconds(now))
            .append_pair("step", &length(*step));
    }
    // It need not go on when nobody listens any more.
    query.append_pair("timeout", &format!("{}s", limit.as_secs()));
    drop(query);
    url
}

fn seconds(moment: Timestamp) -> String {
    format!("{}.{:03}", moment.as_second(), moment.subsec_millisecond())
}

fn length(time: SignedDuration) -> String {
    format!("{}", time.as_secs_f64())
}

#[derive(Deserialize)]
struct RawReply {
    status: String,
    #[serde(default)]
    data: Option<RawData>,
    #[serde(default, rename = "errorType")]
    kind: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    /// VictoriaMetrics' word for what a part of its storage did not answer.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
struct RawData {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<RawPoint>,
    #[serde(default)]
    values: Vec<RawPoint>,
}

/// A moment, in seconds since 1970, and a number as a text.
#[derive(Deserialize)]
struct RawPoint(f64, String);

/// Reads an answer to what was asked at `now`. Notes beside it are left out; with a warning it may be about a part of the facts, and
/// is none; nor is one about another time, as an old one out of a cache.
pub(super) fn answer(ask: &Ask, now: Timestamp, status: StatusCode, body: &[u8]) -> Result<Answer, String> {
    let reply: RawReply = match serde_json::from_slice(body) {
        Ok(reply) => reply,
        Err(_) if !status.is_success() => return Err(format!("it answered {status}")),
        Err(error) => return Err(format!("it answered with something else than Prometheus does: {}", words(&error))),
    };
    if !status.is_success() || reply.status != "success" {
        let kind = reply.kind.map(|kind| format!("{}: ", shorten(&kind))).unwrap_or_default();
        let error = reply.error.unwrap_or_else(|| status.to_string());
        return Err(format!("it refuses the query: {kind}{}", shorten(&error)));
    }
    let warnings = reply.warnings.unwrap_or_default();
    if let Some(first) = warnings.first() {
        return Err(format!("it answered with a warning, so its answer may be partial: {}", shorten(first)));
    }
    if reply.is_partial {
        return Err("it says that its answer is partial".to_owned());
    }
    let data = reply.data.ok_or("its answer holds no data")?;
    if matches!(ask, Ask::Range { .. }) && data.kind != "matrix" {
        return Err(format!("it answered a question about a range with a `{}`", shorten(&data.kind)));
    }
    let samples = match data.kind.as_str() {
        "scalar" => {
            let point: RawPoint = read(data.result)?;
            is_timely(ask, now, &point, false)?;
            vec![sample(String::new(), &point, None)?]
        }
        "vector" | "matrix" => {
            let series: Vec<RawSeries> = read(data.result)?;
            let of_one = |one: &RawSeries| {
                one.value.iter().try_for_each(|point| is_timely(ask, now, point, false))?;
                one.values.iter().try_for_each(|point| is_timely(ask, now, point, true))
            };
            series.iter().try_for_each(of_one)?;
            samples(series)?
        }
        "string" => return Err("it answered with a text, which is no number".to_owned()),
        other => return Err(format!("it answered with a `{}`, which is not understood", shorten(other))),
    };
    Ok(Answer::Samples(samples))
}

/// Refuses what is of another time than was asked about. A selector of a range (`up[1d]`) reaches back as far as it says.
fn is_timely(ask: &Ask, now: Timestamp, point: &RawPoint, of_series: bool) -> Result<(), String> {
    let Some(at) = moment(point.0) else { return Err(format!("it answered of no time: {}", point.0)) };
    let (back, room) = match ask {
        Ask::Range { range, step, .. } => (Some(*range), TOLERANCE.max(*step)),
        Ask::Instant { .. } | Ask::Get { .. } => ((!of_series).then_some(SignedDuration::ZERO), TOLERANCE),
    };
    let is_late = at.duration_since(now) > room;
    let is_early = back.is_some_and(|back| now.duration_since(at) > back.saturating_add(room));
    match is_late || is_early {
        true => Err(format!("it answered of {at}, and was asked about {now}: an old answer, or a clock that is wrong")),
        false => Ok(()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a moment's milliseconds; what is out of reach has no moment")]
fn moment(seconds: f64) -> Option<Timestamp> {
    Some(seconds).filter(|at| at.is_finite()).and_then(|at| Timestamp::from_millisecond((at * 1000.0) as i64).ok())
}

fn samples(all: Vec<RawSeries>) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    for series in all {
        let name = name(&series.metric);
        if series.value.is_none() && series.values.is_empty() {
            return Err(format!("{name} has no number: a histogram is compared by `histogram_quantile` or the like"));
        }
        if let Some(point) = &series.value {
            samples.push(sample(name.clone(), point, None)?);
        }
        for point in &series.values {
            samples.push(sample(name.clone(), point, Some(point.0))?);
        }
        if samples.len() > MOST_SAMPLES {
            return Err(format!("it answered with more than {MOST_SAMPLES} samples: sum them up in the query"));
        }
    }
    Ok(samples)
}

fn sample(series: String, point: &RawPoint, at: Option<f64>) -> Result<Sample, String> {
    let value = point.1.parse().map_err(|_not_a_number| format!("{} is no number", shorten(&point.1)))?;
    Ok(Sample { series, at: at.and_then(moment), value })
}

/// Writes a series as Prometheus does, without quotes and cut short.
fn name(metric: &BTreeMap<String, String>) -> String {
    let own = metric.get("__name__").map_or("", String::as_str);
    let labels = metric.iter().filter(|(label, _)| *label != "__name__");
    let labels: Vec<String> = labels.map(|(label, value)| format!("{label}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    shorten(&format!("{own}{labels}"))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value)
        .map_err(|error| format!("its answer has another shape than documented: {}", words(&error)))
}

/// The parser's words may repeat what came.
fn words(error: &serde_json::Error) -> String {
    shorten(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant() -> Ask {
        Ask::Instant { expr: "up".to_owned() }
    }

    fn told(body: &str) -> String {
        told_of(&instant(), body)
    }

    fn told_of(ask: &Ask, body: &str) -> String {
        match answer(ask, Timestamp::UNIX_EPOCH, StatusCode::OK, body.as_bytes()) {
            Ok(Answer::Samples(samples)) => {
                let one = |sample: &Sample| {
                    format!(
                        "{}{}={}",
                        sample.series,
                        sample.at.map(|at| format!("@{at}")).unwrap_or_default(),
                        sample.value
                    )
                };
                samples.iter().map(one).collect::<Vec<_>>().join(" ")
            }
            Ok(other) => format!("{other:?}"),
            Err(reason) => reason,
        }
    }

    #[test]
    fn every_kind_of_result_is_read_as_documented() {
        let data = |kind: &str, result: &str| {
            told(&format!(
                r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}},"warnings":[],"infos":["i"]}}"#
            ))
        };
        assert_eq!(data("scalar", r#"[1.1,"0.5"]"#), "=0.5");
        assert_eq!(
            data(
                "vector",
                r#"[{"metric":{"__name__":"up","job":"web"},"value":[1,"1"]},{"metric":{},"value":[1,"+Inf"]}]"#
            ),
            "up{job=web}=1 =inf"
        );
        assert_eq!(data("vector", r#"[{"metric":{},"value":[1,"NaN"]}]"#), "=NaN");
        assert_eq!(data("vector", "[]"), "");
        assert_eq!(
            data("matrix", r#"[{"metric":{"a":"b"},"values":[[0,"1"],[60.5,"-Inf"]]}]"#),
            "{a=b}@1970-01-01T00:00:00Z=1 {a=b}@1970-01-01T00:01:00.5Z=-inf"
        );
        for (kind, result, reason) in [
            ("string", r#"[1,"ok"]"#, "a text"),
            ("streams", "[]", "`streams`"),
            ("vector", r#"[{"metric":{},"histogram":[1,{"count":"1"}]}]"#, "no number"),
            ("vector", r#"[{"metric":{},"value":[1,"x"]}]"#, "x is no number"),
            ("vector", r#"[{"metric":{},"value":[1,2]}]"#, "another shape"),
            ("scalar", "[]", "another shape"),
        ] {
            let told = data(kind, result);
            assert!(told.contains(reason), "{kind} {result}: {told}");
        }
    }

    #[test]
    fn what_is_known_in_part_is_no_answer() {
        let with = |more: &str| {
            let result = r#""resultType":"vector","result":[{"metric":{},"value":[1,"0"]}]"#;
            told(&format!(r#"{{"status":"success","data":{{{result}}}{more}}}"#))
        };
        assert_eq!(with(""), "=0");
        assert_eq!(with(r#","warnings":null,"isPartial":false"#), "=0");
        let warned = "it answered with a warning, so its answer may be partial: store is down";
        assert_eq!(with(r#","warnings":["store is down","w"]"#), warned);
        assert_eq!(with(r#","isPartial":true"#), "it says that its answer is partial");
    }

    #[test]
    fn a_range_is_answered_by_a_range() {
        let ask = Ask::Range {
            expr: "up".to_owned(),
            range: SignedDuration::from_hours(1),
            step: SignedDuration::from_mins(1),
        };
        let data = |kind: &str, result: &str| {
            told_of(&ask, &format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#))
        };
        assert_eq!(data("matrix", r#"[{"metric":{},"values":[[0,"1"]]}]"#), "@1970-01-01T00:00:00Z=1");
        for (kind, result) in [("vector", r#"[{"metric":{},"value":[1,"0"]}]"#), ("scalar", r#"[1,"0"]"#)] {
            assert_eq!(data(kind, result), format!("it answered a question about a range with a `{kind}`"));
        }
    }

    #[test]
    fn what_is_of_another_time_is_no_answer() {
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        let range = |step| Ask::Range { expr: "up".to_owned(), range: hour, step };
        let (minutely, hourly) = (range(SignedDuration::from_mins(1)), range(hour));
        let told = |ask: &Ask, kind: &str, of: &str| {
            let at = now.as_second() + of.parse::<i64>().unwrap();
            let point = format!(r#"[{at},"0"]"#);
            let result = match kind {
                "scalar" => point,
                "vector" => format!(r#"[{{"metric":{{}},"value":{point}}}]"#),
                _ => format!(r#"[{{"metric":{{}},"values":[{point}]}}]"#),
            };
            let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
            answer(ask, now, StatusCode::OK, body.as_bytes()).map(drop)
        };
        for kind in ["scalar", "vector"] {
            assert_eq!((told(&instant(), kind, "-299"), told(&instant(), kind, "299")), (Ok(()), Ok(())));
            let yesterday = told(&instant(), kind, "-86400").unwrap_err();
            let words = "it answered of 2026-11-19T09:00:00Z, and was asked about 2026-11-20T09:00:00Z: an old answer, or a clock";
            assert!(yesterday.starts_with(words), "{yesterday}");
            assert!(told(&instant(), kind, "-301").is_err() && told(&instant(), kind, "301").is_err());
        }
        assert_eq!(told(&instant(), "matrix", "-86400"), Ok(()), "`up[1d]` reaches back");
        assert!(told(&instant(), "matrix", "301").is_err());
        assert_eq!((told(&minutely, "matrix", "-3899"), told(&minutely, "matrix", "299")), (Ok(()), Ok(())));
        assert!(told(&minutely, "matrix", "-3901").is_err() && told(&minutely, "matrix", "301").is_err());
        assert_eq!(told(&hourly, "matrix", "-7199"), Ok(()), "aligned to its step");
        let no_time = r#"{"status":"success","data":{"resultType":"scalar","result":[1e300,"0"]}}"#;
        assert!(answer(&instant(), now, StatusCode::OK, no_time.as_bytes()).unwrap_err().contains("no time"));
    }

    #[test]
    fn errors_are_told_in_its_own_words() {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error\u0007: unexpected end"}"#;
        let reason =
            answer(&instant(), Timestamp::UNIX_EPOCH, StatusCode::BAD_REQUEST, refused.as_bytes()).unwrap_err();
        assert!(
            reason.starts_with("it refuses the query: bad_data: parse error") && !reason.contains('\u{7}'),
            "{reason}"
        );
        assert_eq!(answer(&instant(), Timestamp::UNIX_EPOCH, StatusCode::OK, refused.as_bytes()).unwrap_err(), reason);
        assert_eq!(
            answer(&instant(), Timestamp::UNIX_EPOCH, StatusCode::NOT_FOUND, b"<html>").unwrap_err(),
            "it answered 404 Not Found"
        );
        assert!(told("<html>").contains("something else than Prometheus"));
        assert_eq!(told(r#"{"status":"success"}"#), "its answer holds no data");
    }

    #[test]
    fn queries_are_asked_below_the_base_and_wholly_escaped() {
        let base = Url::parse("https://prometheus.acme.example/metrics/").unwrap();
        let now: Timestamp = "2026-11-20T09:00:00.25Z".parse().unwrap();
        let limit = Duration::from_secs(30);
        let instant = Ask::Instant { expr: "up{a=\"b&c\"} > 1 # é".to_owned() };
        assert_eq!(
            url(&base, &instant, now, limit).as_str(),
            "https://prometheus.acme.example/metrics/api/v1/query?query=up%7Ba%3D%22b%26c%22%7D+%3E+1+%23+%C3%A9&timeout=30s"
        );
        let (range, step) = (SignedDuration::from_hours(1), SignedDuration::from_millis(1500));
        let asked = url(&base, &Ask::Range { expr: "up".to_owned(), range, step }, now, limit);
        assert_eq!(
            asked.as_str(),
            "https://prometheus.acme.example/metrics/api/v1/query_range?query=up&start=1795161600.250&end=1795165200.250&step=1.5&timeout=30s"
        );
    }
}
