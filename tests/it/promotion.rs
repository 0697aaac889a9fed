//! Promotion by evidence: what soaks, what waits for a window, and what somebody took back.

use std::sync::Arc;

use tagboat::git::Remote;
use tagboat::model::gate::{GateName, GateState};
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::run::Mode;

use crate::support::memory::{MemoryRemote, MemoryTags};
use crate::support::passes::{Passing, on_plain_git};

const WEB: &str = "ghcr.io/acme/web";

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{tag}\n")
}

/// A remote with `dev` and `staging`, the second with some gates, and a registry with these tags.
struct Scene {
    remote: Arc<MemoryRemote>,
    tags: MemoryTags,
}

impl Scene {
    fn new(gates: &str, tags: &[&str]) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: dev\n    \
             files: [dev/**]\n    publish: commit\n  - name: staging\n    files: [staging/**]\n    after: dev\n    \
             publish: commit\n{gates}"
        );
        let web = manifest("1.4.0");
        let remote = MemoryRemote::with(&[
            (".tagboat.yaml", &config),
            ("dev/web.yaml", &web),
            ("staging/web.yaml", &web),
            ("readme", "none"),
        ]);
        let scene = Self { remote: Arc::new(remote), tags: MemoryTags::default() };
        scene.list(tags);
        scene
    }

    fn list(&self, tags: &[&str]) {
        self.tags.set(WEB, tags.iter().copied());
    }

    async fn pass(&self, now: &str) -> Outcome {
        let remote: Arc<dyn Remote> = Arc::<MemoryRemote>::clone(&self.remote);
        let outcome = Passing { remote, tags: &self.tags, now, publishing: on_plain_git() }.pass(Mode::Act).await;
        assert_eq!(outcome.errors, []);
        outcome
    }

    fn runs(&self, environment: &str) -> String {
        let file = self.remote.file(&format!("{environment}/web.yaml"));
        file.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    fn write(&self, time: &str, environment: &str, tag: &str) {
        let file = format!("{environment}/web.yaml");
        self.remote.edit(time, "By hand", &[(&file, Some(&manifest(tag)))]);
    }
}

fn waits(outcome: &Outcome, gate: GateName) -> (Option<String>, String) {
    let gates = outcome.proposals.iter().flat_map(|proposal| &proposal.gates);
    let found = gates.filter(|found| found.name == gate).find_map(|found| match &found.state {
        GateState::Wait { until, reason } => Some((until.map(|until| until.to_string()), reason.clone())),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{gate} does not wait: {:?}", outcome.proposals))
}

#[tokio::test]
async fn a_version_soaks_where_it_runs_before_it_goes_on() {
    let scene = Scene::new("    gates: {soak: 30m}\n", &["1.4.0", "1.5.0"]);
    let outcome = scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.5.0".to_owned(), "1.4.0".to_owned()));
    let (until, reason) = waits(&outcome, GateName::Soak);
    assert_eq!(until.as_deref(), Some("2026-11-20T09:30:00Z"));
    assert_eq!(reason, "30 min of 30 min to go in dev");
    let earliest = outcome.proposals.iter().find_map(|proposal| proposal.earliest);
    assert_eq!(earliest, Some("2026-11-20T09:30:00Z".parse().unwrap()));

    scene.pass("2026-11-20T09:29:59Z").await;
    assert_eq!(scene.runs("staging"), "1.4.0");
    scene.pass("2026-11-20T09:30:00Z").await;
    assert_eq!(scene.runs("staging"), "1.5.0");
    let before = scene.remote.messages().len();
    scene.pass("2026-11-20T09:31:00Z").await;
    assert_eq!(scene.remote.messages().len(), before, "a further pass does nothing");
}

#[tokio::test]
async fn soak_starts_again_with_a_newer_version_and_other_commits_make_no_difference() {
    let scene = Scene::new("    gates: {soak: 1h}\n", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.remote.edit("2026-11-20T09:40:00Z", "Docs", &[("readme", Some("more"))]);
    // The file moves with all that it says: the version stays where it was.
    let moved = manifest("1.5.0");
    scene.remote.edit("2026-11-20T09:50:00Z", "Move", &[("dev/web.yaml", None), ("dev/app.yaml", Some(&moved))]);
    scene.pass("2026-11-20T10:00:00Z").await;
    assert_eq!(scene.runs("staging"), "1.5.0");

    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass("2026-11-20T11:00:00Z").await;
    scene.list(&["1.4.0", "1.5.0", "1.6.0", "1.7.0"]);
    scene.pass("2026-11-20T11:30:00Z").await;
    let outcome = scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!(waits(&outcome, GateName::Soak).0.as_deref(), Some("2026-11-20T12:30:00Z"));
    assert_eq!(scene.runs("staging"), "1.5.0");
}

#[tokio::test]
async fn builds_that_come_faster_than_a_soak_are_told_of_and_pass_where_the_introduction_counts() {
    let hourly = |scene: Scene| async move {
        let mut tags = vec!["1.4.0".to_owned()];
        let mut last = None;
        for hour in 9..16 {
            tags.push(format!("1.5.{hour}"));
            scene.list(&tags.iter().map(String::as_str).collect::<Vec<_>>());
            last = Some(scene.pass(&format!("2026-11-20T{hour:02}:00:00Z")).await);
        }
        (scene, last.unwrap())
    };
    let (scene, outcome) = hourly(Scene::new("    gates: {soak: 3h}\n", &["1.4.0"])).await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.5.15".to_owned(), "1.4.0".to_owned()));
    let (_, reason) = waits(&outcome, GateName::Soak);
    assert!(reason.contains("the last 6 versions there stayed too short, at most 1 h"), "{reason}");
    assert!(reason.contains("`count: introduced`"), "{reason}");

    let (scene, _) = hourly(Scene::new("    gates: {soak: {for: 3h, count: introduced}}\n", &["1.4.0"])).await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.5.15".to_owned(), "1.5.12".to_owned()));
}

#[tokio::test]
async fn a_window_and_a_freeze_hold_a_promotion_until_they_say_so() {
    let gates = "    gates:
      windows: [{days: mon-thu, hours: \"09:00-16:00\", zone: Europe/Berlin}]
      freezes: [{from: 2026-11-23, to: 2026-11-24, zone: Europe/Berlin}]
";
    let scene = Scene::new(gates, &["1.4.0", "1.5.0"]);
    let outcome = scene.pass("2026-11-20T09:00:00Z").await;
    let (until, reason) = waits(&outcome, GateName::Windows);
    assert_eq!(until.as_deref(), Some("2026-11-23T08:00:00Z"));
    assert_eq!(reason, "outside of the windows; the next opens Mon 2026-11-23 09:00 CET");
    let earliest = outcome.proposals.iter().find_map(|proposal| proposal.earliest);
    assert_eq!(earliest, Some("2026-11-25T08:00:00Z".parse().unwrap()));
    let outcome = scene.pass("2026-11-23T10:00:00Z").await;
    assert_eq!(waits(&outcome, GateName::Freezes).1, "frozen until Wed 2026-11-25 00:00 CET");
    scene.pass("2026-11-25T07:59:59Z").await;
    assert_eq!(scene.runs("staging"), "1.4.0");
    scene.pass("2026-11-25T08:00:00Z").await;
    assert_eq!(scene.runs("staging"), "1.5.0");
}

#[tokio::test]
async fn a_version_that_a_person_took_back_is_not_proposed_again_and_a_newer_one_is() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.runs("dev"), "1.5.0");
    scene.write("2026-11-20T10:00:00Z", "dev", "1.4.0");
    let before = scene.remote.messages().len();
    let outcome = scene.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(scene.remote.messages().len(), before, "nothing is committed");
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.4.0".to_owned(), "1.5.0".to_owned()));
    let skipped = outcome.skipped.iter().find(|row| row.what == WEB && row.reason.contains("1.5.0 is held"));
    let reason = &skipped.unwrap_or_else(|| panic!("{:?}", outcome.skipped)).reason;
    assert!(reason.contains("A person took it back to 1.4.0 on 2026-11-20"), "{reason}");

    scene.list(&["1.4.0", "1.4.1", "1.5.0"]);
    scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!(scene.runs("dev"), "1.4.0", "what is older than that comes by a person's word alone");
    scene.list(&["1.4.0", "1.4.1", "1.5.0", "1.5.1"]);
    scene.pass("2026-11-20T13:00:00Z").await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.5.1".to_owned(), "1.5.1".to_owned()));
}

#[tokio::test]
async fn a_version_that_came_back_by_hand_is_held_no_more() {
    let scene = Scene::new("    gates: {soak: 1h}\n", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.write("2026-11-20T09:10:00Z", "dev", "1.4.0");
    scene.write("2026-11-20T09:20:00Z", "dev", "1.5.0");
    scene.pass("2026-11-20T10:10:00Z").await;
    assert_eq!(scene.runs("staging"), "1.4.0", "soak counts from the commit that brought it back");
    scene.pass("2026-11-20T10:20:00Z").await;
    assert_eq!(scene.runs("staging"), "1.5.0");
}

#[tokio::test]
async fn a_version_taken_back_in_a_later_environment_is_held_there_alone() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.write("2026-11-20T10:00:00Z", "staging", "1.4.0");
    let outcome = scene.pass("2026-11-20T11:00:00Z").await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.5.0".to_owned(), "1.4.0".to_owned()));
    let held = outcome.proposals.iter().find(|proposal| proposal.action == Action::Held).expect("it is told");
    let reason = held.reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("1.5.0 is held: in staging, A person took it back to 1.4.0"), "{reason}");
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.6.0".to_owned(), "1.6.0".to_owned()));
}

#[tokio::test]
async fn one_of_two_workloads_taken_back_is_not_raised_again() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    scene.remote.edit("2026-11-20T08:00:00Z", "Second", &[("dev/worker.yaml", Some(&manifest("1.4.0")))]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.remote.edit("2026-11-20T10:00:00Z", "Back", &[("dev/worker.yaml", Some(&manifest("1.4.0")))]);
    let before = scene.remote.messages().len();
    scene.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(scene.remote.messages().len(), before);
    assert!(scene.remote.file("dev/worker.yaml").contains(":1.4.0"));
}

#[tokio::test]
async fn a_group_of_which_one_image_is_held_waits_as_a_whole() {
    const API: &str = "ghcr.io/acme/api";
    let config = "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\ngroups:\n  - name: shop\n    images: \
                  [ghcr.io/acme/web, ghcr.io/acme/api]\nenvironments:\n  - name: dev\n    files: [dev/**]\n    \
                  publish: commit\n";
    let holds = format!("version: 1\nholds:\n  - image: {API}\n    tag: 1.5.0\n    until: 2026-11-21T00:00:00Z\n");
    // Both stand in one file.
    let both = |tag: &str| format!("{}  - image: {API}:{tag}\n", manifest(tag));
    let remote = MemoryRemote::with(&[
        (".tagboat.yaml", config),
        (".tagboat/holds.yaml", &holds),
        ("dev/shop.yaml", &both("1.4.0")),
    ]);
    let scene = Scene { remote: Arc::new(remote), tags: MemoryTags::default() };
    scene.list(&["1.4.0", "1.5.0"]);
    scene.tags.set(API, ["1.4.0", "1.5.0"]);
    let outcome = scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.remote.file("dev/shop.yaml"), both("1.4.0"), "half of a group is no group");
    let told: Vec<_> = outcome.proposals.iter().map(|proposal| (proposal.action, proposal.reason.clone())).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, Action::Held);
    let earliest = outcome.proposals[0].earliest;
    assert_eq!(earliest, Some("2026-11-21T00:00:00Z".parse().unwrap()), "when the hold ends");
    assert!(told[0].1.as_deref().unwrap_or_default().contains("ghcr.io/acme/api: 1.5.0 is held"), "{told:?}");
    scene.pass("2026-11-21T09:00:00Z").await;
    assert_eq!(scene.remote.file("dev/shop.yaml"), both("1.5.0"));
}

#[tokio::test]
async fn a_revert_of_a_revert_counts_from_its_own_commit_and_a_further_revert_holds_again() {
    let scene = Scene::new("    gates: {soak: 1h}\n", &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.write("2026-11-20T09:10:00Z", "dev", "1.4.0");
    scene.write("2026-11-20T09:20:00Z", "dev", "1.5.0");
    scene.write("2026-11-20T09:30:00Z", "dev", "1.4.0");
    scene.pass("2026-11-20T12:00:00Z").await;
    assert_eq!((scene.runs("dev"), scene.runs("staging")), ("1.4.0".to_owned(), "1.4.0".to_owned()));
    scene.write("2026-11-20T12:30:00Z", "dev", "1.5.0");
    scene.pass("2026-11-20T13:00:00Z").await;
    assert_eq!(scene.runs("staging"), "1.4.0");
    scene.pass("2026-11-20T13:30:00Z").await;
    assert_eq!(scene.runs("staging"), "1.5.0");
}

#[tokio::test]
async fn what_was_introduced_and_is_held_since_is_passed_over_for_what_is_not() {
    let gates = "    gates: {soak: {for: 3h, count: introduced}}\n";
    let scene = Scene::new(gates, &["1.4.0", "1.5.0"]);
    scene.pass("2026-11-20T09:00:00Z").await;
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass("2026-11-20T10:00:00Z").await;
    let holds = format!("version: 1\nholds:\n  - image: {WEB}\n    tag: 1.5.0\n    environment: staging\n");
    scene.remote.edit("2026-11-20T11:00:00Z", "Hold", &[(".tagboat/holds.yaml", Some(&holds))]);
    scene.pass("2026-11-20T12:30:00Z").await;
    assert_eq!(scene.runs("staging"), "1.4.0", "1.5.0 has soaked and is held, 1.6.0 still soaks");
    scene.pass("2026-11-20T13:00:00Z").await;
    assert_eq!(scene.runs("staging"), "1.6.0");
}

#[tokio::test]
async fn what_is_held_until_a_moment_tells_when_it_can_move_at_the_earliest() {
    let earliest = |gates: &'static str, until: &'static str| async move {
        let scene = Scene::new(gates, &["1.4.0", "1.5.0"]);
        let holds = format!("version: 1\nholds:\n  - {{image: {WEB}, tag: 1.5.0, environment: staging{until}}}\n");
        scene.remote.edit("2026-11-20T08:00:00Z", "Hold", &[(".tagboat/holds.yaml", Some(&holds))]);
        let outcome = scene.pass("2026-11-20T09:00:00Z").await;
        let own = outcome.proposals.iter().find(|proposal| proposal.environment.as_str() == "staging").unwrap();
        assert_eq!(own.action, Action::Held);
        own.earliest.map(|moment| moment.to_string())
    };
    let soak = "    gates: {soak: 3h}\n";
    let held = ", until: 2026-11-20T18:30:00Z";
    assert_eq!(earliest(soak, held).await.as_deref(), Some("2026-11-20T18:30:00Z"));
    // The soak is longer than the hold, and after a hold a window may have to open.
    assert_eq!(earliest(soak, ", until: 2026-11-20T10:00:00Z").await.as_deref(), Some("2026-11-20T12:00:00Z"));
    let window = "    gates: {windows: [{days: mon-thu, hours: \"09:00-16:00\"}]}\n";
    assert_eq!(earliest(window, held).await.as_deref(), Some("2026-11-23T09:00:00Z"));
    // What is held for ever, and what waits for people, tells none.
    assert_eq!(earliest(soak, "").await, None);
    assert_eq!(earliest("    gates: {manual: true}\n", held).await, None);
}

#[tokio::test]
async fn an_image_in_several_places_is_lowered_at_one_and_its_soak_needs_all() {
    let scene = Scene::new("    gates: {soak: 1h}\n", &["1.4.0", "1.5.0"]);
    scene.remote.edit("2026-11-20T08:00:00Z", "Second", &[("dev/worker.yaml", Some(&manifest("1.4.0")))]);
    // A person raises one of the two; the pass raises the other one later.
    scene.write("2026-11-20T08:30:00Z", "dev", "1.5.0");
    let outcome = scene.pass("2026-11-20T09:10:00Z").await;
    assert!(scene.remote.file("dev/worker.yaml").contains(":1.5.0"), "{outcome:?}");
    scene.pass("2026-11-20T09:40:00Z").await;
    assert_eq!(scene.runs("staging"), "1.4.0", "an hour has not passed since all of dev ran it");
    scene.pass("2026-11-20T10:10:00Z").await;
    assert_eq!(scene.runs("staging"), "1.5.0");
}

#[tokio::test]
async fn one_of_two_places_in_one_file_taken_back_is_not_raised_again() {
    let scene = Scene::new("", &["1.4.0", "1.5.0"]);
    let two = |one: &str, other: &str| format!("{}  - image: {WEB}:{other}\n", manifest(one));
    let write = |time: &str, text: &str| scene.remote.edit(time, "By hand", &[("dev/web.yaml", Some(text))]);
    write("2026-11-20T08:00:00Z", &two("1.4.0", "1.4.0"));
    scene.pass("2026-11-20T09:00:00Z").await;
    assert_eq!(scene.remote.file("dev/web.yaml"), two("1.5.0", "1.5.0"));
    write("2026-11-20T10:00:00Z", &two("1.4.0", "1.5.0"));
    scene.pass("2026-11-20T11:00:00Z").await;
    assert_eq!(scene.remote.file("dev/web.yaml"), two("1.4.0", "1.5.0"));
    // Places that change their order are no move.
    write("2026-11-20T12:00:00Z", &two("1.5.0", "1.4.0"));
    write("2026-11-20T13:00:00Z", &two("1.5.0", "1.5.0"));
    scene.list(&["1.4.0", "1.5.0", "1.6.0"]);
    scene.pass("2026-11-20T14:00:00Z").await;
    assert_eq!(scene.remote.file("dev/web.yaml"), two("1.6.0", "1.6.0"));
}
