//! What GitHub answers when it is asked for a page of pull requests.

use serde_json::{Value, json};

/// The addresses that GitHub gives of a repository, by what they lead to.
const OF_REPOSITORY: &[&str] = &[
    "archive",
    "assignees",
    "blobs",
    "branches",
    "clone",
    "collaborators",
    "comments",
    "commits",
    "compare",
    "contents",
    "contributors",
    "deployments",
    "downloads",
    "events",
    "forks",
    "git",
    "git_commits",
    "git_refs",
    "git_tags",
    "hooks",
    "issue_comment",
    "issue_events",
    "issues",
    "keys",
    "labels",
    "languages",
    "merges",
    "milestones",
    "mirror",
    "notifications",
    "pulls",
    "releases",
    "ssh",
    "stargazers",
    "statuses",
    "subscribers",
    "subscription",
    "svn",
    "tags",
    "teams",
    "trees",
];

/// The addresses that GitHub gives of a person.
const OF_PERSON: &[&str] = &[
    "avatar",
    "events",
    "followers",
    "following",
    "gists",
    "html",
    "organizations",
    "received_events",
    "repos",
    "starred",
    "subscriptions",
];

/// The addresses that GitHub gives of a pull request.
const OF_PULL_REQUEST: &[&str] =
    &["comments", "commits", "diff", "html", "issue", "patch", "review_comment", "review_comments", "statuses"];

/// Adds to what is said of something the addresses that GitHub gives of it.
fn with_addresses(mut said: Value, path: &str, names: &[&str]) -> Value {
    said["url"] = format!("https://api.github.com/{path}").into();
    for name in names {
        said[format!("{name}_url")] = format!("https://api.github.com/{path}/{name}").into();
    }
    said
}

/// A page of a hundred pull requests as GitHub lists them, each with its two repositories and its people.
pub(crate) fn page_of_pull_requests() -> String {
    let person = json!({"login": "acme-bot", "id": 1, "node_id": "MDQ6VXNlcjE=", "gravatar_id": "", "type": "User", "site_admin": false});
    let person = with_addresses(person, "users/acme-bot", OF_PERSON);
    let repository = json!({
        "id": 2, "node_id": "MDEwOlJlcG9zaXRvcnkx", "name": "gitops", "full_name": "acme/gitops", "owner": person, "private": true,
        "description": "What runs where", "fork": false, "language": null, "forks_count": 9, "stargazers_count": 80,
        "watchers_count": 80, "size": 108, "default_branch": "main", "open_issues_count": 4, "is_template": false,
        "topics": ["kubernetes", "gitops"], "has_issues": true, "has_projects": true, "has_wiki": false, "has_pages": false,
        "has_downloads": true, "archived": false, "disabled": false, "visibility": "private", "license": null,
        "pushed_at": "2026-11-20T08:00:00Z", "created_at": "2024-01-26T19:01:12Z", "updated_at": "2026-11-20T08:00:00Z",
        "permissions": {"admin": false, "push": true, "pull": true}, "forks": 9, "open_issues": 4, "watchers": 80,
    });
    let repository = with_addresses(repository, "repos/acme/gitops", OF_REPOSITORY);
    let side = |name: String| json!({"label": format!("acme:{name}"), "ref": name, "sha": "1".repeat(40), "user": person, "repo": repository});
    let of = |number: u64| {
        let said = json!({
            "id": number, "node_id": "MDExOlB1bGxSZXF1ZXN0MQ==", "number": number, "state": "open", "locked": false, "title": format!("web: 1.{number}.0"),
            "user": person, "body": "| image | from | to |\n|---|---|---|\n".repeat(10), "labels": [], "milestone": null,
            "created_at": "2026-11-20T08:00:00Z", "updated_at": "2026-11-20T08:00:00Z", "closed_at": null, "merged_at": null,
            "merge_commit_sha": null, "assignee": null, "assignees": [], "requested_reviewers": [person], "requested_teams": [],
            "head": side(format!("tagboat/prod/web-{number}")), "base": side("main".to_owned()), "author_association": "MEMBER",
            "auto_merge": null, "draft": false,
        });
        with_addresses(said, &format!("repos/acme/gitops/pulls/{number}"), OF_PULL_REQUEST)
    };
    (1..=100).map(of).collect::<Value>().to_string()
}
