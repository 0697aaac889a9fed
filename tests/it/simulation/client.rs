//! The seams of a pass, over the world: a remote, a forge and a source of tags that fail as a seed draws.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use tagboat::forge::{Asked, Forge, ForgeError};
use tagboat::git::log::Line;
use tagboat::git::{BlobId, EntryKind, GitError, Head, Pushed, Remote, TreeEntry};
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan, MadeCommit, Sign};
use tagboat::model::environment::BranchName;
use tagboat::model::image::{Digest, ImageName, Tag};
use tagboat::model::marker;
use tagboat::model::pull_request::{
    Check, CheckState, ForgeKind, Merge, NewPullRequest, PullRequest, Readiness, Release, Source, State, Status,
};
use tagboat::model::signature::SignatureVerdict;
use tagboat::model::tags::{FactKind, ImageTags, Platform, TagFacts};
use tagboat::registry::{SourceError, TagSource};
use tagboat::signature::Requirement;

use super::acts;
use super::rules;
use super::session::{Baton, Fate, Round, Session};
use super::setting::IMAGES;
use super::world::forge::Pull;
use super::world::git::{NewCommit, Tree};
use super::world::{By, World, short};

/// One pass's or order's way to the world.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) world: Arc<Mutex<World>>,
    /// Its session.
    pub(super) id: usize,
    pub(super) baton: Option<(Arc<Baton>, usize)>,
}

/// A call did not come through.
struct NotHeard;

impl From<NotHeard> for GitError {
    fn from(_: NotHeard) -> Self {
        Self::Unreachable("the connection broke".to_owned())
    }
}

impl From<NotHeard> for ForgeError {
    fn from(_: NotHeard) -> Self {
        Self::Later { after: Some(Duration::from_secs(60)), reason: "the forge answered 502".to_owned() }
    }
}

impl From<NotHeard> for SourceError {
    fn from(_: NotHeard) -> Self {
        Self::Failed("the list broke off after its first page".to_owned())
    }
}

impl Client {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Makes a call: others may come in between, and it may fail or its answer be lost.
    fn call<T>(
        &self,
        what: &str,
        is_write: bool,
        failed: impl FnOnce(&mut Round),
        work: impl FnOnce(&mut World, usize) -> T,
    ) -> Result<T, NotHeard> {
        if let Some((baton, who)) = &self.baton {
            baton.pass_on(*who, true);
        }
        let mut world = self.lock();
        let calls = world.sessions[self.id].calls;
        let now: Vec<acts::Act> = {
            let session = &mut world.sessions[self.id];
            let (now, later) = std::mem::take(&mut session.meanwhile).into_iter().partition(|(at, _)| *at <= calls);
            session.meanwhile = later;
            let now: Vec<(usize, acts::Act)> = now;
            now.into_iter().map(|(_, act)| act).collect()
        };
        for act in now {
            world.sessions[self.id].had_company = true;
            // Its own clock stands still, and its commits will be older than their pushes.
            world.clocks_are_right &= !matches!(act, acts::Act::Wait(_));
            acts::act(&mut world, &act);
        }
        let fate = world.sessions[self.id].fate(is_write);
        let name = self.name(&world);
        match fate {
            Fate::Done => Ok(work(&mut world, self.id)),
            Fate::Fails => {
                failed(&mut world.sessions[self.id].round);
                if world.sessions[self.id].is_telling() {
                    world.tell(format!("  {name}: {what} fails"));
                }
                Err(NotHeard)
            }
            Fate::Lost => {
                drop(work(&mut world, self.id));
                failed(&mut world.sessions[self.id].round);
                world.tell(format!("  {name}: the answer to that ({what}) is lost"));
                Err(NotHeard)
            }
        }
    }

    fn name(&self, world: &World) -> String {
        name(&world.sessions[self.id])
    }

    /// Asks a forge; the future is ready at once.
    fn ask<T: Send + 'static>(&self, answer: Result<T, NotHeard>) -> Asked<'_, T> {
        Box::pin(ready(answer.map_err(ForgeError::from)))
    }
}

/// How a session is called in the story.
pub(super) fn name(session: &Session) -> String {
    match session.by {
        By::Pass(number) => format!("pass {number}"),
        By::Order(number) => format!("order {number}"),
        By::Person => "a person".to_owned(),
    }
}

fn nothing(_: &mut Round) {}

impl Remote for Client {
    fn fetch(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        assert_eq!(branch.as_str(), "main");
        Ok(self.call("the fetch", false, nothing, |world, id| {
            let main = world.git.main.clone();
            world.sessions[id].round = Round { base: world.ledger.position(&main), ..Round::default() };
            main
        })?)
    }

    fn entries(&self, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError> {
        let entries = self.call("reading a tree", false, nothing, |world, _| {
            let entry = |(path, blob): (&_, &BlobId)| TreeEntry {
                path: Ok(tagboat::model::file::RepoPath::clone(path)),
                kind: EntryKind::File,
                blob: blob.clone(),
            };
            world.git.tree(commit).iter().map(entry).collect()
        });
        entries.map_err(|NotHeard| GitError::Broken("the mirror cannot be read".to_owned()))
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        let environments: BTreeSet<usize> = {
            let world = self.lock();
            let base = world.sessions[self.id].round.base.map(|base| world.ledger.landings[base].commit.clone());
            let tree = base.map(|base| Arc::clone(world.git.tree(&base))).unwrap_or_default();
            let of = tree.iter().filter(|(_, other)| *other == blob).map(|(path, _)| path);
            of.filter_map(|path| world.setting.environment_of(path.as_str())).collect()
        };
        // Later it is read for its history, which is another matter.
        let failed = |round: &mut Round| {
            if !round.has_history {
                round.failed_environments.extend(environments);
            }
        };
        let content = self.call("reading a file", false, failed, |world, _| world.git.blob(blob).to_vec());
        let content = content.map_err(|NotHeard| GitError::Broken("the object is damaged".to_owned()))?;
        let size = content.len() as u64;
        if size > limit { Err(GitError::TooLarge { what: "a file".into(), size, limit }) } else { Ok(content) }
    }

    fn history(
        &self,
        _branch: &BranchName,
        tip: &CommitId,
        limit: usize,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Line, GitError> {
        Ok(self.call("reading the history", false, nothing, |world, id| {
            world.sessions[id].round.has_history = true;
            let steps: Vec<_> =
                world.git.line(tip).take(limit).map(|(commit, _)| world.git.step(commit, wanted)).collect();
            let whole = steps.last().is_some_and(|step| step.entry.parent.is_none());
            let oldest = steps.last().map_or(world.now, |step| step.entry.time);
            Line { beside: world.git.beside(&steps, wanted), steps, oldest, whole }
        })?)
    }

    fn commit(
        &self,
        base: &CommitId,
        files: &[FileEdit],
        plan: &CommitPlan,
        now: Timestamp,
    ) -> Result<CommitId, GitError> {
        let made = self.call("making a commit", false, nothing, |world, id| {
            let tree = edited(world, base, files)?;
            let (author, message, by) = (plan.author.clone(), plan.message.as_str(), world.sessions[id].by);
            Ok(world.git.add(NewCommit { tree, parents: vec![base.clone()], author, time: now, message, by }))
        });
        made.unwrap_or_else(|NotHeard| Err(GitError::Broken("the disk is full".to_owned())))
    }

    fn holds_what_is_made(&self, commit: &CommitId, base: &CommitId, files: &[FileEdit]) -> Result<bool, GitError> {
        let same = self.call("reading a tree", false, nothing, |world, _| {
            Ok(edited(world, base, files)? == **world.git.tree(commit))
        });
        same.unwrap_or_else(|NotHeard| Err(GitError::Broken("the mirror cannot be read".to_owned())))
    }

    fn tree(&self, commit: &CommitId) -> Result<String, GitError> {
        let listed = self.call("reading a tree", false, nothing, |world, _| format!("{:?}", world.git.tree(commit)));
        listed.map_err(|NotHeard| GitError::Broken("the mirror cannot be read".to_owned()))
    }

    fn is_signed(&self, _: &CommitId) -> Result<bool, GitError> {
        Ok(false)
    }

    fn signs(&self, _: Sign) -> Result<(), String> {
        Err("nothing is signed here".to_owned())
    }

    fn heads(&self, prefix: &str) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        Ok(self.call("listing head branches", false, nothing, |world, id| {
            world.sessions[id].round.has_heads = true;
            let heads = world.git.heads.iter().filter(|(name, _)| name.as_str().starts_with(prefix));
            heads.map(|(name, tip)| (name.clone(), tip.clone())).collect()
        })?)
    }

    fn head(&self, _name: &BranchName, tip: &CommitId, (_, base): (&BranchName, &CommitId)) -> Result<Head, GitError> {
        let lost = |round: &mut Round| round.has_heads = false;
        Ok(self.call("reading a head branch", false, lost, |world, _| {
            let step = world.git.step(tip, &|_| true);
            let on_base = world.git.line(base).any(|(id, _)| Some(id) == step.entry.parent.as_ref());
            let is_empty = world.git.line(base).any(|(id, _)| id == tip);
            Head { tip: tip.clone(), step, on_base: on_base && !is_empty, is_empty }
        })?)
    }

    fn push_head(
        &self,
        branch: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Pushed, GitError> {
        Ok(self.call("pushing a head branch", true, nothing, |world, id| {
            if world.git.heads.get(branch) != old {
                return Pushed::Moved;
            }
            let found = rules::push_head(world, id, branch, new);
            world.judge(found);
            let by = world.sessions[id].by;
            let name = name(&world.sessions[id]);
            match new {
                Some(new) => {
                    let subject = world.git.commit(new).message.lines().next().unwrap_or_default().to_owned();
                    world.tell(format!("  {name}: pushes {branch}: {subject}"));
                }
                None => world.tell(format!("  {name}: removes {branch}")),
            }
            world.effects += 1;
            world.move_head(branch, new, by);
            Pushed::Done
        })?)
    }

    fn push(&self, _branch: &BranchName, old: &CommitId, new: &CommitId) -> Result<Pushed, GitError> {
        Ok(self.call("pushing the base", true, nothing, |world, id| {
            if world.is_protected {
                return Pushed::Forbidden("protected branch hook declined".to_owned());
            }
            if world.git.main != *old {
                return Pushed::Moved;
            }
            let found = rules::push(world, id, new);
            world.judge(found);
            let by = world.sessions[id].by;
            let name = name(&world.sessions[id]);
            let subjects: Vec<String> = world
                .git
                .line(new)
                .take_while(|(commit, _)| *commit != old)
                .map(|(_, commit)| commit.message.lines().next().unwrap_or_default().to_owned())
                .collect();
            subjects.iter().rev().for_each(|subject| world.tell(format!("  {name}: pushes to main: {subject}")));
            world.effects += 1;
            world.move_main(new, by);
            Pushed::Done
        })?)
    }
}

/// Returns the tree of a commit with files edited, if it holds what they held before.
fn edited(world: &mut World, base: &CommitId, files: &[FileEdit]) -> Result<Tree, GitError> {
    let mut tree = Tree::clone(world.git.tree(base));
    for edit in files {
        let held = tree.get(&edit.file).map(|blob| world.git.blob(blob).to_vec()).unwrap_or_default();
        if held != edit.before {
            return Err(GitError::Broken(format!("{} holds something else than was edited", edit.file)));
        }
        let blob = world.git.add_blob(&edit.after);
        tree.insert(edit.file.clone(), blob);
    }
    Ok(tree)
}

/// Returns the position of a pull request.
fn index_of(pull_request: &PullRequest) -> usize {
    usize::try_from(pull_request.number.0).unwrap() - 1
}

impl Forge for Client {
    fn list<'a>(&'a self, _base: &'a BranchName, prefix: &'a str) -> Asked<'a, Vec<PullRequest>> {
        let listed = self.call("listing pull requests", false, nothing, |world, id| {
            world.sessions[id].round.listed = Some(world.pulls.clone());
            let own = |index: &usize| world.pulls[*index].head.as_str().starts_with(prefix);
            let (open, mut others): (Vec<usize>, Vec<usize>) =
                (0..world.pulls.len()).filter(own).partition(|index| world.pulls[*index].is_open());
            others.sort_by_key(|index| std::cmp::Reverse(world.pulls[*index].changed));
            others.truncate(world.setting.forge.map_or(0, |forge| forge.told_closed));
            open.into_iter().chain(others).map(|index| world.shown(index)).collect()
        });
        self.ask(listed)
    }

    fn of_head<'a>(&'a self, _base: &'a BranchName, head: &'a BranchName) -> Asked<'a, Vec<PullRequest>> {
        let found = self.call("listing a head's pull requests", false, nothing, |world, _| {
            let own = (0..world.pulls.len()).rev().filter(|index| world.pulls[*index].head == *head);
            own.map(|index| world.shown(index)).collect()
        });
        self.ask(found)
    }

    fn open<'a>(&'a self, new: &'a NewPullRequest) -> Asked<'a, PullRequest> {
        let opened = self.call("opening a pull request", true, nothing, |world, id| {
            let Some(commit) = world.git.heads.get(&new.head).cloned() else {
                return Err(ForgeError::Skip("the head branch does not exist".to_owned()));
            };
            if world.open_of(&new.head).is_some() {
                return Err(ForgeError::Skip("a pull request for it exists already".to_owned()));
            }
            if world.git.reachable(&world.git.main).contains(&commit) {
                return Err(ForgeError::Skip("there are no commits between main and the head".to_owned()));
            }
            let found = rules::open(world, id, &new.head, &commit);
            world.judge(found);
            let name = name(&world.sessions[id]);
            world.pulls.push(Pull {
                state: State::Open,
                head: new.head.clone(),
                commit,
                title: new.title.clone(),
                body: new.body.clone(),
                labels: new.labels.iter().cloned().collect(),
                closed_by: None,
                brought: BTreeSet::new(),
                changes_requested: false,
                is_rewritten: false,
                is_reopened: false,
                is_withdrawn: false,
                changed: 0,
            });
            let index = world.pulls.len() - 1;
            world.touch(index);
            world.effects += 1;
            world.tell(format!("  {name}: opens #{}: {}", index + 1, new.title));
            Ok(world.shown(index))
        });
        match opened {
            Ok(opened) => Box::pin(ready(opened)),
            Err(lost) => Box::pin(ready(Err(lost.into()))),
        }
    }

    fn rewrite<'a>(&'a self, pull_request: &'a PullRequest, title: &'a str, body: &'a str) -> Asked<'a, ()> {
        let index = index_of(pull_request);
        let done = self.call("rewriting a pull request", true, nothing, |world, id| {
            let found = rules::touch(world, id, index, "rewrites");
            world.judge(found);
            let name = name(&world.sessions[id]);
            let pull = &mut world.pulls[index];
            (pull.title, pull.body) = (title.to_owned(), body.to_owned());
            pull.is_withdrawn = marker::read(body).is_some_and(|marker| marker.withdrawn);
            pull.is_rewritten = false;
            world.touch(index);
            world.effects += 1;
            world.tell(format!("  {name}: rewrites #{}: {title}", index + 1));
        });
        self.ask(done)
    }

    fn close<'a>(&'a self, pull_request: &'a PullRequest, body: &'a str) -> Asked<'a, ()> {
        let index = index_of(pull_request);
        let done = self.call("closing a pull request", true, nothing, |world, id| {
            let found = rules::close(world, id, index);
            world.judge(found);
            let (name, by) = (name(&world.sessions[id]), world.sessions[id].by);
            world.pulls[index].body = body.to_owned();
            world.pulls[index].is_withdrawn = true;
            world.effects += 1;
            // Half of it may be done: body and state are two requests.
            if world.sessions[id].is_disturbed && world.sessions[id].rng.bool() {
                world.tell(format!("  {name}: begins to close #{}", index + 1));
                world.touch(index);
                return Err(ForgeError::from(NotHeard));
            }
            if world.pulls[index].is_open() {
                world.close(index, by);
            }
            world.tell(format!("  {name}: closes #{}", index + 1));
            Ok(())
        });
        match done {
            Ok(done) => Box::pin(ready(done)),
            Err(lost) => Box::pin(ready(Err(lost.into()))),
        }
    }

    fn comment<'a>(&'a self, _: &'a PullRequest, _: &'a str) -> Asked<'a, ()> {
        self.ask(self.call("commenting", true, nothing, |world, _| world.effects += 1))
    }

    fn remove_label<'a>(&'a self, pull_request: &'a PullRequest, label: &'a str) -> Asked<'a, ()> {
        let index = index_of(pull_request);
        let done = self.call("removing a label", true, nothing, |world, id| {
            let name = name(&world.sessions[id]);
            world.pulls[index].labels.remove(label);
            world.touch(index);
            world.effects += 1;
            world.tell(format!("  {name}: removes the label {label} of #{}", index + 1));
        });
        self.ask(done)
    }

    fn readiness<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Readiness> {
        let index = index_of(pull_request);
        let found = self.call("asking whether it may be merged", false, nothing, |world, id| {
            let pull = &world.pulls[index];
            let readiness = Readiness {
                checks: listed(world, &pull.commit),
                changes_requested: pull.changes_requested.then(|| "someone".to_owned()).into_iter().collect(),
                blocked: world.git.merged(&pull.commit).is_none().then(|| "it has conflicts".to_owned()),
                ..Readiness::default()
            };
            let commit = pull.commit.clone();
            world.sessions[id].round.ready.insert(index, (commit, readiness.clone()));
            readiness
        });
        self.ask(found)
    }

    fn merge<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId) -> Asked<'a, Merge> {
        let index = index_of(pull_request);
        let done = self.call("merging", true, nothing, |world, id| {
            let pull = &world.pulls[index];
            if !pull.is_open() || pull.commit != *head {
                return Merge::NotReady("the head moved, or it is not open".to_owned());
            }
            if world.git.merged(head).is_none() {
                return Merge::NotReady("it has conflicts".to_owned());
            }
            let found = rules::merge(world, id, index);
            world.judge(found);
            let (name, by) = (name(&world.sessions[id]), world.sessions[id].by);
            world.tell(format!("  {name}: merges #{}: {}", index + 1, world.pulls[index].title.clone()));
            world.effects += 1;
            let merged = world.merge(index, by).expect("it has no conflicts");
            Merge::Merged(merged)
        });
        self.ask(done)
    }

    fn checks<'a>(&'a self, commit: &'a CommitId) -> Asked<'a, Vec<Check>> {
        self.ask(self.call("listing checks", false, nothing, |world, _| listed(world, commit)))
    }

    fn set_status<'a>(&'a self, commit: &'a CommitId, status: &'a Status) -> Asked<'a, ()> {
        let done = self.call("setting a status", true, nothing, |world, _| {
            let own = world.checks.entry(commit.clone()).or_default();
            let before = own.insert(status.context.clone(), (status.state, status.text.clone()));
            if before != Some((status.state, status.text.clone())) {
                world.effects += 1;
            }
        });
        self.ask(done)
    }

    fn make<'a>(&'a self, _: &'a tagboat::model::commit::NewCommit) -> Asked<'a, MadeCommit> {
        Box::pin(ready(Err(ForgeError::Skip("this forge signs nothing".to_owned()))))
    }

    fn home(&self) -> (ForgeKind, Source) {
        (ForgeKind::Gitea, Source { host: "forge.acme.example".to_owned(), path: "acme/gitops".to_owned() })
    }

    fn approvals<'a>(&'a self, _: &'a PullRequest) -> Asked<'a, u32> {
        Box::pin(ready(Ok(0)))
    }

    fn releases<'a>(&'a self, _: &'a Source) -> Asked<'a, Option<Vec<Release>>> {
        Box::pin(ready(Ok(None)))
    }

    fn body_limit(&self) -> usize {
        60_000
    }
}

/// The checks of a commit as a forge lists them.
fn listed(world: &World, commit: &CommitId) -> Vec<Check> {
    let check = |(name, (state, text)): (&String, &(CheckState, String))| Check {
        name: name.clone(),
        state: *state,
        word: format!("{state:?}").to_lowercase(),
        text: text.clone(),
        time: None,
    };
    world.checks.get(commit).into_iter().flatten().map(check).collect()
}

fn position(image: &ImageName) -> usize {
    IMAGES.iter().position(|name| *name == image.as_str()).expect("nothing else is followed")
}

impl TagSource for Client {
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        let index = position(image);
        let failed = |round: &mut Round| {
            round.failed_lists.insert(index);
        };
        let answer = self.call(&format!("the list of {}", short(index)), false, failed, |world, id| {
            let tags: BTreeSet<String> = world.registry[index].keys().cloned().collect();
            let list = tags.iter().map(String::as_str).collect();
            world.sessions[id].round.lists.insert(index, tags);
            Arc::new(ImageTags { list, ..ImageTags::default() })
        });
        Box::pin(ready(answer.map_err(SourceError::from)))
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        let index = position(image);
        let key = (index, tag.as_str().to_owned());
        // What is asked once the heads were looked at is for the notes, and decides nothing.
        let failed = |round: &mut Round| {
            if !round.has_heads {
                round.failed_facts.insert(key);
            }
        };
        let answer = self.call("asking about a tag", false, failed, |world, _| {
            let tagged = world.registry[index].get(tag.as_str());
            let tagged = tagged.ok_or_else(|| SourceError::Failed(format!("{tag} is not there")))?;
            let digest: Digest = tagged.digest.parse().unwrap();
            Ok(match kind {
                FactKind::Digest => TagFacts { digest: Some(digest), ..TagFacts::default() },
                FactKind::Image => TagFacts {
                    digest: Some(digest),
                    created: Some(tagged.pushed),
                    platforms: Some(vec![Platform("linux/amd64".to_owned())]),
                    ..TagFacts::default()
                },
                FactKind::Pushed => {
                    TagFacts { pushed: Some(tagged.pushed), pushed_digest: Some(digest), ..TagFacts::default() }
                }
            })
        });
        Box::pin(ready(answer.unwrap_or_else(|lost| Err(lost.into()))))
    }

    fn signed<'a>(
        &'a self,
        _: &'a ImageName,
        _: &'a Tag,
        _: &'a Digest,
        _: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        Box::pin(ready(Err(SourceError::Failed("nothing is signed here".to_owned()))))
    }
}
