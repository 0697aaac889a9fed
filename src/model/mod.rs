//! The nouns that every stage speaks: image names, tags, policies, sites, environments, changes, gates.
//!
//! Owns the types on which all other layers meet, with their grammars (`FromStr`, `Display`).
//! Does no I/O, knows no wire format, and never reads the clock.

pub mod brought;
pub mod change;
pub mod checks;
pub mod commit;
pub mod decision;
pub mod deployment;
pub mod elsewhere;
pub mod environment;
pub mod exchange;
pub mod file;
pub mod format;
pub mod gate;
pub mod glob;
pub mod history;
pub mod hold;
pub mod image;
pub mod json_path;
pub mod kept_back;
pub mod markdown;
pub mod marker;
pub mod observation;
pub mod outcome;
pub mod policy;
pub mod proposal;
pub mod pull_request;
pub mod query;
pub mod record;
pub mod refusal;
pub mod rejections;
pub mod signature;
pub mod site;
pub mod source;
pub mod tags;
pub mod template;
pub mod usage;
pub mod watch;
