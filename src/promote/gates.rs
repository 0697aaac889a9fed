//! Judging gates. This version can judge none of them, so every configured gate waits, and says so.

use crate::model::gate::{Gate, GateSpec, GateState};

/// Judges every gate of an environment; a gate that cannot be judged never passes.
pub(super) fn judge(gates: &[GateSpec]) -> Vec<Gate> {
    gates
        .iter()
        .map(|gate| Gate {
            name: gate.name(),
            state: GateState::Wait { until: None, reason: format!("`{}` is not judged by this version", gate.name()) },
        })
        .collect()
}
