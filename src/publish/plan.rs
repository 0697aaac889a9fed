//! Which commits a pass makes: one for each environment, with the trailers that history is read from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::model::change::{Change, ChangeSet, FileEdit};
use crate::model::commit::{
    CommitPlan, CommitStyle, TRAILER_BY, TRAILER_DATED, TRAILER_ENVIRONMENT, TRAILER_FAILED, TRAILER_HOLD,
    TRAILER_IMAGE, TRAILER_KEY, TRAILER_ORDER, TRAILER_PUBLISH, TRAILER_REASON, TRAILER_SKIP,
};
use crate::model::environment::{EnvironmentName, Publish};
use crate::model::gate::{Closing, GateName};
use crate::model::history::Ordered;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::markdown::quiet;
use crate::model::site::Value;
use crate::model::template::Facts;
use crate::publish::wording;

/// How many images a commit's subject names before it only counts them.
const NAMED_IN_SUBJECT: usize = 1;

/// How the words begin by which forges close or reopen issues when a commit reaches the base.
const CLOSING: [&str; 6] = ["clos", "fix", "resolv", "implement", "complet", "reopen"];

/// A commit with the files it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCommit {
    /// Message and author.
    pub plan: CommitPlan,
    /// The files' new content.
    pub files: Vec<FileEdit>,
    /// The hash of what it changes; empty where it changes no reference.
    pub key: String,
    /// When the first of the gates that let it pass closes again: from then on it does not reach a base branch. `None` where none does,
    /// or none was asked.
    pub closes: Option<Closing>,
}

/// Plans one commit for each environment that changes something.
pub fn commits(changes: &[(EnvironmentName, ChangeSet)], style: &CommitStyle) -> Vec<PlannedCommit> {
    changes
        .iter()
        .filter(|(_, changes)| !changes.files.is_empty())
        .map(|(environment, changes)| commit(environment, &changes.changes, changes.files.clone(), style))
        .collect()
}

/// Plans the commit that makes some changes of an environment.
pub fn commit(
    environment: &EnvironmentName,
    changes: &[Change],
    files: Vec<FileEdit>,
    style: &CommitStyle,
) -> PlannedCommit {
    let moves: Moves<'_> = changes.iter().map(|change| (&change.image, &change.from, &change.to)).collect();
    let key = key(environment.as_str(), &moves);
    PlannedCommit {
        plan: CommitPlan {
            environment: environment.clone(),
            message: message(environment, (&moves, &published(changes)), &files, &key, style),
            author: style.author.clone(),
            committer: style.committer().clone(),
            sign: style.sign,
        },
        files,
        key,
        closes: None,
    }
}

/// What a person ordered, or what Tagboat does by itself when a version failed, as its commit tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderNote {
    /// What.
    pub order: Ordered,
    /// What is held from then on.
    pub holds: Vec<Hold>,
    /// The gates that were not waited for.
    pub skipped: BTreeSet<GateName>,
    /// How it is published: a later pass merges what was ordered to be merged.
    pub publish: Publish,
    /// Who, on one line.
    pub by: Option<String>,
    /// Why, on one line.
    pub reason: Option<String>,
    /// What failed, where nobody ordered it.
    pub failed: Option<String>,
    /// What else a reader should know: what was passed over, and what stays behind.
    pub notes: Vec<String>,
}

/// What leads a line of an order's commit that tells what else a reader should know.
pub const NOTE: &str = "Note: ";

/// Plans the commit that does what a person ordered.
///
/// Its key differs from that of the same move made by a pass, whose refusal says nothing about it.
pub fn ordered_commit(
    environment: &EnvironmentName,
    changes: &[Change],
    files: Vec<FileEdit>,
    style: &CommitStyle,
    note: &OrderNote,
) -> PlannedCommit {
    let moves: Moves<'_> = changes.iter().map(|change| (&change.image, &change.from, &change.to)).collect();
    let key = key(&format!("{} {environment}", note.order.as_str()), &moves);
    let mut text = match (note.order, moves.iter().next(), moves.len()) {
        (Ordered::Rollback, Some((image, _, to)), 1) => format!("{environment}: roll {} back to {to}", short(image)),
        (Ordered::Promote, Some((image, _, to)), 1) => format!("{environment}: promote {} to {to}", short(image)),
        (order, _, count) => format!("{environment}: {} {count} images", order.as_str()),
    };
    // A digest makes a subject that nobody reads.
    if let Some(at) = text.find("@sha256:") {
        text.truncate(at);
    }
    text.push_str("\n\n");
    body(&mut text, &moves);
    // What a person says is theirs; what failed was named by whoever may report on a commit.
    let said = |words: &str| if note.failed.is_some() { quiet(words) } else { words.to_owned() };
    let reason = note.reason.as_deref().map(said);
    if let Some(reason) = &reason {
        let _infallible = writeln!(text, "\nReason: {reason}");
    }
    for told in &note.notes {
        let _infallible = writeln!(text, "\n{NOTE}{}", quiet(told));
    }
    if !note.skipped.is_empty() {
        let _infallible = writeln!(text, "\nNot waited for: {}", names(&note.skipped));
    }
    text.push('\n');
    // What goes back is no delivery.
    let published = if note.order == Ordered::Promote { published(changes) } else { Published::new() };
    moved_trailers(&mut text, environment, (&moves, &published), &key);
    let _infallible = writeln!(text, "{TRAILER_ORDER}: {}", note.order.as_str());
    if note.publish == Publish::AutoMerge && note.failed.is_none() {
        let _infallible = writeln!(text, "{TRAILER_PUBLISH}: {}", note.publish.as_str());
    }
    for hold in &note.holds {
        let _infallible = writeln!(text, "{TRAILER_HOLD}: {}:{}{}", hold.image, hold.tag, place(hold));
    }
    if !note.skipped.is_empty() {
        let _infallible = writeln!(text, "{TRAILER_SKIP}: {}", names(&note.skipped));
    }
    if let Some(by) = &note.by {
        let _infallible = writeln!(text, "{TRAILER_BY}: {by}");
    }
    if let Some(reason) = &reason {
        let _infallible = writeln!(text, "{TRAILER_REASON}: {reason}");
    }
    if let Some(failed) = note.failed.as_deref().map(said) {
        let _infallible = writeln!(text, "{TRAILER_FAILED}: {failed}");
    }
    for (key, value) in style.further_trailers() {
        let _infallible = writeln!(text, "{key}: {value}");
    }
    let plan = CommitPlan {
        environment: environment.clone(),
        message: text,
        author: style.author.clone(),
        committer: style.committer().clone(),
        sign: style.sign,
    };
    PlannedCommit { plan, files, key, closes: None }
}

fn names(gates: &BTreeSet<GateName>) -> String {
    gates.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Names where a hold holds, behind its version.
pub(super) fn place(hold: &Hold) -> String {
    hold.environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default()
}

/// Returns the last part of an image's name.
pub(super) fn short(image: &ImageName) -> &str {
    image.path().rsplit('/').next().unwrap_or_default()
}

/// The distinct moves of a commit, whatever number of files each changes.
type Moves<'a> = BTreeSet<(&'a ImageName, &'a Value, &'a Value)>;

/// When what comes was published.
type Published<'a> = BTreeMap<(&'a ImageName, &'a Value), Timestamp>;

/// The time before which nothing was published: images that are built to be the same every time say 1970 or 1980.
const OLDEST: Timestamp = Timestamp::constant(946_684_800, 0);

fn published(changes: &[Change]) -> Published<'_> {
    let known = changes.iter().filter_map(|change| Some(((&change.image, &change.to), change.published?)));
    known.filter(|(_, time)| *time >= OLDEST).collect()
}

fn message(
    environment: &EnvironmentName,
    (moves, published): (&Moves<'_>, &Published<'_>),
    files: &[FileEdit],
    key: &str,
    style: &CommitStyle,
) -> String {
    let subject = subject(environment, moves);
    let mut default = format!("{subject}\n\n");
    body(&mut default, moves);
    let facts = Facts {
        environment: environment.to_string(),
        summary: wording::summary(&subject).to_owned(),
        default: default.trim_end().to_owned(),
        files: files.iter().map(|file| file.file.to_string()).collect(),
        images: moves.iter().map(|(image, from, to)| wording::image(image, from, to, "")).collect(),
        ..Facts::default()
    };
    let mut text = wording::message(style.message.as_ref(), &facts);
    text.push_str("\n\n");
    moved_trailers(&mut text, environment, (moves, published), key);
    for (key, value) in style.further_trailers() {
        let _infallible = writeln!(text, "{key}: {value}");
    }
    text
}

fn body(text: &mut String, moves: &Moves<'_>) {
    for (image, from, to) in moves {
        let _infallible = writeln!(text, "- {image} from {from} to {to}");
    }
}

fn moved_trailers(
    text: &mut String,
    environment: &EnvironmentName,
    (moves, published): (&Moves<'_>, &Published<'_>),
    key: &str,
) {
    let _infallible = writeln!(text, "{TRAILER_ENVIRONMENT}: {environment}");
    for (image, from, to) in moves {
        let from = if may_close(image) { format!("\"{from}\"") } else { from.to_string() };
        let _infallible = writeln!(text, "{TRAILER_IMAGE}: {image} {from} -> {to}");
    }
    for ((image, value), time) in published {
        let _infallible = writeln!(text, "{TRAILER_DATED}: {image} {time} {value}");
    }
    let _infallible = writeln!(text, "{TRAILER_KEY}: {key}");
}

/// Whether an image's name ends in a word that closes an issue which is named right behind it, on one of the forges: a tag such as
/// `gh-1` or `ACME-1` would be taken for its name. Everywhere else another word stands between the two.
fn may_close(image: &ImageName) -> bool {
    let last = image.as_str().rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    CLOSING.iter().any(|stem| last.starts_with(stem))
}

fn subject(environment: &EnvironmentName, moves: &Moves<'_>) -> String {
    match moves.len() {
        0..=NAMED_IN_SUBJECT => moves
            .iter()
            .map(|(image, from, to)| {
                let short = short(image);
                match (&from.tag, &to.tag) {
                    (Some(old), Some(new)) if old == new => {
                        format!("{environment}: renew the digest of {short} at {new}")
                    }
                    (_, Some(new)) => format!("{environment}: update {short} to {new}"),
                    (_, None) => format!("{environment}: update {short}"),
                }
            })
            .collect(),
        count => format!("{environment}: update {count} images"),
    }
}

/// Hashes the content of a change: what moves where in which environment, whatever the commit's base.
fn key(environment: &str, moves: &Moves<'_>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(environment);
    for (image, from, to) in moves {
        hasher.update(format!("\n{image} {from} -> {to}"));
    }
    hasher.finalize().iter().take(16).fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests;
