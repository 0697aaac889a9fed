//! What other updaters' objects say of images: policies that stand in files of the same repository.
//!
//! Entry points: `Collector`, which reads the objects of one file, and [`Foreign::resolve`], which gives the
//! references of all files their policies. Nothing is asked of a cluster: what no file holds is unknown.

mod applications;
pub mod argocd;
mod charts;
pub mod flux;
mod object;
pub mod renovate;
pub mod resolve;

#[cfg(test)]
mod tests;

use crate::manifest::foreign::argocd::{Application, Updater};
use crate::manifest::foreign::flux::{Automation, ChartRepository, FluxPolicy, FluxRepository, ReleasedChart};
use crate::manifest::foreign::object::Object;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::model::file::{Position, Positions, RepoPath};

/// How many such objects one file may hold before the rest of them is left out.
const MAX_OBJECTS: usize = 10_000;

/// Where an object stands, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: RepoPath,
    /// Where the object begins.
    pub position: Position,
    /// `metadata.namespace`, where the file says it.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

/// The objects of other updaters, in the order of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Flux's `ImageRepository`s.
    pub repositories: Vec<FluxRepository>,
    /// Flux's `ImagePolicy`s.
    pub policies: Vec<FluxPolicy>,
    /// Flux's `ImageUpdateAutomation`s.
    pub automations: Vec<Automation>,
    /// Argo CD `Application`s, with what the annotations of Argo CD Image Updater say.
    pub applications: Vec<Application>,
    /// The `ImageUpdater`s of Argo CD Image Updater 1.x.
    pub updaters: Vec<Updater>,
    /// The charts that Flux takes from a `HelmRepository`.
    pub charts: Vec<ReleasedChart>,
    /// Flux's `HelmRepository`s.
    pub chart_repositories: Vec<ChartRepository>,
}

/// A word of each kind of file that is looked into for its objects, although it may hold no reference.
pub(crate) const WORDS: [&str; 2] = [flux::REPOSITORY, "argoproj.io"];

impl Foreign {
    /// Adds what another file holds.
    pub fn append(&mut self, other: &mut Self) {
        self.repositories.append(&mut other.repositories);
        self.policies.append(&mut other.policies);
        self.automations.append(&mut other.automations);
        self.applications.append(&mut other.applications);
        self.updaters.append(&mut other.updaters);
        self.charts.append(&mut other.charts);
        self.chart_repositories.append(&mut other.chart_repositories);
    }

    /// Puts the objects into the order of their places.
    pub fn sort(&mut self) {
        let place = |origin: &Origin| (origin.file.clone(), origin.position);
        self.repositories.sort_by_key(|object| place(&object.origin));
        self.policies.sort_by_key(|object| place(&object.origin));
        self.automations.sort_by_key(|object| place(&object.origin));
        self.applications.sort_by_key(|object| place(&object.origin));
        self.updaters.sort_by_key(|object| place(&object.origin));
        self.charts.sort_by_key(|object| place(&object.origin));
        self.chart_repositories.sort_by_key(|object| place(&object.origin));
    }

    fn len(&self) -> usize {
        self.repositories.len()
            + self.policies.len()
            + self.automations.len()
            + self.applications.len()
            + self.updaters.len()
            + self.charts.len()
            + self.chart_repositories.len()
    }
}

/// Collects the objects of one file.
pub(crate) struct Collector<'a> {
    path: &'a RepoPath,
    positions: Positions<'a>,
    is_worth_it: bool,
    found: Foreign,
}

impl<'a> Collector<'a> {
    /// Starts a file; one that names none of the updaters costs a search over its bytes.
    pub(crate) fn new(path: &'a RepoPath, text: &'a str) -> Self {
        let holds = |needle: &str| memchr::memmem::find(text.as_bytes(), needle.as_bytes()).is_some();
        let is_worth_it = holds(flux::GROUP) || WORDS.iter().any(|word| holds(word));
        Self { path, positions: Positions::new(text), is_worth_it, found: Foreign::default() }
    }

    /// Looks at the documents of a chunk.
    pub(crate) fn take(&mut self, tree: &Tree<'_>) {
        if !self.is_worth_it {
            return;
        }
        for root in tree.roots() {
            self.object(tree, *root);
            let list = Object { tree, root: *root };
            if list.text(&["kind"]).is_some_and(|kind| kind.ends_with("List")) {
                for item in list.items(&["items"]) {
                    self.object(tree, item);
                }
            }
        }
    }

    /// Returns what was found.
    pub(crate) fn finish(self) -> Foreign {
        self.found
    }

    fn object(&mut self, tree: &Tree<'_>, root: NodeId) {
        if tree.shape(root) != Shape::Mapping || self.found.len() >= MAX_OBJECTS {
            return;
        }
        let object = Object { tree, root };
        let (Some(version), Some(kind)) = (object.text(&["apiVersion"]), object.text(&["kind"])) else { return };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let is_flux = group == flux::GROUP && flux::KINDS.contains(&kind);
        let is_argo =
            (group == "argoproj.io" && kind == "Application") || (group == argocd::GROUP && kind == "ImageUpdater");
        let is_chart = flux::is_of_flux(version) && matches!(kind, "HelmRelease" | "HelmChart" | flux::REPOSITORY);
        let Some(name) = object.text(&["metadata", "name"]).filter(|_| is_flux || is_argo || is_chart) else { return };
        let origin = Origin {
            file: self.path.clone(),
            position: self.positions.at(tree.span(root).start),
            namespace: object.text(&["metadata", "namespace"]).map(str::to_owned),
            name: name.to_owned(),
        };
        match kind {
            "ImageRepository" => self.found.repositories.push(flux::repository(&object, origin)),
            "ImagePolicy" => self.found.policies.push(flux::policy(&object, origin)),
            "ImageUpdateAutomation" => self.found.automations.push(flux::automation(&object, origin)),
            "Application" => self.found.applications.push(argocd::application(&object, origin)),
            "HelmRelease" | "HelmChart" => self.found.charts.extend(flux::released(&object, origin)),
            flux::REPOSITORY => self.found.chart_repositories.push(flux::chart_repository(&object, origin)),
            _ => self.found.updaters.push(argocd::updater(&object, origin)),
        }
    }
}
