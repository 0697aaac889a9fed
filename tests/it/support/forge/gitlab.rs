//! A GitLab: merge requests of `acme/platform/gitops` below `/gitlab/api/v4`, as its REST API documents them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::rest::{Answer, Asked, answer};
use super::{CheckRow, Fault, Kept, Modes, NOW, PipelineRow, Pull, Stands, Store, comment_id, description, drafted};

/// The token that is let in.
pub(crate) const TOKEN: &str = "glpat-hush";
/// Another one of the same user.
pub(crate) const RENEWED: &str = "glpat-hush-hush";
/// Where the API lies.
pub(crate) const BASE: &str = "/gitlab/api/v4";
/// The project.
pub(crate) const PROJECT: &str = "acme/platform/gitops";

/// When everything happens.
const TIME: &str = "2026-11-20T08:00:00.000Z";

/// What may be sent when a merge request is made, and when it is changed.
const CREATED_WITH: [&str; 8] = [
    "source_branch",
    "target_branch",
    "title",
    "description",
    "labels",
    "reviewer_ids",
    "remove_source_branch",
    "squash",
];
const CHANGED_WITH: [&str; 6] = ["title", "description", "state_event", "labels", "add_labels", "remove_labels"];

/// Makes the router.
pub(crate) fn router(store: Arc<Store>) -> Router {
    Router::new().fallback(move |request| answer(Arc::clone(&store), BASE, request, limited, held))
}

/// How titles of drafts begin.
const DRAFTS: [&str; 3] = ["Draft:", "[Draft]", "(Draft)"];

fn limited(fault: Fault) -> Answer {
    let mut answer = Answer::of(429, json!({ "message": "Retry later" }));
    // The one names a wait, the other the second in which the limit begins anew; both lie beyond any pass.
    answer.headers.push(match fault {
        Fault::Secondary => ("ratelimit-reset", "32503680000".to_owned()),
        Fault::Busy(seconds) => ("retry-after", seconds.to_string()),
        _ => ("retry-after", "60".to_owned()),
    });
    answer
}

/// Serves, and ends the tests where the documentation does not allow what was asked or answered.
fn held(store: &Store, asked: &Asked) -> Answer {
    let is_status = asked.parts.iter().any(|part| part == "statuses");
    if store.kept().denies_statuses && is_status && asked.method == axum::http::Method::POST {
        return Answer::of(403, json!({ "message": "403 Forbidden" }));
    }
    let answer = serve(store, asked);
    asked.hold(description::gitlab(), &answer);
    answer
}

fn serve(store: &Store, asked: &Asked) -> Answer {
    if ![TOKEN, RENEWED].contains(&asked.header("private-token")) {
        return Answer::of(401, json!({ "message": "401 Unauthorized" }));
    }
    let parts: Vec<&str> = asked.parts.iter().map(String::as_str).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["users"]) => users(asked),
        ("GET", ["projects", "acme/web", "releases"]) => {
            let releases = store.kept().releases.clone();
            let row = |(tag, text): &(String, String)| {
                let author = user("grace");
                json!({
                    "tag_name": tag, "name": tag, "description": text, "created_at": TIME, "released_at": TIME, "author": author,
                })
            };
            Answer::page(asked, releases.iter().map(row).collect(), 40)
        }
        ("GET", ["personal_access_tokens", "self"]) => {
            Answer::of(200, json!({ "id": 1, "scopes": [store.kept().scopes.unwrap_or("read_api")] }))
        }
        ("GET", ["user"]) => {
            let mut owner = user("tagboat");
            if store.kept().is_admin {
                owner["is_admin"] = true.into();
            }
            Answer::of(200, owner)
        }
        (method, ["projects", PROJECT, rest @ ..]) => project(store, asked, method, rest),
        _ => Answer::of(404, json!({ "message": "404 Project Not Found" })),
    }
}

fn users(asked: &Asked) -> Answer {
    let known = ["ada", "grace"].iter().position(|name| *name == asked.query("username"));
    let name = asked.query("username");
    let found = known.map(|index| json!({ "id": index + 10, "username": name, "name": name, "state": "active" }));
    Answer::of(200, Value::Array(found.into_iter().collect()))
}

/// Tells the role of the token's owner in the project, and nothing of one that comes by an invited group, or of an administrator.
fn access(kept: &Kept) -> Value {
    if kept.is_invited || kept.is_admin { Value::Null } else { json!({ "access_level": kept.role.unwrap_or(20) }) }
}

fn project(store: &Store, asked: &Asked, method: &str, rest: &[&str]) -> Answer {
    match (method, rest) {
        ("GET", []) => {
            let protection = store.kept().protection.clone();
            Answer::of(
                200,
                json!({
                    "id": 3,
                    "path_with_namespace": PROJECT,
                    "only_allow_merge_if_pipeline_succeeds": !protection.required.is_empty(),
                    "merge_trains_enabled": protection.queue,
                    "merge_method": if protection.strict { "rebase_merge" } else { "merge" },
                    "squash_option": if store.kept().squashes { "always" } else { "default_off" },
                    "permissions": { "project_access": access(&store.kept()), "group_access": null },
                    "archived": false,
                    // Both are told to Maintainers.
                    "runners_token": "GR1348941-hush",
                    "service_desk_address": "incoming+hush@gitlab.acme.example",
                }),
            )
        }
        ("GET", ["merge_requests"]) => list(store, asked),
        ("POST", ["merge_requests"]) => create(store, asked),
        ("GET", ["repository", "commits", sha, "statuses"]) => {
            let kept = store.kept();
            let of_this = kept.checks.iter().enumerate().filter(|(_, check)| check.sha == *sha);
            let mut listed: Vec<Value> = of_this.map(|(id, check)| status(id, check)).collect();
            let numbered = kept.pipelines.iter().enumerate();
            listed.extend(numbered.filter(|(_, row)| row.sha == *sha).flat_map(|(at, row)| jobs(at, row)));
            // Small pages, so that whoever reads but one misses something.
            Answer::page(asked, listed, 2)
        }
        ("GET", ["repository", "commits", sha]) => {
            match store.repository.output(&["rev-list", "--no-walk", "--parents", sha]) {
                Some(line) => {
                    let parents: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
                    Answer::of(200, told(sha, &parents))
                }
                None => Answer::of(404, json!({ "message": "404 Commit Not Found" })),
            }
        }
        ("GET", ["pipelines", number, "jobs"]) => {
            let at = number.parse::<usize>().unwrap() - 1;
            Answer::page(asked, jobs(at, &store.kept().pipelines[at]), 2)
        }
        ("GET", ["members", "all", "10"]) => {
            let kept = store.kept();
            let role = kept.role.filter(|_| !kept.is_admin);
            match role {
                Some(role) => {
                    let mut member = user("tagboat");
                    member["access_level"] = role.into();
                    Answer::of(200, member)
                }
                None => Answer::of(404, json!({ "message": "404 Not found" })),
            }
        }
        ("POST", ["statuses", sha]) => set_status(store, asked, sha),
        ("POST", ["repository", "commits"]) => commit(store, asked),
        ("GET", ["repository", "branches", name]) => match store.at(name) {
            Some(sha) => {
                let is_protected = store.kept().is_protected;
                let branch = json!({
                    "name": name, "merged": false, "protected": is_protected, "default": false, "can_push": !is_protected,
                    "developers_can_merge": !is_protected, "commit": told(&sha, &[]),
                });
                Answer::of(200, branch)
            }
            None => Answer::of(404, json!({ "message": "404 Branch Not Found" })),
        },
        ("POST", ["merge_trains", "merge_requests", number]) => {
            let number: u64 = number.parse().unwrap();
            if asked.body["sha"] != store.pull(number).sha.as_str() {
                return Answer::of(409, json!({ "message": "SHA does not match HEAD of source branch" }));
            }
            if store.kept().denies_merging {
                return Answer::of(400, json!({ "message": "Merge request is not eligible for the merge train" }));
            }
            store.kept().queued.push(number);
            Answer::of(201, json!([]))
        }
        (_, ["merge_requests", number, rest @ ..]) => {
            let number: u64 = number.parse().unwrap();
            if number == 0 || number > store.kept().pulls.len() as u64 {
                return Answer::of(404, json!({ "message": "404 Not found" }));
            }
            one(store, asked, method, number, rest)
        }
        _ => Answer::of(404, json!({ "error": "404 Not Found" })),
    }
}

fn list(store: &Store, asked: &Asked) -> Answer {
    let mut pulls = store.kept().pulls.clone();
    pulls.sort_by_key(|pull| std::cmp::Reverse(pull.updated));
    if asked.query("source_branch").is_empty() && store.kept().stale > 0 {
        store.kept().stale -= 1;
        pulls.remove(0);
    }
    store.kept().lag(&mut pulls, asked.query("source_branch").is_empty());
    let wanted = |pull: &&Pull| {
        let state = asked.query("state");
        let branch = asked.query("source_branch");
        (state == "all" || state == word(pull.state))
            && (branch.is_empty() || branch == pull.head)
            && (asked.query("target_branch").is_empty() || asked.query("target_branch") == pull.base)
    };
    let size = asked.query("per_page").parse().unwrap_or(20);
    let mut listed = pulls.iter().filter(wanted).map(|pull| shown(store, pull)).collect::<Vec<_>>();
    // Somebody's pull request from a fork has the very same branch's name.
    if let Some(mut fork) = listed.first().cloned() {
        fork["iid"] = 9000.into();
        fork["source_project_id"] = 4.into();
        fork["state"] = "opened".into();
        listed.push(fork);
    }
    let mut answer = Answer::page(asked, listed, size);
    let etag = format!("W/\"{:x}\"", Sha256::digest(answer.body.to_string()));
    if asked.header("if-none-match") == etag {
        answer = Answer::of(304, Value::Null);
    }
    answer.headers.push(("etag", etag));
    answer
}

fn word(state: Stands) -> &'static str {
    match state {
        Stands::Open => "opened",
        Stands::Closed => "closed",
        Stands::Merged => "merged",
    }
}

/// A merge request as lists have it.
fn shown(store: &Store, pull: &Pull) -> Value {
    let title = if pull.draft { format!("Draft: {}", pull.title) } else { pull.title.clone() };
    let is_armed = {
        let kept = store.kept();
        kept.queued.contains(&pull.number) || kept.armed.contains(&pull.number)
    };
    json!({
        "id": 1000 + pull.number,
        "author": user("tagboat"),
        "created_at": TIME,
        "updated_at": TIME,
        "detailed_merge_status": "unchecked",
        "iid": pull.number,
        "project_id": 3,
        "title": title,
        "description": pull.body,
        "state": word(pull.state),
        "target_branch": pull.base,
        "source_branch": pull.head,
        "source_project_id": 3,
        "target_project_id": 3,
        "labels": pull.labels,
        "draft": pull.draft,
        "sha": pull.sha,
        "merge_commit_sha": pull.merged,
        "squash_commit_sha": null,
        "merge_when_pipeline_succeeds": is_armed,
        "has_conflicts": false,
        "blocking_discussions_resolved": true,
        "web_url": format!("http://127.0.0.1/gitlab/{PROJECT}/-/merge_requests/{}", pull.number),
    })
}

fn status(id: usize, check: &CheckRow) -> Value {
    json!({
        "id": id, "sha": check.sha, "name": check.name, "status": check.word, "description": check.text,
        "ref": "main", "allow_failure": false, "target_url": null, "created_at": check.at, "finished_at": null,
        "author": user("tagboat"),
    })
}

/// Returns the jobs of the pipeline in this place.
fn jobs(at: usize, row: &PipelineRow) -> Vec<Value> {
    let of_row = |(place, (name, word)): (usize, &(&str, &str))| {
        json!({
            "id": 1000 * (at + 1) + place, "sha": row.sha, "name": name, "status": word, "description": null, "ref": row.reference,
            "pipeline_id": at + 1, "allow_failure": false, "target_url": null, "created_at": NOW, "finished_at": null,
            "author": user("ada"),
        })
    };
    row.jobs.iter().enumerate().map(of_row).collect()
}

/// Refuses a title that is longer than GitLab takes, the mark of a draft included.
fn too_long(asked: &Asked) -> Option<Answer> {
    let length = asked.text("title").unwrap_or_default().chars().count();
    let words = json!({ "message": { "title": ["is too long (maximum is 255 characters)"] } });
    (length > 255).then(|| Answer::of(400, words))
}

/// Quick actions are carried out by GitLab wherever a line outside of code begins with one.
fn orders(text: &str) -> bool {
    text.lines().any(|line| line.starts_with('/'))
}

fn create(store: &Store, asked: &Asked) -> Answer {
    let fields: Vec<&String> = asked.body.as_object().unwrap().keys().collect();
    assert!(fields.iter().all(|field| CREATED_WITH.contains(&field.as_str())), "{fields:?}");
    let text = |field: &str| asked.text(field).unwrap_or_default();
    assert!(!orders(&text("description")), "a quick action in {}", text("description"));
    if let Some(refused) = too_long(asked) {
        return refused;
    }
    let (draft, title) = drafted(&text("title"), &DRAFTS);
    let ids = asked.body["reviewer_ids"].as_array().cloned().unwrap_or_default();
    let pull = Pull {
        number: 0,
        state: Stands::Open,
        head: text("source_branch"),
        base: text("target_branch"),
        sha: String::new(),
        draft,
        title,
        body: text("description"),
        labels: text("labels").split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>(),
        comments: Vec::new(),
        reviewers: ids
            .iter()
            .map(|id| ["ada", "grace"][usize::try_from(id.as_u64().unwrap()).unwrap() - 10].to_owned())
            .collect(),
        reviews: Vec::new(),
        merged: None,
        updated: 0,
    };
    match store.open(pull) {
        Ok(pull) => Answer::of(201, whole(store, &pull)),
        Err(reason) if reason.contains("already exists") => {
            Answer::of(409, json!({ "message": ["Another open merge request already exists for this source branch"] }))
        }
        Err(reason) => Answer::of(400, json!({ "message": reason })),
    }
}

fn one(store: &Store, asked: &Asked, method: &str, number: u64, rest: &[&str]) -> Answer {
    let pull = store.pull(number);
    match (method, rest) {
        ("GET", []) => Answer::of(200, whole(store, &pull)),
        ("PUT", []) => {
            let fields: Vec<&String> = asked.body.as_object().unwrap().keys().collect();
            assert!(fields.iter().all(|field| CHANGED_WITH.contains(&field.as_str())), "{fields:?}");
            assert!(!orders(&asked.text("description").unwrap_or_default()), "a quick action");
            if let Some(refused) = too_long(asked) {
                return refused;
            }
            store.change(number, |pull| {
                if let Some(title) = asked.text("title") {
                    (pull.draft, pull.title) = drafted(&title, &DRAFTS);
                }
                pull.body = asked.text("description").unwrap_or_else(|| pull.body.clone());
                for label in asked.text("remove_labels").iter().flat_map(|labels| labels.split(',')) {
                    pull.labels.remove(label);
                }
                match asked.text("state_event").as_deref() {
                    Some("close") => pull.state = Stands::Closed,
                    Some("reopen") => pull.state = Stands::Open,
                    _ => {}
                }
            });
            Answer::of(200, whole(store, &store.pull(number)))
        }
        ("GET", ["notes"]) if asked.query("activity_filter") == "only_activity" => {
            let note = |name: String| {
                let body = "approved this merge request";
                json!({ "id": 1, "system": true, "body": body, "author": user(&name), "created_at": approved_at(&pull, &name) })
            };
            Answer::page(asked, last_reviews(&pull, "approved").map(note).collect(), 1)
        }
        ("GET", ["notes"]) => {
            let notes = pull.comments.iter().enumerate().rev();
            let notes = notes.map(|(at, body)| note(comment_id(number, at), body));
            Answer::page(asked, notes.collect(), 100)
        }
        ("POST", ["notes"]) => {
            let body = asked.text("body").unwrap();
            assert!(!orders(&body), "a quick action in {body}");
            Answer::of(201, note(store.comment(number, &body), &body))
        }
        ("DELETE", ["notes", id]) => {
            store.uncomment(id.parse().unwrap());
            Answer::of(204, Value::Null)
        }
        ("GET", ["approvals"]) => {
            // Older versions do not tell when, and grace is on one of those.
            let approver = |name: String| match name.as_str() {
                "grace" => json!({ "user": user(&name) }),
                _ => json!({ "user": user(&name), "approved_at": approved_at(&pull, &name) }),
            };
            let by: Vec<Value> = last_reviews(&pull, "approved").map(approver).collect();
            let left = store.kept().protection.approvals.saturating_sub(u32::try_from(by.len()).unwrap());
            Answer::of(200, json!({ "approved": left == 0, "approvals_left": left, "approved_by": by }))
        }
        ("GET", ["versions"]) => {
            let version = json!({
                "id": 1, "head_commit_sha": pull.sha, "base_commit_sha": pull.sha, "start_commit_sha": pull.sha,
                "created_at": "2026-11-20T07:00:00.000Z", "merge_request_id": number, "state": "collected",
                "real_size": "1", "patch_id_sha": pull.sha,
            });
            Answer::of(200, json!([version]))
        }
        ("GET", ["reviewers"]) => {
            let of_state = |state: &'static str| {
                last_reviews(&pull, state).map(move |name| json!({ "user": user(&name), "state": state }))
            };
            Answer::of(200, of_state("requested_changes").chain(of_state("approved")).collect())
        }
        ("PUT", ["merge"]) => merge(store, asked, &pull),
        ("POST", ["cancel_merge_when_pipeline_succeeds"]) => {
            let mut kept = store.kept();
            kept.armed.retain(|armed| *armed != number);
            kept.queued.retain(|queued| *queued != number);
            drop(kept);
            Answer::of(201, whole(store, &pull))
        }
        _ => Answer::of(404, json!({ "error": "404 Not Found" })),
    }
}

fn note(id: u64, body: &str) -> Value {
    json!({ "id": id, "body": body, "author": user("tagboat"), "created_at": TIME, "system": false })
}

fn user(name: &str) -> Value {
    json!({ "id": 10, "username": name, "name": name })
}

/// Tells when somebody approved: before or after the head commit came.
fn approved_at(pull: &Pull, name: &str) -> &'static str {
    let last = pull.reviews.iter().rev().find(|(who, ..)| who == name);
    if last.is_some_and(|(_, _, sha)| *sha == pull.sha) {
        "2026-11-20T07:30:00.000Z"
    } else {
        "2026-11-20T06:30:00.000Z"
    }
}

/// Names those whose last review was this.
fn last_reviews(pull: &Pull, state: &str) -> impl Iterator<Item = String> {
    let mut last = std::collections::BTreeMap::new();
    for (who, word, _) in &pull.reviews {
        last.insert(who.clone(), word.clone());
    }
    let state = state.to_owned();
    last.into_iter().filter(move |(_, word)| *word == state).map(|(who, _)| who)
}

/// Returns the newest pipeline of a merge request, whichever head that was of, and whether it was of the one that it has.
fn head_pipeline(store: &Store, pull: &Pull) -> Option<(Value, bool)> {
    let rows = store.kept().pipelines.clone();
    let own = format!("refs/merge-requests/{}/", pull.number);
    let is_own = |row: &PipelineRow| row.reference == pull.head || row.reference.starts_with(&own);
    let (at, row) = rows.iter().enumerate().rfind(|(_, row)| is_own(row))?;
    let source = if row.reference == pull.head { "push" } else { "merge_request_event" };
    let shown = json!({
        "id": at + 1, "sha": row.sha, "ref": row.reference, "status": row.word, "source": source,
    });
    let parents = store.repository.output(&["rev-list", "--no-walk", "--parents", &row.sha]);
    let is_of_head = row.sha == pull.sha || parents.is_some_and(|parents| parents.contains(&pull.sha));
    Some((shown, is_of_head))
}

/// A merge request as it is told alone.
fn whole(store: &Store, pull: &Pull) -> Value {
    let mut shown = shown(store, pull);
    let conflicts = pull.state == Stands::Open && store.conflicts(pull);
    let is_behind = pull.state == Stands::Open && store.is_behind(pull);
    let shown_pipeline = head_pipeline(store, pull);
    let mut kept = store.kept();
    let strict = kept.protection.strict;
    let mut latest = std::collections::BTreeMap::new();
    for check in kept.checks.iter().filter(|check| check.sha == pull.sha) {
        latest.insert(check.name.clone(), check.word.clone());
    }
    let has = |word: &str| latest.values().any(|other| other == word);
    let of_statuses =
        ["failed", "canceled", "running", "pending"].into_iter().find(|word| has(word)).unwrap_or("success");
    let of_head = shown_pipeline.as_ref().map(|(_, is_of_head)| *is_of_head);
    let pipeline = shown_pipeline.as_ref().map_or(of_statuses, |(row, _)| row["status"].as_str().unwrap());
    let required = !kept.protection.required.is_empty();
    let status = if kept.unknown > 0 {
        kept.unknown -= 1;
        "checking"
    } else if pull.state != Stands::Open {
        "not_open"
    } else if pull.draft {
        "draft_status"
    } else if conflicts {
        "conflict"
    } else if strict && is_behind {
        "need_rebase"
    } else if required && (!of_head.unwrap_or(!latest.is_empty()) || pipeline != "success") {
        "ci_must_pass"
    } else {
        "mergeable"
    };
    shown["detailed_merge_status"] = status.into();
    shown["has_conflicts"] = conflicts.into();
    shown["user"] = json!({ "can_merge": true });
    shown["head_pipeline"] = Value::Null;
    if let Some((row, _)) = shown_pipeline {
        shown["head_pipeline"] = row;
    } else if !latest.is_empty() {
        // Statuses from outside alone make up a pipeline of their own.
        let source =
            if kept.checks.iter().any(|check| check.sha == pull.sha && check.is_run) { "push" } else { "external" };
        shown["head_pipeline"] =
            json!({ "id": 7, "sha": pull.sha, "ref": pull.head, "status": pipeline, "source": source });
    }
    shown
}

fn merge(store: &Store, asked: &Asked, pull: &Pull) -> Answer {
    if pull.state != Stands::Open || pull.draft || store.kept().denies_merging {
        return Answer::of(405, json!({ "message": "405 Method Not Allowed" }));
    }
    if asked.body["sha"] != pull.sha.as_str() {
        return Answer::of(409, json!({ "message": "SHA does not match HEAD of source branch: " }));
    }
    let squashes = store.kept().squashes;
    assert_eq!(asked.body["squash"] == true, squashes);
    let said = asked.text(if squashes { "squash_commit_message" } else { "merge_commit_message" }).unwrap_or_default();
    let (title, text) = said.split_once("\n\n").unwrap_or((&said, ""));
    if asked.body["auto_merge"] == true && whole(store, pull)["detailed_merge_status"] == "ci_must_pass" {
        let mut kept = store.kept();
        kept.arm(pull.number);
        kept.armed_words = Some((title.to_owned(), text.to_owned()));
        drop(kept);
        return Answer::of(200, whole(store, pull));
    }
    if store.merge_saying(pull.number, (title, text)).is_none() {
        return Answer::of(422, json!({ "message": "Branch cannot be merged" }));
    }
    if asked.body["should_remove_source_branch"] == true && !store.repository.keeps_branches() {
        store.repository.git(&["update-ref", "-d", &format!("refs/heads/{}", pull.head)]);
    }
    Answer::of(200, whole(store, &store.pull(pull.number)))
}

fn set_status(store: &Store, asked: &Asked, sha: &str) -> Answer {
    let (name, state) = (asked.text("name").unwrap(), asked.text("state").unwrap());
    let mut kept = store.kept();
    let last = kept.checks.iter().rev().find(|check| check.sha == sha && check.name == name);
    if last.is_some_and(|last| last.word == state && matches!(state.as_str(), "pending" | "running")) {
        let words = format!("Cannot transition status via :enqueue from :{state}");
        return Answer::of(400, json!({ "message": words }));
    }
    let text = asked.text("description").unwrap_or_default();
    kept.checks.push(CheckRow { sha: sha.to_owned(), name, word: state, text, at: NOW, is_run: false });
    let id = kept.checks.len() - 1;
    Answer::of(201, status(id, &kept.checks[id]))
}

/// Makes a commit on a new branch that begins at a commit.
fn told(sha: &str, parents: &[String]) -> Value {
    json!({
        "id": sha, "short_id": &sha[..8], "title": "", "message": "", "author_name": "", "author_email": "", "created_at": TIME,
        "parent_ids": parents,
    })
}

fn commit(store: &Store, asked: &Asked) -> Answer {
    let known = ["branch", "start_sha", "commit_message", "author_name", "author_email", "actions"];
    let fields: Vec<&String> = asked.body.as_object().unwrap().keys().collect();
    assert!(fields.iter().all(|field| known.contains(&field.as_str())), "{fields:?}");
    let text = |field: &str| asked.text(field).unwrap();
    let (branch, start) = (text("branch"), text("start_sha"));
    if store.at(&branch).is_some() {
        let words =
            format!("A branch called '{branch}' already exists. Switch to that branch in order to make changes");
        return Answer::of(400, json!({ "message": words }));
    }
    let file = |action: &Value| {
        let is_there = !store.repository.git(&["ls-tree", &start, action["file_path"].as_str().unwrap()]).is_empty();
        let verb = if is_there { "update" } else { "create" };
        assert_eq!((&action["action"], &action["encoding"]), (&json!(verb), &json!("base64")));
        let content = STANDARD.decode(action["content"].as_str().unwrap()).unwrap();
        (action["file_path"].as_str().unwrap().to_owned(), content)
    };
    let files: Vec<_> = asked.body["actions"].as_array().unwrap().iter().map(file).collect();
    let made = store.make(&branch, &start, &files, &text("commit_message"), Modes::Kept);
    Answer::of(201, told(&made, &[start]))
}
