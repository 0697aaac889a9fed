//! GitHub: the scenarios of every forge, and what is GitHub's alone.

use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::forge::Forge;
use tagboat::forge::github::GitHub;
use tagboat::forge::github::identity::Identity;

use crate::forge::scenarios::{Kind, scenarios};
use crate::support::forge::github::router;

const GITHUB: Kind = Kind {
    router,
    client,
    words: ["success", "in_progress", "cancelled"],
    statuses: ["success", "pending"],
    reviews: ["APPROVED", "CHANGES_REQUESTED"],
    opening: "/pulls",
    merging: ("PUT", "/merge"),
};

fn client(address: &str) -> Arc<dyn Forge> {
    Arc::new(github(address))
}

fn github(address: &str) -> GitHub {
    let base = format!("{address}/api/v3").parse().unwrap();
    GitHub::new(base, "acme", "gitops", Identity::Token("token".into()), Arc::new(SystemClock))
}

scenarios!(GITHUB);
