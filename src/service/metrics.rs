//! The numbers of `/metrics`, by the conventions of Prometheus: names, base units, and labels of few values.
//!
//! Labels come from the configuration and from words of ours; registries, which manifests name, are counted apart up
//! to [`MOST_REGISTRIES`] and together as `other` beyond. Asks nobody: passes report what they came to.

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

use crate::model::proposal::Action;
use crate::model::usage::Usage;
use crate::pass::watched::Passed;
use crate::service::figures::Figures;

/// How many registries have series of their own.
const MOST_REGISTRIES: usize = 50;

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
struct HostKind {
    registry: String,
    kind: &'static str,
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
    requests: Family<HostKind, Counter>,
    cached: Family<Host, Counter>,
    throttled: Family<Host, Counter>,
    retries: Family<Host, Counter>,
    waited: Family<Host, Seconds>,
    bytes: Family<Host, Counter>,
    limit_remaining: Family<Host, Gauge>,
    cache_lookups: Family<CacheResult, Counter>,
    cache_works: Gauge,
    hooks: Family<Hook, Counter>,
    /// The messages to receivers of notifications.
    pub(super) notices: Notices,
    reload_succeeded: Gauge,
    reload_success: Gauge<f64, AtomicU64>,
    known_registries: Mutex<BTreeSet<String>>,
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
            requests: add(all, "registry_requests", "Requests to registries, every try, by kind", Family::default()),
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
            notices: Notices(add(
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
            known_registries: Mutex::default(),
            registry,
        };
        for result in ["hit", "miss"] {
            drop(metrics.cache_lookups.get_or_create(&CacheResult { result }));
        }
        metrics
    }

    /// Makes the series of a repository, so that their first change shows as one.
    pub(super) fn watch(&self, repository: &str) {
        let named = || Repository { repository: repository.to_owned() };
        for result in PassResult::ALL {
            drop(
                self.passes
                    .get_or_create(&RepositoryResult { repository: repository.to_owned(), result: result.as_str() }),
            );
        }
        drop(self.failures.get_or_create(&named()));
        drop(self.changes.get_or_create(&named()));
        drop(self.commits.get_or_create(&named()));
    }

    /// Takes away the series of a repository that is watched no longer.
    pub(super) fn forget(&self, repository: &str) {
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

    /// Notes what was said to a webhook.
    pub(super) fn hook(&self, source: &'static str, result: &'static str) {
        self.hooks.get_or_create(&Hook { source, result }).inc();
    }

    /// Notes how a pass ended.
    pub(super) fn ended(&self, repository: &str, result: PassResult, took: Duration, failures: u32, now: Timestamp) {
        let named = Repository { repository: repository.to_owned() };
        let by_result = RepositoryResult { repository: repository.to_owned(), result: result.as_str() };
        self.passes.get_or_create(&by_result).inc();
        self.pass_seconds.observe(took.as_secs_f64());
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
        let name = || repository.to_owned();
        let named = Repository { repository: name() };
        for (verdict, count) in &figures.decisions {
            self.decisions.get_or_create(&RepositoryVerdict { repository: name(), verdict }).inc_by(*count);
        }
        self.changes.get_or_create(&named).inc_by(figures.changes);
        self.commits.get_or_create(&named).inc_by(figures.commits);
        for action in ACTIONS {
            let series = RepositoryAction { repository: name(), action: action.as_str() };
            self.proposals.get_or_create(&series).set(whole(figures.proposals(action)));
        }
        for gate in GATES {
            let count = figures.gate_waits.get(gate).copied().unwrap_or_default();
            self.gate_waits.get_or_create(&RepositoryGate { repository: name(), gate }).set(whole(count));
        }
        self.holds.get_or_create(&named).set(whole(figures.holds));
        self.errors.get_or_create(&named).set(whole(figures.errors));
    }

    fn usage(&self, usage: &Usage) {
        for (host, usage) in &usage.0 {
            let registry = self.registry_label(host);
            let kinds = [
                ("list", usage.lists),
                ("head", usage.heads),
                ("manifest", usage.manifests),
                ("blob", usage.blobs),
                ("token", usage.tokens),
                ("other", usage.others),
            ];
            for (kind, count) in kinds {
                self.requests.get_or_create(&HostKind { registry: registry.clone(), kind }).inc_by(count);
            }
            let host = Host { registry };
            self.cached.get_or_create(&host).inc_by(usage.cached);
            self.throttled.get_or_create(&host).inc_by(usage.throttled);
            self.retries.get_or_create(&host).inc_by(usage.retries);
            self.waited.get_or_create(&host).inc_by(usage.waited.as_secs_f64());
            self.bytes.get_or_create(&host).inc_by(usage.bytes);
            if let Some(told) = usage.limit {
                self.limit_remaining.get_or_create(&host).set(whole(told.remaining));
            }
        }
    }

    /// Returns the label of a registry: its host, or `other` where there are too many already.
    fn registry_label(&self, host: &str) -> String {
        let mut known = self.known_registries.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(host) {
            if known.len() >= MOST_REGISTRIES {
                return "other".to_owned();
            }
            known.insert(host.to_owned());
        }
        host.to_owned()
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
    fn registries_beyond_the_bound_are_counted_together() {
        let metrics = Metrics::new();
        for number in 0..MOST_REGISTRIES + 20 {
            let usage = RegistryUsage { lists: 2, ..RegistryUsage::default() };
            metrics.usage(&Usage([(format!("r{number}.example"), usage)].into()));
        }
        let text = metrics.text();
        assert!(text.contains("tagboat_registry_requests_total{registry=\"other\",kind=\"list\"} 40\n"), "{text}");
        assert_eq!(text.matches("tagboat_registry_retries_total{").count(), MOST_REGISTRIES + 1);
    }

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
