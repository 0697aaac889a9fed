//! Commits that GitLab makes, which it signs where its administrator has set up a key for that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::gitlab::GitLab;
use crate::forge::gitlab::raw::{RawBranch, RawCommit};
use crate::model::commit::{CommitId, MadeCommit, NewCommit};

impl GitLab {
    /// Makes a commit on a new branch that begins at its parent.
    pub(super) async fn write_commit(&self, new: &NewCommit) -> Result<MadeCommit, ForgeError> {
        let actions: Vec<Value> = new
            .files
            .iter()
            .map(|file| {
                json!({
                    "action": if file.before.is_some() { "update" } else { "create" },
                    "file_path": file.path.as_str(),
                    "encoding": "base64",
                    "content": STANDARD.encode(&file.content),
                })
            })
            .collect();
        let body = json!({
            "branch": new.branch.as_str(),
            "start_sha": new.parent.as_str(),
            "commit_message": new.message,
            "author_name": new.author.name,
            "author_email": new.author.email,
            "actions": actions,
        });
        match self.rest.write(Method::POST, self.url(&["repository", "commits"], &[]), Some(&body)).await {
            Ok(reply) if reply.status == StatusCode::CREATED => {
                Ok(MadeCommit::Made(CommitId(reply.json::<RawCommit>()?.id.into())))
            }
            Ok(reply) => Err(self.refused(&reply)),
            // The answer was lost; whoever asks sees by its content whether it is the commit.
            Err(later @ ForgeError::Later { .. }) => {
                let url = self.url(&["repository", "branches", new.branch.as_str()], &[]);
                let reply = self.rest.read(url).await?;
                match reply.status {
                    StatusCode::OK => Ok(MadeCommit::Made(CommitId(reply.json::<RawBranch>()?.commit.id.into()))),
                    _ => Err(later),
                }
            }
            Err(other) => Err(other),
        }
    }
}
