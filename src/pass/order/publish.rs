//! Publishing what was ordered: on the base at once, or as the pull request that stands for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::FixedClock;
use crate::config::repository::Repository;
use crate::forge::Forge;
use crate::git::Remote;
use crate::model::commit::{CommitId, Sign, TRAILER_BY, TRAILER_HOLD, TRAILER_PUBLISH, TRAILER_REASON, TRAILER_SKIP};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::image::shorten;
use crate::model::outcome::{Outcome, Skipped};
use crate::model::proposal::Action;
use crate::model::pull_request::{HeadBranch, PullRequest, State};
use crate::observe::history::changed;
use crate::pass::displaced::{self, Whose};
use crate::pass::order::{OrderError, Ordering, refused};
use crate::pass::own::look;
use crate::pass::propose::Publishing;
use crate::pass::{Turn, blocking};
use crate::publish::apply::{self, Applied};
use crate::publish::making::{MakeError, Maker};
use crate::publish::plan::PlannedCommit;
use crate::publish::pull_requests::apply::{Place, Rebased, apply as take};
use crate::publish::pull_requests::{self, Desired, Standing, Unsure, images};

/// Publishes a commit, and writes into the outcome what came of it; `false` where the branch moved meanwhile.
pub(super) async fn publish(
    given: &Ordering<'_>,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    commit: PlannedCommit,
    outcome: &mut Outcome,
) -> Result<bool, OrderError> {
    let publish = outcome.proposals.first().map_or(Publish::Commit, |proposal| proposal.publish);
    if publish != Publish::Commit {
        return propose(given, config, (branch, base), commit, outcome).await;
    }
    let applied = commit_to(&given.remote, &given.publishing, config, (branch, base), commit, given.now).await;
    let applied = applied.map_err(|error| OrderError::Failed(error.to_string()))?;
    match applied {
        Applied::Landed(landed) => {
            outcome.commits.extend(landed);
            Ok(true)
        }
        Applied::Moved => Ok(false),
        Applied::Forbidden(words) => Err(OrderError::Refused {
            message: format!("the remote refuses the push: {words}"),
            hint: Some("`--publish pullRequest` pushes a head branch instead".to_owned()),
        }),
    }
}

/// Makes a commit on a branch, by the forge where that signs it.
///
/// # Errors
///
/// [`MakeError`] when it could not be made.
pub(in crate::pass) async fn commit_to(
    remote: &Arc<dyn Remote>,
    publishing: &Publishing,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    commit: PlannedCommit,
    now: Timestamp,
) -> Result<Applied, MakeError> {
    let forge = publishing.forge();
    if config.commit.sign == Some(Sign::Forge) && forge.signs().is_ok() {
        let (remote, prefix) = (Arc::clone(remote), config.pull_request.branch_prefix.as_str());
        let maker = Maker { remote, forge, branch, prefix, now };
        return apply::apply_by_forge(&maker, base, vec![commit], &FixedClock(now)).await;
    }
    let (remote, branch, at) = (Arc::clone(remote), branch.clone(), base.clone());
    Ok(blocking(move || apply::apply(&*remote, &branch, &at, vec![commit], now)).await?)
}

/// Makes it the pull request of its environment and group, in the place of whatever stands there.
async fn propose(
    given: &Ordering<'_>,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    commit: PlannedCommit,
    outcome: &mut Outcome,
) -> Result<bool, OrderError> {
    let forge = match &given.publishing {
        Publishing::Forge(forge) => &**forge,
        Publishing::Missing(reason) => {
            return Err(refused(reason.clone(), "`--publish commit` commits it to the base branch"));
        }
    };
    let style = &config.pull_request;
    let limit = forge.body_limit();
    let proposal = outcome.proposals.remove(0);
    let environment = config.environments.named(&proposal.environment);
    let mut desired = pull_requests::ordered(&proposal, &outcome.changes, commit, style, limit, environment);
    // On plain Git nobody else merges: the second round moves the base to what the first one pushed.
    let rounds = if !forge.has_pull_requests() && proposal.publish == Publish::AutoMerge { 2 } else { 1 };
    outcome.proposals.push(proposal);
    for round in 0..rounds {
        let standing = standing(given, config, (branch, base), forge, &mut desired).await?;
        if round == 0 {
            outcome.skipped.extend(instead_of(given, &standing, &desired).await?);
            desired.told = anew(given, (&standing, branch), &desired).await?;
        }
        let wanted = std::slice::from_ref(&desired);
        let mut courses = pull_requests::plan(wanted, &standing, &style.branch_prefix, &Unsure::default());
        courses.retain(|course| course.proposal.is_some());
        let (remote, now) = (Arc::clone(&given.remote), given.now);
        // What is ordered is judged and done at once: it counts as given at one moment.
        let clock = &FixedClock(now);
        let (turn, rebased) = (&Turn::default(), &Rebased::default());
        let (holds, rules) = (None, None);
        let branches = BTreeMap::new();
        let place = Place { remote, forge, branch, now, clock, style, holds, rules, branches, turn, rebased };
        let applied = take(&place, base, &mut courses).await;
        outcome.commits.extend(applied.landed);
        if applied.has_moved {
            return Ok(false);
        }
        let (Some(course), Some(proposal)) = (courses.into_iter().next(), outcome.proposals.first_mut()) else {
            continue;
        };
        proposal.branch = Some(course.head.to_string());
        proposal.url = course.url;
        // What the first round opened is not made unchanged by the second.
        if round == 0 || course.action != Action::Unchanged {
            proposal.action = course.action;
        }
        proposal.reason = course.reason;
        match proposal.action {
            Action::Failed => {
                let reason = proposal.reason.clone().unwrap_or_default();
                return Err(OrderError::Failed(reason));
            }
            Action::LeftAlone => {
                let reason = proposal.reason.clone().unwrap_or_default();
                let message = proposal.url.as_ref().map_or(reason.clone(), |url| format!("{url}: {reason}"));
                return Err(refused(message, "end that there, or `--publish commit` commits it to the base branch"));
            }
            _ => {}
        }
    }
    if outcome.proposals.iter().all(|proposal| proposal.action == Action::Unchanged) {
        outcome.changes.clear();
        outcome.files.clear();
    }
    Ok(true)
}

/// Tells what an order takes the place of; one that would drop a part of what was ordered before is refused.
async fn instead_of(
    given: &Ordering<'_>,
    standing: &Standing,
    desired: &Desired,
) -> Result<Option<Skipped>, OrderError> {
    let is_open = |head: &HeadBranch| match &standing.pull_requests {
        Some(all) => all.iter().any(|one| one.state == State::Open && one.head == head.name),
        None => true,
    };
    let is_before = |head: &&HeadBranch| {
        let is_ordered = head.is_own && (head.is_order || head.is_return);
        head.name == desired.head && is_ordered && is_open(head) && head.key.as_deref() != Some(&desired.key)
    };
    let Some(head) = standing.heads.iter().find(is_before) else { return Ok(None) };
    let (remote, tip) = (Arc::clone(&given.remote), head.tip.clone());
    let message = blocking(move || remote.message(&tip)).await?.unwrap_or_default();
    let subject = shorten(message.lines().next().unwrap_or_default());
    let own = images(&desired.commit.plan.message);
    let dropped: Vec<&str> = head.images.difference(&own).map(String::as_str).collect();
    if dropped.is_empty() {
        let reason = format!("it takes the place of what was ordered before: {subject}");
        return Ok(Some(Skipped { what: head.name.to_string(), reason }));
    }
    let (name, dropped) = (&head.name, dropped.join(", "));
    Err(refused(
        format!("{name} stands for what was ordered before ({subject}), which this would take away from {dropped}"),
        "merge that one first, or close it and remove its branch; or order the whole group",
    ))
}

/// Tells how the same order, given again, differs from what stands of it.
async fn anew(
    given: &Ordering<'_>,
    (standing, branch): (&Standing, &BranchName),
    desired: &Desired,
) -> Result<Option<String>, OrderError> {
    let is_it = |head: &&HeadBranch| {
        head.name == desired.head && head.is_own && head.is_order && head.key.as_deref() == Some(&desired.key)
    };
    let Some(head) = standing.heads.iter().find(is_it) else { return Ok(None) };
    let (remote, tip) = (Arc::clone(&given.remote), head.tip.clone());
    let before = blocking(move || remote.message(&tip)).await?.unwrap_or_default();
    let now = &desired.commit.plan.message;
    let of = |message: &str, trailer: &str| {
        let all = message.lines().filter_map(|line| line.strip_prefix(trailer)?.strip_prefix(": "));
        all.map(shorten).collect::<Vec<_>>().join(", ")
    };
    let word = |said: String| if said.is_empty() { "nothing".to_owned() } else { format!("`{said}`") };
    let mut told = Vec::new();
    for (name, trailer) in TOLD {
        let (before, now) = (of(&before, trailer), of(now, trailer));
        if before != now {
            told.push(format!("{name}: {}, and not {} as before", word(now), word(before)));
        }
    }
    if told.is_empty() {
        told.push(format!("made anew on {branch}"));
    }
    Ok(Some(told.join("; ")))
}

/// What the same order may say otherwise when it is given again.
const TOLD: [(&str, &str); 5] = [
    ("reason", TRAILER_REASON),
    ("by", TRAILER_BY),
    ("not waited for", TRAILER_SKIP),
    ("held", TRAILER_HOLD),
    ("published", TRAILER_PUBLISH),
];

async fn standing(
    given: &Ordering<'_>,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    forge: &dyn Forge,
    desired: &mut Desired,
) -> Result<Standing, OrderError> {
    let (mut displaced, mut away) = (Vec::new(), Vec::new());
    let pull_requests = match forge.has_pull_requests() {
        true => {
            let listed = forge.list().await.map_err(|error| OrderError::Failed(error.to_string()))?;
            let mut listed = listed.pull_requests;
            let is_open = |one: &&PullRequest| one.state == State::Open;
            // What a person has pointed at another base is theirs, and its head branch with it.
            let is_pointed = |one: &&PullRequest| one.head == desired.head && one.opened_into() == Some(branch);
            displaced.extend(listed.iter().filter(is_open).filter(is_pointed).cloned());
            away.extend(listed.iter().filter(is_open).filter(|one| one.base != *branch).cloned());
            listed.retain(|one| one.base == *branch);
            let mut open = listed.iter().filter(is_open);
            let group = desired.group.clone();
            let is_of = |one: &&PullRequest| one.is_of(&desired.environment, &group, &config.pull_request);
            // One that stands under an earlier prefix is the one whose place it takes.
            if !open.clone().any(|one| one.head == desired.head)
                && let Some(former) = open.find(is_of)
                && is_here(given, (config, &desired.environment), (branch, base), former).await?
            {
                desired.head = former.head.clone();
            }
            listed.retain(|one| one.head == desired.head);
            Some(listed)
        }
        false => None,
    };
    let (remote, onto, at) = (Arc::clone(&given.remote), branch.clone(), base.clone());
    let (own, wanted) = (config.commit.clone(), desired.clone());
    let look_at = move || {
        let mut listed = remote.heads(wanted.head.as_str())?;
        listed.retain(|(name, _)| *name == wanted.head);
        look(&remote, (&onto, &at), listed, &own, std::slice::from_ref(&wanted))
    };
    let mut heads = blocking(look_at).await?;
    away.retain(|one| one.head == desired.head && one.opened_into() != Some(branch));
    let whose = Whose { branch: given.branch, is_given: given.config.is_some(), config };
    let theirs = displaced::judge(&given.remote, whose, away, (branch, &[])).await?.others;
    heads.retain(|head| theirs.iter().all(|one| one.head != head.name));
    let (base, home, rest) = (Some(branch.clone()), Some(given.branch.clone()), Standing::default());
    Ok(Standing { base, home, heads, pull_requests, displaced, theirs, ..rest })
}

/// Whether a pull request under another prefix changes files of its environment: else another configuration has made it.
async fn is_here(
    given: &Ordering<'_>,
    (config, environment): (&Repository, &EnvironmentName),
    (branch, base): (&BranchName, &CommitId),
    former: &PullRequest,
) -> Result<bool, OrderError> {
    let (remote, head, tip) = (Arc::clone(&given.remote), former.head.clone(), former.commit.clone());
    let (onto, at) = (branch.clone(), base.clone());
    let work = move || {
        let Some((name, _)) =
            remote.heads(head.as_str())?.into_iter().find(|found| *found == (head.clone(), tip.clone()))
        else {
            return Ok(None);
        };
        changed(&*remote, &remote.head(&name, &tip, (&onto, &at))?).map(Some)
    };
    let Some(files) = blocking(work).await? else { return Ok(true) };
    let environment = config.environments.named(environment);
    let has = |file: &RepoPath| environment.is_some_and(|environment| environment.files.matches(file.as_str()));
    Ok(files.is_empty() || files.iter().any(has))
}
