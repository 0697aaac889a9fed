//! What people do with a pull request: close it, label it, push to it, reopen it.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, PLAIN, Stage, manifest};
use crate::support::forge::{Fault, Stands};

pub(in crate::forge) async fn heeds_a_person_who_closed_it_until_something_newer_comes(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("closed by a person"), "{reason}");
    assert_eq!(stage.states(), [Stands::Closed]);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
}

pub(in crate::forge) async fn opens_again_what_a_person_labels_for_a_retry(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.label(1, "tagboat/retry");
    assert_eq!(stage.acts(9).await, Some(Action::Opened));
    assert_eq!(stage.states(), [Stands::Closed, Stands::Open]);
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    assert_eq!(stage.states().len(), 2);
}

pub(in crate::forge) async fn takes_up_again_what_a_person_reopened(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.close(1);
    stage.acts(9).await;
    stage.store.change(1, |pull| pull.state = Stands::Open);
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(10).await, Some(Action::Updated));
    assert_eq!(stage.only().title, "prod: update web to 1.6.0");
}

pub(in crate::forge) async fn merges_what_a_person_closed_and_opened_again(kind: Kind) {
    let stage = Stage::merging(kind).await;
    stage.close(1);
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    assert_eq!(stage.runs(), "1.4.0");
    stage.store.change(1, |pull| pull.state = Stands::Open);
    assert_eq!(stage.acts(10).await, Some(Action::Merged));
    assert_eq!((stage.states(), stage.runs()), (vec![Stands::Merged], "1.5.0".to_owned()));
}

pub(in crate::forge) async fn leaves_alone_what_a_person_pushed_to(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.push(HEAD, "prod/web.yaml", &manifest("1.5.0-ours"));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let before = stage.only();
    // What it says is said once, by two at once, and after an answer that was lost.
    stage.store.trap("POST", kind.commenting, Fault::Lost);
    tokio::join!(stage.outcome("mirror", 9), stage.outcome("other", 9));
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("somebody else has pushed"), "{reason}");
    let after = stage.only();
    assert_eq!((&after.sha, stage.runs()), (&before.sha, "1.4.0".to_owned()));
    assert_eq!(after.comments.len(), 1, "{after:?}");
    assert!(after.comments[0].contains("Somebody else has pushed to this branch"), "{after:?}");
    stage.requests();
    assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
    let (count, writes) = stage.requests();
    assert!(count <= 2 && writes.is_empty(), "{count} {writes:?}");
    // Its branch holds Tagboat's commit alone again.
    stage.store.repository.git(&["update-ref", &format!("refs/heads/{HEAD}"), &format!("{HEAD}~1")]);
    assert_eq!(stage.acts(11).await, Some(Action::Updated));
    stage.push(HEAD, "prod/web.yaml", &manifest("1.6.0-ours"));
    assert_eq!(stage.acts(12).await, Some(Action::LeftAlone));
    assert_eq!(stage.only().comments.len(), 1, "the same is not said again");
}

pub(in crate::forge) async fn leaves_alone_what_a_person_holds(kind: Kind) {
    let stage = Stage::new(kind, PLAIN);
    stage.acts(8).await;
    stage.label(1, "tagboat/hold");
    let before = stage.only();
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    assert_eq!(stage.only().updated, before.updated);
}

pub(in crate::forge) async fn makes_anew_a_head_whose_message_somebody_changed(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    let made = stage.only().sha;
    let git = |arguments: &[&str]| stage.store.repository.git(arguments);
    let told = git(&["cat-file", "commit", &made]);
    assert!(told.contains("update web"), "{told}");
    let other = stage.scratch.path("other-words");
    std::fs::write(&other, told.replacen("update web", "ship web", 1) + "\n").unwrap();
    let spoofed = git(&["hash-object", "-t", "commit", "-w", &other.display().to_string()]);
    git(&["update-ref", &format!("refs/heads/{HEAD}"), &spoofed]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let told = git(&["cat-file", "commit", &stage.only().sha]);
    assert!(told.contains("update web") && stage.runs() == "1.4.0", "{told}");
}
