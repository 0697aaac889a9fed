//! What registries, forges and Git remotes are asked, in numbers: each request, how it ended, how long it took.
//!
//! Entry point: [`Exchanges::witness`], which passes tell of every request as it ends. Hosts, which manifests and redirects can
//! name, have series of their own up to [`MOST_HOSTS`] for each kind of system, and are `other` beyond. One that nobody has asked
//! for long makes room for another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::exchange::{Exchange, System, Witness};

/// How many hosts of one kind of system have series of their own.
const MOST_HOSTS: usize = 50;

/// How long a host keeps its series that nobody asks any more, where another one wants them: longer than most schedules.
const KEPT: Duration = Duration::from_secs(6 * 3600);

/// The bounds of the histograms, in seconds: from this machine to a time limit.
const SECONDS: [f64; 11] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Labels whose names differ from system to system.
type Labels = Vec<(&'static str, String)>;

type Times = Family<Labels, Histogram, fn() -> Histogram>;

/// The numbers of one kind of system.
#[derive(Debug, Clone)]
struct Numbers {
    /// What its hosts are called in labels.
    label: &'static str,
    requests: Family<Labels, Counter>,
    seconds: Times,
}

impl Numbers {
    fn new(registry: &mut Registry, label: &'static str, prefix: &str, whom: &str) -> Self {
        let made = Self {
            label,
            requests: Family::default(),
            seconds: Times::new_with_constructor(|| Histogram::new(SECONDS)),
        };
        let help = format!("Requests to {whom}, every try, by what for and how it ended");
        registry.register(format!("{prefix}_requests"), help, made.requests.clone());
        let help = format!("How long requests to {whom} took until their answer began");
        registry.register_with_unit(format!("{prefix}_request_duration"), help, Unit::Seconds, made.seconds.clone());
        made
    }

    /// Counts a request; returns its series.
    fn add(&self, host: String, exchange: &Exchange<'_>) -> Labels {
        let labels = vec![
            (self.label, host.clone()),
            ("kind", exchange.kind.to_owned()),
            ("result", exchange.ending.as_str().to_owned()),
        ];
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&vec![(self.label, host)]).observe(exchange.took.as_secs_f64());
        labels
    }
}

/// A host that has series of its own.
#[derive(Debug)]
struct Known {
    asked: Instant,
    requests: BTreeSet<Labels>,
}

/// The numbers of all systems; clones count together.
#[derive(Debug, Clone)]
pub(super) struct Exchanges {
    registries: Numbers,
    forges: Numbers,
    remotes: Numbers,
    forge_remaining: Family<Labels, Gauge>,
    known: Arc<Mutex<BTreeMap<System, BTreeMap<String, Known>>>>,
    /// Registries whose place others have taken, and of whom the service keeps further numbers.
    gone: Arc<Mutex<Vec<String>>>,
}

impl Exchanges {
    /// Makes them, at nothing.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let made = Self {
            registries: Numbers::new(registry, "registry", "registry", "registries"),
            forges: Numbers::new(registry, "forge", "forge", "the APIs of forges"),
            remotes: Numbers::new(registry, "host", "git", "Git remotes, one for each operation"),
            forge_remaining: Family::default(),
            known: Arc::default(),
            gone: Arc::default(),
        };
        let help = "Requests that the forge said to be left";
        registry.register("forge_limit_remaining", help, made.forge_remaining.clone());
        made
    }

    /// Returns whom passes tell of what they ask.
    pub(super) fn witness(&self) -> Witness {
        let numbers = self.clone();
        Witness::new(move |exchange| numbers.note(exchange))
    }

    fn note(&self, exchange: &Exchange<'_>) {
        self.note_at(exchange, Instant::now());
    }

    fn note_at(&self, exchange: &Exchange<'_>, now: Instant) {
        let (system, host) = (exchange.system, self.label_at(exchange.system, exchange.host, now));
        let series = match system {
            System::Registry => self.registries.add(host.clone(), exchange),
            System::Git => self.remotes.add(host.clone(), exchange),
            System::Forge => {
                if let Some(left) = exchange.remaining {
                    // GitHub counts the two apart.
                    let resource = if exchange.kind == "graphql" { "graphql" } else { "rest" };
                    self.forge_remaining
                        .get_or_create(&left_of(&host, resource))
                        .set(i64::try_from(left).unwrap_or(i64::MAX));
                }
                self.forges.add(host.clone(), exchange)
            }
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = known.get_mut(&system).and_then(|hosts| hosts.get_mut(&host)) {
            own.requests.insert(series);
        }
    }

    /// Returns the label of a host: itself, or `other` where there are too many already that were asked not long ago.
    pub(super) fn label(&self, system: System, host: &str) -> String {
        self.label_at(system, host, Instant::now())
    }

    fn label_at(&self, system: System, host: &str, now: Instant) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = known.entry(system).or_default();
        if let Some(own) = hosts.get_mut(host) {
            own.asked = now;
            return host.to_owned();
        }
        if hosts.len() >= MOST_HOSTS {
            let oldest = hosts.iter().min_by_key(|(_, own)| own.asked);
            let oldest = oldest.filter(|(_, own)| now.saturating_duration_since(own.asked) >= KEPT);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                return "other".to_owned();
            };
            if let Some(own) = hosts.remove(&name) {
                self.forget(system, &name, &own);
            }
            if system == System::Registry {
                self.gone.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            }
        }
        hosts.insert(host.to_owned(), Known { asked: now, requests: BTreeSet::new() });
        host.to_owned()
    }

    /// Returns the registries that have lost their series since it was asked last.
    pub(super) fn gone(&self) -> Vec<String> {
        std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn forget(&self, system: System, host: &str, known: &Known) {
        let numbers = match system {
            System::Registry => &self.registries,
            System::Git => &self.remotes,
            System::Forge => &self.forges,
        };
        for series in &known.requests {
            numbers.requests.remove(series);
        }
        numbers.seconds.remove(&vec![(numbers.label, host.to_owned())]);
        if system == System::Forge {
            for resource in ["graphql", "rest"] {
                self.forge_remaining.remove(&left_of(host, resource));
            }
        }
    }
}

fn left_of(host: &str, resource: &str) -> Labels {
    vec![("forge", host.to_owned()), ("resource", resource.to_owned())]
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::model::exchange::Ending;

    fn told(exchanges: &[Exchange<'_>]) -> String {
        let mut registry = Registry::with_prefix("tagboat");
        let witness = Exchanges::new(&mut registry).witness();
        exchanges.iter().for_each(|exchange| witness.tell(exchange));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn exchange(system: System, host: &str) -> Exchange<'_> {
        let took = Duration::from_millis(20);
        Exchange { system, host, kind: "read", ending: Ending::Ok, took, remaining: None }
    }

    #[test]
    fn hosts_beyond_the_bound_are_counted_together() {
        let hosts: Vec<String> = (0..MOST_HOSTS + 20).map(|number| format!("r{number}.example")).collect();
        let all: Vec<Exchange<'_>> = hosts.iter().map(|host| exchange(System::Registry, host)).collect();
        let text = told(&[all.clone(), all].concat());
        let other = "tagboat_registry_requests_total{registry=\"other\",kind=\"read\",result=\"ok\"} 40\n";
        assert!(text.contains(other), "{text}");
        assert_eq!(text.matches("tagboat_registry_requests_total{").count(), MOST_HOSTS + 1);
        assert_eq!(text.matches("tagboat_registry_request_duration_seconds_count{").count(), MOST_HOSTS + 1);
    }

    #[test]
    fn a_host_that_nobody_asks_any_more_makes_room_for_another() {
        let mut registry = Registry::with_prefix("tagboat");
        let exchanges = Exchanges::new(&mut registry);
        let begun = Instant::now();
        let ask = |host: &str, at: Duration| exchanges.note_at(&exchange(System::Registry, host), begun + at);
        (0..MOST_HOSTS).for_each(|number| ask(&format!("r{number}.example"), Duration::from_secs(number as u64)));
        ask("r0.example", KEPT);
        ask("late.example", KEPT);
        ask("new.example", KEPT + Duration::from_secs(1));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let has = |host: &str| text.contains(&format!("tagboat_registry_requests_total{{registry=\"{host}\""));
        assert!(has("r0.example") && has("r2.example") && has("new.example"), "{text}");
        assert!(!text.contains("r1.example") && !has("late.example") && has("other"), "{text}");
        assert_eq!(exchanges.label_at(System::Registry, "next.example", begun + 2 * KEPT), "next.example");
        assert_eq!(exchanges.gone(), ["r1.example", "r2.example"]);
    }

    #[test]
    fn each_system_has_numbers_of_its_own() {
        let limited = Exchange { remaining: Some(4_711), ..exchange(System::Forge, "api.github.com") };
        let asked = Exchange { kind: "graphql", remaining: Some(90), ..limited.clone() };
        let refused = Exchange { kind: "push", ending: Ending::Refused, ..exchange(System::Git, "github.com") };
        let text = told(&[limited, asked, refused, exchange(System::Registry, "ghcr.io")]);
        for series in [
            "forge_requests_total{forge=\"api.github.com\",kind=\"read\",result=\"ok\"} 1",
            "forge_limit_remaining{forge=\"api.github.com\",resource=\"rest\"} 4711",
            "forge_limit_remaining{forge=\"api.github.com\",resource=\"graphql\"} 90",
            "forge_request_duration_seconds_bucket{le=\"0.025\",forge=\"api.github.com\"} 2",
            "git_requests_total{host=\"github.com\",kind=\"push\",result=\"refused\"} 1",
            "git_request_duration_seconds_count{host=\"github.com\"} 1",
            "registry_requests_total{registry=\"ghcr.io\",kind=\"read\",result=\"ok\"} 1",
        ] {
            assert!(text.contains(&format!("tagboat_{series}\n")), "{series}: {text}");
        }
    }
}
