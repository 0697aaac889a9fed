//! What a person has refused by closing its pull request is not committed either, once its environment publishes by commits.
//!
//! Entry point: [`leave`]. Asks for the listing only where something would be committed.

use crate::forge::ForgeError;
use crate::model::brought::{Brought, Told, Wish};
use crate::model::commit::CommitId;
use crate::model::environment::Publish;
use crate::model::observation::Observation;
use crate::model::proposal::{Action, Proposal};
use crate::observe::history::Past;
use crate::pass::propose::Asked;
use crate::publish::pull_requests::told::silent;

/// Takes out of what would be committed what a person has refused.
pub(super) async fn leave(
    observation: &mut Observation,
    proposals: &mut [Proposal],
    asked: &Result<Asked<'_>, String>,
    past: Option<&dyn Past>,
) {
    let Ok(asked) = asked else { return };
    let is_commit = |proposal: &&mut Proposal| {
        proposal.publish == Publish::Commit && proposal.action == Action::Committed && !proposal.moves.is_empty()
    };
    let mut commits = proposals.iter_mut().filter(is_commit).peekable();
    if commits.peek().is_none() {
        return;
    }
    let listed = match observation.pull_requests.take() {
        Some(listed) => Ok(listed),
        None => asked.forge.list().await,
    };
    match listed {
        Ok(listed) => {
            let silent = silent(&listed);
            let told = |commit: &CommitId| {
                let message = past.filter(|_| silent.contains(commit))?.message(commit)?;
                Some(Told::by(&message))
            };
            for proposal in commits {
                let brought = Brought::of(proposal.moves.iter().map(|step| (&step.image, &step.to)));
                let wish = Wish { environment: proposal.environment.clone(), key: String::new(), brought };
                if let Some(refused) = wish.refused_in(&listed, &told) {
                    proposal.action = Action::LeftAlone;
                    proposal.url = Some(refused.url.clone());
                    proposal.reason = Some(Wish::words(refused.number));
                }
            }
            observation.pull_requests = Some(listed);
        }
        Err(ForgeError::Later { reason, .. }) => {
            for proposal in commits {
                proposal.action = Action::Waiting;
                proposal.reason = Some(format!("whether a person has refused it could not be asked: {reason}"));
            }
        }
        // Whoever may not read pull requests has made none.
        Err(ForgeError::Skip(reason) | ForgeError::Stop(reason)) => {
            tracing::warn!(reason, "nobody can tell whether a person has refused what is committed");
        }
    }
}
