//! Labels on Gitea, which are told by number: looked up, and made where they are missing.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::gitea::raw::RawLabel;
use crate::forge::gitea::{Gitea, PAGE};
use crate::model::pull_request::PullRequest;

/// The colour of a label that is made; Gitea demands one.
const COLOR: &str = "#1d76db";

impl Gitea {
    /// Returns the numbers of labels; those that the repository has not are made where that is allowed.
    pub(super) async fn label_ids(&self, names: &[String]) -> Result<Vec<i64>, ForgeError> {
        let url = self.url(&["labels"], &[("limit", PAGE)]);
        let known: Vec<RawLabel> = self.rest.pages(&url, &|reply| self.refused(reply)).await?;
        let known: BTreeMap<String, i64> = known.into_iter().map(|label| (label.name, label.id)).collect();
        let mut ids = Vec::new();
        for name in names {
            match known.get(name) {
                Some(id) => ids.push(*id),
                // A pull request without it is worth more than none.
                None => match self.make_label(name).await {
                    Ok(id) => ids.push(id),
                    Err(later @ ForgeError::Later { .. }) => return Err(later),
                    Err(error) => {
                        tracing::warn!(label = %name, %error, "the repository has no such label, and it could not be made");
                    }
                },
            }
        }
        Ok(ids)
    }

    async fn make_label(&self, name: &str) -> Result<i64, ForgeError> {
        let url = self.url(&["labels"], &[]);
        let reply = self.rest.write(Method::POST, url, Some(&json!({ "name": name, "color": COLOR }))).await?;
        Ok(reply.granted(&[StatusCode::CREATED], |reply| self.refused(reply))?.json::<RawLabel>()?.id)
    }

    /// Takes a label off a pull request; one that is off already is no error.
    pub(super) async fn take_label(&self, pull_request: &PullRequest, label: &str) -> Result<(), ForgeError> {
        let reply = self.rest.read(self.of("issues", pull_request, &["labels"])).await?;
        let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?;
        let labels: Vec<RawLabel> = reply.json()?;
        let Some(found) = labels.into_iter().find(|one| one.name == label) else { return Ok(()) };
        let url = self.of("issues", pull_request, &["labels", &found.id.to_string()]);
        let reply = self.rest.write(Method::DELETE, url, None).await?;
        match reply.status {
            StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(self.refused(&reply)),
        }
    }
}
