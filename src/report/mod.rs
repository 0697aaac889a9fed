//! Reports: what a pass found, decided and did, as JSON for programs and as text for people.
//!
//! Owns the stable JSON of the command line ([`json`]), the tables and the diff ([`mod@text`]), the single lines for
//! standard error ([`trouble`], [`warning`]), the findings of `check` for CI ([`github`], [`sarif`]) and the exit codes
//! ([`exit`]). Everything is a pure function from `model::outcome` values to a writer that the caller hands over.
//! Decides nothing, opens no stream, and knows neither the terminal nor the environment: [`View`] says what is wanted.

pub mod candidates;
pub mod csv;
pub mod exit;
pub mod github;
pub mod json;
mod line;
pub mod sarif;
pub mod text;
mod view;

pub use exit::Exit;
pub use line::{Base, trouble, warning};
pub use view::{Verbosity, View};
