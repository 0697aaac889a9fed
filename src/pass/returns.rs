//! Going back by itself: what failed while it was watched returns to the version before, and is held.
//!
//! Entry point: `settle`. It is the rollback that a person would order, in one commit with the same trailers, and
//! once for each version: one that came again after it went back stays for a person to decide about.

use std::cmp::Ordering as Comparison;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::decide::past;
use crate::edit;
use crate::git::GitError;
use crate::model::change::ChangeSet;
use crate::model::commit::CommitId;
use crate::model::decision::Question;
use crate::model::environment::{EnvironmentName, Publish};
use crate::model::history::{Mover, Ordered, Shift, Timeline};
use crate::model::hold::{BY_ITSELF, Hold};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::outcome::{Skipped, Trouble};
use crate::model::policy::Pin;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::pull_request::HeadBranch;
use crate::model::site::Value;
use crate::model::watch::{Watch, WatchState};
use crate::pass::grounds::{self, Seen};
use crate::pass::order::rollback::digest_of;
use crate::pass::order::there::Looked;
use crate::pass::order::{add_holds, read_holds};
use crate::pass::own::look;
use crate::pass::pasts::read_pasts;
use crate::pass::propose::Publishing;
use crate::pass::run::Run;
use crate::pass::view::Branches;
use crate::pass::{Editing, Inputs, Planned, blocking, is_asked_for};
use crate::promote::order::{self, NoWayBack};
use crate::promote::{self, Promoted};
use crate::publish::held::{self, HoldChange};
use crate::publish::plan::{OrderNote, PlannedCommit, ordered_commit};

/// A return that is to be published.
#[derive(Debug, Clone)]
pub struct Return {
    /// The position of its proposal.
    pub proposal: usize,
    /// Its commit: values, and holds where the environment is on the base.
    pub commit: PlannedCommit,
    /// The commit that holds what goes, where the environment is on a branch of its own: holds live on the base. It
    /// comes first, since what is held and still runs does no harm.
    pub hold: Option<PlannedCommit>,
    /// What that commit holds.
    pub held: Vec<Hold>,
    /// What it changes.
    pub changes: ChangeSet,
    /// What it passes over and what stays behind, for a person.
    pub notes: Vec<Skipped>,
}

/// A return as it was made.
#[derive(Debug)]
struct Made {
    proposal: Proposal,
    commit: PlannedCommit,
    hold: Option<PlannedCommit>,
    held: Vec<Hold>,
    changes: ChangeSet,
    notes: Vec<Skipped>,
}

/// What was found to go back, before it has its place among the proposals.
#[derive(Debug, Default)]
pub(super) struct Settled {
    found: Vec<Made>,
    troubles: Vec<Trouble>,
}

impl Settled {
    /// Puts the proposals behind the others.
    pub(super) fn take_place(self, promoted: &mut Promoted) -> (Vec<Return>, Vec<Trouble>) {
        let mut returns = Vec::with_capacity(self.found.len());
        for Made { proposal, commit, hold, held, changes, notes } in self.found {
            returns.push(Return { proposal: promoted.proposals.len(), commit, hold, held, changes, notes });
            promoted.proposals.push(proposal);
        }
        (returns, self.troubles)
    }
}

/// The images of one group that came to an environment and failed there.
type Failing<'a> = BTreeMap<(&'a EnvironmentName, &'a str), Vec<&'a Watch>>;

/// Finds what goes back; what would move there in the same round waits where it changes the same files.
pub(super) async fn settle(
    inputs: &Inputs<'_>,
    observation: &Observation,
    promoted: &mut Promoted,
    seen: &[Seen<'_>],
) -> Settled {
    let mut settled = Settled::default();
    let mut watches = promoted.watches.clone();
    watches.retain(|watch| is_asked_for(inputs, &watch.image));
    unknown(inputs, &watches, promoted, &mut settled.troubles);
    let mut failing = Failing::new();
    for watch in watches.iter().filter(|watch| watch.has_failed() && !watch.is_late) {
        failing.entry((&watch.environment, watch.group.as_str())).or_default().push(watch);
    }
    // What lands one after the other on the base: each stands on the holds that the one before leaves.
    let mut holds: Option<Vec<u8>> = None;
    let mut taken: BTreeSet<&EnvironmentName> = BTreeSet::new();
    for ((name, _), watches) in failing {
        let Some(environment) = inputs.config.environments.named(name) else { continue };
        let Some(publish) = environment.on_failure.as_ref().map(|found| found.publish) else { continue };
        let Some(ground) = grounds::of(seen, inputs.config, name) else { continue };
        let is_stacked = publish == Publish::Commit || inputs.editing == Editing::Together;
        // Two groups of an environment may share a file: the next round takes the other one.
        if is_stacked && taken.contains(name) {
            continue;
        }
        let what = |reason: String| {
            let images: Vec<&str> = watches.iter().map(|watch| watch.image.as_str()).collect();
            Trouble { what: format!("{name} {}", images.join(", ")), file: None, position: None, reason }
        };
        // What is held for another branch is committed to the base at once, whatever becomes of the value.
        let stacks_holds = is_stacked || environment.branch.is_some();
        let before = match (stacks_holds, &holds) {
            (true, Some(holds)) => Ok(holds.clone()),
            _ => read_holds(inputs.files).map_err(|error| error.to_string()),
        };
        let made = match before {
            Ok(before) => one(inputs, observation, promoted, ground, (publish, &watches), before).await,
            Err(reason) => Err(reason),
        };
        match made {
            Ok(made) => {
                if is_stacked {
                    pause(promoted, &made.proposal);
                    taken.insert(name);
                }
                if stacks_holds {
                    let mut files = made.hold.as_ref().unwrap_or(&made.commit).files.iter();
                    let own = files.find(|edit| edit.file.as_str() == crate::config::holds::HOLDS_FILE);
                    holds = own.map(|edit| edit.after.clone()).or(holds);
                }
                settled.found.push(made);
            }
            Err(reason) => {
                let failed: Vec<String> =
                    watches.iter().map(|watch| format!("{} {}", watch.value, watch.told())).collect();
                settled.troubles.push(what(format!("{}; nothing is taken back: {reason}", failed.join(", "))));
            }
        }
    }
    settled
}

/// Reads what the environments before ran, where something failed: what somebody took back there is nothing to go back to.
pub(super) fn read_before(inputs: &Inputs<'_>, observation: &mut Observation, promoted: &Promoted, seen: &[Seen<'_>]) {
    let environments = &inputs.config.environments;
    let keys = promoted.watches.iter().filter(|watch| watch.has_failed() && !watch.is_late).flat_map(|watch| {
        let environment = environments.named(&watch.environment);
        let before = environment.into_iter().flat_map(|environment| order::before(environment, environments));
        before.map(|name| (name.clone(), watch.image.clone()))
    });
    read_pasts(inputs, observation, &keys.collect(), seen);
}

/// Tells what could not be watched.
fn unknown(inputs: &Inputs<'_>, watches: &[Watch], promoted: &mut Promoted, troubles: &mut Vec<Trouble>) {
    for watch in watches {
        let WatchState::Unknown(reason) = &watch.state else { continue };
        let what = format!("{} {}", watch.environment, watch.image);
        let reason = format!("whether {} failed is not known: {reason}", watch.value);
        match inputs.forge {
            Ok(_) => troubles.push(Trouble { what, file: None, position: None, reason }),
            Err(_) => promoted.skipped.push(Skipped { what, reason }),
        }
    }
}

/// Makes the return of one group; else says why there is none.
async fn one(
    inputs: &Inputs<'_>,
    observation: &Observation,
    promoted: &Promoted,
    ground: &Seen<'_>,
    (publish, watches): (Publish, &[&Watch]),
    holds: Vec<u8>,
) -> Result<Made, String> {
    let first = watches.first().ok_or("nothing failed")?;
    let environment = inputs.config.environments.named(&first.environment).ok_or("the environment is gone")?;
    if let Some(reason) = observation.half_known.get(&environment.name) {
        return Err(format!("what {} runs is not fully known: {reason}", environment.name));
    }
    let mut concerned = order::before(environment, &inputs.config.environments);
    concerned.push(&environment.name);
    let (mut moves, mut held): (Vec<Move>, Vec<Hold>) = (Vec::new(), Vec::new());
    let mut told: Vec<(ImageName, String)> = Vec::new();
    // What changes with each pass stands in no commit.
    let mut unsure: Vec<(ImageName, String)> = Vec::new();
    let failed: BTreeSet<&str> = watches
        .iter()
        .filter_map(|watch| match &watch.state {
            WatchState::Failed(what) => Some(what.as_str()),
            _ => None,
        })
        .collect();
    let failed = failed.into_iter().collect::<Vec<_>>().join(", ");
    for watch in watches {
        let key = (watch.environment.clone(), watch.image.clone());
        let known = observation.pasts.get(&key).and_then(|past| past.as_ref().ok()).ok_or("history was not read")?;
        let timeline = known.timeline.as_ref().ok_or("there is no history")?;
        let questions = promoted.decisions.iter().filter_map(|decision| {
            let question = &decision.question;
            let is_its = question.environment == watch.environment
                && question.image == watch.image
                && question.current == watch.value;
            let sites: Vec<usize> = question.sites.iter().copied().filter(|site| watch.sites.contains(site)).collect();
            (is_its && !sites.is_empty()).then(|| Question { sites, ..question.clone() })
        });
        let questions: Vec<Question> = questions.collect();
        if questions.is_empty() {
            return Err("it does not stand there any more".to_owned());
        }
        // An environment before that cannot be read keeps nothing from going back.
        let earlier = concerned.iter().copied().filter(|name| **name != environment.name);
        let before = earlier.filter_map(|name| {
            let past = observation.pasts.get(&(name.clone(), watch.image.clone()))?;
            Some((name, past.as_ref().ok()?))
        });
        let before: Vec<_> = before.collect();
        let goes = |other: &Watch, value: &Value| other.value.tag == value.tag && value.tag != watch.value.tag;
        // What the registry has no more is passed over like what is held.
        let mut looked = Looked::default();
        for question in &questions {
            let wants_digest = question.current.digest.is_some() || question.policy.pins() == Pin::Digest;
            let written = |to: &Value| match wants_digest {
                true => to.clone(),
                false => Value { digest: None, ..to.clone() },
            };
            let alike = order::alike(observation, std::iter::once(question), &question.environment, &watch.image);
            let kept = |value: &Value| {
                if let Some(hold) = order::hold_on(observation, &alike, &concerned, (&watch.image, value)) {
                    return Some(hold.to_string());
                }
                if let Some(reason) = order::taken_back(&before, value, &alike) {
                    return Some(reason);
                }
                let why = if let Some(shift) = went_back(timeline).find(|shift| left(shift, value)) {
                    return Some(format!("it went back itself in commit {}", shift.commit.short()));
                } else if watch.failed_before.contains(value) {
                    "it failed itself"
                } else if watches.iter().any(|other| other.image == watch.image && goes(other, value)) {
                    "it goes back as well"
                } else if past::order_by(&question.policy, value, &watch.value) == Some(Comparison::Greater) {
                    "it is newer"
                } else {
                    return None;
                };
                Some(why.to_owned())
            };
            for (_, past) in order::parts(observation, question, known) {
                if let Some(before) =
                    went_back(past.as_ref().unwrap_or(timeline)).find(|shift| left(shift, &watch.value))
                {
                    let commit = before.commit.short();
                    return Err(format!(
                        "{} went back by itself once already (commit {commit}): a person decides",
                        watch.value
                    ));
                }
            }
            let ways = loop {
                let kept = |value: &Value| kept(value).or_else(|| looked.gone.get(&written(value)).cloned());
                let ways = order::ways_back(observation, question, known, None, &kept);
                let mut is_there = true;
                for back in ways.iter().filter_map(|(_, way)| way.as_ref().ok()) {
                    is_there &= looked.look(observation, inputs.source, &watch.image, &written(&back.to)).await;
                }
                if is_there {
                    break ways;
                }
            };
            for (sites, way) in ways {
                let part = Question { sites, ..question.clone() };
                let back = way.map_err(|error| match error {
                    NoWayBack::Apart { .. } => {
                        let files = order::files(observation, &part);
                        format!("{}: {error} (in {files}): `tagboat rollback` with `--to TAG`", watch.image)
                    }
                    error => error.to_string(),
                })?;
                if watch.not_looked_at.contains(&back.to) {
                    return Err(format!(
                        "{} versions right before it failed as well, and nobody looked whether {}, which stood there before those, \
                         did: `tagboat rollback {} {} --to {}` goes back to it",
                        watch.failed_before.len(),
                        back.to,
                        environment.name,
                        watch.image,
                        back.to.tag.as_ref().map(ToString::to_string).unwrap_or_default(),
                    ));
                }
                unsure
                    .extend(looked.unknown.get(&written(&back.to)).map(|reason| (watch.image.clone(), reason.clone())));
                let digest = match back.to.digest {
                    _ if !wants_digest => None,
                    Some(digest) => Some(digest),
                    None => {
                        let asked = digest_of(inputs.source, &watch.image, back.to.tag.as_ref()).await;
                        Some(asked.map_err(|error| error.to_string())?)
                    }
                };
                told.extend(order::passed_over(&back.passed).into_iter().map(|reason| (watch.image.clone(), reason)));
                // What failed as well is held like it, although nobody looked when it did.
                let failed_too = back.passed.keys().filter(|value| watch.failed_before.contains(value));
                for tag in back.left.iter().chain(failed_too).filter_map(|value| value.tag.clone()) {
                    let hold = Hold {
                        environment: Some(watch.environment.clone()),
                        image: watch.image.clone(),
                        tag,
                        digest: None,
                        until: None,
                        by: Some(BY_ITSELF.to_owned()),
                        reason: Some(failed.clone()),
                    };
                    if !held.contains(&hold) {
                        held.push(hold);
                    }
                }
                let to = Value { tag: back.to.tag, digest };
                moves.push(Move {
                    published: promote::published(observation, &watch.image, &to),
                    image: watch.image.clone(),
                    from: watch.value.clone(),
                    to,
                    step: None,
                    pin: question.policy.pins(),
                    sites: part.sites,
                });
            }
        }
    }
    let is_new = |hold: &Hold| {
        let stands = |other: &&Hold| other.until.is_none() && other.environment == hold.environment;
        let known = observation.holds.iter().filter(|hold| !inputs.awaited.holds.contains(hold));
        let mut known = known.filter(stands);
        !known.any(|other| (&other.image, &other.tag) == (&hold.image, &hold.tag))
    };
    held.retain(is_new);
    let proposal = Proposal {
        environment: environment.name.clone(),
        group: first.group.clone(),
        publish,
        branch: None,
        url: None,
        moves,
        gates: Vec::new(),
        action: if publish == Publish::Commit { Action::Committed } else { Action::Opened },
        reason: Some(format!("goes back: {failed}")),
        earliest: None,
    };
    let read = |file: &_| ground.files.read(file, inputs.limits.max_bytes).map_err(|reason| reason.to_string());
    let mut changes = edit::edit(&observation.sites, &[&proposal], &ground.surroundings, inputs.limits, &read);
    if let Some(refusal) = changes.refused.first() {
        return Err(format!("{}: {}", refusal.file, refusal.reason));
    }
    let (_, edit) = add_holds(holds, &held).map_err(|error| error.to_string())?;
    let style = &inputs.config.commit;
    let (mut hold, mut held_apart) = (None, Vec::new());
    match (&environment.branch, edit) {
        (_, None) => {}
        (None, Some(edit)) => changes.files.push(edit),
        (Some(_), Some(edit)) => {
            held_apart = std::mem::take(&mut held);
            let change = HoldChange { held: held_apart.clone(), ..HoldChange::default() };
            hold = Some(held::commit(environment.name.clone(), &change, edit, style));
        }
    }
    told.extend(order::stays_behind(observation, &inputs.config.environments, environment, &proposal.moves));
    let mut seen = BTreeSet::new();
    told.retain(|one| seen.insert(one.clone()));
    let note = OrderNote {
        by: None,
        order: Ordered::Rollback,
        holds: held,
        skipped: BTreeSet::new(),
        publish,
        reason: Some(failed.clone()),
        failed: Some(failed),
        notes: told.iter().map(|(image, reason)| format!("{image}: {reason}")).collect(),
    };
    let commit = ordered_commit(&environment.name, &changes.changes, changes.files.clone(), style, &note);
    let what = |image: ImageName| format!("{} {image}", environment.name);
    let notes = told.into_iter().chain(unsure).map(|(image, reason)| Skipped { what: what(image), reason }).collect();
    Ok(Made { proposal, commit, hold, held: held_apart, changes, notes })
}

/// Lets what goes back and cannot be committed stand as pull requests, and names their environments: who wants it back without a
/// person's word has them merged by a pass, where the forge tells what keeps a head from that; on plain Git a head branch waits for
/// a person.
pub(super) fn propose_instead(
    planned: &mut Planned,
    publishing: &Publishing,
    reason: Option<&str>,
    is_meant: &dyn Fn(&Return, &Proposal) -> bool,
) -> BTreeSet<EnvironmentName> {
    let publish = match publishing {
        Publishing::Forge(forge) if forge.has_pull_requests() => Publish::AutoMerge,
        Publishing::Forge(_) => Publish::PullRequest,
        Publishing::Missing(_) => return BTreeSet::new(),
    };
    let mut proposed = BTreeSet::new();
    for returned in &planned.returns {
        let proposal = &mut planned.promoted.proposals[returned.proposal];
        if proposal.publish == Publish::Commit && is_meant(returned, proposal) {
            (proposal.publish, proposal.action) = (publish, Action::Opened);
            proposed.insert(proposal.environment.clone());
            planned.promoted.skipped.extend(reason.map(|reason| Skipped {
                what: format!("{} {}", proposal.environment, proposal.group),
                reason: format!("{reason}: what goes back is proposed instead"),
            }));
        }
    }
    proposed
}

/// Lets what goes back go on as the head branch on which an earlier pass has proposed it: nothing is pushed again that was refused.
///
/// # Errors
///
/// [`GitError`] when the branches cannot be read.
pub(super) async fn go_on_as_proposed(
    run: &Run<'_>,
    config: &Repository,
    (base, branches): (&CommitId, &Branches),
    planned: &mut Planned,
) -> Result<(), GitError> {
    let is_committed = |returned: &&Return| planned.promoted.proposals[returned.proposal].publish == Publish::Commit;
    let place = |returned: &Return| {
        let proposal = &planned.promoted.proposals[returned.proposal];
        let head = config.pull_request.head_of(&proposal.environment, &proposal.group);
        let own = config.environments.named(&proposal.environment).and_then(|found| found.branch.as_ref());
        let onto = match own {
            None => Some((run.branch, base)),
            Some(own) => Some(own).zip(branches.get(own).and_then(|viewed| viewed.as_ref().ok()?.base.as_ref())),
        };
        Some((head, onto.map(|(branch, tip)| (branch.clone(), tip.clone()))?, returned.commit.key.clone()))
    };
    let wanted: Vec<_> = planned.returns.iter().filter(is_committed).filter_map(place).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let (remote, prefix, style) =
        (Arc::clone(&run.remote), config.pull_request.branch_prefix.clone(), config.commit.clone());
    let stands = blocking(move || {
        let listed = remote.heads(&prefix)?;
        let mut stands = BTreeSet::new();
        for (head, (branch, tip), key) in wanted {
            let own = listed.iter().filter(|(name, _)| *name == head).cloned().collect();
            let looked = look(&remote, (&branch, &tip), own, &style, &[])?;
            let is_it = |one: &HeadBranch| one.is_own && one.is_return && one.key.as_ref() == Some(&key);
            if looked.iter().any(is_it) {
                stands.insert(key);
            }
        }
        Ok(stands)
    })
    .await?;
    propose_instead(planned, &run.publishing, None, &|returned, _| stands.contains(&returned.commit.key));
    Ok(())
}

/// Returns the shifts by which Tagboat went back by itself.
fn went_back(timeline: &Timeline) -> impl Iterator<Item = &Shift> {
    timeline.shifts.iter().filter(|shift| {
        shift.by == Mover::Tagboat && shift.word.order == Some(Ordered::Rollback) && shift.word.failed.is_some()
    })
}

/// Whether a shift took a version away, whichever digest was written then.
fn left(shift: &Shift, value: &Value) -> bool {
    let is_same = |other: &&Value| {
        other.tag == value.tag
            && match (&other.digest, &value.digest) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            }
    };
    let gave_way = shift.steps.iter().map(|(left, _)| left);
    shift.from.difference(&shift.to).chain(gave_way).any(|gone| is_same(&gone))
}

/// Lets everything else wait that would move in an environment whose files change now; the next round has it.
fn pause(promoted: &mut Promoted, back: &Proposal) {
    for proposal in &mut promoted.proposals {
        let is_near = proposal.environment == back.environment;
        if is_near && matches!(proposal.action, Action::Committed | Action::Opened) {
            proposal.action = Action::Waiting;
            proposal.reason = Some(format!("{} of {} goes back first", back.group, back.environment));
            proposal.earliest = None;
        }
    }
}
