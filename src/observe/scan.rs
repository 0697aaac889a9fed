//! Finding every reference in a set of files, on all cores.

use crate::cores;
use crate::manifest::foreign::Foreign;
use crate::manifest::{self, FileScan, Surroundings};
use crate::model::file::RepoPath;
use crate::model::format::ExtraFormat;
use crate::model::site::{PassedOver, Site};
use crate::observe::files::Files;

/// What scanning found.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Every reference, by file and offset.
    pub sites: Vec<Site>,
    /// Every file that was not looked into, by path.
    pub passed_over: Vec<PassedOver>,
    /// Every file that there is, by path.
    pub files: Vec<RepoPath>,
    /// What the files say about each other.
    pub surroundings: Surroundings,
    /// What other updaters' objects in the files say; the sites have their policies already.
    pub foreign: Foreign,
}

/// Reads and scans every file that may hold a reference; `formats` are the configuration's further places.
///
/// # Errors
///
/// The reason in words when the files could not be listed; a single file that fails is a row of `passed_over`.
pub fn scan(files: &dyn Files, formats: &[ExtraFormat], limits: &manifest::Limits) -> Result<Scanned, String> {
    let listing = files.list()?;
    let surroundings = Surroundings::new(listing.files.iter().map(RepoPath::as_str)).with_formats(formats);
    let may_hold = |path: &&RepoPath| {
        manifest::may_hold_reference(path.as_str()) || surroundings.formats_of(path).next().is_some()
    };
    let worth: Vec<&RepoPath> = listing.files.iter().filter(may_hold).collect();
    let scanned = cores::map(worth, |path| scan_file(path, files, &surroundings, limits));
    let found = scanned.into_iter().fold(FileScan::default(), append);
    let mut passed_over = found.passed_over;
    passed_over.extend(listing.passed_over);
    passed_over.sort_by(|one, other| one.file.cmp(&other.file));
    let mut sites = found.sites;
    sites.sort_by(|one, other| (&one.file, one.bytes().start).cmp(&(&other.file, other.bytes().start)));
    let mut foreign = found.foreign;
    foreign.sort();
    foreign.resolve(&mut sites);
    Ok(Scanned { sites, passed_over, files: listing.files, surroundings, foreign })
}

fn scan_file(path: &RepoPath, files: &dyn Files, surroundings: &Surroundings, limits: &manifest::Limits) -> FileScan {
    match files.read(path, limits.max_bytes) {
        Ok(bytes) => manifest::scan(path, &bytes, surroundings, limits),
        Err(reason) => {
            let passed_over = vec![PassedOver { file: path.as_str().to_owned(), reason }];
            FileScan { passed_over, ..FileScan::default() }
        }
    }
}

fn append(mut one: FileScan, mut other: FileScan) -> FileScan {
    one.sites.append(&mut other.sites);
    one.passed_over.append(&mut other.passed_over);
    one.foreign.append(&mut other.foreign);
    one
}
