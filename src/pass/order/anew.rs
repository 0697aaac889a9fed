//! Making anew, on the base of now, what stands in a head branch and a person merges: an order, or a return.
//!
//! Entry points: [`is_due`] and [`made`]. Places are those that the head itself changed, and each must run what the head took it for:
//! else it is not that order any more, and says so. The words are the head's own; where commits are signed, they are signed again only
//! if they were signed here before. Asks no forge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::holds::{self, HOLDS_FILE};
use crate::decide::steps;
use crate::edit;
use crate::git::log::{ChangedFile, MAX_MESSAGE};
use crate::git::{BlobId, GitError, Remote};
use crate::manifest::{self, Limits, Surroundings};
use crate::model::commit::{CommitId, Sign};
use crate::model::environment::{BranchName, Environment, EnvironmentName, Publish};
use crate::model::file::RepoPath;
use crate::model::gate::Gate;
use crate::model::history::Ordered;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::pull_request::HeadBranch;
use crate::model::site::{Site, Value};
use crate::observe::history::namesakes;
use crate::pass::order::standing::Again;
use crate::pass::order::words::{Held, Words};
use crate::pass::order::{add_holds, read_holds};
use crate::pass::{Inputs, MAX_HOLDS, Planned, blocking, grounds};
use crate::promote as promotes;
use crate::publish::plan::{OrderNote, ordered_commit};

/// Why something is not made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pass) enum Unfit {
    /// Something is not known now: a later pass may do it.
    Unknown(String),
    /// It is not what was ordered any more, or nobody knows whose words it has.
    Changed {
        /// Why, in words.
        why: String,
        /// The command that would order it again, where its words tell.
        command: Option<String>,
    },
}

impl From<GitError> for Unfit {
    fn from(error: GitError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// A head branch, and the base branch that it goes to.
#[derive(Clone, Copy)]
pub(in crate::pass) struct At<'a> {
    /// The repository.
    pub(in crate::pass) remote: &'a Arc<dyn Remote>,
    /// The base branch with its tip.
    pub(in crate::pass) onto: (&'a BranchName, &'a CommitId),
    /// The head branch.
    pub(in crate::pass) head: &'a HeadBranch,
    /// What the head branch is for, by its name.
    pub(in crate::pass) place: (&'a EnvironmentName, &'a str),
}

/// A file that the head changed, with both contents.
struct Both {
    file: RepoPath,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// Whether one of the files that a head changes is another one on the base by now, so that the base may not take it.
pub(in crate::pass) async fn is_due(at: At<'_>) -> Result<bool, GitError> {
    let (remote, changed) = (Arc::clone(at.remote), changed(at).await?);
    let base = at.onto.1.clone();
    blocking(move || {
        let entries = remote.entries(&base)?;
        let holds: BTreeMap<&RepoPath, &BlobId> =
            entries.iter().filter_map(|entry| Some((entry.path.as_ref().ok()?, &entry.blob))).collect();
        Ok(changed.iter().any(|changed| holds.get(&changed.path).copied() != changed.before.as_ref()))
    })
    .await
}

async fn changed(at: At<'_>) -> Result<Vec<ChangedFile>, GitError> {
    let (remote, name, tip) = (Arc::clone(at.remote), at.head.name.clone(), at.head.tip.clone());
    let onto = (at.onto.0.clone(), at.onto.1.clone());
    blocking(move || Ok(remote.head(&name, &tip, (&onto.0, &onto.1))?.step.changed)).await
}

/// Makes it anew from the words of its head commit. `gates` are what they say now of it.
pub(in crate::pass) async fn made(
    inputs: &Inputs<'_>,
    planned: &Planned,
    at: At<'_>,
    message: &str,
    gates: Vec<Gate>,
) -> Result<Again, Unfit> {
    let changed_since = |why: &str| Unfit::Changed { why: why.to_owned(), command: None };
    let words = Words::read(message).ok_or_else(|| {
        changed_since("its trailers cannot be read: close it, remove its branch, and give the order again")
    })?;
    let config = inputs.config;
    let environment = config
        .environments
        .named(&words.environment)
        .filter(|environment| environment.name == *at.place.0)
        .ok_or_else(|| changed_since("its trailers name another environment: close it, and remove its branch"))?;
    let again = |why: String| Unfit::Changed { why, command: Some(words.command(at.place.1, environment.publish)) };
    if let Some(reason) = planned.observation.half_known.get(&environment.name) {
        return Err(Unfit::Unknown(reason.clone()));
    }
    if words.has_unknown || message.len() >= MAX_MESSAGE {
        return Err(again("not all that its trailers say is known here, and nothing of it may be lost".to_owned()));
    }
    lends(at, config.commit.sign).await?.map_err(|why| again(why.to_owned()))?;
    let (both, file) = read(at, inputs.limits).await?;
    let (_, seen) = crate::pass::look(inputs).map_err(|error| Unfit::Unknown(error.to_string()))?;
    let ground = grounds::of(&seen, config, &environment.name)
        .ok_or_else(|| Unfit::Unknown("its branch could not be read".to_owned()))?;
    let places = places(&both, &words, &ground.surroundings, inputs.limits).map_err(&again)?;
    let moves = moves(planned, environment, &words, &places).map_err(&again)?;
    let reason = Some(format!("{}; made anew on {}", words.told(), at.onto.0));
    let proposal = Proposal {
        environment: environment.name.clone(),
        group: at.place.1.to_owned(),
        publish: Publish::PullRequest,
        branch: None,
        url: None,
        moves,
        gates,
        action: Action::Updated,
        reason,
        earliest: None,
    };
    let read = |file: &_| ground.files.read(file, inputs.limits.max_bytes).map_err(|reason| reason.to_string());
    let changes = edit::edit(&planned.observation.sites, &[&proposal], &ground.surroundings, inputs.limits, &read);
    if let Some(refusal) = changes.refused.first() {
        return Err(again(format!("{}: {}", refusal.file, refusal.reason)));
    }
    let mut files = changes.files.clone();
    // Those of an environment on a branch of its own are on the base since it was ordered.
    let holds = match &environment.branch {
        None => held(&words, &file).map_err(&again)?,
        Some(_) => words.holds.iter().map(|held| plain_hold(held, &words)).collect(),
    };
    if environment.branch.is_none() {
        let standing = read_holds(inputs.files).map_err(|error| Unfit::Unknown(error.to_string()))?;
        let all = holds::parse(HOLDS_FILE, &standing).map_err(|error| Unfit::Unknown(error.to_string()))?;
        let lasts = |hold: &Hold| all.iter().any(|other| other.until.is_none() && is_same(other, hold));
        let due: Vec<Hold> = holds.iter().filter(|hold| !lasts(hold)).cloned().collect();
        let (_, edit) = add_holds(standing, &due).map_err(|error| again(error.to_string()))?;
        files.extend(edit);
    }
    let note = OrderNote {
        order: words.order,
        holds,
        skipped: words.skipped.clone(),
        publish: if words.is_merged { Publish::AutoMerge } else { Publish::PullRequest },
        by: words.by.map(str::to_owned),
        reason: words.reason.map(str::to_owned),
        failed: words.failed.map(str::to_owned),
        notes: words.notes.iter().map(|told| (*told).to_owned()).collect(),
    };
    let commit = ordered_commit(&environment.name, &changes.changes, files, &config.commit, &note);
    Ok(Again { proposal, changes, commit })
}

/// Whether making a commit anew lends its words nothing that they did not have; else why not. An unsigned commit proves nothing of
/// anybody, made by whomever.
async fn lends(at: At<'_>, sign: Option<Sign>) -> Result<Result<(), &'static str>, GitError> {
    let Some(way) = sign else { return Ok(Ok(())) };
    let (remote, tip) = (Arc::clone(at.remote), at.head.tip.clone());
    if blocking(move || remote.is_signed_here(&tip)).await? {
        return Ok(Ok(()));
    }
    Ok(Err(match way {
        Sign::Forge => {
            "the forge signs what anybody commits by it, so that nobody can tell here whose words its commit has"
        }
        Sign::Ssh | Sign::Gpg => {
            "its commit is not signed with the key that signs here, and whoever wrote it would get that signature"
        }
    }))
}

/// Reads the contents of what the head changed, and its file of holds.
async fn read(at: At<'_>, limits: &Limits) -> Result<(Vec<Both>, Vec<u8>), GitError> {
    let (remote, tip, most) = (Arc::clone(at.remote), at.head.tip.clone(), limits.max_bytes);
    let changed = changed(at).await?;
    blocking(move || {
        let read = |blob: &Option<BlobId>| match blob {
            Some(blob) => remote.read(blob, most),
            None => Ok(Vec::new()),
        };
        let mut both = Vec::new();
        for ChangedFile { path, before, after } in changed.into_iter().filter(|one| one.path.as_str() != HOLDS_FILE) {
            both.push(Both { before: read(&before)?, after: read(&after)?, file: path });
        }
        let entries = remote.entries(&tip)?;
        let of_holds = entries.iter().find(|entry| entry.path.as_ref().is_ok_and(|path| path.as_str() == HOLDS_FILE));
        let held = of_holds.map(|entry| remote.read(&entry.blob, MAX_HOLDS)).transpose()?;
        Ok((both, held.unwrap_or_default()))
    })
    .await
}

/// Returns the holds that the words name, as the head's own file writes them.
fn held(words: &Words<'_>, file: &[u8]) -> Result<Vec<Hold>, String> {
    let all = holds::parse(HOLDS_FILE, file).map_err(|_faults| format!("its {HOLDS_FILE} cannot be read"))?;
    let of = |wanted: &Held| {
        let wanted = plain_hold(wanted, words);
        let found = all.iter().find(|hold| is_same(hold, &wanted)).cloned();
        found.ok_or_else(|| format!("it does not hold {}:{} as its trailers say", wanted.image, wanted.tag))
    };
    words.holds.iter().map(of).collect()
}

/// Writes a hold with nothing but what a trailer tells.
fn plain_hold((image, tag, environment): &Held, words: &Words<'_>) -> Hold {
    Hold {
        environment: environment.clone(),
        image: image.clone(),
        tag: tag.clone(),
        digest: None,
        until: None,
        by: words.by.map(str::to_owned),
        reason: words.reason.map(str::to_owned),
    }
}

fn is_same(one: &Hold, other: &Hold) -> bool {
    (&one.image, &one.tag, &one.environment) == (&other.image, &other.tag, &other.environment)
}

/// The places of one file that went from one version to another, by the file as it was.
struct Left {
    to: Value,
    /// Which of all places of their image they are there.
    which: BTreeSet<usize>,
    all: Vec<Site>,
}

/// What a head changed, by file, image and the version that was left.
type Places = BTreeMap<(RepoPath, ImageName, String), Left>;

/// Tells which places a head changed.
fn places(both: &[Both], words: &Words<'_>, surroundings: &Surroundings, limits: &Limits) -> Result<Places, String> {
    let mut found = Places::new();
    for Both { file, before, after } in both {
        let scan = |bytes: &[u8]| -> Vec<Site> {
            let sites = manifest::scan(file, bytes, surroundings, limits).sites.into_iter();
            sites.filter(|site| site.skipped.is_none() && site.image.is_some()).collect()
        };
        let (before, after) = (scan(before), scan(after));
        let odd = || format!("what its head changes in {file} is not what its trailers say");
        if before.len() != after.len() {
            return Err(odd());
        }
        for (at, (one, other)) in before.iter().zip(&after).enumerate() {
            if (&one.image, &one.value) == (&other.image, &other.value) {
                continue;
            }
            let is_said = |(image, from, to): &&(ImageName, String, Value)| {
                (one.image.as_ref(), other.image.as_ref()) == (Some(image), Some(image))
                    && one.value.to_string() == *from
                    && other.value == *to
            };
            let (image, from, to) = words.steps.iter().find(is_said).ok_or_else(odd)?;
            let is_its = |site: &&Site| site.image.as_ref() == Some(image);
            let known = found.entry((file.clone(), image.clone(), from.clone())).or_insert_with(|| Left {
                to: to.clone(),
                which: BTreeSet::new(),
                all: before.iter().filter(is_its).cloned().collect(),
            });
            if known.to != *to {
                return Err(format!("places of {file} that ran {from} of {image} go to different versions"));
            }
            known.which.insert(before[..at].iter().filter(is_its).count());
        }
    }
    let is_there = |(image, from, to): &&(ImageName, String, Value)| {
        found.iter().any(|((_, found, was), left)| (found, was, &left.to) == (image, from, to))
    };
    match words.steps.iter().find(|step| !is_there(step)) {
        Some((image, ..)) => Err(format!("its head does not move {image} as its trailers say")),
        None if words.steps.is_empty() => Err("its trailers name nothing that moves".to_owned()),
        None => Ok(found),
    }
}

/// Finds the same places on the base of now, each of which must run what it ran.
fn moves(
    planned: &Planned,
    environment: &Environment,
    words: &Words<'_>,
    places: &Places,
) -> Result<Vec<Move>, String> {
    let observation = &planned.observation;
    let mut all: Vec<Move> = Vec::new();
    for ((file, image, from), left @ Left { to, which, .. }) in places {
        let questions = planned.promoted.decisions.iter().map(|decision| &decision.question);
        let mut questions = questions.filter(|one| one.environment == environment.name && one.image == *image);
        let question = questions.find(|one| one.current.to_string() == *from);
        let own = question.into_iter().flat_map(|one| &one.sites).copied();
        let sites: Vec<usize> = own.filter(|site| observation.sites[*site].file == *file).collect();
        let Some(question) = question.filter(|_| sites.len() == which.len()) else {
            return Err(differs((&observation.sites, environment), (file, image, from), (sites.len(), which.len())));
        };
        if is_elsewhere(left, (&observation.sites, environment), (file, image), &sites) {
            return Err(format!("{file} has {from} of {image} elsewhere by now, and not where it was to leave"));
        }
        let dated = words.dated.get(&(image.clone(), to.to_string())).copied();
        match all.iter_mut().find(|one| (&one.image, &one.from, &one.to) == (image, &question.current, to)) {
            Some(known) => known.sites.extend(sites),
            None => all.push(Move {
                image: image.clone(),
                from: question.current.clone(),
                to: to.clone(),
                step: (words.order == Ordered::Promote)
                    .then(|| steps::between(&question.policy, &question.current, to))
                    .flatten(),
                pin: question.policy.pins(),
                sites,
                published: promotes::published(observation, image, to).or(dated),
            }),
        }
    }
    Ok(all)
}

/// Whether other places run by now what some were to leave, as far as names tell.
fn is_elsewhere(
    left: &Left,
    (sites, environment): (&[Site], &Environment),
    (file, image): (&RepoPath, &ImageName),
    found: &[usize],
) -> bool {
    let is_here = |(_, site): &(usize, &Site)| {
        site.file == *file
            && site.branch == environment.branch
            && site.image.as_ref() == Some(image)
            && site.skipped.is_none()
    };
    let (which, now): (Vec<usize>, Vec<&Site>) = sites.iter().enumerate().filter(is_here).unzip();
    let before: Vec<&Site> = left.all.iter().collect();
    namesakes(&before, &now).iter().any(|(old, new)| left.which.contains(old) != found.contains(&which[*new]))
}

/// Says what stands at places by now that do not run what they ran.
fn differs(
    (sites, environment): (&[Site], &Environment),
    (file, image, from): (&RepoPath, &ImageName, &str),
    (now, before): (usize, usize),
) -> String {
    let is_here =
        |site: &&Site| site.file == *file && site.branch == environment.branch && site.image.as_ref() == Some(image);
    let runs: BTreeSet<String> = sites.iter().filter(is_here).map(|site| site.value.to_string()).collect();
    if runs.is_empty() {
        return format!("{file} has no place of {image} any more, which was to leave {from}");
    }
    if now > 0 {
        let count = |places: usize| if places == 1 { "1 place".to_owned() } else { format!("{places} places") };
        return format!(
            "{file} has {} of {image} with {from} by now, and {} was to leave it",
            count(now),
            count(before)
        );
    }
    let runs: Vec<String> = runs.into_iter().collect();
    format!("{file} has {} of {image} by now, and not {from}", runs.join(" and "))
}
