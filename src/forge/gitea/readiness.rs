//! Whether a pull request may be merged: statuses, reviews, protection of the base, and what Gitea itself says.

use std::collections::BTreeSet;

use globset::Glob;
use reqwest::StatusCode;

use crate::forge::gitea::raw::{RawProtected, RawPullRequest, RawReview, RawRule, verdicts};
use crate::forge::gitea::{Gitea, PAGE};
use crate::forge::{DRAFT, ForgeError};
use crate::model::environment::BranchName;
use crate::model::gate::GateName;
use crate::model::pull_request::{Check, PullRequest, Readiness, as_called};

/// What the contexts of gates begin with.
const OWN: &str = "tagboat/";

impl Gitea {
    /// Asks for everything that decides whether a pull request may be merged.
    pub(super) async fn read_readiness(
        &self,
        pull_request: &PullRequest,
        checks: Vec<Check>,
    ) -> Result<Readiness, ForgeError> {
        let head = pull_request.commit.as_str();
        let (protected, rule) = self.read_rules(&pull_request.base).await?;
        // Nothing else can be fast-forwarded; where the rule is not known, what it wants is not.
        let is_forwarded = self.read_settings().await?.is_forwarded();
        let wants_tip = rule.as_ref().map(|rule| rule.block_on_outdated_branch).filter(|_| !is_forwarded);
        let wants_tip = wants_tip.or(is_forwarded.then_some(true));
        let rule = rule.unwrap_or_default();
        let verdicts = verdicts(self.read_reviews(pull_request).await?);
        // Last of all: whatever a person does to it meanwhile is heeded.
        let now = self.read_one(pull_request).await?;
        let of_state = |state: &'static str| verdicts.iter().filter(move |(_, review)| review.state == state);
        let is_behind = wants_tip == Some(true) && now.is_behind();
        let mut readiness = Readiness {
            required: required(&protected, &checks),
            checks,
            approvals: approving(&verdicts, head),
            changes_requested: of_state("REQUEST_CHANGES").map(|(name, _)| name.clone()).collect(),
            blocked: None,
            queue: None,
            is_behind,
            wants_tip,
            is_blocked_by_checks: false,
            labels: now.labels().map(as_called).collect(),
            word: None,
        };
        let missing = protected.required_approvals.saturating_sub(i64::from(readiness.approvals));
        let is_asked =
            rule.block_on_official_review_requests && of_state("REQUEST_REVIEW").any(|(_, one)| one.official);
        readiness.blocked = if now.head.sha != head {
            Some("its head branch has moved: the next pass looks again".to_owned())
        } else if now.state != "open" {
            Some("it is not open".to_owned())
        } else if now.base.label != pull_request.base.as_str() {
            Some("its base branch has been changed: the next pass looks again".to_owned())
        } else if now.is_draft() {
            Some(DRAFT.to_owned())
        } else if protected.protected && missing > 0 {
            Some(format!("{missing} more must approve its head commit"))
        } else if is_asked {
            Some("a review that was asked for is missing".to_owned())
        } else if protected.user_can_merge == Some(false) {
            Some("the owner of the token is not among those who may merge into its base".to_owned())
        } else if is_behind {
            Some("it is behind its base, which must be up to date here".to_owned())
        } else if now.mergeable {
            None
        } else {
            Some("it has conflicts with its base, or is still being checked for them".to_owned())
        };
        Ok(readiness)
    }

    /// Counts who approves the head commit.
    pub(super) async fn read_approvals(&self, pull_request: &PullRequest) -> Result<u32, ForgeError> {
        let verdicts = verdicts(self.read_reviews(pull_request).await?);
        Ok(approving(&verdicts, pull_request.commit.as_str()))
    }

    async fn read_reviews(&self, pull_request: &PullRequest) -> Result<Vec<RawReview>, ForgeError> {
        let mut url = self.of("pulls", pull_request, &["reviews"]);
        url.query_pairs_mut().append_pair("limit", PAGE);
        self.rest.pages(&url, &|reply| self.refused(reply)).await
    }

    /// Asks for one pull request.
    pub(super) async fn read_one(&self, pull_request: &PullRequest) -> Result<RawPullRequest, ForgeError> {
        let reply = self.rest.read(self.of("pulls", pull_request, &[])).await?;
        reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?.json()
    }

    /// Names the checks that a base branch requires, as far as it names them.
    pub(super) async fn read_required(&self, base: &BranchName) -> Result<BTreeSet<String>, ForgeError> {
        Ok(required(&self.read_rules(base).await?.0, &[]))
    }

    /// Asks how a base branch is protected; once, since that is the same for all pull requests into it.
    async fn read_rules(&self, base: &BranchName) -> Result<(RawProtected, Option<RawRule>), ForgeError> {
        let asked = async {
            let reply = self.rest.read(self.url(&["branches", base.as_str()], &[])).await?;
            let reply = reply.granted(&[StatusCode::OK], |reply| self.refused(reply))?;
            let protected: RawProtected = reply.json()?;
            let rule = self.read_rule(&protected).await?;
            Ok((protected, rule))
        };
        self.rules.of(self.rest.turn(), base, asked).await
    }

    /// Asks for the whole rule; `None` where the token may not know it: what else it demands is then left to the merge itself.
    async fn read_rule(&self, protected: &RawProtected) -> Result<Option<RawRule>, ForgeError> {
        if protected.effective_branch_protection_name.is_empty() {
            return Ok(Some(RawRule::default()));
        }
        let name = protected.effective_branch_protection_name.as_str();
        let reply = self.rest.read(self.url(&["branch_protections", name], &[])).await?;
        match reply.status {
            StatusCode::OK => reply.json().map(Some),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(&reply)),
        }
    }
}

/// Counts who approves a head commit. Only the word of those counts who may write here, or whom the rule of a protected
/// branch names: anybody at all can approve in a public repository.
fn approving(verdicts: &[(String, RawReview)], head: &str) -> u32 {
    let approves = |(_, review): &&(String, RawReview)| {
        review.official && review.state == "APPROVED" && !review.stale && review.commit_id == head
    };
    u32::try_from(verdicts.iter().filter(approves).count()).unwrap_or(u32::MAX)
}

/// Names the checks that are required. Gitea takes patterns: one that a check fits is that check, and one of Tagboat's own statuses that
/// none fits is the first gate that would.
fn required(protected: &RawProtected, checks: &[Check]) -> BTreeSet<String> {
    let contexts = protected.status_check_contexts.iter().flatten();
    let fitting = |context: &String| {
        let glob = Glob::new(context).ok().map(|glob| glob.compile_matcher());
        let is_named = checks.iter().any(|check| check.name == *context);
        let glob = glob.filter(|_| !is_named);
        let fits = |name: &String| glob.as_ref().is_some_and(|glob| glob.is_match(name));
        let mut own = GateName::ALL.into_iter().map(GateName::context).filter(|_| context.starts_with(OWN));
        let found = checks.iter().map(|check| &check.name).find(|name| fits(name)).cloned();
        found.or_else(|| own.find(|name| fits(name))).unwrap_or_else(|| context.clone())
    };
    contexts.filter(|_| protected.enable_status_check).map(fitting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pull_request::CheckState;

    #[test]
    fn a_required_pattern_is_the_check_that_fits_it_or_missing() {
        let check = |name: &str| {
            let (name, word) = (name.to_owned(), "success".to_owned());
            Check { name, state: CheckState::Passed, word, text: String::new(), is_run: false, time: None }
        };
        let protected = RawProtected {
            enable_status_check: true,
            status_check_contexts: Some(vec!["ci/*".to_owned(), "lint".to_owned()]),
            ..RawProtected::default()
        };
        let names = |checks: &[Check]| required(&protected, checks).into_iter().collect::<Vec<_>>();
        assert_eq!(names(&[check("ci/test")]), ["ci/test", "lint"]);
        assert_eq!(names(&[check("other")]), ["ci/*", "lint"]);
        let own = RawProtected {
            enable_status_check: true,
            status_check_contexts: Some(vec!["tagboat/*".to_owned(), "*".to_owned()]),
            ..RawProtected::default()
        };
        let names_own = |checks: &[Check]| required(&own, checks).into_iter().collect::<Vec<_>>();
        assert_eq!(names_own(&[]), ["*", "tagboat/soak"]);
        assert_eq!(names_own(&[check("tagboat/manual")]), ["tagboat/manual"]);
        assert!(required(&RawProtected { enable_status_check: false, ..protected }, &[]).is_empty());
    }
}
