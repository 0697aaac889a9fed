//! What must hold for every input, said once: the property tests here and the fuzz targets in `fuzz/` run these.
//!
//! A body takes bytes or text and panics where something does not hold. It generates nothing, and it measures no time:
//! that input costs no more than its bytes is for the limit on each input that `fuzz/run` sets.
#![allow(dead_code, clippy::unwrap_used, reason = "each target uses its part; a body stops at the first surprise")]

pub(crate) mod manifest;
pub(crate) mod policy;
pub(crate) mod readers;

/// Returns the first line and what comes after it: how one input holds a name or a policy and a content.
pub(crate) fn head_and_rest(input: &[u8]) -> Option<(&str, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&input[..end]).ok()?;
    Some((head, &input[end + 1..]))
}

/// Whether a message may go to a terminal: control characters never do.
pub(crate) fn is_printable(message: &str) -> bool {
    !message.chars().any(char::is_control)
}
