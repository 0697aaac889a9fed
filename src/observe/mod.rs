//! Stage 1, observe: what stands in Git or in a working tree, and what registries have of it.
//!
//! Entry points in the order of a pass: [`scan::scan`] finds the sites, [`tags::ask`] the tag lists of
//! the images that are followed, [`tags::facts`] and [`signatures::ask`] what a decision still lacks. Decides nothing.

pub mod answers;
pub mod checkout;
pub mod checks;
pub mod files;
pub mod history;
mod inspections;
mod remembered;
pub mod scan;
pub mod signatures;
pub mod tags;
pub mod tree;
