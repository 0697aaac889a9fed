//! Deciding while lists arrive, and letting go of tags: the same decisions as on whole lists, round after round.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::prop_assert_eq;
use tagboat::decide::early::{decide_listed, let_go};
use tagboat::decide::{decide, decide_again, decide_rest};
use tagboat::model::decision::{Decided, Origin, Question, Reason};
use tagboat::model::history::Past;
use tagboat::model::observation::Observation;
use tagboat::model::tags::{FactKind, ImageTags, Platform, TagFacts};

use super::world::{image, list, question, reasons};

/// Returns the observation as it is after everything was let go that may be, and what was decided then.
fn let_all_go(observation: &Observation, questions: &[Question]) -> (Observation, Decided) {
    let whole = observation.images[&image()].as_ref().expect("the tags are there");
    let before = Observation { images: BTreeMap::new(), ..observation.clone() };
    let mut decided = decide_listed(&before, whole, questions);
    let left = let_go(whole, &mut decided, questions);
    let observation = Observation { images: BTreeMap::from([(image(), Ok(left))]), ..before };
    let decided = decide_rest(&observation, questions, BTreeMap::from([(image(), decided)]));
    (observation, decided)
}

/// Returns what was decided, and of the tags that were turned down for more than their names why.
fn told(observation: &Observation, decided: &Decided) -> (Vec<String>, Vec<String>) {
    let verdicts = decided.decisions.iter().map(|decision| format!("{:?}", decision.verdict)).collect();
    let by_name = |line: &&str| {
        let reasons = ["Outranked", "Lower", "NotAVersion", "NotInFamily", "NotMatched", "Ignored", "OutOfRange"];
        let more = ["PreRelease", "NotFollowed", "NothingToCompare", "SameVersion", "Older"];
        !reasons.iter().chain(&more).any(|reason| line.ends_with(reason))
    };
    let tags = observation.images[&image()].as_ref().expect("the tags are there");
    let mut rows = Vec::new();
    for decision in &decided.decisions {
        let lines: Vec<String> =
            decision.rejected.iter().map(|(tag, reason)| format!("{} {reason:?}", tags.list.at(tag))).collect();
        rows.extend(lines.iter().map(String::as_str).filter(by_name).map(str::to_owned));
    }
    (verdicts, rows)
}

fn tag() -> impl Strategy<Value = String> {
    let prefix = prop_oneof![3 => Just(""), 1 => Just("v"), 1 => Just("main-")];
    let variant = prop_oneof![5 => Just(""), 1 => Just("-rc.1"), 1 => Just("-alpine"), 1 => Just("-20260102")];
    let built = (prefix, vec(0u32..4, 1..4), variant).prop_map(|(prefix, numbers, variant)| {
        format!("{prefix}{}{variant}", numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
    });
    prop_oneof![12 => built, 1 => Just("latest".to_owned())]
}

/// Gives the wants of a round answers that depend on the tag alone.
fn answer(observation: &mut Observation, decided: &Decided, salt: u8) {
    for want in &decided.wants {
        let tags = observation.images.get_mut(&want.image).expect("it was listed").as_mut().expect("whole");
        let number = want.tag.as_str().bytes().fold(salt, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let facts = Arc::make_mut(tags).facts.entry(want.tag.clone()).or_default();
        let digest = format!("sha256:{}", format!("{number:02x}").repeat(32)).parse().expect("a digest");
        let time = |hours: i64| observation.now.checked_sub(jiff::SignedDuration::from_hours(hours)).expect("a time");
        match want.kind {
            FactKind::Digest => facts.digest = Some(digest),
            FactKind::Pushed => facts.pushed = Some(time(i64::from(number % 4) * 24)),
            FactKind::Image => {
                let arm = (number % 3 > 0).then(|| Platform("linux/arm64".to_owned()));
                facts.platforms = Some(arm.into_iter().chain([Platform("linux/amd64".to_owned())]).collect());
                facts.digest = Some(digest);
                facts.created = (number % 5 > 0).then(|| time(i64::from(number)));
            }
        }
    }
    for past in &decided.pasts {
        observation.pasts.insert(past.clone(), Ok(Past::default()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_let_go_changes_no_decision_in_any_round(
        tags in vec(tag(), 0..40),
        asked in vec((prop_oneof![
            Just("semver=minor"), Just("semver=major prerelease=true"), Just("semver='>=1 <3'"), Just("numeric=desc"),
            Just("semver=major minAge=2d"), Just("semver=major platforms=linux/arm64"), Just("digest=latest"),
            Just("newest=true"), Just("alphabetical=asc tags='^main-'"), Just("semver=major pin=digest ignore='rc'"),
            Just("semver=minor minAge=1d platforms=linux/arm64 pin=digest"),
        ], tag()), 1..3),
        salt in any::<u8>(),
        knows_past in any::<bool>(),
    ) {
        let mut whole = list(tags.iter().map(String::as_str));
        if !knows_past {
            whole.pasts.clear();
        }
        let questions: Vec<Question> = asked.iter().map(|(policy, current)| question(policy, current)).collect();
        let (mut left, mut less) = let_all_go(&whole, &questions);
        let mut all = decide(&whole, &questions);
        for _ in 0..20 {
            prop_assert_eq!(told(&left, &less), told(&whole, &all));
            prop_assert_eq!((&less.wants, &less.pasts), (&all.wants, &all.pasts));
            if all.lacking().is_empty() {
                break;
            }
            answer(&mut whole, &all, salt);
            answer(&mut left, &less, salt);
            all = decide_again(&whole, &questions, all);
            less = decide_again(&left, &questions, less);
        }
    }
}

#[test]
fn what_its_name_rules_out_is_let_go_but_for_an_example_of_each_reason() {
    let observation = list(["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0", "3.0.0", "latest", "main", "main-2"]);
    let questions = [question("semver=minor", "1.1.0")];
    let (left, decided) = let_all_go(&observation, &questions);
    let lines = reasons(&left, &decided.decisions[0]);
    let expected = "1.0.0: lower than in use\n1.1.0: in use\n1.2.0: lower than chosen\n2.0.0: out of range\n\
                    latest: not a version\n";
    assert!(lines.starts_with(expected), "{lines}");
    assert!(!lines.contains("3.0.0") && !lines.contains("main-2\n"), "{lines}");
    assert_eq!(decided.decisions[0].chosen().map(ToString::to_string).as_deref(), Some("1.3.0"));
}

#[test]
fn while_a_fact_is_missing_all_that_compete_stay() {
    let observation = list(["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"]);
    let (left, decided) = let_all_go(&observation, &[question("semver=minor minAge=1d", "1.0.0")]);
    assert!(!decided.wants.is_empty());
    let tags = left.images[&image()].as_ref().unwrap();
    assert_eq!(tags.list.iter().map(|(_, tag)| tag).collect::<Vec<_>>(), ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"]);
    assert_eq!(decided.decisions[0].rejected.iter().filter(|(_, reason)| **reason == Reason::OutOfRange).count(), 1);
}

#[test]
fn an_environment_that_follows_another_may_ask_about_any_tag() {
    let observation = list(["1.0.0", "1.1.0", "2.0.0", "2.1.0"]);
    let after = Question { origin: Origin::Before, ..question("semver=minor", "1.0.0") };
    let (left, _) = let_all_go(&observation, &[after]);
    assert_eq!(left.images[&image()].as_ref().unwrap().list.len(), 4);
}

#[test]
fn facts_and_losses_of_a_list_stay_with_what_is_left() {
    let mut observation = list(["1.0.0", "1.1.0", "1.2.0"]);
    let tags = observation.images.get_mut(&image()).unwrap().as_mut().unwrap();
    let own = Arc::make_mut(tags);
    own.lost = Some("half of it".to_owned());
    own.facts.insert("1.1.0".parse().unwrap(), TagFacts::default());
    let (left, _) = let_all_go(&observation, &[question("semver=minor", "1.2.0")]);
    let left: &ImageTags = left.images[&image()].as_ref().unwrap();
    assert_eq!((left.list.len(), left.facts.len(), left.lost.as_deref()), (2, 1, Some("half of it")));
}
