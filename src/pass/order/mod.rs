//! What a person orders: back to a version before, or to a version at once. One commit, on record in Git.
//!
//! Entry point: [`follow`]. Every try stands on whatever the branch has become; nothing is on it when it fails.

pub(super) mod anew;
mod meant;
mod promote;
pub(super) mod publish;
pub(super) mod rollback;
pub mod standing;
pub(super) mod there;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cache::Cache;
use crate::config::holds::{self, EditError, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::edit;
use crate::git::{GitError, Remote};
use crate::manifest;
use crate::model::change::FileEdit;
use crate::model::environment::{BranchName, Environment, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::gate::GateName;
use crate::model::hold::Hold;
use crate::model::image::{Ambiguous, Tag};
use crate::model::observation::{Heard, Observation};
use crate::model::outcome::{Outcome, Skipped};
use crate::model::proposal::{Action, Move, Proposal};
use crate::observe::files::Files;
use crate::observe::history::BranchPast;
use crate::pass::elsewhere::{self, Neighbours};
use crate::pass::forges::can_sign;
use crate::pass::grounds::{self, Seen};
use crate::pass::hold;
use crate::pass::order::publish::commit_to;
use crate::pass::propose::Publishing;
use crate::pass::run::{MAX_RACES, fetch, fetch_branches, read_config};
use crate::pass::{Detail, Editing, Inputs, MAX_HOLDS, PassError, Progress, Turn};
use crate::publish::apply::Applied;
use crate::publish::held::{self, HoldChange};
use crate::publish::plan::{OrderNote, ordered_commit};
use crate::registry::TagSource;
use crate::source::Answers;

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Back to a version before, which holds the one that is left.
    Rollback {
        /// The environment.
        environment: EnvironmentName,
        /// An image, or the name of a group.
        what: String,
        /// The tag to go back to; else the version before.
        to: Option<Tag>,
    },
    /// A version, without waiting for what its environment waits for.
    Promote {
        /// The environment.
        environment: EnvironmentName,
        /// An image, or the name of a group.
        what: String,
        /// The tag.
        tag: Tag,
        /// Whether the environments before it need not have run it.
        at_once: bool,
        /// The gates that are not waited for.
        skipped: BTreeSet<GateName>,
    },
}

impl Order {
    /// Refuses what nobody gives a reason for although it needs one, whoever it comes from.
    fn is_given_with(&self, reason: Option<&str>) -> Result<(), OrderError> {
        match self {
            Self::Promote { at_once, skipped, .. } if *at_once || !skipped.is_empty() => {
                let message = "a version that does not wait for what is before it, or for gates, comes with a reason";
                let hint = "say why: it stands in the commit as `Tagboat-Reason`";
                let has_reason = reason.is_some_and(|reason| !reason.trim().is_empty());
                if has_reason { Ok(()) } else { Err(usage(message, hint)) }
            }
            Self::Promote { .. } | Self::Rollback { .. } => Ok(()),
        }
    }

    fn environment(&self) -> &EnvironmentName {
        match self {
            Self::Rollback { environment, .. } | Self::Promote { environment, .. } => environment,
        }
    }
}

/// Where and by whom an order is given.
pub struct Ordering<'a> {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// The branch.
    pub branch: &'a BranchName,
    /// A configuration that stands in for the one on the branch.
    pub config: Option<Repository>,
    /// Opens the other repositories that the configuration names.
    pub neighbours: &'a Neighbours<'a>,
    /// Where tags come from.
    pub source: &'a dyn TagSource,
    /// What gates may ask.
    pub sources: &'a dyn Answers,
    /// What earlier passes left.
    pub cache: &'a Cache,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// The moment.
    pub now: Timestamp,
    /// Where pull requests are made.
    pub publishing: Publishing,
    /// How it is published, where not as the environment says.
    pub publish: Option<Publish>,
    /// Who orders it.
    pub by: Option<String>,
    /// Why, on one line.
    pub reason: Option<String>,
    /// Told what goes on.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Why an order could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The pass could not begin.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The file of holds could not be edited.
    #[error(transparent)]
    Edit(EditError),
    /// It names what there is not, or in a way that cannot be right; what to do stands with it.
    #[error("{message}")]
    Usage {
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Several images may be meant.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// It may not be followed as things stand; what to do stands with it.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something that it needs could not be had.
    #[error("{0}")]
    Failed(String),
    /// Somebody else pushed, again and again.
    #[error("the branch moved each time: try again when it is calmer")]
    Races,
}

impl From<GitError> for OrderError {
    fn from(error: GitError) -> Self {
        Self::Pass(PassError::Git(error))
    }
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> OrderError {
    OrderError::Usage { message: message.into(), hint: Some(hint.into()) }
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> OrderError {
    OrderError::Refused { message: message.into(), hint: Some(hint.into()) }
}

/// What an order comes to on one state of the branch.
struct Settled {
    /// What moves; empty where nothing is left to do.
    moves: Vec<Move>,
    /// The group of the proposal.
    group: String,
    /// What is held from then on.
    holds: Vec<Hold>,
    /// The gates that were judged.
    gates: Vec<crate::model::gate::Gate>,
    /// What a person should know.
    notes: Vec<Skipped>,
    /// What of that the commit tells as well.
    recorded: Vec<String>,
}

/// One state of the branch.
struct Ground<'a> {
    inputs: &'a Inputs<'a>,
    observation: Observation,
    /// The branches, the base first.
    seen: Vec<Seen<'a>>,
    environment: &'a Environment,
}

/// Returns the command that would give an order again which a commit's message tells; `None` where it tells of none that a person gave.
pub(super) fn command(message: &str, group: &str, publish: Publish) -> Option<String> {
    let words = words::Words::read(message).filter(|words| words.failed.is_none())?;
    Some(words.command(group, publish))
}

/// Returns what goes away by a head commit without an entry in the file of holds: digests of tags that stay, which history remembers
/// once it is merged.
pub(super) fn digests_left(message: &str) -> Vec<Hold> {
    let Some(words) =
        words::Words::read(message).filter(|words| words.order == crate::model::history::Ordered::Rollback)
    else {
        return Vec::new();
    };
    let said = words.failed.or(words.reason).unwrap_or("rolled back");
    let left = words.steps.iter().filter_map(|(image, from, to)| {
        let from = words::value(from)?;
        let (tag, digest) = (from.tag.filter(|tag| to.tag.as_ref() == Some(tag))?, from.digest?);
        Some(Hold {
            environment: Some(words.environment.clone()),
            image: image.clone(),
            tag,
            until: None,
            by: words.by.map(str::to_owned),
            reason: Some(format!("{digest} alone: {said}")),
            digest: Some(digest),
        })
    });
    left.collect()
}

/// Follows an order on a branch.
///
/// # Errors
///
/// [`OrderError`]; nothing of it is on the branch then.
pub async fn follow(given: &Ordering<'_>, order: &Order) -> Result<Outcome, OrderError> {
    order.is_given_with(given.reason.as_deref())?;
    for _ in 0..MAX_RACES {
        if let Some(outcome) = once(given, order).await? {
            return Ok(outcome);
        }
        tracing::info!("the branch moved meanwhile; trying again on its new tip");
    }
    Err(OrderError::Races)
}

/// The longest reason, in characters.
const LONGEST_REASON: usize = 1_000;

/// Puts a reason on one line: it becomes a trailer.
pub fn one_line(reason: &str) -> String {
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    reason.chars().take(LONGEST_REASON).map(plain).collect::<String>().trim().to_owned()
}

/// Tries once; `None` where somebody else was faster.
async fn once(given: &Ordering<'_>, order: &Order) -> Result<Option<Outcome>, OrderError> {
    (given.progress)(Progress::Git);
    let (base, files) = fetch(&given.remote, given.branch).await?;
    let mut config = match &given.config {
        Some(config) => config.clone(),
        None => read_config(&files, given.branch)?,
    };
    config.environments.settle_on(given.branch);
    let environment = known_environment(&config, order.environment())?;
    can_sign(&given.publishing, &*given.remote, config.commit.sign)
        .map_err(|reason| OrderError::Failed(format!("nothing is pushed unsigned: {reason}")))?;
    let past = BranchPast { remote: &*given.remote, branch: given.branch, tip: &base };
    let branches = fetch_branches(&given.remote, &config).await?;
    let others = elsewhere::view(&config, given.neighbours).await;
    let mut awaited = hold::awaited(&given.remote, &given.publishing, &config, (given.branch, &base), None).await?;
    elsewhere::awaited(&config, &others, &mut awaited).await;
    let inputs = Inputs {
        config: &config,
        files: &files,
        base: Some(base.clone()),
        past: Some(&past),
        branches: &branches,
        others: &others,
        source: given.source,
        sources: given.sources,
        cache: given.cache,
        limits: given.limits,
        now: given.now,
        forge: given.publishing.asked(given.branch),
        editing: Editing::Together,
        detail: Detail::EveryTag,
        only: &[],
        awaited,
        heard: Heard::default(),
        progress: given.progress,
        turn: &Turn::default(),
    };
    let (observation, seen) = crate::pass::look(&inputs)?;
    if let Some(reason) = observation.half_known.get(&environment.name).filter(|_| environment.branch.is_some()) {
        return Err(OrderError::Failed(reason.clone()));
    }
    let mut ground = Ground { inputs: &inputs, observation, seen, environment };
    let settled = match order {
        Order::Rollback { what, to, .. } => rollback::settle(given, &mut ground, what, to.as_ref()).await?,
        Order::Promote { what, tag, at_once, skipped, .. } => {
            let stands = match published(given, order, environment) {
                Publish::Commit => false,
                Publish::PullRequest => true,
                Publish::AutoMerge => given.publishing.forge().has_pull_requests(),
            };
            promote::settle(&mut ground, (what, tag), *at_once, skipped, stands).await?
        }
    };
    if settled.moves.is_empty() {
        let holds = Some(ground.observation.holds);
        return Ok(Some(Outcome { skipped: settled.notes, holds, ..Outcome::default() }));
    }
    let publish = published(given, order, environment);
    let note = note(given, order, &settled, publish);
    let proposal = Proposal {
        environment: environment.name.clone(),
        group: settled.group,
        publish,
        branch: None,
        url: None,
        moves: settled.moves,
        gates: settled.gates,
        action: if publish == Publish::Commit { Action::Committed } else { Action::Opened },
        reason: None,
        earliest: None,
    };
    let on = grounds::of(&ground.seen, &config, &environment.name)
        .ok_or_else(|| OrderError::Failed("its branch could not be read".to_owned()))?;
    let read = |file: &_| on.files.read(file, given.limits.max_bytes).map_err(|reason| reason.to_string());
    let edited = edit::edit(&ground.observation.sites, &[&proposal], &on.surroundings, given.limits, &read);
    if let Some(refusal) = edited.refused.first() {
        return Err(OrderError::Failed(format!("{}: {}", refusal.file, refusal.reason)));
    }
    let mut all = edited.files.clone();
    let (held, mut own) = add_holds(read_holds(ground.inputs.files)?, &note.holds)?;
    let tip = match &environment.branch {
        None => {
            all.extend(own.take());
            (given.branch, &base)
        }
        Some(branch) => {
            let viewed = branches.get(branch).and_then(|viewed| viewed.as_ref().ok()?.base.as_ref());
            (branch, viewed.ok_or_else(|| OrderError::Failed(format!("the branch {branch} could not be read")))?)
        }
    };
    // Holds live on the base. They come first: what is held and still runs does no harm, what runs unheld comes back.
    let (mut commits, mut proposed) = (Vec::new(), Vec::new());
    if let Some(own) = own {
        let change = HoldChange { held: note.holds.clone(), ..HoldChange::default() };
        let commit = held::commit(environment.name.clone(), &change, own, &config.commit);
        let on = (given.branch, &base);
        let applied = commit_to(&given.remote, &given.publishing, &config, on, commit, given.now).await;
        match applied.map_err(|error| OrderError::Failed(error.to_string()))? {
            Applied::Landed(landed) => commits = landed,
            Applied::Moved => return Ok(None),
            // What is proposed counts as held from then on.
            Applied::Forbidden(words) => proposed = propose_holds(given, note.holds.clone(), &words).await?,
        }
    }
    let commit = ordered_commit(&environment.name, &edited.changes, all.clone(), &config.commit, &note);
    let mut outcome = Outcome {
        changes: edited.changes,
        files: all,
        proposals: vec![proposal],
        skipped: settled.notes,
        commits,
        holds: Some(held),
        ..Outcome::default()
    };
    let landed = publish::publish(given, &config, tip, commit, &mut outcome).await?;
    if publish != given.publish.unwrap_or(environment.publish)
        && let Some(proposal) = outcome.proposals.first_mut()
    {
        proposal.reason.get_or_insert_with(|| BY_A_PERSON.to_owned());
    }
    outcome.proposals.extend(proposed);
    Ok(landed.then_some(outcome))
}

/// Proposes holds to a base that takes no direct push.
async fn propose_holds(given: &Ordering<'_>, holds: Vec<Hold>, words: &str) -> Result<Vec<Proposal>, OrderError> {
    let holding = hold::Holding {
        remote: Arc::clone(&given.remote),
        branch: given.branch,
        config: given.config.clone(),
        publishing: given.publishing.clone(),
        now: given.now,
    };
    hold::follow_all(&holding, holds).await.map_err(|error| {
        let message = format!("the remote refuses the push to {}: {words}; and {error}", given.branch);
        refused(message, "the hold belongs on the base branch: bring it there by a pull request of your own first")
    })
}

fn known_environment<'a>(config: &'a Repository, name: &EnvironmentName) -> Result<&'a Environment, OrderError> {
    config.environments.named(name).ok_or_else(|| {
        let known: Vec<&str> = config.environments.0.iter().map(|environment| environment.name.as_str()).collect();
        usage(format!("there is no environment `{name}`"), format!("there are: {}", known.join(", ")))
    })
}

/// Why what was to be merged by itself is not.
const BY_A_PERSON: &str =
    "a person merges it, since nobody can tell who pushes a branch; `--publish commit` brings it at once";

/// Returns how an order is published. A forge's pull request is merged by a later pass, which cannot know who pushed the branch:
/// what goes back or past a gate is a person's to merge there.
fn published(given: &Ordering<'_>, order: &Order, environment: &Environment) -> Publish {
    let is_bold = match order {
        Order::Rollback { .. } => true,
        Order::Promote { skipped, .. } => !skipped.is_empty(),
    };
    match given.publish.unwrap_or(environment.publish) {
        Publish::AutoMerge if is_bold && given.publishing.forge().has_pull_requests() => Publish::PullRequest,
        publish => publish,
    }
}

fn note(given: &Ordering<'_>, order: &Order, settled: &Settled, publish: Publish) -> OrderNote {
    let (word, skipped) = match order {
        Order::Rollback { .. } => (crate::model::history::Ordered::Rollback, BTreeSet::new()),
        Order::Promote { skipped, .. } => (crate::model::history::Ordered::Promote, skipped.clone()),
    };
    let by = given.by.as_deref().map(one_line).filter(|by| !by.is_empty());
    let (holds, reason) = (settled.holds.clone(), given.reason.clone());
    let notes = settled.recorded.clone();
    OrderNote { order: word, holds, skipped, publish, by, reason, failed: None, notes }
}

/// Reads the file of holds; nothing where there is none.
pub(super) fn read_holds(files: &dyn Files) -> Result<Vec<u8>, OrderError> {
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let before = files.read_if_there(&path, MAX_HOLDS).map_err(|reason| unusable(&reason.to_string()))?;
    Ok(before.unwrap_or_default())
}

/// Adds what is held to the file of holds, and returns every hold that stands then, and the edit, where there is one.
pub(super) fn add_holds(before: Vec<u8>, added: &[Hold]) -> Result<(Vec<Hold>, Option<FileEdit>), OrderError> {
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let text = String::from_utf8(before.clone()).map_err(|_not_text| unusable("it is not UTF-8"))?;
    let edit = |error| match error {
        EditError::Faults(faults) => OrderError::Pass(PassError::Configuration(faults)),
        form @ EditError::Form(_) => OrderError::Edit(form),
    };
    let mut after = text.clone();
    for hold in added {
        let same = |other: &Hold| {
            (&other.image, &other.tag, &other.environment) == (&hold.image, &hold.tag, &hold.environment)
        };
        after = holds::release(&after, same).map_err(edit)?.0;
        after = holds::add(&after, hold).map_err(edit)?;
    }
    let held = holds::parse(HOLDS_FILE, after.as_bytes()).map_err(PassError::Configuration)?;
    let edit = (after != text).then(|| FileEdit { file: path, before, after: after.into_bytes() });
    Ok((held, edit))
}

fn unusable(reason: &str) -> OrderError {
    OrderError::Pass(PassError::Files(format!("{HOLDS_FILE}: {reason}")))
}
