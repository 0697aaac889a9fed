//! Approvals and `manual`: the gates that wait for people.

use crate::model::environment::Publish;
use crate::model::gate::GateState;
use crate::model::pull_request::Approvals;

/// What approvals say: so many people must approve the head commit of the pull request.
pub(super) fn approvals(wanted: u32, known: Option<&Result<Approvals, String>>) -> GateState {
    match known {
        Some(Err(reason)) => {
            GateState::Wait { until: None, reason: format!("who approves could not be asked for: {reason}") }
        }
        Some(Ok(approvals)) if approvals.count >= wanted => GateState::Pass,
        Some(Ok(approvals)) => missing(wanted, approvals.count),
        None => missing(wanted, 0),
    }
}

/// Says how many approvals are missing.
pub(in crate::promote) fn missing(wanted: u32, count: u32) -> GateState {
    GateState::Wait { until: None, reason: format!("{count} of {wanted} approvals of its head commit") }
}

/// What `manual` says: it never passes by itself.
pub(super) fn manual(publish: Publish) -> GateState {
    let reason = match publish {
        Publish::Commit => "a person lets it pass by `tagboat promote … --skip manual`",
        Publish::PullRequest | Publish::AutoMerge => "a person merges it",
    };
    GateState::Wait { until: None, reason: reason.to_owned() }
}
