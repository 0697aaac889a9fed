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
            Ok(probe) => {
                let told = told(&host, &probe, &format!("{}:{tag}", image.path()));
                (Severity::Note, "registry", told, better(&probe))
            }
            Err(error) => {
                let (rule, hint) = remedy(&error);
                (Severity::Error, rule, error.to_string(), Some(hint))
            }
        };
        Finding {
            severity,
            rule,
            message,
            hint: hint.map(str::to_owned),
            file: Some(site.file.to_string()),
            away: None,
            position: Some(site.position),
        }
    });
    let mut findings: Vec<Finding> = asked.buffer_unordered(CONCURRENT).collect().await;
    findings.sort_by(|one, other| {
        (one.severity, &one.file, one.position).cmp(&(other.severity, &other.file, other.position))
    });
    Ok(findings)
}

/// Returns the rule of an error and what to do now, beyond what its own words say.
fn remedy(error: &ProbeError) -> (&'static str, &'static str) {
    match error {
        ProbeError::Credentials(_) => (
            "registry-credentials",
            "the first place that has a login for the host counts: its entry in service.yaml, docker's config.json, the variables of its cloud",
        ),
        ProbeError::Limited(_) => (
            "registry-limit",
            "wait for that moment; then ask less often (`requestsPerSecond` of its entry in service.yaml), or with a login that has a higher limit",
        ),
        ProbeError::Untrusted(_) => (
            "registry-unusable",
            "name the authority of its certificate (`caFile` of its entry in service.yaml), or say `insecure: true` there if it speaks plain HTTP",
        ),
        ProbeError::Unreachable(_) => (
            "registry-unusable",
            "nothing of it can be updated until it answers; check the name and the port, and what lies between: firewalls, HTTPS_PROXY and NO_PROXY",
        ),
        ProbeError::Registry(_) => ("registry-unusable", "nothing of it can be updated until it answers as a registry"),
    }
}

/// Returns what could be better about a registry that answers.
fn better(probe: &Probe) -> Option<&'static str> {
    if !probe.is_known {
        return Some("check the name; many registries say the same of what a login may not see");
    }
    let is_spent = probe.limit.is_some_and(|limit| limit.remaining == 0);
    match probe.welcome {
        Welcome::Anonymous if probe.limit.is_some() => Some("a login usually raises that limit"),
        _ if is_spent => Some("nothing of that limit is left: what counts against it waits until it is renewed"),
        _ => None,
    }
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
