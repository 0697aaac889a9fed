//! Work on all cores, where there is enough of it to be worth waking them.
//!
//! Entry points: [`map`], and [`beside`] for what waits for other things meanwhile. Knows nothing of what is worked on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::sync::oneshot;

/// Below this many pieces, waking other cores costs more than they bring: a pass over a few files takes less
/// than a millisecond in all.
const FEW: usize = 16;

/// Does the work on every piece, and returns the results in the order of the pieces. A panic goes on here.
pub fn map<T: Send, R: Send>(pieces: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    if pieces.len() < FEW { pieces.into_iter().map(work).collect() } else { pieces.into_par_iter().map(work).collect() }
}

/// Does the work on another core, while this one goes on with other things. A panic goes on here.
pub async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = oneshot::channel();
    rayon::spawn(move || {
        // What the work holds is given back before the answer is there. Whoever asked may have gone.
        let _gone = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    match receiver.await.expect("the work always answers") {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_beside_gives_its_result_and_its_panic_to_whoever_asked() {
        assert_eq!(beside(|| 6 * 7).await, 42);
        let panicked = tokio::spawn(beside(|| panic!("as planned"))).await;
        assert!(panicked.unwrap_err().is_panic());
    }
}
