//! What is held and released, as commits of the file of holds and as the pull request that proposes one.
//!
//! Entry points: [`commit`] and [`body`]. Pure. Knows nothing of how the file is edited.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::model::change::FileEdit;
use crate::model::commit::{
    CommitPlan, CommitStyle, TRAILER_BY, TRAILER_HOLD, TRAILER_KEY, TRAILER_REASON, TRAILER_RELEASE,
};
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::hold::Hold;
use crate::model::markdown::{code, plain};
use crate::model::pull_request::PullRequestStyle;
use crate::publish::plan::{PlannedCommit, place, short};

/// What the head branch is called behind the prefix: no environment's name begins so.
const HEAD: &str = "@holds";

/// The environment that stands for all of them.
const EVERYWHERE: &str = "*";

/// The most characters of who holds or releases a version, and why, that are said in a comment.
const LONGEST_WHY: usize = 300;

/// How many characters of a body are left for what stands around its rows.
const ROOM: usize = 2_000;

/// What an order changes in the file of holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HoldChange {
    /// What is held from then on.
    pub held: Vec<Hold>,
    /// What is held no more.
    pub released: Vec<Hold>,
    /// Who releases it, on one line.
    pub by: Option<String>,
    /// Why it is released, on one line.
    pub reason: Option<String>,
}

impl HoldChange {
    /// Returns the environment that it is told under.
    pub fn environment(&self) -> EnvironmentName {
        let first = self.held.iter().chain(&self.released).next();
        first.and_then(|hold| hold.environment.clone()).unwrap_or_else(|| EVERYWHERE.into())
    }

    /// Says in a few words what it does.
    pub fn subject(&self) -> String {
        let one = |verb: &str, hold: &Hold| format!("{verb} {}:{}{}", short(&hold.image), hold.tag, place(hold));
        match (self.held.as_slice(), self.released.as_slice()) {
            ([hold], []) => one("hold", hold),
            ([], [hold]) => one("release", hold),
            (several, []) => format!("hold {} versions", several.len()),
            ([], several) => format!("release {} versions", several.len()),
            (held, released) => format!("hold {} and release {}", count(held.len()), count(released.len())),
        }
    }
}

fn count(versions: usize) -> String {
    if versions == 1 { "1 version".to_owned() } else { format!("{versions} versions") }
}

/// Returns the branch on which a change of the holds is proposed.
pub fn head(style: &PullRequestStyle) -> BranchName {
    BranchName::from(format!("{}{HEAD}", style.branch_prefix).as_str())
}

/// Whether a branch is called, under whatever prefix, as one on which a change of the holds is proposed.
pub fn is_head(branch: &BranchName) -> bool {
    branch.as_str().ends_with(HEAD)
}

/// Plans the commit of an edit of the file of holds.
pub fn commit(environment: EnvironmentName, change: &HoldChange, edit: FileEdit, style: &CommitStyle) -> PlannedCommit {
    planned(environment, (message(change, None, style), String::new()), edit, style)
}

/// Plans the commit that proposes it on a head branch; by its key Tagboat knows it again as its own.
pub fn proposed(change: &HoldChange, edit: FileEdit, style: &CommitStyle) -> PlannedCommit {
    let mut hasher = Sha256::new();
    hasher.update(&edit.after);
    let key = hasher.finalize().iter().take(16).fold("holds-".to_owned(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    });
    planned(change.environment(), (message(change, Some(&key), style), key), edit, style)
}

fn planned(
    environment: EnvironmentName,
    (message, key): (String, String),
    edit: FileEdit,
    style: &CommitStyle,
) -> PlannedCommit {
    let (author, committer, sign) = (style.author.clone(), style.committer().clone(), style.sign);
    PlannedCommit {
        plan: CommitPlan { environment, message, author, committer, sign },
        files: vec![edit],
        key,
        closes: None,
    }
}

/// Writes the message: what is held and released, with a trailer for each.
fn message(change: &HoldChange, key: Option<&str>, style: &CommitStyle) -> String {
    let mut text = format!("{}\n\n", change.subject());
    for (verb, hold) in both(change) {
        let verb = if change.held.is_empty() || change.released.is_empty() { "" } else { verb };
        let reason = hold.reason.as_ref().filter(|_| !is_released(change, hold));
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let _infallible = writeln!(text, "- {verb}{}:{}{}{reason}", hold.image, hold.tag, place(hold));
    }
    if let Some(reason) = &change.reason {
        let _infallible = writeln!(text, "\nReason: {reason}");
    }
    text.push('\n');
    for (trailer, holds) in [(TRAILER_HOLD, &change.held), (TRAILER_RELEASE, &change.released)] {
        for hold in holds {
            let _infallible = writeln!(text, "{trailer}: {}:{}{}", hold.image, hold.tag, place(hold));
        }
    }
    let told = [(TRAILER_KEY, key), (TRAILER_BY, change.by.as_deref()), (TRAILER_REASON, change.reason.as_deref())];
    for (trailer, value) in told.into_iter().filter_map(|(trailer, value)| Some((trailer, value?))) {
        let _infallible = writeln!(text, "{trailer}: {value}");
    }
    for (key, value) in style.further_trailers() {
        let _infallible = writeln!(text, "{key}: {value}");
    }
    text
}

fn both(change: &HoldChange) -> impl Iterator<Item = (&'static str, &Hold)> {
    let held = change.held.iter().map(|hold| ("hold ", hold));
    held.chain(change.released.iter().map(|hold| ("release ", hold)))
}

fn is_released(change: &HoldChange, hold: &Hold) -> bool {
    change.released.iter().any(|other| std::ptr::eq(other, hold))
}

/// Says on the pull request of a change of which nothing is left why it is closed: by what a person has `ordered`, or since the base has it.
pub fn closing(ordered: &HoldChange) -> String {
    let (verb, holds) = if ordered.held.is_empty() { ("released", &ordered.released) } else { ("held", &ordered.held) };
    let (by, reason) = match ordered.held.first() {
        Some(hold) => (hold.by.as_deref(), hold.reason.as_deref()),
        None => (ordered.by.as_deref(), ordered.reason.as_deref()),
    };
    let by = by.map(|by| format!(", by {}", plain(&cut(by)))).unwrap_or_default();
    let reason = reason.map(|reason| format!(": {}", plain(&cut(reason)))).unwrap_or_default();
    let what = match holds.as_slice() {
        [] => "the base branch has all of it by now, or has had it".to_owned(),
        [hold] => {
            let version = code(&format!("{}:{}", hold.image, hold.tag));
            format!("{version}{} is {verb} again{by}{reason}", plain(&place(hold)))
        }
        several => format!("{} are {verb} again{by}{reason}", count(several.len())),
    };
    format!("Nothing of this is left to do: {what}.")
}

/// Cuts what somebody said to what a comment has room for.
pub(super) fn cut(said: &str) -> String {
    match said.char_indices().nth(LONGEST_WHY) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said.to_owned(),
    }
}

/// Writes the body of the pull request that proposes it.
pub fn body(change: &HoldChange, limit: usize) -> String {
    let mut text = String::from(
        "The base branch takes no direct push, so this stands as a pull request: merge it to make it last. **As long as it is \
         open, what it holds counts as held**: no pass brings those versions anywhere. What it releases counts as released \
         once it is merged. To take it back, close it, and remove its branch.\n\n",
    );
    let all = change.held.len() + change.released.len();
    for (index, (verb, hold)) in both(change).enumerate() {
        let mut row = format!("- {verb}{}{}", code(&format!("{}:{}", hold.image, hold.tag)), plain(&place(hold)));
        if let Some(until) = &hold.until {
            let _infallible = write!(row, " until {until}");
        }
        if let Some(by) = &hold.by {
            let _infallible = write!(row, ", by {}", plain(by));
        }
        if let Some(reason) = &hold.reason {
            let _infallible = write!(row, ": {}", plain(reason));
        }
        if text.chars().count() + row.chars().count() > limit.saturating_sub(ROOM) {
            let _infallible = writeln!(text, "- and {} more", all - index);
            break;
        }
        text.push_str(&row);
        text.push('\n');
    }
    let of_release = [("By", change.by.as_ref()), ("Reason", change.reason.as_ref())];
    for (name, value) in of_release.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let _infallible = write!(text, "\n{name}: {}\n", plain(value));
    }
    text
}
