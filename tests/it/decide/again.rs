//! Deciding again after something more was observed: the same as deciding anew, for less work.

use std::sync::Arc;

use tagboat::decide::{decide, decide_again};
use tagboat::model::decision::Question;
use tagboat::model::history::Past;
use tagboat::model::image::ImageName;
use tagboat::model::observation::Observation;
use tagboat::model::tags::{FactKind, ImageTags};

use super::world::{list, question};

fn name(text: &str) -> ImageName {
    text.parse().expect("the fixture follows the grammar")
}

/// Three images: one whose digest is wanted, one that is decided at once, and one with two questions, one of them open.
fn world() -> (Observation, Vec<Question>) {
    let mut observation = list(["1.0.0"]);
    let asked = [
        ("ghcr.io/acme/api", "semver=1.x pin=digest", "1.0.0"),
        ("ghcr.io/acme/web", "semver=1.x", "1.0.0"),
        ("ghcr.io/acme/worker", "semver=1.x", "1.0.0"),
        ("ghcr.io/acme/worker", "semver=1.x pin=digest", "1.1.0"),
    ];
    let questions = asked.map(|(image, policy, current)| Question { image: name(image), ..question(policy, current) });
    for asked in &questions {
        let tags = ImageTags { list: ["1.0.0", "1.1.0", "1.2.0"].into_iter().collect(), ..ImageTags::default() };
        observation.images.insert(asked.image.clone(), Ok(Arc::new(tags)));
        observation.pasts.insert(("dev".into(), asked.image.clone()), Ok(Past::default()));
    }
    (observation, questions.to_vec())
}

#[test]
fn what_was_open_is_decided_as_if_all_were_decided_anew_and_the_rest_stays() {
    let (mut observation, questions) = world();
    let first = decide(&observation, &questions);
    let lacking: Vec<String> = first.lacking().into_iter().map(|image| image.to_string()).collect();
    assert_eq!(lacking, ["ghcr.io/acme/api", "ghcr.io/acme/worker"]);
    for want in &first.wants {
        assert_eq!(want.kind, FactKind::Digest);
        let tags = observation.images.get_mut(&want.image).expect("it was listed").as_mut().expect("whole");
        let digest = format!("sha256:{}", "a".repeat(64)).parse().expect("the fixture follows the grammar");
        Arc::make_mut(tags).facts.entry(want.tag.clone()).or_default().digest = Some(digest);
    }
    // It is not looked at again: nothing of it was open.
    let changed = observation.clone();
    observation.images.remove(&name("ghcr.io/acme/web"));
    let again = decide_again(&observation, &questions, first);
    assert_eq!(again, decide(&changed, &questions));
    assert!(again.lacking().is_empty());
}
