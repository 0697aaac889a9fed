//! Stage 5, publish: changes become commits on a branch, or files in a working tree.
//!
//! [`plan`] is pure and says which commits there shall be; [`apply`] makes and pushes them, by [`making`] where they are signed;
//! [`worktree`] writes files in place. Nothing here decides what changes.

pub mod apply;
pub mod body;
pub mod held;
mod links;
pub mod making;
pub mod notes;
pub mod plan;
pub mod pull_requests;
mod wording;
pub mod worktree;
