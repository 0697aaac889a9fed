//! Reading the record back from Git: what happened, how environments drift apart, and the delivery figures.
//!
//! Entry points: [`history`], [`delivery`] and `drift`. History is deepened step by step, only as far as needed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cache::Cache;
use crate::config::closest;
use crate::config::holds::{self, HOLDS_FILE};
use crate::config::repository::Repository;
use crate::git::GitError;
use crate::manifest;
use crate::model::environment::{BranchName, Environment, EnvironmentName, Environments, Predecessor};
use crate::model::file::RepoPath;
use crate::model::history::{Shift, Timeline};
use crate::model::hold::Hold;
use crate::model::image::{Ambiguous, ImageName, Written, shorten};
use crate::model::record::{Delivery, Entry, History, Kind, LATELY};
use crate::model::site::{Site, Value};
use crate::observe::files::Files;
use crate::observe::history::{Asking, MOST_COMMITS, Past, Reading, Rewritten, Told, tell};
use crate::pass::PassError;
use crate::pass::elsewhere::{self, Looking, Others, Survey};
use crate::pass::grounds::{self, Looked, Seen, Sight};
use crate::pass::hold;
use crate::pass::pasts::WRITTEN;
use crate::pass::view::Branches;
use crate::promote::drift::{self, Comparing, Drift, Runs, Standing};
use crate::promote::figures::{figures, is_dated, is_traced};
use crate::promote::matching::Matching;
use crate::promote::record::{self, Known};
use crate::{decide, promote};

/// How many commits are read at first, and how many then where that was not enough.
pub(super) const DEPTHS: [usize; 4] = [LATELY, 200, 800, MOST_COMMITS];

/// How many things that happened lately are told.
const MOST_LATELY: usize = 1_000;

/// How many commits are read at most.
pub const MOST_READ: usize = MOST_COMMITS;

/// What the record is read from.
pub struct Ledger<'a> {
    /// What is followed, and how.
    pub config: &'a Repository,
    /// The files as they are now.
    pub files: &'a dyn Files,
    /// What led to them.
    pub past: &'a dyn Past,
    /// The branches beside the base on which environments live.
    pub branches: &'a Branches,
    /// The other repositories whose environments come before ones of this one; what is not here is not compared with.
    pub others: &'a Others,
    /// What earlier passes left.
    pub cache: &'a Cache,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
}

impl<'a> Ledger<'a> {
    /// Returns what other repositories are looked at by.
    pub(super) fn looking(&self) -> Looking<'a> {
        let Ledger { config, others, cache, limits, .. } = *self;
        Looking { config, others, cache, limits }
    }
}

/// Which part of the record is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Only this environment.
    pub environment: Option<EnvironmentName>,
    /// Only this image.
    pub image: Option<Written>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
}

/// Why the record was not read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Files or history cannot be read.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Several images may be meant.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
    /// No image is meant.
    #[error("no image `{text}` stands in what is read, or did as far as history tells")]
    Unknown {
        /// What was written.
        text: String,
        /// The images that were perhaps meant; all that there are where none is called nearly so.
        alike: Result<Vec<ImageName>, Vec<ImageName>>,
    },
}

impl From<GitError> for RecordError {
    fn from(error: GitError) -> Self {
        Self::Pass(PassError::Git(error))
    }
}

/// Tells what happened, newest first.
///
/// # Errors
///
/// [`RecordError`] when files or history cannot be read, or when several images may be meant, or none.
pub fn history(ledger: &Ledger<'_>, asked: &Asked) -> Result<History, RecordError> {
    let looked = complete(ledger)?;
    let environments = asked.environment.as_ref().map(|name| with_those_before(ledger, name));
    let is_shown = |name: &EnvironmentName, shift: &Shift| {
        asked.since.is_none_or(|since| since <= shift.time) && asked.environment.as_ref().is_none_or(|own| own == name)
    };
    // What something was may be told by what lies further back than it.
    let is_enough = |told: &Told| {
        let image = match meant(&looked.sites, told, asked) {
            // It may stand nowhere any more.
            Err(RecordError::Unknown { .. }) => return false,
            Err(_) => return true,
            Ok(image) => image,
        };
        let is_shown = |name: &EnvironmentName, own: &ImageName, shift: &Shift| {
            is_shown(name, shift) && image.as_ref().is_none_or(|image| image == own)
        };
        asked.since.is_some_and(|since| told.oldest < since)
            && known(ledger, &looked.sites, told, |known| record::is_settled(known, &is_shown))
    };
    let told = read(ledger, &looked, &Asking::All(environments), &is_enough)?;
    let mut entries = entries(ledger, &looked.sites, &told);
    entries.extend(held(&told.rewritten, &images(&looked.sites, &told)));
    record::sort(&mut entries, &ledger.config.environments);
    let image = meant(&looked.sites, &told, asked)?;
    entries.retain(|entry| {
        asked.since.is_none_or(|since| since <= entry.time)
            && image.as_ref().is_none_or(|image| entry.image == *image)
            && asked.environment.as_ref().is_none_or(|name| entry.environment.as_ref().is_none_or(|own| own == name))
    });
    let is_cut = !told.whole && !is_enough(&told);
    Ok(History { entries, cut: is_cut.then_some(told.oldest), is_shallow: told.is_shallow })
}

/// Counts the delivery figures of a period: from `from`, included, to `to`, excluded.
///
/// # Errors
///
/// [`PassError`] when files or history cannot be read.
pub fn delivery(ledger: &Ledger<'_>, from: Timestamp, to: Timestamp) -> Result<Delivery, PassError> {
    let looked = complete(ledger)?;
    let environments = &ledger.config.environments;
    let in_period = |time: Timestamp| from <= time && time < to;
    // A version that came here in the period may have come to the first environment long before.
    let is_known = |told: &Told| {
        told.oldest < from && is_counted_for_good(ledger, &looked, told, &in_period) && {
            let entries = entries(ledger, &looked.sites, told);
            is_traced(environments, &entries, &told.timelines, (from, to))
        }
    };
    // The commit that tells when a version was published may lie behind all of that.
    let is_enough =
        |told: &Told| is_known(told) && is_dated(&entries(ledger, &looked.sites, told), &told.timelines, (from, to));
    let told = read(ledger, &looked, &Asking::All(None), &is_enough)?;
    let entries = entries(ledger, &looked.sites, &told);
    let is_cut = !told.whole && !is_known(&told);
    Ok(Delivery {
        from,
        to,
        environments: figures(environments, &entries, &told.timelines, (from, to)),
        cut: is_cut.then_some(told.oldest),
        is_shallow: told.is_shallow,
    })
}

/// Whether nothing older would tell otherwise what came in a period and what became of that since.
fn is_counted_for_good(
    ledger: &Ledger<'_>,
    looked: &Looked<'_>,
    told: &Told,
    in_period: &dyn Fn(Timestamp) -> bool,
) -> bool {
    let oldest = |timeline: &Timeline| {
        let brought = timeline.shifts.iter().rev().find(|shift| in_period(shift.time));
        brought.map(|shift| shift.word.depth)
    };
    let oldest: BTreeMap<_, usize> =
        told.timelines.iter().filter_map(|(key, timeline)| Some((key.clone(), oldest(timeline)?))).collect();
    let is_meant = |name: &EnvironmentName, image: &ImageName, shift: &Shift| {
        oldest.get(&(name.clone(), image.clone())).is_some_and(|oldest| shift.word.depth <= *oldest)
    };
    known(ledger, &looked.sites, told, |known| record::is_settled(known, &is_meant))
}

/// Finds the environments that differ from what promotion would have brought.
///
/// # Errors
///
/// [`GitError`] when history cannot be read.
pub(super) fn drift(ledger: &Ledger<'_>, looked: &Looked<'_>, survey: Survey<'_>) -> Result<Drifted, GitError> {
    let environments = &ledger.config.environments;
    if environments.0.iter().all(|environment| environment.after.is_empty()) {
        return Ok(Drifted::default());
    }
    let runs = runs(ledger.config, &looked.sites);
    let told = read_of(ledger, looked, &Asking::These(runs.keys().cloned().collect()), &|told| settles(told, &runs))?;
    let starving = starving(environments, &runs, &told.timelines);
    Ok(Drifted { starving, ..drifted(ledger, &looked.sites, survey, runs, told.timelines)? })
}

/// Finds the environments to which nothing comes since what runs before them is replaced before its soak is over, with the
/// figures.
fn starving(
    environments: &Environments,
    runs: &Runs,
    timelines: &BTreeMap<(EnvironmentName, ImageName), Timeline>,
) -> Vec<(Environment, String)> {
    let mut found = Vec::new();
    for ((name, image), standing) in runs {
        let Some(environment) = environments.named(name) else { continue };
        for before in environment.after.iter().map(Predecessor::name) {
            let key = (before.clone(), image.clone());
            // Where it stands here already, nothing waits.
            let (Some(timeline), true) = (timelines.get(&key), runs.get(&key).is_some_and(|runs| runs != standing))
            else {
                continue;
            };
            let taken = decide::past::taken_back(timeline, None);
            let is_taken_back = |value: &Value| taken.iter().any(|taken| taken.holds(value));
            if let Some(figures) = promote::starving(environment, timeline, &is_taken_back) {
                found.push((environment.clone(), format!("`{name}` waits for {image} from {before}: {figures}")));
            }
        }
    }
    found
}

/// How environments differ, and with what they could not be compared.
#[derive(Debug, Default)]
pub(super) struct Drifted {
    /// How they differ.
    pub(super) drifts: Vec<Drift>,
    /// Environments of other repositories that could not be looked at, with the reason.
    pub(super) unknown: Vec<(EnvironmentName, String)>,
    /// Environments that starve for a soak that is never over, with the figures.
    pub(super) starving: Vec<(Environment, String)>,
}

/// Compares what environments run and have run with those before them, here and in other repositories.
pub(super) fn drifted(
    ledger: &Ledger<'_>,
    sites: &[Site],
    survey: Survey<'_>,
    mut runs: Runs,
    mut timelines: BTreeMap<(EnvironmentName, ImageName), Timeline>,
) -> Result<Drifted, GitError> {
    let config = ledger.config;
    let there = elsewhere::background(ledger.looking(), survey, &runs)?;
    runs.extend(there.runs);
    timelines.extend(there.timelines);
    let standing = standing(config, sites);
    let followed = standing.values().flat_map(BTreeMap::values).flatten().copied().collect();
    let environments = &config.environments;
    let matching = Matching::new((sites, followed), &there.elsewhere, environments);
    let order = &decide::past::order;
    let comparing = Comparing { environments, runs: &runs, timelines: &timelines, sites, matching: &matching, order };
    let drifts = drift::drift(&comparing, &standing);
    Ok(Drifted { drifts, unknown: there.failed, starving: Vec::new() })
}

/// Whether history reaches the commits that brought everything that stands now.
pub(super) fn settles(told: &Told, runs: &Runs) -> bool {
    runs.iter().all(|(key, values)| {
        let timeline = told.timelines.get(key);
        timeline.is_some_and(|timeline| values.iter().all(|value| timeline.brought(value).is_some()))
    })
}

/// Returns what every environment runs of the images that are followed.
pub(super) fn runs(config: &Repository, sites: &[Site]) -> Runs {
    standing(config, sites).into_iter().map(|(key, values)| (key, values.into_keys().collect())).collect()
}

/// Returns at which sites every environment runs what of the images that are followed.
pub(super) fn standing(config: &Repository, sites: &[Site]) -> Standing {
    let mut standing = Standing::new();
    for (index, site) in sites.iter().enumerate() {
        let followed = decide::questions::follow(site, &config.rules, &config.environments);
        if let (decide::questions::Followed::Yes { environment, .. }, Some(image)) = (followed, &site.image) {
            let values = standing.entry((environment, image.clone())).or_default();
            values.entry(site.value.clone()).or_default().push(index);
        }
    }
    standing
}

/// Looks at every branch; one that cannot be read leaves a hole in the record that nobody would see.
fn complete<'a>(ledger: &Ledger<'a>) -> Result<Looked<'a>, PassError> {
    let looked = looked(ledger)?;
    let lacking = looked.troubles.iter().map(|row| (&row.what, &row.reason));
    let mut lacking = lacking.chain(looked.absent.iter().map(|row| (&row.what, &row.reason)));
    match lacking.next() {
        Some((what, reason)) => Err(PassError::Files(format!("{what}: {reason}"))),
        None => Ok(looked),
    }
}

/// Looks at every branch that is at hand.
pub(super) fn looked<'a>(ledger: &Ledger<'a>) -> Result<Looked<'a>, PassError> {
    let Ledger { config, files, past, branches, cache, limits, others: _ } = *ledger;
    grounds::look(&Sight { config, files, past: Some(past), branches, cache, limits })
}

fn with_those_before(ledger: &Ledger<'_>, name: &EnvironmentName) -> BTreeSet<EnvironmentName> {
    let environments = &ledger.config.environments;
    let before = environments.named(name).into_iter();
    let before = before.flat_map(|environment| promote::order::before(environment, environments)).cloned();
    before.chain([name.clone()]).collect()
}

fn read(
    ledger: &Ledger<'_>,
    looked: &Looked<'_>,
    asking: &Asking,
    is_enough: &dyn Fn(&Told) -> bool,
) -> Result<Told, PassError> {
    Ok(read_of(ledger, looked, asking, is_enough)?)
}

/// Goes back until it is enough, to the first commit of all, or as far as history is ever read.
pub(super) fn read_of(
    ledger: &Ledger<'_>,
    looked: &Looked<'_>,
    asking: &Asking,
    is_enough: &dyn Fn(&Told) -> bool,
) -> Result<Told, GitError> {
    let mut told = read_to(ledger, looked, asking, DEPTHS[0])?;
    for depth in &DEPTHS[1..] {
        if told.whole || is_enough(&told) {
            break;
        }
        told = read_to(ledger, looked, asking, *depth)?;
    }
    Ok(told)
}

/// Reads every branch so far down; together they tell as far back as the shortest.
fn read_to(ledger: &Ledger<'_>, looked: &Looked<'_>, asking: &Asking, depth: usize) -> Result<Told, GitError> {
    let holds = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let mut all = Told {
        timelines: BTreeMap::new(),
        rewritten: Vec::new(),
        oldest: Timestamp::MIN,
        whole: true,
        is_shallow: false,
        line: Vec::new(),
        made: Vec::new(),
    };
    for Seen { branch, past, surroundings, .. } in &looked.seen {
        let Some(past) = past else { continue };
        let reading = Reading {
            environments: &ledger.config.environments,
            configuration: Some(WRITTEN),
            branch: branch.as_ref(),
            sites: &looked.sites,
            surroundings,
            limits: ledger.limits,
            cache: ledger.cache,
            uncommitted: None,
        };
        let watched = branch.is_none().then_some(&holds);
        let asked = of_ground(asking, ledger.config, branch.as_ref());
        let told = tell(*past, &asked, &reading, watched, depth)?;
        all.timelines.extend(told.timelines);
        all.rewritten.extend(told.rewritten);
        all.oldest = all.oldest.max(told.oldest);
        all.whole &= told.whole;
        all.is_shallow |= told.is_shallow;
    }
    Ok(all)
}

/// Asks of a branch only what its own environments have run.
fn of_ground(asking: &Asking, config: &Repository, branch: Option<&BranchName>) -> Asking {
    let is_here = |name: &EnvironmentName| {
        config.environments.named(name).is_none_or(|environment| environment.branch.as_ref() == branch)
    };
    match asking {
        Asking::These(these) => Asking::These(these.iter().filter(|(name, _)| is_here(name)).cloned().collect()),
        Asking::All(only) => {
            let own = config.environments.0.iter().map(|environment| &environment.name);
            let own = own.filter(|name| is_here(name) && only.as_ref().is_none_or(|only| only.contains(*name)));
            Asking::All(Some(own.cloned().collect()))
        }
    }
}

/// Tells what happened in the newest commits, newest first.
pub(super) fn lately(ledger: &Ledger<'_>, sites: &[Site], told: &Told) -> Vec<Entry> {
    let mut entries = entries(ledger, sites, told);
    entries.extend(held(&told.rewritten, &images(sites, told)));
    entries.retain(|entry| entry.depth < LATELY);
    record::sort(&mut entries, &ledger.config.environments);
    entries.truncate(MOST_LATELY);
    entries
}

fn entries(ledger: &Ledger<'_>, sites: &[Site], told: &Told) -> Vec<Entry> {
    known(ledger, sites, told, record::entries)
}

/// Judges by what history tells beside what stands now.
fn known<T>(ledger: &Ledger<'_>, sites: &[Site], told: &Told, judge: impl FnOnce(&Known<'_>) -> T) -> T {
    let environments = &ledger.config.environments;
    let mut runs = Runs::new();
    for site in sites {
        if let Some(environment) = environments.of(site.branch.as_ref(), site.file.as_str())
            && let Some(image) = &site.image
        {
            runs.entry((environment.name.clone(), image.clone())).or_default().insert(site.value.clone());
        }
    }
    let is_lowered =
        |timeline: &Timeline, index, left: &Value, came: &Value| decide::past::is_lower(came, left, timeline, index);
    let Told { timelines, whole, .. } = told;
    judge(&Known { environments, timelines, runs: &runs, whole: *whole, is_lowered: &is_lowered })
}

/// How many images are named where none is called nearly as was written.
const MOST_NAMED: usize = 10;

/// Returns the image that is asked for, also where it stands nowhere any more or is only held.
fn meant(sites: &[Site], told: &Told, asked: &Asked) -> Result<Option<ImageName>, RecordError> {
    let Some(written) = &asked.image else { return Ok(None) };
    let known = images(sites, told);
    let held: Vec<ImageName> = held(&told.rewritten, &known).into_iter().map(|entry| entry.image).collect();
    let known: BTreeSet<&ImageName> = known.into_iter().chain(&held).collect();
    let image = written.among(known.iter().copied())?;
    if known.contains(&image) {
        return Ok(Some(image));
    }
    let alike = match alike(written.as_str(), &known) {
        none if none.is_empty() => Err(known.into_iter().take(MOST_NAMED).cloned().collect()),
        alike => Ok(alike),
    };
    Err(RecordError::Unknown { text: shorten(written.as_str()), alike })
}

/// Returns the images that are called nearly as somebody wrote: as many parts of their names, else the last part.
fn alike(written: &str, known: &BTreeSet<&ImageName>) -> Vec<ImageName> {
    fn end(name: &str, parts: usize) -> &str {
        name.rmatch_indices('/').nth(parts - 1).map_or(name, |(slash, _)| &name[slash + 1..])
    }
    let all = written.split('/').count();
    let found = [all, 1].into_iter().find_map(|parts| {
        let near = closest(end(written, parts), known.iter().map(|image| end(image.as_str(), parts)))?;
        Some(
            known
                .iter()
                .filter(move |image| end(image.as_str(), parts) == near)
                .take(MOST_NAMED)
                .map(|image| (*image).clone()),
        )
    });
    found.into_iter().flatten().collect()
}

/// Returns every image that stands anywhere, or did as far as history was read.
fn images<'a>(sites: &'a [Site], told: &'a Told) -> BTreeSet<&'a ImageName> {
    let standing = sites.iter().filter_map(|site| site.image.as_ref());
    standing.chain(told.timelines.keys().map(|(_, image)| image)).collect()
}

/// Tells what was held and released, from the file of holds itself: people edit it, too, and write names of `images` as they
/// like.
fn held(rewritten: &[Rewritten], images: &BTreeSet<&ImageName>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for change in rewritten {
        let parsed = |bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) => holds::parse(HOLDS_FILE, bytes).ok().map(|holds| hold::resolved(holds, images)),
            None => Some(Vec::new()),
        };
        // What cannot be read held nothing back either: such a pass ends.
        let (Some(before), Some(after)) = (parsed(&change.before), parsed(&change.after)) else { continue };
        let key = |hold: &Hold| (hold.environment.clone(), hold.image.clone(), hold.tag.clone());
        let of = |holds: Vec<Hold>| holds.into_iter().map(|hold| (key(&hold), hold)).collect::<BTreeMap<_, _>>();
        let (before, after) = (of(before), of(after));
        let came = after.iter().filter(|(key, _)| !before.contains_key(*key)).map(|(_, hold)| (Kind::Hold, hold));
        let went = before.iter().filter(|(key, _)| !after.contains_key(*key)).map(|(_, hold)| (Kind::Release, hold));
        entries.extend(came.chain(went).map(|(kind, hold)| Entry {
            time: change.time,
            commit: change.commit.clone(),
            depth: change.word.depth,
            environment: hold.environment.clone(),
            image: hold.image.clone(),
            from: None,
            to: Some(Value { tag: Some(hold.tag.clone()), digest: None }),
            kind,
            author: change.word.author.clone(),
            by: match kind {
                Kind::Hold => hold.by.clone(),
                _ => change.word.by.clone(),
            },
            pull_request: change.word.pull_request.clone(),
            reason: match kind {
                Kind::Hold => hold.reason.clone(),
                _ => change.word.reason.clone(),
            },
            is_return: false,
        }));
    }
    entries
}
