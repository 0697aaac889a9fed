//! What commits say about themselves: trailers, pull requests, and whether Tagboat made them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::git::log::LogEntry;
use crate::model::commit::{
    TRAILER_BY, TRAILER_DATED, TRAILER_ENVIRONMENT, TRAILER_FAILED, TRAILER_HOLD, TRAILER_IMAGE, TRAILER_ORDER,
    TRAILER_REASON, TRAILER_RELEASE, TRAILER_SKIP,
};
use crate::model::environment::EnvironmentName;
use crate::model::history::{Mover, Ordered, Word};
use crate::model::image::ImageName;
use crate::model::site::Value;

/// How many skipped gates a trailer names at most: more than there are.
const MOST_SKIPPED: usize = 20;

/// The longest that is kept of what a trailer or a name says, in characters: as much as an entry of the holds keeps.
const LONGEST: usize = 1_000;

/// Tells Tagboat's own commits by their trailers, which must name what the commit really did.
///
/// A merge counts as the commits that it brought.
pub(super) fn mover(
    (entry, depth): (&LogEntry, usize),
    environment: &EnvironmentName,
    image: &ImageName,
    (steps, came_values): (&BTreeSet<(Value, Value)>, &BTreeSet<&Value>),
) -> (Mover, Word) {
    let left: BTreeSet<String> = steps.iter().map(|(left, _)| format!("{image} {left} -> ")).collect();
    let came: Vec<String> = came_values.iter().map(|value| format!("-> {value}")).collect();
    let is_own = |told: &&str| {
        let trailers = trailers(told);
        let of = |key: &str| {
            let found = trailers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| *value).collect::<Vec<_>>()
        };
        let images = of(TRAILER_IMAGE);
        of(TRAILER_ENVIRONMENT).contains(&environment.as_str())
            && !came.is_empty()
            && came.iter().all(|came| {
                images.iter().any(|line| line.split(' ').next() == Some(image.as_str()) && line.ends_with(came))
            })
    };
    let messages = || std::iter::once(&entry.message).chain(&entry.merged).map(String::as_str);
    // A message that was used again names another beginning. What several commits did is told by all of them.
    let begins = |left: &String| {
        let mut told = messages().flat_map(|message| trailers(message));
        // Quotes keep what is left from being taken for the name of an issue.
        told.any(|(key, value)| {
            key.eq_ignore_ascii_case(TRAILER_IMAGE) && value.replace('"', "").starts_with(left.as_str())
        })
    };
    // A squash of several commits keeps the trailers of each, and what one ordered is no word about another.
    let own = messages().flat_map(blocks).find(is_own).or_else(|| messages().find(is_own));
    match own.filter(|_| left.iter().all(begins)) {
        Some(own) => {
            let values: Vec<&Value> = came_values.iter().copied().collect();
            let published = published(own, image, &values);
            (Mover::Tagboat, Word { published, ..word(entry, own, depth) })
        }
        None => {
            let word = word(entry, "", depth);
            (Mover::Person(word.author.clone()), word)
        }
    }
}

/// Reads what a commit says about itself; the trailers of an order are those of `own`, its message or a merged one.
pub(super) fn word(entry: &LogEntry, own: &str, depth: usize) -> Word {
    let trailers = trailers(own);
    let of = |key: &str| {
        let found = trailers.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| *value)
    };
    let skipped = of(TRAILER_SKIP).unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    Word {
        depth,
        author: kept(&entry.author.name),
        pull_request: pull_request(&entry.message),
        order: of(TRAILER_ORDER)
            .and_then(|word| [Ordered::Rollback, Ordered::Promote].into_iter().find(|order| order.as_str() == word)),
        skipped: skipped.take(MOST_SKIPPED).map(kept).collect(),
        reason: of(TRAILER_REASON).map(kept),
        by: of(TRAILER_BY).map(kept),
        failed: of(TRAILER_FAILED).map(kept),
        published: Vec::new(),
    }
}

/// Keeps what somebody wrote as it is, but for what would act on a terminal or turn the direction of a line.
pub fn kept(text: &str) -> String {
    let acts = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut kept = String::with_capacity(text.len().min(LONGEST));
    for letter in text.chars().take(LONGEST) {
        if acts(letter) { kept.extend(letter.escape_debug()) } else { kept.push(letter) }
    }
    kept
}

/// Reads what a commit that changed the holds says about itself: of a merge, the message that names what is held.
pub(super) fn word_of_holds(entry: &LogEntry, depth: usize) -> Word {
    let tells = |message: &&String| {
        let is_it = |key: &str| key.eq_ignore_ascii_case(TRAILER_HOLD) || key.eq_ignore_ascii_case(TRAILER_RELEASE);
        trailers(message).into_iter().any(|(key, _)| is_it(key))
    };
    let own = std::iter::once(&entry.message).chain(&entry.merged).find(tells);
    word(entry, own.unwrap_or(&entry.message), depth)
}

/// Reads when what came of an image was published.
fn published(message: &str, image: &ImageName, came: &[&Value]) -> Vec<(Value, Timestamp)> {
    let told = trailers(message).into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(TRAILER_DATED));
    let read = |(_, line): (&str, &str)| {
        let mut words = line.split(' ');
        let (name, time, value) = (words.next()?, words.next()?, words.next()?);
        let value = came.iter().find(|came| came.to_string() == value).filter(|_| name == image.as_str())?;
        Some(((*value).clone(), time.parse().ok()?))
    };
    told.filter_map(read).collect()
}

/// Returns the `Key: value` lines of a message: its trailers, and lines that look like them.
///
/// Not only the last paragraph's (git-interpret-trailers): forges put lines of their own behind it when they squash.
pub(super) fn trailers(message: &str) -> Vec<(&str, &str)> {
    message.lines().filter_map(|line| line.split_once(": ")).map(|(key, value)| (key, value.trim())).collect()
}

/// Cuts a message into the trailers of each commit of Tagboat's that it tells of: these begin with the environment.
fn blocks(message: &str) -> Vec<&str> {
    let lines = message.split_inclusive('\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line))
    });
    let begins =
        |line: &str| line.split_once(": ").is_some_and(|(key, _)| key.eq_ignore_ascii_case(TRAILER_ENVIRONMENT));
    let starts: Vec<usize> = lines.filter(|(_, line)| begins(line)).map(|(start, _)| start).collect();
    let ends = starts.iter().skip(1).copied().chain([message.len()]);
    starts.iter().zip(ends).map(|(start, end)| &message[*start..end]).collect()
}

/// Finds the pull request in the words that forges write into merges: `Merge pull request #12 from`, Gitea's
/// `Merge pull request 'Title' (#12) from`, `Title (#12)`, `See merge request group/name!12`.
fn pull_request(message: &str) -> Option<String> {
    let subject = message.lines().next().unwrap_or_default();
    let digits = |text: &str| {
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        (1..=18).contains(&end).then(|| text[..end].to_owned())
    };
    if let Some(rest) = subject.strip_prefix("Merge pull request #") {
        return digits(rest).map(|number| format!("#{number}"));
    }
    // The title may say anything, and so may the names of branches behind: the number stands between the two.
    if let Some(rest) = subject.strip_prefix("Merge pull request '")
        && let Some((_, rest)) = rest.rsplit_once("' (#")
    {
        return digits(rest)
            .filter(|number| rest[number.len()..].starts_with(") from "))
            .map(|number| format!("#{number}"));
    }
    if let Some((_, rest)) = subject.trim_end().strip_suffix(')').and_then(|subject| subject.rsplit_once("(#")) {
        return digits(rest).filter(|number| number.len() == rest.len()).map(|number| format!("#{number}"));
    }
    let line = message.lines().find_map(|line| line.strip_prefix("See merge request "))?;
    let (_, rest) = line.rsplit_once('!')?;
    digits(rest).map(|number| format!("!{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_pull_request_that_a_forge_names() {
        for (message, expected) in [
            ("Merge pull request #12 from acme/tagboat/dev/web\n\nTitle", Some("#12")),
            ("dev: update web to 1.5.0 (#7)\n", Some("#7")),
            ("Merge pull request 'dev: update web (#3)' (#14) from tagboat/dev/web into main", Some("#14")),
            ("Merge pull request 'dev: update web' (#x) from tagboat/dev/web into main", None),
            ("Merge branch 'x' into 'main'\n\nSee merge request acme/gitops!31", Some("!31")),
            ("Fix #12", None),
            ("A title (#12a)", None),
            ("", None),
        ] {
            assert_eq!(pull_request(message).as_deref(), expected, "{message}");
        }
    }

    #[test]
    fn what_people_say_is_read_back_as_they_said_it() {
        let entry = |name: &str, reason: &str| LogEntry {
            id: crate::model::commit::CommitId("1".repeat(40).into()),
            parent: None,
            is_merge: false,
            others: Vec::new(),
            author: crate::model::commit::Identity { name: name.to_owned(), email: "ada@acme.example".to_owned() },
            committer: crate::model::commit::Identity { name: name.to_owned(), email: "ada@acme.example".to_owned() },
            time: "2026-11-20T08:00:00Z".parse().unwrap(),
            message: format!(
                "prod: back\n\n{TRAILER_REASON}: {reason}\n{TRAILER_BY}: {name}\n{TRAILER_FAILED}: {reason}\n"
            ),
            merged: Vec::new(),
        };
        let read = |name: &str, reason: &str| {
            let entry = entry(name, reason);
            word(&entry, &entry.message, 0)
        };
        let long = "a \"bad\" day in C:\\logs, it's Zo\u{eb}'s: ".repeat(4);
        let reason = long.trim();
        let word = read("Ada \"the\" O'Hara", reason);
        assert_eq!((word.reason.as_deref(), word.failed.as_deref()), (Some(reason), Some(reason)));
        assert_eq!((word.author.as_str(), word.by.as_deref()), ("Ada \"the\" O'Hara", Some("Ada \"the\" O'Hara")));
        let word = read("Eve\u{1b}[2J", "\u{202e}over\u{7}");
        assert_eq!((word.author.as_str(), word.reason.as_deref()), ("Eve\\u{1b}[2J", Some("\\u{202e}over\\u{7}")));
        assert_eq!(read("Ada", &"x".repeat(5_000)).reason.map(|reason| reason.len()), Some(LONGEST));
    }

    #[test]
    fn of_several_commits_that_were_squashed_into_one_each_keeps_its_own_words() {
        let person = crate::model::commit::Identity { name: "Ada".to_owned(), email: "ada@acme.example".to_owned() };
        let message = "Both (#3)\n\n* prod: roll web back to 1.4.0\n\nReason: loses sessions\n\nTagboat-Environment: prod\n\
                       Tagboat-Image: ghcr.io/acme/web 1.5.0 -> 1.4.0\nTagboat-Order: rollback\nTagboat-By: Pat\n\
                       Tagboat-Reason: loses sessions\n\n* staging: update web to 1.6.0\n\nTagboat-Environment: staging\n\
                       Tagboat-Image: ghcr.io/acme/web 1.5.0 -> 1.6.0\n";
        let entry = LogEntry {
            id: crate::model::commit::CommitId("1".repeat(40).into()),
            parent: None,
            is_merge: false,
            others: Vec::new(),
            author: person.clone(),
            committer: person,
            time: "2026-11-20T08:00:00Z".parse().unwrap(),
            message: message.to_owned(),
            merged: Vec::new(),
        };
        let of = |environment: &str, to: &str| {
            let value = |tag: &str| Value { tag: Some(tag.parse().unwrap()), digest: None };
            let (left, came) = (value("1.5.0"), value(to));
            let moved = (&BTreeSet::from([(left, came.clone())]), &BTreeSet::from([&came]));
            mover((&entry, 0), &environment.into(), &"ghcr.io/acme/web".parse().unwrap(), moved)
        };
        let (by, word) = of("staging", "1.6.0");
        assert_eq!((by, word.order, word.by, word.reason), (Mover::Tagboat, None, None, None));
        let (by, word) = of("prod", "1.4.0");
        assert_eq!((by, word.order, word.by.as_deref()), (Mover::Tagboat, Some(Ordered::Rollback), Some("Pat")));
    }

    #[test]
    fn a_commit_is_tagboat_s_whether_or_not_its_trailer_quotes_what_was_left() {
        let by = |trailer: &str| {
            let person =
                crate::model::commit::Identity { name: "Ada".to_owned(), email: "ada@acme.example".to_owned() };
            let entry = LogEntry {
                id: crate::model::commit::CommitId("1".repeat(40).into()),
                parent: None,
                is_merge: false,
                others: Vec::new(),
                author: person.clone(),
                committer: person,
                time: "2026-11-20T08:00:00Z".parse().unwrap(),
                message: format!("dev: update\n\nTagboat-Environment: dev\nTagboat-Image: {trailer}\n"),
                merged: Vec::new(),
            };
            let value = |tag: &str| Value { tag: Some(tag.parse().unwrap()), digest: None };
            let (left, came) = (value("gh-1"), value("gh-2"));
            let image = "ghcr.io/acme/fixes".parse().unwrap();
            let moved = (&BTreeSet::from([(left, came.clone())]), &BTreeSet::from([&came]));
            mover((&entry, 0), &"dev".into(), &image, moved).0
        };
        assert_eq!(by("ghcr.io/acme/fixes \"gh-1\" -> gh-2"), Mover::Tagboat);
        assert_eq!(by("ghcr.io/acme/fixes gh-1 -> gh-2"), Mover::Tagboat);
        assert_ne!(by("ghcr.io/acme/fixes \"gh-0\" -> gh-2"), Mover::Tagboat);
    }
}
