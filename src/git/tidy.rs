//! Keeping a mirror small: each fetch leaves a pack and each commit a few loose objects, for as long as a service runs.
//!
//! The entry point is [`tidy`]. What nothing leads to any more is let go, but nothing young: another pass may be about to
//! push it.

use std::fs;
use std::path::Path;

use crate::git::program::{Program, words};

/// From this many packs on a mirror is put in order. Each costs every look at an object a little.
const MOST_PACKS: usize = 50;

/// From this many loose objects on in one of the 256 folders that they are spread over; Git's own measure, `gc.auto`, is
/// 6,700 in all.
const MOST_LOOSE: usize = 27;

/// The folder that is counted for all: names of objects are spread evenly.
const SAMPLE: &str = "objects/17";

/// How long nobody can need what nothing leads to: longer than any pass.
const PRUNED: &str = "--prune=1.day.ago";

/// Puts a mirror in order where it needs that; whoever calls holds its lock. Where it fails the mirror works as before.
pub(super) fn tidy(program: &Program, folder: &Path) {
    let (packs, loose) = (packs(folder), count(&folder.join(SAMPLE), |_| true));
    if packs < MOST_PACKS && loose < MOST_LOOSE {
        return;
    }
    let outcome = program.run(&["gc".as_ref(), "--quiet".as_ref(), PRUNED.as_ref()]);
    let folder = folder.display();
    match outcome {
        Ok(finished) if finished.succeeded() => tracing::debug!(%folder, packs, "a mirror was put in order"),
        Ok(finished) => {
            let words = words(&finished.stderr);
            tracing::warn!(%folder, packs, words, "a mirror could not be put in order, and grows");
        }
        Err(error) => tracing::warn!(%folder, packs, %error, "a mirror could not be put in order, and grows"),
    }
}

fn packs(folder: &Path) -> usize {
    count(&folder.join("objects/pack"), |path| path.extension().is_some_and(|end| end == "pack"))
}

/// Returns how many entries a folder has; one that cannot be read has none.
fn count(folder: &Path, wanted: impl Fn(&Path) -> bool) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.filter(|entry| entry.as_ref().is_ok_and(|entry| wanted(&entry.path()))).count()
}
