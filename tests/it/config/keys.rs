//! Schema and reader know the same keys: every key of the schema is tried on the reader.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use serde_json::{Map, Value as Json, json};
use tagboat::config::schema::Which;

use super::{faults_of, schema};

/// Builds the smallest document that reaches each mapping, with a stranger key beside.
struct Walk {
    root: Json,
    seen: Vec<String>,
    cases: Vec<(String, Vec<String>, Json)>,
}

impl Walk {
    /// Goes into a schema; `wrap` puts a value at its place in a document.
    fn go(&mut self, schema: &Json, wrap: &dyn Fn(Json) -> Json) {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            if !self.seen.contains(&name.to_owned()) {
                self.seen.push(name.to_owned());
                let definition = self.root["$defs"][name].clone();
                self.mapping(name, &definition, wrap);
            }
            return;
        }
        for case in schema["anyOf"].as_array().into_iter().flatten() {
            self.go(case, wrap);
        }
        if schema["items"].is_object() {
            self.go(&schema["items"], &|value| wrap(json!([value])));
        }
    }

    fn mapping(&mut self, name: &str, definition: &Json, wrap: &dyn Fn(Json) -> Json) {
        let properties: Map<String, Json> = definition["properties"].as_object().unwrap().clone();
        self.cases.push((name.to_owned(), properties.keys().cloned().collect(), wrap(json!({"zzstrangerzz": "x"}))));
        for (key, property) in &properties {
            // Every key alone, with a value that no key takes: the reader must know the key.
            let document = wrap(json!({key.as_str(): {"zzvaluezz": "x"}}));
            self.cases.push((format!("{name}.{key}"), vec![], document));
            self.go(property, &|value| wrap(json!({key.as_str(): value})));
        }
    }
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    for which in [Which::Repository, Which::Service] {
        let root: Json = serde_json::from_str(&schema(which)).unwrap();
        let mut walk = Walk { root: root.clone(), seen: Vec::new(), cases: Vec::new() };
        walk.mapping("root", &root, &|value| value);
        assert_eq!(walk.seen.len(), root["$defs"].as_object().unwrap().len(), "every mapping is reached");
        for (name, keys, document) in walk.cases {
            // JSON is YAML, so the document needs no other writer.
            let faults = faults_of(which, "f", document.to_string().as_bytes()).expect_err(&name).to_string();
            if keys.is_empty() {
                let key = name.rsplit('.').next().unwrap();
                assert!(!faults.contains(&format!("unknown key `{key}`")), "{name} is in the schema only: {faults}");
                continue;
            }
            assert!(faults.contains("unknown key `zzstrangerzz`"), "{name}: {faults}");
            let line = faults.lines().find(|line| line.contains("zzstrangerzz")).unwrap();
            let known = line.split("known keys: ").nth(1).unwrap().trim_end_matches(')');
            let mut known: Vec<&str> = known.split(", ").map(|key| key.trim_matches('`')).collect();
            known.sort_unstable();
            let mut expected: Vec<&str> = keys.iter().map(String::as_str).collect();
            expected.sort_unstable();
            assert_eq!(known, expected, "{name}");
        }
    }
}
