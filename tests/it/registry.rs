//! The real client against the fake registry: every request is counted.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod again;
mod auth;
mod clouds;
mod elsewhere;
mod facts;
mod faults;
mod limits;
mod lists;
mod mirrors;
mod odd;
mod push_times;
mod realms;
mod signatures;
mod snapshots;
mod transport;
mod usage;
mod vendors;

use std::sync::Arc;
use std::time::Duration;

use tagboat::clock::{Clock, FixedClock, SkippingClock};
use tagboat::http::client::Timeouts;
use tagboat::http::retry::RetryPolicy;
use tagboat::model::image::ImageName;
use tagboat::registry::TagSource;
use tagboat::registry::client::RegistryClient;
use tagboat::registry::settings::{CredentialSetting, HostSettings, Limits, Settings};

use crate::support::registry::FakeRegistry;

/// Limits of real size, but with waits that no test notices.
fn quick() -> Limits {
    Limits {
        retry: RetryPolicy { first_wait: Duration::from_millis(1), ..RetryPolicy::default() },
        ..Limits::default()
    }
}

/// Limits under which silence ends soon.
fn impatient() -> Limits {
    let timeouts = Timeouts { connect: Duration::from_secs(5), silence: Duration::from_millis(80) };
    Limits { timeouts, ..quick() }
}

fn with_settings(settings: Settings) -> RegistryClient {
    RegistryClient::new(settings, Arc::new(FixedClock("2026-11-20T08:00:00Z".parse().unwrap())))
}

/// A client whose waits are over at once, and the clock that tells how long they would have been.
fn skipping(settings: Settings) -> (RegistryClient, Arc<SkippingClock>) {
    let clock = Arc::new(SkippingClock::at("2026-11-20T08:00:00Z".parse().unwrap()));
    (RegistryClient::new(settings, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

/// Makes repositories `acme/web-0` and so on with one tag each, and returns their images.
fn images(registry: &FakeRegistry, count: usize) -> Vec<ImageName> {
    let repositories = (0..count).map(|number| format!("acme/web-{number}"));
    repositories
        .map(|repository| {
            registry.list_tag(&repository, "1.0.0");
            registry.image(&repository)
        })
        .collect()
}

fn with_limits(limits: Limits) -> RegistryClient {
    with_settings(Settings { limits, ..Settings::default() })
}

fn anonymous() -> RegistryClient {
    with_limits(quick())
}

fn with_login(registry: &FakeRegistry, password: &str) -> RegistryClient {
    let credential = CredentialSetting::Password {
        user: "acme".to_owned(),
        password: password.into(),
        origin: "the variables USER and PASSWORD".to_owned(),
    };
    let host = HostSettings { credential: Some(credential), ..HostSettings::of(&registry.host()) };
    with_settings(Settings { hosts: vec![host], limits: quick(), ..Settings::default() })
}

/// Lists an image's tags in one line, or the error.
async fn list(client: &RegistryClient, image: &ImageName) -> String {
    match client.tags(image).await {
        Ok(tags) => tags.list.iter().map(|(_, tag)| tag).collect::<Vec<_>>().join(" "),
        Err(error) => format!("error: {error}"),
    }
}

/// Fills a repository with the tags `1.0.0`, `1.1.0` and so on; returns them in one line, sorted as a list is.
fn fill(registry: &FakeRegistry, repository: &str, count: usize) -> String {
    let mut tags: Vec<String> = (0..count).map(|number| format!("1.{number}.0")).collect();
    tags.iter().for_each(|tag| registry.list_tag(repository, tag));
    tags.sort();
    tags.join(" ")
}
