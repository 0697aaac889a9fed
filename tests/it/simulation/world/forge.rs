//! Pull requests as a forge keeps them.

use std::collections::BTreeSet;

use tagboat::model::commit::{CommitId, Identity};
use tagboat::model::environment::BranchName;
use tagboat::model::marker;
use tagboat::model::pull_request::{Number, PullRequest, State};

use super::git::{NewCommit, Tree};
use super::{By, World};
use crate::simulation::ledger::{self, Step};
use crate::simulation::rules::HOLDS;
use crate::simulation::setting::MergeWay;

/// A pull request, and who really did what to it.
#[derive(Debug, Clone)]
pub(in crate::simulation) struct Pull {
    pub(in crate::simulation) state: State,
    pub(in crate::simulation) head: BranchName,
    pub(in crate::simulation) commit: CommitId,
    pub(in crate::simulation) title: String,
    pub(in crate::simulation) body: String,
    pub(in crate::simulation) labels: BTreeSet<String>,
    pub(in crate::simulation) closed_by: Option<By>,
    /// Whether a person had ordered it, whose refusal says nothing about what a pass proposes.
    pub(in crate::simulation) was_ordered: bool,
    /// What it was for when its words were written: a pass may have been killed before it wrote them anew.
    pub(in crate::simulation) told: BTreeSet<Step>,
    /// What it brought when it was closed.
    pub(in crate::simulation) brought: BTreeSet<Step>,
    pub(in crate::simulation) changes_requested: bool,
    /// Who approved which commit.
    pub(in crate::simulation) approvals: BTreeSet<(usize, CommitId)>,
    /// Whether a person changed its body: then its marker may be gone.
    pub(in crate::simulation) is_rewritten: bool,
    /// Whether a person opened it again: then a person wants it.
    pub(in crate::simulation) is_reopened: bool,
    /// Those that stood open when a person opened it again.
    pub(in crate::simulation) reopened_beside: BTreeSet<usize>,
    /// Whether somebody removed its head branch: what stands there later is another one.
    pub(in crate::simulation) has_lost_head: bool,
    /// Whether Tagboat began to close it: its body says so, whatever became of it.
    pub(in crate::simulation) is_withdrawn: bool,
    /// When it changed last, as a number.
    pub(in crate::simulation) changed: u64,
}

impl Pull {
    pub(in crate::simulation) fn is_open(&self) -> bool {
        self.state == State::Open
    }
}

impl Pull {
    /// How many people approve the head commit as it stands.
    pub(in crate::simulation) fn approving(&self) -> usize {
        self.approvals.iter().filter(|(_, commit)| *commit == self.commit).count()
    }
}

impl World {
    /// Shows a pull request as listings do.
    pub(in crate::simulation) fn shown(&self, index: usize) -> PullRequest {
        let pull = &self.pulls[index];
        PullRequest {
            number: Number(index as u64 + 1),
            url: format!("https://forge.acme.example/pulls/{}", index + 1),
            state: pull.state,
            head: pull.head.clone(),
            commit: pull.commit.clone(),
            base: BranchName::from("main"),
            title: pull.title.clone(),
            body: pull.body.clone(),
            marker: marker::read(&pull.body),
            labels: pull.labels.clone(),
            is_draft: false,
            is_armed: false,
            told: None,
        }
    }

    /// Notes that a pull request changed.
    pub(in crate::simulation) fn touch(&mut self, index: usize) {
        self.serial += 1;
        self.pulls[index].changed = self.serial;
    }

    /// What a head would change on the base.
    pub(in crate::simulation) fn brings(&self, head: &CommitId) -> BTreeSet<Step> {
        let fork = self.git.fork(head, &self.git.main);
        // What goes back or was ordered may be held in the same commit.
        let holds = tagboat::model::file::RepoPath::new(HOLDS).expect("the path is plain");
        let without = |id: &CommitId| {
            let mut tree = Tree::clone(self.git.tree(id));
            tree.remove(&holds);
            tree
        };
        ledger::steps(&self.git, &self.setting, &without(&fork), &without(head)).unwrap_or_default()
    }

    pub(in crate::simulation) fn close(&mut self, index: usize, by: By) {
        let brought = self.brings(&self.pulls[index].commit);
        let was_ordered = matches!(self.brought_by(&self.pulls[index].commit).by, By::Order(_));
        let pull = &mut self.pulls[index];
        pull.was_ordered = was_ordered;
        pull.state = State::Closed;
        pull.closed_by = Some(by);
        pull.brought = brought;
        self.touch(index);
    }

    /// Merges, as the forge is set up; `None` where it conflicts.
    pub(in crate::simulation) fn merge(&mut self, index: usize, by: By) -> Option<CommitId> {
        let pull = self.pulls[index].clone();
        let tree: Tree = self.git.merged(&pull.commit)?;
        let forge = self.setting.forge.expect("there are pull requests");
        let own = self.git.commit(&pull.commit).clone();
        let merger = match by {
            By::Person => super::git::person(),
            By::Pass(_) | By::Order(_) => {
                Identity { name: "a token".to_owned(), email: "token@acme.example".to_owned() }
            }
        };
        let number = index + 1;
        let merge_message = format!("Merge pull request #{number} from acme/{}\n\n{}\n", pull.head, pull.title);
        let squash_message = format!("{} (#{number})\n\n{}", pull.title, own.message);
        let (parents, author, message) = match forge.way {
            MergeWay::Merge => (vec![self.git.main.clone(), pull.commit.clone()], merger, merge_message.as_str()),
            MergeWay::Squash => (vec![self.git.main.clone()], own.author.clone(), squash_message.as_str()),
            MergeWay::Rebase => (vec![self.git.main.clone()], own.author.clone(), own.message.as_str()),
        };
        let brought = self.brought_by(&pull.commit);
        let tip = self.git.add(NewCommit { tree, parents, author, time: self.now, message, by });
        self.pulls[index].state = State::Merged;
        self.move_main(&tip, by, Some(brought));
        if forge.removes_heads {
            self.git.heads.remove(&pull.head);
        }
        self.touch(index);
        Some(tip)
    }
}
