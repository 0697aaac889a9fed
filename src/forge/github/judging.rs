//! What GitHub's rules, reviews and its own view of a pull request come to, whoever told of them: REST of one, or GraphQL of many.
//!
//! Entry points: [`Told::judge`] and [`reviewed`]. Asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use octocrab::models::AuthorAssociation::{Collaborator, Member, Owner};

use crate::forge::DRAFT;
use crate::forge::github::raw;
use crate::model::image::shorten;
use crate::model::pull_request::{Check, PullRequest, Queue, Readiness};

/// What the rules and the protection of a base branch ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) checks: BTreeSet<String>,
    pub(super) approvals: u32,
    pub(super) has_queue: bool,
    /// The ways of merging that the rules leave, where they say so.
    pub(super) methods: Option<Vec<String>>,
    pub(super) is_linear: bool,
    /// Whether what is merged must stand on the newest commit, by the rules.
    pub(super) wants_tip: bool,
    /// Whether the classic protection requires checks: whether that wants the same, its administrators alone are told.
    pub(super) is_classic: bool,
    /// Why they are not known, where they are not: then nothing is merged.
    pub(super) unread: Option<String>,
}

impl Asked {
    /// Reads rules.
    pub(super) fn of(rules: Vec<raw::Rule>) -> Self {
        let mut asked = Self::default();
        for rule in rules {
            match rule.kind.as_str() {
                "required_status_checks" => {
                    asked.wants_tip |= rule.parameters.strict_required_status_checks_policy;
                    asked.checks.extend(rule.parameters.required_status_checks.into_iter().map(|check| check.context));
                }
                "pull_request" => {
                    let count = rule.parameters.required_approving_review_count.unwrap_or(0);
                    asked.approvals = asked.approvals.max(count);
                    if let Some(allowed) = rule.parameters.allowed_merge_methods {
                        let both = |one: &String| asked.methods.as_ref().is_none_or(|before| before.contains(one));
                        asked.methods = Some(allowed.iter().filter(|one| both(one)).cloned().collect());
                    }
                }
                "merge_queue" => asked.has_queue = true,
                "required_linear_history" => asked.is_linear = true,
                _ => {}
            }
        }
        asked
    }

    /// Adds the checks that the classic protection of the branch requires.
    pub(super) fn add_classic(&mut self, contexts: impl IntoIterator<Item = String>) {
        let contexts: Vec<String> = contexts.into_iter().collect();
        self.is_classic |= !contexts.is_empty();
        self.checks.extend(contexts);
    }
}

/// What GitHub says of a pull request itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) is_open: bool,
    pub(super) is_draft: bool,
    pub(super) head: String,
    pub(super) base: String,
    pub(super) labels: BTreeSet<String>,
    /// `None` while it is being worked out.
    pub(super) mergeable: Option<bool>,
    /// REST's word for what holds it up.
    pub(super) state: Option<String>,
}

/// Who may push to the repository, by login: GitHub counts their approvals, whatever else they are to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pushers {
    pub(super) told: BTreeMap<String, bool>,
    /// Why it is not told of everybody, where it is not.
    pub(super) refusal: Option<String>,
}

/// Everything that decides beside the checks.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) asked: Asked,
    /// Oldest first.
    pub(super) reviews: Vec<raw::Review>,
    pub(super) pushers: Pushers,
    pub(super) now: Now,
    /// Where it stands with the merge queue, where that was asked.
    pub(super) queue: Option<Queue>,
}

impl Told {
    /// Judges whether a head commit may be merged.
    pub(super) fn judge(self, pull_request: &PullRequest, checks: Vec<Check>) -> Readiness {
        let Self { asked, reviews, pushers, now, queue } = self;
        let (approvals, changes_requested) = reviewed(reviews, &pushers, pull_request);
        let blocked = blocked(&now, pull_request, &asked, (approvals, pushers.refusal.as_deref()));
        let state = now.state.as_deref();
        let (is_behind, is_blocked_by_checks) =
            (state == Some("behind"), state == Some("blocked") && blocked.is_some());
        Readiness {
            checks,
            approvals,
            changes_requested,
            is_behind: is_behind && blocked.is_some(),
            // Nothing else lets GitHub call one so.
            wants_tip: if asked.wants_tip || is_behind { Some(true) } else { (!asked.is_classic).then_some(false) },
            is_blocked_by_checks: is_blocked_by_checks && approvals >= asked.approvals,
            blocked,
            required: asked.checks,
            queue: queue.filter(|queue| asked.has_queue || queue.is_in),
            labels: now.labels,
            word: now.state,
        }
    }
}

/// What is said where nobody tells who may push.
pub(super) const UNTOLD: &str =
    "who of those who approve may push is not told, and owners, members and collaborators count";

/// What GitHub calls an account that is no more.
const GHOST: &str = "ghost";

/// Counts who approves the head commit, and names who asks for changes: the last word of each person.
pub(super) fn reviewed(reviews: Vec<raw::Review>, pushers: &Pushers, pull_request: &PullRequest) -> (u32, Vec<String>) {
    let last = last_words(reviews);
    // Anybody at all can approve in a public repository. As what they take part hides members whose membership is private, and shows those
    // who may only read: it counts where nothing else is told.
    let counts = |(login, review): &(&String, &raw::Review)| match pushers.told.get(*login) {
        Some(may_push) => *may_push,
        None => matches!(review.author_association, Some(Owner | Member | Collaborator)),
    };
    let approvals = approving(&last, pull_request).filter(counts).count();
    let asking = last.iter().filter(|(_, review)| review.state == "CHANGES_REQUESTED");
    let asking = asking.map(|(login, _)| shorten(login)).collect();
    (u32::try_from(approvals).unwrap_or(u32::MAX), asking)
}

/// Names who approves the head commit, whether they may push or not.
pub(super) fn approvers(reviews: &[raw::Review], pull_request: &PullRequest) -> BTreeSet<String> {
    approving(&last_words(reviews.to_vec()), pull_request).map(|(login, _)| login.clone()).collect()
}

fn approving<'a>(
    last: &'a BTreeMap<String, raw::Review>,
    pull_request: &PullRequest,
) -> impl Iterator<Item = (&'a String, &'a raw::Review)> {
    let is_at_head = |review: &raw::Review| review.commit_id.as_deref() == Some(pull_request.commit.as_str());
    last.iter().filter(move |(_, review)| review.state == "APPROVED" && is_at_head(review))
}

/// Returns the last word of each person. Of those whose accounts are no more nobody can tell which of them said what, so none takes back
/// what was asked for; only a dismissal does.
fn last_words(reviews: Vec<raw::Review>) -> BTreeMap<String, raw::Review> {
    let mut last: BTreeMap<String, raw::Review> = BTreeMap::new();
    for review in reviews {
        // A comment takes nothing back that was said before.
        let counts = matches!(review.state.as_str(), "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED");
        match &review.user {
            Some(user) if counts => drop(last.insert(user.login.clone(), review)),
            None if review.state == "CHANGES_REQUESTED" => drop(last.insert(GHOST.to_owned(), review)),
            _ => {}
        }
    }
    last
}

/// Says why GitHub would not merge it now; `None` where nothing speaks against it but what checks and people say.
fn blocked(
    now: &Now,
    judged: &PullRequest,
    asked: &Asked,
    (approvals, refusal): (u32, Option<&str>),
) -> Option<String> {
    if !now.is_open {
        return Some("it is no longer open".to_owned());
    }
    if now.head != judged.commit.as_str() {
        return Some("its head has moved since it was looked at".to_owned());
    }
    if now.base != judged.base.as_str() {
        return Some("its base branch has been changed: the next pass looks again".to_owned());
    }
    if now.is_draft {
        return Some(DRAFT.to_owned());
    }
    if let Some(unread) = &asked.unread {
        return Some(unread.clone());
    }
    if approvals < asked.approvals {
        let missing = format!("it has {approvals} of {} approvals that the base branch requires", asked.approvals);
        return Some(match refusal {
            Some(refusal) => format!("{missing}; {UNTOLD} ({refusal})"),
            None => missing,
        });
    }
    match (now.mergeable, now.state.as_deref().unwrap_or("unknown")) {
        (Some(false), _) | (_, "dirty") => Some("it conflicts with the base branch".to_owned()),
        (None, _) | (_, "unknown") => Some("GitHub is still working out whether it can be merged".to_owned()),
        (_, "draft") => Some(DRAFT.to_owned()),
        // A queue brings it up to date and asks for its checks by itself.
        _ if asked.has_queue => None,
        (_, "behind") => Some("it is behind the base branch, which wants it up to date".to_owned()),
        (_, "blocked") => Some("the protection of the base branch forbids it so far".to_owned()),
        // `clean`, `unstable` (checks that are not required, which are judged beside this) and `has_hooks`.
        _ => None,
    }
}
