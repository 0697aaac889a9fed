//! Google's: the token server, the security token service, impersonation, and the metadata server.

use std::net::SocketAddr;
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Answered, Asked, CloudFault, GOOGLE_REFRESH, GOOGLE_TOKEN, SUBJECT, Says};

const FEDERATED_TOKEN: &str = "ya29.federated-only";

/// The key of the service account, made once for all tests.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

/// Returns the service account's private key as its file has it.
pub(crate) fn private_key() -> String {
    let der: Pkcs8V1Der<'_> = KEY.as_der().unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
}

pub(super) fn answer(asked: &Asked, address: SocketAddr, fault: CloudFault) -> Option<Answered> {
    let expired = fault == CloudFault::Expired;
    let life = if fault == CloudFault::ShortLived { 0 } else { 3599 };
    let gone = || Ok(Says(400, r#"{"error": "invalid_grant", "error_description": "expired"}"#.to_owned()));
    let token = || Says(200, json!({"access_token": GOOGLE_TOKEN, "expires_in": life}).to_string());
    Some(match asked.path.as_str() {
        "/google/token" | "/google/sts" if expired => ("google", gone()),
        "/google/token" if asked.form("grant_type") == "refresh_token" => {
            let welcome = asked.form("refresh_token") == GOOGLE_REFRESH && asked.form("client_secret") == "app";
            ("google", if welcome { Ok(token()) } else { Err("another user".to_owned()) })
        }
        "/google/token" => ("google", assertion(asked, address).map(|()| token())),
        "/google/sts" => {
            let right = asked.form("subject_token") == SUBJECT
                && asked.form("audience").ends_with("/providers/acme")
                && asked.form("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange";
            let body = json!({"access_token": FEDERATED_TOKEN, "expires_in": 3599}).to_string();
            ("google sts", if right { Ok(Says(200, body)) } else { Err("another subject".to_owned()) })
        }
        "/google/impersonate:generateAccessToken" => {
            let welcome = asked.header("authorization") == format!("Bearer {FEDERATED_TOKEN}");
            let body = json!({"accessToken": GOOGLE_TOKEN, "expireTime": "2100-01-01T00:00:00Z"}).to_string();
            ("google iam", if welcome { Ok(Says(200, body)) } else { Err("another token".to_owned()) })
        }
        "/google/subject" => {
            let welcome = asked.header("x-acme") == "subject-header";
            let body = json!({"value": SUBJECT}).to_string();
            ("google subject", if welcome { Ok(Says(200, body)) } else { Err("no header".to_owned()) })
        }
        "/computeMetadata/v1/instance/service-accounts/default/token" => {
            let welcome = asked.header("metadata-flavor") == "Google";
            ("google metadata", if welcome { Ok(token()) } else { Err("no flavor".to_owned()) })
        }
        _ => return None,
    })
}

/// Checks a signed request for a token: its signature, and every claim.
fn assertion(asked: &Asked, address: SocketAddr) -> Result<(), String> {
    if asked.form("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return Err("another grant".to_owned());
    }
    let token = asked.form("assertion");
    let (signed, signature) = token.rsplit_once('.').ok_or("no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|error| error.to_string())?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, KEY.public_key().as_ref())
        .verify(signed.as_bytes(), &signature)
        .map_err(|error| error.to_string())?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').ok_or("no claims")?;
    let (header, claims) = (json(header), json(claims));
    let lasts = claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0);
    let right = header == json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
        && claims["iss"] == "tagboat@acme.iam.gserviceaccount.com"
        && claims["aud"] == format!("http://{address}/google/token")
        && claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && (1..=3600).contains(&lasts);
    if right { Ok(()) } else { Err(format!("{header} {claims}")) }
}
