//! What a credential may do: told by GitHub where it tells, else asked for by reading, and by changes that nobody can make.
//!
//! No token but a classic one and an App's says what it may write. So such a token asks to change what is not there: whoever may make
//! changes is told that this one is invalid, whoever may not is forbidden it.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use crate::forge::ForgeError;
use crate::forge::github::identity::Identity;
use crate::forge::github::transport::Answer;
use crate::forge::github::{GitHub, raw};
use crate::model::pull_request::{Certainty, Demands, Lack};

/// A permission as GitHub names it, the level that is needed, and what for.
type Need = (&'static str, &'static str, &'static str);

const CONTENTS: Need = ("contents", "write", "push head branches and merge");
const OPENING: Need = ("pull_requests", "write", "open and change pull requests");
const LISTING: Need = ("pull_requests", "read", "know what people have refused");
const SETTING: Need = ("statuses", "write", "set the statuses of gates");
const SEEING: Need = ("statuses", "read", "see whether statuses passed");
const CHECKS: Need = ("checks", "read", "see whether checks passed");
const WORKFLOWS: Need = ("workflows", "write", "change images in workflows");
const MEMBERS: Need = ("members", "read", "ask teams for reviews");
const DEPLOYMENTS: Need =
    ("deployments", "write", "record deployments, which `deployments` of an environment asks for");

/// What to do where a fine-grained token may not read checks: GitHub offers it no such permission.
pub(super) const NO_CHECKS: &str =
    "GitHub lets no fine-grained token read the checks of a private repository: take an App's or a classic one";

/// How fine-grained tokens begin.
const FINE_GRAINED: &str = "github_pat_";

/// A commit that no repository has.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

impl GitHub {
    /// Whether it is asked with a fine-grained token.
    pub(super) fn is_fine_grained(&self) -> bool {
        matches!(&*self.transport.identity, Identity::Token(token) if token.expose_secret().starts_with(FINE_GRAINED))
    }

    pub(super) async fn permissions_lacking(&self, demands: &Demands) -> Result<Vec<Lack>, ForgeError> {
        if let Identity::App(app) = &*self.transport.identity {
            let held = self.transport.held(app).await?.permissions;
            let has = |(name, level, _): &Need| {
                held.iter().any(|(other, is)| other == name && (is == level || is == "write"))
            };
            return Ok(needs(demands).iter().filter(|need| !has(need)).map(missing).collect());
        }
        let answer = self.transport.get(&self.url(&[], &[])).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(vec![missing(&("metadata", "read", "see the repository at all"))]);
        }
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to show the repository"));
        }
        let repository: raw::Repository = answer.json()?;
        let may_push = repository.permissions.get("push") == Some(&true);
        let mut lacks: Vec<Lack> = Vec::new();
        // Classic tokens alone are told their scopes.
        if let Some(scopes) = answer.header("x-oauth-scopes").filter(|scopes| !scopes.trim().is_empty()) {
            lacks.extend((!may_push).then(|| missing(&CONTENTS)));
            lacks.extend(of_scopes(&scopes.split(',').map(str::trim).collect(), &repository, demands));
            return Ok(lacks);
        }
        let asked_of = self.readings(demands).into_iter().chain(self.teams(demands));
        for (need, url) in asked_of {
            let answer = self.transport.get(&url).await?;
            if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) && !has_row(&lacks, &need) {
                let instead = (need == CHECKS && self.is_fine_grained()).then_some(NO_CHECKS);
                lacks.push(Lack { instead, ..missing(&need) });
            }
        }
        for (need, url, body) in self.impossible(&repository, demands) {
            if !has_row(&lacks, &need) {
                let answer = self.transport.write(Method::POST, &url, Some(&body)).await?;
                // That its owner may not push counts where nothing else tells: the token of an installation, as that of a job, has no
                // owner, and is told so whatever it was granted.
                let is_hidden = answer.status == StatusCode::NOT_FOUND && need == CONTENTS && !may_push;
                lacks.extend(if is_hidden { Some(missing(&need)) } else { judged(&answer, &need)? });
            }
        }
        if demands.workflows {
            lacks.push(Lack { certainty: Certainty::Untold, ..missing(&WORKFLOWS) });
        }
        Ok(lacks)
    }

    /// Returns what is found out by reading.
    fn readings(&self, demands: &Demands) -> Vec<(Need, Url)> {
        let newest = [("filter", "latest"), ("per_page", "1")];
        let mut readings = vec![
            (if demands.opens { OPENING } else { LISTING }, self.url(&["pulls"], &[("per_page", "1")])),
            (if demands.opens { SETTING } else { SEEING }, self.url(&["commits", "HEAD", "status"], &[])),
        ];
        if demands.checks {
            readings.push((CHECKS, self.url(&["commits", "HEAD", "check-runs"], &newest)));
        }
        if demands.deployments {
            readings.push((DEPLOYMENTS, self.url(&["deployments"], &[("per_page", "1")])));
        }
        readings
    }

    fn teams(&self, demands: &Demands) -> Vec<(Need, Url)> {
        let parts = demands.teams.iter().filter_map(|team| team.split_once('/'));
        parts.map(|(owner, team)| (MEMBERS, self.transport.url(&["orgs", owner, "teams", team], &[]))).collect()
    }

    /// Returns the changes that nobody can make: a branch at a commit that is not there, a pull request of a branch into itself, the
    /// status and the deployment of no commit.
    fn impossible(&self, repository: &raw::Repository, demands: &Demands) -> Vec<(Need, Url, Value)> {
        let branch = repository.default_branch.as_deref().unwrap_or("main");
        let reference = json!({"ref": "refs/heads/tagboat/@permissions", "sha": NO_COMMIT});
        let mut changes = vec![(CONTENTS, self.url(&["git", "refs"], &[]), reference)];
        if demands.opens {
            let title = "May pull requests be opened?";
            let pull_request = json!({"title": title, "head": branch, "base": branch, "body": "", "draft": false});
            changes.push((OPENING, self.url(&["pulls"], &[]), pull_request));
            let status = json!({"state": "pending", "context": "tagboat/permissions"});
            changes.push((SETTING, self.url(&["statuses", NO_COMMIT], &[]), status));
        }
        if demands.deployments {
            let deployment = json!({"ref": NO_COMMIT, "auto_merge": false, "required_contexts": []});
            changes.push((DEPLOYMENTS, self.url(&["deployments"], &[]), deployment));
        }
        changes
    }
}

/// Says what an App's installation needs, and so does a fine-grained token.
fn needs(demands: &Demands) -> Vec<Need> {
    let mut needs = match demands.opens {
        true => vec![CONTENTS, OPENING, SETTING],
        false => vec![CONTENTS, LISTING, SEEING],
    };
    needs.extend(demands.checks.then_some(CHECKS));
    needs.extend(demands.workflows.then_some(WORKFLOWS));
    needs.extend((!demands.teams.is_empty()).then_some(MEMBERS));
    needs.extend(demands.deployments.then_some(DEPLOYMENTS));
    needs
}

/// Judges the scopes of a classic token.
fn of_scopes(scopes: &BTreeSet<&str>, repository: &raw::Repository, demands: &Demands) -> Vec<Lack> {
    let scope = |name: &str, needed_to: &str| Lack {
        permission: format!("the scope `{name}`"),
        needed_to: needed_to.to_owned(),
        certainty: Certainty::Missing,
        instead: None,
    };
    let has = |names: &[&str]| names.iter().any(|name| scopes.contains(name));
    let is_public = !repository.private && has(&["public_repo"]);
    let mut lacks = Vec::new();
    if !has(&["repo"]) && !is_public {
        let name = if repository.private { "repo" } else { "public_repo" };
        lacks.push(scope(name, "push, and open and merge pull requests"));
    }
    if demands.deployments && !has(&["repo", "repo_deployment"]) {
        lacks.push(scope("repo_deployment", DEPLOYMENTS.2));
    }
    if demands.workflows && !has(&["workflow"]) {
        lacks.push(scope("workflow", WORKFLOWS.2));
    }
    if !demands.teams.is_empty() && !has(&["read:org", "write:org", "admin:org"]) {
        lacks.push(scope("read:org", MEMBERS.2));
    }
    lacks
}

/// Judges the answer to a change that nobody can make.
fn judged(answer: &Answer, need: &Need) -> Result<Option<Lack>, ForgeError> {
    match answer.status {
        StatusCode::FORBIDDEN => Ok(Some(missing(need))),
        StatusCode::UNAUTHORIZED => Err(answer.refusal("a change")),
        status if status.is_client_error() && status != StatusCode::NOT_FOUND => Ok(None),
        // Nothing that GitHub documents: it says nothing about permissions.
        _ => Ok(Some(Lack { certainty: Certainty::Untold, ..missing(need) })),
    }
}

fn has_row(lacks: &[Lack], need: &Need) -> bool {
    lacks.iter().any(|lack| lack.permission == missing(need).permission)
}

fn missing((name, level, needed_to): &Need) -> Lack {
    let (permission, needed_to) = (format!("{name}: {level}"), (*needed_to).to_owned());
    Lack { permission, needed_to, certainty: Certainty::Missing, instead: None }
}
