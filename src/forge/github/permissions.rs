//! What a credential may do: told by GitHub where it tells, else asked for by reading alone.

use reqwest::StatusCode;

use crate::forge::ForgeError;
use crate::forge::github::identity::Identity;
use crate::forge::github::{GitHub, raw};
use crate::model::pull_request::Lack;

/// What an App's installation, a fine-grained token and Actions' token need, and for what.
const NEEDED: [(&str, &str, &str); 4] = [
    ("contents", "write", "push head branches and merge"),
    ("pull_requests", "write", "open and change pull requests"),
    ("statuses", "write", "set the statuses of gates"),
    ("checks", "read", "see whether checks passed"),
];

impl GitHub {
    /// Returns what an App's installation may do; `None` for every other credential.
    pub(super) async fn app_permissions(&self) -> Result<Option<Vec<(String, String)>>, ForgeError> {
        match &*self.transport.identity {
            Identity::App(app) => Ok(Some(self.transport.held(app).await?.permissions)),
            Identity::Token(_) => Ok(None),
        }
    }

    pub(super) async fn permissions_lacking(&self) -> Result<Vec<Lack>, ForgeError> {
        if let Some(held) = self.app_permissions().await? {
            let has = |name: &str, level: &str| {
                held.iter().any(|(other, is)| other == name && (is == level || is == "write"))
            };
            return Ok(NEEDED.iter().filter(|(name, level, _)| !has(name, level)).map(lack).collect());
        }
        let answer = self.transport.get(&self.url(&[], &[])).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let permission = "metadata: read".to_owned();
            return Ok(vec![Lack { permission, needed_to: "see the repository at all".to_owned() }]);
        }
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to show the repository"));
        }
        let repository: raw::Repository = answer.json()?;
        let mut lacks = Vec::new();
        if repository.permissions.get("push") != Some(&true) {
            lacks.push(lack(&NEEDED[0]));
        }
        // Classic tokens alone are told their scopes.
        if let Some(scopes) = answer.header("x-oauth-scopes").filter(|scopes| !scopes.trim().is_empty()) {
            let has = |scope: &str| scopes.split(',').any(|one| one.trim() == scope);
            if !has("repo") && (repository.private || !has("public_repo")) {
                let permission = if repository.private { "repo" } else { "public_repo" };
                let needed_to = "push, and open and merge pull requests".to_owned();
                lacks.push(Lack { permission: format!("the scope `{permission}`"), needed_to });
            }
            return Ok(lacks);
        }
        let readings = [
            (&NEEDED[1], self.url(&["pulls"], &[("per_page", "1")])),
            (&NEEDED[2], self.url(&["commits", "HEAD", "status"], &[])),
            (&NEEDED[3], self.url(&["commits", "HEAD", "check-runs"], &[("filter", "latest"), ("per_page", "1")])),
        ];
        for (needed, url) in readings {
            let answer = self.transport.get(&url).await?;
            if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
                lacks.push(lack(needed));
            }
        }
        Ok(lacks)
    }
}

fn lack((name, level, needed_to): &(&str, &str, &str)) -> Lack {
    Lack { permission: format!("{name}: {level}"), needed_to: (*needed_to).to_owned() }
}
