//! Stand-in.
pub mod inline;
