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
        let known = self.known_labels().await?;
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

    /// Returns the numbers of the labels that the repository has: of several with one name, as Gitea allows, that of the first.
    async fn known_labels(&self) -> Result<BTreeMap<String, i64>, ForgeError> {
        let url = self.url(&["labels"], &[("limit", PAGE)]);
        let all: Vec<RawLabel> = self.rest.pages(&url, &|reply| self.refused(reply)).await?;
        let mut known = BTreeMap::new();
        for label in all {
            let id = known.entry(label.name).or_insert(label.id);
            *id = label.id.min(*id);
        }
        Ok(known)
    }

    /// Makes a label. Where somebody made one of that name in the same moment, the first one stays, and whoever made another takes it
    /// away.
    async fn make_label(&self, name: &str) -> Result<i64, ForgeError> {
        let url = self.url(&["labels"], &[]);
        let reply = self.rest.write(Method::POST, url, Some(&json!({ "name": name, "color": COLOR }))).await?;
        let made = reply.granted(&[StatusCode::CREATED], |reply| self.refused(reply))?.json::<RawLabel>()?.id;
        let first = self.known_labels().await?.get(name).copied().unwrap_or(made).min(made);
        if first != made {
            let url = self.url(&["labels", &made.to_string()], &[]);
            let reply = self.rest.write(Method::DELETE, url, None).await?;
            reply.granted(&[StatusCode::NO_CONTENT, StatusCode::NOT_FOUND], |reply| self.refused(reply))?;
        }
        Ok(first)
    }

    /// Takes a label off a pull request; one that is off already is no error.
    pub(super) async fn take_label(&self, pull_request: &PullRequest, label: &str) -> Result<(), ForgeError> {
        let reply = self.rest.read(self.of("issues", pull_request, &["labels"])).await?;
        let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?;
        let labels: Vec<RawLabel> = reply.json()?;
        // Gitea knows them by their spelling, and may have several of one name.
        for found in labels.into_iter().filter(|one| one.name.eq_ignore_ascii_case(label)) {
            let url = self.of("issues", pull_request, &["labels", &found.id.to_string()]);
            let reply = self.rest.write(Method::DELETE, url, None).await?;
            reply.granted(&[StatusCode::NO_CONTENT, StatusCode::OK, StatusCode::NOT_FOUND], |reply| {
                self.refused(reply)
            })?;
        }
        Ok(())
    }
}
