//! Commits that Gitea makes, which it signs where its administrator has set up a key for that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::gitea::Gitea;
use crate::forge::gitea::raw::{RawMade, RawStanding};
use crate::model::commit::{CommitId, MadeCommit, NewCommit};

impl Gitea {
    /// Makes a commit on a new branch that begins at the tip of the base, and tells whether that was the parent.
    pub(super) async fn write_commit(&self, new: &NewCommit) -> Result<MadeCommit, ForgeError> {
        let files: Vec<Value> = new
            .files
            .iter()
            .map(|file| {
                let content = STANDARD.encode(&file.content);
                match &file.before {
                    Some(before) => {
                        json!({"operation": "update", "path": file.path.as_str(), "content": content, "sha": before})
                    }
                    None => json!({"operation": "create", "path": file.path.as_str(), "content": content}),
                }
            })
            .collect();
        let body = json!({
            "branch": new.base.as_str(),
            "new_branch": new.branch.as_str(),
            "message": new.message,
            "author": {"name": new.author.name, "email": new.author.email},
            "committer": {"name": new.committer.name, "email": new.committer.email},
            "files": files,
        });
        match self.rest.write(Method::POST, self.url(&["contents"], &[]), Some(&body)).await {
            Ok(reply) if reply.status == StatusCode::CREATED => {
                let made: RawMade = reply.json()?;
                let is_on_parent = made.commit.parents.iter().any(|parent| parent.sha == new.parent.as_str());
                if is_on_parent {
                    Ok(MadeCommit::Made(CommitId(made.commit.sha.into())))
                } else {
                    Ok(MadeCommit::Moved)
                }
            }
            Ok(reply) => Err(self.refused(&reply)),
            // The answer was lost; whoever asks sees by its content whether it is the commit.
            Err(later @ ForgeError::Later { .. }) => {
                let reply = self.rest.read(self.url(&["branches", new.branch.as_str()], &[])).await?;
                match reply.status {
                    StatusCode::OK => Ok(MadeCommit::Made(CommitId(reply.json::<RawStanding>()?.commit.id.into()))),
                    _ => Err(later),
                }
            }
            Err(other) => Err(other),
        }
    }
}
