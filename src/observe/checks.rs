//! Asking the forge about commits and pull requests: their checks, and who approves.
//!
//! Entry points: [`inquire`], [`ask`] and [`approvals`]. Asked is only what somebody waits for, each commit once in a pass, and
//! for each concern no more than a bound. What could not be asked is kept as the reason, never as nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::forge::Forge;
use crate::model::checks::{ChecksWant, Concern, Inquiry, MOST_ASKED, beyond};
use crate::model::commit::CommitId;
use crate::model::environment::{BranchName, EnvironmentName, Environments};
use crate::model::observation::Observation;
use crate::model::pull_request::{Approvals, PullRequest, PullRequestStyle, State};

/// How many pull requests are asked about in one pass.
const MOST_APPROVALS: usize = 60;

/// Whom to ask.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The forge.
    pub forge: &'a dyn Forge,
    /// The base branch.
    pub base: &'a BranchName,
}

/// Whom to ask about the commits of each repository.
pub struct Whom<'w, 'a> {
    /// Of the repository that the pass is about; or why nobody can be asked, in words.
    pub own: &'w Result<Asked<'a>, String>,
    /// Of other repositories, by their URLs.
    pub elsewhere: &'w BTreeMap<Arc<str>, Result<Asked<'a>, String>>,
}

/// Asks for the checks of commits that gates want to know, one of each want after the other, until every want is settled.
pub async fn ask(observation: &mut Observation, wants: &BTreeSet<ChecksWant>, whom: &Whom<'_, '_>) {
    loop {
        let mut is_done = true;
        for want in wants {
            let repository = want.repository.as_ref();
            let Some(commit) = want.next(observation.reports_of(repository)).cloned() else { continue };
            is_done = false;
            ask_about(observation, (repository, commit), Concern::Gate, whom).await;
        }
        if is_done {
            return;
        }
    }
}

/// Asks what inquiries lack, and then gates: what may have to go back comes first, and each inquiry is asked to its end once it
/// was begun. Where there are more than a pass may ask about, each has its turn.
pub async fn inquire(
    observation: &mut Observation,
    inquiries: &BTreeMap<Inquiry, BTreeSet<ChecksWant>>,
    gates: &BTreeSet<ChecksWant>,
    whom: &Whom<'_, '_>,
) {
    for concern in [Concern::Watch, Concern::Late] {
        let mut own: Vec<_> = inquiries.iter().filter(|(inquiry, _)| inquiry.concern == concern).collect();
        let commits: BTreeSet<&CommitId> =
            own.iter().flat_map(|(_, wants)| wants.iter()).flat_map(|want| &want.commits).collect();
        if commits.len() > MOST_ASKED {
            // Drawn by the moment, so that the same pass asks the same.
            let first = fastrand::Rng::with_seed(observation.now.as_second().unsigned_abs()).usize(..own.len());
            own.rotate_left(first);
        }
        for (inquiry, wants) in own {
            if !observation.inquiries.begin(inquiry) {
                continue;
            }
            for want in wants {
                let repository = want.repository.as_ref();
                while let Some(commit) = want.next(observation.reports_of(repository)).cloned() {
                    ask_about(observation, (repository, commit), concern, whom).await;
                }
            }
        }
    }
    ask(observation, gates, whom).await;
}

/// Asks about one commit, unless a gate would have more asked about than one pass may.
async fn ask_about(
    observation: &mut Observation,
    (repository, commit): (Option<&Arc<str>>, CommitId),
    concern: Concern,
    whom: &Whom<'_, '_>,
) {
    let nobody = Err("its repository was not looked at".to_owned());
    let asked = repository.map_or(whom.own, |url| whom.elsewhere.get(url).unwrap_or(&nobody));
    let answer = match asked {
        Err(reason) => Err(reason.clone()),
        Ok(_) if concern == Concern::Gate && !observation.inquiries.has_room(concern) => Err(beyond()),
        Ok(asked) => {
            observation.inquiries.count(concern);
            asked.forge.landed(&commit).await.map_err(|error| error.to_string())
        }
    };
    let reports = match repository {
        None => &mut observation.reports,
        Some(url) => observation.reports_elsewhere.entry(Arc::clone(url)).or_default(),
    };
    reports.insert(commit, answer);
}

/// Asks who approves the open pull requests of some groups, into the branch of each group's environment.
pub async fn approvals(
    observation: &mut Observation,
    (wants, environments): (&BTreeSet<(EnvironmentName, String)>, &Environments),
    style: &PullRequestStyle,
    asked: &Result<Asked<'_>, String>,
) {
    let known = observation.approvals.clone();
    let wants: Vec<&(EnvironmentName, String)> = wants.iter().filter(|want| !known.contains_key(want)).collect();
    let asked = match asked {
        Ok(asked) if !wants.is_empty() => asked,
        Ok(_) => return,
        Err(reason) => {
            observation.approvals.extend(wants.into_iter().map(|want| (want.clone(), Err(reason.clone()))));
            return;
        }
    };
    let listed = match observation.pull_requests.take() {
        Some(listed) => Ok(listed),
        None => asked.forge.list().await.map_err(|error| error.to_string()),
    };
    let open = |(name, group): &(EnvironmentName, String)| {
        let own = environments.named(name).and_then(|environment| environment.branch.as_ref());
        let base = own.unwrap_or(asked.base);
        let is_meant =
            |one: &&PullRequest| one.state == State::Open && one.base == *base && one.is_of(name, group, style);
        let listed = listed.as_ref().map_err(Clone::clone)?;
        Ok::<_, String>(listed.pull_requests.iter().find(is_meant).cloned())
    };
    let found: Vec<_> = wants.into_iter().map(|want| (want.clone(), open(want))).collect();
    let standing = found.iter().filter_map(|(_, open)| open.as_ref().ok()?.clone());
    let standing: Vec<PullRequest> = standing.take(MOST_APPROVALS).collect();
    let glances = if standing.is_empty() { Ok(BTreeMap::new()) } else { asked.forge.glance(&standing).await };
    let glances = glances.unwrap_or_else(|error| {
        tracing::debug!(%error, "approvals are asked for one by one");
        BTreeMap::new()
    });
    for (want, open) in found {
        let answer = match open {
            Err(reason) => Err(reason),
            Ok(None) => Ok(Approvals { head: None, count: 0 }),
            Ok(Some(open)) if !standing.iter().any(|one| one.number == open.number) => {
                Err(format!("more than {MOST_APPROVALS} pull requests would have to be asked about"))
            }
            Ok(Some(open)) => {
                let count = match glances.get(&open.number) {
                    Some(glance) => Ok(glance.readiness.approvals),
                    None => asked.forge.approvals(&open).await.map_err(|error| error.to_string()),
                };
                count.map(|count| Approvals { head: Some(open.commit), count })
            }
        };
        observation.approvals.insert(want, answer);
    }
    observation.pull_requests = listed.ok();
}
