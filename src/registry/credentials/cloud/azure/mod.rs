//! Azure Container Registry: a token of Entra exchanged at the registry itself for its refresh token.
//!
//! What comes of it is answered to the registry's challenge like docker's own identity tokens.

pub(super) mod identity;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::http::target::is_loopback;
use crate::registry::credentials::Secret;
use crate::registry::credentials::cloud::ask::{Asker, Whom};
use crate::registry::credentials::cloud::azure::identity::Named;
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::login::Fetched;

/// How long a refresh token holds that does not say so; the registry's documentation says three hours.
const LIFE: Duration = Duration::from_secs(3 * 3600);

#[derive(Deserialize)]
struct RawExchanged {
    refresh_token: SecretString,
}

#[derive(Deserialize)]
struct RawClaims {
    exp: i64,
}

/// Fetches a login.
pub(super) async fn login(asker: &Asker<'_>, named: &Named<'_>) -> Result<Fetched, CredentialError> {
    let identity = identity::find(asker, named).await?;
    let whom = Whom { service: "the registry's exchange", origin: &identity.origin };
    let url = |scheme| Url::parse(&format!("{scheme}://{}/oauth2/exchange", asker.host));
    let no_host = |_not_a_url| whom.odd("the registry's name is no host");
    let mut place = url("https").map_err(no_host)?;
    if is_loopback(&place) {
        place = url("http").map_err(no_host)?;
    }
    let mut rows = vec![("grant_type", "access_token"), ("service", asker.host)];
    if let Some(tenant) = &identity.tenant {
        rows.push(("tenant", tenant));
    }
    rows.push(("access_token", identity.token.expose_secret()));
    let said = asker.post(whom, place, &rows).await?;
    match said.status {
        200..=299 => {}
        400 | 401 | 403 => {
            let advice = "give that identity the role AcrPull on the registry, and check that it is of the same tenant";
            return Err(whom.refused(&said.status.to_string(), advice));
        }
        status => return Err(whom.odd(format!("it answered {status}"))),
    }
    let raw: RawExchanged = said.json(whom)?;
    let life = end_of(&raw.refresh_token).map_or(LIFE, |end| asker.until(end));
    Ok(Fetched {
        secret: Secret::Identity(raw.refresh_token),
        origin: identity.origin,
        advice: "give that identity the role AcrPull on the registry",
        life,
    })
}

/// Returns when a token ends, as it says itself. Only its time is read; whether it is genuine is the registry's matter.
fn end_of(token: &SecretString) -> Option<Timestamp> {
    let claims = token.expose_secret().split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: RawClaims = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.exp).ok()
}
