//! Tests against real servers; `tests/run` installs them.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod program;
mod registry;
mod support;
