//! The observation: everything that one pass saw before it decided anything.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::checks::{Inquiries, Reports};
use crate::model::commit::CommitId;
use crate::model::decision::Want;
use crate::model::elsewhere::Elsewhere;
use crate::model::environment::EnvironmentName;
use crate::model::history::Past;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::outcome::{Skipped, Trouble};
use crate::model::pull_request::{Approvals, Listing};
use crate::model::signature::{SignatureVerdict, SignatureWant};
use crate::model::site::{self, PassedOver, Site, Spot};
use crate::model::source::{Answer, SourceQuestion};
use crate::model::tags::ImageTags;

/// What was said of commits about which nobody was asked.
static NO_REPORTS: Reports = Reports::new();

/// What a pass saw.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// When; decisions use this moment and no other.
    pub now: Timestamp,
    /// The commit whose files were read, unless a working tree was.
    pub base: Option<CommitId>,
    /// Every reference found.
    pub sites: Vec<Site>,
    /// Every file that was not looked into.
    pub passed_over: Vec<PassedOver>,
    /// Whether what registries say is a record of earlier answers, which knows nothing that nobody asked then.
    pub from_record: bool,
    /// The tags of each image that is followed, or why they could not be had, in words.
    pub images: BTreeMap<ImageName, Result<Arc<ImageTags>, String>>,
    /// What the signatures that were asked for say, or why they could not be had, in words.
    pub signatures: BTreeMap<SignatureWant, Result<SignatureVerdict, String>>,
    /// Facts that were asked for and could not be had, with the reason in words.
    pub failed: BTreeMap<Want, String>,
    /// Lists that lack what they had in an earlier pass, in words.
    pub losses: BTreeMap<ImageName, String>,
    /// What environments have run, of the images about which somebody asked; or why history could not be read.
    pub pasts: BTreeMap<(EnvironmentName, ImageName), Result<Past, String>>,
    /// Environments of which a file could not be read or understood, with the file and the reason in words.
    pub half_known: BTreeMap<EnvironmentName, String>,
    /// Rows for what failed on branches beside the base.
    pub troubles: Vec<Trouble>,
    /// Rows for branches that are not at hand.
    pub absent: Vec<Skipped>,
    /// What people hold, as the file says.
    pub holds: Vec<Hold>,
    /// What the operator's sources answered to what gates asked, or why they did not, in words.
    pub answers: BTreeMap<SourceQuestion, Result<Answer, String>>,
    /// The first-parent line of each environment's branch, newest first, as far as history was read.
    pub lines: BTreeMap<EnvironmentName, Arc<[CommitId]>>,
    /// When each of those commits was made at the latest, as the committer times of it and of those above it tell.
    pub made: BTreeMap<EnvironmentName, Arc<[Timestamp]>>,
    /// Whether there is a forge that can be asked at all.
    pub has_forge: bool,
    /// What was said of commits of this repository.
    pub reports: Reports,
    /// What was asked for that.
    pub inquiries: Box<Inquiries>,
    /// The environments of other repositories that come before one of this one, by their names here, as far as they
    /// could be looked at; `half_known` says of the others why not.
    pub elsewhere: BTreeMap<EnvironmentName, Elsewhere>,
    /// What was said of commits of other repositories, by the repository's URL.
    pub reports_elsewhere: BTreeMap<Arc<str>, Reports>,
    /// The newest commits of the base and of the branches beside it, as far as they are known.
    pub tips: Vec<CommitId>,
    /// Who approves the open pull request of an environment and group, where somebody asked; or why it could not be had.
    pub approvals: BTreeMap<(EnvironmentName, String), Result<Approvals, String>>,
    /// The pull requests, where they were listed already.
    pub pull_requests: Option<Listing>,
    /// Images that the source does not know at all (absent from a snapshot): skipped, not failed.
    pub unknown: BTreeSet<ImageName>,
}

/// What was answered in a pass, and need not be asked for again when the pass decides anew.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    reports: Reports,
    reports_elsewhere: BTreeMap<Arc<str>, Reports>,
    inquiries: Box<Inquiries>,
    answers: BTreeMap<SourceQuestion, Result<Answer, String>>,
    approvals: BTreeMap<(EnvironmentName, String), Result<Approvals, String>>,
}

impl Heard {
    /// Returns an observation that knows it already, and nothing else.
    pub fn known(&self) -> Observation {
        let Self { reports, reports_elsewhere, inquiries, answers, approvals } = self.clone();
        Observation { reports, reports_elsewhere, inquiries, answers, approvals, ..Observation::default() }
    }
}

impl Observation {
    /// Returns the places of some sites of one image, as history tells them apart.
    pub fn spots(&self, sites: &[usize]) -> BTreeSet<Spot> {
        site::spots(&self.sites, sites).into_values().collect()
    }

    /// Returns what was answered.
    pub fn heard(&self) -> Heard {
        Heard {
            reports: self.reports.clone(),
            reports_elsewhere: self.reports_elsewhere.clone(),
            inquiries: self.inquiries.clone(),
            answers: self.answers.clone(),
            approvals: self.approvals.clone(),
        }
    }

    /// Returns the first-parent line of an environment's branch, newest first, as far as it was read.
    pub fn line_of(&self, environment: &EnvironmentName) -> &[CommitId] {
        self.lines.get(environment).map(|line| &**line).unwrap_or_default()
    }

    /// Returns the commits of a stretch of an environment's line that may have been there at a moment: all but the newest that
    /// were made later.
    pub fn there_by(
        &self,
        environment: &EnvironmentName,
        mut stretch: RangeInclusive<usize>,
        moment: Timestamp,
    ) -> RangeInclusive<usize> {
        let made = self.made.get(environment).map(|made| &**made).unwrap_or_default();
        let was_there = |at: &usize| made.get(*at).is_none_or(|made| *made <= moment);
        let end = *stretch.end();
        stretch.find(was_there).unwrap_or(end)..=end
    }

    /// Returns the URL of the repository that an environment is of; `None` for this one's own.
    pub fn repository_of(&self, environment: &EnvironmentName) -> Option<&Arc<str>> {
        self.elsewhere.get(environment).map(|elsewhere| &elsewhere.repository)
    }

    /// Returns what was said of the commits of a repository; `None` is this one.
    pub fn reports_of(&self, repository: Option<&Arc<str>>) -> &Reports {
        match repository {
            None => &self.reports,
            Some(repository) => self.reports_elsewhere.get(repository).unwrap_or(&NO_REPORTS),
        }
    }

    /// Returns what people hold, here and in the environments of other repositories that come before.
    pub fn all_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().chain(self.elsewhere.values().flat_map(|elsewhere| &elsewhere.holds))
    }
}
