//! What people have refused, looked for beyond what one listing tells: a version that somebody refused long ago, whatever its head
//! branch was called, is neither committed nor proposed again.
//!
//! Entry points: [`leave`], for what would be committed, and [`Recall`], for pull requests. Nobody is asked where nothing would
//! begin, or where the listing tells of every pull request that there ever was. What counts as refused `model::refusal` says.

mod seen;
pub(super) mod unremoved;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use crate::cache::Cache;
use crate::config::repository::Repository;
use crate::forge::{Forge, ForgeError};
use crate::git::{Beneath, GitError, Head, Remote};
use crate::model::brought::{Brought, Told};
use crate::model::commit::{CommitId, CommitStyle, TRAILER_FAILED, TRAILER_KEY, TRAILER_ORDER};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::proposal::{Action, Proposal};
use crate::model::pull_request::{LABEL_HOLD, Listing, PullRequest, PullRequestStyle, State};
use crate::model::refusal::{self, Refusal, Wish};
use crate::observe::checks::Asked;
use crate::observe::files::Files;
use crate::observe::history::Past;
use crate::pass::propose::{LookError, read_told};
use crate::pass::refusals::seen::Seen;
use crate::pass::{Inputs, blocking};
use crate::pass::{former, own};
use crate::promote::Promoted;
use crate::publish::pull_requests::heads::{Own, is_theirs, made};
use crate::publish::pull_requests::leftovers::record;
use crate::publish::pull_requests::told::tell;
use crate::publish::pull_requests::{Course, Desired, Standing, Step, course, images};

/// Of how many images of a group it is asked whether they were refused alone, each under its own name.
const MOST_ALONE: usize = 20;

/// How many commits of the base are searched for what stood in a head branch: as many as come between two passes.
const MERGED_WITHIN: usize = 200;

/// What to do where pull requests may not be read.
const READABLE: &str =
    "let the credential read pull requests, or say with `--forge plain` that nobody makes any in this repository";

/// What is about to begin, and the head branches on which it may have been refused.
struct Begun {
    wish: Wish,
    names: Vec<BranchName>,
}

/// Asks the forge for what its listing no longer tells, about each head branch once in a pass.
pub(super) struct Recall<'a> {
    forge: &'a dyn Forge,
    style: &'a PullRequestStyle,
    seen: Seen<'a>,
    asked: BTreeSet<BranchName>,
}

impl<'a> Recall<'a> {
    /// Asks one forge; the cache may know earlier names of head branches.
    pub(super) fn new(forge: &'a dyn Forge, cache: &'a Cache, style: &'a PullRequestStyle) -> Self {
        Self { forge, style, seen: Seen::new(cache, &forge.home().1), asked: BTreeSet::new() }
    }

    /// Adds to what stands what is known of everything that would begin, and plans `again` as often as that tells something new.
    ///
    /// # Errors
    ///
    /// [`LookError`] when it could not be asked: then nothing is done about any pull request.
    pub(super) async fn further(
        &mut self,
        (is_whole, remote): (bool, &Arc<dyn Remote>),
        desired: &[Desired],
        standing: &mut Standing,
        courses: &mut Vec<Course>,
        again: &(dyn Fn(&Standing) -> Vec<Course> + Sync),
    ) -> Result<(), LookError> {
        while !is_whole && self.gather(desired, standing, courses).await? {
            read_told(remote, standing).await?;
            *courses = again(standing);
        }
        for wanted in desired.iter().filter(|wanted| !wanted.is_order) {
            let wish = course::wish(wanted);
            match course::refused(wanted, standing) {
                Some(Refusal::Closed(one)) => self.seen.refuse(&wish, one),
                Some(Refusal::TakenBack(_)) | None => self.seen.name(&wish, &wanted.head),
            }
        }
        for head in &standing.heads {
            if let (Some(one), Some(environment)) = (record(head, standing), head.told.environment.clone()) {
                let (key, brought) = (head.told.key.clone().unwrap_or_default(), head.told.brought.clone());
                let prefix = self.style.branch_prefix.clone();
                self.seen.refuse(&Wish { environment, key, brought, prefix }, one);
            }
        }
        self.seen.keep(standing.pull_requests.as_deref().unwrap_or_default());
        Ok(())
    }

    /// Adds what is known of everything that would begin; returns whether that is anything new.
    async fn gather(
        &mut self,
        desired: &[Desired],
        standing: &mut Standing,
        courses: &[Course],
    ) -> Result<bool, ForgeError> {
        let begun = self.begun(desired, standing, courses);
        match &mut standing.pull_requests {
            Some(all) => self.add(&begun, &removed(courses, all), all).await,
            None => Ok(false),
        }
    }

    fn begun(&self, desired: &[Desired], standing: &Standing, courses: &[Course]) -> Vec<Begun> {
        let of = |wanted: &Desired| {
            courses.iter().find(|course| course.proposal == Some(wanted.proposal) && course.head == wanted.head)
        };
        let begins = |wanted: &&Desired| of(wanted).is_some_and(|own| course::begins(wanted, own, standing));
        let begun = |wanted: &Desired| {
            let wish = course::wish(wanted);
            let mut names = names(&wish, &wanted.group, self.style);
            names.push(wanted.head.clone());
            Begun { wish, names }
        };
        desired.iter().filter(begins).map(begun).collect()
    }

    /// Adds the pull requests that are not listed and may have stood for something; returns whether there are any.
    async fn add(
        &mut self,
        begun: &[Begun],
        removed: &[(EnvironmentName, BranchName)],
        all: &mut Vec<PullRequest>,
    ) -> Result<bool, ForgeError> {
        let before = all.len();
        let mut names = BTreeSet::new();
        for (environment, head) in removed {
            match self.seen.closed_lately_on(environment, head) {
                known if known.is_empty() => drop(names.insert(head.clone())),
                known => all.extend(known),
            }
        }
        for Begun { wish, names: own } in begun {
            let listed: BTreeSet<_> = all.iter().map(|one| one.number).collect();
            all.extend(self.seen.refused_lately(wish).into_iter().filter(|one| !listed.contains(&one.number)));
            if wish.closed_in(&*all).is_none() {
                names.extend(own.iter().cloned().chain(self.seen.names(wish)));
            }
        }
        let names: Vec<BranchName> = names.into_iter().filter(|name| self.asked.insert(name.clone())).collect();
        if !names.is_empty() {
            let listed: BTreeSet<_> = all.iter().map(|one| one.number).collect();
            let found = self.forge.of_heads(&names).await?;
            // Every open one is listed: what is open by now somebody has opened since.
            let is_further = |one: &PullRequest| one.state != State::Open && !listed.contains(&one.number);
            all.extend(found.into_iter().filter(is_further));
        }
        Ok(all.len() > before)
    }
}

/// Returns the head branches that would be removed without a pull request: they may be all that is left of a refusal.
fn removed(courses: &[Course], all: &[PullRequest]) -> Vec<(EnvironmentName, BranchName)> {
    let is_listed = |head: &BranchName| all.iter().any(|one| one.head == *head);
    let is_removed = |course: &&Course| course.steps.iter().any(|step| matches!(step, Step::Delete { .. }));
    let left = courses.iter().filter(|course| course.proposal.is_none() && !is_listed(&course.head));
    left.filter(is_removed).map(|course| (course.environment.clone(), course.head.clone())).collect()
}

/// Returns the names that the head branches of something have by the configuration: of its group, also under the prefix that stands
/// where none is named, and of each of its images alone.
fn names(wish: &Wish, group: &str, style: &PullRequestStyle) -> Vec<BranchName> {
    let environment = &wish.environment;
    let alone = wish.brought.images().filter_map(|image| Some(image.parse::<ImageName>().ok()?.group_name()));
    let own = alone.filter(|own| own != group).take(MOST_ALONE).map(|own| style.head_of(environment, &own));
    let usual = PullRequestStyle::default().head_of(environment, group);
    [style.head_of(environment, group), usual].into_iter().chain(own).collect()
}

/// Looks at the head commits of pull requests that would refuse what is desired and whose branches are called as a person's may be:
/// anybody may copy a body. Only while such a branch stands, and until its commit is at hand.
///
/// # Errors
///
/// [`GitError`] when the branches cannot be listed or fetched.
pub(super) async fn prove(
    remote: &Arc<dyn Remote>,
    (branch, base): (&BranchName, &CommitId),
    desired: &[Desired],
    all: &mut [PullRequest],
) -> Result<(), GitError> {
    let wishes: Vec<Wish> = desired.iter().filter(|wanted| !wanted.is_order).map(course::wish).collect();
    let is_due = |one: &&mut PullRequest| {
        let is_here = |wish: &Wish| !one.head.as_str().starts_with(&wish.prefix) && wish.stood_in(one);
        one.is_unproved() && wishes.iter().any(is_here)
    };
    for one in all.iter_mut().filter(is_due) {
        let (remote, name, tip) = (Arc::clone(remote), one.head.clone(), one.commit.clone());
        let onto = (branch.clone(), base.clone());
        one.told = blocking(move || {
            if !remote.heads(name.as_str())?.contains(&(name.clone(), tip.clone())) {
                return Ok(None);
            }
            let head = remote.head(&name, &tip, (&onto.0, &onto.1))?;
            Ok((head.tip == tip).then(|| Told::by(&head.step.entry.message)))
        })
        .await?;
    }
    Ok(())
}

/// Takes out of what would be committed what a person has refused.
pub(super) async fn leave(inputs: &Inputs<'_>, observation: &mut Observation, promoted: &mut Promoted) {
    if !promoted.proposals.iter().any(is_committed) {
        return;
    }
    if let Ok(asked) = &inputs.forge {
        leave_closed(inputs, asked, observation, &mut promoted.proposals).await;
    }
    leave_for_heads(inputs, observation.pull_requests.as_ref(), promoted);
}

fn is_committed(proposal: &Proposal) -> bool {
    proposal.publish == Publish::Commit && proposal.action == Action::Committed && !proposal.moves.is_empty()
}

fn brought(proposal: &Proposal) -> Brought {
    Brought::of(proposal.moves.iter().map(|step| (&step.image, &step.to)))
}

fn wish(proposal: &Proposal, style: &PullRequestStyle) -> Wish {
    let prefix = style.branch_prefix.clone();
    Wish { environment: proposal.environment.clone(), key: String::new(), brought: brought(proposal), prefix }
}

/// Returns what [`leave`] has taken out of what would be committed.
pub(super) fn kept_back(proposals: &[Proposal]) -> Vec<(EnvironmentName, Brought)> {
    let is_left = |one: &&Proposal| one.publish == Publish::Commit && one.action == Action::LeftAlone;
    proposals.iter().filter(is_left).map(|one| (one.environment.clone(), brought(one))).collect()
}

/// Leaves what was refused by closing a pull request.
async fn leave_closed(
    inputs: &Inputs<'_>,
    asked: &Asked<'_>,
    observation: &mut Observation,
    proposals: &mut [Proposal],
) {
    let listed = match observation.pull_requests.take() {
        Some(listed) => Ok(listed),
        None => asked.forge.list().await,
    };
    let mut listed = match listed {
        Ok(listed) => listed,
        // Whoever may not read pull requests now may have made them with another credential.
        Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
            return wait(proposals.iter_mut(), &format!("{reason}: {READABLE}"));
        }
        Err(ForgeError::Later { reason, .. }) => return wait(proposals.iter_mut(), &reason),
    };
    let mut recall = Recall::new(asked.forge, inputs.cache, &inputs.config.pull_request);
    let further = closed_further(inputs.past, &mut recall, &mut listed, proposals).await;
    if let Err(reason) = further.and_then(|()| read_silent(inputs.past, &mut listed.pull_requests)) {
        wait(proposals.iter_mut(), &reason);
    }
    for proposal in proposals.iter_mut().filter(|proposal| is_committed(proposal)) {
        let wish = wish(proposal, recall.style);
        let environment = inputs.config.environments.named(&proposal.environment);
        let base = environment.and_then(|environment| environment.branch.as_ref()).unwrap_or(asked.base);
        if let Some(refused) = wish.closed_in(&listed.pull_requests) {
            recall.seen.refuse(&wish, refused);
            proposal.action = Action::LeftAlone;
            proposal.url = Some(refused.url.clone());
            proposal.reason = Some(refusal::closed(refused.number));
        } else if let Some(kept) = wish.kept_in(Some(base), &listed.pull_requests) {
            proposal.action = Action::LeftAlone;
            proposal.url = Some(kept.url.clone());
            proposal.reason = Some(refusal::kept(kept));
        }
    }
    recall.seen.keep(&listed.pull_requests);
    observation.pull_requests = Some(listed);
}

async fn closed_further(
    past: Option<&dyn Past>,
    recall: &mut Recall<'_>,
    listed: &mut Listing,
    proposals: &[Proposal],
) -> Result<(), String> {
    let message = |commit: &CommitId| Ok::<_, Infallible>(past.and_then(|past| past.message(commit)));
    let read = |all: &mut [PullRequest]| {
        let Ok(()) = tell(all, &[], &message);
    };
    read(&mut listed.pull_requests);
    if listed.is_whole {
        return Ok(());
    }
    let begun = |proposal: &Proposal| {
        let wish = wish(proposal, recall.style);
        let names = names(&wish, &proposal.group, recall.style);
        Begun { wish, names }
    };
    let begun: Vec<Begun> = proposals.iter().filter(|proposal| is_committed(proposal)).map(begun).collect();
    recall.add(&begun, &[], &mut listed.pull_requests).await.map_err(|error| error.to_string())?;
    read(&mut listed.pull_requests);
    Ok(())
}

/// Reads of the head branches that still stand what no body and nothing at hand tells of what was refused, or is held by its label.
fn read_silent(past: Option<&dyn Past>, all: &mut [PullRequest]) -> Result<(), String> {
    let has_word =
        |one: &PullRequest| one.is_refused() || (one.state == State::Open && one.labels.contains(LABEL_HOLD));
    let is_silent =
        |one: &&mut PullRequest| (has_word(one) && one.is_silent() && one.told.is_none()) || one.is_unproved();
    let mut silent: Vec<&mut PullRequest> = all.iter_mut().filter(is_silent).collect();
    let names: BTreeSet<BranchName> = silent.iter().map(|one| one.head.clone()).collect();
    let Some(past) = past.filter(|_| !names.is_empty()) else { return Ok(()) };
    for (name, head) in past.heads(&|head| names.contains(head)).map_err(|error| error.to_string())? {
        for one in silent.iter_mut().filter(|one| one.head == name && one.commit == head.tip) {
            one.told = Some(Told::by(&head.step.entry.message));
        }
    }
    Ok(())
}

/// Leaves what a person's order moves that stands on a head branch, and what stands on one that somebody has pushed to; and what was
/// taken back on one, where there are no pull requests to close.
fn leave_for_heads(inputs: &Inputs<'_>, listed: Option<&Listing>, promoted: &mut Promoted) {
    let (known, config, style) = (former::known(promoted), inputs.config, &inputs.config.pull_request);
    let mut by_branch: BTreeMap<Option<BranchName>, Vec<&mut Proposal>> = BTreeMap::new();
    for proposal in promoted.proposals.iter_mut().filter(|proposal| is_committed(proposal)) {
        let environment = inputs.config.environments.named(&proposal.environment);
        let branch = environment.and_then(|environment| environment.branch.clone());
        by_branch.entry(branch).or_default().push(proposal);
    }
    for (branch, proposals) in by_branch {
        let viewed = || inputs.branches.get(branch.as_ref()?)?.as_ref().ok();
        let (past, files) = match &branch {
            None => (inputs.past, Some(inputs.files)),
            Some(_) => (viewed().and_then(|own| own.past.as_deref()), viewed().map(|own| &*own.files)),
        };
        let (Some(past), Some(files)) = (past, files) else { continue };
        let environments: BTreeSet<EnvironmentName> =
            proposals.iter().map(|proposal| proposal.environment.clone()).collect();
        let known = known.iter().filter(|(environment, _)| environments.contains(environment)).cloned().collect();
        let is_meant = |head: &BranchName| {
            let is_own = former::is_named_now(head, config) || former::named_before(head, None, &known).is_some();
            is_own || former::left_by(head, config).is_some()
        };
        match past.heads(&is_meant) {
            Ok(heads) => {
                let asked: RefCell<BTreeMap<CommitId, Option<CommitStyle>>> = RefCell::default();
                let before = |parent: &CommitId| {
                    let known = asked.borrow().get(parent).cloned();
                    known.unwrap_or_else(|| {
                        let style = own::style_at(past, parent);
                        asked.borrow_mut().insert(parent.clone(), style.clone());
                        style
                    })
                };
                let own = Own { now: &config.commit, before: &before };
                let orders = orders((past, files), &heads);
                for proposal in proposals {
                    if inputs.forge.is_err() {
                        leave_if_among(proposal, style, &heads);
                    }
                    let (orders, wishes) = match (&orders, wishes(proposal, config, past, &heads)) {
                        (Ok(orders), Ok(wishes)) => (orders, wishes),
                        (Err(error), _) => {
                            wait(std::iter::once(proposal), &error.to_string());
                            continue;
                        }
                        (_, Err(error)) => {
                            wait(std::iter::once(proposal), &error.to_string());
                            continue;
                        }
                    };
                    let listed_here = listed.filter(|_| inputs.forge.is_ok());
                    let base = branch.as_ref().or_else(|| Some(inputs.forge.as_ref().ok()?.base));
                    leave_if_kept(proposal, &wishes, base, listed_here);
                    leave_if_theirs(proposal, &wishes, (&heads, &own), listed_here);
                    leave_if_ordered(proposal, &wishes, orders, listed);
                }
            }
            Err(error) => wait(proposals.into_iter(), &error.to_string()),
        }
    }
}

/// Returns what would be committed, as a person may have it in hand in its environment, or in one that is no more and whose files that has by
/// now: on a head branch that this one left.
fn wishes(
    proposal: &Proposal,
    config: &Repository,
    past: &dyn Past,
    heads: &[(BranchName, Head)],
) -> Result<Vec<Wish>, GitError> {
    let own = wish(proposal, &config.pull_request);
    let mut environments = BTreeSet::new();
    for (name, head) in heads.iter().filter(|_| is_committed(proposal)) {
        let Some(before) = former::left_by(name, config) else { continue };
        let has = |file: &RepoPath| {
            let environment = config.environments.named(&proposal.environment);
            environment.is_some_and(|environment| environment.files.matches(file.as_str()))
        };
        if past.changed(head)?.iter().any(has) {
            environments.insert(before);
        }
    }
    let former = environments.into_iter().map(|environment| Wish { environment, ..own.clone() });
    Ok(std::iter::once(own.clone()).chain(former).collect())
}

/// Leaves what a person holds under the name of an environment that is no more.
fn leave_if_kept(proposal: &mut Proposal, wishes: &[Wish], base: Option<&BranchName>, listed: Option<&Listing>) {
    let all = listed.into_iter().flat_map(|listed| &listed.pull_requests);
    let kept = wishes.iter().find_map(|wish| wish.kept_in(base, all.clone()));
    if let Some(kept) = kept.filter(|_| is_committed(proposal)) {
        proposal.action = Action::LeftAlone;
        proposal.url = Some(kept.url.clone());
        proposal.reason = Some(refusal::kept(kept));
    }
}

/// What a person ordered that stands on a head branch: where, in which environment, and which images it moves.
type Order<'a> = (&'a BranchName, EnvironmentName, BTreeSet<String>);

/// Returns the orders that stand on head branches and that the base does not have, whoever has pushed there since.
fn orders<'a>(base: (&dyn Past, &dyn Files), heads: &'a [(BranchName, Head)]) -> Result<Vec<Order<'a>>, GitError> {
    let mut found = Vec::new();
    for (name, head) in heads.iter().filter(|(_, head)| !head.is_empty && head.undone.is_empty()) {
        let beneath = match &head.beneath {
            Beneath::Commits(beneath) => beneath.as_slice(),
            Beneath::Nothing | Beneath::TooMany => &[],
        };
        let messages = std::iter::once(&head.step.entry).chain(beneath).map(|entry| entry.message.as_str());
        let ordered: Vec<&str> = messages.filter(|message| is_order(message)).collect();
        if ordered.is_empty() || is_there(base, head)? {
            continue;
        }
        for message in ordered {
            if let Some(environment) = Told::by(message).environment {
                found.push((name, environment, images(message)));
            }
        }
    }
    Ok(found)
}

fn is_order(message: &str) -> bool {
    let has = |trailer: &str| message.lines().any(|line| line.starts_with(trailer));
    has(TRAILER_ORDER) && !has(TRAILER_FAILED)
}

/// Whether the base has already what a head brings: byte for byte, or in a commit that came after the head was made.
fn is_there((past, files): (&dyn Past, &dyn Files), head: &Head) -> Result<bool, GitError> {
    let entry = &head.step.entry;
    if let Some(key) = Told::by(&entry.message).key {
        let trailer = format!("{TRAILER_KEY}: {key}");
        let line = past.line(MERGED_WITHIN, &|_| false)?;
        let newer = line.steps.iter().take_while(|step| Some(&step.entry.id) != entry.parent.as_ref());
        let mut messages = newer.flat_map(|step| std::iter::once(&step.entry.message).chain(&step.entry.merged));
        if messages.any(|message| message.lines().any(|line| line.trim() == trailer)) {
            return Ok(true);
        }
    }
    let is_whole = matches!(head.beneath, Beneath::Nothing);
    Ok(is_whole && head.step.changed.iter().all(|changed| files.content(&changed.path) == changed.after.as_ref()))
}

fn leave_if_ordered(proposal: &mut Proposal, wishes: &[Wish], orders: &[Order<'_>], listed: Option<&Listing>) {
    let of_head = |head: &BranchName| {
        let all = listed.into_iter().flat_map(|listed| &listed.pull_requests);
        all.filter(|one| one.head == *head).collect::<Vec<_>>()
    };
    let open = |head: &BranchName| of_head(head).into_iter().find(|one| one.state == State::Open);
    let stands = |(head, environment, images): &&Order<'_>| {
        let is_it = wishes.iter().any(|wish| wish.environment == *environment)
            && proposal.moves.iter().any(|step| images.contains(step.image.as_str()));
        // Who closes an order refuses nothing by that, and takes it back.
        is_it && (open(head).is_some() || of_head(head).is_empty())
    };
    if let Some((head, ..)) = orders.iter().find(stands).filter(|_| is_committed(proposal)) {
        proposal.action = Action::LeftAlone;
        let open = open(head);
        proposal.url = open.map(|open| open.url.clone());
        let told = open.map(|open| course::ordered_in(head, open.number));
        proposal.reason = Some(told.unwrap_or_else(|| course::ordered(head)));
    }
}

/// Leaves what stands on a head branch that somebody else has pushed to: `listed` are the pull requests, where there are any.
fn leave_if_theirs(
    proposal: &mut Proposal,
    wishes: &[Wish],
    (heads, own): (&[(BranchName, Head)], &Own<'_>),
    listed: Option<&Listing>,
) {
    for (name, head) in heads.iter().filter(|(_, head)| is_committed(proposal) && is_theirs(head, own)) {
        let made: Vec<Told> = made(head, own).map(|entry| Told::by(&entry.message)).collect();
        let open = listed.map(|listed| {
            let mut open = listed.pull_requests.iter().filter(|one| one.state == State::Open && one.head == *name);
            open.find(|one| wishes.iter().any(|wish| wish.is_taken_over_in(one, &made)))
        });
        let open = match open {
            Some(None) => continue,
            None if !made.iter().any(|told| wishes.iter().any(|wish| wish.is_among(told))) => continue,
            open => open.flatten(),
        };
        proposal.action = Action::LeftAlone;
        proposal.url = open.map(|open| open.url.clone());
        proposal.reason = Some(refusal::taken_over(open.map(|open| open.number), name));
        return;
    }
}

fn leave_if_among(proposal: &mut Proposal, style: &PullRequestStyle, heads: &[(BranchName, Head)]) {
    let wish = wish(proposal, style);
    let is_taken_back = |head: &Head| head.undone.iter().any(|message| wish.is_among(&Told::by(message)));
    if let Some((head, _)) = heads.iter().find(|(_, head)| is_taken_back(head)) {
        proposal.action = Action::LeftAlone;
        proposal.reason = Some(refusal::taken_back(head.as_str()));
    }
}

fn wait<'p>(proposals: impl Iterator<Item = &'p mut Proposal>, reason: &str) {
    for proposal in proposals.filter(|proposal| is_committed(proposal)) {
        proposal.action = Action::Waiting;
        proposal.reason = Some(format!("whether a person has refused it could not be asked: {reason}"));
    }
}
