//! Holding and releasing versions: the file of holds is edited and committed, on whatever the branch has become.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::holds::{self, EditError, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::git::Remote;
use crate::manifest::Limits;
use crate::model::change::FileEdit;
use crate::model::commit::CommitPlan;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::outcome::Outcome;
use crate::observe::files::Files;
use crate::observe::scan;
use crate::observe::tree::CommitFiles;
use crate::pass::order::one_line;
use crate::pass::{MAX_HOLDS, PassError, run, setup};
use crate::publish::apply::{Applied, apply};
use crate::publish::plan::{self, PlannedCommit};

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Hold a version.
    Hold(Hold),
    /// Release the entries of an image: of one tag or all, of one environment or all.
    Release {
        /// The image.
        image: ImageName,
        /// The tag.
        tag: Option<Tag>,
        /// The environment.
        environment: Option<EnvironmentName>,
        /// Who wants it.
        by: Option<String>,
    },
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
    /// Nothing holds what was to be released.
    #[error(
        "nothing holds {0}: see {HOLDS_FILE} on the branch; what somebody took back comes again by `promote --now`, or by \
         writing it"
    )]
    NotHeld(String),
    /// The hold would have ended before it began.
    #[error("the hold would end at {0}, which is over: name a later time, or leave `--until` out")]
    Over(Timestamp),
    /// Nobody would know why.
    #[error("a hold says why: give a reason")]
    NoReason,
    /// The branch refuses the push.
    #[error("the remote refuses the push: {0}")]
    Forbidden(String),
    /// Somebody else pushed, again and again.
    #[error("the branch moved each time: try again when it is calmer")]
    Races,
}

impl From<crate::git::GitError> for HoldError {
    fn from(error: crate::git::GitError) -> Self {
        Self::Pass(PassError::Git(error))
    }
}

/// Follows an order on a branch.
///
/// # Errors
///
/// [`HoldError`]; nothing is on the branch then.
pub fn follow(
    remote: &Arc<dyn Remote>,
    branch: &BranchName,
    config: Option<&Repository>,
    order: &Order,
    now: Timestamp,
) -> Result<Outcome, HoldError> {
    if let Order::Hold(Hold { until: Some(until), .. }) = order
        && *until <= now
    {
        return Err(HoldError::Over(*until));
    }
    if let Order::Hold(Hold { reason: None, .. }) = order {
        return Err(HoldError::NoReason);
    }
    let by = match order {
        Order::Hold(hold) => &hold.by,
        Order::Release { by, .. } => by,
    };
    let by = by.as_deref().map(one_line).filter(|by| !by.is_empty());
    for _ in 0..run::MAX_RACES {
        let base = remote.fetch(branch)?;
        let files = CommitFiles::new(Arc::clone(remote), &base)?;
        let read;
        let config = match config {
            Some(config) => config,
            None => {
                read = run::read_config(&files, branch)?;
                &read
            }
        };
        if let Order::Hold(hold) = order {
            is_there(&files, config, &hold.image)?;
        }
        let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
        let before = files
            .read_if_there(&path, MAX_HOLDS)
            .map_err(|reason| PassError::Files(format!("{HOLDS_FILE}: {reason}")))?;
        let text = String::from_utf8(before.clone().unwrap_or_default())
            .map_err(|_not_text| PassError::Files(format!("{HOLDS_FILE} is not UTF-8")))?;
        let (after, changed) = edited(&text, config, order)?;
        let holds = holds::parse(HOLDS_FILE, after.as_bytes()).map_err(PassError::Configuration)?;
        let outcome = Outcome { holds: Some(holds), ..Outcome::default() };
        if after == text {
            return Ok(outcome);
        }
        let message = plan::hold_message(matches!(order, Order::Hold(_)), &changed, by.as_deref(), &config.commit);
        let environment = changed.first().and_then(|hold| hold.environment.clone()).unwrap_or_else(|| "*".into());
        let commit = PlannedCommit {
            plan: CommitPlan {
                environment,
                message,
                author: config.commit.author.clone(),
                committer: config.commit.committer().clone(),
                sign: config.commit.sign,
            },
            files: vec![FileEdit { file: path, before: before.unwrap_or_default(), after: after.into_bytes() }],
            key: String::new(),
        };
        match apply(&**remote, branch, &base, vec![commit], now)? {
            Applied::Landed(commits) => return Ok(Outcome { commits, ..outcome }),
            Applied::Moved => tracing::info!("the branch moved meanwhile; trying again on its new tip"),
            Applied::Forbidden(words) => return Err(HoldError::Forbidden(words)),
        }
    }
    Err(HoldError::Races)
}

/// Returns the file as ordered, and the entries that it is about.
fn edited(text: &str, config: &Repository, order: &Order) -> Result<(String, Vec<Hold>), HoldError> {
    let edit = |error| match error {
        EditError::Faults(faults) => HoldError::Pass(PassError::Configuration(faults)),
        form @ EditError::Form(_) => HoldError::Edit(form),
    };
    let environment = match order {
        Order::Hold(hold) => &hold.environment,
        Order::Release { environment, .. } => environment,
    };
    // What stands in the file can be released, also of an environment that has another name by now.
    let is_there = |name: &EnvironmentName| {
        let is_release = matches!(order, Order::Release { .. });
        let held = || holds::parse(HOLDS_FILE, text.as_bytes()).unwrap_or_default();
        is_release && held().iter().any(|hold| hold.environment.as_ref() == Some(name))
    };
    if let Some(name) = environment
        && config.environments.named(name).is_none()
        && !is_there(name)
    {
        let known: Vec<&str> = config.environments.0.iter().map(|environment| environment.name.as_str()).collect();
        return Err(HoldError::NoEnvironment { name: name.clone(), known: known.join(", ") });
    }
    match order {
        Order::Hold(hold) => {
            let same = |other: &Hold| {
                (&other.image, &other.tag, &other.environment) == (&hold.image, &hold.tag, &hold.environment)
            };
            // An entry that is there already is replaced, with its new reason and time.
            let text = holds::release(text, same).map_err(edit)?.0;
            Ok((holds::add(&text, hold).map_err(edit)?, vec![hold.clone()]))
        }
        Order::Release { image, tag, environment, .. } => {
            let is_meant = |hold: &Hold| {
                hold.image == *image
                    && tag.as_ref().is_none_or(|tag| hold.tag == *tag)
                    && environment.as_ref().is_none_or(|own| hold.environment.as_ref() == Some(own))
            };
            let (after, gone) = holds::release(text, is_meant).map_err(edit)?;
            if gone.is_empty() {
                let what = tag.as_ref().map_or_else(|| image.to_string(), |tag| format!("{image}:{tag}"));
                let place = environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
                return Err(HoldError::NotHeld(format!("{what}{place}")));
            }
            Ok((after, gone))
        }
    }
}

/// Refuses a hold of an image that stands nowhere: it is spelt in another way, or not at all.
fn is_there(files: &CommitFiles, config: &Repository, image: &ImageName) -> Result<(), HoldError> {
    // What stands on branches of their own is not in these files.
    if config.environments.0.iter().any(|environment| environment.branch.is_some()) {
        return Ok(());
    }
    let scanned =
        scan::scan(files, &config.formats, &Limits::default(), &setup::no_cache()).map_err(PassError::Files)?;
    let known: BTreeSet<&ImageName> = scanned.sites.iter().filter_map(|site| site.image.as_ref()).collect();
    if known.contains(image) {
        return Ok(());
    }
    let last = |image: &ImageName| image.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    let alike: Vec<&str> = known.iter().filter(|one| last(one) == last(image)).map(|one| one.as_str()).collect();
    let known = match alike.as_slice() {
        [] => "`tagboat scan` lists every image".to_owned(),
        alike => format!("there is {}", alike.join(", ")),
    };
    Err(HoldError::NoImage { image: image.clone(), known })
}
