//! Holding and releasing versions: the file of holds is edited and committed, on whatever the branch has become; or proposed,
//! where the branch takes no direct push.
//!
//! Entry points: [`follow`], `awaited` for what is proposed and counts already, `keep` for what becomes of its branch, and
//! `resolved` for what entries mean.

mod awaited;
mod keep;
mod named;
mod own;
mod proposed;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::holds::{self, EditError, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::git::{GitError, Remote};
use crate::manifest::Limits;
use crate::model::change::FileEdit;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::hold::Hold;
use crate::model::image::{Ambiguous, ImageName, Tag, Written};
use crate::model::outcome::Outcome;
use crate::model::policy::Policy;
use crate::model::proposal::Proposal;
use crate::model::site::Marker;
use crate::observe::files::Files;
use crate::observe::scan;
use crate::observe::tree::CommitFiles;
use crate::pass::hold::proposed::{Place, Proposed, Standing, key};
use crate::pass::order::publish::commit_to;
use crate::pass::propose::Publishing;
use crate::pass::view::Branches;
use crate::pass::{MAX_HOLDS, PassError, run, setup};
use crate::policy::spelling::is_one_version;
use crate::publish::apply::Applied;
use crate::publish::held::{self, HoldChange};
use crate::publish::making::MakeError;

pub use crate::pass::hold::awaited::Awaited;
pub(in crate::pass) use crate::pass::hold::awaited::awaited;
pub(in crate::pass) use crate::pass::hold::keep::keep;
pub(in crate::pass) use crate::pass::hold::named::{candidates, resolved};
pub use crate::pass::hold::proposed::ProposeError;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Hold a version.
    Hold {
        /// The image.
        image: Written,
        /// The tag.
        tag: Tag,
        /// Where, and in every environment after that; `None` for everywhere.
        environment: Option<EnvironmentName>,
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// Who.
        by: Option<String>,
        /// Why, on one line.
        reason: Option<String>,
    },
    /// Release the entries of an image: of one tag or all, of one environment or all.
    Release {
        /// The image.
        image: Written,
        /// The tag.
        tag: Option<Tag>,
        /// The environment.
        environment: Option<EnvironmentName>,
        /// Who.
        by: Option<String>,
        /// Why, on one line.
        reason: Option<String>,
    },
}

impl Order {
    fn image(&self) -> &Written {
        match self {
            Self::Hold { image, .. } | Self::Release { image, .. } => image,
        }
    }

    fn environment(&self) -> Option<&EnvironmentName> {
        match self {
            Self::Hold { environment, .. } | Self::Release { environment, .. } => environment.as_ref(),
        }
    }
}

/// Where an order is given.
pub struct Holding<'a> {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// The branch.
    pub branch: &'a BranchName,
    /// A configuration that stands in for the one on the branch.
    pub config: Option<Repository>,
    /// Where pull requests are made.
    pub publishing: Publishing,
    /// The moment.
    pub now: Timestamp,
}

/// Why an order could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The pass could not begin.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The file could not be edited.
    #[error(transparent)]
    Edit(EditError),
    /// The configuration has no such environment.
    #[error("there is no environment `{name}`: there are {known}")]
    NoEnvironment {
        /// What was asked for.
        name: EnvironmentName,
        /// What there is.
        known: String,
    },
    /// Nothing in the files is that image.
    #[error("no manifest has {image}, so holding a version of it would hold nothing: {known}")]
    NoImage {
        /// What was asked for.
        image: ImageName,
        /// What may be meant, in words.
        known: String,
    },
    /// Several images may be meant.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// Nothing holds what was to be released.
    #[error("nothing holds {what}: {advice}")]
    NotHeld {
        /// The image, its version and the environment.
        what: String,
        /// What does hold it, or where to look.
        advice: String,
    },
    /// The hold would have ended before it began.
    #[error("the hold would end at {0}, which is over: name a later time, or leave `--until` out")]
    Over(Timestamp),
    /// Nobody would know why.
    #[error("a hold says why: give a reason")]
    NoReason,
    /// The branch refuses the push, and there is nowhere to propose it.
    #[error("nothing is held by this: the remote refuses the push: {words}; and {reason}")]
    Forbidden {
        /// The remote's words.
        words: String,
        /// Why there is no pull request.
        reason: String,
    },
    /// The branch refuses the push, and it could not be proposed either.
    #[error("nothing is held by this: {0}")]
    Propose(ProposeError),
    /// The base holds it no more, and what is proposed does.
    #[error("it is released on the branch, and {head} still proposes to hold it, which counts: {why}")]
    StillHeld {
        /// The head branch.
        head: BranchName,
        /// Why it could not be released there.
        why: ProposeError,
    },
    /// The commit could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// Somebody else pushed, again and again.
    #[error("the branch moved each time: try again when it is calmer")]
    Races,
}

impl HoldError {
    /// Whether it was called in a way that cannot be right, whatever stands on the branch.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoEnvironment { .. }
                | Self::NoImage { .. }
                | Self::NotHeld { .. }
                | Self::Over(_)
                | Self::NoReason
                | Self::Ambiguous(_)
        )
    }
}

impl From<ProposeError> for HoldError {
    fn from(error: ProposeError) -> Self {
        Self::Propose(error)
    }
}

impl From<GitError> for HoldError {
    fn from(error: GitError) -> Self {
        Self::Pass(PassError::Git(error))
    }
}

/// Follows an order on a branch, or proposes it where the branch takes no direct push.
///
/// # Errors
///
/// [`HoldError`]; nothing is held or released by it then.
pub async fn follow(given: &Holding<'_>, order: &Order) -> Result<Outcome, HoldError> {
    if let Order::Hold { until: Some(until), .. } = order
        && *until <= given.now
    {
        return Err(HoldError::Over(*until));
    }
    if let Order::Hold { reason: None, .. } = order {
        return Err(HoldError::NoReason);
    }
    for _ in 0..run::MAX_RACES {
        match once(given, order).await {
            Ok(Some(outcome)) => return Ok(outcome),
            Ok(None) | Err(HoldError::Propose(ProposeError::Make(MakeError::Moved(_)))) => {
                tracing::info!("the branch moved meanwhile; trying again on its new tip");
            }
            Err(error) => return Err(error),
        }
    }
    Err(HoldError::Races)
}

/// Holds several versions, and returns the pull request that proposes them where the branch takes no direct push.
///
/// # Errors
///
/// [`HoldError`]; some of them may be held then.
pub(in crate::pass) async fn follow_all(given: &Holding<'_>, holds: Vec<Hold>) -> Result<Vec<Proposal>, HoldError> {
    let mut proposals = Vec::new();
    for Hold { environment, image, tag, digest: _, until, by, reason } in holds {
        let order = Order::Hold { image: image.into(), tag, environment, until, by, reason };
        // Each takes the place of the one before: they stand in one pull request.
        proposals = follow(given, &order).await?.proposals;
    }
    Ok(proposals)
}

/// Tries once; `None` where somebody else was faster.
async fn once(given: &Holding<'_>, order: &Order) -> Result<Option<Outcome>, HoldError> {
    let (base, files) = run::fetch(&given.remote, given.branch).await?;
    let mut config = match &given.config {
        Some(config) => config.clone(),
        None => run::read_config(&files, given.branch)?,
    };
    config.environments.settle_on(given.branch);
    let branches = run::fetch_branches(&given.remote, &config).await?;
    let bytes = held_on(&files)?;
    let text = text_of(&bytes)?;
    let place = Place {
        remote: &given.remote,
        publishing: &given.publishing,
        config: &config,
        branch: given.branch,
        base: &base,
        now: given.now,
    };
    let before = before(place).await?;
    let there = parsed(&text)?;
    let meant =
        meant(order, (&files, &branches), &config, there.iter().chain(before.iter().flat_map(|one| &one.held)))?;
    let edit = |after: String| edit(&bytes, after);
    let refused = match edited(&text, &config, (order, &meant)) {
        Ok((after, _)) if after == text => {
            return Ok(Some(Outcome { holds: Some(there), ..Outcome::default() }));
        }
        Ok((after, change)) => {
            let held = parsed(&after)?;
            let commit = held::commit(change.environment(), &change, edit(after), &config.commit);
            match commit_to(&given.remote, &given.publishing, &config, (given.branch, &base), commit, given.now).await?
            {
                Applied::Landed(commits) => {
                    let mut outcome = Outcome { commits, holds: Some(held), ..Outcome::default() };
                    if let Order::Release { .. } = order {
                        outcome.proposals.extend(released_there(given, &config, (order, &meant)).await?);
                    }
                    return Ok(Some(outcome));
                }
                Applied::Moved => return Ok(None),
                Applied::Forbidden(words) => words,
            }
        }
        // What is only proposed is released there.
        Err(HoldError::NotHeld { .. }) if before.as_ref().is_some_and(|before| !before.held.is_empty()) => {
            String::new()
        }
        Err(HoldError::NotHeld { what, advice }) => {
            if let Some(proposal) = keep::left_behind(place, &text, (order, &meant)).await? {
                return Ok(Some(Outcome { proposals: vec![proposal], holds: Some(there), ..Outcome::default() }));
            }
            let advice = held_by_order(place, (order, &meant)).await?.unwrap_or(advice);
            return Err(HoldError::NotHeld { what, advice });
        }
        Err(error) => return Err(error),
    };
    if let Publishing::Missing(reason) = &given.publishing {
        return Err(HoldError::Forbidden { words: refused, reason: reason.clone() });
    }
    let standing = standing(&text, before.as_ref())?;
    let (after, ordered) = edited(&standing, &config, (order, &meant))?;
    let held = parsed(&after)?;
    let change = change(&there, &held, &ordered);
    let proposal = proposed::propose(place, before.as_ref(), (&change, &ordered), edit(after)).await?;
    Ok(Some(Outcome { proposals: vec![proposal], holds: Some(held), ..Outcome::default() }))
}

/// Releases on the head branch, too, what was released on the base: a head that was squashed into it, or stood beside it,
/// would hold it again.
async fn released_there(
    given: &Holding<'_>,
    config: &Repository,
    (order, meant): (&Order, &Meant),
) -> Result<Option<Proposal>, HoldError> {
    let (base, files) = run::fetch(&given.remote, given.branch).await?;
    let bytes = held_on(&files)?;
    let place = Place {
        remote: &given.remote,
        publishing: &given.publishing,
        config,
        branch: given.branch,
        base: &base,
        now: given.now,
    };
    if let Some(spent) = proposed::seen(place).await?.filter(|seen| seen.is_spent() && seen.is_own) {
        let removed = keep::remove(place, &spent).await;
        return removed.map(Some).map_err(|why| HoldError::StillHeld { head: spent.head.clone(), why });
    }
    let Some(before) = before(place).await?.filter(|before| !before.held.is_empty()) else { return Ok(None) };
    let text = text_of(&bytes)?;
    let (after, ordered) = match edited(&standing(&text, Some(&before))?, config, (order, meant)) {
        Ok(edited) => edited,
        Err(HoldError::NotHeld { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let change = change(&parsed(&text)?, &parsed(&after)?, &ordered);
    let head = before.head.clone();
    let proposal = proposed::propose(place, Some(&before), (&change, &ordered), edit(&bytes, after)).await;
    proposal.map(Some).map_err(|why| HoldError::StillHeld { head, why })
}

/// Reads the file of holds as it is on the base; nothing where there is none.
fn held_on(files: &CommitFiles) -> Result<Vec<u8>, PassError> {
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let bytes = files.read_if_there(&path, MAX_HOLDS);
    Ok(bytes.map_err(|reason| PassError::Files(format!("{HOLDS_FILE}: {reason}")))?.unwrap_or_default())
}

fn text_of(bytes: &[u8]) -> Result<String, PassError> {
    let text = String::from_utf8(bytes.to_vec());
    text.map_err(|_not_text| PassError::Files(format!("{HOLDS_FILE} is not UTF-8")))
}

fn edit(before: &[u8], after: String) -> FileEdit {
    let file = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    FileEdit { file, before: before.to_vec(), after: after.into_bytes() }
}

fn parsed(text: &str) -> Result<Vec<Hold>, HoldError> {
    Ok(holds::parse(HOLDS_FILE, text.as_bytes()).map_err(PassError::Configuration)?)
}

/// Looks at what is proposed already. What a person has closed is proposed no more, though its branch may be left.
async fn before(place: Place<'_>) -> Result<Option<Proposed>, HoldError> {
    let Some(mut before) = proposed::seen(place).await? else { return Ok(None) };
    match proposed::open(place, &before.head).await {
        Ok(Standing::Nothing) => {
            before.held.clear();
            before.released.clear();
        }
        Ok(Standing::Branch | Standing::Open(_)) => {}
        // A hold that can be pushed does not wait for a forge that is down.
        Err(error) => {
            tracing::warn!(%error, head = %before.head, "whether its pull request is open could not be asked");
        }
    }
    Ok(Some(before))
}

/// Returns the file of the base as it is with what is proposed already.
fn standing(text: &str, before: Option<&Proposed>) -> Result<String, HoldError> {
    let mut standing = text.to_owned();
    let Some(before) = before else { return Ok(standing) };
    for hold in &before.released {
        standing = holds::release(&standing, |other| key(other) == key(hold)).map_err(unedited)?.0;
    }
    for hold in &before.held {
        standing = held_once(&standing, hold)?;
    }
    Ok(standing)
}

/// Returns what is different after an edit, with who released it and why.
fn change(before: &[Hold], after: &[Hold], ordered: &HoldChange) -> HoldChange {
    let held: Vec<Hold> = after.iter().filter(|hold| !before.contains(hold)).cloned().collect();
    let is_there = |hold: &Hold| after.iter().any(|other| key(other) == key(hold));
    let released: Vec<Hold> = before.iter().filter(|hold| !is_there(hold)).cloned().collect();
    let of_release = |said: &Option<String>| said.clone().filter(|_| !released.is_empty());
    let (by, reason) = (of_release(&ordered.by), of_release(&ordered.reason));
    HoldChange { held, released, by, reason }
}

fn unedited(error: EditError) -> HoldError {
    match error {
        EditError::Faults(faults) => HoldError::Pass(PassError::Configuration(faults)),
        form @ EditError::Form(_) => HoldError::Edit(form),
    }
}

/// Adds an entry; one that is there already is replaced, with its new reason and time.
fn held_once(text: &str, hold: &Hold) -> Result<String, HoldError> {
    let there = parsed(text)?;
    if there.iter().any(|other| other == hold) && there.iter().filter(|other| key(other) == key(hold)).count() == 1 {
        return Ok(text.to_owned());
    }
    let text = holds::release(text, |other| key(other) == key(hold)).map_err(unedited)?.0;
    holds::add(&text, hold).map_err(unedited)
}

/// Returns the file as ordered, and what that changes.
fn edited(
    text: &str,
    config: &Repository,
    (order, meant): (&Order, &Meant),
) -> Result<(String, HoldChange), HoldError> {
    let image = &meant.image;
    // What stands in the file can be released, also of an environment that has another name by now.
    let is_there = |name: &EnvironmentName| {
        let is_release = matches!(order, Order::Release { .. });
        let held = || holds::parse(HOLDS_FILE, text.as_bytes()).unwrap_or_default();
        is_release && held().iter().any(|hold| hold.environment.as_ref() == Some(name))
    };
    if let Some(name) = order.environment()
        && config.environments.named(name).is_none()
        && !is_there(name)
    {
        let known: Vec<&str> = config.environments.0.iter().map(|environment| environment.name.as_str()).collect();
        return Err(HoldError::NoEnvironment { name: name.clone(), known: known.join(", ") });
    }
    match order {
        Order::Hold { tag, environment, until, by, reason, .. } => {
            let hold = Hold {
                environment: environment.clone(),
                image: image.clone(),
                tag: tag.clone(),
                digest: None,
                until: *until,
                by: by.clone(),
                reason: reason.clone(),
            };
            let after = held_once(text, &hold)?;
            Ok((after, HoldChange { held: vec![hold], ..HoldChange::default() }))
        }
        Order::Release { tag, environment, by, reason, .. } => {
            let is_of_it = |hold: &Hold| meant.names(hold) && tag.as_ref().is_none_or(|tag| meant.is_of(hold, tag));
            let is_meant = |hold: &Hold| {
                is_of_it(hold) && environment.as_ref().is_none_or(|own| hold.environment.as_ref() == Some(own))
            };
            let (after, released) = holds::release(text, is_meant).map_err(unedited)?;
            if released.is_empty() {
                let what = tag.as_ref().map_or_else(|| image.to_string(), |tag| format!("{image}:{tag}"));
                let place = environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
                let others = holds::parse(HOLDS_FILE, text.as_bytes()).unwrap_or_default();
                let others = others.iter().filter(|hold| is_of_it(hold));
                let advice = others.map(held_elsewhere).next().unwrap_or_else(|| {
                    format!(
                        "see {HOLDS_FILE} on the branch; what somebody took back comes again by `promote --now`, or by \
                         writing it"
                    )
                });
                return Err(HoldError::NotHeld { what: format!("{what}{place}"), advice });
            }
            Ok((after, HoldChange { held: Vec::new(), released, by: by.clone(), reason: reason.clone() }))
        }
    }
}

/// Says which open rollback or return holds what is to be released, where one does.
async fn held_by_order(place: Place<'_>, (order, meant): (&Order, &Meant)) -> Result<Option<String>, HoldError> {
    let Order::Release { tag, .. } = order else { return Ok(None) };
    let Place { remote, publishing, config, branch, base, .. } = place;
    let awaited = awaited(remote, publishing, config, (branch, base), None).await?;
    let is_it = |hold: &&Hold| hold.image == meant.image && tag.as_ref().is_none_or(|tag| meant.is_of(hold, tag));
    let held = awaited.holds.iter().find(is_it);
    Ok(held.map(|hold| {
        let said = hold.reason.as_deref().unwrap_or_default();
        format!("what goes back holds it, and is {said}: close that, or merge it and release the version then")
    }))
}

/// Says which entry holds what is not held by itself in the environment that was named.
fn held_elsewhere(hold: &Hold) -> String {
    let Hold { image, tag, .. } = hold;
    match &hold.environment {
        Some(name) => format!(
            "{image}:{tag} is held in {name}, and so in those after it: release it there, with `--environment {name}`"
        ),
        None => format!("{image}:{tag} is held in every environment: release it without `--environment`"),
    }
}

/// An image that is meant.
struct Meant {
    image: ImageName,
    /// The shorter names of entries that mean it, and no other one.
    short: BTreeSet<ImageName>,
    /// The policies under which it stands, by which one version may have several spellings.
    policies: Vec<Arc<Policy>>,
}

impl Meant {
    /// Whether an entry is of the image.
    fn names(&self, hold: &Hold) -> bool {
        hold.image == self.image || self.short.contains(&hold.image)
    }

    /// Whether an entry is of a tag, under any spelling of its version.
    fn is_of(&self, hold: &Hold, tag: &Tag) -> bool {
        hold.is_of(tag) || self.policies.iter().any(|policy| is_one_version(policy, &hold.tag, tag))
    }
}

/// Finds the image that is meant. A hold of one that stands nowhere is refused: it is spelt in another way, or not at all.
fn meant<'a>(
    order: &Order,
    (files, branches): (&CommitFiles, &Branches),
    config: &Repository,
    held: impl Iterator<Item = &'a Hold>,
) -> Result<Meant, HoldError> {
    let written = order.image();
    let mut known = BTreeSet::new();
    let mut markers: Vec<(ImageName, Arc<Policy>)> = Vec::new();
    let mut is_whole = true;
    let beside = branches.values().map(|viewed| viewed.as_ref().ok().map(|viewed| &*viewed.files));
    for files in std::iter::once(Some(files as &dyn Files)).chain(beside) {
        let Some(files) = files else {
            is_whole = false;
            continue;
        };
        let scanned =
            scan::scan(files, &config.formats, &Limits::default(), &setup::no_cache()).map_err(PassError::Files)?;
        for site in scanned.sites {
            let Some(image) = site.image else { continue };
            if let Some(Marker::Policy(policy)) = site.marker {
                markers.push((image.clone(), policy));
            }
            known.insert(image);
        }
    }
    let meant = |image: ImageName| {
        let beside = markers.iter().filter(|(of, _)| *of == image).map(|(_, policy)| Arc::clone(policy));
        let rule = config.rules.of(&image).map(|rule| Arc::clone(&rule.policy));
        let policies = beside.chain(rule).collect();
        Meant { image, short: BTreeSet::new(), policies }
    };
    if let Order::Release { .. } = order {
        // What is held may stand nowhere any more.
        let held: BTreeSet<ImageName> = held.map(|hold| hold.image.clone()).collect();
        let image = written.among(&held)?;
        let image = if held.contains(&image) { image } else { written.among(&known)? };
        let stand: BTreeSet<&ImageName> = known.iter().collect();
        let is_short = |name: &&ImageName| is_whole && candidates(name, &stand) == [&image];
        let short = held.iter().filter(is_short).cloned().collect();
        return Ok(Meant { short, ..meant(image.clone()) });
    }
    let image = written.among(&known)?;
    if known.contains(&image) || !is_whole {
        return Ok(meant(image));
    }
    let last = |image: &ImageName| image.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    let alike: Vec<&str> = known.iter().filter(|one| last(one) == last(&image)).map(ImageName::as_str).collect();
    let known = match alike.as_slice() {
        [] => "`tagboat scan` lists every image".to_owned(),
        alike => format!("there is {}", alike.join(", ")),
    };
    Err(HoldError::NoImage { image, known })
}
