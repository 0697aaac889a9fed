//! From the image parts of a Renovate configuration to rules for images.
//!
//! Renovate applies every rule that matches, the later over the earlier; Tagboat takes the first. So each image of the
//! repository is judged by Renovate's own order, and gets a rule where the outcome differs from that for all images.

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobBuilder;
use regex::Regex;

use crate::manifest::foreign::renovate::{CustomManager, PackageRule, Renovate, Settings};
use crate::migrate::{Draft, DraftFormat, DraftRule, Note, Seen, start};
use crate::model::file::RepoPath;
use crate::model::image::{ImageName, Tag, shorten};
use crate::model::policy::{Pin, Policy, Select, Step};
use crate::policy::{go, range};

/// Managers whose packages are images.
const MANAGERS: [&str; 16] = [
    "argocd",
    "ansible",
    "circleci",
    "crossplane",
    "custom.regex",
    "docker-compose",
    "dockerfile",
    "flux",
    "github-actions",
    "gitlabci",
    "helm-values",
    "helmv3",
    "kubernetes",
    "kustomize",
    "regex",
    "tekton",
];

/// Makes a draft of what the configuration says of images.
pub fn draft(renovate: &Renovate, seen: Seen<'_>) -> Draft {
    let mut draft = Draft {
        heading: vec![
            format!("Made by `tagboat migrate renovate` from {}.", renovate.file),
            "When `tagboat plan` shows what you expect, switch Renovate off for images there:".to_owned(),
            "\"packageRules\": [{\"matchDatasources\": [\"docker\"], \"enabled\": false}]".to_owned(),
        ],
        ..Draft::default()
    };
    let context = Context { file: &renovate.file };
    let mut names: BTreeMap<&ImageName, BTreeSet<&str>> = BTreeMap::new();
    let mut in_use: BTreeMap<&ImageName, BTreeSet<&str>> = BTreeMap::new();
    for site in seen.sites.iter().filter(|site| site.skipped.is_none()) {
        if let Some(image) = &site.image {
            names.entry(image).or_default().insert(&site.written);
            in_use.entry(image).or_default().extend(site.value.tag.as_ref().map(Tag::as_str));
        }
    }
    let about: Vec<&PackageRule> = renovate.rules.iter().filter(|rule| is_about_images(rule)).collect();
    for rule in renovate.rules.iter().filter(|rule| !is_about_images(rule)) {
        draft.notes.push(context.note(rule.line, "a packageRule about other things than images"));
    }
    let default = context.policy(&outcome(&renovate.everywhere, &[]), &BTreeSet::new(), &mut draft.notes);
    let mut used: BTreeSet<usize> = BTreeSet::new();
    let mut ignored: Vec<String> = Vec::new();
    for (image, written) in &names {
        let matches = |pattern: &str| written.iter().any(|name| context.matches(pattern, name, image));
        if renovate.ignored.iter().any(|(name, _)| matches(name)) {
            ignored.push(image.to_string());
            continue;
        }
        let fitting: Vec<&PackageRule> = about
            .iter()
            .copied()
            .filter(|rule| {
                let positive: Vec<&String> = rule.names.iter().filter(|name| !name.starts_with('!')).collect();
                let named = positive.is_empty() || positive.iter().any(|name| matches(name));
                let refused = rule.names.iter().filter_map(|name| name.strip_prefix('!')).any(&matches);
                let excluded = rule.excluded.iter().any(|name| matches(name));
                named && !refused && !excluded && rule.conditions.is_empty()
            })
            .collect();
        used.extend(fitting.iter().map(|rule| rule.line));
        let decided = outcome(&renovate.everywhere, &fitting);
        if decided.settings.enabled == Some(false) {
            ignored.push(image.to_string());
            continue;
        }
        let policy = context.policy(&decided, in_use.get(image).unwrap_or(&BTreeSet::new()), &mut draft.notes);
        if policy != default {
            let lines: Vec<String> = fitting.iter().map(|rule| rule.line.to_string()).collect();
            let comments = vec![format!("{}, line {}", renovate.file, lines.join(", "))];
            draft.rules.push(DraftRule { images: image.to_string(), policy, comments });
        }
    }
    for image in &ignored {
        draft.notes.push(Note::general(format!("{image} is ignored or disabled in {}: write `# tagboat: ignore` beside its references; the rule for all images follows it", renovate.file)));
    }
    let comments = vec!["All other images; Renovate goes to the newest version unless a rule forbids it.".to_owned()];
    if ignored.is_empty() {
        draft.rules.push(DraftRule { images: "**".to_owned(), policy: default, comments });
    } else {
        // A rule for all images would follow those that are ignored: every other image is named instead.
        draft.notes.retain(|note| note.place.is_some() || !note.text.contains("the rule for all images follows it"));
        let named: BTreeSet<String> = draft.rules.iter().map(|rule| rule.images.clone()).collect();
        for image in names.keys().map(ToString::to_string) {
            if !named.contains(&image) && !ignored.contains(&image) {
                draft.rules.push(DraftRule { images: image, policy: default.clone(), comments: Vec::new() });
            }
        }
        draft.heading.push(format!("Left out, since ignored or disabled there: {}.", ignored.join(", ")));
    }
    leftovers(renovate, &about, &used, &context, &mut draft);
    for manager in &renovate.managers {
        let formats = draft.formats.len();
        context.manager(manager, &mut draft);
        if draft.formats.len() > formats && !ignored.is_empty() {
            let text = "a custom manager: the images that only it finds have no rule yet, since a rule for all images \
                        would follow those that are left out: add one for each";
            draft.notes.push(context.note(manager.line, text));
        }
    }
    start::add_environments(seen, &mut draft);
    draft.notes.sort();
    draft.notes.dedup();
    draft
}

/// Notes what no image of the repository was judged by, and what has no counterpart.
fn leftovers(
    renovate: &Renovate,
    about: &[&PackageRule],
    used: &BTreeSet<usize>,
    context: &Context<'_>,
    draft: &mut Draft,
) {
    for rule in about {
        if !rule.conditions.is_empty() {
            let text = format!("a packageRule with {}, which rules here know nothing of", rule.conditions.join(", "));
            draft.notes.push(context.note(rule.line, &text));
        } else if !used.contains(&rule.line) {
            draft.notes.push(context.note(rule.line, "a packageRule that matches no image of this repository"));
        }
        for (key, line) in &rule.settings.further {
            draft.notes.push(context.note(*line, &format!("`{}` is not carried over", shorten(key))));
        }
    }
    for (key, line) in &renovate.further {
        let text = match key.as_str() {
            "extends" => "presets are not looked into: what they say of images is not carried over".to_owned(),
            other => format!("`{}` is not carried over", shorten(other)),
        };
        draft.notes.push(context.note(*line, &text));
    }
}

/// What all fitting rules say of an image together.
struct Outcome {
    settings: Settings,
    step: Step,
}

fn outcome(everywhere: &Settings, rules: &[&PackageRule]) -> Outcome {
    let mut settings = everywhere.clone();
    let mut refused: BTreeSet<&str> = BTreeSet::new();
    for rule in rules {
        if rule.update_types.is_empty() {
            settings = settings.with(&rule.settings);
            continue;
        }
        // A rule for some steps says whether those are taken; the rest of it is about how they are proposed.
        for step in &rule.update_types {
            match rule.settings.enabled {
                Some(false) => refused.insert(step),
                Some(true) => refused.remove(step.as_str()),
                None => false,
            };
        }
    }
    let step = match (refused.contains("major"), refused.contains("minor")) {
        (true, true) => Step::Patch,
        (true, false) => Step::Minor,
        _ => Step::Major,
    };
    Outcome { settings, step }
}

fn is_about_images(rule: &PackageRule) -> bool {
    let docker = rule.datasources.is_empty() || rule.datasources.iter().any(|source| source == "docker");
    let manager = rule.managers.is_empty() || rule.managers.iter().any(|name| MANAGERS.contains(&name.as_str()));
    docker && manager
}

/// What notes are about.
struct Context<'a> {
    file: &'a RepoPath,
}

impl Context<'_> {
    fn note(&self, line: usize, text: &str) -> Note {
        Note { place: Some((self.file.clone(), line)), text: text.to_owned() }
    }

    /// Whether one of Renovate's patterns (a name, a glob, `/an expression/`) covers an image.
    fn matches(&self, pattern: &str, written: &str, image: &ImageName) -> bool {
        let is_it = |test: &dyn Fn(&str) -> bool| test(written) || test(image.as_str());
        if let Some(expression) = pattern.strip_prefix('/') {
            let (expression, flags) = expression.rsplit_once('/').unwrap_or((expression, ""));
            let flags = if flags.contains('i') { "(?i)" } else { "" };
            let compiled = Regex::new(&format!("{flags}{expression}"));
            return compiled.is_ok_and(|regex| is_it(&|name| regex.is_match(name)));
        }
        if pattern.contains(['*', '?', '{', '[']) {
            let glob = GlobBuilder::new(pattern).literal_separator(true).case_insensitive(true).build();
            return glob.is_ok_and(|glob| {
                let matcher = glob.compile_matcher();
                is_it(&|name| matcher.is_match(name))
            });
        }
        is_it(&|name| name == pattern) || pattern.parse::<ImageName>().is_ok_and(|other| other == *image)
    }

    /// Turns what was decided into a policy; notes what it cannot hold.
    fn policy(&self, decided: &Outcome, in_use: &BTreeSet<&str>, notes: &mut Vec<Note>) -> Policy {
        let mut policy = Policy::new(Select::Step(decided.step));
        let file = self.file;
        if let Some(allowed) = &decided.settings.allowed_versions {
            let mut refuse = |reason: String| {
                notes.push(Note::general(format!("{file}: allowedVersions `{}`: {reason}", shorten(allowed))));
            };
            let expression = allowed.trim_start_matches('!').strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
            match expression {
                Some((expression, _)) => match (go::filter(expression, None), allowed.starts_with('!')) {
                    (Ok(pattern), true) => policy.ignore.push(pattern),
                    (Ok(pattern), false) => policy.tags = Some(pattern),
                    (Err(reason), _) => refuse(reason),
                },
                None => match range::parse(allowed) {
                    Ok(range) if decided.step == Step::Major => policy.select = Select::Range(range),
                    Ok(_) => match capped(allowed, decided.step, in_use).map(|text| range::parse(&text)) {
                        Some(Ok(range)) => policy.select = Select::Range(range),
                        _ => refuse(
                            "a range and a limit of steps exclude each other here, and the tags in use have no limit in \
                             common; the limit was kept"
                                .to_owned(),
                        ),
                    },
                    Err(error) => refuse(error.to_string()),
                },
            }
        }
        if decided.settings.pin_digests == Some(true) {
            policy.pin = Pin::Digest;
        }
        if let Some(age) = &decided.settings.minimum_release_age {
            match self::age(age) {
                Some(age) => policy.min_age = crate::policy::duration(&age).ok(),
                None => {
                    notes
                        .push(Note::general(format!("{file}: minimumReleaseAge `{}` is not understood", shorten(age))));
                }
            }
        }
        policy.prerelease = decided.settings.unstable;
        policy
    }

    /// Turns a custom manager into a format.
    fn manager(&self, manager: &CustomManager, draft: &mut Draft) {
        let mut refuse = |text: &str| draft.notes.push(self.note(manager.line, &format!("a custom manager: {text}")));
        if manager.kind != "regex" {
            return refuse("only those of the type regex can become a format");
        }
        if manager.datasource.as_deref().is_some_and(|source| source != "docker" && !source.contains("{{")) {
            return refuse("it is about other things than images");
        }
        let globs: Vec<Option<String>> =
            manager.files.iter().map(|file| glob_of(file, manager.are_expressions)).collect();
        let Some(globs) = globs.into_iter().collect::<Option<Vec<String>>>().filter(|globs| !globs.is_empty()) else {
            return refuse("its file patterns are expressions that no glob says: write the entry of `formats` by hand");
        };
        if !manager.templates.is_empty() {
            refuse(&format!("{} is not carried over", manager.templates.join(", ")));
        }
        let mut formats = Vec::new();
        for string in &manager.strings {
            match expression_of(string) {
                Ok(regex) => formats.push(DraftFormat { files: globs.clone(), regex }),
                Err(reason) => {
                    let text = format!("a custom manager: `{}`: {reason}", shorten(string));
                    draft.notes.push(self.note(manager.line, &text));
                }
            }
        }
        draft.formats.append(&mut formats);
    }
}

/// Puts the limit of a step, counted from the tags in use, into a range; `None` where those do not agree.
fn capped(range: &str, step: Step, in_use: &BTreeSet<&str>) -> Option<String> {
    let limit = |tag: &str| {
        let mut numbers = tag.strip_prefix('v').unwrap_or(tag).split(['.', '-']).map(str::parse::<u64>);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or(0));
        match step {
            Step::Patch => Some(format!("<{major}.{}.0", minor.checked_add(1)?)),
            Step::Minor => Some(format!("<{}.0.0", major.checked_add(1)?)),
            Step::Major => None,
        }
    };
    let mut limits = in_use.iter().map(|tag| limit(tag));
    let first = limits.next()??;
    if limits.any(|other| other.as_deref() != Some(&first)) {
        return None;
    }
    let groups: Vec<String> = range.split("||").map(|group| format!("{} {first}", group.trim())).collect();
    Some(groups.join(" || "))
}

/// Turns `3 days` into `3d`.
fn age(text: &str) -> Option<String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = (text[..end].parse::<u32>().ok()?, text[end..].trim());
    Some(match unit {
        "d" | "day" | "days" => format!("{number}d"),
        "h" | "hour" | "hours" => format!("{number}h"),
        "m" | "min" | "minute" | "minutes" => format!("{number}m"),
        "w" | "week" | "weeks" => format!("{number}w"),
        "month" | "months" => format!("{}d", number.checked_mul(30)?),
        _ => return None,
    })
}

/// Turns a pattern over files into a glob: a glob stays, `/\.ya?ml$/` and names in full are understood.
fn glob_of(pattern: &str, is_expression: bool) -> Option<String> {
    let expression = match pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(expression) => expression,
        None if is_expression => pattern,
        None => return Some(pattern.to_owned()),
    };
    let (anchored, rest) = match expression.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, expression.strip_prefix("(^|/)").unwrap_or(expression)),
    };
    let rest = rest.strip_suffix('$')?.replace("\\.", "\u{0}").replace(".*", "**").replace(".+", "**");
    let rest = rest.replace("[^/]+", "*").replace("[^/]*", "*");
    let rest = match rest.strip_suffix("\u{0}ya?ml") {
        Some(stem) => format!("{stem}.{{yaml,yml}}"),
        None => rest,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/*{},\u{0}.".contains(c);
    if !rest.chars().all(plain) || rest.contains("*{") {
        return None;
    }
    let glob = rest.replace('\u{0}', ".");
    // An expression without an anchor matches the end of any path.
    Some(match (anchored, glob.starts_with('.') || glob.starts_with("**")) {
        (true, _) => glob,
        (false, true) => format!("**/*{}", glob.trim_start_matches('*')),
        (false, false) => format!("**/{glob}"),
    })
}

/// Turns `matchStrings` into an expression of `formats`: Renovate's groups get Tagboat's names.
fn expression_of(string: &str) -> Result<String, String> {
    if string.contains("(?<currentValue>") && string.contains("(?<depName>") == string.contains("(?<packageName>") {
        return Err("it must name the image by either depName or packageName".to_owned());
    }
    let mut text = string
        .replace("(?<depName>", "(?<image>")
        .replace("(?<packageName>", "(?<image>")
        .replace("(?<currentValue>", "(?<tag>")
        .replace("(?<currentDigest>", "(?<digest>");
    for group in ["datasource", "versioning", "extractVersion", "registryUrl", "depType", "indentation"] {
        text = text.replace(&format!("(?<{group}>"), "(?:");
    }
    let compiled = Regex::new(&text)
        .map_err(|_error| "the expression is not one of Rust's `regex`: look-around, perhaps".to_owned())?;
    let names: BTreeSet<&str> = compiled.capture_names().flatten().collect();
    if !names.contains("tag") && !names.contains("digest") {
        return Err("it has neither currentValue nor currentDigest".to_owned());
    }
    if !names.contains("image") {
        return Err("it does not name the image".to_owned());
    }
    Ok(text)
}
