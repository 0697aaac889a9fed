//! Head branches that were named under another `branchPrefix`: what stands there goes on under its old name until it is merged or
//! closed, since no forge lets a pull request change its branch.
//!
//! Entry points: [`candidates`], [`Proof`] and [`take_up`]. A name alone is not believed, nor a body, which anybody may
//! copy: a commit there must be Tagboat's own, and the trailers of the head commit must name the environment, and only images that
//! are followed there, or else its pull request must say the same, or what Tagboat made beneath somebody's push. Of an environment that
//! is no more, the head's own files must configure it under that very name, and of any other the head must change its files, or the same:
//! what another configuration has made is nobody's business here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::{Beneath, GitError, Remote};
use crate::model::brought::Told;
use crate::model::commit::CommitId;
use crate::model::decision::Question;
use crate::model::environment::{BranchName, Environment, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::outcome::Skipped;
use crate::model::pull_request::{HeadBranch, Marker, PullRequest, State};
use crate::observe::history::changed;
use crate::observe::tree::CommitFiles;
use crate::pass::{Planned, run};
use crate::promote::Promoted;
use crate::publish::held::is_head;
use crate::publish::making::is_aside;
use crate::publish::pull_requests::{Desired, Standing};

/// What head branches may be for, by their names.
pub(super) type Former = BTreeMap<BranchName, (EnvironmentName, String)>;

/// Whether a name is one that head branches of these environments have now.
pub(super) fn is_named_now(head: &BranchName, config: &Repository) -> bool {
    let rest = head.as_str().strip_prefix(config.pull_request.branch_prefix.as_str());
    let environment =
        rest.and_then(|rest| rest.split_once('/')).map(|(environment, _)| EnvironmentName::from(environment));
    environment.is_some_and(|name| config.environments.named(&name).is_some())
}

/// Returns the environment that left a head branch under the prefix of now and is configured no more.
pub(super) fn left_by(head: &BranchName, config: &Repository) -> Option<EnvironmentName> {
    left_at(head, config).map(|(environment, _)| environment)
}

/// The same, with the group.
fn left_at(head: &BranchName, config: &Repository) -> Option<(EnvironmentName, String)> {
    let prefix = config.pull_request.branch_prefix.as_str();
    let rest = head.as_str().strip_prefix(prefix).filter(|_| !is_head(head) && !is_aside(head, prefix))?;
    let (environment, group) = rest.split_once('/')?;
    let environment = EnvironmentName::from(environment);
    config.environments.named(&environment).is_none().then(|| (environment, group.to_owned()))
}

fn has_prefix(head: &BranchName, config: &Repository) -> bool {
    head.as_str().starts_with(config.pull_request.branch_prefix.as_str())
}

/// Whether a name may be one of Tagboat's head branches for an environment on the base, whatever `branchPrefix` was then.
pub(super) fn may_be_of(head: &BranchName, config: &Repository) -> bool {
    let is_of = |environment: &Environment| {
        let named = format!("{}/", environment.name);
        let mut places = head.as_str().match_indices(&named);
        places.any(|(at, _)| !head.as_str()[..at].ends_with(|letter: char| letter.is_ascii_alphanumeric()))
    };
    has_prefix(head, config) || config.environments.0.iter().any(is_of)
}

/// What tells whether this configuration has made a head branch that is at hand.
pub(super) struct Proof<'a> {
    /// Where its files are read.
    pub(super) remote: &'a Arc<dyn Remote>,
    /// The configuration of now.
    pub(super) config: &'a Repository,
    /// Whether it was given to the run: then no commit tells what it was before, nor does that of another run.
    pub(super) is_given: bool,
    /// The branch that pull requests are made to.
    pub(super) base: (&'a BranchName, &'a CommitId),
}

impl Proof<'_> {
    /// Whether the files of a head branch configure the environment that it is for, under the name that it has: then it was this
    /// configuration that made it, and has given it up since. Where somebody has pushed there, those beneath tell, too.
    fn was_configured(&self, head: &HeadBranch) -> Result<bool, GitError> {
        if self.is_given {
            return Ok(false);
        }
        let mut commits = vec![head.tip.clone()];
        if !head.is_own
            && let Beneath::Commits(beneath) = self.remote.head(&head.name, &head.tip, self.base)?.beneath
        {
            commits.extend(beneath.into_iter().map(|entry| entry.id));
        }
        for commit in commits {
            if self.configures(&commit, &head.name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn configures(&self, commit: &CommitId, name: &BranchName) -> Result<bool, GitError> {
        let files = CommitFiles::new(Arc::clone(self.remote), commit)?;
        let was = run::read_config(&files, name).ok();
        // An earlier prefix may lie below the one of now: which environment its name tells, that one says.
        Ok(was.is_some_and(|was| is_named_now(name, &was)))
    }

    /// Returns those of head branches that another configuration has made, as far as anything tells: they are for an environment that is
    /// not configured, and their files do not configure it; or, under another prefix, they change none of the files that it has.
    /// Of `displaced` ones, their pull requests tell.
    ///
    /// # Errors
    ///
    /// [`GitError`] when the tree of one cannot be read.
    pub(super) fn foreign(
        &self,
        heads: &[HeadBranch],
        former: &Former,
        displaced: &BTreeSet<BranchName>,
    ) -> Result<BTreeSet<BranchName>, GitError> {
        let mut found = BTreeSet::new();
        for head in heads.iter().filter(|head| !displaced.contains(&head.name)) {
            let Some(place) = former.get(&head.name).cloned().or_else(|| left_at(&head.name, self.config)) else {
                continue;
            };
            let has = |environment: &Environment| {
                head.files.is_empty() || head.files.iter().any(|file| environment.files.matches(file.as_str()))
            };
            let is_own = self.config.environments.named(&place.0).is_some_and(has);
            if !is_own && !self.was_configured(head)? {
                found.insert(head.name.clone());
            }
        }
        Ok(found)
    }

    /// Returns those of head branches whose files do not configure the names that they have, of which only that would tell.
    ///
    /// # Errors
    ///
    /// [`GitError`] when the tree of one cannot be read.
    pub(super) fn unproved(&self, heads: &[HeadBranch], former: &Former) -> Result<BTreeSet<BranchName>, GitError> {
        let mut found = BTreeSet::new();
        let is_pushed = |head: &HeadBranch| !head.is_own && head.has_own;
        let asked = heads.iter().filter(|head| self.is_given || is_pushed(head));
        for head in asked.filter(|head| former.contains_key(&head.name)) {
            if !self.was_configured(head)? {
                found.insert(head.name.clone());
            }
        }
        Ok(found)
    }
}

/// Returns the files that differ between a head branch and what lies below all of it, as far as that was looked at.
///
/// # Errors
///
/// [`GitError`] when they cannot be read.
pub(super) fn beneath(
    remote: &dyn Remote,
    head: &HeadBranch,
    base: (&BranchName, &CommitId),
) -> Result<BTreeSet<RepoPath>, GitError> {
    changed(remote, &remote.head(&head.name, &head.tip, base)?)
}

/// The groups of each environment.
pub(super) type Known = BTreeSet<(EnvironmentName, String)>;

/// Returns the groups that something is followed in, and what each image's own would be called: it may have joined one since.
pub(super) fn known(promoted: &Promoted) -> Known {
    let questions = promoted.decisions.iter().map(|decision| &decision.question);
    let places = |question: &Question| {
        let named = promoted.groups.get(&question.image).cloned().into_iter();
        let environment = question.environment.clone();
        named.chain([question.image.group_name()]).map(move |group| (environment.clone(), group)).collect::<Vec<_>>()
    };
    questions.flat_map(places).collect()
}

/// Returns what a head branch was for under another prefix, by its name: of several that fit, the longest. People call branches
/// after environments, too, and every one that is taken for a candidate has to be looked at.
pub(super) fn named_before(
    head: &BranchName,
    marker: Option<&Marker>,
    known: &Known,
) -> Option<(EnvironmentName, String)> {
    let said = marker.map(|marker| (marker.environment.clone(), marker.group.clone()));
    let is_named = |(environment, group): &&(EnvironmentName, String)| {
        let before = head.as_str().strip_suffix(&format!("{environment}/{group}"));
        before.is_some_and(|before| !before.ends_with(|letter: char| letter.is_ascii_alphanumeric()))
    };
    known.iter().chain(&said).filter(is_named).max_by_key(|(environment, _)| environment.as_str().len()).cloned()
}

/// Whether Tagboat has closed a pull request by itself whose branch is called as under no prefix of now: a pass that was killed then
/// has left it.
pub(super) fn is_closed_elsewhere(one: &PullRequest, config: &Repository) -> bool {
    let is_withdrawn = one.marker.as_ref().is_some_and(|marker| marker.withdrawn);
    one.state == State::Closed && is_withdrawn && !has_prefix(&one.head, config)
}

/// Whether a branch is what a pull request has left that Tagboat has closed by itself.
pub(super) fn is_left(one: &PullRequest, (head, tip): (&BranchName, &CommitId)) -> bool {
    let is_withdrawn = one.marker.as_ref().is_some_and(|marker| marker.withdrawn);
    one.state == State::Closed && is_withdrawn && one.head == *head && one.commit == *tip
}

/// Finds open pull requests, or on plain Git branches, that may be former ones, with their tips.
pub(super) fn candidates(
    config: &Repository,
    known: &Known,
    pull_requests: Option<&[PullRequest]>,
    branches: Vec<(BranchName, CommitId)>,
) -> (Vec<(BranchName, CommitId)>, Former) {
    let open = pull_requests.into_iter().flatten().filter(|one| one.state == State::Open);
    let open = open.map(|one| (one.head.clone(), one.commit.clone(), one.marker.as_ref()));
    let branches = branches.into_iter().map(|(head, tip)| {
        let left = pull_requests.into_iter().flatten().find(|one| is_left(one, (&head, &tip)));
        (head, tip, left.and_then(|one| one.marker.as_ref()))
    });
    let grounds: BTreeSet<BranchName> = config.environments.branches().into_iter().collect();
    let mut former = Former::new();
    let mut found = Vec::new();
    for (head, tip, marker) in open.chain(branches) {
        // Under the prefix of now, what an environment left that is no more is known by its name.
        let is_said =
            |marker: &&Marker| config.environments.named(&marker.environment).is_some() || !has_prefix(&head, config);
        let marker = marker.filter(is_said);
        if is_named_now(&head, config) || grounds.contains(&head) || former.contains_key(&head) {
            continue;
        }
        if let Some(place) = named_before(&head, marker, known) {
            former.insert(head.clone(), place);
            found.push((head, tip));
        }
    }
    (found, former)
}

/// Keeps those whose commits say that they are what their names tell, and lets what is desired go on where it stands already.
pub(super) fn take_up(planned: &Planned, standing: &mut Standing, desired: &mut [Desired]) {
    let mut followed: BTreeMap<&EnvironmentName, BTreeSet<&ImageName>> = BTreeMap::new();
    for decision in &planned.promoted.decisions {
        followed.entry(&decision.question.environment).or_default().insert(&decision.question.image);
    }
    let is_followed = |environment: &EnvironmentName, image: &String| {
        followed.get(environment).is_some_and(|own| own.iter().any(|one| one.as_str() == image))
    };
    let pull_requests = standing.pull_requests.as_deref();
    let heads: Vec<&HeadBranch> = standing.heads.iter().collect();
    let known = |name: &BranchName| heads.iter().find(|head| head.name == *name);
    let stands = |name: &BranchName| match pull_requests {
        Some(all) => all.iter().any(|one| one.state == State::Open && one.head == *name),
        None => known(name).is_some(),
    };
    let is_former = |head: &HeadBranch, (environment, group): &(EnvironmentName, String)| {
        let mut all = pull_requests.into_iter().flatten();
        let is_it = |one: &&PullRequest| {
            (one.state == State::Open && one.head == head.name) || is_left(one, (&head.name, &head.tip))
        };
        let marker = all.find(is_it).and_then(|one| one.marker.as_ref());
        let marker = marker.filter(|marker| marker.environment == *environment && marker.group == *group);
        match &head.told.environment {
            _ if !head.has_own => false,
            Some(told) if told != environment => false,
            Some(_) if head.images.iter().all(|image| is_followed(environment, image)) => true,
            // Nobody follows its images any more: its commit and its body together say whose it is, and it is taken away.
            Some(_) if head.is_own => {
                let is_said = marker.is_some_and(|marker| head.key.as_ref() == Some(&marker.key));
                is_said && !standing.unproved.contains(&head.name)
            }
            None if head.is_own => false,
            // Somebody else has pushed there: its body still tells, and the forge does not merge it by itself.
            Some(_) | None if marker.is_some() => true,
            // Or what Tagboat made there does, unless somebody has built on that while it stands where it was made.
            Some(_) | None => {
                let is_made = |told: &Told| told.environment.as_ref() == Some(environment);
                let mut own = desired.iter().filter(|one| one.environment == *environment && one.group == *group);
                let is_proved = !standing.unproved.contains(&head.name) && head.undone.is_empty();
                is_proved && head.made.iter().any(is_made) && !own.any(|one| stands(&one.head))
            }
        }
    };
    let mut former = std::mem::take(&mut standing.former);
    former.retain(|name, place| known(name).is_some_and(|head| is_former(head, place)));
    for wanted in desired.iter_mut().filter(|wanted| !stands(&wanted.head)) {
        let place = (wanted.environment.clone(), wanted.group.clone());
        if let Some((name, _)) = former.iter().find(|(_, other)| **other == place) {
            wanted.head = name.clone();
        }
    }
    standing.former = former;
}

/// Says what stands under the prefix of now for environments that are not configured, and is left since another configuration may have
/// made it.
pub(super) fn foreign_here(
    foreign: &BTreeSet<BranchName>,
    config: &Repository,
    pull_requests: Option<&[PullRequest]>,
) -> Vec<Skipped> {
    let is_open = |head: &BranchName| {
        pull_requests.is_none_or(|all| all.iter().any(|one| one.state == State::Open && one.head == *head))
    };
    let mut counts: BTreeMap<EnvironmentName, usize> = BTreeMap::new();
    for environment in foreign.iter().filter(|head| is_open(head)).filter_map(|head| left_by(head, config)) {
        *counts.entry(environment).or_default() += 1;
    }
    let row = |(environment, count): (EnvironmentName, usize)| {
        let stands = if count == 1 { "1 head branch stays".to_owned() } else { format!("{count} head branches stay") };
        let reason = format!(
            "{stands}: nothing shows that this configuration ever had the environment. Where another one made that, give each a \
             `branchPrefix` of its own; else close it by hand"
        );
        Skipped { what: format!("environment {environment}"), reason }
    };
    counts.into_iter().map(row).collect()
}
