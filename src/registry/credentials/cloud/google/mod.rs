//! Google Artifact Registry: an access token, from the file of an account or a workload identity, or from the
//! metadata server, sent as the password of `oauth2accesstoken`.

mod account;
mod federation;

use std::path::Path;

use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::registry::credentials::Secret;
use crate::registry::credentials::cloud::ask::{Asker, RawAccessToken, RawOAuthError, Reach, Said, Whom, address};
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::file;
use crate::registry::credentials::login::Fetched;
use crate::registry::settings::CloudVariables;

/// What tokens are asked for. The account's roles narrow it: reading wants `roles/artifactregistry.reader`.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// What the file has to be, for messages.
const FORM: &str = "an account's or a workload identity's";

/// Whether variables say who this machine is.
pub(super) fn is_in_variables(variables: &CloudVariables) -> bool {
    variables.get("GOOGLE_APPLICATION_CREDENTIALS").is_some()
}

/// The kinds of files that Google's tools write.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RawFile {
    /// A service account with its key.
    ServiceAccount(account::RawServiceAccount),
    /// A user, as `gcloud auth application-default login` leaves it.
    AuthorizedUser(account::RawUser),
    /// A workload identity.
    ExternalAccount(Box<federation::RawExternalAccount>),
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Fetches a login.
pub(super) async fn login(asker: &Asker<'_>, named: Option<&Path>) -> Result<Fetched, CredentialError> {
    let path = named.or_else(|| asker.variables.get("GOOGLE_APPLICATION_CREDENTIALS").map(Path::new));
    let Some(path) = path else { return metadata(asker).await };
    let bytes = file::read(path).map_err(|error| file::unreadable(path, &error))?;
    let malformed = |reason: String| CredentialError::Malformed { file: path.to_owned(), form: FORM, reason };
    // The parser's own words may quote a key: its place is enough.
    let raw: RawFile = serde_json::from_slice(&bytes).map_err(|error| match error.line() {
        0 => malformed("a field is missing or of another kind".to_owned()),
        line => malformed(format!("see line {line}, column {}", error.column())),
    })?;
    let origin = path.display().to_string();
    match raw {
        RawFile::ServiceAccount(raw) => account::service_account(asker, path, &origin, &raw).await,
        RawFile::AuthorizedUser(raw) => account::user(asker, &origin, &raw).await,
        RawFile::ExternalAccount(raw) => federation::login(asker, path, &origin, &raw).await,
        RawFile::Other => {
            Err(malformed("its `type` is none of service_account, external_account and authorized_user".to_owned()))
        }
    }
}

/// Asks the metadata server of the machine, or of the cluster's workload identity.
async fn metadata(asker: &Asker<'_>) -> Result<Fetched, CredentialError> {
    let origin = "the service account of this machine".to_owned();
    let whom = Whom { service: "Google's metadata server", origin: &origin };
    let host = asker.variables.get("GCE_METADATA_HOST").unwrap_or("metadata.google.internal");
    let text = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let url = address(whom, &text)?;
    let header = (HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
    let said = asker.get(whom, url, Some(header), Reach::Machine).await?;
    if said.headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err(whom.odd("what answered is not Google's metadata server"));
    }
    if said.status == 404 {
        return Err(whom.odd("the machine has no service account: give it one"));
    }
    fetched(whom, &said)
}

/// Reads the answer of a token server of Google.
fn token(whom: Whom<'_>, said: &Said) -> Result<RawAccessToken, CredentialError> {
    if said.is_good() {
        return said.json(whom);
    }
    let raw: RawOAuthError = serde_json::from_slice(&said.body).unwrap_or_default();
    if raw.error.is_empty() {
        return Err(whom.odd(format!("it answered {}", said.status)));
    }
    let advice = match raw.error.as_str() {
        "invalid_grant" => {
            "the key or the login was deleted, has expired, or this machine's clock is wrong: make a new one"
        }
        "invalid_client" | "unauthorized_client" => "the account no longer exists or may not do this",
        _ => "the code says why",
    };
    Err(whom.refused(&raw.error, advice))
}

fn fetched(whom: Whom<'_>, said: &Said) -> Result<Fetched, CredentialError> {
    let token = token(whom, said)?;
    Ok(login_of(token, whom.origin))
}

fn login_of(token: RawAccessToken, origin: &str) -> Fetched {
    Fetched {
        life: token.life(),
        secret: Secret::Password { user: "oauth2accesstoken".to_owned(), password: token.access_token },
        origin: origin.to_owned(),
        advice: "give that account roles/artifactregistry.reader",
    }
}
