//! Merging one pull request: judged anew at the moment, and only what was planned.
//!
//! Entry points: `merge` and `foresee`. Whether the gates pass was decided before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::forge::{Forge, ForgeError};
use crate::git::{BlobId, GitError};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::file::RepoPath;
use crate::model::outcome::Landed;
use crate::model::proposal::Action;
use crate::model::pull_request::{
    Check, Glance, LABEL_HOLD, LABEL_RETRY, Merge, PullRequest, PullRequestStyle, Readiness, Rebase, Status,
};
use crate::publish::making::{MakeError, blocking};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::apply::{Applied, Branch, Place, remove};
use crate::publish::pull_requests::given::{What, denied, given, heard, put, stands};
use crate::publish::pull_requests::heads::{OWN, of_holds_and_others, still_says, takes_back};
use crate::publish::pull_requests::readiness::{done, is_due_for_rebase, only_required_are_due, ready, reported};
use crate::publish::pull_requests::statuses::{is_changed, missing, note_changed, set_changed};
use crate::publish::pull_requests::{Course, RestsOn};

/// Why what was planned on another base waits.
const MOVED: &str = "the base has moved since it was looked at: the next pass looks again";

/// Why one waits that may be made anew by nobody once another one is merged.
const BEHIND_THEN: &str =
    "another one is merged first, and leaves it behind the base, which must be up to date for the merge";

/// What is said of one that may be behind once another one is merged.
const BEHIND_PERHAPS: &str = "another one is merged first: should the base have to be up to date for the merge, which is not told, this \
                              one is made anew on it instead";

/// Why one that is behind waits.
const BEHIND_ANOTHER: &str = "it is behind the base, and another one is brought up to date first";

/// What is to be merged.
pub(super) struct Order<'a> {
    /// The head branch.
    pub(super) head: &'a BranchName,
    /// The commit that it was seen at.
    pub(super) commit: &'a CommitId,
    /// What that commit was planned as.
    pub(super) again: &'a PlannedCommit,
    /// What the gates say.
    pub(super) statuses: &'a [Status],
    /// Whether the gates stay passed.
    pub(super) is_settled: bool,
    /// How many people must approve that very commit.
    pub(super) approvals: u32,
    /// The files of environments before that it was planned by.
    pub(super) rests_on: &'a RestsOn,
}

/// Whether what gates say is set where that is not said yet, or only taken for said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saying {
    Set,
    Foreseen,
}

/// Merges on a forge what is ready there, or says why not.
pub(super) async fn merge(
    place: &Place<'_>,
    tip: &mut CommitId,
    pull_request: &PullRequest,
    order: &Order<'_>,
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    let Order { head, commit, again, statuses, rests_on, .. } = *order;
    let forge = place.forge;
    let glance = applied.seen.remove(&pull_request.number);
    let (verdict, readiness) = judge(place, (pull_request, tip), order, glance, Saying::Set).await?;
    let Some(readiness) = readiness else {
        verdict.tell(course);
        return Ok(());
    };
    match verdict {
        Verdict::Held => {
            Verdict::Held.tell(course);
            return stop(forge, pull_request, course).await;
        }
        Verdict::Behind => {
            if place.rebased.has(place.branch) {
                course.reason = Some(BEHIND_ANOTHER.to_owned());
                return Ok(());
            }
            if !place.turn.may_act() {
                return Ok(());
            }
            let Some(now) = still_planned(place, tip, (again, &rests_on.here), &applied.changed).await? else {
                course.reason = Some(MOVED.to_owned());
                return Ok(());
            };
            *tip = now; // What was merged a moment ago it is to stand on, too.
            let made = place.maker().on_head(tip, head, Some(commit), again).await?;
            place.rebased.note(place.branch);
            applied.made.insert(made.commit.clone());
            let asked = [statuses, &missing(statuses, &readiness.required, &[])].concat();
            set_changed(forge, &made.commit, &asked, &mut Vec::new()).await?;
            Verdict::Behind.tell(course);
            return Ok(());
        }
        Verdict::Waits(reason) => {
            course.reason = Some(reason);
            return stop(forge, pull_request, course).await;
        }
        Verdict::Left(reason) => {
            course.reason = Some(reason);
            return Ok(());
        }
        Verdict::Queued => {
            course.action = Action::Enqueued;
            return match pull_request.put() {
                None => stands(forge, (pull_request, tip), &readiness).await,
                Some(_) => Ok(()),
            };
        }
        Verdict::MayArm(_) if pull_request.is_surely_armed() => {
            course.action = Action::Enqueued;
            return Ok(());
        }
        Verdict::MayArm(reason) => {
            let given = given(forge, What::Arm, (pull_request, tip), &readiness);
            if let Some(denied) = denied(&given)? {
                course.reason = Some(format!("{reason}; {denied}"));
                return Ok(());
            }
            if !put(forge, (pull_request, tip), &readiness, course).await? {
                return Ok(());
            }
            match heard(&given, forge.arm(pull_request, commit, &again.plan.message).await)? {
                Merge::NotReady(other) | Merge::Denied(other) => course.reason = Some(format!("{reason}; {other}")),
                Merge::Merged(_) | Merge::Enqueued => {
                    course.action = Action::Enqueued;
                    stands(forge, (pull_request, tip), &readiness).await?;
                }
            }
            return Ok(());
        }
        Verdict::Ready => {}
    }
    // By the base as it was judged on: what moves it in between may be why it is denied.
    let given = given(forge, What::Merge, (pull_request, tip), &readiness);
    if let Some(denied) = denied(&given)? {
        course.reason = Some(denied);
        return Ok(());
    }
    let Some(now) = still_planned(place, tip, (again, &rests_on.here), &applied.changed).await? else {
        course.reason = Some(MOVED.to_owned());
        return Ok(());
    };
    *tip = now;
    if let Some(reason) = held_meanwhile(place, (tip, rests_on), &applied.made).await? {
        course.reason = Some(reason);
        return Ok(());
    }
    if let Some(reason) = place.closed(again) {
        course.reason = Some(reason);
        return stop(forge, pull_request, course).await;
    }
    if !put(forge, (pull_request, tip), &readiness, course).await? {
        return Ok(());
    }
    match heard(&given, forge.merge(pull_request, commit, &again.plan.message).await)? {
        Merge::Merged(merged) => {
            course.action = Action::Merged;
            applied.landed.push(landed(course, merged, again));
            applied.changed.extend(changed(place, commit, again).await?);
            return clear(place, (head, commit), course, applied).await;
        }
        Merge::Enqueued => {
            course.action = Action::Enqueued;
            stands(forge, (pull_request, tip), &readiness).await?;
        }
        Merge::NotReady(reason) | Merge::Denied(reason) => course.reason = Some(reason),
    }
    Ok(())
}

/// Says what [`merge`] would come to, and changes nothing. `lands` are the files of what would be merged before.
pub(super) async fn foresee(
    place: &Place<'_>,
    tip: &CommitId,
    pull_request: &PullRequest,
    order: &Order<'_>,
    course: &mut Course,
    (applied, lands): (&mut Applied, &mut BTreeSet<RepoPath>),
) -> Result<(), MakeError> {
    let glance = applied.seen.remove(&pull_request.number);
    let (verdict, readiness) = judge(place, (pull_request, tip), order, glance, Saying::Foreseen).await?;
    let readiness = readiness.unwrap_or_default();
    let what = match &verdict {
        Verdict::Ready => Some(What::Merge),
        Verdict::MayArm(_) if !pull_request.is_surely_armed() => Some(What::Arm),
        _ => None,
    };
    if let Some(what) = what
        && let Some(denied) = denied(&given(place.forge, what, (pull_request, tip), &readiness))?
    {
        course.reason = Some(match verdict {
            Verdict::MayArm(reason) => format!("{reason}; {denied}"),
            _ => denied,
        });
        return Ok(());
    }
    // Whatever lands before leaves it behind.
    let (verdict, may_be_behind) = match (verdict, readiness.wants_tip) {
        (Verdict::Ready, _) if readiness.queue.is_some() || lands.is_empty() => (Verdict::Ready, false),
        (Verdict::Ready, Some(true)) if place.style.rebase == Rebase::Conflict => {
            (Verdict::Waits(BEHIND_THEN.to_owned()), false)
        }
        (Verdict::Ready, Some(true)) => (Verdict::Behind, false),
        (verdict, wants_tip) => (verdict, wants_tip.is_none()),
    };
    // Where it would be done, it is asked about first, as [`merge`] does.
    let acts = match &verdict {
        Verdict::Ready => true,
        Verdict::Behind => !place.rebased.has(place.branch),
        Verdict::MayArm(_) => !pull_request.is_surely_armed(),
        Verdict::Held | Verdict::Waits(_) | Verdict::Left(_) | Verdict::Queued => false,
    };
    if acts && !place.turn.may_act() {
        return Ok(());
    }
    match verdict {
        Verdict::Behind if place.rebased.has(place.branch) => course.reason = Some(BEHIND_ANOTHER.to_owned()),
        Verdict::Behind => {
            place.rebased.note(place.branch);
            Verdict::Behind.tell(course);
        }
        Verdict::Ready if readiness.queue.is_some() => course.action = Action::Enqueued,
        Verdict::Ready => {
            lands_next(place, tip, order, course, lands).await?;
            if may_be_behind && course.action == Action::Merged {
                course.add(BEHIND_PERHAPS);
            }
        }
        verdict => verdict.tell(course),
    }
    Ok(())
}

/// Says that something would land, unless something before it changes the same files.
pub(super) async fn lands_next(
    place: &Place<'_>,
    tip: &CommitId,
    order: &Order<'_>,
    course: &mut Course,
    lands: &mut BTreeSet<RepoPath>,
) -> Result<(), MakeError> {
    let files = order.again.files.iter().map(|edit| edit.file.clone()).collect::<BTreeSet<_>>();
    if !files.is_disjoint(lands) {
        course.reason =
            Some("another one that is merged first changes the same files: the next pass looks again".to_owned());
    } else if let Some(reason) = held_meanwhile(place, (tip, order.rests_on), &BTreeSet::new()).await? {
        course.reason = Some(reason);
    } else {
        course.action = Action::Merged;
        lands.extend(files);
    }
    Ok(())
}

/// Judges a pull request by everything that decides, also by what was told of many at once; what was asked beside that is there where
/// something may be done about it.
async fn judge(
    place: &Place<'_>,
    (pull_request, tip): (&PullRequest, &CommitId),
    order: &Order<'_>,
    glance: Option<Glance>,
    saying: Saying,
) -> Result<(Verdict, Option<Readiness>), MakeError> {
    let Order { commit, statuses, .. } = *order;
    let forge = place.forge;
    if let Some(glance) = &glance
        && let Some(verdict) = rest(place.style, (pull_request, tip), order, glance)
    {
        return Ok((verdict, None));
    }
    let mut checks = match glance.filter(|glance| waits(place.style, &glance.readiness.checks).is_err()) {
        Some(glance) if !is_by_forge(place.style, pull_request) => glance.readiness.checks,
        _ => forge.checks(commit).await?,
    };
    // While its checks are not done nothing else decides, and the rest need not be asked for, pass after pass.
    if !is_by_forge(place.style, pull_request) {
        say((forge, commit), statuses, &mut checks, saying).await?;
        let is_done = done(&checks).is_ok();
        if let Err(reason) = waits(place.style, &checks)
            && (!is_done || forge.is_unreported(pull_request).await?)
        {
            return Ok((Verdict::Left(reason), None));
        }
    }
    let mut readiness = forge.readiness(pull_request, checks).await?;
    // Whoever has set it since the listing wants nothing to be done about it any more.
    if readiness.labels.contains(LABEL_HOLD) {
        return Ok((Verdict::Held, Some(readiness)));
    }
    // Whatever happened to them since they were set, a merge is not held up by what Tagboat itself says.
    let asked = [statuses, &missing(statuses, &readiness.required, &readiness.checks)].concat();
    say((forge, commit), &asked, &mut readiness.checks, saying).await?;
    Ok((verdict(place.style, (pull_request, tip), order, &readiness), Some(readiness)))
}

async fn say(
    (forge, commit): (&dyn Forge, &CommitId),
    statuses: &[Status],
    checks: &mut Vec<Check>,
    saying: Saying,
) -> Result<(), ForgeError> {
    match saying {
        Saying::Set => set_changed(forge, commit, statuses, checks).await,
        Saying::Foreseen => {
            note_changed(statuses, checks);
            Ok(())
        }
    }
}

/// Takes back that the forge merges by itself, where it was told to, and says so.
pub(super) async fn stop(forge: &dyn Forge, pull_request: &PullRequest, course: &mut Course) -> Result<(), MakeError> {
    if pull_request.is_armed {
        forge.disarm(pull_request).await?;
        if pull_request.put().is_some() {
            course.add("it waits in no merge queue any more");
        }
    }
    Ok(())
}

/// What is to be done about a head commit.
enum Verdict {
    /// It has to be brought up to date.
    Behind,
    /// Nothing, for a person holds it.
    Held,
    /// Nothing, and why; nor does the forge merge it by itself.
    Waits(String),
    /// Nothing, and why, as while its checks run, or where the merge queue has thrown it out; what the forge was told stays.
    Left(String),
    /// Nothing, since it is in the merge queue.
    Queued,
    /// As before, but for nothing that the forge would not wait for as well, which may merge by itself.
    MayArm(String),
    /// It may be merged.
    Ready,
}

impl Verdict {
    /// Writes into a course what it comes to.
    fn tell(self, course: &mut Course) {
        match self {
            Self::Behind => {
                course.action = Action::Updated;
                course.reason = Some("made anew on the base, which must be up to date for the merge".to_owned());
            }
            Self::Held => {
                course.action = Action::LeftAlone;
                course.reason = Some(format!("it has the label `{LABEL_HOLD}`"));
            }
            Self::Waits(reason) | Self::Left(reason) => course.reason = Some(reason),
            Self::Queued | Self::MayArm(_) => course.action = Action::Enqueued,
            Self::Ready => {}
        }
    }
}

/// Judges a head commit by everything that was told of it.
fn verdict(
    style: &PullRequestStyle,
    (pull_request, tip): (&PullRequest, &CommitId),
    order: &Order<'_>,
    readiness: &Readiness,
) -> Verdict {
    if is_due_for_rebase(readiness, style) {
        return Verdict::Behind;
    }
    let is_approved = readiness.approvals >= order.approvals;
    let enough = if is_approved {
        ready(readiness, style)
    } else {
        Err(format!("{} of {} approvals of its head commit", readiness.approvals, order.approvals))
    };
    match enough {
        Ok(()) if readiness.queue.as_ref().is_some_and(|queue| queue.is_in) => Verdict::Queued,
        Ok(()) => left(pull_request, tip, readiness).map_or(Verdict::Ready, Verdict::Left),
        Err(reason)
            if is_approved && order.is_settled && style.native_auto_merge && only_required_are_due(readiness) =>
        {
            Verdict::MayArm(reason)
        }
        Err(reason) => Verdict::Waits(reason),
    }
}

/// Says that a merge queue has thrown a pull request out, where nothing has changed since it was put there: the same checks would fail again.
fn left(pull_request: &PullRequest, tip: &CommitId, readiness: &Readiness) -> Option<String> {
    let put = pull_request.put().filter(|put| put.base == *tip)?;
    let left = readiness.queue.as_ref()?.left.as_ref()?;
    // What a mute forge has had was written down only once it was there.
    let is_since = left.at.is_empty() || put.left.as_ref() != Some(&left.at);
    is_since.then(|| {
        format!(
            "it has left the merge queue ({}): it is put there again once its head or the base changes, or it has the label `{LABEL_RETRY}`",
            left.why
        )
    })
}

/// Says what a pull request waits for by what was told of many at once; `None` where anything is to be done about it, which is judged anew, or
/// where its checks alone decide.
fn rest(
    style: &PullRequestStyle,
    (pull_request, tip): (&PullRequest, &CommitId),
    order: &Order<'_>,
    glance: &Glance,
) -> Option<Verdict> {
    let Glance { readiness, is_whole } = glance;
    let is_by_checks = !is_by_forge(style, pull_request) && waits(style, &readiness.checks).is_err();
    if !is_whole || is_by_checks || readiness.labels.contains(LABEL_HOLD) {
        return None;
    }
    let asked = [order.statuses, &missing(order.statuses, &readiness.required, &readiness.checks)].concat();
    if is_changed(&asked, &readiness.checks) {
        return None;
    }
    match verdict(style, (pull_request, tip), order, readiness) {
        done @ (Verdict::Left(_) | Verdict::Queued) => Some(done),
        waits @ Verdict::Waits(_) if !pull_request.is_armed => Some(waits),
        may @ Verdict::MayArm(_) if pull_request.is_surely_armed() => Some(may),
        _ => None,
    }
}

/// Whether the forge merges it by itself, or may be told to.
fn is_by_forge(style: &PullRequestStyle, pull_request: &PullRequest) -> bool {
    style.native_auto_merge || pull_request.is_armed
}

/// Whether its checks let a head commit be merged, as far as nobody needs to be asked what the base requires.
fn waits(style: &PullRequestStyle, checks: &[Check]) -> Result<(), String> {
    done(checks).and_then(|()| reported(checks, style))
}

/// Looks once more where the base stands before a forge merges into it, and whether what was planned on it still holds: the
/// files that are to change, those of environments before that it was planned by (or what this pass made of these by merging others),
/// the configuration, and what a person holds are what they were. Returns where it stands then.
async fn still_planned(
    place: &Place<'_>,
    seen: &CommitId,
    (planned, rests_on): (&PlannedCommit, &BTreeSet<RepoPath>),
    merged: &BTreeMap<RepoPath, BlobId>,
) -> Result<Option<CommitId>, GitError> {
    let own: BTreeSet<&RepoPath> = planned.files.iter().map(|edit| &edit.file).collect();
    let files: BTreeSet<RepoPath> = own.iter().copied().chain(rests_on).cloned().collect();
    let (remote, branch, seen) = (Arc::clone(&place.remote), place.branch.clone(), seen.clone());
    let mut merged = merged.clone();
    merged.retain(|path, _| rests_on.contains(path) && !own.contains(path));
    blocking(move || {
        let now = remote.tip(&branch)?;
        if now == seen {
            return Ok(Some(now));
        }
        let counts = |path: &RepoPath| path.as_str().starts_with(OWN) || files.contains(path);
        let of = |commit: &CommitId| -> Result<BTreeMap<RepoPath, BlobId>, GitError> {
            let entries = remote.entries(commit)?.into_iter();
            let counting = entries.filter_map(|entry| Some((entry.path.ok().filter(counts)?, entry.blob)));
            Ok(counting.collect())
        };
        let mut expected = of(&seen)?;
        expected.extend(merged);
        Ok((expected == of(&now)?).then_some(now))
    })
    .await
}

/// Returns what a head commit that was merged made of the files that it changes.
pub(super) async fn changed(
    place: &Place<'_>,
    commit: &CommitId,
    planned: &PlannedCommit,
) -> Result<BTreeMap<RepoPath, BlobId>, GitError> {
    let files: BTreeSet<RepoPath> = planned.files.iter().map(|edit| edit.file.clone()).collect();
    let (remote, commit) = (Arc::clone(&place.remote), commit.clone());
    blocking(move || {
        let entries = remote.entries(&commit)?.into_iter();
        let of_files =
            entries.filter_map(|entry| Some((entry.path.ok().filter(|path| files.contains(path))?, entry.blob)));
        Ok(of_files.collect())
    })
    .await
}

/// Looks once more, right before something moves, at what holds: on the base, where that is another branch; on the branches of
/// environments before; where holds are proposed; and at what has come to head branches since it was planned, of which this pass has `made` some: what goes back there holds what it
/// leaves. Says why it waits where any of it is not as it was.
pub(super) async fn held_meanwhile(
    place: &Place<'_>,
    (tip, rests_on): (&CommitId, &RestsOn),
    made: &BTreeSet<CommitId>,
) -> Result<Option<String>, GitError> {
    let (remote, prefix) = (Arc::clone(&place.remote), place.style.branch_prefix.clone());
    let rules = place.rules.map(|(branch, seen)| (branch.clone(), seen.clone()));
    let base = rules.as_ref().map(|(base, _)| base.clone());
    let mut beside = rests_on.beside.clone();
    let on_base = base.as_ref().and_then(|base| beside.remove(base)).unwrap_or_default();
    let made_of_base = base.as_ref().and_then(|base| place.branches.get(base)).map(|base| base.made.clone());
    // What comes from a branch that could not be read is not planned.
    let as_seen =
        |(branch, files): (BranchName, _)| Some((branch.clone(), files, place.branches.get(&branch)?.clone()));
    let beside: Vec<(BranchName, BTreeSet<RepoPath>, Branch)> = beside.into_iter().filter_map(as_seen).collect();
    let (branch, tip, seen, made) = (place.branch.clone(), tip.clone(), place.holds.clone(), made.clone());
    let changed = || Some("what is proposed to be held has changed meanwhile: the next pass looks again".to_owned());
    blocking(move || {
        if let Some((rules, seen)) = rules
            && !still_says(&*remote, (&rules, &seen), (&on_base, &made_of_base.unwrap_or_default()))?
        {
            return Ok(Some(MOVED.to_owned()));
        }
        for (branch, files, Branch { seen, made }) in beside {
            if !still_says(&*remote, (&branch, &seen), (&files, &made))? {
                return Ok(Some(format!("the branch {branch} moved meanwhile: the next pass looks again")));
            }
        }
        let Some((of_holds, others)) = seen else { return Ok(None) };
        let is_head =
            |name: &BranchName| name.as_str().starts_with(&prefix) && *name != branch && base.as_ref() != Some(name);
        let (now, mut further) = of_holds_and_others(&*remote)?;
        if now != of_holds {
            return Ok(changed());
        }
        further.retain(|one| is_head(&one.0) && !others.contains(one) && !made.contains(&one.1));
        for (name, at) in further {
            if takes_back(&remote.head(&name, &at, (&branch, &tip))?) {
                return Ok(changed());
            }
        }
        Ok(None)
    })
    .await
}

/// Removes a head branch whose content landed; where it stands elsewhere by now it is somebody's, or gone already.
pub(super) async fn clear(
    place: &Place<'_>,
    of: (&BranchName, &CommitId),
    course: &mut Course,
    applied: &mut Applied,
) -> Result<(), MakeError> {
    match remove(place, of, course, applied).await {
        Err(MakeError::Moved(_)) => Ok(()),
        removed => removed,
    }
}

pub(super) fn landed(course: &Course, commit: CommitId, made: &PlannedCommit) -> Landed {
    Landed { environment: course.environment.clone(), commit, message: made.plan.message.clone() }
}
