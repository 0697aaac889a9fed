//! The queue of one process: everything in memory, nobody to share with.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use crate::queue::row::Row;
use crate::queue::{Ask, Cause, Event, Health, Lease, Queue};

/// Passes that are asked for in this process, the first first.
#[derive(Debug, Default)]
pub struct Local {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    pending: VecDeque<(String, Cause)>,
    room: usize,
}

impl Local {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what has not begun.
    pub(super) fn clear(&self) {
        self.state().pending.clear();
    }
}

impl Queue for Local {
    fn watch(&self, repositories: &[String]) {
        self.state().pending.retain(|(url, _)| repositories.contains(url));
    }

    fn is_open(&self) -> bool {
        true
    }

    fn ask(&self, ask: Ask) {
        let mut state = self.state();
        if !state.pending.iter().any(|(url, _)| *url == ask.repository) {
            state.pending.push_back((ask.repository, ask.cause));
            self.changed.notify_one();
        }
    }

    fn room(&self, passes: usize) {
        self.state().room = passes;
    }

    fn take(&self, may_begin: &dyn Fn(&str) -> bool) -> Option<Event> {
        let mut state = self.state();
        let room = state.room.checked_sub(1)?;
        let first = state.pending.iter().position(|(url, _)| may_begin(url))?;
        let (repository, cause) = state.pending.remove(first)?;
        state.room = room;
        Some(Event::Job(Lease { repository, cause, is_taken_over: false, ticket: None }))
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        self.changed.notified().boxed()
    }

    fn end(&self, _lease: Lease, _row: Option<Row>) {}

    fn give_back(&self, _lease: Lease) {}

    fn health(&self) -> Health {
        Health::Working
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.clear();
        std::future::ready(()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn ask(queue: &Local, repository: &str) {
        let ask = Ask {
            repository: repository.to_owned(),
            cause: Cause::Schedule,
            moment: Timestamp::UNIX_EPOCH,
            is_repeated: false,
            after: None,
            wish: 0,
        };
        queue.ask(ask);
    }

    fn take(queue: &Local) -> Option<String> {
        queue.take(&|url| url != "hangs").map(|event| match event {
            Event::Job(lease) => lease.repository,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn one_pass_of_each_repository_is_pending_and_the_first_goes_first() {
        let queue = Local::default();
        ["hangs", "a", "b", "a", "a", "c"].iter().for_each(|url| ask(&queue, url));
        assert_eq!(take(&queue), None, "there is no room yet");
        queue.room(2);
        assert_eq!([take(&queue), take(&queue), take(&queue)], [Some("a".to_owned()), Some("b".to_owned()), None]);
        queue.watch(&["a".to_owned()]);
        queue.room(2);
        assert_eq!(take(&queue), None, "it is watched no longer, as the others");
    }
}
