//! The size of a step: the largest part of a version that changes, as a policy reads it.
//!
//! Entry point: [`between`]. Says nothing about whether the policy allows the step.

use crate::decide::judge::Bench;
use crate::decide::reading::in_use;
use crate::model::policy::{Policy, Step};
use crate::model::site::Value;

/// Returns how large the step from one value to another is; `None` where the tag stays, or where either is no version.
pub fn between(policy: &Policy, from: &Value, to: &Value) -> Option<Step> {
    let (from, to) = (from.tag.as_ref()?, to.tag.as_ref()?);
    let bench = Bench { policy, current: in_use(from.as_str(), policy) };
    (from != to).then(|| bench.step(&in_use(to.as_str(), policy))).flatten()
}
