//! Azure's: Entra, the machine's metadata, and the identity endpoint of container apps.

use axum::http::Method;
use serde_json::json;

use super::{Answered, Asked, CLIENT_SECRET, FEDERATED, IDENTITY_HEADER, Says};
use crate::support::registry::ENTRA_TOKEN;

pub(super) fn answer(asked: &Asked, expired: bool) -> Option<Answered> {
    // The machine's services write numbers as text.
    let token = |life: serde_json::Value| {
        Says(200, json!({"access_token": ENTRA_TOKEN, "expires_in": life, "token_type": "Bearer"}).to_string())
    };
    let resource = asked.query("resource") == "https://containerregistry.azure.net";
    Some(match asked.path.as_str() {
        "/acme-tenant/oauth2/v2.0/token" => {
            ("entra", entra(asked, expired).map(|says| says.unwrap_or(token(json!(3599)))))
        }
        "/metadata/identity/oauth2/token" | "/msi/token" if expired => {
            ("azure metadata", Ok(Says(400, r#"{"error": "invalid_request"}"#.to_owned())))
        }
        "/metadata/identity/oauth2/token" => {
            let right = asked.method == Method::GET
                && asked.header("metadata") == "true"
                && asked.query("api-version") == "2018-02-01"
                && resource;
            ("azure metadata", if right { Ok(token(json!("3599"))) } else { Err("no metadata".to_owned()) })
        }
        "/msi/token" => {
            let right = asked.header("x-identity-header") == IDENTITY_HEADER
                && asked.query("api-version") == "2019-08-01"
                && asked.query("client_id") == "acme-client"
                && resource;
            ("azure app", if right { Ok(token(json!("3599"))) } else { Err("no header".to_owned()) })
        }
        _ => return None,
    })
}

/// Returns nothing where the client is welcome, else what it is told.
fn entra(asked: &Asked, expired: bool) -> Result<Option<Says>, String> {
    let by_secret = !asked.form("client_secret").is_empty();
    if expired {
        let number = if by_secret { 7_000_222 } else { 700_024 };
        return Ok(Some(Says(401, json!({"error": "invalid_client", "error_codes": [number]}).to_string())));
    }
    if asked.form("client_id") != "acme-client"
        || asked.form("scope") != "https://containerregistry.azure.net/.default"
        || asked.form("grant_type") != "client_credentials"
    {
        return Err("another client".to_owned());
    }
    let welcome = if by_secret {
        asked.form("client_secret") == CLIENT_SECRET
    } else {
        asked.form("client_assertion") == FEDERATED
            && asked.form("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    };
    let wrong = || Says(401, json!({"error": "invalid_client", "error_codes": [7_000_215]}).to_string());
    Ok((!welcome).then(wrong))
}
