//! What the manifest formats mean: the bytes of a file in, the sites of its image references out.
//!
//! Entry point: [`scan`]. One file a format; the rules that hold for all formats live in `finder`. Pure: no file
//! is read here and no registry asked, and no YAML is ever written.

mod ansible;
mod argocd;
mod charts;
mod compose;
mod configured;
mod contents;
mod crossplane;
mod devcontainer;
mod dockerfile;
mod documents;
mod doubtful;
pub(crate) mod finder;
mod fleet;
pub mod foreign;
mod github_actions;
mod gitlab_ci;
mod hcl;
mod helm_values;
mod helmfile;
mod json;
mod kubernetes;
mod kustomize;
pub mod layers;
mod marker;
pub(crate) mod names;
mod plain;
mod quadlet;
pub(crate) mod reference;
pub mod stored;
mod surroundings;
mod tekton;
mod template;
#[cfg(test)]
mod tests;
mod variable;
pub(crate) mod yaml;

pub use crate::manifest::contents::Contents;
pub use crate::manifest::names::may_hold_reference;
pub use crate::manifest::surroundings::Surroundings;

use crate::manifest::finder::{Finder, Found, named};
use crate::manifest::foreign::{Collector, Foreign};
use crate::manifest::layers::Layer;
use crate::manifest::yaml::tree::{NodeId, Role, Shape, Tree};
use crate::manifest::yaml::{Detail, Fault, build, split};
use crate::model::file::{Position, Positions, RepoPath, Span};
use crate::model::site::{Format, Marker, PassedOver, PassedOverReason, ScalarStyle, Site, SkipReason};

/// How many documents of a file that cannot be parsed are reported one by one.
const MAX_FAULTS: usize = 20;

/// What one file may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest file that is read, in bytes.
    pub max_bytes: u64,
    /// How deep collections may nest.
    pub max_depth: usize,
    /// How many nodes one document may have.
    pub max_nodes: usize,
    /// How many aliases one document may have; they are never expanded.
    pub max_aliases: usize,
}

impl Default for Limits {
    /// 16 MiB, 200 levels, a million nodes and 10,000 aliases: far above any manifest that people keep.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_depth: 200, max_nodes: 1_000_000, max_aliases: 10_000 }
    }
}

/// What was found in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileScan {
    /// The references in the order in which they stand.
    pub sites: Vec<Site>,
    /// The file, or documents of it, that were not looked into.
    pub passed_over: Vec<PassedOver>,
    /// What other updaters' objects in it say.
    pub foreign: Foreign,
    /// What its `Kustomization`s build on.
    pub layers: Vec<Layer>,
}

/// Finds every image reference of a file.
///
/// A file that cannot hold one costs a single pass over its bytes. Broken documents do not hide those beside them.
pub fn scan(path: &RepoPath, bytes: &[u8], surroundings: &Surroundings, limits: &Limits) -> FileScan {
    match open(path, bytes, surroundings, limits) {
        Contents::Nothing => FileScan::default(),
        Contents::PassedOver(reason) => passed_over(path, reason),
        Contents::Text(text) => scan_text(path, text, surroundings, limits),
    }
}

/// Judges a file by one pass over its bytes: a file without a reference is not parsed.
pub fn open<'a>(path: &RepoPath, bytes: &'a [u8], surroundings: &Surroundings, limits: &Limits) -> Contents<'a> {
    contents::read(path, bytes, surroundings, limits)
}

/// Finds every image reference of a text that [`open`] gave.
pub fn scan_text(path: &RepoPath, text: &str, surroundings: &Surroundings, limits: &Limits) -> FileScan {
    let is_template = surroundings.is_template(path);
    // JSON that holds a marker holds a comment, which YAML does not know.
    let may_have_comments =
        || surroundings.formats_of(path).next().is_some() || (!is_template && marker::stands_in(text));
    if devcontainer::is_devcontainer(path) || (names::is_json(path) && may_have_comments()) {
        return json_scan(path, text, surroundings, limits);
    }
    if !names::is_yaml(path) {
        return plain_scan(path, text, surroundings);
    }
    if is_template {
        return template_scan(path, text, surroundings);
    }
    let is_named = surroundings.formats_of(path).next().is_some();
    let mut found = Vec::new();
    let mut faults = Vec::new();
    let mut collector = Collector::new(path, text);
    let mut layers = Vec::new();
    let mut more_faults = false;
    for chunk in split::chunks(text) {
        let part = &text[chunk.clone()];
        let has_braces = template::has_braces(part);
        let may_hold = || is_named || contents::may_hold(part.as_bytes()) || documents::may_hold(path, part.as_bytes());
        if !has_braces && !may_hold() {
            continue;
        }
        let has_marker = marker::stands_in(part);
        let detail = if has_marker { Detail::Comments } else { Detail::Nodes };
        match build::parse(text, &chunk, limits, detail) {
            Err(Fault::Broken { .. }) if template::looks_like_one(part) => {
                return template_scan(path, text, surroundings);
            }
            Err(fault) if faults.len() < MAX_FAULTS => faults.push(fault),
            Err(_) => more_faults = true,
            Ok(tree) if has_braces && template::is_one(text, &tree) && !documents::is_jinja(&tree) => {
                return template_scan(path, text, surroundings);
            }
            Ok(tree) => {
                read_chunk(path, text, surroundings, &chunk, &tree, &mut found);
                collector.take(&tree);
                layers.extend(tree.roots().iter().filter_map(|root| layers::layer(&tree, *root, path)));
            }
        }
    }
    if more_faults {
        faults.push(Fault::TooComplex(format!("more than {MAX_FAULTS} documents cannot be parsed")));
    }
    let mut positions = Positions::new(text);
    let passed = faults.into_iter().map(|fault| PassedOver {
        file: path.to_string(),
        reason: match fault {
            Fault::TooComplex(reason) => PassedOverReason::TooComplex(reason),
            Fault::Broken { offset, reason } => {
                let offset = floor_boundary(text, offset);
                PassedOverReason::Broken { position: Some(positions.at(offset)), reason }
            }
        },
    });
    let passed = passed.collect();
    configured::add(path, text, surroundings, &mut found);
    FileScan { foreign: collector.finish(), layers, ..sites(path, text, 0, found, passed) }
}

/// Finds the references of one chunk that was parsed already, comments included.
///
/// Their positions count from the chunk's start: walking there from the file's own start again and again would cost
/// the square of a file with many documents.
pub(crate) fn scan_parsed(
    path: &RepoPath,
    text: &str,
    surroundings: &Surroundings,
    chunk: &Span,
    tree: &Tree<'_>,
) -> Vec<Site> {
    let mut found = Vec::new();
    read_chunk(path, text, surroundings, chunk, tree, &mut found);
    sites(path, text, chunk.start, found, Vec::new()).sites
}

/// Returns a file's text where it may be looked into.
pub(crate) fn text<'a>(
    path: &RepoPath,
    bytes: &'a [u8],
    surroundings: &Surroundings,
    limits: &Limits,
) -> Result<&'a str, String> {
    match contents::read(path, bytes, surroundings, limits) {
        Contents::Text(text) => Ok(text),
        Contents::PassedOver(reason) => Err(reason.to_string()),
        Contents::Nothing => Err("the file holds no reference any more".to_owned()),
    }
}

/// Whether a file is read as YAML and is no template.
///
/// Braces in quotes, in block scalars and in comments make none; where some stand, the file is parsed to tell.
pub(crate) fn is_surely_yaml(path: &RepoPath, text: &str, surroundings: &Surroundings, limits: &Limits) -> bool {
    let parses = |chunk: Span| {
        let tree = || build::parse(text, &chunk, limits, Detail::Nodes);
        !template::looks_like_one(&text[chunk.clone()]) || tree().is_ok_and(|tree| !template::is_one(text, &tree))
    };
    names::is_yaml(path)
        && !surroundings.is_template(path)
        && surroundings.formats_of(path).next().is_none()
        && (!template::looks_like_one(text) || split::chunks(text).into_iter().all(parses))
}

/// Finds the references of all documents of a chunk, with the markers beside them.
fn read_chunk(
    path: &RepoPath,
    text: &str,
    surroundings: &Surroundings,
    chunk: &Span,
    tree: &Tree<'_>,
    found: &mut Vec<Found>,
) {
    let mut finder = Finder::new(text, tree);
    for root in tree.roots() {
        read_document(&mut finder, *root, path, surroundings);
        configured::paths(&mut finder, *root, path, surroundings);
    }
    let mut finds = finder.finish();
    marker::attach(text, chunk, tree.comments(), Some(tree), &mut finds);
    named::give(tree, &mut finds);
    found.append(&mut finds);
}

/// Lets the format that explains a document find its references.
fn read_document(finder: &mut Finder<'_, '_>, root: NodeId, path: &RepoPath, surroundings: &Surroundings) {
    if documents::find(finder, root, path, surroundings) {
        return;
    }
    let tree = finder.tree;
    if tree.shape(root) != Shape::Mapping {
        return list_at_the_root(finder, root, path);
    }
    if kustomize::is_kustomization(tree, root, path) {
        kustomize::find(finder, root);
    } else if charts::is_metadata(path) {
        charts::metadata(finder, root, path, surroundings);
    } else if argocd::is_override(path) {
        argocd::source(finder, root);
    } else if kubernetes::is_object(tree, root) {
        kubernetes::find(finder, root);
        doubtful::elsewhere(finder, root, Format::Kubernetes);
    } else if names::may_be_values(path) {
        helm_values::find(finder, root);
        doubtful::elsewhere(finder, root, Format::HelmValues);
    }
}

/// Lists the images of a list at the root, which no format explains: a task, or some other tool's own. A list of
/// operations patches an object.
fn list_at_the_root(finder: &mut Finder<'_, '_>, root: NodeId, path: &RepoPath) {
    let tree = finder.tree;
    if kustomize::is_patch(tree, root) {
        return kustomize::patch(finder, root);
    }
    if !names::may_be_values(path) {
        return;
    }
    for at in (root.0..tree.end(root).0).map(NodeId) {
        let value = NodeId(at.0 + 1);
        let is_image = tree.role(at) == Role::Key && tree.text(at) == Some("image");
        if is_image && tree.filled(value).is_some_and(|text| reference::read(text).version.is_some()) {
            let reason = "it stands in a list at the root, which no known format explains".to_owned();
            finder.unread(value, Format::HelmValues, SkipReason::Unsupported(reason));
        }
    }
}

/// Reads a file that is no YAML: by its own format, where it has one, and its marked lines.
fn plain_scan(path: &RepoPath, text: &str, surroundings: &Surroundings) -> FileScan {
    let (mut found, fault) = match plain::Language::of(path) {
        Some(language) => {
            let (mut found, fault) = language.find(text);
            marker::attach(text, &(0..text.len()), &marker::comments(text), None, &mut found);
            (found, fault)
        }
        None => (marker::marked_lines(text), None),
    };
    let faults = [fault, configured::add(path, text, surroundings, &mut found)];
    let passed = faults.into_iter().flatten().map(|reason| PassedOver { file: path.to_string(), reason }).collect();
    sites(path, text, 0, found, passed)
}

/// Reads JSON that may hold comments; what is found is edited as bytes, since the file need not be YAML.
fn json_scan(path: &RepoPath, text: &str, surroundings: &Surroundings, limits: &Limits) -> FileScan {
    let whole = 0..text.len();
    let readable = json::without_comments(text);
    let mut found = Vec::new();
    let mut passed = Vec::new();
    match build::parse(&readable, &whole, limits, Detail::Nodes) {
        Err(Fault::TooComplex(reason)) => passed.push(PassedOverReason::TooComplex(reason)),
        Err(Fault::Broken { offset, reason }) => {
            let position = Some(Positions::new(text).at(floor_boundary(text, offset)));
            passed.push(PassedOverReason::Broken { position, reason });
        }
        Ok(tree) => {
            read_chunk(path, &readable, surroundings, &whole, &tree, &mut found);
            for slot in found.iter_mut().flat_map(|find| &mut find.slots) {
                slot.style = ScalarStyle::Raw;
            }
        }
    }
    marker::attach(text, &whole, &marker::comments(text), None, &mut found);
    configured::add(path, text, surroundings, &mut found);
    let passed = passed.into_iter().map(|reason| PassedOver { file: path.to_string(), reason }).collect();
    sites(path, text, 0, found, passed)
}

/// Reads the marked lines of a template, which is never parsed as YAML.
fn template_scan(path: &RepoPath, text: &str, surroundings: &Surroundings) -> FileScan {
    let mut found = marker::marked_lines(text);
    found.extend(marker::flux_lines(text));
    configured::add(path, text, surroundings, &mut found);
    if found.is_empty() {
        return passed_over(path, PassedOverReason::Template);
    }
    // A file that is worked on is told whole: what stands on its other lines, and why it stays.
    let mut unmarked = marker::unmarked_lines(text, &found);
    found.append(&mut unmarked);
    sites(path, text, 0, found, Vec::new())
}

/// Returns the result of a file that was not looked into.
pub fn passed_over(path: &RepoPath, reason: PassedOverReason) -> FileScan {
    FileScan { passed_over: vec![PassedOver { file: path.to_string(), reason }], ..FileScan::default() }
}

/// Gives finds their lines and columns.
fn sites(path: &RepoPath, text: &str, from: usize, mut found: Vec<Found>, passed_over: Vec<PassedOver>) -> FileScan {
    found.sort_by_key(Found::offset);
    let mut offsets: Vec<usize> =
        found.iter().flat_map(|find| find.uses.iter().copied().chain([find.offset()])).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut walk = Positions::new(&text[from..]);
    let places: Vec<Position> =
        offsets.iter().map(|offset| walk.at(floor_boundary(text, *offset).saturating_sub(from))).collect();
    let place = |offset: usize| offsets.binary_search(&offset).map_or(Position { line: 1, column: 1 }, |at| places[at]);
    let sites = found
        .into_iter()
        .map(|mut find| {
            // Sites are kept by the hundred thousand, and most have one slot.
            find.slots.shrink_to_fit();
            let (offset, position) = (find.offset(), place(find.offset()));
            let skipped = match &find.marker {
                Some(Marker::Ignore) => Some(SkipReason::Ignored),
                Some(Marker::Faulty(reason)) => Some(SkipReason::FaultyMarker(reason.clone())),
                _ => find.skipped,
            };
            Site {
                branch: None,
                file: path.clone(),
                format: find.format,
                image: find.image,
                written: find.written,
                value: find.value,
                slots: find.slots,
                position,
                offset,
                named: find.named,
                uses: find.uses.iter().map(|offset| place(*offset)).collect(),
                marker: find.marker,
                skipped,
            }
        })
        .collect();
    FileScan { sites, passed_over, ..FileScan::default() }
}

pub(crate) fn floor_boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
