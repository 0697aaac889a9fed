//! What a token of Gitea or Forgejo and its owner may do.
//!
//! No token is told its scopes. So it asks for changes that nobody can make: the scope is looked at first, and what is asked after it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::gitea::Gitea;
use crate::model::pull_request::{Certainty, Demands, Lack};

impl Gitea {
    /// Asks what the token and its owner may do.
    pub(super) async fn read_lacks(&self, demands: &Demands) -> Result<Vec<Lack>, ForgeError> {
        let settings = self.read_settings().await?;
        if !settings.permissions.is_some_and(|permissions| permissions.push) {
            let needed_to = "push head branches, and open, change and merge pull requests";
            return Ok(vec![lack("write access, with the scopes write:repository and write:issue", needed_to)]);
        }
        // A pull request of a branch into itself, and a label of a colour that is none.
        let branch = settings.default_branch.as_deref().unwrap_or("main");
        let pull_request = json!({ "title": "May pull requests be opened?", "head": branch, "base": branch });
        let label = json!({ "name": "tagboat/permissions", "color": "none" });
        let mut lacks = Vec::new();
        lacks.extend(
            self.refused_change("pulls", &pull_request, "write:repository", "push, and open and merge pull requests")
                .await?,
        );
        if demands.opens {
            lacks.extend(self.refused_change("labels", &label, "write:issue", "label, comment and close them").await?);
        }
        Ok(lacks)
    }

    /// Asks for a change that nobody can make, and says what it tells of a scope.
    async fn refused_change(
        &self,
        what: &str,
        body: &Value,
        scope: &str,
        needed_to: &str,
    ) -> Result<Option<Lack>, ForgeError> {
        let reply = self.rest.write(Method::POST, self.url(&[what], &[]), Some(body)).await?;
        match reply.status {
            StatusCode::FORBIDDEN => Ok(Some(lack(scope, needed_to))),
            StatusCode::UNAUTHORIZED | StatusCode::LOCKED => Err(self.refused(&reply)),
            status if status.is_client_error() && status != StatusCode::NOT_FOUND => Ok(None),
            // Nothing that the servers document: it says nothing about scopes.
            _ => Ok(Some(Lack { certainty: Certainty::Untold, ..lack(scope, needed_to) })),
        }
    }
}

fn lack(permission: &str, needed_to: &str) -> Lack {
    let (permission, needed_to) = (permission.to_owned(), needed_to.to_owned());
    Lack { permission, needed_to, certainty: Certainty::Missing, instead: None }
}
