//! Git, as a pass finds it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use tagboat::git::log::Line;
use tagboat::git::{Beneath, BlobId, EntryKind, GitError, Head, Pushed, Remote, TreeEntry};
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan, Sign};
use tagboat::model::environment::BranchName;

use super::{Client, NotHeard, name, nothing};
use crate::simulation::rules;
use crate::simulation::session::Round;
use crate::simulation::world::World;
use crate::simulation::world::git::{NewCommit, Tree};

impl Remote for Client {
    fn fetch(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        assert_eq!(branch.as_str(), "main");
        Ok(self.call("the fetch", false, nothing, |world, id| {
            let main = world.git.main.clone();
            world.sessions[id].round = Round { base: world.ledger.position(&main), ..Round::default() };
            main
        })?)
    }

    fn tip(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        assert_eq!(branch.as_str(), "main");
        Ok(self.call("another look at the base", false, nothing, |world, _| world.git.main.clone())?)
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
        let failed = |round: &mut Round| match &mut round.anew {
            Some(failed) => failed.extend(environments),
            None if !round.has_history => round.failed_environments.extend(environments),
            None => {}
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
            // What a pass makes anew in the words of an order is that order.
            let by = world.git.order_of(message).filter(|_| by.is_pass()).unwrap_or(by);
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

    fn message(&self, commit: &CommitId) -> Result<Option<String>, GitError> {
        let told = self.call("reading a commit", false, nothing, |world, _| world.git.commit(commit).message.clone());
        Ok(told.ok())
    }

    fn is_signed(&self, _: &CommitId) -> Result<bool, GitError> {
        Ok(false)
    }

    fn signs(&self, _: Sign) -> Result<(), String> {
        Err("nothing is signed here".to_owned())
    }

    fn heads(&self, prefix: &str) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        Ok(self.call("listing head branches", false, nothing, |world, id| {
            let of_holds = world.git.heads.iter().filter(|(name, _)| name.as_str().ends_with("@holds"));
            let of_holds = of_holds.map(|(name, tip)| (name.clone(), tip.clone())).collect();
            let round = &mut world.sessions[id].round;
            if round.proposed.is_none() {
                (round.proposed, round.anew) = (Some(of_holds), Some(BTreeSet::new()));
                round.upstream.may_begin_anew();
            }
            round.has_heads = true;
            let heads = world.git.heads.iter().filter(|(name, _)| name.as_str().starts_with(prefix));
            heads.map(|(name, tip)| (name.clone(), tip.clone())).collect()
        })?)
    }

    fn head(&self, name: &BranchName, tip: &CommitId, (_, base): (&BranchName, &CommitId)) -> Result<Head, GitError> {
        let lost = |round: &mut Round| {
            // Who looks at it once more, as for whether an order still fits the base, has judged whose it is.
            if !round.read_heads.contains(&(name.clone(), tip.clone())) {
                round.failed_heads.insert(name.clone());
            }
        };
        Ok(self.call("reading a head branch", false, lost, |world, id| {
            let round = &mut world.sessions[id].round;
            round.failed_heads.remove(name);
            round.read_heads.insert((name.clone(), tip.clone()));
            let step = world.git.step(tip, &|_| true);
            let on_base = world.git.line(base).any(|(id, _)| Some(id) == step.entry.parent.as_ref());
            let is_empty = world.git.line(base).any(|(id, commit)| id == tip || commit.parents.contains(tip));
            let known = world.git.reachable(base);
            let below = world.git.reachable(tip).into_iter().filter(|id| *id != tip && !known.contains(id));
            let below: Vec<_> = below.map(|id| world.git.step(id, &|_| false).entry).collect();
            let beneath = if is_empty || below.is_empty() { Beneath::Nothing } else { Beneath::Commits(below) };
            Head { tip: tip.clone(), step, on_base: on_base && !is_empty, is_empty, undone: Vec::new(), beneath }
        })?)
    }

    fn push_head(
        &self,
        branch: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Pushed, GitError> {
        self.ambush(branch);
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
                world.sessions[id].was_forbidden = true;
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
            world.move_main(new, by, None);
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
