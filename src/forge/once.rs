//! What a pass asks once, since it is the same for everything that it does about a repository: settings, and rules of a branch.
//!
//! Entry point: [`Once::of`]. Whoever begins a pass begins with an empty one, and a pass that begins again asks again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::forge::ForgeError;
use crate::forge::turns::Turn;

/// Answers by what they are of, each with how often the pass had begun again when it was given.
#[derive(Debug)]
pub(super) struct Once<K, V>(Mutex<BTreeMap<K, (u32, V)>>);

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord + Clone, V: Clone> Once<K, V> {
    /// Returns the answer that was given before, or asks. An error is no answer: the next one asks again. Nor is what was given before the
    /// pass began again, since it may be what an earlier pass was told.
    pub(super) async fn of(
        &self,
        turn: &Turn,
        what: &K,
        asked: impl Future<Output = Result<V, ForgeError>>,
    ) -> Result<V, ForgeError> {
        let begun = turn.times_begun_again();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(what).cloned();
        if let Some((_, known)) = known.filter(|(when, _)| *when == begun) {
            return Ok(known);
        }
        let answer = asked.await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what.clone(), (begun, answer.clone()));
        Ok(answer)
    }
}
