//! Reading what environments have run, branch by branch, and what somebody took back there.
//!
//! Entry point: `read_pasts`. A history that cannot be read leaves its images undecided, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::repository::{self, Repository};
use crate::decide;
use crate::decide::questions::{self, Followed};
use crate::model;
use crate::model::commit::CommitId;
use crate::model::environment::{EnvironmentName, Environments};
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::site::{self, Site, Spot, Value};
use crate::observe::history::{self, Asking, Configuration, Told};
use crate::pass::elsewhere::Theirs;
use crate::pass::grounds::Seen;
use crate::pass::run::CONFIG_FILE;
use crate::pass::{Inputs, Progress};

/// Why nothing is decided in a shallow clone.
const SHALLOW: &str = "this clone is shallow, so it cannot tell what somebody took back: `git fetch --unshallow` (in \
                       jobs, `fetch-depth: 0` on GitHub and `GIT_DEPTH: 0` on GitLab)";

/// The file that says which files are whose.
pub(super) const WRITTEN: Configuration = Configuration { file: CONFIG_FILE, read: environments };

/// Returns the environments of a version of the configuration that can be understood.
fn environments(bytes: &[u8]) -> Option<Environments> {
    repository::parse(CONFIG_FILE, bytes).ok().map(|config| config.environments)
}

/// An environment and an image.
type Key = (EnvironmentName, ImageName);

/// Reads what environments have run, and finds what somebody took back there.
pub(super) fn read_pasts(
    inputs: &Inputs<'_>,
    observation: &mut Observation,
    asked: &BTreeSet<(EnvironmentName, ImageName)>,
    seen: &[Seen<'_>],
) {
    let mut by_ground: BTreeMap<Option<usize>, BTreeSet<(EnvironmentName, ImageName)>> = BTreeMap::new();
    for key in asked.iter().filter(|key| !observation.pasts.contains_key(*key)) {
        let ground = match inputs.config.environments.named(&key.0) {
            Some(own) => {
                let is_its = |ground: &Seen<'_>| ground.theirs.is_none() && ground.branch == own.branch;
                seen.iter().position(is_its)
            }
            None => {
                let has = |theirs: &Theirs<'_>| theirs.names.contains_key(&key.0);
                seen.iter().position(|ground| ground.theirs.as_ref().is_some_and(has))
            }
        };
        by_ground.entry(ground).or_default().insert(key.clone());
    }
    for (ground, asked) in by_ground {
        match ground.and_then(|ground| seen.get(ground)) {
            Some(ground) => read_past(inputs, observation, asked, ground),
            None => {
                // Its branch may be there, and lack it; what is the matter was told with what it runs.
                for key in asked {
                    let known = observation.half_known.get(&key.0).cloned();
                    let reason = known.unwrap_or_else(|| "its branch could not be read".to_owned());
                    observation.pasts.insert(key, Err(reason));
                }
            }
        }
    }
}

/// Reads what environments of one branch have run.
fn read_past(inputs: &Inputs<'_>, observation: &mut Observation, asked: BTreeSet<Key>, ground: &Seen<'_>) {
    let Some(past) = ground.past else {
        let nothing = asked.into_iter().map(|key| (key, Ok(model::history::Past::default())));
        observation.pasts.extend(nothing);
        return;
    };
    (inputs.progress)(Progress::Git);
    let Observation { now, .. } = &*observation;
    // Those of another repository go by other names there.
    let config = ground.theirs.as_ref().map_or(inputs.config, |theirs| theirs.config);
    let sites = ground.theirs.as_ref().map_or(&observation.sites, |theirs| &theirs.sites);
    let there = |key: &Key| match &ground.theirs {
        Some(theirs) => (theirs.names.get(&key.0).unwrap_or(&key.0).clone(), key.1.clone()),
        None => key.clone(),
    };
    let mut keys: BTreeMap<Key, Key> = asked.iter().map(|key| (there(key), key.clone())).collect();
    let reading = history::Reading {
        environments: &config.environments,
        configuration: Some(WRITTEN),
        branch: ground.branch.as_ref(),
        sites,
        surroundings: &ground.surroundings,
        limits: inputs.limits,
        cache: inputs.cache,
        uncommitted: Some(*now),
    };
    match history::tell(past, &Asking::These(keys.keys().cloned().collect()), &reading, None, history::MOST_COMMITS) {
        Ok(Told { timelines, line, made, is_shallow, .. }) => {
            let past = |(own, timeline): (Key, model::history::Timeline)| {
                let key = keys.remove(&own).unwrap_or_else(|| own.clone());
                // Half of a history tells of half of what was taken back. Where nobody configured anything, nobody is
                // taken back from either: anybody may look into a clone of any depth.
                if inputs.config.configured && is_shallow {
                    return (key, Err(SHALLOW.to_owned()));
                }
                let policy = policy(config, sites, &own);
                let taken_back = decide::past::taken_back(&timeline, policy.as_deref());
                let left = decide::past::left_at(&timeline, &standing(config, sites, &own), policy.as_deref());
                let went_back = decide::past::went_back(&timeline);
                let lowered = decide::past::lowered(&timeline, &taken_back, policy.as_deref());
                (key, Ok(model::history::Past { timeline: Some(timeline), taken_back, left, went_back, lowered }))
            };
            let pasts: Vec<_> = timelines.into_iter().map(past).collect();
            observation.pasts.extend(pasts);
            let (line, made): (Arc<[CommitId]>, Arc<[Timestamp]>) = (line.into(), made.into());
            let names: Vec<EnvironmentName> = match &ground.theirs {
                Some(theirs) => theirs.names.keys().cloned().collect(),
                None => {
                    let here = inputs.config.environments.0.iter().filter(|one| one.branch == ground.branch);
                    here.map(|one| one.name.clone()).collect()
                }
            };
            observation.made.extend(names.iter().map(|name| (name.clone(), Arc::clone(&made))));
            observation.lines.extend(names.into_iter().map(|name| (name, Arc::clone(&line))));
        }
        Err(error) => {
            let reason = format!("the history of the branch could not be read: {error}");
            observation.pasts.extend(asked.into_iter().map(|key| (key, Err(reason.clone()))));
        }
    }
}

/// Returns what stands at which places of an environment.
fn standing(config: &Repository, sites: &[Site], key: &Key) -> BTreeMap<Value, BTreeSet<Spot>> {
    let is_there = |site: &Site| {
        let environment = || config.environments.of(site.branch.as_ref(), site.file.as_str());
        site.image.as_ref() == Some(&key.1) && environment().is_some_and(|environment| environment.name == key.0)
    };
    let there: Vec<usize> = (0..sites.len()).filter(|index| is_there(&sites[*index])).collect();
    let mut standing: BTreeMap<Value, BTreeSet<Spot>> = BTreeMap::new();
    for (index, spot) in site::spots(sites, &there) {
        standing.entry(sites[index].value.clone()).or_default().insert(spot);
    }
    standing
}

/// Returns the policy of an image in an environment.
fn policy(config: &Repository, sites: &[Site], key: &Key) -> Option<Arc<model::policy::Policy>> {
    let Repository { rules, environments, .. } = config;
    let own = sites.iter().filter(|site| site.image.as_ref() == Some(&key.1));
    own.map(|site| questions::follow(site, rules, environments)).find_map(|followed| match followed {
        Followed::Yes { environment, policy, .. } if environment == key.0 => Some(policy),
        _ => None,
    })
}
