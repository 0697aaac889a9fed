//! Signers, authorities and logs of our own: signatures in the documented forms, and each part can be made wrong.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SigningKey,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tagboat::signature::Simple;

/// When signatures are logged unless a test says otherwise: 2026-11-10T08:00:00Z.
pub(crate) const LOGGED: i64 = 1_794_297_600;

pub(crate) const IDENTITY: &str = "https://ci.example/acme/web/release.yml@refs/tags/v1.5.0";
pub(crate) const ISSUER: &str = "https://token.ci.example";

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes.as_ref()).into()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A key for signing images, on P-256.
pub(crate) fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// Returns the public half as cosign writes it.
pub(crate) fn public_pem(key: &KeyPair) -> String {
    pem("PUBLIC KEY", &key.subject_public_key_info())
}

/// Returns the payload of cosign's own form.
pub(crate) fn payload(reference: &str, digest: &str) -> Vec<u8> {
    let kind = "cosign container image signature";
    let critical =
        json!({"identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest}, "type": kind});
    serde_json::to_vec(&json!({"critical": critical, "optional": null})).unwrap()
}

/// Signs a payload in cosign's own form, with a key alone.
pub(crate) fn simple(key: &KeyPair, payload: Vec<u8>) -> Simple {
    let signature = encode(key.sign(&payload).unwrap());
    Simple { payload, signature, ..Simple::default() }
}

/// Returns the statement of a bundle about an image.
pub(crate) fn statement(name: &str, digest: &str) -> Vec<u8> {
    let (algorithm, digest) = digest.split_once(':').unwrap();
    let mut subject = json!({"digest": {algorithm: digest}});
    if !name.is_empty() {
        subject["name"] = name.into();
    }
    let predicate = "https://sigstore.dev/cosign/sign/v1";
    let kind = "https://in-toto.io/Statement/v1";
    serde_json::to_vec(&json!({"_type": kind, "subject": [subject], "predicateType": predicate, "predicate": {}}))
        .unwrap()
}

const STATEMENT: &str = "application/vnd.in-toto+json";

/// Returns what is signed of an envelope.
fn wrapped(payload: &[u8]) -> Vec<u8> {
    let mut wrapped = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len()).into_bytes();
    wrapped.extend(payload);
    wrapped
}

/// Signs a statement as a bundle, with a key alone.
pub(crate) fn bundle(key: &KeyPair, statement: &[u8]) -> Value {
    let signature = key.sign(&wrapped(statement)).unwrap();
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "any"}},
        "dsseEnvelope": {"payload": encode(statement), "payloadType": STATEMENT, "signatures": [{"sig": encode(signature)}]},
    })
}

/// A certificate authority, a log of signatures and a log of certificates.
pub(crate) struct World {
    root: Vec<u8>,
    between: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    log: KeyPair,
    certificate_log: KeyPair,
}

/// How a signer's certificate is made.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) identity: String,
    pub(crate) issuer: String,
    /// From the first of November 2026 on, this many days later it begins and ends.
    pub(crate) days: (u64, u64),
    pub(crate) usage: Option<ExtendedKeyUsagePurpose>,
    /// Whether the log of certificates has seen it.
    pub(crate) seen: bool,
    /// Whether the issuer stands in the first form alone.
    pub(crate) old_form: bool,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            identity: IDENTITY.to_owned(),
            issuer: ISSUER.to_owned(),
            days: (5, 15),
            usage: Some(ExtendedKeyUsagePurpose::CodeSigning),
            seen: true,
            old_form: false,
        }
    }
}

/// A signer with a certificate.
pub(crate) struct Signer {
    pub(crate) key: KeyPair,
    pub(crate) certificate: Vec<u8>,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2036, 1, 1);
    params
}

impl World {
    pub(crate) fn new() -> Self {
        let root_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let root = authority("root").self_signed(&root_key).unwrap().der().to_vec();
        let root_issuer = Issuer::new(authority("root"), root_key);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let between = authority("between").signed_by(&key, &root_issuer).unwrap().der().to_vec();
        let issuer = Issuer::new(authority("between"), key);
        Self { root, between, issuer, log: self::key(), certificate_log: self::key() }
    }

    /// Returns the trusted root that names all of it.
    pub(crate) fn trusted_root(&self) -> Value {
        let window = json!({"start": "2026-01-01T00:00:00Z"});
        let log = |key: &KeyPair| {
            let der = key.subject_public_key_info();
            let id = encode(sha256(&der));
            json!({
                "baseUrl": "https://log.example", "hashAlgorithm": "SHA2_256", "logId": {"keyId": id},
                "publicKey": {"rawBytes": encode(der), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": window},
            })
        };
        let chain = json!([{"rawBytes": encode(&self.between)}, {"rawBytes": encode(&self.root)}]);
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log)],
            "certificateAuthorities": [{"uri": "https://ca.example", "certChain": {"certificates": chain}, "validFor": window}],
            "ctlogs": [log(&self.certificate_log)],
        })
    }

    /// Issues a certificate.
    pub(crate) fn signer(&self, wish: &Wish) -> Signer {
        let key = key();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from(7u64));
        let name = wish.identity.as_str().try_into().unwrap();
        let is_url = wish.identity.contains("://");
        params.subject_alt_names = vec![if is_url { SanType::URI(name) } else { SanType::Rfc822Name(name) }];
        params.extended_key_usages = wish.usage.iter().cloned().collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let day = |days: u64| rcgen::date_time_ymd(2026, 11, 1) + std::time::Duration::from_secs(days * 86_400);
        (params.not_before, params.not_after) = (day(wish.days.0), day(wish.days.1));
        let first = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], wish.issuer.clone().into());
        let mut text = vec![0x0c, u8::try_from(wish.issuer.len()).unwrap()];
        text.extend(wish.issuer.bytes());
        let second = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], text);
        params.custom_extensions = if wish.old_form { vec![first] } else { vec![first, second] };
        let before = params.signed_by(&key, &self.issuer).unwrap();
        if !wish.seen {
            return Signer { key, certificate: before.der().to_vec() };
        }
        let list = self.seen(before.der());
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], list));
        Signer { certificate: params.signed_by(&key, &self.issuer).unwrap().der().to_vec(), key }
    }

    /// Makes the list of timestamps for a certificate (RFC 6962, section 3.3).
    fn seen(&self, before: &[u8]) -> Vec<u8> {
        // A certificate of this size has four bytes of head; then comes what was signed, with four bytes of its own.
        let length = usize::from(u16::from_be_bytes([before[6], before[7]])) + 4;
        let signed_part = &before[4..4 + length];
        let moment = (u64::try_from(LOGGED).unwrap() * 1000).to_be_bytes();
        let issuer = sha256(self.issuer.key().subject_public_key_info());
        let size = u32::try_from(length).unwrap().to_be_bytes();
        let parts: [&[u8]; 7] = [&[0, 0], &moment, &[0, 1], &issuer, &size[1..], signed_part, &[0, 0]];
        let signature = self.certificate_log.sign(&parts.concat()).unwrap();
        let block = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let log = sha256(self.certificate_log.subject_public_key_info());
        let stamp = [&[0u8][..], &log, &moment, &[0, 0], &[4, 3], &block(&signature)].concat();
        let list = block(&block(&stamp));
        [&[0x04, u8::try_from(list.len()).unwrap()][..], &list].concat()
    }

    fn log_id(&self) -> [u8; 32] {
        sha256(self.log.subject_public_key_info())
    }

    /// Promises that an entry is in the log.
    pub(crate) fn promise(&self, body: &[u8], moment: i64) -> Vec<u8> {
        let (body, id) = (encode(body), hex(self.log_id()));
        let text = format!(r#"{{"body":"{body}","integratedTime":{moment},"logID":"{id}","logIndex":42}}"#);
        self.log.sign(text.as_bytes()).unwrap()
    }

    /// Signs a payload in cosign's own form, without a key of the signer's own.
    pub(crate) fn simple(&self, signer: &Signer, payload: Vec<u8>, moment: i64) -> Simple {
        let mut simple = simple(&signer.key, payload);
        let certificate = pem("CERTIFICATE", &signer.certificate);
        let hash = json!({"algorithm": "sha256", "value": hex(sha256(&simple.payload))});
        let signed = json!({"content": simple.signature, "publicKey": {"content": encode(&certificate)}});
        let spec = json!({"data": {"hash": hash}, "signature": signed});
        let body = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}).to_string();
        let promise = encode(self.promise(body.as_bytes(), moment));
        let id = hex(self.log_id());
        let entry = json!({"body": encode(&body), "integratedTime": moment, "logIndex": 42, "logID": id});
        simple.log = Some(json!({"SignedEntryTimestamp": promise, "Payload": entry}).to_string());
        simple.certificate = Some(certificate);
        simple
    }

    /// Signs a statement as a bundle, with a promise of the log's and a proof.
    pub(crate) fn bundle(&self, signer: &Signer, statement: &[u8], moment: i64) -> Value {
        let mut bundle = bundle(&signer.key, statement);
        let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].clone();
        let verifier = encode(pem("CERTIFICATE", &signer.certificate));
        let hash = json!({"algorithm": "sha256", "value": hex(sha256(statement))});
        let spec = json!({"payloadHash": hash, "signatures": [{"signature": signature, "verifier": verifier}]});
        let body = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).to_string();
        bundle["verificationMaterial"] = json!({
            "certificate": {"rawBytes": encode(&signer.certificate)},
            "tlogEntries": [{
                "logIndex": "42",
                "logId": {"keyId": encode(self.log_id())},
                "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                "integratedTime": moment.to_string(),
                "inclusionPromise": {"signedEntryTimestamp": encode(self.promise(body.as_bytes(), moment))},
                "inclusionProof": self.proof(body.as_bytes()),
                "canonicalizedBody": encode(&body),
            }],
        });
        bundle
    }

    /// Proves that an entry is the third of five in the log's tree.
    fn proof(&self, body: &[u8]) -> Value {
        let leaf = |bytes: &[u8]| sha256([&[0], bytes].concat());
        let parent = |left: [u8; 32], right: [u8; 32]| sha256([&[1][..], &left, &right].concat());
        let [first, second, fourth, fifth] = [b"a", b"b", b"d", b"e"].map(|bytes| leaf(bytes));
        let left = parent(first, second);
        let four = parent(left, parent(leaf(body), fourth));
        let root = parent(four, fifth);
        let note = format!("log.example - 1\n5\n{}\n", encode(root));
        let signature = [&self.log_id()[..4], &self.log.sign(note.as_bytes()).unwrap()].concat();
        let envelope = format!("{note}\n\u{2014} log.example {}\n", encode(signature));
        json!({
            "logIndex": "2", "treeSize": "5", "rootHash": encode(root),
            "hashes": [encode(fourth), encode(left), encode(fifth)],
            "checkpoint": {"envelope": envelope},
        })
    }
}
