//! Gitea and Forgejo: the scenarios, and what is their own.

use std::sync::Arc;

use tagboat::clock::SystemClock;
use tagboat::forge::Forge;
use tagboat::forge::gitea::Gitea;

use crate::forge::scenarios::{Kind, scenarios};
use crate::support::forge::gitea::{BASE, TOKEN, router};

fn client(address: &str) -> Arc<dyn Forge> {
    let base = format!("{address}{BASE}").parse().unwrap();
    Arc::new(Gitea::new(base, "acme", "gitops", Some(&TOKEN.into()), Arc::new(SystemClock)))
}

const GITEA: Kind = Kind {
    router,
    client,
    words: ["success", "pending", "failure"],
    statuses: ["success", "pending"],
    reviews: ["APPROVED", "REQUEST_CHANGES"],
    opening: "/pulls",
    merging: ("POST", "/merge"),
};

scenarios!(GITEA);
