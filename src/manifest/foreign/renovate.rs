//! Renovate's configuration: the parts of a `renovate.json` that are about images.
//!
//! JSON with comments and JSON5 are read as YAML's flow style once comments are blanked out, so that places stay.

use crate::manifest::Limits;
use crate::manifest::foreign::object::Object;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::manifest::yaml::{Detail, Fault, build};
use crate::model::file::{Positions, RepoPath};

/// Where Renovate looks for its configuration, in its order.
pub const FILES: [&str; 8] = [
    "renovate.json",
    "renovate.json5",
    ".github/renovate.json",
    ".github/renovate.json5",
    ".gitlab/renovate.json",
    ".renovaterc",
    ".renovaterc.json",
    ".renovaterc.json5",
];

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renovate {
    /// The file.
    pub file: RepoPath,
    /// `ignoreDeps`, each with its line.
    pub ignored: Vec<(String, usize)>,
    /// What holds for all images: the top of the file, then its `docker` part.
    pub everywhere: Settings,
    /// `packageRules`.
    pub rules: Vec<PackageRule>,
    /// `customManagers` and `regexManagers`.
    pub managers: Vec<CustomManager>,
    /// Further keys that could concern images, with their lines.
    pub further: Vec<(String, usize)>,
}

/// What is said of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `enabled`.
    pub enabled: Option<bool>,
    /// `allowedVersions`.
    pub allowed_versions: Option<String>,
    /// `pinDigests`.
    pub pin_digests: Option<bool>,
    /// `minimumReleaseAge`, or `stabilityDays` as days.
    pub minimum_release_age: Option<String>,
    /// `ignoreUnstable: false`.
    pub unstable: bool,
    /// Further keys, with their lines.
    pub further: Vec<(String, usize)>,
}

/// One of `packageRules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRule {
    /// Its line.
    pub line: usize,
    /// `matchDatasources`.
    pub datasources: Vec<String>,
    /// `matchManagers`.
    pub managers: Vec<String>,
    /// `matchPackageNames`, `matchDepNames`, and the older spellings as globs and expressions.
    pub names: Vec<String>,
    /// `excludePackageNames` and the like.
    pub excluded: Vec<String>,
    /// `matchUpdateTypes`.
    pub update_types: Vec<String>,
    /// Other conditions, which a rule of Tagboat's has no counterpart for.
    pub conditions: Vec<String>,
    /// What it says.
    pub settings: Settings,
}

/// One of `customManagers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomManager {
    /// Its line.
    pub line: usize,
    /// Its kind, `regex` unless it says otherwise.
    pub kind: String,
    /// `managerFilePatterns` or `fileMatch`, as written.
    pub files: Vec<String>,
    /// Whether the files are `fileMatch`'s expressions rather than globs and `/expressions/`.
    pub are_expressions: bool,
    /// `matchStrings`.
    pub strings: Vec<String>,
    /// `datasourceTemplate`.
    pub datasource: Option<String>,
    /// Other templates that it sets.
    pub templates: Vec<String>,
}

/// Keys about how Renovate works, which say nothing of images.
const ABOUT_RENOVATE: [&str; 12] = [
    "$schema",
    "description",
    "extends",
    "ignoreDeps",
    "packageRules",
    "customManagers",
    "regexManagers",
    "docker",
    "enabled",
    "pinDigests",
    "minimumReleaseAge",
    "allowedVersions",
];

/// Reads a configuration.
///
/// # Errors
///
/// The reason in words, with the line where there is one.
pub fn read(file: &RepoPath, bytes: &[u8], limits: &Limits) -> Result<Renovate, String> {
    let text = std::str::from_utf8(bytes).map_err(|_error| format!("{file}: it is not UTF-8"))?;
    let text = without_comments(text.strip_prefix('\u{feff}').unwrap_or(text));
    let tree = build::parse(&text, &(0..text.len()), limits, Detail::Nodes).map_err(|fault| match fault {
        Fault::Broken { offset, reason } => {
            let at = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            format!("{file}:{}: it cannot be parsed: {reason}", Positions::new(&text).at(at).line)
        }
        Fault::TooComplex(reason) => format!("{file}: {reason}"),
    })?;
    let root = tree.roots().first().copied().filter(|root| tree.shape(*root) == Shape::Mapping);
    let Some(root) = root else { return Err(format!("{file}: it is no object")) };
    let top = Object { tree: &tree, root };
    let lines = Lines { text: &text };
    let mut everywhere = settings(&top, &lines);
    everywhere.further.clear();
    everywhere.enabled = None;
    if let Some(docker) = top.node(&["docker"]) {
        let docker = settings(&top.at(docker), &lines);
        everywhere = everywhere.with(&docker);
    }
    let managers = [top.items(&["customManagers"]), top.items(&["regexManagers"])].concat();
    let further = keys(&tree, root).filter(|(key, _)| !ABOUT_RENOVATE.contains(key)).collect::<Vec<_>>();
    let extends = tree.own(root, "extends").map(|node| ("extends", node));
    Ok(Renovate {
        ignored: top
            .items(&["ignoreDeps"])
            .into_iter()
            .filter_map(|item| Some((tree.filled(item)?.to_owned(), lines.of(&tree, item))))
            .collect(),
        everywhere,
        rules: top.items(&["packageRules"]).into_iter().map(|node| rule(&top.at(node), &lines)).collect(),
        managers: managers.into_iter().map(|node| manager(&top.at(node), &lines)).collect(),
        further: further
            .into_iter()
            .chain(extends)
            .map(|(key, node)| (key.to_owned(), lines.of(&tree, node)))
            .collect(),
        file: file.clone(),
    })
}

impl Settings {
    /// Returns these settings with those of a later rule over them.
    #[must_use]
    pub fn with(&self, later: &Self) -> Self {
        Self {
            enabled: later.enabled.or(self.enabled),
            allowed_versions: later.allowed_versions.clone().or_else(|| self.allowed_versions.clone()),
            pin_digests: later.pin_digests.or(self.pin_digests),
            minimum_release_age: later.minimum_release_age.clone().or_else(|| self.minimum_release_age.clone()),
            unstable: later.unstable || self.unstable,
            further: Vec::new(),
        }
    }
}

/// Finds lines; files are small, so that each question may walk anew.
struct Lines<'a> {
    text: &'a str,
}

impl Lines<'_> {
    fn of(&self, tree: &Tree<'_>, node: NodeId) -> usize {
        Positions::new(self.text).at(tree.span(node).start.min(self.text.len())).line
    }
}

fn keys<'t>(tree: &'t Tree<'_>, mapping: NodeId) -> impl Iterator<Item = (&'t str, NodeId)> {
    tree.entries(mapping).filter_map(|(key, _)| Some((tree.text(key)?, key)))
}

fn settings(object: &Object<'_>, lines: &Lines<'_>) -> Settings {
    const KNOWN: [&str; 7] = [
        "enabled",
        "allowedVersions",
        "pinDigests",
        "minimumReleaseAge",
        "stabilityDays",
        "ignoreUnstable",
        "description",
    ];
    let flag = |key: &str| object.text(&[key]).and_then(|text| text.parse().ok());
    let is_further = |key: &str| !KNOWN.contains(&key) && !key.starts_with("match") && !key.starts_with("exclude");
    let days = object.text(&["stabilityDays"]).map(|days| format!("{days} days"));
    Settings {
        enabled: flag("enabled"),
        allowed_versions: object.text(&["allowedVersions"]).map(str::to_owned),
        pin_digests: flag("pinDigests"),
        minimum_release_age: object.text(&["minimumReleaseAge"]).map(str::to_owned).or(days),
        unstable: flag("ignoreUnstable") == Some(false),
        further: keys(object.tree, object.root)
            .filter(|(key, _)| is_further(key))
            .map(|(key, node)| (key.to_owned(), lines.of(object.tree, node)))
            .collect(),
    }
}

fn rule(object: &Object<'_>, lines: &Lines<'_>) -> PackageRule {
    let either = |key: &str| {
        let list = object.texts(&[key]);
        if list.is_empty() { object.text(&[key]).map(str::to_owned).into_iter().collect() } else { list }
    };
    let wrapped = |key: &str, before: &str, after: &str| -> Vec<String> {
        either(key).into_iter().map(|text| format!("{before}{text}{after}")).collect()
    };
    let names = [
        either("matchPackageNames"),
        either("matchDepNames"),
        wrapped("matchPackagePatterns", "/", "/"),
        wrapped("matchDepPatterns", "/", "/"),
        wrapped("matchPackagePrefixes", "", "**"),
        wrapped("matchDepPrefixes", "", "**"),
    ];
    let excluded = [
        either("excludePackageNames"),
        wrapped("excludePackagePatterns", "/", "/"),
        wrapped("excludePackagePrefixes", "", "**"),
    ];
    const UNDERSTOOD: [&str; 9] = [
        "matchPackageNames",
        "matchDepNames",
        "matchPackagePatterns",
        "matchDepPatterns",
        "matchPackagePrefixes",
        "matchDepPrefixes",
        "matchDatasources",
        "matchManagers",
        "matchUpdateTypes",
    ];
    PackageRule {
        line: lines.of(object.tree, object.root),
        datasources: either("matchDatasources"),
        managers: either("matchManagers"),
        names: names.concat(),
        excluded: excluded.concat(),
        update_types: either("matchUpdateTypes"),
        conditions: keys(object.tree, object.root)
            .map(|(key, _)| key)
            .filter(|key| key.starts_with("match") && !UNDERSTOOD.contains(key))
            .map(str::to_owned)
            .collect(),
        settings: settings(object, lines),
    }
}

fn manager(object: &Object<'_>, lines: &Lines<'_>) -> CustomManager {
    let patterns = object.texts(&["managerFilePatterns"]);
    let are_expressions = patterns.is_empty();
    CustomManager {
        line: lines.of(object.tree, object.root),
        kind: object.text(&["customType"]).unwrap_or("regex").to_owned(),
        files: if are_expressions { object.texts(&["fileMatch"]) } else { patterns },
        are_expressions,
        strings: object.texts(&["matchStrings"]),
        datasource: object.text(&["datasourceTemplate"]).map(str::to_owned),
        templates: keys(object.tree, object.root)
            .map(|(key, _)| key)
            .filter(|key| key.ends_with("Template") && *key != "datasourceTemplate")
            .map(str::to_owned)
            .collect(),
    }
}

/// Puts blanks where comments stand, and double quotes where JSON5 has single ones; lines stay where they are.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            // JSON5 knows escapes in both quotes, YAML in double ones alone.
            (Some(_), '\\') => match letters.next() {
                Some(escaped @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u' | 'x' | 'v' | '0')) => {
                    out.push('\\');
                    out.push(escaped);
                }
                Some(itself) => out.push(itself),
                None => out.push('\\'),
            },
            (Some(open), _) if letter == open => {
                quote = None;
                out.push('"');
            }
            (Some(_), '"') => out.push_str("\\\""),
            (Some(_), _) => out.push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                out.push('"');
            }
            (None, '/') if letters.peek() == Some(&'/') => {
                while letters.peek().is_some_and(|next| *next != '\n') {
                    letters.next();
                }
            }
            (None, '/') if letters.peek() == Some(&'*') => {
                letters.next();
                let mut before = ' ';
                for next in letters.by_ref() {
                    if next == '\n' {
                        out.push('\n');
                    }
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
                out.push(' ');
            }
            // Tabs are no indentation in YAML; in JSON they are as good as blanks.
            (None, '\t') => out.push(' '),
            (None, _) => out.push(letter),
        }
    }
    out
}
