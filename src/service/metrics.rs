//! The numbers of `/metrics`, by the conventions of Prometheus: names, base units, and labels of few values.
//!
//! Labels come from the configuration and from words of ours: repositories up to [`MOST_REPOSITORIES`], hosts as `exchanges` bounds
//! them. Asks nobody: passes report what they came to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::model::exchange::{System, Witness};
use crate::model::proposal::Action;
use crate::model::usage::Usage;
use crate::pass::watched::Passed;
use crate::service::exchanges::Exchanges;
use crate::service::figures::Figures;

/// How many repositories have series of their own. Those beyond are counted as `other`, and have no gauges.
const MOST_REPOSITORIES: usize = 2_000;

/// What repositories beyond the bound are called.
const OTHER: &str = "other";

/// The bounds of the histogram of passes, in seconds: from nothing to do to a registry that is slow.
const PASS_SECONDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// The gates, by their names in labels.
const GATES: [&str; 8] = ["soak", "checks", "windows", "freezes", "query", "http", "approvals", "manual"];

/// What may become of a proposal.
const ACTIONS: [Action; 11] = [
    Action::Committed,
    Action::Opened,
    Action::Updated,
    Action::Unchanged,
    Action::Merged,
    Action::Enqueued,
    Action::Closed,
    Action::Waiting,
    Action::Held,
    Action::LeftAlone,
    Action::Failed,
];

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassResult {
    /// Everything went through.
    Done,
    /// Some targets failed.
    Partial,
    /// It failed as a whole.
    Failed,
    /// It ended in a panic.
    Panicked,
}

impl PassResult {
    /// Every one.
    const ALL: [Self; 4] = [Self::Done, Self::Partial, Self::Failed, Self::Panicked];

    /// Returns the word in logs and labels.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Repository {
    repository: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepositoryResult {
    repository: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepositoryAction {
    repository: String,
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepositoryGate {
    repository: String,
    gate: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepositoryVerdict {
    repository: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Host {
    registry: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hook {
    source: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Notice {
    channel: &'static str,
    result: &'static str,
}

/// The messages to receivers of notifications.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices(Family<Notice, Counter>);

impl Notices {
    /// Begins every series at nought, so that the first message is seen to come.
    fn begin(family: Family<Notice, Counter>) -> Self {
        for channel in ["slack", "teams", "webhook"] {
            for result in ["sent", "failed", "refused"] {
                drop(family.get_or_create(&Notice { channel, result }));
            }
        }
        Self(family)
    }

    /// Notes what came of sending one.
    pub(super) fn count(&self, channel: &'static str, result: &'static str) {
        self.0.get_or_create(&Notice { channel, result }).inc();
    }
}

type Seconds = Counter<f64, AtomicU64>;

/// Every number.
pub(super) struct Metrics {
    registry: Registry,
    passes: Family<RepositoryResult, Counter>,
    pass_seconds: Histogram,
    last_pass_seconds: Family<Repository, Gauge<f64, AtomicU64>>,
    last_success: Family<Repository, Gauge<f64, AtomicU64>>,
    failures: Family<Repository, Gauge>,
    running: Gauge,
    waiting: Gauge,
    decisions: Family<RepositoryVerdict, Counter>,
    changes: Family<Repository, Counter>,
    commits: Family<Repository, Counter>,
    proposals: Family<RepositoryAction, Gauge>,
    gate_waits: Family<RepositoryGate, Gauge>,
    holds: Family<Repository, Gauge>,
    errors: Family<Repository, Gauge>,
    exchanges: Exchanges,
    cached: Family<Host, Counter>,
    throttled: Family<Host, Counter>,
    retries: Family<Host, Counter>,
    waited: Family<Host, Seconds>,
    bytes: Family<Host, Counter>,
    limit_remaining: Family<Host, Gauge>,
    cache_lookups: Family<CacheResult, Counter>,
    cache_works: Gauge,
    hooks: Family<Hook, Counter>,
    queue_works: Gauge,
    taken_over: Counter,
    /// The messages to receivers of notifications.
    pub(super) notices: Notices,
    reload_succeeded: Gauge,
    reload_success: Gauge<f64, AtomicU64>,
    /// The repositories that have series of their own.
    known: Mutex<BTreeSet<String>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Adds a metric, and returns it.
fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Adds a metric that counts in a unit, which ends its name.
fn add_in<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, unit: Unit, metric: M) -> M {
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

impl Metrics {
    /// Makes all of them, at nothing.
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("tagboat");
        let all = &mut registry;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        all.register("build", "What runs", Info::new(version.to_vec()));
        let metrics = Self {
            passes: add(all, "passes", "Passes that ended", Family::default()),
            pass_seconds: add_in(
                all,
                "pass_duration",
                "How long passes took",
                Unit::Seconds,
                Histogram::new(PASS_SECONDS),
            ),
            last_pass_seconds: add_in(
                all,
                "last_pass_duration",
                "How long the repository's last pass took",
                Unit::Seconds,
                Family::default(),
            ),
            last_success: add_in(
                all,
                "last_success_timestamp",
                "When the repository's last pass ended that did not fail as a whole, since 1970",
                Unit::Seconds,
                Family::default(),
            ),
            failures: add(all, "consecutive_failures", "Passes that failed since the last success", Family::default()),
            running: add(all, "passes_running", "Passes that run now", Gauge::default()),
            waiting: add(all, "passes_waiting", "Passes that are due and wait for room", Gauge::default()),
            decisions: add(all, "decisions", "Decisions about images, by verdict", Family::default()),
            changes: add(all, "changes", "References that were written to Git", Family::default()),
            commits: add(all, "commits", "Commits that were pushed", Family::default()),
            proposals: add(all, "proposals", "Proposals of the last pass, by what became of them", Family::default()),
            gate_waits: add(all, "gate_waits", "Gates that held a proposal back in the last pass", Family::default()),
            holds: add(
                all,
                "held_versions",
                "Versions that are held or were taken back, as of the last pass",
                Family::default(),
            ),
            errors: add(all, "failed_targets", "Targets that failed in the last pass", Family::default()),
            exchanges: Exchanges::new(all),
            cached: add(all, "registry_cached_answers", "Answers that needed no request", Family::default()),
            throttled: add(all, "registry_throttled", "Answers 429 Too Many Requests", Family::default()),
            retries: add(all, "registry_retries", "Tries after the first one", Family::default()),
            waited: add_in(
                all,
                "registry_waited",
                "How long requests were held back, added up",
                Unit::Seconds,
                Family::default(),
            ),
            bytes: add_in(all, "registry_received", "Bytes of answers' bodies", Unit::Bytes, Family::default()),
            limit_remaining: add(
                all,
                "registry_limit_remaining",
                "Requests that the registry said to be left",
                Family::default(),
            ),
            cache_lookups: add(all, "cache_lookups", "Rows that the cache was asked for", Family::default()),
            cache_works: add(all, "cache_available", "Whether the cache served the last pass", Gauge::default()),
            hooks: add(all, "webhooks", "Webhooks that came, by what was said to them", Family::default()),
            queue_works: add(all, "queue_available", "Whether passes are queued as configured", Gauge::default()),
            taken_over: add(
                all,
                "passes_taken_over",
                "Passes that another replica had begun before it fell silent",
                Counter::default(),
            ),
            notices: Notices::begin(add(
                all,
                "notifications",
                "Messages to receivers of notifications, by what came of sending them",
                Family::default(),
            )),
            reload_succeeded: add(
                all,
                "config_last_reload_successful",
                "Whether the last reading of service.yaml took effect",
                Gauge::default(),
            ),
            reload_success: add_in(
                all,
                "config_last_reload_success_timestamp",
                "When service.yaml took effect last, since 1970",
                Unit::Seconds,
                Gauge::default(),
            ),
            known: Mutex::default(),
            registry,
        };
        for result in ["hit", "miss"] {
            drop(metrics.cache_lookups.get_or_create(&CacheResult { result }));
        }
        metrics
    }

    /// Returns whom passes tell of what they ask.
    pub(super) fn witness(&self) -> Witness {
        self.exchanges.witness()
    }

    /// Makes the series of a repository, so that their first change shows as one.
    pub(super) fn watch(&self, repository: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(repository) && known.len() < MOST_REPOSITORIES {
            known.insert(repository.to_owned());
        }
        let repository = if known.contains(repository) { repository } else { OTHER };
        drop(known);
        let named = || Repository { repository: repository.to_owned() };
        for result in PassResult::ALL {
            drop(
                self.passes
                    .get_or_create(&RepositoryResult { repository: repository.to_owned(), result: result.as_str() }),
            );
        }
        if repository != OTHER {
            drop(self.failures.get_or_create(&named()));
        }
        drop(self.changes.get_or_create(&named()));
        drop(self.commits.get_or_create(&named()));
    }

    /// Takes away the series of a repository that is watched no longer.
    pub(super) fn forget(&self, repository: &str) {
        if !self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(repository) {
            return;
        }
        let repository = repository.to_owned();
        for result in PassResult::ALL.map(PassResult::as_str) {
            self.passes.remove(&RepositoryResult { repository: repository.clone(), result });
        }
        for action in ACTIONS.map(Action::as_str) {
            self.proposals.remove(&RepositoryAction { repository: repository.clone(), action });
        }
        for gate in GATES {
            self.gate_waits.remove(&RepositoryGate { repository: repository.clone(), gate });
        }
        for verdict in ["keep", "move", "undecided"] {
            self.decisions.remove(&RepositoryVerdict { repository: repository.clone(), verdict });
        }
        let named = Repository { repository };
        self.last_pass_seconds.remove(&named);
        self.last_success.remove(&named);
        self.failures.remove(&named);
        self.changes.remove(&named);
        self.commits.remove(&named);
        self.holds.remove(&named);
        self.errors.remove(&named);
    }

    /// Notes how many passes run and wait.
    pub(super) fn load(&self, running: usize, waiting: usize) {
        self.running.set(i64::try_from(running).unwrap_or(i64::MAX));
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Notes whether a reading of the configuration took effect.
    pub(super) fn reloaded(&self, took_effect: bool, now: Timestamp) {
        self.reload_succeeded.set(i64::from(took_effect));
        if took_effect {
            self.reload_success.set(seconds_of(now));
        }
    }

    /// Notes whether the queue works as configured.
    pub(super) fn queue(&self, works: bool) {
        self.queue_works.set(i64::from(works));
    }

    /// Notes how a repository stands after a pass of another replica.
    pub(super) fn heard(&self, repository: &str, failures: u32, ended: Timestamp) {
        let named = Repository { repository: repository.to_owned() };
        self.failures.get_or_create(&named).set(i64::from(failures));
        if failures == 0 {
            self.last_success.get_or_create(&named).set(seconds_of(ended));
        }
    }

    /// Notes that a pass was taken over.
    pub(super) fn taken_over(&self) {
        self.taken_over.inc();
    }

    /// Notes what was said to a webhook.
    pub(super) fn hook(&self, source: &'static str, result: &'static str) {
        self.hooks.get_or_create(&Hook { source, result }).inc();
    }

    /// Notes how a pass ended.
    pub(super) fn ended(&self, repository: &str, result: PassResult, took: Duration, failures: u32, now: Timestamp) {
        let (label, is_known) = self.label(repository);
        let named = Repository { repository: label.clone() };
        self.passes.get_or_create(&RepositoryResult { repository: label, result: result.as_str() }).inc();
        self.pass_seconds.observe(took.as_secs_f64());
        if !is_known {
            return;
        }
        self.last_pass_seconds.get_or_create(&named).set(took.as_secs_f64());
        self.failures.get_or_create(&named).set(i64::from(failures));
        if matches!(result, PassResult::Done | PassResult::Partial) {
            self.last_success.get_or_create(&named).set(seconds_of(now));
        }
    }

    /// Notes what a pass asked and was told.
    pub(super) fn asked(&self, passed: &Passed) {
        self.usage(&passed.usage);
        let hits = passed.cache.answered as u64;
        let misses = (passed.cache.asked as u64).saturating_sub(hits);
        self.cache_lookups.get_or_create(&CacheResult { result: "hit" }).inc_by(hits);
        self.cache_lookups.get_or_create(&CacheResult { result: "miss" }).inc_by(misses);
        self.cache_works.set(i64::from(passed.cache_warning.is_none()));
    }

    /// Notes what a pass decided and did.
    pub(super) fn figures(&self, repository: &str, figures: &Figures) {
        let (label, is_known) = self.label(repository);
        let name = || label.clone();
        let named = Repository { repository: name() };
        for (verdict, count) in &figures.decisions {
            self.decisions.get_or_create(&RepositoryVerdict { repository: name(), verdict }).inc_by(*count);
        }
        self.changes.get_or_create(&named).inc_by(figures.changes);
        self.commits.get_or_create(&named).inc_by(figures.commits);
        if !is_known {
            return;
        }
        // What never was anything but nothing has no series: most of a repository's would be such.
        for action in ACTIONS {
            let series = RepositoryAction { repository: name(), action: action.as_str() };
            let count = figures.proposals(action);
            if count > 0 || self.proposals.get(&series).is_some() {
                self.proposals.get_or_create(&series).set(whole(count));
            }
        }
        for gate in GATES {
            let series = RepositoryGate { repository: name(), gate };
            let count = figures.gate_waits.get(gate).copied().unwrap_or_default();
            if count > 0 || self.gate_waits.get(&series).is_some() {
                self.gate_waits.get_or_create(&series).set(whole(count));
            }
        }
        self.holds.get_or_create(&named).set(whole(figures.holds));
        self.errors.get_or_create(&named).set(whole(figures.errors));
    }

    /// Returns the label of a repository, and whether it is its own.
    fn label(&self, repository: &str) -> (String, bool) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.contains(repository);
        (if is_known { repository } else { OTHER }.to_owned(), is_known)
    }

    fn usage(&self, usage: &Usage) {
        for (host, usage) in &usage.0 {
            let host = Host { registry: self.exchanges.label(System::Registry, host) };
            self.cached.get_or_create(&host).inc_by(usage.cached);
            self.throttled.get_or_create(&host).inc_by(usage.throttled);
            self.retries.get_or_create(&host).inc_by(usage.retries);
            self.waited.get_or_create(&host).inc_by(usage.waited.as_secs_f64());
            self.bytes.get_or_create(&host).inc_by(usage.bytes);
            if let Some(told) = usage.limit {
                self.limit_remaining.get_or_create(&host).set(whole(told.remaining));
            }
        }
        self.exchanges.gone().into_iter().for_each(|registry| self.forget_host(&Host { registry }));
    }

    /// Lets the series of a registry go whose place another one has taken.
    fn forget_host(&self, host: &Host) {
        self.cached.remove(host);
        self.throttled.remove(host);
        self.retries.remove(host);
        self.waited.remove(host);
        self.bytes.remove(host);
        self.limit_remaining.remove(host);
    }

    /// Returns everything in the text format of OpenMetrics.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes whatever is written to it");
        text
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds_of(moment: Timestamp) -> f64 {
    moment.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::usage::RegistryUsage;

    #[test]
    fn a_repository_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new();
        let url = "https://git.example/acme/gitops";
        metrics.watch(url);
        metrics.figures(url, &Figures { decisions: [("keep", 1)].into(), ..Figures::default() });
        metrics.ended(url, PassResult::Done, Duration::from_secs(1), 0, Timestamp::UNIX_EPOCH);
        assert!(metrics.text().contains(url));
        metrics.forget(url);
        assert!(!metrics.text().contains(url), "{}", metrics.text());
    }

    #[test]
    fn repositories_beyond_the_bound_are_counted_together() {
        let metrics = Metrics::new();
        let url = |number: usize| format!("https://git.example/acme/{number}");
        let pass = |number: usize| {
            metrics.ended(&url(number), PassResult::Done, Duration::from_secs(1), 0, Timestamp::UNIX_EPOCH);
            let figures = Figures { changes: 1, proposals: [("waiting", 1)].into(), ..Figures::default() };
            metrics.figures(&url(number), &figures);
        };
        (0..MOST_REPOSITORIES + 30).for_each(|number| metrics.watch(&url(number)));
        (0..MOST_REPOSITORIES + 30).for_each(pass);
        let text = metrics.text();
        assert!(text.contains("tagboat_changes_total{repository=\"other\"} 30\n"));
        assert!(text.contains("tagboat_passes_total{repository=\"other\",result=\"done\"} 30\n"));
        assert_eq!(text.matches("tagboat_changes_total{").count(), MOST_REPOSITORIES + 1);
        assert_eq!(text.matches("tagboat_proposals{").count(), MOST_REPOSITORIES);
        assert_eq!(text.matches("tagboat_last_success_timestamp_seconds{").count(), MOST_REPOSITORIES);
        // One that goes makes room.
        metrics.forget(&url(7));
        metrics.watch(&url(MOST_REPOSITORIES + 5));
        pass(MOST_REPOSITORIES + 5);
        assert!(
            metrics
                .text()
                .contains(&format!("tagboat_changes_total{{repository=\"{}\"}} 1\n", url(MOST_REPOSITORIES + 5)))
        );
    }

    #[test]
    fn names_end_in_their_units() {
        let metrics = Metrics::new();
        metrics.usage(&Usage([("ghcr.io".to_owned(), RegistryUsage::default())].into()));
        let text = metrics.text();
        for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            let mut words = line.split(' ').skip(2);
            let name = words.next().unwrap();
            assert!(name.starts_with("tagboat_") && !name.ends_with("_total"), "{line}");
        }
        assert!(text.contains("# UNIT tagboat_pass_duration_seconds seconds"), "{text}");
        assert!(text.contains("# UNIT tagboat_registry_received_bytes bytes"), "{text}");
        assert!(text.contains(concat!("tagboat_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1")), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
