//! The official descriptions of the forges' APIs (OpenAPI 3, Swagger 2), held against each request and each answer.
//!
//! `tests/run` brings them, cut down, into the folder that `TAGBOAT_OPENAPI` names, else into `openapi` of the target folder;
//! where they are absent a line says so. GitLab's, which no registry carries, is written for these tests after its
//! documentation (`tests/data/forge/gitlab.json` names the pages), and always there.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::OnceLock;

use serde_json::Value;

use super::sheet::Sheet;

/// The most levels that are looked into.
const DEPTH: usize = 12;

/// A description of paths and of what they take and answer.
pub(crate) struct Description {
    entries: Sheet,
    /// Swagger 2 knows no `null`, and the servers that it describes send it.
    takes_null: bool,
}

/// A request and its answer.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    /// The path below the API's base, each part percent-encoded where it holds a slash.
    pub(crate) path: &'a str,
    /// The parameters of the query, decoded, in order.
    pub(crate) query: &'a [(String, String)],
    pub(crate) sent: &'a Value,
    pub(crate) status: u16,
    pub(crate) answered: &'a Value,
}

static GITHUB: OnceLock<Option<Description>> = OnceLock::new();
static FORGEJO: OnceLock<Option<Description>> = OnceLock::new();
static GITLAB: OnceLock<Option<Description>> = OnceLock::new();

/// Returns GitHub's description.
pub(crate) fn github() -> Option<&'static Description> {
    GITHUB.get_or_init(|| Some(Description { entries: Sheet::read("github")?, takes_null: false })).as_ref()
}

/// Returns Forgejo's description.
pub(crate) fn forgejo() -> Option<&'static Description> {
    FORGEJO.get_or_init(|| Some(Description { entries: Sheet::read("forgejo")?, takes_null: true })).as_ref()
}

/// Returns what GitLab documents of the parts that are used.
pub(crate) fn gitlab() -> Option<&'static Description> {
    let read = || {
        let text = include_str!("../../../data/forge/gitlab.json");
        let whole: Value = serde_json::from_str(text).unwrap();
        let rows = |at: &str, to: &str| -> Vec<(String, String)> {
            let rows = whole.pointer(at).and_then(Value::as_object).into_iter().flatten();
            rows.map(|(key, value)| (format!("{to}{key}"), value.to_string())).collect()
        };
        let paths = rows("/paths", "/paths");
        let entries = paths.into_iter().chain(rows("/components/schemas", "/components/schemas/")).collect();
        Description { entries, takes_null: false }
    };
    GITLAB.get_or_init(|| Some(read())).as_ref()
}

/// Ends the tests where the description does not allow what was asked or answered: a panic in a server would only break
/// a connection, which the program is made to survive.
#[expect(clippy::exit, reason = "nothing else ends a test from within a server's task")]
pub(super) fn must_be_empty(faults: &[String]) {
    if !faults.is_empty() {
        let told = format!("\nnot as the forge describes it: {faults:#?}\n");
        // Past the capture of the test's output, which is lost at an exit.
        drop(std::io::stderr().write_all(told.as_bytes()));
        std::process::exit(101);
    }
}

impl Description {
    /// Makes one of entries, as Swagger 2 writes them.
    pub(crate) fn of(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { entries: entries.into_iter().collect(), takes_null: true }
    }

    /// Ends the tests where an exchange is not as described.
    pub(crate) fn hold(&self, exchange: &Exchange<'_>) {
        must_be_empty(&self.faults(exchange));
    }

    fn entry(&self, key: &str) -> &Value {
        self.entries.get(key).unwrap_or_else(|| panic!("the description has no {key}"))
    }

    /// Follows a reference.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(place) => self.resolved(self.entry(&place.trim_start_matches('#').replace(' ', "%20"))),
            None => value,
        }
    }

    /// Finds everything that the description does not allow in a request and its answer.
    pub(crate) fn faults(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let what = format!("{} {}", exchange.method, exchange.path);
        let mut faults = Vec::new();
        let Some((template, item)) = self.item(exchange) else { return vec![format!("{what} is not described")] };
        let operation = &item[exchange.method.to_lowercase()];
        let of_both = [&item["parameters"], &operation["parameters"]];
        let parameters = of_both.into_iter().filter_map(Value::as_array).flatten().map(|one| self.resolved(one));
        let parameters: Vec<&Value> = parameters.collect();
        self.compare_query(&parameters, exchange, &what, &mut faults);
        self.compare_path(&parameters, (template, exchange.path), &what, &mut faults);
        let in_body = parameters.iter().find(|one| one["in"] == "body").map(|one| &one["schema"]);
        let body = self.resolved(&operation["requestBody"]);
        let of_content = body["content"].as_object().and_then(|content| content.values().next());
        let schema = in_body.or_else(|| of_content.map(|content| &content["schema"]));
        match schema {
            Some(schema) if !exchange.sent.is_null() => {
                self.compare(schema, exchange.sent, &format!("{what}: request"), DEPTH, &mut faults);
            }
            None if !exchange.sent.is_null() => faults.push(format!("{what} takes no body")),
            Some(_) if body["required"] == true => faults.push(format!("{what} wants a body")),
            _ => {}
        }
        let responses = &operation["responses"];
        let response = responses.get(exchange.status.to_string()).or_else(|| responses.get("default"));
        let Some(response) = response else {
            faults.push(format!("{what} never answers {}", exchange.status));
            return faults;
        };
        let response = self.resolved(response);
        let of_content = response["content"].as_object().and_then(|content| content.values().next());
        let schema = of_content.map(|content| &content["schema"]).or_else(|| response.get("schema"));
        match schema {
            Some(schema) if !exchange.answered.is_null() => {
                self.compare(schema, exchange.answered, &format!("{what}: answer"), DEPTH, &mut faults);
            }
            Some(_) if exchange.status < 300 => faults.push(format!("{what} answers with a body")),
            // What a refusal holds is often not described.
            None if !exchange.answered.is_null() && exchange.status < 300 => {
                faults.push(format!("{what} answers {} without a body", exchange.status));
            }
            _ => {}
        }
        faults
    }

    /// Compares the parameters of a query: names, values, and whether one is missing.
    fn compare_query(&self, parameters: &[&Value], exchange: &Exchange<'_>, what: &str, faults: &mut Vec<String>) {
        let of_query = || parameters.iter().filter(|one| one["in"] == "query");
        let is_of = |one: &Value, name: &str| one["name"] == name || one["name"] == name.trim_end_matches("[]");
        for (name, value) in exchange.query {
            match of_query().find(|one| is_of(one, name)) {
                Some(one) => self.compare_text(one, value, &format!("{what}: parameter {name}"), faults),
                None => faults.push(format!("{what}: no parameter {name}")),
            }
        }
        let is_missing = |one: &&&Value| {
            one["required"] == true && !exchange.query.iter().any(|(name, value)| is_of(one, name) && !value.is_empty())
        };
        faults.extend(of_query().filter(is_missing).map(|one| format!("{what}: parameter {} is missing", one["name"])));
    }

    /// Compares the parts of a path that stand where the description has placeholders.
    fn compare_path(
        &self,
        parameters: &[&Value],
        (template, path): (&str, &str),
        what: &str,
        faults: &mut Vec<String>,
    ) {
        let parts = template.trim_matches('/').split('/').zip(path.trim_matches('/').split('/'));
        for (wanted, part) in parts {
            let Some(name) = wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else { continue };
            if let Some(one) = parameters.iter().find(|one| one["in"] == "path" && one["name"] == name) {
                self.compare_text(one, part, &format!("{what}: {name}"), faults);
            }
        }
    }

    /// Compares a parameter's text with its schema; OpenAPI 3 has one of its own, in Swagger 2 the parameter is it.
    fn compare_text(&self, parameter: &Value, text: &str, at: &str, faults: &mut Vec<String>) {
        let schema = if parameter["schema"].is_object() { &parameter["schema"] } else { parameter };
        let schema = self.resolved(schema);
        let is_list = schema["type"] == "array";
        let schema = if is_list { self.resolved(&schema["items"]) } else { schema };
        // One name with several values is written once for each, or with commas.
        let texts: Vec<&str> = if is_list { text.split(',').collect() } else { vec![text] };
        for text in texts {
            // It stands for itself, or for the number or truth value that it is written as.
            let read = serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
            let tried = read.into_iter().chain([Value::String(text.to_owned())]).map(|value| {
                let mut faults = Vec::new();
                self.compare(schema, &value, at, DEPTH, &mut faults);
                faults
            });
            faults.extend(tried.min_by_key(Vec::len).unwrap_or_default());
        }
    }

    /// Finds the path that fits best: the one with the most parts that are no placeholders.
    fn item(&self, exchange: &Exchange<'_>) -> Option<(&str, &Value)> {
        let parts: Vec<&str> = exchange.path.trim_matches('/').split('/').collect();
        // `{index}.{diffType}` is another thing than any part.
        let is_any = |wanted: &str| wanted.starts_with('{') && !wanted.contains('.');
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.trim_matches('/').split('/').collect();
            // The name of a reference has slashes of its own.
            let is_long = matches!(wanted.last(), Some(&"{ref}")) && parts.len() > wanted.len();
            let same = wanted.iter().zip(&parts).all(|(wanted, part)| is_any(wanted) || wanted == part);
            same && (is_long || wanted.len() == parts.len())
        };
        let fixed = |key: &str| key.split('/').filter(|part| !part.starts_with('{')).count();
        let mut keys: Vec<&str> =
            self.entries.names().filter(|key| key.strip_prefix("/paths").is_some_and(fits)).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(fixed(key)));
        let method = exchange.method.to_lowercase();
        let items = keys.into_iter().map(|key| (key.trim_start_matches("/paths"), self.entry(key)));
        items.into_iter().find(|(_, item)| item.get(&method).is_some())
    }

    fn compare(&self, schema: &Value, value: &Value, at: &str, depth: usize, faults: &mut Vec<String>) {
        let is_nullable = schema["nullable"] == true;
        let schema = self.resolved(schema);
        if depth == 0 || schema.is_null() {
            return;
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if value.is_null() && (self.takes_null || is_nullable || schema["nullable"] == true || kinds.contains(&"null"))
        {
            return;
        }
        for word in ["oneOf", "anyOf"] {
            let Some(choices) = schema[word].as_array() else { continue };
            let tried = choices.iter().map(|choice| {
                let mut faults = Vec::new();
                self.compare(choice, value, at, depth - 1, &mut faults);
                faults
            });
            let fewest = tried.min_by_key(Vec::len).unwrap_or_default();
            faults.extend(fewest);
        }
        let fits = |kind: &&str| match *kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        let is_choice = ["oneOf", "anyOf", "allOf"].iter().any(|word| schema[word].is_array());
        if !kinds.is_empty() && !kinds.iter().any(fits) || kinds.is_empty() && value.is_null() && !is_choice {
            faults.push(format!("{at}: {value} is no {}", kinds.join(" or ")));
            return;
        }
        if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
            faults.push(format!("{at}: {value} is none of {allowed:?}"));
        }
        let length = value.as_str().map(|text| text.chars().count() as u64);
        if length.zip(schema["maxLength"].as_u64()).is_some_and(|(length, most)| length > most) {
            faults.push(format!("{at}: longer than {}", schema["maxLength"]));
        }
        let number = value.as_f64();
        if number.zip(schema["minimum"].as_f64()).is_some_and(|(number, least)| number < least) {
            faults.push(format!("{at}: {value} is less than {}", schema["minimum"]));
        }
        if number.zip(schema["maximum"].as_f64()).is_some_and(|(number, most)| number > most) {
            faults.push(format!("{at}: {value} is more than {}", schema["maximum"]));
        }
        if length.zip(schema["minLength"].as_u64()).is_some_and(|(length, least)| length < least) {
            faults.push(format!("{at}: shorter than {}", schema["minLength"]));
        }
        for item in value.as_array().into_iter().flatten() {
            self.compare(&schema["items"], item, &format!("{at}[]"), depth - 1, faults);
        }
        if let Some(object) = value.as_object() {
            self.compare_fields(schema, object, at, depth, faults);
        }
    }

    fn compare_fields(
        &self,
        schema: &Value,
        object: &serde_json::Map<String, Value>,
        at: &str,
        depth: usize,
        faults: &mut Vec<String>,
    ) {
        let (mut known, mut required, mut is_open) = (HashMap::new(), Vec::new(), false);
        self.gather(schema, &mut known, &mut required, &mut is_open);
        let is_listed = !known.is_empty();
        for (name, inner) in object {
            match known.get(name.as_str()) {
                Some(schema) => self.compare(schema, inner, &format!("{at}.{name}"), depth - 1, faults),
                None if is_listed && !is_open => faults.push(format!("{at}: no field {name}")),
                None => {}
            }
        }
        let missing = required.iter().filter(|name| !object.contains_key(**name));
        faults.extend(missing.map(|name| format!("{at}: {name} is missing")));
    }

    /// Gathers the fields of an object and of everything that it is made of.
    fn gather<'a>(
        &'a self,
        schema: &'a Value,
        known: &mut HashMap<&'a str, &'a Value>,
        required: &mut Vec<&'a str>,
        is_open: &mut bool,
    ) {
        let schema = self.resolved(schema);
        let fields = schema["properties"].as_object().into_iter().flatten();
        known.extend(fields.map(|(name, schema)| (name.as_str(), schema)));
        required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        // What may be one of several is compared with each of them.
        let is_choice = ["oneOf", "anyOf"].iter().any(|word| schema[word].is_array());
        *is_open |= is_choice || schema["additionalProperties"] == true || schema["additionalProperties"].is_object();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.gather(part, known, required, is_open);
        }
    }
}
