//! What is proposed to be held counts as held: what a pass knows of it.
//!
//! Entry points: [`awaited`] and [`Awaited`]. One listing of Git's, and one of the forge's where a branch is there and nobody has
//! listed the pull requests yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::repository::Repository;
use crate::git::Remote;
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::hold::Hold;
use crate::model::pull_request::Listing;
use crate::pass::PassError;
use crate::pass::hold::proposed::{self, All, Place, Standing, all, among, on, pointed_away};
use crate::pass::propose::Publishing;
use crate::publish::pull_requests::heads::Branches;

/// What is proposed to be held, and what was looked at for it.
#[derive(Debug, Clone, Default)]
pub struct Awaited {
    /// What counts as held, with where that stands as a part of its reason.
    pub holds: Vec<Hold>,
    /// Which of them stand on which head branch of this repository.
    pub heads: Vec<(BranchName, Vec<Hold>)>,
    /// The environments of other repositories of which it is not known, by their names here, with the reason.
    pub unread: BTreeMap<EnvironmentName, String>,
    /// Every branch on which something may be proposed to be held, with its tip, and every other one of Tagboat's, which may go back;
    /// `None` where nobody looked.
    pub seen: Option<(Branches, Branches)>,
    /// The pull requests, where they were listed for it.
    pub listed: Option<Listing>,
}

impl Awaited {
    /// Whether anything is there that a pass has to heed.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.unread.is_empty()
    }
}

/// Where a head branch is to be merged.
#[derive(Clone, Copy)]
enum Onto {
    Base,
    /// The branch of its environment.
    Own,
}

/// Returns what is proposed to be held and not held yet; `known` are the pull requests, where somebody has listed them.
///
/// # Errors
///
/// [`PassError`] where it is there and cannot be read: nothing may be moved then that might be held.
pub(in crate::pass) async fn awaited(
    remote: &Arc<dyn Remote>,
    publishing: &Publishing,
    config: &Repository,
    (branch, base): (&BranchName, &CommitId),
    known: Option<Listing>,
) -> Result<Awaited, PassError> {
    let place = Place { remote, publishing, config, branch, base, now: Timestamp::UNIX_EPOCH };
    // Who goes back holds what is left from then on, whoever merges it.
    let All { seen, going_back, beside } = all(place).await?;
    let looked_at: Vec<_> = seen.0.iter().chain(&going_back).collect();
    let mut awaited = Awaited { listed: known, ..Awaited::default() };
    let mut unlisted = None;
    let is_any = !looked_at.is_empty() || !beside.is_empty();
    if is_any && awaited.listed.is_none() && place.forge().has_pull_requests() {
        match place.forge().list().await {
            Ok(listed) => awaited.listed = Some(listed),
            Err(error) => unlisted = Some(error),
        }
    }
    let on_base = looked_at.into_iter().map(|head| (head, place, Onto::Base));
    let on_others =
        beside.iter().map(|(head, onto)| (head, Place { branch: &onto.0, base: &onto.1, ..place }, Onto::Own));
    for (one, place, onto) in on_base.chain(on_others) {
        let open = match &unlisted {
            None => match among(place, &one.0, awaited.listed.as_ref()) {
                // Whoever has pointed it at another base has not said that what it holds may go on.
                Standing::Nothing => pointed_away(place, &one.0, awaited.listed.as_ref()),
                known => known,
            },
            // It may be closed; it may as well be open.
            Some(error) => {
                tracing::warn!(%error, head = %one.0, "whether what is proposed to be held still is could not be asked");
                Standing::Branch
            }
        };
        let open = match open {
            // A branch is called so by anybody: nobody has asked for it to be merged.
            Standing::Nothing => continue,
            Standing::Branch => one.0.to_string(),
            Standing::Open(open) => open.url,
        };
        let held: Vec<Hold> = match onto {
            Onto::Base => {
                let Some(proposed) = on(place, one).await? else { continue };
                proposed.held.into_iter().chain(proposed.left).collect()
            }
            Onto::Own => proposed::beside(place, one).await?,
        };
        let told = |mut hold: Hold| {
            let said = hold.reason.take().map(|reason| format!("{reason} ")).unwrap_or_default();
            hold.reason = Some(format!("not merged yet: {said}(proposed in {open})"));
            hold
        };
        let held: Vec<Hold> = held.into_iter().map(told).collect();
        awaited.holds.extend(held.iter().cloned());
        awaited.heads.push((one.0.clone(), held));
    }
    awaited.seen = Some(seen);
    Ok(awaited)
}
