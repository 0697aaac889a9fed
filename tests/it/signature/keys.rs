//! Signatures by keys, in cosign's own form and as bundles.

use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};
use tagboat::signature::key::PublicKey;
use tagboat::signature::{Material, Requirement, Simple};

use super::{DIGEST, IMAGE, OTHER, by_key, by_us, says, simple};
use crate::support::signer::{self, encode, hex, key, payload, pem, public_pem, sha256, statement};

#[test]
fn keys_of_every_kind_sign_in_both_forms() {
    for kind in
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519, &rcgen::PKCS_RSA_SHA256]
    {
        let key = KeyPair::generate_for(kind).unwrap();
        let by = by_key(&key);
        let own = signer::simple(&key, payload(IMAGE, DIGEST));
        assert_eq!(says(&simple(own), &by, None), "holds", "{kind:?}");
        let bundle = signer::bundle(&key, &statement("", DIGEST));
        assert_eq!(says(&super::bundle(&bundle), &by, None), "holds", "{kind:?}");
        let other = by_key(&KeyPair::generate_for(kind).unwrap());
        assert_eq!(says(&super::bundle(&bundle), &other, None), "none of the keys");
    }
}

#[test]
fn one_of_several_keys_is_enough() {
    let (one, other, third) = (key(), key(), key());
    let public = |key: &KeyPair| PublicKey::from_pem(public_pem(key).as_bytes()).unwrap();
    let by = Requirement::keys(vec![public(&one), public(&other)]);
    let signed = |key: &KeyPair| simple(signer::simple(key, payload(IMAGE, DIGEST)));
    assert_eq!(says(&signed(&other), &by, None), "holds");
    assert_eq!(says(&signed(&third), &by, None), "none of the keys");
}

#[test]
fn a_payload_must_be_about_this_content_under_this_name() {
    let key = key();
    let kind = "cosign container image signature";
    let odd = |value: Value| serde_json::to_vec(&value).unwrap();
    let image = json!({"docker-manifest-digest": DIGEST});
    let identity = json!({"docker-reference": IMAGE});
    for (payload, expected) in [
        (payload("ghcr.io/acme/web", DIGEST), "holds".to_owned()),
        (payload("ghcr.io/acme/web:1.5.0", DIGEST), "holds".to_owned()),
        (payload(&format!("ghcr.io/acme/web@{DIGEST}"), DIGEST), "holds".to_owned()),
        (payload(IMAGE, OTHER), format!("it is of other content, {OTHER}")),
        (payload("ghcr.io/acme/other", DIGEST), "it is for ghcr.io/acme/other".to_owned()),
        (payload("ghcr.io/acme/web:9.9.9", DIGEST), "it is for ghcr.io/acme/web:9.9.9".to_owned()),
        (payload("quay.io/acme/web", DIGEST), "it is for quay.io/acme/web".to_owned()),
        (payload("", DIGEST), "it is for ".to_owned()),
        (payload("a\u{1b}[31m", DIGEST), "it is for a\\u{1b}[31m".to_owned()),
        (payload(IMAGE, "latest"), "it is of other content, latest".to_owned()),
        (b"{}".to_vec(), "its payload cannot be read".to_owned()),
        (b"".to_vec(), "its payload cannot be read".to_owned()),
        (payload(IMAGE, DIGEST)[..40].to_vec(), "its payload cannot be read".to_owned()),
        ([b"[".repeat(10_000)].concat(), "its payload cannot be read".to_owned()),
        (vec![b' '; 70_000], "its payload has more than 65536 bytes".to_owned()),
        (
            odd(json!({"critical": {"identity": identity, "image": image, "type": "something"}})),
            "its payload is of the kind `something`, not an image's signature".to_owned(),
        ),
        (
            format!(
                r#"{{"critical": {{"identity": {identity}, "image": {{"docker-manifest-digest": "{OTHER}", "docker-manifest-digest": "{DIGEST}"}}, "type": "{kind}"}}}}"#
            )
            .into_bytes(),
            "its payload cannot be read".to_owned(),
        ),
        (
            format!(
                r#"{{"critical": {{}}, "critical": {{"identity": {identity}, "image": {image}, "type": "{kind}"}}}}"#
            )
            .into_bytes(),
            "its payload cannot be read".to_owned(),
        ),
    ] {
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(300)]).into_owned();
        assert_eq!(says(&simple(signer::simple(&key, payload)), &by_key(&key), None), expected, "{shown}");
    }
}

#[test]
fn not_a_bit_of_signature_or_payload_may_differ() {
    let key = key();
    let by = by_key(&key);
    let good = signer::simple(&key, payload(IMAGE, DIGEST));
    let signature = key.sign(&good.payload).unwrap();
    for at in 0..signature.len() {
        let mut flipped = signature.clone();
        flipped[at] ^= 1;
        let bad = Simple { signature: encode(&flipped), ..good.clone() };
        assert_eq!(says(&simple(bad), &by, None), "none of the keys", "{at}");
    }
    for signature in ["", "****", "AAAA", &encode(vec![0; 100_000])] {
        let bad = Simple { signature: signature.to_owned(), ..good.clone() };
        assert_ne!(says(&simple(bad), &by, None), "holds", "{signature:.20}");
    }
    let mut payload = good.payload.clone();
    payload.push(b' ');
    let bad = Simple { payload, ..good };
    assert_eq!(says(&simple(bad), &by, None), "none of the keys");
}

#[test]
fn a_statement_must_be_about_this_content_under_this_name_where_it_gives_one() {
    let key = key();
    for (statement, expected) in [
        (statement("", DIGEST), "holds".to_owned()),
        (statement("ghcr.io/acme/web", DIGEST), "holds".to_owned()),
        (statement("ghcr.io/acme/other", DIGEST), "it is for ghcr.io/acme/other".to_owned()),
        (statement("", OTHER), format!("it is of other content, {OTHER}")),
        (b"{".to_vec(), "its statement cannot be read".to_owned()),
        (
            String::from_utf8(statement("", DIGEST)).unwrap().replace("cosign/sign/v1", "scan/v1").into_bytes(),
            "no signature".to_owned(),
        ),
        (
            String::from_utf8(statement("", DIGEST)).unwrap().replace("Statement/v1", "Other/v1").into_bytes(),
            "its statement is of a kind that is not understood".to_owned(),
        ),
        (
            String::from_utf8(statement("", DIGEST))
                .unwrap()
                .replace("\"subject\":[", "\"subject\":[],\"x\":[")
                .into_bytes(),
            "it is of other content, nothing".to_owned(),
        ),
        (
            serde_json::to_vec(&json!({
                "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://sigstore.dev/cosign/sign/v1",
                "subject": vec![json!({"digest": {"sha256": &DIGEST[7..]}}); 101],
            }))
            .unwrap(),
            "its statement names more than 100 subjects".to_owned(),
        ),
    ] {
        let bundle = signer::bundle(&key, &statement);
        assert_eq!(says(&super::bundle(&bundle), &by_key(&key), None), expected);
    }
}

#[test]
fn a_bundle_that_was_changed_does_not_hold() {
    let key = key();
    let good = signer::bundle(&key, &statement("", DIGEST));
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        says(&super::bundle(&bundle), &by_key(&key), None)
    };
    assert_eq!(changed(&|_| {}), "holds");
    let none = "none of the keys";
    let other = encode(statement("ghcr.io/acme/web", DIGEST));
    assert_eq!(changed(&|bundle| bundle["dsseEnvelope"]["payload"] = other.clone().into()), none);
    assert_eq!(changed(&|bundle| bundle["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA".into()), none);
    assert_eq!(changed(&|bundle| bundle["dsseEnvelope"]["payloadType"] = "text/plain".into()), "no signature");
    let two = "its envelope does not hold one signature";
    assert_eq!(changed(&|bundle| bundle["dsseEnvelope"]["signatures"] = json!([])), two);
    let twice = good["dsseEnvelope"]["signatures"][0].clone();
    assert_eq!(changed(&|bundle| bundle["dsseEnvelope"]["signatures"] = json!([twice, twice])), two);
    let kind = "application/vnd.dev.sigstore.bundle+json;version=0.1";
    assert_eq!(
        changed(&|bundle| bundle["mediaType"] = kind.into()),
        format!("its bundle is of the kind `{kind}`, and version 0.3 is understood")
    );
    assert_eq!(
        changed(&|bundle| {
            bundle.as_object_mut().unwrap().remove("dsseEnvelope");
        }),
        "its bundle holds no or two signatures"
    );
    let unreadable = "its bundle cannot be read";
    let text = serde_json::to_string(&good).unwrap();
    let doubled = text.replacen('{', r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json","#, 1);
    for bytes in [&text.as_bytes()[..text.len() / 2], doubled.as_bytes(), b"", b"[]", "[".repeat(100_000).as_bytes()] {
        assert_eq!(says(&Material::Bundle(bytes.to_vec()), &by_key(&key), None), unreadable);
    }
    let huge = Material::Bundle(vec![b' '; (1 << 20) + 1]);
    assert_eq!(says(&huge, &by_key(&key), None), "its bundle has more than 1048576 bytes");
    let unfit = Material::Unfit("it has 9 bytes, and 8 are read at most".to_owned());
    assert_eq!(says(&unfit, &by_key(&key), None), "it has 9 bytes, and 8 are read at most");
}

/// A signature over an image's manifest itself, as for a file.
#[test]
fn a_bundle_may_sign_the_content_by_its_digest() {
    let manifest = b"{\"schemaVersion\": 2}";
    let digest = format!("sha256:{}", hex(sha256(manifest)));
    for (kind, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "holds"),
        (&rcgen::PKCS_RSA_SHA256, "holds"),
        // What signs the whole content cannot be checked by its digest.
        (&rcgen::PKCS_ED25519, "none of the keys"),
    ] {
        let key = KeyPair::generate_for(kind).unwrap();
        let signed = |algorithm: &str| {
            super::bundle(&json!({
                "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
                "verificationMaterial": {},
                "messageSignature": {
                    "messageDigest": {"algorithm": algorithm, "digest": encode(sha256(manifest))},
                    "signature": encode(key.sign(manifest).unwrap()),
                },
            }))
        };
        assert_eq!(super::says_of(&digest, &signed("SHA2_256"), &by_key(&key), None), expected, "{kind:?}");
        assert_eq!(says(&signed("SHA2_256"), &by_key(&key), None), format!("it is of other content, {digest}"));
        let unknown = "it signs a digest by `SHA2_384`, and SHA2_256 is understood";
        assert_eq!(says(&signed("SHA2_384"), &by_key(&key), None), unknown);
    }
}

#[test]
fn a_signature_by_key_is_none_by_name() {
    let own = signer::simple(&key(), payload(IMAGE, DIGEST));
    let trust = super::keyless::trust(&signer::World::new().trusted_root());
    assert_eq!(says(&simple(own), &by_us(), Some(&trust)), "it comes without a certificate");
    let bundle = signer::bundle(&key(), &statement("", DIGEST));
    assert_eq!(says(&super::bundle(&bundle), &by_us(), Some(&trust)), "it comes without a certificate");
}

/// A public key of RSA that is too short.
const SHORT_RSA: &str = "-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDc+wBltO8Z1EE2A7O44JeSECyu\n\
myI7n9DfPn9/54xFXqEcPIdJSEOJF23FACQRMtwbqsKsT3wr4oKSYKXN/EvfmZx2\n\
wIgBIJEErOxgRaZTzHisY+vh1L8LlqV8D8xNjbGovWczXUQHoEXDlkxDwL8bKHDD\n\
vrog7XNPMzPy0z3HewIDAQAB\n\
-----END PUBLIC KEY-----\n";

#[test]
fn says_what_a_file_is_that_is_no_public_key() {
    let der = rcgen::PublicKeyData::subject_public_key_info(&key());
    let mut broken = der.clone();
    *broken.last_mut().unwrap() ^= 1;
    let curve = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    for (file, expected) in [
        (pem("PUBLIC KEY", &der), "ok"),
        (format!("\n\n{}\n", pem("PUBLIC KEY", &der)), "ok"),
        (String::new(), "it is no PEM file: a public key begins with `-----BEGIN PUBLIC KEY-----`"),
        ("root:x:0:0\n".to_owned(), "it is no PEM file: a public key begins with `-----BEGIN PUBLIC KEY-----`"),
        (SHORT_RSA.to_owned(), "its RSA key has 1024 bits: 2048 to 8192 are taken"),
        (pem("ENCRYPTED SIGSTORE PRIVATE KEY", b"x"), "it holds a private key: a public key is needed"),
        (pem("CERTIFICATE", b"x"), "it holds a certificate: a public key is needed"),
        (pem("PGP", b"x"), "it holds something else: a public key is needed"),
        (pem("PUBLIC KEY", &der[..50]), "the key in it is broken"),
        (pem("PUBLIC KEY", &broken), "the key in it is broken"),
        (public_pem(&curve), "its kind of key is not understood: ECDSA on P-256 or P-384, Ed25519 and RSA are"),
        ("x".repeat(20_000), "it has more than 16384 bytes, which no key has"),
    ] {
        let read = PublicKey::from_pem(file.as_bytes());
        assert_eq!(read.map_or_else(|error| error.to_string(), |_| "ok".to_owned()), expected, "{file:.60}");
    }
}
