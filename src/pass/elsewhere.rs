//! Environments of other repositories that come before one of this one: looked at, and never touched.
//!
//! Entry points: [`view()`], which fetches, and `look`, which finds what they run. Which repositories may be looked at is
//! the operator's word ([`Neighbours`]): whoever may write manifests can make nobody fetch anything with a credential.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::holds::{self, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::config::service::Service;
use crate::decide::questions::{Followed, follow};
use crate::git::url::RemoteUrl;
use crate::git::{GitError, Remote};
use crate::model::elsewhere::Elsewhere;
use crate::model::environment::{BranchName, Environment, EnvironmentName, Predecessor};
use crate::model::file::{Position, RepoPath};
use crate::model::hold::Hold;
use crate::model::observation::Observation;
use crate::model::outcome::{Finding, Severity, Skipped, Trouble};
use crate::model::site::{Site, SkipReason};
use crate::observe::checks::Asked;
use crate::observe::scan::{Scanned, scan};
use crate::pass::grounds::Seen;
use crate::pass::propose::Publishing;
use crate::pass::setup::watched;
use crate::pass::view::{self, Branches, Unseen, Viewed};
use crate::pass::{Inputs, MAX_HOLDS, PassError, blocking, report};
use crate::promote;

/// Another repository, as the operator's file names it.
pub struct Neighbour {
    /// Where it is.
    pub remote: Arc<dyn Remote>,
    /// Its base branch.
    pub branch: BranchName,
    /// Whom to ask about its commits.
    pub publishing: Publishing,
}

/// Opens another repository by the URL that a configuration names; fetches nothing yet.
pub type Neighbours<'a> = dyn Fn(&str) -> Result<Neighbour, Unseen> + Sync + 'a;

/// What is known of every other repository that a configuration names, by its URL there.
pub type Others = BTreeMap<Arc<str>, Result<Other, Unseen>>;

/// Another repository, with its own configuration.
pub struct Other {
    viewed: Viewed,
    config: Repository,
    branches: Branches,
    branch: BranchName,
    publishing: Publishing,
}

/// Says of every other repository that nobody may look at it here.
///
/// # Errors
///
/// Always: [`Unseen::Absent`].
pub fn nobody(_url: &str) -> Result<Neighbour, Unseen> {
    Err(Unseen::Absent("other repositories are not looked at here".to_owned()))
}

/// Fetches the other repositories that a configuration names.
pub async fn view(config: &Repository, open: &Neighbours<'_>) -> Others {
    let mut others = Others::new();
    for url in config.environments.repositories() {
        let other = match open(&url) {
            Ok(neighbour) => {
                let fetched = blocking(move || Ok::<_, GitError>(fetch(neighbour))).await;
                fetched.unwrap_or_else(|error| Err(Unseen::Failed(error.to_string())))
            }
            Err(unseen) => Err(unseen),
        };
        others.insert(url, other);
    }
    others
}

fn fetch(neighbour: Neighbour) -> Result<Other, Unseen> {
    let Neighbour { remote, branch, publishing } = neighbour;
    let failed = |error: PassError| Unseen::Failed(in_words(&error));
    let viewed = view::branch(remote, branch.clone()).map_err(failed)?;
    let mut config = viewed.config().map_err(failed)?;
    let branches = viewed.branches(&mut config);
    Ok(Other { viewed, config, branches, branch, publishing })
}

fn in_words(error: &PassError) -> String {
    match error {
        PassError::Configuration(faults) => match faults.0.first() {
            Some(fault) => {
                let line = fault.position.map(|position| format!(":{}", position.line)).unwrap_or_default();
                format!("its configuration has faults: {}{line}: {}", fault.file, fault.message)
            }
            None => "its configuration has faults".to_owned(),
        },
        other => other.to_string(),
    }
}

/// Finds other repositories that may not be looked at; `service` is the operator's file, where one is named.
pub fn check(config: &Repository, service: Option<&Service>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for before in config.environments.0.iter().flat_map(|environment| &environment.after) {
        let Predecessor::Elsewhere { repository, name, at, .. } = before else { continue };
        let url = repository.parse::<RemoteUrl>();
        let (severity, message, hint) = match (service, url) {
            (_, Err(error)) => (Severity::Error, format!("{name}: {error}"), None),
            (Some(service), Ok(url)) if watched(service, &url).is_none() => (
                Severity::Error,
                format!("{repository} is not listed under `repositories` of {}, so nobody looks at it", service.file),
                Some("let the operator list it, or take it out of `after`"),
            ),
            (Some(_), Ok(_)) => continue,
            (None, Ok(_)) => (
                Severity::Note,
                format!("whether {repository} may be looked at stands in the operator's file"),
                Some("`--service FILE` names it"),
            ),
        };
        findings.push(Finding {
            severity,
            rule: "unknown-repository",
            message,
            hint: hint.map(str::to_owned),
            file: Some(config.file.clone()),
            position: Some(*at),
        });
    }
    findings
}

/// Returns whom to ask about the commits of each other repository.
pub(super) fn asked(others: &Others) -> BTreeMap<Arc<str>, Result<Asked<'_>, String>> {
    let known = others.iter().filter_map(|(url, other)| Some((Arc::clone(url), other.as_ref().ok()?)));
    known.map(|(url, other)| (url, other.publishing.asked(&other.branch))).collect()
}

/// The environments of another repository on one of its branches, and how its files are to be understood.
pub(crate) struct Theirs<'a> {
    /// Its configuration.
    pub(crate) config: &'a Repository,
    /// What its environments are called here, and there.
    pub(crate) names: BTreeMap<EnvironmentName, EnvironmentName>,
    /// Every reference on that branch.
    pub(crate) sites: Vec<Site>,
}

/// What was seen of each repository, on its base or a branch; or why it could not be.
type Grounds<'a, 'w> = BTreeMap<(&'w Arc<str>, Option<BranchName>), Result<Seen<'a>, String>>;

/// Finds what the environments of other repositories run. What cannot be read takes its own environment out of the
/// pass, and so whatever comes after it.
pub(super) fn look<'a>(inputs: &Inputs<'a>, observation: &mut Observation) -> Vec<Seen<'a>> {
    let mut wanted: BTreeMap<(&Arc<str>, &EnvironmentName), (&EnvironmentName, Position)> = BTreeMap::new();
    for before in inputs.config.environments.0.iter().flat_map(|environment| &environment.after) {
        if let Predecessor::Elsewhere { repository, environment, name, at } = before {
            wanted.entry((repository, environment)).or_insert((name, *at));
        }
    }
    let mut grounds = Grounds::new();
    for ((repository, there), (here, at)) in wanted {
        let found = match inputs.others.get(repository) {
            Some(Ok(other)) => theirs(inputs, other, (repository, there, here), &mut grounds).map_err(Unseen::Failed),
            Some(Err(unseen)) => Err(unseen.clone()),
            None => Err(Unseen::Absent("it was not looked at".to_owned())),
        };
        match found {
            Ok(found) => {
                observation.elsewhere.insert(here.clone(), found);
            }
            Err(unseen) => {
                let (Unseen::Absent(reason) | Unseen::Failed(reason)) = &unseen;
                observation.half_known.insert(here.clone(), reason.clone());
                let what = here.to_string();
                match unseen {
                    Unseen::Absent(reason) => observation.absent.push(Skipped { what, reason }),
                    Unseen::Failed(reason) => {
                        let file = RepoPath::new(&inputs.config.file);
                        let position = file.is_some().then_some(at);
                        observation.troubles.push(Trouble { what, file, position, reason });
                    }
                }
            }
        }
    }
    grounds.into_values().filter_map(Result::ok).collect()
}

/// Looks at one environment of another repository; else says why it is not fully known.
fn theirs<'a, 'w>(
    inputs: &Inputs<'a>,
    other: &'a Other,
    (repository, there, here): (&'w Arc<str>, &EnvironmentName, &EnvironmentName),
    grounds: &mut Grounds<'a, 'w>,
) -> Result<Elsewhere, String> {
    let config = &other.config;
    let Some(environment) = config.environments.named(there) else {
        let names: Vec<&str> = config.environments.0.iter().map(|one| one.name.as_str()).collect();
        return Err(format!("it has no environment `{there}`; there are: {}", names.join(", ")));
    };
    let ground = grounds
        .entry((repository, environment.branch.clone()))
        .or_insert_with(|| ground(inputs, other, environment.branch.as_ref()))
        .as_mut()
        .map_err(|reason| reason.clone())?;
    let Some(theirs) = ground.theirs.as_mut() else { return Err("it was not looked at".to_owned()) };
    theirs.names.insert(here.clone(), there.clone());
    if let Some(reason) = ground.unreadable.get(there) {
        return Err(reason.clone());
    }
    let mut found = Elsewhere {
        repository: Arc::clone(repository),
        holds: held(other, environment, here)?,
        ..Elsewhere::default()
    };
    for site in &theirs.sites {
        let is_there =
            config.environments.of(site.branch.as_ref(), site.file.as_str()).is_some_and(|own| own == environment);
        // What runs there counts, also where nobody there follows it: pipelines write manifests, too.
        let counts = match follow(site, &config.rules, &config.environments) {
            Followed::Yes { .. } => true,
            Followed::No(SkipReason::NoRule) => site.value.tag.is_some(),
            Followed::No(_) => false,
        };
        if let (true, true, Some(image)) = (is_there, counts, &site.image) {
            found.runs.entry(image.clone()).or_default().insert(site.value.clone());
        }
    }
    Ok(found)
}

/// Scans one branch of another repository.
fn ground<'a>(inputs: &Inputs<'a>, other: &'a Other, branch: Option<&BranchName>) -> Result<Seen<'a>, String> {
    let viewed = match branch {
        None => &other.viewed,
        Some(branch) => match other.branches.get(branch) {
            Some(Ok(viewed)) => viewed,
            Some(Err(Unseen::Absent(reason) | Unseen::Failed(reason))) => {
                return Err(format!("its branch {branch}: {reason}"));
            }
            None => return Err(format!("its branch {branch} was not looked at")),
        },
    };
    let scanned = scan(&*viewed.files, &other.config.formats, inputs.limits, inputs.cache)?;
    let Scanned { mut sites, passed_over, files: paths, surroundings, .. } = scanned;
    sites.iter_mut().for_each(|site| site.branch = branch.cloned());
    let mut unreadable = BTreeMap::new();
    for passed in passed_over.iter().filter(|passed| report::is_failure(&passed.reason)) {
        if let Some(own) = other.config.environments.of(branch, &passed.file) {
            unreadable.entry(own.name.clone()).or_insert_with(|| format!("{}: {}", passed.file, passed.reason));
        }
    }
    Ok(Seen {
        branch: branch.cloned(),
        files: &*viewed.files,
        past: viewed.past.as_deref(),
        paths,
        surroundings,
        theirs: Some(Theirs { config: &other.config, names: BTreeMap::new(), sites }),
        unreadable,
    })
}

/// Returns what people hold there: in the environment, in one before it, or everywhere.
fn held(other: &Other, environment: &Environment, here: &EnvironmentName) -> Result<Vec<Hold>, String> {
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let bytes = other.viewed.files.read_if_there(&path, MAX_HOLDS);
    let Some(bytes) = bytes.map_err(|reason| format!("{HOLDS_FILE} there: {reason}"))? else { return Ok(Vec::new()) };
    let all = holds::parse_for(HOLDS_FILE, &bytes, &other.config.environments)
        .map_err(|faults| format!("there, {}", in_words(&PassError::Configuration(faults))))?;
    let mut concerned = promote::order::before(environment, &other.config.environments);
    concerned.push(&environment.name);
    let counts = |hold: &Hold| hold.environment.as_ref().is_none_or(|own| concerned.contains(&own));
    let here = |hold| Hold { environment: Some(here.clone()), ..hold };
    Ok(all.into_iter().filter(counts).map(here).collect())
}
