//! Argo CD Image Updater: annotations on an `Application`, and the `ImageUpdater` resource of 1.x.
//!
//! Credentials (`pull-secret`) and Git access are the operator's; that they are set is noted, never what they say.

use std::sync::Arc;

use crate::manifest::foreign::Origin;
use crate::manifest::foreign::object::Object;
use crate::model::file::Span;
use crate::model::image::{ImageName, Tag, shorten};
use crate::model::policy::{Direction, Policy, Select};
use crate::policy::{go, platform, range};

/// The prefix of the annotations, and the group of the resource.
pub(super) const GROUP: &str = "argocd-image-updater.argoproj.io";

/// How many labels of an object, and how many requirements, are read.
const MAX_LABELS: usize = 200;

/// How many images one object may list.
const MAX_IMAGES: usize = 1000;

/// One image that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Its alias; empty where it has none.
    pub alias: String,
    /// The image, or why it is none.
    pub image: Result<ImageName, String>,
    /// What is said of it as a policy, or why it cannot be used.
    pub policy: Result<Arc<Policy>, String>,
    /// Settings that name places of the reference or do something else, with their values.
    pub further: Vec<(&'static str, String)>,
}

/// An `Application`, with what its annotations say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Where it stands.
    pub origin: Origin,
    /// The bytes of the object.
    pub span: Span,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// The images; none where it has no annotations.
    pub images: Vec<Followed>,
    /// The folders of its sources that lie in a Git repository, as written.
    pub paths: Vec<String>,
    /// Annotations that are not about one image, with their values.
    pub further: Vec<(&'static str, String)>,
}

impl Application {
    /// Returns the folders of its sources, without what stands around a path; empty for the repository's root.
    pub(super) fn folders<'a>(&'a self) -> impl Iterator<Item = &'a str> {
        let folder = |path: &'a String| path.trim_start_matches("./").trim_end_matches('/');
        self.paths.iter().map(folder).map(|folder| if folder == "." { "" } else { folder })
    }
}

/// An `ImageUpdater`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updater {
    /// Where it stands.
    pub origin: Origin,
    /// The namespace of the applications that it is for.
    pub namespace: Option<String>,
    /// Which images it follows in which applications.
    pub selections: Vec<Selection>,
    /// Settings that are not about one image, with their values.
    pub further: Vec<(&'static str, String)>,
}

/// One entry of an `ImageUpdater`'s `applicationRefs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The glob over the names of applications.
    pub pattern: String,
    /// What their labels must be, or why that is not known.
    pub labels: Result<Vec<Requirement>, String>,
    /// Whether the applications' own annotations say what is followed.
    pub uses_annotations: bool,
    /// The images.
    pub images: Vec<Followed>,
}

/// What one label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// Its values; any where none is given.
    pub values: Vec<String>,
    /// Whether it must not have one of them.
    pub is_negated: bool,
}

impl Requirement {
    /// Whether an application's labels fulfil it.
    pub(super) fn holds(&self, labels: &[(String, String)]) -> bool {
        let value = labels.iter().find(|(key, _)| *key == self.key).map(|(_, value)| value);
        value.is_some_and(|value| self.values.is_empty() || self.values.contains(value)) != self.is_negated
    }
}

/// Reads `labelSelectors`.
fn requirements(reference: &Object<'_>) -> Result<Vec<Requirement>, String> {
    let tree = reference.tree;
    let exact = reference.node(&["labelSelectors", "matchLabels"]).into_iter().flat_map(|map| tree.entries(map));
    let exact = exact.filter_map(|(key, value)| {
        let values = vec![tree.filled(value).unwrap_or_default().to_owned()];
        Some(Requirement { key: tree.text(key)?.to_owned(), values, is_negated: false })
    });
    let mut all: Vec<Requirement> = exact.take(MAX_LABELS).collect();
    for expression in reference.items(&["labelSelectors", "matchExpressions"]).into_iter().take(MAX_LABELS) {
        let expression = reference.at(expression);
        let operator = expression.text(&["operator"]).unwrap_or_default();
        let (is_negated, has_values) = match operator {
            "In" => (false, true),
            "NotIn" => (true, true),
            "Exists" => (false, false),
            "DoesNotExist" => (true, false),
            other => return Err(format!("`{}` is no operator of a label selector", shorten(other))),
        };
        let values = if has_values { expression.texts(&["values"]) } else { Vec::new() };
        let key = expression.text(&["key"]).unwrap_or_default().to_owned();
        if has_values && values.is_empty() {
            return Err(format!("the label selector `{}` names no values", shorten(&key)));
        }
        all.push(Requirement { key, values, is_negated });
    }
    Ok(all)
}

/// What is said of one image, wherever it is said.
#[derive(Default)]
struct Settings<'a> {
    strategy: Option<&'a str>,
    allow: Option<&'a str>,
    ignore: Vec<&'a str>,
    platforms: Vec<&'a str>,
}

impl Settings<'_> {
    /// Turns the settings and the constraint behind the image's name into a policy.
    fn policy(&self, constraint: Option<&str>) -> Result<Policy, String> {
        let select = match self.strategy.unwrap_or("semver") {
            "semver" => {
                let range = range::parse(constraint.unwrap_or("*")).map_err(|error| error.to_string())?;
                Select::Range(range)
            }
            "newest-build" | "latest" => Select::Newest,
            "alphabetical" | "name" => Select::Alphabetical(Direction::Ascending),
            "digest" => {
                let tag = constraint.ok_or("the strategy `digest` needs a tag behind the name")?;
                Select::Digest(Some(tag.parse::<Tag>().map_err(|error| error.to_string())?))
            }
            other => return Err(format!("`{}` is no update strategy", shorten(other))),
        };
        let mut policy = Policy::new(select);
        policy.tags = match self.allow.map(str::trim) {
            None | Some("any" | "") => None,
            Some(allow) => match allow.strip_prefix("regexp:") {
                Some(text) => Some(go::filter(text.trim(), None)?),
                None => {
                    return Err(format!("`{}` is neither `any` nor `regexp:…`", shorten(allow)));
                }
            },
        };
        for glob in &self.ignore {
            policy.ignore.push(go::glob(glob)?);
        }
        for name in &self.platforms {
            policy.platforms.push(platform::parse(name).map_err(|error| error.to_string())?);
        }
        Ok(policy)
    }
}

/// Cuts `alias=name:constraint` into its parts.
fn entry(text: &str) -> (&str, &str, Option<&str>) {
    // A constraint may hold `=`, as in `web:>=1.0`; an alias holds nothing but letters, digits, `-` and `_`.
    let is_alias = |alias: &&str| alias.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let (alias, rest) = match text.split_once('=') {
        Some((alias, rest)) if is_alias(&alias) && !alias.is_empty() => (alias, rest),
        _ => ("", text),
    };
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    match rest[last..].split_once(':') {
        Some((_, constraint)) => (alias, &rest[..rest.len() - constraint.len() - 1], Some(constraint)),
        None => (alias, rest, None),
    }
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn followed(written: &str, settings: &Settings<'_>, further: Vec<(&'static str, String)>) -> Followed {
    let (alias, name, constraint) = entry(written.trim());
    Followed {
        alias: alias.to_owned(),
        image: name.parse().map_err(|error: crate::model::image::ReferenceError| error.to_string()),
        policy: settings.policy(constraint.map(str::trim).filter(|text| !text.is_empty())).map(Arc::new),
        further,
    }
}

/// Reads an application with its annotations.
pub(super) fn application(object: &Object<'_>, origin: Origin) -> Application {
    let annotation = |name: &str| object.text(&["metadata", "annotations", &format!("{GROUP}/{name}")]);
    let images = annotation("image-list").unwrap_or_default();
    let read = |written: &str| {
        let (alias, ..) = entry(written.trim());
        // What is said for one image goes before what is said for all.
        let of = |name: &str| {
            let own = (!alias.is_empty()).then(|| annotation(&format!("{alias}.{name}"))).flatten();
            own.or_else(|| annotation(name))
        };
        let settings = Settings {
            strategy: of("update-strategy"),
            allow: of("allow-tags"),
            ignore: of("ignore-tags").map(list).unwrap_or_default(),
            platforms: of("platforms").map(list).unwrap_or_default(),
        };
        let further = [
            "helm.image-name",
            "helm.image-tag",
            "helm.image-spec",
            "kustomize.image-name",
            "pull-secret",
            "force-update",
        ];
        let further = further.into_iter().filter_map(|name| Some((name, of(name)?.to_owned()))).collect();
        followed(written, &settings, further)
    };
    let further = ["write-back-method", "write-back-target", "git-branch", "git-repository"];
    let sources = object.items(&["spec", "sources"]).into_iter().map(|node| object.at(node).text(&["path"]));
    let tree = object.tree;
    let labels = object.node(&["metadata", "labels"]).into_iter().flat_map(|map| tree.entries(map));
    let label = |(key, value)| Some((tree.text(key)?.to_owned(), tree.text(value)?.to_owned()));
    Application {
        span: tree.span(object.root),
        labels: labels.filter_map(label).take(MAX_LABELS).collect(),
        images: list(images).into_iter().take(MAX_IMAGES).map(read).collect(),
        paths: sources.chain([object.text(&["spec", "source", "path"])]).flatten().map(str::to_owned).collect(),
        further: further.into_iter().filter_map(|name| Some((name, annotation(name)?.to_owned()))).collect(),
        origin,
    }
}

/// Reads an `ImageUpdater`: the settings of an image go before its application's, and those before the resource's.
pub(super) fn updater(object: &Object<'_>, origin: Origin) -> Updater {
    let mut selections = Vec::new();
    let mut count = 0;
    let spec = object.node(&["spec"]).map(|node| object.at(node));
    let mut further: Vec<(&'static str, String)> = Vec::new();
    for reference in spec.map(|spec| spec.items(&["applicationRefs"])).unwrap_or_default() {
        let reference = object.at(reference);
        let pattern = reference.text(&["namePattern"]).unwrap_or("*");
        let uses_annotations = reference.is_set(&["useAnnotations"]);
        if uses_annotations {
            further.push(("useAnnotations", format!("the annotations of `{pattern}` say what is followed")));
        }
        let labels = requirements(&reference);
        if let Err(reason) = &labels {
            further.push(("labelSelectors", reason.clone()));
        }
        let mut images = Vec::new();
        for image in reference.items(&["images"]) {
            let image = object.at(image);
            let levels = [Some(image), Some(reference), spec];
            let text = |key: &str| levels.iter().flatten().find_map(|level| level.text(&["commonUpdateSettings", key]));
            let texts = |key: &str| -> Vec<String> {
                let lists = levels.iter().flatten().map(|level| level.texts(&["commonUpdateSettings", key]));
                lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default()
            };
            let (ignore, platforms) = (texts("ignoreTags"), texts("platforms"));
            let settings = Settings {
                strategy: text("updateStrategy"),
                allow: text("allowTags"),
                ignore: ignore.iter().map(String::as_str).collect(),
                platforms: platforms.iter().map(String::as_str).collect(),
            };
            let mut notes = Vec::new();
            for (name, path) in [
                ("manifestTargets.helm.name", &["manifestTargets", "helm", "name"]),
                ("manifestTargets.helm.tag", &["manifestTargets", "helm", "tag"]),
                ("manifestTargets.helm.spec", &["manifestTargets", "helm", "spec"]),
                ("manifestTargets.kustomize.name", &["manifestTargets", "kustomize", "name"]),
            ] {
                notes.extend(image.text(path).map(|value| (name, value.to_owned())));
            }
            notes.extend(text("forceUpdate").map(|value| ("forceUpdate", value.to_owned())));
            notes.extend(text("pullSecret").map(|value| ("pullSecret", value.to_owned())));
            count += 1;
            if count <= MAX_IMAGES {
                let mut one = followed(image.text(&["imageName"]).unwrap_or_default(), &settings, notes);
                one.alias = image.text(&["alias"]).unwrap_or_default().to_owned();
                images.push(one);
            }
        }
        selections.push(Selection { pattern: pattern.to_owned(), labels, uses_annotations, images });
    }
    for (name, path) in [
        ("writeBackConfig.method", &["writeBackConfig", "method"][..]),
        ("writeBackConfig.gitConfig.branch", &["writeBackConfig", "gitConfig", "branch"]),
        ("writeBackConfig.gitConfig.writeBackTarget", &["writeBackConfig", "gitConfig", "writeBackTarget"]),
    ] {
        further.extend(spec.and_then(|spec| spec.text(path)).map(|value| (name, value.to_owned())));
    }
    let namespace = spec.and_then(|spec| spec.text(&["namespace"])).map(str::to_owned);
    Updater { namespace: namespace.or_else(|| origin.namespace.clone()), origin, selections, further }
}
