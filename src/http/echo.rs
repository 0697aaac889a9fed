//! Answers that repeat what they were shown: gateways and debugging proxies do, and what they say gets into messages.
//!
//! Entry points: [`without_echo`], which knows a secret by the header that carried it, which must be marked as sensitive,
//! and [`without_secrets`] for texts and secrets that are known.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;
use reqwest::header::HeaderMap;
use url::form_urlencoded::byte_serialize;

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

/// From this length on, the beginning of a secret is one, too: texts are cut short before they are shown.
const LONG: usize = 24;

/// How much of a long secret's beginning gives it away.
const BEGINNING: usize = 12;

/// Takes secrets out of a text, in all forms in which they may come back: as they are, coded for URLs in either way and in
/// any letters, and Base64 with or without padding. Of a text that hides one in another way nothing is left.
pub fn without_secrets(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let form = byte_serialize(secret.as_bytes()).collect::<String>();
        // Forms write a space as `+` and the plus sign itself as `%2B`.
        let address = form.replace('+', "%20").replace('*', "%2A");
        let json = serde_json::to_string(secret).unwrap_or_default();
        let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
        let url_safe = secret.replace('+', "-").replace('/', "_");
        for form in [secret.as_str(), &address, &form, json, &url_safe] {
            text = replaced_in_any_case(&text, form);
            let bare = form.trim_end_matches('=');
            if bare.len() >= SHORTEST {
                text = replaced_in_any_case(&text, bare);
            }
        }
        if secret.len() >= LONG
            && let Some(beginning) = secret.get(..BEGINNING)
            && let Some(at) = text.find(beginning)
        {
            text.truncate(at);
            text.push('…');
        }
        let decoded = decoded(&text).to_ascii_lowercase();
        let secret = secret.to_ascii_lowercase();
        if secret.len() >= SHORTEST && (decoded.contains(&secret) || decoded.replace('+', " ").contains(&secret)) {
            return "…".to_owned();
        }
    }
    text
}

/// Returns what a text says in which characters are coded as in URLs.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn replaced_in_any_case(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let (small, searched) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let (mut out, mut rest) = (String::with_capacity(text.len()), 0);
    // Positions are the same in both: only ASCII letters differ.
    for (at, found) in small.match_indices(&searched) {
        out.push_str(&text[rest..at]);
        out.push('…');
        rest = at + found.len();
    }
    out.push_str(&text[rest..]);
    out
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
    fn a_secret_is_known_in_every_form_in_which_it_comes_back() {
        let password = "p@ss w0rd/\"é+x";
        let pair = STANDARD.encode(format!("bob:{password}"));
        let secrets = [pair.clone(), password.to_owned()];
        let long = "x".repeat(60);
        for form in [
            password,
            "p%40ss%20w0rd%2F%22%C3%A9%2Bx",
            "p%40ss+w0rd%2f%22%c3%a9%2bx",
            "p@ss%20w0rd/%22%C3%A9%2Bx",
            "p@ss w0rd/\\\"é+x",
            pair.trim_end_matches('='),
            &pair.replace('+', "-").replace('/', "_"),
            &pair[..20],
        ] {
            let hushed = without_secrets(&format!("no to {form} {long}"), &secrets);
            let left = hushed.replace("no to", "").replace(&long, "");
            assert_eq!(left.trim(), "…", "{form}");
        }
        assert_eq!(without_secrets("P@SS nothing 100% of it", &secrets), "P@SS nothing 100% of it");
    }

    #[test]
    fn what_no_header_holds_or_what_stands_in_any_answer_stays() {
        let body = r#"{"accept": "application/json", "a": 1}"#;
        assert_eq!(said("Bearer a", body), body);
        assert_eq!(said("Bearer", body), body);
    }
}
