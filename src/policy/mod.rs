//! Policies: ranges, tag families, orderings, and the texts that people write them in.
//!
//! The entry points are the parse functions here and in [`range`], [`calver`], [`pattern`] and [`inline`],
//! and [`family::Shape`]. Nothing here chooses a tag: that is `crate::decide`.

pub mod family;
pub mod range;
pub mod version;
