//! Workload identity federation: a token of somebody else's, from a file or a URL, exchanged for one of Google's
//! (RFC 8693), and where the file says so for one of a service account.

use std::path::Path;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::registry::credentials::cloud::ask::{
    Ask, Asker, RawAccessToken, Reach, Seconds, Whom, address, secret_header,
};
use crate::registry::credentials::cloud::google::{FORM, SCOPE, login_of, token};
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::file;
use crate::registry::credentials::login::Fetched;

#[derive(Deserialize)]
pub(super) struct RawExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: Option<String>,
    credential_source: RawSource,
}

#[derive(Deserialize)]
struct RawSource {
    file: Option<String>,
    url: Option<String>,
    /// Set where the subject is a role of AWS's.
    environment_id: Option<String>,
    /// Set where a program is to be run.
    executable: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    headers: BTreeMap<String, SecretString>,
    #[serde(default)]
    format: RawFormat,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawFormat {
    #[serde(rename = "type")]
    kind: String,
    subject_token_field_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawImpersonated {
    access_token: SecretString,
    expire_time: Option<Timestamp>,
}

/// Fetches a login.
pub(super) async fn login(
    asker: &Asker<'_>,
    path: &Path,
    origin: &str,
    raw: &RawExternalAccount,
) -> Result<Fetched, CredentialError> {
    let whom = Whom { service: "Google's security token service", origin };
    let subject = subject(asker, path, origin, &raw.credential_source).await?;
    let rows = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", raw.audience.as_str()),
        ("scope", SCOPE),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", raw.subject_token_type.as_str()),
        ("subject_token", subject.expose_secret()),
    ];
    let said = asker.post(whom, address(whom, &raw.token_url)?, &rows).await?;
    let token = token(whom, &said)?;
    match &raw.service_account_impersonation_url {
        None => Ok(login_of(token, origin)),
        Some(url) => impersonate(asker, origin, url, &token).await,
    }
}

async fn subject(
    asker: &Asker<'_>,
    path: &Path,
    origin: &str,
    source: &RawSource,
) -> Result<SecretString, CredentialError> {
    let malformed =
        |reason: &str| CredentialError::Malformed { file: path.to_owned(), form: FORM, reason: reason.to_owned() };
    if source.environment_id.is_some() || source.executable.is_some() {
        return Err(malformed("its `credential_source` runs a program or is AWS's; name a file or a URL instead"));
    }
    let bytes = match (&source.file, &source.url) {
        (Some(token), _) => {
            let token = path.parent().unwrap_or(Path::new("")).join(token);
            file::read(&token).map_err(|error| file::unreadable(&token, &error))?
        }
        (None, Some(url)) => {
            let whom = Whom { service: "the source of the subject's token", origin };
            let mut headers = HeaderMap::new();
            for (name, value) in &source.headers {
                let name =
                    HeaderName::from_bytes(name.as_bytes()).map_err(|_not_a_name| malformed("a header has no name"))?;
                headers.insert(name, secret_header(whom, "", value)?);
            }
            let ask = Ask { method: Method::GET, url: address(whom, url)?, headers, body: None, reach: Reach::Machine };
            let said = asker.ask(whom, ask).await?;
            if !said.is_good() {
                return Err(whom.odd(format!("it answered {}", said.status)));
            }
            said.body.to_vec()
        }
        (None, None) => return Err(malformed("its `credential_source` is neither a file nor a URL")),
    };
    let text = match source.format.kind.as_str() {
        "json" => {
            let mut json: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes)
                .map_err(|_may_quote_a_secret| malformed("the subject's token is not in JSON"))?;
            match json.remove(&source.format.subject_token_field_name) {
                Some(serde_json::Value::String(text)) => text,
                _ => return Err(malformed("the subject's token is not in the field that is named")),
            }
        }
        _ => String::from_utf8(bytes).map_err(|_not_text| malformed("the subject's token is not text"))?,
    };
    let text = text.trim();
    if text.is_empty() { Err(malformed("the subject's token is empty")) } else { Ok(text.into()) }
}

async fn impersonate(
    asker: &Asker<'_>,
    origin: &str,
    url: &str,
    token: &RawAccessToken,
) -> Result<Fetched, CredentialError> {
    let whom = Whom { service: "Google's IAM credentials service", origin };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, secret_header(whom, "Bearer ", &token.access_token)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Some(json!({"scope": [SCOPE], "lifetime": "3600s"}).to_string().into());
    let url = address(whom, url)?;
    let said = asker.ask(whom, Ask { method: Method::POST, url, headers, body, reach: Reach::Net }).await?;
    match said.status {
        200..=299 => {}
        403 => {
            let advice = "give that identity roles/iam.workloadIdentityUser on the service account";
            return Err(whom.refused("403", advice));
        }
        status => return Err(whom.odd(format!("it answered {status}"))),
    }
    let raw: RawImpersonated = said.json(whom)?;
    let life = raw.expire_time.map_or(Duration::from_secs(3600), |end| asker.until(end));
    let expires_in = Some(Seconds(life.as_secs()));
    Ok(login_of(RawAccessToken { access_token: raw.access_token, expires_in }, origin))
}
