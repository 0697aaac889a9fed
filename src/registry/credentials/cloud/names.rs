//! Which cloud a registry's host belongs to, by its name alone.

use crate::registry::credentials::cloud::aws::Place;

/// A cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cloud {
    /// Amazon ECR.
    Aws(Place),
    /// Google Artifact Registry, or what it took over from Container Registry.
    Google,
    /// Azure Container Registry.
    Azure,
}

/// Returns the cloud of a host. Only names below domains of the clouds themselves count: whoever owns another name
/// would get the login.
pub(super) fn of(host: &str) -> Option<Cloud> {
    if let Some(place) = aws(host) {
        return Some(Cloud::Aws(place));
    }
    if host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev") {
        return Some(Cloud::Google);
    }
    [".azurecr.io", ".azurecr.cn", ".azurecr.us"].iter().any(|end| host.ends_with(end)).then_some(Cloud::Azure)
}

/// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com` with its variants for FIPS, China, and both versions of IP.
fn aws(host: &str) -> Option<Place> {
    if host == "public.ecr.aws" || host == "ecr-public.aws.com" {
        return Some(Place::Public);
    }
    let (account, rest) = host.split_once('.')?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kind, rest) = ["dkr.ecr-fips.", "dkr.ecr.", "dkr-ecr-fips.", "dkr-ecr."]
        .iter()
        .find_map(|kind| Some((*kind, rest.strip_prefix(kind)?)))?;
    let (region, domain) = rest.split_once('.')?;
    let ends = match kind.as_bytes()[3] {
        b'.' => ["amazonaws.com", "amazonaws.com.cn"],
        _ => ["on.aws", "on.amazonwebservices.com.cn"],
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = ends.contains(&domain) && !region.is_empty() && region.bytes().all(plain);
    fits.then(|| Place::Private { region: region.to_owned(), fips: kind.contains("fips") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_clouds_by_names_that_only_they_own() {
        let private = |region: &str, fips| Some(Cloud::Aws(Place::Private { region: region.to_owned(), fips }));
        for (host, expected) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", private("eu-central-1", false)),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", private("cn-north-1", false)),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", private("us-gov-west-1", true)),
            ("123456789012.dkr-ecr.us-west-2.on.aws", private("us-west-2", false)),
            ("public.ecr.aws", Some(Cloud::Aws(Place::Public))),
            ("europe-docker.pkg.dev", Some(Cloud::Google)),
            ("gcr.io", Some(Cloud::Google)),
            ("eu.gcr.io", Some(Cloud::Google)),
            ("acme.azurecr.io", Some(Cloud::Azure)),
            ("acme-hash.westeurope.data.azurecr.io", Some(Cloud::Azure)),
            ("12345.dkr.ecr.eu-central-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", None),
            ("123456789012.dkr.ecr.evil.example.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-central-1.on.aws", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com:5000", None),
            ("evilgcr.io", None),
            ("pkg.dev", None),
            ("acme.azurecr.io.evil.example", None),
            ("ghcr.io", None),
        ] {
            assert_eq!(of(host), expected, "{host}");
        }
    }
}
