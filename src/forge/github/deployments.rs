//! Deployments and their statuses. What is there already is looked up before anything is made, so that done twice it is as done once.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::github::{GitHub, raw};
use crate::model::deployment::{Deployment, DeploymentState};
use crate::model::image::shorten;

/// What a deployment is for, by which ours are told from those of others.
const TASK: &str = "deploy:tagboat";

/// How many of an environment's newest deployments are looked at for what is still under way.
const MOST_EARLIER: &str = "10";

/// The most characters of a description.
const LONGEST_DESCRIPTION: usize = 140;

impl GitHub {
    pub(super) async fn deployed(&self, deployment: &Deployment) -> Result<(), ForgeError> {
        let Deployment { environment, commit, state, description, .. } = deployment;
        let about: String = shorten(description).chars().take(LONGEST_DESCRIPTION).collect();
        let query =
            [("sha", commit.as_str()), ("environment", environment.as_str()), ("task", TASK), ("per_page", "1")];
        let answer = self.transport.get(&self.url(&["deployments"], &query)).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to list deployments"));
        }
        let known: Vec<raw::Deployment> = answer.json()?;
        let id = match known.first() {
            Some(known) => known.id,
            None => {
                // What landed is in Git: no check and no merge of GitHub's is waited for.
                let body = json!({
                    "ref": commit.as_str(), "task": TASK, "environment": environment.as_str(), "description": about,
                    "auto_merge": false, "required_contexts": [],
                });
                let url = self.url(&["deployments"], &[]);
                let answer = self.transport.write(Method::POST, &url, Some(&body)).await?;
                if answer.status != StatusCode::CREATED {
                    return Err(answer.refusal("to make a deployment"));
                }
                answer.json::<raw::Deployment>()?.id
            }
        };
        if self.deployment_state(id).await?.as_deref() != Some(state.as_str()) {
            self.set_deployment_state(id, *state, &about).await?;
        }
        self.end_earlier_deployments(deployment).await
    }

    /// Ends what was under way in an environment before. GitHub makes only what succeeded inactive by itself.
    async fn end_earlier_deployments(&self, deployment: &Deployment) -> Result<(), ForgeError> {
        let query = [("environment", deployment.environment.as_str()), ("task", TASK), ("per_page", MOST_EARLIER)];
        let answer = self.transport.get(&self.url(&["deployments"], &query)).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to list deployments"));
        }
        let known: Vec<raw::Deployment> = answer.json()?;
        for earlier in known.iter().filter(|known| known.sha != deployment.commit.as_str()) {
            let state = self.deployment_state(earlier.id).await?;
            // One without any status was made by a pass that was killed then.
            if state.is_none_or(|state| ["in_progress", "queued", "pending"].contains(&state.as_str())) {
                let has_failed = deployment.failed.iter().any(|failed| failed.as_str() == earlier.sha);
                let (state, about) = match has_failed {
                    true => (DeploymentState::Failure, "a check failed, and it was taken back"),
                    false => (DeploymentState::Inactive, "another one came before it was over"),
                };
                self.set_deployment_state(earlier.id, state, about).await?;
            }
        }
        Ok(())
    }

    /// Returns the newest state of a deployment, if it has any.
    async fn deployment_state(&self, id: u64) -> Result<Option<String>, ForgeError> {
        let url = self.url(&["deployments", &id.to_string(), "statuses"], &[("per_page", "1")]);
        let answer = self.transport.get(&url).await?;
        if answer.status != StatusCode::OK {
            return Err(answer.refusal("to list the statuses of a deployment"));
        }
        let newest: Vec<raw::DeploymentStatus> = answer.json()?;
        Ok(newest.into_iter().next().map(|newest| newest.state))
    }

    async fn set_deployment_state(&self, id: u64, state: DeploymentState, about: &str) -> Result<(), ForgeError> {
        let body = json!({"state": state.as_str(), "description": about, "auto_inactive": true});
        let url = self.url(&["deployments", &id.to_string(), "statuses"], &[]);
        let answer = self.transport.write(Method::POST, &url, Some(&body)).await?;
        match answer.status {
            StatusCode::CREATED => Ok(()),
            _ => Err(answer.refusal("to set the status of a deployment")),
        }
    }
}
