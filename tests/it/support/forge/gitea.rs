//! A Gitea: pull requests of `acme/gitops` below `/forge/api/v1`, held against Forgejo's own description.

use std::sync::Arc;

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::rest::{Answer, Asked, answer};
use super::{CheckRow, Fault, Modes, NOW, Pull, Stands, Store, comment_id, description, drafted};

/// The token that is let in.
pub(crate) const TOKEN: &str = "g1tea-hush";
/// Another one of the same user.
pub(crate) const RENEWED: &str = "g1tea-hush-hush";
/// Where the API lies.
pub(crate) const BASE: &str = "/forge/api/v1";

/// The labels that the repository has from the beginning; those that are made follow them, by their place. Several may have one name.
const LABELS: [&str; 4] = ["tagboat/hold", "tagboat/retry", "tagboat/rebase", "Tagboat/Rebase"];

/// Returns the labels of the repository with their numbers.
fn labels(store: &Store) -> Vec<(u64, String)> {
    let kept = store.kept();
    let made = kept.labels.iter().cloned();
    let all = LABELS.iter().map(|name| Some((*name).to_owned())).chain(made);
    (1..).zip(all).filter_map(|(id, name)| Some((id, name?))).collect()
}

/// Makes the router.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new().fallback(move |request| answer(Arc::clone(&store), BASE, request, limited, checked))
}

/// How titles of drafts begin.
const DRAFTS: [&str; 2] = ["WIP:", "[WIP]"];

fn limited(fault: Fault) -> Answer {
    let status = if fault == Fault::Secondary { 503 } else { 429 };
    let mut answer = Answer::of(status, json!({ "message": "slow down" }));
    let seconds = if let Fault::Busy(seconds) = fault { seconds } else { 60 };
    answer.headers.push(("retry-after", seconds.to_string()));
    answer
}

/// Serves, and fails when the description does not allow what was asked or answered.
fn checked(store: &Store, asked: &Asked) -> Answer {
    if [TOKEN, RENEWED].iter().all(|token| asked.header("authorization") != format!("token {token}")) {
        return Answer::of(401, json!({ "message": "token is required" }));
    }
    if store.kept().reads_only && asked.method != axum::http::Method::GET {
        let required = if asked.parts.last().is_some_and(|part| part == "labels") { "issue" } else { "repository" };
        let words = format!("token does not have at least one of required scope(s), required=[write:{required}]");
        return Answer::of(403, json!({ "message": words }));
    }
    let is_status = asked.parts.iter().any(|part| part == "statuses");
    if store.kept().denies_statuses && is_status && asked.method == axum::http::Method::POST {
        return Answer::of(403, json!({ "message": "user should have a permission to write to the target branch" }));
    }
    let answer = serve(store, asked);
    let mut described = answer.clone();
    // What the servers answer to an order for later, and their description has forgotten.
    if asked.body["merge_when_checks_succeed"] == true && answer.status == 201 {
        described.status = 200;
    }
    asked.hold(description::forgejo(), &described);
    answer
}

fn serve(store: &Store, asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.parts.iter().map(String::as_str).collect();
    let missing = || Answer::of(404, json!({ "message": "The target couldn't be found." }));
    if let ["repos", "acme", "web", "releases"] = parts.as_slice() {
        let releases = store.kept().releases.clone();
        let row =
            |(tag, text): &(String, String)| json!({ "tag_name": tag, "name": tag, "body": text, "draft": false });
        return Answer::of(200, releases.iter().map(row).collect());
    }
    let ["repos", "acme", "gitops", rest @ ..] = parts.as_slice() else { return missing() };
    match (asked.method.as_str(), rest) {
        ("GET", []) => Answer::of(
            200,
            json!({
                "id": 1, "archived": false, "permissions": { "push": store.kept().pushes }, "default_merge_style": style(store),
                "allow_merge_commits": style(store) == "merge", "allow_squash_merge": style(store) == "squash",
                "allow_fast_forward_only_merge": style(store) == "fast-forward-only",
            }),
        ),
        ("GET", ["pulls"]) => list(store, asked),
        ("POST", ["pulls"]) => create(store, asked),
        ("GET", ["labels"]) => {
            let labels = labels(store);
            let labels = labels.iter().map(|(id, name)| json!({ "id": id, "name": name }));
            Answer::page(asked, labels.collect(), 1)
        }
        ("POST", ["labels"]) => {
            let name = asked.text("name").unwrap();
            if !asked.text("color").unwrap().starts_with('#') {
                return Answer::of(422, json!({ "message": "color code must be in the form #rrggbb" }));
            }
            let mut kept = store.kept();
            kept.labels.push(Some(name.clone()));
            Answer::of(201, json!({ "id": LABELS.len() + kept.labels.len(), "name": name }))
        }
        ("DELETE", ["labels", id]) => {
            let id: usize = id.parse().unwrap();
            store.kept().labels[id - 1 - LABELS.len()] = None;
            Answer::of(204, Value::Null)
        }
        ("POST", ["contents"]) => commit(store, asked),
        ("GET", ["branches", name]) => {
            let Some(tip) = store.at(name) else { return missing() };
            let protection = store.kept().protection.clone();
            let is_protected = !protection.required.is_empty() || protection.approvals > 0 || protection.strict;
            Answer::of(
                200,
                json!({
                    "name": name,
                    "commit": { "id": tip },
                    "protected": is_protected,
                    "enable_status_check": !protection.required.is_empty(),
                    "status_check_contexts": protection.required,
                    "required_approvals": protection.approvals,
                    "user_can_merge": !store.kept().may_not_merge,
                    "effective_branch_protection_name": if is_protected { *name } else { "" },
                }),
            )
        }
        ("GET", ["branch_protections", name]) => {
            let strict = store.kept().protection.strict;
            Answer::of(200, json!({ "rule_name": name, "block_on_outdated_branch": strict }))
        }
        ("GET", ["commits", sha, "statuses"]) => {
            let checks = store.kept().checks.clone();
            let of_this = checks.iter().enumerate().filter(|(_, check)| check.sha == *sha);
            // Small pages, so that whoever reads but one misses something.
            Answer::page(asked, of_this.map(|(id, check)| status(id, check)).collect(), 2)
        }
        ("POST", ["statuses", sha]) => {
            let text = |field: &str| asked.text(field).unwrap_or_default();
            let check = CheckRow {
                sha: (*sha).to_owned(),
                name: text("context"),
                word: text("state"),
                text: text("description"),
                at: NOW,
                is_run: false,
            };
            store.kept().checks.push(check.clone());
            Answer::of(201, status(store.kept().checks.len() - 1, &check))
        }
        ("DELETE", ["issues", "comments", id]) => {
            store.uncomment(id.parse().unwrap());
            Answer::of(204, Value::Null)
        }
        (method, [kind @ ("pulls" | "issues"), number, rest @ ..]) => {
            let Some(number) = number.parse().ok().filter(|number| *number <= store.kept().pulls.len() as u64) else {
                return missing();
            };
            one(store, asked, (method, kind), number, rest)
        }
        _ => missing(),
    }
}

/// The one way to merge that the repository allows.
fn style(store: &Store) -> &'static str {
    let kept = store.kept();
    match (kept.forwards, kept.squashes) {
        (true, _) => "fast-forward-only",
        (false, true) => "squash",
        (false, false) => "merge",
    }
}

fn list(store: &Store, asked: &Asked) -> Answer {
    let mut pulls = store.kept().pulls.clone();
    pulls.sort_by_key(|pull| std::cmp::Reverse(pull.updated));
    // Who goes through the pages looks for something; a listing has one.
    if asked.query("page").is_empty() && store.kept().stale > 0 {
        store.kept().stale -= 1;
        pulls.remove(0);
    }
    store.kept().lag(&mut pulls, asked.query("page").is_empty());
    let is_open = |pull: &&Pull| pull.state == Stands::Open;
    let wanted = |pull: &&Pull| asked.query("state") == "all" || (asked.query("state") == "open") == is_open(pull);
    // The filters by branch are newer than most servers: this one does not know them.
    let mut listed: Vec<Value> = pulls.iter().filter(wanted).map(|pull| shown(store, pull)).collect();
    // Somebody's pull request from a fork has the very same branch's name.
    if let Some(mut fork) = listed.first().cloned() {
        fork["number"] = 9000.into();
        fork["head"]["repo_id"] = 2.into();
        fork["state"] = "open".into();
        fork["merged"] = false.into();
        listed.push(fork);
    }
    let limit: usize = asked.query("limit").parse().unwrap_or(30);
    let total = listed.len();
    let mut answer = Answer::page(asked, listed, limit.min(50));
    answer.headers.push(("x-total-count", total.to_string()));
    answer
}

fn label(store: &Store, name: &str) -> Value {
    let id = labels(store).iter().find(|(_, label)| label == name).map_or(99, |(id, _)| *id);
    json!({ "id": id, "name": name })
}

fn shown(store: &Store, pull: &Pull) -> Value {
    let title = if pull.draft { format!("WIP: {}", pull.title) } else { pull.title.clone() };
    let is_open = pull.state == Stands::Open;
    json!({
        "id": 100 + pull.number,
        "number": pull.number,
        "html_url": format!("http://127.0.0.1/forge/acme/gitops/pulls/{}", pull.number),
        "state": if is_open { "open" } else { "closed" },
        "merged": pull.state == Stands::Merged,
        "merge_commit_sha": pull.merged,
        "title": title,
        "body": pull.body,
        "labels": pull.labels.iter().map(|name| label(store, name)).collect::<Vec<_>>(),
        "requested_reviewers": pull.reviewers.iter().map(|name| json!({ "id": 7, "login": name })).collect::<Vec<_>>(),
        "draft": pull.draft,
        "mergeable": is_open && !pull.draft,
        "merge_base": pull.sha,
        // Once the branch is gone, `ref` names something else.
        "head": {
            "label": pull.head,
            "ref": if is_open { pull.head.clone() } else { format!("refs/pull/{}/head", pull.number) },
            "sha": pull.sha,
            "repo_id": 1,
        },
        "base": { "label": pull.base, "ref": pull.base, "sha": pull.sha, "repo_id": 1 },
    })
}

fn status(id: usize, check: &CheckRow) -> Value {
    json!({
        "id": id, "context": check.name, "status": check.word, "description": check.text, "updated_at": check.at,
    })
}

fn create(store: &Store, asked: &Asked) -> Answer {
    let text = |field: &str| asked.text(field).unwrap_or_default();
    if text("head") == text("base") {
        return Answer::of(422, json!({ "message": "Invalid PullRequest: There are no changes" }));
    }
    let (draft, title) = drafted(&text("title"), &DRAFTS);
    let ids = asked.body["labels"].as_array().cloned().unwrap_or_default();
    let known = labels(store);
    let name = |id: &Value| known.iter().find(|(known, _)| Some(*known) == id.as_u64()).unwrap().1.clone();
    let pull = Pull {
        number: 0,
        state: Stands::Open,
        head: text("head"),
        base: text("base"),
        sha: String::new(),
        draft,
        title,
        body: text("body"),
        labels: ids.iter().map(name).collect(),
        comments: Vec::new(),
        reviewers: Vec::new(),
        reviews: Vec::new(),
        merged: None,
        updated: 0,
    };
    match store.open(pull) {
        Ok(pull) => Answer::of(201, shown(store, &pull)),
        Err(reason) if reason.contains("already exists") => {
            Answer::of(409, json!({ "message": "pull request already exists for these targets" }))
        }
        Err(reason) => Answer::of(422, json!({ "message": reason })),
    }
}

fn one(store: &Store, asked: &Asked, (method, kind): (&str, &str), number: u64, rest: &[&str]) -> Answer {
    let pull = store.pull(number);
    match (method, kind, rest) {
        ("GET", "pulls", []) => {
            let mut shown = shown(store, &pull);
            let conflicts = pull.state == Stands::Open && store.conflicts(&pull);
            if pull.state == Stands::Open {
                shown["merge_base"] = store.repository.git(&["merge-base", &pull.base, &pull.sha]).into();
                shown["base"]["sha"] = store.at(&pull.base).into();
            }
            let mut kept = store.kept();
            shown["mergeable"] = (shown["mergeable"] == true && kept.unknown == 0 && !conflicts).into();
            kept.unknown = kept.unknown.saturating_sub(1);
            Answer::of(200, shown)
        }
        ("PATCH", "pulls", []) => {
            store.change(number, |pull| {
                if let Some(title) = asked.text("title") {
                    (pull.draft, pull.title) = drafted(&title, &DRAFTS);
                }
                pull.body = asked.text("body").unwrap_or_else(|| pull.body.clone());
                match asked.text("state").as_deref() {
                    Some("closed") => pull.state = Stands::Closed,
                    Some("open") => pull.state = Stands::Open,
                    _ => {}
                }
            });
            Answer::of(201, shown(store, &store.pull(number)))
        }
        ("POST", "pulls", ["requested_reviewers"]) => {
            let names = |field: &str| asked.body[field].as_array().cloned().unwrap_or_default();
            let all = names("reviewers").into_iter().chain(names("team_reviewers"));
            let all: Vec<String> = all.map(|name| name.as_str().unwrap().to_owned()).collect();
            // Users are looked up by name before anybody is asked.
            if let Some(who) = all.iter().find(|name| store.kept().outsiders.contains(&name.as_str())) {
                return Answer::of(404, json!({ "message": format!("User '{who}' not exist") }));
            }
            store.change(number, |pull| {
                pull.reviewers.extend(all);
                pull.reviewers.sort();
                pull.reviewers.dedup();
            });
            Answer::of(201, json!([]))
        }
        ("GET", "pulls", ["reviews"]) => {
            let review = |(id, (who, word, commit)): (usize, &(String, String, String))| {
                json!({
                    "id": id, "user": { "id": 1, "login": who }, "state": word, "commit_id": commit,
                    "official": true, "stale": *commit != pull.sha, "dismissed": false,
                })
            };
            let mut answer = Answer::page(asked, pull.reviews.iter().enumerate().map(review).collect(), 1);
            // This list tells how long it is, and links to no next page.
            answer.headers = vec![("x-total-count", pull.reviews.len().to_string())];
            answer
        }
        ("POST", "pulls", ["merge"]) => merge(store, asked, &pull),
        ("DELETE", "pulls", ["merge"]) => {
            let mut kept = store.kept();
            let Some(at) = kept.armed.iter().position(|armed| *armed == number) else {
                return Answer::of(404, json!({ "message": "The target couldn't be found." }));
            };
            kept.armed.remove(at);
            Answer::of(204, Value::Null)
        }
        ("GET", "issues", ["comments"]) => {
            let all = pull.comments.iter().enumerate();
            let all = all.map(|(at, body)| json!({ "id": comment_id(number, at), "body": body }));
            Answer::of(200, all.collect())
        }
        ("POST", "issues", ["comments"]) => {
            let body = asked.text("body").unwrap();
            Answer::of(201, json!({ "id": store.comment(number, &body), "body": body }))
        }
        ("GET", "issues", ["labels"]) => Answer::of(200, pull.labels.iter().map(|name| label(store, name)).collect()),
        ("DELETE", "issues", ["labels", id]) => {
            let named = labels(store).into_iter().find(|(known, _)| known.to_string() == *id).unwrap().1;
            store.change(number, |pull| {
                pull.labels.remove(&named);
            });
            Answer::of(204, Value::Null)
        }
        _ => Answer::of(404, json!({ "message": "The target couldn't be found." })),
    }
}

fn merge(store: &Store, asked: &Asked, pull: &Pull) -> Answer {
    if pull.state != Stands::Open || pull.draft {
        return Answer::of(405, json!({ "message": "Please try again later" }));
    }
    if store.kept().denies_merging || store.kept().may_not_merge {
        return Answer::of(405, json!({ "message": "User not allowed to merge PR" }));
    }
    assert_eq!(asked.text("Do").as_deref(), Some(style(store)), "the only way that this repository allows");
    let text = |field: &str| asked.text(field).unwrap_or_default();
    let (title, text) = (text("MergeTitleField"), text("MergeMessageField"));
    // As the servers do: an order for later is taken for whatever head, and taken once.
    if asked.body["merge_when_checks_succeed"] == true {
        let mut kept = store.kept();
        if kept.armed.contains(&pull.number) {
            return Answer::of(409, json!({ "message": "pull request is already scheduled to auto merge" }));
        }
        kept.armed.push(pull.number);
        kept.armed_words = Some((title, text));
        return Answer::of(201, Value::Null);
    }
    if asked.body["head_commit_id"] != pull.sha.as_str() {
        return Answer::of(409, json!({ "message": "head out of date" }));
    }
    // The servers know no better status for it.
    if store.kept().forwards && store.is_behind(pull) {
        return Answer::of(
            500,
            json!({ "message": "Merge DivergingFastForwardOnly Error: Not possible to fast-forward" }),
        );
    }
    if store.merge_saying(pull.number, (&title, &text)).is_none() {
        return Answer::of(409, json!({ "message": "merge conflict" }));
    }
    if asked.body["delete_branch_after_merge"] == true {
        // As the servers do: it is merged all the same.
        if store.repository.keeps_branches() {
            return Answer::of(403, json!({ "message": "branch protected" }));
        }
        store.repository.git(&["update-ref", "-d", &format!("refs/heads/{}", pull.head)]);
    }
    Answer::of(200, Value::Null)
}

/// Makes a commit on a new branch that begins at the tip of another.
fn commit(store: &Store, asked: &Asked) -> Answer {
    let text = |field: &str| asked.text(field).unwrap();
    let (base, branch) = (text("branch"), text("new_branch"));
    if store.at(&branch).is_some() {
        return Answer::of(422, json!({ "message": format!("branch already exists [name: {branch}]") }));
    }
    let parent = store.at(&base).unwrap();
    let mut files = Vec::new();
    for file in asked.body["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let is_there = !store.repository.git(&["ls-tree", &parent, path]).is_empty();
        assert_eq!(file["operation"], if is_there { "update" } else { "create" });
        if is_there && file["sha"] != store.repository.git(&["rev-parse", &format!("{parent}:{path}")]) {
            return Answer::of(422, json!({ "message": "sha does not match" }));
        }
        files.push((path.to_owned(), STANDARD.decode(file["content"].as_str().unwrap()).unwrap()));
    }
    let made = store.make(&branch, &parent, &files, &text("message"), Modes::Kept);
    Answer::of(201, json!({ "commit": { "sha": made, "parents": [{ "sha": parent }] }, "files": [] }))
}
