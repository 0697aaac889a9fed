//! What holds for every list, every order of it, and every text that a person may write.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq};
use tagboat::model::decision::{Decision, Reason, Verdict};
use tagboat::model::image::Tag;
use tagboat::model::policy::{Comparator, Operator, Range, Select};
use tagboat::policy::family::Shape;
use tagboat::policy::range;

use super::world::{ask, list, question};
use crate::bodies;

fn tag() -> impl Strategy<Value = String> {
    let numbers = vec(0u32..4, 1..5).prop_map(|parts| parts.iter().map(u32::to_string).collect::<Vec<_>>().join("."));
    let prefix = prop_oneof![3 => Just(""), 2 => Just("v"), 1 => Just("release-"), 1 => Just("main-")];
    let pre = prop_oneof![4 => Just(""), 1 => Just("-rc.1"), 1 => Just("-rc2"), 1 => Just("b1"), 1 => Just("-alpha")];
    let build = prop_oneof![5 => Just(""), 1 => Just("-3"), 1 => Just("-r2"), 1 => Just("-20260102")];
    let variant = prop_oneof![4 => Just(""), 1 => Just("-alpine"), 1 => Just("-alpine3.19"), 1 => Just("-abc1234")];
    let built = (prefix, numbers, pre, build, variant)
        .prop_map(|(prefix, numbers, pre, build, variant)| [prefix, &numbers, pre, build, variant].concat());
    prop_oneof![12 => built, 1 => "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", 1 => Just("20260102".to_owned())]
}

fn comparator() -> impl Strategy<Value = (Comparator, String)> {
    let operator = prop_oneof![
        Just((Operator::Equal, "=")),
        Just((Operator::Equal, "")),
        Just((Operator::NotEqual, "!=")),
        Just((Operator::Greater, ">")),
        Just((Operator::GreaterOrEqual, ">=")),
        Just((Operator::Less, "< ")),
        Just((Operator::LessOrEqual, "=<")),
        Just((Operator::Tilde, "~>")),
        Just((Operator::Caret, "^v")),
    ];
    let pre = prop_oneof![3 => Just(""), 1 => Just("rc.1"), 1 => Just("0")];
    (operator, vec(any::<u16>(), 0..4), pre).prop_map(|((operator, sign), parts, pre)| {
        let part = |index: usize| parts.get(index).map(|number| u64::from(*number));
        let mut text = parts.iter().map(u16::to_string).collect::<Vec<_>>().join(".");
        if text.is_empty() {
            text.push('*');
        }
        if !pre.is_empty() {
            text = format!("{text}-{pre}");
        }
        let pre = pre.parse().expect("a pre-release");
        (Comparator { operator, major: part(0), minor: part(1), patch: part(2), pre }, format!("{sign}{text}"))
    })
}

fn moved(decision: &Decision) -> Option<&str> {
    decision.chosen().map(Tag::as_str)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_choice_is_listed_in_family_in_range_and_higher(
        tags in vec(tag(), 0..40),
        current in tag(),
        policy in prop_oneof![Just("semver=patch"), Just("semver=minor"), Just("semver=major"), Just("semver='>=1 <3'")],
    ) {
        let observation = list(tags.iter().map(String::as_str));
        let asked = question(policy, &current);
        let decided = ask(&observation, asked.clone());
        let decision = &decided.decisions[0];
        prop_assert!(decided.wants.is_empty());
        let chosen = moved(decision);
        let others = tags.iter().filter(|tag| Some(tag.as_str()) != chosen).count();
        prop_assert_eq!(decision.rejected.len(), others);
        let in_use = decision.rejected.iter().filter(|(_, reason)| **reason == Reason::InUse).count();
        prop_assert_eq!(in_use, tags.iter().filter(|tag| **tag == current).count());
        if let Some(chosen) = chosen {
            prop_assert!(tags.iter().any(|tag| tag == chosen));
            let (new, old) = (Shape::parse(chosen).unwrap(), Shape::parse(&current).unwrap());
            prop_assert!(new.is_family(&old));
            prop_assert!(new.order(&old).is_gt());
            prop_assert!(!new.is_pre_release() || (old.is_pre_release() && new.same_numbers(&old)));
            if let Select::Range(range) = &asked.policy.select {
                let [major, minor, patch] = new.triple();
                prop_assert!(range::matches(range, &semver::Version::new(major, minor, patch)));
            }
        } else {
            prop_assert_eq!(&decision.verdict, &Verdict::Keep);
        }
    }

    #[test]
    fn the_order_of_the_list_and_duplicates_never_matter(
        (tags, shuffled) in vec(tag(), 1..30).prop_flat_map(|tags| (Just(tags.clone()), Just(tags).prop_shuffle())),
        current in tag(),
        policy in prop_oneof![
            Just("semver=major"), Just("numeric=asc"), Just("numeric=desc"), Just("alphabetical=desc"), Just("calver=true"),
            Just("semver=>=0 tags='^v?(?<version>[0-9.]+)'"), Just("numeric=asc tags='(?<version>[0-9.]+)'"),
            Just("alphabetical=asc tags='(?<version>[0-9.]+)'"),
        ],
    ) {
        let policy = policy.replace("semver=>=0 ", "semver='>=0' ");
        let choice = |tags: &[String]| {
            let decided = ask(&list(tags.iter().map(String::as_str)), question(&policy, &current));
            moved(&decided.decisions[0]).map(str::to_owned)
        };
        let doubled = [shuffled.clone(), tags.clone()].concat();
        prop_assert_eq!(choice(&tags), choice(&shuffled));
        prop_assert_eq!(choice(&tags), choice(&doubled));
    }

    #[test]
    fn a_choice_is_final(tags in vec(tag(), 1..30), current in tag()) {
        let observation = list(tags.iter().map(String::as_str));
        let first = ask(&observation, question("semver=major", &current));
        if let Some(chosen) = moved(&first.decisions[0]) {
            let second = ask(&observation, question("semver=major", chosen));
            prop_assert_eq!(&second.decisions[0].verdict, &Verdict::Keep);
        }
    }

    #[test]
    fn ranges_print_as_they_parse(groups in vec(vec(comparator(), 1..4), 1..4), comma in any::<bool>()) {
        let separator = if comma { ", " } else { " " };
        let join = |group: &Vec<(Comparator, String)>| {
            group.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(separator)
        };
        let text = groups.iter().map(join).collect::<Vec<_>>().join(" || ");
        let groups = groups.into_iter().map(|group| group.into_iter().map(|(comparator, _)| comparator).collect()).collect();
        let parsed = range::parse(&text).unwrap();
        prop_assert_eq!(&parsed, &Range { text, groups });
        prop_assert_eq!(&range::parse(&parsed.text).unwrap(), &parsed);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![
        any::<String>(),
        "[vxX*0-9.<>=~^|, -]{0,24}",
        "[a-z0-9='\" ]{0,40}",
        "[A-Za-z0-9_.TZu-]{0,130}",
        "(YYYY|0M|DD|MICRO|[.a-z-]){0,8}",
    ]) {
        bodies::policy::read(&text);
    }

    #[test]
    fn a_choice_is_sound_whatever_the_policy(
        policy in prop_oneof![
            Just("semver=minor"), Just("semver=major prerelease=true"), Just("semver='>=1 <3'"), Just("numeric=asc"),
            Just("numeric=desc"), Just("alphabetical=asc"), Just("calver=true"), Just("digest=1.0"),
            Just("numeric=asc tags='(?<version>[0-9.]+)'"), Just("semver=major ignore='rc'"),
        ],
        current in tag(),
        tags in vec(tag(), 0..40),
    ) {
        bodies::policy::choose(format!("{policy}\n{current}\n{}", tags.join("\n")).as_bytes());
    }

    #[test]
    fn families_are_symmetric_and_orders_opposite(a in tag(), b in tag()) {
        if let (Some(a), Some(b)) = (Shape::parse(&a), Shape::parse(&b)) {
            prop_assert_eq!(a.is_family(&b), b.is_family(&a));
            prop_assert_eq!(a.order(&b), b.order(&a).reverse());
        }
    }
}
