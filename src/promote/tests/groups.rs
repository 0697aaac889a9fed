//! Groups of which an image or a place is missing or kept as it is.

use super::*;
use crate::model::file::RepoPath;
use crate::model::proposal::Action;
use crate::model::site::{Format, Named, Site, SkipReason};

#[test]
fn a_group_half_of_which_is_missing_here_waits_and_one_that_is_missing_before_does_not() {
    let api = "ghcr.io/acme/api";
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let image = |name: &str| ImageGlob::parse(name).unwrap();
    let groups = Groups(vec![Group { name: "shop".into(), images: vec![image(WEB), image(api)] }]);
    let of = |decisions: Vec<Decision>, groups: &Groups| {
        let promoted = promote(&observation(&[WEB, api]), decisions, &environments, groups);
        let prod = promoted.proposals.into_iter().find(|proposal| proposal.environment == "prod".into()).unwrap();
        (prod.action, prod.reason)
    };
    let web = [decision(WEB, "dev", "1.2.0"), decision(WEB, "prod", "1.0.0")];
    let half = [&web[..], &[decision(api, "dev", "1.2.0")]].concat();
    let reason = "the group moves together: ghcr.io/acme/api: dev runs it, and nothing follows it in prod";
    assert_eq!(of(half.clone(), &groups), (Action::Waiting, Some(reason.to_owned())));
    assert_eq!(of(half, &Groups::default()), (Action::Committed, None));
    assert_eq!(of(web.to_vec(), &groups), (Action::Committed, None));
}

#[test]
fn a_group_waits_for_a_place_of_it_that_a_fault_keeps_as_it_is_and_for_none_that_is_meant_to_stay() {
    let api = "ghcr.io/acme/api";
    let environments =
        Environments(vec![environment("dev", &[], Publish::Commit), environment("prod", &["dev"], Publish::Commit)]);
    let image = |name: &str| ImageGlob::parse(name).unwrap();
    let groups = Groups(vec![Group { name: "shop".into(), images: vec![image(WEB), image(api)] }]);
    let decisions: Vec<Decision> =
        [(WEB, "dev"), (api, "dev")].map(|(image, name)| decision(image, name, "1.2.0")).into();
    let prod = [WEB, api].map(|image| decision(image, "prod", "1.0.0"));
    let decisions = [decisions, prod.into()].concat();
    let of = |file: &str, tag: &str, skipped: Option<SkipReason>, groups: &Groups| {
        let mut observation = observation(&[WEB, api]);
        let site = Site {
            branch: None,
            file: RepoPath::new(file).unwrap(),
            format: Format::Kubernetes,
            image: Some(api.parse().unwrap()),
            written: api.to_owned(),
            value: if tag.is_empty() { Value::default() } else { value(tag) },
            slots: Vec::new(),
            position: Position { line: 3, column: 7 },
            offset: 0,
            named: Named::default(),
            uses: Vec::new(),
            marker: None,
            skipped,
        };
        observation.sites.push(site);
        let promoted = promote(&observation, decisions.clone(), &environments, groups);
        let prod = promoted.proposals.into_iter().find(|proposal| proposal.environment == "prod".into()).unwrap();
        prod.reason
    };
    let twice = || Some(SkipReason::DuplicateKey("image".to_owned()));
    let reason =
        "the group moves together: ghcr.io/acme/api: prod/b.yaml:3:7 cannot be changed: the key `image` stands twice";
    assert_eq!(of("prod/b.yaml", "1.0.0", twice(), &groups).as_deref(), Some(reason));
    assert_eq!(of("prod/b.yaml", "1.2.0", twice(), &groups), None, "what all come to stands there");
    assert_eq!(of("dev/b.yaml", "1.0.0", twice(), &groups), None, "another environment's");
    assert_eq!(of("prod/b.yaml", "1.0.0", Some(SkipReason::Ignored), &groups), None, "meant to stay");
    let range = || Some(SkipReason::Unsupported("the range `>=1.0.0` decides".to_owned()));
    assert_eq!(of("prod/b.yaml", "", range(), &groups), None, "no version stands there that is left behind");
    assert!(of("prod/b.yaml", "1.0.0", range(), &groups).is_some());
    assert_eq!(of("prod/b.yaml", "1.0.0", twice(), &Groups::default()), None, "no group");
}
