//! Signatures, checked: bytes from a registry, and a policy's word who must have signed, to a verdict. Pure.
//!
//! The entry points are [`Requirement`], [`check`] and [`Tally`]. Two ways to sign are understood: cosign's own
//! (a layer with a "simple signing" payload and annotations) and Sigstore's bundle (version 0.3). Nothing is
//! asked over the network: what logs and authorities are to be trusted stands in a [`trust::TrustedRoot`].
//! Deliberately absent: RFC 3161 timestamps, revocation lists, and every policy on attestations.

mod bundle;
mod certificate;
pub mod key;
mod log;
mod sct;
mod simple;
mod text;
pub mod trust;

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use crate::signature::bundle::{MAX_BUNDLE, SIGN_PREDICATE};
pub use crate::signature::simple::MAX_PAYLOAD;

use crate::model::image::{Digest, ImageName, Reference, Tag, shorten};
use crate::model::signature::{SignatureVerdict, SignerName};
use crate::signature::certificate::Leaf;
use crate::signature::key::PublicKey;
use crate::signature::trust::TrustedRoot;

/// How long a signer's name may be to be shown whole, in bytes: paths of workflows are long.
const MAX_SHOWN: usize = 400;

/// What lies in a registry beside an image and may be its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// cosign's own form: the bytes of a layer, and the layer's annotations.
    Simple(Simple),
    /// A Sigstore bundle.
    Bundle(Vec<u8>),
    /// Something that says it is a signature and cannot be one, with the reason in words.
    Unfit(String),
}

/// A signature as cosign stores it by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simple {
    /// What is signed, as it is.
    pub payload: Vec<u8>,
    /// The signature, in Base64: `dev.cosignproject.cosign/signature`.
    pub signature: String,
    /// The certificate, in PEM: `dev.sigstore.cosign/certificate`.
    pub certificate: Option<String>,
    /// The log's promise, in JSON: `dev.sigstore.cosign/bundle`.
    pub log: Option<String>,
}

/// What must have been signed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The image.
    pub image: &'a ImageName,
    /// The tag; it counts where a signature names one.
    pub tag: &'a Tag,
    /// The content.
    pub digest: &'a Digest,
}

/// Who must have signed, with everything at hand to check it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    by: String,
    who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Keys(Vec<PublicKey>),
    Name { identity: SignerName, issuer: SignerName },
}

impl Requirement {
    /// Asks for one of these keys.
    pub fn keys(keys: Vec<PublicKey>) -> Self {
        let mut names: Vec<String> = keys.iter().map(PublicKey::name).collect();
        names.sort_unstable();
        names.dedup();
        // One hash for all: a list of twenty would be most of a snapshot's row.
        let by = match &names[..] {
            [name] => format!("key {name}"),
            names => format!("{} keys {}", names.len(), hex(&Sha256::digest(names.join("\n")))),
        };
        Self { by, who: Who::Keys(keys) }
    }

    /// Asks for a certificate with these names.
    pub fn name(identity: SignerName, issuer: SignerName) -> Self {
        Self { by: format!("{identity} by {issuer}"), who: Who::Name { identity, issuer } }
    }

    /// Returns who it is, in words that are the same for the same keys or names.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Whether a trusted root is needed to check it.
    pub fn needs_trust(&self) -> bool {
        matches!(self.who, Who::Name { .. })
    }
}

/// What one material says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is a signature by whom the requirement names, of this subject.
    Holds,
    /// It is no signature of an image, such as an attestation.
    NoSignature,
    /// It is a good signature, by somebody else; who, in words.
    SomebodyElse(String),
    /// None of the keys made it: another one did, or it was changed since, which nothing tells apart.
    NoKey,
    /// It is a signature that proves nothing, with the reason in words.
    Broken(String),
}

/// Checks one material.
pub fn check(
    material: &Material,
    subject: &Subject<'_>,
    requirement: &Requirement,
    trust: Option<&TrustedRoot>,
) -> Checked {
    let checked = match material {
        Material::Simple(simple) => simple::check(simple, subject, requirement, trust),
        Material::Bundle(bytes) => bundle::check(bytes, subject, requirement, trust),
        Material::Unfit(reason) => Err(Flaw::Broken(reason.clone())),
    };
    match checked {
        Ok(()) => Checked::Holds,
        Err(Flaw::NoSignature) => Checked::NoSignature,
        Err(Flaw::SomebodyElse(who)) => Checked::SomebodyElse(who),
        Err(Flaw::NoKey) => Checked::NoKey,
        Err(Flaw::Broken(reason)) => Checked::Broken(reason),
    }
}

/// Why a material is not what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Flaw {
    NoSignature,
    SomebodyElse(String),
    NoKey,
    Broken(String),
}

impl Flaw {
    fn broken(reason: impl Into<String>) -> Self {
        Self::Broken(reason.into())
    }

    fn no_trust() -> Self {
        Self::broken("there is no trusted root to check its certificate against")
    }
}

/// Counts what the materials of one subject say: one that holds is enough.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    signed: bool,
    /// Who signed it, as words after "signed by somebody else".
    somebody: Option<String>,
    broken: Option<String>,
    count: usize,
}

impl Tally {
    /// Adds one.
    pub fn add(&mut self, checked: Checked) {
        match checked {
            Checked::Holds => self.signed = true,
            Checked::NoSignature => return,
            Checked::SomebodyElse(who) => self.somebody = self.somebody.take().or(Some(format!(": {who}"))),
            Checked::NoKey => {
                let words = || ", or changed since: none of the policy's keys made the signature".to_owned();
                self.somebody = self.somebody.take().or_else(|| Some(words()));
            }
            Checked::Broken(reason) => self.broken = self.broken.take().or(Some(reason)),
        }
        self.count += 1;
    }

    /// Whether one held, so that no other need be looked at.
    pub fn is_signed(&self) -> bool {
        self.signed
    }

    /// Returns what came of all that were added.
    pub fn verdict(self) -> SignatureVerdict {
        let reason = match (self.signed, self.somebody, self.broken) {
            (true, ..) => return SignatureVerdict::Signed,
            (false, Some(who), _) => format!("signed by somebody else{who}"),
            (false, None, Some(reason)) => format!("its signature does not hold: {reason}"),
            (false, None, None) => return SignatureVerdict::Missing,
        };
        let others = match self.count {
            0 | 1 => String::new(),
            count => format!(" (nor does any other of its {count} signatures count)"),
        };
        SignatureVerdict::Wrong(Arc::from(format!("{reason}{others}")))
    }
}

/// Whether a name that a signature gives its image is the subject's.
fn check_reference(written: &str, subject: &Subject<'_>) -> Result<(), Flaw> {
    let another = || Flaw::broken(format!("it is for {}", shorten(written)));
    let Reference { name, tag, digest, .. } = written.parse().map_err(|_not_a_reference| another())?;
    let same = name == *subject.image
        && tag.is_none_or(|tag| tag == *subject.tag)
        && digest.is_none_or(|digest| digest == *subject.digest);
    if same { Ok(()) } else { Err(another()) }
}

/// Whether a digest that a signature names is the subject's.
fn check_digest(written: &str, subject: &Subject<'_>) -> Result<(), Flaw> {
    if written == subject.digest.as_str() {
        return Ok(());
    }
    Err(Flaw::broken(format!("it is of other content, {}", shorten(written))))
}

/// Whether a certificate's names are those that are asked for.
fn named(leaf: &Leaf, identity: &SignerName, issuer: &SignerName) -> Result<(), Flaw> {
    if identity.matches(leaf.identity()) && issuer.matches(leaf.issuer()) {
        return Ok(());
    }
    Err(Flaw::SomebodyElse(format!("{} (issuer {})", show(leaf.identity()), show(leaf.issuer()))))
}

/// Returns a signer's name for messages: whole, as a person would copy it into a rule, unless it is odd.
fn show(name: &str) -> String {
    let is_plain = name.len() <= MAX_SHOWN && !name.chars().any(char::is_control);
    if is_plain { name.to_owned() } else { shorten(name) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
