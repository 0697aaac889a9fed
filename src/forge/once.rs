//! What a pass asks once, since it is the same for everything that it does about a repository: settings, and rules of a branch.
//!
//! Entry point: [`Once::of`]. Whoever begins a pass begins with an empty one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::forge::ForgeError;

/// Answers by what they are of.
#[derive(Debug)]
pub(super) struct Once<K, V>(Mutex<BTreeMap<K, V>>);

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord + Clone, V: Clone> Once<K, V> {
    /// Returns the answer that was given before, or asks. An error is no answer: the next one asks again.
    pub(super) async fn of(
        &self,
        what: &K,
        asked: impl Future<Output = Result<V, ForgeError>>,
    ) -> Result<V, ForgeError> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(what).cloned() {
            return Ok(known);
        }
        let answer = asked.await?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what.clone(), answer.clone());
        Ok(answer)
    }
}
