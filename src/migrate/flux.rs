//! From Flux's image automation to rules for images.
//!
//! Flux chooses by the marker on a line, Tagboat by the name of the image: where lines of one image name different
//! policies, the most frequent becomes the rule, and each other line gets a note with the marker to write there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::foreign::flux::Automation;
use crate::migrate::{Draft, DraftEnvironment, DraftRule, Note, Seen, text, usable_author};
use crate::model::environment::Publish;
use crate::model::glob::PathGlobs;
use crate::model::image::ImageName;
use crate::model::policy::Policy;
use crate::model::site::{Format, Marker, Site, SkipReason};

/// Makes a draft of what Flux's objects and markers say.
pub fn draft(seen: Seen<'_>) -> Draft {
    let mut draft = Draft {
        heading: vec![
            "Made by `tagboat migrate flux` from the ImagePolicy objects and the markers of this repository."
                .to_owned(),
            "When `tagboat plan` shows what you expect, remove the ImageRepository, ImagePolicy and".to_owned(),
            "ImageUpdateAutomation objects together with the `# {\"$imagepolicy\": …}` comments: while a marker"
                .to_owned(),
            "stands, it goes before the rules here, and one that names a removed policy is not followed.".to_owned(),
        ],
        ..Draft::default()
    };
    let origins = policies(seen, &mut draft);
    let followed = rules(seen, &origins, &mut draft);
    environments(seen, &mut draft);
    unmarked(seen, &followed, &mut draft);
    commits(&seen.foreign.automations, &mut draft);
    outside(seen, &mut draft);
    draft.notes.sort();
    draft.notes.dedup();
    draft
}

/// The usable policies as they act: image, policy, and the name of the object.
type Origins = Vec<(ImageName, Arc<Policy>, String)>;

/// Whether a reference has its policy from a certain object.
///
/// Several objects may say the same of different images, and a tag alone may stand beside another image than the
/// policy's; a policy is shared as it is unless its repository adds exclusions to it.
fn is_of(site: &Site, used: &Arc<Policy>, image: &ImageName, policy: &Arc<Policy>) -> bool {
    Arc::ptr_eq(used, policy) || (used == policy && site.image.as_ref() == Some(image))
}

/// A policy with the lines that name it.
type Marked<'a> = (&'a Arc<Policy>, Vec<&'a Site>);

/// Notes the policies that cannot be used or that nothing names, and what they say beyond a policy.
fn policies(seen: Seen<'_>, draft: &mut Draft) -> Origins {
    let mut origins = Origins::new();
    let index = seen.foreign.index();
    for policy in &seen.foreign.policies {
        match index.resolved(policy) {
            Ok(resolved) => {
                let place = format!("{} ({}:{})", policy.origin.name, policy.origin.file, policy.origin.position.line);
                let marked = |site: &Site| match &site.marker {
                    Some(Marker::Policy(used)) => is_of(site, used, &resolved.image, &resolved.policy),
                    _ => false,
                };
                if !seen.sites.iter().any(marked) {
                    draft.notes.push(Note::at(
                        &policy.origin,
                        format!("the ImagePolicy {} for {}: no marker names it", policy.origin.name, resolved.image),
                    ));
                }
                origins.push((resolved.image, resolved.policy, place));
            }
            Err(reason) => draft.notes.push(Note::at(&policy.origin, reason)),
        }
        if policy.reflects.as_deref() == Some("Always") {
            draft.notes.push(Note::at(
                &policy.origin,
                "`digestReflectionPolicy: Always` is carried over as `pin: digest`; to follow a tag whose digest moves, \
                 write `digest: TAG` instead of the range",
            ));
        }
    }
    for repository in &seen.foreign.repositories {
        if !repository.operators.is_empty() {
            let fields = repository.operators.join(", ");
            draft.notes.push(Note::at(
                &repository.origin,
                format!("{fields} of the ImageRepository {}: credentials and hosts are the operator's and stand in service.yaml under `registries`", repository.origin.name),
            ));
        }
    }
    origins
}

/// Makes a rule for every image that marked lines hold; returns those images.
fn rules(seen: Seen<'_>, origins: &Origins, draft: &mut Draft) -> BTreeSet<ImageName> {
    let mut by_image: BTreeMap<&ImageName, Vec<Marked<'_>>> = BTreeMap::new();
    for site in seen.sites {
        if let Some(SkipReason::NamedPolicy(reason)) = &site.skipped {
            draft.notes.push(Note::on(site, reason.clone()));
        }
        let (Some(Marker::Policy(policy)), Some(image), None) = (&site.marker, &site.image, &site.skipped) else {
            continue;
        };
        if !origins.iter().any(|(_, known, _)| known == policy) {
            continue;
        }
        let policies = by_image.entry(image).or_default();
        match policies.iter_mut().find(|(known, _)| *known == policy) {
            Some((_, sites)) => sites.push(site),
            None => policies.push((policy, vec![site])),
        }
    }
    for (image, policies) in &mut by_image {
        // The sort is stable: among equally frequent ones the first in the order of files stays.
        policies.sort_by_key(|(_, sites)| std::cmp::Reverse(sites.len()));
        let (policy, sites) = &policies[0];
        let names: Vec<&str> = origins
            .iter()
            .filter(|(image, known, _)| sites.iter().any(|site| is_of(site, policy, image, known)))
            .map(|(_, _, name)| name.as_str())
            .take(3)
            .collect();
        draft.rules.push(DraftRule {
            images: image.to_string(),
            policy: (***policy).clone(),
            comments: vec![format!("{}; {}", names.join(", "), lines(sites.len()))],
        });
        for (policy, sites) in &policies[1..] {
            for site in sites {
                let marker = text::marker(policy).unwrap_or_else(|| "a marker of its own".to_owned());
                draft.notes.push(Note::on(
                    site,
                    format!("{image} has another policy here than elsewhere: write `{marker}` beside it"),
                ));
            }
        }
        for site in policies.iter().flat_map(|(_, sites)| sites) {
            if site.format == Format::Marked {
                draft.notes.push(Note::on(
                    site,
                    format!("only Flux's marker makes this line a reference to {image}: keep the marker with its policy, or name the place under `formats`"),
                ));
            }
        }
    }
    by_image.keys().map(|image| (*image).clone()).collect()
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

/// Makes an environment of every folder that Flux writes to.
fn environments(seen: Seen<'_>, draft: &mut Draft) {
    let automations = &seen.foreign.automations;
    if automations.is_empty() {
        draft.environments.push(DraftEnvironment {
            name: "default".to_owned(),
            files: vec!["**".to_owned()],
            after: Vec::new(),
            publish: Publish::PullRequest,
            comments: vec!["No ImageUpdateAutomation stands in this repository.".to_owned()],
        });
        return;
    }
    let mut paths: BTreeMap<&str, Vec<&Automation>> = BTreeMap::new();
    for automation in automations {
        let below = |path: &str, other: &str| {
            other.is_empty() || path == other || path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
        };
        // Of two folders of which one holds the other, the outer is the environment.
        let outer = automations.iter().map(|other| other.path.as_str()).filter(|other| below(&automation.path, other));
        let path = outer.min_by_key(|path| path.len()).unwrap_or(&automation.path);
        paths.entry(path).or_default().push(automation);
    }
    let mut names = BTreeSet::new();
    for (path, automations) in paths {
        let last = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("default");
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let plain: String = last.chars().map(|c| if fits(c) { c } else { '-' }).take(90).collect();
        let base = if plain.starts_with(['-', '.']) { format!("e{plain}") } else { plain };
        let mut name = base.clone();
        let mut number = 2;
        while !names.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        let pushes_aside = |one: &&&Automation| {
            one.push_branch.is_some() && one.push_branch != one.branch || one.further.contains(&"`git.push.refspec`")
        };
        let publish =
            if automations.iter().any(|one| pushes_aside(&one)) { Publish::PullRequest } else { Publish::Commit };
        let of: Vec<String> = automations
            .iter()
            .map(|one| format!("{} ({}:{})", one.origin.name, one.origin.file, one.origin.position.line))
            .collect();
        draft.environments.push(DraftEnvironment {
            name,
            files: vec![if path.is_empty() { "**".to_owned() } else { format!("{}/**", super::layout::escaped(path)) }],
            after: Vec::new(),
            publish,
            comments: vec![format!("ImageUpdateAutomation {}", of.join(", "))],
        });
    }
}

/// Notes the lines without a marker that the rules will follow.
fn unmarked(seen: Seen<'_>, followed: &BTreeSet<ImageName>, draft: &mut Draft) {
    for site in seen.sites {
        let is_followed = site.image.as_ref().is_some_and(|image| followed.contains(image));
        if is_followed && site.marker.is_none() && site.skipped.is_none() {
            draft.notes.push(Note::on(
                site,
                format!("{} has no marker here, and the rule will follow it: write `# tagboat: ignore` beside it to leave it alone", site.written),
            ));
        }
    }
}

/// Carries over how commits look.
fn commits(automations: &[Automation], draft: &mut Draft) {
    for automation in automations {
        match &automation.author {
            Some(author) if !usable_author(author) => {
                draft.notes.push(Note::at(&automation.origin, "the author of commits is no `Name <address>`"));
            }
            Some(author) if draft.author.as_ref().is_some_and(|first| first != author) => {
                draft.notes.push(Note::at(
                    &automation.origin,
                    format!("commits have one author here, not also {} <{}>", author.0, author.1),
                ));
            }
            Some(author) => draft.author = Some(author.clone()),
            None => {}
        }
        match &automation.message {
            Some(message) if message.contains("{{") => draft.notes.push(Note::at(
                &automation.origin,
                "`messageTemplate` is a Go template and is not carried over: see `commit.message`",
            )),
            Some(message) if draft.message.as_ref().is_some_and(|first| first != message) => {
                draft.notes.push(Note::at(&automation.origin, "commits have one message here, not also this one's"));
            }
            // `{%` and `{#` would begin something in a template here.
            Some(message) if !message.contains(['{', '}']) => draft.message = Some(message.clone()),
            Some(_) => {
                draft.notes.push(Note::at(&automation.origin, "the commit message holds braces: see `commit.message`"));
            }
            None => {}
        }
        for field in &automation.further {
            draft.notes.push(Note::at(
                &automation.origin,
                format!("{field} of {} is not carried over", automation.origin.name),
            ));
        }
    }
}

/// Notes marked lines that lie in no folder that Flux writes to.
fn outside(seen: Seen<'_>, draft: &mut Draft) {
    let globs: Vec<&String> = draft.environments.iter().flat_map(|environment| &environment.files).collect();
    let Ok(globs) = PathGlobs::parse(&globs) else { return };
    for site in seen.sites {
        let is_marked = matches!(site.marker, Some(Marker::Policy(_))) && site.skipped.is_none();
        if is_marked && !globs.matches(site.file.as_str()) {
            let text = "no ImageUpdateAutomation writes here, so that no environment holds this file".to_owned();
            draft.notes.push(Note::on(site, text));
        }
    }
}
