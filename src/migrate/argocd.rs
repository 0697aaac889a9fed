//! From Argo CD Image Updater's annotations and resources to rules for images.

use std::collections::BTreeMap;

use crate::manifest::foreign::Origin;
use crate::manifest::foreign::argocd::Followed;
use crate::migrate::{Draft, DraftRule, Note, Seen, start};
use crate::model::environment::Publish;
use crate::model::image::{ImageName, shorten};

/// Makes a draft of what the annotations and resources say.
pub fn draft(seen: Seen<'_>) -> Draft {
    let mut draft = Draft {
        heading: vec![
            "Made by `tagboat migrate argocd` from the annotations and ImageUpdater objects of this repository."
                .to_owned(),
            "When `tagboat plan` shows what you expect, remove them: within an Application's own manifest, the folders"
                .to_owned(),
            "of its sources and what those are built on, they go before the rules here.".to_owned(),
        ],
        ..Draft::default()
    };
    let mut all: Vec<(&Origin, &Followed, String)> = Vec::new();
    for application in &seen.foreign.applications {
        let name = &application.origin.name;
        all.extend(application.images.iter().map(|one| (&application.origin, one, format!("Application {name}"))));
        for (key, value) in &application.further {
            draft.notes.push(Note::at(&application.origin, setting(name, key, value)));
        }
    }
    for updater in &seen.foreign.updaters {
        let name = &updater.origin.name;
        let of = |pattern: &str| format!("ImageUpdater {name}, applications `{}`", shorten(pattern));
        // Where annotations are asked, the resource's own images are not.
        for selection in updater.selections.iter().filter(|selection| !selection.uses_annotations) {
            all.extend(selection.images.iter().map(|one| (&updater.origin, one, of(&selection.pattern))));
        }
        for (key, value) in &updater.further {
            draft.notes.push(Note::at(&updater.origin, setting(name, key, value)));
        }
    }
    rules(seen, &all, &mut draft);
    if !all.is_empty() {
        let branches = |further: &[(&'static str, String)]| {
            further.iter().any(|(key, value)| key.ends_with("ranch") && value.contains(':'))
        };
        let aside = seen.foreign.applications.iter().any(|one| branches(&one.further))
            || seen.foreign.updaters.iter().any(|one| branches(&one.further));
        start::add_environments(seen, &mut draft);
        for environment in &mut draft.environments {
            environment.publish = if aside { Publish::PullRequest } else { Publish::Commit };
        }
    }
    draft.notes.sort();
    draft.notes.dedup();
    draft
}

fn rules(seen: Seen<'_>, all: &[(&Origin, &Followed, String)], draft: &mut Draft) {
    let mut by_image: BTreeMap<&ImageName, usize> = BTreeMap::new();
    for (origin, followed, said_by) in all {
        let image = match &followed.image {
            Ok(image) => image,
            Err(reason) => {
                draft.notes.push(Note::at(origin, format!("{said_by}: not an image: {reason}")));
                continue;
            }
        };
        for (key, value) in &followed.further {
            draft.notes.push(Note::at(origin, setting(&image.to_string(), key, value)));
        }
        let policy = match &followed.policy {
            Ok(policy) => policy,
            Err(reason) => {
                draft.notes.push(Note::at(origin, format!("{said_by}, {image}: {reason}")));
                continue;
            }
        };
        if let Some(known) = by_image.get(image) {
            let rule: &mut DraftRule = &mut draft.rules[*known];
            if rule.policy != **policy {
                let text =
                    format!("{said_by} follows {image} by another policy ({policy}) than the rule ({})", rule.policy);
                let hint =
                    super::text::marker(policy).map(|marker| format!("; write `{marker}` beside its references"));
                draft.notes.push(Note::at(origin, text + &hint.unwrap_or_default()));
            } else {
                rule.comments.push(said_by.clone());
            }
            continue;
        }
        if !seen.sites.iter().any(|site| site.image.as_ref() == Some(image)) {
            draft.notes.push(Note::at(
                origin,
                format!("{said_by}: no file here holds {image}, which its manifests then take from elsewhere"),
            ));
        }
        by_image.insert(image, draft.rules.len());
        draft.rules.push(DraftRule {
            images: image.to_string(),
            policy: (**policy).clone(),
            comments: vec![said_by.clone()],
        });
    }
    // What no application deploys was not followed so far.
    for site in seen.sites.iter().filter(|site| site.marker.is_none() && site.skipped.is_none()) {
        if let Some(image) = site.image.as_ref().filter(|image| by_image.contains_key(image)) {
            let text = format!("{image}: no application here deploys this file, and the rule follows it all the same");
            draft.notes.push(Note::on(site, text + "; `# tagboat: ignore` beside it leaves it alone"));
        }
    }
    draft.rules.sort_by(|one, other| one.images.cmp(&other.images));
}

/// Says of a setting what becomes of it.
fn setting(of: &str, key: &str, value: &str) -> String {
    let value = shorten(value);
    let why = match key {
        "pull-secret" | "pullSecret" => "credentials are the operator's and stand in service.yaml under `registries`",
        "force-update" | "forceUpdate" => "Tagboat follows every reference in Git, whether its image runs or not",
        "helm.image-name"
        | "helm.image-tag"
        | "helm.image-spec"
        | "kustomize.image-name"
        | "manifestTargets.helm.name"
        | "manifestTargets.helm.tag"
        | "manifestTargets.helm.spec"
        | "manifestTargets.kustomize.name" => {
            "Tagboat changes the reference where it stands; if `tagboat scan` does not show it, name its place under `formats`"
        }
        "write-back-target" | "writeBackConfig.gitConfig.writeBackTarget" => {
            "Tagboat changes the reference where it stands, and writes no file of overrides"
        }
        "git-branch" | "writeBackConfig.gitConfig.branch" => {
            "the branch is `tagboat run --branch`'s, and `publish` says how"
        }
        "write-back-method" | "writeBackConfig.method" if value.starts_with("argocd") => {
            "nothing was written to Git so far; Tagboat always does"
        }
        "write-back-method" | "writeBackConfig.method" => "Tagboat writes to the repository that holds this file",
        "git-repository" => "Tagboat writes to the repository that holds this file: move the rule there",
        _ => "not carried over",
    };
    format!("{}: {key} `{value}`: {why}", shorten(of))
}
