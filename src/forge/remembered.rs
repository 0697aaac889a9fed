//! Answers of forges with their marks, to be asked for again only if they changed.
//!
//! Entry point: [`Remembered`]. One is shared by all clients of a process, so that one bound holds for all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, LINK};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::model::pull_request::PullRequest;

/// The most bytes that are kept, with what an entry costs beside its body.
const MOST: usize = 32 << 20;

/// The longest answer that is kept.
const LONGEST: usize = 4 << 20;

/// About what an entry costs beside its URL and its body.
const BESIDE: usize = 512;

/// The headers that tell whether a list goes on.
const OF_PAGES: [HeaderName; 3] =
    [LINK, HeaderName::from_static("x-next-page"), HeaderName::from_static("x-total-count")];

/// An answer that is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The mark by which it is asked for again.
    pub(super) etag: HeaderValue,
    /// What its headers say of further pages.
    pub(super) headers: HeaderMap,
    /// The body, or what of it is read.
    pub(super) body: Bytes,
}

/// The answers that are kept, each by who asked and where.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<Store>);

/// What the further pages of a list said when the first one was this.
#[derive(Debug)]
struct Further {
    first: [u8; 32],
    pull_requests: Vec<PullRequest>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Store {
    /// By who asked; of one list each.
    further: HashMap<u64, Further>,
    /// The owner is part of the key: others may be answered otherwise under the same URL.
    answers: HashMap<(u64, Url), Kept>,
    bytes: usize,
    owners: u64,
}

impl Remembered {
    /// Returns the number of one more who asks.
    pub(super) fn owner(&self) -> u64 {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.owners += 1;
        store.owners
    }

    /// Returns the further pages of the list of pull requests, where its first one, by what changed last, is what it was: whatever
    /// changes below it comes up to it.
    pub(super) fn further(&self, owner: u64, first: &[PullRequest]) -> Option<Vec<PullRequest>> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.further.get(&owner).filter(|known| known.first == hash(first)).map(|known| known.pull_requests.clone())
    }

    /// Keeps the further pages of the list of pull requests.
    pub(super) fn keep_further(&self, owner: u64, first: &[PullRequest], pull_requests: &[PullRequest]) {
        let bytes = pull_requests.iter().map(|one| BESIDE + one.title.len() + 2 * one.body.len()).sum();
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.further.remove(&owner);
        let others: usize = store.further.values().map(|known| known.bytes).sum();
        if others + bytes > MOST {
            store.further.clear();
        }
        if bytes <= LONGEST {
            store.further.insert(owner, Further { first: hash(first), pull_requests: pull_requests.to_vec(), bytes });
        }
    }

    /// Forgets the further pages of the list of pull requests.
    pub(super) fn forget_further(&self, owner: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).further.remove(&owner);
    }

    /// Returns what was kept.
    pub(super) fn known(&self, owner: u64, url: &Url) -> Option<Kept> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        store.answers.get(&(owner, url.clone())).cloned()
    }

    /// Keeps an answer that has a mark. What is too much makes room by chance: those who ask in turn would else each
    /// find what they asked for before thrown away.
    pub(super) fn keep(&self, owner: u64, url: &Url, headers: &HeaderMap, body: Bytes) {
        let Some(etag) = headers.get(ETAG).filter(|_| body.len() <= LONGEST) else { return };
        let kept = Kept { etag: etag.clone(), headers: of_pages(headers), body };
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = cost(url, &kept);
        if let Some(before) = store.answers.remove(&(owner, url.clone())) {
            store.bytes -= self::cost(url, &before);
        }
        while store.bytes + cost > MOST {
            let number = fastrand::usize(..store.answers.len());
            let Some(key) = store.answers.keys().nth(number).cloned() else { break };
            if let Some(gone) = store.answers.remove(&key) {
                store.bytes -= self::cost(&key.1, &gone);
            }
        }
        store.bytes += cost;
        store.answers.insert((owner, url.clone()), kept);
    }
}

/// Returns what headers say of further pages.
pub(super) fn of_pages(headers: &HeaderMap) -> HeaderMap {
    let told = OF_PAGES.into_iter().filter_map(|name| Some((headers.get(&name)?, name)));
    told.fold(HeaderMap::new(), |mut all, (value, name)| {
        all.insert(name, value.clone());
        all
    })
}

fn hash(pull_requests: &[PullRequest]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for one in pull_requests {
        hash.update(format!("{one:?}\n"));
    }
    hash.finalize().into()
}

fn cost(url: &Url, kept: &Kept) -> usize {
    let headers: usize = kept.headers.values().map(HeaderValue::len).sum();
    BESIDE + url.as_str().len() + headers + kept.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(number: usize) -> Url {
        format!("https://forge.example/{number}").parse().unwrap()
    }

    fn marked() -> HeaderMap {
        HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"1\""))])
    }

    #[test]
    fn what_is_kept_never_passes_its_bound_and_the_newest_is_there() {
        let remembered = Remembered::default();
        for number in 0..100 {
            remembered.keep(1, &url(number), &marked(), Bytes::from(vec![0; 1 << 20]));
            assert!(remembered.known(1, &url(number)).is_some());
        }
        let store = remembered.0.lock().unwrap();
        let counted: usize = store.answers.iter().map(|((_, url), kept)| cost(url, kept)).sum();
        assert_eq!(store.bytes, counted);
        assert!(store.bytes <= MOST && store.answers.len() == 31, "{} {}", store.bytes, store.answers.len());
    }

    #[test]
    fn an_answer_is_known_to_whom_it_was_given_and_replaced_by_the_next() {
        let remembered = Remembered::default();
        remembered.keep(1, &url(1), &marked(), Bytes::from_static(b"one"));
        remembered.keep(1, &url(1), &marked(), Bytes::from_static(b"two"));
        assert_eq!(remembered.known(1, &url(1)).unwrap().body, "two");
        assert!(remembered.known(2, &url(1)).is_none());
        remembered.keep(2, &url(2), &HeaderMap::new(), Bytes::from_static(b"no mark"));
        remembered.keep(2, &url(3), &marked(), Bytes::from(vec![0; LONGEST + 1]));
        assert_eq!(remembered.0.lock().unwrap().answers.len(), 1);
    }
}
