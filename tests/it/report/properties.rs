//! What holds for every outcome, however hostile: JSON parses, text fits and carries no control characters.

use proptest::prelude::*;
use tagboat::model::change::FileEdit;
use tagboat::model::decision::{Reason, Verdict};
use tagboat::model::file::RepoPath;
use tagboat::model::outcome::{Finding, Landed, Outcome, ScanOutcome, Skipped, Trouble};
use tagboat::model::proposal::Action;
use tagboat::model::site::{PassedOverReason, SkipReason};
use tagboat::report::text::Occasion;
use tagboat::report::{Verbosity, View, json, text, trouble, warning};
use unicode_width::UnicodeWidthStr;

use super::made;

/// Text as an attacker writes it: any characters, with those that do harm more often than not.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9./-]{0,12}",
        2 => any::<String>(),
        1 => Just("\u{1b}]0;owned\u{7}\u{1b}[2J".to_owned()),
        1 => Just("\u{202e}\u{200b}\u{85}\r\n\t".to_owned()),
        1 => Just("字漢字漢字漢字漢字漢 ❤\u{fe0f}👨\u{200d}👩\u{200d}👧🇩🇪e\u{301}".to_owned()),
        1 => Just("x".repeat(300)),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn file(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap_or_else(|| made::path("web.yaml"))
}

fn outcome(words: &[String]) -> Outcome {
    let word = |index: usize| words[index % words.len()].clone();
    let mut outcome = made::pushed();
    outcome.changes[0].file = file(&word(0));
    outcome.changes[0].replaces = word(1);
    outcome.changes[0].with = word(2);
    outcome.changes[0].environment = word(3).as_str().into();
    outcome.changes[0].group = word(4);
    outcome.commits.push(Landed { message: word(5), ..outcome.commits[0].clone() });
    outcome.proposals[1].reason = Some(word(6));
    outcome.proposals[1].group = word(7);
    outcome.proposals[1].moves.clear();
    outcome.proposals[0].action = Action::Opened;
    outcome.proposals[0].url = Some(word(0));
    outcome.skipped.push(Skipped { what: word(1), reason: word(2) });
    outcome.errors.push(Trouble { what: word(3), file: Some(file(&word(4))), position: None, reason: word(5) });
    let reasons = [Reason::Unknown(word(6).into()), Reason::Held("for a while".into())];
    let verdict = Verdict::Undecided(word(7));
    outcome.decisions.push(made::decision("ghcr.io/acme/web", &word(0), "1.4.0", verdict, &reasons));
    outcome
}

fn scanned(words: &[String]) -> ScanOutcome {
    let word = |index: usize| words[index % words.len()].clone();
    let mut found = made::scan();
    found.references[0].site.file = file(&word(0));
    found.references[0].policy = Some(word(1));
    found.references.push(made::unfollowed("a.yaml", 1, &word(2), SkipReason::NotAReference(word(3))));
    found.passed_over.push(made::passed_over(&word(4), PassedOverReason::Unreadable(word(5))));
    found.errors.push(Trouble { what: word(6), file: None, position: None, reason: word(7) });
    found
}

fn assert_fits(written: &str, view: &View) {
    for line in written.lines() {
        assert!(line.width() <= view.width.max(40), "{} columns of {}: {line:?}", line.width(), view.width);
    }
    assert_harmless(written);
}

fn assert_harmless(written: &str) {
    let harmful = |character: char| character.is_control() && character != '\n';
    assert!(!written.contains(harmful), "{written:?}");
    assert!(!written.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{written:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn json_parses_whatever_it_is_made_of(words in proptest::collection::vec(hostile(), 8)) {
        let outcome = outcome(&words);
        let written = made::text(|out| json::outcome(&outcome, out));
        let parsed: serde_json::Value = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(parsed["changes"][0]["replaces"].as_str(), Some(words[1].as_str()));
        let last = outcome.decisions.len() - 1;
        prop_assert_eq!(parsed["decisions"][last]["rejected"][0]["reason"].as_str(), Some(words[6].as_str()));
        let written = made::text(|out| json::scan(&scanned(&words), out));
        let parsed: serde_json::Value = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(parsed["passedOver"][4]["file"].as_str(), Some(words[4].as_str()));
    }

    #[test]
    fn text_fits_its_width_and_carries_no_control_characters(
        words in proptest::collection::vec(hostile(), 8),
        width in 20_usize..140,
        verbosity in prop_oneof![Just(Verbosity::Quiet), Just(Verbosity::Normal), Just(Verbosity::Verbose)],
    ) {
        let view = View { width, color: false, verbosity };
        let mut outcome = outcome(&words);
        outcome.files.clear();
        for occasion in [Occasion::Plan, Occasion::Update, Occasion::Run, Occasion::DryRun] {
            assert_fits(&made::text(|out| text::outcome(&outcome, occasion, &view, out)), &view);
        }
        assert_fits(&made::text(|out| text::scan(&scanned(&words), &view, out)), &view);
        let mut explanation = made::explanation();
        explanation.decision = outcome.decisions.pop().unwrap();
        let explained = [made::explanation(), explanation];
        assert_fits(&made::text(|out| text::explain(&explained, &outcome.images, &outcome.errors, &view, out)), &view);
        let findings = [Finding { message: words[0].clone(), hint: Some(words[1].clone()),
            file: Some(words[2].clone()), ..made::findings()[0].clone() }];
        assert_fits(&made::text(|out| text::check(&findings, &view, out)), &view);
    }

    #[test]
    fn diffs_and_single_lines_carry_no_control_characters(one in hostile(), other in hostile()) {
        let edit = FileEdit { file: file(&one), before: one.clone().into_bytes(), after: other.clone().into_bytes() };
        let outcome = Outcome { files: vec![edit], ..Outcome::default() };
        let view = View::default();
        assert_harmless(&made::text(|out| text::outcome(&outcome, Occasion::Plan, &view, out)));
        let error = Trouble { what: one.clone(), file: None, position: None, reason: other.clone() };
        let finding = Finding { message: one, hint: Some(other), ..made::findings()[0].clone() };
        for line in [trouble(&error, &view), warning(&finding, &view)] {
            assert_harmless(&line);
            prop_assert!(!line.contains('\n'));
        }
    }
}
