//! Certificates of signers: whom they name, who vouched for that, and whether a trusted authority issued them.
//!
//! Paths are built by `webpki`, as for TLS, with code signing as the required usage.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode, Encode, pem};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::signature::key::PublicKey;
use crate::signature::trust::{Authority, TrustedRoot};
use crate::signature::{Flaw, sct};

/// The longest certificate that is read, in bytes; Fulcio's have some 2,000.
const MAX_CERTIFICATE: usize = 64 << 10;

/// How many extensions one may have; Fulcio's have some 25.
const MAX_EXTENSIONS: usize = 100;

/// The usage `codeSigning`, 1.3.6.1.5.5.7.3.3 (RFC 5280, section 4.2.1.12), in DER.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

const NOT_FOR_CODE: &str = "its certificate is not for signing code";

const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Who issued the token, as the bare bytes of its URL: Fulcio's first way to say it.
const ISSUER_V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// The same as a `UTF8String`: the second way.
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// A user's name that is no address, in an `otherName`.
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// A signer's certificate.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    der: Vec<u8>,
    parsed: Certificate,
    key: PublicKey,
    identity: String,
    issuer: String,
}

impl Leaf {
    /// Reads a certificate.
    pub(super) fn read(der: Vec<u8>) -> Result<Self, Flaw> {
        if der.len() > MAX_CERTIFICATE {
            return Err(Flaw::broken(format!("its certificate has more than {MAX_CERTIFICATE} bytes")));
        }
        let unreadable = || Flaw::broken("its certificate cannot be read");
        let parsed = Certificate::from_der(&der).map_err(|_malformed| unreadable())?;
        let extensions = parsed.tbs_certificate().extensions().map_or(0, Vec::len);
        if extensions > MAX_EXTENSIONS {
            return Err(Flaw::broken(format!("its certificate has more than {MAX_EXTENSIONS} extensions")));
        }
        let info = parsed.tbs_certificate().subject_public_key_info().to_der();
        let key = PublicKey::from_der(&info.map_err(|_malformed| unreadable())?);
        let key = key.map_err(|error| Flaw::broken(format!("its certificate's key: {error}")))?;
        let (identity, issuer) = (identity(&parsed)?, issuer(&parsed)?);
        Ok(Self { der, parsed, key, identity, issuer })
    }

    /// Reads a certificate in PEM; only the first counts where there are several.
    pub(super) fn of_pem(text: &str) -> Result<Self, Flaw> {
        let der = der_of_pem(text.as_bytes()).ok_or_else(|| Flaw::broken("its certificate is no PEM"))?;
        Self::read(der)
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Returns whom it names: a URL of a workflow, or a person's address.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// Returns who vouched for that.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Checks that a trusted authority had issued it, and that it was valid at the moment of signing.
    pub(super) fn is_trusted(&self, trust: &TrustedRoot, moment: Timestamp) -> Result<(), Flaw> {
        let mut reason = format!("no certificate authority of the trusted root stands for {moment}");
        for authority in trust.authorities.iter().filter(|authority| authority.window.holds(moment)) {
            match self.is_issued_by(authority, moment) {
                Ok(()) => return sct::check(&self.der, &self.parsed, authority, trust),
                Err(words) => reason = words,
            }
        }
        Err(Flaw::broken(reason))
    }

    fn is_issued_by(&self, authority: &Authority, moment: Timestamp) -> Result<(), String> {
        let seconds =
            u64::try_from(moment.as_second()).map_err(|_before_1970| "it was signed before 1970".to_owned())?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let unusable = |_| "a certificate of the trusted root cannot be used".to_owned();
        let root = CertificateDer::from(authority.root.as_slice());
        let anchors = [anchor_from_trusted_cert(&root).map_err(unusable)?];
        // An anchor is a key with a name: how long its certificate holds is not looked at on the way.
        if !is_valid_at(&authority.root, seconds) {
            return Err(format!("its certificate authority was not valid at {moment}"));
        }
        let between: Vec<CertificateDer<'_>> =
            authority.between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let leaf = CertificateDer::from(self.der.as_slice());
        let leaf = EndEntityCert::try_from(&leaf).map_err(|_unusable| "its certificate cannot be used".to_owned())?;
        // Absent on an authority, a usage restricts nothing; the signer's own must name it.
        let usage = KeyUsage::required_if_present(CODE_SIGNING);
        if extension(&self.parsed, EXTENDED_KEY_USAGE).is_none() {
            return Err(NOT_FOR_CODE.to_owned());
        }
        leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &between, time, usage, None, None)
            .map(|_path| ())
            .map_err(|error| match error {
                webpki::Error::CertExpired { .. } => {
                    format!("its certificate had expired when it was logged, {moment}")
                }
                webpki::Error::CertNotValidYet { .. } => {
                    format!("its certificate was not valid yet when it was logged, {moment}")
                }
                webpki::Error::UnknownIssuer => "its certificate is of no authority of the trusted root".to_owned(),
                webpki::Error::RequiredEkuNotFoundContext(_) => NOT_FOR_CODE.to_owned(),
                other => format!("its certificate does not hold ({other:?})"),
            })
    }
}

/// Returns the DER in the first PEM block of a text that is a certificate.
pub(super) fn der_of_pem(text: &[u8]) -> Option<Vec<u8>> {
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let text = text.trim_ascii();
    if text.len() > 2 * MAX_CERTIFICATE {
        return None;
    }
    // The decoder takes one block alone.
    let end = text.windows(END.len()).position(|window| window == END)? + END.len();
    let (label, der) = pem::decode_vec(&text[..end]).ok()?;
    (label == "CERTIFICATE").then_some(der)
}

/// Whether bytes are a certificate.
pub(super) fn can_be_read(der: &[u8]) -> bool {
    der.len() <= MAX_CERTIFICATE && Certificate::from_der(der).is_ok()
}

fn is_valid_at(der: &[u8], seconds: u64) -> bool {
    let Ok(parsed) = Certificate::from_der(der) else { return false };
    let validity = parsed.tbs_certificate().validity();
    let from = validity.not_before.to_unix_duration().as_secs();
    let until = validity.not_after.to_unix_duration().as_secs();
    (from..=until).contains(&seconds)
}

fn extensions(certificate: &Certificate, id: ObjectIdentifier) -> impl Iterator<Item = &[u8]> {
    let all = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(move |extension| extension.extn_id == id).map(|extension| extension.extn_value.as_bytes())
}

/// Returns the only extension of a kind; two are as bad as none.
pub(super) fn extension(certificate: &Certificate, id: ObjectIdentifier) -> Option<&[u8]> {
    let mut found = extensions(certificate, id);
    found.next().filter(|_| found.next().is_none())
}

/// Returns the one name of the certificate.
fn identity(certificate: &Certificate) -> Result<String, Flaw> {
    let none = || Flaw::broken("its certificate does not name one signer");
    let names = extension(certificate, SUBJECT_ALT_NAME).ok_or_else(none)?;
    let names = SubjectAltName::from_der(names).map_err(|_malformed| none())?;
    let [name] = &names.0[..] else { return Err(none()) };
    match name {
        GeneralName::UniformResourceIdentifier(name) | GeneralName::Rfc822Name(name) => Ok(name.as_str().to_owned()),
        GeneralName::OtherName(other) if other.type_id == OTHER_NAME => {
            Utf8StringRef::try_from(&other.value).map(|name| name.as_str().to_owned()).map_err(|_malformed| none())
        }
        _ => Err(none()),
    }
}

/// Returns who vouched for the name.
fn issuer(certificate: &Certificate) -> Result<String, Flaw> {
    let twice = [ISSUER_V1, ISSUER_V2].into_iter().any(|id| extensions(certificate, id).count() > 1);
    let first = extension(certificate, ISSUER_V1).map(|bytes| String::from_utf8(bytes.to_vec()).ok());
    let second = extension(certificate, ISSUER_V2)
        .map(|bytes| Utf8StringRef::from_der(bytes).ok().map(|text| text.as_str().to_owned()));
    match (first, second) {
        _ if twice => Err(Flaw::broken("its certificate names its issuer twice")),
        (Some(Some(one)), Some(Some(other))) if one == other => Ok(one),
        (Some(Some(one)), None) | (None, Some(Some(one))) => Ok(one),
        (None, None) => Err(Flaw::broken("its certificate does not name the issuer of the signer's token")),
        _ => Err(Flaw::broken("its certificate names its issuer in two ways that differ")),
    }
}
