//! The grounds that a pass stands on: the base branch, and each branch on which an environment lives by itself; and
//! those of other repositories, which are only looked at ([`crate::pass::elsewhere`]).
//!
//! Entry point: [`look`]. A branch that cannot be read takes its own environments out of the pass, and nobody else's.

use std::collections::BTreeMap;

use crate::cache::Cache;
use crate::config::repository::Repository;
use crate::manifest::{self, Surroundings};
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::outcome::{Skipped, Trouble};
use crate::model::site::{PassedOver, Site};
use crate::observe::files::Files;
use crate::observe::history::Past;
use crate::observe::scan::{Scanned, scan};
use crate::pass::elsewhere::Theirs;
use crate::pass::view::{Branches, Unseen};
use crate::pass::{PassError, refuse_overlap, report};

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
