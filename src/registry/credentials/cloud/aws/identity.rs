//! Who this machine is to AWS: keys from variables, a role by a web identity, the container's, the instance's.
//!
//! In this order, which is that of AWS's own kits; the first that is configured counts, and its failure is told.
//! Profiles of `~/.aws` are not read: a service has none.

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::path::Path;
use url::{Host, Url};

use crate::http::target::is_loopback;
use crate::registry::credentials::cloud::ask::{Ask, Asker, Reach, Said, Whom, address, secret_header};
use crate::registry::credentials::cloud::aws::{advice, domain, endpoint, patiently};
use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::file;
use crate::registry::settings::CloudVariables;

/// Keys that sign requests.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) session: Option<SecretString>,
    /// Where they come from, for messages.
    pub(super) origin: String,
}

/// Keys as the container's and the instance's services write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawKeys {
    access_key_id: String,
    secret_access_key: SecretString,
    token: Option<SecretString>,
    expiration: Option<Timestamp>,
}

/// Whether variables say who this machine is.
pub(in crate::registry::credentials::cloud) fn is_in_variables(variables: &CloudVariables) -> bool {
    let has = |name| variables.get(name).is_some();
    (has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY"))
        || (has("AWS_WEB_IDENTITY_TOKEN_FILE") && has("AWS_ROLE_ARN"))
        || has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        || has("AWS_CONTAINER_CREDENTIALS_FULL_URI")
}

/// Finds the keys.
pub(super) async fn find(asker: &Asker<'_>, region: &str) -> Result<Keys, CredentialError> {
    let variables = asker.variables;
    if let (Some(id), Some(secret)) = (variables.get("AWS_ACCESS_KEY_ID"), variables.secret("AWS_SECRET_ACCESS_KEY")) {
        let session = variables.secret("AWS_SESSION_TOKEN").cloned();
        let origin = "the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned();
        return Ok(Keys { id: id.to_owned(), secret: secret.clone(), session, origin });
    }
    if let (Some(token), Some(role)) = (variables.get("AWS_WEB_IDENTITY_TOKEN_FILE"), variables.get("AWS_ROLE_ARN")) {
        return web_identity(asker, region, Path::new(token), role).await;
    }
    if let Some(path) = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return container(asker, &format!("http://169.254.170.2{path}"), "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            .await;
    }
    if let Some(url) = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        return container(asker, url, "AWS_CONTAINER_CREDENTIALS_FULL_URI").await;
    }
    if variables.get("AWS_EC2_METADATA_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
        return Err(CredentialError::NoIdentity {
            cloud: "AWS",
            host: asker.host.to_owned(),
            reason: "neither AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE nor AWS_CONTAINER_CREDENTIALS_FULL_URI is \
                     set, and AWS_EC2_METADATA_DISABLED forbids asking the instance"
                .to_owned(),
        });
    }
    instance(asker).await
}

/// Takes a role with a token of the cluster, which is read anew each time, as it is renewed on disk.
async fn web_identity(asker: &Asker<'_>, region: &str, file: &Path, role: &str) -> Result<Keys, CredentialError> {
    let origin = format!("the web identity of {}", file.display());
    let whom = Whom { service: "AWS STS", origin: &origin };
    let token = file::one_line(file, "a web identity's")?;
    let variables = asker.variables;
    let region = variables.get("AWS_REGION").or_else(|| variables.get("AWS_DEFAULT_REGION")).unwrap_or(region);
    let url = endpoint(variables, "AWS_ENDPOINT_URL_STS");
    let url = address(whom, &url.unwrap_or_else(|| format!("https://sts.{region}.{}/", domain(region))))?;
    let rows = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", variables.get("AWS_ROLE_SESSION_NAME").unwrap_or("tagboat")),
        ("WebIdentityToken", token.expose_secret()),
    ];
    let code = |said: &Said| element(std::str::from_utf8(&said.body).unwrap_or_default(), "Code").unwrap_or_default();
    let said = patiently(asker, whom, code, || Ok(Ask::form(url.clone(), &rows))).await?;
    let text = std::str::from_utf8(&said.body).unwrap_or_default();
    if !said.is_good() {
        return Err(match element(text, "Code") {
            Some(code) => whom.refused(&code, advice(&code)),
            None => whom.odd(format!("it answered {}", said.status)),
        });
    }
    let part = |name| element(text, name).ok_or_else(|| whom.odd("the answer holds no keys"));
    Ok(Keys {
        id: part("AccessKeyId")?,
        secret: part("SecretAccessKey")?.into(),
        session: Some(part("SessionToken")?.into()),
        origin,
    })
}

/// Returns the text of the first element of a name. The answers of STS are flat, and their values hold no markup.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(text.replace("&amp;", "&")).filter(|text| !text.is_empty())
}

/// Asks the service of the container: of ECS, or of the agent for pod identities.
async fn container(asker: &Asker<'_>, url: &str, variable: &'static str) -> Result<Keys, CredentialError> {
    let origin = format!("the container's credentials of {variable}");
    let whom = Whom { service: "the container's credential service", origin: &origin };
    let url = address(whom, url)?;
    if !is_container_service(&url) {
        return Err(whom.odd("its address is neither over TLS nor the container's own"));
    }
    let variables = asker.variables;
    let token = match variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file::one_line(Path::new(path), "an authorization token's")?),
        None => variables.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN").cloned(),
    };
    let header = token.map(|token| secret_header(whom, "", &token)).transpose()?.map(|value| (AUTHORIZATION, value));
    let said = asker.get(whom, url, header, Reach::Machine).await?;
    keys(asker, whom, &said)
}

/// Whether the token may go to an address, by the rule of AWS's kits: TLS, loopback, or the two services of ECS and EKS.
fn is_container_service(url: &Url) -> bool {
    url.scheme() == "https"
        || is_loopback(url)
        || match url.host() {
            Some(Host::Ipv4(address)) => matches!(address.octets(), [169, 254, 170, 2 | 23]),
            Some(Host::Ipv6(address)) => address.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23],
            _ => false,
        }
}

/// Asks the instance's metadata, version 2.
async fn instance(asker: &Asker<'_>) -> Result<Keys, CredentialError> {
    let origin = "the role of this instance".to_owned();
    let whom = Whom { service: "the instance metadata service", origin: &origin };
    let variables = asker.variables;
    let is_v6 =
        variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
    let usual = if is_v6 { "http://[fd00:ec2::254]/" } else { "http://169.254.169.254/" };
    let base = address(whom, variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(usual))?;
    let url = |path: &str| {
        let mut url = base.clone();
        url.set_path(path);
        url
    };
    let name = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("300"))]);
    let ask = Ask { method: Method::PUT, url: url("/latest/api/token"), headers, body: None, reach: Reach::Machine };
    let said = asker.ask(whom, ask).await?;
    let token = std::str::from_utf8(&said.body).ok().filter(|_| said.is_good());
    let token = token.ok_or_else(|| whom.odd(format!("it answered {} to the question for a token", said.status)))?;
    let header = secret_header(whom, "", &token.trim().into())?;
    let name = HeaderName::from_static("x-aws-ec2-metadata-token");
    let folder = "/latest/meta-data/iam/security-credentials/";
    let said = asker.get(whom, url(folder), Some((name.clone(), header.clone())), Reach::Machine).await?;
    let role = std::str::from_utf8(&said.body).ok().filter(|_| said.is_good()).and_then(|text| text.lines().next());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let role = role.map(str::trim).filter(|role| !role.is_empty() && role.bytes().all(plain));
    let role = role.ok_or_else(|| whom.odd("the instance has no role: give it an instance profile"))?;
    let said = asker.get(whom, url(&format!("{folder}{role}")), Some((name, header)), Reach::Machine).await?;
    keys(asker, whom, &said)
}

fn keys(asker: &Asker<'_>, whom: Whom<'_>, said: &Said) -> Result<Keys, CredentialError> {
    if !said.is_good() {
        return Err(whom.odd(format!("it answered {}", said.status)));
    }
    let raw: RawKeys = said.json(whom)?;
    if raw.expiration.is_some_and(|end| end <= asker.now()) {
        return Err(
            whom.refused("its keys have expired", "look at why the machine does not renew them, and at its clock")
        );
    }
    let origin = whom.origin.to_owned();
    Ok(Keys { id: raw.access_key_id, secret: raw.secret_access_key, session: raw.token, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_s_token_goes_to_tls_or_to_the_container_s_own_services() {
        for (url, allowed) in [
            ("https://credentials.example/role", true),
            ("http://127.0.0.1:9000/role", true),
            ("http://169.254.170.2/v2/credentials/x", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://169.254.169.254/v1/credentials", false),
            ("http://10.0.0.1/role", false),
            ("http://credentials.example/role", false),
        ] {
            assert_eq!(is_container_service(&Url::parse(url).unwrap()), allowed, "{url}");
        }
    }

    #[test]
    fn reads_the_elements_of_sts() {
        let xml = "<A><Code> ExpiredToken </Code><SessionToken>a&amp;lt;b</SessionToken><Empty></Empty></A>";
        assert_eq!(element(xml, "Code").as_deref(), Some("ExpiredToken"));
        assert_eq!(element(xml, "SessionToken").as_deref(), Some("a&lt;b"));
        assert_eq!((element(xml, "Empty"), element(xml, "Absent"), element("<Code>", "Code")), (None, None, None));
    }
}
