//! Signed certificate timestamps (RFC 6962, section 3): that a log of certificates has seen the signer's.
//!
//! They are embedded in the certificate. One by a log of the trusted root is enough; where the trusted root
//! names no such log, as that of an instance of one's own may, none is asked for.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode, Encode};

use crate::signature::Flaw;
use crate::signature::certificate::extension;
use crate::signature::trust::{Authority, TrustedRoot};

/// How many timestamps of one certificate are looked at.
const MAX_TIMESTAMPS: usize = 16;

const EMBEDDED_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// A timestamp (RFC 6962, section 3.2).
struct Stamp<'a> {
    log: &'a [u8],
    milliseconds: u64,
    extensions: &'a [u8],
    signature: &'a [u8],
}

/// Checks that a trusted log has seen a certificate that this authority issued.
pub(super) fn check(
    der: &[u8],
    certificate: &Certificate,
    authority: &Authority,
    trust: &TrustedRoot,
) -> Result<(), Flaw> {
    if trust.certificate_logs.is_empty() {
        return Ok(());
    }
    let malformed = || Flaw::broken("the timestamps of its certificate are malformed");
    let list = extension(certificate, EMBEDDED_LIST);
    let list = list.ok_or_else(|| Flaw::broken("no log of certificates has seen its certificate"))?;
    let list = <&OctetStringRef>::from_der(list).map_err(|_malformed| malformed())?;
    let stamps = stamps(list.as_bytes()).ok_or_else(malformed)?;
    let before = without_list(der).ok_or_else(malformed)?;
    // Signed was the name of the issuer's key: of each certificate that may be the issuer's.
    let issuer = certificate.tbs_certificate().issuer();
    let issuers: Vec<[u8; 32]> = authority
        .certificates()
        .filter_map(|der| Certificate::from_der(der).ok())
        .filter(|above| above.tbs_certificate().subject() == issuer)
        .filter_map(|above| above.tbs_certificate().subject_public_key_info().to_der().ok())
        .map(|key| Sha256::digest(key).into())
        .collect();
    let holds = |stamp: &Stamp<'_>| {
        let moment = i64::try_from(stamp.milliseconds).ok().and_then(|time| Timestamp::from_millisecond(time).ok());
        let by_log = |issuer: &[u8; 32]| {
            let signed = signed(stamp, issuer, &before);
            trust.certificate_logs.iter().any(|log| {
                log.id == stamp.log
                    && moment.is_some_and(|moment| log.window.holds(moment))
                    && log.key.made(stamp.signature, &signed)
            })
        };
        issuers.iter().any(by_log)
    };
    if stamps.iter().any(holds) {
        return Ok(());
    }
    Err(Flaw::broken("no log of certificates that the trusted root names has seen its certificate"))
}

/// Puts together what a log has signed (RFC 6962, section 3.2): the certificate before its timestamps were in it.
fn signed(stamp: &Stamp<'_>, issuer: &[u8; 32], before: &[u8]) -> Vec<u8> {
    let mut signed = vec![0, 0];
    signed.extend(stamp.milliseconds.to_be_bytes());
    // The entry is a certificate that is still to be issued.
    signed.extend([0, 1]);
    signed.extend(issuer);
    let length = u32::try_from(before.len()).expect("a certificate is far below 4 GiB").to_be_bytes();
    signed.extend(&length[1..]);
    signed.extend(before);
    let length = u16::try_from(stamp.extensions.len()).expect("it came with a length of 16 bits").to_be_bytes();
    signed.extend(length);
    signed.extend(stamp.extensions);
    signed
}

/// Takes apart a list (RFC 6962, section 3.3); stamps of other versions are passed over.
fn stamps(list: &[u8]) -> Option<Vec<Stamp<'_>>> {
    let mut list = Cut(Cut(list).block()?);
    let mut stamps = Vec::new();
    while !list.0.is_empty() && stamps.len() < MAX_TIMESTAMPS {
        let mut stamp = Cut(list.block()?);
        if stamp.take(1)? != [0] {
            continue;
        }
        let log = stamp.take(32)?;
        let milliseconds = u64::from_be_bytes(stamp.take(8)?.try_into().ok()?);
        let extensions = stamp.block()?;
        // Hash and kind of signature: the log's key tells them, too.
        let _algorithm = stamp.take(2)?;
        stamps.push(Stamp { log, milliseconds, extensions, signature: stamp.block()? });
    }
    Some(stamps)
}

/// Bytes that are taken from the front.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a length of 16 bits, and so many bytes.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(length.into())
    }
}

/// Returns the part of a certificate that is signed, less its list of timestamps, with all else byte for byte.
fn without_list(der: &[u8]) -> Option<Vec<u8>> {
    let (certificate, _) = Element::first(der)?;
    let (signed, _) = Element::first(certificate.content)?;
    let mut kept = Vec::with_capacity(signed.content.len());
    for field in Element::all(signed.content)? {
        // The extensions are the field [3], and a sequence in it (RFC 5280, section 4.1).
        if field.tag == EXTENSIONS {
            let (list, _) = Element::first(field.content)?;
            let others: Vec<u8> = Element::all(list.content)?
                .iter()
                .filter(|row| !row.is_list())
                .flat_map(|row| row.whole)
                .copied()
                .collect();
            kept.extend(wrap(EXTENSIONS, &wrap(SEQUENCE, &others)));
        } else {
            kept.extend(field.whole);
        }
    }
    Some(wrap(SEQUENCE, &kept))
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const EXTENSIONS: u8 = 0xa3;

/// An element of DER that has been read once already: its tag and length are known to be right.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// Takes the first element; returns it and what follows.
    fn first(der: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut cut = Cut(der);
        let [tag, short] = cut.take(2)?.try_into().ok()?;
        let length = match short {
            0..=0x7f => usize::from(short),
            0x81..=0x83 => {
                let digits = cut.take(usize::from(short & 0x7f))?;
                digits.iter().fold(0, |length, digit| length * 256 + usize::from(*digit))
            }
            _ => return None,
        };
        let content = cut.take(length)?;
        let (whole, rest) = der.split_at(der.len() - cut.0.len());
        Some((Self { tag, content, whole }, rest))
    }

    fn all(mut der: &'a [u8]) -> Option<Vec<Self>> {
        let mut all = Vec::new();
        while !der.is_empty() {
            let (element, rest) = Self::first(der)?;
            all.push(element);
            der = rest;
        }
        Some(all)
    }

    /// Whether it is the extension that holds the timestamps.
    fn is_list(&self) -> bool {
        Self::first(self.content)
            .is_some_and(|(id, _)| id.tag == OBJECT_IDENTIFIER && id.content == EMBEDDED_LIST.as_bytes())
    }
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let digits = u32::try_from(content.len()).expect("a certificate is far below 4 GiB").to_be_bytes();
    let digits = &digits[digits.iter().take_while(|digit| **digit == 0).count()..];
    let mut whole = vec![tag];
    match digits {
        [] => whole.push(0),
        [short @ 0..=0x7f] => whole.push(*short),
        _ => {
            whole.push(0x80 | u8::try_from(digits.len()).expect("a length has at most four digits"));
            whole.extend(digits);
        }
    }
    whole.extend(content);
    whole
}
