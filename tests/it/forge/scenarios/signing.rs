//! Commits that the forge makes and signs.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, HEAD, Kind, Stage};
use crate::support::forge::{Fault, Modes, Stands};

const SIGNED: &str = "commit: {sign: forge}\n";

impl Stage {
    /// Returns the names of all branches.
    fn branches(&self) -> Vec<String> {
        let listed = self.store.repository.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        listed.lines().map(str::to_owned).collect()
    }
}

pub(in crate::forge) async fn commits_that_the_forge_signs_live_as_any_other(kind: Kind) {
    let stage = Stage::new(kind, &format!("{AUTO}{SIGNED}"));
    assert_eq!(stage.pass(8).await, (Some(Action::Opened), String::new()));
    let (first, pull) = (stage.commit(HEAD), stage.only());
    assert!(
        first.contains("gpgsig ") && first.contains("author The Forge") && first.contains("Tagboat-Key: "),
        "{first}"
    );
    stage.requests();
    assert_eq!(stage.acts(8).await, Some(Action::Unchanged));
    assert_eq!((stage.requests().1, stage.only().updated), (Vec::new(), pull.updated));
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    let second = stage.only();
    assert_eq!((second.state, second.number), (Stands::Open, pull.number), "it was never closed in between");
    assert!(stage.commit(HEAD).contains("gpgsig ") && second.sha != pull.sha);
    assert_eq!(stage.branches(), ["main", HEAD], "nothing is left of how it was made");
    stage.check("build", kind.words[0]);
    assert_eq!(stage.acts(10).await, Some(Action::Merged));
    assert_eq!(stage.runs(), "1.6.0");
}

pub(in crate::forge) async fn what_a_person_adds_to_a_commit_of_the_forge_is_theirs(kind: Kind) {
    let stage = Stage::new(kind, SIGNED);
    stage.acts(8).await;
    stage.push(HEAD, "notes", "mine");
    stage.list(&["1.4.0", "1.5.0", "1.6.0"]);
    let (action, reason) = stage.pass(9).await;
    assert_eq!(action, Some(Action::LeftAlone));
    assert!(reason.contains("somebody else has pushed"), "{reason}");
    // As somebody would who amends it: the same words, another tree.
    let message = stage.store.repository.git(&["log", "-1", "--format=%B", &format!("{HEAD}~1")]);
    let base = stage.store.at("main").unwrap();
    stage.store.make(HEAD, &base, &[("prod/web.yaml".to_owned(), b"other".to_vec())], &message, Modes::Kept);
    assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
}

pub(in crate::forge) async fn the_base_takes_commits_that_the_forge_signs(kind: Kind) {
    let stage = Stage::new(kind, &format!("    publish: commit\n{SIGNED}"));
    assert_eq!(stage.acts(8).await, Some(Action::Committed));
    let landed = stage.commit("main");
    assert!(landed.contains("gpgsig ") && landed.contains("Tagboat-Environment: prod"), "{landed}");
    assert_eq!((stage.runs().as_str(), stage.branches()), ("1.5.0", vec!["main".to_owned()]));
}

pub(in crate::forge) async fn nothing_is_pushed_unsigned_where_the_forge_cannot_sign(kind: Kind) {
    let stage = Stage::new(kind, SIGNED);
    stage.store.kept().signs_nothing = true;
    let (action, reason) = stage.pass(8).await;
    assert_eq!(action, Some(Action::Failed));
    assert!(reason.contains("does not sign the commits") && reason.contains("`signing`"), "{reason}");
    assert_eq!((stage.states(), stage.branches()), (Vec::new(), vec!["main".to_owned()]));
}

pub(in crate::forge) async fn a_forge_commit_whose_answer_was_lost_is_found_again(kind: Kind) {
    let stage = Stage::new(kind, SIGNED);
    stage.store.trap(kind.committing.0, kind.committing.1, Fault::Lost);
    stage.acts(8).await;
    stage.acts(9).await;
    assert_eq!(stage.acts(10).await, Some(Action::Unchanged));
    assert_eq!((stage.states(), stage.branches()), (vec![Stands::Open], vec!["main".to_owned(), HEAD.to_owned()]));
    assert!(stage.commit(HEAD).contains("gpgsig "));
}

/// Where commits are signed, none is merged that is not: one from before, and one whose signature somebody took off.
pub(in crate::forge) async fn a_head_without_a_signature_is_made_anew_before_it_is_merged(kind: Kind) {
    let stage = Stage::new(kind, AUTO);
    stage.acts(8).await;
    stage.check("build", kind.words[0]);
    stage.reword(|config| format!("{config}{SIGNED}"));
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    assert!(stage.commit(HEAD).contains("gpgsig "));
    stage.amend(|line| match line.starts_with("gpgsig ") || line.starts_with(' ') {
        true => String::new(),
        false => line.to_owned(),
    });
    assert!(!stage.commit(HEAD).contains("gpgsig "));
    stage.check("build", kind.words[0]);
    assert_eq!((stage.acts(10).await, stage.runs().as_str()), (Some(Action::Updated), "1.4.0"));
    stage.check("build", kind.words[0]);
    assert_eq!((stage.acts(11).await, stage.runs().as_str()), (Some(Action::Merged), "1.5.0"));
}
