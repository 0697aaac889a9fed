//! Asking the forge about commits and pull requests: their checks, and who approves.
//!
//! Entry points: [`ask`] and [`approvals`]. Asked is only what somebody waits for, each commit once in a pass, and of
//! all together no more than a bound. What could not be asked is kept as the reason, never as nothing.

use std::collections::BTreeSet;

use crate::forge::Forge;
use crate::model::checks::ChecksWant;
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::observation::Observation;
use crate::model::pull_request::{Approvals, PullRequestStyle, State};

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

/// Asks for the checks of commits, one of each want after the other, until every want is settled.
pub async fn ask(observation: &mut Observation, wants: &BTreeSet<ChecksWant>, asked: &Result<Asked<'_>, String>) {
    loop {
        let mut is_done = true;
        for want in wants {
            let Some(commit) = want.next(&observation.reports).cloned() else { continue };
            is_done = false;
            let answer = match asked {
                Err(reason) => Err(reason.clone()),
                Ok(_) if observation.reports.len() >= MOST_ASKED => {
                    Err(format!("more than {MOST_ASKED} commits would have to be asked about: the next pass goes on"))
                }
                Ok(asked) => asked.forge.checks(&commit).await.map_err(|error| error.to_string()),
            };
            observation.reports.insert(commit, answer);
        }
        if is_done {
            return;
        }
    }
}

/// Asks who approves the open pull requests of some groups.
pub async fn approvals(
    observation: &mut Observation,
    wants: &BTreeSet<(EnvironmentName, String)>,
    style: &PullRequestStyle,
    asked: &Result<Asked<'_>, String>,
) {
    if wants.is_empty() {
        return;
    }
    let listed = match (asked, observation.pull_requests.take()) {
        (Err(reason), _) => Err(reason.clone()),
        (Ok(_), Some(listed)) => Ok(listed),
        (Ok(asked), None) => {
            asked.forge.list(asked.base, &style.branch_prefix).await.map_err(|error| error.to_string())
        }
    };
    for (index, want) in wants.iter().enumerate() {
        let (environment, group) = want;
        let head = style.head_of(environment, group);
        let open = listed.as_ref().map(|listed| listed.iter().find(|one| one.state == State::Open && one.head == head));
        let answer = match (open, asked) {
            (Err(reason), _) => Err(reason.clone()),
            (_, Err(reason)) => Err(reason.clone()),
            (Ok(None), _) => Ok(Approvals { head: None, count: 0 }),
            (Ok(Some(_)), _) if index >= MOST_APPROVALS => {
                Err(format!("more than {MOST_APPROVALS} pull requests would have to be asked about"))
            }
            (Ok(Some(open)), Ok(asked)) => {
                let count = asked.forge.approvals(open).await.map_err(|error| error.to_string());
                count.map(|count| Approvals { head: Some(open.commit.clone()), count })
            }
        };
        observation.approvals.insert(want.clone(), answer);
    }
    observation.pull_requests = listed.ok();
}
