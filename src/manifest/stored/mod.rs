//! What a scan found in one file, as bytes that can be kept, and the key under which they stay true.
//!
//! Entry points: [`Key::of`], [`encode`] and [`decode`]. Bytes that are damaged, or that belong to another key, are no
//! result: the file is then looked into again. Where the bytes are kept is not this module's business.

mod bytes;
mod foreign;
mod policies;
mod sites;

use sha2::{Digest, Sha256};

use crate::manifest::stored::bytes::{Reader, Stored, Writer};
use crate::manifest::{FileScan, Limits, Surroundings};
use crate::model::file::RepoPath;

/// The number of what results mean and how they are written. Raised whenever either changes: results that were kept
/// before are then found no more. A test compares the results of all fixtures with those of this number.
pub const VERSION: u32 = 7;

/// How many bytes of a checksum stand before a result.
pub const CHECKSUM: usize = 8;

/// How many bytes of a key tell the folder.
const PLACE: usize = 4;

/// Everything that a file's result depends on, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// Returns the key of a file's result.
    ///
    /// `content` names the bytes, as the id of Git's blob does. The path counts as a whole: formats are told apart by
    /// folders, names and extensions.
    pub fn of(path: &RepoPath, content: &str, surroundings: &Surroundings, limits: &Limits) -> Self {
        let Limits { max_bytes, max_depth, max_nodes, max_aliases } = limits;
        let mut said = Vec::with_capacity(256);
        let mut text = |text: &str| {
            said.extend_from_slice(&(text.len() as u64).to_le_bytes());
            said.extend_from_slice(text.as_bytes());
        };
        // A release may see more than the fixtures show.
        text(env!("CARGO_PKG_VERSION"));
        text(path.as_str());
        text(content);
        surroundings.say(path, &mut text);
        for number in [u64::from(VERSION), *max_bytes, *max_depth as u64, *max_nodes as u64, *max_aliases as u64] {
            said.extend_from_slice(&number.to_le_bytes());
        }
        let mut key: [u8; 32] = Sha256::digest(&said).into();
        // Results of one folder lie side by side wherever keys are kept in order, as a pass asks for them.
        key[..PLACE].copy_from_slice(&Sha256::digest(path.folder())[..PLACE]);
        Self(key)
    }
}

/// Writes a file's result; `length` is the file's, in bytes.
///
/// `None` where reading would not give the same result again; such a file is looked into each time.
pub fn encode(key: &Key, path: &RepoPath, length: usize, scan: &FileScan) -> Option<Vec<u8>> {
    let mut out = Writer::new(path);
    out.bytes.resize(CHECKSUM, 0);
    length.put(&mut out);
    let FileScan { sites, passed_over, foreign, layers } = scan;
    sites.put(&mut out);
    passed_over.put(&mut out);
    let has_foreign = *foreign != crate::manifest::foreign::Foreign::default();
    has_foreign.put(&mut out);
    if has_foreign {
        foreign.put(&mut out);
    }
    layers.put(&mut out);
    if !out.is_whole {
        return None;
    }
    let mut row = out.bytes;
    let sum = checksum(key, &row[CHECKSUM..]);
    row[..CHECKSUM].copy_from_slice(&sum);
    (decode(key, path, Some(length), &row).as_ref() == Some(scan)).then_some(row)
}

/// Reads a file's result; `length` is the file's in bytes, where it is known.
///
/// `None` where the bytes are not the whole result of this key, or name places that the file does not have.
pub fn decode(key: &Key, path: &RepoPath, length: Option<usize>, row: &[u8]) -> Option<FileScan> {
    let (sum, rest) = row.split_at_checked(CHECKSUM)?;
    if sum != checksum(key, rest) {
        return None;
    }
    let mut from = Reader::new(path, rest);
    from.length = Stored::take(&mut from)?;
    if length.is_some_and(|length| length != from.length) {
        return None;
    }
    let scan = FileScan {
        sites: Stored::take(&mut from)?,
        passed_over: Stored::take(&mut from)?,
        foreign: if Stored::take(&mut from)? { Stored::take(&mut from)? } else { Default::default() },
        layers: Stored::take(&mut from)?,
    };
    let is_within = scan.sites.iter().all(|site| site.offset <= from.length);
    (is_within && from.rest.is_empty()).then_some(scan)
}

/// Sums a result up, with the key that it is for.
fn checksum(key: &Key, result: &[u8]) -> [u8; CHECKSUM] {
    let sum: [u8; 32] = Sha256::new().chain_update(key.0).chain_update(result).finalize().into();
    let mut short = [0; CHECKSUM];
    short.copy_from_slice(&sum[..CHECKSUM]);
    short
}

#[cfg(test)]
mod tests;
