//! How a sender shows that it knows the secret: a signature of the body, a header, or a part of the path.
//!
//! Everything is compared in constant time. Never sees what a body means.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// How many signatures of one request are looked at: a sender that changes its key sends two.
const MOST_SIGNATURES: usize = 4;

/// What stands before a signing secret of the form of Standard Webhooks, which is Base64.
const STANDARD_SECRET: &str = "whsec_";

/// A way to show it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proof {
    /// HMAC-SHA256 of the body in hexadecimal digits, in this header after this prefix.
    Signature(&'static str, &'static str),
    /// HMAC-SHA1 of the body in hexadecimal digits, in this header. Nexus has nothing better; forging one still takes the secret.
    Sha1(&'static str),
    /// HMAC-SHA256 of id, time and body, as Standard Webhooks has it. How old it is does not count: what comes again is merged.
    Standard,
    /// The secret itself in this header.
    Token(&'static str),
    /// The secret itself as `Authorization`: bare, as `Bearer`, or as the password of `Basic`.
    Authorization,
    /// The secret itself at the end of the path.
    Path,
    /// A token that Google signed, as `Authorization: Bearer`.
    Google,
}

impl Proof {
    /// GitHub's, which others send, too.
    pub(super) const HUB: Self = Self::Signature("x-hub-signature-256", "sha256=");
    /// Gitea's.
    pub(super) const GITEA: Self = Self::Signature("x-gitea-signature", "");
    /// Forgejo's.
    pub(super) const FORGEJO: Self = Self::Signature("x-forgejo-signature", "");

    /// Returns what a request shows in this way, if it does.
    pub(super) fn claim(self, headers: &HeaderMap, path: Option<&str>) -> Option<Claim> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self {
            Self::Signature(name, prefix) => digest(text(name)?.strip_prefix(prefix)?).map(Claim::Sha256),
            Self::Sha1(name) => digest(text(name)?).map(Claim::Sha1),
            Self::Standard => {
                let signature = |one: &str| STANDARD.decode(one.strip_prefix("v1,")?).ok()?.try_into().ok();
                let signatures = text("webhook-signature")?.split(' ').filter_map(signature).take(MOST_SIGNATURES);
                let (id, time) = (text("webhook-id")?, text("webhook-timestamp")?);
                Some(Claim::Standard { before: format!("{id}.{time}."), signatures: signatures.collect() })
            }
            Self::Token(name) => Some(Claim::Secret(headers.get(name)?.as_bytes().to_vec())),
            Self::Authorization => {
                let value = headers.get(header::AUTHORIZATION)?.as_bytes();
                let shown = match value.strip_prefix(b"Basic ") {
                    Some(pair) => {
                        let pair = STANDARD.decode(pair).ok()?;
                        let colon = pair.iter().position(|byte| *byte == b':')?;
                        pair[colon + 1..].to_vec()
                    }
                    None => value.strip_prefix(b"Bearer ").unwrap_or(value).to_vec(),
                };
                Some(Claim::Secret(shown))
            }
            Self::Path => path.map(|secret| Claim::Secret(secret.as_bytes().to_vec())),
            Self::Google => {
                Some(Claim::Token(text(header::AUTHORIZATION.as_str())?.strip_prefix("Bearer ")?.to_owned()))
            }
        }
    }
}

/// What a request shows of the secret.
pub(in crate::service) enum Claim {
    /// HMAC-SHA256 of its body.
    Sha256([u8; 32]),
    /// HMAC-SHA1 of its body.
    Sha1([u8; 20]),
    /// HMAC-SHA256 of its body after this text, several times over.
    Standard { before: String, signatures: Vec<[u8; 32]> },
    /// The secret itself.
    Secret(Vec<u8>),
    /// A token of Google's, which no secret tells anything about.
    Token(String),
    /// A token of Google's that holds.
    Proven,
}

impl Claim {
    /// Whether the body is needed to tell if it holds.
    pub(super) fn is_signature(&self) -> bool {
        matches!(self, Self::Sha256(_) | Self::Sha1(_) | Self::Standard { .. })
    }

    /// Whether it holds for a body.
    pub(super) fn holds(&self, secret: &SecretString, body: &[u8]) -> bool {
        let text = secret.expose_secret();
        let sha256 = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
        match self {
            Self::Sha256(signature) => hmac::verify(&sha256(text.as_bytes()), body, signature).is_ok(),
            Self::Sha1(signature) => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
                // Nexus signs its JSON without the space in it, whatever it sends.
                hmac::verify(&key, body, signature).is_ok() || hmac::verify(&key, &dense(body), signature).is_ok()
            }
            Self::Standard { before, signatures } => {
                let decoded = text.strip_prefix(STANDARD_SECRET).and_then(|coded| STANDARD.decode(coded).ok());
                let key = sha256(decoded.as_deref().unwrap_or(text.as_bytes()));
                let signed = [before.as_bytes(), body].concat();
                signatures.iter().any(|signature| hmac::verify(&key, &signed, signature).is_ok())
            }
            Self::Secret(shown) => verify_slices_are_equal(text.as_bytes(), shown).is_ok(),
            Self::Token(_) | Self::Proven => false,
        }
    }
}

/// Reads bytes from their hexadecimal digits.
fn digest<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

/// Returns JSON without the space between its values.
fn dense(json: &[u8]) -> Vec<u8> {
    let (mut is_text, mut is_escaped) = (false, false);
    let mut kept = Vec::with_capacity(json.len());
    for byte in json {
        if is_text || !byte.is_ascii_whitespace() {
            kept.push(*byte);
        }
        match byte {
            b'"' if !is_escaped => is_text = !is_text,
            _ => {}
        }
        is_escaped = is_text && *byte == b'\\' && !is_escaped;
    }
    kept
}
