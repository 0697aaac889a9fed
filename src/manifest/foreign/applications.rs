//! Which policy an Argo CD application has for a reference: by its annotations, or by an `ImageUpdater` that selects it.
//!
//! A reference belongs to an application that holds it in its own manifest, whose folder it lies in, or whose
//! `Kustomization` is built on its file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::manifest::foreign::Foreign;
use crate::manifest::foreign::argocd::{Application, Followed, Selection, Updater};
use crate::manifest::layers::{self, Layer};
use crate::model::file::RepoPath;
use crate::model::image::{ImageName, shorten};
use crate::model::policy::Policy;
use crate::model::site::{Marker, Site, SkipReason};
use crate::policy::go;

/// How many comparisons of a name with a pattern are made for all applications together.
const MAX_COMPARED: usize = 2_000_000;

/// How many folders and files are walked through for all applications together.
const MAX_WALKED: usize = 1_000_000;

/// What several applications say of one image.
type Said<'a> = Vec<(&'a Application, &'a Followed)>;

/// What the applications say, by the places that they say it of.
#[derive(Default)]
struct Places<'a> {
    by_file: BTreeMap<&'a RepoPath, Vec<(&'a Application, Vec<&'a Followed>)>>,
    by_folder: HashMap<(&'a str, &'a ImageName), Said<'a>>,
    /// By the files that their `Kustomization`s are built on, and by the folders of those.
    by_base: HashMap<(String, &'a ImageName), Said<'a>>,
}

impl Foreign {
    /// Gives the references of applications what is said of their images.
    ///
    /// An application's own manifest goes before folders, the nearest folder before those above it, those before what
    /// it is built on, and the repository's root comes last. Where applications of one place differ, the reference is
    /// left alone.
    pub(super) fn applications_own(&self, sites: &mut [Site], layers: &[Layer]) {
        let places = self.places(layers);
        if places.by_file.is_empty() {
            return;
        }
        for site in sites.iter_mut().filter(|site| site.marker.is_none() && site.skipped.is_none()) {
            match places.policy(site) {
                Some(Ok(policy)) => site.marker = Some(Marker::Policy(policy)),
                Some(Err(reason)) => {
                    let reason = format!("what is said of its application cannot be used: {reason}");
                    site.skipped = Some(SkipReason::NamedPolicy(reason));
                }
                None => {}
            }
        }
    }

    fn places(&self, layers: &[Layer]) -> Places<'_> {
        let mut places = Places::default();
        let mut walk = Walk::new(layers);
        for (application, images) in self.followed() {
            let known = || images.iter().filter_map(|one| Some((one.image.as_ref().ok()?, *one)));
            for folder in application.folders() {
                for (image, followed) in known() {
                    places.by_folder.entry((folder, image)).or_default().push((application, followed));
                }
                for base in walk.below(folder) {
                    for (image, followed) in known() {
                        places.by_base.entry((base.clone(), image)).or_default().push((application, followed));
                    }
                }
            }
            places.by_file.entry(&application.origin.file).or_default().push((application, images));
        }
        places
    }

    /// Returns the images of each application that has any: those of the `ImageUpdater`s that select it, and of its
    /// annotations those that they do not name.
    fn followed(&self) -> Vec<(&Application, Vec<&Followed>)> {
        let mut compared = 0;
        let updaters: Vec<(&Updater, Vec<Pattern<'_>>)> = self
            .updaters
            .iter()
            .map(|updater| (updater, updater.selections.iter().map(Pattern::of).collect()))
            .collect();
        let mut all = Vec::new();
        for application in &self.applications {
            let mut images: Vec<&Followed> = Vec::new();
            for (updater, patterns) in &updaters {
                if let (Some(one), Some(other)) = (&updater.namespace, &application.origin.namespace)
                    && one != other
                {
                    continue;
                }
                compared += patterns.len();
                if compared > MAX_COMPARED {
                    break;
                }
                let fitting = patterns.iter().filter(|pattern| pattern.selects(application));
                let best = fitting.reduce(|one, other| if other.rank() > one.rank() { other } else { one });
                if let Some(best) = best.filter(|best| !best.selection.uses_annotations) {
                    images.extend(&best.selection.images);
                }
            }
            let named: HashSet<&ImageName> = images.iter().filter_map(|one| one.image.as_ref().ok()).collect();
            let is_new = |one: &&Followed| one.image.as_ref().is_ok_and(|image| !named.contains(image));
            let own: Vec<&Followed> = application.images.iter().filter(is_new).collect();
            images.extend(own);
            if !images.is_empty() {
                all.push((application, images));
            }
        }
        all
    }
}

impl Places<'_> {
    /// Returns what is said of a reference.
    fn policy(&self, site: &Site) -> Option<Result<Arc<Policy>, String>> {
        let image = site.image.as_ref()?;
        let at = site.bytes().start;
        let here = self.by_file.get(&site.file).into_iter().flatten().find(|(one, _)| one.span.contains(&at));
        if let Some((application, images)) = here {
            let own: Said<'_> =
                images.iter().filter(|one| one.image.as_ref() == Ok(image)).map(|one| (*application, *one)).collect();
            if !own.is_empty() {
                return Some(agreed(&own));
            }
        }
        let folder = site.file.folder();
        let of_folder = || ancestors(folder).find_map(|folder| self.by_folder.get(&(folder, image)));
        let of_base = |place: &str| self.by_base.get(&(place.to_owned(), image));
        let built_on = || of_base(site.file.as_str()).or_else(|| ancestors(folder).find_map(of_base));
        let said = of_folder().or_else(built_on).or_else(|| self.by_folder.get(&("", image)));
        said.map(|all| agreed(all))
    }
}

/// A selection, and its pattern compiled.
struct Pattern<'a> {
    selection: &'a Selection,
    glob: Option<regex::Regex>,
}

impl<'a> Pattern<'a> {
    fn of(selection: &'a Selection) -> Self {
        Self { selection, glob: go::glob(&selection.pattern).ok().map(|pattern| pattern.0) }
    }

    fn selects(&self, application: &Application) -> bool {
        let has_name = self.glob.as_ref().is_some_and(|glob| glob.is_match(&application.origin.name));
        has_name && self.selection.labels.as_ref().is_ok_and(|all| all.iter().all(|one| one.holds(&application.labels)))
    }

    /// Returns how much a selection says: a whole name, the letters of a pattern, labels.
    fn rank(&self) -> (bool, usize, usize) {
        let pattern = &self.selection.pattern;
        let letters = pattern.chars().filter(|letter| !matches!(letter, '*' | '?')).count();
        (!pattern.contains(['*', '?', '[']), letters, self.selection.labels.as_ref().map_or(0, Vec::len))
    }
}

/// Walks from a folder through all that its `Kustomization` is built on.
struct Walk<'a> {
    by_folder: HashMap<&'a str, &'a Layer>,
    budget: usize,
}

impl<'a> Walk<'a> {
    fn new(layers: &'a [Layer]) -> Self {
        Self { by_folder: layers.iter().map(|layer| (layer.file.folder(), layer)).collect(), budget: MAX_WALKED }
    }

    /// Returns the files and folders that a folder is built on, at any depth.
    fn below(&mut self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut seen: HashSet<String> = HashSet::from([folder.to_owned()]);
        let mut open = vec![folder.to_owned()];
        while let Some(at) = open.pop() {
            let Some(layer) = self.by_folder.get(&*at) else { continue };
            for written in layer.resources.iter().chain(&layer.components).chain(&layer.patches) {
                let Some(next) = layers::resolve(layer.file.folder(), written) else { continue };
                if self.budget > 0 && !next.is_empty() && seen.insert(next.clone()) {
                    self.budget -= 1;
                    found.push(next.clone());
                    open.push(next);
                }
            }
        }
        found
    }
}

/// Returns the policy that is said of an image by all.
fn agreed(all: &[(&Application, &Followed)]) -> Result<Arc<Policy>, String> {
    let Some(((one, first), others)) = all.split_first() else { return Err("there are none".to_owned()) };
    match others.iter().find(|(_, other)| other.policy != first.policy) {
        None => first.policy.clone(),
        Some((other, _)) if std::ptr::eq(*one, *other) => {
            Err(format!("the application {} is told to follow the image in several ways", shorten(&one.origin.name)))
        }
        Some((other, _)) => {
            let names = [one, other].map(|application| shorten(&application.origin.name));
            Err(format!("the applications {} and {} deploy this folder and differ", names[0], names[1]))
        }
    }
}

/// Returns a folder and those above it, the repository's root left out.
fn ancestors(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| Some(folder.rsplit_once('/')?.0)).filter(|folder| !folder.is_empty())
}
