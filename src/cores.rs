//! Work on all cores, where there is enough of it to be worth waking them.
//!
//! Entry point: [`map`]. Knows nothing of what is worked on.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Below this many pieces, waking other cores costs more than they bring: a pass over a few files takes less
/// than a millisecond in all.
const FEW: usize = 16;

/// Does the work on every piece, and returns the results in the order of the pieces. A panic goes on here.
pub fn map<T: Send, R: Send>(pieces: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
    if pieces.len() < FEW { pieces.into_iter().map(work).collect() } else { pieces.into_par_iter().map(work).collect() }
}
