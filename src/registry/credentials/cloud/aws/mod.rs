//! Amazon ECR, private and public: keys of AWS exchanged for a registry's password by `GetAuthorizationToken`.

pub(super) mod identity;
mod sigv4;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::http::retry::Tries;
use crate::http::target::host_of;
use crate::model::image::Tag;
use crate::registry::credentials::Secret;
use crate::registry::credentials::cloud::ask::{Ask, Asker, Reach, Said, Whom, address, secret_header};
use crate::registry::credentials::cloud::aws::identity::Keys;
use crate::registry::credentials::cloud::aws::sigv4::{Request, Signer};
use crate::registry::credentials::cloud::names::{self, Cloud};
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::login::Fetched;
use crate::registry::settings::CloudVariables;

/// How long a login to ECR holds where the answer does not say; the reference of the service says 12 hours.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// Which ECR gives the login; it serves all accounts there that the identity may pull from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::registry::credentials) enum Place {
    /// The private registries of a region.
    Private {
        /// The region.
        region: String,
        /// Whether the host is that of the endpoints that follow FIPS 140.
        fips: bool,
    },
    /// The public gallery, which is asked in one region alone.
    Public,
}

impl Place {
    /// Returns the place of a host, in a region where the operator names one.
    pub(super) fn of(host: &str, region: Option<&str>) -> Result<Self, CredentialError> {
        let named = region.map(ToOwned::to_owned);
        match (names::of(host), named) {
            (Some(Cloud::Aws(Self::Private { fips, .. })), Some(region)) => Ok(Self::Private { region, fips }),
            (Some(Cloud::Aws(place)), _) => Ok(place),
            (_, Some(region)) => Ok(Self::Private { region, fips: false }),
            (_, None) => Err(CredentialError::NoIdentity {
                cloud: "AWS",
                host: host.to_owned(),
                reason: "the host's name does not tell its region; name it: `auth: {aws: {region: …}}`".to_owned(),
            }),
        }
    }

    fn region(&self) -> &str {
        match self {
            Self::Private { region, .. } => region,
            Self::Public => "us-east-1",
        }
    }

    /// Returns the service's name in signatures, its operation, and its endpoint.
    fn service(&self, variables: &CloudVariables) -> (&'static str, &'static str, String) {
        match self {
            Self::Public => (
                "ecr-public",
                "SpencerFrontendService.GetAuthorizationToken",
                endpoint(variables, "AWS_ENDPOINT_URL_ECR_PUBLIC")
                    .unwrap_or_else(|| "https://api.ecr-public.us-east-1.amazonaws.com/".to_owned()),
            ),
            Self::Private { region, fips } => (
                "ecr",
                "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
                endpoint(variables, "AWS_ENDPOINT_URL_ECR").unwrap_or_else(|| {
                    let service = if *fips { "ecr-fips" } else { "api.ecr" };
                    format!("https://{service}.{region}.{}/", domain(region))
                }),
            ),
        }
    }
}

/// Returns the domain of a region's services.
fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Returns an endpoint that the environment names in place of AWS's own.
fn endpoint(variables: &CloudVariables, own: &str) -> Option<String> {
    let ignored =
        variables.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    if ignored { None } else { variables.get(own).or_else(|| variables.get("AWS_ENDPOINT_URL")).map(str::to_owned) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAnswer {
    authorization_data: RawOneOrMany,
}

/// The public service answers with one, the private with a list of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawOneOrMany {
    Many(Vec<RawAuthorization>),
    One(RawAuthorization),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAuthorization {
    authorization_token: SecretString,
    /// Seconds since 1970, with a fraction.
    expires_at: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawError {
    #[serde(rename = "__type")]
    kind: String,
}

/// Fetches a login.
pub(super) async fn login(asker: &Asker<'_>, place: &Place) -> Result<Fetched, CredentialError> {
    let keys = identity::find(asker, place.region()).await?;
    let (service, operation, endpoint) = place.service(asker.variables);
    let whom = Whom { service: "Amazon ECR", origin: &keys.origin };
    let mut url = address(whom, &endpoint)?;
    url.set_path("/");
    url.set_query(None);
    let scope = (place.region(), service, operation);
    let said =
        patiently(asker, whom, code_of, || signed(asker, whom, &keys, scope, url.clone(), "{}".to_owned())).await?;
    if !said.is_good() {
        let code = code_of(&said);
        if code.is_empty() {
            return Err(whom.odd(format!("it answered {}", said.status)));
        }
        return Err(whom.refused(&code, advice(&code)));
    }
    let one = match said.json::<RawAnswer>(whom)?.authorization_data {
        RawOneOrMany::One(one) => Some(one),
        RawOneOrMany::Many(many) => many.into_iter().next(),
    };
    let one = one.ok_or_else(|| whom.odd("the answer holds none"))?;
    let pair = STANDARD.decode(one.authorization_token.expose_secret()).ok();
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
    let (user, password) =
        pair.as_deref().and_then(|pair| pair.split_once(':')).ok_or_else(|| whom.odd("it is no user and password"))?;
    let end = one.expires_at.and_then(|end| Timestamp::from_second(end as i64).ok());
    Ok(Fetched {
        secret: Secret::Password { user: user.to_owned(), password: password.into() },
        origin: format!("Amazon ECR, asked by {}", keys.origin),
        advice: "let its policy and the repository's allow ecr:BatchGetImage and ecr:ListImages",
        life: end.map_or(LIFE, |end| asker.until(end)),
    })
}

/// Asks for the description of one image in a private registry; `None` where this identity may not ask, or where the
/// image is not there. The public gallery describes images to their owners alone, and is not asked.
pub(super) async fn image(
    asker: &Asker<'_>,
    place: &Place,
    repository: &str,
    tag: &Tag,
) -> Result<Option<Bytes>, CredentialError> {
    const OPERATION: &str = "AmazonEC2ContainerRegistry_V20150921.DescribeImages";
    if *place == Place::Public {
        return Ok(None);
    }
    let keys = identity::find(asker, place.region()).await?;
    let (service, _, endpoint) = place.service(asker.variables);
    let whom = Whom { service: "Amazon ECR", origin: &keys.origin };
    let mut url = address(whom, &endpoint)?;
    url.set_path("/");
    url.set_query(None);
    let mut body = json!({"repositoryName": repository, "imageIds": [{"imageTag": tag.as_str()}]});
    // The account is the first part of the host's own name; without it, the identity's account counts.
    let account = asker.host.split('.').next().unwrap_or_default();
    if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
        body["registryId"] = account.into();
    }
    let scope = (place.region(), service, OPERATION);
    let said =
        patiently(asker, whom, code_of, || signed(asker, whom, &keys, scope, url.clone(), body.to_string())).await?;
    if said.is_good() {
        return Ok(Some(said.body));
    }
    match code_of(&said).as_str() {
        "AccessDeniedException" | "ImageNotFoundException" | "RepositoryNotFoundException" => Ok(None),
        "" => Err(whom.odd(format!("it answered {}", said.status))),
        code => Err(whom.refused(code, advice(code))),
    }
}

fn signed(
    asker: &Asker<'_>,
    whom: Whom<'_>,
    keys: &Keys,
    (region, service, operation): (&str, &'static str, &'static str),
    url: Url,
    body: String,
) -> Result<Ask, CredentialError> {
    const KIND: &str = "application/x-amz-json-1.1";
    let host = host_of(&url);
    let signer = Signer { key_id: &keys.id, secret: &keys.secret, region, service, now: asker.now() };
    let mut parts = vec![("content-type", KIND), ("host", host.as_str()), ("x-amz-target", operation)];
    if let Some(session) = &keys.session {
        parts.push(("x-amz-security-token", session.expose_secret()));
    }
    let authorization = signer.sign(&Request { method: "POST", query: &[], headers: &parts, body: body.as_bytes() });
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(KIND));
    headers.insert(HeaderName::from_static("x-amz-target"), HeaderValue::from_static(operation));
    headers.insert(HeaderName::from_static("x-amz-date"), secret_header(whom, "", &signer.date().into())?);
    if let Some(session) = &keys.session {
        headers.insert(HeaderName::from_static("x-amz-security-token"), secret_header(whom, "", session)?);
    }
    headers.insert(AUTHORIZATION, secret_header(whom, "", &authorization.into())?);
    Ok(Ask { method: Method::POST, url, headers, body: Some(body.into()), reach: Reach::Net })
}

/// Asks, and asks again where AWS wants fewer questions, as its own kits do. Each try is signed anew: it has a date.
async fn patiently(
    asker: &Asker<'_>,
    whom: Whom<'_>,
    code: impl Fn(&Said) -> String,
    question: impl Fn() -> Result<Ask, CredentialError>,
) -> Result<Said, CredentialError> {
    let mut tries = Tries::default();
    loop {
        let said = asker.ask(whom, question()?).await?;
        let turned_away = if said.is_good() { None } else { throttling(&code(&said)) };
        let Some(code) = turned_away else { return Ok(said) };
        asker.wait_for_room(whom, &mut tries, code).await?;
    }
}

/// Returns the code where it means that there are too many questions: no word about who asks.
fn throttling(code: &str) -> Option<&'static str> {
    const CODES: [&str; 6] = [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "RequestThrottledException",
    ];
    CODES.into_iter().find(|known| *known == code)
}

/// Returns the code of an error as the services write it that speak JSON.
fn code_of(said: &Said) -> String {
    let raw: RawError = serde_json::from_slice(&said.body).unwrap_or_default();
    raw.kind.rsplit('#').next().unwrap_or_default().to_owned()
}

/// Returns what to do about an error of AWS, by its code.
fn advice(code: &str) -> &'static str {
    match code {
        "ExpiredToken" | "ExpiredTokenException" => "that login has expired: renew it",
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "that access key does not exist or no longer does: name another"
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed" | "RequestExpired" => {
            "the secret key does not belong to that access key, or this machine's clock is wrong"
        }
        "AccessDenied" | "AccessDeniedException" => {
            "let its policy allow ecr:GetAuthorizationToken, and the role trust who takes it"
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" => "the role does not trust that token: look at its trust policy",
        _ => "the code says why",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_endpoint_of_the_host_s_region_unless_the_environment_names_another() {
        let none = CloudVariables::default();
        let own = CloudVariables::of(|name| (name == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:1".into()));
        for (host, region, expected) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", None, "https://api.ecr.eu-west-1.amazonaws.com/"),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", None, "https://api.ecr.cn-north-1.amazonaws.com.cn/"),
            ("123456789012.dkr.ecr-fips.us-east-2.amazonaws.com", None, "https://ecr-fips.us-east-2.amazonaws.com/"),
            ("public.ecr.aws", None, "https://api.ecr-public.us-east-1.amazonaws.com/"),
            ("registry.example", Some("eu-west-1"), "https://api.ecr.eu-west-1.amazonaws.com/"),
        ] {
            let place = Place::of(host, region).unwrap();
            assert_eq!(place.service(&none).2, expected);
            assert_eq!(place.service(&own).2, "http://127.0.0.1:1");
        }
        let error = Place::of("registry.example", None).unwrap_err().to_string();
        assert!(error.contains("`auth: {aws: {region: …}}`"), "{error}");
    }
}
