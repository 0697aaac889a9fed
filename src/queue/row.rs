//! How a repository stands, as the process that ran its last pass tells the others.
//!
//! Read by everybody who shares the queue, so nothing in it is believed further than it can do harm: times are not
//! later than now, numbers and lengths are bounded, and what is broken is nothing.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::commit::CommitId;
use crate::model::image::{ImageName, shorten};

/// The version of the form.
const FORM: u32 = 1;

/// The longest row that is read or written, in bytes: what NATS carries in one message, with room for the rest of it.
pub(super) const MAX_BYTES: usize = 900 << 10;

/// The most images that are told.
const MOST_IMAGES: usize = 5_000;

/// The most repositories that come before one, as they are told.
const MOST_FOLLOWED: usize = 100;

/// The most branches whose newest commits are told.
const MOST_TIPS: usize = 1_000;

/// Clocks differ; what lies further ahead than this is not believed.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// The most failures in a row that matter: back-off ends long before.
const MOST_FAILURES: u32 = 1_000;

/// How a repository stands after a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When the pass began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How many have failed in a row.
    pub failures: u32,
    /// When something that waits may move.
    pub earliest: Option<Timestamp>,
    /// The images that the repository follows, where a pass has told.
    pub images: Option<BTreeSet<ImageName>>,
    /// The repositories whose environments come before one of its own.
    pub follows: BTreeSet<String>,
    /// The newest commits of its branches, where a pass has told.
    pub tips: Option<Vec<CommitId>>,
    /// Why it began.
    pub cause: String,
    /// What it came to.
    pub result: String,
    /// Who ran it.
    pub by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRow {
    form: u32,
    repository: String,
    began: Timestamp,
    ended: Timestamp,
    failures: u32,
    earliest: Option<Timestamp>,
    images: Option<Vec<String>>,
    follows: BTreeSet<String>,
    tips: Option<Vec<String>>,
    cause: String,
    result: String,
    by: String,
}

/// Cuts a text of somebody else's to what a log line bears.
fn word(text: &str) -> String {
    shorten(text)
}

impl Row {
    /// Writes the row of a repository.
    pub(super) fn write(&self, repository: &str) -> Vec<u8> {
        let images = self.images.as_ref().filter(|images| images.len() <= MOST_IMAGES);
        let mut raw = RawRow {
            form: FORM,
            repository: repository.to_owned(),
            began: self.began,
            ended: self.ended,
            failures: self.failures,
            earliest: self.earliest,
            images: images.map(|images| images.iter().map(|image| image.as_str().to_owned()).collect()),
            follows: self.follows.iter().take(MOST_FOLLOWED).cloned().collect(),
            tips: self.tips.as_ref().map(|tips| tips.iter().take(MOST_TIPS).map(|tip| tip.0.to_string()).collect()),
            cause: self.cause.clone(),
            result: self.result.clone(),
            by: self.by.clone(),
        };
        let write = |raw: &RawRow| serde_json::to_vec(raw).expect("plain texts and numbers can be written");
        let bytes = write(&raw);
        if bytes.len() <= MAX_BYTES {
            return bytes;
        }
        raw.images = None;
        write(&raw)
    }

    /// Reads the row of a repository; `None` where it is none that could be.
    pub(super) fn read(repository: &str, bytes: &[u8], now: Timestamp) -> Option<Self> {
        if bytes.len() > MAX_BYTES {
            return None;
        }
        let raw: RawRow = serde_json::from_slice(bytes).ok()?;
        let latest = now.checked_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX);
        let holds = raw.form == FORM && raw.repository == repository && raw.began <= raw.ended && raw.ended <= latest;
        let few = raw.follows.len() <= MOST_FOLLOWED
            && raw.tips.as_ref().is_none_or(|tips| tips.len() <= MOST_TIPS)
            && raw.images.as_ref().is_none_or(|images| images.len() <= MOST_IMAGES);
        (holds && few).then_some(())?;
        let images = match raw.images {
            Some(images) => Some(images.iter().map(|image| image.parse().ok()).collect::<Option<_>>()?),
            None => None,
        };
        Some(Self {
            began: raw.began.min(now),
            ended: raw.ended.min(now),
            failures: raw.failures.min(MOST_FAILURES),
            earliest: raw.earliest,
            images,
            follows: raw.follows,
            tips: raw.tips.map(|tips| tips.iter().map(|tip| CommitId(tip.as_str().into())).collect()),
            cause: word(&raw.cause),
            result: word(&raw.result),
            by: word(&raw.by),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://git.example/acme/gitops";

    fn at(text: &str) -> Timestamp {
        format!("2026-11-20T{text}Z").parse().unwrap()
    }

    fn row() -> Row {
        Row {
            began: at("08:00:00.123456789"),
            ended: at("08:00:02"),
            failures: 2,
            earliest: Some(at("09:00:00")),
            images: Some(["ghcr.io/acme/web".parse().unwrap()].into()),
            follows: ["https://git.example/acme/other".to_owned()].into(),
            tips: Some(vec![CommitId("4f2a".into())]),
            cause: "gate".to_owned(),
            result: "done".to_owned(),
            by: "tagboat-0".to_owned(),
        }
    }

    #[test]
    fn reads_back_as_it_was_written_to_the_last_nanosecond() {
        assert_eq!(Row::read(URL, &row().write(URL), at("08:00:03")), Some(row()));
    }

    #[test]
    fn what_could_not_be_is_nothing() {
        let bytes = row().write(URL);
        let now = at("08:00:03");
        assert_eq!(Row::read("https://git.example/acme/other", &bytes, now), None);
        assert_eq!(Row::read(URL, &bytes, at("07:00:00")), None, "it ends in the future");
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("\"form\":1", "\"form\":2"),
            ("ghcr.io/acme/web", "ghcr.io/acme/web bad"),
            ("08:00:00.1", "08:30:00.1"),
            ("\"failures\":2", "\"failures\":-2"),
            ("}", ""),
        ] {
            assert!(text.contains(from));
            assert_eq!(Row::read(URL, text.replace(from, to).as_bytes(), now), None, "{from} -> {to}");
        }
        assert_eq!(Row::read(URL, &vec![b' '; MAX_BYTES + 1], now), None);
        assert_eq!(Row::read(URL, "[".repeat(100_000).as_bytes(), now), None);
    }

    #[test]
    fn a_clock_that_is_a_little_ahead_counts_as_now_and_words_are_cut() {
        let text = String::from_utf8(row().write(URL)).unwrap();
        let long = text.replace("tagboat-0", &format!("\\u001b{}", "x".repeat(10_000)));
        let read = Row::read(URL, long.as_bytes(), at("08:00:01")).unwrap();
        assert_eq!(read.ended, at("08:00:01"));
        assert!(read.by.len() < 500 && !read.by.contains('\u{1b}'), "{}", read.by.len());
    }

    #[test]
    fn too_many_images_are_left_out() {
        let images = (0..=MOST_IMAGES).map(|number| format!("ghcr.io/acme/web{number}").parse().unwrap()).collect();
        let many = Row { images: Some(images), ..row() };
        assert_eq!(Row::read(URL, &many.write(URL), at("08:00:03")).unwrap().images, None);
    }
}
