//! Environments of other repositories that come before one of this one: looked at, and never touched.
//!
//! Entry points: [`view()`], which fetches, and `look`, which finds what they run. Which repositories may be looked at is
//! the operator's word ([`Neighbours`]): whoever may write manifests can make nobody fetch anything with a credential.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cache::Cache;
use crate::config::holds::{self, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::config::service::Service;
use crate::decide::questions::{Followed, follow};
use crate::git::url::RemoteUrl;
use crate::git::{GitError, Remote};
use crate::manifest::Limits;
use crate::model::commit::CommitId;
use crate::model::elsewhere::Elsewhere;
use crate::model::environment::{BranchName, Environment, EnvironmentName, Predecessor};
use crate::model::file::{Position, RepoPath};
use crate::model::history::Timeline;
use crate::model::hold::Hold;
use crate::model::image::ImageName;
use crate::model::observation::Observation;
use crate::model::outcome::{Finding, Severity, Skipped, Trouble};
use crate::model::site::{Site, SkipReason, Value};
use crate::observe::checks::Asked;
use crate::observe::history::{self, Asking, Reading};
use crate::observe::scan::{Scanned, scan};
use crate::pass::grounds::Seen;
use crate::pass::hold::Awaited;
use crate::pass::pasts::WRITTEN;
use crate::pass::propose::Publishing;
use crate::pass::setup::watched;
use crate::pass::view::{self, Branches, Unseen, Viewed};
use crate::pass::{Inputs, MAX_HOLDS, PassError, blocking, hold, record, report};
use crate::promote;
use crate::promote::drift::Runs;

pub(super) use crate::pass::elsewhere::circles::circles;

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
            away: None,
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

/// What other repositories are looked at by.
#[derive(Clone, Copy)]
pub(super) struct Looking<'a> {
    /// What is followed here.
    pub(super) config: &'a Repository,
    /// The other repositories.
    pub(super) others: &'a Others,
    /// What earlier passes left.
    pub(super) cache: &'a Cache,
    /// The limits of what is read.
    pub(super) limits: &'a Limits,
}

/// One environment of another repository: its name here and the place that names it, with what it runs or why not.
type Found<'a> = (&'a EnvironmentName, Position, Result<Elsewhere, Unseen>);

/// What was found in other repositories: every environment that comes before one here, and what was seen of their branches.
pub(super) struct Survey<'a> {
    all: Vec<Found<'a>>,
    seen: Vec<Seen<'a>>,
}

impl Survey<'_> {
    /// Returns what stands in each environment that could be looked at, by its name here.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&EnvironmentName, &Elsewhere)> {
        self.all.iter().filter_map(|(here, _, found)| Some((*here, found.as_ref().ok()?)))
    }
}

/// Looks at every environment of another repository.
pub(super) fn survey(looking: Looking<'_>) -> Survey<'_> {
    let mut wanted: BTreeMap<(&Arc<str>, &EnvironmentName), (&EnvironmentName, Position)> = BTreeMap::new();
    for before in looking.config.environments.0.iter().flat_map(|environment| &environment.after) {
        if let Predecessor::Elsewhere { repository, environment, name, at } = before {
            wanted.entry((repository, environment)).or_insert((name, *at));
        }
    }
    let mut grounds = Grounds::new();
    let mut all = Vec::with_capacity(wanted.len());
    for ((repository, there), (here, at)) in wanted {
        let found = match looking.others.get(repository) {
            Some(Ok(other)) => theirs(looking, other, (repository, there, here), &mut grounds).map_err(Unseen::Failed),
            Some(Err(unseen)) => Err(unseen.clone()),
            None => Err(Unseen::Absent("it was not looked at".to_owned())),
        };
        all.push((here, at, found));
    }
    Survey { all, seen: grounds.into_values().filter_map(Result::ok).collect() }
}

/// What the environments of other repositories run and have run, by their names here.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// What they run.
    pub(super) runs: Runs,
    /// What was seen of them.
    pub(super) elsewhere: BTreeMap<EnvironmentName, Elsewhere>,
    /// What they have run of what the environments here have, and they have not now.
    pub(super) timelines: BTreeMap<(EnvironmentName, ImageName), Timeline>,
    /// Those that could not be looked at, with the reason.
    pub(super) failed: Vec<(EnvironmentName, String)>,
}

/// Finds what the environments here are compared with, where others come before them; `runs` is what stands here.
///
/// # Errors
///
/// [`GitError`] when a history cannot be read.
pub(super) fn background(looking: Looking<'_>, survey: Survey<'_>, runs: &Runs) -> Result<Background, GitError> {
    let mut background = Background::default();
    let Survey { all, seen } = survey;
    for (here, _, found) in all {
        match found {
            Ok(found) => {
                let own = found.runs.iter().map(|(image, values)| ((here.clone(), image.clone()), values.clone()));
                background.runs.extend(own);
                background.elsewhere.insert(here.clone(), found);
            }
            // Nobody was to look there, which is told by itself.
            Err(Unseen::Absent(_)) => {}
            Err(Unseen::Failed(reason)) => background.failed.push((here.clone(), reason)),
        }
    }
    for ground in &seen {
        let timelines = past(looking, ground, runs, &background.runs)?;
        background.timelines.extend(timelines);
    }
    Ok(background)
}

/// Reads what another repository has run of what stands here and does not stand there, step by step.
fn past(
    looking: Looking<'_>,
    ground: &Seen<'_>,
    runs: &Runs,
    there: &Runs,
) -> Result<BTreeMap<(EnvironmentName, ImageName), Timeline>, GitError> {
    let (Some(theirs), Some(past)) = (&ground.theirs, ground.past) else { return Ok(BTreeMap::new()) };
    let mut lacking: BTreeMap<(EnvironmentName, ImageName), BTreeSet<&Value>> = BTreeMap::new();
    for ((name, image), values) in runs {
        let environment = looking.config.environments.named(name);
        for before in environment.iter().flat_map(|environment| promote::order::right_before(environment)) {
            let key = (before.clone(), image.clone());
            let Some(standing) = there.get(&key).filter(|_| theirs.names.contains_key(before)) else { continue };
            let lacks = |value: &&Value| !standing.iter().any(|other| promote::drift::is_same(other, value));
            lacking.entry(key).or_default().extend(values.iter().filter(lacks));
        }
    }
    lacking.retain(|_, values| !values.is_empty());
    if lacking.is_empty() {
        return Ok(BTreeMap::new());
    }
    let there = |key: &(EnvironmentName, ImageName)| (theirs.names[&key.0].clone(), key.1.clone());
    let reading = Reading {
        environments: &theirs.config.environments,
        configuration: Some(WRITTEN),
        branch: ground.branch.as_ref(),
        sites: &theirs.sites,
        surroundings: &ground.surroundings,
        limits: looking.limits,
        cache: looking.cache,
        uncommitted: None,
    };
    let asked = Asking::These(lacking.keys().map(there).collect());
    let mut told = history::tell(past, &asked, &reading, None, record::DEPTHS[0])?;
    for depth in &record::DEPTHS[1..] {
        let is_found = |(key, values): (&(EnvironmentName, ImageName), &BTreeSet<&Value>)| {
            let timeline = told.timelines.get(&there(key));
            timeline.is_some_and(|timeline| values.iter().all(|value| promote::drift::has_run(timeline, value)))
        };
        if told.whole || lacking.iter().all(is_found) {
            break;
        }
        told = history::tell(past, &asked, &reading, None, *depth)?;
    }
    let of = |key: &(EnvironmentName, ImageName)| Some((key.clone(), told.timelines.get(&there(key))?.clone()));
    Ok(lacking.keys().filter_map(of).collect())
}

/// Adds what is proposed to be held in environments of other repositories, by their names here; where that is there and cannot be
/// read, each of those environments with the reason: nothing may follow them then that might be held.
///
/// For each repository one listing of Git's, and one question to its forge where something is proposed.
pub(crate) async fn awaited(config: &Repository, others: &Others, awaited: &mut Awaited) {
    for (url, other) in others {
        let Ok(other) = other else { continue };
        let proposed = other.viewed.awaited(&other.config, &other.publishing).await;
        for before in config.environments.0.iter().flat_map(|environment| &environment.after) {
            let Predecessor::Elsewhere { repository, environment, name, .. } = before else { continue };
            if repository != url {
                continue;
            }
            match &proposed {
                Ok(proposed) => {
                    let there = other.config.environments.named(environment);
                    let held = there.map(|there| concerning(proposed.holds.clone(), other, there, name));
                    let new = held.unwrap_or_default().into_iter().filter(|hold| !awaited.holds.contains(hold));
                    let new: Vec<Hold> = new.collect();
                    awaited.holds.extend(new);
                }
                Err(error) => {
                    let reason = format!("what is proposed to be held in {url}: {}", in_words(error));
                    awaited.unread.insert(name.clone(), reason);
                }
            }
        }
    }
}

/// Returns the tips of every other repository: what was told of them holds as long as they stay.
pub(super) fn tips(others: &Others) -> impl Iterator<Item = Option<CommitId>> {
    others.values().flat_map(|other| {
        let other = other.as_ref().ok();
        let beside = other.into_iter().flat_map(|other| other.branches.values());
        let beside = beside.map(|viewed| viewed.as_ref().ok().and_then(|viewed| viewed.base.clone()));
        std::iter::once(other.and_then(|other| other.viewed.base.clone())).chain(beside)
    })
}

/// Finds what the environments of other repositories run. What cannot be read takes its own environment out of the
/// pass, and so whatever comes after it.
pub(super) fn look<'a>(inputs: &Inputs<'a>, observation: &mut Observation) -> Vec<Seen<'a>> {
    let Inputs { config, others, cache, limits, .. } = *inputs;
    let Survey { all, seen } = survey(Looking { config, others, cache, limits });
    for (here, at, found) in all {
        let unread = inputs.awaited.unread.get(here);
        match unread.map_or(found, |reason| Err(Unseen::Failed(reason.clone()))) {
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
    seen
}

/// What leads an environment of another repository back to itself.
const CIRCLE: &str = "the repository is named there by the same URL, so that nothing ever comes first";

/// Whether an environment of another repository follows itself, by ways that lead through that repository's own URL: it may be
/// the very repository that names it.
fn is_circle(config: &Repository, repository: &Arc<str>, there: &EnvironmentName) -> bool {
    let followed = |name: &EnvironmentName| {
        let after = config.environments.named(name).into_iter().flat_map(|environment| &environment.after);
        let own = after.filter_map(|before| match before {
            Predecessor::Here(name) => Some(name.clone()),
            Predecessor::Elsewhere { repository: other, environment, .. } => {
                (other == repository).then(|| environment.clone())
            }
        });
        own.collect::<Vec<_>>()
    };
    let mut waiting = followed(there);
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if name == *there {
            return true;
        }
        if seen.insert(name.clone()) {
            waiting.extend(followed(&name));
        }
    }
    false
}

/// Looks at one environment of another repository; else says why it is not fully known.
fn theirs<'a, 'w>(
    looking: Looking<'a>,
    other: &'a Other,
    (repository, there, here): (&'w Arc<str>, &EnvironmentName, &EnvironmentName),
    grounds: &mut Grounds<'a, 'w>,
) -> Result<Elsewhere, String> {
    let config = &other.config;
    let Some(environment) = config.environments.named(there) else {
        let names: Vec<&str> = config.environments.0.iter().map(|one| one.name.as_str()).collect();
        return Err(format!("it has no environment `{there}`; there are: {}", names.join(", ")));
    };
    if is_circle(config, repository, there) {
        return Err(format!("it comes after itself: {CIRCLE}"));
    }
    let ground = grounds
        .entry((repository, environment.branch.clone()))
        .or_insert_with(|| ground(looking, other, environment.branch.as_ref()))
        .as_mut()
        .map_err(|reason| reason.clone())?;
    let Some(theirs) = ground.theirs.as_mut() else { return Err("it was not looked at".to_owned()) };
    theirs.names.insert(here.clone(), there.clone());
    if let Some(reason) = ground.unreadable.get(there) {
        return Err(reason.clone());
    }
    let mut found = Elsewhere {
        repository: Arc::clone(repository),
        holds: held(other, &theirs.sites, environment, here)?,
        environment: Some(Arc::new(environment.clone())),
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
        if !is_there || site.image.is_none() {
            continue;
        }
        if let (true, Some(image)) = (counts, &site.image) {
            found.runs.entry(image.clone()).or_default().insert(site.value.clone());
            found.counted.insert(found.sites.len());
        }
        found.sites.push(site.clone());
    }
    Ok(found)
}

/// Scans one branch of another repository.
fn ground<'a>(looking: Looking<'a>, other: &'a Other, branch: Option<&BranchName>) -> Result<Seen<'a>, String> {
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
    let scanned = scan(&*viewed.files, &other.config.formats, looking.limits, looking.cache)?;
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
fn held(other: &Other, sites: &[Site], environment: &Environment, here: &EnvironmentName) -> Result<Vec<Hold>, String> {
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let bytes = other.viewed.files.read_if_there(&path, MAX_HOLDS);
    let Some(bytes) = bytes.map_err(|reason| format!("{HOLDS_FILE} there: {reason}"))? else { return Ok(Vec::new()) };
    let all = holds::parse_for(HOLDS_FILE, &bytes, &other.config.environments)
        .map_err(|faults| format!("there, {}", in_words(&PassError::Configuration(faults))))?;
    let known: BTreeSet<&ImageName> = sites.iter().filter_map(|site| site.image.as_ref()).collect();
    Ok(concerning(hold::resolved(all, &known), other, environment, here))
}

/// Returns which holds concern an environment there, under its name here.
fn concerning(all: Vec<Hold>, other: &Other, environment: &Environment, here: &EnvironmentName) -> Vec<Hold> {
    let mut concerned = promote::order::before(environment, &other.config.environments);
    concerned.push(&environment.name);
    let counts = |hold: &Hold| hold.environment.as_ref().is_none_or(|own| concerned.contains(&own));
    let here = |hold| Hold { environment: Some(here.clone()), ..hold };
    all.into_iter().filter(counts).map(here).collect()
}
