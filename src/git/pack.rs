//! Packs: many new objects written as one file, for commits that change many files.
//!
//! Loose objects cost a temporary file, a folder and a renaming each, which is most of the time of a commit of
//! hundreds of files. Nothing is compared with older objects: what is written here is pushed and forgotten.

use std::io::Write as _;
use std::sync::atomic::AtomicBool;

use gix::objs::Kind;
use gix::odb::memory::Storage;
use gix::odb::pack;
use gix::zlib::Compression;
use gix::zlib::stream::deflate;

use crate::git::GitError;
use crate::git::objects::unwritable;

/// Up to how many objects are written loose: a single change in a deep folder, which needs no pack of its own.
const LOOSE: usize = 24;

/// Writes objects that were kept in memory so far. A pack appears with all of them at once.
pub(super) fn persist(repository: &gix::Repository, objects: &Storage) -> Result<(), GitError> {
    if objects.len() <= LOOSE {
        // The commit comes last, so that after a kill it is never there without what it names.
        let mut ordered: Vec<_> = objects.values().collect();
        ordered.sort_by_key(|(kind, _)| *kind == Kind::Commit);
        for (kind, content) in ordered {
            gix::objs::Write::write_buf(&repository.objects, *kind, content).map_err(unwritable)?;
        }
        return Ok(());
    }
    let folder = repository.objects.store_ref().path().join("pack");
    let packed = encode(repository.object_hash(), objects)?;
    let outcome = pack::Bundle::write_to_directory(
        &mut packed.as_slice(),
        Some(&folder),
        &mut gix::progress::Discard,
        &AtomicBool::new(false),
        None::<gix::OdbHandle>,
        repository.object_hash(),
        pack::bundle::write::Options::default(),
    )
    .map_err(unwritable)?;
    // The `.keep` file guards against a concurrent repacking, which a mirror does not have.
    match outcome.keep_path {
        Some(keep) => std::fs::remove_file(keep).map_err(unwritable),
        None => Ok(()),
    }
}

/// Encodes whole objects, without deltas (gitformat-pack, version 2).
fn encode(hash: gix::hash::Kind, objects: &Storage) -> Result<Vec<u8>, GitError> {
    let count = u32::try_from(objects.len()).map_err(unwritable)?;
    let mut packed = Vec::new();
    packed.extend_from_slice(b"PACK");
    packed.extend_from_slice(&2_u32.to_be_bytes());
    packed.extend_from_slice(&count.to_be_bytes());
    for (kind, content) in objects.values() {
        packed.extend(entry_header(*kind, content.len()));
        let mut deflated = deflate::Write::new(Vec::new(), Compression::BEST_SPEED);
        deflated.write_all(content).and_then(|()| deflated.flush()).map_err(unwritable)?;
        packed.extend(deflated.into_inner());
    }
    let mut hasher = gix::hash::hasher(hash);
    hasher.update(&packed);
    let checksum = hasher.try_finalize().map_err(unwritable)?;
    packed.extend_from_slice(checksum.as_slice());
    Ok(packed)
}

/// Encodes kind and size: four bits of the size beside the kind, then seven in each further byte.
fn entry_header(kind: Kind, size: usize) -> Vec<u8> {
    let kind = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let low = |bits: usize| u8::try_from(bits & 0x7f).expect("seven bits fit a byte");
    let mut header = vec![kind << 4 | (low(size) & 0x0f)];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(last) = header.last_mut() {
            *last |= 0x80;
        }
        header.push(low(rest));
        rest >>= 7;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_headers_follow_the_format() {
        assert_eq!(entry_header(Kind::Blob, 0), [0x30]);
        assert_eq!(entry_header(Kind::Tree, 15), [0x2f]);
        assert_eq!(entry_header(Kind::Commit, 16), [0x90, 0x01]);
        assert_eq!(entry_header(Kind::Blob, 0x0fff), [0xbf, 0xff, 0x01]);
    }
}
