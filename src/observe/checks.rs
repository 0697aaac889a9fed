//! Asking the forge about commits and pull requests: their checks, and who approves.
//!
//! Entry points: [`ask`] and [`approvals`]. Asked is only what somebody waits for, each commit once in a pass, and of
//! all together no more than a bound. What could not be asked is kept as the reason, never as nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::forge::Forge;
use crate::model::checks::ChecksWant;
use crate::model::environment::{BranchName, EnvironmentName, Environments};
use crate::model::observation::Observation;
use crate::model::pull_request::{Approvals, Listing, PullRequest, PullRequestStyle, State};

/// How many commits are asked about in one pass: two requests each, and several times what a busy repository needs.
const MOST_ASKED: usize = 60;

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

/// Asks for the checks of commits, one of each want after the other, until every want is settled.
pub async fn ask(observation: &mut Observation, wants: &BTreeSet<ChecksWant>, whom: &Whom<'_, '_>) {
    let nobody = Err("its repository was not looked at".to_owned());
    loop {
        let mut is_done = true;
        for want in wants {
            let repository = want.repository.as_ref();
            let Some(commit) = want.next(observation.reports_of(repository)).cloned() else { continue };
            is_done = false;
            let asked = repository.map_or(whom.own, |url| whom.elsewhere.get(url).unwrap_or(&nobody));
            let elsewhere: usize = observation.reports_elsewhere.values().map(BTreeMap::len).sum();
            let answer = match asked {
                Err(reason) => Err(reason.clone()),
                Ok(_) if observation.reports.len() + elsewhere >= MOST_ASKED => {
                    Err(format!("more than {MOST_ASKED} commits would have to be asked about: the next pass goes on"))
                }
                Ok(asked) => asked.forge.checks(&commit).await.map_err(|error| error.to_string()),
            };
            let reports = match repository {
                None => &mut observation.reports,
                Some(url) => observation.reports_elsewhere.entry(Arc::clone(url)).or_default(),
            };
            reports.insert(commit, answer);
        }
        if is_done {
            return;
        }
    }
}

/// Asks who approves the open pull requests of some groups, into the branch of each group's environment.
pub async fn approvals(
    observation: &mut Observation,
    (wants, environments): (&BTreeSet<(EnvironmentName, String)>, &Environments),
    style: &PullRequestStyle,
    asked: &Result<Asked<'_>, String>,
) {
    let mut asks = 0;
    let known = observation.approvals.clone();
    let mut listed: Option<Result<Listing, String>> = observation.pull_requests.take().map(Ok);
    for want in wants.iter().filter(|want| !known.contains_key(want)) {
        let (name, group) = want;
        let answer = match asked {
            Err(reason) => Err(reason.clone()),
            Ok(asked) => {
                let own = environments.named(name).and_then(|environment| environment.branch.as_ref());
                let base = own.unwrap_or(asked.base);
                if listed.is_none() {
                    listed = Some(asked.forge.list().await.map_err(|error| error.to_string()));
                }
                let is_meant =
                    |one: &&PullRequest| one.state == State::Open && one.base == *base && one.is_of(name, group, style);
                match listed
                    .as_ref()
                    .map(|listed| listed.as_ref().map(|listed| listed.pull_requests.iter().find(is_meant)))
                {
                    Some(Err(reason)) => Err(reason.clone()),
                    None | Some(Ok(None)) => Ok(Approvals { head: None, count: 0 }),
                    Some(Ok(Some(_))) if asks >= MOST_APPROVALS => {
                        Err(format!("more than {MOST_APPROVALS} pull requests would have to be asked about"))
                    }
                    Some(Ok(Some(open))) => {
                        asks += 1;
                        let count = asked.forge.approvals(open).await.map_err(|error| error.to_string());
                        count.map(|count| Approvals { head: Some(open.commit.clone()), count })
                    }
                }
            }
        };
        observation.approvals.insert(want.clone(), answer);
    }
    observation.pull_requests = listed.and_then(Result::ok);
}
