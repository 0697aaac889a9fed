//! The seams of a pass, over the world: a remote, a forge, a source of tags and what gates ask, which fail as a seed draws.

mod forge;
mod registry;
mod remote;
mod sources;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tagboat::forge::{Asked, ForgeError};
use tagboat::git::GitError;
use tagboat::model::environment::BranchName;
use tagboat::registry::SourceError;

use super::acts;
use super::session::{Baton, Fate, Round, Session};
use super::world::{By, World};

/// One pass's or order's way to the world.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) world: Arc<Mutex<World>>,
    /// Its session.
    pub(super) id: usize,
    pub(super) baton: Option<(Arc<Baton>, usize)>,
}

/// A call did not come through.
pub(super) struct NotHeard;

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
    pub(super) fn call<T>(
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
            world.clocks_are_right &= !matches!(act, acts::Act::Wait(_) | acts::Act::Reconsider { .. });
            acts::act(&mut world, &act);
        }
        let fate = world.sessions[self.id].fate(what, is_write);
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

    /// Lets somebody do something to a head branch right before a call about it.
    fn ambush(&self, head: &BranchName) {
        let mut world = self.lock();
        // What nobody has approved cannot be taken back: that waits for a better moment.
        let has_approvals = world.pulls.iter().any(|pull| pull.head == *head && pull.is_open() && pull.approving() > 0);
        let session = &mut world.sessions[self.id];
        if !has_approvals && session.ambush.is_some_and(|(_, ambush)| ambush == acts::Ambush::Disapprove) {
            return;
        }
        if let Some(ambush) = session.ambushed() {
            world.sessions[self.id].had_company = true;
            acts::ambush(&mut world, head, ambush);
        }
    }

    fn name(&self, world: &World) -> String {
        name(&world.sessions[self.id])
    }

    /// Asks a forge; the future is ready at once.
    fn ask<T: Send + 'static>(&self, answer: Result<T, NotHeard>) -> Asked<'_, T> {
        Box::pin(std::future::ready(answer.map_err(ForgeError::from)))
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
