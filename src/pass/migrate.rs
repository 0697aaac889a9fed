//! The first configuration of a repository: from what other tools left there, or from its folders alone.

use crate::cache::Cache;
use crate::manifest;
use crate::manifest::foreign::renovate;
use crate::migrate::{self, Draft, Seen};
use crate::model::file::RepoPath;
use crate::observe::files::Files;
use crate::observe::scan::scan;
use crate::pass::PassError;

/// What a configuration is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Flux's image automation.
    Flux,
    /// Argo CD Image Updater.
    ArgoCd,
    /// Renovate.
    Renovate,
    /// What is there, without any other tool; an empty draft where no file is.
    Nothing,
}

/// Makes a draft of a configuration.
///
/// # Errors
///
/// [`PassError::Files`] when the files could not be listed, or the other tool's configuration could not be read.
pub fn draft(from: From, files: &dyn Files, cache: &Cache, limits: &manifest::Limits) -> Result<Draft, PassError> {
    let scanned = scan(files, &[], limits, cache).map_err(PassError::Files)?;
    let seen = Seen { sites: &scanned.sites, files: &scanned.files, foreign: &scanned.foreign };
    Ok(match from {
        From::Flux => migrate::flux::draft(seen),
        From::ArgoCd => migrate::argocd::draft(seen),
        // Where there is nothing, there is nothing to begin with.
        From::Nothing if scanned.files.is_empty() => Draft::default(),
        From::Nothing => migrate::start::draft(seen),
        From::Renovate => {
            let mut known = renovate::FILES.iter().filter_map(|name| RepoPath::new(name));
            let Some(file) = known.find(|file| scanned.files.binary_search(file).is_ok()) else {
                return Ok(Draft::default());
            };
            let bytes =
                files.read(&file, limits.max_bytes).map_err(|reason| PassError::Files(format!("{file}: {reason}")))?;
            let read = renovate::read(&file, &bytes, limits).map_err(PassError::Files)?;
            migrate::renovate::draft(&read, seen)
        }
    })
}
