//! What gates have said on a head that nobody judges any more, as commit statuses that a base branch may require.

use tagboat::model::proposal::Action;

use crate::forge::scenarios::{AUTO, Kind, Stage, WEB};
use crate::support::forge::{CheckRow, Fault, NOW, Stands};

/// A window from nine to ten, beside a gate that stays passed.
const WINDOW: &str = "    gates: {windows: [{hours: \"09:00-10:00\"}]}\n";

impl Stage {
    /// What the gates have said last on the head of the newest pull request: the gate, the word, the text.
    fn says(&self) -> Vec<(String, String, String)> {
        let sha = self.pulls().last().unwrap().sha.clone();
        let kept = self.store.kept();
        let mut said: Vec<(String, String, String)> = Vec::new();
        for row in kept.checks.iter().filter(|row| row.sha == sha && row.name.starts_with("tagboat/")) {
            said.retain(|(name, ..)| *name != row.name);
            said.push((row.name.clone(), row.word.clone(), row.text.clone()));
        }
        said
    }

    fn has_said(&self, word: usize, text: &str) {
        let word = self.kind.statuses[word].to_owned();
        let said = self.says();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].1 == word && said[0].2.contains(text), "{word} {text}: {said:?}");
    }

    /// Another pass asks for the list alone, and changes nothing.
    async fn rests(&self, hour: u32) {
        self.requests();
        self.outcome("mirror", hour).await;
        let all = self.store.requests();
        assert_eq!(all.len(), 1, "{all:?}");
    }
}

pub(in crate::forge) async fn a_gate_takes_back_what_it_said_while_a_person_holds_it(kind: Kind) {
    let stage = Stage::new(kind, WINDOW);
    stage.acts(9).await;
    stage.has_said(0, "passed");
    stage.label(1, "tagboat/hold");
    let body = stage.only().body;
    assert_eq!(stage.acts(10).await, Some(Action::LeftAlone));
    stage.has_said(1, "`tagboat/hold`");
    let shown = |body: &str| body.split("<!--").next().unwrap().replace("\r\n", "\n");
    assert_eq!(shown(&stage.only().body), shown(&body), "nothing changes that people see");
    stage.rests(10).await;
    stage.rests(9).await;
    stage.store.change(1, |pull| pull.labels.clear());
    assert_eq!(stage.acts(9).await, Some(Action::Updated));
    stage.has_said(0, "passed");
    assert_eq!(stage.only().body, body);
    // What nobody wants any more, and a person holds.
    stage.label(1, "tagboat/hold");
    stage.push("main", "prod/web.yaml", &super::manifest("1.5.0"));
    assert_eq!(stage.acts(9).await, Some(Action::LeftAlone));
    stage.has_said(1, "`tagboat/hold`");
    stage.rests(9).await;
}

pub(in crate::forge) async fn a_gate_takes_back_what_it_said_while_the_image_cannot_be_asked_about(kind: Kind) {
    let stage = Stage::new(kind, WINDOW);
    stage.acts(9).await;
    stage.tags.break_image(WEB, "the registry is down");
    let (action, reason) = stage.pass(10).await;
    assert_eq!((action, stage.states()), (Some(Action::LeftAlone), vec![Stands::Open]));
    assert!(reason.contains("what its gates have said is taken back"), "{reason}");
    stage.has_said(1, "not everything about its image is known");
    stage.rests(10).await;
    stage.tags.mend_image(WEB);
    stage.acts(9).await;
    stage.has_said(0, "passed");
    stage.rests(9).await;
}

/// A person has written over its body, and the base has by now what it brings: nobody asks its gates again.
pub(in crate::forge) async fn a_gate_takes_back_what_it_said_on_what_is_left_without_its_hidden_line(kind: Kind) {
    let stage = Stage::new(kind, WINDOW);
    stage.acts(9).await;
    stage.store.change(1, |pull| pull.body = "mine".to_owned());
    stage.push("main", "prod/web.yaml", &super::manifest("1.5.0"));
    let (action, reason) = stage.pass(9).await;
    assert!(action == Some(Action::LeftAlone) && reason.contains("hidden line"), "{reason}");
    stage.has_said(1, "lost its hidden line");
    assert_eq!(stage.only().body, "mine");
    stage.requests();
    stage.acts(10).await;
    assert_eq!(stage.requests().1, Vec::<String>::new(), "it is taken back once");
}

pub(in crate::forge) async fn a_status_that_is_refused_keeps_no_other_one_away(kind: Kind) {
    let stage = Stage::new(kind, "    gates: {manual: true, windows: [{hours: \"09:00-10:00\"}]}\n");
    stage.store.trap("POST", "/statuses/", Fault::Before(422));
    assert_eq!(stage.acts(9).await, Some(Action::Opened));
    let said: Vec<String> = stage.says().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(said.len(), 1, "the first one is refused, and the second one set: {said:?}");
}

/// What has soaked has soaked, and where no gate is asked nothing was said.
pub(in crate::forge) async fn what_stays_passed_is_not_taken_back(kind: Kind) {
    for gates in ["    gates: {manual: true}\n", ""] {
        let stage = Stage::new(kind, gates);
        stage.acts(9).await;
        let said = stage.says();
        stage.label(1, "tagboat/hold");
        stage.rests(10).await;
        stage.tags.break_image(WEB, "the registry is down");
        stage.rests(10).await;
        assert_eq!(stage.says(), said, "{gates}");
    }
}

/// The body of an order tells how it was given: what the gates say from then on only their statuses tell.
pub(in crate::forge) async fn the_gates_of_an_order_that_a_person_merges_are_judged_by_every_pass(kind: Kind) {
    for publish in ["", AUTO] {
        let stage = Stage::new(kind, &format!("{publish}{WINDOW}"));
        stage.promote_for_a_person(9, "1.5.0").await;
        stage.has_said(0, "passed");
        let sha = stage.only().sha;
        stage.rests(9).await;
        for tags in [["1.4.0", "1.5.0"], ["1.5.0", "1.6.0"]] {
            stage.list(&tags);
            stage.outcome("mirror", 10).await;
            stage.has_said(1, "outside");
            stage.rests(10).await;
            stage.outcome("mirror", 9).await;
            stage.has_said(0, "passed");
            stage.rests(9).await;
        }
        stage.label(1, "tagboat/hold");
        stage.outcome("mirror", 9).await;
        stage.has_said(1, "`tagboat/hold`");
        stage.rests(9).await;
        assert_eq!((stage.only().sha, stage.states()), (sha, vec![Stands::Open]));
    }
}

/// A team names its checks as it likes: what fails there is no word of Tagboat's, and nothing is said over it.
pub(in crate::forge) async fn a_check_of_others_whose_name_begins_as_a_gate_s_is_theirs(kind: Kind) {
    let (failed, waits) = (kind.words[2], kind.statuses[1]);
    for (is_run, word, words) in [(true, failed, "checks failed"), (false, waits, "checks are not done")] {
        for publish in ["autoMerge", "pullRequest"] {
            let stage = Stage::new(kind, &format!("    publish: {publish}\n"));
            stage.acts(8).await;
            stage.check("build", kind.words[0]);
            let (sha, name, text) = (stage.only().sha, "tagboat/lint".to_owned(), "3 faults".to_owned());
            let row = CheckRow { sha, name, word: word.to_owned(), text, at: NOW, is_run };
            stage.store.kept().checks.push(row);
            // What gates say is set with a text that is renewed.
            stage.store.change(1, |pull| pull.body.push_str("\n\nedited"));
            let mut reason = String::new();
            for _ in 0..3 {
                reason = stage.pass(9).await.1;
            }
            assert_eq!(stage.states(), [Stands::Open], "{word} {publish}");
            let expected = format!("{words}: tagboat/lint ({word})");
            assert!(publish == "pullRequest" || reason.contains(&expected), "{word} {publish}: {reason}");
            let kept = stage.store.kept();
            let said = kept.checks.iter().filter(|row| row.name == "tagboat/lint");
            assert_eq!(said.map(|row| row.text.as_str()).collect::<Vec<_>>(), ["3 faults"], "{word} {publish}");
        }
    }
}
