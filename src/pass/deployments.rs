//! Deployments on the forge: for each environment that asks for it, the commit that reached it last, and how it goes.
//!
//! Entry point: [`tell`]. Told is what stands in Git when a pass ends, whoever brought it, and that what was under way before is
//! over; what the cache knows to be told is not asked about again, and without a cache the forge is.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, Key32};
use crate::config::repository::Repository;
use crate::forge::turns::denied::Denial;
use crate::forge::{Forge, ForgeError};
use crate::model::commit::CommitId;
use crate::model::deployment::{Deployment, DeploymentState};
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::outcome::{Outcome, Skipped, Trouble};
use crate::model::record::{Entry, Kind};
use crate::model::watch::{Watch, WatchState};
use crate::pass::propose::Publishing;

/// Why another forge is told nothing.
pub(super) const ONLY_GITHUB: &str = "only GitHub keeps them";

/// Whether any environment asks for it.
pub(super) fn are_wanted(config: &Repository) -> bool {
    config.environments.0.iter().any(|environment| environment.deployments)
}

/// Brings the forge's deployments to what stands; what cannot be is a row of the outcome.
pub(super) async fn tell(publishing: &Publishing, cache: &Cache, config: &Repository, outcome: &mut Outcome) {
    for environment in config.environments.0.iter().filter(|environment| environment.deployments) {
        let what = format!("deployments of {}", environment.name);
        let forge = match publishing {
            Publishing::Forge(forge) if forge.keeps_deployments() => forge,
            _ => {
                outcome.skipped.push(Skipped { what, reason: ONLY_GITHUB.to_owned() });
                continue;
            }
        };
        let Some(deployment) = newest(&environment.name, outcome) else { continue };
        if let Err(error) = once(&**forge, cache, &deployment).await {
            outcome.errors.push(Trouble { what, file: None, position: None, reason: error.to_string() });
        }
    }
}

/// Tells of a deployment, unless it is known to be told.
async fn once(forge: &dyn Forge, cache: &Cache, deployment: &Deployment) -> Result<(), ForgeError> {
    let home = forge.home().1;
    let parts = ["deployment", &home.host, &home.path, deployment.environment.as_str()];
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0]));
    let key = Key32(hash.finalize().into());
    let row = format!("{} {}", deployment.commit, deployment.state.as_str()).into_bytes();
    if cache.told(&key).as_ref() == Some(&row) {
        return Ok(());
    }
    // What a forge denies it would deny in every pass.
    let order = forge.order(&["deployment", deployment.environment.as_str(), &String::from_utf8_lossy(&row)]);
    if let Some((denial, _)) = order.denied() {
        return denial.told().map(drop);
    }
    if let Err(error) = forge.deploy(deployment).await {
        Denial::of_error(&error).map(|denial| order.deny(denial));
        return Err(error);
    }
    cache.keep_told(&key, row);
    Ok(())
}

/// Returns what reached an environment last, as far as the newest history tells.
fn newest(name: &EnvironmentName, outcome: &Outcome) -> Option<Deployment> {
    let moved =
        |entry: &&Entry| entry.environment.as_ref() == Some(name) && !matches!(entry.kind, Kind::Hold | Kind::Release);
    let lately = &outcome.standing.as_ref()?.lately;
    let commit = lately.iter().find(moved)?.commit.clone();
    let own = lately.iter().filter(moved).filter(|entry| entry.commit == commit);
    let came: Vec<String> = own
        .map(|entry| {
            let short = entry.image.path().rsplit('/').next().unwrap_or_default();
            entry.to.as_ref().map_or_else(|| format!("without {short}"), |to| format!("{short} {to}"))
        })
        .collect();
    // What stood its time is no longer on its way, though a forge cannot be asked again.
    let is_told = |watch: &&Watch| !watch.is_late || watch.has_failed();
    let watched = outcome.watches.iter().filter(|watch| watch.environment == *name && watch.commit == commit);
    let watched = watched.filter(is_told);
    let state = watched.fold(DeploymentState::Success, |state, watch| match (&watch.state, state) {
        (WatchState::Failed(_), _) | (_, DeploymentState::Failure) => DeploymentState::Failure,
        (WatchState::Watching | WatchState::Unknown(_), _) => DeploymentState::InProgress,
    });
    let failed = failed(lately.iter().filter(moved));
    Some(Deployment { environment: name.clone(), commit, state, description: came.join(", "), failed })
}

/// Returns the commits that Tagboat took back by itself, of what moved in an environment, newest first.
fn failed<'a>(moved: impl Iterator<Item = &'a Entry>) -> BTreeSet<CommitId> {
    let mut failed = BTreeSet::new();
    let mut next: BTreeMap<&ImageName, &Entry> = BTreeMap::new();
    for entry in moved {
        let newer = next.insert(&entry.image, entry);
        if newer.is_some_and(|newer| newer.is_return && newer.from == entry.to) {
            failed.insert(entry.commit.clone());
        }
    }
    failed
}
