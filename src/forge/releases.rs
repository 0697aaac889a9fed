//! Releases of source repositories on github.com, asked as anybody: no credential is ever sent there from here.
//!
//! Entry points: [`elsewhere`] and [`of_public`]. What releases say is not read here, and believed nowhere.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::forge::ForgeError;
use crate::forge::github::public_api;
use crate::http::client::{Call, HttpClient, PlainHttp};
use crate::http::retry::RetryPolicy;
use crate::model::pull_request::{Release, Source};

/// The host of public GitHub.
pub(super) const PUBLIC_HOST: &str = "github.com";

/// How many releases are asked for: those of most images for a year.
pub(super) const MOST: &str = "40";

/// How long one question may take: nothing depends on its answer.
const TIME: Duration = Duration::from_secs(15);

/// The longest answer that is read.
const LONGEST: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
pub(super) struct RawRelease {
    tag_name: String,
    /// GitHub's and Gitea's name for it.
    body: Option<String>,
    /// GitLab's name for it.
    description: Option<String>,
    #[serde(default)]
    draft: bool,
}

/// Turns a list of releases into its plain form.
pub(super) fn plain(releases: Vec<RawRelease>) -> Vec<Release> {
    let shown = releases.into_iter().filter(|release| !release.draft);
    shown
        .map(|release| Release {
            tag: release.tag_name,
            text: release.body.or(release.description).unwrap_or_default(),
        })
        .collect()
}

/// Asks for the newest releases of a repository that is not on the forge at hand; `None` where nobody is asked.
pub(super) async fn elsewhere(http: &HttpClient, source: &Source) -> Result<Option<Vec<Release>>, ForgeError> {
    if source.host == PUBLIC_HOST { of_public(http, &public_api(), source).await } else { Ok(None) }
}

/// Asks public GitHub, below the base of its API, for the newest releases of a repository.
pub(super) async fn of_public(
    http: &HttpClient,
    base: &Url,
    source: &Source,
) -> Result<Option<Vec<Release>>, ForgeError> {
    let Some((owner, name)) = source.path.split_once('/').filter(|(_, name)| !name.contains('/')) else {
        return Ok(None);
    };
    let mut url = base.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop_if_empty().extend(["repos", owner, name, "releases"]);
    }
    url.query_pairs_mut().append_pair("per_page", MOST);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    let call = Call {
        method: Method::GET,
        url,
        headers,
        body: None,
        deadline: Instant::now() + TIME,
        retry: RetryPolicy { after_silence: 0, after_trouble: 1, first_wait: Duration::from_millis(250) },
        plain: PlainHttp::Loopback,
    };
    let lost = |error: crate::http::error::HttpError| ForgeError::Skip(error.to_string());
    let answer = http.send(&call).await.map_err(lost)?;
    let status = answer.status;
    let body = answer.body(LONGEST).whole().await.map_err(lost)?;
    if status != StatusCode::OK {
        return Err(ForgeError::Skip(format!("github.com answered {} for {}/{name}", status.as_u16(), owner)));
    }
    let read: Vec<RawRelease> = serde_json::from_slice(&body)
        .map_err(|_shape| ForgeError::Skip("github.com lists releases in another shape than documented".to_owned()))?;
    Ok(Some(plain(read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_are_nobodys_business_and_every_forge_is_read() {
        let text = r#"[{"tag_name":"v2","body":"b","draft":true},{"tag_name":"v1","body":"one","draft":false},
                       {"tag_name":"v0","description":"lab"},{"tag_name":"w","body":null}]"#;
        let read = plain(serde_json::from_str(text).unwrap());
        let told: Vec<(&str, &str)> = read.iter().map(|one| (one.tag.as_str(), one.text.as_str())).collect();
        assert_eq!(told, [("v1", "one"), ("v0", "lab"), ("w", "")]);
    }
}
