use super::*;
use crate::model::environment::Environment;
use crate::model::file::{Position, RepoPath};
use crate::model::glob::{ImageGlob, PathGlobs};
use crate::model::policy::{Rule, Step};
use crate::model::site::Format;

fn site(file: &str, image: &str, tag: &str) -> Site {
    Site {
        offset: 0,
        branch: None,
        file: RepoPath::new(file).expect("a plain path"),
        format: Format::Kubernetes,
        image: Some(image.parse().expect("an image name")),
        written: image.to_owned(),
        value: Value { tag: (!tag.is_empty()).then(|| tag.parse().expect("a tag")), digest: None },
        slots: Vec::new(),
        position: Position { line: 1, column: 1 },
        named: Default::default(),
        uses: Vec::new(),
        marker: None,
        skipped: None,
    }
}

fn environments() -> Environments {
    let environment = |name: &str, files: &str| Environment {
        name: name.into(),
        files: PathGlobs::parse(&[files]).expect("a glob"),
        ..Environments::without_configuration().0.remove(0)
    };
    Environments(vec![environment("dev", "dev/**"), environment("prod", "prod/**")])
}

fn rules() -> Rules {
    let rule = |images: &str, step: Step| Rule {
        images: ImageGlob::parse(images).expect("a glob"),
        policy: Arc::new(Policy::new(Select::Step(step))),
        line: 1,
        column: 1,
    };
    Rules(vec![rule("ghcr.io/acme/web", Step::Patch), rule("ghcr.io/acme/*", Step::Minor)])
}

fn reason(site: &Site) -> SkipReason {
    match follow(site, &rules(), &environments()) {
        Followed::No(reason) => reason,
        Followed::Yes { .. } => panic!("it is followed"),
    }
}

#[test]
fn says_why_a_reference_is_not_followed() {
    let web = || site("dev/a.yaml", "ghcr.io/acme/web", "1.0.0");
    let marked = |marker: Marker| Site { marker: Some(marker), ..web() };
    let skipped = Site { skipped: Some(SkipReason::Template), ..marked(Marker::Ignore) };
    assert_eq!(reason(&skipped), SkipReason::Template);
    assert_eq!(reason(&marked(Marker::Ignore)), SkipReason::Ignored);
    assert_eq!(reason(&marked(Marker::Faulty("why".into()))), SkipReason::FaultyMarker("why".into()));
    assert_eq!(reason(&site("dev/a.yaml", "nginx", "1.0.0")), SkipReason::NoRule);
    assert_eq!(reason(&site("other/a.yaml", "ghcr.io/acme/web", "1.0.0")), SkipReason::NoEnvironment);
    assert_eq!(reason(&Site { image: None, ..web() }), SkipReason::NoName);
    assert_eq!(reason(&site("dev/a.yaml", "ghcr.io/acme/web", "")), SkipReason::NoTag);
    let digest = format!("sha256:{}", "0".repeat(64)).parse().ok();
    assert_eq!(reason(&Site { value: Value { tag: None, digest }, ..web() }), SkipReason::DigestOnly);
}

#[test]
fn a_marker_wins_over_the_first_rule_that_matches() {
    let policy_of = |site: &Site| match follow(site, &rules(), &environments()) {
        Followed::Yes { environment, policy } => (environment.to_string(), policy.to_string()),
        Followed::No(reason) => panic!("{reason}"),
    };
    let web = site("prod/a.yaml", "ghcr.io/acme/web", "1.0.0");
    assert_eq!(policy_of(&web), ("prod".to_owned(), "semver patch".to_owned()));
    let policy = Arc::new(Policy::new(Select::Newest));
    let marked = Site { marker: Some(Marker::Policy(policy)), ..web };
    assert_eq!(policy_of(&marked), ("prod".to_owned(), "newest".to_owned()));
}

#[test]
fn collects_what_several_references_ask_together_in_a_stable_order() {
    let newest = Some(Marker::Policy(Arc::new(Policy::new(Select::Newest))));
    let sites = vec![
        site("prod/a.yaml", "ghcr.io/acme/web", "1.0.0"),
        site("dev/b.yaml", "ghcr.io/acme/worker", "2.0.0"),
        site("dev/a.yaml", "ghcr.io/acme/web", "1.1.0"),
        site("dev/c.yaml", "ghcr.io/acme/web", "1.1.0"),
        site("dev/c.yaml", "ghcr.io/acme/web", "1.0.0"),
        Site { marker: newest.clone(), ..site("dev/c.yaml", "ghcr.io/acme/web", "1.1.0") },
        Site { marker: newest, ..site("dev/d.yaml", "ghcr.io/acme/web", "1.1.0") },
        site("dev/c.yaml", "nginx", "1.1.0"),
    ];
    let observation = Observation { sites, ..Observation::default() };
    let asked: Vec<String> = questions(&observation, &rules(), &environments())
        .iter()
        .map(|question| {
            let Question { image, environment, policy, current, sites, .. } = question;
            format!("{} {environment} {policy} {current} {sites:?}", image.path())
        })
        .collect();
    assert_eq!(
        asked,
        [
            "acme/web dev semver patch 1.0.0 [4]",
            "acme/web dev semver patch 1.1.0 [2, 3]",
            "acme/web dev newest 1.1.0 [5, 6]",
            "acme/web prod semver patch 1.0.0 [0]",
            "acme/worker dev semver minor 2.0.0 [1]",
        ]
    );
}
