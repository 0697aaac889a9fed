//! What the cache remembers of head branches that nobody needs any more, and that the remote refuses to remove: they are left as they are,
//! and not tried again in each pass. It may be forgotten: then they are tried.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use jiff::Timestamp;

use crate::cache::{Cache, Key32};
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::outcome::Skipped;
use crate::model::pull_request::{HeadBranch, Source};
use crate::publish::pull_requests::apply::Stays;
use crate::publish::pull_requests::{Course, Desired, Step};

/// After how many seconds it is tried again: somebody may have allowed it.
const LATELY: i64 = 86_400;
/// How many are remembered, the newest ones.
const MOST: usize = 1_000;

/// The head branches of a repository that the remote refused to remove lately.
pub(in crate::pass) struct Unremoved<'a> {
    cache: &'a Cache,
    key: Key32,
    now: i64,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    head: String,
    commit: String,
    words: String,
    /// When that was, in seconds since 1970.
    second: i64,
}

impl<'a> Unremoved<'a> {
    /// Reads what is remembered of a repository.
    pub(in crate::pass) fn read(cache: &'a Cache, home: &Source, now: Timestamp) -> Self {
        let parts = ["unremoved", &home.host, &home.path];
        let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0]));
        let (key, now) = (Key32(hash.finalize().into()), now.as_second());
        let read = cache.refusals(&key).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut rows: Vec<Row> = read.unwrap_or_default();
        rows.retain(|row| (0..LATELY).contains(&(now - row.second)));
        Self { cache, key, now, rows }
    }

    /// Leaves those as they are that stand where they stood, and of which nothing else is to be done.
    pub(in crate::pass) fn leave(&self, mut courses: Vec<Course>) -> Vec<Course> {
        courses.retain(|course| {
            let [Step::Delete { head, expected }] = course.steps.as_slice() else { return true };
            !self.rows.iter().any(|row| row.is_of(head, expected))
        });
        courses
    }

    /// Tells of those that stand where they stood in an earlier pass.
    pub(in crate::pass) fn told(&self, heads: &[HeadBranch], desired: &[Desired]) -> Vec<Skipped> {
        let earlier = || self.rows.iter().filter(|row| row.second != self.now);
        let left = heads.iter().filter(|head| !desired.iter().any(|wanted| wanted.head == head.name));
        let known = left.filter_map(|head| earlier().find(|row| row.is_of(&head.name, &head.tip)));
        known.map(|row| told(&row.head, &row.words)).collect()
    }

    /// Remembers what was refused a moment ago, and tells of those of which nothing else was to be done.
    pub(in crate::pass) fn keep(&mut self, stays: Vec<Stays>, courses: &mut Vec<Course>) -> Vec<Skipped> {
        let mut alone = Vec::new();
        if stays.is_empty() {
            return alone;
        }
        for Stays { head, commit, words } in stays {
            let is_it = |course: &mut Course| course.head == head && matches!(*course.steps, [Step::Delete { .. }]);
            alone.extend(courses.extract_if(.., is_it).map(|_| told(head.as_str(), &words)));
            self.rows.retain(|row| row.head != head.as_str());
            let (head, commit) = (head.to_string(), commit.to_string());
            self.rows.push(Row { head, commit, words, second: self.now });
        }
        self.rows.drain(..self.rows.len().saturating_sub(MOST));
        if let Ok(bytes) = serde_json::to_vec(&self.rows) {
            self.cache.keep_refusals(&[(self.key, bytes)]);
        }
        alone
    }
}

impl Row {
    fn is_of(&self, head: &BranchName, commit: &CommitId) -> bool {
        self.head == head.as_str() && self.commit == commit.as_str()
    }
}

fn told(head: &str, words: &str) -> Skipped {
    Skipped {
        what: head.to_owned(),
        reason: format!("nothing needs this branch any more, and it could not be removed: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::proposal::Action;
    use crate::pass::setup::no_cache;

    use super::*;

    #[test]
    fn what_was_refused_is_tried_again_a_day_later_or_where_it_has_moved() {
        let folder = tempfile::tempdir().unwrap();
        let clock = std::sync::Arc::new(crate::clock::SystemClock);
        let cache = Cache::open(&folder.path().join("cache.db"), clock);
        let home = |path: &str| Source { host: "git.acme.example".to_owned(), path: path.to_owned() };
        let (head, words) = (BranchName::from("tagboat/prod/web"), "restricted".to_owned());
        let commit = |digit: &str| CommitId(digit.repeat(40).into());
        let course = |digit: &str| Course {
            proposal: None,
            environment: "prod".into(),
            group: "web".to_owned(),
            head: head.clone(),
            url: None,
            action: Action::Closed,
            reason: None,
            steps: vec![Step::Delete { head: head.clone(), expected: commit(digit) }],
            instead: Vec::new(),
        };
        let at = |second: i64, cache, path: &str| {
            Unremoved::read(cache, &home(path), Timestamp::from_second(1_800_000_000 + second).unwrap())
        };
        let mut tried = vec![course("a")];
        let told = at(0, &cache, "acme/gitops")
            .keep(vec![Stays { head: head.clone(), commit: commit("a"), words }], &mut tried);
        let reason = "nothing needs this branch any more, and it could not be removed: restricted";
        assert_eq!(told, [Skipped { what: "tagboat/prod/web".to_owned(), reason: reason.to_owned() }]);
        assert_eq!(tried, [], "it is told once");
        let is_left = |second, cache, path, digit| at(second, cache, path).leave(vec![course(digit)]).is_empty();
        assert!(is_left(LATELY - 1, &cache, "acme/gitops", "a"));
        assert!(!is_left(LATELY, &cache, "acme/gitops", "a"), "somebody may have allowed it");
        assert!(!is_left(1, &cache, "acme/gitops", "b"), "it has moved");
        assert!(!is_left(1, &cache, "acme/other", "a"), "it is another repository's");
        assert!(!is_left(1, &no_cache(), "acme/gitops", "a"), "nothing is remembered");
    }
}
