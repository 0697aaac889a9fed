use proptest::prelude::*;

use super::*;
use crate::manifest::Limits;
use crate::manifest::yaml::{Detail, build};
use crate::model::policy::Select;
use crate::policy::{inline, pattern, range};

/// Returns the scalars of a text that must be YAML.
fn scalars(text: &str) -> Vec<String> {
    let tree = build::parse(text, &(0..text.len()), &Limits::default(), Detail::Nodes)
        .unwrap_or_else(|fault| panic!("{fault:?}\n{text}"));
    (0..tree.len()).filter_map(|id| tree.text(crate::manifest::yaml::tree::NodeId(id)).map(str::to_owned)).collect()
}

#[test]
fn environments_are_told_by_folders_and_names() {
    let proposed = |files: &[&str]| -> Vec<String> {
        let layout = layout::environments(files.iter().copied(), |_| true);
        layout
            .environments
            .iter()
            .map(|one| format!("{} {} <- {}", one.name, one.files.join(" "), one.after.join(" ")))
            .collect()
    };
    assert_eq!(
        proposed(&["clusters/eu-1/a.yaml", "clusters/us-1/a.yaml"]),
        ["eu-1 clusters/eu-1/** <- ", "us-1 clusters/us-1/** <- "]
    );
    assert_eq!(
        proposed(&["a/values-dev.yaml", "a/values-prod.yaml", "a/values.yaml"]),
        ["dev a/values-dev.yaml <- ", "prod a/values-prod.yaml <- dev"]
    );
    let apps: Vec<String> =
        (0..9).flat_map(|n| [format!("apps/a{n}/qa/x.yaml"), format!("apps/a{n}/live/x.yaml")]).collect();
    let apps: Vec<&str> = apps.iter().map(String::as_str).collect();
    assert_eq!(proposed(&apps), ["qa apps/*/qa/** <- ", "live apps/*/live/** <- qa"]);
    for alone in [&["web.yaml"][..], &["apps/dev/a.yaml"], &["test-runner/a.yaml", "prod-notes/a.yaml"]] {
        assert_eq!(proposed(alone), Vec::<String>::new(), "{alone:?}");
    }
    assert_eq!(proposed(&["envs/{dev}*/a.yaml", "envs/b/a.yaml"])[1], r"dev-- envs/\{dev\}\*/** <- ");
    let mut apps: Vec<String> = (0..9).map(|n| format!("apps/a{n}/qa/x.yaml")).collect();
    apps.push("apps/dev/qa/x.yaml".to_owned());
    let apps: Vec<&str> = apps.iter().map(String::as_str).collect();
    assert_eq!(proposed(&apps)[0], "dev apps/dev/** <- ");
    assert!(!proposed(&apps)[1].contains("apps/*"), "{:?}", proposed(&apps));
}

#[test]
fn no_file_is_claimed_twice() {
    let parts = ["dev", "prod", "envs", "overlays", "a", "b", "staging", "values-dev.yaml", "x.yaml"];
    let mut files = Vec::new();
    for one in parts {
        for two in parts {
            for three in parts {
                files.push(format!("{one}/{two}/{three}/x.yaml"));
                files.push(format!("{one}/{two}/values-{three}.yaml"));
            }
        }
    }
    let layout = layout::environments(files.iter().map(String::as_str), |_| true);
    let globs: Vec<_> = layout
        .environments
        .iter()
        .map(|one| crate::model::glob::PathGlobs::parse(&one.files).expect("they are globs"))
        .collect();
    for file in &files {
        let claims = globs.iter().filter(|globs| globs.matches(file)).count();
        assert!(claims <= 1, "{file}: {:?}", layout.environments);
    }
}

proptest! {
    #[test]
    fn any_text_survives_as_a_scalar(texts in proptest::collection::vec("\\PC{0,30}|[ -~\n\r\t\u{85}\u{2028}\u{feff}]{0,20}", 1..4)) {
        let draft = Draft {
            environments: vec![DraftEnvironment {
                name: texts[0].clone(),
                files: texts.clone(),
                after: Vec::new(),
                publish: Publish::Commit,
                comments: texts.clone(),
            }],
            message: Some(texts[0].clone()),
            notes: texts.iter().map(|text| Note::general(text.clone())).collect(),
            ..Draft::default()
        };
        let found = scalars(&draft.text());
        let expected = texts.len() + 2;
        let same = found.iter().filter(|one| texts.contains(one)).count();
        prop_assert!(same >= expected, "{found:?}\n{}", draft.text());
    }

    #[test]
    fn a_policy_survives_as_a_marker(tags in "[ -~]{1,12}", bound in 0u64..9) {
        let Ok(tags) = pattern::compile(&tags) else { return Ok(()) };
        let range = range::parse(&format!(">={bound}.1 <{}", bound + 1)).expect("a range");
        let policy = Policy { tags: Some(tags), prerelease: true, ..Policy::new(Select::Range(range)) };
        if let Some(text) = text::marker(&policy) {
            let said = text.strip_prefix("# tagboat:").expect("it begins as a marker");
            let marker = crate::model::site::Marker::Policy(std::sync::Arc::new(policy));
            prop_assert_eq!(inline::read(said).marker, Some(marker));
        }
    }
}
