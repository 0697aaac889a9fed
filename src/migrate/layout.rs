//! Environments as the folders of a repository tell them.
//!
//! Entry point: [`environments`]. A folder is an environment where its name is a known one (`dev`, `prod-eu`), or where it
//! lies in a folder whose children are environments (`envs`, `overlays`, `clusters`).

use std::collections::{BTreeMap, BTreeSet};

use crate::migrate::DraftEnvironment;
use crate::model::environment::Publish;
use crate::model::glob::PathGlobs;

/// Words for environments, by how far they are from production.
const WORDS: [&[&str]; 5] = [
    &["dev", "develop", "development", "sandbox", "local"],
    &["test", "testing", "tst", "qa", "ci", "int", "integration", "preview"],
    &["stage", "staging", "stg", "uat", "acceptance", "acc", "preprod", "nonprod"],
    &["canary", "pilot"],
    &["prod", "production", "prd", "live"],
];

/// Folders whose children are environments.
const PARENTS: [&str; 8] = ["clusters", "env", "environments", "envs", "overlays", "stage", "stages", "variants"];

/// How many globs an environment is given before they are drawn together.
const MAX_GLOBS: usize = 4;

/// How many environments are proposed at most.
const MAX_ENVIRONMENTS: usize = 50;

/// What the folders tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The environments, those before production first.
    pub environments: Vec<DraftEnvironment>,
    /// The folders with references that lie in none of them.
    pub outside: Vec<String>,
    /// What folders tell of and is not proposed, because no reference stands there; all of it where most stand outside.
    pub silent: Vec<String>,
}

/// Proposes environments for manifests; `has_reference` says of a file whether anything in it can be followed.
///
/// One without any reference would hold back for ever what comes after it. Where most references are outside, as in a base that
/// overlays share, environments would leave out nearly everything.
pub fn environments<'a>(files: impl Iterator<Item = &'a str>, has_reference: impl Fn(&str) -> bool) -> Layout {
    let files: BTreeSet<&str> = files.collect();
    let mut globs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut outside: BTreeSet<String> = BTreeSet::new();
    let mut holding: BTreeSet<String> = BTreeSet::new();
    let (mut inside, mut elsewhere) = (0, 0);
    for file in &files {
        let holds = has_reference(file);
        match place(file) {
            Some((name, glob)) => {
                if holds {
                    inside += 1;
                    holding.insert(name.clone());
                }
                globs.entry(name).or_default().insert(glob);
            }
            None if !holds => {}
            None => {
                elsewhere += 1;
                let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
                outside.insert(folder.split('/').take(2).collect::<Vec<_>>().join("/"));
            }
        }
    }
    // Of a repository in which nothing can be followed yet, folders tell all that there is to tell.
    let mut silent = Vec::new();
    if inside + elsewhere > 0 {
        silent = globs.keys().filter(|name| inside < elsewhere || !holding.contains(*name)).cloned().collect();
        globs.retain(|name, _| !silent.contains(name));
    }
    // A single environment tells nothing: its files and all others belong together.
    if globs.len() < 2 || globs.len() > MAX_ENVIRONMENTS {
        return Layout { environments: Vec::new(), outside: outside.into_iter().collect(), silent };
    }
    let mut ranked: Vec<(Option<usize>, String, BTreeSet<String>)> =
        globs.into_iter().map(|(name, globs)| (rank(&name), name, globs)).collect();
    ranked.sort_by(|one, other| (one.0.unwrap_or(0), &one.1).cmp(&(other.0.unwrap_or(0), &other.1)));
    let ranks: BTreeSet<usize> = ranked.iter().filter_map(|(rank, ..)| *rank).collect();
    let environments = ranked.iter().map(|(rank, name, globs)| {
        let before = rank.and_then(|rank| ranks.range(..rank).next_back().copied());
        let after = ranked.iter().filter(|(other, ..)| before.is_some() && *other == before);
        DraftEnvironment {
            name: name.clone(),
            files: drawn_together(globs, |glob| {
                // What is drawn together must not reach into another environment.
                let reach = PathGlobs::parse(&[glob]);
                let strays = |file: &&&str| place(file).is_none_or(|(other, _)| other != *name);
                reach.is_ok_and(|reach| !files.iter().filter(strays).any(|file| reach.matches(file)))
            }),
            after: after.map(|(_, name, _)| name.clone()).collect(),
            publish: if before.is_none() && rank.is_some() && ranks.len() > 1 {
                Publish::Commit
            } else {
                Publish::PullRequest
            },
            comments: Vec::new(),
        }
    });
    Layout { environments: environments.collect(), outside: outside.into_iter().collect(), silent }
}

/// Returns the environment of a file with the glob that covers it: the first part of its path that tells one.
fn place(file: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = file.split('/').collect();
    let folders = &parts[..parts.len() - 1];
    for (index, folder) in folders.iter().enumerate() {
        let is_child = index > 0 && PARENTS.contains(&folders[index - 1].to_ascii_lowercase().as_str());
        if rank(folder).is_some() && !PARENTS.contains(&folder.to_ascii_lowercase().as_str()) || is_child {
            let name = name(folder)?;
            let glob: Vec<String> = folders[..=index].iter().map(|part| escaped(part)).collect();
            return Some((name, format!("{}/**", glob.join("/"))));
        }
    }
    let file_name = parts.last()?;
    let stem = file_name.strip_suffix(".yaml").or_else(|| file_name.strip_suffix(".yml"))?;
    let rest = stem.strip_prefix("values")?.strip_prefix(['-', '.', '_'])?;
    rank(rest)?;
    let glob: Vec<String> = parts.iter().map(|part| escaped(part)).collect();
    Some((name(rest)?, glob.join("/")))
}

/// Returns how far an environment is from the first, where its name tells: `prod-eu` and `eu-prod` are production.
fn rank(name: &str) -> Option<usize> {
    let lower = name.to_ascii_lowercase();
    let plain = lower.replace("pre-prod", "preprod").replace("non-prod", "nonprod");
    let parts: Vec<&str> = plain.split(['-', '_', '.']).collect();
    let known = |part: &&str| {
        let part = part.trim_end_matches(|c: char| c.is_ascii_digit());
        WORDS.iter().position(|words| words.contains(&part))
    };
    match parts[..] {
        [one] => known(&one),
        // A longer name says more than an environment: `test-runner`, `production-readiness-checks`.
        [first, last] => known(&first).filter(|_| is_place(last)).or_else(|| known(&last).filter(|_| is_place(first))),
        _ => None,
    }
}

/// Whether a word may be a region or a number beside an environment's name.
fn is_place(word: &str) -> bool {
    const PLACES: [&str; 12] =
        ["eu", "us", "uk", "de", "fr", "ap", "asia", "east", "west", "north", "south", "central"];
    PLACES.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Returns a folder's name as an environment may be called.
fn name(folder: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = folder.chars().map(|c| if fits(c) { c } else { '-' }).take(100).collect();
    let name = name.trim_start_matches(['-', '.']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Escapes what a glob would read as more than itself.
pub(super) fn escaped(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for c in part.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Puts `*` where many globs of the same length differ in one part: `apps/*/dev/**`.
fn drawn_together(globs: &BTreeSet<String>, is_safe: impl Fn(&str) -> bool) -> Vec<String> {
    if globs.len() <= MAX_GLOBS {
        return globs.iter().cloned().collect();
    }
    let split: Vec<Vec<&str>> = globs.iter().map(|glob| glob.split('/').collect()).collect();
    let length = split[0].len();
    let differing: Vec<usize> =
        (0..length).filter(|at| split.iter().any(|glob| glob.get(*at) != split[0].get(*at))).collect();
    match differing[..] {
        [at] if split.iter().all(|glob| glob.len() == length) && at + 1 < length => {
            let mut parts = split[0].clone();
            parts[at] = "*";
            let glob = parts.join("/");
            if is_safe(&glob) { vec![glob] } else { globs.iter().cloned().collect() }
        }
        _ => globs.iter().cloned().collect(),
    }
}
