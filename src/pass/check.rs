//! What `check` finds: configuration that matches nothing, references that nothing matches, faulty markers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::cache::Cache;
use crate::config::holds::{self, HOLDS_FILE, MISTAKEN_FILE};
use crate::config::repository::Repository;
use crate::decide::questions::{Followed, follow};
use crate::git::url::RemoteUrl;
use crate::manifest;
use crate::model::file::{Position, RepoPath};
use crate::model::image::{ImageName, Tag};
use crate::model::outcome::{Finding, Severity};
use crate::model::policy::{Pin, Policy, Select};
use crate::model::site::{Marker, PassedOverReason, Site, SkipReason, spots};
use crate::observe::files::Files;
use crate::observe::history::Past;
use crate::observe::scan::{Scanned, scan};
use crate::pass::elsewhere::{self, Looking, Others, Survey};
use crate::pass::record::{self, Drifted, Ledger};
use crate::pass::view::{Branches, Unseen};
use crate::pass::{MAX_HOLDS, PassError, alone, hold};
use crate::policy::range::possible::is_possible;

/// Looks for mistakes in a configuration and the files that it is for.
///
/// `config_file` is the configuration's name for messages; `None` where there is none. `past` is the history that led
/// to the files, where there is one; `others` are the other repositories that it names, and `own` is this one's URL, where it has one.
///
/// # Errors
///
/// [`PassError::Files`] when the files could not be listed.
pub fn check(
    config: &Repository,
    config_file: Option<&str>,
    files: &dyn Files,
    cache: &Cache,
    limits: &manifest::Limits,
    past: Option<&dyn Past>,
    (branches, others, own): (&Branches, &Others, Option<&RemoteUrl>),
) -> Result<Vec<Finding>, PassError> {
    let scanned = scan(files, &config.formats, limits, cache).map_err(PassError::Files)?;
    let mut findings = Vec::new();
    let survey = elsewhere::survey(Looking { config, others, cache, limits });
    if let Some(file) = config_file {
        let mut sites = scanned.sites.clone();
        for (branch, viewed) in branches {
            let Ok(viewed) = viewed else { continue };
            let other = scan(&*viewed.files, &config.formats, limits, cache).map_err(PassError::Files)?;
            let is_own = |site: &Site| config.environments.of(Some(branch), site.file.as_str()).is_some();
            let own = other.sites.into_iter().filter(is_own);
            sites.extend(own.map(|site| Site { branch: Some(branch.clone()), ..site }));
        }
        rules(config, file, &sites, &mut findings);
        groups(config, file, &sites, &mut findings);
        environments(config, file, &scanned, branches, &mut findings)?;
        findings.extend(alone::only_in_one(config, &survey, &sites));
        findings.extend(elsewhere::circles(config, others, own));
        inactive(config, file, &mut findings);
        unpinned(config, file, &mut findings);
        held(config, (files, &sites), &mut findings);
    }
    if let Some(past) = past {
        drift(&Ledger { config, files, past, branches, others, cache, limits }, survey, &mut findings);
    }
    references(config, &scanned, &mut findings);
    policies(config, config_file, &scanned, &mut findings);
    broken_files(config, &scanned, &mut findings);
    findings.sort_by(|one, other| {
        (one.severity, &one.file, one.position).cmp(&(other.severity, &other.file, other.position))
    });
    Ok(findings)
}

/// Groups that no image is of, since each is of a group before.
fn groups(config: &Repository, file: &str, sites: &[Site], findings: &mut Vec<Finding>) {
    let images: BTreeSet<_> = sites.iter().filter_map(|site| site.image.as_ref()).collect();
    for group in &config.groups.0 {
        let is_named = |image: &&&ImageName| group.images.iter().any(|glob| glob.matches(image.as_str()));
        let mut named = images.iter().filter(is_named).peekable();
        let is_own = |image: &&ImageName| config.groups.of(image).is_some_and(|own| own.name == group.name);
        if named.peek().is_none() || named.any(is_own) {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unmatched-group",
            message: format!("every image of the group `{}` is taken by a group before it", group.name),
            hint: Some("the first group that matches wins: put the narrower one first".to_owned()),
            file: Some(file.to_owned()),
            away: None,
            position: None,
        });
    }
}

/// Rules that no reference meets, because there is none or an earlier rule takes them all.
fn rules(config: &Repository, file: &str, sites: &[Site], findings: &mut Vec<Finding>) {
    let images: BTreeSet<_> = sites.iter().filter_map(|site| site.image.as_ref()).collect();
    for rule in &config.rules.0 {
        let matched = images.iter().filter(|image| rule.images.matches(image.as_str())).count();
        let taken = images.iter().filter(|image| config.rules.of(image) == Some(rule)).count();
        let (message, hint) = match (matched, taken) {
            (0, _) => (
                format!("the rule for `{}` matches no image of this repository", rule.images.as_str()),
                "`tagboat scan` lists the images; names are matched in full, such as docker.io/library/nginx",
            ),
            (_, 0) => (
                format!("every image of the rule for `{}` is taken by a rule before it", rule.images.as_str()),
                "the first rule that matches wins: put the narrower one first",
            ),
            _ => continue,
        };
        let position = Some(Position { line: rule.line, column: rule.column });
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unmatched-rule",
            message,
            hint: Some(hint.to_owned()),
            file: Some(file.to_owned()),
            away: None,
            position,
        });
    }
}

/// Environments that differ from what promotion would have brought. Shown at the first place of each.
fn drift(ledger: &Ledger<'_>, survey: Survey<'_>, findings: &mut Vec<Finding>) {
    let found = record::looked(ledger).and_then(|looked| Ok((record::drift(ledger, &looked, survey)?, looked)));
    let (Drifted { drifts, unknown, starving }, looked) = match found {
        Ok(found) => found,
        // Said already, with its place.
        Err(PassError::Configuration(_)) => return,
        Err(error) => {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "unreadable-history",
                message: format!("whether environments have drifted is not known: {error}"),
                hint: None,
                file: None,
                away: None,
                position: None,
            });
            return;
        }
    };
    for (name, reason) in unknown {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unreadable-history",
            message: format!("whether environments have drifted from {name} is not known: {reason}"),
            hint: None,
            file: None,
            away: None,
            position: None,
        });
    }
    findings.extend(starving.into_iter().map(|(environment, reason)| Finding {
        severity: Severity::Warning,
        rule: "starved-soak",
        message: reason,
        hint: Some("`tagboat status` shows what waits".to_owned()),
        file: Some(ledger.config.file.clone()),
        away: None,
        position: Some(Position { line: environment.line, column: environment.column }),
    }));
    for drift in drifts {
        let own = looked.sites.iter().enumerate().filter(|(_, site)| {
            let environment = ledger.config.environments.of(site.branch.as_ref(), site.file.as_str());
            site.image.as_ref() == Some(&drift.image)
                && site.value == drift.value
                && environment.is_some_and(|environment| environment.name == drift.environment)
        });
        let own: Vec<usize> = own.map(|(index, _)| index).collect();
        let spots = spots(&looked.sites, &own);
        let site = own.iter().find(|index| spots.get(index).is_some_and(|spot| drift.spots.contains(spot)));
        let site = site.map(|index| &looked.sites[*index]);
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "drift",
            message: format!("{} in {}: {}", drift.image, drift.environment, drift.reason),
            hint: Some("it is left as it is; `tagboat status` shows what comes next".to_owned()),
            file: site.map(|site| site.file.to_string()),
            away: site.and_then(|site| site.branch.as_ref()).map(ToString::to_string),
            position: site.map(|site| site.position),
        });
    }
}

/// Parts of the configuration that do not act.
fn inactive(config: &Repository, file: &str, findings: &mut Vec<Finding>) {
    findings.extend(config.inactive.iter().map(|part| Finding {
        severity: Severity::Warning,
        rule: "inactive",
        message: format!("`{}` is understood, but this version does not act on it", part.key),
        hint: None,
        file: Some(file.to_owned()),
        away: None,
        position: Some(part.position),
    }));
}

/// A file of holds that holds nothing, or not what it seems to.
fn held(config: &Repository, (files, sites): (&dyn Files, &[Site]), findings: &mut Vec<Finding>) {
    let mut add = |severity, file: &str, message: String, hint, position| {
        findings.push(Finding {
            severity,
            rule: "holds",
            message,
            hint,
            file: Some(file.to_owned()),
            away: None,
            position,
        });
    };
    let path = |name| RepoPath::new(name).expect("the name is plain");
    match files.read_if_there(&path(HOLDS_FILE), MAX_HOLDS) {
        Ok(None) => {}
        Ok(Some(bytes)) => {
            let known: BTreeSet<&ImageName> = sites.iter().filter_map(|site| site.image.as_ref()).collect();
            let all = holds::placed(HOLDS_FILE, &bytes, &config.environments).unwrap_or_else(|faults| {
                for fault in faults.0 {
                    add(Severity::Error, HOLDS_FILE, fault.message, fault.hint, fault.position);
                }
                Vec::new()
            });
            for (hold, position) in &all {
                let image = &hold.image;
                let (message, hint) = match hold::candidates(image, &known).as_slice() {
                    [] => (
                        format!("no manifest has {image}, so this holds nothing"),
                        "`tagboat scan` lists every image; `tagboat release` takes the entry out".to_owned(),
                    ),
                    [_] => continue,
                    several => {
                        let several: Vec<&str> = several.iter().map(|image| image.as_str()).collect();
                        (
                            format!("{image} may be short for several images, and holds each of them"),
                            format!("write the one that is meant: {}", several.join(", ")),
                        )
                    }
                };
                add(Severity::Warning, HOLDS_FILE, message, Some(hint), Some(*position));
            }
        }
        Err(reason) => add(Severity::Error, HOLDS_FILE, format!("it cannot be read: {reason}"), None, None),
    }
    if !matches!(files.read_if_there(&path(MISTAKEN_FILE), MAX_HOLDS), Ok(None)) {
        let hint = Some(format!("call it {HOLDS_FILE}"));
        add(Severity::Warning, MISTAKEN_FILE, "nobody reads this file, so it holds nothing".to_owned(), hint, None);
    }
}

/// Rules that ask for a signature and do not write what was signed.
fn unpinned(config: &Repository, file: &str, findings: &mut Vec<Finding>) {
    let rules = config.rules.0.iter().filter(|rule| rule.policy.verify.is_some() && rule.policy.pins() != Pin::Digest);
    findings.extend(rules.map(|rule| Finding {
        severity: Severity::Warning,
        rule: "unpinned-signature",
        message: format!(
            "the rule for `{}` asks for a signature, which is of a digest, and lets tags be written alone, which may move",
            rule.images.as_str()
        ),
        hint: Some("add `pin: digest`: then what was checked is what runs".to_owned()),
        file: Some(file.to_owned()),
        away: None,
        position: Some(Position { line: rule.line, column: rule.column }),
    }));
}

/// Environments that hold no file, and files that two of them hold.
fn environments(
    config: &Repository,
    file: &str,
    scanned: &Scanned,
    branches: &Branches,
    findings: &mut Vec<Finding>,
) -> Result<(), PassError> {
    for environment in &config.environments.0 {
        let position = Some(Position { line: environment.line, column: environment.column });
        let listed;
        let files = match environment.branch.as_ref().map(|branch| (branch, branches.get(branch))) {
            None => &scanned.files,
            Some((_, Some(Ok(viewed)))) => {
                listed = viewed.files.list().map_err(PassError::Files)?.files;
                &listed
            }
            Some((branch, unseen)) => {
                let reason = match unseen {
                    Some(Err(Unseen::Absent(reason) | Unseen::Failed(reason))) => reason,
                    _ => "it was not looked at",
                };
                findings.push(Finding {
                    severity: Severity::Note,
                    rule: "unseen-branch",
                    message: format!("the branch {branch} of `{}` is not checked: {reason}", environment.name),
                    hint: None,
                    file: Some(file.to_owned()),
                    away: None,
                    position,
                });
                continue;
            }
        };
        if !files.iter().any(|path| environment.files.matches(path.as_str())) {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "empty-environment",
                message: format!("no file belongs to the environment `{}`", environment.name),
                hint: Some(format!("`files` is {}", environment.files.patterns().join(", "))),
                file: Some(file.to_owned()),
                away: None,
                position,
            });
        }
        let shared = files.iter().find_map(|path| {
            let mut claiming = config.environments.claiming(environment.branch.as_ref(), path.as_str());
            let other = claiming.find(|other| other.name != environment.name)?;
            let later = (other.line, other.column) < (environment.line, environment.column);
            (later && environment.files.matches(path.as_str())).then_some((path, &other.name))
        });
        if let Some((path, other)) = shared {
            findings.push(Finding {
                severity: Severity::Error,
                rule: "overlapping-environments",
                message: format!("{path} belongs to `{other}` and to `{}`", environment.name),
                hint: Some("narrow the `files` of one of them".to_owned()),
                file: Some(file.to_owned()),
                away: None,
                position,
            });
        }
    }
    Ok(())
}

/// References that look followed and are not; those that nothing asks for are grouped.
fn references(config: &Repository, scanned: &Scanned, findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<(&'static str, String), (Finding, usize, BTreeSet<&RepoPath>)> = BTreeMap::new();
    for site in &scanned.sites {
        let Followed::No(reason) = follow(site, &config.rules, &config.environments) else { continue };
        let (severity, rule, hint, group) = match reason {
            SkipReason::FaultyMarker(_) => (Severity::Error, "faulty-marker", None, None),
            SkipReason::NamedPolicy(_) => (
                Severity::Warning,
                "unknown-policy",
                Some("add the ImagePolicy and its ImageRepository to this repository, or write a `# tagboat:` marker"),
                None,
            ),
            SkipReason::NoRule => {
                let image = site.image.as_ref().map(ToString::to_string);
                (Severity::Note, "no-rule", Some("add a rule to `images:` to follow it"), image)
            }
            SkipReason::NoEnvironment => {
                let hint = "add the file to an environment's `files` to follow it";
                let top = site.file.as_str().split_once('/').map_or(site.file.as_str(), |(top, _)| top);
                (Severity::Note, "no-environment", Some(hint), Some(top.to_owned()))
            }
            SkipReason::DuplicateKey(_) | SkipReason::Alias(_) => (Severity::Warning, "not-editable", None, None),
            _ => continue,
        };
        let finding = finding(site, severity, rule, &reason, hint);
        match group {
            None => findings.push(finding),
            Some(group) => {
                let (_, count, files) = groups.entry((rule, group)).or_insert((finding, 0, BTreeSet::new()));
                *count += 1;
                files.insert(&site.file);
            }
        }
    }
    findings.extend(groups.into_iter().map(|((rule, group), (mut finding, count, files))| {
        let more = match (rule, files.len()) {
            _ if count == 1 => String::new(),
            ("no-rule", _) => format!(" ({count} places, this is the first)"),
            (_, 1) => format!(" ({count} references, this is the first)"),
            (_, several) => format!(" ({count} references in {several} files below `{group}/`, this is the first)"),
        };
        finding.message.push_str(&more);
        finding
    }));
}

/// Policies that can never choose anything: of rules, and of the markers beside references.
fn policies(config: &Repository, file: Option<&str>, scanned: &Scanned, findings: &mut Vec<Finding>) {
    for rule in &config.rules.0 {
        let of_rule = |site: &&Site| {
            site.skipped.is_none()
                && site.marker.is_none()
                && site.image.as_ref().is_some_and(|image| config.rules.of(image) == Some(rule))
        };
        let tags: Vec<&str> = tags_in_use(scanned.sites.iter().filter(of_rule));
        for (message, hint) in hopeless(&rule.policy, &tags) {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "impossible-policy",
                message: format!("the rule for `{}` can never choose anything: {message}", rule.images.as_str()),
                hint: Some(hint.to_owned()),
                file: file.map(str::to_owned),
                away: None,
                position: Some(Position { line: rule.line, column: rule.column }),
            });
        }
    }
    let mut seen: HashSet<(&RepoPath, *const Policy)> = HashSet::new();
    for site in &scanned.sites {
        let (Some(Marker::Policy(policy)), None) = (&site.marker, &site.skipped) else { continue };
        if !seen.insert((&site.file, std::sync::Arc::as_ptr(policy))) {
            continue;
        }
        for (message, hint) in hopeless(policy, &tags_in_use(std::iter::once(site))) {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "impossible-policy",
                message: format!("{}: the policy beside it can never choose anything: {message}", site.written),
                hint: Some(hint.to_owned()),
                file: Some(site.file.to_string()),
                away: None,
                position: Some(site.position),
            });
        }
    }
}

fn tags_in_use<'a>(sites: impl Iterator<Item = &'a Site>) -> Vec<&'a str> {
    sites.filter_map(|site| site.value.tag.as_ref()).map(Tag::as_str).collect()
}

/// Returns why a policy can never choose anything, and what to do.
fn hopeless(policy: &Policy, tags: &[&str]) -> Vec<(String, &'static str)> {
    // Tags of every kind: a pattern that matches them all matches whatever comes.
    const ALL_KINDS: [&str; 7] = ["1.2.3", "v10.0.0-rc.1", "latest", "main-0a1b2c3", "2026.01.31", "pg16_x", "7"];
    let mut found = Vec::new();
    if let Select::Range(range) = &policy.select
        && !is_possible(range)
    {
        found.push((
            format!("no version lies in `{}`", range.text),
            "a version must fit all comparisons between two `||`",
        ));
    }
    if let Some(pattern) = &policy.tags
        && !tags.is_empty()
        && !tags.iter().any(|tag| pattern.0.is_match(tag))
    {
        let message = format!("`tags` matches none of the tags in use, such as {}", tags[0]);
        found.push((message, "a tag in use that `tags` does not match names nothing to move on from"));
    }
    if let Some(pattern) = policy.ignore.iter().find(|pattern| ALL_KINDS.iter().all(|tag| pattern.0.is_match(tag))) {
        found.push((format!("`ignore` takes every tag away by `{}`", pattern.0.as_str()), "narrow the pattern"));
    }
    found
}

fn finding(site: &Site, severity: Severity, rule: &'static str, reason: &SkipReason, hint: Option<&str>) -> Finding {
    Finding {
        severity,
        rule,
        message: format!("{}: {reason}", site.written),
        hint: hint.map(str::to_owned),
        file: Some(site.file.to_string()),
        away: None,
        position: Some(site.position),
    }
}

/// Files of an environment that could not be looked into.
fn broken_files(config: &Repository, scanned: &Scanned, findings: &mut Vec<Finding>) {
    for passed in &scanned.passed_over {
        let (position, message) = match &passed.reason {
            PassedOverReason::Broken { position, reason } => (*position, format!("cannot be parsed: {reason}")),
            reason @ (PassedOverReason::TooComplex(_) | PassedOverReason::Unreadable(_)) => (None, reason.to_string()),
            _ => continue,
        };
        if config.environments.of(None, &passed.file).is_none() {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unreadable-file",
            message,
            hint: Some("nothing in it is followed until it can be read".to_owned()),
            file: Some(passed.file.clone()),
            // What is wrong with a file as a whole is shown at its begin.
            away: None,
            position: position.or(Some(Position { line: 1, column: 1 })),
        });
    }
}
