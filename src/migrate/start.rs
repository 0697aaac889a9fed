//! A first configuration for a repository that has none: environments by its folders, images by registry.

use std::collections::{BTreeMap, BTreeSet};

use crate::migrate::{Draft, DraftEnvironment, DraftRule, Seen, layout};
use crate::model::environment::Publish;
use crate::model::file::RepoPath;
use crate::model::image::ImageName;
use crate::model::policy::{Policy, Select, Step};
use crate::model::site::{Site, SkipReason};

/// How many images a comment names.
const EXAMPLES: usize = 4;

/// How many characters of examples a comment names.
const WIDTH: usize = 90;

/// How many folders outside of all environments a comment names.
const OUTSIDE: usize = 8;

/// Makes a draft of what there is.
pub fn draft(seen: Seen<'_>) -> Draft {
    let mut draft = Draft {
        heading: vec![
            "What Tagboat follows in this repository. Made by `tagboat init`; change it as you like.".to_owned(),
            "`tagboat check` finds mistakes in it, `tagboat plan` shows what it would do.".to_owned(),
        ],
        ..Draft::default()
    };
    let mut hosts: BTreeMap<&str, BTreeMap<&ImageName, usize>> = BTreeMap::new();
    for site in seen.sites.iter().filter(|site| is_followable(site)) {
        if let Some(image) = &site.image {
            *hosts.entry(image.host()).or_default().entry(image).or_default() += 1;
        }
    }
    let mut hosts: Vec<_> = hosts.into_iter().collect();
    hosts.sort_by_key(|(host, images)| (std::cmp::Reverse(images.len()), *host));
    for (host, images) in hosts {
        let mut examples: Vec<&str> = Vec::new();
        for image in images.keys().take(EXAMPLES) {
            let length: usize = examples.iter().map(|example| example.len() + 2).sum();
            if examples.is_empty() || length + image.path().len() <= WIDTH {
                examples.push(image.path());
            }
        }
        let more = if images.len() > examples.len() { ", …" } else { "" };
        let count = if images.len() == 1 { "1 image".to_owned() } else { format!("{} images", images.len()) };
        draft.rules.push(DraftRule {
            images: format!("{host}/**"),
            policy: Policy::new(Select::Step(Step::Minor)),
            comments: vec![format!("{count}: {}{more}", examples.join(", "))],
        });
    }
    if let Some(first) = draft.rules.first_mut() {
        first.comments.insert(
            0,
            "patch, minor and major say what may change from the version in use; or write a range such as".to_owned(),
        );
        first
            .comments
            .insert(1, "semver: '>=1.4 <2'. Rules for single images go before those for whole registries.".to_owned());
    }
    add_environments(seen, &mut draft);
    draft
}

/// Whether a reference has a version to move from.
fn is_followable(site: &Site) -> bool {
    site.image.is_some() && matches!(site.skipped, None | Some(SkipReason::NamedPolicy(_)))
}

/// Adds the environments that the folders tell, or a single one that holds all files.
pub(super) fn add_environments(seen: Seen<'_>, draft: &mut Draft) {
    let followed: BTreeSet<&str> =
        seen.sites.iter().filter(|site| is_followable(site)).map(|site| site.file.as_str()).collect();
    // Folders tell of environments although nothing in them can be followed yet; those of a hidden folder do not.
    let is_manifest = |path: &&str| {
        let is_yaml = path.ends_with(".yaml") || path.ends_with(".yml");
        (is_yaml && !path.starts_with('.') && !path.contains("/.")) || followed.contains(path)
    };
    let files = seen.files.iter().map(RepoPath::as_str).filter(is_manifest);
    let layout = layout::environments(files, |path| followed.contains(path));
    let silent = (!layout.silent.is_empty()).then(|| {
        let names: Vec<&str> = layout.silent.iter().take(OUTSIDE).map(String::as_str).collect();
        let more = layout.silent.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "Folders tell of {}{more}, too; give each an environment once its files name images of their own.",
            names.join(", ")
        )
    });
    if layout.environments.is_empty() {
        let one =
            silent.unwrap_or_else(|| "No folder tells of an environment, so that one holds all files.".to_owned());
        draft.environments.push(DraftEnvironment {
            name: "default".to_owned(),
            files: vec!["**".to_owned()],
            after: Vec::new(),
            publish: Publish::PullRequest,
            comments: vec![
                one,
                "publish: commit (pushed to the branch), pullRequest (a person merges), autoMerge (merged when every gate passes)".to_owned(),
            ],
        });
        return;
    }
    draft.environments = layout.environments;
    if let Some(first) = draft.environments.first_mut() {
        first.comments.push("publish: commit (pushed to the branch), pullRequest (a person merges), autoMerge (merged when every gate passes).".to_owned());
        first.comments.push(
            "Behind `after`, versions come from the environment named there; `gates: {soak: 24h}` lets them wait."
                .to_owned(),
        );
        first.comments.extend(silent);
        let outside: Vec<String> = layout
            .outside
            .iter()
            .map(|folder| match folder.as_str() {
                "" => "the top folder".to_owned(),
                folder => format!("{folder}/"),
            })
            .collect();
        if !outside.is_empty() {
            let more = outside.len().saturating_sub(OUTSIDE);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown = outside.iter().take(OUTSIDE).cloned().collect::<Vec<_>>().join(", ");
            first.comments.push(format!("In no environment, and so never changed: {shown}{more}."));
            first.comments.push(
                "A change there may reach every environment at once; to follow it, give it an environment, too."
                    .to_owned(),
            );
        }
        draft.outside = outside;
    }
}
