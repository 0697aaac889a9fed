//! Which place of one environment stands for which of another, where one image stands in several: by the shape of paths.
//!
//! Entry point: [`counterpart`]. A path's shape is what the wildcards of its environment's globs stand for: with
//! `envs/dev/**` and `envs/prod/**`, `envs/dev/shop/web.yaml` stands for `envs/prod/shop/web.yaml`.

use std::collections::BTreeSet;

use crate::model::decision::{Decision, Question};
use crate::model::environment::Environment;
use crate::model::observation::Observation;
use crate::model::site::{Site, Value};

/// How many `**` a glob may have of which the shape is told: more fit a path in too many ways.
const MOST_CROSSING: usize = 2;

/// Where a reference stands, less what is its environment's own: the shape of the path, and the how manieth of its image it
/// is in that file.
type Place = (Vec<String>, usize);

/// Returns the one value that an environment before runs at all the places that stand for those of a question; `None`
/// where they run several, or nothing stands for one of them.
pub(super) fn counterpart<'a>(
    observation: &Observation,
    decisions: &'a [Decision],
    (environment, question): (&Environment, &Question),
    before: &Environment,
) -> Option<&'a Value> {
    let own = question.sites.iter().map(|site| place(observation, environment, *site));
    let own: BTreeSet<Place> = own.collect::<Option<_>>()?;
    let mut known: BTreeSet<Place> = BTreeSet::new();
    let mut values: BTreeSet<&Value> = BTreeSet::new();
    for other in decisions.iter().map(|decision| &decision.question) {
        if other.environment != before.name || other.image != question.image {
            continue;
        }
        let places = other.sites.iter().filter_map(|site| place(observation, before, *site));
        let mut common = places.filter(|place| own.contains(place)).peekable();
        if common.peek().is_some() {
            values.insert(&other.current);
        }
        known.extend(common);
    }
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) if known == own => Some(value),
        _ => None,
    }
}

fn place(observation: &Observation, environment: &Environment, index: usize) -> Option<Place> {
    let site = observation.sites.get(index)?;
    let path: Vec<&str> = site.file.as_str().split('/').collect();
    let shape = environment.files.patterns().iter().find_map(|pattern| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let crossing = pattern.iter().filter(|part| **part == "**").count();
        if crossing > MOST_CROSSING { None } else { shape(&pattern, &path) }
    })?;
    let is_before = |other: &&Site| {
        (&other.branch, &other.file, &other.image) == (&site.branch, &site.file, &site.image)
            && other.offset < site.offset
    };
    Some((shape.into_iter().map(str::to_owned).collect(), observation.sites.iter().filter(is_before).count()))
}

/// Returns the parts of a path that wildcards of a glob stand for; `None` where they do not fit.
fn shape<'p>(pattern: &[&str], path: &[&'p str]) -> Option<Vec<&'p str>> {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => Some(Vec::new()),
        (Some((&"**", rest)), _) => (0..=path.len()).find_map(|taken| {
            let left = shape(rest, &path[taken..])?;
            Some(path[..taken].iter().copied().chain(left).collect())
        }),
        (Some((part, rest)), Some((first, left))) if part.contains(['*', '?', '[', '{', '\\']) => {
            let left = shape(rest, left)?;
            Some(std::iter::once(*first).chain(left).collect())
        }
        (Some((part, rest)), Some((first, left))) if part == first => shape(rest, left),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(pattern: &str, path: &str) -> Option<String> {
        let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        shape(&pattern, &path).map(|parts| parts.join("/"))
    }

    #[test]
    fn the_shape_of_a_path_is_what_wildcards_stand_for() {
        for (pattern, path, expected) in [
            ("envs/dev/**", "envs/dev/shop/web.yaml", Some("shop/web.yaml")),
            ("apps/*/dev/**", "apps/shop/dev/web.yaml", Some("shop/web.yaml")),
            ("**/dev/*.yaml", "a/b/dev/web.yaml", Some("a/b/web.yaml")),
            ("values-dev.yaml", "values-dev.yaml", Some("")),
            ("apps/*/dev/**", "apps/shop/prod/web.yaml", None),
            ("**", "web.yaml", Some("web.yaml")),
        ] {
            assert_eq!(shaped(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }
}
