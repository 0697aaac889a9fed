//! What is known of an environment of another repository, which comes before one of this one.
//!
//! Owns the data. Such an environment is only looked at: it is never edited, and what comes before it is not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::environment::Environment;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::site::{Site, Value};

/// An environment of another repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Elsewhere {
    /// The repository's URL, as the configuration here writes it.
    pub repository: Arc<str>,
    /// What it runs, by image.
    pub runs: BTreeMap<ImageName, BTreeSet<Value>>,
    /// The environment as it is configured there, under its name there.
    pub environment: Option<Arc<Environment>>,
    /// The references in it.
    pub sites: Vec<Site>,
    /// Those of them that say what it runs, by their positions.
    pub counted: BTreeSet<usize>,
    /// What people hold there, in it or before it: every entry names the environment by its name here.
    pub holds: Vec<Hold>,
}
