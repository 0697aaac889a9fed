//! One pass: observe, decide, promote, edit, publish. The only place where the stages meet.
//!
//! [`plan`] is the pass up to the last verb and changes nothing; [`run::run`] publishes what it gives, and
//! [`update`] writes it into a working tree. Decides nothing itself.

pub mod check;
pub mod migrate;
pub mod registries;
pub mod report;
pub mod run;
pub mod setup;
mod transport;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use crate::cache::Cache;
use crate::config::repository::Repository;
use crate::decide::questions::{self, Followed};
use crate::manifest::{Surroundings, layers};
use crate::model::change::ChangeSet;
use crate::model::commit::CommitId;
use crate::model::decision::{Decided, Decision, Verdict};
use crate::model::environment::EnvironmentName;
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::outcome::{Outcome, ScanOutcome, ScannedReference, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::model::site::{PassedOver, Site};
use crate::model::usage::Usage;
use crate::observe::files::Files;
use crate::observe::scan::Scanned;
use crate::promote::Promoted;
use crate::registry::TagSource;
use crate::{decide, edit, git, manifest, observe, promote, publish};

/// How many times decisions may ask for further facts before what is still missing counts as unknown.
const MAX_ROUNDS: usize = 16;

/// Why a pass could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The files could not be listed.
    #[error("{0}")]
    Files(String),
    /// A configuration file has faults.
    #[error("the configuration has faults")]
    Configuration(#[from] crate::config::fault::Faults),
    /// There is no configuration, and this command needs one.
    #[error("{0} has no .tagboat.yaml: `tagboat init` writes one")]
    NotConfigured(String),
    /// Git could not do it.
    #[error(transparent)]
    Git(#[from] git::GitError),
}

/// Which work a pass is busy with, for progress bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Looking into files.
    Scanning,
    /// Asking registries: answers so far, and all.
    Asking(usize, usize),
    /// Fetching from the remote or pushing to it.
    Git,
}

/// Everything that a pass needs to look at the world.
pub struct Inputs<'a> {
    /// What is followed, and how.
    pub config: &'a Repository,
    /// The files.
    pub files: &'a dyn Files,
    /// The commit that they are of, unless they are a working tree's.
    pub base: Option<CommitId>,
    /// Where tags come from.
    pub source: &'a dyn TagSource,
    /// What earlier passes left.
    pub cache: &'a Cache,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// The moment that counts.
    pub now: Timestamp,
    /// The one image that is looked at, where it is not all.
    pub only: Option<&'a ImageName>,
    /// Told what goes on.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// A pass stopped before it acts: everything seen, decided and edited.
#[derive(Debug, Default)]
pub struct Planned {
    /// What was seen.
    pub observation: Observation,
    /// What was decided, and what may move.
    pub promoted: Promoted,
    /// The edits of each environment, in the order of the environments.
    pub changes: Vec<(EnvironmentName, ChangeSet)>,
    /// What registries were asked for it.
    pub usage: Usage,
}

/// Observes, decides, promotes and edits; changes nothing.
///
/// # Errors
///
/// [`PassError`] when there is nothing to work on; the failure of a single target is a row of the outcome.
pub async fn plan(inputs: &Inputs<'_>) -> Result<Planned, PassError> {
    let asked = Asked::begin(inputs.source);
    let mut planned = round(inputs).await?;
    planned.usage = asked.end();
    Ok(planned)
}

/// Counts what one pass asks registries.
struct Asked<'a> {
    source: &'a dyn TagSource,
    before: Usage,
}

impl<'a> Asked<'a> {
    /// Begins a pass.
    fn begin(source: &'a dyn TagSource) -> Self {
        source.begin_pass();
        Self { source, before: source.usage() }
    }

    /// Ends it: logs a line for each registry that was asked, and returns the numbers.
    fn end(self) -> Usage {
        let usage = self.source.usage().since(&self.before);
        for (registry, usage) in &usage.0 {
            tracing::info!(
                registry,
                lists = usage.lists,
                heads = usage.heads,
                manifests = usage.manifests,
                blobs = usage.blobs,
                tokens = usage.tokens,
                others = usage.others,
                cached = usage.cached,
                throttled = usage.throttled,
                retries = usage.retries,
                waited_ms = u64::try_from(usage.waited.as_millis()).unwrap_or(u64::MAX),
                bytes = usage.bytes,
                limit = usage.limit.and_then(|told| told.limit),
                remaining = usage.limit.map(|told| told.remaining),
                "asked"
            );
        }
        usage
    }
}

/// Plans once; a pass that moves its base branch plans several times.
async fn round(inputs: &Inputs<'_>) -> Result<Planned, PassError> {
    let mut stages = Stages::start();
    let scanned = look(inputs)?;
    stages.end("looked into the files");
    let (observation, decisions) =
        settle(inputs, scanned.sites, scanned.passed_over, &scanned.files, &mut stages).await;
    stages.end("decided");
    let mut promoted = promote::promote(&observation, decisions, &inputs.config.environments, &inputs.config.groups);
    let changes = edits(inputs, &observation.sites, &scanned.surroundings, &promoted.proposals);
    wait_for_pull_requests(&mut promoted.proposals);
    stages.end("promoted and edited");
    Ok(Planned { observation, promoted, changes, usage: Usage::default() })
}

/// Logs how long each stage of a pass took.
struct Stages(Instant);

impl Stages {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn end(&mut self, what: &str) {
        let milliseconds = self.0.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(milliseconds = (milliseconds * 10.0).round() / 10.0, "{what}");
        self.0 = Instant::now();
    }
}

/// Finds every reference, and refuses files that two environments claim.
fn look(inputs: &Inputs<'_>) -> Result<Scanned, PassError> {
    (inputs.progress)(Progress::Scanning);
    let scanned = observe::scan::scan(inputs.files, &inputs.config.formats, inputs.limits, inputs.cache)
        .map_err(PassError::Files)?;
    refuse_overlap(inputs.config, &scanned)?;
    Ok(scanned)
}

/// Refuses files that two environments claim.
fn refuse_overlap(config: &Repository, scanned: &Scanned) -> Result<(), PassError> {
    let environments = &config.environments;
    if environments.0.len() < 2 {
        return Ok(());
    }
    for file in &scanned.files {
        let mut claiming = environments.claiming(file.as_str());
        if let (Some(one), Some(other)) = (claiming.next(), claiming.next()) {
            let message = format!("{file} belongs to two environments, `{}` and `{}`", one.name, other.name);
            let hint = "narrow the `files` of one of them";
            return Err(PassError::Configuration(config.fault_of(other, message, hint).into()));
        }
    }
    Ok(())
}

/// Asks for tags, then decides, until no decision lacks a fact that could be had.
async fn settle(
    inputs: &Inputs<'_>,
    sites: Vec<Site>,
    passed_over: Vec<PassedOver>,
    files: &[RepoPath],
    stages: &mut Stages,
) -> (Observation, Vec<Decision>) {
    let (now, base) = (inputs.now, inputs.base.clone());
    let mut observation = Observation { now, base, sites, passed_over, ..Observation::default() };
    let mut questions = questions::questions(&observation, &inputs.config.rules, &inputs.config.environments);
    questions.retain(|question| inputs.only.is_none_or(|only| question.image == *only));
    let answered = |done, all| (inputs.progress)(Progress::Asking(done, all));
    observe::tags::ask(&mut observation, &questions, inputs.source, inputs.cache, &answered).await;
    stages.end("asked for the tags");
    for _ in 0..MAX_ROUNDS {
        let Decided { decisions, wants, signatures } = decide::decide(&observation, &questions);
        if wants.is_empty() && signatures.is_empty() {
            return (observation, decisions);
        }
        observe::tags::facts(&mut observation, wants, inputs.source, inputs.cache).await;
        observe::signatures::ask(&mut observation, signatures, inputs.files, files, inputs.source).await;
    }
    let mut decided = decide::decide(&observation, &questions);
    let mut lacking: BTreeSet<ImageName> = decided.wants.into_iter().map(|want| want.image).collect();
    lacking.extend(decided.signatures.into_iter().map(|want| want.image));
    for decision in &mut decided.decisions {
        if lacking.contains(&decision.question.image) {
            let reason = format!("needs facts about more tags than {MAX_ROUNDS} rounds of questions gave");
            decision.verdict = Verdict::Undecided(reason);
        }
    }
    (observation, decided.decisions)
}

/// Edits the files of every proposal that would be written to Git: on the base, or on a head branch.
fn edits(
    inputs: &Inputs<'_>,
    sites: &[Site],
    surroundings: &Surroundings,
    proposals: &[Proposal],
) -> Vec<(EnvironmentName, ChangeSet)> {
    let of = |environment: &EnvironmentName| -> Vec<&Proposal> {
        proposals.iter().filter(|proposal| proposal.environment == *environment && is_written(proposal)).collect()
    };
    let read = |file: &_| inputs.files.read(file, inputs.limits.max_bytes).map_err(|reason| reason.to_string());
    inputs
        .config
        .environments
        .0
        .iter()
        .map(|environment| (environment.name.clone(), of(&environment.name)))
        .filter(|(_, proposals)| !proposals.is_empty())
        .map(|(name, proposals)| {
            let changes = edit::edit(sites, &proposals, surroundings, inputs.limits, &read);
            (name, changes)
        })
        .collect()
}

/// Whether a proposal's bytes are written: to the base, to a head branch, or by `update` into files.
fn is_written(proposal: &Proposal) -> bool {
    matches!(proposal.action, Action::Committed | Action::Opened)
}

/// Says of proposals that would be pull requests that this version opens none.
fn wait_for_pull_requests(proposals: &mut [Proposal]) {
    for proposal in proposals.iter_mut().filter(|proposal| proposal.action == Action::Opened) {
        let word = proposal.publish.as_str();
        proposal.action = Action::Waiting;
        proposal.reason =
            Some(format!("`publish: {word}` does not act in this version: `tagboat update` writes it to files"));
    }
}

/// Scans only, and says of each reference who follows it.
///
/// # Errors
///
/// [`PassError`] when the files could not be listed, or two environments claim one.
pub fn scan(
    config: &Repository,
    files: &dyn Files,
    cache: &Cache,
    limits: &manifest::Limits,
) -> Result<ScanOutcome, PassError> {
    let scanned = observe::scan::scan(files, &config.formats, limits, cache).map_err(PassError::Files)?;
    refuse_overlap(config, &scanned)?;
    let notes = layers::deciders(&scanned.layers, &scanned.sites);
    let reference = |(site, note)| {
        let (policy, skipped) = match questions::follow(&site, &config.rules, &config.environments) {
            Followed::Yes { policy, .. } => (Some(policy.to_string()), None),
            Followed::No(reason) => (None, Some(reason)),
        };
        let environment = config.environments.of(site.file.as_str()).map(|environment| environment.name.clone());
        ScannedReference { site, environment, policy, skipped, note }
    };
    let references = scanned.sites.into_iter().zip(notes).map(reference).collect();
    Ok(ScanOutcome { references, passed_over: scanned.passed_over, errors: Vec::new() })
}

/// Writes what was planned into a working tree, file by file.
pub fn update(root: &Path, planned: Planned, config: &Repository) -> Outcome {
    let mut outcome = report::outcome(planned, config);
    let mut failed = Vec::new();
    for file in &outcome.files {
        if let Err(error) = publish::worktree::write(root, file) {
            let reason = match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            };
            let what = file.file.to_string();
            failed.push(Trouble { what, file: Some(file.file.clone()), position: None, reason });
        }
    }
    let written = |file: &_| !failed.iter().any(|trouble| trouble.file.as_ref() == Some(file));
    outcome.changes.retain(|change| written(&change.file));
    outcome.files.retain(|file| written(&file.file));
    outcome.errors.extend(failed);
    outcome
}
