//! Proofs of inclusion (RFC 6962, section 2.1.1) and the checkpoints that sign a log's head.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::signature::Flaw;
use crate::signature::key::PublicKey;
use crate::signature::text::{Bytes, Number, decode};

/// How many hashes a proof may have: a tree of 2⁶⁴ leaves needs no more.
const MAX_HASHES: usize = 64;

/// The longest checkpoint, in bytes; with one witness it has some 400.
const MAX_CHECKPOINT: usize = 16 << 10;

/// How many signatures of a checkpoint are tried.
const MAX_WITNESSES: usize = 32;

type Hash = [u8; 32];

/// A proof that a tree holds a leaf.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    index: u64,
    size: u64,
    root: Hash,
    hashes: Vec<Hash>,
    checkpoint: String,
}

/// A bundle's `inclusionProof`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::signature) struct RawProof {
    log_index: Option<Number>,
    root_hash: Bytes,
    tree_size: Number,
    #[serde(default)]
    hashes: Vec<Bytes>,
    checkpoint: Option<RawCheckpoint>,
}

#[derive(Debug, Deserialize)]
struct RawCheckpoint {
    envelope: String,
}

impl Proof {
    /// Takes a proof as it stands in a bundle.
    pub(super) fn read(raw: RawProof) -> Result<Self, Flaw> {
        let hash =
            |bytes: Bytes| Hash::try_from(bytes.0).map_err(|_length| Flaw::broken("the log's proof is malformed"));
        if raw.hashes.len() > MAX_HASHES {
            return Err(Flaw::broken(format!("the log's proof has more than {MAX_HASHES} hashes")));
        }
        Ok(Self {
            index: raw.log_index.map_or(0, |index| index.0),
            size: raw.tree_size.0,
            root: hash(raw.root_hash)?,
            hashes: raw.hashes.into_iter().map(hash).collect::<Result<_, _>>()?,
            checkpoint: raw.checkpoint.map(|checkpoint| checkpoint.envelope).unwrap_or_default(),
        })
    }

    /// Checks that the tree whose head the log signed holds the leaf.
    pub(super) fn check(&self, leaf: &[u8], log: &PublicKey) -> Result<(), Flaw> {
        let root = self.root_of(leaf).ok_or_else(|| Flaw::broken("the log's proof does not fit its tree"))?;
        if root != self.root {
            return Err(Flaw::broken("the log's proof leads to another tree"));
        }
        let (size, head) = signed_head(&self.checkpoint, log)?;
        if (size, head) != (self.size, root) {
            return Err(Flaw::broken("the log's proof and the head that the log signed differ"));
        }
        Ok(())
    }

    /// Climbs from the leaf to the root; `None` where the number of hashes does not fit.
    ///
    /// As RFC 9162 puts it in section 2.1.3.2: `node` and `last` are the positions of the leaf and of the last leaf,
    /// a level further up each time.
    fn root_of(&self, leaf: &[u8]) -> Option<Hash> {
        let mut last = self.size.checked_sub(1)?;
        let mut node = self.index;
        if node > last {
            return None;
        }
        let mut hash: Hash = Sha256::new().chain_update([0]).chain_update(leaf).finalize().into();
        for sibling in &self.hashes {
            if last == 0 {
                return None;
            }
            if node & 1 == 1 || node == last {
                hash = parent(sibling, &hash);
                while node & 1 == 0 && node != 0 {
                    node >>= 1;
                    last >>= 1;
                }
            } else {
                hash = parent(&hash, sibling);
            }
            node >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(hash)
    }
}

fn parent(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Reads a checkpoint (a signed note: origin, size, root, an empty line, signatures) that the log has signed.
fn signed_head(envelope: &str, log: &PublicKey) -> Result<(u64, Hash), Flaw> {
    let malformed = || Flaw::broken("the log's checkpoint is malformed");
    if envelope.is_empty() {
        return Err(Flaw::broken("the log's proof comes without a checkpoint"));
    }
    if envelope.len() > MAX_CHECKPOINT {
        return Err(Flaw::broken(format!("the log's checkpoint has more than {MAX_CHECKPOINT} bytes")));
    }
    let (note, signatures) = envelope.split_once("\n\n").ok_or_else(malformed)?;
    // The line end before the empty line belongs to what is signed.
    let note = &envelope[..=note.len()];
    let by_log = |line: &str| {
        let parts = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '));
        // The first four bytes name the key.
        let signature = parts.and_then(|(_, encoded)| decode(encoded)).filter(|bytes| bytes.len() > 4);
        signature.is_some_and(|bytes| log.made(&bytes[4..], note.as_bytes()))
    };
    if !signatures.lines().take(MAX_WITNESSES).any(by_log) {
        return Err(Flaw::broken("the log's checkpoint is not signed by the log"));
    }
    let mut lines = note.lines().skip(1);
    let size = lines.next().and_then(|line| line.parse().ok()).ok_or_else(malformed)?;
    let root = lines.next().and_then(decode).and_then(|bytes| Hash::try_from(bytes).ok()).ok_or_else(malformed)?;
    Ok((size, root))
}
