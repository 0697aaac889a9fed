//! Pull requests of a pass: what was planned becomes what should stand, and is compared with what does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::forge::plain::{self, Plain};
use crate::forge::{Forge, ForgeError};
use crate::git::{GitError, Remote};
use crate::model::change::ChangeSet;
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, Environment, EnvironmentName, Publish};
use crate::model::gate::{GateName, GateSpec};
use crate::model::outcome::{Landed, Skipped, Trouble};
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{HeadBranch, Listing, PullRequest, State};
pub use crate::observe::checks::Asked;
use crate::pass::displaced::{Judged, Whose};
use crate::pass::former::{Known, Proof};
use crate::pass::grounds;
use crate::pass::own::{look, take_along};
use crate::pass::refusals::unremoved::Unremoved;
use crate::pass::refusals::{self, Recall};
use crate::pass::run::{Mode, Run};
use crate::pass::unsure::{held, unsure};
use crate::pass::view::Branches;
use crate::pass::{Inputs, Planned, blocking};
use crate::pass::{displaced, former, hold, notes, ordered};
use crate::promote;
use crate::publish::held::is_head;
use crate::publish::pull_requests::apply::{Branch, Place, Rebased, apply, foresee};
use crate::publish::pull_requests::told::tell;
use crate::publish::pull_requests::{self, Course, Desired, Standing, course};

/// Why a proposal is not made of which only a part could be edited.
pub(super) const NOT_ALL_EDITED: &str = "not every file of it could be edited";

/// Where pull requests of a repository are made.
#[derive(Clone)]
pub enum Publishing {
    /// A forge, or plain Git: there a head branch stands for the pull request, and what lands is made anew on the base, never the head's own.
    Forge(Arc<dyn Forge>),
    /// None that this version knows; why, in words.
    Missing(String),
}

/// What is left where nobody knows on which forge a repository is.
static UNKNOWN: Plain = Plain::at(String::new(), String::new());

impl Publishing {
    /// Returns the forge. One that nobody knows is as plain Git: whoever would open pull requests there says first why that cannot be.
    pub fn forge(&self) -> &dyn Forge {
        match self {
            Self::Forge(forge) => &**forge,
            Self::Missing(_) => &UNKNOWN,
        }
    }

    /// Returns whom to ask about commits and pull requests of a base branch; or why nobody can be asked, in words.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn asked<'a>(&'a self, base: &'a BranchName) -> Result<Asked<'a>, String> {
        match self {
            Self::Forge(forge) if forge.has_pull_requests() => Ok(Asked { forge: &**forge, base }),
            Self::Forge(_) => Err(plain::NO_REVIEWS.to_owned()),
            Self::Missing(reason) => Err(reason.clone()),
        }
    }
}

/// What came of the pull requests of a pass.
#[derive(Debug, Default)]
pub(super) struct Proposed {
    /// Proposals for what nobody wants any more.
    pub(super) closed: Vec<Proposal>,
    /// The commits that reached the base branch.
    pub(super) landed: Vec<Landed>,
    /// What failed.
    pub(super) errors: Vec<Trouble>,
}

/// Why pull requests could not be looked at: then nothing is done about any.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error("the head branches could not be read: {0}")]
    Git(#[from] GitError),
    #[error("the pull requests could not be listed: {0}")]
    Forge(#[from] ForgeError),
}

/// Brings the pull requests to where they should be, or says what would be done.
pub(super) async fn propose(
    run: &Run<'_>,
    (base, inputs): (&CommitId, &Inputs<'_>),
    branches: &Branches,
    (config, rebased): (&Repository, &Rebased),
    planned: &mut Planned,
) -> Proposed {
    let forge = match &run.publishing {
        Publishing::Forge(forge) => &**forge,
        Publishing::Missing(reason) if run.mode == Mode::DryRun => {
            unseen(planned, (config, run.branch), reason);
            return Proposed::default();
        }
        Publishing::Missing(reason) => {
            let errors = wait(planned, reason).into_iter().collect();
            return Proposed { errors, ..Proposed::default() };
        }
    };
    let style = &config.pull_request;
    let limit = forge.body_limit();
    let mut desired = desired(planned, (config, run.branch), limit, &BTreeMap::new());
    // Gates may have asked for the same list a moment ago.
    let listed = match planned.observation.pull_requests.take() {
        _ if !forge.has_pull_requests() => Ok(None),
        Some(listed) => Ok(Some(listed)),
        None => forge.list().await.map(Some),
    };
    let known = former::known(&planned.promoted);
    let mut recall = Recall::new(forge, run.cache, style);
    let mut stays = Unremoved::read(run.cache, &forge.home().1, run.now);
    let mut proposed = Proposed::default();
    // What an order tells is not told by what was left alone for it, once no position is named any more.
    let mut twice = BTreeSet::new();
    let grounds = grounds(run, base, branches, config);
    let tips = grounds::tips(run.branch, (base, branches)).into_iter();
    let mut seen: BTreeMap<BranchName, Branch> =
        tips.map(|(branch, seen)| (branch, Branch { seen, made: BTreeMap::new() })).collect();
    let known_tips: Vec<_> = grounds.iter().map(|onto| (onto.branch.clone(), onto.tip.clone())).collect();
    for onto in grounds {
        let (mut own, others): (Vec<_>, Vec<_>) =
            desired.into_iter().partition(|desired| onto.has(&desired.environment));
        desired = others;
        let looked = match listed.as_ref().map_err(|error| LookError::Forge(error.clone())) {
            Ok(listed) => standing(run, (&onto, &known_tips), (config, &known), listed.as_ref(), &own).await,
            Err(error) => Err(error),
        };
        let mut standing = match looked {
            Ok((standing, told)) => {
                planned.promoted.skipped.extend(told);
                standing
            }
            Err(error) => {
                proposed.errors.push(fail(planned, &onto, error.to_string()));
                continue;
            }
        };
        let prefix = style.branch_prefix.as_str();
        if onto.is_base {
            let listed = listed.as_ref().ok().and_then(Option::as_ref);
            let (kept, troubles) = hold::keep(run, (base, config), of_holds(&standing, listed), listed).await;
            proposed.closed.extend(kept);
            proposed.errors.extend(troubles);
        }
        planned.promoted.skipped.extend(stays.told(&standing.heads, &own));
        standing.held = held(planned, inputs, &standing);
        standing.kept_back = refusals::kept_back(&planned.promoted.proposals);
        former::take_up(planned, &mut standing, &mut own);
        let ordered = match ordered::again(run, (&onto, inputs), planned, (&mut standing, &own), limit).await {
            Ok(ordered) => ordered,
            Err(error) => {
                tracing::warn!(%error, "what was ordered is left as it stands");
                ordered::Orders::default()
            }
        };
        ordered::take_place(&ordered, planned, &mut own);
        unapproved(planned, config, &standing, &mut own, (limit, &BTreeMap::new()));
        one_of_a_head(planned, &standing, &mut own);
        let mut courses = stays.leave(pull_requests::plan(&own, &standing, prefix, &unsure(planned, inputs)));
        if let Ok(Some(listed)) = &listed {
            let unsure = unsure(planned, inputs);
            let again = |standing: &Standing| stays.leave(pull_requests::plan(&own, standing, prefix, &unsure));
            let (told, remote) = (listed.is_whole, &run.remote);
            let further = recall.further((told, remote), &own, &mut standing, &mut courses, &again).await;
            if let Err(error) = further {
                proposed.errors.push(fail(planned, &onto, error.to_string()));
                continue;
            }
        }
        if forge.has_pull_requests() && style.release_notes {
            let notes = notes::notes(run, forge, planned, &standing, (&own, &courses)).await;
            own = self::desired(planned, (config, run.branch), limit, &notes);
            own.retain(|desired| onto.has(&desired.environment));
            former::take_up(planned, &mut standing, &mut own);
            ordered::take_place(&ordered, planned, &mut own);
            unapproved(planned, config, &standing, &mut own, (limit, &notes));
            one_of_a_head(planned, &standing, &mut own);
            courses = stays.leave(pull_requests::plan(&own, &standing, prefix, &unsure(planned, inputs)));
        }
        let remote = Arc::clone(&run.remote);
        let (branch, now, clock, holds) = (onto.branch, run.now, run.clock, inputs.awaited.seen.clone());
        // What an environment on a branch of its own may run is said on the base.
        let rules = (!onto.is_base).then_some((run.branch, base));
        let (branches, turn) = (seen.clone(), &run.turn);
        let place = Place { remote, forge, branch, now, clock, style, holds, rules, branches, turn, rebased };
        if run.mode == Mode::DryRun {
            foresee(&place, onto.tip, &mut courses).await;
        } else {
            let applied = apply(&place, onto.tip, &mut courses).await;
            proposed.landed.extend(applied.landed);
            planned.promoted.skipped.extend(stays.keep(applied.stays, &mut courses));
            // What this pass has merged itself is no news to what comes after.
            seen.entry(onto.branch.clone()).and_modify(|branch| branch.made.extend(applied.changed));
            if run.turn.is_stale() {
                return proposed;
            }
        }
        take_over(planned, courses, &mut proposed);
        twice.extend(ordered::tell(ordered, planned));
    }
    let mut index = 0..;
    planned.promoted.proposals.retain(|_| index.next().is_none_or(|index| !twice.contains(&index)));
    let now = |index: &mut usize| *index -= twice.range(..*index).count();
    planned.proposed.iter_mut().for_each(|(index, _)| now(index));
    planned.returns.iter_mut().for_each(|returned| now(&mut returned.proposal));
    proposed
}

/// A branch that pull requests are made to.
pub(super) struct Onto<'a> {
    pub(super) branch: &'a BranchName,
    pub(super) tip: &'a CommitId,
    is_base: bool,
    /// The environments on this branch; of the base, those on any other one.
    environments: BTreeSet<&'a EnvironmentName>,
}

impl Onto<'_> {
    /// Whether the pull requests of an environment are made to it. Those of one that is no more belong to the base.
    pub(super) fn has(&self, environment: &EnvironmentName) -> bool {
        self.environments.contains(environment) != self.is_base
    }

    /// Whether a head branch is of an environment on this branch.
    pub(super) fn has_head(&self, head: &BranchName, prefix: &str) -> bool {
        let named = head.as_str().strip_prefix(prefix).and_then(|rest| rest.split_once('/'));
        named.map_or(self.is_base, |(environment, _)| self.has(&environment.into()))
    }
}

/// Returns every branch that could be read; what stands for the others is left as it is.
fn grounds<'a>(run: &'a Run<'_>, base: &'a CommitId, branches: &'a Branches, config: &'a Repository) -> Vec<Onto<'a>> {
    let on = |is_there: &dyn Fn(Option<&BranchName>) -> bool| {
        let own = config.environments.0.iter().filter(|environment| is_there(environment.branch.as_ref()));
        own.map(|environment| &environment.name).collect()
    };
    let elsewhere = on(&|branch| branch.is_some());
    let mut all = vec![Onto { branch: run.branch, tip: base, is_base: true, environments: elsewhere }];
    for (branch, viewed) in branches {
        if let Some(tip) = viewed.as_ref().ok().and_then(|viewed| viewed.base.as_ref()) {
            let environments = on(&|other| other == Some(branch));
            all.push(Onto { branch, tip, is_base: false, environments });
        }
    }
    all
}

/// Returns the pull requests that should stand; `notes` are sections of their bodies, by the proposals' positions.
fn desired(
    planned: &mut Planned,
    (config, base): (&Repository, &BranchName),
    limit: usize,
    notes: &BTreeMap<usize, String>,
) -> Vec<Desired> {
    let mut desired = Vec::new();
    for (index, changes) in &planned.proposed {
        let proposal = &mut planned.promoted.proposals[*index];
        if !changes.refused.is_empty() || changes.files.is_empty() {
            // The refusals are rows of the outcome; half of a group is no group.
            proposal.action = Action::Failed;
            proposal.reason = Some(NOT_ALL_EDITED.to_owned());
            continue;
        }
        let environment = config.environments.named(&proposal.environment);
        let styles = (&config.commit, &config.pull_request);
        let notes = notes.get(index).map(String::as_str).unwrap_or_default();
        let mut wanted = pull_requests::desired((*index, proposal), changes, styles, environment, (limit, notes));
        wanted.approvals = environment.map_or(0, approvals_of);
        if let Some(environment) = environment.filter(|environment| environment.publish == Publish::AutoMerge) {
            wanted.rests_on =
                grounds::rests_on(&planned.observation.sites, (config, base), environment, &proposal.moves);
        }
        desired.push(wanted);
    }
    for returned in &planned.returns {
        let proposal = &planned.promoted.proposals[returned.proposal];
        if proposal.publish == Publish::Commit {
            continue;
        }
        let environment = config.environments.named(&proposal.environment);
        let (commit, style) = (returned.commit.clone(), &config.pull_request);
        let changes = &returned.changes.changes;
        let what = (returned.proposal, proposal);
        desired.push(pull_requests::returned(what, changes, commit, style, limit, environment));
    }
    desired
}

/// Returns how many approvals an environment asks for.
pub(super) fn approvals_of(environment: &Environment) -> u32 {
    let asked = environment.gates.iter().filter_map(|gate| match gate {
        GateSpec::Approvals(count) => Some(*count),
        _ => None,
    });
    asked.max().unwrap_or(0)
}

/// Takes approvals back that were given to another head than the one that will stand.
fn unapproved(
    planned: &mut Planned,
    config: &Repository,
    standing: &Standing,
    desired: &mut [Desired],
    (limit, notes): (usize, &BTreeMap<usize, String>),
) {
    for wanted in desired.iter_mut().filter(|wanted| wanted.approvals > 0) {
        let proposal = &mut planned.promoted.proposals[wanted.proposal];
        let key = (wanted.environment.clone(), wanted.group.clone());
        let seen = planned.observation.approvals.get(&key).and_then(|known| known.as_ref().ok()?.head.as_ref());
        if seen.is_none() || seen == course::kept(wanted, standing) {
            continue;
        }
        for gate in proposal.gates.iter_mut().filter(|gate| gate.name == GateName::Approvals) {
            gate.state = promote::unapproved(wanted.approvals);
        }
        let Some((_, changes)) = planned.proposed.iter().find(|(index, _)| *index == wanted.proposal) else { continue };
        let styles = (&config.commit, &config.pull_request);
        let (index, approvals) = (wanted.proposal, wanted.approvals);
        let environment = config.environments.named(&wanted.environment);
        let notes = notes.get(&index).map(String::as_str).unwrap_or_default();
        let (head, rests_on) = (wanted.head.clone(), std::mem::take(&mut wanted.rests_on));
        *wanted = pull_requests::desired((index, proposal), changes, styles, environment, (limit, notes));
        (wanted.approvals, wanted.head, wanted.rests_on) = (approvals, head, rests_on);
    }
}

/// Lets what goes back take the head branch of its group, unless a person has refused it: then what comes anew has it.
fn one_of_a_head(planned: &mut Planned, standing: &Standing, desired: &mut Vec<Desired>) {
    for position in planned.returns.iter().map(|returned| returned.proposal).collect::<Vec<_>>() {
        let Some(back) = desired.iter().find(|wanted| wanted.proposal == position) else { continue };
        let Some(other) = desired.iter().find(|wanted| wanted.head == back.head && wanted.proposal != position) else {
            continue;
        };
        let (dropped, action, reason) = match course::refused(back, standing) {
            Some(_) => (position, Action::LeftAlone, "a person has refused to go back".to_owned()),
            None => {
                (other.proposal, Action::Waiting, format!("{} of {} goes back first", back.group, back.environment))
            }
        };
        desired.retain(|wanted| wanted.proposal != dropped);
        planned.proposed.retain(|(index, _)| *index != dropped);
        planned.returns.retain(|returned| returned.proposal != dropped);
        let proposal = &mut planned.promoted.proposals[dropped];
        (proposal.action, proposal.reason, proposal.earliest) = (action, Some(reason), None);
    }
}

/// Returns the branches on which something is proposed to be held: those that are called so now, and what is open from another one.
fn of_holds(standing: &Standing, listed: Option<&Listing>) -> Vec<(BranchName, CommitId)> {
    let now = standing.heads.iter().map(|head| (head.name.clone(), head.tip.clone()));
    let open = listed.iter().flat_map(|listed| &listed.pull_requests).filter(|one| one.state == State::Open);
    let mut heads: BTreeMap<BranchName, CommitId> = open.map(|one| (one.head.clone(), one.commit.clone())).collect();
    heads.extend(now);
    heads.into_iter().filter(|(name, _)| is_head(name)).collect()
}

/// Looks at what stands on the remote and on the forge.
async fn standing(
    run: &Run<'_>,
    (onto, tips): (&Onto<'_>, &[(BranchName, CommitId)]),
    (config, known): (&Repository, &Known),
    listed: Option<&Listing>,
    desired: &[Desired],
) -> Result<(Standing, Vec<Skipped>), LookError> {
    let prefix = config.pull_request.branch_prefix.as_str();
    // Without pull requests only their names tell of branches that were named otherwise before.
    let is_left = |one: &PullRequest| one.base == *onto.branch && former::is_closed_elsewhere(one, config);
    let is_named_now = listed.is_some_and(|listed| !listed.pull_requests.iter().any(is_left));
    let (remote, named) = (Arc::clone(&run.remote), if is_named_now { prefix } else { "" }.to_owned());
    let mut all = blocking(move || remote.heads(&named)).await?;
    let mut heads: Vec<_> = all.extract_if(.., |(name, _)| name.as_str().starts_with(prefix)).collect();
    let (mut pull_requests, away) = match listed {
        Some(listed) => {
            let (own, displaced) = displaced::sort(&listed.pull_requests, onto, config);
            (Some(own), displaced)
        }
        None => (None, Vec::new()),
    };
    let whose = Whose { branch: run.branch, is_given: run.config.is_some(), config };
    let Judged { displaced, others: theirs, before } =
        displaced::judge(&run.remote, whose, away, (onto.branch, tips)).await?;
    all.retain(|(name, tip)| {
        let mut own = pull_requests.iter().flatten().filter(|one| one.base == *onto.branch);
        name != run.branch && (listed.is_none() || own.any(|one| former::is_left(one, (name, tip))))
    });
    let (further, mut former) = former::candidates(config, known, pull_requests.as_deref(), all);
    // What an environment left that is no more is closed where it is open.
    let is_gone = |environment: &EnvironmentName| config.environments.named(environment).is_none();
    former.retain(|_, (environment, _)| onto.has(environment) || is_gone(environment));
    let is_theirs = |name: &BranchName| theirs.iter().any(|one| one.head == *name);
    heads.retain(|(name, _)| onto.has_head(name, prefix) && !former.contains_key(name) && !is_theirs(name));
    heads.extend(further.into_iter().filter(|(name, _)| former.contains_key(name)));
    let (remote, branch, at) = (Arc::clone(&run.remote), onto.branch.clone(), onto.tip.clone());
    // What stands under another name is compared with what it is to become, too.
    let again = former.iter().flat_map(|(name, (environment, group))| {
        let is_it = move |wanted: &&Desired| wanted.environment == *environment && wanted.group == *group;
        desired.iter().filter(is_it).map(move |wanted| Desired { head: name.clone(), ..wanted.clone() })
    });
    // Whose files somebody's push changes tells nothing of what stood there before.
    let is_left = |(name, _): &&(BranchName, CommitId)| !former::is_named_now(name, config);
    let left: BTreeSet<BranchName> = heads.iter().filter(is_left).map(|(name, _)| name.clone()).collect();
    let (own, wanted) = (config.commit.clone(), desired.iter().cloned().chain(again).collect::<Vec<_>>());
    let (places, configured, is_given) = (former.clone(), config.clone(), run.config.is_some());
    let away: BTreeSet<BranchName> = displaced.iter().map(|one| one.head.clone()).collect();
    let (mut heads, foreign, unproved) = blocking(move || {
        let mut heads = look(&remote, (&branch, &at), heads, &own, &wanted)?;
        for head in heads.iter_mut().filter(|head| !head.is_own) {
            take_along(&remote, head, &before, &own)?;
        }
        for head in heads.iter_mut().filter(|head| !head.is_own && head.has_own && left.contains(&head.name)) {
            head.files.extend(former::beneath(&*remote, head, (&branch, &at))?);
        }
        let proof = Proof { remote: &remote, config: &configured, is_given, base: (&branch, &at) };
        let (foreign, unproved) = (proof.foreign(&heads, &places, &away)?, proof.unproved(&heads, &places)?);
        Ok((heads, foreign, unproved))
    })
    .await?;
    let at = |name: &BranchName| heads.iter().find(|head| head.name == *name).map(|head| &head.tip);
    let is_behind = |one: &PullRequest| at(&one.head).is_some_and(|tip| *tip != one.commit);
    if pull_requests.iter().flatten().any(|one| one.state == State::Open && is_behind(one)) {
        run.publishing.forge().doubt();
    }
    let told = former::foreign_here(&foreign, config, pull_requests.as_deref());
    former.retain(|name, _| !foreign.contains(name));
    heads.retain(|head| !foreign.contains(&head.name));
    if let Some(all) = &mut pull_requests {
        all.retain(|one| one.state != State::Open || !foreign.contains(&one.head));
    }
    if let Some(all) = &mut pull_requests {
        heads.iter_mut().for_each(|head| let_go(head, all));
    }
    let (base, rest) = (Some(onto.branch.clone()), Standing::default());
    let is_orphan = |name: &&BranchName| match former.get(*name) {
        Some((environment, _)) => is_gone(environment),
        None => name.as_str().starts_with(prefix) && !former::is_named_now(name, config),
    };
    let owners = |head: &HeadBranch| {
        let has = |environment: &&Environment| head.files.iter().any(|file| environment.files.matches(file.as_str()));
        config.environments.0.iter().filter(has).map(|environment| environment.name.clone()).collect()
    };
    let orphans = heads.iter().filter(|head| is_orphan(&&head.name)).map(|head| (head.name.clone(), owners(head)));
    let orphans = orphans.collect();
    let home = Some(run.branch.clone());
    let own = Standing { base, home, heads, pull_requests, ..rest };
    let mut standing = Standing { displaced, theirs, former, unproved, orphans, ..own };
    read_told(&run.remote, &mut standing).await?;
    let base = (onto.branch, onto.tip);
    refusals::prove(&run.remote, base, desired, standing.pull_requests.as_deref_mut().unwrap_or_default()).await?;
    Ok((standing, told))
}

/// Lets pull requests tell what their head commits do.
pub(super) async fn read_told(remote: &Arc<dyn Remote>, standing: &mut Standing) -> Result<(), GitError> {
    let Some(mut all) = standing.pull_requests.take() else { return Ok(()) };
    let (remote, heads) = (Arc::clone(remote), std::mem::take(&mut standing.heads));
    let mut displaced = std::mem::take(&mut standing.displaced);
    let told = blocking(move || {
        for listed in [&mut all, &mut displaced] {
            tell(listed, &heads, &|commit| remote.message(commit))?;
        }
        Ok::<_, GitError>((all, displaced, heads))
    });
    let (all, displaced, heads) = told.await?;
    (standing.pull_requests, standing.displaced, standing.heads) = (Some(all), displaced, heads);
    Ok(())
}

/// Lets a branch be made anew that is an order's or that somebody else has pushed to, once all of it was merged: the forge keeps whose
/// commits they were, also where it put no more than a title to what it made of them.
fn let_go(head: &mut HeadBranch, pull_requests: &[PullRequest]) {
    let of_head = || pull_requests.iter().filter(|one| one.head == head.name);
    let is_merged = of_head().any(|one| one.state == State::Merged && one.commit == head.tip);
    let stays = !head.is_own || head.is_order || head.is_return;
    if stays && is_merged && !of_head().any(|one| one.state == State::Open) {
        (head.is_own, head.key, head.is_fresh, head.is_order, head.is_return) = (true, None, false, false, false);
    }
}

/// Writes what came of every course into the proposals.
fn take_over(planned: &mut Planned, courses: Vec<Course>, proposed: &mut Proposed) {
    for course in courses {
        let failed = course.action == Action::Failed;
        let reason = course.reason.clone();
        match course.proposal {
            Some(index) => {
                let proposal = &mut planned.promoted.proposals[index];
                proposal.branch = Some(course.head.to_string());
                proposal.url = course.url;
                proposal.action = course.action;
                proposal.reason = course.reason;
                let is_written = matches!(course.action, Action::Opened | Action::Updated | Action::Merged);
                if !is_written {
                    planned.proposed.retain(|(other, _)| *other != index);
                    planned.returns.retain(|other| other.proposal != index);
                }
            }
            None => proposed.closed.push(Proposal {
                environment: course.environment.clone(),
                group: course.group.clone(),
                publish: Publish::PullRequest,
                branch: Some(course.head.to_string()),
                url: course.url,
                moves: Vec::new(),
                gates: Vec::new(),
                action: course.action,
                reason: course.reason,
                earliest: None,
            }),
        }
        if failed {
            let what = format!("{} {}", course.environment, course.group);
            let reason = reason.unwrap_or_default();
            proposed.errors.push(Trouble { what, file: None, position: None, reason });
        }
    }
}

/// Says of every proposal that would be a pull request that nobody has looked for what stands of it.
fn unseen(planned: &mut Planned, on: (&Repository, &BranchName), reason: &str) {
    for wanted in desired(planned, on, plain::LONGEST_BODY, &BTreeMap::new()) {
        let proposal = &mut planned.promoted.proposals[wanted.proposal];
        proposal.reason = Some(format!("whether it stands already, or was refused, could not be looked at: {reason}"));
    }
}

/// Says of every proposal that would be a pull request why there is none; where there is one, that is what failed, since nothing but a
/// person's doing ends it.
fn wait(planned: &mut Planned, reason: &str) -> Option<Trouble> {
    let is_any = !planned.proposed.is_empty() || !planned.returns.is_empty();
    set(planned, Action::Waiting, reason, &|_| true);
    is_any.then(|| Trouble { what: "pull requests".to_owned(), file: None, position: None, reason: reason.to_owned() })
}

/// Says of every proposal of a branch that would be a pull request why there is none, and returns it as what failed.
fn fail(planned: &mut Planned, onto: &Onto<'_>, reason: String) -> Trouble {
    set(planned, Action::Failed, &reason, &|environment| onto.has(environment));
    let what = if onto.is_base { "pull requests".to_owned() } else { format!("pull requests to {}", onto.branch) };
    Trouble { what, file: None, position: None, reason }
}

fn set(planned: &mut Planned, action: Action, reason: &str, is_meant: &dyn Fn(&EnvironmentName) -> bool) {
    let proposals = &mut planned.promoted.proposals;
    let mut is_kept = |index: usize| {
        let proposal = &mut proposals[index];
        let is_meant = is_meant(&proposal.environment);
        if is_meant {
            proposal.action = action;
            proposal.reason = Some(reason.to_owned());
        }
        !is_meant
    };
    planned.proposed.retain(|(index, _)| is_kept(*index));
    planned.returns.retain(|returned| is_kept(returned.proposal));
}

/// Returns what was changed in pull requests, for the outcome.
pub(super) fn written(proposed: Vec<(usize, ChangeSet)>) -> impl Iterator<Item = ChangeSet> {
    proposed.into_iter().map(|(_, changes)| changes)
}
