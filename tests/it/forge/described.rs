//! The fakes are held against descriptions: what these do not allow is found.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::forge::description::{Description, Exchange, forgejo, github, gitlab};
use crate::support::forge::graphql;
use crate::support::forge::sheet::Sheet;

const NOTES: &str = "projects/a%2Fb/merge_requests/1/notes";
const JOBS: &str = "projects/a%2Fb/pipelines/1/jobs";

fn faults(method: &str, path: &str, query: &[&str], sent: &Value, (status, answered): (u16, &Value)) -> String {
    let query = query.iter().map(|one| one.split_once('=').unwrap_or((one, "")));
    let query: Vec<_> = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    gitlab().unwrap().faults(&Exchange { method, path, query: &query, sent, status, answered }).join("\n")
}

#[test]
fn what_a_description_does_not_allow_is_found() {
    let nothing = Value::Null;
    let user = json!({"id": 1, "username": "ada", "name": "Ada"});
    let note = json!({"id": 1, "body": "", "author": user, "created_at": "2026-11-20T08:00:00Z", "system": false});
    let created = (201, &note);
    assert_eq!(faults("POST", NOTES, &[], &json!({"body": "x"}), created), "");
    assert_eq!(faults("GET", NOTES, &["sort=desc", "per_page=100"], &nothing, (200, &json!([note]))), "");
    assert_eq!(faults("GET", JOBS, &["scope[]=failed", "scope[]=success,manual"], &nothing, (200, &json!([]))), "");
    for (found, expected) in [
        (faults("PATCH", NOTES, &[], &nothing, (200, &nothing)), "is not described"),
        (faults("GET", "projects/a%2Fb/nothing", &[], &nothing, (200, &nothing)), "is not described"),
        (faults("GET", NOTES, &["order"], &nothing, (200, &json!([]))), "no parameter order"),
        (faults("GET", NOTES, &["sort=newest"], &nothing, (200, &json!([]))), "parameter sort: \"newest\" is none of"),
        (
            faults("GET", NOTES, &["per_page=101"], &nothing, (200, &json!([]))),
            "parameter per_page: 101 is more than 100",
        ),
        (faults("GET", NOTES, &["page=0"], &nothing, (200, &json!([]))), "parameter page: 0 is less than 1"),
        (faults("GET", NOTES, &["page=two"], &nothing, (200, &json!([]))), "parameter page: \"two\" is no integer"),
        (faults("GET", JOBS, &["scope[]=failed,odd"], &nothing, (200, &json!([]))), "\"odd\" is none of"),
        (
            faults("GET", &NOTES.replace('1', "x"), &[], &nothing, (200, &json!([]))),
            "merge_request_iid: \"x\" is no integer",
        ),
        (faults("GET", NOTES, &[], &json!({"body": "x"}), (200, &json!([]))), "takes no body"),
        (faults("POST", NOTES, &[], &nothing, created), "wants a body"),
        (faults("POST", NOTES, &[], &json!({}), created), "body is missing"),
        (faults("POST", NOTES, &[], &json!({"body": 1}), created), "1 is no string"),
        (faults("POST", NOTES, &[], &json!({"body": null}), created), "null is no string"),
        (faults("POST", NOTES, &[], &json!({"body": "x", "text": "x"}), created), "no field text"),
        (faults("POST", NOTES, &[], &json!({"body": "x"}), (200, &note)), "never answers 200"),
        (faults("POST", NOTES, &[], &json!({"body": "x"}), (201, &nothing)), "answers with a body"),
        (faults("GET", NOTES, &[], &nothing, (200, &json!([{"id": 1}]))), "answer[]: author is missing"),
        (
            faults("PUT", "projects/1/merge_requests/1", &[], &json!({"state_event": "shut"}), (400, &nothing)),
            "\"shut\" is none of",
        ),
    ] {
        assert!(found.contains(expected), "{found:?} {expected}");
    }
}

#[test]
fn a_parameter_that_is_missing_is_found() {
    let operation = json!({"get": {
        "parameters": [{"in": "query", "name": "ref", "required": true, "type": "string"}],
        "responses": {"200": {"description": ""}},
    }});
    let description = Description::of([("/paths/files".to_owned(), operation.to_string())]);
    let (sent, answered) = (&Value::Null, &Value::Null);
    let faults = |query: &[(String, String)]| {
        let exchange = Exchange { method: "GET", path: "/files", query, sent, status: 200, answered };
        description.faults(&exchange).join("\n")
    };
    assert_eq!(faults(&[("ref".to_owned(), "main".to_owned())]), "");
    assert_eq!(faults(&[]), "GET /files: parameter \"ref\" is missing");
    assert_eq!(faults(&[("ref".to_owned(), String::new())]), "GET /files: parameter \"ref\" is missing");
}

/// What is compared is chosen by what this machine has: `.config/nextest.toml` shows what this one says, though it passes.
#[test]
fn what_is_not_compared_is_said() {
    let there = [
        ("GitHub's REST API", github().is_some()),
        ("GitHub's GraphQL schema", graphql::is_there()),
        ("Forgejo's API", forgejo().is_some()),
    ];
    let missing: Vec<&str> = there.iter().filter(|(_, is_there)| !is_there).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let said = format!("LEFT OUT: the fakes are not compared with {}: `tests/run` does\n", missing.join(", "));
        // Past the capture of the test's output, so that `cargo test` shows it, too.
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    assert!(gitlab().is_some(), "what GitLab documents is in the tree");
}

#[test]
fn what_a_schema_of_graphql_does_not_allow_is_found() {
    let types = Sheet::from_iter([
        (
            "Query".to_owned(),
            json!({"fields": {"pull": {"type": "Pull", "arguments": {"number": "Int!"}}}}).to_string(),
        ),
        ("Pull".to_owned(), json!({"fields": {"id": {"type": "ID!", "arguments": {}}}}).to_string()),
    ]);
    let found =
        |question: &str, variables: Value, data: Value| graphql::faults(&types, question, &variables, &data).join("\n");
    let (one, id) = (json!({"n": 1}), json!({"pull": {"id": "x"}}));
    assert_eq!(found("query($n: Int!) { pull(number: $n) { id } }", one.clone(), id.clone()), "");
    for (question, variables, data, expected) in [
        ("query($n: Int!) { pull(number: $n) { id } }", json!({}), id.clone(), "the variable $n is missing"),
        ("query($n: Int!) { pull(number: $n) { id } }", json!({"n": 1, "m": 2}), id.clone(), "nobody declared $m"),
        ("query($n: ID!) { pull(number: $n) { id } }", one.clone(), id.clone(), "$n is ID!"),
        ("query($n: Int!) { pull(n: $n) { id } }", one.clone(), id.clone(), "Query.pull wants number"),
        ("query($n: Int!) { pull(number: $n) { name } }", one.clone(), id.clone(), "Pull has no field name"),
        ("query($n: Int!) { pull(number: $n) { id } }", one, json!({"pull": {"id": null}}), "Pull.id is never null"),
    ] {
        let found = found(question, variables, data);
        assert!(found.contains(expected), "{found:?} {expected}");
    }
}
