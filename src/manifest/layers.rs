//! What Kustomize lays over what: which `Kustomization` builds on which files, and which images each of them names.
//!
//! Entry points: `layer`, which reads one file, and [`deciders`], which says of the references of all files where
//! another one decides in their place. Nothing is built: a patch that names an image decides for those of the same name
//! below it, where it applies; replacements are not carried out, and what lies behind an address is unknown. No
//! reference is less editable for what is said here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::manifest::kubernetes;
use crate::manifest::kustomize::{FILE_NAMES, PATCHES, is_kustomization, mappings, without_version};
use crate::manifest::reference;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::{RepoPath, Span};
use crate::model::image::shorten;
use crate::model::site::{Format, Site, SkipReason};

/// The words of the keys that name what a `Kustomization` builds on, and what it changes there.
pub(crate) const KEYS: [&str; 4] = ["resources", "bases", "components", "patches"];

/// How many entries of one list are read.
const MAX_ENTRIES: usize = 10_000;

/// How many files are looked at, for all `Kustomization`s together, before the rest goes without a note.
const BUDGET: usize = 2_000_000;

/// How many files that decide are named.
const NAMED: usize = 3;

/// One `Kustomization` or `Component`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The file.
    pub file: RepoPath,
    /// The files and folders that it builds on, as it writes them.
    pub resources: Vec<String>,
    /// The components that it applies to those.
    pub components: Vec<String>,
    /// Its entries of `images`.
    pub images: Vec<LayerImage>,
    /// The files with its patches; those that it holds as text are references of its own file.
    pub patches: Vec<String>,
}

/// One entry of `images`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerImage {
    /// The name that it looks for.
    pub name: String,
    /// The name that it gives instead; the same where it gives none.
    pub becomes: String,
    /// Whether it gives a tag or a digest.
    pub decides: bool,
    /// The entry's bytes.
    pub span: Span,
}

/// Reads what one `Kustomization` builds on, its images and patches; `None` where it says nothing of them.
pub(crate) fn layer(tree: &Tree<'_>, root: NodeId, path: &RepoPath) -> Option<Layer> {
    if !FILE_NAMES.contains(&path.file_name())
        || tree.shape(root) != Shape::Mapping
        || !is_kustomization(tree, root, path)
    {
        return None;
    }
    let texts = |key| {
        let items = kubernetes::items(tree, tree.own(root, key)).into_iter().take(MAX_ENTRIES);
        items.filter_map(|item| tree.filled(item)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut resources = texts("resources");
    resources.append(&mut texts("bases"));
    let patches = PATCHES.into_iter().flat_map(|key| patch_files(tree, tree.own(root, key))).collect();
    let (file, components) = (path.clone(), texts("components"));
    let mut layer = Layer { file, resources, components, images: Vec::new(), patches };
    for entry in mappings(tree, tree.own(root, "images")).into_iter().take(MAX_ENTRIES) {
        let filled = |key| tree.own(entry, key).and_then(|node| tree.filled(node));
        let Some(name) = filled("name") else { continue };
        let becomes = filled("newName").unwrap_or(name);
        let has_version = filled("newName").is_some_and(|name| reference::read(name).version.is_some());
        layer.images.push(LayerImage {
            name: without_version(name).to_owned(),
            becomes: without_version(becomes).to_owned(),
            decides: filled("newTag").is_some() || filled("digest").is_some() || has_version,
            span: tree.span(entry),
        });
    }
    let has_patches = PATCHES.into_iter().any(|key| tree.own(root, key).is_some());
    let is_empty = layer.resources.is_empty() && layer.components.is_empty() && layer.images.is_empty();
    (!is_empty || has_patches).then_some(layer)
}

/// Returns the files that one list of patches names: `{path: …}`, and what is no patch itself.
fn patch_files(tree: &Tree<'_>, list: Option<NodeId>) -> Vec<String> {
    let file = |entry| {
        let written = tree.own(entry, "path").and_then(|node| tree.filled(node)).or_else(|| tree.filled(entry))?;
        (!written.contains(['\n', '{', ':'])).then(|| written.to_owned())
    };
    kubernetes::items(tree, list).into_iter().take(MAX_ENTRIES).filter_map(file).collect()
}

/// Says of each reference which other ones decide in its place, as text for people; `None` for most.
///
/// The references must be sorted by file and offset.
pub fn deciders(layers: &[Layer], sites: &[Site]) -> Vec<Option<String>> {
    let mut notes = vec![None; sites.len()];
    if layers.is_empty() {
        return notes;
    }
    let mut walk = Walk::new(layers, sites);
    for index in 0..layers.len() {
        walk.layer(index);
    }
    for (site, by) in &walk.found {
        let by: Vec<usize> = by.iter().copied().collect();
        notes[*site] = Some(note(&by, sites));
    }
    notes
}

fn note(by: &[usize], sites: &[Site]) -> String {
    let place = |index: &usize| {
        let site = &sites[*index];
        let patch = if site.format == Format::Kustomize { "" } else { " (a patch, where it applies)" };
        format!("{}:{}{patch}", shorten(site.file.as_str()), site.position.line)
    };
    let named: Vec<String> = by.iter().take(NAMED).map(place).collect();
    let further = by.len().saturating_sub(NAMED);
    let verb = if by.len() == 1 { "decides" } else { "decide" };
    match (named.as_slice(), further) {
        ([only], 0) => format!("{only} {verb} for it"),
        ([first @ .., last], 0) => format!("{} and {last} {verb} for it", first.join(", ")),
        (named, further) => format!("{} and {further} more {verb} for it", named.join(", ")),
    }
}

/// Walks from each layer down through everything that it builds on.
struct Walk<'a> {
    layers: &'a [Layer],
    sites: &'a [Site],
    /// The layer of a folder.
    by_folder: HashMap<&'a str, usize>,
    /// The references of a file, as a range of `sites`.
    by_file: HashMap<&'a str, Span>,
    /// For each reference those that decide in its place.
    found: BTreeMap<usize, BTreeSet<usize>>,
    budget: usize,
}

/// The names to look for, each with the references that decide for it.
type Wanted = BTreeMap<String, Vec<usize>>;

impl<'a> Walk<'a> {
    fn new(layers: &'a [Layer], sites: &'a [Site]) -> Self {
        let by_folder = layers.iter().enumerate().map(|(index, layer)| (layer.file.folder(), index)).collect();
        let mut by_file: HashMap<&str, Span> = HashMap::new();
        for (index, site) in sites.iter().enumerate() {
            by_file.entry(site.file.as_str()).or_insert(index..index).end = index + 1;
        }
        Self { layers, sites, by_folder, by_file, found: BTreeMap::new(), budget: BUDGET }
    }

    /// Applies the images of one layer, and of its components, to what it builds on.
    fn layer(&mut self, index: usize) {
        let layer = &self.layers[index];
        let wanted = self.wanted(index);
        let everything = layer.resources.iter().chain(&layer.components);
        self.below(everything.clone().map(|written| (layer.file.folder(), written.as_str())), &wanted);
        // Patches come before `images`, wherever they stand in the file.
        self.decide(&self.patches(index), &wanted);
        let patched = self.patched(index);
        self.below(everything.map(|written| (layer.file.folder(), written.as_str())), &patched);
        for component in &layer.components {
            let Some(other) = resolve(layer.file.folder(), component).and_then(|at| self.by_folder.get(at.as_str()))
            else {
                continue;
            };
            // A component changes what stands beside it in the layer that names it.
            for wanted in [self.wanted(*other), self.patched(*other)] {
                self.below(layer.resources.iter().map(|written| (layer.file.folder(), written.as_str())), &wanted);
            }
        }
    }

    /// Returns the names that a layer's deciding entries look for.
    fn wanted(&self, index: usize) -> Wanted {
        let mut wanted = Wanted::new();
        for image in self.layers[index].images.iter().filter(|image| image.decides) {
            let by = self.sites_within(index, image);
            if !by.is_empty() {
                wanted.entry(image.name.clone()).or_default().extend(by);
            }
        }
        wanted
    }

    /// Returns the names that a layer's patches put somewhere.
    fn patched(&self, index: usize) -> Wanted {
        let mut wanted = Wanted::new();
        for site in self.patches(index) {
            wanted.entry(self.sites[site].written.clone()).or_default().push(site);
        }
        wanted
    }

    /// Returns the references in a layer's patches, those in its own file and those in others.
    fn patches(&self, index: usize) -> Vec<usize> {
        let layer = &self.layers[index];
        let files = layer.patches.iter().filter_map(|written| resolve(layer.file.folder(), written));
        let ranges = files.chain([layer.file.to_string()]).filter_map(|file| self.by_file.get(file.as_str()).cloned());
        ranges.flatten().filter(|site| is_container_image(&self.sites[*site])).collect()
    }

    /// Says of references that those which look for their name decide for them.
    fn decide(&mut self, sites: &[usize], wanted: &Wanted) {
        for site in sites {
            // Layers that build on each other do not decide for themselves.
            let by = wanted.get(&self.sites[*site].written).into_iter().flatten().filter(|by| *by != site);
            let by: Vec<usize> = by.copied().collect();
            if !by.is_empty() {
                self.found.entry(*site).or_default().extend(by);
            }
        }
    }

    fn sites_within(&self, layer: usize, image: &LayerImage) -> Vec<usize> {
        let Some(range) = self.by_file.get(self.layers[layer].file.as_str()) else { return Vec::new() };
        let sites = &self.sites[range.clone()];
        let from = sites.partition_point(|site| site.offset < image.span.start);
        let within = sites[from..].iter().take_while(|site| site.offset < image.span.end);
        within
            .enumerate()
            .filter(|(_, site)| site.format == Format::Kustomize)
            .map(|(at, _)| range.start + from + at)
            .collect()
    }

    /// Looks for the wanted names in everything that is built on, however deep.
    fn below<'p>(&mut self, start: impl Iterator<Item = (&'p str, &'p str)>, wanted: &Wanted) {
        if wanted.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        let mut open: Vec<(String, Wanted)> =
            start.filter_map(|(folder, written)| Some((resolve(folder, written)?, wanted.clone()))).collect();
        while let Some((at, wanted)) = open.pop() {
            if self.budget == 0 || !seen.insert(at.clone()) {
                continue;
            }
            self.budget -= 1;
            let Some(index) = self.by_folder.get(at.as_str()).copied() else {
                self.plain_file(&at, &wanted);
                continue;
            };
            let layer = &self.layers[index];
            let mut beneath = wanted.clone();
            for image in &layer.images {
                // What is given another name here is looked for under its old one.
                if image.becomes != image.name {
                    beneath.remove(&image.name);
                }
            }
            for image in &layer.images {
                let Some(by) = wanted.get(&image.becomes) else { continue };
                for site in self.sites_within(index, image) {
                    // Layers that build on each other do not decide for themselves.
                    for other in by.iter().filter(|other| **other != site) {
                        self.found.entry(site).or_default().insert(*other);
                    }
                }
                beneath.entry(image.name.clone()).or_insert_with(|| by.clone());
            }
            self.decide(&self.patches(index), &beneath);
            let layer = &self.layers[index];
            for written in layer.resources.iter().chain(&layer.components) {
                open.extend(resolve(layer.file.folder(), written).map(|at| (at, beneath.clone())));
            }
        }
    }

    /// Looks for the wanted names in a file with objects.
    fn plain_file(&mut self, file: &str, wanted: &Wanted) {
        let Some(range) = self.by_file.get(file) else { return };
        let sites: Vec<usize> = range.clone().filter(|site| is_container_image(&self.sites[*site])).collect();
        self.decide(&sites, wanted);
    }
}

/// Whether Kustomize changes a reference: the images of containers, and not what a chart, an argument or a marker names.
fn is_container_image(site: &Site) -> bool {
    site.format == Format::Kubernetes && site.image.is_some() && !matches!(site.skipped, Some(SkipReason::Unmarked(_)))
}

/// Returns the path that a written one leads to from a folder; `None` where that is not in the repository.
pub(crate) fn resolve(folder: &str, written: &str) -> Option<String> {
    if written.contains("://") || written.contains('?') || written.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
