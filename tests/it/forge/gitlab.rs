//! GitLab: the scenarios, and what is its own.

use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::forge::Forge;
use tagboat::forge::gitlab::{GitLab, GitLabToken};

use crate::forge::scenarios::{Kind, scenarios};
use crate::support::forge::gitlab::{BASE, PROJECT, TOKEN, router};

fn client(address: &str) -> Arc<dyn Forge> {
    let base = format!("{address}{BASE}").parse().unwrap();
    Arc::new(GitLab::new(base, PROJECT, Some(&GitLabToken::Access(TOKEN.into())), Arc::new(SystemClock)))
}

const GITLAB: Kind = Kind {
    router,
    client,
    words: ["success", "running", "canceled"],
    statuses: ["success", "pending"],
    reviews: ["approved", "requested_changes"],
    opening: "/merge_requests",
    merging: ("PUT", "/merge"),
};

scenarios!(GITLAB);
