//! What a name in an order stands for: a group, or one image.
//!
//! Entry points: [`meant`] and [`split`]. Which of these move, and where, is not asked here.

use std::collections::BTreeSet;

use crate::decide::questions;
use crate::model::decision::Question;
use crate::model::image::{ImageName, Written, shorten};
use crate::pass::order::{Ground, OrderError, usage};
use crate::promote;

/// What a name stands for.
pub(super) struct Meant {
    /// The group of the proposal.
    pub(super) group: String,
    /// Whether a configured group was named, and not an image.
    pub(super) is_group: bool,
    /// The image of the same name, where a group was named.
    pub(super) namesake: Option<ImageName>,
    /// The images, also those of a group that this environment has not.
    pub(super) images: BTreeSet<ImageName>,
    /// What the environment asks of it.
    pub(super) questions: Vec<Question>,
}

/// Returns what a name stands for: a configured group, the name of an image's own group, or an image. Where a group and an image
/// have one name, the group is meant: one part more of its name, or the whole of it, means the image.
pub(super) fn meant(ground: &Ground<'_>, what: &str) -> Result<Meant, OrderError> {
    let config = ground.inputs.config;
    let name = &ground.environment.name;
    let all = questions::questions(&ground.observation, &config.rules, &config.environments);
    let names = promote::group_names(all.iter().map(|question| &question.image), &config.groups);
    let named = |image: &ImageName| names.get(image).map_or_else(|| image.group_name(), String::clone);
    let (all, further): (Vec<Question>, Vec<Question>) =
        all.into_iter().partition(|question| question.environment == *name);
    let is_group = config.groups.0.iter().any(|group| group.name == what);
    let is_own_name = |image: &ImageName| image.group_name() == what || named(image) == what;
    let is_own_group = all.iter().any(|question| is_own_name(&question.image));
    let written = what.parse::<Written>().ok();
    let among = |written: &Written| written.among(all.iter().map(|question| &question.image));
    let image = match &written {
        Some(written) if !is_group && !is_own_group => Some(among(written)?),
        _ => None,
    };
    // Whose name is that of several images stands for none of them.
    let namesake = written.as_ref().filter(|_| is_group).and_then(|written| among(written).ok());
    let namesake = namesake.filter(|image| all.iter().any(|question| question.image == *image));
    let is_meant = |other: &ImageName| {
        if is_group {
            config.groups.of(other).is_some_and(|group| group.name == what)
        } else {
            image.as_ref().map_or_else(|| is_own_name(other), |image| image == other)
        }
    };
    let (found, others): (Vec<Question>, Vec<Question>) =
        all.into_iter().partition(|question| is_meant(&question.image));
    let Some(first) = found.first() else {
        let known: BTreeSet<&str> = others.iter().map(|question| question.image.as_str()).collect();
        let hint = match known.len() {
            0 => format!("no image is followed in {name}"),
            _ => format!("followed in {name}: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
        };
        return Err(usage(format!("`{}` is neither an image nor a group of {name}", shorten(what)), hint));
    };
    // Images whose own names come to one have a branch each, and one of them all where that name is ordered.
    let is_one = found.iter().all(|question| named(&question.image) == named(&first.image));
    let group = if is_one { named(&first.image) } else { first.image.group_name() };
    let known = found.iter().chain(&further).map(|question| &question.image);
    let images = known.filter(|image| is_meant(image)).cloned().collect();
    Ok(Meant { group, is_group, namesake, images, questions: found })
}

/// Returns the groups of which one image alone was asked for, while others of them are there.
pub(super) fn split(ground: &Ground<'_>, asked: &[Question]) -> BTreeSet<String> {
    let config = ground.inputs.config;
    let of = |image: &ImageName| config.groups.of(image).map(|group| group.name.clone());
    let is_there = |group: &String| {
        ground.observation.sites.iter().filter_map(|site| Some((site.image.as_ref()?, site))).any(|(image, site)| {
            let is_here = || {
                matches!(
                    questions::follow(site, &config.rules, &config.environments),
                    questions::Followed::Yes { environment, .. } if environment == ground.environment.name
                )
            };
            of(image).as_ref() == Some(group) && asked.iter().all(|question| question.image != *image) && is_here()
        })
    };
    asked.iter().filter_map(|question| of(&question.image)).filter(is_there).collect()
}
