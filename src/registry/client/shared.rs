//! One question for many who ask the same at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// The questions that are under way. An answer is kept for those who wait for it, and no longer.
#[derive(Debug)]
pub(super) struct Shared<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Takes the question off the list when nobody else waits for it, also when it was given up.
struct Waiting<'a, K: Eq + Hash, V> {
    questions: &'a Shared<K, V>,
    key: &'a K,
    cell: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash, V> Drop for Waiting<'_, K, V> {
    fn drop(&mut self) {
        let mut questions = self.questions.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = questions.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // Two: the list's and this one.
        if is_own && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            questions.remove(self.key);
        }
    }
}

/// An answer, and whose question it came of.
#[derive(Debug)]
pub(super) enum Answered<V> {
    /// This one's.
    Own(V),
    /// Somebody else's.
    Shared(V),
}

impl<K: Eq + Hash + Clone, V: Clone> Shared<K, V> {
    /// Asks, unless the same is being asked already: then that answer serves both. If whoever asks gives up, the next
    /// who waits asks in its place.
    pub(super) async fn ask(&self, key: &K, question: impl Future<Output = V>) -> Answered<V> {
        let cell = {
            let mut questions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(questions.entry(key.clone()).or_default())
        };
        let waiting = Waiting { questions: self, key, cell };
        let mut own = false;
        let begin = || {
            own = true;
            question
        };
        let answer = waiting.cell.get_or_init(begin).await.clone();
        if own { Answered::Own(answer) } else { Answered::Shared(answer) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;

    use super::*;

    fn value(answer: &Answered<u32>) -> (u32, bool) {
        match answer {
            Answered::Own(value) => (*value, true),
            Answered::Shared(value) => (*value, false),
        }
    }

    #[tokio::test]
    async fn asks_once_for_all_who_wait_and_anew_for_who_comes_later() {
        let shared = Shared::<&str, u32>::default();
        let asked = AtomicU32::new(0);
        let ask = || async {
            let question = async {
                tokio::task::yield_now().await;
                asked.fetch_add(1, Ordering::Relaxed)
            };
            value(&shared.ask(&"web", question).await)
        };
        assert_eq!(tokio::join!(ask(), ask(), ask()), ((0, true), (0, false), (0, false)));
        assert_eq!(ask().await, (1, true));
        assert!(shared.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_asks_in_the_place_of_who_gave_up() {
        let shared = Shared::<&str, u32>::default();
        let mut given_up = Box::pin(shared.ask(&"web", std::future::pending()));
        assert!((&mut given_up).now_or_never().is_none());
        let mut waiting = Box::pin(shared.ask(&"web", std::future::ready(7)));
        assert!((&mut waiting).now_or_never().is_none());
        drop(given_up);
        assert_eq!(value(&waiting.await), (7, true));
        assert!(shared.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_question_that_all_gave_up_leaves_nothing_behind() {
        let shared = Shared::<&str, u32>::default();
        let mut given_up = Box::pin(shared.ask(&"web", std::future::pending()));
        assert!((&mut given_up).now_or_never().is_none());
        drop(given_up);
        assert!(shared.0.lock().unwrap().is_empty());
    }
}
