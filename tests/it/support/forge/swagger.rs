//! An official description of an API (Swagger 2), where this machine has one, against requests and answers.
//!
//! Forgejo's lies in a crate that some machine may have downloaded; where it is absent a line says so.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

/// The most levels that are looked into.
const DEPTH: usize = 6;

static FORGEJO: OnceLock<Option<Value>> = OnceLock::new();

/// Returns Forgejo's description, or says that there is none.
#[expect(clippy::print_stdout, reason = "what is skipped is said where the test's output is read")]
#[expect(clippy::disallowed_methods, reason = "the folder of downloaded crates is where the machine has it")]
pub(crate) fn forgejo() -> Option<&'static Value> {
    let read = || {
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
        let sources = std::fs::read_dir(home.join("registry/src")).ok()?;
        let crates = sources.flatten().filter_map(|source| std::fs::read_dir(source.path()).ok()).flatten().flatten();
        let found = crates.map(|entry| entry.path()).find(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("forgejo-api-"))
        });
        let text = std::fs::read(found?.join("swagger.v1.json")).ok()?;
        serde_json::from_slice(&text).ok()
    };
    let known = FORGEJO.get_or_init(read).as_ref();
    if known.is_none() {
        println!(
            "skipped: requests and answers are not compared with Forgejo's description, which is not on this machine"
        );
    }
    known
}

/// Finds everything that the description does not allow in a request and its answer.
pub(crate) fn faults(
    description: &Value,
    (method, path, query, sent): (&str, &str, &[String], &Value),
    (status, answered): (u16, &Value),
) -> Vec<String> {
    let mut faults = Vec::new();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    // `{index}.{diffType}` is another thing than any part.
    let is_any = |wanted: &str| wanted.starts_with('{') && !wanted.contains('.');
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
        let same = wanted.iter().zip(&parts).all(|(wanted, part)| is_any(wanted) || wanted == part);
        wanted.len() == parts.len() && same
    };
    let paths = description["paths"].as_object().unwrap();
    let fixed = |template: &str| template.split('/').filter(|part| !part.starts_with('{')).count();
    let found = paths.iter().filter(|(template, of)| fits(template) && of.get(method.to_lowercase()).is_some());
    let Some((_, found)) = found.max_by_key(|(template, _)| fixed(template)) else {
        return vec![format!("{method} {path} is not described")];
    };
    let operation = &found[method.to_lowercase()];
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for name in query {
        if !parameters.iter().any(|one| one["in"] == "query" && one["name"] == name.as_str()) {
            faults.push(format!("{method} {path}: no parameter {name}"));
        }
    }
    if !sent.is_null() {
        match parameters.iter().find(|one| one["in"] == "body") {
            Some(body) => compare(description, &body["schema"], sent, "request", DEPTH, &mut faults),
            None => faults.push(format!("{method} {path} takes no body")),
        }
    }
    match operation["responses"].get(status.to_string()) {
        None => faults.push(format!("{method} {path} never answers {status}")),
        Some(response) => {
            let response = resolve(description, response);
            if status < 300 && !answered.is_null() {
                compare(description, &response["schema"], answered, "answer", DEPTH, &mut faults);
            }
        }
    }
    faults
}

fn resolve<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(path) = schema["$ref"].as_str() else { return schema };
    description.pointer(path.trim_start_matches('#')).unwrap()
}

fn compare(description: &Value, schema: &Value, value: &Value, at: &str, depth: usize, faults: &mut Vec<String>) {
    let schema = resolve(description, schema);
    if depth == 0 || value.is_null() {
        return;
    }
    let kind = schema["type"].as_str().unwrap_or("object");
    let fits = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object() || schema["properties"].is_null(),
    };
    if !fits {
        faults.push(format!("{at}: {value} is no {kind}"));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        faults.push(format!("{at}: {value} is none of {allowed:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        compare(description, &schema["items"], item, &format!("{at}[]"), depth - 1, faults);
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, inner) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => compare(description, schema, inner, &format!("{at}.{name}"), depth - 1, faults),
            None => faults.push(format!("{at}: no field {name}")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            faults.push(format!("{at}: {name} is missing"));
        }
    }
}
