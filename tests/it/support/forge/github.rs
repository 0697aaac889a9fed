//! A fake GitHub: the parts of its REST and GraphQL API that Tagboat speaks, below `/api/v3` as on Enterprise Server.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::forge::description::{self, Exchange};
use crate::support::forge::{
    CheckRow, DeploymentRow, Fault, Modes, NOW, Protection, Pull, Stands, Store, comment_id, graphql, runs,
};

/// Returns the fake over a store.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new().fallback(answer).with_state(store)
}

/// Whole objects as GitHub gives them, with nothing in them that is told here.
static WHOLE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../data/forge/github.json")).unwrap());

/// Returns a whole object with some of its fields set.
fn whole(name: &str, fields: &Value) -> Value {
    let mut object = filled(&WHOLE[name]);
    assert!(object.is_object(), "{name}");
    for (name, value) in fields.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// Puts in what a text such as `@repository` stands for.
fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('@') => filled(&WHOLE[&text[1..]]),
        Value::Array(all) => all.iter().map(filled).collect(),
        Value::Object(all) => all.iter().map(|(name, value)| (name.clone(), filled(value))).collect(),
        other => other.clone(),
    }
}

struct Asked<'a> {
    method: Method,
    /// Whether the token is one that may see no checks of a private repository: GitHub offers it no such permission.
    is_fine_grained: bool,
    /// Whether the token is somebody's; one of an installation is nobody's, and may push nothing by what is told of its owner.
    has_owner: bool,
    /// The path below the base, as it was sent.
    whole: String,
    path: Vec<&'a str>,
    query: BTreeMap<String, String>,
    body: Value,
}

impl Asked<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }
}

async fn answer(State(store): State<Arc<Store>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 8 << 20).await.unwrap();
    let shown = parts.uri.path_and_query().unwrap().to_string();
    // A question to GraphQL changes nothing, whatever HTTP calls it.
    let is_question = body.starts_with(b"{\"query\":\"query");
    let fault = store.met(if is_question { "QUERY" } else { parts.method.as_str() }, &shown);
    match fault {
        Some(Fault::Before(status)) => {
            // Gateways may repeat what they were shown.
            let shown = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
            return said(status, &json!({"message": format!("a fault of {}", shown.unwrap_or("nobody"))}));
        }
        Some(Fault::Odd) => return said(200, &json!({})),
        Some(Fault::Refused { status, code, page }) => {
            let errors: Vec<Value> =
                code.map(|code| json!({"resource": "PullRequest", "code": code})).into_iter().collect();
            let words = "what GitHub says";
            return said(status, &json!({"message": words, "errors": errors, "documentation_url": page}));
        }
        Some(Fault::Limited) => {
            let mut limited = said(429, &json!({"message": "slow down"}));
            limited.headers_mut().insert("retry-after", "60".parse().unwrap());
            return limited;
        }
        Some(Fault::Busy(seconds)) => {
            let mut busy = said(429, &json!({"message": "slow down"}));
            busy.headers_mut().insert("retry-after", seconds.to_string().parse().unwrap());
            return busy;
        }
        Some(Fault::Secondary) => {
            let page = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api";
            return said(
                403,
                &json!({"message": "You have exceeded a secondary rate limit", "documentation_url": page}),
            );
        }
        _ => {}
    }
    assert!(parts.headers.contains_key("authorization"), "GitHub is asked as somebody");
    assert_eq!(parts.headers["accept"], "application/vnd.github+json");
    assert_eq!(parts.headers["x-github-api-version"], "2022-11-28");
    let url = url::Url::parse(&format!("http://github{shown}")).unwrap();
    let decoded: Vec<String> = url.path_segments().unwrap().map(|part| percent_decoded(part).into_owned()).collect();
    let shown = parts.headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    let asked = Asked {
        method: parts.method.clone(),
        is_fine_grained: shown.starts_with("github_pat_"),
        has_owner: !shown.starts_with("ghs_"),
        whole: parts.uri.path().trim_start_matches("/api/v3").to_owned(),
        path: decoded.iter().map(String::as_str).collect(),
        query: url.query_pairs().into_owned().collect(),
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
    };
    if store.kept().revoked.contains(&shown) {
        return said(401, &json!({"message": "Bad credentials"}));
    }
    let is_token = asked.path.last() == Some(&"access_tokens");
    if store.kept().reads_only && !is_token && !is_question && parts.method != Method::GET {
        return said(403, &json!({"message": "Resource not accessible by personal access token"}));
    }
    let is_status = asked.path.iter().rev().nth(1) == Some(&"statuses");
    if store.kept().denies_statuses && is_status && parts.method == Method::POST {
        return said(403, &json!({"message": "Resource not accessible by integration"}));
    }
    // Not every operation is described with the status by which GitHub refuses what is invalid.
    if parts.method == Method::POST && [asked.whole.as_bytes(), &body].iter().any(|text| names_no_commit(text)) {
        return said(422, &json!({"message": "Validation Failed", "errors": [{"code": "invalid", "field": "sha"}]}));
    }
    if asked.is_fine_grained && matches!(asked.path.last(), Some(&("check-runs" | "check-suites"))) {
        let mut refused = said(403, &json!({"message": "Resource not accessible by personal access token"}));
        refused.headers_mut().insert("x-accepted-github-permissions", "checks=read".parse().unwrap());
        return refused;
    }
    store.happen(fault);
    store.refresh();
    let mut done = route(&store, &asked);
    if asked.path != ["api", "graphql"]
        && let Some(description) = description::github()
    {
        let bytes = to_bytes(std::mem::take(done.body_mut()), 8 << 20).await.unwrap();
        let answered = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let query: Vec<(String, String)> = asked.query.clone().into_iter().collect();
        let (method, path, status) = (asked.method.as_str(), asked.whole.as_str(), done.status().as_u16());
        let (query, sent, answered) = (query.as_slice(), &asked.body, &answered);
        description.hold(&Exchange { method, path, query, sent, status, answered });
        *done.body_mut() = Body::from(bytes);
    }
    if parts.method == Method::GET && done.status() == StatusCode::OK {
        let bytes = to_bytes(std::mem::take(done.body_mut()), 8 << 20).await.unwrap();
        let sum = bytes.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let etag = format!("\"{sum:x}\"");
        if parts.headers.get("if-none-match").is_some_and(|known| *known == etag) {
            return said(304, &Value::Null);
        }
        done.headers_mut().insert("etag", etag.parse().unwrap());
        *done.body_mut() = Body::from(bytes);
    }
    match fault {
        Some(Fault::After(status)) => said(status, &json!({"message": "a fault"})),
        Some(Fault::Slow) => store.answer_slowly().await,
        Some(Fault::Lost) => {
            let broken = std::io::Error::other("the connection breaks");
            Response::new(Body::from_stream(futures_util::stream::iter([Err::<Vec<u8>, _>(broken)])))
        }
        _ => done,
    }
}

/// Whether a text names the commit that no repository has.
fn names_no_commit(text: &[u8]) -> bool {
    text.windows(40).any(|part| part.iter().all(|byte| *byte == b'0'))
}

/// Returns the releases of `acme/web`.
fn releases(store: &Store) -> Value {
    let releases = store.kept().releases.clone();
    let row = |(tag, text): &(String, String)| whole("release", &json!({"tag_name": tag, "name": tag, "body": text}));
    releases.iter().map(row).collect::<Vec<_>>().into()
}

/// Makes the router of api.github.com as anybody sees it: the releases of `acme/web`, and no credential is ever shown to it.
pub(crate) fn public(store: Arc<Store>) -> Router {
    Router::new().fallback(move |request: Request| {
        let store = Arc::clone(&store);
        async move {
            let path = request.uri().path().to_owned();
            let shown = request.uri().path_and_query().unwrap().to_string();
            let credentials = ["authorization", "private-token", "job-token", "cookie"];
            if credentials.iter().any(|name| request.headers().contains_key(*name)) {
                description::must_be_empty(&[format!("a credential is shown to api.github.com: {shown}")]);
            }
            if let Some(Fault::Before(status)) = store.met(request.method().as_str(), &shown) {
                return said(status, &json!({"message": "API rate limit exceeded"}));
            }
            let answered = releases(&store);
            if let Some(description) = description::github() {
                let query: Vec<(String, String)> =
                    url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                        .into_owned()
                        .collect();
                let method = request.method().as_str();
                description.hold(&Exchange {
                    method,
                    path: &path,
                    query: &query,
                    sent: &Value::Null,
                    status: 200,
                    answered: &answered,
                });
            }
            said(if path == "/repos/acme/web/releases" { 200 } else { 404 }, &answered)
        }
    })
}

fn deployment(id: usize, row: &DeploymentRow) -> Value {
    let DeploymentRow { sha, environment, task, text, .. } = row;
    let fields = json!({
        "id": id, "sha": sha, "ref": sha, "environment": environment, "task": task, "description": text,
    });
    whole("deployment", &fields)
}

fn percent_decoded(part: &str) -> std::borrow::Cow<'_, str> {
    let query = format!("x={}", part.replace('+', "%2B"));
    let value = url::form_urlencoded::parse(query.as_bytes()).next().unwrap().1.into_owned();
    value.into()
}

fn said(status: u16, body: &Value) -> Response<Body> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn route(store: &Store, asked: &Asked<'_>) -> Response<Body> {
    if asked.path == ["api", "graphql"] {
        return graphql(store, asked);
    }
    let Some(path) = asked.path.strip_prefix(&["api", "v3"]) else {
        return said(404, &json!({"message": "Not Found"}));
    };
    if let ["repos", "acme", "gitops" | "other", "installation"] = path {
        return said(200, &whole("installation", &json!({"id": 11 + store.kept().reinstalled})));
    }
    if let ["repos", "acme", "other", "pulls"] = path {
        return said(200, &json!([]));
    }
    if let ["app", "installations", number, "access_tokens"] = path {
        let usual = json!({"contents": "write", "pull_requests": "write", "metadata": "read"});
        let kept = store.kept();
        match number.parse::<u64>() {
            Ok(number) if number == 11 + kept.reinstalled => {}
            // It lives on elsewhere, without this repository.
            Ok(11) => {
                return said(
                    422,
                    &json!({"message": "no repository of that name is accessible to it", "documentation_url": "https://docs.github.example/apps"}),
                );
            }
            _ => return said(404, &json!({"message": "Not Found"})),
        }
        let permissions = kept.permissions.clone().unwrap_or(usual);
        let name = |number: usize| match number {
            0 => "ghs_installation".to_owned(),
            number => format!("ghs_installation_{number}"),
        };
        let token = (0..).map(name).find(|token| !kept.revoked.contains(token)).unwrap();
        let expires = kept.token_ends.as_deref().unwrap_or("2100-01-01T00:00:00Z");
        return said(201, &json!({"token": token, "expires_at": expires, "permissions": permissions}));
    }
    if let ["repos", "acme", "web", "releases"] = path {
        return said(200, &releases(store));
    }
    let Some(path) = path.strip_prefix(&["repos", "acme", "gitops"]) else {
        return said(404, &json!({"message": "Not Found"}));
    };
    match (asked.method.as_str(), path) {
        ("GET", []) => said(
            200,
            &whole(
                "full-repository",
                &json!({
                    "private": true, "allow_merge_commit": !store.kept().squashes,
                    "allow_squash_merge": store.kept().squashes, "allow_rebase_merge": store.kept().protection.linear,
                    "permissions": {"admin": false, "pull": true, "push": asked.has_owner}, "temp_clone_token": "ghs-hush",
                }),
            ),
        ),
        ("GET", ["pulls"]) => list(store, asked),
        ("POST", ["pulls"]) => open(store, asked),
        ("GET", ["pulls", number]) => one(store, number.parse().unwrap()),
        ("PATCH", ["pulls", number]) => patch(store, asked, number.parse().unwrap()),
        ("PUT", ["pulls", number, "merge"]) => merge(store, asked, number.parse().unwrap()),
        ("GET", ["pulls", number, "reviews"]) => {
            let pull = store.pull(number.parse().unwrap());
            let row = |(who, word, sha): &(String, String, String)| {
                let user = if who == "ghost" { Value::Null } else { whole("simple-user", &json!({"login": who})) };
                let review = json!({"user": user, "state": word, "commit_id": sha, "author_association": part(who)});
                whole("pull-request-review", &review)
            };
            paged(asked, &pull.reviews.iter().map(row).collect::<Vec<_>>(), |rows| json!(rows))
        }
        // An app is nobody's collaborator.
        ("GET", ["collaborators", login, "permission"]) if login.ends_with("[bot]") => {
            said(404, &json!({"message": format!("{login} is not a user")}))
        }
        ("GET", ["collaborators", login, "permission"]) => {
            let word = if may_push(login) { "write" } else { "read" };
            said(200, &json!({"permission": word, "role_name": word, "user": null}))
        }
        ("POST", ["pulls", number, "requested_reviewers"]) => {
            let names = ["reviewers", "team_reviewers"].into_iter().flat_map(|key| asked.body[key].as_array().unwrap());
            let names: Vec<String> = names.map(|name| name.as_str().unwrap().to_owned()).collect();
            assert!(names.iter().all(|name| !name.contains('/')), "teams go by their short names: {names:?}");
            let is_named = |who: &str| names.iter().any(|name| name == who);
            let refused = |words: &str| {
                let page = "https://docs.github.com/rest/pulls/review-requests#request-reviewers-for-a-pull-request";
                said(422, &json!({"message": words, "documentation_url": page}))
            };
            if store.kept().login.is_some_and(is_named) {
                return refused("Review cannot be requested from pull request author.");
            }
            if store.kept().outsiders.iter().any(|who| is_named(who)) {
                return refused(
                    "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the acme/gitops repository.",
                );
            }
            store.change(number.parse().unwrap(), |pull| {
                pull.reviewers.extend(names);
                pull.reviewers.sort();
                pull.reviewers.dedup();
            });
            said(201, &shown(store, &store.pull(number.parse().unwrap())))
        }
        ("POST", ["issues", number, "labels"]) => {
            let labels =
                asked.body["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned());
            store.change(number.parse().unwrap(), |pull| pull.labels.extend(labels));
            said(200, &json!([]))
        }
        ("DELETE", ["issues", number, "labels", label]) => {
            let mut was_there = false;
            store.change(number.parse().unwrap(), |pull| was_there = pull.labels.remove(*label));
            match was_there {
                true => said(200, &json!([])),
                false => said(404, &json!({"message": "Label does not exist"})),
            }
        }
        ("GET", ["issues", number, "comments"]) => {
            let pull = store.pull(number.parse().unwrap());
            let row = |(at, body): (usize, &String)| comment(comment_id(pull.number, at), body);
            paged(asked, &pull.comments.iter().enumerate().map(row).collect::<Vec<_>>(), |rows| json!(rows))
        }
        ("POST", ["issues", number, "comments"]) => {
            let id = store.comment(number.parse().unwrap(), &asked.text("body"));
            said(201, &comment(id, &asked.text("body")))
        }
        ("DELETE", ["issues", "comments", id]) => {
            store.uncomment(id.parse().unwrap());
            said(204, &Value::Null)
        }
        ("GET", ["commits", sha, "check-runs"]) => {
            assert_eq!(asked.query("filter"), Some("latest"));
            let all = runs::of(store, sha, newest(store, sha, true));
            let app = || filled(&WHOLE["integration"]);
            let row = |one: &(usize, runs::SuiteRow)| {
                let mut row = run(&one.1.row);
                row.as_object_mut().unwrap().extend(runs::belongs(one, app()).as_object().unwrap().clone());
                row
            };
            let rows: Vec<Value> = all.iter().map(row).collect();
            paged(asked, &rows, |rows| json!({"total_count": rows.len(), "check_runs": rows}))
        }
        ("GET", ["actions", "runs"]) => {
            let sha = asked.query("head_sha").unwrap();
            let told = runs::workflow_runs(store, sha, &runs::of(store, sha, newest(store, sha, true)));
            let rows: Vec<Value> = told.iter().map(|fields| whole("workflow-run", fields)).collect();
            paged(asked, &rows, |rows| json!({"total_count": rows.len(), "workflow_runs": rows}))
        }
        ("GET", ["commits", sha, "check-suites"]) => {
            let told = runs::of(store, sha, newest(store, sha, true));
            let told = runs::check_suites(store, sha, &told, &filled(&WHOLE["integration"]));
            let rows: Vec<Value> = told.iter().map(|fields| whole("check-suite", fields)).collect();
            paged(asked, &rows, |rows| json!({"total_count": rows.len(), "check_suites": rows}))
        }
        ("GET", ["commits", sha, "status"]) => {
            let rows = newest(store, sha, false);
            let rows = rows.iter().map(|row| status("simple-commit-status", row));
            paged(asked, &rows.collect::<Vec<_>>(), |rows| {
                whole(
                    "combined-commit-status",
                    &json!({"state": "pending", "statuses": rows, "total_count": rows.len()}),
                )
            })
        }
        ("POST", ["statuses", sha]) => {
            let (name, word, text) = (asked.text("context"), asked.text("state"), asked.text("description"));
            assert!(text.chars().count() <= 140, "{text}");
            if text.chars().any(|character| character.len_utf8() == 4) {
                let words = "description doesn't accept 4-byte Unicode";
                let error = json!({"resource": "Status", "code": "custom", "field": "description", "message": words});
                let page = "https://docs.github.com/rest/commits/statuses#create-a-commit-status";
                return said(
                    422,
                    &json!({"message": "Validation Failed", "errors": [error], "documentation_url": page}),
                );
            }
            let row = CheckRow { sha: (*sha).to_owned(), name, word, text, at: NOW, is_run: false };
            store.kept().checks.push(row.clone());
            said(201, &status("status", &row))
        }
        ("GET", ["deployments"]) => {
            let is_asked = |name: &str, value: &str| asked.query(name).is_none_or(|wanted| wanted == value);
            let kept = store.kept().deployments.clone();
            let rows = kept.iter().enumerate().rev().filter(|(_, row)| {
                is_asked("sha", &row.sha) && is_asked("environment", &row.environment) && is_asked("task", &row.task)
            });
            let rows: Vec<Value> = rows.map(|(at, row)| deployment(at, row)).collect();
            paged(asked, &rows, |rows| json!(rows))
        }
        ("POST", ["deployments"]) => {
            assert_eq!((&asked.body["auto_merge"], &asked.body["required_contexts"]), (&json!(false), &json!([])));
            let (sha, environment, task) = (asked.text("ref"), asked.text("environment"), asked.text("task"));
            assert!(!store.repository.git(&["rev-parse", &format!("{sha}^{{commit}}")]).is_empty());
            let row = DeploymentRow { sha, environment, task, text: asked.text("description"), states: Vec::new() };
            let mut kept = store.kept();
            kept.deployments.push(row.clone());
            said(201, &deployment(kept.deployments.len() - 1, &row))
        }
        ("GET", ["deployments", id, "statuses"]) => {
            let row = store.kept().deployments[id.parse::<usize>().unwrap()].clone();
            let state = |state: &String| whole("deployment-status", &json!({"state": state}));
            paged(asked, &row.states.iter().rev().map(state).collect::<Vec<_>>(), |rows| json!(rows))
        }
        ("POST", ["deployments", id, "statuses"]) => {
            let state = asked.text("state");
            assert!(asked.text("description").chars().count() <= 140);
            store.kept().deployments[id.parse::<usize>().unwrap()].states.push(state.clone());
            said(201, &whole("deployment-status", &json!({"state": state})))
        }
        ("POST", ["git", "refs"]) => {
            let (name, sha) = (asked.text("ref"), asked.text("sha"));
            let branch = name.strip_prefix("refs/heads/").expect("a branch's whole name");
            if store.at(branch).is_some() {
                let page = "https://docs.github.com/rest/git/refs#create-a-reference";
                return said(422, &json!({"message": "Reference already exists", "documentation_url": page}));
            }
            store.repository.git(&["update-ref", &name, &sha]);
            said(201, &reference(&name, &sha))
        }
        ("GET", ["git", "ref", "heads", name @ ..]) => match store.at(&name.join("/")) {
            Some(sha) => said(200, &reference(&format!("refs/heads/{}", name.join("/")), &sha)),
            None => said(404, &json!({"message": "Not Found"})),
        },
        ("GET", ["rules", "branches", _]) => {
            let protection = store.kept().protection.clone();
            let mut rules = Vec::new();
            if protection.approvals > 0 {
                let parameters = json!({
                    "required_approving_review_count": protection.approvals, "dismiss_stale_reviews_on_push": false,
                    "require_code_owner_review": false, "require_last_push_approval": false,
                    "required_review_thread_resolution": false,
                });
                rules.push(json!({"type": "pull_request", "parameters": parameters}));
            }
            if !protection.ruled.is_empty() {
                let checks: Vec<Value> = protection.ruled.iter().map(|name| json!({"context": name})).collect();
                let parameters = json!({"required_status_checks": checks, "strict_required_status_checks_policy": protection.strict});
                rules.push(json!({"type": "required_status_checks", "parameters": parameters}));
            }
            if protection.queue {
                rules.push(json!({"type": "merge_queue"}));
            }
            paged(asked, &rules, |rows| json!(rows))
        }
        ("GET", ["branches", _]) => {
            let protection = store.kept().protection.clone();
            let protected = !protection.required.is_empty() || !protection.ruled.is_empty() || protection.queue;
            let protected = protected || protection.classic_queue || protection.approvals > 0 || protection.strict;
            let checks = json!({"contexts": protection.required, "checks": []});
            let fields = json!({"protected": protected, "protection": {"required_status_checks": checks}});
            said(200, &whole("branch-with-protection", &fields))
        }
        _ => said(404, &json!({"message": "Not Found"})),
    }
}

fn newest(store: &Store, sha: &str, is_run: bool) -> Vec<CheckRow> {
    let kept = store.kept();
    let mut newest: BTreeMap<&str, &CheckRow> = BTreeMap::new();
    for row in kept.checks.iter().filter(|row| row.sha == sha && row.is_run == is_run) {
        newest.insert(&row.name, row);
    }
    newest.into_values().cloned().collect()
}

fn run(row: &CheckRow) -> Value {
    match row.word.as_str() {
        word @ ("queued" | "in_progress") => {
            whole("check-run", &json!({"name": row.name, "status": word, "conclusion": null}))
        }
        word => {
            let ended = json!({"name": row.name, "status": "completed", "conclusion": word, "completed_at": row.at});
            whole("check-run", &ended)
        }
    }
}

fn reference(name: &str, sha: &str) -> Value {
    let mut reference = whole("git-ref", &json!({"ref": name}));
    reference["object"]["sha"] = sha.into();
    reference
}

fn status(kind: &str, row: &CheckRow) -> Value {
    whole(kind, &json!({"context": row.name, "state": row.word, "description": row.text, "updated_at": row.at}))
}

fn comment(id: u64, body: &str) -> Value {
    whole("issue-comment", &json!({"id": id, "body": body}))
}

/// Cuts a page out of a list; pages have two rows at most where a test must see several.
fn paged(asked: &Asked<'_>, rows: &[Value], shape: impl Fn(&[Value]) -> Value) -> Response<Body> {
    let number = |name, or| asked.query(name).map_or(or, |text| text.parse::<usize>().unwrap());
    let (page, size) = (number("page", 1), number("per_page", 30).min(2));
    let rest = rows.get((page - 1) * size..).unwrap_or_default();
    let mut answer = said(200, &shape(&rest[..rest.len().min(size)]));
    if rest.len() > size {
        answer
            .headers_mut()
            .insert("link", format!("<http://github/?page={}>; rel=\"next\"", page + 1).parse().unwrap());
    }
    answer
}

/// A pull request as lists have it.
fn shown(store: &Store, pull: &Pull) -> Value {
    told(store, pull, "pull-request-simple")
}

fn told(store: &Store, pull: &Pull, kind: &str) -> Value {
    let mut object = filled(&WHOLE[kind]);
    for (name, value) in fields(store, pull).as_object().unwrap() {
        match value.as_object().filter(|_| object[name].is_object()) {
            Some(inner) => inner.iter().for_each(|(inner, value)| object[name][inner] = value.clone()),
            None => object[name] = value.clone(),
        }
    }
    object
}

fn fields(store: &Store, pull: &Pull) -> Value {
    let label = |name: &String| whole("label", &json!({"name": name}));
    json!({
        "number": pull.number,
        "html_url": format!("https://github.example/acme/gitops/pull/{}", pull.number),
        "state": if pull.state == Stands::Open { "open" } else { "closed" },
        "title": pull.title,
        // GitHub gives bodies back with the line ends of browsers.
        "body": pull.body.replace("\r\n", "\n").replace('\n', "\r\n"),
        "draft": pull.draft,
        "merged_at": pull.merged.as_ref().map(|_| "2026-11-20T08:00:00Z"),
        "merge_commit_sha": pull.merged,
        "auto_merge": store.kept().armed.contains(&pull.number).then(|| json!({"merge_method": "merge", "enabled_by": filled(&WHOLE["simple-user"]), "commit_title": "", "commit_message": ""})),
        "labels": pull.labels.iter().map(label).collect::<Vec<_>>(),
        "requested_reviewers": pull.reviewers.iter().map(|name| whole("simple-user", &json!({"login": name}))).collect::<Vec<_>>(),
        "head": {"ref": pull.head, "sha": pull.sha},
        "base": {"ref": pull.base, "sha": store.at(&pull.base)},
    })
}

fn list(store: &Store, asked: &Asked<'_>) -> Response<Body> {
    let is_wide = asked.query("head").is_none();
    let mut pulls = store.kept().pulls.clone();
    if is_wide {
        let mut kept = store.kept();
        if kept.stale > 0 {
            kept.stale -= 1;
            pulls.clear();
        }
    }
    store.kept().lag(&mut pulls, is_wide);
    pulls.retain(|pull| asked.query("base").is_none_or(|base| base == pull.base));
    pulls.retain(|pull| asked.query("head").is_none_or(|head| head == format!("acme:{}", pull.head)));
    pulls.retain(|pull| asked.query("state") == Some("all") || pull.state == Stands::Open);
    pulls.sort_by_key(|pull| std::cmp::Reverse(pull.updated));
    let rows: Vec<Value> = pulls.iter().map(|pull| shown(store, pull)).collect();
    if is_wide && asked.query("page").is_none() {
        let mut answer = said(200, &json!(rows[..rows.len().min(100)]));
        if rows.len() > 100 {
            answer.headers_mut().insert("link", "<http://github/?page=2>; rel=\"next\"".parse().unwrap());
        }
        return answer;
    }
    paged(asked, &rows, |rows| json!(rows))
}

/// Refuses a title that is longer than GitHub takes.
fn too_long(asked: &Asked<'_>) -> Option<Response<Body>> {
    (asked.text("title").chars().count() > 256).then(|| {
        let words = "title is too long (maximum is 256 characters)";
        let error = json!({"resource": "PullRequest", "code": "custom", "field": "title", "message": words});
        said(422, &json!({"message": "Validation Failed", "errors": [error]}))
    })
}

fn open(store: &Store, asked: &Asked<'_>) -> Response<Body> {
    if let Some(refused) = too_long(asked) {
        return refused;
    }
    let pull = Pull {
        number: 0,
        state: Stands::Open,
        head: asked.text("head"),
        base: asked.text("base"),
        sha: String::new(),
        title: asked.text("title"),
        body: asked.text("body"),
        labels: Default::default(),
        comments: Vec::new(),
        reviewers: Vec::new(),
        reviews: Vec::new(),
        draft: asked.body["draft"] == true,
        merged: None,
        updated: 0,
    };
    match store.open(pull) {
        Ok(pull) => said(201, &told(store, &pull, "pull-request")),
        Err(words) => {
            let error = json!({"resource": "PullRequest", "code": "custom", "message": words});
            let page = "https://docs.github.com/rest/pulls/pulls#create-a-pull-request";
            said(422, &json!({"message": "Validation Failed", "errors": [error], "documentation_url": page}))
        }
    }
}

fn one(store: &Store, number: u64) -> Response<Body> {
    let pull = store.pull(number);
    let mut row = told(store, &pull, "pull-request");
    let (mergeable, state) = mergeability(store, &pull);
    row["mergeable"] = json!(mergeable);
    row["mergeable_state"] = json!(state);
    said(200, &row)
}

/// Tells whether a pull request can be merged, and what holds it up.
fn mergeability(store: &Store, pull: &Pull) -> (Option<bool>, &'static str) {
    let is_known = {
        let mut kept = store.kept();
        let known = kept.unknown == 0;
        kept.unknown = kept.unknown.saturating_sub(1);
        known
    };
    let protection = store.kept().protection.clone();
    match (is_known, pull.state == Stands::Open && store.conflicts(pull)) {
        (false, _) => (None, "unknown"),
        (true, true) => (Some(false), "dirty"),
        (true, false) if !store.has_required(pull, "success") => (Some(true), "blocked"),
        (true, false) if approving(pull) < protection.approvals => (Some(true), "blocked"),
        (true, false) if protection.strict && store.is_behind(pull) => (Some(true), "behind"),
        (true, false) => (Some(true), "clean"),
    }
}

/// What GitHub calls somebody who has written a review: it hides that `private…` is a member, `reader…`, who is one, may only read, and
/// an app is none.
fn part(who: &str) -> &'static str {
    let is_none = ["stranger", "private"].iter().any(|kind| who.starts_with(kind)) || who.ends_with("[bot]");
    if is_none { "NONE" } else { "MEMBER" }
}

/// Whether somebody may push to the repository.
fn may_push(who: &str) -> bool {
    !["stranger", "reader"].iter().any(|kind| who.starts_with(kind))
}

/// Counts the approvals of a head, by those who may push.
fn approving(pull: &Pull) -> u32 {
    let last: BTreeMap<&str, &(String, String, String)> =
        pull.reviews.iter().filter(|(_, word, _)| word != "COMMENTED").map(|one| (one.0.as_str(), one)).collect();
    let approves =
        |(who, word, sha): &&&(String, String, String)| word == "APPROVED" && *sha == pull.sha && may_push(who);
    u32::try_from(last.values().filter(approves).count()).unwrap()
}

fn patch(store: &Store, asked: &Asked<'_>, number: u64) -> Response<Body> {
    if let Some(refused) = too_long(asked) {
        return refused;
    }
    store.change(number, |pull| {
        if let Some(title) = asked.body["title"].as_str() {
            pull.title = title.to_owned();
        }
        if let Some(body) = asked.body["body"].as_str() {
            pull.body = body.to_owned();
        }
        if asked.body["state"] == "closed" {
            pull.state = Stands::Closed;
        }
    });
    said(200, &told(store, &store.pull(number), "pull-request"))
}

fn merge(store: &Store, asked: &Asked<'_>, number: u64) -> Response<Body> {
    let pull = store.pull(number);
    let Protection { linear: is_linear, queue, classic_queue, .. } = store.kept().protection.clone();
    if (queue || classic_queue) && !store.kept().passes {
        return said(405, &json!({"message": "Changes must be made through the merge queue"}));
    }
    if is_linear && asked.text("merge_method") == "merge" {
        return said(405, &json!({"message": "Merge commits are not allowed on this repository."}));
    }
    let way = if store.kept().squashes {
        "squash"
    } else if is_linear {
        "rebase"
    } else {
        "merge"
    };
    assert_eq!(asked.text("merge_method"), way, "the only way that this repository allows");
    if asked.text("sha") != pull.sha {
        return said(409, &json!({"message": "Head branch was modified. Review and try the merge again."}));
    }
    let merged = if pull.state == Stands::Open && !store.kept().denies_merging {
        store.merge_saying(number, (&asked.text("commit_title"), &asked.text("commit_message")))
    } else {
        None
    };
    match merged {
        Some(sha) => said(200, &json!({"sha": sha, "merged": true, "message": "merged"})),
        None => said(405, &json!({"message": "Pull Request is not mergeable"})),
    }
}

fn graphql(store: &Store, asked: &Asked<'_>) -> Response<Body> {
    let (query, variables) = (asked.text("query"), &asked.body["variables"]);
    let new = ["isInMergeQueue", "isMergeQueueEnabled"].into_iter().find(|name| query.contains(name));
    if let Some(name) = new.filter(|_| store.kept().is_old) {
        return said(200, &unknown(name));
    }
    let mut answered = answer_graphql(store, &query, variables);
    if asked.is_fine_grained {
        let errors: Vec<Value> = withhold_runs(&mut answered["data"]).collect();
        if !errors.is_empty() {
            answered["errors"] = errors.into();
        }
    }
    graphql::hold(&query, variables, &answered["data"]);
    said(200, &answered)
}

/// Says that a pull request has no such field.
fn unknown(name: &str) -> Value {
    let path = json!(["query", "repository", "pullRequest", name]);
    let code = json!({"code": "undefinedField", "typeName": "PullRequest", "fieldName": name});
    let words = format!("Field '{name}' doesn't exist on type 'PullRequest'");
    json!({"errors": [{"path": path, "extensions": code, "message": words}]})
}

/// Withholds each check run, as from a token that may see none.
fn withhold_runs(data: &mut Value) -> impl Iterator<Item = Value> {
    let all = data["repository"].as_object_mut().into_iter().flatten();
    all.flat_map(|(name, told)| {
        let nodes = told.pointer_mut("/statusCheckRollup/contexts/nodes").and_then(Value::as_array_mut);
        nodes.into_iter().flatten().enumerate().filter(|(_, node)| node["__typename"] == "CheckRun").map(
            move |(at, node)| {
                *node = Value::Null;
                let path = json!(["repository", name, "statusCheckRollup", "contexts", "nodes", at]);
                json!({"type": "FORBIDDEN", "message": "Resource not accessible by personal access token", "path": path})
            },
        )
    })
}

fn answer_graphql(store: &Store, query: &str, variables: &Value) -> Value {
    if query.contains("statusCheckRollup") {
        return glances(store, variables);
    }
    if query.contains("viewer") {
        return json!({"data": {"viewer": {"login": store.kept().login.unwrap_or("ada")}}});
    }
    if query.starts_with("query") {
        if query.contains("requiresLinearHistory") {
            let rule = json!({"requiresLinearHistory": store.kept().protection.linear});
            return json!({"data": {"repository": {"ref": {"refUpdateRule": rule}}}});
        }
        let number = variables["number"].as_u64().unwrap();
        let mut pull = queue(store, number);
        pull["id"] = format!("PR_{number}").into();
        if query.contains("isMergeQueueEnabled") {
            pull["isMergeQueueEnabled"] = has_queue(store).into();
            let reviews = store.pull(number).reviews;
            let rows: Vec<Value> = reviews.iter().filter(|(_, word, _)| word == "APPROVED").map(beside).collect();
            pull["reviews"] = json!({"nodes": rows});
            return json!({"data": {"repository": {"pullRequest": pull}}});
        }
        let is_armed = store.kept().armed.contains(&number);
        pull["autoMergeRequest"] = if is_armed { json!({"enabledAt": NOW}) } else { Value::Null };
        return json!({"data": {"repository": {"pullRequest": pull}}});
    }
    if query.contains("createCommitOnBranch") {
        return commit_on_branch(store, &variables["input"]);
    }
    let number: u64 = variables["id"].as_str().unwrap().trim_start_matches("PR_").parse().unwrap();
    if query.contains("dequeuePullRequest") {
        store.throw_out(number, "manual");
        return json!({"data": {"dequeuePullRequest": {"clientMutationId": null}}});
    }
    if query.contains("disablePullRequestAutoMerge") {
        store.kept().armed.retain(|armed| *armed != number);
        return json!({"data": {"disablePullRequestAutoMerge": {"clientMutationId": null}}});
    }
    if variables["head"] != store.pull(number).sha.as_str() {
        return json!({"data": null, "errors": [{"type": "UNPROCESSABLE", "message": "the head moved"}]});
    }
    if store.kept().denies_merging {
        let is_armed = query.contains("enablePullRequestAutoMerge");
        let (field, words) = match is_armed {
            true => ("enablePullRequestAutoMerge", "Auto merge is not allowed for this repository"),
            false => ("enqueuePullRequest", "Pull request Waiting on code owner review from acme/sre."),
        };
        let error = json!({"type": "UNPROCESSABLE", "path": [field], "message": words});
        return json!({"data": {field: null}, "errors": [error]});
    }
    if query.contains("enablePullRequestAutoMerge") {
        let way = if store.kept().squashes { "SQUASH" } else { "MERGE" };
        assert_eq!(variables["method"], way, "the only way that this repository allows");
        let text = |name: &str| variables[name].as_str().unwrap_or_default().to_owned();
        let mut kept = store.kept();
        kept.arm(number);
        kept.armed_words = Some((text("title"), text("text")));
        return json!({"data": {"enablePullRequestAutoMerge": {"clientMutationId": null}}});
    }
    store.kept().queued.push(number);
    json!({"data": {"enqueuePullRequest": {"mergeQueueEntry": {"id": "MQ_1"}}}})
}

/// Whether the base has a merge queue, in whichever way.
fn has_queue(store: &Store) -> bool {
    let protection = &store.kept().protection;
    protection.queue || protection.classic_queue
}

/// Tells whose a review is, and whether they may push.
fn beside((who, _, _): &(String, String, String)) -> Value {
    let (kind, login) = who.strip_suffix("[bot]").map_or(("User", who.as_str()), |name| ("Bot", name));
    let author = if who == "ghost" { Value::Null } else { json!({"__typename": kind, "login": login}) };
    json!({"authorCanPushToRepository": may_push(who), "author": author})
}

/// Tells how a pull request stands with the merge queue.
fn queue(store: &Store, number: u64) -> Value {
    let kept = store.kept();
    let last = kept.left.iter().enumerate().rev().find(|(_, (left, _))| *left == number);
    let last = last.map(|(hour, (_, why))| {
        json!({"__typename": "RemovedFromMergeQueueEvent", "createdAt": format!("2026-11-20T{hour:02}:00:00Z"), "reason": why})
    });
    json!({
        "isInMergeQueue": kept.queued.contains(&number),
        "timelineItems": {"nodes": last.into_iter().collect::<Vec<_>>()},
    })
}

/// Tells of the pull requests that the variables `p0`, `p1` … number, of the commits `c0` … and the base branches `b0` … .
fn glances(store: &Store, variables: &Value) -> Value {
    let is_withheld = store.kept().withholds_starts;
    let known = variables.as_object().unwrap().iter();
    let told = known.filter_map(|(name, value)| {
        let told = match name.strip_suffix(char::is_numeric).map(|rest| rest.trim_end_matches(char::is_numeric))? {
            "p" => glance(store, value.as_u64().unwrap()),
            "c" => rollup(store, value.as_str().unwrap(), is_withheld),
            "b" => asks(store),
            _ => return None,
        };
        Some((name.clone(), told))
    });
    let mut told = json!({"data": {"repository": told.collect::<serde_json::Map<String, Value>>()}});
    let mut errors = Vec::new();
    if is_withheld {
        errors.push(runs::withheld());
    }
    if let Some(name) = store.kept().withholds_of_base {
        let words = "Resource not accessible by integration";
        errors.push(json!({"type": "FORBIDDEN", "message": words, "path": ["repository", "b0", name]}));
    }
    if !errors.is_empty() {
        told["errors"] = errors.into();
    }
    told
}

fn glance(store: &Store, number: u64) -> Value {
    let pull = store.pull(number);
    let (mergeable, state) = mergeability(store, &pull);
    let review = |row: &(String, String, String)| {
        let mut review = beside(row);
        review["state"] = row.1.clone().into();
        review["commit"] = json!({"oid": row.2});
        review
    };
    let whole = json!({"hasNextPage": false});
    let queue = queue(store, number);
    json!({
        "isInMergeQueue": queue["isInMergeQueue"], "isMergeQueueEnabled": has_queue(store), "timelineItems": queue["timelineItems"],
        "state": match pull.state { Stands::Open => "OPEN", Stands::Closed => "CLOSED", Stands::Merged => "MERGED" },
        "isDraft": pull.draft, "headRefOid": pull.sha, "baseRefName": pull.base,
        "mergeable": match mergeable { Some(true) => "MERGEABLE", Some(false) => "CONFLICTING", None => "UNKNOWN" },
        "mergeStateStatus": state.to_uppercase(),
        "labels": {"pageInfo": whole, "nodes": pull.labels.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()},
        "reviews": {"pageInfo": whole, "nodes": pull.reviews.iter().map(review).collect::<Vec<_>>()},
    })
}

/// Tells what the base branch asks for.
fn asks(store: &Store) -> Value {
    let kept = store.kept();
    let protection = &kept.protection;
    let mut rules = Vec::new();
    if protection.approvals > 0 {
        let parameters =
            json!({"__typename": "PullRequestParameters", "requiredApprovingReviewCount": protection.approvals});
        rules.push(json!({"type": "PULL_REQUEST", "parameters": parameters}));
    }
    if !protection.ruled.is_empty() {
        let checks: Vec<Value> = protection.ruled.iter().map(|name| json!({"context": name})).collect();
        let parameters = json!({"__typename": "RequiredStatusChecksParameters", "requiredStatusChecks": checks});
        rules.push(json!({"type": "REQUIRED_STATUS_CHECKS", "parameters": parameters}));
    }
    if protection.queue {
        rules.push(json!({"type": "MERGE_QUEUE", "parameters": null}));
    }
    let rules = json!({"pageInfo": {"hasNextPage": false}, "nodes": rules});
    let classic = json!({"requiredStatusCheckContexts": protection.required});
    let classic = (!protection.required.is_empty()).then_some(classic);
    let mut asks = json!({"refUpdateRule": classic, "rules": rules});
    if let Some(name) = kept.withholds_of_base {
        asks[name] = Value::Null;
    }
    asks
}

/// Tells the checks of a commit.
fn rollup(store: &Store, sha: &str, is_withheld: bool) -> Value {
    let status = |row: &CheckRow| {
        json!({
            "__typename": "StatusContext", "context": row.name, "state": row.word.to_uppercase(),
            "description": row.text, "createdAt": row.at,
        })
    };
    let all = runs::of(store, sha, newest(store, sha, true));
    let mut nodes: Vec<Value> = all.iter().map(|run| runs::node(run, is_withheld)).collect();
    nodes.extend(newest(store, sha, false).iter().map(status));
    let contexts = json!({"pageInfo": {"hasNextPage": false}, "nodes": nodes});
    let suites = runs::suite_nodes(store, sha, &all, is_withheld);
    json!({
        "statusCheckRollup": (!nodes.is_empty()).then(|| json!({"contexts": contexts})),
        "checkSuites": {"pageInfo": {"hasNextPage": false}, "nodes": suites},
    })
}

/// Appends a commit; every file that it writes becomes a plain one.
fn commit_on_branch(store: &Store, input: &Value) -> Value {
    assert_eq!(input["branch"]["repositoryNameWithOwner"], "acme/gitops");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (branch, parent) = (text(&input["branch"]["branchName"]), text(&input["expectedHeadOid"]));
    if store.at(&branch).as_deref() != Some(&parent) {
        let words = format!("Expected branch to point to {parent} but it did not");
        return json!({"data": null, "errors": [{"type": "STALE_DATA", "message": words}]});
    }
    let file = |addition: &Value| (text(&addition["path"]), STANDARD.decode(text(&addition["contents"])).unwrap());
    let files: Vec<_> = input["fileChanges"]["additions"].as_array().unwrap().iter().map(file).collect();
    let message = format!("{}\n\n{}", text(&input["message"]["headline"]), text(&input["message"]["body"]));
    let made = store.make(&branch, &parent, &files, &message, Modes::Plain);
    json!({"data": {"createCommitOnBranch": {"commit": {"oid": made}}}})
}
