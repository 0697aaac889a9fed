//! The forge, as a pass finds it.

use std::collections::BTreeSet;
use std::future::ready;

use tagboat::forge::{Asked, Forge, ForgeError};
use tagboat::model::commit::{CommitId, MadeCommit};
use tagboat::model::environment::BranchName;
use tagboat::model::marker;
use tagboat::model::pull_request::{
    Check, ForgeKind, Listing, Merge, NewPullRequest, PullRequest, Readiness, Release, Source, State, Status,
};

use super::{Client, NotHeard, name, nothing};
use crate::simulation::world::forge::Pull;
use crate::simulation::world::{Report, World};
use crate::simulation::{around, rules};

/// Returns the position of a pull request.
fn index_of(pull_request: &PullRequest) -> usize {
    usize::try_from(pull_request.number.0).unwrap() - 1
}

impl Forge for Client {
    fn list(&self) -> Asked<'_, Listing> {
        let listed = self.call("listing pull requests", false, nothing, |world, id| {
            world.sessions[id].round.listed = Some(world.pulls.clone());
            let (open, mut others): (Vec<usize>, Vec<usize>) =
                (0..world.pulls.len()).partition(|index| world.pulls[*index].is_open());
            others.sort_by_key(|index| std::cmp::Reverse(world.pulls[*index].changed));
            let told = world.setting.forge.map_or(0, |forge| forge.told_closed);
            let is_whole = others.len() <= told;
            others.truncate(told);
            let pull_requests = open.into_iter().chain(others).map(|index| world.shown(index)).collect();
            Listing { pull_requests, is_whole }
        });
        self.ask(listed)
    }

    fn of_heads<'a>(&'a self, heads: &'a [BranchName]) -> Asked<'a, Vec<PullRequest>> {
        let found = self.call("listing the pull requests of heads", false, nothing, |world, _| {
            let own = (0..world.pulls.len()).rev().filter(|index| heads.contains(&world.pulls[*index].head));
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
            // What a person has opened again since they were listed, under another `branchPrefix`, nobody tells of.
            let listed = world.sessions[id].round.listed.as_deref().unwrap_or_default();
            let is_new = |(index, pull): &(usize, &Pull)| {
                pull.is_open() && pull.is_reopened && listed.get(*index).is_some_and(|seen| !seen.is_open())
            };
            let beside = world.pulls.iter().enumerate().filter(is_new).map(|(index, _)| index).collect();
            let name = name(&world.sessions[id]);
            world.pulls.push(Pull {
                state: State::Open,
                head: new.head.clone(),
                told: world.brings(&commit),
                commit,
                title: new.title.clone(),
                body: new.body.clone(),
                labels: new.labels.iter().cloned().collect(),
                closed_by: None,
                was_ordered: false,
                brought: BTreeSet::new(),
                changes_requested: false,
                approvals: BTreeSet::new(),
                is_rewritten: false,
                is_reopened: false,
                reopened_beside: beside,
                has_lost_head: false,
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
        self.ambush(&pull_request.head);
        let done = self.call("rewriting a pull request", true, nothing, |world, id| {
            // What was said of its gates is noted where nobody sees it, also on what a person holds: beside the text that was
            // listed, over which another pass may have written since.
            let listed = world.sessions[id].round.listed.as_ref().and_then(|listed| listed.get(index));
            let is_same = |pull: &Pull| pull.title == title && shown(&pull.body) == shown(body);
            let is_note = is_same(&world.pulls[index]) || listed.is_some_and(is_same);
            if !is_note {
                let found = rules::touch(world, id, index, "rewrites");
                world.judge(found);
            }
            let name = name(&world.sessions[id]);
            let told = world.brings(&world.pulls[index].commit);
            let pull = &mut world.pulls[index];
            if !is_note {
                pull.told = told;
            }
            (pull.title, pull.body) = (title.to_owned(), body.to_owned());
            pull.is_withdrawn = marker::read(body).is_some_and(|marker| marker.withdrawn);
            pull.is_rewritten = false;
            world.touch(index);
            world.effects += 1;
            world.tell(format!("  {name}: rewrites #{}: {title}", index + 1));
        });
        self.ask(done)
    }

    /// Never fails, and nobody comes in between: stories stay as they were told before there was such a look.
    fn look<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Option<PullRequest>> {
        let shown = self.lock().shown(index_of(pull_request));
        Box::pin(ready(Ok((shown.state == State::Open).then_some(shown))))
    }

    fn close<'a>(&'a self, pull_request: &'a PullRequest, body: &'a str) -> Asked<'a, ()> {
        let index = index_of(pull_request);
        self.ambush(&pull_request.head);
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

    fn readiness<'a>(&'a self, pull_request: &'a PullRequest, _checks: Vec<Check>) -> Asked<'a, Readiness> {
        let index = index_of(pull_request);
        self.ambush(&pull_request.head);
        let found = self.call("asking whether it may be merged", false, nothing, |world, id| {
            let pull = &world.pulls[index];
            let readiness = Readiness {
                checks: listed(world, &pull.commit),
                changes_requested: pull.changes_requested.then(|| "someone".to_owned()).into_iter().collect(),
                approvals: u32::try_from(pull.approving()).unwrap(),
                blocked: world.git.merged(&pull.commit).is_none().then(|| "it has conflicts".to_owned()),
                labels: pull.labels.clone(),
                required: world.setting.around.required.clone(),
                ..Readiness::default()
            };
            let commit = pull.commit.clone();
            world.sessions[id].round.ready.insert(index, (commit, readiness.clone()));
            readiness
        });
        self.ask(found)
    }

    fn merge<'a>(&'a self, pull_request: &'a PullRequest, head: &'a CommitId, _message: &'a str) -> Asked<'a, Merge> {
        let index = index_of(pull_request);
        self.ambush(&pull_request.head);
        let done = self.call("merging", true, nothing, |world, id| {
            let pull = &world.pulls[index];
            if !pull.is_open() || pull.commit != *head {
                return Merge::NotReady("the head moved, or it is not open".to_owned());
            }
            if world.git.merged(head).is_none() {
                return Merge::NotReady("it has conflicts".to_owned());
            }
            if let Some(missing) = around::lacking(world, head).first() {
                return Merge::NotReady(format!("the base requires {missing}"));
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
        self.ask(self.call("listing checks", false, nothing, |world, id| {
            let checks = listed(world, commit);
            world.sessions[id].round.told.insert(commit.clone(), checks.clone());
            checks
        }))
    }

    fn set_status<'a>(&'a self, commit: &'a CommitId, status: &'a Status) -> Asked<'a, ()> {
        let done = self.call("setting a status", true, nothing, |world, _| {
            let report = Report { state: status.state, text: status.text.clone(), at: world.now };
            let own = world.checks.entry(commit.clone()).or_default();
            let before = own.insert(status.context.clone(), report);
            if before.is_none_or(|before| (before.state, before.text) != (status.state, status.text.clone())) {
                world.effects += 1;
            }
        });
        self.ask(done)
    }

    fn required<'a>(&'a self, _: &'a BranchName) -> Asked<'a, BTreeSet<String>> {
        let required = self
            .call("asking what the base requires", false, nothing, |world, _| world.setting.around.required.clone());
        self.ask(required)
    }

    fn make<'a>(&'a self, _: &'a tagboat::model::commit::NewCommit) -> Asked<'a, MadeCommit> {
        Box::pin(ready(Err(ForgeError::Skip("this forge signs nothing".to_owned()))))
    }

    fn home(&self) -> (ForgeKind, Source) {
        (ForgeKind::Gitea, Source { host: "forge.acme.example".to_owned(), path: "acme/gitops".to_owned() })
    }

    fn approvals<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, u32> {
        let index = index_of(pull_request);
        // Of the head that was listed: the same number of another one would say nothing.
        let count = self.call("asking who approves", false, nothing, |world, _| {
            let pull = &world.pulls[index];
            let own = pull.approvals.iter().filter(|(_, commit)| *commit == pull_request.commit);
            u32::try_from(own.count()).unwrap()
        });
        self.ask(count)
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
    let check = |(name, report): (&String, &Report)| Check {
        name: name.clone(),
        state: report.state,
        word: format!("{:?}", report.state).to_lowercase(),
        text: report.text.clone(),
        is_run: false,
        time: Some(report.at),
    };
    world.checks.get(commit).into_iter().flatten().map(check).collect()
}

/// Returns what people see of a body.
fn shown(body: &str) -> &str {
    body.split("<!-- tagboat: ").next().unwrap_or_default()
}
