//! Signatures of requests to AWS, version 4, as the reference "Signature Version 4 signing process" describes them.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};

/// What is signed. The path is `/`, which is all that the services have that are asked here.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Names and values of the query, not yet encoded.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Every header that is signed but the date, names in small letters.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// With what, for which service, and when.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub(super) key_id: &'a str,
    pub(super) secret: &'a SecretString,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) now: Timestamp,
}

impl Signer<'_> {
    /// Returns the value of `x-amz-date`.
    pub(super) fn date(&self) -> String {
        self.now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Returns the value of `Authorization`.
    pub(super) fn sign(&self, request: &Request<'_>) -> String {
        let date = self.date();
        let day = &date[..8];
        let mut headers: Vec<(&str, String)> =
            request.headers.iter().map(|(name, value)| (*name, squeezed(value))).collect();
        headers.push(("x-amz-date", date.clone()));
        headers.sort();
        let mut query: Vec<(String, String)> =
            request.query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
        query.sort();
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let body = hex(digest(&SHA256, request.body).as_ref());
        let canonical = format!("{}\n/\n{}\n{lines}\n{names}\n{body}", request.method, query.join("&"));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text =
            format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
        let mut key = hmac_of(format!("AWS4{}", self.secret.expose_secret()).as_bytes(), day);
        for part in [self.region, self.service, "aws4_request"] {
            key = hmac_of(key.as_ref(), part);
        }
        let signature = hex(hmac_of(key.as_ref(), &text).as_ref());
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.key_id)
    }
}

fn hmac_of(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes everything");
        text
    })
}

/// Makes one space of several, and none at the ends.
fn squeezed(value: &str) -> String {
    value.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Encodes everything but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            all.push(char::from(byte));
        } else {
            write!(all, "%{byte:02X}").expect("text takes everything");
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs with the key that AWS's examples use.
    fn authorization(service: &str, request: &Request<'_>) -> String {
        let secret = SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        Signer { key_id: "AKIDEXAMPLE", secret: &secret, region: "us-east-1", service, now }.sign(request)
    }

    #[test]
    fn signs_as_the_published_test_suite_does() {
        let host = ("host", "example.amazonaws.com");
        let sum = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
        let form = [
            ("content-type", "application/x-www-form-urlencoded"),
            host,
            ("content-length", "13"),
            ("x-amz-content-sha256", sum),
        ];
        let session = concat!(
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUu",
            "wthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQc",
            "HNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/o",
            "LxBA=="
        );
        let both: &[(&str, &str)] = &[("Param2", "value2"), ("Param1", "value1")];
        for (method, query, headers, body, expected) in [
            ("GET", &[][..], &[host][..], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", &[], &[host], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            ("GET", both, &[host], "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
            (
                "GET",
                &[],
                &[host, ("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            ("POST", &[], &form, "Param1=value1", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
            (
                "POST",
                &[],
                &[host, ("x-amz-security-token", session)],
                "",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
        ] {
            let request = Request { method, query, headers, body: body.as_bytes() };
            let found = authorization("service", &request);
            assert!(found.ends_with(&format!("Signature={expected}")), "{request:?}: {found}");
        }
    }

    #[test]
    fn signs_as_the_documented_example_does() {
        let request = Request {
            method: "GET",
            query: &[("Action", "ListUsers"), ("Version", "2010-05-08")],
            headers: &[
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("host", "iam.amazonaws.com"),
            ],
            body: b"",
        };
        assert_eq!(
            authorization("iam", &request),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }
}
