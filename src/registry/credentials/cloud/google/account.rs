//! Accounts by their own secret: a service account's key signs a request for a token (RFC 7523), a user's refresh
//! token is exchanged for one.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::registry::credentials::cloud::ask::{Asker, Whom, address};
use crate::registry::credentials::cloud::google::{FORM, SCOPE, fetched};
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::login::Fetched;

/// Where tokens are given out, where the file does not say.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Where users' tokens are given out; their files do not say.
const SERVICE: &str = "Google's token server";

#[derive(Deserialize)]
pub(super) struct RawServiceAccount {
    client_email: String,
    private_key: SecretString,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawUser {
    client_id: String,
    client_secret: SecretString,
    refresh_token: SecretString,
    token_uri: Option<String>,
}

/// Fetches a token for a service account.
pub(super) async fn service_account(
    asker: &Asker<'_>,
    path: &Path,
    origin: &str,
    raw: &RawServiceAccount,
) -> Result<Fetched, CredentialError> {
    let whom = Whom { service: SERVICE, origin };
    let token_uri = raw.token_uri.as_deref().unwrap_or(TOKEN_URI);
    let now = asker.now().as_second();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": raw.private_key_id});
    let claims = json!({
        "iss": raw.client_email, "scope": SCOPE, "aud": token_uri, "iat": now, "exp": now + 3600,
    });
    let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = sign(&raw.private_key, signed.as_bytes()).ok_or_else(|| CredentialError::Malformed {
        file: path.to_owned(),
        form: FORM,
        reason: "its `private_key` is no RSA key in PEM".to_owned(),
    })?;
    let assertion = SecretString::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
    let rows =
        [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose_secret())];
    fetched(whom, &asker.post(whom, address(whom, token_uri)?, &rows).await?)
}

/// Signs by RSA with SHA-256; `None` where the key is none.
fn sign(key: &SecretString, text: &[u8]) -> Option<Vec<u8>> {
    let key = match PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?,
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()).ok()?,
        _ => return None,
    };
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

/// Fetches a token for a user.
pub(super) async fn user(asker: &Asker<'_>, origin: &str, raw: &RawUser) -> Result<Fetched, CredentialError> {
    let whom = Whom { service: SERVICE, origin };
    let rows = [
        ("grant_type", "refresh_token"),
        ("client_id", raw.client_id.as_str()),
        ("client_secret", raw.client_secret.expose_secret()),
        ("refresh_token", raw.refresh_token.expose_secret()),
    ];
    let url = address(whom, raw.token_uri.as_deref().unwrap_or(TOKEN_URI))?;
    fetched(whom, &asker.post(whom, url, &rows).await?)
}
