//! Policies: every text that a person may write, and what is chosen by it from a list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tagboat::decide;
use tagboat::model::decision::{Decision, Origin, Question, Verdict};
use tagboat::model::history::Past;
use tagboat::model::image::{ImageName, Tag};
use tagboat::model::observation::Observation;
use tagboat::model::policy::{Policy, Select};
use tagboat::model::site::{Marker, Value};
use tagboat::model::tags::{ImageTags, TagList};
use tagboat::policy::family::Shape;
use tagboat::policy::{calver, duration, go, inline, pattern, platform, range, step_or_range, version};

use super::{head_and_rest, is_printable};

/// Reads a text as everything that a policy can hold.
pub(crate) fn read(text: &str) {
    let told = |error: &dyn std::fmt::Display| {
        let message = error.to_string();
        assert!(is_printable(&message), "{message:?}");
    };
    match range::parse(text) {
        Ok(range) => {
            assert_eq!(range.text, text);
            assert_eq!(range::parse(&range.text).unwrap(), range);
            range::matches(&range, &semver::Version::new(1, 2, 3));
        }
        Err(error) => told(&error),
    }
    step_or_range(text).map_or_else(|error| told(&error), drop);
    duration(text).map_or_else(|error| told(&error), |length| assert!(!length.is_negative()));
    platform::parse(text).map_or_else(|error| told(&error), |platform| assert_eq!(platform.0, text));
    pattern::compile(text).map_or_else(|error| told(&error), drop);
    go::filter(text, Some("$1")).map_or_else(|error| told(&error), drop);
    go::glob(text).map_or_else(|error| told(&error), drop);
    calver::parse_format(text).map_or_else(|error| told(&error), |format| assert_eq!(format.text, text));
    if let Some(Marker::Faulty(reason)) = inline::read(text).marker {
        told(&reason);
    }
    version::parse(text);
    if let Some(shape) = Shape::parse(text) {
        assert!(shape.is_family(&shape) && shape.is_kin(&shape));
        assert!(shape.order(&shape).is_eq());
    }
    for format in ["YYYY.0M.DD", "YY.MICRO", "DD-MM-0Y"] {
        calver::read(text, &calver::parse_format(format).unwrap());
    }
}

/// Chooses: the first line is a policy as markers write it, the second the tag in use, every other a listed tag.
pub(crate) fn choose(input: &[u8]) {
    let Some((policy, rest)) = head_and_rest(input) else { return };
    let Some((current, rest)) = head_and_rest(rest) else { return };
    let (Some(Marker::Policy(policy)), Ok(current)) = (inline::read(policy).marker, current.parse::<Tag>()) else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let tags: Vec<&str> = text.lines().collect();
    let list: TagList = tags.iter().copied().collect();
    let (decision, wants) = decide(&policy, &current, list.clone());
    let listed: BTreeSet<&str> = list.iter().map(|(_, tag)| tag).collect();
    let chosen = decision.chosen();
    let others = list.iter().filter(|(_, tag)| chosen.map(Tag::as_str) != Some(tag)).count();
    assert_eq!(decision.rejected.len(), others, "a tag without a reason, or a reason too many");
    let backwards: TagList = tags.iter().rev().copied().collect();
    let (turned, _) = decide(&policy, &current, backwards);
    assert_eq!(turned.chosen(), chosen, "the order of the list decides");
    let Some(chosen) = chosen.filter(|_| wants == 0) else { return };
    assert!(listed.contains(chosen.as_str()));
    assert_ne!(chosen, &current);
    if let (Select::Step(_) | Select::Range(_), Some(old)) = (&policy.select, Shape::parse(current.as_str()))
        && let (None, Some(new)) = (&policy.tags, Shape::parse(chosen.as_str()))
    {
        assert!(new.is_kin(&old) && new.order(&old).is_gt(), "{current} became {chosen}");
    }
    let (again, _) = decide(&policy, chosen, list);
    assert_eq!(again.verdict, Verdict::Keep, "{current} became {chosen}, which does not stay");
}

fn decide(policy: &Arc<Policy>, current: &Tag, list: TagList) -> (Decision, usize) {
    let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
    let images = BTreeMap::from([(image.clone(), Ok(Arc::new(ImageTags { list, ..ImageTags::default() })))]);
    let pasts = BTreeMap::from([(("dev".into(), image.clone()), Ok(Past::default()))]);
    let observation = Observation { images, pasts, ..Observation::default() };
    let question = Question {
        image,
        environment: "dev".into(),
        policy: Arc::clone(policy),
        current: Value { tag: Some(current.clone()), digest: None },
        sites: vec![0],
        origin: Origin::Registry,
    };
    let mut decided = decide::decide(&observation, std::slice::from_ref(&question));
    (decided.decisions.remove(0), decided.wants.len())
}
