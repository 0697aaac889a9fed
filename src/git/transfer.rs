//! Fetching by the `git` program, for local folders and SSH, and where the mirror notes what it fetched.
//!
//! Failures are told apart by exit codes and by what `ls-remote` lists, never by the program's words. From
//! SSH that tells no refused key from an unreachable host: both are [`GitError::Unreachable`], with the words.

use std::ffi::OsStr;
use std::num::NonZeroU32;

use gix::ObjectId;

use crate::git::mirror::Mirror;
use crate::git::objects::{broken, object_id, unwritable};
use crate::git::program::Program;
use crate::git::{GitError, program};
use crate::model::environment::BranchName;

/// `ls-remote --exit-code` ends so when nothing matches (git-ls-remote's manual).
const NOTHING_MATCHES: i32 = 2;

/// Returns the reference under which the mirror notes a branch's tip.
///
/// The name is flat, so that a branch `a` that gives way to a branch `a/b` stands in nobody's way.
pub(super) fn noted(branch: &BranchName) -> String {
    format!("refs/tagboat/{}", branch.as_str().replace('%', "%25").replace('/', "%2F"))
}

/// Returns the noted tip of a branch, if its commit is at hand.
pub(super) fn noted_tip(repository: &gix::Repository, branch: &BranchName) -> Result<Option<ObjectId>, GitError> {
    let reference = repository.try_find_reference(noted(branch).as_str()).map_err(broken)?;
    let tip = reference.and_then(|reference| reference.try_id().map(gix::Id::detach));
    Ok(tip.filter(|tip| repository.has_object(tip)))
}

/// Notes a branch's tip.
pub(super) fn remember(repository: &gix::Repository, branch: &BranchName, tip: ObjectId) -> Result<(), GitError> {
    let any = gix::refs::transaction::PreviousValue::Any;
    repository.reference(noted(branch), tip, any, "").map_err(unwritable)?;
    Ok(())
}

/// How much history a fetch brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The tip alone, or, where more of the line is at hand already, what is new above it.
    Tip,
    /// So many commits below the tip.
    Commits(NonZeroU32),
}

/// Returns the depth to ask for: `None` leaves the boundary where it is, so that a line at hand stays one.
pub(super) fn depth_to_ask(repository: &gix::Repository, known: Option<ObjectId>, depth: Depth) -> Option<NonZeroU32> {
    let reaches_below = |tip: ObjectId| {
        let parent = repository.find_commit(tip).ok().and_then(|tip| Some(tip.parent_ids().next()?.detach()));
        parent.is_some_and(|parent| repository.has_object(parent))
    };
    match depth {
        Depth::Commits(count) => Some(count),
        Depth::Tip if known.is_some_and(reaches_below) => None,
        Depth::Tip => Some(NonZeroU32::MIN),
    }
}

/// Returns the one depth at which several branches can be fetched together, or `None` where all are here.
///
/// # Errors
///
/// [`GitError::Broken`] where they cannot: a depth would cut the line of those that are here with more.
pub(super) fn one_depth(
    repository: &gix::Repository,
    branches: &[BranchName],
    tips: &[ObjectId],
) -> Result<Option<Option<NonZeroU32>>, GitError> {
    let mut depths = Vec::with_capacity(branches.len());
    let mut all_here = true;
    for (branch, tip) in branches.iter().zip(tips) {
        let known = noted_tip(repository, branch)?;
        all_here &= known == Some(*tip);
        depths.push(depth_to_ask(repository, known, Depth::Tip));
    }
    depths.dedup();
    match depths.as_slice() {
        _ if all_here => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(GitError::Broken("branches are here with different depths".to_owned())),
    }
}

/// Brings the tips of several branches here by one listing and one request; see `http::fetch_all`.
pub(super) fn fetch_all(
    program: &Program,
    repository: &gix::Repository,
    mirror: &Mirror,
    branches: &[BranchName],
) -> Result<Vec<ObjectId>, GitError> {
    let references: Vec<String> = branches.iter().map(|branch| format!("refs/heads/{branch}")).collect();
    let listed = list(program, mirror, &references)?;
    let tip = |(branch, reference): (&BranchName, &String)| match listed.iter().find(|(_, name)| name == reference) {
        Some((id, _)) => object_id(id),
        None => Err(GitError::NoBranch { branch: branch.clone(), there: Vec::new() }),
    };
    let tips = branches.iter().zip(&references).map(tip).collect::<Result<Vec<_>, _>>()?;
    let Some(depth) = one_depth(repository, branches, &tips)? else { return Ok(tips) };
    let refspecs: Vec<String> =
        branches.iter().map(|branch| format!("+refs/heads/{branch}:{}", noted(branch))).collect();
    run_fetch(program, mirror, depth, &refspecs)?;
    let noted = |branch| noted_tip(repository, branch)?.ok_or_else(missing);
    branches.iter().map(noted).collect()
}

fn missing() -> GitError {
    GitError::Broken("the fetched commit is not there".to_owned())
}

/// Runs one fetch.
fn run_fetch(
    program: &Program,
    mirror: &Mirror,
    depth: Option<NonZeroU32>,
    refspecs: &[String],
) -> Result<(), GitError> {
    let asked = depth.map(|depth| format!("--depth={depth}"));
    let url = mirror.argument();
    let options = [
        "fetch",
        "--quiet",
        "--update-shallow",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--no-recurse-submodules",
    ];
    let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    arguments.extend(asked.as_deref().map(OsStr::new));
    arguments.extend([OsStr::new("--"), url.as_os_str()]);
    arguments.extend(refspecs.iter().map(OsStr::new));
    let finished = program.run(&arguments)?;
    match finished.succeeded() {
        true => Ok(()),
        false => Err(GitError::Broken(format!("fetching failed: {}", mirror.words(&finished.stderr)))),
    }
}

/// Brings a branch's tip here, unless it is here already with the depth that is asked for.
pub(super) fn fetch(
    program: &Program,
    repository: &gix::Repository,
    mirror: &Mirror,
    branch: &BranchName,
    depth: Depth,
) -> Result<ObjectId, GitError> {
    let known = noted_tip(repository, branch)?;
    // The first fetch is a fetch in any case; asking first would only cost another connection.
    if let Some(known) = known
        && depth == Depth::Tip
        && remote_tip(program, mirror, branch)? == known
    {
        return Ok(known);
    }
    let asked = depth_to_ask(repository, known, depth);
    let refspec = format!("+refs/heads/{branch}:{}", noted(branch));
    if let Err(failed) = run_fetch(program, mirror, asked, &[refspec]) {
        // Asked again for the reason: no branch, nothing at all, or nobody there.
        remote_tip(program, mirror, branch)?;
        return Err(failed);
    }
    noted_tip(repository, branch)?.ok_or_else(missing)
}

/// Asks the remote where a branch stands.
pub(super) fn remote_tip(program: &Program, mirror: &Mirror, branch: &BranchName) -> Result<ObjectId, GitError> {
    let reference = format!("refs/heads/{branch}");
    let listed = list(program, mirror, std::slice::from_ref(&reference))?;
    let tip = listed.iter().find(|(_, name)| *name == reference);
    if let Some((id, _)) = tip {
        return object_id(id);
    }
    let there: Vec<BranchName> =
        branches(program, mirror)?.iter().map(|name| BranchName::from(name.as_str())).collect();
    match there.is_empty() {
        true => Err(GitError::EmptyRepository),
        false => Err(GitError::NoBranch { branch: branch.clone(), there }),
    }
}

/// Lists the remote's branches whose names begin with `prefix`, with their tips.
pub(super) fn heads(program: &Program, mirror: &Mirror, prefix: &str) -> Result<Vec<(String, ObjectId)>, GitError> {
    let listed = list(program, mirror, &[format!("refs/heads/{prefix}*")])?;
    let named = listed.iter().filter_map(|(id, name)| Some((name.strip_prefix("refs/heads/")?, id)));
    named.filter(|(name, _)| name.starts_with(prefix)).map(|(name, id)| Ok((name.to_owned(), object_id(id)?))).collect()
}

/// Lists the remote's branches.
pub(super) fn branches(program: &Program, mirror: &Mirror) -> Result<Vec<String>, GitError> {
    let listed = list(program, mirror, &["refs/heads/*".to_owned()])?;
    Ok(listed.iter().filter_map(|(_, name)| name.strip_prefix("refs/heads/")).map(str::to_owned).collect())
}

/// Returns the branch that the remote's `HEAD` names, where it names one.
pub(super) fn default_branch(program: &Program, mirror: &Mirror) -> Result<Option<String>, GitError> {
    let url = mirror.argument();
    let options = ["ls-remote", "--quiet", "--symref", "--"];
    let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    arguments.extend([url.as_os_str(), OsStr::new("HEAD")]);
    let finished: program::Finished = program.run(&arguments)?;
    if !finished.succeeded() {
        return Err(GitError::Unreachable(mirror.words(&finished.stderr)));
    }
    // `ref: refs/heads/main<TAB>HEAD`, before the line with the commit (git-ls-remote's manual, `--symref`).
    let text = String::from_utf8_lossy(&finished.stdout);
    let target = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    Ok(target.map(str::to_owned))
}

fn list(program: &Program, mirror: &Mirror, patterns: &[String]) -> Result<Vec<(String, String)>, GitError> {
    let url = mirror.argument();
    let options = ["ls-remote", "--quiet", "--refs", "--exit-code", "--"];
    let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    arguments.push(url.as_os_str());
    arguments.extend(patterns.iter().map(OsStr::new));
    let finished: program::Finished = program.run(&arguments)?;
    match finished.code {
        Some(0) => {
            let text = String::from_utf8_lossy(&finished.stdout);
            let pairs = text.lines().filter_map(|line| line.split_once('\t'));
            Ok(pairs.map(|(id, name)| (id.to_owned(), name.to_owned())).collect())
        }
        Some(NOTHING_MATCHES) => Ok(Vec::new()),
        _ => Err(GitError::Unreachable(mirror.words(&finished.stderr))),
    }
}
