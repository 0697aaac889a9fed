//! Which place of one environment stands for which of another, where one image stands in several: by the shape of paths,
//! and within a file by what names it.
//!
//! Entry point: [`Places`]. A path's shape is what the wildcards of its environment's globs stand for: with `envs/dev/**` and
//! `envs/prod/**`, `envs/dev/shop/web.yaml` stands for `envs/prod/shop/web.yaml`, and with `apps/*-dev.yaml` and
//! `apps/*-prod.yaml`, `apps/shop-dev.yaml` stands for `apps/shop-prod.yaml`. Where several files have one shape, or several
//! places of a file one name and not one version, nobody can tell which stands for which. The order within a file tells
//! nothing.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::Environment;
use crate::model::glob;
use crate::model::image::ImageName;
use crate::model::site::{Named, Site};
use crate::promote::wildcards::{self, Part};

/// How many `**` a glob may have of which the shape is told: more fit a path in too many ways.
const MOST_CROSSING: usize = 2;

/// A path, less what is its environment's own.
pub(super) type Shape = Vec<String>;

/// The places of references.
pub struct Places<'a> {
    sites: &'a [Site],
    /// The sites of each image; found when somebody asks.
    of_images: OnceCell<BTreeMap<&'a ImageName, Vec<usize>>>,
}

/// The places of one image in one environment, also those that nobody follows, for they stand there.
pub(super) struct Standing<'a> {
    sites: &'a [Site],
    shapes: BTreeMap<usize, Shape>,
    by_shape: BTreeMap<Shape, Vec<usize>>,
}

/// What stands for a place in another environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stand {
    /// These, which run one version.
    Sites(Vec<usize>),
    /// Nothing.
    Missing,
    /// Neither globs nor names tell.
    Ambiguous,
}

impl<'a> Places<'a> {
    /// Takes the sites whose places are asked for by their positions.
    pub fn new(sites: &'a [Site]) -> Self {
        Self { sites, of_images: OnceCell::new() }
    }

    /// Returns the sites of an image in an environment; those that nobody follows count, too, for they stand there.
    pub(super) fn at(&self, environment: &Environment, image: &ImageName) -> Vec<usize> {
        let of_images = self.of_images.get_or_init(|| {
            let mut of_images: BTreeMap<&ImageName, Vec<usize>> = BTreeMap::new();
            for (index, site) in self.sites.iter().enumerate() {
                if let Some(image) = &site.image {
                    of_images.entry(image).or_default().push(index);
                }
            }
            of_images
        });
        let is_there = |index: &&usize| {
            let site = &self.sites[**index];
            site.branch == environment.branch && environment.files.matches(site.file.as_str())
        };
        of_images.get(image).into_iter().flatten().filter(is_there).copied().collect()
    }

    /// Returns the places of an image in an environment.
    pub(super) fn standing(&self, environment: &Environment, image: &ImageName) -> Standing<'a> {
        let shapes: BTreeMap<usize, Shape> = self
            .at(environment, image)
            .into_iter()
            .filter_map(|site| Some((site, shape_of(environment, self.sites[site].file.as_str())?)))
            .collect();
        let mut by_shape: BTreeMap<Shape, Vec<usize>> = BTreeMap::new();
        for (site, shape) in &shapes {
            by_shape.entry(shape.clone()).or_default().push(*site);
        }
        Standing { sites: self.sites, shapes, by_shape }
    }
}

impl Standing<'_> {
    /// Finds what stands for one of these places among those of another environment.
    pub(super) fn stand(&self, site: usize, others: &Standing<'_>) -> Stand {
        let Some(shape) = self.shapes.get(&site) else { return Stand::Missing };
        let (Some(here), Some(there)) = (self.by_shape.get(shape), others.by_shape.get(shape)) else {
            return Stand::Missing;
        };
        if !self.is_one_file(here) || !others.is_one_file(there) {
            return Stand::Ambiguous;
        }
        if here.len() == 1 && there.len() == 1 {
            return Stand::Sites(there.clone());
        }
        let found = match self.namesakes(site, here, others, there) {
            Some(found) if found.is_empty() => return Stand::Missing,
            Some(found) => found,
            // Of one version it makes no difference which of them it is.
            None => there.clone(),
        };
        let is_one = found.windows(2).all(|pair| others.sites[pair[0]].value == others.sites[pair[1]].value);
        if is_one { Stand::Sites(found) } else { Stand::Ambiguous }
    }

    /// Returns the places of a file there that are called as one of a file here; `None` where no names are the same.
    ///
    /// Namespaces and names of resources are often an environment's own: they count where they are the same in both.
    fn namesakes(&self, site: usize, here: &[usize], others: &Standing<'_>, there: &[usize]) -> Option<Vec<usize>> {
        type Way = fn(Named) -> Named;
        let ways: [(Way, bool); 3] = [
            (|named| named, false),
            (|named| Named { namespace: 0, ..named }, true),
            (|named| Named { within: named.within, ..Named::default() }, true),
        ];
        for (way, is_telling) in ways {
            let names: BTreeSet<Named> = here.iter().map(|site| way(self.sites[*site].named)).collect();
            let own = way(self.sites[site].named);
            let called = |site: &&usize| way(others.sites[**site].named) == own;
            let found: Vec<usize> = there.iter().filter(called).copied().collect();
            let is_shared = || there.iter().any(|site| names.contains(&way(others.sites[*site].named)));
            if !found.is_empty() || (is_telling && is_shared()) {
                return Some(found);
            }
        }
        None
    }

    fn is_one_file(&self, sites: &[usize]) -> bool {
        sites.windows(2).all(|pair| self.sites[pair[0]].file == self.sites[pair[1]].file)
    }
}

/// Places of one image in two environments that do not stand for one another.
#[derive(Debug, Default)]
pub struct Apart {
    /// The sites of the one that follows whose place the other has not.
    pub here: Vec<usize>,
    /// The sites of the one before whose place the other has not.
    pub there: Vec<usize>,
    /// The sites of the one that follows of which neither globs nor names tell for which they stand.
    pub ambiguous: Vec<usize>,
}

/// Finds the places of one image that only one of two environments has, where some of its places stand for each other, and
/// those of which nobody can tell for which they stand; the two may be of different repositories.
pub fn apart_from(
    image: &ImageName,
    (places, environment, here): (&Places<'_>, &Environment, &[usize]),
    (places_before, before, there): (&Places<'_>, &Environment, &[usize]),
) -> Apart {
    let (own, others) = (places.standing(environment, image), places_before.standing(before, image));
    if !own.by_shape.keys().any(|shape| others.by_shape.contains_key(shape)) {
        return Apart::default();
    }
    let with = |sites: &[usize], own: &Standing<'_>, others: &Standing<'_>, wanted: &Stand| -> Vec<usize> {
        sites.iter().copied().filter(|site| own.stand(*site, others) == *wanted).collect()
    };
    Apart {
        here: with(here, &own, &others, &Stand::Missing),
        there: with(there, &others, &own, &Stand::Missing),
        ambiguous: with(here, &own, &others, &Stand::Ambiguous),
    }
}

/// Returns the shape of a path; `None` where no glob of its environment tells it.
fn shape_of(environment: &Environment, path: &str) -> Option<Shape> {
    let path: Vec<&str> = path.split('/').collect();
    environment.files.patterns().iter().find_map(|pattern| {
        let pattern = glob::normal(pattern);
        let pattern: Vec<&str> = pattern.split('/').collect();
        let crossing = pattern.iter().filter(|part| **part == "**").count();
        if crossing > MOST_CROSSING { None } else { shape(&pattern, &path) }
    })
}

/// Returns what the wildcards of a glob stand for in a path, part by part; `None` where they do not fit.
fn shape(pattern: &[&str], path: &[&str]) -> Option<Vec<String>> {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => Some(Vec::new()),
        (Some((&"**", rest)), _) => (0..=path.len()).find_map(|taken| {
            let left = shape(rest, &path[taken..])?;
            Some(path[..taken].iter().map(|part| (*part).to_owned()).chain(left).collect())
        }),
        (Some((part, rest)), Some((first, left))) if part.contains(['*', '?', '[', '{', '\\']) => {
            let of = if left.is_empty() { Part::File } else { Part::Folder };
            let own = wildcards::stand_for(part, first, of)?;
            let left = shape(rest, left)?;
            Some(own.into_iter().chain(left).collect())
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
            ("apps/*-dev.yaml", "apps/shop-dev.yaml", Some("shop.yaml")),
            ("apps/dev-*.yaml", "apps/dev-shop.yaml", Some("shop.yaml")),
            ("apps/*/values-dev.yaml", "apps/shop/values-dev.yaml", Some("shop")),
            ("*/dev-*/**", "eu/dev-1/web.yaml", Some("eu/1/web.yaml")),
            ("apps/*/dev/**", "apps/shop/prod/web.yaml", None),
            ("**", "web.yaml", Some("web.yaml")),
        ] {
            assert_eq!(shaped(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }
}
