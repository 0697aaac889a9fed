//! How a host pages its lists, as far as its answers have shown it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sizes that registries cut pages to. A page of just so many tags may have been cut without a word.
const USUAL_CUTS: [usize; 5] = [50, 100, 200, 250, 500];

/// What is known of a host's pages. It holds for all of its lists.
#[derive(Debug, Default)]
pub(super) struct Paging {
    /// Whether it knows `last`.
    heeds_last: OnceLock<bool>,
    /// How many tags its longest page had.
    longest: AtomicUsize,
    /// How many tags the longest page had that came with a `Link` to a further one; 0 for none.
    linked: AtomicUsize,
    /// Held by whoever finds out whether it knows `last`, so that fifty others do not all learn the same.
    pub(super) alone: tokio::sync::Mutex<()>,
}

impl Paging {
    /// Remembers a page.
    pub(super) fn saw(&self, count: usize, has_link: bool) {
        self.longest.fetch_max(count, Ordering::Relaxed);
        if has_link {
            self.linked.fetch_max(count, Ordering::Relaxed);
        }
    }

    /// Returns whether the host goes on after the tag that is named as `last`, where that is known.
    pub(super) fn heeds_last(&self) -> Option<bool> {
        self.heeds_last.get().copied()
    }

    /// Remembers whether it does.
    pub(super) fn learn(&self, heeds_last: bool) {
        // What was found out first stands: a host does not change its mind from one list to the next.
        let _known = self.heeds_last.set(heeds_last);
    }

    /// Whether a first page without a `Link`, of fewer tags than were asked for, may all the same not be everything.
    ///
    /// That it was everything for one image says nothing of the next: a list of exactly as many tags as pages are cut to is
    /// whole, and looks like one that is cut. So each image with such a list is asked about, one request more, until
    /// the host has shown that it cuts no page to that size (it sent a longer one; one of just that size
    /// shows nothing), that it names further pages where it cuts, or that it does not know how to go on anyway.
    pub(super) fn may_be_cut(&self, count: usize) -> bool {
        USUAL_CUTS.contains(&count)
            && self.heeds_last() != Some(false)
            && self.linked.load(Ordering::Relaxed) == 0
            && self.longest.load(Ordering::Relaxed) <= count
    }

    /// Whether a page of that many tags may have been full, and a list grown beyond it without a change of the page.
    pub(super) fn may_be_full(&self, count: usize) -> bool {
        USUAL_CUTS.contains(&count) || (count > 0 && count == self.linked.load(Ordering::Relaxed))
    }
}
