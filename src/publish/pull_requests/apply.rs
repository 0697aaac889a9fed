//! Doing what was planned about pull requests, in order, each step so that it can be done again.
//!
//! Entry points: [`apply`], and [`foresee`], which only looks. A step that fails ends its own course and no other one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::Clock;
use crate::forge::turns::Turn;
use crate::forge::{Finishing, Forge, ForgeError};
use crate::git::{BlobId, GitError, Remote};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::marker;
use crate::model::outcome::Landed;
use crate::model::proposal::Action;
use crate::model::pull_request::{
    Glance, HeadBranch, LABEL_HOLD, LABEL_REBASE, LABEL_RETRY, Marker, NewPullRequest, Number, PullRequest,
    PullRequestStyle, State,
};
use crate::model::refusal::{Wish, closed};
use crate::publish::body;
use crate::publish::making::{MakeError, Maker, blocking};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::forwarding::forward;
use crate::publish::pull_requests::heads::Branches;
use crate::publish::pull_requests::merging::{self, Order, lands_next, merge, stop};
use crate::publish::pull_requests::statuses::{say as say_of_gates, show, take_back};
use crate::publish::pull_requests::told::tell as tell_of;
use crate::publish::pull_requests::{Course, Step};

/// What is told where a list was behind.
const GONE: &str = "it was merged or closed since it was listed: the next pass looks again";

/// A branch as a pass knows it.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The commit that was planned on.
    pub seen: CommitId,
    /// What the pass has made of its files since.
    pub made: BTreeMap<RepoPath, BlobId>,
}

/// The repository that courses are followed on.
pub struct Place<'a> {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// Its forge.
    pub forge: &'a dyn Forge,
    /// The base branch.
    pub branch: &'a BranchName,
    /// The moment of the pass.
    pub now: Timestamp,
    /// What tells how late it is by now.
    pub clock: &'a dyn Clock,
    /// How pull requests look.
    pub style: &'a PullRequestStyle,
    /// Where holds were proposed when it was planned, and what else stood on head branches; `None` where that was not asked, since
    /// nothing was to move.
    pub holds: Option<(Branches, Branches)>,
    /// The branch that says what is held, and how, where that is another one; with the commit that was planned by.
    pub rules: Option<(&'a BranchName, &'a CommitId)>,
    /// The branches of all environments, as the pass knows them.
    pub branches: BTreeMap<BranchName, Branch>,
    /// What the forge need not be asked in the pass.
    pub turn: &'a Turn,
    /// Where a head branch was made anew in the pass since it was behind.
    pub rebased: &'a Rebased,
}

/// The base branches for which a head branch was made anew in a pass since it was behind: one for each, for each merge leaves the others behind.
#[derive(Debug, Default)]
pub struct Rebased(Mutex<BTreeSet<BranchName>>);

impl Rebased {
    /// Whether one was made anew on this base.
    pub(super) fn has(&self, base: &BranchName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(base)
    }

    /// Notes that one was.
    pub(super) fn note(&self, base: &BranchName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(base.clone());
    }
}

impl Place<'_> {
    pub(super) fn maker(&self) -> Maker<'_> {
        let (remote, prefix) = (Arc::clone(&self.remote), self.style.branch_prefix.as_str());
        Maker { remote, forge: self.forge, branch: self.branch, prefix, now: self.now }
    }

    /// Says why a commit does not reach the base any more, where a gate that let it pass has closed since.
    pub(super) fn closed(&self, planned: &PlannedCommit) -> Option<String> {
        planned.closes?.over(self.clock.now())
    }
}

/// A head branch that nobody needs any more, and that the remote refuses to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stays {
    /// Which.
    pub head: BranchName,
    /// Where it stands.
    pub commit: CommitId,
    /// What the remote says.
    pub words: String,
}

/// What following courses came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// The commits that reached the base branch.
    pub landed: Vec<Landed>,
    /// Whether a branch stood elsewhere than it was seen: whoever looks again may succeed.
    pub has_moved: bool,
    /// The files of what was merged, with what became of them.
    pub changed: BTreeMap<RepoPath, BlobId>,
    /// The head branches that the remote refuses to remove.
    pub stays: Vec<Stays>,
    /// The head commits that were made.
    pub(super) made: BTreeSet<CommitId>,
    /// What was told of those that may be merged, before anything was done.
    pub(super) seen: BTreeMap<Number, Glance>,
}

/// Follows every course, and writes into each what came of it. `base` is the commit that was planned on. Where something would be done
/// that rests on what the forge was not asked in the pass, it stops, and [`Turn::is_stale`] says so.
pub async fn apply(place: &Place<'_>, base: &CommitId, courses: &mut [Course]) -> Applied {
    let mut applied = Applied { seen: seen(place, courses).await, ..Applied::default() };
    let mut tip = base.clone();
    let mut standing = BTreeSet::new();
    for course in courses {
        if let Some(other) = course.instead.iter().find(|other| !standing.contains(*other)) {
            course.reason = Some(format!("{other} is to take its place, and does not stand yet"));
            course.action = Action::Waiting;
            // Nobody has judged it in this pass: the forge does not merge it by itself.
            course.steps.retain(|step| matches!(step, Step::Disarm { .. }));
        }
        if !course.steps.iter().all(looks_first) && !place.turn.may_act() {
            break;
        }
        let steps = std::mem::take(&mut course.steps);
        let mut pushed = None;
        let planned = course.action;
        for (at, step) in steps.iter().enumerate() {
            let taken = match stopped(place, turned(&steps, step, pushed.is_some()), pushed.is_some()).await {
                Ok(None) => take(place, base, (&mut tip, &mut pushed), step, course, &mut applied).await,
                Ok(Some((action, reason))) => {
                    let is_gone = reason == GONE;
                    (course.action, course.reason) = (action, Some(reason));
                    // Who merged it meanwhile wrote its last words, and the note of this pass stands in their place.
                    if let Some(words) = after_note(&steps, at).filter(|_| is_gone) {
                        let said = take(place, base, (&mut tip, &mut pushed), words, course, &mut applied).await;
                        said.unwrap_or_else(|broken| course.add(&broken.to_string()));
                    }
                    break;
                }
                Err(error) => Err(error.into()),
            };
            if let Err(broken) = taken {
                // Somebody was faster: that is no failure, and whoever looks again sees what it came to.
                let is_race = matches!(broken, MakeError::Moved(_));
                applied.has_moved |= is_race;
                course.action = if is_race { Action::Waiting } else { Action::Failed };
                course.reason = Some(broken.to_string());
                // A note that cannot be written keeps no status from being said.
                let is_note = !is_race && matches!(step, Step::Rewrite { .. });
                let says = |step: &&Step| matches!(step, Step::TakeBack { .. } | Step::SetStatuses { .. });
                for said in steps[at + 1..].iter().take_while(says).filter(|_| is_note) {
                    if let Err(further) = take(place, base, (&mut tip, &mut pushed), said, course, &mut applied).await {
                        course.add(&further.to_string());
                    }
                }
                if let Some(closed) = course.proposal.and_then(|_| closed_first(&steps[..at])) {
                    course.add(&closed);
                }
                break;
            }
            // What finds it refused, held or gone ends here; what is told of one that was left, or waits, from the start goes on.
            if matches!(course.action, Action::LeftAlone | Action::Waiting) && course.action != planned {
                break;
            }
        }
        course.steps = steps;
        let stands = |action| matches!(action, Action::Opened | Action::Updated | Action::Unchanged | Action::Enqueued);
        if stands(course.action) || course.action == Action::Merged {
            standing.insert(course.head.clone());
        }
        if place.turn.is_stale() {
            break;
        }
    }
    applied
}

/// Returns the words that were still to be written where a note stands in their place already.
fn after_note(steps: &[Step], at: usize) -> Option<&Step> {
    let writes = |step: &&Step| matches!(step, Step::Rewrite { .. });
    let (done, left) = steps.split_at(at);
    left.iter().rfind(writes).filter(|_| done.iter().any(|step| writes(&step)))
}

/// Says of what had to be closed before anything took its place that it was.
fn closed_first(done: &[Step]) -> Option<String> {
    done.iter().find_map(|step| match step {
        Step::Close { pull_request, .. } => {
            Some(format!("#{} into {} was closed before that", pull_request.number.0, pull_request.base))
        }
        _ => None,
    })
}

/// Writes into every course what would be merged if it were followed, or why not yet, and changes nothing.
pub async fn foresee(place: &Place<'_>, base: &CommitId, courses: &mut [Course]) {
    let mut applied = Applied { seen: seen(place, courses).await, ..Applied::default() };
    let mut lands = BTreeSet::new();
    for course in courses {
        let steps = std::mem::take(&mut course.steps);
        for step in &steps {
            let Step::Merge { pull_request, head, commit, again, statuses, is_settled, approvals, rests_on } = step
            else {
                continue;
            };
            let (is_settled, approvals) = (*is_settled, *approvals);
            let order = Order { head, commit, again, statuses, is_settled, approvals, rests_on };
            let foreseen = match pull_request {
                Some(pull_request) => {
                    let before = (&mut applied, &mut lands);
                    merging::foresee(place, base, pull_request, &order, course, before).await
                }
                None => lands_next(place, base, &order, course, &mut lands).await,
            };
            if let Err(broken) = foreseen {
                course.action = Action::Failed;
                course.reason = Some(broken.to_string());
            }
        }
        course.steps = steps;
    }
}

/// Tells why what a step turns is not to be turned by now, if it is not. What has been pushed gets its words also where somebody has
/// just set the label that holds it: they say what its head brings.
async fn stopped(
    place: &Place<'_>,
    turned: Option<&PullRequest>,
    is_pushed: bool,
) -> Result<Option<(Action, String)>, ForgeError> {
    let Some(turned) = turned else { return Ok(None) };
    let Some(now) = place.forge.look(turned).await? else {
        return Ok(Some((Action::Waiting, GONE.to_owned())));
    };
    // What is noted on one that was listed as held is nothing that people see.
    let is_known = is_pushed || turned.labels.contains(LABEL_HOLD);
    Ok(held(&now).filter(|_| !is_known).map(|reason| (Action::LeftAlone, reason)))
}

/// Tells that a person holds it, if one does.
fn held(now: &PullRequest) -> Option<String> {
    now.labels.contains(LABEL_HOLD).then(|| format!("it has the label `{LABEL_HOLD}`"))
}

/// Returns the pull request that a step turns into something else, at the push of its head or at its new words: who closes, merges or
/// holds it meanwhile means what stood there before, and what is merged keeps its words.
fn turned<'a>(steps: &'a [Step], step: &'a Step, is_pushed: bool) -> Option<&'a PullRequest> {
    let of = |step: &'a Step| match step {
        Step::Rewrite { pull_request, .. } => Some(&**pull_request),
        _ => None,
    };
    let pushes = |step: &Step| matches!(step, Step::Push { .. });
    match step {
        Step::Push { .. } => steps.iter().find_map(of),
        // What is noted right before a push tells of it alone.
        step => of(step).filter(|_| is_pushed || !steps.iter().any(pushes)),
    }
}

/// Whether a step changes nothing before it has looked again.
fn looks_first(step: &Step) -> bool {
    matches!(step, Step::Merge { pull_request: Some(_), .. } | Step::TakeBack { .. })
}

/// Looks at once at all pull requests that may be merged and of which nothing else is to be done, that is what a pass finds that has
/// nothing to do; where that cannot be had each is asked for in its turn.
async fn seen(place: &Place<'_>, courses: &[Course]) -> BTreeMap<Number, Glance> {
    let waiting = |course: &Course| match course.steps.as_slice() {
        [Step::Merge { pull_request: Some(open), commit, .. }] if open.commit == *commit => Some(open.as_ref().clone()),
        _ => None,
    };
    let waiting: Vec<PullRequest> = courses.iter().filter_map(waiting).collect();
    if waiting.is_empty() {
        return BTreeMap::new();
    }
    place.forge.glance(&waiting).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "pull requests are asked for one by one");
        BTreeMap::new()
    })
}

async fn take(
    place: &Place<'_>,
    base: &CommitId,
    (tip, pushed): (&mut CommitId, &mut Option<CommitId>),
    step: &Step,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    let forge = place.forge;
    match step {
        Step::Push { head, expected, commit } => {
            let made = place.maker().on_head(base, head, expected.as_ref(), commit).await?;
            applied.made.insert(made.commit.clone());
            *pushed = Some(made.commit);
            course.reason = made.fallback.or(course.reason.take());
            Ok(())
        }
        Step::SetStatuses { commit, statuses } => {
            if let Some(commit) = pushed.as_ref().or(commit.as_ref()) {
                show((forge, place.branch), (commit, pushed.is_some()), statuses).await?;
            }
            Ok(())
        }
        Step::Say { commit, statuses } => Ok(say_of_gates(forge, commit, statuses).await?),
        Step::TakeBack { commit, why } => Ok(take_back(forge, commit, why).await?),
        Step::Delete { head, expected } => remove(place, (head, expected), course, applied).await,
        Step::Open { head, title, body, reviewers, wish, kept, newest } => {
            let new = new(place, head, (title, body), reviewers);
            open(place, base, &new, (wish, kept.as_deref(), *newest), course).await
        }
        Step::Finish { pull_request, reviewers } => {
            let text = (pull_request.title.as_str(), pull_request.body.as_str());
            let new = new(place, &pull_request.head, text, reviewers);
            finish(forge, pull_request, (&new, Finishing::Again), course).await
        }
        Step::Rewrite { pull_request, title, body } => Ok(forge.rewrite(pull_request, title, body).await?),
        Step::RemoveLabel { pull_request, label } => Ok(forge.remove_label(pull_request, label).await?),
        Step::Close { pull_request, body, comment } => {
            // A list may be behind, also behind what this very pass has merged.
            let now = forge.look(pull_request).await?;
            if let Some((action, reason)) = kept_open(pull_request, now.as_ref()) {
                (course.action, course.reason) = (action, Some(reason));
                return Ok(());
            }
            // What is closed is closed even where nothing may be said on it.
            if let Some(refused) = say(forge, pull_request, comment).await? {
                course.add(&refused);
            }
            Ok(forge.close(pull_request, body).await?)
        }
        Step::Tell { pull_request, body, comment } => {
            if let Some(unsaid) = tell(forge, pull_request, (body, comment)).await {
                course.add(&unsaid);
            }
            Ok(())
        }
        Step::Answer { pull_request, comment } => {
            if let Some(refused) = say(forge, pull_request, comment).await? {
                course.add(&refused);
            }
            for label in [LABEL_REBASE, LABEL_RETRY].into_iter().filter(|label| pull_request.labels.contains(*label)) {
                forge.remove_label(pull_request, label).await?;
            }
            Ok(())
        }
        Step::Disarm { pull_request } => stop(forge, pull_request, course).await,
        Step::Merge { pull_request, head, commit, again, statuses, is_settled, approvals, rests_on } => {
            let (is_settled, approvals) = (*is_settled, *approvals);
            let order = Order { head, commit, again, statuses, is_settled, approvals, rests_on };
            match pull_request {
                Some(pull_request) => merge(place, tip, pull_request, &order, course, applied).await,
                None => forward(place, tip, &order, course, applied).await,
            }
        }
    }
}

/// Removes a head branch that nothing needs any more. Where the remote refuses that, it is said, and no failure: what was done before is done.
pub(super) async fn remove(
    place: &Place<'_>,
    (head, commit): (&BranchName, &CommitId),
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    match place.maker().push_head(head, Some(commit), None).await {
        Err(MakeError::Forbidden(words)) => {
            course.add(&unremoved(&words));
            applied.stays.push(Stays { head: head.clone(), commit: commit.clone(), words });
            Ok(())
        }
        removed => removed,
    }
}

/// Says that a head branch stays since the remote refuses to remove it.
pub fn unremoved(words: &str) -> String {
    format!("its branch could not be removed: {words}")
}

/// Tells why one is not closed, if it is not, by how it stands `now`: a person holds it, or the next pass sees what it came to.
fn kept_open(listed: &PullRequest, now: Option<&PullRequest>) -> Option<(Action, String)> {
    let Some(now) = now else {
        return Some((Action::Waiting, "it is merged or closed by now: the list was behind".to_owned()));
    };
    let moved = || format!("{} has moved to {}: the next pass looks again", now.head, now.commit.short());
    let left = held(now).map(|reason| (Action::LeftAlone, reason));
    left.or_else(|| (now.commit != listed.commit).then(|| (Action::Waiting, moved())))
}

/// Returns a pull request as it is to be opened.
fn new(place: &Place<'_>, head: &BranchName, (title, body): (&str, &str), reviewers: &[String]) -> NewPullRequest {
    NewPullRequest {
        head: head.clone(),
        base: place.branch.clone(),
        title: title.to_owned(),
        body: body.to_owned(),
        labels: place.style.labels.clone(),
        is_draft: place.style.draft,
        reviewers: reviewers.to_vec(),
    }
}

/// Comments. What the forge refuses to take is returned in words, for what the comment is about is done without it.
///
/// # Errors
///
/// [`ForgeError::Later`] where it may be taken another time.
pub async fn say(forge: &dyn Forge, pull_request: &PullRequest, comment: &str) -> Result<Option<String>, ForgeError> {
    match forge.comment(pull_request, comment).await {
        Ok(()) => Ok(None),
        Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
            tracing::warn!(url = %pull_request.url, reason, "the comment was refused");
            Ok(Some(format!("the comment that says so was refused: {reason}")))
        }
        Err(later @ ForgeError::Later { .. }) => Err(later),
    }
}

/// Comments, and notes that this was said, or that the forge takes no comment. Leaving something alone cannot fail: what could not
/// be said is returned in words, and the next pass tries again.
async fn tell(forge: &dyn Forge, pull_request: &PullRequest, (body, comment): (&str, &str)) -> Option<String> {
    let refused = match say(forge, pull_request, comment).await {
        Ok(refused) => refused,
        Err(later) => return Some(format!("that could not be said on it so far: {later}")),
    };
    match forge.rewrite(pull_request, &pull_request.title, body).await {
        Ok(()) => refused,
        Err(error) => Some(refused.unwrap_or_else(|| format!("its body could not be changed: {error}"))),
    }
}

/// Finishes what was opened, and says what of it the forge refuses.
async fn finish(
    forge: &dyn Forge,
    opened: &PullRequest,
    (new, finishing): (&NewPullRequest, Finishing),
    course: &mut Course,
) -> Result<(), MakeError> {
    for refused in forge.finish(opened, new, finishing).await? {
        course.add(&refused);
    }
    Ok(())
}

/// Opens a pull request, after a look at whether there is one after all, or whether this was refused long ago.
async fn open(
    place: &Place<'_>,
    base: &CommitId,
    new: &NewPullRequest,
    (wish, kept, newest): (&Wish, Option<&HeadBranch>, Option<Number>),
    course: &mut Course,
) -> Result<(), MakeError> {
    let forge = place.forge;
    let mut before = forge.of_heads(std::slice::from_ref(&new.head)).await?;
    let is_here = |one: &&PullRequest| one.base == *place.branch;
    if let Some(open) = before.iter().filter(is_here).find(|one| one.state == State::Open) {
        course.url = Some(open.url.clone());
        // What was asked about its branch may be behind what was listed: what is closed or merged keeps its words.
        let Some(now) = forge.look(open).await? else {
            (course.action, course.reason) = (Action::Waiting, Some(GONE.to_owned()));
            return Ok(());
        };
        if open.is_armed {
            forge.disarm(open).await?;
        }
        if let Some(reason) = held(&now) {
            (course.action, course.reason) = (Action::LeftAlone, Some(reason));
            return Ok(());
        }
        let open = &open.disarmed();
        if open.marker.as_ref().is_some_and(|marker| marker.unfinished) {
            finish(forge, open, (new, Finishing::Again), course).await?;
        }
        let before = open.marker.as_ref();
        let body = before.map_or_else(|| new.body.clone(), |before| body::instead_of(&new.body, before, None));
        if open.title != new.title || open.body != body {
            forge.rewrite(open, &new.title, &body).await?;
        }
        return Ok(());
    }
    let is_it =
        |one: &PullRequest| one.marker.as_ref().is_some_and(|marker| marker.key == wish.key && !marker.withdrawn);
    // Merged long ago it may be wanted again; merged since the base was looked at, it is there.
    if before.iter().filter(is_here).any(|one| one.state == State::Merged && is_it(one)) {
        let (remote, branch) = (Arc::clone(&place.remote), place.branch.clone());
        if blocking(move || remote.tip(&branch)).await? != *base {
            course.action = Action::Unchanged;
            course.reason = Some("the base has moved, and may have it already: the next pass looks again".to_owned());
            return Ok(());
        }
    }
    let (remote, heads) = (Arc::clone(&place.remote), kept.cloned());
    before = blocking(move || {
        tell_of(&mut before, heads.as_slice(), &|commit| remote.message(commit))?;
        Ok::<_, GitError>(before)
    })
    .await?;
    if let Some(refused) = wish.closed_in(&before).filter(|one| newest.is_none_or(|known| one.number > known)) {
        course.url = Some(refused.url.clone());
        course.action = Action::LeftAlone;
        course.reason = Some(closed(refused.number));
        return Ok(());
    }
    if !forge.opens_in_steps(new) {
        course.url = Some(forge.open(new).await?.url);
        return Ok(());
    }
    // Until all is done its marker says so: whatever cuts this short, the next pass goes on from there.
    let unfinished = marker::read(&new.body).map(|marker| Marker { unfinished: true, ..marker });
    let body = unfinished.map_or_else(|| new.body.clone(), |unfinished| marker::replace(&new.body, &unfinished));
    let opened = forge.open(&NewPullRequest { body, ..new.clone() }).await?;
    course.url = Some(opened.url.clone());
    finish(forge, &opened, (new, Finishing::AtOnce), course).await?;
    Ok(forge.rewrite(&opened, &new.title, &new.body).await?)
}
