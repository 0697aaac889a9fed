//! What the cache remembers of an environment's pull requests: under which head branches its images were proposed, and what was
//! refused. It may be forgotten: then only the names that head branches have now are asked about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, Key32};
use crate::model::brought::{Brought, Told};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::pull_request::{Armed, Marker, Number, PullRequest, Source, State};
use crate::model::refusal::Wish;

/// For how long what the forge has said of a refusal counts without asking again, in seconds. Who takes one back sets a label, by which
/// it comes back into the listing at once.
const LATELY: i64 = 3_600;
/// After how many seconds it is written down again that it still holds.
const WRITTEN_AGAIN: i64 = LATELY / 2;
/// How many head branches and refusals of an environment are remembered, the newest ones.
const MOST: usize = 300;

/// What is remembered, as it was read and as it is by now.
pub(super) struct Seen<'a> {
    cache: &'a Cache,
    repository: String,
    rows: BTreeMap<EnvironmentName, (Row, Row)>,
    /// The pull requests that nobody but the cache told of: that it says so is not the forge's word again.
    recalled: BTreeSet<u64>,
}

/// What is remembered of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    heads: Vec<Head>,
    closed: Vec<Closed>,
}

/// A head branch, and the images that were proposed on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    name: String,
    images: BTreeSet<String>,
}

/// A pull request by which something was refused when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Closed {
    number: u64,
    url: String,
    head: String,
    commit: String,
    key: String,
    brought: Vec<(String, String)>,
    /// Whether nothing but its commit says so.
    is_silent: bool,
    /// When that was, in seconds since 1970.
    second: i64,
}

impl<'a> Seen<'a> {
    pub(super) fn new(cache: &'a Cache, home: &Source) -> Self {
        Self {
            cache,
            repository: format!("{}/{}", home.host, home.path),
            rows: BTreeMap::new(),
            recalled: BTreeSet::new(),
        }
    }

    fn row(&mut self, environment: &EnvironmentName) -> &mut Row {
        if !self.rows.contains_key(environment) {
            let read = self.cache.refusals(&self.key(environment));
            let row: Row = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
            self.rows.insert(environment.clone(), (row.clone(), row));
        }
        &mut self.rows.get_mut(environment).expect("it was just put there").1
    }

    fn key(&self, environment: &EnvironmentName) -> Key32 {
        let parts = ["refusals", &self.repository, environment.as_str()];
        let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0]));
        Key32(hash.finalize().into())
    }

    /// Returns the head branches on which something with one of these images was proposed.
    pub(super) fn names(&mut self, wish: &Wish) -> Vec<BranchName> {
        let images: BTreeSet<&str> = wish.brought.images().collect();
        let row = self.row(&wish.environment);
        let heads = row.heads.iter().filter(|head| head.images.iter().any(|image| images.contains(image.as_str())));
        heads.map(|head| BranchName::from(head.name.as_str())).collect()
    }

    /// Returns the pull requests by which something was refused a moment ago.
    pub(super) fn refused_lately(&mut self, wish: &Wish) -> Vec<PullRequest> {
        let now = self.cache.now().as_second();
        let row = self.row(&wish.environment);
        let lately = row.closed.iter().filter(|one| one.is_lately(now));
        let lately = lately.map(|one| one.pull_request(&wish.environment));
        let lately = lately.filter(|one| wish.stood_in(one)).collect();
        self.recalled(lately)
    }

    fn recalled(&mut self, told: Vec<PullRequest>) -> Vec<PullRequest> {
        self.recalled.extend(told.iter().map(|one| one.number.0));
        told
    }

    /// Returns the pull requests from a head branch by which something was refused a moment ago.
    pub(super) fn closed_lately_on(&mut self, environment: &EnvironmentName, head: &BranchName) -> Vec<PullRequest> {
        let now = self.cache.now().as_second();
        let lately = self.row(environment).closed.iter().filter(|one| one.is_lately(now));
        let lately = lately.filter(|one| one.head == head.as_str());
        let lately = lately.map(|one| one.pull_request(environment)).collect();
        self.recalled(lately)
    }

    /// Notes on which head branch something is proposed.
    pub(super) fn name(&mut self, wish: &Wish, head: &BranchName) {
        let row = self.row(&wish.environment);
        let images = wish.brought.images().map(str::to_owned);
        match row.heads.iter_mut().find(|known| known.name == head.as_str()) {
            Some(known) => known.images.extend(images),
            None => row.heads.push(Head { name: head.to_string(), images: images.collect() }),
        }
        row.heads.drain(..row.heads.len().saturating_sub(MOST));
    }

    /// Notes by which pull request something was refused.
    pub(super) fn refuse(&mut self, wish: &Wish, one: &PullRequest) {
        self.name(wish, &one.head);
        let now = self.cache.now().as_second();
        let is_recalled = self.recalled.contains(&one.number.0);
        let row = self.row(&wish.environment);
        let is_fresh = |known: &Closed| is_recalled || (0..WRITTEN_AGAIN).contains(&(now - known.second));
        if row.closed.iter().any(|known| known.number == one.number.0 && is_fresh(known)) {
            return;
        }
        let marker = one.marker.as_ref();
        let told = [
            marker.map(|marker| (&marker.key, &marker.brought)),
            marker.and_then(|marker| marker.was.as_ref()).map(|was| (&was.key, &was.brought)),
            one.told.as_ref().and_then(|told| Some((told.key.as_ref()?, &told.brought))),
        ];
        let is_it = |(_, brought): &(&String, &Brought)| wish.brought.is_no_news_to(brought);
        let (key, brought) = told.into_iter().flatten().find(is_it).unwrap_or((&wish.key, &wish.brought));
        row.closed.retain(|known| known.number != one.number.0);
        row.closed.push(Closed {
            number: one.number.0,
            url: one.url.clone(),
            head: one.head.to_string(),
            commit: one.commit.to_string(),
            key: key.clone(),
            brought: brought.pairs().map(|(image, version)| (image.to_owned(), version.to_owned())).collect(),
            is_silent: one.is_silent(),
            second: now,
        });
        row.closed.drain(..row.closed.len().saturating_sub(MOST));
    }

    /// Forgets what `told` knows better, and keeps what has changed.
    pub(super) fn keep(&mut self, told: &[PullRequest]) {
        let taken_back: BTreeSet<u64> = told.iter().filter(|one| !one.is_refused()).map(|one| one.number.0).collect();
        let mut changed = Vec::new();
        for (environment, (read, row)) in &mut self.rows {
            row.closed.retain(|one| !taken_back.contains(&one.number));
            if read != row {
                read.clone_from(row);
                changed.push((environment.clone(), serde_json::to_vec(row)));
            }
        }
        let rows = changed.into_iter().filter_map(|(environment, row)| Some((self.key(&environment), row.ok()?)));
        self.cache.keep_refusals(&rows.collect::<Vec<_>>());
    }
}

impl Closed {
    fn is_lately(&self, now: i64) -> bool {
        (0..LATELY).contains(&(now - self.second))
    }

    fn pull_request(&self, environment: &EnvironmentName) -> PullRequest {
        let brought: Brought = self.brought.iter().cloned().collect();
        let (key, told) = (Some(self.key.clone()), Some(environment.clone()));
        let told = Told { environment: told, key, brought: brought.clone() };
        let marker = Marker {
            key: self.key.clone(),
            environment: environment.clone(),
            group: self.head.rsplit('/').next().unwrap_or_default().to_owned(),
            withdrawn: false,
            unfinished: false,
            left: false,
            base: None,
            home: None,
            said: None,
            armed: Armed::No,
            queued: None,
            what: None,
            instead: None,
            brought,
            was: None,
        };
        PullRequest {
            number: Number(self.number),
            url: self.url.clone(),
            state: State::Closed,
            head: BranchName::from(self.head.as_str()),
            commit: CommitId(self.commit.as_str().into()),
            base: BranchName::from(""),
            title: String::new(),
            body: String::new(),
            marker: (!self.is_silent).then_some(marker),
            labels: BTreeSet::new(),
            is_draft: false,
            is_armed: false,
            told: self.is_silent.then_some(told),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::clock::FixedClock;

    fn wish(version: &str) -> Wish {
        let brought = [("ghcr.io/acme/web".to_owned(), version.to_owned())].into_iter().collect();
        Wish { environment: "prod".into(), key: String::new(), brought, prefix: "tagboat/".to_owned() }
    }

    #[test]
    fn what_the_forge_has_said_counts_for_a_while_and_a_name_for_longer() {
        let folder = tempfile::tempdir().unwrap();
        let home = Source { host: "git.acme.example".to_owned(), path: "acme/gitops".to_owned() };
        let begin: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let at = |second: i64| {
            let now = begin.checked_add(jiff::SignedDuration::from_secs(second)).unwrap();
            Cache::open(&folder.path().join("cache.db"), Arc::new(FixedClock(now)))
        };
        let cache = at(0);
        let mut seen = Seen::new(&cache, &home);
        let closed = Closed {
            number: 7,
            url: "https://git.acme.example/7".to_owned(),
            head: "first/prod/web".to_owned(),
            commit: "c".repeat(40),
            key: "key".to_owned(),
            brought: wish("1.5.0").brought.pairs().map(|(one, other)| (one.to_owned(), other.to_owned())).collect(),
            is_silent: false,
            second: 0,
        };
        let closed = closed.pull_request(&"prod".into());
        seen.name(&wish("1.4.0"), &"second/prod/web".into());
        seen.refuse(&wish("1.5.0"), &closed);
        seen.keep(&[]);
        let again = |second: i64, version: &str| {
            let cache = at(second);
            let mut seen = Seen::new(&cache, &home);
            (seen.refused_lately(&wish(version)), seen.names(&wish(version)))
        };
        let names = vec![BranchName::from("second/prod/web"), BranchName::from("first/prod/web")];
        assert_eq!(again(LATELY - 1, "1.5.0"), (vec![closed.clone()], names.clone()));
        assert_eq!(again(LATELY, "1.5.0"), (Vec::new(), names.clone()));
        assert_eq!(again(1, "1.6.0"), (Vec::new(), names.clone()), "it is something newer");
        // What only the cache remembers is not the forge's word again, however often a pass heeds it.
        let cache = at(LATELY - 1);
        let mut seen = Seen::new(&cache, &home);
        let remembered = seen.refused_lately(&wish("1.5.0")).remove(0);
        seen.refuse(&wish("1.5.0"), &remembered);
        seen.keep(&[remembered]);
        assert_eq!(again(LATELY, "1.5.0").0, []);
        // Nobody believes a clock that went back.
        assert_eq!(again(-1, "1.5.0").0, []);
        // A label takes it back, as soon as anybody lists it.
        let cache = at(2);
        let mut seen = Seen::new(&cache, &home);
        assert_eq!(seen.refused_lately(&wish("1.5.0")).len(), 1);
        let label = std::iter::once("tagboat/retry".to_owned()).collect();
        seen.keep(&[PullRequest { labels: label, ..closed }]);
        assert_eq!(again(3, "1.5.0"), (Vec::new(), names));
    }
}
