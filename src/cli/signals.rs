//! Signals that come while the program begins: they wait for whoever handles them.
//!
//! Entry point: [`Kept`]. What a process holds back it still holds back when it begins once more as the same process, as `arenas` lets
//! it, so that nothing is lost in between. Handling them is the service's.

use nix::sys::signal::{SigSet, Signal};

/// The signals that end a service, or make it read its files again.
const KEPT: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// Signals that are held back until this is let go.
pub(super) struct Kept(SigSet);

impl Kept {
    /// Holds them back in this thread, which is to be the only one.
    pub(super) fn new() -> Self {
        let kept = Self(KEPT.into_iter().collect());
        // Where that cannot be, they end the program, as they end any.
        let _is_kept = kept.0.thread_block();
        kept
    }

    /// Lets them come. Whoever handles them is there by now, or nobody will be.
    pub(super) fn release(&self) {
        let _is_released = self.0.thread_unblock();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.release();
    }
}
