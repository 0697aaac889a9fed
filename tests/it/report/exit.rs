//! Exit codes.

use tagboat::model::outcome::{Outcome, ScanOutcome};
use tagboat::model::proposal::Action;
use tagboat::report::exit::{OnChanges, of_findings, of_outcome, of_scan};
use tagboat::report::{Exit, exit};

use super::made;

#[test]
fn codes_are_those_of_the_contract() {
    let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Partial, Exit::Changes];
    assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 10]);
}

#[test]
fn changes_have_a_code_only_where_asked_for() {
    let changed = Outcome { errors: Vec::new(), ..made::outcome() };
    assert_eq!(of_outcome(&changed, OnChanges::Ignore), Exit::Done);
    assert_eq!(of_outcome(&changed, OnChanges::Report), Exit::Changes);
    assert_eq!(of_outcome(&Outcome::default(), OnChanges::Report), Exit::Done);
}

#[test]
fn an_action_without_changed_files_counts_as_a_change() {
    let after = |action| {
        let proposals = vec![made::proposal("dev", "ghcr.io/acme/web", action)];
        of_outcome(&Outcome { proposals, ..Outcome::default() }, OnChanges::Report)
    };
    assert_eq!(after(Action::Merged), Exit::Changes);
    assert_eq!(after(Action::Closed), Exit::Changes);
    assert_eq!(after(Action::Waiting), Exit::Done);
    assert_eq!(after(Action::Unchanged), Exit::Done);
    assert_eq!(after(Action::Failed), Exit::Partial);
}

#[test]
fn a_failed_target_outweighs_changes() {
    assert_eq!(of_outcome(&made::outcome(), OnChanges::Report), Exit::Partial);
    let errors = vec![made::trouble("a.yaml", None, "unreadable")];
    assert_eq!(exit::of_errors(&errors), Exit::Partial);
    assert_eq!(of_scan(&ScanOutcome { errors, ..made::scan() }), Exit::Partial);
    assert_eq!(of_scan(&made::scan()), Exit::Done);
}

#[test]
fn only_errors_make_check_fail() {
    let findings = made::findings();
    assert_eq!(of_findings(&findings), Exit::Usage);
    assert_eq!(of_findings(&findings[1..]), Exit::Done);
}
