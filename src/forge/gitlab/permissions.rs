//! What a token of GitLab and its owner may do, as far as GitLab tells.

use reqwest::StatusCode;

use crate::forge::ForgeError;
use crate::forge::gitlab::GitLab;
use crate::forge::gitlab::raw::{RawAccess, RawBranch, RawOwner, RawToken};
use crate::model::environment::BranchName;
use crate::model::pull_request::{Certainty, Demands, Lack};

/// GitLab's roles by number: <https://docs.gitlab.com/api/access_requests/#valid-access-levels>.
const DEVELOPER: u32 = 30;
const MAINTAINER: u32 = 40;
const OWNER: u32 = 50;

impl GitLab {
    /// Asks what the token and its owner may do.
    pub(super) async fn read_lacks(&self, demands: &Demands) -> Result<Vec<Lack>, ForgeError> {
        if self.is_job {
            let instead = "a project access token with the scope api, in place of CI_JOB_TOKEN";
            return Ok(vec![lack(instead, "open, change and merge merge requests")]);
        }
        let mut lacks = Vec::new();
        let settings = self.read_settings().await?;
        let told = settings.permissions.map_or(0, |permissions| permissions.level());
        let level = if told < DEVELOPER { self.other_level().await?.map(|other| other.max(told)) } else { Some(told) };
        if level.is_none_or(|level| level < DEVELOPER) {
            let role = lack("the role Developer", "push head branches and open merge requests");
            let certainty = if level.is_some() { Certainty::Missing } else { Certainty::Untold };
            lacks.push(Lack { certainty, ..role });
        }
        let reply = self.rest.read(self.rest.url(&["personal_access_tokens", "self"], &[])).await?;
        // Tokens of other kinds and older versions tell nothing of themselves.
        if reply.status == StatusCode::OK && !reply.json::<RawToken>()?.scopes.iter().any(|scope| scope == "api") {
            lacks.push(lack("the scope api", "open, change and merge merge requests"));
        }
        if level.is_some_and(|level| (DEVELOPER..MAINTAINER).contains(&level)) {
            for branch in demands.pushed.union(&demands.merged) {
                lacks.extend(self.of_branch(branch, demands).await?);
            }
        }
        Ok(lacks)
    }

    /// Asks for the role that a project does not tell with its settings: that of a member of a group which was invited to it, and that
    /// of an administrator, who needs none. 0 is none; `None` where GitLab does not tell.
    async fn other_level(&self) -> Result<Option<u32>, ForgeError> {
        let reply = self.rest.read(self.rest.url(&["user"], &[])).await?;
        if reply.status != StatusCode::OK {
            return Ok(None);
        }
        let owner: RawOwner = reply.json()?;
        if owner.is_admin == Some(true) {
            return Ok(Some(OWNER));
        }
        let reply = self.rest.read(self.url(&["members", "all", &owner.id.to_string()], &[])).await?;
        match reply.status {
            StatusCode::OK => Ok(Some(reply.json::<RawAccess>()?.access_level)),
            StatusCode::NOT_FOUND => Ok(Some(0)),
            _ => Ok(None),
        }
    }

    /// Asks whether a Developer may push to a branch and merge into it.
    async fn of_branch(&self, name: &BranchName, demands: &Demands) -> Result<Option<Lack>, ForgeError> {
        let reply = self.rest.read(self.url(&["repository", "branches", name.as_str()], &[])).await?;
        if reply.status != StatusCode::OK {
            return Ok(None);
        }
        let branch: RawBranch = reply.json()?;
        if demands.pushed.contains(name) && branch.can_push == Some(false) {
            let permission = format!("leave to push to the protected branch {name}, as the role Maintainer has");
            return Ok(Some(lack(&permission, "commit to it")));
        }
        // Somebody may be allowed by name, which is told to Maintainers alone.
        let is_doubtful = branch.protected && branch.developers_can_merge == Some(false);
        Ok((demands.merged.contains(name) && is_doubtful).then(|| {
            let permission = format!("leave to merge into the protected branch {name}, as the role Maintainer has");
            Lack { certainty: Certainty::Untold, ..lack(&permission, "merge into it") }
        }))
    }
}

fn lack(permission: &str, needed_to: &str) -> Lack {
    let (permission, needed_to) = (permission.to_owned(), needed_to.to_owned());
    Lack { permission, needed_to, certainty: Certainty::Missing, instead: None }
}
