//! Amazon's: ECR private and public, STS, the container's credentials, the instance's metadata of version 2.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use axum::http::Method;
use base64::Engine as _;
use serde_json::json;

use super::{AWS_KEY, AWS_SECRET, AWS_SESSION, Answered, Asked, CONTAINER_TOKEN, ECR_PASSWORD, Says, WEB_IDENTITY};

const IMDS_TOKEN: &str = "1mds-t0ken";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(super) fn answer(asked: &Asked, expired: bool) -> Option<Answered> {
    let path = asked.path.as_str();
    Some(match path {
        "/" if !asked.header("x-amz-target").is_empty() => ("ecr", ecr(asked, expired)),
        "/" if asked.form("Action") == "AssumeRoleWithWebIdentity" => ("sts", sts(asked, expired)),
        "/container/role" => {
            let welcome = asked.header("authorization") == CONTAINER_TOKEN;
            ("container", if welcome { Ok(keys(expired)) } else { Err("another token".to_owned()) })
        }
        "/latest/api/token" => {
            let right = asked.method == Method::PUT && !asked.header("x-aws-ec2-metadata-token-ttl-seconds").is_empty();
            ("imds", if right { Ok(Says(200, IMDS_TOKEN.to_owned())) } else { Err("no PUT".to_owned()) })
        }
        _ if path.starts_with(ROLES) => {
            let says = if path == ROLES { Says(200, "acme-role\n".to_owned()) } else { keys(expired) };
            let known = path == ROLES || path.ends_with("/acme-role");
            let welcome = known && asked.header("x-aws-ec2-metadata-token") == IMDS_TOKEN;
            ("imds", if welcome { Ok(says) } else { Err("no token of version 2".to_owned()) })
        }
        _ => return None,
    })
}

fn keys(expired: bool) -> Says {
    let end = if expired { "2020-01-01T00:00:00Z" } else { "2100-01-01T00:00:00Z" };
    let keys = json!({"Code": "Success", "AccessKeyId": AWS_KEY, "SecretAccessKey": AWS_SECRET,
        "Token": AWS_SESSION, "Expiration": end});
    Says(200, keys.to_string())
}

fn sts(asked: &Asked, expired: bool) -> Result<Says, String> {
    if expired {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>\
                   <Message>Token expired</Message></Error></ErrorResponse>";
        return Ok(Says(400, xml.to_owned()));
    }
    for (name, expected) in [
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::123456789012:role/acme"),
        ("WebIdentityToken", WEB_IDENTITY),
    ] {
        if asked.form(name) != expected {
            return Err(format!("{name} is {}", asked.form(name)));
        }
    }
    Ok(Says(
        200,
        format!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>{AWS_KEY}</AccessKeyId><SecretAccessKey>{AWS_SECRET}</SecretAccessKey>\
             <SessionToken>{AWS_SESSION}</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration>\
             </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ),
    ))
}

fn ecr(asked: &Asked, expired: bool) -> Result<Says, String> {
    if expired {
        return Ok(Says(400, r#"{"__type": "com.amazonaws.ecr#ExpiredTokenException"}"#.to_owned()));
    }
    let public = asked.header("x-amz-target").starts_with("SpencerFrontendService.");
    let (region, service) = if public { ("us-east-1", "ecr-public") } else { ("eu-central-1", "ecr") };
    if asked.header("x-amz-target") == "AmazonEC2ContainerRegistry_V20150921.DescribeImages" {
        is_signed(asked, region, service)?;
        let body: serde_json::Value = serde_json::from_slice(&asked.body).map_err(|error| error.to_string())?;
        let kind = match (body["repositoryName"].as_str(), body["imageIds"][0]["imageTag"].as_str()) {
            (Some("acme/web"), Some("1.0.0")) => {
                let image = json!({"imageTags": ["1.0.0", "stable"], "imagePushedAt": 1_793_520_000.25});
                return Ok(Says(200, json!({"imageDetails": [image]}).to_string()));
            }
            (Some("acme/web"), _) => "ImageNotFoundException",
            _ => "AccessDeniedException",
        };
        return Ok(Says(400, json!({"__type": kind}).to_string()));
    }
    if !asked.header("x-amz-target").ends_with(".GetAuthorizationToken") {
        return Err("another operation".to_owned());
    }
    if let Err(reason) = is_signed(asked, region, service) {
        return if reason == "signature" {
            Ok(Says(400, r#"{"__type": "InvalidSignatureException", "message": "does not match"}"#.to_owned()))
        } else {
            Err(reason)
        };
    }
    let token = base64::engine::general_purpose::STANDARD.encode(format!("AWS:{ECR_PASSWORD}"));
    let one = json!({"authorizationToken": token, "expiresAt": 4_102_444_800.5});
    let data = if public { one } else { json!([one]) };
    Ok(Says(200, json!({"authorizationData": data}).to_string()))
}

/// Checks a signature of version 4 from what arrived, written apart from the client's own code.
fn is_signed(asked: &Asked, region: &str, service: &str) -> Result<(), String> {
    let authorization = asked.header("authorization");
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=").ok_or("no signature")?;
    let part = |name: &str| {
        let (_, after) = rest.split_once(&format!(" {name}="))?;
        Some(after.split(',').next().unwrap_or(after))
    };
    let (credential, _) = rest.split_once(',').ok_or("no credential")?;
    let date = asked.header("x-amz-date");
    let day = date.get(..8).ok_or("no date")?;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    if credential != format!("{AWS_KEY}/{scope}") {
        return Err(format!("the credential is {credential}"));
    }
    let signed = part("SignedHeaders").ok_or("no signed headers")?;
    for wanted in ["host", "x-amz-date", "x-amz-target"] {
        if !signed.split(';').any(|name| name == wanted) {
            return Err(format!("{wanted} is not signed"));
        }
    }
    let session = asked.header("x-amz-security-token");
    if !session.is_empty() && (session != AWS_SESSION || !signed.contains("x-amz-security-token")) {
        return Err("another session, or it is not signed".to_owned());
    }
    let mut canonical = format!("{}\n/\n\n", asked.method);
    signed.split(';').for_each(|name| writeln!(canonical, "{name}:{}", asked.header(name)).unwrap());
    write!(canonical, "\n{signed}\n{}", hex(&sum(&asked.body))).unwrap();
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&sum(canonical.as_bytes())));
    let chain = [day, region, service, "aws4_request", &text];
    let key = chain.iter().fold(format!("AWS4{AWS_SECRET}").into_bytes(), |key, part| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec()
    });
    if part("Signature") == Some(hex(&key).as_str()) { Ok(()) } else { Err("signature".to_owned()) }
}

fn sum(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
