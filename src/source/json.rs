//! What stands at a place of a JSON answer.
//!
//! Knows JSONPath's segments as `crate::model::json_path` reads them (RFC 9535 without filters).

use serde_json::Value;

use crate::model::image::shorten;
use crate::model::json_path::{JsonPath, Selector};
use crate::model::source::{Answer, Found};

/// The most places that are looked at on the way.
const MOST_PLACES: usize = 100_000;

/// Reads an answer, and returns what stands at the places that a path selects.
pub(super) fn found(body: &[u8], path: &JsonPath) -> Result<Answer, String> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| format!("it answered with something else than JSON: {}", shorten(&error.to_string())))?;
    let found = select(&document, path).ok_or_else(|| format!("its answer has too many places for {path}"))?;
    Ok(Answer::Found(found.into_iter().map(value).collect()))
}

fn value(value: &Value) -> Found {
    match value {
        Value::Number(number) => number.as_f64().map_or(Found::Other("a number out of reach"), Found::Number),
        Value::String(text) => Found::Text(text.clone()),
        Value::Bool(truth) => Found::Text(truth.to_string()),
        Value::Null => Found::Other("null"),
        Value::Array(_) => Found::Other("a list"),
        Value::Object(_) => Found::Other("a map"),
    }
}

/// Returns the selected values in the order of the path; `None` where there are too many on the way.
fn select<'a>(document: &'a Value, path: &JsonPath) -> Option<Vec<&'a Value>> {
    let mut values = vec![document];
    for segment in path.segments() {
        if segment.descends {
            values = everything(values)?;
        }
        let mut picked = Vec::new();
        for value in values {
            for selector in &segment.selectors {
                pick(value, selector, &mut picked);
                if picked.len() > MOST_PLACES {
                    return None;
                }
            }
        }
        values = picked;
    }
    Some(values)
}

/// Returns values with everything below them; the parser bounds how deep that is.
fn everything(values: Vec<&Value>) -> Option<Vec<&Value>> {
    let mut all = Vec::new();
    let mut open: Vec<&Value> = values.into_iter().rev().collect();
    while let Some(value) = open.pop() {
        all.push(value);
        if all.len() > MOST_PLACES {
            return None;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(members) => open.extend(members.values().rev()),
            _ => {}
        }
    }
    Some(all)
}

fn pick<'a>(value: &'a Value, selector: &Selector, picked: &mut Vec<&'a Value>) {
    match (selector, value) {
        (Selector::Name(name), Value::Object(members)) => picked.extend(members.get(name)),
        (Selector::All, Value::Object(members)) => picked.extend(members.values()),
        (Selector::All, Value::Array(items)) => picked.extend(items),
        (Selector::Index(index), Value::Array(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let at = if *index < 0 { index.saturating_add(length) } else { *index };
            picked.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
        }
        (Selector::Slice { start, end, step }, Value::Array(items)) => {
            picked.extend(Selector::slice(items.len(), *start, *end, *step).into_iter().filter_map(|at| items.get(at)));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_picked_by_path() {
        let body = br#"{"status":{"indicator":"none","level":0,"up":true},"parts":[{"s":"ok"},{"s":"down","n":[1,2]}],"x":null}"#;
        let of = |path: &str| match found(body, &path.parse().unwrap()).unwrap() {
            Answer::Found(found) => found,
            other => panic!("{other:?}"),
        };
        let text = |text: &str| Found::Text(text.to_owned());
        assert_eq!(of("$.status.indicator"), [text("none")]);
        assert_eq!(of("$.status['level','up']"), [Found::Number(0.0), text("true")]);
        assert_eq!(of("$.parts[*].s"), [text("ok"), text("down")]);
        assert_eq!(of("$..s"), [text("ok"), text("down")]);
        assert_eq!(of("$.parts[-1].n[::-1]"), [Found::Number(2.0), Found::Number(1.0)]);
        assert_eq!(of("$.parts[0:1].s"), [text("ok")]);
        assert_eq!(
            of("$['x','parts','status']"),
            [Found::Other("null"), Found::Other("a list"), Found::Other("a map")]
        );
        for nothing in ["$.absent", "$.parts[2]", "$.parts[-3]", "$.x.y", "$[0]", "$.status[*].z"] {
            assert_eq!(of(nothing), [], "{nothing}");
        }
    }

    #[test]
    fn what_is_no_json_or_too_much_of_it_is_an_error() {
        let of = |body: &[u8], path: &str| found(body, &path.parse().unwrap()).unwrap_err();
        assert!(of(b"<html>", "$").contains("something else than JSON"));
        assert!(of("[".repeat(10_000).as_bytes(), "$").contains("something else than JSON"));
        let wide = format!("[{}]", vec!["1"; MOST_PLACES + 1].join(","));
        assert!(of(wide.as_bytes(), "$[*]").contains("too many"));
        assert!(of(wide.as_bytes(), "$..*").contains("too many"));
    }
}
