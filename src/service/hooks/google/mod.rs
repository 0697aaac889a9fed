//! Tokens by which Google's Pub/Sub shows that a push is its own: claims first, then the signature by Google's keys.
//!
//! Entry point: [`Google::admits`]. The keys are asked for when they are first needed, kept for an hour, and asked for again when
//! a token names another one; however many tokens come, that is once a minute at most. Knows no payload.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::clock::Clock;
use crate::http::client::{Call, HttpClient, PlainHttp};
use crate::http::retry::RetryPolicy;

/// Where Google publishes the keys of its tokens.
pub(super) const KEYS_URL: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// Who may have issued a token.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// The longest token that is looked into, in bytes: Google's have some 1,000.
const LONGEST_TOKEN: usize = 8 << 10;

/// The longest answer with keys, in bytes: Google's has some 2,000.
const LONGEST_KEYS: u64 = 256 << 10;

/// The most keys that are kept; Google has two or three.
const MOST_KEYS: usize = 50;

/// How long keys are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(3600);

/// How long keys are used that could not be asked for again: a key that Google took back must not count for ever.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The least time between two questions for keys.
const PAUSE: Duration = Duration::from_secs(60);

/// How long asking for keys may take: the sender waits meanwhile.
const TIME: Duration = Duration::from_secs(5);

/// How far two clocks may be apart, in seconds.
const SKEW: i64 = 60;

/// Once more is enough: the sender tries again, too.
const RETRY: RetryPolicy = RetryPolicy { after_silence: 1, after_trouble: 1, first_wait: Duration::from_millis(200) };

/// Why a token does not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::service) enum TokenFault {
    /// It is no token of the form that Google issues.
    #[error("it is no token of Google's")]
    Form,
    /// It was issued to somebody, for something or by somebody else, or for another time.
    #[error("its {0} is another one")]
    Claim(&'static str),
    /// It is too old, or not valid yet.
    #[error("it is not valid at this time")]
    Time,
    /// No key of this name is Google's.
    #[error("it names a key that is not Google's")]
    Key,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// The keys could not be had.
    #[error("Google's keys could not be had: {0}")]
    NoKeys(String),
}

/// What a token says of itself before its claims.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: String,
}

/// What a token claims.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    email: String,
    email_verified: bool,
    exp: i64,
    iat: i64,
}

/// A set of keys, as RFC 7517 writes it.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kid: Option<String>,
    kty: String,
    n: Option<String>,
    e: Option<String>,
}

/// The parts of an RSA key: modulus and exponent.
type Rsa = RsaPublicKeyComponents<Vec<u8>>;

/// The keys that were seen last.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Rsa>,
    /// When they came.
    came: Option<Instant>,
    /// When they were asked for last, whatever came of it.
    asked: Option<Instant>,
}

/// Whose tokens are admitted.
pub(super) struct Google {
    /// Whom a token must be meant for.
    pub(super) audience: String,
    /// The service account that it must be issued to.
    pub(super) account: String,
    /// Where the keys are.
    pub(super) url: Url,
    /// How they are asked for.
    pub(super) http: HttpClient,
    /// Tells the time.
    pub(super) clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

impl fmt::Debug for Google {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Google").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl Google {
    /// Makes one that knows no keys yet.
    pub(super) fn new(audience: String, account: String, url: Url, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self { audience, account, url, http, clock, known: Mutex::default() }
    }

    /// Says whether a token is Google's, and was issued to that account for this service.
    ///
    /// # Errors
    ///
    /// [`TokenFault`] for any other, and where that cannot be told.
    pub(super) async fn admits(&self, token: &str) -> Result<(), TokenFault> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenFault::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (head, claims) = signed.split_once('.').ok_or(TokenFault::Form)?;
        let head: Head = read(head)?;
        // No other algorithm: a token that chooses one could choose a weak one.
        if head.alg != "RS256" {
            return Err(TokenFault::Form);
        }
        self.fits(&read(claims)?, self.clock.now())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().ok_or(TokenFault::Form)?;
        self.verify(&head.kid, signed.as_bytes(), &signature).await
    }

    /// Looks at what anybody could have written, before anything is asked for because of it.
    fn fits(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenFault> {
        if !ISSUERS.contains(&claims.iss.as_str()) {
            return Err(TokenFault::Claim("issuer"));
        }
        if claims.aud != self.audience {
            return Err(TokenFault::Claim("audience"));
        }
        if claims.email != self.account || !claims.email_verified {
            return Err(TokenFault::Claim("email"));
        }
        let second = now.as_second();
        if claims.exp.saturating_add(SKEW) <= second || claims.iat.saturating_sub(SKEW) > second {
            return Err(TokenFault::Time);
        }
        Ok(())
    }

    async fn verify(&self, kid: &str, signed: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        let mut known = self.known.lock().await;
        let now = self.clock.instant();
        let age = known.came.map(|came| now.saturating_duration_since(came));
        let is_fresh = age.is_some_and(|age| age < FRESH) && known.keys.contains_key(kid);
        let may_ask = known.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PAUSE);
        if !is_fresh && may_ask {
            known.asked = Some(now);
            match self.fetch().await {
                Ok(keys) => (known.keys, known.came) = (keys, Some(now)),
                Err(reason) => {
                    tracing::warn!(host = self.url.host_str(), %reason, "the keys of Google's tokens could not be had");
                    if age.is_none_or(|age| age >= STALE) {
                        known.keys.clear();
                        return Err(TokenFault::NoKeys(reason));
                    }
                }
            }
        }
        let key = known.keys.get(kid).ok_or(TokenFault::Key)?;
        key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).ok().ok_or(TokenFault::Signature)
    }

    async fn fetch(&self) -> Result<HashMap<String, Rsa>, String> {
        let call = Call {
            method: Method::GET,
            url: self.url.clone(),
            headers: HeaderMap::new(),
            body: None,
            deadline: self.clock.instant() + TIME,
            retry: RETRY,
            plain: PlainHttp::Loopback,
        };
        let answer = self.http.send(&call).await.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("answered {}", answer.status));
        }
        let body = answer.body(LONGEST_KEYS).whole().await.map_err(|error| error.to_string())?;
        let set: KeySet = serde_json::from_slice(&body).map_err(|_no_keys| "the answer holds no keys".to_owned())?;
        let part = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let rsa = set.keys.into_iter().filter(|key| key.kty == "RSA");
        Ok(rsa.filter_map(|key| Some((key.kid?, Rsa { n: part(key.n)?, e: part(key.e)? }))).take(MOST_KEYS).collect())
    }
}

fn read<T: for<'a> Deserialize<'a>>(part: &str) -> Result<T, TokenFault> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or(TokenFault::Form)
}

#[cfg(test)]
mod tests;
