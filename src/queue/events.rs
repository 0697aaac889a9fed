//! What a shared queue has to tell and has not told yet.
//!
//! Bounded: of each repository at most one row and one word that its wish is kept, and no more jobs than there is room.

use std::collections::{BTreeMap, VecDeque};

use crate::queue::row::Row;
use crate::queue::{Event, Lease};

/// Everything that is to be told, in the order of its weight.
#[derive(Debug, Default)]
pub(super) struct Events {
    joined: Option<bool>,
    is_forgotten: bool,
    heard: BTreeMap<String, Row>,
    kept: BTreeMap<String, u64>,
    jobs: VecDeque<Lease>,
}

impl Events {
    pub(super) fn job(&mut self, lease: Lease) {
        self.jobs.push_back(lease);
    }

    pub(super) fn kept(&mut self, repository: String, wish: u64) {
        let known = self.kept.entry(repository).or_default();
        *known = wish.max(*known);
    }

    /// Notes a row; an older one of the same repository is not told any more.
    pub(super) fn heard(&mut self, repository: String, row: Row) {
        match self.heard.get(&repository) {
            Some(known) if known.began > row.began => {}
            _ => drop(self.heard.insert(repository, row)),
        }
    }

    pub(super) fn joined(&mut self, is_first: bool) {
        self.joined = Some(is_first);
    }

    pub(super) fn forgotten(&mut self) {
        self.is_forgotten = true;
    }

    /// Returns how many jobs have not begun.
    pub(super) fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Takes every job that has not begun.
    pub(super) fn drain_jobs(&mut self) -> Vec<Lease> {
        self.jobs.drain(..).collect()
    }

    /// Returns the next one: what others told comes before what follows from it.
    pub(super) fn take(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.is_forgotten) {
            return Some(Event::Forgotten);
        }
        if let Some((repository, row)) = self.heard.pop_first() {
            return Some(Event::Heard(repository, Box::new(row)));
        }
        if let Some(is_first) = self.joined.take() {
            return Some(Event::Joined { is_first });
        }
        if let Some((repository, wish)) = self.kept.pop_first() {
            return Some(Event::Kept(repository, wish));
        }
        self.jobs.pop_front().map(Event::Job)
    }
}
