//! Signatures: good ones of every kind, and each way in which one can be bad.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod configuration;
mod keyless;
mod keys;
mod real;

use rcgen::KeyPair;
use tagboat::model::image::{Digest, ImageName, Tag};
use tagboat::model::signature::{NamePattern, SignatureVerdict, SignerName};
use tagboat::signature::key::PublicKey;
use tagboat::signature::trust::TrustedRoot;
use tagboat::signature::{Checked, Material, Requirement, Simple, Subject, Tally, check};

use crate::support::signer::{IDENTITY, ISSUER, public_pem};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const IMAGE: &str = "ghcr.io/acme/web";

/// Says what a material is as a signature of `ghcr.io/acme/web:1.5.0` with the digest `DIGEST`.
fn says(material: &Material, by: &Requirement, trust: Option<&TrustedRoot>) -> String {
    says_of(DIGEST, material, by, trust)
}

fn says_of(digest: &str, material: &Material, by: &Requirement, trust: Option<&TrustedRoot>) -> String {
    let image: ImageName = IMAGE.parse().unwrap();
    let (tag, digest): (Tag, Digest) = ("1.5.0".parse().unwrap(), digest.parse().unwrap());
    let checked = check(material, &Subject { image: &image, tag: &tag, digest: &digest }, by, trust);
    match checked {
        Checked::Holds => "holds".to_owned(),
        Checked::NoSignature => "no signature".to_owned(),
        Checked::SomebodyElse(who) => format!("somebody else: {who}"),
        Checked::NoKey => "none of the keys".to_owned(),
        Checked::Broken(reason) => reason,
    }
}

fn simple(simple: Simple) -> Material {
    Material::Simple(simple)
}

fn bundle(json: &serde_json::Value) -> Material {
    Material::Bundle(serde_json::to_vec(json).unwrap())
}

fn by_key(key: &KeyPair) -> Requirement {
    Requirement::keys(vec![PublicKey::from_pem(public_pem(key).as_bytes()).unwrap()])
}

fn by_name(identity: &str, issuer: &str) -> Requirement {
    Requirement::name(SignerName::Exact(identity.to_owned()), SignerName::Exact(issuer.to_owned()))
}

fn by_pattern(identity: &str, issuer: &str) -> Requirement {
    let pattern = |text| SignerName::Pattern(NamePattern::new(text).unwrap());
    Requirement::name(pattern(identity), pattern(issuer))
}

fn by_us() -> Requirement {
    by_name(IDENTITY, ISSUER)
}

#[test]
fn one_signature_that_holds_is_enough_and_none_is_not_yet() {
    let broken = || Checked::Broken("it is broken".to_owned());
    let somebody = || Checked::SomebodyElse("by them".to_owned());
    let wrong = |reason: &str| SignatureVerdict::Wrong(reason.into());
    for (checked, expected) in [
        (vec![], SignatureVerdict::Missing),
        (vec![Checked::NoSignature], SignatureVerdict::Missing),
        (vec![broken(), somebody(), Checked::Holds, broken()], SignatureVerdict::Signed),
        (vec![Checked::NoSignature, broken()], wrong("its signature does not hold: it is broken")),
        (vec![somebody()], wrong("signed by somebody else: by them")),
        (
            vec![broken(), somebody(), broken()],
            wrong("signed by somebody else: by them (nor does any other of its 3 signatures count)"),
        ),
    ] {
        let mut tally = Tally::default();
        checked.into_iter().for_each(|one| tally.add(one));
        assert_eq!(tally.verdict(), expected);
    }
}

#[test]
fn a_requirement_is_named_by_its_keys_and_not_by_their_order() {
    let key = || PublicKey::from_pem(public_pem(&crate::support::signer::key()).as_bytes()).unwrap();
    let (one, other) = (key(), key());
    let alone = Requirement::keys(vec![one.clone()]);
    assert_eq!(alone.by(), format!("key {}", one.name()));
    assert_eq!(alone.by(), Requirement::keys(vec![one.clone(), one.clone()]).by());
    let both = Requirement::keys(vec![one.clone(), other.clone()]);
    assert!(both.by().starts_with("2 keys ") && both.by() != alone.by());
    assert_eq!(both.by(), Requirement::keys(vec![other, one]).by());
    assert_eq!(by_name("a", "b").by(), "a by b");
    assert_ne!(by_pattern("a", "b").by(), by_name("a", "b").by());
}
