//! Signatures in decisions: what is asked for and when, and what each verdict leads to.

use std::sync::Arc;

use tagboat::decide::decide;
use tagboat::model::decision::{Decided, Question};
use tagboat::model::history::Past;
use tagboat::model::image::{Digest, Tag};
use tagboat::model::observation::Observation;
use tagboat::model::policy::Policy;
use tagboat::model::signature::{SignatureVerdict, SignatureWant, Verify};
use tagboat::model::tags::{ImageTags, TagFacts};

use super::world::{ask, image, list, observe, question, reasons, verdict};

fn verify() -> Arc<Verify> {
    let path = tagboat::model::file::RepoPath::new("keys/cosign.pub").expect("a plain path");
    Arc::new(Verify::CosignKeys(vec![path]))
}

fn signed(policy: &str, current: &str) -> Question {
    let asked = question(policy, current);
    let policy = Policy { verify: Some(verify()), ..(*asked.policy).clone() };
    Question { policy: Arc::new(policy), ..asked }
}

/// The digest that a tag has in these tests.
fn digest(tag: &str) -> Digest {
    let sum = tag.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("sha256:{}", format!("{sum:016x}").repeat(4)).parse().expect("the fixture follows the grammar")
}

fn want(tag: &str, digest: Digest) -> SignatureWant {
    SignatureWant { image: image(), tag: parse(tag), digest, verify: verify() }
}

fn parse(tag: &str) -> Tag {
    tag.parse().expect("the fixture follows the grammar")
}

/// An observation in which every digest is known.
fn known(tags: &[&str]) -> Observation {
    let facts = |tag: &&str| (parse(tag), TagFacts { digest: Some(digest(tag)), ..TagFacts::default() });
    observe(ImageTags {
        list: tags.iter().copied().collect(),
        facts: tags.iter().map(facts).collect(),
        ..ImageTags::default()
    })
}

fn wrong(reason: &str) -> Result<SignatureVerdict, String> {
    Ok(SignatureVerdict::Wrong(reason.into()))
}

fn shown(decided: &Decided) -> String {
    verdict(&decided.decisions[0])
}

/// Decides until nothing is wanted any more; returns how many rounds it took, and every signature asked for.
fn settle(
    mut observation: Observation,
    asked: &Question,
    says: impl Fn(&SignatureWant) -> Result<SignatureVerdict, String>,
) -> (Decided, Observation, usize, Vec<String>) {
    let mut all = Vec::new();
    for round in 1..=16 {
        let decided = ask(&observation, asked.clone());
        if decided.wants.is_empty() && decided.signatures.is_empty() {
            return (decided, observation, round, all);
        }
        let tags = observation.images.get_mut(&image()).expect("it is there").as_mut().expect("it was listed");
        for want in decided.wants {
            let facts = Arc::make_mut(tags).facts.entry(want.tag.clone()).or_default();
            facts.digest = Some(digest(want.tag.as_str()));
        }
        for want in decided.signatures {
            all.push(want.tag.to_string());
            let answer = says(&want);
            observation.signatures.insert(want, answer);
        }
    }
    panic!("no end after 16 rounds: {all:?}");
}

#[test]
fn the_digest_comes_first_and_then_its_signature_and_nobody_s_else() {
    let asked = signed("semver=1.x", "1.0.0");
    let decided = ask(&list(["1.0.0", "1.1.0", "1.2.0", "2.0.0"]), asked.clone());
    let wants: Vec<String> = decided.wants.iter().map(|want| format!("{} {:?}", want.tag, want.kind)).collect();
    assert_eq!((wants, decided.signatures), (vec!["1.2.0 Digest".to_owned()], vec![]));
    let decided = ask(&known(&["1.0.0", "1.1.0", "1.2.0", "2.0.0"]), asked);
    assert_eq!((decided.wants, decided.signatures), (vec![], vec![want("1.2.0", digest("1.2.0"))]));
}

#[test]
fn what_cannot_be_pinned_names_the_newer_tag_that_somebody_else_signed() {
    let observation = list(["1.0.0", "1.1.0", "1.2.0"]);
    let says = |want: &SignatureWant| match want.tag.as_str() {
        "1.0.0" => Ok(SignatureVerdict::Missing),
        _ => wrong("signed by somebody else: them"),
    };
    let (decided, ..) = settle(observation, &signed("semver=1.x pin=digest", "1.0.0"), says);
    let verdict = format!("{:?}", decided.decisions[0].verdict);
    let words = "`1.0.0` cannot be pinned: not signed yet; `1.2.0` is refused: signed by somebody else: them";
    assert!(verdict.contains(words), "{verdict}");
}

#[test]
fn what_is_not_signed_yet_and_what_somebody_else_signed_are_passed_by_for_reasons_of_their_own() {
    let observation = list(["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
    let says = |want: &SignatureWant| match want.tag.as_str() {
        "1.4.0" => Ok(SignatureVerdict::Missing),
        "1.3.0" => wrong("signed by somebody else: them"),
        _ => Ok(SignatureVerdict::Signed),
    };
    let (decided, observation, _, asked) = settle(observation, &signed("semver=1.x pin=digest", "1.0.0"), says);
    assert_eq!(shown(&decided), format!("1.2.0@{}", digest("1.2.0")));
    assert_eq!(
        reasons(&observation, &decided.decisions[0]),
        "1.0.0: in use\n1.1.0: outranked\n1.3.0: signed by somebody else: them\n1.4.0: not signed yet\n"
            .replace("outranked", &tagboat::model::decision::Reason::Outranked.to_string())
    );
    assert_eq!(asked, ["1.4.0", "1.3.0", "1.1.0", "1.2.0"], "newest first, and after two in vain two at once");
}

#[test]
fn a_failed_request_leaves_the_image_undecided() {
    let mut observation = known(&["1.0.0", "1.1.0", "1.2.0"]);
    observation.signatures.insert(want("1.2.0", digest("1.2.0")), Err("the registry is away".to_owned()));
    observation.signatures.insert(want("1.1.0", digest("1.1.0")), Ok(SignatureVerdict::Signed));
    let decided = ask(&observation, signed("semver=1.x", "1.0.0"));
    assert_eq!((shown(&decided).as_str(), decided.signatures.len()), ("undecided: the registry is away", 0));
}

#[test]
fn a_verdict_on_other_content_or_for_other_signers_counts_for_nothing() {
    let mut observation = known(&["1.0.0", "1.1.0"]);
    let good = Ok(SignatureVerdict::Signed);
    let by_others = tagboat::model::file::RepoPath::new("keys/other.pub").expect("a plain path");
    let others = Arc::new(Verify::CosignKeys(vec![by_others]));
    observation.signatures.insert(want("1.1.0", digest("1.0.0")), good.clone());
    observation.signatures.insert(want("1.0.0", digest("1.1.0")), good.clone());
    observation.signatures.insert(SignatureWant { verify: others, ..want("1.1.0", digest("1.1.0")) }, good);
    let decided = ask(&observation, signed("semver=1.x", "1.0.0"));
    assert_eq!(decided.signatures, [want("1.1.0", digest("1.1.0"))]);
}

#[test]
fn many_unsigned_candidates_take_few_rounds_and_are_bounded() {
    let tags: Vec<String> = (0..100).map(|minor| format!("1.{minor}.0")).collect();
    let observation = || list(tags.iter().map(String::as_str));
    let asked = signed("semver=1.x", "1.0.0");
    let says = |want: &SignatureWant| match want.tag.as_str() {
        "1.70.0" => Ok(SignatureVerdict::Signed),
        _ => Ok(SignatureVerdict::Missing),
    };
    let (decided, _, rounds, seen) = settle(observation(), &asked, says);
    assert_eq!(shown(&decided), "1.70.0");
    assert!(rounds <= 16 && seen.len() <= 45, "{rounds} rounds, {} signatures", seen.len());
    let (decided, _, rounds, seen) = settle(observation(), &asked, |_| Ok(SignatureVerdict::Missing));
    let reason = "undecided: none of its 32 newest candidates is signed as `verify` asks: narrow the rule";
    assert_eq!(shown(&decided), reason);
    assert!(rounds <= 16 && seen.len() <= 48, "{rounds} rounds, {} signatures", seen.len());
}

#[test]
fn following_and_pinning_need_a_signature_too() {
    for (policy, current) in [("digest=true", "1.0.0"), ("semver=1.x pin=digest", "1.0.0")] {
        let observation = || known(&["1.0.0"]);
        let asked = signed(policy, current);
        let (decided, ..) = settle(observation(), &asked, |_| Ok(SignatureVerdict::Signed));
        assert_eq!(shown(&decided), format!("1.0.0@{}", digest("1.0.0")), "{policy}");
        for verdict in [Ok(SignatureVerdict::Missing), wrong("them"), Err("away".to_owned())] {
            let (decided, ..) = settle(observation(), &asked, |_| verdict.clone());
            assert!(!shown(&decided).contains("sha256"), "{policy} {verdict:?}");
        }
    }
}

#[test]
fn what_runs_elsewhere_is_seen_to_where_it_could_be_promoted() {
    let here = |environment: &str, current: &str| Question {
        environment: environment.into(),
        ..signed("semver=1.x", current)
    };
    let pinned = format!("1.2.0@{}", digest("old"));
    let mut observation = known(&["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"]);
    observation.signatures.insert(want("1.3.0", digest("1.3.0")), Ok(SignatureVerdict::Signed));
    let asked = [here("dev", &pinned), here("prod", "1.1.0"), here("test", "2.0.0")];
    let past = |question: &Question| ((question.environment.clone(), question.image.clone()), Ok(Past::default()));
    observation.pasts.extend(asked.iter().map(past));
    let decided = decide(&observation, &asked);
    // The version of `dev`, by the digest that stands there; neither a lower one nor one out of range.
    assert_eq!(decided.signatures, [want("1.2.0", digest("old"))]);
}
