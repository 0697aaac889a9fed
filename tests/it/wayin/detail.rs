//! A report in words is the same whether a pass keeps every tag or the outcome alone.

use tagboat::config::repository;
use tagboat::pass::Detail;
use tagboat::report::View;
use tagboat::report::text::{self, Occasion};

use super::Tree;
use crate::support::memory::MemoryTags;

const CONFIG: &str = "version: 1
images:
  - match: ghcr.io/acme/young
    semver: 1.x
    minAge: 3d
  - match: ghcr.io/acme/wide
    semver: 1.x
    platforms: [linux/arm64]
  - match: ghcr.io/acme/builds
    numeric: asc
    tags: '^main-(?<version>[0-9]+)$'
  - match: ghcr.io/acme/**
    semver: 1.x
environments:
  - name: dev
    files: [dev/**]
    publish: commit
  - name: prod
    files: [prod/**]
    after: dev
    publish: commit
";

#[tokio::test]
async fn words_are_the_same_whatever_was_let_go() {
    let tags = MemoryTags::default();
    let versions = || (0..40).map(|minor| format!("1.{minor}.0")).chain((0..40).map(|major| format!("{major}.0.0")));
    let usual: Vec<String> = versions().chain(["latest".to_owned(), "no tag".to_owned()]).collect();
    let builds: Vec<String> = (0..200).map(|build| format!("main-{build}")).chain(["latest".to_owned()]).collect();
    let names = ["web", "moving", "young", "wide", "lower"];
    let mut files: Vec<(String, String)> = Vec::new();
    for (name, current) in
        names.into_iter().zip(["1.4.0", "latest", "1.4.0", "1.4.0", "1.99.0"]).chain([("builds", "main-7")])
    {
        let image = format!("ghcr.io/acme/{name}");
        let list = if name == "builds" { &builds } else { &usual };
        tags.set(&image, list.iter().map(String::as_str));
        let pod = |tag: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  containers:\n    - name: app\n      image: {image}:{tag}\n"
            )
        };
        files.push((format!("dev/{name}.yaml"), pod(current)));
        if name == "web" {
            files.push(("prod/web.yaml".to_owned(), pod("1.2.0")));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (tree, config) = (Tree::of(&files), repository::parse(".tagboat.yaml", CONFIG.as_bytes()).unwrap());
    let mut told = Vec::new();
    for detail in [Detail::EveryTag, Detail::Outcome] {
        let outcome = tree.plan_in(detail, &config, &tags).await;
        let mut out = Vec::new();
        text::outcome(&outcome, Occasion::Plan, &View::default(), &mut out).unwrap();
        let listed: usize = outcome.images.values().map(|tags| tags.list.len()).sum();
        told.push((String::from_utf8(out).unwrap(), listed));
    }
    let [(every, all), (outcome, left)] = told.as_slice() else { panic!("two were made") };
    assert_eq!(every, outcome);
    // Lines are broken where they are long.
    let words = every.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in ["1.39.0", "main-199", "nothing to compare", "no tag"] {
        assert!(words.contains(said), "{said}: {every}");
    }
    assert!(left * 2 < *all, "{left} of {all} tags are left");
}
