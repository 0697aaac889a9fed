//! A small world for deciding: one image, its tags and facts, and one question about it.

use std::fmt::Write;
use std::sync::Arc;

use tagboat::decide::decide;
use tagboat::model::decision::{Decided, Decision, Origin, Question, Verdict};
use tagboat::model::history::Past;
use tagboat::model::image::ImageName;
use tagboat::model::observation::Observation;
use tagboat::model::policy::Policy;
use tagboat::model::site::{Marker, Value};
use tagboat::model::tags::{ImageTags, TagList};
use tagboat::policy::inline;

/// The image that all questions are about.
pub(crate) fn image() -> ImageName {
    "ghcr.io/acme/web".parse().expect("the fixture follows the grammar")
}

/// A policy as markers write it.
pub(crate) fn policy(text: &str) -> Arc<Policy> {
    match inline::read(text).marker {
        Some(Marker::Policy(policy)) => policy,
        other => panic!("{text}: {other:?}"),
    }
}

/// A value from `tag`, `tag@digest` or `@digest`.
pub(crate) fn value(text: &str) -> Value {
    let (tag, digest) = text.split_once('@').map_or((text, None), |(tag, digest)| (tag, Some(digest)));
    Value {
        tag: (!tag.is_empty()).then(|| tag.parse().expect("the fixture follows the grammar")),
        digest: digest.map(|digest| digest.parse().expect("the fixture follows the grammar")),
    }
}

/// A question about the image.
pub(crate) fn question(policy_text: &str, current: &str) -> Question {
    Question {
        image: image(),
        environment: "dev".into(),
        policy: policy(policy_text),
        current: value(current),
        sites: vec![0],
        origin: Origin::Registry,
    }
}

/// An observation of nothing but the image's tags.
pub(crate) fn observe(tags: ImageTags) -> Observation {
    let mut observation = Observation {
        now: "2026-11-21T00:00:00Z".parse().expect("the fixture follows the grammar"),
        ..Observation::default()
    };
    observation.images.insert(image(), Ok(Arc::new(tags)));
    observation.pasts.insert(("dev".into(), image()), Ok(Past::default()));
    observation
}

/// An observation of a plain list.
pub(crate) fn list<'a>(tags: impl IntoIterator<Item = &'a str>) -> Observation {
    observe(ImageTags { list: tags.into_iter().collect::<TagList>(), ..ImageTags::default() })
}

/// Answers one question.
pub(crate) fn ask(observation: &Observation, question: Question) -> Decided {
    decide(observation, &[question])
}

/// What a policy chooses from a list, in one word.
pub(crate) fn choose(tags: &[&str], policy_text: &str, current: &str) -> String {
    let decided = ask(&list(tags.iter().copied()), question(policy_text, current));
    assert!(decided.wants.is_empty(), "{:?}", decided.wants);
    verdict(&decided.decisions[0])
}

/// A verdict in one word.
pub(crate) fn verdict(decision: &Decision) -> String {
    match &decision.verdict {
        Verdict::Keep => "keep".to_owned(),
        Verdict::Move { to, .. } => to.to_string(),
        Verdict::Undecided(reason) => format!("undecided: {reason}"),
    }
}

/// The reasons, one line a tag, in the order of the list.
pub(crate) fn reasons(observation: &Observation, decision: &Decision) -> String {
    let tags = observation.images[&image()].as_ref().expect("the tags are there");
    decision.rejected.iter().fold(String::new(), |mut lines, (tag, reason)| {
        writeln!(lines, "{}: {reason}", tags.list.at(tag)).expect("writing to a text cannot fail");
        lines
    })
}
