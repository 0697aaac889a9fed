//! Reports for people: calm tables that fit the width, the unified diff, and what to do next.
//!
//! Entry points [`scan`], [`outcome`], [`explain`] and [`check`]. All text from outside is cleaned of
//! control and direction characters before it is measured or shown. Never asks the terminal anything.

mod check;
mod diff;
mod explain;
mod holds;
mod ink;
mod kept_back;
mod lists;
mod outcome;
mod page;
mod record;
mod scan;
mod table;

pub use check::check;
pub use diff::diff;
pub use explain::{asked, explain};
pub use holds::holds;
pub(super) use ink::{Tone, clean, paint};
pub use outcome::{Occasion, outcome};
pub use record::{delivery, history, status};
pub use scan::scan;

#[cfg(test)]
mod tests;
