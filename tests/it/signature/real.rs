//! Signatures and the trusted root as the world has them: see `tests/data/signature/README.md`.

use std::path::Path;

use serde_json::Value;
use tagboat::signature::key::PublicKey;
use tagboat::signature::trust::TrustedRoot;
use tagboat::signature::{Material, Requirement};

use super::{by_name, by_pattern, says_of};
use crate::support::signer::encode;

/// Of the image that the bundle signs.
const SIGNED: &str = "sha256:c811d58de79c92f03214e63aa339484e488d694ae8a6283b5f3f17a9faf50172";
const WORKFLOW: &str =
    "https://github.com/kubewarden/kubewarden-controller/.github/workflows/release.yml@refs/tags/v1.34.0";
const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/signature").join(name)).unwrap()
}

fn trust() -> TrustedRoot {
    TrustedRoot::parse(&file("trusted_root.json")).unwrap()
}

#[test]
fn an_image_s_signature_by_cosign_holds() {
    let bundle = Material::Bundle(file("image.bundle.json"));
    let says = |digest: &str, by: &Requirement| says_of(digest, &bundle, by, Some(&trust()));
    assert_eq!(says(SIGNED, &by_name(WORKFLOW, GITHUB)), "holds");
    assert_eq!(says(SIGNED, &by_pattern("https://github\\.com/kubewarden/.+", "https://.+")), "holds");
    let other = by_name("https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main", GITHUB);
    assert_eq!(says(SIGNED, &other), format!("somebody else: {WORKFLOW} (issuer {GITHUB})"));
    assert_eq!(says(super::OTHER, &by_name(WORKFLOW, GITHUB)), format!("it is of other content, {SIGNED}"));
}

#[test]
fn each_proof_of_it_counts() {
    let good: Value = serde_json::from_slice(&file("image.bundle.json")).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bad = good.clone();
        change(&mut bad);
        says_of(SIGNED, &super::bundle(&bad), &by_name(WORKFLOW, GITHUB), Some(&trust()))
    };
    let entry =
        |bad: &mut Value, change: &dyn Fn(&mut Value)| change(&mut bad["verificationMaterial"]["tlogEntries"][0]);
    assert_eq!(
        changed(&|bad| entry(bad, &|entry| entry["logIndex"] = "1".into())),
        "the log's promise is not by the log that it names"
    );
    assert_eq!(
        changed(&|bad| entry(bad, &|entry| entry["inclusionProof"]["hashes"][0] = encode([0; 32]).into())),
        "the log's proof leads to another tree"
    );
    assert_eq!(
        changed(&|bad| bad["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA".into()),
        "the log's entry is about another signature or certificate"
    );
    let root: Value = serde_json::from_slice(&file("trusted_root.json")).unwrap();
    let without = |list: &str| {
        let mut root = root.clone();
        root[list].as_array_mut().unwrap().pop();
        let trust = TrustedRoot::parse(&serde_json::to_vec(&root).unwrap()).unwrap();
        says_of(SIGNED, &super::bundle(&good), &by_name(WORKFLOW, GITHUB), Some(&trust))
    };
    assert_eq!(without("ctlogs"), "no log of certificates that the trusted root names has seen its certificate");
    let reason = without("certificateAuthorities");
    assert!(reason.starts_with("no certificate authority of the trusted root stands for 2026-"), "{reason}");
}

#[test]
fn an_attestation_is_no_signature() {
    let bundle = Material::Bundle(file("attestation.bundle.json"));
    assert_eq!(says_of(SIGNED, &bundle, &by_pattern(".*", ".*"), Some(&trust())), "no signature");
}

#[test]
fn a_signature_by_a_managed_key_holds() {
    let by = Requirement::keys(vec![PublicKey::from_pem(&file("managed-key.pub")).unwrap()]);
    let bundle = Material::Bundle(file("managed-key.bundle.json"));
    let artifact = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf";
    assert_eq!(says_of(artifact, &bundle, &by, None), "holds");
    assert_eq!(says_of(SIGNED, &bundle, &by, None), format!("it is of other content, {artifact}"));
}

#[test]
fn no_changed_byte_makes_a_reader_panic_or_the_signature_hold_for_other_content() {
    let (bundle, root, by) = (file("image.bundle.json"), file("trusted_root.json"), by_name(WORKFLOW, GITHUB));
    let trusted = trust();
    for at in (0..bundle.len()).step_by(11) {
        for changed in [bundle[..at].to_vec(), flipped(&bundle, at)] {
            let says = |digest| says_of(digest, &Material::Bundle(changed.clone()), &by, Some(&trusted));
            assert_ne!(says(super::OTHER), "holds", "{at}");
            assert!(changed.len() == bundle.len() || says(SIGNED) != "holds", "cut off at {at}");
        }
    }
    let bundle = Material::Bundle(bundle);
    for at in (0..root.len()).step_by(11) {
        assert!(TrustedRoot::parse(&root[..at]).is_err(), "cut off at {at}");
        if let Ok(changed) = TrustedRoot::parse(&flipped(&root, at)) {
            assert_ne!(says_of(super::OTHER, &bundle, &by, Some(&changed)), "holds", "{at}");
        }
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1;
    flipped
}
