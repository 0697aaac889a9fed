//! Why an image could not be asked about, in words that name the host and what to do now.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::http::echo::without_secrets;
use crate::http::error::HttpError;
use crate::model::image::shorten;
use crate::model::usage::ToldLimit;
use crate::registry::credentials::{Credential, CredentialError, advice_without_login};
use crate::registry::{SourceError, enough_inspected};

/// A failed question. Its words are for people; the image is put before them by the caller.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error("`{0}` is not a host that can be asked")]
    Host(String),
    #[error(
        "{host} was not asked, because it failed {failures} times in a row, and is left alone for a minute. The last time: {reason}"
    )]
    Down { host: String, failures: u32, reason: String },
    #[error("{host} was not asked: it has asked for patience, and wants no {what} before {until}")]
    Paused { host: String, what: &'static str, until: Timestamp },
    #[error(
        "{host} was not asked: its limit for {what} is used up ({told}), and lets the next through at {until}; ask with credentials that have a higher limit, or less often"
    )]
    Spent { host: String, what: &'static str, told: ToldLimit, until: Timestamp },
    #[error(
        "{host} was not asked in time: the {} s of `limits.passTime` in which a pass asks registries have passed; the next pass goes on", .limit.as_secs_f64()
    )]
    NotInTime { host: String, limit: Duration },
    #[error("{}", enough_inspected(*cap))]
    Inspections { cap: usize },
    #[error(
        "{host} shows it to nobody without credentials, or it does not exist; check the name, run `docker login {host}`, or {}",
        advice_without_login(host)
    )]
    NoCredentials { host: String },
    #[error("{host} refuses the credentials from {origin}; they are wrong or have expired: {advice}")]
    Refused { host: String, origin: String, advice: &'static str },
    #[error(
        "{host} refuses the credentials from {origin}{said}; they may not pull this repository, are wrong or have expired: {advice}"
    )]
    RefusedHere { host: String, origin: String, said: String, advice: &'static str },
    #[error(
        "{host} takes the login from {origin}, and refuses it what was asked for; give that account the right to pull, or name other credentials"
    )]
    NotForIt { host: String, origin: String },
    #[error(
        "{host} was not asked: it has refused {images} images in a row with tokens that its login server gave for the login from {origin}, and is left alone for a minute; see why it does not take them, and whether that account may pull"
    )]
    Futile { host: String, origin: String, images: usize },
    #[error("{host} wants a user and a password, and {origin} holds a token instead")]
    WantsPassword { host: String, origin: String },
    #[error("{host} forbids it ({who}){said}; give that account the right to pull, or {advice}")]
    Forbidden { host: String, who: String, said: String, advice: &'static str },
    #[error("{host} asks for a login in a way that is not understood; it needs a Basic or Bearer challenge")]
    Challenge { host: String },
    #[error(
        "{host} redirects to {place}, which asks for a login; none for {host} is shown there, nor where that place says: name images by that host, or let the entry of {host} say `mirror: {place}`"
    )]
    LoginElsewhere { host: String, place: String },
    #[error("{host} sends logins to {realm}, where a secret would travel unprotected; nothing was sent")]
    Realm { host: String, realm: String },
    #[error("the login server {realm} of {host} gave no usable token: {reason}")]
    Token { host: String, realm: String, reason: String },
    #[error("{host} does not know it{said}; check the name")]
    NotFound { host: String, said: String },
    #[error("{host} answered {status}{said}")]
    Status { host: String, status: u16, said: String },
    #[error("{host} answered with {what} instead of a registry's JSON; is it a registry, or a login page before one?")]
    NotJson { host: String, what: &'static str },
    #[error("{host} answered with JSON that is not {what}: {reason}")]
    Malformed { host: String, what: &'static str, reason: String },
    #[error(
        "the list of tags passes the cap of {cap} {what}; raise `limits.{key}` in the service's configuration if the list is that long for good"
    )]
    Cap { cap: u64, what: &'static str, key: &'static str },
    #[error("{host} pages in a circle: it sent the same page of tags twice")]
    Circle { host: String },
    #[error("{host} says that the list of tags goes on at {next}, which is not followed")]
    Link { host: String, next: String },
    #[error(
        "{host} says in a way that cannot be read where its list of {what} goes on (`Link`), so that the list is not known whole"
    )]
    UnreadableLink { host: String, what: &'static str },
    #[error("{host} says that the list of referrers goes on at {next}, which is not followed")]
    ReferrersLink { host: String, next: String },
    #[error("{host} lists referrers on more than {pages} pages, which are not read")]
    Pages { host: String, pages: usize },
    #[error(
        "its signature cannot be checked: name the trusted root in service.yaml (`sigstore: {{trustedRootFile: …}}`) and that file by --service"
    )]
    NoTrust,
    #[error(
        "{host} sent content that does not match its digest {digest}; it was changed on the way or in the registry"
    )]
    Digest { host: String, digest: String },
    #[error("the tag points to a manifest of the kind `{0}`, which is not understood")]
    Kind(String),
    #[error("the registry's own API did not tell when it was pushed: {0}")]
    PushTimes(Arc<str>),
}

impl Failure {
    /// Makes the failure that a credential is refused.
    pub(super) fn refused(host: &str, credential: &Credential) -> Self {
        Self::Refused { host: host.to_owned(), origin: credential.origin.clone(), advice: credential.advice }
    }

    /// Says what was asked about, and whether that is not there or could not be had.
    pub(super) fn of(self, what: &dyn fmt::Display) -> SourceError {
        let told = format!("{what}: {self}");
        match self {
            Self::NotFound { .. } => SourceError::Absent(told),
            _ => SourceError::Failed(told),
        }
    }
}

#[derive(Deserialize)]
struct RawErrors {
    #[serde(default)]
    errors: Vec<RawError>,
}

#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Returns what a registry's error body says, as words to put after a status: ` (DENIED: …)`, or nothing.
///
/// A registry may repeat what it was shown: `secrets` are taken out.
pub(super) fn said(body: &[u8], secrets: &[String]) -> String {
    let Ok(RawErrors { errors }) = serde_json::from_slice(body) else { return String::new() };
    let plain = |text: &str| shorten(&without_secrets(text, secrets));
    let Some(error) = errors.first() else { return String::new() };
    match (plain(&error.code), plain(&error.message)) {
        (code, message) if code.is_empty() && message.is_empty() => String::new(),
        (code, message) if message.is_empty() => format!(" ({code})"),
        (code, message) if code.is_empty() => format!(" ({message})"),
        (code, message) => format!(" ({code}: {message})"),
    }
}

/// Returns an address that somebody else named, for a message: without query, fragment and login, where secrets may be,
/// and without those that were shown.
pub(super) fn address(text: &str, secrets: &[String]) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    let begin = text.find("//").map_or(0, |slashes| slashes + 2);
    let (scheme, rest) = text.split_at(begin);
    let authority = rest.find('/').unwrap_or(rest.len());
    let login = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    shorten(&without_secrets(&format!("{scheme}{}", &rest[login..]), secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_repeats_of_what_it_was_shown_is_taken_out() {
        let said = |body: &str| said(body.as_bytes(), &["hunter2".to_owned(), String::new(), "YWNtZQ==".to_owned()]);
        for (body, expected) in [
            (r#"{"errors": [{"code": "DENIED", "message": "hunter2 is wrong"}]}"#, " (DENIED: … is wrong)"),
            (r#"{"errors": [{"code": "hunter2", "message": "Basic YWNtZQ=="}]}"#, " (…: Basic …)"),
            (r#"{"errors": [{"code": "DENIED"}]}"#, " (DENIED)"),
            (r#"{"errors": [{"message": "denied"}]}"#, " (denied)"),
            (r#"{"errors": [{}]}"#, ""),
            (r#"{"errors": []}"#, ""),
            ("hunter2", ""),
        ] {
            assert_eq!(said(body), expected, "{body}");
        }
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (text, expected) in [
            ("http://user:pass@a.example/token?s=secret#x", "http://a.example/token"),
            ("/v2/acme/web?s=secret", "/v2/acme/web"),
            ("//user:p@ss@a.example", "//a.example"),
            ("https://a.example/x@y", "https://a.example/x@y"),
            ("user:pass@a.example/x", "a.example/x"),
            ("?s=secret", ""),
            ("https://a.example/hunter2/x", "https://a.example/…/x"),
        ] {
            assert_eq!(address(text, &["hunter2".to_owned()]), expected, "{text}");
        }
    }
}
