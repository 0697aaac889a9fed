//! Which passes may run beside which, so that one that hangs holds up nobody but its like.
//!
//! Pure: [`Room::of`] counts what runs. A pass holds one of the operator's places for a few seconds; what takes longer, or took
//! longer the last time, has as many places of its own, and a host that is silent is asked by few. All together are bounded.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::service::schedule::later;

/// How long a pass keeps others from beginning. One that takes longer may hang on something, and they need not wait for that.
pub(super) const HOLDS_A_PLACE: SignedDuration = SignedDuration::from_secs(10);

/// How many times as many passes may run at once, with those that hang.
const MOST_RUNNING: usize = 4;

/// A pass that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running<'a> {
    /// The host of its Git remote.
    pub(super) host: &'a str,
    pub(super) begun: Timestamp,
    /// Whether it was expected to take long when it began.
    pub(super) is_slow: bool,
}

/// What is expected of a pass that has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// It takes a moment.
    Quick,
    /// It takes long.
    Slow,
    /// It takes long, as whatever else is asked of the host of its Git remote.
    Silent,
}

/// The places that are taken.
#[derive(Debug)]
pub(super) struct Room<'a> {
    most: usize,
    quick: usize,
    slow: usize,
    all: usize,
    /// The hosts that are silent.
    silent: BTreeSet<&'a str>,
    /// How many ask each of these, and how many of those have hardly begun.
    asking: BTreeMap<&'a str, (usize, usize)>,
}

impl<'a> Room<'a> {
    /// Counts what runs where `most` may run at once.
    pub(super) fn of(
        most: usize,
        running: impl Iterator<Item = Running<'a>>,
        silent: BTreeSet<&'a str>,
        now: Timestamp,
    ) -> Self {
        let mut room = Self { most, quick: 0, slow: 0, all: 0, silent, asking: BTreeMap::new() };
        for Running { host, begun, is_slow } in running {
            let is_young = now < later(begun, HOLDS_A_PLACE);
            let expected = if is_young && !is_slow { Expected::Quick } else { room.expected(host, true) };
            room.take(host, expected, is_young);
        }
        room
    }

    fn take(&mut self, host: &'a str, expected: Expected, is_young: bool) {
        self.all += 1;
        match expected {
            Expected::Quick => self.quick += 1,
            Expected::Slow => self.slow += 1,
            Expected::Silent => {
                let (all, young) = self.asking.entry(host).or_default();
                (*all, *young) = (*all + 1, *young + usize::from(is_young));
            }
        }
    }

    /// Returns what is expected of a pass, whose repository's last one took long or not.
    pub(super) fn expected(&self, host: &str, was_slow: bool) -> Expected {
        match (self.silent.contains(host), was_slow) {
            (true, _) => Expected::Silent,
            (false, true) => Expected::Slow,
            (false, false) => Expected::Quick,
        }
    }

    /// Returns how many may run aside from those that are quick, which always keep their places.
    fn most_aside(&self) -> usize {
        self.most.saturating_mul(MOST_RUNNING - 1)
    }

    /// Whether a pass may begin.
    pub(super) fn holds(&self, host: &str, expected: Expected) -> bool {
        let aside = self.all - self.quick;
        let is_free = match expected {
            Expected::Quick => self.quick < self.most,
            Expected::Slow => self.slow < self.most && aside < self.most_aside(),
            Expected::Silent => {
                let (all, young) = self.asking.get(host).copied().unwrap_or_default();
                // However many hang there, one of them at a time finds out whether it answers again.
                (all < self.most / 2 || young == 0) && aside < self.most_aside()
            }
        };
        is_free && self.all < self.most.saturating_mul(MOST_RUNNING)
    }

    /// Takes the place of a pass that may begin.
    pub(super) fn fill(&mut self, host: &'a str, expected: Expected) {
        self.take(host, expected, true);
    }

    /// Returns how many passes may begin at most.
    pub(super) fn free(&self) -> usize {
        let aside = self.most_aside().saturating_sub(self.all - self.quick);
        let all = self.most.saturating_mul(MOST_RUNNING).saturating_sub(self.all);
        (self.most.saturating_sub(self.quick) + aside).min(all)
    }
}

/// Returns the host of a Git remote with its port; a repository on this machine stands for itself.
pub(super) fn host(url: &str) -> &str {
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
        None => url.split_once(':').map_or("", |(authority, _)| authority),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.is_empty() || host.contains('/') { url } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_with_its_port_and_a_folder_stands_for_itself() {
        for (url, known) in [
            ("https://git.example/acme/gitops", "git.example"),
            ("https://git.example:8443/acme/gitops.git", "git.example:8443"),
            ("ssh://git@git.example/acme/gitops", "git.example"),
            ("git@git.example:acme/gitops.git", "git.example"),
            ("file:///srv/gitops.git", "file:///srv/gitops.git"),
            ("/srv/a:b/gitops.git", "/srv/a:b/gitops.git"),
            ("gitops", "gitops"),
        ] {
            assert_eq!(host(url), known, "{url}");
        }
    }
}
