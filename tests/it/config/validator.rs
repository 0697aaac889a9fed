//! A validator of the keywords that our schemas use; any other keyword is a failure of the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use regex::Regex;
use serde_json::{Value as Json, json};

/// Returns the first thing in which a document does not fit a schema.
pub(crate) fn first_fault(root: &Json, schema: &Json, value: &Json, at: &str) -> Option<String> {
    let fits = |case: &Json| first_fault(root, case, value, at).is_none();
    schema.as_object().unwrap().iter().find_map(|(keyword, rule)| {
        let is_right = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().rsplit('/').next().unwrap();
                return first_fault(root, &root["$defs"][name], value, at);
            }
            "type" if rule.is_array() => rule.as_array().unwrap().iter().any(|one| is_type(one, value)),
            "type" => is_type(rule, value),
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule.as_array().unwrap().iter().any(fits),
            "oneOf" => rule.as_array().unwrap().iter().filter(|case| fits(case)).count() == 1,
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "minimum" => value.as_u64().is_some_and(|number| number >= rule.as_u64().unwrap()),
            "maximum" => value.as_u64().is_some_and(|number| number <= rule.as_u64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.len() as u64 <= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
            "items" => {
                return value.as_array().into_iter().flatten().find_map(|item| first_fault(root, rule, item, at));
            }
            "properties" => {
                return rule
                    .as_object()
                    .unwrap()
                    .iter()
                    .find_map(|(key, property)| first_fault(root, property, value.get(key)?, &format!("{at}.{key}")));
            }
            "additionalProperties" if rule.is_object() => {
                return value.as_object()?.values().find_map(|item| first_fault(root, rule, item, at));
            }
            "additionalProperties" => value.as_object()?.keys().all(|key| schema["properties"].get(key).is_some()),
            other => panic!("{other} is a keyword that this validator does not know"),
        };
        (!is_right).then(|| format!("{at}: {value} breaks {keyword} {rule}"))
    })
}

fn is_type(rule: &Json, value: &Json) -> bool {
    match rule.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other} is no type"),
    }
}

#[test]
fn finds_faults() {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {"a": {"anyOf": [{"const": true}, {"type": "array", "items": {"type": "string"}}]}}});
    let fault = |value: Json| first_fault(&schema, &schema, &value, "f");
    assert_eq!(fault(json!({"a": ["x"]})), None);
    for wrong in [json!({}), json!({"a": [1]}), json!({"a": true, "b": 1}), json!([])] {
        assert!(fault(wrong).is_some());
    }
}
