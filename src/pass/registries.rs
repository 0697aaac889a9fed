//! What `check --registries` finds: of each registry in use, whether its credentials work, and its limits.
//!
//! Each registry is asked once, about the first followed reference to an image of it. Nothing is decided from it.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};

use crate::cache::Cache;
use crate::config::repository::Repository;
use crate::decide::questions::{Followed, follow};
use crate::manifest;
use crate::model::image::{ImageName, Tag};
use crate::model::outcome::{Finding, Severity};
use crate::model::site::Site;
use crate::model::usage::ToldLimit;
use crate::observe::files::Files;
use crate::observe::scan::scan;
use crate::pass::PassError;
use crate::registry::client::RegistryClient;
use crate::registry::client::probe::{Probe, ProbeError, Welcome};

/// How many registries are asked at once.
const CONCURRENT: usize = 16;

/// The tag that is asked for where the reference has none, as Docker takes it.
const DEFAULT_TAG: &str = "latest";

/// Asks each registry that a followed reference names, and says what came of it.
///
/// # Errors
///
/// [`PassError::Files`] when the files could not be listed.
pub async fn registries(
    config: &Repository,
    files: &dyn Files,
    cache: &Cache,
    limits: &manifest::Limits,
    client: &RegistryClient,
) -> Result<Vec<Finding>, PassError> {
    let scanned = scan(files, &config.formats, limits, cache).map_err(PassError::Files)?;
    let mut in_use: BTreeMap<String, (&Site, &ImageName)> = BTreeMap::new();
    for site in &scanned.sites {
        if let (Followed::Yes { .. }, Some(image)) = (follow(site, &config.rules, &config.environments), &site.image) {
            in_use.entry(image.host().to_owned()).or_insert((site, image));
        }
    }
    let asked = stream::iter(in_use).map(async |(host, (site, image))| {
        let latest = || DEFAULT_TAG.parse().expect("the default tag follows the grammar");
        let tag: Tag = site.value.tag.clone().unwrap_or_else(latest);
        let (severity, rule, message, hint) = match client.greet(image, &tag).await {
            Ok(probe) => (Severity::Note, "registry", told(&host, &probe, &format!("{}:{tag}", image.path())), None),
            // Its words say what to do now.
            Err(error @ ProbeError::Credentials(_)) => {
                (Severity::Error, "registry-credentials", error.to_string(), None)
            }
            Err(error @ ProbeError::Registry(_)) => {
                let hint = "nothing of it can be updated until it answers";
                (Severity::Error, "registry-unusable", error.to_string(), Some(hint))
            }
        };
        Finding {
            severity,
            rule,
            message,
            hint: hint.map(str::to_owned),
            file: Some(site.file.to_string()),
            position: Some(site.position),
        }
    });
    let mut findings: Vec<Finding> = asked.buffer_unordered(CONCURRENT).collect().await;
    findings.sort_by(|one, other| {
        (one.severity, &one.file, one.position).cmp(&(other.severity, &other.file, other.position))
    });
    Ok(findings)
}

fn told(host: &str, probe: &Probe, asked_for: &str) -> String {
    let who = if probe.host == host { host.to_owned() } else { format!("{} (the mirror of {host})", probe.host) };
    let welcome = match &probe.welcome {
        Welcome::Accepted(origin) => format!("{who} accepts the credentials from {origin}"),
        Welcome::Anonymous => format!("{who} answers without credentials"),
        Welcome::NotAsked(None) => format!("{who} asks for no credentials"),
        Welcome::NotAsked(Some(origin)) => format!("{who} asks for no credentials; those from {origin} are not used"),
    };
    let known = if probe.is_known { String::new() } else { format!("; it does not know {asked_for}") };
    let limit = probe.limit.map_or_else(|| "it tells of no limit".to_owned(), in_words);
    format!("{welcome}{known}; {limit}")
}

fn in_words(told: ToldLimit) -> String {
    let window = told.window.and_then(|window| jiff::SignedDuration::try_from(window).ok());
    let window = window.map_or_else(String::new, |window| format!(" in {window:#}"));
    match told.limit {
        Some(limit) => format!("its limit: {limit}{window}, {} left", told.remaining),
        None => format!("its limit: {} left{window}", told.remaining),
    }
}
