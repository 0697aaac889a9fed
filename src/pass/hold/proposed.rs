//! What a head branch proposes to hold and to release, where the base takes no direct push.
//!
//! Entry points: [`awaited`], by which a pass takes for held what is proposed, and [`propose`]. A hold is believed whoever
//! pushed the branch, for believing it means doing less; a release counts once it is on the base, like everything else.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::holds::{self, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::forge::{Forge, ForgeError};
use crate::git::{BlobId, GitError, Remote};
use crate::model::change::FileEdit;
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{Listing, NewPullRequest, PullRequest, State};
use crate::observe::files::Files;
use crate::observe::tree::CommitFiles;
use crate::pass::propose::{LONGEST_BODY, Publishing};
use crate::pass::{MAX_HOLDS, PassError, blocking};
use crate::publish::body;
use crate::publish::held::{self, HoldChange};
use crate::publish::making::{MakeError, Maker};
use crate::publish::pull_requests::heads::{look, of_holds};
use crate::publish::pull_requests::statuses::show;

/// Why a proposal waits, in words.
pub(super) const COUNTS: &str = "a person merges it to make it last; as long as it stands, what it holds counts as held, and what it releases does not yet";

/// What a head branch proposes.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    /// The head branch.
    pub(super) head: BranchName,
    /// Its tip.
    pub(super) tip: CommitId,
    /// What is held by it and not by the base.
    pub(super) held: Vec<Hold>,
    /// What it holds no more.
    pub(super) released: Vec<Hold>,
    /// Whether Tagboat alone has pushed to it.
    pub(super) is_own: bool,
    /// Whether it stands on the newest commit of the base.
    pub(super) is_on_tip: bool,
}

/// Where something is proposed.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) remote: &'a Arc<dyn Remote>,
    pub(super) publishing: &'a Publishing,
    pub(super) config: &'a Repository,
    pub(super) branch: &'a BranchName,
    pub(super) base: &'a CommitId,
    pub(super) now: Timestamp,
}

impl Place<'_> {
    fn forge(&self) -> Option<&dyn Forge> {
        match self.publishing {
            Publishing::Forge(forge) => Some(&**forge),
            Publishing::Plain | Publishing::Missing(_) => None,
        }
    }

    fn maker(&self) -> Maker<'_> {
        let (remote, prefix) = (Arc::clone(self.remote), self.config.pull_request.branch_prefix.as_str());
        Maker { remote, forge: self.forge(), branch: self.branch, prefix, now: self.now }
    }
}

/// What tells one entry from another: a hold of the same version in the same environment takes its place.
pub(super) fn key(hold: &Hold) -> (&Option<EnvironmentName>, &ImageName, &Tag) {
    (&hold.environment, &hold.image, &hold.tag)
}

/// Returns what is proposed to be held and not held yet, with where that stands as a part of its reason.
///
/// One listing of Git's for it, and one question to the forge where the branch is there.
///
/// # Errors
///
/// [`PassError`] where the branch is there and cannot be read: nothing may be moved then that might be held.
pub(in crate::pass) async fn awaited(
    remote: &Arc<dyn Remote>,
    publishing: &Publishing,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
) -> Result<Vec<Hold>, PassError> {
    Ok(awaited_at(remote, publishing, config, (branch, base), &mut None).await?.0)
}

/// As [`awaited`], with every branch on which something may be proposed, and its tip. Pull requests are listed where they were not
/// before, and once.
///
/// # Errors
///
/// As [`awaited`].
pub(in crate::pass) async fn awaited_at(
    remote: &Arc<dyn Remote>,
    publishing: &Publishing,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    pull_requests: &mut Option<Listing>,
) -> Result<(Vec<Hold>, Vec<(BranchName, CommitId)>), PassError> {
    let place = Place { remote, publishing, config, branch, base, now: Timestamp::UNIX_EPOCH };
    let listed = listed(place).await?;
    let mut awaited = Vec::new();
    for one in &listed {
        let Some(proposed) = seen_on(place, one, pull_requests).await? else { continue };
        let open = match open_in(place, &proposed.head, pull_requests).await {
            Ok(Standing::Nothing) => continue,
            Ok(Standing::Branch) => proposed.head.to_string(),
            Ok(Standing::Open(open)) => open.url,
            // It may be closed; it may as well be open.
            Err(error) => {
                tracing::warn!(%error, head = %proposed.head, "whether what is proposed to be held still is could not be asked");
                proposed.head.to_string()
            }
        };
        awaited.extend(proposed.held.into_iter().map(|mut hold| {
            let said = hold.reason.take().map(|reason| format!("{reason} ")).unwrap_or_default();
            hold.reason = Some(format!("not merged yet: {said}(proposed in {open})"));
            hold
        }));
    }
    Ok((awaited, listed))
}

/// Looks at what a head branch proposes: the one that is called as `branchPrefix` says, or else one that was called by another one
/// before, and still stands. `None` where there is none, or where the base has it all.
pub(super) async fn seen(place: Place<'_>) -> Result<Option<Proposed>, PassError> {
    let mut listed = listed(place).await?;
    let now = held::head(&place.config.pull_request);
    listed.sort_by_key(|(name, _)| *name != now);
    for one in &listed {
        if let Some(proposed) = seen_on(place, one, &mut None).await? {
            return Ok(Some(proposed));
        }
    }
    Ok(None)
}

async fn listed(place: Place<'_>) -> Result<Vec<(BranchName, CommitId)>, PassError> {
    let remote = Arc::clone(place.remote);
    Ok(blocking(move || of_holds(&*remote)).await?)
}

async fn seen_on(
    place: Place<'_>,
    one: &(BranchName, CommitId),
    pull_requests: &mut Option<Listing>,
) -> Result<Option<Proposed>, PassError> {
    // A branch is called so by anybody: under another prefix than today's it counts where a pull request says that it is meant.
    if one.0 != held::head(&place.config.pull_request)
        && matches!(open_in(place, &one.0, pull_requests).await, Ok(Standing::Nothing))
    {
        return Ok(None);
    }
    let (remote, config, one) = (Arc::clone(place.remote), place.config.clone(), one.clone());
    let (branch, base) = (place.branch.clone(), place.base.clone());
    blocking_pass(move || read(&remote, &config, (&branch, &base), one)).await
}

async fn blocking_pass<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PassError> + Send + 'static,
) -> Result<T, PassError> {
    blocking(move || Ok::<_, GitError>(work())).await?
}

fn read(
    remote: &Arc<dyn Remote>,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    (name, tip): (BranchName, CommitId),
) -> Result<Option<Proposed>, PassError> {
    let head = remote.head(&name, &tip, (branch, base))?;
    let tip = head.tip.clone();
    // Merged, or taken back there: what the base holds by now is the base's word.
    if head.is_empty {
        return Ok(None);
    }
    let looked = look(&**remote, (branch, base), vec![(name.clone(), tip.clone())], &config.commit, &[])?;
    let Some(looked) = looked.into_iter().next() else { return Ok(None) };
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let of_blob = |blob: &Option<BlobId>| match blob {
        Some(blob) => parsed(&name, &remote.read(blob, MAX_HOLDS)?),
        None => Ok(Vec::new()),
    };
    let of_commit = |commit: &CommitId| {
        let files = CommitFiles::new(Arc::clone(remote), commit)?;
        let bytes = files.read_if_there(&path, MAX_HOLDS).map_err(|reason| unreadable(&name, &reason.to_string()))?;
        parsed(&name, &bytes.unwrap_or_default())
    };
    let (after, there) = (of_commit(&tip)?, of_commit(base)?);
    let changed = head.step.changed.iter().find(|changed| changed.path == path);
    // Of a branch that somebody else has pushed to, only what the base does not hold is known to be its own.
    let before = match changed.filter(|_| looked.is_own) {
        Some(changed) => of_blob(&changed.before)?,
        None => Vec::new(),
    };
    let same = |all: &[Hold], one: &Hold| all.contains(one);
    let has = |all: &[Hold], one: &Hold| all.iter().any(|other| key(other) == key(one));
    let held: Vec<Hold> = after.iter().filter(|hold| !same(&before, hold) && !same(&there, hold)).cloned().collect();
    let released: Vec<Hold> = before.iter().filter(|hold| !has(&after, hold) && has(&there, hold)).cloned().collect();
    let (is_own, is_on_tip) = (looked.is_own, looked.is_on_tip);
    let proposed = Proposed { head: name.clone(), tip, held, released, is_own, is_on_tip };
    Ok(Some(proposed))
}

fn parsed(head: &BranchName, bytes: &[u8]) -> Result<Vec<Hold>, PassError> {
    Ok(holds::parse(&format!("{HOLDS_FILE} on {head}"), bytes)?)
}

fn unreadable(head: &BranchName, reason: &str) -> PassError {
    PassError::Files(format!("{HOLDS_FILE} on {head}: {reason}"))
}

/// What stands for a proposal.
pub(super) enum Standing {
    /// Nothing: a person has closed it, or it was never opened.
    Nothing,
    /// The head branch alone, where there are no pull requests.
    Branch,
    /// A pull request.
    Open(Box<PullRequest>),
}

/// Finds what stands for a head branch that is there.
pub(super) async fn open(place: Place<'_>, head: &BranchName) -> Result<Standing, ForgeError> {
    open_in(place, head, &mut None).await
}

/// Finds it among the pull requests, which are listed where they were not before.
async fn open_in(
    place: Place<'_>,
    head: &BranchName,
    pull_requests: &mut Option<Listing>,
) -> Result<Standing, ForgeError> {
    let Some(forge) = place.forge() else { return Ok(Standing::Branch) };
    let listed = match pull_requests.take() {
        Some(listed) => listed,
        None => forge.list().await?,
    };
    // The listing names every open one, however long ago it was opened.
    let is_it = |one: &&PullRequest| one.state == State::Open && one.head == *head && one.base == *place.branch;
    let open = listed.pull_requests.iter().find(is_it).cloned();
    *pull_requests = Some(listed);
    Ok(open.map_or(Standing::Nothing, |open| Standing::Open(Box::new(open))))
}

/// Why a change of the holds could not be proposed.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// Somebody else has pushed to the head branch.
    #[error(
        "somebody else has pushed to {0}: merge it, or close its pull request and remove the branch, and try again"
    )]
    Theirs(BranchName),
    /// The head branch could not be made.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The forge could not do it.
    #[error("{head} has it, and its pull request could not be opened, so it does not count yet: {source}: try again")]
    Forge {
        /// The head branch.
        head: BranchName,
        /// Why.
        source: ForgeError,
    },
}

/// Makes the head branch hold an edit of the file of holds, and the pull request stand; takes both away where nothing of it is left.
pub(super) async fn propose(
    place: Place<'_>,
    before: Option<&Proposed>,
    change: &HoldChange,
    edit: FileEdit,
) -> Result<Proposal, ProposeError> {
    let style = &place.config.pull_request;
    let head = before.map_or_else(|| held::head(style), |before| before.head.clone());
    if let Some(before) = before.filter(|before| !before.is_own) {
        return Err(ProposeError::Theirs(before.head.clone()));
    }
    let at_forge = |source| ProposeError::Forge { head: head.clone(), source };
    let standing = match before {
        Some(_) => open(place, &head).await.map_err(at_forge)?,
        None => Standing::Nothing,
    };
    let mut proposal = Proposal {
        environment: change.environment(),
        group: head.as_str().strip_prefix(&style.branch_prefix).unwrap_or(head.as_str()).to_owned(),
        publish: Publish::PullRequest,
        branch: Some(head.to_string()),
        url: None,
        moves: Vec::new(),
        gates: Vec::new(),
        action: if before.is_some() { Action::Updated } else { Action::Opened },
        reason: Some(COUNTS.to_owned()),
        earliest: None,
    };
    if change.held.is_empty() && change.released.is_empty() {
        if let (Some(forge), Standing::Open(open)) = (place.forge(), &standing) {
            proposal.url = Some(open.url.clone());
            forge.close(open, &open.body).await.map_err(at_forge)?;
        }
        if let Some(before) = before {
            place.maker().push_head(&head, Some(&before.tip), None).await?;
        }
        (proposal.action, proposal.reason) = (Action::Closed, Some("nothing of it is left to do".to_owned()));
        return Ok(proposal);
    }
    let is_same = before.is_some_and(|before| {
        let own: BTreeSet<&Hold> = before.held.iter().collect();
        let gone: BTreeSet<_> = before.released.iter().map(key).collect();
        before.is_on_tip
            && own == change.held.iter().collect()
            && gone == change.released.iter().map(key).collect::<BTreeSet<_>>()
    });
    let pushed = if is_same {
        proposal.action = Action::Unchanged;
        None
    } else {
        let commit = held::proposed(change, edit, &place.config.commit);
        let expected = match before {
            Some(before) => Some(before.tip.clone()),
            None => left(place, &head).await?,
        };
        Some(place.maker().on_head(place.base, &head, expected.as_ref(), &commit).await?.commit)
    };
    let Some(forge) = place.forge() else { return Ok(proposal) };
    // No gate is asked about what is held; where the base requires that one has spoken, nobody could merge it otherwise.
    if let Some(commit) = pushed.as_ref().or(before.map(|before| &before.tip))
        && let Err(error) = show((forge, place.branch), (commit, pushed.is_some()), &[]).await
    {
        tracing::warn!(%error, %head, "the gates that the base requires could not be shown on it: order it again");
    }
    let (title, text) = (body::short(&change.subject()), held::body(change, forge.body_limit().min(LONGEST_BODY)));
    // A branch that is left of an earlier one may have a pull request that the listing of branches tells nothing of.
    let standing = match standing {
        Standing::Nothing => open(place, &head).await.map_err(at_forge)?,
        known => known,
    };
    if let Standing::Open(open) = standing {
        if open.title != title || open.body != text {
            forge.rewrite(&open, &title, &text).await.map_err(at_forge)?;
        }
        proposal.url = Some(open.url.clone());
        return Ok(proposal);
    }
    let new = NewPullRequest {
        head: head.clone(),
        base: place.branch.clone(),
        title,
        body: text,
        labels: style.labels.clone(),
        is_draft: false,
        reviewers: Vec::new(),
    };
    let opened = forge.open(&new).await.map_err(at_forge)?;
    if forge.opens_in_steps(&new)
        && let Err(error) = forge.finish(&opened, &new).await
    {
        tracing::warn!(%error, url = opened.url, "the pull request stands without its labels");
    }
    (proposal.url, proposal.action) = (Some(opened.url), Action::Opened);
    Ok(proposal)
}

/// Returns where a head branch stands that proposes nothing any more.
async fn left(place: Place<'_>, head: &BranchName) -> Result<Option<CommitId>, MakeError> {
    let (remote, name) = (Arc::clone(place.remote), head.clone());
    let listed = blocking(move || remote.heads(name.as_str())).await?;
    Ok(listed.into_iter().find(|(name, _)| name == head).map(|(_, tip)| tip))
}
