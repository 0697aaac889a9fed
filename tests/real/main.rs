//! Tests against real servers; `tests/run` installs them.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

#[expect(dead_code, reason = "it is the support of the other tests, of which these need a part")]
#[path = "../it/support/authority.rs"]
mod authority;
mod notified;
mod program;
mod registry;
mod support;
mod transport;
