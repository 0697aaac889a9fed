//! Another repository, whose environment `build` comes before the first one here: what people do there, how a pass finds it,
//! and what may come from it.
//!
//! Nobody of this repository writes there. It cannot be reached at times, and somebody may rewind its branch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tagboat::git::log::Line;
use tagboat::git::{BlobId, EntryKind, GitError, Head, Pushed, Remote, TreeEntry};
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan, Sign};
use tagboat::model::environment::BranchName;
use tagboat::pass::elsewhere::{Neighbour, nobody};
use tagboat::pass::view::Unseen;

use super::client::Client;
use super::ledger::{Step, is_lower};
use super::rules::{Verdict, violated};
use super::session::{Round, Session};
use super::setting::{FIRST, IMAGES, Value, is_followed, manifest, running};
use super::world::git::{NewCommit, Store, Tree, person};
use super::world::{By, World, short};
use crate::support::passes::on_plain_git;

/// What the configuration calls it.
pub(super) const URL: &str = "https://git.acme.example/upstream.git";
/// Its environment.
pub(super) const BUILD: &str = "build";

/// What a seed draws of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    /// Minutes for which a version must have been there, and whether they count from the introduction.
    pub(super) soak: Option<(i64, bool)>,
}

/// What people do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Somebody brings every image to its newest version.
    Advance,
    /// Somebody writes another version of one image.
    Write { image: usize, nth: usize },
    /// Somebody moves the branch back by a commit, as if that had never been.
    Rewind,
    /// It cannot be reached, or can again.
    Reach(bool),
}

impl Drawn {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let minutes = rng.choice([30, 120]).expect("there are some");
        Self { soak: rng.bool().then(|| (minutes, rng.u8(..3) == 0)) }
    }
}

impl Deed {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..10) {
            0..=3 => Self::Advance,
            4..=6 => Self::Write { image: rng.usize(..8), nth: rng.usize(..64) },
            7 => Self::Rewind,
            _ => Self::Reach(rng.bool()),
        }
    }
}

/// The other repository.
#[derive(Clone)]
pub(super) struct Upstream {
    git: Store,
    pub(super) is_down: bool,
}

/// What a pass saw there since it last fetched.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    tip: Option<CommitId>,
    /// Whether its history was read.
    has_history: bool,
    /// The images of which something that stood there before could not be read.
    unread: BTreeSet<usize>,
    /// The same since a pass may have begun anew, until it reads the history again: then what had failed before that is over.
    unread_anew: Option<BTreeSet<usize>>,
}

impl Seen {
    /// Notes that a pass may begin anew.
    pub(super) fn may_begin_anew(&mut self) {
        self.unread_anew = Some(BTreeSet::new());
    }
}

fn path(image: usize) -> String {
    format!("envs/{BUILD}/{}.yaml", short(image))
}

impl Upstream {
    /// Begins with the first version of every image.
    pub(super) fn begin(world: &World) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: {BUILD}\n    \
             files: [envs/{BUILD}/**]\n    publish: commit\n"
        );
        let mut files = vec![(".tagboat.yaml".to_owned(), config)];
        for (image, name) in IMAGES.iter().enumerate().take(world.setting.images) {
            let value = value(world, image, FIRST);
            files.push((path(image), manifest(BUILD, short(image), &[written(name, &value)])));
        }
        Self { git: Store::with(&files, world.now), is_down: false }
    }

    fn runs_at(&self, commit: &CommitId, image: usize) -> Option<Value> {
        let path = tagboat::model::file::RepoPath::new(&path(image)).unwrap();
        let text = self.git.text(self.git.tree(commit).get(&path)?);
        running(text).into_iter().next().map(|(_, value)| value)
    }

    /// Returns what it runs of an image now.
    pub(super) fn runs(&self, image: usize) -> Option<Value> {
        self.runs_at(&self.git.main, image)
    }

    /// Returns every value that the line up to a commit has had, newest first, each with when it came.
    fn stays(&self, tip: &CommitId, image: usize) -> Vec<(Value, Timestamp)> {
        let mut stays: Vec<(Value, Timestamp)> = Vec::new();
        for (id, commit) in self.git.line(tip) {
            let Some(value) = self.runs_at(id, image) else { continue };
            match stays.last_mut() {
                Some((last, since)) if *last == value => *since = commit.time,
                _ => stays.push((value, commit.time)),
            }
        }
        stays
    }

    /// Returns what somebody took back there, and nobody wrote again since.
    pub(super) fn taken_back(&self, tip: &CommitId, image: usize) -> BTreeSet<String> {
        let mut stays = self.stays(tip, image);
        stays.reverse();
        let mut taken = BTreeSet::new();
        for pair in stays.windows(2) {
            let ((from, _), (to, _)) = (&pair[0], &pair[1]);
            if is_lower(&to.tag, &from.tag) {
                taken.insert(from.tag.clone());
            }
            taken.remove(&to.tag);
        }
        taken
    }

    /// Whether an image has only ever gone up there, also past what is no version.
    pub(super) fn only_rose(&self, image: usize) -> bool {
        let stays = self.stays(&self.git.main, image);
        let is_below = |now: &Value| stays.iter().any(|(value, _)| is_lower(&now.tag, &value.tag));
        self.taken_back(&self.git.main, image).is_empty() && !stays.first().is_some_and(|(now, _)| is_below(now))
    }
}

fn value(world: &World, image: usize, tag: &str) -> Value {
    let digest = world.registry[image].get(tag).filter(|_| world.setting.pins).map(|tagged| tagged.digest.clone());
    Value { tag: tag.to_owned(), digest }
}

fn written(name: &str, value: &Value) -> String {
    let digest = value.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{name}:{}{digest}", value.tag)
}

/// Lets somebody do it.
pub(super) fn act(world: &mut World, deed: &Deed) {
    let Some(mut upstream) = world.upstream.take() else { return };
    let images = world.setting.images;
    let wanted: BTreeMap<usize, String> = match deed {
        Deed::Advance => {
            let newest = |image: usize| {
                let tags = world.registry[image].keys().filter(|tag| is_followed(tag));
                tags.max_by_key(|tag| super::setting::version(tag)).cloned()
            };
            (0..images).filter_map(|image| Some((image, newest(image)?))).collect()
        }
        Deed::Write { image, nth } => {
            let image = image % images;
            let tags: Vec<String> = world.registry[image].keys().cloned().collect();
            tags.get(nth % tags.len().max(1)).map(|tag| (image, tag.clone())).into_iter().collect()
        }
        Deed::Rewind => {
            if let Some(parent) = upstream.git.commit(&upstream.git.main).parents.first().cloned() {
                upstream.git.main = parent;
                world.tell("upstream: somebody moves the branch back by a commit");
            }
            BTreeMap::new()
        }
        Deed::Reach(is_up) => {
            if upstream.is_down == *is_up {
                upstream.is_down = !is_up;
                world.tell(if *is_up { "upstream can be reached again" } else { "upstream cannot be reached" });
            }
            BTreeMap::new()
        }
    };
    let mut tree = Tree::clone(upstream.git.tree(&upstream.git.main));
    let before = tree.clone();
    let mut told = Vec::new();
    for (image, tag) in wanted {
        let value = value(world, image, &tag);
        if world.setting.pins && value.digest.is_none() {
            continue;
        }
        let text = manifest(BUILD, short(image), &[written(IMAGES[image], &value)]);
        let blob = upstream.git.add_blob(text.as_bytes());
        if tree.insert(tagboat::model::file::RepoPath::new(&path(image)).unwrap(), blob.clone()) != Some(blob) {
            told.push(format!("{}:{tag}", short(image)));
        }
    }
    if tree != before {
        let parents = vec![upstream.git.main.clone()];
        let (author, time, by) = (person(), world.now, By::Person);
        upstream.git.main = upstream.git.add(NewCommit { tree, parents, author, time, message: "Update", by });
        world.tell(format!("upstream: somebody writes {}", told.join(", ")));
    }
    world.upstream = Some(upstream);
}

/// Whether a step into the first environment brings what was seen there, and may come.
pub(super) fn judge(world: &World, session: &Session, step: &Step, is_landing: bool) -> Verdict {
    let Some(upstream) = world.upstream.as_ref().filter(|_| step.environment == 0) else { return Ok(()) };
    let what = format!("{} {} to {}", world.setting.environments[0].name, short(step.image), step.to);
    let Some(tip) = session.round.upstream.tip.as_ref().filter(|_| session.round.upstream.has_history) else {
        return violated("no half facts", format!("{what}: upstream was not wholly looked at"));
    };
    let mut unread = session.round.upstream.unread.iter().chain(session.round.upstream.unread_anew.iter().flatten());
    if unread.any(|image| *image == step.image) {
        return violated("no half facts", format!("{what}: what it was in upstream before could not be read"));
    }
    let is_same =
        |value: &Value| value.tag == step.to.tag && (step.to.digest.is_none() || value.digest == step.to.digest);
    let soak = world.setting.upstream.and_then(|drawn| drawn.soak);
    let stays = upstream.stays(tip, step.image);
    let counts = match soak {
        Some((_, true)) => stays.iter().rfind(|(value, _)| is_same(value)),
        _ => stays.first().filter(|(value, _)| is_same(value)),
    };
    let Some((_, since)) = counts else {
        return violated("never past an environment", format!("{what}, which upstream does not run"));
    };
    if upstream.taken_back(tip, step.image).contains(&step.to.tag) {
        return violated("what was taken back stays", format!("{what}: upstream took it back"));
    }
    if let Some((minutes, _)) = soak.filter(|_| is_landing)
        && session.now.duration_since(*since) < SignedDuration::from_mins(minutes)
    {
        return violated("soak", format!("{what}: in upstream only since {since}"));
    }
    Ok(())
}

/// Returns the version of an image that a session saw there, where it is newer than one.
pub(super) fn newer(world: &World, session: &Session, image: usize, than: &str) -> Option<Value> {
    let tip = session.round.upstream.tip.as_ref()?;
    world.upstream.as_ref()?.runs_at(tip, image).filter(|value| is_followed(&value.tag) && is_lower(than, &value.tag))
}

/// What ran at some moment, by the number of its image.
type Ran<'a> = &'a dyn Fn(usize) -> Option<Value>;

/// Whether something held of what it ran after any commit of the line that a session saw.
pub(super) fn ever(world: &World, session: &Session, holds: &dyn Fn(Ran<'_>) -> bool) -> bool {
    let (Some(upstream), Some(tip)) = (world.upstream.as_ref(), session.round.upstream.tip.as_ref()) else {
        return false;
    };
    upstream.git.line(tip).any(|(id, _)| holds(&|image| upstream.runs_at(id, image)))
}

/// Opens it for a pass.
pub(super) fn open(client: &Client) -> Result<Neighbour, Unseen> {
    if client.world.lock().unwrap().upstream.is_none() {
        return nobody(URL);
    }
    let remote: Arc<dyn Remote> = Arc::new(There(client.clone()));
    Ok(Neighbour { remote, branch: BranchName::from("main"), publishing: on_plain_git() })
}

/// Its Git, as a pass finds it: nothing is ever written there.
struct There(Client);

impl There {
    /// Reads something, without which nothing of it is wholly seen.
    fn look<T>(&self, what: &str, work: impl FnOnce(&Upstream, &mut Seen) -> T) -> Result<T, GitError> {
        self.ask(what, |round| round.upstream = Seen::default(), work)
    }

    fn ask<T>(
        &self,
        what: &str,
        lost: impl FnOnce(&mut Round),
        work: impl FnOnce(&Upstream, &mut Seen) -> T,
    ) -> Result<T, GitError> {
        let unreachable = || GitError::Unreachable("upstream does not answer".to_owned());
        let answer = self.0.call(&format!("{what} of upstream"), false, lost, |world, id| {
            let upstream = world.upstream.clone().expect("it is there");
            let seen = &mut world.sessions[id].round.upstream;
            if upstream.is_down {
                *seen = Seen::default();
                return Err(unreachable());
            }
            Ok(work(&upstream, seen))
        });
        answer.unwrap_or_else(|_| Err(unreachable()))
    }
}

impl Remote for There {
    fn fetch(&self, _: &BranchName) -> Result<CommitId, GitError> {
        self.look("the fetch", |upstream, seen| {
            *seen = Seen { tip: Some(upstream.git.main.clone()), ..Seen::default() };
            upstream.git.main.clone()
        })
    }

    fn entries(&self, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError> {
        self.look("the tree", |upstream, _| {
            let entry = |(path, blob): (&tagboat::model::file::RepoPath, &BlobId)| TreeEntry {
                path: Ok(path.clone()),
                kind: EntryKind::File,
                blob: blob.clone(),
            };
            upstream.git.tree(commit).iter().map(entry).collect()
        })
    }

    fn read(&self, blob: &BlobId, _: u64) -> Result<Vec<u8>, GitError> {
        let (is_counting, of_before) = {
            let world = self.0.world.lock().unwrap();
            let upstream = world.upstream.as_ref().expect("it is there");
            let path = tagboat::model::file::RepoPath::new(".tagboat.yaml").unwrap();
            // Once its configuration is known, that file is looked into as any other that is no environment's.
            let is_counting = upstream.git.tree(&upstream.git.main).get(&path) != Some(blob);
            // Once its history is known, a file is the past of its image alone.
            let of_before: BTreeSet<usize> = match world.sessions[self.0.id].round.upstream.has_history {
                true => running(upstream.git.text(blob)).into_iter().map(|(image, _)| image).collect(),
                false => BTreeSet::new(),
            };
            (is_counting, of_before)
        };
        let lost = |round: &mut Round| {
            if !of_before.is_empty() {
                let seen = &mut round.upstream;
                seen.unread_anew.as_mut().unwrap_or(&mut seen.unread).extend(of_before);
            } else if is_counting {
                round.upstream = Seen::default();
            }
        };
        self.ask("a file", lost, |upstream, _| upstream.git.blob(blob).to_vec())
    }

    fn history(
        &self,
        _: &BranchName,
        tip: &CommitId,
        limit: usize,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Line, GitError> {
        self.look("the history", |upstream, seen| {
            seen.has_history = true;
            if let Some(failed) = seen.unread_anew.take() {
                seen.unread = failed;
            }
            let line = upstream.git.line(tip).take(limit);
            let steps: Vec<_> = line.map(|(commit, _)| upstream.git.step(commit, wanted)).collect();
            let whole = steps.last().is_some_and(|step| step.entry.parent.is_none());
            let oldest = steps.last().map_or(Timestamp::MIN, |step| step.entry.time);
            Line { beside: Vec::new(), steps, oldest, whole }
        })
    }

    fn tree(&self, commit: &CommitId) -> Result<String, GitError> {
        self.look("the tree", |upstream, _| format!("{:?}", upstream.git.tree(commit)))
    }

    fn commit(&self, _: &CommitId, _: &[FileEdit], _: &CommitPlan, _: Timestamp) -> Result<CommitId, GitError> {
        unreachable!("nothing is committed there")
    }

    fn holds_what_is_made(&self, _: &CommitId, _: &CommitId, _: &[FileEdit]) -> Result<bool, GitError> {
        unreachable!("nothing is made there")
    }

    fn is_signed(&self, _: &CommitId) -> Result<bool, GitError> {
        unreachable!("nothing is signed there")
    }

    fn signs(&self, _: Sign) -> Result<(), String> {
        unreachable!("nothing is signed there")
    }

    fn heads(&self, _: &str) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        // Nothing is proposed to be held there.
        Ok(Vec::new())
    }

    fn head(&self, _: &BranchName, _: &CommitId, _: (&BranchName, &CommitId)) -> Result<Head, GitError> {
        unreachable!("nobody looks at head branches there")
    }

    fn push_head(&self, _: &BranchName, _: Option<&CommitId>, _: Option<&CommitId>) -> Result<Pushed, GitError> {
        unreachable!("nothing is pushed there")
    }

    fn push(&self, _: &BranchName, _: &CommitId, _: &CommitId) -> Result<Pushed, GitError> {
        unreachable!("nothing is pushed there")
    }
}
