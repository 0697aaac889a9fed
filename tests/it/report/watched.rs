//! What is watched after it came, and what failed: in every report that tells of what stands.

use serde_json::{Value as Json, json};
use tagboat::model::outcome::{Explanation, Outcome};
use tagboat::model::record::{Running, Status};
use tagboat::model::watch::WatchState;
use tagboat::report::View;
use tagboat::report::json as written;
use tagboat::report::text::{self, Occasion};

use super::made;

fn failed() -> WatchState {
    WatchState::Failed("argocd/staging: failure on commit 0123456789".to_owned())
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn running(state: WatchState) -> Status {
    let row = Running {
        image: made::name("ghcr.io/acme/web"),
        group: "ghcr.io-acme-web".to_owned(),
        value: made::value("1.5.0"),
        files: Vec::new(),
        brought: None,
        next: None,
        to: None,
        blocked: None,
        kept_back: None,
        drift: None,
        watch: Some(made::watch(state)),
    };
    Status { environments: vec![("staging".into(), vec![row])], ..Status::default() }
}

#[test]
fn people_read_until_when_something_is_watched_and_what_failed() {
    let view = View::default();
    let status = |state| made::text(|out| text::status(&running(state), &view, out));
    let told = status(WatchState::Watching);
    assert!(told.contains("Watched"), "{told}");
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("watching argocd/staging, e2e/* until 2026-11-20T08:30:00Z"), "{told}");
    assert!(status(failed()).contains("failed: argocd/staging: failure"), "{}", status(failed()));
    let unknown = status(WatchState::Unknown("it is down".to_owned()));
    assert!(
        unknown.split_whitespace().collect::<Vec<_>>().join(" ").contains("not to be told: it is down"),
        "{unknown}"
    );

    let explanation = Explanation { watch: Some(made::watch(failed())), ..made::explanation() };
    let explained = made::text(|out| text::explain(&[explanation], &made::outcome().images, &[], &view, out));
    assert!(explained.contains("watch: failed: argocd/staging: failure"), "{explained}");

    let outcome = Outcome { watches: vec![made::watch(failed())], ..Outcome::default() };
    let ran = made::text(|out| text::outcome(&outcome, Occasion::Run, &view, out));
    assert!(ran.contains("Watched") && ran.contains("failed: argocd/staging"), "{ran}");
}

#[test]
fn json_has_the_watch_beside_what_is_watched() {
    let expected = |state: &str, reason: Json| {
        let checks = ["argocd/staging", "e2e/*"];
        json!({"state": state, "checks": checks, "until": "2026-11-20T08:30:00Z", "reason": reason})
    };
    let told = parse(&made::text(|out| written::status(&running(WatchState::Watching), out)));
    assert_eq!(told["environments"][0]["images"][0]["watch"], expected("watching", Json::Null));
    let explanation = Explanation { watch: Some(made::watch(failed())), ..made::explanation() };
    let usage = tagboat::model::usage::Usage::default();
    let explained = made::text(|out| written::explain(&[explanation], &made::outcome().images, &usage, &[], out));
    let reason = json!("argocd/staging: failure on commit 0123456789");
    assert_eq!(parse(&explained)["explanations"][0]["watch"], expected("failed", reason.clone()));

    let outcome = Outcome { watches: vec![made::watch(failed())], ..Outcome::default() };
    let ran = parse(&made::text(|out| written::outcome(&outcome, out)));
    let row = &ran["watches"][0];
    assert_eq!((row["environment"].as_str(), row["image"].as_str()), (Some("staging"), Some("ghcr.io/acme/web")));
    assert_eq!((&row["version"]["tag"], &row["watch"]), (&json!("1.5.0"), &expected("failed", reason)));
    assert!(parse(&made::text(|out| written::outcome(&Outcome::default(), out))).get("watches").is_none());
}
