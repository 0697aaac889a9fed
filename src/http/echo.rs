//! Answers that repeat what they were shown: gateways and debugging proxies do, and what they say gets into messages.
//!
//! Entry point: [`without_echo`]. Knows a secret by the header that carried it, which must be marked as sensitive.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;
use reqwest::header::HeaderMap;

/// The shortest text that is taken for a secret, in bytes: a shorter one stands in any answer.
const SHORTEST: usize = 4;

/// Takes out of an answer's body what the sensitive headers of its request hold, in the forms in which it may come back.
pub fn without_echo(headers: &HeaderMap, body: Bytes) -> Bytes {
    let mut secrets: Vec<Cow<'_, [u8]>> = Vec::new();
    for shown in headers.values().filter(|value| value.is_sensitive()).map(reqwest::header::HeaderValue::as_bytes) {
        // `Bearer TOKEN`, `Basic BASE64(USER:PASSWORD)`, or the token alone.
        let credential = shown.iter().position(|byte| *byte == b' ').map_or(shown, |space| &shown[space + 1..]);
        secrets.push(credential.into());
        if let Ok(pair) = STANDARD.decode(credential)
            && let Some(colon) = pair.iter().position(|byte| *byte == b':')
        {
            secrets.push(pair[colon + 1..].to_vec().into());
        }
    }
    let mut body = body;
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        if memmem::find(&body, secret).is_some() {
            body = replaced(&body, secret).into();
        }
    }
    body
}

fn replaced(body: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut rest = 0;
    let mut out = Vec::with_capacity(body.len());
    for found in memmem::find_iter(body, secret) {
        out.extend_from_slice(&body[rest..found]);
        out.extend_from_slice("…".as_bytes());
        rest = found + secret.len();
    }
    out.extend_from_slice(&body[rest..]);
    out
}

#[cfg(test)]
mod tests {
    use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};

    use super::*;

    fn said(shown: &str, body: &str) -> String {
        let mut value = HeaderValue::from_str(shown).unwrap();
        value.set_sensitive(true);
        let headers = [(ACCEPT, HeaderValue::from_static("application/json")), (AUTHORIZATION, value)];
        let body = without_echo(&headers.into_iter().collect(), Bytes::from(body.to_owned()));
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn what_an_answer_repeats_of_a_login_is_taken_out() {
        assert_eq!(said("Bearer hunter2", "no to hunter2 and Bearer hunter2!"), "no to … and Bearer …!");
        let basic = format!("Basic {}", STANDARD.encode("robin:hunter2"));
        assert_eq!(said(&basic, &format!("{basic}: robin, hunter2")), "Basic …: robin, …");
        assert_eq!(said("glpat-hush", "glpat-hush glpat-hus"), "… glpat-hus");
    }

    #[test]
    fn what_no_header_holds_or_what_stands_in_any_answer_stays() {
        let body = r#"{"accept": "application/json", "a": 1}"#;
        assert_eq!(said("Bearer a", body), body);
        assert_eq!(said("Bearer", body), body);
    }
}
