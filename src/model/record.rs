//! The record: what happened in environments, as Git tells it, and the figures and the state that come of it.
//!
//! Owns the data only; `crate::promote::record` and `crate::promote::figures` make it from history.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::commit::CommitId;
use crate::model::decision::Decision;
use crate::model::environment::EnvironmentName;
use crate::model::file::RepoPath;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::kept_back::KeptBack;
use crate::model::outcome::{Skipped, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::model::site::Value;
use crate::model::watch::Watch;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Tagboat brought a version from a registry.
    Update,
    /// A version came that the environments before had run.
    Promotion,
    /// A version was taken back: by `rollback`, by a revert, or by hand.
    Rollback,
    /// A version came by `promote`, before its gates or its predecessors.
    Hotfix,
    /// A person changed it.
    Manual,
    /// A version is held from here on.
    Hold,
    /// A version is held no more.
    Release,
}

impl Kind {
    /// Returns the word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Promotion => "promotion",
            Self::Rollback => "rollback",
            Self::Hotfix => "hotfix",
            Self::Manual => "manual",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }
}

/// One thing that happened to one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The committer time.
    pub time: Timestamp,
    /// The commit.
    pub commit: CommitId,
    /// How many commits of the first-parent line are newer.
    pub depth: usize,
    /// The environment; `None` for a hold in all of them.
    pub environment: Option<EnvironmentName>,
    /// The image.
    pub image: ImageName,
    /// What stood there before; `None` where the image was new, and for holds.
    pub from: Option<Value>,
    /// What stands there after; `None` where the image went. The version of a hold.
    pub to: Option<Value>,
    /// What it was.
    pub kind: Kind,
    /// The commit's author: who merged, where it is a merge.
    pub author: String,
    /// Who ordered it, held or released it, where that is told.
    pub by: Option<String>,
    /// The pull request, as the commit names it.
    pub pull_request: Option<String>,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Whether Tagboat went back by itself, since a check had failed.
    pub is_return: bool,
}

/// The record, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What happened, newest first.
    pub entries: Vec<Entry>,
    /// Whether more than was read would have been asked for: the time down to which it is told.
    pub cut: Option<Timestamp>,
    /// Whether somebody cloned no more of it.
    pub is_shallow: bool,
}

/// A spread of durations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// The middle one; `None` where there is none at all.
    pub median: Option<SignedDuration>,
    /// The one below which nine of ten lie.
    pub p90: Option<SignedDuration>,
}

/// The delivery figures of one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// The environment.
    pub environment: EnvironmentName,
    /// The commits that brought a version there; going back is none.
    pub deployments: usize,
    /// Of each day of the period.
    pub per_day: f64,
    /// From when a version came to the first environment, the last time before, until it came here; none in a first environment.
    pub lead_time: Spread,
    /// From when a version was published until it came here, of those of which a commit tells when that was.
    pub from_image: Spread,
    /// Of how many versions that came here a commit tells when they were published, and how many came.
    pub dated: (usize, usize),
    /// The part of the deployments that were taken back; `None` where there is none.
    pub change_failure_rate: Option<f64>,
    /// From a deployment that was taken back until it was.
    pub time_to_restore: Spread,
}

/// The delivery figures of a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its start, included.
    pub from: Timestamp,
    /// Its end, excluded.
    pub to: Timestamp,
    /// The environments, in the order of the configuration.
    pub environments: Vec<Figures>,
    /// Where history is cut off before all was known: the time down to which it was read.
    pub cut: Option<Timestamp>,
    /// Whether somebody cloned no more of it.
    pub is_shallow: bool,
}

/// What one environment runs of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The image.
    pub image: ImageName,
    /// Its group.
    pub group: String,
    /// What stands there.
    pub value: Value,
    /// In which files.
    pub files: Vec<RepoPath>,
    /// The commit that brought it and when, where history reaches it.
    pub brought: Option<(CommitId, Timestamp)>,
    /// What comes next, where something does; the images of a group share it.
    pub next: Option<Arc<Proposal>>,
    /// The version that comes with it.
    pub to: Option<Value>,
    /// Why nothing comes although something is there, where a person should know.
    pub blocked: Option<String>,
    /// A better version that waits, or that something is wrong with; not what is held.
    pub kept_back: Option<KeptBack>,
    /// How it differs from what promotion would have brought, in words.
    pub drift: Option<String>,
    /// How it is watched, where it is.
    pub watch: Option<Watch>,
}

/// What every environment runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// The environments in the order of the configuration, each with its images.
    pub environments: Vec<(EnvironmentName, Vec<Running>)>,
    /// What is held by the file of holds.
    pub holds: Vec<Hold>,
    /// What somebody took back, and in which environment: held, too.
    pub taken_back: Vec<(EnvironmentName, ImageName, crate::model::history::TakenBack)>,
    /// What was passed by.
    pub skipped: Vec<Skipped>,
    /// Where history is cut off: the time down to which it was read.
    pub cut: Option<Timestamp>,
    /// What failed.
    pub errors: Vec<Trouble>,
}

impl Status {
    /// Returns what is held by the file, and what somebody took back as if it stood there, too.
    pub fn all_holds(&self) -> Vec<Hold> {
        let taken = self.taken_back.iter().filter_map(|(environment, image, taken)| {
            let day = taken.time.strftime("%Y-%m-%d");
            let told = format!("taken back to {} on {day} (commit {})", taken.instead, taken.commit.short());
            // Where the tag stayed, another digest of it comes as ever.
            let digest = taken.value.digest.as_ref().filter(|_| taken.value.tag == taken.instead.tag);
            let reason = match digest {
                Some(digest) => format!("{digest} alone, with nothing to release: {told}"),
                None => told,
            };
            Some(Hold {
                environment: Some(environment.clone()),
                image: image.clone(),
                tag: taken.value.tag.clone()?,
                digest: None,
                until: None,
                by: Some(taken.by.clone()),
                reason: Some(reason),
            })
        });
        self.holds.iter().cloned().chain(taken).collect()
    }
}

/// How many commits of a branch count as lately.
pub const LATELY: usize = 50;

/// How things stand when a pass ends: what `status` gives, from what the pass saw anyway.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// What every environment runs. `skipped` and `errors` hold only what the outcome beside it does not.
    pub status: Status,
    /// Every proposal, also those that no image waits for.
    pub proposals: Vec<Arc<Proposal>>,
    /// What was decided in the last round, where the outcome tells the decisions of an earlier one.
    pub decisions: Option<Vec<Decision>>,
    /// What happened lately, newest first: in the newest [`LATELY`] commits of each branch.
    pub lately: Vec<Entry>,
}

impl Standing {
    /// Turns what was to be committed, in environments that nothing landed in, into what failed.
    pub fn fail(&mut self, reason: &str, has_landed: &dyn Fn(&EnvironmentName) -> bool) {
        let rows = self.status.environments.iter_mut().flat_map(|(_, rows)| rows);
        for proposal in rows.filter_map(|row| row.next.as_mut()).chain(&mut self.proposals) {
            if proposal.action == Action::Committed && !has_landed(&proposal.environment) {
                let proposal = Arc::make_mut(proposal);
                proposal.action = Action::Failed;
                proposal.reason = Some(reason.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::history::{Means, TakenBack};

    #[test]
    fn a_digest_that_was_taken_back_is_told_as_that_and_not_as_its_tag() {
        let value = |letter: &str| Value {
            tag: Some("stable".parse().unwrap()),
            digest: Some(format!("sha256:{}", letter.repeat(64)).parse().unwrap()),
        };
        let taken = |value: Value, instead: Value| TakenBack {
            value,
            instead,
            commit: CommitId("c1".into()),
            time: Timestamp::UNIX_EPOCH,
            by: "Ada".to_owned(),
            means: Means::Commit,
        };
        let reason = |taken: TakenBack| {
            let taken_back = vec![("prod".into(), "ghcr.io/acme/web".parse().unwrap(), taken)];
            let status = Status { taken_back, ..Status::default() };
            status.all_holds()[0].reason.clone().unwrap()
        };
        let told = reason(taken(value("b"), value("a")));
        assert!(told.starts_with(&format!("sha256:{} alone, with nothing to release: taken back", "b".repeat(64))));
        let other = Value { tag: Some("1.4.0".parse().unwrap()), digest: None };
        assert!(reason(taken(value("b"), other)).starts_with("taken back to 1.4.0"));
    }
}
