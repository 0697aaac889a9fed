//! Which images the entries of the file of holds mean: a hold must never hold nothing without a word.
//!
//! Entry points: [`resolved`], by which a pass reads names as commands do, and [`candidates`]. A short name that may mean several
//! images holds each of them, for holding more means doing less.

use std::collections::BTreeSet;

use crate::model::hold::Hold;
use crate::model::image::ImageName;

/// Where a name without a host belongs.
const WITHOUT_HOST: [&str; 2] = ["docker.io/library/", "docker.io/"];

/// Returns the images that an entry's name means of those that stand in manifests: itself, else all that end so, where it may
/// have been written without a host; none where it means nothing.
pub(in crate::pass) fn candidates<'a>(image: &'a ImageName, known: &BTreeSet<&'a ImageName>) -> Vec<&'a ImageName> {
    if known.contains(image) {
        return vec![image];
    }
    let written = WITHOUT_HOST.iter().find_map(|host| image.as_str().strip_prefix(host));
    let Some(written) = written else { return Vec::new() };
    let ends = |other: &&&ImageName| other.as_str().strip_suffix(written).is_some_and(|before| before.ends_with('/'));
    known.iter().filter(ends).copied().collect()
}

/// Returns holds by the images that they mean; what means nothing stays as it is.
pub(in crate::pass) fn resolved(holds: Vec<Hold>, known: &BTreeSet<&ImageName>) -> Vec<Hold> {
    let mut resolved = Vec::with_capacity(holds.len());
    for hold in holds {
        let meant: Vec<ImageName> = candidates(&hold.image, known).into_iter().cloned().collect();
        match meant.as_slice() {
            [] => resolved.push(hold),
            meant => resolved.extend(meant.iter().map(|image| Hold { image: image.clone(), ..hold.clone() })),
        }
    }
    resolved
}
