//! Who this machine is to Azure: a client's secret, a workload identity, or a managed identity.
//!
//! In this order; the first that is configured counts, and its failure is told.

use std::path::Path;

use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::registry::credentials::cloud::ask::{
    Asker, RawAccessToken, RawOAuthError, Reach, Said, Whom, address, secret_header,
};
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::file;
use crate::registry::settings::CloudVariables;

/// What tokens are asked for: registries alone take them, whatever else the identity may do.
const RESOURCE: &str = "https://containerregistry.azure.net";

/// Where tokens of the public cloud are given out.
const AUTHORITY: &str = "https://login.microsoftonline.com/";

/// What the operator names.
pub(in crate::registry::credentials::cloud) struct Named<'a> {
    pub(in crate::registry::credentials::cloud) tenant: Option<&'a str>,
    pub(in crate::registry::credentials::cloud) client_id: Option<&'a str>,
    pub(in crate::registry::credentials::cloud) client_secret_file: Option<&'a Path>,
}

/// A token of Entra.
pub(super) struct Identity {
    pub(super) token: SecretString,
    pub(super) tenant: Option<String>,
    /// Where it comes from, for messages.
    pub(super) origin: String,
}

/// Whether variables say who this machine is.
pub(in crate::registry::credentials::cloud) fn is_in_variables(variables: &CloudVariables) -> bool {
    let has = |name| variables.get(name).is_some();
    let client = has("AZURE_TENANT_ID") && has("AZURE_CLIENT_ID");
    (client && (has("AZURE_CLIENT_SECRET") || has("AZURE_FEDERATED_TOKEN_FILE")))
        || (has("IDENTITY_ENDPOINT") && has("IDENTITY_HEADER"))
}

/// Finds the token.
pub(super) async fn find(asker: &Asker<'_>, named: &Named<'_>) -> Result<Identity, CredentialError> {
    let variables = asker.variables;
    let tenant = named.tenant.or_else(|| variables.get("AZURE_TENANT_ID"));
    let client = named.client_id.or_else(|| variables.get("AZURE_CLIENT_ID"));
    let secret = match named.client_secret_file {
        Some(path) => Some((file::one_line(path, "a client secret's")?, path.display().to_string())),
        None => variables
            .secret("AZURE_CLIENT_SECRET")
            .map(|secret| (secret.clone(), "the environment variable AZURE_CLIENT_SECRET".to_owned())),
    };
    if let Some((secret, origin)) = secret {
        let proof = [("client_secret", secret.expose_secret())];
        return entra(asker, origin, (tenant, client), &proof).await;
    }
    if let Some(path) = variables.get("AZURE_FEDERATED_TOKEN_FILE") {
        let token = file::one_line(Path::new(path), "a workload identity's")?;
        let proof = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token.expose_secret()),
        ];
        return entra(asker, format!("the workload identity of {path}"), (tenant, client), &proof).await;
    }
    managed(asker, tenant, client).await
}

/// Asks Entra for a token of a client.
async fn entra(
    asker: &Asker<'_>,
    origin: String,
    (tenant, client): (Option<&str>, Option<&str>),
    proof: &[(&str, &str)],
) -> Result<Identity, CredentialError> {
    let missing = |what: &str| CredentialError::NoIdentity {
        cloud: "Azure",
        host: asker.host.to_owned(),
        reason: format!("{origin} needs {what} beside it"),
    };
    let tenant = tenant.ok_or_else(|| missing("`tenant`, or the variable AZURE_TENANT_ID,"))?;
    let client = client.ok_or_else(|| missing("`clientId`, or the variable AZURE_CLIENT_ID,"))?;
    let whom = Whom { service: "Microsoft Entra", origin: &origin };
    let authority = asker.variables.get("AZURE_AUTHORITY_HOST").unwrap_or(AUTHORITY);
    let mut url = address(whom, authority)?;
    match url.path_segments_mut() {
        Ok(mut path) => {
            path.clear().extend([tenant, "oauth2", "v2.0", "token"]);
        }
        Err(()) => return Err(whom.odd("AZURE_AUTHORITY_HOST is no address of a server")),
    }
    let scope = format!("{RESOURCE}/.default");
    let mut rows = vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", scope.as_str())];
    rows.extend_from_slice(proof);
    let said = asker.post(whom, url, &rows).await?;
    let token = token(whom, &said)?;
    Ok(Identity { token, tenant: Some(tenant.to_owned()), origin })
}

/// Asks for the managed identity: of App Service and Container Apps by their variables, else of the machine.
async fn managed(asker: &Asker<'_>, tenant: Option<&str>, client: Option<&str>) -> Result<Identity, CredentialError> {
    let origin = "the managed identity".to_owned();
    let whom = Whom { service: "Azure's identity endpoint", origin: &origin };
    let variables = asker.variables;
    let (mut url, version, header) = match (variables.get("IDENTITY_ENDPOINT"), variables.secret("IDENTITY_HEADER")) {
        (Some(endpoint), Some(secret)) => {
            let header = (HeaderName::from_static("x-identity-header"), secret_header(whom, "", secret)?);
            (address(whom, endpoint)?, "2019-08-01", header)
        }
        _ => {
            let host = variables.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or("http://169.254.169.254");
            let mut url = address(whom, host)?;
            url.set_path("/metadata/identity/oauth2/token");
            (url, "2018-02-01", (HeaderName::from_static("metadata"), HeaderValue::from_static("true")))
        }
    };
    url.query_pairs_mut()
        .append_pair("api-version", version)
        .append_pair("resource", RESOURCE)
        .extend_pairs(client.map(|client| ("client_id", client)));
    let said = asker.get(whom, url, Some(header), Reach::Machine).await?;
    let token = token(whom, &said)?;
    Ok(Identity { token, tenant: tenant.map(str::to_owned), origin })
}

fn token(whom: Whom<'_>, said: &Said) -> Result<SecretString, CredentialError> {
    if said.is_good() {
        return Ok(said.json::<RawAccessToken>(whom)?.access_token);
    }
    let raw: RawOAuthError = serde_json::from_slice(&said.body).unwrap_or_default();
    match raw.error_codes.first() {
        Some(number) => Err(whom.refused(&format!("AADSTS{number}"), advice(*number))),
        None if raw.error.is_empty() => Err(whom.odd(format!("it answered {}", said.status))),
        None => {
            Err(whom.refused(&raw.error, "give this machine the identity, and name it by `clientId` if it has several"))
        }
    }
}

/// Returns what to do about an error of Entra, by its number.
fn advice(number: u64) -> &'static str {
    match number {
        7_000_215 => "that is not the client's secret: put the secret's value, not its id",
        7_000_222 => "the client's secret has expired: make a new one",
        700_016 => "the tenant knows no such client: check `tenant` and `clientId`",
        90_002 => "there is no such tenant: check `tenant`",
        700_024 | 500_133 => {
            "the workload identity's token has expired: look at why it is not renewed, and at the clock"
        }
        70_021 | 700_211..=700_213 => {
            "no federated credential of the client fits that token: check its issuer and subject"
        }
        _ => "the number says why",
    }
}
