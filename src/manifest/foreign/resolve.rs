//! From names to policies: what a marker or an application says of the references of all files.

use std::collections::HashMap;
use std::sync::Arc;

use crate::manifest::foreign::flux::{FluxPolicy, FluxRepository};
use crate::manifest::foreign::{Foreign, Origin, charts};
use crate::manifest::layers::Layer;
use crate::model::file::RepoPath;
use crate::model::image::{ImageName, shorten};
use crate::model::policy::Policy;
use crate::model::site::{MarkedPart, Marker, PolicyReference, Site, SkipReason};

/// A policy with the image that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// Where the policy stands.
    pub origin: &'a Origin,
    /// The image.
    pub image: ImageName,
    /// What may be chosen.
    pub policy: Arc<Policy>,
}

/// Flux's objects by their names, so that many markers and many policies cost no product.
pub struct Index<'a> {
    policies: HashMap<&'a str, Vec<&'a FluxPolicy>>,
    repositories: HashMap<&'a str, Vec<&'a FluxRepository>>,
}

impl Foreign {
    /// Returns Flux's objects by their names.
    pub fn index(&self) -> Index<'_> {
        let mut index = Index { policies: HashMap::new(), repositories: HashMap::new() };
        for policy in &self.policies {
            index.policies.entry(&policy.origin.name).or_default().push(policy);
        }
        for repository in &self.repositories {
            index.repositories.entry(&repository.origin.name).or_default().push(repository);
        }
        index
    }

    /// Gives every reference the policy that its marker names, or that its application has for it.
    ///
    /// A marker whose policy is missing or cannot be used leaves its reference alone, with the reason.
    ///
    /// The references must be sorted by file and offset. Charts of Flux that come from no registry are no references,
    /// and go.
    pub fn resolve(&self, sites: &mut Vec<Site>, layers: &[Layer]) {
        let open = self.name_charts(sites);
        let index = self.index();
        let mut known: HashMap<(String, RepoPath), Result<Resolved<'_>, String>> = HashMap::new();
        for site in sites.iter_mut() {
            let Some(Marker::Named(reference)) = &site.marker else { continue };
            let reference = reference.clone();
            // The nearest policy depends on the folder alone, but most files hold few markers.
            let key = (reference.to_string(), site.file.clone());
            let resolved = known.entry(key).or_insert_with(|| index.policy(&reference, &site.file));
            match resolved {
                Ok(resolved) => take(site, &reference, resolved),
                Err(reason) => site.skipped = Some(SkipReason::NamedPolicy(reason.clone())),
            }
        }
        charts::close(open, sites);
        self.applications_own(sites, layers);
    }
}

impl<'a> Index<'a> {
    /// Returns the policy that a file's marker names.
    ///
    /// Where several files hold one of that name (a copy for each cluster, say), the nearest holds: the one whose
    /// folder has the most in common with the marker's.
    ///
    /// # Errors
    ///
    /// The reason in words.
    pub fn policy(&self, reference: &PolicyReference, file: &RepoPath) -> Result<Resolved<'a>, String> {
        let found = nearest(self.policies.get(&*reference.name), |policy: &FluxPolicy| &policy.origin, reference, file);
        let policy = match found[..] {
            [] => {
                return Err(format!(
                    "names the ImagePolicy {}, which no file here holds",
                    shorten(&reference.to_string())
                ));
            }
            [first, ref others @ ..] => {
                if others.iter().any(|other| other.policy != first.policy || other.repository != first.repository) {
                    let places = found.iter().map(|policy| policy.origin.file.to_string()).collect::<Vec<_>>();
                    let name = shorten(&reference.to_string());
                    return Err(format!("several ImagePolicys are named {name} and differ: {}", places.join(", ")));
                }
                first
            }
        };
        self.resolved(policy)
    }

    /// Returns a policy with its image.
    ///
    /// # Errors
    ///
    /// The reason in words.
    pub fn resolved(&self, policy: &'a FluxPolicy) -> Result<Resolved<'a>, String> {
        let place = &policy.origin;
        let unusable = |reason: &str| {
            format!("the ImagePolicy {} ({}:{}): {reason}", shorten(&place.name), place.file, place.position.line)
        };
        let chosen = policy.policy.as_ref().map_err(|reason| unusable(reason))?;
        let reference = PolicyReference {
            namespace: policy.repository.0.clone().or_else(|| place.namespace.clone()).unwrap_or_default(),
            name: policy.repository.1.clone(),
            part: MarkedPart::Whole,
        };
        let found = nearest(
            self.repositories.get(&*reference.name),
            |one: &FluxRepository| &one.origin,
            &reference,
            &place.file,
        );
        let Some(repository) = found.first() else {
            return Err(unusable(&format!("no file here holds its ImageRepository {}", shorten(&reference.name))));
        };
        if found.iter().any(|other| other.image != repository.image) {
            return Err(unusable("several ImageRepositorys have the name that it refers to, and differ"));
        }
        let image = repository.image.clone().map_err(|reason| unusable(&format!("its ImageRepository: {reason}")))?;
        let excluded = repository.exclusions.clone();
        let excluded =
            excluded.map_err(|reason| unusable(&format!("its ImageRepository's exclusionList: {reason}")))?;
        let mut policy = Arc::clone(chosen);
        if !excluded.is_empty() {
            Arc::make_mut(&mut policy).ignore.extend(excluded);
        }
        Ok(Resolved { origin: place, image, policy })
    }
}

/// Gives a reference its policy. `:tag` beside a tag alone says whose tag it is.
fn take(site: &mut Site, reference: &PolicyReference, resolved: &Resolved<'_>) {
    let is_tag_alone = reference.part == MarkedPart::Tag && site.value.tag.is_some() && !site.slots.is_empty();
    let lacks_name = matches!(site.skipped, Some(SkipReason::NoName));
    if is_tag_alone && (site.image.is_none() || lacks_name) {
        site.image = Some(resolved.image.clone());
        site.written = resolved.image.to_string();
        if lacks_name {
            site.skipped = None;
        }
    }
    if reference.part == MarkedPart::Digest && matches!(site.skipped, Some(SkipReason::DigestOnly)) {
        let reason = "a digest alone: no tag with a marker of the same policy stands in its object".to_owned();
        site.skipped = Some(SkipReason::NamedPolicy(reason));
    }
    if site.skipped.is_some() {
        return;
    }
    match &site.image {
        Some(image) if *image != resolved.image && !is_tag_alone => {
            let reason = format!("its policy is for {}, and only tags and digests are changed here", resolved.image);
            site.skipped = Some(SkipReason::NamedPolicy(reason));
        }
        _ => site.marker = Some(Marker::Policy(Arc::clone(&resolved.policy))),
    }
}

/// Returns the objects of a name that are nearest to a file. One without a namespace fits every namespace, where no
/// other fits better: `kustomize` sets namespaces, too.
pub(super) fn nearest<'a, T>(
    named: Option<&Vec<&'a T>>,
    origin: impl Fn(&T) -> &Origin,
    reference: &PolicyReference,
    file: &RepoPath,
) -> Vec<&'a T> {
    let named = named.map(Vec::as_slice).unwrap_or_default();
    let exact = |object: &&&T| origin(object).namespace.as_ref() == Some(&reference.namespace);
    let open = |object: &&&T| origin(object).namespace.is_none() || reference.namespace.is_empty();
    let mut fitting: Vec<&T> = named.iter().filter(exact).copied().collect();
    if fitting.is_empty() {
        fitting = named.iter().filter(open).copied().collect();
    }
    let common = |object: &&T| {
        let (one, other) = (origin(object).file.folder().split('/'), file.folder().split('/'));
        one.zip(other).take_while(|(one, other)| one == other && !one.is_empty()).count()
    };
    let best = fitting.iter().map(common).max();
    fitting.retain(|object| Some(common(object)) == best);
    fitting
}
