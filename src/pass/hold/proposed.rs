//! What a head branch proposes to hold and to release, where the base takes no direct push.
//!
//! Entry points: [`seen`] and [`propose`]. A hold is believed whoever pushed the branch, for believing it means doing less; a
//! release counts once it is on the base, like everything else, and what the base has released counts on the branch, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::holds::{self, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::forge::plain::LONGEST_BODY;
use crate::forge::{Finishing, Forge, ForgeError};
use crate::git::log::LogEntry;
use crate::git::{Beneath, BlobId, GitError, Head, Remote, TreeEntry};
use crate::model::change::FileEdit;
use crate::model::commit::{CommitId, TRAILER_FAILED, TRAILER_ORDER};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::hold::Hold;
use crate::model::image::{ImageName, Tag};
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{HeadBranch, LABEL_HOLD, Listing, NewPullRequest, PullRequest, State};
use crate::observe::files::Files;
use crate::observe::tree::CommitFiles;
use crate::pass::former;
use crate::pass::hold::own;
use crate::pass::order::digests_left;
use crate::pass::own::look;
use crate::pass::propose::Publishing;
use crate::pass::{MAX_HOLDS, PassError, blocking};
use crate::publish::body;
use crate::publish::held::{self, HoldChange};
use crate::publish::making::{MakeError, Maker};
use crate::publish::pull_requests::apply::{say, unremoved};
use crate::publish::pull_requests::course::same_text;
use crate::publish::pull_requests::heads::{Branches, of_holds, of_holds_and_others};
use crate::publish::pull_requests::statuses::show;

/// Why a proposal waits, in words.
pub(super) const COUNTS: &str = "a person merges it to make it last; as long as it stands, what it holds counts as held, and what it releases does not yet";

/// Why a branch is taken away, in words.
pub(super) const SPENT: &str = "nothing of it is left to do";

/// How many commits of the base are searched for what it has held since.
const SEEN_WITHIN: usize = 200;

/// What a head branch proposes.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    /// The head branch.
    pub(super) head: BranchName,
    /// Its tip.
    pub(super) tip: CommitId,
    /// What is held by it and not by the base.
    pub(super) held: Vec<Hold>,
    /// The digests that it takes back under tags that stay, which no entry names.
    pub(super) left: Vec<Hold>,
    /// What it holds no more.
    pub(super) released: Vec<Hold>,
    /// Whether Tagboat alone has pushed to it.
    pub(super) is_own: bool,
    /// Whether it stands on the newest commit of the base.
    pub(super) is_on_tip: bool,
    /// Whether the base still holds what it held when the branch was made: else nobody can merge it.
    pub(super) is_fresh: bool,
}

impl Proposed {
    /// Whether the base has all of it by now, or has had it.
    pub(super) fn is_spent(&self) -> bool {
        self.held.is_empty() && self.released.is_empty()
    }
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
    pub(super) fn forge(&self) -> &dyn Forge {
        self.publishing.forge()
    }

    pub(super) fn maker(&self) -> Maker<'_> {
        let (remote, prefix) = (Arc::clone(self.remote), self.config.pull_request.branch_prefix.as_str());
        Maker { remote, forge: self.forge(), branch: self.branch, prefix, now: self.now }
    }
}

/// What tells one entry from another: a hold of the same version in the same environment takes its place.
pub(super) fn key(hold: &Hold) -> (&Option<EnvironmentName>, &ImageName, &Tag) {
    (&hold.environment, &hold.image, &hold.tag)
}

/// Looks at what a head branch proposes: the one that is called as `branchPrefix` says, or else one that was called by another one
/// before, and still stands. `None` where there is none, or where the base has it all.
pub(super) async fn seen(place: Place<'_>) -> Result<Option<Proposed>, PassError> {
    let mut listed = listed(place).await?;
    let now = held::head(&place.config.pull_request);
    listed.sort_by_key(|(name, _)| *name != now);
    for one in &listed {
        // A branch is called so by anybody: under another prefix than today's it counts where a pull request says that it is meant.
        if one.0 != now && matches!(open(place, &one.0).await, Ok(Standing::Nothing)) {
            continue;
        }
        if let Some(proposed) = on(place, one).await? {
            return Ok(Some(proposed));
        }
    }
    Ok(None)
}

/// Lists the branches on which something may be proposed.
pub(super) async fn listed(place: Place<'_>) -> Result<Vec<(BranchName, CommitId)>, PassError> {
    let remote = Arc::clone(place.remote);
    Ok(blocking(move || of_holds(&*remote)).await?)
}

/// The branches on which something is held that no entry of the file of holds names yet.
pub(super) struct All {
    /// Those on which something may be proposed to be held, and all others.
    pub(super) seen: (Branches, Branches),
    /// Which of these go back and hold what they leave, of environments on the base.
    pub(super) going_back: Branches,
    /// Those of environments on branches of their own, each with that branch.
    pub(super) beside: Vec<((BranchName, CommitId), (BranchName, CommitId))>,
}

/// Lists them.
pub(super) async fn all(place: Place<'_>) -> Result<All, PassError> {
    let (remote, config) = (Arc::clone(place.remote), place.config.clone());
    let (branch, base) = (place.branch.clone(), place.base.clone());
    let work = move || {
        let (proposed, mut others) = of_holds_and_others(&*remote)?;
        others.retain(|(name, _)| *name != branch);
        let (mut going_back, mut beside) = (Vec::new(), Vec::new());
        let own = config.environments.branches();
        // What goes back goes on under its old name where `branchPrefix` was another one.
        let may_be = |name: &BranchName| former::may_be_of(name, &config) && !own.contains(name);
        for (name, tip) in others.iter().filter(|(name, _)| may_be(name)).cloned() {
            let mut head = remote.head(&name, &tip, (&branch, &base))?;
            if head.beneath == Beneath::TooMany
                && let Some(few) = own::on_own_branch(&*remote, &config, (&name, &tip), &others)?
            {
                head = few;
            }
            if !goes_back(&head) {
                continue;
            }
            let left = left_by(&head);
            // Its own commits come first; what lies beneath them on its branch is merged already.
            let onto = left.first().and_then(|hold| own::own_branch(&config, hold));
            if let Some(onto) = onto {
                let listed = others.iter().find(|(name, _)| name == onto);
                beside.extend(listed.map(|onto| ((name, tip), onto.clone())));
            } else if !left.is_empty() || brings_holds(&*remote, &head)? {
                going_back.push((name, tip));
            }
        }
        Ok(All { seen: (proposed, others), going_back, beside })
    };
    Ok(blocking(work).await?)
}

/// Looks at which digests one branch takes back of an environment on a branch of its own, which `place` is of: what is held stands on
/// the base alone.
pub(super) async fn beside(place: Place<'_>, one: &(BranchName, CommitId)) -> Result<Vec<Hold>, PassError> {
    let (remote, config, (name, tip)) = (Arc::clone(place.remote), place.config.clone(), one.clone());
    let (branch, base) = (place.branch.clone(), place.base.clone());
    let work = move || {
        let head = remote.head(&name, &tip, (&branch, &base))?;
        // Merged, or taken back there: its history tells by now.
        if head.is_empty {
            return Ok(Vec::new());
        }
        let looked = look(&remote, (&branch, &base), vec![(name, head.tip.clone())], &config.commit, &[])?;
        let looked = looked.into_iter().next();
        Ok(looked.map(|looked| left(&config, &head, &looked, Some(&branch))).unwrap_or_default())
    };
    blocking_pass(work).await
}

/// Returns the digests that a head branch takes back, of environments on a branch; `None` is the base. What that has had by now, history
/// tells, also where the head branch was left behind.
fn left(config: &Repository, head: &Head, looked: &HeadBranch, onto: Option<&BranchName>) -> Vec<Hold> {
    let is_there = |hold: &Hold| {
        let of = |name| config.environments.named(name).is_some_and(|environment| environment.branch.as_ref() == onto);
        hold.environment.as_ref().is_some_and(of)
    };
    let mut left = left_by(head);
    left.retain(|hold| is_there(hold) && (!looked.is_own || looked.is_order || looked.is_return));
    left
}

/// Whether a head branch is an order or a return, as its commits say: people may have pushed onto it, and others are called so, too.
fn goes_back(head: &Head) -> bool {
    let says = |entry: &LogEntry| {
        entry
            .message
            .lines()
            .any(|line| [TRAILER_ORDER, TRAILER_FAILED].iter().any(|trailer| line.starts_with(trailer)))
    };
    says(&head.step.entry)
        || match &head.beneath {
            Beneath::Nothing => false,
            Beneath::Commits(beneath) => beneath.iter().any(says),
            Beneath::TooMany => true,
        }
}

/// Returns the digests that a head branch takes back, by the commit on top or one beneath.
fn left_by(head: &Head) -> Vec<Hold> {
    let beneath = match &head.beneath {
        Beneath::Commits(beneath) => beneath.as_slice(),
        Beneath::Nothing | Beneath::TooMany => &[],
    };
    std::iter::once(&head.step.entry).chain(beneath).flat_map(|entry| digests_left(&entry.message)).collect()
}

/// Whether a head branch changes the file of holds, in the commit on top or in one beneath: somebody may have pushed onto a rollback.
fn brings_holds(remote: &dyn Remote, head: &Head) -> Result<bool, GitError> {
    if head.step.changed.iter().any(|changed| changed.path.as_str() == HOLDS_FILE) {
        return Ok(true);
    }
    if head.is_empty || head.beneath == Beneath::Nothing {
        return Ok(false);
    }
    // What cannot be compared is looked at whole.
    let Some(fork) = head.fork() else { return Ok(true) };
    Ok(holds_blob(remote, &head.tip)? != holds_blob(remote, fork)?)
}

fn holds_blob(remote: &dyn Remote, commit: &CommitId) -> Result<Option<BlobId>, GitError> {
    let is_it = |entry: &TreeEntry| entry.path.as_ref().is_ok_and(|path| path.as_str() == HOLDS_FILE);
    Ok(remote.entries(commit)?.into_iter().find(is_it).map(|entry| entry.blob))
}

/// Looks at what one branch proposes. `None` where all of it is merged, or taken back there.
pub(super) async fn on(place: Place<'_>, one: &(BranchName, CommitId)) -> Result<Option<Proposed>, PassError> {
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
    let looked = look(remote, (branch, base), vec![(name.clone(), tip.clone())], &config.commit, &[])?;
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
    let mut held: Vec<Hold> =
        after.iter().filter(|hold| !same(&before, hold) && !same(&there, hold)).cloned().collect();
    if !held.is_empty() {
        // What the base has held since, and holds no more, somebody has released: it was merged under another id.
        let since = since(&**remote, (branch, base), &head, &path)?;
        held.retain(|hold| has(&there, hold) || !since.iter().any(|other| key(other) == key(hold)));
    }
    let left = left(config, &head, &looked, None);
    let released: Vec<Hold> = before.iter().filter(|hold| !has(&after, hold) && has(&there, hold)).cloned().collect();
    let (is_own, is_on_tip) = (looked.is_own, looked.is_on_tip);
    let stands = holds_blob(&**remote, base)?;
    let is_fresh = is_on_tip || changed.is_some_and(|changed| changed.before == stands);
    let proposed = Proposed { head: name.clone(), tip, held, left, released, is_own, is_on_tip, is_fresh };
    Ok(Some(proposed))
}

/// Returns every entry that the base has held since a head was made on it; none where that is not known.
fn since(
    remote: &dyn Remote,
    (branch, base): (&BranchName, &CommitId),
    head: &Head,
    path: &RepoPath,
) -> Result<Vec<Hold>, PassError> {
    let Some(parent) = head.fork().filter(|fork| *fork != base) else { return Ok(Vec::new()) };
    let line = remote.history(branch, base, SEEN_WITHIN, &|wanted| wanted == path.as_str())?;
    let Some(made) = line.steps.iter().position(|step| step.entry.id == *parent) else { return Ok(Vec::new()) };
    let mut since = Vec::new();
    for changed in line.steps[..made].iter().flat_map(|step| &step.changed).filter(|changed| changed.path == *path) {
        let Some(blob) = &changed.after else { continue };
        // A version that nobody could read held nothing.
        since.extend(holds::parse(HOLDS_FILE, &remote.read(blob, MAX_HOLDS)?).unwrap_or_default());
    }
    Ok(since)
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
    let forge = place.forge();
    if !forge.has_pull_requests() {
        return Ok(Standing::Branch);
    }
    Ok(among(place, head, Some(&forge.list().await?)))
}

/// Finds what stands for a head branch in a listing, which names every open one, however long ago it was opened; `None` on plain
/// Git.
pub(super) fn among(place: Place<'_>, head: &BranchName, listed: Option<&Listing>) -> Standing {
    let Some(listed) = listed else { return Standing::Branch };
    let is_it = |one: &&PullRequest| one.state == State::Open && one.head == *head && one.base == *place.branch;
    let open = listed.pull_requests.iter().find(is_it);
    open.map_or(Standing::Nothing, |open| Standing::Open(Box::new(open.clone())))
}

/// Finds what a person has pointed at another base since it was opened here.
pub(super) fn pointed_away(place: Place<'_>, head: &BranchName, listed: Option<&Listing>) -> Standing {
    let is_it =
        |one: &&PullRequest| one.state == State::Open && one.head == *head && one.opened_into() == Some(place.branch);
    let open = listed.and_then(|listed| listed.pull_requests.iter().find(is_it));
    open.map_or(Standing::Nothing, |open| Standing::Open(Box::new(open.clone())))
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
    /// Nothing of it is left, and its pull request still stands.
    #[error(
        "nothing of {head} is left to do, and its pull request could not be closed, so it still counts: {why}: try again"
    )]
    Close {
        /// The head branch.
        head: BranchName,
        /// Why.
        why: ForgeError,
    },
    /// The forge could not do it.
    #[error("{head} has it, and its pull request could not be opened, so it does not count yet: {why}: try again")]
    Forge {
        /// The head branch.
        head: BranchName,
        /// Why.
        why: ForgeError,
    },
}

/// Makes the head branch hold an edit of the file of holds, and the pull request stand; takes both away where nothing of it is left. The
/// first change is all that it is to bring, the second one what a person has ordered of it now, by which it is told why it goes.
pub(super) async fn propose(
    place: Place<'_>,
    before: Option<&Proposed>,
    changes: (&HoldChange, &HoldChange),
    edit: FileEdit,
) -> Result<Proposal, ProposeError> {
    let standing = standing(place, before).await?;
    propose_on(place, (before, standing), changes, edit).await
}

/// Makes a branch anew, or takes it away, likewise, unless a person has set the label that holds its pull request by now.
pub(super) async fn propose_again(
    place: Place<'_>,
    before: &Proposed,
    change: &HoldChange,
    edit: FileEdit,
) -> Result<Option<Proposal>, ProposeError> {
    let standing = standing(place, Some(before)).await?;
    if matches!(&standing, Standing::Open(open) if open.labels.contains(LABEL_HOLD)) {
        return Ok(None);
    }
    propose_on(place, (Some(before), standing), (change, &HoldChange::default()), edit).await.map(Some)
}

/// Looks at what stands for a branch now. One that somebody else has pushed to is theirs.
async fn standing(place: Place<'_>, before: Option<&Proposed>) -> Result<Standing, ProposeError> {
    let Some(before) = before else { return Ok(Standing::Nothing) };
    if !before.is_own {
        return Err(ProposeError::Theirs(before.head.clone()));
    }
    let open = open(place, &before.head).await;
    open.map_err(|why| ProposeError::Forge { head: before.head.clone(), why })
}

async fn propose_on(
    place: Place<'_>,
    (before, standing): (Option<&Proposed>, Standing),
    (change, ordered): (&HoldChange, &HoldChange),
    edit: FileEdit,
) -> Result<Proposal, ProposeError> {
    let style = &place.config.pull_request;
    let head = before.map_or_else(|| held::head(style), |before| before.head.clone());
    let at_forge = |why| ProposeError::Forge { head: head.clone(), why };
    let action = if before.is_some() { Action::Updated } else { Action::Opened };
    let forge = place.forge();
    let mut proposal = row(place, change, &head, (action, COUNTS));
    if change.held.is_empty() && change.released.is_empty() {
        let mut reason = SPENT.to_owned();
        if let Standing::Open(open) = &standing {
            proposal.url = Some(open.url.clone());
            // Whoever has pushed to it since it was read has taken it over.
            if stands_at(place, &head).await? != before.map(|before| before.tip.clone()) {
                return Err(MakeError::Moved(head).into());
            }
            let unclosed = |why| ProposeError::Close { head: head.clone(), why };
            // A list may be behind: what somebody closed needs no further word, and what was merged is on the base by now.
            if forge.look(open).await.map_err(unclosed)?.is_some() {
                if let Some(refused) = say(forge, open, &held::closing(ordered)).await.map_err(unclosed)? {
                    reason = format!("{reason}; {refused}");
                }
                forge.close(open, &open.body).await.map_err(unclosed)?;
            } else if tip(place).await? != *place.base {
                return Err(MakeError::Moved(head).into());
            }
        }
        if let Some(before) = before {
            match place.maker().push_head(&head, Some(&before.tip), None).await {
                // Without a pull request nothing is proposed by a branch that stands, unless there are none at all.
                Err(MakeError::Forbidden(words)) if forge.has_pull_requests() => {
                    reason = format!("{reason}; {}", unremoved(&words));
                }
                removed => removed?,
            }
        }
        (proposal.action, proposal.reason) = (Action::Closed, Some(reason));
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
            None => stands_at(place, &head).await?,
        };
        Some(place.maker().on_head(place.base, &head, expected.as_ref(), &commit).await?.commit)
    };
    if !forge.has_pull_requests() {
        return Ok(proposal);
    }
    // No gate is asked about what is held; where the base requires that one has spoken, nobody could merge it otherwise.
    if let Some(commit) = pushed.as_ref().or(before.map(|before| &before.tip))
        && let Err(error) = show((forge, place.branch), (commit, pushed.is_some()), &[]).await
    {
        tracing::warn!(%error, %head, "the gates that the base requires could not be shown on it: order it again");
    }
    // A branch that is left of an earlier one may have a pull request that the listing of branches tells nothing of.
    let listed = match standing {
        Standing::Nothing => open(place, &head).await.map_err(at_forge)?,
        known => known,
    };
    // What was closed or merged since it was listed holds nothing, whatever is written there.
    let standing = match listed {
        Standing::Open(open) if forge.look(&open).await.map_err(at_forge)?.is_none() => Standing::Nothing,
        known => known,
    };
    let (title, text) = words(change, forge);
    let new = NewPullRequest {
        head: head.clone(),
        base: place.branch.clone(),
        title,
        body: text,
        labels: style.labels.clone(),
        is_draft: false,
        reviewers: Vec::new(),
    };
    if let Standing::Open(open) = standing {
        renew(forge, &open, (&new.title, &new.body)).await.map_err(at_forge)?;
        // Its opening may have been cut short.
        if open.labels.is_empty() && forge.opens_in_steps(&new) {
            forge.finish(&open, &new, Finishing::Again).await.map_err(at_forge)?;
        }
        proposal.url = Some(open.url.clone());
        return Ok(proposal);
    }
    let opened = forge.open(&new).await.map_err(at_forge)?;
    if forge.opens_in_steps(&new)
        && let Err(error) = forge.finish(&opened, &new, Finishing::AtOnce).await
    {
        tracing::warn!(%error, url = opened.url, "the pull request stands without its labels");
    }
    (proposal.url, proposal.action) = (Some(opened.url), Action::Opened);
    Ok(proposal)
}

/// Returns the title and the body of the pull request of a change.
pub(super) fn words(change: &HoldChange, forge: &dyn Forge) -> (String, String) {
    (body::short(&change.subject()), held::body(change, forge.body_limit().min(LONGEST_BODY)))
}

/// Lets a pull request say what its branch does, where it says anything else.
pub(super) async fn renew(
    forge: &dyn Forge,
    open: &PullRequest,
    (title, text): (&str, &str),
) -> Result<(), ForgeError> {
    if open.title != title || !same_text(&open.body, text) {
        forge.rewrite(open, title, text).await?;
    }
    Ok(())
}

/// Tells what becomes of a change of the file of holds.
pub(super) fn row(
    place: Place<'_>,
    change: &HoldChange,
    head: &BranchName,
    (action, reason): (Action, &str),
) -> Proposal {
    let prefix = place.config.pull_request.branch_prefix.as_str();
    Proposal {
        environment: change.environment(),
        group: head.as_str().strip_prefix(prefix).unwrap_or(head.as_str()).to_owned(),
        publish: Publish::PullRequest,
        branch: Some(head.to_string()),
        url: None,
        moves: Vec::new(),
        gates: Vec::new(),
        action,
        reason: Some(reason.to_owned()),
        earliest: None,
    }
}

/// Returns where the base stands now.
async fn tip(place: Place<'_>) -> Result<CommitId, MakeError> {
    let (remote, branch) = (Arc::clone(place.remote), place.branch.clone());
    Ok(blocking(move || remote.tip(&branch)).await?)
}

/// Returns where a head branch stands that proposes nothing any more.
async fn stands_at(place: Place<'_>, head: &BranchName) -> Result<Option<CommitId>, MakeError> {
    let (remote, name) = (Arc::clone(place.remote), head.clone());
    let listed = blocking(move || remote.heads(name.as_str())).await?;
    Ok(listed.into_iter().find(|(name, _)| name == head).map(|(_, tip)| tip))
}
