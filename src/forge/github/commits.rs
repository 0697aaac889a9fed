//! Commits that GitHub makes and signs, by GraphQL's `createCommitOnBranch`: the one way that it marks as verified for tokens of
//! every kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::forge::ForgeError;
use crate::forge::github::{GitHub, raw};
use crate::model::commit::{CommitId, MadeCommit, NewCommit};

/// Appends a commit to a branch, if its tip is still this one.
const APPEND: &str =
    "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }";

impl GitHub {
    pub(super) async fn made(&self, new: &NewCommit) -> Result<MadeCommit, ForgeError> {
        // The mutation knows no modes: every file that it writes becomes a plain one.
        if let Some(file) = new.files.iter().find(|file| file.is_executable) {
            return Ok(MadeCommit::Unfit(format!("{} is executable, and GitHub's API makes plain files", file.path)));
        }
        let reference = json!({"ref": format!("refs/heads/{}", new.branch), "sha": new.parent.as_str()});
        let answer = self.transport.write(Method::POST, &self.url(&["git", "refs"], &[]), Some(&reference)).await;
        match answer {
            Ok(answer) if answer.status == StatusCode::CREATED => {}
            Ok(answer) => return Err(answer.refusal("to make a branch")),
            Err(later @ ForgeError::Later { after: None, .. }) => {
                if self.tip(new).await?.as_deref() != Some(new.parent.as_str()) {
                    return Err(later);
                }
            }
            Err(other) => return Err(other),
        }
        let (headline, body) = new.message.split_once('\n').unwrap_or((&new.message, ""));
        let additions: Vec<_> = new
            .files
            .iter()
            .map(|file| json!({"path": file.path.as_str(), "contents": STANDARD.encode(&file.content)}))
            .collect();
        let input = json!({
            "branch": {"repositoryNameWithOwner": format!("{}/{}", self.owner, self.name), "branchName": new.branch.as_str()},
            "expectedHeadOid": new.parent.as_str(),
            "message": {"headline": headline, "body": body.trim()},
            "fileChanges": {"additions": additions},
        });
        match self.transport.graphql(APPEND, json!({"input": input})).await {
            Ok(Ok(said)) => match said["createCommitOnBranch"]["commit"]["oid"].as_str() {
                Some(id) => Ok(MadeCommit::Made(CommitId(id.into()))),
                None => Err(ForgeError::Skip("GitHub does not say which commit it made".to_owned())),
            },
            Ok(Err(words)) => Err(ForgeError::Skip(format!("GitHub does not make the commit: {}", words.join("; ")))),
            // The answer was lost; whoever asks sees by its content whether it is the commit.
            Err(later @ ForgeError::Later { after: None, .. }) => match self.tip(new).await? {
                Some(tip) if tip != new.parent.as_str() => Ok(MadeCommit::Made(CommitId(tip.into()))),
                _ => Err(later),
            },
            Err(other) => Err(other),
        }
    }

    /// Returns where the branch of a commit stands.
    async fn tip(&self, new: &NewCommit) -> Result<Option<String>, ForgeError> {
        let mut path = vec!["git", "ref", "heads"];
        path.extend(new.branch.as_str().split('/'));
        let answer = self.transport.get(&self.url(&path, &[])).await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.json::<raw::Reference>()?.object.sha)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(answer.refusal("to show a branch")),
        }
    }
}
