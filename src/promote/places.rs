//! Which place of one environment stands for which of another, where one image stands in several: by the shape of paths.
//!
//! Entry point: `Places`. Where several places have one shape, nobody can tell which stands for which. A path's shape is
//! what the wildcards of its environment's globs stand for: with `envs/dev/**` and `envs/prod/**`, `envs/dev/shop/web.yaml`
//! stands for `envs/prod/shop/web.yaml`, and with `apps/*-dev.yaml` and `apps/*-prod.yaml`, `apps/shop-dev.yaml` stands for
//! `apps/shop-prod.yaml`.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::environment::Environment;
use crate::model::glob;
use crate::model::image::ImageName;
use crate::model::site::Site;
use crate::promote::wildcards::{self, Part};

/// How many `**` a glob may have of which the shape is told: more fit a path in too many ways.
const MOST_CROSSING: usize = 2;

/// Where a reference stands, less what is its environment's own: the shape of the path, and the how manieth of its image it
/// is in that file.
pub(super) type Place = (Vec<String>, usize);

/// The places of references.
pub struct Places<'a> {
    sites: &'a [Site],
    /// The how manieth of its image each site is in its file; counted when somebody asks.
    ordinals: OnceCell<Vec<usize>>,
    /// The sites of each image; found when somebody asks.
    of_images: OnceCell<BTreeMap<&'a ImageName, Vec<usize>>>,
}

impl<'a> Places<'a> {
    /// Takes the sites whose places are asked for by their positions.
    pub fn new(sites: &'a [Site]) -> Self {
        Self { sites, ordinals: OnceCell::new(), of_images: OnceCell::new() }
    }

    /// Returns the place of a site; `None` where no glob of its environment tells its shape.
    pub(super) fn of(&self, environment: &Environment, index: usize) -> Option<Place> {
        let path: Vec<&str> = self.sites.get(index)?.file.as_str().split('/').collect();
        let shape = environment.files.patterns().iter().find_map(|pattern| {
            let pattern = glob::normal(pattern);
            let pattern: Vec<&str> = pattern.split('/').collect();
            let crossing = pattern.iter().filter(|part| **part == "**").count();
            if crossing > MOST_CROSSING { None } else { shape(&pattern, &path) }
        })?;
        let ordinal = self.ordinals.get_or_init(|| ordinals(self.sites))[index];
        Some((shape, ordinal))
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

    /// Returns at how many sites of an image each place of an environment is found: more than one where several globs give
    /// paths the same shape.
    pub(super) fn shared(&self, environment: &Environment, image: &ImageName) -> BTreeMap<Place, usize> {
        let mut shared = BTreeMap::new();
        for place in self.at(environment, image).into_iter().filter_map(|index| self.of(environment, index)) {
            *shared.entry(place).or_default() += 1;
        }
        shared
    }
}

/// Whether a place is that of one site alone.
pub(super) fn is_single(shared: &BTreeMap<Place, usize>, place: &Place) -> bool {
    shared.get(place).is_none_or(|count| *count == 1)
}

/// Counts for each site how many of its image stand before it in its file.
fn ordinals(sites: &[Site]) -> Vec<usize> {
    let of_what = |index: usize| (&sites[index].branch, &sites[index].file, &sites[index].image);
    let mut order: Vec<usize> = (0..sites.len()).collect();
    order.sort_by_key(|index| (of_what(*index), sites[*index].offset));
    let mut ordinals = vec![0; sites.len()];
    for pair in order.windows(2) {
        if of_what(pair[0]) == of_what(pair[1]) {
            ordinals[pair[1]] = ordinals[pair[0]] + 1;
        }
    }
    ordinals
}

/// Places of one image in two environments that do not stand for one another.
#[derive(Debug, Default)]
pub struct Apart {
    /// The sites of the one that follows whose place the other has not.
    pub here: Vec<usize>,
    /// The sites of the one before whose place the other has not.
    pub there: Vec<usize>,
    /// The sites of the one that follows of which the globs do not tell for which they stand.
    pub ambiguous: Vec<usize>,
}

/// Finds the places of one image that only one of two environments has, where some of its places stand for each other, and
/// those of which nobody can tell for which they stand; the two may be of different repositories.
pub fn apart_from(
    image: &ImageName,
    (places, environment, here): (&Places<'_>, &Environment, &[usize]),
    (places_before, before, there): (&Places<'_>, &Environment, &[usize]),
) -> Apart {
    let of = |places: &Places<'_>, environment: &Environment, sites: &[usize]| -> Vec<(usize, Option<Place>)> {
        sites.iter().map(|site| (*site, places.of(environment, *site))).collect()
    };
    let (here, there) = (of(places, environment, here), of(places_before, before, there));
    let set = |places: &[(usize, Option<Place>)]| -> BTreeSet<Place> {
        places.iter().filter_map(|(_, place)| place.clone()).collect()
    };
    let (known, other) = (set(&here), set(&there));
    if known.is_disjoint(&other) {
        return Apart::default();
    }
    let shared = (places.shared(environment, image), places_before.shared(before, image));
    let is_ambiguous = |place: &Place| !is_single(&shared.0, place) || !is_single(&shared.1, place);
    let lacking = |places: &[(usize, Option<Place>)], other: &BTreeSet<Place>| -> Vec<usize> {
        let is_alone = |place: &Option<Place>| place.as_ref().is_none_or(|place| !other.contains(place));
        places.iter().filter(|(_, place)| is_alone(place)).map(|(site, _)| *site).collect()
    };
    let among =
        |place: &Option<Place>| place.as_ref().is_some_and(|place| other.contains(place) && is_ambiguous(place));
    let ambiguous = here.iter().filter(|(_, place)| among(place)).map(|(site, _)| *site).collect();
    Apart { here: lacking(&here, &other), there: lacking(&there, &known), ambiguous }
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
