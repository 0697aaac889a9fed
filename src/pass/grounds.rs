//! The grounds that a pass stands on: the base branch, and each branch on which an environment lives by itself; and
//! those of other repositories, which are only looked at ([`crate::pass::elsewhere`]).
//!
//! Entry points: [`look`], and [`still_say`], which looks once more before something lands. A branch that cannot be read takes its own
//! environments out of the pass, and nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cache::Cache;
use crate::config::repository::Repository;
use crate::git::{GitError, Remote};
use crate::manifest::{self, Surroundings};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, Environment, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::outcome::{Skipped, Trouble};
use crate::model::proposal::{Action, Move};
use crate::model::site::{PassedOver, Site};
use crate::observe::files::Files;
use crate::observe::history::Past;
use crate::observe::scan::{Scanned, scan};
use crate::pass::elsewhere::Theirs;
use crate::pass::view::{Branches, Unseen, Viewed};
use crate::pass::{PassError, Planned, blocking, refuse_overlap, report};
use crate::promote;
use crate::publish::pull_requests::{RestsOn, heads};

/// What is looked at.
pub(super) struct Sight<'a> {
    /// What is followed, and how.
    pub(super) config: &'a Repository,
    /// The base branch's files.
    pub(super) files: &'a dyn Files,
    /// Its history.
    pub(super) past: Option<&'a dyn Past>,
    /// The other branches.
    pub(super) branches: &'a Branches,
    /// What earlier passes left.
    pub(super) cache: &'a Cache,
    /// The limits of what is read.
    pub(super) limits: &'a manifest::Limits,
}

/// One branch, as its files tell of it.
pub(crate) struct Seen<'a> {
    /// The branch, unless it is the base.
    pub(crate) branch: Option<BranchName>,
    /// Its files.
    pub(crate) files: &'a dyn Files,
    /// What led to them.
    pub(crate) past: Option<&'a dyn Past>,
    /// Every file that there is, by path.
    pub(crate) paths: Vec<RepoPath>,
    /// What the paths say about each other.
    pub(crate) surroundings: Surroundings,
    /// Whose it is, where it is another repository's.
    pub(crate) theirs: Option<Theirs<'a>>,
    /// Environments of another repository there of which a file could not be understood, with the reason.
    pub(crate) unreadable: BTreeMap<EnvironmentName, String>,
}

/// Everything that was seen.
pub(crate) struct Looked<'a> {
    /// The base first, then the others that could be read.
    pub(crate) seen: Vec<Seen<'a>>,
    /// Every reference: of the base all, of other branches those of their environments.
    pub(crate) sites: Vec<Site>,
    /// What was not looked into, likewise.
    pub(crate) passed_over: Vec<PassedOver>,
    /// Environments on other branches of which something could not be read, with the reason.
    pub(crate) half_known: BTreeMap<EnvironmentName, String>,
    /// Failures among them as rows for people.
    pub(crate) troubles: Vec<Trouble>,
    /// Branches that are not at hand.
    pub(crate) absent: Vec<Skipped>,
}

/// Returns the ground of an environment; `None` where its branch could not be read.
pub(crate) fn of<'s, 'a>(seen: &'s [Seen<'a>], config: &Repository, name: &EnvironmentName) -> Option<&'s Seen<'a>> {
    let branch = config.environments.named(name).and_then(|environment| environment.branch.as_ref());
    seen.iter().find(|seen| seen.theirs.is_none() && seen.branch.as_ref() == branch)
}

/// Finds every reference on every branch, and refuses files that two environments claim.
pub(super) fn look<'a>(sight: &Sight<'a>) -> Result<Looked<'a>, PassError> {
    let look = |files: &dyn Files| scan(files, &sight.config.formats, sight.limits, sight.cache);
    let base = look(sight.files).map_err(PassError::Files)?;
    refuse_overlap(sight.config, None, &base)?;
    let Scanned { sites, passed_over, files, surroundings, .. } = base;
    let seen = Seen {
        branch: None,
        files: sight.files,
        past: sight.past,
        paths: files,
        surroundings,
        theirs: None,
        unreadable: BTreeMap::new(),
    };
    let mut looked = Looked {
        seen: vec![seen],
        sites,
        passed_over,
        half_known: BTreeMap::new(),
        troubles: Vec::new(),
        absent: Vec::new(),
    };
    for (branch, viewed) in sight.branches {
        let viewed = viewed.as_ref().map_err(Clone::clone);
        match viewed.and_then(|viewed| Ok((viewed, look(&*viewed.files).map_err(Unseen::Failed)?))) {
            Ok((viewed, scanned)) => {
                refuse_overlap(sight.config, Some(branch), &scanned)?;
                looked.add(sight.config, branch, scanned, (&*viewed.files, viewed.past.as_deref()));
            }
            Err(unseen) => {
                let what = format!("branch {branch}");
                let (Unseen::Absent(reason) | Unseen::Failed(reason)) = &unseen;
                let own = sight.config.environments.0.iter().filter(|one| one.branch.as_ref() == Some(branch));
                let told = format!("{what}: {reason}");
                looked.half_known.extend(own.map(|environment| (environment.name.clone(), told.clone())));
                match unseen {
                    Unseen::Absent(reason) => looked.absent.push(Skipped { what, reason }),
                    Unseen::Failed(reason) => {
                        looked.troubles.push(Trouble { what, file: None, position: None, reason });
                    }
                }
            }
        }
    }
    Ok(looked)
}

impl<'a> Looked<'a> {
    /// Adds what belongs to the environments of another branch: everything else on it is nobody's business.
    fn add(
        &mut self,
        config: &Repository,
        branch: &BranchName,
        scanned: Scanned,
        (files, past): (&'a dyn Files, Option<&'a dyn Past>),
    ) {
        let Scanned { sites, passed_over, files: paths, surroundings, .. } = scanned;
        let owner = |path: &str| config.environments.of(Some(branch), path).map(|found| found.name.clone());
        let own = sites.into_iter().filter(|site| owner(site.file.as_str()).is_some());
        self.sites.extend(own.map(|site| Site { branch: Some(branch.clone()), ..site }));
        for passed in passed_over {
            let Some(name) = owner(&passed.file) else { continue };
            // As Git writes the file of a revision.
            let shown = PassedOver { file: format!("{branch}:{}", passed.file), reason: passed.reason };
            if report::is_failure(&shown.reason) {
                self.half_known.entry(name).or_insert_with(|| format!("{}: {}", shown.file, shown.reason));
                self.troubles.push(report::away(report::passed_over_trouble(&shown)));
            } else {
                self.passed_over.push(shown);
            }
        }
        let (branch, theirs, unreadable) = (Some(branch.clone()), None, BTreeMap::new());
        self.seen.push(Seen { branch, files, past, paths, surroundings, theirs, unreadable });
    }
}

/// Some files on branches.
pub(super) type OnBranches = BTreeMap<BranchName, BTreeSet<RepoPath>>;

/// Returns the files of the environments before in which the images that move stand: they say what may come.
pub(super) fn rests_on(
    sites: &[Site],
    (config, base): (&Repository, &BranchName),
    environment: &Environment,
    moves: &[Move],
) -> RestsOn {
    let mut rests_on = RestsOn::default();
    if environment.after.is_empty() {
        return rests_on;
    }
    let images: BTreeSet<_> = moves.iter().map(|step| &step.image).collect();
    // What goes back in one far before is kept back here as well.
    let before = promote::order::before(environment, &config.environments);
    let is_before = |site: &&Site| {
        let own = config.environments.of(site.branch.as_ref(), site.file.as_str());
        own.is_some_and(|own| before.contains(&&own.name))
    };
    let standing = sites.iter().filter(|site| site.image.as_ref().is_some_and(|image| images.contains(image)));
    for site in standing.filter(is_before) {
        let files = if site.branch == environment.branch {
            &mut rests_on.here
        } else {
            rests_on.beside.entry(site.branch.as_ref().unwrap_or(base).clone()).or_default()
        };
        files.insert(site.file.clone());
    }
    rests_on
}

/// Returns the files on other branches by which it was planned what is committed, for each environment.
pub(super) fn of_commits(planned: &Planned, on: (&Repository, &BranchName)) -> BTreeMap<EnvironmentName, OnBranches> {
    let mut found: BTreeMap<EnvironmentName, OnBranches> = BTreeMap::new();
    // What goes back comes from nowhere.
    let goes_back = |index: usize| planned.returns.iter().any(|returned| returned.proposal == index);
    let committed = planned.promoted.proposals.iter().enumerate();
    for (_, proposal) in committed.filter(|(index, one)| one.action == Action::Committed && !goes_back(*index)) {
        let Some(environment) = on.0.environments.named(&proposal.environment) else { continue };
        let own = found.entry(environment.name.clone()).or_default();
        for (branch, files) in rests_on(&planned.observation.sites, on, environment, &proposal.moves).beside {
            own.entry(branch).or_default().extend(files);
        }
    }
    found
}

/// Returns what has to be as it was when commits of some environments land on a branch: on any other than the base, what that says of
/// what is held, too.
pub(super) fn asked(
    (branch, base): (&BranchName, &BranchName),
    own: &BTreeSet<EnvironmentName>,
    rests_on: &BTreeMap<EnvironmentName, OnBranches>,
) -> OnBranches {
    let mut asked = OnBranches::from([(base.clone(), BTreeSet::new())]);
    for (branch, files) in own.iter().filter_map(|name| rests_on.get(name)).flatten() {
        asked.entry(branch.clone()).or_default().extend(files.iter().cloned());
    }
    asked.remove(branch);
    asked
}

/// Returns where the base was seen, and each branch on which environments live by themselves.
pub(super) fn tips(branch: &BranchName, (base, branches): (&CommitId, &Branches)) -> BTreeMap<BranchName, CommitId> {
    let tip = |(branch, viewed): (&BranchName, &Result<Viewed, Unseen>)| {
        Some((branch.clone(), viewed.as_ref().ok()?.base.clone()?))
    };
    branches.iter().filter_map(tip).chain([(branch.clone(), base.clone())]).collect()
}

/// Looks once more, right before something lands on a branch, whether others still say the same: what a person has held, rolled back
/// or taken back meanwhile stands there. Where that cannot be told, the next round asks anew.
pub(super) async fn still_say(
    remote: &Arc<dyn Remote>,
    tips: &BTreeMap<BranchName, CommitId>,
    asked: OnBranches,
) -> bool {
    let remote = Arc::clone(remote);
    let seen = |(branch, files): (BranchName, BTreeSet<RepoPath>)| Some((tips.get(&branch)?.clone(), branch, files));
    let asked: Vec<_> = asked.into_iter().filter_map(seen).collect();
    let work = move || {
        for (seen, branch, files) in &asked {
            if !heads::still_says(&*remote, (branch, seen), (files, &BTreeMap::new()))? {
                return Ok(false);
            }
        }
        Ok::<_, GitError>(true)
    };
    blocking(work).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "whether other branches still say the same is not known");
        false
    })
}
