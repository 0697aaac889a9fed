//! Checks of commits on the base branch: which names count, and what the newest report of each says.
//!
//! Owns the data and the search among commits; `crate::observe::checks` asks forges, `crate::promote` judges.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::model::commit::CommitId;
use crate::model::environment::EnvironmentName;
use crate::model::image::shorten;
use crate::model::pull_request::Check;

/// The name of a check as a configuration writes it: exactly, or with `*` at its end every one that begins so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckName(String);

impl CheckName {
    /// Returns the name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a check goes by this name; what a gate says only where it is written out.
    pub fn matches(&self, check: &Check) -> bool {
        match self.0.strip_suffix('*') {
            Some(begin) => check.name.starts_with(begin) && check.gate().is_none(),
            None => check.name == self.0,
        }
    }

    /// Whether only one check goes by it.
    fn is_exact(&self) -> bool {
        !self.0.ends_with('*')
    }
}

impl From<&str> for CheckName {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// The checks of every commit that was asked about, or why it could not be asked about, in words.
pub type Reports = BTreeMap<CommitId, Result<Vec<Check>, String>>;

/// Commits whose checks somebody wants to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChecksWant {
    /// The URL of the repository that the commits are of; `None` for the one that the pass is about.
    pub repository: Option<Arc<str>>,
    /// The names that count.
    pub names: Vec<CheckName>,
    /// The commits, newest first: an older one is asked about only for a name of which no newer one tells, the oldest always.
    pub commits: Vec<CommitId>,
}

impl ChecksWant {
    /// Returns the next commit to be asked about; `None` once every name is settled.
    pub fn next<'a>(&'a self, reports: &'a Reports) -> Option<&'a CommitId> {
        self.names.iter().find_map(|name| match newest(name, &self.commits, reports) {
            Err(Untold::NotAsked(commit)) => Some(commit),
            Ok(_) | Err(Untold::Failed(_)) => None,
        })
    }
}

/// How many commits one pass asks about for each kind of question: two requests each, and several times what a busy repository
/// needs.
pub const MOST_ASKED: usize = 60;

/// Says that a pass may ask about no more commits.
pub fn beyond() -> String {
    format!("more than {MOST_ASKED} commits would have to be asked about: the next pass goes on")
}

/// What checks are asked for. No kind of question takes the room of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Something may have to go back: it is watched.
    Watch,
    /// Something would go on from where it may have failed, and is watched no more.
    Late,
    /// A gate wants to know.
    Gate,
}

/// Questions about commits that lead to an answer together: once begun, all of them are asked, so that a pass which may not ask
/// everything settles some of it for good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inquiry {
    /// What for.
    pub concern: Concern,
    /// The environment that waits for the answer.
    pub environment: EnvironmentName,
    /// What waits there: an image, or a group.
    pub what: String,
}

/// What a pass has asked about commits so far.
#[derive(Debug, Clone, Default)]
pub struct Inquiries {
    begun: BTreeSet<Inquiry>,
    asked: BTreeMap<Concern, usize>,
}

impl Inquiries {
    /// Whether this pass may still ask for a concern.
    pub fn has_room(&self, concern: Concern) -> bool {
        self.asked.get(&concern).is_none_or(|asked| *asked < MOST_ASKED)
    }

    /// Whether this pass asks what an inquiry lacks.
    pub fn goes_on(&self, inquiry: &Inquiry) -> bool {
        self.begun.contains(inquiry) || self.has_room(inquiry.concern)
    }

    /// Begins an inquiry, unless there is no room for it; returns whether it goes on.
    pub fn begin(&mut self, inquiry: &Inquiry) -> bool {
        let goes_on = self.goes_on(inquiry);
        if goes_on {
            self.begun.insert(inquiry.clone());
        }
        goes_on
    }

    /// Counts a commit that is asked about.
    pub fn count(&mut self, concern: Concern) {
        *self.asked.entry(concern).or_default() += 1;
    }
}

/// Says what a check reported on a commit; names and words are the forge's, and somebody else's.
pub fn told(commit: &CommitId, check: &Check) -> String {
    format!("{}: {} on commit {}", shorten(&check.name), shorten(&check.word), commit.short())
}

/// Why the newest report of a name is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold<'a> {
    /// This commit has to be asked about.
    NotAsked(&'a CommitId),
    /// A commit could not be asked about; why, in words.
    Failed(&'a str),
}

/// Finds the newest report of every check that goes by a name, with the commit that it is about: by the time of the reports,
/// and of what tells no time by the commits.
///
/// A report may come late, and of an older commit: the one that brought the version is asked about in any case, and those
/// between it and the newest that has a report count as far as they are known.
///
/// # Errors
///
/// [`Untold`] where a commit that may have a newer one is not known.
pub fn newest<'a>(
    name: &CheckName,
    commits: &'a [CommitId],
    reports: &'a Reports,
) -> Result<Vec<(&'a CommitId, &'a Check)>, Untold<'a>> {
    let mut found: Vec<(&CommitId, &Check)> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, commit) in commits.iter().enumerate() {
        let is_needed = !name.is_exact() || found.is_empty() || index + 1 == commits.len();
        let checks = match reports.get(commit) {
            None if is_needed => return Err(Untold::NotAsked(commit)),
            Some(Err(reason)) if is_needed => return Err(Untold::Failed(reason)),
            None | Some(Err(_)) => continue,
            Some(Ok(checks)) => checks,
        };
        for check in checks.iter().filter(|check| name.matches(check)) {
            match seen.get(check.name.as_str()) {
                Some(known) if is_later(check, found[*known].1) => found[*known] = (commit, check),
                Some(_) => {}
                None => {
                    seen.insert(&check.name, found.len());
                    found.push((commit, check));
                }
            }
        }
    }
    Ok(found)
}

/// Whether a report came after another one, as far as both tell when they did.
fn is_later(one: &Check, other: &Check) -> bool {
    matches!((one.time, other.time), (Some(one), Some(other)) if one > other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pull_request::CheckState;

    fn commit(id: &str) -> CommitId {
        CommitId(id.into())
    }

    fn check(name: &str, state: CheckState) -> Check {
        Check { name: name.to_owned(), state, word: "word".to_owned(), text: String::new(), is_run: false, time: None }
    }

    #[test]
    fn a_star_at_the_end_takes_every_name_that_begins_so_and_never_what_a_gate_says() {
        let matches = |name: &str, of: &str| CheckName::from(name).matches(&check(of, CheckState::Passed));
        assert!(matches("argocd/*", "argocd/dev") && matches("argocd/*", "argocd/") && !matches("argocd/*", "argocd"));
        assert!(matches("*", "ci") && !matches("*", "tagboat/soak") && matches("tagboat/soak", "tagboat/soak"));
        assert!(matches("*", "tagboat/lint") && matches("tagboat/*", "tagboat/soaked"), "these are others' checks");
        let run = Check { is_run: true, ..check("tagboat/soak", CheckState::Failed) };
        assert!(CheckName::from("*").matches(&run), "no check run is Tagboat's");
        let exact = "argocd/dev";
        assert!(matches(exact, exact) && !matches(exact, "argocd/dev-2") && !matches(exact, "argocd/*"));
    }

    #[test]
    fn the_newest_report_of_a_name_counts_and_older_commits_are_asked_only_for_what_is_missing() {
        let commits = [commit("c"), commit("b"), commit("a")];
        let mut reports = Reports::new();
        let want = ChecksWant { repository: None, names: vec!["dev".into(), "e2e".into()], commits: commits.to_vec() };
        assert_eq!(want.next(&reports), Some(&commits[0]));
        reports.insert(commits[0].clone(), Ok(vec![check("dev", CheckState::Failed)]));
        assert_eq!(newest(&"dev".into(), &commits, &reports), Err(Untold::NotAsked(&commits[2])));
        reports.insert(commits[2].clone(), Ok(Vec::new()));
        assert_eq!(newest(&"dev".into(), &commits, &reports).unwrap()[0].0, &commits[0]);
        assert_eq!(want.next(&reports), Some(&commits[1]), "nothing is known of the other");
        reports
            .insert(commits[1].clone(), Ok(vec![check("dev", CheckState::Passed), check("e2e", CheckState::Passed)]));
        assert_eq!(want.next(&reports), None, "all is known");
        let dev = newest(&"dev".into(), &commits, &reports).unwrap();
        assert_eq!(dev.iter().map(|(_, check)| check.state).collect::<Vec<_>>(), [CheckState::Failed]);
        reports.insert(commits[0].clone(), Err("down".to_owned()));
        assert_eq!(newest(&"dev".into(), &commits, &reports), Err(Untold::Failed("down")));
        assert_eq!(want.next(&reports), None, "what fails is not asked again");
    }

    #[test]
    fn a_report_that_came_later_counts_also_of_an_older_commit() {
        let commits = [commit("c"), commit("b"), commit("a")];
        let at = |time: Option<&str>, state: CheckState| {
            let time = time.map(|time| format!("2026-11-20T00:{time}:00Z").parse().unwrap());
            Ok(vec![Check { time, ..check("dev", state) }])
        };
        for (newer, older, expected) in [
            (Some("01"), Some("05"), CheckState::Failed),
            (Some("05"), Some("01"), CheckState::Passed),
            (Some("05"), Some("05"), CheckState::Passed),
            (None, Some("05"), CheckState::Passed),
            (Some("01"), None, CheckState::Passed),
        ] {
            for other in [&commits[1], &commits[2]] {
                let mut reports: Reports = commits.iter().map(|commit| (commit.clone(), Ok(Vec::new()))).collect();
                reports.insert(commits[0].clone(), at(newer, CheckState::Passed));
                reports.insert(other.clone(), at(older, CheckState::Failed));
                for name in ["dev", "de*"] {
                    let found = newest(&name.into(), &commits, &reports).unwrap();
                    assert_eq!(found.len(), 1);
                    assert_eq!(found[0].1.state, expected, "{name} {newer:?} {older:?}");
                }
            }
        }
    }

    #[test]
    fn a_name_for_several_looks_at_every_commit() {
        let commits = [commit("b"), commit("a")];
        let reports: Reports = [
            (commits[0].clone(), Ok(vec![check("argocd/web", CheckState::Passed)])),
            (
                commits[1].clone(),
                Ok(vec![check("argocd/api", CheckState::Failed), check("argocd/web", CheckState::Failed)]),
            ),
        ]
        .into();
        let found = newest(&"argocd/*".into(), &commits, &reports).unwrap();
        let told: Vec<_> = found.iter().map(|(_, check)| (check.name.as_str(), check.state)).collect();
        assert_eq!(told, [("argocd/web", CheckState::Passed), ("argocd/api", CheckState::Failed)]);
    }
}
